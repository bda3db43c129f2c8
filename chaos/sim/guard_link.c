/* guard_link.c - the connections of agents to a guard; machine/guard_session.h decides what becomes of them. */
#include <string.h>

#include <breakwater/wire/guard_message.h>

#include "check.h"
#include "check_scripts.h"
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
    if (guard->session.agent != 0)
        send_to(guard, process_of(guard, guard->session.agent), guard->session.agent, message);
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
    if (guard->session.agent == tag)
        sim_tell(sim_world_of(guard->process), guard->process->name, "its agent is gone");
    bw_guard_session_on_closed(&guard->session, tag);
}

static void close_connection(struct sim_guard *guard, uint64_t tag)
{
    drop(guard, process_of(guard, tag), tag);
    sim_guard_on_closed(guard, tag);
}

void sim_guard_greet_again(struct sim_guard *guard)
{
    if (guard->session.agent != 0)
        close_connection(guard, guard->session.agent);
}

static void say_welcome(struct sim_guard *guard)
{
    const struct bw_guard_message welcome = {
        .kind = BW_GUARD_MESSAGE_WELCOME,
        .welcome = {.boot_id = guard->process->host->boot_id,
                    .time_namespace = SIM_TIME_NAMESPACE}};

    sim_check_greeted(sim_world_of(guard->process), guard->process->host->number);
    sim_check_guard_welcomes(guard->process, &guard->session.hello);
    sim_guard_send(guard, &welcome);
}

void sim_guard_refuse_hello(struct sim_guard *guard, const struct bw_session_refusal *refusal)
{
    const struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                             .refused.why = refusal->why};

    sim_count(sim_world_of(guard->process), "guard:hello_refused");
    send_to(guard, process_of(guard, refusal->connection), refusal->connection, &refused);
    close_connection(guard, refusal->connection);
}

static void carry_out(struct sim_guard *guard, const struct bw_session_action *action)
{
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_WELCOME_DONE};

    switch (action->kind) {
    case BW_SESSION_PIN:
        sim_guard_pin(guard);
        break;
    case BW_SESSION_CLOSE:
        close_connection(guard, action->connection);
        break;
    case BW_SESSION_GONE:
        for (uint32_t i = 0; i < guard->place_count; i++)
            (void)sim_guard_push(guard, SIM_GUARD_AGENT_GONE, i);
        break;
    case BW_SESSION_PROVE:
        for (uint32_t i = 0; i < guard->place_count; i++)
            (void)sim_guard_push(guard, SIM_GUARD_PROVE, i);
        break;
    case BW_SESSION_WELCOME:
        say_welcome(guard);
        break;
    case BW_SESSION_GREET:
        (void)sim_guard_push(guard, SIM_GUARD_GREET, action->group);
        break;
    case BW_SESSION_DONE:
        sim_guard_send(guard, &done);
        break;
    }
}

void sim_guard_session_go_on(struct sim_guard *guard)
{
    struct bw_session_action action;

    while (guard->task_count == 0 && !sim_is_doomed(guard->process) &&
           bw_guard_session_next(&guard->session, guard->place_count, true, &action))
        carry_out(guard, &action);
}

/* ---- messages ----------------------------------------------------------------------------------- */

static struct sim_guard_place *find_place(struct sim_guard *guard, const char *group)
{
    for (uint32_t i = 0; i < guard->place_count; i++)
        if (strcmp(guard->places[i].machine.group, group) == 0)
            return &guard->places[i];
    return NULL;
}

void sim_guard_on_letter(struct sim_guard *guard, const struct sim_guard_task *task)
{
    const struct bw_guard_message *message = &task->message;
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = message};
    struct bw_session_refusal unwelcome;
    struct bw_guard_message refusal;
    struct sim_guard_place *place;

    if (is_dropped(guard, task->tag))
        return;
    sim_mix(sim_world_of(guard->process), (uint64_t)message->kind << 48 ^ message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_HELLO) {
        if (!bw_guard_session_on_hello(&guard->session, task->tag, &message->hello, &unwelcome))
            sim_guard_refuse_hello(guard, &unwelcome);
        return;
    }
    place = find_place(guard, message->group);
    if (guard->session.agent == task->tag && place != NULL)
        sim_guard_step(guard, place, &event);
    else if (bw_guard_refuse(message, BW_REFUSAL_NO_HELLO, &refusal)) /* it knows all groups here */
        send_to(guard, task->from, task->tag, &refusal);
}
