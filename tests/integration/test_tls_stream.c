/* tls_stream: both sides of a connection on one loop, over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/net/tls_stream_private.h"
#include "patience.h"
#include "test_pki.h"

#define WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */

/* One end, and what happened to it. */
struct end {
    struct bw_tls_stream *stream; /* NULL: not there, or closed */
    bool ready;
    bool closed;
    unsigned closed_count;
    unsigned drained_count;
    size_t received;
    uint8_t sum; /* of all bytes received */
    enum bw_err why;
    char text[192];
    bool pause_on_data;
    bool close_on_data;
    bool close_on_ready;
    bool echo;
};

struct fixture {
    struct bw_names *names;
    struct test_pki pki;
    struct test_pki foreign;
    uv_loop_t loop;
    uv_tcp_t listener;
    struct ssl_ctx_st *server_context;
    struct ssl_ctx_st *client_context;
    struct end server;
    struct end client;
    char address[32];
};

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct end *end = user;

    end->stream = stream;
    end->ready = true;
    if (end->close_on_ready)
        bw_tls_stream_close(stream, BW_ERR_AUTH, "not whom we wanted");
}

static void on_data(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user)
{
    struct end *end = user;

    end->received += size;
    for (size_t i = 0; i < size; i++)
        end->sum = (uint8_t)(end->sum + data[i]);
    if (end->echo)
        assert_int_equal(bw_tls_stream_write(stream, data, size), BW_OK);
    if (end->pause_on_data)
        bw_tls_stream_pause(stream);
    if (end->close_on_data) {
        bw_tls_stream_close(stream, BW_ERR_CANCELED, "enough");
        bw_tls_stream_close(stream, BW_ERR_IO, "the first reason counts");
    }
}

static void on_drained(struct bw_tls_stream *stream, void *user)
{
    struct end *end = user;

    (void)stream;
    end->drained_count++;
}

static void on_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user)
{
    struct end *end = user;

    assert_true(end->stream == NULL || end->stream == stream);
    end->stream = NULL;
    end->closed = true;
    end->closed_count++;
    end->why = why;
    (void)snprintf(end->text, sizeof end->text, "%s", text);
}

static const struct bw_tls_stream_events events = {
    .on_ready = on_ready, .on_data = on_data, .on_drained = on_drained, .on_closed = on_closed};

static struct bw_tls_stream_config config_of(struct fixture *f, bool server)
{
    return (struct bw_tls_stream_config){
        .context = server ? f->server_context : f->client_context,
        .events = &events,
        .user = server ? &f->server : &f->client,
        .handshake_ms = 5000,
        .dial_ms = 5000,
        .names = f->names,
        .user_timeout_ms = 3000,
    };
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct fixture *f = listener->data;
    struct bw_tls_stream_config config = config_of(f, true);

    assert_int_equal(status, 0);
    assert_int_equal(bw_tls_stream_accept(listener, &config, &f->server.stream, NULL), BW_OK);
}

static struct ssl_ctx_st *make_context(const char *ca, const char *identity,
                                       enum bw_tls_context_kind kind)
{
    struct bw_credentials *credentials;
    struct ssl_ctx_st *context;

    assert_int_equal(bw_credentials_load(ca, identity, &credentials, NULL), BW_OK);
    assert_int_equal(bw_tls_context_new(credentials, kind, &context, NULL), BW_OK);
    bw_credentials_free(credentials);
    return context;
}

static struct ssl_ctx_st *issue_context(struct test_pki *pki, const struct test_leaf *leaf,
                                        enum bw_tls_context_kind kind)
{
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue(pki, "leaf.pem", leaf, path);
    return make_context(pki->ca_path, path, kind);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct test_leaf server = {.uris = {"breakwater://prod/witness/w1"}};
    const struct test_leaf client = {.uris = {"breakwater://prod/witness/w2"}};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int size = sizeof address;

    test_pki_init(&f->pki);
    test_pki_init(&f->foreign);
    f->server_context = issue_context(&f->pki, &server, BW_TLS_SERVER_REQUIRED);
    f->client_context = issue_context(&f->pki, &client, BW_TLS_CLIENT);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->names = bw_names_new();
    assert_non_null(f->names);
    assert_int_equal(bw_names_open(f->names, &f->loop, NULL), BW_OK);
    assert_int_equal(uv_tcp_init(&f->loop, &f->listener), 0);
    f->listener.data = f;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_bind(&f->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&f->listener, 16, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&f->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%u", ntohs(address.sin_port));
    *state = f;
    return 0;
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer; /* only turns the loop */
}

/* Turns the loop until `done` says so. */
static void wait_until(struct fixture *f, bool (*done)(const struct fixture *f))
{
    struct patience patience = patience_begin(WAIT_MS);
    bool is_late = false;
    uv_timer_t beat;

    assert_int_equal(uv_timer_init(&f->loop, &beat), 0);
    assert_int_equal(uv_timer_start(&beat, on_beat, 20, 20), 0);
    while (!done(f) && !is_late) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
        is_late = patience_is_over(&patience);
    }
    uv_close((uv_handle_t *)&beat, NULL);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    if (is_late && !done(f))
        patience_fail("the streams come to what is expected");
}

/* Whatever a test left: closed, and the loop ends with nothing in it. */
static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->server.stream != NULL)
        bw_tls_stream_close(f->server.stream, BW_OK, "end of test");
    if (f->client.stream != NULL)
        bw_tls_stream_close(f->client.stream, BW_OK, "end of test");
    uv_close((uv_handle_t *)&f->listener, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    bw_names_close(f->names);
    bw_names_free(f->names);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_true(f->server.closed_count <= 1 && f->client.closed_count <= 1);
    bw_tls_context_free(f->server_context);
    bw_tls_context_free(f->client_context);
    test_pki_deinit(&f->pki);
    test_pki_deinit(&f->foreign);
    free(f);
    return 0;
}

static bool both_ready(const struct fixture *f)
{
    return f->server.ready && f->client.ready;
}

static bool both_closed(const struct fixture *f)
{
    return f->server.closed && f->client.closed;
}

static bool client_closed(const struct fixture *f)
{
    return f->client.closed;
}

static void dial(struct fixture *f)
{
    struct bw_tls_stream_config config = config_of(f, false);

    assert_int_equal(bw_tls_stream_connect(&f->loop, f->address, &config, &f->client.stream, NULL),
                     BW_OK);
}

static void replace_client(struct fixture *f, struct test_pki *pki, const struct test_leaf *leaf)
{
    bw_tls_context_free(f->client_context);
    f->client_context = issue_context(pki, leaf, BW_TLS_CLIENT);
}

static void both_sides_learn_who_the_other_is(void **state)
{
    struct fixture *f = *state;

    dial(f);
    wait_until(f, both_ready);

    assert_string_equal(bw_tls_stream_peer(f->client.stream)->name, "w1");
    assert_string_equal(bw_tls_stream_peer(f->server.stream)->name, "w2");
    assert_string_equal(bw_tls_stream_remote(f->client.stream), f->address);
}

static void name_is_resolved_and_every_address_tried(void **state)
{
    struct fixture *f = *state;
    char address[32];

    /* localhost is often ::1 too, where nobody listens. */
    (void)snprintf(address, sizeof address, "localhost:%s", strchr(f->address, ':') + 1);
    strcpy(f->address, address);
    dial(f);
    wait_until(f, both_ready);
}

typedef int getaddrinfo_function(const char *name, const char *service, const struct addrinfo *hints,
                                 struct addrinfo **out);

/* The system's resolver, which does not answer for one name as long as `resolver_gate` is locked. */
static pthread_mutex_t resolver_gate = PTHREAD_MUTEX_INITIALIZER;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    getaddrinfo_function *const real = (getaddrinfo_function *)dlsym(RTLD_NEXT, "getaddrinfo");

    if (name == NULL || strcmp(name, "stalled.test") != 0)
        return real(name, service, hints, out);
    (void)pthread_mutex_lock(&resolver_gate);
    (void)pthread_mutex_unlock(&resolver_gate);
    return EAI_AGAIN;
}

/* 5.3: a witness is back with its peers before a name server has answered. */
static void kept_address_is_dialed_while_the_name_is_looked_up(void **state)
{
    struct fixture *f = *state;
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in other = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    char address[32];

    bw_names_note(f->names, "stalled.test", (const struct sockaddr *)&here, true);
    bw_names_note(f->names, "stalled.test", (const struct sockaddr *)&other, true); /* nobody listens there */
    (void)snprintf(address, sizeof address, "stalled.test:%s", strchr(f->address, ':') + 1);
    strcpy(f->address, address);
    assert_int_equal(pthread_mutex_lock(&resolver_gate), 0);
    dial(f);
    wait_until(f, both_ready);
    bw_tls_stream_prove(f->client.stream);
    assert_int_equal(pthread_mutex_unlock(&resolver_gate), 0);
    assert_memory_equal(bw_tls_stream_remote(f->client.stream), "127.0.0.1:", 10);
}

static bool echo_came_back(const struct fixture *f)
{
    return f->client.received == 1000 * 1000;
}

static void bytes_come_back_whole_through_a_bounded_queue(void **state)
{
    struct fixture *f = *state;
    static uint8_t data[1000 * 1000];
    uint8_t sum = 0;
    size_t sent = 0;

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31);
        sum = (uint8_t)(sum + data[i]);
    }
    f->server.echo = true;
    dial(f);
    wait_until(f, both_ready);
    while (sent < sizeof data) {
        size_t room = bw_tls_stream_writable_bytes(f->client.stream);
        size_t piece = sizeof data - sent < room ? sizeof data - sent : room;

        if (piece > 50000)
            piece = 50000;
        assert_int_equal(bw_tls_stream_write(f->client.stream, data + sent, piece), BW_OK);
        assert_true(f->client.stream->queued_bytes <= BW_STREAM_QUEUE_BYTES_MAX);
        sent += piece;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    wait_until(f, echo_came_back);
    assert_int_equal(f->client.sum, sum);
    assert_true(f->client.drained_count > 0);
}

static bool server_has_data(const struct fixture *f)
{
    return f->server.received > 0;
}

static bool client_drained(const struct fixture *f)
{
    return f->client.drained_count > 0;
}

/* The bound is an error that takes nothing; after a resume everything arrives. */
static void full_queue_refuses_whole_writes_and_drains_after_resume(void **state)
{
    struct fixture *f = *state;
    static uint8_t block[100 * 1000];
    size_t sent = 0;
    unsigned refused = 0;

    f->server.pause_on_data = true;
    dial(f);
    wait_until(f, both_ready);
    while (refused < 200) { /* until the kernel's buffers are full too */
        enum bw_err err = bw_tls_stream_write(f->client.stream, block, sizeof block);

        assert_true(err == BW_OK || err == BW_ERR_LIMIT);
        if (err == BW_OK)
            sent += sizeof block;
        refused = err == BW_OK ? 0 : refused + 1;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    wait_until(f, server_has_data);
    assert_true(f->server.received <= 16384); /* one record, then paused */
    f->client.drained_count = 0;
    f->server.pause_on_data = false;
    bw_tls_stream_resume(f->server.stream);
    wait_until(f, client_drained);
    while (f->server.received < sent)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->server.received, sent);
}

static void peer_of_a_foreign_ca_is_refused_and_told_so(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf leaf = {.uris = {"breakwater://prod/witness/w2"}};
    char path[TEST_PKI_PATH_BYTES];
    char cas[TEST_PKI_PATH_BYTES];

    /* The client trusts both, the server only its own. */
    test_pki_issue(&f->foreign, "leaf.pem", &leaf, path);
    test_pki_join_cas(&f->foreign, &f->pki, "both.pem", cas);
    bw_tls_context_free(f->client_context);
    f->client_context = make_context(cas, path, BW_TLS_CLIENT);
    dial(f);
    wait_until(f, both_closed);

    assert_false(f->server.ready);
    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_int_equal(f->client.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->client.text, "refused our certificate"));
}

static void expired_peer_is_refused_and_told_so(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf leaf = {
        .uris = {"breakwater://prod/witness/w2"}, .begins_s = -7200, .ends_s = -3600};

    replace_client(f, &f->pki, &leaf);
    dial(f);
    wait_until(f, both_closed);

    assert_false(f->server.ready);
    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->server.text, "expired"));
    assert_int_equal(f->client.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->client.text, "expired"));
}

static void server_of_a_foreign_ca_is_refused_before_ready(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf leaf = {.uris = {"breakwater://prod/witness/w1"}};

    bw_tls_context_free(f->server_context);
    f->server_context = issue_context(&f->foreign, &leaf, BW_TLS_SERVER_REQUIRED);
    dial(f);
    wait_until(f, both_closed);

    assert_false(f->client.ready);
    assert_int_equal(f->client.why, BW_ERR_AUTH);
}

static void peer_without_certificate_is_refused_where_one_is_required(void **state)
{
    struct fixture *f = *state;

    bw_tls_context_free(f->client_context);
    f->client_context = test_pki_client(f->pki.ca_path, NULL);
    dial(f);
    wait_until(f, both_closed);

    assert_false(f->server.ready);
    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->server.text, "no certificate"));
    assert_non_null(strstr(f->client.text, "wants our certificate"));
}

static void two_uris_are_a_trusted_peer_without_identity(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf leaf = {
        .uris = {"breakwater://prod/witness/w2", "breakwater://prod/operator/anna"}};
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue(&f->pki, "two.pem", &leaf, path);
    bw_tls_context_free(f->client_context);
    f->client_context = test_pki_client(f->pki.ca_path, path);
    dial(f);
    wait_until(f, both_ready);

    assert_true(bw_tls_stream_has_certificate(f->server.stream));
    assert_null(bw_tls_stream_peer(f->server.stream));
}

static void close_inside_callbacks_is_safe_and_reported_once(void **state)
{
    struct fixture *f = *state;

    f->server.close_on_data = true;
    dial(f);
    wait_until(f, both_ready);
    assert_int_equal(bw_tls_stream_write(f->client.stream, "x", 1), BW_OK);
    wait_until(f, both_closed);

    assert_int_equal(f->server.why, BW_ERR_CANCELED);
    assert_string_equal(f->server.text, "enough");
    assert_int_equal(f->server.closed_count, 1);
}

static void wrong_peer_can_be_closed_in_on_ready(void **state)
{
    struct fixture *f = *state;

    f->client.close_on_ready = true;
    dial(f);
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_AUTH);
}

static void port_where_nobody_listens_is_unreachable(void **state)
{
    struct fixture *f = *state;

    strcpy(f->address, "127.0.0.1:1");
    dial(f);
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_UNREACHABLE);
    assert_non_null(strstr(f->client.text, "nobody listens"));
}

static void dial_can_be_given_up_at_once(void **state)
{
    struct fixture *f = *state;

    strcpy(f->address, "no-such-host.invalid:7401");
    dial(f);
    bw_tls_stream_close(f->client.stream, BW_ERR_CANCELED, "changed our mind");
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_CANCELED);
}

static void unknown_name_is_unreachable(void **state)
{
    struct fixture *f = *state;

    strcpy(f->address, "no-such-host.invalid:7401");
    dial(f);
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_UNREACHABLE);
}

static void silent_server_ends_the_handshake_in_time(void **state)
{
    struct fixture *f = *state;
    struct bw_tls_stream_config config = config_of(f, false);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* The kernel takes the connection, and nobody ever speaks: the handshake cannot go on. */
    assert_int_equal(bind(silent, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(silent, 1), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%u", ntohs(address.sin_port));
    config.handshake_ms = 100;
    assert_int_equal(bw_tls_stream_connect(&f->loop, f->address, &config, &f->client.stream, NULL),
                     BW_OK);
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_TIMEOUT);
    (void)close(silent);
}

static bool server_closed(const struct fixture *f)
{
    return f->server.closed;
}

static void deadline_closes_an_open_stream(void **state)
{
    struct fixture *f = *state;

    dial(f);
    wait_until(f, both_ready);
    bw_tls_stream_set_deadline(f->server.stream, 50);
    wait_until(f, server_closed);
    assert_int_equal(f->server.why, BW_ERR_TIMEOUT);
}

/* A context as the server's, by which `entry` counts no more. */
static struct ssl_ctx_st *revoking_context(struct fixture *f, const char *entry)
{
    struct bw_credentials *credentials;
    struct ssl_ctx_st *context;
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&f->pki, "server.pem", "breakwater://prod/witness/w1", path);
    assert_int_equal(bw_credentials_load(f->pki.ca_path, path, &credentials, NULL), BW_OK);
    assert_int_equal(bw_credentials_revoke(credentials, &entry, 1, NULL), BW_OK);
    assert_int_equal(bw_tls_context_new(credentials, BW_TLS_SERVER_REQUIRED, &context, NULL),
                     BW_OK);
    bw_credentials_free(credentials);
    return context;
}

static void revoked_peer_is_refused_and_told_so(void **state)
{
    struct fixture *f = *state;

    bw_tls_context_free(f->server_context);
    f->server_context = revoking_context(f, "witness/w2");
    dial(f);
    wait_until(f, both_closed);

    assert_false(f->server.ready);
    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->server.text, "revoked"));
    assert_int_equal(f->client.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->client.text, "revoked"));
}

static void open_stream_ends_when_its_peer_is_revoked_and_not_when_another_is(void **state)
{
    struct fixture *f = *state;
    struct ssl_ctx_st *other = revoking_context(f, "witness/w3");
    struct ssl_ctx_st *ours = revoking_context(f, "witness/w2");

    dial(f);
    wait_until(f, both_ready);
    bw_tls_stream_judge(f->server.stream, other);
    assert_int_equal(bw_tls_stream_write(f->server.stream, "x", 1), BW_OK);
    bw_tls_stream_judge(f->server.stream, ours);
    wait_until(f, server_closed);

    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->server.text, "revoked"));
    bw_tls_context_free(other);
    bw_tls_context_free(ours);
}

static void open_stream_ends_when_its_peers_ca_is_trusted_no_more(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf leaf = {.uris = {"breakwater://prod/witness/w1"}};
    struct ssl_ctx_st *foreign = issue_context(&f->foreign, &leaf, BW_TLS_CLIENT);

    dial(f);
    wait_until(f, both_ready);
    bw_tls_stream_judge(f->client.stream, f->client_context);
    assert_int_equal(bw_tls_stream_write(f->client.stream, "x", 1), BW_OK);
    bw_tls_stream_judge(f->client.stream, foreign);
    wait_until(f, client_closed);

    assert_int_equal(f->client.why, BW_ERR_AUTH);
    bw_tls_context_free(foreign);
}

/* Whom it would be with is not known yet: whoever dials dials again. */
static void stream_that_is_not_ready_is_given_up_when_trust_changes(void **state)
{
    struct fixture *f = *state;

    dial(f);
    bw_tls_stream_judge(f->client.stream, f->client_context);
    wait_until(f, client_closed);
    assert_int_equal(f->client.why, BW_ERR_CANCELED);
}

static bool is_accepted(const struct fixture *f)
{
    return f->server.stream != NULL;
}

/* It would go on with whom was trusted before: a revoked peer would be in until the next change. */
static void handshake_that_has_begun_is_given_up_when_trust_changes(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)strtoul(strrchr(f->address, ':') + 1, NULL, 10));
    assert_int_equal(connect(silent, (struct sockaddr *)&address, sizeof address), 0);
    wait_until(f, is_accepted);
    bw_tls_stream_judge(f->server.stream, f->server_context);
    wait_until(f, server_closed);
    assert_int_equal(f->server.why, BW_ERR_CANCELED);
    (void)close(silent);
}

static void open_stream_ends_with_its_peers_certificate(void **state)
{
    struct fixture *f = *state;
    const struct test_leaf brief = {
        .uris = {"breakwater://prod/witness/w2"}, .begins_s = -3600, .ends_s = 4};

    replace_client(f, &f->pki, &brief);
    dial(f);
    wait_until(
        f, both_ready); /* on a machine that is too slow for this the test must be seen to fail */
    wait_until(f, server_closed);

    assert_int_equal(f->server.why, BW_ERR_AUTH);
    assert_non_null(strstr(f->server.text, "expired"));
}

static void finish_delivers_everything_and_ends_in_good_order(void **state)
{
    struct fixture *f = *state;
    static uint8_t block[200 * 1000];

    dial(f);
    wait_until(f, both_ready);
    assert_int_equal(bw_tls_stream_write(f->server.stream, block, sizeof block), BW_OK);
    bw_tls_stream_finish(f->server.stream);
    assert_int_equal(bw_tls_stream_write(f->server.stream, "x", 1), BW_ERR_CANCELED);
    wait_until(f, both_closed);

    assert_int_equal(f->client.received, sizeof block);
    assert_int_equal(f->client.why, BW_OK);
    assert_int_equal(f->server.why, BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(both_sides_learn_who_the_other_is),
        TEST(name_is_resolved_and_every_address_tried),
        TEST(kept_address_is_dialed_while_the_name_is_looked_up),
        TEST(bytes_come_back_whole_through_a_bounded_queue),
        TEST(full_queue_refuses_whole_writes_and_drains_after_resume),
        TEST(peer_of_a_foreign_ca_is_refused_and_told_so),
        TEST(expired_peer_is_refused_and_told_so),
        TEST(server_of_a_foreign_ca_is_refused_before_ready),
        TEST(peer_without_certificate_is_refused_where_one_is_required),
        TEST(two_uris_are_a_trusted_peer_without_identity),
        TEST(close_inside_callbacks_is_safe_and_reported_once),
        TEST(wrong_peer_can_be_closed_in_on_ready),
        TEST(port_where_nobody_listens_is_unreachable),
        TEST(dial_can_be_given_up_at_once),
        TEST(unknown_name_is_unreachable),
        TEST(silent_server_ends_the_handshake_in_time),
        TEST(deadline_closes_an_open_stream),
        TEST(revoked_peer_is_refused_and_told_so),
        TEST(open_stream_ends_when_its_peer_is_revoked_and_not_when_another_is),
        TEST(open_stream_ends_when_its_peers_ca_is_trusted_no_more),
        TEST(stream_that_is_not_ready_is_given_up_when_trust_changes),
        TEST(handshake_that_has_begun_is_given_up_when_trust_changes),
        TEST(open_stream_ends_with_its_peers_certificate),
        TEST(finish_delivers_everything_and_ends_in_good_order),
#undef TEST
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
