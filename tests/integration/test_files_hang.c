/* A file that a daemon is told to read again, in a file system that never answers: what runs goes on, and it is said.
 * Real daemons, and a real file system of that kind. Design 3.4, 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_life.h"
#include "guard_rig.h"
#include "lacking.h"
#include "stuck_disk.h"
#include "test_https.h"
#include "trio.h"

#define LONG_MS  1900000 /* no test takes that long */
#define FENCE_MS 5000

static pid_t server = -1; /* of the claim's disk; -1: there is none */
static char disk[256];

/* `disk` in `dir`. Before the daemon is begun: it is in this process's mount namespace, and its children's. */
static void open_disk(const char *dir)
{
    (void)snprintf(disk, sizeof disk, "%s/disk", dir);
    assert_int_equal(mkdir(disk, 0700), 0);
    server = stuck_disk_open(disk);
    if (server < 0)
        skip_lacking("fuse");
}

/* Each claim's, and its teardown's, which would hang in it. */
static void close_disk(void)
{
    if (server < 0)
        return;
    stuck_disk_close(server, disk);
    assert_int_equal(rmdir(disk), 0);
    server = -1;
}

/* In `dir`/site.yaml. */
static void change(const char *dir, const char *from, const char *to)
{
    char command[512];

    (void)snprintf(command, sizeof command, "sed -i 's|%s|%s|' '%s/site.yaml' && grep -qF '%s' '%s/site.yaml'", from,
                   to, dir, to, dir);
    assert_int_equal(system(command), 0);
}

/* ---- a guard ----------------------------------------------------------------------------------- */

static int guard_tear_down(void **state)
{
    close_disk();
    return rig_teardown(state);
}

/* Of both: who waits for the word that files answer finds there what became of each of his signals. */
static void assert_outcomes_come_first(const struct rig *rig)
{
    char command[256];

    (void)snprintf(command, sizeof command,
                   "sed '/event=files.answer/q' '%s' >'%s/until' && grep -q event=config.refused '%s/until' && "
                   "grep -q event=config.reloaded '%s/until'",
                   rig_path(rig, "log"), rig->dir, rig->dir, rig->dir);
    assert_int_equal(system(command), 0);
}

static void a_guard_goes_on_with_what_it_had(void **state)
{
    struct rig *rig = *state;

    open_disk(rig->dir);
    (void)rig_serve(rig, LONG_MS, FENCE_MS);
    change(rig->dir, "status.sh", "disk/status.sh");
    assert_int_equal(kill(rig->guard, SIGHUP), 0);

    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");
    rig_wait_log(rig, "event=files.silent");
    assert_int_equal(kill(rig->guard, SIGHUP), 0); /* once more, when that is over */
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "started");

    change(rig->dir, "disk/status.sh", "true.sh");
    rig_put(rig, "true.sh", 0755, "#!/bin/sh\necho stopped\n");
    close_disk();
    rig_wait_log(rig, "event=files.answer");
    assert_outcomes_come_first(rig);
    assert_string_equal(rig_run(&rig->agent, 1, BW_ACTION_STATUS).line, "stopped");
}

/* ---- an agent ---------------------------------------------------------------------------------- */

static int agent_tear_down(void **state)
{
    close_disk();
    return tear_down(state);
}

static bool says_silent(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=files.silent");
}

static bool says_refused(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=files.answer") &&
           agent_world_log_has(world, "event=certificate.refused");
}

static uint64_t syncs_before;

static bool syncs_on(const struct agent_world *world)
{
    return world->sync_count > syncs_before + 3;
}

static void an_agent_renews_on_with_the_certificate_that_it_had(void **state)
{
    struct agent_world *world = *state;

    open_disk(world->dir);
    start_standing_by(world);
    change(world->dir, "identity: .*/agent.pem", "identity: disk/agent.pem");
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, says_silent, "it says that its files do not answer");
    syncs_before = world->sync_count;
    agent_world_until(world, syncs_on, "it goes on");

    close_disk();
    agent_world_until(world, says_refused, "it has read what there is");
    syncs_before = world->sync_count;
    agent_world_until(world, syncs_on, "it goes on");
}

/* ---- a witness --------------------------------------------------------------------------------- */

static int witness_set_up(void **state)
{
    static struct trio trio;

    trio_init_slow(&trio, 3000); /* a stall of the machine ends no leadership */
    *state = &trio;
    return 0;
}

static int witness_tear_down(void **state)
{
    close_disk();
    trio_deinit(*state);
    return 0;
}

static bool is_let_in(const struct trio *trio, int i, struct ssl_ctx_st *context)
{
    struct test_https client;
    struct test_answer answer = {0};

    if (test_https_open(&client, trio->api[i], context) &&
        test_https_say(&client, "GET /v1/members HTTP/1.1\r\nHost: w\r\n\r\n"))
        test_https_hear(&client, false, &answer);
    test_https_close(&client);
    return answer.status == 200;
}

/* In its file, whose certificate hangs. */
static void take_back_fay(const struct trio *trio, int i)
{
    char command[512];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -i 's|^tls: {|tls: {revoked: [operator/fay], |' w%d.yaml && grep -q operator/fay w%d.yaml",
                   trio->pki.dir, i + 1, i + 1);
    assert_int_equal(system(command), 0);
}

static void a_witness_leads_on_with_the_certificate_that_it_had(void **state)
{
    struct trio *trio = *state;
    char path[TEST_PKI_PATH_BYTES];
    struct ssl_ctx_st *fay;
    struct puppet puppet;
    int leader;

    open_disk(trio->pki.dir);
    trio_start_all(trio, TRIO_EXECUTED);
    leader = trio_leader(trio);
    puppet_init(&puppet, trio, "dc-a", "harbor");
    test_pki_issue_uri(&trio->pki, "fay.pem", "breakwater://prod/operator/fay", path);
    fay = test_pki_client(trio->pki.ca_path, path);
    assert_true(is_let_in(trio, leader, fay));
    trio_configure(trio, leader, "disk/w.pem");
    take_back_fay(trio, leader);
    trio_signal(trio, leader, SIGHUP);

    assert_true(trio_logs(trio, leader, "event=files.silent"));
    assert_false(is_let_in(trio, leader, fay)); /* whom the file takes back waits for no certificate: 5.3 */
    assert_int_equal(puppet_sync(&puppet, leader), 200);
    assert_true(puppet.answer.is_leader);

    close_disk();
    assert_true(trio_logs(trio, leader, "event=files.answer"));
    assert_true(trio_logs(trio, leader, "event=config.reload_failed component=witness what=configuration"));
    trio_configure(trio, leader, NULL);
    trio_signal(trio, leader, SIGHUP);
    assert_true(trio_logs(trio, leader, "event=config.reloaded component=witness what=configuration"));
    assert_int_equal(puppet_sync(&puppet, leader), 200);
    puppet_deinit(&puppet);
    SSL_CTX_free(fay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_guard_goes_on_with_what_it_had, rig_setup,
                                        guard_tear_down),
        cmocka_unit_test_setup_teardown(an_agent_renews_on_with_the_certificate_that_it_had,
                                        set_up, agent_tear_down),
        cmocka_unit_test_setup_teardown(a_witness_leads_on_with_the_certificate_that_it_had,
                                        witness_set_up, witness_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
