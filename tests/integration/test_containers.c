/* containers: what docker says, and what it may not be believed (design 3.4). docker is a script of
 * the test that answers from files; the cgroup of its container, and the process in it, are real
 * ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/sys/units.h>

#include "janitor.h"
#include "lacking.h"
#include "patience.h"

#define WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */
#define ID    "0123456789ab"
#define OTHER "ba9876543210"

struct fixture {
    char dir[64];
    char tool[80];
    char tag[32];
    uv_loop_t loop;
    struct bw_script_runner runner;
    struct bw_units units;
    struct bw_diag diag;
    struct bw_cgroup cgroup;
    pid_t pid;
    int done_count;
    enum bw_err done_err;
    char done_text[BW_DIAG_TEXT_BYTES];
};

static const char *const projects[] = {"harbor"};

static void on_done(struct bw_units *units, enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct fixture *f = user;

    (void)units;
    f->done_count++;
    f->done_err = err;
    strcpy(f->done_text, diag->text);
}

/* `ps` prints `ids`, `inspect` prints `inspected`; both are shell texts. */
static void answer(struct fixture *f, const char *ids, const char *inspected)
{
    FILE *file = fopen(f->tool, "we");

    assert_non_null(file);
    assert_true(
        fprintf(file,
                "#!/bin/sh\necho \"$*\" >>%s/said\nif [ \"$1\" = ps ]; then\n%s\nelse\n%s\nfi\n",
                f->dir, ids, inspected) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(f->tool, 0755), 0);
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.dir = "/tmp/bw-containers-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    janitor_add_dir(f.dir);
    (void)snprintf(f.tool, sizeof f.tool, "%s/docker", f.dir);
    (void)snprintf(f.tag, sizeof f.tag, "test-%ld", (long)getpid());
    answer(&f, ":", ":");
    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(bw_script_runner_init(&f.runner, &f.loop, false, &f.diag), BW_OK);
    assert_int_equal(
        bw_units_init(&f.units, &f.runner, BW_UNITS_OF_COMPOSE, projects, 1, f.tool, &f.diag),
        BW_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->pid > 0) {
        (void)!bw_cgroup_signal(&f->cgroup, SIGKILL,
                                NULL);  /* none, where the test came to its end */
        (void)waitpid(f->pid, NULL, 0); /* or the runner has reaped it */
    }
    bw_script_runner_close(&f->runner, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    if (f->pid > 0) {
        bw_cgroup_remove_if_empty(&f->cgroup);
        janitor_forget(f->tag);
    }
    janitor_remove_dir(f->dir);
    janitor_forget(f->dir);
    return 0;
}

static enum bw_err look(struct fixture *f)
{
    f->done_count = 0;
    assert_int_equal(bw_units_look(&f->units, on_done, f, &f->diag), BW_OK);
    while (f->done_count == 0 && uv_run(&f->loop, UV_RUN_ONCE) != 0)
        ; /* 0: nothing is left to wait for */
    assert_int_equal(f->done_count, 1);
    return f->done_err;
}

/* A process in a cgroup that is named for the container ID. */
static void begin_container(struct fixture *f)
{
    struct patience patience;
    size_t count = 0;
    pid_t pids[4];
    int door;

    janitor_add_cgroups(f->tag);
    if (bw_cgroup_open(&f->cgroup, f->tag, ID, &f->diag) != BW_OK)
        skip_lacking("cgroups");
    assert_int_equal(bw_cgroup_open_door(&f->cgroup, &door, &f->diag), BW_OK);
    f->pid = fork();
    if (f->pid == 0) {
        if (bw_cgroup_enter(door))
            (void)execl("/bin/sleep", "sleep", "60", NULL);
        _exit(1);
    }
    patience = patience_begin(WAIT_MS);
    while (count == 0) {
        if (patience_is_over(&patience))
            patience_fail("the process is in its cgroup");
        assert_int_equal(bw_cgroup_list(&f->cgroup, pids, 4, &count, &f->diag), BW_OK);
        usleep(5000); /* between two looks at a condition */
    }
    assert_int_equal(close(door), 0);
}

static void answer_running(struct fixture *f, const char *policy)
{
    char line[160];

    (void)snprintf(line, sizeof line, "echo '" ID " running %ld %s//harbor-core'", (long)f->pid,
                   policy);
    answer(f, "echo " ID, line);
}

static void none_of_a_project_is_down_once_it_was_looked_for(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char arguments[256] = "";
    FILE *file;

    assert_false(bw_units_are_down(&f->units));
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.count, 0);
    assert_true(bw_units_are_down(&f->units));
    (void)snprintf(path, sizeof path, "%s/said", f->dir);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(arguments, sizeof arguments, file));
    assert_int_equal(fclose(file), 0);
    assert_non_null(strstr(arguments, "label=com.docker.compose.project=harbor"));
}

/* The KILL needs no docker, and what docker says of a process that is there is not believed. */
static void a_container_is_up_until_its_processes_are_gone(void **state)
{
    struct fixture *f = *state;
    size_t count;
    pid_t pids[4];

    begin_container(f);
    answer_running(f, "no");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_UP);
    assert_string_equal(f->units.units[0].name, "harbor-core");
    assert_null(bw_units_that_comes_again(&f->units));
    assert_int_equal(bw_units_list(&f->units, pids, 4, &count, &f->diag), BW_OK);
    assert_int_equal(pids[0], f->pid);
    answer(f, "echo " ID, "echo '" ID " exited 0 no//harbor-core'");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_UP);
    answer(f, ":", ":"); /* removed, it says */
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.count, 1);
    assert_false(bw_units_are_down(&f->units));

    answer(f, "sleep 1000", ":");
    assert_int_equal(bw_units_kill_now(&f->units, &f->diag), BW_OK);
    (void)waitpid(f->pid, NULL, 0); /* or the runner has reaped it */
    f->units.limit_ns = 200 * BW_NS_PER_MS;
    assert_int_equal(look(f), BW_ERR_TIMEOUT);
    assert_non_null(strstr(f->done_text, "does docker hang?"));
    assert_false(bw_units_are_down(&f->units)); /* nobody has said so */
    f->units.limit_ns = 60 * BW_NS_PER_S;
    answer(f, "exit 124", ":"); /* as timeout(1) ends one that hangs */
    assert_int_equal(look(f), BW_ERR_IO);
    assert_non_null(strstr(f->done_text, "docker: exit status 1: 'ps' has no answer after 8 s"));
    answer(f, ":", ":");
    assert_int_equal(look(f), BW_OK);
    assert_true(bw_units_are_down(&f->units));
}

static void a_signal_goes_by_cgroups_and_is_over_at_once(void **state)
{
    struct fixture *f = *state;
    int status = 0;

    begin_container(f);
    answer_running(f, "always");
    assert_int_equal(look(f), BW_OK);
    assert_string_equal(bw_unit_comes_again(bw_units_that_comes_again(&f->units)),
                        "restart: always");
    f->done_count = 0;
    assert_int_equal(bw_units_signal(&f->units, SIGTERM, on_done, f, &f->diag), BW_OK);
    assert_int_equal(f->done_count, 1);
    assert_int_equal(f->done_err, BW_OK);
    if (waitpid(f->pid, &status, 0) == f->pid) /* or the runner has reaped it */
        assert_int_equal(WTERMSIG(status), SIGTERM);
}

/* Another one's, or one that has ended since docker was asked. */
static void a_process_elsewhere_is_not_taken_for_a_containers(void **state)
{
    struct fixture *f = *state;
    char line[160];

    (void)snprintf(line, sizeof line, "echo '" OTHER " running %ld no//harbor-core'",
                   (long)getpid());
    answer(f, "echo " OTHER, line);
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_UNKNOWN);
    assert_string_equal(f->units.units[0].cgroup, "");
    assert_false(bw_units_are_down(&f->units));
    assert_int_equal(bw_units_kill_now(&f->units, &f->diag), BW_ERR_UNKNOWN);
}

/* Whoever has to end one that comes up when nobody looks any more knows where (3.4). */
static void one_that_was_never_up_is_known_by_another(void **state)
{
    struct fixture *f = *state;
    char line[256];
    const char *id;

    begin_container(f);
    (void)snprintf(line, sizeof line,
                   "echo '" OTHER " created 0 no//harbor-db'; echo '" ID
                   " running %ld no//harbor-core'",
                   (long)f->pid);
    answer(f, "echo " OTHER " " ID, line);
    assert_int_equal(look(f), BW_OK);
    id = strstr(f->units.units[0].cgroup, OTHER);
    assert_non_null(id);
    assert_int_equal(strncmp(f->units.units[0].cgroup, f->units.units[1].cgroup,
                             (size_t)(id - f->units.units[0].cgroup)),
                     0);
    assert_int_equal(bw_units_kill_now(&f->units, &f->diag), BW_OK);
    (void)waitpid(f->pid, NULL, 0); /* or the runner has reaped it */
}

static void an_answer_that_is_not_understood_never_counts_as_down(void **state)
{
    struct fixture *f = *state;

    answer(f, "exit 1", ":");
    assert_int_equal(look(f), BW_ERR_IO);
    answer(f, "echo " ID, "echo 'no such object' >&2; exit 1");
    assert_int_equal(look(f), BW_ERR_IO);
    assert_non_null(strstr(f->done_text, "no such object"));
    answer(f, "echo " ID, "echo what is this");
    assert_int_equal(look(f), BW_ERR_INVALID);
    answer(f, "echo " ID,
           "i=100; while [ $i -lt 133 ]; do echo \"0123456789$i created 0 no//x$i\"; i=$((i + 1)); "
           "done");
    assert_int_equal(look(f), BW_ERR_INVALID);
    assert_non_null(strstr(f->done_text, "more than 32 containers"));
    assert_false(bw_units_are_down(&f->units));
}

static void what_is_no_project_is_refused(void **state)
{
    static const char *const bad[] = {"", "--all", "Harbor", "a b", "x;reboot", "_x"};
    struct fixture *f = *state;
    static struct bw_units units;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(
            bw_units_init(&units, &f->runner, BW_UNITS_OF_COMPOSE, &bad[i], 1, f->tool, &f->diag),
            BW_ERR_INVALID);
}

/* A package that is being replaced: it is there again at a later look. */
static void a_tool_that_is_away_is_no_answer_and_no_end(void **state)
{
    struct fixture *f = *state;

    begin_container(f);
    answer_running(f, "no");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(unlink(f->tool), 0);
    assert_int_equal(look(f), BW_ERR_IO); /* its child says so: no loop asks the file system */
    assert_false(bw_units_are_down(&f->units));
    answer_running(f, "no");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_UP);
}

/* The runner tells no lines behind its bound: what is not told is not down. */
static void an_answer_behind_a_flood_is_no_answer(void **state)
{
    struct fixture *f = *state;

    answer(f, "head -c 2000000 /dev/zero | tr '\\000' '\\n' >&2; echo " ID, ":");
    assert_int_equal(look(f), BW_ERR_INVALID);
    assert_false(bw_units_are_down(&f->units));
}

/* What `compose run` has left: hundreds may lie there. One that runs may write. */
static void a_one_off_counts_while_it_runs(void **state)
{
    struct fixture *f = *state;

    answer(f, "echo " ID "; echo " OTHER,
           "echo '" ID " exited 0 no//harbor-run-1 True'; echo '" OTHER
           " exited 0 no//harbor-core '");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.count, 1);
    assert_string_equal(f->units.units[0].name, "harbor-core");
    answer(f, "echo " ID, "echo '" ID " restarting 0 no//harbor-run-1 True'");
    assert_int_equal(look(f), BW_OK);
    assert_int_equal(f->units.count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(none_of_a_project_is_down_once_it_was_looked_for),
        TEST(a_container_is_up_until_its_processes_are_gone),
        TEST(a_signal_goes_by_cgroups_and_is_over_at_once),
        TEST(a_process_elsewhere_is_not_taken_for_a_containers),
        TEST(one_that_was_never_up_is_known_by_another),
        TEST(an_answer_that_is_not_understood_never_counts_as_down),
        TEST(what_is_no_project_is_refused),
        TEST(a_tool_that_is_away_is_no_answer_and_no_end),
        TEST(an_answer_behind_a_flood_is_no_answer),
        TEST(a_one_off_counts_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
