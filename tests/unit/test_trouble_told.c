/* trouble: who leads tells people of each alarm that settles, once that it began and once that it is over, and
 * nothing that the leader before has told. Design 5.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "trouble_book.h"

static struct bw_instant at_s(uint64_t s)
{
    return (struct bw_instant){(10000 + s) * BW_NS_PER_S, (10000 + s) * BW_NS_PER_S};
}

static const struct bw_leadership leader = {
    .leads = true, .term = 7, .leader_since = {11000 * BW_NS_PER_S, 11000 * BW_NS_PER_S}};
#define LED_S 1000 /* when `leader` began to lead */

/* Of dc-b, from here on. */
static void bits_are(uint64_t bits, uint64_t s)
{
    const struct bw_troubles troubles = {
        .of = "harbor",
        .count = 1,
        .list = {{.subject = "dc-b", .bits = bits}}};

    bw_trouble_book_note(book, 0, &troubles, at_s(s), (int64_t)s * 1000);
}

/* Its guard is lost from here on, or there again: it says so to each witness. */
static void alarm_is(bool is_on, uint64_t s)
{
    bits_are(is_on ? BIT(GUARD_LOST) : 0, s);
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

/* The one that led before may have heard the site well. */
static void what_each_witness_sees_for_itself_is_told_by_each_that_leads(void **state)
{
    static const uint64_t own[] = {BIT(NOT_CONNECTED), BIT(GROUP_UNKNOWN), BIT(SEVERAL_AGENTS),
                                   BIT(RELAYED),       BIT(CLOCK_RATE),    BIT(NO_FAILOVER)};

    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        memset(book, 0, sizeof *book);
        bits_are(own[i], LED_S - 500);
        led_until(LED_S - 5);
        assert_true(tells(LED_S, true));
        bits_are(0, LED_S + 100);
        assert_true(tells(LED_S + 105, false));
    }
}

static void what_ended_as_the_leader_was_lost_is_told(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    alarm_is(false, LED_S - 20);
    led_until(LED_S - 5);
    assert_true(tells(LED_S, false));
}

/* Its beginning was told at -85, so that its end was due at -25; the leader was lost before that. */
static void an_end_that_waited_for_its_minute_is_told_by_the_next_leader(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 90);
    alarm_is(false, LED_S - 75);
    led_until(LED_S - 30);
    assert_true(tells(LED_S, false));
}

/* Its end was told at -80, so that its new beginning was due at -20; it would stay for ever, told as over. */
static void a_beginning_that_waited_for_its_minute_is_told_by_the_next_leader(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 500);
    alarm_is(false, LED_S - 85);
    alarm_is(true, LED_S - 70);
    led_until(LED_S - 35);
    assert_true(tells(LED_S, true));
}

/* What was over before it settled was told by nobody. */
static void of_what_was_over_at_once_no_end_is_told_by_the_next_leader(void **state)
{
    (void)state;
    alarm_is(true, LED_S - 20);
    alarm_is(false, LED_S - 17);
    led_until(LED_S - 5);
    assert_false(has_to_tell(LED_S));
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
    const uint64_t both = BIT(NOT_CONNECTED) | BIT(NO_FAILOVER);
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

/* The minute between two words goes on where the same witness leads again: it knows what it has told. */
static void who_leads_again_remembers_what_it_has_told(void **state)
{
    struct bw_trouble_entry *entry;

    (void)state;
    alarm_is(true, LED_S + 100);
    assert_true(tells(LED_S + 105, true));
    alarm_is(false, LED_S + 110);
    assert_false(has_to_tell(LED_S + 120)); /* within the minute */

    assert_null(due_in(leader.term + 1, LED_S + 164));

    entry = due_in(leader.term + 1, LED_S + 165);
    assert_non_null(entry);
    assert_false(entry->is_on);
}

/* What another has told meanwhile, this one does not know. */
static void who_leads_again_after_another_counts_anew(void **state)
{
    struct bw_trouble_entry *entry;

    (void)state;
    alarm_is(true, LED_S + 100);
    assert_true(tells(LED_S + 105, true));
    led_until(LED_S + 106);
    alarm_is(false, LED_S + 110);
    led_until(LED_S + 115);

    entry = due_in(leader.term + 2, LED_S + 121); /* no minute between two witnesses' words */

    assert_non_null(entry);
    assert_false(entry->is_on);
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
    assert_null(due_in(leader.term + 2, LED_S + 401));
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
        WITH_BOOK(each_beginning_and_each_end_is_told_once),
        WITH_BOOK(what_comes_and_goes_is_told_seldom),
        WITH_BOOK(what_is_over_before_it_was_told_is_not_told),
        WITH_BOOK(who_begins_to_lead_tells_nothing_again_that_was_so_before),
        WITH_BOOK(what_began_as_the_leader_was_lost_is_told),
        WITH_BOOK(what_each_witness_sees_for_itself_is_told_by_each_that_leads),
        WITH_BOOK(what_ended_as_the_leader_was_lost_is_told),
        WITH_BOOK(what_was_over_long_before_is_not_told),
        WITH_BOOK(an_end_that_waited_for_its_minute_is_told_by_the_next_leader),
        WITH_BOOK(a_beginning_that_waited_for_its_minute_is_told_by_the_next_leader),
        WITH_BOOK(of_what_was_over_at_once_no_end_is_told_by_the_next_leader),
        WITH_BOOK(a_new_leader_waits_for_what_was_told_to_settle),
        WITH_BOOK(who_leads_again_remembers_what_it_has_told),
        WITH_BOOK(who_leads_again_after_another_counts_anew),
        WITH_BOOK(what_comes_back_seldom_after_it_was_told_has_to_settle),
        WITH_BOOK(of_two_alarms_that_which_is_due_is_told),
        WITH_BOOK(what_was_so_before_any_leader_was_known_is_told),
        WITH_BOOK(what_began_while_nobody_led_is_told),
        WITH_BOOK(each_term_begins_with_what_the_one_before_has_told),
        WITH_BOOK(who_does_not_lead_tells_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
