/* metrics_text.c - GET /metrics: what this witness knows, counts and decides, for Prometheus.
 * Also the two counts that nothing else keeps: answered requests, and how late the loop is. */
#include "api_operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/trouble.h>
#include <breakwater/obs/metrics.h>
#include <breakwater/sys/clock.h>

#define METER_MS 1000

/* ---- what is counted here ---- */

/* Routes and codes are our own, so there are few pairs; what finds no place is counted as other. */
void bw_meter_on_answered(const struct bw_http_request *request, int status, void *user)
{
    struct bw_program *program = user;
    struct bw_meter *meter = &program->meter;
    const char *pattern = request->route != NULL ? request->route->pattern : "none";
    uint32_t i;

    for (i = 0; i < meter->request_count; i++)
        if (meter->requests[i].status == status && strcmp(meter->requests[i].pattern, pattern) == 0)
            break;
    if (i == BW_METER_REQUESTS_MAX) {
        meter->other_requests++;
        return;
    }
    if (i == meter->request_count)
        meter->requests[meter->request_count++] =
            (struct bw_request_count){.pattern = pattern, .status = status};
    meter->requests[i].count++;
}

void bw_meter_on_handshake_failed(struct bw_program *program, enum bw_err why)
{
    BW_ASSERT((unsigned)why <= BW_ERR_VERSION);
    program->meter.handshakes_failed[why]++;
}

static void on_tick(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;
    struct bw_meter *meter = &program->meter;
    const uint64_t now_ns = uv_hrtime();

    meter->lags_ns[meter->lag_next++ % BW_METER_LAGS] = now_ns > meter->due_ns
                                                            ? now_ns - meter->due_ns
                                                            : 0;
    meter->due_ns = now_ns + bw_ms_to_ns(METER_MS);
    if (!program->is_closing)
        bw_alarms_look(program);
    (void)uv_timer_start(timer, on_tick, METER_MS, 0); /* has a callback: always 0 */
}

void bw_meter_open(struct bw_program *program)
{
    struct bw_meter *meter = &program->meter;

    BW_ASSERT(uv_timer_init(&program->loop, &meter->tick) == 0); /* cannot fail */
    meter->tick.data = program;
    meter->started_unix_ms = bw_clock_wall().unix_ms;
    uv_update_time(&program->loop); /* what was opened before is no lag */
    meter->due_ns = uv_hrtime() + bw_ms_to_ns(METER_MS);
    (void)uv_timer_start(&meter->tick, on_tick, METER_MS, 0); /* has a callback: always 0 */
}

void bw_meter_close(struct bw_program *program)
{
    uv_handle_t *handle = (uv_handle_t *)&program->meter.tick;

    if (handle->data != NULL && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* ---- families ---- */

static void add_one(struct bw_metrics *metrics, const char *name, enum bw_metric_type type,
                    const char *help, uint64_t value)
{
    bw_metrics_begin(metrics, name, type, help);
    bw_metrics_add_u64(metrics, value, BW_METRIC_NO_LABELS);
}

/* The same, and once more by the name that it had before, for one release. */
static void add_renamed(struct bw_metrics *metrics, const char *name, const char *old_name, enum bw_metric_type type,
                        const char *help, uint64_t value)
{
    char deprecated[128];

    add_one(metrics, name, type, help, value);
    (void)snprintf(deprecated, sizeof deprecated, "deprecated: use %s.", name);
    add_one(metrics, old_name, type, deprecated, value);
}

static void add_seconds(struct bw_metrics *metrics, const char *name, const char *help,
                        double seconds)
{
    bw_metrics_begin(metrics, name, BW_METRIC_GAUGE, help);
    bw_metrics_add_double(metrics, seconds, BW_METRIC_NO_LABELS);
}

static void write_process(const struct bw_program *program, struct bw_metrics *metrics)
{
    const struct bw_witness_counters *counters = &program->counters;
    uint64_t lag_ns = 0;

    for (size_t i = 0; i < BW_METER_LAGS; i++)
        if (program->meter.lags_ns[i] > lag_ns)
            lag_ns = program->meter.lags_ns[i];
    bw_metrics_begin(metrics, "breakwater_build_info", BW_METRIC_GAUGE, "Release and build of the witness.");
    bw_metrics_add_u64(metrics, 1,
                       BW_METRIC_LABELS({"component", "witness"},
                                        {"name", program->config->name},
                                        {"cluster", program->config->cluster}));
    add_seconds(metrics, "breakwater_start_time_seconds", "Start of the process, Unix time.",
                (double)program->meter.started_unix_ms / 1000);
    add_one(metrics, "breakwater_config_last_reload_successful", BW_METRIC_GAUGE,
            "1 if the newest configuration and certificate are in use.",
            counters->is_file_taken && counters->is_certificate_taken);
    add_seconds(metrics, "breakwater_config_last_reload_success_timestamp_seconds",
                "Time of the last successful reload, Unix time.",
                (double)counters->last_good_reload_unix_ms / 1000);
    add_seconds(metrics, "breakwater_event_loop_lag_seconds",
                "Largest delay of a timer in the last ten seconds.",
                (double)lag_ns / (double)BW_NS_PER_S);
    bw_metrics_begin(metrics, "breakwater_certificate_expiry_timestamp_seconds", BW_METRIC_GAUGE,
                     "End of the certificate of the witness, Unix time.");
    bw_metrics_add_double(metrics,
                          (double)bw_credentials_expiry(program->credentials).unix_ms / 1000,
                          BW_METRIC_LABELS({"role", "witness"}));
}

static void write_raft(const struct bw_program *program, const struct bw_node_status *status,
                       struct bw_metrics *metrics)
{
    static const enum bw_node_role roles[] = {BW_NODE_FOLLOWER, BW_NODE_CANDIDATE, BW_NODE_LEADER};

    bw_metrics_begin(metrics, "breakwater_raft_role", BW_METRIC_GAUGE, "1 for the role of the witness.");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        bw_metrics_add_u64(metrics, status->role == roles[i],
                           BW_METRIC_LABELS({"role", bw_node_role_text(roles[i])}));
    add_one(metrics, "breakwater_raft_has_leader", BW_METRIC_GAUGE,
            "1 if an active leader is known.", bw_witness_machine_leader(&program->machine) != NULL);
    add_one(metrics, "breakwater_raft_is_ready", BW_METRIC_GAUGE,
            "1 if this witness is the leader and can commit decisions.", bw_witness_machine_is_ready(&program->machine));
    add_one(metrics, "breakwater_raft_term", BW_METRIC_GAUGE, "Raft term.", status->term);
    add_one(metrics, "breakwater_raft_commit_index", BW_METRIC_GAUGE, "Newest committed entry.",
            status->commit_index);
    add_one(metrics, "breakwater_raft_applied_index", BW_METRIC_GAUGE, "Newest applied entry.",
            status->applied_index);
    add_renamed(metrics, "breakwater_raft_elections_won_total", "breakwater_raft_terms_led_total", BW_METRIC_COUNTER,
                "Elections that this witness has won since its start.", program->counters.terms_led);
    add_seconds(metrics, "breakwater_raft_disk_stalled_seconds",
                "Time for which the disk has held up a log entry or a snapshot.",
                (double)status->stalled_ms / 1000);
    add_renamed(metrics, "breakwater_raft_disk_space_low", "breakwater_raft_data_directory_low", BW_METRIC_GAUGE,
                "1 if the disk is short of room for the log.", status->is_capacity_low);
}

static void write_peers(const struct bw_operator_view *view, const struct bw_node_status *status,
                        struct bw_metrics *metrics)
{
    const double now = (double)bw_clock_wall().unix_ms / 1000;

    bw_metrics_begin(metrics, "breakwater_peer_up", BW_METRIC_GAUGE,
                     "1 if this witness is in contact with the peer; a follower only with the leader.");
    for (uint32_t i = 0; i < view->member_count; i++)
        if (!view->members[i].is_self)
            bw_metrics_add_u64(metrics, view->members[i].is_in_contact,
                               BW_METRIC_LABELS({"peer", view->members[i].name}));
    bw_metrics_begin(metrics, "breakwater_peer_last_contact_timestamp_seconds", BW_METRIC_GAUGE,
                     "Last contact with the peer, Unix time.");
    for (uint32_t i = 0; i < view->member_count; i++)
        for (unsigned j = 0; j < status->peer_count; j++)
            if (status->peers[j].id == view->members[i].id && status->peers[j].is_in_contact)
                bw_metrics_add_double(metrics,
                                      now - (double)status->peers[j].last_contact_ms / 1000,
                                      BW_METRIC_LABELS({"peer", view->members[i].name}));
    bw_metrics_begin(metrics, "breakwater_peer_certificate_expiry_timestamp_seconds",
                     BW_METRIC_GAUGE,
                     "End of the certificate of the peer, Unix time, as reported by the peer.");
    for (uint32_t i = 0; i < view->member_count; i++)
        if (!view->members[i].is_self && view->members[i].is_certificate_known)
            bw_metrics_add_double(metrics, now + (double)view->members[i].certificate_left_s,
                                  BW_METRIC_LABELS({"peer", view->members[i].name}));
}

/* ---- groups ---- */

/* What a sample is about. */
struct subject {
    const struct bw_operator_view *view;
    int group_index;
    const struct bw_group *group;
    const struct bw_watch *watch;
    /* Of a site's sample. */
    int site;
    const char *site_name;
    const struct bw_contact *contact; /* its fresh report; NULL: none, or of several agents */
    bool has_several;
};

static void write_phase(const struct subject *of, struct bw_metrics *metrics)
{
    for (int phase = 0; phase < BW_PHASE_COUNT; phase++)
        bw_metrics_add_u64(metrics, of->group->phase == (enum bw_phase)phase,
                           BW_METRIC_LABELS({"group", of->group->spec.name},
                                            {"phase", bw_phase_word((enum bw_phase)phase)}));
}

static void write_mode(const struct subject *of, struct bw_metrics *metrics)
{
    for (int mode = 0; mode <= BW_MODE_PAUSED; mode++)
        bw_metrics_add_u64(metrics, of->group->spec.mode == (enum bw_mode)mode,
                           BW_METRIC_LABELS({"group", of->group->spec.name},
                                            {"mode", bw_mode_word((enum bw_mode)mode)}));
}

static void write_maintenance_end(const struct subject *of, const char *site, uint64_t duration_ms,
                                  struct bw_instant since, struct bw_metrics *metrics)
{
    const struct bw_instant end = bw_instant_add(since, bw_ms_to_ns(duration_ms));

    if (duration_ms == 0 || bw_instant_wait_is_over(of->view->now, end))
        return;
    bw_metrics_add_double(
        metrics,
        (double)(bw_clock_wall().unix_ms +
                 (int64_t)bw_ns_to_ms(bw_instant_elapsed_ns(end, of->view->now))) /
            1000,
        BW_METRIC_LABELS({"group", of->group->spec.name}, {"site", site}));
}

static void write_maintenance(const struct subject *of, struct bw_metrics *metrics)
{
    const struct bw_watch *watch = &of->view->machine->watches[of->group_index];

    write_maintenance_end(of, "", of->group->group_maintenance_ms, watch->group_maintenance_applied,
                          metrics);
    for (uint32_t site = 0; site < of->group->spec.site_count; site++)
        write_maintenance_end(of, of->group->spec.sites[site].name, of->group->maintenance_ms[site],
                              watch->maintenance_applied[site], metrics);
}

static void write_epoch(const struct subject *of, struct bw_metrics *metrics)
{
    bw_metrics_add_u64(metrics, of->group->epoch,
                       BW_METRIC_LABELS({"group", of->group->spec.name}));
}

/* Only of a witness that leads: nobody else foretells. */
static void write_next(const struct subject *of, struct bw_metrics *metrics)
{
    struct bw_foretold foretold;

    if (bw_view_foretell(of->view, of->group_index, &foretold))
        bw_metrics_add_u64(
            metrics, 1,
            BW_METRIC_LABELS(
                {"group", of->group->spec.name},
                {"next", foretold.acts ? bw_command_word(foretold.command.kind) : "nothing"},
                {"site", foretold.acts ? foretold.command.site : ""}));
}

static void write_next_seconds(const struct subject *of, struct bw_metrics *metrics)
{
    struct bw_foretold foretold;

    if (bw_view_foretell(of->view, of->group_index, &foretold) && foretold.acts)
        bw_metrics_add_double(metrics, (double)foretold.after_ns / (double)BW_NS_PER_S,
                              BW_METRIC_LABELS({"group", of->group->spec.name}));
}

static void write_lease(const struct subject *of, struct bw_metrics *metrics)
{
    const uint64_t left_ms =
        bw_witness_lease_left_ms(of->view->machine, of->group_index, of->view->now);

    if (left_ms > 0)
        bw_metrics_add_double(metrics, (double)(bw_clock_wall().unix_ms + (int64_t)left_ms) / 1000,
                              BW_METRIC_LABELS({"group", of->group->spec.name},
                                               {"site", of->group->holder_site}));
}

static bool is_held(const struct subject *of)
{
    return of->group->held;
}

static bool waits_for_more_than_time(const struct subject *of)
{
    struct bw_end_waits waits;

    return bw_arbiter_end_waits_for(of->group, of->watch, &of->view->machine->leadership, &waits);
}

static bool needs_person(const struct subject *of)
{
    return of->group->phase == BW_PHASE_CLOSING && waits_for_more_than_time(of);
}

static bool is_candidate(const struct subject *of, int site)
{
    struct bw_candidacy candidacy;

    bw_policy_judge(of->group, of->watch, &of->view->machine->leadership, site, false,
                    of->view->now, &candidacy);
    return candidacy.eligible;
}

static bool is_failover_possible(const struct subject *of)
{
    struct bw_failover failover;

    bw_view_failover(of->view, of->group_index, &failover);
    return bw_failover_takes_over(&failover);
}

/* ---- sites: false is no sample ---- */

static bool is_primary(const struct subject *of, double *out)
{
    *out = strcmp(of->site_name, of->group->holder_site) == 0;
    return true;
}

static bool is_connected(const struct subject *of, double *out)
{
    *out = of->contact != NULL || of->has_several;
    return true;
}

static bool is_eligible(const struct subject *of, double *out)
{
    *out = is_candidate(of, of->site);
    return true;
}

static bool lag_of(const struct subject *of, double *out)
{
    if (of->contact == NULL || !of->contact->report.has_lag)
        return false;
    *out = (double)of->contact->report.lag_ms / 1000;
    return true;
}

/* Of the epoch that is open, at its holder. */
static bool restarts_of(const struct subject *of, double *out)
{
    struct bw_restarted restarted;

    bw_witness_restarted(of->view->machine, of->group_index, &restarted);
    *out = restarted.count;
    return strcmp(of->site_name, of->group->holder_site) == 0;
}

static bool certificate_end_of(const struct subject *of, double *out)
{
    if (of->contact == NULL || of->contact->certificate_left_s == 0)
        return false;
    *out = (double)bw_clock_wall().unix_ms / 1000 + (double)of->contact->certificate_left_s -
           (double)bw_instant_elapsed_ns(of->view->now, of->contact->received) / 1e9;
    return true;
}

static bool fence_time_of(const struct subject *of, double *out)
{
    if (of->contact == NULL || of->contact->report.fence_took_ms == 0)
        return false;
    *out = (double)of->contact->report.fence_took_ms / 1000;
    return true;
}

static bool is_rate_within(const struct subject *of, double *out)
{
    const enum bw_rate_verdict verdict = bw_rate_judge(&of->watch->rates[of->site].bounds,
                                                       of->group->spec.max_clock_drift_ppm);

    *out = verdict == BW_RATE_WITHIN;
    return verdict != BW_RATE_UNKNOWN;
}

static void write_rate(const struct subject *of, struct bw_metrics *metrics)
{
    for (int site = 0; site < (int)of->group->spec.site_count; site++) {
        const struct bw_rate_bounds *bounds = &of->watch->rates[site].bounds;
        const char *name = of->group->spec.sites[site].name;

        if (!bounds->is_known)
            continue;
        bw_metrics_add_double(metrics, bounds->lower_ppm,
                              BW_METRIC_LABELS({"group", of->group->spec.name}, {"site", name},
                                               {"bound", "lower"}));
        bw_metrics_add_double(metrics, bounds->upper_ppm,
                              BW_METRIC_LABELS({"group", of->group->spec.name}, {"site", name},
                                               {"bound", "upper"}));
    }
}

static const struct bw_contact *contact_of(const struct subject *of, int site, bool *out_several)
{
    return bw_policy_fresh(of->group, of->watch, site, of->view->now, out_several);
}

/* What is on, of the group and of its sites: by its book, and 0 once somebody has seen it; or since
 * when. */
static void write_book(const struct subject *of, bool is_time, bool is_old, struct bw_metrics *metrics)
{
    const struct bw_trouble_book *book = of->view->alarms;

    for (const struct bw_trouble_entry *entry =
             book != NULL
                 ? bw_trouble_book_first(book, (uint32_t)of->group_index, of->group->spec.name)
                 : NULL;
         entry != NULL; entry = bw_trouble_book_next(book, entry))
        if (entry->is_on)
            bw_metrics_add_double(metrics,
                                  is_time ? (double)entry->since_unix_ms / 1000
                                          : (double)(entry->acked_by[0] == '\0'),
                                  BW_METRIC_LABELS({"group", of->group->spec.name},
                                                   {"site", entry->subject},
                                                   {"alarm", is_old ? bw_trouble_text(entry->trouble)->old_word
                                                                    : bw_trouble_word(entry->trouble)}));
}

static void write_loudness(const struct subject *of, struct bw_metrics *metrics)
{
    write_book(of, false, false, metrics);
}

static void write_old_loudness(const struct subject *of, struct bw_metrics *metrics)
{
    write_book(of, false, true, metrics);
}

static void write_since(const struct subject *of, struct bw_metrics *metrics)
{
    write_book(of, true, false, metrics);
}

static void write_old_since(const struct subject *of, struct bw_metrics *metrics)
{
    write_book(of, true, true, metrics);
}

/* A family has one of the three. */
static const struct family {
    const char *name;
    const char *help;
    bool (*is_so)(const struct subject *of);                             /* of a group */
    bool (*get)(const struct subject *of, double *out);                  /* of each site */
    void (*write)(const struct subject *of, struct bw_metrics *metrics); /* of a group, several */
} families[] = {
    {"breakwater_group_phase", "1 for the phase of the group.", .write = write_phase},
    {"breakwater_group_mode", "1 for the mode of the group.", .write = write_mode},
    {"breakwater_maintenance_expiry_timestamp_seconds",
     "End of a maintenance, Unix time; of the whole group if `site` is empty.",
     .write = write_maintenance},
    {"breakwater_alarm_active",
     "1 for an active alarm of the site, or of the group if `site` is empty; 0 after `ack`.",
     .write = write_loudness},
    {"breakwater_alarm_active_since_timestamp_seconds", "Begin of the alarm at this witness, Unix time.",
     .write = write_since},
    {"breakwater_alarm", "deprecated: use breakwater_alarm_active.", .write = write_old_loudness},
    {"breakwater_alarm_since_timestamp_seconds", "deprecated: use breakwater_alarm_active_since_timestamp_seconds.",
     .write = write_old_since},
    {"breakwater_group_epoch", "Newest epoch.", .write = write_epoch},
    {"breakwater_group_held", "1 if a failed fence blocks the group.", .is_so = is_held},
    {"breakwater_group_failover_possible",
     "1 if failover is automatic: after the lease has expired, or after a remote fence.",
     .is_so = is_failover_possible},
    {"breakwater_group_next",
     "1 for the next decision if all reports stay as they are; nothing: the group waits for a report or an "
     "operator. Leader only.",
     .write = write_next},
    {"breakwater_group_next_seconds", "Time until the next decision.", .write = write_next_seconds},
    {"breakwater_group_manual_action_required",
     "1 if only the old primary or an operator can confirm the stop of the service.",
     .is_so = needs_person},
    {"breakwater_group_needs_person", "deprecated: use breakwater_group_manual_action_required.", .is_so = needs_person},
    {"breakwater_site_primary", "1 if the site is primary.",
     .get = is_primary},
    {"breakwater_site_connected", "1 if this witness has a fresh report.", .get = is_connected},
    {"breakwater_site_eligible", "1 if the site is eligible for automatic failover.", .get = is_eligible},
    {"breakwater_site_replication_lag_seconds", "Lag, as reported by the site.", .get = lag_of},
    {"breakwater_site_local_restarts",
     "Restarts of the service at the primary in the open epoch.",
     .get = restarts_of},
    {"breakwater_site_certificate_expiry_timestamp_seconds",
     "End of the certificate of the site's agent, Unix time, as reported by the agent.",
     .get = certificate_end_of},
    {"breakwater_site_fence_seconds",
     "Duration of the newest fence of the site, measured by the guard.", .get = fence_time_of},
    {"breakwater_site_clock_rate_ppm",
     "Bounds of the rate of the site's clocks against the clocks of this witness, less 1.",
     .write = write_rate},
    {"breakwater_site_clock_rate_ok", "0 if the rate is known to be beyond max_clock_drift_ppm.", .get = is_rate_within},
    {"breakwater_site_clock_rate_within", "deprecated: use breakwater_site_clock_rate_ok.", .get = is_rate_within},
    {"breakwater_lease_expiry_timestamp_seconds",
     "Latest end of the lease without a further renewal, Unix time. Leader only.",
     .write = write_lease},
};

static void write_site(const struct family *family, struct subject *of, struct bw_metrics *metrics)
{
    const struct bw_spec *spec = &of->group->spec;
    double value;

    of->site_name = spec->sites[of->site].name;
    of->contact = contact_of(of, of->site, &of->has_several);
    if (family->get(of, &value))
        bw_metrics_add_double(metrics, value,
                              BW_METRIC_LABELS({"group", spec->name}, {"site", of->site_name}));
}

static void write_group(const struct family *family, const struct bw_operator_view *view,
                        int group_index, struct bw_metrics *metrics)
{
    struct subject of = {.view = view,
                         .group_index = group_index,
                         .group = &view->machine->cluster->groups[group_index],
                         .watch = &view->machine->watches[group_index]};
    const struct bw_spec *spec = &of.group->spec;

    if (!bw_json_sees(view, group_index))
        return;
    if (family->write != NULL)
        family->write(&of, metrics);
    else if (family->is_so != NULL)
        bw_metrics_add_u64(metrics, family->is_so(&of), BW_METRIC_LABELS({"group", spec->name}));
    else
        for (; of.site < (int)spec->site_count; of.site++)
            write_site(family, &of, metrics);
}

void bw_view_write_metrics(const struct bw_operator_view *view, struct bw_metrics *metrics)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        bw_metrics_begin(metrics, families[i].name, BW_METRIC_GAUGE, families[i].help);
        for (uint32_t group = 0; group < view->machine->cluster->group_count; group++)
            write_group(&families[i], view, (int)group, metrics);
    }
}

/* ---- counters ---- */

static void write_by_command(struct bw_metrics *metrics, const char *name, const char *help,
                             const uint64_t counts[BW_COMMAND_COUNT])
{
    bw_metrics_begin(metrics, name, BW_METRIC_COUNTER, help);
    for (int kind = 0; kind < BW_COMMAND_COUNT; kind++)
        bw_metrics_add_u64(
            metrics, counts[kind],
            BW_METRIC_LABELS({"decision", bw_command_word((enum bw_command_kind)kind)}));
}

static void write_counters(const struct bw_program *program, struct bw_metrics *metrics)
{
    const struct bw_witness_counters *counters = &program->counters;

    write_by_command(metrics, "breakwater_decisions_total", "Applied commands.",
                     counters->applied);
    write_by_command(metrics, "breakwater_proposals_total", "Commands that this witness has proposed.",
                     counters->proposals);
    add_one(metrics, "breakwater_proposals_failed_total", BW_METRIC_COUNTER,
            "Proposals that were rejected, or have an unknown result.",
            counters->proposals_failed);
    add_one(metrics, "breakwater_commands_no_op_total", BW_METRIC_COUNTER,
            "Committed commands without effect.", counters->no_ops);
    bw_metrics_begin(metrics, "breakwater_lease_renewals_total", BW_METRIC_COUNTER,
                     "Lease renewals that this witness has checked as leader, by result.");
    bw_metrics_add_u64(metrics, counters->renewals_confirmed,
                       BW_METRIC_LABELS({"result", "confirmed"}));
    bw_metrics_add_u64(metrics, counters->renewals_unconfirmed,
                       BW_METRIC_LABELS({"result", "unconfirmed"}));
    bw_metrics_begin(metrics, "breakwater_leadership_proofs_total", BW_METRIC_COUNTER,
                     "Proofs of leadership, by the terms of other witnesses or by an entry of the log.");
    bw_metrics_add_u64(metrics, counters->questions, BW_METRIC_LABELS({"by", "terms"}));
    bw_metrics_add_u64(metrics, counters->barriers, BW_METRIC_LABELS({"by", "entry"}));
    add_one(metrics, "breakwater_leadership_proofs_failed_total", BW_METRIC_COUNTER,
            "Failed proofs of leadership.", counters->proofs_failed);
    bw_metrics_begin(metrics, "breakwater_syncs_total", BW_METRIC_COUNTER,
                     "Reports of agents, relayed reports included.");
    bw_metrics_add_u64(metrics, counters->syncs, BW_METRIC_LABELS({"result", "taken"}));
    bw_metrics_add_u64(metrics, counters->syncs_refused, BW_METRIC_LABELS({"result", "refused"}));
    bw_metrics_begin(metrics, "breakwater_relays_total", BW_METRIC_COUNTER,
                     "Reports of agents that were relayed to the leader.");
    bw_metrics_add_u64(metrics, counters->relays_sent, BW_METRIC_LABELS({"result", "sent"}));
    bw_metrics_add_u64(metrics, counters->relays_failed, BW_METRIC_LABELS({"result", "failed"}));
    bw_metrics_begin(metrics, "breakwater_events_total", BW_METRIC_COUNTER,
                     "Events for the event script, by result.");
    bw_metrics_add_u64(metrics, counters->events_delivered, BW_METRIC_LABELS({"result", "told"}));
    bw_metrics_add_u64(metrics, counters->events_failed, BW_METRIC_LABELS({"result", "failed"}));
    bw_metrics_add_u64(metrics, counters->events_dropped, BW_METRIC_LABELS({"result", "dropped"}));
    add_renamed(metrics, "breakwater_alarms_dropped", "breakwater_alarms_left_out", BW_METRIC_GAUGE,
                "Active alarms beyond the 4096 that a witness keeps: the less severe ones.",
                bw_trouble_book_left_out(program->alarms));
    add_one(metrics, "breakwater_config_reloads_total", BW_METRIC_COUNTER,
            "Successful reloads.", counters->reloads);
    add_one(metrics, "breakwater_config_reloads_failed_total", BW_METRIC_COUNTER,
            "Failed reloads.", counters->reloads_failed);
}

static const char *reason_word(int why)
{
    static const char *const words[BW_ERR_VERSION + 1] = {
        [BW_ERR_AUTH] = "certificate",  [BW_ERR_TIMEOUT] = "timeout", [BW_ERR_UNREACHABLE] = "gone",
        [BW_ERR_CORRUPT] = "protocol", [BW_ERR_IO] = "protocol",
    };

    return words[why] != NULL ? words[why] : "other";
}

static void write_handshakes(const struct bw_meter *meter, struct bw_metrics *metrics)
{
    static const char *const reasons[] = {"certificate", "timeout", "gone", "protocol", "other"};

    bw_metrics_begin(metrics, "breakwater_tls_handshake_failures_total", BW_METRIC_COUNTER,
                     "Failed TLS handshakes of the API.");
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        uint64_t count = 0;

        for (int why = 0; why <= BW_ERR_VERSION; why++)
            if (strcmp(reason_word(why), reasons[i]) == 0)
                count += meter->handshakes_failed[why];
        bw_metrics_add_u64(metrics, count, BW_METRIC_LABELS({"reason", reasons[i]}));
    }
}

/* What becomes of those who want more than their share. */
static void write_crowd(const struct bw_program *program, struct bw_metrics *metrics)
{
    const struct bw_http_counters counters = bw_http_server_counters(program->api);

    bw_metrics_begin(metrics, "breakwater_http_connections_evicted_total", BW_METRIC_COUNTER,
                     "Connections that were closed to make room, by reason.");
    for (int why = 0; why < BW_HTTP_EVICTION_COUNT; why++)
        bw_metrics_add_u64(
            metrics, counters.evicted[why],
            BW_METRIC_LABELS({"reason", bw_http_eviction_word((enum bw_http_eviction)why)}));
    add_one(metrics, "breakwater_http_connections_refused_total", BW_METRIC_COUNTER,
            "Connections rejected for lack of room.", counters.refused);
    add_renamed(metrics, "breakwater_reads_coalesced_total", "breakwater_reads_shared_total", BW_METRIC_COUNTER,
                "Reads that shared the answer of an earlier read.", program->reads.shared_count);
    add_renamed(metrics, "breakwater_reads_throttled_total", "breakwater_reads_busy_total", BW_METRIC_COUNTER,
                "Reads of long documents that were rejected under load.", program->reads.busy_count);
}

static void write_edge(const struct bw_program *program, struct bw_metrics *metrics)
{
    const struct bw_meter *meter = &program->meter;
    char code[12];

    bw_metrics_begin(metrics, "breakwater_http_requests_total", BW_METRIC_COUNTER,
                     "Answered requests, by route and status.");
    for (uint32_t i = 0; i < meter->request_count; i++) {
        (void)snprintf(code, sizeof code, "%d", meter->requests[i].status);
        bw_metrics_add_u64(
            metrics, meter->requests[i].count,
            BW_METRIC_LABELS({"route", meter->requests[i].pattern}, {"code", code}));
    }
    if (meter->other_requests > 0)
        bw_metrics_add_u64(metrics, meter->other_requests,
                           BW_METRIC_LABELS({"route", "other"}, {"code", "other"}));
    write_handshakes(meter, metrics);
    add_one(metrics, "breakwater_raft_peers_refused_total", BW_METRIC_COUNTER,
            "Peers rejected on the Raft port.", program->counters.raft_peers_refused);
    add_one(metrics, "breakwater_http_connections", BW_METRIC_GAUGE, "Open connections of the API.",
            bw_http_server_connections(program->api));
    write_crowd(program, metrics);
}

/* No more than BW_METRICS_BYTES_MAX is an error with words; it is answered by nobody else. */
static void write_metrics(struct bw_program *program, const struct bw_scope *scope,
                          uint32_t unused, struct bw_json_buffer *out_buffer)
{
    struct bw_operator_view view;
    struct bw_node_status status;
    struct bw_metrics metrics;
    struct bw_diag diag = {0};
    const char *text;
    size_t size;

    (void)unused; /* there is one of it */
    bw_operator_look(program, scope, &view);
    bw_node_get_status(program->node, &status);
    bw_metrics_init(&metrics);
    write_process(program, &metrics);
    write_raft(program, &status, &metrics);
    write_peers(&view, &status, &metrics);
    bw_view_write_metrics(&view, &metrics);
    write_counters(program, &metrics);
    write_edge(program, &metrics);
    if (bw_metrics_get(&metrics, &text, &size, &diag) == BW_OK)
        bw_json_put_text(out_buffer, text, size);
    else
        out_buffer->is_failed = true;
    bw_metrics_deinit(&metrics);
}

static void on_metrics(struct bw_http_request *request, void *user)
{
    bw_reads_answer(user, request, BW_READ_METRICS, 0, BW_METRICS_CONTENT_TYPE, write_metrics);
}

const struct bw_http_route bw_metrics_routes[] = {
    {"GET", "/metrics", BW_ROLES_ANY, BW_HTTP_ABOUT_GROUPS, on_metrics},
};
const size_t bw_metrics_route_count = sizeof bw_metrics_routes / sizeof bw_metrics_routes[0];
