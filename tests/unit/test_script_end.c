/* script_end: what the end of a script comes to, by how it ended and what was ordered (3.2.4, 3.4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include <breakwater/core/script_end.h>

static struct bw_guard_run_ended ended;

static enum bw_run_result judge(enum bw_action_kind action, struct bw_script_end end)
{
    ended = (struct bw_guard_run_ended){
        .result = BW_RUN_INTERRUPTED, .refusal = BW_REFUSAL_BUSY, .exit_status = 77};
    bw_script_end_judge(action, &end, &ended);
    return ended.result;
}

static struct bw_script_end by(enum bw_script_how how, int code)
{
    return (struct bw_script_end){.how = how, .code = code, .is_tree_gone = true};
}

static void only_an_exit_with_0_is_a_success(void **state)
{
    (void)state;
    for (int action = BW_ACTION_START; action < BW_ACTION_COUNT; action++) {
        assert_int_equal(judge(action, by(BW_SCRIPT_EXITED, 0)), BW_RUN_OK);
        assert_int_equal(ended.exit_status, 0);
        assert_int_equal(ended.refusal, BW_REFUSAL_NONE);
        assert_int_equal(judge(action, by(BW_SCRIPT_EXITED, 3)), BW_RUN_FAILED);
        assert_int_equal(ended.exit_status, 3);
        assert_int_equal(judge(action, by(BW_SCRIPT_SIGNALED, SIGSEGV)), BW_RUN_FAILED);
        assert_int_equal(ended.exit_status, -1);
        assert_int_equal(judge(action, by(BW_SCRIPT_TIMED_OUT, 0)), BW_RUN_TIMED_OUT);
        assert_int_equal(ended.exit_status, -1);
        assert_int_equal(judge(action, by(BW_SCRIPT_KILLED, 0)), BW_RUN_KILLED);
        assert_int_equal(judge(action, by(BW_SCRIPT_TOO_LATE, 0)), BW_RUN_TOO_LATE);
        assert_int_equal(judge(action, by(BW_SCRIPT_NOT_STARTED, 0)), BW_RUN_NOT_STARTED);
        assert_int_equal(ended.exit_status, -1);
    }
}

static void a_look_that_somebody_has_ended_has_seen_nothing(void **state)
{
    (void)state;
    assert_int_equal(judge(BW_ACTION_STATUS, by(BW_SCRIPT_SIGNALED, SIGTERM)), BW_RUN_KILLED);
    assert_int_equal(judge(BW_ACTION_STATUS, by(BW_SCRIPT_SIGNALED, SIGKILL)), BW_RUN_KILLED);
    assert_int_equal(judge(BW_ACTION_CONDITION, by(BW_SCRIPT_SIGNALED, SIGTERM)), BW_RUN_KILLED);
    assert_int_equal(judge(BW_ACTION_START, by(BW_SCRIPT_SIGNALED, SIGTERM)), BW_RUN_FAILED);
    assert_int_equal(judge(BW_ACTION_STOP, by(BW_SCRIPT_SIGNALED, SIGKILL)), BW_RUN_FAILED);
}

static void a_look_that_got_no_go_has_seen_nothing(void **state)
{
    struct bw_script_end end = by(BW_SCRIPT_NOT_STARTED, 0);

    (void)state;
    end.got_no_go = true;
    assert_int_equal(judge(BW_ACTION_STATUS, end), BW_RUN_KILLED);
    assert_int_equal(judge(BW_ACTION_START, end), BW_RUN_NOT_STARTED);
}

/* With these it may start once that is committed, and nothing has failed. */
static void what_would_begin_with_other_scripts_is_refused(void **state)
{
    struct bw_script_end end = by(BW_SCRIPT_NOT_STARTED, 0);

    (void)state;
    end.is_other = true;
    assert_int_equal(judge(BW_ACTION_START, end), BW_RUN_REFUSED);
    assert_int_equal(ended.refusal, BW_REFUSAL_OTHER_SCRIPTS);
    assert_int_equal(ended.exit_status, -1);
}

static void a_stop_whose_own_tree_is_left_has_ended_nothing(void **state)
{
    static const enum bw_action_kind ends[] = {BW_ACTION_STOP, BW_ACTION_FENCE,
                                               BW_ACTION_REMOTE_FENCE};
    struct bw_script_end end = by(BW_SCRIPT_EXITED, 0);

    (void)state;
    end.is_tree_gone = false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        assert_int_equal(judge(ends[i], end), BW_RUN_FAILED);
        assert_int_equal(ended.exit_status, -1);
    }
    assert_int_equal(judge(BW_ACTION_START, end), BW_RUN_OK); /* what it leaves is the service */
    assert_int_equal(judge(BW_ACTION_STATUS, end), BW_RUN_OK);
    end.code = 3;
    assert_int_equal(judge(BW_ACTION_STOP, end), BW_RUN_FAILED);
    assert_int_equal(ended.exit_status, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_exit_with_0_is_a_success),
        cmocka_unit_test(a_look_that_somebody_has_ended_has_seen_nothing),
        cmocka_unit_test(a_look_that_got_no_go_has_seen_nothing),
        cmocka_unit_test(what_would_begin_with_other_scripts_is_refused),
        cmocka_unit_test(a_stop_whose_own_tree_is_left_has_ended_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
