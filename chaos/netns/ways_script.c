/* ways_script.c - faults of the script files themselves; and a service that its guard does not reach. */
#include "ways.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"status.sh", "start.sh", "stop.sh", "fence.sh"};
#define NAME_COUNT (sizeof names / sizeof names[0])

/* ---- files -------------------------------------------------------------------------------------- */

static enum bw_err set_modes(const struct bw_lab *lab, uint32_t node, mode_t mode,
                             struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < NAME_COUNT && err == BW_OK; i++) {
        err = bw_lab_path(path, lab->nodes[node].dir, names[i], diag);
        if (err == BW_OK && chmod(path, mode) != 0)
            err = bw_diag_errno(diag, errno, "chmod %s", path);
    }
    return err;
}

/* What somebody else made of it: run, it would have the service ended here and moved. */
static const char changed[] = "#!/bin/sh\necho stopped\n";

enum bw_err bw_begin_open_scripts(struct bw_lab *lab, struct bw_lab_fault *fault,
                                  struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[fault->node];
    char status[BW_LAB_PATH_BYTES];
    char kept[BW_LAB_PATH_BYTES];
    char theirs[BW_LAB_PATH_BYTES];
    enum bw_err err = set_modes(lab, fault->node, 0775, diag);

    if (err == BW_OK)
        err = bw_lab_path(status, node->dir, "status.sh", diag);
    if (err == BW_OK)
        err = bw_lab_path(kept, node->dir, "status.kept", diag);
    if (err == BW_OK)
        err = bw_lab_path(theirs, node->dir, "status.theirs", diag);
    if (err == BW_OK)
        err = bw_lab_write(theirs, diag, "%s", changed);
    if (err == BW_OK &&
        (chmod(theirs, 0775) != 0 || link(status, kept) != 0 || rename(theirs, status) != 0))
        err = bw_diag_errno(diag, errno, "replace %s", status);
    return err;
}

enum bw_err bw_end_open_scripts(struct bw_lab *lab, struct bw_lab_fault *fault,
                                struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[fault->node];
    char status[BW_LAB_PATH_BYTES];
    char kept[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(status, node->dir, "status.sh", diag);

    if (err == BW_OK)
        err = bw_lab_path(kept, node->dir, "status.kept", diag);
    if (err == BW_OK && rename(kept, status) != 0)
        err = bw_diag_errno(diag, errno, "put %s back", status);
    return err == BW_OK ? set_modes(lab, fault->node, 0755, diag) : err;
}

static enum bw_err move_all(const struct bw_lab *lab, uint32_t node, const char *from,
                            const char *to, struct bw_diag *diag)
{
    char old[BW_LAB_PATH_BYTES + 8];
    char new[BW_LAB_PATH_BYTES + 8];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < NAME_COUNT && err == BW_OK; i++) {
        err = bw_lab_path(path, lab->nodes[node].dir, names[i], diag);
        (void)snprintf(old, sizeof old, "%s%s", path, from);
        (void)snprintf(new, sizeof new, "%s%s", path, to);
        if (err == BW_OK && rename(old, new) != 0)
            err = bw_diag_errno(diag, errno, "rename %s", old);
    }
    return err;
}

enum bw_err bw_begin_no_scripts(struct bw_lab *lab, struct bw_lab_fault *fault,
                                struct bw_diag *diag)
{
    return move_all(lab, fault->node, "", ".away", diag);
}

enum bw_err bw_end_no_scripts(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return move_all(lab, fault->node, ".away", "", diag);
}

/* ---- a service outside -------------------------------------------------------------------------- */

/* What a container daemon is to a machine: start scripts ask it, and it starts, with nothing of a guard in
 * cgroup or environment. */
static const char elsewhere[] =
    "cd \"$1\" || exit 127\n"
    "while :; do\n"
    "    for file in *.wanted; do\n"
    "        [ -e \"$file\" ] || continue\n"
    "        group=${file%.wanted}\n"
    "        read -r epoch shift < \"$file\"\n"
    "        rm \"$file\"\n"
    "        setsid \"$2\" ledger --site \"$3\" --epoch \"$epoch\" --records \"$4/$group\" \\\n"
    "            --pid-file \"$1/$group.pid\" --clock-shift=\"$shift\" </dev/null >/dev/null 2>&1 &\n"
    "    done\n"
    "    sleep 0.02\n"
    "done\n";

/* Another start script, of which nothing was proved. */
static enum bw_err change_start(const struct bw_lab_node *node, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, node->dir, "start.sh", diag);
    FILE *file;

    if (err != BW_OK)
        return err;
    file = fopen(path, "ae");
    if (file == NULL || fputs("# it leaves a process in the reach of its guard\n", file) < 0)
        err = bw_diag_errno(diag, errno, "write %s", path);
    if (file != NULL && fclose(file) != 0 && err == BW_OK)
        err = bw_diag_errno(diag, errno, "close %s", path);
    return err;
}

enum bw_err bw_begin_outside(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[fault->node];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, node->dir, "outside", diag);

    if (err == BW_OK)
        err = bw_lab_write(path, diag, "%s", fault->kind->text);
    if (err == BW_OK && fault->kind->text[0] != '\0')
        err = change_start(node, diag);
    if (err != BW_OK)
        return err;
    fault->helper = bw_lab_fork(lab, fault->node);
    if (fault->helper < 0)
        return bw_diag_errno(diag, errno, "fork for %s", fault->kind->name);
    if (fault->helper == 0) {
        (void)execl("/bin/sh", "sh", "-c", elsewhere, "elsewhere", node->dir, lab->options->self,
                    node->name, lab->records, (char *)NULL);
        _exit(127);
    }
    return BW_OK;
}

/* What it has started lives on: what ends with the lab is found by its pid file. */
enum bw_err bw_end_outside(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, lab->nodes[fault->node].dir, "outside", diag);

    (void)kill(fault->helper, SIGKILL); /* the lab's turn reaps it */
    if (err == BW_OK && unlink(path) != 0)
        err = bw_diag_errno(diag, errno, "remove %s", path);
    return err;
}
