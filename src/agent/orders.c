#include "program.h"

#include <inttypes.h>
#include <stdio.h>

#include <breakwater/sys/clock.h>

#define WAIT_S       20
#define TIMEOUT_MS   ((WAIT_S + 5) * 1000u)
#define CONNECT_MS   2000u
#define RETRY_NS_MIN (100 * BW_NS_PER_MS)
#define RETRY_NS_MAX (2 * BW_NS_PER_S)
#define ANSWER_NS_SHORT                                                                            \
    (1 * BW_NS_PER_S) /* without news, an answer sooner than this is a fault                       \
                       */

/* The log index of the newest order that we heard of, over all groups. */
static uint64_t newest_index(const struct bw_agent *agent)
{
    uint64_t newest = 0;

    for (uint32_t i = 0; i < agent->place_count; i++)
        if (agent->places[i].site.order.index > newest)
            newest = agent->places[i].site.order.index;
    return newest;
}

static void poll_after(struct bw_agent_witness *witness, uint64_t delay_ns)
{
    if (!witness->agent->is_closing && !witness->is_gone)
        bw_deadline_set(&witness->poll_timer, bw_instant_add(bw_clock_now(), delay_ns),
                        BW_DEADLINE_WAIT);
}

/* Between half and all of a delay that doubles: agents that lost the same witness come back one by
 * one. */
static void back_off(struct bw_agent_witness *witness)
{
    uint64_t *delay_ns = &witness->poll_retry_ns;

    *delay_ns = *delay_ns == 0 ? RETRY_NS_MIN : *delay_ns * 2;
    if (*delay_ns > RETRY_NS_MAX)
        *delay_ns = RETRY_NS_MAX;
    poll_after(witness, *delay_ns / 2 + bw_prng_below(&witness->agent->jitter, *delay_ns / 2 + 1));
}

static void on_poll_done(void *user, const struct bw_http_answer *answer)
{
    struct bw_agent_witness *witness = user;
    struct bw_agent *agent = witness->agent;
    const uint64_t before = newest_index(agent);
    bool is_fine = false;
    char text[64];

    witness->poll = NULL;
    if (answer->err == BW_ERR_CANCELED) {
        bw_agent_witness_release(witness);
        return;
    }
    if (answer->err != BW_OK) {
        bw_agent_witness_failed(witness, answer->text);
    } else if (answer->status == 200) {
        bw_agent_witness_answered(witness);
        is_fine = bw_agent_take_answer(witness, BW_ANSWER_TO_POLL, answer->body, answer->body_size);
    } else if (answer->status == 204) { /* nothing new within the wait */
        is_fine = true;
    } else {
        (void)snprintf(text, sizeof text, "it answered a poll with HTTP %d", answer->status);
        bw_agent_witness_failed(witness, text);
    }
    if (is_fine && newest_index(agent) == before &&
        bw_instant_elapsed_ns(bw_clock_now(), witness->poll_begun) < ANSWER_NS_SHORT)
        is_fine = false;
    if (is_fine) {
        witness->poll_retry_ns = 0;
        poll_after(witness, 0);
    } else {
        back_off(witness);
    }
    bw_agent_witness_release(witness);
}

void bw_agent_orders_poll(struct bw_agent_witness *witness)
{
    struct bw_agent *agent = witness->agent;
    char url[BW_ADDRESS_MAX + 96];
    struct bw_diag diag = {0};
    const struct bw_http_call call = {
        .method = "GET",
        .url = url,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_MS,
        .response_bytes_max = BW_BODY_BYTES_MAX,
    };

    if (agent->is_closing || !witness->used || witness->is_gone || witness->poll != NULL)
        return;
    (void)snprintf(url, sizeof url, "https://%s/v1/agent/orders?after=%" PRIu64 "&wait=%ds",
                   witness->address, newest_index(agent), WAIT_S); /* fits */
    witness->poll_begun = bw_clock_now();
    witness->poll = bw_http_client_send(&agent->client, &call, on_poll_done, witness, &diag);
    if (witness->poll != NULL)
        return;
    bw_agent_witness_failed(witness, diag.text);
    back_off(witness);
}
