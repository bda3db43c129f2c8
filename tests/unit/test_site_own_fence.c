/* site: the fence of the agent's own (design 3.4): when it is asked for, what wakes the site until then, and
 * what a mirror that is read changes of it. How the fence goes is test_own_fence's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "override_site.h"

#define RETRY_MS   200
#define DUE_MS     (FENCE_MS - FENCE_MS / 4) /* before D */
#define OLD_EPOCH  7
#define OLD_END_MS 110000

static struct world world;

/* The mirror says nothing new: nothing else is due for a while. */
static void leave_mirror(void)
{
    world.site.mirror_due = at_ms(world.now_ms + 60000);
}

/* Its CLOCK_MONOTONIC_RAW is `permille` slower since the test began. */
static void tick_slow(uint64_t ms, uint64_t permille)
{
    raw_slow_permille = permille;
    tick_at(&world, ms);
    raw_slow_permille = 0;
}

static void own_fence_ended(uint64_t epoch, bool ok)
{
    happen(&world, &(struct bw_site_event){
                       .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = epoch, .ok = ok});
}

static uint64_t end_ms(void)
{
    return world.site.arm_sent_end.boot_ns / MS;
}

/* ... that serves, and whose own fence is asked for, without its guard. */
static void begin_fence_of_its_epoch(void)
{
    begin_serving(&world);
    guard_lost(&world);
    tick_at(&world, end_ms() - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
}

static void read_old_mirror(uint64_t epoch, struct bw_instant end)
{
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .mirror_epoch = epoch,
                                           .mirror_end = end,
                                           .mirror_fence_ns = FENCE_MS * MS,
                                           .mirror_is_anothers = true});
}

/* ... made anew, which has read without its guard what another instance had armed. */
static void begin_beside_old_mirror(struct bw_instant end)
{
    const struct bw_site_memory newborn = {0};

    begin_with(&world, &newborn);
    guard_lost(&world);
    read_old_mirror(OLD_EPOCH, end);
}

static void begin_fence_of_another_instance(void)
{
    begin_beside_old_mirror(at_ms(OLD_END_MS));
    tick_at(&world, OLD_END_MS - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
}

static void begin_fence_of_an_override(void)
{
    begin_overriding(&world);
    guard_lost(&world);
    ask_end(&world);
    assert_asked(&world, "OWN_FENCE");
}

static const struct {
    void (*begin)(void);
    uint64_t epoch;
} fences[] = {{begin_fence_of_its_epoch, 1},
              {begin_fence_of_another_instance, OLD_EPOCH},
              {begin_fence_of_an_override, 1}};
#define FENCE_COUNT (sizeof fences / sizeof fences[0])

/* ---- whatever it fences ---------------------------------------------------------------------- */

/* A pause lies between two, by the slower clock (design 1). */
static void one_that_failed_is_begun_again_after_a_pause(void **state)
{
    (void)state;
    for (size_t i = 0; i < FENCE_COUNT; i++) {
        uint64_t again_ms;

        fences[i].begin();
        leave_mirror();
        again_ms = world.now_ms + RETRY_MS;
        own_fence_ended(fences[i].epoch, false);
        assert_not_asked(&world, "OWN_FENCE");
        assert_true(reported(&world).fence_failed);
        assert_int_equal(reported(&world).fence_epoch, fences[i].epoch);
        assert_wakes_at(&world, at_ms(again_ms));
        tick_slow(again_ms, 10);
        assert_not_asked(&world, "OWN_FENCE");
        tick_at(&world, again_ms);
        assert_asked(&world, "OWN_FENCE");
    }
}

/* 3.3: what its guard saw before is no word of what is there now. */
static void one_that_has_seen_the_end_leaves_the_service_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < FENCE_COUNT; i++) {
        fences[i].begin();
        world.site.service = BW_SERVICE_STARTED;
        own_fence_ended(fences[i].epoch, false);
        assert_int_equal(world.site.service, BW_SERVICE_STARTED);
        assert_true(world.site.fence_failed);
        tick_at(&world, world.now_ms + RETRY_MS);
        own_fence_ended(fences[i].epoch, true);
        assert_int_equal(world.site.service, BW_SERVICE_UNKNOWN);
        assert_false(world.site.fence_failed);
        tick_at(&world, world.now_ms + 1000);
        assert_not_asked(&world, "OWN_FENCE");
    }
}

/* 3.3: beside which it was seen to serve: whatever it says it has not seen the end. */
static void one_that_is_doubted_has_failed_or_says_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < FENCE_COUNT; i++) {
        for (int ok = 0; ok < 2; ok++) {
            fences[i].begin();
            world.site.service = BW_SERVICE_STARTED;
            world.site.own_fence = BW_SITE_OWN_FENCE_DOUBTED;
            own_fence_ended(fences[i].epoch, ok != 0);
            assert_int_equal(world.site.fence_failed, !ok);
            assert_int_equal(world.site.service, BW_SERVICE_STARTED);
            assert_not_asked(&world, "OWN_FENCE");
            tick_at(&world, world.now_ms + RETRY_MS);
            assert_asked(&world, "OWN_FENCE");
        }
    }
}

/* While one runs no other is asked for. */
static void one_runs_at_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < FENCE_COUNT; i++) {
        fences[i].begin();
        tick_at(&world, world.now_ms + 300);
        assert_not_asked(&world, "OWN_FENCE");
    }
}

/* H12: what another epoch's has come to says nothing of this one. */
static void the_end_of_one_of_another_epoch_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < FENCE_COUNT; i++) {
        const uint64_t others[] = {0, 5};

        for (size_t j = 0; j < 2; j++) {
            fences[i].begin();
            world.site.service = BW_SERVICE_STARTED;
            own_fence_ended(others[j], true);
            assert_int_equal(world.site.service, BW_SERVICE_STARTED);
            assert_false(world.site.memory.given_back);
            assert_asked(&world, "OWN_FENCE"); /* nobody fences it any more */
        }
    }
}

/* ---- of its own epoch ------------------------------------------------------------------------ */

/* At D - F, and F/4 later: by the clock that is ahead (design 1). */
static void it_wakes_for_the_window_and_in_it_for_its_fence(void **state)
{
    struct bw_instant end;

    (void)state;
    begin_serving(&world);
    end = world.site.arm_sent_end;
    leave_look_open(&world);
    assert_wakes_at(&world, bw_instant_sub(end, FENCE_MS * MS));

    tick_slow(end_ms() - FENCE_MS + 100, 100);
    assert_not_asked(&world, "OWN_FENCE");
    assert_wakes_at(&world, bw_instant_sub(end, DUE_MS * MS));
    tick_slow(end_ms() - DUE_MS, 100);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, end_ms());
}

/* The guard may have taken an arm whose answer was lost: without it, once, by the clock that is ahead. */
static void without_its_guard_it_reads_the_mirror_once_in_the_window(void **state)
{
    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    leave_mirror();
    tick_at(&world, end_ms() - FENCE_MS - 1);
    assert_not_asked(&world, "READ_MIRROR");
    tick_slow(end_ms() - FENCE_MS, 10);
    assert_asked(&world, "READ_MIRROR");
    tick_at(&world, world.now_ms + 100);
    assert_not_asked(&world, "READ_MIRROR");

    begin_serving(&world); /* nor beside its guard */
    tick_at(&world, end_ms() - FENCE_MS);
    assert_not_asked(&world, "READ_MIRROR");
}

/* 3.5, H9: nobody can hold the lease after D, by the slower clock. */
static void what_was_fenced_without_its_guard_is_given_back_at_the_end(void **state)
{
    struct bw_instant end;
    uint64_t d_ms;

    (void)state;
    begin_fence_of_its_epoch();
    leave_mirror();
    d_ms = end_ms();
    end = world.site.arm_sent_end;
    own_fence_ended(1, true);
    assert_wakes_at(&world, end);
    tick_slow(d_ms, 10);
    assert_int_equal(released(&world).epoch, 0);
    end.boot_ns = (d_ms + 1) * MS; /* a moment later: not at once, again and again */
    assert_wakes_at(&world, end);
    tick_at(&world, d_ms);
    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(released(&world).reason, BW_REASON_LEASE_LOST);
}

static void what_was_being_stopped_keeps_its_reason(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);

    (void)state;
    begin_serving(&world);
    of.reason = BW_REASON_SWITCHOVER;
    tell_order(&world, of);
    guard_lost(&world);
    tick_at(&world, end_ms() - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(1, true);
    tick_at(&world, end_ms());
    assert_int_equal(released(&world).reason, BW_REASON_SWITCHOVER);
}

/* ... and what its deadline has ended is no move that was ordered since: the lease was lost before. */
static void what_its_deadline_has_ended_keeps_its_reason(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);

    (void)state;
    begin_fence_of_its_epoch();
    of.reason = BW_REASON_SWITCHOVER;
    tell_order(&world, of);
    own_fence_ended(1, true);
    tick_at(&world, end_ms());
    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(released(&world).reason, BW_REASON_LEASE_LOST);
}

/* What the epoch before was ended for is no reason of this one. */
static void an_epoch_after_a_move_is_lost_for_its_own_reason(void **state)
{
    struct bw_order of = order_to(BW_ORDER_STOP, 1);

    (void)state;
    begin_serving(&world);
    of.reason = BW_REASON_SWITCHOVER;
    tell_order(&world, of);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");
    from_guard(&world,
               &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1});
    assert_int_equal(released(&world).reason, BW_REASON_SWITCHOVER);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    guard_lost(&world);
    tick_at(&world, end_ms() - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(2, true);
    tick_at(&world, end_ms());
    assert_int_equal(released(&world).epoch, 2);
    assert_int_equal(released(&world).reason, BW_REASON_LEASE_LOST);
}

/* Its guard is back before D: what has ended is given back on its word (3.5). */
static void beside_its_guard_what_was_fenced_is_given_back_on_its_word(void **state)
{
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    tick_at(&world, end_ms() - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(1, true);
    assert_asked(&world, "END");
    tick_at(&world, end_ms() + 1);
    assert_int_equal(released(&world).epoch, 0);
    from_guard(&world, &of);
    assert_int_equal(released(&world).epoch, 1);
}

/* 3.4, ended: by its guard's word more has to end than this agent's fence has seen, which it fences again at once
 * (H6). What a guard may owe is a script that only itself runs: so that is followed by a stop there. */
static void what_its_guard_denies_the_end_of_is_stopped_there(void **state)
{
    const struct bw_guard_message refused = {
        .kind = BW_GUARD_MESSAGE_END_REFUSED, .epoch = 1, .refused.why = BW_REFUSAL_NOT_STOPPED};
    const struct bw_guard_state back = {
        .reach = BW_REACH_CGROUP, .reach_works = true, .enforced = true};

    (void)state;
    begin_fence_of_its_epoch();
    tick_at(&world, end_ms() + 1);
    guard_state(&world, &back);
    own_fence_ended(1, true);
    assert_asked(&world, "END");
    from_guard(&world, &refused);
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(1, true);
    assert_not_asked(&world, "END");
    tick_at(&world, world.now_ms + RETRY_MS);
    assert_asked(&world, "RUN:stop");
    assert_not_asked(&world, "OWN_FENCE");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, ""); /* the final position (3.6) */
    assert_asked(&world, "END");
}

/* ---- of another instance's ------------------------------------------------------------------- */

static void it_wakes_for_another_instances_window_and_in_it_for_its_fence(void **state)
{
    const struct bw_instant end = {OLD_END_MS * MS, OLD_END_MS * MS};

    (void)state;
    begin_beside_old_mirror(end);
    leave_mirror();
    tick_at(&world, OLD_END_MS - FENCE_MS - 100);
    assert_not_asked(&world, "READ_MIRROR");
    assert_wakes_at(&world, bw_instant_sub(end, FENCE_MS * MS));

    tick_slow(OLD_END_MS - FENCE_MS + 100, 100); /* by the clock that is ahead (design 1) */
    assert_asked(&world, "READ_MIRROR");
    assert_not_asked(&world, "OWN_FENCE");
    assert_wakes_at(&world, bw_instant_sub(end, DUE_MS * MS));
    tick_slow(OLD_END_MS - DUE_MS, 100);
    assert_asked(&world, "OWN_FENCE");
}

/* Agents speak to their guards, too: until its own is back the mirror is read four times a second. */
static void without_its_guard_it_reads_the_mirror_again_and_again(void **state)
{
    const uint64_t apart_ms = 250;

    (void)state;
    begin(&world);
    tick_at(&world, world.now_ms + 1000);
    assert_not_asked(&world, "READ_MIRROR");
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    for (int i = 0; i < 3; i++) {
        const uint64_t due_ms = world.now_ms + apart_ms;

        assert_wakes_at(&world, at_ms(due_ms));
        tick_slow(due_ms, 10); /* by the slower clock */
        assert_not_asked(&world, "READ_MIRROR");
        tick_at(&world, due_ms);
        assert_asked(&world, "READ_MIRROR");
    }
}

/* Whoever renews it is alive, and has armed it longer. */
/* H12: what its guard has ended of an epoch before it is no end of that one. */
static void the_end_of_a_fence_of_an_older_epoch_leaves_another_instances_to_be_watched(void **state)
{
    const struct bw_guard_message well = {
        .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = OLD_EPOCH - 1, .fence = {.ok = true}};

    (void)state;
    begin_beside_old_mirror(at_ms(OLD_END_MS));
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = OLD_EPOCH});
    read_old_mirror(OLD_EPOCH, at_ms(OLD_END_MS)); /* it is there, and what it has armed is watched all the same */
    from_guard(&world, &well);
    tick_at(&world, OLD_END_MS - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
}

static void what_was_fenced_is_watched_again_once_it_was_renewed(void **state)
{
    (void)state;
    begin_fence_of_another_instance();
    own_fence_ended(OLD_EPOCH, true);
    read_old_mirror(OLD_EPOCH, at_ms(OLD_END_MS));
    tick_at(&world, OLD_END_MS);
    assert_not_asked(&world, "OWN_FENCE");

    read_old_mirror(OLD_EPOCH, at_ms(OLD_END_MS + 5000));
    tick_at(&world, OLD_END_MS + 5000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR"); /* in this window, too */
    tick_at(&world, OLD_END_MS + 5000 - DUE_MS);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, OLD_END_MS + 5000);
}

/* The next epoch of that instance is another one, whatever its end. */
static void the_epoch_after_one_that_was_fenced_is_watched_too(void **state)
{
    (void)state;
    begin_fence_of_another_instance();
    own_fence_ended(OLD_EPOCH, true);
    read_old_mirror(OLD_EPOCH + 1, at_ms(OLD_END_MS));
    assert_asked(&world, "OWN_FENCE"); /* it is due, too */
    own_fence_ended(OLD_EPOCH, true);  /* which says nothing of this one */
    assert_asked(&world, "OWN_FENCE");
    own_fence_ended(OLD_EPOCH + 1, true);
    tick_at(&world, world.now_ms + 1000);
    assert_not_asked(&world, "OWN_FENCE");
}

/* An older word that is read late takes nothing from a newer one. */
static void an_end_only_moves_later(void **state)
{
    (void)state;
    begin_beside_old_mirror(at_ms(OLD_END_MS));
    read_old_mirror(OLD_EPOCH, at_ms(OLD_END_MS - 3000));
    tick_at(&world, OLD_END_MS - DUE_MS - 1);
    assert_not_asked(&world, "OWN_FENCE");

    begin_serving(&world);
    guard_lost(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .ok = true,
                                           .mirror_epoch = 1,
                                           .mirror_end = at_ms(end_ms() - 3000)});
    tick_at(&world, end_ms() - DUE_MS - 1);
    assert_not_asked(&world, "OWN_FENCE");
}

/* 3.9: what this site has let go, of epochs up to then, is over; no other order says that. */
static void only_what_was_let_go_here_is_not_watched(void **state)
{
    static const struct {
        struct bw_order order;
        bool is_watched;
    } cases[] = {
        {{.kind = BW_ORDER_LET_GO, .let_go_index = 5, .epoch = OLD_EPOCH}, false},
        {{.kind = BW_ORDER_LET_GO, .let_go_index = 5, .epoch = OLD_EPOCH - 1}, true},
        {{.kind = BW_ORDER_LET_GO, .let_go_index = 6, .epoch = OLD_EPOCH}, true}, /* not yet */
        {{.kind = BW_ORDER_STAND_BY, .let_go_index = 5, .epoch = OLD_EPOCH}, true},
    };
    const struct bw_site_memory memory = {.let_go_index = 5};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_with(&world, &memory);
        tell_order(&world, cases[i].order);
        guard_lost(&world);
        read_old_mirror(OLD_EPOCH, at_ms(OLD_END_MS));
        tick_at(&world, OLD_END_MS);
        if (cases[i].is_watched)
            assert_asked(&world, "OWN_FENCE");
        else
            assert_not_asked(&world, "OWN_FENCE");
    }
}

/* ---- what a mirror tells of its own epoch ---------------------------------------------------- */

/* H10: what was armed before says nothing of the deadline of this one. */
static void the_mirror_of_an_older_epoch_tells_no_deadline(void **state)
{
    struct bw_site_memory memory = held;

    (void)state;
    memory.epoch = 3;
    begin_with(&world, &memory);
    guard_lost(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .ok = true,
                                           .mirror_epoch = 1,
                                           .mirror_end = at_ms(world.now_ms + 60000)});
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms);
}

/* 3.9: what was let go since its mirror was read is left as it is. */
static void what_another_instance_armed_and_was_let_go_is_not_fenced(void **state)
{
    struct bw_order of = order_to(BW_ORDER_LET_GO, OLD_EPOCH);

    (void)state;
    begin_beside_old_mirror(at_ms(OLD_END_MS));
    of.let_go_index = 20;
    tell_order(&world, of);
    world.site.memory.let_go_index = 20; /* its guard has confirmed it */
    tick_at(&world, OLD_END_MS + 5000);
    assert_not_asked(&world, "OWN_FENCE");
}

/* 3.8: what it adopts serves by a person's word as long as both say so, the mirror and its own state. */
static void without_a_deadline_only_what_both_say_overrides_is_left(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        const bool is_said = (way & 1) != 0, is_kept = (way & 2) != 0;
        struct bw_site_memory memory = held;

        memory.start_begun = false;
        memory.adopt = true;
        if (is_kept) {
            memory.override = BW_OVERRIDE_OVERRIDING;
            memory.override_boot_id = this_boot;
            memory.override_wait_ms = WAIT_MS;
            memory.override_unix_ms = 1;
            memory.override_serial = 1;
            memory.override_epoch = 1;
            memory.override_end = at_ms(BEGIN_MS + 3600000);
            memory.override_wrote = true;
        }
        begin_with(&world, &memory);
        guard_lost(&world);
        happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                               .mirror_overrides = is_said});
        if (is_said && is_kept)
            assert_not_asked(&world, "OWN_FENCE");
        else
            assert_asked(&world, "OWN_FENCE");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_instance_armed_and_was_let_go_is_not_fenced),
        cmocka_unit_test(one_that_failed_is_begun_again_after_a_pause),
        cmocka_unit_test(one_that_has_seen_the_end_leaves_the_service_unknown),
        cmocka_unit_test(one_that_is_doubted_has_failed_or_says_nothing),
        cmocka_unit_test(one_runs_at_a_time),
        cmocka_unit_test(the_end_of_one_of_another_epoch_changes_nothing),
        cmocka_unit_test(it_wakes_for_the_window_and_in_it_for_its_fence),
        cmocka_unit_test(without_its_guard_it_reads_the_mirror_once_in_the_window),
        cmocka_unit_test(what_was_fenced_without_its_guard_is_given_back_at_the_end),
        cmocka_unit_test(what_was_being_stopped_keeps_its_reason),
        cmocka_unit_test(what_its_deadline_has_ended_keeps_its_reason),
        cmocka_unit_test(an_epoch_after_a_move_is_lost_for_its_own_reason),
        cmocka_unit_test(beside_its_guard_what_was_fenced_is_given_back_on_its_word),
        cmocka_unit_test(what_its_guard_denies_the_end_of_is_stopped_there),
        cmocka_unit_test(it_wakes_for_another_instances_window_and_in_it_for_its_fence),
        cmocka_unit_test(without_its_guard_it_reads_the_mirror_again_and_again),
        cmocka_unit_test(the_end_of_a_fence_of_an_older_epoch_leaves_another_instances_to_be_watched),
        cmocka_unit_test(what_was_fenced_is_watched_again_once_it_was_renewed),
        cmocka_unit_test(the_epoch_after_one_that_was_fenced_is_watched_too),
        cmocka_unit_test(an_end_only_moves_later),
        cmocka_unit_test(only_what_was_let_go_here_is_not_watched),
        cmocka_unit_test(the_mirror_of_an_older_epoch_tells_no_deadline),
        cmocka_unit_test(without_a_deadline_only_what_both_say_overrides_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
