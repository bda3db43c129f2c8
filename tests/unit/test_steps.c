/* steps: which of a list may begin, what is tried again, and what all of it came to. Design 5.1,
 * steps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/steps.h>

#define BIT(i) (UINT32_C(1) << (i))

static struct bw_steps of(const struct bw_step_rule *rules, uint32_t count)
{
    struct bw_steps steps;

    bw_steps_init(&steps, rules, count, 0);
    return steps;
}

/* ---- which may begin ------------------------------------------------------------------------- */

static void what_needs_nothing_begins_at_once_and_the_rest_when_all_it_needs_is_done(void **state)
{
    const struct bw_step_rule rules[] = {{0}, {0}, {.needs = BIT(0) | BIT(1)}};
    struct bw_steps steps = of(rules, 3);

    (void)state;
    assert_int_equal(bw_steps_next(&steps), 0);
    assert_int_equal(bw_steps_next(&steps), 1);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    bw_steps_on_ended(&steps, 1, 0);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    bw_steps_on_ended(&steps, 0, 0);
    assert_int_equal(bw_steps_next(&steps), 2);
    assert_false(bw_steps_are_over(&steps));
    bw_steps_on_ended(&steps, 2, 0);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 0);
    assert_int_equal(bw_steps_done(&steps), 7);
}

/* 4: nothing that cannot be taken back begins before it may; the rest goes on beside it. */
static void nothing_behind_the_point_of_no_return_begins_before_it_may_be_passed(void **state)
{
    const struct bw_step_rule rules[] = {
        {0}, {.needs = BIT(0), .is_point = true}, {.needs = BIT(1)}, {0}};
    struct bw_steps steps = of(rules, 4);

    (void)state;
    bw_steps_hold(&steps);
    assert_int_equal(bw_steps_next(&steps), 0);
    assert_int_equal(bw_steps_point(&steps), BW_STEP_NONE); /* it waits for another yet */
    assert_int_equal(bw_steps_next(&steps), 3);
    bw_steps_on_ended(&steps, 0, 0);
    assert_int_equal(bw_steps_point(&steps), 1);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    bw_steps_on_ended(&steps, 3, 0);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_false(bw_steps_are_over(&steps)); /* it waits, and is not done */
    bw_steps_pass(&steps);
    assert_int_equal(bw_steps_point(&steps), BW_STEP_NONE);
    assert_int_equal(bw_steps_next(&steps), 1);
    bw_steps_on_ended(&steps, 1, 0);
    assert_int_equal(bw_steps_next(&steps), 2);
}

static void who_is_ended_asks_for_nothing(void **state)
{
    const struct bw_step_rule rules[] = {{.is_point = true}};
    struct bw_steps steps = of(rules, 1);

    (void)state;
    bw_steps_hold(&steps);
    assert_int_equal(bw_steps_point(&steps), 0);
    bw_steps_end(&steps);
    assert_int_equal(bw_steps_point(&steps), BW_STEP_NONE);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), BW_STEPS_FAILED);
}

static void as_many_as_there_may_be_are_all_run(void **state)
{
    struct bw_step_rule rules[BW_STEPS_MAX] = {{0}};
    struct bw_steps steps;

    (void)state;
    for (uint32_t i = 0; i + 1 < BW_STEPS_MAX; i++)
        rules[i].needs = BIT(i + 1); /* the last of them first */
    assert_int_equal(bw_steps_stuck(rules, BW_STEPS_MAX), 0);
    steps = of(rules, BW_STEPS_MAX);
    for (int i = BW_STEPS_MAX - 1; i >= 0; i--) {
        assert_int_equal(bw_steps_next(&steps), i);
        assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
        bw_steps_on_ended(&steps, i, 0);
    }
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 0);
    assert_int_equal(bw_steps_done(&steps), UINT32_MAX);
}

static void who_waits_for_each_other_is_stuck_and_who_waits_for_them(void **state)
{
    const struct bw_step_rule rules[] = {
        {0}, {.needs = BIT(2)}, {.needs = BIT(1)}, {.needs = BIT(2)}, {.needs = BIT(0)}};
    const struct bw_step_rule itself[] = {{.needs = BIT(0)}};
    const struct bw_step_rule nobody[] = {{.needs = BIT(1)}}; /* which is not there */

    (void)state;
    assert_int_equal(bw_steps_stuck(rules, 5), BIT(1) | BIT(2) | BIT(3));
    assert_int_equal(bw_steps_stuck(itself, 1), BIT(0));
    assert_int_equal(bw_steps_stuck(nobody, 1), BIT(0));
    assert_int_equal(bw_steps_stuck(rules, 1), 0);
}

/* ---- tries ----------------------------------------------------------------------------------- */

static void what_fails_is_tried_again_as_often_as_it_says(void **state)
{
    const struct bw_step_rule rules[] = {{.retries = 2}, {.needs = BIT(0)}};
    struct bw_steps steps = of(rules, 2);

    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(bw_steps_next(&steps), 0);
        assert_int_equal(steps.tries[0], i);
        assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
        bw_steps_on_ended(&steps, 0, 7);
        assert_int_equal(bw_steps_are_over(&steps), i == 3);
    }
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_int_equal(bw_steps_exit_status(&steps), 7);
    assert_int_equal(steps.failed, 0);
}

static void a_try_that_ends_well_is_not_repeated(void **state)
{
    const struct bw_step_rule rules[] = {{.retries = 2}};
    struct bw_steps steps = of(rules, 1);

    (void)state;
    (void)bw_steps_next(&steps);
    bw_steps_on_ended(&steps, 0, 1);
    (void)bw_steps_next(&steps);
    bw_steps_on_ended(&steps, 0, 0);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 0);
}

/* What runs beside a failure comes to its end, and nothing begins after it. */
static void the_first_failure_is_the_whole_lists(void **state)
{
    const struct bw_step_rule rules[] = {{0}, {.retries = 5}, {.needs = BIT(3)}, {0}};
    struct bw_steps steps = of(rules, 4);

    (void)state;
    for (int i = 0; i < 3; i++)
        (void)bw_steps_next(&steps);
    bw_steps_on_ended(&steps, 0, 3);
    assert_false(bw_steps_are_over(&steps));
    bw_steps_on_ended(&steps, 1, 4);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    bw_steps_on_ended(&steps, 3, 0);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 3);
    assert_int_equal(steps.failed, 0);
}

/* 3.2.4: whoever ends the run has ended all that it would have begun. */
static void nothing_begins_after_it_was_ended(void **state)
{
    const struct bw_step_rule rules[] = {{.retries = 3}, {.needs = BIT(0)}, {0}};
    struct bw_steps steps = of(rules, 3);

    (void)state;
    (void)bw_steps_next(&steps);
    bw_steps_end(&steps);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_false(bw_steps_are_over(&steps));
    bw_steps_on_ended(&steps, 0, 143);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 143);
}

static void ended_before_any_began_it_has_failed(void **state)
{
    const struct bw_step_rule rules[] = {{0}};
    struct bw_steps steps = of(rules, 1);

    (void)state;
    bw_steps_end(&steps);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), BW_STEPS_FAILED);
}

static void ended_between_two_it_has_failed(void **state)
{
    const struct bw_step_rule rules[] = {{0}, {.needs = BIT(0)}};
    struct bw_steps steps = of(rules, 2);

    (void)state;
    (void)bw_steps_next(&steps);
    bw_steps_end(&steps);
    bw_steps_on_ended(&steps, 0, 0);
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), BW_STEPS_FAILED);
}

/* ---- nothing changed (4, data safety) -------------------------------------------------------- */

static int only(const struct bw_step_rule *rules, uint32_t count, uint32_t done, int first,
                int second)
{
    struct bw_steps steps;

    bw_steps_init(&steps, rules, count, done);
    for (int i = 0; !bw_steps_are_over(&steps); i++)
        bw_steps_on_ended(&steps, bw_steps_next(&steps), i == 0 ? first : second);
    return bw_steps_exit_status(&steps);
}

static void only_the_first_that_ever_began_can_say_that_nothing_was_changed(void **state)
{
    const struct bw_step_rule alone[] = {{0}, {.needs = BIT(0)}};
    const struct bw_step_rule again[] = {{.retries = 1}, {.needs = BIT(0)}};
    const int nothing = BW_STEPS_NOTHING_CHANGED;

    (void)state;
    assert_int_equal(only(alone, 2, 0, nothing, 0), nothing);
    assert_int_equal(only(alone, 2, 0, 0, nothing), BW_STEPS_FAILED);
    assert_int_equal(only(alone, 2, BIT(0), nothing, 0),
                     BW_STEPS_FAILED); /* in a run before this one */
    assert_int_equal(only(again, 2, 0, nothing, nothing), nothing);
    assert_int_equal(only(again, 2, 0, 5, nothing), BW_STEPS_FAILED);
}

static void beside_another_nobody_can_say_that_nothing_was_changed(void **state)
{
    const struct bw_step_rule rules[] = {{0}, {0}};
    struct bw_steps steps = of(rules, 2);

    (void)state;
    (void)bw_steps_next(&steps);
    (void)bw_steps_next(&steps);
    bw_steps_on_ended(&steps, 0, BW_STEPS_NOTHING_CHANGED);
    bw_steps_on_ended(&steps, 1, BW_STEPS_NOTHING_CHANGED);
    assert_int_equal(bw_steps_exit_status(&steps), BW_STEPS_FAILED);
}

/* ---- going on after an interruption ---------------------------------------------------------- */

#define EPOCH  7
#define DIGEST 0xd1
#define RUN    99

static struct bw_steps_journal journal(void)
{
    return (struct bw_steps_journal){.epoch = EPOCH, .run = RUN, .digest = DIGEST, .done = 5};
}

static void what_is_done_is_not_run_again(void **state)
{
    const struct bw_step_rule rules[] = {{0}, {.needs = BIT(0)}};
    struct bw_steps steps;

    (void)state;
    bw_steps_init(&steps, rules, 2,
                  BIT(0) | BIT(7)); /* of steps that are not there nothing is known */
    assert_int_equal(bw_steps_next(&steps), 1);
    assert_int_equal(bw_steps_next(&steps), BW_STEP_NONE);
    bw_steps_on_ended(&steps, 1, 0);
    assert_int_equal(bw_steps_exit_status(&steps), 0);
    bw_steps_init(&steps, rules, 2, BIT(0) | BIT(1));
    assert_true(bw_steps_are_over(&steps));
    assert_int_equal(bw_steps_exit_status(&steps), 0);
}

static void
a_journal_counts_for_the_run_that_was_interrupted_and_the_same_scripts_alone(void **state)
{
    struct bw_steps_journal left = journal();

    (void)state;
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST, RUN), 5);
    assert_int_equal(bw_steps_resume(&left, EPOCH + 1, DIGEST, RUN), 0);
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST + 1, RUN), 0);
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST, RUN + 1), 0);
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST, 0), 0);
    left.run = 0;
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST, 0),
                     0); /* of a process that knew not who it was */
    left = journal();
    left.has_left = true; /* it was killed with the rest */
    assert_int_equal(bw_steps_resume(&left, EPOCH, DIGEST, RUN), 0);
}

static void a_start_is_whole_once_all_steps_of_that_very_run_are_done(void **state)
{
    struct bw_steps_journal left = journal();

    (void)state;
    assert_false(bw_steps_is_whole(&left, 3, EPOCH, DIGEST, RUN)); /* one was not seen to end */
    left.done = 7;
    left.has_left = true; /* the service */
    assert_true(bw_steps_is_whole(&left, 3, EPOCH, DIGEST, RUN));
    assert_false(bw_steps_is_whole(&left, 4, EPOCH, DIGEST, RUN));
    assert_false(bw_steps_is_whole(&left, 3, EPOCH + 1, DIGEST, RUN));
    assert_false(bw_steps_is_whole(&left, 3, EPOCH, DIGEST + 1, RUN));
    assert_false(bw_steps_is_whole(&left, 3, EPOCH, DIGEST, RUN + 1));
    left.run = 0;
    assert_false(bw_steps_is_whole(&left, 3, EPOCH, DIGEST, 0));
}

static void a_start_is_gone_on_with_once_and_by_a_start_of_its_epoch(void **state)
{
    struct bw_steps_interrupted interrupted = {.epoch = EPOCH, .run = RUN};

    (void)state;
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_STATUS, EPOCH), 0);
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH), RUN);
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH), 0);
    interrupted = (struct bw_steps_interrupted){.epoch = EPOCH, .run = RUN};
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH + 1), 0);
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH), 0);
}

/* What ends a service undoes what was done for its start. */
static void what_ends_a_service_leaves_nothing_to_go_on_with(void **state)
{
    static const enum bw_action_kind ends[] = {BW_ACTION_STOP, BW_ACTION_FENCE, BW_ACTION_REJOIN,
                                               BW_ACTION_REMOTE_FENCE};
    struct bw_steps_interrupted interrupted;

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        interrupted = (struct bw_steps_interrupted){.epoch = EPOCH, .run = RUN};
        assert_int_equal(bw_steps_take_interrupted(&interrupted, ends[i], EPOCH), 0);
        assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH), 0);
    }
    interrupted = (struct bw_steps_interrupted){.epoch = EPOCH, .run = RUN};
    bw_steps_forget_interrupted(&interrupted);
    assert_int_equal(bw_steps_take_interrupted(&interrupted, BW_ACTION_START, EPOCH), 0);
}

static void a_run_is_one_process_of_one_boot(void **state)
{
    (void)state;
    assert_true(bw_steps_run_id(1, 0) != 0);
    assert_true(bw_steps_run_id(17, 100) != bw_steps_run_id(17, 101));
    assert_true(bw_steps_run_id(17, 100) != bw_steps_run_id(18, 100));
    assert_true(bw_steps_run_id(0x3fffff, 100) != bw_steps_run_id(1, 101));
}

static void every_phase_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(bw_step_phase_word(BW_STEP_PHASE_NONE), "none");
    assert_string_equal(bw_step_phase_word(BW_STEP_PHASE_ROUTING), "routing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_nothing_begins_at_once_and_the_rest_when_all_it_needs_is_done),
        cmocka_unit_test(nothing_behind_the_point_of_no_return_begins_before_it_may_be_passed),
        cmocka_unit_test(who_is_ended_asks_for_nothing),
        cmocka_unit_test(as_many_as_there_may_be_are_all_run),
        cmocka_unit_test(who_waits_for_each_other_is_stuck_and_who_waits_for_them),
        cmocka_unit_test(what_fails_is_tried_again_as_often_as_it_says),
        cmocka_unit_test(a_try_that_ends_well_is_not_repeated),
        cmocka_unit_test(the_first_failure_is_the_whole_lists),
        cmocka_unit_test(nothing_begins_after_it_was_ended),
        cmocka_unit_test(ended_before_any_began_it_has_failed),
        cmocka_unit_test(ended_between_two_it_has_failed),
        cmocka_unit_test(only_the_first_that_ever_began_can_say_that_nothing_was_changed),
        cmocka_unit_test(beside_another_nobody_can_say_that_nothing_was_changed),
        cmocka_unit_test(what_is_done_is_not_run_again),
        cmocka_unit_test(
            a_journal_counts_for_the_run_that_was_interrupted_and_the_same_scripts_alone),
        cmocka_unit_test(a_start_is_whole_once_all_steps_of_that_very_run_are_done),
        cmocka_unit_test(a_start_is_gone_on_with_once_and_by_a_start_of_its_epoch),
        cmocka_unit_test(what_ends_a_service_leaves_nothing_to_go_on_with),
        cmocka_unit_test(a_run_is_one_process_of_one_boot),
        cmocka_unit_test(every_phase_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
