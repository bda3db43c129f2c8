/* offline.h - libraft on the files of a witness that does not run, without a node: to write its first entry
 * (bootstrap.c), to read all that it has, and to begin it anew (recovery.c). Synchronous, with a loop of its
 * own; for a process that is no daemon. */
#ifndef BW_CONSENSUS_OFFLINE_H
#define BW_CONSENSUS_OFFLINE_H

#include <raft.h>
#include <uv.h>

#include <breakwater/consensus/data_dir.h>
#include <breakwater/consensus/roll.h>
#include <breakwater/consensus/safe_io.h>
#include <breakwater/consensus/transport.h>

#include "segment.h"

struct bw_offline {
    uv_loop_t loop;
    struct bw_transport *transport; /* nobody is dialed */
    struct bw_safe_io safe;
    struct raft raft;
    struct bw_roll roll; /* as `load` finds it */
    struct raft_fsm fsm; /* nothing is started */
    struct bw_diag *diag;
    bool is_stopped; /* a write has failed; `diag` has it */
};

/* On BW_OK libraft has the directory `raft_path`, and bw_offline_close is due. `dir`, of the file with vote and
 * term, and `diag` are kept until then. */
BW_MUST_CHECK enum bw_err bw_offline_open(struct bw_offline *offline, const char *raft_path,
                                          int *dir, const struct bw_data_dir_identity *identity,
                                          struct bw_diag *diag);
void bw_offline_close(struct bw_offline *offline);

/* What a crash has left half done in the log of `dir`, before libraft sees it: a torn end of the last write is
 * cut off, and a cut that was under way is finished (L24; its note goes last, so what is cut short here is
 * finished by the next start). What it did is in `out_mended`, on an error too. BW_ERR_CORRUPT: what is on disk
 * cannot be trusted. */
struct bw_offline_mended {
    struct bw_segment_cut torn;
    uint64_t cut_index; /* 0: none was under way */
    unsigned cut_files;
};
BW_MUST_CHECK enum bw_err bw_offline_mend(struct bw_data_dir *dir,
                                          struct bw_offline_mended *out_mended,
                                          struct bw_diag *diag);

#endif
