/* watch: what a witness remembers of a group from what the log says (design 3.1, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "../../src/core/decide/watch.h"
#include "core_world.h"

static struct world world;

static void maintain(const char *site)
{
    struct bw_command command = {.kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 15000};

    (void)strcpy(command.site, site);
    world_wait_ms(&world, 1000);
    assert_string_not_equal(world_apply(&world, &command), "-");
}

/* 4: its maintenance is its own, however short its name is. */
static void the_maintenance_of_a_site_with_a_name_of_one_letter_is_not_the_groups(void **state)
{
    const struct bw_watch *watch = world_watch(&world);
    struct bw_instant of_group, of_site;
    struct bw_spec spec;

    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    (void)strcpy(spec.sites[B].name, "b");
    world_set_spec(&world, &spec, "");
    of_group = watch->group_maintenance_applied;

    maintain("b");
    of_site = watch->maintenance_applied[B];
    assert_int_equal(of_site.boot_ns, world.now.boot_ns);
    assert_int_equal(watch->group_maintenance_applied.boot_ns, of_group.boot_ns);

    maintain("");
    assert_int_equal(watch->maintenance_applied[B].boot_ns, of_site.boot_ns);
    assert_int_equal(watch->group_maintenance_applied.boot_ns, world.now.boot_ns);
}

/* 4: the maintenance of a group goes on, whatever comes to its end meanwhile. */
static void the_end_of_an_epoch_begins_no_maintenance(void **state)
{
    static const enum bw_command_kind ends[] = {BW_COMMAND_CLOSE, BW_COMMAND_EXPIRED};
    uint64_t begun_ns;

    (void)state;
    world_begin(&world, 2);
    maintain("");
    begun_ns = world.now.boot_ns;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const struct bw_command end = {.kind = ends[i], .group = "harbor", .epoch = world_group(&world)->epoch};

        world_wait_ms(&world, 1000);
        assert_string_not_equal(world_apply(&world, &end), "-");
    }

    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(world_watch(&world)->group_maintenance_applied.boot_ns, begun_ns);
}

/* It has room for eight sites, and most groups have two: what is never written costs no memory. */
static void the_place_of_a_site_that_a_group_never_had_is_not_written(void **state)
{
    static struct bw_watch watch;
    uint8_t unused[sizeof watch.reports[0]];

    (void)state;
    world_init(&world, 2);
    memset(unused, 0xa5, sizeof unused);
    memcpy(&watch.reports[2], unused, sizeof unused);
    bw_watch_begin(&watch, world_group(&world), world.now);
    bw_watch_begin(&watch, world_group(&world), world.now);
    assert_string_equal(watch.sites[B], world_group(&world)->spec.sites[B].name);
    assert_memory_equal(&watch.reports[2], unused, sizeof unused);
}

/* 4: a group that was deleted and made anew has no grant, and what a witness that was away saw of the old one is over. */
static void a_state_without_grants_leaves_no_mark_of_those_before(void **state)
{
    const struct bw_watch *watch = world_watch(&world);

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(watch->grants[0].epoch, 1);
    world_group(&world)->history_count = 0;
    bw_witness_on_restored(&world.witness, world.now);

    for (size_t i = 0; i < BW_HISTORY_MAX; i++)
        assert_int_equal(watch->grants[i].epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_maintenance_of_a_site_with_a_name_of_one_letter_is_not_the_groups),
        cmocka_unit_test(the_end_of_an_epoch_begins_no_maintenance),
        cmocka_unit_test(the_place_of_a_site_that_a_group_never_had_is_not_written),
        cmocka_unit_test(a_state_without_grants_leaves_no_mark_of_those_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
