/* what people read of a witness's real machines: status, limits of who reads, specs, odd bytes; as JSON and as
 * tables. Plans, outcomes and history: test_operator_plans. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/witness/json.h>
#include <breakwater/witness/spec_json.h>

#include "alarm_lines.h"
#include "operator_text.h"

/* ---- status ----------------------------------------------------------------------------------- */

static void a_calm_hour_is_fine(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_calm.txt");
    compare_json(status_of(&view), "status_calm.json");
}

static void a_silent_witness_and_an_alarm_are_warnings(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.alarms = UINT32_C(1) << BW_ALARM_ROGUE_START;
    world.sites[B].report.guard_alive = false;
    world.sites[B].report.failure_count = 1;
    world.sites[B].report.failures[0] = (struct bw_script_failure){
        .action = BW_ACTION_READINESS,
        .result = BW_RUN_FAILED,
        .age_ms = 12000,
        .outcome = {.exited = true, .exit_status = 1, .words = "cannot open database"}};
    world.sites[C].is_mute = true;
    world.sites[B].certificate_left_s = 6 * 86400 + 100;
    world.sites[A].report.fence_bound_ms = 120000; /* a script_timeout that nobody thought of */
    world.sites[A].is_timed = true;
    world.sites[A].clock_ppm = -80000;
    world_pass_ms(&world, 100000);
    view = view_of_leader();

    compare_status(&view, BW_EXIT_WARNINGS, "status_warnings.txt");
}

/* 3.4: its service runs where no signal of its guard comes. */
static void begin_outside_with_second(enum bw_second_word word)
{
    struct bw_report *report = &world.sites[A].report;

    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    report->second = word;
    report->fence_bound_ms = 120000; /* 3.2.4: there it runs on to D */
    report->alarms = 1u << BW_ALARM_OUTSIDE_REACH;
    report->sight.seen = BW_REACH_OUTSIDE;
    world_group(&world)->sight.seen = BW_REACH_OUTSIDE;
    world_group(&world)->terms.second_enforcer = word == BW_SECOND_IS_SEEN;
    world_sync_all(&world);
}

static void a_second_enforcer_that_is_seen_is_no_warning(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_outside_with_second(BW_SECOND_IS_SEEN);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_second_seen.txt");
}

static void a_second_enforcer_that_is_not_counted_on_is_told_with_why(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_outside_with_second(BW_SECOND_IS_SILENT);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_WARNINGS, "status_second_lost.txt");
}

/* 3.4: an upgrade that changes a script of the site that serves. */
static void scripts_that_were_changed_are_told_and_are_no_warning(void **state)
{
    struct bw_report *report = &world.sites[A].report;
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    report->alarms = 1u << BW_ALARM_REACH_UNSEEN;
    report->sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN, .digest = 7};
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_FINE, "status_scripts_changed.txt");

    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_scripts_changed_fenced.txt");
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_PROVED;

    world_group(&world)->sight.seen = BW_REACH_UNSEEN; /* its epoch has begun with them */
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_reach_unseen.txt");
}

/* Each word that an agent may have for it has its own next step. */
static void every_word_for_a_second_enforcer_has_its_way(void **state)
{
    (void)state;
    for (int word = BW_SECOND_IS_NONE + 1; word < BW_SECOND_IS_SEEN; word++) {
        json_t *group = json_pack("{s:s, s:[{s:s, s:s}]}", "name", "harbor", "sites", "name",
                                  "dc-a", "second_enforcer",
                                  bw_second_word((enum bw_second_word)word));
        FILE *out = begin_telling();

        assert_non_null(group);
        bw_tell_remedy(BW_TROUBLE_SECOND_ENFORCER_LOST, NULL, group, "dc-a", out);
        assert_int_equal(fclose(out), 0);
        if (strstr(printed, bw_trouble_text(BW_TROUBLE_SECOND_ENFORCER_LOST)->fix) != NULL)
            fail_msg("%s", bw_second_word((enum bw_second_word)word));
        json_decref(group);
    }
}

/* A command can be copied from the screen as it is. */
static void each_alarm_has_an_effect_and_a_fix_with_the_names_put_in(void **state)
{
    static const char *const words[] = {"GROUP", "SITE", "WITNESS", "OTHER"};
    json_t *group = json_pack("{s:s, s:s, s:[{s:s},{s:s}]}", "name", "harbor", "holder", "dc-a", "sites", "name", "dc-a",
                              "name", "dc-b");

    (void)state;
    assert_non_null(group);
    for (int i = 0; i < BW_TROUBLE_COUNT; i++) {
        FILE *out = begin_telling();

        bw_tell_remedy((enum bw_trouble)i, NULL, group, "dc-a", out);
        assert_int_equal(fclose(out), 0);
        assert_non_null(strstr(printed, "  effect:  "));
        assert_non_null(strstr(printed, "\n  fix:     "));
        for (size_t word = 0; word < sizeof words / sizeof words[0]; word++)
            if (strstr(printed, words[word]) != NULL)
                fail_msg("%s", printed);
    }
    json_decref(group);
}

/* A failover is refused of what is only observed, or held. */
static void a_failed_start_names_a_failover_only_where_one_is_taken(void **state)
{
    static const struct {
        const char *phase, *mode, *way;
    } rows[] = {
        {"VACANT", "auto", "\n           breakwater failover harbor --to dc-a\n"},
        {"VACANT", "observe", "\n           breakwater ack harbor start_failed --site dc-a\n"},
        {"GRANTED", "auto", "\n           breakwater ack harbor start_failed --site dc-a\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *group = json_pack("{s:s, s:s, s:s}", "name", "harbor", "phase", rows[i].phase, "mode",
                                  rows[i].mode);
        FILE *out = begin_telling();

        bw_tell_remedy(BW_TROUBLE_START_FAILED, NULL, group, "dc-a", out);
        assert_int_equal(fclose(out), 0);
        assert_non_null(strstr(printed, rows[i].way));
        json_decref(group);
    }
}

static void a_certificate_that_ends_within_two_of_a_unit_is_told_in_the_lesser_one(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[0].certificate_left_s = 50 * 60 + 1;
    view.members[1].certificate_left_s = 86400 + 7200;
    compare_status(&view, BW_EXIT_WARNINGS, "status_certificates_soon.txt");
}

/* Of everybody who speaks here: the sites, each witness, and who asks. A name in an answer moves no
 * cursor. */
static void each_certificate_that_ends_soon_is_told_with_what_renews_it(void **state)
{
    struct bw_operator_view view;
    json_t *status;
    FILE *out;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[0].certificate_left_s = 5 * 3600;
    view.members[1].certificate_left_s = 29 * 86400;
    status = status_of(&view);
    assert_int_equal(json_object_set_new(status, "caller",
                                         json_pack("{s:s, s:s, s:s, s:i}", "role", "operator",
                                                   "name", "an\033[2Jna", "file", "/etc/anna.pem",
                                                   "certificate_left_s", 6 * 86400)),
                     0);
    add_answers(status);
    out = begin_telling();
    assert_int_equal(bw_show_status(status, NULL, SIX_DAYS_MS, out), BW_EXIT_WARNINGS);
    assert_int_equal(fclose(out), 0);
    json_decref(status);
    compare_with_golden("status_certificates.txt");
}

static struct bw_trouble_book book;

static void note(const struct bw_trouble_facts *facts, uint64_t ago_s)
{
    const struct bw_instant then = {world.now.boot_ns - ago_s * BW_NS_PER_S,
                                    world.now.raw_ns - ago_s * BW_NS_PER_S};
    struct bw_troubles troubles;

    bw_troubles_of_group(world_group(&world), &world.watches[0], &world.witness.leadership, facts,
                         world.now, &troubles);
    bw_trouble_book_note(&book, 0, &troubles, then, SIX_DAYS_MS - (int64_t)ago_s * 1000);
}

/* Since when, how often, and who has seen it: what somebody has acknowledged is told, and is no
 * warning. */
static void alarms_are_told_with_their_age_and_acknowledged_ones_do_not_warn(void **state)
{
    const struct bw_trouble_facts fine = {.may_fail_over = true};
    struct bw_trouble_entry *entry;
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    world_pass_ms(&world, 20000);
    world.sites[B].report.alarms = UINT32_C(1) << BW_ALARM_ROGUE_START;
    world_sync_all(&world);
    book = (struct bw_trouble_book){0};
    note(&fine, 19);
    world.sites[B].report.alarms = 0;
    world_sync_all(&world);
    note(&fine, 15);
    world.sites[B].report.alarms = UINT32_C(1) << BW_ALARM_ROGUE_START;
    world_sync_all(&world);
    note(&fine, 12);
    view = view_of_calm_leader();
    view.alarms = &book;
    compare_status(&view, BW_EXIT_WARNINGS, "status_alarms.txt");

    entry = bw_trouble_book_find(&book, 0, world_group(&world)->spec.sites[B].name,
                                 BW_TROUBLE_ROGUE_START);
    assert_non_null(entry);
    strcpy(entry->acked_by, "operator/anna");
    strcpy(entry->acked_text, "the rehearsal");
    compare_status(&view, BW_EXIT_FINE, "status_acknowledged.txt");
}

/* What ended by itself is told: "green by itself" is no cause. */
static void a_service_that_was_started_again_is_told_with_the_way_on(void **state)
{
    const struct bw_trouble_facts fine = {.may_fail_over = true};
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = 3, .age_ms = 40000};
    world_sync_all(&world);
    book = (struct bw_trouble_book){0};
    note(&fine, 150);
    view = view_of_calm_leader();
    view.alarms = &book;
    compare_status(&view, BW_EXIT_WARNINGS, "status_restarted.txt");

    world_pass_ms(&world, 7200 * 1000);
    book = (struct bw_trouble_book){0};
    view = view_of_calm_leader();
    view.alarms = &book;
    compare_status(&view, BW_EXIT_FINE, "status_restarted_long_ago.txt");
}

static void a_group_without_a_holder_has_no_active_site(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world.sites[B].report.has_lag = false;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_vacant.txt");
}

static void begin_with_failed_fence(void)
{
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
}

static void a_failed_fence_is_told_loudly(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_with_failed_fence();
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_held.txt");
}

/* Time alone would not end its epoch: known beforehand, and no word promises a failover. */
static void a_group_that_time_does_not_end_promises_no_failover(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_with_handover_never();
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_fenced.txt");
}

static void a_lost_site_whose_epoch_time_does_not_end_names_the_way_out(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_fenced_lost.txt");
}

/* 3.3: another site can see its end, too; what it does, and how that fails, is told. */
static void a_fence_from_another_site_is_told_from_before_the_loss_to_its_end(void **state)
{
    struct bw_remote_fence_report *report = &world.sites[B].report.remote_fence;
    struct bw_operator_view view;

    (void)state;
    begin_with_handover_never();
    report->limit_ms = 30000;
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_FINE, "status_remote_fence.txt");
    world_set_mode(&world, BW_MODE_MANUAL); /* whom it hands over to a person says */
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_FINE, "status_remote_fence_manual.txt");
    world_set_mode(&world, BW_MODE_AUTO);
    world.sites[B].report.lag_ms = 999999; /* and where nobody may follow */
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_remote_fence_nobody.txt");
    world.sites[B].report.lag_ms = 400;
    world_sync_all(&world);

    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");
    assert_string_equal(world_decide(&world), "A0");
    bw_witness_remote_fence(&world.witness, 0, "dc-b", &report->ask);
    assert_int_equal(report->ask.epoch, 1);
    report->state = BW_REMOTE_FENCE_FAILED;
    world.sites[B].report.failure_count = 1;
    world.sites[B].report.failures[0] = (struct bw_script_failure){
        .action = BW_ACTION_REMOTE_FENCE,
        .result = BW_RUN_FAILED,
        .outcome = {.exited = true, .exit_status = 1, .words = "no route to the API"}};
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_remote_fence_failed.txt");
}

/* 5.1, steps: what a start does, as long as it does it. */
static void a_start_by_steps_is_shown_as_far_as_it_has_come(void **state)
{
    struct bw_steps_progress *steps = &world.sites[A].report.steps;
    struct bw_operator_view view;

    (void)state;
    begin_with_handover_never();
    *steps = (struct bw_steps_progress){.count = 5,
                                        .done = 2,
                                        .running = 2,
                                        .name = "restore-db",
                                        .phase = BW_STEP_PHASE_DATABASE,
                                        .attempt = 2,
                                        .age_ms = 42000};
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_steps.txt");

    world.sites[A].report.service = BW_SERVICE_STARTED;
    *steps = (struct bw_steps_progress){.count = 3, .done = 1, .is_stop = true};
    world_sync_all(&world);
    world_group(&world)->phase = BW_PHASE_REVOKING;
    (void)snprintf(world_group(&world)->target, sizeof world_group(&world)->target, "dc-b");
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_FINE, "status_steps_between.txt");
    world_group(&world)->phase = BW_PHASE_GRANTED;
    world_group(&world)->target[0] = '\0';

    *steps = (struct bw_steps_progress){.count = 3, .done = 1};
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world.sites[A].report.asks_to_pass = world_group(&world)->epoch;
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_steps_no_return.txt");
}

/* Nobody may wait for a give-back that cannot come: only an epoch's own instance gives it back. */
static void a_holder_that_lost_its_state_is_said_to_give_nothing_back(void **state)
{
    struct bw_operator_view view;

    (void)state;
    begin_with_failed_fence();
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].number = 0;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.fence_failed = false;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_pass_ms(&world, 60000);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_held_lost_state.txt");
}

static void compare_override(enum bw_override override, enum bw_exit exit, const char *golden)
{
    struct bw_operator_view view;

    world.sites[B].report.override = override;
    world.sites[B].report.alarms = UINT32_C(1) << BW_ALARM_OVERRIDE;
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, exit, golden);
}

/* 3.8: what was asked for serves nothing yet; what ends, and what is observed, nobody adopts. */
static void an_override_is_told_as_far_as_it_has_come(void **state)
{
    (void)state;
    world_begin(&world, 2);
    compare_override(BW_OVERRIDE_WAITING, BW_EXIT_WARNINGS, "status_override_waiting.txt");
    compare_override(BW_OVERRIDE_OVERRIDING, BW_EXIT_WARNINGS, "status_override.txt");
    compare_override(BW_OVERRIDE_ENDING, BW_EXIT_WARNINGS, "status_override_ending.txt");
    world_init(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    compare_override(BW_OVERRIDE_OVERRIDING, BW_EXIT_WARNINGS, "status_override_observed.txt");
}

/* 3.6: the stop goes on, and nobody is granted after it. Whoever reads `paused` at night hears that. */
static void a_pause_during_a_move_is_told_to_leave_it_dark(void **state)
{
    struct bw_operator_view view;
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_set_mode(&world, BW_MODE_PAUSED);
    world_sync_all(&world);
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_FINE, "status_paused_in_a_move.txt");

    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_decide(&world), "A0");
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_NO_SITE, "status_paused_given_back.txt");
}

/* Nothing is executed there, so no active site is no failure. */
static void an_observed_group_is_no_failure(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_init(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_sync_all(&world);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_observed.txt");
}

/* Only the leader knows leases, wishes and the quorum. */
static void a_follower_says_that_it_does_not_lead(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    view = view_of_calm_leader();
    view.self = "w2";
    view.voters_in_contact = 0;
    view.members[0].is_self = false;
    view.members[0].is_in_contact = true;
    view.members[1].is_self = true;
    view.members[2].is_in_contact = false;
    view.members[2].role = "unknown";

    compare_status(&view, BW_EXIT_FINE, "status_follower.txt");
}

/* Nothing is decided without a majority, so no line says that something would happen. */
static void without_a_leader_no_failover_is_promised(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    view = view_of_calm_leader();
    view.leader = NULL;
    view.leader_address = NULL;
    view.voters_in_contact = 0;
    view.members[0].role = "candidate";
    for (uint32_t i = 1; i < view.member_count; i++) {
        view.members[i].is_in_contact = false;
        view.members[i].role = "unknown";
    }

    compare_status(&view, BW_EXIT_FINE, "status_no_leader.txt");
}

/* Why there is none, where a majority has no room: each says it of itself. */
static void a_witness_whose_disk_is_full_is_named(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[0].is_disk_low = true;

    compare_status(&view, BW_EXIT_WARNINGS, "status_disk_low.txt");
}

/* 5.3: its own file, of each. */
static void a_witness_whose_list_of_people_is_not_applied_is_named(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[0].is_people_not_applied = true;

    compare_status(&view, BW_EXIT_WARNINGS, "status_people_not_applied.txt");
}

/* Whom, why, and since when: of each witness's own connections. */
static void a_witness_that_cannot_be_connected_to_is_named_with_the_reason(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[2].raft_address = "w3.example.net:7401";
    view.members[2].unreached_why = "its name was not resolved in time";
    view.members[2].unreached_ms = 12300;
    view.members[2].is_in_contact = false;
    view.voters_in_contact = 2;

    compare_status(&view, BW_EXIT_WARNINGS, "status_unreached.txt");
}

/* L33: who has what the others have lost, and what to type. */
static void a_witness_that_has_what_the_leader_lacks_is_named_with_the_ways_out(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.members[2].decided_index = 4711;

    compare_status(&view, BW_EXIT_WARNINGS, "status_decisions_lost.txt");
}

/* 3.9: who names what the log lacks, what that holds, and what to type. */
static void a_site_that_names_what_the_log_lacks_is_named_with_the_ways_out(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    world.sites[B].report.told_epoch = 2;
    world_sync_all(&world);

    compare_status(&view, BW_EXIT_WARNINGS, "status_site_ahead.txt");
}

/* 3.9: what it was taken for is given up by another command than a voter's place is made good. */
static void a_witness_without_a_vote_that_is_not_heard_is_not_replaced(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.voters = 2;
    view.voters_in_contact = 2;
    view.members[2].is_in_contact = false;
    view.members[2].role = "unknown";
    view.members[2].has_no_vote = true;

    compare_status(&view, BW_EXIT_WARNINGS, "status_witness_joins.txt");
}

/* 5.2: the leader does not hear it, and it answers this very command: to start or replace it would mend nothing. */
static void a_witness_that_answers_and_is_not_heard_is_not_replaced(void **state)
{
    struct bw_operator_view view;
    json_t *status;
    FILE *out;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    view.voters_in_contact = 2;
    view.members[2].is_in_contact = false;
    view.members[2].role = "unknown";
    status = status_of(&view);
    (void)json_object_set_new(json_array_get(json_object_get(status, "witnesses"), 2), "reaches", json_pack("[sss]", "w2", "dc-a", "dc-b"));
    add_answers(status);
    out = begin_telling();
    assert_int_equal(bw_show_status(status, NULL, SIX_DAYS_MS, out), BW_EXIT_WARNINGS);
    assert_int_equal(fclose(out), 0);
    compare_with_golden("status_witness_apart.txt");
    json_decref(status);
}

/* ---- who may see what ------------------------------------------------------------------------- */

static struct bw_operator_view view_of_limited(const char *person)
{
    struct bw_operator_view view = view_of_calm_leader();

    view.scope = (struct bw_scope){.person = person};
    return view;
}

static void who_is_limited_sees_what_is_his_and_is_told_so(void **state)
{
    struct bw_operator_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_limited("viewer/board harbor\n");

    compare_status(&view, BW_EXIT_FINE, "status_limited.txt");
}

static void no_document_has_anything_of_a_group_that_is_not_the_readers(void **state)
{
    struct bw_json_buffer groups = {0};
    struct bw_operator_view view;
    json_t *history;

    (void)state;
    world_begin(&world, 2);
    view = view_of_limited("viewer/board another\n");

    compare_status(&view, BW_EXIT_FINE, "status_limited_to_none.txt");
    history = history_of(&view);
    assert_int_equal(json_array_size(json_object_get(history, "entries")), 0);
    json_decref(history);
    bw_json_groups(&view, &groups);
    assert_non_null(strstr(groups.text, "\"groups\":[]"));
    assert_null(strstr(groups.text, "harbor"));
    free(groups.text);
}

/* A view that nobody gave a scope is one of nothing. */
static void a_view_without_a_scope_shows_no_group(void **state)
{
    struct bw_operator_view view;
    json_t *status;

    (void)state;
    world_begin(&world, 2);
    view = view_of_limited(NULL);
    status = status_of(&view);

    assert_int_equal(json_array_size(json_object_get(status, "groups")), 0);
    assert_false(bw_json_sees(&view, 0));
    json_decref(status);
}

/* ---- specs and texts -------------------------------------------------------------------------- */

static void a_spec_is_read_back_as_it_was_written(void **state)
{
    struct bw_json_problems problems;
    struct bw_spec again;
    json_t *value, *changes;

    (void)state;
    world_init(&world, 3);
    world_group(&world)->spec.sites[2].never_candidate = true;
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    world_group(&world)->spec.mode = BW_MODE_MANUAL;
    value = bw_spec_json_encode(&world_group(&world)->spec);
    bw_json_problems_init(&problems);

    const bool is_good = bw_spec_json_decode(value, "groups[0]", 0, &again, &problems);

    changes = bw_spec_json_changes(&world_group(&world)->spec, &again);
    assert_true(is_good);
    assert_int_equal(json_array_size(changes), 0);
    json_decref(changes);
    json_decref(value);
    bw_json_problems_deinit(&problems);
}

/* 5.3: the command of the release before writes both keys with each group. */
static void former_keys_are_taken_by_their_defaults_alone(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        bool is_good;
    } rows[] = {{"min_grade", "\"expired\"", true},
                {"min_grade", "\"fenced\"", false},
                {"min_grade", "1", false},
                {"expired_is_enough", "false", true},
                {"expired_is_enough", "true", false}};

    (void)state;
    world_init(&world, 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bw_json_problems problems;
        struct bw_spec again;
        json_t *value = bw_spec_json_encode(&world_group(&world)->spec);

        assert_int_equal(json_object_set_new(value, rows[i].key, json_loads(rows[i].value, JSON_DECODE_ANY, NULL)), 0);
        bw_json_problems_init(&problems);
        assert_int_equal(bw_spec_json_decode(value, "groups[0]", 0, &again, &problems), rows[i].is_good);
        bw_json_problems_deinit(&problems);
        json_decref(value);
    }
}

static void times_are_rfc_3339_whatever_the_number(void **state)
{
    char text[BW_TIME_TEXT_BYTES];

    (void)state;
    bw_json_time(INT64_C(1767690842007), text);
    assert_string_equal(text, "2026-01-06T09:14:02.007Z");
    bw_json_time(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    bw_json_time(INT64_MAX, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    bw_json_time(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

/* A position comes from an agent, which may send any bytes. */
static void bytes_that_are_no_text_do_not_break_a_document(void **state)
{
    json_t *value = bw_json_text("a\xff\xc3z");

    (void)state;
    assert_string_equal(json_string_value(value), "a??z");
    json_decref(value);
}

/* What a witness says may be what any person gave as a reason: a terminal must not obey it, neither
 * the control characters of ASCII nor those of U+0080 to U+009F; nor is anything read backwards. */
static void what_a_witness_says_moves_no_cursor(void **state)
{
    json_t *status = parse(
        "{\"cluster\":\"prod\",\"groups\":[{\"name\":\"a\\u009b2J\",\"phase\":"
        "\"GRANTED\",\"sites\":[{\"name\":\"dc-a\",\"role\":\"standby\","
        "\"blocked_by\":[\"b\\u001b[2J\"],\"alarms\":[\"c\\u0007\\u0085\\u202e\"]}]}]}");
    FILE *out = begin_telling();

    (void)state;
    (void)bw_show_status(status, NULL, SIX_DAYS_MS, out);
    assert_int_equal(fclose(out), 0);
    json_decref(status);

    assert_non_null(strstr(printed, "a?2J"));
    assert_non_null(strstr(printed, "b?[2J"));
    assert_non_null(strstr(printed, "alarm c???"));
    for (size_t i = 0; i < printed_size; i++)
        assert_true((unsigned char)printed[i] >= 0x20 || printed[i] == '\n');
    assert_null(strstr(printed, "\xc2\x9b"));
    assert_null(strstr(printed, "\xe2\x80\xae"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_hour_is_fine),
        cmocka_unit_test(a_silent_witness_and_an_alarm_are_warnings),
        cmocka_unit_test(a_second_enforcer_that_is_seen_is_no_warning),
        cmocka_unit_test(a_second_enforcer_that_is_not_counted_on_is_told_with_why),
        cmocka_unit_test(scripts_that_were_changed_are_told_and_are_no_warning),
        cmocka_unit_test(every_word_for_a_second_enforcer_has_its_way),
        cmocka_unit_test(each_alarm_has_an_effect_and_a_fix_with_the_names_put_in),
        cmocka_unit_test(a_failed_start_names_a_failover_only_where_one_is_taken),
        cmocka_unit_test(a_certificate_that_ends_within_two_of_a_unit_is_told_in_the_lesser_one),
        cmocka_unit_test(each_certificate_that_ends_soon_is_told_with_what_renews_it),
        cmocka_unit_test(alarms_are_told_with_their_age_and_acknowledged_ones_do_not_warn),
        cmocka_unit_test(a_service_that_was_started_again_is_told_with_the_way_on),
        cmocka_unit_test(a_group_without_a_holder_has_no_active_site),
        cmocka_unit_test(a_failed_fence_is_told_loudly),
        cmocka_unit_test(an_override_is_told_as_far_as_it_has_come),
        cmocka_unit_test(a_pause_during_a_move_is_told_to_leave_it_dark),
        cmocka_unit_test(an_observed_group_is_no_failure),
        cmocka_unit_test(a_group_that_time_does_not_end_promises_no_failover),
        cmocka_unit_test(a_lost_site_whose_epoch_time_does_not_end_names_the_way_out),
        cmocka_unit_test(a_fence_from_another_site_is_told_from_before_the_loss_to_its_end),
        cmocka_unit_test(a_start_by_steps_is_shown_as_far_as_it_has_come),
        cmocka_unit_test(a_holder_that_lost_its_state_is_said_to_give_nothing_back),
        cmocka_unit_test(a_follower_says_that_it_does_not_lead),
        cmocka_unit_test(without_a_leader_no_failover_is_promised),
        cmocka_unit_test(a_witness_whose_disk_is_full_is_named),
        cmocka_unit_test(a_witness_whose_list_of_people_is_not_applied_is_named),
        cmocka_unit_test(a_witness_that_cannot_be_connected_to_is_named_with_the_reason),
        cmocka_unit_test(a_witness_that_has_what_the_leader_lacks_is_named_with_the_ways_out),
        cmocka_unit_test(a_site_that_names_what_the_log_lacks_is_named_with_the_ways_out),
        cmocka_unit_test(a_witness_without_a_vote_that_is_not_heard_is_not_replaced),
        cmocka_unit_test(a_witness_that_answers_and_is_not_heard_is_not_replaced),
        cmocka_unit_test(who_is_limited_sees_what_is_his_and_is_told_so),
        cmocka_unit_test(no_document_has_anything_of_a_group_that_is_not_the_readers),
        cmocka_unit_test(a_view_without_a_scope_shows_no_group),
        cmocka_unit_test(a_spec_is_read_back_as_it_was_written),
        cmocka_unit_test(former_keys_are_taken_by_their_defaults_alone),
        cmocka_unit_test(times_are_rfc_3339_whatever_the_number),
        cmocka_unit_test(bytes_that_are_no_text_do_not_break_a_document),
        cmocka_unit_test(what_a_witness_says_moves_no_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, free_printed);
}
