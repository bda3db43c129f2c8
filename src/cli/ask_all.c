/* ask_all.c - the same question to all witnesses at once: who is there, who leads, and what is so? */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/utf8.h>
#include <breakwater/net/http_client.h>


#define STATUS_MS 3000
#define BEAT_MS   100

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void note_answer(void *user, const struct bw_http_answer *answer)
{
    struct bw_api_witness *witness = user;
    const size_t skip = strlen(witness->address) + 2; /* "HOST:PORT: " is said beside it */
    char error[480];
    json_t *body;

    witness->err = answer->err;
    if (answer->err == BW_ERR_CANCELED) { /* the others have answered meanwhile */
        (void)snprintf(witness->why, sizeof witness->why, "its name was not resolved in time (is the name server reachable?)");
        return;
    }
    if (answer->err != BW_OK) {
        (void)snprintf(witness->why, sizeof witness->why, "%.250s",
                       strncmp(answer->text, witness->address, skip - 2) == 0 &&
                               strlen(answer->text) > skip
                           ? answer->text + skip
                           : answer->text);
        return;
    }
    body = json_loadb(answer->body, answer->body_size, 0, NULL);
    bw_json_from_former(body);
    if (answer->status == 200 && strcmp(text_of(body, "schema"), "breakwater.status/v2") == 0) {
        witness->status = body;
        return;
    }
    witness->err = BW_ERR_REFUSED;
    witness->is_forbidden = answer->status == 403;
    bw_utf8_plain(error, sizeof error, text_of(body, "error"), strlen(text_of(body, "error")));
    (void)snprintf(witness->why, sizeof witness->why, "HTTP %d%s%s", answer->status, error[0] != '\0' ? ": " : "", error);
    json_decref(body);
}

static void ask_status(const struct bw_api *api, struct bw_http_client *client, struct bw_api_witness *witness)
{
    char url[BW_ADDRESS_MAX + 32];
    struct bw_diag diag = {0};
    const struct bw_http_call call = {.method = "GET",
                                      .url = url,
                                      .timeout_ms = STATUS_MS,
                                      .connect_timeout_ms = BW_API_CONNECT_MS,
                                      .lookup_timeout_ms = api->lookup_ms,
                                      .response_bytes_max = BW_API_ANSWER_BYTES_MAX};

    (void)snprintf(url, sizeof url, "https://%s/v1/status", witness->address);
    if (bw_http_client_send(client, &call, note_answer, witness, &diag) == NULL)
        (void)snprintf(witness->why, sizeof witness->why, "%.250s", diag.text);
}

static bool has_answer_of_leader(const struct bw_api *api)
{
    for (size_t i = 0; i < api->count; i++)
        if (json_is_true(json_object_get(api->witnesses[i].status, "leads")))
            return true;
    return false;
}

/* Only makes the loop turn. */
static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

/* Every exchange has a time limit. One whose name is still being looked up a while after the leader has answered is not
 * waited for. */
static void run_questions(const struct bw_api *api, struct bw_http_client *client, uv_loop_t *loop)
{
    uint64_t end_ms = UINT64_MAX;
    uv_timer_t beat;

    BW_ASSERT(uv_timer_init(loop, &beat) == 0 && uv_timer_start(&beat, on_beat, BEAT_MS, BEAT_MS) == 0);
    while (client->exchange_count > 0 &&
           (client->exchange_count > bw_http_client_looks_up(client) || uv_now(loop) < end_ms)) {
        (void)uv_run(loop, UV_RUN_ONCE);
        if (end_ms == UINT64_MAX && has_answer_of_leader(api))
            end_ms = uv_now(loop) + STATUS_MS;
    }
    uv_close((uv_handle_t *)&beat, NULL);
    bw_http_client_close(client, NULL, NULL);
    while (uv_run(loop, UV_RUN_DEFAULT) != 0)
        continue;
}

void bw_api_ask_all(struct bw_api *api, size_t first)
{
    struct bw_http_client client;
    struct bw_diag diag = {0};
    uv_loop_t loop;
    enum bw_err err;

    BW_ASSERT(uv_loop_init(&loop) == 0); /* a command without file descriptors can do nothing */
    err = bw_http_client_init(&client, &loop, NULL, &diag);
    BW_ASSERT(err == BW_OK);
    if (api->names != NULL && bw_names_open(api->names, &loop, &diag) == BW_OK)
        bw_http_client_use_names(&client, api->names);
    err = bw_http_client_set_credentials(&client, api->credentials, &diag);
    BW_ASSERT(err == BW_OK);
    for (size_t i = first; i < api->count; i++)
        ask_status(api, &client, &api->witnesses[i]);
    run_questions(api, &client, &loop);
    bw_names_close(api->names);
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    BW_ASSERT(uv_loop_close(&loop) == 0);
}
