/* What a trial found: kept, weighed, and shown. */
#include "trial.h"

#include <inttypes.h>
#include <stdarg.h>

#include <breakwater/core/lease.h>
#include <breakwater/core/spec.h>
#include <breakwater/witness/json.h>

#define ELECTION_MS 1000 /* election_timeout where nobody says otherwise */

static const struct {
    const char *id;
    const char *holds;
    const char *todo;
} checks[BW_TRIAL_CHECKS] = {
#define X(name, id, holds, todo) [BW_TRIAL_##name] = {id, holds, todo},
    BW_TRIAL_CHECK_LIST(X)
#undef X
};

static const char *const verdict_words[] = {
    [BW_TRIAL_NOT_JUDGED] = "not judged",
    [BW_TRIAL_OK] = "ok",
    [BW_TRIAL_WARNING] = "warning",
    [BW_TRIAL_PROBLEM] = "problem",
};

/* ---- kept ------------------------------------------------------------------------------------ */

static void set_text(struct bw_trial_finding *finding, const char *format, va_list values)
{
    (void)vsnprintf(finding->text, sizeof finding->text, format, values); /* a long one is cut */
}

void bw_trial_pass(struct bw_trial_report *report, enum bw_trial_check check, const char *format,
                   ...)
{
    struct bw_trial_finding *finding = &report->findings[check];
    va_list values;

    if (finding->verdict > BW_TRIAL_OK)
        return;
    va_start(values, format);
    set_text(finding, format, values);
    va_end(values);
    finding->verdict = BW_TRIAL_OK;
}

void bw_trial_find(struct bw_trial_report *report, enum bw_trial_check check,
                   enum bw_trial_verdict verdict, const char *format, ...)
{
    struct bw_trial_finding *finding = &report->findings[check];
    va_list values;

    finding->count++;
    if (finding->verdict >= verdict)
        return;
    va_start(values, format);
    set_text(finding, format, values);
    va_end(values);
    finding->verdict = verdict;
}

void bw_trial_skip(struct bw_trial_report *report, enum bw_trial_check check, const char *format,
                   ...)
{
    struct bw_trial_finding *finding = &report->findings[check];
    va_list values;

    if (finding->verdict != BW_TRIAL_NOT_JUDGED)
        return;
    va_start(values, format);
    set_text(finding, format, values);
    va_end(values);
}

enum bw_trial_verdict bw_trial_worst(const struct bw_trial_report *report)
{
    enum bw_trial_verdict worst = BW_TRIAL_OK;

    for (int i = 0; i < BW_TRIAL_CHECKS; i++)
        if (report->findings[i].verdict > worst)
            worst = report->findings[i].verdict;
    return report->is_complete ? worst : BW_TRIAL_PROBLEM;
}

/* ---- proposals ------------------------------------------------------------------------------- */

/* Up to a number that a person would write. */
static uint64_t round_up_ms(uint64_t ms)
{
    const uint64_t step = ms <= 10000 ? 1000 : ms <= 60000 ? 5000 : 30000;

    return ms == 0 ? step : (ms + step - 1) / step * step;
}

static uint64_t limit_for(uint64_t longest_ns)
{
    return longest_ns == 0 ? 0 : round_up_ms(bw_ns_to_ms(longest_ns * BW_TRIAL_FACTOR) + 1);
}

/* Until the service was down, which may be long after the script had ended: a lease that rests on
 * less is too short. One run without an end, and nothing is known. */
static uint64_t limit_of_down(const struct bw_trial_report *report, enum bw_action_kind action)
{
    const uint64_t script_ns = report->times[action].max_ns;
    const uint64_t down_ns = report->stopped_max_ns[action];

    if (report->is_without_end[action])
        return 0;
    return limit_for(down_ns > script_ns ? down_ns : script_ns);
}

static void propose(const struct bw_trial_report *report, const struct bw_group_config *group,
                      struct bw_trial_proposals *out_proposals)
{
    const bool has_fence = group->scripts[BW_ACTION_FENCE] != NULL;
    struct bw_trial_proposals proposals = {
        .start_timeout_ms = limit_for(report->started_max_ns),
        .stop_timeout_ms = limit_of_down(report, BW_ACTION_STOP),
    };
    struct bw_spec spec;
    uint64_t limit_ms;

    if (has_fence)
        proposals.script_fence_timeout_ms = limit_of_down(report, BW_ACTION_FENCE);
    limit_ms = has_fence ? proposals.script_fence_timeout_ms : proposals.stop_timeout_ms;
    if (limit_ms > 0) {
        bw_spec_defaults(&spec);
        proposals.fence_timeout_ms =
            round_up_ms(bw_ns_to_ms(bw_lease_window_of_ns(bw_ms_to_ns(limit_ms))));
        spec.fence_timeout_ms = (uint32_t)proposals.fence_timeout_ms;
        proposals.lease_ttl_ms = round_up_ms(bw_spec_lease_ttl_ms_min(&spec, ELECTION_MS));
    }
    *out_proposals = proposals;
}

/* ---- as text --------------------------------------------------------------------------------- */

const char *bw_trial_ms_text(uint64_t duration_ns, char out_text[BW_TRIAL_MS_BYTES])
{
    const uint64_t ms = bw_ns_to_ms(duration_ns + BW_NS_PER_MS / 2);

    if (ms < 10000)
        (void)snprintf(out_text, BW_TRIAL_MS_BYTES, "%" PRIu64 " ms", ms);
    else
        (void)snprintf(out_text, BW_TRIAL_MS_BYTES, "%" PRIu64 ".%" PRIu64 " s", ms / 1000,
                       ms % 1000 / 100);
    return out_text;
}

static void print_findings(const struct bw_trial_report *report, enum bw_trial_verdict verdict,
                           FILE *out)
{
    for (int i = 0; i < BW_TRIAL_CHECKS; i++) {
        const struct bw_trial_finding *finding = &report->findings[i];

        if (finding->verdict != verdict)
            continue;
        (void)fprintf(out, "  %-10s  %-18s  %s\n", verdict_words[verdict], checks[i].id,
                      checks[i].holds);
        if (verdict == BW_TRIAL_NOT_JUDGED)
            (void)fprintf(out, "  %-10s  %-18s    why:   %s\n", "", "",
                          finding->text[0] != '\0' ? finding->text : "the trial did not get there");
        if (verdict <= BW_TRIAL_OK)
            continue;
        (void)fprintf(out, "  %-10s  %-18s    found: %s", "", "", finding->text);
        if (finding->count > 1)
            (void)fprintf(out, " (%" PRIu32 " times)", finding->count);
        (void)fprintf(out, "\n  %-10s  %-18s    do:    %s\n", "", "", checks[i].todo);
    }
}

static void print_runs(const struct bw_trial_report *report, FILE *out)
{
    char text[BW_TRIAL_MS_BYTES];

    (void)fprintf(out, "\n  every run\n");
    for (uint32_t i = 0; i < report->run_count; i++) {
        const struct bw_trial_run *run = &report->runs[i];

        (void)fprintf(out, "  %-10s  %-32s  %-18s  %9s  %s\n", bw_action_word(run->action),
                      run->when, run->end, bw_trial_ms_text(run->duration_ns, text), run->word);
    }
    if (report->unlisted_count > 0)
        (void)fprintf(out, "  and %" PRIu32 " more that are not listed, and counted below\n",
                      report->unlisted_count);
}

static void print_times(const struct bw_trial_report *report, const struct bw_group_config *group,
                        FILE *out)
{
    char min[BW_TRIAL_MS_BYTES];
    char mean[BW_TRIAL_MS_BYTES];
    char max[BW_TRIAL_MS_BYTES];
    char limit[BW_TRIAL_MS_BYTES];

    (void)fprintf(out, "\n  runs that ended with 0\n  %-10s  %5s  %9s  %9s  %9s  %9s\n", "script",
                  "runs", "shortest", "mean", "longest", "limit");
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const struct bw_trial_time *time = &report->times[action];

        if (time->count > 0)
            (void)fprintf(out, "  %-10s  %5" PRIu32 "  %9s  %9s  %9s  %9s\n",
                          bw_action_word((enum bw_action_kind)action), time->count,
                          bw_trial_ms_text(time->min_ns, min),
                          bw_trial_ms_text(time->sum_ns / time->count, mean),
                          bw_trial_ms_text(time->max_ns, max),
                          bw_trial_ms_text(bw_ms_to_ns(group->timeout_ms[action]), limit));
    }
    if (report->started_max_ns > 0)
        (void)fprintf(out, "  from the begin of a start until status said started: at most %s\n",
                      bw_trial_ms_text(report->started_max_ns, max));
}

static void print_proposal(const char *file, const char *key, uint64_t ms, const char *why,
                           FILE *out)
{
    if (ms > 0)
        (void)fprintf(out, "  %-12s%-16s%" PRIu64 "s   %s\n", file, key, ms / 1000, why);
    else
        (void)fprintf(out, "  %-12s%-16sno proposal: no run to rest it on, or one that did not "
                           "bring stopped\n", file, key);
}

static void print_proposals(const struct bw_trial_report *report,
                            const struct bw_group_config *group, FILE *out)
{
    const bool has_fence = group->scripts[BW_ACTION_FENCE] != NULL;
    struct bw_trial_proposals proposals;
    struct bw_spec spec;

    propose(report, group, &proposals);
    bw_spec_defaults(&spec);
    (void)fprintf(out, "\n  proposals: %d times the longest run that was measured, rounded up\n",
                  BW_TRIAL_FACTOR);
    print_proposal("site.yaml", "start_timeout:", proposals.start_timeout_ms,
                   "from the begin until status says started", out);
    print_proposal("site.yaml", "stop_timeout:", proposals.stop_timeout_ms, "", out);
    if (has_fence)
        print_proposal("site.yaml", "fence_timeout:", proposals.script_fence_timeout_ms,
                       "the limit of the fence_script", out);
    print_proposal("groups.yaml", "fence_window:", proposals.fence_timeout_ms,
                   has_fence ? "F: TERM comes min(F/3, 5 s) before its end, after that limit"
                             : "F: TERM comes min(F/3, 5 s) before its end, after stop_timeout, as "
                               "there is no fence_script",
                   out);
    print_proposal(
        "groups.yaml", "lease_ttl:", proposals.lease_ttl_ms,
        "at least F + 2*renew_interval + request_timeout + 4*election_timeout + 4*lease_margin, "
        "with the defaults of these",
        out);
    if (proposals.fence_timeout_ms > spec.fence_timeout_ms)
        (void)fprintf(
            out, "  the default fence_window of %" PRIu32 " s would end such a fence early\n",
            spec.fence_timeout_ms / 1000);
}

static void print_limits_of_this(const struct bw_trial_report *report,
                                 const struct bw_group_config *group, FILE *out)
{
    (void)fprintf(out, "\n  what this cannot judge\n"
                       "  whether `stopped` is true for those who use the service: only "
                       "status_script was asked\n");
    if (group->scripts[BW_ACTION_REJOIN] != NULL)
        (void)fprintf(out, "  rejoin_script: it destroys data, and was not run\n");
    if (group->scripts[BW_ACTION_REMOTE_FENCE] != NULL)
        (void)fprintf(out,
                      "  remote_fence_script: it ends the service at another site, and was not "
                      "run\n");
    if (report->has_started && report->process_count == 0 && group->unit_count == 0)
        (void)fprintf(out, "  whether the processes of a service outside of its reach end or are "
                           "restarted\n");
    if (!report->was_only_watched)
        (void)fprintf(out, "  other days: slower disks, full disks, more data, the other site's "
                           "copy; times are those of this machine now\n");
}

void bw_trial_print(const struct bw_trial_report *report, const struct bw_site_config *site,
                    const struct bw_group_config *group, FILE *out)
{
    uint32_t counts[4] = {0};

    for (int i = 0; i < BW_TRIAL_CHECKS; i++)
        counts[report->findings[i].verdict]++;
    (void)fprintf(out,
                  "group %s at %s: %" PRIu32 " problem%s, %" PRIu32 " warning%s, %" PRIu32
                  " ok, %" PRIu32 " not judged\n",
                  group->name, site->site, counts[BW_TRIAL_PROBLEM],
                  counts[BW_TRIAL_PROBLEM] == 1 ? "" : "s", counts[BW_TRIAL_WARNING],
                  counts[BW_TRIAL_WARNING] == 1 ? "" : "s", counts[BW_TRIAL_OK],
                  counts[BW_TRIAL_NOT_JUDGED]);
    if (!report->is_complete)
        (void)fprintf(out, "  NOT FINISHED: %s\n",
                      report->failure[0] != '\0' ? report->failure
                      : report->is_interrupted   ? "it was interrupted"
                                                 : "it ended early");
    (void)fputc('\n', out); /* a failed write stays in ferror, for the caller */
    print_findings(report, BW_TRIAL_PROBLEM, out);
    print_findings(report, BW_TRIAL_WARNING, out);
    print_findings(report, BW_TRIAL_OK, out);
    if (!report->was_only_watched)
        print_findings(report, BW_TRIAL_NOT_JUDGED, out);
    print_runs(report, out);
    print_times(report, group, out);
    if (!report->was_only_watched)
        print_proposals(report, group, out);
    print_limits_of_this(report, group, out);
    if (report->is_proof_kept)
        (void)fprintf(out, "\nThat its reach alone ends it is kept for the guard, for these scripts on "
                           "this machine.\n");
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *findings_json(const struct bw_trial_report *report)
{
    json_t *list = json_array();

    for (int i = 0; i < BW_TRIAL_CHECKS; i++) {
        const struct bw_trial_finding *finding = &report->findings[i];
        json_t *entry = json_pack("{s:s, s:s, s:s, s:o, s:i, s:s}", "id", checks[i].id, "verdict",
                                  verdict_words[finding->verdict], "claim", checks[i].holds, "text",
                                  bw_json_text(finding->text), "count", (int)finding->count, "do",
                                  finding->verdict > BW_TRIAL_OK ? checks[i].todo : "");

        list = bw_json_append(list, entry);
    }
    return list;
}

static json_t *runs_json(const struct bw_trial_report *report)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < report->run_count; i++) {
        const struct bw_trial_run *run = &report->runs[i];
        json_t *entry = json_pack("{s:s, s:s, s:s, s:s, s:f}", "script",
                                  bw_action_word(run->action), "when", run->when, "end", run->end,
                                  "word", run->word, "ms", (double)run->duration_ns / 1e6);

        list = bw_json_append(list, entry);
    }
    return list;
}

static json_t *times_json(const struct bw_trial_report *report, const struct bw_group_config *group)
{
    json_t *times = json_object();

    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const struct bw_trial_time *time = &report->times[action];
        json_t *entry;

        if (time->count == 0)
            continue;
        entry = json_pack("{s:i, s:f, s:f, s:f, s:I}", "runs", (int)time->count, "shortest_ms",
                          (double)time->min_ns / 1e6, "mean_ms",
                          (double)time->sum_ns / 1e6 / time->count, "longest_ms",
                          (double)time->max_ns / 1e6, "limit_ms",
                          (json_int_t)group->timeout_ms[action]);
        times = bw_json_merge(times,
                              json_pack("{s:o}", bw_action_word((enum bw_action_kind)action), entry));
    }
    return times;
}

static json_t *proposals_json(const struct bw_trial_report *report,
                              const struct bw_group_config *group)
{
    struct bw_trial_proposals proposals;

    propose(report, group, &proposals);
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I}", "factor", BW_TRIAL_FACTOR,
                     "site_start_timeout_ms", (json_int_t)proposals.start_timeout_ms,
                     "site_stop_timeout_ms", (json_int_t)proposals.stop_timeout_ms,
                     "site_fence_timeout_ms", (json_int_t)proposals.script_fence_timeout_ms,
                     "group_fence_timeout_ms", (json_int_t)proposals.fence_timeout_ms,
                     "group_lease_ttl_ms", (json_int_t)proposals.lease_ttl_ms);
}

json_t *bw_trial_json(const struct bw_trial_report *report, const struct bw_group_config *group)
{
    /* A member that could not be made makes json_pack fail, and free the others. */
    return json_pack("{s:s, s:s, s:b, s:b, s:o, s:s, s:o, s:o, s:i, s:o, s:o, s:i, s:b}", "name",
                     group->name, "verdict", verdict_words[bw_trial_worst(report)], "complete",
                     report->is_complete, "interrupted", report->is_interrupted, "failure",
                     bw_json_text(report->failure), "service",
                     bw_service_word(report->service), "checks", findings_json(report),
                     "runs", runs_json(report), "runs_not_listed", (int)report->unlisted_count,
                     "times", times_json(report, group), "proposals", proposals_json(report, group),
                     "processes", (int)report->process_count, "proof_kept",
                     report->is_proof_kept);
}
