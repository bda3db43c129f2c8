#include "evaluation.h"

#include <breakwater/base/feature_level.h>

/* An epoch that this very leader granted: nobody else confirmed a renewal of it. */
bool bw_eval_was_granted_here(const struct bw_evaluation *eval)
{
    return bw_instant_is_later(eval->watch->grant_applied, eval->leadership->leader_since);
}

/* An epoch that this very leader granted and never confirmed a renewal of was never started (3.4).
 */
bool bw_eval_was_never_started(const struct bw_evaluation *eval)
{
    return eval->leadership->leads && bw_eval_was_granted_here(eval) &&
           eval->watch->confirmed_epoch != eval->group->epoch && !eval->group->adopting;
}

/* 5.3: what witnesses of before may decide otherwise is decided as they do. 0: it is not founded yet. */
static bool is_inside_enough(const struct bw_evaluation *eval)
{
    const uint32_t level = eval->leadership->feature_level;

    return level != 0 && level < BW_PROOF_LEVEL;
}

/* Inside is what a look says of the processes that it finds, which may be helpers of a service elsewhere: a kill of the
 * reach alone, seen to end the service, is what shows that a lost guard's enforcer ends it (3.3). */
static const char *unproved_word(const struct bw_evaluation *eval)
{
    const struct bw_reach_sight *sight = &eval->group->sight;

    if (sight->seen != BW_REACH_INSIDE)
        return bw_eval_outside_word(sight);
    if (sight->proved || is_inside_enough(eval))
        return NULL;
    return "it was never tested that its guard can kill the service";
}

/* Time alone ends (3.3) what was never started, what a second enforcer ends, what is proved to end by itself, and
 * what a person has decided to hand over anyway. */
const char *bw_eval_end_reach_missing(const struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;

    if (group->spec.handover_by_time == BW_HANDOVER_NEVER)
        return "this group requires a confirmed stop (handover_by_time: never)";
    if (group->terms.reach == BW_REACH_NONE)
        return "what its guard can kill is unknown";
    if (bw_eval_was_never_started(eval) || group->terms.second_enforcer ||
        group->spec.handover_by_time == BW_HANDOVER_ALWAYS)
        return NULL;
    if (group->adopting) /* whoever is granted next, every site reports before (3.9) */
        return NULL;
    if (group->terms.reach == BW_REACH_REMOTE)
        return "it runs outside the guard's machine (reach remote)";
    return unproved_word(eval);
}

bool bw_eval_time_ends(const struct bw_evaluation *eval)
{
    return !eval->group->held && bw_eval_end_reach_missing(eval) == NULL;
}
