/* shrink.c - delta debugging over the incidents of a run: halves, quarters, ..., single ones (Zeller
 * and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002), in one direction. */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "plan.h"
#include "story.h"

struct shrinking {
    struct sim_order order;
    bool is_left_out[SIM_PLAN_MAX];
    uint32_t list[SIM_PLAN_MAX];
    uint32_t incident_count, tries, tries_max;
    struct sim_result failing;
};

static uint32_t list_left_out(struct shrinking *shrinking)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < shrinking->incident_count; i++)
        if (shrinking->is_left_out[i])
            shrinking->list[count++] = i;
    return count;
}

static bool still_fails(struct shrinking *shrinking)
{
    struct sim_result result;

    shrinking->tries++;
    shrinking->order.left_out_count = list_left_out(shrinking);
    shrinking->order.left_out = shrinking->list;
    sim_run_apart(&shrinking->order, &result);
    if (!result.has_failed || strcmp(result.property, shrinking->failing.property) != 0)
        return false;
    shrinking->failing = result;
    return true;
}

/* What begins after the failure has nothing to do with it. */
static void leave_out_rest(struct shrinking *shrinking)
{
    struct sim_setting setting;
    struct sim_plan *plan;

    sim_setting_draw(&setting, shrinking->order.seed, shrinking->order.mode == SIM_MODE_LIVENESS,
                     shrinking->order.length_ns, shrinking->order.often);
    plan = sim_plan_new(&setting);
    BW_ASSERT(plan != NULL);
    for (uint32_t i = 0; i < plan->count; i++)
        if (plan->incidents[i].at_ns > SIM_BEGIN_NS + shrinking->failing.lived_ns)
            shrinking->is_left_out[i] = true;
    sim_plan_free(plan);
}

/* Tries to do without the kept incidents [first, first + size) (counted among the kept). */
static bool try_without(struct shrinking *shrinking, uint32_t first, uint32_t size)
{
    bool before[SIM_PLAN_MAX];
    uint32_t kept = 0;

    memcpy(before, shrinking->is_left_out, sizeof before);
    for (uint32_t i = 0; i < shrinking->incident_count; i++) {
        if (before[i])
            continue;
        if (kept >= first && kept < first + size)
            shrinking->is_left_out[i] = true;
        kept++;
    }
    if (still_fails(shrinking))
        return true;
    memcpy(shrinking->is_left_out, before, sizeof before);
    return false;
}

static uint32_t kept_count(struct shrinking *shrinking)
{
    return shrinking->incident_count - list_left_out(shrinking);
}

void sim_shrink(const struct sim_order *order, uint32_t tries_max, uint32_t *out_left_out,
                uint32_t *out_count, struct sim_result *out_result)
{
    struct shrinking *shrinking = calloc(1, sizeof *shrinking);
    uint32_t size;

    BW_ASSERT(shrinking != NULL);
    shrinking->order = *order;
    shrinking->order.story_lines = 0;
    shrinking->tries_max = tries_max;
    sim_run_apart(&shrinking->order, &shrinking->failing);
    shrinking->incident_count = shrinking->failing.incident_count;
    if (shrinking->incident_count == 0)
        shrinking->incident_count = SIM_PLAN_MAX; /* it crashed: nobody told */
    else
        leave_out_rest(shrinking);
    size = kept_count(shrinking) / 2;
    while (size > 0 && shrinking->tries < shrinking->tries_max) {
        uint32_t first = 0;

        while (first < kept_count(shrinking) && shrinking->tries < shrinking->tries_max)
            if (!try_without(shrinking, first, size))
                first += size;
        (void)fprintf(stderr, "shrink: %u incidents left after %u runs\n", kept_count(shrinking),
                      shrinking->tries);
        size = size > 1 ? (size + 1) / 2 : 0;
    }
    *out_count = list_left_out(shrinking);
    memcpy(out_left_out, shrinking->list, *out_count * sizeof *out_left_out);
    *out_result = shrinking->failing;
    free(shrinking);
}
