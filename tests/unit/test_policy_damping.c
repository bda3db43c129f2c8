/* policy: who comes first, and what damps a change (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

static void fail_start(int site)
{
    world_give_back(&world, site, BW_REASON_START_FAILED, false, "");
    assert_string_equal(world_act(&world), "A1");
}

/* 4: the pause of a site doubles with each of its own failed starts, to ten minutes. */
static void failed_starts_make_a_pause_that_doubles(void **state)
{
    static const uint64_t pauses_ms[] = {10000,  20000,  40000,  80000,
                                         160000, 320000, 600000, 600000};
    (void)state;
    world_init(&world, 2);
    world_group(&world)->spec.sites[B].never_candidate = true;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        fail_start(A);
        world_pass_ms(&world, pauses_ms[i] - 500);
        assert_string_equal(world_decide(&world), "A0");
        assert_true(world_holds(&world, "backoff", A));
        assert_in_range(world.decision.wake_in_ns, 1, BW_NS_PER_S);
        world_pass_ms(&world, 500);
        assert_string_equal(world_act(&world), "A9");
    }
}

/* 4: what status and explain say of a site is what decides: in its pause it may not be granted. */
static void a_site_in_its_pause_is_shown_as_one_that_may_not_be_granted(void **state)
{
    struct bw_candidacy candidacy;
    (void)state;
    world_init(&world, 2);
    world_group(&world)->spec.sites[B].never_candidate = true;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    fail_start(A);
    world_pass_ms(&world, 9000);
    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, A, false,
                    world.now, &candidacy);
    assert_false(candidacy.eligible);
    assert_int_equal(candidacy.gates[candidacy.gate_count - 1].id, BW_GATE_ID_BACKOFF);
    assert_in_range(candidacy.wake_in_ns, 1, BW_NS_PER_S);
    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, A, true,
                    world.now, &candidacy);
    assert_true(candidacy.eligible); /* a person may ask for it */

    world_pass_ms(&world, 1000);
    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, A, false,
                    world.now, &candidacy);
    assert_true(candidacy.eligible);
}

/* 4: ... and a person need not wait for it. */
static void a_failover_waits_for_no_pause(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_group(&world)->spec.sites[B].never_candidate = true;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    fail_start(A);
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-a", false, NULL), BW_OK);
    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-a");
}

/* 4: who did not fail waits for nobody else's pause. */
static void failed_starts_go_round_without_waiting_for_another_site(void **state)
{
    static const char *const sites[] = {"dc-b", "dc-c"};
    int holder = A;
    (void)state;
    world_init(&world, 3);
    for (int site = A; site <= C; site++)
        world.sites[site].report.has_readiness = false;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        fail_start(holder);
        world_pass_ms(&world, 500);
        assert_string_equal(world_act(&world), "A9");
        assert_true(world_holds(&world, "backoff", holder));
        assert_string_equal(world_group(&world)->holder_site, sites[i]);
        holder = bw_spec_find_site(&world_group(&world)->spec, sites[i]);
    }
    fail_start(holder);
    world_pass_ms(&world, 8000); /* counted from the end of its own epoch, 9 s ago */
    assert_string_equal(world_decide(&world), "A0");
    world_pass_ms(&world, 1500);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* 3.1: a new leader and a restarted witness count the pause from what they applied themselves. */
static void the_pause_is_longer_and_never_shorter_after_a_restart(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_group(&world)->spec.sites[B].never_candidate = true;
    assert_string_equal(world_act(&world), "A6");
    fail_start(A);
    world_pass_ms(&world, 9000);
    bw_witness_on_restored(&world.witness, world.now);
    world_pass_ms(&world, 9000);

    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "backoff", A));
}

static void begin_damped(uint32_t min_primary_ms, uint32_t max_failovers_per_window)
{
    struct bw_spec spec;

    world_init(&world, 2);
    spec = world_group(&world)->spec;
    spec.min_primary_time_ms = min_primary_ms;
    spec.max_failovers_per_window = max_failovers_per_window;
    spec.failover_window_ms = 600000;
    world_begin_with(&world, 2, &spec);
}

/* 4: damping shows the seconds left, and never blocks a stop. */
static void min_primary_time_holds_another_site_and_not_the_end(void **state)
{
    (void)state;
    begin_damped(60000, 0);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "min_primary_time", B));
    assert_int_equal(world_gate(&world, "min_primary_time", B)->threshold, 60000);
    assert_in_range(world.decision.wake_in_ns, 1, 60 * BW_NS_PER_S);

    world_pass_ms(&world, 40000);
    assert_string_equal(world_decide(&world), "A9");
}

static void damping_never_keeps_the_data_site_from_its_group(void **state)
{
    (void)state;
    begin_damped(600000, 1);
    world_give_back(&world, A, BW_REASON_REBOOT, true, "");
    assert_string_equal(world_act(&world), "A1");

    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* What failed at once was no time as primary: its back-off damps it. */
static void min_primary_time_does_not_hold_what_follows_a_failed_start(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 3);
    spec = world_group(&world)->spec;
    spec.min_primary_time_ms = 60000;
    world_begin_with(&world, 3, &spec);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 80000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    fail_start(B);

    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-c");
    assert_null(world_gate(&world, "min_primary_time", C));
}

/* Of equals the one whose data is the newest, then the one that is named first. */
static void among_sites_of_one_priority_the_data_site_is_preferred(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 3);
    spec = world_group(&world)->spec;
    for (int site = A; site <= C; site++)
        spec.sites[site].priority = 50;
    world_begin_with(&world, 3, &spec);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    world_serve(&world, B);
    world.sites[A].report.has_lag = true;
    world_pass_ms(&world, 1000);
    world_give_back(&world, B, BW_REASON_REBOOT, true, "");
    assert_string_equal(world_act(&world), "A1");

    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-b");
}

static void fail_over_to(int from, int to)
{
    world_give_back(&world, from, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, to);
    world.sites[from].report.has_lag = true;
    world_pass_ms(&world, 1000);
}

/* 4: counted by this witness's own clock, whatever the wall clocks in the history say. */
static void failovers_in_the_window_are_counted_by_the_own_clock(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    begin_damped(0, 2);
    fail_over_to(A, B);
    fail_over_to(B, A);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[A].report.condition = BW_CONDITION_STOP;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "failovers", B));
    assert_in_range(world.decision.wake_in_ns, 500 * BW_NS_PER_S, 600 * BW_NS_PER_S);

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "", false, &diag), BW_OK);
    assert_string_equal(world_decide(&world), "A9");
    world_watch(&world)->wish = (struct bw_wish){0};
    world_pass_ms(&world, 600000);
    assert_string_equal(world_decide(&world), "A9");
}

/* 4: a witness that begins anew does not know how long ago that was which it finds, and keeps nobody waiting for it:
 * after an upgrade of all three a site that is lost would leave the group dark. */
static void what_a_witness_finds_as_it_begins_damps_nothing(void **state)
{
    (void)state;
    begin_damped(600000, 1);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world_pass_ms(&world, 600000);
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, B);
    world.sites[A].report.has_lag = true;
    world_pass_ms(&world, 1000);
    world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "failovers", A));
    assert_true(world_holds(&world, "min_primary_time", A));
    bw_witness_on_restored(&world.witness, world.now);
    world_pass_ms(&world, 20000);
    assert_string_equal(world_decide(&world), "A9");
}

/* 4: that its data is the newest comes behind priority; before it only after a recovery (3.9). */
static void a_site_of_higher_priority_is_preferred_to_the_data_site(void **state)
{
    (void)state;
    begin_damped(0, 0);
    fail_over_to(A, B);
    world_give_back(&world, B, BW_REASON_REBOOT, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_decide(&world), "A9");
    assert_string_equal(world.decision.command.site, "dc-a");
}

/* Whatever the letters of the site that it left. */
static void a_failover_from_a_site_of_one_letter_is_counted(void **state)
{
    (void)state;
    begin_damped(0, 1);
    fail_over_to(A, B);
    (void)strcpy(world_group(&world)->history[world_group(&world)->history_count - 1].previous_site, "a");
    world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "failovers", A));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_starts_make_a_pause_that_doubles),
        cmocka_unit_test(a_site_in_its_pause_is_shown_as_one_that_may_not_be_granted),
        cmocka_unit_test(a_failover_waits_for_no_pause),
        cmocka_unit_test(failed_starts_go_round_without_waiting_for_another_site),
        cmocka_unit_test(the_pause_is_longer_and_never_shorter_after_a_restart),
        cmocka_unit_test(min_primary_time_holds_another_site_and_not_the_end),
        cmocka_unit_test(min_primary_time_does_not_hold_what_follows_a_failed_start),
        cmocka_unit_test(among_sites_of_one_priority_the_data_site_is_preferred),
        cmocka_unit_test(damping_never_keeps_the_data_site_from_its_group),
        cmocka_unit_test(failovers_in_the_window_are_counted_by_the_own_clock),
        cmocka_unit_test(what_a_witness_finds_as_it_begins_damps_nothing),
        cmocka_unit_test(a_failover_from_a_site_of_one_letter_is_counted),
        cmocka_unit_test(a_site_of_higher_priority_is_preferred_to_the_data_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
