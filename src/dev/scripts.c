/* scripts.c - the demo service's scripts, as a person would write them for a service that leaves a
 * pid file. They say what they do in a journal, so that a run can be seen not to have happened. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/sys/process_tree.h>

#define SCRIPT_BYTES (16 * 1024)

/* What all of them begin with: names, and how to tell whether the service lives. A pid alone may be
 * another process tomorrow; with the start time (field 22 of stat) it is this one. */
static const char common[] =
    "PID_FILE='%s'\n"
    "JOURNAL='%s'\n"
    "RECORDS='%s'\n"
    "\n"
    "is_alive() {\n"
    "    [ -r \"$PID_FILE\" ] && read -r pid begun < \"$PID_FILE\" || return 1\n"
    "    [ -r \"/proc/$pid/stat\" ] && read -r stat 2>/dev/null < \"/proc/$pid/stat\" || return 1\n"
    "    set -- ${stat##*) }\n"
    "    [ \"$1\" != Z ] && [ \"$1\" != X ] && [ \"${20}\" = \"$begun\" ]\n"
    "}\n"
    "note() {\n"
    "    read -r up rest < /proc/uptime\n"
    "    echo \"$1 epoch=$BREAKWATER_EPOCH reason=$BREAKWATER_REASON uptime=$up\" >> "
    "\"$JOURNAL\"\n"
    "}\n"
    "# Signals the service and waits until it has ended; fails after 5 s.\n"
    "end_with() {\n"
    "    tries=0\n"
    "    while is_alive; do\n"
    "        [ $tries -gt 0 ] || kill -\"$1\" \"$pid\"\n"
    "        tries=$((tries + 1))\n"
    "        [ $tries -le 500 ] || return 1\n"
    "        sleep 0.01\n"
    "    done\n"
    "}\n";

struct script {
    const char *name;
    const char *body;
};
static const struct script scripts[] = {
    {"status.sh", "if is_alive; then echo started; else echo stopped; fi\n"},
    {"stop.sh", "note stop\nend_with TERM\n"},
    {"fence.sh", "note fence\nend_with KILL\n"},
    /* Both sites read the same records, as if replication took no time: a site that has seen as
     * many as it was told to reach is ready. */
    {"readiness.sh", "seen=$(cat \"$RECORDS\"/*.beats 2>/dev/null | wc -l)\n"
                     "echo \"lag_seconds=0\"\n"
                     "echo \"position=$seen\"\n"
                     "[ \"$seen\" -ge \"${BREAKWATER_TARGET_POSITION:-0}\" ]\n"},
};

/* Where it serves is not what the program under judgement says: two sites that it called by one name
 * would never overlap. */
static const char start_body[] =
    "note start\n"
    "is_alive && exit 0\n"
    "exec '%s' dev ledger --site '%s' --epoch \"$BREAKWATER_EPOCH\" \\\n"
    "    --records \"$RECORDS\" --pid-file \"$PID_FILE\" --owner %ld:%" PRIu64 "\n";

static enum bw_err write_script(const struct bw_dev *dev, const struct bw_dev_site *site,
                                const char *name, const char *body, struct bw_diag *diag)
{
    char path[BW_DEV_PATH_BYTES];
    char *text = NULL;
    char *head = NULL;
    enum bw_err err = bw_dev_path(path, site->dir, name, diag);

    if (err != BW_OK)
        return err;
    if (asprintf(&head, common, site->pid_file, site->journal, dev->records_dir) < 0)
        return bw_diag_set(diag, BW_ERR_NOMEM, "write %s: out of memory", path);
    if (asprintf(&text, "#!/bin/sh\n%s\n%s", head, body) < 0) {
        free(head);
        return bw_diag_set(diag, BW_ERR_NOMEM, "write %s: out of memory", path);
    }
    err = bw_dev_write_file(path, text, diag);
    if (err == BW_OK && chmod(path, 0755) != 0)
        err = bw_diag_errno(diag, errno, "chmod %s", path);
    free(text);
    free(head);
    return err;
}

enum bw_err bw_dev_write_scripts(struct bw_dev *dev, const struct bw_dev_site *site,
                                 struct bw_diag *diag)
{
    struct bw_process self;
    char start[SCRIPT_BYTES];
    enum bw_err err = bw_process_read(getpid(), &self, diag);

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0] && err == BW_OK; i++)
        err = write_script(dev, site, scripts[i].name, scripts[i].body, diag);
    if (err != BW_OK)
        return err;
    (void)snprintf(start, sizeof start, start_body, dev->program, site->name, (long)self.pid,
                   self.start_ticks); /* fits: the path is at most BW_DEV_PATH_BYTES */
    return write_script(dev, site, "start.sh", start, diag);
}

/* ---- what the scripts left ------------------------------------------------------------------- */

uint32_t bw_dev_journal_count(const struct bw_dev_site *site, const char *word)
{
    FILE *file = fopen(site->journal, "re");
    char line[512];
    uint32_t count = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        count += strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ';
    (void)fclose(file); /* only read from */
    return count;
}

bool bw_dev_service_lives(const struct bw_dev_site *site)
{
    FILE *file = fopen(site->pid_file, "re");
    struct bw_diag diag = {0};
    struct bw_process process;
    uint64_t start_ticks;
    char line[64] = "";
    char *rest = NULL;
    long pid;

    if (file == NULL)
        return false;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0'; /* nothing in it: no process */
    (void)fclose(file); /* only read from */
    pid = strtol(line, &rest, 10);
    start_ticks = strtoull(rest, NULL, 10);
    return pid > 0 && pid <= INT32_MAX && bw_process_read((pid_t)pid, &process, &diag) == BW_OK &&
           process.start_ticks == start_ticks && !process.is_dead;
}
