#include "evaluation.h"

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

/* What time alone ends (3.4): not where nobody knows what the guard can end, and not a service that
 * outlives the guard's machine or was not seen inside of what the guard ends, unless a person has
 * decided otherwise, or it was never started. */
const char *bw_eval_end_reach_missing(const struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;

    if (group->terms.reach == BW_REACH_NONE)
        return "reach is not known";
    if (bw_eval_was_never_started(eval) || group->terms.second_enforcer || group->spec.expired_is_enough)
        return NULL;
    if (group->adopting) /* whoever is granted next, every site reports before (3.9) */
        return NULL;
    if (group->terms.reach == BW_REACH_REMOTE)
        return "its service outlives the machine of its guard (reach remote)";
    return bw_eval_outside_word(&group->sight);
}

bool bw_eval_is_grade_wanting(const struct bw_evaluation *eval)
{
    return eval->group->spec.min_grade != BW_MIN_GRADE_EXPIRED;
}

bool bw_eval_time_ends(const struct bw_evaluation *eval)
{
    return !eval->group->held && !bw_eval_is_grade_wanting(eval) &&
           bw_eval_end_reach_missing(eval) == NULL;
}
