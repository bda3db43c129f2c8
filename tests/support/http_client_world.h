/* http_client_world.h - a client on a loop of its own, a rude server, the identities of both, and
 * what became of a request. For the tests of http_client; include it after cmocka.h. */
#ifndef BW_TEST_HTTP_CLIENT_WORLD_H
#define BW_TEST_HTTP_CLIENT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/net/http_client.h>

#include "rude_server.h"
#include "test_pki.h"

#define URL_BYTES   128
#define BODY_BYTES  512
#define GENEROUS_MS 60000

static struct test_pki prod;
static struct test_pki rogue; /* the CA of somebody else */

/* Files in prod's directory. */
static char witness_path[TEST_PKI_PATH_BYTES];
static char operator_path[TEST_PKI_PATH_BYTES];
static char operator_renewed_path[TEST_PKI_PATH_BYTES];

static inline int make_pki(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    test_pki_init(&prod);
    test_pki_init(&rogue);
    test_pki_issue_uri(&prod, "w1.pem", "breakwater://prod/witness/w1", witness_path);
    test_pki_issue_uri(&prod, "anna.pem", "breakwater://prod/operator/anna", operator_path);
    test_pki_issue_uri(&prod, "anna2.pem", "breakwater://prod/operator/anna",
                       operator_renewed_path);
    return 0;
}

static inline int remove_pki(void **state)
{
    (void)state;
    test_pki_deinit(&prod);
    test_pki_deinit(&rogue);
    return 0;
}

/* ---- the client ------------------------------------------------------------------------------ */

struct result {
    unsigned count; /* of calls of on_done */
    enum bw_err err;
    int status;
    char body[BODY_BYTES];
    char text[BW_DIAG_TEXT_BYTES];
    bool may_have_arrived;
    struct bw_http_client *close_from_within;
    struct bw_http_exchange *cancel_from_within;
};

struct fixture {
    uv_loop_t loop;
    struct bw_http_client client;
    struct rude_server server;
    struct bw_diag diag;
    bool is_closed;
    char url[URL_BYTES];
};

static inline void on_done(void *user, const struct bw_http_answer *got)
{
    struct result *result = user;

    result->count++;
    result->err = got->err;
    result->status = got->status;
    result->may_have_arrived = got->may_have_arrived;
    (void)snprintf(result->body, sizeof result->body, "%.*s", (int)got->body_size, got->body);
    (void)snprintf(result->text, sizeof result->text, "%s", got->text);
    if (result->cancel_from_within != NULL)
        bw_http_exchange_cancel(result->cancel_from_within);
    if (result->close_from_within != NULL)
        bw_http_client_close(result->close_from_within, NULL, NULL);
}

static inline void on_closed(void *user)
{
    *(bool *)user = true;
}

static inline struct bw_credentials *load(const char *identity_path)
{
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};

    if (bw_credentials_load(prod.ca_path, identity_path, &credentials, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    return credentials;
}

static inline void use_credentials(struct fixture *fixture, const char *identity_path)
{
    struct bw_credentials *credentials = load(identity_path);

    assert_int_equal(bw_http_client_set_credentials(&fixture->client, credentials, &fixture->diag),
                     BW_OK);
    bw_credentials_free(credentials);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(bw_http_client_init(&fixture->client, &fixture->loop, NULL, &fixture->diag),
                     BW_OK);
    use_credentials(fixture, operator_path);
    rude_server_start(&fixture->server, witness_path, prod.ca_path);
    *state = fixture;
    return 0;
}

/* Whatever a test did: the client closes, and the loop has no handle left. */
static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;

    bw_http_client_close(&fixture->client, on_closed, &fixture->is_closed);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    rude_server_stop(&fixture->server);
    free(fixture);
    return 0;
}

/* Another server than the good one of set_up. */
static inline void change_server(struct fixture *fixture, const char *identity_path,
                                 const char *ca_path)
{
    rude_server_stop(&fixture->server);
    rude_server_start(&fixture->server, identity_path, ca_path);
}

/* The URL stays good until the next call of this. */
static inline struct bw_http_call call_of(struct fixture *fixture, unsigned port, const char *path)
{
    (void)snprintf(fixture->url, URL_BYTES, "https://127.0.0.1:%u%s", port, path);
    return (struct bw_http_call){.method = "GET",
                                 .url = fixture->url,
                                 .timeout_ms = GENEROUS_MS,
                                 .connect_timeout_ms = GENEROUS_MS,
                                 .response_bytes_max = 256};
}

static inline struct bw_http_exchange *
send_call(struct fixture *fixture, const struct bw_http_call *call, struct result *result)
{
    struct bw_http_exchange *exchange = bw_http_client_send(&fixture->client, call, on_done, result,
                                                            &fixture->diag);

    if (exchange == NULL)
        fail_msg("%s", fixture->diag.text);
    assert_int_equal(result->count, 0); /* never before send returned */
    return exchange;
}

static inline struct bw_http_exchange *begin(struct fixture *fixture, const char *path,
                                             struct result *result)
{
    const struct bw_http_call call = call_of(fixture, fixture->server.port, path);

    return send_call(fixture, &call, result);
}

static inline void wait_for(struct fixture *fixture, const struct result *result)
{
    while (result->count == 0)
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_int_equal(result->count, 1);
}

static inline struct result perform(struct fixture *fixture, const struct bw_http_call *call)
{
    struct result result = {0};

    (void)send_call(fixture, call, &result);
    wait_for(fixture, &result);
    return result;
}

static inline struct result get(struct fixture *fixture, const char *path)
{
    const struct bw_http_call call = call_of(fixture, fixture->server.port, path);

    return perform(fixture, &call);
}

static inline void assert_ended(const struct result *result, enum bw_err err, const char *words)
{
    assert_string_equal(bw_err_text(result->err), bw_err_text(err));
    if (strstr(result->text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", result->text, words);
    assert_string_equal(result->body, "");
    assert_int_equal(result->status, 0);
}

static inline void assert_get_ends(struct fixture *fixture, const char *path, enum bw_err err,
                                   const char *words)
{
    const struct result result = get(fixture, path);

    assert_ended(&result, err, words);
}

#endif
