/* The point of no return of the holder's start, on the witnesses' side: Passed (4, data safety). */
#include "evaluation.h"

static bool asks(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_instant stale = bw_instant_add(contact->received,
                                                   bw_policy_freshness_ns(eval->group));

    return contact->used && contact->report.asks_to_pass == eval->group->epoch &&
           bw_id_equal(contact->instance, eval->group->holder_instance) &&
           bw_ways_may_renew(eval->group, contact->boot_id) &&
           !bw_instant_right_is_over(eval->now, stale);
}

/* From the moment in which it is committed the data of the holder's site counts as the newest,
 * whatever becomes of it: so the holder begins nothing behind that point before. */
bool bw_decide_passed(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    bool is_asked = false;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        is_asked |= asks(eval, &reports->by_instance[i]);
    command->kind = BW_COMMAND_PASSED;
    command->instance = eval->group->holder_instance;
    if (!is_asked || bw_group_match(eval->group, command) == NULL)
        return false; /* nobody waits for it, or it is committed */
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_NO_RETURN, -1, true, NULL);
    return true;
}
