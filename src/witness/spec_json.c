#include <breakwater/witness/spec_json.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/witness/json.h>

#define PATH_BYTES        192
#define SPEC_PROBLEMS_MAX 32

enum kind { NUMBER, WORD };

struct field {
    const char *key;
    enum kind kind;
    size_t offset;
    const char *(*word)(uint32_t value); /* of a WORD */
    uint32_t word_count;
};

static const char *mode_word(uint32_t value)
{
    return bw_mode_word((enum bw_mode)value);
}

static const char *on_lag_word(uint32_t value)
{
    return bw_on_lag_word((enum bw_on_lag)value);
}

static const char *handover_word(uint32_t value)
{
    return bw_handover_word((enum bw_handover)value);
}

#define SPEC(member) offsetof(struct bw_spec, member)
static const struct field fields[] = {
    {"mode", WORD, SPEC(mode), mode_word, BW_MODE_PAUSED + 1},
    {"lease_ttl_ms", NUMBER, SPEC(lease_ttl_ms), NULL, 0},
    {"fence_timeout_ms", NUMBER, SPEC(fence_timeout_ms), NULL, 0},
    {"renew_interval_ms", NUMBER, SPEC(renew_interval_ms), NULL, 0},
    {"request_timeout_ms", NUMBER, SPEC(request_timeout_ms), NULL, 0},
    {"margin_ms", NUMBER, SPEC(margin_ms), NULL, 0},
    {"max_clock_drift_ppm", NUMBER, SPEC(max_clock_drift_ppm), NULL, 0},
    {"max_lag_ms", NUMBER, SPEC(max_lag_ms), NULL, 0},
    {"on_lag", WORD, SPEC(on_lag), on_lag_word, BW_ON_LAG_ALLOW + 1},
    {"switchover_timeout_ms", NUMBER, SPEC(switchover_timeout_ms), NULL, 0},
    {"failback_ms", NUMBER, SPEC(failback_after_ms), NULL, 0},
    {"min_primary_time_ms", NUMBER, SPEC(min_primary_time_ms), NULL, 0},
    {"unhealthy_after_ms", NUMBER, SPEC(unhealthy_after_ms), NULL, 0},
    {"max_failovers_per_window", NUMBER, SPEC(failovers_max), NULL, 0},
    {"failover_window_ms", NUMBER, SPEC(failover_window_ms), NULL, 0},
    {"retry_backoff_ms", NUMBER, SPEC(retry_backoff_ms), NULL, 0},
    {"handover_by_time", WORD, SPEC(handover_by_time), handover_word, BW_HANDOVER_ALWAYS + 1},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
_Static_assert(sizeof(enum bw_mode) == sizeof(uint32_t) &&
                   sizeof(enum bw_on_lag) == sizeof(uint32_t) &&
                   sizeof(enum bw_handover) == sizeof(uint32_t),
               "words are read and written as uint32_t");

static uint32_t number_of(const struct bw_spec *spec, const struct field *field)
{
    uint32_t value;

    memcpy(&value, (const char *)spec + field->offset, sizeof value);
    return value;
}

/* ---- encoding ---- */

static json_t *encode_field(const struct bw_spec *spec, const struct field *field)
{
    switch (field->kind) {
    case NUMBER:
        return json_integer(number_of(spec, field));
    case WORD:
        return json_string(field->word(number_of(spec, field)));
    }
    return NULL;
}

static json_t *encode_sites(const struct bw_spec *spec)
{
    json_t *sites = json_array();

    for (uint32_t i = 0; i < spec->site_count && i < BW_SITES_MAX; i++) {
        const struct bw_site_spec *site = &spec->sites[i];

        sites = bw_json_append(sites, json_pack("{s:s, s:I, s:s}", "name", site->name, "priority",
                                                (json_int_t)site->priority, "candidate",
                                                site->never_candidate ? "never" : "always"));
    }
    return sites;
}

json_t *bw_spec_json_encode(const struct bw_spec *spec)
{
    json_t *object = json_pack("{s:s, s:o}", "name", spec->name, "sites", encode_sites(spec));

    for (size_t i = 0; i < FIELD_COUNT; i++)
        object = bw_json_merge(object,
                               json_pack("{s:o}", fields[i].key, encode_field(spec, &fields[i])));
    return object;
}

/* ---- problems ---- */

void bw_json_problems_init(struct bw_json_problems *problems)
{
    *problems = (struct bw_json_problems){.problems = json_array()};
}

void bw_json_problems_deinit(struct bw_json_problems *problems)
{
    json_decref(problems->problems);
    problems->problems = NULL;
}

void bw_json_problem(struct bw_json_problems *problems, const char *path, const char *format, ...)
{
    char text[512];
    va_list args;

    if (problems->count++ >= BW_JSON_PROBLEMS_MAX)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* A lost line is still counted. */
    (void)json_array_append_new(problems->problems,
                                json_pack("{s:o, s:o}", "path", bw_json_text(path), "text",
                                          bw_json_text(text)));
}

/* ---- decoding ---- */

static const char *type_word(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static bool decode_number(const json_t *value, const char *path, uint32_t *out,
                          struct bw_json_problems *problems)
{
    const json_int_t number = json_integer_value(value);

    if (!json_is_integer(value)) {
        bw_json_problem(problems, path, "%s, where a whole number belongs", type_word(value));
        return false;
    }
    if (number < 0 || number > (json_int_t)UINT32_MAX) {
        bw_json_problem(problems, path, "%" JSON_INTEGER_FORMAT " is outside 0 to %" PRIu32, number,
                        UINT32_MAX);
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool decode_word(const struct field *field, const json_t *value, const char *path,
                        uint32_t *out, struct bw_json_problems *problems)
{
    char words[128] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < field->word_count; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), field->word(i)) == 0) {
            *out = i;
            return true;
        }
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i == 0 ? "" : ", ",
                                 field->word(i));
        BW_ASSERT(used < sizeof words); /* our own words */
    }
    bw_json_problem(problems, path, "not one of %s", words);
    return false;
}

static bool decode_field(const struct field *field, const json_t *value, const char *path,
                         struct bw_spec *spec, struct bw_json_problems *problems)
{
    char *member = (char *)spec + field->offset;
    uint32_t number = 0;

    switch (field->kind) {
    case NUMBER:
        if (!decode_number(value, path, &number, problems))
            return false;
        memcpy(member, &number, sizeof number);
        return true;
    case WORD:
        if (!decode_word(field, value, path, &number, problems))
            return false;
        memcpy(member, &number, sizeof number);
        return true;
    }
    return false;
}

static bool decode_name(const json_t *value, const char *path, char out_name[BW_NAME_MAX + 1],
                        struct bw_json_problems *problems)
{
    if (!json_is_string(value)) {
        bw_json_problem(problems, path, "%s, where a name belongs",
                        value == NULL ? "nothing" : type_word(value));
        return false;
    }
    if (!bw_copy_text(out_name, BW_NAME_MAX + 1, json_string_value(value))) {
        bw_json_problem(problems, path, "%zu bytes; a name has at most %d",
                        json_string_length(value), BW_NAME_MAX);
        return false;
    }
    return true;
}

static bool decode_site(const json_t *value, const char *path, struct bw_site_spec *out_site,
                        struct bw_json_problems *problems)
{
    const size_t count_before = problems->count;
    const json_t *candidate = json_object_get(value, "candidate");
    const char *key;
    json_t *member;
    char at[PATH_BYTES];

    if (!json_is_object(value)) {
        bw_json_problem(problems, path, "%s, where a site belongs: {\"name\": …}", type_word(value));
        return false;
    }
    *out_site = (struct bw_site_spec){.priority = 100};
    (void)snprintf(at, sizeof at, "%.100s.name", path);
    (void)decode_name(json_object_get(value, "name"), at, out_site->name, problems); /* counted */
    (void)snprintf(at, sizeof at, "%.100s.candidate", path);
    if (candidate != NULL && (!json_is_string(candidate) ||
                              (strcmp(json_string_value(candidate), "never") != 0 &&
                               strcmp(json_string_value(candidate), "always") != 0)))
        bw_json_problem(problems, at, "not one of always, never");
    out_site->never_candidate =
        json_is_string(candidate) && strcmp(json_string_value(candidate), "never") == 0;
    json_object_foreach((json_t *)value, key, member) { /* the macro takes no const; it only reads */
        (void)snprintf(at, sizeof at, "%.100s.%.63s", path, key);
        if (strcmp(key, "priority") == 0)
            (void)decode_number(member, at, &out_site->priority, problems); /* counted */
        else if (strcmp(key, "name") != 0 && strcmp(key, "candidate") != 0)
            bw_json_problem(problems, at, "unknown key; a site has name, priority, candidate");
    }
    return problems->count == count_before;
}

static void decode_sites(const json_t *value, const char *path, struct bw_spec *spec,
                         struct bw_json_problems *problems)
{
    char at[PATH_BYTES];

    (void)snprintf(at, sizeof at, "%.100s.sites", path);
    if (!json_is_array(value)) {
        bw_json_problem(problems, at, "%s, where a list of sites belongs",
                        value == NULL ? "nothing" : type_word(value));
        return;
    }
    if (json_array_size(value) > BW_SITES_MAX) {
        bw_json_problem(problems, at, "%zu sites; a group has 2 to %d", json_array_size(value),
                        BW_SITES_MAX);
        return;
    }
    spec->site_count = (uint32_t)json_array_size(value);
    for (uint32_t i = 0; i < spec->site_count; i++) {
        (void)snprintf(at, sizeof at, "%.100s.sites[%" PRIu32 "]", path, i);
        (void)decode_site(json_array_get(value, i), at, &spec->sites[i], problems); /* counted */
    }
}

static const struct field *find_field(const char *key)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

/* The rules' own names are those of groups.yaml: lease_ttl is lease_ttl_ms here. */
static void check(const struct bw_spec *spec, const char *path, uint32_t election_timeout_ms,
                  struct bw_json_problems *problems)
{
    struct bw_spec_problem found[SPEC_PROBLEMS_MAX];
    const size_t count = bw_spec_check(spec, election_timeout_ms, found, SPEC_PROBLEMS_MAX);
    char key[72];
    char at[PATH_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (i == SPEC_PROBLEMS_MAX) {
            bw_json_problem(problems, path, "and %zu more problems", count - i);
            return;
        }
        (void)snprintf(key, sizeof key, "%.63s_ms", found[i].key);
        (void)snprintf(at, sizeof at, "%.100s.%.71s", path,
                       find_field(key) != NULL ? key : found[i].key);
        bw_json_problem(problems, at, "%s", found[i].text);
    }
}

/* The command of the release before writes both keys with each group. Their defaults mean that of handover_by_time. */
static bool is_former(const char *key, const json_t *member, bool *out_is_default)
{
    const char *word = json_string_value(member);

    if (strcmp(key, "min_grade") == 0)
        *out_is_default = word != NULL && strcmp(word, "expired") == 0;
    else if (strcmp(key, "expired_is_enough") == 0)
        *out_is_default = json_is_false(member);
    else
        return false;
    return true;
}

bool bw_spec_json_decode(const json_t *value, const char *path, uint32_t election_timeout_ms,
                         struct bw_spec *out_spec, struct bw_json_problems *problems)
{
    const size_t count_before = problems->count;
    const char *key;
    json_t *member;
    char at[PATH_BYTES];
    bool is_default;

    bw_spec_defaults(out_spec);
    if (!json_is_object(value)) {
        bw_json_problem(problems, path, "%s, where a group belongs: {\"name\": …, \"sites\": […]}",
                        type_word(value));
        return false;
    }
    (void)snprintf(at, sizeof at, "%.100s.name", path);
    (void)decode_name(json_object_get(value, "name"), at, out_spec->name, problems); /* counted */
    decode_sites(json_object_get(value, "sites"), path, out_spec, problems);
    json_object_foreach((json_t *)value, key, member) { /* the macro takes no const; it only reads */
        const struct field *field = find_field(key);

        (void)snprintf(at, sizeof at, "%.100s.%.63s", path, key);
        if (field != NULL)
            (void)decode_field(field, member, at, out_spec, problems); /* counted */
        else if (is_former(key, member, &is_default)) {
            if (!is_default)
                bw_json_problem(problems, at, "this key is now handover_by_time: " BW_HANDOVER_IN_PLACE);
        } else if (strcmp(key, "name") != 0 && strcmp(key, "sites") != 0)
            bw_json_problem(problems, at, "unknown key");
    }
    if (problems->count == count_before) /* else what is wrong would be judged by its default */
        check(out_spec, path, election_timeout_ms, problems);
    return problems->count == count_before;
}

/* ---- differences ---- */

static json_t *encode_value(const struct field *field, uint32_t value)
{
    switch (field->kind) {
    case NUMBER:
        return json_integer(value);
    case WORD:
        return json_string(field->word(value));
    }
    return NULL;
}

json_t *bw_spec_json_change(size_t offset, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].offset == offset)
            return json_pack("{s:s, s:o, s:o}", "key", fields[i].key, "from",
                             encode_value(&fields[i], from), "to", encode_value(&fields[i], to));
    return json_null();
}

json_t *bw_spec_json_changes(const struct bw_spec *old, const struct bw_spec *spec)
{
    json_t *before = old == NULL ? json_object() : bw_spec_json_encode(old);
    json_t *after = bw_spec_json_encode(spec);
    json_t *changes = before == NULL || after == NULL ? NULL : json_array();
    const char *key;
    json_t *value;

    json_object_foreach(before, key, value) {
        json_t *now = json_object_get(after, key);

        if (!json_equal(value, now))
            changes = bw_json_append(changes, json_pack("{s:s, s:O, s:O}", "key", key, "from",
                                                        value, "to", now));
    }
    json_decref(before);
    json_decref(after);
    return changes;
}
