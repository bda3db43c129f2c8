/* What agents, witnesses and guards say to each other, and a command of the log. The first byte says
 * which; the rest is its protobuf message. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/frame.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/second.h>
#include <breakwater/wire/sync.h>

#include "../support/wire_fill.h"
#include "fuzz.h"

#define UNTOUCHED 0xa5

union any {
    struct bw_sync sync;
    struct bw_sync_answer answer;
    struct bw_relay relay;
    struct bw_guard_message guard;
    struct bw_command command;
    struct bw_second_ask second_ask;
    struct bw_second_answer second_answer;
};

typedef enum bw_err decode_fn(const void *data, size_t size, void *out, struct bw_diag *diag);
typedef enum bw_err encode_fn(const void *core, void *out, size_t out_max, size_t *out_size,
                              struct bw_diag *diag);

#define CODEC(name, type, decoder, encoder)                                                       \
    static enum bw_err decode_##name(const void *data, size_t size, void *out,                    \
                                     struct bw_diag *diag)                                        \
    {                                                                                             \
        return decoder(data, size, (type *)out, diag);                                            \
    }                                                                                             \
    static enum bw_err encode_##name(const void *core, void *out, size_t out_max,                 \
                                     size_t *out_size, struct bw_diag *diag)                      \
    {                                                                                             \
        return encoder((const type *)core, out, out_max, out_size, diag);                         \
    }
CODEC(sync, struct bw_sync, bw_sync_decode, bw_sync_encode)
CODEC(answer, struct bw_sync_answer, bw_sync_answer_decode, bw_sync_answer_encode)
CODEC(relay, struct bw_relay, bw_relay_decode, bw_relay_encode)
CODEC(guard, struct bw_guard_message, bw_guard_message_decode, bw_guard_message_encode)
CODEC(second_ask, struct bw_second_ask, bw_second_ask_decode, bw_second_ask_encode)
CODEC(second_answer, struct bw_second_answer, bw_second_answer_decode, bw_second_answer_encode)
CODEC(command, struct bw_command, bw_log_entry_decode, bw_log_entry_encode)

static const struct {
    const struct bw_shape *shape;
    decode_fn *decode;
    encode_fn *encode;
    bool is_framed; /* the target puts it into its frame, for a checksum cannot be guessed */
} codecs[] = {
    {&bw_shape_sync, decode_sync, encode_sync, false},
    {&bw_shape_sync_answer, decode_answer, encode_answer, false},
    {&bw_shape_relay, decode_relay, encode_relay, false},
    {&bw_shape_guard_message, decode_guard, encode_guard, false},
    {&bw_shape_log_entry, decode_command, encode_command, true},
    {&bw_shape_log_entry, decode_command, encode_command, false},
    {&bw_shape_second_ask, decode_second_ask, encode_second_ask, false},
    {&bw_shape_second_answer, decode_second_answer, encode_second_answer, false},
};

/* What was read can be written, reads back as the same, and is written the same again. */
static void check_round_trip(unsigned kind, const union any *first)
{
    static uint8_t bytes[BW_BODY_BYTES_MAX];
    static uint8_t again[BW_BODY_BYTES_MAX];
    struct bw_diag diag = {0};
    union any second;
    size_t size;
    size_t size_again;

    FUZZ_CHECK(codecs[kind].encode(first, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(codecs[kind].decode(bytes, size, &second, &diag) == BW_OK);
    FUZZ_CHECK(wire_is_equal(codecs[kind].shape, first, &second));
    FUZZ_CHECK(codecs[kind].encode(&second, again, sizeof again, &size_again, &diag) == BW_OK);
    FUZZ_CHECK(size == size_again && memcmp(bytes, again, size) == 0);
    wire_free(codecs[kind].shape, &second);
}

/* A frame is as long as its head says, to who reads it from a stream too. */
static void check_frame(const uint8_t *data, size_t size)
{
    struct bw_frame frame;
    struct bw_diag diag = {0};
    size_t measured = 0;
    const enum bw_err err = bw_frame_open(data, size, BW_FRAME_LOG_ENTRY, 4096, &frame, &diag);

    fuzz_check_outcome(err, &diag);
    if (err != BW_OK)
        return;
    FUZZ_CHECK(bw_frame_measure(data, BW_FRAME_LOG_ENTRY, 4096, &measured, &diag) == BW_OK);
    FUZZ_CHECK(measured == frame.size && frame.size <= size);
    FUZZ_CHECK(frame.payload == data + BW_FRAME_HEAD_BYTES &&
               frame.payload_size + BW_FRAME_HEAD_BYTES == frame.size);
}

static void run(unsigned kind, const uint8_t *data, size_t size)
{
    struct bw_diag diag = {0};
    union any untouched;
    union any core;
    enum bw_err err;

    memset(&core, UNTOUCHED, sizeof core);
    memset(&untouched, UNTOUCHED, sizeof untouched);
    if (codecs[kind].shape == &bw_shape_log_entry)
        check_frame(data, size);
    err = codecs[kind].decode(data, size, &core, &diag);
    fuzz_check_outcome(err, &diag);
    if (err != BW_OK) {
        FUZZ_CHECK(memcmp(&core, &untouched, sizeof core) == 0);
        return;
    }
    fuzz_check_shape(codecs[kind].shape, &core);
    check_round_trip(kind, &core);
    if (codecs[kind].shape == &bw_shape_relay)
        run(0, core.relay.sync, core.relay.sync_size); /* once: a sync holds no relay */
    wire_free(codecs[kind].shape, &core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned kind;
    uint8_t *frame;

    if (size == 0)
        return 0;
    kind = data[0] % (sizeof codecs / sizeof codecs[0]);
    data++;
    size--;
    if (!codecs[kind].is_framed) {
        run(kind, data, size);
        return 0;
    }
    frame = calloc(1, BW_FRAME_HEAD_BYTES + size + 7);
    FUZZ_CHECK(frame != NULL);
    memcpy(frame + BW_FRAME_HEAD_BYTES, data, size);
    bw_frame_seal(frame, BW_FRAME_LOG_ENTRY, size);
    run(kind, frame, (BW_FRAME_HEAD_BYTES + size + 7) / 8 * 8);
    free(frame);
    return 0;
}
