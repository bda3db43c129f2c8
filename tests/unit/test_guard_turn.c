/* guard_turn: a step of a guard's machine hands out what it asks for, and says when it wants to be asked
 * again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/guard.h>

#include "guard_world.h"

static struct world world;
static struct bw_guard_turn turn;

static int begin_turn(void **state)
{
    (void)state;
    begin_armed(&world);
    turn = (struct bw_guard_turn){.wake_at = BW_INSTANT_NEVER};
    return 0;
}

static void a_step_hands_out_its_actions_in_their_order(void **state)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK};
    const struct bw_instant now = at_ms(world.now_ms + TTL_MS); /* the deadline: a fence begins */
    struct bw_guard same = world.guard;
    struct bw_guard_actions expected;

    (void)state;
    bw_guard_step(&same, &event, now, &expected);
    assert_true(expected.count > 1);

    bw_guard_turn_step(&turn, &world.guard, &event, now);

    for (uint32_t i = 0; i < expected.count; i++) {
        const struct bw_guard_action *action = bw_guard_turn_next(&turn);

        assert_non_null(action);
        assert_int_equal(action->kind, expected.list[i].kind);
        assert_string_equal(action->rule, expected.list[i].rule);
    }
    assert_null(bw_guard_turn_next(&turn));
    assert_int_equal(turn.wake_at.boot_ns, expected.wake_at.boot_ns);
    assert_int_equal(turn.wake_at.raw_ns, expected.wake_at.raw_ns);
}

static void what_an_answer_asks_for_comes_before_the_rest(void **state)
{
    const struct bw_guard_event tick = {.kind = BW_GUARD_EVENT_TICK};
    const struct bw_guard_event answer = {.kind = BW_GUARD_EVENT_SPAWNED};
    const struct bw_instant now = at_ms(world.now_ms + TTL_MS);
    struct bw_guard same = world.guard;
    struct bw_guard_actions first;
    struct bw_guard_actions second;
    uint32_t count = 0;

    (void)state;
    bw_guard_step(&same, &tick, now, &first);
    bw_guard_step(&same, &answer, now, &second);
    bw_guard_turn_step(&turn, &world.guard, &tick, now);
    assert_int_equal(bw_guard_turn_next(&turn)->kind, first.list[0].kind);

    bw_guard_turn_step(&turn, &world.guard, &answer, now);
    for (uint32_t i = 0; i < second.count; i++)
        assert_int_equal(bw_guard_turn_next(&turn)->kind, second.list[i].kind);
    for (uint32_t i = 1; i < first.count; i++)
        assert_int_equal(bw_guard_turn_next(&turn)->kind, first.list[i].kind);
    while (bw_guard_turn_next(&turn) != NULL)
        count++;
    assert_int_equal(count, 0);
}

/* A suspend stops one clock: the machine waits for the other, and is not asked without pause meanwhile. */
static void what_one_clock_has_reached_is_asked_for_again_soon(void **state)
{
    const struct bw_instant now = at_ms(world.now_ms);
    const struct bw_instant later = bw_instant_add(now, 5 * MS);
    struct bw_instant wake;

    (void)state;
    turn.wake_at = later;
    wake = bw_guard_turn_wake(&turn, now);
    assert_int_equal(wake.boot_ns, later.boot_ns);
    assert_int_equal(wake.raw_ns, later.raw_ns);

    turn.wake_at = (struct bw_instant){now.boot_ns, now.raw_ns + 3600000 * MS};
    wake = bw_guard_turn_wake(&turn, now);
    assert_int_equal(wake.boot_ns, now.boot_ns + MS);
    assert_int_equal(wake.raw_ns, now.raw_ns + MS);
}

static void the_instant_at_which_it_wants_to_be_asked_is_that_of_its_newest_step(void **state)
{
    const struct bw_guard_event tick = {.kind = BW_GUARD_EVENT_TICK};

    (void)state;
    turn.wake_at = at_ms(1);
    bw_guard_turn_step(&turn, &world.guard, &tick, at_ms(world.now_ms));

    assert_int_equal(turn.wake_at.boot_ns, at_ms(world.now_ms + TTL_MS - FENCE_MS).boot_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_step_hands_out_its_actions_in_their_order, begin_turn),
        cmocka_unit_test_setup(what_an_answer_asks_for_comes_before_the_rest, begin_turn),
        cmocka_unit_test_setup(what_one_clock_has_reached_is_asked_for_again_soon, begin_turn),
        cmocka_unit_test_setup(the_instant_at_which_it_wants_to_be_asked_is_that_of_its_newest_step, begin_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
