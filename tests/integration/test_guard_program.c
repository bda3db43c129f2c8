/* breakwater guard: the real program, real scripts, and a service that records its own beats. Who may speak
 * with it: test_guard_peers; scripts: test_guard_scripts; what it keeps: test_guard_state. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/clock.h>

#include "faults.h"
#include "guard_rig.h"
#include "janitor.h"
#include "lacking.h"
#include "patience.h"

/* A start, a restart and a welcome come in time before D - F, on a slow machine too; and KILL comes
 * as long before D as it ever does (3.2.4), 500 ms. */
#define TTL_MS   11000
#define FENCE_MS 5000
/* Where the script is what is looked for: its third of the window is what a busy machine needs to
 * begin it. */
#define SLOW_TTL_MS   16000
#define SLOW_FENCE_MS 10000
#define LONG_MS  1900000 /* no test takes that long */

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
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (kill(pid, 0) == 0) {
        if (patience_is_over(&patience))
            patience_fail("process %ld does not end", (long)pid);
        rig_turn(rig);
    }
}

/* ---- an ordinary life ------------------------------------------------------------------------ */

/* What counts is the end of what it prints, whatever a tool of it has said before, and wherever. */
static void a_readiness_that_says_much_is_read_to_its_end(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "readiness.sh", 0755,
            "#!/bin/sh\nseq 1 20000 >&2\nseq 1 20000\necho lag_seconds=0.4\necho position=17\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);

    const struct bw_guard_run_ended ended = rig_run(&rig->agent, 1, BW_ACTION_READINESS);

    assert_non_null(strstr(ended.tail, "\nlag_seconds=0.4\nposition=17\n"));
    assert_false(rig_has(rig, "log", "line=\"20000\"")); /* its log is bounded */
}

/* An agent asks again each 100 ms, while a fence takes half a minute: who reads the log for why it does would find little else. */
static void looks_that_have_to_wait_do_not_fill_the_log(void **state)
{
    struct rig *rig = *state;
    const struct bw_guard_run_ended *last = &rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended;

    rig_put(rig, "readiness.sh", 0755, "#!/bin/sh\nuntil [ -e \"$0.go\" ]; do sleep 0.1; done\n");
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    rig_order(&rig->agent, 1, BW_ACTION_READINESS);

    const struct bw_guard_run_ended refused = rig_run(&rig->agent, 1, BW_ACTION_STATUS);

    assert_int_equal(refused.result, BW_RUN_REFUSED);
    assert_int_equal(refused.refusal, BW_REFUSAL_BUSY);
    rig_put(rig, "readiness.sh.go", 0600, "");
    while (last->action != BW_ACTION_READINESS)
        rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, rig->agent.count[BW_GUARD_MESSAGE_RUN_ENDED] + 1);
    assert_int_equal(last->result, BW_RUN_OK);
    assert_false(rig_has(rig, "log", "level=info event=run.refused"));
}

static void an_epoch_is_armed_started_stopped_and_ended(void **state)
{
    struct rig *rig = *state;
    struct rig_agent *agent = &rig->agent;
    struct bw_guard_run_ended ended;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
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
    assert_int_equal(agent->last[BW_GUARD_MESSAGE_ARM_REFUSED].refused.why, BW_REFUSAL_EPOCH_ENDING);
}

/* 3.7: upgrading the guard is no outage. */
static void a_guard_that_is_told_to_end_leaves_the_service_and_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, LONG_MS, FENCE_MS);
    int status = rig_guard_end(rig, SIGTERM);

    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(rig_has(rig, "log", "level=warn event=deadline.left")); /* and says until when */
    assert_true(rig_has(rig, "log", "ends what is in reach at the end of its lease"));
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_greet(rig);

    const struct bw_guard_state *welcome = &rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state;
    assert_int_equal(welcome->armed_epoch, 1);
    assert_memory_equal(&welcome->armed_end, &end, sizeof end);
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_RUN_ENDED], 0);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

static void a_guard_without_an_enforcer_says_that_nothing_is_known_to_keep_the_deadline(void **state)
{
    const struct rlimit few = {.rlim_cur = 3, .rlim_max = 4096};
    struct rig *rig = *state;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_int_equal(prlimit(rig->guard, RLIMIT_NOFILE, &few, NULL), 0); /* for no other enforcer */
    assert_int_equal(kill(enforcer_of(rig), SIGKILL), 0);
    rig_wait_log(rig, "event=enforcer.start_failed");

    (void)rig_guard_end(rig, SIGTERM);

    assert_true(rig_has(rig, "log", "no enforcer is known to have its deadline"));
    assert_false(rig_has(rig, "log", "ends what is in reach at the end of its lease"));
}

static void read_site_file(const struct rig *rig, char out_text[4096])
{
    FILE *in = fopen(rig_path(rig, "site.yaml"), "r");
    size_t size;

    assert_non_null(in);
    size = fread(out_text, 1, 4095, in);
    assert_true(size > 0);
    out_text[size] = '\0';
    assert_int_equal(fclose(in), 0);
}

static void scripts_change_with_sighup_and_a_bad_file_changes_nothing(void **state)
{
    struct rig *rig = *state;
    char text[4096];

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    read_site_file(rig, text);
    rig_put(rig, "site.yaml", 0644, "groups: nonsense\n");
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "config.refused");
    rig_put(rig, "site.yaml", 0664, text);
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "others can change it: ");
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_put(rig, "other.sh", 0755, "#!/bin/sh\necho stopped\n");
    memcpy(strstr(text, "status.sh"), " other.sh", 9);
    rig_put(rig, "site.yaml", 0644, text);

    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_log(rig, "config.reloaded");

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_WELCOME], 1);
}

/* Its stdout and stderr from now on, in the place of its log: a pipe that is full, and that nobody reads. */
static int open_stuck_log(const struct rig *rig)
{
    int fd;

    assert_int_equal(mkfifo(rig_path(rig, "log"), 0600), 0);
    fd = open(rig_path(rig, "log"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void fill(int fd)
{
    static const char bytes[512];

    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
}

/* It has read the site file once more; the next SIGHUP is another reload than this one. */
static void hang_up_and_see_it_read(const struct rig *rig)
{
    char event[sizeof(struct inotify_event) + NAME_MAX + 1];
    struct pollfd watch = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    assert_true(inotify_add_watch(watch.fd, rig_path(rig, "site.yaml"), IN_CLOSE_NOWRITE) >= 0);
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    while (poll(&watch, 1, 100) == 0)
        if (patience_is_over(&patience))
            patience_fail("the guard reads its file");
    assert_true(read(watch.fd, event, sizeof event) > 0);
    (void)close(watch.fd);
}

/* 5.4: what is wrong with a file is told to a reader who has stopped; a file that is mended is taken all the same. */
static void a_mistake_that_nobody_reads_of_holds_up_no_later_reload(void **state)
{
    struct rig *rig = *state;
    const int log = open_stuck_log(rig);
    struct patience patience;
    char text[4096];

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_int_equal(unlink(rig_path(rig, "log")), 0); /* for who reads it where a claim fails */
    rig_put(rig, "log", 0600, "");
    fill(log);
    read_site_file(rig, text);
    rig_put(rig, "site.yaml", 0644, "groups: nonsense\n");
    hang_up_and_see_it_read(rig);
    rig_put(rig, "other.sh", 0755, "#!/bin/sh\necho stopped\n");
    memcpy(strstr(text, "status.sh"), " other.sh", 9);
    rig_put(rig, "site.yaml", 0644, text);
    assert_int_equal(kill(rig->guard, SIGHUP), 0);

    patience = patience_begin(RIG_PATIENCE_MS);
    while (strcmp(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped") != 0)
        if (patience_is_over(&patience))
            patience_fail("the mended file is in force");
    assert_int_equal(close(log), 0);
}

/* An agent that was told other limits would go on with them until it is restarted (5.4). */
static void what_an_agent_is_told_changes_with_sighup(void **state)
{
    struct rig *rig = *state;
    char text[4096] = "";
    FILE *file;

    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.remote_fence_ms, 0);
    file = fopen(rig_path(rig, "site.yaml"), "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    file = fopen(rig_path(rig, "site.yaml"), "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s    remote_fence_script: %s\n    remote_fence_timeout: 7s\n", text,
                        rig_path(rig, "fence.sh")) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(kill(rig->guard, SIGHUP), 0);
    rig_wait_closed(&rig->agent);
    rig_greet(rig);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.remote_fence_ms, 7000);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
}

/* ---- deadlines (I1, 3.2.4) ------------------------------------------------------------------- */

/* I1, 3.2.4: at D - F the fence script runs, and by D nothing serves. */
static void a_deadline_is_fenced_by_the_fence_script(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);

    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);

    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_FENCE_BEGUN], 1);
    assert_true(rig->agent.last[BW_GUARD_MESSAGE_FENCE_ENDED].fence.ok);
    assert_false(bw_instant_right_is_over(bw_clock_now(), end));
    rig_assert_fenced_by_script(rig);
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* I1, 3.2.4: the fence script hangs, the service ignores TERM and left its session: KILL by D. */
static void a_hanging_fence_is_overtaken_by_kill_before_d(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    rig_put(rig, "fence.sh", 0755, "#!/bin/sh\ntrap '' TERM\nsleep 600\n");
    rig_put(rig, "stop.sh", 0755, "#!/bin/sh\nexit 0\n");
    end = rig_serve(rig, TTL_MS, FENCE_MS);
    /* Where nobody has looked it is outside, and what its script did not end is no end (3.2.4). */
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).result, BW_RUN_OK);

    rig_wait_fenced(&rig->agent);
    rig_wait_log(rig, "signal=KILL");
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: a guard that loses its agent goes on to the deadline and fences. */
static void an_agent_that_is_gone_is_fenced_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);

    rig_agent_close(&rig->agent);

    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
    assert_true(rig_has(rig, "log", "event=fence.ended"));
}

/* 3.4, what it keeps: a guard killed and started again resumes the deadline. */
static void a_guard_killed_and_restarted_fences_on_time(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);
    const uint64_t end_ms = end.boot_ns / BW_NS_PER_MS;

    (void)rig_guard_end(rig, SIGKILL);
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_greet(rig);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.armed_epoch, 1);
    rig_wait_beat(rig, rig_now_ms()); /* it is not fenced at once */

    rig_wait_fenced(&rig->agent);
    assert_in_range(left_at_fence_ms(rig), 1, FENCE_MS); /* but from D - F on */
    rig_assert_silent_since(rig, end_ms);
}

/* I1, 3.4: the enforcer outlives its guard, and ends with the last deadline that it holds. */
static void a_guard_that_never_comes_back_is_enforced_all_the_same(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);
    const pid_t enforcer = enforcer_of(rig);

    (void)rig_guard_end(rig, SIGKILL);
    rig_wait_beat(rig, rig_now_ms()); /* it is not ended at once */
    (void)kill(enforcer, SIGTERM);    /* nobody switches it off by mistake */

    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
    wait_gone(rig, enforcer);
}

/* 3.4: a service makes cgroups of its own below its group's, and the kernel (before 5.14) ends none of them at once. */
static void what_is_nested_is_enforced_without_help_of_the_kernel(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    rig_put(rig, "nest.sh", 0755,
            "#!/bin/sh\nset -e\ncd \"${0%/*}\"\nmkdir \"$BREAKWATER_CGROUP/nested\"\n"
            "echo $$ >\"$BREAKWATER_CGROUP/nested/cgroup.procs\"\n>nested\nexec sh service.sh\n");
    rig_put(rig, "start.sh", 0755,
            "#!/bin/sh\ncd \"${0%/*}\"\n[ -w \"$BREAKWATER_CGROUP\" ] || >lacking\n"
            "[ -e lacking ] || setsid ./nest.sh </dev/null >nest.out 2>&1 &\n"
            "while [ ! -s beats ] && [ ! -e lacking ]; do sleep 0.01; done\n");
    faults_begin(rig_path(rig, "faults"));
    faults_say(rig_path(rig, "faults"), "open cgroup.kill 2\n");
    end = rig_serve(rig, TTL_MS, FENCE_MS);
    faults_end();
    if (access(rig_path(rig, "lacking"), F_OK) == 0)
        skip_lacking("cgroups");
    assert_int_equal(access(rig_path(rig, "nested"), F_OK), 0);
    (void)rig_guard_end(rig, SIGKILL);
    rig_wait_beat(rig, rig_now_ms());

    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: what was renewed since is not ended by the enforcer of a guard before. */
static void a_new_guard_relieves_the_enforcer_of_the_old_one(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant first_end = rig_serve(rig, TTL_MS, FENCE_MS);
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
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: no arm is acknowledged before an enforcer holds it. */
static void an_enforcer_that_dies_is_replaced_before_anything_else_is_armed(void **state)
{
    struct rig *rig = *state;
    const pid_t first = (rig_serve(rig, TTL_MS, FENCE_MS), enforcer_of(rig));
    struct bw_instant end;

    assert_int_equal(kill(first, SIGKILL), 0);
    rig_wait_log(rig, "event=enforcer.gone");
    end = rig_arm(&rig->agent, 1, TTL_MS, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 2);
    assert_int_not_equal(enforcer_of(rig), first);
    (void)rig_guard_end(rig, SIGKILL);

    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
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
    end = rig_serve(rig, SLOW_TTL_MS, SLOW_FENCE_MS);
    faults_end();
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    faults_say(rig_path(rig, "faults"), "slow state/ 30000\n");
    rig_send(&rig->agent, &let_go); /* would be written down, and never is */

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started"); /* it answers */
    rig_wait_fenced(&rig->agent);
    rig_assert_fenced_by_script(rig);
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_LET_GO_DONE], 0);
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: nor does what hangs in /run: an arm waits for its mirror, nothing else waits for anything. */
static void a_run_directory_that_hangs_holds_up_no_fence(void **state)
{
    struct rig *rig = *state;
    struct bw_instant end;

    faults_begin(rig_path(rig, "faults"));
    end = rig_serve(rig, SLOW_TTL_MS, SLOW_FENCE_MS);
    faults_end();
    faults_say(rig_path(rig, "faults"), "move -guard 30000\n");
    (void)rig_arm(&rig->agent, 1, SLOW_TTL_MS, SLOW_FENCE_MS); /* it is mirrored never */

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started"); /* it answers */
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_FENCE_ENDED, 1);
    rig_assert_fenced_by_script(rig);
    assert_int_equal(rig->agent.count[BW_GUARD_MESSAGE_ARMED], 1);
    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: without its mirror nobody can take a deadline over: it stays with the enforcer that has it. */
static void a_deadline_whose_mirror_is_lost_stays_with_its_enforcer(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);
    char path[256];

    (void)rig_guard_end(rig, SIGKILL);
    (void)snprintf(path, sizeof path, "run/%s-guard/g.mirror", rig->site);
    assert_int_equal(unlink(rig_path(rig, path)), 0);
    rig_put(rig, "status.sh", 0755, "#!/bin/sh\necho unknown\n"); /* so that nobody fences it at once */
    rig_guard_start(rig);
    rig_wait_log(rig, "event=enforcer.kept");
    (void)rig_guard_end(rig, SIGKILL);

    rig_assert_silent_since(rig, end.boot_ns / BW_NS_PER_MS);
}

/* 3.4: started again after its deadline, it fences what it finds before anything else. */
static void a_guard_that_comes_back_after_the_deadline_fences_at_once(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);

    const pid_t stopped = enforcer_of(rig);

    (void)kill(stopped, SIGSTOP); /* nor is there an enforcer that runs */
    (void)rig_guard_end(rig, SIGKILL);
    while (!bw_instant_wait_is_over(bw_clock_now(), end))
        rig_turn(rig);
    rig_wait_beat(rig, rig_now_ms());
    rig_guard_start(rig);
    rig_wait_log(rig, "event=fence.ended");

    rig_wait_log(rig, "ok=yes"); /* there was no time for its script before the KILL: it is tried again */
    rig_assert_silent_since(rig, rig_now_ms());
    (void)kill(stopped, SIGKILL);
}

/* Its agent lost its state, so nobody ends that epoch any more: the next one is a candidate all the same. */
static void an_epoch_that_nobody_is_left_to_end_does_not_keep_a_guard_from_its_proof(void **state)
{
    struct rig *rig = *state;

    (void)rig_serve(rig, TTL_MS, FENCE_MS);
    rig_agent_close(&rig->agent);
    rig_wait_log(rig, "event=fence.ended");
    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    do {
        rig_greet(rig); /* and never says that the epoch has ended */
        rig_wait(&rig->agent, BW_GUARD_MESSAGE_GROUP_STATE, 1);
        (void)usleep(100000);
    } while (!rig->agent.last[BW_GUARD_MESSAGE_GROUP_STATE].state.reach_works);
}

/* I1, 3.2.4: whoever takes a group out of the file does not take its deadline away. */
static void a_group_that_the_file_forgot_is_ended_at_its_deadline(void **state)
{
    struct rig *rig = *state;
    const struct bw_instant end = rig_serve(rig, TTL_MS, FENCE_MS);
    const uint64_t end_ms = end.boot_ns / BW_NS_PER_MS;
    char command[256];

    (void)rig_guard_end(rig, SIGKILL);
    (void)snprintf(command, sizeof command, "sed -i 's/name: g$/name: another/' '%s'",
                   rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
    rig_guard_start(rig);
    rig_wait_log(rig, "event=group.forgotten");

    rig_wait_log(rig, "event=fence.ended");

    rig_assert_silent_since(rig, end_ms);
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
        skip_lacking("cgroups"); /* none can be made at the top of the hierarchy here */
    (void)rig_guard_end(rig, SIGTERM);
    assert_false(has_cgroup(rig));

    const struct bw_guard_message end = {.kind = BW_GUARD_MESSAGE_END, .epoch = 1, .group = "g"};
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
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
    struct patience patience;
    char command[256];

    rig_guard_start(rig);
    rig_greet(rig);
    if (!has_cgroup(rig))
        skip_lacking("cgroups"); /* none can be made at the top of the hierarchy here */
    (void)snprintf(command, sizeof command,
                   "find /sys/fs/cgroup -depth -type d -path '*/breakwater-%s@*' -exec rmdir {} +",
                   rig->site);
    patience = patience_begin(RIG_PATIENCE_MS);
    while (system(command) != 0) /* a look may run in one of them */
        if (patience_is_over(&patience))
            patience_fail("the cgroups can be removed");
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
    assert_true(rig_has(rig, "log", "event=group.load_failed component=guard group=h"));
    assert_true(rig_has(rig, "log", "h.memory"));
}

#define MANY   200
#define SOONER 40 /* of them are asked for before the fence: more than may begin at one instant */

/* Groups h0, h1, ... whose looks take long, beside g, whose fence has time. */
static void put_many(const struct rig *rig)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -i 's/fence_timeout: 3s/fence_timeout: 20s/' site.yaml && "
                   "sed -n '/name: g$/,$p' site.yaml | sed 's/ status.sh/ long.sh/' >more && "
                   "for i in $(seq 0 %d); do sed \"s/name: g$/name: h$i/\" more; done >>site.yaml",
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

/* Two hundred groups look at one instant: each in its turn, and a fence waits for none of them. What its
 * script is given leaves room for all that it shares the processor with. */
static void looks_of_many_groups_wait_and_a_fence_does_not(void **state)
{
    struct rig *rig = *state;

    put_many(rig);
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    rig->agent.count[BW_GUARD_MESSAGE_RUN_BEGUN] = 0;
    assert_int_equal(kill(rig->guard, SIGSTOP), 0); /* so that it reads them at one instant */
    for (unsigned i = 0; i < SOONER; i++)
        order_look_of_many(&rig->agent, i);
    rig_order(&rig->agent, 1, BW_ACTION_FENCE);
    for (unsigned i = SOONER; i < MANY; i++)
        order_look_of_many(&rig->agent, i);
    assert_int_equal(kill(rig->guard, SIGCONT), 0);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1 + rig->agent.count[BW_GUARD_MESSAGE_RUN_ENDED]);

    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.action, BW_ACTION_FENCE);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_OK);
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
            "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $$ >starting\nexec sh ./service.sh\n");
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
    rig_assert_silent_since(rig, back_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_epoch_is_armed_started_stopped_and_ended),
        TEST(a_readiness_that_says_much_is_read_to_its_end),
        TEST(looks_that_have_to_wait_do_not_fill_the_log),
        TEST(a_guard_that_is_told_to_end_leaves_the_service_and_its_deadline),
        TEST(a_guard_without_an_enforcer_says_that_nothing_is_known_to_keep_the_deadline),
        TEST(what_an_agent_is_told_changes_with_sighup),
        TEST(scripts_change_with_sighup_and_a_bad_file_changes_nothing),
        TEST(a_mistake_that_nobody_reads_of_holds_up_no_later_reload),
        TEST(a_deadline_is_fenced_by_the_fence_script),
        TEST(a_hanging_fence_is_overtaken_by_kill_before_d),
        TEST(an_agent_that_is_gone_is_fenced_at_its_deadline),
        TEST(a_guard_killed_and_restarted_fences_on_time),
        TEST(a_guard_that_never_comes_back_is_enforced_all_the_same),
        TEST(what_is_nested_is_enforced_without_help_of_the_kernel),
        TEST(a_new_guard_relieves_the_enforcer_of_the_old_one),
        TEST(an_enforcer_that_dies_is_replaced_before_anything_else_is_armed),
        TEST(a_state_directory_that_hangs_holds_up_no_fence),
        TEST(a_run_directory_that_hangs_holds_up_no_fence),
        TEST(a_deadline_whose_mirror_is_lost_stays_with_its_enforcer),
        TEST(a_guard_that_comes_back_after_the_deadline_fences_at_once),
        TEST(an_epoch_that_nobody_is_left_to_end_does_not_keep_a_guard_from_its_proof),
        TEST(a_group_that_the_file_forgot_is_ended_at_its_deadline),
        TEST(no_cgroup_of_a_group_that_is_gone_stays),
        TEST(cgroups_that_vanished_are_made_anew),
        TEST(a_damaged_group_leaves_the_others_their_guard),
        TEST(looks_of_many_groups_wait_and_a_fence_does_not),
        TEST(a_guard_that_may_open_few_files_raises_its_limit),
        TEST(a_start_that_lost_its_guard_is_ended_and_reported_interrupted),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
