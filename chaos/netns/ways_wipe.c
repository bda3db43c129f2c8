/* ways_wipe.c - a witness whose data directory is lost, as with a mount that is missing: a person
 * makes another one under the same id, with nobody there who could say no; it starts. In the end the
 * lost one is found again, as it was. */
#include "ways.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DATA "data"
#define LOST "data.lost"

static enum bw_err rename_in(const struct bw_lab_node *node, const char *from, const char *to,
                             struct bw_diag *diag)
{
    char old[BW_LAB_PATH_BYTES];
    char new[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(old, node->state, from, diag);

    if (err == BW_OK)
        err = bw_lab_path(new, node->state, to, diag);
    if (err == BW_OK && rename(old, new) != 0)
        err = bw_diag_errno(diag, errno, "rename %s to %s", old, new);
    return err;
}

enum bw_err bw_begin_wipe(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);
    struct bw_id cluster_id = lab->cluster_id;
    enum bw_err err;

    bw_lab_kill(lab, process); /* its supervisor starts it anew, with what is there then */
    err = rename_in(&lab->nodes[fault->node], DATA, LOST, diag);
    /* `witness init --cluster-id`, of which nobody was asked. */
    return err == BW_OK ? bw_lab_found(process->config, &cluster_id, diag) : err;
}

enum bw_err bw_end_wipe(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);
    char made_anew[BW_NAME_MAX];
    enum bw_err err;

    bw_lab_kill(lab, process);
    (void)snprintf(made_anew, sizeof made_anew, "data.made-anew-%" PRIu64, bw_lab_now_ns());
    err = rename_in(&lab->nodes[fault->node], DATA, made_anew, diag);
    return err == BW_OK ? rename_in(&lab->nodes[fault->node], LOST, DATA, diag) : err;
}
