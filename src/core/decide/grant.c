/* grant.c - the steps that open an epoch: first grant, switchover, rollback, best candidate. Design
 * 3.6, 3.9, 4. */
#include <string.h>

#include <breakwater/base/assert.h>

#include "claims.h"
#include "evaluation.h"

static const char *site_name(const struct bw_evaluation *eval, int site)
{
    BW_ASSERT(site >= 0 && site < (int)eval->group->spec.site_count);
    return eval->group->spec.sites[site].name;
}

/* A person asked for a failover: one grant past the gates of policy (4). */
static bool has_asked(const struct bw_evaluation *eval)
{
    return bw_policy_wish(eval->group, eval->watch, eval->now) == BW_WISH_FAILOVER;
}

static bool wants_failover(const struct bw_evaluation *eval)
{
    return !eval->as_unasked && has_asked(eval);
}

static enum bw_role candidate_role(const struct bw_evaluation *eval)
{
    return wants_failover(eval) ? BW_ROLE_ASKED : BW_ROLE_UNPLANNED;
}

static void judge_mode(struct bw_evaluation *eval)
{
    bool is_open = eval->group->spec.mode != BW_MODE_PAUSED || wants_failover(eval);

    (void)bw_gate_plain(&eval->list, BW_GATE_ID_MODE, -1, is_open,
                        bw_mode_shown(eval->group->spec.mode));
}

/* A leader chooses among sites once all are connected, or had the time to be: since it leads, or
 * since any of them is again, or has spoken in an older generation (3.9). Who is first when all
 * links come back may stand beside one that serves by a person's word (4, 3.8). */
static void judge_reports(struct bw_evaluation *eval)
{
    uint64_t window_ns = bw_policy_freshness_ns(eval->group);
    const struct bw_spec *spec = &eval->group->spec;
    const struct bw_watch *watch = eval->watch;
    const struct bw_instant *earliest = NULL;
    struct bw_instant since = eval->leadership->leader_since;
    uint32_t contact_count = 0;

    for (int site = 0; site < (int)spec->site_count; site++) {
        if (bw_instant_is_later(watch->behind[site].at, since))
            since = watch->behind[site].at;
        if (bw_policy_connected(eval->group, watch, site, eval->now) == NULL)
            continue;
        contact_count++;
        if (earliest == NULL || bw_instant_is_later(*earliest, watch->two_way_since[site]))
            earliest = &watch->two_way_since[site];
    }
    if (earliest != NULL && bw_instant_is_later(*earliest, since))
        since = *earliest;
    if (contact_count == spec->site_count)
        (void)bw_gate_value(&eval->list, BW_GATE_ID_REPORTS, -1, true, BW_UNIT_COUNT, contact_count,
                            contact_count, NULL);
    else
        (void)bw_gate_wait(&eval->list, BW_GATE_ID_REPORTS, -1, since, window_ns, eval->now,
                           "not all sites are connected");
}

static void complete_grant(const struct bw_evaluation *eval, int site, enum bw_reason reason,
                           struct bw_command *command)
{
    const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                           eval->now);

    BW_ASSERT(eval->group->phase == BW_PHASE_VACANT); /* I1: nobody else holds it */
    BW_ASSERT(eval->group->epoch < UINT64_MAX);       /* I2: there is a next one */
    command->kind = BW_COMMAND_GRANT;
    command->epoch = bw_group_next_epoch(eval->group);
    command->reason = reason;
    command->silent_ms = bw_eval_silent_ms(eval);
    command->terms = bw_terms_of_spec(&eval->group->spec);
    memcpy(command->site, site_name(eval, site), sizeof(command->site));
    if (contact == NULL)
        return; /* not a candidate: its gates hold */
    command->instance = contact->instance;
    command->boot_id = contact->boot_id;
    command->terms.reach = contact->report.reach;
    command->terms.second_enforcer = contact->report.second == BW_SECOND_IS_SEEN;
    if (contact->report.has_point)
        command->terms.no_return = BW_NO_RETURN_AHEAD;
    command->sight = contact->report.sight; /* unseen counts as outside until it is seen (3.4) */
}

/* It serves already, or has: no second enforcer can know its deadline (3.4), and its data is
 * written (4). */
static void pin_running(struct bw_command *command)
{
    command->terms.second_enforcer = false;
    command->terms.no_return = BW_NO_RETURN_UNDECLARED;
}

/* What breakwater did not start is where its site sees it, and in no cgroup of the guard's (3.4). */
static void pin_adopted(struct bw_command *command)
{
    BW_ASSERT(command->adopt);
    pin_running(command);
    if (command->terms.reach != BW_REACH_UNITS && command->terms.reach != BW_REACH_CONTAINERS)
        command->sight.seen = BW_REACH_OUTSIDE;
}

static void complete_asked_grant(const struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_wish *wish = &eval->watch->wish;

    BW_ASSERT(command->kind == BW_COMMAND_GRANT && !command->adopt); /* who serves already is not asked for */
    command->reason = BW_REASON_FAILOVER;
    memcpy(command->by, wish->by, sizeof(command->by));
    memcpy(command->text, wish->text, sizeof(command->text));
}

/* ---- the first grant (3.9) ---- */

/* What the sites of a group say before its first grant. */
struct beginning {
    uint32_t reported_count;
    uint32_t started_count;
    uint32_t stopped_count;
    int started_site;
};

/* The site that was let go may still hold what an order on its way told it, until it says that it
 * let go or the wait of 3.3 is over (H17). */
static bool is_let_go(const struct bw_evaluation *eval)
{
    const struct bw_group *group = eval->group;
    int site = bw_spec_find_site(&group->spec, group->let_go_site);
    const struct bw_contact *contact;
    struct bw_expiry_base base;

    if (group->let_go_terms.ttl_ms == 0)
        return true;
    base = bw_eval_expiry_base(eval, group->let_go_epoch, eval->watch->let_go_applied);
    if (bw_expiry_is_over(&base, &group->let_go_terms, eval->now))
        return true;
    if (site < 0)
        return false;
    contact = bw_policy_connected(group, eval->watch, site, eval->now);
    return contact != NULL && contact->report.let_go_index >= group->let_go_index &&
           bw_ways_is_sole_holder(group, contact);
}

bool bw_arbiter_has_let_go(const struct bw_group *group, const struct bw_watch *watch,
                           const struct bw_leadership *leadership, struct bw_instant now)
{
    const struct bw_evaluation eval = {
        .group = group, .watch = watch, .leadership = leadership, .now = now};

    return is_let_go(&eval);
}

uint64_t bw_arbiter_let_go_left_ns(const struct bw_group *group, const struct bw_watch *watch,
                                   const struct bw_leadership *leadership, struct bw_instant now)
{
    const struct bw_evaluation eval = {
        .group = group, .watch = watch, .leadership = leadership, .now = now};
    const struct bw_expiry_base base = bw_eval_expiry_base(&eval, group->let_go_epoch,
                                                           watch->let_go_applied);

    return bw_expiry_left_ns(&base, &group->let_go_terms, now);
}

static bool judge_let_go(struct bw_evaluation *eval)
{
    struct bw_expiry_base base = bw_eval_expiry_base(eval, eval->group->let_go_epoch,
                                                     eval->watch->let_go_applied);
    bool is_done = is_let_go(eval);

    if (eval->group->let_go_terms.ttl_ms == 0)
        return true;
    if (!is_done)
        bw_gate_wake(&eval->list, bw_expiry_left_ns(&base, &eval->group->let_go_terms, eval->now));
    return bw_gate_value(
        &eval->list, BW_GATE_ID_LET_GO, -1, is_done, BW_UNIT_MS,
        (int64_t)bw_ns_to_ms(bw_instant_elapsed_ns(eval->now, bw_expiry_counted_from(&base))),
        (int64_t)bw_ns_to_ms(bw_expiry_wait_ns(&eval->group->let_go_terms)), NULL);
}

/* Why the report of a site is none that a first grant may rest on, or NULL. `stopped` beside a start that
 * still runs, or under a lease that a state of before knew of, is no end. Observations are made
 * after the commit they rest on: the spec's is named by the report; the end of an adoption's epoch
 * is earlier than the answer that the site had heard when it spoke, less the observation's age
 * (H13, H15). */
static const char *report_missing(const struct bw_evaluation *eval, int site)
{
    const struct bw_group *group = eval->group;
    const struct bw_contact *contact = bw_policy_connected(group, eval->watch, site, eval->now);
    struct bw_instant observed;

    if (contact == NULL)
        return "not connected, or it does not receive the answers";
    if (contact->report.spec_version != group->spec_version)
        return "it does not have this version of the spec yet";
    if (contact->report.armed_epoch != 0)
        return "it still has an earlier lease";
    if (contact->report.stop_begun_epoch != 0 || contact->report.guard_busy)
        return "a start or a stop still runs there";
    /* An agent of 0.2.0 says `stopped` of what its failed fence has only seen down for a moment (3.9). */
    if (contact->report.fence_failed && contact->report.service == BW_SERVICE_STOPPED)
        return "its last fence failed";
    observed = bw_instant_sub(contact->answered_received,
                              bw_ms_to_ns(contact->report.service_age_ms));
    if (group->last_end.epoch != 0 && group->last_end.epoch == group->epoch &&
        group->last_end.grade != BW_GRADE_LET_GO &&
        !bw_instant_wait_is_over(observed, eval->watch->phase_applied))
        return "its state is from before the last epoch ended";
    return NULL;
}

static struct beginning judge_beginning(struct bw_evaluation *eval)
{
    const struct bw_spec *spec = &eval->group->spec;
    struct beginning beginning = {.started_site = -1};

    for (int site = 0; site < (int)spec->site_count; site++) {
        const char *missing = report_missing(eval, site);
        const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                               eval->now);

        (void)bw_gate_plain(&eval->list, BW_GATE_ID_REPORTED, site, missing == NULL,
                            missing != NULL ? missing : bw_service_word(contact->report.service));
        if (missing != NULL)
            continue;
        beginning.reported_count++;
        if (contact->report.service == BW_SERVICE_STOPPED)
            beginning.stopped_count++;
        if (contact->report.service != BW_SERVICE_STARTED)
            continue;
        beginning.started_count++;
        beginning.started_site = site;
    }
    BW_ASSERT(beginning.reported_count <= spec->site_count);
    BW_ASSERT(beginning.started_count + beginning.stopped_count <= beginning.reported_count);
    BW_ASSERT((beginning.started_count == 0) == (beginning.started_site < 0));
    return beginning;
}

static bool says_service(const struct bw_evaluation *eval, int site, enum bw_service service)
{
    const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                           eval->now);

    return contact != NULL && contact->report.service == service;
}

/* Of those that do not override: what they have looked at since the commit that it rests on. What
 * was let go may serve where it was: unknown is no `stopped` where the one that overrides is to be
 * started. */
static void judge_others_reported(struct bw_evaluation *eval, int site)
{
    const bool is_start = !says_service(eval, site, BW_SERVICE_STARTED);

    for (int other = 0; other < (int)eval->group->spec.site_count; other++) {
        const char *missing = report_missing(eval, other);

        if (missing == NULL && is_start && !says_service(eval, other, BW_SERVICE_STOPPED))
            missing = "the service is not known to be stopped there";
        if (other != site)
            (void)bw_gate_plain(&eval->list, BW_GATE_ID_REPORTED, -1, missing == NULL, missing);
    }
}

/* A site other than `site` says `started`: fresh, by any agent of it, two-way or not. */
static bool starts_elsewhere(const struct bw_evaluation *eval, int site)
{
    uint64_t freshness_ns = bw_policy_freshness_ns(eval->group);

    for (int other = 0; other < (int)eval->group->spec.site_count; other++) {
        for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
            const struct bw_contact *contact = &eval->watch->reports[other].by_instance[i];
            struct bw_instant stale_at = bw_instant_add(contact->received, freshness_ns);

            if (other != site && contact->used && contact->report.service == BW_SERVICE_STARTED &&
                !bw_instant_wait_is_over(eval->now, stale_at))
                return true;
        }
    }
    return false;
}

static int best_site(struct bw_evaluation *eval, bool is_asked);

/* What a person has asked for waits for no pause. */
static bool judge_backoff(struct bw_evaluation *eval, int site)
{
    return wants_failover(eval) ||
           bw_policy_judge_backoff(eval->group, eval->watch, site, eval->now, &eval->list);
}

/* May the site be granted, as the first or in an adoption? */
static bool judge_first(struct bw_evaluation *eval, int site, bool adopt)
{
    bool may = judge_backoff(eval, site);

    return bw_eval_judge(eval, site, adopt ? BW_ROLE_ADOPTER : candidate_role(eval)).eligible &&
           may;
}

/* Another site's fresh report says that it has not seen the end of what it held: it still ends it, or its fence has failed
 * and is tried again, between which its service may be down for a moment. */
static bool ends_elsewhere(const struct bw_evaluation *eval, int site)
{
    for (int other = 0; other < (int)eval->group->spec.site_count; other++) {
        const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, other,
                                                               eval->now);

        if (other != site && contact != NULL &&
            (contact->report.stop_begun_epoch != 0 || contact->report.fence_failed))
            return true;
    }
    return false;
}

/* --initial-primary: a person answers for the sites that do not report clearly; never against a
 * site that reports `started`, or that still ends what it held (3.9). */
static int named_site(struct bw_evaluation *eval, bool *out_adopt)
{
    int site = bw_spec_find_site(&eval->group->spec, eval->group->initial_primary);
    bool is_started = site >= 0 && starts_elsewhere(eval, site);
    bool is_ending = site >= 0 && ends_elsewhere(eval, site);
    const struct bw_contact *contact = site >= 0 ? bw_policy_connected(eval->group, eval->watch,
                                                                       site, eval->now)
                                                 : NULL;

    judge_reports(eval);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_FIRST_GRANT, -1, !is_started && !is_ending, BW_UNIT_SITE, site, -1,
                        is_started  ? "another site than --initial-primary reports the service as started"
                        : is_ending ? "another site than --initial-primary still stops the service, or its "
                                      "fence failed"
                                    : "initial primary");
    if (site < 0)
        return -1;
    *out_adopt = contact != NULL && contact->report.service == BW_SERVICE_STARTED;
    return judge_first(eval, site, *out_adopt) ? site : -1;
}

/* Who may be best is known once each of them was measured: the readiness script of every candidate has
 * ended, by itself or by its limit (4). Time bounds it where a guard runs none. */
static bool is_measured(struct bw_evaluation *eval)
{
    const struct bw_spec *spec = &eval->group->spec;
    bool is_done = true;

    for (int site = 0; site < (int)spec->site_count; site++) {
        const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                               eval->now);

        if (spec->sites[site].never_candidate || contact == NULL || !contact->report.guard_alive ||
            !contact->report.has_readiness || contact->report.ready_age_ms != UINT32_MAX)
            continue;
        is_done &= bw_gate_wait(&eval->list, BW_GATE_ID_MEASURED, site,
                                eval->watch->connected_since[site],
                                bw_ms_to_ns(spec->switchover_timeout_ms), eval->now,
                                "its readiness script has not ended once");
    }
    return is_done;
}

static int unnamed_site(struct bw_evaluation *eval, const struct beginning *beginning,
                        bool *out_adopt)
{
    uint32_t site_count = eval->group->spec.site_count;
    bool is_complete = beginning->reported_count == site_count;
    bool is_single = is_complete && beginning->started_count == 1 &&
                     beginning->stopped_count == site_count - 1;
    bool is_none = is_complete && beginning->stopped_count == site_count;
    bool is_ready = !is_none || is_measured(eval);
    const char *word = is_single      ? "one site serves, and becomes primary as it is"
                       : !is_ready    ? "no site serves, and the readiness of one is not known yet"
                       : is_none      ? "no site serves"
                       : !is_complete ? "not all sites have reported"
                                      : "several sites serve, or the service of one is unknown";

    if (!bw_gate_plain(&eval->list, BW_GATE_ID_FIRST_GRANT, -1, is_ready && (is_single || is_none),
                       word))
        return -1;
    *out_adopt = is_single;
    if (is_none)
        return best_site(eval, wants_failover(eval));
    return judge_first(eval, beginning->started_site, true) ? beginning->started_site : -1;
}

/* ---- a site has a manual lease (3.8) ---- */

/* A site of the spec that overrides, or waits to; -1: none does. */
static int overriding_site(const struct bw_evaluation *eval)
{
    struct bw_claimed claimed;

    for (int site = 0; site < (int)eval->group->spec.site_count; site++)
        if (bw_claims_find_of(eval->group, eval->watch, site_name(eval, site), &claimed) &&
            claimed.kind != BW_CLAIM_OUTSIDE && claimed.kind != BW_CLAIM_AHEAD)
            return site;
    return -1;
}

/* It is the only candidate. Of two neither is: nobody knows whose data is to be lost, and each holds the other. */
static bool judge_overriding(struct bw_evaluation *eval, int site)
{
    const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                           eval->now);
    const bool is_elsewhere = starts_elsewhere(eval, site);
    const char *word = is_elsewhere      ? "another site reports the service as started; stop one of both"
                       : contact == NULL ? "it reported an override, and is not connected"
                       : contact->report.override != BW_OVERRIDE_OVERRIDING
                           ? bw_override_word(contact->report.override)
                           : NULL;

    return bw_gate_value(&eval->list, BW_GATE_ID_CLAIM, -1, word == NULL, BW_UNIT_SITE, site, -1, word);
}

/* Its service runs, and is adopted as it is; or it is down, and it alone may start it. What damps a
 * change of site, and what another's data is worth, a person has decided; a mode that asks one
 * still asks. */
bool bw_decide_override(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;
    const int site = overriding_site(eval);
    bool is_eligible;

    if (site < 0)
        return false;
    judge_mode(eval);
    if (!wants_failover(eval))
        (void)bw_gate_plain(&eval->list, BW_GATE_ID_APPROVAL, -1,
                            group->spec.mode != BW_MODE_MANUAL, bw_mode_shown(group->spec.mode));
    if (has_asked(eval) &&
        eval->watch->wish.to[0] != '\0') /* whose data is to count, they have said */
        (void)bw_gate_plain(&eval->list, BW_GATE_ID_ASKED, -1,
                            strcmp(site_name(eval, site), eval->watch->wish.to) == 0, NULL);
    judge_reports(eval);
    if (group->first_grant) { /* 3.9: every site has to be heard of */
        (void)judge_let_go(eval);
        bw_outside_judge(group, eval->watch, eval->leadership, eval->now, &eval->list);
        judge_others_reported(eval, site);
    }
    if (!judge_overriding(eval, site))
        return true;
    is_eligible = bw_eval_judge(eval, site, BW_ROLE_OVERRIDER).eligible;
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, is_eligible, BW_UNIT_SITE, site, -1,
                        NULL);
    complete_grant(eval, site, BW_REASON_OVERRIDE, command);
    pin_running(command);
    command->adopt = bw_policy_connected(group, eval->watch, site, eval->now)->report.service ==
                     BW_SERVICE_STARTED;
    return true;
}

bool bw_decide_first_grant(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;
    struct beginning beginning;
    bool is_single;
    bool adopt = false;
    int site;

    if (!group->first_grant)
        return false;
    judge_mode(eval);
    if (!wants_failover(eval))
        bw_eval_judge_quiet(eval);
    (void)judge_let_go(eval);
    bw_outside_judge(group, eval->watch, eval->leadership, eval->now, &eval->list);
    beginning = judge_beginning(eval);
    is_single = beginning.started_count == 1 &&
                beginning.stopped_count == group->spec.site_count - 1;
    site = group->initial_primary[0] != '\0' && !is_single ? named_site(eval, &adopt)
                                                           : unnamed_site(eval, &beginning, &adopt);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, site >= 0, BW_UNIT_SITE, site, -1,
                        NULL);
    if (site < 0)
        return true;
    complete_grant(eval, site, adopt ? BW_REASON_ADOPTION : BW_REASON_FIRST_GRANT, command);
    if (wants_failover(eval) && !adopt)
        complete_asked_grant(eval, command);
    command->adopt = adopt;
    if (adopt)
        pin_adopted(command);
    return true;
}

/* ---- a switchover on its way (3.6) ---- */

static bool is_moving(const struct bw_evaluation *eval)
{
    return !eval->group->first_grant && eval->group->target[0] != '\0';
}

/* Where readiness gives positions, the origin has to have given its final one. */
static bool is_position_missing(const struct bw_evaluation *eval)
{
    return eval->group->target_position[0] == '\0' &&
           bw_policy_gives_position(eval->group, eval->watch);
}

/* How the target of a move is judged: where no final position came of a site that could not tell one, as after a loss, by
 * its lag as that was measured (4). */
static enum bw_role arriving_role(const struct bw_evaluation *eval)
{
    return is_position_missing(eval) && bw_eval_has_no_last_word(eval) ? BW_ROLE_UNPLANNED : BW_ROLE_ARRIVING;
}

static void judge_position(struct bw_evaluation *eval)
{
    bool is_missing = is_position_missing(eval);

    if (arriving_role(eval) == BW_ROLE_UNPLANNED) {
        bw_gate_note(&eval->list, BW_GATE_ID_POSITION, -1, "none will come, so the lag decides, as after a loss");
        return;
    }

    (void)bw_gate_plain(&eval->list, BW_GATE_ID_POSITION, -1, !is_missing,
                        eval->group->target_position[0] != '\0' ? "given"
                        : is_missing                            ? "a readiness_script prints positions, and none came"
                        : bw_policy_has_readiness(eval->group, eval->watch)
                            ? "no readiness_script prints one"
                            : "no site has a readiness_script");
}

bool bw_decide_target(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;
    int target = bw_spec_find_site(&group->spec, group->target);
    bool is_eligible;

    if (!is_moving(eval) || group->rolling_back || wants_failover(eval) || target < 0)
        return false;
    judge_mode(eval);
    judge_reports(eval);
    judge_position(eval);
    is_eligible = bw_eval_judge(eval, target, arriving_role(eval)).eligible;
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, is_eligible, BW_UNIT_SITE, target,
                        -1, NULL);
    complete_grant(eval, target, group->target_reason, command);
    command->planned = true;
    memcpy(command->by, group->target_by, sizeof(command->by));
    return true;
}

/* Why nobody waits for the target of a move, while the service is down, and in words: NULL, it is
 * waited for (3.6). A rejoin needs another site that serves, and during a move none does. */
static const char *target_lost(const struct bw_evaluation *eval, enum bw_reason *out_reason)
{
    const struct bw_group *group = eval->group;
    int target = bw_spec_find_site(&group->spec, group->target);

    BW_ASSERT(target >= 0); /* SetSpec drops the move to a site that it takes out (3.9) */
    *out_reason = BW_REASON_NO_POSITION;
    if (arriving_role(eval) == BW_ROLE_UNPLANNED) {
        struct bw_candidacy candidacy;

        bw_policy_judge_as(group, eval->watch, eval->leadership, target, BW_ROLE_UNPLANNED, eval->now, &candidacy);
        return candidacy.eligible ? NULL : "the last primary reported no final position, and the target is not known to have all data";
    }
    if (is_position_missing(eval))
        return "the last primary reported no final position";
    *out_reason = BW_REASON_TARGET_LOST;
    return bw_policy_target_lost(group, eval->watch, eval->leadership, target, eval->now);
}

/* While rolling back the state's target is the origin; before that a target that takes too long, or
 * that cannot come, loses to it. */
bool bw_decide_origin(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;
    int origin = bw_spec_find_site(&group->spec,
                                   group->rolling_back ? group->target : group->target_origin);
    const struct bw_instant reports_due = bw_instant_add(/* the target has had time to speak */
                                                         eval->leadership->leader_since,
                                                         bw_policy_freshness_ns(group));
    enum bw_reason reason = BW_REASON_ROLLBACK;
    const char *lost;
    bool is_eligible;

    if (!is_moving(eval) || wants_failover(eval) || origin < 0)
        return false;
    judge_mode(eval);
    judge_reports(eval);
    lost = group->rolling_back ? NULL : target_lost(eval, &reason);
    if (lost != NULL)
        bw_gate_note(&eval->list, BW_GATE_ID_TARGET_LOST, -1, lost);
    else if (!group->rolling_back) {
        (void)bw_gate_wait(&eval->list, BW_GATE_ID_SWITCHOVER_TIMEOUT, -1,
                           eval->watch->phase_applied, bw_eval_move_timeout_ns(eval), eval->now,
                           NULL);
        bw_gate_wake(&eval->list, bw_instant_wait_left_ns(eval->now, reports_due));
    }
    is_eligible = bw_eval_judge(eval, origin, BW_ROLE_ORIGIN).eligible;
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, is_eligible, BW_UNIT_SITE, origin,
                        -1, NULL);
    complete_grant(eval, origin, lost != NULL ? reason : BW_REASON_ROLLBACK, command);
    command->planned = true;
    memcpy(command->by, group->target_by, sizeof(command->by));
    return true;
}

/* ---- the best candidate (4) ---- */

/* The best of the sites that may be granted; -1: none. A site that has not the newest data must also
 * pass what damps a change; the one that has gets back what it has just had. */
static int best_site(struct bw_evaluation *eval, bool is_asked)
{
    const struct bw_spec *spec = &eval->group->spec;
    const char *to = eval->watch->wish.to;
    int best = -1;

    for (int site = 0; site < (int)spec->site_count; site++) {
        bool may = judge_backoff(eval, site);

        may &= bw_eval_judge(eval, site, candidate_role(eval)).eligible;
        if (is_asked && to[0] != '\0')
            may &= bw_gate_plain(&eval->list, BW_GATE_ID_ASKED, site,
                                 strcmp(site_name(eval, site), to) == 0, NULL);
        if (!is_asked && !bw_policy_has_newest_data(eval->group, eval->watch, site))
            may &= bw_policy_judge_change(eval->group, eval->watch, site, eval->now, &eval->list);
        if (may && (best < 0 || bw_policy_prefers(eval->group, eval->watch, site, best)))
            best = site;
    }
    return best;
}

static enum bw_reason grant_reason(const struct bw_evaluation *eval)
{
    enum bw_reason reason = eval->group->last_end.reason;

    return reason == BW_REASON_NONE ? BW_REASON_SITE_LOST : reason;
}

/* A switchover that is under way waits for its own steps, unless a person decides, or neither its
 * target nor its origin came in time. */
static bool is_left_to_the_move(struct bw_evaluation *eval)
{
    if (!is_moving(eval) || wants_failover(eval))
        return false;
    return !bw_gate_wait(&eval->list, BW_GATE_ID_SWITCHOVER_TIMEOUT, -1, eval->watch->phase_applied,
                         bw_eval_move_timeout_ns(eval), eval->now,
                         eval->group->rolling_back ? "the last primary gets it back first"
                                                   : "the target and the last primary come first");
}

bool bw_decide_best(struct bw_evaluation *eval, struct bw_command *command)
{
    bool is_asked = wants_failover(eval);
    int site;

    if (eval->group->first_grant)
        return false;
    if (is_left_to_the_move(eval))
        return true; /* its gate holds the step */
    judge_mode(eval);
    if (!is_asked)
        bw_eval_judge_quiet(eval);
    judge_reports(eval);
    site = best_site(eval, is_asked);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CANDIDATE, -1, site >= 0, BW_UNIT_SITE, site, -1,
                        NULL);
    if (site < 0)
        return true;
    complete_grant(eval, site, grant_reason(eval), command);
    if (is_asked)
        complete_asked_grant(eval, command);
    return true;
}
