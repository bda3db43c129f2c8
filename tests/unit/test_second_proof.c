/* second: a second enforcer proves, under a lease that goes on, that its fence ends what serves (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "second_shell.h"

#define PROOF 77

/* 10 s of epoch 3 are left, whatever the time is. */
static void tell_proof(uint64_t number)
{
    const struct bw_second_lease lease = {
        .epoch = 3, .left_ns = 10000 * MS, .fence_ns = FENCE_MS * MS, .proof = number};

    tell_since(world.now_ms, &lease);
}

/* Its agent still asks for it, in answer to a later question. */
static void confirm_proof(void)
{
    world.now_ms += 10;
    tell_proof(PROOF);
}

/* Its script runs. */
static void begin_proof(void)
{
    begin();
    tell_proof(PROOF);
    assert_non_null(strstr(world.log, "LOOK "));
    looked(BW_SERVICE_STARTED);
    assert_log("FENCE ");
}

static void a_fence_that_alone_ends_what_serves_is_proved(void **state)
{
    (void)state;
    begin_proof();
    assert_int_equal(world.fence_epoch, 3);
    assert_int_equal(world.fence_limit_ms, 2500);
    assert_true(world.restarts);
    assert_int_equal(reported().proof_ended, 0);
    assert_int_equal(reported().armed_epoch, 3); /* its deadline goes on */
    assert_int_equal(reported().fence_epoch, 0);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    fenced(true);
    assert_log("LOOK ");
    looked(BW_SERVICE_STOPPED);
    assert_log("");
    assert_true(world.is_news);
    assert_false(reported().is_proved);
    confirm_proof();
    assert_non_null(strstr(world.log, "SAVE "));
    assert_true(reported().is_proved);
    assert_int_equal(reported().proof_ended, PROOF);
    assert_int_equal(world.second.phase, BW_SECOND_ARMED);

    tell_proof(PROOF); /* an answer from before it was heard: the same proof */
    assert_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.second.proof, BW_SECOND_PROOF_NONE);
    tell_proof(PROOF + 1);
    assert_int_equal(world.second.proof, BW_SECOND_PROOF_BEFORE);
}

static void what_serves_on_takes_back_what_was_proved(void **state)
{
    (void)state;
    begin_proof();
    world.second.memory.proved_digest = world.second.kept.proved_digest = 5;
    fenced(true);
    looked(BW_SERVICE_STARTED);
    assert_false(reported().is_proved);
    assert_int_equal(reported().proof_ended, PROOF);
    assert_int_equal(world.second.kept.proved_digest, 0);

    begin_proof();
    world.second.memory.proved_digest = world.second.kept.proved_digest = 5;
    fenced(false);
    assert_false(reported().is_proved);
    assert_int_equal(reported().proof_ended, PROOF);
    assert_null(strstr(world.log, "LOOK"));
}

/* An unknown is not yes. */
static void a_look_that_says_nothing_proves_nothing(void **state)
{
    (void)state;
    begin_proof();
    fenced(true);
    looked(BW_SERVICE_UNKNOWN);
    assert_false(reported().is_proved);
}

/* Nothing is ended that may be down by itself. */
static void what_is_not_seen_to_run_is_not_fenced(void **state)
{
    (void)state;
    begin();
    tell_proof(PROOF);
    looked(BW_SERVICE_STOPPED);
    assert_null(strstr(world.log, "FENCE"));
    assert_int_equal(reported().proof_ended, PROOF);
    assert_false(reported().is_proved);
}

static void a_look_that_began_before_it_was_asked_says_nothing(void **state)
{
    (void)state;
    begin();
    tick_at(world.now_ms + 1000);
    assert_log("LOOK ");
    tell_proof(PROOF);
    assert_null(strstr(world.log, "LOOK"));
    looked(BW_SERVICE_STARTED);
    assert_non_null(strstr(world.log, "LOOK "));
    assert_null(strstr(world.log, "FENCE"));
    looked(BW_SERVICE_STARTED);
    assert_log("FENCE ");
}

/* By the deadline it has F, and no more. */
static void what_takes_longer_than_a_fence_has_is_not_proved(void **state)
{
    (void)state;
    begin_proof();
    world.now_ms += 2400;
    fenced(true);
    world.now_ms += 600;
    looked(BW_SERVICE_STOPPED);
    confirm_proof();
    assert_false(reported().is_proved);
    begin_proof();
    world.now_ms += 2400;
    fenced(true);
    world.now_ms += 599;
    looked(BW_SERVICE_STOPPED);
    confirm_proof();
    assert_true(reported().is_proved);
}

/* What was proved is proved of these scripts. */
static void other_scripts_are_not_proved(void **state)
{
    (void)state;
    begin_proof();
    fenced(true);
    looked_with(BW_SERVICE_STOPPED, 6);
    assert_false(reported().is_proved);
    assert_int_equal(world.second.proof, BW_SECOND_PROOF_NONE);

    begin_proof();
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    confirm_proof();
    assert_true(reported().is_proved);
    tick_at(world.now_ms + 1000);
    looked_with(BW_SERVICE_STOPPED, 6);
    assert_false(reported().is_proved);
}

/* I1: the lease has not gone on meanwhile. A proof leaves its epoch open: the fence of the deadline is another run. */
static void the_deadline_takes_its_place(void **state)
{
    (void)state;
    begin();
    tick_at(106000);
    tell(3, 4000); /* the end is still at 110 s */
    looked(BW_SERVICE_STARTED);
    tell_since(106000, &(struct bw_second_lease){
                           .epoch = 3, .left_ns = 4000 * MS, .fence_ns = FENCE_MS * MS, .proof = PROOF});
    looked(BW_SERVICE_STARTED);
    assert_log("FENCE ");
    tick_at(107000);
    assert_int_equal(world.second.phase, BW_SECOND_SCRIPT);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    assert_int_equal(reported().fence_epoch, 3);
    fenced(false);
    assert_log("FENCE ");
    assert_false(world.restarts);
    fenced(true);
    assert_log("LOOK ");
    looked(BW_SERVICE_STOPPED);
    assert_true(reported().fence_seen);
    assert_false(reported().is_proved);
}

/* A new agent, or one that waits no longer, starts the service: what still ran would end that. */
static void who_is_asked_no_more_goes_on_no_more(void **state)
{
    (void)state;
    begin_proof();
    tell_proof(0);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    fenced(true);
    assert_null(strstr(world.log, "FENCE"));
    assert_false(reported().is_proved);
    assert_int_equal(world.second.phase, BW_SECOND_ARMED);
}

/* 3.4, alone: its site may have stopped the service itself meanwhile, and the agent says it with its next answer. */
static void what_ended_beside_a_stop_of_its_site_is_not_proved(void **state)
{
    (void)state;
    begin_proof();
    fenced(true);
    world.now_ms += 100;
    looked(BW_SERVICE_STOPPED);
    tell_since(world.now_ms - 50, &(struct bw_second_lease){
                                      .epoch = 3, .left_ns = 10000 * MS, .fence_ns = FENCE_MS * MS, .proof = PROOF});
    assert_false(reported().is_proved); /* that question had left before the end was seen */
    world.now_ms += 10;
    tell_proof(0);
    assert_false(reported().is_proved);
    assert_int_equal(world.second.proof, BW_SECOND_PROOF_NONE);
}

/* A new agent has no lease yet, and asks for nothing. */
static void an_agent_without_a_lease_ends_it(void **state)
{
    (void)state;
    begin_proof();
    tell_since(world.now_ms, &(struct bw_second_lease){.epoch = 0});
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    assert_int_equal(world.second.phase, BW_SECOND_ARMED);
}

/* The agent would start the service beside it. */
static void what_was_asked_for_long_ago_is_not_begun(void **state)
{
    (void)state;
    begin();
    world.now_ms += 100;
    tell_since(world.now_ms, &(struct bw_second_lease){
                                 .epoch = 3, .left_ns = 60000 * MS, .fence_ns = FENCE_MS * MS, .proof = PROOF});
    world.now_ms += 20000;
    looked(BW_SERVICE_STARTED);
    assert_null(strstr(world.log, "FENCE"));
    assert_int_equal(reported().proof_ended, PROOF);
}

/* Nobody hears of what is not durable. */
static void what_is_not_kept_is_not_said(void **state)
{
    (void)state;
    begin_proof();
    fenced(true);
    world.save_hangs = true;
    looked(BW_SERVICE_STOPPED);
    confirm_proof();
    assert_false(reported().is_proved);
    assert_int_equal(reported().proof_ended, 0);
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_SAVED, .number = world.save_number, .ok = true});
    assert_true(reported().is_proved);
    assert_int_equal(reported().proof_ended, PROOF);
}

/* It outlives the process, the epoch and the boot. */
static void it_is_kept(void **state)
{
    const struct bw_second_memory memory = {
        .epoch = 3, .is_over = true, .fence_ns = FENCE_MS * MS, .agreed_digest = 5, .proved_digest = 5};

    (void)state;
    begin_with(&memory);
    assert_true(reported().is_proved);
    looked(BW_SERVICE_STOPPED);
    tell(4, 10000);
    assert_int_equal(reported().armed_epoch, 4);
    assert_true(reported().is_proved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_that_alone_ends_what_serves_is_proved),
        cmocka_unit_test(what_serves_on_takes_back_what_was_proved),
        cmocka_unit_test(a_look_that_says_nothing_proves_nothing),
        cmocka_unit_test(what_is_not_seen_to_run_is_not_fenced),
        cmocka_unit_test(a_look_that_began_before_it_was_asked_says_nothing),
        cmocka_unit_test(what_takes_longer_than_a_fence_has_is_not_proved),
        cmocka_unit_test(other_scripts_are_not_proved),
        cmocka_unit_test(the_deadline_takes_its_place),
        cmocka_unit_test(who_is_asked_no_more_goes_on_no_more),
        cmocka_unit_test(what_ended_beside_a_stop_of_its_site_is_not_proved),
        cmocka_unit_test(an_agent_without_a_lease_ends_it),
        cmocka_unit_test(what_was_asked_for_long_ago_is_not_begun),
        cmocka_unit_test(what_is_not_kept_is_not_said),
        cmocka_unit_test(it_is_kept),
    };

    return cmocka_run_group_tests_name("second_proof", tests, NULL, NULL);
}
