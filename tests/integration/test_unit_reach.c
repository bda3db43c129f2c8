/* unit_reach: units are ended only when a look that began after the KILL has seen them down (3.4).
 * systemctl is a script of the test. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/unit_reach.h>

#include "janitor.h"
#include "lacking.h"

struct fixture {
    char dir[64];
    char systemctl[80];
    uv_loop_t loop;
    struct bw_script_runner runner;
    struct bw_unit_reach reach;
    unsigned looked_count, killed_count;
    enum bw_err looked, killed;
    char killed_text[768];
};

static void on_looked(enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct fixture *f = user;

    (void)diag;
    f->looked_count++;
    f->looked = err;
}

static void on_killed(enum bw_err err, const struct bw_diag *diag, void *user)
{
    struct fixture *f = user;

    f->killed_count++;
    f->killed = err;
    (void)snprintf(f->killed_text, sizeof f->killed_text, "%s", diag->text);
}

/* `show` is the shell text that answers; $n is how often it was asked before. */
static void answer(struct fixture *f, const char *show)
{
    FILE *out = fopen(f->systemctl, "w");

    assert_non_null(out);
    assert_true(fprintf(out,
                        "#!/bin/sh\ncd %s\nn=$(cat asked 2>/dev/null || echo 0)\n"
                        "echo $((n + 1)) >asked\n%s\n",
                        f->dir, show) > 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(f->systemctl, 0755), 0);
}

static int set_up(void **state)
{
    static const char *const names[] = {"db.service"};
    static const struct bw_unit_reach_events events = {on_looked, on_killed};
    static struct fixture f;
    struct bw_diag diag = {0};

    f = (struct fixture){.dir = "/tmp/bw-unit-reach-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    janitor_add_dir(f.dir);
    (void)snprintf(f.systemctl, sizeof f.systemctl, "%s/systemctl", f.dir);
    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(bw_script_runner_init(&f.runner, &f.loop, false, &diag), BW_OK);
    answer(&f, "exit 1");
    assert_int_equal(bw_unit_reach_init(&f.reach, &f.loop, &f.runner, BW_UNITS_OF_SYSTEMD, names, 1,
                                        f.systemctl, &events, &f, &diag),
                     BW_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    bw_unit_reach_close(&f->reach);
    bw_script_runner_close(&f->runner, NULL, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    janitor_remove_dir(f->dir);
    janitor_forget(f->dir);
    return 0;
}

static void wait_for(struct fixture *f, const unsigned *count)
{
    while (*count == 0)
        assert_int_not_equal(uv_run(&f->loop, UV_RUN_ONCE), 0); /* 0: nothing is left to wait for */
}

#define SAY(load, active) "echo LoadState=" load "; echo ActiveState=" active "; echo ControlGroup="

static void a_look_is_fine_only_when_every_unit_is_known(void **state)
{
    struct fixture *f = *state;

    answer(f, SAY("loaded", "inactive"));
    bw_unit_reach_look(&f->reach);
    wait_for(f, &f->looked_count);
    assert_int_equal(f->looked, BW_OK);
    answer(f, SAY("not-found", "inactive"));
    f->looked_count = 0;
    bw_unit_reach_look(&f->reach);
    wait_for(f, &f->looked_count);

    assert_int_not_equal(f->looked, BW_OK);
    assert_int_equal(f->killed_count, 0);
}

static void a_kill_goes_on_until_the_units_are_seen_down(void **state)
{
    struct fixture *f = *state;

    answer(f, "[ $n -lt 3 ] && s=active || s=inactive\n" SAY("loaded", "$s"));

    bw_unit_reach_kill(&f->reach);
    assert_int_equal(f->killed_count, 0);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->killed, BW_OK);
    assert_int_equal(f->looked_count, 0); /* nobody asked for that */
}

static void units_that_stay_up_are_a_failure(void **state)
{
    struct fixture *f = *state;

    answer(f, SAY("loaded", "active"));
    bw_unit_reach_kill(&f->reach);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->killed, BW_ERR_TIMEOUT);
}

/* 3.2.4, "seen": what was true before the KILL says nothing. */
static void a_look_from_before_the_kill_is_not_believed(void **state)
{
    struct fixture *f = *state;

    answer(f, "[ $n -eq 0 ] && { sleep 0.2; s=inactive; } || s=active\n" SAY("loaded", "$s"));
    bw_unit_reach_look(&f->reach);
    bw_unit_reach_kill(&f->reach);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->looked_count, 1);
    assert_int_equal(f->looked, BW_OK);
    assert_int_equal(f->killed, BW_ERR_TIMEOUT);
}

/* A tool that waits for a disk is ended by no signal, and a fence waits for this answer. */
static void a_look_that_does_not_end_holds_up_no_answer(void **state)
{
    struct fixture *f = *state;

    answer(f, "sleep 600\n");
    f->reach.units.limit_ns = 2 * BW_UNIT_REACH_KILL_NS;
    bw_unit_reach_look(&f->reach);
    bw_unit_reach_kill(&f->reach);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->looked_count, 0);
    assert_int_equal(f->killed, BW_ERR_TIMEOUT);
    assert_string_equal(f->killed_text, "systemd has not answered since the KILL");
}

/* The look that was asked for while another was at work begins after the KILL: its answer is one, though it comes
 * after the time that units have to go down. */
static void a_manager_that_takes_its_time_is_waited_for(void **state)
{
    struct fixture *f = *state;

    answer(f, "sleep 1.2\n" SAY("loaded", "inactive"));
    bw_unit_reach_look(&f->reach);
    bw_unit_reach_look(&f->reach);
    bw_unit_reach_kill(&f->reach);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->killed, BW_OK);
}

/* There is no process that a KILL could end: the order itself is. By its number, once it is known. */
static void what_systemd_holds_is_taken_back_by_the_kill(void **state)
{
    struct fixture *f = *state;

    answer(f, "echo \"$*\" >>called\n"
              "[ \"$*\" = 'cancel -- 4711' ] && { : >canceled; exit; }\n"
              "[ -e canceled ] && j= || j=4711\n" SAY("loaded", "inactive") "; echo Job=$j");
    bw_unit_reach_kill(&f->reach);
    wait_for(f, &f->killed_count);

    assert_int_equal(f->killed, BW_OK);
}

/* Without one nothing is called; and of a unit that is up it may be the stop that ends it. */
static void what_is_up_is_not_taken_back(void **state)
{
    struct fixture *f = *state;

    answer(f, "[ \"$1\" = cancel ] && : >canceled\n" SAY("loaded", "deactivating") "; echo Job=4711");
    bw_unit_reach_look(&f->reach);
    wait_for(f, &f->looked_count);
    bw_unit_reach_cancel(&f->reach);

    assert_null(f->reach.units.cancel.run);
}

/* Each status asks: a systemd that is away for hours is one line for people, not one for each. */
static void what_cannot_be_seen_is_news_once(void **state)
{
    struct fixture *f = *state;
    struct bw_diag away = {0};
    struct bw_diag other = {0};

    (void)!bw_diag_set(&away, BW_ERR_IO, "systemctl: away");
    (void)!bw_diag_set(&other, BW_ERR_TIMEOUT, "systemctl: hangs");
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_OK, &away), BW_UNITS_NO_NEWS);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_ERR_IO, &away), BW_UNITS_UNSEEN);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_ERR_IO, &away), BW_UNITS_NO_NEWS);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_ERR_TIMEOUT, &other), BW_UNITS_UNSEEN);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_OK, &away), BW_UNITS_SEEN_AGAIN);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_OK, &away), BW_UNITS_NO_NEWS);
    assert_int_equal(bw_unit_reach_news(&f->reach, BW_ERR_TIMEOUT, &other), BW_UNITS_UNSEEN);
}

/* 3.4: a start may take minutes, and what ends its unit has to know the cgroup that the unit came up in. */
static void while_one_begins_it_is_looked_at_again_and_again(void **state)
{
    struct fixture *f = *state;

    answer(f, "[ $n -lt 3 ] && s=inactive || s=active\n" SAY("loaded", "$s") "/x");
    bw_unit_reach_watch(&f->reach, true);
    while (f->reach.units.units[0].activity != BW_UNIT_UP) {
        assert_true(f->reach.again.is_set || bw_unit_reach_is_looking(&f->reach)); /* it goes on */
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }

    bw_unit_reach_watch(&f->reach, false);
    f->looked_count = 0;
    bw_unit_reach_look(&f->reach);
    wait_for(f, &f->looked_count);
    assert_false(f->reach.again.is_set);
}

/* What was seen before a start had ended says nothing of what runs after it. */
static void a_look_begins_after_it_was_asked_for(void **state)
{
    struct fixture *f = *state;

    answer(f, "[ $n -eq 0 ] && { sleep 0.2; s=inactive; } || s=active\n" SAY("loaded", "$s") "/x");
    bw_unit_reach_look(&f->reach);
    bw_unit_reach_look(&f->reach);
    wait_for(f, &f->looked_count);
    assert_true(bw_unit_reach_is_looking(&f->reach));
    assert_true(bw_units_are_down(&f->reach.units));

    f->looked_count = 0;
    wait_for(f, &f->looked_count);
    assert_false(bw_unit_reach_is_looking(&f->reach));
    assert_false(bw_units_are_down(&f->reach.units));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_look_is_fine_only_when_every_unit_is_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_kill_goes_on_until_the_units_are_seen_down, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_systemd_holds_is_taken_back_by_the_kill, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_up_is_not_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_seen_is_news_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(while_one_begins_it_is_looked_at_again_and_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_look_begins_after_it_was_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(units_that_stay_up_are_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_manager_that_takes_its_time_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_look_that_does_not_end_holds_up_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_look_from_before_the_kill_is_not_believed, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
