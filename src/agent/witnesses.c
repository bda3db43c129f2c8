#include "program.h"

#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/net/address.h>
#include <breakwater/sys/clock.h>

_Static_assert(BW_WITNESSES_MAX <= BW_AGENT_WITNESSES_MAX, "all configured witnesses have a place");
_Static_assert(BW_AGENT_WITNESSES_MAX *(BW_AGENT_SYNCS_MAX + 1) <= BW_HTTP_EXCHANGES_MAX,
               "all their exchanges fit into one client");

static struct bw_agent_witness *find(struct bw_agent *agent, const char *address)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (agent->witnesses[i].used && strcmp(agent->witnesses[i].address, address) == 0)
            return &agent->witnesses[i];
    return NULL;
}

static void on_poll_due(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    bw_agent_orders_poll(user);
}

/* NULL: no place is free, or no memory; said. */
static struct bw_agent_witness *add(struct bw_agent *agent, const char *address)
{
    struct bw_address parsed;
    struct bw_diag diag = {0};
    enum bw_err err = bw_address_parse(address, &parsed, &diag);

    for (int i = 0; i < BW_AGENT_WITNESSES_MAX && err == BW_OK; i++) {
        struct bw_agent_witness *witness = &agent->witnesses[i];

        if (witness->used)
            continue;
        if (!witness->has_poll_timer)
            err = bw_deadline_init(&witness->poll_timer, &agent->loop, on_poll_due, witness, &diag);
        if (err != BW_OK)
            break;
        witness->has_poll_timer = true;
        witness->agent = agent;
        witness->used = true;
        witness->is_configured = false;
        witness->is_gone = false;
        witness->is_answering = true; /* so that its first failure is said */
        witness->refusal = NULL;
        witness->missed_sync = false;
        witness->failed_in_a_row = 0;
        witness->poll_retry_ns = 0;
        (void)bw_copy_text(witness->address, sizeof witness->address, address); /* fits: parsed */
        bw_deadline_set(&witness->poll_timer, bw_clock_now(), BW_DEADLINE_WAIT);
        return witness;
    }
    bw_log_warn(
        &agent->log, "witness.ignored", "address=%s error=%s", bw_log_quote(address),
        bw_log_quote(err == BW_OK ? "no more places: see the limit of witnesses" : diag.text));
    return NULL;
}

/* One that was about to go, and whose poll has ended already, is polled again. */
static void keep(struct bw_agent_witness *witness)
{
    witness->is_gone = false;
    if (witness->poll == NULL && !witness->poll_timer.is_set)
        bw_deadline_set(&witness->poll_timer, bw_clock_now(), BW_DEADLINE_WAIT);
}

static void mark_all_gone(struct bw_agent *agent, bool configured)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (agent->witnesses[i].used && agent->witnesses[i].is_configured == configured)
            agent->witnesses[i].is_gone = true;
}

static void release_gone(struct bw_agent *agent)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &agent->witnesses[i];

        if (!witness->used || !witness->is_gone)
            continue;
        bw_deadline_clear(&witness->poll_timer);
        if (witness->poll != NULL)
            bw_http_exchange_cancel(witness->poll); /* its end releases it */
        else
            bw_agent_witness_release(witness);
    }
}

enum bw_err bw_agent_witnesses_configure(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_site_config *config = agent->config;
    uint32_t found = 0;

    mark_all_gone(agent, true);
    for (uint32_t i = 0; i < config->witness_count; i++) {
        struct bw_agent_witness *witness = find(agent, config->witnesses[i]);

        if (witness == NULL)
            witness = add(agent, config->witnesses[i]);
        if (witness == NULL)
            continue;
        witness->is_configured = true;
        keep(witness);
        found++;
    }
    release_gone(agent);
    return found > 0 ? BW_OK
                     : bw_diag_set(diag, BW_ERR_INVALID, "not one of the witnesses can be used");
}

void bw_agent_witnesses_told(struct bw_agent *agent, const struct bw_sync_answer *answer)
{
    if (answer->member_count == 0)
        return;
    mark_all_gone(agent, false);
    for (uint32_t i = 0; i < answer->member_count; i++) {
        struct bw_agent_witness *witness = find(agent, answer->members[i].address);

        if (answer->members[i].address[0] == '\0')
            continue;
        if (witness == NULL)
            witness = add(agent, answer->members[i].address);
        if (witness != NULL && !witness->is_configured)
            keep(witness);
    }
    release_gone(agent);
}

void bw_agent_witness_answered(struct bw_agent_witness *witness)
{
    witness->failed_in_a_row = 0;
    if (witness->is_answering)
        return;
    witness->is_answering = true;
    bw_log_info(&witness->agent->log, "witness.answers", "address=%s", witness->address);
}

void bw_agent_witness_failed(struct bw_agent_witness *witness, const char *text)
{
    witness->failed_in_a_row++;
    if (!witness->is_answering)
        return;
    witness->is_answering = false;
    bw_log_warn(&witness->agent->log, "witness.silent", "address=%s error=%s", witness->address,
                bw_log_quote(text));
}

void bw_agent_witness_release(struct bw_agent_witness *witness)
{
    if (witness->is_gone && witness->poll == NULL && witness->sync_count == 0)
        witness->used = false;
}

void bw_agent_witnesses_close(struct bw_agent *agent)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (agent->witnesses[i].has_poll_timer)
            bw_deadline_close(&agent->witnesses[i].poll_timer, NULL);
}
