/* members_report.c - telling it. */
#include "members.h"

#include <inttypes.h>
#include <stdlib.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>

#define MS_PER_S 1000.0

bool bw_members_are_ok(const struct bw_members *members)
{
    return members->replacement_count == members->options.replacements &&
           bw_entries_are_whole(&members->entries);
}

/* ---- distributions --------------------------------------------------------------------------- */

struct times {
    uint64_t *ms; /* on the heap */
    uint32_t count;
};

/* The smallest of which so many percent are no larger. */
static double at_percent(const struct times *times, uint32_t percent)
{
    const uint32_t rank = (times->count * percent + 99) / 100;

    return (double)times->ms[rank > 0 ? rank - 1 : 0] / MS_PER_S;
}

static void print_times(FILE *out, const char *words, struct times *times)
{
    (void)fprintf(out, "    %s: ", words);
    if (times->count == 0) {
        (void)fputs("none was measured\n", out);
        return;
    }
    qsort(times->ms, times->count, sizeof *times->ms, bw_u64_compare);
    (void)fprintf(out, "%" PRIu32 " times, median %.3f s, 90%% %.3f s, 99%% %.3f s, longest %.3f s\n",
                  times->count, at_percent(times, 50), at_percent(times, 90),
                  at_percent(times, 99), at_percent(times, 100));
}

/* Which of them one line is about. */
enum selection { CALM_AND_DEAD, CALM_AND_ALIVE, DISTURBED };

static bool is_of(const struct bw_replacement *replacement, enum selection selection)
{
    if (replacement->was_disturbed || selection == DISTURBED)
        return replacement->was_disturbed && selection == DISTURBED;
    return replacement->was_alive == (selection == CALM_AND_ALIVE);
}

static void print_removed(const struct bw_members *members, FILE *out, struct times *times,
                          enum selection selection, const char *words)
{
    times->count = 0;
    for (uint32_t i = 0; i < members->replacement_count; i++) {
        const struct bw_replacement *replacement = &members->replacements[i];

        if (is_of(replacement, selection) && replacement->caught_up_ms != 0 &&
            replacement->removed_ms >= replacement->caught_up_ms)
            times->ms[times->count++] = replacement->removed_ms - replacement->caught_up_ms;
    }
    print_times(out, words, times);
}

static void print_voted(const struct bw_members *members, FILE *out, struct times *times)
{
    times->count = 0;
    for (uint32_t i = 0; i < members->replacement_count; i++)
        if (members->replacements[i].has_to_vote)
            times->ms[times->count++] = members->replacements[i].to_vote_ms;
    print_times(out, "from the answer to replace until the new one voted", times);
}

/* ---- all ------------------------------------------------------------------------------------- */

void bw_members_print(const struct bw_members *members, FILE *out)
{
    const struct bw_entries *entries = &members->entries;
    struct times times = {.ms = calloc(members->replacement_count + 1, sizeof *times.ms)};

    (void)fprintf(out,
                  "    replacements=%" PRIu32 " acknowledged entries=%" PRIu64 " lost=%" PRIu64
                  " looks=%" PRIu32 " found=%" PRIu64 "\n",
                  members->replacement_count, entries->acknowledged_count, entries->lost_count,
                  members->look_count, entries->found_count);
    (void)fprintf(out,
                  "    leaders killed midway=%" PRIu32 " commands interrupted=%" PRIu32
                  " leads=%" PRIu32 " three to five and back=%" PRIu32 " unsafe removals not done=%"
                  PRIu32 "\n",
                  members->leader_kill_count, members->interrupt_count, members->lead_count,
                  members->grown_count, members->refusal_count);
    (void)fprintf(out,
                  "    without a leader for at most %.3f s, without an acknowledged entry for at most "
                  "%.3f s\n",
                  (double)members->leaderless_ms / MS_PER_S,
                  (double)entries->silence_ns / (double)BW_NS_PER_S);
    if (times.ms != NULL) { /* else these lines are missing */
        print_voted(members, out, &times);
        print_removed(members, out, &times, CALM_AND_DEAD,
                      "from caught up until the old one was out, its disk lost");
        print_removed(members, out, &times, CALM_AND_ALIVE, "the same, the old one running");
        print_removed(members, out, &times, DISTURBED, "the same, disturbed");
    }
    free(times.ms);
}
