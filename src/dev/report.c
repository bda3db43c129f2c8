/* report.c - the story of a run in figures: for people, and as the one last line of JSON. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/witness/json.h>

/* The known phases, in the order in which they happened; their count. */
static uint32_t sort_phases(const struct bw_timeline *timeline,
                            enum bw_phase_of_move out_phases[BW_PHASE_OF_MOVE_COUNT])
{
    uint32_t count = 0;

    if (!timeline->is_known[timeline->origin])
        return 0;
    for (uint32_t phase = 0; phase < BW_PHASE_OF_MOVE_COUNT; phase++) {
        uint32_t at = count;

        if (!timeline->is_known[phase])
            continue;
        for (; at > 0 && timeline->boot_ns[out_phases[at - 1]] > timeline->boot_ns[phase];
             at--)
            out_phases[at] = out_phases[at - 1];
        out_phases[at] = (enum bw_phase_of_move)phase;
        count++;
    }
    return count;
}

void bw_dev_report_print(const struct bw_dev_outcome *outcome, FILE *out)
{
    const struct bw_timeline *timeline = &outcome->timeline;
    enum bw_phase_of_move phases[BW_PHASE_OF_MOVE_COUNT];
    const uint32_t count = sort_phases(timeline, phases);

    (void)fputc('\n', out);
    for (uint32_t i = 0; i < count; i++)
        (void)fprintf(out, "  %+10.3f ms  %s\n", bw_timeline_at_ms(timeline, phases[i]),
                      bw_phase_of_move_word(phases[i]));
    (void)fprintf(
        out,
        "\n  no site served for %.3f ms; two sites served at once for %.3f ms (by %" PRIu64 " records of the services)\n",
        (double)outcome->outage_us / 1000.0, (double)outcome->overlap_us / 1000.0,
        outcome->beat_count);
    if (outcome->is_ok)
        (void)fputs("  ok\n", out);
    else
        (void)fprintf(out, "  FAILED: %s\n", outcome->why_not);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Whole milliseconds without a point: 0, not 0.0. */
static json_t *milliseconds(double value)
{
    if (value == (double)(json_int_t)value)
        return json_integer((json_int_t)value);
    return json_real(value);
}

static json_t *timeline_json(const struct bw_timeline *timeline)
{
    enum bw_phase_of_move phases[BW_PHASE_OF_MOVE_COUNT];
    const uint32_t count = sort_phases(timeline, phases);
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        list = bw_json_append(
            list, json_pack("{s:s, s:o}", "phase", bw_phase_of_move_word(phases[i]), "at_ms",
                            milliseconds(bw_timeline_at_ms(timeline, phases[i]))));
    return list;
}

static json_t *processes_json(const struct bw_dev_outcome *outcome)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < BW_DEV_PROCESSES; i++) {
        if (outcome->processes[i].rss_anon_kib == 0)
            continue; /* the run ended before they were measured */
        list = bw_json_append(list, json_pack("{s:s, s:s, s:I}", "role",
                                              bw_lab_role_word(outcome->processes[i].role), "name",
                                              outcome->processes[i].name, "rss_anon_kib",
                                              (json_int_t)outcome->processes[i].rss_anon_kib));
    }
    return list;
}

static json_t *outcome_json(const struct bw_dev_outcome *outcome)
{
    return json_pack("{s:b, s:o, s:o, s:I, s:s, s:o, s:o}", "ok", outcome->is_ok, "overlap_ms",
                     milliseconds((double)outcome->overlap_us / 1000.0), "outage_ms",
                     milliseconds((double)outcome->outage_us / 1000.0), "beats",
                     (json_int_t)outcome->beat_count, "why_not", outcome->why_not, "timeline",
                     timeline_json(&outcome->timeline), "processes", processes_json(outcome));
}

/* The last run at the top level, judged together with all before it, then each by itself. */
static json_t *build(const char *scenario, const struct bw_dev_outcome *outcomes, uint32_t count)
{
    struct bw_dev_outcome all = outcomes[count - 1];
    json_t *runs = json_array();

    for (uint32_t i = 0; i < count; i++) {
        if (!outcomes[i].is_ok && all.is_ok) {
            all.is_ok = false;
            (void)snprintf(all.why_not, sizeof all.why_not, "%s", outcomes[i].why_not);
        }
        if (outcomes[i].overlap_us > all.overlap_us)
            all.overlap_us = outcomes[i].overlap_us;
        runs = bw_json_append(runs, outcome_json(&outcomes[i]));
    }
    return bw_json_merge(
        bw_json_merge(json_pack("{s:s, s:s}", "schema", "breakwater.dev/v1", "scenario", scenario),
                      outcome_json(&all)),
        json_pack("{s:o}", "runs", runs));
}

enum bw_err bw_dev_report_json(const char *scenario, const struct bw_dev_outcome *outcomes,
                               uint32_t count, FILE *out, struct bw_diag *diag)
{
    json_t *report = build(scenario, outcomes, count);
    char *text = report == NULL ? NULL : json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(15));
    enum bw_err err = BW_OK;

    if (text == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "write the report: out of memory");
    else if (fprintf(out, "%s\n", text) < 0)
        err = bw_diag_set(diag, BW_ERR_IO, "write the report");
    free(text);
    json_decref(report);
    return err;
}
