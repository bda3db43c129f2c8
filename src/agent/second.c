/* Where a second enforcer of this site asks (3.4): HTTPS, for agents' certificates of the same site
 * alone, judged as the handshake ends: nobody else has a seat that it could want for. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/http_server.h>
#include <breakwater/net/tls_context.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/second.h>

/* Whoever dials has until so many others have come to say who he is. Of one that has not the agent keeps what a handshake
 * needs, some tens of KiB; twice as many are open at most, those that leave included. */
#define CONNECTIONS_MAX          64
#define IDENTITY_CONNECTIONS_MAX 4 /* of BW_SECOND_BYTES_MAX each */

static struct bw_instant clock_now(void *user)
{
    (void)user;
    return bw_clock_now();
}

static void answer(struct bw_http_request *request, struct bw_agent *agent,
                   const struct bw_second_ask *ask)
{
    static struct bw_second_answer_group groups[BW_SITE_GROUPS_MAX]; /* the loop's */
    static uint8_t bytes[BW_SECOND_BYTES_MAX];
    struct bw_second_answer reply = {.groups = groups};
    struct bw_diag diag = {0};
    size_t size = 0;

    bw_agent_machine_answer_second(&agent->machine, ask, &reply);
    /* Names that were found, and numbers: it fits, and can be read again. */
    BW_ASSERT(bw_second_answer_encode(&reply, bytes, sizeof bytes, &size, &diag) == BW_OK);
    bw_http_respond(request, 200, "application/protobuf", bytes, size);
}

/* What is left is read after the question has come: never more than there is (3.4). */
static void on_ask(struct bw_http_request *request, void *user)
{
    struct bw_agent *agent = user;
    struct bw_second_ask ask = {0};
    struct bw_diag diag = {0};

    if (bw_second_ask_decode(request->body, request->body_size, &ask, &diag) != BW_OK) {
        bw_http_respond_error(request, 400, diag.text, NULL);
        return;
    }
    if (ask.group_count > BW_SITE_GROUPS_MAX) { /* no site file has more, and no answer */
        bw_second_ask_deinit(&ask);
        bw_http_respond_error(request, 400, "it asks for more groups than a site can have", NULL);
        return;
    }
    bw_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SECOND, .second = &ask});
    answer(request, agent, &ask);
    bw_second_ask_deinit(&ask);
}

static const struct bw_http_route routes[] = {
    {"POST", "/v1/agent/second-enforcer", BW_ROLE_BIT(BW_ROLE_AGENT) | BW_HTTP_KEEPS_SEAT,
     BW_HTTP_ABOUT_SELF, on_ask},
};

static bool welcomes(const struct bw_identity *peer, void *user)
{
    const struct bw_agent *agent = user;

    return peer->role == BW_ROLE_AGENT && strcmp(peer->site, agent->config->site) == 0;
}

static void on_handshake_failed(const char *remote, enum bw_err why, const char *text, void *user)
{
    struct bw_agent *agent = user;
    const uint64_t count = bw_summary_add(&agent->second_failed, uv_now(&agent->loop));

    (void)why;
    if (count > 0)
        bw_log_warn(&agent->log, "second.handshake_failed", "remote=%s error=%s count=%" PRIu64,
                    remote, bw_log_quote(text), count);
}

static void on_evicted(const char *remote, const struct bw_identity *identity,
                       enum bw_http_eviction why, void *user)
{
    struct bw_agent *agent = user;
    const uint64_t count = bw_summary_add(&agent->second_evicted, uv_now(&agent->loop));
    char name[BW_IDENTITY_TEXT_BYTES] = "none";

    if (count == 0)
        return;
    if (identity != NULL)
        bw_identity_format(identity, name);
    bw_log_warn(&agent->log, "second.evicted", "identity=%s remote=%s why=%s count=%" PRIu64, name,
                remote, bw_http_eviction_word(why), count);
}

static enum bw_err listen_for_asks(struct bw_agent *agent, struct bw_diag *diag)
{
    struct ssl_ctx_st *context = NULL;
    struct bw_http_server_config config = {.listen = agent->config->second.listen,
                                           .cluster = agent->config->cluster,
                                           .routes = routes,
                                           .route_count = 1,
                                           .clock = clock_now,
                                           .welcomes = welcomes,
                                           .on_handshake_failed = on_handshake_failed,
                                           .on_evicted = on_evicted,
                                           .user = agent,
                                           .connections_max = CONNECTIONS_MAX,
                                           .identity_connections_max = IDENTITY_CONNECTIONS_MAX,
                                           .body_bytes_max = BW_SECOND_BYTES_MAX};
    enum bw_err err = bw_tls_context_new(agent->credentials, BW_TLS_SERVER_REQUIRED, &context,
                                         diag);

    if (err != BW_OK)
        return err;
    config.context = context;
    err = bw_http_server_open(&agent->loop, &config, &agent->second, diag);
    bw_tls_context_free(context);
    return err;
}

/* No lease is lost for a port that somebody else has: it is tried again with each look at the
 * certificate. */
void bw_agent_second_serve(struct bw_agent *agent)
{
    struct bw_diag diag = {0};

    if (agent->config->second.listen[0] == '\0' || agent->second != NULL)
        return;
    if (listen_for_asks(agent, &diag) == BW_OK) {
        bw_log_info(&agent->log, "second.listening", "address=%s", agent->config->second.listen);
        return;
    }
    if (!agent->is_second_refused)
        bw_log_error(
            &agent->log, "second_enforcer.listen_failed",
            "address=%s error=%s does=\"goes on, and tries again; no second enforcer counts\"",
            agent->config->second.listen, bw_log_quote(diag.text));
    agent->is_second_refused = true;
}

void bw_agent_second_close(struct bw_agent *agent)
{
    if (agent->second != NULL)
        bw_http_server_close(agent->second, NULL, NULL);
    agent->second = NULL;
}

void bw_agent_second_use_credentials(struct bw_agent *agent)
{
    bw_agent_renew_server(agent, agent->second, BW_TLS_SERVER_REQUIRED);
}
