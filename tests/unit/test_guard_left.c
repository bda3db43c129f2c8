/* Unit tests of the guard's machine: what a start has left running, which may yet begin to serve. Design
 * 3.2.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

/* A start has ended, and a stop was asked for and has ended well: status runs. */
static void begin_stop_check(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 5);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(world, 1, BW_ACTION_STOP, 6);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(world, "SPAWN:status");
}

static void look_again(struct world *world)
{
    tick_at(world, world->now_ms + 100);
    assert_asked(world, "SPAWN:status");
}

static bool has_stop_ended(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id == 6;
}

/* What was left is gone, and may have ordered the service again before. */
static void stop_runs_once_more(struct world *world)
{
    assert_false(world->guard.mirror.stop_seen);
    assert_asked(world, "SPAWN:stop");
    assert_false(has_stop_ended(world));
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(world, "SPAWN:status");
}

/* Its fence script has ended, and status runs. */
static void begin_fence_check(struct world *world)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 5);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    tick_at(world, 108000);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_asked(world, "SPAWN:status");
    assert_int_equal(world->guard.fence, BW_FENCE_CHECK);
}

static void a_stop_has_not_ended_as_long_as_something_of_a_start_is_left(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
    assert_false(has_stop_ended(&world));
    look_again(&world);
    world.is_left = false;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    look_again(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    stop_runs_once_more(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    assert_true(has_stop_ended(&world));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
}

static void what_a_start_has_left_gets_term_once_after_a_stop(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_asked(&world, "TERM_STARTED");
    look_again(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_not_asked(&world, "TERM_STARTED");
    world.now_ms += 5000;
    look_again(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped"); /* it stays: the stop failed */
    assert_true(has_stop_ended(&world));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_false(world.guard.mirror.stop_seen);
}

static void what_still_serves_after_a_stop_gets_no_term(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_not_asked(&world, "TERM_STARTED"); /* the script may be ending it in the right order */
    assert_false(has_stop_ended(&world));
}

/* It was there when the look began, has made something serve beyond the reach, and is gone. */
static void a_look_proves_nothing_if_something_was_left_when_it_began(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "unknown");
    world.is_left = true;
    look_again(&world);
    world.is_left = false;

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_false(world.guard.mirror.stop_seen);
    assert_not_asked(&world, "TERM_STARTED");
    look_again(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    stop_runs_once_more(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
}

static void a_fence_that_leaves_something_of_a_start_goes_on_to_term_and_kill(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    world.is_left = true;

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_asked(&world, "TERM_REACH");
    assert_int_equal(world.guard.fence, BW_FENCE_TERM);
    assert_false(world.guard.mirror.stop_seen);
    assert_true(world.guard.has_left); /* and its log says so */
}

static void a_fence_looks_again_where_something_was_left_when_its_look_began(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    tick_at(&world, 108000);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    world.is_left = false;

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT); /* it may have ordered it once more */
    assert_asked(&world, "SPAWN:fence");
    assert_not_asked(&world, "TERM_REACH");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* A fence whose script has ended well while something of a start ran on, which KILL has ended since. */
static void kill_what_is_left_at(struct world *world, uint64_t ms)
{
    const struct bw_guard_event killed = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = true};

    world->is_left = true;
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_asked(world, "TERM_REACH");
    tick_at(world, ms);
    assert_asked(world, "KILL_REACH");
    world->is_left = false;
    world->log[0] = '\0';
    step(world, &killed);
}

static void kill_what_is_left(struct world *world)
{
    kill_what_is_left_at(world, 109800);
}

/* What it ordered when the script was over nobody else takes back. */
static void after_the_kill_of_what_was_left_the_fence_script_runs_once_more(void **state)
{
    struct world world;

    (void)state;
    for (int is_outside = 0; is_outside < 2; is_outside++) {
        begin_fence_check(&world);
        if (is_outside != 0)
            world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
        kill_what_is_left(&world);
        assert_asked(&world, "SPAWN:fence");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
        assert_asked(&world, "SPAWN:status");
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
        assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    }
}

static void where_that_fails_the_fence_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    kill_what_is_left(&world);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* It was run for what was left then: tried again, the fence begins with its script, and once is enough. */
static void a_fence_that_is_tried_again_owes_its_script_no_second_time(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    kill_what_is_left(&world);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_not_asked(&world, "SPAWN:fence");
    assert_asked(&world, "TERM_REACH");
}

/* Who ordered it was answered when it had failed; what comes of it later is told as its end. */
static void a_fence_that_is_tried_again_is_told_and_not_answered(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_FENCE, 7);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(&world, 102000);
    reach_killed(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
    tick_at(&world, 103100);
    assert_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_ENDED], 1);
    assert_true(world.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
}

/* Nothing else may come: a look that hangs is ended by the clock. */
static void the_last_look_of_a_fence_has_an_end(void **state)
{
    struct world world;
    struct bw_instant limit;

    (void)state;
    begin_fence_check(&world);
    tick_at(&world, 109900);
    reach_killed(&world, true);
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    limit = world.guard.fence_look_limit;
    assert_int_equal(limit.boot_ns / MS, 109900 + 1000 + 200);
    tick_at(&world, 110000);
    assert_int_equal(world.wake_at.boot_ns, limit.boot_ns);

    tick_at(&world, limit.boot_ns / MS - 1);
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    tick_at(&world, limit.boot_ns / MS);
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* All kills of a fence are done by D. */
static void at_the_deadline_it_is_killed_too(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    kill_what_is_left(&world);
    tick_at(&world, 109999);
    assert_not_asked(&world, "KILL_RUN");

    tick_at(&world, 110000);

    assert_asked(&world, "KILL_RUN");
}

/* It has until then, however early what was left was killed. */
static void the_last_look_waits_for_the_script_that_runs_once_more(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    kill_what_is_left_at(&world, 108400);
    assert_asked(&world, "SPAWN:fence");
    tick_at(&world, 109900); /* a look alone would be late */
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* What it can order is in reach as well (3.4). */
static void where_the_kill_alone_was_seen_to_end_the_service_it_does_not(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    world.guard.memory.sight.proved = true;
    kill_what_is_left(&world);

    assert_not_asked(&world, "SPAWN:fence");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

static void a_stop_that_fails_the_second_time_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    world.is_left = false;
    look_again(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_true(has_stop_ended(&world));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_false(world.guard.mirror.stop_seen);
    assert_false(end(&world, 1));
}

static void a_fence_after_which_something_of_a_start_could_not_be_killed_has_failed(void **state)
{
    const struct bw_guard_event unkilled = {.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = false};
    struct world world;

    (void)state;
    begin_fence_check(&world);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    tick_at(&world, 109800);
    assert_asked(&world, "KILL_REACH");
    step(&world, &unkilled);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    assert_false(world.guard.mirror.stop_seen);
}

/* 3.4, ended: a guard that begins anew would take the one for the end that was refused. */
static void an_end_that_is_refused_for_what_is_left_was_not_seen(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.mirror.stop_seen);
    world.is_left = true;
    world.end_look_hangs = true;

    assert_false(end(&world, 1));
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);
    assert_false(world.mirrored.stop_seen);
    bw_guard_init(&world.guard, "g", &limits, &world.guard.memory, &world.mirrored, at_ms(world.now_ms));
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
}

static void an_epoch_does_not_end_on_stopped_beside_what_its_start_has_left(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world.is_left = true;
    run(&world, 1, BW_ACTION_STATUS, 6);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);

    assert_false(end(&world, 1));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);
    world.is_left = false;
    run(&world, 1, BW_ACTION_STATUS, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));
}

/* deploy/scripts/postgresql: a stop turns the server into a standby of the new primary. */
static void what_the_newest_stop_or_fence_has_begun_is_not_of_a_start(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world); /* its script began at 7 */

    assert_true(bw_guard_is_of_start(&world.guard, 6));
    assert_true(bw_guard_is_of_start(&world.guard, 7)); /* who can tell? */
    assert_false(bw_guard_is_of_start(&world.guard, 8));
}

static void without_a_stop_since_everything_is_of_a_start(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_false(bw_guard_is_of_start(&world.guard, 8));

    run(&world, 1, BW_ACTION_START, 7);

    assert_true(bw_guard_is_of_start(&world.guard, 8));
    assert_true(bw_guard_is_of_start(&world.guard, UINT64_MAX));
}

static void a_stop_that_could_not_be_begun_has_begun_nothing(void **state)
{
    const struct bw_guard_event unborn = {
        .kind = BW_GUARD_EVENT_SPAWNED,
        .child = {.action = BW_ACTION_STOP, .epoch = 1, .run_id = 5, .start_time = 7}};
    struct world world;

    (void)state;
    begin_armed(&world);
    world.spawn_hangs = true;
    run(&world, 1, BW_ACTION_STOP, 5);

    step(&world, &unborn);

    assert_true(bw_guard_is_of_start(&world.guard, 8));
}

/* 3.2.4: what ordered beside a script could order after it; a stop that is dying orders nothing. */
static void a_script_beside_a_start_or_a_rejoin_that_dies_has_to_run_again(void **state)
{
    static const enum bw_action_kind actions[] = {BW_ACTION_START, BW_ACTION_REJOIN, BW_ACTION_STOP};

    (void)state;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        struct world world;

        if (actions[i] == BW_ACTION_REJOIN)
            begin(&world);
        else
            begin_armed(&world);
        world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
        run(&world, 1, actions[i], 5);
        run(&world, 1, BW_ACTION_FENCE, 6);
        assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_ENDING);
        assert_int_equal(world.guard.slots[BW_GUARD_SLOT_FENCE].run.action, BW_ACTION_FENCE);

        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");

        assert_int_equal(world.guard.script_again, actions[i] != BW_ACTION_STOP);
    }
}

/* 1: a wait is over once both clocks say so. */
static void looks_are_begun_again_when_both_clocks_have_come_to_it(void **state)
{
    const struct bw_guard_event tick = {.kind = BW_GUARD_EVENT_TICK};
    struct bw_guard_actions out;
    struct bw_instant now;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 3);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    world.end_look_hangs = true;
    (void)end(&world, 1);
    assert_true(world.guard.end_looking);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_KILLED, "");
    assert_true(world.guard.end_looking);
    assert_int_equal(world.wake_at.boot_ns, world.guard.stop_check_at.boot_ns);
    now = world.guard.stop_check_at;
    now.raw_ns--;
    bw_guard_step(&world.guard, &tick, now, &out);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state, BW_SLOT_FREE);

    now.raw_ns++;
    bw_guard_step(&world.guard, &tick, now, &out);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_OBSERVATION].state, BW_SLOT_SPAWNING);
}

static void a_stop_that_is_not_seen_yet_is_looked_at_again_by_the_clock(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_true(bw_instant_is_later(world.guard.stop_check_at, at_ms(world.now_ms)));
    assert_int_equal(world.wake_at.boot_ns, world.guard.stop_check_at.boot_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_has_not_ended_as_long_as_something_of_a_start_is_left),
        cmocka_unit_test(what_a_start_has_left_gets_term_once_after_a_stop),
        cmocka_unit_test(what_still_serves_after_a_stop_gets_no_term),
        cmocka_unit_test(a_look_proves_nothing_if_something_was_left_when_it_began),
        cmocka_unit_test(a_fence_that_leaves_something_of_a_start_goes_on_to_term_and_kill),
        cmocka_unit_test(a_fence_looks_again_where_something_was_left_when_its_look_began),
        cmocka_unit_test(after_the_kill_of_what_was_left_the_fence_script_runs_once_more),
        cmocka_unit_test(where_that_fails_the_fence_has_failed),
        cmocka_unit_test(a_fence_that_is_tried_again_owes_its_script_no_second_time),
        cmocka_unit_test(a_fence_that_is_tried_again_is_told_and_not_answered),
        cmocka_unit_test(the_last_look_of_a_fence_has_an_end),
        cmocka_unit_test(at_the_deadline_it_is_killed_too),
        cmocka_unit_test(the_last_look_waits_for_the_script_that_runs_once_more),
        cmocka_unit_test(where_the_kill_alone_was_seen_to_end_the_service_it_does_not),
        cmocka_unit_test(a_stop_that_fails_the_second_time_has_failed),
        cmocka_unit_test(a_fence_after_which_something_of_a_start_could_not_be_killed_has_failed),
        cmocka_unit_test(an_end_that_is_refused_for_what_is_left_was_not_seen),
        cmocka_unit_test(an_epoch_does_not_end_on_stopped_beside_what_its_start_has_left),
        cmocka_unit_test(what_the_newest_stop_or_fence_has_begun_is_not_of_a_start),
        cmocka_unit_test(without_a_stop_since_everything_is_of_a_start),
        cmocka_unit_test(a_stop_that_could_not_be_begun_has_begun_nothing),
        cmocka_unit_test(a_script_beside_a_start_or_a_rejoin_that_dies_has_to_run_again),
        cmocka_unit_test(looks_are_begun_again_when_both_clocks_have_come_to_it),
        cmocka_unit_test(a_stop_that_is_not_seen_yet_is_looked_at_again_by_the_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
