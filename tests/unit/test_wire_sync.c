/* wire messages between agents, witnesses and guards: checked before anything rests on them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/sync.h>

#include "wire_fill.h"

static struct bw_diag diag;
static uint8_t bytes[2 * BW_BODY_BYTES_MAX];

static void fill_sync(struct bw_sync *out_sync, uint32_t group_count, bool is_largest)
{
    struct wire_filler filler = {.heap_count = group_count, .is_largest = is_largest};

    bw_prng_init(&filler.prng, group_count);
    wire_fill(&filler, &bw_shape_sync, out_sync);
}

/* ---- sizes ---- */

/* Names of 20 letters, indexes below 2^35, positions of 17: what a busy cluster has. */
static void make_typical(struct bw_sync_group *group, uint32_t number)
{
    *group = (struct bw_sync_group){.renew_epoch = 1000 + number};
    (void)snprintf(group->name, sizeof group->name, "registry-of-team-%04u", number);
    group->report = (struct bw_report){
        .spec_version = UINT64_C(1) << 34,
        .epoch_seen = 1000 + number,
        .guard_alive = true,
        .enforced = true,
        .service = BW_SERVICE_STARTED,
        .service_age_ms = 9999,
        .verified = true,
        .has_readiness = true,
        .ready_age_ms = UINT32_MAX,
        .lag_ms = 100000,
        .position = "0/16B3748-1234567",
        .check_interval_ms = 10000,
        .reach = BW_REACH_UNITS,
        .reach_works = true,
        .fence_bound_ms = 5000,
        .armed_epoch = 1000 + number,
        .prepared_index = UINT64_C(1) << 34,
        .start_begun = true,
        .serving_epoch_started = true,
        .joined_epoch = UINT64_MAX,
    };
}

static void a_sync_of_all_groups_fits_in_a_body(void **state)
{
    struct bw_sync sync;
    size_t size;

    (void)state;
    fill_sync(&sync, BW_GROUPS_MAX, false);
    for (uint32_t i = 0; i < BW_GROUPS_MAX; i++)
        make_typical(&sync.groups[i], i);

    if (bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag) != BW_OK)
        fail_msg("%s", diag.text);

    assert_true(size <= BW_SYNC_BYTES_MAX);
    printf("1024 typical groups: %zu bytes\n", size);
    bw_sync_deinit(&sync);
}

static void a_sync_that_is_too_large_names_the_limit(void **state)
{
    struct bw_sync sync;
    size_t size = 4711;

    (void)state;
    fill_sync(&sync, BW_GROUPS_MAX, true);

    assert_int_equal(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag), BW_ERR_LIMIT);

    assert_int_equal(size, 4711);
    assert_non_null(strstr(diag.text, "at most 261888"));
    assert_int_equal(bw_sync_decode(bytes, BW_SYNC_BYTES_MAX + 1, &sync, &diag), BW_ERR_LIMIT);
    bw_sync_deinit(&sync);
}

static void more_groups_than_allowed_are_a_limit(void **state)
{
    struct bw_sync sync;
    struct bw_sync before;
    size_t size;

    (void)state;
    fill_sync(&sync, BW_GROUPS_MAX, false);
    for (uint32_t i = 0; i < BW_GROUPS_MAX; i++) {
        sync.groups[i] = (struct bw_sync_group){.name = "g"};
    }
    assert_int_equal(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag), BW_OK);
    bw_sync_deinit(&sync);
    memcpy(bytes + size, (uint8_t[]){0x5a, 0}, 2); /* groups, once more, empty */
    memset(&sync, 0x5a, sizeof sync);
    before = sync;

    assert_int_equal(bw_sync_decode(bytes, size + 2, &sync, &diag), BW_ERR_LIMIT);

    assert_non_null(strstr(diag.text, "groups: 1025 of them; at most 1024"));
    assert_memory_equal(&sync, &before, sizeof sync);
    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_OK);
    assert_int_equal(sync.group_count, BW_GROUPS_MAX);
    bw_sync_deinit(&sync);
}

/* ---- values ---- */

static void expect_refused(const struct bw_sync *sync, const char *where)
{
    size_t size = 4711;

    assert_int_equal(bw_sync_encode(sync, bytes, sizeof bytes, &size, &diag), BW_ERR_INVALID);
    if (strstr(diag.text, where) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", where, diag.text);
    assert_int_equal(size, 4711);
}

static void a_bad_value_is_refused_by_its_place(void **state)
{
    struct bw_sync sync;

    (void)state;
    fill_sync(&sync, 3, false);
    strcpy(sync.groups[2].name, "../etc");
    expect_refused(&sync, "sync: groups[2].name: is not a valid name");
    strcpy(sync.groups[2].name, "g");
    sync.groups[1].report.reach = (enum bw_reach_kind)17;
    expect_refused(&sync, "sync: groups[1].report.reach: value 18 is not known here");
    sync.groups[1].report.reach = BW_REACH_CGROUP;
    sync.groups[0].report.alarms = UINT32_C(1) << 31;
    expect_refused(&sync, "groups[0].report.alarms");
    sync.groups[0].report.alarms = 0;
    sync.number = 0;
    expect_refused(&sync, "sync: number: is missing");
    sync.number = 1;
    sync.site[0] = '\0';
    expect_refused(&sync, "sync: site: is missing");
    bw_sync_deinit(&sync);
}

static void a_bad_value_from_a_peer_is_refused(void **state)
{
    struct bw_sync sync;
    size_t size;
    uint8_t *at;

    (void)state;
    fill_sync(&sync, 1, false);
    strcpy(sync.groups[0].name, "harbor-of-one");
    assert_int_equal(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag), BW_OK);
    bw_sync_deinit(&sync);
    at = memmem(bytes, size, "harbor-of-one", 13);
    assert_non_null(at);

    at[3] = '/';
    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_ERR_CORRUPT);
    at[3] = '\0'; /* would end the name early, and make it another group's */
    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "NUL"));
    at[3] = 'b';
    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_OK);
    bw_sync_deinit(&sync);
}

static void fields_of_a_newer_peer_are_ignored(void **state)
{
    struct bw_sync sync;
    struct bw_sync again;
    size_t size;

    (void)state;
    fill_sync(&sync, 2, false);
    assert_int_equal(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag), BW_OK);
    memcpy(bytes + size, (uint8_t[]){0x98, 0x06, 1}, 3); /* field 99 */

    assert_int_equal(bw_sync_decode(bytes, size + 3, &again, &diag), BW_OK);

    assert_true(wire_is_equal(&bw_shape_sync, &sync, &again));
    bw_sync_deinit(&sync);
    bw_sync_deinit(&again);
}

static void a_version_of_a_newer_peer_is_refused(void **state)
{
    struct bw_sync sync;
    size_t size;

    (void)state;
    fill_sync(&sync, 0, false);
    assert_int_equal(bw_sync_encode(&sync, bytes, sizeof bytes, &size, &diag), BW_OK);
    assert_int_equal(bytes[0], 0x08);
    bytes[1] = 3;

    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_ERR_VERSION);
    bytes[1] = 1; /* what 0.1 sends */
    assert_int_equal(bw_sync_decode(bytes, size, &sync, &diag), BW_ERR_OUTDATED);
    assert_non_null(strstr(diag.text, "written by breakwater 0.1"));
    bw_sync_deinit(&sync);
}

/* ---- orders, relay ---- */

static void orders_are_an_answer_without_confirmations(void **state)
{
    struct bw_sync_answer_group group = {.name = "harbor"};
    const struct bw_sync_answer answer = {.cluster_id = {{1}},
                                          .generation = 1,
                                          .applied_index = 7,
                                          .group_count = 1,
                                          .groups = &group};
    struct bw_sync_answer again;
    size_t size;

    (void)state;
    bw_order_derive(NULL, "dc-a", 7, &group.order);
    assert_int_equal(bw_sync_answer_encode(&answer, bytes, sizeof bytes, &size, &diag), BW_OK);

    assert_int_equal(bw_sync_answer_decode(bytes, size, &again, &diag), BW_OK);

    assert_int_equal(again.groups[0].confirmed_epoch, 0);
    assert_int_equal(again.groups[0].order.kind, BW_ORDER_LET_GO);
    bw_sync_answer_deinit(&again);
}

static void the_largest_sync_fits_in_a_relay(void **state)
{
    static uint8_t largest[BW_SYNC_BYTES_MAX + 1];
    struct bw_relay relay = {.sync = largest, .sync_size = BW_SYNC_BYTES_MAX};
    struct bw_relay again;
    size_t size;

    (void)state;
    memset(relay.site, 's', BW_NAME_MAX);
    memset(relay.agent, 'a', BW_NAME_MAX);

    assert_int_equal(bw_relay_encode(&relay, bytes, sizeof bytes, &size, &diag), BW_OK);
    assert_int_equal(bw_relay_decode(bytes, size, &again, &diag), BW_OK);

    assert_true(size <= BW_BODY_BYTES_MAX);
    assert_int_equal(again.sync_size, BW_SYNC_BYTES_MAX);
    assert_memory_equal(again.sync, largest, BW_SYNC_BYTES_MAX);
    bw_relay_deinit(&again);
    relay.sync_size++;
    assert_int_equal(bw_relay_encode(&relay, bytes, sizeof bytes, &size, &diag), BW_ERR_LIMIT);
}

/* ---- guard ---- */

static void each_guard_message_is_read_again(void **state)
{
    (void)state;
    for (int largest = 0; largest < 2; largest++)
        for (int kind = 0; kind <= BW_GUARD_MESSAGE_HELLO_REFUSED; kind++) {
            struct wire_filler filler = {.choice = kind, .is_largest = largest};
            struct bw_guard_message message;
            struct bw_guard_message again;
            size_t size;

            bw_prng_init(&filler.prng, (uint64_t)kind);
            wire_fill(&filler, &bw_shape_guard_message, &message);
            if (kind == BW_GUARD_MESSAGE_HELLO || kind == BW_GUARD_MESSAGE_HELLO_REFUSED ||
                kind == BW_GUARD_MESSAGE_WELCOME || kind == BW_GUARD_MESSAGE_WELCOME_DONE)
                message.group[0] = '\0';

            if (bw_guard_message_encode(&message, bytes, BW_GUARD_MESSAGE_BYTES_MAX, &size,
                                        &diag) != BW_OK ||
                bw_guard_message_decode(bytes, size, &again, &diag) != BW_OK)
                fail_msg("kind %d: %s", kind, diag.text);
            assert_true(wire_is_equal(&bw_shape_guard_message, &message, &again));
        }
}

static void a_guard_message_is_about_a_group_or_not(void **state)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_END, .epoch = 3};
    size_t size;

    (void)state;
    assert_int_equal(bw_guard_message_encode(&message, bytes, sizeof bytes, &size, &diag),
                     BW_ERR_INVALID);
    message.kind = BW_GUARD_MESSAGE_WELCOME_DONE;
    assert_int_equal(bw_guard_message_encode(&message, bytes, sizeof bytes, &size, &diag), BW_OK);
    message.kind = (enum bw_guard_message_kind)99;
    assert_int_equal(bw_guard_message_encode(&message, bytes, sizeof bytes, &size, &diag),
                     BW_ERR_INVALID);
}

static void an_unknown_guard_message_is_of_a_newer_program(void **state)
{
    static const uint8_t unknown[] = {8, 2, 0x12, 1, 'g', 0xfa, 0x06, 0}; /* member 111 */
    struct bw_guard_message message;

    (void)state;
    assert_int_equal(bw_guard_message_decode(unknown, sizeof unknown, &message, &diag),
                     BW_ERR_VERSION);
    assert_non_null(strstr(diag.text, "newer breakwater"));
    assert_int_equal(bw_guard_message_decode(unknown, 5, &message, &diag), BW_ERR_CORRUPT);
}

/* A guard of the release before has no words of its scripts to tell, nor has it looked at the others; its agent may be
 * upgraded first. */
static void a_guard_that_is_older_says_no_words(void **state)
{
    static const uint8_t fence_ended[] = {8, 2, 0x12, 1, 'g', 0xd2, 0x01, 4, 8, 1, 0x10, 5};
    static const uint8_t run_ended[] = {8, 2, 0x12, 1, 'g', 0xaa, 0x01, 12, 0x10, 2, 0x18, 3, 0x20,
                                        1, 0x28, 1, 0x52, 2,    8, 1};
    struct bw_guard_message message = {.fence = {.outcome = {.exit_status = 7}}};

    (void)state;
    if (bw_guard_message_decode(fence_ended, sizeof fence_ended, &message, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    assert_int_equal(message.kind, BW_GUARD_MESSAGE_FENCE_ENDED);
    assert_int_equal(message.fence.duration_ms, 5);
    assert_int_equal(message.fence.outcome.exit_status, 0);
    assert_string_equal(message.fence.outcome.words, "");
    message.ended.unrunnable = BW_ACTION_STOP;
    if (bw_guard_message_decode(run_ended, sizeof run_ended, &message, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    assert_int_equal(message.kind, BW_GUARD_MESSAGE_RUN_ENDED);
    assert_int_equal(message.ended.action, BW_ACTION_START);
    assert_false(message.ended.has_looked);
    assert_int_equal(message.ended.unrunnable, BW_ACTION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_of_all_groups_fits_in_a_body),
        cmocka_unit_test(a_sync_that_is_too_large_names_the_limit),
        cmocka_unit_test(more_groups_than_allowed_are_a_limit),
        cmocka_unit_test(a_bad_value_is_refused_by_its_place),
        cmocka_unit_test(a_bad_value_from_a_peer_is_refused),
        cmocka_unit_test(fields_of_a_newer_peer_are_ignored),
        cmocka_unit_test(a_version_of_a_newer_peer_is_refused),
        cmocka_unit_test(orders_are_an_answer_without_confirmations),
        cmocka_unit_test(the_largest_sync_fits_in_a_relay),
        cmocka_unit_test(each_guard_message_is_read_again),
        cmocka_unit_test(a_guard_that_is_older_says_no_words),
        cmocka_unit_test(a_guard_message_is_about_a_group_or_not),
        cmocka_unit_test(an_unknown_guard_message_is_of_a_newer_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
