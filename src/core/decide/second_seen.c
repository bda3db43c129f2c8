/* Whether a second enforcer of the holder's site is seen: what time alone may end beside what its guard ends
 * (3.4). */
#include "evaluation.h"

#include <breakwater/base/assert.h>

static bool is_fresh(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    return contact->used &&
           !bw_instant_right_is_over(eval->now,
                                     bw_instant_add(contact->received,
                                                    bw_policy_longer_freshness_ns(eval->group)));
}

/* It was made after an answer of ours that we sent since we lead, and not long before it came: what
 * an agent said before may be older than a renewal, sent without one, that another leader has
 * confirmed. */
static bool is_new(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_instant since = contact->answered_received;

    return bw_instant_wait_is_over(since, eval->leadership->leader_since) &&
           !bw_instant_right_is_over(contact->received,
                                     bw_instant_add(since, bw_policy_longer_freshness_ns(eval->group)));
}

/* What the holder's instance says, fresh. Of several sessions the one that sees none counts, whichever it is;
 * that one is seen only the boot can say whose renewals are confirmed. */
static const struct bw_contact *second_seen_by(const struct bw_evaluation *eval)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const struct bw_contact *found = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];
        const bool is_seen = contact->report.second == BW_SECOND_IS_SEEN;

        if (!is_fresh(eval, contact) ||
            !bw_id_equal(contact->instance, eval->group->holder_instance) ||
            (is_seen &&
             (!bw_ways_may_renew(eval->group, contact->boot_id) || !is_new(eval, contact))))
            continue;
        if (found == NULL || !is_seen)
            found = contact;
    }
    return found;
}

/* 3.4: before anything has begun `seen` says that it will be armed first, which a site waits for
 * that knows itself counted on. One that was granted without begins as it likes: of what has begun
 * there `seen` says that it is armed. */
static bool is_armed(const struct bw_evaluation *eval, const struct bw_report *report)
{
    return report->armed_epoch == eval->group->epoch &&
           (report->start_begun || bw_group_history_at(eval->group, 0)->adopted);
}

/* The lease is surely over, and somebody of its site, perhaps the second enforcer itself, still
 * does not say that the service has stopped: it was not ended in time. That has to be known, too,
 * when nobody says it any more. */
static bool has_run_out(const struct bw_evaluation *eval)
{
    const struct bw_expiry_base base = bw_eval_holder_base(eval);
    const struct bw_instant over = bw_instant_add(bw_expiry_counted_from(&base),
                                                  bw_expiry_wait_ns(&eval->group->terms));
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        /* What was said before may have been ended since, in time. */
        if (bw_eval_contradicts_ns(eval, contact) != 0 &&
            bw_instant_wait_is_over(contact->received, over))
            return true;
    }
    return false;
}

/* It is committed before a renewal is confirmed that was sent without one (bw_witness_confirm), so whoever
 * leads when the lease lapses knows what its holder had when it was renewed last. */
bool bw_decide_second(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_contact *contact = second_seen_by(eval);
    const bool is_over = has_run_out(eval);

    if (contact == NULL && !is_over)
        return false;
    command->kind = BW_COMMAND_SECOND_ENFORCER;
    command->instance = eval->group->holder_instance;
    command->is_seen = !is_over && contact->report.second == BW_SECOND_IS_SEEN;
    if (command->is_seen && !is_armed(eval, &contact->report))
        return false;
    if (bw_group_match(eval->group, command) == NULL)
        return false; /* it is committed */
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_SECOND_ENFORCER, -1, true,
                        is_over ? "it did not confirm the end in time"
                                : bw_second_word(contact->report.second));
    return true;
}

/* A renewal that was sent while none was seen is confirmed once that is committed. */
bool bw_second_lets_renew(const struct bw_group *group, const struct bw_report *report)
{
    return !group->terms.second_enforcer || report->second == BW_SECOND_IS_SEEN;
}

/* Why no second enforcer makes time enough, as the newest report of the holder's site says. */
static const char *second_missing(const struct bw_evaluation *eval)
{
    static const char *const words[] = {
        [BW_SECOND_IS_NONE] = "none is connected (one would make failover automatic)",
        [BW_SECOND_IS_SILENT] = "it is not connected",
        [BW_SECOND_IS_SAME_MACHINE] = "it runs on the same machine as the guard",
        [BW_SECOND_IS_BLIND] = "its status script has not answered recently",
        [BW_SECOND_IS_ELSEWHERE] = "its status differs from the guard's",
        [BW_SECOND_IS_UNPROVED] = "its scripts have never seen the service as started",
        [BW_SECOND_IS_UNTESTED] = "it was never tested that its fence stops the service",
        [BW_SECOND_IS_FENCING] = "it fences, and did not confirm the end in time",
        [BW_SECOND_IS_UNARMED] = "it does not have the deadline of this epoch",
        [BW_SECOND_IS_SEEN] = "one is connected, and this is not committed yet",
    };
    const struct bw_contact *newest = bw_site_reports_newest(bw_eval_holder_reports(eval));

    if (newest == NULL)
        return "its site has not reported";
    if ((size_t)newest->report.second >= sizeof words / sizeof words[0]) /* as a newer agent may */
        return "its state is unknown to this release";
    return words[newest->report.second];
}

void bw_eval_judge_end_reach(struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;
    const char *missing = bw_eval_end_reach_missing(eval);
    const bool is_inside = group->terms.reach != BW_REACH_REMOTE &&
                           bw_eval_outside_word(&group->sight) == NULL;
    const char *why = group->terms.second_enforcer && !is_inside
                          ? "a second enforcer of its site is connected"
                          : bw_eval_inside_word(group);

    (void)bw_gate_plain(&eval->list, BW_GATE_ID_END_REACH, -1, missing == NULL,
                        missing != NULL ? missing : why);
    if (missing != NULL && group->terms.reach != BW_REACH_NONE && group->spec.handover_by_time != BW_HANDOVER_NEVER)
        (void)bw_gate_plain(&eval->list, BW_GATE_ID_END_SECOND, -1, false, second_missing(eval));
}
