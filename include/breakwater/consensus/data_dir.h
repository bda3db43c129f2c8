/* data_dir.h - the data directory of one witness: who it belongs to, and that one process uses it.
 *
 *   identity  made once by `witness init`, never changed: text with a checksum
 *   unfinished  the same, while the rest is being made; it is named `identity` last of all
 *   lock      held by the process that uses the directory; its pid for people
 *   vote      term and vote (vote_store.h)
 *   cut       from where on the log is being shortened (vote_store.h)
 *   bare      it is to join, and has never had an entry (vote_store.h)
 *   removed   this witness was removed from the cluster: nothing in here is of any use
 *   raft/     libraft's own files: log segments, snapshots, metadata
 *   recovery, recovery.new/  a recovery that is under way (recovery.h)
 *   generation-N/  what was here before a recovery; nothing reads it
 *
 * All calls are synchronous and meant for the start of the process. */
#ifndef BW_CONSENSUS_DATA_DIR_H
#define BW_CONSENSUS_DATA_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/roll.h>

#define BW_DATA_DIR_PATH_MAX 512
#define BW_DATA_DIR_RAFT     "raft"
#define BW_DATA_DIR_IDENTITY "identity"
#define BW_DATA_DIR_LOCK     "lock"
#define BW_DATA_DIR_RECOVERY "recovery"

struct bw_data_dir_identity {
    struct bw_id cluster_id;
    char cluster[BW_NAME_MAX + 1];
    uint64_t witness_id; /* > 0; never reused for another directory */
    unsigned election_timeout_ms;
    struct bw_id incarnation; /* of this directory (roll.h) */
    enum bw_roll_origin origin;
};

struct bw_data_dir {
    int fd;   /* of the directory; -1: closed */
    int lock; /* of the held lock file */
    char path[BW_DATA_DIR_PATH_MAX + 1];
    char raft_path[BW_DATA_DIR_PATH_MAX + 8]; /* path/raft */
};

/* Makes `path` (its parent must exist), or takes one that is empty or in which the making of a witness
 * was cut short, locks it and makes raft/ in it. BW_ERR_EXISTS when it holds anything else but
 * lost+found, also where only an identity is lost: a witness is made once. BW_ERR_REFUSED: a recovery
 * has not been finished. BW_ERR_INVALID: on this file system no snapshot can be written (os/durable.h).
 * Until bw_data_dir_finish there is no identity, and bw_data_dir_open refuses the directory; from then
 * on, whatever is lost of it, it is never taken for one that was cut short. */
BW_MUST_CHECK enum bw_err bw_data_dir_create(struct bw_data_dir *dir, const char *path,
                                             const struct bw_data_dir_identity *identity,
                                             struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_data_dir_finish(struct bw_data_dir *dir, struct bw_diag *diag);

/* Of one that is put together elsewhere and moved into its place (recovery.h). */
BW_MUST_CHECK enum bw_err bw_data_dir_write_identity(struct bw_data_dir *dir,
                                                     const struct bw_data_dir_identity *identity,
                                                     struct bw_diag *diag);

/* Locks an existing directory and reads who it belongs to. BW_ERR_BUSY: another process has it;
 * BW_ERR_NOT_FOUND: no witness was made here; BW_ERR_CORRUPT: the identity is damaged;
 * BW_ERR_REFUSED: a recovery has not been finished. */
BW_MUST_CHECK enum bw_err bw_data_dir_open(struct bw_data_dir *dir, const char *path,
                                           struct bw_data_dir_identity *out_identity,
                                           struct bw_diag *diag);

/* Reads who an existing directory belongs to, and changes and locks nothing: for one that may be in
 * use. The errors of bw_data_dir_open but for BW_ERR_BUSY. */
BW_MUST_CHECK enum bw_err
bw_data_dir_look(const char *path, struct bw_data_dir_identity *out_identity, struct bw_diag *diag);
/* It is of the cluster (by name) and the witness id of `wanted`, and was made for its election
 * timeout; else BW_ERR_REFUSED. */
BW_MUST_CHECK enum bw_err bw_data_dir_is_meant(const char *path,
                                               const struct bw_data_dir_identity *identity,
                                               const struct bw_data_dir_identity *wanted,
                                               struct bw_diag *diag);

/* Only locks it, whatever it holds. */
BW_MUST_CHECK enum bw_err bw_data_dir_lock(struct bw_data_dir *dir, const char *path,
                                           struct bw_diag *diag);
/* Who `dir`, which is locked, belongs to; the same errors as of open. */
BW_MUST_CHECK enum bw_err bw_data_dir_read_identity(const struct bw_data_dir *dir,
                                                    struct bw_data_dir_identity *out_identity,
                                                    struct bw_diag *diag);

/* It was removed from its cluster: bw_data_dir_open says so from now on, with BW_ERR_CORRUPT. */
BW_MUST_CHECK enum bw_err bw_data_dir_mark_removed(struct bw_data_dir *dir, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_data_dir_check_removed(const struct bw_data_dir *dir, struct bw_diag *diag);

/* Unlocks and closes. Accepts a zeroed, failed or closed one. */
void bw_data_dir_close(struct bw_data_dir *dir);

/* True when raft/ holds any log segment or snapshot. */
BW_MUST_CHECK enum bw_err bw_data_dir_has_log(const struct bw_data_dir *dir, bool *out_has_log,
                                              struct bw_diag *diag);

#endif
