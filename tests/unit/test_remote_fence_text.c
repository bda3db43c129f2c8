/* core/decide/remote_fence.c: what people are told of the fence of a closed epoch from another site.
 * Design 3.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/foretell.h>

#include "remote_fence_world.h"

static void assert_text(const char *part)
{
    char text[BW_REMOTE_FENCE_TEXT_BYTES];

    (void)world_decide(&world);
    assert_true(bw_remote_fence_text(world_group(&world), world_watch(&world),
                                     &world.witness.leadership, world.now, text, sizeof text));
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

/* Before what was heard since is followed. */
static void assert_whole_text(const char *whole)
{
    char text[BW_REMOTE_FENCE_TEXT_BYTES];

    assert_true(bw_remote_fence_text(world_group(&world), world_watch(&world),
                                     &world.witness.leadership, world.now, text, sizeof text));
    assert_string_equal(text, whole);
}

static void people_are_told_what_becomes_of_it(void **state)
{
    char text[BW_REMOTE_FENCE_TEXT_BYTES];
    struct bw_end_waits waits;

    (void)state;
    world_begin(&world, 2);
    assert_false(bw_remote_fence_text(world_group(&world), world_watch(&world),
                                      &world.witness.leadership, world.now, text, sizeof text));
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    give_scripts();
    assert_text("the fence script runs at dc-b after every lease of the epoch has expired");
    begin_closed(2);
    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_true(waits.has_remote_fence);
    assert_text("dc-b is requested");
    say(B, BW_REMOTE_FENCE_RUNNING);
    assert_text("dc-b runs it");
    world.sites[B].report.failure_count = 1;
    world.sites[B].report.failures[0] = (struct bw_script_failure){
        .action = BW_ACTION_REMOTE_FENCE, .outcome = {.words = "no route to the API"}};
    say(B, BW_REMOTE_FENCE_FAILED);
    assert_text("it failed at dc-b: no route to the API; next try in");
}

/* Before that is followed, and another is asked. */
static void people_are_told_that_who_was_asked_is_not_heard(void **state)
{
    (void)state;
    begin_closed(2);
    assert_int_not_equal(asked(B).epoch, 0);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 30000);
    assert_whole_text("dc-b is requested, and is not connected");
}

/* What it says of another ask is no answer to this one. */
static void people_are_told_of_the_ask_that_there_is(void **state)
{
    struct bw_remote_fence_report *report = &world.sites[B].report.remote_fence;

    (void)state;
    begin_closed(2);
    report->ask = asked(B);
    report->ask.number++;
    for (int of = BW_REMOTE_FENCE_NONE; of <= BW_REMOTE_FENCE_FAILED; of++) {
        report->state = (enum bw_remote_fence_state)of;
        world_sync_all(&world);
        assert_whole_text("dc-b is requested");
    }
}

/* In whole seconds, of which the last one has begun. */
static void people_are_told_how_long_the_pause_lasts(void **state)
{
    (void)state;
    begin_closed(2);
    say(B, BW_REMOTE_FENCE_FAILED);
    assert_nobody_is_asked();
    assert_whole_text("it failed at dc-b: the script has failed, or was not run; next try in 5 s");
    world_wait_ms(&world, 999);
    assert_whole_text("it failed at dc-b: the script has failed, or was not run; next try in 5 s");
    world_wait_ms(&world, 1);
    assert_whole_text("it failed at dc-b: the script has failed, or was not run; next try in 4 s");
}

/* Whoever leads, and who has a script. */
static void people_are_told_who_would_be_asked(void **state)
{
    (void)state;
    begin_closed(3);
    world.witness.leadership.leads = false;
    assert_text("the fence script runs at dc-b or dc-c after every lease of the epoch has expired");
    world.sites[B].report.remote_fence.limit_ms = 0;
    world_sync_all(&world);
    assert_text("the fence script runs at dc-c after");
}

/* A room that is too small is filled, and no more. */
static void what_people_are_told_is_cut_to_its_room(void **state)
{
    char text[BW_REMOTE_FENCE_TEXT_BYTES];
    char untouched[BW_REMOTE_FENCE_TEXT_BYTES];

    (void)state;
    begin_closed(3);
    world.witness.leadership.leads = false;
    memset(untouched, '#', sizeof untouched);
    for (size_t size = 1; size < 40; size++) {
        memset(text, '#', sizeof text);
        assert_true(bw_remote_fence_text(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, world.now, text, size));
        assert_int_equal(strlen(text), size - 1);
        assert_memory_equal(text + size, untouched, sizeof text - size);
    }
}

static void people_are_told_why_nobody_is_asked(void **state)
{
    (void)state;
    begin_closed(3);
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    assert_text("is not run in mode observe");

    begin_closed(3);
    world.sites[B].report.guard_busy = world.sites[C].report.guard_busy = true;
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    world_sync_all(&world);
    assert_text("no connected site has such a script");

    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    world_lead_anew(&world);
    world_pass_ms(&world, 60000);
    assert_text("an earlier one still runs");

    begin_closed(3);
    world.sites[A].is_mute = false;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    assert_text("is not run while a site has a claim, such as an override");
}

static void people_are_told_whose_word_has_seen_the_end(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_text("dc-b has confirmed the end");
    world.sites[B].relayed_by = 2;
    world_sync_all(&world);
    assert_text("dc-b has confirmed the end, and must connect to the leader");
    world_pass_ms(&world, 10000);
    assert_nobody_is_asked();
    assert_whole_text("it failed at dc-b: it has seen the end, and does not reach the leader itself; "
                      "next try in 5 s");
}

/* A closed epoch whose lease may live yet is as one that is not closed. */
static void people_are_told_who_will_be_asked_of_an_epoch_that_is_closed_early(void **state)
{
    struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor"};

    (void)state;
    world_begin(&world, 2);
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    give_scripts();
    close.epoch = world_group(&world)->epoch;
    assert_string_not_equal(world_apply(&world, &close), "-");
    assert_whole_text("the fence script runs at dc-b after every lease of the epoch has expired");
}

/* Whichever its place in the spec is; and of its own word, that it has seen the end, and no more. */
static void people_are_told_of_the_first_site_as_of_any_other(void **state)
{
    (void)state;
    begin_closed_of_second(2);
    say(A, BW_REMOTE_FENCE_SEEN);
    assert_whole_text("dc-a has confirmed the end");
    world.witness.leadership.leads = false;
    assert_whole_text("the fence script runs at dc-a after every lease of the epoch has expired");
}

static bool has_way_out(void)
{
    struct bw_end_waits waits;

    return bw_arbiter_end_waits_for(world_group(&world), world_watch(&world), &world.witness.leadership, &waits) &&
           waits.has_remote_fence;
}

/* 3.3: only a candidate is ever asked. */
static void a_site_that_is_never_asked_is_promised_to_nobody(void **state)
{
    char text[BW_REMOTE_FENCE_TEXT_BYTES];

    (void)state;
    world_begin(&world, 3);
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    give_scripts();
    assert_text("the fence script runs at dc-b or dc-c after");
    world_group(&world)->spec.sites[B].never_candidate = true;
    assert_text("the fence script runs at dc-c after");
    assert_true(has_way_out());
    world_group(&world)->spec.sites[C].never_candidate = true;
    assert_false(has_way_out());
    assert_false(bw_remote_fence_text(world_group(&world), world_watch(&world), &world.witness.leadership, world.now,
                                      text, sizeof text));
}

static bool is_followed_after_fence(void)
{
    static struct bw_foretelling room;
    struct bw_foretold foretold;

    bw_foretell_fenced(world_group(&world), world_watch(&world), &world.witness.leadership, world.now, &room, &foretold);
    return foretold.acts;
}

/* 3.3, 4: dc-b would follow, and dc-c alone has the script. */
static void who_cannot_be_asked_now_fences_nothing_that_is_foretold(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    world.sites[C].report.remote_fence.limit_ms = 30000;
    world_sync_all(&world);
    assert_true(is_followed_after_fence());
    world_group(&world)->maintenance_ms[C] = 3600000;
    assert_false(is_followed_after_fence());
    world_group(&world)->maintenance_ms[C] = 0;
    world.sites[C].relayed_by = 2;
    world_sync_all(&world);
    assert_false(is_followed_after_fence());
    world.sites[C].relayed_by = 0;
    world_sync_all(&world);
    assert_true(is_followed_after_fence());
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 10000);
    assert_true(has_way_out()); /* once it is heard again */
    assert_false(is_followed_after_fence());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_are_told_what_becomes_of_it),
        cmocka_unit_test(people_are_told_that_who_was_asked_is_not_heard),
        cmocka_unit_test(people_are_told_who_would_be_asked),
        cmocka_unit_test(what_people_are_told_is_cut_to_its_room),
        cmocka_unit_test(people_are_told_why_nobody_is_asked),
        cmocka_unit_test(people_are_told_whose_word_has_seen_the_end),
        cmocka_unit_test(people_are_told_of_the_ask_that_there_is),
        cmocka_unit_test(people_are_told_how_long_the_pause_lasts),
        cmocka_unit_test(people_are_told_who_will_be_asked_of_an_epoch_that_is_closed_early),
        cmocka_unit_test(people_are_told_of_the_first_site_as_of_any_other),
        cmocka_unit_test(a_site_that_is_never_asked_is_promised_to_nobody),
        cmocka_unit_test(who_cannot_be_asked_now_fences_nothing_that_is_foretold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
