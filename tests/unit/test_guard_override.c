/* guard: what serves without a lease by a person's word (design 3.8): told by the agent, mirrored
 * before it counts, over with a lease, a fence that has seen the end, a let-go, another instance.
 */
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

static void override(struct world *world, uint64_t epoch)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_OVERRIDE, .epoch = epoch};

    message(world, &of);
}

static enum bw_refusal override_refusal(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_OVERRIDE_REFUSED].refused.why;
}

static void mirrored(struct world *world, uint64_t number, bool ok)
{
    step(world, &(struct bw_guard_event){
                    .kind = BW_GUARD_EVENT_MIRRORED, .number = number, .ok = ok});
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

static bool has_begun(const struct world *world)
{
    struct bw_guard_shown shown;

    bw_guard_shown_get(&world->guard, &shown);
    assert_true(shown.overriding);
    return shown.override_begun;
}

static void begin_overriding(struct world *world)
{
    begin_standby(world);
    override(world, 1);
    assert_int_equal(world->sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
    run(world, 1, BW_ACTION_START, 7);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
}

static void without_it_nothing_starts_unarmed(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    run(&world, 1, BW_ACTION_START, 7);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
}

static void with_it_a_start_has_no_deadline(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    override(&world, 1);
    run(&world, 1, BW_ACTION_START, 7);
    assert_non_null(strstr(world.log, "SPAWN:start GO"));
    assert_true(bw_instant_is_never(world.go_not_after));
    assert_int_equal(world.guard.mirror.start_epoch, 1);
}

static bool says_that_it_overrides(const struct world *world)
{
    struct bw_guard_state of;

    bw_guard_state_get(&world->guard, &of);
    return of.overriding;
}

/* Before its agent hears that it may. */
static void it_counts_once_the_mirror_has_it(void **state)
{
    struct world world;
    uint64_t number;

    (void)state;
    begin_standby(&world);
    world.mirror_hangs = true;
    override(&world, 1);
    number = world.guard.mirror_number;
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 0);
    assert_false(says_that_it_overrides(&world));
    run(&world, 1, BW_ACTION_START, 7);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
    override(&world, 1); /* again: the answer follows */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 0);
    mirrored(&world, number, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
    assert_true(says_that_it_overrides(&world));
    world.mirror_hangs = false;
    override(&world, 1); /* its answer was lost */
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 2);
    assert_int_equal(world.guard.mirror_number, number);

    begin_standby(&world);
    world.mirror_fails = true;
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_false(world.guard.mirror.overriding);
}

/* 3.4: an arm that was durable, and came too late for its deadline, has taken its word from it. */
static void what_is_kept_of_it_is_durable_when_it_is_told_once_more(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.guard.memory.overridden = false;
    world.log[0] = '\0';
    override(&world, 1);
    assert_asked(&world, "SAVE");
    assert_true(world.guard.memory.overridden);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 2);
    assert_true(says_that_it_overrides(&world));
}

/* Its agent has its own lease by then, and its record of the override is gone. */
static void an_epoch_that_was_seen_to_end_is_its_end(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    run(&world, 1, BW_ACTION_STOP, 8);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 1));
    assert_false(world.mirrored.overriding);
}

/* 3.9: the let-go was durable, and its guard ended before the mirror was. */
static void what_was_let_go_no_guard_that_begins_knows_of(void **state)
{
    const struct bw_guard_mirror mirror = {.overriding = true, .override_instance = instance_a};
    const struct bw_guard_memory memory = {.epoch_seen = 1, .ended_epoch = 1, .let_go_index = 5};
    struct world world;

    (void)state;
    memset(&world, 0, sizeof world);
    world.now_ms = BEGIN_MS;
    bw_guard_init(&world.guard, "g", &limits, &memory, &mirror, at_ms(world.now_ms));
    world.mirrored = world.mirror = world.guard.mirror;
    assert_false(world.guard.mirror.overriding);
    hello(&world, instance_b);
    assert_not_asked(&world, "SPAWN");
}

/* A standby that was never granted: of what it starts now its agent's state is no longer the only record. */
static void begin_never_armed(struct world *world)
{
    begin_of(world, false, NULL);
    hello(world, instance_a);
}

static void where_nothing_was_armed_it_is_enforced_from_then_on(void **state)
{
    struct bw_guard_memory kept;
    struct world world;

    (void)state;
    begin_never_armed(&world);
    world.save_hangs = true;
    override(&world, 1);
    override(&world, 1); /* again: the answer follows */
    assert_false(world.guard.mirror.overriding);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 0);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_REFUSED], 0);

    saved(&world, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
    assert_true(world.mirrored.overriding);

    /* After a boot, where no agent knows of it. */
    kept = world.guard.memory;
    bw_guard_init(&world.guard, "g", &limits, &kept, NULL, at_ms(world.now_ms));
    tick_at(&world, world.now_ms + 1);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    assert_true(bw_guard_is_fencing(&world.guard));
}

static void what_cannot_be_saved_as_enforced_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_never_armed(&world);
    world.save_fails = true;
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_NOT_DURABLE);
    assert_false(world.guard.mirror.overriding);
    assert_false(world.guard.memory.enforced);
}

/* It was asked for in a session that is over, or something else has begun: it is judged anew. */
static void what_comes_while_it_is_saved_counts(void **state)
{
    struct world world;

    (void)state;
    begin_never_armed(&world);
    world.save_hangs = true;
    override(&world, 1);
    hello(&world, instance_b);
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
    saved(&world, true);
    assert_false(world.guard.mirror.overriding);
    override(&world, 1);
    assert_true(bw_id_equal(world.mirrored.override_instance, instance_b));

    begin_never_armed(&world);
    world.save_hangs = true;
    override(&world, 1);
    run(&world, 1, BW_ACTION_FENCE, 7);
    saved(&world, true);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_FENCING);
    assert_false(world.guard.mirror.overriding);

    begin_never_armed(&world); /* a person has ended it, and the fence was quicker than the disk */
    world.save_hangs = true;
    override(&world, 1);
    run(&world, 1, BW_ACTION_FENCE, 7);
    fence_to_the_end(&world);
    saved(&world, true);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
    assert_false(world.guard.mirror.overriding);
}

static void beside_a_lease_a_fence_or_an_action_it_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    override(&world, 0);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_OLD_EPOCH);
    assert_true(arm(&world, 2, world.now_ms));
    override(&world, 2);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);

    begin_standby(&world);
    run(&world, 1, BW_ACTION_FENCE, 3);
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_FENCING);

    begin_standby(&world);
    run(&world, 1, BW_ACTION_STOP, 3);
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world.last[BW_GUARD_MESSAGE_OVERRIDE_REFUSED].refused.why = BW_REFUSAL_NONE;
    override(&world, 1); /* its end is looked for */
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
}

static void begin_failed_order(struct world *world)
{
    begin_standby(world);
    run(world, 1, BW_ACTION_FENCE, 3);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    tick_at(world, world->now_ms + 1000);
    reach_killed(world, true);
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world->guard.fence, BW_FENCE_FAILED);
}

/* What has failed to end may serve yet. */
static void beside_a_fence_that_has_failed_it_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_failed_order(&world);

    override(&world, 1);

    assert_int_equal(override_refusal(&world), BW_REFUSAL_FENCING);
    assert_false(world.guard.mirror.overriding);
}

/* Its answer was that it has failed; nobody has ordered the second try. */
static void once_a_second_try_of_a_fence_has_seen_the_end_it_lets_start(void **state)
{
    struct world world;

    (void)state;
    begin_failed_order(&world);
    tick_at(&world, world.now_ms + 1000);
    fence_to_the_end(&world);
    assert_int_equal(world.guard.fence, BW_FENCE_DONE);

    override(&world, 1);
    run(&world, 1, BW_ACTION_START, 7);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
    assert_non_null(strstr(world.log, "SPAWN:start GO"));
}

/* 3.4: nor is anything armed beside it. */
static void while_an_arm_is_written_down_it_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.save_hangs = true;
    assert_false(arm(&world, 2, world.now_ms));

    override(&world, 2);

    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
    assert_false(world.guard.mirror.overriding);
    saved(&world, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_ARMED], 1);
}

/* It has no deadline by which that fence would begin again, and its agent may be away. */
static void its_fence_that_a_guard_had_begun_the_next_one_begins_again(void **state) /* 3.8 */
{
    struct bw_guard_mirror mirror;
    struct world world;

    (void)state;
    begin_overriding(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    mirror = world.mirrored;

    begin_kept(&world, &mirror);
    tick_at(&world, world.now_ms + 1);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    fence_to_the_end(&world);
    assert_false(world.mirrored.overriding);
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
}

static void without_an_agent_nothing_is_let_serve(void **state)
{
    const struct bw_guard_event gone = {.kind = BW_GUARD_EVENT_AGENT_GONE};
    struct world world;

    (void)state;
    begin_standby(&world);
    step(&world, &gone);

    override(&world, 1);

    assert_false(world.guard.mirror.overriding);
}

/* One that was asked for before does not have it. */
static void the_answer_of_an_older_mirror_is_not_its_own(void **state) /* H11 */
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.mirror_hangs = true;
    run(&world, 1, BW_ACTION_STATUS, 3);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    override(&world, 1);

    mirrored(&world, world.guard.mirror_number - 1, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 0);
    mirrored(&world, world.guard.mirror_number, true);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
}

/* 3.4: its guard has looked since it began, without knowing yet. */
static void what_it_lets_serve_no_look_at_the_start_fences(void **state)
{
    struct world world;

    (void)state;
    begin_kept(&world, NULL);
    hello(&world, instance_a);
    assert_asked(&world, "SPAWN:status");
    override(&world, 1);
    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);

    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_not_asked(&world, "SPAWN");
    assert_int_equal(world.guard.fence, BW_FENCE_NONE);
}

static void a_guard_that_begins_does_not_fence_it(void **state)
{
    struct bw_guard_mirror mirror;
    struct world world;

    (void)state;
    begin_overriding(&world);
    mirror = world.mirrored;

    begin_kept(&world, &mirror);
    tick_at(&world, world.now_ms + 100);
    assert_null(strstr(world.log, "SPAWN"));
    hello(&world, instance_a);
    assert_true(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.overriding);
    run(&world, 1, BW_ACTION_START, 8); /* a local restart */
    assert_non_null(strstr(world.log, "SPAWN:start"));
}

/* Whether or not it is enforced here: what another instance was told is no word to this one. */
static void another_instance_ends_it(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    hello(&world, instance_b);
    assert_non_null(strstr(world.log, "SPAWN:fence"));
    assert_true(world.guard.mirror.overriding); /* until a fence has seen the end */
    override(&world, 1);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_FENCING);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_false(world.guard.mirror.overriding);
}

/* An agent that has lost its state says so from its first report on: nobody else is granted before.
 */
static void what_another_was_told_is_said_until_its_end_was_seen(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    hello(&world, instance_b);
    assert_true(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.overriding);
    run(&world, 1, BW_ACTION_START, 8); /* and is no word to this one */
    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    hello(&world, instance_b);
    assert_false(world.last[BW_GUARD_MESSAGE_GROUP_STATE].state.overriding);
}

/* 3.7: nobody else is there to end it. */
static void a_lease_of_another_that_is_fenced_and_over_is_no_bar(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    assert_true(arm(&world, 2, world.now_ms));
    hello(&world, instance_b);
    override(&world, 2);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY);
    tick_at(&world, world.now_ms + TTL_MS - FENCE_MS + 1);
    override(&world, 2);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_FENCING);
    fence_to_the_end(&world);
    assert_int_equal(world.guard.slots[BW_GUARD_SLOT_ACTION].state, BW_SLOT_FREE);
    override(&world, 2);
    assert_int_equal(override_refusal(&world), BW_REFUSAL_BUSY); /* its end has not come */

    tick_at(&world, world.now_ms + FENCE_MS);
    override(&world, 2);

    assert_int_equal(world.sent[BW_GUARD_MESSAGE_OVERRIDE_DONE], 1);
    assert_true(world.mirrored.overriding);
    assert_int_equal(world.mirrored.armed_epoch, 0);
    run(&world, 2, BW_ACTION_START, 9);
    assert_non_null(strstr(world.log, "SPAWN:start GO"));
}

static void it_is_over_with_the_first_lease_in_one_write(void **state)
{
    struct bw_guard_mirror mirror;
    struct world world;

    (void)state;
    begin_overriding(&world);
    assert_true(arm(&world, 2, world.now_ms));
    assert_false(world.guard.mirror.overriding);
    mirror = world.mirrored;
    assert_int_equal(mirror.armed_epoch, 2);
    assert_false(mirror.overriding);

    tick_at(&world, world.now_ms + TTL_MS - FENCE_MS + 1); /* and then kills as ever */
    assert_non_null(strstr(world.log, "SPAWN:fence"));
}

/* A crash before the mirror has the arm leaves what serves as it is. */
static void an_arm_that_no_mirror_took_leaves_it(void **state)
{
    struct bw_guard_mirror before;
    struct world world;

    (void)state;
    begin_overriding(&world);
    before = world.guard.mirror;
    world.mirror_fails = true;
    assert_false(arm(&world, 2, world.now_ms));
    assert_true(world.guard.mirror.overriding);
    assert_int_equal(world.guard.mirror.armed_epoch, 0);
    assert_true(is_same_mirror(&before, &world.guard.mirror));
}

static void a_fence_that_has_seen_the_end_is_its_end(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_true(world.guard.mirror.overriding); /* not seen yet */
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_false(world.guard.mirror.overriding);
    run(&world, 1, BW_ACTION_START, 10);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_NOT_ARMED);
}

static void nothing_starts_while_it_is_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    run(&world, 1, BW_ACTION_FENCE, 9);
    run(&world, 1, BW_ACTION_START, 10);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_FENCING);
}

static void a_let_go_is_its_end_and_touches_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");
    let_go(&world);
    assert_false(world.guard.mirror.overriding);
    assert_null(strstr(world.log, "SPAWN"));
    let_go(&world); /* its answer was lost */
}

/* Destructive. */
static void no_rejoin_runs_beside_it(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.guard.limits.has_script[BW_ACTION_REJOIN] = true;
    run(&world, 2, BW_ACTION_REJOIN, 9);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_BUSY);
}

/* What began by the word before may be down since. */
static void a_new_word_has_begun_nothing_yet(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    assert_true(has_begun(&world));
    let_go(&world);

    override(&world, 1);

    assert_false(has_begun(&world));
    run(&world, 1, BW_ACTION_START, 8);
    assert_true(has_begun(&world));
}

/* Nor is what a lease let begin, and was lost since. */
static void a_start_of_a_lease_is_none_of_the_word_that_follows(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    world.guard.memory.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .digest = 1};
    assert_true(arm(&world, 2, world.now_ms));
    run(&world, 2, BW_ACTION_START, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    run(&world, 2, BW_ACTION_STATUS, 8);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");
    assert_true(end(&world, 2));

    override(&world, 2);

    assert_false(has_begun(&world));
}

static void a_look_takes_back_nothing_that_has_begun(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    run(&world, 1, BW_ACTION_STATUS, 8);

    assert_true(has_begun(&world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_it_nothing_starts_unarmed),
        cmocka_unit_test(with_it_a_start_has_no_deadline),
        cmocka_unit_test(it_counts_once_the_mirror_has_it),
        cmocka_unit_test(what_is_kept_of_it_is_durable_when_it_is_told_once_more),
        cmocka_unit_test(an_epoch_that_was_seen_to_end_is_its_end),
        cmocka_unit_test(what_was_let_go_no_guard_that_begins_knows_of),
        cmocka_unit_test(where_nothing_was_armed_it_is_enforced_from_then_on),
        cmocka_unit_test(what_cannot_be_saved_as_enforced_is_refused),
        cmocka_unit_test(what_comes_while_it_is_saved_counts),
        cmocka_unit_test(beside_a_lease_a_fence_or_an_action_it_is_refused),
        cmocka_unit_test(a_guard_that_begins_does_not_fence_it),
        cmocka_unit_test(another_instance_ends_it),
        cmocka_unit_test(what_another_was_told_is_said_until_its_end_was_seen),
        cmocka_unit_test(a_lease_of_another_that_is_fenced_and_over_is_no_bar),
        cmocka_unit_test(it_is_over_with_the_first_lease_in_one_write),
        cmocka_unit_test(an_arm_that_no_mirror_took_leaves_it),
        cmocka_unit_test(a_fence_that_has_seen_the_end_is_its_end),
        cmocka_unit_test(nothing_starts_while_it_is_fenced),
        cmocka_unit_test(a_let_go_is_its_end_and_touches_nothing),
        cmocka_unit_test(no_rejoin_runs_beside_it),
        cmocka_unit_test(beside_a_fence_that_has_failed_it_is_refused),
        cmocka_unit_test(once_a_second_try_of_a_fence_has_seen_the_end_it_lets_start),
        cmocka_unit_test(while_an_arm_is_written_down_it_is_refused),
        cmocka_unit_test(its_fence_that_a_guard_had_begun_the_next_one_begins_again),
        cmocka_unit_test(without_an_agent_nothing_is_let_serve),
        cmocka_unit_test(the_answer_of_an_older_mirror_is_not_its_own),
        cmocka_unit_test(what_it_lets_serve_no_look_at_the_start_fences),
        cmocka_unit_test(a_new_word_has_begun_nothing_yet),
        cmocka_unit_test(a_start_of_a_lease_is_none_of_the_word_that_follows),
        cmocka_unit_test(a_look_takes_back_nothing_that_has_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
