/* history_show.c - the history for people: one line for each epoch and each change, newest first,
 * and beneath it what is known of it, no wider than a screen. Design 3.1. */
#include "columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define WIDTH       80
#define INDENT      4
#define FACTS_BYTES 4096

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

/* Characters, not bytes, up to the next blank or the end. */
static size_t word_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0' && *text != ' '; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Broken at blanks; only a word that is wider than the screen is wider. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t column = 0;

    while (*text != '\0') {
        const size_t width = word_width(text);

        if (column > 0 && column + 1 + width > WIDTH) {
            (void)fputc('\n', out); /* a failed write stays in `out` */
            column = 0;
        }
        column += (size_t)fprintf(out, "%*s", column == 0 ? INDENT : 1, "") + width;
        for (; *text != '\0' && *text != ' '; text++)
            (void)fputc(*text, out);
        while (*text == ' ')
            text++;
    }
    if (column > 0)
        (void)fputc('\n', out);
}

/* "2026-01-06 09:14:02" of an RFC 3339 time. */
static const char *short_time(const char *time, char out_text[24])
{
    (void)snprintf(out_text, 24, "%.19s", time);
    if (strlen(out_text) > 10)
        out_text[10] = ' ';
    return out_text;
}

static const char *seconds(int64_t ms, char out_text[32])
{
    (void)snprintf(out_text, 32, "%" PRId64 ".%d s", ms / 1000, (int)(ms % 1000 / 100));
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

/* The last moment of the timeline, which begins at 0. */
static void add_silence(struct facts *facts, const json_t *entry)
{
    const json_t *timeline = json_object_get(entry, "timeline");
    const size_t count = json_array_size(timeline);
    char text[32];

    if (count > 0)
        add(facts, "silent %s",
            seconds(bw_json_number(json_array_get(timeline, count - 1), "at_ms"), text));
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
        add(facts, "held for %s", seconds(json_integer_value(for_ms), text));
    else
        add(facts, "held until a fence sees the end");
}

static void add_end(struct facts *facts, const json_t *entry)
{
    const json_t *end = json_object_get(entry, "ended");
    char when[24], words[512];

    if (!json_is_object(end)) {
        add(facts, "open");
        return;
    }
    (void)words_of(end, words);
    add(facts, "ended %s: %s, %s%s%s%s", short_time(bw_json_member(end, "time"), when),
        bw_json_member(entry, "grade"), bw_json_member(end, "reason"), words[0] != '\0' ? " (" : "",
        words, words[0] != '\0' ? ")" : "");
}

static void show_epoch(const json_t *entry, FILE *out)
{
    const char *previous = bw_json_member(entry, "previous_site");
    struct facts facts = {{0}};
    char what[256], words[512];

    (void)snprintf(what, sizeof what, "epoch %" PRId64 "  %s %s%s%s",
                   bw_json_number(entry, "epoch"), bw_json_member(entry, "reason"), previous,
                   previous[0] != '\0' ? " -> " : "", bw_json_member(entry, "site"));
    print_head(entry, what, out);
    if (words_of(entry, words)[0] != '\0')
        add(&facts, "by %s", words);
    add_silence(&facts, entry);
    add(&facts, "reach %s%s", bw_json_member(entry, "reach_seen"),
        bw_json_truth(entry, "reach_proved") ? ", proved" : "");
    add_hold(&facts, entry);
    print_wrapped(facts.text, out);
    facts.text[0] = '\0';
    add_end(&facts, entry);
    print_wrapped(facts.text, out);
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

static void show_change(const json_t *entry, FILE *out)
{
    const json_t *duration = json_object_get(entry, "duration_ms");
    const char *site = bw_json_member(entry, "site");
    struct facts facts = {{0}};
    char what[256], words[512], text[32];

    (void)snprintf(what, sizeof what, "%s%s%s", bw_json_member(entry, "kind"),
                   site[0] != '\0' ? " " : "", site);
    print_head(entry, what, out);
    if (words_of(entry, words)[0] != '\0')
        add(&facts, "by %s", words);
    if (json_is_integer(duration) && json_integer_value(duration) == 0)
        add(&facts, "over");
    else if (json_is_integer(duration))
        add(&facts, "for %s", seconds(json_integer_value(duration), text));
    add_changes(&facts, entry);
    print_wrapped(facts.text, out);
}

void bw_show_history(const json_t *history, FILE *out)
{
    const json_t *epochs = json_object_get(history, "entries");
    const json_t *changes = json_object_get(history, "changes");
    const size_t epoch_count = json_array_size(epochs);
    const size_t change_count = json_array_size(changes);
    size_t epoch = 0;
    size_t change = 0;

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
        (void)fputs("Nothing has been granted yet.\n", out);
}
