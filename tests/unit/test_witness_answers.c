/* witness: which answer of its own an agent has heard, and since when what it says was made (design 3.3, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

/* 4: connected is two-way, by this witness's own notes. */
static void an_answer_counts_from_the_receipt_of_what_it_answers(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_wait_ms(&world, 700);
    (void)world_sync(&world, B);
    struct bw_instant received = world.now;
    world_wait_ms(&world, 700);
    (void)world_sync(&world, B);

    const struct bw_contact *contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);

    assert_int_equal(contact->answered_number, world.sites[B].number - 1);
    assert_int_equal(contact->answered_received.boot_ns, received.boot_ns);

    world.sites[B].exchanges[0].number = 12345; /* never sent */
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_received.boot_ns, received.boot_ns);
}

static bool is_eligible(int site)
{
    struct bw_candidacy candidacy;

    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, site, false,
                    world.now, &candidacy);
    return candidacy.eligible;
}

/* 3.3, 3.9: another witness may have got its copy of a sync, and answered, long before this one did.
 * What was observed in between is older than the receipt here. */
static void what_another_witness_answered_is_not_heard_of_this_one(void **state)
{
    const struct bw_contact *contact;
    struct bw_instant received;

    (void)state;
    world_init(&world, 2);
    received = world.now;
    (void)world_sync(&world, B);
    world.sites[B].is_deaf = true; /* to this witness */
    (void)world_sync(&world, B);
    for (int i = 0; i < 10; i++) {
        world_wait_ms(&world, 700);
        world.sites[B].exchanges[1] =
            (struct bw_exchange){.witness = "w2", .number = world.sites[B].number, .sent = {1, 1}};
        (void)world_sync(&world, B);
    }

    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_received.boot_ns, received.boot_ns);
    assert_false(is_eligible(B));
}

/* One to a sync that fell out of the notes says no more than was known; one that was overtaken is noted. */
static void an_answer_that_no_note_is_left_of_counts_as_the_one_before(void **state)
{
    const struct bw_contact *contact;
    struct bw_instant received;
    uint64_t answered;

    (void)state;
    world_init(&world, 2);
    (void)world_sync(&world, B);
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    received = contact->answered_received;
    answered = contact->answered_number;
    world.sites[B].is_deaf = true;
    for (int i = 0; i < 2 * BW_RECEIPTS_MAX; i++)
        (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_number, answered + 1); /* noted before it grew deaf */

    world.sites[B].exchanges[0].number += 2; /* older than every note */
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_number, answered + 1);
    assert_true(contact->answered_received.boot_ns >= received.boot_ns);

    world_wait_ms(&world, 100);
    received = world.now;
    (void)world_sync(&world, B);
    answered = world.sites[B].number;
    world.sites[B].number++;
    world_wait_ms(&world, 100);
    (void)world_sync(&world, B); /* overtakes */
    world.sites[B].number = answered;
    world.sites[B].is_deaf = false;
    (void)world_sync(&world, B); /* overtaken, and answered */
    world.sites[B].number++;
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(world.sites[B].exchanges[0].number, world.sites[B].number);
    assert_int_equal(contact->answered_number, answered + 1);
    assert_int_equal(contact->answered_received.boot_ns, world.now.boot_ns);
    assert_true(received.boot_ns < world.now.boot_ns);
    assert_true(is_eligible(B));
}

/* 3.3: who stood still passes on what it had read long before, when this witness has answered it, and forgotten. */
static void a_late_copy_makes_no_answer_later_than_it_was(void **state)
{
    const struct bw_contact *contact;
    struct bw_exchange heard;
    struct bw_id session;
    uint64_t number;

    (void)state;
    world_init(&world, 2);
    (void)world_sync(&world, B);
    (void)world_sync(&world, B);
    heard = world.sites[B].exchanges[0];
    session = world.sites[B].session;
    number = world.sites[B].number;
    for (uint8_t i = 1; i <= BW_AGENTS_PER_SITE_MAX; i++) { /* its agent begins anew */
        world.sites[B].session.bytes[1]++;
        world.sites[B].instance.bytes[1]++;
        world_wait_ms(&world, 700);
        (void)world_sync(&world, B);
    }
    world_wait_ms(&world, 60000);
    world.sites[B].session = session;
    world.sites[B].is_deaf = true;
    world.sites[B].number = number - 1;
    (void)world_sync(&world, B); /* the copy of what was answered */
    world.sites[B].exchanges[0] = heard;
    (void)world_sync(&world, B);

    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->receipts[1].number, heard.number);
    assert_int_equal(contact->answered_number, 0);
    assert_false(is_eligible(B));
    world.sites[B].exchanges[0].receipt = UINT64_MAX; /* of this witness before it was booted */
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_number, 0);
    world.sites[B].exchanges[0].receipt = 0; /* as an agent of an earlier release has it */
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->answered_number, heard.number);
}

/* What came late says when it came: an agent of 0.2.0, which names no receipt, has heard the answer of before. */
static void a_late_copy_is_no_receipt_of_an_older_agent(void **state)
{
    const struct bw_contact *contact;
    struct bw_exchange heard;

    (void)state;
    world_init(&world, 2);
    (void)world_sync(&world, B);
    heard = world.sites[B].exchanges[0];
    heard.receipt = 0;
    world.sites[B].session.bytes[1]++; /* as notes that were lost */
    world.sites[B].is_deaf = true;
    world.sites[B].number = heard.number;
    world.sites[B].exchanges[0] = heard;
    (void)world_sync(&world, B);
    world_wait_ms(&world, 60000);
    world.sites[B].number = heard.number - 1;
    (void)world_sync(&world, B); /* the copy of what was answered */
    world.sites[B].number = heard.number + 1;
    (void)world_sync(&world, B);

    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->receipts[2].number, heard.number);
    assert_int_equal(contact->answered_number, 0);
    assert_false(is_eligible(B));
}

/* 3.3: each of several witnesses may pass the same sync on: it says what it said when the first copy came. */
static void a_second_copy_of_a_sync_is_no_newer_word(void **state)
{
    const struct bw_contact *contact;
    struct bw_instant received;

    (void)state;
    world_init(&world, 2);
    (void)world_sync(&world, B);
    received = world.now;
    world_wait_ms(&world, 700);
    world.sites[B].number--;
    (void)world_sync(&world, B);
    contact = bw_site_reports_newest(&world_watch(&world)->reports[B]);
    assert_int_equal(contact->received.boot_ns, received.boot_ns);
    assert_int_equal(contact->receipts[0].number, world.sites[B].number);
    assert_int_equal(contact->receipts[1].number, world.sites[B].number - 1);
}

/* 3.8: by the note of what it has heard of, and not by those of what it sent before. */
static void the_clocks_of_an_agent_that_names_no_receipt_are_measured_too(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].is_timed = true;
    for (int second = 0; second < 120; second++) {
        world.sites[B].exchanges[0].receipt = 0;
        (void)world_sync(&world, B);
        world_wait_ms(&world, 1000);
    }
    assert_true(world_watch(&world)->rates[B].bounds.is_known);
}

/* An agent has one answer of each witness: of two that name one sync the first counts. */
static void of_two_answers_to_one_sync_the_first_counts(void **state)
{
    uint64_t answered;

    (void)state;
    world_init(&world, 2);
    world_wait_ms(&world, 1000);
    answered = world.sites[B].exchanges[0].number;
    world.sites[B].exchanges[1] = world.sites[B].exchanges[0];
    world.sites[B].exchanges[1].receipt = UINT64_MAX; /* that this witness has never given */
    (void)world_sync(&world, B);

    assert_int_equal(bw_site_reports_newest(&world_watch(&world)->reports[B])->answered_number, answered);
}

/* What lies behind those that a sync counts is none of it. */
static void a_sync_measures_by_as_many_exchanges_as_it_counts(void **state)
{
    struct bw_sync_group group = {.name = "harbor"};
    struct bw_sync sync = {.group_count = 1, .groups = &group, .site = "dc-b"};

    (void)state;
    world_init(&world, 2);
    (void)world_sync(&world, B);
    group.report = world.sites[B].report;
    sync.instance = world.sites[B].instance;
    sync.session = world.sites[B].session;
    sync.boot_id = world.sites[B].boot_id;
    sync.exchanges[0] = world.sites[B].exchanges[0];
    sync.exchanges[0].answered = sync.exchanges[0].sent;
    for (uint32_t count = 0; count <= 1; count++) {
        sync.number = ++world.sites[B].number;
        sync.exchange_count = count;
        (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
        assert_int_equal(world_watch(&world)->rates[B].has_open, count == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_from_the_receipt_of_what_it_answers),
        cmocka_unit_test(what_another_witness_answered_is_not_heard_of_this_one),
        cmocka_unit_test(an_answer_that_no_note_is_left_of_counts_as_the_one_before),
        cmocka_unit_test(a_late_copy_makes_no_answer_later_than_it_was),
        cmocka_unit_test(a_late_copy_is_no_receipt_of_an_older_agent),
        cmocka_unit_test(a_second_copy_of_a_sync_is_no_newer_word),
        cmocka_unit_test(the_clocks_of_an_agent_that_names_no_receipt_are_measured_too),
        cmocka_unit_test(of_two_answers_to_one_sync_the_first_counts),
        cmocka_unit_test(a_sync_measures_by_as_many_exchanges_as_it_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
