/* wish: each new leader judges what an earlier one took, once, and ends what is in vain (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "wish_world.h"

static uint64_t freshness_ms(void)
{
    const struct bw_spec *spec = &world_group(&world)->spec;

    return bw_expiry_freshness_ns(spec->renew_interval_ms, spec->request_timeout_ms) / BW_NS_PER_MS;
}

/* Each site has been heard, or had the time for it. */
static void lead_anew_and_hear(void)
{
    world_lead_anew(&world);
    world_pass_ms(&world, freshness_ms() + 500);
}

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
    assert_non_null(strstr(bw_group_wish_over(world_group(&world))->words, "dc-b: not ready"));
    world.sites[B].report.ready = true;
    world_sync_all(&world);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "-");

    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    lead_anew_and_hear();
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

/* Half of a command is another command: without `--accept-data-loss`, or to whichever site is best. */
static void its_reason_is_cut_between_clauses(void **state)
{
    const char *words;
    uint64_t wake_ms;

    (void)state;
    begin(2);
    lose_holder();
    world_sync_all(&world);
    world_watch(&world)->lag[B].lag_ms = 3600000;
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-b", 1), "C6");
    lead_anew_and_hear();
    world_watch(&world)->lag[B].lag_ms = 3600000;
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    words = bw_group_wish_over(world_group(&world))->words;
    assert_null(strstr(words, "breakwater failover"));
    assert_string_equal(words + strlen(words) - 5, "; ...");
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
    lead_anew_and_hear();
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);
    assert_non_null(strstr(bw_group_wish_over(world_group(&world))->words, "(service_unknown)"));
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
    lead_anew_and_hear();
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
        lead_anew_and_hear();
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
    lead_anew_and_hear();
    assert_int_equal(over_due(&wake_ms), BW_WISH_END_IMPOSSIBLE);

    begin(3);
    lose_holder();
    assert_string_equal(ask(BW_WISH_FAILOVER, "dc-a", 1), "C6"); /* the first one of the spec */
    assert_string_equal(world_apply(&world, &maintenance), "G30");
    lead_anew_and_hear();
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
        lead_anew_and_hear();
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
    lead_anew_and_hear();
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
    lead_anew_and_hear();
    over_waits();
}

static void each_new_leader_judges_it(void **state)
{
    uint64_t wake_ms;

    (void)state;
    begin(2);
    assert_string_equal(ask(BW_WISH_SWITCHOVER, "dc-b", 1), "C6");
    lead_anew_and_hear();
    over_waits();
    assert_true(world_watch(&world)->wish_judged);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    lead_anew_and_hear();
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
    world_watch(&world)->proposing_count = 1;
    assert_false(bw_witness_wish_over_due(&world.witness, 0, world.now, room, &command, &wake_ns));
    world_watch(&world)->proposing_count = 0;
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
    lead_anew_and_hear();
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
    lead_anew_and_hear();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_leader_judges_it_once_when_it_has_heard_its_sites),
        cmocka_unit_test(a_new_leader_waits_for_its_sites_by_both_clocks),
        cmocka_unit_test(its_reason_is_cut_between_clauses),
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
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
