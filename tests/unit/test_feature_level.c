/* feature level: nobody is left behind that was not named, and nobody reads what it does not know
 * (5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/core/feature_level.h>

#include "core_world.h"

static struct world world;
static struct bw_diag diag;

/* What a program of two releases later would find: this cluster is at 1, and it knows up to 3. */
#define NEWEST 3

static const struct bw_level_party everybody[] = {
    {BW_LEVEL_WITNESS, "w1", 3}, {BW_LEVEL_WITNESS, "w2", 2}, {BW_LEVEL_WITNESS, "w3", 2},
    {BW_LEVEL_AGENT, "dc-a", 2}, {BW_LEVEL_GUARD, "dc-a", 2}, {BW_LEVEL_AGENT, "dc-b", 3},
    {BW_LEVEL_GUARD, "dc-b", 3}};
#define COUNT (sizeof everybody / sizeof everybody[0])

static enum bw_err judge(const struct bw_level_party *parties, const char *without)
{
    diag = (struct bw_diag){0};
    return bw_feature_level_judge(1, NEWEST, parties, COUNT, &without, without != NULL ? 1 : 0,
                                  &diag);
}

static void it_is_raised_once_everybody_knows_the_next(void **state)
{
    (void)state;
    assert_int_equal(judge(everybody, NULL), BW_OK);
}

static void whoever_knows_less_is_named_and_no_flag_helps(void **state)
{
    struct bw_level_party parties[COUNT];
    (void)state;
    memcpy(parties, everybody, sizeof parties);
    parties[1].level = 1;
    parties[4].level = 1;

    assert_int_equal(judge(parties, NULL), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "witness w2, guard dc-a"));
    assert_non_null(strstr(diag.text, "upgrade them first"));
    parties[4].level = 2;
    assert_int_equal(judge(parties, "w2"), BW_ERR_REFUSED);
}

static void whoever_was_not_heard_is_named_and_needs_the_flag(void **state)
{
    struct bw_level_party parties[COUNT];
    (void)state;
    memcpy(parties, everybody, sizeof parties);
    parties[5].level = 0;
    parties[6].level = 0;

    assert_int_equal(judge(parties, NULL), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "agent dc-b, guard dc-b"));
    assert_non_null(strstr(diag.text, "--skip NAME"));
    assert_int_equal(judge(parties, "w3"), BW_ERR_REFUSED);
    assert_int_equal(judge(parties, "dc-b"), BW_OK);
    assert_int_equal(judge(parties, "dc-x"), BW_ERR_NOT_FOUND);
}

static void each_party_may_be_named_as_one_to_go_without(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(judge(everybody, everybody[i].name), BW_OK);
    assert_int_equal(judge(everybody, "dc-x"), BW_ERR_NOT_FOUND);
}

static void at_the_newest_there_is_nothing_to_raise(void **state)
{
    (void)state;
    assert_int_equal(bw_feature_level_judge(BW_FEATURE_LEVEL_NEWEST, BW_FEATURE_LEVEL_NEWEST,
                                            everybody, COUNT, NULL, 0,
                                            &diag),
                     BW_ERR_EXISTS);
    assert_non_null(strstr(diag.text, "nothing to raise"));
}

static void a_level_that_is_not_known_stops_the_witness(void **state)
{
    (void)state;
    assert_int_equal(bw_feature_level_admit(2, 2, &diag), BW_OK);
    assert_int_equal(bw_feature_level_admit(2, 1, &diag), BW_ERR_VERSION);
    assert_non_null(strstr(diag.text, "newer breakwater"));
}

static void a_cluster_begins_at_its_founders_newest_and_goes_up_by_one(void **state)
{
    struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = 3};
    (void)state;
    world_init(&world, 2);
    assert_int_equal(world.cluster.feature_level, 1);

    assert_string_equal(world_apply(&world, &raise), "-");
    raise.feature_level = 2;
    assert_string_equal(world_apply(&world, &raise), "C3");
    assert_string_equal(world_apply(&world, &raise), "-"); /* said twice */
    assert_int_equal(world.cluster.feature_level, 2);
}

static void a_site_knows_what_the_least_of_its_agents_knows(void **state)
{
    struct bw_site_reports reports = {
        .by_instance = {{.used = true, .feature_level = 2, .guard_level = 3, .received = {100, 100}},
                        {.used = true, .feature_level = 3, .guard_level = 2, .received = {100, 100}},
                        {.used = true, .feature_level = 1, .guard_level = 1, .received = {1, 1}}}};
    uint32_t agent;
    uint32_t guard;
    (void)state;

    bw_feature_level_of_site(&reports, (struct bw_instant){110, 110}, 50, &agent, &guard);
    assert_int_equal(agent, 2);
    assert_int_equal(guard, 2);
    reports.by_instance[1].guard_level = 0; /* its guard is away */
    bw_feature_level_of_site(&reports, (struct bw_instant){110, 110}, 50, &agent, &guard);
    assert_int_equal(guard, 0);
    bw_feature_level_of_site(&reports, (struct bw_instant){149, 149}, 50, &agent, &guard);
    assert_int_equal(agent, 2);
    bw_feature_level_of_site(&reports, (struct bw_instant){150, 149}, 50, &agent, &guard);
    assert_int_equal(agent, 0); /* by the clock that is ahead (design 1) */
    reports.by_instance[0].used = reports.by_instance[1].used = false;
    bw_feature_level_of_site(&reports, (struct bw_instant){110, 110}, 50, &agent, &guard);
    assert_int_equal(agent, 0);
    assert_int_equal(guard, 0);
}

static void a_refusal_says_at_which_level_and_how_many(void **state)
{
    struct bw_level_party parties[COUNT];

    (void)state;
    memcpy(parties, everybody, sizeof parties);
    parties[1].level = 1;
    parties[4].level = 1;
    parties[5].level = 0; /* was not heard, which is not said before the others know enough */
    assert_int_equal(judge(parties, NULL), BW_ERR_REFUSED);
    assert_string_equal(diag.text, "level 2 is unknown to 2 members (witness w2, guard "
                                   "dc-a): upgrade them first");
    parties[1].level = parties[4].level = 2;
    assert_int_equal(judge(parties, NULL), BW_ERR_REFUSED);
    assert_string_equal(diag.text, "1 are not connected, so their feature level is unknown (agent dc-b): bring "
                                   "them back, or, if they are upgraded before they come back, add "
                                   "--skip NAME for each name");
}

/* The refusal names as many as fit, whatever their names are. */
static void names_are_given_as_far_as_they_fit(void **state)
{
    struct bw_level_party parties[COUNT];

    (void)state;
    for (size_t length = 1; length <= BW_NAME_MAX; length++) {
        for (size_t i = 0; i < COUNT; i++) {
            parties[i] = (struct bw_level_party){BW_LEVEL_AGENT, "", 1};
            memset(parties[i].name, 'a', i == 0 ? length : BW_NAME_MAX - 12);
        }

        assert_int_equal(judge(parties, NULL), BW_ERR_REFUSED);
        assert_non_null(strstr(diag.text, "unknown to 7 members"));
        assert_null(strstr(diag.text, ", )"));
    }
}

static void who_knows_less_than_the_level_takes_no_part(void **state)
{
    (void)state;
    assert_true(bw_feature_level_suffices(2, 2));
    assert_true(bw_feature_level_suffices(3, 2));
    assert_false(bw_feature_level_suffices(1, 2));
    assert_true(bw_feature_level_suffices(0, 2)); /* it has not said, or is away */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_raised_once_everybody_knows_the_next),
        cmocka_unit_test(whoever_knows_less_is_named_and_no_flag_helps),
        cmocka_unit_test(whoever_was_not_heard_is_named_and_needs_the_flag),
        cmocka_unit_test(at_the_newest_there_is_nothing_to_raise),
        cmocka_unit_test(a_level_that_is_not_known_stops_the_witness),
        cmocka_unit_test(a_cluster_begins_at_its_founders_newest_and_goes_up_by_one),
        cmocka_unit_test(a_site_knows_what_the_least_of_its_agents_knows),
        cmocka_unit_test(a_refusal_says_at_which_level_and_how_many),
        cmocka_unit_test(names_are_given_as_far_as_they_fit),
        cmocka_unit_test(who_knows_less_than_the_level_takes_no_part),
        cmocka_unit_test(each_party_may_be_named_as_one_to_go_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
