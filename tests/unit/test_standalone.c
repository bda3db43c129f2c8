/* standalone: the check loop of the replaced program (design 5.2). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/machine/standalone.h>

static struct bw_standalone begin(uint32_t failure_threshold)
{
    struct bw_standalone machine;

    bw_standalone_init(&machine, failure_threshold);
    return machine;
}

/* A whole round: what it has called in the end. */
static enum bw_action_kind round_of(struct bw_standalone *machine, const char *condition,
                                    const char *status)
{
    enum bw_action_kind next = bw_standalone_on_due(machine);

    assert_int_equal(next, BW_ACTION_CONDITION);
    next = bw_standalone_on_end(machine, condition != NULL,
                                condition != NULL ? condition : "start");
    if (next == BW_ACTION_NONE)
        return BW_ACTION_NONE;
    assert_int_equal(next, BW_ACTION_STATUS);
    next = bw_standalone_on_end(machine, status != NULL, status != NULL ? status : "stopped");
    if (next != BW_ACTION_NONE)
        assert_int_equal(bw_standalone_on_end(machine, true, ""), BW_ACTION_NONE);
    return next;
}

static void start_starts_what_is_stopped_at_once(void **state)
{
    struct bw_standalone machine = begin(6);

    (void)state;
    assert_int_equal(round_of(&machine, "start", "stopped"), BW_ACTION_START);
    assert_int_equal(round_of(&machine, "start", "started"), BW_ACTION_NONE);
}

static void stop_stops_after_so_many_in_a_row(void **state)
{
    struct bw_standalone machine = begin(3);

    (void)state;
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "start", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_STOP);
    assert_int_equal(round_of(&machine, "stop", "started"),
                     BW_ACTION_STOP); /* again, until it is */
    assert_int_equal(round_of(&machine, "stop", "stopped"), BW_ACTION_NONE);
}

static void a_check_that_fails_calls_nothing_and_counts_for_nothing(void **state)
{
    struct bw_standalone machine = begin(2);

    (void)state;
    assert_int_equal(round_of(&machine, NULL, "stopped"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, NULL, "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "perhaps", "started"), BW_ACTION_NONE);
    assert_int_equal(round_of(&machine, "", "started"), BW_ACTION_NONE);
    assert_int_equal(machine.stop_count, 1);
    assert_int_equal(round_of(&machine, "stop", "started"), BW_ACTION_STOP);
}

/* The table of breakwater-standalone(1). NULL: the status failed. */
static void what_is_called_follows_from_check_and_status(void **state)
{
    static const struct {
        const char *condition, *status;
        enum bw_action_kind called;
        bool lacks_word;
    } rows[] = {
        {"start", "stopped", BW_ACTION_START, false}, {"start", "started", BW_ACTION_NONE, false},
        {"start", "unknown", BW_ACTION_NONE, true},   {"start", "running", BW_ACTION_NONE, true},
        {"start", NULL, BW_ACTION_NONE, true},        {"stop", "stopped", BW_ACTION_NONE, false},
        {"stop", "started", BW_ACTION_STOP, false},   {"stop", "unknown", BW_ACTION_STOP, false},
        {"stop", "running", BW_ACTION_STOP, false},   {"stop", "", BW_ACTION_STOP, false},
        {"stop", NULL, BW_ACTION_NONE, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bw_standalone machine = begin(1);
        enum bw_action_kind next = bw_standalone_on_due(&machine);

        assert_int_equal(next, BW_ACTION_CONDITION);
        assert_int_equal(bw_standalone_on_end(&machine, true, rows[i].condition), BW_ACTION_STATUS);
        next = bw_standalone_on_end(&machine, rows[i].status != NULL,
                                    rows[i].status != NULL ? rows[i].status : "stopped");
        assert_int_equal(next, rows[i].called);
        assert_int_equal(machine.lacks_word, rows[i].lacks_word);
    }
}

static void no_round_begins_beside_another(void **state)
{
    struct bw_standalone machine = begin(1);

    (void)state;
    assert_int_equal(bw_standalone_on_due(&machine), BW_ACTION_CONDITION);
    assert_int_equal(bw_standalone_on_due(&machine), BW_ACTION_NONE);
    assert_int_equal(bw_standalone_on_end(&machine, true, "start"), BW_ACTION_STATUS);
    assert_int_equal(bw_standalone_on_due(&machine), BW_ACTION_NONE);
    assert_int_equal(bw_standalone_on_end(&machine, true, "stopped"), BW_ACTION_START);
    assert_int_equal(bw_standalone_on_due(&machine), BW_ACTION_NONE);
    assert_int_equal(bw_standalone_on_end(&machine, false, ""), BW_ACTION_NONE);
    assert_int_equal(bw_standalone_on_due(&machine), BW_ACTION_CONDITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_starts_what_is_stopped_at_once),
        cmocka_unit_test(stop_stops_after_so_many_in_a_row),
        cmocka_unit_test(a_check_that_fails_calls_nothing_and_counts_for_nothing),
        cmocka_unit_test(what_is_called_follows_from_check_and_status),
        cmocka_unit_test(no_round_begins_beside_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
