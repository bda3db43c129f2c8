/* arbiter: a site serves under a manual lease (design 3.8): nobody else is granted or gets a first
 * lease, and it alone is adopted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/base/feature_level.h>

#include "core_world.h"

/* dc-a has held epoch 1 and is gone for good; that is over. dc-b overrides and serves. */
static void begin(struct world *world, uint32_t site_count)
{
    world_begin(world, site_count);
    world->sites[A].is_mute = true;
    world_pass_ms(world, world_wait_of_terms_ms(world) + 4000);
    world->sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world->sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(world);
    assert_string_equal(world_act(world), "A3");
    world_sync_all(world);
}

static const char *holder(struct world *world)
{
    return world_group(world)->holder_site;
}

static void the_one_that_overrides_is_adopted_under_a_new_epoch(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    assert_string_equal(world_act(&world), "A31");
    assert_string_equal(holder(&world), "dc-b");
    assert_int_equal(world_group(&world)->epoch, 2);
    assert_true(world_group(&world)->adopting);
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->why_granted, BW_REASON_OVERRIDE);
}

/* I1, 3.4: what serves already no second enforcer has armed. */
static void no_second_enforcer_counts_for_what_it_serves(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[B].report.second = BW_SECOND_IS_SEEN;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
    assert_false(world_group(&world)->terms.second_enforcer);
}

/* 3.8: a person has let it serve, whatever the spec says of it: running or down it is granted. That is one grant; after
 * it the spec holds again. */
static void a_site_that_is_no_candidate_is_granted_where_it_overrides(void **state)
{
    struct world world;

    (void)state;
    for (int is_down = 0; is_down < 2; is_down++) {
        begin(&world, 3);
        world_group(&world)->spec.sites[B].never_candidate = true;
        world.sites[B].report.service = is_down ? BW_SERVICE_STOPPED : BW_SERVICE_STARTED;
        world_sync_all(&world);
        assert_string_equal(world_act(&world), "A31");
        assert_string_equal(holder(&world), "dc-b");
        assert_int_equal(world_group(&world)->adopting, !is_down);

        world.sites[B].report.override = BW_OVERRIDE_NONE;
        world_serve(&world, B);
        if (!is_down)
            assert_string_equal(world_act(&world), "A10");
        world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
        assert_string_equal(world_act(&world), "A1");
        (void)world_decide(&world);
        assert_true(world_holds(&world, "declared", B));
    }
}

/* Whatever it lags, and whatever it owes. */
static void neither_lag_nor_damping_nor_a_rejoin_hold_it(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 2);
    world.sites[B].report.has_readiness = true;
    world.sites[B].report.rejoining = true;
    world.sites[B].report.joined_epoch = 0;
    world_group(&world)->spec.max_failovers_per_window = 1;
    world_group(&world)->spec.min_primary_time_ms = 3600000;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
}

static void down_it_alone_may_be_started(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
    assert_string_equal(holder(&world), "dc-b");
    assert_false(world_group(&world)->adopting);

    begin(&world, 3);
    world.sites[B].report.service = BW_SERVICE_UNKNOWN; /* is never yes */
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
}

/* 4: what it wrote in its override is the newest data, whether or not a start of the epoch has added to it. */
static void what_was_written_in_an_override_stays_the_newest(void **state)
{
    struct world world;

    (void)state;
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        begin(&world, 2);
        world.sites[B].report.service = BW_SERVICE_STOPPED;
        world_sync_all(&world);
        assert_string_equal(world_act(&world), "A31");
        assert_string_equal(holder(&world), "dc-b");
        world.sites[A].is_mute = false;
        world_stop(&world, A);
        world.sites[A].report.epoch_seen = 1;
        world.sites[B].report.override = BW_OVERRIDE_NONE;
        if (is_lost != 0) {
            world.sites[B].is_mute = true;
            world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
            assert_string_equal(world_act(&world), "A3");
            assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_NEVER_STARTED);
        } else {
            world.sites[B].renew_epoch = 2;
            world_sync_all(&world);
            world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
            assert_string_equal(world_act(&world), "A1");
        }
        world_pass_ms(&world, 3000);
        assert_string_equal(world_group(&world)->data_site, "dc-b");
        assert_string_equal(world_decide(&world), "A0");
        assert_true(world_holds(&world, "lag", A));
    }
}

static void nobody_else_is_granted_while_one_overrides(void **state)
{
    static const enum bw_override saying[] = {BW_OVERRIDE_WAITING, BW_OVERRIDE_OVERRIDING,
                                              BW_OVERRIDE_ENDING};
    static const char *const words[] = {"an override waits there", "serves under an override",
                                        "serves under an override"};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof saying / sizeof saying[0]; i++) {
        begin(&world, 3);
        world.sites[B].report.override = saying[i];
        world.sites[B].is_deaf = true; /* so that it is not adopted */
        world_pass_ms(&world, 10000);
        assert_string_equal(world_act(&world), "A0");
        assert_true(world_holds(&world, "claim", C));
        assert_non_null(strstr(world_gate(&world, "claim", C)->word, words[i]));
        assert_true(world_holds(&world, "claim", -1));
    }
    world.sites[B].report.override = BW_OVERRIDE_NONE;
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world_pass_ms(&world, 10000);
    assert_string_equal(world_act(&world), "A9");
}

static void one_that_waits_or_ends_is_not_adopted(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 2);
    world.sites[B].report.override = BW_OVERRIDE_ENDING;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
    assert_true(world_holds(&world, "claim", -1));
}

static void of_two_that_override_nobody_is_granted(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    world.sites[C].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
    assert_true(world_holds(&world, "claim", B));
    assert_non_null(strstr(world_gate(&world, "claim", B)->word, "serves under an override"));
    world.sites[C].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
}

static void beside_another_that_says_started_nobody_is_granted(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
}

static void a_mode_that_asks_still_asks(void **state)
{
    struct bw_diag diag = {0};
    struct world world;

    (void)state;
    begin(&world, 2);
    world_set_mode(&world, BW_MODE_PAUSED);
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
    assert_true(world_holds(&world, "mode", -1));

    begin(&world, 2);
    world_set_mode(&world, BW_MODE_MANUAL);
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0");
    assert_true(world_holds(&world, "approval", -1));
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A31");
}

/* 3.9: then every other site is heard of first. */
static void before_a_first_grant_every_site_has_reported(void **state)
{
    struct world world;

    (void)state;
    begin(&world, 3);
    world_group(&world)->first_grant = true;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A0"); /* dc-a is silent */
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
}

/* What was let go may serve there: down, it is started beside no site that does not know. */
static void unknown_elsewhere_starts_nothing_before_a_first_grant(void **state)
{
    static const enum bw_service others[] = {BW_SERVICE_UNKNOWN, BW_SERVICE_STOPPED};
    struct world world;

    (void)state;
    for (int is_running = 0; is_running < 2; is_running++)
        for (size_t i = 0; i < 2; i++) {
            begin(&world, 2);
            world_group(&world)->first_grant = true;
            world.sites[A].is_mute = false;
            world_stop(&world, A);
            world.sites[A].report.service = others[i];
            world.sites[B].report.service = is_running ? BW_SERVICE_STARTED : BW_SERVICE_STOPPED;
            world_sync_all(&world);
            assert_string_equal(world_act(&world), is_running || i == 1 ? "A31" : "A0");
        }
}

/* 3.2.2, H20: the quorum is back, and a site that was granted before has no lease yet. */
static void a_first_renewal_is_not_confirmed_beside_one_that_overrides(void **state)
{
    struct world world;

    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world_pass_ms(&world, 1000);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(holder(&world), "dc-b");
    world.sites[B].renew_epoch = 2;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_lead_anew(&world);
    assert_false(world_sync(&world, B)); /* its freshness window is not over */
    world_pass_ms(&world, 5000);
    assert_false(world_sync(&world, B));
    world.sites[B].report.armed_epoch = 2; /* one that it has is renewed */
    assert_true(world_sync(&world, B));
    world.sites[B].report.armed_epoch = 0;
    world.sites[A].is_mute = true; /* silence ends nothing */
    world_pass_ms(&world, 60000);
    assert_false(world_sync(&world, B));
    world.sites[A].is_mute = false;
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_true(world_sync(&world, B));
}

/* What serves there is not what its epoch has left: that was over, and seen to be. */
static void what_overrides_at_the_holders_site_holds_no_epoch(void **state)
{
    struct world world;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 4000);
    world.sites[A].is_mute = false;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].report.serving_epoch_started = false;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A3");
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A31");
    assert_string_equal(holder(&world), "dc-a");
}

/* One that overrides is told of a lease elsewhere before anything serves under it (3.8). */
static void one_that_overrides_is_told_of_a_lease_of_another(void **state)
{
    struct world world;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.serving_epoch_started = false;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 1);

    world.sites[A].is_mute = true; /* what was confirmed may be armed, however silent its site is */
    world_pass_ms(&world, world_wait_of_terms_ms(&world) - 4000);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 1);
    world_pass_ms(&world, 8000); /* no lease of it lives: the override began after that */
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
}

/* Whichever of the sites the spec names first. */
static void the_first_site_of_the_spec_is_told_of_it_like_the_others(void **state)
{
    struct world world;
    struct bw_site_spec first;
    struct bw_spec spec;

    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    first = spec.sites[0];
    spec.sites[0] = spec.sites[1];
    spec.sites[1] = first;
    world_begin_with(&world, 2, &spec);
    world.sites[A].report.serving_epoch_started = false;
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 1);
}

static bool may_leave(struct world *world, const struct bw_spec *next)
{
    struct bw_diag diag = {0};

    return bw_witness_refuse_claimed(&world->witness, 0, next, &diag) == BW_OK;
}

/* Nobody would know any more that it may serve; nor does silence end that. */
static void no_definition_leaves_out_a_site_that_overrides(void **state)
{
    struct bw_diag diag = {0};
    struct world world;
    struct bw_spec next;

    (void)state;
    world_begin(&world, 3);
    next = world_group(&world)->spec;
    next.site_count = 2;
    assert_true(may_leave(&world, &next) && may_leave(&world, NULL));
    world.sites[C].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 60000);
    assert_int_equal(bw_witness_refuse_claimed(&world.witness, 0, &next, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "dc-c reported that it overrides harbor"));
    assert_non_null(strstr(diag.text, "breakwater confirm-fenced harbor --site dc-c"));
    assert_false(may_leave(&world, NULL));
    next.site_count = 3;
    assert_true(may_leave(&world, &next));
    next.sites[0] = next.sites[2]; /* another one is left out */
    next.site_count = 2;
    assert_true(may_leave(&world, &next));
    world.sites[C].is_mute = false;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[C].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_false(may_leave(&world, &next));
}

/* 3.9: all that is known of it is that it is one. */
static void what_is_not_told_of_an_override_is_that_it_serves(void **state)
{
    struct world world;

    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.override = (enum bw_override)77; /* of a newer agent, or of nobody's */
    world_sync_all(&world);
    assert_false(may_leave(&world, NULL));
    world.sites[B].report.override = BW_OVERRIDE_NONE;
    world.sites[B].report.service = BW_SERVICE_UNKNOWN; /* no look has seen its end */
    world_sync_all(&world);
    assert_false(may_leave(&world, NULL));
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_true(may_leave(&world, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_that_overrides_is_adopted_under_a_new_epoch),
        cmocka_unit_test(no_second_enforcer_counts_for_what_it_serves),
        cmocka_unit_test(a_site_that_is_no_candidate_is_granted_where_it_overrides),
        cmocka_unit_test(neither_lag_nor_damping_nor_a_rejoin_hold_it),
        cmocka_unit_test(down_it_alone_may_be_started),
        cmocka_unit_test(what_was_written_in_an_override_stays_the_newest),
        cmocka_unit_test(nobody_else_is_granted_while_one_overrides),
        cmocka_unit_test(one_that_waits_or_ends_is_not_adopted),
        cmocka_unit_test(of_two_that_override_nobody_is_granted),
        cmocka_unit_test(beside_another_that_says_started_nobody_is_granted),
        cmocka_unit_test(a_mode_that_asks_still_asks),
        cmocka_unit_test(before_a_first_grant_every_site_has_reported),
        cmocka_unit_test(unknown_elsewhere_starts_nothing_before_a_first_grant),
        cmocka_unit_test(a_first_renewal_is_not_confirmed_beside_one_that_overrides),
        cmocka_unit_test(what_overrides_at_the_holders_site_holds_no_epoch),
        cmocka_unit_test(one_that_overrides_is_told_of_a_lease_of_another),
        cmocka_unit_test(the_first_site_of_the_spec_is_told_of_it_like_the_others),
        cmocka_unit_test(what_is_not_told_of_an_override_is_that_it_serves),
        cmocka_unit_test(no_definition_leaves_out_a_site_that_overrides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
