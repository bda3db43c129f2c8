#include <breakwater/wire/record_event.h>

#include <stddef.h>

#include <breakwater/base/assert.h>

#include "shapes.h"

static const char *unsound(const void *core)
{
    return bw_record_event_unsound(core);
}

static const struct bw_coding coding = {
    .shape = &bw_shape_record_event,
    .what = "event of the record",
    .bytes_max = BW_RECORD_EVENT_BYTES_MAX,
    .is_strict = true,
    .is_canonical = true,
    .unsound = unsound,
    .unsound_head = "event of the record: ",
};

/* What one conversion may take: the largest event needs half of it, and bytes that would need more
 * are refused. */
#define MEMORY_BYTES ((size_t)(24 * 1024))
struct room {
    max_align_t block[MEMORY_BYTES / sizeof(max_align_t)];
};

enum bw_err bw_record_event_encode(const struct bw_record_event *event, void *out, size_t out_max,
                                   size_t *out_size, struct bw_diag *diag)
{
    struct bw_arena arena;
    struct room room;

    bw_arena_borrow(&arena, &room, sizeof room);
    return bw_shape_encode(&coding, event, &arena, out, out_max, out_size, diag);
}

enum bw_err bw_record_event_decode(const void *data, size_t size, struct bw_record_event *out_event,
                                   struct bw_diag *diag)
{
    struct bw_arena arena;
    struct room room;

    bw_arena_borrow(&arena, &room, sizeof room);
    return bw_shape_decode(&coding, data, size, &arena, out_event, diag);
}

/* ---- for the core, which has what is sound alone ---- */

static size_t encode(const struct bw_record_event *event, uint8_t *out, size_t out_max)
{
    struct bw_diag diag = {0};
    size_t size = 0;
    const enum bw_err err = bw_record_event_encode(event, out, out_max, &size, &diag);

    BW_ASSERT_NONE(err == BW_OK ? NULL : diag.text);
    return size;
}

static void decode(const uint8_t *data, size_t size, struct bw_record_event *out_event)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_record_event_decode(data, size, out_event, &diag);

    BW_ASSERT_NONE(err == BW_OK ? NULL : diag.text); /* what came from outside was checked */
}

const struct bw_record_codec bw_record_codec = {.encode = encode, .decode = decode};
