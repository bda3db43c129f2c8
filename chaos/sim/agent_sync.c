/* agent_sync.c - renewals and reports out, orders and confirmations in, as in src/agent/sync.c,
 * orders.c and answer.c. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/wire/sync.h>

#include "agent.h"
#include "check.h"

/* As in src/agent. */
#define SYNC_DISTANCE_NS   (2 * SIM_MS)
#define INTERVAL_NS_ABSENT (1 * SIM_S)
#define REQUEST_MS_ABSENT  1000u
#define POLL_WAIT_MS       20000u
#define POLL_LIMIT_NS      (25 * SIM_S)
#define RETRY_NS_MIN       (100 * SIM_MS)
#define RETRY_NS_MAX       (2 * SIM_S)
#define ANSWER_NS_SHORT    (1 * SIM_S)

/* ---- how often ---------------------------------------------------------------------------------- */

static void take_smaller(uint32_t *smallest, uint32_t value)
{
    if (value != 0 && (*smallest == 0 || value < *smallest))
        *smallest = value;
}

static uint32_t smallest_term(const struct sim_agent *agent, bool of_request_timeout)
{
    uint32_t smallest = 0;

    for (uint32_t i = 0; i < agent->place_count; i++) {
        const struct bw_site *site = &agent->places[i].site;
        const struct bw_terms *terms[] = {&site->memory.terms, &site->order.terms};
        const bool is_held = site->memory.epoch != 0 && !site->memory.given_back;

        for (int t = is_held ? 0 : 1; t < 2; t++)
            take_smaller(&smallest, of_request_timeout ? terms[t]->request_timeout_ms
                                                       : terms[t]->renew_interval_ms);
    }
    return smallest;
}

static uint64_t interval_ns(const struct sim_agent *agent)
{
    const uint64_t wanted_ns = smallest_term(agent, false) * SIM_MS;

    if (wanted_ns == 0)
        return INTERVAL_NS_ABSENT;
    return wanted_ns > SYNC_DISTANCE_NS ? wanted_ns : SYNC_DISTANCE_NS;
}

static uint64_t request_ns(const struct sim_agent *agent)
{
    const uint32_t timeout_ms = smallest_term(agent, true);

    return (timeout_ms != 0 ? timeout_ms : REQUEST_MS_ABSENT) * SIM_MS;
}

/* ---- one sync ----------------------------------------------------------------------------------- */

/* Into the agent's buffer. 0: it failed, which is said. */
static size_t make_sync(struct sim_agent *agent, struct bw_instant sent)
{
    struct bw_sync_group groups[SIM_GROUPS_MAX];
    struct bw_sync sync = {
        .cluster_id = agent->state.cluster_id,
        .generation = agent->state.generation,
        .instance = agent->state.instance,
        .session = agent->session,
        .boot_id = agent->process->host->boot_id,
        .feature_level = BW_FEATURE_LEVEL_NEWEST,
        .guard_level = BW_FEATURE_LEVEL_NEWEST,
        .number = bw_renewals_add(&agent->renewals, sent),
        .wants_relay = bw_instant_elapsed_ns(sent, agent->leader_heard) >=
                       interval_ns(agent) * 3 / 2,
        .exchange_count = agent->exchanges.count,
        .group_count = agent->place_count,
        .groups = groups,
    };
    struct bw_diag diag = {0};
    size_t size = 0;

    memcpy(sync.exchanges, agent->exchanges.list, sizeof sync.exchanges);
    memcpy(sync.site, agent->state.site, sizeof sync.site);
    BW_ASSERT(bw_copy_text(sync.agent, sizeof sync.agent, agent->process->name));
    for (uint32_t i = 0; i < agent->place_count; i++)
        bw_site_sync_get(&agent->places[i].site, sent, &groups[i]);
    if (bw_sync_encode(&sync, agent->buffer, sizeof agent->buffer, &size, &diag) != BW_OK)
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot say its sync: %s",
                 agent->process->name, diag.text);
    sim_check_sync_leaves(agent->process, &sync);
    return size;
}

static int free_slot(const struct sim_agent_witness *witness)
{
    for (int i = 0; i < SIM_SYNCS_MAX; i++)
        if (witness->syncs[i].tag == 0)
            return i;
    return -1;
}

static bool any_free_slot(const struct sim_agent *agent)
{
    for (int i = 0; i < SIM_WITNESSES; i++)
        if (free_slot(&agent->witnesses[i]) >= 0)
            return true;
    return false;
}

/* The instant is read before anything of it leaves (3.2.1). */
void sim_sync_all(struct sim_agent *agent)
{
    const struct bw_instant sent = sim_now(agent->process);
    size_t size;

    agent->sync_sent = sent;
    agent->has_sent = true;
    agent->sync_at = bw_instant_add(sent, interval_ns(agent));
    if (!any_free_slot(agent))
        return;
    size = make_sync(agent, sent);
    for (int i = 0; i < SIM_WITNESSES && size > 0; i++) {
        struct sim_agent_witness *witness = &agent->witnesses[i];
        const int slot = free_slot(witness);

        if (slot < 0) {
            witness->missed_sync = true;
            continue;
        }
        if (sim_crash_point(agent->process, "crash:agent-sync"))
            return;
        witness->missed_sync = false;
        witness->syncs[slot].tag = sim_agent_tag(agent);
        witness->syncs[slot].limit = bw_instant_add(sent, request_ns(agent));
        sim_send(agent->process, witness->process, SIM_CHANNEL_SYNC, witness->syncs[slot].tag,
                 agent->buffer, size);
    }
}

void sim_sync_now(struct sim_agent *agent)
{
    const struct bw_instant now = sim_now(agent->process);
    struct bw_instant at = now;

    if (agent->has_sent)
        at = bw_instant_max(at, bw_instant_add(agent->sync_sent, SYNC_DISTANCE_NS));
    if (bw_instant_left_ns(now, at) < bw_instant_left_ns(now, agent->sync_at))
        agent->sync_at = at;
}

void sim_sync_open(struct sim_agent *agent)
{
    const struct sim_world *world = sim_world_of(agent->process);
    const struct bw_instant now = sim_now(agent->process);

    bw_renewals_init(&agent->renewals, agent->session);
    agent->leader_heard = now; /* the first leader gets its chance before any relay */
    agent->sync_at = now;
    for (int i = 0; i < SIM_WITNESSES; i++) {
        agent->witnesses[i].process = world->witnesses[i];
        agent->witnesses[i].poll_at = now;
    }
}

/* ---- polls for orders --------------------------------------------------------------------------- */

static uint64_t newest_index(const struct sim_agent *agent)
{
    uint64_t newest = 0;

    for (uint32_t i = 0; i < agent->place_count; i++)
        if (agent->places[i].site.order.index > newest)
            newest = agent->places[i].site.order.index;
    return newest;
}

static void poll_now(struct sim_agent *agent, struct sim_agent_witness *witness)
{
    const uint64_t after = newest_index(agent);
    const uint32_t wait_ms = POLL_WAIT_MS;
    uint8_t bytes[sizeof after + sizeof wait_ms];

    memcpy(bytes, &after, sizeof after);
    memcpy(bytes + sizeof after, &wait_ms, sizeof wait_ms);
    witness->poll_tag = sim_agent_tag(agent);
    witness->poll_life = witness->process->life;
    witness->poll_begun = sim_now(agent->process);
    witness->poll_limit = bw_instant_add(witness->poll_begun, POLL_LIMIT_NS);
    witness->poll_at = BW_INSTANT_NEVER;
    sim_send(agent->process, witness->process, SIM_CHANNEL_POLL, witness->poll_tag, bytes,
             sizeof bytes);
}

static void poll_after(struct sim_agent *agent, struct sim_agent_witness *witness, bool is_fine)
{
    const struct bw_instant now = sim_now(agent->process);
    uint64_t *delay_ns = &witness->poll_retry_ns;

    if (is_fine) {
        *delay_ns = 0;
        witness->poll_at = now;
        return;
    }
    *delay_ns = *delay_ns == 0 ? RETRY_NS_MIN : *delay_ns * 2;
    if (*delay_ns > RETRY_NS_MAX)
        *delay_ns = RETRY_NS_MAX;
    witness->poll_at = bw_instant_add(
        now, *delay_ns / 2 + bw_prng_below(&agent->process->chance, *delay_ns / 2 + 1));
}

/* A connection to a witness that has died breaks. */
static bool is_poll_broken(const struct sim_agent_witness *witness)
{
    return witness->process->health == SIM_DEAD || witness->process->life != witness->poll_life;
}

static void serve_polls(struct sim_agent *agent)
{
    const struct bw_instant now = sim_now(agent->process);

    for (int i = 0; i < SIM_WITNESSES; i++) {
        struct sim_agent_witness *witness = &agent->witnesses[i];

        if (witness->poll_tag != 0 && (is_poll_broken(witness) ||
                                       bw_instant_right_is_over(now, witness->poll_limit))) {
            witness->poll_tag = 0;
            poll_after(agent, witness, false);
        } else if (witness->poll_tag == 0 && bw_instant_wait_is_over(now, witness->poll_at)) {
            poll_now(agent, witness);
        }
    }
}

/* ---- when --------------------------------------------------------------------------------------- */

void sim_sync_serve(struct sim_agent *agent)
{
    const struct bw_instant now = sim_now(agent->process);

    for (int i = 0; i < SIM_WITNESSES; i++)
        for (int slot = 0; slot < SIM_SYNCS_MAX; slot++)
            if (agent->witnesses[i].syncs[slot].tag != 0 &&
                bw_instant_right_is_over(now, agent->witnesses[i].syncs[slot].limit))
                agent->witnesses[i].syncs[slot].tag = 0;
    serve_polls(agent);
    if (!bw_instant_right_is_over(now, agent->sync_at))
        return;
    agent->sync_at = BW_INSTANT_NEVER;
    (void)sim_agent_push(agent, SIM_AGENT_SYNC);
}

struct bw_instant sim_sync_wake(const struct sim_agent *agent)
{
    struct bw_instant at = agent->sync_at;

    for (int i = 0; i < SIM_WITNESSES; i++) {
        const struct sim_agent_witness *witness = &agent->witnesses[i];

        for (int slot = 0; slot < SIM_SYNCS_MAX; slot++)
            if (witness->syncs[slot].tag != 0)
                at = bw_instant_min(at, witness->syncs[slot].limit);
        if (witness->poll_tag != 0)
            at = bw_instant_min(at, witness->poll_limit);
        else
            at = bw_instant_min(at, sim_wait_wake(agent->process, witness->poll_at));
    }
    return at;
}

/* ---- is it of our cluster? (3.9) ---------------------------------------------------------------- */

static bool is_of_our_cluster(struct sim_agent *agent, const struct bw_sync_answer *answer)
{
    const struct bw_agent_state *state = &agent->state;

    if (bw_id_is_none(answer->cluster_id))
        return false;
    /* Only a leader speaks for a cluster not known yet. Durable before anything of an answer counts. */
    if (bw_id_is_none(state->cluster_id)) {
        if (answer->is_leader)
            sim_agent_save_cluster(agent, answer);
        return false;
    }
    if (!bw_id_equal(answer->cluster_id, state->cluster_id) ||
        answer->generation < state->generation)
        return false;
    if (answer->generation == state->generation)
        return true;
    sim_agent_save_cluster(agent, answer);
    return false;
}

/* ---- what witnesses say ------------------------------------------------------------------------- */

static void take_group(struct sim_agent *agent, const struct bw_sync_answer_group *group,
                       const struct bw_site_event *confirmed)
{
    struct sim_agent_place *place = sim_agent_find(agent, group->name);

    if (place == NULL)
        return;
    sim_agent_push_event(agent, place, BW_SITE_EVENT_ORDER)->order = group->order;
    if (confirmed->number != 0 && group->confirmed_epoch != 0) {
        struct sim_agent_task *task =
            sim_agent_push_event(agent, place, BW_SITE_EVENT_CONFIRMED);

        task->event = *confirmed;
        task->event.epoch = group->confirmed_epoch;
    }
    if (group->other_serves_epoch != 0)
        sim_agent_push_event(agent, place, BW_SITE_EVENT_OTHER_SERVES)->event.epoch =
            group->other_serves_epoch;
}

static void note_exchange(struct sim_agent *agent, const struct bw_sync_answer *answer,
                          struct bw_instant sent)
{
    struct bw_exchange exchange = {
        .number = answer->number, .sent = sent, .heard = sim_now(agent->process)};

    memcpy(exchange.witness, answer->witness, sizeof exchange.witness);
    bw_exchanges_note(&agent->exchanges, &exchange);
}

static bool take_decoded(struct sim_agent *agent, bool is_poll,
                         const struct bw_sync_answer *answer)
{
    struct bw_site_event confirmed = {.kind = BW_SITE_EVENT_CONFIRMED};

    /* 3.2.3: the instant of a confirmed renewal is the one we noted when we sent it. */
    if (!is_poll && bw_renewals_find(&agent->renewals, answer->session, answer->number,
                                     &confirmed.sent) != BW_OK) {
        sim_count(sim_world_of(agent->process), "agent:answer_dropped");
        return false;
    }
    if (!is_of_our_cluster(agent, answer))
        return false;
    if (!is_poll)
        note_exchange(agent, answer, confirmed.sent);
    if (!is_poll && answer->is_leader) {
        confirmed.number = answer->number; /* from a leader only: otherwise 0, and not counted */
        agent->leader_heard = sim_now(agent->process);
    }
    for (uint32_t i = 0; i < answer->group_count; i++)
        take_group(agent, &answer->groups[i], &confirmed);
    return true;
}

static bool take_answer(struct sim_agent *agent, bool is_poll, const struct sim_message *message)
{
    struct bw_sync_answer answer = {.group_count = 0};
    struct bw_diag diag = {0};
    bool is_taken;

    if (message->size == 0)
        return false;
    if (bw_sync_answer_decode(message->bytes, message->size, &answer, &diag) != BW_OK) {
        sim_fail(sim_world_of(agent->process), "codec", "%s cannot read an answer of %s: %s",
                 agent->process->name, message->from->name, diag.text);
        return false;
    }
    sim_check_answered(agent->process, &answer);
    is_taken = take_decoded(agent, is_poll, &answer);
    bw_sync_answer_deinit(&answer);
    return is_taken;
}

static struct sim_agent_witness *find_witness(struct sim_agent *agent,
                                              const struct sim_process *process)
{
    for (int i = 0; i < SIM_WITNESSES; i++)
        if (agent->witnesses[i].process == process)
            return &agent->witnesses[i];
    return NULL;
}

/* An answer that nobody waits for any more is as good as none. */
static bool is_awaited(struct sim_agent_witness *witness, bool is_poll, uint64_t tag)
{
    if (is_poll) {
        if (witness->poll_tag != tag)
            return false;
        witness->poll_tag = 0;
        return true;
    }
    for (int slot = 0; slot < SIM_SYNCS_MAX; slot++) {
        if (witness->syncs[slot].tag != tag)
            continue;
        witness->syncs[slot].tag = 0;
        return true;
    }
    return false;
}

void sim_sync_on_message(struct sim_agent *agent, const struct sim_message *message)
{
    struct sim_agent_witness *witness = find_witness(agent, message->from);
    const bool is_poll = message->channel == SIM_CHANNEL_POLL_ANSWER;
    const uint64_t newest_before = newest_index(agent);
    struct sim_agent_task *task;
    bool is_taken;

    if (witness == NULL || !is_awaited(witness, is_poll, message->tag))
        return;
    is_taken = take_answer(agent, is_poll, message);
    task = sim_agent_push(agent, SIM_AGENT_ANSWER);
    task->witness = witness;
    task->is_poll = is_poll;
    task->is_taken = is_taken;
    task->newest_before = newest_before;
}

void sim_sync_answered(struct sim_agent *agent, const struct sim_agent_task *task)
{
    struct sim_agent_witness *witness = task->witness;
    bool is_fine = task->is_taken;

    if (!task->is_poll) {
        if (is_fine && witness->missed_sync)
            sim_sync_now(agent);
        return;
    }
    if (is_fine && newest_index(agent) == task->newest_before &&
        bw_instant_elapsed_ns(sim_now(agent->process), witness->poll_begun) < ANSWER_NS_SHORT)
        is_fine = false;
    poll_after(agent, witness, is_fine);
}
