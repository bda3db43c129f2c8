/* witness_agents.c - src/witness/api_agent.c in the simulator: messages become calls of the machine, and its
 * answers messages. Design 3.2, 5.3. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/wire/sync.h>

#include "check.h"
#include "witness_program.h"

#define POLL_BYTES 12

/* ---- who waits ---- */

static struct sim_call *call_of(struct bw_witness_call *call)
{
    return (struct sim_call *)call;
}

/* It speaks for what its certificate names: the site of its machine. */
static struct sim_call *begin(struct sim_witness *witness, const struct sim_message *message,
                              enum sim_channel channel)
{
    struct sim_call *call = calloc(1, sizeof *call);

    BW_ASSERT(call != NULL);
    *call = (struct sim_call){.call = {.received = sim_now(witness->process)},
                              .next = witness->calls,
                              .previous = &witness->calls,
                              .to = message->from,
                              .to_life = message->from_life,
                              .channel = channel,
                              .tag = message->tag,
                              .message = message};
    memcpy(call->call.site, message->from->host->name, sizeof call->call.site);
    if (call->next != NULL)
        call->next->previous = &call->next;
    witness->calls = call;
    return call;
}

static void end(struct sim_call *call)
{
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    bw_sync_deinit(&call->sync);
    free(call);
}

static void send(struct sim_witness *witness, struct sim_call *call, const uint8_t *bytes,
                 size_t size)
{
    if (!sim_is_doomed(witness->process))
        sim_send(witness->process, call->to, call->channel, call->tag, bytes, size);
    end(call);
}

/* The connection of one that has died since is gone, and so is what it asked for. */
static bool is_gone(const struct sim_call *call)
{
    return call->to->health == SIM_DEAD || call->to->life != call->to_life;
}

void sim_agents_forget_gone(struct sim_witness *witness)
{
    struct sim_call *next;

    for (struct sim_call *call = witness->calls; call != NULL; call = next) {
        next = call->next;
        if (!is_gone(call))
            continue;
        bw_witness_machine_step(
            &witness->machine,
            &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_GONE, .call = &call->call});
        end(call);
    }
}

void sim_agents_free(struct sim_witness *witness)
{
    while (witness->calls != NULL)
        end(witness->calls);
}

/* ---- what the machine asks for ---- */

void sim_agents_answer(struct sim_witness *witness, struct bw_witness_call *call,
                       const struct bw_sync_answer *answer)
{
    struct bw_diag diag = {0};
    size_t size = 0;

    if (sim_is_doomed(witness->process)) {
        end(call_of(call));
        return;
    }
    if (bw_sync_answer_encode(answer, witness->bytes, sizeof witness->bytes, &size, &diag) != BW_OK)
        sim_fail(sim_witness_world(witness), "witness", "%s cannot encode an answer: %s",
                 witness->process->name, diag.text);
    else if (!sim_crash_point(witness->process, "crash:answer")) {
        send(witness, call_of(call), witness->bytes, size);
        return;
    }
    end(call_of(call));
}

void sim_agents_refuse(struct sim_witness *witness, struct bw_witness_call *call)
{
    send(witness, call_of(call), NULL, 0);
}

void sim_agents_pass_on(struct sim_witness *witness, struct bw_witness_call *call)
{
    const struct sim_message *message = call_of(call)->message;

    sim_count(sim_witness_world(witness), "relay:answered");
    send(witness, call_of(call), message->bytes, message->size);
}

void sim_agents_relay(struct sim_witness *witness, struct bw_witness_call *call,
                      const struct bw_member *leader)
{
    struct sim_world *world = sim_witness_world(witness);
    struct sim_process *peer = sim_witness_of_id(world, leader->id);
    const struct sim_message *message = call_of(call)->message;
    struct bw_relay envelope = {.sync = (uint8_t *)(uintptr_t)message->bytes, /* only read */
                                .sync_size = message->size};
    struct bw_diag diag = {0};
    size_t size = 0;

    if (sim_is_doomed(witness->process))
        return;
    call_of(call)->relay_number = ++witness->relay_number;
    memcpy(envelope.site, call->site, sizeof envelope.site);
    memcpy(envelope.agent, call->agent, sizeof envelope.agent);
    BW_ASSERT(bw_relay_encode(&envelope, witness->bytes, sizeof witness->bytes, &size, &diag) ==
              BW_OK);
    sim_count(world, "relay:sent");
    if (peer != NULL)
        sim_send(witness->process, peer, SIM_CHANNEL_RELAY, witness->relay_number, witness->bytes,
                 size);
}

/* ---- what comes in ---- */

/* The machine has it from here: it may be answered, and gone, at once. What it came with is read for no
 * longer. */
static void hand_over(struct sim_witness *witness, struct sim_call *call,
                      enum bw_witness_event_kind kind)
{
    sim_witness_happen(witness,
                       &(struct bw_witness_event){.kind = kind, .call = &call->call});
    for (struct sim_call *waiting = witness->calls; waiting != NULL; waiting = waiting->next)
        waiting->message = NULL;
}

static void on_sync(struct sim_witness *witness, const struct sim_message *message)
{
    struct sim_call *call = begin(witness, message, SIM_CHANNEL_SYNC_ANSWER);
    struct bw_diag diag = {0};

    if (bw_sync_decode(message->bytes, message->size, &call->sync, &diag) != BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "a sync of %s cannot be read: %s",
                 message->from->name, diag.text);
        end(call);
        return;
    }
    call->call.sync = &call->sync;
    memcpy(call->call.agent, call->sync.agent, sizeof call->call.agent);
    hand_over(witness, call, BW_WITNESS_EVENT_SYNC);
}

static void on_relay(struct sim_witness *witness, const struct sim_message *message)
{
    struct sim_call *call = begin(witness, message, SIM_CHANNEL_RELAY_ANSWER);
    struct bw_diag diag = {0};
    struct bw_relay relayed;
    enum bw_err err = bw_relay_decode(message->bytes, message->size, &relayed, &diag);

    if (err == BW_OK) {
        memcpy(call->call.relayer, message->from->host->name, sizeof call->call.relayer);
        memcpy(call->call.site, relayed.site, sizeof call->call.site);
        memcpy(call->call.agent, relayed.agent, sizeof call->call.agent);
        err = bw_sync_decode(relayed.sync, relayed.sync_size, &call->sync, &diag);
        bw_relay_deinit(&relayed);
    }
    if (err != BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "a relay of %s cannot be read: %s",
                 message->from->name, diag.text);
        end(call);
        return;
    }
    call->call.sync = &call->sync;
    hand_over(witness, call, BW_WITNESS_EVENT_SYNC);
}

static void on_relayed(struct sim_witness *witness, const struct sim_message *message)
{
    for (struct sim_call *call = witness->calls; call != NULL; call = call->next) {
        if (call->relay_number == 0 || call->relay_number != message->tag)
            continue;
        call->message = message;
        sim_witness_happen(witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_RELAYED,
                                                               .call = &call->call,
                                                               .ok = message->size > 0});
        return;
    } /* else it has been answered, or comes twice */
}

static void on_poll(struct sim_witness *witness, const struct sim_message *message)
{
    struct sim_call *call = begin(witness, message, SIM_CHANNEL_POLL_ANSWER);

    BW_ASSERT(message->size == POLL_BYTES);
    memcpy(&call->call.after, message->bytes, sizeof call->call.after);
    memcpy(&call->call.wait_ms, message->bytes + sizeof call->call.after,
           sizeof call->call.wait_ms);
    hand_over(witness, call, BW_WITNESS_EVENT_POLL);
}

void sim_agents_on_message(struct sim_witness *witness, const struct sim_message *message)
{
    switch (message->channel) {
    case SIM_CHANNEL_SYNC:
        on_sync(witness, message);
        break;
    case SIM_CHANNEL_RELAY:
        on_relay(witness, message);
        break;
    case SIM_CHANNEL_RELAY_ANSWER:
        on_relayed(witness, message);
        break;
    case SIM_CHANNEL_POLL:
        on_poll(witness, message);
        break;
    case SIM_CHANNEL_JOIN:
    case SIM_CHANNEL_JOIN_ANSWER:
        sim_members_on_message(witness, message);
        break;
    case SIM_CHANNEL_SYNC_ANSWER:
    case SIM_CHANNEL_POLL_ANSWER:
    case SIM_CHANNEL_GUARD:
    case SIM_CHANNEL_SECOND:
    case SIM_CHANNEL_SECOND_ANSWER:
        BW_ASSERT(false); /* not for a witness */
    }
}
