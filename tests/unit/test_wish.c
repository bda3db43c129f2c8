/* wish: a move that a person asks for is replicated: it outlives its leader, is taken back at any,
 * ends where it is in vain, and its request makes no second one (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/foretell.h>

#include "core_world.h"

static struct world world;
static struct bw_foretelling *room;

static int set_up(void **state)
{
    (void)state;
    room = calloc(1, sizeof *room);
    assert_non_null(room);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static void begin(uint32_t site_count)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL,
                                     .feature_level = BW_WISH_LEVEL};

    world_begin(&world, site_count);
    assert_string_equal(world_apply(&world, &raise), "C3");
}

static struct bw_command wish(enum bw_wish_kind kind, const char *to, uint8_t id)
{
    struct bw_command command = {.kind = BW_COMMAND_WISH,
                                 .group = "harbor",
                                 .wish = kind,
                                 .epoch = world_group(&world)->epoch,
                                 .spec_version = world_group(&world)->spec_version,
                                 .by = "operator/anna",
                                 .text = "the roof leaks",
                                 .request_id = {{id}}};

    (void)strcpy(command.target, to);
    return command;
}

static const char *ask(enum bw_wish_kind kind, const char *to, uint8_t id)
{
    const struct bw_command command = wish(kind, to, id);

    return world_apply(&world, &command);
}

static const char *take_back(uint64_t wish_index)
{
    const struct bw_command command = {.kind = BW_COMMAND_WISH_OVER,
                                       .group = "harbor",
                                       .wish_index = wish_index,
                                       .wish_end = BW_WISH_END_CANCELED,
                                       .by = "operator/bob",
                                       .text = "not now"};

    return world_apply(&world, &command);
}

static void assert_over(enum bw_wish_end end, const char *words)
{
    const struct bw_wish_over *over = bw_group_wish_over(world_group(&world));

    assert_null(bw_group_wish(world_group(&world)));
    assert_non_null(over);
    assert_string_equal(bw_wish_end_word(over->end), bw_wish_end_word(end));
    assert_string_equal(over->words, words);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

/* What the leader ends by itself; NONE: nothing. */
static enum bw_wish_end over_due(uint64_t *out_wake_ms)
{
    struct bw_command command;
    uint64_t wake_ns;

    if (!bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns)) {
        *out_wake_ms = wake_ns / BW_NS_PER_MS;
        return BW_WISH_END_NONE;
    }
    assert_string_equal(world_apply(&world, &command), "C7");
    return command.wish_end;
}

static uint64_t freshness_ms(void)
{
    const struct bw_spec *spec = &world_group(&world)->spec;

    return bw_expiry_freshness_ns(spec->renew_interval_ms, spec->request_timeout_ms) / BW_NS_PER_MS;
}

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

static void lose_holder(void)
{
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
}

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
        bw_cluster_recover(&world.cluster, world.index, BW_RECOVERY_UNIX_MS_MIN, &index), BW_OK);
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

/* ---- judged anew ---- */

static void a_new_leader_judges_it_once_when_it_has_heard_its_sites(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE); /* whoever took it has judged it */

    world_lead_anew(&world);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    assert_in_range(wake_ms, 1, freshness_ms());
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    assert_non_null(
        strstr(bw_group_wish_over(world_group(&world))->words, "dc-b is no target for harbor now"));
    world.sites[B].report.ready = true;
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "-");

    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    world.sites[B].report.ready = false; /* afterwards it waits, as at the first leader */
    world_sync_all(&world);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    assert_non_null(bw_group_wish(world_group(&world)));
}

/* A wait is over with the later of the two clocks: what one of them has run ahead shows nobody's word. */
static void a_new_leader_waits_for_its_sites_by_both_clocks(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world.sites[B].report.ready = false;
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() - 500);
    world.now.boot_ns += 600 * BW_NS_PER_MS;
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    assert_in_range(wake_ms, 1, 500);
    world.now.raw_ns += 600 * BW_NS_PER_MS;
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
}

static void a_failover_in_vain_is_ended_by_the_next_leader(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    lose_holder();
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-b", 1), "C6");
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    assert_non_null(
        strstr(bw_group_wish_over(world_group(&world))->words, "dc-b would not be granted harbor"));
}

static void over_waits(void)
{
    uint64_t wake_ms;

    assert_string_equal(bw_wish_end_word(over_due(&wake_ms)), bw_wish_end_word(BW_WISH_END_NONE));
    assert_non_null(bw_group_wish(world_group(&world)));
}

/* 4: whoever leads next judges it once it is over. */
static void neither_a_pause_nor_a_maintenance_ends_it(void **state)
{
    struct bw_command maintenance = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 3600 * 1000};
    uint64_t wake_ms;

    (void)state;
    begin(3);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_set_mode(&world, BW_MODE_PAUSED);
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    over_waits();
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    world_set_mode(&world, BW_MODE_AUTO);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);

    for (int of = 0; of < 2; of++) { /* of the group, and of the target */
        begin(3);
        assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
        (void)strcpy(maintenance.site, of == 0 ? "" : "dc-b");
        maintenance.duration_ms = 3600 * 1000;
        (void)world_apply(&world, &maintenance);
        world.sites[B].report.ready = false;
        world_lead_anew(&world);
        world_pass_ms(&world, freshness_ms() + 500);
        over_waits();
        maintenance.duration_ms = 0;
        (void)world_apply(&world, &maintenance);
        assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    }

    begin(3);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    (void)strcpy(maintenance.site, "dc-c"); /* which has no part in it */
    maintenance.duration_ms = 3600 * 1000;
    (void)world_apply(&world, &maintenance);
    world.sites[B].report.ready = false;
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);

    begin(3);
    lose_holder();
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-a", 1), "C6"); /* the first one of the spec */
    assert_string_equal(world_apply(&world, &maintenance), "G30");
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
}

/* Whichever site it is: it may be the one that would have got it. */
static void a_maintenance_of_any_site_puts_off_a_failover_to_whichever(void **state)
{
    struct bw_command maintenance = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 3600 * 1000};
    uint64_t wake_ms;

    (void)state;
    for (int site = 0; site < 3; site++) {
        begin(3);
        lose_holder();
        world.sites[B].report.service = BW_SERVICE_UNKNOWN;
        world.sites[C].report.service = BW_SERVICE_UNKNOWN;
        world_sync_all(&world);
        assert_string_equal(ask(BW_WISH_FAILOVER, "", 1), "C6");
        (void)strcpy(maintenance.site, world_group(&world)->spec.sites[site].name);
        maintenance.duration_ms = 3600 * 1000;
        assert_string_equal(world_apply(&world, &maintenance), "G30");
        world_lead_anew(&world);
        world_pass_ms(&world, freshness_ms() + 500);
        over_waits();
        maintenance.duration_ms = 0;
        assert_string_equal(world_apply(&world, &maintenance), "G30");
        assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    }
}

static void a_wish_of_a_group_with_as_many_sites_as_there_may_be_is_judged(void **state)
{
    struct bw_spec spec;
    uint64_t wake_ms;

    (void)state;
    begin(3);
    spec = world_group(&world)->spec;
    for (; spec.site_count < BW_SITES_MAX; spec.site_count++) {
        struct bw_site_spec *site = &spec.sites[spec.site_count];

        *site = (struct bw_site_spec){.name = "dc-", .priority = spec.site_count};
        site->name[3] = (char)('a' + (int)spec.site_count);
    }
    world_set_spec(&world, &spec, "");
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world.sites[B].report.ready = false;
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
}

/* 3.6: then its grant does, however long nobody can take it. */
static void a_move_whose_epoch_was_given_back_has_no_other_end(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(world_act(&world), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    world_wait_ms(&world, 3600 * 1000);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    assert_non_null(bw_group_wish(world_group(&world)));
}

/* It is asked because nobody takes what the move has left: it is no part of it. */
static void a_failover_behind_a_move_has_its_own_time(void **state)
{
    const struct bw_spec *spec = &world_group(&world)->spec;
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    assert_string_equal(world_act(&world), "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_group(&world)->target, "dc-b");
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-b", 2), "C6");
    world_wait_ms(&world, spec->switchover_timeout_ms + 2 * spec->lease_ttl_ms - 1);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_NONE);
    world_wait_ms(&world, 1);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_TIMED_OUT);
}

static void what_passes_by_itself_ends_nothing(void **state)
{
    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_group(&world)->adopting = true;
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    over_waits();
}

static void each_new_leader_judges_it(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    over_waits();
    assert_true(world_watch(&world)->wish_judged);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
}

static void its_end_waits_for_what_is_being_committed(void **state)
{
    struct bw_command command;
    uint64_t wake_ns;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    world_wait_ms(&world, world_group(&world)->spec.switchover_timeout_ms);
    world_watch(&world)->is_proposing = true;
    assert_false(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
    world_watch(&world)->is_proposing = false;
    assert_true(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
    assert_int_equal(command.wish_end, BW_WISH_END_TIMED_OUT);
}

static void only_who_leads_ends_a_wish_that_there_is(void **state)
{
    struct bw_command command;
    uint64_t wake_ns = 0;

    (void)state;
    begin(2);
    assert_false(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
    assert_true(wake_ns == UINT64_MAX); /* nothing is waited for */
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    wake_ns = 0;
    assert_false(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
    assert_true(wake_ns == UINT64_MAX);
    world_wait_ms(&world, world_group(&world)->spec.switchover_timeout_ms);
    bw_witness_on_not_leading(&world.witness);
    assert_false(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
}

/* 4: its epoch is lost before its move began: only its time ends it. */
static void a_switchover_of_a_lost_epoch_has_its_time(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    world.sites[B].report.ready = false;
    world.sites[B].report.service = BW_SERVICE_UNKNOWN; /* nobody follows */
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    lose_holder();
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    world_wait_ms(&world, world_group(&world)->spec.switchover_timeout_ms);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_TIMED_OUT);
    assert_over(BW_WISH_END_TIMED_OUT, "");
}

/* What a person vouches for stays in the memory of its leader (4), before what the log has. */
static void vouch_for_holder(void)
{
    world_watch(&world)->wish = (struct bw_wish){.kind = BW_WISH_FORCE_RELEASE,
                                                 .to = "dc-a",
                                                 .by = "operator/bob",
                                                 .epoch = world_group(&world)->epoch};
    world_watch(&world)->wish_since = world.now;
}

/* 4: it uncovers the move that stood behind it, which the log has still. */
static void a_force_release_that_its_leader_forgets_ends_no_other_wish(void **state)
{
    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    vouch_for_holder();
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    over_waits();
    assert_string_equal(world_decide(&world), "A11");
    assert_string_equal(world.decision.command.by, "operator/anna");
}

/* 4: by the leader that it comes forward at, as each wish that an earlier one took. */
static void a_move_that_comes_forward_is_judged_too(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    vouch_for_holder();
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
}

/* What a person vouches for is never handed on; it comes after the move all the same. */
static void a_force_release_takes_its_place_and_ends_with_its_leader(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    vouch_for_holder();
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_REPLACED);
    assert_null(bw_group_wish(world_group(&world)));
    assert_string_equal(bw_group_wish_over(world_group(&world))->words, "operator/bob");
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_FORCE_RELEASE);
    world_lead_anew(&world);
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
}

/* Of what is asked for once, the same request is not taken again; its end may well name it. */
static void an_end_that_names_the_request_ends_it(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_WISH_OVER,
                                 .group = "harbor",
                                 .wish_end = BW_WISH_END_CANCELED,
                                 .request_id = {{1}}};

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    command.wish_index = world.index;
    assert_string_equal(world_apply(&world, &command), "C7");
    assert_null(bw_group_wish(world_group(&world)));
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
        cmocka_unit_test(a_new_leader_judges_it_once_when_it_has_heard_its_sites),
        cmocka_unit_test(a_new_leader_waits_for_its_sites_by_both_clocks),
        cmocka_unit_test(a_failover_in_vain_is_ended_by_the_next_leader),
        cmocka_unit_test(a_force_release_takes_its_place_and_ends_with_its_leader),
        cmocka_unit_test(neither_a_pause_nor_a_maintenance_ends_it),
        cmocka_unit_test(a_maintenance_of_any_site_puts_off_a_failover_to_whichever),
        cmocka_unit_test(a_wish_of_a_group_with_as_many_sites_as_there_may_be_is_judged),
        cmocka_unit_test(a_move_whose_epoch_was_given_back_has_no_other_end),
        cmocka_unit_test(a_failover_behind_a_move_has_its_own_time),
        cmocka_unit_test(what_passes_by_itself_ends_nothing),
        cmocka_unit_test(each_new_leader_judges_it),
        cmocka_unit_test(its_end_waits_for_what_is_being_committed),
        cmocka_unit_test(only_who_leads_ends_a_wish_that_there_is),
        cmocka_unit_test(a_switchover_of_a_lost_epoch_has_its_time),
        cmocka_unit_test(a_force_release_that_its_leader_forgets_ends_no_other_wish),
        cmocka_unit_test(a_move_that_comes_forward_is_judged_too),
        cmocka_unit_test(an_end_that_names_the_request_ends_it),
        cmocka_unit_test(the_words_of_an_end_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
