/* recording (3.1): what each command leaves in the record, and the lines that people read of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/core/spec_keys.h>

#include "record_world.h"

/* The newest event of that kind of the group "shop". */
static struct bw_record_event newest(const struct fixture *fixture, enum bw_record_kind kind)
{
    const struct bw_record *record = fixture->cluster.record;
    struct bw_record_at at = bw_record_begin(bw_record_find(record, "shop"));
    struct bw_record_event event, found = {.kind = BW_RECORD_NONE};

    while (bw_record_next(record, &at, &event))
        if (event.kind == kind)
            found = event;
    assert_string_equal(bw_record_word(found.kind), bw_record_word(kind));
    return found;
}

/* All that is on record of the group "shop", oldest first, in words. */
static void assert_recorded(const struct fixture *fixture, const char *words)
{
    const struct bw_record *record = fixture->cluster.record;
    struct bw_record_at at = bw_record_begin(bw_record_find(record, "shop"));
    enum bw_record_kind kind;
    char text[512] = "";
    uint64_t index;

    while (bw_record_skip(record, &at, &kind, &index)) {
        const size_t size = strlen(text);

        (void)snprintf(text + size, sizeof text - size, "%s%s", size > 0 ? " " : "",
                       bw_record_word(kind));
    }
    assert_string_equal(text, words);
}

static void an_epoch_has_who_asked_why_and_how_it_ended(void **state)
{
    struct fixture fixture;
    struct bw_record_line line;

    (void)state;
    begin_with_serving_shop(&fixture);
    about_epoch(&fixture, BW_COMMAND_REVOKE, "shop");
    fixture.unix_ms += 5000;
    about_epoch(&fixture, BW_COMMAND_RELEASED, "shop");

    line = line_at(&fixture, "shop", 1);

    assert_int_equal(line.kind, BW_RECORD_GRANTED);
    assert_string_equal(line.entry.site, "dc-a");
    assert_int_equal(line.entry.silent_ms, 16000);
    assert_int_equal(line.entry.grade, BW_GRADE_CONFIRMED);
    assert_int_equal(line.entry.ended_unix_ms - line.entry.granted_unix_ms, 5000);
    assert_string_equal(line.ended_by, "operator/anna");
    assert_string_equal(line.ended_text, "kernel update");
    assert_string_equal(line_at(&fixture, "shop", 0).event.by, "operator/anna");
    end(&fixture);
}

/* 3.3: as the leader proposed it, on the word of the agent that was asked. */
static void an_end_that_was_seen_from_another_site_names_who_has_seen_it(void **state)
{
    struct fixture fixture;
    struct bw_record_line line;

    (void)state;
    begin_with_serving_shop(&fixture);
    about_epoch(&fixture, BW_COMMAND_CLOSE, "shop");
    about_epoch(&fixture, BW_COMMAND_FENCED, "shop");

    line = line_at(&fixture, "shop", 1);

    assert_int_equal(line.entry.grade, BW_GRADE_FENCED);
    assert_string_equal(line.ended_by, "operator/anna"); /* here */
    end(&fixture);
}

static void a_failed_fence_holds_from_then_to_its_end(void **state)
{
    struct fixture fixture;
    struct bw_record_line line;

    (void)state;
    begin_with_serving_shop(&fixture);
    about_epoch(&fixture, BW_COMMAND_FENCE_FAILED, "shop");
    line = line_at(&fixture, "shop", 1);
    assert_int_equal(line.free_unix_ms, 0);
    fixture.unix_ms += 42000;
    about_epoch(&fixture, BW_COMMAND_FORCED, "shop");

    line = line_at(&fixture, "shop", 1);

    assert_int_equal(line.free_unix_ms - line.held_unix_ms, 42000);
    assert_int_equal(line.entry.grade, BW_GRADE_FORCED);
    assert_string_equal(line.ended_text, "kernel update");
    end(&fixture);
}

/* 4: from there on the data of the epoch is its own. */
static void when_a_start_was_let_past_its_point_of_no_return_is_kept(void **state)
{
    struct fixture fixture;

    (void)state;
    begin_with_serving_shop(&fixture);
    group_of(&fixture, "shop")->terms.no_return = BW_NO_RETURN_AHEAD;
    assert_int_equal(line_at(&fixture, "shop", 1).passed_unix_ms, 0);
    fixture.unix_ms += 7000;

    about_epoch(&fixture, BW_COMMAND_PASSED, "shop");

    assert_int_equal(line_at(&fixture, "shop", 1).passed_unix_ms, fixture.unix_ms);
    assert_int_equal(line_at(&fixture, "shop", 1).kind, BW_RECORD_GRANTED);
    end(&fixture);
}

/* The record of a year ago has the same numbers. */
static void each_key_that_changes_is_recorded_in_the_order_of_its_number(void **state)
{
    static const uint32_t numbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18};
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_line line;

    (void)state;
    begin_with_serving_shop(&fixture);
    command = change_of(&fixture, "shop");
    for (size_t i = 0; i < BW_SPEC_KEY_COUNT; i++)
        bw_spec_key_set(&command.spec, &bw_spec_keys[i], bw_spec_key_get(&command.spec, &bw_spec_keys[i]) + 1);
    apply(&fixture, command);

    line = line_at(&fixture, "shop", 2);

    assert_int_equal(line.event.key_count, sizeof numbers / sizeof numbers[0]);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_int_equal(line.event.keys[i].key, numbers[i]);
        assert_int_equal(line.event.keys[i].after, line.event.keys[i].before + 1);
    }
    end(&fixture);
}

static void a_change_says_which_keys_and_sites(void **state)
{
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_line line;

    (void)state;
    begin_with_serving_shop(&fixture);
    command = change_of(&fixture, "shop");
    command.spec.max_lag_ms = 7000;
    command.spec.mode = BW_MODE_OBSERVE;
    (void)strcpy(command.spec.sites[1].name, "dc-c");
    apply(&fixture, command);

    line = line_at(&fixture, "shop", 2);

    assert_int_equal(line.kind, BW_RECORD_SPEC);
    assert_int_equal(line.event.key_count, 2);
    assert_int_equal(line.event.keys[1].key, 8);
    assert_int_equal(line.event.keys[1].after, 7000);
    assert_int_equal(line.event.site_count, 2);
    assert_string_equal(line.event.sites[0].name, "dc-b");
    assert_true(line.event.sites[0].was);
    assert_int_equal(line.event.sites[0].priority_before, fixture.groups[0].spec.sites[0].priority);
    assert_false(line.event.sites[0].is);
    assert_string_equal(line.event.sites[1].name, "dc-c");
    assert_true(line.event.sites[1].is);
    assert_int_equal(line_at(&fixture, "shop", 1).entry.grade, BW_GRADE_LET_GO);
    end(&fixture);
}

static void a_site_that_comes_first_is_new_all_the_same(void **state)
{
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_line line;

    (void)state;
    begin_with_shop(&fixture);
    command = change_of(&fixture, "shop");
    command.spec.sites[2] = command.spec.sites[0];
    (void)strcpy(command.spec.sites[0].name, "dc-c");
    command.spec.site_count = 3;
    apply(&fixture, command);

    line = line_at(&fixture, "shop", 1);

    assert_int_equal(line.event.site_count, 1);
    assert_string_equal(line.event.sites[0].name, "dc-c");
    assert_false(line.event.sites[0].was);
    end(&fixture);
}

static void a_site_that_is_no_candidate_any_more_has_changed(void **state)
{
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_line line;

    (void)state;
    begin_with_shop(&fixture);
    command = change_of(&fixture, "shop");
    command.spec.sites[1].never_candidate = true;
    apply(&fixture, command);

    line = line_at(&fixture, "shop", 1);

    assert_int_equal(line.event.site_count, 1);
    assert_string_equal(line.event.sites[0].name, "dc-b");
    assert_true(line.event.sites[0].was && line.event.sites[0].is);
    assert_true(line.event.sites[0].never_after && !line.event.sites[0].never_before);
    end(&fixture);
}

/* Of the group "shop": the site at `number` is called so now, and has these values. */
static void change_site(struct fixture *fixture, int number, const char *name, uint32_t priority,
                        bool never)
{
    struct bw_command command = change_of(fixture, "shop");
    struct bw_site_spec *site = &command.spec.sites[number];

    (void)strcpy(site->name, name);
    site->priority = priority;
    site->never_candidate = never;
    apply(fixture, command);
}

static void a_site_that_changes_says_what_it_was_and_what_it_is(void **state)
{
    struct fixture fixture;
    struct bw_record_event event;

    (void)state;
    begin_with_shop(&fixture);
    change_site(&fixture, 1, "dc-b", 70, true);
    change_site(&fixture, 1, "dc-b", 30, true); /* its priority alone */

    event = newest(&fixture, BW_RECORD_SPEC);
    assert_int_equal(event.site_count, 1);
    assert_string_equal(event.sites[0].name, "dc-b");
    assert_true(event.sites[0].was && event.sites[0].is);
    assert_int_equal(event.sites[0].priority_before, 70);
    assert_int_equal(event.sites[0].priority_after, 30);
    assert_true(event.sites[0].never_before && event.sites[0].never_after);

    change_site(&fixture, 1, "dc-c", 20, false);
    event = newest(&fixture, BW_RECORD_SPEC);
    assert_int_equal(event.site_count, 2);
    assert_int_equal(event.sites[0].priority_before, 30);
    assert_true(event.sites[0].never_before);
    assert_int_equal(event.sites[0].priority_after, 0); /* it is none any more */
    assert_int_equal(event.sites[1].priority_after, 20);
    assert_int_equal(event.sites[1].priority_before, 0);
    end(&fixture);
}

static void a_mode_is_on_record_with_the_one_before(void **state)
{
    struct fixture fixture;
    struct bw_command command = command_of(BW_COMMAND_SET_MODE, "shop");
    struct bw_record_event event;

    (void)state;
    begin_with_shop(&fixture);
    command.mode = BW_MODE_MANUAL;
    apply(&fixture, command);
    command.mode = BW_MODE_PAUSED;
    apply(&fixture, command);

    event = newest(&fixture, BW_RECORD_MODE);
    assert_int_equal(event.key_count, 1);
    assert_int_equal(event.keys[0].key, 1);
    assert_int_equal(event.keys[0].before, BW_MODE_MANUAL);
    assert_int_equal(event.keys[0].after, BW_MODE_PAUSED);
    assert_int_equal(event.site_count, 0);
    assert_recorded(&fixture, "created mode mode"); /* of a group that nobody holds nothing ends */
    end(&fixture);
}

/* What a leader knew as it proposed it, and whose epoch the last one was. */
static void a_grant_is_on_record_with_all_that_it_rested_on(void **state)
{
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_event event;

    (void)state;
    begin_with_serving_shop(&fixture);
    about_epoch(&fixture, BW_COMMAND_EXPIRED, "shop");
    assert_string_equal(newest(&fixture, BW_RECORD_GRANTED).previous, "");
    command = grant_of(&fixture, "shop", "dc-b");
    command.planned = true;
    command.adopt = true;
    command.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .proved = true};
    command.has_lag = true;
    command.lag_ms = 400;
    command.lag_age_ms = 20;
    (void)strcpy(command.why, "dc-a: connected");
    (void)strcpy(command.waived, "approval");
    apply(&fixture, command);

    event = newest(&fixture, BW_RECORD_GRANTED);
    assert_int_equal(event.index, fixture.index);
    assert_int_equal(event.unix_ms, fixture.unix_ms);
    assert_int_equal(event.epoch, 2);
    assert_string_equal(event.site, "dc-b");
    assert_string_equal(event.previous, "dc-a");
    assert_string_equal(event.by, "witness/w1");
    assert_int_equal(event.reason, BW_REASON_SITE_LOST);
    assert_int_equal(event.silent_ms, 16000);
    assert_true(event.planned && event.adopt);
    assert_int_equal(event.seen, BW_REACH_INSIDE);
    assert_true(event.proved);
    assert_true(event.has_lag);
    assert_int_equal(event.lag_ms, 400);
    assert_int_equal(event.lag_age_ms, 20);
    assert_string_equal(event.why, "dc-a: connected");
    assert_string_equal(event.waived, "approval");
    end(&fixture);
}

static void each_step_of_an_epoch_is_on_record_as_what_it_was(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_with_shop(&fixture);
    command = grant_of(&fixture, "shop", "dc-a");
    command.adopt = true;
    apply(&fixture, command);
    about_epoch(&fixture, BW_COMMAND_ADOPTED, "shop");
    about_epoch(&fixture, BW_COMMAND_REVOKE, "shop");
    about_epoch(&fixture, BW_COMMAND_UNREVOKE, "shop");
    about_epoch(&fixture, BW_COMMAND_CLOSE, "shop");
    about_epoch(&fixture, BW_COMMAND_FENCE_FAILED, "shop");
    about_epoch(&fixture, BW_COMMAND_FORCED, "shop");

    assert_recorded(&fixture,
                    "created granted adopted move_begun given_up closed fence_failed ended");
    assert_string_equal(newest(&fixture, BW_RECORD_MOVE_BEGUN).site, "dc-b");
    assert_int_equal(newest(&fixture, BW_RECORD_MOVE_BEGUN).reason, BW_REASON_SITE_LOST);
    assert_string_equal(newest(&fixture, BW_RECORD_MOVE_GIVEN_UP).by, "operator/anna");
    assert_string_equal(newest(&fixture, BW_RECORD_MOVE_GIVEN_UP).text, "kernel update");
    assert_int_equal(newest(&fixture, BW_RECORD_CLOSED).reason, BW_REASON_SITE_LOST);
    assert_int_equal(newest(&fixture, BW_RECORD_ENDED).reason, BW_REASON_SITE_LOST);
    assert_string_equal(newest(&fixture, BW_RECORD_ENDED).site, "dc-a");
    assert_int_equal(newest(&fixture, BW_RECORD_ENDED).epoch, 1);
    end(&fixture);
}

/* 3.4: it may be seen and lost with each look; what the end of the epoch rests on is said there. */
static void whether_a_second_enforcer_is_seen_is_not_on_record(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_with_serving_shop(&fixture);
    command = command_about_epoch(&fixture, BW_COMMAND_SECOND_ENFORCER, "shop");
    command.is_seen = true;
    apply(&fixture, command);

    assert_recorded(&fixture, "created granted");
    end(&fixture);
}

static void begin_closed_by_operator(struct fixture *fixture)
{
    struct bw_command command;

    begin_with_serving_shop(fixture);
    command = command_about_epoch(fixture, BW_COMMAND_CLOSE, "shop");
    command.reason = BW_REASON_OPERATOR;
    apply(fixture, command);
}

/* 3.1, Forced: the first who said it is no less on record than the last. */
static void an_end_that_was_vouched_for_twice_has_the_words_of_both(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_closed_by_operator(&fixture);
    command = command_about_epoch(&fixture, BW_COMMAND_FORCED, "shop");
    (void)strcpy(command.by, "operator/bob");
    (void)strcpy(command.text, "the room is dark");
    apply(&fixture, command);

    assert_string_equal(newest(&fixture, BW_RECORD_ENDED).by, "operator/bob");
    assert_string_equal(newest(&fixture, BW_RECORD_ENDED).text,
                        "operator/anna: kernel update; the room is dark");
    end(&fixture);
}

static void an_end_by_time_is_not_by_the_word_of_who_closed_it(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_closed_by_operator(&fixture);
    command = command_about_epoch(&fixture, BW_COMMAND_EXPIRED, "shop");
    (void)strcpy(command.by, "witness/w1");
    command.text[0] = '\0';
    apply(&fixture, command);

    assert_int_equal(newest(&fixture, BW_RECORD_ENDED).grade, BW_GRADE_EXPIRED);
    assert_string_equal(newest(&fixture, BW_RECORD_ENDED).by, "witness/w1");
    assert_string_equal(newest(&fixture, BW_RECORD_ENDED).text, "");
    end(&fixture);
}

/* 4: as it is asked, and as it is over: then the group has it no more. */
static void a_wish_is_on_record_when_it_is_asked_and_when_it_is_over(void **state)
{
    struct fixture fixture;
    struct bw_command command;
    struct bw_record_event event;

    (void)state;
    begin_with_serving_shop(&fixture);
    command = command_about_epoch(&fixture, BW_COMMAND_WISH, "shop");
    command.wish = BW_WISH_SWITCHOVER;
    apply(&fixture, command);
    command = command_of(BW_COMMAND_WISH_OVER, "shop");
    command.wish_index = fixture.index;
    command.wish_end = BW_WISH_END_CANCELED;
    (void)strcpy(command.by, "operator/bob");
    apply(&fixture, command);

    assert_recorded(&fixture, "created granted wished wish_over");
    event = newest(&fixture, BW_RECORD_WISHED);
    assert_int_equal(event.wish, BW_WISH_SWITCHOVER);
    assert_string_equal(event.site, "dc-b");
    assert_string_equal(event.by, "operator/anna");
    event = newest(&fixture, BW_RECORD_WISH_OVER);
    assert_int_equal(event.wish, BW_WISH_SWITCHOVER);
    assert_int_equal(event.wish_end, BW_WISH_END_CANCELED);
    assert_string_equal(event.site, "dc-b");
    assert_string_equal(event.by, "operator/bob");
    end(&fixture);
}

static void what_was_seen_of_its_reach_is_of_the_epoch(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_with_serving_shop(&fixture);
    command = command_of(BW_COMMAND_REACH, "shop");
    command.epoch = group_of(&fixture, "shop")->epoch;
    command.instance.bytes[0] = 1;
    command.sight = (struct bw_reach_sight){.seen = BW_REACH_INSIDE, .proved = true};
    apply(&fixture, command);

    assert_int_equal(line_at(&fixture, "shop", 1).entry.seen, BW_REACH_INSIDE);
    assert_true(line_at(&fixture, "shop", 1).entry.proved);
    end(&fixture);
}

static void maintenance_is_on_record_with_its_end(void **state)
{
    struct fixture fixture;
    struct bw_command command;

    (void)state;
    begin_with_shop(&fixture);
    command = command_of(BW_COMMAND_MAINTENANCE, "shop");
    (void)strcpy(command.site, "dc-b");
    command.duration_ms = 60000;
    apply(&fixture, command);

    assert_int_equal(line_at(&fixture, "shop", 1).kind, BW_RECORD_MAINTENANCE);
    assert_string_equal(line_at(&fixture, "shop", 1).event.site, "dc-b");
    assert_int_equal(line_at(&fixture, "shop", 1).event.duration_ms, 60000);
    end(&fixture);
}

static void a_deleted_group_is_still_on_record(void **state)
{
    struct fixture fixture;

    (void)state;
    begin_with_shop(&fixture);
    fail_over(&fixture, "shop");
    apply(&fixture, command_of(BW_COMMAND_DELETE, "shop"));

    assert_int_equal(line_at(&fixture, "shop", 2).kind, BW_RECORD_DELETED);
    create(&fixture, "shop");
    fail_over(&fixture, "shop");
    assert_int_equal(count_epochs(fixture.cluster.record, "shop"), 2);
    end(&fixture);
}

static void a_recovery_is_on_record_and_ends_what_was_open(void **state)
{
    struct fixture fixture;
    uint64_t index;

    (void)state;
    begin_with_serving_shop(&fixture);

    fixture.cluster.record_blocks = 77;
    assert_int_equal(bw_cluster_recover(&fixture.cluster, fixture.index,
                                        &(struct bw_recovery_way){.unix_ms = fixture.unix_ms}, &index),
                     BW_OK);

    assert_int_equal(fixture.cluster.record_blocks, fixture.room->record.block_count);
    assert_int_equal(line_at(&fixture, "shop", 1).entry.why_ended, BW_REASON_RECOVERED);
    assert_int_equal(line_at(&fixture, "shop", 2).kind, BW_RECORD_RECOVERED);
    assert_int_equal(line_at(&fixture, "shop", 2).event.index, index);
    end(&fixture);
}

static void a_recovery_ends_nothing_where_nobody_held_the_group(void **state)
{
    struct fixture fixture;
    uint64_t index;

    (void)state;
    begin_with_shop(&fixture);

    assert_int_equal(bw_cluster_recover(&fixture.cluster, fixture.index,
                                        &(struct bw_recovery_way){.unix_ms = fixture.unix_ms}, &index),
                     BW_OK);

    assert_recorded(&fixture, "created recovered");
    assert_int_equal(newest(&fixture, BW_RECORD_RECOVERED).unix_ms, fixture.unix_ms);
    assert_int_equal(newest(&fixture, BW_RECORD_RECOVERED).epoch,
                     group_of(&fixture, "shop")->epoch);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_has_who_asked_why_and_how_it_ended),
        cmocka_unit_test(an_end_that_was_seen_from_another_site_names_who_has_seen_it),
        cmocka_unit_test(a_failed_fence_holds_from_then_to_its_end),
        cmocka_unit_test(when_a_start_was_let_past_its_point_of_no_return_is_kept),
        cmocka_unit_test(each_key_that_changes_is_recorded_in_the_order_of_its_number),
        cmocka_unit_test(a_change_says_which_keys_and_sites),
        cmocka_unit_test(a_site_that_comes_first_is_new_all_the_same),
        cmocka_unit_test(a_site_that_is_no_candidate_any_more_has_changed),
        cmocka_unit_test(a_site_that_changes_says_what_it_was_and_what_it_is),
        cmocka_unit_test(a_mode_is_on_record_with_the_one_before),
        cmocka_unit_test(a_grant_is_on_record_with_all_that_it_rested_on),
        cmocka_unit_test(each_step_of_an_epoch_is_on_record_as_what_it_was),
        cmocka_unit_test(whether_a_second_enforcer_is_seen_is_not_on_record),
        cmocka_unit_test(an_end_that_was_vouched_for_twice_has_the_words_of_both),
        cmocka_unit_test(an_end_by_time_is_not_by_the_word_of_who_closed_it),
        cmocka_unit_test(a_wish_is_on_record_when_it_is_asked_and_when_it_is_over),
        cmocka_unit_test(what_was_seen_of_its_reach_is_of_the_epoch),
        cmocka_unit_test(maintenance_is_on_record_with_its_end),
        cmocka_unit_test(a_deleted_group_is_still_on_record),
        cmocka_unit_test(a_recovery_is_on_record_and_ends_what_was_open),
        cmocka_unit_test(a_recovery_ends_nothing_where_nobody_held_the_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
