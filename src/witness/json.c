/* json.c - status and groups as JSON. */
#include <breakwater/witness/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/script_failure.h>
#include <breakwater/witness/spec_json.h>

/* ---- sites ---- */

static const struct bw_group *group_of(const struct bw_operator_view *view, int group_index)
{
    return &view->machine->cluster->groups[group_index];
}

static uint64_t left_ms(const struct bw_operator_view *view, uint64_t duration_ms,
                        struct bw_instant since)
{
    if (duration_ms == 0)
        return 0;
    if (duration_ms > bw_ns_to_ms(UINT64_MAX))
        duration_ms = bw_ns_to_ms(UINT64_MAX);
    return bw_instant_wait_left_ns(view->now, bw_instant_add(since, bw_ms_to_ns(duration_ms))) /
           BW_NS_PER_MS;
}

typedef const char *gate_word_fn(enum bw_gate_id id);

/* What blocks the site: `word_of` of each gate that holds. A running service blocks no holder. */
static json_t *blocked_by(const struct bw_candidacy *candidacy, bool is_holder, gate_word_fn *word_of)
{
    json_t *ids = json_array();

    for (uint32_t i = 0; i < candidacy->gate_count; i++) {
        const struct bw_gate *gate = &candidacy->gates[i];

        const bool is_service = gate->id == BW_GATE_ID_SERVICE || gate->id == BW_GATE_ID_SERVICE_UNKNOWN;

        if (gate->verdict == BW_GATE_HOLD && !(is_holder && is_service))
            ids = bw_json_append(ids, json_string(word_of(gate->id)));
    }
    return ids;
}

static json_t *alarms_of(uint32_t alarms)
{
    static const enum bw_alarm all[] = {
#define X(name, word) BW_ALARM_##name,
        BW_ALARM_LIST(X)
#undef X
    };
    json_t *words = json_array();

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((alarms & UINT32_C(1) << all[i]) != 0)
            words = bw_json_append(words, json_string(bw_alarm_word(all[i])));
    return words;
}

static json_t *readiness_of(const struct bw_report *report)
{
    if (!report->has_readiness)
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o}", "ready", report->ready, "age_ms",
                     bw_json_number_or_null(report->ready_age_ms != UINT32_MAX, report->ready_age_ms),
                     "lag_ms", bw_json_number_or_null(report->has_lag, report->lag_ms), "position",
                     report->position[0] == '\0' ? json_null() : bw_json_text(report->position));
}

/* Of a report that is fresh: why its site cannot show that it serves what it holds, and since when, which an agent of before
 * feature level 3 does not say. */
static json_t *unhealthy_of(const struct bw_operator_view *view, const struct bw_contact *fresh, bool is_holder)
{
    const struct bw_report *report = fresh != NULL ? &fresh->report : NULL;
    const bool is_unknown = report != NULL && (report->alarms & UINT32_C(1) << BW_ALARM_STATUS_UNKNOWN) != 0;
    uint64_t for_ms;

    if (report == NULL || !is_holder || (report->unhealthy == BW_UNHEALTHY_NOT && !is_unknown))
        return json_null();
    for_ms = report->unhealthy_ms + bw_ns_to_ms(bw_instant_elapsed_ns(view->now, fresh->received));
    return json_pack("{s:s, s:o}", "why",
                     bw_unhealthy_word(report->unhealthy == BW_UNHEALTHY_NOT ? BW_UNHEALTHY_UNKNOWN : report->unhealthy),
                     "for_ms", bw_json_number_or_null(report->unhealthy != BW_UNHEALTHY_NOT, for_ms));
}

/* What the site says of itself; a report that is not fresh says nothing that may be trusted. */
static json_t *reported_of(const struct bw_report *report, const struct bw_group *group)
{
    const bool is_serving = report->armed_epoch == group->epoch && group->epoch != 0 &&
                            report->serving_epoch_started;
    const bool is_holding = group->phase != BW_PHASE_VACANT && report->armed_epoch == group->epoch;
    const uint32_t fence_ms = is_holding ? group->terms.fence_ms : group->spec.fence_timeout_ms;
    const bool is_inside = bw_report_is_inside(report);

    /* clang-format off */
    return json_pack(
        "{s:s, s:b, s:o, s:b, s:s, s:s, s:b, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}",
        "service", bw_service_word(report->service),
        "serving", is_serving,
        "readiness", readiness_of(report),
        "guard", report->guard_alive,
        "reach", bw_reach_word(report->reach),
        "reach_seen", bw_reach_seen_word(report->sight.seen),
        "reach_proved", report->sight.proved,
        "second_enforcer", bw_second_word(report->second),
        "second_proved", report->second_proved,
        "override", bw_override_word(report->override),
        "fence_took_ms", bw_json_number_or_null(report->fence_took_ms != 0, report->fence_took_ms),
        "fence_limit_ms", bw_json_number_or_null(report->fence_bound_ms != 0, report->fence_bound_ms),
        "fence_cut_ms", bw_json_number_or_null(bw_lease_cuts_script(fence_ms, report->fence_bound_ms, is_inside),
                                       bw_lease_script_ms(fence_ms, is_inside)),
        "loop_delay_ms", bw_json_number_or_null(report->loop_delay_ms != 0, report->loop_delay_ms),
        "alarms", alarms_of(report->alarms),
        "enforced", report->enforced,
        "rejoining", report->rejoining,
        "let_go", group->let_go_index == 0
                      ? json_null() /* nobody was asked to */
                      : json_boolean(report->let_go_index >= group->let_go_index));
    /* clang-format on */
}

/* What this witness has measured of the site's clocks against its own (design 3.8). */
static json_t *clock_rate_of(const struct bw_rate_bounds *bounds, uint32_t drift_ppm)
{
    const enum bw_rate_verdict verdict = bw_rate_judge(bounds, drift_ppm);

    if (verdict == BW_RATE_UNKNOWN)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:I, s:I}", "verdict", bw_rate_word(verdict), "lower_ppm",
                     (json_int_t)bounds->lower_ppm, "upper_ppm", (json_int_t)bounds->upper_ppm,
                     "lower_limit_ppm", (json_int_t)bw_rate_slow_limit_ppm(drift_ppm),
                     "upper_limit_ppm", (json_int_t)bw_rate_fast_limit_ppm(drift_ppm));
}

/* Seconds until the certificate of the site's agent ends, as it said and time has passed since. */
static json_t *certificate_left_of(const struct bw_contact *fresh, struct bw_instant now)
{
    uint64_t passed_s;

    if (fresh == NULL || fresh->certificate_left_s == 0)
        return json_null();
    passed_s = bw_instant_elapsed_ns(now, fresh->received) / BW_NS_PER_S;
    return json_integer(fresh->certificate_left_s > passed_s
                            ? (json_int_t)(fresh->certificate_left_s - passed_s)
                            : 0);
}

static json_t *site_json(const struct bw_operator_view *view, int group_index, int site,
                         const struct bw_candidacy *candidacy)
{
    static const struct bw_report silence = {.reach = BW_REACH_NONE};
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_watch *watch = &view->machine->watches[group_index];
    const struct bw_site_spec *spec = &group->spec.sites[site];
    const struct bw_site_reports *reports = &watch->reports[site];
    const uint64_t freshness_ns = bw_policy_freshness_of_ns(group, site);
    const bool lacks = view->callers != NULL &&
                       bw_callers_lack(view->callers, spec->name, group->spec.name, view->now,
                                       freshness_ns);
    bool has_several = false;
    const struct bw_contact *fresh = bw_policy_fresh(group, watch, site, view->now, &has_several);
    const struct bw_contact *newest = bw_site_reports_newest(reports);
    const bool is_holder = strcmp(group->holder_site, spec->name) == 0;
    json_t *reasons = blocked_by(candidacy, is_holder, bw_gate_word);
    const uint64_t last_contact_ns = newest != NULL
                                         ? bw_instant_elapsed_ns(view->now, newest->received)
                                         : 0;
    struct bw_loss loss;

    bw_policy_loss(group, watch, &view->machine->leadership, site, &loss);
    /* clang-format off */
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:s, s:b, s:b, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}",
        "name", spec->name,
        "role", is_holder ? "primary" : "standby",
        "priority", (json_int_t)spec->priority,
        "candidate", spec->never_candidate ? "never" : "always",
        "connected", fresh != NULL || has_several,
        "group_unknown", lacks, /* its agent speaks, and has no such group in its site file */
        "last_seen_ms", bw_json_number_or_null(newest != NULL, bw_ns_to_ms(last_contact_ns)),
        "several_agents", has_several,
        "eligible", json_array_size(reasons) == 0,
        "blocked_by", reasons,
        "why_not", blocked_by(candidacy, is_holder, bw_gate_id_text), /* the words of 0.3 */
        "loss_ms", bw_json_number_or_null(loss.kind == BW_LOSS_MEASURED || loss.kind == BW_LOSS_AT_MOST, loss.ms),
        "clock_rate", clock_rate_of(&watch->rates[site].bounds, group->spec.max_clock_drift_ppm),
        "certificate_left_s", certificate_left_of(fresh, view->now),
        "maintenance_left_ms", (json_int_t)left_ms(view, group->maintenance_ms[site],
                                                   watch->maintenance_applied[site]),
        "failures", bw_json_failures(fresh, view->now),
        "restarts", bw_json_restarts(view, group_index, site),
        "steps", bw_json_steps(fresh, view->now),
        "unhealthy", unhealthy_of(view, fresh, is_holder));
    /* clang-format on */

    return bw_json_merge(object, reported_of(fresh != NULL ? &fresh->report : &silence, group));
}

static json_t *sites_json(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_watch *watch = &view->machine->watches[group_index];
    json_t *sites = json_array();
    struct bw_candidacy candidacy;

    for (int site = 0; site < (int)group->spec.site_count; site++) {
        bw_policy_judge(group, watch, &view->machine->leadership, site, false, view->now,
                        &candidacy);
        sites = bw_json_append(sites, site_json(view, group_index, site, &candidacy));
    }
    return sites;
}

/* ---- groups ---- */

/* Why the group is in its phase. */
static const char *reason_of(const struct bw_group *group)
{
    const struct bw_history_entry *newest = bw_group_history_at(group, 0);

    switch (group->phase) {
    case BW_PHASE_VACANT:
        return bw_reason_word(group->last_end.reason);
    case BW_PHASE_REVOKING:
        return bw_reason_word(group->target_reason);
    case BW_PHASE_CLOSING:
        if (group->held)
            return bw_alarm_word(BW_ALARM_FENCE_FAILED);
        return newest == NULL ? "none" : bw_reason_word(newest->why_ended);
    case BW_PHASE_GRANTED:
    case BW_PHASE_COUNT:
        break;
    }
    return newest == NULL ? "none" : bw_reason_word(newest->why_granted);
}

static json_t *wish_json(const struct bw_operator_view *view, int group_index)
{
    const struct bw_watch *watch = &view->machine->watches[group_index];
    const enum bw_wish_kind kind = bw_policy_wish(group_of(view, group_index), watch, view->now);

    if (kind == BW_WISH_NONE || (watch->wish.index == 0 && !view->machine->leadership.leads))
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:I}", "kind", bw_wish_word(kind), "to",
                     bw_json_name_or_null(watch->wish.to), "by", bw_json_text(watch->wish.by),
                     "text", bw_json_text(watch->wish.text), "index",
                     (json_int_t)watch->wish.index);
}

/* The newest that was asked for, and is no more. */
static json_t *wish_over_json(const struct bw_group *group)
{
    const struct bw_wish_over *over = bw_group_wish_over(group);

    if (over == NULL)
        return json_null();
    return json_pack("{s:I, s:s, s:o}", "index", (json_int_t)over->index, "end",
                     bw_wish_end_word(over->end), "result", bw_json_text(over->words));
}

/* Which site would follow the holder by itself, as things are, and how long after it fell silent.
 */
static json_t *failover_json(const struct bw_operator_view *view, int group_index)
{
    struct bw_failover failover;

    bw_view_failover(view, group_index, &failover);
    return json_pack("{s:b, s:o, s:o, s:o}", "possible", failover.is_possible, "to",
                     bw_json_name_or_null(failover.foretold.command.site), "after_ms",
                     bw_json_number_or_null(failover.foretold.acts,
                                    bw_ns_to_ms(failover.foretold.after_ns)),
                     "after_fence",
                     bw_json_name_or_null(failover.follows_fence ? failover.fenced.command.site : ""));
}

static json_t *acked_of(const struct bw_trouble_entry *entry)
{
    if (entry->acked_by[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o}", "by", bw_json_text(entry->acked_by), "text",
                     bw_json_text(entry->acked_text));
}

/* Of a group and its sites, or of the cluster and its witnesses: what is on, and what was lately.
 */
static json_t *alarms_json(const struct bw_operator_view *view, uint32_t index, const char *name)
{
    json_t *list = json_array();

    for (const struct bw_trouble_entry *entry =
             view->alarms != NULL ? bw_trouble_book_first(view->alarms, index, name) : NULL;
         entry != NULL; entry = bw_trouble_book_next(view->alarms, entry))
        list = bw_json_append(
            list,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "alarm",
                      bw_trouble_word(entry->trouble), "subject", bw_json_name_or_null(entry->subject),
                      "since", bw_json_time_or_null(entry->since_unix_ms), "on_ms",
                      bw_json_number_or_null(entry->is_on,
                                     bw_ns_to_ms(bw_instant_elapsed_ns(view->now, entry->since))),
                      "ended", bw_json_time_or_null(entry->ended_unix_ms), "count",
                      (json_int_t)entry->count, "acknowledged", acked_of(entry)));
    return list;
}

/* Which sites may serve without the open epoch (3.8). */
static json_t *claims_json(const struct bw_operator_view *view, int group_index)
{
    json_t *list = json_array();
    struct bw_claimed claimed;

    for (uint32_t number = 0; bw_witness_claim_at(view->machine, group_index, number, &claimed); number++)
        list = bw_json_append(list, json_pack("{s:o, s:s, s:b}", "site", bw_json_name_or_null(claimed.site), "claim",
                                              bw_claim_kind_word(claimed.kind), "committed", claimed.is_committed));
    return list;
}

static json_t *group_json(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_watch *watch = &view->machine->watches[group_index];
    const uint64_t lease_ms = bw_witness_lease_left_ms(view->machine, group_index, view->now);
    const bool is_open = group->phase != BW_PHASE_VACANT;
    json_t *sites = sites_json(view, group_index);

    if (sites == NULL)
        return NULL;
    /* clang-format off */
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:I, s:o, s:o, s:s, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:I, s:o, "
        "s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "name", group->spec.name,
        "phase", bw_phase_word(group->phase),
        "state", bw_phase_state(group->phase, group->held),
        "held", group->held,
        "mode", bw_mode_word(group->spec.mode),
        "epoch", (json_int_t)group->epoch,
        "holder", bw_json_name_or_null(group->holder_site),
        "lease_remaining_ms", bw_json_number_or_null(lease_ms > 0, lease_ms),
        "reason", reason_of(group),
        "target", bw_json_name_or_null(group->target),
        "data_site", bw_json_name_or_null(group->data_site),
        "adopting", group->adopting,
        "first_grant", group->first_grant,
        "spec_version", (json_int_t)group->spec_version,
        "changed_index", (json_int_t)group->changed_index,
        "lease_ttl_ms", (json_int_t)(is_open ? group->terms.ttl_ms : group->spec.lease_ttl_ms),
        "maintenance_left_ms", (json_int_t)left_ms(view, group->group_maintenance_ms,
                                                   watch->group_maintenance_applied),
        "failover", failover_json(view, group_index),
        "next", bw_json_next(view, group_index),
        "end", bw_json_end(view, group_index),
        "request", wish_json(view, group_index),
        "request_result", wish_over_json(group),
        "claims", claims_json(view, group_index),
        "last", bw_json_history_entry(group, 0),
        "alarms", alarms_json(view, (uint32_t)group_index, group->spec.name),
        "sites", sites);
    /* clang-format on */
}

static json_t *terms_json(const struct bw_group *group)
{
    const struct bw_terms *terms = &group->terms;

    if (group->phase == BW_PHASE_VACANT)
        return json_null();
    /* clang-format off */
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:s}",
        "lease_ttl_ms", (json_int_t)terms->ttl_ms,
        "fence_timeout_ms", (json_int_t)terms->fence_ms,
        "margin_ms", (json_int_t)terms->margin_ms,
        "max_clock_drift_ppm", (json_int_t)terms->drift_ppm,
        "renew_interval_ms", (json_int_t)terms->renew_interval_ms,
        "request_timeout_ms", (json_int_t)terms->request_timeout_ms,
        "reach", bw_reach_word(terms->reach),
        "second_enforcer", terms->second_enforcer,
        "no_return", bw_no_return_word(terms->no_return));
    /* clang-format on */
}

json_t *bw_json_group_document(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);

    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "schema", "breakwater.group/v2",
                     "answered_by", view->self, "leads", view->machine->leadership.leads, "group",
                     group_json(view, group_index), "spec", bw_spec_json_encode(&group->spec),
                     "terms", terms_json(group));
}

static bool put_spec(struct bw_json_buffer *buffer, size_t number, const void *user)
{
    const struct bw_operator_view *view = user;
    const struct bw_group *group = group_of(view, (int)number);

    if (!bw_json_sees(view, (int)number))
        return false;
    bw_json_put(buffer, json_pack("{s:s, s:I, s:o}", "name", group->spec.name, "spec_version",
                                  (json_int_t)group->spec_version, "spec",
                                  bw_spec_json_encode(&group->spec)));
    return true;
}

void bw_json_groups(const struct bw_operator_view *view, struct bw_json_buffer *buffer)
{
    json_t *head = json_pack("{s:s, s:s, s:I}", "schema", "breakwater.groups/v1", "cluster",
                             view->cluster, "index",
                             (json_int_t)view->machine->cluster->applied_index);

    bw_json_put_list(buffer, head, "groups", view->machine->cluster->group_count, put_spec, view);
}

/* ---- the cluster ---- */

/* Whom this witness hears itself: other witnesses (a follower only its leader) and sites. */
static json_t *reaches_of(const struct bw_operator_view *view)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    json_t *names = json_array();
    json_t *sites = json_object(); /* each once */
    const char *key;
    json_t *value;

    for (uint32_t i = 0; i < view->member_count; i++)
        if (view->members[i].is_in_contact && !view->members[i].is_self)
            names = bw_json_append(names, json_string(view->members[i].name));
    for (uint32_t group_index = 0; group_index < cluster->group_count; group_index++) {
        const struct bw_group *group = &cluster->groups[group_index];
        const bool is_seen = bw_json_sees(view, (int)group_index);

        for (uint32_t site = 0; is_seen && site < group->spec.site_count; site++) {
            bool has_several = false;
            const struct bw_contact *contact = bw_policy_fresh(group, &view->machine->watches[group_index], (int)site,
                                                               view->now, &has_several);

            if ((contact != NULL && contact->relayed_by == 0) || has_several)
                sites = bw_json_merge(sites, json_pack("{s:b}", group->spec.sites[site].name, true));
        }
    }
    json_object_foreach(sites, key, value)
        names = bw_json_append(names, json_string(key));
    json_decref(sites);
    return names;
}

/* To whom this witness cannot connect, and why. */
static json_t *unreached_of(const struct bw_operator_view *view)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct bw_operator_member *member = &view->members[i];

        if (member->unreached_why != NULL)
            list = bw_json_append(list, json_pack("{s:s, s:s, s:I, s:o}", "name", member->name, "raft_address",
                                                  member->raft_address, "since_ms_ago", (json_int_t)member->unreached_ms,
                                                  "why", bw_json_text(member->unreached_why)));
    }
    return list;
}

static json_t *members_json(const struct bw_operator_view *view)
{
    json_t *members = json_array();

    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct bw_operator_member *member = &view->members[i];
        const bool is_known = member->is_self || member->is_in_contact ||
                              view->machine->leadership.leads;
        /* clang-format off */
        json_t *one = json_pack(
            "{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
            "name", member->name,
            "id", (json_int_t)member->id,
            "failure_domain", member->failure_domain,
            "role", member->role,
            "address", member->address,
            "heard", is_known ? json_boolean(member->is_self || member->is_in_contact) : json_null(),
            "votes", view->machine->leadership.leads ? json_boolean(!member->has_no_vote) : json_null(),
            "certificate_left_s", bw_json_number_or_null(member->is_certificate_known, member->certificate_left_s),
            "disk_low", member->is_self ? json_boolean(member->is_disk_low) : json_null(),
            "people_not_applied", member->is_self ? json_boolean(member->is_people_not_applied) : json_null(),
            "decided_index", bw_json_number_or_null(member->decided_index != 0, member->decided_index),
            "reaches", member->is_self ? reaches_of(view) : json_null(),
            "unreached", member->is_self ? unreached_of(view) : json_null());
        /* clang-format on */

        members = bw_json_append(members, one);
    }
    return members;
}

json_t *bw_json_person_groups(const char *person)
{
    json_t *names = json_array();
    char word[BW_PERSON_TEXT_BYTES];

    (void)bw_people_word(&person, word); /* the name */
    while (bw_people_word(&person, word))
        names = bw_json_append(names, json_string(word));
    return names;
}

/* The groups that this reader may see; null: all. */
static json_t *limits_json(const struct bw_scope *scope)
{
    if (scope->is_everything)
        return json_null();
    return scope->person != NULL ? bw_json_person_groups(scope->person) : json_array();
}

static bool put_group(struct bw_json_buffer *buffer, size_t number, const void *user)
{
    const struct bw_operator_view *view = user;

    if (!bw_json_sees(view, (int)number))
        return false;
    bw_json_put(buffer, group_json(view, (int)number));
    return true;
}

void bw_json_status(const struct bw_operator_view *view, struct bw_json_buffer *buffer)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    char id[BW_ID_TEXT_BYTES];
    json_t *head;

    bw_id_format(cluster->id, id);
    /* clang-format off */
    head = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:s?, s:s?, s:I, s:{s:o, s:I}, s:s, s:b, s:I, s:o, s:o, s:o}",
        "schema", "breakwater.status/v2",
        "cluster", view->cluster,
        "cluster_id", id,
        "generation", (json_int_t)cluster->generation,
        "feature_level", (json_int_t)cluster->feature_level,
        "leader", view->leader,
        "leader_address", view->leader_address,
        "term", (json_int_t)view->term,
        "quorum",
            "have", bw_json_number_or_null(view->voters_in_contact > 0, view->voters_in_contact),
            "of", (json_int_t)view->voters,
        "answered_by", view->self,
        "leads", view->machine->leadership.leads,
        "index", (json_int_t)cluster->applied_index,
        "limited_to", limits_json(&view->scope),
        "alarms", alarms_json(view, BW_TROUBLE_CLUSTER, ""),
        "witnesses", members_json(view));
    /* clang-format on */
    bw_json_put_list(buffer, head, "groups", cluster->group_count, put_group, view);
}
