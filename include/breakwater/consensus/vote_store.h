/* vote_store.h - the term and the vote of one witness: what it must never forget. Design I3.
 *
 * libraft's own metadata files carry no checksum (rule L10 in safe_io.h), so the pair is kept here
 * too, written first and believed first. */
#ifndef BW_CONSENSUS_VOTE_STORE_H
#define BW_CONSENSUS_VOTE_STORE_H

#include <breakwater/base/diag.h>
#include <breakwater/consensus/vote.h>

/* Where the pair is kept. Both are synchronous. */
struct bw_vote_store {
    void *user;
    /* BW_ERR_NOT_FOUND: never saved. BW_ERR_CORRUPT: something is there, and it is damaged. */
    enum bw_err (*load)(void *user, struct bw_vote *out_vote, struct bw_diag *diag);
    /* BW_OK: survives a crash from now on. Else the old pair or the new one is there, whole. */
    enum bw_err (*save)(void *user, struct bw_vote vote, struct bw_diag *diag);
};

/* The store of a real witness: file `vote` of the directory open as `dir` (not closed by us, and
 * kept open as long as the store is used). */
struct bw_vote_store bw_vote_file(int *dir);

#endif
