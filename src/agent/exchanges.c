#include "program.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/base/crash_point.h>
#include <breakwater/net/address.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

#define POLL_CONNECT_MS 2000u
#define HANDSHAKE_MS_MIN 1000 /* a machine with much to do may need as long, whatever the terms are */
#define REFUSAL_BYTES   256 /* of the words in a log line */

_Static_assert(BW_AGENT_WITNESSES_MAX *(BW_AGENT_SYNCS_MAX + 1) <= BW_HTTP_EXCHANGES_MAX,
               "all their exchanges fit into one client");

/* ---- what comes back ------------------------------------------------------------------------- */

static void unanswered(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                       const char *text)
{
    bw_agent_happen(caller->agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_UNANSWERED,
                                                            .witness = caller->witness,
                                                            .exchange = exchange,
                                                            .text = text});
}

static void answered(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                     const struct bw_http_answer *http)
{
    struct bw_agent_event event = {
        .kind = BW_AGENT_EVENT_ANSWERED, .witness = caller->witness, .exchange = exchange};
    struct bw_sync_answer answer = {0};
    struct bw_diag diag = {0};

    if (http->status == 200) {
        event.is_unreadable = bw_sync_answer_decode(http->body, http->body_size, &answer, &diag) !=
                              BW_OK;
        event.answer = event.is_unreadable ? NULL : &answer;
    }
    if (event.is_unreadable)
        bw_log_warn(&caller->agent->log, "answer.unreadable", "address=%s error=%s",
                    caller->agent->machine.witnesses[caller->witness].address,
                    bw_log_quote(diag.text));
    bw_agent_happen(caller->agent, &event);
    bw_sync_answer_deinit(&answer);
}

/* With the witness's own words, if there are any: {"error": TEXT}. */
static void refused(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                    const struct bw_http_answer *http)
{
    json_t *body = json_loadb((const char *)http->body, http->body_size, 0, NULL);
    const char *why = json_string_value(json_object_get(body, "error"));
    char text[REFUSAL_BYTES];

    (void)snprintf(text, sizeof text, "it answered a %s with HTTP %d%s%s",
                   exchange == BW_AGENT_SYNC ? "sync" : "poll", http->status,
                   why != NULL ? ": " : "", why != NULL ? why : ""); /* cut is fine */
    json_decref(body);
    unanswered(caller, exchange, text);
}

static void on_done(struct bw_agent_caller *caller, enum bw_agent_exchange exchange,
                    const struct bw_http_answer *http)
{
    const bool is_nothing_new = exchange == BW_AGENT_POLL && http->status == 204;

    if (http->err == BW_ERR_CANCELED)
        return; /* by the machine, or the agent ends */
    if (http->err != BW_OK) {
        unanswered(caller, exchange, http->text);
    } else if (http->status == 200 || is_nothing_new) {
        answered(caller, exchange, http);
    } else {
        refused(caller, exchange, http);
    }
}

static void on_sync_done(void *user, const struct bw_http_answer *http)
{
    on_done(user, BW_AGENT_SYNC, http);
}

static void on_poll_done(void *user, const struct bw_http_answer *http)
{
    struct bw_agent_caller *caller = user;

    caller->poll = NULL;
    on_done(caller, BW_AGENT_POLL, http);
}

/* ---- what goes out --------------------------------------------------------------------------- */

enum bw_err bw_agent_use_witness(struct bw_agent *agent, uint32_t witness, const char *address)
{
    struct bw_address parsed;
    struct bw_diag diag = {0};
    enum bw_err err = bw_address_parse(address, &parsed, &diag);

    if (err != BW_OK)
        bw_log_warn(&agent->log, "witness.ignored", "address=%s error=%s", bw_log_quote(address),
                    bw_log_quote(diag.text));
    agent->callers[witness] = (struct bw_agent_caller){.agent = agent, .witness = witness};
    return err;
}

/* At least 1, also when it has ended, or when the file that the next start reads has one that cannot be used: 0 would say
 * nothing of it. */
static uint64_t certificate_left_s(const struct bw_agent *agent)
{
    const uint64_t left_s = bw_credentials_left_s(agent->credentials, bw_clock_wall());

    return left_s > 0 && !agent->is_certificate_refused ? left_s : 1;
}

enum bw_err bw_agent_make_sync(struct bw_agent *agent, struct bw_sync *sync)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    sync->certificate_left_s = certificate_left_s(agent);
    err = bw_sync_encode(sync, agent->sync, BW_SYNC_BYTES_MAX, &agent->sync_size, &diag);
    if (err == BW_ERR_LIMIT) { /* renewals come before what is for people */
        for (uint32_t i = 0; i < sync->group_count; i++) {
            sync->groups[i].report.failure_count = 0;
            sync->groups[i].report.steps.count = 0;
        }
        err = bw_sync_encode(sync, agent->sync, BW_SYNC_BYTES_MAX, &agent->sync_size, &diag);
    }
    if (err != BW_OK)
        bw_log_error(&agent->log, "sync.unsent", "error=%s", bw_log_quote(diag.text));
    return err;
}

enum bw_err bw_agent_send_sync(struct bw_agent *agent, uint32_t witness, uint32_t limit_ms,
                               struct bw_diag *diag)
{
    char url[BW_ADDRESS_MAX + 64];
    const struct bw_http_call call = {
        .method = "POST",
        .url = url,
        .content_type = "application/protobuf",
        .body = agent->sync,
        .body_size = agent->sync_size,
        .timeout_ms = limit_ms,
        .connect_timeout_ms = limit_ms,
        .handshake_timeout_ms = limit_ms > HANDSHAKE_MS_MIN ? limit_ms : HANDSHAKE_MS_MIN,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    (void)snprintf(url, sizeof url, "https://%s/v1/agent/sync",
                   agent->machine.witnesses[witness].address); /* fits */
    if (bw_http_client_send(&agent->client, &call, on_sync_done, &agent->callers[witness], diag) ==
        NULL)
        return diag->err;
    BW_CRASH_POINT(AGENT_AFTER_SYNC);
    return BW_OK;
}

enum bw_err bw_agent_poll(struct bw_agent *agent, uint32_t witness, uint64_t after,
                          uint32_t limit_ms, struct bw_diag *diag)
{
    struct bw_agent_caller *caller = &agent->callers[witness];
    char url[BW_ADDRESS_MAX + 96];
    const struct bw_http_call call = {
        .method = "GET",
        .url = url,
        .timeout_ms = limit_ms,
        .connect_timeout_ms = POLL_CONNECT_MS,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    (void)snprintf(url, sizeof url, "https://%s/v1/agent/orders?after=%" PRIu64 "&wait=%us",
                   agent->machine.witnesses[witness].address, after,
                   BW_AGENT_POLL_WAIT_S); /* fits */
    caller->poll = bw_http_client_send(&agent->client, &call, on_poll_done, caller, diag);
    return caller->poll != NULL ? BW_OK : diag->err;
}

void bw_agent_cancel_poll(struct bw_agent *agent, uint32_t witness)
{
    bw_http_exchange_cancel(agent->callers[witness].poll); /* its end is nobody's */
}
