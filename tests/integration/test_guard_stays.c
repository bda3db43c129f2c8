/* breakwater guard: what may stay where starts run once a stop has ended. The real program. Design 3.2.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guard_rig.h"
#include "lacking.h"
#include "steps_world.h"

#define TTL_MS 60000

#define HERE "#!/bin/sh\ncd \"${0%/*}\"\n"
/* What a stop starts is told by its start time, which /proc gives in hundredths of a second. */
#define LATER            "sleep 0.05\n"
#define AWAIT_FILE(name) "while [ ! -s " name " ]; do sleep 0.01; done\n"

static void begin(struct rig *rig)
{
    (void)rig_serve(rig, TTL_MS, FENCE_MS);
    if (rig_has(rig, "log", "event=reach.by_scan"))
        skip_lacking("cgroups");
}

/* As what keeps a service alive does: it forks another while the stop script runs, and ends too late. */
static void assert_newborn_is_ended(struct rig *rig, bool enters)
{
    char as[512] = "";

    if (enters)
        (void)snprintf(as, sizeof as, "%s/breakwater enter g -c site.yaml --", getenv("BREAKWATER_BUILD"));
    rig_put(rig, "as", 0644, as);
    rig_put(rig, "keeper.sh", 0755,
            HERE "sh service.sh &\n"
                 "while [ ! -e stopping ]; do sleep 0.01; done\n"
                 "setsid sh -c 'echo $$ >newborn.new; mv newborn.new newborn; exec sleep 600' "
                 "</dev/null >/dev/null 2>&1 &\n"
                 "wait\n");
    rig_put(rig, "start.sh", 0755,
            HERE "setsid $(cat as) ./keeper.sh </dev/null >enter.out 2>&1 &\necho $! >keeper\n" AWAIT_FILE("beats"));
    rig_put(rig, "stop.sh", 0755,
            HERE ": >stopping\n" AWAIT_FILE("newborn") "read -r keeper <keeper\nkill -KILL \"$keeper\"\n"
                 "read -r pid begun <pid\nkill -KILL \"$pid\"\nexit 0\n");
    begin(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_false(is_alive(rig, "newborn"));
}

static void what_the_left_of_a_start_forks_after_a_stop_began_is_ended(void **state)
{
    assert_newborn_is_ended(*state, false);
}

static void so_is_what_is_forked_by_who_entered(void **state)
{
    assert_newborn_is_ended(*state, true);
}

/* A server that follows, as one stop has left it, is told to lead by the next start, where it runs. */
static void so_is_what_is_forked_by_who_was_promoted_where_it_ran(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "keeper.sh", 0755,
            HERE "echo $$ >\"$BREAKWATER_CGROUP/cgroup.procs\"\necho $$ >keeper\n" AWAIT_FILE("stopping")
                 "setsid sh -c 'echo $$ >newborn.new; mv newborn.new newborn; exec sleep 600' "
                 "</dev/null >/dev/null 2>&1 &\n"
                 "wait\n");
    rig_put(rig, "start.sh", 0755, HERE ": >serves\n");
    rig_put(rig, "status.sh", 0755, HERE "[ -e serves ] && echo started || echo stopped\n");
    rig_put(rig, "stop.sh", 0755,
            HERE "rm -f serves\n" LATER
                 "if [ ! -s keeper ]; then\n"
                 "    setsid ./keeper.sh </dev/null >/dev/null 2>&1 &\n" AWAIT_FILE("keeper") "exit 0\nfi\n"
                 "echo yes >stopping\n" AWAIT_FILE("newborn") "read -r keeper <keeper\nkill -KILL \"$keeper\"\n"
                 "while kill -0 \"$keeper\" 2>/dev/null; do sleep 0.01; done\nexit 0\n");
    rig_guard_start(rig);
    rig_greet(rig);
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        (void)rig_arm(&rig->agent, epoch, TTL_MS, FENCE_MS);
        rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, (unsigned)epoch);
        if (rig_has(rig, "log", "event=reach.by_scan"))
            skip_lacking("cgroups");
        assert_int_equal(rig_run(&rig->agent, epoch, BW_ACTION_START).result, BW_RUN_OK);
        assert_int_equal(rig_run(&rig->agent, epoch, BW_ACTION_STOP).result, BW_RUN_OK);
        if (epoch == 2)
            break;
        assert_true(is_alive(rig, "keeper"));
        rig_send(&rig->agent, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_END, .epoch = epoch, .group = "g"});
        rig_wait(&rig->agent, BW_GUARD_MESSAGE_EPOCH_ENDED, 1);
    }

    assert_false(is_alive(rig, "newborn"));
}

/* What follows another site from now on: a stop starts it, elsewhere than a start would. */
static void put_what_follows(const struct rig *rig)
{
    rig_put(rig, "follow.sh", 0755,
            HERE "echo $$ >\"$BREAKWATER_CGROUP/cgroup.procs\"\necho $$ >follows\n"
                 "setsid sleep 600 &\necho $! >its_child\nwait\n");
    rig_put(rig, "stop.sh", 0755,
            HERE LATER "setsid ./follow.sh </dev/null >/dev/null 2>&1 &\n" AWAIT_FILE("its_child")
                 "read -r pid begun <pid\nkill -KILL \"-$pid\"\n" /* with its children */
                 "while kill -0 \"-$pid\" 2>/dev/null; do sleep 0.01; done\nexit 0\n");
}

static void what_a_stop_has_put_into_its_cgroup_stays(void **state)
{
    struct rig *rig = *state;

    put_what_follows(rig);
    begin(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_true(is_alive(rig, "follows"));
    assert_true(is_alive(rig, "its_child"));
}

/* 3.3: it begins and ends nothing at its own site. Nobody would start again what follows there. */
static void assert_stays_beside_remote_fence(struct rig *rig, int signal)
{
    FILE *file = fopen(rig_path(rig, "site.yaml"), "a");

    assert_non_null(file);
    assert_true(fprintf(file, "    remote_fence_script: remote.sh\n    remote_fence_timeout: 600s\n") > 0);
    assert_int_equal(fclose(file), 0);
    rig_put(rig, "remote.sh", 0755,
            HERE "setsid sleep 600 </dev/null >/dev/null 2>&1 &\necho $! >its_far\necho $$ >fences\nexec sleep 600\n");
    put_what_follows(rig);
    begin(rig);
    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);
    rig_send(&rig->agent, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_END, .epoch = 1, .group = "g"});
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_EPOCH_ENDED, 1);
    rig_order(&rig->agent, 2, BW_ACTION_REMOTE_FENCE);
    wait_for_text(rig, "fences", "\n");
    assert_true(is_alive(rig, "fences"));

    (void)rig_guard_end(rig, signal);
    rig_guard_start(rig);
    rig_greet(rig);

    assert_false(is_alive(rig, "fences"));
    assert_false(is_alive(rig, "its_far"));
    assert_true(is_alive(rig, "follows"));
    assert_true(is_alive(rig, "its_child"));
}

static void what_follows_outlives_a_guard_that_was_killed_while_it_fenced_another_site(void **state)
{
    assert_stays_beside_remote_fence(*state, SIGKILL);
}

static void so_it_does_where_that_guard_was_told_to_end(void **state)
{
    assert_stays_beside_remote_fence(*state, SIGTERM);
}

/* All that is there gets TERM then, and the script, which runs again, starts anew what is to stay. */
static void what_is_to_stay_is_started_anew_once_what_a_start_left_is_ended(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "start.sh", 0755,
            HERE "setsid sh service.sh </dev/null >/dev/null 2>&1 &\n"
                 "setsid sleep 600 </dev/null >/dev/null 2>&1 &\necho $! >left\n" AWAIT_FILE("beats"));
    rig_put(rig, "follow.sh", 0755,
            HERE "echo $$ >\"$BREAKWATER_CGROUP/cgroup.procs\"\necho $$ >follows\nexec sleep 600\n");
    rig_put(rig, "stop.sh", 0755,
            HERE LATER "rm -f follows; setsid ./follow.sh </dev/null >/dev/null 2>&1 &\n" AWAIT_FILE("follows")
                 "exec ./fence.sh\n");
    begin(rig);

    assert_int_equal(rig_run(&rig->agent, 1, BW_ACTION_STOP).result, BW_RUN_OK);

    assert_false(is_alive(rig, "left"));
    assert_true(is_alive(rig, "follows"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_left_of_a_start_forks_after_a_stop_began_is_ended),
        TEST(so_is_what_is_forked_by_who_entered),
        TEST(so_is_what_is_forked_by_who_was_promoted_where_it_ran),
        TEST(what_a_stop_has_put_into_its_cgroup_stays),
        TEST(what_follows_outlives_a_guard_that_was_killed_while_it_fenced_another_site),
        TEST(so_it_does_where_that_guard_was_told_to_end),
        TEST(what_is_to_stay_is_started_anew_once_what_a_start_left_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
