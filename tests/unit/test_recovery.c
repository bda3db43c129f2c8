/* recovery: what a state is as the new beginning of its cluster, and whom its first grant goes to
 * (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/counters.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/order.h>

#include "recovered_world.h"

static void a_recovered_group_is_vacant_above_every_epoch(void **state) /* C4 */
{
    const struct bw_history_entry *entry;
    struct bw_order order;

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_group(&world)->epoch, 1);
    recover_at(NOW_MS);

    assert_int_equal(index_of_recovery, NEW_INDEX);
    assert_int_equal(world.cluster.applied_index, NEW_INDEX);
    assert_int_equal(world.cluster.generation, NEW_GENERATION);
    assert_int_equal(world.cluster.epoch_floor, NEW_EPOCH);
    assert_int_equal(world_group(&world)->epoch, NEW_EPOCH);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(world_group(&world)->spec_version, NEW_INDEX);
    assert_true(world_group(&world)->first_grant);
    assert_string_equal(world_group(&world)->data_site, "dc-a");
    entry = bw_group_history_at(world_group(&world), 0);
    assert_int_equal(entry->epoch, 1);
    assert_int_equal(entry->ended_index, NEW_INDEX);
    assert_int_equal(entry->ended_unix_ms, NOW_MS);
    assert_int_equal(entry->grade, BW_GRADE_EXPIRED);
    assert_int_equal(entry->why_ended, BW_REASON_RECOVERED);
    for (int site = 0; site < 2; site++) { /* whoever holds an epoch stops */
        bw_order_derive(world_group(&world), site == 0 ? "dc-a" : "dc-b", NEW_INDEX, &order);
        assert_int_equal(order.kind, BW_ORDER_STAND_BY);
        assert_int_equal(order.epoch, NEW_EPOCH);
        assert_int_equal(order.index, NEW_INDEX);
        assert_int_equal(order.let_go_index, 0); /* it was never only observed */
        assert_false(order.others_epoch);
    }
}

/* Of one cluster, from the same copy, by people who know nothing of each other, at whatever clock. */
static void no_two_recoveries_share_a_number(void **state)
{
    struct bw_group groups[2];
    struct bw_cluster other;
    uint64_t index;

    (void)state;
    world_begin(&world, 2);
    other = world.cluster;
    memcpy(groups, world.groups, sizeof groups);
    other.groups = groups;
    recover_at(NOW_MS);
    assert_int_equal(bw_cluster_recover(&other, 7000, &(struct bw_recovery_way){.chance = CHANCE + 1, .unix_ms = -1}, &index),
                     BW_OK);
    assert_true(other.generation > world.cluster.generation);
    assert_true(index > index_of_recovery);
    assert_true(groups[0].epoch > world_group(&world)->epoch);

    /* The lower one again: it is above all that the other one has come to. */
    recover_at(0);
    assert_true(world.cluster.generation > other.generation);
    assert_true(index_of_recovery > index + (UINT64_C(1) << 37));
    assert_true(world_group(&world)->epoch > groups[0].epoch + 1000000);
}

static bool is_taken(void)
{
    return world_group(&world)->epoch <= bw_counter_epoch_last(world.cluster.generation) &&
           index_of_recovery <= bw_counter_index_last(world.cluster.generation);
}

static void sites_follow_each_of_several_recoveries(void **state)
{
    (void)state;
    world_begin(&world, 2);
    for (int i = 0; i < 100; i++) {
        const uint64_t before = world.cluster.generation;

        recover_at(NOW_MS - INT64_C(1000000000) * i);
        assert_true(bw_generation_may_follow(before, world.cluster.generation));
        assert_true(is_taken());
    }
}

/* 3.9: what a site was told by a stolen key, and took; and what it follows that this state does not know. */
static void a_recovery_is_above_all_that_a_site_has_taken(void **state)
{
    const uint64_t index_taken = bw_counter_index_last(1);
    const uint64_t epoch_taken = bw_counter_epoch_last(1);
    const uint64_t followed = 1 + BW_GENERATION_JUMP_MAX;
    const struct bw_recovery_way way = {.above = followed};

    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    assert_true(index_of_recovery > index_taken);
    assert_true(world_group(&world)->epoch > epoch_taken);

    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &way, &index_of_recovery), BW_OK);
    assert_true(world.cluster.generation > followed);
    assert_true(index_of_recovery > bw_counter_index_last(followed));
    assert_true(world_group(&world)->epoch > bw_counter_epoch_last(followed));
}

/* As many groups as there is room for, and none behind them. */
static void each_of_as_many_groups_as_there_may_be_is_begun_anew(void **state)
{
    struct bw_group *only = malloc(sizeof *only); /* nothing that is ours lies behind it */
    struct bw_cluster full;
    uint64_t index;

    (void)state;
    assert_non_null(only);
    world_begin(&world, 2);
    full = world.cluster;
    full.groups = only;
    full.group_count = full.group_capacity = 1;
    *only = *world_group(&world);
    assert_int_equal(bw_cluster_recover(&full, world.index, &(struct bw_recovery_way){.chance = CHANCE}, &index), BW_OK);
    assert_int_equal(only->recovered_index, index);
    free(only);
}

static void what_cannot_begin_anew_is_left_as_it_is(void **state)
{
    const struct bw_recovery_way way = {.chance = CHANCE, .unix_ms = NOW_MS};
    struct bw_cluster unfounded;
    uint64_t index = 7;

    (void)state;
    bw_cluster_init(&unfounded, NULL, 0);
    assert_int_equal(bw_cluster_recover(&unfounded, 0, &way, &index), BW_ERR_REFUSED);
    world_begin(&world, 2);
    assert_int_equal(bw_cluster_recover(&world.cluster, world.index - 1, &way, &index), BW_ERR_CORRUPT);
    assert_int_equal(bw_cluster_recover(&world.cluster, UINT64_MAX, &way, &index), BW_ERR_LIMIT);
    world.cluster.generation = UINT64_MAX;
    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &way, &index), BW_ERR_LIMIT);
    world.cluster.generation = 1;
    world.cluster.epoch_floor = UINT64_MAX;
    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &way, &index), BW_ERR_LIMIT);
    world.cluster.epoch_floor = 0;
    world_group(&world)->epoch = UINT64_MAX;
    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &way, &index), BW_ERR_LIMIT);
    world_group(&world)->epoch = 1;
    assert_int_equal(bw_cluster_recover(&world.cluster, world.index, &(struct bw_recovery_way){.above = UINT64_MAX}, &index),
                     BW_ERR_LIMIT);
    assert_int_equal(index, 7);
    assert_int_equal(world.cluster.generation, 1);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_GRANTED);
}

/* Whoever writes the file has a choice: it is told before anything is written, and nothing else is.
 */
static void a_state_that_nobody_could_start_from_is_refused_in_words(void **state)
{
    const uint64_t last_epoch = BW_GENERATION_MAX - 2 * BW_GENERATION_LEAP; /* room for another */
    struct bw_cluster sound;
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    sound = world.cluster;
    assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), BW_OK);
#define assert_refuses(field, value, expected, words)                                              \
    do {                                                                                           \
        world.cluster.field = (value);                                                             \
        assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), expected);                 \
        assert_non_null(strstr(diag.text, words));                                                 \
        world.cluster = sound;                                                                     \
    } while (0)
    assert_refuses(feature_level, 99, BW_ERR_VERSION, "feature level 99");
    assert_refuses(election_timeout_ms, 30001, BW_ERR_LIMIT, "election timeout is 30001 ms");
    assert_refuses(election_timeout_ms, 49, BW_ERR_LIMIT, "election timeout is 49 ms");
    assert_refuses(applied_index, BW_COUNTER_MAX, BW_ERR_LIMIT, "index is");
    assert_refuses(applied_index, BW_COUNTER_MAX, BW_ERR_LIMIT, "more than 4611686018427387903");
    assert_refuses(generation, BW_GENERATION_MAX + 1, BW_ERR_LIMIT, "generation is");
    assert_refuses(generation, UINT64_MAX, BW_ERR_LIMIT, "more than 281474943156224");
    assert_refuses(epoch_floor, BW_COUNTER_MAX, BW_ERR_LIMIT, "an epoch");
    assert_refuses(epoch_floor, last_epoch + 1, BW_ERR_LIMIT, "an epoch");
    world.cluster.election_timeout_ms = 50;
    assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), BW_OK);
    world.cluster.election_timeout_ms = 30000;
    assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), BW_OK);
    world.cluster.epoch_floor = last_epoch;
    assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), BW_OK);
    world.cluster = sound;
    assert_refuses(groups[0].epoch, BW_COUNTER_MAX, BW_ERR_LIMIT, "an epoch");
    world_group(&world)->epoch = 1;
    assert_refuses(let_go_wait_ms, UINT32_MAX, BW_ERR_LIMIT, "waited for");
    assert_int_equal(bw_cluster_judge_saved(&world.cluster, &diag), BW_OK);
}

/* Its place is free; a group made there begins above the floor (3.1 Delete). */
static void a_group_that_was_deleted_is_not_begun_anew(void **state)
{
    (void)state;
    world_begin(&world, 2);
    *world_group(&world) = (struct bw_group){0};
    recover_at(NOW_MS);
    assert_int_equal(world_group(&world)->epoch, 0);
    assert_int_equal(world_group(&world)->recovered_index, 0);
}

static void a_move_that_was_under_way_is_not_gone_on_with(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_acts("A11");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);
    recover_at(NOW_MS);
    assert_string_equal(world_group(&world)->target, "");
    assert_string_equal(world_group(&world)->target_origin, "");
    assert_string_equal(world_group(&world)->first_choice, "");
    assert_string_equal(world_group(&world)->data_site, "dc-a");
}

/* I1: of a lease that the state knows, or may not know, time alone tells the end. */
static void nobody_is_granted_before_the_longest_lease_is_over(void **state)
{
    struct bw_terms terms;
    uint64_t wait_ms;

    (void)state;
    world_begin(&world, 2);
    terms = world_group(&world)->terms;
    wait_ms = (bw_expiry_wait_ns(&terms) + BW_NS_PER_MS - 1) / BW_NS_PER_MS;
    recover_at(NOW_MS);
    assert_int_equal(longest_wait_ms(), wait_ms);
    everybody_follows();
    world_pass_ms(&world, wait_ms - 1000);
    assert_held("let_go", -1);
    world_pass_ms(&world, 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    assert_int_equal(world_group(&world)->epoch, NEW_EPOCH + 1);
    assert_int_equal(world_group(&world)->recovered_index, 0);
    assert_false(world_group(&world)->first_grant);
}

static void the_longest_wait_is_that_of_any_group(void **state)
{
    struct bw_spec longer;

    (void)state;
    world_begin(&world, 2);
    longer = world_group(&world)->spec;
    longer.lease_ttl_ms = 600000;
    world_set_spec(&world, &longer, "");
    recover_at(NOW_MS);
    assert_true(longest_wait_ms() >= 600000);
    world_group(&world)->let_go_terms.ttl_ms = 700000;
    recover_at(NOW_MS + 1000);
    assert_int_equal(longest_wait_ms(), 700000);
    world_group(&world)->let_go_terms.ttl_ms = 0;
    world.cluster.let_go_wait_ms = 800000;
    recover_at(NOW_MS + 2000);
    assert_int_equal(longest_wait_ms(), 800000);
    assert_int_equal(world_group(&world)->let_go_terms.ttl_ms, 800000);
}

/* Who obeys the witnesses of before may hold what they have granted since. */
static void who_knows_only_the_old_generation_has_not_reported(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].generation = 1;
    world_pass_ms(&world, longest_wait_ms() + 60000);
    assert_held("first_grant", -1);
    assert_true(world_holds(&world, "reported", B));
    world.sites[B].generation = 0;
    world_sync_all(&world);
    assert_acts("A6");
}

static void a_site_that_is_away_holds_the_first_grant(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 24 * 3600 * 1000);
    assert_held("first_grant", -1);
}

/* A lease whose terms this state does not know may be longer than all that it waits for. */
static void a_lease_of_before_that_lives_holds_the_first_grant(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].report.armed_epoch = 2;
    world_pass_ms(&world, longest_wait_ms() + 60000);
    assert_held("first_grant", -1);
    assert_true(world_holds(&world, "reported", B));
    world.sites[B].report.armed_epoch = 0;
    world_sync_all(&world);
    assert_acts("A6");
}

/* Its agent was started again beside a start that goes on: it has no lease that it knows of, and
 * status says `stopped` until the start is through. */
static void what_still_runs_or_is_ended_holds_the_first_grant(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].report.stop_begun_epoch = 2;
    world_pass_ms(&world, longest_wait_ms() + 60000);
    assert_held("first_grant", -1);
    assert_true(world_holds(&world, "reported", B));
    world.sites[B].report.stop_begun_epoch = 0;
    world.sites[B].report.guard_busy = true;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    world.sites[B].report.guard_busy = false;
    world_sync_all(&world);
    assert_acts("A6");
}

static void the_one_that_serves_without_a_lease_is_adopted(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_true(world_group(&world)->adopting);
    assert_int_equal(world_group(&world)->recovered_index, index_of_recovery);
    world_serve(&world, B);
    assert_acts("A10");
    assert_int_equal(world_group(&world)->recovered_index, 0);
}

static void two_that_serve_are_left_to_a_person(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[A].report.service = world.sites[B].report.service = BW_SERVICE_STARTED;
    world_pass_ms(&world, longest_wait_ms() + 60000);
    assert_held("first_grant", -1);
}

/* 4: the lost ones granted it to dc-b, which wrote; this state knows nothing of that. */
static void whoever_wrote_in_a_newer_epoch_than_the_state_knows_has_the_data(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].released = (struct bw_released){
        .epoch = 2, .reason = BW_REASON_LEASE_LOST, .past_no_return = true};
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_string_equal(world_group(&world)->data_site, "dc-b");
}

/* 4: it rejoined there, which is not to have all of it. */
static void who_only_followed_a_newer_epoch_comes_after_who_wrote_in_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[A].report.joined_epoch = 2;
    world.sites[B].released = (struct bw_released){
        .epoch = 2, .reason = BW_REASON_LEASE_LOST, .past_no_return = true};
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* 3.9: an entry that never left its leader names another holder of the newest epoch than the one that was committed. */
static void who_wrote_in_the_newest_epoch_has_the_data_whomever_the_log_names(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[A].released = (struct bw_released){0};
    world.sites[B].released = (struct bw_released){
        .epoch = 1, .reason = BW_REASON_LEASE_LOST, .past_no_return = true};
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static void who_only_held_a_newer_epoch_and_wrote_nothing_has_not(void **state)
{
    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[B].released = (struct bw_released){.epoch = 2, .reason = BW_REASON_NEVER_STARTED};
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* Not by priority: a recovery is no occasion for a move. */
static void the_group_stays_where_its_data_is(void **state)
{
    (void)state;
    world_begin(&world, 2);
    for (int site = 0; site < 2; site++) {
        world.sites[site].report.has_readiness = false;
        world.sites[site].report.gives_position = false;
    }
    (void)strcpy(world_group(&world)->data_site, "dc-b");
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[A].released = (struct bw_released){0};
    world_pass_ms(&world, longest_wait_ms() + 2000);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* A person answers for a site that is lost too; where its data was the newest, also for the loss.
 */
static void for_a_site_that_is_lost_too_a_person_answers(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 2);
    recover_at(NOW_MS);
    everybody_follows();
    world.sites[A].is_mute = true;
    spec = world_group(&world)->spec;
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, longest_wait_ms() - 2000);
    assert_held("let_go", -1); /* whoever it was may hold a lease until then */
    world_pass_ms(&world, 4000);
    assert_held("candidate", -1);
    assert_true(world_holds(&world, "lag", B));
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, NULL), BW_OK);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static void a_group_that_is_only_observed_lets_everybody_go_again(void **state)
{
    struct bw_order order;

    (void)state;
    world_begin(&world, 2);
    world_set_mode(&world, BW_MODE_OBSERVE);
    recover_at(NOW_MS);
    bw_order_derive(world_group(&world), "dc-b", NEW_INDEX, &order);
    assert_int_equal(order.kind, BW_ORDER_LET_GO);
    assert_int_equal(order.let_go_index, NEW_INDEX);
    assert_int_equal(order.let_go_epoch, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recovered_group_is_vacant_above_every_epoch),
        cmocka_unit_test(no_two_recoveries_share_a_number),
        cmocka_unit_test(sites_follow_each_of_several_recoveries),
        cmocka_unit_test(a_recovery_is_above_all_that_a_site_has_taken),
        cmocka_unit_test(each_of_as_many_groups_as_there_may_be_is_begun_anew),
        cmocka_unit_test(what_cannot_begin_anew_is_left_as_it_is),
        cmocka_unit_test(a_state_that_nobody_could_start_from_is_refused_in_words),
        cmocka_unit_test(a_group_that_was_deleted_is_not_begun_anew),
        cmocka_unit_test(a_move_that_was_under_way_is_not_gone_on_with),
        cmocka_unit_test(nobody_is_granted_before_the_longest_lease_is_over),
        cmocka_unit_test(the_longest_wait_is_that_of_any_group),
        cmocka_unit_test(who_knows_only_the_old_generation_has_not_reported),
        cmocka_unit_test(a_site_that_is_away_holds_the_first_grant),
        cmocka_unit_test(a_lease_of_before_that_lives_holds_the_first_grant),
        cmocka_unit_test(what_still_runs_or_is_ended_holds_the_first_grant),
        cmocka_unit_test(the_one_that_serves_without_a_lease_is_adopted),
        cmocka_unit_test(two_that_serve_are_left_to_a_person),
        cmocka_unit_test(whoever_wrote_in_a_newer_epoch_than_the_state_knows_has_the_data),
        cmocka_unit_test(who_only_followed_a_newer_epoch_comes_after_who_wrote_in_it),
        cmocka_unit_test(who_wrote_in_the_newest_epoch_has_the_data_whomever_the_log_names),
        cmocka_unit_test(who_only_held_a_newer_epoch_and_wrote_nothing_has_not),
        cmocka_unit_test(the_group_stays_where_its_data_is),
        cmocka_unit_test(for_a_site_that_is_lost_too_a_person_answers),
        cmocka_unit_test(a_group_that_is_only_observed_lets_everybody_go_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
