/* What must hold of a guard's machine between steps, fact by fact: each is broken by hand, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

/* `change` breaks a copy of `of`, and `fact` is what is then said not to hold. */
#define BREAKS(type, unsound, of, change, fact)                                                   \
    do {                                                                                          \
        type broken = (of);                                                                       \
        const char *wrong;                                                                        \
                                                                                                  \
        assert_null(unsound(&broken));                                                            \
        change;                                                                                   \
        wrong = unsound(&broken);                                                                 \
        assert_non_null(wrong);                                                                   \
        assert_string_equal(wrong, fact);                                                         \
    } while (0)
#define GUARD_BREAKS(of, change, fact) BREAKS(struct bw_guard, bw_guard_unsound, of, change, fact)

static void what_was_kept_has_no_end_above_what_was_seen(void **state)
{
    struct bw_guard_memory memory = {.epoch_seen = 4, .ended_epoch = 4};

    (void)state;
    BREAKS(struct bw_guard_memory, bw_guard_memory_unsound, memory, broken.ended_epoch = 5,
           "the guard's memory: no epoch has ended above the newest that was seen");
    BREAKS(struct bw_guard_memory, bw_guard_memory_unsound, memory, broken.sight.proved = true,
           "the guard's memory: a reach is proved only of a service inside");
}

static void a_mirror_has_a_window_within_its_lease(void **state)
{
    struct bw_guard_mirror mirror = {.armed_epoch = 4, .ttl_ns = 10, .fence_ns = 9};

    (void)state;
    BREAKS(struct bw_guard_mirror, bw_guard_mirror_unsound, mirror, broken.fence_ns = 0,
           "the guard's mirror: what is armed has a fence window");
    BREAKS(struct bw_guard_mirror, bw_guard_mirror_unsound, mirror, broken.fence_ns = 10,
           "the guard's mirror: a fence window is shorter than its lease");
    BREAKS(struct bw_guard_mirror, bw_guard_mirror_unsound, mirror, broken.left_due = true,
           "the guard's mirror: what a start left asks for the script that ends it");
    mirror.script_due = mirror.left_due = true;
    mirror.fence_ns = 1; /* as short as one can be */
    mirror.ttl_ns = 2;
    assert_null(bw_guard_mirror_unsound(&mirror));
}

static void a_manual_lease_has_an_epoch_and_a_deadline(void **state)
{
    const struct bw_guard_mirror none = {.armed_epoch = 0};

    (void)state;
    BREAKS(struct bw_guard_mirror, bw_guard_mirror_unsound, none, broken.armed_serial = 1,
           "the guard's mirror: a manual lease has an epoch, and a deadline");
}

static void its_own_loop_starts_only_what_may_serve(void **state)
{
    const struct bw_guard_mirror armed = {
        .armed_epoch = 4, .ttl_ns = 10, .fence_ns = 9, .loop_delay_ns = 1};
    const struct bw_guard_mirror none = {.armed_epoch = 0};

    (void)state;
    assert_null(bw_guard_mirror_unsound(&armed));
    BREAKS(struct bw_guard_mirror, bw_guard_mirror_unsound, none, broken.loop_delay_ns = 1,
           "the guard's mirror: its own loop may start only what a lease lets serve");
}

static void take(struct bw_guard *guard, enum bw_guard_slot slot, enum bw_action_kind action)
{
    guard->slots[slot].state = BW_SLOT_RUNNING;
    guard->slots[slot].run.action = action;
}

static void each_slot_runs_what_belongs_into_it(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    GUARD_BREAKS(world.guard, broken.slots[BW_GUARD_SLOT_ACTION].run.action = BW_ACTION_STATUS,
                 "the guard's slots: each runs what belongs into it");
    GUARD_BREAKS(world.guard, broken.slots[BW_GUARD_SLOT_ACTION].run.action = BW_ACTION_FENCE,
                 "the guard's slots: each runs what belongs into it");
    GUARD_BREAKS(world.guard, take(&broken, BW_GUARD_SLOT_OBSERVATION, BW_ACTION_STOP),
                 "the guard's slots: each runs what belongs into it");
    GUARD_BREAKS(world.guard, take(&broken, BW_GUARD_SLOT_OBSERVATION, BW_ACTION_NONE),
                 "the guard's slots: each runs what belongs into it");
    GUARD_BREAKS(world.guard, take(&broken, BW_GUARD_SLOT_FENCE, BW_ACTION_START),
                 "the guard's slots: each runs what belongs into it");
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
        GUARD_BREAKS(world.guard, broken.slots[slot].state = BW_SLOT_FREE;
                     broken.mirror.children[slot].action = BW_ACTION_START,
                     "the guard's slots: the mirror names no child of a free one");
}

static void nothing_runs_beside_a_fence(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    tick_at(&world, 108000);
    assert_true(bw_guard_is_fencing(&world.guard));
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_ENDING);
    GUARD_BREAKS(world.guard, broken.slots[BW_GUARD_SLOT_ACTION].state = BW_SLOT_RUNNING,
                 "the guard's fence: no action runs beside it");
    GUARD_BREAKS(world.guard, broken.slots[BW_GUARD_SLOT_OBSERVATION].state = BW_SLOT_RUNNING;
                 broken.slots[BW_GUARD_SLOT_OBSERVATION].run.action = BW_ACTION_STATUS,
                 "the guard's fence: no observation runs beside it");
    GUARD_BREAKS(world.guard, broken.stop = BW_GUARD_STOP_CHECKING,
                 "the guard's fence: no stop is under way beside it");
    GUARD_BREAKS(world.guard, broken.check_at_start = true,
                 "the guard's fence: no look at the start is due beside it");
}

static void a_fence_waits_for_what_it_has_ordered_and_kills_before_its_end(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);
    GUARD_BREAKS(world.guard, broken.fence_kill_at.raw_ns = broken.fence_end.raw_ns + 1,
                 "the guard's fence: its KILL is not after its end");
    GUARD_BREAKS(world.guard, broken.slots[BW_GUARD_SLOT_FENCE].state = BW_SLOT_FREE;
                 broken.mirror.children[BW_GUARD_SLOT_FENCE].action = BW_ACTION_NONE,
                 "the guard's fence: what it waits for is under way");
    for (int i = 0; i < 2; i++) {
        const enum bw_fence_state waits[] = {BW_FENCE_CHECK, BW_FENCE_RECHECK};

        GUARD_BREAKS(world.guard, broken.fence = waits[i];
                     broken.slots[BW_GUARD_SLOT_FENCE].state = BW_SLOT_FREE;
                     broken.mirror.children[BW_GUARD_SLOT_FENCE].action = BW_ACTION_NONE,
                     "the guard's fence: what it waits for is under way");
    }
    GUARD_BREAKS(world.guard, broken.fence = BW_FENCE_DONE,
                 "the guard's fence: nothing of one that has ended well is under way");
    GUARD_BREAKS(world.guard, broken.mirror.fence_begun = false,
                 "the guard's fence: the mirror knows that it has begun");
    GUARD_BREAKS(world.guard, broken.fence_reach = BW_FENCE_REACH_EMPTY,
                 "the guard's fence: its reach is empty only after its KILL");
}

static void an_epoch_is_durable_before_it_is_armed_and_ended_before_its_end_is_seen(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    GUARD_BREAKS(world.guard, broken.mirror.armed_epoch = 2,
                 "the guard's epochs: what is armed was seen, durably");
    GUARD_BREAKS(world.guard, broken.end_seen_epoch = 1,
                 "the guard's epochs: no end is seen before it is durable");
    GUARD_BREAKS(world.guard, broken.end_looking = true,
                 "the guard's epochs: an end is looked for of an epoch that was ended");
    GUARD_BREAKS(world.guard, broken.check_at_start = true,
                 "the guard's epochs: what is armed needs no look at the start");
    GUARD_BREAKS(world.guard, broken.waits[BW_GUARD_WAIT_ARM] = broken.mirror_number + 1,
                 "the guard's epochs: what waits for a mirror waits for one that was asked for");
    GUARD_BREAKS(world.guard, broken.waits[BW_GUARD_WAIT_ARM] = 1; broken.mirror.armed_epoch = 0,
                 "the guard's epochs: what waits for its mirror is armed");
}

static void a_save_takes_nothing_back(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    GUARD_BREAKS(world.guard, broken.is_void = true,
                 "the guard's saves: only what waits for the disk is void");
    world.guard.mirror.stop_seen = true;
    world.save_hangs = true;
    assert_false(end(&world, 1));
    GUARD_BREAKS(world.guard, broken.memory_before.epoch_seen = 2,
                 "the guard's saves: the newest epoch that was seen only grows");
    GUARD_BREAKS(world.guard, broken.memory_before.sight.proved = true;
                 broken.memory_before.sight.seen = BW_REACH_OUTSIDE,
                 "the guard's memory: a reach is proved only of a service inside");
    GUARD_BREAKS(world.guard, broken.memory.epoch_seen = broken.memory_before.epoch_seen = 2;
                 broken.memory_before.ended_epoch = 2,
                 "the guard's saves: what has ended stays ended");
    GUARD_BREAKS(world.guard, broken.memory_before.let_go_index = 1,
                 "the guard's saves: what was let go stays let go");
    GUARD_BREAKS(world.guard, broken.memory_before.epoch_seen = 0,
                 "the guard's saves: what is armed is durable already");
}

static void a_stop_waits_for_the_action_that_it_ends(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    run(&world, 1, BW_ACTION_STOP, 6);
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_WAITING);
    GUARD_BREAKS(
        world.guard, broken.slots[BW_GUARD_SLOT_ACTION].state = BW_SLOT_RUNNING,
        "the guard's stop: it waits for an action that was ordered to end, or its own loop's");
    GUARD_BREAKS(
        world.guard, broken.slots[BW_GUARD_SLOT_ACTION].state = BW_SLOT_FREE;
        broken.mirror.children[BW_GUARD_SLOT_ACTION].action = BW_ACTION_NONE,
        "the guard's stop: it waits for an action that was ordered to end, or its own loop's");
    GUARD_BREAKS(
        world.guard, broken.slots[BW_GUARD_SLOT_ACTION].state = BW_SLOT_RUNNING;
        broken.mirror.loop_until.boot_ns = 1,
        "the guard's stop: it waits for an action that was ordered to end, or its own loop's");
    GUARD_BREAKS(world.guard, broken.waiting_run.action = BW_ACTION_START,
                 "the guard's stop: nothing else waits for a slot");
    GUARD_BREAKS(world.guard, broken.stop = BW_GUARD_STOP_CHECKING,
                 "the guard's stop: no action runs while its end is looked for");
    begin_armed(&world);
    GUARD_BREAKS(world.guard, broken.stop = BW_GUARD_STOP_AGAIN,
                 "the guard's stop: one that runs again is under way");
    GUARD_BREAKS(world.guard, broken.stop = BW_GUARD_STOP_AGAIN;
                 broken.slots[BW_GUARD_SLOT_ACTION].run.action = BW_ACTION_STOP,
                 "the guard's stop: one that runs again is under way");
    run(&world, 1, BW_ACTION_START, 5);
    GUARD_BREAKS(world.guard, broken.stop = BW_GUARD_STOP_AGAIN,
                 "the guard's stop: one that runs again is under way");
}

/* What an earlier fence was for may be armed again, or still. */
static void without_a_fence_the_mirror_need_not_know_of_one(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.fence_epoch = 1;
    assert_null(bw_guard_unsound(&world.guard));
    world.guard.fence = BW_FENCE_DONE;
    world.guard.fence_epoch = 0; /* nor of one that was for something else */
    assert_null(bw_guard_unsound(&world.guard));
    world.guard.fence = BW_FENCE_NONE;
    GUARD_BREAKS(world.guard, broken.mirror.fence_ns = broken.mirror.ttl_ns,
                 "the guard's mirror: a fence window is shorter than its lease");
}

/* ---- what comes from disk ---- */

static void assert_contradicts(enum bw_err err, enum bw_err expected, const struct bw_diag *diag)
{
    assert_int_equal(err, expected);
    assert_non_null(strstr(diag->text, "it contradicts itself: the guard's "));
}

static void a_memory_that_contradicts_itself_is_neither_written_nor_taken(void **state)
{
    struct bw_guard_memory_file file = {.group = "g",
                                        .memory = {.epoch_seen = 5, .ended_epoch = 4}};
    struct bw_guard_memory_file taken = {.group = "untouched"};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size = 4711;
    uint8_t *ended;

    (void)state;
    file.memory.ended_epoch = 6;
    assert_contradicts(bw_guard_memory_encode(&file, bytes, sizeof bytes, &size, &diag),
                       BW_ERR_INVALID, &diag);
    assert_int_equal(size, 4711);
    file.memory.ended_epoch = 4;
    assert_int_equal(bw_guard_memory_encode(&file, bytes, sizeof bytes, &size, &diag), BW_OK);
    ended = memmem(bytes, size, (const uint8_t[]){5, 0x10, 4}, 3); /* epoch_seen, then its tag */
    assert_non_null(ended);
    ended[2] = 6;
    diag = (struct bw_diag){0};
    assert_contradicts(bw_guard_memory_decode(bytes, size, &taken, &diag), BW_ERR_CORRUPT, &diag);
    assert_string_equal(taken.group, "untouched");
}

static void a_mirror_that_contradicts_itself_is_neither_written_nor_taken(void **state)
{
    struct bw_guard_mirror_file file = {
        .group = "g",
        .boot_id = {{1}},
        .time_namespace = 1,
        .mirror = {.armed_epoch = 3, .ttl_ns = 100, .fence_ns = 77, .armed_end = {1, 1}}};
    struct bw_guard_mirror_file taken = {.group = "untouched"};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size = 4711;
    uint8_t *fence;

    (void)state;
    file.mirror.fence_ns = 101;
    assert_contradicts(bw_guard_mirror_encode(&file, bytes, sizeof bytes, &size, &diag),
                       BW_ERR_INVALID, &diag);
    assert_int_equal(size, 4711);
    file.mirror.fence_ns = 77;
    assert_int_equal(bw_guard_mirror_encode(&file, bytes, sizeof bytes, &size, &diag), BW_OK);
    fence = memchr(bytes, 77, size);
    assert_non_null(fence);
    *fence = 101;
    diag = (struct bw_diag){0};
    assert_contradicts(bw_guard_mirror_decode(bytes, size, &taken, &diag), BW_ERR_CORRUPT, &diag);
    assert_string_equal(taken.group, "untouched");
}

static void what_a_guard_keeps_does_not_contradict_itself(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    GUARD_BREAKS(world.guard, broken.memory.ended_epoch = broken.memory.epoch_seen + 1,
                 "the guard's memory: no epoch has ended above the newest that was seen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_kept_has_no_end_above_what_was_seen),
        cmocka_unit_test(a_mirror_has_a_window_within_its_lease),
        cmocka_unit_test(a_manual_lease_has_an_epoch_and_a_deadline),
        cmocka_unit_test(its_own_loop_starts_only_what_may_serve),
        cmocka_unit_test(each_slot_runs_what_belongs_into_it),
        cmocka_unit_test(nothing_runs_beside_a_fence),
        cmocka_unit_test(a_fence_waits_for_what_it_has_ordered_and_kills_before_its_end),
        cmocka_unit_test(an_epoch_is_durable_before_it_is_armed_and_ended_before_its_end_is_seen),
        cmocka_unit_test(a_save_takes_nothing_back),
        cmocka_unit_test(a_stop_waits_for_the_action_that_it_ends),
        cmocka_unit_test(without_a_fence_the_mirror_need_not_know_of_one),
        cmocka_unit_test(a_memory_that_contradicts_itself_is_neither_written_nor_taken),
        cmocka_unit_test(a_mirror_that_contradicts_itself_is_neither_written_nor_taken),
        cmocka_unit_test(what_a_guard_keeps_does_not_contradict_itself),
    };

    return cmocka_run_group_tests_name("guard_sound", tests, NULL, NULL);
}
