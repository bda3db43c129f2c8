/* wire: one event of the record, and blocks of them in a snapshot: the bytes that it is written in,
 * and no others (3.1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/frame.h>
#include <breakwater/wire/record_event.h>
#include <breakwater/wire/snapshot.h>

#include "wire_fill.h"

static struct bw_diag diag;

static void fill_event(struct wire_filler *filler, struct bw_record_event *event)
{
    wire_fill(filler, &bw_shape_record_event, event);
    for (uint32_t i = 0; i < event->key_count; i++)
        event->keys[i].key = i + 1;
}

static size_t encode(const struct bw_record_event *event, uint8_t *bytes)
{
    size_t size = 0;

    if (bw_record_event_encode(event, bytes, BW_RECORD_EVENT_BYTES_MAX, &size, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    return size;
}

/* ---- one event ---- */

/* Of each kind the largest, too: bw_record_append asserts that any can be written. */
static void each_kind_is_read_as_it_was_written(void **state)
{
    static uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    struct bw_record_event event, again;
    size_t largest = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct wire_filler filler = {.is_largest = i == 0};

        bw_prng_init(&filler.prng, (uint64_t)i);
        for (filler.choice = 1; filler.choice <= BW_RECORD_PASSED; filler.choice++) {
            size_t size;

            fill_event(&filler, &event);
            size = encode(&event, bytes);
            largest = size > largest ? size : largest;

            assert_int_equal(bw_record_event_decode(bytes, size, &again, &diag), BW_OK);

            assert_memory_equal(&again, &event, sizeof event);
            bw_record_codec.decode(bytes, size, &again);
            assert_memory_equal(&again, &event, sizeof event);
        }
    }
    printf("the largest event: %zu of %d bytes\n", largest, BW_RECORD_EVENT_BYTES_MAX);
}

static void a_damaged_event_is_refused_or_says_what_it_says(void **state)
{
    static uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX], again[BW_RECORD_EVENT_BYTES_MAX];
    struct wire_filler filler = {.choice = -1};
    struct bw_record_event event;
    int accepted = 0;

    (void)state;
    bw_prng_init(&filler.prng, 2);
    for (int i = 0; i < 5000; i++) {
        size_t size;

        fill_event(&filler, &event);
        size = encode(&event, bytes);
        bytes[bw_prng_below(&filler.prng, size)] ^= (uint8_t)(1u << bw_prng_below(&filler.prng, 8));
        if (bw_record_event_decode(bytes, size, &event, &diag) != BW_OK) {
            assert_non_null(strstr(diag.text, "event of the record: "));
            continue;
        }
        accepted++;
        assert_int_equal(encode(&event, again), size);
        assert_memory_equal(again, bytes, size);
    }
    assert_true(accepted > 0); /* a letter of a text */
}

static void a_cut_event_is_refused_at_each_byte(void **state)
{
    static uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    struct wire_filler filler = {.choice = BW_RECORD_GRANTED};
    struct bw_record_event event;
    size_t whole;

    (void)state;
    bw_prng_init(&filler.prng, 3);
    fill_event(&filler, &event);
    whole = encode(&event, bytes);
    for (size_t size = 0; size < whole; size++)
        assert_int_not_equal(bw_record_event_decode(bytes, size, &event, &diag), BW_OK);
}

static void refuse(const void *bytes, size_t size, enum bw_err expected, const char *part)
{
    struct bw_record_event event, before;

    memset(&event, 0x5a, sizeof event);
    memcpy(&before, &event, sizeof event);
    assert_int_equal(bw_record_event_decode(bytes, size, &event, &diag), expected);
    assert_non_null(strstr(diag.text, part));
    assert_memory_equal(&event, &before, sizeof event);
}
#define REFUSED(bytes, err, part) refuse((bytes), sizeof(bytes) - 1, (err), (part))

/* protobuf reads all of these as one event, of which a witness would keep one form, and another
 * another. */
static void the_same_said_in_other_bytes_is_refused(void **state)
{
    static const char created[] = "\x08\x05\x8a\x01\x00";
    struct bw_record_event event;

    (void)state;
    assert_int_equal(bw_record_event_decode(created, sizeof created - 1, &event, &diag), BW_OK);
    assert_int_equal(event.kind, BW_RECORD_CREATED);
    assert_int_equal(event.index, 5);
    REFUSED("\x08\x85\x00\x8a\x01\x00", BW_ERR_CORRUPT, "bytes");     /* a number made longer */
    REFUSED("\x8a\x01\x00\x08\x05", BW_ERR_CORRUPT, "bytes");         /* in another order */
    REFUSED("\x08\x05\x18\x00\x8a\x01\x00", BW_ERR_CORRUPT, "bytes"); /* a zero is left out */
    REFUSED("\x08\x06\x08\x05\x8a\x01\x00", BW_ERR_CORRUPT, "bytes"); /* said twice */
    REFUSED("\x08\x05\x7a\x00\x8a\x01\x00", BW_ERR_CORRUPT, "bytes"); /* of two kinds */
}

static void what_is_of_a_newer_release_is_named(void **state)
{
    (void)state;
    REFUSED("\x08\x05\xea\x01\x00", BW_ERR_VERSION, "newer");             /* a kind */
    REFUSED("\x08\x05\x8a\x01\x00\xf0\x01\x01", BW_ERR_VERSION, "newer"); /* a field */
    REFUSED("\x08\x05\x8a\x01\x02\x08\x01", BW_ERR_VERSION, "newer");     /* inside */
    REFUSED("\x08\x05\x52\x02\x08\x7f", BW_ERR_VERSION, "reason");        /* a reason */
}

static void what_is_no_event_is_refused(void **state)
{
    static const char largest[BW_RECORD_EVENT_BYTES_MAX + 2];

    (void)state;
    REFUSED("", BW_ERR_CORRUPT, "missing");
    REFUSED("\x08", BW_ERR_CORRUPT, "not a message");
    REFUSED("\x08\x05", BW_ERR_CORRUPT, "missing");
    REFUSED("\x8a\x01\x00", BW_ERR_CORRUPT, "index: is missing");
    REFUSED(largest, BW_ERR_LIMIT, "at most 2560");
}

/* One pure function says it, on both ways. */
static void what_no_command_could_leave_is_refused(void **state)
{
    static const struct {
        struct bw_record_event event;
        const char *part;
    } rows[] = {
        {{.index = 1}, "no such kind"},
        {{.kind = BW_RECORD_CLAIM_OVER + 1, .index = 1}, "no such kind"},
        {{.kind = BW_RECORD_CREATED}, "no log index"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .key_count = 1}, "its keys"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .key_count = 1, .keys = {{.key = BW_RECORD_KEYS_MAX + 1}}}, "its keys"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .key_count = 2, .keys = {{.key = 3}, {.key = 3}}},
         "its keys"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .key_count = BW_RECORD_KEYS_MAX + 1}, "its keys"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .site_count = 1, .sites = {{.name = "dc-a"}}},
         "a site of it"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .site_count = 1, .sites = {{.is = true}}},
         "a site of it"},
        {{.kind = BW_RECORD_SPEC, .index = 1, .site_count = BW_RECORD_SITES_MAX + 1},
         "a site of it"},
    };
    uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    size_t size = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_non_null(bw_record_event_unsound(&rows[i].event));
        assert_int_equal(bw_record_event_encode(&rows[i].event, bytes, sizeof bytes, &size, &diag),
                         BW_ERR_INVALID);
        assert_non_null(strstr(diag.text, rows[i].part));
        assert_int_equal(size, 4711);
    }
    REFUSED("\x08\x05\x92\x01\x08\x0a\x02\x08\x03\x0a\x02\x08\x03", BW_ERR_CORRUPT, "its keys");
    REFUSED("\x08\x05\x92\x01\x05\x12\x03\x0a\x01\x61", BW_ERR_CORRUPT, "a site of it");
}

/* ---- blocks, in a snapshot whose frames are whole ---- */

#define EVENT "\x08\x05\x8a\x01\x00" /* CREATED at index 5 */

struct snapshot {
    size_t size;
    uint32_t block_count;
    uint8_t bytes[256 * 1024];
};

static void put_message(struct snapshot *snapshot, const struct bw_shape *shape, const void *core,
                        uint32_t magic)
{
    const struct bw_coding coding = {.shape = shape, .what = "it", .bytes_max = 4096};
    uint8_t *frame = snapshot->bytes + snapshot->size;
    size_t size = 0;

    assert_int_equal(
        bw_message_encode(&coding, core, 0, frame + BW_FRAME_HEAD_BYTES, 4096, &size, &diag),
        BW_OK);
    bw_frame_seal(frame, magic, size);
    snapshot->size += BW_FRAME_HEAD_BYTES + size;
}

static void begin(struct snapshot *snapshot, uint32_t block_count)
{
    const struct bw_cluster head = {.id = {{7}},
                                    .name = "prod",
                                    .generation = 1,
                                    .election_timeout_ms = 1000,
                                    .applied_index = 6,
                                    .feature_level = 2,
                                    .record_blocks = block_count};

    snapshot->size = 0;
    put_message(snapshot, &bw_shape_snapshot_head, &head, BW_FRAME_SNAPSHOT_HEAD);
}

static void put_block(struct snapshot *snapshot, const void *payload, size_t size)
{
    uint8_t *frame = snapshot->bytes + snapshot->size;

    memcpy(frame + BW_FRAME_HEAD_BYTES, payload, size);
    bw_frame_seal(frame, BW_FRAME_SNAPSHOT_BLOCK, size);
    snapshot->size += BW_FRAME_HEAD_BYTES + size;
}

static enum bw_err decode(struct snapshot *snapshot)
{
    static struct bw_record_room room;
    const struct bw_snapshot_end end = {.byte_count = snapshot->size};
    struct bw_cluster cluster;
    enum bw_err err;

    put_message(snapshot, &bw_shape_snapshot_end, &end, BW_FRAME_SNAPSHOT_END);
    bw_record_init(&room.record, &bw_record_codec, room.blocks, 8);
    bw_cluster_init(&cluster, NULL, 0);
    bw_cluster_keep_record(&cluster, &room.record);
    err = bw_snapshot_decode(snapshot->bytes, snapshot->size, &cluster, &diag);
    if (err != BW_OK)
        assert_int_equal(room.record.block_count, 0);
    return err;
}

static void refuse_block(const void *payload, size_t size, enum bw_err expected, const char *part)
{
    static struct snapshot snapshot;

    begin(&snapshot, 1);
    put_block(&snapshot, payload, size);
    assert_int_equal(decode(&snapshot), expected);
    assert_non_null(strstr(diag.text, "block of the record at byte "));
    assert_non_null(strstr(diag.text, part));
}
#define REFUSED_BLOCK(bytes, err, part) refuse_block((bytes), sizeof(bytes) - 1, (err), (part))

static void blocks_are_read_in_the_order_of_their_groups(void **state)
{
    static struct snapshot snapshot;

    (void)state;
    begin(&snapshot, 2);
    put_block(&snapshot,
              "\x0a\x01"
              "a\x12\x05" EVENT "\x12\x05" EVENT,
              17);
    put_block(&snapshot,
              "\x0a\x01"
              "b\x12\x05" EVENT,
              10);
    assert_int_equal(decode(&snapshot), BW_OK);

    begin(&snapshot, 2);
    put_block(&snapshot,
              "\x0a\x01"
              "b\x12\x05" EVENT,
              10);
    put_block(&snapshot,
              "\x0a\x01"
              "a\x12\x05" EVENT,
              10);
    assert_int_equal(decode(&snapshot), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "not in its place"));
}

static void what_is_no_block_is_refused(void **state)
{
    (void)state;
    REFUSED_BLOCK("\x0a", BW_ERR_CORRUPT, "no RecordBlock");
    REFUSED_BLOCK("\x12\x05" EVENT, BW_ERR_CORRUPT, "of no group");
    REFUSED_BLOCK("\x0a\x01/\x12\x05" EVENT, BW_ERR_CORRUPT, "of no group");
    REFUSED_BLOCK("\x0a\x02"
                  "a\x00\x12\x05" EVENT,
                  BW_ERR_CORRUPT, "of no group");
    REFUSED_BLOCK("\x0a\x01"
                  "a",
                  BW_ERR_CORRUPT, "no events");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x00",
                  BW_ERR_CORRUPT, "event of the record: ");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x02\x08\x05",
                  BW_ERR_CORRUPT, "event of the record: ");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x85\x00" EVENT,
                  BW_ERR_CORRUPT, "bytes that it has");
    REFUSED_BLOCK("\x0a\x01"
                  "b\x0a\x01"
                  "a\x12\x05" EVENT,
                  BW_ERR_CORRUPT, "bytes that it has");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x05" EVENT "\x18\x01",
                  BW_ERR_VERSION, "newer");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x05\x08\x07\x8a\x01\x00",
                  BW_ERR_CORRUPT, "later than");
    REFUSED_BLOCK("\x0a\x01"
                  "a\x12\x05" EVENT "\x12\x05\x08\x04\x8a\x01\x00",
                  BW_ERR_CORRUPT, "not in order");
}

/* What has room in its frame and none in a block: bw_record_put_event asserts that it has. */
static void a_block_of_more_than_it_has_room_for_is_refused(void **state)
{
    static uint8_t payload[8 * 1024] = "\x0a\x01"
                                       "a";
    uint8_t text[90] = "\x08\x05\x22\x53";
    size_t size = 3;

    (void)state;
    for (int i = 0; i <= BW_RECORD_BLOCK_EVENTS_MAX; i++, size += 7)
        memcpy(payload + size, "\x12\x05" EVENT, 7);
    refuse_block(payload, size, BW_ERR_CORRUPT, "more than a block");

    memset(text + 4, 'x', 83);
    memcpy(text + 87, "\x8a\x01\x00", 3);
    for (size = 3; size <= BW_RECORD_BLOCK_BYTES + 3 - 92; size += 92) {
        memcpy(payload + size, "\x12\x5a", 2);
        memcpy(payload + size + 2, text, 90);
    }
    for (; size <= BW_RECORD_BLOCK_BYTES + 3; size += 7)
        memcpy(payload + size, "\x12\x05" EVENT, 7);
    refuse_block(payload, size, BW_ERR_CORRUPT, "more than a block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_as_it_was_written),
        cmocka_unit_test(a_damaged_event_is_refused_or_says_what_it_says),
        cmocka_unit_test(a_cut_event_is_refused_at_each_byte),
        cmocka_unit_test(the_same_said_in_other_bytes_is_refused),
        cmocka_unit_test(what_is_of_a_newer_release_is_named),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(what_no_command_could_leave_is_refused),
        cmocka_unit_test(blocks_are_read_in_the_order_of_their_groups),
        cmocka_unit_test(what_is_no_block_is_refused),
        cmocka_unit_test(a_block_of_more_than_it_has_room_for_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
