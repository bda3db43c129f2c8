/* arbiter and witness: whose word counts, until which instant, by which clock, and what is kept when the sites
 * of a group change (design 3.1, 3.3, 3.5, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

#define FRESH_MS 3000 /* of a report, by the default spec */

static struct world world;
static struct world_site copy; /* of dc-a's machine: the same state directory, another boot */

static void begin_with_copy(uint8_t number)
{
    copy = world.sites[A];
    copy.session.bytes[0] = number;
    copy.boot_id.bytes[0] = number;
    copy.number = 0;
    copy.exchanges[0].number = 0;
    copy.renew_epoch = 0;
    copy.report.service = BW_SERVICE_STOPPED;
    copy.report.armed_epoch = 0;
    copy.report.serving_epoch_started = false;
}

static void sync_copy(void)
{
    const struct world_site original = world.sites[A];

    world.sites[A] = copy;
    (void)world_sync(&world, A);
    copy = world.sites[A];
    world.sites[A] = original;
}

/* The clocks go apart by so much. */
static void wait_by(uint64_t boot_ms, uint64_t raw_ms)
{
    world.now.boot_ns += boot_ms * BW_NS_PER_MS;
    world.now.raw_ns += raw_ms * BW_NS_PER_MS;
}

static void see_outside(void)
{
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A20");
}

/* ---- whose word ---- */

/* 3.3: an agent elsewhere says nothing of the holder's service, whatever runs where it is. */
static void what_serves_at_another_site_is_no_word_of_the_holders(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.fence_failed = true;
    world.sites[B].report.fence_epoch = world_group(&world)->epoch;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);

    assert_string_equal(world_decide(&world), "A3");
    assert_null(world_gate(&world, "fence_failed", -1));
    assert_false(world_holds(&world, "contradiction", -1));
}

/* 3.5: whoever asked and fell silent is not heard any more, from the instant at which its word is old. */
static void a_boot_that_fell_silent_is_not_committed(void **state)
{
    (void)state;
    for (uint64_t ms = FRESH_MS - 1; ms <= FRESH_MS; ms++) {
        world_init(&world, 2);
        assert_string_equal(world_act(&world), "A6");
        world.sites[A].boot_id.bytes[0] = 91;
        world.sites[A].renew_epoch = 1;
        assert_false(world_sync(&world, A));
        world_wait_ms(&world, ms);
        assert_string_equal(world_decide(&world), ms < FRESH_MS ? "A30" : "A0");
    }
}

/* 3.5: of two other boots that speak the give-back waits for the one that was heard last, in whatever order
 * they were heard first. */
static void a_give_back_waits_for_each_other_boot_that_speaks(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct world_site first;

        world_begin(&world, 2);
        see_outside();
        begin_with_copy(90);
        sync_copy();
        first = copy;
        begin_with_copy(91);
        sync_copy();
        world_wait_ms(&world, 1000);
        if (order == 0)
            copy = first;
        sync_copy();
        world_stop(&world, A);
        world.sites[A].released = (struct bw_released){.epoch = world_group(&world)->epoch,
                                                       .reason = BW_REASON_REBOOT};
        (void)world_sync(&world, A);

        assert_string_equal(world_decide(&world), "A0");
        assert_true(world_holds(&world, "release_boot", -1));
        assert_int_equal(world.decision.wake_in_ns, FRESH_MS * BW_NS_PER_MS);
        world.sites[A].is_mute = true;
        world_wait_ms(&world, FRESH_MS - 1);
        assert_string_equal(world_decide(&world), "A0");
        world_wait_ms(&world, 1);
        assert_string_equal(world_decide(&world), "A1");
    }
}

/* 3.5: a word that nobody vouches for stands in no other's way, whichever came first. */
static void of_two_give_backs_the_one_that_is_vouched_for_counts(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct world_site *const agent = order == 0 ? &world.sites[A] : &copy;

        world_begin(&world, 2);
        see_outside();
        begin_with_copy(90);
        copy.boot_id = world.sites[A].boot_id; /* the same machine, whose agent has restarted */
        copy.report = world.sites[A].report;
        sync_copy();
        world_stop(&world, A);
        copy.report = world.sites[A].report;
        world.sites[A].released = copy.released = (struct bw_released){
            .epoch = world_group(&world)->epoch, .reason = BW_REASON_REBOOT};
        (void)strcpy(world.sites[A].released.position, "1");
        (void)strcpy(copy.released.position, "2");
        agent->relayed_by = 2;
        agent->number += 1000000;
        (void)world_sync(&world, A);
        sync_copy();

        assert_string_equal(world_decide(&world), "A1");
        assert_string_equal(world.decision.command.position, order == 0 ? "2" : "1");
        world_wait_ms(&world, world_wait_of_terms_ms(&world) + 5000); /* nobody else can hold it */
        assert_string_equal(world_decide(&world), "A1");
        assert_string_equal(world.decision.command.position, order == 0 ? "2" : "1");
    }
}

/* ---- until which instant ---- */

/* 3.4: what came back without its state is another's word from the instant at which the holder's is old, by
 * either clock. */
static void a_holder_is_lost_once_its_last_word_is_old_by_either_clock(void **state)
{
    static const struct {
        uint64_t boot_ms;
        uint64_t raw_ms;
        bool is_lost;
    } waits[] = {{FRESH_MS - 1, FRESH_MS - 1, false},
                 {FRESH_MS, FRESH_MS, true},
                 {FRESH_MS, 1000, true},
                 {1000, FRESH_MS, true}};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct bw_end_waits out;

        world_begin(&world, 2);
        see_outside();
        (void)world_sync(&world, A);
        wait_by(waits[i].boot_ms, waits[i].raw_ms);
        world.sites[A].instance.bytes[0] = 77;
        (void)world_sync(&world, A);

        assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                             &world.witness.leadership, &out));
        assert_int_equal(out.is_lost, waits[i].is_lost);
    }
}

/* 3.6: a new leader waits for the target's word by both clocks. */
static void a_target_may_speak_to_a_new_leader_for_as_long_as_either_clock_says(void **state)
{
    static const struct {
        uint64_t boot_ms;
        uint64_t raw_ms;
        bool is_lost;
    } waits[] = {{FRESH_MS - 1, FRESH_MS - 1, false},
                 {FRESH_MS, FRESH_MS - 1, false},
                 {FRESH_MS - 1, FRESH_MS, false},
                 {FRESH_MS, FRESH_MS, true}};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        world_begin(&world, 2);
        assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
        assert_string_equal(world_act(&world), "A11");
        world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "7");
        assert_string_equal(world_act(&world), "A1");
        world.sites[B].is_mute = true;
        world_wait_ms(&world, 10 * FRESH_MS);
        world_lead_anew(&world);
        wait_by(waits[i].boot_ms, waits[i].raw_ms);
        (void)world_decide(&world);
        assert_int_equal(world_gate(&world, "target_lost", -1) != NULL, waits[i].is_lost);
    }
}

/* 3.2.4: F and the margin are what a fence may take. */
static void a_fence_that_took_all_its_time_keeps_it(void **state)
{
    const struct bw_spec *spec = &world_group(&world)->spec;

    (void)state;
    world_init(&world, 2);
    for (uint32_t over_ms = 0; over_ms < 2; over_ms++) {
        world.sites[A].report.fence_took_ms = spec->fence_timeout_ms + spec->margin_ms + over_ms;
        world_sync_all(&world);
        (void)world_decide(&world);
        assert_int_equal(world_holds(&world, "fence_bound", A), over_ms > 0);
    }
}

static const char *fence_bound_word(uint32_t limit_ms, enum bw_reach_kind reach, enum bw_reach_seen seen)
{
    struct bw_report *report = &world.sites[A].report;

    report->fence_bound_ms = limit_ms;
    report->reach = reach;
    report->sight.seen = seen;
    world_sync_all(&world);
    (void)world_decide(&world);
    return world_gate(&world, "fence_bound", A)->word;
}

/* 3.2.4: where TERM and KILL end nothing of the service its script runs on to D. */
static void a_script_whose_service_no_signal_ends_has_all_of_f(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_int_equal(world_group(&world)->spec.fence_timeout_ms, 5000);
    assert_string_equal(fence_bound_word(3334, BW_REACH_CGROUP, BW_REACH_INSIDE),
                        "none measured yet, its limit is cut to the TERM");
    assert_string_equal(fence_bound_word(5000, BW_REACH_CGROUP, BW_REACH_OUTSIDE), "none measured yet");
    assert_string_equal(fence_bound_word(5000, BW_REACH_CGROUP, BW_REACH_UNSEEN), "none measured yet");
    assert_string_equal(fence_bound_word(5000, BW_REACH_REMOTE, BW_REACH_INSIDE), "none measured yet");
    assert_string_equal(fence_bound_word(5001, BW_REACH_REMOTE, BW_REACH_OUTSIDE),
                        "none measured yet, its limit is cut to the deadline");
}

static void renews_each_3_s(struct bw_spec *spec)
{
    spec->renew_interval_ms = 3000;
    spec->lease_ttl_ms = 60000;
}

/* 3.3, 3.9: a holder speaks as often as its epoch asks for, or the spec since: the longer of both counts. */
static void a_word_of_the_holder_is_fresh_by_its_terms_and_by_the_spec(void **state)
{
    (void)state;
    for (int is_pinned = 0; is_pinned < 2; is_pinned++) {
        struct bw_spec quick;
        struct bw_spec slow;

        world_init(&world, 2);
        quick = slow = world_group(&world)->spec;
        renews_each_3_s(&slow);
        quick.lease_ttl_ms = slow.lease_ttl_ms;
        world_begin_with(&world, 2, is_pinned != 0 ? &slow : &quick);
        world_set_spec(&world, is_pinned != 0 ? &quick : &slow, "");
        world_sync_all(&world);
        world.sites[A].is_mute = true;
        world_wait_ms(&world, 2 * FRESH_MS);
        (void)world_decide(&world);
        assert_true(world_holds(&world, "contradiction", -1));
        world_wait_ms(&world, FRESH_MS);
        (void)world_decide(&world);
        assert_false(world_holds(&world, "contradiction", -1));
    }
}

/* 3.4: where nobody has spoken nobody has come back without its state. */
static void a_holder_of_whom_nobody_speaks_is_not_known_as_lost(void **state)
{
    struct bw_end_waits out;

    (void)state;
    world_begin(&world, 2);
    see_outside();
    memset(&world_watch(&world)->reports[A], 0, sizeof world_watch(&world)->reports[A]);
    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &out));
    assert_false(out.is_lost);
}

/* 3.5: who speaks from another boot and asks for nothing is not committed as what renews. */
static void a_boot_that_asks_for_nothing_is_not_committed(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_string_equal(world_act(&world), "A6");
    world.sites[A].boot_id.bytes[0] = 91;
    (void)world_sync(&world, A);
    assert_string_equal(world_decide(&world), "A0");
    assert_null(world_gate(&world, "boot", -1));
}

/* ---- what a person may ask for ---- */

/* 4: who speaks and renews no more has lost its lease all the same. */
static void a_failover_is_taken_of_a_holder_that_speaks_and_lets_its_lease_lapse(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 2);
    world.sites[A].renew_epoch = 0;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) - 2000);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    world_pass_ms(&world, 3000);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
}

/* 3.9: a name of one letter names a site as any other does. */
static void an_initial_primary_of_one_letter_is_named(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    (void)strcpy(spec.sites[1].name, "b");
    world_set_spec(&world, &spec, "b");
    world_sync_all(&world);
    (void)world_decide(&world);
    assert_string_equal(world_gate(&world, "first_grant", -1)->word, "initial primary");
    assert_int_equal(world_gate(&world, "first_grant", -1)->value, 1); /* and explain shows whom */
}

/* 3.9: a service that runs is adopted as it is, measured or not. */
static void what_runs_is_adopted_before_anything_was_measured(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A6");
    assert_true(world.decision.command.adopt);
    assert_null(world_gate(&world, "measured", B));
}

/* 3.6: a move has the time that the person gave it. */
static void a_move_is_taken_back_after_the_time_that_was_asked_for(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .to = "dc-b", .timeout_ms = 10000};

    (void)state;
    world_begin(&world, 2);
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    world_pass_ms(&world, 9500);
    assert_string_equal(world_decide(&world), "A0");
    assert_int_equal(world_gate(&world, "switchover_timeout", -1)->threshold, 10000);
    world_pass_ms(&world, 500);
    assert_string_equal(world_decide(&world), "A5");
}

/* 3.1: said again it is so of the site that it was said of, and of no other. */
static void only_the_site_whose_epoch_was_forced_was_forced(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_begin(&world, 3);
    see_outside();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 5000);
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-a", false, &diag), BW_OK);
    assert_string_equal(world_act(&world), "A25");
    world_pass_ms(&world, world_wait_of_terms_ms(&world));
    assert_string_equal(world_act(&world), "A26");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-a", false, &diag), BW_ERR_EXISTS);
    assert_int_equal(world_ask(&world, BW_WISH_FORCE_RELEASE, "dc-c", false, &diag), BW_ERR_REFUSED);
}

/* ---- what is kept ---- */

static void a_place_without_a_group_is_not_looked_at(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.group_count = 2;
    memset(&world.decision, 0xff, sizeof world.decision);
    bw_witness_decide(&world.witness, 1, world.now, &world.decision);

    assert_false(world.decision.acts);
    assert_string_equal(world.decision.rule, "A0");
    assert_int_equal(world.decision.gate_count, 0);
    assert_int_equal(world.decision.wake_in_ns, UINT64_MAX);
    assert_int_equal(world.decision.command.kind, BW_COMMAND_COUNT);
}

/* 3.1: a snapshot of the same group keeps what its sites have said; of another group nothing is known. */
static void what_was_heard_of_a_group_outlives_a_snapshot_of_that_group(void **state)
{
    struct bw_watch *const watch = world_watch(&world);

    (void)state;
    world_begin(&world, 2);
    world_wait_ms(&world, 500);
    bw_witness_on_restored(&world.witness, world.now);
    assert_true(watch->reports[A].by_instance[0].used);
    assert_true(watch->reports[B].by_instance[0].used);
    assert_string_equal(watch->served_site, "dc-a");
    assert_int_equal(watch->phase_applied.boot_ns, world.now.boot_ns);

    (void)strcpy(world_group(&world)->spec.name, "haven");
    bw_witness_on_restored(&world.witness, world.now);
    assert_string_equal(watch->name, "haven");
    assert_false(watch->reports[A].by_instance[0].used);
    assert_false(watch->reports[B].by_instance[0].used);
    assert_string_equal(watch->served_site, "");
}

/* What a site said stands by its name, however often the list has changed around it. */
static void what_a_site_said_outlives_the_others(void **state)
{
    struct bw_watch *const watch = world_watch(&world);
    struct bw_spec spec;
    struct bw_instant since;

    (void)state;
    world_begin(&world, 3);
    spec = world_group(&world)->spec;
    since = watch->connected_since[C];
    spec.sites[1] = spec.sites[2];
    spec.site_count = 2;
    for (int times = 0; times < 3; times++) {
        world_set_spec(&world, &spec, "");
        assert_true(watch->reports[1].by_instance[0].used);
        assert_int_equal(watch->reports[1].by_instance[0].instance.bytes[0], 3);
        assert_int_equal(watch->connected_since[1].boot_ns, since.boot_ns);
        assert_true(watch->lag[1].known);
        assert_false(watch->reports[2].by_instance[0].used);
        assert_string_equal(watch->sites[2], "");
    }
    (void)strcpy(spec.sites[2].name, "dc-b");
    spec.sites[2].priority = 50;
    spec.site_count = 3;
    world_set_spec(&world, &spec, "");
    assert_false(watch->reports[2].by_instance[0].used); /* it has said nothing since */
    assert_false(watch->lag[2].known);
}

/* 3.6: a move goes on under another spec that has its sites, and so does the way back. */
static void a_spec_that_has_its_sites_leaves_a_move_its_way_back(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_begin(&world, 3);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_string_equal(world_act(&world), "A11");
    spec = world_group(&world)->spec;
    spec.max_lag_ms++;
    world_set_spec(&world, &spec, "");
    assert_string_equal(world_group(&world)->target, "dc-b");
    assert_string_equal(world_group(&world)->target_origin, "dc-a");

    spec.sites[0].never_candidate = true;
    world_set_spec(&world, &spec, "");
    assert_string_equal(world_group(&world)->target, "dc-b");
    assert_string_equal(world_group(&world)->target_origin, "");
}

/* 4: as many grants as the history keeps are counted by their own time. */
static void each_grant_of_the_history_has_its_mark(void **state)
{
    const struct bw_watch *const watch = world_watch(&world);

    (void)state;
    world_begin(&world, 2);
    for (uint64_t epoch = 2; epoch <= BW_HISTORY_MAX + 1; epoch++) {
        world_give_back(&world, epoch % 2 == 0 ? A : B, BW_REASON_SERVICE_DOWN, true, "");
        assert_string_equal(world_act(&world), "A1");
        assert_string_equal(world_act(&world), "A9");
        assert_int_equal(world_group(&world)->epoch, epoch);
        world_serve(&world, epoch % 2 == 0 ? B : A);
        world_wait_ms(&world, 100);
        for (uint64_t kept = epoch < BW_HISTORY_MAX ? 1 : epoch - BW_HISTORY_MAX + 1; kept <= epoch;
             kept++) {
            uint32_t count = 0;

            for (uint32_t i = 0; i < BW_HISTORY_MAX; i++)
                count += watch->grants[i].epoch == kept &&
                         (watch->grants[i].ended.boot_ns != 0) == (kept < epoch);
            assert_int_equal(count, 1);
        }
    }
}

/* ---- what says nothing ---- */

/* 3.7: another instance of its site is not the holder, and nothing planned is begun with it. */
static void another_instance_is_no_connected_holder(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    world.sites[A].instance.bytes[0] = 77;
    world_pass_ms(&world, 2 * FRESH_MS);
    (void)world_decide(&world);
    assert_true(world_holds(&world, "holder", -1));
    assert_null(world_gate(&world, "guard", -1));
}

/* 3.4: who has not seen where the service is has no news of it. */
static void what_was_not_seen_is_no_news(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A20");
    world.sites[A].report.sight.seen = BW_REACH_UNSEEN;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_null(world_gate(&world, "reach_seen", -1));
}

/* 3.4: beside it, in another session, who has not seen it takes nothing back of what was seen. */
static void what_one_session_has_not_seen_hides_nothing_of_another(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_group(&world)->sight.proved = false;
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_INSIDE, .proved = true, .epoch = world_group(&world)->epoch, .digest = 1};
    (void)world_sync(&world, A);
    begin_with_copy(90);
    copy.boot_id = world.sites[A].boot_id;
    copy.report = world.sites[A].report;
    copy.report.sight.seen = BW_REACH_UNSEEN;
    sync_copy();
    assert_string_equal(world_decide(&world), "A20");
    assert_int_equal(world.decision.command.sight.seen, BW_REACH_INSIDE);
    assert_true(world.decision.command.sight.proved);
}

/* 4: who serves lags behind nobody. */
static void the_holder_has_no_lag(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.has_lag = true;
    world_sync_all(&world);
    assert_false(world_watch(&world)->lag[A].known);
    assert_true(world_watch(&world)->lag[B].known);
}

/* 3.5: of a sync that was overtaken only what it gives back of the same epoch has come by one more way. */
static void what_an_overtaken_sync_gives_back_of_another_epoch_is_not_heard(void **state)
{
    const struct bw_contact *const kept = &world_watch(&world)->reports[A].by_instance[0];

    (void)state;
    world_begin(&world, 2);
    world.sites[A].number -= 2;
    world.sites[A].relayed_by = 2;
    world.sites[A].released = (struct bw_released){.epoch = 1, .reason = BW_REASON_REBOOT};
    (void)world_sync(&world, A);
    assert_int_equal(kept->released.epoch, 0);
    world.sites[A].number += 2;
    (void)world_sync(&world, A);
    assert_int_equal(kept->released.epoch, 1);
    world.sites[A].number -= 2;
    world.sites[A].released.epoch = 0;
    (void)world_sync(&world, A);
    assert_int_equal(kept->released.epoch, 1);
}

/* 3.9: an agent that has not heard of the cluster's id yet is heard; one of another cluster is not. */
static void an_agent_of_no_cluster_yet_is_heard(void **state)
{
    static const uint8_t ids[] = {0, 7, 8}; /* none, this one, another */

    (void)state;
    for (size_t i = 0; i < sizeof ids; i++) {
        struct bw_sync_group group = {.name = "harbor"};
        struct bw_sync sync = {.cluster_id = {{ids[i]}},
                               .instance = {{9}},
                               .session = {{9}},
                               .boot_id = {{9}},
                               .site = "dc-b",
                               .number = 1,
                               .group_count = 1,
                               .groups = &group};
        bool is_kept = false;

        world_init(&world, 2);
        sync.generation = world.cluster.generation;
        (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
        for (size_t at = 0; at < BW_AGENTS_PER_SITE_MAX; at++)
            is_kept = is_kept ||
                      world_watch(&world)->reports[B].by_instance[at].instance.bytes[0] == 9;
        assert_int_equal(is_kept, ids[i] != 8);
    }
}

/* 3.3: an exchange that a sync does not name is none, whatever lies where it would be. */
static void an_exchange_beyond_the_count_is_none(void **state)
{
    struct bw_sync_group group = {.name = "harbor", .report = world.sites[B].report};
    struct bw_sync sync = {.cluster_id = world.cluster.id,
                           .generation = world.cluster.generation,
                           .instance = {{9}},
                           .session = {{9}},
                           .boot_id = {{9}},
                           .site = "dc-b",
                           .number = 1,
                           .group_count = 1,
                           .groups = &group};

    (void)state;
    world_begin(&world, 2);
    sync.cluster_id = world.cluster.id;
    sync.generation = world.cluster.generation;
    world.sites[B].is_mute = true;
    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
    (void)strcpy(sync.exchanges[0].witness, world.witness.name);
    sync.exchanges[0].number = 1;
    sync.number = 2;
    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &world_watch(&world)->reports[B].by_instance[i];

        if (contact->used && contact->instance.bytes[0] == 9)
            assert_int_equal(contact->answered_number, 0);
    }
    sync.exchange_count = 1;
    sync.number = 3;
    (void)bw_witness_on_sync(&world.witness, &sync, 0, world.now);
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &world_watch(&world)->reports[B].by_instance[i];

        if (contact->used && contact->instance.bytes[0] == 9)
            assert_int_equal(contact->answered_number, 1);
    }
}

/* 3.1: what was held when a snapshot was read is held since then, and no later command begins it anew. */
static void what_a_snapshot_holds_is_no_news_to_the_next_command(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 60000};
    struct bw_instant restored;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A2");
    assert_true(world_group(&world)->held);
    memset(world_watch(&world), 0, sizeof *world_watch(&world)); /* another process */
    bw_witness_on_restored(&world.witness, world.now);
    restored = world.now;
    world_wait_ms(&world, 5000);
    assert_string_equal(world_apply(&world, &command), "G30");
    assert_int_equal(world_watch(&world)->phase_applied.boot_ns, restored.boot_ns);
}

/* 4: while a site holds the group, a site that has not followed its epoch is shown as no candidate. */
static void who_has_not_followed_the_open_epoch_is_no_candidate(void **state)
{
    struct bw_candidacy candidacy;
    bool holds = false;

    (void)state;
    world_begin(&world, 2);
    world_watch(&world)->verified_epoch = 0; /* nobody has heard it verified */
    world.sites[B].report.joined_epoch = 0;
    world_sync_all(&world);
    world_watch(&world)->verified_epoch = 0;
    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, B, false,
                    world.now, &candidacy);
    for (uint32_t i = 0; i < candidacy.gate_count; i++)
        holds = holds || (strcmp(bw_gate_id_text(candidacy.gates[i].id), "rejoining") == 0 &&
                          candidacy.gates[i].verdict == BW_GATE_HOLD);
    assert_true(holds);
    assert_false(candidacy.eligible);
}

/* 4: of who was never heard nobody knows that it owes anything. */
static void who_was_never_heard_may_be_asked_for(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    world_init(&world, 3);
    memset(&world_watch(&world)->reports[C], 0, sizeof world_watch(&world)->reports[C]);
    world.sites[C].is_mute = true;
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-c", false, &diag), BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_serves_at_another_site_is_no_word_of_the_holders),
        cmocka_unit_test(a_boot_that_fell_silent_is_not_committed),
        cmocka_unit_test(a_give_back_waits_for_each_other_boot_that_speaks),
        cmocka_unit_test(of_two_give_backs_the_one_that_is_vouched_for_counts),
        cmocka_unit_test(a_holder_is_lost_once_its_last_word_is_old_by_either_clock),
        cmocka_unit_test(a_target_may_speak_to_a_new_leader_for_as_long_as_either_clock_says),
        cmocka_unit_test(a_fence_that_took_all_its_time_keeps_it),
        cmocka_unit_test(a_script_whose_service_no_signal_ends_has_all_of_f),
        cmocka_unit_test(a_failover_is_taken_of_a_holder_that_speaks_and_lets_its_lease_lapse),
        cmocka_unit_test(an_initial_primary_of_one_letter_is_named),
        cmocka_unit_test(a_place_without_a_group_is_not_looked_at),
        cmocka_unit_test(what_was_heard_of_a_group_outlives_a_snapshot_of_that_group),
        cmocka_unit_test(what_a_site_said_outlives_the_others),
        cmocka_unit_test(a_spec_that_has_its_sites_leaves_a_move_its_way_back),
        cmocka_unit_test(each_grant_of_the_history_has_its_mark),
        cmocka_unit_test(another_instance_is_no_connected_holder),
        cmocka_unit_test(what_was_not_seen_is_no_news),
        cmocka_unit_test(the_holder_has_no_lag),
        cmocka_unit_test(what_an_overtaken_sync_gives_back_of_another_epoch_is_not_heard),
        cmocka_unit_test(an_exchange_beyond_the_count_is_none),
        cmocka_unit_test(what_a_snapshot_holds_is_no_news_to_the_next_command),
        cmocka_unit_test(who_has_not_followed_the_open_epoch_is_no_candidate),
        cmocka_unit_test(who_was_never_heard_may_be_asked_for),
        cmocka_unit_test(a_word_of_the_holder_is_fresh_by_its_terms_and_by_the_spec),
        cmocka_unit_test(a_holder_of_whom_nobody_speaks_is_not_known_as_lost),
        cmocka_unit_test(a_boot_that_asks_for_nothing_is_not_committed),
        cmocka_unit_test(an_agent_of_no_cluster_yet_is_heard),
        cmocka_unit_test(what_one_session_has_not_seen_hides_nothing_of_another),
        cmocka_unit_test(what_runs_is_adopted_before_anything_was_measured),
        cmocka_unit_test(a_move_is_taken_back_after_the_time_that_was_asked_for),
        cmocka_unit_test(only_the_site_whose_epoch_was_forced_was_forced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
