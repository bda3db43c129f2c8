/* wire: whatever comes in, a decoder says what is wrong and leaves its output alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/core/sync.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>
#include <breakwater/wire/state.h>
#include <breakwater/wire/sync.h>

#include "wire_fill.h"

#define RANDOM_INPUTS 20000
#define BYTES_MAX     (64 * 1024)
#define GROUPS        4
#define LONG_BYTES    4096
#define UNTOUCHED     0x5a

/* One decoder, and how to make something that it accepts. */
struct subject {
    const char *name;
    enum bw_err (*encode)(struct wire_filler *filler, uint8_t *out, size_t *out_size,
                          struct bw_diag *diag);
    enum bw_err (*decode)(const void *data, size_t size, struct bw_diag *diag);
    uint32_t magic; /* 0: not framed: a change may go unseen */
};

static union {
    struct bw_command command;
    struct bw_sync sync;
    struct bw_sync_answer answer;
    struct bw_relay relay;
    struct bw_guard_message message;
    struct bw_agent_state agent;
    struct bw_kept_members kept;
    struct bw_guard_memory_file memory;
    struct bw_guard_mirror_file mirror;
    struct bw_guard_reach_file reach;
    struct bw_cluster cluster;
} out;

/* cmocka says what differs, byte by byte: it is asked only when something does. */
static void expect_same(const void *data, const void *expected, size_t size)
{
    if (memcmp(data, expected, size) != 0)
        assert_memory_equal(data, expected, size);
}

static void expect_untouched(void)
{
    static uint8_t before[sizeof out];

    if (before[0] != UNTOUCHED)
        memset(before, UNTOUCHED, sizeof before);
    expect_same(&out, before, sizeof out);
}

/* Chance hardly draws an override of the list, with its wait, or terms of a spec. */
static void tidy_agent_state(struct bw_agent_state *state)
{
    for (uint32_t i = 0; i < state->group_count; i++) {
        struct bw_site_memory *memory = &state->groups[i].memory;

        memory->override %= BW_OVERRIDE_COUNT;
        memory->override_wait_ms = memory->override != BW_OVERRIDE_NONE;
        memory->terms.ttl_ms = memory->terms.ttl_ms % 10000 + 20000;
        memory->terms.fence_ms = memory->terms.fence_ms % 10000 + 50;
        memory->terms.drift_ppm = memory->terms.drift_ppm % 1000 + 1;
        memory->terms.margin_ms = memory->terms.margin_ms % 1000 + 20;
        memory->terms.renew_interval_ms = memory->terms.renew_interval_ms % 1000 + 20;
        memory->terms.request_timeout_ms = memory->terms.request_timeout_ms % 1000 + 20;
    }
}

/* A manual lease has an epoch. */
static void tidy_guard_mirror(struct bw_guard_mirror *mirror)
{
    if (mirror->armed_epoch == 0)
        mirror->armed_serial = 0;
}

/* A message by its shape, filled, encoded; and decoded again, its heap freed. */
#define SUBJECT(name, type, member, shape, release)                                                \
    TIDY_SUBJECT(name, type, member, shape, (void)0, release)
#define TIDY_SUBJECT(name, type, member, shape, tidy, release)                                     \
    static enum bw_err encode_##name(struct wire_filler *filler, uint8_t *bytes, size_t *out_size, \
                                     struct bw_diag *diag)                                         \
    {                                                                                              \
        type value;                                                                                \
        enum bw_err err;                                                                           \
                                                                                                   \
        wire_fill(filler, &bw_shape_##shape, &value);                                              \
        tidy;                                                                                      \
        err = bw_##name##_encode(&value, bytes, BYTES_MAX, out_size, diag);                        \
        wire_free(&bw_shape_##shape, &value);                                                      \
        return err;                                                                                \
    }                                                                                              \
    static enum bw_err decode_##name(const void *data, size_t size, struct bw_diag *diag)          \
    {                                                                                              \
        enum bw_err err;                                                                           \
                                                                                                   \
        memset(&out, UNTOUCHED, sizeof out);                                                       \
        err = bw_##name##_decode(data, size, &out.member, diag);                                   \
        if (err == BW_OK)                                                                          \
            release;                                                                               \
        else                                                                                       \
            expect_untouched();                                                                    \
        return err;                                                                                \
    }

SUBJECT(log_entry, struct bw_command, command, log_entry, (void)0)
SUBJECT(sync, struct bw_sync, sync, sync, bw_sync_deinit(&out.sync))
SUBJECT(sync_answer, struct bw_sync_answer, answer, sync_answer, bw_sync_answer_deinit(&out.answer))
SUBJECT(relay, struct bw_relay, relay, relay, bw_relay_deinit(&out.relay))
SUBJECT(guard_message, struct bw_guard_message, message, guard_message, (void)0)
TIDY_SUBJECT(agent_state, struct bw_agent_state, agent, agent_state, tidy_agent_state(&value),
             bw_agent_state_deinit(&out.agent))
SUBJECT(kept_members, struct bw_kept_members, kept, kept_members, (void)0)
SUBJECT(guard_memory, struct bw_guard_memory_file, memory, guard_memory_file, (void)0)
TIDY_SUBJECT(guard_mirror, struct bw_guard_mirror_file, mirror, guard_mirror_file,
             tidy_guard_mirror(&value.mirror), (void)0)
SUBJECT(guard_reach, struct bw_guard_reach_file, reach, guard_reach_file, (void)0)

static struct bw_group groups[GROUPS];
static const struct bw_group untouched_groups[GROUPS];

static enum bw_err encode_snapshot(struct wire_filler *filler, uint8_t *bytes, size_t *out_size,
                                   struct bw_diag *diag)
{
    struct bw_cluster cluster;
    struct bw_spec spec;

    wire_fill(filler, &bw_shape_snapshot_head, &cluster);
    strcpy(cluster.people.text, "operator/anna harbor\noperator/root\n");
    cluster.groups = groups;
    cluster.group_capacity = GROUPS;
    cluster.group_count = 2;
    cluster.record = NULL;
    cluster.record_blocks = 0;
    wire_fill(filler, &bw_shape_spec, &spec);
    memset(groups, 0, sizeof groups);
    bw_group_init(&groups[1], &spec, 7, 9);
    return bw_snapshot_encode(&cluster, bytes, BYTES_MAX, out_size, diag);
}

static enum bw_err decode_snapshot(const void *data, size_t size, struct bw_diag *diag)
{
    struct bw_cluster cluster;
    enum bw_err err;

    memset(groups, 0, sizeof groups);
    bw_cluster_init(&cluster, groups, GROUPS);
    err = bw_snapshot_decode(data, size, &cluster, diag);
    if (err != BW_OK) {
        expect_same(groups, untouched_groups, sizeof groups);
        assert_int_equal(cluster.group_count, 0);
    }
    return err;
}

static const struct subject subjects[] = {
#define ROW(name, magic)                                                                           \
    {                                                                                              \
#name, encode_##name, decode_##name, magic                                                 \
    }
    ROW(log_entry, BW_FRAME_LOG_ENTRY),
    ROW(snapshot, BW_FRAME_SNAPSHOT_HEAD),
    ROW(sync, 0),
    ROW(sync_answer, 0),
    ROW(relay, 0),
    ROW(guard_message, 0),
    ROW(agent_state, 0),
    ROW(kept_members, 0),
    ROW(guard_memory, 0),
    ROW(guard_mirror, 0),
    ROW(guard_reach, 0),
};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static uint8_t valid[BYTES_MAX];
static uint8_t bytes[BYTES_MAX];

/* Something that the subject accepts; its size. Kinds of messages whose group does not fit are
 * filled once more with another choice. */
static size_t make_valid(const struct subject *subject, struct bw_prng *prng)
{
    struct wire_filler filler = {.prng = *prng, .heap_count = 2, .choice = -1};
    struct bw_diag diag = {0};
    size_t size;
    enum bw_err err = BW_ERR_INVALID;

    for (int tries = 0; err != BW_OK && tries < 200; tries++)
        err = subject->encode(&filler, valid, &size, &diag);
    *prng = filler.prng;
    if (err != BW_OK)
        fail_msg("%s: %s", subject->name, diag.text);
    return size;
}

static void expect_refused(const struct subject *subject, enum bw_err err, const char *what)
{
    if (subject->magic != 0 && err == BW_OK)
        fail_msg("%s: accepted although %s", subject->name, what);
}

/* A copy of exactly that size, so that the sanitizer sees a read beyond it. */
static enum bw_err decode_copy(const struct subject *subject, const uint8_t *data, size_t size)
{
    struct bw_diag diag = {0};
    uint8_t *copy = malloc(size + 1);
    enum bw_err err;

    memcpy(copy + 1, data, size);
    err = subject->decode(copy + 1, size, &diag);
    if (err != BW_OK) {
        assert_int_equal(diag.err, err);
        assert_true(diag.text[0] != '\0');
    }
    free(copy);
    return err;
}

static void what_was_encoded_is_accepted(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 1);
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int round = 0; round < 50; round++) {
            const size_t size = make_valid(&subjects[i], &prng);

            assert_int_equal(decode_copy(&subjects[i], valid, size), BW_OK);
        }
}

static void a_cut_frame_is_refused_at_each_byte(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 2);
    for (size_t i = 0; i < SUBJECTS; i++) {
        const size_t size = make_valid(&subjects[i], &prng);

        for (size_t cut = 0; cut < size; cut++) {
            /* Of the zeros that fill up a log entry some may be missing. */
            const bool is_padding = subjects[i].magic == BW_FRAME_LOG_ENTRY && cut + 8 > size;
            const enum bw_err err = decode_copy(&subjects[i], valid, cut);

            if (!is_padding)
                expect_refused(&subjects[i], err, "it was cut");
        }
    }
}

/* Each bit; of a long message without a checksum, whose change may go unseen, one or two bits of each
 * byte, each of its eight in turn: its decoder asks for megabytes each time. */
static size_t step_of(const struct subject *subject, size_t size)
{
    return subject->magic == 0 && size > LONG_BYTES ? 7 : 1;
}

static void a_changed_frame_is_refused_at_each_bit(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 3);
    for (size_t i = 0; i < SUBJECTS; i++) {
        const size_t size = make_valid(&subjects[i], &prng);

        for (size_t bit = 0; bit < 8 * size; bit += step_of(&subjects[i], size)) {
            valid[bit / 8] ^= (uint8_t)(1 << bit % 8);
            expect_refused(&subjects[i], decode_copy(&subjects[i], valid, size), "a bit changed");
            valid[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void random_bytes_do_no_harm(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 4);
    for (size_t i = 0; i < SUBJECTS; i++) {
        for (int input = 0; input < RANDOM_INPUTS; input++) {
            const size_t size = bw_prng_below(&prng, 200);

            for (size_t k = 0; k < size; k++)
                bytes[k] = (uint8_t)bw_prng_next(&prng);
            expect_refused(&subjects[i], decode_copy(&subjects[i], bytes, size), "it is random");
        }
    }
}

/* Changes that a checksum does not stop: the payload is changed, then sealed. */
static void changed_messages_with_a_right_checksum_do_no_harm(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 5);
    for (size_t i = 0; i < SUBJECTS; i++) {
        const size_t head = subjects[i].magic == 0 ? 0 : BW_FRAME_HEAD_BYTES;
        size_t size = 0;

        for (int input = 0; input < RANDOM_INPUTS; input += size > LONG_BYTES ? 5 : 1) {
            size_t payload;

            if (input % 500 == 0)
                size = make_valid(&subjects[i], &prng);
            memcpy(bytes, valid, size);
            payload = head == 0 ? size : valid[4] + 256u * valid[5];
            for (uint64_t changes = 1 + bw_prng_below(&prng, 4); changes > 0; changes--)
                bytes[head + bw_prng_below(&prng, payload)] = (uint8_t)bw_prng_next(&prng);
            if (head != 0)
                bw_frame_seal(bytes, subjects[i].magic, payload);
            (void)decode_copy(&subjects[i], bytes, size); /* accepted or not: no crash, no leak */
        }
    }
}

static void each_allocation_may_fail(void **state)
{
    struct bw_prng prng;

    (void)state;
    bw_prng_init(&prng, 6);
    for (size_t i = 0; i < SUBJECTS; i++) {
        const size_t size = make_valid(&subjects[i], &prng);
        int n = 1;

        for (;; n++) {
            enum bw_err err;

            bw_wire_allocs_until_fault = n;
            err = decode_copy(&subjects[i], valid, size);
            if (err == BW_OK)
                break;
            assert_int_equal(err, BW_ERR_NOMEM);
        }
        assert_true(n > 1);
        bw_wire_allocs_until_fault = 0;
    }
}

static void an_encoder_without_memory_says_so(void **state)
{
    struct wire_filler filler = {.heap_count = 2, .choice = 1};
    struct bw_diag diag = {0};

    (void)state;
    bw_prng_init(&filler.prng, 7);
    for (size_t i = 0; i < SUBJECTS; i++) {
        size_t size = 4711;

        bw_wire_allocs_until_fault = 1;
        assert_int_equal(subjects[i].encode(&filler, bytes, &size, &diag), BW_ERR_NOMEM);
        bw_wire_allocs_until_fault = 0;
        assert_int_equal(size, 4711);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_accepted),
        cmocka_unit_test(a_cut_frame_is_refused_at_each_byte),
        cmocka_unit_test(a_changed_frame_is_refused_at_each_bit),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(changed_messages_with_a_right_checksum_do_no_harm),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(an_encoder_without_memory_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
