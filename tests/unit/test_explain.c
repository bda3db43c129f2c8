/* explain: what is printed is what was decided by (design 4). The texts are golden: set
 * BREAKWATER_GOLDEN=write to write them anew, and review them as code. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/rules.h>

#include "../../src/core/decide/gates.h"
#include "core_world.h"

static struct world world;

static void calm_hour(void)
{
    world_begin(&world, 2);
}

static void holder_silent(void)
{
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);
}

static void holder_lost(void)
{
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
}

static void best_candidate(void)
{
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
}

static void lag_unknown(void)
{
    world_init(&world, 2);
    world.sites[B].report.has_lag = false;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    world_serve(&world, A);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
}

static void first_grant_incomplete(void)
{
    world_init(&world, 3);
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 5000);
}

static void fence_failed(void)
{
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 30000);
}

/* What its guard does not end is not ended by time: each word says what the second enforcer lacks.
 */
static void outlives_its_guard(void)
{
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    world.sites[A].report.second = BW_SECOND_IS_SILENT;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);
}

static void second_enforcer_seen(void)
{
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    world_group(&world)->terms.second_enforcer = true;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 7000);
}

static void target_not_prepared(void)
{
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_string_equal(world_act(&world), "A1");
}

static void observe(void)
{
    world_init(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_sync_all(&world);
}

static const struct {
    const char *name;
    void (*arrange)(void);
} stories[] = {
    {"calm_hour", calm_hour},
    {"holder_silent", holder_silent},
    {"holder_lost", holder_lost},
    {"best_candidate", best_candidate},
    {"lag_unknown", lag_unknown},
    {"first_grant_incomplete", first_grant_incomplete},
    {"fence_failed", fence_failed},
    {"target_not_prepared", target_not_prepared},
    {"observe", observe},
    {"outlives_its_guard", outlives_its_guard},
    {"second_enforcer_seen", second_enforcer_seen},
};

static char printed[32768];

static void tell(void)
{
    size_t used;

    (void)world_decide(&world);
    used = (size_t)snprintf(printed, sizeof(printed), "%s %s\n", world.decision.rule,
                            bw_rule_find(world.decision.rule)->sentence);
    if (world.decision.acts)
        used += (size_t)snprintf(
            printed + used, sizeof(printed) - used, "command %s epoch=%u reason=%s\n",
            bw_command_word(world.decision.command.kind), (unsigned)world.decision.command.epoch,
            bw_reason_word(world.decision.command.reason));
    for (uint32_t i = 0; i < world.decision.gate_count; i++) {
        char line[256];

        bw_explain_gate(&world.decision.gates[i], world_group(&world), line, sizeof(line));
        used += (size_t)snprintf(printed + used, sizeof(printed) - used, "%s\n", line);
        assert_true(used < sizeof(printed));
    }
}

static void compare_with_golden(const char *name)
{
    static char golden[sizeof(printed)];
    const char *source = getenv("BREAKWATER_SOURCE");
    const char *mode = getenv("BREAKWATER_GOLDEN");
    const bool is_update = mode != NULL && strcmp(mode, "write") == 0;
    char path[512];
    FILE *file;
    size_t size;

    assert_non_null(source);
    (void)snprintf(path, sizeof(path), "%s/tests/golden/explain/%s.txt", source, name);
    file = fopen(path, is_update ? "w" : "r");
    assert_non_null(file);
    if (is_update) {
        assert_int_equal(fputs(printed, file) >= 0, 1);
        assert_int_equal(fclose(file), 0);
        return;
    }
    size = fread(golden, 1, sizeof(golden) - 1, file);
    golden[size] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(printed, golden);
}

static void the_verdict_of_every_story_equals_the_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        stories[i].arrange();
        tell();

        compare_with_golden(stories[i].name);
        assert_string_equal(world_verdict(&world.decision), world.decision.rule);
        assert_int_equal(world.decision.acts, strcmp(world.decision.rule, "A0") != 0);
    }
}

static void every_problem_is_listed_once(void **state)
{
    (void)state;
    for (int a = 0; a < BW_GATE_ID_COUNT; a++) {
        for (int b = 0; b < a; b++)
            assert_string_not_equal(bw_gate_word((enum bw_gate_id)a), bw_gate_word((enum bw_gate_id)b));
    }
    assert_null(bw_rule_find("A99"));
}

static void a_text_that_does_not_fit_is_cut_and_ended(void **state)
{
    char line[12];
    (void)state;
    calm_hour();
    (void)world_decide(&world);

    memset(line, 'x', sizeof(line));
    bw_explain_gate(&world.decision.gates[0], world_group(&world), line, sizeof(line));

    assert_string_equal(line, "A0 ok this ");
    bw_explain_gate(&world.decision.gates[0], world_group(&world), line, sizeof "A0 ok thi");
    assert_string_equal(line, "A0 ok thi");
    bw_explain_gate(&world.decision.gates[0], world_group(&world), line, 1);
    assert_string_equal(line, "");
}

static void each_value_is_told_in_its_unit(void **state)
{
    static const struct {
        enum bw_unit unit;
        const char *text;
    } units[] = {{BW_UNIT_NONE, "A3 ok the loss of data is within max_lag"},
                 {BW_UNIT_WORD, "A3 ok the loss of data is within max_lag"},
                 {BW_UNIT_MS, "A3 ok the loss of data is within max_lag (0.1 s, limit 2 min)"},
                 {BW_UNIT_COUNT, "A3 ok the loss of data is within max_lag (100 of 120000)"},
                 {BW_UNIT_PPM, "A3 ok the loss of data is within max_lag (+100 ppm, limit +120000 ppm)"},
                 {BW_UNIT_SITE, "A3 ok the loss of data is within max_lag"}};

    (void)state;
    calm_hour();
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct bw_gate gate = {.id = BW_GATE_ID_LAG, .site = -1, .unit = units[i].unit, .value = 100,
                               .threshold = 120000, .age_ms = UINT32_MAX, .step = "A3"};
        char line[200];

        bw_explain_gate(&gate, world_group(&world), line, sizeof line);
        assert_string_equal(line, units[i].text);
    }
}

static void a_site_that_the_spec_does_not_have_is_none(void **state)
{
    struct bw_gate gate = {
        .id = BW_GATE_ID_CANDIDATE, .verdict = BW_GATE_HOLD, .site = -1, .unit = BW_UNIT_SITE, .age_ms = UINT32_MAX};
    char line[200];

    (void)state;
    calm_hour();
    for (int64_t site = -1; site <= (int64_t)world_group(&world)->spec.site_count; site++) {
        const bool is_there = site >= 0 && site < (int64_t)world_group(&world)->spec.site_count;

        gate.value = site;
        bw_explain_gate(&gate, world_group(&world), line, sizeof line);

        assert_int_equal(strcmp(line, "BLOCKED no site is eligible (no_eligible_site)") != 0, is_there);
    }
}

/* What reads a gate by a program goes by its unit. */
static void a_gate_with_a_word_says_so(void **state)
{
    (void)state;
    calm_hour();
    (void)world_decide(&world);

    assert_int_equal(world_gate(&world, "observe", -1)->unit, BW_UNIT_WORD);
    assert_int_equal(world_gate(&world, "leads", -1)->unit, BW_UNIT_NONE);
}

static void assert_line(const struct bw_gate *gate, const char *text)
{
    char line[256];

    bw_explain_gate(gate, world_group(&world), line, sizeof line);
    assert_string_equal(line, text);
}

/* A whole line: step, verdict, site, problem with its values, id, age; of each only where there is one. */
static void a_line_has_all_that_there_is_to_say(void **state)
{
    struct bw_gate gate = {.id = BW_GATE_ID_LAG,
                           .step = "A9",
                           .verdict = BW_GATE_HOLD,
                           .site = B,
                           .unit = BW_UNIT_MS,
                           .value = 12004,
                           .threshold = 5000,
                           .word = "measured",
                           .age_ms = 3002};

    (void)state;
    calm_hour();
    assert_line(&gate, "A9 BLOCKED dc-b: lag 12.0 s exceeds max_lag 5.0 s: measured (lag_too_high, seen 3.0 s ago)");
    gate.age_ms = 999;
    gate.word = NULL;
    assert_line(&gate, "A9 BLOCKED dc-b: lag 12.0 s exceeds max_lag 5.0 s (lag_too_high)");
    gate.verdict = BW_GATE_PASS;
    gate.word = "accepted";
    assert_line(&gate, "A9 ok dc-b: the loss of data is within max_lag: accepted (12.0 s, limit 5.0 s)");
    gate.verdict = BW_GATE_NOTE;
    assert_line(&gate, "A9 note dc-b: lag: accepted");
}

/* Without an evaluation, as `explain --rule` has it, each text stands by itself; in one it names group and site. */
static void every_text_stands_with_and_without_values(void **state)
{
    char text[256];

    (void)state;
    calm_hour();
    for (enum bw_gate_id id = 0; id < BW_GATE_ID_COUNT; id++)
        for (enum bw_gate_text which = 0; which <= BW_GATE_FIX; which++) {
            const struct bw_gate gate = {.id = id, .site = B, .unit = BW_UNIT_MS, .value = 1, .threshold = 2};

            bw_gate_describe(id, which, NULL, NULL, text, sizeof text);
            assert_int_equal(strcspn(text, "[]{}|"), strlen(text));
            assert_in_range(strlen(text), 4, sizeof text - 2);
            bw_gate_describe(id, which, &gate, world_group(&world), text, sizeof text);
            assert_int_equal(strcspn(text, "[]{}|"), strlen(text));
            assert_null(strstr(text, "GROUP"));
        }
    bw_gate_describe(BW_GATE_ID_LAPSE, BW_GATE_PROBLEM, NULL, NULL, text, sizeof text);
    assert_string_equal(text, "the primary's lease has not expired");
    bw_gate_describe(BW_GATE_ID_LAG, BW_GATE_FIX, NULL, NULL, text, sizeof text);
    assert_string_equal(text, "repair the replication; if the primary is lost, and a loss of data is acceptable: breakwater failover GROUP --to SITE --accept-data-loss");
}

/* Of all that a decision waits for the first wakes it, however soon it comes. */
static void the_first_wait_that_is_not_over_wakes(void **state)
{
    static const struct {
        uint64_t left_ns, wake_in_ns;
    } waits[] = {{0, UINT64_MAX}, {7, 7}, {9, 7}, {0, 7}, {1, 1}, {2, 1}};
    uint64_t wake_in_ns = UINT64_MAX;
    struct bw_gate_list list = {.wake_in_ns = &wake_in_ns};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        bw_gate_wake(&list, waits[i].left_ns);
        assert_int_equal(wake_in_ns, waits[i].wake_in_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_of_every_story_equals_the_command),
        cmocka_unit_test(every_problem_is_listed_once),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_ended),
        cmocka_unit_test(a_site_that_the_spec_does_not_have_is_none),
        cmocka_unit_test(a_gate_with_a_word_says_so),
        cmocka_unit_test(each_value_is_told_in_its_unit),
        cmocka_unit_test(a_line_has_all_that_there_is_to_say),
        cmocka_unit_test(every_text_stands_with_and_without_values),
        cmocka_unit_test(the_first_wait_that_is_not_over_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
