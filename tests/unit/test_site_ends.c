/* site: an epoch is given back on no word that is older than the newest sight of a service
 * (3.3, 3.5). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

static const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
static const struct bw_guard_message fenced = {
    .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1, .fence = {.ok = true}};

static void refused(struct world *world, enum bw_guard_message_kind kind, enum bw_refusal why)
{
    struct bw_guard_message of = {.kind = kind, .epoch = 1};

    of.refused.why = why;
    from_guard(world, &of);
}

static void own_fence_ended(struct world *world)
{
    happen(world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
}

/* ---- what the guard arms no more has not ended by that (3.4, ended) ---- */

static void an_arm_refused_because_its_epoch_is_ending_gives_nothing_back(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    refused(&world, BW_GUARD_MESSAGE_ARM_REFUSED, BW_REFUSAL_EPOCH_ENDING);

    assert_false(world.site.memory.given_back);
    assert_int_equal(released(&world).epoch, 0);
    assert_int_equal(world.site.tenure,
                     BW_TENURE_STOPPING); /* and nobody is renewed for ever for nothing */
}

static void what_was_let_go_is_not_stopped_because_it_is_armed_no_more(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.guard.let_go_index = 5; /* an agent before this one was told to */
    refused(&world, BW_GUARD_MESSAGE_ARM_REFUSED, BW_REFUSAL_EPOCH_ENDING);

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_false(world.site.memory.given_back);
}

static void a_state_that_says_ended_is_not_believed_after_a_fence_that_failed(void **state)
{
    const struct bw_guard_message failed = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    from_guard(&world, &begun);
    from_guard(&world, &failed);
    guard_lost(&world);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .ended_epoch = 1});

    assert_false(world.site.memory.given_back);
}

/* 3.5: beside an action a guard ends no epoch. */
static void an_end_that_is_owed_is_asked_for_after_what_runs(void **state)
{
    const struct bw_guard_message stop = {
        .kind = BW_GUARD_MESSAGE_RUN, .epoch = 1, .run = {.action = BW_ACTION_STOP, .epoch = 1, .run_id = 7}};
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.given_back = true;
    memory.reason = BW_REASON_LEASE_LOST;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 1,
                                                 .armed_epoch = 1,
                                                 .armed_instance = instance_a,
                                                 .armed_end = at_ms(world.now_ms),
                                                 .running = BW_ACTION_STOP,
                                                 .running_run_id = 7});
    assert_not_asked(&world, "END");
    tick_at(&world, world.now_ms + 1000);
    assert_not_asked(&world, "END");

    ended(&world, &stop, BW_RUN_OK, "");
    assert_asked(&world, "END");
}

/* ---- after D, beside a guard that cannot keep an end (3.5) ---- */

/* It was fenced well, and the guard's disk is full. */
static uint64_t begin_unsaved(struct world *world)
{
    begin_serving(world);
    from_guard(world, &begun);
    from_guard(world, &fenced);
    assert_int_equal(world->site.tenure, BW_TENURE_ENDING);
    refused(world, BW_GUARD_MESSAGE_END_REFUSED, BW_REFUSAL_NOT_DURABLE);
    return world->site.arm_sent_end.boot_ns / MS;
}

static void
what_was_fenced_and_serves_again_is_fenced_once_more_before_it_is_given_back(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    d = begin_unsaved(&world);
    status(&world, "started");
    assert_true(world.now_ms < d);
    tick_at(&world, d + 1);
    assert_int_equal(released(&world).epoch, 0);
    assert_int_not_equal(world.site.own_fence, BW_SITE_OWN_FENCE_IDLE);

    own_fence_ended(&world);
    tick_at(&world, d + 2);
    assert_int_equal(released(&world).epoch, 1);
}

static void so_is_what_the_guard_says_has_not_stopped(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    d = begin_unsaved(&world);
    refused(&world, BW_GUARD_MESSAGE_END_REFUSED, BW_REFUSAL_NOT_STOPPED);
    tick_at(&world, d + 1);
    assert_int_equal(released(&world).epoch, 0);
    assert_int_not_equal(world.site.own_fence, BW_SITE_OWN_FENCE_IDLE);
}

/* Whether that fence looked before or after nobody knows. */
static void a_fence_beside_which_it_was_seen_to_serve_tells_nothing(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    d = begin_unsaved(&world);
    refused(&world, BW_GUARD_MESSAGE_END_REFUSED, BW_REFUSAL_NOT_STOPPED);
    tick_at(&world, d - FENCE_MS / 2);
    assert_int_not_equal(world.site.own_fence, BW_SITE_OWN_FENCE_IDLE);
    refused(&world, BW_GUARD_MESSAGE_END_REFUSED, BW_REFUSAL_NOT_STOPPED);
    own_fence_ended(&world);
    assert_int_not_equal(world.site.own_end, BW_SITE_OWN_END_SEEN);
    tick_at(&world, d + 5000); /* it is tried again, not at once */
    assert_int_equal(released(&world).epoch, 0);
    assert_asked(&world, "OWN_FENCE");

    own_fence_ended(&world);
    tick_at(&world, world.now_ms + 1);
    assert_int_equal(released(&world).epoch, 1);
}

/* ---- what this site has forgotten of an epoch, its guard has not (4) ---- */

static void a_start_that_only_the_guard_knows_of_is_one(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.start_begun = false; /* an older copy of the state was put back */
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 1,
                                                 .start_epoch = 1,
                                                 .ended_epoch = 1,
                                                 .stop_seen = true});

    assert_true(world.site.memory.start_begun);
    assert_asked(&world, "SAVE");
    assert_int_not_equal(world.site.memory.reason, BW_REASON_NEVER_STARTED);
}

static void so_is_one_of_an_epoch_that_is_accepted_once_more(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &(struct bw_site_memory){0});
    guard_state(&world,
                &(struct bw_guard_state){
                    .enforced = true, .epoch_seen = 1, .start_epoch = 1, .reach_works = true});
    order(&world, BW_ORDER_RUN, 1);
    assert_int_equal(world.site.memory.epoch, 1);

    assert_true(world.site.memory.start_begun);
}

/* After a boot no guard remembers it either. */
static void what_serves_in_an_epoch_has_been_begun_in_it(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &(struct bw_site_memory){0});
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .reach_works = true});
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);

    assert_true(world.site.memory.start_begun);
}

/* ---- how a run ended counts for what it was run for ---- */

/* Adopted: no start of ours began, and its position is there to be read all the same (3.6). */
static void an_adopted_epoch_that_is_found_ended_is_read_first(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true});
    assert_false(world.site.memory.given_back);
    assert_int_equal(world.site.final, BW_SITE_FINAL_DUE);
}

/* Nothing is left of an older one: where it stood another epoch has written since (3.5). */
static void an_epoch_before_the_one_that_is_found_ended_is_given_back_at_once(void **state)
{
    struct world world;

    (void)state;
    for (uint64_t newer = 0; newer < 2; newer++) {
        begin_with(&world, &held);
        guard_state(&world, &(struct bw_guard_state){
                                .ended_epoch = 1 + newer, .epoch_seen = 1 + newer, .stop_seen = true});
        assert_int_equal(world.site.memory.given_back, newer != 0);
    }
}

/* Of what its guard has ended nothing is armed any more: what serves since is no failed fence
 * (3.3). */
static void what_is_found_ended_is_armed_no_more(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_not_equal(world.site.arm_sent_end.boot_ns, 0);
    guard_lost(&world);
    guard_state(&world,
                &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true});
    assert_false(world.site.memory.given_back);
    assert_int_equal(world.site.arm_sent_end.boot_ns, 0);
}

/* What was told first is why: a fence that comes into a stop takes nothing of it back. */
static void a_fence_into_a_stop_ends_for_the_reason_of_the_stop(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);
    struct world world;

    (void)state;
    begin_serving(&world);
    of.reason = BW_REASON_SWITCHOVER;
    tell_order(&world, of);
    assert_int_equal(world.site.ending_reason, BW_REASON_SWITCHOVER);
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1});
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    assert_int_equal(world.site.ending_reason, BW_REASON_SWITCHOVER);
}

/* 4: what ran into its limit may have written, whatever status it left. */
static void only_a_start_that_ended_by_itself_says_that_it_has_changed_nothing(void **state)
{
    const enum bw_run_result results[] = {BW_RUN_FAILED, BW_RUN_TIMED_OUT};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};

        begin_leased(&world);
        of.ended.epoch = 1;
        of.ended.action = BW_ACTION_START;
        of.ended.run_id = world.sent_run.run.run_id;
        of.ended.result = results[i];
        of.ended.exit_status = BW_START_EXIT_NOTHING_CHANGED;
        from_guard(&world, &of);
        assert_int_equal(world.site.start,
                         i == 0 ? BW_SITE_START_FAILED_EARLY : BW_SITE_START_FAILED);
    }
}

static void the_end_of_a_start_counts_in_its_own_epoch_only(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_leased(&world);
    of = world.sent_run;
    of.run.epoch = 7;
    ended(&world, &of, BW_RUN_FAILED, "");
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);

    begin(&world); /* nor does one where none is open, and nobody overrides */
    ended(&world, &of, BW_RUN_OK, "");
    ended(&world, &of, BW_RUN_FAILED, "");
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_NONE);
}

/* It says nothing of the service, and is no failure: it is asked for once more (3.5). */
static void a_stop_that_did_not_end_by_itself_is_repeated(void **state)
{
    static const enum bw_run_result results[] = {BW_RUN_REFUSED, BW_RUN_KILLED, BW_RUN_INTERRUPTED};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        begin_serving(&world);
        order(&world, BW_ORDER_STOP, 1);
        ended(&world, &world.sent_run, results[i], "");
        assert_not_asked(&world, "RUN:fence");
        assert_true((reported(&world).alarms & 1u << BW_ALARM_STOP_FAILED) == 0);
        tick_at(&world, world.now_ms + 200);
        assert_asked(&world, "RUN:stop");
    }
}

/* Of what ran under an epoch before, or of a service that nobody was granted. */
static void the_end_of_a_fence_counts_in_its_own_epoch_only(void **state)
{
    struct bw_guard_message of;
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    of = world.sent_run;
    of.run.action = BW_ACTION_FENCE;
    of.run.epoch = 7;
    ended(&world, &of, BW_RUN_OK, "");
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    ended(&world, &of, BW_RUN_FAILED, "");
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);

    begin_serving(&world); /* likewise of one that the guard has begun by itself (H12) */
    from_guard(&world, &begun);
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_ENDED,
                                                  .epoch = 7,
                                                  .fence = {.ok = true}});
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
    assert_int_equal(world.site.fence, BW_SITE_FENCE_BEGUN);
}

/* 3.4: another site's service is no action on this one. */
static void a_remote_fence_that_is_found_running_keeps_nothing_waiting(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &held);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 1,
                                                 .running = BW_ACTION_REMOTE_FENCE,
                                                 .running_run_id = 7});
    assert_int_equal(world.site.running, BW_ACTION_NONE);
}

/* 3.9: what was let go serves on, and is no failed fence. */
static void what_was_let_go_serves_on_after_its_deadline(void **state)
{
    struct bw_order of = order_to(BW_ORDER_LET_GO, 1);
    struct world world;

    (void)state;
    begin_serving(&world);
    of.let_go_index = 20;
    of.let_go_epoch = 1;
    tell_order(&world, of);
    assert_asked(&world, "LET_GO");
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_LET_GO_DONE,
                                                  .let_go_index = 20});
    world.now_ms += 10 * TTL_MS;
    status(&world, "started");
    assert_false(reported(&world).fence_failed);
}

/* Whoever started it: it may have written (4). */
static void what_was_seen_to_serve_may_have_served(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.guard.served = BW_SERVED_NEVER;
    status(&world, "started");
    assert_int_equal(world.site.guard.served, BW_SERVED_MAYBE);
}

/* 4: what follows another site now is looked at, and measured, at once. */
static void after_a_rejoin_it_is_looked_at_and_measured(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.given_back = true;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "stopped");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_asked(&world, "RUN:rejoin");

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_asked(&world, "RUN:status");
    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");
    assert_asked(&world, "RUN:readiness");
}

/* What has begun is a start only where it is one: another run tells nothing of a service. */
static void what_begins_and_is_no_start_is_none(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    world.site.guard.stop_seen = true;
    of.begun.action = BW_ACTION_FENCE;
    of.begun.run_id = 7;
    from_guard(&world, &of);
    assert_int_equal(world.site.guard.start_epoch, 0);
    assert_true(world.site.guard.stop_seen);
    of.begun.action = BW_ACTION_START;
    from_guard(&world, &of);
    assert_int_equal(world.site.guard.start_epoch, 1);
}

/* Ordered to move only after its fence had begun: it was the lease that ended it (3.5). */
static void what_a_fence_has_begun_to_end_is_lost_whatever_is_ordered_since(void **state)
{
    const struct bw_guard_message epoch_ended = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    from_guard(&world, &begun);
    order(&world, BW_ORDER_STOP, 1);
    world.site.order.reason = BW_REASON_SWITCHOVER;
    from_guard(&world, &fenced);
    from_guard(&world, &epoch_ended);
    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.reason, BW_REASON_LEASE_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arm_refused_because_its_epoch_is_ending_gives_nothing_back),
        cmocka_unit_test(what_was_let_go_is_not_stopped_because_it_is_armed_no_more),
        cmocka_unit_test(a_state_that_says_ended_is_not_believed_after_a_fence_that_failed),
        cmocka_unit_test(an_end_that_is_owed_is_asked_for_after_what_runs),
        cmocka_unit_test(
            what_was_fenced_and_serves_again_is_fenced_once_more_before_it_is_given_back),
        cmocka_unit_test(so_is_what_the_guard_says_has_not_stopped),
        cmocka_unit_test(a_fence_beside_which_it_was_seen_to_serve_tells_nothing),
        cmocka_unit_test(a_start_that_only_the_guard_knows_of_is_one),
        cmocka_unit_test(so_is_one_of_an_epoch_that_is_accepted_once_more),
        cmocka_unit_test(what_serves_in_an_epoch_has_been_begun_in_it),
        cmocka_unit_test(an_adopted_epoch_that_is_found_ended_is_read_first),
        cmocka_unit_test(an_epoch_before_the_one_that_is_found_ended_is_given_back_at_once),
        cmocka_unit_test(what_is_found_ended_is_armed_no_more),
        cmocka_unit_test(a_fence_into_a_stop_ends_for_the_reason_of_the_stop),
        cmocka_unit_test(only_a_start_that_ended_by_itself_says_that_it_has_changed_nothing),
        cmocka_unit_test(the_end_of_a_start_counts_in_its_own_epoch_only),
        cmocka_unit_test(a_stop_that_did_not_end_by_itself_is_repeated),
        cmocka_unit_test(the_end_of_a_fence_counts_in_its_own_epoch_only),
        cmocka_unit_test(a_remote_fence_that_is_found_running_keeps_nothing_waiting),
        cmocka_unit_test(what_was_let_go_serves_on_after_its_deadline),
        cmocka_unit_test(what_was_seen_to_serve_may_have_served),
        cmocka_unit_test(after_a_rejoin_it_is_looked_at_and_measured),
        cmocka_unit_test(what_begins_and_is_no_start_is_none),
        cmocka_unit_test(what_a_fence_has_begun_to_end_is_lost_whatever_is_ordered_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
