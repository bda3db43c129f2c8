/* former_json.c - reads the documents of the release before as those of this one, while witnesses are upgraded one by one. */
#include "api.h"

#include <stddef.h>
#include <stdbool.h>
#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/core/command.h>
#include <breakwater/core/explain.h>

#define GATE_WORD_BYTES 32
struct text {
    char bytes[8 * (BW_REASON_MAX + 1)];
    size_t used;
};

/* `in`: only of objects below a member of that name; NULL: of every object. */
static const struct renamed {
    const char *in, *from, *to;
} renamed[] = {{NULL, "wish", "request"},
               {NULL, "wish_over", "request_result"},
               {"request_result", "words", "result"},
               {NULL, "way", "suggested_command"},
               {NULL, "acts", "will_act"},
               {NULL, "heard_ms", "last_seen_ms"},
               {NULL, "takes_epoch", "changes_epoch"},
               {NULL, "at_no_return", "at_point_of_no_return"},
               {"alarms", "of", "subject"},
               {"end", "gate", "blocked_by"},
               {"epochs", "waived", "bypassed"},
               {"epochs", "why", "blocked_by"},
               {"epochs", "late_ms", "served_after_end_ms"},
               {"epochs", "outage_told", "outage_reported"},
               {NULL, "grade", "ended_by"}};

/* An epoch is in `entries` of a history, in `epoch` and `before` of a report, and in `last` of a status. */
static bool is_epoch(const json_t *object)
{
    return json_object_get(object, "previous_site") != NULL;
}

static bool is_in(const json_t *object, const char *in, const char *wanted)
{
    if (wanted != NULL && strcmp(wanted, "epochs") == 0)
        return is_epoch(object);
    return wanted == NULL || strcmp(wanted, in) == 0;
}

static void rename_members(json_t *object, const char *in)
{
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        json_t *value = json_object_get(object, renamed[i].from);

        if (value == NULL || !is_in(object, in, renamed[i].in))
            continue;
        (void)json_object_set(object, renamed[i].to, value); /* out of memory: as if it had none */
        (void)json_object_del(object, renamed[i].from);
    }
}

/* A word of the gate's old name, by which the release before names what blocks a site. */
static const char *gate_word(const char *former)
{
    for (enum bw_gate_id id = 0; id < BW_GATE_ID_COUNT; id++)
        if (strcmp(bw_gate_id_text(id), former) == 0)
            return bw_gate_word(id);
    return former;
}

static void add_blocked_by(json_t *object)
{
    const json_t *former = json_object_get(object, "why_not");
    json_t *words;
    json_t *word;
    size_t i;

    if (!json_is_array(former) || json_object_get(object, "blocked_by") != NULL)
        return;
    words = json_array();
    json_array_foreach(former, i, word)
    {
        if (json_is_string(word))
            (void)json_array_append_new(words, json_string(gate_word(json_string_value(word)))); /* likewise */
    }
    (void)json_object_set_new(object, "blocked_by", words); /* likewise */
}

static void translate_gate(json_t *end)
{
    const char *former = json_string_value(json_object_get(end, "blocked_by"));

    if (former != NULL)
        (void)json_object_set_new(end, "blocked_by", json_string(gate_word(former))); /* likewise */
}

static void translate_end(json_t *object)
{
    const char *word = json_string_value(json_object_get(object, "ended_by"));
    const char *shown = NULL;

#define X(name, former)                                                                                                \
    if (word != NULL && strcmp(word, former) == 0)                                                                     \
        shown = bw_grade_shown(BW_GRADE_##name);
    BW_GRADE_LIST(X)
#undef X
    if (shown != NULL)
        (void)json_object_set_new(object, "ended_by", json_string(shown)); /* likewise */
}

/* Appends `size` bytes of `from`, or nothing if they do not fit. */
static bool append(struct text *text, const char *from, size_t size)
{
    if (size >= sizeof text->bytes - text->used)
        return false;
    memcpy(text->bytes + text->used, from, size);
    text->used += size;
    text->bytes[text->used] = '\0';
    return true;
}

/* Appends one item of a list of gates: its word of this release if it is a gate. */
static bool append_item(struct text *text, const char *item, size_t size)
{
    char former[GATE_WORD_BYTES];
    const char *word;

    if (size >= sizeof former)
        return append(text, item, size);
    memcpy(former, item, size);
    former[size] = '\0';
    word = gate_word(former);
    return append(text, word, strlen(word));
}

/* A list such as "dc-a: connected, asked; dc-c: eligible, less preferred" gets the words of this release; an item before a
 * colon is a site. The witnesses keep the list in the words of the release that led when the epoch began. */
static void translate_list(json_t *epoch, const char *key)
{
    const char *at = json_string_value(json_object_get(epoch, key));
    struct text text = {.used = 0};

    while (at != NULL && *at != '\0') {
        const size_t size = strcspn(at, ",;:");
        const size_t gap = strspn(at + size, ",;: ");

        if (at[size] == ':' ? !append(&text, at, size) : !append_item(&text, at, size))
            return;
        if (!append(&text, at + size, gap))
            return;
        at += size + gap;
    }
    if (text.used > 0)
        (void)json_object_set_new(epoch, key, json_string(text.bytes)); /* likewise */
}

/* NOLINTNEXTLINE(misc-no-recursion): jansson reads at most 2048 levels */
static void translate(json_t *value, const char *in, bool is_former)
{
    const char *key;
    json_t *below;
    size_t i;

    json_array_foreach(value, i, below) translate(below, in, is_former);
    if (!json_is_object(value))
        return;
    if (is_former) {
        rename_members(value, in);
        add_blocked_by(value);
        translate_end(value);
        if (strcmp(in, "end") == 0)
            translate_gate(value);
    }
    if (is_epoch(value)) {
        translate_list(value, "bypassed");
        translate_list(value, "blocked_by");
    }
    json_object_foreach(value, key, below) translate(below, key, is_former);
}

void bw_json_from_former(json_t *document)
{
    static const char *const names[] = {"status", "group", "explain", "history", "report", "plan"};
    const char *schema = json_string_value(json_object_get(document, "schema"));
    const char *name = schema != NULL && strncmp(schema, "breakwater.", 11) == 0 ? schema + 11 : "";

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t length = strlen(names[i]);

        if (strncmp(name, names[i], length) != 0)
            continue;
        if (strcmp(name + length, "/v2") == 0)
            translate(document, "", false);
        if (strcmp(name + length, "/v1") != 0)
            continue;
        translate(document, "", true);
        (void)json_object_set_new(document, "schema", json_sprintf("breakwater.%s/v2", names[i])); /* likewise */
        return;
    }
}
