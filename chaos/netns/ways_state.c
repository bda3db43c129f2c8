/* ways_state.c - faults of disks, clocks and scripts; and what an operator orders meanwhile. */
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include <breakwater/base/instant.h>

#define FILL_BYTES      4096
#define DRIFT_NOTICE_MS 50 /* fault_preload.c knows of a change before it is in force */
#define COMMAND_MS      5000
#define PPM             1000000

/* ---- disks and clocks ------------------------------------------------------------------------ */

/* What is wrong with the disk of a process, and with the clocks of its node. */
static enum bw_err tell_preload(struct bw_lab *lab, const struct bw_lab_process *process,
                                struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[process->node];
    const struct bw_lab_rate *before = &lab->drifts[process->node].before;
    const struct bw_lab_rate *after = &lab->drifts[process->node].after;

    return bw_lab_write(process->faults, diag,
                        "%s\nwall - %d\n"
                        "drift %" PRIu64 " %" PRId64 " %" PRId64 "\n"
                        "drift %" PRIu64 " %" PRId64 " %" PRId64 "\n",
                        process->disk_fault, node->wall_shift_s, before->from_ns, before->ppm,
                        before->shift_ns, after->from_ns, after->ppm, after->shift_ns);
}

static enum bw_err tell_node(struct bw_lab *lab, uint32_t node, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < lab->process_count && err == BW_OK; i++)
        if (lab->processes[i].node == node)
            err = tell_preload(lab, &lab->processes[i], diag);
    return err;
}

enum bw_err bw_begin_preload(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    process->disk_fault = fault->kind->text;
    return tell_preload(lab, process, diag);
}

/* A person looks at the disk and at what gave up. */
static void repair(struct bw_lab *lab, uint32_t node)
{
    for (uint32_t i = 0; i < lab->process_count; i++)
        if (lab->processes[i].node == node)
            lab->processes[i].is_given_up = false;
}

enum bw_err bw_end_preload(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    repair(lab, fault->node);
    process->disk_fault = "";
    if (process->role == BW_LAB_GUARD) /* as it asks for once an fsync has failed */
        bw_lab_kill(lab, process);
    return tell_preload(lab, process, diag);
}

/* Of both daemons of a site at once. */
static enum bw_err tell_both(struct bw_lab *lab, const struct bw_lab_fault *fault, const char *text,
                             struct bw_diag *diag)
{
    static const enum bw_lab_role roles[] = {BW_LAB_GUARD, BW_LAB_AGENT};
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < sizeof roles / sizeof roles[0] && err == BW_OK; i++) {
        struct bw_lab_process *process = bw_lab_process(lab, roles[i], fault->node);

        process->disk_fault = text;
        err = tell_preload(lab, process, diag);
    }
    return err;
}

enum bw_err bw_begin_hang_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return tell_both(lab, fault, fault->kind->text, diag);
}

enum bw_err bw_end_hang_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return tell_both(lab, fault, "", diag);
}

enum bw_err bw_fill_disk(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    static const char zeros[FILL_BYTES];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, lab->nodes[fault->node].state, "fill", diag);
    int fd;

    if (err != BW_OK)
        return err;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "create %s", path);
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;    /* until the little tmpfs is full */
    (void)close(fd); /* what it holds is of no interest */
    return BW_OK;
}

enum bw_err bw_empty_disk(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, lab->nodes[fault->node].state, "fill", diag);

    repair(lab, fault->node);
    if (err == BW_OK && unlink(path) != 0 && errno != ENOENT)
        err = bw_diag_errno(diag, errno, "remove %s", path);
    return err;
}

enum bw_err bw_begin_wall(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    lab->nodes[fault->node].wall_shift_s = (int)fault->kind->number;
    return tell_node(lab, fault->node, diag);
}

enum bw_err bw_end_wall(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    lab->nodes[fault->node].wall_shift_s = 0;
    return tell_node(lab, fault->node, diag);
}

/* A clock that has run wrong stays where it has come to: it never jumps back. */
static enum bw_err set_drift(struct bw_lab *lab, uint32_t node, int64_t ppm, struct bw_diag *diag)
{
    struct bw_lab_drift *drift = &lab->drifts[node];
    const uint64_t from_ns = bw_lab_now_ns() + bw_ms_to_ns(DRIFT_NOTICE_MS);

    drift->before = drift->after;
    drift->after.shift_ns += (int64_t)((double)(from_ns - drift->after.from_ns) *
                                       (double)drift->after.ppm / PPM);
    drift->after.from_ns = from_ns;
    drift->after.ppm = ppm;
    return tell_node(lab, node, diag);
}

enum bw_err bw_begin_drift(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return set_drift(lab, fault->node, fault->kind->number, diag);
}

enum bw_err bw_end_drift(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return set_drift(lab, fault->node, 0, diag);
}

/* ---- scripts and commands -------------------------------------------------------------------- */

static enum bw_err write_mode(const struct bw_lab *lab, uint32_t node, const char *mode,
                              struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, lab->nodes[node].dir, "mode", diag);

    return err == BW_OK ? bw_lab_write(path, diag, "%s\n", mode) : err;
}

enum bw_err bw_begin_mode(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return write_mode(lab, fault->node, fault->kind->text, diag);
}

enum bw_err bw_end_mode(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return write_mode(lab, fault->node, "", diag);
}

/* An operator's orders are no fault, but what they meet may be one. Of the first group that is held
 * elsewhere; where there is none, nothing can be ordered. */
enum bw_err bw_begin_switchover(struct bw_lab *lab, struct bw_lab_fault *fault,
                                struct bw_diag *diag)
{
    const uint32_t site = fault->node - BW_LAB_WITNESSES;
    char text[256];

    (void)diag;
    for (uint32_t group = 0; group < lab->options->group_count; group++) {
        const char *const words[] = {
            "switchover", lab->groups[group], "--to",     lab->nodes[fault->node].name,
            "--yes",      "--no-wait",        "--reason", "chaos",
            NULL};
        int status;

        if (bw_lab_find_holder(lab, group) == (int)site)
            continue;
        status = bw_lab_command(lab, words, COMMAND_MS, text, sizeof text);
        bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "switchover of %s to %s: %s%.160s",
                   lab->groups[group], lab->nodes[fault->node].name,
                   status == 0 ? "begun" : "refused: ", status == 0 ? "" : text);
        fault->is_refused = status != 0;
        return BW_OK;
    }
    bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "no group can be moved to %s: it holds all",
               lab->nodes[fault->node].name);
    fault->is_refused = true;
    return BW_OK;
}

/* The first group, which only a person can get from that site: an answer other than the one that is
 * due ends the scenario. */
enum bw_err bw_begin_force_release(struct bw_lab *lab, struct bw_lab_fault *fault,
                                   struct bw_diag *diag)
{
    const char *const words[] = {"force-release", lab->groups[0], "--site",
                                 lab->nodes[fault->node].name,
                                 "--yes",         "--no-wait",    "--reason",
                                 "chaos",         NULL};
    char text[2048] = "";
    const int status = bw_lab_command(lab, words, COMMAND_MS, text, sizeof text);

    bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "force-release of %s at %s: exit %d",
               lab->groups[0], lab->nodes[fault->node].name, status);
    if (status == (int)fault->kind->number)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED, "force-release of %s at %s ended with %d, not %d: %.400s",
                       lab->groups[0], lab->nodes[fault->node].name, status,
                       (int)fault->kind->number, text);
}
