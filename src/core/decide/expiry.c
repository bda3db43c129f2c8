#include <breakwater/core/expiry.h>

#include <breakwater/base/assert.h>

#define PPM UINT64_C(1000000)

/* The largest wait must not come near the end of the clocks, or saturation would shorten it. */
_Static_assert(BW_DRIFT_PPM_MAX < 1000000, "a clock that may stand still measures nothing");
_Static_assert(UINT32_MAX *BW_NS_PER_MS < UINT64_MAX / 8, "a wait in ns fits with room to spare");

/* TTL*(1+ε)/(1-ε) = TTL + TTL*2ε/(1-ε). Quotient and remainder are multiplied apart: exact, without
 * a product beyond 64 bits. */
uint64_t bw_expiry_wait_ns(const struct bw_terms *terms)
{
    const uint64_t ttl_ns = bw_ms_to_ns(terms->ttl_ms);
    const uint64_t twice_drift = 2 * (uint64_t)terms->drift_ppm;
    uint64_t slow;
    uint64_t extra_ns;
    uint64_t wait_ns;

    if (terms->drift_ppm > BW_DRIFT_PPM_MAX)
        return UINT64_MAX;
    slow = PPM - terms->drift_ppm;
    extra_ns = ttl_ns / slow * twice_drift + (ttl_ns % slow * twice_drift + slow - 1) / slow;
    wait_ns = ttl_ns + extra_ns + bw_ms_to_ns(terms->margin_ms);
    BW_ASSERT(wait_ns >= ttl_ns); /* I1: no wait is shorter than the lease, whatever the numbers */
    return wait_ns;
}

struct bw_instant bw_expiry_counted_from(const struct bw_expiry_base *base)
{
    return bw_instant_max(bw_instant_max(base->last_confirmed, base->leader_since),
                          base->grant_applied);
}

static struct bw_instant over_at(const struct bw_expiry_base *base, const struct bw_terms *terms)
{
    return bw_instant_add(bw_expiry_counted_from(base), bw_expiry_wait_ns(terms));
}

bool bw_expiry_is_over(const struct bw_expiry_base *base, const struct bw_terms *terms,
                       struct bw_instant now)
{
    return bw_instant_wait_is_over(now, over_at(base, terms));
}

uint64_t bw_expiry_left_ns(const struct bw_expiry_base *base, const struct bw_terms *terms,
                           struct bw_instant now)
{
    return bw_instant_wait_left_ns(now, over_at(base, terms));
}

uint64_t bw_expiry_freshness_ns(uint32_t renew_interval_ms, uint32_t request_timeout_ms)
{
    return bw_ms_to_ns(2 * (uint64_t)renew_interval_ms + request_timeout_ms);
}

void bw_proof_init(struct bw_proof *proof)
{
    *proof = (struct bw_proof){0};
}

uint64_t bw_proof_want(struct bw_proof *proof)
{
    proof->wanted = true;
    return proof->submitted + 1;
}

bool bw_proof_should_submit(const struct bw_proof *proof)
{
    return proof->wanted && proof->on_its_way == 0;
}

uint64_t bw_proof_on_submitted(struct bw_proof *proof)
{
    BW_ASSERT(proof->on_its_way == 0);
    BW_ASSERT(proof->proved <= proof->submitted);
    proof->submitted++;
    proof->on_its_way = proof->submitted;
    proof->wanted = false;
    return proof->submitted;
}

void bw_proof_on_applied(struct bw_proof *proof, uint64_t number)
{
    BW_ASSERT(number <= proof->submitted);
    if (number > proof->proved)
        proof->proved = number;
    BW_ASSERT(proof->proved <= proof->submitted); /* 3.3: nothing is proved by what never left */
    if (number == proof->on_its_way)
        proof->on_its_way = 0;
}

/* The number is not used again: should what failed turn up made after all, it proves what waited for it and nothing
 * received later. */
void bw_proof_on_failed(struct bw_proof *proof, uint64_t number)
{
    BW_ASSERT(number <= proof->submitted);
    if (number != proof->on_its_way)
        return;
    proof->on_its_way = 0;
    proof->wanted = true;
}

bool bw_proof_covers(const struct bw_proof *proof, uint64_t number)
{
    return number != 0 && number <= proof->proved;
}
