/* noting: what a leader tells the record beside its commands (design 3.1): never more than it
 * heard. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "noting_world.h"

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

/* 3.8: it was served without an epoch, from when nobody could hear. */
static void what_a_person_let_serve_meanwhile_is_no_outage(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    serve_first();
    lose_first();
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_string_equal(act(), "A31");
    world.sites[B].report.override = BW_OVERRIDE_NONE;
    world_serve(&world, B);

    assert_true(note(&noted));
    assert_int_equal(noted.outage_ms, 0);
    assert_int_not_equal(noted.verified_ms, 0);
}

/* 3.9: nothing ended it. */
static void what_ran_and_was_adopted_is_no_outage(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    serve_first();
    lose_first();
    assert_string_equal(act(), "A9");
    ((struct bw_history_entry *)(uintptr_t)bw_group_history_at(world_group(&world), 0))->adopted = true;
    world_serve(&world, B);

    assert_true(note(&noted));
    assert_int_equal(noted.outage_ms, 0);
}

/* dc-a serves by epoch 1 and gives it back for dc-b, which is granted epoch 2, and ends it so. */
static void move_and_fail(bool past_no_return)
{
    serve_first();
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(act(), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_string_equal(act(), "A1");
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    world_sync_all(&world);
    assert_string_equal(act(), "A7");
    world_pass_ms(&world, 7000);
    world_give_back(&world, B, BW_REASON_START_FAILED, past_no_return, "");
    assert_string_equal(act(), "A1");
}

/* 3.6: nobody served by the epoch between. */
static void a_way_back_is_an_outage_since_before_the_move(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    move_and_fail(false);
    assert_string_equal(act(), "A8");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    world_serve(&world, A);

    assert_true(note(&noted));
    assert_in_range(noted.outage_ms, 7000, 9000);
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
    struct bw_note noted = {0};

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

/* ---- what counts, and of when ---- */

/* A report that says of an older look than one before it, as after a new start of its agent. */
static void an_older_look_takes_nothing_back(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    world.sites[A].report.service_age_ms = 60000;
    world_sync_all(&world);
    lose_first();
    assert_string_equal(act(), "A9");
    world.sites[B].report.service_age_ms = 0;
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_in_range(noted.outage_ms, 20000, 20100);
}

/* What runs there without its epoch, or is not seen to run, is not what was served last. */
static void only_a_look_that_saw_the_epoch_serve_is_counted_from(void **state)
{
    struct bw_note noted;

    (void)state;
    for (int i = 0; i < 2; i++) {
        bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
        begin_serving();
        if (i == 0)
            world.sites[A].report.serving_epoch_started = false;
        else
            world.sites[A].report.service = BW_SERVICE_UNKNOWN;
        world_pass_ms(&world, 4000);
        lose_first();
        assert_string_equal(act(), "A9");
        world_serve(&world, B);
        assert_true(note(&noted));
        assert_in_range(noted.outage_ms, 23900, 24100);
    }
}

static void arm(int site)
{
    struct world_site *puppet = &world.sites[site];

    puppet->renew_epoch = world_group(&world)->epoch;
    puppet->report.epoch_seen = world_group(&world)->epoch;
    puppet->report.armed_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
}

static void start(int site)
{
    world.sites[site].report.start_begun = true;
    world.sites[site].report.service = BW_SERVICE_STARTED;
    world.sites[site].report.serving_epoch_started = true;
    world_sync_all(&world);
}

static void each_moment_of_a_start_is_the_first_at_which_it_was_so(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world.sites[B].report.verified = true; /* of nothing that serves yet */
    world_pass_ms(&world, 1000);
    arm(B);
    world_pass_ms(&world, 1000);
    assert_false(note(&noted));
    world.sites[B].report.verified = false;
    start(B);
    world_pass_ms(&world, 3000);
    assert_false(note(&noted));
    world.sites[B].report.verified = true;
    world_pass_ms(&world, 4000);

    assert_true(note(&noted));

    assert_in_range(noted.armed_ms, 1000, 1010);
    assert_in_range(noted.started_ms, 2000, 2010);
    assert_in_range(noted.verified_ms, 5000, 5600);
}

/* 0 says that it is not known. */
static void what_came_in_no_time_took_a_millisecond(void **state)
{
    struct world_site *puppet = &world.sites[B];
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    puppet->renew_epoch = 2;
    (void)world_sync(&world, B);
    puppet->report.armed_epoch = 2;
    puppet->report.service = BW_SERVICE_STARTED;
    puppet->report.serving_epoch_started = true;
    puppet->report.verified = true;
    (void)world_sync(&world, B);

    assert_true(note(&noted));

    assert_int_equal(noted.armed_ms, 1);
    assert_int_equal(noted.started_ms, 1);
    assert_int_equal(noted.verified_ms, 1);
}

/* It was armed while this leader heard it, and started while it did not. */
static void of_a_start_that_was_followed_in_part_is_told_what_was(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    arm(B);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 9000);
    world.sites[B].is_mute = false;
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_in_range(noted.armed_ms, 1, 10);
    assert_int_equal(noted.started_ms, 0);
    assert_in_range(noted.verified_ms, 9000, 9010);
}

/* It does not know how long before that it was granted. */
static void who_began_after_the_grant_knows_no_moment_of_its_start(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_watch(&world)->data_before_epoch = 0; /* as of one that was restored behind it */
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_int_equal(noted.armed_ms, 0);
    assert_int_equal(noted.started_ms, 0);
    assert_int_equal(noted.verified_ms, 0);
}

/* 3.7: of two agents of a site that holds the epoch is told. */
static void another_instance_at_the_holders_site_tells_nothing(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world.sites[B].instance.bytes[1] ^= 1;
    world_serve(&world, B);

    assert_false(note(&noted));
}

/* ---- the word of the site before ---- */

/* It goes on serving, as far as anybody can say: when it served last is still to come. */
static void a_site_that_has_not_stopped_has_not_said_its_last_word(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_pass_ms(&world, 4000);
    world.sites[A].report.seen_epoch = 1;
    world.sites[A].report.serving_epoch_started = false;
    world.sites[A].is_mute = false;
    world_sync_all(&world);
    world_sync_all(&world);
    world_serve(&world, B);

    assert_true(note(&noted));

    assert_false(noted.is_reported);
    assert_int_equal(noted.late_ms, 0);
    assert_in_range(noted.outage_ms, 1, 10); /* it was seen to serve just now */
}

/* An agent that knows nothing of the epoch before says nothing of its end. */
static void a_site_that_says_nothing_of_its_epoch_reports_no_end(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    come_back(0);
    assert_true(note(&noted));

    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    world_stop(&world, A);
    world.sites[A].is_mute = false;
    world_sync_all(&world);
    world_sync_all(&world);
    assert_false(note(&noted));
}

/* Within one interval and one timeout of the answer that it had: to the millisecond. */
static void a_word_is_prompt_for_an_interval_and_a_timeout(void **state)
{
    for (int late_ms = 0; late_ms < 2; late_ms++) {
        const struct bw_spec *spec;
        struct bw_note noted;

        (void)state;
        bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
        begin(2);
        spec = &world_group(&world)->spec;
        fail_over();
        world_serve(&world, B);
        assert_true(note(&noted));
        world_stop(&world, A);
        world.sites[A].session.bytes[1] = 9;
        world.sites[A].number = 0;
        (void)world_sync(&world, A); /* the first of its agent, which is answered */
        world.sites[A].report.seen_epoch = 1;
        world_wait_ms(&world, spec->renew_interval_ms + spec->request_timeout_ms + (uint64_t)late_ms);
        (void)world_sync(&world, A);
        assert_int_equal(note(&noted), late_ms == 0);
    }
}

/* An agent that hears no answer may have sent it whenever: nobody knows how old its ages are. */
static void a_word_that_answers_nothing_tells_no_time(void **state)
{
    struct world_site *puppet = &world.sites[A];
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    world_group(&world)->spec.renew_interval_ms = 3600 * 1000; /* be a word prompt for however long */
    world_stop(&world, A);
    puppet->is_deaf = true;
    puppet->session.bytes[1] = 9;
    memset(puppet->exchanges, 0, sizeof puppet->exchanges);
    puppet->report.seen_epoch = 1;
    (void)world_sync(&world, A);
    assert_false(note(&noted));
    puppet->is_deaf = false;
    (void)world_sync(&world, A);
    (void)world_sync(&world, A);
    assert_true(note(&noted));
}

/* ---- who tells it, and how often ---- */

/* As if another witness led, and had heard the same. */
static void forget_what_was_proposed(void)
{
    struct bw_epoch_timeline *timeline = &world_watch(&world)->timeline;

    timeline->noted_epoch = 0;
    timeline->has_noted_report = false;
    timeline->noted_restarts = 0;
}

static void what_is_on_record_no_other_leader_tells_again(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    forget_what_was_proposed();
    assert_false(note(&noted));
    come_back(16000);
    assert_true(note(&noted));
    forget_what_was_proposed();
    assert_false(note(&noted));
    world.sites[B].report.restarts = (struct bw_restarts){.epoch = 2, .count = 1};
    world_sync_all(&world);
    assert_true(note(&noted));
    forget_what_was_proposed();
    assert_false(note(&noted));
}

/* The record is full of others' events by then. */
static void what_it_has_told_it_does_not_tell_again_once_that_has_given_way(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    assert_true(note(&noted));
    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    assert_false(note(&noted));
    come_back(16000);
    assert_true(note(&noted));
    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    assert_false(note(&noted));
    world.sites[B].report.restarts = (struct bw_restarts){.epoch = 2, .count = 2};
    world_sync_all(&world);
    assert_true(note(&noted));
    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    assert_false(note(&noted));
}

static void only_who_leads_and_proposes_nothing_else_tells(void **state)
{
    struct bw_command command;
    struct bw_note noted;

    (void)state;
    begin(2);
    fail_over();
    world_serve(&world, B);
    world_watch(&world)->proposing_count = 1;
    assert_false(bw_witness_note_due(&world.witness, 0, world.now, &command));
    world_watch(&world)->proposing_count = 0;
    bw_witness_on_not_leading(&world.witness);
    assert_false(bw_witness_note_due(&world.witness, 0, world.now, &command));
    bw_witness_on_leading(&world.witness, 7, world.now);
    assert_true(note(&noted));
}

static void raise_to(uint32_t level)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = level};

    assert_string_equal(world_apply(&world, &raise), "C3");
}

/* dc-a gives its epoch back at once; 2 s later dc-b has it, and serves after 3 s more. */
static void move_in_5_s(void)
{
    serve_first();
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(act(), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_string_equal(act(), "A1");
    world_pass_ms(&world, 2000);
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    world_sync_all(&world);
    assert_string_equal(act(), "A7");
    world_pass_ms(&world, 3000);
    world_serve(&world, B);
}

/* 3.1: what was seen to have stopped, and what was seen not to run yet, are known: the truth lies between. */
static void an_outage_has_a_least_and_a_most(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    raise_to(BW_LEAST_LEVEL);
    move_in_5_s();

    assert_true(note(&noted));
    assert_in_range(noted.least_ms, 2000, 5100);
    assert_in_range(noted.outage_ms, 5000, 10100);
    assert_true(noted.least_ms <= noted.outage_ms);
    assert_int_equal(newest().note.least_ms, noted.least_ms);
}

static void below_its_level_no_least_is_told(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    move_in_5_s();

    assert_true(note(&noted));
    assert_int_equal(noted.least_ms, 0);
}

/* It served on after its epoch: of what came in between nothing is known. */
static void a_site_that_served_longer_than_its_epoch_leaves_no_least(void **state)
{
    struct bw_note noted;

    (void)state;
    begin(2);
    raise_to(BW_LEAST_LEVEL);
    fail_over();
    world_pass_ms(&world, 2000);
    world_serve(&world, B);
    assert_true(note(&noted));
    assert_in_range(noted.least_ms, 1, 2100);
    world_pass_ms(&world, 9000);

    come_back(3000);

    assert_true(note(&noted));
    assert_int_not_equal(noted.late_ms, 0);
    assert_int_equal(noted.least_ms, 0);
    assert_int_equal(newest().note.least_ms, 0);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_failover_is_noted_with_its_outage_by_the_sites_own_words),
        CASE(what_a_person_let_serve_meanwhile_is_no_outage),
        CASE(what_ran_and_was_adopted_is_no_outage),
        CASE(a_way_back_is_an_outage_since_before_the_move),
        CASE(a_start_by_steps_is_noted_with_how_long_its_phases_took),
        CASE(phases_of_another_epoch_are_not_noted),
        CASE(an_old_look_is_counted_from_when_it_was_made),
        CASE(what_was_not_followed_from_the_grant_on_is_unknown),
        CASE(a_word_that_lay_in_a_cut_link_tells_no_time),
        CASE(a_site_that_comes_back_tells_when_it_served_last),
        CASE(a_site_that_served_longer_than_its_epoch_says_how_long),
        CASE(no_word_of_a_site_is_of_the_future_or_of_another_epoch),
        CASE(a_witness_that_heard_no_end_says_no_outage),
        CASE(an_outage_has_a_least_and_a_most),
        CASE(below_its_level_no_least_is_told),
        CASE(a_site_that_served_longer_than_its_epoch_leaves_no_least),
        CASE(below_its_level_nothing_is_told),
        CASE(a_note_changes_nothing_of_the_group),
        CASE(a_note_of_another_epoch_is_a_recorded_no_op),
        CASE(an_older_look_takes_nothing_back),
        CASE(only_a_look_that_saw_the_epoch_serve_is_counted_from),
        CASE(each_moment_of_a_start_is_the_first_at_which_it_was_so),
        CASE(what_came_in_no_time_took_a_millisecond),
        CASE(of_a_start_that_was_followed_in_part_is_told_what_was),
        CASE(who_began_after_the_grant_knows_no_moment_of_its_start),
        CASE(another_instance_at_the_holders_site_tells_nothing),
        CASE(a_site_that_has_not_stopped_has_not_said_its_last_word),
        CASE(a_site_that_says_nothing_of_its_epoch_reports_no_end),
        CASE(a_word_is_prompt_for_an_interval_and_a_timeout),
        CASE(a_word_that_answers_nothing_tells_no_time),
        CASE(what_is_on_record_no_other_leader_tells_again),
        CASE(what_it_has_told_it_does_not_tell_again_once_that_has_given_way),
        CASE(only_who_leads_and_proposes_nothing_else_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
