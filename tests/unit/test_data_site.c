/* data_site: whose data is the newest, and how far back what is known of another site's lag may lie (design 3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core_world.h"

static struct world world;

static struct bw_loss loss_of(int site)
{
    struct bw_loss loss;

    bw_policy_loss(world_group(&world), world_watch(&world), &world.witness.leadership, site, &loss);
    return loss;
}

static uint64_t freshness_ns(void)
{
    return bw_policy_freshness_of_ns(world_group(&world), A);
}

/* ---- a machine that is made anew ---- */

/* dc-a, whose data is the newest, is lost with its state, and speaks again: what it has seen, and how ready it is, is
 * what the new one says. dc-b has followed it. */
static void make_anew(uint64_t epoch_seen)
{
    world_begin(&world, 2);
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world_stop(&world, A);
    world.sites[A].report.epoch_seen = epoch_seen;
    world.sites[A].report.ready = epoch_seen != 0;
    world_pass_ms(&world, 1000);
    assert_string_equal(loss_of(A).data_site, "dc-a");
}

/* 3.7, 4: its name alone says nothing of its disk. Granted as "the newest data" it would serve an empty one, or a
 * backup's, and have the good copy follow it. */
static void a_machine_that_was_made_anew_has_no_newest_data(void **state)
{
    (void)state;
    make_anew(0);
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
    assert_non_null(strstr(loss_of(A).unknown, "its disk may be new"));
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* Of whom only the agent's own state is another: its guard, or itself, has seen the epoch. */
static void who_remembers_that_it_served_has_what_it_wrote(void **state)
{
    (void)state;
    make_anew(1);
    assert_int_equal(loss_of(A).kind, BW_LOSS_NONE);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* Not all that a group was granted was heard of: nobody has to remember that. */
static void an_epoch_that_was_never_heard_of_is_not_to_be_remembered(void **state)
{
    (void)state;
    make_anew(1);
    assert_string_equal(world_act(&world), "A9");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");
    world.sites[A].is_mute = false;
    world_pass_ms(&world, 1000);
    assert_int_equal(world_group(&world)->epoch, 2);
    assert_int_equal(world.sites[A].report.epoch_seen, 1);
    assert_int_equal(loss_of(A).kind, BW_LOSS_NONE);
}

/* dc-b wrote last, in epoch 2, after dc-a. */
static void fail_over_and_say(uint64_t epoch_seen)
{
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, B);
    world_pass_ms(&world, 1000);
    assert_int_equal(world_watch(&world)->verified_epoch, 2);
    world.sites[B].report.epoch_seen = epoch_seen;
    world_sync_all(&world);
    assert_string_equal(loss_of(B).data_site, "dc-b");
}

/* ... nor has a machine that is a backup of before: what counts is the epoch in which it was heard serving; where that
 * is not known, the oldest of its own, and no other site's. */
static void what_counts_is_an_epoch_of_its_own(void **state)
{
    (void)state;
    fail_over_and_say(1);
    assert_int_equal(loss_of(B).kind, BW_LOSS_UNKNOWN);
    world_watch(&world)->verified_epoch = 0;
    assert_int_equal(loss_of(B).kind, BW_LOSS_UNKNOWN);
    fail_over_and_say(2);
    assert_int_equal(loss_of(B).kind, BW_LOSS_NONE);

    fail_over_and_say(1);
    (void)strcpy(world_group(&world)->history[0].site, "dc-b"); /* which has held the group before, too */
    assert_int_equal(loss_of(B).kind, BW_LOSS_UNKNOWN);
    world_watch(&world)->verified_epoch = 0; /* a witness that begins anew has heard nothing */
    assert_int_equal(loss_of(B).kind, BW_LOSS_NONE);
}

/* A second enforcer of the site that still tries to fence `epoch` says so, as an agent of its own (3.4). */
static void warn_by_second(int site, uint64_t epoch)
{
    const struct world_site agent = world.sites[site];
    struct world_site *puppet = &world.sites[site];

    memset(puppet, 0, sizeof *puppet);
    puppet->instance.bytes[0] = puppet->session.bytes[0] = 99;
    puppet->boot_id.bytes[0] = 99;
    puppet->report.epoch_seen = epoch;
    world_wait_ms(&world, 1);
    (void)world_sync(&world, site);
    *puppet = agent;
}

/* What such a one fenced it knows; what the disk of the machine has that stands there now it does not. */
static void a_second_enforcer_remembers_for_no_machine(void **state)
{
    (void)state;
    make_anew(0);
    warn_by_second(A, 1);
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
    warn_by_second(B, 1);
    assert_int_equal(loss_of(B).kind, BW_LOSS_MEASURED);
}

/* 3.7, 4: both are lost, and the one that followed is made anew, from a dump of last night, say. */
static void a_lag_of_the_machine_before_is_unknown(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = world.sites[B].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");
    world.sites[B].is_mute = false;
    world_pass_ms(&world, 5000); /* it is back, as it was */
    assert_int_equal(loss_of(B).kind, BW_LOSS_MEASURED);

    world.sites[B].is_mute = true;
    world_pass_ms(&world, 20000);
    world.sites[B].is_mute = false;
    world.sites[B].instance.bytes[0] = world.sites[B].session.bytes[0] = 77;
    world_pass_ms(&world, 5000);
    assert_int_equal(loss_of(B).kind, BW_LOSS_UNKNOWN);
    assert_non_null(strstr(loss_of(B).unknown, "a machine that was replaced since"));
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "lag", B));
}

/* 4: a person who names it may take it as it is. */
static void a_person_may_have_the_machine_that_was_made_anew(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    make_anew(0);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-a", true, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* All have reported, and dc-a, whose data is the newest by the log, is another machine since: before the first grant
 * after a recovery, or after the group was let go. */
static void make_anew_before_a_first_grant(bool is_recovered, enum bw_mode mode)
{
    world_begin(&world, 2);
    world_sync_all(&world);
    world_set_mode(&world, is_recovered ? mode : BW_MODE_OBSERVE);
    world_know_spec(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 5000);
    if (is_recovered) {
        bw_group_recover(world_group(&world), ++world.index, 1000000, 15000, 0);
        world.cluster.applied_index = world.index;
        world_watch(&world)->phase_applied = world_watch(&world)->let_go_applied = world.now;
    }
    world_know_spec(&world);
    world_pass_ms(&world, 60000);
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world_stop(&world, A);
    world.sites[A].report.epoch_seen = 0;
    world.sites[A].report.ready = false;
    for (int site = A; site <= B; site++)
        world.sites[site].report.let_go_index = world_group(&world)->let_go_index;
    world_pass_ms(&world, 2000);
    if (!is_recovered)
        world_set_mode(&world, mode);
    world_know_spec(&world);
    world_pass_ms(&world, 20000);
    assert_true(world_group(&world)->first_grant);
    assert_string_equal(loss_of(A).data_site, "dc-a");
}

/* 3.9, 4: "no site serves" is also what an empty machine says. That gives it nothing; a person may, by its name. */
static void a_machine_that_was_made_anew_is_no_first_primary_by_its_name(void **state)
{
    static const enum bw_mode modes[] = {BW_MODE_AUTO, BW_MODE_MANUAL};
    struct bw_spec spec;

    (void)state;
    for (int round = 0; round < 4; round++) {
        const bool is_recovered = round / 2 == 1;

        make_anew_before_a_first_grant(is_recovered, modes[round % 2]);
        (void)world_decide(&world);
        assert_true(world_holds(&world, "lag", A));
        assert_non_null(strstr(world_gate(&world, "lag", A)->word, "its disk may be new"));
        assert_true(world_holds(&world, "ready", A));
        /* what dc-b lacks is known of what was recovered, and of what was let go nobody knows it */
        assert_string_equal(world.decision.rule, is_recovered && round % 2 == 0 ? "A6" : "A0");
        if (world.decision.acts)
            assert_string_equal(world.decision.command.site, "dc-b");

        assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, NULL), BW_OK);
        assert_string_equal(world_act(&world), "A6");
        assert_string_equal(world_group(&world)->holder_site, "dc-b");

        make_anew_before_a_first_grant(is_recovered, modes[round % 2]);
        spec = world_group(&world)->spec;
        world_set_spec(&world, &spec, "dc-a");
        world_sync_all(&world);
        assert_int_equal(loss_of(A).kind, BW_LOSS_NONE);
        assert_string_equal(world_act(&world), "A6");
        assert_string_equal(world_group(&world)->holder_site, "dc-a");
    }
}

/* 3.9, 4: without a person `manual` grants only who has the newest data, also where the loss is accepted. */
static void manual_asks_for_a_machine_that_was_made_anew(void **state)
{
    (void)state;
    make_anew_before_a_first_grant(true, BW_MODE_MANUAL);
    world_group(&world)->spec.on_lag = BW_ON_LAG_ALLOW;
    world.sites[A].report.ready = true;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "approval", A));
    assert_false(world_holds(&world, "lag", A));
}

/* ---- whose data ---- */

/* What a recovery leaves behind; the sites say what they wrote. */
static void recover_with(uint64_t written_by_b, uint64_t written_by_c)
{
    world_begin(&world, 3);
    world_stop(&world, A);
    world.sites[B].report.armed_epoch = written_by_b;
    world.sites[C].report.armed_epoch = written_by_c;
    world_sync_all(&world);
    world_group(&world)->recovered_index = world.index;
}

/* 3.9: of a state that was never recovered the log knows every grant, and an agent may know the next one before it. */
static void what_was_never_recovered_knows_whose_data_it_is(void **state)
{
    (void)state;
    recover_with(2, 0);
    assert_string_equal(loss_of(A).data_site, "dc-b");
    world_group(&world)->recovered_index = 0;
    assert_string_equal(loss_of(A).data_site, "dc-a");
}

/* 3.9: dc-c wrote in the newest epoch that the state knows, which is older than the one of dc-b. */
static void who_wrote_in_an_epoch_beyond_the_state_is_before_who_wrote_in_its_newest(void **state)
{
    (void)state;
    recover_with(2, 1);
    assert_string_equal(loss_of(A).data_site, "dc-b");
    recover_with(1, 2);
    assert_string_equal(loss_of(A).data_site, "dc-c");
}

/* 3.9: the state knows of dc-b's grant alone, and dc-a, the first of the spec, wrote after it. */
static void the_first_site_of_the_spec_has_the_data_where_it_wrote_beyond_the_state(void **state)
{
    (void)state;
    recover_with(0, 0);
    (void)strcpy(world_group(&world)->data_site, "dc-b");
    assert_string_equal(loss_of(C).data_site, "dc-b");
    world.sites[A].report.armed_epoch = 2;
    world_sync_all(&world);
    assert_string_equal(loss_of(C).data_site, "dc-a");
}

/* 3.9: nobody wrote in it, so that nothing else tells them apart. */
static void of_those_that_followed_as_far_the_first_of_the_spec_has_the_data(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world_stop(&world, A);
    world.sites[B].report.joined_epoch = world.sites[C].report.joined_epoch = 5;
    world_sync_all(&world);
    world_group(&world)->recovered_index = world.index;
    assert_string_equal(loss_of(A).data_site, "dc-b");
}

/* 3.9: dc-b is the last of as many sites as a group may have, and wrote in an epoch that the state does not know. */
static void the_last_of_as_many_sites_as_there_may_be_has_the_data_where_it_wrote_last(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 2);
    spec = world_group(&world)->spec;
    for (uint32_t site = 1; site < BW_SITES_MAX; site++) {
        spec.sites[site] = spec.sites[B];
        (void)snprintf(spec.sites[site].name, sizeof spec.sites[site].name, "dc-%c", (char)('a' + site));
    }
    (void)strcpy(spec.sites[1].name, spec.sites[BW_SITES_MAX - 1].name);
    (void)strcpy(spec.sites[BW_SITES_MAX - 1].name, "dc-b");
    spec.site_count = BW_SITES_MAX;
    world_set_spec(&world, &spec, "");
    world_stop(&world, A);
    world.sites[B].report.armed_epoch = 2;
    world_sync_all(&world);
    world_group(&world)->recovered_index = world.index;

    assert_string_equal(loss_of(A).data_site, "dc-b");
}

/* 3.9: recovered before its first grant, and nobody has written since. */
static void a_state_that_knows_no_epoch_has_nobodys_data(void **state)
{
    (void)state;
    world_init(&world, 2);
    world_group(&world)->recovered_index = world.index;
    assert_int_equal(world_group(&world)->history_count, 0);

    assert_int_equal(loss_of(B).kind, BW_LOSS_NOBODYS);
}

/* ---- how old a lag may be ---- */

/* dc-b measured so long before this witness last heard dc-a serve. */
static struct bw_loss loss_measured_before_ns(uint64_t age_ns)
{
    struct bw_watch *watch = world_watch(&world);

    watch->lag[B].measured = bw_instant_sub(watch->served_contact, age_ns);
    return loss_of(B);
}

/* 4: three checks and the freshness of what dates it. */
static void a_lag_counts_for_three_checks_and_a_window(void **state)
{
    uint64_t age_max_ns;

    (void)state;
    world_begin(&world, 2);
    age_max_ns = 3 * 10 * BW_NS_PER_S + freshness_ns();

    assert_int_equal(loss_measured_before_ns(age_max_ns).kind, BW_LOSS_MEASURED);
    assert_non_null(strstr(loss_measured_before_ns(age_max_ns + 1).unknown, "too long before"));
}

/* 4: what another than the data site served while it was measured is not what the others lack. */
static void a_lag_behind_another_than_the_data_site_is_unknown(void **state)
{
    (void)state;
    world_begin(&world, 3);
    assert_int_equal(loss_of(C).kind, BW_LOSS_MEASURED);
    (void)strcpy(world_group(&world)->data_site, "dc-b");
    assert_non_null(strstr(loss_of(C).unknown, "has no report of the last primary"));
    (void)strcpy(world_group(&world)->data_site, "b"); /* a name all the same */
    assert_non_null(strstr(loss_of(C).unknown, "has no report of the last primary"));
}

/* 4: dc-a had the data until dc-b was granted, whose epoch is over; who reads the log later has seen neither. */
static void what_was_written_since_is_bounded_for_the_leader_that_granted_alone(void **state)
{
    struct bw_group *group;
    struct bw_watch *watch;

    (void)state;
    world_begin(&world, 2);
    group = world_group(&world);
    watch = world_watch(&world);
    group->phase = BW_PHASE_VACANT;
    group->last_end.epoch = watch->data_before_epoch = group->epoch;
    (void)strcpy(group->data_site, "dc-b");
    (void)strcpy(watch->data_before, "dc-a");
    watch->data_before_instance = world.sites[A].instance;
    watch->phase_applied = bw_instant_add(watch->grant_applied, 1500 * BW_NS_PER_MS);

    assert_int_equal(loss_of(A).kind, BW_LOSS_AT_MOST);
    assert_int_equal(loss_of(A).ms, 1500);
    world.witness.leadership.leads = false;
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
}

/* dc-a served, and is lost; dc-b was granted in its place, and is lost soon after it has begun to write. `adopts`: it had
 * served before, under a manual lease. */
static void lose_a_and_then_b(bool adopts)
{
    world_begin(&world, 2);
    world_without_readiness(&world);
    world_group(&world)->spec.on_lag = BW_ON_LAG_ALLOW;
    world_group(&world)->spec.max_lag_ms = 60000;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 17000);
    if (adopts) {
        world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
        world.sites[B].report.service = BW_SERVICE_STARTED;
        world_sync_all(&world);
    }
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_act(&world), adopts ? "A31" : "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    world_group(&world)->spec.on_lag = BW_ON_LAG_REFUSE;
    world.sites[B].report.override = BW_OVERRIDE_NONE;
    world_serve(&world, B);
    if (adopts)
        assert_string_equal(world_act(&world), "A10");
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 17000);
    assert_string_equal(world_act(&world), "A3");
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.epoch_seen = 1;
}

/* 4: dc-a lacks that epoch at most, if it is the machine that had the data before it. */
static void another_machine_lacks_more_than_the_last_epoch(void **state)
{
    (void)state;
    lose_a_and_then_b(false);
    world_pass_ms(&world, 5000);
    assert_int_equal(loss_of(A).kind, BW_LOSS_AT_MOST);

    world.sites[A].is_mute = true;
    world_pass_ms(&world, 20000);
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[0] = world.sites[A].session.bytes[0] = 77;
    world.sites[A].report.epoch_seen = 2; /* as after a fence of that epoch from there (3.3) */
    world_pass_ms(&world, 5000);
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
}

/* ... nor where it was made anew before that epoch. */
static void who_had_forgotten_before_the_last_epoch_lacks_more(void **state)
{
    (void)state;
    make_anew(0);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    memset(world_watch(&world)->lag, 0, sizeof world_watch(&world)->lag);
    world.sites[A].report.has_lag = false;
    world_sync_all(&world);
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
}

/* What was written before the adoption is in no epoch. */
static void what_an_override_wrote_is_no_part_of_the_last_epoch(void **state)
{
    (void)state;
    lose_a_and_then_b(true);
    world_pass_ms(&world, 5000);
    assert_string_equal(loss_of(A).data_site, "dc-b");
    assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
}

/* 3.9: nor what was written after the group was let go; `is_adopted`: by whom serves still, else a person names dc-b. */
static void what_was_written_after_a_let_go_is_no_part_of_the_last_epoch(void **state)
{
    struct bw_spec spec;

    (void)state;
    for (int is_adopted = 0; is_adopted < 2; is_adopted++) {
        world_begin(&world, 2);
        world_without_readiness(&world);
        world_set_mode(&world, BW_MODE_OBSERVE);
        world_stop(&world, A);
        world.sites[B].report.service = is_adopted != 0 ? BW_SERVICE_STARTED : BW_SERVICE_STOPPED;
        world_pass_ms(&world, 60000);
        spec = world_group(&world)->spec;
        spec.mode = BW_MODE_AUTO;
        spec.max_lag_ms = 60000;
        world_set_spec(&world, &spec, is_adopted != 0 ? "" : "dc-b");
        world_pass_ms(&world, 5000);
        if (is_adopted == 0)
            assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, NULL), BW_OK);
        assert_string_equal(world_act(&world), "A6");
        assert_string_equal(world_group(&world)->holder_site, "dc-b");
        world_serve(&world, B);
        if (is_adopted != 0)
            assert_string_equal(world_act(&world), "A10");
        world.sites[B].is_mute = true;
        world_pass_ms(&world, 17000);
        assert_string_equal(world_act(&world), "A3");
        world_pass_ms(&world, 1000);
        assert_string_equal(loss_of(A).data_site, "dc-b");
        assert_int_equal(loss_of(A).kind, BW_LOSS_UNKNOWN);
    }
}

/* dc-a was last heard to serve so long before `since`, which is when this witness came to lead. */
static struct bw_loss loss_led_after_ns(uint64_t gap_ns)
{
    world.witness.leadership.leader_since = bw_instant_add(world_watch(&world)->served_contact, gap_ns);
    return loss_of(B);
}

/* 4: two leaders one after the other, each with the whole of a lease, a window and an election. */
static void the_data_site_served_no_longer_than_two_leaders_may_wait(void **state)
{
    uint64_t ends_within_ns;

    (void)state;
    world_begin(&world, 2);
    ends_within_ns = 2 * (world_group(&world)->terms.ttl_ms * BW_NS_PER_MS + freshness_ns() + 5 * BW_NS_PER_S);

    assert_int_equal(loss_led_after_ns(ends_within_ns).kind, BW_LOSS_MEASURED);
    assert_non_null(strstr(loss_led_after_ns(ends_within_ns + 1).unknown, "may have served without a connection"));
}

/* ---- when it was seen to end ---- */

static void apply(enum bw_command_kind kind)
{
    const struct bw_command command = {.kind = kind, .group = "harbor", .epoch = world_group(&world)->epoch};

    world_wait_ms(&world, 1000);
    assert_string_not_equal(world_apply(&world, &command), "-");
}

/* 4: dc-b has served, and dc-a, the first of the spec, has fenced it within its own limit, or later than that. */
static void the_first_site_of_the_spec_may_take_as_long_as_it_says_to_fence(void **state)
{
    struct bw_spec spec;

    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        world_init(&world, 2);
        spec = world_group(&world)->spec;
        world_set_spec(&world, &spec, "dc-b");
        world_sync_all(&world);
        assert_string_equal(world_act(&world), "A6");
        world_serve(&world, B);
        world.sites[A].report.remote_fence.limit_ms = is_late ? 1000 : 30000;
        world_pass_ms(&world, 5000);
        assert_int_equal(loss_of(A).kind, BW_LOSS_MEASURED);
        apply(BW_COMMAND_CLOSE);
        world_wait_ms(&world, 60000);
        apply(BW_COMMAND_FENCED);

        assert_int_equal(loss_of(A).kind, is_late ? BW_LOSS_UNKNOWN : BW_LOSS_MEASURED);
    }
    assert_non_null(strstr(loss_of(A).unknown, "until it was fenced"));
}

/* 4: dc-b was granted after dc-a and fenced long after, and its data was left alone: dc-a ended in time. */
static void the_late_fence_of_a_later_site_that_never_wrote_says_nothing_of_the_lag(void **state)
{
    (void)state;
    world_begin(&world, 3);
    apply(BW_COMMAND_CLOSE);
    apply(BW_COMMAND_EXPIRED);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 2000);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    world_group(&world)->terms.no_return = BW_NO_RETURN_AHEAD;
    apply(BW_COMMAND_CLOSE);
    world_wait_ms(&world, 120000);
    apply(BW_COMMAND_FENCED);

    assert_string_equal(world_group(&world)->last_end.site, "dc-b");
    assert_string_equal(loss_of(C).data_site, "dc-a");
    assert_int_equal(loss_of(C).kind, BW_LOSS_MEASURED);
}

/* 4: dc-a serves again since, and what it wrote is measured. */
static void how_an_epoch_before_ended_says_nothing_of_the_one_that_is_open(void **state)
{
    struct bw_watch *watch;

    (void)state;
    world_begin(&world, 2);
    watch = world_watch(&world);
    (void)strcpy(world_group(&world)->last_end.site, "dc-a");
    watch->phase_applied = bw_instant_add(watch->served_contact, 600 * BW_NS_PER_S);
    world_group(&world)->last_end.grade = BW_GRADE_LET_GO;
    assert_int_equal(loss_of(B).kind, BW_LOSS_MEASURED);
    world_group(&world)->last_end.grade = BW_GRADE_FENCED;
    assert_int_equal(loss_of(B).kind, BW_LOSS_MEASURED);
}

static uint64_t closed_ns(void)
{
    return world_watch(&world)->served_closed.boot_ns;
}

/* 4: what is revoked still renews, and what is over ended when it was closed. */
static void the_data_site_serves_for_nobody_from_its_close_on(void **state)
{
    uint64_t closed_at_ns;

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_REVOKING);
    assert_int_equal(closed_ns(), 0);
    apply(BW_COMMAND_CLOSE);
    closed_at_ns = world.now.boot_ns;
    assert_int_equal(closed_ns(), closed_at_ns);
    apply(BW_COMMAND_EXPIRED);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(closed_ns(), closed_at_ns);
}

/* 4: dc-b, which this witness has not heard to serve, says nothing of dc-a by its end, nor by its grant. */
static void the_epoch_of_another_site_is_no_end_of_what_was_heard(void **state)
{
    uint64_t closed_at_ns;

    (void)state;
    world_begin(&world, 2);
    apply(BW_COMMAND_CLOSE);
    closed_at_ns = closed_ns();
    apply(BW_COMMAND_EXPIRED);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 2000);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_int_equal(closed_ns(), closed_at_ns);

    world_watch(&world)->served_closed = (struct bw_instant){0, 0};
    apply(BW_COMMAND_CLOSE);
    assert_int_equal(closed_ns(), 0);
}

/* 4: nobody knows when it was measured. */
static void a_lag_without_an_age_is_none(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    world_watch(&world)->lag[B] = (struct bw_lag_sample){0};
    world_sync_all(&world);
    assert_non_null(strstr(loss_of(B).unknown, "not measured since"));
    world.sites[B].report.ready_age_ms = UINT32_MAX - 1; /* before it served */
    world_sync_all(&world);
    assert_non_null(strstr(loss_of(B).unknown, "not measured since"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_was_made_anew_has_no_newest_data),
        cmocka_unit_test(who_remembers_that_it_served_has_what_it_wrote),
        cmocka_unit_test(an_epoch_that_was_never_heard_of_is_not_to_be_remembered),
        cmocka_unit_test(what_counts_is_an_epoch_of_its_own),
        cmocka_unit_test(a_second_enforcer_remembers_for_no_machine),
        cmocka_unit_test(a_lag_of_the_machine_before_is_unknown),
        cmocka_unit_test(a_person_may_have_the_machine_that_was_made_anew),
        cmocka_unit_test(a_machine_that_was_made_anew_is_no_first_primary_by_its_name),
        cmocka_unit_test(manual_asks_for_a_machine_that_was_made_anew),
        cmocka_unit_test(what_was_never_recovered_knows_whose_data_it_is),
        cmocka_unit_test(who_wrote_in_an_epoch_beyond_the_state_is_before_who_wrote_in_its_newest),
        cmocka_unit_test(the_first_site_of_the_spec_has_the_data_where_it_wrote_beyond_the_state),
        cmocka_unit_test(of_those_that_followed_as_far_the_first_of_the_spec_has_the_data),
        cmocka_unit_test(the_last_of_as_many_sites_as_there_may_be_has_the_data_where_it_wrote_last),
        cmocka_unit_test(a_state_that_knows_no_epoch_has_nobodys_data),
        cmocka_unit_test(a_lag_counts_for_three_checks_and_a_window),
        cmocka_unit_test(a_lag_behind_another_than_the_data_site_is_unknown),
        cmocka_unit_test(what_was_written_since_is_bounded_for_the_leader_that_granted_alone),
        cmocka_unit_test(another_machine_lacks_more_than_the_last_epoch),
        cmocka_unit_test(who_had_forgotten_before_the_last_epoch_lacks_more),
        cmocka_unit_test(what_an_override_wrote_is_no_part_of_the_last_epoch),
        cmocka_unit_test(what_was_written_after_a_let_go_is_no_part_of_the_last_epoch),
        cmocka_unit_test(the_data_site_served_no_longer_than_two_leaders_may_wait),
        cmocka_unit_test(the_first_site_of_the_spec_may_take_as_long_as_it_says_to_fence),
        cmocka_unit_test(the_late_fence_of_a_later_site_that_never_wrote_says_nothing_of_the_lag),
        cmocka_unit_test(how_an_epoch_before_ended_says_nothing_of_the_one_that_is_open),
        cmocka_unit_test(the_data_site_serves_for_nobody_from_its_close_on),
        cmocka_unit_test(the_epoch_of_another_site_is_no_end_of_what_was_heard),
        cmocka_unit_test(a_lag_without_an_age_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
