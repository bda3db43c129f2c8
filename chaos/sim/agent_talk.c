/* agent_talk.c - an agent's connection to its guard and its exchanges with witnesses, over the
 * simulated network: what sockets, TLS and HTTP are in the product. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/second.h>
#include <breakwater/wire/sync.h>

#include "agent.h"
#include "check.h"
#include "check_second.h"

#define UNREAD_MAX 4 /* messages */

/* A number that no other life of any agent ever has. */
static uint64_t new_tag(struct sim_agent *agent)
{
    return (uint64_t)(agent->process->index + 1) << 56 | (uint64_t)agent->process->life << 32 |
           ++agent->tags;
}

/* ---- the guard ------------------------------------------------------------------------------- */

static struct sim_process *guard_of(const struct sim_agent *agent)
{
    const struct sim_process *process = agent->process;

    return sim_world_of(process)->guards[process->host->number];
}

enum bw_err sim_agent_connect(struct sim_agent *agent, struct bw_diag *diag)
{
    if (!sim_guard_listens(guard_of(agent)))
        return bw_diag_set(diag, BW_ERR_UNREACHABLE, "nobody listens");
    agent->link_tag = new_tag(agent);
    agent->is_connected = true;
    return BW_OK;
}

void sim_agent_disconnect(struct sim_agent *agent)
{
    if (agent->link_tag != 0 && guard_of(agent)->health != SIM_DEAD)
        sim_send(agent->process, guard_of(agent), SIM_CHANNEL_GUARD, agent->link_tag, NULL, 0);
    agent->link_tag = 0;
    agent->is_connected = false;
}

static const char *crash_point_of(const struct bw_guard_message *message)
{
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        return "crash:agent-arm";
    case BW_GUARD_MESSAGE_RUN:
        return "crash:agent-run";
    case BW_GUARD_MESSAGE_END:
        return "crash:agent-end";
    default: /* nothing rests on the others */
        return NULL;
    }
}

/* A guard that stands still does not read: its socket is full much sooner than in the product, so
 * that this is met. */
static bool is_full(const struct sim_agent *agent)
{
    const struct sim_process *guard = guard_of(agent);

    return guard->health == SIM_FROZEN && guard->held_count >= UNREAD_MAX;
}

enum bw_err sim_agent_tell_guard(struct sim_agent *agent, const struct bw_guard_message *message)
{
    const char *where = crash_point_of(message);
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (message->kind == BW_GUARD_MESSAGE_ARM && is_full(agent)) {
        sim_count(sim_world_of(agent->process), "agent:arm_held_back");
        return BW_ERR_BUSY;
    }
    if (where != NULL && sim_crash_point(agent->process, where))
        return BW_OK;
    if (bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot say %d: %s",
                 agent->process->name, (int)message->kind, diag.text);
        return BW_OK;
    }
    sim_send(agent->process, guard_of(agent), SIM_CHANNEL_GUARD, agent->link_tag, bytes, size);
    return BW_OK;
}

/* Tag 0: the guard has died, and every connection to it with it. */
static void on_guard(struct sim_agent *agent, const struct sim_message *message)
{
    struct bw_guard_message content;
    struct bw_agent_event event = {.kind = BW_AGENT_EVENT_GUARD_MESSAGE, .message = &content};
    struct bw_diag diag = {0};

    if (agent->link_tag == 0 || (message->tag != agent->link_tag && message->tag != 0))
        return;
    if (message->size == 0) {
        agent->link_tag = 0;
        agent->is_connected = false;
        event.kind = BW_AGENT_EVENT_GUARD_CLOSED;
        event.text = "it has closed the connection";
    } else if (bw_guard_message_decode(message->bytes, message->size, &content, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot read what its guard says: %s",
                 agent->process->name, diag.text);
        return;
    } else {
        sim_mix(sim_world_of(agent->process), (uint64_t)content.kind << 48 ^ content.epoch);
    }
    sim_agent_happen(agent, &event);
}

/* ---- witnesses: what goes out ---------------------------------------------------------------- */

/* "w1:7400", as witnesses tell it. */
enum bw_err sim_agent_use_witness(struct sim_agent *agent, uint32_t witness, const char *address)
{
    BW_ASSERT(address[0] == 'w' && address[1] > '0' && address[1] <= '0' + SIM_WITNESSES_MAX);
    agent->callers[witness] = (struct sim_agent_caller){
        .process = sim_world_of(agent->process)->witnesses[address[1] - '1'],
        .poll_limit = BW_INSTANT_NEVER,
    };
    return BW_OK;
}

enum bw_err sim_agent_make_sync(struct sim_agent *agent, const struct bw_sync *sync)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_sync_encode(sync, agent->sync, sizeof agent->sync, &agent->sync_size,
                                           &diag);

    if (err != BW_OK)
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot say its sync: %s",
                 agent->process->name, diag.text);
    sim_check_sync_leaves(agent->process, sync);
    return err;
}

#define REFUSED_NS SIM_MS /* a handshake */

/* Where there is no connection, one is made; but none with a certificate that is over. */
static bool is_refused(const struct sim_agent *agent, const struct sim_agent_caller *caller)
{
    if (!agent->machine->is_certificate_over || caller->connected_life == caller->process->life)
        return false;
    sim_count(sim_world_of(agent->process), "agent:certificate_refused");
    return true;
}

void sim_agent_send_sync(struct sim_agent *agent, uint32_t witness, uint32_t limit_ms)
{
    struct sim_agent_caller *caller = &agent->callers[witness];
    int slot = 0;

    if (sim_crash_point(agent->process, "crash:agent-sync"))
        return;
    while (slot < BW_AGENT_SYNCS_MAX && caller->syncs[slot].tag != 0)
        slot++;
    BW_ASSERT(slot < BW_AGENT_SYNCS_MAX);
    caller->syncs[slot].tag = new_tag(agent);
    caller->syncs[slot].limit = bw_instant_add(sim_now(agent->process), limit_ms * SIM_MS);
    if (is_refused(agent, caller))
        caller->syncs[slot].limit = bw_instant_add(sim_now(agent->process), REFUSED_NS);
    else
        sim_send(agent->process, caller->process, SIM_CHANNEL_SYNC, caller->syncs[slot].tag,
                 agent->sync, agent->sync_size);
}

void sim_agent_poll(struct sim_agent *agent, uint32_t witness, uint64_t after, uint32_t limit_ms)
{
    struct sim_agent_caller *caller = &agent->callers[witness];
    const uint32_t wait_ms = BW_AGENT_POLL_WAIT_S * 1000;
    uint8_t bytes[sizeof after + sizeof wait_ms];

    memcpy(bytes, &after, sizeof after);
    memcpy(bytes + sizeof after, &wait_ms, sizeof wait_ms);
    caller->poll_tag = new_tag(agent);
    caller->poll_life = caller->process->life;
    caller->poll_limit = bw_instant_add(sim_now(agent->process), limit_ms * SIM_MS);
    if (is_refused(agent, caller))
        caller->poll_limit = bw_instant_add(sim_now(agent->process), REFUSED_NS);
    else
        sim_send(agent->process, caller->process, SIM_CHANNEL_POLL, caller->poll_tag, bytes,
                 sizeof bytes);
}

/* ---- witnesses: what comes back -------------------------------------------------------------- */

static void unanswered(struct sim_agent *agent, uint32_t witness, enum bw_agent_exchange exchange,
                       const char *text)
{
    sim_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_UNANSWERED,
                                                     .witness = witness,
                                                     .exchange = exchange,
                                                     .text = text});
}

/* An answer that nobody waits for any more is as good as none. */
static bool is_awaited(struct sim_agent_caller *caller, bool is_poll, uint64_t tag)
{
    if (is_poll) {
        if (caller->poll_tag != tag)
            return false;
        caller->poll_tag = 0;
        return true;
    }
    for (int slot = 0; slot < BW_AGENT_SYNCS_MAX; slot++) {
        if (caller->syncs[slot].tag != tag)
            continue;
        caller->syncs[slot].tag = 0;
        return true;
    }
    return false;
}

static void answered(struct sim_agent *agent, uint32_t witness, enum bw_agent_exchange exchange,
                     const struct sim_message *message)
{
    struct bw_sync_answer answer = {.group_count = 0};
    struct bw_diag diag = {0};

    agent->callers[witness].connected_life = message->from_life;
    if (message->size == 0) {
        unanswered(agent, witness, exchange, "it answered with an error");
        return;
    }
    if (bw_sync_answer_decode(message->bytes, message->size, &answer, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot read an answer of %s: %s",
                 agent->process->name, message->from->name, diag.text);
        return;
    }
    sim_check_answered(agent->process, &answer);
    sim_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_ANSWERED,
                                                     .witness = witness,
                                                     .exchange = exchange,
                                                     .answer = &answer});
    bw_sync_answer_deinit(&answer);
}

/* ---- its second enforcer --------------------------------------------------------------------- */

static void answer_second(struct sim_agent *agent, const struct sim_message *message,
                          const struct bw_second_ask *ask)
{
    static uint8_t bytes[BW_SECOND_BYTES_MAX];
    struct bw_second_answer_group groups[SIM_GROUPS_MAX];
    struct bw_second_answer answer = {.groups = groups};
    struct bw_diag diag = {0};
    size_t size;

    bw_agent_machine_answer_second(&agent->program, ask, &answer);
    if (bw_second_answer_encode(&answer, bytes, sizeof bytes, &size, &diag) == BW_OK)
        sim_send(agent->process, message->from, SIM_CHANNEL_SECOND_ANSWER, message->tag, bytes,
                 size);
    else
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot answer %s: %s",
                 agent->process->name, message->from->name, diag.text);
}

static void on_second(struct sim_agent *agent, const struct sim_message *message)
{
    struct bw_second_ask ask = {0};
    struct bw_diag diag = {0};

    if (agent->process->level < BW_SECOND_LEVEL)
        return; /* it has no such route */
    if (bw_second_ask_decode(message->bytes, message->size, &ask, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot read what %s asks: %s",
                 agent->process->name, message->from->name, diag.text);
        return;
    }
    sim_check_second_asks(agent->process, &ask, message->tag);
    sim_agent_happen(agent,
                     &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SECOND, .second = &ask});
    if (!sim_is_doomed(agent->process))
        answer_second(agent, message, &ask);
    bw_second_ask_deinit(&ask);
}

void sim_agent_on_message(struct sim_agent *agent, const struct sim_message *message)
{
    const bool is_poll = message->channel == SIM_CHANNEL_POLL_ANSWER;

    if (message->channel == SIM_CHANNEL_SECOND) {
        on_second(agent, message);
        return;
    }
    if (message->channel == SIM_CHANNEL_GUARD) {
        on_guard(agent, message);
        return;
    }
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (agent->callers[i].process == message->from &&
            is_awaited(&agent->callers[i], is_poll, message->tag)) {
            answered(agent, i, is_poll ? BW_AGENT_POLL : BW_AGENT_SYNC, message);
            return;
        }
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A connection to a witness that has died breaks. */
static bool is_poll_over(const struct sim_agent_caller *caller, struct bw_instant now)
{
    return caller->process->health == SIM_DEAD || caller->process->life != caller->poll_life ||
           bw_instant_right_is_over(now, caller->poll_limit);
}

void sim_agent_serve_limits(struct sim_agent *agent)
{
    const struct bw_instant now = sim_now(agent->process);

    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct sim_agent_caller *caller = &agent->callers[i];

        for (int slot = 0; slot < BW_AGENT_SYNCS_MAX; slot++)
            if (caller->syncs[slot].tag != 0 &&
                bw_instant_right_is_over(now, caller->syncs[slot].limit)) {
                caller->syncs[slot].tag = 0;
                caller->connected_life = 0;
                unanswered(agent, i, BW_AGENT_SYNC, "it took too long");
            }
        if (caller->poll_tag != 0 && is_poll_over(caller, now)) {
            caller->poll_tag = 0;
            unanswered(agent, i, BW_AGENT_POLL, "the connection broke");
        }
    }
}

static void on_rotated(struct sim_process *process, void *payload)
{
    struct sim_agent *agent = process->state;

    (void)payload;
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct sim_agent_caller *caller = &agent->callers[i];

        caller->connected_life = 0;
        for (int slot = 0; slot < BW_AGENT_SYNCS_MAX; slot++)
            caller->syncs[slot].limit = sim_now(process);
        caller->poll_limit = sim_now(process);
    }
    sim_agent_serve_limits(agent);
    sim_agent_finish(agent);
}

void sim_agent_rotate(struct sim_process *process)
{
    if (process->health != SIM_DEAD)
        sim_later(process, 0, on_rotated, NULL, NULL);
}

struct bw_instant sim_agent_limit(const struct sim_agent *agent)
{
    struct bw_instant at = BW_INSTANT_NEVER;

    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        const struct sim_agent_caller *caller = &agent->callers[i];

        for (int slot = 0; slot < BW_AGENT_SYNCS_MAX; slot++)
            if (caller->syncs[slot].tag != 0)
                at = bw_instant_min(at, caller->syncs[slot].limit);
        if (caller->poll_tag != 0)
            at = bw_instant_min(at, caller->poll_limit);
    }
    return at;
}
