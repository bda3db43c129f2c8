/* Who keeps a connection when the house is full, or one identity takes more than its share: no
 * certificate of any role costs another one its lease (design 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../../src/net/http_seats.h"

#define SEATS 256

struct world {
    struct bw_http_seats seats;
    struct bw_http_seat list[2 * SEATS];
    struct bw_identity names[2 * SEATS];
    unsigned used;
};

static struct world world;

static int set_up(void **state)
{
    (void)state;
    world = (struct world){
        .seats = {.seats_max = SEATS, .identity_max = 16, .people_max = 96}};
    return 0;
}

/* One more connection; name NULL: a stranger's. Waits idle. */
static struct bw_http_seat *come(enum bw_role role, const char *name)
{
    struct bw_http_seat *seat = &world.list[world.used];
    struct bw_identity *identity = &world.names[world.used++];

    seat->is_idle = true;
    if (name != NULL) {
        *identity = (struct bw_identity){.role = role};
        (void)snprintf(identity->name, sizeof identity->name, "%s", name);
        seat->identity = identity;
    }
    bw_http_seats_add(&world.seats, seat);
    return seat;
}

static struct bw_http_seat *come_busy(enum bw_role role, const char *name)
{
    struct bw_http_seat *seat = come(role, name);

    seat->is_idle = false;
    seat->is_served = true;
    return seat;
}

static void fill(enum bw_role role, const char *prefix)
{
    char name[32];

    while (!bw_http_seats_is_full(&world.seats)) {
        (void)snprintf(name, sizeof name, "%s-%u", prefix, world.used / 2);
        (void)come_busy(role, name); /* two of each */
    }
}

static struct bw_http_seat *excess_of(const struct bw_http_seat *seat, enum bw_http_excess expected)
{
    struct bw_http_seat *victim = NULL;

    assert_int_equal(bw_http_seats_excess(&world.seats, seat, &victim), expected);
    return victim;
}

static void the_oldest_stranger_that_nobody_serves_goes_first(void **state)
{
    struct bw_http_seat *oldest;

    (void)state;
    (void)come(BW_ROLE_VIEWER, "v");
    (void)come_busy(BW_ROLE_VIEWER, NULL);
    oldest = come(BW_ROLE_VIEWER, NULL);
    (void)come(BW_ROLE_VIEWER, NULL);

    assert_ptr_equal(bw_http_seats_victim(&world.seats), oldest);
}

/* Whoever is far away has not said who it is before two round trips. */
static void a_stranger_keeps_its_place_while_another_origin_has_more(void **state)
{
    struct bw_http_seat *slow = come(BW_ROLE_VIEWER, NULL);
    struct bw_http_seat *oldest;

    (void)state;
    slow->origin = 1;
    (void)come_busy(BW_ROLE_VIEWER, NULL);
    oldest = come(BW_ROLE_VIEWER, NULL);
    (void)come(BW_ROLE_VIEWER, NULL);
    assert_ptr_equal(bw_http_seats_victim(&world.seats), oldest);
    bw_http_seats_leave(&world.seats, oldest); /* those that leave, or are served, count for no origin */

    assert_ptr_equal(bw_http_seats_victim(&world.seats), slow);
}

static void one_that_leaves_holds_no_place_and_is_no_victim(void **state)
{
    struct bw_http_seat *oldest = come(BW_ROLE_VIEWER, NULL);
    struct bw_http_seat *second = come(BW_ROLE_VIEWER, NULL);

    (void)state;
    world.seats.seats_max = 2;
    assert_true(bw_http_seats_is_full(&world.seats));
    bw_http_seats_leave(&world.seats, oldest);
    bw_http_seats_leave(&world.seats, oldest);

    assert_false(bw_http_seats_is_full(&world.seats));
    assert_ptr_equal(bw_http_seats_victim(&world.seats), second);
    bw_http_seats_remove(&world.seats, oldest);
    assert_int_equal(world.seats.count, 1);
    assert_int_equal(world.seats.leaving_count, 0);
}

static void who_has_most_loses_his_oldest_busy_or_not(void **state)
{
    struct bw_http_seat *greedy;

    (void)state;
    (void)come(BW_ROLE_AGENT, "idle");
    greedy = come_busy(BW_ROLE_AGENT, "greedy");
    for (int i = 0; i < 4; i++)
        (void)come_busy(BW_ROLE_AGENT, "greedy");
    fill(BW_ROLE_AGENT, "modest");

    assert_ptr_equal(bw_http_seats_victim(&world.seats), greedy);
}

static void of_two_as_greedy_a_person_goes_before_a_program(void **state)
{
    struct bw_http_seat *person;

    (void)state;
    for (int i = 0; i < 5; i++)
        (void)come_busy(BW_ROLE_AGENT, "agent");
    person = come_busy(BW_ROLE_VIEWER, "viewer");
    for (int i = 0; i < 4; i++)
        (void)come_busy(BW_ROLE_VIEWER, "viewer");

    assert_ptr_equal(bw_http_seats_victim(&world.seats), person);
}

static void who_is_modest_and_busy_is_never_interrupted(void **state)
{
    struct bw_http_seat *idle;

    (void)state;
    fill(BW_ROLE_AGENT, "modest");
    assert_null(bw_http_seats_victim(&world.seats));

    idle = &world.list[7];
    idle->is_served = false;
    idle->is_idle = true;
    assert_ptr_equal(bw_http_seats_victim(&world.seats), idle);
}

static void an_identity_beyond_its_share_loses_its_oldest(void **state)
{
    struct bw_http_seat *oldest = come_busy(BW_ROLE_AGENT, "a");
    struct bw_http_seat *newest = oldest;

    (void)state;
    for (int i = 1; i < 16; i++)
        newest = come_busy(BW_ROLE_AGENT, "a");
    (void)come_busy(BW_ROLE_OPERATOR, "a"); /* another role is somebody else */
    assert_null(excess_of(newest, BW_HTTP_EXCESS_NONE));

    newest = come_busy(BW_ROLE_AGENT, "a");
    assert_ptr_equal(excess_of(newest, BW_HTTP_EXCESS_IDENTITY), oldest);
}

/* Whoever else has the agent's certificate, and only holds what he gets. */
static void a_connection_that_was_of_use_outlives_those_that_were_not(void **state)
{
    struct bw_http_seat *syncs = come(BW_ROLE_AGENT, "a");
    struct bw_http_seat *held = come_busy(BW_ROLE_AGENT, "a");
    struct bw_http_seat *newest = held;

    (void)state;
    bw_http_seats_note_useful(&world.seats, syncs);
    for (int i = 2; i < 17; i++)
        newest = come_busy(BW_ROLE_AGENT, "a");
    assert_ptr_equal(excess_of(newest, BW_HTTP_EXCESS_IDENTITY), held);

    for (struct bw_http_seat *s = world.seats.first; s != NULL; s = s->next)
        bw_http_seats_note_useful(&world.seats, s);
    bw_http_seats_note_useful(&world.seats, syncs);
    assert_ptr_equal(excess_of(newest, BW_HTTP_EXCESS_IDENTITY), held);
}

static void agents_of_one_name_at_two_sites_are_two(void **state)
{
    struct bw_http_seat *newest = NULL;

    (void)state;
    for (int i = 0; i < 16; i++) {
        newest = come(BW_ROLE_AGENT, "agent-1");
        memcpy(world.names[world.used - 1].site, "dc-a", 5);
    }
    newest = come(BW_ROLE_AGENT, "agent-1");
    memcpy(world.names[world.used - 1].site, "dc-b", 5);

    assert_null(excess_of(newest, BW_HTTP_EXCESS_NONE));
}

/* However many certificates they have: the rest is for those that a lease hangs on. */
static void operators_as_a_whole_have_a_bound(void **state)
{
    struct bw_http_seat *greedy;
    struct bw_http_seat *newest = NULL;
    char name[16];

    (void)state;
    (void)come(BW_ROLE_VIEWER, "first");
    greedy = come(BW_ROLE_OPERATOR, "greedy");
    (void)come(BW_ROLE_OPERATOR, "greedy");
    for (int i = 3; i < 96; i++) {
        (void)snprintf(name, sizeof name, "v%d", i);
        newest = come(BW_ROLE_VIEWER, name);
    }
    assert_null(excess_of(newest, BW_HTTP_EXCESS_NONE));

    newest = come(BW_ROLE_VIEWER, "one-more");
    assert_ptr_equal(excess_of(newest, BW_HTTP_EXCESS_PEOPLE), greedy);
    newest = come(BW_ROLE_AGENT, "agent"); /* programs are not meant */
    assert_null(excess_of(newest, BW_HTTP_EXCESS_NONE));
}

static void a_stranger_has_no_share(void **state)
{
    struct bw_http_seat *newest = NULL;

    (void)state;
    for (int i = 0; i < 40; i++)
        newest = come(BW_ROLE_VIEWER, NULL);
    assert_null(excess_of(newest, BW_HTTP_EXCESS_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
        TEST(the_oldest_stranger_that_nobody_serves_goes_first),
        TEST(a_stranger_keeps_its_place_while_another_origin_has_more),
        TEST(one_that_leaves_holds_no_place_and_is_no_victim),
        TEST(who_has_most_loses_his_oldest_busy_or_not),
        TEST(of_two_as_greedy_a_person_goes_before_a_program),
        TEST(who_is_modest_and_busy_is_never_interrupted),
        TEST(an_identity_beyond_its_share_loses_its_oldest),
        TEST(a_connection_that_was_of_use_outlives_those_that_were_not),
        TEST(agents_of_one_name_at_two_sites_are_two),
        TEST(operators_as_a_whole_have_a_bound),
        TEST(a_stranger_has_no_share),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
