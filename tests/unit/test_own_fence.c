/* own_fence: the fence that the agent runs when it cannot rely on its guard (design 3.4, 3.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/base/prng.h>
#include <breakwater/core/own_fence.h>

#define MS BW_NS_PER_MS

/* All of it is to be over by 10000: TERM at 9000, KILL at 9500. */
#define BEGIN_MS 1000
#define TERM_MS  9000
#define KILL_MS  9500
#define END_MS   10000

#define FENCE_LIMIT_MS  5000
#define STOP_LIMIT_MS   6000
#define STATUS_LIMIT_MS 2000

struct world {
    struct bw_own_fence fence;
    struct bw_site_limits limits;
    uint64_t now_ms;
    struct bw_own_fence_actions actions;
    char asked[128]; /* of the newest step: "RUN:fence:F1" and so on */
};

static struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * MS, (ms + 77) * MS};
}

static struct bw_fence_plan plan_until(uint64_t end_ms)
{
    return (struct bw_fence_plan){.end = at_ms(end_ms),
                                  .term_at = at_ms(end_ms - (END_MS - TERM_MS)),
                                  .kill_at = at_ms(end_ms - (END_MS - KILL_MS))};
}

static void note(struct world *world, const struct bw_own_fence_action *action)
{
    static const char *const words[] = {
        [BW_OWN_FENCE_ACTION_RUN] = "RUN",
        [BW_OWN_FENCE_ACTION_KILL_RUN] = "KILL_RUN",
        [BW_OWN_FENCE_ACTION_SEE_STARTS] = "SEE_STARTS",
        [BW_OWN_FENCE_ACTION_TERM_REACH] = "TERM",
        [BW_OWN_FENCE_ACTION_KILL_REACH] = "KILL",
        [BW_OWN_FENCE_ACTION_ENDED] = "ENDED",
    };
    const size_t used = strlen(world->asked);
    char what[32] = "";

    if (action->kind == BW_OWN_FENCE_ACTION_RUN)
        (void)snprintf(what, sizeof what, ":%s", bw_action_word(action->script));
    else if (action->kind == BW_OWN_FENCE_ACTION_KILL_REACH)
        (void)snprintf(what, sizeof what, ":%u", action->means);
    else if (action->kind == BW_OWN_FENCE_ACTION_ENDED)
        (void)snprintf(what, sizeof what, ":%llu:%s", (unsigned long long)action->epoch,
                       action->ok ? "ok" : "failed");
    (void)snprintf(world->asked + used, sizeof world->asked - used, "%s%s%s:%s",
                   used > 0 ? " " : "", words[action->kind], what, action->rule);
}

static void happen(struct world *world, const struct bw_own_fence_event *event)
{
    bw_own_fence_step(&world->fence, event, at_ms(world->now_ms), &world->actions);
    world->asked[0] = '\0';
    for (uint32_t i = 0; i < world->actions.count; i++)
        note(world, &world->actions.list[i]);
}

static void begin_by(struct world *world, uint32_t means_count)
{
    memset(world, 0, sizeof *world);
    world->now_ms = BEGIN_MS;
    world->limits.has_script[BW_ACTION_FENCE] = true;
    world->limits.has_script[BW_ACTION_STOP] = true;
    world->limits.has_script[BW_ACTION_STATUS] = true;
    world->limits.timeout_ns[BW_ACTION_FENCE] = FENCE_LIMIT_MS * MS;
    world->limits.timeout_ns[BW_ACTION_STOP] = STOP_LIMIT_MS * MS;
    world->limits.timeout_ns[BW_ACTION_STATUS] = STATUS_LIMIT_MS * MS;
    bw_own_fence_init(&world->fence, &world->limits, means_count);
}

static void start(struct world *world, uint64_t epoch, uint64_t end_ms)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                               .epoch = epoch,
                                               .is_inside = true,
                                               .plan = plan_until(end_ms)});
}

/* Nothing is asked for but the next turn, and that at once. */
static void assert_next_turn(const struct world *world)
{
    assert_string_equal(world->asked, "");
    assert_int_equal(world->actions.wake_at.boot_ns, at_ms(world->now_ms).boot_ns);
    assert_int_equal(world->actions.wake_at.raw_ns, at_ms(world->now_ms).raw_ns);
}

static void assert_wakes_at(const struct world *world, uint64_t ms)
{
    assert_int_equal(world->actions.wake_at.boot_ns, at_ms(ms).boot_ns);
    assert_int_equal(world->actions.wake_at.raw_ns, at_ms(ms).raw_ns);
}

/* A turn in which exactly this is asked for. */
static void turn(struct world *world, const char *asked)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
    assert_string_equal(world->asked, asked);
}

static void turn_at(struct world *world, uint64_t ms, const char *asked)
{
    world->now_ms = ms;
    turn(world, asked);
}

static void run_ended(struct world *world, bool ok, const char *line)
{
    happen(world, &(struct bw_own_fence_event){
                      .kind = BW_OWN_FENCE_EVENT_RUN_ENDED, .ok = ok, .line = line});
}

static void run_unbegun(struct world *world)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_RUN_UNBEGUN});
}

static void starts_seen(struct world *world, bool are_none)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN,
                                               .ok = are_none});
}

static void reach_killed(struct world *world, bool is_empty)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_REACH_KILLED,
                                               .ok = is_empty});
}

/* A fence of epoch 3 whose fence script runs. */
static void begin_script(struct world *world)
{
    begin_by(world, 1);
    start(world, 3, END_MS);
    assert_next_turn(world);
    turn(world, "RUN:fence:F1");
}

/* One whose script has ended, and whose status runs. */
static void begin_look(struct world *world)
{
    begin_script(world);
    run_ended(world, true, "");
    assert_next_turn(world);
    turn(world, "RUN:status:F2");
}

/* One that has killed what there was by its one means, and looks again. */
static void begin_look_again(struct world *world, bool is_empty)
{
    begin_look(world);
    run_ended(world, true, "started");
    turn(world, "KILL:0:F5");
    reach_killed(world, is_empty);
    assert_next_turn(world);
    turn(world, "");
    turn(world, "RUN:status:F10");
}

/* ---- step after step (3.4) --------------------------------------------------------------------- */

static void what_the_script_has_stopped_is_looked_at_and_nothing_is_killed(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    run_ended(&world, true, "stopped");
    assert_string_equal(world.asked, "SEE_STARTS:F6");
    starts_seen(&world, true);
    assert_next_turn(&world);

    turn(&world, "ENDED:3:ok:F11");
    assert_false(bw_own_fence_is_running(&world.fence));
    assert_true(bw_instant_is_never(world.actions.wake_at));
    turn_at(&world, END_MS, "");
}

static void without_a_fence_script_the_stop_script_runs(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.limits.has_script[BW_ACTION_FENCE] = false;
    start(&world, 3, END_MS);

    turn(&world, "RUN:stop:F1");
    assert_int_equal(world.actions.list[0].limit_ns, STOP_LIMIT_MS * MS);
}

/* 3.2.4: seen, not believed, and not despaired of either. */
static void the_word_of_the_script_counts_for_nothing(void **state)
{
    struct world world;

    (void)state;
    for (int ok = 0; ok < 2; ok++) {
        begin_script(&world);
        run_ended(&world, ok != 0, "stopped");
        assert_next_turn(&world);
        turn(&world, "RUN:status:F2");
    }
}

static void a_script_has_until_the_term_and_a_look_until_the_kill(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS);
    begin_by(&world, 1);
    world.now_ms = 8000;
    start(&world, 3, END_MS);

    turn(&world, "RUN:fence:F1");
    assert_int_equal(world.actions.list[0].limit_ns, (TERM_MS - 8000) * MS);
    world.now_ms = 8900;
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, (KILL_MS - 8900) * MS);
}

/* The limits are the shell's, which may load others while a fence runs. */
static void limits_that_changed_since_are_those_of_the_next_script(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    world.limits.timeout_ns[BW_ACTION_STATUS] = 30 * MS;
    run_ended(&world, true, "");

    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, 30 * MS);
}

/* ---- what is not seen to have stopped is killed at once (3.2.4) -------------------------------- */

static void what_is_not_seen_to_have_stopped_is_killed_before_its_instant(void **state)
{
    static const struct {
        bool ok;
        const char *line;
    } looks[] = {{true, "started"}, {true, ""}, {true, "stopped?"}, {false, "stopped"}};
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        begin_look(&world);
        run_ended(&world, looks[i].ok, looks[i].line);
        assert_next_turn(&world);
        turn(&world, "KILL:0:F5");
    }
}

static void a_look_that_cannot_be_begun_is_followed_by_the_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F5");
}

static void a_script_that_cannot_be_begun_is_followed_by_the_kill_and_not_tried_again(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F5");
    reach_killed(&world, true);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
}

/* 3.2.4: a start that its guard can end no more goes on by itself. */
static void stopped_means_nothing_while_a_start_may_go_on(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "stopped");

    starts_seen(&world, false);
    assert_next_turn(&world);
    turn(&world, "KILL:0:F7");
    reach_killed(&world, false);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:failed:F12");
}

/* ---- what is a success (3.2.4, 3.3) ------------------------------------------------------------ */

static void after_a_kill_it_succeeds_where_nothing_is_left_and_nothing_serves(void **state)
{
    static const struct {
        bool is_empty, ok;
        const char *line, *asked;
    } ends[] = {
        {true, true, "stopped", "ENDED:3:ok:F11"},
        {true, true, "", "ENDED:3:failed:F12"}, /* nobody has seen that nothing serves */
        {true, false, "stopped", "ENDED:3:failed:F12"},
        {false, true, "stopped", "ENDED:3:failed:F12"}, /* and may begin to serve again */
        {false, true, "", "ENDED:3:failed:F12"},
    };
    struct world world;

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        begin_look_again(&world, ends[i].is_empty);
        run_ended(&world, ends[i].ok, ends[i].line);
        assert_next_turn(&world);
        turn(&world, ends[i].asked);
    }
}

static void start_seen(struct world *world, bool is_inside, bool is_proved)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                               .epoch = 3,
                                               .is_inside = is_inside,
                                               .is_proved = is_proved,
                                               .plan = plan_until(END_MS)});
}

/* 3.4: a kill of this reach alone has ended the service once before. */
static void where_the_reach_is_proved_and_empty_a_look_need_not_say_stopped(void **state)
{
    struct world world;

    (void)state;
    for (int left = 0; left < 2; left++) {
        begin_by(&world, 1);
        start_seen(&world, true, true);
        turn(&world, "RUN:fence:F1");
        run_ended(&world, false, "");
        turn(&world, "RUN:status:F2");
        run_ended(&world, false, "");
        turn(&world, "KILL:0:F5");
        reach_killed(&world, left == 0);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, false, "");
        turn(&world, left == 0 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* What was ordered elsewhere dies with no process here: `stopped` may be said of what yet comes. */
static void of_a_service_outside_stopped_counts_after_a_script_that_ended_well(void **state)
{
    struct world world;

    (void)state;
    for (int is_well = 0; is_well < 2; is_well++) {
        begin_by(&world, 1);
        start_seen(&world, false, false);
        turn(&world, "RUN:fence:F1");
        run_ended(&world, is_well != 0, "");
        turn(&world, "RUN:status:F2");
        run_ended(&world, true, "stopped");
        if (is_well != 0) {
            starts_seen(&world, true);
            turn(&world, "ENDED:3:ok:F11");
            continue;
        }
        turn(&world, "KILL:0:F5");
        reach_killed(&world, true);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, "ENDED:3:failed:F12");
    }
}

/* TERM and KILL of the reach take nothing from it; its own script may be about to end it. */
static void the_script_of_a_service_outside_runs_on_to_the_end(void **state)
{
    struct world world;

    (void)state;
    for (int is_in_time = 0; is_in_time < 2; is_in_time++) {
        begin_by(&world, 1);
        start_seen(&world, false, false);
        turn(&world, "RUN:fence:F1");
        assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS); /* its own */
        turn_at(&world, TERM_MS, "TERM:F3");
        turn_at(&world, KILL_MS, "KILL:0:F4");
        assert_wakes_at(&world, END_MS);
        reach_killed(&world, true);
        turn(&world, "");
        if (is_in_time == 0) {
            turn_at(&world, END_MS, "KILL_RUN:F30");
            run_ended(&world, false, "");
            turn(&world, "");
        } else {
            run_ended(&world, true, "");
        }
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, is_in_time != 0 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

static void look_is_ended_by_a_signal(struct world *world)
{
    happen(world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
                                               .was_signaled = true,
                                               .line = ""});
}

static void a_look_that_somebody_has_ended_is_repeated(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    run_ended(&world, true, "");
    turn(&world, "RUN:status:F2");
    look_is_ended_by_a_signal(&world);
    assert_next_turn(&world);
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn(&world, "ENDED:3:ok:F11");

    begin_look_again(&world, true);
    look_is_ended_by_a_signal(&world);
    turn(&world, "RUN:status:F10");
    for (int i = 0; i < 100 && world.fence.state == BW_OWN_FENCE_LOOK_AGAIN; i++) {
        look_is_ended_by_a_signal(&world);
        happen(&world, &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK});
    }
    assert_string_equal(world.asked, "ENDED:3:failed:F12"); /* there is an end to it */
}

static void what_still_serves_is_no_success_whatever_was_killed(void **state)
{
    struct world world;

    (void)state;
    begin_look_again(&world, true);
    run_ended(&world, true, "started");

    turn(&world, "ENDED:3:failed:F12");
}

static void a_last_look_that_cannot_be_begun_has_seen_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_look_again(&world, true);
    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "ENDED:3:failed:F12");
}

/* What one cannot see another may: only together do they say that nothing is left. */
static void each_of_the_means_kills_and_each_must_have_left_nothing(void **state)
{
    struct world world;

    (void)state;
    for (uint32_t left_by = 0; left_by < 4; left_by++) {
        begin_by(&world, 3);
        start(&world, 3, END_MS);
        turn(&world, "RUN:fence:F1");
        run_unbegun(&world);
        turn(&world, "KILL:0:F5");
        reach_killed(&world, left_by != 0);
        assert_next_turn(&world);
        turn(&world, "KILL:1:F8");
        reach_killed(&world, left_by != 1);
        turn(&world, "KILL:2:F8");
        reach_killed(&world, left_by != 2);
        turn(&world, "");
        turn(&world, "RUN:status:F10");
        run_ended(&world, true, "stopped");
        turn(&world, left_by == 3 ? "ENDED:3:ok:F11" : "ENDED:3:failed:F12");
    }
}

/* ---- by the clock (3.2.4) ---------------------------------------------------------------------- */

static void term_comes_at_its_instant_and_what_then_has_stopped_is_not_killed(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    assert_wakes_at(&world, TERM_MS);

    turn_at(&world, TERM_MS - 1, "");
    turn_at(&world, TERM_MS, "TERM:F3");
    assert_wakes_at(&world, KILL_MS);
    turn_at(&world, TERM_MS + 1, "");

    run_ended(&world, false, "");
    turn(&world, "RUN:status:F2");
    run_ended(&world, true, "stopped");
    starts_seen(&world, true);
    turn_at(&world, END_MS, "ENDED:3:ok:F11"); /* it was seen; a turn that comes late kills nothing */
}

/* Either clock (1). */
static void term_and_kill_come_with_the_faster_clock(void **state)
{
    struct bw_own_fence_actions actions;
    struct world world;

    (void)state;
    for (int is_raw = 0; is_raw < 2; is_raw++) {
        struct bw_instant now = at_ms(BEGIN_MS);
        uint64_t *fast = is_raw ? &now.raw_ns : &now.boot_ns;

        begin_script(&world);
        *fast = is_raw ? at_ms(TERM_MS).raw_ns : at_ms(TERM_MS).boot_ns;
        bw_own_fence_step(&world.fence,
                          &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK}, now,
                          &actions);
        assert_int_equal(actions.list[0].kind, BW_OWN_FENCE_ACTION_TERM_REACH);
        *fast = is_raw ? at_ms(KILL_MS).raw_ns : at_ms(KILL_MS).boot_ns;
        bw_own_fence_step(&world.fence,
                          &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_TICK}, now,
                          &actions);
        assert_int_equal(actions.list[0].kind, BW_OWN_FENCE_ACTION_KILL_REACH);
    }
}

static void a_script_that_does_not_end_delays_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_script(&world);
    turn_at(&world, TERM_MS, "TERM:F3");

    turn_at(&world, KILL_MS - 1, "");
    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
    assert_true(bw_instant_is_never(world.actions.wake_at));
}

static void a_look_that_does_not_end_delays_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);

    turn_at(&world, KILL_MS, "KILL:0:F4 KILL_RUN:F4");
}

static void starts_that_are_not_seen_in_time_delay_no_kill(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "stopped");
    assert_wakes_at(&world, TERM_MS);

    turn_at(&world, TERM_MS, "TERM:F3");
    turn_at(&world, KILL_MS, "KILL:0:F4");
    starts_seen(&world, true);
    assert_string_equal(world.asked, "");
    reach_killed(&world, false);
    turn(&world, "");
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:failed:F12");
}

static void once_the_kill_has_begun_the_clock_asks_for_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_look(&world);
    run_ended(&world, true, "started");
    turn(&world, "KILL:0:F5");
    assert_true(bw_instant_is_never(world.actions.wake_at));

    turn_at(&world, TERM_MS, "");
    turn_at(&world, KILL_MS, "");
    reach_killed(&world, true);
    turn_at(&world, END_MS, "");
    turn(&world, "RUN:status:F10");
    assert_int_equal(world.actions.list[0].limit_ns, STATUS_LIMIT_MS * MS);
    assert_true(bw_instant_is_never(world.actions.wake_at));
}

/* One that is to be over already: a restarted agent without guard and mirror (H10). */
static void where_no_time_is_left_the_kill_comes_first_and_the_script_late(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = END_MS + 5;
    start(&world, 3, END_MS);

    turn(&world, "KILL:0:F4");
    reach_killed(&world, true);
    assert_next_turn(&world);
    turn(&world, "RUN:fence:F9");
    assert_int_equal(world.actions.list[0].limit_ns, FENCE_LIMIT_MS * MS);
    run_ended(&world, false, "");
    assert_next_turn(&world);
    turn(&world, "RUN:status:F10");
    run_ended(&world, true, "stopped");
    turn(&world, "ENDED:3:ok:F11");
}

static void a_late_script_that_cannot_be_begun_is_left_out(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = END_MS;
    start(&world, 3, END_MS);
    turn(&world, "KILL:0:F4");
    reach_killed(&world, true);
    turn(&world, "RUN:fence:F9");

    run_unbegun(&world);
    assert_next_turn(&world);
    turn(&world, "RUN:status:F10");
}

static void between_term_and_kill_a_look_comes_before_any_script(void **state)
{
    struct world world;

    (void)state;
    begin_by(&world, 1);
    world.now_ms = TERM_MS;
    start(&world, 3, END_MS);

    turn(&world, "TERM:F3");
    turn(&world, "RUN:status:F2");
    assert_int_equal(world.actions.list[0].limit_ns, (KILL_MS - TERM_MS) * MS);
    run_ended(&world, true, "started");
    turn(&world, "KILL:0:F5");
    reach_killed(&world, true);
    turn(&world, "RUN:fence:F9");
}

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
    turn(&world, "");
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
    enum { SAID_NOTHING, SAID_STOPPED, SAID_STARTED } said; /* by the newest status */
    bool stopped_without_starts, was_killed, all_empty, has_ended;
    bool is_inside, is_proved, is_script_well;
    uint32_t succeeded;
};

static bool chance_of(struct walk *walk, uint64_t percent)
{
    return bw_prng_below(&walk->chance, 100) < percent;
}

static void assert_is_over(struct walk *walk, const struct bw_own_fence_action *action)
{
    const bool is_stopped =
        walk->said == SAID_STOPPED && (walk->is_inside || walk->is_script_well);
    const bool is_seen = walk->was_killed
                             ? walk->all_empty && walk->said != SAID_STARTED &&
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
        walk->said = action->script == BW_ACTION_STATUS ? SAID_NOTHING : walk->said;
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
        walk->said = line == 0 ? SAID_STOPPED : line == 1 ? SAID_STARTED : SAID_NOTHING;
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
        walk->stopped_without_starts = event.ok && walk->said == SAID_STOPPED && !walk->was_killed;
        walk->must_answer_starts = false;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_script_has_stopped_is_looked_at_and_nothing_is_killed),
        cmocka_unit_test(without_a_fence_script_the_stop_script_runs),
        cmocka_unit_test(the_word_of_the_script_counts_for_nothing),
        cmocka_unit_test(a_script_has_until_the_term_and_a_look_until_the_kill),
        cmocka_unit_test(limits_that_changed_since_are_those_of_the_next_script),
        cmocka_unit_test(what_is_not_seen_to_have_stopped_is_killed_before_its_instant),
        cmocka_unit_test(a_look_that_cannot_be_begun_is_followed_by_the_kill),
        cmocka_unit_test(a_script_that_cannot_be_begun_is_followed_by_the_kill_and_not_tried_again),
        cmocka_unit_test(stopped_means_nothing_while_a_start_may_go_on),
        cmocka_unit_test(after_a_kill_it_succeeds_where_nothing_is_left_and_nothing_serves),
        cmocka_unit_test(what_still_serves_is_no_success_whatever_was_killed),
        cmocka_unit_test(a_last_look_that_cannot_be_begun_has_seen_nothing),
        cmocka_unit_test(where_the_reach_is_proved_and_empty_a_look_need_not_say_stopped),
        cmocka_unit_test(of_a_service_outside_stopped_counts_after_a_script_that_ended_well),
        cmocka_unit_test(the_script_of_a_service_outside_runs_on_to_the_end),
        cmocka_unit_test(a_look_that_somebody_has_ended_is_repeated),
        cmocka_unit_test(each_of_the_means_kills_and_each_must_have_left_nothing),
        cmocka_unit_test(term_comes_at_its_instant_and_what_then_has_stopped_is_not_killed),
        cmocka_unit_test(term_and_kill_come_with_the_faster_clock),
        cmocka_unit_test(a_script_that_does_not_end_delays_no_kill),
        cmocka_unit_test(a_look_that_does_not_end_delays_no_kill),
        cmocka_unit_test(starts_that_are_not_seen_in_time_delay_no_kill),
        cmocka_unit_test(once_the_kill_has_begun_the_clock_asks_for_nothing),
        cmocka_unit_test(where_no_time_is_left_the_kill_comes_first_and_the_script_late),
        cmocka_unit_test(a_late_script_that_cannot_be_begun_is_left_out),
        cmocka_unit_test(between_term_and_kill_a_look_comes_before_any_script),
        cmocka_unit_test(what_a_script_that_was_cut_off_says_is_not_heard),
        cmocka_unit_test(no_script_begins_beside_one_that_was_cut_off_and_still_dies),
        cmocka_unit_test(a_script_that_was_cut_off_before_it_began_is_waited_for_no_longer),
        cmocka_unit_test(a_fence_that_has_begun_is_finished_before_the_next_begins),
        cmocka_unit_test(the_next_fence_takes_nothing_over_from_the_one_before),
        cmocka_unit_test(answers_that_nobody_waits_for_change_nothing),
        cmocka_unit_test(in_any_order_it_kills_in_time_and_says_what_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
