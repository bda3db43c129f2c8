/* what people read: status, history and plans of a witness's real machines, as JSON and as tables.
 * Golden: set BREAKWATER_GOLDEN=write to write them anew, and review them as code. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/witness/json.h>
#include <breakwater/witness/spec_json.h>

#include "api.h"
#include "core_world.h"
#include "outcome.h"
#include "text_table.h"

#define SIX_DAYS_MS (INT64_C(6) * 86400 * 1000)

static struct world world;
static char *told;
static size_t told_size;

/* ---- a witness's view of the world ------------------------------------------------------------ */

static struct bw_people_view view_of_leader(void)
{
    struct bw_people_view view = {.machine = &world.witness,
                                  .certificate_left_s = 60 * 86400,
                                  .cluster = "prod",
                                  .self = "w1",
                                  .leader = "w1",
                                  .leader_address = "w1.example.net:7400",
                                  .term = 4,
                                  .voters_heard = 2,
                                  .voters = 3,
                                  .member_count = 3,
                                  .now = world.now};

    view.members[0] = (struct bw_people_member){"w1", "w1.example.net:7400", "zone-1", "leader", 1,
                                                true, false};
    view.members[1] = (struct bw_people_member){"w2", "w2.example.net:7400", "zone-2", "follower",
                                                2, false, true};
    view.members[2] = (struct bw_people_member){"w3", "w3.example.net:7400", "", "unknown", 3,
                                                false, false};
    return view;
}

static struct bw_people_view view_of_calm_leader(void)
{
    struct bw_people_view view = view_of_leader();

    view.voters_heard = 3;
    view.members[2].is_heard = true;
    view.members[2].role = "follower";
    return view;
}

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(value);
    return value;
}

static json_t *status_of(const struct bw_people_view *view)
{
    struct bw_json_buffer buffer = {0};
    json_t *status;

    bw_json_status(view, &buffer);
    assert_false(buffer.is_failed);
    status = parse(buffer.text);
    free(buffer.text);
    return status;
}

static json_t *history_of(const struct bw_people_view *view)
{
    struct bw_json_buffer buffer = {0};
    json_t *history;

    bw_json_history(view, -1, 100, &buffer);
    assert_false(buffer.is_failed);
    history = parse(buffer.text);
    free(buffer.text);
    return history;
}

/* ---- golden ----------------------------------------------------------------------------------- */

static FILE *begin_telling(void)
{
    FILE *out;

    free(told);
    told = NULL;
    out = open_memstream(&told, &told_size);
    assert_non_null(out);
    return out;
}

static void compare_with_golden(const char *name)
{
    static char golden[65536];
    const char *source = getenv("BREAKWATER_SOURCE");
    const char *mode = getenv("BREAKWATER_GOLDEN");
    const bool is_update = mode != NULL && strcmp(mode, "write") == 0;
    char path[512];
    FILE *file;
    size_t size;

    assert_non_null(source);
    (void)snprintf(path, sizeof path, "%s/tests/golden/cli/%s", source, name);
    file = fopen(path, is_update ? "w" : "r");
    assert_non_null(file);
    if (is_update) {
        assert_true(fputs(told, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return;
    }
    size = fread(golden, 1, sizeof golden - 1, file);
    golden[size] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(told, golden);
}

static void compare_json(json_t *value, const char *name)
{
    FILE *out = begin_telling();

    assert_non_null(value);
    assert_int_equal(json_dumpf(value, out, JSON_INDENT(2)), 0);
    (void)fputc('\n', out);
    assert_int_equal(fclose(out), 0);
    compare_with_golden(name);
    json_decref(value);
}

static void compare_status(const struct bw_people_view *view, enum bw_exit exit, const char *name)
{
    json_t *status = status_of(view);
    FILE *out = begin_telling();
    const enum bw_exit verdict = bw_show_status(status, NULL, SIX_DAYS_MS, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden(name);
    assert_int_equal(verdict, exit);
    json_decref(status);
}

/* ---- status ----------------------------------------------------------------------------------- */

static void a_calm_hour_is_fine(void **state)
{
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 2);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_calm.txt");
    compare_json(status_of(&view), "status_calm.json");
}

static void a_silent_witness_and_an_alarm_are_warnings(void **state)
{
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.alarms = UINT32_C(1) << BW_ALARM_ROGUE_START;
    world.sites[B].report.guard_alive = false;
    world.sites[C].is_mute = true;
    world.sites[B].certificate_left_s = 6 * 86400 + 100;
    world.sites[A].report.fence_bound_ms = 120000; /* a script_timeout that nobody thought of */
    world.sites[A].is_timed = true;
    world.sites[A].clock_ppm = -80000;
    world_pass_ms(&world, 100000);
    view = view_of_leader();

    compare_status(&view, BW_EXIT_WARNINGS, "status_warnings.txt");
}

static void a_group_without_a_holder_has_no_active_site(void **state)
{
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world.sites[B].report.has_lag = false;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_vacant.txt");
}

static void a_failed_fence_is_told_loudly(void **state)
{
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_held.txt");
}

static void begin_with_min_grade_fenced(void)
{
    struct bw_spec spec;

    world_init(&world, 2);
    spec = world_group(&world)->spec;
    spec.min_grade = BW_MIN_GRADE_FENCED;
    world_begin_with(&world, 2, &spec);
}

/* Time alone would not end its epoch: known beforehand, and no word promises a failover. */
static void a_group_that_time_does_not_end_promises_no_failover(void **state)
{
    struct bw_people_view view;

    (void)state;
    begin_with_min_grade_fenced();
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_FINE, "status_fenced.txt");
}

static void a_lost_site_whose_epoch_time_does_not_end_names_the_way_out(void **state)
{
    struct bw_people_view view;

    (void)state;
    begin_with_min_grade_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_fenced_lost.txt");
}

/* Nobody may wait for a give-back that cannot come: only an epoch's own instance gives it back. */
static void a_holder_that_lost_its_state_is_said_to_give_nothing_back(void **state)
{
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
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

/* Nothing is executed there, so no active site is no failure. */
static void an_observed_group_is_no_failure(void **state)
{
    struct bw_people_view view;

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
    struct bw_people_view view;

    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    view = view_of_calm_leader();
    view.self = "w2";
    view.voters_heard = 0;
    view.members[0].is_self = false;
    view.members[0].is_heard = true;
    view.members[1].is_self = true;
    view.members[2].is_heard = false;
    view.members[2].role = "unknown";

    compare_status(&view, BW_EXIT_FINE, "status_follower.txt");
}

/* ---- plans and history ------------------------------------------------------------------------ */

static json_t *plan_of(enum bw_wish_kind kind, const char *to)
{
    static struct bw_decision decision;
    struct bw_people_view view = view_of_calm_leader();
    struct bw_wish wish = {.kind = kind};
    struct bw_diag diag = {0};
    json_t *plan;
    enum bw_err err;

    (void)strcpy(wish.to, to);
    err = bw_witness_ask(&world.witness, 0, &wish, world.now, &diag);
    bw_witness_decide(&world.witness, 0, world.now, &decision);
    plan = bw_json_plan(&view, 0, &wish, &decision, err, diag.text);
    assert_non_null(plan);
    assert_int_equal(json_object_del(plan, "decision"), 0); /* golden/explain has these */
    return plan;
}

static void the_plan_of_a_switchover_names_each_step(void **state)
{
    (void)state;
    world_begin(&world, 2);

    compare_json(plan_of(BW_WISH_SWITCHOVER, "dc-b"), "plan_switchover.json");
}

/* ---- outcomes --------------------------------------------------------------------------------- */

static enum bw_outcome_progress look_at_outcome(struct bw_outcome *outcome)
{
    struct bw_people_view view = view_of_leader();
    json_t *status;
    enum bw_outcome_progress progress;

    view.term = world.witness.leadership.term;
    status = status_of(&view);
    progress = bw_outcome_judge(outcome, status, bw_json_find_group(status, "harbor"));
    json_decref(status);
    return progress;
}

/* The wish is in its leader's memory only (4): whoever waits is told that it is gone. */
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
    assert_string_equal(outcome.text, "the leader changed, and with it the order was forgotten: "
                                      "ask again; epoch 1 is GRANTED");
}

/* Once its Revoke is committed, whoever leads goes on with it (3.6). */
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
    assert_string_equal(outcome.text, "epoch 1 is REVOKING");
}

static void a_switchover_that_its_own_leader_gave_up_is_told_so(void **state)
{
    struct bw_outcome outcome = {.to = "dc-b"};

    (void)state;
    world_begin(&world, 2);
    outcome.epoch = (int64_t)world_group(&world)->epoch;
    outcome.term = (int64_t)world.witness.leadership.term;

    assert_int_equal(look_at_outcome(&outcome), BW_OUTCOME_GIVEN_UP);
    assert_string_equal(outcome.text, "it was given up; epoch 1 is GRANTED");
}

static void the_plan_of_a_failover_waits_and_tells_the_loss(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);

    compare_json(plan_of(BW_WISH_FAILOVER, ""), "plan_failover.json");
}

/* A site that might follow, and nobody knows how much would be lost: unknown is not zero (4). */
static void an_explanation_names_what_holds(void **state)
{
    static struct bw_decision decision;
    struct bw_people_view view;
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

static void a_lost_site_that_time_does_not_end_is_explained_with_the_way_out(void **state)
{
    static struct bw_decision decision;
    struct bw_people_view view;
    json_t *explanation;
    FILE *out;

    (void)state;
    begin_with_min_grade_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A4");
    view = view_of_calm_leader();
    bw_witness_decide(&world.witness, 0, world.now, &decision);
    explanation = bw_json_explain(&view, 0, &decision);
    assert_non_null(explanation);
    out = begin_telling();

    bw_show_explain(explanation, false, out);

    assert_int_equal(fclose(out), 0);
    compare_with_golden("explain_fenced_lost.txt");
    json_decref(explanation);
}

static void the_plan_of_a_failover_that_would_wait_for_ever_names_the_way_out(void **state)
{
    (void)state;
    begin_with_min_grade_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);

    compare_json(plan_of(BW_WISH_FAILOVER, "dc-b"), "plan_failover_fenced.json");
}

static void the_plan_of_a_force_release_says_what_is_known_of_the_site(void **state)
{
    (void)state;
    begin_with_min_grade_fenced();
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
    struct bw_people_view view;
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

static void force_release(struct bw_outcome *outcome)
{
    struct bw_wish wish = {.kind = BW_WISH_FORCE_RELEASE,
                           .to = "dc-a",
                           .by = "operator/anna",
                           .text = "its rack is without power"};
    struct bw_diag diag = {0};

    begin_with_min_grade_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);
    *outcome = (struct bw_outcome){.epoch = (int64_t)world_group(&world)->epoch,
                                   .term = (int64_t)world.witness.leadership.term};
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A25");
}

static enum bw_outcome_progress look_at_release(struct bw_outcome *outcome)
{
    struct bw_people_view view = view_of_leader();
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
    struct bw_people_view view;
    struct bw_outcome outcome;
    json_t *history;
    FILE *out;

    (void)state;
    force_release(&outcome);
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_WAITING);
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A26");
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_DONE);
    assert_string_equal(outcome.text, "epoch 1 of dc-a is over (forced); dc-b may follow by itself; "
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
    struct bw_people_view view;
    struct bw_outcome outcome;

    (void)state;
    force_release(&outcome);
    world_lead_anew(&world);
    assert_int_equal(look_at_release(&outcome), BW_OUTCOME_GIVEN_UP);
    view = view_of_calm_leader();

    compare_status(&view, BW_EXIT_NO_SITE, "status_closed_on_a_word.txt");
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
                        "time alone does not end epoch 1 of harbor at dc-a (a fence of it failed); "
                        "once that site is off: breakwater force-release harbor --site dc-a");
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
    world_group(&world)->spec.expired_is_enough = true;
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
 * the control characters of ASCII nor those of U+0080 to U+009F. */
static void what_a_witness_says_moves_no_cursor(void **state)
{
    json_t *status = parse("{\"cluster\":\"prod\",\"groups\":[{\"name\":\"a\\u009b2J\",\"phase\":"
                           "\"GRANTED\",\"sites\":[{\"name\":\"dc-a\",\"role\":\"standby\","
                           "\"why_not\":[\"b\\u001b[2J\"],\"alarms\":[\"c\\u0007\\u0085\"]}]}]}");
    FILE *out = begin_telling();

    (void)state;
    (void)bw_show_status(status, NULL, SIX_DAYS_MS, out);
    assert_int_equal(fclose(out), 0);
    json_decref(status);

    assert_non_null(strstr(told, "a?2J"));
    assert_non_null(strstr(told, "b?[2J"));
    assert_non_null(strstr(told, "alarm c??"));
    for (size_t i = 0; i < told_size; i++)
        assert_true((unsigned char)told[i] >= 0x20 || told[i] == '\n');
    assert_null(strstr(told, "\xc2\x9b"));
}

static int free_told(void **state)
{
    (void)state;
    free(told);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_hour_is_fine),
        cmocka_unit_test(a_silent_witness_and_an_alarm_are_warnings),
        cmocka_unit_test(a_group_without_a_holder_has_no_active_site),
        cmocka_unit_test(a_failed_fence_is_told_loudly),
        cmocka_unit_test(an_observed_group_is_no_failure),
        cmocka_unit_test(a_group_that_time_does_not_end_promises_no_failover),
        cmocka_unit_test(a_lost_site_whose_epoch_time_does_not_end_names_the_way_out),
        cmocka_unit_test(a_holder_that_lost_its_state_is_said_to_give_nothing_back),
        cmocka_unit_test(a_lost_site_that_time_does_not_end_is_explained_with_the_way_out),
        cmocka_unit_test(the_plan_of_a_failover_that_would_wait_for_ever_names_the_way_out),
        cmocka_unit_test(the_plan_of_a_force_release_says_what_is_known_of_the_site),
        cmocka_unit_test(history_tells_on_whose_word_an_epoch_ended),
        cmocka_unit_test(a_force_release_that_its_leader_forgot_is_to_be_said_again),
        cmocka_unit_test(a_move_that_time_will_not_end_is_not_waited_for),
        cmocka_unit_test(a_follower_says_that_it_does_not_lead),
        cmocka_unit_test(the_plan_of_a_switchover_names_each_step),
        cmocka_unit_test(a_switchover_that_a_change_of_leader_forgot_is_to_be_asked_for_again),
        cmocka_unit_test(a_switchover_that_has_begun_outlives_its_leader),
        cmocka_unit_test(a_switchover_that_its_own_leader_gave_up_is_told_so),
        cmocka_unit_test(the_plan_of_a_failover_waits_and_tells_the_loss),
        cmocka_unit_test(an_explanation_names_what_holds),
        cmocka_unit_test(the_plan_of_a_refused_wish_has_no_steps),
        cmocka_unit_test(history_tells_how_each_epoch_began_and_ended),
        cmocka_unit_test(a_spec_is_read_back_as_it_was_written),
        cmocka_unit_test(times_are_rfc_3339_whatever_the_number),
        cmocka_unit_test(bytes_that_are_no_text_do_not_break_a_document),
        cmocka_unit_test(what_a_witness_says_moves_no_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, free_told);
}
