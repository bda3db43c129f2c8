/* What may knock at the ports of a real witness: strangers in any number, members that talk
 * nonsense, and false witnesses at which agents and people may end up. Design 5.3: it keeps
 * serving, its memory is bounded, nobody is let in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <raft.h>

#include <breakwater/consensus/hello.h>
#include <breakwater/consensus/vote.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/prng.h>

#include <breakwater/net/credentials.h>
#include <breakwater/net/tls_context.h>

#include "agent_world.h"
#include "patience.h"
#include "process_memory.h"
#include "rude_server.h"
#include "test_https.h"
#include "trio.h"

#define WAVE     240 /* connections at once, to each of both ports */
#define WAVES    3   /* the first one warms the allocator up */
#define SYNC_PER 16  /* connections between two syncs of an agent */
#define STORMS   3
#define KIB      1024

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GROWTH_KIB_MAX (64 * KIB) /* what was freed waits in a quarantine; memory has a shadow */
#define PEAK_KIB_MAX   (256 * KIB)
#else
#define GROWTH_KIB_MAX (8 * KIB)
#define PEAK_KIB_MAX   (64 * KIB)
#endif

static struct trio trio;
static struct puppet agent;
static struct bw_prng prng;

static int set_up(void **state)
{
    (void)state;
    bw_prng_init(&prng, 1);
    trio_init(&trio);
    puppet_init(&agent, &trio, "dc-a", "harbor");
    return 0;
}

/* Leaders that a stall of this machine for less than 2 s does not depose. */
static int set_up_slow(void **state)
{
    (void)state;
    bw_prng_init(&prng, 1);
    trio_init_slow(&trio, 2000);
    puppet_init(&agent, &trio, "dc-a", "harbor");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    puppet_deinit(&agent);
    trio_deinit(&trio);
    return 0;
}

/* ---- a storm --------------------------------------------------------------------------------- */

static struct test_https guests[2 * WAVE];
static unsigned guest_count;

static void say_garbage(struct test_https *guest, size_t size)
{
    uint8_t bytes[4096];

    assert_true(size <= sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)bw_prng_below(&prng, 256);
    (void)test_https_send(guest, bytes, size); /* it may have closed already */
}

/* The beginning of a handshake that never goes on. */
static void say_half_a_hello(struct test_https *guest)
{
    static const uint8_t hello[] = {0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3};

    (void)test_https_send(guest, hello, sizeof hello);
    say_garbage(guest, 40);
}

/* Through the handshake, and then a head, a body or silence without end. */
static void come_in(struct test_https *guest, uint16_t port, SSL_CTX *context, uint64_t what)
{
    static char much[64 * KIB];

    if (!test_https_open(guest, port, context))
        return;
    memset(much, 'x', sizeof much - 1);
    if (what == 0)
        (void)test_https_say(guest, "G");
    else if (what == 1)
        (void)(test_https_say(guest, "PUT /v1/groups HTTP/1.1\r\nHost: w1\r\n"
                                     "Content-Length: 1073741824\r\n\r\n") &&
               test_https_say(guest, much));
    else
        (void)(test_https_say(guest, "GET /") && test_https_say(guest, much));
}

static void knock(uint16_t port, SSL_CTX *context)
{
    struct test_https *guest = &guests[guest_count++];
    const uint64_t kind = bw_prng_below(&prng, 16);

    if (kind == 0) {
        come_in(guest, port, context, bw_prng_below(&prng, 3));
        return;
    }
    test_https_dial(guest, port);
    if (kind < 4)
        say_garbage(guest, 512);
    else if (kind < 7)
        say_half_a_hello(guest);
    else if (kind < 9)
        (void)test_https_say(guest, "GET /v1/status HTTP/1.1\r\nHost: w1\r\n\r\n");
    else if (kind < 12)
        say_garbage(guest, 5);
    /* the others connect, and say nothing */
}

static void leave(void)
{
    for (unsigned i = 0; i < guest_count; i++)
        if (i % 3 == 0 && guests[i].ssl == NULL)
            test_https_reset(&guests[i]);
        else
            test_https_close(&guests[i]);
    guest_count = 0;
}

/* False: witness `leader` led no longer at one moment. Each sync must be answered. */
static bool wave(int leader, SSL_CTX *contexts[2], long *out_peak_kib)
{
    bool led = true;
    long kib;

    for (unsigned i = 0; i < WAVE; i++) {
        knock(trio.api[leader], contexts[i % 2]);
        knock(trio.raft[leader], contexts[i % 2]);
        if (i % SYNC_PER != 0)
            continue;
        assert_int_equal(puppet_sync(&agent, leader), 200);
        led = led && agent.answer.is_leader;
        kib = process_memory_kib(trio.pids[leader]);
        *out_peak_kib = kib > *out_peak_kib ? kib : *out_peak_kib;
    }
    leave();
    assert_int_equal(puppet_sync(&agent, leader), 200);
    return led && agent.answer.is_leader;
}

static bool storm(int leader, SSL_CTX *contexts[2])
{
    long peak_kib = 0;
    bool led = wave(leader, contexts, &peak_kib);
    const long before_kib = process_memory_kib(trio.pids[leader]);

    for (int i = 1; i < WAVES; i++)
        led = wave(leader, contexts, &peak_kib) && led;
    print_message("anonymous memory: %ld KiB before, %ld after, %ld at most\n", before_kib,
                  process_memory_kib(trio.pids[leader]), peak_kib);
    assert_true(peak_kib - before_kib < PEAK_KIB_MAX);
    assert_true(process_memory_kib(trio.pids[leader]) - before_kib < GROWTH_KIB_MAX);
    return led;
}

/* Three tries: on a busy machine an election may be lost for reasons of its own. */
static void a_storm_of_strangers_takes_neither_leadership_nor_memory(void **state)
{
    char viewer[TRIO_PATH_BYTES];
    SSL_CTX *contexts[2] = {test_pki_client(trio.pki.ca_path, NULL), NULL};
    bool led = false;

    (void)state;
    trio_path(&trio, "viewer.pem", viewer);
    contexts[1] = test_pki_client(trio.pki.ca_path, viewer);
    trio_start_all(&trio, TRIO_EXECUTED);
    for (int i = 0; i < STORMS && !led; i++)
        led = storm(trio_leader(&trio), contexts);

    assert_true(led);
    SSL_CTX_free(contexts[0]);
    SSL_CTX_free(contexts[1]);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
}

/* ---- one certificate, three hundred connections ---------------------------------------------- */

#define GREEDY 300

/* Each in another way: silent, in the middle of a request, waiting for an order, for a document. */
static void take_a_place(struct test_https *guest, uint16_t port, SSL_CTX *context, unsigned i)
{
    static const char *const words[] = {
        "", "G", "GET /v1/agent/orders?after=18446744073709551615&wait=20s HTTP/1.1\r\n"
        "Host: w1\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: w1\r\n\r\n"};

    if (test_https_open(guest, port, context) && words[i % 4][0] != '\0')
        (void)test_https_say(guest, words[i % 4]);
}

/* True: the leader kept its term while that certificate took all that it could get. Every sync must
 * be answered. */
static bool be_greedy(int leader, const char *file, const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];
    SSL_CTX *context;
    bool led = true;

    test_pki_issue_uri(&trio.pki, file, uri, path);
    context = test_pki_client(trio.pki.ca_path, path);
    for (unsigned i = 0; i < GREEDY; i++) {
        take_a_place(&guests[guest_count++], trio.api[leader], context, i);
        if (i % SYNC_PER != 0)
            continue;
        assert_int_equal(puppet_sync(&agent, leader), 200);
        led = led && agent.answer.is_leader;
    }
    assert_int_equal(puppet_sync(&agent, leader), 200); /* and they all are still there */
    led = led && agent.answer.is_leader;
    leave();
    SSL_CTX_free(context);
    return led;
}

/* Of any role, also the agent's own: design 5.3. */
static void no_certificate_takes_everybodys_place(void **state)
{
    static const struct {
        const char *file;
        const char *uri;
    } greedy[] = {{"greedy-v.pem", "breakwater://prod/viewer/greedy"},
                  {"greedy-o.pem", "breakwater://prod/operator/greedy"},
                  {"greedy-b.pem", "breakwater://prod/agent/dc-b/greedy"},
                  {"greedy-w.pem", "breakwater://prod/witness/w2"}};
    bool led = false;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    for (size_t i = 0; i < sizeof greedy / sizeof greedy[0]; i++) {
        led = false;
        for (int try = 0; try < STORMS && !led; try++)
            led = be_greedy(trio_leader(&trio), greedy[i].file, greedy[i].uri);
        assert_true(led);
        if (i == 0) /* further ones are summarised */
            trio_logs(&trio, trio_leader(&trio), greedy[i].uri);
    }
    for (int i = 0; i < TRIO_WITNESSES; i++)
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
}

/* ---- a member that talks nonsense ------------------------------------------------------------ */

struct nonsense {
    uint64_t type;
    uint64_t header_bytes;
    uint64_t term;   /* the first word of the header */
    uint64_t word;   /* each other one */
    const char *why; /* in the log */
};

/* The first words of witness `from`, as its data directory has them. */
static void read_hello(int from, int to, uint8_t out_hello[BW_HELLO_BYTES])
{
    struct bw_hello hello = {.word = BW_HELLO_JOIN,
                             .cluster_id = trio.cluster_id,
                             .from = (uint64_t)from + 1,
                             .to = (uint64_t)to + 1};
    char path[TRIO_PATH_BYTES];
    char name[32];
    char line[256];
    char text[BW_ID_TEXT_BYTES];
    bool is_found = false;
    FILE *in;

    (void)snprintf(name, sizeof name, "data%d/identity", from + 1);
    trio_path(&trio, name, path);
    in = fopen(path, "r");
    assert_non_null(in);
    while (!is_found && fgets(line, sizeof line, in) != NULL)
        is_found = sscanf(line, "incarnation %32s", text) == 1 &&
                   bw_id_parse(text, &hello.incarnation);
    assert_true(is_found);
    assert_int_equal(fclose(in), 0);
    bw_hello_encode(&hello, out_hello);
}

/* A certificate of another member than the leader, which is killed: its own connection would replace these. */
static SSL_CTX *be_another_member(int leader, int *out_member, uint8_t out_hello[BW_HELLO_BYTES])
{
    const int member = leader == 0 ? 1 : 0;
    char identity[TRIO_PATH_BYTES];
    char file[16];

    read_hello(member, leader, out_hello);
    (void)snprintf(file, sizeof file, "w%d.pem", member + 1);
    trio_path(&trio, file, identity);
    (void)trio_stop(&trio, member, SIGKILL);
    *out_member = member;
    return test_pki_client(trio.pki.ca_path, identity);
}

static void say_nonsense(uint16_t port, SSL_CTX *context, const uint8_t hello[BW_HELLO_BYTES],
                         const struct nonsense *nonsense)
{
    const uint64_t words = nonsense->header_bytes > 80 ? 10 : nonsense->header_bytes / 8;
    struct test_https peer;
    char answer[BW_HELLO_BYTES + 1];
    uint8_t bytes[96];

    bw_put_u64le(bytes, nonsense->type);
    bw_put_u64le(bytes + 8, nonsense->header_bytes);
    for (uint64_t i = 0; i < words; i++)
        bw_put_u64le(bytes + 16 + 8 * i, i > 0 ? nonsense->word : nonsense->term);
    assert_true(test_https_open(&peer, port, context));
    assert_true(test_https_send(&peer, hello, BW_HELLO_BYTES));
    assert_int_equal(test_https_read(&peer, answer, sizeof answer), BW_HELLO_BYTES);
    (void)test_https_send(&peer, bytes, 16 + 8 * (size_t)words); /* it may have closed already */
    assert_true(test_https_is_at_end(&peer));
    test_https_close(&peer);
}

/* One that leads, and another one that says `all` to it, in turn; then it comes back, and all is
 * well. */
static void be_a_member_that_says(const struct nonsense *all, size_t count)
{
    const int leader = trio_leader(&trio);
    uint8_t hello[BW_HELLO_BYTES];
    int member;
    SSL_CTX *context = be_another_member(leader, &member, hello);

    for (size_t i = 0; i < count; i++) {
        say_nonsense(trio.raft[leader], context, hello, &all[i]);
        if (i == 0) /* further ones are summarised */
            trio_logs(&trio, leader, all[i].why);
    }
    SSL_CTX_free(context);

    assert_int_equal(puppet_sync(&agent, leader), 200);
    trio_start(&trio, member, TRIO_EXECUTED);
    (void)trio_leader(&trio);
}

/* libraft would allocate what is announced, and read beyond what came. */
static void a_member_that_talks_nonsense_is_cut_off_and_named(void **state)
{
    static const struct nonsense all[] = {
        {RAFT_REQUEST_VOTE, 40, 7, 7,
         "it asks for votes as witness 7, but its certificate is that of"},
        {255, 40, 7, 0, "no message of type 255"},
        {RAFT_REQUEST_VOTE, 8, 7, 0, "RequestVote: its header has 8 bytes"},
        {RAFT_REQUEST_VOTE, UINT64_C(1) << 62, 7, 0, "the limit is 104"},
        {RAFT_APPEND_ENTRIES, UINT64_C(1) << 40, 7, 0,
         "AppendEntries: its header has 1099511627776"},
        {RAFT_APPEND_ENTRIES, 80, 7, UINT64_C(1) << 60, "1152921504606846976 entries"},
        {RAFT_APPEND_ENTRIES, 80, 7, 1000, "a header of 80 bytes for 1000 entries"},
        {RAFT_INSTALL_SNAPSHOT, 80, 7, UINT64_C(1) << 40, "a configuration of 1099511627776 bytes"},
    };

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    be_a_member_that_says(all, sizeof all / sizeof all[0]);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
}

/* Whoever took it could be followed by nobody, ever, and `recover` would begin where it had ended.
 */
static void a_term_that_nobody_gets_above_is_taken_by_nobody(void **state)
{
    static const struct nonsense all[] = {
        {RAFT_REQUEST_VOTE, 40, UINT64_MAX, 0, "RequestVote: term 18446744073709551615, and this"},
        {RAFT_REQUEST_VOTE, 40, UINT64_C(1) << 61, 0, "no elections lead there"},
        {RAFT_REQUEST_VOTE_RESULT, 24, UINT64_MAX, 0, "RequestVoteResult: term"},
        {RAFT_APPEND_ENTRIES, 40, UINT64_MAX, 0, "AppendEntries: term"},
        {RAFT_APPEND_ENTRIES_RESULT, 32, UINT64_MAX, 0, "AppendEntriesResult: term"},
        {RAFT_INSTALL_SNAPSHOT, 80, UINT64_MAX, 0, "InstallSnapshot: term"},
        {RAFT_TIMEOUT_NOW, 24, UINT64_MAX, 0, "TimeoutNow: term"},
    };
    char path[TRIO_PATH_BYTES];
    uint8_t bytes[BW_VOTE_BYTES];
    struct bw_vote vote;
    FILE *file;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    be_a_member_that_says(all, sizeof all / sizeof all[0]);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);

    trio_path(&trio, "data1/vote", path);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(bytes, sizeof bytes, 1, file), 1);
    (void)fclose(file); /* only read from */
    assert_int_equal(bw_vote_decode(bytes, sizeof bytes, &vote, NULL), BW_OK);
    assert_in_range(vote.term, 1, 1000);
}

/* ---- a member that is far away ----------------------------------------------------------------- */

#define CROWD 100
#define KEPT  32 /* of those that Raft's port does not know yet */

/* Each comes once the one that made room for it is gone, so that none waits to be accepted. */
static void crowd_in(struct test_https *crowd, uint16_t port)
{
    for (int i = 0; i < CROWD; i++) {
        test_https_dial_from_elsewhere(&crowd[i], port);
        if (i >= KEPT)
            assert_true(test_https_is_at_end(&crowd[i - KEPT]));
    }
}

/* True: it was welcome, though many came between its first packet and its first word. */
static bool is_heard(uint16_t port, SSL_CTX *context, const uint8_t hello[BW_HELLO_BYTES])
{
    static struct test_https crowd[CROWD];
    struct test_https peer;
    char answer[BW_HELLO_BYTES + 1];
    bool is_welcome;

    test_https_dial(&peer, port);
    crowd_in(crowd, port);
    is_welcome = test_https_shake(&peer, context) && test_https_send(&peer, hello, BW_HELLO_BYTES) &&
                 test_https_read(&peer, answer, sizeof answer) == BW_HELLO_BYTES;
    for (int i = 0; i < CROWD; i++)
        test_https_close(&crowd[i]);
    test_https_close(&peer);
    return is_welcome;
}

/* Several tries: for its handshake anybody has three seconds, which a busy machine may take for the crowd. */
static void a_crowd_at_rafts_port_keeps_no_slow_member_out(void **state)
{
    uint8_t hello[BW_HELLO_BYTES];
    bool is_welcome = false;
    SSL_CTX *context;
    int leader;
    int member;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    leader = trio_leader(&trio);
    context = be_another_member(leader, &member, hello);
    for (int i = 0; i < STORMS && !is_welcome; i++)
        is_welcome = is_heard(trio.raft[leader], context, hello);

    assert_true(is_welcome);
    SSL_CTX_free(context);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != member)
            assert_int_equal(trio_stop(&trio, i, SIGTERM), 0);
}

/* ---- false witnesses ------------------------------------------------------------------------- */

struct falsehood {
    struct test_leaf leaf;
    bool is_foreign; /* of another CA */
    const char *why;
};

static const struct falsehood falsehoods[] = {
    {{.uris = {"breakwater://prod/witness/w1"}}, true, "CA"},
    {{.uris = {"breakwater://prod/witness/w1"}, .begins_s = -7200, .ends_s = -3600},
     false,
     "its certificate has expired"},
    {{.uris = {"breakwater://prod/agent/dc-a/agent-1"}}, false, "not that of a witness of cluster"},
    {{.uris = {"breakwater://other/witness/w1"}}, false, "not that of a witness of cluster"},
};

#define FALSEHOODS (sizeof falsehoods / sizeof falsehoods[0])

static void issue_false(struct test_pki *pki, struct test_pki *foreign, size_t i,
                        char out_path[TEST_PKI_PATH_BYTES])
{
    test_pki_issue(falsehoods[i].is_foreign ? foreign : pki, "false.pem", &falsehoods[i].leaf,
                   out_path);
}

static void write_cli(const char *identity, uint16_t port)
{
    char path[TRIO_PATH_BYTES];
    FILE *file;

    trio_path(&trio, "cli.yaml", path);
    file = fopen(path, "we");
    assert_non_null(file);
    (void)fprintf(file, "endpoints: [\"127.0.0.1:%u\"]\ntls: {ca: ca.pem, identity: \"%s\"}\n",
                  port, identity);
    assert_int_equal(fclose(file), 0);
}

/* `breakwater status`; its exit status, and what it said of its failure in `out_errors`. */
static int ask_status(char *out_errors, size_t size)
{
    char config[TRIO_PATH_BYTES];
    char log[TRIO_PATH_BYTES];
    char out[64];
    char *argv[] = {NULL, (char[]){"status"}, (char[]){"--config"}, config, NULL};
    FILE *file;
    int status;

    trio_path(&trio, "cli.yaml", config);
    trio_path(&trio, "run1.log", log);
    (void)unlink(log); /* of an earlier run */
    status = trio_run(&trio, argv, out, sizeof out);
    file = fopen(log, "re");
    assert_non_null(file);
    out_errors[fread(out_errors, 1, size - 1, file)] = '\0';
    (void)fclose(file); /* only read from */
    return status;
}

/* Asked again while a slow machine does not finish a handshake in the two seconds it has. */
static void assert_status_fails(int expected, const char *why)
{
    char errors[4096];
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    int status = ask_status(errors, sizeof errors);

    while (strstr(errors, "did not finish the TLS handshake") != NULL) {
        if (patience_is_over(&patience))
            patience_fail("a TLS handshake ends:\n%s", errors);
        status = ask_status(errors, sizeof errors);
    }
    if (status != expected || strstr(errors, why) == NULL)
        fail_msg("status %d instead of %d, \"%s\" in:\n%s", status, expected, why, errors);
}

static void a_person_is_told_of_a_false_witness_and_shown_nothing(void **state)
{
    struct test_pki foreign;
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_init(&foreign);
    for (size_t i = 0; i < FALSEHOODS; i++) {
        struct rude_server server;

        issue_false(&trio.pki, &foreign, i, path);
        rude_server_start(&server, path, trio.pki.ca_path);
        write_cli("viewer.pem", (uint16_t)server.port);

        assert_status_fails(5, falsehoods[i].why);

        rude_server_stop(&server);
    }
    test_pki_deinit(&foreign);
}

static void a_person_with_a_bad_certificate_is_told_why(void **state)
{
    const struct test_leaf expired = {
        .uris = {"breakwater://prod/viewer/v"}, .begins_s = -7200, .ends_s = -3600};
    struct test_pki foreign;
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    test_pki_issue(&trio.pki, "expired.pem", &expired, path);
    write_cli(path, trio.api[0]);
    assert_status_fails(1, "the certificate expired");
    test_pki_init(&foreign);
    test_pki_issue_uri(&foreign, "v.pem", "breakwater://prod/viewer/v", path);
    write_cli(path, trio.api[0]);
    assert_status_fails(1, "vouches for this certificate");
    test_pki_deinit(&foreign);
    write_cli("ca.pem", trio.api[0]); /* no key in it */
    assert_status_fails(1, "key");
}

/* All witnesses of `world` show this certificate. */
static void show(struct agent_world *world, const char *ca, const char *identity)
{
    struct bw_diag diag = {0};

    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++)
        agent_world_set_reachable(world, i, false);
    bw_credentials_free(world->credentials);
    bw_tls_context_free(world->context);
    if (bw_credentials_load(ca, identity, &world->credentials, &diag) != BW_OK ||
        bw_tls_context_new(world->credentials, BW_TLS_SERVER_OPTIONAL, &world->context, &diag) !=
            BW_OK)
        fail_msg("%s", diag.text);
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++)
        agent_world_set_reachable(world, i, true);
}

static const char *wanted; /* in the agent's log */

static bool has_logged_it(const struct agent_world *world)
{
    return agent_world_log_has(world, wanted);
}

static void an_agent_says_nothing_to_a_false_witness(void **state)
{
    struct agent_world world;
    struct test_pki foreign;
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_init(&foreign);
    for (size_t i = 0; i < FALSEHOODS; i++) {
        agent_world_init(&world);
        issue_false(&world.pki, &foreign, i, path);
        show(&world, falsehoods[i].is_foreign ? foreign.ca_path : world.pki.ca_path, path);
        agent_world_start_agent(&world);
        wanted = falsehoods[i].why;
        agent_world_until(&world, has_logged_it, wanted);

        assert_int_equal(world.sync_count, 0);
        assert_int_equal(agent_world_stop_agent(&world, SIGTERM), 0);
        agent_world_deinit(&world);
    }
    test_pki_deinit(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_storm_of_strangers_takes_neither_leadership_nor_memory,
                                        set_up_slow, tear_down),
        cmocka_unit_test_setup_teardown(no_certificate_takes_everybodys_place, set_up_slow,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_term_that_nobody_gets_above_is_taken_by_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_member_that_talks_nonsense_is_cut_off_and_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_crowd_at_rafts_port_keeps_no_slow_member_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_person_is_told_of_a_false_witness_and_shown_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_person_with_a_bad_certificate_is_told_why, set_up,
                                        tear_down),
        cmocka_unit_test(an_agent_says_nothing_to_a_false_witness),
    };

    /* Before a process is started: what was freed shall not wait in memory for ever. */
    (void)setenv("ASAN_OPTIONS", "quarantine_size_mb=16", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
