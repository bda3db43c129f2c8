#include "program.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

/* ---- is it of our cluster? (3.9) --------------------------------------------------------------
 */

static void say_refused(struct bw_agent_witness *witness, const struct bw_sync_answer *answer,
                        const char *why)
{
    char theirs[BW_ID_TEXT_BYTES];
    char ours[BW_ID_TEXT_BYTES];

    if (witness->refusal != NULL && strcmp(witness->refusal, why) == 0)
        return;
    witness->refusal = why;
    bw_id_format(answer->cluster_id, theirs);
    bw_id_format(witness->agent->store.state.cluster_id, ours);
    bw_log_error(&witness->agent->log, "witness.refused",
                 "address=%s why=%s cluster_id=%s generation=%" PRIu64 " our_cluster_id=%s "
                 "our_generation=%" PRIu64 " does=\"its answers are dropped\"",
                 witness->address, bw_log_quote(why), theirs, answer->generation, ours,
                 witness->agent->store.state.generation);
}

static bool is_of_our_cluster(struct bw_agent_witness *witness, const struct bw_sync_answer *answer)
{
    struct bw_agent *agent = witness->agent;
    const struct bw_agent_state *state = &agent->store.state;

    if (bw_id_is_none(answer->cluster_id)) {
        say_refused(witness, answer, "it names no cluster");
        return false;
    }
    /* Only a leader speaks for a cluster not known yet. Durable before anything of an answer counts. */
    if (bw_id_is_none(state->cluster_id)) {
        if (answer->is_leader)
            bw_agent_saves_cluster(agent, answer->cluster_id, answer->generation);
        return false;
    }
    if (!bw_id_equal(answer->cluster_id, state->cluster_id)) {
        say_refused(witness, answer, "another cluster");
        return false;
    }
    if (answer->generation < state->generation) {
        say_refused(witness, answer, "a generation that was recovered from since");
        return false;
    }
    if (answer->generation > state->generation) {
        bw_agent_saves_cluster(agent, answer->cluster_id, answer->generation);
        return false;
    }
    witness->refusal = NULL;
    return true;
}

/* ---- what it says -----------------------------------------------------------------------------
 */

static void take_group(struct bw_agent *agent, const struct bw_sync_answer_group *group,
                       const struct bw_site_event *confirmed)
{
    struct bw_agent_place *place = bw_agent_place_find(agent, group->name);
    const struct bw_site_event order = {.kind = BW_SITE_EVENT_ORDER, .order = &group->order};
    const struct bw_site_event other = {.kind = BW_SITE_EVENT_OTHER_SERVES,
                                        .epoch = group->other_serves_epoch};
    struct bw_site_event event = *confirmed;

    if (place == NULL)
        return; /* a group of this site that is not in the site file: `check` tells */
    bw_agent_step(place, &order);
    event.epoch = group->confirmed_epoch;
    if (event.number != 0 && event.epoch != 0)
        bw_agent_step(place, &event);
    if (other.epoch != 0)
        bw_agent_step(place, &other);
}

static void note_leader(struct bw_agent *agent, const struct bw_sync_answer *answer,
                        struct bw_instant received)
{
    agent->sync.leader_heard = received;
    bw_agent_witnesses_told(agent, answer);
}

/* That it is heard (4), and what it measures our clocks by (3.8). */
static void note_exchange(struct bw_agent *agent, const struct bw_sync_answer *answer,
                          struct bw_instant sent, struct bw_instant received)
{
    struct bw_exchange exchange = {.number = answer->number, .sent = sent, .heard = received};

    memcpy(exchange.witness, answer->witness, sizeof exchange.witness);
    bw_exchanges_note(&agent->sync.exchanges, &exchange);
}

/* 3.2.3: the instant of a confirmed renewal is the one we noted when we sent it. */
static bool take_decoded(struct bw_agent_witness *witness, enum bw_answer_kind kind,
                         const struct bw_sync_answer *answer, struct bw_instant received)
{
    struct bw_agent *agent = witness->agent;
    struct bw_site_event confirmed = {.kind = BW_SITE_EVENT_CONFIRMED};

    if (kind == BW_ANSWER_TO_SYNC && bw_renewals_find(&agent->sync.renewals, answer->session,
                                                      answer->number, &confirmed.sent) != BW_OK) {
        bw_log_debug(&agent->log, "answer.dropped", "address=%s number=%" PRIu64, witness->address,
                     answer->number);
        return false;
    }
    if (!is_of_our_cluster(witness, answer))
        return false;
    if (kind == BW_ANSWER_TO_SYNC)
        note_exchange(agent, answer, confirmed.sent, received);
    if (kind == BW_ANSWER_TO_SYNC && answer->is_leader) {
        confirmed.number = answer->number; /* from a leader only: otherwise 0, and not counted */
        note_leader(agent, answer, received);
    }
    for (uint32_t i = 0; i < answer->group_count; i++)
        take_group(agent, &answer->groups[i], &confirmed);
    return true;
}

bool bw_agent_take_answer(struct bw_agent_witness *witness, enum bw_answer_kind kind,
                          const void *body, size_t size)
{
    struct bw_agent *agent = witness->agent;
    const struct bw_instant received = bw_clock_now();
    struct bw_sync_answer answer = {0};
    struct bw_diag diag = {0};
    bool is_taken;

    if (agent->is_closing)
        return false;
    (void)bw_deadline_serve(&agent->wake); /* before messages (3.4) */
    if (bw_sync_answer_decode(body, size, &answer, &diag) != BW_OK) {
        bw_log_warn(&agent->log, "answer.unreadable", "address=%s error=%s", witness->address,
                    bw_log_quote(diag.text));
        return false;
    }
    is_taken = take_decoded(witness, kind, &answer, received);
    bw_sync_answer_deinit(&answer);
    return is_taken;
}
