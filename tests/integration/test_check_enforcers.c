/* breakwater check: what it says of sites that only another machine can end, and of second
 * enforcers (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "check_files.h"

static const char remote_text[] =
    "cluster: prod\nsite: %s\nname: agent-1\nstate_dir: state\n"
    "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n%s"
    "groups:\n  - name: harbor\n    started_by: external\n    stop_method: remote\n"
    "    status_script: look.sh\n    stop_script: run.sh\n%s";

static void put_remote(const char *file, const char *site, const char *second, const char *scripts)
{
    char text[2048];

    (void)snprintf(text, sizeof text, remote_text, site, second, scripts);
    put(file, 0644, text);
}

/* 3.4: of a service that outlives its guard's machine a person is told once who else could end it.
 */
static void a_site_that_would_wait_for_a_person_is_said_once_with_both_ways(void **state)
{
    static const char *const fence = "    fence_script: run.sh\n";
    static const char *const both = "    fence_script: run.sh\n    remote_fence_script: far.sh\n";
    static const char *const listen = "second_enforcer: {listen: \"0.0.0.0:7402\"}\n";
    const char *first;

    (void)state;
    put_remote("remote-a.yaml", "dc-a", "", fence);
    put_remote("remote-b.yaml", "dc-b", "", fence);
    (void)check("--offline remote-a.yaml remote-b.yaml groups.yaml");
    first = strstr(output, "stop_method is remote");
    assert_non_null(first);
    assert_null(strstr(first + 1, "stop_method is remote"));

    put_remote("remote-a.yaml", "dc-a", listen, fence); /* the other one waits still */
    (void)check("--offline remote-a.yaml remote-b.yaml groups.yaml");
    assert_says("at dc-b: stop_method is remote");
    put_remote("remote-b.yaml", "dc-b", listen, fence);
    (void)check("--offline remote-a.yaml remote-b.yaml groups.yaml");
    assert_null(strstr(output, "stop_method is remote"));

    put_remote("remote-a.yaml", "dc-a", "", both);
    put_remote("remote-b.yaml", "dc-b", "", both);
    (void)check("--offline remote-a.yaml remote-b.yaml groups.yaml");
    assert_null(strstr(output, "stop_method is remote"));
    put("never.yaml", 0644, /* who is no candidate is asked for no fence */
        "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b, failover_candidate: false}]\n    lease_ttl: 20s\n");
    (void)check("--offline remote-a.yaml remote-b.yaml never.yaml");
    assert_says("at dc-a: stop_method is remote");
}

/* 3.4: where it must not run, what it has to have, and that its file is its own. */
static void a_file_of_a_second_enforcer_is_judged_as_one(void **state)
{
    (void)state;
    put_remote("second.yaml", "dc-a", "second_enforcer: {agent: \"a.example.net:7402\"}\n",
               "    fence_script: run.sh\n");
    assert_int_equal(check("--offline second.yaml"), 0);
    assert_says("ok     second.yaml         second enforcer agent-1 of site dc-a asks the agent at "
                "a.example.net:7402: it must not run on that agent's machine, with which it would "
                "be lost\n");

    put_remote("second.yaml", "dc-a",
               "second_enforcer: {agent: \"127.0.0.1:7402\", listen: \"127.0.0.1:7402\"}\n",
               "    fence_script: run.sh\n");
    assert_int_equal(check("--offline second.yaml"), 0);
    assert_says("WARN   second.yaml         second enforcer agent-1 of site dc-a asks the agent at "
                "127.0.0.1:7402, on "
                "its own machine");
    assert_says("the second enforcer needs a file of its own");

    put("second.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: second-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
        "second_enforcer: {agent: \"a.example.net:7402\"}\n"
        "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: look.sh\n    "
        "start_script: run.sh\n"
        "    stop_script: stop.sh\n");
    assert_int_equal(check("--offline second.yaml"), 1);
    assert_says("FAIL   harbor              a second enforcer has only fence_script, and there is "
                "none: it does not "
                "start with this file\n");
}

/* 5.4: it refuses with 78 what others can change, wherever its file has it. */
static void what_others_can_change_of_a_second_enforcer_fails(void **state)
{
    (void)state;
    put_remote("second.yaml", "dc-a", "run_dir: run\nsecond_enforcer: {agent: \"192.0.2.1:7402\"}\n",
               "    fence_script: run.sh\n");
    assert_int_equal(system("mkdir -p -m 700 state/second run/dc-a-second && : >state/second/lock"), 0);
    assert_int_equal(chmod("run", 0700), 0);
    assert_int_equal(check("second.yaml"), 0);

    assert_int_equal(chmod("state/second/lock", 0666), 0);
    assert_int_equal(chmod("run/dc-a-second", 0777), 0);
    assert_int_equal(check("second.yaml"), 1);

    assert_says("FAIL   state directory     ");
    assert_says("/state/second/lock has mode 0666");
    assert_says("FAIL   run directory       ");
    assert_says("/run/dc-a-second has mode 0777");
    assert_int_equal(check("site.yaml"), 0); /* an agent reads none of it */
    assert_int_equal(system("rm -r state/second run"), 0);
}

static void an_address_that_nobody_can_dial_fails(void **state)
{
    static const char *const agents[] = {"0.0.0.0:7402", "[::]:7402"};

    (void)state;
    for (size_t i = 0; i < sizeof agents / sizeof agents[0]; i++) {
        char second[128];

        (void)snprintf(second, sizeof second, "second_enforcer: {agent: \"%s\"}\n", agents[i]);
        put_remote("second.yaml", "dc-a", second, "    fence_script: run.sh\n");
        assert_int_equal(check("--offline second.yaml"), 1);
        assert_says("FAIL   second.yaml         second_enforcer.agent: ");
        assert_says(agents[i]);
        assert_says("write the one by which this machine reaches the agent's");
    }
}

static const char second_text[] =
    "cluster: prod\nsite: dc-a\nname: second-1\nstate_dir: state2\n"
    "tls: {ca: pki/ca.pem, identity: second.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
    "second_enforcer: {agent: \"a.example.net:7402\"}\n"
    "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: %s\n"
    "    start_script: act.sh\n    stop_script: run.sh\n    fence_script: %s\n%s";

static void put_second(const char *status, const char *fence, const char *env)
{
    char text[2048];

    (void)snprintf(text, sizeof text, second_text, status, fence, env);
    put("second.yaml", 0644, text);
}

static void put_guards(const char *env)
{
    char text[2048];

    (void)snprintf(text, sizeof text, "%s%s", site_text, env);
    put("first.yaml", 0644, text);
}

/* 3.4: it looks at the same service as its guard, and would end the same. */
static void a_second_enforcer_is_held_against_its_guard(void **state)
{
    static const char *const env = "    env: {PLACE: here, KEPT: \"1\"}\n";

    (void)state;
    issue("agent/dc-a/second-1", "second.pem", 90);
    put_guards(env);
    put_second("look.sh", "run.sh", env);
    assert_int_equal(check("--offline first.yaml second.yaml"), 0);
    assert_says("ok     second.yaml         its second enforcer second-1 looks and fences as "
                "first.yaml says\n");

    put_second("look.sh", "run.sh", "    env: {PLACE: there, MORE: \"1\"}\n");
    assert_int_equal(check("--offline second.yaml first.yaml"), 0);
    assert_says(
        "WARN   harbor              env of second enforcer second-1 differs from its guard's "
        "in PLACE, KEPT, MORE: ");

    put("other.sh", 0755, "#!/bin/sh\n# other\n");
    put_second("look.sh", "other.sh", env);
    assert_int_equal(check("--offline first.yaml second.yaml"), 0);
    assert_says("WARN   harbor              fence_script of second enforcer second-1 is ");
    assert_says("it has to end the same service; give both the same script, or make sure\n");
    (void)check("first.yaml second.yaml");
    assert_says("run.sh, of other bytes: it has to end the same service");

    put("other.sh", 0755, "#!/bin/sh\n");
    (void)check("first.yaml second.yaml");
    assert_null(strstr(output, "of other bytes"));
    assert_says("looks and fences as first.yaml says\n");
}

/* 3.3: nothing that it does makes an end by time. */
static void a_second_enforcer_beside_a_time_that_never_hands_over_is_said_once(void **state)
{
    static const char *const listen = "second_enforcer: {listen: \"0.0.0.0:7402\"}\n";
    const char *first;

    (void)state;
    put("fenced.yaml", 0644,
        "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b}]\n    lease_ttl: 20s\n"
        "    handover_by_time: never\n");
    put_remote("remote-a.yaml", "dc-a", listen, "    fence_script: run.sh\n");
    put_remote("remote-b.yaml", "dc-b", listen, "    fence_script: run.sh\n");
    (void)check("--offline remote-a.yaml remote-b.yaml fenced.yaml");
    assert_says(
        "WARN   harbor              at dc-a: there is a second enforcer, and handover_by_time is "
        "never: it ends what a lost site left behind, but time hands the group over to nobody");
    first = strstr(output, "handover_by_time is never");
    assert_null(strstr(first + 1, "handover_by_time is never"));
    (void)check("--offline remote-a.yaml remote-b.yaml groups.yaml");
    assert_null(strstr(output, "handover_by_time is"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_that_would_wait_for_a_person_is_said_once_with_both_ways),
        cmocka_unit_test(a_file_of_a_second_enforcer_is_judged_as_one),
        cmocka_unit_test(what_others_can_change_of_a_second_enforcer_fails),
        cmocka_unit_test(an_address_that_nobody_can_dial_fails),
        cmocka_unit_test(a_second_enforcer_is_held_against_its_guard),
        cmocka_unit_test(a_second_enforcer_beside_a_time_that_never_hands_over_is_said_once),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
