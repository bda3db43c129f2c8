/* guard: what it says no to, and with which word (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

static enum bw_refusal end_refusal(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_END_REFUSED].refused.why;
}

static bool arm_with(struct world *world, uint32_t ttl_ms, uint32_t fence_ms)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM, .epoch = 1};
    const uint32_t before = world->sent[BW_GUARD_MESSAGE_ARMED];

    of.arm.epoch = 1;
    of.arm.terms.ttl_ms = ttl_ms;
    of.arm.terms.fence_ms = fence_ms;
    of.arm.end = at_ms(world->now_ms + ttl_ms);
    message(world, &of);
    return world->sent[BW_GUARD_MESSAGE_ARMED] > before;
}

static void let_go(struct world *world, uint64_t index)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = index};

    message(world, &of);
}

/* From begin_armed to the end of the fence: it was seen to succeed, and what cleans up is over. */
static void fence_well(struct world *world)
{
    tick_at(world, 108000);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_int_equal(world->guard.fence, BW_FENCE_DONE);
}

/* ---- arms ---- */

static void terms_without_room_for_the_fence_are_refused(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    assert_false(arm_with(&world, 0, 0));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BAD_TERMS);
    assert_false(arm_with(&world, TTL_MS, 0));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BAD_TERMS);
    assert_false(arm_with(&world, FENCE_MS, FENCE_MS));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BAD_TERMS);
    assert_true(arm_with(&world, FENCE_MS + 1, FENCE_MS));
    begin(&world);
    assert_true(arm_with(&world, 2, 1)); /* as short as they can be */
}

static void epoch_0_is_neither_armed_nor_ended(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    assert_false(arm(&world, 0, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    assert_false(end(&world, 0));
    assert_int_equal(end_refusal(&world), BW_REFUSAL_OLD_EPOCH);
}

static void a_higher_epoch_is_not_armed_while_the_fence_of_the_old_one_runs(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);

    assert_false(arm(&world, 2, 108000));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCING);
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
}

static void a_higher_epoch_is_not_armed_while_the_fence_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    fence_by_kill(&world, false);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);

    assert_false(arm(&world, 2, 109800));

    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCING);
    assert_int_equal(world.guard.mirror.armed_epoch, 1);
}

/* What runs was ordered in another epoch, and acts on until it has ended. */
static void a_higher_epoch_is_not_armed_while_an_action_or_its_look_runs(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 1, BW_ACTION_REJOIN, 1);
    assert_asked(&world, "SPAWN:rejoin GO");
    assert_false(arm(&world, 2, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);

    begin(&world);
    run(&world, 1, BW_ACTION_STOP, 1);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN:status");
    assert_false(arm(&world, 2, 100000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(arm(&world, 2, 100000));
}

/* A stop of a higher epoch notes that epoch, without an instance and without enforcing it. */
static void an_epoch_that_only_a_stop_has_named_is_made_durable_before_it_is_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    run(&world, 2, BW_ACTION_STOP, 1);
    assert_asked(&world, "SAVE SPAWN:stop");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_int_equal(world.guard.memory.epoch_seen, 2);
    assert_false(world.guard.memory.enforced);

    assert_true(arm(&world, 2, 100000));

    assert_asked(&world, "SAVE");
    assert_true(world.guard.memory.enforced);
    assert_true(bw_id_equal(world.guard.memory.instance, instance_a));
}

static void an_epoch_of_ours_that_is_not_enforced_is_made_so_before_it_is_armed(void **state)
{
    const struct bw_guard_memory memory = {.epoch_seen = 2, .instance = instance_a};
    struct world world;

    (void)state;
    begin(&world);
    world.guard.memory = memory;

    assert_true(arm(&world, 2, 100000));

    assert_asked(&world, "SAVE");
    assert_true(world.guard.memory.enforced);
}

/* ---- ends, and what is let go ---- */

static void an_end_whose_answer_was_lost_is_answered_again(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));

    assert_true(end(&world, 1));

    assert_not_asked(&world, "SAVE");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_END_REFUSED], 0);
}

static void what_was_let_go_and_whose_answer_was_lost_is_answered_again(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    let_go(&world, 7);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 1);

    let_go(&world, 7);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 2);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_LET_GO_DONE].let_go_index, 7);
    assert_not_asked(&world, "SAVE");
}

static void a_fence_that_has_begun_is_finished_before_anything_is_let_go(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    tick_at(&world, 108000);

    let_go(&world, 7);

    assert_not_asked(&world, "SAVE");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    assert_true(world.guard.memory.enforced);
    assert_true(bw_guard_is_fencing(&world.guard));
}

static void letting_go_of_an_ended_epoch_ends_no_other(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_STATUS, 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));

    let_go(&world, 7);

    assert_int_equal(world.guard.memory.ended_epoch, 1);
    assert_false(world.guard.memory.enforced);
    assert_true(arm(&world, 2, 100000));
}

/* ---- runs ---- */

static void nothing_runs_for_an_agent_that_has_not_said_hello(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin(&world);
    step(&world, &gone);

    run(&world, 1, BW_ACTION_STATUS, 1);
    assert_not_asked(&world, "SPAWN");
    run(&world, 1, BW_ACTION_STOP, 2);

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], 0);
}

static void what_is_no_action_or_has_no_script_does_not_run(void **state)
{
    static const enum bw_action_kind impossible[] = {BW_ACTION_NONE, BW_ACTION_COUNT,
                                                     BW_ACTION_READINESS, BW_ACTION_REJOIN};
    struct world world;

    (void)state;
    begin_armed(&world);
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        run(&world, 1, impossible[i], i + 1);

        assert_int_equal(world.sent[BW_GUARD_MESSAGE_RUN_ENDED], i + 1);
        assert_int_equal(run_refusal(&world), BW_REFUSAL_NO_SCRIPT);
        assert_not_asked(&world, "SPAWN");
    }
}

static void a_start_of_an_epoch_that_is_not_the_armed_one_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);

    run(&world, 2, BW_ACTION_START, 1);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
    assert_not_asked(&world, "SPAWN");
}

/* What waits for a deadline, as a trial of the reach does, waits no longer. */
static void a_deadline_that_was_fenced_is_none_any_more(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    assert_false(bw_guard_has_deadline(&world.guard, at_ms(world.now_ms)));
    begin_armed(&world);
    assert_true(bw_guard_has_deadline(&world.guard, at_ms(world.now_ms)));

    fence_well(&world);

    assert_int_equal(world.guard.mirror.armed_epoch, 1);
    assert_false(bw_guard_has_deadline(&world.guard, at_ms(world.now_ms)));
}

static void start_held(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = 1};

    of.run = (struct bw_guard_run){
        .epoch = 1, .action = BW_ACTION_START, .run_id = 1, .facts = {.holds = true}};
    message(world, &of);
}

static void pass(struct world *world, uint64_t epoch)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_PASS, .epoch = epoch};

    message(world, &of);
}

/* 4: it would begin behind the point at once. */
static void a_start_that_is_to_hold_where_it_has_no_point_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    start_held(&world);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NO_POINT);
    assert_not_asked(&world, "SPAWN");
}

/* 4: that of its epoch, while it runs, and once. */
static void only_the_start_of_that_epoch_is_told_that_it_may_pass(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_point = true;
    pass(&world, 1); /* nothing runs */
    start_held(&world);
    assert_asked(&world, "SPAWN:start");
    pass(&world, 2);
    assert_not_asked(&world, "PASS");
    pass(&world, 1);
    assert_asked(&world, "PASS");
    world.log[0] = '\0';
    pass(&world, 1);
    assert_not_asked(&world, "PASS");
}

/* 4: nor one that the fence has killed, or a stop of the same epoch. */
static void what_is_killed_or_is_no_start_is_not_told_to_pass(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_point = true;
    start_held(&world);
    tick_at(&world, 108000);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_ENDING);
    pass(&world, 1);
    assert_not_asked(&world, "PASS");

    begin_armed(&world);
    run(&world, 1, BW_ACTION_STOP, 1);
    pass(&world, 1);
    assert_not_asked(&world, "PASS");
}

/* 4: the word may come after its end. */
static void what_has_ended_is_not_told_to_pass(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_point = true;
    start_held(&world);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    pass(&world, 1);
    assert_not_asked(&world, "PASS");
}

/* That of another kind and of the same epoch, which is refused beside it. */
static void no_other_message_tells_it_to_pass(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_point = true;
    start_held(&world);
    assert_false(manual_for(&world, 1, 1, 60000));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
    assert_not_asked(&world, "PASS");
}

static void a_start_after_the_fence_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    fence_well(&world);

    run(&world, 1, BW_ACTION_START, 1);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
    assert_not_asked(&world, "SPAWN");
}

static void a_rejoin_is_refused_beside_a_lease_and_in_an_ended_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 1, BW_ACTION_REJOIN, 1);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    run(&world, 1, BW_ACTION_STATUS, 2);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));

    run(&world, 1, BW_ACTION_REJOIN, 3);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
    assert_not_asked(&world, "SPAWN");
}

/* A fence that was ordered with another epoch says nothing of the armed one's. */
static void a_fence_of_another_epoch_ends_no_lease(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 2, BW_ACTION_FENCE, 1);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);
    hello(&world, instance_b);

    run(&world, 2, BW_ACTION_STOP, 2);

    assert_int_equal(run_refusal(&world), BW_REFUSAL_WRONG_INSTANCE);
}

static void only_one_stop_waits_and_only_for_what_begins_to_serve(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    run(&world, 1, BW_ACTION_START, 1);
    run(&world, 1, BW_ACTION_STOP, 2);
    assert_asked(&world, "KILL_RUN");
    run(&world, 1, BW_ACTION_STOP, 3); /* one waits already */
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");
    assert_asked(&world, "SPAWN:stop");

    run(&world, 1, BW_ACTION_STOP, 4); /* beside a stop that runs */
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    assert_not_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 1, BW_ACTION_STOP, 5); /* beside the look that follows a stop */

    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.run_id, 5);
    assert_not_asked(&world, "SPAWN:stop");
}

static void a_stop_ends_a_rejoin_that_runs(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 1, BW_ACTION_REJOIN, 1);
    assert_asked(&world, "SPAWN:rejoin GO");

    run(&world, 1, BW_ACTION_STOP, 2);
    assert_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_FAILED, "");

    assert_asked(&world, "SPAWN:stop GO");
}

/* ---- what is not an agent's to say ---- */

static void what_only_a_guard_says_changes_nothing(void **state)
{
    struct world world;
    struct bw_guard before;

    (void)state;
    begin_armed(&world);
    before = world.guard;
    for (int kind = BW_GUARD_MESSAGE_HELLO; kind <= BW_GUARD_MESSAGE_HELLO_REFUSED; kind++) {
        struct bw_guard_message of = {.kind = (enum bw_guard_message_kind)kind, .epoch = 9};

        if (kind >= BW_GUARD_MESSAGE_ARM && kind <= BW_GUARD_MESSAGE_LET_GO)
            continue;
        message(&world, &of);

        assert_memory_equal(&world.guard, &before, sizeof before);
        assert_string_equal(world.log, "");
    }
}

/* ---- words ---- */

static void each_value_has_a_word_of_its_own_and_no_other_has_one(void **state)
{
    const char *words[BW_REFUSAL_NOT_INSIDE + 1];

    (void)state;
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        words[i] = bw_action_word((enum bw_action_kind)i);
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(words[i], words[k]);
    for (int i = 0; i <= BW_RUN_REFUSED; i++)
        words[i] = bw_run_result_word((enum bw_run_result)i);
    for (int i = 0; i <= BW_RUN_REFUSED; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(words[i], words[k]);
    for (int i = 0; i <= BW_REFUSAL_NOT_INSIDE; i++)
        words[i] = bw_refusal_word((enum bw_refusal)i);
    for (int i = 0; i <= BW_REFUSAL_NOT_INSIDE; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(words[i], words[k]);

    assert_string_equal(bw_action_word(BW_ACTION_COUNT), "?");
    assert_string_equal(bw_run_result_word((enum bw_run_result)(BW_RUN_REFUSED + 1)), "?");
    assert_string_equal(bw_refusal_word((enum bw_refusal)(BW_REFUSAL_NOT_INSIDE + 1)), "?");
}

static void only_what_changes_the_service_takes_the_action_slot(void **state)
{
    (void)state;
    assert_true(bw_action_is_action(BW_ACTION_START));
    assert_true(bw_action_is_action(BW_ACTION_REJOIN));
    assert_false(bw_action_is_action(BW_ACTION_STATUS));
    assert_false(bw_action_is_action(BW_ACTION_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_without_room_for_the_fence_are_refused),
        cmocka_unit_test(epoch_0_is_neither_armed_nor_ended),
        cmocka_unit_test(a_higher_epoch_is_not_armed_while_the_fence_of_the_old_one_runs),
        cmocka_unit_test(a_higher_epoch_is_not_armed_while_the_fence_has_failed),
        cmocka_unit_test(a_higher_epoch_is_not_armed_while_an_action_or_its_look_runs),
        cmocka_unit_test(an_epoch_that_only_a_stop_has_named_is_made_durable_before_it_is_armed),
        cmocka_unit_test(an_epoch_of_ours_that_is_not_enforced_is_made_so_before_it_is_armed),
        cmocka_unit_test(an_end_whose_answer_was_lost_is_answered_again),
        cmocka_unit_test(what_was_let_go_and_whose_answer_was_lost_is_answered_again),
        cmocka_unit_test(a_fence_that_has_begun_is_finished_before_anything_is_let_go),
        cmocka_unit_test(letting_go_of_an_ended_epoch_ends_no_other),
        cmocka_unit_test(nothing_runs_for_an_agent_that_has_not_said_hello),
        cmocka_unit_test(what_is_no_action_or_has_no_script_does_not_run),
        cmocka_unit_test(a_start_of_an_epoch_that_is_not_the_armed_one_is_refused),
        cmocka_unit_test(a_deadline_that_was_fenced_is_none_any_more),
        cmocka_unit_test(a_start_that_is_to_hold_where_it_has_no_point_is_refused),
        cmocka_unit_test(only_the_start_of_that_epoch_is_told_that_it_may_pass),
        cmocka_unit_test(what_is_killed_or_is_no_start_is_not_told_to_pass),
        cmocka_unit_test(what_has_ended_is_not_told_to_pass),
        cmocka_unit_test(no_other_message_tells_it_to_pass),
        cmocka_unit_test(a_start_after_the_fence_is_refused),
        cmocka_unit_test(a_rejoin_is_refused_beside_a_lease_and_in_an_ended_epoch),
        cmocka_unit_test(a_fence_of_another_epoch_ends_no_lease),
        cmocka_unit_test(only_one_stop_waits_and_only_for_what_begins_to_serve),
        cmocka_unit_test(a_stop_ends_a_rejoin_that_runs),
        cmocka_unit_test(what_only_a_guard_says_changes_nothing),
        cmocka_unit_test(each_value_has_a_word_of_its_own_and_no_other_has_one),
        cmocka_unit_test(only_what_changes_the_service_takes_the_action_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
