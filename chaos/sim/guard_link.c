/* guard_link.c - the connections of agents to a guard; machine/guard_session.h decides what becomes of them. */
#include <string.h>

#include <breakwater/wire/guard_message.h>

#include "check.h"
#include "check_site.h"
#include "guard.h"

/* ---- speaking ----------------------------------------------------------------------------------- */

static void send_to(struct sim_guard *guard, struct sim_process *to, uint64_t tag,
                    const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (to->health == SIM_DEAD)
        return; /* its end of the connection is closed; we shall be told */
    if (bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        sim_fail(sim_world_of(guard->process), "codec", "%s cannot say %d: %s",
                 guard->process->name, (int)message->kind, diag.text);
        return;
    }
    sim_send(guard->process, to, SIM_CHANNEL_GUARD, tag, bytes, size);
}

/* An agent's tag names its process. */
static struct sim_process *process_of(const struct sim_guard *guard, uint64_t tag)
{
    return sim_world_of(guard->process)->processes[(tag >> 56) - 1];
}

void sim_guard_send(struct sim_guard *guard, const struct bw_guard_message *message)
{
    if (guard->daemon.session.agent != 0)
        send_to(guard, process_of(guard, guard->daemon.session.agent), guard->daemon.session.agent, message);
}

/* What comes from a connection that we have closed is not read. */
static void drop(struct sim_guard *guard, struct sim_process *peer, uint64_t tag)
{
    guard->closed[guard->closed_count++ % SIM_GUARD_CLOSED_MAX] = tag;
    if (peer->health != SIM_DEAD)
        sim_send(guard->process, peer, SIM_CHANNEL_GUARD, tag, NULL, 0);
}

static bool is_dropped(const struct sim_guard *guard, uint64_t tag)
{
    for (uint32_t i = 0; i < SIM_GUARD_CLOSED_MAX; i++)
        if (guard->closed[i] == tag)
            return true;
    return false;
}

/* ---- what machine/guard_session.h has to be done --------------------------------------------------- */

void sim_guard_on_closed(struct sim_guard *guard, uint64_t tag)
{
    if (guard->daemon.session.agent == tag)
        sim_tell(sim_world_of(guard->process), guard->process->name, "its agent is gone");
    bw_guard_machine_on_closed(&guard->daemon, tag);
}

void sim_guard_close(struct sim_guard *guard, uint64_t tag)
{
    drop(guard, process_of(guard, tag), tag);
    sim_guard_on_closed(guard, tag);
}

static void say_welcome(struct sim_guard *guard)
{
    const struct bw_guard_message welcome = {
        .kind = BW_GUARD_MESSAGE_WELCOME,
        .welcome = {.boot_id = guard->process->host->boot_id,
                    .time_namespace = SIM_TIME_NAMESPACE,
                    .feature_level = guard->process->level}};

    sim_check_greeted(sim_world_of(guard->process), guard->process->host->number);
    sim_check_guard_welcomes(guard->process, &guard->daemon.session.hello);
    sim_guard_send(guard, &welcome);
}

void sim_guard_refuse_hello(struct sim_guard *guard, const struct bw_session_refusal *refusal)
{
    const struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                             .refused.why = refusal->why};

    sim_count(sim_world_of(guard->process), "guard:hello_refused");
    send_to(guard, process_of(guard, refusal->connection), refusal->connection, &refused);
    sim_guard_close(guard, refusal->connection);
}

void sim_guard_session_do(struct sim_guard *guard, const struct bw_session_action *action)
{
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_WELCOME_DONE};

    if (action->kind == BW_SESSION_PIN)
        sim_guard_pin(guard);
    else if (action->kind == BW_SESSION_CLOSE)
        sim_guard_close(guard, action->connection);
    else if (action->kind == BW_SESSION_WELCOME)
        say_welcome(guard);
    else if (action->kind == BW_SESSION_DONE) {
        sim_guard_send(guard, &done);
        sim_guard_say_waits(guard);
    }
}

/* ---- messages ----------------------------------------------------------------------------------- */

void sim_guard_refuse(struct sim_guard *guard, const struct bw_guard_machine_action *action)
{
    if (action->refusal != NULL)
        send_to(guard, process_of(guard, action->connection), action->connection, action->refusal);
}

void sim_guard_on_letter(struct sim_guard *guard, uint64_t tag,
                         const struct bw_guard_message *message)
{
    if (is_dropped(guard, tag))
        return;
    sim_mix(sim_world_of(guard->process), (uint64_t)message->kind << 48 ^ message->epoch);
    bw_guard_machine_on_message(&guard->daemon, tag, message);
}
