/* machine/guard_machine: what is between the machines of a guard's groups (3.4, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "guard_machine_rig.h"

/* ---- a reload -------------------------------------------------------------------------------- */

static void a_run_has_the_scripts_with_which_it_was_begun(void **state)
{
    struct bw_guard_limits others = guards[0].limits;

    (void)state;
    others.digest = 2;
    bw_guarded_configure(&machine, &groups[0], &others);
    says_run(0, BW_ACTION_STATUS, 7);
    assert_done("spawn0:status write_mirrors");
    assert_int_equal(bw_guarded_digest(&groups[0], BW_GUARD_SLOT_OBSERVATION, 2), 2);
    bw_guarded_configure(&machine, &groups[0], &others);
    assert_int_equal(bw_guarded_digest(&groups[0], BW_GUARD_SLOT_OBSERVATION, 2), 0);
}

/* ---- in which order -------------------------------------------------------------------------- */

static void an_arm_is_acknowledged_once_it_is_saved_mirrored_and_held(void **state)
{
    (void)state;
    takes_frames = false;
    says_arm(0, 1);
    assert_done("save0 write_saves");
    saves_written();
    assert_done("write_mirrors");
    mirrors_written(true);
    assert_done("");

    bw_enforcing_on_taken(&machine.enforcing, 1, NULL, 0, now);
    assert_done("send0:armed");
}

static void an_arm_that_could_not_be_saved_is_refused(void **state)
{
    (void)state;
    says_arm(0, 1);
    assert_done("save0 write_saves");
    saves_end(false);
    assert_done("send0:refused");
    assert_int_equal(guards[0].mirror.armed_epoch, 0);
}

static void arm_both(uint64_t later_ms)
{
    for (uint32_t i = 0; i < 2; i++) {
        says_arm(i, 1);
        go_on(true);
        saves_written();
        go_on(true);
        mirrors_written(true);
        go_on(true);
        now = bw_instant_add(now, i == 0 ? later_ms * BW_NS_PER_MS : 0);
    }
    assert_int_equal(guards[1].mirror.armed_epoch, 1);
}

static struct bw_instant window_of(uint32_t group)
{
    return bw_instant_sub(guards[group].mirror.armed_end, FENCE_MS * BW_NS_PER_MS);
}

static void all_that_is_due_at_once_is_fenced_at_once(void **state)
{
    (void)state;
    arm_both(0);
    now = window_of(0);
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "spawn0:fence"));
    assert_non_null(strstr(log_text, "spawn1:fence"));
}

/* 1: a right ends with the first of the two clocks. */
static void a_fence_begins_with_whichever_clock_is_first(void **state)
{
    (void)state;
    arm_both(100);
    now.boot_ns = window_of(0).boot_ns;
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "spawn0:fence"));
    assert_null(strstr(log_text, "spawn1:fence"));

    now = (struct bw_instant){window_of(0).boot_ns + 1, window_of(1).raw_ns};
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "spawn1:fence"));
}

/* A fence that lasts asks to be woken, and not in place of the others. */
static void each_group_is_woken_for_though_another_was_due_before(void **state)
{
    (void)state;
    arm_both(100);
    now = window_of(0);
    go_on(true);
    assert_true(bw_instant_right_is_over(window_of(1), bw_guard_machine_wake(&machine, now)));
    for (int i = 0; i < 100 && !bw_instant_right_is_over(now, window_of(1)); i++) {
        now = bw_guard_machine_wake(&machine, now);
        log_text[0] = '\0';
        go_on(true);
    }
    assert_int_equal(now.boot_ns, window_of(1).boot_ns);
    assert_non_null(strstr(log_text, "spawn1:fence"));
}

static void a_deadline_that_is_due_goes_before_a_message(void **state)
{
    (void)state;
    now = bw_instant_sub(guards[0].mirror.armed_end, FENCE_MS * BW_NS_PER_MS);

    says_run(1, BW_ACTION_STATUS, 9); /* of another group */
    log_text[0] = '\0';
    go_on(false);
    assert_int_equal(strncmp(log_text, "spawn0:fence", 12), 0);
    assert_non_null(strstr(log_text, "spawn1:status"));
}

static void what_is_to_be_saved_goes_in_rounds(void **state)
{
    (void)state;
    says_arm(0, 1);
    assert_done("save0 write_saves");
    says_arm(1, 1);
    assert_done("save1");

    saves_written();
    assert_done("write_saves write_mirrors");
    saves_written();
    assert_done("");
    assert_false(groups[1].is_saving);
}

static void all_that_a_turn_has_changed_is_mirrored_at_once(void **state)
{
    (void)state;
    says_arm(0, 1);
    go_on(false);
    says_arm(1, 1);
    go_on(false);
    saves_written();
    go_on(false);
    log_text[0] = '\0';
    go_on(false);
    assert_string_equal(log_text, "");
    go_on(true);
    saves_written();
    go_on(true);
    mirrors_written(true);
    assert_done("send0:armed write_mirrors");
    mirrors_written(true);
    assert_done("send1:armed");
}

/* ---- whom it hears --------------------------------------------------------------------------- */

static void a_message_of_nobody_who_controls_is_refused(void **state)
{
    const struct bw_guard_message message = message_of(BW_GUARD_MESSAGE_ARM, 0);

    (void)state;
    says(AGENT + 1, &message);
    assert_done("refuse:no_hello");
}

static void a_message_for_a_group_that_is_not_here_is_refused(void **state)
{
    const struct bw_guard_message message = message_of(BW_GUARD_MESSAGE_ARM, 2);

    (void)state;
    says(AGENT, &message);
    assert_done("refuse:no_group");
}

static void a_hello_of_another_cluster_is_refused(void **state)
{
    (void)state;
    says_hello(AGENT + 1, other_cluster);
    assert_done("refuse_hello:wrong_instance");
    assert_int_equal(machine.session.agent, AGENT);
}

static void an_agent_is_told_no_more_than_it_reads(void **state)
{
    (void)state;
    may_greet = false;
    says_hello(AGENT + 1, cluster);
    assert_done("close prove0 prove1 welcome");
    says_hello(AGENT + 2, other_cluster);
    assert_done("refuse_hello:wrong_instance");

    may_greet = true;
    assert_done("done");
}

/* A reload adds it while an agent is here, which knows it from its own file and hears nothing of
 * it. */
static void a_group_that_comes_later_is_told_to_the_agent_that_is_here(void **state)
{
    static struct bw_guard guard;
    static struct bw_guarded another;

    (void)state;
    guard = guards[0];
    (void)snprintf(guard.group, sizeof guard.group, "g9");
    memset(&another, 0, sizeof another);
    assert_int_equal(machine.session.agent, AGENT);
    bw_guard_machine_add(&machine, &another, &guard, NULL);
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "greet_again"));
}

/* 5.4: what it was told at the hello would hold until somebody restarts it. */
static void an_agent_that_was_told_other_limits_is_greeted_again(void **state)
{
    struct bw_guard_limits others = guards[0].limits;

    (void)state;
    bw_guarded_configure(&machine, &groups[0], &others);
    assert_done("");
    others.has_point = true;
    bw_guarded_configure(&machine, &groups[0], &others);
    assert_done("greet_again");
    says_hello(AGENT + 1, cluster);
    go_on(true);
    others.timeout_ns[BW_ACTION_FENCE]++;
    bw_guarded_configure(&machine, &groups[0], &others);
    assert_done("greet_again");
    others.has_script[BW_ACTION_REMOTE_FENCE] = true;
    bw_guarded_configure(&machine, &groups[0], &others);
    assert_done(""); /* nobody is there */
}

/* 5.4: its agent may not have read the file yet. */
static void a_group_that_was_left_takes_no_order(void **state)
{
    const struct bw_guard_message arm = message_of(BW_GUARD_MESSAGE_ARM, 1);

    (void)state;
    bw_guard_machine_leave(&machine, &groups[1]);
    assert_done("greet_again");
    says_hello(AGENT + 1, cluster);
    go_on(true);
    log_text[0] = '\0';
    says(AGENT + 1, &arm);
    assert_done("refuse:no_group");
    bw_guard_machine_leave(&machine, &groups[1]); /* read once more */
    assert_done("");

    bw_guard_machine_take_again(&machine, &groups[1]);
    assert_done("greet_again");
    assert_true(bw_guard_machine_is_known(&machine, &groups[1]));
    bw_guard_machine_take_again(&machine, &groups[1]);
    assert_done("");
}

static void a_look_that_waits_is_not_begun_of_a_group_that_was_left(void **state)
{
    const struct bw_guard_run look = {.action = BW_ACTION_READINESS, .run_id = 3};

    (void)state;
    groups[1].look = look;
    groups[1].look_waits = true;
    bw_guard_machine_leave(&machine, &groups[1]);
    assert_false(groups[1].look_waits);
    assert_true(groups[1].has_ended[BW_GUARD_SLOT_OBSERVATION] && groups[1].is_look_given_up);
}

static void no_group_has_an_agent_that_is_gone(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++)
        assert_false(bw_id_is_none(guards[i].agent.session));
    bw_guard_machine_on_closed(&machine, AGENT);
    assert_done("");
    for (uint32_t i = 0; i < 2; i++)
        assert_true(bw_id_is_none(guards[i].agent.session));
}

/* ---- what another cluster's guard has armed --------------------------------------------------- */

static void a_foreign_epoch_is_unheard_of_and_forgotten_when_it_is_over(void **state)
{
    const struct bw_guard_message arm = message_of(BW_GUARD_MESSAGE_ARM, 0);

    (void)state;
    guards[0].mirror.armed_epoch = 3;
    guards[0].mirror.armed_end = bw_instant_add(now, 5 * BW_NS_PER_S);
    groups[0].armed_by = other_cluster;
    machine.has_foreign = true;
    assert_true(bw_guard_machine_is_nobodys(&machine, &groups[0]));
    says(AGENT, &arm);
    assert_done("refuse:no_group");

    guards[0].mirror.armed_end = now; /* its fence is another test's */
    assert_done("forgotten0 greet_again write_mirrors");
    assert_int_equal(guards[0].mirror.armed_epoch, 0);
    assert_false(bw_guard_machine_is_nobodys(&machine, &groups[0]));
    mirrors_written(true);
    assert_done("");
}

/* Found at the beginning, and not by a test that says so. */
static void what_was_armed_by_another_cluster_before_the_guard_began_is_forgotten_too(void **state)
{
    static struct bw_guard found;
    static struct bw_guarded another;

    (void)state;
    found = guards[0];
    (void)snprintf(found.group, sizeof found.group, "g9");
    memset(&another, 0, sizeof another);
    another.armed_by = other_cluster;
    bw_guard_machine_add(&machine, &another, &found, NULL);
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "forgotten2"));
    assert_true(bw_id_is_none(another.armed_by));
}

/* Its fence is its own: nobody of this cluster hears of it. */
static void of_a_foreign_epoch_nothing_is_sent(void **state)
{
    (void)state;
    groups[0].armed_by = other_cluster;
    now = window_of(0);
    log_text[0] = '\0';
    go_on(true);
    assert_non_null(strstr(log_text, "spawn0:fence"));
    assert_null(strstr(log_text, "send0:fence"));
    assert_non_null(strstr(log_text, "idle_0:send"));
}

static void a_group_is_over_when_nothing_runs_and_its_lease_is(void **state)
{
    const struct bw_instant end = guards[0].mirror.armed_end;

    (void)state;
    assert_false(bw_guarded_is_over(&groups[0], now));
    guards[0].fence = BW_FENCE_DONE; /* it was seen to end */
    assert_true(bw_guarded_is_over(&groups[0], now));
    guards[0].fence = BW_FENCE_NONE;
    assert_true(bw_guarded_is_over(&groups[0], end));
    assert_true(bw_guarded_is_over(&groups[0], (struct bw_instant){end.boot_ns, end.raw_ns - 1}));
    assert_true(bw_guarded_is_over(&groups[0], (struct bw_instant){end.boot_ns - 1, end.raw_ns}));
    guards[0].slots[BW_GUARD_SLOT_OBSERVATION].state = BW_SLOT_RUNNING;
    assert_false(bw_guarded_is_over(&groups[0], end));
}

/* ---- looks ----------------------------------------------------------------------------------- */

static int begin_many(void **state)
{
    (void)state;
    begin_of(GROUPS);
    go_on(true);
    says_hello(AGENT, cluster);
    go_on(true);
    for (uint32_t i = 0; i < GROUPS; i++) {
        says_run(i, BW_ACTION_STATUS, 1);
        go_on(true);
    }
    return 0;
}

static uint32_t waiting_count(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < GROUPS; i++)
        count += groups[i].look_waits;
    return count;
}

static void of_many_looks_those_that_are_too_many_wait(void **state)
{
    (void)state;
    assert_int_equal(waiting_count(), GROUPS - BW_LOOKS_AT_ONCE);
    assert_done("");

    now = bw_instant_add(now, BW_LOOK_YOUNG_NS);
    assert_done(""); /* they begin in turns of their own */
    assert_true(bw_instant_right_is_over(now, bw_guard_machine_wake(&machine, now)));
    bw_guard_machine_on_wake(&machine);
    assert_done("spawn32:status spawn33:status spawn34:status spawn35:status");
    assert_int_equal(waiting_count(), GROUPS - BW_LOOKS_AT_ONCE - 4);
    assert_true(bw_instant_right_is_over(now, bw_guard_machine_wake(&machine, now)));
    bw_guard_machine_on_wake(&machine);
    assert_done("spawn36:status spawn37:status spawn38:status spawn39:status");
    assert_int_equal(waiting_count(), 0);
}

static void a_look_that_waits_makes_way_for_what_changes_the_service(void **state)
{
    (void)state;
    assert_true(groups[GROUPS - 1].look_waits);
    says_run(GROUPS - 1, BW_ACTION_STOP, 2);

    log_text[0] = '\0';
    go_on(false);
    assert_non_null(strstr(log_text, "spawn39:stop"));
    assert_non_null(strstr(log_text, "end39:given_up"));
    assert_false(groups[GROUPS - 1].look_waits);
}

/* ---- that all in reach can be ended ----------------------------------------------------------- */

static void no_proof_is_begun_near_a_fence_window(void **state)
{
    const struct bw_guarded *because_of = NULL;
    const struct bw_instant window =
        bw_instant_sub(guards[0].mirror.armed_end, FENCE_MS * BW_NS_PER_MS);

    (void)state;
    assert_int_equal(bw_guard_machine_proof_ms(&machine, bw_instant_sub(window, BW_NS_PER_S),
                                               &because_of),
                     500);
    assert_int_equal(bw_guard_machine_proof_ms(&machine,
                                               bw_instant_sub(window, 199 * BW_NS_PER_MS),
                                               &because_of),
                     0);
    assert_ptr_equal(because_of, &groups[0]);
}

static void look_at_it(void)
{
    says_run(0, BW_ACTION_STATUS, 3);
    go_on(true);
    ended[BW_GUARD_SLOT_OBSERVATION] =
        (struct bw_guard_run_ended){.result = BW_RUN_OK, .line = "stopped"};
    bw_guard_machine_on_end(&machine, &groups[0], BW_GUARD_SLOT_OBSERVATION);
    log_text[0] = '\0';
    go_on(true);
}

static void a_proof_that_is_late_is_told_in_a_new_welcome(void **state)
{
    (void)state;
    proof = BW_GUARD_PROOF_FAILED;
    look_at_it();
    assert_non_null(strstr(log_text, "prove0:late"));
    look_at_it();
    assert_null(strstr(log_text, "prove0:late")); /* it has just failed */

    now = bw_instant_add(now, 31 * BW_NS_PER_S);
    proof = BW_GUARD_PROOF_WORKS;
    look_at_it();
    assert_non_null(strstr(log_text, "prove0:late greet_again"));
    assert_int_equal(machine.session.agent, 0);
}

/* It may have taken seconds: its agent would give up before it has an answer, and come again, for ever. */
static void a_hello_waits_for_no_proof_that_has_just_failed(void **state)
{
    (void)state;
    proof = BW_GUARD_PROOF_FAILED;
    says_hello(AGENT + 1, cluster);
    assert_done("close prove0 welcome done");
    says_hello(AGENT + 2, cluster);
    assert_done("close welcome done");

    now = bw_instant_add(now, 31 * BW_NS_PER_S);
    says_hello(AGENT + 3, cluster);
    assert_done("close prove0 welcome done");
}

static void what_one_group_could_not_prove_no_other_of_its_means_tries(void **state)
{
    (void)state;
    begin_of(4);
    groups[1].means = groups[2].means = 1;
    proof = BW_GUARD_PROOF_FAILED;
    assert_done("prove0 prove1");
}

/* ---- the end --------------------------------------------------------------------------------- */

static void a_guard_may_end_when_no_fence_runs_and_all_is_mirrored(void **state)
{
    (void)state;
    assert_true(bw_guard_machine_may_end(&machine));
    now = bw_instant_add(now, BW_NS_PER_S);
    says_arm(0, 2);
    go_on(true);
    assert_false(bw_guard_machine_may_end(&machine)); /* its successor is to know it */
    mirrors_written(true);
    go_on(true);
    assert_true(bw_guard_machine_may_end(&machine));

    now = bw_instant_sub(guards[0].mirror.armed_end, FENCE_MS * BW_NS_PER_MS);
    go_on(false);
    assert_false(bw_guard_machine_may_end(&machine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_arm_is_acknowledged_once_it_is_saved_mirrored_and_held, begin),
        cmocka_unit_test_setup(an_arm_that_could_not_be_saved_is_refused, begin),
        cmocka_unit_test_setup(all_that_is_due_at_once_is_fenced_at_once, begin),
        cmocka_unit_test_setup(a_fence_begins_with_whichever_clock_is_first, begin),
        cmocka_unit_test_setup(each_group_is_woken_for_though_another_was_due_before, begin),
        cmocka_unit_test_setup(a_deadline_that_is_due_goes_before_a_message, begin_armed),
        cmocka_unit_test_setup(a_run_has_the_scripts_with_which_it_was_begun, begin),
        cmocka_unit_test_setup(what_is_to_be_saved_goes_in_rounds, begin),
        cmocka_unit_test_setup(all_that_a_turn_has_changed_is_mirrored_at_once, begin),
        cmocka_unit_test_setup(a_message_of_nobody_who_controls_is_refused, begin),
        cmocka_unit_test_setup(a_message_for_a_group_that_is_not_here_is_refused, begin),
        cmocka_unit_test_setup(a_hello_of_another_cluster_is_refused, begin),
        cmocka_unit_test_setup(an_agent_is_told_no_more_than_it_reads, begin),
        cmocka_unit_test_setup(a_group_that_comes_later_is_told_to_the_agent_that_is_here, begin),
        cmocka_unit_test_setup(an_agent_that_was_told_other_limits_is_greeted_again, begin),
        cmocka_unit_test_setup(a_group_that_was_left_takes_no_order, begin),
        cmocka_unit_test_setup(a_look_that_waits_is_not_begun_of_a_group_that_was_left, begin),
        cmocka_unit_test_setup(no_group_has_an_agent_that_is_gone, begin),
        cmocka_unit_test_setup(a_foreign_epoch_is_unheard_of_and_forgotten_when_it_is_over, begin),
        cmocka_unit_test_setup(
            what_was_armed_by_another_cluster_before_the_guard_began_is_forgotten_too, begin),
        cmocka_unit_test_setup(of_a_foreign_epoch_nothing_is_sent, begin_armed),
        cmocka_unit_test_setup(a_group_is_over_when_nothing_runs_and_its_lease_is, begin_armed),
        cmocka_unit_test_setup(of_many_looks_those_that_are_too_many_wait, begin_many),
        cmocka_unit_test_setup(a_look_that_waits_makes_way_for_what_changes_the_service,
                               begin_many),
        cmocka_unit_test_setup(no_proof_is_begun_near_a_fence_window, begin_armed),
        cmocka_unit_test_setup(a_hello_waits_for_no_proof_that_has_just_failed, begin),
        cmocka_unit_test(what_one_group_could_not_prove_no_other_of_its_means_tries),
        cmocka_unit_test_setup(a_proof_that_is_late_is_told_in_a_new_welcome, begin),
        cmocka_unit_test_setup(a_guard_may_end_when_no_fence_runs_and_all_is_mirrored, begin_armed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
