/* record_line: what one line tells of an epoch and of the one before, by the events that were
 * recorded (3.1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/core/record_line.h>
#include <breakwater/wire/record_event.h>

#define MOVED_MS  200
#define CLOSED_MS 400
#define ENDED_MS  500

static struct bw_record_room room;
static uint64_t newest_index;

static int begin(void **state)
{
    (void)state;
    bw_record_init(&room.record, &bw_record_codec, room.blocks, BW_RECORD_BLOCKS_MAX);
    newest_index = 0;
    return 0;
}

static void add(struct bw_record_event event)
{
    event.index = ++newest_index;
    bw_record_append(&room.record, "g", &event);
}

static void add_of(enum bw_record_kind kind, uint64_t epoch, int64_t unix_ms)
{
    add((struct bw_record_event){.kind = kind, .epoch = epoch, .unix_ms = unix_ms});
}

/* Of epoch 1, as a person has moved it. */
static void add_moved_for(const char *text)
{
    struct bw_record_event begun = {
        .kind = BW_RECORD_MOVE_BEGUN, .epoch = 1, .unix_ms = MOVED_MS, .by = "operator/anna"};

    (void)strcpy(begun.text, text);
    add_of(BW_RECORD_GRANTED, 1, 100);
    add(begun);
    add_of(BW_RECORD_CLOSED, 1, CLOSED_MS);
    add_of(BW_RECORD_MODE, 0, 450); /* a line of its own in between */
    add_of(BW_RECORD_ENDED, 1, ENDED_MS);
}

static void add_moved(void)
{
    add_moved_for("kernel");
}

static void add_grant_of_2(bool planned, const char *by, const char *text)
{
    struct bw_record_event event = {
        .kind = BW_RECORD_GRANTED, .epoch = 2, .unix_ms = 600, .planned = planned};

    (void)strcpy(event.by, by);
    (void)strcpy(event.text, text);
    add(event);
}

/* The line of an epoch. */
static struct bw_record_line line_of(uint64_t epoch)
{
    struct bw_record_at at = bw_record_begin(bw_record_find(&room.record, "g"));
    struct bw_record_mark mark = {0};
    struct bw_record_line line;

    do {
        assert_true(bw_record_next_line(&room.record, &at, &mark));
        bw_record_read_line(&room.record, &mark, &line);
    } while (line.kind != BW_RECORD_GRANTED || line.entry.epoch != epoch);
    return line;
}

static void the_line_of_an_epoch_has_what_its_grant_and_its_end_say(void **state)
{
    const struct bw_history_entry *entry;
    struct bw_record_line line;

    (void)state;
    add_of(BW_RECORD_CREATED, 0, 50);
    add((struct bw_record_event){.kind = BW_RECORD_GRANTED,
                                 .epoch = 1,
                                 .unix_ms = 100,
                                 .reason = BW_REASON_FAILOVER,
                                 .planned = true,
                                 .adopt = true,
                                 .silent_ms = 16000,
                                 .seen = BW_REACH_INSIDE,
                                 .proved = true,
                                 .site = "dc-b",
                                 .previous = "dc-a",
                                 .by = "operator/anna",
                                 .text = "the roof leaks"});
    add((struct bw_record_event){.kind = BW_RECORD_ENDED,
                                 .epoch = 1,
                                 .unix_ms = ENDED_MS,
                                 .reason = BW_REASON_SITE_LOST,
                                 .grade = BW_GRADE_EXPIRED});

    line = line_of(1);

    entry = &line.entry;
    assert_int_equal(entry->granted_index, 2);
    assert_int_equal(entry->granted_unix_ms, 100);
    assert_int_equal(entry->why_granted, BW_REASON_FAILOVER);
    assert_true(entry->planned && entry->adopted && entry->proved);
    assert_int_equal(entry->silent_ms, 16000);
    assert_int_equal(entry->seen, BW_REACH_INSIDE);
    assert_string_equal(entry->site, "dc-b");
    assert_string_equal(entry->previous_site, "dc-a");
    assert_string_equal(entry->by, "operator/anna");
    assert_string_equal(line.text, "the roof leaks");
    assert_int_equal(entry->ended_index, 3);
    assert_int_equal(entry->ended_unix_ms, ENDED_MS);
    assert_int_equal(entry->why_ended, BW_REASON_SITE_LOST);
    assert_int_equal(entry->grade, BW_GRADE_EXPIRED);
    assert_string_equal(line.event.site, "dc-b");
}

static void a_line_tells_how_the_epoch_before_went(void **state)
{
    struct bw_record_line line;

    (void)state;
    add_moved();
    add_grant_of_2(true, "operator/anna", "");
    line = line_of(2);
    assert_int_equal(line.before_move_unix_ms, MOVED_MS);
    assert_int_equal(line.before_closed_unix_ms, CLOSED_MS);
    assert_int_equal(line.before_ended_unix_ms, ENDED_MS);
    line = line_of(1);
    assert_int_equal(line.before_ended_unix_ms, 0); /* there was none */
    assert_int_equal(line.entry.ended_unix_ms, ENDED_MS);
    assert_int_equal(line.held_unix_ms, 0); /* no fence of it has failed */
}

static void a_move_that_was_given_up_is_none_of_the_next_epoch(void **state)
{
    (void)state;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_of(BW_RECORD_MOVE_BEGUN, 1, MOVED_MS);
    add_of(BW_RECORD_MOVE_GIVEN_UP, 1, 300);
    add_of(BW_RECORD_ENDED, 1, ENDED_MS);
    add_grant_of_2(false, "", "");
    assert_int_equal(line_of(2).before_move_unix_ms, 0);
    assert_int_equal(line_of(2).before_ended_unix_ms,
                     ENDED_MS); /* behind a line that is no epoch's */
}

/* A planned grant has its reason where that was told to stop, if it was the same person's. */
static void a_planned_grant_has_the_reason_of_its_move(void **state)
{
    (void)state;
    add_moved();
    add_grant_of_2(true, "operator/anna", "other");
    assert_string_equal(line_of(2).text, "kernel");
    (void)begin(NULL);
    add_moved_for("?"); /* be it as short as it may */
    add_grant_of_2(true, "operator/anna", "other");
    assert_string_equal(line_of(2).text, "?");
    (void)begin(NULL);
    add_moved();
    add_grant_of_2(true, "operator/bob", "own");
    assert_string_equal(line_of(2).text, "own");
    (void)begin(NULL);
    add_moved();
    add_grant_of_2(false, "operator/anna", "lost");
    assert_string_equal(line_of(2).text, "lost");
}

static void only_an_end_by_somebodys_word_names_who_gave_it(void **state)
{
    static const struct {
        enum bw_grade grade;
        const char *by;
    } ends[] = {{BW_GRADE_FORCED, "operator/bob"},
                {BW_GRADE_LET_GO, "operator/bob"},
                {BW_GRADE_FENCED, "operator/bob"},
                {BW_GRADE_EXPIRED, ""}};

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)begin(NULL);
        add_of(BW_RECORD_GRANTED, 1, 100);
        add((struct bw_record_event){.kind = BW_RECORD_ENDED,
                                     .epoch = 1,
                                     .unix_ms = ENDED_MS,
                                     .grade = ends[i].grade,
                                     .by = "operator/bob"});
        assert_string_equal(line_of(1).ended_by, ends[i].by);
        assert_int_equal(line_of(1).free_unix_ms, 0); /* it was never held */
    }
}

/* Each may come back several times, and never says less than before. */
static void what_a_site_says_late_of_its_end_is_kept_at_its_most(void **state)
{
    (void)state;
    add_moved();
    add_grant_of_2(false, "", "");
    add((struct bw_record_event){.kind = BW_RECORD_NOTED, .epoch = 2, .note = {.late_ms = 9}});
    assert_false(
        line_of(1).has_reported_end); /* a leader's word of the new epoch, not the old site's */
    assert_int_equal(line_of(1).late_ms, 0);
    add((struct bw_record_event){
        .kind = BW_RECORD_NOTED, .epoch = 2, .note = {.is_reported = true, .late_ms = 7}});
    add((struct bw_record_event){
        .kind = BW_RECORD_NOTED, .epoch = 2, .note = {.is_reported = true, .late_ms = 5}});
    assert_true(line_of(1).has_reported_end);
    assert_int_equal(line_of(1).late_ms, 7);
}

/* 3.1: "served until T after its end" stands with the epoch that ended, and with no other. */
static void what_a_site_says_late_is_of_its_own_epoch_alone(void **state)
{
    (void)state;
    add_moved();
    add_grant_of_2(false, "", "");
    add_of(BW_RECORD_ENDED, 2, 700);
    add_of(BW_RECORD_GRANTED, 3, 800);
    add((struct bw_record_event){
        .kind = BW_RECORD_NOTED, .epoch = 3, .note = {.is_reported = true, .late_ms = 9}});
    assert_false(line_of(1).has_reported_end);
    assert_int_equal(line_of(1).late_ms, 0);
    assert_true(line_of(2).has_reported_end);
    assert_int_equal(line_of(2).late_ms, 9);
    assert_false(line_of(2).note.is_reported); /* which is a word of the epoch before */
    assert_true(line_of(3).note.is_reported);
    assert_false(line_of(3).has_reported_end);
}

static void add_close_by(enum bw_reason reason, const char *by, const char *text)
{
    struct bw_record_event event = {.kind = BW_RECORD_CLOSED, .epoch = 1, .reason = reason};

    (void)strcpy(event.by, by);
    (void)strcpy(event.text, text);
    add(event);
}

static void an_epoch_that_a_person_closed_names_who_it_was(void **state)
{
    (void)state;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_close_by(BW_REASON_SITE_LOST, "witness/w1", "");
    assert_string_equal(line_of(1).ended_by, ""); /* a leader's own decision is nobody's word */
    assert_int_equal(line_of(1).entry.why_ended, BW_REASON_SITE_LOST);
    add_close_by(BW_REASON_OPERATOR, "operator/anna", "kernel");
    assert_string_equal(line_of(1).ended_by, "operator/anna");
    assert_string_equal(line_of(1).ended_text, "kernel");
    assert_int_equal(line_of(1).entry.why_ended, BW_REASON_OPERATOR);
}

static void each_event_of_an_epoch_tells_its_own_and_nothing_else(void **state)
{
    struct bw_record_line line;

    (void)state;
    add((struct bw_record_event){.kind = BW_RECORD_GRANTED, .epoch = 1, .seen = BW_REACH_INSIDE});
    add((struct bw_record_event){.kind = BW_RECORD_ADOPTED, .epoch = 1, .by = "witness/w1"});
    add_of(BW_RECORD_FENCE_FAILED, 1, 200);
    line = line_of(1);
    assert_string_equal(line.ended_by, "");
    assert_int_equal(line.held_unix_ms, 200);
    assert_int_equal(line.passed_unix_ms, 0);
    add_of(BW_RECORD_PASSED, 1, 300);
    line = line_of(1);
    assert_int_equal(line.passed_unix_ms, 300);
    assert_int_equal(line.entry.seen, BW_REACH_INSIDE);
    add((struct bw_record_event){
        .kind = BW_RECORD_SEEN, .epoch = 1, .seen = BW_REACH_OUTSIDE, .proved = true});
    line = line_of(1);
    assert_int_equal(line.entry.seen, BW_REACH_OUTSIDE);
    assert_true(line.entry.proved);
    assert_int_equal(line.entry.ended_index, 0);
    assert_int_equal(line.free_unix_ms, 0); /* it is held still */
    add_of(BW_RECORD_NOTED, 1, 400);
    assert_int_equal(line_of(1).entry.ended_index, 0);
}

static void an_epoch_whose_move_was_given_up_ends_by_nobodys_word(void **state)
{
    (void)state;
    add_moved();
    assert_string_equal(line_of(1).ended_by, "operator/anna");
    assert_string_equal(line_of(1).ended_text, "kernel");
    add_of(BW_RECORD_MOVE_GIVEN_UP, 1, 550);
    assert_string_equal(line_of(1).ended_by, "");
    assert_string_equal(line_of(1).ended_text, "");
}

static void add_note(struct bw_note note, int64_t unix_ms)
{
    add((struct bw_record_event){
        .kind = BW_RECORD_NOTED, .epoch = 1, .unix_ms = unix_ms, .note = note});
}

/* The first leader may have missed the start; what it has seen no later one takes back. */
static void a_later_note_tells_more_and_takes_nothing_back(void **state)
{
    struct bw_record_line line;

    (void)state;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_note((struct bw_note){0}, 200);
    line = line_of(1);
    assert_int_equal(line.note.armed_ms, 0);
    assert_int_equal(line.restarted_unix_ms, 0);
    add_note((struct bw_note){.armed_ms = 1, .started_ms = 2, .verified_ms = 3, .outage_ms = 40,
                              .is_reported = true, .late_ms = 7},
             300);
    add_note((struct bw_note){.armed_ms = 11, .started_ms = 12, .verified_ms = 13, .outage_ms = 14,
                              .late_ms = 5},
             400);

    line = line_of(1);

    assert_int_equal(line.note.armed_ms, 1);
    assert_int_equal(line.note.started_ms, 2);
    assert_int_equal(line.note.verified_ms, 3);
    assert_int_equal(line.note.outage_ms, 40);
    assert_true(line.note.is_reported);
    assert_int_equal(line.note.late_ms, 7);
    add_note((struct bw_note){.late_ms = 8}, 500);
    assert_int_equal(line_of(1).note.late_ms, 8);
}

/* It served longer than the leader has heard: so nobody was without it for as long. */
static void the_outage_is_by_the_word_of_the_site_before_once_it_has_come_back(void **state)
{
    (void)state;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_note((struct bw_note){.outage_ms = 40}, 200);
    add_note((struct bw_note){.is_reported = true}, 300); /* it says nothing of that */
    assert_int_equal(line_of(1).note.outage_ms, 40);
    add_note((struct bw_note){.outage_ms = 30, .is_reported = true}, 400);
    assert_int_equal(line_of(1).note.outage_ms, 30);
}

static void restarts_are_kept_at_their_most_with_when_the_last_one_was(void **state)
{
    (void)state;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_note((struct bw_note){.restarts = 2, .restart_age_ms = 50}, 1000);
    assert_int_equal(line_of(1).restarted_unix_ms, 950);
    add_note((struct bw_note){.restarts = 2, .restart_age_ms = 90}, 2000); /* no other one */
    add_note((struct bw_note){.restarts = 1, .restart_age_ms = 10}, 3000);
    assert_int_equal(line_of(1).note.restarts, 2);
    assert_int_equal(line_of(1).restarted_unix_ms, 950);
    add_note((struct bw_note){.restarts = 3, .restart_age_ms = 10}, 4000);
    assert_int_equal(line_of(1).note.restarts, 3);
    assert_int_equal(line_of(1).restarted_unix_ms, 3990);
}

/* 5.1, steps: a service that was started again has gone through its phases again. */
static void phases_are_of_the_newest_start_that_told_any(void **state)
{
    struct bw_note first = {0}, second = {0};

    (void)state;
    first.phase_ms[BW_STEP_PHASE_NONE] = 30;
    second.phase_ms[BW_STEP_PHASE_COUNT - 1] = 5;
    add_of(BW_RECORD_GRANTED, 1, 100);
    add_note(first, 200);
    add_note((struct bw_note){.verified_ms = 3}, 300); /* of a start without steps */
    assert_memory_equal(line_of(1).note.phase_ms, first.phase_ms, sizeof first.phase_ms);
    add_note(second, 400);
    assert_memory_equal(line_of(1).note.phase_ms, second.phase_ms, sizeof second.phase_ms);
}

/* The end of a chain is no line, and what was read before is not told again. */
static void a_mark_behind_the_newest_event_has_no_line(void **state)
{
    const struct bw_record_mark behind = {0};
    struct bw_record_line line;

    (void)state;
    add_moved();
    line = line_of(1);
    bw_record_read_line(&room.record, &behind, &line);
    assert_int_equal(line.kind, BW_RECORD_NONE);
    assert_int_equal(line.entry.epoch, 0);
}

/* Of the group's own history: there is no more of it than its entry, and who vouched for its end. */
static void an_epoch_older_than_the_record_has_its_entry_and_its_voucher(void **state)
{
    static struct bw_group group;
    const struct bw_history_entry old = {.epoch = 3, .site = "dc-a"};
    const struct bw_history_entry other = {.epoch = 4, .site = "dc-b"};
    struct bw_record_line line;

    (void)state;
    group.vouchers[0] = (struct bw_voucher){.epoch = 3, .by = "operator/anna", .text = "it is off"};
    group.voucher_count = 1;
    bw_record_line_of(&group, &old, &line);
    assert_int_equal(line.kind, BW_RECORD_GRANTED);
    assert_int_equal(line.entry.epoch, 3);
    assert_string_equal(line.entry.site, "dc-a");
    assert_string_equal(line.ended_by, "operator/anna");
    assert_string_equal(line.ended_text, "it is off");
    bw_record_line_of(&group, &other, &line);
    assert_string_equal(line.entry.site, "dc-b");
    assert_string_equal(line.ended_by, "");
    assert_string_equal(line.ended_text, "");
}

static void a_chain_without_a_grant_has_no_oldest_epoch(void **state)
{
    (void)state;
    add_of(BW_RECORD_CREATED, 0, 100);
    assert_true(bw_record_oldest_epoch(&room.record, bw_record_find(&room.record, "g")) ==
                UINT64_MAX);
    add_of(BW_RECORD_ENDED, 4, 200); /* whose grant has given way */
    add_of(BW_RECORD_GRANTED, 5, 300);
    assert_int_equal(bw_record_oldest_epoch(&room.record, bw_record_find(&room.record, "g")), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_line_of_an_epoch_has_what_its_grant_and_its_end_say, begin),
        cmocka_unit_test_setup(a_line_tells_how_the_epoch_before_went, begin),
        cmocka_unit_test_setup(a_move_that_was_given_up_is_none_of_the_next_epoch, begin),
        cmocka_unit_test_setup(a_planned_grant_has_the_reason_of_its_move, begin),
        cmocka_unit_test_setup(only_an_end_by_somebodys_word_names_who_gave_it, begin),
        cmocka_unit_test_setup(what_a_site_says_late_of_its_end_is_kept_at_its_most, begin),
        cmocka_unit_test_setup(what_a_site_says_late_is_of_its_own_epoch_alone, begin),
        cmocka_unit_test_setup(an_epoch_that_a_person_closed_names_who_it_was, begin),
        cmocka_unit_test_setup(each_event_of_an_epoch_tells_its_own_and_nothing_else, begin),
        cmocka_unit_test_setup(an_epoch_whose_move_was_given_up_ends_by_nobodys_word, begin),
        cmocka_unit_test_setup(a_later_note_tells_more_and_takes_nothing_back, begin),
        cmocka_unit_test_setup(the_outage_is_by_the_word_of_the_site_before_once_it_has_come_back,
                               begin),
        cmocka_unit_test_setup(restarts_are_kept_at_their_most_with_when_the_last_one_was, begin),
        cmocka_unit_test_setup(phases_are_of_the_newest_start_that_told_any, begin),
        cmocka_unit_test_setup(a_mark_behind_the_newest_event_has_no_line, begin),
        cmocka_unit_test_setup(an_epoch_older_than_the_record_has_its_entry_and_its_voucher, begin),
        cmocka_unit_test_setup(a_chain_without_a_grant_has_no_oldest_epoch, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
