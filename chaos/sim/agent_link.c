/* agent_link.c - the agent's connection to its guard, as in src/agent/guard_link.c. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/wire/guard_message.h>

#include "agent.h"
#include "check_site.h"

#define RETRY_NS_MIN (50 * SIM_MS)
#define RETRY_NS_MAX (1 * SIM_S)
#define STEADY_NS    (10 * SIM_S)
#define HELLO_NS_MAX (1 * SIM_S)

static struct sim_process *guard_of(const struct sim_agent *agent)
{
    const struct sim_process *process = agent->process;

    return sim_world_of(process)->guards[process->host->number];
}

/* ---- losing it ---------------------------------------------------------------------------------- */

static void lose(struct sim_agent *agent, const char *why)
{
    struct sim_agent_link *link = &agent->link;

    if (link->tag != 0 && guard_of(agent)->health != SIM_DEAD)
        sim_send(agent->process, guard_of(agent), SIM_CHANNEL_GUARD, link->tag, NULL, 0);
    if (link->state == SIM_LINK_OPEN &&
        bw_instant_elapsed_ns(sim_now(agent->process), link->opened) >= STEADY_NS)
        link->retry_ns = RETRY_NS_MIN;
    link->tag = 0;
    link->state = SIM_LINK_IDLE;
    link->timer = bw_instant_add(sim_now(agent->process), link->retry_ns);
    link->retry_ns = link->retry_ns * 2 < RETRY_NS_MAX ? link->retry_ns * 2 : RETRY_NS_MAX;
    if (link->is_told_lost)
        return;
    link->is_told_lost = true;
    sim_tell(sim_world_of(agent->process), agent->process->name, "has lost its guard: %s", why);
    for (uint32_t i = 0; i < agent->place_count; i++)
        (void)sim_agent_push_event(agent, &agent->places[i], BW_SITE_EVENT_GUARD_LOST);
}

/* ---- speaking ----------------------------------------------------------------------------------- */

void sim_link_send(struct sim_agent *agent, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (agent->link.tag == 0 || guard_of(agent)->health == SIM_DEAD)
        return; /* GUARD_LOST is on its way, and voids what was asked of it */
    if (bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot say %d: %s",
                 agent->process->name, (int)message->kind, diag.text);
        return;
    }
    sim_send(agent->process, guard_of(agent), SIM_CHANNEL_GUARD, agent->link.tag, bytes, size);
}

void sim_link_say_hello(struct sim_agent *agent)
{
    const struct bw_agent_state *state = &agent->state;
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO};

    message.hello.cluster_id = state->cluster_id;
    message.hello.generation = state->generation;
    memcpy(message.hello.site, state->site, sizeof message.hello.site);
    message.hello.instance = state->instance;
    message.hello.session = agent->session;
    message.hello.boot_id = agent->process->host->boot_id;
    message.hello.time_namespace = SIM_TIME_NAMESPACE;
    sim_link_send(agent, &message);
}

void sim_link_greet_again(struct sim_agent *agent)
{
    struct sim_agent_link *link = &agent->link;

    if (link->tag == 0)
        return; /* the next hello says it */
    link->state = SIM_LINK_GREETING;
    link->timer = bw_instant_add(sim_now(agent->process), HELLO_NS_MAX);
    (void)sim_agent_push(agent, SIM_AGENT_GREET);
}

/* ---- listening ---------------------------------------------------------------------------------- */

static void on_welcome(struct sim_agent *agent, const struct bw_guard_message *message)
{
    if (bw_id_equal(message->welcome.boot_id, agent->process->host->boot_id))
        agent->link.state = SIM_LINK_WELCOME;
    else
        lose(agent, "it does not have the same clocks");
}

static void on_welcome_done(struct sim_agent *agent)
{
    agent->link.state = SIM_LINK_OPEN;
    agent->link.opened = sim_now(agent->process);
    agent->link.timer = BW_INSTANT_NEVER;
}

static void for_the_machine(struct sim_agent *agent, const struct bw_guard_message *message)
{
    struct sim_agent_place *place = sim_agent_find(agent, message->group);

    if (place == NULL)
        return;
    if (message->kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        sim_check_told_fence(agent->process, place->group, message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_GROUP_STATE)
        sim_agent_push_event(agent, place, BW_SITE_EVENT_GUARD_STATE)->message = *message;
    else
        sim_agent_push_event(agent, place, BW_SITE_EVENT_GUARD_MESSAGE)->message = *message;
}

static void on_decoded(struct sim_agent *agent, const struct bw_guard_message *message)
{
    const enum sim_link_state state = agent->link.state;

    switch (message->kind) {
    case BW_GUARD_MESSAGE_WELCOME:
        if (state == SIM_LINK_GREETING)
            on_welcome(agent, message);
        return;
    case BW_GUARD_MESSAGE_GROUP_STATE:
        if (state == SIM_LINK_WELCOME) {
            agent->link.is_told_lost = false;
            for_the_machine(agent, message);
        }
        return;
    case BW_GUARD_MESSAGE_WELCOME_DONE:
        if (state == SIM_LINK_WELCOME)
            on_welcome_done(agent);
        return;
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        lose(agent, bw_refusal_word(message->refused.why));
        return;
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_RUN_BEGUN:
    case BW_GUARD_MESSAGE_RUN_ENDED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_END_REFUSED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        if (state == SIM_LINK_WELCOME || state == SIM_LINK_OPEN)
            for_the_machine(agent, message);
        return;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
        lose(agent, "it said what only an agent says");
        return;
    }
}

/* Tag 0: the guard has died, and every connection to it with it. */
void sim_link_on_message(struct sim_agent *agent, const struct sim_message *message)
{
    struct bw_guard_message content;
    struct bw_diag diag = {0};

    if (agent->link.tag == 0 || (message->tag != agent->link.tag && message->tag != 0))
        return;
    if (message->size == 0) {
        agent->link.tag = 0; /* closed already */
        lose(agent, "it has closed the connection");
        return;
    }
    if (bw_guard_message_decode(message->bytes, message->size, &content, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot read what its guard says: %s",
                 agent->process->name, diag.text);
        return;
    }
    sim_mix(sim_world_of(agent->process), (uint64_t)content.kind << 48 ^ content.epoch);
    on_decoded(agent, &content);
}

/* ---- connecting --------------------------------------------------------------------------------- */

static void connect_now(struct sim_agent *agent)
{
    struct sim_agent_link *link = &agent->link;

    if (guard_of(agent)->health == SIM_DEAD) {
        lose(agent, "nobody listens");
        return;
    }
    link->tag = sim_agent_tag(agent);
    link->state = SIM_LINK_GREETING;
    link->timer = bw_instant_add(sim_now(agent->process), HELLO_NS_MAX);
    sim_link_say_hello(agent);
}

void sim_link_open(struct sim_agent *agent)
{
    agent->link.retry_ns = RETRY_NS_MIN;
    connect_now(agent);
}

void sim_link_serve(struct sim_agent *agent)
{
    struct sim_agent_link *link = &agent->link;

    if (!bw_instant_wait_is_over(sim_now(agent->process), link->timer))
        return;
    if (link->state == SIM_LINK_IDLE)
        connect_now(agent);
    else if (link->state != SIM_LINK_OPEN)
        lose(agent, "no answer to hello within a second");
}
