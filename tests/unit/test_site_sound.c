/* What must hold of a site's machine between steps, fact by fact: each is broken by hand, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

/* `change` breaks a copy of `of`, and `fact` is what is then said not to hold. */
#define BREAKS(of, change, fact)                                                                  \
    do {                                                                                          \
        struct bw_site broken = (of);                                                             \
        const char *wrong;                                                                        \
                                                                                                  \
        assert_null(bw_site_unsound(&broken));                                                    \
        change;                                                                                   \
        wrong = bw_site_unsound(&broken);                                                         \
        assert_non_null(wrong);                                                                   \
        assert_string_equal(wrong, fact);                                                         \
    } while (0)

static void a_tenure_is_of_an_epoch_that_is_open_and_durable(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    BREAKS(world.site, broken.tenure = (enum bw_tenure)(BW_TENURE_STUCK + 1),
           "the site's tenure: it is one of the list");
    BREAKS(world.site, broken.tenure = BW_TENURE_NONE,
           "the site's tenure: there is one of each epoch that is open, and of no other");
    BREAKS(world.site, broken.memory.given_back = true,
           "the site's tenure: there is one of each epoch that is open, and of no other");
    BREAKS(world.site, broken.kept.epoch = 0, "the site's tenure: what may be armed is durable");
    BREAKS(world.site, broken.kept.given_back = true,
           "the site's tenure: what was given back is neither renewed nor started");
    BREAKS(world.site, broken.fence = BW_SITE_FENCE_BEGUN,
           "the site's tenure: what is fenced is neither renewed nor started");
    BREAKS(world.site, broken.stop = BW_SITE_STOP_SEEN,
           "the site's tenure: what was stopped is neither renewed nor started");
    BREAKS(world.site, broken.start = BW_SITE_START_FAILED,
           "the site's tenure: what could not be started is not started again");
    BREAKS(world.site, broken.start = BW_SITE_START_FAILED_EARLY,
           "the site's tenure: what could not be started is not started again");
    BREAKS(world.site, (broken.tenure = BW_TENURE_STARTING, broken.start = BW_SITE_START_FAILED),
           "the site's tenure: what could not be started is not started again");
    BREAKS(world.site, broken.tenure = BW_TENURE_ENDING,
           "the site's tenure: what is given back was seen to have ended");
    BREAKS(world.site, broken.tenure = BW_TENURE_ACCEPTING,
           "the site's tenure: an epoch that is accepted is being written down");
}

static void a_lease_is_of_the_epoch_that_may_be_served(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    BREAKS(world.site, broken.lease.epoch = 2,
           "the site's lease: it is of the epoch that was accepted last");
    BREAKS(world.site, broken.lease.end = (struct bw_instant){0},
           "the site's lease: nothing is started without one");
    BREAKS(world.site, broken.deadline = BW_SITE_DEADLINE_UNKNOWN,
           "the site's lease: where there is one, its deadline is known");
    BREAKS(world.site, broken.tenure = BW_TENURE_ACCEPTING; broken.save = BW_SITE_SAVE_PENDING,
           "the site's lease: none is of an epoch that is not durable");
    begin(&world);
    BREAKS(world.site, broken.lease.end.boot_ns = 1,
           "the site's lease: none is left of an epoch that is over");
}

static void what_is_durable_is_no_newer_than_what_is_known(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    BREAKS(world.site, broken.kept.epoch = 2,
           "the site's saves: no epoch is saved below the one that is durable");
    BREAKS(world.site, broken.saving.epoch = 2,
           "the site's saves: no epoch is accepted below the one that is saved");
    BREAKS(world.site, broken.kept.let_go_index = 1,
           "the site's saves: what was let go is saved as such");
    BREAKS(world.site, broken.saving.let_go_index = 1,
           "the site's saves: what was let go stays let go");
    begin(&world);
    BREAKS(world.site, broken.save = BW_SITE_SAVE_PENDING; broken.save_number = 0,
           "the site's saves: what is pending was asked for");
}

static void nothing_is_awaited_of_a_guard_that_is_not_there(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    BREAKS(world.site, broken.link = BW_SITE_LINK_LOST,
           "the site's guard: nothing is awaited of one that is not there");
    BREAKS(world.site, broken.running = BW_ACTION_STATUS,
           "the site's guard: an observation is no action");

    begin(&world);
    tick_at(&world, world.now_ms + 2000);
    assert_true(world.site.observation[BW_ACTION_STATUS].running ||
                world.site.observation[BW_ACTION_READINESS].running);
    assert_int_equal(world.site.running, BW_ACTION_NONE);
    BREAKS(world.site, broken.link = BW_SITE_LINK_LOST,
           "the site's guard: nothing is awaited of one that is not there");
}

static void an_own_fence_that_runs_has_begun(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    BREAKS(world.site, broken.own_fence = BW_SITE_OWN_FENCE_RUNNING,
           "the site's own fence: one that runs has begun");
}

/* 3.8, I1: it serves by a person's word, which is durable, until it has a lease. */
static void an_override_is_written_down_and_over_with_a_lease(void **state)
{
    struct world world;

    (void)state;
    begin_overriding(&world);
    BREAKS(world.site, broken.override_open = true; broken.memory.override = BW_OVERRIDE_WAITING,
           "the site's manual lease: none is armed before it has begun");
    adopt(&world, 2);
    BREAKS(world.site, broken.lease.end = at_ms(world.now_ms + TTL_MS),
           "the site's manual lease: it is over with the first granted one");
}

static void a_state_that_contradicts_itself_is_neither_written_nor_taken(void **state)
{
    struct bw_agent_group group = {.name = "g", .memory = {.epoch = 5, .served_epoch = 77}};
    const struct bw_agent_state kept = {
        .site = "s", .instance = {{1}}, .group_count = 1, .groups = &group};
    struct bw_agent_state taken = {.generation = 4711};
    uint8_t bytes[4096];
    struct bw_diag diag = {0};
    size_t size = 4711;
    uint8_t *served;

    (void)state;
    assert_int_equal(bw_agent_state_encode(&kept, bytes, sizeof bytes, &size, &diag),
                     BW_ERR_INVALID);
    assert_non_null(strstr(diag.text, "it contradicts itself: the site's memory: what it served "
                                      "before its epoch is older"));
    assert_int_equal(size, 4711);
    group.memory.epoch = 100;
    assert_int_equal(bw_agent_state_encode(&kept, bytes, sizeof bytes, &size, &diag), BW_OK);
    served = memchr(bytes, 77, size);
    assert_non_null(served);
    *served = 101;
    assert_int_equal(bw_agent_state_decode(bytes, size, &taken, &diag), BW_ERR_CORRUPT);
    assert_int_equal(taken.generation, 4711);
    assert_null(taken.groups);
}

/* 3.9: written by a release that took them of anybody. */
static void a_state_with_terms_of_no_spec_is_not_taken(void **state)
{
    struct bw_agent_group group = {.name = "shop", .memory = {.epoch = 5, .terms = {.ttl_ms = TTL_MS,
                                                                                    .fence_ms = FENCE_MS,
                                                                                    .drift_ppm = 1000,
                                                                                    .margin_ms = 250,
                                                                                    .renew_interval_ms = 1000,
                                                                                    .request_timeout_ms = 1000}}};
    const struct bw_agent_state kept = {.site = "s", .instance = {{1}}, .group_count = 1, .groups = &group};
    struct bw_agent_state taken = {.generation = 4711};
    uint8_t bytes[4096];
    struct bw_diag diag = {0};
    size_t size;

    (void)state;
    group.memory.terms.request_timeout_ms = 0x60000000;
    assert_int_equal(bw_agent_state_encode(&kept, bytes, sizeof bytes, &size, &diag), BW_OK);
    assert_int_equal(bw_agent_state_decode(bytes, size, &taken, &diag), BW_ERR_CORRUPT);
    assert_string_equal(diag.text, "of shop it has terms that no spec may have: they were made up");
    assert_int_equal(taken.generation, 4711);
    group.memory.terms.request_timeout_ms = 1000;
    assert_int_equal(bw_agent_state_encode(&kept, bytes, sizeof bytes, &size, &diag), BW_OK);
    assert_int_equal(bw_agent_state_decode(bytes, size, &taken, &diag), BW_OK);
    bw_agent_state_deinit(&taken);
}

/* 4: what was served before the epoch that is known was served in an earlier one. */
static void what_was_served_before_is_older(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    BREAKS(world.site, broken.memory.served_epoch = 1,
           "the site's memory: what it served before its epoch is older");
    BREAKS(world.site, broken.memory.served_epoch = 2,
           "the site's memory: what it served before its epoch is older");
}

/* 3.4: each of them by itself is something that a guard is asked. */
static void of_a_guard_that_is_not_there_nothing_is_awaited(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    BREAKS(world.site, broken.arm_open = true,
           "the site's guard: nothing is awaited of one that is not there");
    BREAKS(world.site, broken.end_open = true,
           "the site's guard: nothing is awaited of one that is not there");
    BREAKS(world.site, broken.running = BW_ACTION_STOP,
           "the site's guard: nothing is awaited of one that is not there");
    BREAKS(world.site, broken.observation[BW_ACTION_STATUS].running = true,
           "the site's guard: nothing is awaited of one that is not there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenure_is_of_an_epoch_that_is_open_and_durable),
        cmocka_unit_test(a_lease_is_of_the_epoch_that_may_be_served),
        cmocka_unit_test(what_is_durable_is_no_newer_than_what_is_known),
        cmocka_unit_test(nothing_is_awaited_of_a_guard_that_is_not_there),
        cmocka_unit_test(an_own_fence_that_runs_has_begun),
        cmocka_unit_test(an_override_is_written_down_and_over_with_a_lease),
        cmocka_unit_test(a_state_that_contradicts_itself_is_neither_written_nor_taken),
        cmocka_unit_test(a_state_with_terms_of_no_spec_is_not_taken),
        cmocka_unit_test(of_a_guard_that_is_not_there_nothing_is_awaited),
        cmocka_unit_test(what_was_served_before_is_older),
    };

    return cmocka_run_group_tests_name("site_sound", tests, NULL, NULL);
}
