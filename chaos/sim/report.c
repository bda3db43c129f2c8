/* report.c - a campaign in words and numbers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "campaign.h"
#include "expected.h"
#include "plan.h"

static int compare(const void *a, const void *b)
{
    const struct sim_coverage_entry *const *one = a, *const *two = b;

    return strcmp((*one)->name, (*two)->name);
}

static void print_coverage(const struct sim_coverage *coverage, FILE *out)
{
    const struct sim_coverage_entry *sorted[SIM_COVERAGE_MAX];
    uint32_t count = 0, column = 0;

    for (uint32_t i = 0; i < SIM_COVERAGE_MAX; i++)
        if (coverage->entries[i].name[0] != '\0')
            sorted[count++] = &coverage->entries[i];
    qsort(sorted, count, sizeof sorted[0], compare);
    for (uint32_t i = 0; i < count; i++)
        column += (uint32_t)fprintf(out, "%s%s %" PRIu64, column == 0 ? "  " : ", ",
                                    sorted[i]->name, sorted[i]->count),
            column = column > 90 ? ((void)fprintf(out, "\n"), 0) : column;
    (void)fprintf(out, "%s", column > 0 ? "\n" : "");
}

void sim_campaign_print_replay(const struct sim_result *result, FILE *out)
{
    const uint64_t length_ns = result->length_ns;
    char more[64] = "";

    if (result->often[0] != '\0')
        (void)snprintf(more, sizeof more, " --often %s", result->often);
    (void)fprintf(out,
                  "  seed %" PRIu64 ": %s: %s\n"
                  "    again:  breakwater-sim --seed %" PRIu64 " --mode %s --length %" PRIu64
                  "s%s --story\n"
                  "    less:   breakwater-sim --seed %" PRIu64 " --mode %s --length %" PRIu64
                  "s%s --shrink\n",
                  result->seed, result->property, result->failure, result->seed,
                  sim_mode_word(result->mode), length_ns / SIM_S, more, result->seed,
                  sim_mode_word(result->mode), length_ns / SIM_S, more);
}

uint32_t sim_campaign_print_silent(const struct sim_campaign *campaign, FILE *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; sim_expected(i) != NULL; i++) {
        const char *name = sim_expected(i);

        if (sim_coverage_get(&campaign->coverage, name) == 0) {
            (void)fprintf(out, "%s%s", count > 0 ? ", " : "never fired: ", name);
            count++;
        }
    }
    (void)fprintf(out, "%s", count > 0 ? "\n" : "");
    return count;
}

static void print_replacements(const struct sim_coverage *coverage, FILE *out)
{
    const uint64_t restored = sim_coverage_get(coverage, "recovery:restored");

    (void)fprintf(out,
                  "%" PRIu64 " member changes, %" PRIu64 " recoveries (%" PRIu64
                  " of a saved state), %" PRIu64 " rolling upgrades (%" PRIu64
                  " daemons restarted, %" PRIu64 " rolls back)\n",
                  sim_coverage_get(coverage, "members:done"),
                  sim_coverage_get(coverage, "recover:done") + restored, restored,
                  sim_coverage_get(coverage, "upgrade:done"),
                  sim_coverage_get(coverage, "upgrade:restart"),
                  sim_coverage_get(coverage, "upgrade:rolled_back"));
}

void sim_campaign_print(const struct sim_campaign *campaign, FILE *out)
{
    const double hours = (double)campaign->lived_ns / 3.6e12;
    const double seconds = (double)campaign->real_ns / 1e9;
    char seeds[64] = "no seed";

    if (campaign->next_seed > campaign->first_seed)
        (void)snprintf(seeds, sizeof seeds, "seeds %" PRIu64 "..%" PRIu64, campaign->first_seed,
                       campaign->next_seed - 1);
    (void)fprintf(out, "how often each rule and fault fired:\n");
    print_coverage(&campaign->coverage, out);
    for (uint64_t i = 0; i < campaign->failure_count && i < SIM_FAILURES_MAX; i++)
        sim_campaign_print_replay(&campaign->failures[i], out);
    (void)fprintf(out, "%.1f h simulated in %.0f s on %u cores (%.2f h/s, %.2f M events/s), %s%s\n",
                  hours, seconds, campaign->jobs, seconds > 0 ? hours / seconds : 0,
                  seconds > 0 ? (double)campaign->events / seconds / 1e6 : 0,
                  campaign->listed_next > 0 ? "those of the file, " : "", seeds);
    (void)fprintf(out,
                  "%" PRIu64 " grants, %" PRIu64 " failovers, %" PRIu64 " starts, %" PRIu64
                  " elections, %" PRIu64 " entries committed, %" PRIu64
                  " acknowledged; %" PRIu64 " liveness runs judged; %" PRIu64
                  " overlaps outside of what is promised (design 3.8)\n",
                  campaign->tally.grants, campaign->tally.failovers, campaign->tally.starts,
                  campaign->tally.elections, campaign->tally.committed,
                  campaign->tally.acknowledged, campaign->tally.settled,
                  campaign->tally.overlaps_outside);
    print_replacements(&campaign->coverage, out);
    (void)fprintf(out, "%" PRIu64 " seeds, %" PRIu64 " failed\n", campaign->run_count,
                  campaign->failure_count);
}
