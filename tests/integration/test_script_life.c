/* script: the life of what was started, from its fork to the end of all that it has begun (design 3.2.4, 3.4). Each
 * test runs by cgroup and by scan; the former is skipped where no cgroup v2 can be written to. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>
#include <breakwater/sys/script.h>

#include "patience.h"
#include "script_world.h"
#include "stuck_disk.h"

/* ---- the start order (I2, 3.4) --------------------------------------------------------------- */

static void nothing_runs_before_the_go_ahead(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run;
    struct bw_process process;
    char text[512];

    snprintf(text, sizeof text, "#!/bin/sh\ntouch %s\n", path_in(f, "ran"));
    write_script(f, text, 0755);
    run = start(f, &spec);
    assert_int_equal(bw_process_read(bw_script_pid(run), &process, &f->diag), BW_OK);
    assert_int_equal(process.start_ticks, bw_script_start_ticks(run));
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_false(exists(f, "ran"));
    bw_script_go(run, BW_INSTANT_NEVER);
    run_until_end(f);
    assert_true(exists(f, "ran"));
}

/* I2, 3.4: re-read just before execve. */
static void child_does_not_start_once_its_right_has_ended(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run;
    struct bw_instant not_after;
    char text[512];

    snprintf(text, sizeof text, "#!/bin/sh\ntouch %s\n", path_in(f, "ran"));
    write_script(f, text, 0755);
    run = start(f, &spec);
    /* The go-ahead is in time; the child, held up, reads it too late. */
    assert_int_equal(kill(bw_script_pid(run), SIGSTOP), 0);
    not_after = bw_instant_add(bw_clock_now(), 20 * BW_NS_PER_MS);
    bw_script_go(run, not_after);
    while (!bw_instant_right_is_over(bw_clock_now(), not_after))
        usleep(1000); /* between two looks at a condition */
    assert_int_equal(kill(bw_script_pid(run), SIGCONT), 0);
    run_until_end(f);
    assert_int_equal(f->result.how, BW_SCRIPT_TOO_LATE);
    assert_int_equal(f->begun_count, 0);
    assert_false(exists(f, "ran"));
}

static void canceled_before_the_go_ahead_it_never_starts(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run;

    write_script(f, "#!/bin/sh\n", 0755);
    run = start(f, &spec);
    bw_script_cancel(run);
    bw_script_go(run, BW_INSTANT_NEVER);
    run_until_end(f);
    assert_int_equal(f->result.how, BW_SCRIPT_NOT_STARTED);
    assert_int_equal(f->begun_count, 0);
}

static void wait_until_ended(pid_t pid)
{
    struct patience patience = patience_begin(WAIT_MS);
    struct bw_process process;

    while (!patience_is_over(&patience)) {
        (void)waitpid(pid, NULL, WNOHANG); /* ours by adoption, or another's */
        if (bw_process_read(pid, &process, NULL) != BW_OK || process.is_dead)
            return;
        usleep(LOOK_US); /* between two looks at a condition */
    }
    patience_fail("process %ld ends", (long)pid);
}

/* 3.4: a guard that dies between fork and go-ahead leaves no script behind. */
static void child_of_a_guard_that_died_exits_without_exec(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    char text[512];
    pid_t guard, child = 0;
    int ends[2];

    snprintf(text, sizeof text, "#!/bin/sh\ntouch %s\n", path_in(f, "ran"));
    write_script(f, text, 0755);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    guard = fork();
    if (guard == 0) {
        struct bw_script_run *run;

        if (bw_script_start(&f->runner, &spec, &run, NULL) != BW_OK)
            _exit(1);
        child = bw_script_pid(run);
        (void)!write(ends[1], &child, sizeof child);
        (void)raise(SIGKILL);
    }
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    assert_int_equal(waitpid(guard, NULL, 0), guard);
    wait_until_ended(child);
    assert_false(exists(f, "ran"));
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* In the child: it has the go-ahead, and no exec yet. */
static uint64_t stays_there(const void *of)
{
    const struct fixture *f = of;
    char path[128];

    snprintf(path, sizeof path, "%s/here", f->dir);
    (void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* whoever looks does not find it */
    while (access(path, F_OK) == 0)
        (void)pause(); /* no signal is handled here: it ends by one, or stays */
    return 0;
}

/* 3.2.4: TERM and KILL reach it there as well, ours and another's; with a place of its own, and as a step, without. */
static void what_ends_a_child_before_its_exec_ends_it_and_nothing_runs(void **state)
{
    enum { TERM, KILL, OTHER, WAYS };
    static const struct {
        enum bw_script_how how;
        int signal;
    } wanted[] = {[TERM] = {BW_SCRIPT_KILLED, SIGTERM},
                  [KILL] = {BW_SCRIPT_KILLED, SIGKILL},
                  [OTHER] = {BW_SCRIPT_SIGNALED, SIGTERM}};
    struct fixture *f = fixture_of(state);
    char text[512];

    snprintf(text, sizeof text, "#!/bin/sh\ntouch %s\n", path_in(f, "ran"));
    write_script(f, text, 0755);
    for (int i = 0; i < 2 * WAYS; i++) {
        struct bw_script_spec spec = spec_of(f);
        struct bw_script_run *run;
        const int way = i % WAYS;

        spec.reach = i < WAYS ? spec.reach : NULL;
        spec.kill_grace_ns = 60 * BW_NS_PER_S; /* TERM alone has to do it */
        spec.digest = stays_there;
        spec.digest_of = f;
        f->ended_count = 0;
        run = start(f, &spec);
        bw_script_go(run, BW_INSTANT_NEVER);
        while (!exists(f, "here"))
            usleep(1000); /* between two looks at a condition */
        if (way == TERM)
            bw_script_cancel(run);
        else if (way == KILL)
            bw_script_kill(run);
        else
            assert_int_equal(kill(bw_script_pid(run), SIGTERM), 0);
        run_until_end(f);
        assert_int_equal(f->result.how, wanted[way].how);
        assert_int_equal(f->result.code, wanted[way].signal);
        assert_int_equal(f->result.tree, BW_OK);
        assert_false(exists(f, "ran"));
        assert_int_equal(unlink(path_in(f, "here")), 0);
    }
}

/* As a guard starts a service: what it has begun stays. */
static struct bw_script_spec spec_of_start(struct fixture *f)
{
    struct bw_script_spec spec = spec_of(f);

    spec.slot = BW_REACH_SERVICE;
    spec.leftovers = BW_SCRIPT_KEEP_LEFTOVERS;
    return spec;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void script_that_hangs_is_ended_by_term_at_its_limit(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f, "#!/bin/bash\ntrap 'echo bye; exit 3' TERM\nsleep 1000 & wait\n", 0755);
    spec.limit_ns = TRAP_SET_NS;
    spec.kill_grace_ns = 30 * BW_NS_PER_S;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_TIMED_OUT);
    assert_int_equal(f->result.code, 3);
    assert_string_equal(f->first_line, "bye");
    assert_true(f->result.duration_ns >= TRAP_SET_NS);
    assert_true(f->result.duration_ns < TRAP_SET_NS + 30 * BW_NS_PER_S); /* nobody killed it */
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
}

static void script_that_ignores_term_is_killed_after_the_grace(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f, "#!/bin/bash\ntrap '' TERM\nwhile :; do sleep 1000; done\n", 0755);
    spec.limit_ns = TRAP_SET_NS;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_TIMED_OUT);
    assert_int_equal(f->result.code, SIGKILL);
    assert_int_equal(f->result.tree, BW_OK);
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
}

/* A child that left its session and lost its parent is of the tree all the same. */
static void child_that_forked_away_is_killed_with_the_tree(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f,
                 "#!/bin/bash\n(setsid bash -c 'trap \"\" TERM; while :; do sleep 1000; done' &)\n"
                 "sleep 1000\n",
                 0755);
    spec.limit_ns = TRAP_SET_NS;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_TIMED_OUT);
    assert_int_equal(f->result.tree, BW_OK);
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
}

/* And so is one that hides its mark, as long as we are its parent by adoption. */
static void stray_without_a_mark_is_found_among_the_service(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of_start(f);

    write_script(f, "#!/bin/bash\n(setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 &)\n", 0755);
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_true(f->result.has_leftovers);
    assert_int_equal(count_in(f, BW_REACH_SERVICE), 1);
}

#define VARIABLES      400 /* as a pod has them of the Services of its namespace, and more */
#define VARIABLE_BYTES 3000

static void set_variables(bool is_set)
{
    char name[32];
    char value[VARIABLE_BYTES];

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < VARIABLES; i++) {
        (void)snprintf(name, sizeof name, "HARBOR_%d_SERVICE_HOST", i); /* fits any number */
        assert_int_equal(is_set ? setenv(name, value, 1) : unsetenv(name), 0);
    }
}

/* A shell hands its variables on in an order of its own: the mark may be the last of them. */
static void mark_is_found_however_long_the_environment_is(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of_start(f);
    size_t count = 0;

    set_variables(true);
    write_script(f, "#!/bin/sh\n(setsid sleep 1000 </dev/null >/dev/null 2>&1 &)\n", 0755);
    run_to_end(f, &spec);
    set_variables(false);

    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_int_equal(bw_reach_list_marked(&f->reach, BW_REACH_SERVICE, NULL, 0, &count, &f->diag), BW_OK);
    assert_int_equal(count, 1);
}

/* A tool that we run for ourselves, such as systemctl, is nobody's service. */
static void tool_of_ours_is_no_stray(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run;

    write_script(f, "#!/bin/sh\necho up\nexec sleep 1000\n", 0755);
    spec.reach = NULL;
    run = start(f, &spec);
    bw_script_go(run, BW_INSTANT_NEVER);
    while (f->begun_count == 0 && uv_run(&f->loop, UV_RUN_ONCE) != 0)
        ; /* until it is no child of ours between fork and exec any more */
    assert_int_equal(count_in(f, BW_REACH_SERVICE), 0);
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
    bw_script_kill(run);
    run_until_end(f);
}

static void kill_ends_the_whole_tree_at_once(void **state)
{
    struct fixture *f = fixture_of(state);

    f->kill_on_begun = true;
    run_text(f, "#!/bin/bash\ntrap '' TERM\nsleep 1000 & sleep 1000\n");
    assert_int_equal(f->result.how, BW_SCRIPT_KILLED);
    assert_int_equal(f->result.tree, BW_OK);
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
}

static void signal_of_another_is_told_apart_from_ours(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\nkill -9 $$\n");
    assert_int_equal(f->result.how, BW_SCRIPT_SIGNALED);
    assert_int_equal(f->result.code, SIGKILL);
}

static void leftovers_of_an_observation_are_ended_and_never_the_service(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of_start(f);

    write_script(f, "#!/bin/bash\nsetsid -f sleep 1000 </dev/null >/dev/null 2>&1\n", 0755);
    run_to_end(f, &spec);
    assert_true(f->result.has_leftovers);
    assert_int_equal(f->runner.drain_count, 0);
    f->ended_count = 0;
    write_script(f, "#!/bin/bash\nsleep 1000 &\necho started\n", 0755);
    spec.slot = BW_REACH_OBSERVE;
    spec.leftovers = BW_SCRIPT_END_LEFTOVERS;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_string_equal(f->first_line, "started");
    assert_int_equal(count_in(f, BW_REACH_OBSERVE), 0);
    assert_int_equal(count_in(f, BW_REACH_SERVICE), 1);
}

/* 3.4: it was not over with it, and what it had begun could start the service beside what comes next. */
static void start_that_a_signal_ends_leaves_nothing(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of_start(f);

    write_script(f,
                 "#!/bin/bash\n(setsid bash -c 'trap \"\" TERM; while :; do sleep 1000; done' "
                 "</dev/null >/dev/null 2>&1 &)\nkill -9 $$\n",
                 0755);
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_SIGNALED);
    assert_int_equal(f->result.code, SIGKILL);
    assert_int_equal(f->result.tree, BW_OK);
    assert_false(f->result.has_leftovers);
    assert_int_equal(count_in(f, BW_REACH_SERVICE), 0);
}

/* Its service writes more than a pipe holds, after the start script has ended. */
static void output_of_what_a_start_left_behind_is_read_on(void **state)
{
    static struct bw_deadline keeps_alive; /* until the loop has closed it */
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of_start(f);
    struct patience patience;
    char text[512];

    snprintf(text, sizeof text,
             "#!/bin/bash\n(while [ ! -e %s ]; do sleep 0.05; done; head -c 500000 /dev/zero && "
             "echo x > %s.done; sleep 1000) &\n",
             path_in(f, "gate"), path_in(f, "gate"));
    write_script(f, text, 0755);
    run_to_end(f, &spec);
    assert_int_equal(f->runner.drain_count, 2);
    /* A drain does not keep a loop alive; a guard's loop is. */
    assert_int_equal(bw_deadline_init(&keeps_alive, &f->loop, NULL, NULL, &f->diag), BW_OK);
    assert_int_equal(close(open(path_in(f, "gate"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    patience = patience_begin(WAIT_MS);
    while (!exists(f, "gate.done")) {
        if (patience_is_over(&patience))
            patience_fail("the output is drained");
        uv_run(&f->loop, UV_RUN_NOWAIT);
        usleep(LOOK_US); /* between two looks at a condition */
    }
    bw_deadline_close(&keeps_alive, NULL);
}

static void close_of_the_runner_kills_what_runs_and_says_so(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f, "#!/bin/sh\nsleep 1000\n", 0755);
    bw_script_go(start(f, &spec), BW_INSTANT_NEVER);
    bw_script_runner_close(&f->runner, NULL, NULL);
    run_until_end(f);
    assert_int_equal(f->result.how, BW_SCRIPT_KILLED);
}

static void write_other(struct fixture *f, const char *text)
{
    FILE *out = fopen(path_in(f, "other.sh"), "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path_in(f, "other.sh"), 0755), 0);
}

/* Each look at a file system that hangs leaves a process that no signal ends. */
static void what_no_kill_ends_is_not_added_to_for_ever(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run = NULL;
    struct bw_reach again;
    pid_t server;

    write_script(f, "#!/bin/sh\ncat disk/file & cat disk/file & cat disk/file & cat disk/file & wait\n", 0755);
    assert_int_equal(mkdir(path_in(f, "disk"), 0700), 0);
    server = stuck_disk_open(path_in(f, "disk"));
    if (server < 0)
        skip_lacking("fuse");
    assert_int_equal(chdir(f->dir), 0);
    spec.path = path_in(f, "script.sh");
    spec.limit_ns = BW_NS_PER_S;
    for (int left = 0; left < BW_SCRIPT_LEFT_MAX; left += 4) {
        run_to_end(f, &spec);
        assert_int_equal(f->result.tree, BW_ERR_TIMEOUT);
        f->ended_count = 0;
    }
    assert_int_equal(count_in(f, BW_REACH_ACTION), BW_SCRIPT_LEFT_MAX);
    assert_int_equal(bw_script_start(&f->runner, &spec, &run, &f->diag), BW_ERR_LIMIT);
    assert_non_null(strstr(f->diag.text, "state D"));
    spec.reach = &again; /* of the same group, opened anew: the reach of an agent's fence goes with it */
    assert_int_equal(bw_reach_open(&again, f->reach.tag, f->reach.group, f->by_scan, &f->diag), BW_OK);
    assert_int_equal(bw_script_start(&f->runner, &spec, &run, &f->diag), BW_ERR_LIMIT);
    spec.reach = &f->reach;
    write_other(f, "#!/bin/sh\necho as well\n");
    spec.path = path_in(f, "other.sh");
    run_to_end(f, &spec); /* another script is not taken for it */
    assert_string_equal(f->first_line, "as well");
    f->ended_count = 0;
    spec.path = path_in(f, "script.sh");
    spec.reach = NULL; /* a tool's has no slot to be judged by */
    spec.path = path_in(f, "other.sh");
    run_to_end(f, &spec);
    f->ended_count = 0;
    spec.reach = &f->reach;
    spec.path = path_in(f, "script.sh");
    spec.slot = BW_REACH_FENCE; /* none is there */
    run_to_end(f, &spec);
    f->ended_count = 0;

    stuck_disk_close(server, path_in(f, "disk"));
    end_all(f);
    spec.slot = BW_REACH_ACTION;
    write_script(f, "#!/bin/sh\necho fine\n", 0755);
    spec.path = path_in(f, "script.sh");
    run_to_end(f, &spec);
    assert_string_equal(f->first_line, "fine");
}

static void reach_proves_itself(void **state)
{
    struct fixture *f = fixture_of(state);

    if (bw_reach_prove(&f->reach, BW_REACH_PROOF_MS, &f->diag) != BW_OK)
        fail_msg("%s", f->diag.text);
    assert_int_equal(count_in(f, BW_REACH_ALL), 0);
}

/* An image may hold nothing but this program. In a mount namespace of its own. */
__attribute__((noreturn)) static void prove_without_a_shell(struct fixture *f)
{
    char shell[PATH_MAX];

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(2);
    if (realpath("/bin/sh", shell) == NULL || mount("/dev/null", shell, NULL, MS_BIND, NULL) != 0)
        _exit(3);
    _exit(bw_reach_prove(&f->reach, BW_REACH_PROOF_MS, &f->diag) == BW_OK ? 0 : 1);
}

static void reach_proves_itself_where_there_is_no_shell(void **state)
{
    struct fixture *f = fixture_of(state);
    const pid_t prover = fork();
    int status = 0;

    if (prover == 0)
        prove_without_a_shell(f);
    assert_true(prover > 0);
    assert_int_equal(waitpid(prover, &status, 0), prover);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip_lacking("mounts");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Of a group with this name ours does. */
#define ENDS "ends"

static void probe_that_ends_by_itself_is_not_waited_for(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_reach reach;

    assert_int_equal(bw_reach_open(&reach, f->reach.tag, ENDS, f->by_scan, &f->diag), BW_OK);
    assert_int_equal(bw_reach_prove(&reach, BW_REACH_PROOF_MS, &f->diag), BW_ERR_IO);
    assert_non_null(strstr(f->diag.text, "by exit status 3"));
    bw_reach_close(&reach);
}

static void process_that_is_another_by_now_gets_no_signal(void **state)
{
    struct bw_process self;
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_process_read(getpid(), &self, &diag), BW_OK);
    assert_int_equal(self.parent, getppid());
    assert_int_equal(bw_process_signal(getpid(), self.start_ticks + 1, SIGKILL, &diag),
                     BW_ERR_NOT_FOUND);
    assert_int_equal(bw_process_signal(getpid(), self.start_ticks, 0, &diag), BW_OK);
}

#define CARRIED "BW_TEST_CARRIED" /* as LD_LIBRARY_PATH, without which this program may not begin */

/* The probe of its proofs is this program. */
static void be_probe(void)
{
    const char *mark = getenv("BREAKWATER_REACH");

    if (getenv(CARRIED) == NULL)
        _exit(4);
    if (mark != NULL && strstr(mark, "/" ENDS "/") != NULL)
        _exit(3);
    bw_reach_probe();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH(nothing_runs_before_the_go_ahead),
        BOTH(child_does_not_start_once_its_right_has_ended),
        BOTH(canceled_before_the_go_ahead_it_never_starts),
        BOTH(child_of_a_guard_that_died_exits_without_exec),
        BOTH(what_ends_a_child_before_its_exec_ends_it_and_nothing_runs),
        BOTH(script_that_hangs_is_ended_by_term_at_its_limit),
        BOTH(script_that_ignores_term_is_killed_after_the_grace),
        BOTH(child_that_forked_away_is_killed_with_the_tree),
        BOTH(stray_without_a_mark_is_found_among_the_service),
        BOTH(mark_is_found_however_long_the_environment_is),
        BOTH(tool_of_ours_is_no_stray),
        BOTH(kill_ends_the_whole_tree_at_once),
        BOTH(signal_of_another_is_told_apart_from_ours),
        BOTH(leftovers_of_an_observation_are_ended_and_never_the_service),
        BOTH(start_that_a_signal_ends_leaves_nothing),
        BOTH(output_of_what_a_start_left_behind_is_read_on),
        BOTH(close_of_the_runner_kills_what_runs_and_says_so),
        BOTH(reach_proves_itself),
        BOTH(reach_proves_itself_where_there_is_no_shell),
        BOTH(probe_that_ends_by_itself_is_not_waited_for),
        BOTH(what_no_kill_ends_is_not_added_to_for_ever),
        cmocka_unit_test(process_that_is_another_by_now_gets_no_signal),
    };

    if (argc > 1 && strcmp(argv[1], BW_REACH_PROBE_VERB) == 0)
        be_probe();
    if (setenv(CARRIED, "1", 1) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
