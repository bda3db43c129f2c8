#include "entries.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define LINE_BYTES       160
#define CAPACITY_AT_FIRST 1024

void bw_entries_deinit(struct bw_entries *entries)
{
    free(entries->indexes);
    free(entries->instants);
    *entries = (struct bw_entries){0};
}

/* ---- saying ---------------------------------------------------------------------------------- */

static void say(struct bw_entries *entries, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct bw_entries *entries, const char *format, ...)
{
    const uint64_t count = entries->lost_count + entries->broken_count;
    va_list values;

    va_start(values, format);
    if (count > 0 && count <= BW_ENTRIES_TEXTS_MAX)
        (void)vsnprintf(entries->texts[count - 1], sizeof entries->texts[0], format,
                        values); /* cut: for people */
    va_end(values);
}

/* Each once, however often it is looked for. */
static void miss(struct bw_entries *entries, uint32_t writer, uint32_t slot, uint64_t number,
                 uint64_t found, const char *who)
{
    struct bw_entry_slot *at = &entries->writers[writer].slots[slot];

    if (at->missed >= number)
        return;
    at->missed = number;
    entries->lost_count++;
    say(entries,
        "writer %" PRIu32 ", slot %" PRIu32 ": entry %" PRIu64 " was acknowledged, and %s %" PRIu64,
        writer, slot, number, who, found);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static enum bw_err keep(struct bw_entries *entries, uint64_t index, uint64_t at_ns,
                        struct bw_diag *diag)
{
    const size_t count = (size_t)entries->acknowledged_count;
    const size_t capacity = entries->index_capacity > 0 ? 2 * entries->index_capacity
                                                        : CAPACITY_AT_FIRST;
    uint64_t *indexes;
    uint64_t *instants;

    if (count == entries->index_capacity) {
        indexes = realloc(entries->indexes, capacity * sizeof *indexes);
        if (indexes != NULL)
            entries->indexes = indexes;
        instants = realloc(entries->instants, capacity * sizeof *instants);
        if (instants != NULL)
            entries->instants = instants;
        if (indexes == NULL || instants == NULL)
            return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
        entries->index_capacity = capacity;
    }
    entries->indexes[count] = index;
    entries->instants[count] = at_ns;
    entries->acknowledged_count++;
    return BW_OK;
}

static enum bw_err take_ack(struct bw_entries *entries, uint32_t writer, uint32_t slot,
                            uint64_t number, const char *rest, struct bw_diag *diag)
{
    struct bw_entry_writer *from = &entries->writers[writer];
    struct bw_entry_slot *at = &from->slots[slot];
    char before_text[24];
    uint64_t before;
    uint64_t index;
    uint64_t at_ns;
    char *end;

    /* NOLINTNEXTLINE(cert-err34-c): a line of our own writing: its numbers are in range */
    if (sscanf(rest, "%" SCNu64 " %23s %" SCNu64, &index, before_text, &at_ns) != 3 ||
        number != at->tried)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "is no acknowledgement of what was asked for");
    before = strtoull(before_text, &end, 10);
    if (*end == '\0' && before < at->acked)
        miss(entries, writer, slot, at->acked, before, "the next write found");
    if (index <= from->index_max) {
        entries->broken_count++;
        say(entries,
            "writer %" PRIu32 ": entry %" PRIu64 " has index %" PRIu64
            ", and an earlier one %" PRIu64,
            writer, number, index, from->index_max);
    } else {
        from->index_max = index;
    }
    at->acked = number;
    return keep(entries, index, at_ns, diag);
}

static enum bw_err take_line(struct bw_entries *entries, uint32_t writer, const char *line,
                             struct bw_diag *diag)
{
    uint32_t slot;
    uint64_t number;
    char kind;
    int used = 0;

    /* NOLINTNEXTLINE(cert-err34-c): a line of our own writing: its numbers are in range */
    if (sscanf(line, "%c %" SCNu32 " %" SCNu64 "%n", &kind, &slot, &number, &used) != 3 ||
        slot >= BW_ENTRIES_SLOTS || number == 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "is no step of a writer");
    if (kind == '+')
        return take_ack(entries, writer, slot, number, line + used, diag);
    if (kind != '?' || number <= entries->writers[writer].slots[slot].tried)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "is no higher number than before");
    entries->writers[writer].slots[slot].tried = number;
    return BW_OK;
}

enum bw_err bw_entries_take(struct bw_entries *entries, uint32_t writer, const char *text,
                            size_t size, struct bw_diag *diag)
{
    struct bw_entry_writer *from = &entries->writers[writer];
    enum bw_err err = BW_OK;

    BW_ASSERT(writer < BW_ENTRIES_WRITERS_MAX);
    while (err == BW_OK && from->read < size) {
        const char *line = text + from->read;
        const char *end = memchr(line, '\n', size - from->read);
        char copy[LINE_BYTES];
        const size_t length = end == NULL ? 0 : (size_t)(end - line);

        if (end == NULL)
            break; /* it is being written */
        (void)snprintf(copy, sizeof copy, "%.*s", (int)(length < LINE_BYTES ? length : 0), line);
        err = take_line(entries, writer, copy, diag);
        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "record of writer %" PRIu32 ": \"%s\"", writer, copy);
        from->read += length + 1;
    }
    return err;
}

/* ---- looking --------------------------------------------------------------------------------- */

void bw_entries_expect(struct bw_entries *entries)
{
    for (uint32_t i = 0; i < BW_ENTRIES_WRITERS_MAX; i++)
        for (uint32_t j = 0; j < BW_ENTRIES_SLOTS; j++)
            entries->writers[i].slots[j].expected = entries->writers[i].slots[j].acked;
}

bool bw_entries_misses(const struct bw_entries *entries, uint32_t writer, uint32_t slot,
                       uint64_t number)
{
    return number < entries->writers[writer].slots[slot].expected;
}

void bw_entries_judge(struct bw_entries *entries, uint32_t writer, uint32_t slot, uint64_t number)
{
    const struct bw_entry_slot *at = &entries->writers[writer].slots[slot];

    if (bw_entries_misses(entries, writer, slot, number)) {
        miss(entries, writer, slot, at->expected, number, "a reader found");
        return;
    }
    entries->found_count += at->expected > 0;
    if (number > at->tried) {
        entries->broken_count++;
        say(entries,
            "writer %" PRIu32 ", slot %" PRIu32 ": a reader found entry %" PRIu64
            ", and %" PRIu64 " is the highest that was asked for",
            writer, slot, number, at->tried);
    }
}

/* ---- in the end ------------------------------------------------------------------------------ */

void bw_entries_end(struct bw_entries *entries)
{
    const size_t count = (size_t)entries->acknowledged_count;

    if (count == 0)
        return;
    qsort(entries->indexes, count, sizeof *entries->indexes, bw_u64_compare);
    qsort(entries->instants, count, sizeof *entries->instants, bw_u64_compare);
    entries->first_ns = entries->instants[0];
    entries->last_ns = entries->instants[count - 1];
    for (size_t i = 1; i < count; i++) {
        const uint64_t silence_ns = entries->instants[i] - entries->instants[i - 1];

        if (silence_ns > entries->silence_ns)
            entries->silence_ns = silence_ns;
        if (entries->indexes[i] != entries->indexes[i - 1])
            continue;
        entries->broken_count++;
        say(entries, "index %" PRIu64 " was given to two entries", entries->indexes[i]);
    }
}
