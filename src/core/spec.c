#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>
#include <breakwater/core/spec.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>

#define SECOND        UINT32_C(1000)
#define MINUTE        (60 * SECOND)
#define HOUR          (60 * MINUTE)
#define DAY           (24 * HOUR)
#define MARGIN_MS_MIN ((uint32_t)(BW_MARGIN_NS_MIN / 1000000))
#define PRIORITY_MAX  1000

void bw_spec_defaults(struct bw_spec *out_spec)
{
    *out_spec = (struct bw_spec){
        .mode = BW_MODE_AUTO,
        .lease_ttl_ms = 15 * SECOND,
        .fence_timeout_ms = 5 * SECOND,
        .renew_interval_ms = 1 * SECOND,
        .request_timeout_ms = 1 * SECOND,
        .margin_ms = 250,
        .max_clock_drift_ppm = 1000,
        .max_lag_ms = 5 * SECOND,
        .switchover_timeout_ms = 120 * SECOND,
        .failover_window_ms = 1 * HOUR,
        .retry_backoff_ms = 10 * SECOND,
        .unhealthy_after_ms = 5 * MINUTE,
        .on_lag = BW_ON_LAG_REFUSE,
        .handover_by_time = BW_HANDOVER_PROVED,
    };
}

/* ---- numbers in ranges ---- */

enum unit { UNIT_MS, UNIT_PPM, UNIT_COUNT };

struct range {
    const char *key;
    size_t offset; /* of a uint32_t in struct bw_spec */
    uint32_t min;
    uint32_t max;
    enum unit unit;
};

#define RANGE(key, field, min, max, unit)                                                          \
    {                                                                                              \
        key, offsetof(struct bw_spec, field), min, max, unit                                       \
    }
static const struct range ranges[] = {
    RANGE("lease_ttl", lease_ttl_ms, 500, HOUR, UNIT_MS),
    RANGE("fence_timeout", fence_timeout_ms, 50, 30 * MINUTE, UNIT_MS),
    RANGE("renew_interval", renew_interval_ms, 20, BW_PACE_MS_MAX, UNIT_MS),
    RANGE("request_timeout", request_timeout_ms, 20, BW_PACE_MS_MAX, UNIT_MS),
    RANGE("margin", margin_ms, MARGIN_MS_MIN, 10 * SECOND, UNIT_MS),
    RANGE("max_clock_drift_ppm", max_clock_drift_ppm, 1, BW_DRIFT_PPM_MAX, UNIT_PPM),
    RANGE("max_lag", max_lag_ms, 0, DAY, UNIT_MS),
    RANGE("switchover_timeout", switchover_timeout_ms, SECOND, DAY, UNIT_MS),
    RANGE("failback", failback_after_ms, 0, 7 * DAY, UNIT_MS),
    RANGE("min_primary_time", min_primary_time_ms, 0, 7 * DAY, UNIT_MS),
    RANGE("max_failovers_per_window", failovers_max, 0, 1000, UNIT_COUNT),
    RANGE("failover_window", failover_window_ms, 60 * SECOND, 7 * DAY, UNIT_MS),
    RANGE("unhealthy_after", unhealthy_after_ms, 0, DAY, UNIT_MS),
    RANGE("retry_backoff", retry_backoff_ms, 100, HOUR, UNIT_MS),
};

struct number_text {
    char text[16];
};

static struct number_text format_number(uint32_t value, enum unit unit)
{
    struct number_text out;
    int size;

    if (unit == UNIT_MS && value % SECOND == 0)
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "s", value / SECOND);
    else if (unit == UNIT_MS)
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "ms", value);
    else
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "%s", value,
                        unit == UNIT_PPM ? "ppm" : "");
    BW_ASSERT(size > 0 && (size_t)size < sizeof out.text); /* no number is shown cut off */
    return out;
}

/* ---- problems ---- */

struct findings {
    struct bw_spec_problem *problems;
    size_t problems_max;
    size_t count;
};

__attribute__((format(printf, 3, 4))) static void add(struct findings *findings, const char *key,
                                                      const char *format, ...)
{
    struct bw_spec_problem *problem;
    va_list args;

    BW_ASSERT(findings->problems_max == 0 || findings->problems != NULL);
    BW_ASSERT(strlen(key) < sizeof problem->key);
    if (findings->count++ >= findings->problems_max)
        return;
    problem = &findings->problems[findings->count - 1];
    (void)snprintf(problem->key, sizeof problem->key, "%s", key);
    va_start(args, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
}

__attribute__((format(printf, 4, 5))) static void
add_for_site(struct findings *findings, uint32_t site, const char *field, const char *format, ...)
{
    char key[sizeof findings->problems->key];
    char text[sizeof findings->problems->text];
    va_list args;

    (void)snprintf(key, sizeof key, "sites[%" PRIu32 "].%s", site, field);
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add(findings, key, "%s", text);
}

static const char *const name_rule =
    "not a name: 1 to 63 of a-z A-Z 0-9 . _ - and the first a letter or digit";

static uint32_t number_of(const struct bw_spec *spec, const struct range *range)
{
    uint32_t value;

    BW_ASSERT(range->offset <= sizeof *spec - sizeof value);
    memcpy(&value, (const char *)spec + range->offset, sizeof value);
    return value;
}

static void check_ranges(const struct bw_spec *spec, struct findings *findings)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *range = &ranges[i];
        const uint32_t value = number_of(spec, range);

        if (value < range->min || value > range->max)
            add(findings, range->key, "%s %s is outside %s to %s", range->key,
                format_number(value, range->unit).text, format_number(range->min, range->unit).text,
                format_number(range->max, range->unit).text);
    }
}

static void check_words(const struct bw_spec *spec, struct findings *findings)
{
    if ((unsigned)spec->mode > BW_MODE_PAUSED)
        add(findings, "mode", "not one of auto, manual, observe, paused");
    if ((unsigned)spec->on_lag > BW_ON_LAG_ALLOW)
        add(findings, "on_lag", "not one of refuse, allow");
    if ((unsigned)spec->handover_by_time > BW_HANDOVER_ALWAYS)
        add(findings, "handover_by_time", "not one of proved, never, always");
}

static void check_site(const struct bw_spec *spec, uint32_t site, struct findings *findings)
{
    const struct bw_site_spec *own = &spec->sites[site];

    BW_ASSERT(site < spec->site_count && spec->site_count <= BW_SITES_MAX);
    if (!bw_name_is_valid(own->name)) {
        add_for_site(findings, site, "name", "%s", name_rule);
        return;
    }
    if (own->priority > PRIORITY_MAX)
        add_for_site(findings, site, "priority", "priority %" PRIu32 " is outside 0 to %d",
                     own->priority, PRIORITY_MAX);
    for (uint32_t i = 0; i < site; i++)
        if (strncmp(own->name, spec->sites[i].name, sizeof own->name) == 0)
            add_for_site(findings, site, "name", "%s is the name of sites[%" PRIu32 "] too",
                         own->name, i);
}

static void check_sites(const struct bw_spec *spec, struct findings *findings)
{
    uint32_t candidates = 0;

    if (spec->site_count < 2 || spec->site_count > BW_SITES_MAX) {
        add(findings, "sites", "%" PRIu32 " sites; a group has 2 to %d", spec->site_count,
            BW_SITES_MAX);
        return;
    }
    for (uint32_t i = 0; i < spec->site_count; i++) {
        check_site(spec, i, findings);
        candidates += !spec->sites[i].never_candidate;
    }
    if (candidates == 0)
        add(findings, "sites", "every site is `candidate: never`: nobody could be primary");
}

uint64_t bw_spec_lease_ttl_ms_min(const struct bw_spec *spec, uint32_t election_timeout_ms)
{
    return (uint64_t)spec->fence_timeout_ms + 2 * (uint64_t)spec->renew_interval_ms +
           spec->request_timeout_ms + 4 * (uint64_t)election_timeout_ms +
           4 * (uint64_t)spec->margin_ms;
}

/* A sync and its proof are two round trips, and so are the two rounds of an election. */
uint32_t bw_spec_trip_ms_max(const struct bw_spec *spec, uint32_t election_timeout_ms)
{
    const uint32_t least_ms = spec->request_timeout_ms < election_timeout_ms ? spec->request_timeout_ms
                                                                             : election_timeout_ms;

    return least_ms / 2;
}

/* Design 4: any single witness may be lost, the leader included, and no script runs. */
static void check_inequality(const struct bw_spec *spec, uint32_t election_timeout_ms,
                             struct findings *findings)
{
    const uint64_t min = bw_spec_lease_ttl_ms_min(spec, election_timeout_ms);
    const bool is_negative = spec->lease_ttl_ms < spec->fence_timeout_ms;
    const uint32_t left = is_negative ? spec->fence_timeout_ms - spec->lease_ttl_ms
                                      : spec->lease_ttl_ms - spec->fence_timeout_ms;
    const uint64_t needed = min - spec->fence_timeout_ms;

    BW_ASSERT(min >= spec->fence_timeout_ms); /* so `needed` is no negative number */
    if (election_timeout_ms == 0 && (is_negative || left == 0))
        add(findings, "lease_ttl", "lease_ttl %s is not longer than fence_timeout %s",
            format_number(spec->lease_ttl_ms, UNIT_MS).text,
            format_number(spec->fence_timeout_ms, UNIT_MS).text);
    if (election_timeout_ms == 0 || spec->lease_ttl_ms >= min)
        return;
    if (min > UINT32_MAX) {
        add(findings, "lease_ttl", "the other timings are too long for any lease_ttl");
        return;
    }
    add(findings, "lease_ttl",
        "lease_ttl %s - fence_timeout %s = %s%s is less than 2*renew_interval %s + "
        "request_timeout %s + 4*election_timeout %s + 4*margin %s = %s; make lease_ttl at least %s",
        format_number(spec->lease_ttl_ms, UNIT_MS).text,
        format_number(spec->fence_timeout_ms, UNIT_MS).text, is_negative ? "-" : "",
        format_number(left, UNIT_MS).text, format_number(spec->renew_interval_ms, UNIT_MS).text,
        format_number(spec->request_timeout_ms, UNIT_MS).text,
        format_number(election_timeout_ms, UNIT_MS).text,
        format_number(spec->margin_ms, UNIT_MS).text, format_number((uint32_t)needed, UNIT_MS).text,
        format_number((uint32_t)min, UNIT_MS).text);
}

size_t bw_spec_check(const struct bw_spec *spec, uint32_t election_timeout_ms,
                     struct bw_spec_problem *out_problems, size_t problems_max)
{
    struct findings findings = {.problems = out_problems, .problems_max = problems_max};

    if (!bw_name_is_valid(spec->name))
        add(&findings, "name", "%s", name_rule);
    check_sites(spec, &findings);
    check_words(spec, &findings);
    check_ranges(spec, &findings);
    check_inequality(spec, election_timeout_ms, &findings);
    BW_ASSERT(findings.count > 0 || spec->lease_ttl_ms > spec->fence_timeout_ms); /* 3.2.4 */
    BW_ASSERT(findings.count > 0 || spec->site_count >= 2);
    return findings.count;
}

bool bw_spec_timings_may_be(const struct bw_spec *spec)
{
    struct findings findings = {.problems = NULL}; /* only counted */

    check_ranges(spec, &findings);
    check_inequality(spec, 0, &findings);
    return findings.count == 0;
}

/* ---- look-ups ---- */

int bw_spec_find_site(const struct bw_spec *spec, const char *name)
{
    for (uint32_t i = 0; i < spec->site_count && i < BW_SITES_MAX; i++)
        if (name[0] != '\0' && strcmp(spec->sites[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool bw_spec_is_candidate(const struct bw_spec *spec, const char *name)
{
    const int site = bw_spec_find_site(spec, name);

    return site >= 0 && !spec->sites[site].never_candidate;
}

static bool are_sites_equal(const struct bw_spec *spec, const struct bw_spec *other)
{
    if (spec->site_count != other->site_count)
        return false;
    for (uint32_t i = 0; i < spec->site_count; i++) {
        const struct bw_site_spec *site = &spec->sites[i];
        const struct bw_site_spec *its = &other->sites[i];

        if (strcmp(site->name, its->name) != 0 || site->priority != its->priority ||
            site->never_candidate != its->never_candidate)
            return false;
    }
    return true;
}

bool bw_spec_is_equal(const struct bw_spec *spec, const struct bw_spec *other)
{
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (number_of(spec, &ranges[i]) != number_of(other, &ranges[i]))
            return false;
    return strcmp(spec->name, other->name) == 0 && are_sites_equal(spec, other) &&
           spec->mode == other->mode && spec->on_lag == other->on_lag &&
           spec->handover_by_time == other->handover_by_time;
}

BW_WORDS(bw_mode_word, enum bw_mode, BW_MODE_LIST, "unlisted")

bool bw_mode_parse(const char *word, enum bw_mode *out_mode)
{
    for (int mode = 0; word != NULL && mode <= BW_MODE_PAUSED; mode++) {
        if (strcmp(word, bw_mode_word((enum bw_mode)mode)) == 0) {
            *out_mode = (enum bw_mode)mode;
            return true;
        }
    }
    return false;
}

BW_WORDS(bw_reach_word, enum bw_reach_kind, BW_REACH_LIST, "unlisted")
BW_WORDS(bw_reach_seen_word, enum bw_reach_seen, BW_REACH_SEEN_LIST, "unlisted")
BW_WORDS(bw_on_lag_word, enum bw_on_lag, BW_ON_LAG_LIST, "unlisted")
BW_WORDS(bw_handover_word, enum bw_handover, BW_HANDOVER_LIST, "unlisted")
