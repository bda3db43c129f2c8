/* breakwater guard: a start and a stop that are lists of steps. The real program, whose steps
 * record by themselves when they ran. Design 5.1, steps. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard_rig.h"
#include "lacking.h"
#include "patience.h"
#include "steps_world.h"
#include "stuck_disk.h"

#define TTL_MS 11000 /* as in test_guard_program: in time on a slow machine too */

/* ---- an ordinary start ----------------------------------------------------------------------- */

static void steps_begin_side_by_side_and_after_what_they_need(void **state)
{
    struct rig *rig = *state;

    /* Each of the first two ends only once the other has begun. */
    rig_put(rig, "a.sh", 0755, HEAD AWAIT "say begun\n: >a.here\nawait b.here\nsay ended\n");
    rig_put(rig, "b.sh", 0755, HEAD AWAIT "say begun\n: >b.here\nawait a.here\nsay ended\n");
    rig_put(rig, "c.sh", 0755,
            HEAD "say begun\n[ $(grep -c ended steps) = 2 ] || exit 9\nenv >step.env\n"
                 "exec ./start.sh\n");
    put_steps(rig, "start_steps",
              "      - {name: c, script: c.sh, needs: [a, b], phase: service}\n"
              "      - {name: a, script: a.sh, phase: database}\n"
              "      - {name: b, script: b.sh}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    rig_wait_beat(rig, 0);
    rig_wait_beat(rig, rig_now_ms()); /* it lives on without the steps */
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    assert_true(rig_has(rig, "step.env", "BREAKWATER_STEP=c\n"));
    assert_true(rig_has(rig, "step.env", "BREAKWATER_STEP_RUN=1\n"));
    assert_true(rig_has(rig, "step.env", "BREAKWATER_EPOCH=1\n"));
    assert_true(rig_has(rig, "step.env", "BREAKWATER_GROUP=g\n"));
    assert_true(rig_has(rig, "step.env", "FLAVOUR=salt & vinegar\n"));
    assert_true(rig_has(rig, "log", "line=\"c: started it\""));
    assert_int_equal(count_texts(rig, "log", "event=step.ended"), 3);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).sight.seen, BW_REACH_INSIDE);
}

/* The loader of the program that runs the steps would take them. */
static void what_the_site_sets_for_scripts_only_the_steps_have(void **state)
{
    struct rig *rig = *state;
    char command[4096];

    rig_put(rig, "libuv.so.1", 0755, "no library"); /* with it this program could not be loaded */
    rig_put(rig, "a.sh", 0755, HEAD "env >step.env\nexec ./start.sh\n");
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -i \"s|env: {|env: {LD_LIBRARY_PATH: '$PWD', |\" site.yaml",
                   rig->dir);
    assert_int_equal(system(command), 0);
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_true(rig_has(rig, "step.env", "FLAVOUR=salt & vinegar\n"));
    assert_true(rig_has(rig, "step.env", "LD_LIBRARY_PATH="));
    assert_false(rig_has(rig, "step.env", "BREAKWATER_ENV_"));
}

/* ---- failures -------------------------------------------------------------------------------- */

static void a_step_that_fails_is_tried_again_and_the_rest_goes_on(void **state)
{
    struct rig *rig = *state;

    rig_put(
        rig, "a.sh", 0755,
        HEAD
        "say begun$BREAKWATER_STEP_RUN\n"
        "[ ! -s far.pid ] || ! kill -0 $(cat far.pid) 2>/dev/null || say beside\nrm -f far.pid\n"
        "setsid sh -c 'echo $$ >far.pid; while :; do sleep 0.05; done' </dev/null "
        ">/dev/null 2>&1 &\n"
        "while [ ! -s far.pid ]; do sleep 0.01; done\n"
        "[ $BREAKWATER_STEP_RUN = 3 ] || exit 5\nkill -KILL $(cat far.pid)\n");
    rig_put(rig, "b.sh", 0755, HEAD "say begun\nexec ./start.sh\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh, retries: 2}\n"
              "      - {name: b, script: b.sh, needs: [a]}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 3);
    assert_int_equal(count_texts(rig, "steps", "b begun"), 1);
    assert_false(rig_has(rig, "steps", "a beside")); /* what a try left has ended with it */
    assert_int_equal(count_texts(rig, "log",
                                 "step.ended component=guard group=g epoch=1 action=start "
                                 "step=a attempt=1 how=\"exited\" code=5"),
                     1);
}

static void the_status_of_the_first_that_failed_is_the_starts(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    /* However much the ones before it have said, its log has why. */
    rig_put(rig, "a.sh", 0755, HEAD "say begun\nseq 1 10000\n");
    rig_put(rig, "b.sh", 0755, HEAD "say begun\necho no room left >&2\nexit 7\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n"
              "      - {name: b, script: b.sh, needs: [a]}\n"
              "      - {name: c, script: a.sh, needs: [b]}\n");
    begin_armed(rig, LONG_MS);

    ended = rig_run(&rig->agent, 1, BW_ACTION_START);

    assert_int_equal(ended.result, BW_RUN_FAILED);
    assert_int_equal(ended.exit_status, 7);
    assert_string_equal(ended.outcome.words, "b: no room left");
    assert_int_equal(count_texts(rig, "log", "line=\"b: no room left\""), 1);
    assert_int_equal(count_texts(rig, "log", "line=\"a: 2000\""), 1);
    assert_int_equal(count_texts(rig, "log", "line=\"a: 10000\""), 0);
    assert_false(rig_has(rig, "steps", "c begun"));
}

static void a_step_that_runs_into_its_limit_is_ended_whole_and_those_beside_it_are_not(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_put(rig, "a.sh", 0755, STAYS);
    rig_put(rig, "b.sh", 0755,
            HEAD AWAIT
            "say begun\nawait far.pid\n"
            "while kill -0 $(cat stays.pid) 2>/dev/null; do sleep 0.02; done\nsay ended\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh, timeout: 2s}\n"
              "      - {name: b, script: b.sh}\n"
              "      - {name: c, script: b.sh, needs: [b]}\n");
    begin_armed(rig, LONG_MS);

    ended = rig_run(&rig->agent, 1, BW_ACTION_START);

    assert_int_equal(ended.result, BW_RUN_FAILED);
    assert_int_equal(ended.exit_status, 124);
    assert_true(rig_has(rig, "log", "line=\"a: not ended within the timeout of this step, 2s\""));
    assert_true(rig_has(rig, "steps", "b ended"));
    assert_false(rig_has(rig, "steps", "c begun"));
    assert_false(is_alive(rig, "stays.pid"));
    assert_false(is_alive(rig, "far.pid"));
}

static void a_step_that_others_can_change_is_refused(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0775, DOES);
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_FAILED);

    assert_true(rig_has(rig, "log", "can be changed by others"));
    assert_false(rig_has(rig, "steps", "a begun"));
}

static void a_step_without_an_interpreter_line_runs_by_shell_and_is_said_to(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0644, "cd \"${0%/*}\"\necho \"$BREAKWATER_STEP begun\" >>steps\n");
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_true(rig_has(rig, "log", "event=step.by_shell"));
    assert_true(rig_has(rig, "steps", "a begun"));
}

/* What people see of it: `step` runs, and so many are done. */
static void assert_progress(struct rig *rig, const char *step, uint32_t done)
{
    const struct bw_guard_message *last = &rig->agent.last[BW_GUARD_MESSAGE_RUN_BEGUN];
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (strcmp(last->begun.steps.name, step) != 0) {
        if (patience_is_over(&patience))
            patience_fail("step %s is never told", step);
        rig_turn(rig);
    }
    assert_int_equal(last->begun.action, BW_ACTION_START);
    assert_int_equal(last->begun.steps.done, done);
    assert_int_equal(last->begun.steps.running, 1);
    assert_int_equal(last->begun.steps.attempt, 1);
}

/* An agent that comes in the middle is told, too. */
static void how_far_it_has_come_is_told_as_it_goes_on(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, WAITS_FOR("go"));
    rig_put(rig, "b.sh", 0755, WAITS_FOR("go-on"));
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n"
              "      - {name: b, script: b.sh, needs: [a], phase: routing}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    assert_progress(rig, "a", 0);
    rig_put(rig, "go", 0644, "");
    assert_progress(rig, "b", 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.steps.count, 2);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.steps.phase,
                     BW_STEP_PHASE_ROUTING);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.steps.limit_ms, 40000);
    rig_greet(rig);
    assert_progress(rig, "b", 1);
    rig_put(rig, "go-on", 0644, "");
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    const struct bw_steps_progress *last = &rig->agent.last[BW_GUARD_MESSAGE_RUN_BEGUN].begun.steps;
    assert_int_equal(last->done, 2);
    assert_int_equal(last->running, 0);
    assert_true(last->phase_ms[BW_STEP_PHASE_NONE] > 0);
    assert_true(last->phase_ms[BW_STEP_PHASE_ROUTING] > 0);
    assert_int_equal(last->phase_ms[BW_STEP_PHASE_DATABASE], 0);
}

/* 3.4: it runs only the bytes that the digest was made of, also of what begins an hour later. */
static void a_step_that_is_edited_while_another_runs_does_not_run(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, WAITS_FOR("go"));
    rig_put(rig, "b.sh", 0755, DOES);
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n      - {name: b, script: b.sh, needs: [a]}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    wait_for_text(rig, "steps", "a begun");
    assert_progress(rig, "a", 0);
    rig_put(rig, "b.sh", 0755, DOES "# edited\n");
    rig_put(rig, "go", 0644, "");
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_true(rig_has(rig, "log", "have been changed since"));
    assert_false(rig_has(rig, "steps", "b begun"));
}

/* ---- ended from outside ---------------------------------------------------------------------- */

/* 3.2.4: everything is dead by D, and nothing begins meanwhile. */
static void a_lost_lease_ends_all_of_it(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    rig_put(rig, "a.sh", 0755, STAYS);
    rig_put(rig, "b.sh", 0755,
            HEAD "say begun\ntrap 'say ended; exit 0' TERM\nwhile :; do sleep 0.05; done\n");
    rig_put(rig, "c.sh", 0755, DOES);
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh, retries: 9}\n"
              "      - {name: b, script: b.sh}\n"
              "      - {name: c, script: c.sh, needs: [b]}\n");
    rig_guard_start(rig);
    rig_greet(rig);
    end = rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    wait_for_text(rig, "far.pid", "\n");
    wait_for_text(rig, "steps", "b begun");

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);

    assert_false(is_alive(rig, "stays.pid"));
    assert_false(is_alive(rig, "far.pid"));
    assert_true(rig_now_ms() < end.boot_ns / BW_NS_PER_MS);
    assert_int_equal(count_texts(rig, "steps", "a begun"), 1);
    assert_false(rig_has(rig, "steps", "c begun"));
}

/* The limit of the whole start: TERM, which the steps hear, and nothing begins after it. */
static void a_start_that_is_ended_begins_nothing_more(void **state)
{
    struct rig *rig = *state;
    char command[256];

    rig_put(rig, "a.sh", 0755,
            HEAD "say begun\ntrap 'say ended; exit 0' TERM\nwhile :; do sleep 0.05; done\n");
    rig_put(rig, "b.sh", 0755, DOES);
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n      - {name: b, script: b.sh, needs: [a]}\n");
    (void)snprintf(command, sizeof command,
                   "sed -i -e 's/start_timeout: .*/start_timeout: 3s/' -e 's/kill_grace: "
                   ".*/kill_grace: 10s/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
    begin_armed(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_TIMED_OUT);

    assert_true(rig_has(rig, "steps", "a ended"));
    assert_false(rig_has(rig, "steps", "b begun"));
}

/* ---- interrupted ----------------------------------------------------------------------------- */

static void an_interrupted_start_goes_on_after_what_is_done(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, DOES);
    interrupt(rig);
    assert_int_equal(count_texts(rig, "steps", "b ended"), 0); /* what ran was ended */
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 1);
    assert_int_equal(count_texts(rig, "steps", "b begun"), 2);
    assert_int_equal(count_texts(rig, "steps", "b ended"), 1);
    assert_int_equal(count_texts(rig, "log", "event=step.kept"), 1);
    rig_wait_beat(rig, 0);
    /* A start that is ordered for any other reason is a whole one. */
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);
    assert_int_equal(count_texts(rig, "steps", "a begun"), 2);
}

static void after_a_stop_a_start_begins_anew(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, DOES);
    interrupt(rig);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 2);
    assert_int_equal(count_texts(rig, "steps", "b begun"), 2);
}

static void a_journal_that_cannot_be_read_is_none(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, DOES);
    interrupt(rig);
    rig_put(rig, "state/guard/g.steps", 0600, "BWST what is this?");

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "a begun"), 2);
}

/* Nobody is left who could end it: what runs comes to its end, what follows waits for a guard. */
static void without_its_guard_nothing_begins(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD AWAIT "say begun\nawait go\nsay ended\n");
    rig_put(rig, "b.sh", 0755, DOES);
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n      - {name: b, script: b.sh, needs: [a]}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    wait_for_text(rig, "steps", "a begun");
    (void)rig_guard_end(rig, SIGKILL);
    rig_put(rig, "go", 0644, "");
    wait_for_text(rig, "steps", "a ended");
    wait_file(rig, "state/guard/g.steps"); /* it has heard the end, and has looked what may begin */
    rig_guard_start(rig);
    rig_greet(rig);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    assert_false(rig_has(rig, "steps", "b begun"));
}

/* ---- the process that runs them is killed ---------------------------------------------------- */

/* As a step that runs, and has a process far from it; which process has begun it is in program.pid.
 */
static void begin_one_that_stays(struct rig *rig, const char *key, enum bw_action_kind action)
{

    rig_put(rig, "a.sh", 0755,
            "#!/bin/sh\necho $PPID >\"${0%/*}/program.pid\"\nexec \"${0%/*}/b.sh\"\n");
    rig_put(rig, "b.sh", 0755, STAYS);
    put_steps(rig, key, "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, action);
    wait_for_text(rig, "far.pid", "\n");
    wait_for_text(rig, "stays.pid", "\n");
}

/* 3.4: one action at a time. What is killed has not ended while what it began goes on. */
static void assert_nothing_stays(struct rig *rig)
{
    assert_int_equal(kill(pid_in(rig, "program.pid"), SIGKILL), 0);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_FAILED);
    assert_false(is_alive(rig, "stays.pid"));
    assert_false(is_alive(rig, "far.pid"));
}

static void a_start_whose_process_is_killed_ends_with_its_steps(void **state)
{
    begin_one_that_stays(*state, "start_steps", BW_ACTION_START);
    assert_nothing_stays(*state);
}

static void a_stop_whose_process_is_killed_ends_with_its_steps(void **state)
{
    begin_one_that_stays(*state, "stop_steps", BW_ACTION_STOP);
    assert_nothing_stays(*state);
}

/* Nobody has seen how it ended: killed with its guard, as by their name. */
static void a_guard_that_begins_ends_what_killed_steps_have_left(void **state)
{
    struct rig *rig = *state;

    begin_one_that_stays(rig, "start_steps", BW_ACTION_START);
    (void)rig_guard_end(rig, SIGKILL);
    assert_int_equal(kill(pid_in(rig, "program.pid"), SIGKILL), 0);
    while (is_alive(rig, "program.pid"))
        rig_turn(rig);
    assert_true(is_alive(rig, "far.pid"));
    rig_guard_start(rig);
    rig_greet(rig);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_INTERRUPTED);
    assert_false(is_alive(rig, "stays.pid"));
    assert_false(is_alive(rig, "far.pid"));
}

/* What is left of one that was done meanwhile is the service. */
static void a_start_that_was_done_without_its_guard_keeps_its_service(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755,
            HEAD AWAIT "echo $PPID >program.pid\nsay begun\nawait go\nexec ./start.sh\n");
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    wait_for_text(rig, "steps", "a begun");
    (void)rig_guard_end(rig, SIGKILL);
    rig_put(rig, "go", 0644, "");
    while (is_alive(rig, "program.pid"))
        rig_turn(rig);
    rig_wait_beat(rig, 0);
    const pid_t service = pid_in(rig, "pid");

    rig_guard_start(rig);
    rig_greet(rig);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_wait_beat(rig, rig_now_ms());
    assert_int_equal(pid_in(rig, "pid"), service);
}

/* ---- a disk that hangs ----------------------------------------------------------------------- */

struct disk {
    char path[PATH_MAX];
    pid_t server;
};

/* The guard's state directory will be there once the guard has it open. */
static struct disk make_disk(struct rig *rig)
{
    struct disk disk;
    char state_dir[PATH_MAX];

    (void)snprintf(disk.path, sizeof disk.path, "%s", rig_path(rig, "disk"));
    (void)snprintf(state_dir, sizeof state_dir, "%s", rig_path(rig, "state"));
    assert_int_equal(mkdir(disk.path, 0700), 0);
    assert_int_equal(mkdir(rig_path(rig, "state.real"), 0700), 0);
    assert_int_equal(symlink("state.real", state_dir), 0);
    disk.server = stuck_disk_open(disk.path);
    if (disk.server < 0)
        skip_lacking("fuse");
    return disk;
}

static void put_state_on_disk(struct rig *rig)
{
    char state_dir[PATH_MAX];

    (void)snprintf(state_dir, sizeof state_dir, "%s", rig_path(rig, "state"));
    assert_int_equal(unlink(state_dir), 0);
    assert_int_equal(symlink("disk", state_dir), 0);
}

/* 3.4: what writes the journal of a list on a disk that hangs outlives it, and is not what serves. */
static void the_writer_of_a_journal_is_no_service_inside(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended looks[2];
    const struct disk disk = make_disk(rig);

    rig_put(rig, "status.sh", 0755, "#!/bin/sh\ncd \"${0%/*}\"\n[ -e up ] && echo started || echo stopped\n");
    rig_put(rig, "a.sh", 0755, HEAD "touch up\n"); /* elsewhere, as a cluster's scheduler would */
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    begin_armed(rig, LONG_MS);
    put_state_on_disk(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);
    for (int look = 0; look < 2; look++)
        looks[look] = rig_run(&rig->agent, 1, BW_ACTION_STATUS);
    stuck_disk_close(disk.server, disk.path); /* whatever they say: nothing that waits in it can be ended */
    for (int look = 0; look < 2; look++) {
        assert_string_equal(looks[look].line, "started");
        assert_int_not_equal(looks[look].sight.seen, BW_REACH_INSIDE);
    }
}

static unsigned count_writers(const struct rig *rig)
{
    char procs[PATH_MAX];
    char line[32];
    unsigned count = 0;
    FILE *in;

    path_in_begun(rig, "../../journal/cgroup.procs", procs);
    in = fopen(procs, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        count++;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return count;
}

/* 5.1: neither a stop that ends it by itself, nor a fence that has to kill it. */
static void assert_disk_holds_up_no_end(struct rig *rig, bool has_cgroups)
{
    const struct disk disk = make_disk(rig);
    static const enum bw_action_kind actions[] = {BW_ACTION_START, BW_ACTION_STOP, BW_ACTION_START, BW_ACTION_FENCE};
    enum bw_run_result results[4];
    unsigned writers = 0;

    rig_put(rig, "fence.sh", 0755, "#!/bin/sh\nexit 0\n");
    rig_put(rig, "a.sh", 0755, HEAD "rm -f beats\nexec ./start.sh\n");
    put_steps(rig, "start_steps", "      - {name: a, script: a.sh}\n");
    edit_config(rig, "s/stop_timeout: .*/stop_timeout: 15s/");
    begin_armed(rig, LONG_MS);
    put_state_on_disk(rig);

    for (int i = 0; i < 4; i++)
        results[i] = rig_run(&rig->agent, 1, actions[i]).result;
    if (has_cgroups)
        writers = count_writers(rig);
    stuck_disk_close(disk.server, disk.path); /* first of all: nothing that waits in it can be ended */

    for (int i = 0; i < 4; i++)
        assert_int_equal(results[i], BW_RUN_OK);
    assert_false(rig_has(rig, "log", "event=reach.kill_failed"));
    if (has_cgroups)
        assert_int_equal(writers, 1); /* 5.1: there is no second one beside it */
}

static void the_disk_of_a_journal_holds_up_no_end(void **state)
{
    assert_disk_holds_up_no_end(*state, true);
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void a_stop_runs_its_own_list(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, DOES);
    rig_put(rig, "b.sh", 0755, HEAD "say begun\nexec ./stop.sh\n");
    put_steps(rig, "stop_steps",
              "      - {name: service, script: b.sh, needs: [route]}\n"
              "      - {name: route, script: a.sh, phase: routing}\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_int_equal(count_texts(rig, "steps", "begun"), 2);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");
    assert_true(rig_has(rig, "calls", "stop"));
}

static void a_stop_whose_step_fails_has_failed(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "a.sh", 0755, HEAD "say begun\nexit 4\n");
    put_steps(rig, "stop_steps",
              "      - {name: route, script: a.sh}\n"
              "      - {name: service, script: stop.sh, needs: [route]}\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);

    const struct bw_guard_run_ended ended = rig_run(&rig->agent, 1, BW_ACTION_STOP);

    assert_int_equal(ended.result, BW_RUN_FAILED);
    assert_int_equal(ended.exit_status, 4);
    assert_false(rig_has(rig, "calls", "stop"));
}

/* The rest of this process sees none: it comes last. */
static void killed_steps_end_also_where_no_cgroup_holds_them(void **state)
{
    struct rig *rig = *state;

    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip_lacking("mounts");
    (void)umount2("/sys/fs/cgroup", MNT_DETACH); /* where none is mounted there are none */

    begin_one_that_stays(rig, "start_steps", BW_ACTION_START);

    assert_true(rig_has(rig, "log", "event=reach.by_scan"));
    assert_nothing_stays(rig);
}

/* Nor is it found by the mark that its list shows. As the one above. */
static void nor_does_it_where_no_cgroup_holds_the_service(void **state)
{
    struct rig *rig = *state;

    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip_lacking("mounts");
    (void)umount2("/sys/fs/cgroup", MNT_DETACH); /* where none is mounted there are none */

    assert_disk_holds_up_no_end(rig, false);

    assert_true(rig_has(rig, "log", "event=reach.by_scan"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps_begin_side_by_side_and_after_what_they_need),
        TEST(what_the_site_sets_for_scripts_only_the_steps_have),
        TEST(a_step_that_fails_is_tried_again_and_the_rest_goes_on),
        TEST(the_status_of_the_first_that_failed_is_the_starts),
        TEST(a_step_that_runs_into_its_limit_is_ended_whole_and_those_beside_it_are_not),
        TEST(a_step_that_others_can_change_is_refused),
        TEST(a_step_without_an_interpreter_line_runs_by_shell_and_is_said_to),
        TEST(how_far_it_has_come_is_told_as_it_goes_on),
        TEST(a_step_that_is_edited_while_another_runs_does_not_run),
        TEST(a_lost_lease_ends_all_of_it),
        TEST(a_start_that_is_ended_begins_nothing_more),
        TEST(an_interrupted_start_goes_on_after_what_is_done),
        TEST(after_a_stop_a_start_begins_anew),
        TEST(a_journal_that_cannot_be_read_is_none),
        TEST(without_its_guard_nothing_begins),
        TEST(a_start_whose_process_is_killed_ends_with_its_steps),
        TEST(a_stop_whose_process_is_killed_ends_with_its_steps),
        TEST(a_guard_that_begins_ends_what_killed_steps_have_left),
        TEST(a_start_that_was_done_without_its_guard_keeps_its_service),
        TEST(the_writer_of_a_journal_is_no_service_inside),
        TEST(the_disk_of_a_journal_holds_up_no_end),
        TEST(a_stop_runs_its_own_list),
        TEST(a_stop_whose_step_fails_has_failed),
        TEST(killed_steps_end_also_where_no_cgroup_holds_them),
        TEST(nor_does_it_where_no_cgroup_holds_the_service),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
