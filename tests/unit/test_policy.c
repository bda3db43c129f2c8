/* policy: who is a candidate (design 3.6, 3.9, 4); by what it lacks: test_policy_lag; what damps a change:
 * test_policy_damping. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/guard_link.h>

#include "policy_judge.h"

/* ---- what keeps a site from being granted: one fault each, and nothing else ---- */

static void unknown_service(struct bw_report *report)
{
    report->service = BW_SERVICE_UNKNOWN;
    report->has_fence_or_stop_succeeded = true;
}
static void started_service(struct bw_report *report)
{
    report->service = BW_SERVICE_STARTED;
}
static void lost_guard(struct bw_report *report)
{
    report->guard_alive = false;
}
static void higher_epoch(struct bw_report *report)
{
    report->epoch_seen = 99;
}
static void due_rejoin(struct bw_report *report)
{
    report->rejoining = true;
}
static void joined_behind_an_older_epoch(struct bw_report *report)
{
    report->joined_epoch = 0;
}
static void condition_stop(struct bw_report *report)
{
    report->condition = BW_CONDITION_STOP;
}
static void no_reach(struct bw_report *report)
{
    report->reach = BW_REACH_NONE;
}
static void unproved_reach(struct bw_report *report)
{
    report->reach_works = false;
}
static void slow_fence(struct bw_report *report)
{
    report->fence_took_ms = 5251; /* F and the margin */
}
static void measured_slow_fence(struct bw_report *report)
{
    report->alarms = 1u << BW_ALARM_FENCE_TOO_SLOW;
}
static void volatile_state(struct bw_report *report)
{
    report->alarms = 1u << BW_ALARM_STATE_NOT_DURABLE;
}
static void failed_fence(struct bw_report *report)
{
    report->fence_failed = true;
}
static void busy_guard(struct bw_report *report)
{
    report->guard_busy = true;
}
static void unrunnable_script(struct bw_report *report)
{
    report->failure_count = 2;
    report->failures[0] = (struct bw_script_failure){.action = BW_ACTION_STOP, .result = BW_RUN_NOT_STARTED}; /* once */
    report->failures[1] = (struct bw_script_failure){
        .action = BW_ACTION_START, .result = BW_SCRIPT_UNRUNNABLE, .outcome.words = "start.sh: ..."};
}
static void unready(struct bw_report *report)
{
    report->ready = false;
}
static void never_measured(struct bw_report *report)
{
    report->ready_age_ms = UINT32_MAX;
}
static void old_readiness(struct bw_report *report)
{
    report->ready_age_ms = 33001;
}

static const struct {
    const char *gate;
    void (*spoil)(struct bw_report *report);
} faults[] = {
    {"service", unknown_service},
    {"service", started_service},
    {"guard", lost_guard},
    {"scripts", unrunnable_script},
    {"claim", higher_epoch},
    {"rejoining", due_rejoin},
    {"rejoining", joined_behind_an_older_epoch},
    {"condition", condition_stop},
    {"reach", no_reach},
    {"reach", unproved_reach},
    {"fence_bound", slow_fence},
    {"site_alarm", measured_slow_fence},
    {"site_alarm", volatile_state},
    {"site_alarm", failed_fence},
    {"busy", busy_guard},
    {"ready", unready},
    {"ready", never_measured},
    {"ready", old_readiness},
};

/* I1, 3.2.4, 3.4, 3.7, 4: each alone makes the site no candidate, planned or not. */
static void each_fault_alone_makes_a_site_no_candidate(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        world_begin(&world, 2);
        assert_true(judge(B, false));
        assert_true(judge(B, true));

        faults[i].spoil(&world.sites[B].report);
        world_sync_all(&world);

        assert_false(judge(B, false));
        assert_true(is_held_by(faults[i].gate));
        assert_false(judge(B, true));
    }
}

static uint32_t age_ms_of_gate(const char *id)
{
    for (uint32_t i = 0; i < candidacy.gate_count; i++)
        if (strcmp(bw_gate_id_text(candidacy.gates[i].id), id) == 0)
            return candidacy.gates[i].age_ms;
    fail_msg("no gate %s", id);
    return 0;
}

/* 4: a report passes on what a look saw some time ago, and all others of its facts as they are. */
static void what_a_look_saw_is_as_old_as_the_look(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.service_age_ms = 70000;
    world_sync_all(&world);

    (void)judge(B, false);
    assert_in_range(age_ms_of_gate("service"), 70000, 70100);
    assert_in_range(age_ms_of_gate("guard"), 0, 100);
    assert_in_range(age_ms_of_gate("condition"), 0, 100);

    world.sites[B].report.service_age_ms = UINT32_MAX; /* it has not looked yet */
    world_sync_all(&world);
    (void)judge(B, false);
    assert_int_equal(age_ms_of_gate("service"), UINT32_MAX);
}

/* I1, 3.8: what it may serve by would outlive what is waited for. */
static void a_site_of_slow_clocks_is_no_candidate(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].is_timed = true;
    world.sites[B].clock_ppm = -3000;
    world_pass_ms(&world, 60000);
    assert_true(judge(B, false)); /* not measured for long enough */

    world_pass_ms(&world, 40000);

    assert_false(judge(B, false));
    assert_true(is_held_by("clock_rate"));
    assert_false(judge(B, true));
    assert_true(is_held_by("clock_rate"));
}

static void clocks_within_the_bound_and_fast_ones_hold_nobody(void **state)
{
    static const int32_t rates[] = {-1900, 1900, 50000};

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        world_begin(&world, 2);
        world.sites[B].is_timed = true;
        world.sites[B].clock_ppm = rates[i];
        world_pass_ms(&world, 120000);

        assert_true(judge(B, false));
        assert_true(world_watch(&world)->rates[B].bounds.is_known);
    }
}

/* A slow holder is shown and not moved: its end is waited for as ever. */
static void a_holder_of_slow_clocks_keeps_its_epoch(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_timed = true;
    world.sites[A].clock_ppm = -3000;
    for (int i = 0; i < 100; i++) {
        world_pass_ms(&world, 2000);
        assert_string_equal(world_act(&world), "A0");
    }

    assert_int_equal(bw_rate_judge(&world_watch(&world)->rates[A].bounds, 1000), BW_RATE_SLOW);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_GRANTED);
}

/* What another witness measured is its own: only answers of this one count. */
static void exchanges_with_another_witness_measure_nothing(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].is_timed = true;
    world.sites[B].clock_ppm = -3000;
    world.sites[B].timed_by = "w2";

    world_pass_ms(&world, 120000);

    assert_true(judge(B, false));
    assert_false(world_watch(&world)->rates[B].bounds.is_known);
}

static void a_condition_that_was_not_asked_holds_nobody(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.condition = BW_CONDITION_NONE;
    world_sync_all(&world);

    assert_true(judge(B, false));
}

/* 4: no yes for what happens by itself; a person who names the site has asked for it. */
/* Who is named is who it was decided for. */
static void a_failover_to_one_site_waives_no_condition_of_another(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 3);
    world.sites[C].report.condition = BW_CONDITION_FAILED;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);

    assert_true(judge(B, false));
    assert_false(judge(C, false));
    assert_true(is_held_by("condition"));
}

static void a_failing_condition_is_no_yes_for_an_automatic_move(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.condition = BW_CONDITION_FAILED;
    world_sync_all(&world);
    assert_true(judge(B, true));
    assert_false(judge(B, false));
    assert_true(is_held_by("condition"));

    world.sites[A].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A9");
}

/* 3.7: another instance of the site served last. The one that is left has not, and its data has. */
static void the_data_site_follows_nobody_whichever_instance_speaks_for_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[A].instance.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world.sites[A].report.joined_epoch = 0;
    world.sites[A].released = (struct bw_released){0};
    world_pass_ms(&world, 5000);

    assert_string_equal(world_group(&world)->data_site, "dc-a");
    assert_true(judge(A, false));
}

/* 4: whom it would follow is lost for good. Nobody but a person, who names it, may take it as it is. */
static void an_owed_rejoin_is_waived_by_a_person_who_names_the_site(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.joined_epoch = 0;
    world_pass_ms(&world, 1000);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_string_equal(world_act(&world), "A3");
    world_pass_ms(&world, 1000);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "rejoining", B));

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "failover harbor --to dc-b --accept-data-loss"));
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "", true, &diag), BW_OK);
    assert_string_equal(world_decide(&world), "A0"); /* the best candidate is none */
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);

    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static void a_site_that_is_silent_is_no_candidate(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_wait_ms(&world, 2998);
    assert_true(judge(B, true));
    world_wait_ms(&world, 1);
    assert_false(judge(B, true));
    assert_true(is_held_by("two_way"));
    world_wait_ms(&world, 1);
    assert_false(judge(B, true));
    assert_true(is_held_by("connected"));
}

/* 4: a site that speaks and does not hear would be granted again and again. */
static void a_deaf_site_is_no_candidate(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].is_deaf = true;
    world_pass_ms(&world, 4000);

    assert_false(judge(B, false));
    assert_true(is_held_by("two_way"));
    assert_false(is_held_by("connected"));
}

/* 3.9: what nobody has said freshly is not so. */
static void a_site_has_let_go_by_its_own_fresh_word_alone(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_false(bw_policy_site_has_let_go(world_group(&world), world_watch(&world), B, world.now)); /* nobody asked it to */
    world_set_mode(&world, BW_MODE_OBSERVE);
    assert_false(bw_policy_site_has_let_go(world_group(&world), world_watch(&world), B, world.now)); /* nor has it said so */
    world_sync_all(&world);
    assert_true(bw_policy_site_has_let_go(world_group(&world), world_watch(&world), B, world.now));
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 10000);
    assert_false(bw_policy_site_has_let_go(world_group(&world), world_watch(&world), B, world.now));
}

/* 3.7: two live instances make the site ineligible. */
static void two_instances_of_a_site_are_no_candidate(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct world_site first = world.sites[B];
    world.sites[B].instance.bytes[7] = 1;
    world.sites[B].session.bytes[7] = 1;
    world_sync_all(&world);
    world.sites[B] = first;
    world_sync_all(&world);

    assert_false(judge(B, false));
    assert_true(is_held_by("instances"));
    assert_false(is_held_by("connected")); /* it speaks, twice */
}

/* As a second enforcer warns (3.4). */
static struct world_site second_enforcer_of(uint64_t epoch)
{
    return (struct world_site){.instance = {{9}},
                               .session = {{9}},
                               .boot_id = {{9}},
                               .report = {.epoch_seen = epoch,
                                          .enforced = true,
                                          .service = BW_SERVICE_UNKNOWN,
                                          .service_age_ms = UINT32_MAX,
                                          .ready_age_ms = UINT32_MAX}};
}

/* It speaks for dc-b, as its agent does before and after. */
static void hear_beside_agent_of_b(struct world_site other)
{
    for (int round = 0; round < 2; round++) {
        struct world_site agent;

        world_sync_all(&world);
        agent = world.sites[B];
        world.sites[B] = other;
        (void)world_sync(&world, B);
        other = world.sites[B];
        world.sites[B] = agent;
    }
}

static const char *word_of(const char *id)
{
    for (uint32_t i = 0; i < candidacy.gate_count; i++)
        if (strcmp(bw_gate_id_text(candidacy.gates[i].id), id) == 0 && candidacy.gates[i].word != NULL)
            return candidacy.gates[i].word;
    return "";
}

/* 3.4, 3.7: cut off from its agent it goes on with an epoch that has ended, which its service refuses for ever. */
static void a_second_enforcer_that_fences_what_is_over_keeps_no_site_out(void **state)
{
    struct bw_group *group;

    (void)state;
    world_begin(&world, 2);
    group = world_group(&world);
    hear_beside_agent_of_b(second_enforcer_of(group->epoch)); /* dc-a holds it */
    assert_true(judge(B, false));

    (void)strcpy(group->holder_site, "dc-b");
    (void)judge(B, false);
    assert_true(is_held_by("instances")); /* what it fences is open */
    assert_non_null(strstr(word_of("instances"), "its second enforcer"));

    group->phase = BW_PHASE_VACANT;
    (void)judge(B, false);
    assert_false(is_held_by("instances"));

    group->phase = BW_PHASE_GRANTED;
    group->epoch++; /* it has a newer one */
    (void)judge(B, false);
    assert_false(is_held_by("instances"));
}

/* 3.7: whatever epoch it knows. */
static void another_agent_is_one_however_old_its_epoch(void **state)
{
    struct world_site others[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        others[i] = second_enforcer_of(1);
    others[0].session.bytes[1] = 1;
    others[1].renew_epoch = 1;
    others[2].released = (struct bw_released){.epoch = 1, .reason = BW_REASON_SWITCHOVER};
    others[3].report.guard_alive = true;
    for (int i = 0; i < 4; i++) {
        world_begin(&world, 2);
        hear_beside_agent_of_b(others[i]);
        assert_false(judge(B, false));
        assert_true(is_held_by("instances"));
        assert_string_equal(word_of("instances"), "");
    }
}

static void never_candidates_and_maintenance_keep_a_site_out(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .site = "dc-b", .duration_ms = 60000};
    (void)state;
    world_begin(&world, 2);
    (void)world_apply(&world, &command);
    world_sync_all(&world);
    assert_false(judge(B, false));
    assert_true(is_held_by("maintenance"));
    assert_in_range(candidacy.wake_in_ns, 1, 60 * BW_NS_PER_S);
    world_pass_ms(&world, 60000);
    assert_true(judge(B, false));

    world_group(&world)->spec.sites[B].never_candidate = true;
    assert_false(judge(B, false));
    assert_true(is_held_by("declared"));
}

/* 3.9: maintenance of the group holds what nobody asked for, never the end of an epoch, and ends.
 */
static void maintenance_of_the_group_holds_what_nobody_asked_for(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 60000};
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    (void)world_apply(&world, &command);
    world_know_spec(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "group_maintenance", -1));
    assert_in_range(world.decision.wake_in_ns, 1, 45 * BW_NS_PER_S);

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_decide(&world), "A9");
    world_watch(&world)->wish = (struct bw_wish){0};
    world_pass_ms(&world, 45000);
    assert_string_equal(world_decide(&world), "A9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_alone_makes_a_site_no_candidate),
        cmocka_unit_test(what_a_look_saw_is_as_old_as_the_look),
        cmocka_unit_test(a_site_of_slow_clocks_is_no_candidate),
        cmocka_unit_test(clocks_within_the_bound_and_fast_ones_hold_nobody),
        cmocka_unit_test(a_holder_of_slow_clocks_keeps_its_epoch),
        cmocka_unit_test(exchanges_with_another_witness_measure_nothing),
        cmocka_unit_test(a_condition_that_was_not_asked_holds_nobody),
        cmocka_unit_test(a_failover_to_one_site_waives_no_condition_of_another),
        cmocka_unit_test(a_failing_condition_is_no_yes_for_an_automatic_move),
        cmocka_unit_test(the_data_site_follows_nobody_whichever_instance_speaks_for_it),
        cmocka_unit_test(an_owed_rejoin_is_waived_by_a_person_who_names_the_site),
        cmocka_unit_test(a_site_that_is_silent_is_no_candidate),
        cmocka_unit_test(a_deaf_site_is_no_candidate),
        cmocka_unit_test(two_instances_of_a_site_are_no_candidate),
        cmocka_unit_test(a_second_enforcer_that_fences_what_is_over_keeps_no_site_out),
        cmocka_unit_test(another_agent_is_one_however_old_its_epoch),
        cmocka_unit_test(a_site_has_let_go_by_its_own_fresh_word_alone),
        cmocka_unit_test(never_candidates_and_maintenance_keep_a_site_out),
        cmocka_unit_test(maintenance_of_the_group_holds_what_nobody_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
