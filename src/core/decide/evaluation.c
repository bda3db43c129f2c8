/* evaluation.c - what the steps of an evaluation look at and write down alike, and what is asked of a group
 * between evaluations. Rests on policy and gates only: no step is known here. */
#include "evaluation.h"

#include <string.h>

#include <breakwater/base/assert.h>

/* ---- what a step writes down ---- */

bool bw_eval_holds(const struct bw_evaluation *eval)
{
    const struct bw_decision *out = eval->out;

    BW_ASSERT(eval->step_first <= out->gate_count);
    for (uint32_t i = eval->step_first; i < out->gate_count; i++)
        if (out->gates[i].site < 0 && out->gates[i].verdict == BW_GATE_HOLD)
            return true;
    return false;
}

struct bw_candidacy bw_eval_judge(struct bw_evaluation *eval, int site, enum bw_role role)
{
    struct bw_candidacy candidacy;

    bw_policy_judge_as(eval->group, eval->watch, eval->leadership, site, role, eval->now,
                       &candidacy);
    bw_gate_wake(&eval->list, candidacy.wake_in_ns);
    for (uint32_t i = 0; i < candidacy.gate_count; i++) {
        BW_ASSERT(eval->out->gate_count < BW_GATES_MAX);
        eval->out->gates[eval->out->gate_count] = candidacy.gates[i];
        eval->out->gates[eval->out->gate_count++].step = eval->list.step;
    }
    return candidacy;
}

/* What the steps look at beside the site itself, its pause, belongs to what is shown of it. */
void bw_policy_judge(const struct bw_group *group, const struct bw_watch *watch,
                     const struct bw_leadership *leadership, int site, bool planned,
                     struct bw_instant now, struct bw_candidacy *out_candidacy)
{
    struct bw_gate_list list = {.gates = out_candidacy->gates,
                                .count = &out_candidacy->gate_count,
                                .max = BW_CANDIDACY_GATES_MAX,
                                .wake_in_ns = &out_candidacy->wake_in_ns,
                                .age_ms = UINT32_MAX};

    bw_policy_judge_as(group, watch, leadership, site, planned ? BW_ROLE_TARGET : BW_ROLE_UNPLANNED,
                       now, out_candidacy);
    if (!planned && !bw_policy_judge_backoff(group, watch, site, now, &list))
        out_candidacy->eligible = false;
}

void bw_eval_judge_quiet(struct bw_evaluation *eval)
{
    if (eval->group->group_maintenance_ms == 0)
        return;
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_GROUP_MAINTENANCE, -1,
                       eval->watch->group_maintenance_applied,
                       bw_ms_to_ns(eval->group->group_maintenance_ms), eval->now, NULL);
}

/* ---- the holder, and how long it has been silent ---- */

int bw_eval_holder_index(const struct bw_evaluation *eval)
{
    return bw_spec_find_site(&eval->group->spec, eval->group->holder_site);
}

const struct bw_site_reports *bw_eval_holder_reports(const struct bw_evaluation *eval)
{
    const int holder = bw_eval_holder_index(eval);

    BW_ASSERT(eval->group->phase != BW_PHASE_VACANT);
    BW_ASSERT(holder >= 0); /* 3.9: whoever holds a group cannot leave its spec */
    return &eval->watch->reports[holder];
}

struct bw_expiry_base bw_eval_expiry_base(const struct bw_evaluation *eval, uint64_t epoch,
                                          struct bw_instant grant_applied)
{
    struct bw_expiry_base base = {
        .leader_since = eval->leadership->leader_since,
        .grant_applied = grant_applied,
    };

    if (eval->watch->confirmed_epoch == epoch)
        base.last_confirmed = eval->watch->last_confirmed;
    return base;
}

struct bw_expiry_base bw_eval_holder_base(const struct bw_evaluation *eval)
{
    return bw_eval_expiry_base(eval, eval->group->epoch, eval->watch->grant_applied);
}

uint64_t bw_eval_look_lacks_ns(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_expiry_base base = bw_eval_holder_base(eval);

    return bw_instant_wait_left_ns(
        bw_instant_sub(contact->answered_received, bw_ms_to_ns(contact->report.service_age_ms)),
        bw_instant_add(bw_expiry_counted_from(&base), bw_expiry_wait_ns(&eval->group->terms)));
}

uint64_t bw_eval_next_look_ns(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_expiry_base base = bw_eval_holder_base(eval);
    const uint32_t age_ms = contact->report.service_age_ms;

    if (age_ms == UINT32_MAX)
        return UINT64_MAX;
    return bw_instant_wait_left_ns(
        contact->answered_received,
        bw_instant_add(bw_expiry_counted_from(&base),
                       bw_expiry_wait_ns(&eval->group->terms) + bw_ms_to_ns(age_ms)));
}

static uint32_t clamp_ms(uint64_t ns)
{
    uint64_t ms = bw_ns_to_ms(ns);

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

uint32_t bw_eval_silent_ms(const struct bw_evaluation *eval)
{
    const struct bw_expiry_base base = bw_eval_holder_base(eval);

    return base.last_confirmed.boot_ns != 0 ? clamp_ms(bw_instant_elapsed_ns(eval->now, base.last_confirmed)) : 0;
}

/* A switchover that waits is not the move that is under way: a failback may have begun meanwhile (4). */
static bool is_move_of_wish(const struct bw_group *group, const struct bw_wish *wish)
{
    return wish->kind == BW_WISH_SWITCHOVER && wish->epoch == group->epoch &&
           group->target_reason == BW_REASON_SWITCHOVER && strcmp(wish->to, group->target) == 0;
}

uint64_t bw_eval_move_timeout_ns(const struct bw_evaluation *eval)
{
    const struct bw_wish *wish = &eval->watch->wish;

    if (is_move_of_wish(eval->group, wish) && wish->timeout_ms != 0)
        return bw_ms_to_ns(wish->timeout_ms);
    return bw_ms_to_ns(eval->group->spec.switchover_timeout_ms);
}

bool bw_eval_has_remote_fence_at(const struct bw_evaluation *eval, int site)
{
    const struct bw_contact *newest = bw_site_reports_newest(&eval->watch->reports[site]);

    return site != bw_eval_holder_index(eval) && !eval->group->spec.sites[site].never_candidate && newest != NULL &&
           newest->report.remote_fence.limit_ms != 0;
}

bool bw_eval_has_remote_fence(const struct bw_evaluation *eval)
{
    if (eval->group->adopting)
        return false; /* 3.9: what was never armed is left as it was found */
    for (int site = 0; site < (int)eval->group->spec.site_count; site++)
        if (bw_eval_has_remote_fence_at(eval, site))
            return true;
    return false;
}

/* ---- between evaluations ---- */

bool bw_eval_is_holder_lost(const struct bw_group *group, const struct bw_watch *watch)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch};
    const struct bw_site_reports *reports = bw_eval_holder_reports(&eval);
    const struct bw_contact *newest = bw_site_reports_newest_agent(reports);

    if (newest == NULL || bw_id_equal(newest->instance, group->holder_instance))
        return false;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && bw_id_equal(contact->instance, group->holder_instance) &&
            !bw_instant_right_is_over(
                newest->received, bw_instant_add(contact->received, bw_policy_longer_freshness_ns(group))))
            return false; /* both speak */
    }
    return true;
}

/* Its fence is tried again, and none of them will see an end (3.2.4); or a second enforcer alone reports, which gives
 * nothing back (3.4). */
static bool is_end_unseen(const struct bw_evaluation *eval)
{
    const struct bw_contact *newest = bw_site_reports_newest(bw_eval_holder_reports(eval));
    const struct bw_contact *contact = bw_site_reports_newest_agent(bw_eval_holder_reports(eval));

    if (newest != NULL && bw_contact_is_second(newest))
        return true;
    return eval->group->held && contact != NULL && contact->report.service == BW_SERVICE_UNKNOWN &&
           (contact->report.alarms & 1u << BW_ALARM_STATUS_UNKNOWN) != 0;
}

bool bw_arbiter_end_waits_for(const struct bw_group *group, const struct bw_watch *watch,
                              const struct bw_leadership *leadership,
                              struct bw_end_waits *out_waits)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch, .leadership = leadership};
    enum bw_gate_id gate = BW_GATE_ID_END_REACH;
    const char *why;

    if (group->phase == BW_PHASE_VACANT)
        return false;
    why = bw_eval_end_reach_missing(&eval);
    if (group->held) {
        gate = BW_GATE_ID_HELD;
        why = "a fence failed, so the stop is not confirmed";
    }
    if (why == NULL)
        return false;
    *out_waits = (struct bw_end_waits){
        .gate = gate,
        .why = why,
        .is_lost = bw_eval_is_holder_lost(group, watch),
        .is_unseen = is_end_unseen(&eval),
        .has_remote_fence = bw_eval_has_remote_fence(&eval),
    };
    return true;
}

enum bw_holder_answer bw_arbiter_holder_answer(const struct bw_group *group,
                                               const struct bw_watch *watch, struct bw_instant now,
                                               uint64_t *out_fresh_left_ns)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch, .now = now};

    *out_fresh_left_ns = 0;
    if (group->phase == BW_PHASE_VACANT)
        return BW_HOLDER_SILENT;
    /* 3.8: the service of an override is not what the epoch has left. */
    return bw_policy_answer(group, bw_eval_holder_reports(&eval), now, false, out_fresh_left_ns);
}

bool bw_eval_is_contradicted(const struct bw_wish *wish, enum bw_holder_answer answer)
{
    return answer == BW_HOLDER_STARTED || (answer == BW_HOLDER_ANSWERS && !wish->holder_is_off);
}

bool bw_eval_judge_answer(struct bw_evaluation *eval, enum bw_holder_answer answer, uint64_t fresh_left_ns)
{
    const bool is_against = bw_eval_is_contradicted(&eval->watch->wish, answer);

    if (is_against)
        bw_gate_wake(&eval->list, fresh_left_ns);
    return bw_gate_plain(&eval->list, BW_GATE_ID_SILENT, -1, !is_against,
                         answer == BW_HOLDER_STARTED   ? "service started"
                         : answer == BW_HOLDER_ANSWERS ? "service not started"
                                                       : NULL);
}

uint64_t bw_arbiter_lease_may_live_ns(const struct bw_group *group, const struct bw_watch *watch,
                                      const struct bw_leadership *leadership,
                                      struct bw_instant now)
{
    const struct bw_evaluation eval = {
        .group = group, .watch = watch, .leadership = leadership, .now = now};
    const struct bw_expiry_base base = bw_eval_holder_base(&eval);

    if (group->phase == BW_PHASE_VACANT)
        return 0;
    return bw_instant_wait_left_ns(now, bw_instant_add(bw_expiry_counted_from(&base),
                                                       bw_expiry_wait_ns(&group->terms)));
}

/* An adoption that nobody has seen armed: the service runs there as it did before breakwater came,
 * no lease of it can have lapsed, and after Expired the rules of a first grant apply again (3.9,
 * H13). */
static bool is_untouched_adoption(const struct bw_evaluation *eval, const struct bw_report *report)
{
    return eval->group->adopting && report->armed_epoch != eval->group->epoch;
}

/* 3.8: its own epoch was over, and seen to be, before a person let it serve: what runs there is not
 * what that has left. */
static bool serves_by_override(const struct bw_report *report)
{
    return report->override == BW_OVERRIDE_OVERRIDING || report->override == BW_OVERRIDE_ENDING;
}

/* What runs there is what the open epoch has left. */
bool bw_eval_is_of_epoch(const struct bw_evaluation *eval, const struct bw_report *report)
{
    return !serves_by_override(report) && !is_untouched_adoption(eval, report);
}

static bool is_known_stopped(const struct bw_report *report)
{
    return report->service == BW_SERVICE_STOPPED ||
           (report->service == BW_SERVICE_UNKNOWN && report->has_fence_or_stop_succeeded);
}

uint64_t bw_eval_contradicts_ns(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    if (!contact->used || is_known_stopped(&contact->report) ||
        !bw_eval_is_of_epoch(eval, &contact->report))
        return 0;
    return bw_instant_wait_left_ns(
        eval->now, bw_instant_add(contact->received, bw_policy_longer_freshness_ns(eval->group)));
}

const struct bw_contact *bw_eval_connected_holder(const struct bw_evaluation *eval)
{
    const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch,
                                                           bw_eval_holder_index(eval), eval->now);

    if (contact == NULL || !bw_id_equal(contact->instance, eval->group->holder_instance))
        return NULL;
    return contact;
}

void bw_eval_complete_revoke(const struct bw_evaluation *eval, int target, enum bw_reason reason,
                            struct bw_command *command)
{
    BW_ASSERT(target < (int)eval->group->spec.site_count);
    BW_ASSERT(eval->group->phase == BW_PHASE_GRANTED); /* 3.6: nothing else is taken from a holder */
    command->kind = BW_COMMAND_REVOKE;
    command->reason = reason;
    command->planned = true;
    if (target >= 0)
        memcpy(command->target, eval->group->spec.sites[target].name, sizeof(command->target));
}

bool bw_eval_is_maintained(const struct bw_evaluation *eval, int site)
{
    struct bw_instant end = bw_instant_add(eval->watch->maintenance_applied[site],
                                           bw_ms_to_ns(eval->group->maintenance_ms[site]));

    return eval->group->maintenance_ms[site] != 0 && !bw_instant_wait_is_over(eval->now, end);
}
