/* noting: how often the service was started again at its site (design 3.1): what the record is told, and what
 * people are told beside it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "noting_world.h"

/* dc-a says that it has started the service again so often, since its agent began. */
static void restart(uint32_t count, uint32_t age_ms)
{
    world.sites[A].report.restarts = (struct bw_restarts){
        .epoch = world_group(&world)->epoch, .count = count, .age_ms = age_ms};
    world_sync_all(&world);
}

/* 3.1: a service that died and was started again where it was is no secret. */
static void each_restart_at_its_site_is_noted_with_when_it_was(void **state)
{
    struct bw_restarted restarted;
    struct bw_note noted;

    (void)state;
    begin_serving();
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 0);

    restart(1, 700);

    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 1);
    assert_in_range(noted.restart_age_ms, 700, 900);
    assert_false(note(&noted)); /* once */
    restart(1, 2700);
    assert_false(note(&noted));
    restart(3, 400);
    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 3);
    assert_int_equal(newest().note.restarts, 3);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 3);
    assert_in_range(bw_instant_elapsed_ns(world.now, restarted.since) / BW_NS_PER_MS, 400, 600);
    world_lead_anew(&world);
    assert_false(note(&noted));
}

/* None of them knows of the others: an agent that began anew counts anew. */
static void restarts_by_several_agents_of_the_site_are_added(void **state)
{
    const struct bw_id older = {{7}};
    const struct bw_id newer = {{8}};
    struct bw_restarted restarted;
    struct bw_note noted;

    (void)state;
    begin_serving();
    world.sites[A].session = older;
    restart(3, 100);
    assert_true(note(&noted));
    world_pass_ms(&world, 1000);
    world.sites[A].session = newer;
    world.sites[A].report.restarts = (struct bw_restarts){0};
    world_sync_all(&world);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 3);

    restart(1, 100);

    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 4);
    world.sites[A].session = older; /* overtaken on its way */
    restart(9, 100);
    bw_witness_restarted(&world.witness, 0, &restarted);
    assert_int_equal(restarted.count, 4);
}

static void restarts_of_another_epoch_or_site_are_none_of_this_one(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    world.sites[B].report.restarts = (struct bw_restarts){.epoch = 1, .count = 5};
    world_sync_all(&world);
    assert_false(note(&noted));
    world.sites[A].report.restarts = (struct bw_restarts){.epoch = 7, .count = 5};
    world_sync_all(&world);
    assert_false(note(&noted));
}

/* 8 MiB for all groups: one that dies every few seconds, or says so, must not take them. */
static void a_service_that_dies_again_and_again_does_not_fill_the_record(void **state)
{
    uint32_t count = 0;
    struct bw_note noted;

    (void)state;
    begin_serving();
    for (uint32_t i = 1; i <= 16; i++) {
        restart(i, 0);
        assert_true(note(&noted));
        assert_int_equal(noted.restarts, i);
    }
    for (uint32_t i = 17; i <= 2000; i++) {
        restart(i, 0);
        if (note(&noted))
            count++;
        assert_true(newest().note.restarts >= i - i / 8);
    }
    assert_in_range(count, 20, 60);
    restart(UINT32_MAX, UINT32_MAX);
    assert_true(note(&noted));
    assert_int_equal(noted.restarts, UINT32_MAX);
    assert_false(note(&noted));
}

/* From the first that was told on, an eighth may be missing: of 16 the 17th, and not the 18th. */
static void restarts_are_told_once_an_eighth_of_them_is_untold(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    restart(16, 0);
    assert_true(note(&noted));
    restart(17, 0);
    assert_false(note(&noted));
    restart(18, 0);
    assert_true(note(&noted));
    assert_int_equal(noted.restarts, 18);
}

static struct bw_restarted restarted(void)
{
    struct bw_restarted said;

    memset(&said, 0xa5, sizeof said); /* whatever was there before */
    bw_witness_restarted(&world.witness, 0, &said);
    return said;
}

static uint64_t passed_ms(struct bw_instant since)
{
    return bw_instant_elapsed_ns(world.now, since) / BW_NS_PER_MS;
}

/* Said again without another one, it is as old as it was. */
static void the_last_restart_is_as_old_as_it_was_said_first(void **state)
{
    (void)state;
    begin_serving();
    restart(1, 700);
    assert_int_equal(restarted().count, 1);
    assert_in_range(passed_ms(restarted().since), 700, 710);
    world_pass_ms(&world, 5000);
    assert_in_range(passed_ms(restarted().since), 5700, 5710);
    world.sites[A].session.bytes[1] = 9; /* a new agent, which counts anew */
    restart(1, 100);
    assert_int_equal(restarted().count, 2);
    assert_in_range(passed_ms(restarted().since), 100, 110);
}

/* Of the newest epoch, while somebody holds it. */
static void restarts_of_an_epoch_that_is_over_are_none_of_the_group(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    restart(3, 700);
    assert_true(note(&noted));
    restart(4, 700);
    lose_first();
    assert_int_equal(restarted().count, 0);
    assert_false(note(&noted)); /* nor are they told any more */
    assert_string_equal(act(), "A9");
    assert_int_equal(restarted().count, 0); /* nothing was heard since */
    assert_int_equal(restarted().since.boot_ns, 0);
    assert_false(note(&noted));
}

/* Who leads since its start has heard of none: how many there were it has on record. */
static void restarts_that_were_not_heard_are_those_on_record(void **state)
{
    struct bw_note noted;

    (void)state;
    begin_serving();
    restart(3, 700);
    assert_true(note(&noted));
    world_watch(&world)->timeline = (struct bw_epoch_timeline){0};
    assert_int_equal(restarted().count, 3);
    assert_int_equal(restarted().since.boot_ns, 0); /* nobody knows */
}

static void without_a_record_restarts_are_those_that_were_heard(void **state)
{
    struct bw_note noted;

    (void)state;
    world_init(&world, 2);
    raise_level();
    assert_string_equal(act(), "A6");
    assert_string_equal(world.decision.command.why, "");
    world_serve(&world, A);
    restart(2, 0);
    assert_false(note(&noted));
    assert_int_equal(restarted().count, 2);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_restart_at_its_site_is_noted_with_when_it_was),
        CASE(restarts_by_several_agents_of_the_site_are_added),
        CASE(restarts_of_another_epoch_or_site_are_none_of_this_one),
        CASE(a_service_that_dies_again_and_again_does_not_fill_the_record),
        CASE(restarts_are_told_once_an_eighth_of_them_is_untold),
        CASE(the_last_restart_is_as_old_as_it_was_said_first),
        CASE(restarts_of_an_epoch_that_is_over_are_none_of_the_group),
        CASE(restarts_that_were_not_heard_are_those_on_record),
        CASE(without_a_record_restarts_are_those_that_were_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
