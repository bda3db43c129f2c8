/* core/decide/remote_fence.c: the end of a closed epoch that another site has seen. Design 3.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/foretell.h>

#include "remote_fence_world.h"

/* ---- the way to the next site ---------------------------------------------------------------- */

static void what_another_site_has_seen_ends_the_epoch_and_that_is_granted_next(void **state)
{
    (void)state;
    begin_closed(2);
    const uint64_t epoch = world_group(&world)->epoch;

    assert_int_equal(asked(B).epoch, epoch);
    assert_string_equal(asked(B).site, "dc-a");
    assert_int_equal(asked(A).epoch, 0);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "remote_fence", -1));
    say(B, BW_REMOTE_FENCE_RUNNING);
    assert_string_equal(world_decide(&world), "A0"); /* nobody is granted before */
    assert_true(world_holds(&world, "remote_fence", -1));

    assert_non_null(world_gate(&world, "lapse", -1));
    assert_null(world_gate(&world, "remote_fence_wait", -1)); /* none has failed */
    assert_string_equal(world.decision.command.by, "");       /* nobody has seen it */

    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_act(&world), "A32");
    assert_non_null(world.decision.from);
    assert_true(bw_id_equal(world.decision.from->instance, world.sites[B].instance));

    assert_string_equal(world.applied.rule->id, "G16");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(world_group(&world)->last_end.grade, BW_GRADE_FENCED);
    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_SITE_LOST);
    assert_true(world_group(&world)->last_end.past_no_return); /* nobody knows that it has not written */
    assert_string_equal(world_group(&world)->data_site, "dc-a");
    assert_non_null(strstr(world.decision.command.by, "agent/dc-b/"));
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_nobody_is_asked();
}

static const char *foretold_after_fence(void)
{
    static struct bw_foretelling room;
    static struct bw_foretold foretold;

    bw_foretell_fenced(world_group(&world), world_watch(&world), &world.witness.leadership, world.now,
                       &room, &foretold);
    return foretold.acts ? foretold.command.site : "nobody";
}

/* 4: a fence ends the epoch, and who follows passes the gates of any grant. */
static void who_follows_what_another_site_has_seen_is_foretold(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_string_equal(foretold_after_fence(), "nobody"); /* time alone ends it, and that is foretold elsewhere */
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    assert_string_equal(foretold_after_fence(), "nobody"); /* there is no script */
    give_scripts();
    assert_string_equal(foretold_after_fence(), "dc-b");
    world_group(&world)->spec.mode = BW_MODE_MANUAL;
    assert_string_equal(foretold_after_fence(), "nobody");
    world_group(&world)->spec.mode = BW_MODE_AUTO;
    world.sites[B].report.lag_ms = 999999;
    world_sync_all(&world);
    assert_string_equal(foretold_after_fence(), "nobody");
    world.sites[B].report.lag_ms = 400;
    world_sync_all(&world);

    lose(A);
    assert_string_equal(foretold_after_fence(), "dc-b");
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_act(&world), "A32");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");

    begin_closed(2);
    world_pass_ms(&world, 3600 * 1000); /* nobody could see it for an hour, in which dc-a may have served */
    assert_string_equal(foretold_after_fence(), "nobody");
}

static void without_a_script_nothing_is_different(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[B].report.remote_fence.limit_ms = 0;
    world_pass_ms(&world, 2000);

    assert_nobody_is_asked();
    assert_null(world_gate(&world, "remote_fence", -1));
    assert_true(world_holds(&world, "vouched", -1));
}

/* What time ends needs no script, which may only do harm. */
static void what_time_ends_is_fenced_by_nobody(void **state)
{
    (void)state;
    begin_closed(2);
    assert_int_not_equal(asked(B).epoch, 0);
    say(B, BW_REMOTE_FENCE_SEEN);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;

    assert_nobody_is_asked();
    assert_null(world_gate(&world, "remote_fence", -1));
    assert_string_equal(world_act(&world), "A3");
}

/* 3.9: breakwater has not yet taken it over. */
static void what_was_never_armed_is_left_as_it_is(void **state)
{
    (void)state;
    begin_closed(2);
    assert_int_not_equal(asked(B).epoch, 0);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER; /* else time ends it */
    world_group(&world)->adopting = true;

    assert_nobody_is_asked();
    assert_null(world_gate(&world, "remote_fence", -1));
    world_group(&world)->adopting = false;
    assert_int_not_equal(asked(B).epoch, 0);
}

/* I1: its guard may start the service until then, whatever was ended before. */
static void nobody_is_asked_while_a_lease_may_live(void **state)
{
    struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor"};
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};
    uint64_t wait_ms;

    (void)state;
    for (int is_held = 0; is_held <= 1; is_held++) {
        world_begin(&world, 2);
        world_group(&world)->terms.reach = BW_REACH_REMOTE;
        give_scripts();
        wait_ms = world_wait_of_terms_ms(&world);
        world_sync_all(&world);
        world.sites[A].is_mute = true;
        close.epoch = failed.epoch = world_group(&world)->epoch;
        assert_string_not_equal(world_apply(&world, is_held ? &failed : &close), "-");
        world_pass_ms(&world, wait_ms - 1000);
        assert_nobody_is_asked();
        assert_true(world_holds(&world, "lapse", -1));

        world_pass_ms(&world, 2000);
        assert_int_not_equal(asked(B).epoch, 0);
    }
}

/* ---- whose word counts ----------------------------------------------------------------------- */

static void assert_counts_not(void)
{
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A32");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_CLOSING);
}

static void only_an_answer_to_this_very_ask_counts(void **state)
{
    struct bw_remote_fence_report *report = &world.sites[B].report.remote_fence;
    struct bw_remote_fence_ask ask;

    (void)state;
    begin_closed(2);
    ask = asked(B);
    report->state = BW_REMOTE_FENCE_SEEN;
    report->ask = ask;
    report->ask.epoch--;
    assert_counts_not();
    report->ask = ask;
    report->ask.number++;
    assert_counts_not();
    report->ask = ask;
    report->ask.term--;
    assert_counts_not();
    report->ask = ask;
    report->ask.held_index = 7;
    assert_counts_not();

    report->ask = ask;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A32");
}

static void what_another_agent_says_counts_not(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[B].report.remote_fence.ask = asked(B);
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_SEEN;
    world.sites[B].session.bytes[1] = 9; /* it was restarted: it was not the one that was asked */
    world_pass_ms(&world, 1000);

    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(asked(B).epoch, 0); /* and that is a failure: a pause follows */
    assert_true(world_holds(&world, "remote_fence_wait", -1));

    begin_closed(2);
    world.sites[B].report.remote_fence.ask = asked(B);
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_SEEN;
    world.sites[B].instance.bytes[1] = 9; /* its machine was made anew */
    world_pass_ms(&world, 60000);
    assert_string_not_equal(world_decide(&world), "A32");
}

/* 3.5: who passes it on could have made it up. */
static void what_is_passed_on_counts_not(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[B].report.remote_fence.ask = asked(B);
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_SEEN;
    world.sites[B].relayed_by = 2;
    assert_counts_not();

    world.sites[B].relayed_by = 0;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A32");
}

/* 3.2.4: what serves again has not ended. A fence since has to see it. */
static void started_takes_it_back(void **state)
{
    struct bw_remote_fence_ask first;

    (void)state;
    begin_closed(2);
    first = asked(B);
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[A].report.armed_epoch = 0;
    world_wait_ms(&world, 1000);
    world.sites[A].report.service_age_ms = 1000; /* right when it was asked */
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_not_equal(world_decide(&world), "A32");
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A32");

    world_pass_ms(&world, 10000);
    assert_true(asked(B).number > first.number);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_decide(&world), "A32");
}

/* The lost site answers again, and says this of its service as B has seen the end. */
static void answer_beside_the_end(enum bw_service service, uint32_t age_ms)
{
    world.sites[A].is_mute = false;
    world.sites[A].report.service = service;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].report.service_age_ms = age_ms;
    say(B, BW_REMOTE_FENCE_SEEN);
}

/* Unknown is never yes: a look of any age may be from since then. */
static void started_of_an_age_that_is_not_known_takes_it_back(void **state)
{
    (void)state;
    begin_closed(2);
    (void)asked(B);
    answer_beside_the_end(BW_SERVICE_STARTED, UINT32_MAX);
    assert_string_not_equal(world_decide(&world), "A32");
}

/* Unknown is never yes: a report is old once both clocks say so (1). */
static void started_that_is_old_by_one_clock_takes_it_back(void **state)
{
    (void)state;
    begin_closed(2);
    (void)asked(B);
    answer_beside_the_end(BW_SERVICE_STARTED, 0);
    world.sites[A].is_mute = true;
    world.now.boot_ns += 20 * BW_NS_PER_S;
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A32");
    assert_non_null(world.news.failure);
    assert_string_equal(world.news.failure, "its site says started again");
}

/* ... and its look came before the ask only if both do. */
static void started_that_was_seen_before_by_one_clock_takes_it_back(void **state)
{
    (void)state;
    begin_closed(2);
    (void)asked(B);
    world_watch(&world)->remote_fence.asked.raw_ns += 3600 * BW_NS_PER_S;
    answer_beside_the_end(BW_SERVICE_STARTED, 0);
    assert_string_not_equal(world_decide(&world), "A32");
}

static void what_serves_at_another_site_takes_nothing_back(void **state)
{
    (void)state;
    begin_closed(2);
    say(B, BW_REMOTE_FENCE_SEEN);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.service_age_ms = 0;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A32");
}

/* 3.3: its own fence hangs, and ends each look. */
static void what_was_seen_before_it_was_asked_takes_nothing_back(void **state)
{
    (void)state;
    begin_closed(2);
    (void)asked(B);
    answer_beside_the_end(BW_SERVICE_STARTED,
                          3600000); /* its lease was not over: no failed fence */
    assert_string_equal(world_decide(&world), "A32");
}

/* A site that is heard, or has said that its fence failed, was not lost. */
static void a_site_that_could_not_end_it_is_not_called_lost(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    say(B, BW_REMOTE_FENCE_SEEN);

    assert_string_equal(world_act(&world), "A32");

    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_LEASE_LOST);
}

/* 3.3: a fence that has failed is answered by one that began when that was known. */
static void an_epoch_that_is_held_since_is_fenced_anew(void **state)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};
    uint64_t first;

    (void)state;
    begin_closed(2);
    first = asked(B).number;
    say(B, BW_REMOTE_FENCE_SEEN);
    failed.epoch = world_group(&world)->epoch;
    assert_string_equal(world_apply(&world, &failed), "G12");
    assert_string_equal(world_decide(&world), "A0");

    assert_true(asked(B).number > first);
    assert_int_equal(asked(B).held_index, world_group(&world)->held_index);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_act(&world), "A32");
    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_LEASE_LOST);
}

/* The log answers who was asked, and why nothing came of it. */
static void each_ask_and_its_end_is_news_once(void **state)
{
    (void)state;
    world_begin(&world, 2);
    (void)world_decide(&world);
    assert_null(world.news.over); /* where nobody was asked nothing is over */
    begin_closed(2);
    (void)world_decide(&world);
    assert_true(world.news.is_asked);
    (void)world_decide(&world);
    assert_false(world.news.is_asked);

    say(B, BW_REMOTE_FENCE_RUNNING);
    assert_null(world.news.failure);
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_string_equal(world.news.failure, "the script has failed, or was not run");
    assert_string_equal(world.news.before.site, "dc-b");
    assert_false(world.news.is_asked);
    (void)world_decide(&world);
    assert_null(world.news.failure);

    world_pass_ms(&world, 5000);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_act(&world), "A32");
    assert_null(world.news.over);
    (void)world_decide(&world);
    assert_string_equal(world.news.over, "it has seen the end");
}

static void a_new_leader_asks_for_itself(void **state)
{
    uint64_t term;

    (void)state;
    begin_closed(2);
    term = asked(B).term;
    say(B, BW_REMOTE_FENCE_RUNNING);
    world_lead_anew(&world);
    world_pass_ms(&world, 60000);
    assert_int_equal(asked(B).epoch, 0); /* one at a time */
    assert_true(world_holds(&world, "remote_fence", -1));

    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_SEEN;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(asked(B).term > term);
    say(B, BW_REMOTE_FENCE_SEEN);
    assert_string_equal(world_decide(&world), "A32");
}

/* ---- who is asked ---------------------------------------------------------------------------- */

static void who_has_something_of_its_own_to_do_is_not_asked(void **state)
{
    struct bw_report good;

    (void)state;
    begin_closed(2);
    good = world.sites[B].report;
    for (int what = 0; what < 9; what++) {
        world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
        world.sites[B].report = good;
        if (what == 0)
            world.sites[B].report.guard_alive = false;
        else if (what == 1)
            world.sites[B].report.guard_busy = true;
        else if (what == 2)
            world.sites[B].report.service = BW_SERVICE_UNKNOWN;
        else if (what == 3)
            world.sites[B].report.epoch_seen = world_group(&world)->epoch + 1;
        else if (what == 4)
            world.sites[B].report.armed_epoch = 1;
        else if (what == 5)
            world.sites[B].report.override = BW_OVERRIDE_WAITING;
        world_group(&world)->spec.sites[B].never_candidate = what == 6;
        world_group(&world)->maintenance_ms[B] = what == 7 ? 1000000 : 0;
        world.sites[B].relayed_by = what == 8 ? 2
                                              : 0; /* who passes it on could make up that it can */
        world_sync_all(&world);
        assert_nobody_is_asked();
        assert_null(world_gate(&world, "remote_fence_wait", -1)); /* nothing has failed */
    }
    world.sites[B].relayed_by = 0;
    world_sync_all(&world);
    assert_int_not_equal(asked(B).epoch, 0);
}

/* 3.8: it is nobody's to end but a person's. */
static void nothing_is_fenced_beside_an_override(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    world.sites[A].is_mute = false;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);

    assert_nobody_is_asked();
}

static void after_a_failure_another_site_is_asked_and_later_each_time(void **state)
{
    uint64_t wait_ns;

    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0); /* of higher priority */
    assert_int_equal(asked(C).epoch, 0);     /* one at a time */
    say(B, BW_REMOTE_FENCE_FAILED);
    assert_nobody_is_asked();
    assert_true(world_holds(&world, "remote_fence_wait", -1));
    assert_string_equal(world_gate(&world, "remote_fence", -1)->word,
                        "has failed, and is run again after a pause");
    assert_int_equal(world_gate(&world, "remote_fence", -1)->value, -1); /* no site's */
    wait_ns = world_watch(&world)->remote_fence.wait_ns;
    world_pass_ms(&world, wait_ns / BW_NS_PER_MS + 500);
    assert_int_not_equal(asked(C).epoch, 0);
    assert_int_equal(asked(B).epoch, 0);

    say(C, BW_REMOTE_FENCE_FAILED);
    assert_nobody_is_asked();
    assert_true(world_watch(&world)->remote_fence.wait_ns == 2 * wait_ns);
    for (int i = 0; i < 40; i++) {
        world_pass_ms(&world, 10000);
        if (asked(B).epoch != 0)
            say(B, BW_REMOTE_FENCE_FAILED);
        else if (asked(C).epoch != 0)
            say(C, BW_REMOTE_FENCE_FAILED);
    }
    assert_true(world_watch(&world)->remote_fence.wait_ns == 64 * wait_ns); /* bounded */
}

/* Whichever place of the spec it has. */
static void the_first_site_of_the_spec_is_asked_like_any_other(void **state)
{
    (void)state;
    begin_closed_of_second(3);
    assert_int_not_equal(asked(A).epoch, 0);  /* of higher priority */
    for (int round = 0; round < 2; round++) { /* and after a failure the other one, each time */
        say(round == 0 ? A : C, BW_REMOTE_FENCE_FAILED);
        assert_nobody_is_asked();
        world_pass_ms(&world, world_watch(&world)->remote_fence.wait_ns / BW_NS_PER_MS + 500);
        assert_int_not_equal(asked(round == 0 ? C : A).epoch, 0);
    }

    begin_closed_of_second(2);
    say(A, BW_REMOTE_FENCE_FAILED);
    assert_nobody_is_asked();
    world_pass_ms(&world, 6000);
    assert_int_not_equal(asked(A).epoch, 0); /* where there is no other, again */
    say(A, BW_REMOTE_FENCE_RUNNING);
    world_lead_anew(&world);
    world_pass_ms(&world, 60000);
    assert_nobody_is_asked(); /* one at a time */
}

static void who_has_seen_the_epoch_itself_is_asked(void **state)
{
    (void)state;
    begin_closed(2);
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    world.sites[B].report.epoch_seen = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_int_not_equal(asked(B).epoch, 0);
}

static void who_does_not_lead_asks_nobody(void **state)
{
    (void)state;
    begin_closed(2);
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    world.witness.leadership.leads = false;
    (void)world_decide(&world);
    assert_false(world.news.is_asked);
}

static void who_does_not_begin_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    world_pass_ms(&world, 9000);
    assert_int_not_equal(asked(B).epoch, 0);

    world_pass_ms(&world, 2000);
    assert_nobody_is_asked();
    world_pass_ms(&world, 6000);
    assert_int_not_equal(asked(C).epoch, 0);
}

/* 30 s for its script, 80 s for all else. */
static void who_never_ends_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    world_pass_ms(&world, 109000);
    assert_int_not_equal(asked(B).epoch, 0);

    world_pass_ms(&world, 2000);
    assert_nobody_is_asked();
    world_pass_ms(&world, 60000);
    assert_nobody_is_asked(); /* one at a time: it says that it runs on */
    world.sites[B].report.remote_fence.state = BW_REMOTE_FENCE_FAILED;
    world_sync_all(&world);
    assert_int_not_equal(asked(C).epoch, 0);
}

/* What ends there is the site's own to end. */
static void the_holder_is_not_asked_to_fence_itself(void **state)
{
    (void)state;
    begin_closed(2);
    world.sites[B].is_mute = true;
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world.sites[A].report.armed_epoch = 0;
    world_pass_ms(&world, 20000);
    assert_nobody_is_asked();
}

/* It may run on there: nobody else is asked before it must be over. */
static void one_that_is_heard_no_more_is_waited_for(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_RUNNING);
    (void)world_decide(&world);
    world.sites[B].is_mute = true;
    for (int s = 0; s < 30;
         s++) { /* as it is followed: a failure once it is not heard, and a pause */
        world_pass_ms(&world, 1000);
        assert_int_equal(asked(C).epoch, 0);
    }

    world_pass_ms(&world, 40000);
    assert_int_not_equal(asked(C).epoch, 0);
}

static void one_that_has_not_begun_and_is_heard_no_more_is_waited_for_no_longer(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    world.sites[B].is_mute = true;
    for (int s = 0; s < 15; s++) {
        world_pass_ms(&world, 1000);
        (void)world_decide(&world);
    }
    assert_int_not_equal(asked(C).epoch, 0);
}

/* It has heard of it, and has not begun. */
static void who_answers_is_given_its_time_to_begin(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_NONE);
    assert_int_not_equal(asked(B).epoch, 0);
    world_pass_ms(&world, 11000);
    assert_nobody_is_asked();
}

/* 3.9: breakwater orders nothing there. */
static void nobody_is_asked_in_mode_observe(void **state)
{
    (void)state;
    begin_closed(3);
    assert_int_not_equal(asked(B).epoch, 0);
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    assert_nobody_is_asked();

    world_group(&world)->spec.mode = BW_MODE_AUTO;
    assert_int_not_equal(asked(B).epoch,
                         0); /* it has not failed: the one that is preferred, again */
}

static void who_has_no_script_is_not_asked(void **state)
{
    (void)state;
    begin_closed(3);
    world.sites[B].report.remote_fence.limit_ms = 0;
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    world_sync_all(&world);
    assert_int_equal(asked(B).epoch, 0);
    assert_int_not_equal(asked(C).epoch, 0);
}

static void who_is_preferred_is_asked_first(void **state)
{
    (void)state;
    begin_closed(3);
    world_watch(&world)->remote_fence = (struct bw_remote_fence){0};
    world_group(&world)->spec.sites[C].priority = world_group(&world)->spec.sites[B].priority + 1;
    assert_int_not_equal(asked(C).epoch, 0);
    assert_int_equal(asked(B).epoch, 0);
}

/* I1: what was asked for an epoch before says nothing of the open one. */
static void an_ask_of_an_older_epoch_is_none_of_this_one(void **state)
{
    struct bw_remote_fence_ask first;

    (void)state;
    begin_closed_of_second(2);
    first = asked(A);
    assert_int_equal(first.epoch, 2);
    say(A, BW_REMOTE_FENCE_SEEN);
    world_watch(&world)->remote_fence.ask.epoch--;
    world.sites[A].report.remote_fence.ask.epoch--;
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A32");
    assert_int_equal(asked(A).epoch, first.epoch);
    assert_true(asked(A).number > first.number);
}

/* What failed of an epoch before keeps nobody waiting, and says nothing of who is asked first. */
static void a_failure_of_an_older_epoch_is_none_of_this_one(void **state)
{
    (void)state;
    begin_closed(3);
    say(B, BW_REMOTE_FENCE_FAILED);
    assert_nobody_is_asked();
    world_watch(&world)->remote_fence.epoch--;
    assert_int_not_equal(asked(B).epoch, 0);
    assert_int_equal(world_watch(&world)->remote_fence.failures, 0);
}

/* Only who leads asks, of a closed epoch, and of the newest one. */
static void what_was_asked_is_told_only_as_long_as_it_is_so(void **state)
{
    struct bw_remote_fence_ask ask;

    (void)state;
    for (int what = 0; what < 4; what++) {
        begin_closed(2);
        assert_int_not_equal(asked(B).epoch, 0);
        if (what == 1)
            world.witness.leadership.leads = false;
        else if (what == 2)
            world_group(&world)->phase = BW_PHASE_GRANTED;
        else if (what == 3)
            world_group(&world)->epoch++;
        bw_witness_remote_fence(&world.witness, 0, names[B], &ask);
        assert_int_equal(ask.epoch != 0, what == 0);
    }
}

static void a_site_that_says_unknown_takes_nothing_back(void **state)
{
    (void)state;
    begin_closed(2);
    (void)asked(B);
    answer_beside_the_end(BW_SERVICE_UNKNOWN, 0);
    assert_string_equal(world_decide(&world), "A32");
}

/* ---- when it is looked at again -------------------------------------------------------------- */

static uint64_t wake_ms(void)
{
    struct bw_remote_fence_news news;
    uint64_t wake_ns;

    bw_witness_follow_remote_fence(&world.witness, 0, world.now, &wake_ns, &news);
    return wake_ns == UINT64_MAX ? UINT64_MAX : wake_ns / BW_NS_PER_MS;
}

static void it_is_followed_as_often_as_it_takes(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(wake_ms(), UINT64_MAX); /* nobody is to be asked */
    begin_closed(2);
    assert_int_equal(wake_ms(), 1000); /* a word may fail to come */
    say(B, BW_REMOTE_FENCE_FAILED);
    (void)asked(B);
    assert_int_equal(wake_ms(), 5000); /* the pause */
    world.now = bw_instant_add(world.now, 5000 * BW_NS_PER_MS - 1);
    assert_int_equal(wake_ms(), 0); /* the last of it is waited for as well */
    world.sites[B].report.guard_busy = true;
    world_pass_ms(&world, 6000);
    assert_int_equal(wake_ms(), UINT64_MAX); /* nobody can be asked: a report brings that */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_site_has_seen_ends_the_epoch_and_that_is_granted_next),
        cmocka_unit_test(who_follows_what_another_site_has_seen_is_foretold),
        cmocka_unit_test(without_a_script_nothing_is_different),
        cmocka_unit_test(what_time_ends_is_fenced_by_nobody),
        cmocka_unit_test(what_was_never_armed_is_left_as_it_is),
        cmocka_unit_test(nobody_is_asked_while_a_lease_may_live),
        cmocka_unit_test(only_an_answer_to_this_very_ask_counts),
        cmocka_unit_test(what_another_agent_says_counts_not),
        cmocka_unit_test(what_is_passed_on_counts_not),
        cmocka_unit_test(started_takes_it_back),
        cmocka_unit_test(started_of_an_age_that_is_not_known_takes_it_back),
        cmocka_unit_test(started_that_is_old_by_one_clock_takes_it_back),
        cmocka_unit_test(started_that_was_seen_before_by_one_clock_takes_it_back),
        cmocka_unit_test(what_serves_at_another_site_takes_nothing_back),
        cmocka_unit_test(what_was_seen_before_it_was_asked_takes_nothing_back),
        cmocka_unit_test(an_epoch_that_is_held_since_is_fenced_anew),
        cmocka_unit_test(a_site_that_could_not_end_it_is_not_called_lost),
        cmocka_unit_test(each_ask_and_its_end_is_news_once),
        cmocka_unit_test(a_new_leader_asks_for_itself),
        cmocka_unit_test(who_has_something_of_its_own_to_do_is_not_asked),
        cmocka_unit_test(nothing_is_fenced_beside_an_override),
        cmocka_unit_test(after_a_failure_another_site_is_asked_and_later_each_time),
        cmocka_unit_test(the_first_site_of_the_spec_is_asked_like_any_other),
        cmocka_unit_test(who_has_seen_the_epoch_itself_is_asked),
        cmocka_unit_test(who_does_not_lead_asks_nobody),
        cmocka_unit_test(who_does_not_begin_is_not_waited_for_for_ever),
        cmocka_unit_test(who_never_ends_is_not_waited_for_for_ever),
        cmocka_unit_test(the_holder_is_not_asked_to_fence_itself),
        cmocka_unit_test(one_that_is_heard_no_more_is_waited_for),
        cmocka_unit_test(one_that_has_not_begun_and_is_heard_no_more_is_waited_for_no_longer),
        cmocka_unit_test(who_answers_is_given_its_time_to_begin),
        cmocka_unit_test(nobody_is_asked_in_mode_observe),
        cmocka_unit_test(who_has_no_script_is_not_asked),
        cmocka_unit_test(who_is_preferred_is_asked_first),
        cmocka_unit_test(an_ask_of_an_older_epoch_is_none_of_this_one),
        cmocka_unit_test(a_failure_of_an_older_epoch_is_none_of_this_one),
        cmocka_unit_test(what_was_asked_is_told_only_as_long_as_it_is_so),
        cmocka_unit_test(a_site_that_says_unknown_takes_nothing_back),
        cmocka_unit_test(it_is_followed_as_often_as_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
