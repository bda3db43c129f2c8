/* The agent as a program whose guard hangs, is killed or does not fence: it does that itself (3.2.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#include "agent_life.h"

static bool is_fenced(const struct agent_world *world)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/fenced", world->dir);
    return access(path, F_OK) == 0;
}

static bool has_fenced_well(const struct agent_world *world)
{
    return agent_world_log_has(world, "by=agent ok=yes");
}

/* The fence has 4 s for what takes milliseconds. */
static void serve_shortly(struct agent_world *world)
{
    world->ttl_ms = 9000;
    world->fence_ms = 4000;
    serve(world);
}

/* I1, 3.4: without its guard a site renews no more, fences itself before D, gives back after D. */
static void without_its_guard_the_agent_fences_by_itself(void **state)
{
    struct agent_world *world = *state;
    struct bw_instant fenced;
    uint64_t renewals;

    serve_shortly(world);
    agent_world_guard_listen(world, false);
    renewals = world->renewals;
    agent_world_until(world, is_fenced, "it fences");
    fenced = bw_clock_now();
    agent_world_until(world, reports_given_back, "it gives the epoch back");

    assert_false(bw_instant_right_is_over(fenced, world->arm.end));
    assert_true(bw_instant_wait_is_over(bw_clock_now(), world->arm.end));
    assert_true(world->renewals <= renewals + 2 * AGENT_WORLD_WITNESSES); /* on their way */
    assert_true(has_fenced_well(world));
}

static bool had_variable(const struct agent_world *world, const char *name, const char *value)
{
    char path[128];
    char wanted[640];
    char line[640];
    bool has = false;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/fence.env", world->dir);
    (void)snprintf(wanted, sizeof wanted, "%s=%s\n", name, value);
    in = fopen(path, "r");
    assert_non_null(in);
    while (!has && fgets(line, sizeof line, in) != NULL)
        has = strcmp(line, wanted) == 0;
    (void)fclose(in); /* only read from */
    return has;
}

/* 5.1: a fence script can rely on what its page promises, whoever runs it. */
static void its_own_fence_is_told_what_that_of_a_guard_is_told(void **state)
{
    struct agent_world *world = *state;
    char tag[BW_REACH_TAG_BYTES];
    struct bw_reach reach;

    agent_world_configure(world, "    env: {HARBOR_PORT: \"7\"}\n");
    serve_shortly(world);
    agent_world_guard_listen(world, false);
    agent_world_until(world, is_fenced, "it fences");

    assert_true(had_variable(world, "BREAKWATER_GROUP", "harbor"));
    assert_true(had_variable(world, "BREAKWATER_SITE", world->site));
    assert_true(had_variable(world, "BREAKWATER_EPOCH", "1"));
    assert_true(had_variable(world, "BREAKWATER_REASON", "lease_lost"));
    assert_true(had_variable(world, "BREAKWATER_PLANNED", "false"));
    assert_true(had_variable(world, "HARBOR_PORT", "7"));
    bw_reach_tag("prod", world->site, tag);
    assert_int_equal(bw_reach_open(&reach, tag, "harbor", false, NULL), BW_OK);
    if (reach.means == BW_REACH_BY_CGROUP) /* the guard's, in which the service runs */
        assert_true(had_variable(world, "BREAKWATER_CGROUP", reach.slots[BW_REACH_SERVICE].path));
    bw_reach_close(&reach);
}

/* I1, 3.4 (H6): whatever it thinks of its guard, it fences when no fence_ended(e, ok) was read. */
static void with_a_guard_that_does_not_fence_the_agent_does(void **state)
{
    struct agent_world *world = *state;
    struct bw_instant fenced;

    serve_shortly(world);
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++)
        agent_world_set_reachable(world, i, false);
    agent_world_until(world, is_fenced, "it fences");
    fenced = bw_clock_now();
    agent_world_until(world, has_fenced_well, "it saw that nothing serves");

    assert_false(bw_instant_right_is_over(fenced, world->arm.end));
}

/* It answers until there is a file that says otherwise. */
static void play_docker(struct agent_world *world)
{
    static char enforce[192];
    char path[128];
    FILE *tool;

    (void)snprintf(enforce, sizeof enforce, "containers\n    containers: [harbor]\n    container_tool: %s/docker.sh",
                   world->dir);
    (void)snprintf(path, sizeof path, "%s/docker.sh", world->dir);
    tool = fopen(path, "w");
    assert_non_null(tool);
    assert_true(fprintf(tool, "#!/bin/sh\n[ ! -e %s/hangs ] || sleep 60\n", world->dir) > 0);
    assert_int_equal(fchmod(fileno(tool), 0755), 0);
    assert_int_equal(fclose(tool), 0);
    world->enforce = enforce;
    world->guard.reach = BW_REACH_CONTAINERS;
    agent_world_configure(world, NULL);
}

/* 3.2.4: what Docker has in hand no look shows, and one that hangs holds up no end. */
static void docker_that_hangs_holds_up_no_end(void **state)
{
    struct agent_world *world = *state;
    char path[128];

    play_docker(world);
    serve_shortly(world);
    (void)snprintf(path, sizeof path, "%s/hangs", world->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    agent_world_guard_listen(world, false);
    agent_world_until(world, is_fenced, "it fences");
    agent_world_until(world, has_fenced_well, "it saw that nothing serves");
    agent_world_until(world, reports_given_back, "it gives the epoch back");

    assert_false(agent_world_log_has(world, "signal=KILL by=agent"));
}

static bool has_synced_without_guard(const struct agent_world *world)
{
    return world->sync_count > 30 && world->order.kind == BW_ORDER_RUN;
}

static void a_guard_that_does_not_answer_hello_is_no_guard(void **state)
{
    struct agent_world *world = *state;

    world->guard_is_deaf = true;
    agent_world_start_agent(world);
    agent_world_until(world, has_exchanged, "it hears the leader");
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, has_synced_without_guard, "it reports");

    assert_false(world->group.report.guard_alive);
    assert_int_equal(world->renewals, 0);
    assert_true(world->hellos >= 1);
}

static bool has_greeted_eight_times(const struct agent_world *world)
{
    return world->hellos >= 8;
}

/* 3.7: two agents of one site throw each other off, and not faster and faster. */
static void an_agent_that_is_thrown_off_again_and_again_waits_longer(void **state)
{
    struct agent_world *world = *state;
    struct bw_instant first;

    world->guard_throws = true;
    agent_world_start_agent(world);
    agent_world_until(world, has_exchanged, "it hears the leader");
    first = bw_clock_now();
    agent_world_until(world, has_greeted_eight_times, "it comes back");

    /* 50 ms, doubled each time up to a second */
    assert_true(bw_instant_elapsed_ns(bw_clock_now(), first) >= 2000 * BW_NS_PER_MS);
}

/* 3.4: no `armed` within request_timeout: no renewals until the guard is back. */
static void a_guard_that_does_not_answer_an_arm_is_no_guard(void **state)
{
    struct agent_world *world = *state;

    start_standing_by(world);
    world->guard_is_mute = true;
    agent_world_order(world, BW_ORDER_RUN, 1);
    agent_world_until(world, is_armed, "it asks the guard to arm");
    agent_world_until(world, reports_no_guard, "it reports that there is no guard");

    assert_int_equal(world->group.renew_epoch, 0);
    assert_int_equal(world->runs[BW_ACTION_START], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_agent_that_is_thrown_off_again_and_again_waits_longer,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_own_fence_is_told_what_that_of_a_guard_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_its_guard_the_agent_fences_by_itself, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(with_a_guard_that_does_not_fence_the_agent_does, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(docker_that_hangs_holds_up_no_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_guard_that_does_not_answer_hello_is_no_guard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_guard_that_does_not_answer_an_arm_is_no_guard, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
