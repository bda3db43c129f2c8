/* machine/agent_fence: by which means the agent ends what runs without its guard, and in which order (3.4,
 * 3.2.4). What is wanted, and when, is test_own_fence's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent_rig.h"

/* Both groups were armed until then, and the guard has not said a word since. The second group has units. */
static uint64_t begin_armed(struct rig *rig)
{
    struct reply reply;

    begin_welcomed(rig);
    answered(rig, 0, reply_of(rig, BW_ORDER_RUN, 7, &reply));
    saved(rig, BW_OK);
    live_until(rig, rig->now_ms + 10);
    reply_of(rig, BW_ORDER_RUN, 8, &reply);
    for (uint32_t i = 0; i < RIG_GROUPS; i++)
        reply.groups[i].confirmed_epoch = 1;
    answered(rig, 1, &reply);
    assert_asks(rig, "ARM");
    forget(rig);
    return rig->arm.arm.end.boot_ns / MS;
}

/* Its script has begun. */
static uint64_t begin_fencing(struct rig *rig)
{
    const uint64_t end_ms = begin_armed(rig);

    live_until(rig, end_ms - 2000 + 2000 / 4 + 1);
    assert_asks(rig, "OPEN:0 ");
    assert_asks(rig, "OPEN:1 ");
    assert_asks(rig, "RUN:2 "); /* stop: there is no fence script */
    return end_ms;
}

static void fence_event(struct rig *rig, enum bw_agent_event_kind kind, uint32_t group, bool ok,
                        const char *line)
{
    happen(rig,
           (struct bw_agent_event){.kind = kind, .group = group, .ok = ok, .line = line});
}

/* The script has ended, and status says `line`. */
static void looked(struct rig *rig, uint32_t group, const char *line)
{
    fence_event(rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, group, true, "");
    wake(rig);
    forget(rig);
    fence_event(rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, group, true, line);
    wake(rig);
}

/* 3.2.4: of a reach that no guard has proved an empty one says nothing about the service. */
static void what_was_proved_is_what_the_guard_has_said(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    assert_false(rig.groups[0].fence.is_proved || rig.groups[0].fence.is_inside);
    looked(&rig, 0, "nonsense");
    fence_event(&rig, BW_AGENT_EVENT_FENCE_KILLED, 0, true, NULL);
    wake(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_KILLED, 0, true, NULL);
    wake(&rig);
    assert_asks_not(&rig, "SHUT:0 ");
}

/* 3.4: what needs no search goes first, and none waits for another. */
static void the_kill_goes_to_all_that_needs_no_search_and_then_a_search_begins(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 1, "started");
    assert_string_equal(rig.log, "KILL:0 ONCE:2 ONCE:1 ");

    forget(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_KILLED, 1, true, NULL);
    wake(&rig);
    assert_string_equal(rig.log, "KILL:1 ");
    fence_event(&rig, BW_AGENT_EVENT_FENCE_KILLED, 1, true, NULL);
    wake(&rig);
    assert_asks(&rig, "KILL:2 ");
}

static void a_group_without_units_has_none_killed(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 0, "started");
    assert_string_equal(rig.log, "KILL:0 ONCE:1 ");
}

/* Between TERM and KILL a search may take longer than there is. */
static void term_searches_for_nothing(void **state)
{
    struct rig rig;
    uint64_t end_ms;

    (void)state;
    end_ms = begin_fencing(&rig);
    forget(&rig);
    live_until(&rig, end_ms - 400);
    assert_asks(&rig, "TERM:0 TERM:2 ");
    assert_asks_not(&rig, "TERM:1");
}

/* 1: a right ends with the first of the two clocks, and each step of the fence counts towards it. */
static void a_fence_goes_on_with_whichever_clock_is_first(void **state)
{
    struct rig rig;
    uint64_t end_ms;

    (void)state;
    for (int i = 0; i < 2; i++) {
        end_ms = begin_armed(&rig);
        *(i == 0 ? &rig.raw_behind_ms : &rig.boot_behind_ms) = 5000;
        rig.now_ms = end_ms - 2000 + 2000 / 4 + 1;
        wake(&rig);
        wake(&rig);
        assert_asks(&rig, "RUN:2 ");
        rig.now_ms = end_ms - 2000 / 6 + 1;
        wake(&rig);
        wake(&rig);
        assert_asks(&rig, "KILL:0 ");
    }
}

/* The KILL comes by the clock, whatever a script does, and no later than F/6 before D. */
static void the_kill_comes_before_d_though_nothing_ever_answers(void **state)
{
    struct rig rig;
    uint64_t end_ms;

    (void)state;
    end_ms = begin_fencing(&rig);
    forget(&rig);
    live_until(&rig, end_ms - 2000 / 6 + 1);
    assert_asks(&rig, "KILL:0 ");
    assert_asks(&rig, "ONCE:2 ");
}

static void what_has_come_does_not_delay_a_kill_that_is_due(void **state)
{
    struct reply reply;
    struct rig rig;
    uint64_t end_ms;

    (void)state;
    end_ms = begin_fencing(&rig);
    live_until(&rig, end_ms - 500);
    forget(&rig);
    rig.now_ms = end_ms - 10;
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 9, &reply));
    assert_true(strstr(rig.log, "KILL:0") != NULL &&
                strstr(rig.log, "KILL:0") < strstr(rig.log, "order:0"));
}

/* The script ends, and the loop hears of it after the instant of the KILL: nobody can end it any
 * more. */
static void a_script_that_has_ended_by_itself_is_not_killed(void **state)
{
    struct rig rig;
    uint64_t end_ms;

    (void)state;
    end_ms = begin_fencing(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, 0, true, "");
    wake(&rig);
    forget(&rig);
    rig.now_ms = end_ms - 10; /* while status runs */
    fence_event(&rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, 0, true, "started");
    assert_asks(&rig, "KILL:0 ");
    assert_asks_not(&rig, "KILL_RUN");

    end_ms = begin_fencing(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, 0, true, "");
    wake(&rig);
    forget(&rig);
    rig.now_ms = end_ms - 10;
    fence_event(&rig, BW_AGENT_EVENT_FENCE_RUN_ENDED, 1, true, ""); /* that of another group does */
    assert_asks(&rig, "KILL_RUN");
}

static void stopped_counts_once_a_search_has_found_no_start_either(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 0, "stopped");
    assert_asks_not(&rig, "SHUT");
    looked(&rig, 1, "stopped");
    forget(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_LOOKED, 1, false, NULL);
    wake(&rig);
    assert_asks(&rig, "KILL:0 "); /* somebody may begin to serve */
}

static void what_cannot_be_looked_at_is_not_empty(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    rig.refused = BW_AGENT_ACTION_FENCE_LOOK;
    looked(&rig, 0, "stopped");
    assert_asks_not(&rig, "SHUT");
    assert_asks(&rig, "KILL:0 ");
}

static void a_kill_that_cannot_be_begun_leaves_the_next_means_to_it(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    rig.refused = BW_AGENT_ACTION_FENCE_KILL;
    looked(&rig, 1, "started");
    wake(&rig);
    wake(&rig);
    assert_string_equal(rig.log, "KILL:0 ONCE:2 ONCE:1 KILL:1 KILL:2 ");
}

static void a_script_that_cannot_be_begun_is_followed_by_the_kill(void **state)
{
    struct rig rig;

    (void)state;
    begin_armed(&rig);
    rig.refused = BW_AGENT_ACTION_FENCE_RUN;
    live_until(&rig, rig.arm.arm.end.boot_ns / MS - 2000 + 2000 / 4 + 1);
    assert_asks(&rig, "RUN:2 ");
    assert_asks(&rig, "KILL:0 ");
}

/* ---- the end of the process -------------------------------------------------------------------- */

static void an_agent_that_can_run_no_fence_is_begun_anew(void **state)
{
    struct rig rig;

    (void)state;
    begin_armed(&rig);
    rig.refused = BW_AGENT_ACTION_FENCE_OPEN;
    live_until(&rig, rig.arm.arm.end.boot_ns / MS - 2000 + 2000 / 4 + 1);
    assert_asks(&rig, "END:1 ");
    assert_asks_not(&rig, "RUN");
    assert_int_equal(bw_agent_machine_fences(&rig.machine), 0);
}

static void units_looked(struct rig *rig, bool is_down)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_FENCE_LOOKED,
                                        .means = BW_FENCE_BY_UNITS,
                                        .group = 1,
                                        .ok = is_down});
}

/* 3.2.4: what systemd holds for a unit it may carry out at any time, and status knows nothing of it. */
static void stopped_counts_once_its_units_are_seen_down_too(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 1, "stopped");
    forget(&rig);
    fence_event(&rig, BW_AGENT_EVENT_FENCE_LOOKED, 1, true, NULL);
    assert_asks(&rig, "LOOK:2 ");
    assert_asks_not(&rig, "SHUT");

    units_looked(&rig, false);
    wake(&rig);
    assert_asks(&rig, "KILL:0 ");
}

/* They are asked after the scripts: a start that is there yet could order them up behind the look. */
static void units_are_looked_at_when_no_start_is_left(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 1, "stopped");
    assert_asks_not(&rig, "LOOK:2 ");
    fence_event(&rig, BW_AGENT_EVENT_FENCE_LOOKED, 1, false, NULL);
    wake(&rig);
    assert_asks_not(&rig, "LOOK:2 ");
    assert_asks(&rig, "KILL:0 ");
}

static void units_that_cannot_be_looked_at_are_not_down(void **state)
{
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    looked(&rig, 1, "stopped");
    rig.refused = BW_AGENT_ACTION_FENCE_LOOK;
    fence_event(&rig, BW_AGENT_EVENT_FENCE_LOOKED, 1, true, NULL);
    wake(&rig);
    assert_asks(&rig, "KILL:0 ");
}

/* Seen stopped, with nothing left that could begin to serve. */
static void end_fence(struct rig *rig, uint32_t group)
{
    looked(rig, group, "stopped");
    fence_event(rig, BW_AGENT_EVENT_FENCE_LOOKED, group, true, NULL);
    if (group == 1)
        units_looked(rig, true);
    wake(rig);
    assert_asks(rig, group == 0 ? "SHUT:0 " : "SHUT:1 ");
    assert_asks(rig, group == 0 ? "fenced:0 " : "fenced:1 ");
}

/* 3.2.4: a fence that has begun is finished. */
static void who_is_to_stop_finishes_the_fences_that_run(void **state)
{
    const struct bw_agent_event stop = {.kind = BW_AGENT_EVENT_STOP};
    struct rig rig;

    (void)state;
    begin_fencing(&rig);
    happen(&rig, stop);
    end_fence(&rig, 0);
    assert_asks_not(&rig, "END");
    end_fence(&rig, 1);
    assert_asks(&rig, "END:0 ");
}

static void who_runs_no_fence_stops_at_once(void **state)
{
    const struct bw_agent_event stop = {.kind = BW_AGENT_EVENT_STOP};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    happen(&rig, stop);
    assert_asks(&rig, "END:0 ");
    forget(&rig);
    happen(&rig, stop);
    assert_asks_not(&rig, "END"); /* once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kill_goes_to_all_that_needs_no_search_and_then_a_search_begins),
        cmocka_unit_test(what_was_proved_is_what_the_guard_has_said),
        cmocka_unit_test(a_group_without_units_has_none_killed),
        cmocka_unit_test(term_searches_for_nothing),
        cmocka_unit_test(a_fence_goes_on_with_whichever_clock_is_first),
        cmocka_unit_test(the_kill_comes_before_d_though_nothing_ever_answers),
        cmocka_unit_test(what_has_come_does_not_delay_a_kill_that_is_due),
        cmocka_unit_test(a_script_that_has_ended_by_itself_is_not_killed),
        cmocka_unit_test(stopped_counts_once_a_search_has_found_no_start_either),
        cmocka_unit_test(stopped_counts_once_its_units_are_seen_down_too),
        cmocka_unit_test(units_are_looked_at_when_no_start_is_left),
        cmocka_unit_test(units_that_cannot_be_looked_at_are_not_down),
        cmocka_unit_test(what_cannot_be_looked_at_is_not_empty),
        cmocka_unit_test(a_kill_that_cannot_be_begun_leaves_the_next_means_to_it),
        cmocka_unit_test(a_script_that_cannot_be_begun_is_followed_by_the_kill),
        cmocka_unit_test(an_agent_that_can_run_no_fence_is_begun_anew),
        cmocka_unit_test(who_is_to_stop_finishes_the_fences_that_run),
        cmocka_unit_test(who_runs_no_fence_stops_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
