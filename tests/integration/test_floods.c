/* What floods a real witness leaves to everybody else: connections of strangers to its Raft port, a certificate of no
 * member that asks to join without end, and scrapes of a stranger. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

#include "operator.h"
#include "patience.h"
#include "process_memory.h"
#include "rude_server.h"
#include "test_https.h"

#define FLOOD_S 4
#define KIB     1024

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_KIB_MAX (64 * KIB) /* what was freed waits in a quarantine; memory has a shadow */
#else
#define PEAK_KIB_MAX (16 * KIB)
#endif

static atomic_bool is_over;

static uint64_t seconds_since(struct bw_instant begun)
{
    return bw_instant_elapsed_ns(bw_clock_now(), begun) / BW_NS_PER_S;
}

/* ---- connections to the Raft port */

#define KNOCKERS 3

/* Without waiting: where the queue of the port is full no SYN is said again a second later, but another one at once. */
static void *knock(void *user)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*(const uint16_t *)user),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const struct linger reset = {.l_onoff = 1};

    while (!atomic_load(&is_over)) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* slower without it */
        (void)connect(fd, (struct sockaddr *)&address, sizeof address); /* under way, or refused */
        (void)close(fd);
    }
    return NULL;
}

/* Faster than it accepts, so that another one always waits: libuv goes on accepting as long as there is one. */
static void who_connects_without_end_holds_neither_the_loop_nor_memory(void **state)
{
    const int leader = trio_leader(&operator.trio);
    const long before_kib = process_memory_kib(operator.trio.pids[leader]);
    const struct bw_instant begun = bw_clock_now();
    pthread_t knockers[KNOCKERS];
    unsigned answers = 0;
    long peak_kib = 0;

    (void)state;
    atomic_store(&is_over, false);
    for (int i = 0; i < KNOCKERS; i++)
        assert_int_equal(pthread_create(&knockers[i], NULL, knock, &operator.trio.raft[leader]), 0);
    while (seconds_since(begun) < FLOOD_S) {
        const long kib = process_memory_kib(operator.trio.pids[leader]);

        peak_kib = kib > peak_kib ? kib : peak_kib;
        if (operator_ask(operator.trio.viewer, leader, "GET", "/v1/members", NULL, 0) == 200)
            answers++;
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < KNOCKERS; i++)
        assert_int_equal(pthread_join(knockers[i], NULL), 0);

    print_message("%u answers meanwhile, the last after %" PRIu64 " s; anonymous memory: %ld KiB before, %ld at most\n",
                  answers, seconds_since(begun), before_kib, peak_kib);
    assert_true(answers >= 2);
    assert_true(seconds_since(begun) < 2 * FLOOD_S);
    assert_true(peak_kib - before_kib < PEAK_KIB_MAX);
}

/* ---- one that asks to join */

#define JOINS_PER_S 20

static struct {
    uint16_t port; /* of the witness that is asked */
    unsigned tarpit;
    struct ssl_ctx_st *context;
    atomic_uint count; /* that were answered */
} joiner;

static bool ask_to_join(struct test_https *client, unsigned number)
{
    char cluster_id[BW_ID_TEXT_BYTES];
    char body[640];
    char request[sizeof body + 160];
    struct test_answer answer = {0};

    bw_id_format(operator.trio.cluster_id, cluster_id);
    (void)snprintf(body, sizeof body,
                   "{\"name\": \"w4\", \"id\": 4, \"incarnation\": \"%032x\", \"cluster_id\": \"%s\", "
                   "\"address\": \"127.0.0.1:%u\", \"raft\": \"127.0.0.1:%u\", \"failure_domain\": \"\", "
                   "\"version\": \"0\", \"feature_level\": 1000, \"election_timeout_ms\": 0}",
                   number + 1, cluster_id, joiner.tarpit, joiner.tarpit);
    (void)snprintf(request, sizeof request,
                   "POST /v1/witness/join HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    if (!test_https_say(client, request))
        return false;
    test_https_hear(client, false, &answer);
    if (answer.status == 200)
        (void)atomic_fetch_add(&joiner.count, 1);
    return answer.status == 200;
}

static void *join_without_end(void *user)
{
    struct test_https client;
    unsigned number = 0;

    (void)user;
    while (!atomic_load(&is_over)) {
        if (test_https_open(&client, joiner.port, joiner.context))
            while (!atomic_load(&is_over) && ask_to_join(&client, number)) {
                number++;
                (void)usleep(1000000 / JOINS_PER_S);
            }
        test_https_close(&client);
    }
    return NULL;
}

/* As another directory each time, at an address that takes connections and says nothing. */
static void who_asks_to_join_without_end_takes_no_order_its_answer(void **state)
{
    static const char *const modes[] = {"{\"mode\":\"manual\"}", "{\"mode\":\"auto\"}"};
    const int leader = trio_leader(&operator.trio);
    const int tarpit = rude_server_listen(&joiner.tarpit);
    char path[TEST_PKI_PATH_BYTES];
    struct patience patience;
    pthread_t thread;
    unsigned before;

    (void)state;
    test_pki_issue_uri(&operator.trio.pki, "w4.pem", "breakwater://prod/witness/w4", path);
    joiner.context = test_pki_client(operator.trio.pki.ca_path, path);
    joiner.port = operator.trio.api[leader];
    atomic_store(&joiner.count, 0);
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, join_without_end, NULL), 0);
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (atomic_load(&joiner.count) < 5 * JOINS_PER_S) {
        if (patience_is_over(&patience))
            patience_fail("%d have asked to join", 5 * JOINS_PER_S);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    before = atomic_load(&joiner.count);

    for (size_t i = 0; i < 6; i++) {
        const char *mode = modes[i % 2];

        assert_int_equal(operator_ask(operator.operator, leader, "POST", "/v1/groups/harbor/mode", mode,
                                      strlen(mode)),
                         200);
    }

    assert_true(atomic_load(&joiner.count) > before); /* it went on meanwhile */
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    SSL_CTX_free(joiner.context);
    (void)close(tarpit); /* nothing was sent over it */
}

/* ---- metrics */

#define GROUPS          192
#define SITES_PER_GROUP 8

static struct {
    uint16_t port;
    struct ssl_ctx_st *context;
    atomic_uint count;
} scraper;

static void *scrape(void *user)
{
    struct test_https client;
    struct test_answer answer;

    (void)user;
    assert_true(test_https_open(&client, scraper.port, scraper.context));
    while (!atomic_load(&is_over)) {
        assert_true(test_https_say(&client, "GET /metrics HTTP/1.1\r\nHost: w\r\n\r\n"));
        test_https_hear(&client, false, &answer);
        if (answer.status == 200)
            (void)atomic_fetch_add(&scraper.count, 1);
    }
    test_https_close(&client);
    return NULL;
}

/* Which takes a restart. */
static void open_metrics(void)
{
    char command[TRIO_PATH_BYTES + 64];

    (void)snprintf(command, sizeof command, "cd '%s' && for w in w?.yaml; do echo 'metrics_anonymous: true' >>$w; done",
                   operator.trio.pki.dir);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        (void)trio_stop(&operator.trio, i, SIGTERM);
        trio_start(&operator.trio, i, TRIO_EXECUTED);
    }
}

/* Each of sites of its own. */
static void apply_many(void)
{
    static char text[256 * GROUPS];
    size_t size = (size_t)snprintf(text, sizeof text, "groups:\n");

    for (int i = 0; i < GROUPS; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "  - {name: many-%d, mode: observe, sites: [", i);
        for (int site = 0; site < SITES_PER_GROUP; site++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s{name: s-%d-%d}",
                                     site > 0 ? ", " : "", i, site);
        size += (size_t)snprintf(text + size, sizeof text - size, "]}\n");
    }
    assert_true(size < sizeof text);
    operator_put("many.yaml", "%s", text);
    assert_int_equal(operator_apply("many.yaml", "--yes"), 0);
}

/* Who needs no certificate may read them, and takes nothing from those who have one. */
static void a_stranger_who_reads_metrics_without_end_takes_nobodys_history(void **state)
{
    const struct bw_credentials *viewer = operator.trio.viewer;
    pthread_t thread;
    int leader;

    (void)state;
    open_metrics();
    apply_many();
    leader = trio_leader(&operator.trio);
    scraper.port = operator.trio.api[leader];
    scraper.context = test_pki_client(operator.trio.pki.ca_path, NULL);
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&thread, NULL, scrape, NULL), 0);
    (void)sleep(FLOOD_S);

    for (int i = 0; i < 5; i++) {
        const unsigned before = atomic_load(&scraper.count);
        struct patience patience;

        assert_int_equal(operator_ask(viewer, leader, "GET", "/v1/groups/harbor/history", NULL, 0), 200);
        patience = patience_begin(OPERATOR_WAIT_MS);
        while (atomic_load(&scraper.count) == before) { /* it goes on meanwhile */
            if (patience_is_over(&patience))
                patience_fail("the stranger has another answer");
            (void)usleep(OPERATOR_PAUSE_US);
        }
    }

    print_message("the stranger had %u answers\n", atomic_load(&scraper.count));
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    SSL_CTX_free(scraper.context);
}

/* ---- what is kept for all who read it */

#define OLD_MS  300
#define AGE_MAX 5000 /* ms, as PROTOCOL says */

/* Of the leader's status, in ms; -1: it said none, or the witness is busy. */
static int64_t age_of_status(struct test_https *client)
{
    static const char field[] = "\r\nAge-Ms: ";
    struct test_answer answer = {0};
    const char *age;

    assert_true(test_https_say(client, "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"));
    test_https_hear(client, false, &answer);
    assert_true(answer.status == 200 || answer.status == 503);
    age = strstr(answer.head, field);
    return age != NULL && answer.status == 200 ? strtoll(age + sizeof field - 1, NULL, 10) : -1;
}

/* Who reads what was made for an earlier reader counts down leases that are shorter by its age. */
static void a_status_that_was_kept_says_how_old_it_is(void **state)
{
    struct ssl_ctx_st *context;
    struct test_https client;
    char path[TEST_PKI_PATH_BYTES];
    struct patience patience;
    struct bw_instant fresh;
    int64_t age_ms = 0;

    (void)state;
    apply_many();
    test_pki_issue_uri(&operator.trio.pki, "reader.pem", "breakwater://prod/viewer/vera", path);
    context = test_pki_client(operator.trio.pki.ca_path, path);
    assert_true(test_https_open(&client, operator.trio.api[trio_leader(&operator.trio)], context));
    fresh = bw_clock_now();
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (age_ms < OLD_MS) {
        const struct bw_instant asked = bw_clock_now();
        const int64_t last_ms = age_ms;

        age_ms = age_of_status(&client);
        if (age_ms < last_ms)
            fresh = asked; /* it was made since, or there is none */
        if (age_ms < OLD_MS && patience_is_over(&patience))
            patience_fail("a status is %d ms old, not %" PRId64, OLD_MS, age_ms);
    }

    print_message("a status was %" PRId64 " ms old\n", age_ms);
    assert_in_range(age_ms, OLD_MS, AGE_MAX);
    assert_true((uint64_t)age_ms <= bw_instant_elapsed_ns(bw_clock_now(), fresh) / BW_NS_PER_MS + 1);
    test_https_close(&client);
    SSL_CTX_free(context);
}

/* ---- requests that share the time of reading and of orders */

#define UNKNOWN_KEYS 16000
#define ASKERS       4

static struct {
    atomic_uint port; /* of the leader */
    struct ssl_ctx_st *context;
    const char *refusal;                /* the 503 that the test waits for says this */
    char text[UNKNOWN_KEYS * 12 + 256]; /* of each request */
    atomic_uint refused;
} asker;

/* Keeps its connection, so that the witness spends more on the answer than on handshakes. Another leader may be elected
 * meanwhile: it answers 421. */
static void *ask_without_end(void *user)
{
    struct test_https client;
    struct test_answer answer;

    (void)user;
    while (!atomic_load(&is_over)) {
        const bool is_open = test_https_open(&client, (uint16_t)atomic_load(&asker.port), asker.context);

        do {
            answer = (struct test_answer){0};
            if (is_open && test_https_say(&client, asker.text))
                test_https_hear(&client, false, &answer);
            if (answer.status == 503 && strstr(answer.body, asker.refusal) != NULL)
                (void)atomic_fetch_add(&asker.refused, 1);
        } while (!atomic_load(&is_over) && !answer.closes && answer.status != 0 && answer.status != 421);
        test_https_close(&client);
    }
    return NULL;
}

/* Repeats `asker.text` with the certificate at `path` until the leader refuses it. A status is answered meanwhile. */
static void ask_until_refused(const char *path, const char *refusal)
{
    pthread_t threads[ASKERS];
    struct patience patience;

    asker.refusal = refusal;
    atomic_store(&asker.refused, 0);
    atomic_store(&asker.port, operator.trio.api[trio_leader(&operator.trio)]);
    asker.context = test_pki_client(operator.trio.pki.ca_path, path);
    atomic_store(&is_over, false);
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_without_end, NULL), 0);
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (atomic_load(&asker.refused) == 0) {
        if (patience_is_over(&patience))
            patience_fail("the leader answers 503, %s", refusal);
        (void)usleep(OPERATOR_PAUSE_US);
        atomic_store(&asker.port, operator.trio.api[trio_leader(&operator.trio)]);
    }

    assert_int_equal(operator_ask_leader(operator.trio.viewer, "GET", "/v1/status", NULL, 0), 200);
    atomic_store(&is_over, true);
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    SSL_CTX_free(asker.context);
}

/* ---- documents that are written for one reader */

/* With more than a thousand sites. `role` reads `document` until its share of the time is spent. */
static void read_until_refused(const char *role, const char *document)
{
    char uri[96];
    char path[TEST_PKI_PATH_BYTES];

    apply_many();
    (void)snprintf(uri, sizeof uri, "breakwater://prod/%s/rita", role);
    test_pki_issue_uri(&operator.trio.pki, "asker.pem", uri, path);
    (void)snprintf(asker.text, sizeof asker.text, "GET %s HTTP/1.1\r\nHost: w\r\n\r\n", document);
    ask_until_refused(path, "this witness has too many requests for long documents");
}

static void who_asks_for_the_feature_level_without_end_is_told_to_wait(void **state)
{
    (void)state;
    read_until_refused("viewer", "/v1/feature-level");
}

static void who_saves_the_state_without_end_is_told_to_wait(void **state)
{
    (void)state;
    read_until_refused("operator", "/v1/snapshot");
}

/* ---- orders */

static void write_orders(void)
{
    static char body[UNKNOWN_KEYS * 12];
    size_t size = 0;

    for (int i = 0; i < UNKNOWN_KEYS; i++)
        size += (size_t)snprintf(body + size, sizeof body - size, "%c\"k%05d\":0", i > 0 ? ',' : '{', i);
    (void)snprintf(body + size, sizeof body - size, "}");
    assert_in_range(snprintf(asker.text, sizeof asker.text,
                             "POST /v1/groups/harbor/mode?plan=1 HTTP/1.1\r\nHost: w\r\n"
                             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                             size + 1, body),
                    1, sizeof asker.text - 1);
}

/* A body that nobody understands costs as much as one that changes something; reading is another part of the time. */
static void who_gives_orders_without_end_is_told_to_wait(void **state)
{
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    write_orders();
    test_pki_issue_uri(&operator.trio.pki, "asker.pem", "breakwater://prod/operator/olaf", path);
    ask_until_refused(path, "too many requests, or too long ones; nothing was changed");
}

#define TOO_OFTEN 1000

/* Each change stays in the log: so many of one group are refused, and none of another group is. */
static void who_changes_one_group_without_end_is_refused(void **state)
{
    int status = 200;

    (void)state;
    for (int i = 0; i < TOO_OFTEN && status == 200; i++) {
        const char *body = i % 2 == 0 ? "{\"mode\":\"manual\"}" : "{\"mode\":\"auto\"}";

        status = operator_ask_leader(operator.operator, "POST", "/v1/groups/harbor/mode", body, strlen(body));
        if (status == 503) { /* the time that is for orders: another rule */
            (void)usleep(OPERATOR_PAUSE_US);
            status = 200;
        }
    }
    assert_int_equal(status, 409);
    assert_says(operator.reply.body, "harbor was changed too often: 120 changes at once are accepted");
    operator_put("depot.yaml", "groups:\n  - {name: depot, mode: observe, sites: [{name: dc-a}, {name: dc-b}]}\n");
    assert_int_equal(operator_apply("depot.yaml", "--yes"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_connects_without_end_holds_neither_the_loop_nor_memory),
        cmocka_unit_test(who_asks_to_join_without_end_takes_no_order_its_answer),
        cmocka_unit_test(who_changes_one_group_without_end_is_refused),
        cmocka_unit_test(who_gives_orders_without_end_is_told_to_wait),
        cmocka_unit_test(a_stranger_who_reads_metrics_without_end_takes_nobodys_history),
        cmocka_unit_test(a_status_that_was_kept_says_how_old_it_is),
        cmocka_unit_test(who_asks_for_the_feature_level_without_end_is_told_to_wait),
        cmocka_unit_test(who_saves_the_state_without_end_is_told_to_wait),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    /* Before a process is started: what was freed shall not wait in memory for ever. */
    (void)setenv("ASAN_OPTIONS", "quarantine_size_mb=16", 0);
    return cmocka_run_group_tests(tests, operator_set_up_serving, operator_tear_down);
}
