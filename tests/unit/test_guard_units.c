/* Unit tests of the guard's machine: units that come up late. A stop or fence has not ended before a look at them has
 * told that nothing is up, or ordered up. Design 3.2.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/guard_reach.h>

#include "../../src/core/guard/internal.h"
#include "guard_world.h"

#define NO  BW_POPULATED_NO
#define YES BW_POPULATED_YES

/* The look that began last has ended. */
static void told(struct world *world, enum bw_populated coming)
{
    world->units.ended = world->units.begun;
    world->units.coming = coming;
}

/* A status has begun, and with it a look at the units. */
static void assert_looks(struct world *world)
{
    assert_asked(world, "SPAWN:status");
    world->units.begun++;
}

static void look_again(struct world *world)
{
    tick_at(world, world->now_ms + 100);
    assert_looks(world);
}

static void look_of_agent(struct world *world)
{
    run(world, 1, BW_ACTION_STATUS, 9);
    assert_looks(world);
}

static void say(struct world *world, const char *line)
{
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, line);
}

static void stop(struct world *world, uint64_t run_id)
{
    run(world, 1, BW_ACTION_STOP, run_id);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_looks(world);
}

/* What systemd runs is armed and was started; the newest look is from before. */
static void begin_started(struct world *world)
{
    begin_armed(world);
    world->units = (struct bw_units_sight){.may_hold_orders = true, .begun = 7};
    told(world, NO);
    run(world, 1, BW_ACTION_START, 5);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
}

/* ... and a stop has ended well: status runs. */
static void begin_stop_check(struct world *world)
{
    begin_started(world);
    stop(world, 6);
}

static bool has_stop_ended(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id == 6;
}

static void assert_stopped(const struct world *world)
{
    assert_true(has_stop_ended(world));
    assert_int_equal(world->last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_true(world->guard.mirror.stop_seen);
}

/* ---- a stop ------------------------------------------------------------------------------------- */

static void a_stop_has_not_ended_while_systemd_holds_a_start(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    told(&world, YES);
    say(&world, "stopped");
    assert_asked(&world, "TERM_STARTED"); /* which takes the order back */
    assert_false(has_stop_ended(&world));
    assert_false(world.guard.mirror.stop_seen);

    look_again(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_asked(&world, "SPAWN:stop"); /* it may have been carried out instead */
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_looks(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_stopped(&world);
}

static void until_its_units_are_seen_a_stop_has_not_ended(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_false(world.guard.mirror.stop_seen);
    assert_not_asked(&world, "TERM_STARTED"); /* nothing is known to be left */

    look_again(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_not_asked(&world, "SPAWN:stop");
    assert_stopped(&world);
}

static void units_that_are_never_seen_are_not_down(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    told(&world, BW_POPULATED_UNKNOWN);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    world.now_ms += 5000;
    look_again(&world);
    told(&world, BW_POPULATED_UNKNOWN);
    say(&world, "stopped");
    assert_true(has_stop_ended(&world));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
}

/* A look that began before the script had ended may have come before what it ordered. */
static void what_was_looked_at_before_a_stop_had_ended_says_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.units = (struct bw_units_sight){.may_hold_orders = true, .begun = 7};
    told(&world, NO);
    run(&world, 1, BW_ACTION_STOP, 6);
    world.units.begun++;
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    told(&world, NO);

    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    look_again(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_stopped(&world);
}

/* What a start has left may have ordered a unit up before it went, and after the look. */
static void what_was_looked_at_beside_what_a_start_has_left_says_nothing(void **state)
{
    struct world world;

    (void)state;
    for (int is_at_end = 0; is_at_end < 2; is_at_end++) {
        begin_stop_check(&world);
        say(&world, "unknown");
        world.is_left = !is_at_end;
        look_again(&world);
        world.is_left = is_at_end;
        told(&world, NO);
        say(&world, "stopped");
        world.is_left = false;
        look_again(&world); /* the one of before is the newest that has ended */
        say(&world, "stopped");
        assert_not_asked(&world, "SPAWN:stop");
        look_again(&world);
        told(&world, NO);
        say(&world, "stopped");
        assert_asked(&world, "SPAWN:stop");
    }
}

/* ---- what is up, while status says `stopped` ------------------------------------------------------- */

static void containers_with_processes_have_not_ended(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.units = (struct bw_units_sight){.coming = NO, .ended = 7, .begun = 7, .is_any = true, .oldest = 3};
    run(&world, 1, BW_ACTION_STOP, 6);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_looks(&world);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_false(world.guard.mirror.stop_seen);
}

/* Docker that hangs keeps no stop from its end: what it has in hand no look shows. */
static void containers_without_processes_need_no_look(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.units = (struct bw_units_sight){.begun = 7};
    run(&world, 1, BW_ACTION_STOP, 6);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_looks(&world);
    say(&world, "stopped");
    assert_stopped(&world);
}

/* deploy/scripts/postgresql: a stop turns the server into a standby of the new primary, in its unit (7: when the stop
 * began). Also where start.sh has moved it into the guard's cgroup, so that something of a start runs as long as it
 * serves. */
static void a_unit_that_a_stop_has_brought_up_itself_is_not_left(void **state)
{
    struct world world;

    (void)state;
    for (int is_moved = 0; is_moved < 2; is_moved++) {
        begin_started(&world);
        world.is_left = is_moved;
        look_of_agent(&world);
        told(&world, NO);
        say(&world, "started");
        world.is_left = false;
        stop(&world, 6);
        world.units.is_any = true;
        world.units.oldest = 8;
        told(&world, NO);
        say(&world, "stopped");
        assert_stopped(&world);
    }
}

/* Stopped, with a young process in a unit that was up all the time. */
static void begin_stopped_beside_a_young_one(struct world *world)
{
    begin_started(world);
    look_of_agent(world);
    told(world, NO);
    say(world, "started");
    stop(world, 6);
    world->units.is_any = true;
    world->units.oldest = 8;
}

/* The script ended it by a signal alone, and its manager began it again at once (Restart=). */
static void a_unit_that_came_again_by_itself_is_left(void **state)
{
    struct world world;

    (void)state;
    begin_stopped_beside_a_young_one(&world);
    world.units.is_restarted = true;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_asked(&world, "TERM_STARTED");
}

/* It died while the look that found it up lasted, or since, and what runs there now is another one, begun by its
 * manager: the next look tells. */
static void what_came_up_since_the_newest_look_is_not_told(void **state)
{
    struct world world;

    (void)state;
    begin_stopped_beside_a_young_one(&world);
    world.units.may_be_newer = true;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_false(world.guard.mirror.stop_seen);

    look_again(&world);
    world.units.may_be_newer = false;
    world.units.is_restarted = true;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_asked(&world, "TERM_STARTED");
}

static void an_epoch_does_not_end_beside_what_no_look_has_told_of(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    look_of_agent(&world);
    told(&world, NO);
    say(&world, "started");
    stop(&world, 6);
    told(&world, NO);
    say(&world, "stopped");
    assert_stopped(&world);
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    world.units.begun++;
    world.units.is_any = true;
    world.units.oldest = 8;
    world.units.may_be_newer = true;
    say(&world, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);
}

/* The newest look that had ended when the stop began was from before the start, which left its order with systemd; that
 * carries it out beside the stop script, which has found nothing up. */
static void a_unit_that_was_ordered_up_since_the_newest_look_is_left(void **state)
{
    struct world world;

    (void)state;
    for (int has_looked = 0; has_looked < 2; has_looked++) {
        begin_started(&world);
        if (has_looked) {
            look_of_agent(&world); /* status has ended before the look that has begun with it */
            say(&world, "stopped");
        }
        stop(&world, 6);
        world.units.is_any = true;
        world.units.oldest = 8;
        told(&world, NO);
        say(&world, "stopped");
        assert_false(has_stop_ended(&world));
        assert_asked(&world, "TERM_STARTED");
    }
}

/* 3.4, driver: its own loop may have ordered it up to the moment at which the stop begins. */
static void a_unit_that_its_loop_may_have_ordered_up_is_left(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_START] = false;
    world.guard.limits.loop_delay_ns = 1000 * MS;
    assert_true(arm(&world, 1, BEGIN_MS));
    world.units = (struct bw_units_sight){.may_hold_orders = true, .begun = 7};
    told(&world, NO);
    run(&world, 1, BW_ACTION_START, 5);
    run(&world, 1, BW_ACTION_STOP, 6);
    look_of_agent(&world);
    told(&world, NO);
    say(&world, "stopped");
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_looks(&world);
    world.units.is_any = true;
    world.units.oldest = 8;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
}

/* start.sh of the same set has moved the server out of its unit, into the guard's cgroup: the unit is up all the time. */
static void a_unit_that_was_up_without_a_process_before_a_stop_was_not_coming(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.units = (struct bw_units_sight){.may_hold_orders = true, .is_up_bare = true, .begun = 7};
    told(&world, NO);
    stop(&world, 6);
    world.units.is_up_bare = false;
    world.units.is_any = true;
    world.units.oldest = 8;
    told(&world, NO);
    say(&world, "stopped");
    assert_stopped(&world);
}

static void a_unit_that_is_up_without_a_process_is_left(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    world.units.is_up_bare = true;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_asked(&world, "TERM_STARTED");
}

/* systemd had the order before the stop began, and has carried it out meanwhile. */
static void a_unit_that_was_ordered_up_before_a_stop_is_left(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.units = (struct bw_units_sight){.may_hold_orders = true, .begun = 7};
    told(&world, YES);
    stop(&world, 6);
    world.units.is_any = true;
    world.units.oldest = 8;
    told(&world, NO);
    say(&world, "stopped");
    assert_false(has_stop_ended(&world));
    assert_asked(&world, "TERM_STARTED");
}

/* ---- a fence --------------------------------------------------------------------------------------- */

static void begin_fence_check(struct world *world)
{
    begin_armed(world);
    world->units = (struct bw_units_sight){.may_hold_orders = true, .begun = 7};
    told(world, NO);
    run(world, 1, BW_ACTION_START, 5);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    tick_at(world, 108000);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_looks(world);
    assert_int_equal(world->guard.fence, BW_FENCE_CHECK);
}

static void a_fence_ends_what_systemd_holds(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    told(&world, YES);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_asked(&world, "TERM_REACH");
    assert_int_equal(world.guard.fence, BW_FENCE_TERM);
}

static void a_fence_looks_until_its_units_are_seen(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_looks(&world);
    assert_int_equal(world.guard.fence, BW_FENCE_CHECK);
    told(&world, NO);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

static void a_fence_whose_units_are_never_seen_fails(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    tick_at(&world, 109800);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_KILLED, "");
    reach_killed(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_RECHECK);
    tick_at(&world, 112000);
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

/* It has seen all down, after its last round. */
static void after_a_kill_that_has_seen_them_down_no_other_look_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin_fence_check(&world);
    tick_at(&world, 109800);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_KILLED, "");
    reach_killed(&world, true);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
}

/* ---- the end of an epoch (3.4, ended) ------------------------------------------------------------------ */

/* Another stop would end it: an order that has come since is nobody's word for it. */
static void an_epoch_has_not_ended_before_its_units_are_seen(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_stopped(&world);
    run(&world, 1, BW_ACTION_STOP, 8);
    world.guard.mirror.stop_seen = true;
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    world.units.begun++;

    say(&world, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 0);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);
    look_again(&world);
    told(&world, NO);
    say(&world, "stopped");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_EPOCH_ENDED], 1);
}

static void an_epoch_does_not_end_beside_what_systemd_holds(void **state)
{
    struct world world;

    (void)state;
    begin_stop_check(&world);
    told(&world, NO);
    say(&world, "stopped");
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    world.units.begun++;
    told(&world, YES);
    say(&world, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);
    assert_false(world.mirrored.stop_seen);
}

/* Beside what serves one every few seconds is enough. */
static void a_stop_a_fence_and_an_end_await_each_look(void **state)
{
    struct world world;

    (void)state;
    begin_started(&world);
    assert_false(bw_guard_awaits_units(&world.guard));
    stop(&world, 6);
    assert_true(bw_guard_awaits_units(&world.guard));
    told(&world, NO);
    say(&world, "stopped");
    assert_false(bw_guard_awaits_units(&world.guard));
    world.end_look_hangs = true;
    assert_false(end(&world, 1));
    assert_true(bw_guard_awaits_units(&world.guard));
    begin_fence_check(&world);
    assert_true(bw_guard_awaits_units(&world.guard));
}

/* ---- which look tells --------------------------------------------------------------------------- */

static void one_that_began_after_the_last_action_had_ended_tells(void **state)
{
    const struct bw_units_sight first = {.begun = 9};
    const struct bw_units_sight later = {.begun = 12};
    struct bw_guard_run_slot *action;
    struct world world;

    (void)state;
    begin_armed(&world);
    action = &world.guard.slots[BW_GUARD_SLOT_ACTION];
    bw_guard_units_note_look(&world.guard, &first, false);
    assert_int_equal(world.guard.units_before, 0); /* nothing was ordered: each look tells */

    *action = (struct bw_guard_run_slot){.state = BW_SLOT_RUNNING, .run = {.action = BW_ACTION_REMOTE_FENCE}};
    bw_guard_units_note_look(&world.guard, &first, false);
    assert_false(world.guard.has_ordered); /* that orders at another site */
    action->run.action = BW_ACTION_STOP;
    bw_guard_units_note_look(&world.guard, &first, false);
    assert_true(world.guard.has_ordered);

    action->state = BW_SLOT_FREE;
    bw_guard_units_note_look(&world.guard, &later, true);
    assert_true(world.guard.has_ordered); /* by what a start has left running */
    bw_guard_units_note_look(&world.guard, &later, false);
    assert_false(world.guard.has_ordered);
    assert_int_equal(world.guard.units_before, 12);
}

static void what_no_look_has_told_is_not_known(void **state)
{
    static const struct {
        bool has_ordered;
        bool is_up_bare;
        enum bw_populated coming;
        uint64_t ended;
        enum bw_guard_left left;
    } cases[] = {
        {false, false, YES, 13, BW_GUARD_LEFT_THERE},  {false, false, NO, 13, BW_GUARD_LEFT_NOTHING},
        {false, true, NO, 13, BW_GUARD_LEFT_THERE},    {false, false, YES, 12, BW_GUARD_LEFT_UNSEEN},
        {false, true, NO, 12, BW_GUARD_LEFT_UNSEEN},   {false, false, NO, 12, BW_GUARD_LEFT_UNSEEN},
        {true, false, YES, 13, BW_GUARD_LEFT_UNSEEN},  {true, true, NO, 13, BW_GUARD_LEFT_UNSEEN},
        {true, false, NO, 13, BW_GUARD_LEFT_UNSEEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bw_units_sight units = {.may_hold_orders = true,
                                             .coming = cases[i].coming,
                                             .is_up_bare = cases[i].is_up_bare,
                                             .ended = cases[i].ended};
        struct world world;

        begin_armed(&world);
        world.guard.units_before = 12;
        world.guard.has_ordered = cases[i].has_ordered;
        assert_int_equal(bw_guard_units_left(&world.guard, &units), cases[i].left);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_has_not_ended_while_systemd_holds_a_start),
        cmocka_unit_test(until_its_units_are_seen_a_stop_has_not_ended),
        cmocka_unit_test(units_that_are_never_seen_are_not_down),
        cmocka_unit_test(what_was_looked_at_before_a_stop_had_ended_says_nothing),
        cmocka_unit_test(what_was_looked_at_beside_what_a_start_has_left_says_nothing),
        cmocka_unit_test(containers_with_processes_have_not_ended),
        cmocka_unit_test(containers_without_processes_need_no_look),
        cmocka_unit_test(a_unit_that_a_stop_has_brought_up_itself_is_not_left),
        cmocka_unit_test(a_unit_that_was_ordered_up_since_the_newest_look_is_left),
        cmocka_unit_test(a_unit_that_came_again_by_itself_is_left),
        cmocka_unit_test(what_came_up_since_the_newest_look_is_not_told),
        cmocka_unit_test(an_epoch_does_not_end_beside_what_no_look_has_told_of),
        cmocka_unit_test(a_stop_a_fence_and_an_end_await_each_look),
        cmocka_unit_test(a_unit_that_its_loop_may_have_ordered_up_is_left),
        cmocka_unit_test(a_unit_that_was_up_without_a_process_before_a_stop_was_not_coming),
        cmocka_unit_test(a_unit_that_is_up_without_a_process_is_left),
        cmocka_unit_test(a_unit_that_was_ordered_up_before_a_stop_is_left),
        cmocka_unit_test(a_fence_ends_what_systemd_holds),
        cmocka_unit_test(a_fence_looks_until_its_units_are_seen),
        cmocka_unit_test(a_fence_whose_units_are_never_seen_fails),
        cmocka_unit_test(after_a_kill_that_has_seen_them_down_no_other_look_is_waited_for),
        cmocka_unit_test(an_epoch_has_not_ended_before_its_units_are_seen),
        cmocka_unit_test(an_epoch_does_not_end_beside_what_systemd_holds),
        cmocka_unit_test(one_that_began_after_the_last_action_had_ended_tells),
        cmocka_unit_test(what_no_look_has_told_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
