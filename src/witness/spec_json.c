#include <breakwater/witness/spec_json.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/spec_keys.h>
#include <breakwater/witness/json.h>

#define PATH_BYTES        192
#define SPEC_PROBLEMS_MAX 32

/* ---- encoding ---- */

static json_t *encode_value(const struct bw_spec_key *key, uint32_t value)
{
    if (key->words == NULL)
        return json_integer(value);
    return json_string(value <= key->max ? key->words[value] : "unlisted");
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

    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++) {
        const struct bw_spec_key *key = &bw_spec_keys[i];

        object = bw_json_merge(object, json_pack("{s:o}", key->json,
                                                 encode_value(key, bw_spec_key_get(spec, key))));
    }
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

static bool decode_word(const struct bw_spec_key *key, const json_t *value, const char *path,
                        uint32_t *out, struct bw_json_problems *problems)
{
    char words[BW_SPEC_WORDS_BYTES];

    for (uint32_t i = 0; i <= key->max; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), key->words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    bw_json_problem(problems, path, "not one of %s", bw_spec_key_words(key, words));
    return false;
}

/* What is wrong with it is counted. */
static void decode_key(const struct bw_spec_key *key, const json_t *value, const char *path,
                       struct bw_spec *spec, struct bw_json_problems *problems)
{
    uint32_t number;

    if (key->words != NULL ? decode_word(key, value, path, &number, problems)
                           : decode_number(value, path, &number, problems))
        bw_spec_key_set(spec, key, number);
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

static const struct bw_spec_key *find_key(const char *json)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        if (strcmp(bw_spec_keys[i].json, json) == 0)
            return &bw_spec_keys[i];
    return NULL;
}

/* The member of a problem: the rules name the keys of groups.yaml. */
static const char *member_of(const char *word)
{
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        if (strcmp(bw_spec_keys[i].word, word) == 0)
            return bw_spec_keys[i].json;
    return word;
}

static void check(const struct bw_spec *spec, const char *path, uint32_t election_timeout_ms,
                  struct bw_json_problems *problems)
{
    struct bw_spec_problem found[SPEC_PROBLEMS_MAX];
    const size_t count = bw_spec_check(spec, election_timeout_ms, found, SPEC_PROBLEMS_MAX);
    char at[PATH_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (i == SPEC_PROBLEMS_MAX) {
            bw_json_problem(problems, path, "and %zu more problems", count - i);
            return;
        }
        (void)snprintf(at, sizeof at, "%.100s.%.71s", path, member_of(found[i].key));
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
        const struct bw_spec_key *known = find_key(key);

        (void)snprintf(at, sizeof at, "%.100s.%.63s", path, key);
        if (known != NULL)
            decode_key(known, member, at, out_spec, problems);
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

json_t *bw_spec_json_change(const struct bw_spec_key *key, uint32_t from, uint32_t to)
{
    return json_pack("{s:s, s:o, s:o}", "key", key->json, "from", encode_value(key, from), "to",
                     encode_value(key, to));
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
