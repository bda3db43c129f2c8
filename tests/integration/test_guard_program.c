/* breakwater guard: the real program, real scripts, and a service that records its own beats. */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/clock.h>

#include <breakwater/sys/durable.h>

#include "faults.h"
#include "guard_rig.h"
#include "janitor.h"

/* A start, a restart and a welcome come in time before D - F, on a slow machine too; and KILL comes
 * as long before D as it ever does (3.2.4), 500 ms. */
#define TTL_MS   11000
#define FENCE_MS 5000
#define LONG_MS  1900000 /* no test takes that long */

/* A guard, epoch 1 armed until the instant that is returned, and a service that beats. */
static struct bw_instant begin_serving(struct rig *rig, uint32_t ttl_ms)
{
    struct bw_instant end;

    rig_guard_start(rig);
    rig_greet(rig);
    end = rig_arm(&rig->agent, 1, ttl_ms, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_OK);
    rig_wait_beat(rig, 0);
    return end;
}

static void assert_silent_since(struct rig *rig, uint64_t end_ms)
{
    while (rig_now_ms() < end_ms + 200)
        rig_turn(rig);
    if (rig_last_beat_ms(rig) > end_ms)
        fail_msg("the service beat %llu ms after D",
                 (unsigned long long)(rig_last_beat_ms(rig) - end_ms));
}

/* What was left of the lease when its fence began, as the log says. */
static unsigned long left_at_fence_ms(const struct rig *rig)
{
    static const char key[] = " left_ms=";
    char line[1024];
    unsigned long left_ms = 0;
    FILE *in = fopen(rig_path(rig, "log"), "r");

    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL)
        if (strstr(line, "event=fence.begun ") != NULL && strstr(line, key) != NULL)
            left_ms = strtoul(strstr(line, key) + sizeof key - 1, NULL, 10);
    (void)fclose(in); /* only read from */
    return left_ms;
}

/* The newest that the log speaks of. */
static pid_t enforcer_of(const struct rig *rig)
{
    static const char key[] = "event=enforcer.made component=guard pid=";
    char line[1024];
    long pid = 0;
    FILE *in = fopen(rig_path(rig, "log"), "r");

    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL)
        if (strstr(line, key) != NULL)
            pid = strtol(strstr(line, key) + sizeof key - 1, NULL, 10);
    (void)fclose(in); /* only read from */
    assert_true(pid > 1);
    return (pid_t)pid;
}

/* It is no child of the test. */
static void wait_gone(struct rig *rig, pid_t pid)
{
    const uint64_t limit = rig_now_ms() + RIG_PATIENCE_MS;

    while (kill(pid, 0) == 0) {
        if (rig_now_ms() > limit)
            fail_msg("process %ld does not end", (long)pid);
        rig_turn(rig);
    }
}

/* ---- an ordinary life ------------------------------------------------------------------------ */

static void an_epoch_is_armed_started_stopped_and_ended(void **state)
{
    struct rig *rig = *state;
    struct rig_agent *agent = &rig->agent;
    struct bw_guard_run_ended ended;

    (void)begin_serving(rig, LONG_MS);
    assert_true(agent->last[BW_GUARD_MESSAGE_GROUP_STATE].state.reach_works);
    assert_true(rig_has(rig, "start.env", "BREAKWATER_EPOCH=1\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_REASON=site_lost\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_PREVIOUS_SITE=dc-z\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_GROUP=g\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_PLANNED=true\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_GRADE=expired\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_TARGET_POSITION=0/17\n"));
    assert_true(rig_has(rig, "start.env", "BREAKWATER_LEASE_REMAINING_MS=1"));
    assert_true(rig_has(rig, "start.env", "FLAVOUR=salt & vinegar\n"));
    ended = rig_run(agent, 1, BW_ACTION_STATUS);
    assert_string_equal(ended.line, "started");
    ended = rig_run(agent, 1, BW_ACTION_READINESS);
    assert_string_equal(ended.tail, "ready\nlag_seconds=0.4\nposition=17\n");
    const struct bw_guard_message end = {.kind = BW_GUARD_MESSAGE_END, .epoch = 1, .group = "g"};
    rig_send(agent, &end);
    rig_wait(agent, BW_GUARD_MESSAGE_END_REFUSED, 1);
    assert_int_equal(agent->last[BW_GUARD_MESSAGE_END_REFUSED].refused.why, BW_REFUSAL_NOT_STOPPED);

    ended = rig_run(agent, 1, BW_ACTION_STOP);
    rig_send(agent, &end);
    rig_wait(agent, BW_GUARD_MESSAGE_EPOCH_ENDED, 1);

    assert_int_equal(ended.result, BW_RUN_OK);
    (void)rig_arm(agent, 1, LONG_MS, FENCE_MS);
    rig_wait(agent, BW_GUARD_MESSAGE_ARM_REFUSED, 1);
    assert_int_equal(agent->last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_EPOCH_ENDED);
}

/* 3.7: upgrading the guard is no outage. */
static void a_guard_that_is_told_to_end_leaves_the_service_and_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, LONG_MS);
    int status = rig_guard_end(rig, SIGTERM);

    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(rig_has(rig, "log", "level=warn event=deadline.left")); /* and says until when */
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_greet(rig);

    const struct bw_guard_state *welcome = &rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state;
    assert_int_equal(welcome->armed_epoch, 1);
    assert_memory_equal(&welcome->armed_end, &end, sizeof end);
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_RUN_ENDED], 0);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

static void scripts_change_with_sighup_and_a_bad_file_changes_nothing(void **state)
{
    struct rig *rig = *state;
    char text[4096] = "";
    FILE *in;

    (void)begin_serving(rig, LONG_MS);
    in = fopen(rig_path(rig, "site.yaml"), "r");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    rig_put(rig, "site.yaml", 0644, "groups: nonsense\n");
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "config.refused");
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_put(rig, "other.sh", 0755, "#!/bin/sh\necho stopped\n");
    memcpy(strstr(text, "status.sh"), " other.sh", 9);
    rig_put(rig, "site.yaml", 0644, text);

    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "config.reloaded");

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_WELCOME], 1);
}

/* ---- deadlines (I1, 3.2.4) ------------------------------------------------------------------- */

/* I1, 3.2.4: at D - F the fence script runs, and by D nothing serves. */
static void a_deadline_is_fenced_by_the_fence_script(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);

    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_FENCE_BEGUN], 1);
    assert_true(rig->agent.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_false(bw_instant_right_is_over(bw_clock_now(), end));
    assert_true(rig_has(rig, "calls", "fence\n"));
    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* I1, 3.2.4: the fence script hangs, the service ignores TERM and left its session: KILL by D. */
static void a_hanging_fence_is_overtaken_by_kill_before_d(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    rig_put(rig, "fence.sh", 0755, "#!/bin/sh\ntrap '' TERM\nsleep 600\n");
    rig_put(rig, "stop.sh", 0755, "#!/bin/sh\nexit 0\n");
    end = begin_serving(rig, TTL_MS);

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);

    assert_true(rig->agent.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_true(rig_has(rig, "log", "signal=KILL"));
    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: a guard that loses its agent goes on to the deadline and fences. */
static void an_agent_that_is_gone_is_fenced_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);

    rig_agent_close(&rig->agent);

    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
    assert_true(rig_has(rig, "log", "event=fence.ended"));
}

/* 3.4, what it keeps: a guard killed and started again resumes the deadline. */
static void a_guard_killed_and_restarted_fences_on_time(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);
    const uint64_t end_ms = end.boot_ns / BW_NS_PER_MS;

    (void)rig_guard_end(rig, SIGKILL);
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    rig_wait_beat(rig, rig_now_ms()); /* it is not fenced at once */

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);

    assert_true(rig->agent.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_in_range(left_at_fence_ms(rig), 1, FENCE_MS); /* but from D - F on */
    assert_silent_since(rig, end_ms);
}

/* I1, 3.4: the enforcer outlives its guard, and ends with the last deadline that it holds. */
static void a_guard_that_never_comes_back_is_enforced_all_the_same(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);
    const pid_t enforcer = enforcer_of(rig);

    (void)rig_guard_end(rig, SIGKILL);
    rig_wait_beat(rig, rig_now_ms()); /* it is not ended at once */
    (void)kill(enforcer, SIGTERM);    /* nobody switches it off by mistake */

    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
    wait_gone(rig, enforcer);
}

/* 3.4: what was renewed since is not ended by the enforcer of a guard before. */
static void a_new_guard_relieves_the_enforcer_of_the_old_one(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant first_end = begin_serving(rig, TTL_MS);
    const pid_t first = enforcer_of(rig);
    struct bw_instant end;

    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    rig_greet(rig);
    while (bw_instant_left_ns(bw_clock_now(), first_end) > (FENCE_MS + 1500) * BW_NS_PER_MS)
        rig_turn(rig); /* so that the second deadline is some seconds later */
    end = rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    wait_gone(rig, first);
    (void)rig_guard_end(rig, SIGKILL);

    rig_wait_beat(rig, first_end.boot_ns / BW_NS_PER_MS); /* beyond the first deadline */
    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: no arm is acknowledged before an enforcer holds it. */
static void an_enforcer_that_dies_is_replaced_before_anything_else_is_armed(void **state)
{
    struct rig *rig = *state;
    const pid_t first = (begin_serving(rig, TTL_MS), enforcer_of(rig));
    struct bw_instant end;

    assert_int_equal(kill(first, SIGKILL), 0);
    rig_wait_log(rig, "event=enforcer.gone");
    end = rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);
    assert_int_not_equal(enforcer_of(rig), first);
    (void)rig_guard_end(rig, SIGKILL);

    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: what hangs in the state directory costs the lease, never the deadline: the fence script runs, and the
 * guard answers. */
static void a_state_directory_that_hangs_holds_up_no_fence(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_message let_go = {
        .kind = BW_GUARD_MESSAGE_LET_GO, .group = "g", .epoch = 1, .let_go_index = 7};
    struct bw_instant end;

    faults_begin(rig_path(rig, "faults"));
    end = begin_serving(rig, TTL_MS);
    faults_end();
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    faults_say(rig_path(rig, "faults"), "slow state/ 30000\n");
    rig_send(&rig->agent, &let_go); /* would be written down, and never is */

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started"); /* it answers */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);
    assert_true(rig->agent.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_true(rig_has(rig, "calls", "fence")); /* its script, not the KILL */
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: nor does what hangs in /run: an arm waits for its mirror, nothing else waits for anything. */
static void a_run_directory_that_hangs_holds_up_no_fence(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    faults_begin(rig_path(rig, "faults"));
    end = begin_serving(rig, TTL_MS);
    faults_end();
    faults_say(rig_path(rig, "faults"), "move -guard 30000\n");
    (void)rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS); /* it is mirrored never */

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started"); /* it answers */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);
    assert_true(rig_has(rig, "calls", "fence")); /* its script, not the KILL */
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_ARMED], 1);
    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: without its mirror nobody can take a deadline over: it stays with the enforcer that has it. */
static void a_deadline_whose_mirror_is_lost_stays_with_its_enforcer(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);
    char path[256];

    (void)rig_guard_end(rig, SIGKILL);
    (void)snprintf(path, sizeof path, "run/%s-guard/g.mirror", rig->site);
    assert_int_equal(unlink(rig_path(rig, path)), 0);
    rig_put(rig, "status.sh", 0755, "#!/bin/sh\necho unknown\n"); /* so that nobody fences it at once */
    rig_guard_start(rig);
    rig_wait_log(rig, "event=enforcer.kept");
    (void)rig_guard_end(rig, SIGKILL);

    assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: started again after its deadline, it fences what it finds before anything else. */
static void a_guard_that_comes_back_after_the_deadline_fences_at_once(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);

    const pid_t stopped = enforcer_of(rig);

    (void)kill(stopped, SIGSTOP); /* nor is there an enforcer that runs */
    (void)rig_guard_end(rig, SIGKILL);
    while (!bw_instant_wait_is_over(bw_clock_now(), end))
        rig_turn(rig);
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_wait_log(rig, "event=fence.ended");

    rig_wait_log(rig, "ok=yes"); /* there was no time for its script before the KILL: it is tried again */
    assert_silent_since(rig, rig_now_ms());
    (void)kill(stopped, SIGKILL);
}

/* I1, 3.2.4: whoever takes a group out of the file does not take its deadline away. */
static void a_group_that_the_file_forgot_is_ended_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = begin_serving(rig, TTL_MS);
    const uint64_t end_ms = end.boot_ns / BW_NS_PER_MS;
    char command[256];

    (void)rig_guard_end(rig, SIGKILL);
    (void)snprintf(command, sizeof command, "sed -i 's/name: g$/name: another/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
    rig_guard_start(rig);
    rig_wait_log(rig, "event=group.forgotten");

    rig_wait_log(rig, "event=fence.ended");

    assert_silent_since(rig, end_ms);
}

/* The cgroup of group g, where this guard's groups have some. */
static bool has_cgroup(const struct rig *rig)
{
    static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    bool has = false;
    char path[128];

    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/breakwater-%s@" JANITOR_CLUSTER "/g", tops[i],
                       rig->site);
        has = has || access(path, F_OK) == 0;
    }
    return has;
}

/* What a guard that was killed has left is removed by one that comes to an end, or, where the file
 * names the group no more, by the next one that is started. */
static void no_cgroup_of_a_group_that_is_gone_stays(void **state)
{
    struct rig *rig = *state;
    char command[256];

    rig_guard_start(rig);
    rig_greet(rig);
    if (!has_cgroup(rig))
        skip(); /* none can be made at the top of the hierarchy here */
    (void)rig_guard_end(rig, SIGTERM);
    assert_false(has_cgroup(rig));

    const struct bw_guard_message end = {.kind = BW_GUARD_MESSAGE_END, .epoch = 1, .group = "g"};
    (void)begin_serving(rig, LONG_MS);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    rig_send(&rig->agent, &end);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_EPOCH_ENDED, 1);
    (void)rig_guard_end(rig, SIGKILL);
    assert_true(has_cgroup(rig));
    (void)snprintf(command, sizeof command, "sed -i 's/name: g$/name: another/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
    rig_guard_start(rig);
    rig_greet(rig);

    assert_false(has_cgroup(rig));
}

/* Whoever ends a second guard of the site, or cleans up, removes cgroups in which nothing runs. */
static void cgroups_that_vanished_are_made_anew(void **state)
{
    struct rig *rig = *state;
    char command[256];

    rig_guard_start(rig);
    rig_greet(rig);
    if (!has_cgroup(rig))
        skip(); /* none can be made at the top of the hierarchy here */
    (void)snprintf(command, sizeof command,
                   "find /sys/fs/cgroup -depth -type d -path '*/breakwater-%s@*' -exec rmdir {} +",
                   rig->site);
    assert_int_equal(system(command), 0);
    assert_false(has_cgroup(rig));

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");

    assert_true(has_cgroup(rig));
    assert_true(rig_has(rig, "log", "event=reach.vanished"));
}

/* What is damaged of one group is that group's. */
static void a_damaged_group_leaves_the_others_their_guard(void **state)
{
    struct rig *rig = *state;
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -n '/name: g$/,$p' site.yaml | sed 's/name: g$/name: h/' >more && "
                   "cat more >>site.yaml && mkdir -p -m 0700 state/guard && "
                   "echo damaged >state/guard/h.memory",
                   rig->dir);
    assert_int_equal(system(command), 0);
    rig_guard_start(rig);
    rig_greet(rig);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    assert_true(rig_has(rig, "log", "event=group.unloaded component=guard group=h"));
    assert_true(rig_has(rig, "log", "h.memory"));
}

#define MANY 100

/* Groups h0, h1, ... whose looks take long, beside g. */
static void put_many(const struct rig *rig)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -n '/name: g$/,$p' site.yaml | "
                   "sed 's/ status.sh/ long.sh/' >more && for i in $(seq 0 %d); do "
                   "sed \"s/name: g$/name: h$i/\" more; done >>site.yaml",
                   rig->dir, MANY - 1);
    assert_int_equal(system(command), 0);
    rig_put(rig, "long.sh", 0755, "#!/bin/sh\nsleep 30\n");
}

static void order_look_of_many(struct rig_agent *agent, unsigned i)
{
    struct bw_guard_message look = {.kind = BW_GUARD_MESSAGE_RUN};

    (void)snprintf(look.group, sizeof look.group, "h%u", i);
    look.run.action = BW_ACTION_STATUS;
    look.run.run_id = ++agent->number;
    rig_send(agent, &look);
}

static unsigned looks_begun_before_fence(const struct rig *rig)
{
    char line[1024];
    unsigned count = 0;
    FILE *in = fopen(rig_path(rig, "log"), "r");

    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL && strstr(line, "event=fence.begun ") == NULL)
        count += strstr(line, "event=run.begun ") != NULL && strstr(line, "group=h") != NULL;
    (void)fclose(in); /* only read from */
    return count;
}

/* A hundred groups look at one instant: each in its turn, and a fence waits for none of them. */
static void looks_of_many_groups_wait_and_a_fence_does_not(void **state)
{
    struct rig *rig = *state;

    put_many(rig);
    (void)begin_serving(rig, LONG_MS);
    rig->agent.count[BW_GUARD_MESSAGE_RUN_BEGUN] = 0;
    for (unsigned i = 0; i < MANY; i++)
        order_look_of_many(&rig->agent, i);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_FENCE).result, BW_RUN_OK);

    assert_in_range(looks_begun_before_fence(rig), 1, MANY - 1);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_BEGUN, MANY); /* nobody is forgotten */
}

/* A shell, or a manager, allows few; what the guard starts gets no more than that. */
static void a_guard_that_may_open_few_files_raises_its_limit(void **state)
{
    struct rig *rig = *state;
    struct rlimit before;
    struct rlimit few;

    put_many(rig);
    rig_put(rig, "status.sh", 0755, "#!/bin/sh\nulimit -Sn\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = MANY; /* less than one of each group */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rig_guard_start(rig);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    rig_greet(rig);

    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_GROUP_STATE], MANY + 1);
    assert_int_equal(atoi(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line), MANY);
}

/* 3.4: it ends what ran, and reports it interrupted. */
static void a_start_that_lost_its_guard_is_ended_and_reported_interrupted(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "start.sh", 0755,
            "#!/bin/sh\ncd \"${0%/*}\"\necho $$ >starting\nexec sh ./service.sh\n");
    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    rig_wait_beat(rig, 0);
    (void)rig_guard_end(rig, SIGKILL);

    rig_guard_start(rig);
    rig_greet(rig);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);

    const uint64_t back_ms = rig_now_ms();
    const struct bw_guard_run_ended *ended = &rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended;
    assert_int_equal(ended->result, BW_RUN_INTERRUPTED);
    assert_int_equal(ended->action, BW_ACTION_START);
    assert_silent_since(rig, back_ms);
}

/* ---- who may speak -----------------------------------------------------------------------------
 */

static void a_second_agent_replaces_the_first(void **state)
{
    struct rig *rig = *state;
    struct rig_agent second;

    (void)begin_serving(rig, LONG_MS);
    rig_agent_init(rig, &second);
    rig_agent_connect(rig, &second);
    rig_agent_greet(&second);
    rig_wait(&second, BW_GUARD_MESSAGE_WELCOME_DONE, 1);
    rig_wait_closed(&rig->agent);

    assert_int_equal(second.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    assert_string_equal(rig_run(&second, 1, BW_ACTION_STATUS).line, "started");
    rig_agent_close(&second);
}

static void expect_refused_hello(struct rig *rig, const struct bw_guard_hello *hello)
{
    struct rig_agent stranger;

    rig_agent_init(rig, &stranger);
    stranger.hello = *hello;
    rig_agent_connect(rig, &stranger);
    rig_agent_greet(&stranger);
    rig_wait(&stranger, BW_GUARD_MESSAGE_HELLO_REFUSED, 1);
    rig_wait_closed(&stranger);
}

/* 3.9: agents of another cluster, an older generation; 3.4: clocks of another boot. */
static void a_wrong_cluster_generation_site_or_boot_is_refused(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_hello hello;

    rig_guard_start(rig);
    rig_greet(rig);
    hello = rig->agent.hello;
    hello.cluster_id.bytes[0] ^= 2;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.generation--;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.site[0] = 'x';
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.boot_id.bytes[0] ^= 1;
    expect_refused_hello(rig, &hello);
    hello = rig->agent.hello;
    hello.time_namespace++;
    expect_refused_hello(rig, &hello);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    (void)rig_guard_end(rig, SIGTERM); /* and it is remembered */
    rig_guard_start(rig);
    hello = rig->agent.hello;
    hello.cluster_id.bytes[0] ^= 2;
    expect_refused_hello(rig, &hello);
}

static void before_a_hello_everything_is_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_agent mute;

    rig_guard_start(rig);
    rig_agent_init(rig, &mute);
    rig_agent_connect(rig, &mute);

    (void)rig_arm(&mute, 1, LONG_MS, FENCE_MS);
    rig_wait(&mute, BW_GUARD_MESSAGE_ARM_REFUSED, 1);

    assert_int_equal(mute.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_NO_HELLO);
    rig_agent_close(&mute);
}

static int dial(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   rig_path(rig, "run/guard.sock"));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void expect_hung_up(struct rig *rig, const void *bytes, size_t size)
{
    const struct timeval patience = {.tv_sec = RIG_PATIENCE_MS / 1000};
    const int fd = dial(rig);
    char answer[16];

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    assert_true(recv(fd, answer, sizeof answer, 0) <= 0);
    assert_int_equal(close(fd), 0);
}

static void garbage_and_oversized_messages_close_the_connection_only(void **state)
{
    struct rig *rig = *state;
    struct rig_agent chatty;

    (void)begin_serving(rig, LONG_MS);
    expect_hung_up(rig, "GET / HTTP/1.1\r\n\r\n", 18);
    expect_hung_up(rig, "\xff\xff\xff\xff\0\0\0\0", 8);
    rig_agent_init(rig, &chatty);
    rig_agent_connect(rig, &chatty);
    assert_int_equal(bw_unix_send(chatty.connection, "\x01\x02\x03", 3, NULL), BW_OK);
    rig_wait_closed(&chatty);
    rig_agent_connect(rig, &chatty);
    const struct bw_guard_message not_an_agents = {
        .kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1, .group = "g"};
    rig_send(&chatty, &not_an_agents);
    rig_wait_closed(&chatty);

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

static void silent_connections_keep_nobody_out(void **state)
{
    struct rig *rig = *state;
    int fds[12];

    rig_guard_start(rig);
    rig_greet(rig);
    for (size_t i = 0; i < 12; i++)
        fds[i] = dial(rig);
    rig_greet(rig);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(close(fds[i]), 0);
}

/* Even where file modes would let it in. */
static void another_users_process_is_not_heard(void **state)
{
    struct rig *rig = *state;
    int status;
    pid_t child;

    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(chmod(rig->dir, 0755), 0);
    assert_int_equal(chmod(rig_path(rig, "run"), 0755), 0);
    assert_int_equal(chmod(rig_path(rig, "run/guard.sock"), 0666), 0);
    child = fork();
    if (child == 0) {
        char byte;
        int fd;

        if (setgid(65534) != 0 || setuid(65534) != 0 || (fd = dial(rig)) < 0)
            _exit(2);
        _exit(recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
    }
    while (waitpid(child, &status, WNOHANG) == 0)
        rig_turn(rig);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

/* ---- scripts that misbehave ---------------------------------------------------------------------
 */

static void shorten_start(const struct rig *rig)
{
    char command[256];

    (void)snprintf(command, sizeof command, "sed -i 's/start_timeout: .*/start_timeout: 2s/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
}

static void a_start_that_hangs_and_ignores_term_times_out(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "start.sh", 0755, "#!/bin/sh\ntrap '' TERM\nsleep 600 & wait\nsleep 600\n");
    shorten_start(rig);
    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_START).result, BW_RUN_TIMED_OUT);
}

static void a_status_that_prints_100_mb_is_heard_all_the_same(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_put(rig, "status.sh", 0755,
            "#!/bin/sh\necho started\nhead -c 100000000 /dev/zero | tr '\\0' x\n");
    rig_guard_start(rig);
    rig_greet(rig);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_OK);
    assert_string_equal(ended.line, "started");
    assert_int_equal(strlen(ended.tail), sizeof ended.tail - 1);
}

static void a_script_that_vanished_is_not_started(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(unlink(rig_path(rig, "status.sh")), 0);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_NOT_STARTED);
    assert_non_null(strstr(ended.tail, "status.sh"));
}

/* While it serves somebody opens the script to others: from then on nothing of it runs. */
static void a_script_that_others_can_write_is_refused_by_and_by(void **state)
{
    struct rig *rig = *state;
    struct bw_guard_run_ended ended;

    rig_guard_start(rig);
    rig_greet(rig);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    assert_int_equal(chmod(rig_path(rig, "status.sh"), 0775), 0);

    ended = rig_run(&rig->agent, 0, BW_ACTION_STATUS);

    assert_int_equal(ended.result, BW_RUN_NOT_STARTED);
    assert_non_null(strstr(ended.tail, "allow_writable_scripts"));
    assert_int_equal(chmod(rig_path(rig, "status.sh"), 0755), 0);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

static void what_a_stop_leaves_running_is_ended_and_said(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "stop.sh", 0755,
            "#!/bin/sh\nsleep 600 </dev/null >/dev/null 2>&1 &\nexit 0\n");
    rig_guard_start(rig);
    rig_greet(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_true(rig_has(rig, "log", "script.left_behind"));
}

static void a_script_that_is_not_executable_runs_by_shell_with_one_warning(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "status.sh", 0644, "echo stopped\n");
    rig_guard_start(rig);
    rig_greet(rig);

    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");

    assert_true(rig_has(rig, "log", "script.by_shell"));
}

/* 3.2.4: a stop succeeds only when nothing was seen to serve. */
static void a_stop_that_exits_0_and_does_nothing_has_failed(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "stop.sh", 0755, "#!/bin/sh\nexit 0\n");
    (void)begin_serving(rig, LONG_MS);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_FAILED);
}

/* ---- what it keeps
 * -------------------------------------------------------------------------------- */

/* Never silently empty: an epoch that was ended could be armed again. */
static void a_state_file_cut_anywhere_is_said_and_nothing_starts(void **state)
{
    struct rig *rig = *state;
    uint8_t whole[2048];
    char path[256];
    FILE *file;
    size_t size;
    int status;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, 3600000, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    (void)rig_guard_end(rig, SIGTERM);
    /* A lease in the mirror would be enforced all the same. */
    (void)snprintf(path, sizeof path, "rm %s/*-guard/g.mirror", rig_path(rig, "run"));
    assert_int_equal(system(path), 0);
    (void)snprintf(path, sizeof path, "%s", rig_path(rig, "state/guard/g.memory"));
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(whole, 1, sizeof whole, file);
    assert_int_equal(fclose(file), 0);
    assert_in_range(size, 20, 500);
    for (size_t cut = 0; cut < size; cut++) {
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(whole, 1, cut, file), cut);
        assert_int_equal(fclose(file), 0);
        rig_guard_start(rig);
        status = rig_guard_end(rig, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 78)
            fail_msg("cut to %zu bytes: status %x", cut, (unsigned)status);
    }
    assert_true(rig_has(rig, "log", "state/guard/g.memory"));
}

/* Nothing of 0.1 is read, and nothing of it is touched. */
static void a_state_file_of_0_1_is_said_and_nothing_starts(void **state)
{
    static const struct bw_durable_kind old = {.magic = "BWGM", .version = 1};
    struct rig *rig = *state;
    struct bw_diag diag = {0};
    int status;
    int dir;

    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_guard_end(rig, SIGTERM);
    assert_int_equal(bw_durable_open_dir(rig_path(rig, "state/guard"), &dir, &diag), BW_OK);
    assert_int_equal(bw_durable_save(dir, "g.memory", &old, "anything", 8, &diag), BW_OK);
    assert_int_equal(close(dir), 0);

    rig_guard_start(rig);
    status = rig_guard_end(rig, 0);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 78);
    assert_true(rig_has(rig, "log", "g.memory: written by breakwater 0.1"));
    assert_true(rig_has(rig, "log", "move the state directory away"));
}

static void two_guards_of_one_state_directory_are_refused(void **state)
{
    struct rig *rig = *state;
    pid_t first;
    int status;

    rig_guard_start(rig);
    rig_greet(rig);
    first = rig->guard;
    rig_guard_start(rig);
    status = rig_guard_end(rig, 0);
    rig->guard = first;

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 75);
    assert_string_equal(rig_run(&rig->agent, 0, BW_ACTION_STATUS).line, "stopped");
}

/* As root, on a file system of 64 KiB. */
static void a_full_disk_refuses_the_arm_and_later_works_again(void **state)
{
    struct rig *rig = *state;
    char command[512];

    (void)snprintf(command, sizeof command,
                   "mkdir -m 700 '%s/state' && mount -t tmpfs -o size=64k,mode=700 none '%s/state'",
                   rig->dir, rig->dir);
    /* In a mount namespace of this test's: nothing is left where it is killed over this. */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || system(command) != 0) {
        print_message("no tmpfs can be mounted here\n");
        skip();
    }
    rig_guard_start(rig);
    rig_greet(rig);
    (void)snprintf(command, sizeof command, "dd if=/dev/zero of='%s/state/filler' 2>/dev/null",
                   rig->dir);
    (void)!system(command); /* it ends when the disk is full */
    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARM_REFUSED, 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why,
                     BW_REFUSAL_NOT_DURABLE);
    assert_int_equal(unlink(rig_path(rig, "state/filler")), 0);

    (void)rig_arm(&rig->agent, 1, LONG_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);

    rig_agent_close(&rig->agent);
    (void)rig_guard_end(rig, SIGTERM);
    (void)snprintf(command, sizeof command, "umount '%s/state'", rig->dir);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_epoch_is_armed_started_stopped_and_ended),
        TEST(a_guard_that_is_told_to_end_leaves_the_service_and_its_deadline),
        TEST(scripts_change_with_sighup_and_a_bad_file_changes_nothing),
        TEST(a_deadline_is_fenced_by_the_fence_script),
        TEST(a_hanging_fence_is_overtaken_by_kill_before_d),
        TEST(an_agent_that_is_gone_is_fenced_at_its_deadline),
        TEST(a_guard_killed_and_restarted_fences_on_time),
        TEST(a_guard_that_never_comes_back_is_enforced_all_the_same),
        TEST(a_new_guard_relieves_the_enforcer_of_the_old_one),
        TEST(an_enforcer_that_dies_is_replaced_before_anything_else_is_armed),
        TEST(a_deadline_whose_mirror_is_lost_stays_with_its_enforcer),
        TEST(a_state_directory_that_hangs_holds_up_no_fence),
        TEST(a_run_directory_that_hangs_holds_up_no_fence),
        TEST(a_guard_that_comes_back_after_the_deadline_fences_at_once),
        TEST(a_group_that_the_file_forgot_is_ended_at_its_deadline),
        TEST(no_cgroup_of_a_group_that_is_gone_stays),
        TEST(cgroups_that_vanished_are_made_anew),
        TEST(a_damaged_group_leaves_the_others_their_guard),
        TEST(looks_of_many_groups_wait_and_a_fence_does_not),
        TEST(a_guard_that_may_open_few_files_raises_its_limit),
        TEST(a_start_that_lost_its_guard_is_ended_and_reported_interrupted),
        TEST(a_second_agent_replaces_the_first),
        TEST(a_wrong_cluster_generation_site_or_boot_is_refused),
        TEST(before_a_hello_everything_is_refused),
        TEST(garbage_and_oversized_messages_close_the_connection_only),
        TEST(silent_connections_keep_nobody_out),
        TEST(another_users_process_is_not_heard),
        TEST(a_start_that_hangs_and_ignores_term_times_out),
        TEST(a_status_that_prints_100_mb_is_heard_all_the_same),
        TEST(a_script_that_vanished_is_not_started),
        TEST(a_script_that_others_can_write_is_refused_by_and_by),
        TEST(what_a_stop_leaves_running_is_ended_and_said),
        TEST(a_script_that_is_not_executable_runs_by_shell_with_one_warning),
        TEST(a_stop_that_exits_0_and_does_nothing_has_failed),
        TEST(a_state_file_cut_anywhere_is_said_and_nothing_starts),
        TEST(a_state_file_of_0_1_is_said_and_nothing_starts),
        TEST(two_guards_of_one_state_directory_are_refused),
        TEST(a_full_disk_refuses_the_arm_and_later_works_again),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* one claim, by hand; unset: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
