/* trouble: what needs attention begins and ends with the facts; the book knows since when, how
 * often and who has seen it. Design 5.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/trouble.h>

#include "core_world.h"

static struct world world;
static struct bw_trouble_book *book;

static int begin(void **state)
{
    (void)state;
    book = calloc(1, sizeof *book);
    assert_non_null(book);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(book);
    return 0;
}

/* ---- what is so ---- */

static struct bw_troubles look(const struct bw_trouble_facts *facts)
{
    struct bw_troubles troubles;

    bw_troubles_of_group(world_group(&world), &world.watches[0], &world.witness.leadership, facts,
                         world.now, &troubles);
    assert_int_equal(troubles.count, world_group(&world)->spec.site_count + 1);
    assert_string_equal(troubles.list[0].subject, "");
    return troubles;
}

#define BIT(name) (UINT32_C(1) << BW_TROUBLE_##name)

static void a_calm_group_has_none(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 2);
    troubles = look(&calm);
    for (uint32_t i = 0; i < troubles.count; i++)
        assert_int_equal(troubles.list[i].bits, 0);
}

/* For an hour after the last time, also where its site is not heard any more; and no longer than
 * its epoch. */
static void a_local_restart_is_an_alarm_for_an_hour(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = 1, .age_ms = 1000};
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS));
    assert_int_equal(look(&calm).list[2].bits, 0);
    world_pass_ms(&world, 3590 * 1000);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS));
    world_pass_ms(&world, 10 * 1000);
    assert_int_equal(look(&calm).list[1].bits, 0);

    world.sites[A].report.restarts = (struct bw_restarts){.epoch = world_group(&world)->epoch,
                                                          .count = 2};
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 10 * 1000);
    assert_int_equal(look(&calm).list[1].bits, BIT(LOCAL_RESTARTS) | BIT(NOT_CONNECTED));
    world_pass_ms(&world, 10 * 1000);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(look(&calm).list[1].bits, BIT(NOT_CONNECTED));
}

static void each_fact_is_its_own_alarm(void **state)
{
    const struct bw_trouble_facts facts = {.lacking = 1u << C, .maintenance_left_ms = 60000};
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 3);
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[B].report.alarms = 1u << BW_ALARM_ROGUE_START;
    world.sites[B].report.guard_alive = false;
    world.sites[B].certificate_left_s = 86400;
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 10000);
    troubles = look(&facts);
    assert_int_equal(troubles.list[0].bits, BIT(NO_FAILOVER) | BIT(MAINTENANCE_ENDS));
    assert_int_equal(troubles.list[1].bits, BIT(NOT_SERVING));
    assert_int_equal(troubles.list[2].bits,
                     BIT(ROGUE_START) | BIT(GUARD_LOST) | BIT(CERTIFICATE_ENDS));
    assert_int_equal(troubles.list[3].bits, BIT(GROUP_UNKNOWN));
    troubles = look(&(struct bw_trouble_facts){.may_fail_over = true});
    assert_int_equal(troubles.list[0].bits, 0);
    assert_int_equal(troubles.list[3].bits, BIT(NOT_CONNECTED));
}

static void a_held_group_needs_a_person(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
    assert_int_equal(look(&(struct bw_trouble_facts){0}).list[0].bits,
                     BIT(NO_ACTIVE_SITE) | BIT(NEEDS_PERSON));
}

/* 3.4: while it is committed that one is seen, time alone ends what its guard cannot; one that is
 * there and does not count is said, of the site that holds the group. */
static void a_second_enforcer_that_is_counted_on_takes_the_place_of_the_reach(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[A].report.alarms = 1u << BW_ALARM_OUTSIDE_REACH;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH)); /* not committed */
    world_group(&world)->terms.second_enforcer = true;
    assert_int_equal(look(&calm).list[1].bits, 0);
    world_group(&world)->spec.min_grade = BW_MIN_GRADE_FENCED;
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH));
    world_group(&world)->spec.min_grade = BW_MIN_GRADE_EXPIRED;

    for (int word = BW_SECOND_IS_NONE + 1; word < BW_SECOND_IS_SEEN; word++) {
        world.sites[A].report.second = (enum bw_second_word)word;
        world.sites[B].report.second = (enum bw_second_word)word;
        world_sync_all(&world);
        assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH) | BIT(SECOND_ENFORCER_LOST));
        assert_int_equal(look(&calm).list[2].bits, 0);
    }
    world.sites[A].report.second = BW_SECOND_IS_NONE;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[1].bits, BIT(OUTSIDE_REACH));
}

/* 3.9: nothing is enforced yet, so no guard ends it: people have to hear of it. */
static void two_sites_that_serve_are_said_in_every_mode(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};

    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[0].bits, BIT(SEVERAL_SERVE));
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    assert_int_equal(look(&calm).list[0].bits, BIT(SEVERAL_SERVE));
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(look(&calm).list[0].bits, 0);
}

/* ---- the book ---- */

static void note(uint32_t index, const char *of, const char *subject, uint32_t bits, uint64_t s)
{
    struct bw_troubles troubles = {.of = of, .count = 1};

    troubles.list[0].subject = subject;
    troubles.list[0].bits = bits;
    bw_trouble_book_note(book, index, &troubles,
                         (struct bw_instant){s * BW_NS_PER_S, s * BW_NS_PER_S}, (int64_t)s * 1000);
}

static void an_alarm_begins_and_ends_with_its_fact_and_is_counted(void **state)
{
    const struct bw_trouble_entry *entry;

    (void)state;
    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 100);
    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 101);
    entry = bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_NOT_CONNECTED);
    assert_non_null(entry);
    assert_int_equal(entry->since_unix_ms, 100000);
    assert_int_equal(entry->count, 1);

    note(0, "g", "dc-a", 0, 110);
    assert_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_NOT_CONNECTED));
    entry = bw_trouble_book_first(book, 0);
    assert_int_equal(entry->ended_unix_ms, 110000);

    note(0, "g", "dc-a", BIT(NOT_CONNECTED), 120);
    assert_int_equal(entry->count, 2);
    assert_int_equal(entry->since_unix_ms, 120000);
    assert_int_equal(entry->ended_unix_ms, 0);
    assert_null(bw_trouble_book_next(book, entry));
    assert_null(bw_trouble_book_first(book, 1));
}

static void a_new_beginning_is_loud_again(void **state)
{
    struct bw_trouble_entry *entry;

    (void)state;
    note(0, "g", "dc-a", BIT(START_FAILED), 100);
    entry = bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED);
    strcpy(entry->acked_by, "operator/anna");
    note(0, "g", "dc-a", BIT(START_FAILED) | BIT(STOP_FAILED), 101);
    assert_string_equal(entry->acked_by, "operator/anna");
    assert_string_equal(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_STOP_FAILED)->acked_by,
                        "");
    note(0, "g", "dc-a", 0, 102);
    note(0, "g", "dc-a", BIT(START_FAILED), 103);
    assert_string_equal(entry->acked_by, "");
}

/* Who has seen the last one has not seen this one. */
static void one_more_rogue_start_is_loud_again(void **state)
{
    const struct bw_trouble_facts calm = {.may_fail_over = true};
    struct bw_trouble_entry *entry;
    struct bw_troubles troubles;

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.alarms = 1u << BW_ALARM_ROGUE_START;
    world.sites[B].report.rogue_starts = 1;
    for (int second = 0; second < 2; second++) {
        world_sync_all(&world);
        troubles = look(&calm);
        bw_trouble_book_note(book, 0, &troubles, world.now, 1000 + second);
        entry = bw_trouble_book_find(book, 0, "dc-b", BW_TROUBLE_ROGUE_START);
        assert_int_equal(entry->count, 1);
        strcpy(entry->acked_by, "operator/anna");
    }
    world.sites[B].report.rogue_starts = 2;
    world_sync_all(&world);
    troubles = look(&calm);
    bw_trouble_book_note(book, 0, &troubles, world.now, 9000);

    assert_int_equal(entry->count, 2);
    assert_int_equal(entry->since_unix_ms, 9000);
    assert_string_equal(entry->acked_by, "");
}

static void what_is_over_is_forgotten_after_a_day_and_with_its_group(void **state)
{
    (void)state;
    note(0, "g", "dc-a", BIT(START_FAILED), 100);
    note(0, "g", "dc-a", 0, 200);
    note(0, "g", "dc-a", 0, 200 + 24 * 3600 - 1);
    assert_non_null(bw_trouble_book_first(book, 0));
    note(0, "g", "dc-a", 0, 200 + 24 * 3600);
    assert_null(bw_trouble_book_first(book, 0));

    note(0, "g", "dc-a", BIT(START_FAILED), 90000);
    note(0, "other", "dc-a", BIT(START_FAILED), 90001);
    assert_int_equal(bw_trouble_book_first(book, 0)->since_unix_ms, 90001000);
    assert_int_equal(bw_trouble_book_first(book, 0)->count, 1);
    note(0, "other", "dc-b", 0, 90002); /* a site that is not of the group any more */
    assert_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED));
}

/* What is over makes room for what is on; what finds none is counted, and nothing else is touched.
 */
static void the_book_is_bounded(void **state)
{
    const uint32_t all = (1u << BW_TROUBLE_COUNT) - 1;
    uint32_t kept = 0;

    (void)state;
    note(0, "g0", "dc-a", all, 1);
    note(0, "g0", "dc-a", 0, 2);
    for (uint32_t index = 1; index < BW_GROUPS_MAX; index++) {
        char name[16];

        (void)snprintf(name, sizeof name, "g%u", index);
        note(index, name, "dc-a", all, 3);
    }
    assert_null(bw_trouble_book_first(book, 0));
    for (uint32_t i = 0; i < BW_TROUBLES_MAX; i++)
        kept += book->entries[i].is_on;
    assert_int_equal(kept, BW_TROUBLES_MAX);
    assert_int_equal(book->dropped, (BW_GROUPS_MAX - 1) * BW_TROUBLE_COUNT - BW_TROUBLES_MAX);
    note(1, "g1", "dc-a", 0, 4);
    note(0, "g0", "dc-a", BIT(START_FAILED), 5);
    assert_non_null(bw_trouble_book_find(book, 0, "dc-a", BW_TROUBLE_START_FAILED));
}

static void each_alarm_has_a_word_that_is_read_again(void **state)
{
    enum bw_trouble read;

    (void)state;
    for (int i = 0; i < BW_TROUBLE_COUNT; i++) {
        assert_true(bw_trouble_parse(bw_trouble_word((enum bw_trouble)i), &read));
        assert_int_equal(read, i);
    }
    assert_false(bw_trouble_parse("", &read));
    assert_false(bw_trouble_parse("unlisted", &read));
}

/* ---- who is told ---- */

static struct bw_instant at_s(uint64_t s)
{
    return (struct bw_instant){(10000 + s) * BW_NS_PER_S, (10000 + s) * BW_NS_PER_S};
}

static const struct bw_leadership leader = {
    .leads = true, .term = 7, .leader_since = {11000 * BW_NS_PER_S, 11000 * BW_NS_PER_S}};
#define LED_S 1000 /* when `leader` began to lead */

/* dc-b is not connected from here on, or again. */
static void alarm_is(bool is_on, uint64_t s)
{
    const struct bw_troubles troubles = {
        .of = "harbor",
        .count = 1,
        .list = {{.subject = "dc-b", .bits = is_on ? BIT(NOT_CONNECTED) : 0}}};

    bw_trouble_book_note(book, 0, &troubles, at_s(s), (int64_t)s * 1000);
}

/* Another led until it was lost. */
static void led_until(uint64_t s)
{
    const struct bw_leadership follower = {.leads = false};

    bw_trouble_book_led(book, &follower, true, at_s(s));
}

/* `term`: of this witness, which leads it. */
static struct bw_trouble_entry *due_in(uint64_t term, uint64_t s)
{
    const struct bw_leadership leads = {.leads = true, .term = term};

    bw_trouble_book_led(book, &leads, true, at_s(s));
    return bw_trouble_book_due(book, 0, &leads, at_s(s));
}

static bool has_to_tell(uint64_t s)
{
    return due_in(leader.term, s) != NULL;
}

static bool tells(uint64_t s, bool is_on)
{
    struct bw_trouble_entry *entry = due_in(leader.term, s);

    if (entry == NULL || entry->is_on != is_on)
        return false;
    bw_trouble_note_notified(entry, &leader, at_s(s));
    return !has_to_tell(s);
}

static void each_beginning_and_each_end_is_told_once(void **state)
{
    (void)state;
    alarm_is(true, LED_S + 100);
    assert_false(has_to_tell(LED_S + 104)); /* it may be over in a moment */
    assert_true(tells(LED_S + 105, true));
    assert_false(has_to_tell(LED_S + 9999));
    alarm_is(false, LED_S + 300);
    assert_false(has_to_tell(LED_S + 304));
    assert_true(tells(LED_S + 305, false));
    assert_false(has_to_tell(LED_S + 9999));
}

static void what_comes_and_goes_is_told_seldom(void **state)
{
    uint64_t s = LED_S + 100;
    unsigned notified = 0;

    (void)state;
    for (int i = 0; i < 200; i++, s += 4) { /* on for two seconds, off for two */
        alarm_is(true, s);
        notified += tells(s + 1, true);
        alarm_is(false, s + 2);
        notified += tells(s + 3, false);
    }
    assert_int_equal(notified, 1); /* that it is so, when it came for the third time */
    assert_true(tells(s + 10, false));

    notified = 0;
    for (int i = 0; i < 60; i++, s += 20) { /* each settles: twenty minutes */
        alarm_is(true, s);
        notified += tells(s + 6, true);
        alarm_is(false, s + 10);
        notified += tells(s + 16, false);
    }
    assert_in_range(notified, 2, 20);
}

static void what_is_over_before_it_was_told_is_not_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S + 100);
    alarm_is(false, LED_S + 103);
    assert_false(has_to_tell(LED_S + 500));
}

/* It was told by the one that led then; its end is news. */
static void who_begins_to_lead_tells_nothing_again_that_was_so_before(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    led_until(LED_S - 5);
    assert_false(has_to_tell(LED_S + 1));
    assert_false(has_to_tell(LED_S + 500));
    alarm_is(false, LED_S + 600);
    assert_true(tells(LED_S + 605, false));
}

/* The site that was lost together with the witness that led: nobody has told of it. */
static void what_began_as_the_leader_was_lost_is_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 20);
    led_until(LED_S - 5);
    assert_true(tells(LED_S, true));
}

static void what_ended_as_the_leader_was_lost_is_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    alarm_is(false, LED_S - 20);
    led_until(LED_S - 5);
    assert_true(tells(LED_S, false));
}

static void what_was_over_long_before_is_not_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    alarm_is(false, LED_S - 400);
    led_until(LED_S - 5);
    assert_false(has_to_tell(LED_S));
}

static void what_began_while_nobody_led_is_told(void **state)
{
    (void)state;
    led_until(LED_S - 400);
    alarm_is(true, LED_S - 300);
    assert_true(tells(LED_S, true));
    alarm_is(false, LED_S + 100);
    assert_true(tells(LED_S + 105, false));
}

/* Where this witness has known no leader since it began, it does not know of any that has told. */
static void what_was_so_before_any_leader_was_known_is_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    assert_true(tells(LED_S, true));
}

static void of_two_alarms_that_which_is_due_is_told(void **state)
{
    const uint32_t both = BIT(NOT_CONNECTED) | BIT(NO_FAILOVER);
    struct bw_troubles troubles = {
        .of = "harbor", .count = 1, .list = {{.subject = "dc-b", .bits = BIT(NO_FAILOVER)}}};
    const struct bw_trouble_entry *entry;

    (void)state;
    bw_trouble_book_note(book, 0, &troubles, at_s(LED_S + 100), 1);
    troubles.list[0].bits = both; /* the newer one comes first in the book */
    bw_trouble_book_note(book, 0, &troubles, at_s(LED_S + 104), 1);

    entry = due_in(leader.term, LED_S + 105);

    assert_non_null(entry);
    assert_int_equal(entry->trouble, BW_TROUBLE_NO_FAILOVER);
}

/* Told once, it has to come three times more before it is told without having settled. */
static void what_comes_back_seldom_after_it_was_told_has_to_settle(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        alarm_is(true, LED_S + 100 + 2 * i);
        alarm_is(i == 2, LED_S + 101 + 2 * i);
    }
    assert_true(tells(LED_S + 105, true));
    alarm_is(false, LED_S + 200);
    assert_true(tells(LED_S + 205, false));
    alarm_is(true, LED_S + 300);
    assert_false(has_to_tell(LED_S + 301));
    assert_true(tells(LED_S + 305, true));
}

/* The minute between two words, and the flaps, are of the term in which they were said. */
static void a_new_term_counts_anew(void **state)
{
    struct bw_trouble_entry *entry;

    (void)state;
    alarm_is(true, LED_S + 100);
    assert_true(tells(LED_S + 105, true));
    alarm_is(false, LED_S + 110);
    assert_false(has_to_tell(LED_S + 120)); /* within the minute */

    entry = due_in(leader.term + 1, LED_S + 121);

    assert_null(entry); /* it had begun, and was over, within half a minute */
    alarm_is(true, LED_S + 130);
    entry = due_in(leader.term + 1, LED_S + 135);
    assert_non_null(entry);
    assert_true(entry->is_on);
}

static void a_new_leader_waits_for_what_was_told_to_settle(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        alarm_is(true, LED_S - 500 + 2 * i);
        alarm_is(i == 3, LED_S - 499 + 2 * i);
    }
    led_until(LED_S - 5);
    assert_false(has_to_tell(LED_S)); /* told by the one before */
    alarm_is(false, LED_S + 1);
    assert_true(tells(LED_S + 6, false));
    alarm_is(true, LED_S + 100);
    assert_false(has_to_tell(LED_S + 101));
}

/* What was told in an earlier term is what the term between has seen, too. */
static void each_term_begins_with_what_the_one_before_has_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S + 100);
    assert_true(tells(LED_S + 105, true));
    alarm_is(false, LED_S + 200);
    led_until(LED_S + 399);
    assert_null(due_in(leader.term + 1, LED_S + 401));
}

static void who_does_not_lead_tells_nothing(void **state)
{
    struct bw_leadership follower = leader;

    (void)state;
    follower.leads = false;
    alarm_is(true, LED_S + 100);
    assert_null(bw_trouble_book_due(book, 0, &follower, at_s(LED_S + 200)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_group_has_none),
        cmocka_unit_test(a_local_restart_is_an_alarm_for_an_hour),
        cmocka_unit_test(each_fact_is_its_own_alarm),
        cmocka_unit_test(a_held_group_needs_a_person),
        cmocka_unit_test(a_second_enforcer_that_is_counted_on_takes_the_place_of_the_reach),
        cmocka_unit_test(two_sites_that_serve_are_said_in_every_mode),
        cmocka_unit_test_setup_teardown(an_alarm_begins_and_ends_with_its_fact_and_is_counted,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_new_beginning_is_loud_again, begin, end),
        cmocka_unit_test_setup_teardown(one_more_rogue_start_is_loud_again, begin, end),
        cmocka_unit_test_setup_teardown(what_is_over_is_forgotten_after_a_day_and_with_its_group,
                                        begin, end),
        cmocka_unit_test_setup_teardown(the_book_is_bounded, begin, end),
        cmocka_unit_test(each_alarm_has_a_word_that_is_read_again),
        cmocka_unit_test_setup_teardown(each_beginning_and_each_end_is_told_once, begin, end),
        cmocka_unit_test_setup_teardown(what_comes_and_goes_is_told_seldom, begin, end),
        cmocka_unit_test_setup_teardown(what_is_over_before_it_was_told_is_not_told, begin, end),
        cmocka_unit_test_setup_teardown(who_begins_to_lead_tells_nothing_again_that_was_so_before,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_began_as_the_leader_was_lost_is_told, begin, end),
        cmocka_unit_test_setup_teardown(what_ended_as_the_leader_was_lost_is_told, begin, end),
        cmocka_unit_test_setup_teardown(what_was_over_long_before_is_not_told, begin, end),
        cmocka_unit_test_setup_teardown(a_new_leader_waits_for_what_was_told_to_settle, begin, end),
        cmocka_unit_test_setup_teardown(a_new_term_counts_anew, begin, end),
        cmocka_unit_test_setup_teardown(what_comes_back_seldom_after_it_was_told_has_to_settle,
                                        begin, end),
        cmocka_unit_test_setup_teardown(of_two_alarms_that_which_is_due_is_told, begin, end),
        cmocka_unit_test_setup_teardown(what_was_so_before_any_leader_was_known_is_told, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_began_while_nobody_led_is_told, begin, end),
        cmocka_unit_test_setup_teardown(each_term_begins_with_what_the_one_before_has_told, begin,
                                        end),
        cmocka_unit_test_setup_teardown(who_does_not_lead_tells_nothing, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
