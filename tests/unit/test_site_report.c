/* site: what its report says while something goes on there, for those who decide by it (design 3.6, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* 4: who starts or stops is no candidate, and is seen not to be one. */
static void a_start_and_a_stop_make_the_guard_busy(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(reported(&world).guard_busy);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    assert_false(reported(&world).guard_busy);

    order(&world, BW_ORDER_STOP, 1);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_true(reported(&world).guard_busy);
}

/* 5.1: for people; with its age, and until it ends well. */
static void a_script_that_failed_is_told_with_its_last_words_and_how_long_ago(void **state)
{
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_RUN_ENDED};
    struct world world;

    (void)state;
    begin_leased(&world);
    over.epoch = over.ended.epoch = 1;
    over.ended.action = BW_ACTION_START;
    over.ended.run_id = world.sent_run.run.run_id;
    over.ended.result = BW_RUN_FAILED;
    over.ended.exit_status = 1;
    over.ended.outcome = (struct bw_script_outcome){
        .exited = true, .exit_status = 1, .words = "cannot open database"};

    from_guard(&world, &over);

    assert_int_equal(reported(&world).failure_count, 1);
    assert_int_equal(reported(&world).failures[0].action, BW_ACTION_START);
    assert_int_equal(reported(&world).failures[0].age_ms, 0);
    assert_string_equal(reported(&world).failures[0].outcome.words, "cannot open database");
    world.now_ms += 3000;
    assert_int_equal(reported(&world).failures[0].age_ms, 3000);
}

/* 5.1, steps: as its guard has told it, with what has passed since, and no longer than the list
 * runs. */
static void how_far_a_list_has_come_is_told_while_it_runs(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_int_equal(reported(&world).steps.count, 0);
    begun.begun.action = BW_ACTION_START;
    begun.begun.run_id = world.sent_run.run.run_id;
    begun.begun.steps = (struct bw_steps_progress){
        .count = 5, .done = 2, .running = 1, .name = "restore-db", .attempt = 2, .age_ms = 40};

    from_guard(&world, &begun);

    assert_int_equal(reported(&world).steps.done, 2);
    world.site.guard.stop_seen = true; /* by a fence: what is told late takes nothing back */
    from_guard(&world, &begun);
    assert_true(world.site.guard.stop_seen);
    assert_string_equal(reported(&world).steps.name, "restore-db");
    assert_int_equal(reported(&world).steps.age_ms, 40);
    world.now_ms += 3000;
    assert_int_equal(reported(&world).steps.age_ms, 3040);
    world.site.steps.age_ms = UINT32_MAX - 5;
    assert_int_equal(reported(&world).steps.age_ms, UINT32_MAX);
    world.site.steps.phase_ms[BW_STEP_PHASE_STORAGE] = 700;
    assert_int_equal(reported(&world).phases_epoch, 0);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(reported(&world).steps.count, 0);
    assert_int_equal(reported(&world).phases_epoch, 1);
    assert_int_equal(reported(&world).phase_ms[BW_STEP_PHASE_STORAGE], 700);
    from_guard(&world, &begun);
    assert_int_equal(reported(&world).steps.count, 5);
    guard_lost(&world);
    assert_int_equal(reported(&world).steps.count, 0);
}

static void of_a_list_that_has_ended_nothing_is_told_any_more(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_leased(&world);
    begun.begun.action = BW_ACTION_START;
    begun.begun.run_id = world.sent_run.run.run_id;
    begun.begun.steps = (struct bw_steps_progress){.count = 5, .done = 2, .name = "restore-db", .age_ms = 40};
    from_guard(&world, &begun);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    world.now_ms += 3000;

    assert_string_equal(reported(&world).steps.name, "");
    assert_int_equal(reported(&world).steps.done, 0);
    assert_int_equal(reported(&world).steps.age_ms, 0);
}

static void die(struct world *world)
{
    for (int i = 0; i < 3; i++)
        status(world, "stopped");
}

/* 3.1: what had ended and serves again by a start of this agent, in the epoch that it was in. */
static void a_service_that_was_started_again_is_told_with_how_often_and_when(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.limits.local_restarts = 2;
    assert_int_equal(reported(&world).restarts.epoch, 0);
    for (uint32_t i = 1; i <= 2; i++) {
        die(&world);
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        assert_int_equal(reported(&world).restarts.count, i - 1); /* exit 0 alone proves nothing */

        status(&world, "started");

        assert_int_equal(reported(&world).restarts.epoch, 1);
        assert_int_equal(reported(&world).restarts.count, i);
        assert_int_equal(reported(&world).restarts.age_ms, 0);
        status(&world, "started");
    }
    world.now_ms += 400;
    assert_in_range(reported(&world).restarts.age_ms, 400, 600);
    assert_int_equal(reported(&world).restarts.count, 2);
}

static void what_came_back_by_itself_was_not_started_again(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    die(&world);
    ended(&world, &world.sent_run, BW_RUN_REFUSED, "");

    status(&world, "started");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(reported(&world).restarts.count, 0);
}

/* What it had started before its agent began anew ended while that was away. */
static void the_guard_knows_of_a_start_before_that_of_this_agent(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    world.site.guard.start_epoch = 1;
    world.site.guard.served = BW_SERVED_MAYBE;
    ended(&world, &world.sent_run, BW_RUN_REFUSED, "");
    world.sent_run.run.action = BW_ACTION_NONE;
    tick_at(&world, world.now_ms + 300);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    status(&world, "started");

    assert_int_equal(reported(&world).restarts.count, 1);
}

/* 3.6: a stop that has begun is finished; a move is given up only before. */
static void a_stop_that_has_begun_is_said_until_its_epoch_is_given_back(void **state)
{
    struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    assert_int_equal(reported(&world).stop_begun_epoch, 0);

    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(reported(&world).stop_begun_epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(reported(&world).stop_begun_epoch, 1);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=128");
    from_guard(&world, &over);

    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(reported(&world).stop_begun_epoch, 0);
}

/* 3.2.4: nor is there a way back once its fence has begun. */
static void a_fence_that_has_begun_is_a_stop_that_has_begun(void **state)
{
    struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);

    from_guard(&world, &begun);

    assert_int_equal(reported(&world).stop_begun_epoch, 1);
}

/* 3.9: nobody has stopped it: what it has written since may be newer than all that others have. */
static void what_was_let_go_may_have_passed_its_point_of_no_return(void **state)
{
    struct bw_order of = {
        .kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50, .let_go_epoch = 1};
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};
    struct world world;

    (void)state;
    begin_serving(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_false(world.site.memory.past_no_return);

    from_guard(&world, &done);

    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.reason, BW_REASON_LET_GO);
    assert_true(world.site.memory.past_no_return);
}

/* 4: an agent that begins anew does not know what its condition script said before. */
static void a_condition_that_has_not_run_is_no_yes(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    assert_int_equal(reported(&world).condition, BW_CONDITION_FAILED);

    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "start");

    assert_int_equal(reported(&world).condition, BW_CONDITION_START);
    world.site.limits.condition_is_shown = true; /* it is no veto */
    assert_int_equal(reported(&world).condition, BW_CONDITION_NONE);
}

/* For the record (3.1): only the list of a start that ended well has phases to tell. */
static void a_start_that_told_of_no_list_or_failed_has_no_phases(void **state)
{
    const struct {
        struct bw_steps_progress steps;
        enum bw_run_result result;
    } cases[] = {{{.count = 0}, BW_RUN_OK},
                 {{.count = 2, .is_stop = true}, BW_RUN_OK},
                 {{.count = 2}, BW_RUN_FAILED}};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_leased(&world);
        world.site.steps = cases[i].steps;
        world.site.phases_epoch = 1; /* of the start before */
        ended(&world, &world.sent_run, cases[i].result, "");
        assert_int_equal(reported(&world).phases_epoch, 0);
    }
}

static void a_stop_leaves_the_phases_of_the_start(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.phases_epoch = 1;
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(reported(&world).phases_epoch, 1);
}

/* 4, 5.4: without the script nobody says anything: what it said last would be a veto for ever. */
static void a_condition_that_a_reload_takes_away_counts_no_more(void **state)
{
    struct bw_site_limits without;
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    look(&world, BW_ACTION_CONDITION, BW_RUN_FAILED, "");
    assert_int_equal(reported(&world).condition, BW_CONDITION_FAILED);
    assert_true(world.site.alarms & (UINT32_C(1) << BW_ALARM_CONDITION_FAILED));

    without = world.site.limits;
    without.has_script[BW_ACTION_CONDITION] = false;
    bw_site_set_limits(&world.site, &without);
    assert_int_equal(reported(&world).condition, BW_CONDITION_NONE);
    assert_false(world.site.alarms & (UINT32_C(1) << BW_ALARM_CONDITION_FAILED));
}

/* A file that was read again, and has the script still, says nothing of the condition. */
static void a_reload_leaves_the_condition_as_its_script_has_said_it(void **state)
{
    struct bw_site_limits same;
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    look(&world, BW_ACTION_CONDITION, BW_RUN_FAILED, "");
    same = world.site.limits;
    bw_site_set_limits(&world.site, &same);
    assert_int_equal(reported(&world).condition, BW_CONDITION_FAILED);
    assert_true(reported(&world).alarms & (UINT32_C(1) << BW_ALARM_CONDITION_FAILED));
}

/* 3.4, 4: a site that holds nothing arms nothing, and one whose guard stands still is no target of a move. */
static void a_guard_that_answers_no_look_is_not_alive(void **state)
{
    struct bw_site_limits shorter;
    uint64_t asked_ms;
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    world.site.limits.kill_grace_ns = 300 * MS;
    status(&world, "stopped");
    leave_look_open(&world);
    assert_true(world.site.observation[BW_ACTION_STATUS].running);
    asked_ms = world.site.observation[BW_ACTION_STATUS].begun.boot_ns / MS;
    shorter = world.site.limits;
    shorter.timeout_ns[BW_ACTION_STATUS] = 10 * MS; /* a reload: what runs was begun with the limit of before */
    bw_site_set_limits(&world.site, &shorter);

    tick_at(&world, asked_ms + 1000 + 300 + 5000 - 1);
    assert_true(reported(&world).guard_alive);
    tick_at(&world, world.now_ms + 1);
    assert_false(reported(&world).guard_alive);
    assert_int_equal(reported(&world).service, BW_SERVICE_STOPPED);
    assert_in_range(reported(&world).service_age_ms, 1000 + 300 + 5000, UINT32_MAX);

    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
    assert_true(reported(&world).guard_alive);
}

/* 3.4: what was asked of the guard before it began anew is void, and so is that it did not answer. */
static void a_guard_that_began_anew_owes_no_look_of_before(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    leave_look_open(&world);
    tick_at(&world, world.now_ms + 60000);
    assert_false(reported(&world).guard_alive);

    guard_lost(&world);
    assert_false(reported(&world).guard_alive);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});

    assert_true(reported(&world).guard_alive);
}

/* 3.4: its lease rests on arms. A look that hangs, on a disk that does, ends no service that is well. */
static void a_look_that_hangs_costs_no_lease(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    leave_look_open(&world);
    for (int i = 0; i < 60; i++) {
        tick_at(&world, world.now_ms + 1000);
        confirm(&world, 1, world.now_ms);
        armed(&world);
        assert_true(renews(&world));
    }
    assert_false(reported(&world).guard_alive);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guard_that_answers_no_look_is_not_alive),
        cmocka_unit_test(a_guard_that_began_anew_owes_no_look_of_before),
        cmocka_unit_test(a_look_that_hangs_costs_no_lease),
        cmocka_unit_test(a_condition_that_a_reload_takes_away_counts_no_more),
        cmocka_unit_test(a_reload_leaves_the_condition_as_its_script_has_said_it),
        cmocka_unit_test(a_condition_that_has_not_run_is_no_yes),
        cmocka_unit_test(a_start_and_a_stop_make_the_guard_busy),
        cmocka_unit_test(a_service_that_was_started_again_is_told_with_how_often_and_when),
        cmocka_unit_test(what_came_back_by_itself_was_not_started_again),
        cmocka_unit_test(the_guard_knows_of_a_start_before_that_of_this_agent),
        cmocka_unit_test(how_far_a_list_has_come_is_told_while_it_runs),
        cmocka_unit_test(of_a_list_that_has_ended_nothing_is_told_any_more),
        cmocka_unit_test(a_start_that_told_of_no_list_or_failed_has_no_phases),
        cmocka_unit_test(a_stop_leaves_the_phases_of_the_start),
        cmocka_unit_test(a_script_that_failed_is_told_with_its_last_words_and_how_long_ago),
        cmocka_unit_test(a_stop_that_has_begun_is_said_until_its_epoch_is_given_back),
        cmocka_unit_test(a_fence_that_has_begun_is_a_stop_that_has_begun),
        cmocka_unit_test(what_was_let_go_may_have_passed_its_point_of_no_return),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
