/* guard: what a guard that begins again makes of its files, and what it tells an agent (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

/* What ran when the guard ended: nobody saw its end. */
static void what_ran_when_it_ended_may_have_served_and_ordered_more(void **state) /* 3.2.4, 4 */
{
    static const struct {
        enum bw_action_kind action;
        bool may_have_served;
        bool may_have_ordered;
    } of[] = {{BW_ACTION_NONE, false, false},     {BW_ACTION_START, true, true},
              {BW_ACTION_REJOIN, false, true},    {BW_ACTION_STATUS, true, false},
              {BW_ACTION_READINESS, false, false}, {BW_ACTION_STOP, false, false},
              {BW_ACTION_FENCE, false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
            struct world world;
            struct bw_guard_mirror mirror;
            struct bw_guard_memory memory;

            begin_armed(&world);
            memory = world.guard.memory;
            mirror = world.guard.mirror;
            mirror.served = BW_SERVED_NEVER;
            mirror.script_due = false;
            mirror.children[slot].action = of[i].action;

            bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(101000));

            assert_int_equal(world.guard.mirror.served == BW_SERVED_MAYBE, of[i].may_have_served);
            assert_int_equal(world.guard.mirror.script_due, of[i].may_have_ordered);
            assert_int_equal(world.guard.mirror.children[slot].action, BW_ACTION_NONE);
            assert_int_equal(world.guard.interrupted.action,
                             slot == BW_GUARD_SLOT_ACTION ? of[i].action : BW_ACTION_NONE);
        }
}

/* After a boot. */
static void begin_looking(struct world *world, bool was_overridden)
{
    const struct bw_guard_memory memory = {
        .epoch_seen = 1, .ended_epoch = 1, .enforced = true, .serial = was_overridden};

    *world = (struct world){.now_ms = BEGIN_MS};
    bw_guard_init(&world->guard, "g", &limits, &memory, NULL, at_ms(world->now_ms));
    tick_at(world, world->now_ms);
}

/* Its epoch is over, and what an override ordered elsewhere since then outlives the boot as well. */
static void what_an_override_ordered_elsewhere_outlives_a_boot(void **state) /* 3.2.4, 3.8 */
{
    struct world world;

    (void)state;
    begin_looking(&world, true);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.check_at_start); /* and it looks on */
    hello(&world, instance_a);
    assert_false(world.guard.mirror.stop_seen);

    run(&world, 1, BW_ACTION_FENCE, 7);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.guard.fence, BW_FENCE_TERM);
    assert_false(world.guard.mirror.stop_seen);
}

#define PAUSE_MS 5000

static bool looks(const struct world *world)
{
    return world->guard.slots[BW_GUARD_SLOT_OBSERVATION].state != BW_SLOT_FREE;
}

static void what_it_could_not_see_as_it_began_it_looks_at_again(void **state) /* 3.4 */
{
    static const enum bw_run_result results[] = {BW_RUN_FAILED, BW_RUN_TIMED_OUT, BW_RUN_KILLED};
    struct world world;

    (void)state;
    begin_looking(&world, false);
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        assert_true(looks(&world));
        ended(&world, BW_GUARD_SLOT_OBSERVATION, results[i], "");
        assert_false(looks(&world));
        tick_at(&world, world.now_ms + PAUSE_MS - 1);
        assert_false(looks(&world));
        tick_at(&world, world.now_ms + 1);
    }
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(bw_guard_is_fencing(&world.guard));
}

/* Its look said nothing, and an agent is there. */
static void begin_unseen(struct world *world)
{
    begin_looking(world, false);
    hello(world, instance_a);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_FAILED, "");
}

/* ... which sees it serve, right before the guard looks again. */
static void begin_seen_by_agent(struct world *world)
{
    begin_unseen(world);
    tick_at(world, world->now_ms + PAUSE_MS - 1);
    run(world, 1, BW_ACTION_STATUS, 7);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
}

static void of_what_its_agent_sees_serve_the_agent_may_know_more(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_seen_by_agent(&world);
    assert_false(bw_guard_is_fencing(&world.guard)); /* or it orders the fence */

    tick_at(&world, world.now_ms + PAUSE_MS); /* but it has died, or knows of no such group */
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(bw_guard_is_fencing(&world.guard));
}

static void however_often_its_agent_looks_it_looks_itself(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_seen_by_agent(&world);
    tick_at(&world, world.now_ms + 1);
    assert_true(looks(&world));
}

static void an_end_beside_what_is_left_it_has_not_seen(void **state) /* 3.2.4 */
{
    struct world world;

    (void)state;
    begin_looking(&world, false);
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(world.guard.check_at_start);
    world.is_left = false;
    tick_at(&world, world.now_ms + PAUSE_MS);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_false(world.guard.check_at_start);
}

static void beside_an_end_that_was_seen_before_what_is_left_follows_another_site(void **state) /* 3.4, 4 */
{
    struct world world;

    (void)state;
    begin_looking(&world, false);
    world.guard.mirror.stop_seen = true;
    world.is_left = true;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_false(world.guard.check_at_start);
}

static void what_its_agent_is_stopping_it_lets_be_stopped(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_looking(&world, false);
    hello(&world, instance_a);
    run(&world, 1, BW_ACTION_STOP, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_false(bw_guard_is_fencing(&world.guard));
    assert_true(world.guard.check_at_start);
}

static void an_end_that_its_agent_has_seen_is_one(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_unseen(&world);
    run(&world, 1, BW_ACTION_STATUS, 7);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_false(world.guard.check_at_start);
}

static void what_is_let_go_it_looks_at_no_more(void **state) /* 3.9 */
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};
    struct world world;

    (void)state;
    begin_unseen(&world);
    message(&world, &of);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);
    assert_false(world.guard.check_at_start);
}

static void where_nothing_was_ever_enforced_a_look_is_enough_after_a_boot(void **state) /* 3.9 */
{
    const struct bw_guard_memory memory = {.enforced = false};
    struct world world = {.now_ms = BEGIN_MS};

    (void)state;
    bw_guard_init(&world.guard, "g", &limits, &memory, NULL, at_ms(world.now_ms));
    assert_false(world.guard.mirror.script_due);
    assert_false(world.guard.mirror.script_begun);
}

static struct bw_guard_state reported(const struct world *world)
{
    struct bw_guard_state state;

    bw_guard_state_get(&world->guard, &state);
    return state;
}

static void an_agent_is_told_all_that_is_armed_and_by_which_means(void **state)
{
    struct world world;
    struct bw_guard_state sent;

    (void)state;
    begin_armed(&world);
    hello(&world, instance_a);
    sent = world.last[BW_GUARD_MESSAGE_GROUP_STATE].state;

    assert_true(sent.enforced);
    assert_int_equal(sent.epoch_seen, 1);
    assert_int_equal(sent.ended_epoch, 0);
    assert_int_equal(sent.armed_epoch, 1);
    assert_true(bw_id_equal(sent.armed_instance, instance_a));
    assert_int_equal(sent.armed_number, 100000);
    assert_int_equal(sent.armed_end.boot_ns, at_ms(110000).boot_ns);
    assert_false(sent.arm_pending);
    assert_false(sent.fence_begun);
    assert_int_equal(sent.reach, BW_REACH_CGROUP);
    assert_true(sent.reach_works);
    assert_int_equal(sent.sight.seen, BW_REACH_INSIDE);
    assert_int_equal(sent.fence_bound_ms, 1000);
    assert_int_equal(sent.running, BW_ACTION_NONE);
    for (int i = 0; i < BW_ACTION_COUNT; i++) {
        assert_int_equal(sent.has_script[i], limits.has_script[i]);
        assert_int_equal(sent.timeout_ms[i], limits.timeout_ns[i] / MS);
    }

    world.mirror_hangs = true;
    world.now_ms = 101000;
    (void)arm(&world, 1, 101000);
    assert_true(reported(&world).arm_pending);
}

static void an_agent_is_told_what_runs(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 7);
    assert_int_equal(reported(&world).running, BW_ACTION_STOP);
    assert_int_equal(reported(&world).running_epoch, 1);
    assert_int_equal(reported(&world).running_run_id, 7);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.run_id, 7);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.action, BW_ACTION_STOP);

    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_int_equal(world.guard.stop, BW_GUARD_STOP_CHECKING);
    assert_int_equal(reported(&world).running, BW_ACTION_STOP); /* its end is not seen yet */
    assert_int_equal(reported(&world).running_epoch, 1);
    assert_int_equal(reported(&world).running_run_id, 7);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_int_equal(reported(&world).running, BW_ACTION_NONE);
    assert_true(reported(&world).stop_seen);
}

/* 3.3: a fence that is told is one of what is armed. */
static void a_fence_of_nothing_that_is_armed_is_not_told(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 1, BW_ACTION_FENCE, 7);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(&world, 109900);
    reach_killed(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);

    assert_false(reported(&world).fence_begun);
    assert_false(reported(&world).fence_ended);
    assert_false(reported(&world).fence_ok);
}

/* An agent hears which of its renewals it is armed by. */
static void armed_names_the_renewal_and_its_end(void **state) /* 3.2.2 */
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.now_ms = 101000;
    assert_true(arm(&world, 1, 101000));

    assert_int_equal(world.last[BW_GUARD_MESSAGE_ARMED].armed.number, 101000);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_ARMED].armed.end.boot_ns, at_ms(111000).boot_ns);
    assert_int_equal(world.guard.mirror.ttl_ns, TTL_MS * MS);
    assert_int_equal(world.guard.mirror.fence_ns, FENCE_MS * MS);
}

/* 3.4: a later deadline that no mirror has would be forgotten by a restart, whole. */
static void an_arm_that_is_not_mirrored_leaves_all_of_the_one_before(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = 1};
    struct bw_guard_mirror before;
    struct world world;

    (void)state;
    begin_armed(&world);
    before = world.guard.mirror;
    world.now_ms = 101000;
    world.mirror_fails = true;
    of.arm = (struct bw_guard_arm){.epoch = 1,
                                   .terms = {.ttl_ms = TTL_MS + 1000, .fence_ms = FENCE_MS + 500},
                                   .number = 101000,
                                   .begin = at_ms(101000),
                                   .end = at_ms(112000)};
    message(&world, &of);

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.number, 101000);
    assert_true(is_same_mirror(&before, &world.guard.mirror));
}

/* What ran when the guard ended is told once, to the first agent that comes. */
static void an_interrupted_run_is_told_once(void **state)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 7);
    memory = world.guard.memory;
    mirror = world.guard.mirror;
    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(101000));
    world.mirror = world.mirrored = world.guard.mirror;
    hello(&world, instance_a);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_INTERRUPTED);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 7);

    hello(&world, instance_a);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 1);
}

static void an_agent_is_told_the_newest_let_go(void **state) /* 3.1 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.memory.let_go_index = 9;

    assert_int_equal(reported(&world).let_go_index, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ran_when_it_ended_may_have_served_and_ordered_more),
        cmocka_unit_test(what_an_override_ordered_elsewhere_outlives_a_boot),
        cmocka_unit_test(what_it_could_not_see_as_it_began_it_looks_at_again),
        cmocka_unit_test(of_what_its_agent_sees_serve_the_agent_may_know_more),
        cmocka_unit_test(however_often_its_agent_looks_it_looks_itself),
        cmocka_unit_test(an_end_beside_what_is_left_it_has_not_seen),
        cmocka_unit_test(beside_an_end_that_was_seen_before_what_is_left_follows_another_site),
        cmocka_unit_test(what_its_agent_is_stopping_it_lets_be_stopped),
        cmocka_unit_test(an_end_that_its_agent_has_seen_is_one),
        cmocka_unit_test(what_is_let_go_it_looks_at_no_more),
        cmocka_unit_test(where_nothing_was_ever_enforced_a_look_is_enough_after_a_boot),
        cmocka_unit_test(an_agent_is_told_all_that_is_armed_and_by_which_means),
        cmocka_unit_test(an_agent_is_told_what_runs),
        cmocka_unit_test(a_fence_of_nothing_that_is_armed_is_not_told),
        cmocka_unit_test(armed_names_the_renewal_and_its_end),
        cmocka_unit_test(an_arm_that_is_not_mirrored_leaves_all_of_the_one_before),
        cmocka_unit_test(an_interrupted_run_is_told_once),
        cmocka_unit_test(an_agent_is_told_the_newest_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
