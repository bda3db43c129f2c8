/* units: what systemctl says, and what it may not be believed (design 3.4). systemctl is a script
 * of the test that answers from files; the cgroup of its unit is a real one. */
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

struct fixture {
    char dir[64];
    char systemctl[80];
    uv_loop_t loop;
    struct bw_script_runner runner;
    struct bw_units units;
    struct bw_diag diag;
    int done_count;
    enum bw_err done_err;
    char done_text[BW_DIAG_TEXT_BYTES];
};

static const char *const names[] = {"db.service", "harbor@1.service"};

static void on_done(struct bw_units *units, enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct fixture *f = user;

    (void)units;
    f->done_count++;
    f->done_err = err;
    strcpy(f->done_text, diag->text);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Answers `show` from the file "show", and keeps its arguments in "said". */
static int set_up(void **state)
{
    static struct fixture f;
    char text[256];

    f = (struct fixture){.dir = "/tmp/bw-units-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    janitor_add_dir(f.dir);
    snprintf(f.systemctl, sizeof f.systemctl, "%s/systemctl", f.dir);
    snprintf(text, sizeof text,
             "#!/bin/sh\necho \"$*\" >> %s/said\n[ \"$1\" = show ] || exit 0\n. %s/show\n", f.dir,
             f.dir);
    write_file(&f, "systemctl", text);
    assert_int_equal(chmod(f.systemctl, 0755), 0);
    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(bw_script_runner_init(&f.runner, &f.loop, false, &f.diag), BW_OK);
    assert_int_equal(
        bw_units_init(&f.units, &f.runner, BW_UNITS_OF_SYSTEMD, names, 2, f.systemctl, &f.diag),
        BW_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    bw_script_runner_close(&f->runner, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    janitor_remove_dir(f->dir);
    janitor_forget(f->dir);
    return 0;
}

static void run_until_done(struct fixture *f)
{
    f->done_count = 0;
    while (f->done_count == 0 && uv_run(&f->loop, UV_RUN_ONCE) != 0)
        ; /* 0: nothing is left to wait for */
    assert_int_equal(f->done_count, 1);
}

/* `show` is the shell text that prints the answer. */
static enum bw_err look(struct fixture *f, const char *show)
{
    write_file(f, "show", show);
    assert_int_equal(bw_units_look(&f->units, on_done, f, &f->diag), BW_OK);
    run_until_done(f);
    return f->done_err;
}

#define WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */
#define BLOCK(load, active, cgroup)                                                                \
    "echo LoadState=" load "; echo ActiveState=" active "; echo ControlGroup=" cgroup "\n"

static void units_are_down_only_when_all_are_seen_down(void **state)
{
    struct fixture *f = *state;

    assert_false(bw_units_are_down(&f->units));
    assert_int_equal(
        look(f, BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "failed", "")), BW_OK);
    assert_true(bw_units_are_down(&f->units));
    assert_int_equal(
        look(f, BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "active", "/x")), BW_OK);
    assert_int_equal(f->units.units[1].activity, BW_UNIT_UP);
    assert_string_equal(f->units.units[1].cgroup, "/x");
    assert_false(bw_units_are_down(&f->units));
}

/* A start that waits for another unit begins when that is there, whoever has ended what ordered it (3.2.4). */
static void a_unit_that_systemd_has_a_job_for_is_not_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, BLOCK("loaded", "inactive", "") "echo Job=\necho\n" BLOCK(
                              "loaded", "inactive", "") "echo Job=4711\n"),
                     BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_DOWN);
    assert_int_equal(f->units.units[1].activity, BW_UNIT_UP);
    assert_false(bw_units_are_down(&f->units));
    assert_int_equal(
        look(f, BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "inactive", "")), BW_OK);
    assert_true(bw_units_are_down(&f->units));
}

/* What a stop has to wait for is not what it may have brought up itself (3.2.4). */
static void what_is_on_its_way_is_not_what_is_up(void **state)
{
    static const struct {
        const char *show;
        bool is_coming, is_bare;
    } cases[] = {
        {BLOCK("loaded", "inactive", ""), false, false},
        {BLOCK("loaded", "inactive", "") "echo Job=4711\n", true, false},
        {BLOCK("loaded", "activating", "/x"), true, false},
        {BLOCK("loaded", "deactivating", "/x"), true, false},
        {BLOCK("loaded", "active", "/x") "echo Job=4711\n", true, false}, /* a stop, or a restart */
        {BLOCK("loaded", "active", ""), false, true},
    };
    struct fixture *f = *state;
    char show[512];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(show, sizeof show, "%secho\n%s", BLOCK("loaded", "inactive", ""), cases[i].show);
        assert_int_equal(look(f, show), BW_OK);
        assert_int_equal(bw_units_is_any_coming(&f->units), cases[i].is_coming);
        assert_int_equal(bw_units_is_any_bare(&f->units), cases[i].is_bare);
    }
    assert_true(bw_units_are_known(&f->units));
}

/* Unknown is never down: each of these answers hides something. */
static void answer_that_is_not_understood_never_counts_as_down(void **state)
{
    static const char *const answers[] = {
        BLOCK("loaded", "inactive", ""), /* one missing */
        BLOCK("loaded", "inactive", "") "echo\n" BLOCK("not-found", "inactive", ""), /* a typo */
        BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "dormant", ""), /* a new word */
        BLOCK("loaded", "inactive", "") "echo\necho ActiveState=inactive\n",
        BLOCK("loaded", "inactive", "") "echo\necho LoadState=loaded\n",
        BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "inactive",
                                                       "") "echo\n" BLOCK("loaded", "inactive", ""),
        "exit 1\n",
        "kill -9 $$\n",
        "",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        assert_int_equal(
            look(f, BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "inactive", "")),
            BW_OK);
        assert_true(bw_units_are_down(&f->units));
        (void)look(f, answers[i]); /* an error or not */
        assert_false(bw_units_are_down(&f->units));
    }
}

static void systemctl_that_hangs_is_a_timeout_and_not_waited_for(void **state)
{
    struct fixture *f = *state;

    f->units.limit_ns = 200 * BW_NS_PER_MS;
    assert_int_equal(look(f, "sleep 1000\n"), BW_ERR_TIMEOUT);
    assert_false(bw_units_are_down(&f->units));
}

static void error_of_systemctl_is_passed_on_in_its_words(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f, "echo 'Failed to connect to bus' >&2; exit 1\n"), BW_ERR_IO);
    assert_non_null(strstr(f->done_text, "Failed to connect to bus"));
}

static void signal_goes_to_all_units_by_name_and_one_call_at_a_time(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char line[128];
    FILE *file;

    assert_int_equal(bw_units_signal(&f->units, SIGKILL, on_done, f, &f->diag), BW_OK);
    assert_int_equal(bw_units_signal(&f->units, SIGKILL, on_done, f, &f->diag), BW_ERR_BUSY);
    run_until_done(f);
    assert_int_equal(f->done_err, BW_OK);
    snprintf(path, sizeof path, "%s/said", f->dir);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "kill --signal=9 -- db.service harbor@1.service\n");
    assert_int_equal(fclose(file), 0);
}

static void names_that_are_no_units_are_refused(void **state)
{
    static const char *const bad[] = {"",  "--all", "harbor", "a b.service", "x.service;reboot",
                                      "x."};
    struct fixture *f = *state;
    struct bw_units units;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bw_units_init(&units, &f->runner, BW_UNITS_OF_SYSTEMD, &bad[i], 1,
                                       f->systemctl, &f->diag),
                         BW_ERR_INVALID);
    assert_int_equal(
        bw_units_init(&units, &f->runner, BW_UNITS_OF_SYSTEMD, names, 0, f->systemctl, &f->diag),
        BW_ERR_LIMIT);
}

/* ---- a unit whose cgroup is a real one ---------------------------------------------------------- */

struct real_unit {
    char tag[32];
    struct bw_cgroup cgroup;
    const char *control_group; /* as systemd would say it */
    int door;
};

static void open_unit(struct fixture *f, struct real_unit *unit)
{
    snprintf(unit->tag, sizeof unit->tag, "test-%ld", (long)getpid());
    janitor_add_cgroups(unit->tag);
    if (bw_cgroup_open(&unit->cgroup, unit->tag, "unit", &f->diag) != BW_OK)
        skip_lacking("cgroups");
    assert_int_equal(bw_cgroup_open_door(&unit->cgroup, &unit->door, &f->diag), BW_OK);
    unit->control_group = unit->cgroup.path + strlen("/sys/fs/cgroup");
    if (strncmp(unit->control_group, "/unified/", 9) == 0)
        unit->control_group += strlen("/unified");
}

/* A process begins in it, the only one. */
static pid_t begin_in(struct fixture *f, const struct real_unit *unit)
{
    struct patience patience;
    size_t count = 0;
    pid_t pids[4];
    const pid_t pid = fork();

    if (pid == 0) {
        if (bw_cgroup_enter(unit->door))
            (void)execl("/bin/sleep", "sleep", "60", NULL);
        _exit(1);
    }
    patience = patience_begin(WAIT_MS);
    while (count == 0) {
        if (patience_is_over(&patience))
            patience_fail("the process is in its cgroup");
        assert_int_equal(bw_cgroup_list(&unit->cgroup, pids, 4, &count, &f->diag), BW_OK);
        usleep(5000); /* between two looks at a condition */
    }
    return pid;
}

static void end_all(struct fixture *f, pid_t pid)
{
    assert_int_equal(bw_units_kill_now(&f->units, &f->diag), BW_OK);
    (void)waitpid(pid, NULL, 0); /* or the runner has reaped it */
}

static void close_unit(struct real_unit *unit)
{
    assert_int_equal(close(unit->door), 0);
    bw_cgroup_remove_if_empty(&unit->cgroup);
    janitor_forget(unit->tag);
}

/* A unit that systemd calls inactive while processes are left (KillMode=process) still serves. */
static void inactive_unit_with_processes_is_up_until_they_are_killed(void **state)
{
    struct fixture *f = *state;
    struct real_unit unit;
    char show[2048];
    size_t count = 0;
    pid_t pid, pids[4];

    open_unit(f, &unit);
    pid = begin_in(f, &unit);
    snprintf(show, sizeof show,
             "echo LoadState=loaded; echo ActiveState=inactive; echo ControlGroup=%s; echo\n"
             "echo LoadState=loaded; echo ActiveState=inactive; echo ControlGroup=%s\n",
             unit.control_group, unit.control_group);
    assert_int_equal(look(f, show), BW_OK);
    assert_int_equal(f->units.units[0].activity, BW_UNIT_UP);
    assert_false(bw_units_are_down(&f->units));
    assert_true(bw_units_is_any_coming(&f->units)); /* or going: systemd calls it down, and it is not */
    assert_false(bw_units_is_any_bare(&f->units));
    assert_int_equal(bw_units_list(&f->units, pids, 4, &count, &f->diag), BW_OK);
    assert_int_equal(pids[0], pid);
    end_all(f, pid);
    assert_int_equal(look(f, show), BW_OK);
    assert_true(bw_units_are_down(&f->units));
    close_unit(&unit);
}

static void look_at_main(struct fixture *f, const struct real_unit *unit, const char *restart, pid_t main)
{
    char show[2048];

    snprintf(show, sizeof show,
             BLOCK("loaded", "inactive", "") "echo\necho LoadState=loaded; echo ActiveState=active; echo ControlGroup=%s\n"
             "echo Restart=%s; echo NRestarts=0; echo MainPID=%ld\n",
             unit->control_group, restart, (long)main);
    assert_int_equal(look(f, show), BW_OK);
}

/* A script that has it stopped and started makes systemd count anew (3.2.4): what comes again by itself after that is
 * told by less than there was before. */
static void what_comes_again_after_an_order_is_told_too(void **state)
{
    static const struct {
        const char *restarts;
        bool is_restarted;
    } looks[] = {{"3", false}, {"0", false}, {"1", true}};
    struct fixture *f = *state;
    char show[512];

    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        snprintf(show, sizeof show, BLOCK("loaded", "inactive", "") "echo\n" BLOCK("loaded", "active", "/x")
                 "echo NRestarts=%s\n", looks[i].restarts);
        assert_int_equal(look(f, show), BW_OK);
        if (i == 0)
            bw_units_note_restarts(&f->units);
        assert_int_equal(bw_units_is_any_restarted(&f->units), looks[i].is_restarted);
    }
    bw_units_note_restarts(&f->units);
    assert_int_equal(look(f, show), BW_OK);
    assert_false(bw_units_is_any_restarted(&f->units));
}

/* systemd starts it again by itself after the look: NRestarts, as that look has it, says nothing of what runs then
 * (3.2.4). */
static void what_runs_in_a_unit_may_be_newer_than_the_look(void **state)
{
    struct fixture *f = *state;
    struct real_unit unit;
    pid_t first, second;

    open_unit(f, &unit);
    first = begin_in(f, &unit);
    look_at_main(f, &unit, "always", first);
    assert_false(bw_units_is_any_newer(&f->units));
    end_all(f, first);
    assert_false(bw_units_is_any_newer(&f->units)); /* that is bare */
    assert_true(bw_units_is_any_bare(&f->units));

    second = begin_in(f, &unit);
    assert_true(bw_units_is_any_newer(&f->units));
    look_at_main(f, &unit, "no", first); /* gone when the answer came */
    assert_false(bw_units_is_any_newer(&f->units));
    look_at_main(f, &unit, "always", first);
    assert_true(bw_units_is_any_newer(&f->units));
    look_at_main(f, &unit, "always", second);
    assert_false(bw_units_is_any_newer(&f->units));
    look_at_main(f, &unit, "always", 0); /* several daemons, none of them the main one: nothing would ever tell */
    assert_false(bw_units_is_any_newer(&f->units));
    end_all(f, second);
    close_unit(&unit);
}

/* Where systemd says which start of a unit is the newest, that tells also of what has no main process. */
static void which_start_of_a_unit_a_look_has_told_of_is_known(void **state)
{
    static const char first[] = "59bbed989e1f40cf8f86dca3511bdbc7";
    static const char second[] = "9449a02157ef477bb419775dae6de67d";
    struct fixture *f = *state;
    struct real_unit unit;
    char folder[] = "/tmp/bw-invocations-XXXXXX";
    char path[128];
    char show[2048];
    pid_t pid;

    open_unit(f, &unit);
    pid = begin_in(f, &unit);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/invocation:two@x.service", folder);
    f->units.invocations = folder;
    assert_int_equal(symlink(first, path), 0);
    snprintf(show, sizeof show,
             BLOCK("loaded", "inactive", "") "echo\necho Id=two@x.service; echo Slice=x.slice; echo LoadState=loaded; echo ActiveState=active\n"
             "echo ControlGroup=%s; echo Restart=always; echo MainPID=0; echo InvocationID=%s\n",
             unit.control_group, first);
    assert_int_equal(look(f, show), BW_OK);
    assert_false(bw_units_is_any_newer(&f->units));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(second, path), 0);
    assert_true(bw_units_is_any_newer(&f->units));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    end_all(f, pid);
    close_unit(&unit);
}

#define IN_SLICE(id, slice, cgroup)                                                                \
    "echo Id=" id "; echo Slice=" slice "; " BLOCK("loaded", "inactive", cgroup)

/* Whoever has to end one that comes up when nobody looks any more knows where (3.4). */
static void a_unit_that_was_never_up_is_known_by_its_slice(void **state)
{
    struct fixture *f = *state;
    const struct bw_unit *units = f->units.units;

    strcpy(f->units.root, "/lxc.payload");
    assert_int_equal(look(f, IN_SLICE("postgres.service", "system.slice", "") "echo\n" IN_SLICE(
                              "harbor@1.service", "system-harbor.slice", "")),
                     BW_OK);
    assert_string_equal(units[0].cgroup, "/lxc.payload/system.slice/postgres.service");
    assert_string_equal(units[1].cgroup,
                        "/lxc.payload/system.slice/system-harbor.slice/harbor@1.service");
    assert_true(bw_units_are_down(&f->units));
    assert_int_equal(bw_units_kill_now(&f->units, &f->diag), BW_OK); /* none is there */

    strcpy(f->units.root, "");
    assert_int_equal(look(f, IN_SLICE("postgres.service", "a-b.slice", "") "echo\n" IN_SLICE(
                              "memory.service", "-.slice", "")),
                     BW_OK);
    assert_string_equal(units[0].cgroup, "/a.slice/a-b.slice/postgres.service");
    assert_string_equal(units[1].cgroup, "/_memory.service");
}

static void where_a_unit_was_seen_up_counts_until_its_slice_is_another(void **state)
{
    struct fixture *f = *state;
    const char *const up = IN_SLICE("a", "s.slice", "/odd/a") "echo\n" IN_SLICE("b", "s.slice", "/odd/b");
    const char *const down = IN_SLICE("a", "s.slice", "") "echo\n" IN_SLICE("b", "t.slice", "");

    strcpy(f->units.root, "");
    assert_int_equal(look(f, up), BW_OK);
    assert_int_equal(look(f, down), BW_OK);
    assert_string_equal(f->units.units[0].cgroup, "/odd/a");
    assert_string_equal(f->units.units[1].cgroup, "/t.slice/b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(units_are_down_only_when_all_are_seen_down),
        TEST(a_unit_that_systemd_has_a_job_for_is_not_down),
        TEST(what_is_on_its_way_is_not_what_is_up),
        TEST(answer_that_is_not_understood_never_counts_as_down),
        TEST(systemctl_that_hangs_is_a_timeout_and_not_waited_for),
        TEST(error_of_systemctl_is_passed_on_in_its_words),
        TEST(signal_goes_to_all_units_by_name_and_one_call_at_a_time),
        TEST(names_that_are_no_units_are_refused),
        TEST(inactive_unit_with_processes_is_up_until_they_are_killed),
        TEST(what_runs_in_a_unit_may_be_newer_than_the_look),
        TEST(which_start_of_a_unit_a_look_has_told_of_is_known),
        TEST(what_comes_again_after_an_order_is_told_too),
        TEST(a_unit_that_was_never_up_is_known_by_its_slice),
        TEST(where_a_unit_was_seen_up_counts_until_its_slice_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
