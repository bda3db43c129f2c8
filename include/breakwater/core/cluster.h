/* cluster.h - everything that the log decides: the cluster's identity and its groups. Pure. */
#ifndef BW_CORE_CLUSTER_H
#define BW_CORE_CLUSTER_H

#include <breakwater/core/counters.h>
#include <breakwater/core/group.h>
#include <breakwater/core/people.h>
#include <breakwater/core/record.h>

/* `groups` is the caller's memory for `group_capacity` (<= BW_GROUPS_MAX) groups, in order of
 * creation; a deleted one leaves a gap whose spec.name is "", which the next new one fills. */
struct bw_cluster {
    struct bw_id id;       /* none until Found was applied */
    char name[BW_NAME_MAX + 1];
    uint64_t generation;   /* which beginning of the cluster this is: 1 from Found on, and higher
                              with each recovery. Agents and guards refuse a lower one */
    uint32_t election_timeout_ms;
    uint64_t epoch_floor;  /* highest epoch of any deleted group (3.1) */
    uint32_t let_go_wait_ms; /* the longest that a deleted group's holder, which was let go, may
                                hold on; so long a new group waits too (3.9). 0: there was none */
    uint32_t feature_level; /* newer types, fields and states are not written yet (5.3); 0 until
                               Found was applied */
    uint64_t applied_index;
    uint64_t no_op_count;  /* commands that matched no row */
    struct bw_group *groups;
    uint32_t group_capacity;
    uint32_t group_count;  /* used places, gaps included */
    struct bw_record *record; /* the caller's; NULL: none is kept here. From BW_RECORD_LEVEL on */
    uint32_t record_blocks;   /* of it, in use: what a snapshot of this state has */
    uint64_t people_version;  /* how often a list was applied; 0: never, and the witnesses' files count (5.3) */
    struct bw_people people;
};

void bw_cluster_init(struct bw_cluster *cluster, struct bw_group *groups, uint32_t group_capacity);
/* Has the record kept there, which bw_record_init has seen. */
void bw_cluster_keep_record(struct bw_cluster *cluster, struct bw_record *record);

struct bw_applied {
    const struct bw_group_rule *rule; /* of the group's table or the cluster's; NULL: no-op */
    int group;       /* index of the group (its gap, once deleted), -1: none */
    enum bw_err err; /* BW_OK: a row fired. Otherwise nothing changed but applied_index and
                        no_op_count, and:
                        BW_ERR_INVALID: a value or the spec breaks a rule
                        BW_ERR_EXISTS: a second Found
                        BW_ERR_NOT_FOUND: no such group
                        BW_ERR_STALE: its epoch, instance or spec_version is not the group's; of SetPeople the list's
                        BW_ERR_LIMIT: no place for one more group
                        BW_ERR_REFUSED: not now: anything before Found; the holder's site or a
                        switchover's target would leave the spec; a new spec whose timings do not
                        fit the open epoch's terms (3.9); observe or delete while an epoch is being
                        closed; an initial primary when no first grant is due; a list that nobody
                        could change again; a phase without a row for it */
};

/* Applies one committed command at `index` (> applied_index). The same on every witness. */
struct bw_applied bw_cluster_apply(struct bw_cluster *cluster, uint64_t index,
                                   const struct bw_command *command);

/* 5.3: the list by which a witness judges: the one that was applied, or, before there is one, that of its own file. */
const char *bw_cluster_people(const struct bw_cluster *cluster, const struct bw_people *of_file);

/* The inputs of a recovery beside the state. */
struct bw_recovery_way {
    uint64_t above;  /* a generation that sites follow and this state does not know; 0: none */
    uint64_t chance; /* any bits */
    int64_t unix_ms; /* for people: nothing is decided by it */
};

/* 3.9, C4: what is left of a state, as the new beginning of its cluster at the log index
 * *out_index, which is above `last_index`, the last that is known. The generation rises
 * (bw_generation_after), and index and epochs begin where those of that generation do; every
 * group is vacant and awaits its first grant. Untouched on an error. BW_ERR_REFUSED: it has not been
 * founded. BW_ERR_LIMIT: there is no generation left (counters.h).
 * BW_ERR_CORRUPT: the state says that it has applied more than its log has. */
BW_MUST_CHECK enum bw_err bw_cluster_recover(struct bw_cluster *cluster, uint64_t last_index,
                                             const struct bw_recovery_way *way, uint64_t *out_index);
extern const char bw_cluster_recovery_rule[];
/* 3.9: can a cluster begin anew from this state, that comes from a file which anybody may have
 * written? Every bound that a start, or what comes after it, would run into. BW_ERR_LIMIT and
 * BW_ERR_VERSION, with the words for people. */
BW_MUST_CHECK enum bw_err bw_cluster_judge_saved(const struct bw_cluster *cluster,
                                                 struct bw_diag *diag);
/* After which the longest lease that this state knows of is over: open, of a spec, or let go (3.3).
 */
uint32_t bw_cluster_longest_wait_ms(const struct bw_cluster *cluster);

/* Index of the group of that name, or -1. */
int bw_cluster_find(const struct bw_cluster *cluster, const char *name);

#endif
