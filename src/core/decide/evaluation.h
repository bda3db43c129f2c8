/* evaluation.h - one evaluation. evaluation.c and end_reach.c have what its steps share; those of a vacant
 * group are in grant.c, those of a person's word in forced.c, the others and their order in arbiter.c, which
 * alone knows them all. Private. */
#ifndef BW_CORE_EVALUATION_H
#define BW_CORE_EVALUATION_H

#include <breakwater/base/assert.h>
#include <breakwater/core/witness.h>

#include "policy.h"

/* The group in that place, which must be one. */
static inline struct bw_group *bw_group_at(const struct bw_witness *witness, int group_index)
{
    BW_ASSERT(group_index >= 0 && group_index < (int)witness->cluster->group_count);
    return &witness->cluster->groups[group_index];
}

struct bw_evaluation {
    const struct bw_group *group;
    const struct bw_watch *watch;
    const struct bw_leadership *leadership;
    struct bw_instant now;
    struct bw_decision *out;
    struct bw_gate_list list;
    uint32_t step_first; /* first gate of the step that is being evaluated */
    bool as_unasked;     /* as if nobody had asked for a failover */
};

/* A gate of the group holds the step that is being evaluated. */
bool bw_eval_holds(const struct bw_evaluation *eval);
/* -1: vacant, or the spec has forgotten it. */
int bw_eval_holder_index(const struct bw_evaluation *eval);
/* What its agents say. Of a group that is not vacant. */
const struct bw_site_reports *bw_eval_holder_reports(const struct bw_evaluation *eval);
/* What the wait of 3.3 for the open epoch is counted from. */
struct bw_expiry_base bw_eval_holder_base(const struct bw_evaluation *eval);
/* The same for any `epoch`. */
struct bw_expiry_base bw_eval_expiry_base(const struct bw_evaluation *eval, uint64_t epoch,
                                          struct bw_instant grant_applied);
/* By how much its look at the service was made too early to tell of the time after the lease, for
 * whoever held that; 0: it was made after it. Whoever reports it need not know of the epoch. A sync
 * may have been long on its way, so its receipt does not tell when it was made: it was made after
 * its agent heard an answer, and that answer was to a sync received here before. Of a group that is
 * not vacant. */
uint64_t bw_eval_look_lacks_ns(const struct bw_evaluation *eval, const struct bw_contact *contact);
/* In how long such a look will have been made, if it goes on to be as old as it is when it is told
 * of; UINT64_MAX: never, none was made. The report is another machine's word, and any number. */
uint64_t bw_eval_next_look_ns(const struct bw_evaluation *eval, const struct bw_contact *contact);
/* Since the last renewal of the newest epoch that this leader confirmed, or since what stands for
 * it. */
uint32_t bw_eval_silent_ms(const struct bw_evaluation *eval);
/* What a part of the move that is under way may take: as the person asked who asked for this very one, as long as this
 * leader remembers. */
uint64_t bw_eval_move_timeout_ns(const struct bw_evaluation *eval);
/* Judges a site and writes its gates down. */
struct bw_candidacy bw_eval_judge(struct bw_evaluation *eval, int site, enum bw_role role);
/* The gate group_maintenance, when there is any: what nobody asked for waits until it is over. */
void bw_eval_judge_quiet(struct bw_evaluation *eval);

/* The newest report of the holder's site is another instance's, and that of the holder's is no longer
 * fresh: its state is lost or was replaced. Only an epoch's own instance gives it back (3.5, 3.7). */
bool bw_eval_is_holder_lost(const struct bw_group *group, const struct bw_watch *watch);

/* What time alone ends, and what it does not (end_reach.c). */
bool bw_eval_was_granted_here(const struct bw_evaluation *eval);
bool bw_eval_was_never_started(const struct bw_evaluation *eval);
const char *bw_eval_end_reach_missing(const struct bw_evaluation *eval); /* NULL: nothing */
/* The gates of it: what is missing, and then why no second enforcer makes up for that. */
void bw_eval_judge_end_reach(struct bw_evaluation *eval);
bool bw_eval_time_ends(const struct bw_evaluation *eval);

/* An operator confirms that a site is off; `answer` is what its fresh reports say, for `fresh_left_ns` yet. A report that
 * comes after the operator's word counts as one that came before. */
bool bw_eval_is_contradicted(const struct bw_wish *wish, enum bw_holder_answer answer);
/* The gate of that; false: it holds. */
bool bw_eval_judge_answer(struct bw_evaluation *eval, enum bw_holder_answer answer, uint64_t fresh_left_ns);

/* What runs at the holder's site by this report is what the open epoch has left (3.8, 3.9). */
bool bw_eval_is_of_epoch(const struct bw_evaluation *eval, const struct bw_report *report);
/* 3.3: for how long yet what it has said keeps time from ending the epoch, as it did not say
 * stopped; 0: it does not. */
uint64_t bw_eval_contradicts_ns(const struct bw_evaluation *eval, const struct bw_contact *contact);

/* The fresh report of the very instance that holds the epoch; NULL: none is. */
const struct bw_contact *bw_eval_connected_holder(const struct bw_evaluation *eval);
/* `site` is in a maintenance that is not over. */
bool bw_eval_is_maintained(const struct bw_evaluation *eval, int site);
/* A Revoke for a move to `target` (-1: none yet). */
void bw_eval_complete_revoke(const struct bw_evaluation *eval, int target, enum bw_reason reason,
                             struct bw_command *command);
/* The holder cannot show that it serves, and another site could (unhealthy.c). */
bool bw_decide_unhealthy(struct bw_evaluation *eval, struct bw_command *command);
/* The move was begun for that, or what its origin says of its service now does not tell: no final position need come. */
bool bw_eval_has_no_last_word(const struct bw_evaluation *eval);

/* Whether a second enforcer of the holder's site is seen (second_seen.c). */
bool bw_decide_second(struct bw_evaluation *eval, struct bw_command *command);

/* Another site than the holder's, which is a candidate, has a script that can see the end of the open epoch there (3.3),
 * as far as was ever heard. */
bool bw_eval_has_remote_fence(const struct bw_evaluation *eval);
bool bw_eval_has_remote_fence_at(const struct bw_evaluation *eval, int site);
/* One of them is heard, hears this witness, and is in no maintenance: it can be asked (remote_fence.c). */
bool bw_eval_reaches_remote_fence(const struct bw_evaluation *eval);
/* What another site has seen the end of (remote_fence.c). */
bool bw_decide_fenced(struct bw_evaluation *eval, struct bw_command *command);

/* The claim of a site, and its end (claim_steps.c). */
bool bw_decide_claim(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_claim_over(struct bw_evaluation *eval, struct bw_command *command);

/* What a person who vouches for the holder's site may end (forced.c). */
bool bw_decide_close_for_person(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_forced(struct bw_evaluation *eval, struct bw_command *command);

/* The steps of a vacant group. */
bool bw_decide_override(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_first_grant(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_target(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_origin(struct bw_evaluation *eval, struct bw_command *command);
bool bw_decide_best(struct bw_evaluation *eval, struct bw_command *command);

/* Why what was seen of a reach is not enough for time alone (3.4); NULL: it is. */
const char *bw_eval_outside_word(const struct bw_reach_sight *sight);
/* What a hand-over on time alone rests on. */
const char *bw_eval_inside_word(const struct bw_group *group);

/* May a person end the open epoch now, and if not, why, in words. Private to witness.c.
 * Design 3.1, 4. */

/* BW_OK: the wish may be noted. BW_ERR_EXISTS: what it asks for is so already. */
BW_MUST_CHECK enum bw_err bw_forced_check(const struct bw_witness *witness, int group_index,
                                          const struct bw_wish *wish, struct bw_instant now,
                                          struct bw_diag *diag);

#endif
