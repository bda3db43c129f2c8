/* ways_process.c - faults of processes, and of whole nodes. */
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#define LOW_BOOT_S 100 /* what a clock shows that has just begun */

/* ---- processes ------------------------------------------------------------------------------- */

static void say_frozen(struct bw_lab *lab, const struct bw_lab_process *process, bool is_frozen)
{
    bw_lab_say(lab, is_frozen ? BW_LAB_FROZEN : BW_LAB_THAWED, (int)process->node,
               (int)(process - lab->processes), "%s %s", process->name,
               is_frozen ? "stands still" : "goes on");
}

enum bw_err bw_begin_freeze(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    (void)diag;
    if (process->pid != 0 && kill(process->pid, SIGSTOP) == 0)
        say_frozen(lab, process, true);
    else
        fault->is_void = true;
    return BW_OK;
}

enum bw_err bw_end_freeze(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    (void)diag;
    if (process->pid != 0 && kill(process->pid, SIGCONT) == 0)
        say_frozen(lab, process, false);
    return BW_OK;
}

/* Held until the fault ends. */
enum bw_err bw_begin_kill(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    (void)diag;
    process->hold_count++;
    bw_lab_kill(lab, process);
    return BW_OK;
}

enum bw_err bw_end_kill(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);

    (void)lab;
    (void)diag;
    BW_ASSERT(process->hold_count > 0);
    process->hold_count--;
    return BW_OK;
}

/* Its supervisor starts it anew. */
enum bw_err bw_begin_kill_once(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)diag;
    fault->is_void = bw_fault_struck(lab, fault)->pid == 0;
    bw_lab_kill(lab, bw_fault_struck(lab, fault));
    return BW_OK;
}

enum bw_err bw_begin_kill_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)diag;
    bw_lab_kill(lab, bw_lab_process(lab, BW_LAB_GUARD, fault->node));
    bw_lab_kill(lab, bw_lab_process(lab, BW_LAB_AGENT, fault->node));
    return BW_OK;
}

/* ---- both daemons of a site, for a while -------------------------------------------------------- */

static struct bw_lab_process *daemon_of(struct bw_lab *lab, const struct bw_lab_fault *fault,
                                        int number)
{
    return bw_lab_process(lab, number == 0 ? BW_LAB_GUARD : BW_LAB_AGENT, fault->node);
}

static void tell_to_end(struct bw_lab_process *process)
{
    if (process->pid != 0)
        (void)kill(process->pid, SIGTERM); /* ours, not asked for its end yet: it is this one */
}

enum bw_err bw_begin_stop_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)diag;
    for (int i = 0; i < 2; i++) {
        daemon_of(lab, fault, i)->hold_count++;
        tell_to_end(daemon_of(lab, fault, i));
    }
    return BW_OK;
}

enum bw_err bw_begin_down_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    for (int i = 0; i < 2; i++)
        daemon_of(lab, fault, i)->hold_count++;
    return bw_begin_kill_both(lab, fault, diag);
}

enum bw_err bw_end_down_both(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)diag;
    for (int i = 0; i < 2; i++) {
        BW_ASSERT(daemon_of(lab, fault, i)->hold_count > 0);
        daemon_of(lab, fault, i)->hold_count--;
    }
    return BW_OK;
}

static void good_file_of(const struct bw_lab_process *process, char out_path[BW_LAB_PATH_BYTES + 8])
{
    (void)snprintf(out_path, BW_LAB_PATH_BYTES + 8, "%s.good", process->config);
}

/* Both read the same file: somebody mistypes a line, and restarts them. */
enum bw_err bw_begin_spoil_file(struct bw_lab *lab, struct bw_lab_fault *fault,
                                struct bw_diag *diag)
{
    const struct bw_lab_process *guard = daemon_of(lab, fault, 0);
    char good[BW_LAB_PATH_BYTES + 8];
    enum bw_err err;

    good_file_of(guard, good);
    if (rename(guard->config, good) != 0)
        return bw_diag_errno(diag, errno, "spoil %s", guard->config);
    err = bw_lab_write(guard->config, diag, "cluster: chaos\nsite %s\n", guard->name);
    for (int i = 0; i < 2 && err == BW_OK; i++) {
        daemon_of(lab, fault, i)->may_refuse = true;
        tell_to_end(daemon_of(lab, fault, i));
    }
    return err;
}

enum bw_err bw_end_spoil_file(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    const struct bw_lab_process *guard = daemon_of(lab, fault, 0);
    char good[BW_LAB_PATH_BYTES + 8];

    good_file_of(guard, good);
    if (rename(good, guard->config) != 0)
        return bw_diag_errno(diag, errno, "mend %s", guard->config);
    return BW_OK; /* one that has read the bad one may still refuse it */
}

static enum bw_err set_files_max(struct bw_lab *lab, const struct bw_lab_fault *fault,
                                 uint64_t files_max, struct bw_diag *diag)
{
    const struct bw_lab_process *process = bw_fault_struck(lab, fault);
    struct rlimit limit;

    if (process->pid == 0)
        return BW_OK; /* one that starts meanwhile has what it needs */
    if (prlimit(process->pid, RLIMIT_NOFILE, NULL, &limit) != 0)
        return bw_diag_errno(diag, errno, "ask for the limits of %s", process->name);
    limit.rlim_cur = files_max > 0 ? files_max : limit.rlim_max;
    return prlimit(process->pid, RLIMIT_NOFILE, &limit, NULL) == 0
               ? BW_OK
               : bw_diag_errno(diag, errno, "limit %s", process->name);
}

enum bw_err bw_begin_few_files(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    fault->is_void = bw_fault_struck(lab, fault)->pid == 0;
    return set_files_max(lab, fault, (uint64_t)fault->kind->number, diag);
}

enum bw_err bw_end_few_files(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return set_files_max(lab, fault, 0, diag);
}

static uint32_t signal_services(struct bw_lab *lab, const struct bw_lab_fault *fault, int signal)
{
    uint32_t count = 0;

    for (uint32_t group = 0; group < lab->options->group_count; group++)
        count += bw_lab_signal_service(lab, fault->node - BW_LAB_WITNESSES, group, signal);
    bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "%" PRIu32 " services got signal %d", count,
               signal);
    return count;
}

enum bw_err bw_begin_signal_services(struct bw_lab *lab, struct bw_lab_fault *fault,
                                     struct bw_diag *diag)
{
    (void)diag;
    fault->is_void = signal_services(lab, fault, (int)fault->kind->number) == 0;
    return BW_OK;
}

enum bw_err bw_end_signal_services(struct bw_lab *lab, struct bw_lab_fault *fault,
                                   struct bw_diag *diag)
{
    (void)diag;
    (void)signal_services(lab, fault, SIGCONT);
    return BW_OK;
}

/* ---- whole nodes ----------------------------------------------------------------------------- */

static enum bw_err write_cgroup(const char *parent, const char *prefix, const char *node,
                                const char *file, const char *text, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    int fd;
    enum bw_err err = BW_OK;

    (void)snprintf(path, sizeof path, "%s/%s%s/%s", parent, prefix, node, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return BW_OK; /* its guard has none: nothing runs there */
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err = bw_diag_errno(diag, errno, "write %s to %s", text, path);
    if (fd >= 0)
        (void)close(fd); /* the kernel acted at the write */
    return err;
}

static enum bw_err freeze_site(struct bw_lab *lab, const struct bw_lab_fault *fault, const char *on,
                               struct bw_diag *diag)
{
    const char *name = lab->nodes[fault->node].name;
    char tag[BW_REACH_TAG_BYTES];
    enum bw_err err = write_cgroup(lab->box->cgroup, "", name, "cgroup.freeze", on, diag);

    bw_reach_tag(BW_LAB_CLUSTER, name, tag);
    if (err == BW_OK)
        err = write_cgroup(lab->box->cgroup, "breakwater-", tag, "cgroup.freeze", on, diag);
    for (uint32_t i = 0; i < lab->process_count; i++)
        if (lab->processes[i].node == fault->node && lab->processes[i].pid != 0)
            say_frozen(lab, &lab->processes[i], on[0] == '1');
    return err;
}

enum bw_err bw_begin_freeze_site(struct bw_lab *lab, struct bw_lab_fault *fault,
                                 struct bw_diag *diag)
{
    return freeze_site(lab, fault, "1", diag);
}

enum bw_err bw_end_freeze_site(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return freeze_site(lab, fault, "0", diag);
}

static enum bw_err set_share(struct bw_lab *lab, const struct bw_lab_fault *fault,
                             const char *quota_us, struct bw_diag *diag)
{
    const char *name = lab->nodes[fault->node].name;
    char pid[24];
    enum bw_err err = write_cgroup(lab->box->cpu_cgroup, "", name, "cpu.cfs_quota_us", quota_us,
                                   diag);

    for (uint32_t i = 0; i < lab->process_count && err == BW_OK; i++) {
        if (lab->processes[i].node != fault->node || lab->processes[i].pid == 0)
            continue;
        (void)snprintf(pid, sizeof pid, "%ld", (long)lab->processes[i].pid);
        err = write_cgroup(lab->box->cpu_cgroup, "", name, "cgroup.procs", pid, diag);
    }
    return err;
}

enum bw_err bw_begin_starve(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return set_share(lab, fault, "5000", diag); /* of 100000: a twentieth of one processor */
}

enum bw_err bw_end_starve(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return set_share(lab, fault, "-1", diag);
}

/* A child's, that this process may hand out: what begins in it sees clocks that have just begun. */
static enum bw_err make_low_clocks(struct bw_lab_node *node, struct bw_diag *diag)
{
    const struct bw_instant now = bw_clock_now();
    const int64_t boot_s = LOW_BOOT_S - (int64_t)(now.boot_ns / BW_NS_PER_S);
    char path[64];
    int ends[2];
    char byte = 'n';
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return bw_diag_errno(diag, errno, "pipe");
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid == 0) {
        char text[96];
        const int length = snprintf(
            text, sizeof text, "monotonic %" PRId64 " 0\nboottime %" PRId64 " 0\n", boot_s, boot_s);
        const int fd = unshare(CLONE_NEWTIME) == 0
                           ? open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC)
                           : -1;
        const bool is_made = fd >= 0 && write(fd, text, (size_t)length) == length;

        (void)!write(ends[1], is_made ? "y" : "n", 1); /* nobody reads: the maker has gone */
        (void)pause();
        _exit(0);
    }
    (void)close(ends[1]);
    (void)!read(ends[0], &byte, 1); /* nothing: no */
    (void)close(ends[0]);
    (void)snprintf(path, sizeof path, "/proc/%ld/ns/time_for_children", (long)pid);
    if (node->time_namespace >= 0)
        (void)close(node->time_namespace); /* only a handle */
    node->time_namespace = byte == 'y' ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    node->boot_shift_ns = node->time_namespace < 0 ? 0 : boot_s * (int64_t)BW_NS_PER_S;
    if (pid > 0) {
        (void)kill(pid, SIGKILL); /* ours, not asked for its end yet */
        (void)waitpid(pid, NULL, 0);
    }
    return node->time_namespace >= 0 ? BW_OK
                                     : bw_diag_set(diag, BW_ERR_IO, "make a time namespace");
}

static enum bw_err forget_run_dir(const struct bw_lab_node *node, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char command[BW_LAB_PATH_BYTES + 16];
    enum bw_err err = bw_lab_path(path, node->dir, "run", diag);

    (void)snprintf(command, sizeof command, "rm -rf '%s'", path); /* ours: no quotes in it */
    if (err == BW_OK && system(command) != 0)
        err = bw_diag_set(diag, BW_ERR_IO, "%s failed", command);
    return err;
}

/* What a power cut leaves: the state directory. Boot id and clocks are new. */
enum bw_err bw_begin_host_lost(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_node *node = &lab->nodes[fault->node];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err;

    for (uint32_t i = 0; i < lab->process_count; i++) {
        if (lab->processes[i].node != fault->node)
            continue;
        lab->processes[i].hold_count++;
        bw_lab_kill(lab, &lab->processes[i]);
    }
    if (fault->node >= BW_LAB_WITNESSES)
        bw_lab_kill_services(lab, fault->node - BW_LAB_WITNESSES);
    err = forget_run_dir(node, diag);
    if (err == BW_OK)
        err = make_low_clocks(node, diag);
    if (err == BW_OK)
        err = bw_lab_path(path, node->dir, "clock_shift", diag);
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "%" PRId64 "\n", node->boot_shift_ns);
    if (err == BW_OK) /* as the kernel writes a random one */
        err = bw_lab_write(node->boot_id, diag, "%08x-%04x-4%03x-8%03x-%012" PRIx64 "\n",
                           (unsigned)bw_prng_below(&lab->prng, UINT32_MAX),
                           (unsigned)bw_prng_below(&lab->prng, 0x10000),
                           (unsigned)bw_prng_below(&lab->prng, 0x1000),
                           (unsigned)bw_prng_below(&lab->prng, 0x1000),
                           bw_prng_below(&lab->prng, UINT64_C(1) << 48U));
    node->boot_count++;
    return err;
}

enum bw_err bw_end_host_lost(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)diag;
    for (uint32_t i = 0; i < lab->process_count; i++) {
        if (lab->processes[i].node != fault->node)
            continue;
        BW_ASSERT(lab->processes[i].hold_count > 0);
        lab->processes[i].hold_count--;
    }
    return BW_OK;
}
