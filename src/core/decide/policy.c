/* policy.c - who is a candidate, in which order, and what damps it. Design 3.6, 3.9, 4. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/script_failure.h>

#include "claims.h"
#include "policy.h"

#define BACKOFF_MAX_MS 600000

/* One site being judged. */
struct judgement {
    const struct bw_group *group;
    const struct bw_watch *watch;
    const struct bw_leadership *leadership;
    const struct bw_contact *contact;
    struct bw_instant now;
    int site;
    enum bw_role role;
    bool passes;
    struct bw_gate_list list;
};

static const char *several_word(const struct judgement *judgement);
static void judge_declared(struct judgement *judgement);
static void judge_claim(struct judgement *judgement);
static void judge_silence(struct judgement *judgement);
static void judge_report(struct judgement *judgement);
static void judge_scripts(struct judgement *judgement);
static void judge_rejoin(struct judgement *judgement);
static void judge_service(struct judgement *judgement);
static void judge_maintenance(struct judgement *judgement);
static void judge_rate(struct judgement *judgement);
static void judge_fence(struct judgement *judgement);
static void judge_readiness(struct judgement *judgement);
static void judge_lag(struct judgement *judgement);

static bool has_hold(const struct bw_candidacy *candidacy)
{
    for (uint32_t i = 0; i < candidacy->gate_count; i++)
        if (candidacy->gates[i].verdict == BW_GATE_HOLD)
            return true;
    return false;
}

void bw_policy_judge_as(const struct bw_group *group, const struct bw_watch *watch,
                        const struct bw_leadership *leadership, int site, enum bw_role role,
                        struct bw_instant now, struct bw_candidacy *out_candidacy)
{
    bool has_several = false;
    struct judgement judgement = {
        .group = group,
        .watch = watch,
        .leadership = leadership,
        .now = now,
        .site = site,
        .role = role,
        .passes = true,
        .list = {.gates = out_candidacy->gates,
                 .count = &out_candidacy->gate_count,
                 .max = BW_CANDIDACY_GATES_MAX,
                 .wake_in_ns = &out_candidacy->wake_in_ns,
                 .age_ms = UINT32_MAX},
    };

    BW_ASSERT(site >= 0 && site < (int)group->spec.site_count);
    out_candidacy->gate_count = 0;
    out_candidacy->wake_in_ns = UINT64_MAX;
    judgement.contact = bw_policy_fresh(group, watch, site, now, &has_several);

    judge_declared(&judgement);
    judge_claim(&judgement);
    judge_maintenance(&judgement);
    judgement.passes &= bw_gate_plain(&judgement.list, BW_GATE_ID_INSTANCES, site, !has_several,
                                      has_several ? several_word(&judgement) : NULL);
    if (judgement.contact != NULL)
        judge_report(&judgement);
    else if (!has_several)
        judge_silence(&judgement);
    out_candidacy->eligible = judgement.passes && judgement.contact != NULL;
    BW_ASSERT(out_candidacy->eligible == !has_hold(out_candidacy)); /* 4: what is shown is what decides */
}

/* Who speaks beside an agent where that is no agent; NULL: agents alone. */
static const char *several_word(const struct judgement *judgement)
{
    const struct bw_site_reports *reports = &judgement->watch->reports[judgement->site];
    const uint64_t freshness_ns = bw_policy_freshness_of_ns(judgement->group, judgement->site);

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && bw_contact_is_second(contact) &&
            !bw_instant_right_is_over(judgement->now, bw_instant_add(contact->received, freshness_ns)))
            return "its second enforcer reports, too: it has not confirmed the end of what it fences; connect it to its "
                   "agent and to the API of the service";
    }
    return NULL;
}

/* Whom a person has started is the only one left, whatever the spec says of it (3.8). */
static void judge_declared(struct judgement *judgement)
{
    if (judgement->role == BW_ROLE_OVERRIDER)
        return;
    judgement->passes &= bw_gate_plain(
        &judgement->list, BW_GATE_ID_DECLARED, judgement->site,
        !judgement->group->spec.sites[judgement->site].never_candidate, NULL);
}

/* 3.8: beside the claim of another site, or of another agent of this one, nobody is granted. */
static void judge_claim(struct judgement *judgement)
{
    const struct bw_contact *contact = judgement->contact;
    struct bw_claimed claimed;

    if (!(contact != NULL ? bw_claims_find_other(judgement->group, judgement->watch, judgement->site, contact->instance,
                                                 &claimed)
                          : bw_claims_find_any(judgement->group, judgement->watch, &claimed)))
        return;
    judgement->passes &= bw_gate_value(&judgement->list, bw_claims_gate(&claimed), judgement->site, false, BW_UNIT_SITE, claimed.index, -1,
                                       bw_claims_word(&claimed));
}

/* No report of it is current. */
static void judge_silence(struct judgement *judgement)
{
    const struct bw_contact *newest = bw_site_reports_newest(&judgement->watch->reports[judgement->site]);
    const uint64_t limit_ns = bw_policy_freshness_of_ns(judgement->group, judgement->site);

    judgement->passes = false;
    if (newest == NULL)
        (void)bw_gate_plain(&judgement->list, BW_GATE_ID_CONNECTED, judgement->site, false, NULL);
    else
        (void)bw_gate_value(&judgement->list, BW_GATE_ID_CONNECTED, judgement->site, false, BW_UNIT_MS,
                            (int64_t)bw_ns_to_ms(bw_instant_elapsed_ns(judgement->now, newest->received)),
                            (int64_t)bw_ns_to_ms(limit_ns), NULL);
}

/* UINT32_MAX is unknown. */
static uint32_t age_ms_of(struct bw_instant now, struct bw_instant at)
{
    const uint64_t age_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, at));

    return age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX - 1;
}

static void judge_report(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    struct bw_gate_list *list = &judgement->list;
    int site = judgement->site;

    list->age_ms = age_ms_of(judgement->now, judgement->contact->received);
    (void)bw_gate_plain(list, BW_GATE_ID_CONNECTED, site, true, NULL);
    judgement->passes &= bw_gate_plain(
        list, BW_GATE_ID_TWO_WAY, site,
        bw_policy_connected(judgement->group, judgement->watch, site, judgement->now) != NULL,
        NULL);
    judgement->passes &= bw_gate_plain(list, BW_GATE_ID_GUARD, site, report->guard_alive, NULL);
    if (report->guard_busy) /* it would refuse to arm another epoch */
        judgement->passes &= bw_gate_plain(list, BW_GATE_ID_BUSY, site, false, NULL);
    judge_scripts(judgement);
    judge_rejoin(judgement);
    judge_service(judgement);
    judge_rate(judgement);
    judge_fence(judgement);
    judge_readiness(judgement);
    judge_lag(judgement);
}

/* What cannot be run would be found when it is needed, with the service down (4). Who serves already needs no start. */
static void judge_scripts(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    const struct bw_script_failure *failure = bw_failures_find_unrunnable(report->failures, report->failure_count);

    if (failure == NULL)
        return;
    if (judgement->role == BW_ROLE_ADOPTER || judgement->role == BW_ROLE_OVERRIDER) {
        bw_gate_note(&judgement->list, BW_GATE_ID_SCRIPTS, judgement->site, failure->outcome.words);
        return;
    }
    judgement->passes &= bw_gate_plain(&judgement->list, BW_GATE_ID_SCRIPTS, judgement->site, false,
                                       failure->outcome.words);
}

/* The newest epoch that was verified serving; none for the site whose data that is. */
static uint64_t wanted_after_loss(const struct bw_group *group, const struct bw_watch *watch,
                                  int site)
{
    return bw_policy_has_newest_data(group, watch, site) ? 0 : watch->verified_epoch;
}

/* The epoch behind which the data of a candidate must stand (4): while a site holds one, or has given
 * it back for a planned move, that one; after a loss the newest that was heard verified serving,
 * since what never served left nothing to follow. Who served last follows nobody. */
static uint64_t wanted_epoch(const struct judgement *judgement)
{
    const struct bw_group *group = judgement->group;

    switch (judgement->role) {
    case BW_ROLE_ADOPTER:
    case BW_ROLE_OVERRIDER:
    case BW_ROLE_ORIGIN:
        return 0;
    case BW_ROLE_TARGET:
    case BW_ROLE_ARRIVING:
        return group->epoch;
    case BW_ROLE_UNPLANNED:
    case BW_ROLE_ASKED:
        break;
    }
    if (bw_phase_is_renewed(group->phase))
        return group->epoch; /* nothing is granted now: what status says fits a switchover */
    return wanted_after_loss(group, judgement->watch, judgement->site);
}

/* A person asked for this very site. */
static bool is_named(const struct judgement *judgement)
{
    return strcmp(judgement->watch->wish.to, judgement->group->spec.sites[judgement->site].name) ==
           0;
}

/* Whom it would follow may be lost for good. Then the site is a person's choice, by its name, with all
 * that was written since. */
static bool is_taken_as_it_is(const struct judgement *judgement)
{
    return judgement->role == BW_ROLE_ASKED && judgement->watch->wish.accept_data_loss &&
           is_named(judgement);
}

/* Ineligible until its rejoin has ended (4). A report may be older than the news that another site
 * serves, so its "no rejoin" counts only together with the epoch that its data goes with. */
static void judge_rejoin(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    bool is_owed = report->joined_epoch < wanted_epoch(judgement);
    bool is_due = report->rejoining || is_owed;

    if (is_due && judgement->role == BW_ROLE_OVERRIDER) {
        bw_gate_note(&judgement->list, BW_GATE_ID_REJOINING, judgement->site,
                     "an operator started it as it is (override)");
        return;
    }
    if (is_due && is_taken_as_it_is(judgement)) {
        bw_gate_note(&judgement->list, BW_GATE_ID_REJOINING, judgement->site,
                     "an operator accepts its data as it is");
        return;
    }
    judgement->passes &= bw_gate_plain(&judgement->list, BW_GATE_ID_REJOINING, judgement->site,
                                       !is_due,
                                       is_owed ? "its data does not follow the newest epoch yet"
                                               : NULL);
}

bool bw_policy_owes_rejoin(const struct bw_group *group, const struct bw_watch *watch, int site)
{
    const struct bw_contact *contact;

    BW_ASSERT(site >= 0 && site < (int)group->spec.site_count);
    contact = bw_site_reports_newest(&watch->reports[site]);
    return contact != NULL &&
           (contact->report.rejoining ||
            contact->report.joined_epoch < wanted_after_loss(group, watch, site));
}

/* A check that fails says neither yes nor no: enough where a person names the site, or where it has the
 * group already, and not for what happens by itself (4). */
static bool is_condition_met(const struct judgement *judgement)
{
    switch (judgement->contact->report.condition) {
    case BW_CONDITION_STOP:
        return false;
    case BW_CONDITION_FAILED:
        return judgement->role != BW_ROLE_UNPLANNED &&
               (judgement->role != BW_ROLE_ASKED || is_named(judgement));
    case BW_CONDITION_NONE:
    case BW_CONDITION_START:
        break;
    }
    return true;
}

/* What was seen is as old as the look, which may be much older than the report that passes it on. */
static uint32_t look_age_ms(const struct judgement *judgement)
{
    const uint64_t age_ms = (uint64_t)judgement->list.age_ms + judgement->contact->report.service_age_ms;

    return age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
}

/* Unknown never starts anything: a candidate says `stopped`, an adopter `started` (design 4). */
static void judge_service(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    enum bw_service wanted = judgement->role == BW_ROLE_ADOPTER ? BW_SERVICE_STARTED
                                                                : BW_SERVICE_STOPPED;
    bool is_wanted = judgement->role == BW_ROLE_OVERRIDER ? report->service != BW_SERVICE_UNKNOWN
                                                          : report->service == wanted;

    const uint32_t report_age_ms = judgement->list.age_ms;

    judgement->list.age_ms = look_age_ms(judgement);
    judgement->passes &= bw_gate_plain(&judgement->list,
                                       report->service == BW_SERVICE_UNKNOWN ? BW_GATE_ID_SERVICE_UNKNOWN
                                                                             : BW_GATE_ID_SERVICE,
                                       judgement->site, is_wanted, bw_service_word(report->service));
    judgement->list.age_ms = report_age_ms;
    judgement->passes &= bw_gate_plain(
        &judgement->list, BW_GATE_ID_CONDITION, judgement->site, is_condition_met(judgement),
        report->condition == BW_CONDITION_NONE     ? "none is configured, or it has not run yet"
        : report->condition == BW_CONDITION_FAILED ? "condition_check_script fails, or has not run yet"
                                                   : NULL);
}

/* The origin of a switchover held the group when the move began: maintenance does not take from it
 * what it would have kept as the holder (3.6, 3.9). */
static void judge_maintenance(struct judgement *judgement)
{
    uint64_t duration_ms = judgement->group->maintenance_ms[judgement->site];

    if (duration_ms == 0)
        return;
    if (judgement->role == BW_ROLE_ORIGIN || judgement->role == BW_ROLE_OVERRIDER) {
        bw_gate_note(&judgement->list, BW_GATE_ID_MAINTENANCE, judgement->site,
                     judgement->role == BW_ROLE_ORIGIN ? "it was primary when the switchover began"
                                                       : "an operator started it (override)");
        return;
    }
    judgement->passes &= bw_gate_wait(&judgement->list, BW_GATE_ID_MAINTENANCE, judgement->site,
                                      judgement->watch->maintenance_applied[judgement->site],
                                      bw_ms_to_ns(duration_ms), judgement->now, NULL);
}

/* Clocks that are slow beyond what the wait for an end allows for would let a lease outlive it (3.8).
 * Fast ones end a lease early: shown, and no reason to leave a group without a site. The bound is the
 * spec's, which is what the next epoch is granted with. */
static void judge_rate(struct judgement *judgement)
{
    const struct bw_rate_bounds *bounds = &judgement->watch->rates[judgement->site].bounds;
    uint32_t drift_ppm = judgement->group->spec.max_clock_drift_ppm;
    enum bw_rate_verdict verdict = bw_rate_judge(bounds, drift_ppm);

    if (verdict == BW_RATE_UNKNOWN) {
        bw_gate_note(&judgement->list, BW_GATE_ID_CLOCK_RATE, judgement->site,
                     "not measured for long enough");
        return;
    }
    judgement->passes &= bw_gate_value(&judgement->list, BW_GATE_ID_CLOCK_RATE, judgement->site,
                                       verdict != BW_RATE_SLOW, BW_UNIT_PPM, bounds->upper_ppm,
                                       bw_rate_slow_limit_ppm(drift_ppm), bw_rate_word(verdict));
}

/* 3.2.4: only what was measured says that a fence does not fit. A limit that is longer is cut to the
 * instant of TERM, or, outside of the reach, to D, which is worth showing. */
static void judge_fence_time(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    const struct bw_spec *spec = &judgement->group->spec;
    const uint64_t most_ms = (uint64_t)spec->fence_timeout_ms + spec->margin_ms;
    const bool is_inside = bw_report_is_inside(report);
    const bool is_cut = bw_lease_cuts_script(spec->fence_timeout_ms, report->fence_bound_ms, is_inside);
    const char *cut = is_inside ? "its limit is cut to the TERM" : "its limit is cut to the deadline";
    const char *cut_unmeasured = is_inside ? "none measured yet, its limit is cut to the TERM"
                                           : "none measured yet, its limit is cut to the deadline";
    const char *unmeasured = is_cut ? cut_unmeasured : "none measured yet";
    const char *word = report->fence_took_ms == 0 ? unmeasured : is_cut ? cut : NULL;

    judgement->passes &= bw_gate_value(&judgement->list, BW_GATE_ID_FENCE_BOUND, judgement->site,
                                       report->fence_took_ms <= most_ms, BW_UNIT_MS,
                                       report->fence_took_ms, (int64_t)most_ms, word);
}

static void judge_fence(struct judgement *judgement)
{
    const uint32_t forbidding = 1u << BW_ALARM_FENCE_TOO_SLOW | 1u << BW_ALARM_STATE_NOT_DURABLE;
    const struct bw_report *report = &judgement->contact->report;
    const char *alarm = NULL;

    judgement->passes &= bw_gate_plain(&judgement->list, BW_GATE_ID_REACH, judgement->site,
                                       report->reach != BW_REACH_NONE && report->reach_works,
                                       bw_reach_word(report->reach));
    judge_fence_time(judgement);
    if (report->fence_failed)
        alarm = "its last fence failed";
    else if ((report->alarms & forbidding) != 0)
        alarm = (report->alarms & 1u << BW_ALARM_FENCE_TOO_SLOW) != 0
                    ? bw_alarm_word(BW_ALARM_FENCE_TOO_SLOW)
                    : bw_alarm_word(BW_ALARM_STATE_NOT_DURABLE);
    judgement->passes &= bw_gate_plain(&judgement->list, BW_GATE_ID_SITE_ALARM, judgement->site,
                                       alarm == NULL, alarm);
}

/* How well it follows is no question for the site whose data is the newest, nor for one that
 * serves. */
static void judge_readiness(struct judgement *judgement)
{
    const struct bw_report *report = &judgement->contact->report;
    bool is_planned = judgement->role == BW_ROLE_TARGET || judgement->role == BW_ROLE_ARRIVING;
    uint64_t age_ms = (uint64_t)judgement->list.age_ms + report->ready_age_ms;
    uint64_t age_max_ms = BW_POLICY_AGE_CHECKS * (uint64_t)report->check_interval_ms +
                          bw_ns_to_ms(bw_policy_freshness_ns(judgement->group));

    if (judgement->role == BW_ROLE_ADOPTER)
        return;
    if (bw_policy_has_newest_data(judgement->group, judgement->watch, judgement->site) && !is_planned) {
        bw_gate_note(&judgement->list, BW_GATE_ID_READY, judgement->site, "its data is the newest");
        return;
    }
    if (bw_policy_has_forgotten(judgement->group, judgement->watch, judgement->site) && is_taken_as_it_is(judgement)) {
        bw_gate_note(&judgement->list, BW_GATE_ID_READY, judgement->site, "an operator accepts its data as it is");
        return;
    }
    if (!report->has_readiness) {
        judgement->passes &= bw_gate_plain(
            &judgement->list, BW_GATE_ID_READY, judgement->site,
            !is_planned || !bw_policy_has_readiness(judgement->group, judgement->watch),
            "no readiness_script");
        return;
    }
    if (report->ready_age_ms == UINT32_MAX)
        judgement->passes &= bw_gate_plain(&judgement->list, BW_GATE_ID_READINESS_UNKNOWN, judgement->site,
                                           false, NULL);
    else
        judgement->passes &= bw_gate_value(
            &judgement->list, BW_GATE_ID_READY, judgement->site,
            report->ready && age_ms <= age_max_ms, BW_UNIT_MS, (int64_t)age_ms,
            (int64_t)age_max_ms, report->ready ? "ready" : "not ready");
    if (judgement->role == BW_ROLE_ARRIVING)
        judgement->passes &= bw_gate_value(
            &judgement->list, BW_GATE_ID_PREPARED, judgement->site,
            report->prepared_index >= judgement->group->changed_index, BW_UNIT_COUNT,
            (int64_t)report->prepared_index, (int64_t)judgement->group->changed_index, NULL);
}

static void judge_lag(struct judgement *judgement)
{
    const struct bw_group *group = judgement->group;
    struct bw_gate_list list = judgement->list;
    bool is_accepted = group->spec.on_lag == BW_ON_LAG_ALLOW ||
                       (judgement->role == BW_ROLE_ASKED &&
                        judgement->watch->wish.accept_data_loss);
    struct bw_loss loss;
    bool passes = true;

    if (judgement->role != BW_ROLE_UNPLANNED && judgement->role != BW_ROLE_ASKED &&
        judgement->role != BW_ROLE_ORIGIN)
        return;
    bw_policy_loss(group, judgement->watch, judgement->leadership, judgement->site, &loss);
    switch (loss.kind) {
    case BW_LOSS_NOBODYS:
        bw_gate_note(&list, BW_GATE_ID_LAG, judgement->site, "no site has served yet");
        break;
    case BW_LOSS_NONE:
        bw_gate_note(&list, BW_GATE_ID_LAG, judgement->site, "its data is the newest");
        break;
    case BW_LOSS_AT_MOST:
        list.age_ms = UINT32_MAX;
        passes = bw_gate_value(&list, BW_GATE_ID_LAG, judgement->site,
                               is_accepted || loss.ms <= group->spec.max_lag_ms, BW_UNIT_MS,
                               (int64_t)loss.ms, group->spec.max_lag_ms,
                               is_accepted ? "accepted; at most what was written since the last grant"
                                           : "at most what was written since the last grant");
        break;
    case BW_LOSS_UNKNOWN:
        list.age_ms = UINT32_MAX;
        passes = bw_gate_plain(&list, BW_GATE_ID_LAG_UNKNOWN, judgement->site, is_accepted, loss.unknown);
        break;
    case BW_LOSS_MEASURED:
        list.age_ms = age_ms_of(judgement->now, loss.measured);
        passes = bw_gate_value(&list, BW_GATE_ID_LAG, judgement->site,
                               is_accepted || loss.ms <= group->spec.max_lag_ms, BW_UNIT_MS,
                               (int64_t)loss.ms, group->spec.max_lag_ms,
                               is_accepted ? "accepted" : NULL);
        break;
    }
    judgement->passes &= passes;
}

/* ---- what is asked of reports ---- */

const struct bw_contact *bw_policy_connected(const struct bw_group *group,
                                             const struct bw_watch *watch, int site,
                                             struct bw_instant now)
{
    const uint64_t freshness_ns = bw_policy_freshness_of_ns(group, site);
    bool has_several = false;
    const struct bw_contact *contact;

    BW_ASSERT(site >= 0 && site < (int)group->spec.site_count);
    contact = bw_policy_fresh(group, watch, site, now, &has_several);
    return contact != NULL && !has_several && bw_contact_is_two_way(contact, now, freshness_ns)
               ? contact
               : NULL;
}

enum bw_holder_answer bw_policy_answer(const struct bw_group *group, const struct bw_site_reports *reports,
                                       struct bw_instant now, bool counts_overrides, uint64_t *out_fresh_left_ns)
{
    const uint64_t freshness_ns = bw_policy_longer_freshness_ns(group);
    enum bw_holder_answer answer = BW_HOLDER_SILENT;

    *out_fresh_left_ns = 0;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];
        const uint64_t left_ns = bw_instant_wait_left_ns(now, bw_instant_add(contact->received, freshness_ns));

        if (!contact->used || left_ns == 0)
            continue;
        if (left_ns > *out_fresh_left_ns)
            *out_fresh_left_ns = left_ns;
        if (contact->report.service == BW_SERVICE_STARTED &&
            (counts_overrides || contact->report.override == BW_OVERRIDE_NONE ||
             contact->report.override == BW_OVERRIDE_WAITING))
            answer = BW_HOLDER_STARTED;
        else if (answer == BW_HOLDER_SILENT)
            answer = BW_HOLDER_ANSWERS;
    }
    BW_ASSERT((answer == BW_HOLDER_SILENT) == (*out_fresh_left_ns == 0));
    return answer;
}

/* The end of the holder's service could be seen: its status is known, or its reach is proved (3.2.4). Else it would be
 * stopped, not be seen to be, and hold its epoch. */
static bool is_stop_seen(const struct bw_contact *holder)
{
    const struct bw_report *report = &holder->report;

    return report->service != BW_SERVICE_UNKNOWN ||
           (report->sight.seen == BW_REACH_INSIDE && report->sight.proved);
}

/* 3.4: behind a look that hangs nothing is seen, nor what a kill of the reach has ended. */
void bw_policy_judge_asked_holder(const struct bw_contact *holder, struct bw_gate_list *list)
{
    (void)bw_gate_plain(list, BW_GATE_ID_HOLDER, -1, holder != NULL, NULL);
    if (holder != NULL)
        (void)bw_gate_plain(list, BW_GATE_ID_GUARD, -1, holder->report.guard_alive, NULL);
}

void bw_policy_judge_holder(const struct bw_contact *holder, struct bw_gate_list *list)
{
    bw_policy_judge_asked_holder(holder, list);
    if (holder != NULL)
        (void)bw_gate_plain(list, BW_GATE_ID_STOP_SEEN, -1, is_stop_seen(holder),
                            bw_service_word(holder->report.service));
}

bool bw_policy_gives_position(const struct bw_group *group, const struct bw_watch *watch)
{
    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_site_reports_newest(&watch->reports[site]);

        if (contact != NULL && contact->report.has_readiness && contact->report.gives_position)
            return true;
    }
    return false;
}

/* A new leader lets the target speak first: its silence before that says nothing. */
const char *bw_policy_target_lost(const struct bw_group *group, const struct bw_watch *watch,
                                  const struct bw_leadership *leadership, int target,
                                  struct bw_instant now)
{
    struct bw_candidacy candidacy;

    if (!bw_instant_wait_is_over(
            now, bw_instant_add(leadership->leader_since, bw_policy_freshness_ns(group))))
        return NULL;
    bw_policy_judge_as(group, watch, leadership, target, BW_ROLE_ARRIVING, now, &candidacy);
    for (uint32_t i = 0; i < candidacy.gate_count; i++) {
        const struct bw_gate *gate = &candidacy.gates[i];

        if (gate->verdict == BW_GATE_HOLD && gate->id != BW_GATE_ID_READY &&
            gate->id != BW_GATE_ID_READINESS_UNKNOWN && gate->id != BW_GATE_ID_PREPARED)
            return bw_gate_word(gate->id);
    }
    return NULL;
}

/* ---- a person's wish ---- */

uint64_t bw_policy_wish_left_ns(const struct bw_group *group, const struct bw_watch *watch,
                                struct bw_instant now)
{
    const struct bw_wish *wish = &watch->wish;
    uint64_t time_ns = bw_ms_to_ns(wish->timeout_ms != 0 ? wish->timeout_ms
                                                         : group->spec.switchover_timeout_ms);

    if (wish->kind == BW_WISH_NONE || wish->epoch != group->epoch)
        return 0;
    if (wish->kind != BW_WISH_SWITCHOVER) /* what it waits for lapses by the terms that the epoch has */
        time_ns += 2 * bw_policy_longer_ttl_ns(group);
    return bw_instant_left_ns(now, bw_instant_add(watch->wish_since, time_ns));
}

enum bw_wish_kind bw_policy_wish(const struct bw_group *group, const struct bw_watch *watch,
                                 struct bw_instant now)
{
    return bw_policy_wish_left_ns(group, watch, now) > 0 ? watch->wish.kind : BW_WISH_NONE;
}

/* ---- order and damping ---- */

/* Failed starts of a site in the run of failed ones, of whichever site, at the end of the history; the
 * epoch of the newest. */
static uint32_t failed_starts(const struct bw_group *group, const char *site, uint64_t *out_newest)
{
    uint32_t failed_count = 0;

    *out_newest = 0;
    for (uint32_t number = 0; number < group->history_count; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (entry == NULL || entry->ended_index == 0 ||
            !bw_reason_is_failed_start(entry->why_ended))
            break;
        if (strcmp(entry->site, site) != 0)
            continue;
        if (failed_count++ == 0)
            *out_newest = entry->epoch;
        BW_ASSERT(entry->epoch <= *out_newest && *out_newest <= group->epoch); /* newest first */
    }
    return failed_count;
}

static uint64_t backoff_ns(const struct bw_group *group, uint32_t failed_count)
{
    uint64_t backoff_ms = group->spec.retry_backoff_ms;
    uint64_t most_ms = backoff_ms > BACKOFF_MAX_MS ? backoff_ms : BACKOFF_MAX_MS;

    BW_ASSERT(failed_count > 0); /* 4: nobody waits for another's failed start */
    for (uint32_t i = 1; i < failed_count && backoff_ms < most_ms; i++)
        backoff_ms *= 2;
    return bw_ms_to_ns(backoff_ms < most_ms ? backoff_ms : most_ms);
}

bool bw_policy_judge_backoff(const struct bw_group *group, const struct bw_watch *watch, int site,
                             struct bw_instant now, struct bw_gate_list *list)
{
    uint64_t epoch;
    uint32_t failed_count = failed_starts(group, group->spec.sites[site].name, &epoch);
    struct bw_instant ended = watch->phase_applied; /* of an epoch that no mark is left of */

    if (failed_count == 0)
        return true;
    for (size_t i = 0; i < BW_HISTORY_MAX; i++)
        if (watch->grants[i].epoch == epoch)
            ended = watch->grants[i].ended;
    return bw_gate_wait(list, BW_GATE_ID_BACKOFF, site, ended, backoff_ns(group, failed_count), now,
                        NULL);
}

/* How often a site has just failed: its starts in the present run of failed ones, or a service that
 * it could not keep up. */
static uint32_t setbacks(const struct bw_group *group, int site)
{
    BW_ASSERT(site >= 0 && site < (int)group->spec.site_count);
    const char *name = group->spec.sites[site].name;
    bool was_down = (group->last_end.reason == BW_REASON_SERVICE_DOWN ||
                     group->last_end.reason == BW_REASON_UNHEALTHY) &&
                    strcmp(group->last_end.site, name) == 0;
    uint64_t newest;

    return failed_starts(group, name, &newest) + (was_down ? 1 : 0);
}

/* 3.9: the first grant after a recovery is no occasion for a change of site. */
static bool stays_where_data_is(const struct bw_group *group, const struct bw_watch *watch, int site)
{
    return group->recovered_index != 0 &&
           strcmp(group->spec.sites[site].name, bw_policy_data_site(group, watch)) == 0;
}

bool bw_policy_prefers(const struct bw_group *group, const struct bw_watch *watch, int a, int b)
{
    const char *first = group->first_choice;
    uint32_t setbacks_a = setbacks(group, a);
    uint32_t setbacks_b = setbacks(group, b);
    const bool has_a_forgotten = bw_policy_has_forgotten(group, watch, a);

    BW_ASSERT(a != b); /* of two the order is total */
    if (setbacks_a != setbacks_b)
        return setbacks_a < setbacks_b;
    if (strcmp(group->spec.sites[a].name, first) == 0)
        return true;
    if (strcmp(group->spec.sites[b].name, first) == 0)
        return false;
    if (has_a_forgotten || bw_policy_has_forgotten(group, watch, b)) /* one at most: there is one data site */
        return !has_a_forgotten;
    if (stays_where_data_is(group, watch, a) || stays_where_data_is(group, watch, b))
        return stays_where_data_is(group, watch, a);
    if (group->spec.sites[a].priority != group->spec.sites[b].priority)
        return group->spec.sites[a].priority > group->spec.sites[b].priority;
    if (strcmp(group->spec.sites[a].name, group->data_site) == 0)
        return true;
    if (strcmp(group->spec.sites[b].name, group->data_site) == 0)
        return false;
    return a < b;
}

/* A failover is an unplanned grant to another site than before that took: attempts that failed are
 * the back-off's. */
static bool was_failover(const struct bw_group *group, uint64_t epoch)
{
    for (uint32_t number = 0; number < group->history_count; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (entry == NULL || entry->epoch != epoch)
            continue;
        return (!entry->planned || entry->why_granted == BW_REASON_UNHEALTHY) && !entry->adopted && entry->previous_site[0] != '\0' &&
               strcmp(entry->site, entry->previous_site) != 0 &&
               !(entry->ended_index != 0 && bw_reason_is_failed_start(entry->why_ended));
    }
    return false;
}

/* The history bounds what can be counted: a larger limit means as many as it keeps. What a witness found as it began
 * may be of long ago, and nobody is kept waiting for that (4). */
static bool judge_failovers(const struct bw_group *group, const struct bw_watch *watch, int site,
                            struct bw_instant now, struct bw_gate_list *list)
{
    uint64_t window_ns = bw_ms_to_ns(group->spec.failover_window_ms);
    uint32_t failovers_max = group->spec.max_failovers_per_window < BW_HISTORY_MAX
                                 ? group->spec.max_failovers_per_window
                                 : BW_HISTORY_MAX;
    uint32_t failover_count = 0;
    uint64_t left_min_ns = UINT64_MAX;

    if (failovers_max == 0)
        return true;
    for (uint32_t i = 0; i < BW_HISTORY_MAX; i++) {
        uint64_t left_ns = bw_instant_wait_left_ns(
            now, bw_instant_add(watch->grants[i].applied, window_ns));

        if (watch->grants[i].epoch == 0 || watch->grants[i].is_found || left_ns == 0 ||
            !was_failover(group, watch->grants[i].epoch))
            continue;
        failover_count++;
        if (left_ns < left_min_ns)
            left_min_ns = left_ns;
    }
    if (failover_count >= failovers_max)
        bw_gate_wake(list, left_min_ns);
    return bw_gate_value(list, BW_GATE_ID_FAILOVERS, site, failover_count < failovers_max,
                         BW_UNIT_COUNT, failover_count, failovers_max, NULL);
}

bool bw_policy_judge_change(const struct bw_group *group, const struct bw_watch *watch, int site,
                            struct bw_instant now, struct bw_gate_list *list)
{
    bool passes = bw_gate_plain(list, BW_GATE_ID_APPROVAL, site, group->spec.mode != BW_MODE_MANUAL,
                                bw_mode_shown(group->spec.mode));

    BW_ASSERT(!bw_policy_has_newest_data(group, watch, site)); /* it is no change */
    if (group->last_end.epoch != 0 && !bw_reason_is_failed_start(group->last_end.reason) &&
        !watch->grant_is_found) /* 4: as above */
        passes &= bw_gate_wait(list, BW_GATE_ID_MIN_PRIMARY_TIME, site, watch->grant_applied,
                               bw_ms_to_ns(group->spec.min_primary_time_ms), now, NULL);
    return judge_failovers(group, watch, site, now, list) && passes;
}
