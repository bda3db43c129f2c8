/* process.c - the processes of a lab: started in their node, ended, and started anew as a
 * supervisor of services would. */
#include "postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>
#include <breakwater/sys/process_tree.h>

#define STATUS_CONFIG 78 /* sysexits: a bad configuration */
#define STATUS_PERSON     70 /* a daemon that a person must look after */
#define KILL_ROUNDS_MAX   400
#define KILL_ROUND_NS     (5 * BW_NS_PER_MS)
#define LEADER_ASK_MS     1500
#define COMMAND_PAUSE_MS  5
#define COMMAND_WORDS_MAX 16

uint64_t bw_lab_now_ns(void)
{
    return bw_clock_now().boot_ns;
}

struct bw_lab_process *bw_lab_process(struct bw_lab *lab, enum bw_lab_role role, uint32_t node)
{
    for (uint32_t i = 0; i < lab->process_count; i++)
        if (lab->processes[i].role == role && lab->processes[i].node == node)
            return &lab->processes[i];
    BW_ASSERT(false); /* every node of that kind has one */
    return NULL;
}

/* ---- the story ------------------------------------------------------------------------------- */

void bw_lab_say(struct bw_lab *lab, enum bw_lab_event_kind kind, int node, int process,
                const char *format, ...)
{
    struct bw_lab_event event = {
        .at_ns = bw_lab_now_ns(), .kind = kind, .node = node, .process = process};
    va_list values;

    va_start(values, format);
    (void)vsnprintf(event.text, sizeof event.text, format, values); /* cut: for people */
    va_end(values);
    lab->problem_count += kind == BW_LAB_PROBLEM;
    if (lab->event_count < BW_LAB_EVENTS_MAX)
        lab->events[lab->event_count++] = event;
    else
        lab->event_lost_count++;
    (void)printf("%9.3f s  %s%s\n", (double)(event.at_ns - lab->begun_ns) / (double)BW_NS_PER_S,
                 kind == BW_LAB_PROBLEM ? "PROBLEM " : "", event.text);
    (void)fflush(stdout);
}

static int index_of(const struct bw_lab *lab, const struct bw_lab_process *process)
{
    return (int)(process - lab->processes);
}

/* ---- starting -------------------------------------------------------------------------------- */

/* The network, the clocks and the boot id of a node, for this process and what it starts. */
static bool enter_node(const struct bw_lab *lab, uint32_t index)
{
    const struct bw_lab_node *node = &lab->nodes[index];

    if (setns(lab->hub.namespaces[index], CLONE_NEWNET) != 0 ||
        (node->time_namespace >= 0 && setns(node->time_namespace, CLONE_NEWTIME) != 0))
        return false;
    if (node->boot_count == 0)
        return true; /* that of the machine */
    return unshare(CLONE_NEWNS) == 0 &&
           mount(node->boot_id, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL) == 0;
}

static void set_environment(const struct bw_lab *lab, const struct bw_lab_process *process)
{
    const char *options = getenv("ASAN_OPTIONS");
    char text[BW_LAB_PATH_BYTES];
    const char *name = strrchr(lab->options->program, '/');

    /* AddressSanitizer wants to be first, and need not be: the library calls nothing of it. */
    (void)snprintf(text, sizeof text, "%s%sverify_asan_link_order=0:abort_on_error=1",
                   options != NULL ? options : "", options != NULL ? ":" : "");
    (void)setenv("ASAN_OPTIONS", text, 1); /* fails only without memory: then so does exec */
    if (process->crash_at[0] != '\0')
        (void)setenv("BW_CRASH_AT", process->crash_at, 1);
    if (lab->options->preload == NULL)
        return;
    (void)setenv("FAULT_FILE", process->faults, 1);
    (void)setenv("FAULT_PROGRAM", name != NULL ? name + 1 : lab->options->program, 1);
    (void)setenv("LD_PRELOAD", lab->options->preload, 1);
}

/* That of its node, so that a node can be frozen as a whole. */
static void enter_cgroup(const struct bw_lab *lab, uint32_t node)
{
    char path[BW_LAB_PATH_BYTES];
    int fd;

    if (lab->box->cgroup[0] == '\0')
        return;
    (void)snprintf(path, sizeof path, "%s/%s/cgroup.procs", lab->box->cgroup,
                   lab->nodes[node].name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        _exit(127);
    (void)close(fd); /* the kernel acted at the write */
}

struct target {
    const struct bw_lab *lab;
    const struct bw_lab_process *process;
};

/* In the child. */
static bool enter(void *user)
{
    const struct target *target = user;

    enter_cgroup(target->lab, target->process->node);
    if (!enter_node(target->lab, target->process->node))
        return false;
    set_environment(target->lab, target->process);
    return true;
}

static enum bw_err mark_log(const struct bw_lab *lab, const struct bw_lab_process *process,
                            struct bw_diag *diag)
{
    const int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (log < 0)
        return bw_diag_errno(diag, errno, "open %s", process->log);
    (void)dprintf(log, BW_LAB_START_MARK "%" PRId64 "\n", lab->nodes[process->node].boot_shift_ns);
    (void)close(log); /* who misses the line says so */
    return BW_OK;
}

enum bw_err bw_lab_start(struct bw_lab *lab, struct bw_lab_process *process, struct bw_diag *diag)
{
    struct target target = {lab, process};
    const struct bw_lab_daemon daemon = {.program = lab->options->program,
                                         .role = process->role,
                                         .config = process->config,
                                         .log = process->log,
                                         .enter = enter,
                                         .user = &target};
    enum bw_err err = mark_log(lab, process, diag);

    BW_ASSERT(process->pid == 0);
    memcpy(process->crash_at, process->next_crash_at, sizeof process->crash_at);
    if (err == BW_OK)
        err = bw_lab_spawn(&daemon, &process->pid, diag);
    if (err != BW_OK) {
        process->pid = 0;
        return err;
    }
    process->is_killed = false;
    process->next_crash_at[0] = '\0';
    process->start_at_ns = 0;
    process->started_ns = bw_lab_now_ns();
    process->start_count++;
    if (process->start_count > 1)
        bw_lab_say(lab, BW_LAB_STARTED, (int)process->node, index_of(lab, process), "%s starts",
                   process->name);
    return BW_OK;
}

/* ---- ending ---------------------------------------------------------------------------------- */

void bw_lab_kill(struct bw_lab *lab, struct bw_lab_process *process)
{
    (void)lab;
    process->is_killed = true;
    if (process->pid != 0)
        (void)kill(process->pid, SIGKILL); /* ours, not asked for its end yet: it is this one */
}

/* 0, 75 and what we did are a supervisor's everyday; 70 is a person's; anything else is a defect.
 */
static void note_end(struct bw_lab *lab, struct bw_lab_process *process, int status)
{
    const bool by_signal = WIFSIGNALED(status);
    const int code = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    const bool at_point = process->crash_at[0] != '\0' && by_signal && code == SIGKILL;
    const bool is_fine = process->is_killed || at_point ||
                         (!by_signal && (code == 0 || code == 75 ||
                                         (code == STATUS_CONFIG && process->may_refuse)));

    process->pid = 0;
    process->crash_count += at_point && !process->is_killed;
    process->is_given_up = !by_signal && code == STATUS_PERSON;
    process->start_at_ns = bw_lab_now_ns() + bw_ms_to_ns(BW_LAB_RESTART_MS);
    if (at_point && !process->is_killed)
        bw_lab_say(lab, BW_LAB_ENDED, (int)process->node, index_of(lab, process),
                   "%s crashed at %s", process->name, process->crash_at);
    else
        bw_lab_say(lab, is_fine || process->is_given_up ? BW_LAB_ENDED : BW_LAB_PROBLEM,
                   (int)process->node, index_of(lab, process), "%s ended (%s %d)%s", process->name,
                   by_signal ? "signal" : "status", code,
                   process->is_given_up ? ": it asks for a person" : "");
    process->crash_at[0] = '\0';
}

static void note_job(struct bw_lab *lab, pid_t pid, int status)
{
    for (struct bw_lab_job **at = &lab->jobs; *at != NULL; at = &(*at)->next) {
        struct bw_lab_job *job = *at;

        if (job->pid != pid)
            continue;
        job->pid = 0;
        job->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        job->ended_ns = bw_lab_now_ns();
        *at = job->next;
        return;
    }
}

static void reap(struct bw_lab *lab)
{
    int status;
    pid_t pid;

    /* Also orphans of guards that were killed: this is the first process of the namespace. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < lab->process_count; i++)
            if (lab->processes[i].pid == pid)
                note_end(lab, &lab->processes[i], status);
        note_job(lab, pid, status);
        if (pid == lab->name_server)
            bw_lab_say(lab, BW_LAB_PROBLEM, -1, -1, "the harness's own name server ended");
        if (pid == lab->hub.pid) {
            lab->hub.pid = 0;
            bw_lab_say(lab, BW_LAB_PROBLEM, -1, -1, "the harness's own hub ended");
        }
    }
}

static void restart_due(struct bw_lab *lab)
{
    struct bw_diag diag = {0};

    for (uint32_t i = 0; i < lab->process_count; i++) {
        struct bw_lab_process *process = &lab->processes[i];

        if (process->pid != 0 || process->start_at_ns == 0 || process->hold_count > 0 ||
            process->is_given_up || bw_lab_now_ns() < process->start_at_ns)
            continue;
        if (bw_lab_start(lab, process, &diag) != BW_OK) {
            bw_lab_say(lab, BW_LAB_PROBLEM, (int)process->node, (int)i, "%s", diag.text);
            process->start_at_ns = bw_lab_now_ns() + bw_ms_to_ns(BW_LAB_RESTART_MS);
        }
    }
}

/* Until a child ends or the time is over. */
static void wait_for_child(uint64_t time_ns)
{
    const struct timespec wait = {.tv_sec = (time_t)(time_ns / BW_NS_PER_S),
                                  .tv_nsec = (long)(time_ns % BW_NS_PER_S)};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigtimedwait(&set, NULL, &wait); /* blocked since the box began: see main.c */
}

void bw_lab_turn(struct bw_lab *lab, uint64_t until_ns)
{
    uint64_t now_ns;
    uint64_t at_ns = until_ns;

    reap(lab);
    restart_due(lab);
    now_ns = bw_lab_now_ns();
    for (uint32_t i = 0; i < lab->process_count; i++) {
        const struct bw_lab_process *process = &lab->processes[i];

        if (process->pid == 0 && process->start_at_ns != 0 && process->hold_count == 0 &&
            !process->is_given_up && process->start_at_ns < at_ns)
            at_ns = process->start_at_ns;
    }
    if (at_ns > now_ns)
        wait_for_child(at_ns - now_ns);
    reap(lab);
}

/* ---- services -------------------------------------------------------------------------------- */

/* The server's first process, by the first line of its own pid file. */
static bool read_server(const struct bw_lab_node *node, struct bw_process *out_process)
{
    char path[BW_LAB_PATH_BYTES];
    char line[64] = "";
    struct bw_diag diag = {0};
    FILE *file;
    long pid;

    if (bw_lab_path(path, node->dir, "pg/data/postmaster.pid", &diag) != BW_OK)
        return false;
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0'; /* nothing in it: no process */
    (void)fclose(file); /* only read from */
    pid = strtol(line, NULL, 10);
    return pid > 1 && pid <= INT32_MAX &&
           bw_process_read((pid_t)pid, out_process, &diag) == BW_OK && !out_process->is_dead;
}

static bool read_service(const struct bw_lab *lab, uint32_t site, uint32_t group,
                         struct bw_process *out_process)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char path[BW_LAB_PATH_BYTES];
    char name[BW_NAME_MAX + 8];
    struct bw_diag diag = {0};

    if (lab->options->is_postgres)
        return read_server(node, out_process);
    (void)snprintf(name, sizeof name, "%s.pid", lab->groups[group]);
    return bw_lab_path(path, node->dir, name, &diag) == BW_OK &&
           bw_lab_read_service(path, node->boot_shift_ns, out_process);
}

bool bw_lab_signal_service(struct bw_lab *lab, uint32_t site, uint32_t group, int signal)
{
    struct bw_process process;
    struct bw_diag diag = {0};

    return read_service(lab, site, group, &process) &&
           bw_process_signal(process.pid, process.start_ticks, signal, &diag) == BW_OK;
}

int bw_lab_find_holder(const struct bw_lab *lab, uint32_t group)
{
    struct bw_process process;

    if (lab->options->is_postgres)
        return bw_postgres_find_primary(lab);
    for (uint32_t site = 0; site < lab->options->site_count; site++)
        if (read_service(lab, site, group, &process))
            return (int)site;
    return -1;
}

uint32_t bw_lab_count_stops(const struct bw_lab *lab)
{
    uint32_t count = 0;

    for (uint32_t site = 0; site < lab->options->site_count; site++) {
        char path[BW_LAB_PATH_BYTES];
        struct bw_diag diag = {0};

        if (bw_lab_path(path, lab->nodes[bw_lab_site_node(site)].dir, "stops", &diag) == BW_OK)
            count += bw_lab_count_lines(path, NULL); /* of ours: fits */
    }
    return count;
}

/* What its guard put into the cgroups of the site. */
static void kill_cgroup(const struct bw_lab *lab, uint32_t site)
{
    char path[BW_LAB_PATH_BYTES];
    int fd;

    if (lab->box->cgroup[0] == '\0')
        return;
    (void)snprintf(path, sizeof path, "%s/breakwater-%s@" BW_LAB_CLUSTER "/cgroup.kill", lab->box->cgroup,
                   lab->nodes[bw_lab_site_node(site)].name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;               /* nothing was started there yet */
    (void)!write(fd, "1", 1); /* what is left is found below, or said */
    (void)close(fd);          /* the kernel acted at the write */
}

/* And by the mark that every script and what it starts carries in its environment. */
void bw_lab_kill_services(struct bw_lab *lab, uint32_t site)
{
    const struct timespec pause = {.tv_nsec = (long)KILL_ROUND_NS};
    char mark[BW_NAME_MAX + 48];
    const struct bw_process_tree tree = {.mark = mark};
    struct bw_diag diag = {0};
    size_t count = 1;
    enum bw_err err = BW_OK;

    (void)snprintf(mark, sizeof mark, BW_PROCESS_MARK "%.40s@" BW_LAB_CLUSTER "/",
                   lab->nodes[bw_lab_site_node(site)].name);
    kill_cgroup(lab, site);
    for (uint32_t group = 0; group < lab->options->group_count; group++)
        (void)bw_lab_signal_service(lab, site, group, SIGKILL); /* one that runs outside has no mark */
    for (int round = 0; round < KILL_ROUNDS_MAX && err == BW_OK && count > 0; round++) {
        err = bw_process_tree_round(&tree, SIGKILL, NULL, 0, &count, &diag);
        reap(lab);
        if (count > 0)
            (void)nanosleep(&pause, NULL); /* between two looks; cut short is as well */
    }
    if (err != BW_OK || count > 0)
        bw_lab_say(lab, BW_LAB_PROBLEM, (int)bw_lab_site_node(site), -1,
                   "the services of %s do not end: %s", lab->nodes[bw_lab_site_node(site)].name,
                   err != BW_OK ? diag.text : "still there");
}

/* ---- commands -------------------------------------------------------------------------------- */

pid_t bw_lab_fork(const struct bw_lab *lab, uint32_t node)
{
    pid_t pid;

    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid != 0)
        return pid;
    bw_signals_unblock();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !enter_node(lab, node))
        _exit(127);
    return 0;
}

__attribute__((noreturn)) static void become_command(const struct bw_lab *lab, uint32_t node,
                                                     const char *const *words, int out,
                                                     bool drops_errors)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    bw_signals_unblock();
    (void)setpgid(0, 0); /* so that no signal of a terminal reaches it */
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(drops_errors ? null : out, 2) < 0 || !enter_node(lab, node))
        _exit(127);
    (void)execv(words[0], (char *const *)words); /* as execv takes them */
    _exit(127);
}

/* What comes until the other end is closed or the time is over. */
static void read_output(int fd, uint64_t until_ns, char *out_text, size_t size)
{
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        const uint64_t now_ns = bw_lab_now_ns();
        char rest[256];
        ssize_t got;

        if (now_ns >= until_ns ||
            (poll(&wait, 1, (int)bw_ns_to_ms(until_ns - now_ns) + 1) < 0 && errno != EINTR))
            break;
        if (wait.revents == 0)
            continue;
        got = used + 1 < size ? read(fd, out_text + used, size - 1 - used)
                              : read(fd, rest, sizeof rest); /* what does not fit is dropped */
        if (got <= 0)
            break;
        used += used + 1 < size ? (size_t)got : 0;
    }
    out_text[used] = '\0';
}

static int run(struct bw_lab *lab, uint32_t node, const char *const *words, uint32_t timeout_ms,
               char *out_text, size_t size, bool drops_errors)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(timeout_ms);
    const struct timespec pause = {.tv_nsec = COMMAND_PAUSE_MS * (long)BW_NS_PER_MS};
    int ends[2];
    int status = -1;
    pid_t ended = 0;
    pid_t pid;

    out_text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid == 0)
        become_command(lab, node, words, ends[1], drops_errors);
    (void)close(ends[1]);
    if (pid > 0)
        read_output(ends[0], until_ns, out_text, size);
    (void)close(ends[0]);
    while (pid > 0 && (ended = waitpid(pid, &status, WNOHANG)) == 0 && bw_lab_now_ns() < until_ns)
        (void)nanosleep(&pause, NULL); /* its output has ended: it does so any moment */
    if (pid > 0 && ended == 0) {
        (void)kill(pid, SIGKILL); /* ours, not asked for its end yet */
        (void)waitpid(pid, &status, 0);
        return -1;
    }
    return ended == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int bw_lab_run(struct bw_lab *lab, uint32_t node, const char *const *words, uint32_t timeout_ms,
               char *out_text, size_t size)
{
    return run(lab, node, words, timeout_ms, out_text, size, false);
}

/* With the person's file. */
struct command {
    const char *args[COMMAND_WORDS_MAX + 4];
    char config[BW_LAB_PATH_BYTES];
};

static enum bw_err make_command(const struct bw_lab *lab, const char *const *words,
                                struct command *out, struct bw_diag *diag)
{
    size_t count = 1;

    *out = (struct command){.args = {lab->options->program}};
    for (; words[count - 1] != NULL; count++) {
        BW_ASSERT(count <= COMMAND_WORDS_MAX);
        out->args[count] = words[count - 1];
    }
    out->args[count++] = "--config";
    out->args[count] = out->config;
    return bw_lab_path(out->config, lab->dir, "cli.yaml", diag);
}

int bw_lab_command(struct bw_lab *lab, const char *const *words, uint32_t timeout_ms,
                   char *out_text, size_t size)
{
    struct command command;
    struct bw_diag diag = {0};

    if (make_command(lab, words, &command, &diag) != BW_OK)
        return -1;
    return bw_lab_run(lab, bw_lab_command_node(lab), command.args, timeout_ms, out_text, size);
}

int bw_lab_ask(struct bw_lab *lab, const char *const *words, uint32_t timeout_ms, char *out_text,
               size_t size)
{
    struct command command;
    struct bw_diag diag = {0};

    if (make_command(lab, words, &command, &diag) != BW_OK)
        return -1;
    return run(lab, bw_lab_command_node(lab), command.args, timeout_ms, out_text, size, true);
}

void bw_lab_watch(struct bw_lab *lab, struct bw_lab_job *job, pid_t pid)
{
    *job = (struct bw_lab_job){.pid = pid, .begun_ns = bw_lab_now_ns(), .next = lab->jobs};
    lab->jobs = job;
}

enum bw_err bw_lab_begin_command(struct bw_lab *lab, struct bw_lab_job *job,
                                 const char *const *words, const char *output,
                                 struct bw_diag *diag)
{
    const int out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct command command;
    pid_t pid;
    enum bw_err err = make_command(lab, words, &command, diag);

    if (err == BW_OK && out < 0)
        err = bw_diag_errno(diag, errno, "create %s", output);
    if (err != BW_OK) {
        if (out >= 0)
            (void)close(out); /* nothing was written */
        return err;
    }
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid == 0)
        become_command(lab, bw_lab_command_node(lab), command.args, out, false);
    (void)close(out); /* the child has it */
    if (pid < 0)
        return bw_diag_errno(diag, errno, "fork");
    bw_lab_watch(lab, job, pid);
    return BW_OK;
}

int bw_lab_wait_child(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The JSON of `status` says `"leader":"w2"` of the witness that answered. */
int bw_lab_find_leader(struct bw_lab *lab)
{
    static const char key[] = "\"leader\"";
    static const char *const words[] = {"status", "-o", "json", NULL};
    char text[4096];
    const char *at;

    (void)bw_lab_command(lab, words, LEADER_ASK_MS, text, sizeof text); /* its warnings are known */
    at = strstr(text, key);
    at = at == NULL ? NULL : strchr(at + sizeof key - 1, '"');
    for (uint32_t i = 0; at != NULL && i < BW_LAB_WITNESSES; i++)
        if (strncmp(at + 1, lab->nodes[i].name, strlen(lab->nodes[i].name)) == 0)
            return (int)i;
    return -1;
}
