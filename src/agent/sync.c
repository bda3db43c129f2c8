#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

/* ---- how often ------------------------------------------------------------------------------- */

static void take_smaller(uint32_t *smallest, uint32_t value)
{
    if (value != 0 && (*smallest == 0 || value < *smallest))
        *smallest = value;
}

/* The smallest of all groups, of the terms that each epoch was granted with and of those that the
 * newest orders have; 0: nobody has said. */
static uint32_t smallest_term(const struct bw_agent *agent, bool of_request_timeout)
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

uint64_t bw_agent_renew_interval_ns(const struct bw_agent *agent)
{
    const uint64_t interval_ns = smallest_term(agent, false) * BW_NS_PER_MS;

    if (interval_ns == 0)
        return BW_AGENT_INTERVAL_NS_ABSENT;
    return interval_ns > BW_AGENT_SYNC_DISTANCE_NS ? interval_ns : BW_AGENT_SYNC_DISTANCE_NS;
}

uint32_t bw_agent_request_timeout_ms(const struct bw_agent *agent)
{
    const uint32_t timeout_ms = smallest_term(agent, true);

    return timeout_ms != 0 ? timeout_ms : BW_AGENT_REQUEST_MS_ABSENT;
}

/* ---- one sync -------------------------------------------------------------------------------- */

static bool has_free_slot(const struct bw_agent_witness *witness)
{
    return witness->used && !witness->is_gone && witness->sync_count < BW_AGENT_SYNCS_MAX;
}

static bool any_free_slot(struct bw_agent *agent)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (has_free_slot(&agent->witnesses[i]))
            return true;
    return false;
}

static bool wants_relay(const struct bw_agent *agent, struct bw_instant now)
{
    const uint64_t limit_ns = bw_agent_renew_interval_ns(agent) * 3 / 2;

    return bw_instant_elapsed_ns(now, agent->sync.leader_heard) >= limit_ns;
}

/* At least 1, also when it has ended: 0 would say nothing of it. */
static uint64_t certificate_left_s(const struct bw_agent *agent)
{
    const uint64_t left_s = bw_credentials_left_s(agent->credentials, bw_clock_wall());

    return left_s > 0 ? left_s : 1;
}

/* The bytes of a sync that leaves right after `sent`; NULL: said. The caller frees them. */
static uint8_t *make_sync(struct bw_agent *agent, struct bw_instant sent, size_t *out_size)
{
    struct bw_agent_sync *out = &agent->sync;
    struct bw_sync sync = {
        .cluster_id = agent->store.state.cluster_id,
        .generation = agent->store.state.generation,
        .instance = agent->store.state.instance,
        .session = agent->session,
        .boot_id = agent->boot_id,
        .feature_level = BW_FEATURE_LEVEL_NEWEST,
        .guard_level = agent->guard.state == BW_GUARD_LINK_OPEN ? agent->guard.feature_level : 0,
        .number = bw_renewals_add(&out->renewals, sent),
        .wants_relay = wants_relay(agent, sent),
        .certificate_left_s = certificate_left_s(agent),
        .exchange_count = out->exchanges.count,
        .group_count = agent->place_count,
        .groups = out->groups,
    };
    struct bw_diag diag = {0};
    uint8_t *bytes = NULL;
    enum bw_err err;

    memcpy(sync.exchanges, out->exchanges.list, sizeof sync.exchanges);
    (void)bw_copy_text(sync.site, sizeof sync.site, agent->config->site);   /* checked names */
    (void)bw_copy_text(sync.agent, sizeof sync.agent, agent->config->name); /* always fit */
    for (uint32_t i = 0; i < agent->place_count; i++)
        bw_site_sync_get(&agent->places[i].site, sent, &out->groups[i]);
    err = bw_sync_encode(&sync, NULL, 0, out_size, &diag);
    if (err == BW_OK) {
        bytes = malloc(*out_size);
        err = bytes != NULL ? bw_sync_encode(&sync, bytes, *out_size, out_size, &diag)
                            : bw_diag_set(&diag, BW_ERR_NOMEM, "a sync of %zu bytes", *out_size);
    }
    if (err == BW_OK)
        return bytes;
    bw_log_error(&agent->log, "sync.unsent", "error=%s", bw_log_quote(diag.text));
    free(bytes);
    return NULL;
}

static void on_sync_done(void *user, const struct bw_http_answer *answer)
{
    struct bw_agent_witness *witness = user;
    struct bw_agent *agent = witness->agent;
    char text[64];

    witness->sync_count--;
    if (answer->err == BW_ERR_CANCELED) {
        bw_agent_witness_release(witness);
        return;
    }
    if (answer->err != BW_OK) {
        bw_agent_witness_failed(witness, answer->text);
    } else if (answer->status != 200) {
        (void)snprintf(text, sizeof text, "it answered a sync with HTTP %d", answer->status);
        bw_agent_witness_failed(witness, text);
    } else {
        bw_agent_witness_answered(witness);
        (void)bw_agent_take_answer(witness, BW_ANSWER_TO_SYNC, answer->body, answer->body_size);
        if (witness->missed_sync)
            bw_agent_sync_now(agent);
    }
    bw_agent_witness_release(witness);
}

static void send_to(struct bw_agent_witness *witness, const uint8_t *bytes, size_t size)
{
    const uint32_t timeout_ms = bw_agent_request_timeout_ms(witness->agent);
    char url[BW_ADDRESS_MAX + 64];
    struct bw_diag diag = {0};
    const struct bw_http_call call = {
        .method = "POST",
        .url = url,
        .content_type = "application/x-protobuf",
        .body = bytes,
        .body_size = size,
        .timeout_ms = timeout_ms,
        .connect_timeout_ms = timeout_ms,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    (void)snprintf(url, sizeof url, "https://%s/v1/agent/sync", witness->address); /* fits */
    if (bw_http_client_send(&witness->agent->client, &call, on_sync_done, witness, &diag) == NULL) {
        bw_agent_witness_failed(witness, diag.text);
        return;
    }
    BW_CRASH_POINT(AGENT_AFTER_SYNC);
    witness->sync_count++;
    witness->missed_sync = false;
}

static void sync_all(struct bw_agent *agent)
{
    const struct bw_instant sent = bw_clock_now(); /* before anything of it leaves (3.2.1) */
    uint8_t *bytes;
    size_t size;

    agent->sync.sent = sent;
    agent->sync.has_sent = true;
    if (!any_free_slot(agent))
        return;
    bytes = make_sync(agent, sent, &size);
    if (bytes == NULL)
        return;
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++) {
        struct bw_agent_witness *witness = &agent->witnesses[i];

        if (has_free_slot(witness))
            send_to(witness, bytes, size);
        else if (witness->used)
            witness->missed_sync = true;
    }
    free(bytes);
}

static void on_due(struct bw_deadline *deadline, void *user)
{
    struct bw_agent *agent = user;

    if (agent->is_closing)
        return;
    (void)bw_deadline_serve(&agent->wake); /* what is over is not asked for once more */
    sync_all(agent);
    bw_deadline_set(deadline, bw_instant_add(agent->sync.sent, bw_agent_renew_interval_ns(agent)),
                    BW_DEADLINE_RIGHT);
}

void bw_agent_sync_now(struct bw_agent *agent)
{
    struct bw_deadline *timer = &agent->sync.timer;
    const struct bw_instant now = bw_clock_now();
    struct bw_instant at = now;

    if (agent->is_closing)
        return;
    if (agent->sync.has_sent)
        at = bw_instant_max(at, bw_instant_add(agent->sync.sent, BW_AGENT_SYNC_DISTANCE_NS));
    if (!timer->is_set || bw_instant_left_ns(now, at) < bw_instant_left_ns(now, timer->at))
        bw_deadline_set(timer, at, BW_DEADLINE_RIGHT);
}

enum bw_err bw_agent_sync_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_agent_sync *sync = &agent->sync;
    enum bw_err err;

    bw_renewals_init(&sync->renewals, agent->session);
    sync->leader_heard = bw_clock_now(); /* the first leader gets its chance before any relay */
    sync->groups = calloc(agent->place_count, sizeof *sync->groups);
    if (sync->groups == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "a sync of %u groups", agent->place_count);
    err = bw_deadline_init(&sync->timer, &agent->loop, on_due, agent, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "the timer of renewals");
    bw_agent_sync_now(agent);
    return BW_OK;
}
