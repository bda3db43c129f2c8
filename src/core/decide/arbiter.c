/* arbiter.c - the steps of design 4, in their order: group + reports + now -> at most one command.
 * A step writes down what it looks at; it acts when none of its gates of the group holds. */
#include <string.h>

#include <breakwater/base/assert.h>

#include "evaluation.h"

static bool decide_passed(struct bw_evaluation *eval, struct bw_command *command);

static bool decide_released(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_fence_failed(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_reach(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_fenced(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_expired(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_close(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_unrevoke(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_adopted(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_switchover(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_failback(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_maintenance_over(struct bw_evaluation *eval, struct bw_command *command);
static bool decide_boot(struct bw_evaluation *eval, struct bw_command *command);

#define IN(phase) (1u << BW_PHASE_##phase)
#define IN_OPEN   (IN(GRANTED) | IN(REVOKING) | IN(CLOSING))
#define IN_ANY    (IN(VACANT) | IN_OPEN)

/* Design 4, order of evaluation. `decide` returns false, without a gate, where the step has nothing
 * to look at; else it completes `command` as far as its gates let it. */
static const struct {
    const char *rule;
    unsigned phases;
    bool (*decide)(struct bw_evaluation *eval, struct bw_command *command);
} steps[] = {
    {"A36", IN_ANY, bw_decide_claim},
    {"A37", IN_ANY, bw_decide_claim_over},
    {"A1", IN_OPEN, decide_released},
    {"A2", IN_OPEN, decide_fence_failed},
    {"A20", IN_OPEN, decide_reach},
    {"A33", IN(GRANTED) | IN(REVOKING), bw_decide_second},
    {"A34", IN(GRANTED) | IN(REVOKING), decide_passed},
    {"A32", IN(CLOSING), decide_fenced},
    {"A3", IN_OPEN, decide_expired},
    {"A4", IN(GRANTED) | IN(REVOKING), decide_close},
    {"A25", IN(GRANTED) | IN(REVOKING), bw_decide_close_for_person},
    {"A26", IN(CLOSING), bw_decide_forced},
    {"A5", IN(REVOKING), decide_unrevoke},
    {"A30", IN(GRANTED), decide_boot},
    {"A31", IN(VACANT), bw_decide_override},
    {"A6", IN(VACANT), bw_decide_first_grant},
    {"A7", IN(VACANT), bw_decide_target},
    {"A8", IN(VACANT), bw_decide_origin},
    {"A9", IN(VACANT), bw_decide_best},
    {"A10", IN(GRANTED), decide_adopted},
    {"A11", IN(GRANTED), decide_switchover},
    {"A35", IN(GRANTED), bw_decide_unhealthy},
    {"A12", IN(GRANTED), decide_failback},
    {"A13", IN_ANY, decide_maintenance_over},
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

_Static_assert(BW_GATES_MAX >= 2 * BW_SITES_MAX * (BW_CANDIDACY_GATES_MAX + 8) + 4 * STEP_COUNT,
               "every site judged for one grant, or for a move by A35 and one by A12, and each step's own gates");

/* Gates of every step; false where nothing at all is evaluated. `*out_may_keep`: what a site claims is kept in `observe`,
 * too. */
static bool judge_witness(struct bw_evaluation *eval, bool *out_may_act, bool *out_may_keep)
{
    struct bw_gate_list *list = &eval->list;
    bool leads = bw_gate_plain(list, BW_GATE_ID_LEADS, -1, eval->leadership->leads, NULL);

    if (!leads)
        return false;
    bw_gate_wake(list, bw_policy_wish_left_ns(eval->group, eval->watch, eval->now));
    *out_may_act = bw_gate_plain(list, BW_GATE_ID_PROPOSING, -1, eval->watch->proposing_count == 0,
                                 NULL);
    *out_may_keep = *out_may_act;
    *out_may_act &= bw_gate_plain(list, BW_GATE_ID_OBSERVE, -1,
                                  eval->group->spec.mode != BW_MODE_OBSERVE,
                                  bw_mode_shown(eval->group->spec.mode));
    return true;
}

static bool is_of_claim(const struct bw_command *command)
{
    return command->kind == BW_COMMAND_CLAIM || command->kind == BW_COMMAND_CLAIM_OVER;
}

/* What \p command would do; of a group that is only observed, what it would in the mode that lets
 * decisions be carried out (3.9). */
static const struct bw_group_rule *row_for(const struct bw_group *group,
                                           const struct bw_command *command)
{
    struct bw_group as_decided;

    if (group->spec.mode != BW_MODE_OBSERVE)
        return bw_group_match(group, command);
    as_decided = *group;
    as_decided.spec.mode = BW_MODE_AUTO;
    return bw_group_match(&as_decided, command);
}

/* A command that the state would not take is not proposed again and again. */
static bool judge_row(struct bw_evaluation *eval, const struct bw_command *command)
{
    const struct bw_group_rule *row;

    if (is_of_claim(command)) /* C8, C9: of any phase */
        return bw_gate_plain(&eval->list, BW_GATE_ID_ROW, -1, bw_group_takes_claim(eval->group, command), NULL);
    row = row_for(eval->group, command);
    return bw_gate_plain(&eval->list, BW_GATE_ID_ROW, -1, row != NULL,
                         row != NULL ? row->id : "no row");
}

/* The first step whose gates all pass decides; false: none does. */
static bool try_steps(struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;
    struct bw_decision *out = eval->out;
    bool may_decide = false, may_keep = false;

    out->acts = false;
    out->rule = "A0";
    out->from = NULL;
    out->gate_count = 0;
    out->command = (struct bw_command){.kind = BW_COMMAND_COUNT};
    eval->list.step = "A0";
    if (!judge_witness(eval, &may_decide, &may_keep))
        return false;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        struct bw_command command = {.epoch = group->epoch, .spec_version = group->spec_version};
        bool may_act;

        if ((steps[i].phases & 1u << group->phase) == 0)
            continue;
        eval->list.step = steps[i].rule;
        eval->step_first = out->gate_count;
        out->from = NULL;
        memcpy(command.group, group->spec.name, sizeof(command.group));
        if (!steps[i].decide(eval, &command) || bw_eval_holds(eval) || !judge_row(eval, &command))
            continue;
        BW_ASSERT(command.epoch == group->epoch || command.kind == BW_COMMAND_GRANT); /* I2 */
        may_act = is_of_claim(&command) ? may_keep : may_decide;
        out->command = command;
        out->acts = may_act;
        out->rule = may_act ? steps[i].rule : "A0";
        BW_ASSERT(!may_act || eval->watch->proposing_count == 0); /* by what is applied, whole (3.2.2) */
        BW_ASSERT(!may_act || group->spec.mode != BW_MODE_OBSERVE || is_of_claim(&command)); /* 3.1: it only looks on */
        return true;
    }
    return false;
}

static struct bw_evaluation begin(const struct bw_group *group, const struct bw_watch *watch,
                                  const struct bw_leadership *leadership, struct bw_instant now,
                                  bool as_unasked, struct bw_decision *out_decision)
{
    out_decision->wake_in_ns = UINT64_MAX;
    return (struct bw_evaluation){
        .group = group,
        .watch = watch,
        .leadership = leadership,
        .now = now,
        .out = out_decision,
        .list = {.gates = out_decision->gates,
                 .count = &out_decision->gate_count,
                 .max = BW_GATES_MAX,
                 .wake_in_ns = &out_decision->wake_in_ns,
                 .age_ms = UINT32_MAX},
        .as_unasked = as_unasked,
    };
}

void bw_arbiter_decide(const struct bw_group *group, const struct bw_watch *watch,
                       const struct bw_leadership *leadership, struct bw_instant now,
                       struct bw_decision *out_decision)
{
    struct bw_evaluation eval = begin(group, watch, leadership, now, false, out_decision);

    if (try_steps(&eval) || group->phase != BW_PHASE_VACANT ||
        bw_policy_wish(group, watch, now) != BW_WISH_FAILOVER)
        return;
    /* 4: what a person asked for stands in the way of nothing that happens without it */
    eval.as_unasked = true;
    if (try_steps(&eval))
        return;
    eval.as_unasked = false; /* neither: what the person asked for is what waits. Woken for both */
    (void)try_steps(&eval);
}

void bw_arbiter_decide_unasked(const struct bw_group *group, const struct bw_watch *watch,
                               const struct bw_leadership *leadership, struct bw_instant now,
                               struct bw_decision *out_decision)
{
    struct bw_evaluation eval = begin(group, watch, leadership, now, true, out_decision);

    (void)try_steps(&eval);
}

/* ---- the end of an epoch ---- */

static struct bw_ways_known known_ways(const struct bw_evaluation *eval)
{
    static const struct bw_ways none;
    const bool is_of_epoch = eval->watch->confirmed_epoch == eval->group->epoch;

    return (struct bw_ways_known){
        .group = eval->group,
        .ways = is_of_epoch ? &eval->watch->ways : &none,
        .leader_since = eval->leadership->leader_since,
        .was_granted_here = bw_eval_was_granted_here(eval),
    };
}

/* How long the report is still fresh. */
static uint64_t fresh_left_ns(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    return bw_instant_wait_left_ns(
        eval->now, bw_instant_add(contact->received, bw_policy_longer_freshness_ns(eval->group)));
}

/* What time does not end: the machine that serves may still be there, and this is only its copy. What
 * a copy said before the machine renewed again is the word of one that may be gone; one that has
 * rebooted says it in each sync (3.5). UINT64_MAX: until it says so again. */
static uint64_t other_boot_speaks_ns(const struct bw_evaluation *eval,
                                     const struct bw_contact *released)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const struct bw_ways_known known = known_ways(eval);
    uint64_t longest_ns = 0;
    struct bw_instant since;

    if (bw_eval_time_ends(eval))
        return 0;
    if (bw_ways_other_boots_since(&known, released->boot_id, &since) &&
        bw_instant_is_beyond(since, released->received))
        return UINT64_MAX;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && !bw_id_equal(contact->boot_id, released->boot_id) &&
            fresh_left_ns(eval, contact) > longest_ns)
            longest_ns = fresh_left_ns(eval, contact);
    }
    return longest_ns;
}

/* Until this give-back may be believed. */
static uint64_t release_left_ns(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_ways_known known = known_ways(eval);
    const uint64_t other_ns = other_boot_speaks_ns(eval, contact);
    uint64_t left_ns = 0;
    struct bw_instant since;

    if (!bw_eval_time_ends(eval) && !bw_ways_is_vouched(contact))
        return UINT64_MAX;
    if (bw_ways_others_since(&known, contact, &since))
        left_ns = bw_instant_wait_left_ns(
            eval->now, bw_instant_add(since, bw_expiry_wait_ns(&eval->group->terms)));
    return left_ns > other_ns ? left_ns : other_ns;
}

/* A give-back is final, durable at its site (3.5): its age does not matter. Of several the one that
 * may be believed first. */
static const struct bw_contact *find_released(const struct bw_evaluation *eval)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const struct bw_contact *released = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && contact->released.epoch == eval->group->epoch &&
            bw_id_equal(contact->instance, eval->group->holder_instance) &&
            (released == NULL || release_left_ns(eval, contact) < release_left_ns(eval, released)))
            released = contact;
    }
    return released;
}

/* Whoever else can hold the lease may not have given anything back. */
static void judge_release(struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_ways_known known = known_ways(eval);
    const uint64_t other_ns = other_boot_speaks_ns(eval, contact);
    struct bw_instant since;

    if (bw_ways_others_since(&known, contact, &since))
        (void)bw_gate_wait(&eval->list, BW_GATE_ID_RELEASE_WAIT, -1, since,
                           bw_expiry_wait_ns(&eval->group->terms), eval->now,
                           contact->released_by.directly ? "another boot may hold it"
                                                         : "the release was forwarded by a witness");
    if (bw_eval_time_ends(eval))
        return;
    bw_gate_wake(&eval->list, other_ns);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_RELEASE_BOOT, -1, other_ns == 0,
                        other_ns == 0            ? NULL
                        : other_ns == UINT64_MAX ? "another boot has renewed since the release"
                                                 : "another boot of the site reports");
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_RELEASE_WAY, -1, bw_ways_is_vouched(contact), NULL);
}

static bool decide_released(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_contact *contact = find_released(eval);
    bool is_answered;

    if (!bw_gate_plain(&eval->list, BW_GATE_ID_RELEASED, -1, contact != NULL, NULL))
        return true;
    BW_ASSERT(contact != NULL);
    BW_ASSERT(contact->released.epoch ==
              eval->group->epoch); /* 3.5: by nobody but the instance that */
    BW_ASSERT(bw_id_equal(contact->instance, eval->group->holder_instance)); /* the epoch is of */
    judge_release(eval, contact);
    eval->out->from = contact;
    is_answered = contact->released.held_index == eval->group->held_index;
    if (eval->group->held)
        (void)bw_gate_plain(&eval->list, BW_GATE_ID_HELD, -1, is_answered,
                            is_answered ? "a later fence confirmed the stop"
                                        : "and no fence since the release has confirmed it");
    command->held_index = contact->released.held_index;
    command->kind = BW_COMMAND_RELEASED;
    command->instance = eval->group->holder_instance;
    command->reason = contact->released.reason;
    command->past_no_return = contact->released.past_no_return || bw_policy_is_vouched(eval->group, eval->watch);
    memcpy(command->position, contact->released.position, sizeof(command->position));
    return true;
}

/* The holder's instance renews from another boot than the newest that is committed: a copy that begins an
 * epoch waits until the holder cannot have it. */
static bool decide_boot(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const struct bw_ways_known known = known_ways(eval);
    const struct bw_contact *asking = NULL;
    struct bw_instant since;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && contact->renew_epoch == eval->group->epoch &&
            bw_id_equal(contact->instance, eval->group->holder_instance) &&
            !bw_ways_may_renew(eval->group, contact->boot_id) && fresh_left_ns(eval, contact) > 0)
            asking = contact;
    }
    if (asking == NULL)
        return false;
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_BOOT, -1, true, NULL);
    if (bw_ways_other_boots_since(&known, asking->boot_id, &since))
        (void)bw_gate_wait(&eval->list, BW_GATE_ID_RELEASE_WAIT, -1, since,
                           bw_expiry_wait_ns(&eval->group->terms), eval->now,
                           "another boot may hold it");
    command->kind = BW_COMMAND_BOOT;
    command->boot_id = asking->boot_id;
    eval->out->from = asking;
    return true;
}

static bool serves_after_lease(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    return contact->report.service == BW_SERVICE_STARTED &&
           bw_eval_is_of_epoch(eval, &contact->report) && bw_eval_look_lacks_ns(eval, contact) == 0;
}

static bool decide_fence_failed(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const char *word = NULL;

    if (eval->group->held)
        return false;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (!contact->used)
            continue;
        if (contact->report.fence_failed && contact->report.fence_epoch == eval->group->epoch)
            word = "its fence failed";
        else if (serves_after_lease(eval, contact))
            word = "the service runs after the lease";
    }
    if (word == NULL)
        return false;
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_FENCE_FAILED, -1, true, word);
    command->kind = BW_COMMAND_FENCE_FAILED;
    return true;
}

/* The witnesses know of other scripts than these. An agent's last session, which is heard for a
 * while after its end, speaks of those that lay there before; who alone speaks for the site, and is
 * heard both ways, of those that it has started (3.4). 0: a state of an older release. */
static bool is_of_other_scripts(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const uint64_t committed = eval->group->sight.digest;

    return committed != 0 && committed != contact->report.sight.digest &&
           contact != bw_eval_connected_holder(eval);
}

/* What the holder's instance says, fresh, of where it has seen its service in this epoch. Of several
 * sessions the one that says `outside` counts. */
static const struct bw_contact *reach_seen_by(const struct bw_evaluation *eval)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const struct bw_contact *seen = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];
        const struct bw_reach_sight *sight = &contact->report.sight;

        if (!contact->used || !bw_id_equal(contact->instance, eval->group->holder_instance) ||
            sight->seen == BW_REACH_UNSEEN || sight->epoch != eval->group->epoch ||
            fresh_left_ns(eval, contact) == 0)
            continue;
        /* Outside is the safe word; inside is that of the boot whose service it is. */
        if (sight->seen == BW_REACH_INSIDE && !bw_ways_may_renew(eval->group, contact->boot_id))
            continue;
        if (sight->seen == BW_REACH_INSIDE && is_of_other_scripts(eval, contact))
            continue;
        if (seen == NULL || seen->report.sight.seen != BW_REACH_OUTSIDE)
            seen = contact;
    }
    return seen;
}

/* A fact that the end of the epoch rests on outlives the leader that heard it (3.4). */
static bool decide_reach(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_contact *contact = reach_seen_by(eval);

    if (contact == NULL)
        return false;
    command->kind = BW_COMMAND_REACH;
    command->instance = eval->group->holder_instance;
    command->sight = contact->report.sight;
    if (bw_group_match(eval->group, command) == NULL)
        return false; /* it is committed */
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_REACH_SEEN, -1, true,
                        bw_reach_seen_word(contact->report.sight.seen));
    return true;
}

/* A fresh report of the holder's site, by whichever agent, that does not say stopped (3.3). When it
 * gets stale matters only once the wait is over. */
static bool judge_contradiction(struct bw_evaluation *eval, bool is_wait_over)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    const char *word = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];
        const uint64_t left_ns = bw_eval_contradicts_ns(eval, contact);

        if (left_ns == 0)
            continue;
        word = bw_service_word(contact->report.service);
        if (is_wait_over)
            bw_gate_wake(&eval->list, left_ns);
    }
    return bw_gate_plain(&eval->list, BW_GATE_ID_CONTRADICTION, -1, word == NULL, word);
}

static bool judge_lapse(struct bw_evaluation *eval)
{
    struct bw_expiry_base base = bw_eval_holder_base(eval);
    bool is_over = bw_gate_wait(&eval->list, BW_GATE_ID_LAPSE, -1, bw_expiry_counted_from(&base),
                                bw_expiry_wait_ns(&eval->group->terms), eval->now, NULL);

    return bw_gate_plain(&eval->list, BW_GATE_ID_HELD, -1, !eval->group->held, NULL) && is_over;
}

/* It ended the service as it was told to, only not in order, and did not give back in time. */
static bool is_stop_failed(const struct bw_evaluation *eval)
{
    const struct bw_contact *contact = bw_eval_connected_holder(eval);

    return contact != NULL && (contact->report.alarms & 1u << BW_ALARM_STOP_FAILED) != 0 &&
           contact->report.has_fence_or_stop_succeeded &&
           contact->report.stop_begun_epoch == eval->group->epoch;
}

/* A site that is heard, or has said that its fence failed, was not lost: only its lease was. */
static enum bw_reason lapse_reason(const struct bw_evaluation *eval)
{
    if (bw_eval_was_never_started(eval))
        return BW_REASON_NEVER_STARTED;
    if (is_stop_failed(eval))
        return BW_REASON_STOP_FAILED;
    return eval->group->held || bw_eval_connected_holder(eval) != NULL ? BW_REASON_LEASE_LOST
                                                               : BW_REASON_SITE_LOST;
}

/* What was seen from another site is known better than what time or a person says (3.3). */
static bool decide_fenced(struct bw_evaluation *eval, struct bw_command *command)
{
    if (!bw_decide_fenced(eval, command))
        return false;
    command->reason = lapse_reason(eval);
    return true;
}

static bool decide_expired(struct bw_evaluation *eval, struct bw_command *command)
{
    bool is_wait_over = judge_lapse(eval);

    bw_eval_judge_end_reach(eval);
    (void)judge_contradiction(eval, is_wait_over);
    BW_ASSERT(is_wait_over || bw_eval_holds(eval)); /* I1: nothing else ends a lease that may live */
    command->kind = BW_COMMAND_EXPIRED;
    command->reason = lapse_reason(eval);
    command->past_no_return = command->reason != BW_REASON_NEVER_STARTED ||
                              bw_policy_is_vouched(eval->group, eval->watch);
    command->silent_ms = bw_eval_silent_ms(eval);
    return true;
}

/* Where time alone is not enough, the epoch is closed: no leader confirms it any more, and a fence
 * or a person may end it (3.1). Closing takes nothing from a holder whose lease is over. */
static bool decide_close(struct bw_evaluation *eval, struct bw_command *command)
{
    if (bw_eval_end_reach_missing(eval) == NULL)
        return false;
    (void)judge_lapse(eval);
    command->kind = BW_COMMAND_CLOSE;
    command->reason = lapse_reason(eval);
    return true;
}

static bool has_begun_stop(const struct bw_group *group, const struct bw_contact *contact)
{
    return contact->report.stop_begun_epoch == group->epoch;
}

/* A stop that has begun is finished (3.6), and who cannot be asked may have begun it. */
static bool decide_unrevoke(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_contact *contact = bw_eval_connected_holder(eval);

    (void)bw_gate_wait(&eval->list, BW_GATE_ID_SWITCHOVER_TIMEOUT, -1, eval->watch->phase_applied,
                       bw_eval_move_timeout_ns(eval), eval->now, NULL);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_STOP_NOT_BEGUN, -1,
                        contact != NULL && !has_begun_stop(eval->group, contact),
                        contact == NULL ? "it is not connected" : NULL);
    command->kind = BW_COMMAND_UNREVOKE;
    return true;
}

bool bw_arbiter_may_give_up(const struct bw_group *group, const struct bw_watch *watch,
                            struct bw_instant now)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch, .now = now};
    const struct bw_contact *contact = bw_eval_connected_holder(&eval);

    BW_ASSERT(group->phase == BW_PHASE_REVOKING);
    return contact != NULL && !has_begun_stop(group, contact);
}

bool bw_arbiter_may_be_stopping(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch, .now = now};
    const struct bw_contact *contact;

    if (!bw_phase_is_renewed(group->phase))
        return false;
    if (group->phase == BW_PHASE_REVOKING)
        return !bw_arbiter_may_give_up(group, watch, now);
    contact = bw_eval_connected_holder(&eval);
    return contact != NULL && has_begun_stop(group, contact);
}

bool bw_arbiter_is_arriving(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now)
{
    const struct bw_evaluation eval = {.group = group, .watch = watch, .now = now};
    const struct bw_instant end = bw_instant_add(watch->phase_applied, bw_eval_move_timeout_ns(&eval));
    const struct bw_contact *contact;

    if (bw_instant_wait_is_over(now, end))
        return false;
    if (group->phase == BW_PHASE_VACANT)
        return !group->first_grant && group->target[0] != '\0' && group->spec.mode != BW_MODE_PAUSED;
    if (group->phase != BW_PHASE_GRANTED || !bw_group_history_at(group, 0)->planned)
        return false;
    contact = bw_eval_connected_holder(&eval);
    return contact != NULL && !contact->report.serving_epoch_started;
}

/* ---- while an epoch is open ---- */

static bool decide_adopted(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_site_reports *reports = bw_eval_holder_reports(eval);
    bool is_armed = false;

    if (!eval->group->adopting)
        return false;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && bw_id_equal(contact->instance, eval->group->holder_instance) &&
            contact->report.armed_epoch == eval->group->epoch)
            is_armed = true;
    }
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_ARMED, -1, is_armed, NULL);
    command->kind = BW_COMMAND_ADOPTED;
    return true;
}

/* The target is ready before anything is taken from the holder (3.6). */
static bool decide_switchover(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_wish *wish = &eval->watch->wish;
    int target = bw_spec_find_site(&eval->group->spec, wish->to);
    bool is_eligible = false;

    if (bw_policy_wish(eval->group, eval->watch, eval->now) != BW_WISH_SWITCHOVER)
        return false;
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_WISH, -1, true, NULL);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MODE, -1, eval->group->spec.mode != BW_MODE_PAUSED,
                        bw_mode_shown(eval->group->spec.mode));
    bw_policy_judge_asked_holder(bw_eval_connected_holder(eval), &eval->list);
    if (target >= 0 && target != bw_eval_holder_index(eval))
        is_eligible = bw_eval_judge(eval, target, BW_ROLE_TARGET).eligible;
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, is_eligible, BW_UNIT_SITE, target,
                        -1, NULL);
    bw_eval_complete_revoke(eval, target, BW_REASON_SWITCHOVER, command);
    memcpy(command->by, wish->by, sizeof(command->by));
    memcpy(command->text, wish->text, sizeof(command->text));
    return true;
}

#define FAILBACK_WAIT_MAX_NS (24 * 3600 * BW_NS_PER_S)

/* A move that ended where it had begun: its origin is granted again, its target never was (3.6). */
static bool has_come_back(const struct bw_history_entry *entry)
{
    return entry->planned && strcmp(entry->site, entry->previous_site) == 0;
}

/* How long a site waits for another failback after those, one after the other, whose start failed there; 0: the newest
 * came to serve, or there was none. Each of them was an outage, and what made it fail may well be there still. So was a
 * move that came back, wherever it was to go: the history does not say. */
static uint64_t failed_failback_wait_ns(const struct bw_group *group, const char *site)
{
    uint64_t wait_ns = 0;

    for (uint32_t number = 0; number < group->history_count && wait_ns < FAILBACK_WAIT_MAX_NS; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);
        const bool is_there = strcmp(entry->site, site) == 0;

        if (!is_there && !has_come_back(entry))
            continue;
        if (is_there &&
            (entry->why_granted != BW_REASON_FAILBACK || !bw_reason_is_failed_start(entry->why_ended)))
            break;
        wait_ns = wait_ns == 0 ? 2 * bw_ms_to_ns(group->spec.failback_ms) : 2 * wait_ns;
    }
    return wait_ns < FAILBACK_WAIT_MAX_NS ? wait_ns : FAILBACK_WAIT_MAX_NS;
}

/* The best site of higher priority than the holder's that may be granted and has been connected for
 * the whole time that failback asks for; -1: none. */
static int preferred_site(struct bw_evaluation *eval, uint64_t after_ns)
{
    const struct bw_spec *spec = &eval->group->spec;
    int best = -1;

    for (int site = 0; site < (int)spec->site_count; site++) {
        const uint64_t wait_ns = failed_failback_wait_ns(eval->group, spec->sites[site].name);
        bool is_eligible;

        if (spec->sites[site].priority <= spec->sites[bw_eval_holder_index(eval)].priority)
            continue;
        is_eligible = bw_eval_judge(eval, site, BW_ROLE_TARGET).eligible;
        is_eligible &= bw_gate_wait(&eval->list, BW_GATE_ID_FAILBACK, site,
                                    eval->watch->connected_since[site], after_ns, eval->now,
                                    "connected");
        if (wait_ns > 0)
            is_eligible &= bw_gate_wait(&eval->list, BW_GATE_ID_BACKOFF, site, eval->watch->phase_applied,
                                        wait_ns, eval->now, "for each failback that failed");
        if (is_eligible && (best < 0 || spec->sites[site].priority > spec->sites[best].priority))
            best = site;
    }
    return best;
}

static bool decide_failback(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_spec *spec = &eval->group->spec;
    uint64_t after_ns = bw_ms_to_ns(spec->failback_ms);
    int target;

    if (spec->failback_ms == 0)
        return false;
    bw_eval_judge_quiet(eval);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MODE, -1, spec->mode == BW_MODE_AUTO,
                        bw_mode_shown(spec->mode));
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_FAILBACK, -1, eval->watch->phase_applied, after_ns,
                       eval->now, NULL);
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_MIN_PRIMARY_TIME, -1, eval->watch->grant_applied,
                       bw_ms_to_ns(spec->min_primary_time_ms), eval->now, NULL);
    bw_policy_judge_holder(bw_eval_connected_holder(eval), &eval->list);
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MAINTENANCE, -1,
                        !bw_eval_is_maintained(eval, bw_eval_holder_index(eval)), NULL);
    target = preferred_site(eval, after_ns);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_PREFERRED, -1, target >= 0, BW_UNIT_SITE, target,
                        -1, NULL);
    bw_eval_complete_revoke(eval, target, BW_REASON_FAILBACK, command);
    return true;
}

/* ---- maintenance ---- */

/* Design 3.9: maintenance always has an end, and what the orders say of it comes from committed state.
 * `site` -1: the group's. */
static bool is_maintenance_over(struct bw_evaluation *eval, int site)
{
    const struct bw_watch *watch = eval->watch;
    uint64_t duration_ms = site < 0 ? eval->group->group_maintenance_ms
                                    : eval->group->maintenance_ms[site];
    struct bw_instant since = site < 0 ? watch->group_maintenance_applied
                                       : watch->maintenance_applied[site];
    uint64_t left_ns = bw_instant_wait_left_ns(eval->now,
                                               bw_instant_add(since, bw_ms_to_ns(duration_ms)));

    if (duration_ms == 0)
        return false;
    bw_gate_wake(&eval->list, left_ns);
    return left_ns == 0;
}

static bool decide_maintenance_over(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_spec *spec = &eval->group->spec;

    command->kind = BW_COMMAND_MAINTENANCE; /* of duration 0 */
    for (int site = -1; site < (int)spec->site_count; site++) {
        if (!is_maintenance_over(eval, site))
            continue;
        (void)bw_gate_plain(&eval->list, site < 0 ? BW_GATE_ID_GROUP_MAINTENANCE
                                                  : BW_GATE_ID_MAINTENANCE, site, true, "over");
        if (site >= 0)
            memcpy(command->site, spec->sites[site].name, sizeof(command->site));
        return true;
    }
    return false;
}

/* ---- the point of no return ---- */

/* The point of no return of the holder's start, on the witnesses' side: Passed (4, data safety). */

static bool asks(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_instant stale = bw_instant_add(contact->received,
                                                   bw_policy_freshness_ns(eval->group));

    return contact->used && contact->report.asks_to_pass == eval->group->epoch &&
           bw_id_equal(contact->instance, eval->group->holder_instance) &&
           bw_ways_may_renew(eval->group, contact->boot_id) &&
           !bw_instant_right_is_over(eval->now, stale);
}

/* Whether it may begin what lies behind its point of no return (arbiter.c). From the moment in which it is committed the data of the holder's site counts as the newest,
 * whatever becomes of it: so the holder begins nothing behind that point before. */
static bool decide_passed(struct bw_evaluation *eval, struct bw_command *command)
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
