/* noting: what a grant tells the record of what it rested on (design 3.1): who else was looked at, how far the
 * data lagged, and which gates a person's word has passed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "noting_world.h"

static void a_grant_says_what_held_the_others_and_how_far_it_lagged(void **state)
{
    struct bw_record_line line;

    (void)state;
    begin(3);
    world.sites[C].report.condition = BW_CONDITION_STOP;
    fail_over();

    line = newest();

    assert_string_equal(line.event.why, "dc-a: not_connected; dc-c: condition_stop");
    assert_string_equal(line.event.waived, "");
    assert_true(line.event.has_lag);
    assert_int_equal(line.event.lag_ms, 400);
    assert_in_range(line.event.lag_age_ms, 20000, 20700);
}

static void a_failover_says_which_gates_it_has_passed(void **state)
{
    struct bw_diag diag = {0};
    struct bw_record_line line;

    (void)state;
    begin(2);
    world.sites[B].report.lag_ms = 99000;
    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 5000);
    world_set_mode(&world, BW_MODE_MANUAL);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(act(), "A3");
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);

    assert_string_equal(act(), "A9");

    line = newest();
    assert_string_equal(line.event.waived, "lag_too_high, needs_approval");
    assert_string_equal(line.entry.by, "operator/anna");
}

/* Eight sites with the longest names: what does not fit is said to be missing. */
static void what_does_not_fit_is_said_to_be_missing(void **state)
{
    struct bw_command *command = &world.decision.command;
    struct bw_spec *spec;

    (void)state;
    begin(2);
    assert_string_equal(act(), "A6");
    spec = &world_group(&world)->spec;
    spec->site_count = BW_SITES_MAX;
    for (uint32_t site = 2; site < BW_SITES_MAX; site++)
        memset(spec->sites[site].name, 'a' + (int)site, BW_NAME_MAX);
    (void)strcpy(command->why, "");
    world.decision.gate_count = 0;
    for (int site = 2; site < BW_SITES_MAX; site++)
        world.decision.gates[world.decision.gate_count++] = (struct bw_gate){
            .id = BW_GATE_ID_CONNECTED, .step = "A6", .verdict = BW_GATE_HOLD, .site = site};

    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);

    assert_true(strlen(command->why) <= BW_WHY_MAX);
    assert_string_equal(command->why + strlen(command->why) - 5, "; ...");
}

static struct bw_gate held(enum bw_gate_id id, int site)
{
    return (struct bw_gate){
        .id = id, .step = world.decision.rule, .verdict = BW_GATE_HOLD, .site = site};
}

/* To say why of the grant that was decided last, as if `count` gates alone had been looked at. */
static const char *why_of(const struct bw_gate *gates, uint32_t count)
{
    world.decision.command.why[0] = '\0';
    memcpy(world.decision.gates, gates, count * sizeof *gates);
    world.decision.gate_count = count;
    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);
    return world.decision.command.why;
}

/* Each gate that held it; of who could have had it that it comes after; of who was not looked at nothing. */
static void of_each_other_site_that_was_looked_at_it_says_what_held_it(void **state)
{
    struct bw_gate gates[6];

    (void)state;
    begin(3);
    assert_string_equal(act(), "A6");
    gates[0] = held(BW_GATE_ID_CONNECTED, B);
    gates[1] = held(BW_GATE_ID_GUARD, B);
    gates[2] = held(BW_GATE_ID_REACH, C);
    gates[2].step = "A11"; /* which has decided nothing */
    gates[3] = held(BW_GATE_ID_LAG, B);
    gates[3].verdict = BW_GATE_PASS;
    assert_string_equal(why_of(gates, 4), "dc-b: not_connected, guard_down");
    gates[4] = held(BW_GATE_ID_READY, C);
    gates[4].verdict = BW_GATE_PASS;
    assert_string_equal(why_of(gates, 5), "dc-b: not_connected, guard_down; dc-c: eligible, less preferred");
    gates[5] = held(BW_GATE_ID_APPROVAL, -1);
    assert_string_equal(why_of(gates, 6), "dc-b: not_connected, guard_down; dc-c: eligible, less preferred");
    assert_string_equal(why_of(gates, 4), "dc-b: not_connected, guard_down");
}

/* To the byte: as long as the mark has room behind it, a word is whole. */
static void a_word_that_just_fits_is_said_and_the_next_is_missing(void **state)
{
    const size_t one = strlen(bw_gate_word(BW_GATE_ID_GUARD)) + strlen(", ");
    const size_t most = BW_WHY_MAX - strlen("; ...") - strlen(": ") + strlen(", "); /* before the first there is none */
    struct bw_gate gates[BW_WHY_MAX];
    uint32_t count = 0;
    char *name;

    (void)state;
    begin(3);
    assert_string_equal(act(), "A6");
    name = world_group(&world)->spec.sites[B].name;
    while ((count + 1) * one < most)
        gates[count++] = held(BW_GATE_ID_GUARD, B);
    memset(name, 'b', most - count * one);
    name[most - count * one] = '\0';
    gates[count] = held(BW_GATE_ID_GUARD, C);
    assert_int_equal(strlen(why_of(gates, count)), BW_WHY_MAX - strlen("; ..."));
    assert_int_equal(strlen(why_of(gates, count + 1)), BW_WHY_MAX);
    assert_string_equal(world.decision.command.why + BW_WHY_MAX - strlen("n; ..."), "n; ...");

    strcat(name, "b");
    assert_string_equal(why_of(gates, count) + strlen(world.decision.command.why) - strlen("n; ..."), "n; ...");
    assert_true(strlen(world.decision.command.why) < BW_WHY_MAX);
}

static void nothing_but_a_grant_says_whom_it_passed_over(void **state)
{
    struct bw_gate gate;

    (void)state;
    begin(3);
    assert_string_equal(act(), "A6");
    gate = held(BW_GATE_ID_CONNECTED, B);
    world.decision.command.kind = BW_COMMAND_REVOKE;
    assert_string_equal(why_of(&gate, 1), "");
}

static void where_no_lag_was_measured_none_is_told(void **state)
{
    (void)state;
    begin(2);
    world_watch(&world)->lag[A].known = false;
    assert_string_equal(act(), "A6");

    assert_false(newest().event.has_lag);
    assert_int_equal(newest().event.lag_age_ms, 0);
}

/* A gate of another site has not held the one that gets it. */
static void what_held_another_site_was_not_passed(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    begin(3);
    world.sites[C].report.condition = BW_CONDITION_STOP;
    serve_first();
    world_set_mode(&world, BW_MODE_MANUAL);
    lose_first();
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);

    assert_string_equal(act(), "A9");

    assert_string_equal(newest().event.waived, "needs_approval");
    assert_non_null(strstr(newest().event.why, "dc-c: condition"));
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_grant_says_what_held_the_others_and_how_far_it_lagged),
        CASE(a_failover_says_which_gates_it_has_passed),
        CASE(what_does_not_fit_is_said_to_be_missing),
        CASE(of_each_other_site_that_was_looked_at_it_says_what_held_it),
        CASE(a_word_that_just_fits_is_said_and_the_next_is_missing),
        CASE(nothing_but_a_grant_says_whom_it_passed_over),
        CASE(where_no_lag_was_measured_none_is_told),
        CASE(what_held_another_site_was_not_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
