/* Questions to the agent, over HTTPS: the server has to be an agent of our own site. And warnings
 * to the witnesses. */
#include "program.h"

#include <breakwater/base/assert.h>
#include <breakwater/wire/sync.h>

#include <jansson.h>
#include <stdio.h>

/* To one witness: one that does not answer leaves the room of the client to the others, who may hear that an end was
 * not seen (3.3). */
#define WARNINGS_UNANSWERED_MAX 2
#define REFUSAL_BYTES 256 /* of the words in a log line */

_Static_assert(WARNINGS_UNANSWERED_MAX *BW_WITNESSES_MAX <= BW_HTTP_EXCHANGES_MAX, "the client takes them all");

static void answered(struct bw_second_program *program, const struct bw_second_answer *answer)
{
    bw_second_happen(program, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_ANSWERED,
                                                                .answer = answer});
}

static void log_unanswered(struct bw_second_program *program, const char *text)
{
    if (!program->is_unanswered)
        bw_log_warn(&program->log, "second_enforcer.answer_failed",
                    "address=%s error=%s does=\"what is armed is fenced at its deadline\"",
                    program->config->second.agent, bw_log_quote(text));
    program->is_unanswered = true;
}

static void unanswered(struct bw_second_program *program, const char *text)
{
    log_unanswered(program, text);
    answered(program, NULL);
}

static struct bw_http_call post(const char *url, const void *body, uint32_t limit_ms)
{
    return (struct bw_http_call){.method = "POST",
                                 .url = url,
                                 .content_type = "application/protobuf",
                                 .body = body,
                                 .timeout_ms = limit_ms,
                                 .connect_timeout_ms = limit_ms,
                                 .handshake_timeout_ms = 3 * limit_ms};
}

static void on_done(void *user, const struct bw_http_answer *http)
{
    struct bw_second_program *program = user;
    struct bw_second_answer answer = {0};
    struct bw_diag diag = {0};
    char text[64];

    if (http->err == BW_ERR_CANCELED)
        return; /* it ends */
    if (http->err != BW_OK) {
        unanswered(program, http->text);
        return;
    }
    if (http->status != 200) {
        (void)snprintf(text, sizeof text, "it answered with HTTP %d", http->status); /* fits */
        unanswered(program, text);
        return;
    }
    if (bw_second_answer_decode(http->body, http->body_size, &answer, &diag) != BW_OK) {
        unanswered(program, diag.text);
        return;
    }
    if (program->is_unanswered)
        bw_log_info(&program->log, "second.answered", "address=%s", program->config->second.agent);
    program->is_unanswered = false;
    answered(program, &answer);
    bw_second_answer_deinit(&answer);
}

enum bw_err bw_second_ask_agent(struct bw_second_program *program, const struct bw_second_ask *ask,
                                uint32_t limit_ms)
{
    static uint8_t bytes[BW_SECOND_BYTES_MAX]; /* the loop's; copied by the client */
    char url[BW_ADDRESS_MAX + 64] = "";
    struct bw_http_call call = post(url, bytes, limit_ms);
    struct bw_diag diag = {0};
    enum bw_err err = bw_second_ask_encode(ask, bytes, sizeof bytes, &call.body_size, &diag);

    call.response_bytes_max = BW_SECOND_BYTES_MAX;
    (void)snprintf(url, sizeof url, "https://%s/v1/agent/second-enforcer",
                   program->config->second.agent); /* fits */
    if (err == BW_OK &&
        bw_http_client_send(&program->client, &call, on_done, program, &diag) == NULL)
        err = diag.err;
    if (err != BW_OK)
        log_unanswered(program, diag.text);
    return err;
}

/* With the witness's own words, if there are any: {"error": TEXT}. NULL: it has taken it. */
static const char *why_unwarned(const struct bw_http_answer *http, char out_text[REFUSAL_BYTES])
{
    json_t *body;
    const char *why;

    if (http->err != BW_OK)
        return http->text;
    if (http->status == 200)
        return NULL;
    body = json_loadb(http->body, http->body_size, 0, NULL);
    why = json_string_value(json_object_get(body, "error"));
    (void)snprintf(out_text, REFUSAL_BYTES, "it answered a warning with HTTP %d%s%s", http->status,
                   why != NULL ? ": " : "", why != NULL ? why : ""); /* cut is fine */
    json_decref(body);
    return out_text;
}

/* Whoever leads has heard it or not: it is said again. A witness that does not take it is told of once, until it does. */
static void on_warned(void *user, const struct bw_http_answer *http)
{
    struct bw_second_warned *to = user;
    char text[REFUSAL_BYTES];
    const char *why;

    BW_ASSERT(to->unanswered > 0);
    --to->unanswered;
    if (http->err == BW_ERR_CANCELED)
        return; /* it ends */
    why = why_unwarned(http, text);
    if (why != NULL && !to->is_refused)
        bw_log_warn(&to->program->log, "second_enforcer.warning_rejected", "address=%s error=%s", to->address,
                    bw_log_quote(why));
    to->is_refused = why != NULL;
}

void bw_second_warn(struct bw_second_program *program, const struct bw_sync *sync,
                    uint32_t limit_ms)
{
    static uint8_t bytes[BW_SYNC_BYTES_MAX]; /* the loop's; copied by the client */
    char url[BW_ADDRESS_MAX + 64] = "";
    struct bw_http_call call = post(url, bytes, limit_ms);
    struct bw_diag diag = {0};

    if (bw_sync_encode(sync, bytes, sizeof bytes, &call.body_size, &diag) != BW_OK) {
        bw_log_error(&program->log, "second_enforcer.warning_rejected", "error=%s", bw_log_quote(diag.text));
        return;
    }
    call.response_bytes_max = BW_BODY_BYTES_MAX;
    for (uint32_t i = 0; i < program->config->witness_count; i++) {
        struct bw_second_warned *to = &program->warned[i];

        if (to->unanswered == WARNINGS_UNANSWERED_MAX)
            continue;
        to->program = program;
        to->address = program->config->witnesses[i];
        (void)snprintf(url, sizeof url, "https://%s/v1/agent/sync", to->address); /* fits */
        if (bw_http_client_send(&program->witnesses, &call, on_warned, to, &diag) != NULL)
            ++to->unanswered;
        else
            bw_log_debug(&program->log, "second_enforcer.warning_rejected", "address=%s error=%s", to->address,
                         bw_log_quote(diag.text));
    }
}
