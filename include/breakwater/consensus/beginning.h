/* beginning.h - what a recovery makes of what a witness has left: the state after all of its log, and the first
 * snapshot of the next generation. Design 3.9. Of libraft only the types; no file, no clock. */
#ifndef BW_CONSENSUS_BEGINNING_H
#define BW_CONSENSUS_BEGINNING_H

#include <breakwater/consensus/data_dir.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/roll.h>

struct bw_cluster;
struct bw_recovery_way; /* core/cluster.h */
struct raft_entry;
struct raft_snapshot;

struct bw_recovery_found {
    struct bw_data_dir_identity identity;
    uint64_t term;       /* the highest that it has promised or written */
    uint64_t last_index; /* of its log, committed or not */
    uint64_t last_term;
    uint64_t voters[BW_WITNESSES_MAX]; /* ids, of the newest configuration in it, committed or not, as Raft counts; not
                                          of the roster, which names whom a change is to bring or has yet to take away */
    unsigned voter_count;
    struct bw_roster roster; /* the newest; count 0: none */
    int64_t written_unix_s; /* when a file of its log was last written */
    unsigned torn_segments; /* whose end, torn by a crash, was cut off for the reading, and how much that was: of entries
                               as far as it says */
    uint64_t torn_bytes, torn_entries;
};

/* What libraft has loaded, in its order, entries that may not have been committed too, to `ops`. Fills
 * `found->term` and what follows it, but for `roster`. */
BW_MUST_CHECK enum bw_err bw_beginning_take_log(const struct bw_fsm_ops *ops, void *user,
                                                uint64_t term, const struct raft_snapshot *snapshot,
                                                uint64_t start, const struct raft_entry *entries,
                                                size_t count, struct bw_recovery_found *found,
                                                struct bw_diag *diag);
/* `apply` and `restore` of a state that nobody runs: a struct bw_cluster. */
extern const struct bw_fsm_ops bw_beginning_ops;

struct bw_recovery_beginning {
    struct bw_data_dir_identity identity; /* with a new incarnation */
    uint64_t term;                        /* bw_counter_term_after */
    uint64_t index;                       /* above all that the old one knew */
    struct bw_roster roster; /* of the second form (core/members.h): this witness alone, and the highest id
                                that was ever given */
    struct bw_roster old_roster; /* that was found: who is to be asked where this is cut short */
    const uint8_t *state;
    size_t state_size;
    uint64_t old_generation; /* what was here goes to generation-N */
};

/* The state that was found becomes what it begins anew with, by `way` (bw_cluster_recover),
 * for the only member of `alone` (bw_members_alone), whose directory is now `incarnation`. All of
 * `*out_beginning` but its bytes of the state. Errors as of bw_cluster_recover; nothing has changed then. */
BW_MUST_CHECK enum bw_err bw_beginning_make(const struct bw_recovery_found *found,
                                            struct bw_cluster *cluster,
                                            const struct bw_roster *alone,
                                            struct bw_id incarnation, const struct bw_recovery_way *way,
                                            struct bw_recovery_beginning *out_beginning);

/* The snapshot that its log begins with; its only voter is this witness, at `address`. To be closed, whatever
 * is returned. Only BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_beginning_snapshot(const struct bw_recovery_beginning *beginning,
                                                const char *address,
                                                struct raft_snapshot *out_snapshot);
void bw_beginning_close_snapshot(struct raft_snapshot *snapshot);

#endif
