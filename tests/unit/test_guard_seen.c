/* guard: where the service was seen to be, and what a look has seen of its end (3.2.4, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_world.h"

static void look(struct world *world, const char *word)
{
    static uint64_t run_id = 100;

    run(world, 1, BW_ACTION_STATUS, run_id++);
    ended(world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, word);
}

/* A service that runs; the looks at it have said where. */
static void begin_serving(struct world *world, enum bw_populated populated)
{
    begin_armed(world);
    run(world, 1, BW_ACTION_START, 1);
    ended(world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world->populated = populated;
    look(world, "started");
}

static enum bw_reach_seen seen(const struct world *world)
{
    return bw_guard_sight(&world->guard).seen;
}

static bool has_fenced_well(const struct world *world)
{
    return world->last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok;
}

/* Until the last look of a fence whose script ended with `script`. */
static void fence_until_recheck(struct world *world, enum bw_run_result script)
{
    tick_at(world, 108000);
    ended(world, BW_GUARD_SLOT_FENCE, script, "");
    ended(world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "unknown");
    tick_at(world, 109900);
    reach_killed(world, true);
    assert_int_equal(world->guard.fence, BW_FENCE_RECHECK);
}

/* 3.3: a held epoch ends by a fence that sees the end, and what is outside only its script can end. */
static void a_fence_that_is_ordered_after_the_lease_has_its_own_time(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    fence_until_recheck(&world, BW_RUN_FAILED);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);

    tick_at(&world, 110500);
    run(&world, 1, BW_ACTION_FENCE, 7);

    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    tick_at(&world, 110600);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
}

/* ---- where ------------------------------------------------------------------------------------- */

static void what_the_newest_look_at_a_service_that_serves_shows_is_kept(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
    assert_asked(&world, "SAVE");
    assert_int_equal(world.guard.memory.sight.epoch, 1);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.sight.seen, BW_REACH_OUTSIDE);

    world.populated = BW_POPULATED_YES;
    look(&world, "started");

    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    look(&world, "started");
    assert_not_asked(&world, "SAVE"); /* it is no news */
}

static void a_look_that_cannot_tell_changes_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.populated = BW_POPULATED_UNKNOWN;
    look(&world, "started");
    assert_int_equal(seen(&world), BW_REACH_INSIDE);

    world.populated = BW_POPULATED_NO;
    look(&world, "stopped"); /* where what does not serve was is no question */
    look(&world, "unknown");

    assert_int_equal(seen(&world), BW_REACH_INSIDE);
}

/* It was there when the look began, and has ended in the middle of it. */
static void what_ends_during_a_look_was_not_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    run(&world, 1, BW_ACTION_STATUS, 7);
    world.populated = BW_POPULATED_NO;
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "started");

    assert_int_equal(seen(&world), BW_REACH_INSIDE);
}

static void a_start_that_still_runs_says_nothing_of_where_its_service_is(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    run(&world, 1, BW_ACTION_START, 1);
    world.populated = BW_POPULATED_YES; /* by the script itself */
    look(&world, "started");

    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
}

static void what_was_seen_with_other_scripts_says_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.digest = 2;

    assert_int_equal(seen(&world), BW_REACH_UNSEEN);
}

/* A group whose file changed while its service ran. */
static void what_runs_does_not_speak_for_scripts_that_came_later(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.digest = 2;
    look(&world, "started");
    assert_int_equal(seen(&world), BW_REACH_UNSEEN);

    run(&world, 1, BW_ACTION_START, 7);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    look(&world, "started");

    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    world.populated = BW_POPULATED_NO; /* which is known of any */
    world.guard.limits.digest = 3;
    look(&world, "started");
    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
}

static void look_finds(struct world *world, const char *word, uint64_t digest)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_RUN_ENDED,
                                   .slot = BW_GUARD_SLOT_OBSERVATION,
                                   .populated = world->populated,
                                   .digest = digest};

    run(world, 1, BW_ACTION_STATUS, 99);
    (void)snprintf(event.ended.line, sizeof event.ended.line, "%s", word);
    step(world, &event);
}

/* Nobody has told the guard: it is the bytes that count. */
static void a_script_edited_where_it_lies_is_another_one(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.proof = 1;
    look_finds(&world, "started", 1);
    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    assert_true(bw_guard_sight(&world.guard).proved);

    look_finds(&world, "started", 2);

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.sight.seen, BW_REACH_UNSEEN);
    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.sight.digest, 2);
    assert_false(bw_guard_sight(&world.guard).proved);
    look_finds(&world, "started", 0); /* which says nothing of them */
    assert_int_equal(seen(&world), BW_REACH_UNSEEN);
    look_finds(&world, "started", 1); /* the edit was taken back: what runs is what these started */
    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    assert_true(bw_guard_sight(&world.guard).proved);
}

static void what_is_known_of_scripts_does_not_speak_for_what_others_started(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.digest = 2;
    run(&world, 1, BW_ACTION_START, 7);
    assert_asked(&world, "SAVE"); /* a restart knows it too */
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    world.guard.limits.digest = 1;

    assert_int_equal(seen(&world), BW_REACH_UNSEEN);
}

/* Units that somebody has started are where they are seen, though no script of ours was ever run. */
static void of_what_no_script_has_started_a_look_tells(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight = (struct bw_reach_sight){0};
    world.populated = BW_POPULATED_YES;
    look(&world, "started");

    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    assert_int_equal(world.guard.memory.sight.digest, 1);
}

/* It was just seen inside, which was not to count. */
static void assert_only_outside_is_news(struct world *world)
{
    assert_int_equal(seen(world), BW_REACH_OUTSIDE);

    world->guard.memory.sight.seen = BW_REACH_INSIDE;
    world->populated = BW_POPULATED_NO;
    look(world, "started");

    assert_int_equal(seen(world), BW_REACH_OUTSIDE);
}

/* What is worse than believed counts while something else is being written, what is better does not. */
static void outside_counts_beside_another_save_and_inside_waits(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.save_hangs = true;
    world.populated = BW_POPULATED_NO;
    look(&world, "started"); /* is being written */
    world.populated = BW_POPULATED_YES;
    look(&world, "started");
    assert_only_outside_is_news(&world);
}

/* The witnesses go by what they know of the ones that they granted it to. */
static void other_scripts_than_its_reach_is_committed_for_start_nothing(void **state)
{
    struct bw_guard_message of = {
        .kind = BW_GUARD_MESSAGE_RUN,
        .epoch = 1,
        .run = {.epoch = 1, .action = BW_ACTION_START, .run_id = 7, .facts.reach_digest = 2}};
    struct world world;

    (void)state;
    begin_armed(&world);
    message(&world, &of);
    assert_int_equal(run_refusal(&world), BW_REFUSAL_OTHER_SCRIPTS);

    world.guard.limits.digest = 2;
    of.run.run_id = 8;
    message(&world, &of);

    assert_asked(&world, "SPAWN:start");
}

static void outside_counts_even_where_it_cannot_be_kept_and_inside_does_not(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    world.save_fails = true;
    world.populated = BW_POPULATED_YES;
    look(&world, "started");
    assert_only_outside_is_news(&world);
}

/* ---- the end of a service inside ----------------------------------------------------------------- */

static void unknown_is_no_end_of_a_service_inside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    fence_until_recheck(&world, BW_RUN_FAILED);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");

    assert_false(has_fenced_well(&world));
    assert_false(end(&world, 1));
}

static void where_the_reach_is_proved_and_empty_unknown_is_an_end(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.memory.sight.proved = true;
    fence_until_recheck(&world, BW_RUN_FAILED);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");

    assert_true(has_fenced_well(&world));
}

/* A trial of the scripts has shown it, with the scripts that are in force (3.4). */
/* ... which `started` is not, however dead all is in reach; nor is a kill of another fence's time. */
static void where_the_reach_is_proved_started_is_no_end_and_each_fence_kills_anew(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.memory.sight.proved = true;
    fence_until_recheck(&world, BW_RUN_FAILED);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "started");
    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
    assert_true(bw_guard_sight(&world.guard).proved);

    tick_at(&world, 110500);
    run(&world, 1, BW_ACTION_FENCE, 7);
    assert_int_equal(world.guard.fence, BW_FENCE_SCRIPT);
    assert_int_equal(world.guard.fence_reach, BW_FENCE_REACH_UNKNOWN);
}

/* What nobody knows to be a kill's answer is none. */
static void a_kill_that_nobody_waits_for_says_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);

    reach_killed(&world, true);

    assert_int_equal(world.guard.fence_reach, BW_FENCE_REACH_UNKNOWN);
}

/* Outlives the guard's machine, whatever was seen populated there. */
static void what_is_remote_is_never_inside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.reach = BW_REACH_REMOTE;
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");
    assert_int_not_equal(world.guard.fence, BW_FENCE_DONE);
    tick_at(&world, 109900);
    reach_killed(&world, true);
    tick_at(&world, 110000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_false(has_fenced_well(&world));
}

static void the_proof_of_a_trial_counts_with_the_same_scripts_and_inside(void **state)
{
    static const struct {
        uint64_t proof;
        enum bw_populated populated;
        bool is_end;
    } cases[] = {{1, BW_POPULATED_YES, true},
                 {2, BW_POPULATED_YES, false}, /* with others */
                 {0, BW_POPULATED_YES, false},
                 {1, BW_POPULATED_NO, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;

        begin_serving(&world, cases[i].populated);
        world.guard.limits.proof = cases[i].proof;
        assert_int_equal(bw_guard_sight(&world.guard).proved, cases[i].is_end);
        fence_until_recheck(&world, BW_RUN_FAILED);
        ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
        assert_int_equal(has_fenced_well(&world), cases[i].is_end);
    }
}

/* What its scripts call has changed, and none of their bytes: from then on nothing is proved, wherever it is seen. */
static void a_trial_is_refuted_where_the_same_scripts_have_started_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.proof = 1;
    look(&world, "started");
    assert_true(bw_guard_sight(&world.guard).proved);
    world.populated = BW_POPULATED_NO;
    look(&world, "started");
    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
    world.populated = BW_POPULATED_YES;
    look(&world, "started");
    assert_int_equal(seen(&world), BW_REACH_INSIDE);
    assert_false(bw_guard_sight(&world.guard).proved);
}

/* It stands in a file beside the scripts; a later trial that ends otherwise takes it back. */
static void the_proof_of_a_trial_is_not_kept_as_ones_own(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.limits.proof = 1;
    look(&world, "started");
    look(&world, "started");
    assert_true(bw_guard_sight(&world.guard).proved);
    world.guard.limits.proof = 0;
    assert_false(bw_guard_sight(&world.guard).proved);
    assert_int_equal(seen(&world), BW_REACH_INSIDE);
}

/* ---- the end of a service outside ---------------------------------------------------------------- */

static void a_fence_whose_script_failed_has_not_ended_a_service_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped"); /* of what was ordered and yet comes */
    assert_asked(&world, "TERM_REACH");
    tick_at(&world, 109900);
    reach_killed(&world, true);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_false(has_fenced_well(&world));
}

static void a_fence_whose_script_ended_well_has_where_status_says_so(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    fence_until_recheck(&world, BW_RUN_OK);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(has_fenced_well(&world));
}

/* A service outside whose fence script runs on beside TERM and KILL. */
static void kill_reach_beside_script(struct world *world)
{
    begin_serving(world, BW_POPULATED_NO);
    tick_at(world, 108000);
    tick_at(world, 109500);
    assert_asked(world, "TERM_REACH");
    assert_not_asked(world, "KILL_RUN");
    tick_at(world, 109900);
    assert_asked(world, "KILL_REACH");
    assert_not_asked(world, "KILL_RUN");
    reach_killed(world, true);
}

/* TERM and KILL of the reach take nothing from it; its own script may be about to end it. */
static void the_script_of_a_service_outside_runs_on_to_the_deadline(void **state)
{
    struct world world;

    (void)state;
    kill_reach_beside_script(&world);
    assert_not_asked(&world, "SPAWN"); /* the last look is after it */

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");
    assert_asked(&world, "SPAWN");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(has_fenced_well(&world));
}

static void at_the_deadline_it_is_killed_and_has_ended_nothing(void **state)
{
    struct world world;

    (void)state;
    kill_reach_beside_script(&world);
    tick_at(&world, 109999);
    assert_not_asked(&world, "KILL_RUN");

    tick_at(&world, 110000);
    assert_asked(&world, "KILL_RUN");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(world.guard.fence, BW_FENCE_FAILED);
}

static void the_script_of_a_service_inside_is_cut_at_term(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    tick_at(&world, 108000);
    tick_at(&world, 109500);

    assert_asked(&world, "KILL_RUN");
}

/* However well its reach was proved while it was inside. */
static void unknown_is_no_end_of_a_service_outside(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    world.guard.memory.sight.proved = true;
    world.populated = BW_POPULATED_NO;
    look(&world, "started");
    fence_until_recheck(&world, BW_RUN_OK);

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_FAILED, "");

    assert_false(has_fenced_well(&world));
}

static void stopped_ends_no_epoch_of_a_service_outside_before_a_script_has(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    look(&world, "stopped");
    assert_false(end(&world, 1));
    assert_int_equal(world.last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);

    run(&world, 1, BW_ACTION_STOP, 5);
    ended(&world, BW_GUARD_SLOT_ACTION, BW_RUN_OK, "");
    tick_at(&world, 100100);
    ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped");

    assert_int_equal(world.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    assert_true(end(&world, 1));
}

/* What it ordered elsewhere outlives a boot, as what ran in its reach does not. */
static void ends_unless_it_serves_elsewhere(const struct bw_guard_mirror *mirror)
{
    struct bw_guard_memory memory = {.epoch_seen = 4, .enforced = true, .instance = instance_a};
    struct world world;

    for (int is_inside = 0; is_inside < 2; is_inside++) {
        memset(&world, 0, sizeof world);
        world.now_ms = 100000;
        memory.sight = (struct bw_reach_sight){
            .seen = is_inside != 0 ? BW_REACH_INSIDE : BW_REACH_OUTSIDE, .epoch = 4, .digest = 1};
        bw_guard_init(&world.guard, "g", &limits, &memory, mirror, at_ms(world.now_ms));
        hello(&world, instance_a);
        tick_at(&world, 100000);
        ended(&world, BW_GUARD_SLOT_OBSERVATION, BW_RUN_OK, "stopped"); /* its own, at the start */

        assert_int_equal(end(&world, 4), is_inside);
    }
}

static void after_a_reboot_too(void **state)
{
    (void)state;
    ends_unless_it_serves_elsewhere(NULL);
}

/* The state was on another machine, and is back on one that has not booted since: what that one's mirror has
 * seen the end of is none of what the other has ordered. */
static void after_a_stay_on_another_machine_too(void **state)
{
    const struct bw_guard_mirror given_back = {.stop_seen = true};
    const struct bw_guard_mirror fenced = {.armed_epoch = 3,
                                           .armed_instance = instance_a,
                                           .armed_end = at_ms(90000),
                                           .ttl_ns = 10000 * MS,
                                           .fence_ns = 2000 * MS,
                                           .fence_begun = true,
                                           .stop_seen = true};

    (void)state;
    ends_unless_it_serves_elsewhere(&given_back);
    ends_unless_it_serves_elsewhere(&fenced);
}

static void what_never_was_ordered_needs_no_script_to_end(void **state)
{
    struct world world;

    (void)state;
    begin_armed(&world);
    world.guard.memory.sight.seen = BW_REACH_OUTSIDE;
    look(&world, "stopped");

    assert_true(end(&world, 1));
}

/* ---- looks that somebody has ended ---------------------------------------------------------------- */

static void a_look_that_a_signal_has_ended_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_YES);
    tick_at(&world, 108000);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "");

    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_KILLED, "");
    assert_asked(&world, "SPAWN:status");
    assert_not_asked(&world, "TERM_REACH");
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_true(has_fenced_well(&world));
}

/* 3.4: nothing that a KILL was seen to end there, since it runs elsewhere. */
static void what_is_outside_is_proved_by_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
    world.spawn_hangs = true; /* no script and no look is begun: none has ended it */
    fence_until_recheck(&world, BW_RUN_FAILED);
    ended(&world, BW_GUARD_SLOT_FENCE, BW_RUN_OK, "stopped");

    assert_int_equal(seen(&world), BW_REACH_OUTSIDE);
    assert_false(bw_guard_sight(&world.guard).proved);
}

/* 3.2.4: also where the KILL of the reach is slow to answer. */
static void a_script_that_runs_on_is_killed_at_the_deadline_beside_a_kill_that_hangs(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world, BW_POPULATED_NO);
    tick_at(&world, 108000);
    assert_asked(&world, "SPAWN:fence");
    tick_at(&world, 109900);
    assert_int_equal(world.guard.fence, BW_FENCE_KILL);
    assert_not_asked(&world, "KILL_RUN");

    tick_at(&world, 110000);

    assert_int_equal(world.guard.fence, BW_FENCE_KILL);
    assert_asked(&world, "KILL_RUN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_that_is_ordered_after_the_lease_has_its_own_time),
        cmocka_unit_test(what_the_newest_look_at_a_service_that_serves_shows_is_kept),
        cmocka_unit_test(a_look_that_cannot_tell_changes_nothing),
        cmocka_unit_test(what_ends_during_a_look_was_not_outside),
        cmocka_unit_test(a_start_that_still_runs_says_nothing_of_where_its_service_is),
        cmocka_unit_test(what_was_seen_with_other_scripts_says_nothing),
        cmocka_unit_test(what_runs_does_not_speak_for_scripts_that_came_later),
        cmocka_unit_test(a_script_edited_where_it_lies_is_another_one),
        cmocka_unit_test(what_is_known_of_scripts_does_not_speak_for_what_others_started),
        cmocka_unit_test(of_what_no_script_has_started_a_look_tells),
        cmocka_unit_test(outside_counts_beside_another_save_and_inside_waits),
        cmocka_unit_test(other_scripts_than_its_reach_is_committed_for_start_nothing),
        cmocka_unit_test(outside_counts_even_where_it_cannot_be_kept_and_inside_does_not),
        cmocka_unit_test(unknown_is_no_end_of_a_service_inside),
        cmocka_unit_test(where_the_reach_is_proved_and_empty_unknown_is_an_end),
        cmocka_unit_test(where_the_reach_is_proved_started_is_no_end_and_each_fence_kills_anew),
        cmocka_unit_test(a_kill_that_nobody_waits_for_says_nothing),
        cmocka_unit_test(what_is_remote_is_never_inside),
        cmocka_unit_test(the_proof_of_a_trial_counts_with_the_same_scripts_and_inside),
        cmocka_unit_test(a_trial_is_refuted_where_the_same_scripts_have_started_outside),
        cmocka_unit_test(the_proof_of_a_trial_is_not_kept_as_ones_own),
        cmocka_unit_test(a_fence_whose_script_failed_has_not_ended_a_service_outside),
        cmocka_unit_test(a_fence_whose_script_ended_well_has_where_status_says_so),
        cmocka_unit_test(the_script_of_a_service_outside_runs_on_to_the_deadline),
        cmocka_unit_test(at_the_deadline_it_is_killed_and_has_ended_nothing),
        cmocka_unit_test(the_script_of_a_service_inside_is_cut_at_term),
        cmocka_unit_test(unknown_is_no_end_of_a_service_outside),
        cmocka_unit_test(stopped_ends_no_epoch_of_a_service_outside_before_a_script_has),
        cmocka_unit_test(after_a_reboot_too),
        cmocka_unit_test(after_a_stay_on_another_machine_too),
        cmocka_unit_test(what_never_was_ordered_needs_no_script_to_end),
        cmocka_unit_test(a_look_that_a_signal_has_ended_is_repeated),
        cmocka_unit_test(what_is_outside_is_proved_by_no_kill),
        cmocka_unit_test(a_script_that_runs_on_is_killed_at_the_deadline_beside_a_kill_that_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
