/* breakwater check: the real program on real files, certificates and directories. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include "check_files.h"
#include "faults.h"

static void good_files_pass_with_their_numbers(void **state)
{
    (void)state;

    const int status = check("site.yaml groups.yaml cli.yaml");

    assert_int_equal(status, 0);
    assert_says("ok     site.yaml           agent and guard of site dc-a, 1 group, 3 witnesses\n");
    assert_says("ok     certificate         breakwater://prod/agent/dc-a/agent-1, ");
    assert_says("state directory");
    assert_says("/state: fsync ");
    assert_says("lease_ttl 20s, needed 13s (with election_timeout 1s); round trips of up to 500ms\n");
    assert_says("fence_timeout of the site = 3s, TERM comes 3s333ms after a fence began "
                "(fence_window of the group = 5s)\n");
    assert_says("breakwater://prod/operator/anna");
    assert_says("0 failed, ");
    assert_int_not_equal(access("state", F_OK), -1);
    assert_int_equal(rmdir("state"), 0); /* nothing was left behind */
    assert_int_equal(mkdir("state", 0700), 0);
}

/* In which `witness init`, and `snapshot restore`, want nothing: not even of one that was ended in its middle, here by
 * what it may write. */
static void one_that_is_ended_leaves_nothing_behind(void **state)
{
    (void)state;

    const int status = system("ulimit -f 0; exec \"$BREAKWATER_BUILD/breakwater\" check site.yaml >/dev/null 2>&1");

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_int_equal(rmdir("state"), 0);
    assert_int_equal(mkdir("state", 0700), 0);
}

/* In a container each run may have the same number as the one that was killed. */
static void what_one_of_the_same_number_has_left_is_no_fault_of_the_directory(void **state)
{
    (void)state;

    const int status = system("touch state/.check-$$; exec \"$BREAKWATER_BUILD/breakwater\" check site.yaml >/dev/null 2>&1");

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(rmdir("state"), 0); /* it is gone, too */
    assert_int_equal(mkdir("state", 0700), 0);
}

static void groups_are_judged_by_the_witness_files_election_timeout(void **state)
{
    (void)state;

    const int status = check("groups.yaml witness.yaml");

    assert_int_equal(status, 0);
    assert_says("needed 17s (with election_timeout 2s); round trips of up to 500ms\n");
    assert_says("WARN   certificate         breakwater://prod/witness/w1, ");
    assert_int_equal(check("--election-timeout 5s groups.yaml"), 1);
    assert_says("groups.yaml:4:16: error: groups[0].lease_ttl: ");
    assert_says("4*election_timeout 5s");
}

/* It would begin, and nobody who dials it would speak with it. */
static void a_witnesss_certificate_must_name_where_it_is_dialed(void **state)
{
    (void)state;
    issue_named("witness/w1", "w1.pem", 90, "dns:w2");

    const int status = check("witness.yaml");

    issue_named("witness/w1", "w1.pem", 10, "dns:w1");
    assert_int_equal(status, 1);
    assert_says("w1.pem: the certificate does not name w1, at which ");
    assert_says("issue it with: breakwater pki issue witness/w1 --dir DIR --san dns:w1\n");
}

static void the_certificate_must_be_this_sites(void **state)
{
    (void)state;
    assert_int_equal(rename("agent.pem", "kept.pem"), 0);
    assert_int_equal(link("other-site.pem", "agent.pem"), 0);

    const int status = check("site.yaml");

    assert_int_equal(unlink("agent.pem"), 0);
    assert_int_equal(rename("kept.pem", "agent.pem"), 0);
    assert_int_equal(status, 1);
    assert_says("FAIL   certificate         is for breakwater://prod/agent/dc-b/agent-1, but the "
                "configuration says site: dc-a\n");
    assert_says("1 failed, ");
}

static void a_key_that_others_can_read_fails(void **state)
{
    (void)state;
    assert_int_equal(chmod("agent.pem", 0644), 0);

    const int status = check("site.yaml");

    assert_int_equal(chmod("agent.pem", 0600), 0);
    assert_int_equal(status, 1);
    assert_says("FAIL   certificate");
}

/* An address that no machine has (RFC 5737) is named, and a free one, too. */
static void where_load_balancers_ask_must_be_of_this_machine(void **state)
{
    (void)state;
    assert_int_equal(system("(cat site.yaml; echo 'health_listen: 192.0.2.1:7480') >lb.yaml"), 0);
    assert_int_equal(check("lb.yaml"), 1);
    assert_says("FAIL   health_listen       192.0.2.1:7480: Cannot assign requested address: ");
    assert_int_equal(check("--offline lb.yaml"), 0);
    assert_int_equal(system("(cat site.yaml; echo 'health_listen: lb:7480') >lb.yaml"), 0);
    assert_int_equal(check("--offline lb.yaml"), 1);
    assert_says("health_listen: \"lb:7480\" names a host; ");
    assert_int_equal(unlink("lb.yaml"), 0);
}

/* A daemon makes the last directory of a path, and ends with 78 where the one around it is missing. */
static void what_no_daemon_makes_fails(void **state)
{
    static const struct {
        const char *edit, *says;
    } wrong[] = {
        {"s|^state_dir: state|state_dir: none/state|' site.yaml",
         "/none/state cannot be made: "},
        {"s|^data_dir: data|data_dir: none/data|' witness.yaml", "/none/data cannot be made: "},
        {"s|^site:|run_dir: none/run\\nsite:|' site.yaml", "/none/run cannot be made: "},
        {"s|^site:|guard_socket: none/guard.sock\\nsite:|' site.yaml",
         "/none/guard.sock cannot be made: "},
        {"s|^site:|run_dir: run\\nguard_socket: run/none/guard.sock\\nsite:|' site.yaml",
         "/run/none/guard.sock cannot be made: "},
    };
    static const char *const right[] = {
        "s|^state_dir: state|state_dir: new|' site.yaml",
        "s|^data_dir: data|data_dir: new|' witness.yaml",
        "s|^site:|run_dir: run\\nguard_socket: run/guard.sock\\nsite:|' site.yaml",
        "s|^site:|run_dir: /run/breakwater/a\\nsite:|' site.yaml", /* by the shipped units */
    };
    char command[512];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)snprintf(command, sizeof command, "sed '%s >edited.yaml", wrong[i].edit);
        assert_int_equal(system(command), 0);
        assert_int_equal(check("edited.yaml"), 1);
        assert_says(wrong[i].says);
        assert_says("1 failed, ");
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        (void)snprintf(command, sizeof command, "sed '%s >edited.yaml", right[i]);
        assert_int_equal(system(command), 0);
        assert_int_equal(check("edited.yaml"), 0);
    }
    assert_int_equal(unlink("edited.yaml"), 0);
}

static void a_missing_script_fails_and_the_rest_is_judged_too(void **state)
{
    (void)state;
    assert_int_equal(rename("run.sh", "gone.sh"), 0);

    const int status = check("site.yaml");
    const bool was_named = strstr(output, "groups[0].fence_script: ") != NULL;
    const bool was_judged_on = strstr(output, "ok     certificate ") != NULL;
    const int offline_status = check("--offline site.yaml");

    assert_int_equal(rename("gone.sh", "run.sh"), 0);
    assert_int_equal(status, 1);
    assert_true(was_named);
    assert_true(was_judged_on);
    assert_int_equal(offline_status, 0);
    assert_says("0 failed, 0 warnings\n");
}

static void a_script_without_its_bit_is_a_warning(void **state)
{
    (void)state;
    assert_int_equal(chmod("run.sh", 0644), 0);

    const int status = check("site.yaml");

    assert_int_equal(chmod("run.sh", 0755), 0);
    assert_int_equal(status, 0);
    assert_says("bash runs it, or else sh");
    assert_says("WARN   site.yaml           2 warnings, see above\n");
}

/* What a unit runs is none of the script's processes: known before anything is lost by it. */
/* The guard would refuse it at night. */
static void a_script_that_others_can_write_fails(void **state)
{
    (void)state;
    put("open.sh", 0775, "#!/bin/sh\n");
    put("open.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400]\n"
        "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: look.sh\n"
        "    start_script: open.sh\n    stop_script: run.sh\n");
    assert_int_equal(check("open.yaml"), 1);
    assert_says("start_script: ");
    assert_says("/open.sh can be changed by others than root");
    assert_says("allow_writable_scripts: true");

    put("open-allowed.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400]\n"
        "allow_writable_scripts: true\n"
        "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: look.sh\n"
        "    start_script: open.sh\n    stop_script: run.sh\n");
    assert_int_equal(check("open-allowed.yaml"), 0);
    assert_says("it is run all the same");
}

/* The image that runs it is another than that for which it was written. */
static void a_script_whose_interpreter_is_not_here_fails(void **state)
{
    (void)state;
    put("foreign.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400]\n"
        "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: look.sh\n"
        "    start_script: foreign.sh\n    stop_script: run.sh\n");
    put("foreign.sh", 0755, "#! /no/such/shell -e\n");
    assert_int_equal(check("foreign.yaml"), 1);
    assert_says("start_script: ");
    assert_says("/foreign.sh cannot be run: its #! line names /no/such/shell: No such file");

    put("foreign.sh", 0755, "#!/bin/sh\r\ntrue\r\n");
    assert_int_equal(check("foreign.yaml"), 1);
    assert_says("/foreign.sh end with a carriage return");

    put("foreign.sh", 0644, "#!/no/such/shell\n"); /* a shell runs it */
    assert_int_equal(check("foreign.yaml"), 0);
    put("foreign.sh", 0755, "#!/bin/sh -e\n");
    assert_int_equal(check("foreign.yaml"), 0);
}

static void an_event_script_that_cannot_be_run_fails(void **state)
{
    (void)state;
    put("told.yaml", 0644,
        "cluster: prod\nname: w1\ndata_dir: state\nlisten: 0.0.0.0:7400\n"
        "raft_listen: 0.0.0.0:7401\ntls: {ca: pki/ca.pem, identity: w1.pem}\n"
        "event_script: told.sh\nwitnesses:\n"
        "  - {name: w1, id: 1, address: w1:7400, raft: w1:7401}\n");
    assert_int_equal(check("told.yaml"), 1);
    assert_says("FAIL   event_script        ");
    assert_says("/told.sh: No such file or directory");
    put("told.sh", 0766, "#!/bin/sh\n");
    assert_int_equal(check("told.yaml"), 1);
    assert_says("/told.sh can be changed by others than root and this user: it will not be run");
    assert_int_equal(chmod("told.sh", 0755), 0);
    assert_int_equal(check("told.yaml"), 0);
}

static void a_start_that_leaves_the_reach_is_a_hint(void **state)
{
    char text[2048];
    char *start;

    (void)state;
    put("sys.sh", 0755, "#!/bin/sh\nsystemctl start harbor\n");
    (void)snprintf(text, sizeof text, "%s", site_text);
    start = strstr(text, "start_script: act.sh");
    assert_non_null(start);
    memcpy(start, "start_script: sys.sh", strlen("start_script: sys.sh"));
    put("unit.yaml", 0644, text);

    assert_int_equal(check("unit.yaml"), 0);

    assert_says("sys.sh:2 calls systemctl (a hint, from its text)");
    assert_says("stop_method: units  and  units: [harbor.service]");
}

/* `looks` is what `inspect` prints, `folders` what `ps` does for the folders; both shell texts. */
static void put_docker(const char *looks, const char *folders)
{
    char text[1024];

    (void)snprintf(
        text, sizeof text,
        "#!/bin/sh\ncase \"$*\" in\n*working_dir*) %s ;;\nps*) echo x ;;\n*) %s ;;\nesac\n",
        folders, looks);
    put("docker.sh", 0755, text);
}

static void what_a_guard_could_not_end_of_a_compose_project_is_said(void **state)
{
    static const char id[] = "0123456789ab";
    char text[2048];
    char looks[256];

    (void)state;
    (void)snprintf(text, sizeof text, "%s", site_text);
    (void)snprintf(strstr(text, "cgroup"), sizeof text - (size_t)(strstr(text, "cgroup") - text),
                   "containers\n    containers: [harbor]\n    container_tool: %s/docker.sh\n"
                   "%s",
                   directory, strstr(site_text, "    status_script"));
    put("compose.yaml", 0644, text);

    put_docker("exit 1", ":");
    assert_int_equal(check("compose.yaml"), 1);
    assert_says("does not say which containers it has");

    put_docker("echo what", ":");
    assert_int_equal(check("compose.yaml"), 1);
    assert_says("is not understood");

    put("docker.sh", 0755, "#!/bin/sh\n");
    (void)check("compose.yaml");
    assert_says("has no container of this project");

    (void)snprintf(looks, sizeof looks, "echo '%s exited 0 always//core '", id);
    put_docker(looks, "echo /opt/harbor; echo; echo /opt/harbor");
    (void)check("compose.yaml");
    assert_says("restart: always: it is started again after its end");
    assert_null(strstr(output, "more than one folder"));
    put_docker(looks, "echo /opt/harbor; echo /srv/harbor");
    (void)check("compose.yaml");
    assert_says("more than one folder, /opt/harbor and /srv/harbor");
}

static void a_limit_that_a_fence_cuts_short_is_said(void **state)
{
    char text[2048];

    (void)state;
    (void)snprintf(text, sizeof text, "%s    fence_timeout: 10s\n", site_text);
    put("slow.yaml", 0644, text);

    assert_int_equal(check("slow.yaml groups.yaml"), 0);

    assert_says("WARN   harbor ");
    assert_says("fence_timeout of the site = 10s, TERM comes 3s333ms after a fence began "
                "(fence_window of the group = 5s): in a fence the script is cut to that\n");
    put("slow.yaml", 0644, /* where no signal ends the service the script runs on */
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
        "groups:\n  - {name: harbor, started_by: external, stop_method: remote, status_script: look.sh,\n"
        "     stop_script: run.sh, fence_script: run.sh, fence_timeout: 4s}\n");
    (void)check("--offline slow.yaml groups.yaml");
    assert_says("ok     harbor              at dc-a: fence_timeout of the site = 4s, the deadline comes 5s after a fence "
                "began (fence_window of the group = 5s)\n");
}

/* While a leader is elected `condition` would say stop, and the loop would stop what serves. */
static void a_loop_delay_that_a_lease_has_no_room_for_fails(void **state)
{
    static const char *const loop_text =
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
        "groups:\n  - name: harbor\n    started_by: external\n    stop_method: remote\n"
        "    status_script: look.sh\n    stop_script: run.sh\n    fence_script: run.sh\n%s";
    char text[2048];

    (void)state;
    (void)snprintf(text, sizeof text, loop_text, "");
    put("loop.yaml", 0644, text);
    assert_int_equal(check("--offline loop.yaml groups.yaml"), 0);
    assert_says("ok     harbor              at dc-a: started by its own loop (started_by: external), "
                "external_start_delay 2s: lease_ttl 20s, needed 15s\n");
    assert_says("WARN   harbor              its own loop starts it (started_by: external): if the guard is down for longer than the "
                "loop's interval times its threshold, the loop stops the service, although its lease lives\n");
    assert_says("WARN   harbor              at dc-a: stop_method is remote: time alone does not end "
                "what it serves, and a lost "
                "site waits for a person (confirm-fenced). Two ways to do without one: a second "
                "enforcer on another machine of "
                "the site (second_enforcer), or a remote_fence_script at another site that is a candidate\n");

    (void)snprintf(text, sizeof text, loop_text, "    external_start_delay: 8s\n");
    put("loop.yaml", 0644, text);
    assert_int_equal(check("--offline loop.yaml groups.yaml"), 1);
    assert_says("FAIL   harbor              at dc-a: started by its own loop (started_by: external), "
                "external_start_delay 8s: lease_ttl 20s, needed 21s: else condition says stop while a leader "
                "is elected; make lease_ttl longer, or external_start_delay shorter\n");
}

static const char steps_text[] =
    "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
    "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
    "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: %s\n    stop_script: "
    "run.sh\n"
    "    fence_script: run.sh\n    start_steps:\n%s%s";

/* 4, 5.1: the data counts as left alone as long as that point was not passed. */
static void a_database_step_that_waits_for_no_point_is_said(void **state)
{
    static const char *const line = "WARN   harbor              step restore is of phase database "
                                    "and waits for no point of no return, "
                                    "as step promote does: ";
    char text[2048];

    (void)state;
    (void)snprintf(
        text, sizeof text, steps_text, "look.sh",
        "      - {name: restore, script: run.sh, phase: database}\n"
        "      - {name: point, script: run.sh, needs: [restore], point_of_no_return: true}\n",
        "      - {name: promote, script: run.sh, needs: [point], phase: database}\n");
    put("steps.yaml", 0644, text);
    assert_int_equal(check("--offline steps.yaml"), 0);
    assert_says(line);

    (void)snprintf(
        text, sizeof text, steps_text, "look.sh",
        "      - {name: restore, script: run.sh, phase: database, point_of_no_return: true}\n"
        "      - {name: promote, script: run.sh, needs: [restore], phase: database}\n",
        "      - {name: up, script: run.sh, phase: service}\n");
    put("steps.yaml", 0644, text);
    assert_int_equal(check("--offline steps.yaml"), 0);
    assert_null(strstr(output, "point of no return"));
}

static void put_parts(const char *parts)
{
    char text[2048];
    char env[256];

    (void)snprintf(env, sizeof env,
                   "      - {name: images, script: parts/start.sh}\n    env: {%s}\n", parts);
    (void)snprintf(text, sizeof text, steps_text, "parts/status.sh",
                   "      - {name: database, script: parts/start.sh}\n", env);
    put("parts.yaml", 0644, text);
}

static void parts_that_are_not_there_fail(void **state)
{
    (void)state;
    assert_int_equal(mkdir("parts", 0755), 0);
    assert_int_equal(mkdir("one", 0755), 0);
    assert_int_equal(mkdir("two", 0755), 0);
    put("parts/parts.sh", 0644, "");
    put("parts/status.sh", 0755, "#!/bin/sh\n");
    put("parts/start.sh", 0755, "#!/bin/sh\n");
    put("one/status.sh", 0755, "#!/bin/sh\n");
    put("two/status.sh", 0755, "#!/bin/sh\n");

    put_parts("PARTS: database=one images=two");
    (void)check("parts.yaml");
    assert_null(strstr(output, "PARTS"));

    put_parts("PARTS: database=one images=tow");
    (void)check("parts.yaml");
    assert_says("FAIL   harbor              PARTS: images=tow: there is no status.sh in ");
    assert_says(
        "the group's status would be unknown for ever; write the folder of a set of scripts\n");

    put_parts("PARTS: database=one two");
    (void)check("parts.yaml");
    assert_says("FAIL   harbor              PARTS: 'two' is not NAME=SET");
    assert_says("FAIL   harbor              step images runs ");
    assert_says(
        "and PARTS names no part images: it would fail; give the step the name of its part\n");

    put_parts("OTHER: database=one");
    (void)check("parts.yaml");
    assert_says("and env has no PARTS: write PARTS: NAME=SET ...");
    (void)check("--offline parts.yaml");
    assert_null(strstr(output, "PARTS"));
}

static void a_set_checks_its_own_variables(void **state)
{
    (void)state;
    assert_true(mkdir("set", 0755) == 0);
    put("set/status.sh", 0755, "#!/bin/sh\n");
    put("set/start.sh", 0755, "#!/bin/sh\n");
    put("set/stop.sh", 0755, "#!/bin/sh\n");
    put("set/settings.sh", 0755,
        "#!/bin/sh\necho first >&2\n"
        "[ \"$BREAKWATER_GROUP $BREAKWATER_SITE $BREAKWATER_EPOCH\" = 'harbor dc-a 0' ] || exit 0\n"
        "[ -n \"$DATABASE\" ] || { printf 'DATABASE is not\\033 set\\n\\n' >&2; exit 3; }\n");
    put("set.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
        "groups:\n  - {name: harbor, stop_method: cgroup, status_script: set/status.sh, start_script: set/start.sh,\n"
        "     stop_script: set/stop.sh, env: {DATABASE: \"\"}}\n");
    (void)check("set.yaml");
    assert_says("/set/settings.sh: DATABASE is not? set\n");
    assert_says(geteuid() == 0 ? "FAIL   harbor" : "WARN   harbor");
    (void)check("--offline set.yaml");
    assert_null(strstr(output, "settings.sh"));

    assert_int_equal(chmod("set/settings.sh", 0777), 0);
    (void)check("set.yaml");
    assert_says("can be changed by others than root and this user, so check does not run it");
    put("set/settings.sh", 0755, "#!/bin/sh\nenv | grep -q '^DATABASE=$' && [ \"$*\" = 'start.sh stop.sh status.sh' ] || { echo \"got $*\"; exit 1; }\n");
    assert_int_equal(chmod("set/settings.sh", 0755), 0);
    (void)check("set.yaml");
    assert_null(strstr(output, "settings.sh"));
}

/* Two leaders in one term came of such files. */
/* A daemon would refuse to begin with it, and to reload it: the certificate would count on. */
static void a_certificate_taken_back_by_no_name_or_serial_fails_without_this_machine(void **state)
{
    static const char *const entries[] = {"anna", "serial:12zz", "serial:", "agent/dc-a",
                                          "person/anna"};
    char text[2048];
    char problem[64];

    (void)state;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        (void)snprintf(text, sizeof text,
                       "endpoints: [\"w1:7400\"]\n"
                       "tls: {ca: pki/ca.pem, identity: anna.pem, revoked: [\"%s\"]}\n",
                       entries[i]);
        put("revoked.yaml", 0644, text);
        assert_int_equal(check("--offline revoked.yaml"), 1);
        (void)snprintf(problem, sizeof problem, "tls.revoked: \"%s\" is neither a name",
                       entries[i]);
        assert_says(problem);
    }
    put("revoked.yaml", 0644,
        "endpoints: [\"w1:7400\"]\ntls: {ca: pki/ca.pem, identity: anna.pem, "
        "revoked: [operator/anna, \"serial:12:ab\", agent/dc-a/agent-1]}\n");
    assert_int_equal(check("--offline revoked.yaml"), 0);
}

static void witness_files_that_disagree_on_who_is_who_fail(void **state)
{
    (void)state;
    put("w2.yaml", 0644,
        "cluster: prod\nname: w2\ndata_dir: data2\nlisten: 127.0.0.1:0\n"
        "raft_listen: 127.0.0.1:0\ntls: {ca: pki/ca.pem, identity: w2.pem}\n"
        "election_timeout: 1s\nwitnesses:\n"
        "  - {name: w1, id: 1, address: w1:7400, raft: w1:7401, failure_domain: a}\n"
        "  - {name: w2, id: 3, address: w2:7400, raft: w2:7402, failure_domain: b}\n"
        "  - {name: w4, id: 2, address: w3:7400, raft: w3:7401, failure_domain: c}\n");
    assert_int_equal(check("--offline witness.yaml w2.yaml"), 1);
    assert_says("says that witness w2 has id 3, witness.yaml that it has id 2");
    assert_says("has raft address w2:7402, witness.yaml that it has w2:7401");
    assert_says("has a witness w4, which is not in witness.yaml");
    assert_says("has no witness w3, which is in witness.yaml");
    assert_says("has election_timeout 1s, witness.yaml has 2s");

    put("again.yaml", 0644, witness_text);
    assert_int_equal(check("--offline witness.yaml again.yaml"), 1);
    assert_says("is of witness w1, and so is witness.yaml");
    assert_says("1 failed, 0 warnings");
}

/* 5.3: each witness judges by its own file until a list is applied. */
static void a_list_of_people_in_a_witness_file_is_a_warning(void **state)
{
    char text[2048];

    (void)state;
    (void)snprintf(text, sizeof text, "%s%s", witness_text, "people:\n  - {name: operator/root}\n");
    put("p1.yaml", 0644, text);
    assert_int_equal(check("--offline p1.yaml"), 0);
    assert_says("people counts at this witness only, until a list for all is applied: breakwater apply -f FILE");
    put("people.yaml", 0644, "people:\n  - {name: operator/root}\n  - {name: viewer/board, groups: [a]}\n");
    assert_int_equal(check("--offline people.yaml"), 0);
    assert_says("who may do what: 2 entries");
    put("people.yaml", 0644, "people:\n  - {name: operator/anna, groups: [a]}\n");
    assert_int_equal(check("--offline people.yaml"), 1);
    assert_says("names no operator without groups: nobody could change the list again");
}

/* What a hurried hand does: the first site's file once more instead of the second's, the witnesses' other
 * port, one path for two keys. */
static void files_that_were_mixed_up_fail(void **state)
{
    (void)state;
    assert_int_equal(check("--offline site.yaml ./site.yaml groups.yaml"), 1);
    assert_says("is given twice (as site.yaml too): was another meant?");

    put("copy.yaml", 0644, site_text);
    assert_int_equal(check("--offline site.yaml copy.yaml"), 1);
    assert_says("is of agent agent-1 of site dc-a, and so is site.yaml");

    put("raft.yaml", 0644, "endpoints: [w1:7400, w2:7401]\ntls: {ca: pki/ca.pem, identity: anna.pem}\n");
    assert_int_equal(check("--offline raft.yaml witness.yaml"), 1);
    assert_says("endpoints[1] w2:7401 is where witness w2 speaks Raft (witness.yaml); agents and people "
                "are answered at its address w2:7400");
    assert_says("1 failed, 0 warnings");
    put("raft-site.yaml", 0644,
        "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
        "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7401, w2:7400, w3:7400]\n"
        "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: run.sh\n"
        "    start_script: run.sh\n    stop_script: run.sh\n");
    assert_int_equal(check("--offline witness.yaml raft-site.yaml"), 1);
    assert_says("witnesses[0] w1:7401 is where witness w1 speaks Raft");
    assert_says("start_script and status_script are the same file ");
    assert_says("stop_script and status_script are the same file ");
    assert_says("start_script and stop_script are the same file ");
    assert_says("4 failed, 0 warnings");
    assert_int_equal(check("--offline site.yaml witness.yaml cli.yaml groups.yaml"), 0);
}

/* What the shipped unit of a witness answers, or one with a drop-in; `more`: lines of it, with blanks between. */
static void put_unit_with(const char *load, const char *protect, const char *writable, const char *more)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "#!/bin/sh\ncase $* in *breakwater-witness.service) ;; *) exit 0 ;; esac\n"
                   "printf '%%s\\n' LoadState=%s StateDirectory=breakwater ProtectSystem=%s "
                   "'ReadWritePaths=%s' %s\n",
                   load, protect, writable, more);
    put("tools/systemctl", 0755, text);
}
static void put_unit(const char *load, const char *protect, const char *writable)
{
    put_unit_with(load, protect, writable, "");
}

/* ProtectSystem=strict: `init` can make it, and the daemon then cannot write there. */
static void a_data_directory_that_the_unit_cannot_write_to_is_said(void **state)
{
    static const char said[] = "breakwater-witness.service: ProtectSystem=strict: it may not write to ";
    const char *const path = getenv("PATH");
    char *before;
    char with_tools[4096];
    char writable[128];

    (void)state;
    assert_non_null(path);
    before = strdup(path);
    assert_non_null(before);
    (void)snprintf(with_tools, sizeof with_tools, "%s/tools:%s", directory, before);
    assert_int_equal(mkdir("tools", 0755), 0);
    assert_int_equal(setenv("PATH", with_tools, 1), 0);
    put_unit("loaded", "strict", "");
    assert_int_equal(check("witness.yaml"), 0);
    assert_says(said);
    assert_says("ReadWritePaths=");
    assert_int_equal(check("--offline witness.yaml"), 0);
    assert_null(strstr(output, said));

    (void)snprintf(writable, sizeof writable, "/srv/other -%s/", directory);
    put_unit("loaded", "strict", writable);
    assert_int_equal(check("witness.yaml"), 0);
    assert_null(strstr(output, said));
    (void)snprintf(writable, sizeof writable, "%s/dat", directory); /* another one */
    put_unit("loaded", "strict", writable);
    assert_int_equal(check("witness.yaml"), 0);
    assert_says(said);
    put_unit("loaded", "no", "");
    assert_int_equal(check("witness.yaml"), 0);
    assert_null(strstr(output, said));
    if (strncmp(directory, "/tmp/", 5) == 0) {
        put_unit_with("loaded", "no", "", "ProtectHome=yes PrivateTmp=no");
        assert_int_equal(check("witness.yaml"), 0);
        assert_null(strstr(output, "it does not see"));
        put_unit_with("loaded", "no", "", "ProtectHome=yes PrivateTmp=yes"); /* whoever may write there */
        assert_int_equal(check("witness.yaml"), 0);
        assert_says("breakwater-witness.service: PrivateTmp=: it does not see /tmp/");
    }
    put_unit("not-found", "strict", "");
    assert_int_equal(check("witness.yaml"), 0);
    assert_null(strstr(output, said));

    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
}

/* As NFS. A witness would run there, and its log would never be cut. */
static void where_no_snapshot_can_be_written_no_witness_belongs(void **state)
{
    (void)state;
    put("nfs.yaml", 0644,
        "cluster: prod\nname: w1\ndata_dir: state\nlisten: 0.0.0.0:7400\n"
        "raft_listen: 0.0.0.0:7401\ntls: {ca: pki/ca.pem, identity: w1.pem}\n"
        "witnesses:\n  - {name: w1, id: 1, address: w1:7400, raft: w1:7401}\n");
    assert_int_equal(check("nfs.yaml"), 0);
    faults_begin("faults");
    faults_say("faults", "nameless /state 95\n");
    assert_int_equal(check("nfs.yaml"), 1);
    assert_says("FAIL   data directory      ");
    assert_says("/state: its file system has no files without a name (O_TMPFILE)");
    assert_int_not_equal(system("\"$BREAKWATER_BUILD/breakwater\" witness init -c nfs.yaml 2>init.err"), 0);
    faults_end();
    assert_int_equal(system("grep -q 'put data_dir on a local file system' init.err"), 0);
    assert_int_equal(system("\"$BREAKWATER_BUILD/breakwater\" witness init -c nfs.yaml"), 0);
    assert_int_equal(system("rm -rf state nfs.yaml init.err faults"), 0);
    assert_int_equal(mkdir("state", 0700), 0);
}

static void usage_is_two(void **state)
{
    (void)state;
    assert_int_equal(check(""), 2);
    assert_int_equal(check("--election-timeout 5 groups.yaml"), 2);
    assert_int_equal(check("--nonsense groups.yaml"), 2);
    assert_int_equal(check("none.yaml"), 1);
    assert_says("none.yaml: error: cannot be read: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_pass_with_their_numbers),
        cmocka_unit_test(one_that_is_ended_leaves_nothing_behind),
        cmocka_unit_test(what_one_of_the_same_number_has_left_is_no_fault_of_the_directory),
        cmocka_unit_test(groups_are_judged_by_the_witness_files_election_timeout),
        cmocka_unit_test(a_witnesss_certificate_must_name_where_it_is_dialed),
        cmocka_unit_test(the_certificate_must_be_this_sites),
        cmocka_unit_test(a_key_that_others_can_read_fails),
        cmocka_unit_test(where_load_balancers_ask_must_be_of_this_machine),
        cmocka_unit_test(what_no_daemon_makes_fails),
        cmocka_unit_test(a_missing_script_fails_and_the_rest_is_judged_too),
        cmocka_unit_test(a_script_without_its_bit_is_a_warning),
        cmocka_unit_test(a_script_that_others_can_write_fails),
        cmocka_unit_test(a_script_whose_interpreter_is_not_here_fails),
        cmocka_unit_test(an_event_script_that_cannot_be_run_fails),
        cmocka_unit_test(a_start_that_leaves_the_reach_is_a_hint),
        cmocka_unit_test(what_a_guard_could_not_end_of_a_compose_project_is_said),
        cmocka_unit_test(a_limit_that_a_fence_cuts_short_is_said),
        cmocka_unit_test(a_loop_delay_that_a_lease_has_no_room_for_fails),
        cmocka_unit_test(a_database_step_that_waits_for_no_point_is_said),
        cmocka_unit_test(parts_that_are_not_there_fail),
        cmocka_unit_test(a_set_checks_its_own_variables),
        cmocka_unit_test(a_certificate_taken_back_by_no_name_or_serial_fails_without_this_machine),
        cmocka_unit_test(witness_files_that_disagree_on_who_is_who_fail),
        cmocka_unit_test(a_list_of_people_in_a_witness_file_is_a_warning),
        cmocka_unit_test(files_that_were_mixed_up_fail),
        cmocka_unit_test(a_data_directory_that_the_unit_cannot_write_to_is_said),
        cmocka_unit_test(where_no_snapshot_can_be_written_no_witness_belongs),
        cmocka_unit_test(usage_is_two),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
