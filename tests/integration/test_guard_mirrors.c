/* What is enforced from mirrors alone: by a guard that cannot start, of a cluster that is no more,
 * of a group that the file does not name. Real processes; the guard that armed and its enforcer are
 * killed together. Design 3.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/os/durable.h>
#include <breakwater/sys/clock.h>

#include "guard_rig.h"
#include "janitor.h"
#include "patience.h"

/* As in test_guard_program: in time on a slow machine too. */
#define TTL_MS    11000
#define FENCE_MS  5000
#define STARTS_MAX 10 /* what lies between the arm and the next guard takes less than so many starts of one */
#define EX_CONFIG   78
#define EX_TEMPFAIL 75

/* A guard and its agent. Returns the TTL of what it arms. */
static uint32_t begin(struct rig *rig)
{
    const uint64_t begun_ms = rig_now_ms();
    uint64_t start_ms; /* what a guard's start takes here, now: the next one has to come before the window */

    rig_guard_start(rig);
    rig_wait_log(rig, "event=reach.works"); /* one that comes later lets its agent come again */
    start_ms = rig_now_ms() - begun_ms;
    rig_greet(rig);
    return (uint32_t)(TTL_MS + STARTS_MAX * start_ms);
}

/* Until when what serves may. */
static uint64_t arm(struct rig *rig, uint64_t epoch, uint32_t ttl_ms)
{
    const unsigned before = rig->agent.count[BW_GUARD_MESSAGE_ARMED];
    const struct bw_instant end = rig_arm(&rig->agent, epoch, ttl_ms, FENCE_MS);

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, before + 1);
    return end.boot_ns / BW_NS_PER_MS;
}

static void start_service(struct rig *rig, uint64_t epoch)
{
    assert_int_equal(rig_run(&rig->agent, epoch, BW_ACTION_START).result, BW_RUN_OK);
    rig_wait_beat(rig, 0);
}

static void end_both(struct rig *rig)
{
    (void)rig_guard_end(rig, SIGKILL);
    janitor_end_enforcers(rig->site);
}

static void lose_both(struct rig *rig)
{
    end_both(rig);
    rig_wait_beat(rig, rig_now_ms());
}

/* Until when what serves may: its guard and the enforcer are gone. */
static uint64_t serve_and_lose_both(struct rig *rig, uint64_t epoch)
{
    const uint64_t end_ms = arm(rig, epoch, begin(rig));

    start_service(rig, epoch);
    assert_false(rig_has(rig, "log", "event=reach.write_failed"));
    lose_both(rig);
    return end_ms;
}

/* As the log names it. */
static pid_t enforcer_of(const struct rig *rig)
{
    FILE *log = fopen(rig_path(rig, "log"), "r");
    char line[1024];
    long pid = 0;

    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL)
        if (strstr(line, "event=enforcer.made") != NULL)
            pid = strtol(strstr(line, "pid=") + 4, NULL, 10);
    assert_int_equal(fclose(log), 0);
    assert_true(pid > 0);
    return (pid_t)pid;
}

static void do_in(const struct rig *rig, const char *command)
{
    char line[512];

    (void)snprintf(line, sizeof line, "cd '%s' && %s", rig->dir, command);
    assert_int_equal(system(line), 0);
}

/* The exit says what is wrong. */
static void assert_refused(struct rig *rig)
{
    const int status = rig_guard_end(rig, 0);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EX_CONFIG);
    assert_true(rig_has(rig, "log", "event=guard.enforcing"));
}

/* It has looked for no memory and no trial, and of no script it knows what it was before. */
static void assert_said_nothing_untrue(const struct rig *rig)
{
    assert_false(rig_has(rig, "log", "event=state.lost"));
    assert_false(rig_has(rig, "log", "event=reach.proof"));
    assert_false(rig_has(rig, "log", "event=scripts.changed"));
}

static void assert_enforced_and_refused(struct rig *rig, uint64_t end_ms)
{
    rig_assert_silent_since(rig, end_ms);
    assert_refused(rig);
    rig_assert_fenced_by_script(rig);
    assert_said_nothing_untrue(rig);
}

static void start_with_a_file_that_does_not_parse(struct rig *rig)
{
    rig_put(rig, "site.yaml", 0644, "site: [\n");
    assert_int_equal(setenv("RUNTIME_DIRECTORY", rig_path(rig, "run"), 1), 0);
    rig_guard_start(rig);
    assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
}

static void a_guard_whose_file_does_not_parse_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    start_with_a_file_that_does_not_parse(rig);

    assert_enforced_and_refused(rig, end_ms);
}

static void a_guard_whose_script_is_refused_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    do_in(rig, "rm ready.sh");
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
}

/* 5.4: what others can change it does not begin with; what it armed before ends all the same. */
static void a_guard_whose_file_others_can_change_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    do_in(rig, "chmod g+w site.yaml");
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
    assert_true(rig_has(rig, "log", "error: others can change it: "));
}

static void a_guard_whose_state_others_can_change_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    do_in(rig, "chmod g+w state/guard/g.memory run/*-guard/lock");
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
    assert_true(rig_has(rig, "log", "state_dir: others can change it: "));
}

/* Of another version: nothing of it can be taken from it. */
static void a_guard_that_cannot_read_its_state_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    do_in(rig, "printf x >state/guard/cluster");
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
}

static void name_another_site(const struct rig *rig)
{
    char command[128];

    (void)snprintf(command, sizeof command, "sed -i 's/^site: %s$/site: renamed/' site.yaml && "
                   "grep -q '^site: renamed$' site.yaml", rig->site);
    do_in(rig, command);
}

/* A typo, or the file of another one: the mirrors of the site that serves lie under its name. */
static void a_guard_whose_file_names_another_site_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    name_another_site(rig);
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
}

/* The site of the new name may serve by the same scripts by then. */
static void what_is_over_of_another_name_is_left(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    name_another_site(rig);
    rig_guard_start(rig);
    assert_enforced_and_refused(rig, end_ms);
    do_in(rig, "rm calls && : >log");
    rig_guard_start(rig);

    assert_int_equal(WEXITSTATUS(rig_guard_end(rig, 0)), EX_CONFIG);
    do_in(rig, "test ! -e calls");
    assert_false(rig_has(rig, "log", "event=guard.enforcing"));
}

/* One process for each: the first does not wait an hour for the second. */
static void who_enforces_for_two_names_ends_when_it_is_told(void **state)
{
    struct rig *rig = *state;
    int status;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)arm(rig, 1, 3600000);
    end_both(rig);
    do_in(rig, "cp -r run/*-guard run/another-guard");
    start_with_a_file_that_does_not_parse(rig);
    do_in(rig, "timeout 60 sh -c 'until [ $(grep -c event=guard.enforcing log) = 2 ]; do sleep 0.05; done'");

    status = rig_guard_end(rig, SIGTERM);

    assert_true(WIFEXITED(status));
    do_in(rig, "timeout 60 sh -c 'until [ $(grep -c event=guard.ending log) = 2 ]; do sleep 0.05; done'");
}

/* Its mirror may stay armed, with an end that nobody has seen, until the next boot; the site of the new name may serve by the
 * same scripts by then. */
static void what_nobody_has_seen_end_of_another_name_is_left(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    name_another_site(rig);
    while (rig_now_ms() <= end_ms)
        rig_turn(rig);
    rig_guard_start(rig);

    assert_int_equal(WEXITSTATUS(rig_guard_end(rig, 0)), EX_CONFIG);
    assert_false(rig_has(rig, "log", "event=guard.enforcing"));
    assert_true(rig_has(rig, "log", "event=mirror.over"));
    rig_wait_beat(rig, rig_now_ms()); /* it is whoever's by now */
}

/* Of two sites on one machine: the file of one is refused, for days, and the guard of the other is started anew. */
static void a_guard_that_is_refused_is_in_no_other_guards_way(void **state)
{
    struct rig *rig = *state;
    pid_t refused, first;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)arm(rig, 1, 3600000);
    (void)rig_guard_end(rig, SIGKILL);
    do_in(rig, "cp site.yaml before");
    start_with_a_file_that_does_not_parse(rig);
    rig_wait_log(rig, "event=mirrors.awaited");
    refused = rig->guard;
    do_in(rig, "mv before site.yaml");

    rig_guard_start(rig);
    rig_greet(rig);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    first = rig->guard;
    rig->guard = refused;
    assert_int_equal(WEXITSTATUS(rig_guard_end(rig, 0)), EX_CONFIG);
    rig->guard = first;
    assert_false(rig_has(rig, "log", "event=guard.enforcing"));
    assert_true(rig_has(rig, "log", "event=mirrors.left"));
}

/* It was away for longer than it is waited for. */
static void who_takes_care_of_mirrors_makes_room_for_their_guard(void **state)
{
    struct rig *rig = *state;
    pid_t caretaker;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)arm(rig, 1, 3600000);
    end_both(rig);
    do_in(rig, "cp site.yaml before");
    start_with_a_file_that_does_not_parse(rig);
    rig_wait_log(rig, "event=guard.enforcing");
    caretaker = rig->guard;
    do_in(rig, "mv before site.yaml");
    rig_guard_start(rig);
    assert_int_equal(WEXITSTATUS(rig_guard_end(rig, 0)), EX_TEMPFAIL);

    rig->guard = caretaker;
    assert_int_equal(WEXITSTATUS(rig_guard_end(rig, 0)), EX_CONFIG);
    rig_guard_start(rig);
    rig_greet(rig);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    (void)rig_arm(&rig->agent, 1, 3601000, FENCE_MS); /* and is renewed */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
}

/* As the advice of its refusal says. Its name may not be wrong, and the other one's guard is perhaps about to begin: so
 * it says what lies there, and is in nobody's way. */
static void a_guard_under_a_new_name_says_what_nobody_guards(void **state)
{
    struct rig *rig = *state;

    (void)arm(rig, 1, begin(rig));
    (void)rig_guard_end(rig, SIGTERM);
    name_another_site(rig);
    do_in(rig, "sed -i 's/^state_dir: state$/state_dir: anew/' site.yaml");
    rig_guard_start(rig);

    rig_wait_log(rig, "event=deadline_file.guard_missing");
    rig_wait_log(rig, "-guard\" group=g epoch=1 left_ms=");
}

/* Of two on one machine. */
static void a_guard_says_nothing_of_a_site_whose_guard_lives(void **state)
{
    struct rig *rig = *state;
    pid_t first;

    (void)arm(rig, 1, begin(rig));
    first = rig->guard;
    name_another_site(rig);
    do_in(rig, "sed -i 's/^state_dir: state$/state_dir: anew/; s/guard\\.sock/another.sock/' site.yaml && : >log");
    rig_guard_start(rig);
    rig_wait_log(rig, "event=guard.ready component=guard site=renamed");
    rig_wait_log(rig, "event=enforcer.made");
    (void)rig_guard_end(rig, SIGTERM);
    rig->guard = first;

    assert_false(rig_has(rig, "log", "event=deadline_file.guard_missing"));
}

/* A guard that lives is left alone by one that cannot start. */
static void mirrors_whose_guard_lives_are_left_to_it(void **state)
{
    struct rig *rig = *state;
    const pid_t first = (rig_guard_start(rig), rig_greet(rig), rig->guard);
    int status;

    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    start_with_a_file_that_does_not_parse(rig);
    status = rig_guard_end(rig, 0); /* at once, not in an hour */
    rig->guard = first;

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EX_CONFIG);
    assert_true(rig_has(rig, "log", "event=mirrors.left"));
}

/* The cluster was made anew under its old name: its epochs begin at 1 again. */
static void the_epoch_of_a_cluster_that_is_gone_is_enforced_and_forgotten(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 7);

    do_in(rig, "rm -r state/guard");
    rig_agent_close(&rig->agent);
    rig_agent_init(rig, &rig->agent);
    rig->agent.hello.cluster_id = (struct bw_id){{9}};
    rig_guard_start(rig);
    rig_agent_connect(rig, &rig->agent);
    rig_agent_greet(&rig->agent);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_WELCOME_DONE, 1);
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_GROUP_STATE],
                     0); /* nor is it asked for anything */
    rig_wait_beat(rig, rig_now_ms());

    rig_assert_silent_since(rig, end_ms);
    rig_wait_log(rig, "event=mirror.forgotten");
    rig_wait_closed(&rig->agent);
    rig_agent_close(&rig->agent);
    rig_agent_connect(rig, &rig->agent);
    rig_agent_greet(&rig->agent);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_GROUP_STATE, 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.epoch_seen, 0);
    (void)rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS); /* lower than the old one's could be */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
}

/* The enforcer of the guard before is frozen: it is waited for, but not for ever. */
static void a_frozen_enforcer_holds_up_no_arm_for_long(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;
    pid_t frozen;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    frozen = enforcer_of(rig);
    assert_int_equal(kill(frozen, SIGSTOP), 0);
    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    rig_greet(rig);

    end = rig_arm(&rig->agent, 1, 3601000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    assert_true(rig->agent.last[BW_GUARD_MESSAGE_ARMED].armed.end.boot_ns == end.boot_ns);
    assert_true(rig_has(rig, "log", "event=enforcer.handover_failed"));
    assert_int_equal(kill(frozen, SIGKILL), 0);
}

/* Its own: what it does not answer in time is asked of another one. */
static void an_enforcer_that_freezes_is_replaced(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;
    pid_t frozen;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    frozen = enforcer_of(rig);
    assert_int_equal(kill(frozen, SIGSTOP), 0);

    end = rig_arm(&rig->agent, 1, 3601000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);

    assert_true(rig->agent.last[BW_GUARD_MESSAGE_ARMED].armed.end.boot_ns == end.boot_ns);
    assert_true(rig_has(rig, "log", "event=enforcer.silent"));
    assert_int_not_equal(enforcer_of(rig), frozen);
}

/* A tidy person, or a job: nothing could be written to a directory that is gone. */
static void a_directory_of_mirrors_that_is_removed_is_made_again(void **state)
{
    struct rig *rig = *state;

    (void)rig_serve(rig, TTL_MS, FENCE_MS);
    do_in(rig, "until rm -r run/*-guard; do :; done"); /* in which it writes meanwhile */
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);
    rig_wait_log(rig, "event=mirrors.made_again");
    (void)rig_arm(&rig->agent, 1, 3601000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 3);
    do_in(rig, "test -s run/*-guard/g.mirror && test -s run/*-guard/g.reach");

    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    (void)rig_arm(&rig->agent, 1, 3602000, FENCE_MS); /* once the enforcer of before is relieved */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1); /* the first of its own */
    assert_false(rig_has(rig, "log", "event=enforcer.handover_failed"));
}

static void wait_for_enforcers_socket(struct rig *rig)
{
    char command[256];
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    (void)snprintf(command, sizeof command, "ls '%s'/*-guard/enforcer-* >/dev/null 2>&1",
                   rig_path(rig, "run"));
    while (system(command) != 0) {
        if (patience_is_over(&patience))
            patience_fail("the enforcer has a socket");
        rig_turn(rig);
    }
}

/* Nothing is armed, so nobody writes there: it is looked at all the same. */
static void a_standby_whose_directory_of_mirrors_is_removed_makes_it_again(void **state)
{
    struct rig *rig = *state;

    rig_guard_start(rig);
    rig_greet(rig);
    wait_for_enforcers_socket(rig);
    do_in(rig, "until rm -r run/*-guard; do :; done");

    rig_wait_log(rig, "event=mirrors.made_again");
    wait_for_enforcers_socket(rig);
    do_in(rig, "test -s run/*-guard/g.mirror");
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
}

/* The guard after this one finds it by its socket; unfound it would end at its deadline what was renewed since. */
static void an_enforcer_whose_socket_is_removed_is_replaced(void **state)
{
    struct rig *rig = *state;
    pid_t before;

    (void)rig_serve(rig, 3600000, FENCE_MS);
    before = enforcer_of(rig);
    do_in(rig, "rm run/*-guard/enforcer-* run/*-guard/g.mirror");

    rig_wait_log(rig, "event=mirrors.made_again");
    wait_for_enforcers_socket(rig);
    (void)rig_arm(&rig->agent, 1, 3601000, FENCE_MS); /* once the new one has taken it */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);
    assert_int_not_equal(enforcer_of(rig), before);
    do_in(rig, "test -s run/*-guard/g.mirror");
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");

    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, 3602000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    assert_false(rig_has(rig, "log", "event=enforcer.handover_failed"));
}

/* 3.4: its scripts and units are kept with its memory. */
static void a_group_that_the_file_forgot_is_fenced_by_its_script(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms;

    end_ms = serve_and_lose_both(rig, 1);
    do_in(rig, "sed -i 's/name: g$/name: another/' site.yaml && rm -f run/*-guard/*.reach");
    rig_guard_start(rig);
    rig_wait_log(rig, "event=fence.ended");

    rig_assert_fenced_by_script(rig);
    rig_assert_silent_since(rig, end_ms);
}

/* What the file allowed is kept with them. */
static void a_forgotten_script_that_others_may_write_is_run_as_it_was(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms;

    do_in(rig, "sed -i '1i allow_writable_scripts: true' site.yaml && chmod go+w fence.sh");
    end_ms = serve_and_lose_both(rig, 1);
    do_in(rig, "sed -i '1d; s/name: g$/name: another/' site.yaml && chmod go-w ready.sh && "
               "sed -i 's/fence_script: .*/fence_script: ready.sh/' site.yaml && "
               "rm -f run/*-guard/*.reach");
    rig_guard_start(rig);
    rig_wait_log(rig, "event=fence.ended");

    rig_assert_fenced_by_script(rig);
    rig_assert_silent_since(rig, end_ms);
}

/* The tool that the file named, and no docker of another place. */
static void the_containers_of_a_forgotten_group_are_asked_for_as_before(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms;

    do_in(rig,
          "printf '#!/bin/sh\\necho asked >>%s/asked\\n' \"$PWD\" >tool.sh && chmod 755 tool.sh && "
          "cp site.yaml before && sed -i \"s|stop_method: cgroup|stop_method: containers\\n"
          "    containers: [p]\\n    container_tool: $PWD/tool.sh|\" site.yaml");
    end_ms = serve_and_lose_both(rig, 1);
    do_in(rig, "sed 's/name: g$/name: another/' before >site.yaml && rm asked");
    rig_guard_start(rig);
    rig_wait_log(rig, "event=fence.ended");

    rig_assert_fenced_by_script(rig);
    assert_true(rig_has(rig, "asked", "asked"));
    rig_assert_silent_since(rig, end_ms);
}

static void put_memory_of_a_newer_version(const struct rig *rig)
{
    static const struct bw_durable_kind kind = {.magic = "BWGM", .version = 255};
    struct bw_diag diag = {0};
    int dir = -1;

    assert_int_equal(bw_durable_open_dir(rig_path(rig, "state/guard"), &dir, &diag), BW_OK);
    assert_int_equal(bw_durable_save(dir, "g.memory", &kind, "what", 4, &diag), BW_OK);
    assert_int_equal(close(dir), 0);
}

/* Another group's memory is well: its guard is there, and serves both. */
static void the_lease_of_a_group_that_is_not_loaded_ends(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_message look = {.kind = BW_GUARD_MESSAGE_RUN,
                                    .run = {.action = BW_ACTION_STATUS, .run_id = 99}};
    uint64_t end_ms;

    do_in(rig, "sed -n '/name: g$/,$p' site.yaml | sed 's/name: g$/name: h/' >more && "
               "cat more >>site.yaml");
    end_ms = serve_and_lose_both(rig, 1);
    put_memory_of_a_newer_version(rig);
    do_in(rig, "cp state/guard/g.memory before");
    rig_guard_start(rig);
    rig_greet(rig);

    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_GROUP_STATE], 1);
    assert_string_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].group, "h");
    assert_true(rig_has(rig, "log", "event=group.load_failed component=guard group=g"));
    rig_assert_silent_since(rig, end_ms);
    rig_assert_fenced_by_script(rig);
    (void)snprintf(look.group, sizeof look.group, "h");
    rig_send(&rig->agent, &look);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED,
             rig->agent.count[BW_GUARD_MESSAGE_RUN_ENDED] + 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
    do_in(rig, "cmp state/guard/g.memory before"); /* a person's to look at */
}

/* There is no other to be guarded: it is no guard, and enforces all the same. */
static void a_guard_that_loads_no_group_enforces(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_and_lose_both(rig, 1);

    put_memory_of_a_newer_version(rig);
    rig_guard_start(rig);

    assert_enforced_and_refused(rig, end_ms);
}

/* ---- by what it is ended cannot be kept ------------------------------------------------------- */

/* Another fence script, and a value that is too long to be kept. */
static void replace_by_what_cannot_be_kept(struct rig *rig)
{
    rig_put(rig, "new.sh", 0755, "#!/bin/sh\nexit 0\n");
    do_in(rig, "sed -i \"s/fence_script: .*/fence_script: new.sh/; "
               "s/FLAVOUR: .*/FLAVOUR: x$(printf %01100d 0)}/\" site.yaml");
}

/* The script of before may undo what the new ones have done. */
static void assert_killed_without_the_replaced_script(struct rig *rig, uint64_t end_ms)
{
    rig_assert_silent_since(rig, end_ms);
    assert_false(rig_has(rig, "calls", "fence"));
    assert_true(rig_has(rig, "log", "does=\"no script of it is run: only what is in its reach is killed\""));
}

/* An epoch whose mirror was written once more since the file was read anew; its memory was not. */
static uint64_t serve_replaced_and_lose_both(struct rig *rig)
{
    const uint32_t ttl_ms = begin(rig);
    uint64_t end_ms = arm(rig, 1, ttl_ms);

    start_service(rig, 1);
    replace_by_what_cannot_be_kept(rig);
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "event=config.reloaded");
    assert_true(rig_has(rig, "log", "event=reach.write_failed"));
    end_ms = arm(rig, 1, ttl_ms);
    lose_both(rig);
    do_in(rig, "grep -q fence.sh state/guard/g.reach");
    return end_ms;
}

static void a_fence_script_that_was_replaced_is_not_run_from_a_mirror(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_replaced_and_lose_both(rig);

    start_with_a_file_that_does_not_parse(rig);

    assert_killed_without_the_replaced_script(rig, end_ms);
    assert_refused(rig);
}

/* What stands beside the mirror is newer than what stands beside the memory. */
static void a_fence_script_that_was_replaced_is_not_run_from_an_older_memory(void **state)
{
    struct rig *rig = *state;
    const uint64_t end_ms = serve_replaced_and_lose_both(rig);

    do_in(rig, "sed -i 's/name: g$/name: another/' site.yaml");
    rig_guard_start(rig);

    assert_killed_without_the_replaced_script(rig, end_ms);
}

static void a_fence_script_that_was_replaced_is_not_run_from_its_memory(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms = arm(rig, 1, begin(rig));

    end_both(rig);
    do_in(rig, "rm -r run/*-guard && grep -q fence.sh state/guard/g.reach");
    replace_by_what_cannot_be_kept(rig);
    end_ms = arm(rig, 2, begin(rig));
    start_service(rig, 2);
    lose_both(rig);
    do_in(rig, "sed -i 's/name: g$/name: another/' site.yaml && rm -f run/*-guard/*.reach");
    rig_guard_start(rig);

    assert_killed_without_the_replaced_script(rig, end_ms);
}

/* 3.4: what is in its reach ends, though no script of it is known. */
static void the_containers_of_what_cannot_be_kept_whole_are_ended(void **state)
{
    struct rig *rig = *state;
    uint64_t end_ms;

    do_in(rig,
          "printf '#!/bin/sh\\necho asked >>%s/asked\\n' \"$PWD\" >tool.sh && chmod 755 tool.sh && "
          "cp site.yaml before && sed -i \"s|stop_method: cgroup|stop_method: containers\\n"
          "    containers: [p]\\n    container_tool: $PWD/tool.sh|\" site.yaml");
    do_in(rig, "sed -i \"s/FLAVOUR: .*/FLAVOUR: x$(printf %01100d 0)}/\" site.yaml");
    end_ms = arm(rig, 1, begin(rig));
    start_service(rig, 1);
    lose_both(rig);
    do_in(rig, "sed 's/name: g$/name: another/' before >site.yaml && rm asked");
    rig_guard_start(rig);

    assert_killed_without_the_replaced_script(rig, end_ms);
    assert_true(rig_has(rig, "asked", "asked"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_guard_whose_file_does_not_parse_enforces),
        TEST(a_guard_whose_script_is_refused_enforces),
        TEST(a_guard_whose_file_others_can_change_enforces),
        TEST(a_guard_whose_state_others_can_change_enforces),
        TEST(a_guard_that_cannot_read_its_state_enforces),
        TEST(a_guard_whose_file_names_another_site_enforces),
        TEST(what_is_over_of_another_name_is_left),
        TEST(what_nobody_has_seen_end_of_another_name_is_left),
        TEST(a_guard_that_is_refused_is_in_no_other_guards_way),
        TEST(who_takes_care_of_mirrors_makes_room_for_their_guard),
        TEST(who_enforces_for_two_names_ends_when_it_is_told),
        TEST(a_guard_under_a_new_name_says_what_nobody_guards),
        TEST(a_guard_says_nothing_of_a_site_whose_guard_lives),
        TEST(mirrors_whose_guard_lives_are_left_to_it),
        TEST(the_epoch_of_a_cluster_that_is_gone_is_enforced_and_forgotten),
        TEST(a_frozen_enforcer_holds_up_no_arm_for_long),
        TEST(an_enforcer_that_freezes_is_replaced),
        TEST(a_directory_of_mirrors_that_is_removed_is_made_again),
        TEST(a_standby_whose_directory_of_mirrors_is_removed_makes_it_again),
        TEST(an_enforcer_whose_socket_is_removed_is_replaced),
        TEST(a_group_that_the_file_forgot_is_fenced_by_its_script),
        TEST(a_forgotten_script_that_others_may_write_is_run_as_it_was),
        TEST(the_containers_of_a_forgotten_group_are_asked_for_as_before),
        TEST(the_lease_of_a_group_that_is_not_loaded_ends),
        TEST(a_guard_that_loads_no_group_enforces),
        TEST(a_fence_script_that_was_replaced_is_not_run_from_a_mirror),
        TEST(a_fence_script_that_was_replaced_is_not_run_from_an_older_memory),
        TEST(a_fence_script_that_was_replaced_is_not_run_from_its_memory),
        TEST(the_containers_of_what_cannot_be_kept_whole_are_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
