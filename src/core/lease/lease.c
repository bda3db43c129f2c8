#include <breakwater/core/lease.h>

#include <breakwater/base/assert.h>

void bw_lease_init(struct bw_lease *lease, uint64_t epoch, const struct bw_terms *terms)
{
    *lease = (struct bw_lease){
        .epoch = epoch,
        .ttl_ns = bw_ms_to_ns(terms->ttl_ms),
        .fence_ns = bw_ms_to_ns(terms->fence_ms),
    };
}

struct bw_instant bw_lease_end_of(const struct bw_lease *lease, struct bw_instant sent)
{
    return bw_instant_add(sent, lease->ttl_ns);
}

enum bw_err bw_lease_confirm_renewal(struct bw_lease *lease, uint64_t epoch, struct bw_instant sent)
{
    struct bw_instant end;

    if (epoch == 0 || epoch != lease->epoch)
        return BW_ERR_STALE;
    end = bw_lease_end_of(lease, sent);
    if (bw_instant_is_later(end, lease->end))
        lease->end = end;
    return BW_OK;
}

bool bw_lease_is_alive(const struct bw_lease *lease, struct bw_instant now)
{
    return lease->epoch != 0 && !bw_instant_right_is_over(now, lease->end);
}

static struct bw_instant fence_at(const struct bw_lease *lease)
{
    return bw_instant_sub(lease->end, lease->fence_ns);
}

bool bw_lease_in_fence_window(const struct bw_lease *lease, struct bw_instant now)
{
    return lease->epoch == 0 || bw_instant_right_is_over(now, fence_at(lease));
}

uint64_t bw_lease_kill_grace_ns(uint64_t fence_ns)
{
    const uint64_t most_ns = 5 * BW_NS_PER_S / 2;
    const uint64_t sixth = fence_ns / 6;

    return sixth < most_ns ? sixth : most_ns;
}

struct bw_fence_plan bw_lease_plan_fence(struct bw_instant end, uint64_t fence_ns)
{
    const uint64_t grace_ns = bw_lease_kill_grace_ns(fence_ns);

    const struct bw_fence_plan plan = {.end = end,
                                       .term_at = bw_instant_sub(end, 2 * grace_ns),
                                       .kill_at = bw_instant_sub(end, grace_ns)};

    BW_ASSERT(!bw_instant_is_beyond(plan.term_at, plan.kill_at)); /* 3.2.4: TERM, KILL, D */
    BW_ASSERT(!bw_instant_is_beyond(plan.kill_at, plan.end));
    return plan;
}

uint64_t bw_lease_script_time_ns(uint64_t fence_ns)
{
    const uint64_t killing_ns = 2 * bw_lease_kill_grace_ns(fence_ns);

    BW_ASSERT(killing_ns <= fence_ns);
    return fence_ns - killing_ns;
}

uint64_t bw_lease_window_of_ns(uint64_t script_ns)
{
    const uint64_t most_ns = 5 * BW_NS_PER_S;
    const uint64_t half = script_ns / 2;

    return script_ns + (half < most_ns ? half : most_ns);
}

uint32_t bw_lease_script_ms(uint32_t fence_ms, bool is_inside)
{
    return is_inside ? (uint32_t)bw_ns_to_ms(bw_lease_script_time_ns(bw_ms_to_ns(fence_ms))) : fence_ms;
}

bool bw_lease_cuts_script(uint32_t fence_ms, uint32_t limit_ms, bool is_inside)
{
    return limit_ms > bw_lease_script_ms(fence_ms, is_inside);
}

void bw_renewals_init(struct bw_renewals *renewals, struct bw_id session)
{
    *renewals = (struct bw_renewals){.session = session};
}

uint64_t bw_renewals_add(struct bw_renewals *renewals, struct bw_instant sent)
{
    const uint64_t number = ++renewals->last_number;

    BW_ASSERT(number != 0);
    renewals->open[number % BW_RENEWALS_MAX] = (struct bw_renewal){.number = number, .sent = sent};
    return number;
}

enum bw_err bw_renewals_find(const struct bw_renewals *renewals, struct bw_id session,
                             uint64_t number, struct bw_instant *out_sent)
{
    const struct bw_renewal *renewal = &renewals->open[number % BW_RENEWALS_MAX];

    if (number == 0 || renewal->number != number || !bw_id_equal(session, renewals->session))
        return BW_ERR_STALE;
    BW_ASSERT(number <= renewals->last_number);
    *out_sent = renewal->sent;
    return BW_OK;
}
