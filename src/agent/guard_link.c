#include "program.h"

#include <breakwater/base/crash_point.h>
#include <breakwater/wire/guard_message.h>

/* Beyond so much that the guard has not read, arms wait. */
#define ARM_QUEUE_BYTES_MAX (64 * 1024)

/* ---- listening ------------------------------------------------------------------------------- */

static void happen(struct bw_agent *agent, enum bw_agent_event_kind kind, const char *text)
{
    bw_agent_happen(agent, &(struct bw_agent_event){.kind = kind, .text = text});
}

/* What comes from a connection that was given up is nobody's. */
static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct bw_agent *agent = user;

    if (connection == agent->guard)
        happen(agent, BW_AGENT_EVENT_GUARD_CONNECTED, NULL);
}

static void pass_crash_point(enum bw_guard_message_kind kind)
{
    if (kind == BW_GUARD_MESSAGE_ARMED)
        BW_CRASH_POINT(AGENT_ON_ARMED);
    if (kind == BW_GUARD_MESSAGE_RUN_ENDED)
        BW_CRASH_POINT(AGENT_ON_RUN_ENDED);
    if (kind == BW_GUARD_MESSAGE_EPOCH_ENDED)
        BW_CRASH_POINT(AGENT_ON_EPOCH_ENDED);
    if (kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        BW_CRASH_POINT(AGENT_ON_FENCE_BEGUN);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_agent *agent = user;
    struct bw_guard_message message;
    struct bw_diag diag = {0};

    if (connection != agent->guard)
        return;
    if (bw_guard_message_decode(data, size, &message, &diag) != BW_OK) {
        happen(agent, BW_AGENT_EVENT_GUARD_GARBLED, diag.text);
        return;
    }
    pass_crash_point(message.kind);
    bw_agent_happen(
        agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_MESSAGE, .message = &message});
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct bw_agent *agent = user;

    if (connection != agent->guard)
        return;
    agent->guard = NULL;
    happen(agent, BW_AGENT_EVENT_GUARD_CLOSED,
           err == BW_OK ? "it closed the connection" : diag->text);
}

static const struct bw_unix_events events = {
    .on_connected = on_connected, .on_message = on_message, .on_closed = on_closed};

/* ---- speaking -------------------------------------------------------------------------------- */

enum bw_err bw_guard_link_connect(struct bw_agent *agent, struct bw_diag *diag)
{
    return bw_unix_connect(&agent->loop, agent->config->guard_socket, &events, agent, &agent->guard,
                           diag);
}

static void send_now(struct bw_agent *agent, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;
    enum bw_err err = bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag);

    if (err == BW_OK)
        err = bw_unix_send(agent->guard, bytes, size, &diag);
    if (err == BW_OK)
        return;
    bw_log_error(&agent->log, "guard.unsent", "group=%s error=%s", message->group,
                 bw_log_quote(diag.text));
    bw_unix_close(agent->guard); /* on_closed follows: a guard that misses a word is lost */
}

enum bw_err bw_guard_link_send(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const bool is_arm = message->kind == BW_GUARD_MESSAGE_ARM;
    const bool is_run = message->kind == BW_GUARD_MESSAGE_RUN &&
                        (message->run.action == BW_ACTION_START ||
                         message->run.action == BW_ACTION_STOP);

    if (is_arm && bw_unix_queued_bytes(agent->guard) > ARM_QUEUE_BYTES_MAX)
        return BW_ERR_BUSY;
    if (is_arm)
        BW_CRASH_POINT(AGENT_BEFORE_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_BEFORE_RUN);
    if (message->kind == BW_GUARD_MESSAGE_END)
        BW_CRASH_POINT(AGENT_BEFORE_END);
    send_now(agent, message);
    if (is_arm)
        BW_CRASH_POINT(AGENT_AFTER_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_AFTER_RUN);
    return BW_OK;
}

void bw_guard_link_close(struct bw_agent *agent)
{
    struct bw_unix_connection *connection = agent->guard;

    agent->guard = NULL;
    if (connection != NULL)
        bw_unix_close(connection);
}
