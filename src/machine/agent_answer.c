/* What a witness answers: whether it is of our cluster, and what is believed of it (3.2, 3.9). */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/counters.h>

/* ---- is it of our cluster? (3.9) ------------------------------------------------------------- */

static bool refuse(struct bw_agent_machine *machine, uint32_t number,
                   const struct bw_sync_answer *answer, const char *why)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];
    const bool is_noted = witness->refusal != NULL && strcmp(witness->refusal, why) == 0;

    witness->refusal = why;
    witness->refused_cluster_id = answer->cluster_id;
    witness->refused_generation = answer->generation;
    if (!is_noted)
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                         .note = BW_AGENT_NOTE_WITNESS_REFUSED,
                                                         .witness = number,
                                                         .answer = answer,
                                                         .text = why});
    return false;
}

/* What is taken is on disk for good, and no answer of a lower generation is heard again. A follower waits for its
 * leader, as we do. */
static bool take_generation(struct bw_agent_machine *machine, uint32_t witness, const struct bw_sync_answer *answer)
{
    if (!bw_generation_may_follow(machine->setup.state->generation, answer->generation))
        return refuse(machine, witness, answer, "a generation too far above ours: it was made up");
    if (answer->is_leader)
        bw_agent_saves_cluster(machine, answer->cluster_id, answer->generation);
    return false;
}

static bool is_of_our_cluster(struct bw_agent_machine *machine, uint32_t witness,
                              const struct bw_sync_answer *answer)
{
    const struct bw_agent_state *state = machine->setup.state;

    if (bw_id_is_none(answer->cluster_id))
        return refuse(machine, witness, answer, "it names no cluster");
    /* Only a leader speaks for a cluster not known yet, or for a newer beginning of it. Durable before anything of
     * an answer counts. */
    if (bw_id_is_none(state->cluster_id))
        return take_generation(machine, witness, answer);
    if (!bw_id_equal(answer->cluster_id, state->cluster_id))
        return refuse(machine, witness, answer, "another cluster");
    if (answer->generation < state->generation)
        return refuse(machine, witness, answer, "a generation that was recovered from since");
    if (answer->generation > state->generation)
        return take_generation(machine, witness, answer);
    return true;
}

/* One whose key is in wrong hands may say anything, leader or not: what cannot be true is no part of what it says. */
static bool is_believed(struct bw_agent_machine *machine, uint32_t witness, const struct bw_sync_answer *answer)
{
    const char *why;

    if (!is_of_our_cluster(machine, witness, answer))
        return false;
    why = bw_sync_answer_made_up(answer);
    if (why != NULL)
        return refuse(machine, witness, answer, why);
    machine->witnesses[witness].refusal = NULL;
    return true;
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void take_group(struct bw_agent_machine *machine, const struct bw_sync_answer_group *sent,
                       const struct bw_site_event *confirmed)
{
    const int group = bw_agent_find_group(machine, sent->name);
    const struct bw_site_event order = {.kind = BW_SITE_EVENT_ORDER, .order = &sent->order};
    const struct bw_site_event other = {.kind = BW_SITE_EVENT_OTHER_SERVES,
                                        .epoch = sent->other_serves_epoch};
    const struct bw_site_event asked = {.kind = BW_SITE_EVENT_REMOTE_FENCE,
                                        .ask = &sent->remote_fence};
    struct bw_site_event event = *confirmed;

    if (group < 0)
        return; /* a group of this site that is not in the site file: `check` tells */
    machine->groups[group].site.keeps_told = machine->feature_level >= BW_AHEAD_LEVEL;
    bw_agent_step_group(machine, (uint32_t)group, &order);
    event.epoch = sent->confirmed_epoch;
    if (event.number != 0 && event.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &event);
    if (other.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &other);
    if (event.number != 0 && sent->remote_fence.epoch != 0)
        bw_agent_step_group(machine, (uint32_t)group, &asked);
}

/* That it is heard (4), and what it measures our clocks by (3.8). */
static void note_exchange(struct bw_agent_machine *machine, const struct bw_sync_answer *answer,
                          struct bw_instant sent, struct bw_instant received)
{
    struct bw_exchange exchange = {
        .number = answer->number, .sent = sent, .answered = received, .receipt = answer->receipt};

    memcpy(exchange.witness, answer->witness, sizeof exchange.witness);
    bw_exchanges_note(&machine->exchanges, &exchange);
}

/* 5.3: not one that another has passed on. Polls never are, nor syncs that do not want it: their answers name who is
 * at this address. Where that is not known yet it counts as direct: the next sync, which nobody passes on, tells. */
static bool answers_itself(struct bw_agent_machine *machine, uint32_t number,
                           enum bw_agent_exchange exchange, const struct bw_sync_answer *answer)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];

    if (exchange == BW_AGENT_POLL || answer->number == machine->unrelayed)
        memcpy(witness->name, answer->witness, sizeof witness->name);
    return witness->name[0] == '\0' || strcmp(witness->name, answer->witness) == 0;
}

/* 3.2.3: the instant of a confirmed renewal is the one we noted when we sent it. */
bool bw_agent_take_answer(struct bw_agent_machine *machine, uint32_t witness,
                          enum bw_agent_exchange exchange, const struct bw_sync_answer *answer)
{
    const bool is_sync = exchange == BW_AGENT_SYNC;
    const struct bw_instant received = bw_agent_now(machine);
    struct bw_site_event confirmed = {.kind = BW_SITE_EVENT_CONFIRMED};
    bool is_direct;

    if (is_sync && bw_renewals_find(&machine->renewals, answer->session, answer->number,
                                    &confirmed.sent) != BW_OK) {
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                         .note = BW_AGENT_NOTE_ANSWER_DROPPED,
                                                         .witness = witness,
                                                         .number = answer->number});
        return false;
    }
    if (!is_believed(machine, witness, answer))
        return false;
    is_direct = answers_itself(machine, witness, exchange, answer);
    if (is_sync)
        note_exchange(machine, answer, confirmed.sent, received);
    if (is_sync && answer->is_leader) {
        confirmed.number = answer->number; /* from a leader only: otherwise 0, and not counted */
        machine->leader_contact = received;
        if (is_direct)
            machine->leader_direct = received;
        machine->feature_level = answer->feature_level;
        bw_agent_overrides_hear_wait(machine, answer->longest_wait_ms);
        bw_agent_witnesses_learn(machine, answer);
        bw_agent_overrides_answered(machine);
    }
    for (uint32_t i = 0; i < answer->group_count; i++)
        take_group(machine, &answer->groups[i], &confirmed);
    return true;
}
