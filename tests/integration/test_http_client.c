/* http_client: what it says of each way in which a request can end (design 5.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/net/http_server.h>

#include "http_client_world.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void every_status_is_an_answer(void **state)
{
    struct result result = get(*state, "/echo");

    assert_int_equal(result.err, BW_OK);
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body, "0 GET ");
    assert_string_equal(result.text, "");
    result = get(*state, "/421");
    assert_int_equal(result.err, BW_OK);
    assert_int_equal(result.status, 421);
    assert_string_equal(result.body, "w2:7400");
    result = get(*state, "/chunked");
    assert_string_equal(result.body, "hello");
}

static void bodies_are_sent_with_their_method(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/echo");

    call.method = "PUT";
    call.body = "groups";
    call.body_size = 6;
    call.content_type = "application/json";
    assert_string_equal(perform(fixture, &call).body, "0 PUT groups");
    call.method = "POST";
    call.body = NULL;
    call.body_size = 0;
    assert_string_equal(perform(fixture, &call).body, "0 POST ");
}

static void connections_are_reused_until_the_credentials_change(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    use_credentials(fixture, operator_path); /* equal: nothing changes */
    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    use_credentials(fixture, operator_renewed_path);
    assert_string_equal(get(fixture, "/echo").body, "1 GET ");
    assert_string_equal(get(fixture, "/echo").body, "1 GET ");
}

/* Both the one that waits and those that come. */
static void who_is_revoked_is_left_at_once_and_asked_no_more(void **state)
{
    static const char *const entry = "witness/w1";
    struct fixture *fixture = *state;
    struct bw_credentials *credentials;
    struct result waiting = {0};

    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    (void)begin(fixture, "/hang", &waiting);
    credentials = load(operator_path);
    assert_int_equal(bw_credentials_revoke(credentials, &entry, 1, NULL), BW_OK);
    assert_int_equal(bw_http_client_set_credentials(&fixture->client, credentials, NULL), BW_OK);
    bw_credentials_free(credentials);

    assert_int_equal(waiting.count, 1);
    assert_int_equal(waiting.err, BW_ERR_AUTH);
    assert_get_ends(fixture, "/echo", BW_ERR_AUTH, "revoked");
    use_credentials(fixture, operator_path); /* taken off the list again */
    assert_string_equal(get(fixture, "/echo").body, "2 GET ");
}

static void a_connection_that_died_while_idle_is_replaced(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    assert_int_equal(shutdown(fixture->server.fds[0], SHUT_RDWR), 0);

    assert_string_equal(get(fixture, "/echo").body, "1 GET ");
}

static void redirects_and_proxies_are_ignored(void **state)
{
    assert_int_equal(setenv("https_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);

    assert_int_equal(get(*state, "/elsewhere").status, 302);

    assert_int_equal(unsetenv("https_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static void requests_at_once_each_get_their_own_answer(void **state)
{
    struct fixture *fixture = *state;
    struct result results[BW_HTTP_EXCHANGES_MAX] = {0};
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/echo");
    char body[16];

    call.method = "POST";
    call.body = body;
    for (size_t i = 0; i < BW_HTTP_EXCHANGES_MAX; i++) {
        call.body_size = (size_t)snprintf(body, sizeof body, "body-%zu.", i);
        (void)send_call(fixture, &call, &results[i]);
    }
    assert_null(bw_http_client_send(&fixture->client, &call, on_done, NULL, &fixture->diag));
    assert_int_equal(fixture->diag.err, BW_ERR_LIMIT);
    assert_non_null(strstr(fixture->diag.text, "72 requests are in flight"));
    for (size_t i = 0; i < BW_HTTP_EXCHANGES_MAX; i++) {
        wait_for(fixture, &results[i]);
        (void)snprintf(body, sizeof body, "body-%zu.", i);
        assert_int_equal(results[i].err, BW_OK);
        assert_non_null(strstr(results[i].body, body));
    }
}

/* Of each leg of a planned move a wait of a timer's tick would be a part (3.6). */
static void a_request_begins_in_the_next_turn_of_the_loop(void **state)
{
    struct fixture *fixture = *state;
    static struct result result;

    assert_string_equal(get(fixture, "/echo").body, "0 GET ");
    (void)begin(fixture, "/echo", &result);
    assert_int_equal(uv_backend_timeout(&fixture->loop), 0);
    wait_for(fixture, &result);
    assert_string_equal(result.body, "0 GET ");
}

/* ---- failures, told apart -------------------------------------------------------------------- */

static void closed_port_is_refused(void **state)
{
    unsigned port;
    struct bw_http_call call;
    struct result result;

    (void)close(rude_server_listen(&port));
    call = call_of(*state, port, "/");
    result = perform(*state, &call);

    assert_ended(&result, BW_ERR_UNREACHABLE, "connection refused");
    assert_false(result.may_have_arrived);
}

static void stalled_handshake_times_out_in_its_phase(void **state)
{
    unsigned port;
    const int listener = rude_server_listen(&port); /* the kernel connects, nobody accepts */
    struct bw_http_call call = call_of(*state, port, "/");
    struct result result;

    call.connect_timeout_ms = 1500; /* the kernel's part of it is over by then */
    result = perform(*state, &call);

    assert_ended(&result, BW_ERR_TIMEOUT, "did not finish the TLS handshake");
    assert_false(result.may_have_arrived);
    (void)close(listener);
}

/* Otherwise a machine that needs longer for a handshake than a request may take would begin it for ever.
 */
static void a_handshake_has_a_limit_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/echo");
    struct result result;

    fixture->server.handshake_delay_ms = 1500;
    call.timeout_ms = call.connect_timeout_ms = 500;
    result = perform(fixture, &call);
    assert_ended(&result, BW_ERR_TIMEOUT, "did not finish the TLS handshake");

    call.handshake_timeout_ms = GENEROUS_MS;
    result = perform(fixture, &call);
    assert_int_equal(result.err, BW_OK);
    assert_int_equal(result.status, 200);
}

/* Otherwise no first request of a connection ends where the network path is long, and no connection stays. */
static void a_request_has_its_whole_limit_once_it_is_connected(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/echo");
    struct result result;

    fixture->server.handshake_delay_ms = 1500;
    fixture->server.answer_delay_ms = 1500;
    call.timeout_ms = call.connect_timeout_ms = 2000;
    call.handshake_timeout_ms = 6000;
    result = perform(fixture, &call);
    assert_string_equal(result.text, "");
    assert_string_equal(result.body, "0 GET ");

    call.timeout_ms = GENEROUS_MS;
    call.connect_timeout_ms = 500; /* over the same connection, where nothing is dialed */
    assert_string_equal(perform(fixture, &call).body, "0 GET ");
}

/* A call that is patient with the handshake waits no longer than others for anything else. */
static void what_is_no_handshake_keeps_its_limit(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call;
    struct result result;

    assert_int_equal(get(fixture, "/echo").err, BW_OK); /* connected */
    call = call_of(fixture, fixture->server.port, "/hang");
    call.timeout_ms = call.connect_timeout_ms = 2000; /* it has arrived by then */
    call.handshake_timeout_ms = GENEROUS_MS;
    result = perform(fixture, &call);
    assert_ended(&result, BW_ERR_TIMEOUT, "no whole answer came");
    assert_true(result.may_have_arrived);
}

static void silent_server_times_out_and_may_have_acted(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call;
    struct result result;

    assert_int_equal(get(fixture, "/echo").err,
                     BW_OK); /* else the limit could be the handshake's */
    call = call_of(fixture, fixture->server.port, "/hang");
    call.timeout_ms = 2000; /* it has arrived by then */
    result = perform(fixture, &call);

    assert_ended(&result, BW_ERR_TIMEOUT, "no whole answer came");
    assert_true(result.may_have_arrived);
}

static void answers_that_may_be_cut_are_no_answers(void **state)
{
    assert_get_ends(*state, "/cut", BW_ERR_UNREACHABLE, "connection broke");
    assert_get_ends(*state, "/endless", BW_ERR_CORRUPT, "does not say how long");
    assert_get_ends(*state, "/nothing", BW_ERR_UNREACHABLE, "a witness's raft port, which serves no HTTPS");
}

static void answers_over_a_limit_name_it(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/421");
    struct result result;

    call.response_bytes_max = 6;
    result = perform(fixture, &call);
    assert_ended(&result, BW_ERR_LIMIT, "longer than 6 bytes");
    call.response_bytes_max = 7;
    assert_int_equal(perform(fixture, &call).err, BW_OK);
    assert_get_ends(fixture, "/head", BW_ERR_LIMIT, "head of the answer is longer");
}

static void what_is_not_http_is_no_answer(void **state)
{
    assert_get_ends(*state, "/garbage", BW_ERR_CORRUPT, "not HTTP/1.1");
    assert_get_ends(*state, "/status", BW_ERR_CORRUPT, "its status is");
}

static void server_of_another_ca_is_refused(void **state)
{
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&rogue, "w1.pem", "breakwater://prod/witness/w1", path);
    change_server(*state, path, prod.ca_path);

    assert_get_ends(*state, "/echo", BW_ERR_AUTH, "not issued by a CA that we trust");
}

static void server_with_an_expired_certificate_is_refused(void **state)
{
    const struct test_leaf leaf = {
        .uris = {"breakwater://prod/witness/w1"}, .begins_s = -7200, .ends_s = -3600};
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue(&prod, "expired.pem", &leaf, path);
    change_server(*state, path, prod.ca_path);

    assert_get_ends(*state, "/echo", BW_ERR_AUTH, "its certificate has expired");
}

#define SHORT_LIFE_S 8

/* Design 5.3: also where nothing is asked anew, as of a long poll. */
static void an_answer_is_awaited_no_longer_than_the_servers_certificate_lasts(void **state)
{
    const struct test_leaf leaf = {
        .uris = {"breakwater://prod/witness/w1"}, .begins_s = -3600, .ends_s = SHORT_LIFE_S};
    struct fixture *fixture = *state;
    char path[TEST_PKI_PATH_BYTES];
    struct result first = {0};
    struct result reused = {0};
    uint64_t begun_ns;

    test_pki_issue(&prod, "short.pem", &leaf, path);
    change_server(fixture, path, prod.ca_path);
    begun_ns = uv_hrtime();
    assert_int_equal(get(fixture, "/echo").status, 200);
    (void)begin(fixture, "/hang", &reused); /* over that connection */
    (void)begin(fixture, "/hang", &first);

    wait_for(fixture, &reused);
    wait_for(fixture, &first);

    assert_ended(&first, BW_ERR_AUTH, "the server's certificate has expired");
    assert_ended(&reused, BW_ERR_AUTH, "the server's certificate has expired");
    assert_in_range((uv_hrtime() - begun_ns) / 1000000000, SHORT_LIFE_S - 2, SHORT_LIFE_S + 4);
}

static void server_of_another_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct bw_http_call call = call_of(fixture, 0, "");
    struct result result;

    /* The same address in a form that the certificate does not name. */
    (void)snprintf(fixture->url, URL_BYTES, "https://[::ffff:127.0.0.1]:%u/echo",
                   fixture->server.port);
    result = perform(fixture, &call);

    assert_ended(&result, BW_ERR_AUTH, "for another host name");
}

/* Design 5.3: an agent must not confirm renewals by posing as a witness, nor one cluster's witness
 * those of another cluster under the same CA. */
static void server_that_is_no_witness_of_ours_is_refused(void **state)
{
    static const char *const others[] = {"breakwater://prod/agent/dc-a/a1",
                                         "breakwater://prod/operator/anna",
                                         "breakwater://test/witness/w1"};
    char path[TEST_PKI_PATH_BYTES];

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        test_pki_issue_uri(&prod, "other.pem", others[i], path);
        change_server(*state, path, prod.ca_path);

        assert_get_ends(*state, "/echo", BW_ERR_AUTH, "not that of a witness of cluster prod");
    }
}

static void server_that_refuses_us_says_why(void **state)
{
    struct result result;

    change_server(*state, witness_path, rogue.ca_path);

    result = get(*state, "/echo");
    assert_ended(&result, BW_ERR_AUTH, "unknown ca");
    assert_false(result.may_have_arrived);
}

static void urls_that_are_not_plain_https_are_not_begun(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "https://",
        "https://user@127.0.0.1:1/",
        "127.0.0.1:1",
        "https://127.0.0.1:99999/",
        "https://a b/",
    };
    struct bw_http_call call = call_of(fixture, 1, "/");

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        call.url = bad[i];
        assert_null(bw_http_client_send(&fixture->client, &call, on_done, NULL, &fixture->diag));
        assert_int_equal(fixture->diag.err, BW_ERR_INVALID);
    }
}

/* ---- giving up ------------------------------------------------------------------------------- */

static void cancel_ends_an_exchange_once(void **state)
{
    struct fixture *fixture = *state;
    struct result result = {0};
    struct bw_http_exchange *exchange = begin(fixture, "/hang", &result);

    assert_int_equal(get(fixture, "/echo").err, BW_OK); /* by now it is under way */
    result.cancel_from_within = exchange;               /* its own: nothing happens */
    bw_http_exchange_cancel(exchange);

    assert_int_equal(result.count, 1);
    assert_ended(&result, BW_ERR_CANCELED, "given up");
    assert_int_equal(get(fixture, "/echo").err, BW_OK);
    assert_int_equal(result.count, 1);
}

static void close_ends_everything_once(void **state)
{
    struct fixture *fixture = *state;
    struct result results[4] = {0};
    const struct bw_http_call call = call_of(fixture, 1, "/");

    for (size_t i = 0; i < 3; i++)
        (void)begin(fixture, "/hang", &results[i]);
    assert_int_equal(get(fixture, "/echo").err, BW_OK);
    (void)begin(fixture, "/hang", &results[3]); /* not taken up by libcurl yet */
    bw_http_client_close(&fixture->client, on_closed, &fixture->is_closed);

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(results[i].count, 1);
        assert_ended(&results[i], BW_ERR_CANCELED, "closed");
    }
    assert_false(fixture->is_closed);
    assert_null(bw_http_client_send(&fixture->client, &call, on_done, NULL, &fixture->diag));
    assert_int_equal(fixture->diag.err, BW_ERR_CANCELED);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_true(fixture->is_closed);
}

static void close_may_be_called_from_within_on_done(void **state)
{
    struct fixture *fixture = *state;
    struct result first = {.close_from_within = &fixture->client};
    struct result second = {.close_from_within = &fixture->client};

    (void)begin(fixture, "/echo", &first);
    (void)begin(fixture, "/hang", &second);
    wait_for(fixture, &first);

    assert_int_equal(first.err, BW_OK);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.err, BW_ERR_CANCELED);
}

/* ---- the machine around it ------------------------------------------------------------------- */

static void sockets_are_not_inherited_by_scripts(void **state)
{
    struct fixture *fixture = *state;
    size_t count = 0;

    assert_int_equal(get(fixture, "/echo").err, BW_OK);

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof peer;

        if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 ||
            ntohs(peer.sin_port) != fixture->server.port)
            continue;
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        count++;
    }
    assert_int_equal(count, 1);
}

typedef int getaddrinfo_function(const char *name, const char *service,
                                 const struct addrinfo *hints, struct addrinfo **out);

/* The system's resolver, held up for one name as long as `resolver_gate` is locked. */
static pthread_mutex_t resolver_gate = PTHREAD_MUTEX_INITIALIZER;
static int resolver_calls; /* atomic */

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    getaddrinfo_function *const real = (getaddrinfo_function *)dlsym(RTLD_NEXT, "getaddrinfo");

    if (name == NULL || strcmp(name, "stalled.test") != 0)
        return real(name, service, hints, out);
    (void)__atomic_add_fetch(&resolver_calls, 1, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_lock(&resolver_gate);
    (void)pthread_mutex_unlock(&resolver_gate);
    (void)__atomic_sub_fetch(&resolver_calls, 1, __ATOMIC_SEQ_CST);
    return EAI_NONAME;
}

/* A lease depends on this loop: it turns while a name server is silent (3.2). Without
 * CURLOPT_QUICK_EXIT libcurl waits here for the resolver, and this test never ends. */
static void loop_never_waits_for_a_name_server(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, 1, "/");
    struct result result;

    call.url = "https://stalled.test:7400/";
    call.connect_timeout_ms = 100;
    assert_int_equal(pthread_mutex_lock(&resolver_gate), 0);
    result = perform(fixture, &call);

    assert_ended(&result, BW_ERR_TIMEOUT, "its name was not resolved");
    assert_false(result.may_have_arrived);
    assert_int_equal(get(fixture, "/echo").err, BW_OK);
    assert_int_equal(__atomic_load_n(&resolver_calls, __ATOMIC_SEQ_CST), 1); /* still in there */
    assert_int_equal(pthread_mutex_unlock(&resolver_gate), 0);
    while (__atomic_load_n(&resolver_calls, __ATOMIC_SEQ_CST) > 0)
        (void)sched_yield();
}

/* Whom it has reached there is another matter: a kept address is trusted for nothing (5.3). */
static void kept_address_is_dialed_while_a_name_server_is_silent(void **state)
{
    struct fixture *fixture = *state;
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct bw_http_call call = call_of(fixture, 1, "/");
    char url[64];
    struct result result;

    assert_int_equal(get(fixture, "/echo").err, BW_OK);
    bw_names_note(fixture->client.names, "stalled.test", (const struct sockaddr *)&here, true);
    (void)snprintf(url, sizeof url, "https://stalled.test:%u/", fixture->server.port);
    call.url = url;
    assert_int_equal(pthread_mutex_lock(&resolver_gate), 0);
    result = perform(fixture, &call);
    assert_int_equal(pthread_mutex_unlock(&resolver_gate), 0);

    assert_ended(&result, BW_ERR_AUTH, "its certificate is for another host name");
    while (__atomic_load_n(&resolver_calls, __ATOMIC_SEQ_CST) > 0)
        (void)sched_yield();
}

/* A command waits for a name as long as its user says; the other limits begin then (5.2). */
static void lookup_has_a_limit_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_call call = call_of(fixture, 1, "/");
    struct result result;

    call.url = "https://stalled.test:7400/";
    call.connect_timeout_ms = call.timeout_ms = 1;
    call.lookup_timeout_ms = 300;
    assert_int_equal(pthread_mutex_lock(&resolver_gate), 0);
    result = perform(fixture, &call);
    assert_int_equal(pthread_mutex_unlock(&resolver_gate), 0);

    assert_ended(&result, BW_ERR_TIMEOUT, "its name was not resolved");
    assert_true(strtoul(strstr(result.text, "after ") + strlen("after "), NULL, 10) >= 300);
    while (__atomic_load_n(&resolver_calls, __ATOMIC_SEQ_CST) > 0)
        (void)sched_yield();
}

static void unknown_name_is_unreachable(void **state)
{
    struct bw_http_call call = call_of(*state, 1, "/");
    struct result result;

    call.url = "https://stalled.test:7400/"; /* the gate is open: it fails at once */
    result = perform(*state, &call);

    assert_ended(&result, BW_ERR_UNREACHABLE, "its name has no address");
}

/* libuv's, out of order as long as `poll_failures` lasts. */
static int poll_failures;

int uv_poll_init_socket(uv_loop_t *loop, uv_poll_t *handle, uv_os_sock_t fd)
{
    if (poll_failures == 0)
        return uv_poll_init(loop, handle, fd); /* what it is, on Unix */
    poll_failures--;
    return UV_ENOMEM;
}

/* libcurl gives a whole multi up for that; the requests beside it end too, and each just once. */
static void a_socket_that_cannot_be_watched_fails_requests_not_the_client(void **state)
{
    struct fixture *fixture = *state;
    struct result first = {0};
    struct result second = {0};

    (void)begin(fixture, "/hang", &first);
    assert_int_equal(get(fixture, "/echo").err, BW_OK);
    poll_failures = 1;
    (void)begin(fixture, "/hang", &second);
    wait_for(fixture, &second);

    assert_int_equal(second.err, BW_ERR_IO);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.err, BW_ERR_IO);
    assert_int_equal(poll_failures, 0);
    assert_int_equal(get(fixture, "/echo").err, BW_OK);
}

static void one_call_blocks_and_copies_the_answer(void **state)
{
    struct fixture *fixture = *state;
    struct bw_credentials *credentials = load(operator_path);
    struct bw_http_reply reply;
    struct bw_http_call call = call_of(fixture, fixture->server.port, "/echo");

    assert_int_equal(bw_http_client_call(credentials, &call, &reply, &fixture->diag), BW_OK);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_size, 6);
    assert_string_equal(reply.body, "0 GET ");
    bw_http_reply_deinit(&reply);
    call.url = "https://127.0.0.1:1/";
    assert_int_equal(bw_http_client_call(credentials, &call, &reply, &fixture->diag),
                     BW_ERR_UNREACHABLE);
    assert_non_null(strstr(fixture->diag.text, "127.0.0.1:1: connection refused"));
    assert_false(reply.may_have_arrived);
    bw_http_reply_deinit(&reply);
    call.url = "nonsense";
    assert_int_equal(bw_http_client_call(credentials, &call, &reply, NULL), BW_ERR_INVALID);
    bw_http_reply_deinit(&reply);
    bw_credentials_free(credentials);
}

/* ---- with our own server, on the same loop --------------------------------------------------- */

static void answer_with_peer(struct bw_http_request *request, void *user)
{
    char text[BW_IDENTITY_TEXT_BYTES];

    (void)user;
    bw_identity_format(request->peer, text);
    bw_http_respond(request, 200, "text/plain", text, strlen(text));
}

static const struct bw_http_route routes[] = {
    {"POST", "/v1/agent/sync", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_SELF, answer_with_peer},
    {"GET", "/v1/status", BW_ROLES_ANY, BW_HTTP_ABOUT_NOTHING, answer_with_peer},
};

static struct bw_instant no_clock(void *user)
{
    (void)user;
    return (struct bw_instant){0, 0};
}

static struct bw_http_server *open_server(struct fixture *fixture)
{
    struct bw_credentials *credentials = load(witness_path);
    struct bw_http_server *server = NULL;
    struct bw_http_server_config config = {.listen = "127.0.0.1:0",
                                           .cluster = "prod",
                                           .routes = routes,
                                           .route_count = sizeof routes / sizeof routes[0],
                                           .clock = no_clock};

    assert_int_equal(
        bw_tls_context_new(credentials, BW_TLS_SERVER_OPTIONAL, &config.context, &fixture->diag),
        BW_OK);
    assert_int_equal(bw_http_server_open(&fixture->loop, &config, &server, &fixture->diag), BW_OK);
    bw_tls_context_free(config.context);
    bw_credentials_free(credentials);
    return server;
}

static void our_own_server_knows_who_asks(void **state)
{
    struct fixture *fixture = *state;
    struct bw_http_server *server = open_server(fixture);
    struct bw_http_call call = call_of(fixture, bw_http_server_port(server), "/v1/status");
    bool is_closed = false;

    assert_string_equal(perform(fixture, &call).body, "breakwater://prod/operator/anna");
    (void)call_of(fixture, bw_http_server_port(server), "/v1/agent/sync");
    call.method = "POST";
    assert_int_equal(perform(fixture, &call).status, 403);
    bw_http_server_close(server, on_closed, &is_closed);
    while (!is_closed)
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_status_is_an_answer),
        test(bodies_are_sent_with_their_method),
        test(connections_are_reused_until_the_credentials_change),
        test(who_is_revoked_is_left_at_once_and_asked_no_more),
        test(a_connection_that_died_while_idle_is_replaced),
        test(redirects_and_proxies_are_ignored),
        test(requests_at_once_each_get_their_own_answer),
        test(a_request_begins_in_the_next_turn_of_the_loop),
        test(closed_port_is_refused),
        test(stalled_handshake_times_out_in_its_phase),
        test(a_handshake_has_a_limit_of_its_own),
        test(a_request_has_its_whole_limit_once_it_is_connected),
        test(what_is_no_handshake_keeps_its_limit),
        test(silent_server_times_out_and_may_have_acted),
        test(answers_that_may_be_cut_are_no_answers),
        test(answers_over_a_limit_name_it),
        test(what_is_not_http_is_no_answer),
        test(server_of_another_ca_is_refused),
        test(server_with_an_expired_certificate_is_refused),
        test(an_answer_is_awaited_no_longer_than_the_servers_certificate_lasts),
        test(server_of_another_name_is_refused),
        test(server_that_is_no_witness_of_ours_is_refused),
        test(server_that_refuses_us_says_why),
        test(urls_that_are_not_plain_https_are_not_begun),
        test(cancel_ends_an_exchange_once),
        test(close_ends_everything_once),
        test(close_may_be_called_from_within_on_done),
        test(sockets_are_not_inherited_by_scripts),
        test(loop_never_waits_for_a_name_server),
        test(kept_address_is_dialed_while_a_name_server_is_silent),
        test(lookup_has_a_limit_of_its_own),
        test(unknown_name_is_unreachable),
        test(a_socket_that_cannot_be_watched_fails_requests_not_the_client),
        test(one_call_blocks_and_copies_the_answer),
        test(our_own_server_knows_who_asks),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
