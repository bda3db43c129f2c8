/* what people do about a lost holder, an epoch that time does not end, and a lost quorum.
 * Design 3.3, 4, 5.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "operator.h"
#include "patience.h"

static void switch_over_to_b(void)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    int status = OPERATOR_REFUSED; /* while the leader has not heard of dc-b lately */

    while (status == OPERATOR_REFUSED) {
        status = operator_run("cli.yaml", "switchover harbor --to dc-b --reason drill --yes");
        if (status == OPERATOR_REFUSED && patience_is_over(&patience))
            patience_fail("it is done\n%s\n%s", operator.out, operator.errors);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, operator.out, operator.errors);
}

/* dc-b holds harbor in epoch 2; dc-a had it before. */
static int setup(void **state)
{
    (void)state;
    operator_begin_serving();
    switch_over_to_b();
    operator_wait_until_serving("dc-b");
    return 0;
}

/* ---- a lost holder */

/* Again until the refusal says `why`. */
static void until_refused_with(const char *words, const char *why)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    while (strstr(operator.errors, why) == NULL) {
        if (patience_is_over(&patience))
            patience_fail("%s is refused: %s\n%s", words, why, operator.errors);
        assert_int_equal(operator_run("cli.yaml", words), OPERATOR_REFUSED);
        (void)usleep(OPERATOR_PAUSE_US);
    }
}

/* Again as long as dc-b seems alive. */
static void ask_for_a(const char *more)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    char words[160];
    int status = OPERATOR_REFUSED;

    (void)snprintf(words, sizeof words, "failover harbor --to dc-a --accept-data-loss %s", more);
    while (status == OPERATOR_REFUSED) {
        status = operator_run("cli.yaml", words);
        if (status == OPERATOR_REFUSED && patience_is_over(&patience))
            patience_fail("it is done\n%s\n%s", operator.out, operator.errors);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, operator.out, operator.errors);
}

/* It begins again, as under a supervisor; until then another leads. */
static void lose_the_leader(void)
{
    const int leader = trio_leader(&operator.trio);

    (void)trio_stop(&operator.trio, leader, SIGKILL);
    (void)trio_leader(&operator.trio);
    trio_start(&operator.trio, leader, TRIO_EXECUTED);
}

/* 4: what the lost leader was asked for, and what becomes of it, any other one knows. */
static void a_wish_is_taken_back_at_the_next_leader(void)
{
    ask_for_a("--reason fire --no-wait --yes");
    assert_says(operator.out, "it continues after a change of leader");
    lose_the_leader();
    (void)operator_run("cli.yaml", "status harbor"); /* its exit status is the lost holder's */
    assert_says(operator.out, "Requested by operator/anna: failover to dc-a.\n");
    assert_int_equal(operator_run("cli.yaml", "cancel harbor --reason mistaken --yes"), 0);
    (void)operator_run("cli.yaml", "status harbor");
    assert_null(strstr(operator.out, "Requested by"));
    assert_int_equal(operator_run("cli.yaml", "history harbor"), 0);
    assert_says(operator.out,
                "harbor  request ended: failover to dc-a\n    by operator/anna: mistaken; result: an operator canceled it");
}

/* In mode manual nobody else would grant it; the wait of 3.3 is never shortened. Whom dc-a would
 * have to follow is lost, so a person must say that its data is to be taken as it is. */
static void failover_of_a_lost_holder_waits_for_its_lease_and_is_done(void **state)
{
    (void)state;
    operator_put("manual.yaml", operator_groups_text, "20s\n    mode: manual");
    assert_int_equal(operator_apply("manual.yaml", "--yes"), 0);
    assert_says(operator.out, "mode: auto -> manual");
    atomic_store(&operator.a_owes_rejoin, true);
    atomic_store(&operator.b_is_mute, true);
    a_wish_is_taken_back_at_the_next_leader();

    until_refused_with("failover harbor --to dc-a --yes", "dc-a must rejoin first");
    assert_says(operator.errors, "breakwater failover harbor --to dc-a --accept-data-loss");
    ask_for_a("--reason lost --no-wait --yes");
    lose_the_leader();
    operator_wait_until_serving("dc-a");
    assert_int_equal(operator_run("cli.yaml", "history harbor -n 2"), 0);
    assert_says(operator.out, "failover dc-b -> dc-a\n    by operator/anna");
    assert_says(operator.out, "expired, reason site_lost");
}

/* ---- an epoch that time does not end */

static void nobody_is_vouched_for_who_serves_or_holds_nothing(void **state)
{
    (void)state;
    operator_put("fenced.yaml", operator_groups_text,
                 "20s\n    mode: manual\n    handover_by_time: never");
    assert_int_equal(operator_apply("fenced.yaml", "--yes"), 0);
    atomic_store(&operator.b_is_mute, false);
    operator_wait_until_serving("dc-a");

    assert_int_equal(operator_run("cli.yaml", "force-release harbor --site dc-a"),
                     2); /* no terminal */
    assert_int_equal(operator_run("cli.yaml", "force-release harbor --yes"), 2);
    assert_says(operator.errors, "--site SITE");
    assert_int_equal(
        operator_run("cli.yaml", "force-release harbor --site dc-a --service-is-stopped --yes"),
        OPERATOR_REFUSED);
    assert_says(operator.out, "dc-a is primary of harbor in epoch 3 since ");
    assert_says(operator.errors, "dc-a is connected, and reports that harbor runs there");
    assert_int_equal(operator_run("cli.yaml", "force-release harbor --site dc-b --yes"),
                     OPERATOR_REFUSED);
    assert_says(operator.errors, "dc-b is not the primary of harbor: dc-a is, in epoch 3");
    assert_int_equal(operator_run("viewer.yaml", "force-release harbor --site dc-a --yes"), 1);
    assert_says(operator.errors, "operator's certificate");
    assert_int_equal(operator_ask_leader(operator.operator, "POST",
                                         "/v1/groups/harbor/force-release", "{\"site\":\"dc-a\"}",
                                         15),
                     422);
    assert_says(operator.reply.body, "not the number of an epoch");
    operator_wait_until_serving("dc-a");
}

/* The leader that was told ends between Close and Forced: what it was told is in the record, and is
 * said again. */
static void a_lost_site_that_time_does_not_end_is_ended_by_a_persons_word(void **state)
{
    struct patience patience;
    int leader, status = OPERATOR_REFUSED;

    (void)state;
    atomic_store(&operator.a_is_mute, true);
    until_refused_with("failover harbor --to dc-b --yes", "breakwater confirm-fenced");
    assert_says(operator.errors, "epoch 3 of harbor at dc-a does not expire automatically (may_outlive_lease");
    assert_says(operator.errors, "breakwater confirm-fenced harbor --site dc-a");
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (status == OPERATOR_REFUSED) { /* as long as dc-a seems alive */
        status = operator_run("cli.yaml",
                              "force-release harbor --site dc-a --reason fire --no-wait --yes");
        if (status == OPERATOR_REFUSED && patience_is_over(&patience))
            patience_fail("dc-a counts as off:\n%s", operator.errors);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    assert_int_equal(status, 0);
    leader = trio_leader(&operator.trio);
    (void)trio_stop(&operator.trio, leader, SIGKILL);
    operator_until_it_says("cli.yaml", "status harbor", 4,
                           "operator/anna had confirmed that dc-a is off: fire");
    assert_says(operator.out, "breakwater confirm-fenced harbor --site dc-a");
    assert_int_equal(operator_ask_leader(operator.trio.viewer, "GET", "/metrics", NULL, 0), 200);
    assert_says(operator.reply.body, "\nbreakwater_group_manual_action_required{group=\"harbor\"} 1\n");
    assert_says(operator.reply.body, "\nbreakwater_group_failover_possible{group=\"harbor\"} 0\n");
    trio_start(&operator.trio, leader, TRIO_EXECUTED);

    status = operator_run("cli.yaml", "force-release harbor --site dc-a --reason again --yes");

    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, operator.out, operator.errors);
    assert_says(operator.out, "done: epoch 3 of dc-a has ended (operator)");
    assert_int_equal(operator_run("cli.yaml", "force-release harbor --site dc-a --yes"), 0);
    assert_says(operator.out,
                "nothing to do: no site is primary of harbor: epoch 3 of dc-a has ended (operator)");
    assert_int_equal(operator_run("cli.yaml", "history harbor -n 1"), 0);
    assert_says(operator.out, "an operator confirmed the stop; by operator/anna: fire;");
}

/* ---- without a quorum */

static void signal_others(int leader, int number)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != leader)
            trio_signal(&operator.trio, i, number);
}

/* 3.2.2, 3.9: another may have been elected since it was last heard. */
static void a_leader_that_is_cut_off_hands_out_no_state(void **state)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    bool was_unproved = false;

    (void)state;
    while (!was_unproved) {
        const int leader = trio_leader(&operator.trio);
        int status;

        if (patience_is_over(&patience))
            patience_fail("a leader that is cut off is asked");

        signal_others(leader, SIGSTOP);
        status = operator_ask(operator.operator, leader, "GET", "/v1/snapshot", NULL, 0);
        signal_others(leader, SIGCONT);
        assert_true(status == 503 || status == 421); /* 421: another was elected a moment before */
        was_unproved = strstr(operator.reply.body, "\"unproved\"") != NULL; /* it led when asked */
    }
    assert_says(operator.reply.body, "nothing was saved");
    assert_int_equal(operator_ask_leader(operator.operator, "GET", "/v1/snapshot", NULL, 0), 200);
}

static void without_a_quorum_commands_say_why_and_exit_5(void **state)
{
    const int leader = trio_leader(&operator.trio);
    struct patience patience;

    (void)state;
    operator_end_agents();
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != leader)
            (void)trio_stop(&operator.trio, i, SIGKILL);
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (operator_run_once("cli.yaml", "status") != OPERATOR_NO_QUORUM) {
        if (patience_is_over(&patience))
            patience_fail("no quorum is left:\n%s", operator.out);
        (void)usleep(OPERATOR_PAUSE_US);
    }

    const int status = operator_run_once("cli.yaml", "switchover harbor --to dc-a --yes");

    assert_int_equal(status, OPERATOR_NO_QUORUM);
    assert_says(operator.errors,
                "error: no quorum: 1 of 3 witnesses answers here (needs 2); nothing was changed");
    assert_says(operator.errors, "refused");
    assert_int_equal(operator_run_once("cli.yaml", "status"), OPERATOR_NO_QUORUM);
    assert_int_equal(operator_run("cli.yaml", "history"), 0);
    assert_says(operator.errors, "no leader answers; this is what w");
    assert_says(operator.out, "switchover dc-a -> dc-b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failover_of_a_lost_holder_waits_for_its_lease_and_is_done),
        cmocka_unit_test(nobody_is_vouched_for_who_serves_or_holds_nothing),
        cmocka_unit_test(a_lost_site_that_time_does_not_end_is_ended_by_a_persons_word),
        cmocka_unit_test(a_leader_that_is_cut_off_hands_out_no_state),
        cmocka_unit_test(without_a_quorum_commands_say_why_and_exit_5),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, operator_tear_down);
}
