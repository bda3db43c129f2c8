/* what people read of what they asked for: plans, explanations, outcomes, history, reports; as JSON
 * and as tables. */
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
#include <breakwater/wire/record_event.h>
#include <breakwater/witness/json.h>

#include "move.h"
#include "operator_text.h"
#include "outcome.h"

/* ---- plans and history ------------------------------------------------------------------------ */

static json_t *plan_of_wish(struct bw_wish wish)
{
    static struct bw_foretelling room;
    static struct bw_wish_plan made;
    struct bw_operator_view view = view_of_calm_leader();
    struct bw_diag diag = {0};
    json_t *plan;
    enum bw_err err;

    err = bw_witness_ask(&world.witness, 0, &wish, world.now, &diag);
    if (err == BW_OK)
        err = bw_foretell_judge_wish(world_group(&world), world_watch(&world),
                                     &world.witness.leadership, world.now, &wish, &room, &diag);
    bw_witness_decide(&world.witness, 0, world.now, &made.decision);
    bw_foretell_wish(world_group(&world), world_watch(&world), &world.witness.leadership, world.now,
                     &wish, &room, &made.course);
    plan = bw_json_plan(&view, 0, &wish, &made, err, diag.text);
    assert_non_null(plan);
    assert_int_equal(json_object_del(plan, "decision"), 0); /* golden/explain has these */
    return plan;
}

static json_t *plan_of(enum bw_wish_kind kind, const char *to)
{
    struct bw_wish wish = {.kind = kind};

    (void)strcpy(wish.to, to);
    return plan_of_wish(wish);
}

static void the_plan_of_a_switchover_names_each_step(void **state)
{
    (void)state;
    world_begin(&world, 2);

    compare_json(plan_of(BW_WISH_SWITCHOVER, "dc-b"), "plan_switchover.json");
}

/* 3.6: what may come of it stands before the steps, with the command that leads on from there. */
static void the_plan_of_a_switchover_from_a_silent_status_says_what_may_happen(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b", .accept_outage = true};
    struct bw_report *report = &world.sites[A].report;

    (void)state;
    world_begin(&world, 2);
    report->service = BW_SERVICE_UNKNOWN;
    report->failure_count = 1;
    report->failures[0] = (struct bw_script_failure){
        .action = BW_ACTION_STATUS, .result = BW_RUN_TIMED_OUT, .age_ms = 4000, .took_ms = 120000};
    world_sync_all(&world);

    compare_json(plan_of_wish(wish), "plan_switchover_unseen.json");
}

/* Of one that is not foretold to begin no step is promised. */
static void the_plan_of_a_switchover_that_does_not_begin_says_so(void **state)
{
    static const struct bw_wish_plan made = {.decision = {.rule = "A0"}};
    const struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b"};
    struct bw_operator_view view;
    json_t *plan;
    const char *text;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();
    plan = bw_json_plan(&view, 0, &wish, &made, BW_OK, "");
    assert_non_null(plan);
    assert_int_equal(json_array_size(json_object_get(plan, "steps")), 1);
    text = json_string_value(
        json_object_get(json_array_get(json_object_get(plan, "steps"), 0), "text"));
    assert_non_null(strstr(text, "the switchover cannot begin now"));
    json_decref(plan);
}

/* ---- outcomes --------------------------------------------------------------------------------- */

static enum bw_outcome_progress look_at_outcome(struct bw_outcome *outcome)
{
    struct bw_operator_view view = view_of_leader();
    json_t *status;
    enum bw_outcome_progress progress;

    view.term = world.witness.leadership.term;
    status = status_of(&view);
    progress = bw_outcome_judge(outcome, status, bw_json_find_group(status, "harbor"));
    json_decref(status);
    return progress;
}

static uint64_t wish_for_b(uint8_t id)
{
    struct bw_command command = {.kind = BW_COMMAND_WISH,
                                 .group = "harbor",
                                 .wish = BW_WISH_SWITCHOVER,
                                 .target = "dc-b",
                                 .by = "operator/anna",
                                 .epoch = world_group(&world)->epoch,
                                 .spec_version = world_group(&world)->spec_version,
                                 .request_id = {{id}}};

    world.cluster.feature_level = BW_WISH_LEVEL;
    assert_string_equal(world_apply(&world, &command), "C6");
    return world.index;
}

/* 4: whoever waits follows his wish to the next leader, and is told what became of it. */
static void a_switchover_that_is_in_the_log_is_followed_to_its_end(void **state)
{
    struct bw_command end = {.kind = BW_COMMAND_WISH_OVER,
                             .group = "harbor",
                             .wish_end = BW_WISH_END_CANCELED,
                             .by = "operator/bob",
                             .text = "not now"};
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;
    outcome.wish_index = (int64_t)wish_for_b(1);
    world_lead_anew(&world);
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_WAITING);
    assert_string_equal(outcome.text, "dc-a is primary in epoch 1");

    end.wish_index = (uint64_t)outcome.wish_index;
    assert_string_equal(world_apply(&world, &end), "C7");
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text,
                        "it was canceled by operator/bob: not now; dc-a is primary in epoch 1");

    outcome.wish_index = (int64_t)wish_for_b(2);
    (void)wish_for_b(3);
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "a later request replaced it, by operator/anna: "
                                      "switchover; dc-a is primary in epoch 1");
    (void)wish_for_b(4);
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "it has ended without a result; dc-a is primary in epoch 1");
}

/* 4: an answer is lost, and what was asked for is done before it is said again. */
static void what_is_said_again_once_it_is_done_is_done(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_WISH,
                                 .group = "harbor",
                                 .wish = BW_WISH_FAILOVER,
                                 .by = "operator/anna",
                                 .request_id = {{9}}};
    struct bw_outcome outcome = {0};

    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_WISH_LEVEL;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    command.epoch = world_group(&world)->epoch;
    command.spec_version = world_group(&world)->spec_version;
    assert_string_equal(world_apply(&world, &command), "C6");
    assert_int_equal(bw_group_wish_epoch(world_group(&world), world.index), command.epoch);
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, B);

    outcome.wish_index = (int64_t)bw_group_wish_of(world_group(&world), command.request_id);
    outcome.epoch = (int64_t)bw_group_wish_epoch(world_group(&world), (uint64_t)outcome.wish_index);
    assert_int_equal(outcome.epoch, command.epoch);
    assert_int_equal(bw_group_wish_epoch(world_group(&world), world.index + 1), 0); /* nobody's */
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_DONE);
    assert_string_equal(outcome.text, "dc-b serves in epoch 2");
    outcome.epoch = (int64_t)world_group(&world)->epoch; /* it is seen by how it ended, too */
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_DONE);
    (void)strcpy(outcome.to, "dc-a");
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "dc-b is primary in epoch 2: failover");
}

/* Below BW_WISH_LEVEL it is in its leader's memory only (4): whoever waits is told that it is gone.
 */
static void a_switchover_that_a_change_of_leader_forgot_is_to_be_asked_for_again(void **state)
{
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_WAITING);

    world_lead_anew(&world);

    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "the leader changed, which canceled the request: "
                                      "run the command again; dc-a is primary in epoch 1");
}

/* Once its Revoke is committed, it continues after a change of leader (3.6). */
static void a_switchover_that_has_begun_outlives_its_leader(void **state)
{
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    (void)world_act(&world);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);

    world_lead_anew(&world);

    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_WAITING);
    assert_string_equal(outcome.text, "dc-a stops the service");
}

static void a_switchover_that_its_own_leader_gave_up_is_told_so(void **state)
{
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;

    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "it has ended without a result; dc-a is primary in epoch 1");
}

static void the_plan_of_a_failover_waits_and_tells_the_loss(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);

    compare_json(plan_of(BW_WISH_FAILOVER, ""), "plan_failover.json");
}

/* 3.9: after a let-go only the person keeps the silent one from serving, too. */
static void the_plan_of_a_failover_before_a_first_grant_names_who_may_serve(void **state)
{
    struct bw_spec spec;
    json_t *plan;
    char *text;

    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_pass_ms(&world, 60000);
    world.sites[A].is_mute = true;
    spec = world_group(&world)->spec;
    spec.mode = BW_MODE_AUTO;
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, 8000);
    plan = plan_of_wish((struct bw_wish){.kind = BW_WISH_FAILOVER, .to = "dc-b", .accept_data_loss = true});
    text = json_dumps(json_object_get(plan, "steps"), JSON_COMPACT);
    assert_non_null(text);
    if (strstr(text, "\"dc-a is not connected (last said started, 8 s ago): you confirm that harbor does not run there; if it "
                     "does, two sites serve (split-brain)\"") == NULL)
        fail_msg("%s", text);
    free(text);
    json_decref(plan);
}

/* A site that might follow, and nobody knows how much would be lost: unknown is not zero (4). */
static void an_explanation_names_what_holds(void **state)
{
    static struct bw_decision decision;
    struct bw_operator_view view;
    json_t *explanation;
    FILE *out;

    (void)state;
    world_init(&world, 2);
    world.sites[B].report.has_lag = false;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    world_serve(&world, A);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    view = view_of_calm_leader();
    bw_witness_decide(&world.witness, 0, world.now, &decision);
    explanation = bw_json_explain(&view, 0, &decision);
    assert_non_null(explanation);
    out = begin_telling();

    bw_show_explain(explanation, false, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden("explain.txt");
    json_decref(explanation);
}

static void compare_explanation(const char *golden)
{
    static struct bw_decision decision;
    struct bw_operator_view view = view_of_calm_leader();
    json_t *explanation;
    FILE *out;

    bw_witness_decide(&world.witness, 0, world.now, &decision);
    explanation = bw_json_explain(&view, 0, &decision);
    assert_non_null(explanation);
    out = begin_telling();

    bw_show_explain(explanation, false, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden(golden);
    json_decref(explanation);
}

static void a_lost_site_that_time_does_not_end_is_explained_with_the_way_out(void **state)
{
    (void)state;
    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");

    compare_explanation("explain_fenced_lost.txt");
}

/* 3.4: that no agent has the state any more is not known. */
static void where_its_second_enforcer_alone_speaks_no_state_is_said_to_be_lost(void **state)
{
    (void)state;
    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");
    world.sites[A] = (struct world_site){.instance = {{9}},
                                         .session = {{9}},
                                         .boot_id = {{9}},
                                         .report = {.epoch_seen = 1,
                                                    .enforced = true,
                                                    .service = BW_SERVICE_UNKNOWN,
                                                    .service_age_ms = UINT32_MAX,
                                                    .ready_age_ms = UINT32_MAX}};
    world_sync_all(&world);

    compare_explanation("explain_second_enforcer.txt");
}

static void the_plan_of_a_failover_that_would_wait_for_ever_names_the_way_out(void **state)
{
    (void)state;
    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);

    compare_json(plan_of(BW_WISH_FAILOVER, "dc-b"), "plan_failover_fenced.json");
}

static void the_plan_of_a_force_release_says_what_is_known_of_the_site(void **state)
{
    (void)state;
    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);

    compare_json(plan_of(BW_WISH_FORCE_RELEASE, "dc-a"), "plan_force_release.json");
    compare_json(plan_of(BW_WISH_FORCE_RELEASE, "dc-b"), "plan_force_release_refused.json");
}

static void the_plan_of_a_refused_wish_has_no_steps(void **state)
{
    (void)state;
    world_begin(&world, 2);

    compare_json(plan_of(BW_WISH_FAILOVER, "dc-b"), "plan_refused.json");
}

static void history_tells_how_each_epoch_began_and_ended(void **state)
{
    struct bw_operator_view view;
    json_t *history;
    FILE *out;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_act(&world), "A9");
    view = view_of_calm_leader();
    history = history_of(&view);
    out = begin_telling();

    bw_show_history(history, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden("history.txt");
    compare_json(history, "history.json");
}

/* ---- one failover ---- */

static struct bw_record_room record_room;
#define WORLD_BEGAN_UNIX_MS INT64_C(1767690000000)

static void commit(struct bw_command *command)
{
    command->unix_ms = WORLD_BEGAN_UNIX_MS + (int64_t)(world.now.boot_ns / BW_NS_PER_MS) - 1000000;
    assert_string_not_equal(world_apply(&world, command), "-");
}

/* As its leader does it. */
static const char *decide_on_record(void)
{
    static struct bw_decision scratch;

    (void)world_decide(&world);
    assert_true(world.decision.acts);
    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);
    if (world.decision.command.by[0] == '\0')
        (void)strcpy(world.decision.command.by, "witness/w1");
    commit(&world.decision.command);
    return world.decision.rule;
}

static void note_on_record(void)
{
    struct bw_command note;

    assert_true(bw_witness_note_due(&world.witness, 0, world.now, &note));
    commit(&note);
}

/* dc-a served and was lost; it took a person to have dc-b. */
static void fail_over_on_record(void)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL,
                                     .feature_level = BW_RECORD_LEVEL};
    struct bw_diag diag = {0};

    world_init(&world, 3);
    bw_record_init(&record_room.record, &bw_record_codec, record_room.blocks, 8);
    bw_cluster_keep_record(&world.cluster, &record_room.record);
    assert_string_equal(world_apply(&world, &raise), "C3");
    assert_string_equal(decide_on_record(), "A6");
    world_pass_ms(&world, 1500);
    world_serve(&world, A);
    note_on_record();
    world_pass_ms(&world, 1000);
    world.sites[A].report.restarts = (struct bw_restarts){.epoch = 1, .count = 2, .age_ms = 300};
    world_sync_all(&world);
    note_on_record();
    world.sites[B].report.lag_ms = 7000;
    world_pass_ms(&world, 5000);
    world.sites[A].is_mute = true;
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(decide_on_record(), "A3");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);
    world_pass_ms(&world, 1000);
    assert_string_equal(decide_on_record(), "A9");
    world_pass_ms(&world, 3000);
    world.sites[B].report.phases_epoch = 2;
    world.sites[B].report.phase_ms[BW_STEP_PHASE_NONE] = 1;
    world.sites[B].report.phase_ms[BW_STEP_PHASE_DATABASE] = 2300;
    world.sites[B].report.phase_ms[BW_STEP_PHASE_ROUTING] = 410;
    world_serve(&world, B);
    note_on_record();
}

/* Of the group harbor; to be released. */
static json_t *report_of(uint64_t epoch)
{
    struct bw_operator_view view;
    json_t *report;

    fail_over_on_record();
    view = view_of_calm_leader();
    report = bw_json_report(&view, "harbor", epoch);
    assert_non_null(report);
    assert_null(bw_json_report(&view, "harbor", 7));
    assert_null(bw_json_report(&view, "shop", 0));
    return report;
}

static void compare_shown_report(const json_t *report, const char *golden)
{
    FILE *out = begin_telling();

    bw_show_report(report, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden(golden);
}

static void a_report_tells_how_an_epoch_came_to_serve(void **state)
{
    json_t *report;

    (void)state;
    report = report_of(0);

    compare_shown_report(report, "report.txt");
    compare_json(report, "report.json");
}

/* The epoch before has no moments after it was armed. */
static void let_before_never_serve(json_t *report)
{
    json_t *moments = json_object_get(json_object_get(report, "before"), "timeline");

    while (strcmp(bw_json_member(json_array_get(moments, json_array_size(moments) - 1), "phase"), "armed") != 0)
        assert_int_equal(json_array_remove(moments, json_array_size(moments) - 1), 0);
}

/* The last renewal, which the timeline has first, comes later than what it has next. */
static void let_renew_until(json_t *moments, int at_ms)
{
    json_t *renewed = json_incref(json_array_get(moments, 0));

    assert_string_equal(bw_json_member(renewed, "phase"), "last_renewal");
    assert_int_equal(json_array_remove(moments, 0), 0);
    assert_int_equal(json_object_set_new(renewed, "at_ms", json_integer(at_ms)), 0);
    assert_int_equal(json_object_set_new(renewed, "took_ms", json_integer(at_ms)), 0);
    assert_int_equal(json_object_set_new(json_array_get(moments, 1), "took_ms", json_integer(20000 - at_ms)), 0);
    assert_int_equal(json_array_insert_new(moments, 1, renewed), 0);
}

/* `text` NULL: null. */
static void set(json_t *object, const char *key, const char *text)
{
    assert_int_equal(json_object_set_new(object, key, text != NULL ? json_string(text) : json_null()), 0);
}

/* As it is where a site has released its epoch. */
static void let_release(json_t *epoch, const char *reason)
{
    set(epoch, "ended_by", "released");
    set(json_object_get(epoch, "ended"), "reason", reason);
}

/* No gate was bypassed, and no site was requested. */
static void let_leader_grant(json_t *epoch, const char *reason, const char *by)
{
    set(epoch, "reason", reason);
    set(epoch, "by", by);
    set(epoch, "bypassed", NULL);
    set(epoch, "blocked_by", "dc-c: not_connected");
}

/* 3.6: what lagged had to catch up before the grant. */
static void a_report_of_a_planned_move_estimates_no_loss(void **state)
{
    json_t *report;
    json_t *epoch;
    json_t *before;
    size_t i;
    json_t *moment;

    (void)state;
    report = report_of(0);
    epoch = json_object_get(report, "epoch");
    before = json_object_get(report, "before");
    assert_int_equal(json_object_set_new(epoch, "planned", json_true()), 0);
    assert_int_equal(json_object_set_new(epoch, "outage_reported", json_true()), 0);
    let_leader_grant(epoch, "switchover", "operator/anna");
    let_release(before, "switchover");
    json_array_foreach(json_object_get(epoch, "timeline"), i, moment)
        if (strcmp(bw_json_member(moment, "phase"), "last_renewal") == 0)
            set(moment, "phase", "told_to_stop");

    compare_shown_report(report, "report_planned.txt");
    /* 3.6, 4: it has moved back, and nobody was asked for a position */
    let_leader_grant(epoch, "rollback", "witness/w1");
    set(before, "reason", "switchover");
    set(before, "previous_site", "dc-b");
    set(before, "restarts", NULL);
    let_release(before, "start_failed");
    let_before_never_serve(report);
    compare_shown_report(report, "report_rollback.txt");
    json_decref(report);
}

/* 3.8: without an epoch it was served by a person's word, and adopted under this one. */
static void a_report_of_what_an_override_served_measures_no_outage(void **state)
{
    json_t *report;
    json_t *epoch;

    (void)state;
    report = report_of(0);
    epoch = json_object_get(report, "epoch");
    let_leader_grant(epoch, "override", "witness/w1");
    set(epoch, "phases", NULL);
    set(epoch, "outage_ms", NULL);
    assert_int_equal(json_array_remove(json_object_get(epoch, "timeline"), 1), 0); /* last_served */
    assert_int_equal(json_object_set_new(epoch, "adopted", json_true()), 0);

    compare_shown_report(report, "report_override.txt");
    json_decref(report);
}

/* Until the old primary has rejoined; the page says what to do before that. */
static void a_failover_with_a_lag_tells_that_the_old_primary_may_hold_newer_data(void **state)
{
    struct bw_operator_view view;
    json_t *status;
    FILE *out;

    (void)state;
    fail_over_on_record();
    view = view_of_calm_leader();
    compare_status(&view, BW_EXIT_WARNINGS, "status_data_behind.txt");

    world.sites[A].is_mute = false;
    world.sites[A].report.rejoining = true;
    world_sync_all(&world);
    for (int i = 0; i < 2; i++) {
        view = view_of_calm_leader();
        status = status_of(&view);
        out = begin_telling();
        (void)bw_show_status(status, NULL, SIX_DAYS_MS, out);
        assert_int_equal(fclose(out), 0);
        json_decref(status);
        assert_int_equal(strstr(printed, "dc-a may hold data that dc-b does not have") != NULL, i == 0);
        world.sites[A].report.rejoining = false;
        world_sync_all(&world);
    }
}

/* Nothing that is not known is made up. */
static void a_report_says_what_is_not_known(void **state)
{
    json_t *report;

    (void)state;
    report = report_of(1);

    compare_shown_report(report, "report_unknown.txt");
    json_decref(report);
}

/* The same site had it before. */
static json_t *report_of_a_second_try(void)
{
    json_t *report = report_of(0);

    set(json_object_get(report, "epoch"), "previous_site", "dc-b");
    set(json_object_get(report, "before"), "site", "dc-b");
    return report;
}

/* 3.1, 4: after an epoch that never served the newest data is whose it was before. Who is granted again
 * may lose as much as at the first try. */
static void a_report_says_none_is_lost_only_where_the_same_site_had_served(void **state)
{
    json_t *report = report_of_a_second_try();
    json_t *epoch = json_object_get(report, "epoch");

    (void)state;
    let_before_never_serve(report);
    set(json_object_get(report, "before"), "restarts", NULL);
    set(json_object_get(report, "before"), "reason", "site_lost");
    set(json_object_get(report, "before"), "previous_site", "dc-a");
    set(json_object_get(report, "before"), "time", "2026-01-06T09:01:10.002Z");
    let_renew_until(json_object_get(epoch, "timeline"), 19000);
    assert_int_equal(json_object_set_new(json_object_get(report, "before"), "epoch", json_integer(2)), 0);
    assert_int_equal(json_object_set_new(epoch, "epoch", json_integer(3)), 0);
    let_release(json_object_get(report, "before"), "start_failed");
    compare_shown_report(report, "report_second_try.txt");
    assert_int_equal(json_object_set_new(epoch, "lag", json_null()), 0);
    set(epoch, "bypassed", "lag_unknown");
    compare_shown_report(report, "report_second_try_unmeasured.txt");
    json_decref(report);

    report = report_of_a_second_try();
    assert_int_equal(json_object_set_new(json_object_get(report, "epoch"), "lag", json_null()), 0);
    compare_shown_report(report, "report_same_site.txt");
    json_decref(report);
}

/* 3.9: what was deleted is forgotten, and its epochs stay on record. */
static void a_report_of_a_group_that_was_made_anew_knows_nobody_before(void **state)
{
    struct bw_command forget = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    struct bw_operator_view view;
    struct bw_spec spec;
    json_t *report;

    (void)state;
    fail_over_on_record();
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(decide_on_record(), "A3");
    spec = world_group(&world)->spec;
    commit(&forget);
    world_set_spec(&world, &spec, "");
    for (int site = A; site <= C; site++) {
        world.sites[site].is_mute = false;
        world_stop(&world, site);
    }
    world_pass_ms(&world, 60000);
    assert_string_equal(decide_on_record(), "A6");
    view = view_of_calm_leader();
    report = bw_json_report(&view, "harbor", 0);
    assert_non_null(report);
    assert_string_equal(bw_json_member(json_object_get(report, "epoch"), "previous_site"), "");
    assert_true(bw_json_truth(report, "older"));
    compare_shown_report(report, "report_made_anew.txt");
    json_decref(report);
}

static void assert_tells_cancel(const char *state, const char *text)
{
    json_t *group = parse(state);
    FILE *out = begin_telling();

    bw_move_tell_cancel(group, "harbor", out);
    assert_int_equal(fclose(out), 0);
    if (strcmp(printed, text) != 0)
        fail_msg("%s: %s", state, printed);
    json_decref(group);
}

/* 3.1, 3.6: an epoch stays closed, a stop that has begun is finished, and what was given back goes on. */
static void who_waits_no_more_is_told_what_a_cancel_takes_back(void **state)
{
    (void)state;
    assert_tells_cancel("{\"phase\": \"GRANTED\", \"request\": {}}",
                        "  to cancel it:  breakwater cancel harbor\n");
    assert_tells_cancel("{\"phase\": \"CLOSING\", \"request\": {}}",
                        "  to take your confirmation back (the closed epoch stays closed):  "
                        "breakwater cancel harbor\n");
    assert_tells_cancel("{\"phase\": \"REVOKING\", \"request\": {}, \"target\": \"dc-b\", \"holder\": \"dc-a\"}",
                        "  to cancel it until dc-a begins to stop:  "
                        "breakwater cancel harbor\n");
    assert_tells_cancel("{\"phase\": \"VACANT\", \"request\": {}, \"target\": \"dc-b\"}", "");
    assert_tells_cancel("{\"phase\": \"GRANTED\", \"request\": null}", "");
}

static void force_release(struct bw_outcome *outcome)
{
    struct bw_wish wish = {.kind = BW_WISH_FORCE_RELEASE,
                           .to = "dc-a",
                           .by = "operator/anna",
                           .text = "its rack is without power"};
    struct bw_diag diag = {0};

    begin_with_handover_never();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);
    *outcome = (struct bw_outcome){.epoch = (int64_t)world_group(&world)->epoch,
                                   .term = (int64_t)world.witness.leadership.term};
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A25");
}

static enum bw_outcome_progress look_at_release(struct bw_outcome *outcome)
{
    struct bw_operator_view view = view_of_leader();
    json_t *status;
    enum bw_outcome_progress progress;

    view.term = world.witness.leadership.term;
    status = status_of(&view);
    progress = bw_outcome_judge_release(outcome, status, bw_json_find_group(status, "harbor"));
    json_decref(status);
    return progress;
}

static void history_tells_on_whose_word_an_epoch_ended(void **state)
{
    struct bw_operator_view view;
    struct bw_outcome outcome;
    json_t *history;
    FILE *out;

    (void)state;
    force_release(&outcome);
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_WAITING);
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A26");
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_DONE);
    assert_string_equal(outcome.text, "epoch 1 of dc-a has ended (operator); dc-b may become primary automatically; "
                                      "see: breakwater status harbor");
    assert_string_equal(world_act(&world), "A9");
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_DONE);
    view = view_of_calm_leader();
    history = history_of(&view);
    out = begin_telling();

    bw_show_history(history, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden("history_forced.txt");
    compare_json(history, "history_forced.json");
}

/* Ended between Close and Forced: what was said, and how to go on. */
static void a_force_release_that_its_leader_forgot_is_to_be_said_again(void **state)
{
    struct bw_operator_view view;
    struct bw_outcome outcome;

    (void)state;
    force_release(&outcome);
    world_lead_anew(&world);
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_GIVEN_UP);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_closed_on_a_word.txt");
}

/* `last`: all that it says below what is forgotten. */
static void assert_cancel_plans(const char *last)
{
    json_t *steps = bw_json_cancel_steps(world_group(&world), &world_watch(&world)->wish);
    char text[512] = "";

    for (size_t i = 1; i < json_array_size(steps); i++) {
        const size_t used = strlen(text);

        (void)snprintf(text + used, sizeof text - used, "%s\n", bw_json_member(json_array_get(steps, i), "text"));
    }
    assert_string_equal(text, last);
    json_decref(steps);
}

/* A move whose origin is held goes on by itself no more, and whoever waits is told at once. */
static void a_move_that_time_will_not_end_is_not_waited_for(void **state)
{
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    (void)world_act(&world);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");

    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_STUCK);
    assert_string_equal(outcome.text,
                        "epoch 1 of harbor at dc-a needs manual action (a fence failed, so the stop is not confirmed); "
                        "if that site is off: breakwater confirm-fenced harbor --site dc-a");
    assert_cancel_plans("the epoch stays closed\n"
                        "but dc-b, the target of a switchover that had begun, becomes primary before others after the epoch has ended\n");
    world_group(&world)->phase = BW_PHASE_VACANT;
    assert_cancel_plans("but dc-b, the target of a switchover that had begun, becomes primary before others\n");
    (void)strcpy(world_group(&world)->first_choice, "");
    assert_cancel_plans("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_site_that_time_does_not_end_is_explained_with_the_way_out),
        cmocka_unit_test(where_its_second_enforcer_alone_speaks_no_state_is_said_to_be_lost),
        cmocka_unit_test(the_plan_of_a_failover_that_would_wait_for_ever_names_the_way_out),
        cmocka_unit_test(the_plan_of_a_force_release_says_what_is_known_of_the_site),
        cmocka_unit_test(history_tells_on_whose_word_an_epoch_ended),
        cmocka_unit_test(a_force_release_that_its_leader_forgot_is_to_be_said_again),
        cmocka_unit_test(a_move_that_time_will_not_end_is_not_waited_for),
        cmocka_unit_test(the_plan_of_a_switchover_names_each_step),
        cmocka_unit_test(the_plan_of_a_switchover_from_a_silent_status_says_what_may_happen),
        cmocka_unit_test(the_plan_of_a_switchover_that_does_not_begin_says_so),
        cmocka_unit_test(a_switchover_that_is_in_the_log_is_followed_to_its_end),
        cmocka_unit_test(a_switchover_that_a_change_of_leader_forgot_is_to_be_asked_for_again),
        cmocka_unit_test(what_is_said_again_once_it_is_done_is_done),
        cmocka_unit_test(a_switchover_that_has_begun_outlives_its_leader),
        cmocka_unit_test(a_switchover_that_its_own_leader_gave_up_is_told_so),
        cmocka_unit_test(the_plan_of_a_failover_waits_and_tells_the_loss),
        cmocka_unit_test(the_plan_of_a_failover_before_a_first_grant_names_who_may_serve),
        cmocka_unit_test(an_explanation_names_what_holds),
        cmocka_unit_test(the_plan_of_a_refused_wish_has_no_steps),
        cmocka_unit_test(history_tells_how_each_epoch_began_and_ended),
        cmocka_unit_test(a_report_tells_how_an_epoch_came_to_serve),
        cmocka_unit_test(a_report_of_a_planned_move_estimates_no_loss),
        cmocka_unit_test(a_report_of_what_an_override_served_measures_no_outage),
        cmocka_unit_test(a_failover_with_a_lag_tells_that_the_old_primary_may_hold_newer_data),
        cmocka_unit_test(a_report_says_what_is_not_known),
        cmocka_unit_test(a_report_says_none_is_lost_only_where_the_same_site_had_served),
        cmocka_unit_test(a_report_of_a_group_that_was_made_anew_knows_nobody_before),
        cmocka_unit_test(who_waits_no_more_is_told_what_a_cancel_takes_back),
    };

    return cmocka_run_group_tests(tests, NULL, free_printed);
}
