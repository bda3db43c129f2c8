/* What must hold of a site's machine between steps, fact by fact: each is broken by hand, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

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
    BREAKS(world.site, broken.tenure = BW_TENURE_ACCEPTING; broken.save_pending = true,
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
    BREAKS(world.site, broken.save_pending = true; broken.save_number = 0,
           "the site's saves: what is pending was asked for");
}

static void nothing_is_awaited_of_a_guard_that_is_not_there(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    BREAKS(world.site, broken.guard_greeted = false,
           "the site's guard: nothing is awaited of one that is not there");
    BREAKS(world.site, broken.running = BW_ACTION_STATUS,
           "the site's guard: an observation is no action");
}

static void only_an_own_fence_that_runs_is_in_doubt(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    BREAKS(world.site, broken.own_fence_in_doubt = true,
           "the site's own fence: one that is over is in no doubt");
    BREAKS(world.site, broken.own_fence_running = true,
           "the site's own fence: one that runs has begun");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenure_is_of_an_epoch_that_is_open_and_durable),
        cmocka_unit_test(a_lease_is_of_the_epoch_that_may_be_served),
        cmocka_unit_test(what_is_durable_is_no_newer_than_what_is_known),
        cmocka_unit_test(nothing_is_awaited_of_a_guard_that_is_not_there),
        cmocka_unit_test(only_an_own_fence_that_runs_is_in_doubt),
        cmocka_unit_test(a_state_that_contradicts_itself_is_neither_written_nor_taken),
    };

    return cmocka_run_group_tests_name("site_sound", tests, NULL, NULL);
}
