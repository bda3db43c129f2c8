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
 *        one founds another cluster), the others only for a candidate whose log is *young*: a founder
 *        may have crashed, or was cut off, when nobody else had its roster yet.
 *   L21  with a bare log only the founder stands. Who has a young log is elected by the votes of all,
 *        not of a majority: a majority may be without anybody who remembers. So who voted the founder
 *        in is known, and becomes the roster. A leader lets its log grow out of that once every voter
 *        has the roster, and before anything else.
 *   L22  of a peer whose incarnation is not the roster's, or that has not said one, nothing is
 *        heard. An id above all that the roster knows may have been added since, and lead by now: it is
 *        heard as it says.
 *
 * A directory that was made to *join* a cluster that is there has an empty log, and neither votes nor stands
 * as long as no roster in it names its incarnation. Later rosters are of a second form (core/members.h). */
#ifndef BW_CONSENSUS_ROLL_H
#define BW_CONSENSUS_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/core/members.h>

#define BW_ROLL_BARE_INDEX   1 /* of the founding configuration: the last entry of a bare log */
#define BW_ROLL_ROSTER_INDEX 2 /* of the first roster */
/* The last index of a young log is at most this. libraft adds an entry at each election with uncommitted ones:
 * a founder may lead so often in vain before another has its roster. */
#define BW_ROLL_YOUNG_INDEX_MAX 16

/* First form (core/members.h): count 8 | per member: id 8, incarnation 16.
 * Second form: count and 1 << 32 8 | id_max 8 | per member: id 8, incarnation 16, leaving 8, name, address,
 * raft, failure domain: each of its full size, with zeros after its end. Little endian. */
#define BW_ROSTER_MEMBER_BYTES (32 + 2 * (BW_NAME_MAX + 1) + 2 * (BW_ADDRESS_MAX + 1))
#define BW_ROSTER_BYTES_MAX    (16 + BW_ROSTER_MEMBER_BYTES * BW_WITNESSES_MAX)
size_t bw_roster_encode(const struct bw_roster *roster, uint8_t out_bytes[BW_ROSTER_BYTES_MAX]);
/* False: not what bw_roster_encode makes of a roster of at least one member. */
bool bw_roster_decode(const uint8_t *bytes, size_t size, struct bw_roster *out_roster);

#define BW_ROLL_MET_MAX 16
/* What peers have said of themselves in this life; in no order. */
struct bw_roll_met {
    unsigned count;
    struct {
        uint64_t id;
        struct bw_id incarnation;
    } list[BW_ROLL_MET_MAX];
};

/* How a data directory began. */
enum bw_roll_origin {
    BW_ROLL_FOUNDING, /* with a member of the beginning */
    BW_ROLL_FOUNDER,  /* with the one that made the cluster's id */
    BW_ROLL_JOINING,  /* empty, to be added to a cluster that is there */
};

struct bw_roll {
    uint64_t self;
    struct bw_id incarnation; /* own */
    enum bw_roll_origin origin;
    struct bw_roster roster;  /* the newest in log or snapshot */
    uint64_t index;           /* of its entry; 0: it is in the snapshot */
    struct bw_roster former;  /* the one before, until the newest was applied; a leader writes one only once
                                 that was committed, so no more is ever cut off */
    uint64_t former_index;
    struct bw_roster applied; /* the newest that was applied, or restored: what a snapshot holds */
    uint64_t version;         /* raised whenever `roster` changes */
    struct bw_roll_met met;
    /* Votes for this witness, where it needs all. */
    uint64_t vote_term;
    bool is_pre_vote;
    uint64_t granted[BW_WITNESSES_MAX];
    unsigned granted_count;
};

void bw_roll_init(struct bw_roll *roll, uint64_t self, struct bw_id incarnation,
                  enum bw_roll_origin origin);

/* ---- the roster ---- */

/* One was found in the log at `index`, or (0) in a snapshot. BW_ERR_REFUSED: it knows this witness
 * under another incarnation, which must end. */
BW_MUST_CHECK enum bw_err bw_roll_take(struct bw_roll *roll, const struct bw_roster *roster,
                                       uint64_t index, struct bw_diag *diag);
/* The log was cut from `index` on: the roster before counts again. */
void bw_roll_cut(struct bw_roll *roll, uint64_t index);
/* That of an entry or a snapshot was applied. */
void bw_roll_apply(struct bw_roll *roll, const struct bw_roster *roster);
/* By what was applied this witness was a member and is none, for ever. */
bool bw_roll_is_removed(const struct bw_roll *roll);
bool bw_roll_is_bare(const struct bw_roll *roll);
/* L21: what the log of a leader with this roll, which ends at `last_index`, lacks until it is young no
 * more. Every voter, this one too, has all up to `index_of_all` on its disk; 0 as long as one of them is
 * not known to have the roster: the votes of all could not be had without it. */
unsigned bw_roll_lacks(const struct bw_roll *roll, uint64_t index_of_all, uint64_t last_index);
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
/* L21: this witness, whose log ends at `last_index`, needs the votes of all; so it leads a founded cluster
 * only with a log that is young no more. */
bool bw_roll_needs_all(const struct bw_roll *roll, uint64_t last_index);
/* L21: to one that needs all `id` has granted its vote. True: all of `voters` have, but this witness
 * itself; `granted` says who. */
bool bw_roll_count_vote(struct bw_roll *roll, uint64_t id, uint64_t term, bool is_pre_vote,
                        const uint64_t *voters, unsigned count);

#endif
