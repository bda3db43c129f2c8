/* api_agent.c - POST /v1/agent/sync, the same sync passed on by a follower, and GET
 * /v1/agent/orders?after=N&wait=20s. Design 3.2, 5.3. Bytes become calls of the machine, and its answers
 * bytes; who is answered what, and when, is its business. */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/scalar.h>
#include <breakwater/wire/sync.h>

#define PROTOBUF_TYPE          "application/protobuf"
#define RELAY_CONNECT_MS       2000
#define RELAY_ANSWER_BYTES_MAX (1024 * 1024)

struct bw_api_call {
    struct bw_witness_call call; /* first: the machine hands it back */
    struct bw_program *program;
    struct bw_http_request *request; /* NULL: nobody waits for its answer any more */
    struct bw_sync sync;             /* its groups are owned */
    struct relay *relay;             /* under way; NULL: none */
    const struct bw_http_answer *relayed; /* the leader's answer, while the machine takes it */
    /* The answer, and who is answered next. It leaves when the machine's step is over: what follows on the
     * same connection may be read within it, and is the next event. */
    struct bw_api_call *next;
    bool is_done;
    int status;
    uint8_t *own_body; /* owned; NULL: none was made */
    const uint8_t *body; /* status 200: that, or the leader's */
    size_t body_size;
    const char *error; /* otherwise; in `diag`, or static */
    const char *hint;  /* static; may be NULL */
    struct bw_diag diag;
};

/* One sync on its way to the leader. It may outlive the call that it is made for: it goes on then, so that its
 * connection stays for the next one. */
struct relay {
    struct bw_api_call *api; /* NULL: nobody waits for its answer any more */
};

static struct bw_api_call *call_of(struct bw_witness_call *call)
{
    return (struct bw_api_call *)call;
}

const char *bw_agents_remote(const struct bw_witness_call *call)
{
    const struct bw_http_request *request = ((const struct bw_api_call *)call)->request;

    return request != NULL ? request->remote : "gone";
}

static void free_call(struct bw_api_call *api)
{
    free(api->own_body); /* also where the leader's answer was none: then this witness gave its own */
    bw_sync_deinit(&api->sync);
    free(api);
}

static void leave_relay(struct bw_api_call *api)
{
    if (api->relay == NULL)
        return;
    api->relay->api = NULL;
    api->relay = NULL;
}

static void send_answer(struct bw_api_call *api)
{
    struct bw_http_request *request = api->request;

    api->program->counters.relays_failed += api->relay != NULL;
    leave_relay(api);
    api->request = NULL;
    if (request != NULL && api->error == NULL)
        bw_http_respond(request, api->status, PROTOBUF_TYPE, api->body, api->body_size);
    else if (request != NULL)
        bw_http_respond_error(request, api->status, api->error, api->hint);
    free_call(api);
}

void bw_agents_send_answers(struct bw_program *program)
{
    while (program->answered != NULL) {
        struct bw_api_call *api = program->answered;

        program->answered = api->next;
        send_answer(api);
    }
}

/* In the order in which they were decided. */
static void end(struct bw_api_call *api, int status, const char *error, const char *hint)
{
    struct bw_api_call **last = &api->program->answered;

    while (*last != NULL)
        last = &(*last)->next;
    *last = api;
    api->is_done = true;
    api->status = status;
    api->error = error;
    api->hint = hint;
}

/* ---- what the machine asks for ---- */

static enum bw_err encode(const struct bw_sync_answer *answer, struct bw_api_call *api)
{
    size_t size = 0;
    enum bw_err err = bw_sync_answer_encode(answer, NULL, 0, &size, &api->diag);

    if (err != BW_OK)
        return err;
    api->own_body = malloc(size > 0 ? size : 1);
    if (api->own_body == NULL)
        return bw_diag_set(&api->diag, BW_ERR_NOMEM, "no memory for %zu bytes", size);
    api->body = api->own_body;
    return bw_sync_answer_encode(answer, api->own_body, size, &api->body_size, &api->diag);
}

void bw_agents_answer(struct bw_witness_call *call, const struct bw_sync_answer *answer)
{
    struct bw_api_call *api = call_of(call);
    struct bw_program *program = api->program;
    const enum bw_err err = encode(answer, api);

    if (err == BW_OK) {
        end(api, 200, NULL, NULL);
        return;
    }
    bw_log_error(&program->log, "answer.failed", "remote=%s error=%s", api->request->remote,
                 bw_log_quote(api->diag.text));
    end(api, err == BW_ERR_NOMEM ? 503 : 500, api->diag.text, NULL);
}

void bw_agents_pass_on(struct bw_witness_call *call)
{
    struct bw_api_call *api = call_of(call);

    api->body = (const uint8_t *)api->relayed->body;
    api->body_size = api->relayed->body_size;
    end(api, 200, NULL, NULL);
}

static const struct {
    int status;
    const char *why;
    const char *hint;
} refusals[] = {
    [BW_WITNESS_REFUSES_NO_MEMBER] = {403, "this witness is no member", NULL},
    [BW_WITNESS_REFUSES_NAME] = {403,
                                 "the site and agent of a sync must be those of the certificate",
                                 NULL},
    [BW_WITNESS_REFUSES_TOO_EARLY] = {503, "this witness has no connection to its cluster yet",
                                      "try another witness, or again in a moment"},
    [BW_WITNESS_REFUSES_CLUSTER] = {409, "the agent belongs to another cluster of this name",
                                    "give it a state directory of its own for this cluster"},
    [BW_WITNESS_REFUSES_GENERATION] = {409, "the agent knows a newer generation of this cluster",
                                       "this witness was left behind by a recovery: stop it"},
    [BW_WITNESS_REFUSES_AGENT_LEVEL] = {426,
                                        "this agent is older than the feature level of the cluster",
                                        "upgrade breakwater at this site"},
    [BW_WITNESS_REFUSES_GUARD_LEVEL] = {426,
                                        "the guard of this agent is older than the feature level of the cluster",
                                        "upgrade breakwater at this site, and restart the guard"},
    [BW_WITNESS_REFUSES_WAIT] = {400, "after is a log index, wait a duration up to 60s",
                                 "such as ?after=17&wait=20s"},
    [BW_WITNESS_REFUSES_POLLS] = {503, "256 polls for orders wait here already",
                                  "ask another witness"},
};
_Static_assert(BW_WITNESS_POLLS_MAX == 256 && BW_WITNESS_POLL_MS_MAX == 60000,
               "the texts above say so");

static void refuse_unreadable(struct bw_api_call *api)
{
    const enum bw_err err = api->call.err;

    end(api,
        err == BW_ERR_NOMEM   ? 503
        : err == BW_ERR_LIMIT ? 413
                              : 400,
        api->call.text,
        err == BW_ERR_VERSION    ? "upgrade this witness"
        : err == BW_ERR_OUTDATED ? "upgrade the agent"
                                 : NULL);
}

void bw_agents_refuse(struct bw_witness_call *call, enum bw_witness_refusal why)
{
    struct bw_api_call *api = call_of(call);
    struct bw_witness_counters *counters = &api->program->counters;

    counters->syncs_refused += why < BW_WITNESS_REFUSES_WAIT && why != BW_WITNESS_REFUSES_TOO_EARLY;
    if (why == BW_WITNESS_REFUSES_UNREADABLE)
        refuse_unreadable(api);
    else if (why == BW_WITNESS_REFUSES_NAME && call->relayed_by != 0)
        end(api, 403, "the relayed sync does not name the agent that its relay names", NULL);
    else
        end(api, refusals[why].status, refusals[why].why, refusals[why].hint);
}

static void respond_refusal(struct bw_http_request *request, enum bw_witness_refusal why)
{
    bw_http_respond_error(request, refusals[why].status, refusals[why].why, refusals[why].hint);
}

bool bw_agents_is_too_early(struct bw_program *program, struct bw_http_request *request)
{
    char text[BW_NOT_BEGUN_BYTES];

    if (bw_witness_machine_knows_cluster(&program->machine))
        return false;
    if (bw_unreached_begins_late(program, text))
        bw_http_respond_error(request, refusals[BW_WITNESS_REFUSES_TOO_EARLY].status, text,
                              refusals[BW_WITNESS_REFUSES_TOO_EARLY].hint);
    else
        respond_refusal(request, BW_WITNESS_REFUSES_TOO_EARLY);
    return true;
}

/* ---- through a follower ---- */

static void on_relayed(void *user, const struct bw_http_answer *answer)
{
    struct relay *relay = user;
    struct bw_api_call *api = relay->api;
    const bool ok = answer->err == BW_OK && answer->status == 200;
    struct bw_program *program;

    free(relay);
    if (api == NULL)
        return;
    program = api->program;
    api->relay = NULL;
    if (api->is_done)
        return; /* send_answer frees it */
    if (!ok) {
        program->counters.relays_failed++;
        bw_log_debug(&program->log, "relay.failed", "site=%s name=%s http_status=%d error=%s",
                     api->sync.site, api->sync.agent, answer->status, bw_log_quote(answer->text));
    }
    api->relayed = answer;
    bw_drive_step(program, &(struct bw_witness_event){
                               .kind = BW_WITNESS_EVENT_RELAYED, .call = &api->call, .ok = ok});
}

static enum bw_err send_relay(struct bw_api_call *api, const struct bw_member *leader,
                              struct bw_diag *diag)
{
    const struct bw_http_request *request = api->request;
    struct bw_relay relay = {.sync = (uint8_t *)(uintptr_t)request->body, /* only read */
                             .sync_size = request->body_size};
    char url[BW_ADDRESS_MAX + 64];
    struct bw_http_call call = {.method = "POST",
                                .url = url,
                                .content_type = PROTOBUF_TYPE,
                                .timeout_ms = BW_WITNESS_RELAY_MS,
                                .connect_timeout_ms = RELAY_CONNECT_MS,
                                .response_bytes_max = RELAY_ANSWER_BYTES_MAX};
    uint8_t *body = malloc(BW_BODY_BYTES_MAX);
    struct relay *sent = calloc(1, sizeof *sent);
    enum bw_err err = BW_ERR_NOMEM;

    memcpy(relay.site, api->sync.site, sizeof relay.site);
    memcpy(relay.agent, api->sync.agent, sizeof relay.agent);
    (void)snprintf(url, sizeof url, "https://%s/v1/agent/relay", leader->address);
    if (body != NULL && sent != NULL)
        err = bw_relay_encode(&relay, body, BW_BODY_BYTES_MAX, &call.body_size, diag);
    if (err == BW_OK) {
        call.body = body;
        sent->api = api;
        if (bw_http_client_send(&api->program->relay, &call, on_relayed, sent, diag) == NULL)
            err = diag->err;
    }
    if (err == BW_OK)
        api->relay = sent;
    else
        free(sent);
    free(body);
    return err;
}

enum bw_err bw_agents_relay(struct bw_witness_call *call, const struct bw_member *leader)
{
    struct bw_api_call *api = call_of(call);
    struct bw_program *program = api->program;
    struct bw_diag diag = {0};
    const enum bw_err err = send_relay(api, leader, &diag);

    if (err == BW_OK) {
        program->counters.relays_sent++;
        return BW_OK;
    }
    program->counters.relays_failed++;
    bw_log_debug(&program->log, "relay.refused", "site=%s error=%s", api->sync.site,
                 bw_log_quote(diag.text));
    return err;
}

/* ---- what comes in ---- */

static void on_gone(struct bw_http_request *request, void *user)
{
    struct bw_api_call *api = user;

    (void)request;
    api->request = NULL;
    if (api->is_done)
        return; /* send_answer frees it */
    leave_relay(api);
    bw_drive_step(api->program, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_GONE,
                                                           .call = &api->call});
    free_call(api);
}

static const struct bw_http_later later = {.on_gone = on_gone};

/* It speaks for what its certificate names, until a relay vouches for somebody else. NULL: it was
 * answered. */
static struct bw_api_call *begin(struct bw_program *program, struct bw_http_request *request)
{
    struct bw_api_call *api = calloc(1, sizeof *api);

    if (api == NULL) {
        bw_http_respond_error(request, 503, "out of memory", NULL);
        return NULL;
    }
    api->program = program;
    api->request = request;
    api->call.received = request->received;
    BW_ASSERT(bw_copy_text(api->call.site, sizeof api->call.site, request->peer->site));
    BW_ASSERT(bw_copy_text(api->call.agent, sizeof api->call.agent, request->peer->name));
    return api;
}

/* The machine has it from here: it may be answered, and gone, at once. */
static void hand_over(struct bw_api_call *api, enum bw_witness_event_kind kind)
{
    bw_http_defer(api->request, 0, &later, api); /* the machine sees to the time */
    bw_drive_step(api->program, &(struct bw_witness_event){.kind = kind, .call = &api->call});
}

static void hand_over_sync(struct bw_api_call *api, enum bw_err err)
{
    if (err == BW_OK)
        api->call.sync = &api->sync;
    api->call.err = err;
    api->call.text = api->diag.text;
    hand_over(api, BW_WITNESS_EVENT_SYNC);
}

static void on_sync(struct bw_http_request *request, void *user)
{
    struct bw_api_call *api = begin(user, request);

    if (api != NULL)
        hand_over_sync(api, bw_sync_decode(request->body, request->body_size, &api->sync,
                                           &api->diag));
}

/* The witness that passes it on may not have reread its file yet. 5.3 */
static bool is_revoked(const struct bw_program *program, const struct bw_relay *relayed)
{
    char name[2 * BW_NAME_MAX + 16];

    (void)snprintf(name, sizeof name, "agent/%s/%s", relayed->site, relayed->agent);
    return bw_revoked_has_entry(bw_credentials_revoked(program->credentials), name);
}

static void on_relay(struct bw_http_request *request, void *user)
{
    struct bw_api_call *api = begin(user, request);
    struct bw_relay relayed;
    enum bw_err err;

    if (api == NULL)
        return;
    memcpy(api->call.relayer, api->call.agent, sizeof api->call.relayer);
    err = bw_relay_decode(request->body, request->body_size, &relayed, &api->diag);
    if (err == BW_OK && is_revoked(api->program, &relayed)) {
        bw_relay_deinit(&relayed);
        bw_http_respond_error(request, 403, "it passes on an agent whose certificate is revoked here",
                              "the witnesses' files differ, or that witness was not reloaded");
        free_call(api);
        return;
    }
    if (err == BW_OK) {
        memcpy(api->call.site, relayed.site, sizeof api->call.site);
        memcpy(api->call.agent, relayed.agent, sizeof api->call.agent);
        err = bw_sync_decode(relayed.sync, relayed.sync_size, &api->sync, &api->diag);
        bw_relay_deinit(&relayed);
    }
    hand_over_sync(api, err);
}

/* ---- polls ---- */

/* Decimal digits only; missing is 0. */
static bool read_after(const struct bw_http_request *request, uint64_t *out_after)
{
    char text[24];
    char *end;
    enum bw_err err = bw_http_query(request, "after", text, sizeof text);

    if (err == BW_ERR_NOT_FOUND) {
        *out_after = 0;
        return true;
    }
    if (err != BW_OK || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out_after = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_wait(const struct bw_http_request *request, uint32_t *out_wait_ms)
{
    char text[24];
    enum bw_err err = bw_http_query(request, "wait", text, sizeof text);

    if (err == BW_ERR_NOT_FOUND) {
        *out_wait_ms = 0;
        return true;
    }
    return err == BW_OK && bw_duration_parse(text, out_wait_ms);
}

static void on_poll(struct bw_http_request *request, void *user)
{
    uint64_t after;
    uint32_t wait_ms;
    struct bw_api_call *api;

    if (!read_after(request, &after) || !read_wait(request, &wait_ms)) {
        respond_refusal(request, BW_WITNESS_REFUSES_WAIT);
        return;
    }
    api = begin(user, request);
    if (api == NULL)
        return;
    api->call.after = after;
    api->call.wait_ms = wait_ms;
    hand_over(api, BW_WITNESS_EVENT_POLL);
}

const struct bw_http_route bw_agent_routes[] = {
    {"POST", "/v1/agent/sync", BW_ROLE_BIT(BW_ROLE_AGENT) | BW_HTTP_KEEPS_SEAT,
     BW_HTTP_ABOUT_SELF, on_sync},
    {"POST", "/v1/agent/relay", BW_ROLE_BIT(BW_ROLE_WITNESS) | BW_HTTP_KEEPS_SEAT,
     BW_HTTP_ABOUT_SELF, on_relay},
    {"GET", "/v1/agent/orders", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_SELF, on_poll},
};
const size_t bw_agent_route_count = sizeof bw_agent_routes / sizeof bw_agent_routes[0];
