/* vote_store.h - what one witness must never forget: its term and vote, and from where on it was
 * about to shorten its log. Design I3.
 *
 * libraft's own metadata files carry no checksum (rule L10 in safe_io.h), so the pair is kept here
 * too, written first and believed first. libraft shortens its log by removing one file after the other,
 * and takes what a crash leaves between them for damage (L24). */
#ifndef BW_CONSENSUS_VOTE_STORE_H
#define BW_CONSENSUS_VOTE_STORE_H

#include <stdbool.h>

#include <breakwater/base/diag.h>
#include <breakwater/consensus/vote.h>

/* An entry that was decided; index 0: none is known. */
struct bw_commit_mark {
    uint64_t index, term;
};

/* Where the pair is kept. Both are synchronous. */
struct bw_vote_store {
    void *user;
    /* BW_ERR_NOT_FOUND: never saved. BW_ERR_CORRUPT: something is there, and it is damaged. */
    enum bw_err (*load)(void *user, struct bw_vote *out_vote, struct bw_diag *diag);
    /* BW_OK: survives a crash from now on. Else the old pair or the new one is there, whole. */
    enum bw_err (*save)(void *user, struct bw_vote vote, struct bw_diag *diag);
    /* The log is about to lose entry `index` and all that follow; 0: it has. As durable as a vote. NULL:
     * of a backend that shortens its log in one step. */
    enum bw_err (*note_cut)(void *user, uint64_t index, struct bw_diag *diag);
    /* Of a cut at `index` that must be over: nothing that it had to remove is on disk, for good (L30). NULL as
     * well. */
    enum bw_err (*check_cut)(void *user, uint64_t index, struct bw_diag *diag);
    /* The first entry, or snapshot, since the start is on disk, and nobody has heard so: for good, there has been a
     * log. NULL: nobody asks later. */
    enum bw_err (*begin_log)(void *user, struct bw_diag *diag);
    /* The newest entry that is known to be decided, for the next start (L33). Waits for nothing: what is lost on the way
     * to the disk makes the mark older. NULL, and the next one too: of a backend whose disk is never exchanged. */
    void (*note_commit)(void *user, struct bw_commit_mark mark);
    struct bw_commit_mark (*load_commit)(void *user);
};

/* The store of a real witness: file `vote` of the directory open as `dir` (not closed by us, and
 * kept open as long as the store is used). */
struct bw_vote_store bw_vote_file(int *dir);
/* What was noted last of a truncation, in the file `cut`; 0: none is under way, or nobody knows. */
uint64_t bw_vote_file_cut(int dir);
/* File `committed`: the mark, written beside the loop (the store of bw_vote_file notes none by itself). Whatever keeps it
 * from the disk leaves the one of before, or none. */
void bw_vote_file_write_commit(int dir, struct bw_commit_mark mark);

/* File `bare` of that directory: its witness, made to join, has never had an entry. It may have heard of a term by then:
 * without a log, and with a vote file, only this tells it from one that has lost its log. bw_vote_store.begin_log
 * removes it. */
BW_MUST_CHECK enum bw_err bw_vote_file_mark_bare(int dir, struct bw_diag *diag);
bool bw_vote_file_is_bare(int dir);

#endif
