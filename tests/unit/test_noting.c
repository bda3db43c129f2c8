/* noting: what a leader tells the record beside its commands (design 3.1): never more than it
 * heard. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/record_line.h>
#include <breakwater/wire/record_event.h>

#include "core_world.h"

static struct world world;
static struct bw_record_room *room;
static struct bw_decision scratch;

static int set_up(void **state)
{
    (void)state;
    room = calloc(1, sizeof *room);
    assert_non_null(room);
    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static void raise_level(void)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL,
                                     .feature_level = BW_RECORD_LEVEL};

    assert_string_equal(world_apply(&world, &raise), "C3");
}

static void begin(uint32_t site_count)
{
    world_init(&world, site_count);
    bw_cluster_keep_record(&world.cluster, &room->record);
    raise_level();
}

/* As world_act, with what the record is told. */
static const char *act(void)
{
    struct bw_proposal proposal;

    (void)world_decide(&world);
    assert_true(world.decision.acts);
    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);
    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);
    assert_string_not_equal(world_apply(&world, &world.decision.command), "-");
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, &world.applied),
                     BW_PROPOSAL_GO_ON);
    return world.decision.rule;
}

static bool note(struct bw_note *out_note)
{
    struct bw_command command;
    struct bw_proposal proposal;

    if (!bw_witness_note_due(&world.witness, 0, world.now, &command))
        return false;
    *out_note = command.note;
    bw_witness_on_proposing(&world.witness, &command, &proposal);
    assert_string_equal(world_apply(&world, &command), "C5");
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, &world.applied),
                     BW_PROPOSAL_GO_ON);
    return true;
}

/* Of the newest epoch. */
static struct bw_record_line newest(void)
{
    struct bw_record_at at = bw_record_begin(bw_record_find(&room->record, "harbor"));
    struct bw_record_mark mark = {0};
    struct bw_record_mark last = {0};
    struct bw_record_line line;

    while (bw_record_next_line(&room->record, &at, &mark))
        if (mark.is_epoch)
            last = mark;
    assert_true(last.is_epoch);
    bw_record_read_line(&room->record, &last, &line);
    return line;
}

/* dc-a served, died, and epoch 2 is dc-b's. */
static void fail_over(void)
{
    struct bw_note first;

    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 5000);
    assert_true(note(&first));
    assert_int_equal(first.outage_ms, 0); /* nobody had served before */
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(act(), "A3");
    assert_string_equal(act(), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static void a_failover_is_noted_with_its_outage_by_the_sites_own_words(void **state)
{
    struct bw_record_line line;
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_pass_ms(&world, 2000);
    assert_false(note(&noted)); /* it does not serve yet */
    world.sites[B].report.service_age_ms = 0;
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_in_range(noted.armed_ms, 2000, 2010);
    assert_in_range(noted.verified_ms, 2000, 2010);
    assert_in_range(noted.outage_ms, 22000, 22100);
    line = newest();
    assert_int_equal(line.entry.epoch, 2);
    assert_memory_equal(&line.note, &noted, sizeof noted);
    assert_false(note(&noted)); /* once */
    world_lead_anew(&world);
    assert_false(note(&noted)); /* and no other leader again */
}

/* dc-b serves under epoch 2 and says that the database's steps of `epoch` took 1200 ms. */
static void serve_by_steps_of(uint64_t epoch, struct bw_note *noted)
{
    struct bw_report *report = &world.sites[B].report;

    begin(2);
    fail_over();
    world_pass_ms(&world, 2000);
    report->service_age_ms = 0;
    report->phases_epoch = epoch;
    report->phase_ms[BW_STEP_PHASE_DATABASE] = 1200;
    report->phase_ms[BW_STEP_PHASE_NONE] = 30;
    world_serve(&world, B);
    assert_true(note(noted));
}

/* 5.1, steps: by its site's word, of that very epoch; what it said of another is of another start.
 */
static void a_start_by_steps_is_noted_with_how_long_its_phases_took(void **state)
{
    struct bw_note noted;

    (void)state;
    serve_by_steps_of(2, &noted);

    assert_int_equal(noted.phase_ms[BW_STEP_PHASE_DATABASE], 1200);
    assert_int_equal(noted.phase_ms[BW_STEP_PHASE_NONE], 30);
    assert_int_equal(newest().note.phase_ms[BW_STEP_PHASE_DATABASE], 1200);
}

static void phases_of_another_epoch_are_not_noted(void **state)
{
    struct bw_note noted;

    (void)state;
    serve_by_steps_of(1, &noted);

    assert_int_equal(noted.phase_ms[BW_STEP_PHASE_DATABASE], 0);
}

/* A look is as old as its site says, and never of the future. */
static void an_old_look_is_counted_from_when_it_was_made(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    world.sites[A].report.service_age_ms = 3000;
    fail_over();
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_in_range(noted.outage_ms, 23000, 23100);
}

static void what_was_not_followed_from_the_grant_on_is_unknown(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world.sites[B].is_mute = true; /* this leader does not hear it for a while */
    world_pass_ms(&world, 9000);
    world.sites[B].is_mute = false;
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_int_equal(noted.armed_ms, 0);
    assert_int_equal(noted.started_ms, 0);
    assert_int_equal(noted.verified_ms, 0);
}

/* dc-a has come back, its service is stopped, and it says when it served last. */
static void come_back(uint64_t seen_age_ms)
{
    world_stop(&world, A);
    world.sites[A].is_mute = false;
    world.sites[A].report.seen_epoch = 1;
    world.sites[A].report.seen_age_ms = (uint32_t)seen_age_ms;
    world_sync_all(&world);
    world_sync_all(&world);
}

/* It was sent as the link was cut, and arrives when that is mended: its ages are of then. */
static void a_word_that_lay_in_a_cut_link_tells_no_time(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    world_stop(&world, A);
    world.sites[A].report.seen_epoch = 1;
    world.sites[A].report.seen_age_ms = 5;

    (void)world_sync(&world, A);
    assert_false(note(&noted));

    world_pass_ms(&world, 4000);
    come_back(16000);
    assert_true(note(&noted));
    assert_in_range(noted.outage_ms, 11000, 12600);
}

/* It served on unheard, until its guard ended it, in time. */
static void a_site_that_comes_back_tells_when_it_served_last(void **state)
{
    struct bw_record_line line;
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    assert_false(noted.is_reported);
    assert_in_range(noted.outage_ms, 20000, 20100);
    world_pass_ms(&world, 4000);

    come_back(16000);

    assert_true(note(&noted));
    assert_true(noted.is_reported);
    assert_int_equal(noted.late_ms, 0);
    assert_in_range(noted.outage_ms, 11000, 12600);
    line = newest();
    assert_true(line.note.is_reported);
    assert_int_equal(line.note.outage_ms, noted.outage_ms);
    assert_true(line.note.armed_ms > 0);
    assert_false(note(&noted)); /* once */
    world_lead_anew(&world);
    assert_false(note(&noted));
}

/* 3.1: "served until T after its end" stands with the epoch that ended. */
static void a_site_that_served_longer_than_its_epoch_says_how_long(void **state)
{
    struct bw_record_at at;
    struct bw_record_mark mark = {0};
    struct bw_record_line line;
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    world_pass_ms(&world, 9000);

    come_back(3000); /* the end was 9 s ago */

    assert_true(note(&noted));
    assert_in_range(noted.late_ms, 5500, 6100);
    at = bw_record_begin(bw_record_find(&room->record, "harbor"));
    while (bw_record_next_line(&room->record, &at, &mark) && !mark.is_epoch)
        ;
    bw_record_read_line(&room->record, &mark, &line);
    assert_int_equal(line.entry.epoch, 1);
    assert_true(line.has_reported_end);
    assert_int_equal(line.late_ms, noted.late_ms);
}

/* Whatever a site says of the time is no future, and of no other epoch. */
static void no_word_of_a_site_is_of_the_future_or_of_another_epoch(void **state)
{
    static const uint32_t ages[] = {0, 1, 3600000, UINT32_MAX};
    struct bw_note noted;

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
        begin(2);
        fail_over();
        world.sites[B].report.seen_epoch = 1; /* it was not dc-b's */
        world.sites[B].report.seen_age_ms = 5;
        world_serve(&world, B);
        assert_true(note(&noted));
        assert_in_range(noted.outage_ms, 20000, 20100);
        come_back(ages[i]);
        assert_true(note(&noted));
        assert_in_range(noted.outage_ms, 1, 20100);
    }
}

/* ---- local restarts ---- */

/* dc-a says that it has started the service again so often, since its agent began. */
static void restart(uint32_t count, uint32_t age_ms)
{
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = count, .age_ms = age_ms};
    world_sync_all(&world);
}

static void begin_serving(void)
{
    struct bw_note first;

    begin(2);
    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 5000);
    assert_true(note(&first));
    assert_int_equal(first.restarts, 0);
}

/* 3.1: a service that died and was started again where it was is no secret. */
static void each_restart_at_its_site_is_noted_with_when_it_was(void **state)
{
    struct bw_restarted restarted;
    struct bw_note noted;

    (void)state;
    begin_serving();
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 0);

    restart(1, 700);

    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 1);
    assert_in_range(noted.restart_age_ms, 700, 900);
    assert_false(note(&noted)); /* once */
    restart(1, 2700);
    assert_false(note(&noted));
    restart(3, 400);
    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 3);
    assert_int_equal(newest().note.restarts, 3);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 3);
    assert_in_range(bw_instant_elapsed_ns(world.now, restarted.since) / BW_NS_PER_MS, 400, 600);
    world_lead_anew(&world);
    assert_false(note(&noted));
}

/* None of them knows of the others: an agent that began anew counts anew. */
static void restarts_by_several_agents_of_the_site_are_added(void **state)
{
    const struct bw_id older = {{7}};
    const struct bw_id newer = {{8}};
    struct bw_restarted restarted;
    struct bw_note noted;

    (void)state;
    begin_serving();
    world.sites[A].session = older;
    restart(3, 100);
    assert_true(note(&noted));
    world_pass_ms(&world, 1000);
    world.sites[A].session = newer;
    world.sites[A].report.restarts = (struct bw_restarts){0};
    world_sync_all(&world);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 3);

    restart(1, 100);

    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 4);
    world.sites[A].session = older; /* overtaken on its way */
    restart(9, 100);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 4);
}

static void restarts_of_another_epoch_or_site_are_none_of_this_one(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    world.sites[B].report.restarts = (struct bw_restarts){.epoch = 1, .count = 5};
    world_sync_all(&world);
    assert_false(note(&noted));
    world.sites[A].report.restarts = (struct bw_restarts){.epoch = 7, .count = 5};
    world_sync_all(&world);
    assert_false(note(&noted));
}

/* 8 MiB for all groups: one that dies every few seconds, or says so, must not take them. */
static void a_service_that_dies_again_and_again_does_not_fill_the_record(void **state)
{
    uint32_t count = 0;
    struct bw_note noted;

    (void)state;
    begin_serving();
    for (uint32_t i = 1; i <= 16; i++) {
        restart(i, 0);
        assert_true(note(&noted));
        assert_int_equal(noted.restarts, i);
    }
    for (uint32_t i = 17; i <= 2000; i++) {
        restart(i, 0);
        if (note(&noted))
            count++;
        assert_true(newest().note.restarts >= i - i / 8);
    }
    assert_in_range(count, 20, 60);
    restart(UINT32_MAX, UINT32_MAX);
    assert_true(note(&noted));
    assert_int_equal(noted.restarts, UINT32_MAX);
    assert_false(note(&noted));
}

/* Who leads since its start has heard nothing of the epoch before. */
static void a_witness_that_heard_no_end_says_no_outage(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_watch(&world)->timeline = (struct bw_epoch_timeline){0};
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_int_equal(noted.outage_ms, 0);
}

static void below_its_level_nothing_is_told(void **state)
{
    struct bw_note noted;

    (void)state;
    world_init(&world, 2);
    bw_cluster_keep_record(&world.cluster, &room->record);
    assert_string_equal(act(), "A6");
    assert_string_equal(world.decision.command.why, "");
    assert_false(world.decision.command.has_lag);
    world_serve(&world, A);

    assert_false(note(&noted));
}

/* The core of it: what is told changes nothing but the record. */
static void a_note_changes_nothing_of_the_group(void **state)
{
    static struct bw_group before;
    struct bw_note noted;

    (void)state;
    begin(2);
    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    before = *world_group(&world);

    assert_true(note(&noted));

    assert_memory_equal(&before, world_group(&world), sizeof before);
}

/* A note of another epoch is about nothing that is open. */
static void a_note_of_another_epoch_is_a_recorded_no_op(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_NOTE, .epoch = 7, .group = "harbor"};

    (void)state;
    begin(2);
    assert_string_equal(act(), "A6");

    assert_string_equal(world_apply(&world, &command), "-");
    assert_int_equal(world.applied.err, BW_ERR_STALE);
}

static void a_grant_says_what_held_the_others_and_how_far_it_lagged(void **state)
{
    struct bw_record_line line;

    (void)state;
    begin(3);
    world.sites[C].report.condition = BW_CONDITION_STOP;
    fail_over();

    line = newest();

    assert_string_equal(line.event.why, "dc-a: connected; dc-c: condition");
    assert_string_equal(line.event.waived, "");
    assert_true(line.event.has_lag);
    assert_int_equal(line.event.lag_ms, 400);
    assert_in_range(line.event.lag_age_ms, 20000, 20700);
}

static void a_failover_says_which_gates_it_has_passed(void **state)
{
    struct bw_diag diag = {0};
    struct bw_record_line line;

    (void)state;
    begin(2);
    world.sites[B].report.lag_ms = 99000;
    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 5000);
    world_set_mode(&world, BW_MODE_MANUAL);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(act(), "A3");
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);

    assert_string_equal(act(), "A9");

    line = newest();
    assert_string_equal(line.event.waived, "lag, approval");
    assert_string_equal(line.entry.by, "operator/anna");
}

/* Eight sites with the longest names: what does not fit is said to be missing. */
static void what_does_not_fit_is_said_to_be_missing(void **state)
{
    struct bw_command *command = &world.decision.command;
    struct bw_spec *spec;

    (void)state;
    begin(2);
    assert_string_equal(act(), "A6");
    spec = &world_group(&world)->spec;
    spec->site_count = BW_SITES_MAX;
    for (uint32_t site = 2; site < BW_SITES_MAX; site++)
        memset(spec->sites[site].name, 'a' + (int)site, BW_NAME_MAX);
    (void)strcpy(command->why, "");
    world.decision.gate_count = 0;
    for (int site = 2; site < BW_SITES_MAX; site++)
        world.decision.gates[world.decision.gate_count++] = (struct bw_gate){
            .id = "connected", .step = "A6", .verdict = BW_GATE_HOLD, .site = site};

    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);

    assert_true(strlen(command->why) <= BW_WHY_MAX);
    assert_string_equal(command->why + strlen(command->why) - 5, "; ...");
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_failover_is_noted_with_its_outage_by_the_sites_own_words),
        CASE(a_start_by_steps_is_noted_with_how_long_its_phases_took),
        CASE(phases_of_another_epoch_are_not_noted),
        CASE(an_old_look_is_counted_from_when_it_was_made),
        CASE(what_was_not_followed_from_the_grant_on_is_unknown),
        CASE(a_word_that_lay_in_a_cut_link_tells_no_time),
        CASE(a_site_that_comes_back_tells_when_it_served_last),
        CASE(a_site_that_served_longer_than_its_epoch_says_how_long),
        CASE(no_word_of_a_site_is_of_the_future_or_of_another_epoch),
        CASE(each_restart_at_its_site_is_noted_with_when_it_was),
        CASE(restarts_by_several_agents_of_the_site_are_added),
        CASE(restarts_of_another_epoch_or_site_are_none_of_this_one),
        CASE(a_service_that_dies_again_and_again_does_not_fill_the_record),
        CASE(a_witness_that_heard_no_end_says_no_outage),
        CASE(below_its_level_nothing_is_told),
        CASE(a_note_changes_nothing_of_the_group),
        CASE(a_note_of_another_epoch_is_a_recorded_no_op),
        CASE(a_grant_says_what_held_the_others_and_how_far_it_lagged),
        CASE(a_failover_says_which_gates_it_has_passed),
        CASE(what_does_not_fit_is_said_to_be_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
