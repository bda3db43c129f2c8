/* foretell: of the first site of the spec the way on, and what keeps a failover from coming true, is told as of
 * any other (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/foretell.h>

#include "core_world.h"

static struct world world;
static struct bw_foretelling room;

/* dc-b serves, dc-a gave back. */
static void move_to_b(void)
{
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "4711");
    assert_string_equal(world_act(&world), "A1");
    world.sites[A].released = (struct bw_released){0};
    world.sites[B].report.prepared_index = world_group(&world)->changed_index;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A7");
    world.sites[A].report.has_lag = true;
    world_serve(&world, B);
}

/* 4: the data of a site that owes its rejoin is taken only where the site is named. */
static void where_the_first_site_owes_its_rejoin_the_way_names_it(void **state)
{
    char way[256] = "";

    (void)state;
    world_begin(&world, 2);
    move_to_b();
    world.sites[A].report.joined_epoch = 0;
    world_pass_ms(&world, 5000);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");

    assert_true(bw_foretell_way(world_group(&world), world_watch(&world), &world.witness.leadership,
                                world.now, &room, way, sizeof way));
    assert_string_equal(way, "breakwater failover harbor --to dc-a --accept-data-loss");
}

/* 4: where a site is named it is what fails there, though the group is held, too. */
static void what_fails_at_the_first_site_is_told_before_what_holds_the_group(void **state)
{
    const struct bw_wish wish = {.kind = BW_WISH_FAILOVER, .to = "dc-a"};
    struct bw_diag diag = {0};

    (void)state;
    world_init(&world, 3);
    world.sites[A].is_mute = true;
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 10000);

    assert_int_equal(bw_foretell_judge_wish(world_group(&world), world_watch(&world),
                                            &world.witness.leadership, world.now, &wish, &room, &diag),
                     BW_ERR_REFUSED);
    assert_string_equal(diag.text, "dc-a would not be granted harbor; what fails at dc-a: \"the site has reported "
                                   "what a first grant rests on\"; see: breakwater explain harbor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_the_first_site_owes_its_rejoin_the_way_names_it),
        cmocka_unit_test(what_fails_at_the_first_site_is_told_before_what_holds_the_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
