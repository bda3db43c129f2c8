/* Scripts that hang, lie, are missing or never stop talking: with real guards, agents and witnesses
 * the state of the group comes out right, and the service with it. Design 3.2.4, 3.5, 4, 5.1. What
 * one script run does is in test_script and test_guard_program; a fence that lies, and a start that
 * says that it failed, in test_life_faults. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster_life.h"
#include "lacking.h"
#include "patience.h"
#include "process_memory.h"

#define START_MS "1500ms"
#define KIB      1024

#if defined(__SANITIZE_ADDRESS__)
#define GROWTH_KIB_MAX (64 * KIB) /* what was freed waits in a quarantine */
#else
#define GROWTH_KIB_MAX (8 * KIB)
#endif

/* A start of site 0 may take so long. */
static void limit_start(const char *limit)
{
    char path[REAL_PATH_BYTES];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/site.yaml", cluster.sites[0].dir);
    file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fprintf(file, "    start_timeout: %s\n", limit) > 0);
    assert_int_equal(fclose(file), 0);
}

static void begin(void)
{
    real_start_sites(&cluster);
    real_apply_first(&cluster);
}

static char *text_of(int site, const char *format)
{
    static char text[1024];

    (void)snprintf(text, sizeof text, format, cluster.sites[site].dir);
    return text;
}

/* Site 0 failed to start: it has run stop after the start, it does not serve, and site 1 does. */
static void assert_the_next_site_got_it(void)
{
    real_until(&cluster, real_serves, 1, "the second site serves");
    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_int_equal(real_service(&cluster, 0), 0);
    assert_true(real_runs(&cluster, 0, "stop") >= 1);
}

static void a_start_that_does_nothing_has_failed_whatever_it_says(void **state)
{
    (void)state;
    limit_start(START_MS); /* so long it may come up */
    real_put(&cluster, 0, "start_exit", "0\n");
    begin();

    assert_the_next_site_got_it();
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    real_assert_ended(&cluster, 1, "released", "start_failed");
}

static void a_start_that_hangs_and_ignores_term_is_killed_and_stopped(void **state)
{
    (void)state;
    limit_start(START_MS);
    real_put(&cluster, 0, "start.sh",
             text_of(0, "#!/bin/sh\ntrap '' TERM\necho $$ >'%s/stuck'\n"
                        "while :; do sleep 1000; done\n"));
    begin();

    assert_the_next_site_got_it();
    real_assert_ended(&cluster, 1, "released", "start_failed");
    assert_int_not_equal(system(text_of(0, "kill -0 $(cat '%s/stuck') 2>/dev/null")), 0);
}

static void a_start_that_is_not_there_has_failed(void **state)
{
    (void)state;
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_drop(&cluster, 0, "start.sh");
    real_kill_service(&cluster, 0); /* no local restarts: given back, and granted again */

    real_until(&cluster, real_serves, 1, "the second site serves");
    assert_int_equal(real_service(&cluster, 0), 0);
}

static void wait_for_log(const char *file, const char *text)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);
    char command[512];

    (void)snprintf(command, sizeof command, "grep -q '%s' '%s/%s' 2>/dev/null", text,
                   cluster.sites[0].dir, file);
    while (system(command) != 0) {
        if (patience_is_over(&patience)) {
            (void)snprintf(command, sizeof command, "grep -v event=run.ended '%s/%s' | tail -n 40 >&2",
                           cluster.sites[0].dir, file);
            (void)system(command); /* whether it can be shown changes nothing */
            patience_fail("%s says %s", file, text);
        }
        (void)usleep(50000);
    }
}

static void a_start_that_prints_a_hundred_megabytes_serves_and_costs_nobody_memory(void **state)
{
    long guard_kib;
    long agent_kib;

    (void)state;
    real_put(&cluster, 0, "loud.sh",
             text_of(0, "#!/bin/sh\nhead -c 100000000 /dev/zero | tr '\\0' 'x'\n"
                        "exec sh '%s/start.sh'\n"));
    limit_start("100s");
    assert_int_equal(system(text_of(0, "sed -i 's/start_script: start.sh/start_script: loud.sh/' '%s/site.yaml'")),
                     0);
    real_start_sites(&cluster);
    (void)trio_leader(&cluster.trio);
    wait_for_log("agent.log", "event=cluster.known");
    wait_for_log("guard.log", "event=guard.ready");
    guard_kib = process_memory_kib(cluster.sites[0].guard);
    agent_kib = process_memory_kib(cluster.sites[0].agent);
    real_apply_first(&cluster);

    real_until(&cluster, real_serves, 0, "the first site serves");
    assert_true(process_memory_kib(cluster.sites[0].guard) - guard_kib < GROWTH_KIB_MAX);
    assert_true(process_memory_kib(cluster.sites[0].agent) - agent_kib < GROWTH_KIB_MAX);
    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(system(text_of(0, "[ $(stat -c %%s '%s/guard.log') -lt 2000000 ]")), 0);
}

/* 3.5: a stop that fails is followed by the fence at once; nothing is given back before. */
static void a_stop_that_lies_is_fenced_before_the_other_site_starts(void **state)
{
    (void)state;
    assert_int_equal(system(text_of(0, "sed -i 's/stop_timeout: 20s/stop_timeout: 3s/' "
                                       "'%s/site.yaml'")),
                     0);
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    real_put(&cluster, 0, "lies", "");
    real_begin_switchover(&cluster, 1, 60000);

    real_until(&cluster, real_serves, 1, "the second site serves");
    assert_true(real_runs(&cluster, 0, "stop") >= 1);
    assert_true(real_runs(&cluster, 0, "fence") >= 1);
    assert_int_equal(real_service(&cluster, 0), 0);
}

static bool lives(const char *file)
{
    char command[512];

    (void)snprintf(command, sizeof command, "kill -0 $(cat '%s/%s') 2>/dev/null",
                   cluster.sites[0].dir, file);
    return system(command) == 0;
}

/* What follows the new primary has to outlive the stop that began it: in the cgroup of the service it
 * does. Elsewhere it is ended with its script, and the guard says so (4). */
static void what_a_stop_leaves_running_is_ended_and_said(void **state)
{
    (void)state;
    assert_int_equal(system(text_of(0, "cd '%s' && mv stop.sh clean.sh")), 0);
    real_put(&cluster, 0, "stop.sh",
             "#!/bin/sh\n"
             "cd \"${0%/*}\"\n"
             "rm -f has_moved\n" /* it runs again where a child of the service outlives it for a moment */
             "setsid sleep 300 </dev/null >/dev/null 2>&1 &\n"
             "echo $! >left\n"
             "if [ -n \"$BREAKWATER_CGROUP\" ]; then\n"
             "    setsid sh -c 'echo $$ >\"$BREAKWATER_CGROUP/cgroup.procs\" && touch has_moved && "
             "exec sleep 300' </dev/null >/dev/null 2>&1 &\n"
             "    echo $! >moved\n"
             "    while [ ! -f has_moved ]; do sleep 0.05; done\n"
             "fi\n"
             "./clean.sh\n");
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the second site serves");

    wait_for_log("guard.log", "event=script.left_behind .*action=stop");
    assert_false(lives("left"));
    if (access(text_of(0, "%s/moved"), F_OK) == 0)
        assert_true(lives("moved"));
    real_assert_ended(&cluster, 1, "released", "switchover");
}

static bool holds_epoch_1(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") == 1 && real_says(of, "holder", of->sites[site].name) &&
           real_says(of, "phase", "GRANTED");
}

/* Unknown is never yes, and never down: nothing is started, stopped or moved by it. */
static void a_status_that_hangs_or_lies_moves_nothing(void **state)
{
    (void)state;
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_put(&cluster, 0, "say", "maybe\n");
    assert_true(real_for_a_lease(&cluster, holds_epoch_1, 0));
    real_put(&cluster, 0, "status.sh", "#!/bin/sh\ntrap '' TERM\nsleep 1000\n");
    assert_true(real_for_a_lease(&cluster, holds_epoch_1, 0));

    assert_true(real_service(&cluster, 0) > 0);
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

static bool is_unhealthy(struct real_cluster *of, int site)
{
    return json_is_object(json_object_get(real_site_json(of, site), "unhealthy"));
}

static const char *to_site_1(const char *more)
{
    static char body[160];

    (void)snprintf(body, sizeof body, "{\"to\": \"%s\"%s}", cluster.sites[1].name, more);
    return body;
}

/* 4: what runs and does not do its work is stopped in order, and goes where another site is ready; and what is sick there,
 * too, does not come back at once. */
static void a_primary_that_says_unhealthy_moves_once(void **state)
{
    (void)state;
    real_spec_number(&cluster, "unhealthy_after_ms", 2000);
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    real_put(&cluster, 0, "sick", "");
    real_until(&cluster, real_serves, 1, "the second site serves");
    real_assert_ended(&cluster, 1, "released", "unhealthy");
    assert_int_equal(real_service(&cluster, 0), 0);
    real_until(&cluster, real_is_connected, 0, "the first site is there");
    real_put(&cluster, 1, "sick", "");
    assert_false(real_for_a_lease(&cluster, real_serves, 0));
}

/* ---- no process can be made ---- */

#define PIDS_DIR "/sys/fs/cgroup/pids" /* version 1: a guard in a subgroup of version 2 would find its groups elsewhere */

static char pids_path[REAL_PATH_BYTES];

static bool write_pids(const char *file, long number)
{
    char path[REAL_PATH_BYTES + 32];
    FILE *out;
    bool ok;

    (void)snprintf(path, sizeof path, "%s/%s", pids_path, file);
    out = fopen(path, "we");
    ok = out != NULL && fprintf(out, "%ld", number) > 0;
    return out != NULL && fclose(out) == 0 && ok;
}

static int tear_down_pids(void **state)
{
    const int status = tear_down_judged(state);
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (pids_path[0] != '\0' && rmdir(pids_path) != 0 && errno == EBUSY && !patience_is_over(&patience))
        (void)usleep(10000); /* what it held is reaped by others */
    pids_path[0] = '\0';
    return status;
}

/* 4: its service is dead, and guard and agent can run neither status nor stop nor fence. The group is taken from it, and
 * time ends what a KILL was proved to end, which needs no process. */
static void a_primary_that_can_make_no_process_is_moved(void **state)
{
    (void)state;
    real_spec_number(&cluster, "unhealthy_after_ms", 2000);
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    (void)snprintf(pids_path, sizeof pids_path, PIDS_DIR "/breakwater-test-%ld", (long)getpid());
    if (mkdir(pids_path, 0755) != 0 || !write_pids("cgroup.procs", cluster.sites[0].guard) ||
        !write_pids("cgroup.procs", cluster.sites[0].agent)) {
        pids_path[0] = '\0';
        skip_lacking("cgroups");
    }
    assert_true(write_pids("pids.max", 1)); /* fewer than it has: none more */
    real_kill_service(&cluster, 0);

    real_until(&cluster, real_serves, 1, "the second site serves");
    real_assert_ended(&cluster, 1, "expired", "stop_failed");
    assert_int_equal(real_runs(&cluster, 0, "stop") + real_runs(&cluster, 0, "fence"), 0);
}

/* A leader whose screens name it; a word that says nothing is moved for whoever accepts what may come of it. */
static void a_status_that_says_nothing_is_moved_for_who_accepts_that(void **state)
{
    (void)state;
    begin();
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    real_put(&cluster, 0, "say", "maybe\n");
    real_until(&cluster, is_unhealthy, 0, "it cannot show that it serves");
    assert_int_equal(real_order(&cluster, "switchover", to_site_1("")), 409);
    assert_true(real_service(&cluster, 0) > 0);
    assert_int_equal(real_order(&cluster, "switchover", to_site_1(", \"accept_outage\": true")), 202);
    real_until(&cluster, real_service_is_gone, 0, "its service has ended");
    real_until(&cluster, real_serves, 1, "the second site serves: a KILL is proved to end it, by time");
    assert_true(real_runs(&cluster, 0, "fence") >= 1);
    real_assert_ended(&cluster, 1, "expired", "stop_failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_start_that_does_nothing_has_failed_whatever_it_says,
                                        set_up, tear_down_judged),
        cmocka_unit_test_setup_teardown(a_start_that_hangs_and_ignores_term_is_killed_and_stopped,
                                        set_up, tear_down_judged),
        cmocka_unit_test_setup_teardown(a_start_that_is_not_there_has_failed, set_up,
                                        tear_down_judged),
        cmocka_unit_test_setup_teardown(
            a_start_that_prints_a_hundred_megabytes_serves_and_costs_nobody_memory, set_up,
            tear_down_judged),
        cmocka_unit_test_setup_teardown(a_stop_that_lies_is_fenced_before_the_other_site_starts,
                                        set_up, tear_down_judged),
        cmocka_unit_test_setup_teardown(what_a_stop_leaves_running_is_ended_and_said, set_up,
                                        tear_down_judged),
        cmocka_unit_test_setup_teardown(a_status_that_hangs_or_lies_moves_nothing, set_up,
                                        tear_down_judged),
        cmocka_unit_test_setup_teardown(a_primary_that_says_unhealthy_moves_once, set_up, tear_down_judged),
        cmocka_unit_test_setup_teardown(a_primary_that_can_make_no_process_is_moved, set_up, tear_down_pids),
        cmocka_unit_test_setup_teardown(a_status_that_says_nothing_is_moved_for_who_accepts_that, set_up,
                                        tear_down_judged),
    };

    /* Before a process is started: what was freed shall not wait in memory for ever. */
    (void)setenv("ASAN_OPTIONS", "quarantine_size_mb=16", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
