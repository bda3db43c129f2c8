/* Parts of JSON documents: texts, times, members, long lists. */
#include <breakwater/witness/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/script_failure.h>
#include <breakwater/witness/spec_json.h>

/* ---- texts ---- */

void bw_json_time(int64_t unix_ms, char out_text[BW_TIME_TEXT_BYTES])
{
    const int64_t rest_ms = (unix_ms % 1000 + 1000) % 1000;
    const time_t seconds = (time_t)(unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0));
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || parts.tm_year > 8099 || parts.tm_year < -1900) {
        (void)snprintf(out_text, BW_TIME_TEXT_BYTES, "1970-01-01T00:00:00.000Z");
        return;
    }
    (void)snprintf(out_text, BW_TIME_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
                   (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100,
                   (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100,
                   (unsigned)rest_ms % 1000);
}

json_t *bw_json_text(const char *text)
{
    json_t *value = json_string(text);
    char plain[512];
    size_t i;

    if (value != NULL)
        return value;
    for (i = 0; text[i] != '\0' && i + 1 < sizeof plain; i++)
        plain[i] = (char)((unsigned char)text[i] >= 0x80 ? '?' : text[i]);
    plain[i] = '\0';
    return json_string(plain);
}

bool bw_json_read_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && bw_copy_text(out, size, text);
}

json_t *bw_json_append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0)
        return list;
    json_decref(list);
    return NULL;
}

json_t *bw_json_merge(json_t *object, json_t *more)
{
    if (json_object_update_new(object, more) == 0)
        return object;
    json_decref(object);
    return NULL;
}

json_t *bw_json_name_or_null(const char *name)
{
    return name == NULL || name[0] == '\0' ? json_null() : json_string(name);
}

void bw_json_put_text(struct bw_json_buffer *buffer, const char *text, size_t size)
{
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 4096;
    char *grown;

    if (buffer->is_failed)
        return;
    while (capacity - buffer->size < size + 1)
        capacity *= 2;
    if (capacity != buffer->capacity) {
        grown = realloc(buffer->text, capacity);
        if (grown == NULL) {
            buffer->is_failed = true;
            return;
        }
        buffer->text = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->text + buffer->size, text, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

static int on_dumped(const char *text, size_t size, void *user)
{
    struct bw_json_buffer *buffer = user;

    bw_json_put_text(buffer, text, size);
    return buffer->is_failed ? -1 : 0;
}

void bw_json_put(struct bw_json_buffer *buffer, json_t *value)
{
    if (value == NULL || json_dump_callback(value, on_dumped, buffer, JSON_COMPACT) != 0)
        buffer->is_failed = true;
    json_decref(value);
}

void bw_json_put_list(struct bw_json_buffer *buffer, json_t *head, const char *key, size_t count,
                      bool (*put)(struct bw_json_buffer *buffer, size_t number, const void *user),
                      const void *user)
{
    bool is_first = true;
    size_t before;

    bw_json_put(buffer, head);
    if (buffer->is_failed)
        return;
    buffer->size--; /* the closing brace */
    bw_json_put_text(buffer, ",\"", 2);
    bw_json_put_text(buffer, key, strlen(key));
    bw_json_put_text(buffer, "\":[", 3);
    for (size_t i = 0; i < count && !buffer->is_failed; i++) {
        before = buffer->size;
        if (!is_first)
            bw_json_put_text(buffer, ",", 1);
        if (put(buffer, i, user))
            is_first = false;
        else
            buffer->size = before;
    }
    bw_json_put_text(buffer, "]}\n", 3);
}

json_t *bw_json_number_or_null(bool is_known, uint64_t number)
{
    return is_known ? json_integer((json_int_t)number) : json_null();
}

/* ---- of groups and sites ---- */

static const struct bw_group *group_of(const struct bw_operator_view *view, int group_index)
{
    return &view->machine->cluster->groups[group_index];
}

json_t *bw_json_time_or_null(int64_t unix_ms)
{
    char text[BW_TIME_TEXT_BYTES];

    if (unix_ms == 0)
        return json_null();
    bw_json_time(unix_ms, text);
    return json_string(text);
}

bool bw_json_sees(const struct bw_operator_view *view, int group_index)
{
    const char *name = group_of(view, group_index)->spec.name;

    return name[0] != '\0' && bw_scope_has(&view->scope, name); /* "": a gap */
}

/* Of a report that is fresh: what ran a while ago says nothing of now. */
json_t *bw_json_steps(const struct bw_contact *contact, struct bw_instant now)
{
    const struct bw_steps_progress *progress = contact != NULL ? &contact->report.steps : NULL;

    if (progress == NULL || progress->count == 0)
        return json_null();
    const uint64_t more_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, contact->received));
    /* clang-format off */
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:b}",
        "action", progress->is_stop ? "stop" : "start",
        "count", (json_int_t)progress->count,
        "done", (json_int_t)progress->done,
        "running", (json_int_t)progress->running,
        "step", progress->name,
        "phase", bw_step_phase_word((enum bw_step_phase)progress->phase),
        "attempt", (json_int_t)progress->attempt,
        "for_ms", (json_int_t)progress->age_ms + (json_int_t)more_ms,
        "limit_ms", (json_int_t)progress->limit_ms,
        "at_point_of_no_return", contact->report.asks_to_pass != 0);
    /* clang-format on */
}

json_t *bw_json_failures(const struct bw_contact *contact, struct bw_instant now)
{
    const struct bw_report *report = contact != NULL ? &contact->report : NULL;
    const uint64_t more_ms = contact != NULL
                                 ? bw_ns_to_ms(bw_instant_elapsed_ns(now, contact->received))
                                 : 0;
    json_t *list = json_array();

    for (uint32_t i = 0; report != NULL && i < report->failure_count; i++) {
        const struct bw_script_failure *one = &report->failures[i];
        const struct bw_script_outcome *outcome = &one->outcome;
        char words[BW_SCRIPT_WORDS_MAX + 1];
        char text[BW_FAILURE_TEXT_BYTES];

        bw_failure_text(one, more_ms, text);
        bw_utf8_plain(words, sizeof words, outcome->words,
                      strnlen(outcome->words, sizeof outcome->words));
        /* clang-format off */
        list = bw_json_append(list, json_pack(
            "{s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:s}",
            "action", one->action < BW_ACTION_COUNT
                          ? bw_action_word((enum bw_action_kind)one->action) : "unlisted",
            "result", bw_run_result_word((enum bw_run_result)one->result),
            "ago_ms", (json_int_t)one->age_ms + (json_int_t)more_ms,
            "took_ms", (json_int_t)one->took_ms,
            "exit_status", outcome->exited ? json_integer(outcome->exit_status) : json_null(),
            "signal", bw_json_number_or_null(outcome->signal != 0, outcome->signal),
            "words", words,
            "text", text));
        /* clang-format on */
    }
    return list;
}

json_t *bw_json_restarts(const struct bw_operator_view *view, int group_index, int site)
{
    const struct bw_group *group = group_of(view, group_index);
    struct bw_restarted restarted;
    bool is_known;

    bw_witness_restarted(view->machine, group_index, &restarted);
    if (restarted.count == 0 || strcmp(group->holder_site, group->spec.sites[site].name) != 0)
        return json_null();
    is_known = restarted.since.boot_ns != 0;
    return json_pack(
        "{s:I, s:o}", "count", (json_int_t)restarted.count, "ago_ms",
        bw_json_number_or_null(is_known,
                       is_known ? bw_ns_to_ms(bw_instant_elapsed_ns(view->now, restarted.since))
                                : 0));
}
