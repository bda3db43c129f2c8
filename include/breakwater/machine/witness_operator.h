/* witness_operator.h - what operators order of a witness (machine/witness.h): what is refused and why, what
 * is proposed in which order, and what is known of it at the end. Design 3.9, 4, 5.3.
 *
 * Whoever drives the machine reads an order, gives it here outside of a step, and writes down what came
 * of it. All memory is the driver's. */
#ifndef BW_MACHINE_WITNESS_OPERATOR_H
#define BW_MACHINE_WITNESS_OPERATOR_H

#include <breakwater/core/command.h>
#include <breakwater/core/feature_level.h>
#include <breakwater/machine/witness.h>

/* May an operator change something through this witness? */
enum bw_witness_standing {
    BW_WITNESS_TOO_EARLY,  /* it does not know yet which cluster it belongs to */
    BW_WITNESS_LEADERLESS, /* it does not lead, and knows nobody who does */
    BW_WITNESS_FOLLOWS,    /* ask bw_witness_machine_leader */
    BW_WITNESS_MAY_CHANGE,
};
enum bw_witness_standing bw_witness_machine_standing(const struct bw_witness_machine *machine);

/* Operators' changes of one group that a leader accepts: so many at once, then one in each interval. */
#define BW_CHANGES_MAX         120
#define BW_CHANGE_INTERVAL_MS  1000

/* ---- moves ------------------------------------------------------------------------------------ */

/* What is asked for so goes to the log (4): any move from BW_WISH_LEVEL on. Else it is noted here,
 * and ends with this leader: what a person vouches for is what they have seen now. */
bool bw_witness_machine_keeps_wish(const struct bw_witness_machine *machine,
                                   enum bw_wish_kind kind);
/* A wish (bw_witness_ask, bw_foretell_judge_wish). Kept: it is proposed, and `proposer` (may be
 * NULL) hears of the outcome. Else it is noted, and decided about at the next SETTLE; `proposer`
 * hears nothing. BW_ERR_EXISTS, of one that is kept: its request has made a wish before
 * (bw_group_wish_of). */
BW_MUST_CHECK enum bw_err bw_witness_machine_ask(struct bw_witness_machine *machine, int group,
                                                 const struct bw_wish *wish,
                                                 struct bw_proposer *proposer,
                                                 struct bw_diag *diag);
/* What would come of it; the plan's decision is set whatever is returned. Nothing of it is
 * remembered. */
BW_MUST_CHECK enum bw_err bw_witness_machine_plan(struct bw_witness_machine *machine, int group,
                                                  const struct bw_wish *wish,
                                                  struct bw_wish_plan *out_plan,
                                                  struct bw_diag *diag);

/* ---- specs ------------------------------------------------------------------------------------ */

#define BW_APPLY_OUTCOME_LIST(X)                                                                   \
    X(UNCHANGED, "unchanged") X(CREATED, "created") X(CHANGED, "changed") X(FAILED, "failed")      \
    X(UNKNOWN, "unknown") X(NOT_SENT, "not_sent")
/* Of one spec: as judged, CREATED and CHANGED become FAILED, UNKNOWN or NOT_SENT where that came of it. */
enum bw_apply_outcome {
#define X(name, word) BW_APPLY_##name,
    BW_APPLY_OUTCOME_LIST(X)
#undef X
};
const char *bw_apply_outcome_word(enum bw_apply_outcome outcome);

struct bw_apply_item {
    struct bw_spec spec;                    /* one that bw_spec_check accepts */
    char initial_primary[BW_NAME_MAX + 1];  /* a candidate of it; "": none is chosen, or `is_named_late` */
    bool keeps_mode;    /* a group that is there keeps its mode: `spec` has it once it was judged */
    bool has_made_from; /* it is for what the group is at `made_from` only, 0: not there */
    uint64_t made_from;
    /* the machine's: */
    uint64_t version; /* of the spec that it was compared with; 0: there was no such group */
    enum bw_apply_outcome outcome;
    bool is_named_late; /* of UNCHANGED: it was granted before, and who begins it is nothing to choose any more */
    enum bw_err err; /* of FAILED, UNKNOWN and NOT_SENT */
    uint64_t index;  /* of the entry that made it so; 0: none did */
};

/* Specs that are judged together and then committed one after the other: each waits for the fate of
 * the one before, and none is taken back. */
struct bw_apply {
    struct bw_proposer proposer; /* first; the machine's, like `next` and `trial` */
    char by[BW_REASON_MAX + 1];  /* who wants it */
    struct bw_apply_item *items; /* of different names */
    size_t count;
    size_t next;           /* the item that is proposed next, or is on its way */
    struct bw_group trial; /* on which a spec is tried */
};

/* All that is wrong with it, one after the other; `path` is that of PUT /v1/groups: "groups[3]". */
struct bw_apply_problems {
    void *user;
    void (*add)(void *user, const char *path, const char *text);
};

/* What it would do to the state as it is now. Returns how many problems there are: with any of them
 * nothing may be begun. */
BW_MUST_CHECK size_t bw_apply_judge(const struct bw_witness_machine *machine,
                                              struct bw_apply *apply,
                                              const struct bw_apply_problems *problems);
/* Whom `item` has begin `group` (NULL: there is none yet): whom it names, or whom a person has named before, as long as
 * that word is of all sites there are, and of no let-go that came after it (3.9). "": nobody. */
const char *bw_apply_first_primary(const struct bw_group *group, const struct bw_apply_item *item);
/* BW_ERR_BUSY: another one was begun, and is not over: what it creates is not to be found yet, and would be
 * written over. Asked before one is judged. */
BW_MUST_CHECK enum bw_err bw_apply_may_begin(const struct bw_witness_machine *machine,
                                             struct bw_diag *diag);
/* One that may begin and was judged just now. It goes on by itself. APPLIED comes for it exactly once, perhaps before
 * this returns; until then it is the machine's. */
void bw_apply_begin(struct bw_witness_machine *machine, struct bw_apply *apply);

/* What is known of all of it: BW_OK: it is so. BW_ERR_STALE: a group was changed by somebody else
 * meanwhile. BW_ERR_UNKNOWN: leadership was lost on the way, and nobody can say. */
enum bw_err bw_apply_result(const struct bw_apply *apply);

/* ---- what a group keeps until somebody changes it again ----------------------------------------- */

/* SET_MODE, MAINTENANCE or DELETE of one group; UNREVOKE: a person takes back what was asked for,
 * if that is `wish_index` still (0: whatever it is). SET_PEOPLE of the cluster (group -1): who may do what, made from
 * the list of version `spec_version`. */
struct bw_group_change {
    struct bw_command command; /* by, text, and what its kind takes; spec_version 0: as the group is by now */
    struct bw_group trial;     /* the machine's: on which it is tried */
};
/* BW_ERR_EXISTS: it is so already. BW_ERR_STALE: somebody has changed the group since. BW_ERR_BUSY: not for
 * the moment; so is an UNREVOKE, and what is so already, while a command about the group is on its way:
 * that may commit behind the answer. BW_ERR_REFUSED, BW_ERR_NOT_FOUND, BW_ERR_INVALID: it cannot be so;
 * `diag` says why, and what can be done. */
BW_MUST_CHECK enum bw_err bw_witness_machine_judge_change(const struct bw_witness_machine *machine,
                                                          int group, struct bw_group_change *change,
                                                          struct bw_diag *diag);
/* Judges, and proposes it; `proposer` hears of the outcome. */
BW_MUST_CHECK enum bw_err bw_witness_machine_change(struct bw_witness_machine *machine, int group,
                                                    struct bw_group_change *change,
                                                    struct bw_proposer *proposer,
                                                    struct bw_diag *diag);
/* Of an UNREVOKE that was judged: no move is on its way, and what waits is in this leader's memory
 * alone. True: the wish was forgotten, and that is all. */
bool bw_witness_machine_forget_wish(struct bw_witness_machine *machine, int group);

/* ---- the feature level ------------------------------------------------------------------------ */

/* Room for so many parties is enough. */
size_t bw_witness_machine_parties_max(const struct bw_witness_machine *machine);
/* Everybody whom a new level concerns: the members, and agent and guard of each site that stands in a
 * spec. `levels`: the newest that each member knows, in their order; 0: it is not in contact. Returns
 * how many there are. */
size_t bw_witness_machine_parties(const struct bw_witness_machine *machine, const uint32_t *levels,
                                  struct bw_level_party *out_parties);

struct bw_level_order {
    uint32_t to;
    const char *const *without; /* names of those who need not be heard */
    size_t without_count;
    const char *by;   /* at most BW_REASON_MAX bytes, like the next */
    const char *text;
};
/* bw_feature_level_judge of the level as it is now. BW_ERR_STALE, too: it is not the one before `to` any
 * more. `order` NULL: a question. */
BW_MUST_CHECK enum bw_err bw_witness_machine_judge_level(const struct bw_witness_machine *machine,
                                                         const struct bw_level_party *parties,
                                                         size_t count,
                                                         const struct bw_level_order *order,
                                                         struct bw_diag *diag);
/* Judges anew, for what the operator looked at may be old by now, and proposes it. */
BW_MUST_CHECK enum bw_err bw_witness_machine_raise_level(struct bw_witness_machine *machine,
                                                         const struct bw_level_party *parties,
                                                         size_t count,
                                                         const struct bw_level_order *order,
                                                         struct bw_diag *diag);

#endif
