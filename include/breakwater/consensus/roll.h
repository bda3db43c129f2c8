/* roll.h - who the members are: ids, and the data directory that each came with first. A witness
 * that lost its disk and was made anew under its old id has forgotten its votes and entries; counted
 * as the old one, it lets a committed decision be made twice. Design 3.9, I3. Pure.
 *
 * Each data directory carries a random *incarnation*. The *roster* is the table of the incarnations
 * of all founding members. It is the first entry of the log after the configuration, and in every
 * snapshot; a log without one is *bare*, and nothing was ever committed by whom only that is known.
 *
 *   L20  a member votes if a roster in its log or snapshot, applied or not, names its own
 *        incarnation. With a bare log the founder votes (it cannot be one that was made anew: that
 *        one founds another cluster), the others only for a candidate whose log is bare too, or ends
 *        at the roster: a founder may have crashed when nobody else had that yet.
 *   L21  with a bare log only the founder stands. Who has such a log, or one that ends at the roster,
 *        is elected by the votes of all, not of a majority: a majority may be without anybody who
 *        remembers. So who voted the founder in is known, and becomes the roster.
 *   L22  of a peer whose incarnation is not the roster's, or that has not said one, nothing is
 *        heard. */
#ifndef BW_CONSENSUS_ROLL_H
#define BW_CONSENSUS_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/id.h>
#include <breakwater/base/limits.h>

#define BW_ROLL_BARE_INDEX   1 /* of the founding configuration: the last entry of a bare log */
#define BW_ROLL_ROSTER_INDEX 2 /* of the first roster */

struct bw_roster {
    unsigned count; /* 0: there is none */
    struct bw_roster_member {
        uint64_t id;
        struct bw_id incarnation;
    } members[BW_WITNESSES_MAX]; /* by id, each once */
};

/* count 8 | per member: id 8, incarnation 16; little endian. */
#define BW_ROSTER_BYTES_MAX (8 + 24 * BW_WITNESSES_MAX)
size_t bw_roster_encode(const struct bw_roster *roster, uint8_t out_bytes[BW_ROSTER_BYTES_MAX]);
/* False: not what bw_roster_encode makes of a roster of at least one member. */
bool bw_roster_decode(const uint8_t *bytes, size_t size, struct bw_roster *out_roster);

struct bw_roll {
    uint64_t self;
    struct bw_id incarnation; /* own */
    bool is_founder;          /* made the cluster's id */
    struct bw_roster roster;  /* the newest in log or snapshot */
    uint64_t index;           /* of its entry; 0: it is in the snapshot */
    struct bw_roster met;     /* what peers have said in this life; in no order */
    /* Votes for this witness, where it needs all. */
    uint64_t vote_term;
    bool is_pre_vote;
    uint64_t granted[BW_WITNESSES_MAX];
    unsigned granted_count;
};

void bw_roll_init(struct bw_roll *roll, uint64_t self, struct bw_id incarnation, bool is_founder);

/* ---- the roster ---- */

/* One was found in the log at `index`, or (0) in a snapshot. BW_ERR_REFUSED: it knows this witness
 * under another incarnation, which must end. */
BW_MUST_CHECK enum bw_err bw_roll_take(struct bw_roll *roll, const struct bw_roster *roster,
                                       uint64_t index, struct bw_diag *diag);
/* The log was cut from `index` on. */
void bw_roll_cut(struct bw_roll *roll, uint64_t index);
bool bw_roll_is_bare(const struct bw_roll *roll);
/* Of `voters`, this witness among them. False: one of them has not been met. */
bool bw_roll_draft(const struct bw_roll *roll, const uint64_t *voters, unsigned count,
                   struct bw_roster *out_roster);

/* ---- who is there ---- */

/* Peer `id` says so of itself. BW_ERR_REFUSED: the roster names another, or none (L22). Else it is
 * what counts from now on. */
BW_MUST_CHECK enum bw_err bw_roll_meet(struct bw_roll *roll, uint64_t id, struct bw_id incarnation,
                                       struct bw_diag *diag);
/* What the roster knows peer `id` by; none: nothing. */
struct bw_id bw_roll_expects(const struct bw_roll *roll, uint64_t id);
bool bw_roll_has_met(const struct bw_roll *roll, uint64_t id);
/* L22: what comes from it is heard. */
bool bw_roll_hears(const struct bw_roll *roll, uint64_t id);

/* ---- votes ---- */

/* L20, of a candidate whose log ends at `last_index`. */
bool bw_roll_may_vote(const struct bw_roll *roll, uint64_t last_index);
/* L20, L21 */
bool bw_roll_may_stand(const struct bw_roll *roll);
/* L21: this witness, whose log ends at `last_index`, needs the votes of all. */
bool bw_roll_needs_all(const struct bw_roll *roll, uint64_t last_index);
/* L21: to one that needs all `id` has granted its vote. True: all of `voters` have, but this witness
 * itself; `granted` says who. */
bool bw_roll_count_vote(struct bw_roll *roll, uint64_t id, uint64_t term, bool is_pre_vote,
                        const uint64_t *voters, unsigned count);

#endif
