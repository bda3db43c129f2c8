/* site: what serves by a person's word (design 3.8) is over with the first lease, or with a fence
 * that has seen the end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

/* ---- the way back ---------------------------------------------------------------------------- */

static void it_is_adopted_untouched_and_the_record_goes_after_the_arm(void **state)
{
    struct world world;
    uint64_t runs;

    (void)state;
    begin_overriding(&world);
    runs = world.sent_run.run.run_id;
    leader_answers(&world);
    adopt(&world, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_OVERRIDING);
    confirm(&world, 2, world.now_ms);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_OVERRIDING);

    armed(&world);

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_GRANTED);
    assert_false(world.site.kept.override_wrote); /* its epoch says so from here on */
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.run_id, runs);
}

/* From then on its rules hold: the deadline comes, and it is fenced. */
static void once_armed_a_lost_lease_is_the_end_of_it(void **state)
{
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 2};
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    confirm(&world, 2, world.now_ms);
    from_guard(&world, &begun); /* the arm was taken, its answer lost */

    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.tenure, BW_TENURE_FENCING);
}

static void an_adoption_that_ends_before_it_is_armed_leaves_it_serving(void **state)
{
    struct world world;
    uint64_t runs;

    (void)state;
    begin_overriding(&world);
    runs = world.sent_run.run.run_id;
    adopt(&world, 2);
    order(&world, BW_ORDER_STAND_BY, 2);

    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    for (int i = 0; i < 3; i++)
        status(&world, "started");
    assert_int_equal(world.sent_run.run.run_id, runs);
    adopt(&world, 3);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
}

/* A start in it writes for itself; what was written before it has to be followed all the same (4).
 */
static void what_was_written_before_an_epoch_that_starts_it_has_to_follow(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_true(world.site.kept.override_wrote);
}

/* It was granted, and nothing of it was ever confirmed: who decides no more keeps neither a start
 * nor an end waiting. */
static void a_grant_whose_leader_goes_is_given_back_untouched(void **state)
{
    struct world world;
    uint64_t runs;

    (void)state;
    begin_overriding(&world);
    runs = world.sent_run.run.run_id;
    leader_answers(&world);
    adopt(&world, 2);
    pass(&world, 2500, "started");
    assert_false(world.site.memory.given_back);
    leader_answers(&world);
    pass(&world, 2500, "started");
    assert_false(world.site.memory.given_back);

    pass(&world, 1000, "started");

    assert_true(world.site.kept.given_back);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(world.sent_run.run.run_id, runs);
    assert_int_equal(bw_site_judge_override_end(&world.site), BW_OVERRIDE_REFUSAL_NONE);
    confirm(&world, 2, world.now_ms); /* what comes late arms nothing */
    assert_not_asked(&world, "ARM");
    pass(&world, 4000, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_true(world.sent_run.run.run_id > runs);
}

/* It may be armed: then its deadline counts, and its fence. */
static void an_arm_that_was_sent_is_no_arm_that_never_was(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    leader_answers(&world);
    adopt(&world, 2);
    confirm(&world, 2, world.now_ms);
    assert_asked(&world, "ARM");
    pass(&world, 5000, "started");
    assert_false(world.site.memory.given_back);
}

/* A witness that does not lead tells what was committed: it is given the time to be confirmed. */
static void a_grant_that_another_witness_tells_of_is_the_word_of_a_leader(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    pass(&world, 2500, "started");
    assert_false(world.site.memory.given_back);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* Granted, and the witnesses were lost before it was confirmed; then a person overrides. */
static void who_waits_gives_back_what_was_never_armed(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    order(&world, BW_ORDER_RUN, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    ask(&world);
    pass(&world, WAIT_MS - 200, "stopped");
    assert_false(world.site.memory.given_back);

    pass(&world, 400, "stopped");

    assert_true(world.site.kept.given_back);
    assert_int_equal(world.site.kept.reason, BW_REASON_NEVER_STARTED);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

/* It may have been armed, and its deadline be past: the word of before is over. */
static void after_a_reboot_in_an_adoption_it_overrides_no_more(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    memory = world.site.kept;
    assert_int_equal(memory.override, BW_OVERRIDE_OVERRIDING);
    memory.boot_id = memory.override_boot_id = last_boot;

    begin_with(&world, &memory);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING); /* until that is durable */
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 2});
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void an_epoch_that_an_agent_before_had_ended_is_the_end_of_it(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    memory = world.site.kept;

    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 2, .ended_epoch = 2});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

static void restarted_in_the_middle_of_an_adoption_it_is_not_fenced(void **state)
{
    struct bw_site_event read = {.kind = BW_SITE_EVENT_MIRROR_READ, .mirror_overrides = true};
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    memory = world.site.kept;

    begin_with(&world, &memory);
    guard_lost(&world);
    happen(&world, &read);
    assert_not_asked(&world, "OWN_FENCE");

    begin_with(&world, &memory); /* where the mirror says nothing it is: unsure is not overriding */
    guard_lost(&world);
    read.mirror_overrides = false;
    happen(&world, &read);
    assert_asked(&world, "OWN_FENCE");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* What was granted to it before a person had to override, and is to end: nothing of it was ever
 * started. */
static void an_epoch_of_before_is_given_back_untouched(void **state)
{
    struct world world;
    uint64_t runs;

    (void)state;
    begin_overriding(&world);
    runs = world.sent_run.run.run_id;
    leader_answers(&world);
    order(&world, BW_ORDER_STOP, 2);

    assert_true(world.site.memory.given_back);
    assert_int_equal(world.site.memory.epoch, 2);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(world.sent_run.run.run_id, runs);
}

/* The wait is over, and that it overrides is not on the disk yet. */
static void begin_writing_down(struct world *world, uint64_t ms)
{
    begin_standby(world);
    ask(world);
    pass(world, WAIT_MS - 100, "stopped");
    world->save_hangs = true;
    pass(world, ms, "stopped");
    assert_int_equal(world->site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_int_equal(world->site.kept.override, BW_OVERRIDE_WAITING);
}

static void assert_waits_for_disk(const struct bw_site *site, uint64_t now_ms)
{
    uint64_t left_ns;

    assert_int_equal(bw_site_override_waits(site, at_ms(now_ms), &left_ns), BW_OVERRIDE_WAITS_DISK);
}

/* A crash would bring it back, and who has heard that there is none grants another site. */
static void that_it_is_over_is_said_once_it_is_durable(void **state)
{
    struct world world;

    (void)state;
    begin_writing_down(&world, 1000);
    leader_answers(&world);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_WITNESSES);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    saved(&world, true);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);

    begin_standby(&world);
    ask(&world);
    world.save_hangs = true;
    ask_end(&world); /* in the wait: after a crash it would wait again, and serves by no word but its lease's */
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_WAITING);
    assert_waits_for_disk(&world.site, world.now_ms);
    saved(&world, true);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);

    begin_overriding(&world);
    world.save_hangs = true;
    ask_end(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    saved(&world, true);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);
}

/* ---- ended by a person
 * --------------------------------------------------------------------------- */

static void an_end_is_a_fence_that_has_seen_it(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_END});

    assert_asked(&world, "RUN:stop"); /* in order first */
    assert_asked(&world, "SYNC");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_asked(&world, "RUN:fence");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_PERSON);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    /* whoever begins anew here goes on with it */
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_ENDING);
    assert_true((reported(&world).alarms & 1u << BW_ALARM_FENCE_FAILED) != 0);
    world.sent_run.run.action = BW_ACTION_NONE;
    pass(&world, 1500, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE); /* again */
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    pass(&world, 2 * WAIT_MS, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
}

/* Status hangs: the stop fails, and what ends it is the kill of a fence. */
static void a_stop_that_fails_keeps_no_end_waiting(void **state)
{
    static const enum bw_run_result results[] = {BW_RUN_FAILED, BW_RUN_TIMED_OUT, BW_RUN_NOT_STARTED};

    (void)state;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct world world;

        begin_overriding(&world);
        happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OVERRIDE_END});
        ended(&world, &world.sent_run, results[i], "");
        assert_asked(&world, "RUN:fence");
        ended(&world, &world.sent_run, BW_RUN_OK, "");
        assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    }
}

/* Nobody waits any more: there is nothing to count anew, and nothing to say of it. */
static void an_agent_that_stood_still_while_it_ends_counts_nothing_anew(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    ask_end(&world);
    tick_at(&world, world.now_ms + 3000);
    assert_not_asked(&world, "SYNC");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
}

static void an_end_in_the_wait_orders_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    ask_end(&world);
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

static void an_end_survives_a_restart(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_overriding(&world);
    ask_end(&world);
    memory = world.site.kept;

    begin_with(&world, &memory);
    guard_state(&world,
                &(struct bw_guard_state){.enforced = true, .epoch_seen = 1, .armed_serial = 1});
    assert_asked(&world, "RUN:fence");
}

/* What is tried again later keeps no end waiting. */
static void an_end_waits_for_no_retry(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ask_end(&world);
    assert_asked(&world, "RUN:fence");
}

/* A fence that runs already has the time of one that the end asks for (3.4). */
static void an_end_gives_the_fence_that_runs_its_time(void **state)
{
    struct bw_site_memory memory;
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    world.site.guard.fence_bound_ms = 1000;
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    tick_at(&world, world.now_ms + 1000);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_asked(&world, "RUN:fence");
    tick_at(&world, world.now_ms + 60000);
    ask_end(&world);
    assert_not_asked(&world, "OWN_FENCE");
    memory = world.site.kept;

    begin_with(&world, &memory); /* likewise one that is found */
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 1,
                                                 .armed_serial = 1,
                                                 .fence_bound_ms = 1000,
                                                 .running = BW_ACTION_FENCE,
                                                 .running_run_id = 7});
    assert_not_asked(&world, "OWN_FENCE");
    assert_int_equal(world.site.running, BW_ACTION_FENCE);
}

static void without_its_guard_the_agent_ends_it(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.site.guard.epoch_seen = 1;
    guard_lost(&world);
    ask_end(&world);
    assert_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_ENDING);
    tick_at(&world, world.now_ms + 300);
    assert_asked(&world, "OWN_FENCE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* Connected, and it says nothing: the two watch each other (3.4). */
static void a_guard_that_stands_still_is_not_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.site.guard.epoch_seen = 1;
    world.site.guard.fence_bound_ms = 1000;
    ask_end(&world);
    assert_asked(&world, "RUN:fence");
    pass(&world, 2000, "");
    assert_int_equal(world.site.own_fence, BW_SITE_OWN_FENCE_IDLE); /* it may yet answer */
    for (int i = 0; i < 100 && world.site.own_fence == BW_SITE_OWN_FENCE_IDLE; i++)
        tick_at(&world, world.now_ms + 100);
    assert_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1});
    tick_at(&world, world.now_ms + 300);
    assert_asked(&world, "OWN_FENCE"); /* again */
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.kept.override, BW_OVERRIDE_NONE);
    assert_int_equal(reported(&world).override,
                     BW_OVERRIDE_ENDING); /* until its guard says so, too */
}

/* Whatever rests on its disk waits; an end does not (3.4). */
static void while_an_epoch_is_written_down_the_agent_ends_it_too(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    world.save_hangs = true;
    adopt(&world, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_ACCEPTING);
    guard_lost(&world);

    tick_at(&world, world.now_ms + FOR_MS);

    assert_asked(&world, "OWN_FENCE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    saved(&world, true);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING); /* and goes on with what was granted */
}

static void without_an_epoch_the_agent_ends_it_too(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    assert_int_equal(world.site.memory.epoch, 0);
    guard_lost(&world);
    ask_end(&world);
    assert_asked(&world, "OWN_FENCE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
}

/* What the witnesses have taken over is theirs. */
static void an_end_beside_an_epoch_is_refused(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    assert_int_equal(bw_site_judge_override_end(&world.site), BW_OVERRIDE_REFUSAL_ADOPTED);
    ask_end(&world);
    assert_not_asked(&world, "RUN:fence");
}

/* ---- what was committed wins
 * --------------------------------------------------------------------- */

static void beside_another_site_that_has_armed_it_is_fenced(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_asked(&world, "RUN:fence");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_ELSEWHERE);
    adopt(&world, 3); /* not before it was seen to end */
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    tick_at(&world, world.now_ms + 100);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
}

static void what_is_being_written_down_makes_way_for_another_site(void **state)
{
    struct world world;

    (void)state;
    begin_writing_down(&world, 200);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_NONE);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_ELSEWHERE);
}

/* What ran without a lease, and ends beside an epoch of its own, says nothing of that (3.8). */
static void what_ends_in_an_adoption_is_no_end_of_a_start_or_stop_of_it(void **state)
{
    struct world world;

    (void)state;
    begin_waited(&world);
    override_done(&world);
    adopt(&world, 2); /* beside the start */
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_NONE);

    begin_waited(&world);
    override_done(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "RUN:stop");
    adopt(&world, 2); /* beside the stop */
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(world.site.override_start, BW_SITE_OVERRIDE_START_STOP_DUE);
}

/* The newest epoch is its own: what ends that ends it too. */
static void what_is_being_adopted_yields_to_no_epoch_of_before(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    adopt(&world, 2);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 1});
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

/* A witness that does not lead may hear a holder whose lease has not ended: the wait is counted
 * from there. */
static void a_lease_of_another_that_is_heard_in_the_wait_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin_standby(&world);
    ask(&world);
    pass(&world, WAIT_MS - 1000, "stopped");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 1});
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
    assert_int_equal(world.site.other_serves_epoch, 0); /* what it has to follow is said again */
    pass(&world, WAIT_MS - 200, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_WAITING);
    pass(&world, 400, "stopped");
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
}

static void let_go_it_is_fenced_first(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 20, .let_go_index = 20, .epoch = 1};
    struct world world;

    (void)state;
    begin_overriding(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_asked(&world, "RUN:fence");
    assert_not_asked(&world, "LET_GO");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    tick_at(&world, world.now_ms + 100);
    assert_asked(&world, "LET_GO");
}

/* Observed and enforced again before it heard anybody: what was let go may serve at the other site.
 */
static void a_let_go_that_it_missed_ends_it_where_nothing_serves(void **state)
{
    struct bw_order of = {.kind = BW_ORDER_STAND_BY, .index = 20, .let_go_index = 20, .epoch = 1};
    struct world world;

    (void)state;
    begin_overriding(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_not_asked(&world, "RUN:fence");
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING); /* it serves: people's */
    status(&world, "stopped");
    assert_int_equal(reported(&world).override,
                     BW_OVERRIDE_OVERRIDING); /* nobody has spoken since */
    of.index = 21;
    of.others_epoch = true; /* granted after it: whose word ends this is told otherwise */
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_int_equal(reported(&world).override, BW_OVERRIDE_OVERRIDING);
    of.index = 22;
    of.others_epoch = false;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_int_equal(reported(&world).override, BW_OVERRIDE_ENDING);
    assert_int_equal(world.site.override_over, BW_OVERRIDE_OVER_LET_GO);
    assert_asked(&world, "RUN:fence");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    tick_at(&world, world.now_ms + 100);
    assert_int_equal(reported(&world).override, BW_OVERRIDE_NONE);
}

/* What it had been told before, or what tells of none, is no news. */
static void a_stand_by_that_tells_of_no_let_go_ends_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    status(&world, "stopped");
    order(&world, BW_ORDER_STAND_BY, 1);
    assert_int_equal(world.site.memory.override, BW_OVERRIDE_OVERRIDING);
    assert_not_asked(&world, "RUN:fence");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_adopted_untouched_and_the_record_goes_after_the_arm),
        cmocka_unit_test(once_armed_a_lost_lease_is_the_end_of_it),
        cmocka_unit_test(an_adoption_that_ends_before_it_is_armed_leaves_it_serving),
        cmocka_unit_test(what_was_written_before_an_epoch_that_starts_it_has_to_follow),
        cmocka_unit_test(a_grant_whose_leader_goes_is_given_back_untouched),
        cmocka_unit_test(an_arm_that_was_sent_is_no_arm_that_never_was),
        cmocka_unit_test(a_grant_that_another_witness_tells_of_is_the_word_of_a_leader),
        cmocka_unit_test(who_waits_gives_back_what_was_never_armed),
        cmocka_unit_test(after_a_reboot_in_an_adoption_it_overrides_no_more),
        cmocka_unit_test(an_epoch_that_an_agent_before_had_ended_is_the_end_of_it),
        cmocka_unit_test(restarted_in_the_middle_of_an_adoption_it_is_not_fenced),
        cmocka_unit_test(an_epoch_of_before_is_given_back_untouched),
        cmocka_unit_test(that_it_is_over_is_said_once_it_is_durable),
        cmocka_unit_test(an_end_is_a_fence_that_has_seen_it),
        cmocka_unit_test(a_stop_that_fails_keeps_no_end_waiting),
        cmocka_unit_test(an_agent_that_stood_still_while_it_ends_counts_nothing_anew),
        cmocka_unit_test(an_end_in_the_wait_orders_nothing),
        cmocka_unit_test(an_end_survives_a_restart),
        cmocka_unit_test(an_end_waits_for_no_retry),
        cmocka_unit_test(an_end_gives_the_fence_that_runs_its_time),
        cmocka_unit_test(without_its_guard_the_agent_ends_it),
        cmocka_unit_test(a_guard_that_stands_still_is_not_waited_for),
        cmocka_unit_test(while_an_epoch_is_written_down_the_agent_ends_it_too),
        cmocka_unit_test(without_an_epoch_the_agent_ends_it_too),
        cmocka_unit_test(an_end_beside_an_epoch_is_refused),
        cmocka_unit_test(beside_another_site_that_has_armed_it_is_fenced),
        cmocka_unit_test(what_is_being_written_down_makes_way_for_another_site),
        cmocka_unit_test(what_ends_in_an_adoption_is_no_end_of_a_start_or_stop_of_it),
        cmocka_unit_test(what_is_being_adopted_yields_to_no_epoch_of_before),
        cmocka_unit_test(a_lease_of_another_that_is_heard_in_the_wait_is_waited_for),
        cmocka_unit_test(let_go_it_is_fenced_first),
        cmocka_unit_test(a_let_go_that_it_missed_ends_it_where_nothing_serves),
        cmocka_unit_test(a_stand_by_that_tells_of_no_let_go_ends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
