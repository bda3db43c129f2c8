/* What API servers are told of new pods (`admission_listen`), over real TLS: a guard that the test
 * plays says it when the test likes. Design 5.3, on the real agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/x509v3.h>

#include "shown_guard.h"
#include "test_https.h"

#define WAITING_MAX 8
#define BODY_MAX    (2 * 1024 * 1024)
#define REVIEW                                                                                     \
    "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\","                        \
    "\"request\":{\"uid\":\"705ab4f5-6393\",\"operation\":\"CREATE\",\"object\":{}}}"
#define NO_POD "nothing of it is made here now"

static SSL_CTX
    *tls; /* trusts the cluster's CA, has no certificate, and wants 127.0.0.1 in the server's */

static bool listens(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=admission.listening");
}

static void begin(struct agent_world *world)
{
    begin_listening(world, "admission_listen", listens);
    tls = test_pki_client(world->pki.ca_path, NULL);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    assert_int_equal(X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(tls), "127.0.0.1"), 1);
}

static int end_all(void **state)
{
    SSL_CTX_free(tls);
    tls = NULL;
    return end(state);
}

static void post(struct test_https *client, const char *path, const char *body, size_t size)
{
    char head[256];

    (void)snprintf(
        head, sizeof head,
        "POST %s?timeout=5s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n",
        path, size);
    assert_true(test_https_say(client, head));
    (void)test_https_send(client, body, size); /* who refuses the head reads no body */
}

/* On a connection of its own. */
static void ask(struct test_https *client)
{
    assert_true(test_https_open(client, guard.port.number, tls));
    post(client, "/v1/groups/harbor/admission", REVIEW, sizeof REVIEW - 1);
}

static void assert_hears(struct test_https *client, const char *wanted, const char *message)
{
    struct test_answer response;

    test_https_hear(client, false, &response);
    if (response.status != 200 || strstr(response.body, wanted) == NULL ||
        strstr(response.body, message) == NULL ||
        strstr(response.body, "\"uid\":\"705ab4f5-6393\"") == NULL)
        fail_msg("%d \"%s\" is not 200 with \"%s\" and \"%s\"", response.status, response.body,
                 wanted, message);
}

static void assert_hears_last(struct test_https *client, const char *wanted, const char *message)
{
    assert_hears(client, wanted, message);
    test_https_close(client);
}

#define YES "\"allowed\":true"
#define NO  "\"allowed\":false"

static void assert_refused(const char *path, const char *body, size_t size, int status)
{
    struct test_https client;
    struct test_answer response;

    assert_true(test_https_open(&client, guard.port.number, tls));
    post(&client, path, body, size);
    test_https_hear(&client, false, &response);
    if (response.status != status)
        fail_msg("\"%s\" is not %d", response.body, status);
    test_https_close(&client);
}

static void a_pod_is_made_under_a_lease_alone(void **state) /* I1, 5.3 */
{
    struct agent_world *world = *state;
    struct test_https first, second;

    begin(world);
    ask(&first);
    agent_world_until(world, is_asked, "the guard is asked");
    answer("harbor", TTL_NS);
    assert_hears(&first, YES, "harbor at ");
    agent_world_until(world, has_gone, "that question is over");

    post(&first, "/v1/groups/harbor/admission", REVIEW, sizeof REVIEW - 1);
    agent_world_until(world, is_asked, "it is asked anew, for the same connection");
    answer("harbor", 0);
    assert_hears_last(&first, NO, "this site has no lease; " NO_POD);
    agent_world_until(world, has_gone, "that question is over");

    ask(&second);
    agent_world_until(world, is_asked, "the guard is asked");
    answer("", TTL_NS);
    assert_hears_last(&second, NO, "knows no such group; " NO_POD);
}

static void no_answer_is_older_than_its_request(void **state)
{
    struct agent_world *world = *state;
    struct test_https first, second;

    begin(world);
    ask(&first);
    agent_world_until(world, is_asked, "the guard is asked");
    ask(&second);
    assert_refused("/v1/groups/shop/admission", REVIEW, sizeof REVIEW - 1,
                   404); /* second is read */
    answer("harbor", TTL_NS);
    assert_hears_last(&first, YES, "");
    agent_world_until(world, has_gone, "that question is over");
    agent_world_until(world, is_asked, "it is asked again: the second came after the question");
    answer("harbor", 0);
    assert_hears_last(&second, NO, "this site has no lease");
    assert_int_equal(guard.questions, 2);
}

/* Also where it answers at last: that is older than who asks now. */
static void a_guard_that_is_frozen_or_away_is_no(void **state) /* I1 */
{
    struct agent_world *world = *state;
    struct test_https client;

    begin(world);
    ask(&client);
    agent_world_until(world, is_asked, "the guard is asked");
    assert_hears_last(&client, NO, "it has not answered for 1.0 s; " NO_POD);
    ask(&client);
    assert_hears_last(&client, NO, "it has not answered for 1.0 s and more; " NO_POD);
    answer("harbor", TTL_NS);
    agent_world_until(world, has_gone, "it was heard");

    bw_unix_listener_close(&guard.listener, NULL);
    guard.world = NULL; /* it is closed */
    ask(&client);
    assert_hears_last(&client, NO, "the guard does not say that it may run here: ");
}

static void ask_unenforced(struct agent_world *world, const char *wanted)
{
    struct test_https client;

    ask(&client);
    agent_world_until(world, is_asked, "the guard is asked");
    say("harbor", (struct bw_guard_shown){.reach = BW_REACH_CGROUP});
    assert_hears_last(&client, wanted, "this site has no lease: the group is unmanaged, or had no primary yet");
    agent_world_until(world, has_gone, "that question is over");
}

static bool is_enforced(const struct agent_world *world)
{
    return world->group.report.enforced;
}

static void what_is_not_enforced_is_not_decided_on(void **state) /* 3.9 */
{
    struct agent_world *world = *state;

    agent_world_order(world, BW_ORDER_STAND_BY, 0);
    begin(world);
    agent_world_until(world, has_exchanged, "it has heard of the group");
    ask_unenforced(world, YES);

    world->order.others_epoch = true;
    agent_world_order(world, BW_ORDER_STAND_BY, 1);
    agent_world_until(world, is_enforced, "another site was granted it");
    ask_unenforced(world, NO);
}

static void garbage_is_refused_before_the_guard_is_asked(void **state)
{
    static const char path[] = "/v1/groups/harbor/admission";
    struct agent_world *world = *state;
    char *large = calloc(1, BODY_MAX + 1);
    struct test_https client;
    struct test_answer response;

    assert_non_null(large);
    memset(large, ' ', BODY_MAX + 1);
    begin(world);
    assert_refused(path, "", 0, 400);
    assert_refused(path, "{}", 2, 400);
    assert_refused(path, large, BODY_MAX, 400);
    assert_refused(path, large, BODY_MAX + 1, 413);
    memset(large, '[', BODY_MAX);
    assert_refused(path, large, BODY_MAX, 400);
    assert_refused("/v1/groups/shop/admission", REVIEW, sizeof REVIEW - 1, 404);
    assert_true(test_https_open(&client, guard.port.number, tls));
    assert_true(
        test_https_say(&client, "GET /v1/groups/harbor/admission HTTP/1.1\r\nHost: x\r\n\r\n"));
    test_https_hear(&client, false, &response);
    assert_int_equal(response.status, 401); /* as whatever is no route of everybody's */
    test_https_close(&client);
    test_https_dial(&client, guard.port.number); /* what is no TLS */
    assert_true(test_https_say(&client, "POST / HTTP/1.1\r\n\r\n"));
    test_https_close(&client);
    free(large);

    assert_int_equal(guard.questions, 0);
    ask(&client);
    agent_world_until(world, is_asked, "it answers who asks well");
    answer("harbor", TTL_NS);
    assert_hears_last(&client, YES, "");
}

static struct test_https clients[WAITING_MAX];
static unsigned answered; /* questions of the guard */

/* Whatever the guard is asked meanwhile is answered. */
static bool all_but_the_second_are_answered(const struct agent_world *world)
{
    char byte;

    (void)world;
    if (guard.asking != NULL && guard.questions > answered) {
        answered = guard.questions;
        answer("harbor", TTL_NS);
    }
    for (int i = 0; i < WAITING_MAX; i++)
        if (i != 1 && recv(clients[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
            return false;
    return true;
}

static void a_few_wait_at_once(void **state)
{
    struct agent_world *world = *state;

    begin(world);
    ask(&clients[0]);
    agent_world_until(world, is_asked, "the guard is asked");
    for (int i = 1; i < WAITING_MAX; i++)
        ask(&clients[i]);
    assert_refused("/v1/groups/shop/admission", REVIEW, sizeof REVIEW - 1, 404); /* they are read */
    assert_refused("/v1/groups/harbor/admission", REVIEW, sizeof REVIEW - 1, 503);
    test_https_reset(&clients[1]); /* whose place is free */
    answered = 0;
    agent_world_until(world, all_but_the_second_are_answered, "all are answered");
    for (int i = 0; i < WAITING_MAX; i++)
        if (i != 1)
            assert_hears_last(&clients[i], YES, "");
}

/* What the agent shows now; the caller's. */
static X509 *shown_certificate(void)
{
    struct test_https client;
    X509 *certificate;

    assert_true(test_https_open(&client, guard.port.number, tls));
    certificate = SSL_get1_peer_certificate(client.ssl);
    assert_non_null(certificate);
    test_https_close(&client);
    return certificate;
}

static bool has_loaded(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=certificate.loaded");
}

static void a_renewed_certificate_is_shown(void **state)
{
    struct agent_world *world = *state;
    X509 *before, *after;

    begin(world);
    before = shown_certificate();
    agent_world_issue(world, NULL);
    assert_int_equal(kill(world->agent, SIGHUP), 0);
    agent_world_until(world, has_loaded, "it has taken the new one");
    after = shown_certificate();
    assert_int_not_equal(X509_cmp(before, after), 0);
    X509_free(before);
    X509_free(after);
}

static bool has_told(const struct agent_world *world)
{
    return agent_world_log_has(world, "level=warn event=admission.handshake_failed");
}

/* An API server whose caBundle was not renewed makes no pod, and says so to whoever asked it for one. */
static void who_does_not_trust_the_agent_is_told_as_a_warning(void **state)
{
    struct agent_world *world = *state;
    struct test_pki other;
    struct test_https client;
    SSL_CTX *stranger;

    begin(world);
    test_pki_init(&other);
    stranger = test_pki_client(other.ca_path, NULL);
    SSL_CTX_set_verify(stranger, SSL_VERIFY_PEER, NULL);
    assert_false(test_https_open(&client, guard.port.number, stranger));
    test_https_close(&client);
    agent_world_until(world, has_told, "it is told");
    assert_true(agent_world_log_has(world, "the peer refused our certificate: it does not know our CA"));
    assert_true(agent_world_log_has(world, "caBundle"));
    SSL_CTX_free(stranger);
    test_pki_deinit(&other);
}

#define FLOOD 60

static void a_flood_of_those_is_told_in_few_lines(void **state)
{
    struct agent_world *world = *state;
    struct test_https client;

    begin(world);
    for (int i = 0; i < FLOOD; i++) {
        test_https_dial(&client, guard.port.number);
        assert_true(test_https_say(&client, "no TLS\r\n"));
        (void)recv(client.fd, &(char){0}, 1, MSG_PEEK); /* until it was refused, however that reads */
        test_https_close(&client);
    }
    agent_world_until(world, has_told, "it is told");
    assert_false(agent_world_log_has_times(world, "event=admission.handshake_failed", FLOOD / 2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pod_is_made_under_a_lease_alone),
        TEST(no_answer_is_older_than_its_request),
        TEST(a_guard_that_is_frozen_or_away_is_no),
        TEST(what_is_not_enforced_is_not_decided_on),
        TEST(garbage_is_refused_before_the_guard_is_asked),
        TEST(a_few_wait_at_once),
        TEST(a_renewed_certificate_is_shown),
        TEST(who_does_not_trust_the_agent_is_told_as_a_warning),
        TEST(a_flood_of_those_is_told_in_few_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
