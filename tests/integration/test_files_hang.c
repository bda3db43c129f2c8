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
#include "faults.h"
#include "guard_rig.h"
#include "lacking.h"
#include "stuck_disk.h"
#include "test_https.h"
#include "trio.h"

#define LONG_MS  1900000 /* no test takes that long */
#define FOR_EVER_MS 3600000
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
    char command[512];

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
    rig_wait_log(rig, "event=config.read_stalled");
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
    return agent_world_log_has(world, "event=config.read_stalled");
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

/* By a file that names this certificate. */
static void take_back(const struct trio *trio, int i, const char *identity, const char *entries)
{
    char command[512];

    trio_configure(trio, i, identity);
    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed -i 's|^tls: {|tls: {revoked: [%s], |' w%d.yaml && grep -q '\\[%s\\]' w%d.yaml",
                   trio->pki.dir, entries, i + 1, entries, i + 1);
    assert_int_equal(system(command), 0);
    trio_signal(trio, i, SIGHUP);
}

static struct ssl_ctx_st *issue(struct trio *trio, const char *name)
{
    char path[TEST_PKI_PATH_BYTES];
    char uri[64];

    (void)snprintf(uri, sizeof uri, "breakwater://prod/operator/%s", name);
    test_pki_issue_uri(&trio->pki, "someone.pem", uri, path);
    return test_pki_client(trio->pki.ca_path, path);
}

static void a_witness_leads_on_with_the_certificate_that_it_had(void **state)
{
    struct trio *trio = *state;
    struct ssl_ctx_st *fay;
    struct puppet puppet;
    int leader;

    open_disk(trio->pki.dir);
    trio_start_all(trio, TRIO_EXECUTED);
    leader = trio_leader(trio);
    puppet_init(&puppet, trio, "dc-a", "harbor");
    fay = issue(trio, "fay");
    assert_true(is_let_in(trio, leader, fay));
    take_back(trio, leader, "disk/w.pem", "operator/fay");

    trio_logs(trio, leader, "event=config.read_stalled");
    assert_false(is_let_in(trio, leader, fay)); /* whom the file takes back waits for no certificate: 5.3 */
    assert_int_equal(puppet_sync(&puppet, leader), 200);
    assert_true(puppet.answer.is_leader);

    close_disk();
    trio_logs(trio, leader, "event=files.answer");
    trio_logs(trio, leader, "event=config.reload_failed component=witness what=configuration");
    trio_configure(trio, leader, NULL);
    trio_signal(trio, leader, SIGHUP);
    trio_logs(trio, leader, "event=config.reloaded component=witness what=configuration");
    assert_int_equal(puppet_sync(&puppet, leader), 200);
    puppet_deinit(&puppet);
    SSL_CTX_free(fay);
}

/* ---- a witness whose own certificates hang, and answer in the end ---- */

static const char *faults_path(const struct trio *trio)
{
    static char path[TRIO_PATH_BYTES];

    trio_path(trio, "faults", path);
    return path;
}

static int faulty_set_up(void **state)
{
    struct trio *trio;

    assert_int_equal(witness_set_up(state), 0);
    trio = *state;
    faults_begin(faults_path(trio));
    trio_start_all(trio, TRIO_EXECUTED);
    faults_end();
    (void)trio_leader(trio);
    return 0;
}

static int faulty_tear_down(void **state)
{
    faults_say(faults_path(*state), "");
    trio_deinit(*state);
    return 0;
}

static void hang(const struct trio *trio, const char *one, const char *other)
{
    char text[128];

    (void)snprintf(text, sizeof text, "hang %s %d\nhang %s %d\n", one, FOR_EVER_MS, other, FOR_EVER_MS);
    faults_say(faults_path(trio), text);
}

static void open_as(const struct trio *trio, struct test_https *client, struct ssl_ctx_st *context)
{
    assert_true(is_let_in(trio, 0, context));
    assert_true(test_https_open(client, trio->api[0], context));
}

static void assert_put_out(const struct trio *trio, struct test_https *client, struct ssl_ctx_st *context)
{
    assert_true(test_https_is_at_end(client));
    test_https_close(client);
    assert_false(is_let_in(trio, 0, context));
}

/* 5.3: whoever is named is out, though the certificate in use, at which a witness looks now and then, hangs. */
static void whom_a_witness_takes_back_is_out_though_its_certificate_hangs(void **state)
{
    struct trio *trio = *state;
    struct ssl_ctx_st *fay = issue(trio, "fay");
    struct test_https client;

    open_as(trio, &client, fay);
    hang(trio, "w1.pem", "w1.pem");
    trio_logs(trio, 0, "event=config.read_stalled");
    take_back(trio, 0, NULL, "operator/fay");

    assert_put_out(trio, &client, fay);
    assert_false(trio_has_logged(trio, 0, "event=config.reload")); /* neither good nor bad: its certificate is awaited */

    faults_say(faults_path(trio), "");
    trio_logs(trio, 0, "event=config.reloaded component=witness what=configuration");
    trio_logs(trio, 0, "event=files.answer");
    assert_false(is_let_in(trio, 0, fay));
    SSL_CTX_free(fay);
}

/* What was read before a file that takes somebody back, or for an older one, lets nobody in again: neither a look at the
 * certificate in use that has found another one, nor the certificate that the older file names. */
static void what_was_read_before_the_newest_file_lets_nobody_in_again(void **state)
{
    struct trio *trio = *state;
    struct ssl_ctx_st *fay = issue(trio, "fay");
    struct ssl_ctx_st *gus = issue(trio, "gus");
    struct test_https clients[2];
    char command[512];

    open_as(trio, &clients[0], fay);
    open_as(trio, &clients[1], gus);
    hang(trio, "w1.pem", "w1b.pem");
    (void)snprintf(command, sizeof command, "cd '%s' && cp -p w1.pem w1b.pem && touch w1.pem", trio->pki.dir);
    assert_int_equal(system(command), 0);
    trio_logs(trio, 0, "event=config.read_stalled");
    take_back(trio, 0, "w1b.pem", "operator/fay");
    assert_put_out(trio, &clients[0], fay);

    hang(trio, "w1b.pem", "w1b.pem");
    trio_logs(trio, 0, "event=config.reloaded component=witness what=certificates");
    assert_false(is_let_in(trio, 0, fay));
    take_back(trio, 0, NULL, "operator/gus");
    assert_put_out(trio, &clients[1], gus);
    assert_false(is_let_in(trio, 0, fay)); /* whom the newest names no more waits for its certificate */

    faults_say(faults_path(trio), "");
    trio_logs(trio, 0, "event=config.reloaded component=witness what=configuration");
    assert_false(is_let_in(trio, 0, gus));
    assert_true(is_let_in(trio, 0, fay));
    SSL_CTX_free(fay);
    SSL_CTX_free(gus);
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
        cmocka_unit_test_setup_teardown(whom_a_witness_takes_back_is_out_though_its_certificate_hangs,
                                        faulty_set_up, faulty_tear_down),
        cmocka_unit_test_setup_teardown(what_was_read_before_the_newest_file_lets_nobody_in_again,
                                        faulty_set_up, faulty_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
