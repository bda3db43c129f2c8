/* site: a site file that its agent and its guard read one after the other, and scripts that are others than before
 * (design 5.4). What is asked when both have read the same: test_site_looks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

static struct world world;

/* ---- what its guard has not read ------------------------------------------------------------- */

/* The agent has `action`, and its guard has not. */
static void begin_lacking(enum bw_action_kind action, const struct bw_guard_state *greets)
{
    struct bw_guard_state of = *greets;

    memset(of.has_script, true, sizeof of.has_script);
    of.has_script[action] = false;
    world.site.limits.has_script[action] = true;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_STATE, .state = &of});
}

static const struct bw_guard_state idle = {.reach = BW_REACH_CGROUP, .reach_works = true};

static struct bw_guard_state armed_state(void)
{
    return (struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                   .reach_works = true,
                                   .enforced = true,
                                   .epoch_seen = 1,
                                   .armed_epoch = 1,
                                   .armed_instance = instance_a,
                                   .armed_end = world.sent.arm.end};
}

/* Ticks for `ms`, each look answered at once; how often `action` was asked for. */
static uint32_t looks_in(uint64_t ms, enum bw_action_kind action, enum bw_run_result result)
{
    const uint64_t end = world.now_ms + ms;
    uint32_t count = 0;

    while (world.now_ms < end) {
        for (int kind = 0; kind < BW_ACTION_COUNT; kind++) {
            if (!world.site.observation[kind].running)
                continue;
            count += kind == (int)action;
            ended(&world, &world.sent_look, kind == (int)action ? result : BW_RUN_OK,
                  kind == BW_ACTION_STATUS ? "started" : "");
        }
        tick_at(&world, world.now_ms + 10);
    }
    return count;
}

static void begin_lacking_verify(void)
{
    begin(&world);
    begin_lacking(BW_ACTION_VERIFY, &idle);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
}

/* It would be stopped at its start limit at each site, one after the other, for ever. */
static void what_its_guard_cannot_verify_serves(void **state)
{
    (void)state;
    begin_lacking_verify();

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(looks_in(5000, BW_ACTION_VERIFY, BW_RUN_OK), 0);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 4: another site destroys its data to follow what is verified. */
static void what_its_guard_cannot_verify_is_not_verified(void **state)
{
    const struct bw_guard_state now_read = armed_state();

    (void)state;
    begin_lacking_verify();
    assert_false(reported(&world).verified);

    guard_state(&world, &now_read);

    assert_false(reported(&world).verified);
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_true(reported(&world).verified);
}

/* 4: unknown is no yes. */
static void a_condition_that_its_guard_cannot_ask_any_more_is_not_met(void **state)
{
    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "start");
    assert_int_equal(reported(&world).condition, BW_CONDITION_START);

    begin_lacking(BW_ACTION_CONDITION, &idle);

    assert_int_equal(reported(&world).condition, BW_CONDITION_FAILED);
    assert_int_equal(looks_in(5000, BW_ACTION_CONDITION, BW_RUN_OK), 0);
}

/* 4: what has to follow is no candidate before it has. */
static void a_rejoin_that_its_guard_cannot_run_stays_owed(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};
    const struct bw_guard_state greets = {.ended_epoch = 1, .epoch_seen = 1};

    (void)state;
    begin_with(&world, &memory);
    begin_lacking(BW_ACTION_REJOIN, &greets);
    status(&world, "stopped");

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});

    assert_not_asked(&world, "RUN:rejoin");
    assert_true(reported(&world).rejoining);
    guard_state(&world, &greets);
    assert_asked(&world, "RUN:rejoin");
}

/* Its guard has read the file anew while the epoch waits for its final position. */
static void a_readiness_that_a_guard_has_no_more_is_not_waited_for(void **state)
{
    struct bw_guard_state greets;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:readiness");
    greets = armed_state();
    greets.stop_seen = true;

    begin_lacking(BW_ACTION_READINESS, &greets);

    assert_asked(&world, "END");
}

/* Of a guard that was not heard yet nobody knows that it has none. */
static void a_readiness_is_waited_for_before_its_guard_is_heard(void **state)
{
    (void)state;
    begin_with(&world, &held);

    assert_true(world.site.limits.has_script[BW_ACTION_READINESS]);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .enforced = true,
                                                 .epoch_seen = 1,
                                                 .ended_epoch = 1,
                                                 .start_epoch = 1});

    assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
    assert_asked(&world, "RUN:readiness");
}

/* It was refused before the guard could greet anew. */
static void a_look_that_its_guard_has_no_script_for_is_asked_for_once(void **state)
{
    static const enum bw_action_kind kinds[] = {BW_ACTION_READINESS, BW_ACTION_CONDITION};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED};

        begin(&world);
        world.site.limits.has_script[kinds[i]] = true;
        for (int tick = 0; tick < 100 && !world.site.observation[kinds[i]].running; tick++) {
            for (int other = 0; other < BW_ACTION_COUNT; other++)
                if (world.site.observation[other].running && other != (int)kinds[i])
                    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
            if (!world.site.observation[kinds[i]].running)
                tick_at(&world, world.now_ms + 100);
        }
        assert_true(world.site.observation[kinds[i]].running);
        of.ended = (struct bw_guard_run_ended){.result = BW_RUN_REFUSED,
                                               .refusal = BW_REFUSAL_NO_SCRIPT,
                                               .run_id = world.sent_look.run.run_id,
                                               .action = kinds[i],
                                               .exit_status = -1};

        from_guard(&world, &of);

        assert_int_equal(looks_in(5000, kinds[i], BW_RUN_OK), 0);
    }
}

static void an_agent_and_a_guard_that_read_the_same_do_not_differ(void **state)
{
    struct bw_guard_state of = idle;

    (void)state;
    begin_with(&world, &(struct bw_site_memory){0});
    assert_false(bw_site_guard_reads_otherwise(&world.site)); /* it was not heard yet */
    memcpy(of.has_script, world.site.limits.has_script, sizeof of.has_script);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_STATE, .state = &of});
    assert_false(bw_site_guard_reads_otherwise(&world.site));
    of.remote_fence_ms = 1000;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_STATE, .state = &of});
    assert_true(bw_site_guard_reads_otherwise(&world.site));
    world.site.limits.has_script[BW_ACTION_REMOTE_FENCE] = true;
    assert_false(bw_site_guard_reads_otherwise(&world.site));
    begin_lacking(BW_ACTION_VERIFY, &of);
    assert_true(bw_site_guard_reads_otherwise(&world.site));
    guard_lost(&world);
    assert_false(bw_site_guard_reads_otherwise(&world.site));
}

/* ---- how often a start is verified ----------------------------------------------------------- */

/* Whatever else happens meanwhile, and however quickly it fails. */
static void a_verify_that_fails_is_asked_again_ten_times_a_second(void **state)
{
    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_true(world.site.observation[BW_ACTION_VERIFY].running); /* the first one at once */

    assert_in_range(looks_in(2000, BW_ACTION_VERIFY, BW_RUN_FAILED), 10, 21);
}

/* ---- other scripts ----------------------------------------------------------------------------- */

/* What its guard says with each look at the service. */
static void reads_scripts(uint64_t digest)
{
    world.site.guard.sight.digest = digest;
    status(&world, world.site.tenure == BW_TENURE_SERVING ? "started" : "stopped");
    assert_int_equal(world.site.guard.sight.digest, digest);
}

static void measures(enum bw_run_result result, const char *says)
{
    look(&world, BW_ACTION_READINESS, result, says);
}

/* 3.6: each planned move would be lost for a position that no script prints any more. */
static void other_scripts_that_give_no_position_give_none(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        if (serves)
            begin_serving(&world);
        else
            begin(&world);
        reads_scripts(1);
        measures(BW_RUN_OK, "position=4711\n");
        assert_true(reported(&world).gives_position);

        reads_scripts(2);

        assert_true(reported(&world).gives_position); /* nobody has seen what these do */
        measures(BW_RUN_FAILED, "");
        assert_true(reported(&world).gives_position);
        measures(BW_RUN_OK, "lag_seconds=0\n");
        assert_false(reported(&world).gives_position);
    }
}

/* 3.6: one that gives positions and prints none is of a database that does not know: it may have lost all that it had. */
static void a_script_that_gives_positions_is_believed_to_at_the_next_run_too(void **state)
{
    (void)state;
    begin(&world);
    reads_scripts(1);
    measures(BW_RUN_OK, "position=4711\n");
    reads_scripts(2);
    measures(BW_RUN_OK, "position=4712\n");

    for (int i = 0; i < 20; i++)
        measures(BW_RUN_OK, "position=\nlag_seconds=0\n");

    assert_true(reported(&world).gives_position);
}

/* 3.6: the origin of a move gives its final position, whichever scripts it has read meanwhile. */
static void what_is_being_ended_gives_positions_as_before(void **state)
{
    (void)state;
    begin_serving(&world);
    reads_scripts(1);
    measures(BW_RUN_OK, "position=4711\n");
    reads_scripts(2);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    measures(BW_RUN_OK, "");

    assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
    assert_true(reported(&world).gives_position);
}

/* 4: whoever has no script for it follows as it is, and is a candidate. */
static void a_rejoin_that_failed_and_is_gone_has_not_failed(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};
    const uint32_t failed = UINT32_C(1) << BW_ALARM_REJOIN_FAILED;
    struct bw_site_limits changed;

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "stopped");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    changed = world.site.limits;
    bw_site_set_limits(&world.site, &changed);
    assert_true(reported(&world).alarms & failed);

    changed.has_script[BW_ACTION_REJOIN] = false;
    bw_site_set_limits(&world.site, &changed);

    assert_false(reported(&world).alarms & failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_its_guard_cannot_verify_serves),
        cmocka_unit_test(what_its_guard_cannot_verify_is_not_verified),
        cmocka_unit_test(a_condition_that_its_guard_cannot_ask_any_more_is_not_met),
        cmocka_unit_test(a_rejoin_that_its_guard_cannot_run_stays_owed),
        cmocka_unit_test(a_readiness_that_a_guard_has_no_more_is_not_waited_for),
        cmocka_unit_test(a_readiness_is_waited_for_before_its_guard_is_heard),
        cmocka_unit_test(a_look_that_its_guard_has_no_script_for_is_asked_for_once),
        cmocka_unit_test(an_agent_and_a_guard_that_read_the_same_do_not_differ),
        cmocka_unit_test(a_verify_that_fails_is_asked_again_ten_times_a_second),
        cmocka_unit_test(other_scripts_that_give_no_position_give_none),
        cmocka_unit_test(a_script_that_gives_positions_is_believed_to_at_the_next_run_too),
        cmocka_unit_test(what_is_being_ended_gives_positions_as_before),
        cmocka_unit_test(a_rejoin_that_failed_and_is_gone_has_not_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
