/* An operator at a site. Without a quorum, and what the agent knows for that: since when no leader answers, how long a
 * lease may be, whether all know what an override is (3.8). And the proof of a reach (3.4). */
#include "agent_internal.h"

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>

static uint32_t wait_ms(const struct bw_terms *terms)
{
    const uint64_t ms = (bw_expiry_wait_ns(terms) + BW_NS_PER_MS - 1) / BW_NS_PER_MS;

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* Whoever holds a witness's key may say that it leads, and that no lease is long: of all that was
 * ever heard the longest counts, and no more than there can be. */
void bw_agent_overrides_hear_wait(struct bw_agent_machine *machine, uint32_t wait_ms)
{
    const uint32_t possible_ms = wait_ms < BW_LONGEST_WAIT_MS_MAX ? wait_ms
                                                                  : BW_LONGEST_WAIT_MS_MAX;

    if (possible_ms > machine->longest_wait_ms)
        machine->longest_wait_ms = possible_ms;
}

/* What a leader told of all leases, and what this group's terms say: the longer. */
uint32_t bw_agent_machine_override_wait_ms(const struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site *site = &machine->groups[group].site;
    uint32_t longest_ms = machine->longest_wait_ms;

    if (longest_ms == 0)
        return 0;
    if (wait_ms(&site->memory.terms) > longest_ms)
        longest_ms = wait_ms(&site->memory.terms);
    return wait_ms(&site->order.terms) > longest_ms ? wait_ms(&site->order.terms) : longest_ms;
}

/* Shorter than the wait and its own fence it would serve for no moment. */
static bool is_for_too_short(const struct bw_agent_machine *machine, uint32_t group, uint32_t for_ms)
{
    const uint64_t fence_ms = bw_site_override_fence_ns(&machine->groups[group].site) / BW_NS_PER_MS;

    return for_ms < BW_OVERRIDE_FOR_MS_MIN ||
           for_ms <= bw_agent_machine_override_wait_ms(machine, group) + fence_ms;
}

enum bw_override_refusal bw_agent_machine_judge_override(const struct bw_agent_machine *machine,
                                                         uint32_t group, uint32_t for_ms)
{
    const struct bw_site *site = &machine->groups[group].site;
    const uint64_t silent_ns = bw_instant_elapsed_ns(bw_agent_now(machine),
                                                     machine->leader_contact);
    const enum bw_override_refusal refusal = bw_site_judge_override(site, silent_ns);

    BW_ASSERT(group < machine->group_count);
    if (refusal != BW_OVERRIDE_REFUSAL_NONE)
        return refusal;
    if (machine->feature_level <
        BW_OVERRIDE_LEVEL) /* unknown is no yes: others might not heed it */
        return BW_OVERRIDE_REFUSAL_LEVEL;
    if (machine->guard.feature_level < BW_MANUAL_LEVEL)
        return BW_OVERRIDE_REFUSAL_GUARD;
    if (bw_agent_machine_override_wait_ms(machine, group) == 0)
        return BW_OVERRIDE_REFUSAL_WAIT_UNKNOWN;
    if (for_ms != 0 && (for_ms > BW_OVERRIDE_FOR_MS_MAX || is_for_too_short(machine, group, for_ms)))
        return BW_OVERRIDE_REFUSAL_FOR;
    return BW_OVERRIDE_REFUSAL_NONE;
}

void bw_agent_on_override(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    const struct bw_override_wish wish = {
        .wait_ms = bw_agent_machine_override_wait_ms(machine, event->group),
        .for_ms = event->for_ms,
        .unix_ms = event->unix_ms};
    const bool is_end = event->kind == BW_AGENT_EVENT_OVERRIDE_END;
    const struct bw_site_event asked = {
        .kind = is_end ? BW_SITE_EVENT_OVERRIDE_END : BW_SITE_EVENT_OVERRIDE, .wish = &wish};

    BW_ASSERT(event->group < machine->group_count);
    if (is_end ||
        bw_agent_machine_judge_override(machine, event->group, event->for_ms) == BW_OVERRIDE_REFUSAL_NONE)
        bw_agent_step_group(machine, event->group, &asked);
}

void bw_agent_overrides_answered(struct bw_agent_machine *machine)
{
    const struct bw_site_event answered = {.kind = BW_SITE_EVENT_LEADER_ANSWERED};

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (machine->groups[i].site.memory.override != BW_OVERRIDE_NONE)
            bw_agent_step_group(machine, i, &answered);
}

/* 3.8: a machine that was paused may find both of its clocks where they were. Its wall clock is set once it goes on, and
 * only ever ends a manual lease earlier. */
void bw_agent_overrides_look_at_wall(struct bw_agent_machine *machine)
{
    const struct bw_site_event late = {.kind = BW_SITE_EVENT_OVERRIDE_LATE};
    const struct bw_agent_driver *driver = &machine->setup.driver;

    for (uint32_t i = 0; i < machine->group_count && driver->wall_ms != NULL; i++) {
        const struct bw_site_memory *memory = &machine->groups[i].site.memory;
        const bool lives = memory->override == BW_OVERRIDE_WAITING ||
                           memory->override == BW_OVERRIDE_OVERRIDING;

        if (lives && memory->override_end_unix_ms - memory->override_fence_ms <= driver->wall_ms(driver->user))
            bw_agent_step_group(machine, i, &late);
    }
}

/* ---- the proof of a reach (3.4) --------------------------------------------------------------- */

/* A guard of before would run the stop script, and prove nothing. */
enum bw_proof_word bw_agent_machine_judge_proof(const struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site *site = &machine->groups[group].site;

    BW_ASSERT(group < machine->group_count);
    if (bw_site_is_greeted(site) && machine->guard.feature_level < BW_PROOF_LEVEL)
        return BW_PROOF_WORD_GUARD;
    return bw_site_judge_proof(site, bw_agent_now(machine));
}

void bw_agent_on_prove(struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site_event asked = {.kind = BW_SITE_EVENT_PROVE};

    if (bw_agent_machine_judge_proof(machine, group) == BW_PROOF_WORD_NONE)
        bw_agent_step_group(machine, group, &asked);
}
