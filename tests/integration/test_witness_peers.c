/* the witness program among hostile and mistaken peers, and its own life: bad files, certificates,
 * signals. Design 2, 5.3, 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/wire/frame.h>
#include <breakwater/wire/sync.h>

#include "janitor.h"
#include "patience.h"
#include "test_https.h"
#include "trio.h"

#define PAUSE_US 100000

static struct trio trio;
static struct puppet a;

static int setup(void **state)
{
    (void)state;
    trio_init(&trio);
    puppet_init(&a, &trio, "dc-a", "harbor");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    puppet_deinit(&a);
    trio_deinit(&trio);
    return 0;
}

/* ---- claims: hostile and mistaken peers */

static void what_is_no_sync_is_refused_and_nothing_falls(void **state)
{
    static uint8_t body[BW_BODY_BYTES_MAX + 1];
    struct puppet liar;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    memset(body, 0xff, sizeof body);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/sync", body, 1000), 400);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/sync", body, BW_SYNC_BYTES_MAX), 400);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/sync", body, sizeof body - 1), 413);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/sync", body, sizeof body), 413);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/sync", "", 0), 400);
    assert_int_equal(puppet_post(&a, 0, "/v1/agent/relay", body, 100), 403);
    puppet_init(&liar, &trio, "dc-b", "harbor");
    (void)strcpy(liar.site, "dc-a");
    assert_int_equal(puppet_sync(&liar, 0), 403);
    puppet_deinit(&liar);
    a.trio->cluster_id.bytes[0] ^= 1;
    assert_int_equal(puppet_sync(&a, 0), 409);
    a.trio->cluster_id.bytes[0] ^= 1;

    assert_int_equal(puppet_sync(&a, 0), 200);
}

static int sync_as(const char *uri)
{
    struct puppet other;
    char path[TEST_PKI_PATH_BYTES];
    int status;

    puppet_init(&other, &trio, "dc-c", "harbor");
    test_pki_issue_uri(&trio.pki, "other.pem", uri, path);
    bw_credentials_free(other.credentials);
    assert_int_equal(bw_credentials_load(trio.pki.ca_path, path, &other.credentials, NULL), BW_OK);
    status = puppet_sync(&other, 0);
    puppet_deinit(&other);
    return status;
}

/* The product's own client would not even speak to another cluster. */
static int ask_as(const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];
    struct ssl_ctx_st *context;
    struct test_https client;
    struct test_answer answer = {0};

    if (uri != NULL)
        test_pki_issue_uri(&trio.pki, "other.pem", uri, path);
    context = test_pki_client(trio.pki.ca_path, uri != NULL ? path : NULL);
    assert_true(test_https_open(&client, trio.api[0], context));
    assert_true(test_https_say(&client, "POST /v1/agent/sync HTTP/1.1\r\nHost: w1\r\n"
                                        "Content-Length: 1\r\n\r\nx"));
    test_https_hear(&client, false, &answer);
    test_https_close(&client);
    SSL_CTX_free(context);
    return answer.status;
}

static void only_an_agent_of_this_cluster_may_sync(void **state)
{
    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);

    assert_int_equal(sync_as("breakwater://prod/agent/dc-c/agent-1"), 200);
    assert_int_equal(sync_as("breakwater://prod/operator/o"), 403);
    assert_int_equal(sync_as("breakwater://prod/viewer/o"), 403);
    assert_int_equal(sync_as("breakwater://prod/witness/w2"), 403);
    assert_int_equal(ask_as("breakwater://other/agent/dc-c/agent-1"), 401);
    assert_int_equal(ask_as(NULL), 401);
}

/* False: the peer was let in, and is still there when it had time to be refused. */
static bool is_refused(uint16_t port, const char *ca, const char *identity)
{
    struct ssl_ctx_st *context = test_pki_client(ca, identity);
    struct test_https client;
    bool refused = true;

    if (test_https_open(&client, port, context))
        refused = test_https_is_at_end(&client);
    test_https_close(&client);
    SSL_CTX_free(context);
    return refused;
}

static void only_another_member_may_speak_raft(void **state)
{
    static const char *const wrong[] = {"breakwater://prod/agent/dc-a/agent-1",
                                        "breakwater://prod/operator/o",
                                        "breakwater://prod/witness/w9", /* no member */
                                        "breakwater://prod/witness/w1", /* itself */
                                        "breakwater://other/witness/w2"};
    const struct test_leaf expired = {
        .uris = {"breakwater://prod/witness/w2"}, .begins_s = -7200, .ends_s = -3600};
    char path[TEST_PKI_PATH_BYTES];
    struct test_pki foreign;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        test_pki_issue_uri(&trio.pki, "wrong.pem", wrong[i], path);
        assert_true(is_refused(trio.raft[0], trio.pki.ca_path, path));
    }
    test_pki_issue(&trio.pki, "expired.pem", &expired, path);
    assert_true(is_refused(trio.raft[0], trio.pki.ca_path, path));
    assert_true(is_refused(trio.api[0], trio.pki.ca_path, path));
    assert_true(is_refused(trio.raft[0], trio.pki.ca_path, NULL));
    test_pki_init(&foreign);
    test_pki_issue_uri(&foreign, "w2.pem", "breakwater://prod/witness/w2", path);
    assert_true(is_refused(trio.raft[0], trio.pki.ca_path, path));
    assert_true(is_refused(trio.api[0], trio.pki.ca_path, path));
    test_pki_deinit(&foreign);

    trio_logs(&trio, 0, "event=raft.peer_refused");
    assert_int_equal(puppet_sync(&a, 0), 200);
}

static void a_dialed_peer_with_another_members_certificate_is_refused(void **state)
{
    uint16_t port;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    port = trio.raft[0]; /* w2 is told that w3 lives where w1 does, and the reverse */
    trio.raft[0] = trio.raft[2];
    trio.raft[2] = port;
    trio_configure(&trio, 1, "w2.pem");
    (void)trio_stop(&trio, 1, SIGKILL);
    trio_start(&trio, 1, TRIO_EXECUTED);

    trio_logs(&trio, 1, "its certificate is another member's");
}

/* ---- claims: life */

static void a_bad_configuration_or_certificate_is_78(void **state)
{
    const struct test_leaf expired = {
        .uris = {"breakwater://prod/witness/w1"}, .begins_s = -7200, .ends_s = -3600};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    trio_configure(&trio, 0, "w2.pem");
    trio_start(&trio, 0, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&trio, 0, 0), 78);
    trio_logs(&trio, 0, "is of witness w2, and the configuration of w1");
    trio_configure(&trio, 0, "viewer.pem");
    trio_start(&trio, 0, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&trio, 0, 0), 78);
    test_pki_issue(&trio.pki, "w1.pem", &expired, path);
    trio_configure(&trio, 0, "w1.pem");
    trio_start(&trio, 0, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&trio, 0, 0), 78);
    trio_spoil(&trio, 0);
    trio_start(&trio, 0, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&trio, 0, 0), 78);
    trio_logs(&trio, 0, "nothing was started");
}

static void a_witness_is_made_once(void **state)
{
    char config[TRIO_PATH_BYTES];
    char out[64];
    char *init[] = {NULL, "witness", "init", "-c", config, NULL};

    (void)state;
    trio_path(&trio, "w1.yaml", config);
    assert_int_not_equal(trio_run(&trio, init, out, sizeof out), 0);

    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
}

static void sigterm_hands_over_and_ends_well(void **state)
{
    int leader;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    leader = trio_leader(&trio);
    assert_int_equal(trio_stop(&trio, leader, SIGTERM), 0);

    assert_int_not_equal(trio_leader(&trio), leader);
    assert_int_equal(trio_stop(&trio, trio_follower(&trio), SIGINT), 0);
}

static void a_new_certificate_is_taken_and_a_bad_one_is_not(void **state)
{
    const struct test_leaf expired = {
        .uris = {"breakwater://prod/witness/w1"}, .begins_s = -7200, .ends_s = -3600};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    test_pki_issue(&trio.pki, "w1.pem", &expired, path);
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.reload_failed");
    assert_int_equal(puppet_sync(&a, 0), 200); /* with the old one */
    test_pki_issue_uri(&trio.pki, "w1.pem", "breakwater://prod/witness/w1", path);
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.reloaded");

    assert_int_equal(puppet_sync(&a, 0), 200);
    (void)trio_leader(&trio);
}

static void a_changed_certificate_file_is_noticed_without_a_signal(void **state)
{
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    test_pki_issue_uri(&trio.pki, "w1.pem", "breakwater://prod/witness/w1", path);

    trio_logs(&trio, 0, "event=config.reloaded component=witness what=certificates");
}

static void a_bad_file_leaves_the_old_configuration(void **state)
{
    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    trio_spoil(&trio, 0);
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.problem component=witness error=");
    trio.api[0]++;
    trio_configure(&trio, 0, "w1.pem");
    trio.api[0]--;
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "listen changes only with a restart");

    assert_int_equal(puppet_sync(&a, 0), 200);
}

#define FIVE 5

/* The file of w`i + 1` names two more. */
static void write_five(int i)
{
    const struct bw_lab_plan plan = trio_plan(&trio);
    struct bw_lab_member members[FIVE];
    char file[16];
    char path[TRIO_PATH_BYTES];
    char data_dir[TRIO_PATH_BYTES];

    for (uint32_t at = 0; at < FIVE; at++)
        members[at] = (struct bw_lab_member){.id = at + 1, .at = plan.witnesses[at % TRIO_WITNESSES]};
    (void)strcpy(members[3].at.host, "127.0.0.2"); /* nobody's */
    (void)strcpy(members[4].at.host, "127.0.0.2");
    (void)snprintf(file, sizeof file, "w%d.yaml", i + 1);
    trio_path(&trio, file, path);
    (void)snprintf(file, sizeof file, "data%d", i + 1);
    trio_path(&trio, file, data_dir);
    assert_int_equal(bw_lab_write_member(&plan, members, FIVE, (uint32_t)i, path, data_dir, NULL, NULL), BW_OK);
}

static int run_alone(char **argv, char *out, size_t size)
{
    return trio_run(&trio, argv, out, size);
}

/* The same, with what all commands have written to standard error. */
static int run(char **argv, char *out, size_t size)
{
    char path[TRIO_PATH_BYTES];
    const int status = run_alone(argv, out, size);
    const size_t used = strlen(out);
    FILE *errors;

    trio_path(&trio, "run1.log", path);
    errors = fopen(path, "r");
    assert_non_null(errors);
    out[used + fread(out + used, 1, size - used - 1, errors)] = '\0';
    (void)fclose(errors); /* only read from */
    return status;
}

static int make_w4(char *out, size_t size)
{
    char path[TEST_PKI_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char id[BW_ID_TEXT_BYTES];
    char *argv[] = {NULL, "witness", "init", "-c", config, "--cluster-id", id, NULL};

    test_pki_issue_uri(&trio.pki, "w4.pem", "breakwater://prod/witness/w4", path);
    write_five(3);
    trio_path(&trio, "w4.yaml", config);
    bw_id_format(trio.cluster_id, id);
    return run(argv, out, size);
}

/* `runs`: run or run_alone. */
static int ask_status(int i, int (*runs)(char **argv, char *out, size_t size), char *out, size_t size)
{
    char endpoint[32];
    char ca[TRIO_PATH_BYTES];
    char identity[TEST_PKI_PATH_BYTES];
    char *argv[] = {NULL, "status", "--endpoint", endpoint, "--ca", ca, "--identity", identity, NULL};

    (void)snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", (unsigned)trio.api[i]);
    trio_path(&trio, "ca.pem", ca);
    test_pki_issue_uri(&trio.pki, "board.pem", "breakwater://prod/viewer/board", identity);
    return runs(argv, out, size);
}

/* 3.9: the way that three become five is said wherever the wrong one is tried; and who is no member is missed by
 * nobody. */
static void files_that_name_two_more_make_nobody_a_witness(void **state)
{
    static char out[16384];
    char path[TRIO_PATH_BYTES];

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        write_five(i);
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "changes by `breakwater members add`, `replace` and `remove`");
    assert_int_equal(make_w4(out, sizeof out), 0);
    trio_path(&trio, "data4", path);
    janitor_remove_dir(path);
    if (strstr(out, "use --join") == NULL)
        fail_msg("%s", out);

    for (int i = 0; i < TRIO_WITNESSES; i++) {
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
        trio_start(&trio, i, TRIO_EXECUTED);
    }
    (void)ask_status(trio_leader(&trio), run_alone, out, sizeof out);
    assert_non_null(strstr(out, "\nw3 "));
    assert_null(strstr(out, "w4"));
    trio_signal(&trio, 0, SIGHUP); /* what it has begun with is no reason to refuse what else is new */
    trio_logs(&trio, 0, "config.reloaded");
}

/* Empties w3's data directory, and makes it anew; `id`: for that cluster, NULL: for a new one. */
static void found_w3(char *id)
{
    static char out[4096];
    char data[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char *argv[] = {NULL, "witness", "init", "-c", config, id != NULL ? "--cluster-id" : NULL, id, NULL};

    trio_path(&trio, "data3", data);
    janitor_remove_dir(data);
    trio_path(&trio, "w3.yaml", config);
    if (run(argv, out, sizeof out) != 0)
        fail_msg("%s", out);
}

/* Until status of w1 prints `wanted`; its text is in `out`. */
static void status_has(const char *wanted, char *out, size_t size)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    while (ask_status(0, run, out, size) < 0 || strstr(out, wanted) == NULL) {
        if (patience_is_over(&patience))
            patience_fail("status says \"%s\": %s", wanted, out);
        (void)usleep(PAUSE_US);
    }
}

static void assert_check_names_w3(void)
{
    static char out[16384];
    char config[TRIO_PATH_BYTES];
    char *argv[] = {NULL, "check", "--connect", config, NULL};

    trio_path(&trio, "w1.yaml", config);
    assert_int_equal(run(argv, out, sizeof out), 1);
    if (strstr(out, "created for another cluster") == NULL && strstr(out, "w3: it belongs to cluster ") == NULL)
        fail_msg("%s", out);
}

/* `init` ran without the cluster's id while the other witnesses were down. Design 5.3. */
static void a_first_witness_of_another_cluster_is_named_and_the_printed_command_helps(void **state)
{
    static char out[16384];
    char id[BW_ID_TEXT_BYTES];
    char fix[96];

    (void)state;
    found_w3(NULL);
    trio_start_all(&trio, TRIO_EXECUTED);
    status_has("it waits for w3, created for another cluster", out, sizeof out);
    bw_id_format(trio.cluster_id, id);
    (void)snprintf(fix, sizeof fix, "breakwater witness init -c FILE --cluster-id %s", id);
    assert_non_null(strstr(out, fix));
    assert_check_names_w3();

    assert_int_equal(trio_stop(&trio, 2, SIGTERM), 0);
    found_w3(id);
    trio_start(&trio, 2, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    assert_int_equal(ask_status(0, run, out, sizeof out), 0);
}

/* Its directory was made again for another cluster, which goes on without it. Design 5.3. */
static void a_witness_that_now_belongs_to_another_cluster_is_named(void **state)
{
    static char out[16384];

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
    found_w3(NULL);
    trio_start_all(&trio, TRIO_EXECUTED);
    status_has("! w3: the witness was created for another cluster", out, sizeof out);
    assert_non_null(strstr(out, "breakwater members replace w3 NEW"));
    assert_check_names_w3();
}

/* 5.3: to skip what others apply would make them differ. */
static void a_command_from_tomorrow_stops_the_witness_with_the_next_step(void **state)
{
    uint8_t entry[BW_FRAME_HEAD_BYTES + 12] = {0};
    const uint8_t payload[] = {0xfa, 0x06, 0x02, 0x08, 0x01}; /* field 111, of two bytes */
    size_t size = BW_FRAME_HEAD_BYTES + sizeof payload;
    struct patience patience;
    int stopped = 0;
    int leader;

    (void)state;
    trio_start_all(&trio, TRIO_FORKED);
    leader = trio_leader(&trio);
    memcpy(entry + BW_FRAME_HEAD_BYTES, payload, sizeof payload);
    bw_frame_seal(entry, BW_FRAME_LOG_ENTRY, sizeof payload);
    trio_append(&trio, entry, (size + 7) / 8 * 8);

    assert_int_equal(trio_stop(&trio, leader, 0), 70);
    trio_logs(&trio, leader, "event=witness.stopped");
    trio_logs(&trio, leader, "upgrade this witness");
    /* Whoever leads next stops too; the last one never learns that it was committed. */
    patience = patience_begin(TRIO_WAIT_MS);
    while (stopped == 0) {
        if (patience_is_over(&patience))
            patience_fail("the next leader stops, too");
        for (int i = 0; i < TRIO_WITNESSES; i++)
            stopped += i != leader && trio_has_logged(&trio, i, "upgrade this witness");
        (void)usleep(PAUSE_US);
    }
    assert_int_equal(stopped, 1);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(what_is_no_sync_is_refused_and_nothing_falls),
        CLAIM(only_an_agent_of_this_cluster_may_sync),
        CLAIM(only_another_member_may_speak_raft),
        CLAIM(a_dialed_peer_with_another_members_certificate_is_refused),
        CLAIM(a_bad_configuration_or_certificate_is_78),
        CLAIM(a_witness_is_made_once),
        CLAIM(sigterm_hands_over_and_ends_well),
        CLAIM(a_new_certificate_is_taken_and_a_bad_one_is_not),
        CLAIM(a_changed_certificate_file_is_noticed_without_a_signal),
        CLAIM(a_bad_file_leaves_the_old_configuration),
        CLAIM(a_first_witness_of_another_cluster_is_named_and_the_printed_command_helps),
        CLAIM(a_witness_that_now_belongs_to_another_cluster_is_named),
        CLAIM(files_that_name_two_more_make_nobody_a_witness),
        CLAIM(a_command_from_tomorrow_stops_the_witness_with_the_next_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
