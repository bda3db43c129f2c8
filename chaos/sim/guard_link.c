/* guard_link.c - the agents that connect to a guard, as in src/guard/agent_link.c. */
#include <string.h>

#include <breakwater/wire/guard_message.h>

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

void sim_guard_send(struct sim_guard *guard, const struct bw_guard_message *message)
{
    if (guard->agent != NULL)
        send_to(guard, guard->agent, guard->agent_tag, message);
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

/* ---- the end of a connection -------------------------------------------------------------------- */

static void forget_agent(struct sim_guard *guard)
{
    guard->agent = NULL;
    for (uint32_t i = 0; i < guard->place_count; i++)
        (void)sim_guard_push(guard, SIM_GUARD_AGENT_GONE, i);
}

void sim_guard_on_closed(struct sim_guard *guard, const struct sim_guard_task *task)
{
    if (guard->agent != task->from || guard->agent_tag != task->tag)
        return;
    sim_tell(sim_world_of(guard->process), guard->process->name, "its agent is gone");
    forget_agent(guard);
}

void sim_guard_greet_again(struct sim_guard *guard)
{
    if (guard->agent == NULL)
        return;
    drop(guard, guard->agent, guard->agent_tag);
    forget_agent(guard);
}

/* ---- hello -------------------------------------------------------------------------------------- */

static enum bw_refusal judge_hello(const struct sim_guard *guard,
                                   const struct bw_guard_hello *hello)
{
    const struct sim_host *host = guard->process->host;
    const bool is_pinned = !bw_id_is_none(guard->cluster_id);

    if (bw_id_is_none(hello->session) || bw_id_is_none(hello->instance) ||
        !bw_id_equal(hello->boot_id, host->boot_id) ||
        hello->time_namespace != SIM_TIME_NAMESPACE)
        return BW_REFUSAL_NO_HELLO;
    if (strcmp(hello->site, host->name) != 0)
        return BW_REFUSAL_WRONG_INSTANCE;
    if (bw_id_is_none(hello->cluster_id))
        return BW_REFUSAL_NONE; /* no witness has answered it yet: it has nothing to arm */
    if (is_pinned && !bw_id_equal(hello->cluster_id, guard->cluster_id))
        return BW_REFUSAL_WRONG_INSTANCE;
    if (is_pinned && hello->generation < guard->generation)
        return BW_REFUSAL_OLD_EPOCH;
    return BW_REFUSAL_NONE;
}

static void on_hello(struct sim_guard *guard, const struct sim_guard_task *task)
{
    const struct bw_guard_hello *hello = &task->message.hello;
    enum bw_refusal why = judge_hello(guard, hello);

    if (why == BW_REFUSAL_NONE && !bw_id_is_none(hello->cluster_id) &&
        !sim_guard_store_pin(guard, hello))
        why = BW_REFUSAL_NOT_DURABLE;
    if (sim_is_doomed(guard->process))
        return;
    if (why != BW_REFUSAL_NONE) {
        const struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                                 .refused.why = why};

        sim_count(sim_world_of(guard->process), "guard:hello_refused");
        send_to(guard, task->from, task->tag, &refused);
        drop(guard, task->from, task->tag);
        if (guard->agent == task->from && guard->agent_tag == task->tag)
            forget_agent(guard);
        return;
    }
    if (guard->agent != NULL && guard->agent_tag != task->tag)
        drop(guard, guard->agent, guard->agent_tag);
    forget_agent(guard);
    for (uint32_t i = 0; i < guard->place_count; i++)
        (void)sim_guard_push(guard, SIM_GUARD_PROVE, i);
    *sim_guard_push(guard, SIM_GUARD_WELCOME, 0) = (struct sim_guard_task){
        .kind = SIM_GUARD_WELCOME,
        .from = task->from,
        .tag = task->tag,
        .message = task->message};
}

/* The connection controls from here on. */
void sim_guard_welcome(struct sim_guard *guard, const struct sim_guard_task *task)
{
    const struct bw_guard_message welcome = {
        .kind = BW_GUARD_MESSAGE_WELCOME,
        .welcome = {.boot_id = guard->process->host->boot_id,
                    .time_namespace = SIM_TIME_NAMESPACE}};

    sim_check_greeted(sim_world_of(guard->process), guard->process->host->number);
    guard->agent = task->from;
    guard->agent_tag = task->tag;
    guard->hello = task->message.hello;
    sim_guard_send(guard, &welcome);
    for (uint32_t i = 0; i < guard->place_count; i++)
        (void)sim_guard_push(guard, SIM_GUARD_GREET, i);
    (void)sim_guard_push(guard, SIM_GUARD_WELCOME_DONE, 0);
}

/* ---- messages ----------------------------------------------------------------------------------- */

/* What no machine hears: before a hello, or on a connection that does not control. */
static void refuse(struct sim_guard *guard, const struct sim_guard_task *task)
{
    const struct bw_guard_message *message = &task->message;
    struct bw_guard_message answer = {.epoch = message->epoch};

    memcpy(answer.group, message->group, sizeof answer.group);
    if (message->kind == BW_GUARD_MESSAGE_ARM) {
        answer.kind = BW_GUARD_MESSAGE_ARM_REFUSED;
        answer.epoch = message->arm.epoch;
        answer.refused.number = message->arm.number;
        answer.refused.why = BW_REFUSAL_NO_HELLO;
    } else if (message->kind == BW_GUARD_MESSAGE_RUN) {
        answer.kind = BW_GUARD_MESSAGE_RUN_ENDED;
        answer.ended = (struct bw_guard_run_ended){.epoch = message->run.epoch,
                                                   .action = message->run.action,
                                                   .run_id = message->run.run_id,
                                                   .result = BW_RUN_REFUSED,
                                                   .refusal = BW_REFUSAL_NO_HELLO,
                                                   .exit_status = -1};
    } else if (message->kind == BW_GUARD_MESSAGE_END) {
        answer.kind = BW_GUARD_MESSAGE_END_REFUSED;
        answer.refused.why = BW_REFUSAL_NO_HELLO;
    } else {
        return; /* a let-go has no refusal: its agent asks again */
    }
    send_to(guard, task->from, task->tag, &answer);
}

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
    struct sim_guard_place *place;

    if (is_dropped(guard, task->tag))
        return;
    sim_mix(sim_world_of(guard->process), (uint64_t)message->kind << 48 ^ message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_HELLO) {
        on_hello(guard, task);
        return;
    }
    place = find_place(guard, message->group);
    if (guard->agent != task->from || guard->agent_tag != task->tag || place == NULL)
        refuse(guard, task);
    else
        sim_guard_step(guard, place, &event);
}
