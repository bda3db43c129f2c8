/* outside: what a site that a recovered group's spec lacks claims, and until when a first report is waited for
 * (3.9). What becomes of the grant by it: test_recovery.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/expiry.h>

#include "../../src/core/decide/claims.h"
#include "core_world.h"

#define RECOVERED_INDEX UINT64_C(1800000000000)
#define KNOWN_EPOCH     UINT64_C(1) /* of world_begin */
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
    static uint64_t number;

    bw_outside_hear(world_watch(&world), world_group(&world), "dc-c", contact, ++number, world.now);
}

static void hear_behind(void)
{
    static const struct bw_report stopped = {.service = BW_SERVICE_STOPPED};
    const struct bw_sync sync = {.site = "dc-c", .instance.bytes = {3}, .session.bytes = {4}, .number = 1};

    bw_outside_hear_behind(world_watch(&world), world_group(&world), &sync, &stopped, world.now);
}

static bool is_claimed(void)
{
    struct bw_claimed claimed;

    return bw_claims_find_outside(world_group(&world), world_watch(&world), &claimed) &&
           strcmp(claimed.site, "dc-c") == 0 && claimed.kind == BW_CLAIM_OUTSIDE;
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

/* It has seen no end, and whoever stops the agent there has not stopped that. */
static void the_report_of_a_second_enforcer_is_a_claim(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_UNKNOWN);

    (void)state;
    of_a_recovered_group();
    contact.report.guard_alive = false;
    contact.report.epoch_seen = KNOWN_EPOCH;
    contact.session = contact.instance;
    hear(&contact);
    assert_true(is_claimed());
}

static void of_a_group_that_was_never_recovered_nothing_is_claimed(void **state)
{
    const struct bw_contact started = contact_that_says(BW_SERVICE_STARTED);
    const struct bw_contact stopped = contact_that_says(BW_SERVICE_STOPPED);

    (void)state;
    of_a_group_that_was_never_recovered();
    hear(&started);
    hear_behind();
    assert_false(is_claimed());

    of_a_recovered_group();
    hear(&stopped);
    assert_false(is_claimed());
    hear(&started);
    assert_true(is_claimed());

    of_a_recovered_group();
    hear_behind(); /* whatever it says may be over by its next order */
    assert_true(is_claimed());
}

/* 4: and of a state that knows no epoch, each that was written in is newer. */
static void who_wrote_in_an_epoch_above_the_newest_known_has_newer_data(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_STOPPED);

    (void)state;
    of_a_recovered_group();
    contact.released = (struct bw_released){.epoch = KNOWN_EPOCH, .past_no_return = true};
    hear(&contact);
    assert_false(is_claimed());
    contact.released = (struct bw_released){.epoch = KNOWN_EPOCH + 1, .past_no_return = false};
    hear(&contact);
    assert_false(is_claimed());
    contact.released.past_no_return = true;
    hear(&contact);
    assert_true(is_claimed());

    of_a_recovered_group();
    world_group(&world)->history_count = 0;
    contact.released.epoch = 0;
    hear(&contact);
    assert_false(is_claimed());
    contact.released.epoch = 1;
    hear(&contact);
    assert_true(is_claimed());
}

/* No time does, only a later sync of the same session. */
static void it_ends_by_its_own_report_and_by_no_time(void **state)
{
    struct bw_contact contact = contact_that_says(BW_SERVICE_STARTED);
    const struct bw_gate *gate;

    (void)state;
    of_a_recovered_group();
    hear(&contact);
    gate = judge_at(after(world.now, 3600 * BW_NS_PER_S, 3600 * BW_NS_PER_S), (struct bw_instant){0});
    assert_non_null(gate);
    assert_int_equal(gate->id, BW_GATE_ID_CLAIM);
    assert_int_equal(gate->site, -1);
    assert_int_equal(gate->verdict, BW_GATE_HOLD);
    contact.report.service = BW_SERVICE_STOPPED;
    bw_outside_hear(world_watch(&world), world_group(&world), "dc-c", &contact, 0, world.now); /* a late copy */
    assert_true(is_claimed());
    contact.session.bytes[0] = 9; /* of another session nobody knows which is newer */
    hear(&contact);
    assert_true(is_claimed());
    contact.session.bytes[0] = 4;
    hear(&contact);
    assert_false(is_claimed());
    assert_null(judge_at(after(world.now, 3600 * BW_NS_PER_S, 3600 * BW_NS_PER_S), (struct bw_instant){0}));
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
        assert_int_equal(gate->id, BW_GATE_ID_REPORTS);
        assert_int_equal(gate->site, -1);
        assert_int_equal(gate->verdict, BW_GATE_HOLD);
        assert_int_equal(gate->threshold, wait_ns / BW_NS_PER_MS);
        assert_string_equal(gate->word, "a site that is not in the spec may report yet");
        assert_int_equal(wake_in_ns, wait_ns);
        assert_non_null(judge_at(after(led, wait_ns, wait_ns - 1), led));
        assert_non_null(judge_at(after(led, wait_ns - 1, wait_ns), led));
        assert_null(judge_at(after(led, wait_ns, wait_ns), led));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_report_of_a_second_enforcer_is_a_claim),
        cmocka_unit_test(of_a_group_that_was_never_recovered_nothing_is_claimed),
        cmocka_unit_test(who_wrote_in_an_epoch_above_the_newest_known_has_newer_data),
        cmocka_unit_test(it_ends_by_its_own_report_and_by_no_time),
        cmocka_unit_test(a_new_leader_waits_for_the_first_word_as_long_as_it_may_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
