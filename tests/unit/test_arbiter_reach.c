/* arbiter and table: where a service was seen to be, and what ends an epoch that is held
 * (3.1, 3.3, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/base/feature_level.h>

#include "core_world.h"

static struct world world;

#define assert_rule(rule) assert_string_equal(world_decide(&world), rule)
#define assert_acts(rule) assert_string_equal(world_act(&world), rule)

static void see(int site, enum bw_reach_seen seen)
{
    world.sites[site].report.sight = (struct bw_reach_sight){
        .seen = seen, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
}

/* The holder is lost, and its lease surely over. */
static void lose_holder(void)
{
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
}

static void what_the_site_has_seen_is_committed_and_counts(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_INSIDE);
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->seen, BW_REACH_INSIDE);
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A20");
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_OUTSIDE);
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->seen, BW_REACH_OUTSIDE);
    assert_int_equal(world_group(&world)->phase, BW_PHASE_GRANTED);
    assert_string_not_equal(world_decide(&world), "A20"); /* it is no news any more */

    see(A, BW_REACH_INSIDE);

    assert_acts("A20");
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_INSIDE);
}

/* I1, 3.4: an agent that was restarted says that other scripts lie there, and once that is
 * committed starts with them; what its last session said, of those before, is fresh for a while
 * yet. */
static void inside_counts_of_the_scripts_that_are_committed(void **state)
{
    struct bw_reach_sight *sight = &world.sites[A].report.sight;

    (void)state;
    world_begin(&world, 2);
    see(A, BW_REACH_INSIDE);
    world.sites[A].session.bytes[0]++;
    *sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 2};
    world_sync_all(&world);
    assert_acts("A20");
    *sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN, .digest = 2};
    world_sync_all(&world);

    assert_string_not_equal(world_decide(&world), "A20");
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_OUTSIDE);

    *sight = (struct bw_reach_sight){
        .seen = BW_REACH_INSIDE, .epoch = world_group(&world)->epoch, .digest = 2};
    world_sync_all(&world);
    assert_acts("A20"); /* its own word of these scripts */
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_INSIDE);
}

/* 3.4: who is there no more has committed `outside` last, of other scripts; time may end the epoch
 * again. */
static void inside_of_who_alone_speaks_counts(void **state)
{
    (void)state;
    world_begin(&world, 2);
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A20");
    world.sites[A].session.bytes[0]++;
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_INSIDE, .epoch = world_group(&world)->epoch, .digest = 2};
    for (int i = 0; i < 10; i++) {
        world_pass_ms(&world, 1000);
        (void)world_act(&world);
    }
    assert_int_equal(world_group(&world)->sight.seen, BW_REACH_INSIDE);
    assert_int_equal(world_group(&world)->sight.digest, 2);
}

/* A state of an older release knows of no scripts. */
static void inside_counts_where_no_scripts_are_committed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_group(&world)->sight = (struct bw_reach_sight){.seen = BW_REACH_UNSEEN};
    see(A, BW_REACH_INSIDE);
    world.sites[A].is_deaf = true;
    world_pass_ms(&world, 4000); /* heard, and not both ways */
    assert_acts("A20");
}

/* I1, 3.4: nobody has ended it where no signal of its guard reaches it. */
static void time_alone_ends_nothing_that_was_seen_outside(void **state)
{
    (void)state;
    world_begin(&world, 2);
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A20");
    lose_holder();
    assert_acts("A4"); /* closed */
    assert_rule("A0");
    assert_true(world_holds(&world, "end_reach", -1));

    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_rule("A3");
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_PROVED;
    world_group(&world)->terms.second_enforcer = true;
    assert_rule("A3");
}

/* I1, 3.3: a helper that a start left in the reach was seen, and its service is elsewhere. */
static void time_alone_ends_nothing_that_was_only_seen_inside(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_PROOF_LEVEL;
    see(A, BW_REACH_INSIDE); /* and no kill has proved it */
    assert_acts("A20");
    assert_false(world_group(&world)->sight.proved);
    lose_holder();
    assert_acts("A4"); /* closed */
    assert_rule("A0");
    assert_true(world_holds(&world, "end_reach", -1));

    world_group(&world)->sight.proved = true;
    assert_rule("A3");
    world_group(&world)->sight.proved = false;
    world.witness.leadership.feature_level = BW_PROOF_LEVEL - 1; /* 5.3: as all decide below the level */
    assert_rule("A3");
}

/* It outlives the leader that has heard it. */
static void a_new_leader_goes_by_what_is_committed(void **state)
{
    (void)state;
    world_begin(&world, 2);
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A20");
    world.sites[A].is_mute = true;
    world_lead_anew(&world);
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);

    assert_acts("A4");
    assert_rule("A0");
}

static void another_instance_and_another_epoch_say_nothing_of_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = 7, .digest = 1};
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A20");

    world.sites[B].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A20");

    world.sites[A].instance.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world.sites[A].report.sight = world.sites[B].report.sight;
    world_sync_all(&world);

    assert_string_not_equal(world_decide(&world), "A20");
}

/* Until it is seen, what the site saw of its last epoch counts. What nobody has seen is no more
 * than that, whatever is shown: time alone hands it over as little as what was seen outside. */
static void a_grant_pins_what_the_candidate_has_seen_before(void **state)
{
    static const char *const whys[] = {
        [BW_REACH_UNSEEN] = "its guard has not verified that it can kill the service",
        [BW_REACH_OUTSIDE] = "its processes run outside of what its guard can kill"};
    struct bw_end_waits waits;

    (void)state;
    for (int seen = 0; seen < 3; seen++) {
        world_init(&world, 2);
        see(A, (enum bw_reach_seen)seen);
        world.sites[A].report.sight.proved = seen == BW_REACH_INSIDE;
        world_sync_all(&world);
        assert_acts("A6");
        assert_int_equal(world_group(&world)->sight.seen, seen);
        assert_int_equal(bw_group_history_at(world_group(&world), 0)->seen, seen);
        world.sites[A].renew_epoch = world_group(&world)->epoch;
        assert_true(world_sync(&world, A)); /* it may have been started */
        assert_int_equal(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                                  &world.witness.leadership, &waits),
                         seen != BW_REACH_INSIDE);
        if (seen != BW_REACH_INSIDE)
            assert_string_equal(waits.why, whys[seen]);
    }
}

static void an_adopted_service_is_outside_unless_its_units_were_seen_up(void **state)
{
    (void)state;
    for (int are_units = 0; are_units < 2; are_units++) {
        world_init(&world, 2);
        world.sites[A].report.service = BW_SERVICE_STARTED;
        world.sites[A].report.reach = are_units != 0 ? BW_REACH_UNITS : BW_REACH_CGROUP;
        see(A, BW_REACH_INSIDE);
        assert_acts("A6");
        assert_true(world_group(&world)->adopting);
        assert_int_equal(world_group(&world)->sight.seen,
                         are_units != 0 ? BW_REACH_INSIDE : BW_REACH_OUTSIDE);
    }
}

/* Granted by this very leader, which has confirmed no renewal of it: nothing was started. */
static void what_was_never_started_ends_by_time_wherever_it_would_have_been(void **state)
{
    (void)state;
    world_init(&world, 2);
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A6");
    lose_holder();

    assert_rule("A3");
    assert_int_equal(world.decision.command.reason, BW_REASON_NEVER_STARTED);
}

/* ---- held
 * ------------------------------------------------------------------------------------------ */

static void hold(void)
{
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_acts("A2");
    assert_true(world_group(&world)->held);
    assert_int_equal(world_group(&world)->held_index, world.index);
}

/* 3.3: what was seen, or given back, before the fence failed counts no more. */
static void a_held_epoch_ends_by_a_give_back_that_answers_it(void **state)
{
    struct bw_order order;

    (void)state;
    hold();
    bw_order_derive(world_group(&world), "dc-a", world.index, &order);
    assert_int_equal(order.held_index, world_group(&world)->held_index);
    world.sites[A].report.fence_failed = false;
    world_give_back(&world, A, BW_REASON_LEASE_LOST, true, "");
    assert_rule("A0");
    assert_true(world_holds(&world, "held", -1));

    world.sites[A].released.held_index = order.held_index;
    world_sync_all(&world);

    assert_acts("A1");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(world_group(&world)->held_index, 0);
}

static void the_table_takes_no_other(void **state)
{
    struct bw_command command = {.kind = BW_COMMAND_RELEASED, .reason = BW_REASON_LEASE_LOST};

    (void)state;
    hold();
    command.epoch = world_group(&world)->epoch;
    command.instance = world_group(&world)->holder_instance;
    assert_null(bw_group_match(world_group(&world), &command));
    command.held_index = world_group(&world)->held_index + 1;
    assert_null(bw_group_match(world_group(&world), &command));

    command.held_index = world_group(&world)->held_index;

    assert_string_equal(bw_group_match(world_group(&world), &command)->id, "G9");
}

/* 3.4: what was seen is said by a site that still speaks. */
static void what_a_silent_site_has_seen_is_no_news(void **state)
{
    (void)state;
    world_begin(&world, 2);
    see(A, BW_REACH_OUTSIDE);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 10000);

    assert_string_not_equal(world_decide(&world), "A20");
}

/* ---- the second enforcer --------------------------------------------------------------------- */

static void say_second(int site, enum bw_second_word word)
{
    world.sites[site].report.second = word;
    world_sync_all(&world);
}

/* dc-a serves what no guard's signal reaches, and a second enforcer is seen. */
static void begin_with_second(void)
{
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    see(A, BW_REACH_OUTSIDE);
    assert_acts("A20");
    say_second(A, BW_SECOND_IS_SEEN);
    assert_acts("A33");
    assert_true(world_group(&world)->terms.second_enforcer);
    assert_string_not_equal(world_decide(&world), "A33"); /* it is no news any more */
}

/* I1, 3.4: granted without one it starts as soon as it may, whatever it has said before that. */
static void one_is_committed_once_what_it_ends_has_begun(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[A].report.start_begun = false;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_string_not_equal(world_decide(&world), "A33");
    world.sites[A].report.start_begun = true;
    world.sites[A].report.armed_epoch = 0; /* of an epoch before */
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A33");
    world.sites[A].report.armed_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    assert_acts("A33");
    assert_true(world_group(&world)->terms.second_enforcer);
}

/* I3, 3.4: the leader before may have confirmed a renewal since that was sent without one. */
static void what_was_said_before_a_leader_began_is_no_news_of_one(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world_sync_all(&world);
    world_lead_anew(&world);
    world_wait_ms(&world, 1);
    assert_string_not_equal(world_decide(&world), "A33");
    for (int i = 0; i < 2; i++) { /* the second knows of an answer to the first */
        world_sync_all(&world);
        world_wait_ms(&world, 1);
    }
    assert_string_equal(world_decide(&world), "A33");
}

/* 3.2: its holder renews, and says it, as its epoch's terms have it, whatever the spec says since. */
static void one_is_seen_at_the_pace_of_its_epoch(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_group(&world)->terms.renew_interval_ms = 5000;
    world_group(&world)->spec.renew_interval_ms = 300;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    for (int i = 0; i < 2; i++) {
        world_wait_ms(&world, 5000);
        (void)world_sync(&world, A);
    }
    assert_string_equal(world_decide(&world), "A33");
}

/* Late on its way: who sent it may be lost, and its second enforcer as well, since then. */
static void what_was_said_long_ago_is_no_news_of_one(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_sync_all(&world);
    world_wait_ms(&world, 60000);
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    (void)world_sync(&world, A); /* of an answer that was given a minute ago */
    assert_string_not_equal(world_decide(&world), "A33");
    (void)world_sync(&world, A);
    assert_string_equal(world_decide(&world), "A33");
}

/* I1, 3.4: what its end by time rests on. */
static void time_ends_what_a_second_enforcer_ends(void **state)
{
    (void)state;
    begin_with_second();
    lose_holder();
    assert_rule("A3");
    assert_string_equal(world_gate(&world, "end_reach", -1)->word, "a second enforcer of its site is connected");
}

/* I1, 3.4: it tells itself that it has seen no end, as another instance; and is lost then, too. */
static void what_it_could_not_end_waits_also_once_it_is_silent(void **state)
{
    (void)state;
    begin_with_second();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world));
    world.sites[A].is_mute = false;
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.second = BW_SECOND_IS_NONE;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[A].report.has_fence_or_stop_succeeded = false;
    world_pass_ms(&world, 5000);
    assert_acts("A33");
    assert_false(world_group(&world)->terms.second_enforcer);
    assert_acts("A4");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 2 * world_wait_of_terms_ms(&world));
    assert_rule("A0");
    assert_true(world_holds(&world, "end_reach", -1));
}

/* A leader of another machine waits by both of its clocks (design 1): until then it may be ended in time. */
static void it_could_not_end_it_once_both_clocks_say_that_the_lease_is_over(void **state)
{
    (void)state;
    begin_with_second();
    world.now.boot_ns += world_wait_of_terms_ms(&world) * BW_NS_PER_MS;
    world.now.raw_ns += (world_wait_of_terms_ms(&world) - 1000) * BW_NS_PER_MS;
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[A].report.has_fence_or_stop_succeeded = false;
    (void)world_sync(&world, A);
    assert_string_not_equal(world_decide(&world), "A33");
    world.now.raw_ns += 1000 * BW_NS_PER_MS;
    (void)world_sync(&world, A);
    assert_rule("A33");
}

/* One was seen, and then it said that; its lease is over. */
static void lose_holder_that_says(enum bw_second_word word)
{
    begin_with_second();
    say_second(A, word);
    assert_acts("A33");
    assert_false(world_group(&world)->terms.second_enforcer);
    lose_holder();
    assert_acts("A4");
    assert_rule("A0");
}

/* I1, 3.4: seen when the lease was renewed last, not before it. */
static void time_ends_nothing_once_no_second_enforcer_is_seen(void **state)
{
    (void)state;
    for (int word = BW_SECOND_IS_NONE; word < BW_SECOND_IS_SEEN; word++) {
        lose_holder_that_says((enum bw_second_word)word);
        assert_true(world_holds(&world, "end_reach", -1));
    }
}

/* I1, 3.4: else its leader may be lost with it before that is committed. */
static void a_renewal_without_one_is_confirmed_once_that_is_committed(void **state)
{
    (void)state;
    begin_with_second();
    assert_true(world_sync(&world, A));
    world.sites[A].report.second = BW_SECOND_IS_SILENT;
    assert_false(world_sync(&world, A));
    assert_acts("A33");
    assert_true(world_sync(&world, A));
}

/* A newer agent may say more than this witness knows, and a stranger with its certificate anything. */
static void a_word_that_is_not_known_is_no_word(void **state)
{
    static const uint32_t words[] = {BW_SECOND_IS_SEEN + 1, 9, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        lose_holder_that_says((enum bw_second_word)words[i]);
        assert_true(world_holds(&world, "end_second", -1));
    }
}

/* Another instance, another site, and a boot that does not renew say nothing that time may end by.
 */
static void only_who_renews_says_that_one_is_seen(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    say_second(B, BW_SECOND_IS_SEEN);
    assert_string_not_equal(world_decide(&world), "A33");
    world.sites[A].boot_id.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world.sites[A].renew_epoch = 0;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_string_not_equal(world_decide(&world), "A33");
    world.sites[A].instance.bytes[0] = 77;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_string_not_equal(world_decide(&world), "A33");
}

/* Of two sessions the one that sees none counts, whichever speaks last. */
static void one_session_that_sees_none_is_enough(void **state)
{
    (void)state;
    begin_with_second();
    say_second(A, BW_SECOND_IS_BLIND);
    world.sites[A].session.bytes[0]++;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_acts("A33");
    assert_false(world_group(&world)->terms.second_enforcer);
    assert_string_not_equal(world_decide(&world), "A33");
}

/* 3.4: each of them alone. */
static void who_is_not_the_holders_instance_says_of_no_second_enforcer(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_sync_all(&world);
    world.sites[A].instance.bytes[1] = 77;
    world.sites[A].session.bytes[1] = 77;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    for (int i = 0; i < 3; i++)
        (void)world_sync(&world, A);
    assert_string_not_equal(world_decide(&world), "A33");
}

/* 3.4: only of the boot whose renewals are confirmed it is known that none is, unless one is seen.
 */
static void a_boot_that_cannot_renew_says_of_no_second_enforcer(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world_sync_all(&world);
    world.sites[A].boot_id.bytes[1] = 77;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world.sites[A].renew_epoch = 0;
    world_pass_ms(&world, 10000); /* the other boot says no more that it sees none */
    assert_string_not_equal(world_decide(&world), "A33");
    world.sites[A].boot_id.bytes[1] = 0;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A33");
}

/* By the faster of the leader's clocks (design 1). */
static void what_one_clock_says_is_old_is_no_news_of_a_second_enforcer(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_string_equal(world_decide(&world), "A33");
    world.now.boot_ns += 60000 * BW_NS_PER_MS;
    assert_string_not_equal(world_decide(&world), "A33");
}

/* Unknown is never yes: who said it is not heard any more. */
static void what_a_silent_site_has_said_of_a_second_enforcer_is_no_news(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    say_second(A, BW_SECOND_IS_SEEN);
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A33");
    world.sites[A].is_mute = true;
    world_wait_ms(&world, 60000);
    assert_string_not_equal(world_decide(&world), "A33");
}

/* Nor does one that is heard no more take away what a newer session sees. */
static void what_a_session_said_long_ago_of_none_is_over(void **state)
{
    (void)state;
    begin_with_second();
    world.sites[A].report.second = BW_SECOND_IS_BLIND;
    (void)world_sync(&world, A);
    world.sites[A].session.bytes[0]++;
    world.sites[A].report.second = BW_SECOND_IS_SEEN;
    world_pass_ms(&world, 20000);
    assert_string_not_equal(world_decide(&world), "A33");
    assert_true(world_group(&world)->terms.second_enforcer);
}

/* 3.4: it began before breakwater came, so it says that it is armed, not that it will be. */
static void one_of_an_adopted_service_counts_once_it_is_armed(void **state)
{
    struct bw_group *of;

    (void)state;
    world_begin(&world, 2);
    of = world_group(&world);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    of->history[(of->history_first + of->history_count - 1) % BW_HISTORY_MAX].adopted = true;
    world.sites[A].report.start_begun = false;
    say_second(A, BW_SECOND_IS_SEEN);
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A33");
    world.sites[A].report.armed_epoch = 0;
    world_sync_all(&world);
    assert_string_not_equal(world_decide(&world), "A33");
}

/* The gate says what the site says. */
static void why_it_is_committed_is_said(void **state)
{
    (void)state;
    begin_with_second();
    say_second(A, BW_SECOND_IS_BLIND);
    assert_string_equal(world_decide(&world), "A33");
    assert_non_null(world_gate(&world, "second_enforcer", -1));
}

/* 5.3: a witness of an older release would stop at the command. */
static void below_its_level_none_counts(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL - 1;
    say_second(A, BW_SECOND_IS_SEEN);
    assert_string_not_equal(world_decide(&world), "A33");
    const struct bw_command command = {.kind = BW_COMMAND_SECOND_ENFORCER,
                                       .group = "harbor",
                                       .epoch = world_group(&world)->epoch,
                                       .instance = world_group(&world)->holder_instance,
                                       .is_seen = true};

    assert_string_equal(world_apply(&world, &command), "-");
    assert_false(world_group(&world)->terms.second_enforcer);
}

/* 3.4: what it is granted with holds until it says otherwise; of what it adopts nobody knows a
 * deadline. */
static void a_grant_pins_whether_its_candidate_has_one(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.cluster.feature_level = BW_SECOND_LEVEL;
    world.sites[B].report.second = BW_SECOND_IS_SEEN;
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");
    world_pass_ms(&world, 3000);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_true(world_group(&world)->terms.second_enforcer);
}

/* 3.4: of two sessions the one that says `outside` counts, whichever spoke first. */
static void one_session_that_has_seen_it_outside_is_enough(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        world_begin(&world, 2);
        for (int i = 0; i < 2; i++) {
            world.sites[A].session.bytes[0] = (uint8_t)(70 + i);
            world.sites[A].report.sight = (struct bw_reach_sight){
                .seen = i == first ? BW_REACH_OUTSIDE : BW_REACH_INSIDE,
                .epoch = world_group(&world)->epoch,
                .digest = 1};
            (void)world_sync(&world, A);
        }
        assert_string_equal(world_decide(&world), "A20");
        assert_int_equal(world.decision.command.sight.seen, BW_REACH_OUTSIDE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_site_has_seen_is_committed_and_counts),
        cmocka_unit_test(inside_counts_of_the_scripts_that_are_committed),
        cmocka_unit_test(inside_of_who_alone_speaks_counts),
        cmocka_unit_test(inside_counts_where_no_scripts_are_committed),
        cmocka_unit_test(time_alone_ends_nothing_that_was_seen_outside),
        cmocka_unit_test(time_alone_ends_nothing_that_was_only_seen_inside),
        cmocka_unit_test(a_new_leader_goes_by_what_is_committed),
        cmocka_unit_test(another_instance_and_another_epoch_say_nothing_of_it),
        cmocka_unit_test(a_grant_pins_what_the_candidate_has_seen_before),
        cmocka_unit_test(an_adopted_service_is_outside_unless_its_units_were_seen_up),
        cmocka_unit_test(what_was_never_started_ends_by_time_wherever_it_would_have_been),
        cmocka_unit_test(a_held_epoch_ends_by_a_give_back_that_answers_it),
        cmocka_unit_test(the_table_takes_no_other),
        cmocka_unit_test(what_a_silent_site_has_seen_is_no_news),
        cmocka_unit_test(one_is_committed_once_what_it_ends_has_begun),
        cmocka_unit_test(what_was_said_before_a_leader_began_is_no_news_of_one),
        cmocka_unit_test(one_is_seen_at_the_pace_of_its_epoch),
        cmocka_unit_test(what_was_said_long_ago_is_no_news_of_one),
        cmocka_unit_test(time_ends_what_a_second_enforcer_ends),
        cmocka_unit_test(what_it_could_not_end_waits_also_once_it_is_silent),
        cmocka_unit_test(it_could_not_end_it_once_both_clocks_say_that_the_lease_is_over),
        cmocka_unit_test(time_ends_nothing_once_no_second_enforcer_is_seen),
        cmocka_unit_test(a_renewal_without_one_is_confirmed_once_that_is_committed),
        cmocka_unit_test(a_word_that_is_not_known_is_no_word),
        cmocka_unit_test(only_who_renews_says_that_one_is_seen),
        cmocka_unit_test(one_session_that_sees_none_is_enough),
        cmocka_unit_test(who_is_not_the_holders_instance_says_of_no_second_enforcer),
        cmocka_unit_test(a_boot_that_cannot_renew_says_of_no_second_enforcer),
        cmocka_unit_test(what_one_clock_says_is_old_is_no_news_of_a_second_enforcer),
        cmocka_unit_test(what_a_silent_site_has_said_of_a_second_enforcer_is_no_news),
        cmocka_unit_test(what_a_session_said_long_ago_of_none_is_over),
        cmocka_unit_test(one_of_an_adopted_service_counts_once_it_is_armed),
        cmocka_unit_test(why_it_is_committed_is_said),
        cmocka_unit_test(below_its_level_none_counts),
        cmocka_unit_test(a_grant_pins_whether_its_candidate_has_one),
        cmocka_unit_test(one_session_that_has_seen_it_outside_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
