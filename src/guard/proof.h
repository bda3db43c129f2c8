/* proof.h - what a trial of the scripts has proved of a group's reach, kept beside the guard's memory.
 * Design 3.4 (proved): a kill of the reach alone was followed by status saying stopped. Written by
 * `breakwater-chaos scripts`, which holds the guard's lock meanwhile; read when a group is opened. */
#ifndef BW_GUARD_PROOF_H
#define BW_GUARD_PROOF_H

#include <breakwater/base/diag.h>
#include <breakwater/base/name.h>
#include <breakwater/config/site_config.h>

/* Whose it is: of this machine, and of nothing that was copied. */
struct bw_guard_proof_owner {
    struct bw_id machine_id; /* none: nothing is proved here */
    const char *cluster;
    const char *site;
    const char *group;
};

/* Keeps that the reach was proved with what `digest` stands for. `dir`: the guard's state directory. */
BW_MUST_CHECK enum bw_err bw_guard_proof_write(int dir, const struct bw_guard_proof_owner *owner,
                                               uint64_t digest, struct bw_diag *diag);
/* Takes it back. None is there: BW_OK. */
BW_MUST_CHECK enum bw_err bw_guard_proof_remove(int dir, const char *group, struct bw_diag *diag);
/* The digest that it was proved with; 0: nothing was proved, and `diag` says why where a file is there
 * that does not count. */
uint64_t bw_guard_proof_read(int dir, const struct bw_guard_proof_owner *owner,
                             struct bw_diag *diag);

#endif
