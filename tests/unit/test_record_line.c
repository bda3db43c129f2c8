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
static void add_moved(void)
{
    add_of(BW_RECORD_GRANTED, 1, 100);
    add((struct bw_record_event){.kind = BW_RECORD_MOVE_BEGUN,
                                 .epoch = 1,
                                 .unix_ms = MOVED_MS,
                                 .by = "operator/anna",
                                 .text = "kernel"});
    add_of(BW_RECORD_CLOSED, 1, CLOSED_MS);
    add_of(BW_RECORD_MODE, 0, 450); /* a line of its own in between */
    add_of(BW_RECORD_ENDED, 1, ENDED_MS);
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
        cmocka_unit_test_setup(a_line_tells_how_the_epoch_before_went, begin),
        cmocka_unit_test_setup(a_move_that_was_given_up_is_none_of_the_next_epoch, begin),
        cmocka_unit_test_setup(a_planned_grant_has_the_reason_of_its_move, begin),
        cmocka_unit_test_setup(only_an_end_by_somebodys_word_names_who_gave_it, begin),
        cmocka_unit_test_setup(what_a_site_says_late_of_its_end_is_kept_at_its_most, begin),
        cmocka_unit_test_setup(a_chain_without_a_grant_has_no_oldest_epoch, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
