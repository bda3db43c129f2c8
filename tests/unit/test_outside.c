/* outside: what is noted of a site that a recovered group's spec lacks, in which words, and until when it is waited for
 * (3.9). What becomes of the grant by it: test_recovery.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/expiry.h>

#include "../../src/core/outside.h"
#include "core_world.h"

#define RECOVERED_INDEX UINT64_C(1800000000000)
#define KNOWN_EPOCH     UINT64_C(1) /* of world_begin */
#define HEARD_NS        (UINT64_C(180) * BW_NS_PER_S) /* of any terms */
#define ABSENT_NS       (UINT64_C(3) * BW_NS_PER_S)   /* of an agent that holds nothing */

static struct world world;
static struct bw_gate gates[4];
static uint32_t gate_count;
static uint64_t wake_in_ns;

static void of_a_recovered_group(void)
{
    world_begin(&world, 2);
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->epoch, KNOWN_EPOCH);
    world_group(&world)->recovered_index = RECOVERED_INDEX;
    *world_watch(&world) = (struct bw_watch){0};
}

static void of_a_group_that_was_never_recovered(void)
{
    of_a_recovered_group();
    world_group(&world)->recovered_index = 0;
}

static struct bw_contact contact_that_says(enum bw_service service)
{
    return (struct bw_contact){.used = true,
                               .instance.bytes = {3},
                               .session.bytes = {4},
                               .report = {.service = service, .guard_alive = true}};
}

static void hear(const struct bw_contact *contact)
{
    bw_outside_hear(world_watch(&world), world_group(&world), "dc-c", contact, world.now);
}

static bool is_heard_at(struct bw_instant now)
{
    return bw_outside_is_heard(world_group(&world), world_watch(&world), now);
}

/* The one gate that it yields; NULL: none. */
static const struct bw_gate *judge_at(struct bw_instant now, struct bw_instant leader_since)
{
    const struct bw_leadership leadership = {.leads = true, .term = 1, .leader_since = leader_since};
    struct bw_gate_list list = {
        .gates = gates, .count = &gate_count, .max = 4, .wake_in_ns = &wake_in_ns, .step = "A6"};

    gate_count = 0;
    wake_in_ns = UINT64_MAX;
    bw_outside_judge(world_group(&world), world_watch(&world), &leadership, now, &list);
    assert_in_range(gate_count, 0, 1);
    return gate_count == 0 ? NULL : &gates[0];
}

static struct bw_instant after(struct bw_instant at, uint64_t boot_ns, uint64_t raw_ns)
{
    return (struct bw_instant){at.boot_ns + boot_ns, at.raw_ns + raw_ns};
}

#define assert_noted(words)                                                                                            \
    assert_non_null(strstr(world_watch(&world)->outside.text, "dc-c, which the spec lacks, " words ": apply"))
#define assert_nothing_is_noted()                                                                                      \
    do {                                                                                                               \
        assert_string_equal(world_watch(&world)->outside.text, "");                                                    \
        assert_int_equal(world_watch(&world)->outside.at.boot_ns, 0);                                                  \
        assert_int_equal(world_watch(&world)->outside.at.raw_ns, 0);                                                   \
    } while (0)

/* Whoever stops the agent there has not stopped that. */
static void a_second_enforcer_is_named_as_what_is_to_be_stopped_too(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_UNKNOWN);

    (void)state;
    of_a_recovered_group();
    contact.report.guard_alive = false;
    contact.report.epoch_seen = KNOWN_EPOCH;
    hear(&contact);
    assert_noted("does not know whether it serves"); /* an agent whose guard is away */
    contact.session = contact.instance;
    hear(&contact);
    assert_noted("is spoken for by its second enforcer, which has seen no end (stop that too, once it is off)");
}

static void of_a_group_that_was_never_recovered_nothing_is_noted(void **state)
{
    const struct bw_contact started = contact_that_says(BW_SERVICE_STARTED);
    const struct bw_contact stopped = contact_that_says(BW_SERVICE_STOPPED);

    (void)state;
    of_a_group_that_was_never_recovered();
    hear(&started);
    assert_nothing_is_noted();
    bw_outside_hear_behind(world_watch(&world), world_group(&world), "dc-c", world.now);
    assert_nothing_is_noted();

    of_a_recovered_group();
    hear(&stopped);
    assert_nothing_is_noted();
    hear(&started);
    assert_noted("says that it serves");
    bw_outside_hear_behind(world_watch(&world), world_group(&world), "dc-c", world.now);
    assert_noted("may still obey the witnesses of before");
}

/* The first grant has gone to somebody: it is over, whatever was noted. */
static void what_was_noted_counts_no_more_once_the_group_has_begun_again(void **state)
{
    const struct bw_contact started = contact_that_says(BW_SERVICE_STARTED);

    (void)state;
    of_a_recovered_group();
    assert_false(is_heard_at(world.now));
    hear(&started);
    assert_true(is_heard_at(world.now));
    world_group(&world)->recovered_index = 0;
    assert_false(is_heard_at(world.now));
    assert_null(judge_at(world.now, world.now));
}

/* 4: and of a state that knows no epoch, each that was written in is newer. */
static void who_wrote_in_an_epoch_above_the_newest_known_has_newer_data(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_STOPPED);

    (void)state;
    of_a_recovered_group();
    contact.released = (struct bw_released){.epoch = KNOWN_EPOCH, .past_no_return = true};
    hear(&contact);
    assert_nothing_is_noted();
    contact.released = (struct bw_released){.epoch = KNOWN_EPOCH + 1, .past_no_return = false};
    hear(&contact);
    assert_nothing_is_noted();
    contact.released.past_no_return = true;
    hear(&contact);
    assert_noted("has written in an epoch that this state does not know");

    of_a_recovered_group();
    world_group(&world)->history_count = 0;
    contact.released.epoch = 0;
    hear(&contact);
    assert_nothing_is_noted();
    contact.released.epoch = 1;
    hear(&contact);
    assert_noted("has written in an epoch that this state does not know");
}

/* What still runs there comes first: with its end the data is told of anew. */
static void of_one_that_serves_with_newer_data_it_is_said_that_it_serves(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_STARTED);

    (void)state;
    of_a_recovered_group();
    contact.released = (struct bw_released){.epoch = KNOWN_EPOCH + 1, .past_no_return = true};
    hear(&contact);
    assert_noted("says that it serves");
    contact.report.service = BW_SERVICE_STOPPED;
    hear(&contact);
    assert_noted("has written in an epoch that this state does not know");
}

/* A sync that was long on its way takes nothing of the wait, on either clock. */
static void the_newest_word_of_all_counts(void **state)
{
    const struct bw_contact started = contact_that_says(BW_SERVICE_STARTED);
    const struct bw_instant heard = after((struct bw_instant){0}, 500 * BW_NS_PER_S, 400 * BW_NS_PER_S);

    (void)state;
    of_a_recovered_group();
    for (uint64_t earlier_ns = 0; earlier_ns < 2; earlier_ns++) {
        world.now = (struct bw_instant){heard.boot_ns - earlier_ns, heard.raw_ns - earlier_ns};
        hear(&started);
        assert_int_equal(world_watch(&world)->outside.at.boot_ns, heard.boot_ns);
        assert_int_equal(world_watch(&world)->outside.at.raw_ns, heard.raw_ns);
    }
}

static void it_is_waited_for_until_both_clocks_have_counted_the_longest_window(void **state)
{
    const struct bw_contact started = contact_that_says(BW_SERVICE_STARTED);
    const struct bw_instant long_ago = {0};
    const struct bw_gate *gate;
    struct bw_instant at;

    (void)state;
    of_a_recovered_group();
    assert_int_equal(HEARD_NS, bw_expiry_freshness_ns(60000, 60000));
    hear(&started);
    at = world.now;
    assert_true(is_heard_at(after(at, HEARD_NS - 1, HEARD_NS - 1)));
    assert_true(is_heard_at(after(at, HEARD_NS, HEARD_NS - 1)));
    assert_true(is_heard_at(after(at, HEARD_NS - 1, HEARD_NS)));
    assert_false(is_heard_at(after(at, HEARD_NS, HEARD_NS)));

    gate = judge_at(after(at, 2 * BW_NS_PER_S, 2 * BW_NS_PER_S), long_ago);
    assert_non_null(gate);
    assert_string_equal(gate->id, "outside");
    assert_int_equal(gate->site, -1);
    assert_int_equal(gate->verdict, BW_GATE_HOLD);
    assert_int_equal(gate->value, 2000);
    assert_int_equal(gate->threshold, HEARD_NS / BW_NS_PER_MS);
    assert_ptr_equal(gate->word, world_watch(&world)->outside.text);
    assert_int_equal(wake_in_ns, HEARD_NS - 2 * BW_NS_PER_S);
    assert_null(judge_at(after(at, HEARD_NS, HEARD_NS), long_ago));
    assert_int_equal(wake_in_ns, UINT64_MAX);
}

/* As long as the group's own terms say, and one that holds nothing speaks each second whatever they say. */
static void a_new_leader_waits_for_the_first_word_as_long_as_it_may_take(void **state)
{
    static const struct {
        uint32_t pace_ms;
        uint64_t wait_ns;
    } rows[] = {{100, ABSENT_NS}, {1000, ABSENT_NS}, {20000, 60 * BW_NS_PER_S}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t wait_ns = rows[i].wait_ns;
        const struct bw_gate *gate;
        struct bw_instant led;

        of_a_recovered_group();
        led = world.now;
        world_group(&world)->spec.renew_interval_ms = world_group(&world)->spec.request_timeout_ms = rows[i].pace_ms;
        world_group(&world)->terms = (struct bw_terms){0};
        gate = judge_at(led, led);
        assert_non_null(gate);
        assert_string_equal(gate->id, "outside");
        assert_int_equal(gate->site, -1);
        assert_int_equal(gate->verdict, BW_GATE_HOLD);
        assert_int_equal(gate->threshold, wait_ns / BW_NS_PER_MS);
        assert_string_equal(gate->word, "a site that the spec lacks may yet speak");
        assert_int_equal(wake_in_ns, wait_ns);
        assert_non_null(judge_at(after(led, wait_ns, wait_ns - 1), led));
        assert_non_null(judge_at(after(led, wait_ns - 1, wait_ns), led));
        assert_null(judge_at(after(led, wait_ns, wait_ns), led));
    }
}

static void the_longest_name_and_reason_are_said_in_full(void **state)
{
    char longest[BW_NAME_MAX + 1];
    struct bw_contact contact = contact_that_says(BW_SERVICE_UNKNOWN);
    const char *text;

    (void)state;
    of_a_recovered_group();
    memset(longest, 'a', BW_NAME_MAX);
    longest[BW_NAME_MAX] = '\0';
    contact.session = contact.instance;
    contact.report.guard_alive = false;
    contact.report.epoch_seen = 1;
    bw_outside_hear(world_watch(&world), world_group(&world), longest, &contact, world.now);
    text = world_watch(&world)->outside.text;
    assert_int_equal(strspn(text, "a"), BW_NAME_MAX);
    assert_string_equal(text + strlen(text) - strlen(" group out of its site file"), " group out of its site file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_enforcer_is_named_as_what_is_to_be_stopped_too),
        cmocka_unit_test(of_a_group_that_was_never_recovered_nothing_is_noted),
        cmocka_unit_test(what_was_noted_counts_no_more_once_the_group_has_begun_again),
        cmocka_unit_test(who_wrote_in_an_epoch_above_the_newest_known_has_newer_data),
        cmocka_unit_test(of_one_that_serves_with_newer_data_it_is_said_that_it_serves),
        cmocka_unit_test(the_newest_word_of_all_counts),
        cmocka_unit_test(it_is_waited_for_until_both_clocks_have_counted_the_longest_window),
        cmocka_unit_test(a_new_leader_waits_for_the_first_word_as_long_as_it_may_take),
        cmocka_unit_test(the_longest_name_and_reason_are_said_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
