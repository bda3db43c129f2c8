/* history_show.c - the history for people: one line for each epoch and each change, newest first,
 * and beneath it what is known of it, no wider than a screen. Design 3.1. */
#include "columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/command.h>
#include <breakwater/core/steps_progress.h>

#include "alarm_lines.h"
#include "api.h"
#include "wrap.h"

#define FACTS_BYTES  4096
#define OUTAGE_BYTES 96

/* What is known of one entry, with "; " between. */
struct facts {
    char text[FACTS_BYTES];
};

__attribute__((format(printf, 2, 3))) static void add(struct facts *facts, const char *format, ...)
{
    const size_t used = strlen(facts->text);
    const size_t start = used > 0 && used + 2 < sizeof facts->text ? used + 2 : used;
    va_list args;

    if (start > used)
        memcpy(facts->text + used, "; ", 3);
    va_start(args, format);
    (void)vsnprintf(facts->text + start, sizeof facts->text - start, format, args);
    va_end(args);
}

/* One line, which bw_wrap_end breaks. */
static void print_text(const char *text, FILE *out)
{
    if (text[0] != '\0')
        (void)fprintf(out, "    %s\n", text); /* a failed write stays in `out` */
}

/* "2026-01-06 09:14:02" of an RFC 3339 time. */
static const char *short_time(const char *time, char out_text[24])
{
    (void)snprintf(out_text, 24, "%.19s", time);
    if (strlen(out_text) > 10)
        out_text[10] = ' ';
    return out_text;
}

static void print_head(const json_t *entry, const char *what, FILE *out)
{
    char when[24];

    (void)fprintf(out, "%s  %s  %s\n", short_time(bw_json_member(entry, "time"), when),
                  bw_json_member(entry, "group"), what);
}

/* "operator/anna: kernel update" */
static const char *words_of(const json_t *object, char out_text[512])
{
    const char *by = bw_json_member(object, "by");
    const char *text = bw_json_member(object, "text");

    out_text[0] = '\0';
    if (by[0] != '\0')
        (void)snprintf(out_text, 512, "%s%s%s", by, text[0] != '\0' ? ": " : "", text);
    return out_text;
}

/* ---- an epoch ---- */

static const json_t *moment_of(const json_t *entry, const char *phase)
{
    return bw_json_find(json_object_get(entry, "timeline"), "phase", phase);
}

/* 3.8: how long nobody served is not measured where a person had it serve meanwhile. A record of before counts that. */
static bool was_overridden(const json_t *entry)
{
    return strcmp(bw_json_member(entry, "reason"), bw_reason_word(BW_REASON_OVERRIDE)) == 0;
}

/* "0.4 s to 1.8 s", or "at most 1.8 s". */
static const char *outage_text(const json_t *entry, char out_text[OUTAGE_BYTES])
{
    const json_t *least = json_object_get(entry, "outage_least_ms");
    char from[32], most[32];

    (void)bw_seconds(bw_json_number(entry, "outage_ms"), most);
    (void)bw_seconds(json_integer_value(least), from);
    (void)snprintf(out_text, OUTAGE_BYTES, "%s%s%s", json_is_integer(least) ? from : "at most", json_is_integer(least) ? " to " : " ",
                   most);
    return out_text;
}

static void add_silence(struct facts *facts, const json_t *entry)
{
    const json_t *outage = json_object_get(entry, "outage_ms");
    const json_t *renewed = moment_of(entry, "last_renewal");
    char text[32], outage_words[OUTAGE_BYTES];

    if (renewed != NULL)
        add(facts, "the last renewal of %s was %s earlier", bw_json_member(entry, "previous_site"),
            bw_seconds(bw_json_number(moment_of(entry, "grant"), "at_ms") - bw_json_number(renewed, "at_ms"), text));
    if (json_is_integer(outage) && !was_overridden(entry))
        add(facts, "without service %s", outage_text(entry, outage_words));
}

static void add_restarts(struct facts *facts, const json_t *entry)
{
    const json_t *restarts = json_object_get(entry, "restarts");
    const int64_t count = bw_json_number(restarts, "count");
    char when[24];

    if (json_is_object(restarts))
        add(facts, "the service was restarted at %s %s, last %s", bw_json_member(entry, "site"), bw_times(count),
            short_time(bw_json_member(restarts, "last"), when));
}

static void add_waived(struct facts *facts, const json_t *entry)
{
    const char *waived = bw_json_member(entry, "bypassed");

    if (waived[0] != '\0')
        add(facts, "bypassed %s", waived);
}

/* Whether its guard could stop what it served. */
static void add_kill(struct facts *facts, const json_t *entry)
{
    const char *seen = bw_json_member(entry, "reach_seen");
    const char *site = bw_json_member(entry, "site");
    const bool is_over = json_is_object(json_object_get(entry, "ended"));

    if (strcmp(seen, bw_reach_seen_word(BW_REACH_INSIDE)) == 0)
        add(facts, "the guard of %s %s kill the service (%s)", site, is_over ? "could" : "can",
            bw_json_truth(entry, "reach_proved") ? "tested" : "not tested");
    else if (strcmp(seen, bw_reach_seen_word(BW_REACH_OUTSIDE)) == 0)
        add(facts, "the guard of %s %s kill the service", site, is_over ? "could not" : "cannot");
    else
        add(facts, "it is unknown whether the guard of %s %s kill the service", site, is_over ? "could" : "can");
}

static void add_hold(struct facts *facts, const json_t *entry)
{
    const json_t *held = json_object_get(entry, "held");
    const json_t *for_ms = json_object_get(held, "for_ms");
    char when[24], text[32];

    if (!json_is_object(held))
        return;
    add(facts, "fence failed %s", short_time(bw_json_member(held, "since"), when));
    if (json_is_integer(for_ms))
        add(facts, "blocked for %s", bw_seconds(json_integer_value(for_ms), text));
}

const char *bw_reason_of(const json_t *object)
{
    const char *word = bw_json_member(object, "reason");

    return strcmp(word, bw_reason_word(BW_REASON_OPERATOR)) == 0 ? "confirm-fenced" : word;
}

static void add_end(struct facts *facts, const json_t *entry)
{
    const json_t *end = json_object_get(entry, "ended");
    char when[24], words[512], text[32];

    if (!json_is_object(end)) {
        if (!json_is_object(json_object_get(entry, "held")))
            add(facts, "current epoch");
        else
            add(facts, "current epoch; no site is primary until the stop of %s is confirmed", bw_json_member(entry, "site"));
        return;
    }
    (void)words_of(end, words);
    if (bw_json_number(entry, "served_after_end_ms") > 0)
        add(facts, "served %s after its end",
            bw_seconds(bw_json_number(entry, "served_after_end_ms"), text));
    if (strcmp(bw_json_member(entry, "ended_by"), bw_grade_shown(BW_GRADE_FORCED)) == 0)
        add(facts, "ended %s: an operator confirmed the stop", short_time(bw_json_member(end, "time"), when));
    else
        add(facts, "ended %s: %s, reason %s", short_time(bw_json_member(end, "time"), when), bw_json_member(entry, "ended_by"),
            bw_reason_of(end));
    if (words[0] != '\0')
        add(facts, "by %s", words);
}

static void show_epoch(const json_t *entry, FILE *out)
{
    const char *previous = bw_json_member(entry, "previous_site");
    const char *site = bw_json_member(entry, "site");
    const bool is_again = strcmp(previous, site) == 0;
    struct facts facts = {{0}};
    char what[256], words[512];

    (void)snprintf(what, sizeof what, "epoch %" PRId64 "  %s %s%s%s", bw_json_number(entry, "epoch"), bw_reason_of(entry),
                   is_again ? "" : previous, previous[0] == '\0' || is_again ? "" : " -> ", site);
    if (is_again)
        (void)snprintf(what + strlen(what), sizeof what - strlen(what), " again");
    print_head(entry, what, out);
    if (words_of(entry, words)[0] != '\0')
        add(&facts, "by %s", words);
    add_silence(&facts, entry);
    add_waived(&facts, entry);
    add_kill(&facts, entry);
    add_restarts(&facts, entry);
    add_hold(&facts, entry);
    print_text(facts.text, out);
    facts.text[0] = '\0';
    add_end(&facts, entry);
    print_text(facts.text, out);
}

/* ---- a change ---- */

static void add_changes(struct facts *facts, const json_t *entry)
{
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(entry, "changes"), i, change)
    {
        char *from = json_dumps(json_object_get(change, "from"), JSON_COMPACT | JSON_ENCODE_ANY);
        char *to = json_dumps(json_object_get(change, "to"), JSON_COMPACT | JSON_ENCODE_ANY);

        add(facts, "%s %.100s -> %.100s", bw_json_member(change, "key"), from != NULL ? from : "?",
            to != NULL ? to : "?");
        free(from);
        free(to);
    }
}

/* Words of JSON as people read them. */
struct read_as {
    const char *word;
    const char *text;
};

static const struct read_as kinds[] = {{"apply", "groups.yaml applied"},
                                       {"mode", "mode changed"},
                                       {"claimed", "claim begun"},
                                       {"claim_over", "claim ended"},
                                       {"wish_over", "request ended"},
                                       {NULL, NULL}};
static const struct read_as results[] = {{"granted", "done"},
                                         {"overtaken", "another site became primary"},
                                         {"given_up", "the move was canceled"},
                                         {"canceled", "an operator canceled it"},
                                         {"replaced", "a later request replaced it"},
                                         {"timed_out", "its timeout passed"},
                                         {"impossible", "it became impossible"},
                                         {"spec", "the site is no candidate any more, or the group is unmanaged"},
                                         {"recovered", "a recovery of the cluster canceled it"},
                                         {NULL, NULL}};
static const struct read_as claims[] = {{"waits", "the site waits for an override"},
                                        {"outside", "the site may serve, but is not in the spec"},
                                        {"overrides", "the site may serve under an override"},
                                        {"ahead", "the site reports a decision that the witnesses have lost"},
                                        {"reported", "the site reported its end"},
                                        {"adopted", "the site became primary"},
                                        {"operator", "an operator confirmed that the site is off, or its report false"},
                                        {NULL, NULL}};

static const char *read_as(const struct read_as *list, const char *word)
{
    while (list->word != NULL && strcmp(list->word, word) != 0)
        list++;
    return list->word != NULL ? list->text : word;
}

/* "request ended: switchover to dc-b" */
static void describe_change(const json_t *entry, char *out_text, size_t size)
{
    const char *request = bw_json_member(json_object_get(entry, "request"), "kind");
    const char *site = bw_json_member(entry, "site");

    (void)snprintf(out_text, size, "%s%s%s%s%s", read_as(kinds, bw_json_member(entry, "kind")),
                   request[0] != '\0' ? ": " : "", request,
                   site[0] == '\0'                                            ? ""
                   : strcmp(request, bw_wish_word(BW_WISH_FORCE_RELEASE)) == 0 ? " of "
                   : request[0] != '\0'                                       ? " to "
                                                                              : " at ",
                   site);
}

static void show_change(const json_t *entry, FILE *out)
{
    const json_t *duration = json_object_get(entry, "duration_ms");
    const json_t *wish = json_object_get(entry, "request");
    const json_t *claim = json_object_get(entry, "claim");
    struct facts facts = {{0}};
    char what[256], words[512], text[32];

    describe_change(entry, what, sizeof what);
    print_head(entry, what, out);
    if (words_of(entry, words)[0] != '\0')
        add(&facts, "by %s", words);
    if (json_is_integer(duration) && json_integer_value(duration) == 0)
        add(&facts, "ended");
    else if (json_is_integer(duration))
        add(&facts, "for %s", bw_seconds(json_integer_value(duration), text));
    if (json_is_object(wish))
        add(&facts, "result: %s", read_as(results, bw_json_member(wish, "end")));
    if (json_is_object(claim))
        add(&facts, "%s", read_as(claims, bw_json_member(claim, bw_json_member(claim, "end")[0] != '\0' ? "end" : "claim")));
    add_changes(&facts, entry);
    print_text(facts.text, out);
}

static void print_history(const json_t *history, FILE *out)
{
    const json_t *epochs = json_object_get(history, "entries");
    const json_t *changes = json_object_get(history, "changes");
    const size_t epoch_count = json_array_size(epochs);
    const size_t change_count = json_array_size(changes);
    const json_t *newest = json_array_get(epochs, 0);
    size_t epoch = 0;
    size_t change = 0;

    if (json_is_object(json_object_get(newest, "ended")))
        (void)fprintf(out, "No site is primary now: epoch %" PRId64 " has ended.\n", bw_json_number(newest, "epoch"));
    while (epoch < epoch_count || change < change_count) {
        const json_t *next_epoch = json_array_get(epochs, epoch);
        const json_t *next_change = json_array_get(changes, change);

        if (next_change == NULL ||
            (next_epoch != NULL &&
             bw_json_number(next_epoch, "index") >= bw_json_number(next_change, "index"))) {
            show_epoch(next_epoch, out);
            epoch++;
        } else {
            show_change(next_change, out);
            change++;
        }
    }
    if (epoch_count == 0)
        (void)fputs("No site has been primary yet.\n", out);
}

/* ---- one failover ---- */

/* Whose data is the newest is then whose epoch it was; else it may be that of one before (4). */
static bool is_known_to_have_written(const json_t *entry)
{
    return bw_json_truth(entry, "adopted") || moment_of(entry, "no_return") != NULL ||
           moment_of(entry, "started") != NULL || moment_of(entry, "verified") != NULL;
}

/* 3.1: under an epoch that is known to have left the data alone nobody served, and what is measured began before it. */
static const char *who_served_last(const json_t *report)
{
    return is_known_to_have_written(json_object_get(report, "before"))
               ? bw_json_member(json_object_get(report, "epoch"), "previous_site")
               : "an earlier primary";
}

/* Each moment of the timeline as people call it; of the site before, or of this one. */
static const struct {
    const char *phase;
    const char *member; /* NULL: who served last */
    const char *words;
    const char *adopted; /* of what served already; NULL: the same */
} moments[] = {
    {"last_served", NULL, " was seen to serve for the last time", NULL},
    {"told_to_stop", "previous_site", " was ordered to stop", NULL},
    {"last_renewal", "previous_site", " renewed its lease for the last time", NULL},
    {"closed", "previous_site", "'s epoch was closed: no renewal counts after that", NULL},
    {"ended", "previous_site", "'s epoch ended", NULL},
    {"grant", "site", " became primary", NULL},
    {"armed", "site", "'s guard armed the deadline", NULL},
    {"no_return", "site", " passed its point of no return", NULL},
    {"started", "site", " had started the service", " was seen to serve; nothing was started"},
    {"verified", "site", " had verified the start", " had verified that it serves"},
};

static void print_moments(const json_t *report, FILE *out)
{
    const json_t *entry = json_object_get(report, "epoch");
    const bool is_released = strcmp(bw_json_member(json_object_get(report, "before"), "ended_by"), bw_grade_shown(BW_GRADE_CONFIRMED)) == 0;
    json_t *moment;
    size_t i;

    json_array_foreach(json_object_get(entry, "timeline"), i, moment)
    {
        const char *phase = bw_json_member(moment, "phase");
        const char *who = "", *words;
        char at[32], took[34] = "+";
        size_t known = 0;

        (void)bw_seconds(bw_json_number(moment, "took_ms"), took + 1);
        (void)fprintf(out, "%10s %12s  ", bw_seconds(bw_json_number(moment, "at_ms"), at), took);
        while (known < sizeof moments / sizeof moments[0] &&
               strcmp(moments[known].phase, phase) != 0)
            known++;
        if (known == sizeof moments / sizeof moments[0]) {
            (void)fprintf(out, "%s\n", phase); /* of a newer witness */
            continue;
        }
        words = strcmp(phase, "ended") == 0 && is_released ? " released its lease" : moments[known].words;
        who = moments[known].member == NULL ? who_served_last(report) : bw_json_member(entry, moments[known].member);
        (void)fprintf(out, "%s%s\n", who[0] != '\0' ? who : "the last primary",
                      bw_json_truth(entry, "adopted") && moments[known].adopted != NULL ? moments[known].adopted : words);
    }
}

__attribute__((format(printf, 3, 4))) static void print_fact(FILE *out, const char *what,
                                                             const char *format, ...)
{
    struct facts facts = {{0}};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(facts.text, sizeof facts.text, format, args);
    va_end(args);
    (void)fprintf(out, "%s\n", what);
    print_text(facts.text, out);
}

static void print_phases(const json_t *entry, FILE *out)
{
    const json_t *phases = json_object_get(entry, "phases");
    char text[512] = "";

    for (int i = 0; i < BW_STEP_PHASE_COUNT; i++) {
        const char *phase = bw_step_phase_word((enum bw_step_phase)i);
        const json_t *ms = json_object_get(phases, phase);
        const size_t used = strlen(text);
        char took[BW_SECONDS_BYTES];

        if (json_is_integer(ms))
            (void)snprintf(text + used, sizeof text - used, "%s%s %s", used > 0 ? ", " : "",
                           i == BW_STEP_PHASE_NONE ? "steps without a phase" : phase,
                           bw_seconds(json_integer_value(ms), took));
    }
    if (text[0] != '\0')
        print_fact(out, "Steps of its start, by phase", "%s (as reported; parallel steps counted in full)", text);
}

/* Who had it before a group was deleted and applied again, no state knows. */
static bool was_made_anew(const json_t *report)
{
    const json_t *entry = json_object_get(report, "epoch");

    return bw_json_member(entry, "previous_site")[0] == '\0' &&
           (bw_json_truth(report, "older") || json_is_object(json_object_get(report, "before")));
}

#define MADE_ANEW "unknown: the group was re-created, and had epochs before"

/* 3.6: the epoch before is that of the start that failed, and nobody may have served under it. */
static bool is_way_back(const json_t *entry)
{
    return strcmp(bw_json_member(entry, "reason"), bw_reason_word(BW_REASON_ROLLBACK)) == 0;
}

static void print_outage(const json_t *report, FILE *out)
{
    const json_t *entry = json_object_get(report, "epoch");
    const json_t *outage = json_object_get(entry, "outage_ms");
    const bool has_least = json_is_integer(json_object_get(entry, "outage_least_ms"));
    char text[OUTAGE_BYTES];

    if (was_overridden(entry))
        print_fact(out, "Without service (RTO)",
                   "not measured: %s served already, under an override that an operator began there",
                   bw_json_member(entry, "site"));
    else if (bw_json_truth(entry, "adopted") && strcmp(bw_json_member(entry, "site"), bw_json_member(entry, "previous_site")) == 0)
        print_fact(out, "Without service (RTO)", "none: the service ran, and was adopted");
    else if (json_is_integer(outage))
        print_fact(out, "Without service (RTO)",
                   "%s, as reported by the sites: %sfrom the last probe that saw %s serve%s, until the start was verified%s",
                   outage_text(entry, text), has_least ? "at most " : "", who_served_last(report),
                   bw_json_truth(entry, "outage_reported") ? "" : " (as of its last report)",
                   has_least ? "; at least from the confirmed end, until the next start was allowed"
                             : "");
    else if (was_made_anew(report))
        print_fact(out, "Without service (RTO)", MADE_ANEW);
    else if (bw_json_member(entry, "previous_site")[0] == '\0')
        print_fact(out, "Without service (RTO)", "none: the group had no primary before");
    else
        print_fact(out, "Without service (RTO)",
                   "unknown: no leader received both the end of the service before and its verified "
                   "start");
}

#define DATA_BEHIND_PAGE "man 7 breakwater-runbook    # DATA LEFT AT THE OLD PRIMARY"

/* The site that was granted had it before, too. */
static void print_loss_of_same(const json_t *report, const char *site, FILE *out)
{
    if (is_known_to_have_written(json_object_get(report, "before")))
        print_fact(out, "Data lost (RPO)", "none: %s was the primary before, too", site);
    else
        print_fact(out, "Data lost (RPO)",
                   "unknown: %s was the primary before, too; whether its service changed data then is unknown, and its lag "
                   "was not measured",
                   site);
}

static void print_loss(const json_t *report, FILE *out)
{
    const json_t *entry = json_object_get(report, "epoch");
    const json_t *lag = json_object_get(entry, "lag");
    const char *site = bw_json_member(entry, "site");
    const char *previous = bw_json_member(entry, "previous_site");
    const bool is_same = strcmp(site, previous) == 0;
    char text[32], age[32];

    if (was_made_anew(report))
        print_fact(out, "Data lost (RPO)", MADE_ANEW);
    else if (previous[0] == '\0')
        print_fact(out, "Data lost (RPO)", "none: the group had no primary before");
    else if (is_way_back(entry) && !is_same) /* 3.6, 4 */
        print_fact(out, "Data lost (RPO)",
                   "none: %s has the data that it released, and the start at %s is known to have left the data "
                   "alone",
                   site, previous);
    else if (json_is_true(json_object_get(entry, "planned")) && !is_same) /* 3.6 */
        print_fact(
            out, "Data lost (RPO)",
            "none: a planned move: %s had stopped and released the lease, and %s had reached its final "
            "position (if scripts report one)",
            previous, site);
    else if (json_is_object(lag))
        print_fact(
            out, "Data lost (RPO)",
            "about %s: the lag of %s at the last measurement, %s before it became primary",
            bw_seconds(bw_json_number(lag, "lag_ms"), text), site, bw_seconds(bw_json_number(lag, "age_ms"), age));
    else if (is_same)
        print_loss_of_same(report, site, out);
    else
        print_fact(out, "Data lost (RPO)", "unknown: the lag of %s was not measured", site);
    if (bw_left_data_behind(entry) && !was_made_anew(report))
        (void)fprintf(out, "    %s may hold the lost data until %s rejoins. Before that, read:\n    " DATA_BEHIND_PAGE "\n",
                      previous, previous);
}

static void print_decision(const json_t *entry, FILE *out)
{
    const char *waived = bw_json_member(entry, "bypassed");
    const char *why = bw_json_member(entry, "blocked_by");
    char words[512];

    if (waived[0] != '\0')
        print_fact(out, "Bypassed on request", "%s (%s)", waived,
                   words_of(entry, words));
    if (why[0] != '\0')
        print_fact(out, "What blocked the other sites", "%s", why);
    else
        print_fact(out, "What blocked the other sites", "unknown, or none was evaluated");
}

void bw_show_history(const json_t *history, FILE *out)
{
    struct bw_wrapped wrapped;

    bw_wrap_begin(&wrapped, out);
    print_history(history, wrapped.stream);
    bw_wrap_end(&wrapped);
}

static void print_report(const json_t *report, FILE *out)
{
    const json_t *entry = json_object_get(report, "epoch");
    const json_t *before = json_object_get(report, "before");

    show_epoch(entry, out);
    if (json_is_object(json_object_get(entry, "ended")))
        (void)fprintf(out, "The state since then:\n    breakwater history %s\n", bw_json_member(entry, "group"));
    (void)fputs("\nTimeline\n", out);
    print_moments(report, out);
    (void)fputc('\n', out);
    print_phases(entry, out);
    print_outage(report, out);
    print_loss(report, out);
    print_decision(entry, out);
    if (!json_is_object(before))
        return;
    (void)fputs("\nThe epoch before\n", out);
    show_epoch(before, out);
}

void bw_show_report(const json_t *report, FILE *out)
{
    struct bw_wrapped wrapped;

    bw_wrap_begin(&wrapped, out);
    print_report(report, wrapped.stream);
    bw_wrap_end(&wrapped);
}
