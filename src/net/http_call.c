/* http_call.c - one request of a command, on a loop of its own. */
#include <breakwater/net/http_client.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

struct single {
    struct bw_http_client client;
    struct bw_http_reply *reply;
    struct bw_diag diag;
};

static void on_single_done(void *user, const struct bw_http_answer *answer)
{
    struct single *single = user;
    struct bw_http_reply *reply = single->reply;

    reply->may_have_arrived = answer->may_have_arrived;
    if (answer->err == BW_OK)
        reply->body = malloc(answer->body_size + 1);
    if (reply->body != NULL) {
        memcpy(reply->body, answer->body, answer->body_size + 1);
        reply->body_size = answer->body_size;
        reply->status = answer->status;
        reply->trip_us = answer->trip_us;
    } else if (answer->err == BW_OK) {
        (void)bw_diag_set(&single->diag, BW_ERR_NOMEM, "out of memory");
    } else {
        (void)bw_diag_set(&single->diag, answer->err, "%s", answer->text);
    }
    bw_http_client_close(&single->client, NULL, NULL);
}

static void run_single(struct single *single, uv_loop_t *loop,
                       const struct bw_credentials *credentials, const struct bw_http_call *call)
{
    if (bw_http_client_init(&single->client, loop, NULL, &single->diag) != BW_OK)
        return;
    if (call->names != NULL && bw_names_open(call->names, loop, &single->diag) == BW_OK)
        bw_http_client_use_names(&single->client, call->names);
    if (bw_http_client_set_credentials(&single->client, credentials, &single->diag) != BW_OK ||
        bw_http_client_send(&single->client, call, on_single_done, single, &single->diag) == NULL)
        bw_http_client_close(&single->client, NULL, NULL);
    (void)uv_run(loop, UV_RUN_DEFAULT); /* until the client has closed its last handle */
    bw_names_close(call->names);
    (void)uv_run(loop, UV_RUN_DEFAULT); /* likewise */
}

enum bw_err bw_http_client_call(const struct bw_credentials *credentials,
                                const struct bw_http_call *call, struct bw_http_reply *out_reply,
                                struct bw_diag *diag)
{
    struct single single = {.reply = out_reply};
    uv_loop_t loop;
    int status;

    memset(out_reply, 0, sizeof *out_reply);
    if (uv_loop_init(&loop) != 0)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%s: no event loop", call->url);
    run_single(&single, &loop, credentials, call);
    status = uv_loop_close(&loop);
    BW_ASSERT(status == 0);
    if (single.diag.err != BW_OK && diag != NULL)
        *diag = single.diag;
    return single.diag.err;
}

void bw_http_reply_deinit(struct bw_http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
    reply->body_size = 0;
}
