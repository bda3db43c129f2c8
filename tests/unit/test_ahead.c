/* ahead: a site names a decision that the log lacks, so one was lost: nobody is granted before an operator (design 3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/counters.h>
#include <breakwater/core/trouble.h>

#include "core_world.h"

#define LOST 2 /* the epoch that was granted, and that no witness knows any more */

static struct world world;

#define assert_acts(rule) assert_string_equal(world_act(&world), rule)

static void raise_level(void)
{
    while (world.cluster.feature_level < BW_AHEAD_LEVEL)
        (void)world_apply(&world, &(struct bw_command){.kind = BW_COMMAND_RAISE_LEVEL,
                                                       .feature_level = world.cluster.feature_level + 1});
}

/* dc-a has held epoch 1, is silent, and its lease is over; dc-b alone is connected. */
static void begin(void)
{
    world_begin(&world, 2);
    raise_level();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 4000);
    assert_acts("A3");
    world_sync_all(&world);
}

static void name_epoch(int site, uint64_t epoch)
{
    world.sites[site].report.told_epoch = epoch;
    world_sync_all(&world);
}

static const struct bw_claim *claim(void)
{
    return world_group(&world)->claim_count > 0 ? &world_group(&world)->claims[0] : NULL;
}

static void assert_held(void)
{
    assert_acts("A0");
    assert_true(world_holds(&world, "claim", B));
    assert_string_equal(world_group(&world)->holder_site, "");
}

/* The very failure: dc-b was granted epoch 2, which dc-a might have been before, for an hour. dc-b itself is held, too. */
static void nobody_is_granted_once_a_site_names_what_the_log_lacks(void **state)
{
    (void)state;
    begin();
    name_epoch(B, LOST);
    assert_acts("A36");
    assert_int_equal(claim()->kind, BW_CLAIM_AHEAD);
    assert_string_equal(claim()->site, "dc-b");
    assert_int_equal(claim()->named_epoch, LOST);
    assert_held();
    assert_int_equal(world_gate(&world, "claim", B)->id, BW_GATE_ID_CLAIM_AHEAD);
}

static void what_the_log_has_is_no_claim(void **state)
{
    (void)state;
    begin();
    world.sites[B].report.told_index = world_group(&world)->changed_index;
    name_epoch(B, world_group(&world)->epoch);
    assert_acts("A9");
}

/* An order without an epoch of its own: a spec, a mode. */
static void an_index_is_named_likewise(void **state)
{
    (void)state;
    begin();
    world.sites[B].report.told_index = world_group(&world)->changed_index + 1;
    world_sync_all(&world);
    assert_acts("A36");
    assert_held();
}

/* What a guard has armed, and what a site has carried out, its agent may have forgotten. */
static void guard_and_let_go_name_it_too(void **state)
{
    (void)state;
    begin();
    world.sites[B].report.epoch_seen = LOST;
    world_sync_all(&world);
    assert_acts("A36");
    begin();
    world.sites[B].report.let_go_index = world_group(&world)->changed_index + 1;
    world_sync_all(&world);
    assert_acts("A36");
}

static void neither_silence_nor_a_later_report_ends_it(void **state)
{
    (void)state;
    begin();
    name_epoch(B, LOST);
    assert_acts("A36");
    world.sites[B].session.bytes[3] = 9; /* it has forgotten all: made anew */
    world.sites[B].instance.bytes[3] = 9;
    name_epoch(B, 0);
    world_pass_ms(&world, 120000);
    assert_held();
    memset(world.watches, 0, sizeof world.watches); /* and so has this witness */
    bw_witness_init(&world.witness, "w1", &world.cluster, world.watches, world.now);
    bw_witness_on_leading(&world.witness, 2, world.now);
    world_pass_ms(&world, 120000);
    assert_held();
}

/* A report of that session that ends what it overrode says nothing of what was lost. */
static void an_end_of_a_manual_lease_does_not_end_it(void **state)
{
    (void)state;
    begin();
    name_epoch(B, LOST);
    assert_acts("A36");
    name_epoch(B, 0);
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_acts("A36");
    world.sites[B].report.override = BW_OVERRIDE_NONE;
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    assert_acts("A37");
    assert_held();
}

/* Whoever comes to lead commits it, and holds until then, however old the report is. */
static void a_report_that_is_not_committed_holds_like_a_claim(void **state)
{
    (void)state;
    begin();
    name_epoch(B, LOST);
    world.sites[B].is_mute = true;
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world_pass_ms(&world, 60000);
    world_lead_anew(&world);
    world_pass_ms(&world, 60000);
    world_watch(&world)->proposing_count = 1;
    assert_string_equal(world_decide(&world), "A0");
    world_watch(&world)->proposing_count = 0;
    assert_acts("A36");
    assert_acts("A0");
    assert_true(world_holds(&world, "claim", A));
}

/* dc-b syncs once, and no barrier is applied since. */
static uint64_t sync_unproved(void)
{
    struct world_site *b = &world.sites[B];
    struct bw_sync_group group = {.name = "harbor", .report = b->report};
    const struct bw_sync sync = {.cluster_id = world.cluster.id,
                                 .generation = world.cluster.generation,
                                 .site = "dc-b",
                                 .instance = b->instance,
                                 .session = b->session,
                                 .boot_id = b->boot_id,
                                 .number = ++b->number,
                                 .group_count = 1,
                                 .groups = &group};

    return bw_witness_on_sync(&world.witness, &sync, 0, world.now);
}

/* 3.2.2: a follower has told it of an entry that this leader has not applied yet. */
static void it_is_judged_after_a_barrier_that_came_later(void **state)
{
    uint64_t proof;

    (void)state;
    begin();
    world.sites[B].report.told_epoch = LOST;
    proof = sync_unproved();
    assert_int_not_equal(proof, 0);
    assert_held();
    world_wait_ms(&world, 1000);
    (void)sync_unproved(); /* a later report asks for no later proof */
    assert_held();
    bw_witness_on_proof(&world.witness, bw_proof_on_submitted(&world.witness.proof));
    assert_acts("A36");
}

/* 3.2.2: an epoch that is not armed waits, one that is armed goes on: no later one was granted beside it. */
static void no_first_renewal_is_confirmed_and_armed_ones_are(void **state)
{
    (void)state;
    begin();
    assert_acts("A9");
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    name_epoch(A, LOST + 1);
    assert_acts("A36");
    world.sites[B].renew_epoch = world_group(&world)->epoch;
    assert_false(world_sync(&world, B));
    world.sites[B].report.armed_epoch = world_group(&world)->epoch;
    assert_true(world_sync(&world, B));
}

/* A stolen key has said it: the next grant is above what was named, and the same report makes no claim again. */
static void an_operator_ends_it_and_the_next_epoch_is_above_it(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    begin();
    name_epoch(B, 40);
    assert_acts("A36");
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-b", false, &diag), BW_OK);
    assert_acts("A37");
    assert_int_equal(claim()->end, BW_CLAIM_END_OPERATOR);
    world_sync_all(&world);
    assert_acts("A9");
    assert_int_equal(world_group(&world)->epoch, 41);
}

static void not_while_the_site_serves(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    begin();
    world.sites[B].report.service = BW_SERVICE_STARTED;
    name_epoch(B, LOST);
    assert_acts("A36");
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "If its report is true"));
}

/* No witness of this generation can have told it: a stolen key of an agent holds nobody by it. */
static void what_no_witness_can_have_told_is_made_up(void **state)
{
    (void)state;
    begin();
    world.sites[B].report.told_index = bw_counter_index_last(world.cluster.generation) + 1;
    name_epoch(B, bw_counter_epoch_last(world.cluster.generation) + 1);
    assert_acts("A9");
}

static void a_recovery_ends_it(void **state)
{
    (void)state;
    begin();
    name_epoch(B, LOST);
    assert_acts("A36");
    bw_group_recover(world_group(&world), ++world.index, 1000000, 15000, 0);
    assert_int_equal(world_group(&world)->claim_count, 0);
}

static void its_alarm_names_the_site(void **state)
{
    struct bw_troubles troubles;
    const struct bw_trouble_facts facts = {0};

    (void)state;
    begin();
    name_epoch(B, LOST);
    bw_troubles_of_group(world_group(&world), world_watch(&world), &world.witness.leadership, &facts, world.now, &troubles);
    for (uint32_t i = 0; i < troubles.count; i++)
        assert_int_equal(troubles.list[i].bits >> BW_TROUBLE_DECISIONS_LOST & 1,
                         strcmp(troubles.list[i].subject, "dc-b") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_granted_once_a_site_names_what_the_log_lacks),
        cmocka_unit_test(what_the_log_has_is_no_claim),
        cmocka_unit_test(an_index_is_named_likewise),
        cmocka_unit_test(guard_and_let_go_name_it_too),
        cmocka_unit_test(neither_silence_nor_a_later_report_ends_it),
        cmocka_unit_test(an_end_of_a_manual_lease_does_not_end_it),
        cmocka_unit_test(a_report_that_is_not_committed_holds_like_a_claim),
        cmocka_unit_test(it_is_judged_after_a_barrier_that_came_later),
        cmocka_unit_test(no_first_renewal_is_confirmed_and_armed_ones_are),
        cmocka_unit_test(an_operator_ends_it_and_the_next_epoch_is_above_it),
        cmocka_unit_test(not_while_the_site_serves),
        cmocka_unit_test(what_no_witness_can_have_told_is_made_up),
        cmocka_unit_test(a_recovery_ends_it),
        cmocka_unit_test(its_alarm_names_the_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
