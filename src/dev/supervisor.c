/* supervisor.c - the processes of a development cluster: started, ended, measured. */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/process_tree.h>

#define RSS_KEY         "RssAnon:"
#define KILL_ROUNDS_MAX 400 /* of 5 ms */
#define KILL_ROUND_NS   (5 * 1000 * 1000L)

struct bw_dev_process *bw_dev_process(struct bw_dev *dev, enum bw_lab_role role, uint32_t index)
{
    switch (role) {
    case BW_LAB_WITNESS:
        BW_ASSERT(index < BW_LAB_WITNESSES);
        return &dev->processes[index];
    case BW_LAB_AGENT:
        BW_ASSERT(index < BW_DEV_SITES);
        return &dev->processes[BW_LAB_WITNESSES + index];
    case BW_LAB_GUARD:
        BW_ASSERT(index < BW_DEV_SITES);
        return &dev->processes[BW_LAB_WITNESSES + BW_DEV_SITES + index];
    case BW_LAB_SECOND: /* it shows one machine for each site */
        break;
    }
    return NULL;
}

/* ---- starting -------------------------------------------------------------------------------- */

enum bw_err bw_dev_spawn(struct bw_dev *dev, struct bw_dev_process *process, struct bw_diag *diag)
{
    const struct bw_lab_daemon daemon = {.program = dev->program,
                                         .role = process->role,
                                         .config = process->config,
                                         .log = process->log};
    enum bw_err err;

    BW_ASSERT(process->pid == 0);
    err = bw_lab_spawn(&daemon, &process->pid, diag);
    if (err != BW_OK) {
        process->pid = 0;
        return bw_diag_wrap(diag, err, "%s", process->name);
    }
    process->is_wanted = true;
    process->has_failed = false;
    return BW_OK;
}

/* ---- ending ---------------------------------------------------------------------------------- */

void bw_dev_kill(struct bw_dev_process *process, int signal)
{
    process->is_wanted = false;
    if (process->pid != 0)
        (void)kill(process->pid, signal); /* ours, not asked for its end yet: it is this one */
}

static void note_end(struct bw_dev *dev, pid_t pid, int status)
{
    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++) {
        struct bw_dev_process *process = &dev->processes[i];

        if (process->pid != pid)
            continue;
        process->pid = 0;
        process->wait_status = status;
        process->has_failed = process->is_wanted;
    }
}

void bw_dev_reap(struct bw_dev *dev)
{
    int status;
    pid_t pid;

    /* Also orphans of guards that were killed: this process is their subreaper. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(dev, pid, status);
}

/* Kills what is left of the service and says whether anything was. By the mark that every script
 * of the group carries in its environment, and by cgroup where the guard could make one. */
static enum bw_err kill_round(const struct bw_reach *reach, bool *out_empty, struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    const struct bw_process_tree tree = {.mark = mark}; /* strays are our own daemons: not these */
    size_t count = 0;
    enum bw_err err;

    bw_reach_mark(reach, BW_REACH_ALL, mark);
    err = bw_process_tree_round(&tree, SIGKILL, NULL, 0, &count, diag);
    *out_empty = err == BW_OK && count == 0;
    if (err != BW_OK || reach->means != BW_REACH_BY_CGROUP)
        return err;
    err = bw_reach_list(reach, BW_REACH_ALL, NULL, 0, &count, diag);
    if (err == BW_OK && count > 0) {
        *out_empty = false;
        err = bw_reach_signal(reach, BW_REACH_ALL, SIGKILL, diag);
    }
    return err;
}

static void pause_round(void)
{
    const struct timespec pause = {.tv_nsec = KILL_ROUND_NS};

    (void)nanosleep(&pause, NULL); /* between two looks; cut short by a signal is as well */
}

enum bw_err bw_dev_kill_service(struct bw_dev *dev, uint32_t site, struct bw_diag *diag)
{
    char name[BW_REACH_TAG_BYTES];
    struct bw_reach reach;
    bool is_empty = false;
    enum bw_err err;

    bw_reach_tag(BW_DEV_CLUSTER, dev->sites[site].name, name);
    err = bw_reach_open(&reach, name, dev->group, false, diag);

    for (int round = 0; round < KILL_ROUNDS_MAX && err == BW_OK; round++) {
        err = kill_round(&reach, &is_empty, diag);
        if (is_empty)
            break;
        bw_dev_reap(dev);
        pause_round();
    }
    if (err == BW_OK && !is_empty)
        err = bw_diag_set(diag, BW_ERR_TIMEOUT, "the service at %s does not end", name);
    bw_reach_close(&reach);
    return err;
}

/* Whoever lost its parent is our child, since we are the subreaper: what carries no mark (a script
 * of an agent, say) is found here. */
static uint32_t kill_orphans(void)
{
    char path[64];
    char list[4096] = ""; /* pids and spaces; what does not fit is for the next round */
    char *at = list;
    uint32_t count = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    file = fopen(path, "re");
    if (file == NULL)
        return 0; /* a kernel without this list: what carries the mark is gone already */
    if (fgets(list, sizeof list, file) == NULL)
        list[0] = '\0';                                                    /* no children */
    (void)fclose(file);                                                    /* only read from */
    for (char *space; (space = strchr(at, ' ')) != NULL; at = space + 1) { /* each ends with one */
        const long pid = strtol(at, NULL, 10);

        if (pid > 1 && kill((pid_t)pid, SIGKILL) == 0) /* our child, not asked for its end yet */
            count++;
    }
    return count;
}

void bw_dev_end_all(struct bw_dev *dev)
{
    struct bw_diag diag = {0};

    /* Agents and guards first: nobody may start anew what is ended below. */
    for (uint32_t i = BW_DEV_PROCESSES; i-- > 0;)
        bw_dev_kill(&dev->processes[i], SIGKILL);
    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++)
        if (dev->processes[i].pid != 0 &&
            waitpid(dev->processes[i].pid, &dev->processes[i].wait_status, 0) > 0)
            dev->processes[i].pid = 0;
    for (uint32_t site = 0; site < BW_DEV_SITES && dev->sites[site].name[0] != '\0'; site++)
        if (bw_dev_kill_service(dev, site, &diag) != BW_OK)
            bw_dev_say(dev, "%s", diag.text);
    for (int round = 0; round < KILL_ROUNDS_MAX && kill_orphans() > 0; round++) {
        bw_dev_reap(dev);
        pause_round();
    }
}

/* ---- measuring ------------------------------------------------------------------------------- */

static uint64_t read_rss_anon_kib(pid_t pid)
{
    char path[64];
    char line[256];
    uint64_t kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, RSS_KEY, sizeof RSS_KEY - 1) == 0)
            kib = strtoull(line + sizeof RSS_KEY - 1, NULL, 10);
    (void)fclose(file); /* only read from */
    return kib;
}

void bw_dev_measure(struct bw_dev *dev)
{
    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++)
        if (dev->processes[i].pid != 0)
            dev->processes[i].rss_anon_kib = read_rss_anon_kib(dev->processes[i].pid);
}
