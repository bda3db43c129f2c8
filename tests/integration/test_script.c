/* script: real scripts, those that behave and those that do not (design 3.4, 5.1). Each test runs
 * by cgroup and by scan; the former is skipped where no cgroup v2 can be written to. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/sys/own_process.h>
#include <breakwater/sys/script.h>

#include "lacking.h"
#include "script_world.h"

/* ---- the contract ---------------------------------------------------------------------------- */

static void exit_status_output_and_first_line_come_back(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\necho '  started '\necho oops >&2\nprintf last\nexit 7\n");
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_int_equal(f->result.code, 7);
    assert_string_equal(f->first_line, "started");
    assert_non_null(strstr(f->lines, "o:  started \n"));
    assert_non_null(strstr(f->lines, "e:oops\n"));
    assert_non_null(strstr(f->lines, "o:last\n"));
    assert_int_equal(f->begun_count, 1);
    assert_false(f->result.by_shell);
    assert_int_equal(f->result.tree, BW_OK);
    assert_true(f->result.duration_ns > 0);
}

/* 5.1: what people are told of one that failed. */
static void the_last_line_of_stderr_comes_back_else_that_of_stdout(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\necho first >&2\necho ' the cause ' >&2\necho >&2\necho done\n");
    assert_string_equal(f->last_line, "the cause");
    f->ended_count = 0;
    run_text(f, "#!/bin/sh\necho first\nprintf last\n");
    assert_string_equal(f->last_line, "last");
    f->ended_count = 0;
    run_text(f, "#!/bin/sh\necho\n");
    assert_int_equal(f->result.last_line_bytes, 0);
}

/* Megabytes that are no line, and NULs in the middle: the beginning of the line is kept, as it
 * came. */
static void a_last_line_without_an_end_is_bounded(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\nhead -c 3000000 /dev/zero >&2\n");
    assert_int_equal(f->result.last_line_bytes, sizeof f->last_line);
    assert_int_equal(f->last_line[0], 0);
}

static void script_that_does_nothing_is_an_exit_of_0(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\n");
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_int_equal(f->result.code, 0);
    assert_string_equal(f->first_line, "");
}

static void file_without_shebang_is_given_to_a_shell_and_it_says_so(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "echo \"$0 started\"\n");
    assert_int_equal(f->result.code, 0);
    assert_non_null(strstr(f->first_line, "script.sh started"));
    assert_true(f->result.by_shell);
}

/* A ConfigMap's files are 0644. */
static void file_that_is_not_executable_is_given_to_a_shell_and_it_says_so(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f, "echo stopped\n", 0644);
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_string_equal(f->first_line, "stopped");
    assert_true(f->result.by_shell);
}

static void missing_file_or_directory_is_not_started_and_says_why(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_NOT_STARTED);
    assert_non_null(strstr(f->why, "No such file"));
    spec.path = f->dir;
    f->ended_count = 0;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_NOT_STARTED);
    assert_non_null(strstr(f->why, "not a file"));
    assert_int_equal(f->begun_count, 0);
}

static void assert_refused(struct fixture *f, const struct bw_script_spec *spec, bool is_refused)
{
    f->ended_count = 0;
    f->begun_count = 0;
    run_to_end(f, spec);
    assert_int_equal(f->begun_count, is_refused ? 0 : 1);
    assert_int_equal(f->result.how, is_refused ? BW_SCRIPT_NOT_STARTED : BW_SCRIPT_EXITED);
    if (is_refused)
        assert_non_null(strstr(f->why, "can be changed by others than root"));
}

static void script_that_others_can_write_is_refused_unless_that_is_allowed(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    spec.refuses_writable = true;
    write_script(f, "#!/bin/sh\ntrue\n", 0755);
    assert_refused(f, &spec, false); /* its way leads through a sticky directory */
    write_script(f, "#!/bin/sh\ntrue\n", 0775);
    assert_refused(f, &spec, true);
    spec.refuses_writable = false;
    assert_refused(f, &spec, false);
    spec.refuses_writable = true;
    write_script(f, "#!/bin/sh\ntrue\n", 0757);
    assert_refused(f, &spec, true);
    assert_non_null(strstr(f->why, "script.sh"));
}

static uint64_t three(const void *of)
{
    assert_non_null(of); /* in the child: its end would be no word of ours */
    return 3;
}

static void a_script_whose_bytes_are_others_does_not_run(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    write_script(f, "#!/bin/sh\ntrue\n", 0755);
    spec.digest = three;
    spec.digest_of = f;
    spec.wanted_digest = 2;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED); /* it only says so */
    assert_int_equal(f->result.digest, 3);
    assert_false(f->result.is_other);

    spec.refuses_other = true;
    f->ended_count = 0;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_NOT_STARTED);
    assert_true(f->result.is_other);
    assert_int_equal(f->result.digest, 3);

    spec.wanted_digest = 3;
    f->ended_count = 0;
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
}

/* Who can write a directory can put another file into the script's place. */
static void script_in_a_directory_that_others_can_write_is_refused(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    char link[160];
    static const char target[] = "../open/./../script.sh";

    spec.refuses_writable = true;
    write_script(f, "#!/bin/sh\ntrue\n", 0755);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_refused(f, &spec, true);
    assert_int_equal(chmod(f->dir, 01777), 0);
    assert_refused(f, &spec, false);

    /* Reached by links: each directory that holds one counts. */
    assert_int_equal(mkdir(path_in(f, "open"), 0755), 0);
    (void)snprintf(link, sizeof link, "%s/open/script.sh", f->dir);
    assert_int_equal(symlink(target, link), 0);
    spec.path = link;
    assert_refused(f, &spec, false);
    assert_int_equal(chmod(path_in(f, "open"), 0777), 0);
    assert_refused(f, &spec, true);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(path_in(f, "open")), 0);
}

static void script_of_another_user_is_refused(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);

    if (geteuid() != 0)
        skip_lacking("root"); /* who alone can give a file away */
    spec.refuses_writable = true;
    write_script(f, "#!/bin/sh\ntrue\n", 0755);
    assert_int_equal(chown(spec.path, 65534, 0), 0);
    assert_refused(f, &spec, true);
}

static void missing_interpreter_is_not_started_and_says_why(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/nonexistent/sh\r\n");
    assert_int_equal(f->result.how, BW_SCRIPT_NOT_STARTED);
    assert_non_null(strstr(f->why, "#! line"));
    assert_int_equal(f->begun_count, 0);
}

static void environment_is_ours_without_breakwater_then_what_is_given(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    const char *const env[] = {"BREAKWATER_EPOCH=7", "HARBOR_PORT=1", "HARBOR_PORT=2", NULL};

    assert_int_equal(setenv("HARBOR_NAMESPACE", "harbor", 1), 0);
    assert_int_equal(setenv("HARBOR_PORT", "0", 1), 0);
    assert_int_equal(setenv("BREAKWATER_LEAK", "x", 1), 0);
    write_script(f,
                 "#!/bin/sh\necho \"$HARBOR_NAMESPACE.$HARBOR_PORT.$BREAKWATER_EPOCH."
                 "$BREAKWATER_LEAK\"\n",
                 0755);
    spec.env = env;
    run_to_end(f, &spec);
    assert_string_equal(f->first_line, "harbor.2.7.");
    assert_int_equal(unsetenv("BREAKWATER_LEAK"), 0);
}

/* No descriptor, blocked signal or umask of ours, stdin at its end, a session of its own. */
static void script_starts_from_a_clean_state(void **state)
{
    struct fixture *f = fixture_of(state);
    mode_t before = umask(077);

    (void)signal(SIGUSR1, SIG_IGN);
    run_text(f, "#!/bin/sh\n"
                "read -r x && echo input\n"
                "umask\n"
                "echo $(ls /proc/self/fd)\n"
                "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'\n"
                "[ \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ ] || echo no session\n");
    /* 3 is the directory that ls reads. */
    assert_string_equal(f->lines, "o:0022\no:0 1 2 3\no:SigBlk:0000000000000000\n"
                                  "o:SigIgn:0000000000000000\n");
    (void)signal(SIGUSR1, SIG_DFL);
    (void)umask(before);
}

/* A guard that runs before others is none of the service's business: it would run before its own agent. */
static void script_runs_before_nobody(void **state)
{
    struct fixture *f = fixture_of(state);
    const int before = getpriority(PRIO_PROCESS, 0);

    if (setpriority(PRIO_PROCESS, 0, -7) != 0)
        skip_lacking("nice");
    run_text(f, "#!/bin/sh\nps -o ni= -p $$ | tr -d ' '\n");
    assert_int_equal(setpriority(PRIO_PROCESS, 0, before), 0);
    assert_string_equal(f->first_line, "0");
}

/* All of it is there before the script runs; one that does not read it keeps nobody waiting. */
static void script_reads_the_input_that_it_was_given(void **state)
{
    static char text[BW_SCRIPT_INPUT_BYTES_MAX + 1];
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct bw_script_run *run = NULL;

    memset(text, 'x', sizeof text);
    spec.input = text;
    spec.input_bytes = BW_SCRIPT_INPUT_BYTES_MAX;
    write_script(f, "#!/bin/sh\nwc -c\n", 0755);
    run_to_end(f, &spec);
    assert_string_equal(f->first_line, "4096");
    f->ended_count = 0;
    write_script(f, "#!/bin/sh\necho deaf\n", 0755);
    run_to_end(f, &spec);
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_int_equal(f->result.code, 0);
    spec.input_bytes = sizeof text;
    assert_int_equal(bw_script_start(&f->runner, &spec, &run, &f->diag), BW_ERR_LIMIT);
}

/* 5.3: what a guard does for its own memory is none of the service's business. */
static void script_may_leave_a_core_dump_as_its_user_wants(void **state)
{
    struct fixture *f = fixture_of(state);
    struct rlimit before;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    limit = before;
    if (limit.rlim_max >= 8192)
        limit.rlim_cur = 8192;
    assert_int_equal(setrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(system("cat /proc/self/coredump_filter >/dev/null"), 0);
    assert_true(bw_core_dump_forbid());
    run_text(f, "#!/bin/bash\ncat /proc/self/coredump_filter\nulimit -S -c\n");
    bw_core_dump_allow_again();
    assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);

    assert_string_equal(f->lines, limit.rlim_cur == 8192 ? "o:00000033\no:8\n" : "o:00000033\no:0\n");
}

/* ---- output without bound -------------------------------------------------------------------- */

static long private_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void hundred_megabytes_of_output_neither_block_nor_grow_us(void **state)
{
    struct fixture *f = fixture_of(state);
    long before_kib = private_kib();

    run_text(f, "#!/bin/sh\necho first\nyes breakwater | head -c 100000000\necho; echo last\n");
    assert_int_equal(f->result.how, BW_SCRIPT_EXITED);
    assert_string_equal(f->first_line, "first");
    assert_int_equal(f->kept_bytes, BW_SCRIPT_OUTPUT_BYTES_MAX);
    assert_true(f->result.kept.dropped_bytes > 99000000);
    assert_string_equal(f->tail + strlen(f->tail) - 6, "\nlast\n");
    assert_true(f->line_count < BW_SCRIPT_OUTPUT_BYTES_MAX / 10);
    assert_true(private_kib() - before_kib < 8192); /* generous: sanitizers keep freed memory */
}

static void line_too_long_is_cut_and_said_to_be(void **state)
{
    struct fixture *f = fixture_of(state);

    run_text(f, "#!/bin/sh\nhead -c 9000 /dev/zero | tr '\\0' x\necho; echo next\n");
    assert_true(f->result.is_line_cut);
    assert_int_equal(f->line_count, 2);
    assert_int_equal(f->kept_bytes, 9006);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static size_t count_descriptors(void)
{
    size_t count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The n-th descriptor cannot be had, for every n: a clean error, nothing left open, nothing run. */
static void start_without_descriptors_fails_whole(void **state)
{
    struct fixture *f = fixture_of(state);
    struct bw_script_spec spec = spec_of(f);
    struct rlimit before, limit;
    bool has_started = false;
    char text[512];

    snprintf(text, sizeof text, "#!/bin/sh\ntouch %s\n", path_in(f, "ran"));
    write_script(f, text, 0755);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t n = 3; !has_started && n < 128; n++) {
        size_t open_before = count_descriptors();
        struct bw_script_run *run;

        limit = (struct rlimit){.rlim_cur = n, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        has_started = bw_script_start(&f->runner, &spec, &run, &f->diag) == BW_OK;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (has_started) {
            bw_script_cancel(run);
            run_until_end(f);
        }
        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_int_equal(count_descriptors(), open_before);
    }
    assert_true(has_started);
    assert_false(exists(f, "ran"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(exit_status_output_and_first_line_come_back),
        BOTH(the_last_line_of_stderr_comes_back_else_that_of_stdout),
        BOTH(a_last_line_without_an_end_is_bounded),
        BOTH(script_that_does_nothing_is_an_exit_of_0),
        BOTH(file_without_shebang_is_given_to_a_shell_and_it_says_so),
        BOTH(file_that_is_not_executable_is_given_to_a_shell_and_it_says_so),
        BOTH(missing_file_or_directory_is_not_started_and_says_why),
        BOTH(script_that_others_can_write_is_refused_unless_that_is_allowed),
        BOTH(a_script_whose_bytes_are_others_does_not_run),
        BOTH(script_in_a_directory_that_others_can_write_is_refused),
        BOTH(script_of_another_user_is_refused),
        BOTH(missing_interpreter_is_not_started_and_says_why),
        BOTH(environment_is_ours_without_breakwater_then_what_is_given),
        BOTH(script_starts_from_a_clean_state),
        BOTH(script_runs_before_nobody),
        BOTH(script_reads_the_input_that_it_was_given),
        BOTH(script_may_leave_a_core_dump_as_its_user_wants),
        BOTH(hundred_megabytes_of_output_neither_block_nor_grow_us),
        BOTH(line_too_long_is_cut_and_said_to_be),
        BOTH(start_without_descriptors_fails_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
