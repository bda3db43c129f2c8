/* fsm.h - between libraft and the replicated state: what an entry and a snapshot look like on disk
 * and on the wire, and what happens when one cannot be understood. Opaque to what they mean.
 *
 * An entry:    size 4 | CRC-32C of all that follows 4 | term 8 | bytes | zeros to a multiple of 8
 *              kind in the highest byte of size: 0 a command, 1 a roster (roll.h)
 * A snapshot:  "bwsnap2\n" 8 | size 8 | CRC-32C of all that follows 4 | bytes of the roster 4 |
 *              roster | bytes                                                     (little endian)
 * libraft itself writes snapshots without a checksum. */
#ifndef BW_CONSENSUS_FSM_H
#define BW_CONSENSUS_FSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

/* The replicated state. None may submit anything, or close the node. */
struct bw_fsm_ops {
    /* Entry `index` of `term` has committed. BW_OK: applied, or a recorded no-op. BW_ERR_VERSION,
     * BW_ERR_CORRUPT or any other: this witness must stop here, and nothing after it is applied;
     * `diag` (never NULL) says why. `data` is good until return and aligned to 8. */
    enum bw_err (*apply)(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                         size_t size, struct bw_diag *diag);
    /* The whole state after the last applied entry, at most BW_SNAPSHOT_BYTES_MAX; *out_data comes
     * from malloc and is freed here. An error postpones the snapshot. */
    enum bw_err (*snapshot)(void *user, uint8_t **out_data, size_t *out_size);
    /* Replaces the state; same errors as apply. */
    enum bw_err (*restore)(void *user, const uint8_t *data, size_t size, struct bw_diag *diag);
};

struct bw_fsm;
struct bw_roster;
struct bw_safe_io;
struct raft;
struct raft_buffer;
struct raft_fsm;

/* The adapter for one `struct raft` (kept; initialised afterwards with bw_fsm_raft). `safe`, `ops`
 * and `user` are kept. NULL: no memory. Used by node.h and by the simulator. */
struct bw_fsm *bw_fsm_new(struct raft *raft, struct bw_safe_io *safe, const struct bw_fsm_ops *ops,
                          void *user);
void bw_fsm_free(struct bw_fsm *fsm);
struct raft_fsm *bw_fsm_raft(struct bw_fsm *fsm);

/* Until this is called a snapshot that cannot be restored is an error of raft_start, told by
 * bw_fsm_diag; from then on it stops the witness. */
void bw_fsm_started(struct bw_fsm *fsm);
const struct bw_diag *bw_fsm_diag(const struct bw_fsm *fsm);

/* Builds an entry for raft_apply from a command. BW_ERR_LIMIT: more than BW_COMMAND_BYTES_MAX
 * bytes. The buffer comes from raft_malloc. */
BW_MUST_CHECK enum bw_err bw_fsm_encode(uint64_t term, const uint8_t *data, size_t size,
                                        struct raft_buffer *out_buffer);
/* The same of a roster; only BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_fsm_encode_roster(uint64_t term, const struct bw_roster *roster,
                                               struct raft_buffer *out_buffer);

/* ---- without a running node (recovery.h) ---- */

/* What libraft would have applied, one entry or a whole snapshot, as it lies in its files. */
BW_MUST_CHECK enum bw_err bw_fsm_apply_entry(const struct bw_fsm_ops *ops, void *user,
                                             uint64_t index, const struct raft_buffer *buffer,
                                             struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_fsm_restore_snapshot(const struct bw_fsm_ops *ops, void *user,
                                                  const struct raft_buffer *buffer,
                                                  struct bw_diag *diag);
/* A snapshot of `roster` and of `size` bytes (<= BW_SNAPSHOT_BYTES_MAX) of state, from raft_malloc;
 * only BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_fsm_encode_snapshot(const struct bw_roster *roster,
                                                 const uint8_t *data, size_t size,
                                                 struct raft_buffer *out_buffer);

/* Before anything is applied: the roster in these bytes of an entry, or of a snapshot. False: there
 * is none, or they are damaged, which is said when they are applied or restored. */
bool bw_fsm_entry_roster(const void *bytes, size_t size, struct bw_roster *out_roster);
bool bw_fsm_snapshot_roster(const void *bytes, size_t size, struct bw_roster *out_roster);
/* These bytes are a whole snapshot, but for what the program has put in: that is judged as it is restored. */
BW_MUST_CHECK enum bw_err bw_fsm_check_snapshot(const void *bytes, size_t size, struct bw_diag *diag);

#endif
