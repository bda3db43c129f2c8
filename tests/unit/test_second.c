/* second: the deadline of a second enforcer, its fence and what it says (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "second_shell.h"

/* I1, 3.4: at D - F of what the agent told last, by the instant at which it was asked. */
static void it_fences_when_the_lease_has_not_gone_on(void **state)
{
    (void)state;
    begin(); /* now 101 s, the end at 110 s */
    tick_at(106999);
    assert_null(strstr(world.log, "FENCE"));
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    looked(BW_SERVICE_STARTED);
    tick_at(107000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    assert_int_equal(world.fence_epoch, 3);
    assert_int_equal(world.fence_limit_ms, 2500);
    assert_int_equal(reported().armed_epoch, 0);
    assert_int_equal(reported().fence_epoch, 3);
    fenced(true);
    assert_log("LOOK ");
    assert_false(reported().fence_seen);
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    looked(BW_SERVICE_STOPPED);
    assert_true(reported().fence_seen);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    tick_at(world.now_ms + 1000);
    looked(BW_SERVICE_UNKNOWN); /* the lease is over with it: nothing starts any more */
    assert_int_equal(bw_second_warns_of(&world.second), 0);
}

/* However late an answer comes, and whatever one of the clocks did: from when it asked. */
static void what_is_left_counts_from_the_question(void **state)
{
    const struct bw_second_lease lease = {
        .epoch = 3, .left_ns = 10000 * MS, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin();
    world.now_ms = 106000;
    tell_since(101500, &lease); /* to 111.5 s */
    looked(BW_SERVICE_STARTED);
    tick_at(108499);
    assert_null(strstr(world.log, "FENCE"));
    looked(BW_SERVICE_STARTED);
    tick_at(108500);
    assert_non_null(strstr(world.log, "FENCE"));
}

static void an_older_answer_takes_nothing_away_and_adds_nothing(void **state)
{
    const struct bw_second_lease lease = {
        .epoch = 3, .left_ns = 1000 * MS, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin();
    tell_since(100500, &lease);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
}

/* 3.2.4: a fence that has begun is finished. */
static void no_answer_extends_a_window_that_has_come(void **state)
{
    (void)state;
    begin();
    looked(BW_SERVICE_STARTED);
    world.now_ms = 107500; /* nobody has woken it */
    tell(3, 10000);
    assert_non_null(strstr(world.log, "FENCE"));
    tell(3, 10000);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
    fenced(true);
    assert_log("LOOK ");
}

/* 3.2.4: exit status 0 alone proves nothing, nor does a look that began before. */
static void a_fence_ends_with_a_look_that_began_after_it(void **state)
{
    (void)state;
    begin();
    tick_at(106900); /* a look is under way */
    assert_log("LOOK ");
    tick_at(107000);
    assert_non_null(strstr(world.log, "KILL_LOOK FENCE"));
    fenced(true);
    assert_log(""); /* the one that dies has its place */
    looked(BW_SERVICE_STOPPED);
    assert_log("LOOK ");
    assert_false(reported().fence_seen);
    looked(BW_SERVICE_STARTED);
    assert_false(reported().fence_seen);
    tick_at(world.now_ms + 1000);
    assert_log("FENCE ");
}

static void a_fence_that_fails_is_tried_again(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(false);
    assert_log("");
    tick_at(107999);
    assert_log("");
    tick_at(108000);
    assert_log("FENCE ");
    assert_int_equal(world.fence_limit_ms, 2000); /* until the lease ends; then as long as F */
    fenced(true);
    looked(BW_SERVICE_UNKNOWN);
    tick_at(111000);
    assert_log("FENCE ");
    assert_int_equal(world.fence_limit_ms, 2500);
}

/* What was ordered before may come late. */
static void what_serves_again_is_fenced_again(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    tick_at(109000);
    assert_log("LOOK ");
    looked(BW_SERVICE_STARTED);
    assert_log("FENCE ");
}

/* 3.5: it was given back, so nothing is left to end, and a script would end what comes after. */
static void what_is_over_is_fenced_no_more(void **state)
{
    (void)state;
    begin();
    tell_over(3);
    assert_int_equal(reported().armed_epoch, 0);
    tick_at(120000);
    assert_log("LOOK ");

    begin();
    tick_at(107000);
    tell_over(3);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    fenced(true);
    assert_null(strstr(world.log, "FENCE"));
    tell_over(2);
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 0); /* it has ended */
}

/* 3.4: an agent says with each answer that the epoch is over. A standby's enforcer would never
 * finish a look that takes longer than from one answer to the next, and count as blind when its
 * site is granted. */
static void one_that_rests_finishes_its_looks(void **state)
{
    (void)state;
    begin();
    tell_over(3);
    tick_at(120000);
    assert_log("LOOK ");
    tell_over(3);
    assert_log("");
    looked(BW_SERVICE_STOPPED);
    assert_int_equal(reported().service, BW_SERVICE_STOPPED);
    assert_int_equal(reported().service_age_ms, 0);
}

static void a_newer_epoch_ends_the_fence_of_an_older_one(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    tell(4, 10000);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    fenced(false);
    assert_int_equal(reported().armed_epoch, 4);
    tick_at(114000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.fence_epoch, 4);
}

static void an_older_epoch_and_no_epoch_change_nothing(void **state)
{
    (void)state;
    begin();
    tell(2, 60000);
    tell(0, 60000);
    tell_over(2);
    assert_int_equal(reported().armed_epoch, 3);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
}

/* 3.4: what a restart would forget is not told as taken. */
static void an_epoch_is_armed_once_it_is_durable(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    world.save_hangs = true;
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 0);
    tick_at(107000);
    assert_non_null(strstr(world.log, "FENCE")); /* it enforces all the same */

    begin_with(&(struct bw_second_memory){0});
    world.save_fails = true;
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 0);
    world.save_fails = false;
    tick_at(world.now_ms + 1000);
    assert_non_null(strstr(world.log, "SAVE"));
    assert_int_equal(reported().armed_epoch, 3);
}

/* Nobody can tell its deadline any more, unless the agent does. */
static void one_that_begins_with_an_open_epoch_fences_it_unless_told(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin_with(&memory);
    looked(BW_SERVICE_STARTED);
    tick_at(101999);
    assert_null(strstr(world.log, "FENCE"));
    looked(BW_SERVICE_STARTED);
    tick_at(102000);
    assert_non_null(strstr(world.log, "FENCE"));

    /* The lease may go on, and its agent start the service again: an end that is seen no more is
     * none. */
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    tick_at(world.now_ms + 1000);
    looked(BW_SERVICE_UNKNOWN);
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    tick_at(world.now_ms + 1000);
    looked(BW_SERVICE_STOPPED);
    assert_int_equal(bw_second_warns_of(&world.second), 0);

    begin_with(&memory);
    tell(3, 10000);
    tick_at(106999);
    assert_null(strstr(world.log, "FENCE"));
    tick_at(107000);
    assert_non_null(strstr(world.log, "FENCE"));

    begin_with(&memory); /* a guess is no deadline: what it is told first stands, also earlier */
    tell(3, 4000);
    tick_at(101000);
    assert_non_null(strstr(world.log, "FENCE"));

    begin_with(&(struct bw_second_memory){.epoch = 3, .is_over = true, .fence_ns = 1});
    tick_at(200000);
    assert_null(strstr(world.log, "FENCE"));
}

/* It guessed the end of the one before, and that one is over with it. */
static void an_epoch_that_it_has_just_been_told_is_not_warned_of(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin_with(&memory);
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    tell(4, 10000);
    assert_int_equal(reported().armed_epoch, 4);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    tell(4, 5000); /* by an answer that was overtaken */
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
}

static void each_deadline_that_it_is_told_is_mirrored(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    tell(3, 10000);
    assert_non_null(strstr(world.log, "MIRROR"));
    world.now_ms += 1000;
    tell(3, 10000);
    assert_non_null(strstr(world.log, "MIRROR"));
    tell_over(2);
    assert_null(strstr(world.log, "MIRROR"));
}

/* 3.4: agent and second enforcer restarted by one cause. The agent knows no lease before its guard
 * has acknowledged one anew, and what it holds goes on all the while. */
static void one_that_begins_anew_resumes_the_deadline_that_it_was_told(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_mirror mirror = mirror_of(3, 108000);

    (void)state;
    begin_beside(&memory, &mirror);
    assert_int_equal(reported().armed_epoch, 3);
    looked(BW_SERVICE_STARTED);
    tell_over(2); /* nothing is alive */
    tick_at(104999);
    assert_null(strstr(world.log, "FENCE"));
    looked(BW_SERVICE_STARTED);
    tick_at(105000); /* never later than it was told */
    assert_non_null(strstr(world.log, "FENCE"));

    begin_beside(&memory, &mirror);
    tell(3, 10000);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
    begin_beside(&memory, &mirror);
    tell(3, 5000); /* by an answer that was overtaken */
    assert_int_equal(world.second.end.boot_ns, 108000 * MS);
}

/* 3.4: mirrors are self-sufficient. What it was told was not durable yet. */
static void a_mirror_is_enough_to_know_of_an_epoch(void **state)
{
    const struct bw_second_memory older = {
        .epoch = 2, .is_over = true, .fence_ns = 1, .interval_ms = 1000, .limit_ms = 1000};
    const struct bw_second_mirror mirror = mirror_of(3, 108000);
    const struct bw_second_lease lease = {
        .epoch = 3, .left_ns = 8000 * MS, .fence_ns = FENCE_MS * MS, .serves = true};

    (void)state;
    begin_beside(&older, &mirror);
    assert_non_null(strstr(world.log, "SAVE"));
    assert_int_equal(reported().armed_epoch, 3);
    assert_int_equal(world.second.memory.interval_ms, 0); /* the terms of the newer one are others, perhaps */
    assert_int_equal(world.second.memory.limit_ms, 0);
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_ANSWERED,
                                     .lease = &lease,
                                     .asked = {world.now_ms * MS, world.now_ms * MS},
                                     .interval_ms = 700,
                                     .limit_ms = 900});
    assert_int_equal(world.second.memory.interval_ms, 700); /* its agent tells them, and nobody else */
    assert_int_equal(world.second.memory.limit_ms, 900);
    tick_at(105000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.fence_epoch, 3);
}

/* Nor does a mirror take away the two seconds of one that knows nothing. */
static void what_a_mirror_says_of_the_past_is_not_believed(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_memory over = {.epoch = 3, .is_over = true, .fence_ns = FENCE_MS * MS};
    const struct {
        const struct bw_second_memory *memory;
        struct bw_second_mirror mirror;
        uint64_t end_ms; /* 0: nothing is armed */
        bool was_due;    /* somebody may have warned of it */
    } rows[] = {
        {&memory, mirror_of(2, 108000), 105000, false}, /* of an older epoch */
        {&memory, mirror_of(3, 103000), 105000, true},  /* its window has come: more may have been said */
        {&memory, mirror_of(3, 4000000), 105000, true}, /* no lease is so long */
        {&over, mirror_of(3, 108000), 0, false},        /* it was given back */
        {&over, mirror_of(4, 103000), 105000, true},    /* a newer one, and its window has come */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin_beside(rows[i].memory, &rows[i].mirror);
        assert_int_equal(world.second.end.boot_ns, rows[i].end_ms * MS);
        assert_int_equal(world.second.was_due, rows[i].was_due);
        assert_int_equal(world.second.phase == BW_SECOND_IDLE, rows[i].end_ms == 0);
    }
    assert_non_null(bw_second_mirror_unsound(&(struct bw_second_mirror){.epoch = 1}));
}

/* The other clock has got there first. */
static void either_clock_brings_the_window(void **state)
{
    (void)state;
    begin();
    looked(BW_SERVICE_STARTED);
    world.now_ms = 107500;
    world.raw_lag_ms = 6000; /* suspended meanwhile */
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_TICK});
    assert_non_null(strstr(world.log, "FENCE"));
}

/* 3.4: only who sees what its agent sees would end what its agent has started. */
static void it_agrees_once_both_have_seen_it_serve(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_STARTED);
    assert_false(reported().has_agreed);
    tell(3, 10000); /* it serves, and its look was before */
    tick_at(101000);
    looked(BW_SERVICE_STOPPED);
    assert_false(reported().has_agreed);
    tick_at(102000);
    looked(BW_SERVICE_STARTED);
    assert_true(reported().has_agreed);
    assert_int_equal(world.second.kept.agreed_digest, 5);
    tick_at(106000); /* what the agent said is too old */
    looked_with(BW_SERVICE_STARTED, 6);
    assert_false(reported().has_agreed);
}

/* 3.4: a fence_script that is replaced under it is none of those with which it has agreed. */
static void other_scripts_have_agreed_on_nothing(void **state)
{
    (void)state;
    begin();
    assert_true(reported().has_agreed);
    tick_at(102500);
    looked_with(BW_SERVICE_STOPPED, 6);
    assert_false(reported().has_agreed);
    tick_at(103500);
    looked_with(BW_SERVICE_STOPPED, 0); /* it did not come so far */
    assert_false(reported().has_agreed);
    tell(3, 10000);
    tick_at(104500);
    looked_with(BW_SERVICE_STARTED, 6);
    assert_true(reported().has_agreed);
    assert_int_equal(world.second.kept.agreed_digest, 6);
    tick_at(105500);
    looked_with(BW_SERVICE_STARTED, 5); /* as they were: others have been there meanwhile */
    assert_int_equal(world.second.kept.agreed_digest, 5);
}

static void what_it_says_of_its_looks(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    assert_int_equal(reported().service, BW_SERVICE_UNKNOWN);
    assert_int_equal(reported().service_age_ms, UINT32_MAX);
    world.now_ms += 300;
    looked(BW_SERVICE_STARTED);
    assert_int_equal(reported().service, BW_SERVICE_STARTED);
    assert_int_equal(reported().service_age_ms, 300); /* since it began */
    assert_int_equal(reported().check_interval_ms, 1000);
}

/* 3.4: how far its looks are apart. What hangs says nothing of that before it has ended. */
static void looks_that_take_long_are_as_far_apart(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    world.now_ms += 8000;
    looked(BW_SERVICE_STARTED);
    assert_log("LOOK "); /* the next one follows */
    assert_int_equal(reported().check_interval_ms, 8000);
    world.now_ms += 7999;
    assert_int_equal(reported().service_age_ms, 15999);
    assert_int_equal(reported().check_interval_ms, 8000);
    world.now_ms += 1000000;
    assert_int_equal(reported().check_interval_ms, 8000);
    looked(BW_SERVICE_STARTED);
    world.now_ms += 10;
    looked(BW_SERVICE_STARTED);
    assert_int_equal(reported().check_interval_ms, 1000);
}

/* What an agent says is another machine's word. */
static void what_makes_no_sense_is_not_taken(void **state)
{
    static const struct bw_second_lease senseless[] = {
        {.epoch = 9, .left_ns = UINT64_MAX, .fence_ns = 1},
        {.epoch = 9, .left_ns = 1, .fence_ns = 0},
        {.epoch = 9, .left_ns = 1, .fence_ns = UINT64_MAX},
        {.epoch = 9, .left_ns = 1, .fence_ns = 1, .over_epoch = 9},
    };

    (void)state;
    begin_with(&(struct bw_second_memory){0});
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++)
        tell_since(world.now_ms, &senseless[i]);
    assert_int_equal(world.second.memory.epoch, 0);
    looked(BW_SERVICE_STARTED);
    looked(BW_SERVICE_STARTED); /* nobody asked for it */
    fenced(true);
    assert_int_equal(world.second.phase, BW_SECOND_IDLE);
    assert_string_equal(bw_second_phase_word(BW_SECOND_IDLE), "IDLE");
    assert_non_null(bw_second_memory_unsound(&(struct bw_second_memory){.epoch = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_fences_when_the_lease_has_not_gone_on),
        cmocka_unit_test(what_is_left_counts_from_the_question),
        cmocka_unit_test(an_older_answer_takes_nothing_away_and_adds_nothing),
        cmocka_unit_test(no_answer_extends_a_window_that_has_come),
        cmocka_unit_test(a_fence_ends_with_a_look_that_began_after_it),
        cmocka_unit_test(a_fence_that_fails_is_tried_again),
        cmocka_unit_test(what_serves_again_is_fenced_again),
        cmocka_unit_test(what_is_over_is_fenced_no_more),
        cmocka_unit_test(one_that_rests_finishes_its_looks),
        cmocka_unit_test(a_newer_epoch_ends_the_fence_of_an_older_one),
        cmocka_unit_test(an_older_epoch_and_no_epoch_change_nothing),
        cmocka_unit_test(an_epoch_is_armed_once_it_is_durable),
        cmocka_unit_test(one_that_begins_with_an_open_epoch_fences_it_unless_told),
        cmocka_unit_test(an_epoch_that_it_has_just_been_told_is_not_warned_of),
        cmocka_unit_test(each_deadline_that_it_is_told_is_mirrored),
        cmocka_unit_test(one_that_begins_anew_resumes_the_deadline_that_it_was_told),
        cmocka_unit_test(a_mirror_is_enough_to_know_of_an_epoch),
        cmocka_unit_test(what_a_mirror_says_of_the_past_is_not_believed),
        cmocka_unit_test(either_clock_brings_the_window),
        cmocka_unit_test(it_agrees_once_both_have_seen_it_serve),
        cmocka_unit_test(other_scripts_have_agreed_on_nothing),
        cmocka_unit_test(what_it_says_of_its_looks),
        cmocka_unit_test(looks_that_take_long_are_as_far_apart),
        cmocka_unit_test(what_makes_no_sense_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
