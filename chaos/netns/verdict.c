#include "verdict.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>

#define NS_PER_US 1000
#define US_PER_MS 1000
#define US_PER_S  1e6
/* A service that records serves; one whose last record is older than this at an instant does not.
 * It is an ordinary process among daemons that go first: on a busy machine it stands still now and
 * then. */
#define SERVING_MS 3000

static void violate(struct bw_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void violate(struct bw_verdict *verdict, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    if (verdict->violation_count < BW_VIOLATIONS_MAX)
        (void)vsnprintf(verdict->violations[verdict->violation_count], BW_LAB_TEXT_BYTES, format,
                        values); /* cut: for people */
    va_end(values);
    verdict->violation_count++;
}

/* ---- tenures --------------------------------------------------------------------------------- */

static int compare_spans(const void *a, const void *b)
{
    const struct bw_judge_span *left = a;
    const struct bw_judge_span *right = b;

    return (left->from_ns > right->from_ns) - (left->from_ns < right->from_ns);
}

static enum bw_err find_tenures(struct bw_group_verdict *group, uint32_t hole_ms,
                                struct bw_diag *diag)
{
    struct bw_judge *judge = &group->judge;

    group->tenures = calloc(judge->span_count + 1, sizeof *group->tenures);
    if (group->tenures == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    if (judge->span_count > 0) /* else there is no array */
        qsort(judge->spans, judge->span_count, sizeof *judge->spans, compare_spans);
    for (size_t i = 0; i < judge->span_count; i++) {
        const struct bw_judge_span *span = &judge->spans[i];
        struct bw_chaos_tenure *last = group->tenure_count == 0
                                           ? NULL
                                           : &group->tenures[group->tenure_count - 1];

        if (last != NULL && last->site == span->site && last->epoch == span->epoch &&
            span->from_ns <= last->to_ns + bw_ms_to_ns(hole_ms)) {
            if (span->to_ns > last->to_ns)
                last->to_ns = span->to_ns;
            continue;
        }
        group->failover_count += last != NULL && last->site != span->site;
        group->tenures[group->tenure_count++] = (struct bw_chaos_tenure){
            span->site, span->epoch, span->from_ns, span->to_ns};
    }
    return BW_OK;
}

/* ---- one group ------------------------------------------------------------------------------- */

static bool served_at(const struct bw_judge *judge, uint64_t since_ns, uint64_t *out_ns)
{
    bool is_served = false;

    *out_ns = UINT64_MAX;
    for (uint32_t site = 0; site < judge->site_count; site++) {
        uint64_t at_ns;

        if (!bw_judge_serves_after(judge, judge->sites[site], since_ns, &at_ns))
            continue;
        is_served = true;
        *out_ns = at_ns < *out_ns ? at_ns : *out_ns;
    }
    return is_served;
}

/* What was recorded before the calm says nothing of its end. */
static uint64_t kept_since_ns(const struct bw_round *round)
{
    const uint64_t since_ns = round->end_ns - bw_ms_to_ns(SERVING_MS);

    return since_ns > round->calm_ns ? since_ns : round->calm_ns;
}

static void judge_rounds(struct bw_verdict *verdict, struct bw_group_verdict *group, uint32_t index,
                         const struct bw_run *run)
{
    for (uint32_t i = 0; i < run->round_count; i++) {
        const struct bw_round *round = &run->rounds[i];
        uint64_t first_ns;
        uint64_t last_ns;
        const bool is_back = served_at(&group->judge, round->calm_ns, &first_ns) &&
                             first_ns - round->calm_ns <= round->bound_ns[index];
        const bool is_kept = served_at(&group->judge, kept_since_ns(round), &last_ns) &&
                             last_ns <= round->end_ns;
        const uint64_t took_ms = is_back ? bw_ns_to_ms(first_ns - round->calm_ns) : 0;

        if (round->end_ns == 0)
            continue; /* broken off */
        group->worst_recovery_ms = took_ms > group->worst_recovery_ms ? took_ms
                                                                      : group->worst_recovery_ms;
        if (is_back && is_kept)
            continue;
        group->late_count++;
        violate(verdict, "%s: not served within %.1f s after the faults of round %" PRIu32,
                group->name, (double)round->bound_ns[index] / (double)BW_NS_PER_S, i + 1);
    }
}

static enum bw_err judge_alone(struct bw_verdict *verdict, const struct bw_group_verdict *group,
                               const struct bw_run *run, bool is_first)
{
    for (uint32_t i = 0; i < run->round_count; i++) {
        const struct bw_round *round = &run->rounds[i];
        uint64_t gap_us;

        if (round->alone == NULL || round->end_ns == 0)
            continue;
        verdict->alone_count += is_first;
        if (bw_judge_gap_us(&group->judge, round->begun_ns, round->end_ns, &gap_us) != BW_OK)
            return BW_ERR_NOMEM;
        if (gap_us > verdict->alone_gap_us) {
            verdict->alone_gap_us = gap_us;
            verdict->alone_name = round->alone->name;
        }
        if (gap_us * NS_PER_US > round->alone_most_ns)
            violate(verdict, "%s: nobody served for %.3f s in round %" PRIu32 ", at most %.3f s for one fault (%s)",
                    group->name, (double)gap_us / US_PER_S, i + 1, (double)round->alone_most_ns / (double)BW_NS_PER_S,
                    round->alone->name);
    }
    return BW_OK;
}

static uint64_t most_us_of(const struct bw_lab_timings *t, const struct bw_measured_round *round,
                           uint64_t measure_us)
{
    const uint64_t wait_ms = (uint64_t)t->lease_ttl_ms * 1001 / 999 + t->margin_ms;

    return measure_us + (round->more_lease_percent * wait_ms / 100 +
                         (uint64_t)round->more_elections * t->election_timeout_ms +
                         (uint64_t)round->more_renewals * t->renew_interval_ms + round->more_ms) *
                            US_PER_MS;
}

static enum bw_err judge_measures(struct bw_verdict *verdict, const struct bw_group_verdict *group,
                                  const struct bw_run *run)
{
    uint64_t measure_us = 0;
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < run->round_count && err == BW_OK; i++) {
        const struct bw_round *round = &run->rounds[i];
        const struct bw_measured_round *measured = round->measured;
        struct bw_measure measure = {0};

        if (measured == NULL || round->end_ns == 0)
            continue;
        measure.words = measured->words;
        err = bw_judge_gap_us(&group->judge, round->begun_ns, round->end_ns, &measure.gap_us);
        if (measured->is_measure)
            measure_us = measure.gap_us;
        else
            measure.most_us = most_us_of(&run->lab->plan.timings, measured, measure_us);
        if (round->moved_ns == 0)
            violate(verdict, "round %" PRIu32 " (%s): no other site served", i + 1,
                    measured->words);
        if (!measured->is_measure && measure.gap_us > measure.most_us)
            violate(verdict, "round %" PRIu32 " (%s): nobody served for %.3f s, at most %.3f s",
                    i + 1, measured->words, (double)measure.gap_us / US_PER_S,
                    (double)measure.most_us / US_PER_S);
        if (measured->stops_max > 0 && round->stop_count > measured->stops_max)
            violate(verdict, "round %" PRIu32 " (%s): %" PRIu32 " stop scripts began, at most %" PRIu32,
                    i + 1, measured->words, round->stop_count, measured->stops_max);
        if (verdict->measure_count < BW_MEASURES_MAX)
            verdict->measures[verdict->measure_count++] = measure;
    }
    return err;
}

static bool is_moved_by(const struct bw_group_verdict *group, uint64_t at_ns)
{
    for (uint32_t i = 1; i < group->tenure_count; i++)
        if (group->tenures[i].site != group->tenures[i - 1].site && group->tenures[i].from_ns <= at_ns)
            return true;
    return false;
}

static void judge_end(struct bw_verdict *verdict, const struct bw_group_verdict *group,
                      uint32_t index, enum bw_scenario_end end, const struct bw_round *round,
                      uint32_t refused_count, uint32_t crash_count)
{
    switch (end) {
    case BW_SCENARIO_ANY:
        return;
    case BW_SCENARIO_MOVES: /* what comes once all is well again helps nobody */
        if (index == 0 && !is_moved_by(group, round->calm_ns))
            violate(verdict, "%s: no other site served before the faults had ended, which this scenario is about",
                    group->name);
        return;
    case BW_SCENARIO_FIRST_STAYS:
    case BW_SCENARIO_STAYS:
        if (end == BW_SCENARIO_FIRST_STAYS && index > 0)
            return;
        if (group->judge.process_count > 1) /* also within one epoch */
            violate(verdict, "%s: its service was ended or moved, which must not happen here",
                    group->name);
        return;
    case BW_SCENARIO_ORDERS:
        if (index == 0 && refused_count > 0)
            violate(verdict, "an operator's order was refused, which this scenario is about");
        return;
    case BW_SCENARIO_SETTLES:
        if (index == 0 && !round->is_settled)
            violate(verdict, "another site could not take over again in time, which this scenario "
                             "is about");
        return;
    case BW_SCENARIO_CRASHES:
        if (index == 0 && crash_count == 0)
            violate(verdict, "the crash point was never passed (is the program a build with "
                             "BW_CRASH_POINTS?)");
        return;
    }
}

/* That the first group stays shows nothing where none was told to go. */
static void judge_others(struct bw_verdict *verdict)
{
    for (uint32_t i = 1; i < verdict->group_count; i++)
        if (verdict->groups[i].judge.process_count > 1)
            return;
    violate(verdict, "no service of another group was ended or moved, which this scenario is about");
}

static uint32_t count_lost_in_calm(const struct bw_group_verdict *group, const struct bw_run *run)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i + 1 < group->tenure_count; i++)
        count += group->tenures[i].epoch != group->tenures[i + 1].epoch &&
                 group->tenures[i].to_ns > run->served_ns && group->tenures[i].to_ns < run->calm_end_ns;
    return count;
}

static enum bw_err judge_group(struct bw_verdict *verdict, const char *records,
                               const struct bw_run *run, enum bw_scenario_end end,
                               struct bw_diag *diag)
{
    const uint32_t index = verdict->group_count - 1;
    struct bw_group_verdict *group = &verdict->groups[index];
    const struct bw_judge_excuse *excuses = run == NULL ? NULL : run->faults.excuses;
    const size_t excuse_count = run == NULL ? 0 : run->faults.excuse_count;
    const struct bw_round none = {0};
    uint64_t beyond_us = 0;
    char path[BW_LAB_PATH_BYTES];
    uint32_t crash_count = 0;
    enum bw_err err = bw_lab_path(path, records, group->name, diag);

    bw_judge_init(&group->judge);
    if (err == BW_OK)
        err = bw_judge_add_dir(&group->judge, path, diag);
    if (err == BW_OK)
        err = find_tenures(group,
                           run != NULL && run->lab->options->is_postgres ? BW_TENURE_ROW_HOLE_MS
                                                                         : BW_TENURE_HOLE_MS,
                           diag);
    if (err == BW_OK &&
        (bw_judge_overlap_excused_us(&group->judge, excuses, excuse_count, &group->overlap_us,
                                     &beyond_us) != BW_OK ||
         bw_judge_epochs_grow_excused(&group->judge, excuses, excuse_count,
                                      &group->epochs_grow) != BW_OK))
        err = bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    if (err != BW_OK)
        return err;
    verdict->beat_count += group->judge.beat_count;
    verdict->failover_count += group->failover_count;
    verdict->beyond_us += beyond_us;
    verdict->overlap_us += group->overlap_us;
    if (group->overlap_us > 0)
        violate(verdict, "%s: two sites served at once for %.3f ms (I1)", group->name,
                (double)group->overlap_us / NS_PER_US);
    if (run != NULL && run->lost_count > 0)
        violate(verdict, "%s: %" PRIu64 " acknowledged rows are lost", group->name,
                run->lost_count);
    if (run != NULL && run->lab->options->is_postgres && run->acknowledged_count == 0)
        violate(verdict, "%s: no row was acknowledged: nothing was seen at all", group->name);
    if (!group->epochs_grow)
        violate(verdict, "%s: a service of a lower epoch began after one of a higher (I2)",
                group->name);
    if (group->judge.beat_count == 0)
        violate(verdict, "%s: no records: nothing was seen at all", group->name);
    if (run != NULL)
        judge_rounds(verdict, group, index, run);
    if (run != NULL)
        verdict->calm_lost_count += count_lost_in_calm(group, run);
    if (run != NULL && judge_alone(verdict, group, run, index == 0) != BW_OK)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    if (run != NULL && index == 0 && judge_measures(verdict, group, run) != BW_OK)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; run != NULL && i < run->lab->process_count; i++)
        crash_count += run->lab->processes[i].crash_count;
    judge_end(verdict, group, index, end,
              run != NULL && run->round_count > 0 ? &run->rounds[run->round_count - 1] : &none,
              run == NULL ? 0 : run->faults.refused_count, crash_count);
    return BW_OK;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static enum bw_err judge_dir(struct bw_verdict *verdict, const char *records, struct bw_diag *diag)
{
    DIR *stream = opendir(records);
    const struct dirent *entry;
    enum bw_err err = BW_OK;

    if (stream == NULL)
        return bw_diag_errno(diag, errno, "open %s", records);
    while (err == BW_OK && (entry = readdir(stream)) != NULL) {
        if (entry->d_type != DT_DIR || !bw_name_is_valid(entry->d_name))
            continue;
        if (verdict->group_count == BW_LAB_GROUPS_MAX) {
            err = bw_diag_set(diag, BW_ERR_LIMIT, "%s: more than %d groups", records,
                              BW_LAB_GROUPS_MAX);
            break;
        }
        (void)bw_copy_text(verdict->groups[verdict->group_count].name, BW_NAME_MAX + 1,
                           entry->d_name); /* a valid name fits */
        verdict->group_count++;
        err = judge_group(verdict, records, NULL, BW_SCENARIO_ANY, diag);
    }
    (void)closedir(stream); /* only read from */
    if (err == BW_OK && verdict->group_count == 0)
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s: holds no folder of a group", records);
    return err;
}

enum bw_err bw_verdict_init(struct bw_verdict *verdict, const char *records,
                            const struct bw_run *run, enum bw_scenario_end end,
                            struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    *verdict = (struct bw_verdict){0};
    if (run == NULL)
        return judge_dir(verdict, records, diag);
    for (uint32_t i = 0; i < run->lab->options->group_count && err == BW_OK; i++) {
        (void)bw_copy_text(verdict->groups[i].name, BW_NAME_MAX + 1, run->lab->groups[i]);
        verdict->group_count++;
        err = judge_group(verdict, records, run, end, diag);
    }
    if (err == BW_OK && end == BW_SCENARIO_FIRST_STAYS)
        judge_others(verdict);
    if (run->lab->problem_count > 0)
        violate(verdict, "%" PRIu32 " problems that no fault explains; see the lines that say so",
                run->lab->problem_count);
    return err;
}

void bw_verdict_deinit(struct bw_verdict *verdict)
{
    for (uint32_t i = 0; i < verdict->group_count; i++) {
        bw_judge_deinit(&verdict->groups[i].judge);
        free(verdict->groups[i].tenures);
    }
    *verdict = (struct bw_verdict){0};
}
