/* recovery: a site that only the lost witnesses knew holds the first grant (3.9); whom else it goes to:
 * test_recovery. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>

#include "recovered_world.h"

/* dc-c is in no spec of these two sites, and speaks each half second beside them. */
static void dc_c_speaks_for_ms(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 500) {
        world_pass_ms(&world, 500);
        world_sync(&world, C);
    }
}

/* Whatever the terms are by which it speaks (3.9). */
static uint64_t freshness_ms(void)
{
    return bw_expiry_freshness_ns(60000, 60000) / BW_NS_PER_MS;
}

static void of_a_site_that_the_state_does_not_know(void)
{
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[C].report.service = BW_SERVICE_STOPPED;
}

static void assert_outside_holds(void)
{
    const struct bw_gate *gate;

    assert_string_equal(world_decide(&world), "A0");
    gate = world_gate(&world, "claim", -1);
    assert_non_null(gate);
    assert_non_null(strstr(gate->word, "apply the spec that has it"));
}

/* Whatever is less than "all is stopped": each of these alone, for as long as it is said. */
static void what_a_site_outside_of_the_spec_may_serve_holds_the_first_grant(void **state)
{
    static const struct bw_report rows[] = {
        {.service = BW_SERVICE_STARTED},
        {.service = BW_SERVICE_UNKNOWN},
        {.service = BW_SERVICE_STOPPED, .override = BW_OVERRIDE_WAITING},
        {.service = BW_SERVICE_STARTED, .override = BW_OVERRIDE_OVERRIDING},
        {.service = BW_SERVICE_STOPPED, .override = BW_OVERRIDE_ENDING},
        {.service = BW_SERVICE_STOPPED, .armed_epoch = 9},
        {.service = BW_SERVICE_STOPPED, .stop_begun_epoch = 9},
        {.service = BW_SERVICE_STOPPED, .guard_busy = true},
        {.service = BW_SERVICE_STOPPED, .fence_failed = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        of_a_site_that_the_state_does_not_know();
        world.sites[C].report = rows[i];
        dc_c_speaks_for_ms(longest_wait_ms() + 60000);
        assert_outside_holds();
        world.sites[C].report = (struct bw_report){.service = BW_SERVICE_STOPPED};
        (void)world_sync(&world, C);
        assert_acts("A6");
        assert_string_equal(world_group(&world)->holder_site, "dc-a");
    }
}

/* Silence ends nothing: the operator who sees that it is off says so. */
static void a_site_outside_of_the_spec_that_speaks_no_more_holds_until_an_operator_ends_it(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    of_a_site_that_the_state_does_not_know();
    world.cluster.feature_level = BW_CLAIM_LEVEL;
    world.witness.leadership.feature_level = BW_CLAIM_LEVEL;
    world.sites[C].report.service = BW_SERVICE_STARTED;
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_acts("A36");
    assert_outside_holds();
    world_pass_ms(&world, 2 * freshness_ms());
    assert_outside_holds();
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-c", false, &diag), BW_OK);
    assert_acts("A37");
    assert_acts("A6");
    assert_null(world_gate(&world, "claim", -1)); /* nor is it shown as something that was waited for */
}

/* What was never heard was not heard at the start of the clocks either. */
static void a_witness_whose_machine_has_just_begun_has_heard_nobody(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.now = (struct bw_instant){BW_NS_PER_S, BW_NS_PER_S};
    recover_at(NOW_MS);
    everybody_follows();
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_true(world.now.boot_ns < freshness_ms() * BW_NS_PER_MS);
    assert_acts("A6");
}

static void one_that_is_stopped_does_not_hide_one_that_serves(void **state)
{
    (void)state;
    of_a_site_that_the_state_does_not_know();
    world_pass_ms(&world, longest_wait_ms() + 60000);
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_sync(&world, C);
    world.sites[C].report.service = BW_SERVICE_STOPPED; /* of another agent of it, or of a fourth site */
    world.sites[C].session.bytes[0] ^= 1;
    dc_c_speaks_for_ms(1000);
    assert_outside_holds();
}

/* It may hold an epoch of before, or be granted another by the next order of those witnesses. */
static void a_site_outside_of_the_spec_that_obeys_the_witnesses_of_before_holds_it_whatever_it_says(void **state)
{
    (void)state;
    of_a_site_that_the_state_does_not_know();
    world.sites[C].generation = 1;
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_outside_holds();
    world.sites[C].generation = 0;
    dc_c_speaks_for_ms(1000);
    assert_acts("A6");
}

/* Nor beside it is another site granted that overrides, or that a person names. */
static void no_person_s_word_passes_it(void **state)
{
    struct bw_spec spec;

    (void)state;
    of_a_site_that_the_state_does_not_know();
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world.sites[C].report.override = BW_OVERRIDE_OVERRIDING;
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_outside_holds();
    world.sites[C].report = (struct bw_report){.service = BW_SERVICE_STOPPED};
    dc_c_speaks_for_ms(1000);
    assert_acts("A31");

    of_a_site_that_the_state_does_not_know();
    spec = world_group(&world)->spec;
    world_set_spec(&world, &spec, "dc-b");
    world.sites[C].report.service = BW_SERVICE_STARTED;
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_outside_holds();
}

/* The way that the gate names: then it is asked like every other. */
static void the_spec_that_has_it_ends_the_wait(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 3);
    spec = world_group(&world)->spec;
    of_a_site_that_the_state_does_not_know();
    world.sites[C].report.service = BW_SERVICE_STARTED;
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_outside_holds();
    world_set_spec(&world, &spec, "");
    dc_c_speaks_for_ms(1000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-c");
    assert_true(world_group(&world)->adopting);
}

/* It may lead since a moment ago, and not have been told what the one before was. */
static void a_new_leader_gives_it_the_time_to_speak(void **state)
{
    (void)state;
    of_a_site_that_the_state_does_not_know();
    world_pass_ms(&world, longest_wait_ms() + 60000);
    world_group(&world)->let_go_terms = (struct bw_terms){0}; /* an adoption came in between, and was not armed */
    world_lead_anew(&world);
    world.witness.leadership.leader_since = world.now;
    assert_held("reports", -1);
    world_pass_ms(&world, 4000);
    assert_acts("A6");
}

/* 4: what it acknowledged alone would be lost by a grant that asks nobody: it stops in order, being told to let go. */
static void a_site_outside_of_the_spec_that_has_newer_data_holds_the_first_grant(void **state)
{
    uint64_t known;

    (void)state;
    of_a_site_that_the_state_does_not_know();
    known = bw_group_history_at(world_group(&world), 0)->epoch;
    world.sites[C].released = (struct bw_released){
        .epoch = known + 1, .reason = BW_REASON_SERVICE_DOWN, .past_no_return = true};
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_outside_holds();
    world.sites[C].released.past_no_return = false;
    dc_c_speaks_for_ms(1000);
    assert_acts("A6");

    of_a_site_that_the_state_does_not_know();
    world.sites[C].released = (struct bw_released){
        .epoch = known, .reason = BW_REASON_SERVICE_DOWN, .past_no_return = true};
    dc_c_speaks_for_ms(longest_wait_ms() + 60000);
    assert_acts("A6");
}

/* It speaks each 60 s, by terms that were granted after the state was saved, and a word may be lost. */
static void a_site_outside_of_the_spec_is_not_forgotten_between_two_of_its_words(void **state)
{
    (void)state;
    of_a_site_that_the_state_does_not_know();
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_pass_ms(&world, longest_wait_ms());
    for (int word = 0; word < 4; word++) {
        (void)world_sync(&world, C);
        world_pass_ms(&world, 120000);
        assert_outside_holds();
    }
}

/* It was in no recovery: a site that left its spec in order holds nobody (3.9). */
static void in_ordinary_life_the_spec_says_who_is_asked(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_sync(&world, C);
    world_lead_anew(&world);
    world_sync_all(&world);
    assert_acts("A6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_site_outside_of_the_spec_may_serve_holds_the_first_grant),
        cmocka_unit_test(a_site_outside_of_the_spec_that_speaks_no_more_holds_until_an_operator_ends_it),
        cmocka_unit_test(a_witness_whose_machine_has_just_begun_has_heard_nobody),
        cmocka_unit_test(one_that_is_stopped_does_not_hide_one_that_serves),
        cmocka_unit_test(a_site_outside_of_the_spec_that_obeys_the_witnesses_of_before_holds_it_whatever_it_says),
        cmocka_unit_test(no_person_s_word_passes_it),
        cmocka_unit_test(the_spec_that_has_it_ends_the_wait),
        cmocka_unit_test(a_new_leader_gives_it_the_time_to_speak),
        cmocka_unit_test(a_site_outside_of_the_spec_that_has_newer_data_holds_the_first_grant),
        cmocka_unit_test(a_site_outside_of_the_spec_is_not_forgotten_between_two_of_its_words),
        cmocka_unit_test(in_ordinary_life_the_spec_says_who_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
