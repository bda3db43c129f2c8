/* rate.c - bounds on a site's rate from exchanges with its agent. Design 3.8. */
#include <breakwater/base/words.h>
#include <breakwater/core/rate.h>

#include <string.h>

#include <breakwater/base/assert.h>

#define PPM UINT64_C(1000000)
/* No advance counts for more: above the longest window, and its product with PPM fits. */
#define ADVANCE_NS_MAX (2 * BW_RATE_SLOTS * BW_RATE_GAP_NS_MAX)

_Static_assert(ADVANCE_NS_MAX < UINT64_MAX / (PPM + 1), "an advance in ppm of a nanosecond fits");
_Static_assert(BW_RATE_SLOTS *BW_RATE_SLOT_NS >= BW_RATE_BASELINE_NS + 2 * BW_RATE_SLOT_NS,
               "the slots reach back over the baseline");
_Static_assert(BW_DRIFT_PPM_MAX < PPM, "a clock that may stand still measures nothing");

/* ---- the agent's side ---- */

static struct bw_exchange *slot_for(struct bw_exchanges *exchanges, const char *witness)
{
    struct bw_exchange *oldest = &exchanges->list[0];

    BW_ASSERT(exchanges->count <= BW_WITNESSES_MAX);
    for (uint32_t i = 0; i < exchanges->count; i++) {
        if (strcmp(exchanges->list[i].witness, witness) == 0)
            return &exchanges->list[i];
        if (exchanges->list[i].number < oldest->number)
            oldest = &exchanges->list[i];
    }
    if (exchanges->count == BW_WITNESSES_MAX) {
        oldest->number = 0;
        return oldest;
    }
    exchanges->list[exchanges->count] = (struct bw_exchange){.number = 0};
    return &exchanges->list[exchanges->count++];
}

void bw_exchanges_note(struct bw_exchanges *exchanges, const struct bw_exchange *exchange)
{
    struct bw_exchange *entry;

    if (exchange->witness[0] == '\0' || exchange->number == 0)
        return;
    entry = slot_for(exchanges, exchange->witness);
    if (exchange->number > entry->number)
        *entry = *exchange;
}

/* ---- the witness's side ---- */

static uint64_t advance(uint64_t from_ns, uint64_t to_ns)
{
    const uint64_t passed_ns = to_ns > from_ns ? to_ns - from_ns : 0;

    return passed_ns < ADVANCE_NS_MAX ? passed_ns : ADVANCE_NS_MAX;
}

static uint64_t smaller_advance(struct bw_instant from, struct bw_instant to)
{
    const uint64_t boot_ns = advance(from.boot_ns, to.boot_ns);
    const uint64_t raw_ns = advance(from.raw_ns, to.raw_ns);

    return boot_ns < raw_ns ? boot_ns : raw_ns;
}

static uint64_t larger_advance(struct bw_instant from, struct bw_instant to)
{
    const uint64_t boot_ns = advance(from.boot_ns, to.boot_ns);
    const uint64_t raw_ns = advance(from.raw_ns, to.raw_ns);

    return boot_ns > raw_ns ? boot_ns : raw_ns;
}

static bool is_before(struct bw_instant a, struct bw_instant b)
{
    return a.boot_ns <= b.boot_ns && a.raw_ns <= b.raw_ns;
}

static int32_t less_one(uint64_t ratio_ppm)
{
    const int64_t difference = (int64_t)ratio_ppm - (int64_t)PPM;

    return difference < INT32_MAX ? (int32_t)difference : INT32_MAX;
}

static struct bw_rate_bounds bounds_of(const struct bw_rate_sample *first,
                                       const struct bw_rate_sample *second)
{
    const uint64_t witness_min_ns = smaller_advance(first->received, second->received);
    const uint64_t witness_max_ns = larger_advance(first->received, second->received);
    const uint64_t site_max_ns = larger_advance(first->sent, second->answered);
    const uint64_t site_min_ns = smaller_advance(first->answered, second->sent);

    BW_ASSERT(witness_min_ns > 0); /* only over the baseline (3.8) */
    BW_ASSERT(witness_min_ns <= witness_max_ns);
    BW_ASSERT(site_min_ns <= site_max_ns); /* whatever an agent says of its clocks: bounds stay bounds */
    return (struct bw_rate_bounds){
        .is_known = true,
        .lower_ppm = less_one(site_min_ns * PPM / witness_max_ns),
        .upper_ppm = less_one((site_max_ns * PPM + witness_min_ns - 1) / witness_min_ns),
    };
}

/* Against each older slot far enough away, of which that counts over which the site was slowest: a
 * clock that has just become slow is not averaged with what it was. */
static void judge_slot(struct bw_rate *rate, const struct bw_rate_sample *slot)
{
    const uint32_t count = rate->closed_count < BW_RATE_SLOTS ? rate->closed_count : BW_RATE_SLOTS;

    rate->bounds = (struct bw_rate_bounds){.is_known = false};
    for (uint32_t i = 0; i < count; i++) {
        const struct bw_rate_sample *older = &rate->closed[i];
        struct bw_rate_bounds bounds;

        if (smaller_advance(older->received, slot->received) < BW_RATE_BASELINE_NS)
            continue;
        bounds = bounds_of(older, slot);
        if (!rate->bounds.is_known || bounds.upper_ppm < rate->bounds.upper_ppm)
            rate->bounds = bounds;
    }
}

static void open_slot(struct bw_rate *rate, const struct bw_rate_sample *sample)
{
    rate->has_open = true;
    rate->open = *sample;
    rate->open_since = sample->received;
}

static bool goes_on(const struct bw_rate *rate, struct bw_id session,
                    const struct bw_rate_sample *sample, uint64_t gap_ns)
{
    if (gap_ns < BW_RATE_SLOT_NS)
        gap_ns = BW_RATE_SLOT_NS;
    if (gap_ns > BW_RATE_GAP_NS_MAX)
        gap_ns = BW_RATE_GAP_NS_MAX;
    return rate->has_open && bw_id_equal(rate->session, session) &&
           is_before(rate->newest.sent, sample->sent) &&
           is_before(rate->newest.received, sample->received) &&
           larger_advance(rate->newest.received, sample->received) <= gap_ns;
}

void bw_rate_add(struct bw_rate *rate, struct bw_id session, const struct bw_rate_sample *sample,
                 uint64_t gap_ns)
{
    if (!is_before(sample->sent, sample->answered))
        return; /* no clock does that: it measures nothing */
    if (!goes_on(rate, session, sample, gap_ns)) {
        *rate = (struct bw_rate){.session = session, .newest = *sample};
        open_slot(rate, sample);
        return;
    }
    rate->newest = *sample;
    if (smaller_advance(rate->open_since, sample->received) >= BW_RATE_SLOT_NS) {
        judge_slot(rate, &rate->open);
        rate->closed[rate->closed_count++ % BW_RATE_SLOTS] = rate->open;
        open_slot(rate, sample);
    } else if (larger_advance(sample->sent, sample->answered) <
               larger_advance(rate->open.sent, rate->open.answered)) {
        rate->open = *sample;
    }
}

/* ---- the verdict ---- */

BW_WORDS(bw_rate_word, enum bw_rate_verdict, BW_RATE_LIST, "unlisted")

int32_t bw_rate_slow_limit_ppm(uint32_t drift_ppm)
{
    const uint64_t bottom = PPM + drift_ppm;

    return -(int32_t)((2 * drift_ppm * PPM + bottom - 1) / bottom);
}

int32_t bw_rate_fast_limit_ppm(uint32_t drift_ppm)
{
    const uint64_t bottom = PPM - drift_ppm;

    return (int32_t)((2 * drift_ppm * PPM + bottom - 1) / bottom);
}

enum bw_rate_verdict bw_rate_judge(const struct bw_rate_bounds *bounds, uint32_t drift_ppm)
{
    BW_ASSERT(drift_ppm <= BW_DRIFT_PPM_MAX);
    if (!bounds->is_known)
        return BW_RATE_UNKNOWN;
    if (bounds->upper_ppm < bw_rate_slow_limit_ppm(drift_ppm))
        return BW_RATE_SLOW;
    if (bounds->lower_ppm > bw_rate_fast_limit_ppm(drift_ppm))
        return BW_RATE_FAST;
    return BW_RATE_WITHIN;
}
