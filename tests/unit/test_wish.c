/* wish: a move that a person asks for is replicated: it outlives its leader, is taken back at any, and its
 * request makes no second one (design 4). How a new leader judges it: test_wish_judged.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "wish_world.h"

/* ---- the log ---- */

static void a_wish_outlives_its_leader(void **state) /* 4: only the unreplicated ends with it */
{
    (void)state;
    begin(2);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(world_decide(&world), "A0");

    world_lead_anew(&world);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_SWITCHOVER);
    world.sites[B].report.ready = true;
    world_pass_ms(&world, 5000);

    assert_string_equal(world_decide(&world), "A11");
    assert_string_equal(world.decision.command.target, "dc-b");
    assert_string_equal(world.decision.command.by, "operator/anna");
    assert_string_equal(world.decision.command.text, "the roof leaks");
}

static void below_its_level_the_log_takes_none(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "-");
    assert_int_equal(world.applied.err, BW_ERR_REFUSED);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

static void the_log_takes_only_a_move_to_a_candidate_as_things_are(void **state)
{
    struct bw_command command;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_FORCE_RELEASE, "dc-a", 1), "-");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "", 1), "-");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-x", 1), "-");
    command = wish(BW_WISH_SWITCHOVER, "dc-b", 1);
    command.epoch--;
    assert_string_equal(world_apply(&world, &command), "-");
    assert_int_equal(world.applied.err, BW_ERR_STALE);
    command = wish(BW_WISH_SWITCHOVER, "dc-b", 1);
    command.spec_version--;
    assert_string_equal(world_apply(&world, &command), "-");
    assert_int_equal(world.applied.err, BW_ERR_STALE);
    assert_string_equal(ask(BW_WISH_FAILOVER, "", 1), "C6");
}

static void a_request_that_was_taken_back_does_not_come_again(void **state)
{
    uint64_t index;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    index = world.index;
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "-");
    assert_int_equal(world.applied.err, BW_ERR_EXISTS);
    assert_int_equal(bw_group_wish_of(world_group(&world), (struct bw_id){{1}}), index);

    assert_string_equal(take_back(index + 1), "-");
    assert_int_equal(world.applied.err, BW_ERR_STALE);
    assert_string_equal(take_back(index), "C7");
    assert_over(BW_WISH_END_CANCELED, "operator/bob: not now");
    assert_string_equal(take_back(index), "-"); /* it is so already */

    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "-");
    assert_over(BW_WISH_END_CANCELED, "operator/bob: not now");
    assert_int_equal(bw_group_wish_of(world_group(&world), (struct bw_id){{1}}), index);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 2), "C6");
    assert_string_equal(take_back(world.index), "C7");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 0), "C6"); /* a request without an id */
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 0), "C6");
}

static void the_newest_wish_takes_the_place_of_the_one_before(void **state)
{
    (void)state;
    begin(3);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-c", 2), "C6");
    assert_string_equal(bw_group_wish(world_group(&world))->to, "dc-c");
    assert_string_equal(world_watch(&world)->wish.to, "dc-c");
    assert_int_equal(bw_group_wish_over(world_group(&world))->end, BW_WISH_END_REPLACED);
    assert_string_equal(bw_group_wish_over(world_group(&world))->words,
                        "operator/anna: switchover");
}

/* Who asks again after an answer that was lost is told of which epoch it was. */
static void the_epoch_of_a_wish_is_known_until_the_next_one_is_over(void **state)
{
    const struct bw_group *group = world_group(&world);
    uint64_t first, second;

    (void)state;
    begin(2);
    assert_int_equal(bw_group_wish_epoch(group, 1), 0);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    first = world.index;
    assert_int_equal(bw_group_wish_epoch(group, first), 1);
    assert_int_equal(bw_group_wish_epoch(group, first + 1), 0);
    assert_string_equal(take_back(first), "C7");
    assert_int_equal(bw_group_wish_epoch(group, first), 1);
    assert_int_equal(bw_group_wish_epoch(group, first + 1), 0);
    assert_int_equal(bw_group_wish_over(group)->kind, BW_WISH_SWITCHOVER);

    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-a", 2), "C6");
    second = world.index;
    assert_int_equal(bw_group_wish_epoch(group, second), 2);
    assert_int_equal(bw_group_wish_epoch(group, first), 1);
    assert_int_equal(bw_group_wish_epoch(group, second + 1), 0);
    assert_string_equal(take_back(second), "C7");
    assert_int_equal(bw_group_wish_epoch(group, first), 0); /* nobody knows of it any more */
}

/* A snapshot has no more of it than how it ended: no witness has. */
static void of_a_wish_that_is_over_nothing_is_left_where_it_stood(void **state)
{
    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(take_back(world.index), "C7");
    assert_int_equal(world_group(&world)->wish_count, 0);
    assert_int_equal(world_group(&world)->wish_over_count, 1);
    assert_int_equal(world_group(&world)->wishes[0].kind, BW_WISH_NONE);
    assert_int_equal(world_group(&world)->wishes[0].index, 0);
    assert_string_equal(world_group(&world)->wishes[0].by, "");
}

/* ---- how it ends ---- */

static void a_grant_ends_it_whoever_gets_it(void **state)
{
    (void)state;
    begin(3);
    lose_holder();
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-c", 1), "C6");
    assert_string_equal(world_act(&world), "A9");
    assert_over(BW_WISH_END_GRANTED, "dc-c");

    begin(3);
    lose_holder();
    world.sites[C].report.service = BW_SERVICE_UNKNOWN; /* 4: it stands in the way of nothing */
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-c", 1), "C6");
    assert_string_equal(world_act(&world), "A9");
    assert_over(BW_WISH_END_OVERTAKEN, "dc-b");
}

static void its_move_that_is_given_up_ends_it(void **state)
{
    struct bw_command unrevoke = {
        .kind = BW_COMMAND_UNREVOKE, .group = "harbor", .by = "operator/bob"};
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(world_act(&world), "A11");
    assert_non_null(bw_group_wish(world_group(&world))); /* its time is that of the move */
    world_wait_ms(&world, 3600 * 1000);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE); /* the move has its own end */
    unrevoke.epoch = world_group(&world)->epoch;
    unrevoke.spec_version = world_group(&world)->spec_version;
    assert_string_equal(world_apply(&world, &unrevoke), "G3");
    assert_over(BW_WISH_END_GIVEN_UP, "operator/bob");
}

static void observe_and_a_spec_without_its_site_end_it(void **state)
{
    struct bw_spec spec;

    (void)state;
    begin(3);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    spec = world_group(&world)->spec;
    spec.sites[2].priority++;
    world_set_spec(&world, &spec, "");
    assert_non_null(bw_group_wish(world_group(&world)));
    spec.sites[1].never_candidate = true;
    world_set_spec(&world, &spec, "");
    assert_over(BW_WISH_END_SPEC, "its site is no candidate any more");

    assert_string_equal(ask(BW_WISH_FAILOVER, "", 2), "C6");
    world_set_mode(&world, BW_MODE_PAUSED);
    assert_non_null(bw_group_wish(world_group(&world)));
    world_set_mode(&world, BW_MODE_OBSERVE);
    assert_over(BW_WISH_END_SPEC, "the group is only observed");
    assert_string_equal(ask(BW_WISH_FAILOVER, "", 3), "-");
}

static void a_recovery_forgets_it(void **state)
{
    uint64_t index;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_int_equal(
        bw_cluster_recover(&world.cluster, world.index, &(struct bw_recovery_way){.unix_ms = 1}, &index), BW_OK);
    bw_witness_on_restored(&world.witness, world.now);
    assert_over(BW_WISH_END_RECOVERED, "");
}

static void its_time_ends_it_at_whichever_leader(void **state)
{
    uint64_t wake_ms;
    uint32_t time_ms;

    (void)state;
    begin(2);
    time_ms = world_group(&world)->spec.switchover_timeout_ms;
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world.sites[B].report.ready = false;
    world_pass_ms(&world, time_ms - 10000);
    world.sites[B].report.ready = true;
    world_lead_anew(&world);
    world_pass_ms(&world, 9000);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    assert_int_equal(bw_policy_wish(world_group(&world), world_watch(&world), world.now),
                     BW_WISH_SWITCHOVER);
    world_pass_ms(&world, 1500);
    assert_int_equal(bw_policy_wish(world_group(&world), world_watch(&world), world.now),
                     BW_WISH_NONE);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_TIMED_OUT);
    assert_over(BW_WISH_END_TIMED_OUT, "");
}

static void after_a_restart_it_counts_from_then(void **state) /* 3.1: longer, never shorter */
{
    uint32_t time_ms;

    (void)state;
    begin(2);
    time_ms = world_group(&world)->spec.switchover_timeout_ms;
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_wait_ms(&world, time_ms - 1000);
    *world_watch(&world) = (struct bw_watch){0};
    bw_witness_on_restored(&world.witness, world.now);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_SWITCHOVER);
    world_wait_ms(&world, time_ms - 1000);
    assert_int_equal(bw_policy_wish(world_group(&world), world_watch(&world), world.now),
                     BW_WISH_SWITCHOVER);
    world_wait_ms(&world, 1000);
    assert_int_equal(bw_policy_wish(world_group(&world), world_watch(&world), world.now),
                     BW_WISH_NONE);
}

/* ---- words ---- */

/* By and text as long as they may be: what does not fit is left out, and no character is cut. */
static void the_words_of_an_end_are_cut_between_characters(void **state)
{
    struct bw_command command;
    const char *words;
    size_t size;

    (void)state;
    for (size_t filled = 0; filled < 4; filled++) {
        begin(2);
        assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
        command = (struct bw_command){.kind = BW_COMMAND_WISH_OVER,
                                      .group = "harbor",
                                      .wish_index = world.index,
                                      .wish_end = BW_WISH_END_CANCELED};
        memset(command.by, 'b', filled + 1);
        for (size = 0; size + 4 <= BW_REASON_MAX; size += 4)
            memcpy(&command.text[size], "\xf0\x9f\x9a\xa2", 4); /* a ship */
        assert_string_equal(world_apply(&world, &command), "C7");
        words = bw_group_wish_over(world_group(&world))->words;
        size = strlen(words);
        assert_in_range(size, BW_REASON_MAX - 3, BW_REASON_MAX);
        assert_int_equal((size - filled - 3) % 4, 0);
        assert_int_equal((unsigned char)words[size - 1], 0xa2);
    }

    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    command = (struct bw_command){.kind = BW_COMMAND_WISH_OVER,
                                  .group = "harbor",
                                  .wish_index = world.index,
                                  .wish_end = BW_WISH_END_CANCELED};
    memset(command.by, 'b', BW_REASON_MAX);
    memset(command.text, 't', BW_REASON_MAX);
    assert_string_equal(world_apply(&world, &command), "C7");
    assert_string_equal(bw_group_wish_over(world_group(&world))->words, command.by);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_outlives_its_leader),
        cmocka_unit_test(below_its_level_the_log_takes_none),
        cmocka_unit_test(the_log_takes_only_a_move_to_a_candidate_as_things_are),
        cmocka_unit_test(a_request_that_was_taken_back_does_not_come_again),
        cmocka_unit_test(the_newest_wish_takes_the_place_of_the_one_before),
        cmocka_unit_test(the_epoch_of_a_wish_is_known_until_the_next_one_is_over),
        cmocka_unit_test(of_a_wish_that_is_over_nothing_is_left_where_it_stood),
        cmocka_unit_test(a_grant_ends_it_whoever_gets_it),
        cmocka_unit_test(its_move_that_is_given_up_ends_it),
        cmocka_unit_test(observe_and_a_spec_without_its_site_end_it),
        cmocka_unit_test(a_recovery_forgets_it),
        cmocka_unit_test(its_time_ends_it_at_whichever_leader),
        cmocka_unit_test(after_a_restart_it_counts_from_then),
        cmocka_unit_test(the_words_of_an_end_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
