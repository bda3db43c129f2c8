#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/instant.h>

#define US_PER_MS 1000.0
#define US_PER_S  1e6

bool bw_outcome_is_ok(const struct bw_outcome *outcome)
{
    return outcome->error[0] == '\0' && outcome->verdict.violation_count == 0;
}

void bw_outcome_deinit(struct bw_outcome *outcome)
{
    bw_verdict_deinit(&outcome->verdict);
    bw_run_end(&outcome->run);
    free(outcome->lab.events);
    outcome->lab.events = NULL;
}

static uint64_t length_ns(const struct bw_outcome *outcome)
{
    const struct bw_run *run = &outcome->run;

    return run->end_ns > run->served_ns ? run->end_ns - run->served_ns : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static const char *verdict_word(const struct bw_outcome *outcome)
{
    if (outcome->is_lacking)
        return "-     ";
    return bw_outcome_is_ok(outcome) ? "ok    " : "BROKEN";
}

void bw_report_print(const struct bw_outcome *outcome, FILE *out)
{
    const struct bw_verdict *verdict = &outcome->verdict;
    uint32_t fault_count = 0;
    uint32_t kind_count = 0;

    for (uint32_t i = 0; i < bw_fault_count; i++) {
        fault_count += outcome->run.faults.fired_counts[i];
        kind_count += outcome->run.faults.fired_counts[i] > 0;
    }
    (void)fprintf(out, "%s %s\n", verdict_word(outcome), outcome->name);
    if (outcome->error[0] != '\0')
        (void)fprintf(out, "    could not be shown: %s\n", outcome->error);
    if (outcome->is_lacking)
        return;
    (void)fprintf(out,
                  "    overlap_ms=%.3f failovers=%" PRIu32 " rounds=%" PRIu32 " faults=%" PRIu32
                  " of %" PRIu32 " kinds, records=%" PRIu64 " in %.1f s\n",
                  (double)verdict->overlap_us / US_PER_MS, verdict->failover_count,
                  outcome->run.round_count, fault_count, kind_count, verdict->beat_count,
                  (double)length_ns(outcome) / (double)BW_NS_PER_S);
    if (outcome->options.is_postgres)
        (void)fprintf(out, "    acknowledged rows=%" PRIu64 " lost=%" PRIu64 "\n",
                      outcome->run.acknowledged_count, outcome->run.lost_count);
    if (outcome->run.left_out_count > 0)
        (void)fprintf(out, "    left out, for what this machine lacks: faults=%" PRIu32 "\n",
                      outcome->run.left_out_count);
    if (outcome->run.faults.refused_count > 0)
        (void)fprintf(out, "    not taken: orders=%" PRIu32 "\n",
                      outcome->run.faults.refused_count);
    if (verdict->beyond_us > 0)
        (void)fprintf(out, "    outside of what is promised: overlap_ms=%.3f\n",
                      (double)verdict->beyond_us / US_PER_MS);
    if (verdict->alone_count > 0)
        (void)fprintf(out, "    one fault alone in rounds=%" PRIu32 ": nobody served a group for %.3f s at most%s%s%s\n",
                      verdict->alone_count, (double)verdict->alone_gap_us / US_PER_S,
                      verdict->alone_name == NULL ? "" : " (", verdict->alone_name == NULL ? "" : verdict->alone_name,
                      verdict->alone_name == NULL ? "" : ")");
    if (outcome->run.calm_end_ns != 0)
        (void)fprintf(out, "    leases lost=%" PRIu32 " in %.0f s in which nothing was broken\n",
                      verdict->calm_lost_count,
                      (double)(outcome->run.calm_end_ns - outcome->run.served_ns) / (double)BW_NS_PER_S);
    for (uint32_t i = 0; i < verdict->measure_count; i++) {
        const struct bw_measure *measure = &verdict->measures[i];

        (void)fprintf(out, "    nobody served for %6.3f s: %s", (double)measure->gap_us / US_PER_S,
                      measure->words);
        if (measure->most_us > 0)
            (void)fprintf(out, " (at most %.3f s)", (double)measure->most_us / US_PER_S);
        (void)fputc('\n', out);
    }
    for (uint32_t i = 0; i < verdict->violation_count && i < BW_VIOLATIONS_MAX; i++)
        (void)fprintf(out, "    BROKEN %s\n", verdict->violations[i]);
    if (outcome->lab.event_lost_count > 0)
        (void)fprintf(out, "    %" PRIu64 " events beyond %d are neither kept nor drawn\n",
                      outcome->lab.event_lost_count, BW_LAB_EVENTS_MAX);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *group_json(const struct bw_group_verdict *group)
{
    return json_pack("{s:s, s:f, s:b, s:i, s:I, s:i, s:I, s:i}", "name", group->name, "overlap_ms",
                     (double)group->overlap_us / US_PER_MS, "epochs_grow", (int)group->epochs_grow,
                     "failovers", (int)group->failover_count, "records",
                     (json_int_t)group->judge.beat_count, "tenures", (int)group->tenure_count,
                     "worst_recovery_ms", (json_int_t)group->worst_recovery_ms, "late",
                     (int)group->late_count);
}

static json_t *faults_json(const struct bw_faults *faults)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < bw_fault_count; i++)
        if (faults->fired_counts[i] > 0) /* without memory it stays out, and so does the rest */
            (void)json_object_set_new(object, bw_fault_table[i].name,
                                      json_integer(faults->fired_counts[i]));
    return object;
}

static json_t *outcome_json(const struct bw_outcome *outcome)
{
    const struct bw_verdict *verdict = &outcome->verdict;
    json_t *groups = json_array();
    json_t *violations = json_array();

    for (uint32_t i = 0; i < verdict->group_count; i++)
        (void)json_array_append_new(groups, group_json(&verdict->groups[i])); /* as above */
    for (uint32_t i = 0; i < verdict->violation_count && i < BW_VIOLATIONS_MAX; i++)
        (void)json_array_append_new(violations, json_string(verdict->violations[i]));
    return json_pack(
        "{s:s, s:b, s:s, s:b, s:I, s:f, s:f, s:f, s:i, s:i, s:i, s:I, s:I, s:I, s:i, s:o, s:o, "
        "s:o}",
        "name", outcome->name, "ok", (int)bw_outcome_is_ok(outcome), "error", outcome->error,
        "lacking", (int)outcome->is_lacking, "seed", (json_int_t)outcome->options.seed, "seconds",
        (double)length_ns(outcome) / (double)BW_NS_PER_S, "overlap_ms",
        (double)verdict->overlap_us / US_PER_MS, "beyond_overlap_ms",
        (double)verdict->beyond_us / US_PER_MS, "failovers", (int)verdict->failover_count, "rounds",
        (int)outcome->run.round_count, "left_out", (int)outcome->run.left_out_count, "records",
        (json_int_t)verdict->beat_count, "acknowledged",
        (json_int_t)outcome->run.acknowledged_count, "lost", (json_int_t)outcome->run.lost_count,
        "violation_count", (int)verdict->violation_count, "violations", violations, "faults",
        faults_json(&outcome->run.faults), "groups", groups);
}

enum bw_err bw_report_json(const char *path, struct bw_outcome *const *outcomes, uint32_t count,
                           struct bw_diag *diag)
{
    json_t *runs = json_array();
    json_t *report;
    char *text;
    bool is_ok = true;
    enum bw_err err;

    for (uint32_t i = 0; i < count; i++) {
        is_ok = is_ok && bw_outcome_is_ok(outcomes[i]);
        (void)json_array_append_new(runs, outcome_json(outcomes[i])); /* counted below */
    }
    if (json_array_size(runs) != count) {
        json_decref(runs);
        return bw_diag_set(diag, BW_ERR_NOMEM, "write %s: out of memory", path);
    }
    report = json_pack("{s:s, s:b, s:o}", "schema", BW_CHAOS_SCHEMA, "ok", (int)is_ok, "runs",
                       runs);
    text = report == NULL ? NULL : json_dumps(report, JSON_INDENT(2));
    json_decref(report);
    err = text == NULL ? bw_diag_set(diag, BW_ERR_NOMEM, "write %s: out of memory", path)
                       : bw_lab_write(path, diag, "%s\n", text);
    free(text);
    return err;
}
