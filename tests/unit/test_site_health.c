/* site: a service that runs and does not do its work, and one of which status says nothing (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../src/core/site/internal.h"
#include "site_shell.h"

#define THRESHOLD 3 /* as begin() has it: checked below */

static struct world world;

static struct bw_report said(void)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    return group.report;
}

static void see(const char *word, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        status(&world, word);
}

/* A look that says nothing is none; what is said in a row is, since the newest one that saw it serve. */
static void the_witnesses_are_told_since_when_it_cannot_show_that_it_serves(void **state)
{
    static const struct {
        const char *word;
        enum bw_unhealthy why;
    } words[] = {{"unknown", BW_UNHEALTHY_UNKNOWN}, {"unhealthy", BW_UNHEALTHY_UNHEALTHY}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint64_t seen_ms;

        begin_serving(&world);
        assert_int_equal(world.site.limits.failure_threshold, THRESHOLD);
        world.site.limits.local_restarts = 0;
        status(&world, "started");
        seen_ms = world.site.observation[BW_ACTION_STATUS].at.boot_ns / BW_NS_PER_MS;
        see(words[i].word, THRESHOLD - 1);
        assert_int_equal(said().unhealthy, BW_UNHEALTHY_NOT);
        see(words[i].word, 1);
        assert_int_equal(said().unhealthy, words[i].why);
        assert_int_equal(said().unhealthy_ms, world.now_ms - seen_ms);
        assert_int_equal(world.site.tenure, BW_TENURE_SERVING);

        status(&world, "started");
        assert_int_equal(said().unhealthy, BW_UNHEALTHY_NOT);
        assert_int_equal(said().unhealthy_ms, 0);
    }
}

/* It runs: so nothing takes it for stopped, or for nobody knows what. */
static void unhealthy_is_started_to_all_else(void **state)
{
    (void)state;
    assert_int_equal(bw_service_of_line("unhealthy"), BW_SERVICE_STARTED);
    assert_int_equal(bw_service_of_line("Unhealthy"), BW_SERVICE_STARTED);
    begin_serving(&world);
    see("unhealthy", 1);
    assert_int_equal(said().service, BW_SERVICE_STARTED);
    assert_int_equal(world.site.unknown_in_a_row, 0);
}

/* A check may speak for the health of the primary where the site file says so, and nowhere else. */
static void a_condition_speaks_for_its_health_where_it_is_told_to(void **state)
{
    (void)state;
    for (int is_health = 0; is_health < 2; is_health++) {
        begin_serving(&world);
        world.site.limits.local_restarts = 0;
        world.site.limits.condition_is_health = is_health != 0;
        world.site.condition = BW_CONDITION_STOP;
        see("started", THRESHOLD);
        assert_int_equal(said().unhealthy, is_health != 0 ? BW_UNHEALTHY_CONDITION : BW_UNHEALTHY_NOT);
    }
}

static void begin_restarting(void)
{
    begin_serving(&world);
    world.site.limits.local_restarts = 1;
    see("unhealthy", THRESHOLD);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_int_equal(world.sent_run.run.epoch, world.site.memory.epoch);
}

/* It is stopped in order, and started again under the same epoch. */
static void what_runs_and_does_not_do_its_work_is_started_again_here_first(void **state)
{
    (void)state;
    begin_restarting();
    assert_true(renews(&world));
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP); /* a look has to say so first */
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.sent_run.run.epoch, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "unhealthy"); /* that is no start which has come to serve */
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(said().restarts.count, 1);

    see("unhealthy", THRESHOLD + 2); /* used up: the leader moves it */
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(said().unhealthy, BW_UNHEALTHY_UNHEALTHY);
}

/* What is started again and again while it is sick would never go elsewhere. */
static void no_restart_is_forgotten_while_it_is_sick(void **state)
{
    (void)state;
    begin_restarting();
    assert_int_equal(world.site.restarts_used, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    for (uint32_t i = 0; i < BW_SITE_RESTARTS_FORGOTTEN_AFTER; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        see("unhealthy", 1);
    }
    assert_int_equal(world.site.restarts_used, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 3.5: a stop that nobody has seen is followed by the fence, and nothing is started. */
static void a_stop_before_that_start_that_is_not_seen_is_fenced(void **state)
{
    (void)state;
    begin_restarting();
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_asked(&world, "RUN:fence");
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    assert_int_equal(world.site.tenure, BW_TENURE_ENDING);
}

/* Nobody could see the stop of what says nothing; and a person may have said that nothing is to be touched. */
static void nothing_else_is_started_again(void **state)
{
    (void)state;
    begin_serving(&world);
    world.site.limits.local_restarts = 1;
    see("unhealthy", THRESHOLD - 1);
    see("unknown", THRESHOLD);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);

    begin_serving(&world);
    world.site.limits.local_restarts = 1;
    world.site.order.restart_allowed = false;
    see("unhealthy", THRESHOLD + 2);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 3.7: an agent that begins anew beside a status that hangs has a group, and cannot show that it serves. */
static void a_site_that_waits_for_a_word_says_so(void **state)
{
    (void)state;
    begin(&world);
    status(&world, "unknown");
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
    see("unknown", THRESHOLD);
    assert_int_equal(said().unhealthy, BW_UNHEALTHY_UNKNOWN);
    assert_true(said().unhealthy_ms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_witnesses_are_told_since_when_it_cannot_show_that_it_serves),
        cmocka_unit_test(unhealthy_is_started_to_all_else),
        cmocka_unit_test(a_condition_speaks_for_its_health_where_it_is_told_to),
        cmocka_unit_test(what_runs_and_does_not_do_its_work_is_started_again_here_first),
        cmocka_unit_test(no_restart_is_forgotten_while_it_is_sick),
        cmocka_unit_test(a_stop_before_that_start_that_is_not_seen_is_fenced),
        cmocka_unit_test(nothing_else_is_started_again),
        cmocka_unit_test(a_site_that_waits_for_a_word_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
