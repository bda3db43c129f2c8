/* foretell: what keeps a failover from coming true is told at once, and what a person can do for a group that nobody
 * will serve (design 4). */
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

static enum bw_err judge(const char *to, bool accept_data_loss, struct bw_diag *diag)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER, .accept_data_loss = accept_data_loss};

    (void)strcpy(wish.to, to);
    return bw_foretell_judge_wish(world_group(&world), world_watch(&world),
                                  &world.witness.leadership, world.now, &wish, &room, diag);
}

static void refuses(const char *to, const char *text)
{
    struct bw_diag diag = {0};

    assert_int_equal(judge(to, false, &diag), BW_ERR_REFUSED);
    assert_string_equal(diag.text, text);
}

/* 4: at once, with the gate, and the flag where there is one. */
static void a_failover_that_cannot_come_true_is_refused(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(judge("dc-b", false, NULL), BW_OK);
    assert_int_equal(judge("dc-c", false, NULL), BW_OK);
    assert_int_equal(judge("", false, NULL), BW_OK);

    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    refuses("dc-c",
            "dc-c: the status script does not say whether the service is stopped (service_unknown). dc-b "
            "becomes primary without a failover. See: breakwater explain harbor");
    assert_int_equal(judge("", false, NULL), BW_OK);
    assert_int_equal(judge("dc-c", true, &diag), BW_ERR_REFUSED); /* no flag passes that */
    refuses("dc-a",
            "dc-a: not connected: last report 15.3 s ago, limit 3.0 s (not_connected). dc-b becomes "
            "primary without a failover. See: breakwater explain harbor");

    world_group(&world)->spec.mode = BW_MODE_PAUSED; /* nobody gets it by itself */
    refuses("dc-c",
            "dc-c: the status script does not say whether the service is stopped (service_unknown). To "
            "make dc-b primary: breakwater failover harbor. See: breakwater explain harbor");
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    refuses("dc-c",
            "dc-c: the status script does not say whether the service is stopped (service_unknown). See: "
            "breakwater explain harbor");
    world_group(&world)->spec.mode = BW_MODE_AUTO;
    for (int site = B; site <= C; site++)
        world_watch(&world)->lag[site].lag_ms = 3600000;
    refuses("dc-b",
            "dc-b: lag 60 min exceeds max_lag 5.0 s (lag_too_high, seen 2 min ago). To accept the loss "
            "of data: breakwater failover harbor --to dc-b --accept-data-loss");
    refuses("",
            "dc-b: lag 60 min exceeds max_lag 5.0 s (lag_too_high, seen 2 min ago). To accept the loss "
            "of data: breakwater failover harbor --to dc-b --accept-data-loss");
    assert_int_equal(judge("dc-b", true, NULL), BW_OK);

    world.witness.leadership.leader_since = world.now; /* it has not heard anybody out yet */
    assert_int_equal(judge("dc-b", false, NULL), BW_OK);
}

/* 3.9, 4: what serves already is adopted, whomever a failover names. That is no word of what comes without one. */
static void who_gets_it_instead_is_told_as_it_comes_without_the_wish(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    world_pass_ms(&world, 10000);
    refuses("dc-c",
            "no site is eligible. dc-b becomes primary without a failover. See: breakwater explain harbor");

    world_group(&world)->spec.mode = BW_MODE_PAUSED;
    refuses("dc-c",
            "no site is eligible. To make dc-b primary: breakwater failover harbor. See: breakwater "
            "explain harbor");
}

/* Where no site is heard that could be named, it is what holds the group. */
static void what_holds_the_whole_group_is_said_where_no_site_is_heard(void **state)
{
    (void)state;
    world_init(&world, 2);
    for (int site = A; site <= B; site++)
        world.sites[site].is_mute = true;
    world_pass_ms(&world, 10000);
    refuses("",
            "the first primary is not clear: not all sites have reported (first_primary_unclear). See: "
            "breakwater explain harbor");

    world_init(&world, 3);
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 10000);
    refuses("dc-c",
            "dc-c: its report does not count yet: not connected, or it does not receive the answers "
            "(report_missing). See: breakwater explain harbor");
}

static void way_is(const char *text)
{
    char way[256] = "";

    assert_int_equal(bw_foretell_way(world_group(&world), world_watch(&world),
                                     &world.witness.leadership, world.now, &room, way, sizeof way),
                     text[0] != '\0');
    assert_string_equal(way, text);
}

/* 4: the command that waives least, and none where none is needed or none comes true. */
static void a_group_that_nobody_will_serve_has_a_way(void **state)
{
    (void)state;
    world_begin(&world, 3);
    way_is("");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    way_is(""); /* time alone ends it, and another follows */
    assert_string_equal(world_act(&world), "A3");
    way_is("");
    world_group(&world)->spec.mode = BW_MODE_MANUAL;
    way_is("breakwater failover harbor");
    for (int site = B; site <= C; site++)
        world_watch(&world)->lag[site].lag_ms = 3600000;
    way_is("breakwater failover harbor --to dc-b --accept-data-loss");
    for (int site = B; site <= C; site++)
        world.sites[site].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    way_is("");
}

/* 4: what comes in hours comes for nobody who is awake now. */
static void what_comes_late_has_a_way_that_comes_now(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    spec.min_primary_time_ms = 3600000;
    world_begin_with(&world, 2, &spec);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_decide(&world), "A0");
    way_is("breakwater failover harbor");
    world_pass_ms(&world, 3600000 - 60000);
    way_is("");
}

static void an_end_that_only_a_person_gives_is_the_way(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_NEVER;
    way_is(""); /* it serves */
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    way_is(""); /* it answers: it can end what it holds */
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    way_is("breakwater confirm-fenced harbor --site dc-a");
}

/* 4: the data of a site that owes its rejoin is taken only where the site is named. */
static void where_a_rejoin_is_owed_the_way_names_the_site(void **state)
{
    (void)state;
    world_begin(&world, 3);
    for (int site = B; site <= C; site++)
        world.sites[site].report.joined_epoch = 0;
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");
    way_is("breakwater failover harbor --to dc-b --accept-data-loss");
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    way_is("breakwater failover harbor --to dc-c --accept-data-loss");
}

/* 3.9: nothing is done there, on nobody's word. */
static void a_group_that_is_only_observed_has_no_way(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    (void)state;
    world_begin(&world, 2);
    command.epoch = world_group(&world)->epoch;
    assert_string_not_equal(world_apply(&world, &command), "-");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    way_is("breakwater confirm-fenced harbor --site dc-a");
    world_group(&world)->spec.mode = BW_MODE_OBSERVE;
    way_is("");
}

/* 4: the data of a site that owes its rejoin is taken only where the site is named. */
static void where_the_first_site_owes_its_rejoin_the_way_names_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_move_to_b(&world);
    world.sites[A].report.joined_epoch = 0;
    world_pass_ms(&world, 5000);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");

    way_is("breakwater failover harbor --to dc-a --accept-data-loss");
}

/* 4: where a site is named it is what fails there, though the group is held, too. */
static void what_fails_at_the_first_site_is_told_before_what_holds_the_group(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.sites[A].is_mute = true;
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 10000);

    refuses("dc-a",
            "dc-a: its report does not count yet: not connected, or it does not receive the answers "
            "(report_missing). See: breakwater explain harbor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failover_that_cannot_come_true_is_refused),
        cmocka_unit_test(who_gets_it_instead_is_told_as_it_comes_without_the_wish),
        cmocka_unit_test(what_holds_the_whole_group_is_said_where_no_site_is_heard),
        cmocka_unit_test(a_group_that_nobody_will_serve_has_a_way),
        cmocka_unit_test(what_comes_late_has_a_way_that_comes_now),
        cmocka_unit_test(an_end_that_only_a_person_gives_is_the_way),
        cmocka_unit_test(where_a_rejoin_is_owed_the_way_names_the_site),
        cmocka_unit_test(a_group_that_is_only_observed_has_no_way),
        cmocka_unit_test(where_the_first_site_owes_its_rejoin_the_way_names_it),
        cmocka_unit_test(what_fails_at_the_first_site_is_told_before_what_holds_the_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
