/* guard_session: which agent controls a guard, and what the others are told (3.4, 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/machine/guard_session.h>

#define GROUPS 2

static const struct bw_id boot = {{1}};
static const struct bw_id cluster = {{2}};
static const struct bw_id other_cluster = {{3}};
static struct bw_guard_session session;
static char log_text[1024];

static int begin(void **state)
{
    struct bw_guard_identity own = {.boot_id = boot, .time_namespace = 4};

    (void)state;
    (void)snprintf(own.site, sizeof own.site, "a");
    bw_guard_session_init(&session, &own);
    return 0;
}

static struct bw_guard_hello hello_of(struct bw_id of, uint64_t generation)
{
    struct bw_guard_hello hello = {.cluster_id = of,
                                   .generation = generation,
                                   .instance = {{5}},
                                   .session = {{6}},
                                   .boot_id = boot,
                                   .time_namespace = 4};

    (void)snprintf(hello.site, sizeof hello.site, "a");
    return hello;
}

static void note(const char *word, uint64_t number)
{
    const size_t length = strlen(log_text);

    (void)snprintf(log_text + length, sizeof log_text - length, "%s%s:%u", length > 0 ? " " : "",
                   word, (unsigned)number);
}

static void assert_done(const char *expected)
{
    static const char *const words[] = {"pin",     "close", "gone", "prove",
                                        "welcome", "greet", "done"};
    struct bw_session_action action;

    log_text[0] = '\0';
    for (int i = 0; bw_guard_session_next(&session, GROUPS, true, &action); i++) {
        assert_true(i < 100);
        note(words[action.kind],
             action.kind == BW_SESSION_GREET ? action.group : action.connection);
    }
    assert_string_equal(log_text, expected);
}

static void says_hello(uint64_t connection, struct bw_id of, uint64_t generation)
{
    const struct bw_guard_hello hello = hello_of(of, generation);
    struct bw_session_refusal refusal;

    assert_true(bw_guard_session_on_hello(&session, connection, &hello, &refusal));
}

static void pinned(void)
{
    struct bw_session_refusal refusal;

    assert_true(bw_guard_session_on_pinned(&session, true, NULL, &refusal));
}

/* Of cluster and generation 1, controlled by connection 1. */
static int begin_controlled(void **state)
{
    (void)begin(state);
    says_hello(1, cluster, 1);
    assert_done("pin:0");
    pinned();
    assert_done("gone:0 prove:0 welcome:1 greet:0 greet:1 done:1");
    return 0;
}

static void assert_refused(const struct bw_guard_hello *hello, enum bw_refusal why)
{
    struct bw_session_refusal refusal;

    assert_false(bw_guard_session_on_hello(&session, 9, hello, &refusal));
    assert_int_equal(refusal.connection, 9);
    assert_int_equal(refusal.why, why);
    assert_non_null(refusal.text);
    assert_done("");
    assert_int_equal(session.agent, 1); /* whoever controls goes on */
}

/* ---- which hello is taken ---- */

static void a_hello_that_is_not_valid_is_refused_and_changes_nothing(void **state)
{
    struct bw_guard_hello hello = hello_of(cluster, 1);

    (void)state;
    hello.session = (struct bw_id){{0}};
    assert_refused(&hello, BW_REFUSAL_NO_HELLO);
    hello = hello_of(cluster, 1);
    hello.instance = (struct bw_id){{0}};
    assert_refused(&hello, BW_REFUSAL_NO_HELLO);
    hello = hello_of(cluster, 1);
    hello.time_namespace = 5;
    assert_refused(&hello, BW_REFUSAL_NO_HELLO);
    hello = hello_of(cluster, 1);
    hello.boot_id = other_cluster;
    assert_refused(&hello, BW_REFUSAL_NO_HELLO);
    hello = hello_of(cluster, 1);
    hello.site[0] = 'b';
    assert_refused(&hello, BW_REFUSAL_WRONG_INSTANCE);
    hello = hello_of(other_cluster, 1);
    assert_refused(&hello, BW_REFUSAL_WRONG_INSTANCE);
    hello = hello_of(cluster, 0);
    assert_refused(&hello, BW_REFUSAL_OLD_EPOCH);
    hello = hello_of(cluster, UINT64_C(1) << 62); /* 3.9: no cluster comes to it, and it would be pinned for good */
    assert_refused(&hello, BW_REFUSAL_NO_HELLO);
}

static void an_agent_that_no_witness_has_answered_is_welcome(void **state)
{
    (void)state;
    says_hello(2, (struct bw_id){{0}}, 0);
    assert_done("close:1 gone:0 prove:0 welcome:2 greet:0 greet:1 done:2");
}

static void the_newest_hello_controls(void **state)
{
    (void)state;
    says_hello(2, cluster, 1);
    assert_done("close:1 gone:0 prove:0 welcome:2 greet:0 greet:1 done:2");

    bw_guard_session_on_closed(&session, 1); /* of the older one nothing depends any more */
    assert_done("");
    assert_int_equal(session.agent, 2);
    says_hello(2, cluster, 1); /* once more, on the same connection */
    assert_done("gone:0 prove:0 welcome:2 greet:0 greet:1 done:2");
}

static void an_older_hello_that_waits_for_the_disk_is_over_with_a_newer_one(void **state)
{
    (void)state;
    says_hello(2, cluster, 2);
    assert_done("pin:0");
    says_hello(3, cluster, 1);
    assert_done("close:1 gone:0 prove:0 welcome:3 greet:0 greet:1 done:3");
    pinned();
    assert_done("");
    assert_int_equal(session.agent, 3);
}

static void the_end_of_its_connection_is_told_to_all_groups(void **state)
{
    (void)state;
    bw_guard_session_on_closed(&session, 7);
    assert_done("");

    bw_guard_session_on_closed(&session, 1);
    assert_done("gone:0");
    assert_int_equal(session.agent, 0);
}

/* One at a time, as who drives may be held up between any two. */
static void assert_next(enum bw_session_action_kind kind)
{
    struct bw_session_action action;

    assert_true(bw_guard_session_next(&session, GROUPS, true, &action));
    assert_int_equal(action.kind, kind);
}

static void one_that_ends_before_it_is_welcome_is_not_welcomed(void **state)
{
    (void)state;
    says_hello(2, cluster, 1);
    bw_guard_session_on_closed(&session, 2);
    assert_done("close:1 gone:0");
    assert_int_equal(session.agent, 0);

    says_hello(3, cluster, 1);
    assert_next(BW_SESSION_GONE);
    assert_next(BW_SESSION_PROVE);
    bw_guard_session_on_closed(&session, 3);
    assert_done("");
    assert_int_equal(session.agent, 0);
}

static void one_that_ends_as_another_comes_is_void_all_the_same(void **state)
{
    (void)state;
    says_hello(2, cluster, 1);
    bw_guard_session_on_closed(&session, 1);

    assert_done("gone:0 prove:0 welcome:2 greet:0 greet:1 done:2");
}

static void an_agent_that_reads_slowly_holds_up_no_other(void **state)
{
    struct bw_guard_hello unwelcome = hello_of(other_cluster, 1);
    struct bw_session_action action;
    struct bw_session_refusal refusal;

    (void)state;
    says_hello(2, cluster, 1);
    for (int i = 0; i < 5; i++)
        assert_true(bw_guard_session_next(&session, GROUPS, false, &action) || i == 4);
    assert_int_equal(session.phase, BW_SESSION_GREETING);

    for (int i = 0; i < 3; i++)
        assert_false(bw_guard_session_on_hello(&session, 9, &unwelcome, &refusal));
    says_hello(3, cluster, 2);
    assert_true(bw_guard_session_next(&session, GROUPS, false, &action));
    assert_int_equal(action.kind, BW_SESSION_PIN);
    pinned();
    assert_done("close:2 gone:0 prove:0 welcome:3 greet:0 greet:1 done:3");
}

static void one_that_ends_while_it_is_greeted_is_greeted_no_more(void **state)
{
    struct bw_session_action action;

    (void)state;
    says_hello(2, cluster, 1);
    for (int i = 0; i < 5; i++)
        assert_true(bw_guard_session_next(&session, GROUPS, true, &action));
    assert_int_equal(action.kind, BW_SESSION_GREET);

    bw_guard_session_on_closed(&session, 2);
    assert_done("gone:0");
}

/* ---- the cluster that it serves ---- */

static void a_hello_waits_until_its_cluster_is_durable(void **state)
{
    (void)state;
    says_hello(1, cluster, 1);
    assert_done("pin:0");
    assert_int_equal(session.agent, 0);
    assert_true(bw_id_equal(session.pinning.cluster_id, cluster));

    pinned();
    assert_done("gone:0 prove:0 welcome:1 greet:0 greet:1 done:1");
}

static void what_cannot_be_made_durable_is_refused(void **state)
{
    struct bw_session_refusal refusal;

    (void)state;
    says_hello(1, cluster, 1);
    assert_done("pin:0");

    assert_false(bw_guard_session_on_pinned(&session, false, "no space", &refusal));
    assert_int_equal(refusal.connection, 1);
    assert_int_equal(refusal.why, BW_REFUSAL_NOT_DURABLE);
    assert_string_equal(refusal.text, "no space");
    assert_done("");
    assert_true(bw_id_is_none(session.own.cluster_id));
}

static void whoever_controls_goes_on_while_another_waits(void **state)
{
    (void)state;
    says_hello(2, cluster, 2);
    assert_done("pin:0");
    assert_int_equal(session.agent, 1);

    says_hello(3, cluster, 3); /* the newest; one write at a time */
    assert_done("");
    pinned();
    assert_done("pin:0"); /* judged again: of another generation than was written */
    assert_int_equal(session.own.generation, 2);
    pinned();
    assert_done("close:1 gone:0 prove:0 welcome:3 greet:0 greet:1 done:3");
}

static void one_that_is_closed_while_it_waits_is_not_welcomed(void **state)
{
    (void)state;
    says_hello(1, cluster, 1);
    assert_done("pin:0");
    bw_guard_session_on_closed(&session, 1);

    pinned();
    assert_done("");
    assert_int_equal(session.own.generation, 1); /* and it is durable all the same */
}

/* ---- what no machine hears ---- */

static void a_refusal_names_what_it_answers(void **state)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_ARM, .group = "g", .arm.epoch = 3};
    struct bw_guard_message answer;

    (void)state;
    message.arm.number = 8;
    assert_true(bw_guard_refuse(&message, BW_REFUSAL_NO_GROUP, &answer));
    assert_int_equal(answer.kind, BW_GUARD_MESSAGE_ARM_REFUSED);
    assert_int_equal(answer.epoch, 3);
    assert_int_equal(answer.refused.number, 8);
    assert_int_equal(answer.refused.why, BW_REFUSAL_NO_GROUP);
    assert_string_equal(answer.group, "g");

    message.kind = BW_GUARD_MESSAGE_RUN;
    message.run = (struct bw_guard_run){.epoch = 3, .action = BW_ACTION_STOP, .run_id = 4};
    assert_true(bw_guard_refuse(&message, BW_REFUSAL_NO_HELLO, &answer));
    assert_int_equal(answer.kind, BW_GUARD_MESSAGE_RUN_ENDED);
    assert_int_equal(answer.ended.result, BW_RUN_REFUSED);
    assert_int_equal(answer.ended.run_id, 4);

    message.kind = BW_GUARD_MESSAGE_END;
    assert_true(bw_guard_refuse(&message, BW_REFUSAL_NO_HELLO, &answer));
    assert_int_equal(answer.kind, BW_GUARD_MESSAGE_END_REFUSED);
    message.kind = BW_GUARD_MESSAGE_LET_GO;
    assert_false(bw_guard_refuse(&message, BW_REFUSAL_NO_HELLO, &answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_hello_that_is_not_valid_is_refused_and_changes_nothing,
                               begin_controlled),
        cmocka_unit_test_setup(an_agent_that_no_witness_has_answered_is_welcome, begin_controlled),
        cmocka_unit_test_setup(the_newest_hello_controls, begin_controlled),
        cmocka_unit_test_setup(an_older_hello_that_waits_for_the_disk_is_over_with_a_newer_one,
                               begin_controlled),
        cmocka_unit_test_setup(the_end_of_its_connection_is_told_to_all_groups, begin_controlled),
        cmocka_unit_test_setup(one_that_ends_before_it_is_welcome_is_not_welcomed, begin_controlled),
        cmocka_unit_test_setup(one_that_ends_as_another_comes_is_void_all_the_same,
                               begin_controlled),
        cmocka_unit_test_setup(an_agent_that_reads_slowly_holds_up_no_other, begin_controlled),
        cmocka_unit_test_setup(one_that_ends_while_it_is_greeted_is_greeted_no_more,
                               begin_controlled),
        cmocka_unit_test_setup(a_hello_waits_until_its_cluster_is_durable, begin),
        cmocka_unit_test_setup(what_cannot_be_made_durable_is_refused, begin),
        cmocka_unit_test_setup(whoever_controls_goes_on_while_another_waits, begin_controlled),
        cmocka_unit_test_setup(one_that_is_closed_while_it_waits_is_not_welcomed, begin),
        cmocka_unit_test(a_refusal_names_what_it_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
