/* site: an agent that begins again, with its memory or without, and a machine that does (design
 * 3.4, 3.7). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"

/* What it knows is over. */
static const struct bw_site_memory given_back = {.epoch = 3,
                                                 .boot_id = {{3}},
                                                 .given_back = true,
                                                 .enforced = true,
                                                 .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};

/* A newer epoch is armed there, until 104 s: this instance's, or another's. */
static struct bw_site_event mirror_of_seven(bool is_anothers)
{
    return (struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                  .ok = !is_anothers,
                                  .mirror_epoch = 7,
                                  .mirror_end = at_ms(104000),
                                  .mirror_fence_ns = FENCE_MS * MS,
                                  .mirror_is_anothers = is_anothers};
}

/* A quarter into the window of `end_ms`, and not before (3.4). */
static void assert_fences_in_window(struct world *world, uint64_t end_ms)
{
    tick_at(world, end_ms - FENCE_MS);
    assert_not_asked(world, "OWN_FENCE");
    tick_at(world, end_ms - FENCE_MS + FENCE_MS / 4);

    assert_asked(world, "OWN_FENCE");
    assert_fenced_by(world, end_ms);
}

static void restarted_agent_adopts_what_its_guard_has_armed(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{1}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin_with(&world, &held);
    guard_state(&world, &of);
    assert_true(renews(&world));

    status(&world, "started");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* 4: a rejoin elsewhere waits for "verified", which the agent before may have known. */
static void what_was_adopted_is_verified_while_it_serves(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{1}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin_with(&world, &held);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    guard_state(&world, &of);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_false(reported(&world).verified);

    look(&world, BW_ACTION_VERIFY, BW_RUN_FAILED, "");
    assert_false(reported(&world).verified);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    for (int i = 0; i < 20 && !world.site.observation[BW_ACTION_VERIFY].running; i++) {
        tick_at(&world, world.now_ms + 100);
        if (world.sent_look.run.action != BW_ACTION_VERIFY)
            ended(&world, &world.sent_look, BW_RUN_OK, "started");
    }
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_true(reported(&world).verified);
}

static void restarted_agent_without_its_guard_reads_the_mirror(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &held);

    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .ok = true,
                                           .mirror_epoch = 1,
                                           .mirror_end = at_ms(104000)});
    tick_at(&world, 104000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 104000);
}

/* H10: no deadline is known: it fences at once, as if D had passed, and counts a whole TTL. */
static void restarted_agent_without_guard_and_mirror_fences_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &held);
    guard_lost(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .ok = false});

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms);
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});
    tick_at(&world, world.now_ms + 1000); /* nor does a failed one wait for what is not known */
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms);
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, 100000 + TTL_MS - 1);
    assert_int_equal(released(&world).epoch, 0);
    tick_at(&world, 100000 + TTL_MS + 1);
    assert_int_equal(released(&world).epoch, 1);
}

/* 3.9: where nothing was ever armed a site reports and does nothing: what runs is not ours yet. */
static void restarted_agent_that_never_armed_fences_nothing(void **state)
{
    struct world world;
    const struct bw_site_memory accepted = {
        .epoch = 1,
        .boot_id = {{3}},
        .adopt = true,
        .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS, .request_timeout_ms = 1000},
    };

    (void)state;
    begin_with(&world, &accepted);
    guard_lost(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .ok = false});
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + TTL_MS + 1);

    assert_not_asked(&world, "OWN_FENCE");
}

/* 3.9: nobody here has begun it, and what it has changed elsewhere only its script ends. */
static void what_was_adopted_is_stopped_by_its_script_also_where_it_is_down(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    memory.adopt = true;
    memory.start_begun = false;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});
    status(&world, "stopped");
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    order(&world, BW_ORDER_STOP, 1);
    assert_asked(&world, "RUN:stop");
}

/* 3.8: a start of it that its state remembers was armed, whatever an agent before this one has written since. */
static void an_adoption_in_which_something_was_begun_is_stopped(void **state)
{
    struct bw_site_memory memory = held;
    struct world world;

    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        memory.adopt = true;
        memory.enforced = false;
        memory.start_begun = begun != 0;
        begin_with(&world, &memory);
        guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_works = true});
        status(&world, "started");
        order(&world, BW_ORDER_STAND_BY, 1);
        assert_int_equal(world.site.memory.given_back, begun == 0);
    }
}

/* 3.9, H13: an adoption that ended before it was armed leaves what runs alone. */
static void an_adoption_that_was_never_armed_stops_nothing(void **state)
{
    struct world world;
    const struct bw_order of = {.kind = BW_ORDER_RUN,
                                .index = 20,
                                .epoch = 1,
                                .adopt = true,
                                .adopting = true,
                                .instance = instance_a,
                                .terms = {.ttl_ms = TTL_MS,
                                          .fence_ms = FENCE_MS,
                                          .request_timeout_ms = 1000,
                                          .renew_interval_ms = 1000}};

    (void)state;
    begin(&world);
    status(&world, "started");
    world.index = 20;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_true(renews(&world));

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(released(&world).epoch, 1);
    status(&world, "started");
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* H10, I1: without its guard an agent that lost its state ends what the old instance armed. */
static void newborn_agent_without_its_guard_fences_what_the_old_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory newborn = {0};
    const struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &newborn);
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);
    tick_at(&world, 104000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR"); /* once more at D - F */
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, 104000 - FENCE_MS + FENCE_MS / 4);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 104000);

    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 7, .ok = false});
    assert_true(reported(&world).fence_failed);
    assert_int_equal(reported(&world).fence_epoch, 7);
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "OWN_FENCE");
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 7, .ok = true});
    tick_at(&world, world.now_ms + 5000);

    assert_not_asked(&world, "OWN_FENCE");
    assert_false(reported(&world).fence_failed);
    assert_int_equal(released(&world).epoch, 0); /* it is not this instance's to give back */
}

/* Two agents of one site; the one that served dies, then the guard. */
static void agent_whose_epoch_is_over_fences_what_another_instance_armed(void **state)
{
    struct world world;
    struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &given_back);
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);
    tick_at(&world, 104000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR");
    mirror.mirror_end = at_ms(114000); /* the other one was alive */
    happen(&world, &mirror);
    tick_at(&world, 104000);
    assert_not_asked(&world, "OWN_FENCE");

    tick_at(&world, 114000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR"); /* in each window */
    tick_at(&world, 114000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 114000);
}

/* 3.8: its state was rolled back, and knows nothing of the epoch that it had armed itself. */
static void agent_whose_state_was_rolled_back_fences_what_it_armed_itself(void **state)
{
    struct world world;
    const struct bw_site_event mirror = mirror_of_seven(false);

    (void)state;
    begin_with(&world, &given_back);
    guard_lost(&world);
    happen(&world, &mirror);
    assert_fences_in_window(&world, 104000);
}

/* 3.8: the witnesses grant it that epoch still, and its disk stands still meanwhile. */
static void agent_that_accepts_anew_what_it_had_armed_fences_it_before_it_is_durable(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 7,
                                      .armed_instance = {{1}},
                                      .armed_end = {104000 * MS, 104000 * MS},
                                      .enforced = true};
    const struct bw_site_event mirror = mirror_of_seven(false);

    (void)state;
    for (int by_mirror = 0; by_mirror < 2; by_mirror++) {
        begin_with(&world, &given_back);
        if (by_mirror != 0) {
            guard_lost(&world);
            happen(&world, &mirror);
        } else {
            guard_state(&world, &of);
        }
        world.save_hangs = true;
        order(&world, BW_ORDER_RUN, 7);
        assert_int_equal(world.site.memory.start_begun, by_mirror != 0); /* unknown is never "no" (4) */
        assert_int_equal(world.site.tenure, BW_TENURE_ACCEPTING);
        assert_asked(&world, "SAVE");
        if (by_mirror == 0)
            guard_lost(&world);
        assert_fences_in_window(&world, 104000);
    }
}

/* 3.8: what it takes for its newest epoch was open when it was copied. */
static void agent_that_was_rolled_back_to_an_open_epoch_fences_the_newer_one(void **state)
{
    struct world world;
    const struct bw_site_event mirror = mirror_of_seven(false);

    (void)state;
    begin_with(&world, &held); /* epoch 1, in this boot */
    guard_lost(&world);
    happen(&world, &mirror);
    assert_not_asked(&world, "OWN_FENCE");
    assert_fences_in_window(&world, 104000);
}

/* 3.8: nothing of it is armed any more, and who renews it would do so for ever. */
static void agent_that_accepts_anew_what_its_guard_has_fenced_gives_it_back(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 7,
                                      .armed_instance = {{1}},
                                      .armed_end = {114000 * MS, 114000 * MS},
                                      .fence_begun = true,
                                      .fence_ended = true,
                                      .fence_ok = true,
                                      .enforced = true};
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 7};

    (void)state;
    begin_with(&world, &given_back);
    guard_state(&world, &of);
    order(&world, BW_ORDER_RUN, 7);
    refused.refused.why = BW_REFUSAL_NOT_DURABLE; /* for no reason that would last */
    from_guard(&world, &refused);
    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    refused.refused.why = BW_REFUSAL_FENCING;
    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
}

/* What it gave back is over (3.5). */
static void agent_whose_epoch_is_over_leaves_what_is_older(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 7,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .enforced = true,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    const struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &memory);
    guard_lost(&world);
    happen(&world, &mirror);
    tick_at(&world, 104000);

    assert_not_asked(&world, "OWN_FENCE");
}

/* 3.4: every agent of a site watches all its mirrors. This one was let go; the group has gone to another
 * one since, which renewed as long as it lived, beside a guard that stands still. */
static void agent_that_was_let_go_fences_what_another_instance_armed_since(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 3,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .let_go_index = 5,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ};

    (void)state;
    begin_with(&world, &memory);
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror); /* nothing is armed yet */
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "READ_MIRROR"); /* and not only once */
    mirror.mirror_is_anothers = true;
    mirror.mirror_epoch = 7;
    mirror.mirror_end = at_ms(120000);
    mirror.mirror_fence_ns = FENCE_MS * MS;
    happen(&world, &mirror);

    tick_at(&world, 120000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 120000);
    happen(&world,
           &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 7, .ok = true});
    happen(&world, &mirror);
    tick_at(&world, 121000);
    assert_not_asked(&world, "OWN_FENCE"); /* once is enough */
}

static void what_was_let_go_is_nobodys_to_end(void **state) /* 3.9 */
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 3,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .let_go_index = 5,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    const struct bw_order of = {
        .kind = BW_ORDER_LET_GO, .index = 5, .epoch = 7, .let_go_index = 5};
    const struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &memory);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    guard_lost(&world);
    happen(&world, &mirror);
    tick_at(&world, 104000);

    assert_not_asked(&world, "OWN_FENCE");
}

/* H6 for what another instance has armed: whatever this one thinks of the guard that it is connected to. */
static void agent_with_a_guard_that_stands_still_fences_what_another_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory newborn = {0};
    const struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &newborn);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 7,
                                                 .armed_epoch = 7,
                                                 .armed_instance = instance_b,
                                                 .armed_end = at_ms(104000)});
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);

    tick_at(&world, 104000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
}

static void newborn_agent_leaves_to_its_guard_what_the_old_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory newborn = {0};
    const struct bw_site_event mirror = mirror_of_seven(true);

    (void)state;
    begin_with(&world, &newborn);
    guard_lost(&world);
    happen(&world, &mirror);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 7,
                                                 .armed_epoch = 7,
                                                 .armed_instance = instance_b,
                                                 .armed_end = at_ms(104000)});
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, 104000 - FENCE_MS / 2);

    assert_not_asked(&world, "OWN_FENCE");
}

/* I1, 3.5: RUN of an Unrevoke comes after the epoch was given back. */
static void a_move_given_up_does_not_revive_what_was_given_back(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=42\n");
    from_guard(&world, &of);
    assert_int_equal(released(&world).epoch, 1);

    order(&world, BW_ORDER_RUN, 1);

    assert_int_equal(released(&world).epoch, 1);
    assert_false(renews(&world));
    status(&world, "stopped");
    assert_not_asked(&world, "RUN:start");
}

static void after_a_reboot_the_epoch_is_given_back_and_not_renewed(void **state)
{
    struct world world;
    struct bw_site_memory memory = held;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    assert_false(renews(&world));
    status(&world, "stopped");
    assert_asked(&world, "END");

    from_guard(&world, &of);

    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(released(&world).reason, BW_REASON_REBOOT);
}

/* What is outside of its reach outlives the boot: `stopped` alone is no end there (3.2.4). */
static void stopped_after_a_reboot_that_the_guard_does_not_take_is_stopped_first(void **state)
{
    struct world world;
    struct bw_site_memory memory = held;
    struct bw_guard_message no = {
        .kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1, .refused.why = BW_REFUSAL_NOT_STOPPED};

    (void)state;
    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    status(&world, "stopped");
    assert_asked(&world, "END");
    from_guard(&world, &no);
    tick_at(&world, world.now_ms + 1000);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

static void service_that_runs_after_a_reboot_is_stopped_first(void **state)
{
    struct world world;
    struct bw_site_memory memory = held;

    (void)state;
    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});

    status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

/* ---- a start that its guard's end has interrupted (5.1, steps) ------------------------------- */

static void begin_interrupted(struct world *world, bool goes_on)
{
    begin_leased(world);
    world->site.limits.start_goes_on = goes_on;
    assert_int_equal(world->sent_run.run.action, BW_ACTION_START);
    ended(world, &world->sent_run, BW_RUN_INTERRUPTED, "");
    world->sent_run.run.action = BW_ACTION_NONE;
}

static void an_interrupted_start_by_steps_is_ordered_again_once_status_says_stopped(void **state)
{
    struct world world;

    (void)state;
    begin_interrupted(&world, true);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* nobody has looked yet */
    look(&world, BW_ACTION_STATUS, BW_RUN_FAILED, "");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* unknown starts nothing (4) */

    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.sent_run.run.epoch, 1);
    assert_int_equal(world.site.tenure, BW_TENURE_STARTING);
}

/* Its end was told to nobody: the connection was away, or its guard. What was looked at before it says nothing of it. */
static void a_start_that_ended_unheard_is_looked_at_before_another_is_ordered(void **state)
{
    const struct bw_guard_state of = {.enforced = true,
                                      .epoch_seen = 1,
                                      .start_epoch = 1,
                                      .armed_epoch = 1,
                                      .armed_instance = {{1}},
                                      .armed_end = {109000 * MS, 109000 * MS}};
    struct world world;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        begin_leased(&world);
        assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
        world.sent_run.run.action = BW_ACTION_NONE;

        guard_lost(&world);
        guard_state(&world, &of);
        assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
        status(&world, serves ? "started" : "stopped");

        assert_int_equal(world.sent_run.run.action, serves ? BW_ACTION_NONE : BW_ACTION_START);
        assert_int_equal(world.site.tenure, serves ? BW_TENURE_SERVING : BW_TENURE_STARTING);
    }
}

static void an_interrupted_start_that_serves_is_taken_as_it_is(void **state)
{
    struct world world;

    (void)state;
    begin_interrupted(&world, true);

    status(&world, "started");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void an_interrupted_start_by_a_script_is_waited_for(void **state)
{
    struct world world;

    (void)state;
    begin_interrupted(&world, false);

    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(world.site.start, BW_SITE_START_RAN);
}

/* What ends its guard each time it is tried is another site's to try. */
static void a_start_goes_on_three_times(void **state)
{
    struct world world;

    (void)state;
    begin_interrupted(&world, true);
    for (int i = 0; i < BW_SITE_STARTS_GO_ON_MAX; i++) {
        status(&world, "stopped");
        assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
        ended(&world, &world.sent_run, BW_RUN_INTERRUPTED, "");
        world.sent_run.run.action = BW_ACTION_NONE;
    }

    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(world.site.start, BW_SITE_START_RAN);
}

/* Each epoch has as many. */
static void a_start_of_another_epoch_goes_on_anew(void **state)
{
    const struct bw_guard_message over = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_interrupted(&world, true);
    for (int i = 0; i < BW_SITE_STARTS_GO_ON_MAX; i++) {
        status(&world, "stopped");
        ended(&world, &world.sent_run, BW_RUN_INTERRUPTED, "");
    }
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    from_guard(&world, &over);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    ended(&world, &world.sent_run, BW_RUN_INTERRUPTED, "");
    world.sent_run.run.action = BW_ACTION_NONE;

    status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

/* It ended by itself: what it came to is known. */
static void a_start_that_went_on_and_ended_is_judged_by_its_end(void **state)
{
    struct world world;

    (void)state;
    begin_interrupted(&world, true);
    status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    world.sent_run.run.action = BW_ACTION_NONE;

    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    status(&world, "started");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.site.restarts, 0); /* it had not served before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarted_agent_that_never_armed_fences_nothing),
        cmocka_unit_test(what_was_adopted_is_stopped_by_its_script_also_where_it_is_down),
        cmocka_unit_test(an_adoption_in_which_something_was_begun_is_stopped),
        cmocka_unit_test(an_adoption_that_was_never_armed_stops_nothing),
        cmocka_unit_test(restarted_agent_adopts_what_its_guard_has_armed),
        cmocka_unit_test(what_was_adopted_is_verified_while_it_serves),
        cmocka_unit_test(restarted_agent_without_its_guard_reads_the_mirror),
        cmocka_unit_test(restarted_agent_without_guard_and_mirror_fences_at_once),
        cmocka_unit_test(newborn_agent_without_its_guard_fences_what_the_old_instance_armed),
        cmocka_unit_test(agent_whose_epoch_is_over_fences_what_another_instance_armed),
        cmocka_unit_test(agent_whose_state_was_rolled_back_fences_what_it_armed_itself),
        cmocka_unit_test(agent_that_accepts_anew_what_it_had_armed_fences_it_before_it_is_durable),
        cmocka_unit_test(agent_that_was_rolled_back_to_an_open_epoch_fences_the_newer_one),
        cmocka_unit_test(agent_that_accepts_anew_what_its_guard_has_fenced_gives_it_back),
        cmocka_unit_test(agent_whose_epoch_is_over_leaves_what_is_older),
        cmocka_unit_test(agent_that_was_let_go_fences_what_another_instance_armed_since),
        cmocka_unit_test(what_was_let_go_is_nobodys_to_end),
        cmocka_unit_test(agent_with_a_guard_that_stands_still_fences_what_another_instance_armed),
        cmocka_unit_test(newborn_agent_leaves_to_its_guard_what_the_old_instance_armed),
        cmocka_unit_test(a_move_given_up_does_not_revive_what_was_given_back),
        cmocka_unit_test(after_a_reboot_the_epoch_is_given_back_and_not_renewed),
        cmocka_unit_test(stopped_after_a_reboot_that_the_guard_does_not_take_is_stopped_first),
        cmocka_unit_test(service_that_runs_after_a_reboot_is_stopped_first),
        cmocka_unit_test(an_interrupted_start_by_steps_is_ordered_again_once_status_says_stopped),
        cmocka_unit_test(a_start_that_ended_unheard_is_looked_at_before_another_is_ordered),
        cmocka_unit_test(an_interrupted_start_that_serves_is_taken_as_it_is),
        cmocka_unit_test(an_interrupted_start_by_a_script_is_waited_for),
        cmocka_unit_test(a_start_goes_on_three_times),
        cmocka_unit_test(a_start_of_another_epoch_goes_on_anew),
        cmocka_unit_test(a_start_that_went_on_and_ended_is_judged_by_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
