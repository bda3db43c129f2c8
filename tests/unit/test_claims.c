/* claims: what a site has reported of an override is committed, and an event alone ends it (design 3.8). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/feature_level.h>

#include "core_world.h"

static struct world world;

#define assert_acts(rule) assert_string_equal(world_act(&world), rule)

static void raise_level(void)
{
    while (world.cluster.feature_level < BW_CLAIM_LEVEL)
        (void)world_apply(&world, &(struct bw_command){.kind = BW_COMMAND_RAISE_LEVEL,
                                                       .feature_level = world.cluster.feature_level + 1});
}

/* dc-a has held epoch 1, and its lease is over; it overrides, and its status hangs, so it is not adopted. */
static void begin(enum bw_override override)
{
    world_begin(&world, 2);
    raise_level();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 4000);
    assert_acts("A3");
    world_stop(&world, A);
    world.sites[A].is_mute = false;
    world.sites[A].report.override = override;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[A].report.has_fence_or_stop_succeeded = false;
    world_sync_all(&world);
}

static const struct bw_claim *claim_by(const char *site)
{
    for (uint32_t i = 0; i < world_group(&world)->claim_count; i++) {
        const struct bw_claim *claim = &world_group(&world)->claims[i];

        if (bw_claim_stands(claim) && strcmp(claim->site, site) == 0)
            return claim;
    }
    return NULL;
}

static const struct bw_claim *claim(void)
{
    return claim_by("dc-a");
}

/* Cut off, longer than any window. */
static void cut(void)
{
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 120000);
}

static void assert_held(void)
{
    assert_acts("A0");
    assert_true(world_holds(&world, "claim", B));
    assert_string_equal(world_group(&world)->holder_site, "");
}

static void an_override_is_committed_before_anything_else_is_decided(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    assert_string_equal(claim()->site, "dc-a");
    assert_int_equal(claim()->kind, BW_CLAIM_OVERRIDES);
    assert_true(bw_id_equal(claim()->instance, world.sites[A].instance));
    assert_held();
}

/* The very failure: one freshness window after the cut dc-b was granted. */
static void silence_ends_no_claim(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    cut();
    assert_held();
    world_lead_anew(&world);
    world_pass_ms(&world, 120000);
    assert_held();
    assert_true(world_holds(&world, "claim", -1));
    assert_non_null(strstr(world_gate(&world, "claim", -1)->word, "reported an override, and is not connected"));
}

/* A witness that begins with the state knows it, too. */
static void a_claim_outlives_the_memory_of_all_witnesses(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    world.sites[A].is_mute = true;
    memset(world.watches, 0, sizeof world.watches);
    bw_witness_init(&world.witness, "w1", &world.cluster, world.watches, world.now);
    bw_witness_on_leading(&world.witness, 2, world.now);
    world_pass_ms(&world, 120000);
    assert_held();
}

/* What is not committed yet holds as well, however old it is, and whoever comes to lead commits it. */
static void a_report_that_is_not_committed_holds_like_a_claim(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    cut();
    bw_witness_on_not_leading(&world.witness);
    world_lead_anew(&world);
    assert_string_equal(world_decide(&world), "A36");
    world_watch(&world)->proposing_count = 1;
    assert_string_equal(world_decide(&world), "A0");
    world_watch(&world)->proposing_count = 0;
    assert_acts("A36");
    world_pass_ms(&world, 5000);
    assert_held();
}

/* A fifth session takes the place of the one that reported it. */
static void no_other_session_pushes_it_out(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    for (uint8_t i = 1; i <= 2 * BW_AGENTS_PER_SITE_MAX; i++) {
        world.sites[A].session.bytes[3] = i;
        world.sites[A].instance.bytes[3] = i;
        world.sites[A].report.override = BW_OVERRIDE_NONE;
        world.sites[A].report.service = BW_SERVICE_STOPPED;
        (void)world_sync(&world, A);
    }
    assert_acts("A36");
    assert_non_null(claim());
}

static void paused_and_resumed_it_holds(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    world_set_mode(&world, BW_MODE_PAUSED);
    world_sync_all(&world);
    assert_acts("A36");
    cut();
    world_set_mode(&world, BW_MODE_AUTO);
    world_pass_ms(&world, 5000);
    assert_held();
}

static void a_failover_to_another_site_passes_no_claim(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    cut();
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);
    assert_held();
}

/* ---- the ends ---- */

static void its_site_ends_it_once_the_end_was_seen(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_held(); /* unknown is no end */
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world.sites[A].report.guard_alive = false;
    world_sync_all(&world);
    assert_held(); /* its guard may know of more */
    world.sites[A].report.guard_alive = true;
    world.sites[A].report.fence_failed = true;
    world_sync_all(&world);
    assert_held();
    world.sites[A].report.fence_failed = false;
    world_sync_all(&world);
    assert_acts("A37");
    assert_null(claim());
    world_pass_ms(&world, 3000);
    assert_acts("A9");
}

static void one_that_waits_has_nothing_to_see_the_end_of(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_WAITING);
    assert_acts("A36");
    assert_int_equal(claim()->kind, BW_CLAIM_WAITS);
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_acts("A37");

    begin(BW_OVERRIDE_WAITING);
    assert_acts("A36");
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING; /* it has begun meanwhile */
    world_sync_all(&world);
    assert_acts("A36");
    assert_int_equal(claim()->kind, BW_CLAIM_OVERRIDES);
    assert_int_equal(world_group(&world)->claim_count, 1);
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_held();
}

static void the_first_arm_of_its_adoption_ends_it(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A31");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    assert_non_null(claim()); /* nobody knows whether it has heard of it */
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world_serve(&world, A);
    assert_acts("A37");
    assert_null(claim());
    assert_int_equal(world_group(&world)->claims[0].end, BW_CLAIM_END_ADOPTED);
}

/* Its machine may live on beside the new one. */
static void another_instance_ends_nothing(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    cut();
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[5] ^= 1;
    world.sites[A].session.bytes[5] ^= 1;
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_held();
}

/* An agent that was begun anew counts its syncs anew: what it reports is newer once it has read an answer to what came
 * after the claim. */
static void a_new_session_ends_it_once_it_is_known_to_be_newer(void **state)
{
    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    world.sites[A].session.bytes[5] ^= 1;
    world.sites[A].number = 0;
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world.sites[A].is_deaf = true;
    (void)world_sync(&world, A); /* it may have been sent before what is not committed yet */
    assert_acts("A36");
    world_pass_ms(&world, 10000);
    assert_held();
    world.sites[A].is_deaf = false;
    world_pass_ms(&world, 1000);
    assert_acts("A37");
}

static void an_operator_ends_it_unless_the_site_answers_otherwise(void **state)
{
    const struct bw_wish wish = {.kind = BW_WISH_FORCE_RELEASE, .to = "dc-a", .by = "operator/anna", .text = "switched off"};
    struct bw_wish off = wish;
    struct bw_diag diag = {0};

    (void)state;
    off.holder_is_off = true;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "--service-is-stopped"));
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_set_mode(&world, BW_MODE_PAUSED); /* so that it is not adopted */
    world_sync_all(&world);
    assert_int_equal(bw_witness_ask(&world.witness, 0, &off, world.now, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "two sites would serve"));
    cut();
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_OK);
    world.sites[A].is_mute = false; /* it answers after the operator has spoken */
    world_sync_all(&world);
    assert_acts("A0");
    assert_non_null(claim());
    cut();
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_OK);
    assert_acts("A37");
    assert_string_equal(world.decision.command.by, "operator/anna");
    assert_null(claim());
    world_set_mode(&world, BW_MODE_AUTO);
    world_pass_ms(&world, 3000);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* A copy that another witness has held comes after the end: of the same session it makes no claim again. */
static void an_end_covers_what_its_session_had_sent_before(void **state)
{
    const uint8_t anew = 77;
    struct bw_command again = {.kind = BW_COMMAND_CLAIM, .site = "dc-a", .group = "harbor", .claim = BW_CLAIM_OVERRIDES};
    uint64_t late;

    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    late = world.sites[A].number;
    again.instance = world.sites[A].instance;
    again.session = world.sites[A].session;
    again.sync_number = late;
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_acts("A37");
    assert_string_equal(world_apply(&world, &again), "-"); /* a leader of before had proposed it */
    memset(world_watch(&world)->reports, 0, sizeof world_watch(&world)->reports); /* a witness that has forgotten */
    memset(world_watch(&world)->heard_claims, 0, sizeof world_watch(&world)->heard_claims);
    world.sites[A].number = late - 1;
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    (void)world_sync(&world, A);
    assert_string_not_equal(world_decide(&world), "A36");
    world.sites[A].session.bytes[5] = anew; /* another one is another word */
    (void)world_sync(&world, A);
    assert_acts("A36");
}

/* What a follower has received of it before is covered, too. */
static void an_end_takes_what_is_covered_out_of_memory(void **state)
{
    struct bw_command over = {.kind = BW_COMMAND_CLAIM_OVER, .site = "dc-a", .group = "harbor"};

    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    over.claim_index = claim()->index;
    over.claim_end = BW_CLAIM_END_REPORTED;
    over.session = world.sites[A].session;
    over.sync_number = world.sites[A].number;
    world.sites[A].is_mute = true;
    assert_string_equal(world_apply(&world, &over), "C9");
    assert_string_not_equal(world_decide(&world), "A36");
    assert_false(world_holds(&world, "claim", B));
    assert_string_equal(world_apply(&world, &over), "-");
}

/* ---- the list ---- */

static struct bw_command claim_of(uint8_t number)
{
    struct bw_command command = {.kind = BW_COMMAND_CLAIM, .group = "harbor", .sync_number = 1, .claim = BW_CLAIM_OVERRIDES};

    (void)snprintf(command.site, sizeof command.site, "dc-%u", number);
    command.instance.bytes[0] = number;
    command.session.bytes[0] = number;
    return command;
}

static void more_claims_than_are_kept_hold_until_each_is_over(void **state)
{
    struct bw_command over = {.kind = BW_COMMAND_CLAIM_OVER, .group = "harbor", .claim_end = BW_CLAIM_END_OPERATOR};
    struct bw_command command;

    (void)state;
    world_begin(&world, 2);
    raise_level();
    for (uint8_t i = 1; i <= BW_CLAIMS_MAX + 1; i++) {
        command = claim_of(i);
        assert_string_equal(world_apply(&world, &command), "C8");
        assert_string_equal(world_apply(&world, &command), "-"); /* said twice it is one */
    }
    assert_true(world_group(&world)->has_more_claims);
    for (uint8_t i = 1; i <= BW_CLAIMS_MAX; i++) {
        assert_true(world_group(&world)->has_more_claims);
        (void)snprintf(over.site, sizeof over.site, "dc-%u", i);
        assert_string_equal(world_apply(&world, &over), "C9");
    }
    assert_false(world_group(&world)->has_more_claims);
    command = claim_of(BW_CLAIMS_MAX + 1); /* one that is over makes room */
    assert_string_equal(world_apply(&world, &command), "C8");
    assert_int_equal(world_group(&world)->claim_count, BW_CLAIMS_MAX);
    assert_non_null(claim_by(command.site));
}

static void below_its_level_no_claim_is_taken(void **state)
{
    const struct bw_command command = claim_of(1);

    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_CLAIM_LEVEL - 1;
    assert_string_equal(world_apply(&world, &command), "-");
}

static void no_command_lets_go_of_a_site_with_a_claim(void **state)
{
    const struct bw_command observe = {.kind = BW_COMMAND_SET_MODE, .group = "harbor", .mode = BW_MODE_OBSERVE};
    const struct bw_command paused = {.kind = BW_COMMAND_SET_MODE, .group = "harbor", .mode = BW_MODE_PAUSED};
    const struct bw_command gone = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    struct bw_command spec = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};

    (void)state;
    begin(BW_OVERRIDE_OVERRIDING);
    assert_acts("A36");
    spec.spec = world_group(&world)->spec;
    spec.spec.sites[0] = spec.spec.sites[1];
    spec.spec.site_count = 1;
    assert_string_equal(world_apply(&world, &spec), "-");
    assert_string_equal(world_apply(&world, &observe), "-");
    assert_string_equal(world_apply(&world, &gone), "-");
    assert_string_equal(world_apply(&world, &paused), "G24");
}

/* A move would stop the service for a Grant that is held. */
static void no_move_to_another_site_begins_beside_a_claim(void **state)
{
    struct bw_diag diag = {0};
    struct bw_command command = claim_of(1);

    (void)state;
    world_begin(&world, 2);
    raise_level();
    (void)snprintf(command.site, sizeof command.site, "dc-a");
    assert_string_equal(world_apply(&world, &command), "C8");
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "dc-a: the site serves under an override (site_overrides)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_override_is_committed_before_anything_else_is_decided),
        cmocka_unit_test(silence_ends_no_claim),
        cmocka_unit_test(a_claim_outlives_the_memory_of_all_witnesses),
        cmocka_unit_test(a_report_that_is_not_committed_holds_like_a_claim),
        cmocka_unit_test(no_other_session_pushes_it_out),
        cmocka_unit_test(paused_and_resumed_it_holds),
        cmocka_unit_test(a_failover_to_another_site_passes_no_claim),
        cmocka_unit_test(its_site_ends_it_once_the_end_was_seen),
        cmocka_unit_test(one_that_waits_has_nothing_to_see_the_end_of),
        cmocka_unit_test(the_first_arm_of_its_adoption_ends_it),
        cmocka_unit_test(another_instance_ends_nothing),
        cmocka_unit_test(a_new_session_ends_it_once_it_is_known_to_be_newer),
        cmocka_unit_test(an_operator_ends_it_unless_the_site_answers_otherwise),
        cmocka_unit_test(an_end_covers_what_its_session_had_sent_before),
        cmocka_unit_test(an_end_takes_what_is_covered_out_of_memory),
        cmocka_unit_test(more_claims_than_are_kept_hold_until_each_is_over),
        cmocka_unit_test(below_its_level_no_claim_is_taken),
        cmocka_unit_test(no_command_lets_go_of_a_site_with_a_claim),
        cmocka_unit_test(no_move_to_another_site_begins_beside_a_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
