/* second: what comes late, twice, or of another epoch; when it wakes, what is news, and what cannot
 * be (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "second_shell.h"

#define LEFT_MS_MAX (3600 * 1000)

static void saved(uint64_t number, bool ok)
{
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_SAVED, .number = number, .ok = ok});
}

static void assert_wakes_at(uint64_t ms)
{
    assert_int_equal(world.wake_at.boot_ns, ms * MS);
}

static void assert_wakes_never(void)
{
    const struct bw_instant never = BW_INSTANT_NEVER;

    assert_memory_equal(&world.wake_at, &never, sizeof never);
}

/* ---- what runs ------------------------------------------------------------------------------- */

/* I1: it was begun for another epoch, and what that one's script said ends nothing of this one. */
static void a_fence_that_was_cut_off_is_no_fence_of_the_next_epoch(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    tell(4, 10000);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    tick_at(114000);
    assert_null(strstr(world.log, "FENCE")); /* one at a time */
    fenced(true);
    assert_log("FENCE ");
    assert_int_equal(world.fence_epoch, 4);
}

static void the_pause_after_a_failure_is_none_of_the_next_epoch(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(false); /* until 108 s */
    tell(4, 3500);
    tick_at(107500);
    assert_non_null(strstr(world.log, "FENCE"));
}

static void an_end_of_a_script_that_nobody_runs_is_none(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(false);
    fenced(true);
    assert_log("");
}

/* 3.2.4 */
static void a_look_that_was_cut_off_has_seen_nothing(void **state)
{
    (void)state;
    begin();
    tick_at(106900);
    assert_log("LOOK ");
    tick_at(107000);
    looked(BW_SERVICE_STOPPED);
    assert_int_equal(reported().service, BW_SERVICE_STARTED);
    fenced(true); /* its script runs on beside that */
    assert_log("LOOK ");
}

static void what_nobody_looked_at_is_not_believed(void **state)
{
    (void)state;
    begin();
    looked(BW_SERVICE_STOPPED);
    assert_int_equal(reported().service, BW_SERVICE_STARTED);
}

static void a_newer_epoch_ends_the_look_after_an_older_fence(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(true);
    assert_log("LOOK ");
    tell(4, 10000);
    assert_non_null(strstr(world.log, "KILL_LOOK"));
    looked(BW_SERVICE_STOPPED);
    assert_false(reported().fence_seen);
    assert_int_equal(reported().armed_epoch, 4);
}

/* 3.5: and a restart knows of it. */
static void what_is_given_back_ends_its_look_and_is_durably_over(void **state)
{
    (void)state;
    begin();
    tick_at(102000);
    assert_log("LOOK ");
    tell_over(3);
    assert_non_null(strstr(world.log, "KILL_LOOK"));
    assert_true(world.second.kept.is_over);
    tell(3, 10000);
    assert_null(strstr(world.log, "MIRROR"));
    assert_int_equal(world.second.phase, BW_SECOND_IDLE);

    tell(4, 10000);
    assert_int_equal(reported().armed_epoch, 4);
}

static void come_into(enum bw_second_phase phase)
{
    begin();
    if (phase == BW_SECOND_IDLE)
        tell_over(3);
    if (phase >= BW_SECOND_SCRIPT)
        tick_at(107000);
    if (phase >= BW_SECOND_LOOKING)
        fenced(true);
    if (phase >= BW_SECOND_FENCED)
        looked(BW_SERVICE_STOPPED);
    assert_int_equal(world.second.phase, phase);
}

/* E1, E2 */
static void whatever_it_does_a_newer_epoch_arms_it_and_one_that_is_over_lets_it_rest(void **state)
{
    (void)state;
    for (int phase = BW_SECOND_IDLE; phase <= BW_SECOND_FENCED; phase++) {
        come_into((enum bw_second_phase)phase);
        tell(4, 10000);
        assert_int_equal(world.second.phase, BW_SECOND_ARMED);
        assert_int_equal(reported().armed_epoch, 4);

        come_into((enum bw_second_phase)phase);
        tell_over(3);
        assert_int_equal(world.second.phase, BW_SECOND_IDLE);
        assert_true(world.second.kept.is_over);
    }
}

/* ---- what it is told ------------------------------------------------------------------------- */

/* 3.2.4: nor by one that looks after its script, or has seen the end. */
static void a_fence_that_has_begun_is_not_taken_back(void **state)
{
    (void)state;
    begin();
    tick_at(107000);
    fenced(true);
    tell(3, 10000);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
    assert_int_equal(reported().armed_epoch, 0);
    looked(BW_SERVICE_STOPPED);
    assert_true(reported().fence_seen);
    tell(3, 10000);
    assert_true(reported().fence_seen);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
}

static void a_newer_epoch_is_taken_although_the_window_of_an_older_one_has_come(void **state)
{
    (void)state;
    begin();
    world.now_ms = 107500; /* nobody has woken it */
    tell(4, 10000);
    assert_null(strstr(world.log, "FENCE"));
    assert_int_equal(reported().armed_epoch, 4);
}

/* H8: the other clock is behind: the machine was suspended. */
static void no_answer_extends_a_window_that_one_clock_has_reached(void **state)
{
    (void)state;
    begin();
    looked(BW_SERVICE_STARTED);
    world.now_ms = 107500;
    world.raw_lag_ms = 6000;
    tell(3, 10000);
    assert_non_null(strstr(world.log, "FENCE"));
}

static void the_first_epoch_is_one_like_any(void **state)
{
    const struct bw_second_mirror mirror = mirror_of(1, 108000);

    (void)state;
    begin_with(&(struct bw_second_memory){0});
    tell(1, 10000);
    assert_int_equal(reported().armed_epoch, 1);
    tell_over(1);
    assert_int_equal(reported().armed_epoch, 0);

    begin_beside(&(struct bw_second_memory){0}, &mirror);
    assert_int_equal(reported().armed_epoch, 1);
}

/* The longest lease and window, and the shortest. */
static void what_a_spec_can_say_is_taken(void **state)
{
    const struct bw_second_lease longest = {.epoch = 3, .left_ns = LEFT_MS_MAX * MS, .fence_ns = 1};
    const struct bw_second_lease widest = {
        .epoch = 4, .left_ns = 1000 * MS, .fence_ns = LEFT_MS_MAX * MS};
    const struct bw_second_mirror mirror = mirror_of(3, 100000 + LEFT_MS_MAX);

    (void)state;
    begin_with(&(struct bw_second_memory){0});
    tell_since(world.now_ms, &longest);
    assert_int_equal(world.second.memory.epoch, 3);
    tell_since(world.now_ms, &widest);
    assert_int_equal(world.second.memory.epoch, 4);

    begin_beside(&(struct bw_second_memory){.epoch = 3, .fence_ns = FENCE_MS * MS}, &mirror);
    assert_int_equal(world.second.end.boot_ns, mirror.end.boot_ns);
    assert_null(strstr(world.log, "SAVE")); /* it is durable */
}

/* 3.4: a guess until it is told; from then on no end is doubted, and no answer shortens it. */
static void what_it_is_told_once_is_no_guess_any_more(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin_with(&memory);
    assert_int_equal(bw_second_warns_of(&world.second), 3); /* a fence may have begun before it was started */
    tell(3, 10000);
    assert_int_equal(bw_second_warns_of(&world.second), 0); /* none has */
    tell(3, 5000);
    assert_int_equal(world.second.end.boot_ns, 110000 * MS);
    looked(BW_SERVICE_STARTED);
    tick_at(107000);
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    tick_at(world.now_ms + 1000);
    looked(BW_SERVICE_UNKNOWN);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
}

/* H8: it has come by one of the clocks. */
static void a_mirror_whose_window_one_clock_has_reached_is_not_resumed(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_mirror mirror = {
        .epoch = 3, .fence_ns = FENCE_MS * MS, .end = {102500 * MS, 120000 * MS}};

    (void)state;
    begin_beside(&memory, &mirror);
    assert_int_equal(world.second.end.boot_ns, 105000 * MS); /* the grace, and F */
}

/* ---- agreement ------------------------------------------------------------------------------- */

static void an_agent_that_does_not_serve_has_agreed_on_nothing(void **state)
{
    const struct bw_second_lease lease = {
        .epoch = 3, .left_ns = 10000 * MS, .fence_ns = FENCE_MS * MS};

    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_STOPPED);
    tell_since(world.now_ms, &lease);
    tick_at(101000);
    looked(BW_SERVICE_STARTED);
    assert_false(reported().has_agreed);
}

/* What it would end may be what its fence has left. */
static void what_is_seen_while_it_fences_is_no_agreement(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_STOPPED);
    tell(3, 4000);
    tick_at(101000);
    assert_non_null(strstr(world.log, "FENCE"));
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    tick_at(102000);
    looked(BW_SERVICE_STARTED);
    assert_false(reported().has_agreed);
}

static void an_answer_is_old_by_the_clock_that_is_ahead(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_STOPPED);
    tell(3, 10000);
    world.raw_lag_ms = 3000;
    tick_at(104000);
    looked(BW_SERVICE_STARTED);
    assert_false(reported().has_agreed);
}

static void what_was_agreed_on_is_written_down_once(void **state)
{
    (void)state;
    begin();
    tell(3, 10000);
    tick_at(102000);
    looked(BW_SERVICE_STARTED);
    assert_log("");
}

/* ---- what is durable ------------------------------------------------------------------------- */

/* 3.4: of two saves that are under way the older one says nothing of the newer epoch. */
static void only_the_newest_save_makes_an_epoch_durable(void **state)
{
    uint64_t first;

    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_STOPPED);
    world.save_hangs = true;
    tell(3, 10000);
    first = world.save_number;
    tell(4, 10000);
    tick_at(101000);
    assert_log("LOOK ");
    saved(first, true);
    assert_int_equal(reported().armed_epoch, 0);
    assert_int_equal(world.second.kept.epoch, 0);
    saved(world.save_number, true);
    assert_int_equal(reported().armed_epoch, 4);
    assert_int_equal(reported().service, BW_SERVICE_STOPPED); /* that was no look */
}

static void a_save_that_has_failed_is_not_believed_later(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    world.save_hangs = true;
    tell(3, 10000);
    saved(world.save_number, false);
    saved(world.save_number, true);
    assert_int_equal(reported().armed_epoch, 0);
}

/* ---- when it wakes, and what is news --------------------------------------------------------- */

static void it_wakes_for_what_is_due_next(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    assert_wakes_never(); /* a look runs, and nothing is armed */
    looked(BW_SERVICE_STARTED);
    assert_wakes_at(101000);

    begin();
    assert_wakes_at(102000); /* the next look */
    tick_at(102000);
    assert_wakes_at(107000); /* the window */
    looked(BW_SERVICE_STARTED);
    tick_at(107000);
    looked(BW_SERVICE_UNKNOWN);
    assert_wakes_never(); /* its script runs */
    fenced(false);
    assert_wakes_at(108000);
    tick_at(108000);
    fenced(true);
    assert_wakes_never();
    looked(BW_SERVICE_STOPPED);
    assert_wakes_at(109000);

    begin_with(&(struct bw_second_memory){0});
    world.save_fails = true;
    tell(3, 10000);
    assert_wakes_at(101000);
}

static void what_is_new_is_told_at_once(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    looked(BW_SERVICE_UNKNOWN);
    assert_true(world.is_news);
    tick_at(101000);
    assert_false(world.is_news);
    looked(BW_SERVICE_UNKNOWN);
    assert_false(world.is_news);
    tick_at(102000);
    looked(BW_SERVICE_STOPPED);
    assert_true(world.is_news);
    tick_at(103000);
    looked_with(BW_SERVICE_STOPPED, 6); /* other scripts */
    assert_true(world.is_news);
    tick_at(104000);
    looked_with(BW_SERVICE_STOPPED, 6);
    assert_false(world.is_news);
    tell(3, 10000); /* it is armed */
    assert_true(world.is_news);
    tell(3, 10000);
    assert_false(world.is_news);
    tick_at(111000); /* it fences */
    assert_true(world.is_news);
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void windows_that_no_spec_has_are_unsound(void **state)
{
    static const struct {
        uint64_t fence_ns;
        bool is_sound;
    } rows[] = {{0, false}, {1, true}, {LEFT_MS_MAX * MS, true}, {LEFT_MS_MAX * MS + 1, false}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct bw_second_memory memory = {.epoch = 3, .fence_ns = rows[i].fence_ns};
        const struct bw_second_mirror mirror = {.epoch = 3, .fence_ns = rows[i].fence_ns};

        assert_int_equal(bw_second_memory_unsound(&memory) == NULL, rows[i].is_sound);
        assert_int_equal(bw_second_mirror_unsound(&mirror) == NULL, rows[i].is_sound);
    }
    assert_null(bw_second_memory_unsound(&(struct bw_second_memory){.epoch = 3, .is_over = true}));
}

static void assert_unsound(const struct bw_second *second, const char *part)
{
    const char *unsound = bw_second_unsound(second);

    assert_non_null(unsound);
    if (strstr(unsound, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, unsound);
}

static void a_machine_that_cannot_be_is_unsound(void **state)
{
    struct bw_second of;

    (void)state;
    begin();
    assert_null(bw_second_unsound(&world.second));
    of = world.second;
    of.phase = BW_SECOND_IDLE;
    assert_unsound(&of, "just while an epoch is open");
    of = world.second;
    of.kept.epoch = 4;
    assert_unsound(&of, "durable is no newer");
    of = world.second;
    of.fence_epoch = 4;
    assert_unsound(&of, "has fenced no epoch that it does not know");
    of = world.second;
    of.memory.fence_ns = 0;
    assert_unsound(&of, "an open epoch has a window");
    of = world.second;
    of.fence = BW_SECOND_RUN_UNDER_WAY;
    assert_unsound(&of, "runs only while it fences");
    of = world.second;
    of.look_counts = true;
    assert_unsound(&of, "only a look that runs");
    of = world.second;
    of.phase = BW_SECOND_FENCED;
    assert_unsound(&of, "fences the epoch that it knows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_that_was_cut_off_is_no_fence_of_the_next_epoch),
        cmocka_unit_test(the_pause_after_a_failure_is_none_of_the_next_epoch),
        cmocka_unit_test(an_end_of_a_script_that_nobody_runs_is_none),
        cmocka_unit_test(a_look_that_was_cut_off_has_seen_nothing),
        cmocka_unit_test(what_nobody_looked_at_is_not_believed),
        cmocka_unit_test(a_newer_epoch_ends_the_look_after_an_older_fence),
        cmocka_unit_test(what_is_given_back_ends_its_look_and_is_durably_over),
        cmocka_unit_test(whatever_it_does_a_newer_epoch_arms_it_and_one_that_is_over_lets_it_rest),
        cmocka_unit_test(a_fence_that_has_begun_is_not_taken_back),
        cmocka_unit_test(a_newer_epoch_is_taken_although_the_window_of_an_older_one_has_come),
        cmocka_unit_test(no_answer_extends_a_window_that_one_clock_has_reached),
        cmocka_unit_test(the_first_epoch_is_one_like_any),
        cmocka_unit_test(what_a_spec_can_say_is_taken),
        cmocka_unit_test(what_it_is_told_once_is_no_guess_any_more),
        cmocka_unit_test(a_mirror_whose_window_one_clock_has_reached_is_not_resumed),
        cmocka_unit_test(an_agent_that_does_not_serve_has_agreed_on_nothing),
        cmocka_unit_test(what_is_seen_while_it_fences_is_no_agreement),
        cmocka_unit_test(an_answer_is_old_by_the_clock_that_is_ahead),
        cmocka_unit_test(what_was_agreed_on_is_written_down_once),
        cmocka_unit_test(only_the_newest_save_makes_an_epoch_durable),
        cmocka_unit_test(a_save_that_has_failed_is_not_believed_later),
        cmocka_unit_test(it_wakes_for_what_is_due_next),
        cmocka_unit_test(what_is_new_is_told_at_once),
        cmocka_unit_test(windows_that_no_spec_has_are_unsound),
        cmocka_unit_test(a_machine_that_cannot_be_is_unsound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
