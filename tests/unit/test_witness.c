/* witness: who may be told that a lease goes on, and what a term forgets (design 3.2.2, 3.3, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

static struct bw_sync_group sync_group;
static struct bw_sync sync_from(int site, uint64_t renew_epoch)
{
    static const char *const names[] = {"dc-a", "dc-b", "dc-c"};
    struct bw_sync sync = {.cluster_id = world.cluster.id,
                           .generation = world.cluster.generation,
                           .instance = world.sites[site].instance,
                           .session = world.sites[site].session,
                           .boot_id = world.sites[site].boot_id,
                           .number = ++world.sites[site].number,
                           .group_count = 1,
                           .groups = &sync_group};

    sync_group = (struct bw_sync_group){.renew_epoch = renew_epoch,
                                        .report = world.sites[site].report};
    (void)strcpy(sync_group.name, "harbor");
    (void)strcpy(sync.site, names[site]);
    return sync;
}

/* Renews at `received`, proved by a barrier submitted after it. */
static bool confirm(struct bw_sync *sync, struct bw_instant received)
{
    uint64_t proof = bw_witness_on_sync(&world.witness, sync, 0, received);

    if (proof == 0)
        return false;
    bw_witness_on_proof(&world.witness, bw_proof_on_submitted(&world.witness.proof));
    return bw_witness_confirm(&world.witness, sync, &sync_group, 0, proof, received, world.now);
}

/* 3.2.2: the state at the barrier names epoch, site and instance. */
static void only_the_holder_of_the_open_epoch_is_confirmed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    uint64_t epoch = world_group(&world)->epoch;
    struct bw_sync good = sync_from(A, epoch);
    assert_true(confirm(&good, world.now));

    struct bw_sync other_epoch = sync_from(A, epoch + 1);
    assert_false(confirm(&other_epoch, world.now));
    struct bw_sync older_epoch = sync_from(A, epoch - 1);
    assert_false(confirm(&older_epoch, world.now));
    struct bw_sync other_site = sync_from(B, epoch);
    other_site.instance = good.instance; /* neither names a site: the certificate does */
    other_site.boot_id = good.boot_id;
    assert_false(confirm(&other_site, world.now));
    struct bw_sync other_instance = sync_from(A, epoch);
    other_instance.instance.bytes[0] = 99;
    assert_false(confirm(&other_instance, world.now));
    struct bw_sync_group unknown = sync_group;
    (void)strcpy(unknown.name, "nobody-has-it");
    assert_false(bw_witness_confirm(&world.witness, &good, &unknown, 0, 1, world.now, world.now));
}

/* 3.2.2, model lease.pml: the barrier was submitted after the renewal was received. */
static void a_renewal_without_its_barrier_is_not_confirmed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct bw_sync sync = sync_from(A, world_group(&world)->epoch);

    uint64_t proof = bw_witness_on_sync(&world.witness, &sync, 0, world.now);

    assert_true(proof > 0);
    assert_false(
        bw_witness_confirm(&world.witness, &sync, &sync_group, 0, proof, world.now, world.now));
    assert_false(
        bw_witness_confirm(&world.witness, &sync, &sync_group, 0, 0, world.now, world.now));
}

static void a_follower_neither_asks_for_a_barrier_nor_confirms(void **state)
{
    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    struct bw_sync sync = sync_from(A, world_group(&world)->epoch);

    assert_int_equal(bw_witness_on_sync(&world.witness, &sync, 0, world.now), 0);
    assert_false(
        bw_witness_confirm(&world.witness, &sync, &sync_group, 0, 1, world.now, world.now));
    assert_string_equal(world_decide(&world), "A0");
}

/* 3.3: from the moment that it proposes the end, the leader refuses renewals of the epoch. */
static void a_proposed_end_refuses_renewals(void **state)
{
    static const enum bw_command_kind ends[] = {BW_COMMAND_EXPIRED, BW_COMMAND_CLOSE};
    struct bw_proposal proposal;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world_begin(&world, 2);
        struct bw_command end = {.kind = ends[i], .epoch = world_group(&world)->epoch};
        struct bw_sync before = sync_from(A, end.epoch);
        assert_true(confirm(&before, world.now));

        (void)strcpy(end.group, "harbor");

        bw_witness_on_proposing(&world.witness, &end, &proposal);
        assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, NULL),
                         BW_PROPOSAL_RETRY);

        struct bw_sync after = sync_from(A, end.epoch);
        assert_false(confirm(&after, world.now));
    }
}

static void a_closing_epoch_is_not_confirmed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct bw_command close = {.kind = BW_COMMAND_CLOSE, .epoch = world_group(&world)->epoch};
    (void)strcpy(close.group, "harbor");
    assert_string_equal(world_apply(&world, &close), "G10");

    struct bw_sync sync = sync_from(A, close.epoch);

    assert_false(confirm(&sync, world.now));
}

/* 3.2.2, H20: a new leader hears everybody before a start can begin; what is armed goes on. */
static void a_first_renewal_waits_for_the_freshness_window_of_a_new_leader(void **state)
{
    (void)state;
    world_begin(&world, 2);
    uint64_t epoch = world_group(&world)->epoch;
    world_lead_anew(&world);
    world.sites[A].report.armed_epoch = 0;
    struct bw_sync first = sync_from(A, epoch);
    assert_false(confirm(&first, world.now));

    world_wait_ms(&world, 2999);
    struct bw_sync early = sync_from(A, epoch);
    assert_false(confirm(&early, world.now));
    world_wait_ms(&world, 1);
    struct bw_sync late = sync_from(A, epoch);
    assert_true(confirm(&late, world.now));

    world_lead_anew(&world);
    world.sites[A].report.armed_epoch = epoch;
    struct bw_sync armed = sync_from(A, epoch);
    assert_true(confirm(&armed, world.now));
}

/* 3.3: nothing of an earlier term counts. */
static void a_new_term_forgets_confirmations_proposals_and_wishes(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct bw_command end = {.kind = BW_COMMAND_CLOSE, .epoch = world_group(&world)->epoch};
    struct bw_proposal proposal;
    (void)strcpy(end.group, "harbor");
    bw_witness_on_proposing(&world.witness, &end, &proposal);
    assert_int_equal(world_watch(&world)->ended_epoch, end.epoch);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_int_not_equal(world_watch(&world)->confirmed_epoch, 0);

    world_wait_ms(&world, 1);
    world_lead_anew(&world);

    const struct bw_watch *watch = world_watch(&world);
    assert_int_equal(watch->confirmed_epoch, 0);
    assert_int_equal(watch->last_confirmed.boot_ns, 0);
    assert_int_not_equal(watch->served_contact.boot_ns, 0); /* it was heard, whoever led */
    assert_int_equal(watch->ended_epoch, 0);
    assert_int_equal(watch->proposing_count, 0);
    assert_int_equal(watch->wish.kind, BW_WISH_NONE);
    assert_int_equal(world.witness.leadership.leader_since.boot_ns, world.now.boot_ns);
}

/* Nobody needs to have told it that its last term was over. */
static void a_term_right_after_its_own_forgets_as_much(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_not_equal(world_watch(&world)->confirmed_epoch, 0);

    bw_witness_on_leading(&world.witness, world.witness.leadership.term + 1, world.now);

    assert_int_equal(world_watch(&world)->confirmed_epoch, 0);
    assert_int_equal(world_watch(&world)->last_confirmed.boot_ns, 0);
}

/* Past the policy once, and no more: the next grant is the arbiter's own. */
static void a_wish_is_over_with_the_grant_that_answers_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, NULL), BW_OK);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_FAILOVER);

    (void)world_act(&world);

    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static void a_wish_is_over_with_the_move_that_was_given_up(void **state)
{
    struct bw_command back = {.kind = BW_COMMAND_UNREVOKE, .group = "harbor"};
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    (void)world_act(&world);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);
    back.epoch = world_group(&world)->epoch;
    back.spec_version = world_group(&world)->spec_version;

    assert_string_not_equal(world_apply(&world, &back), "-");

    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static void a_renewal_received_before_this_term_is_not_confirmed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct bw_sync sync = sync_from(A, world_group(&world)->epoch);
    struct bw_instant received = world.now;
    uint64_t proof = bw_witness_on_sync(&world.witness, &sync, 0, received);
    world_wait_ms(&world, 10);
    world_lead_anew(&world);
    for (uint64_t i = 0; i < proof; i++) {
        (void)bw_proof_want(&world.witness.proof);
        bw_witness_on_proof(&world.witness, bw_proof_on_submitted(&world.witness.proof));
    }

    assert_false(
        bw_witness_confirm(&world.witness, &sync, &sync_group, 0, proof, received, world.now));
}

static void a_sync_that_was_overtaken_replaces_nothing(void **state)
{
    (void)state;
    world_init(&world, 2);
    struct bw_sync old = sync_from(B, 0);
    old.number = 1;
    sync_group.report.service = BW_SERVICE_STARTED;

    (void)bw_witness_on_sync(&world.witness, &old, 0, world.now);

    assert_int_equal(bw_site_reports_newest(&world_watch(&world)->reports[B])->report.service,
                     BW_SERVICE_STOPPED);
}

/* An agent whose site is in no spec has a certificate all the same: what it says goes nowhere. */
static void a_site_beyond_the_spec_changes_nothing(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_sync_all(&world);
    struct bw_sync sync = sync_from(B, 0);
    sync.number += 100;
    (void)memcpy(sync.site, "elsewhere", sizeof "elsewhere");
    sync_group.report.service = BW_SERVICE_STARTED;
    const struct bw_watch before = *world_watch(&world);

    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);

    assert_memory_equal(&before, world_watch(&world), sizeof before);
}

static void another_cluster_or_a_newer_generation_is_not_listened_to(void **state)
{
    (void)state;
    world_begin(&world, 2);
    struct bw_sync sync = sync_from(A, world_group(&world)->epoch);
    sync.cluster_id.bytes[3] = 9;
    assert_int_equal(bw_witness_on_sync(&world.witness, &sync, 0, world.now), 0);

    sync = sync_from(A, world_group(&world)->epoch);
    sync.generation = world.cluster.generation + 1;
    assert_int_equal(bw_witness_on_sync(&world.witness, &sync, 0, world.now), 0);
}

static void reports_follow_their_site_when_the_spec_moves_it(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.sites[C].report.lag_ms = 777;
    world_sync_all(&world);
    struct bw_spec spec = world_group(&world)->spec;
    struct bw_site_spec moved = spec.sites[0];
    spec.sites[0] = spec.sites[2];
    spec.sites[2] = moved;

    world_set_spec(&world, &spec, "");

    assert_int_equal(bw_site_reports_newest(&world_watch(&world)->reports[0])->report.lag_ms, 777);
    assert_true(bw_id_equal(bw_site_reports_newest(&world_watch(&world)->reports[2])->instance,
                            world.sites[A].instance));
}

/* Whatever is remembered of a site by its place in the spec is of its name. */
static void all_that_is_kept_of_a_site_moves_with_its_name(void **state)
{
    struct bw_watch *watch = world_watch(&world);
    struct bw_site_spec first;
    struct bw_spec spec;

    (void)state;
    world_init(&world, 3);
    for (uint64_t site = 0; site < 3; site++) {
        const struct bw_instant at = {site + 1, site + 1};

        watch->connected_since[site] = watch->two_way_since[site] = at;
        watch->behind[site].at = watch->maintenance_applied[site] = at;
        watch->lag[site].lag_ms = site + 1;
        watch->rates[site].closed_count = (uint32_t)site + 1;
    }
    spec = world_group(&world)->spec;
    first = spec.sites[0];
    spec.sites[0] = spec.sites[2];
    spec.sites[2] = first;

    world_set_spec(&world, &spec, "");

    for (uint64_t site = 0; site < 3; site++) {
        const uint64_t before = 3 - site;

        assert_int_equal(watch->connected_since[site].boot_ns, before);
        assert_int_equal(watch->two_way_since[site].boot_ns, before);
        assert_int_equal(watch->behind[site].at.boot_ns, before);
        assert_int_equal(watch->maintenance_applied[site].boot_ns, before);
        assert_int_equal(watch->lag[site].lag_ms, before);
        assert_int_equal(watch->rates[site].closed_count, before);
        assert_string_equal(watch->sites[site], spec.sites[site].name);
    }
}

/* 3.1: counted from the own apply, after a restart from its start: longer, never shorter. */
static void restored_durations_count_from_now(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_wait_ms(&world, 5000);

    bw_witness_on_restored(&world.witness, world.now);

    assert_int_equal(world_watch(&world)->grant_applied.boot_ns, world.now.boot_ns);
    assert_int_equal(world_watch(&world)->phase_applied.boot_ns, world.now.boot_ns);
    assert_int_equal(world_watch(&world)->grants[0].applied.boot_ns, world.now.boot_ns);
    assert_int_equal(world_watch(&world)->grants[0].epoch, world_group(&world)->epoch);
    assert_int_equal(world_watch(&world)->grants[0].ended.boot_ns, 0); /* it is open */
    assert_int_equal(world_watch(&world)->group_maintenance_applied.boot_ns, world.now.boot_ns);
    assert_int_equal(world_watch(&world)->let_go_applied.boot_ns, world.now.boot_ns);
    for (int site = 0; site < BW_SITES_MAX; site++)
        assert_int_equal(world_watch(&world)->maintenance_applied[site].boot_ns, world.now.boot_ns);
    assert_int_equal(world_watch(&world)->data_before_epoch, 0); /* nobody here has seen it granted */
    assert_int_equal(world.witness.deleted_applied.boot_ns, world.now.boot_ns);
}

static void a_proposal_on_its_way_keeps_everything_else_back(void **state)
{
    struct bw_proposal proposal;
    (void)state;
    world_init(&world, 2);
    assert_string_equal(world_decide(&world), "A6");

    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);

    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "proposing", -1));
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, NULL), BW_PROPOSAL_RETRY);
    assert_string_equal(world_decide(&world), "A6");
}

static void the_fate_of_a_proposal_counts_in_its_own_term_only(void **state)
{
    struct bw_applied did = {0}, did_not = {.err = BW_ERR_STALE};
    struct bw_proposal old, new, of_no_group;
    struct bw_command found = {.kind = BW_COMMAND_FOUND};
    (void)state;
    world_begin(&world, 2);
    struct bw_command command = {.kind = BW_COMMAND_MAINTENANCE, .group = "harbor"};
    (void)world_apply(&world, &command);
    did = world.applied;
    assert_non_null(did.rule);
    bw_witness_on_proposing(&world.witness, &command, &old);
    world_lead_anew(&world);
    bw_witness_on_proposing(&world.witness, &command, &new);

    assert_int_equal(bw_witness_on_proposed(&world.witness, &old, &did), BW_PROPOSAL_NOTHING);
    assert_int_equal(world_watch(&world)->proposing_count, 1);
    assert_int_equal(bw_witness_on_proposed(&world.witness, &new, &did), BW_PROPOSAL_GO_ON);
    assert_int_equal(world_watch(&world)->proposing_count, 0);

    bw_witness_on_proposing(&world.witness, &command, &new);
    assert_int_equal(bw_witness_on_proposed(&world.witness, &new, &did_not), BW_PROPOSAL_RETRY);

    bw_witness_on_proposing(&world.witness, &found, &of_no_group);
    assert_int_equal(bw_witness_on_proposed(&world.witness, &of_no_group, &did),
                     BW_PROPOSAL_GO_ON);
    assert_int_equal(bw_witness_on_proposed(&world.witness, &of_no_group, NULL),
                     BW_PROPOSAL_NOTHING);
}

static void a_failover_with_a_live_holder_answers_use_switchover(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_ERR_REFUSED);

    assert_non_null(strstr(diag.text, "use switchover"));
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static void a_switchover_is_refused_where_it_cannot_begin(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_init(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "use failover"));

    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-a", false, &diag), BW_ERR_EXISTS);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "", false, &diag), BW_ERR_INVALID);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-x", false, &diag), BW_ERR_NOT_FOUND);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_non_null(strstr(diag.text, "dc-b: not ready"));
    world_set_mode(&world, BW_MODE_PAUSED);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    bw_witness_on_not_leading(&world.witness);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag),
                     BW_ERR_NOT_LEADER);
}

static void lease_left_counts_from_the_last_confirmed_renewal(void **state)
{
    (void)state;
    world_begin(&world, 2);
    (void)world_sync(&world, A);

    assert_int_equal(bw_witness_lease_left_ms(&world.witness, 0, world.now), 15000);
    world_wait_ms(&world, 4000);
    assert_int_equal(bw_witness_lease_left_ms(&world.witness, 0, world.now), 11000);
    world_wait_ms(&world, 12000);
    assert_int_equal(bw_witness_lease_left_ms(&world.witness, 0, world.now), 0);
    world_lead_anew(&world);
    assert_int_equal(bw_witness_lease_left_ms(&world.witness, 0, world.now), 0);
}

/* 4: a rejoin destroys data, so another site's newer epoch is verified serving first. */
static void another_site_serves_only_by_its_own_fresh_verified_report(void **state)
{
    (void)state;
    world_begin(&world, 2);
    uint64_t epoch = world_group(&world)->epoch;
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), epoch);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-a", world.now), 0);

    world.sites[A].report.verified = false;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
    world.sites[A].report.verified = true;
    world.sites[A].report.serving_epoch_started = false;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
    world.sites[A].report.serving_epoch_started = true;
    world.sites[A].report.armed_epoch = epoch - 1; /* what serves there is an older epoch's */
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
    world.sites[A].report.armed_epoch = epoch;
    world_sync_all(&world);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), epoch);
    world_wait_ms(&world, 3001);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
}

/* Of the instance that was granted, whoever asks; where nobody holds it nobody serves by it. */
static void another_site_serves_by_the_instance_that_holds_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-new", world.now),
                     world_group(&world)->epoch); /* which the spec does not have yet */
    world_group(&world)->holder_instance.bytes[1] ^= 1;
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);

    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_int_equal(bw_witness_other_serves(&world.witness, 0, "dc-b", world.now), 0);
}

/* 3.1: what a witness that leads no more had proposed is another's to settle. */
static void a_proposal_of_who_leads_no_more_is_not_tried_again(void **state)
{
    struct bw_proposal proposal;

    (void)state;
    world_init(&world, 2);
    assert_string_equal(world_decide(&world), "A6");
    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);
    bw_witness_on_not_leading(&world.witness);

    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, NULL),
                     BW_PROPOSAL_NOTHING);
}

static void a_group_of_one_letter_is_decided_about(void **state)
{
    (void)state;
    world_init(&world, 2);
    (void)strcpy(world_group(&world)->spec.name, "h");

    assert_string_equal(world_decide(&world), "A6");
}

/* 4: a site that serves and does not say that it was verified has no data that others may follow. */
static void only_a_report_that_says_verified_verifies_its_epoch(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_watch(&world)->verified_epoch = 0;
    world.sites[A].report.verified = false;
    world_sync_all(&world);
    assert_int_equal(world_watch(&world)->verified_epoch, 0);

    world.sites[A].report.verified = true;
    world_sync_all(&world);
    assert_int_equal(world_watch(&world)->verified_epoch, world_group(&world)->epoch);
}

/* H17: the wait for who was let go counts from that, whatever is committed after it. */
static void the_wait_for_who_was_let_go_does_not_begin_again(void **state)
{
    struct bw_command maintenance = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 1000};
    struct bw_instant let_go;

    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    let_go = world_watch(&world)->let_go_applied;
    assert_int_equal(let_go.boot_ns, world.now.boot_ns);
    world_wait_ms(&world, 5000);
    assert_string_not_equal(world_apply(&world, &maintenance), "-");

    assert_int_equal(world_watch(&world)->let_go_applied.boot_ns, let_go.boot_ns);
}

/* 3.1: durations are replicated, and instants are each witness's own. */
static void a_restored_group_counts_its_maintenance_from_then_on(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_wait_ms(&world, 5000);
    memset(world_watch(&world), 0, sizeof(struct bw_watch));
    bw_witness_on_restored(&world.witness, world.now);

    assert_int_equal(world_watch(&world)->group_maintenance_applied.boot_ns, world.now.boot_ns);
    for (size_t site = 0; site < BW_SITES_MAX; site++)
        assert_int_equal(world_watch(&world)->maintenance_applied[site].boot_ns,
                         world.now.boot_ns);
}

/* 3.3: the wait for an epoch counts from renewals of that one; those of another bound nothing of
 * it. */
static void a_renewal_of_another_epoch_is_no_base_of_this_one(void **state)
{
    struct bw_watch *watch = &world.watches[0];
    uint64_t left_ns;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 3000);
    left_ns = bw_arbiter_lease_may_live_ns(world_group(&world), watch, &world.witness.leadership,
                                           world.now);
    assert_true(left_ns > 0);
    watch->confirmed_epoch++;
    watch->last_confirmed = world.now;

    assert_true(bw_arbiter_lease_may_live_ns(world_group(&world), watch, &world.witness.leadership,
                                             world.now) < left_ns);
}

/* A command that founds a group is proposed of none: no other group waits for it. */
static void what_is_proposed_of_no_group_keeps_none_back(void **state)
{
    const struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .group = "quay"};
    static struct world before;
    struct bw_proposal proposal;

    (void)state;
    world_begin(&world, 2);
    before = world;
    bw_witness_on_proposing(&world.witness, &command, &proposal);

    assert_int_equal(proposal.group, -1);
    assert_memory_equal(world.groups, before.groups, sizeof world.groups);
    assert_memory_equal(world.watches, before.watches, sizeof world.watches);
}

/* 3.3: an agent is told when that very sync came, and of one that is not among the notes when it is answered. */
static void a_receipt_is_of_the_sync_that_it_answers(void **state)
{
    struct bw_sync_group group = {.report = {.service = BW_SERVICE_STOPPED}};
    struct bw_sync sync = {.site = "dc-a", .number = 1, .group_count = 1, .groups = &group, .instance = {{1}},
                           .session = {{2}}, .boot_id = {{3}}};
    uint64_t first_ns;

    (void)state;
    world_init(&world, 2);
    (void)strcpy(group.name, "harbor");
    sync.cluster_id = world.cluster.id;
    sync.generation = world.cluster.generation;
    first_ns = world.now.boot_ns;
    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
    world_wait_ms(&world, 700);
    sync.number = 2;
    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);

    assert_int_equal(bw_witness_receipt(&world.witness, &sync, (struct bw_instant){9, 9}), world.now.boot_ns);
    sync.number = 1;
    assert_int_equal(bw_witness_receipt(&world.witness, &sync, (struct bw_instant){9, 9}), first_ns);
    sync.number = 3;
    assert_int_equal(bw_witness_receipt(&world.witness, &sync, (struct bw_instant){9, 9}), 9);
}

/* 4: what others lag behind is the data of a service that runs, not of a lease that is held. */
static void a_lag_is_measured_beside_a_service_that_runs(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_string_equal(world_act(&world), "A6");
    world.sites[A].renew_epoch = world_group(&world)->epoch;
    world.sites[A].report.armed_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_false(world.watches[0].lag[B].known);
    assert_string_equal(world.watches[0].served_site, "");

    world.sites[A].report.serving_epoch_started = true;
    world.sites[B].report.ready_age_ms = 400;
    world_sync_all(&world);
    assert_false(world.watches[0].lag[B].known); /* behind whoever served before */
    assert_string_equal(world.watches[0].served_site, "dc-a");
    world_pass_ms(&world, 1000);
    assert_true(world.watches[0].lag[B].known);
}

/* 4: what serves again, in another epoch, may not wait any more for whom it waited before; nor has dc-c measured by
 * dc-b what it measured by dc-a. */
static void a_lag_is_measured_anew_in_each_epoch(void **state)
{
    (void)state;
    for (int next = A; next <= B; next++) {
        world_begin(&world, 3);
        world.sites[C].report.ready_age_ms = 5000;
        world_pass_ms(&world, 6000);
        assert_true(world.watches[0].lag[C].known);
        world_give_back(&world, A, BW_REASON_SERVICE_DOWN, false, "");
        assert_string_equal(world_act(&world), "A1");
        world.sites[next == A ? B : A].report.condition = BW_CONDITION_STOP;
        world.sites[C].report.condition = BW_CONDITION_STOP;
        world_pass_ms(&world, 1000);
        assert_string_equal(world_act(&world), "A9");
        assert_string_equal(world_group(&world)->holder_site, next == A ? "dc-a" : "dc-b");
        world_serve(&world, next);
        assert_true(world.watches[0].served_epoch == world_group(&world)->epoch);
        assert_false(world.watches[0].lag[C].known);
        world_pass_ms(&world, 4000);
        assert_false(world.watches[0].lag[C].known);
        world_pass_ms(&world, 3000);
        assert_true(world.watches[0].lag[C].known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_holder_of_the_open_epoch_is_confirmed),
        cmocka_unit_test(a_renewal_without_its_barrier_is_not_confirmed),
        cmocka_unit_test(a_follower_neither_asks_for_a_barrier_nor_confirms),
        cmocka_unit_test(a_proposed_end_refuses_renewals),
        cmocka_unit_test(a_closing_epoch_is_not_confirmed),
        cmocka_unit_test(a_first_renewal_waits_for_the_freshness_window_of_a_new_leader),
        cmocka_unit_test(a_new_term_forgets_confirmations_proposals_and_wishes),
        cmocka_unit_test(a_term_right_after_its_own_forgets_as_much),
        cmocka_unit_test(a_wish_is_over_with_the_grant_that_answers_it),
        cmocka_unit_test(a_wish_is_over_with_the_move_that_was_given_up),
        cmocka_unit_test(a_renewal_received_before_this_term_is_not_confirmed),
        cmocka_unit_test(a_sync_that_was_overtaken_replaces_nothing),
        cmocka_unit_test(a_site_beyond_the_spec_changes_nothing),
        cmocka_unit_test(another_cluster_or_a_newer_generation_is_not_listened_to),
        cmocka_unit_test(reports_follow_their_site_when_the_spec_moves_it),
        cmocka_unit_test(all_that_is_kept_of_a_site_moves_with_its_name),
        cmocka_unit_test(restored_durations_count_from_now),
        cmocka_unit_test(a_proposal_on_its_way_keeps_everything_else_back),
        cmocka_unit_test(the_fate_of_a_proposal_counts_in_its_own_term_only),
        cmocka_unit_test(a_failover_with_a_live_holder_answers_use_switchover),
        cmocka_unit_test(a_switchover_is_refused_where_it_cannot_begin),
        cmocka_unit_test(lease_left_counts_from_the_last_confirmed_renewal),
        cmocka_unit_test(another_site_serves_only_by_its_own_fresh_verified_report),
        cmocka_unit_test(another_site_serves_by_the_instance_that_holds_it),
        cmocka_unit_test(a_proposal_of_who_leads_no_more_is_not_tried_again),
        cmocka_unit_test(a_group_of_one_letter_is_decided_about),
        cmocka_unit_test(only_a_report_that_says_verified_verifies_its_epoch),
        cmocka_unit_test(the_wait_for_who_was_let_go_does_not_begin_again),
        cmocka_unit_test(a_restored_group_counts_its_maintenance_from_then_on),
        cmocka_unit_test(a_renewal_of_another_epoch_is_no_base_of_this_one),
        cmocka_unit_test(what_is_proposed_of_no_group_keeps_none_back),
        cmocka_unit_test(a_receipt_is_of_the_sync_that_it_answers),
        cmocka_unit_test(a_lag_is_measured_beside_a_service_that_runs),
        cmocka_unit_test(a_lag_is_measured_anew_in_each_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
