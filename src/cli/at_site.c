#include "at_site.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <breakwater/agent/agent.h>
#include <breakwater/base/assert.h>
#include <breakwater/sys/unix_socket.h>

struct question {
    uv_loop_t loop;
    uv_timer_t timer;
    struct bw_unix_connection *connection;
    char *text;
    json_t *answer;
    enum bw_err err;
    struct bw_diag *diag;
    bool is_over;
};

static void finish(struct question *question, enum bw_err err, const char *why)
{
    if (question->is_over)
        return;
    question->is_over = true;
    question->err = err == BW_OK ? BW_OK : bw_diag_set(question->diag, err, "%s", why);
    uv_close((uv_handle_t *)&question->timer, NULL);
    if (question->connection != NULL)
        bw_unix_close(question->connection);
}

static void on_late(uv_timer_t *timer)
{
    finish(timer->data, BW_ERR_TIMEOUT, "it has not answered for 5 s");
}

static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct question *question = user;

    if (bw_unix_send(connection, question->text, strlen(question->text), NULL) != BW_OK)
        finish(question, BW_ERR_LIMIT, "the question is too long");
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct question *question = user;

    (void)connection;
    if (question->is_over)
        return;
    question->answer = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(question->answer))
        finish(question, BW_OK, "");
    else
        finish(question, BW_ERR_CORRUPT, "what it says is no answer");
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct question *question = user;

    (void)connection;
    question->connection = NULL;
    finish(question, err == BW_OK ? BW_ERR_UNREACHABLE : err,
           err == BW_OK ? "it closed the connection" : diag->text);
}

enum bw_err bw_at_site_ask(const char *path, const json_t *request, json_t **out_answer,
                           struct bw_diag *diag)
{
    static const struct bw_unix_events events = {
        .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};
    struct question question = {.diag = diag, .text = json_dumps(request, JSON_COMPACT)};
    enum bw_err err;

    BW_ASSERT(question.text != NULL);
    BW_ASSERT(uv_loop_init(&question.loop) == 0); /* a command without descriptors can do nothing */
    BW_ASSERT(uv_timer_init(&question.loop, &question.timer) == 0);
    question.timer.data = &question;
    BW_ASSERT(uv_timer_start(&question.timer, on_late, BW_AT_SITE_WAIT_MS, 0) == 0);
    err = bw_unix_connect(&question.loop, path, &events, &question, &question.connection, diag);
    if (err != BW_OK)
        finish(&question, err, diag->text);
    (void)uv_run(&question.loop, UV_RUN_DEFAULT); /* until all is closed */
    BW_ASSERT(uv_loop_close(&question.loop) == 0);
    free(question.text);
    if (question.err == BW_OK)
        *out_answer = question.answer;
    else
        json_decref(question.answer);
    return question.err;
}
