/* ways_copy.c - a second machine that is a copy of a site's: its machine id, its state directory, its
 * certificate and scripts, and a boot id of its own, or that of the original: then only the directory was copied, and its
 * daemons are those of a container beside it. It stands where commands are given from, in
 * process and mount namespaces of its own, so that its guard finds nothing of the original. */
#include "ways.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MAKE_MS      5000

/* $1 the lab, $2 the site, $3 breakwater, $4 the boot id, "": the original's: makes the copy, starts its daemons as one
 * tree that dies with its first process, and prints that one's pid. Its records are another
 * machine's. Where its cgroups would be is nothing: it finds its processes by their mark. */
static const char make_copy[] =
    "set -e\n"
    "copy=$1/copy\n"
    "rm -rf \"$copy\"\n"
    "mkdir -p \"$copy/disk\"\n"
    "cp -a \"$1/$2/disk/.\" \"$copy/disk/\" || [ -d \"$copy/disk/state\" ]\n" /* a new file may go */
    "echo 0 > \"$copy/clock_shift\"\n"
    "if [ -n \"$4\" ]; then echo \"$4\"; else cat \"$1/$2/boot_id\" 2>/dev/null || cat /proc/sys/kernel/random/boot_id; fi > \"$copy/boot_id\"\n"
    "for file in \"$1/$2.yaml\" \"$1/$2\"/*.sh; do\n"
    "    sed -e \"s#$1/$2/#$copy/#g\" -e \"s#'$1/$2'#'$copy'#g\" \\\n"
    "        -e \"s#--site '$2'#--site '$2-copy'#\" \"$file\" > \"$copy/${file##*/}\"\n"
    "done\n"
    "chmod 755 \"$copy\"/*.sh\n"
    "cd \"$copy\"\n"
    "CONFIG=$copy/$2.yaml PROGRAM=$3 unshare --mount --pid --fork --mount-proc --kill-child \\\n"
    "    sh -c 'mount --bind boot_id /proc/sys/kernel/random/boot_id\n"
    "           mount -t tmpfs -o ro none /sys/fs/cgroup\n"
    "           \"$PROGRAM\" guard -c \"$CONFIG\" > guard.log 2>&1 &\n"
    "           \"$PROGRAM\" agent -c \"$CONFIG\" > agent.log 2>&1 &\n"
    "           wait' > unshare.log 2>&1 < /dev/null &\n"
    "echo $!\n";

enum bw_err bw_begin_copy(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    const char *name = lab->nodes[fault->node].name;
    char boot_id[64] = "";
    char text[BW_LAB_PATH_BYTES];
    const char *const words[] = {"/bin/sh", "-c", make_copy, "make_copy", lab->dir,
                                 name, lab->options->program, boot_id, NULL};
    long pid;
    int status;

    if (fault->kind->number == 0)
        (void)snprintf(boot_id, sizeof boot_id, "%08x-%04x-4%03x-8%03x-%012" PRIx64,
                       (unsigned)bw_prng_below(&lab->prng, UINT32_MAX),
                       (unsigned)bw_prng_below(&lab->prng, 0x10000),
                       (unsigned)bw_prng_below(&lab->prng, 0x1000),
                       (unsigned)bw_prng_below(&lab->prng, 0x1000),
                       bw_prng_below(&lab->prng, UINT64_C(1) << 48U));
    status = bw_lab_run(lab, bw_lab_command_node(lab), words, MAKE_MS, text, sizeof text);
    pid = strtol(text, NULL, 10);
    if (status != 0 || pid <= 1 || pid > INT32_MAX)
        return bw_diag_set(diag, BW_ERR_IO, "make a copy of %s: status %d: %s", name, status, text);
    lab->copy = (pid_t)pid;
    return BW_OK;
}

/* As a machine that loses its power: everything in its namespace dies with its first process. */
enum bw_err bw_end_copy(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)fault;
    if (lab->copy > 0 && kill(lab->copy, SIGKILL) != 0 && errno != ESRCH)
        return bw_diag_errno(diag, errno, "end the copy");
    lab->copy = 0;
    return BW_OK;
}
