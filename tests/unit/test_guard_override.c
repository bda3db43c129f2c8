/* guard: a manual lease (design 3.8): armed once, with an end that never moves, enforced like any other; handed over
 * untouched to a grant or to the next serial, over with a fence that has seen the end, a let-go, another instance. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/may_run.h>

#include "guard_world.h"

static void begin_of(struct world *world, bool is_enforced, const struct bw_guard_mirror *mirror)
{
    const struct bw_guard_memory memory = {.epoch_seen = 1, .enforced = is_enforced};

    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    bw_guard_init(&world->guard, "g", &limits, &memory, mirror, at_ms(world->now_ms));
    world->mirrored = world->guard.mirror;
    world->mirror = world->guard.mirror;
}

static void begin_kept(struct world *world, const struct bw_guard_mirror *mirror)
{
    begin_of(world, true, mirror);
}

/* Enforced, seen stopped, with an agent of instance A. */
static void begin_standby(struct world *world)
{
    begin_kept(world, NULL);
    tick_at(world, world->now_ms);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    hello(world, instance_a);
}

/* The fence that runs sees the end, the clean-up and the look behind it too. */
static void fence_to_the_end(struct world *world)
{
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, ""); /* stop cleans up */
    tick_at(world, world->now_ms + 1);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
}

#define MANUAL_MS 60000

static bool manual(struct world *world, uint64_t epoch, uint64_t serial)
{
    return manual_for(world, epoch, serial, MANUAL_MS);
}

static void let_go(struct world *world)
{
    struct bw_guard_message of = {
        .kind = BW_GUARD_MESSAGE_LET_GO, .epoch = 1, .let_go_index = 5};
    const uint32_t before = world->sent[BW_GUARD_MESSAGE_LET_GO_DONE];

    message(world, &of);
    assert_int_equal(world->sent[BW_GUARD_MESSAGE_LET_GO_DONE], before + 1);
    assert_int_equal(world->last[BW_GUARD_MESSAGE_LET_GO_DONE].let_go_index, 5);
}

static struct bw_guard_shown shown_of(const struct world *world)
{
    struct bw_guard_shown shown;

    bw_guard_shown_get(&world->guard, &shown);
    shown.boot_id = instance_a;
    return shown;
}

static enum bw_may_run may_run(const struct world *world)
{
    const struct bw_guard_shown shown = shown_of(world);

    return bw_may_run(true, &shown, instance_a, shown.time_namespace, at_ms(world->now_ms));
}

/* It serves by manual lease 1 of epoch 1. */
static void begin_manual(struct world *world)
{
    begin_standby(world);
    assert_true(manual(world, 1, 1));
    run(world, 1, BW_ACTION_START, 7);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(world, 1, BW_ACTION_STATUS, 8);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
}

static struct bw_guard_state state_of(const struct world *world)
{
    struct bw_guard_state of;

    bw_guard_state_get(&world->guard, &of);
    return of;
}

/* The same guard, begun anew in the same boot. */
static void restart(struct world *world)
{
    const struct bw_guard_memory memory = world->guard.memory;
    const struct bw_guard_mirror mirror = world->mirrored;
    const uint64_t now_ms = world->now_ms;

    memset(world, 0, sizeof *world);
    world->now_ms = now_ms;
    bw_guard_init(&world->guard, "g", &limits, &memory, &mirror, at_ms(now_ms));
    world->mirrored = world->mirror = world->guard.mirror;
}

static void without_it_nothing_starts_unarmed(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    run(&world, 1, BW_ACTION_START, 7);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
}

/* H7: the child compares with D - F, like the fence. */
static void with_it_a_start_has_its_deadline(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_true(manual(&world, 1, 1));
    run(&world, 1, BW_ACTION_START, 7);
    assert_non_null(strstr(world.log, "SPAWN:start GO"));
    assert_int_equal(world.go_not_after.boot_ns, at_ms(world.now_ms + MANUAL_MS - FENCE_MS).boot_ns);
    assert_int_equal(may_run(&world), BW_MAY_RUN_OVERRIDE);
}

static void its_end_fences_whatever_its_agent_does(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    tick_at(&world, BEGIN_MS + MANUAL_MS - FENCE_MS - 1);
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);

    tick_at(&world, BEGIN_MS + MANUAL_MS - FENCE_MS);

    assert_asked(&world, "SPAWN:fence");
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_BEGUN], 1);
    assert_int_equal(may_run(&world), BW_MAY_RUN_FENCING);
    fence_to_the_end(&world);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_FENCE_ENDED], 1);
    assert_int_equal(world.mirrored.armed_epoch, 0);
    assert_int_equal(state_of(&world).serial_over, 1);
}

static void its_end_never_moves(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    assert_false(manual_for(&world, 1, 1, 2 * MANUAL_MS));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_END_NOT_LATER);
    assert_int_equal(world.guard.mirror.armed_end.boot_ns, at_ms(BEGIN_MS + MANUAL_MS).boot_ns);
}

/* What has ended, and a lower serial, is armed by nobody again: also not after a restart of the guard. */
static void it_is_armed_once(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    fence_to_the_end(&world);
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);

    restart(&world);
    hello(&world, instance_a);
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_EPOCH_ENDING);
    assert_true(manual(&world, 1, 3));
    assert_false(manual(&world, 1, 2));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
}

/* M8: what serves is not touched. */
static void the_next_serial_takes_its_place_in_one_write(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    world.now_ms += 10000;
    assert_true(manual(&world, 1, 2));
    assert_int_equal(world.mirrored.armed_serial, 2);
    assert_int_equal(world.mirrored.armed_end.boot_ns, at_ms(BEGIN_MS + 10000 + MANUAL_MS).boot_ns);
    tick_at(&world, BEGIN_MS + MANUAL_MS);
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
}

static void it_is_handed_over_to_a_grant_in_one_write(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    assert_true(arm(&world, 2, world.now_ms));
    assert_int_equal(world.mirrored.armed_epoch, 2);
    assert_int_equal(world.mirrored.armed_serial, 0);
    assert_int_equal(world.guard.memory.serial, 0);
    assert_int_equal(may_run(&world), BW_MAY_RUN_LEASE);
    tick_at(&world, world.now_ms + TTL_MS - FENCE_MS + 1); /* and then kills as ever */
    assert_asked(&world, "SPAWN:fence");
}

/* A crash before the mirror has the arm leaves what serves under its own deadline. */
static void an_arm_that_no_mirror_took_leaves_it(void **state)
{
    struct bw_guard_mirror before;
    struct world world;

    (void)state;
    begin_manual(&world);
    before = world.guard.mirror;
    world.mirror_fails = true;
    assert_false(arm(&world, 2, world.now_ms));
    assert_true(is_same_mirror(&before, &world.guard.mirror));

    world.mirror_fails = false;
    restart(&world);
    tick_at(&world, world.now_ms + 1);
    assert_int_equal(world.guard.memory.epoch_seen, 2);
    assert_int_equal(world.guard.mirror.armed_serial, 1);
    hello(&world, instance_a);
    run(&world, 1, BW_ACTION_START, 9); /* 3.8: also where epoch 2 ends unarmed */
    assert_asked(&world, "SPAWN:start");
    tick_at(&world, BEGIN_MS + MANUAL_MS - FENCE_MS);
    assert_asked(&world, "SPAWN:fence");
}

static void a_guard_that_begins_resumes_its_deadline(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    restart(&world);
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "SPAWN");
    hello(&world, instance_a);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_serial, 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.serial_over, 0);
    tick_at(&world, BEGIN_MS + MANUAL_MS - FENCE_MS);
    assert_asked(&world, "SPAWN:fence");
}

/* 3.8: another boot, or a directory in /run that was emptied: nothing says until when. */
static void without_its_mirror_what_serves_is_fenced(void **state)
{
    struct bw_guard_memory kept;
    struct world world;

    (void)state;
    begin_manual(&world);
    kept = world.guard.memory;
    bw_guard_init(&world.guard, "g", &limits, &kept, NULL, at_ms(world.now_ms));
    tick_at(&world, world.now_ms + 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(bw_guard_is_fencing(&world.guard));
    assert_int_equal(state_of(&world).serial_over, 1);
}

/* 3.9: where nothing was granted here only its agent's state said so. */
static void it_makes_the_group_enforced_durably(void **state)
{
    struct world world;

    (void)state;
    begin_of(&world, false, NULL);
    hello(&world, instance_a);
    world.save_hangs = true;
    assert_false(manual(&world, 1, 1));
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    saved(&world, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 1);
    assert_true(world.guard.memory.enforced);
    assert_int_equal(world.guard.memory.serial, 1);

    begin_of(&world, false, NULL);
    hello(&world, instance_a);
    world.save_fails = true;
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_false(world.guard.memory.enforced);
}

/* Its own epoch 1 is over, or is another site's: both are what was seen last. */
static void the_epoch_that_it_names_may_be_over(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.guard.memory.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .digest = 1};
    assert_true(arm(&world, 2, world.now_ms));
    run(&world, 2, BW_ACTION_STATUS, 8);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 2));
    assert_true(manual(&world, 2, 1));
    run(&world, 2, BW_ACTION_START, 9);
    assert_asked(&world, "SPAWN:start");
    assert_int_equal(may_run(&world), BW_MAY_RUN_OVERRIDE);
    assert_false(arm(&world, 2, world.now_ms)); /* but not that epoch itself */
}

static void beside_a_lease_a_fence_or_an_action_it_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_true(arm(&world, 2, world.now_ms));
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    assert_false(manual(&world, 2, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);

    begin_standby(&world);
    run(&world, 1, BW_ACTION_FENCE, 3);
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_FENCING);

    begin_standby(&world);
    run(&world, 1, BW_ACTION_STOP, 3);
    assert_false(manual(&world, 1, 1));
    assert_int_equal(arm_refusal(&world), BW_REFUSAL_BUSY);
}

/* It is fenced hours before its deadline: the fence that a guard had begun the next one begins again. */
static void its_fence_goes_on_in_the_next_guard(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    restart(&world);
    tick_at(&world, world.now_ms + 1);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    fence_to_the_end(&world);
    assert_int_equal(world.mirrored.armed_epoch, 0);
}

/* What a person gave another instance is no lease of this one. */
static void another_instance_has_it_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    hello(&world, instance_b);
    assert_asked(&world, "SPAWN:fence");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_serial, 1); /* until its end was seen */
    run(&world, 1, BW_ACTION_START, 8);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_WRONG_INSTANCE);
    assert_false(arm(&world, 2, world.now_ms));
    fence_to_the_end(&world);
    hello(&world, instance_b);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_serial, 0);
    assert_true(manual(&world, 1, 2));
}

static void a_let_go_is_its_end_and_touches_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    let_go(&world);
    assert_int_equal(world.mirrored.armed_epoch, 0);
    assert_not_asked(&world, "SPAWN");
    let_go(&world); /* its answer was lost */
}

/* 3.9: the let-go was durable, and its guard ended before the mirror was. */
static void what_was_let_go_no_guard_that_begins_knows_of(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    world.guard.memory.enforced = false;
    world.guard.memory.let_go_index = 5;
    restart(&world);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    hello(&world, instance_b);
    assert_not_asked(&world, "SPAWN");
}

/* 3.4: its epoch need not be ended, and a script has ended what was ordered. */
static void what_was_seen_to_end_is_so_after_a_restart(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    fence_to_the_end(&world);
    assert_true(state_of(&world).stop_seen);
    restart(&world);
    assert_true(state_of(&world).stop_seen);
}

/* Destructive. */
static void no_rejoin_runs_beside_it(void **state)
{
    struct world world;

    (void)state;
    begin_manual(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 2, BW_ACTION_REJOIN, 9);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
}

/* 3.8: bound to the bytes that lay there at the command. */
static void other_scripts_start_nothing_under_it(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_true(manual(&world, 1, 1));
    of.run = (struct bw_guard_run){.epoch = 1, .action = BW_ACTION_START, .run_id = 7};
    of.run.facts.reach_digest = limits.digest + 1;
    message(&world, &of);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_OTHER_SCRIPTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_it_nothing_starts_unarmed),
        cmocka_unit_test(with_it_a_start_has_its_deadline),
        cmocka_unit_test(its_end_fences_whatever_its_agent_does),
        cmocka_unit_test(its_end_never_moves),
        cmocka_unit_test(it_is_armed_once),
        cmocka_unit_test(the_next_serial_takes_its_place_in_one_write),
        cmocka_unit_test(it_is_handed_over_to_a_grant_in_one_write),
        cmocka_unit_test(an_arm_that_no_mirror_took_leaves_it),
        cmocka_unit_test(a_guard_that_begins_resumes_its_deadline),
        cmocka_unit_test(without_its_mirror_what_serves_is_fenced),
        cmocka_unit_test(it_makes_the_group_enforced_durably),
        cmocka_unit_test(the_epoch_that_it_names_may_be_over),
        cmocka_unit_test(beside_a_lease_a_fence_or_an_action_it_is_refused),
        cmocka_unit_test(its_fence_goes_on_in_the_next_guard),
        cmocka_unit_test(another_instance_has_it_fenced),
        cmocka_unit_test(a_let_go_is_its_end_and_touches_nothing),
        cmocka_unit_test(what_was_let_go_no_guard_that_begins_knows_of),
        cmocka_unit_test(what_was_seen_to_end_is_so_after_a_restart),
        cmocka_unit_test(no_rejoin_runs_beside_it),
        cmocka_unit_test(other_scripts_start_nothing_under_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
