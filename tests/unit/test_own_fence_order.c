/* own_fence: scripts that were cut off, fences one after the other, events in any order (design 3.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/base/prng.h>

#include "own_fence_world.h"

/* ---- the script that the KILL has cut off ------------------------------------------------------ */

static void what_a_script_that_was_cut_off_says_is_not_heard(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");

    run_ended(&world, true, "stopped");
    assert_string_equal(world.asked, "");
    assert_true(bw_instant_is_never(world.actions.wake_at));
    reach_killed(&world, false);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_unbegun(&world);
    turn(&world, "ENDED:3:failed:F12");

    begin_by(&world, 1);
    world.now_ms = TERM_MS;
    start(&world, 3, END_MS);
    turn(&world, "TERM:F3");
    turn(&world, "RUN:status:F2");
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
    reach_killed(&world, true);
    turn(&world, "");
    run_ended(&world, true, "stopped"); /* the late script has not run because this one has */
    turn(&world, "RUN:fence:F9");
}

/* 3.2.4: the fence of another epoch, which waits, says nothing of the script that runs. */
static void a_fence_that_waits_leaves_the_script_that_runs(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    start(&world, 4, END_MS + 5000);
    assert_string_equal(world.asked, "");
    turn(&world, "");
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
}

static void no_script_begins_beside_one_that_was_cut_off_and_still_dies(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
    reach_killed(&world, true);
    assert_next_turn(&world);

    turn(&world, "");
    assert_true(bw_instant_is_never(world.actions.wake_at));
    turn_at(&world, END_MS, "");
    run_ended(&world, false, "");
    assert_next_turn(&world);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
}

/* It could not be begun after all, and the shell says so only now. */
static void a_script_that_was_cut_off_before_it_began_is_waited_for_no_longer(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");

    run_unbegun(&world);
    assert_string_equal(world.asked, "");
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
}

/* ---- one after the other (3.2.4) --------------------------------------------------------------- */

static void a_fence_that_has_begun_is_finished_before_the_next_begins(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    start(&world, 4, 2 * END_MS);
    assert_string_equal(world.asked, "");
    assert_wakes_at(&world, TERM_MS);
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn(&world, "ENDED:3:ok:F11");
    assert_true(bw_own_fence_is_running(&world.fence));
    assert_wakes_at(&world, world.now_ms);

    turn(&world, "RUN:fence:F1");
    assert_wakes_at(&world, 2 * END_MS - (END_MS - TERM_MS));
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn(&world, "ENDED:4:ok:F11");
    assert_false(bw_own_fence_is_running(&world.fence));
}

/* Neither that TERM was sent, nor that the script has run, nor that a reach was seen empty. */
static void the_next_fence_takes_nothing_over_from_the_one_before(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    turn_at(&world, TERM_MS, "TERM:F3");
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
    start(&world, 4, 2 * END_MS);
    start(&world, 5, 3 * END_MS); /* of several the last one counts */
    run_ended(&world, false, "");
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:ok:F11");

    turn(&world, "RUN:fence:F1");
    turn_at(&world, 3 * END_MS - (END_MS - TERM_MS), "TERM:F3");
    turn_at(&world, 3 * END_MS - (END_MS - KILL_MS), "KILL:0:F4 KILL_RUN:F4");
    reach_killed(&world, false);
    run_ended(&world, false, "");
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:5:failed:F12");
    assert_false(bw_own_fence_is_running(&world.fence));
}

/* ---- events that nothing was asked for --------------------------------------------------------- */

static void assert_changes_nothing(struct world *world, enum bw_own_fence_event_kind kind, bool ok)
{
    const struct bw_own_fence before = world->fence;

    happen(world, &(struct bw_own_fence_event){.kind = kind, .ok = ok, .line = "stopped"});
    assert_string_equal(world->asked, "");
    assert_memory_equal(&world->fence, &before, sizeof before);
}

static void assert_only_takes(struct world *world, unsigned taken)
{
    static const enum bw_own_fence_event_kind answers[] = {
        BW_OWN_FENCE_EVENT_RUN_UNBEGUN, BW_OWN_FENCE_EVENT_RUN_ENDED,
        BW_OWN_FENCE_EVENT_STARTS_SEEN, BW_OWN_FENCE_EVENT_REACH_KILLED};

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        for (int ok = 0; ok < 2; ok++)
            if ((taken & 1u << answers[i]) == 0)
                assert_changes_nothing(world, answers[i], ok != 0);
}

#define A_RUN    (1u << BW_OWN_FENCE_EVENT_RUN_UNBEGUN | 1u << BW_OWN_FENCE_EVENT_RUN_ENDED)
#define A_LOOK   (1u << BW_OWN_FENCE_EVENT_STARTS_SEEN)
#define A_KILL   (1u << BW_OWN_FENCE_EVENT_REACH_KILLED)
#define NO_EVENT 0u

static void answers_that_nobody_waits_for_change_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 2);
    assert_only_takes(&world, NO_EVENT);
    start(&world, 3, END_MS);
    assert_only_takes(&world, NO_EVENT); /* SCRIPT, due */
    turn(&world, "RUN:fence:F1");
    assert_only_takes(&world, A_RUN);
    run_ended(&world, true, "");
    assert_only_takes(&world, NO_EVENT); /* LOOK, due */
    turn(&world, "RUN:status:F2");
    assert_only_takes(&world, A_RUN);
    run_ended(&world, true, "stopped");
    assert_only_takes(&world, A_LOOK);
    starts_seen(&world, false);
    assert_only_takes(&world, NO_EVENT); /* KILL, due */
    turn(&world, "KILL:0:F7");
    assert_only_takes(&world, A_KILL);
    reach_killed(&world, true);
    assert_only_takes(&world, NO_EVENT); /* by the second of the means, due */
    turn(&world, "KILL:1:F8");
    assert_only_takes(&world, A_KILL);
    reach_killed(&world, true);
    assert_only_takes(&world, NO_EVENT); /* LATE_SCRIPT, due */
    turn(&world, "RUN:fence:F31");
    assert_only_takes(&world, A_RUN);
    run_ended(&world, true, "");
    assert_only_takes(&world, NO_EVENT); /* LOOK_AGAIN, due */
    turn(&world, "RUN:status:F10");
    assert_only_takes(&world, A_RUN);
    run_ended(&world, true, "stopped");
    assert_only_takes(&world, NO_EVENT); /* END, due */
    turn(&world, "ENDED:3:ok:F11");
    assert_only_takes(&world, NO_EVENT);
}

/* ---- any order --------------------------------------------------------------------------------- */

#define WALKS     20000
#define TURNS_MAX 400

/* What a shell knows that does as it is told, and an account of what was seen that does not come from
 * the machine. */
struct walk {
    struct world world;
    struct bw_prng chance;
    bool is_run, is_cut_off, must_answer_starts, is_kill;
    uint32_t means_count, means_next;
    enum bw_action_kind script;
    enum { STATUS_NONE, STATUS_STOPPED, STATUS_STARTED } status; /* by the newest status */
    bool stopped_without_starts, was_killed, all_empty, has_ended;
    bool is_inside, is_proved, is_script_well, is_left_due;
    uint32_t succeeded;
};

static bool chance_of(struct walk *walk, uint64_t percent)
{
    return bw_prng_below(&walk->chance, 100) < percent;
}

static void assert_is_over(struct walk *walk, const struct bw_own_fence_action *action)
{
    const bool is_stopped =
        walk->status == STATUS_STOPPED &&
        ((walk->is_inside && !walk->is_left_due) || walk->is_script_well);
    const bool is_seen = walk->was_killed
                             ? walk->all_empty && walk->status != STATUS_STARTED &&
                                   (is_stopped || walk->is_proved)
                             : walk->stopped_without_starts;

    assert_int_equal(action->ok, is_seen);
    assert_false(walk->is_run);
    assert_false(walk->is_kill);
    assert_int_equal(walk->was_killed ? walk->means_next : walk->means_count, walk->means_count);
    walk->has_ended = true;
    walk->succeeded += action->ok;
}

static void obey(struct walk *walk, const struct bw_own_fence_action *action)
{
    switch (action->kind) {
    case BW_OWN_FENCE_ACTION_RUN:
        assert_false(walk->is_run); /* one at a time */
        walk->is_run = true;
        walk->script = action->script;
        walk->status = action->script == BW_ACTION_STATUS ? STATUS_NONE : walk->status;
        return;
    case BW_OWN_FENCE_ACTION_KILL_RUN:
        assert_true(walk->is_run && !walk->is_cut_off);
        walk->is_cut_off = true;
        return;
    case BW_OWN_FENCE_ACTION_SEE_STARTS:
        assert_true(walk->is_inside || walk->is_script_well);
        walk->must_answer_starts = true;
        return;
    case BW_OWN_FENCE_ACTION_TERM_REACH:
        assert_false(walk->was_killed);
        return;
    case BW_OWN_FENCE_ACTION_KILL_REACH:
        assert_false(walk->is_kill);
        assert_int_equal(action->means, walk->means_next);
        walk->all_empty = walk->was_killed ? walk->all_empty : true;
        walk->was_killed = walk->is_kill = true;
        walk->means_next++;
        return;
    case BW_OWN_FENCE_ACTION_ENDED:
        assert_is_over(walk, action);
        return;
    }
}

static void let_happen(struct walk *walk, const struct bw_own_fence_event *event)
{
    happen(&walk->world, event);
    for (uint32_t i = 0; i < walk->world.actions.count; i++)
        obey(walk, &walk->world.actions.list[i]);
}

static void let_run_end(struct walk *walk)
{
    static const char *const lines[] = {"stopped", "started", "?"};
    const uint64_t line = bw_prng_below(&walk->chance, 3);
    const struct bw_own_fence_event event = {
        .kind = chance_of(walk, 10) ? BW_OWN_FENCE_EVENT_RUN_UNBEGUN : BW_OWN_FENCE_EVENT_RUN_ENDED,
        .ok = chance_of(walk, 70),
        .line = lines[line]};

    if (walk->script != BW_ACTION_STATUS && !walk->is_cut_off)
        walk->is_script_well = event.ok && event.kind == BW_OWN_FENCE_EVENT_RUN_ENDED;

    if (event.kind == BW_OWN_FENCE_EVENT_RUN_ENDED && walk->script == BW_ACTION_STATUS &&
        event.ok && !walk->is_cut_off)
        walk->status = line == 0 ? STATUS_STOPPED : line == 1 ? STATUS_STARTED : STATUS_NONE;
    walk->is_run = walk->is_cut_off = false;
    let_happen(walk, &event);
}

/* One event, which need not be one that was asked for. */
static void let_something_happen(struct walk *walk)
{
    struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_TICK, .line = "stopped"};

    event.ok = chance_of(walk, 60);
    if (walk->is_run && chance_of(walk, 30)) {
        let_run_end(walk);
        return;
    }
    if (walk->must_answer_starts && chance_of(walk, 30)) {
        walk->stopped_without_starts = event.ok && walk->status == STATUS_STOPPED &&
                                       !walk->was_killed;
        walk->must_answer_starts = false;
        if (!event.ok && !walk->was_killed && walk->is_script_well && !walk->is_proved) {
            walk->is_script_well = false;
            walk->is_left_due = true;
        }
        event.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN;
    } else if (walk->is_kill && chance_of(walk, 30)) {
        walk->all_empty = walk->all_empty && event.ok;
        walk->is_kill = false;
        event.kind = BW_OWN_FENCE_EVENT_REACH_KILLED;
    } else if (!walk->is_run && chance_of(walk, 10)) {
        event.kind = BW_OWN_FENCE_EVENT_RUN_ENDED;
    } else if (!walk->is_kill && chance_of(walk, 10)) {
        event.kind = BW_OWN_FENCE_EVENT_REACH_KILLED;
    } else if (!walk->must_answer_starts && chance_of(walk, 10)) {
        event.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN;
    }
    let_happen(walk, &event);
}

/* 3.2.4: whatever comes in whatever order, KILL has gone out with the first turn from its instant on
 * unless it was seen that nothing serves, success is what was seen, and there is an end. */
static void in_any_order_it_kills_in_time_and_says_what_was_seen(void **state)
{
    struct walk walk;
    uint32_t succeeded = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        memset(&walk, 0, sizeof walk);
        bw_prng_init(&walk.chance, seed);
        walk.means_count = 1 + (uint32_t)bw_prng_below(&walk.chance, 3);
        begin_by(&walk.world, walk.means_count);
        walk.world.now_ms = bw_prng_below(&walk.chance, END_MS + 1000);
        walk.is_inside = chance_of(&walk, 60);
        walk.is_proved = walk.is_inside && chance_of(&walk, 30);
        start_seen(&walk.world, walk.is_inside, walk.is_proved);
        for (int turns = 0; turns < TURNS_MAX && !walk.has_ended; turns++) {
            let_something_happen(&walk);
            walk.world.now_ms += bw_prng_below(&walk.chance, 500);
            if (!walk.has_ended)
                let_happen(&walk, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
            assert_true(walk.world.now_ms < KILL_MS || walk.was_killed ||
                        walk.stopped_without_starts);
        }
        assert_true(walk.has_ended);
        succeeded += walk.succeeded;
    }
    assert_true(succeeded > WALKS / 10); /* both ends are met */
    assert_true(succeeded < WALKS - WALKS / 10);
}

/* 3.2.4: the next fence believes an empty reach as far as it was proved for it, not for the one
 * before. */
static void the_next_fence_has_the_sight_that_it_was_started_with(void **state)
{
    struct world world;

    (void)state;
    for (int is_proved = 0; is_proved < 2; is_proved++) {
        begin_script(&world);
        happen(&world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                                    .epoch = 4,
                                                    .is_inside = true,
                                                    .is_proved = is_proved != 0,
                                                    .plan = plan_until(2 * END_MS)});
        run_ended(&world, true, "");
        turn(&world, "RUN:status:F2");
        run_ended(&world, true, "stopped");
        starts_seen(&world, true);
        turn(&world, "ENDED:3:ok:F11");
        turn(&world, "RUN:fence:F1");
        assert_true(world.fence.is_inside);
        assert_int_equal(world.fence.is_proved, is_proved != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_script_that_was_cut_off_says_is_not_heard),
        cmocka_unit_test(no_script_begins_beside_one_that_was_cut_off_and_still_dies),
        cmocka_unit_test(a_script_that_was_cut_off_before_it_began_is_waited_for_no_longer),
        cmocka_unit_test(a_fence_that_has_begun_is_finished_before_the_next_begins),
        cmocka_unit_test(the_next_fence_takes_nothing_over_from_the_one_before),
        cmocka_unit_test(answers_that_nobody_waits_for_change_nothing),
        cmocka_unit_test(in_any_order_it_kills_in_time_and_says_what_was_seen),
        cmocka_unit_test(the_next_fence_has_the_sight_that_it_was_started_with),
        cmocka_unit_test(a_fence_that_waits_leaves_the_script_that_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
