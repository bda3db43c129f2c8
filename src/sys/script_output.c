#include "script_output.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_ROOM_MIN 1024

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static size_t add_to_head(struct bw_script_store *store, const char *data, size_t size)
{
    size_t want = min_size(store->head_bytes + size, BW_SCRIPT_HALF_BYTES);
    size_t room = store->head_room > 0 ? store->head_room : HEAD_ROOM_MIN;
    size_t taken;

    while (room < want)
        room *= 2;
    if (room > store->head_room) {
        char *grown = realloc(store->head, room);

        if (grown != NULL) {
            store->head = grown;
            store->head_room = room;
        }
    }
    taken = min_size(size, min_size(store->head_room, BW_SCRIPT_HALF_BYTES) - store->head_bytes);
    if (taken > 0)
        memcpy(store->head + store->head_bytes, data, taken);
    store->head_bytes += taken;
    return taken;
}

void bw_script_store_add(struct bw_script_store *store, const char *data, size_t size)
{
    size_t taken = store->tail_total == 0 ? add_to_head(store, data, size) : 0;

    data += taken;
    size -= taken;
    if (size == 0)
        return;
    if (store->tail == NULL)
        store->tail = malloc(BW_SCRIPT_HALF_BYTES);
    for (size_t done = 0; done < size && store->tail != NULL;) {
        size_t at = (store->tail_total + done) % BW_SCRIPT_HALF_BYTES;
        size_t part = min_size(size - done, BW_SCRIPT_HALF_BYTES - at);

        memcpy(store->tail + at, data + done, part);
        done += part;
    }
    store->tail_total += size;
}

void bw_script_store_get(const struct bw_script_store *store, struct bw_script_kept *out_kept)
{
    size_t at = store->tail_total % BW_SCRIPT_HALF_BYTES;
    bool is_full = store->tail_total >= BW_SCRIPT_HALF_BYTES;

    *out_kept = (struct bw_script_kept){.head = store->head, .head_bytes = store->head_bytes};
    if (store->tail == NULL) {
        out_kept->dropped_bytes = store->tail_total;
        return;
    }
    out_kept->tail[0] = store->tail + (is_full ? at : 0);
    out_kept->tail_bytes[0] = is_full ? BW_SCRIPT_HALF_BYTES - at : at;
    out_kept->tail[1] = store->tail;
    out_kept->tail_bytes[1] = is_full ? at : 0;
    out_kept->dropped_bytes = is_full ? store->tail_total - BW_SCRIPT_HALF_BYTES : 0;
}

void bw_script_store_deinit(struct bw_script_store *store)
{
    free(store->head);
    free(store->tail);
    *store = (struct bw_script_store){0};
}

size_t bw_script_tail(const struct bw_script_kept *kept, char *out_text, size_t size)
{
    const char *const parts[] = {kept->head, kept->tail[0], kept->tail[1]};
    const size_t sizes[] = {kept->head_bytes, kept->tail_bytes[0], kept->tail_bytes[1]};
    /* Where bytes were dropped the head is not next to the tail; the tail alone fills any report.
     */
    size_t first = kept->dropped_bytes > 0 ? 1 : 0;
    size_t total = 0;
    size_t skip, used = 0;

    for (size_t i = first; i < 3; i++)
        total += sizes[i];
    skip = total > size - 1 ? total - (size - 1) : 0;
    for (size_t i = first; i < 3; i++) {
        size_t from = min_size(skip, sizes[i]);

        if (sizes[i] > from)
            memcpy(out_text + used, parts[i] + from, sizes[i] - from);
        used += sizes[i] - from;
        skip -= from;
    }
    out_text[used] = '\0';
    return used;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void end_line(struct bw_script_lines *lines, bw_script_on_line on_line, void *user)
{
    if (!lines->is_cutting)
        on_line(lines->line, lines->used, user);
    lines->used = 0;
    lines->is_cutting = false;
}

void bw_script_lines_add(struct bw_script_lines *lines, const char *data, size_t size,
                         bw_script_on_line on_line, void *user)
{
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t part = end != NULL ? (size_t)(end - data) : size;
        size_t taken = lines->is_cutting ? 0 : min_size(part, sizeof lines->line - lines->used);

        memcpy(lines->line + lines->used, data, taken);
        lines->used += taken;
        if (!lines->is_cutting && taken < part) {
            on_line(lines->line, lines->used, user);
            lines->is_cutting = true;
            lines->was_cut = true;
        }
        if (end == NULL)
            return;
        end_line(lines, on_line, user);
        data += part + 1;
        size -= part + 1;
    }
}

void bw_script_lines_end(struct bw_script_lines *lines, bw_script_on_line on_line, void *user)
{
    if (lines->used > 0)
        end_line(lines, on_line, user);
}
