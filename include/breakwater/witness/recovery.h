/* recovery.h - what `breakwater recover` finds in a data directory, and the new beginning that it makes of
 * it. Design 3.9. Synchronous; for a process that is no daemon. */
#ifndef BW_WITNESS_RECOVERY_H
#define BW_WITNESS_RECOVERY_H

#include <breakwater/config/witness_config.h>
#include <breakwater/consensus/recovery.h>
#include <breakwater/core/cluster.h>
#include <breakwater/witness/saved.h>

struct bw_witness_recovery {
    struct bw_data_dir dir; /* locked */
    bool is_begun;          /* an earlier one is to be finished; nothing below is filled, but `found` with whose it is
                               and the roster of then */
    bool is_undo;           /* it puts back what was there before */
    bool is_roster_lost;    /* an older release has begun it, and kept none */
    struct bw_recovery_found found;
    struct bw_cluster cluster; /* the state after all that is in the log; then as it begins anew */
    struct bw_roster alone;    /* whom it begins with: this witness */
    struct bw_recovery_beginning beginning;
    bool is_above; /* sites follow a higher generation: that, and no lost majority, is why */
    bool is_made; /* the data directory, for this; it goes again where nothing is written */
};

/* Locks the data directory and reads it. BW_ERR_BUSY: its witness runs. BW_ERR_REFUSED: it is another
 * cluster's, or another user's. On an error nothing is left open; else bw_witness_recovery_close is due. */
BW_MUST_CHECK enum bw_err bw_witness_recovery_open(struct bw_witness_recovery *recovery,
                                                   const struct bw_witness_config *config,
                                                   struct bw_diag *diag);

/* For a state that comes from elsewhere: makes room for recovery->cluster, which the caller fills; then the
 * data directory, which is made, or empty, is locked. `saved`: what came with that state. BW_ERR_EXISTS: the directory
 * holds something. BW_ERR_REFUSED: the state is another cluster's, or something was begun there, which goes on with its own. _close is due after both. */
BW_MUST_CHECK enum bw_err bw_witness_recovery_init(struct bw_witness_recovery *recovery,
                                                   struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_witness_recovery_open_empty(struct bw_witness_recovery *recovery,
                                                         const struct bw_witness_config *config,
                                                         const struct bw_saved *saved,
                                                         struct bw_diag *diag);

/* Who may still be there, this witness too: those of the roster, and those of the file that it has not: either may be
 * of before the other. Where the file names the same one its address counts, which a person may have changed. How many. */
uint32_t bw_witness_recovery_members(
    const struct bw_witness_recovery *recovery, const struct bw_witness_config *config,
    struct bw_witness_member_config out_members[BW_WITNESSES_ASKED_MAX]);

/* Makes the state what it begins anew with, in a generation above `above` (0: any), which sites follow; writes nothing.
 * `unix_ms` is for people. */
BW_MUST_CHECK enum bw_err bw_witness_recovery_prepare(struct bw_witness_recovery *recovery, uint64_t above,
                                                      int64_t unix_ms, struct bw_diag *diag);
/* Makes the directory that beginning (bw_recovery_write). */
BW_MUST_CHECK enum bw_err bw_witness_recovery_write(struct bw_witness_recovery *recovery,
                                                    struct bw_diag *diag);

void bw_witness_recovery_close(struct bw_witness_recovery *recovery);

#endif
