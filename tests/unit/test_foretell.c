/* foretell: what was foretold in thousands of states is what then happens, step by step of a clock,
 * if no report changes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/prng.h>
#include <breakwater/core/foretell.h>

#include "core_world.h"

#define SEEDS      60
#define STEPS      40
#define TICK_MS    100
#define HORIZON_MS 20000
#define LOSS_MS    60000
#define FRESH_MS   3000 /* as the spec has it */

static struct world world;
static struct world then;
static struct bw_foretelling room;
static struct bw_foretold foretold;
static struct bw_prng prng;
static unsigned foretold_of[BW_COMMAND_COUNT + 1], waited_for, losses[2];
static uint32_t fences[2]; /* likewise after a fence from another site */

static uint64_t below(uint64_t bound)
{
    return bw_prng_below(&prng, bound);
}

static void foretell(struct world *of)
{
    bw_foretell(world_group(of), world_watch(of), &of->witness.leadership, of->now, &room,
                &foretold);
}

/* ---- as it then happens ---- */

/* The machines point into the world that they are of. */
static void copy_world(void)
{
    then = world;
    then.cluster.groups = then.groups;
    then.witness.cluster = &then.cluster;
    then.witness.watches = then.watches;
}

/* Who is heard now goes on to speak, and hears if it heard. */
static void hold_reports(void)
{
    const uint64_t fresh_ns = bw_expiry_freshness_ns(world_group(&then)->spec.renew_interval_ms,
                                                     world_group(&then)->spec.request_timeout_ms);

    for (int site = 0; site < WORLD_SITES; site++) {
        const struct bw_contact *contact = bw_site_reports_newest(
            &world_watch(&then)->reports[site]);

        then.sites[site].is_mute = contact == NULL ||
                                   bw_instant_right_is_over(
                                       then.now, bw_instant_add(contact->received, fresh_ns));
        then.sites[site].is_deaf = contact == NULL ||
                                   bw_instant_right_is_over(
                                       then.now,
                                       bw_instant_add(contact->answered_received, fresh_ns));
        if (contact == NULL)
            continue;
        then.sites[site].report = contact->report;
        then.sites[site].renew_epoch = contact->renew_epoch;
        then.sites[site].released = contact->released;
        then.sites[site].exchanges[0].number = contact->answered_number;
    }
}

/* The first decision from now on; its time in ms, UINT64_MAX: none before `until_ms`. */
static uint64_t live_on(uint64_t until_ms)
{
    copy_world();
    hold_reports();
    then.watches[0].proposing_count = 0;
    for (uint64_t at_ms = 0; at_ms <= until_ms; at_ms += TICK_MS) {
        for (int site = 0; site < WORLD_SITES; site++)
            if (!then.sites[site].is_mute)
                (void)world_sync(&then, site);
        (void)world_decide(&then);
        if (then.decision.acts)
            return at_ms;
        world_wait_ms(&then, TICK_MS);
    }
    return UINT64_MAX;
}

static void compare(uint64_t seed, int step)
{
    uint64_t after_ms, lived_ms, early_ms;

    foretell(&world);
    after_ms = foretold.after_ns / BW_NS_PER_MS;
    lived_ms = live_on(HORIZON_MS);
    foretold_of[foretold.command.kind]++;
    if (!foretold.acts || after_ms > HORIZON_MS) {
        if (lived_ms != UINT64_MAX)
            fail_msg("seed %llu step %d: %s (%s) after %llu ms, and it was foretold for %s",
                     (unsigned long long)seed, step, bw_command_word(then.decision.command.kind),
                     then.decision.rule, (unsigned long long)lived_ms,
                     foretold.acts ? "later" : "never");
        return;
    }
    waited_for += after_ms > 0;
    /* A word that speaks against an end is as old as the answer that it follows: of another age in
     * each sync. */
    early_ms = foretold.command.kind == BW_COMMAND_FENCE_FAILED ? FRESH_MS : 1;
    if (lived_ms == UINT64_MAX || lived_ms + early_ms < after_ms ||
        lived_ms > after_ms + 2 * TICK_MS || then.decision.command.kind != foretold.command.kind ||
        strcmp(then.decision.command.site, foretold.command.site) != 0 ||
        strcmp(then.decision.command.target, foretold.command.target) != 0)
        fail_msg(
            "seed %llu step %d: foretold %s %s (%s) after %llu ms; then %s %s (%s) after %lld ms",
            (unsigned long long)seed, step, bw_command_word(foretold.command.kind),
            foretold.command.site, foretold.rule, (unsigned long long)after_ms,
            bw_command_word(then.decision.command.kind), then.decision.command.site,
            then.decision.rule, (long long)lived_ms);
}

/* Whether and to whom a Grant comes if the holder has fallen silent. */
static bool live_on_without(int holder)
{
    copy_world();
    hold_reports();
    then.watches[0].proposing_count = 0;
    then.sites[holder].is_mute = true;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        struct bw_contact *contact = &then.watches[0].reports[holder].by_instance[i];

        contact->received = contact->answered_received = (struct bw_instant){0, 0};
    }
    for (uint64_t at_ms = 0; at_ms <= LOSS_MS; at_ms += TICK_MS) {
        for (int site = 0; site < WORLD_SITES; site++)
            if (!then.sites[site].is_mute)
                (void)world_sync(&then, site);
        (void)world_act(&then);
        if (then.decision.acts && then.decision.command.kind == BW_COMMAND_GRANT)
            return true;
        world_wait_ms(&then, TICK_MS);
    }
    return false;
}

static void compare_loss(uint64_t seed, int step)
{
    const struct bw_group *group = world_group(&world);
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    bool is_granted;

    if (group->phase == BW_PHASE_VACANT || holder < 0)
        return;
    bw_foretell_loss(group, world_watch(&world), &world.witness.leadership, world.now, &room,
                     &foretold);
    is_granted = live_on_without(holder);
    losses[foretold.acts]++;
    if (is_granted != (foretold.acts && foretold.after_ns / BW_NS_PER_MS <= LOSS_MS) ||
        (is_granted && strcmp(foretold.command.site, then.decision.command.site) != 0))
        fail_msg("seed %llu step %d: without its holder foretold %s after %llu ms; then %s",
                 (unsigned long long)seed, step, foretold.acts ? foretold.command.site : "nobody",
                 (unsigned long long)(foretold.after_ns / BW_NS_PER_MS),
                 is_granted ? then.decision.command.site : "nobody");
}

/* If every site had a script for it: in any state, and only where time alone would bring nobody. */
static void compare_fenced(uint64_t seed, int step)
{
    static struct bw_watch watch;
    struct bw_foretold loss;
    struct bw_foretold fenced;

    watch = *world_watch(&world);
    for (int site = 0; site < WORLD_SITES; site++)
        for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
            watch.reports[site].by_instance[i].report.remote_fence.limit_ms = 30000;
    bw_foretell_loss(world_group(&world), &watch, &world.witness.leadership, world.now, &room, &loss);
    bw_foretell_fenced(world_group(&world), &watch, &world.witness.leadership, world.now, &room, &fenced);
    fences[fenced.acts]++;
    if (loss.acts && fenced.acts)
        fail_msg("seed %llu step %d: %s follows by time, and a fence is waited for",
                 (unsigned long long)seed, step, loss.command.site);
}

/* ---- what happens before ---- */

static bool holds(int site)
{
    const struct bw_group *group = world_group(&world);

    return group->phase != BW_PHASE_VACANT &&
           strcmp(group->spec.sites[site].name, group->holder_site) == 0;
}

static void change_site(int site)
{
    struct bw_report *report = &world.sites[site].report;

    switch (below(10)) {
    case 0:
        report->service = (enum bw_service)below(3);
        break;
    case 1:
        report->guard_alive = !report->guard_alive;
        break;
    case 2:
        report->condition = (enum bw_condition)below(4);
        break;
    case 3:
        report->ready = !report->ready;
        break;
    case 4:
        report->lag_ms = below(8000);
        break;
    case 5:
        report->fence_failed = !report->fence_failed;
        report->fence_epoch = world_group(&world)->epoch;
        break;
    case 6:
        world.sites[site].is_deaf = !world.sites[site].is_deaf;
        break;
    case 7:
        world.sites[site].is_mute = !world.sites[site].is_mute;
        break;
    case 8:
        report->override = (enum bw_override)below(BW_OVERRIDE_COUNT);
        break;
    default:
        report->service_age_ms = (uint32_t)below(2000);
        break;
    }
}

static void a_person_acts(void)
{
    static const char *const to[] = {"", "dc-a", "dc-b", "dc-c"};
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = (uint32_t)below(15000)};

    switch (below(4)) {
    case 0:
        (void)world_ask(&world, below(2) ? BW_WISH_FAILOVER : BW_WISH_SWITCHOVER, to[below(4)],
                        below(2), NULL);
        break;
    case 1:
        (void)strcpy(command.site, to[below(4)]);
        (void)world_apply(&world, &command);
        break;
    case 2:
        command.kind = BW_COMMAND_SET_MODE;
        command.mode = (enum bw_mode)(below(2) ? BW_MODE_AUTO : below(4));
        (void)world_apply(&world, &command);
        break;
    default:
        world_lead_anew(&world);
        break;
    }
}

static void serve_or_stop(int site)
{
    if (!holds(site))
        return;
    if (below(4) == 0)
        world_give_back(&world, site, below(2) ? BW_REASON_START_FAILED : BW_REASON_SWITCHOVER,
                        below(2), below(2) ? "9" : "");
    else
        world_serve(&world, site);
}

static void something_happens(void)
{
    switch (below(8)) {
    case 0:
        a_person_acts();
        break;
    case 1:
        change_site((int)below(WORLD_SITES));
        break;
    case 2:
    case 3:
        serve_or_stop((int)below(WORLD_SITES));
        break;
    case 4:
        world_wait_ms(&world, below(12000));
        break;
    default:
        world_pass_ms(&world, below(4000));
        break;
    }
    world_know_spec(&world);
}

static void run_seed(uint64_t seed)
{
    struct bw_spec spec;

    bw_prng_init(&prng, seed);
    world_begin(&world, WORLD_SITES);
    spec = world_group(&world)->spec;
    spec.handover_by_time = below(6) ? BW_HANDOVER_PROVED : BW_HANDOVER_NEVER;
    spec.failback_ms = below(2) ? 5000 : 0;
    spec.min_primary_time_ms = below(2) ? 10000 : 0;
    spec.max_failovers_per_window = (uint32_t)below(3);
    spec.switchover_timeout_ms = 10000;
    spec.retry_backoff_ms = 1000;
    world_set_spec(&world, &spec, "");
    for (int step = 0; step < STEPS; step++) {
        something_happens();
        world_sync_all(&world);
        compare(seed, step);
        compare_loss(seed, step);
        compare_fenced(seed, step);
        if (below(2))
            (void)world_act(&world);
    }
}

static void what_was_foretold_is_what_happens(void **state)
{
    static const enum bw_command_kind kinds[] = {
        BW_COMMAND_GRANT,    BW_COMMAND_REVOKE,  BW_COMMAND_UNREVOKE,     BW_COMMAND_CLOSE,
        BW_COMMAND_RELEASED, BW_COMMAND_EXPIRED, BW_COMMAND_FENCE_FAILED, BW_COMMAND_COUNT};

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (foretold_of[kinds[i]] == 0)
            fail_msg("command %d was never foretold: the scenarios have a hole", (int)kinds[i]);
    assert_true(waited_for > 100);
    assert_true(losses[false] > 100 && losses[true] > 100);
    assert_true(fences[false] > 100 && fences[true] > 100);
}

/* ---- in words ---- */

static void says(const char *text)
{
    char sentence[192];

    bw_foretold_text(&foretold, world_group(&world), false, sentence, sizeof sentence);
    assert_string_equal(sentence, text);
}

static void a_screen_says_it_in_words(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .duration_ms = 8000};

    (void)state;
    world_begin(&world, 2);
    foretell(&world);
    says("Next: dc-a stays primary");
    foretold = (struct bw_foretold){.acts = true,
                                    .after_ns = 9400 * BW_NS_PER_MS,
                                    .command.kind = BW_COMMAND_FENCE_FAILED,
                                    .rule = "A2"};
    says("dc-a is blocked, unless a fence confirms the stop before, in 9.4 s");
    foretold.after_ns = BW_NS_PER_MS;
    says("dc-a is blocked, unless a fence confirms the stop before, in 0.0 s");
    foretold.after_ns = 0;
    says("dc-a is blocked by a failed fence now");
    foretold = (struct bw_foretold){
        .acts = true, .command = {.kind = BW_COMMAND_MAINTENANCE, .site = "b"}, .rule = "A13"};
    says("the maintenance of b ends now");
    (void)world_apply(&world, &command);
    foretell(&world);
    says("the maintenance of the group ends in 8.0 s");
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    foretell(&world);
    says("dc-a stops for a move to dc-b now");
    world.sites[A].is_mute = true;
    world_watch(&world)->wish.kind = BW_WISH_NONE;
    world_pass_ms(&world, 8000);
    (void)world_act(&world);
    foretell(&world);
    says("dc-a's lease is not renewed, and expires in 7.2 s");
    world_pass_ms(&world, 7281);
    (void)world_act(&world);
    foretell(&world);
    says("dc-b becomes primary now");
}

/* 4: it stands in the way of nothing. */
static void a_wish_that_cannot_come_true_delays_nothing(void **state)
{
    (void)state;
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-c", true, NULL), BW_OK);
    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    foretell(&world);
    says("dc-b becomes primary now");
}

/* 3.8: the one that overrides is granted once nobody asks for another site any more. */
static void the_end_of_a_wish_is_waited_for(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 15300);
    world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-a", false, NULL), BW_OK);
    world_sync_all(&world);
    foretell(&world);
    says("dc-b becomes primary in 149.9 s");
}

/* The holder never looked, or says so long ago that no machine has lived so long: nothing to wait
 * for, and no harm. */
static void a_look_that_is_never_made_is_not_waited_for(void **state)
{
    static const uint32_t ages_ms[] = {UINT32_MAX, UINT32_MAX - 1, 3600000};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        world_begin(&world, 2);
        world.sites[A].renew_epoch = 0;
        world.sites[A].report.service = BW_SERVICE_UNKNOWN;
        world.sites[A].report.service_age_ms = ages_ms[i];
        world_pass_ms(&world, 15300);
        world_sync_all(&world);
        foretell(&world);
        assert_false(foretold.acts);
    }
    world.sites[A].report.service = BW_SERVICE_STARTED;
    for (size_t i = 0; i < 2; i++) { /* one that was made is made again */
        world.sites[A].report.service_age_ms = ages_ms[i];
        world_sync_all(&world);
        foretell(&world);
        assert_int_equal(foretold.acts, ages_ms[i] != UINT32_MAX);
    }
}

/* However little it lacks. */
static void a_look_that_is_all_but_made_is_waited_for(void **state)
{
    struct bw_contact *contact;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[A].report.service_age_ms = 3600000;
    world_pass_ms(&world, 15300);
    world_sync_all(&world);
    foretell(&world);
    assert_true(foretold.acts);
    contact = &world_watch(&world)->reports[A].by_instance[0];
    contact->answered_received = bw_instant_add(contact->answered_received, foretold.after_ns - 1);
    foretell(&world);
    assert_true(foretold.acts);
    assert_int_equal(foretold.after_ns, 1);
    assert_int_equal(foretold.command.kind, BW_COMMAND_FENCE_FAILED);
}

/* ---- what goes on to be measured (4) ---- */

/* Two sessions of the holder's instance are heard: one has given the epoch back, and one renews. */
static void release_beside_a_session_that_renews(int site, bool is_armed)
{
    const struct world_site serving = world.sites[site];

    world.sites[site].session.bytes[0] = 9;
    world_give_back(&world, site, BW_REASON_OPERATOR, true, "9");
    world.sites[site] = serving;
    if (!is_armed)
        world.sites[site].report.armed_epoch = 0;
    world_wait_ms(&world, 1);
    (void)world_sync(&world, site);
}

static void foretell_failover(const char *to, struct bw_foretold_course *out_course)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER};

    (void)strcpy(wish.to, to);
    bw_foretell_wish(world_group(&world), world_watch(&world), &world.witness.leadership, world.now,
                     &wish, &room, out_course);
}

/* A session that a later one of its instance has followed renews no more. */
static void of_two_sessions_the_later_goes_on(void **state)
{
    (void)state;
    world_begin(&world, 2);
    foretell(&world);
    assert_false(foretold.acts);
    world_wait_ms(&world, 1);
    world.sites[A].session.bytes[0] = 9;
    world_stop(&world, A);
    (void)world_sync(&world, A);

    foretell(&world);

    assert_true(foretold.acts);
    assert_int_equal(foretold.command.kind, BW_COMMAND_EXPIRED);
}

/* Whoever else speaks there, and whoever has led before. */
static void a_holder_that_renews_goes_on_to(void **state)
{
    const uint8_t others[] = {1, 9}; /* of its own instance, or of another one */

    (void)state;
    world_begin(&world, 2);
    world_lead_anew(&world);
    foretell(&world);
    assert_false(foretold.acts);

    for (int i = 0; i < 2; i++) {
        struct world_site serving;

        world_begin(&world, 2);
        serving = world.sites[A];
        world.sites[A].session.bytes[0] = 9;
        world.sites[A].instance.bytes[0] = others[i];
        world_stop(&world, A);
        (void)world_sync(&world, A);
        world.sites[A] = serving;
        world_wait_ms(&world, 1);
        (void)world_sync(&world, A); /* it speaks on */
        foretell(&world);
        assert_false(foretold.acts);
    }
}

/* 3.2.2: its first renewal is confirmed by nobody while another site serves by a person's word. */
static void beside_an_override_no_first_renewal_goes_on_to_come(void **state)
{
    (void)state;
    for (int is_armed = 0; is_armed < 2; is_armed++) {
        world_begin(&world, 2);
        if (!is_armed)
            world.sites[A].report.armed_epoch = 0;
        world.sites[B].report.override = BW_OVERRIDE_OVERRIDING;
        world_sync_all(&world);
        foretell(&world);
        assert_int_equal(foretold.acts, !is_armed);
    }
}

static const char *follower(void)
{
    bw_foretell_loss(world_group(&world), world_watch(&world), &world.witness.leadership, world.now, &room,
                     &foretold);
    return foretold.acts ? foretold.command.site : "nobody";
}

/* 3.8: an override that waits is in nobody's way but the others': a leader that answers ends the wait, and who is
 * granted has its lease instead. Where its site hears nobody, nobody follows. */
static void beside_an_override_that_waits_its_own_site_alone_may_follow(void **state)
{
    (void)state;
    world_begin(&world, 3);
    assert_string_equal(follower(), "dc-b");
    world.sites[C].report.override = BW_OVERRIDE_WAITING;
    world_sync_all(&world);
    assert_string_equal(follower(), "dc-c");
    assert_true(live_on_without(A));
    assert_string_equal(then.decision.command.site, "dc-c");

    world.sites[C].is_deaf = true;
    world_pass_ms(&world, 2 * FRESH_MS);
    assert_string_equal(follower(), "nobody");
    assert_false(live_on_without(A));

    world.sites[C].is_mute = true; /* silence ends nothing */
    world_pass_ms(&world, 2 * FRESH_MS);
    assert_string_equal(follower(), "nobody");
    assert_false(live_on_without(A));

    world.sites[C].is_mute = world.sites[C].is_deaf = false;
    world.sites[C].report.override = BW_OVERRIDE_NONE;
    world_sync_all(&world);
    assert_string_equal(follower(), "dc-b");
    assert_true(live_on_without(A));
    assert_string_equal(then.decision.command.site, "dc-b");
}

/* It is no candidate, and nothing of it goes on. */
static void a_site_that_was_never_heard_has_nothing_that_goes_on(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_watch(&world)->reports[B] = (struct bw_site_reports){0};
    foretell(&world);
    assert_false(foretold.acts);
}

/* As long as the holder serves each lag is measured again, and is no older than its last word. */
static void beside_a_holder_that_serves_lag_goes_on_to_be_measured(void **state)
{
    static const char *const others[] = {"dc-b", "dc-a"};

    (void)state;
    for (int holder = A; holder <= B; holder++) {
        struct bw_foretold_course course;

        world_begin(&world, 2);
        if (holder == B)
            world_move_to_b(&world);
        release_beside_a_session_that_renews(holder, true);

        foretell_failover(others[holder], &course);

        assert_int_equal(course.decisions[0].command.kind, BW_COMMAND_RELEASED);
        assert_non_null(bw_foretold_grant(&course));
        assert_string_equal(bw_foretold_grant(&course)->site, others[holder]);
    }
}

/* What is not armed does not serve by its epoch: nobody lags behind that. */
static void beside_one_that_is_not_armed_no_lag_grows_old(void **state)
{
    struct bw_foretold_course course;

    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.has_lag = false; /* what it said last is what is known */
    world_sync_all(&world);
    release_beside_a_session_that_renews(A, false);

    foretell_failover("dc-b", &course);

    assert_non_null(bw_foretold_grant(&course));
    assert_string_equal(bw_foretold_grant(&course)->site, "dc-b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_screen_says_it_in_words),
        cmocka_unit_test(beside_a_holder_that_serves_lag_goes_on_to_be_measured),
        cmocka_unit_test(beside_one_that_is_not_armed_no_lag_grows_old),
        cmocka_unit_test(of_two_sessions_the_later_goes_on),
        cmocka_unit_test(a_holder_that_renews_goes_on_to),
        cmocka_unit_test(a_site_that_was_never_heard_has_nothing_that_goes_on),
        cmocka_unit_test(beside_an_override_that_waits_its_own_site_alone_may_follow),
        cmocka_unit_test(beside_an_override_no_first_renewal_goes_on_to_come),
        cmocka_unit_test(a_wish_that_cannot_come_true_delays_nothing),
        cmocka_unit_test(a_look_that_is_never_made_is_not_waited_for),
        cmocka_unit_test(a_look_that_is_all_but_made_is_waited_for),
        cmocka_unit_test(the_end_of_a_wish_is_waited_for),
        cmocka_unit_test(what_was_foretold_is_what_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
