#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/words.h>
#include <breakwater/core/spec_keys.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>

#define PRIORITY_MAX 1000

/* ---- keys ---- */

#define NO_LIST(...)
#define LIST_OF(member, key, LIST, ...)                                                            \
    static const char *const member##_words[] = {BW_##LIST##_LIST(BW_WORD_OF_ROW)};
BW_SPEC_KEYS(NO_LIST, LIST_OF, LIST_OF)

/* The place of a uint32_t, or of a member as large as one; else this does not compile. */
#define PLACE(member)                                                                              \
    (offsetof(struct bw_spec, member) +                                                            \
     0 * sizeof(char[sizeof(((struct bw_spec *)0)->member) == sizeof(uint32_t) ? 1 : -1]))
#define NUMBER_ROW(member, name, of, recorded, least, most, absent, ...)                           \
    {.word = (name), .json = #member, .offset = PLACE(member), .number = (recorded),        \
     .unit = BW_SPEC_UNIT_##of, .min = (least), .max = (most), .initial = (absent)},
#define WORD_ROW(member, name, LIST, recorded, absent, ...)                                        \
    {.word = (name), .json = (name), .offset = PLACE(member), .number = (recorded),                \
     .unit = BW_SPEC_UNIT_WORD, .max = sizeof member##_words / sizeof member##_words[0] - 1,       \
     .initial = BW_##LIST##_##absent, .words = member##_words},
const struct bw_spec_key bw_spec_keys[BW_SPEC_KEY_COUNT] = {
    BW_SPEC_KEYS(NUMBER_ROW, WORD_ROW, WORD_ROW)};

uint32_t bw_spec_key_get(const struct bw_spec *spec, const struct bw_spec_key *key)
{
    uint32_t value;

    memcpy(&value, (const char *)spec + key->offset, sizeof value);
    return value;
}

void bw_spec_key_set(struct bw_spec *spec, const struct bw_spec_key *key, uint32_t value)
{
    memcpy((char *)spec + key->offset, &value, sizeof value);
}

const char *bw_spec_key_words(const struct bw_spec_key *key, char out_words[BW_SPEC_WORDS_BYTES])
{
    size_t used = 0;

    for (uint32_t value = 0; value <= key->max; value++) {
        used += (size_t)snprintf(out_words + used, BW_SPEC_WORDS_BYTES - used, "%s%s",
                                 value == 0 ? "" : ", ", key->words[value]);
        BW_ASSERT(used < BW_SPEC_WORDS_BYTES); /* our own words */
    }
    return out_words;
}

const struct bw_spec_key *bw_spec_key_recorded(uint32_t number)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        if (bw_spec_keys[i].number == number)
            return &bw_spec_keys[i];
    return NULL;
}

void bw_spec_defaults(struct bw_spec *out_spec)
{
    *out_spec = (struct bw_spec){0};
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        bw_spec_key_set(out_spec, &bw_spec_keys[i], bw_spec_keys[i].initial);
}

struct number_text {
    char text[16];
};

static struct number_text format_number(uint32_t value, enum bw_spec_unit unit)
{
    struct number_text out;
    int size;

    if (unit == BW_SPEC_UNIT_MS && value % BW_SPEC_SECOND == 0)
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "s", value / BW_SPEC_SECOND);
    else if (unit == BW_SPEC_UNIT_MS)
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "ms", value);
    else
        size = snprintf(out.text, sizeof out.text, "%" PRIu32 "%s", value,
                        unit == BW_SPEC_UNIT_PPM ? "ppm" : "");
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

static void check_ranges(const struct bw_spec *spec, struct findings *findings)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++) {
        const struct bw_spec_key *key = &bw_spec_keys[i];
        const uint32_t value = bw_spec_key_get(spec, key);

        if (key->words == NULL && (value < key->min || value > key->max))
            add(findings, key->word, "%s %s is outside %s to %s", key->word,
                format_number(value, key->unit).text, format_number(key->min, key->unit).text,
                format_number(key->max, key->unit).text);
    }
}

static void check_words(const struct bw_spec *spec, struct findings *findings)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++) {
        const struct bw_spec_key *key = &bw_spec_keys[i];
        char words[BW_SPEC_WORDS_BYTES];

        if (key->words != NULL && bw_spec_key_get(spec, key) > key->max)
            add(findings, key->word, "not one of %s", bw_spec_key_words(key, words));
    }
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
            add_for_site(findings, site, "name", "%s is also the name of sites[%" PRIu32 "]",
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
        add(findings, "sites", "every site has `failover_candidate: false`: no site could be primary");
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
    return (uint32_t)bw_min(spec->request_timeout_ms, election_timeout_ms) / 2;
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
        add(findings, "lease_ttl", "lease_ttl %s is not longer than fence_window %s",
            format_number(spec->lease_ttl_ms, BW_SPEC_UNIT_MS).text,
            format_number(spec->fence_timeout_ms, BW_SPEC_UNIT_MS).text);
    if (election_timeout_ms == 0 || spec->lease_ttl_ms >= min)
        return;
    if (min > UINT32_MAX) {
        add(findings, "lease_ttl", "the other timings are too long for any lease_ttl");
        return;
    }
    add(findings, "lease_ttl",
        "lease_ttl %s - fence_window %s = %s%s is less than 2*renew_interval %s + "
        "request_timeout %s + 4*election_timeout %s + 4*lease_margin %s = %s; make lease_ttl at least %s",
        format_number(spec->lease_ttl_ms, BW_SPEC_UNIT_MS).text,
        format_number(spec->fence_timeout_ms, BW_SPEC_UNIT_MS).text, is_negative ? "-" : "",
        format_number(left, BW_SPEC_UNIT_MS).text, format_number(spec->renew_interval_ms, BW_SPEC_UNIT_MS).text,
        format_number(spec->request_timeout_ms, BW_SPEC_UNIT_MS).text,
        format_number(election_timeout_ms, BW_SPEC_UNIT_MS).text,
        format_number(spec->margin_ms, BW_SPEC_UNIT_MS).text, format_number((uint32_t)needed, BW_SPEC_UNIT_MS).text,
        format_number((uint32_t)min, BW_SPEC_UNIT_MS).text);
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
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        if (bw_spec_key_get(spec, &bw_spec_keys[i]) != bw_spec_key_get(other, &bw_spec_keys[i]))
            return false;
    return strcmp(spec->name, other->name) == 0 && are_sites_equal(spec, other);
}

BW_WORDS(bw_mode_word, enum bw_mode, BW_MODE_LIST, "unlisted")

const char *bw_mode_shown(enum bw_mode mode)
{
    return mode == BW_MODE_OBSERVE ? "unmanaged" : bw_mode_word(mode);
}

bool bw_mode_parse(const char *word, enum bw_mode *out_mode)
{
    for (int mode = 0; word != NULL && mode <= BW_MODE_PAUSED; mode++) {
        if (strcmp(word, bw_mode_word((enum bw_mode)mode)) == 0 || strcmp(word, bw_mode_shown((enum bw_mode)mode)) == 0) {
            *out_mode = (enum bw_mode)mode;
            return true;
        }
    }
    return false;
}

BW_WORDS(bw_reach_word, enum bw_reach_kind, BW_REACH_LIST, "unlisted")
BW_WORDS(bw_reach_seen_word, enum bw_reach_seen, BW_REACH_SEEN_LIST, "unlisted")
