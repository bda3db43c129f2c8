/* the second enforcer's messages, file and mirror (3.4): what was written is read again, whole, and what contradicts
 * itself is neither written nor believed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/wire/second.h>

#include "wire_fill.h"

#define ROUNDS 20

static uint8_t bytes[BW_SECOND_BYTES_MAX];
static size_t size;

typedef enum bw_err encoder(const void *value, void *out, size_t out_max, size_t *out_size, struct bw_diag *diag);
typedef enum bw_err decoder(const void *data, size_t size, void *out_value, struct bw_diag *diag);
typedef void deinitialiser(void *value);

/* Of one type each, by pointers that fit all. */
#define FORMS(name, type)                                                                                              \
    static enum bw_err name##_encode(const void *value, void *out, size_t out_max, size_t *out_size,                   \
                                     struct bw_diag *diag)                                                             \
    {                                                                                                                  \
        return bw_second_##name##_encode((const struct type *)value, out, out_max, out_size, diag);                    \
    }                                                                                                                  \
    static enum bw_err name##_decode(const void *data, size_t data_size, void *out_value, struct bw_diag *diag)        \
    {                                                                                                                  \
        return bw_second_##name##_decode(data, data_size, (struct type *)out_value, diag);                             \
    }                                                                                                                  \
    static void name##_deinit(void *value)                                                                             \
    {                                                                                                                  \
        bw_second_##name##_deinit((struct type *)value);                                                               \
    }
FORMS(ask, bw_second_ask)
FORMS(answer, bw_second_answer)
FORMS(state, bw_second_state)
FORMS(mirror, bw_second_mirror_file)

static const struct {
    const struct bw_shape *shape;
    encoder *encode;
    decoder *decode;
    deinitialiser *deinit;
    bool is_judged; /* a random one may contradict itself */
} forms[] = {
    {&bw_shape_second_ask, ask_encode, ask_decode, ask_deinit, false},
    {&bw_shape_second_answer, answer_encode, answer_decode, answer_deinit, false},
    {&bw_shape_second_state, state_encode, state_decode, state_deinit, true},
    {&bw_shape_second_mirror_file, mirror_encode, mirror_decode, mirror_deinit, true},
};
#define FORMS_COUNT (sizeof forms / sizeof forms[0])

union any {
    struct bw_second_ask ask;
    struct bw_second_answer answer;
    struct bw_second_state state;
    struct bw_second_mirror_file mirror;
};

static void what_was_written_is_read_again(void **state)
{
    struct wire_filler filler = {.heap_count = 3, .choice = -1};

    (void)state;
    bw_prng_init(&filler.prng, 5);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < FORMS_COUNT; i++) {
            union any before, after;
            enum bw_err err;

            wire_fill(&filler, forms[i].shape, &before);
            err = forms[i].encode(&before, bytes, sizeof bytes, &size, NULL);
            assert_true(err == BW_OK || (forms[i].is_judged && err == BW_ERR_INVALID));
            if (err == BW_OK) {
                assert_int_equal(forms[i].decode(bytes, size, &after, NULL), BW_OK);
                assert_true(wire_is_equal(forms[i].shape, &before, &after));
                forms[i].deinit(&after);
            }
            wire_free(forms[i].shape, &before);
        }
}

static void what_is_cut_is_not_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < FORMS_COUNT; i++) {
        static const uint8_t broken[] = {0x0a, 0x7f}; /* a field that is longer than all there is */
        union any out;

        assert_int_equal(forms[i].decode(broken, sizeof broken, &out, NULL), BW_ERR_CORRUPT);
    }
}

/* ---- what contradicts itself ------------------------------------------------------------------- */

static struct bw_second_group group = {.name = "g", .memory = {.epoch = 3, .fence_ns = BW_NS_PER_S}};
static const struct bw_second_state kept = {.site = "dc-a", .group_count = 1, .groups = &group};
static struct bw_second_mirror_group deadline = {
    .name = "g", .mirror = {.epoch = 3, .fence_ns = BW_NS_PER_S, .end = {7, 7}}};
static const struct bw_second_mirror_file mirrored = {
    .site = "dc-a", .boot_id = {{9}}, .time_namespace = 1, .group_count = 1, .groups = &deadline};

/* As somebody else has written it: `from` gives way to `to`, of as many bytes. */
static void forge(const uint8_t *from, const uint8_t *to, size_t count)
{
    for (size_t at = 0; at + count <= size; at++)
        if (memcmp(bytes + at, from, count) == 0) {
            memcpy(bytes + at, to, count);
            return;
        }
    fail_msg("there is nothing to forge");
}

/* 3.4: an open epoch without a window would have no instant at which it is fenced. */
static void an_open_epoch_without_a_window_is_neither_written_nor_taken(void **state)
{
    struct bw_second_state out;
    struct bw_diag diag = {0};

    (void)state;
    group.memory.fence_ns = 0;
    assert_int_equal(bw_second_state_encode(&kept, bytes, sizeof bytes, &size, NULL), BW_ERR_INVALID);
    group.memory.is_over = true;
    assert_int_equal(bw_second_state_encode(&kept, bytes, sizeof bytes, &size, NULL), BW_OK);
    group.memory.is_over = false;
    group.memory.fence_ns = 1;
    assert_int_equal(bw_second_state_encode(&kept, bytes, sizeof bytes, &size, NULL), BW_OK);
    assert_int_equal(bw_second_state_decode(bytes, size, &out, NULL), BW_OK);
    bw_second_state_deinit(&out);

    forge((const uint8_t[]){0x18, 0x01}, (const uint8_t[]){0x18, 0x00}, 2); /* fence_ns, field 3 */

    assert_int_equal(bw_second_state_decode(bytes, size, &out, &diag), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "it contradicts itself"));
}

static void a_deadline_without_a_window_is_neither_written_nor_taken(void **state)
{
    struct bw_second_mirror_file out;
    struct bw_diag diag = {0};

    (void)state;
    deadline.mirror.fence_ns = 0;
    assert_int_equal(bw_second_mirror_encode(&mirrored, bytes, sizeof bytes, &size, NULL), BW_ERR_INVALID);
    deadline.mirror.fence_ns = 1;
    assert_int_equal(bw_second_mirror_encode(&mirrored, bytes, sizeof bytes, &size, NULL), BW_OK);
    assert_int_equal(bw_second_mirror_decode(bytes, size, &out, NULL), BW_OK);
    bw_second_mirror_deinit(&out);

    forge((const uint8_t[]){0x10, 0x01}, (const uint8_t[]){0x10, 0x00}, 2); /* fence_ns, field 2 */

    assert_int_equal(bw_second_mirror_decode(bytes, size, &out, &diag), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "it contradicts itself"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(what_is_cut_is_not_taken),
        cmocka_unit_test(an_open_epoch_without_a_window_is_neither_written_nor_taken),
        cmocka_unit_test(a_deadline_without_a_window_is_neither_written_nor_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
