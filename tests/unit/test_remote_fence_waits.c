/* core/decide/remote_fence.c: how long an asked site is waited for, to the nanosecond, and what its script
 * said (3.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "remote_fence_world.h"

#define PAUSE_NS (5 * BW_NS_PER_S)

/* What is heard goes on until shortly before; then the clock stands at `ns` after it was asked. */
static void stand_at(uint64_t ns)
{
    const struct bw_instant at = bw_instant_add(world_watch(&world)->remote_fence.asked, ns);

    while (bw_instant_left_ns(world.now, at) > BW_NS_PER_S)
        world_pass_ms(&world, 500);
    world.now = at;
}

static void its_time_to_begin_is_over_at_its_end(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    stand_at(10 * BW_NS_PER_S - 1);
    assert_int_not_equal(asked(B).epoch, 0);
    world.now = bw_instant_add(world.now, 1);
    assert_nobody_is_asked();
    assert_string_equal(world_gate(&world, "remote_fence", -1)->word,
                        "has failed, and is run again after a pause");
}

/* Its limit, and what TERM, KILL and the way of the word may take. */
static void its_time_to_end_is_over_at_its_end(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    stand_at(110 * BW_NS_PER_S - 1);
    assert_int_not_equal(asked(B).epoch, 0);
    world.now = bw_instant_add(world.now, 1);
    assert_nobody_is_asked();
}

/* 3.5: what a witness passes on is not believed. Who never says it itself may be cut off from the leader, and another
 * site not. */
static void a_word_that_is_only_passed_on_is_waited_for_no_longer_than_a_begin(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    world.sites[B].relayed_by = 2;
    world_pass_ms(&world, 20000); /* its script takes its time, and that is no waiting */
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_int_not_equal(asked(B).epoch, 0);
    const struct bw_instant until = bw_instant_add(world.now, 10 * BW_NS_PER_S);

    while (bw_instant_left_ns(world.now, until) > BW_NS_PER_S)
        world_pass_ms(&world, 500);
    world.now = bw_instant_sub(until, 1);
    assert_int_not_equal(asked(B).epoch, 0);
    assert_null(world.news.failure);

    world.now = until;
    (void)world_decide(&world);
    assert_non_null(world.news.failure);
    assert_string_equal(world.news.failure,
                        "it has seen the end, and does not reach the leader itself");
    assert_nobody_is_asked();
    world_pass_ms(&world, 6000);
    assert_int_equal(asked(B).epoch, 0);
    assert_int_not_equal(asked(C).epoch, 0);
    say(C, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_decide(&world), "A32");
}

/* Where nobody else can be asked, to ask again would be to throw the end away that was seen, and to have it seen by
 * another run of the script, by the same site. */
static void a_word_that_is_passed_on_is_waited_for_as_long_as_nobody_else_can_be_asked(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[B].relayed_by = 2;
    say(B, BW_REMOTE_FENCE_SEEN);
    for (int second = 0; second < 60; second++) {
        assert_int_not_equal(asked(B).epoch, 0);
        assert_string_not_equal(world_decide(&world), "A32"); /* 3.5: it is not believed */
        world_pass_ms(&world, 1000);
    }

    world.sites[B].relayed_by = 0;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A32");

    begin_closed(3);
    world.sites[C].report.guard_busy = true;
    world.sites[B].relayed_by = 2;
    say(B, BW_REMOTE_FENCE_SEEN);
    for (int second = 0; second < 60; second++) {
        assert_int_not_equal(asked(B).epoch, 0);
        world_pass_ms(&world, 1000);
    }

    world.sites[C].report.guard_busy = false;
    world_sync_all(&world);
    assert_nobody_is_asked();
    world_pass_ms(&world, 6000);
    assert_int_equal(asked(B).epoch, 0);
    assert_int_not_equal(asked(C).epoch, 0);
}

/* ... each time anew, and its own word counts as long as it is waited for. */
static void a_word_that_was_passed_on_counts_once_it_is_said(void **state)
{
    (void)state;
    begin_closed(3);
    for (int time = 0; time < 2; time++) {
        world.sites[B].relayed_by = 2;
        world.sites[C].report.guard_busy = false;
        say(B, BW_REMOTE_FENCE_SEEN);
        assert_int_not_equal(asked(B).epoch, 0);
        world_pass_ms(&world, 9000);
        assert_int_not_equal(asked(B).epoch, 0);
        if (time == 1)
            break;
        world_pass_ms(&world, 2000);
        assert_nobody_is_asked();
        world.sites[B].relayed_by = 0;
        world.sites[C].report.guard_busy = true; /* so that it is asked again */
        world_pass_ms(&world, 6000);
    }
    world.sites[B].relayed_by = 0;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A32");
}

static void the_longest_pause_is_of_more_than_five_minutes_and_no_longer(void **state)
{
    uint64_t longest_ns = 0;

    (void)state;
    begin_closed(2);
    for (int i = 0; i < 10; i++) {
        assert_int_not_equal(asked(B).epoch, 0);
        say(B, BW_REMOTE_FENCE_FAILED);
        assert_nobody_is_asked();
        longest_ns = world_watch(&world)->remote_fence.wait_ns;
        world_pass_ms(&world, longest_ns / BW_NS_PER_MS + 500);
    }
    assert_true(longest_ns == 64 * PAUSE_NS);
}

/* Of one that had begun it may run on; that another had begun before says nothing of it. */
static void only_what_has_begun_may_run_on_unheard(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    assert_int_not_equal(asked(B).epoch, 0);
    assert_true(world_watch(&world)->remote_fence.has_begun);
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    assert_nobody_is_asked();
    world_pass_ms(&world, 6000);
    assert_int_not_equal(asked(C).epoch, 0);
    assert_false(world_watch(&world)->remote_fence.has_begun);

    world.sites[C].is_mute = true;
    for (int i = 0; i < 20 && asked(C).epoch != 0; i++)
        world_pass_ms(&world, 500);
    assert_true(world_watch(&world)->remote_fence.wait_ns == 2 * PAUSE_NS);
}

/* Its own words, not those of another script that has failed there. */
static void what_its_script_said_is_told_with_the_failure(void **state)
{
    struct bw_report *report = &world.sites[B].report;

    (void)state;
    begin_closed(2);
    (void)asked(B);
    report->failure_count = 2;
    report->failures[0] = (struct bw_script_failure){.action = BW_ACTION_REJOIN,
                                                     .outcome.words = "disk"};
    report->failures[1] = (struct bw_script_failure){.action = BW_ACTION_REMOTE_FENCE,
                                                     .outcome.words = "no route"};
    say(B, BW_REMOTE_FENCE_RUNNING);
    assert_null(world.news.failure);
    report->remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_string_equal(world.news.failure, "the script has failed, or was not run");
    assert_string_equal(world.news.words, "no route");

    begin_closed(2);
    report->failure_count = 1; /* it said nothing */
    (void)asked(B);
    say(B, BW_REMOTE_FENCE_RUNNING);
    report->remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_string_equal(world.news.words, "");
}

/* Nobody can say any more what it did there. */
static void a_site_that_leaves_the_spec_has_failed_without_a_word(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    memcpy(world_watch(&world)->remote_fence.site, "dc-x", sizeof "dc-x");
    (void)world_decide(&world);
    assert_string_equal(world.news.failure, "the agent that runs it is not connected any more");
    assert_string_equal(world.news.words, "");
    assert_true(world_watch(&world)->remote_fence.wait_ns == PAUSE_NS);
}

/* ---- why it is over -------------------------------------------------------------------------- */

static void assert_over(const char *word)
{
    (void)world_decide(&world);
    assert_non_null(world.news.over);
    assert_string_equal(world.news.over, word);
}

static void why_what_was_asked_for_is_waited_for_no_more_is_said(void **state)
{
    struct bw_command command = {.group = "harbor"};

    (void)state;
    begin_closed(2);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_act(&world), "A32");
    assert_over("it has seen the end");

    begin_closed(2);
    (void)asked(B);
    command = (struct bw_command){
        .kind = BW_COMMAND_FORCED, .group = "harbor", .epoch = world_group(&world)->epoch};
    assert_string_not_equal(world_apply(&world, &command), "-");
    assert_over("the epoch has ended otherwise");

    begin_closed(2);
    (void)asked(B);
    assert_string_not_equal(world_apply(&world, &command), "-");
    world_group(&world)->last_end.epoch++; /* another has come and gone since */
    assert_over("it is wanted no more");

    begin_closed(2);
    (void)asked(B);
    command.kind = BW_COMMAND_FENCE_FAILED;
    command.epoch = world_group(&world)->epoch;
    assert_string_not_equal(world_apply(&world, &command), "-");
    assert_over("its site has failed to fence since: another fence has to see the end");

    begin_closed(2);
    (void)asked(B);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_over("it is wanted no more");
}

/* 3.3: whether or not it has been noticed that this one has failed. */
static void started_is_seen_by_the_decision_itself(void **state)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    (void)state;
    begin_closed(2);
    failed.epoch = world_group(&world)->epoch;
    assert_string_not_equal(world_apply(&world, &failed), "-");
    say(B, BW_REMOTE_FENCE_SEEN);
    world_wait_ms(&world, 1000);
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[A].report.armed_epoch = 0;
    world_sync_all(&world);

    bw_witness_decide(&world.witness, 0, world.now, &world.decision);

    assert_string_not_equal(world.decision.rule, "A32");
    assert_true(world_holds(&world, "contradiction", -1));
    assert_string_equal(world_gate(&world, "contradiction", -1)->word, "started");
}

/* Whichever its place in the spec is. */
static void who_is_about_to_be_asked_may_be_the_first_site(void **state)
{
    char text[256];

    (void)state;
    begin_closed_of_second(2);
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    assert_true(bw_remote_fence_text(world_group(&world), world_watch(&world),
                                     &world.witness.leadership, world.now, text, sizeof text));
    assert_string_equal(text, "is about to be requested");
}

/* 3.3: a word counts against it while it is fresh. */
static void started_that_was_said_long_ago_takes_nothing_back(void **state)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    (void)state;
    begin_closed(2);
    failed.epoch = world_group(&world)->epoch;
    assert_string_not_equal(world_apply(&world, &failed), "-");
    (void)asked(B);
    world_wait_ms(&world, 1000);
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[A].report.armed_epoch = 0;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 5000);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_decide(&world), "A32");
}

/* Whichever its place in the spec is. */
static void what_the_script_of_the_first_site_said_is_told_too(void **state)
{
    struct bw_report *report = &world.sites[A].report;

    (void)state;
    begin_closed_of_second(2);
    report->failure_count = 1;
    report->failures[0] = (struct bw_script_failure){.action = BW_ACTION_REMOTE_FENCE,
                                                     .outcome.words = "no route"};
    say(A, BW_REMOTE_FENCE_RUNNING);
    report->remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_string_equal(world.news.words, "no route");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_time_to_begin_is_over_at_its_end),
        cmocka_unit_test(its_time_to_end_is_over_at_its_end),
        cmocka_unit_test(a_word_that_is_only_passed_on_is_waited_for_no_longer_than_a_begin),
        cmocka_unit_test(a_word_that_is_passed_on_is_waited_for_as_long_as_nobody_else_can_be_asked),
        cmocka_unit_test(a_word_that_was_passed_on_counts_once_it_is_said),
        cmocka_unit_test(the_longest_pause_is_of_more_than_five_minutes_and_no_longer),
        cmocka_unit_test(only_what_has_begun_may_run_on_unheard),
        cmocka_unit_test(what_its_script_said_is_told_with_the_failure),
        cmocka_unit_test(a_site_that_leaves_the_spec_has_failed_without_a_word),
        cmocka_unit_test(why_what_was_asked_for_is_waited_for_no_more_is_said),
        cmocka_unit_test(started_is_seen_by_the_decision_itself),
        cmocka_unit_test(who_is_about_to_be_asked_may_be_the_first_site),
        cmocka_unit_test(started_that_was_said_long_ago_takes_nothing_back),
        cmocka_unit_test(what_the_script_of_the_first_site_said_is_told_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
