/* scripts.c - the demo service's scripts, as a person would write them for a service that leaves a
 * pid file. They say what they do in a journal, so that a run can be seen not to have happened. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <breakwater/sys/process_tree.h>

/* What all of them begin with: names, and how to tell whether the service lives. */
static const char common[] =
    "#!/bin/sh\n"
    "PID_FILE='%s'\n"
    "JOURNAL='%s'\n"
    "RECORDS='%s'\n"
    "\n"
    BW_LAB_SCRIPT_IS_ALIVE "note() {\n"
    "    read -r up rest < /proc/uptime\n"
    "    echo \"$1 epoch=$BREAKWATER_EPOCH reason=$BREAKWATER_REASON uptime=$up\" >> "
    "\"$JOURNAL\"\n"
    "}\n" BW_LAB_SCRIPT_END_WITH;

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

enum bw_err bw_dev_write_scripts(struct bw_dev *dev, const struct bw_dev_site *site,
                                 struct bw_diag *diag)
{
    struct bw_process self;
    char head[sizeof common + 3 * BW_LAB_PATH_BYTES];
    char start[sizeof start_body + 2 * BW_LAB_PATH_BYTES];
    enum bw_err err = bw_process_read(getpid(), &self, diag);

    (void)snprintf(head, sizeof head, common, site->pid_file, site->journal, dev->records_dir);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0] && err == BW_OK; i++)
        err = bw_lab_write_script(site->dir, scripts[i].name, head, scripts[i].body, diag);
    if (err != BW_OK)
        return err;
    (void)snprintf(start, sizeof start, start_body, dev->program, site->name, (long)self.pid,
                   self.start_ticks);
    return bw_lab_write_script(site->dir, "start.sh", head, start, diag);
}

/* ---- what the scripts left ------------------------------------------------------------------- */

bool bw_dev_service_lives(const struct bw_dev_site *site)
{
    struct bw_process process;

    return bw_lab_read_service(site->pid_file, 0, &process);
}
