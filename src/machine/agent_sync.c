/* Renewals and reports on their way out: how often, and what one sync says (3.2). */
#include "agent_internal.h"

#include <string.h>


/* Before an order has said otherwise. */
#define INTERVAL_NS_ABSENT (1 * BW_NS_PER_S)
#define REQUEST_MS_ABSENT  1000u

/* ---- how often ------------------------------------------------------------------------------- */

static void take_smaller(uint32_t *smallest, uint32_t value)
{
    if (value != 0 && (*smallest == 0 || value < *smallest))
        *smallest = value;
}

/* The smallest of all groups, of the terms that each epoch was granted with and of those that the
 * newest orders have; 0: nobody has said. */
static uint32_t smallest_term(const struct bw_agent_machine *machine, bool of_request_timeout)
{
    uint32_t smallest = 0;

    for (uint32_t i = 0; i < machine->group_count; i++) {
        const struct bw_site *site = &machine->groups[i].site;
        const struct bw_terms *terms[] = {&site->memory.terms, &site->order.terms};
        const bool is_held = site->memory.epoch != 0 && !site->memory.given_back;

        for (int t = is_held ? 0 : 1; t < 2; t++)
            take_smaller(&smallest, of_request_timeout ? terms[t]->request_timeout_ms
                                                       : terms[t]->renew_interval_ms);
    }
    return smallest;
}

uint64_t bw_agent_renew_interval_ns(const struct bw_agent_machine *machine)
{
    const uint64_t interval_ns = smallest_term(machine, false) * BW_NS_PER_MS;

    if (interval_ns == 0)
        return INTERVAL_NS_ABSENT;
    return interval_ns > BW_AGENT_SYNC_DISTANCE_NS ? interval_ns : BW_AGENT_SYNC_DISTANCE_NS;
}

uint32_t bw_agent_request_timeout_ms(const struct bw_agent_machine *machine)
{
    const uint32_t timeout_ms = smallest_term(machine, true);

    return timeout_ms != 0 ? timeout_ms : REQUEST_MS_ABSENT;
}

/* ---- one sync -------------------------------------------------------------------------------- */

static bool has_free_slot(const struct bw_agent_witness *witness)
{
    return witness->used && !witness->is_gone && witness->sync_count < BW_AGENT_SYNCS_MAX;
}

static bool any_free_slot(const struct bw_agent_machine *machine)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (has_free_slot(&machine->witnesses[i]))
            return true;
    return false;
}

/* Whether a relayed answer came says nothing: a leader whom only what is passed on reaches is to hear each sync. */
static bool wants_relay(const struct bw_agent_machine *machine, struct bw_instant now)
{
    const uint64_t limit_ns = bw_agent_renew_interval_ns(machine) * 3 / 2;

    return bw_instant_elapsed_ns(now, machine->leader_direct) >= limit_ns;
}

/* A sync that leaves right after `sent`. False: whoever drives cannot make it, and has said so. */
static bool make_sync(struct bw_agent_machine *machine, struct bw_instant sent)
{
    const struct bw_agent_setup *setup = &machine->setup;
    const struct bw_guard_link *guard = &machine->guard;
    struct bw_sync sync = {
        .cluster_id = setup->state->cluster_id,
        .generation = setup->state->generation,
        .instance = setup->state->instance,
        .session = setup->session,
        .boot_id = setup->boot_id,
        .feature_level = setup->feature_level,
        .guard_level = guard->state == BW_GUARD_LINK_OPEN ? guard->feature_level : 0,
        .number = bw_renewals_add(&machine->renewals, sent),
        .wants_relay = wants_relay(machine, sent),
        .exchange_count = machine->exchanges.count,
        .groups = setup->sync_groups,
    };

    if (!sync.wants_relay)
        machine->unrelayed = sync.number;
    memcpy(sync.exchanges, machine->exchanges.list, sizeof sync.exchanges);
    memcpy(sync.site, machine->site, sizeof sync.site);
    memcpy(sync.agent, machine->name, sizeof sync.agent);
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (!machine->groups[i].is_left)
            bw_site_sync_get(&machine->groups[i].site, sent,
                             &setup->sync_groups[sync.group_count++]);
    return bw_agent_ask(machine,
                        &(struct bw_agent_action){.kind = BW_AGENT_ACTION_MAKE_SYNC, .sync = &sync},
                        NULL) == BW_OK;
}

static void send_to(struct bw_agent_machine *machine, uint32_t number)
{
    struct bw_agent_witness *witness = &machine->witnesses[number];
    struct bw_diag diag = {0};
    const struct bw_agent_action send = {.kind = BW_AGENT_ACTION_SEND_SYNC,
                                         .witness = number,
                                         .limit_ms = BW_AGENT_ANSWER_LIMITS *
                                                     bw_agent_request_timeout_ms(machine)};

    if (bw_agent_ask(machine, &send, &diag) != BW_OK) {
        bw_agent_witness_failed(machine, number, diag.text);
        return;
    }
    witness->sync_count++;
    witness->missed_sync = false;
}

static void sync_all(struct bw_agent_machine *machine)
{
    const struct bw_instant sent = bw_agent_now(machine); /* before anything of it leaves (3.2.1) */
    const bool has_any = any_free_slot(machine);

    machine->sync_sent = sent;
    machine->has_sent = true;
    if (has_any && !make_sync(machine, sent))
        return;
    for (uint32_t i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &machine->witnesses[i];

        if (has_free_slot(witness))
            send_to(machine, i);
        else if (witness->used)
            witness->missed_sync = true;
    }
}

void bw_agent_sync_serve(struct bw_agent_machine *machine)
{
    if (!bw_instant_right_is_over(bw_agent_now(machine), machine->sync_at))
        return;
    sync_all(machine);
    machine->sync_at = bw_instant_add(machine->sync_sent, bw_agent_renew_interval_ns(machine));
}

void bw_agent_sync_now(struct bw_agent_machine *machine)
{
    const struct bw_instant now = bw_agent_now(machine);
    struct bw_instant at = now;

    if (machine->has_sent)
        at = bw_instant_max(at, bw_instant_add(machine->sync_sent, BW_AGENT_SYNC_DISTANCE_NS));
    if (bw_instant_left_ns(now, at) < bw_instant_left_ns(now, machine->sync_at))
        machine->sync_at = at;
}
