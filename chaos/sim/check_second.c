/* check_second.c - what outlives the machine of its guard is ended in time by a second enforcer:
 * its deadline is never later than that of the lease, no renewal is confirmed on its account that
 * it has not armed, and where it could not act, its guard could (3.4). That nothing serves on,
 * check_invariants.c and check_invariants.c look at. */
#include "check_second.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/core/sync.h>

#include "agent.h"
#include "check_override.h"
#include "checks_own.h"
#include "guard.h"
#include "machine.h"
#include "plan.h"
#include "second.h"

static struct sim_second_watch *watch_of(const struct sim_world *world, uint32_t site)
{
    return &world->checks->second_watch[site];
}

/* ---- who can act ----------------------------------------------------------------------------- */

static bool is_well(const struct sim_process *process, uint32_t *life)
{
    const bool is_same = process->life == *life;

    *life = process->life;
    return is_same && process->health == SIM_ABLE && process->host->is_up &&
           !process->host->is_suspended;
}

/* Its process, its scripts or its machine. */
static bool is_enforcer_well(const struct sim_world *world, uint32_t site)
{
    const struct sim_second_site *second = sim_second_site(world, site);

    return is_well(second->enforcer, &watch_of(world, site)->life) &&
           second->scripts->health == SIM_ABLE;
}

static bool is_api_well(const struct sim_world *world, uint32_t site)
{
    static const struct sim_second_faults none;

    return memcmp(&sim_second_site(world, site)->faults, &none, sizeof none) == 0;
}

/* The guard, its machine, or its way to the API: its scripts. */
static bool is_guard_well(const struct sim_world *world, uint32_t site)
{
    static const struct sim_script_faults none;
    struct sim_process *guard = world->guards[site];
    const struct sim_machine *machine = sim_machine(guard->host);

    return is_well(guard, &watch_of(world, site)->guard_life) && !sim_guard_is_broken(guard) &&
           machine->scripts->health == SIM_ABLE && !machine->is_stubborn &&
           memcmp(&machine->faults, &none, sizeof none) == 0;
}

static void look_at_site(struct sim_world *world, uint32_t site)
{
    struct sim_second_watch *watch = watch_of(world, site);

    if (!is_enforcer_well(world, site))
        watch->unable_ns = world->now_ns;
    if (!is_api_well(world, site))
        watch->api_unable_ns = world->now_ns;
    if (!is_guard_well(world, site))
        watch->guard_unable_ns = world->now_ns;
}

/* As long as the lease lives, in true time: that of a machine that is gone is not over for that. */
static void look_at_lease(struct sim_world *world, uint32_t site, struct sim_second_lease *lease)
{
    const struct sim_second_watch *watch = watch_of(world, site);
    const struct sim_host *host = sim_site(world, site);

    if (lease->epoch == 0 || world->now_ns > lease->end_ns)
        return;
    if (host->is_up && !host->is_suspended && host->boots == lease->boots)
        lease->end_ns = sim_clock_reaches(host, lease->end);
    lease->has_second_failed |= watch->unable_ns >= lease->asked_ns ||
                                watch->api_unable_ns >= lease->looked_ns;
    lease->has_guard_failed |= watch->guard_unable_ns >= lease->sent_ns;
}

void sim_check_second(struct sim_world *world)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        look_at_site(world, site);
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            look_at_lease(world, site, &world->checks->second_leases[site][group]);
    }
}

/* The second enforcer (its process, its machine, or the API as it sees it) fails after it has said
 * what the newest confirmed renewal rests on, or what it is counted on for since, and the guard
 * (its process, its machine, or its way to the API) fails too since that was sent, both before its
 * lease has ended: whoever could end the service in time is gone (3.4). */
bool sim_check_second_excuses(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_second_lease *lease;

    if (!world->setting.has_second_enforcer || site >= world->setting.site_count)
        return false;
    lease = &world->checks->second_leases[site][group];
    return lease->epoch != 0 && lease->rests_on_second && lease->has_second_failed &&
           lease->has_guard_failed;
}

/* ---- what a renewal rests on ----------------------------------------------------------------- */

void sim_check_second_asks(struct sim_process *agent, const struct bw_second_ask *ask,
                           uint64_t asked_ns)
{
    struct sim_second_watch *watch = watch_of(sim_world_of(agent), agent->host->number);

    watch->contact_ns = sim_world_of(agent)->now_ns;
    watch->asked_ns = watch->looked_ns = asked_ns;
    for (uint32_t i = 0; i < ask->group_count; i++) {
        const uint64_t age_ns = ask->groups[i].report.service_age_ms * SIM_MS;
        const uint64_t looked_ns = age_ns < asked_ns ? asked_ns - age_ns : 0;

        if (looked_ns < watch->looked_ns)
            watch->looked_ns = looked_ns;
    }
}

/* So long what was heard last is believed (3.3), counted here; with what clocks beyond their bound
 * make of it. */
static uint64_t believed_ns(const struct sim_setting *setting)
{
    const uint64_t fresh_ms = 2 * (setting->terms.renew_interval_ms + 900) +
                              setting->terms.request_timeout_ms;

    return (fresh_ms + fresh_ms / 4) * SIM_MS;
}

/* What it says may come only after the newest renewal was confirmed: whoever hears of it counts on
 * it (A33), and from then on that lease rests on it too. */
static void rests_from_now(struct sim_world *world, uint32_t site, uint32_t group, uint64_t epoch)
{
    struct sim_second_lease *lease = &world->checks->second_leases[site][group];
    const struct sim_second_watch *watch = watch_of(world, site);

    if (lease->epoch != epoch || lease->rests_on_second)
        return;
    lease->rests_on_second = true;
    lease->has_second_failed = false;
    lease->asked_ns = watch->asked_ns;
    lease->looked_ns = watch->looked_ns;
}

void sim_check_second_sent(struct sim_process *agent, const struct bw_sync *sync,
                           struct sim_sent *sent)
{
    struct sim_world *world = sim_world_of(agent);
    const struct sim_second_watch *watch = watch_of(world, agent->host->number);

    sent->second_asked_ns = watch->asked_ns;
    sent->second_looked_ns = watch->looked_ns;
    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group = sim_group_find(world, sync->groups[i].name);

        if (group < 0 || sync->groups[i].report.second != BW_SECOND_IS_SEEN)
            continue;
        sent->second_seen |= 1u << group;
        rests_from_now(world, agent->host->number, (uint32_t)group,
                       sync->groups[i].report.epoch_seen);
        if (world->now_ns > watch->contact_ns + believed_ns(&world->setting) &&
            !sim_checks_is_excused(world, agent->host->number, (uint32_t)group))
            sim_fail(world, "second",
                     "%s says that a second enforcer of %s is seen, and has heard none for %" PRIu64
                     " ms",
                     agent->name, world->group_names[group],
                     (world->now_ns - watch->contact_ns) / SIM_MS);
    }
}

/* What the disk of the second enforcer holds. */
static uint64_t armed_epoch(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_file *file = sim_file_load(
        sim_second_host((struct sim_world *)(uintptr_t)world, site), SIM_SECOND_ENFORCER_FILE);
    struct bw_second_state state = {0};
    struct bw_diag diag = {0};
    uint64_t epoch = 0;

    if (file == NULL || bw_second_state_decode(file->bytes, file->size, &state, &diag) != BW_OK)
        return 0;
    for (uint32_t i = 0; i < state.group_count; i++)
        if (strcmp(state.groups[i].name, world->group_names[group]) == 0)
            epoch = state.groups[i].memory.epoch;
    bw_second_state_deinit(&state);
    return epoch;
}

static bool has_begun(const struct sim_world *world, uint32_t site, uint32_t group, uint64_t epoch)
{
    const struct sim_host *host = sim_site((struct sim_world *)(uintptr_t)world, site);

    return world->checks->started_epoch[group] == epoch &&
           strcmp(world->checks->started_at[group], host->name) == 0;
}

void sim_check_second_confirmed(struct sim_world *world, const struct sim_sent *sent,
                                uint32_t group, uint64_t epoch, struct bw_instant end, bool counts)
{
    struct sim_second_lease *lease;

    if (!world->setting.has_second_enforcer || sent->site >= world->setting.site_count)
        return;
    if (counts && has_begun(world, sent->site, group, epoch) &&
        armed_epoch(world, sent->site, group) < epoch)
        sim_fail(world, "second",
                 "a renewal of epoch %" PRIu64 " of %s at %s is confirmed on account of a second "
                 "enforcer, and none has armed it durably",
                 epoch, world->group_names[group], sim_site(world, sent->site)->name);
    if (counts && (sent->second_seen >> group & 1) == 0)
        sim_fail(world, "second",
                 "a renewal of epoch %" PRIu64 " of %s at %s is confirmed on account of a second "
                 "enforcer, and was sent when none was seen",
                 epoch, world->group_names[group], sim_site(world, sent->site)->name);
    if (counts)
        sim_count(world, "second:counts");
    lease = &world->checks->second_leases[sent->site][group];
    if (lease->epoch > epoch || (lease->epoch == epoch && lease->sent_ns >= sent->true_ns))
        return;
    *lease = (struct sim_second_lease){.epoch = epoch,
                                       .boots = sent->boots,
                                       .end = end,
                                       .end_ns = UINT64_MAX,
                                       .rests_on_second = (sent->second_seen >> group & 1) != 0,
                                       .asked_ns = sent->second_asked_ns,
                                       .looked_ns = sent->second_looked_ns,
                                       .sent_ns = sent->true_ns};
    /* Of a machine that is gone already nobody reads a clock. */
    if (sim_site(world, sent->site)->boots != sent->boots || !sim_site(world, sent->site)->is_up)
        lease->end_ns = sent->true_ns + 2 * world->setting.ttl_ms_max * SIM_MS;
    look_at_lease(world, sent->site, lease);
}

/* ---- its deadline ---------------------------------------------------------------------------- */

static uint64_t slowest_ns(const struct bw_terms *terms)
{
    return terms->ttl_ms * SIM_MS / (1000000 - terms->drift_ppm) * 1000000;
}

#define TOLERANCE_NS SIM_MS /* of clocks that are read one after the other */

/* Never after the last moment at which the slowest clock that is within its bound ends the lease.
 */
static void look_at_deadline(struct sim_process *enforcer, uint32_t group,
                             const struct bw_second *second)
{
    struct sim_world *world = sim_world_of(enforcer);
    const uint32_t site = enforcer->host->number;
    const struct sim_lease *lease = &world->checks->leases[site][group];
    const uint64_t memory_ns = 2 * world->setting.ttl_ms_max * SIM_MS;
    uint64_t end_ns, bound_ns;

    if (lease->epoch != second->memory.epoch || !sim_clock_is_steady(enforcer->host, memory_ns) ||
        !sim_clock_is_steady(sim_site(world, site), memory_ns))
        return;
    end_ns = sim_clock_reaches(enforcer->host, second->end);
    bound_ns = lease->sent_ns + slowest_ns(&lease->terms) + TOLERANCE_NS;
    if (end_ns > bound_ns)
        sim_fail(world, "second",
                 "%s would fence epoch %" PRIu64 " of %s %" PRIu64
                 " ms later than its lease can live",
                 enforcer->name, second->memory.epoch, world->group_names[group],
                 (end_ns - bound_ns) / SIM_MS);
}

void sim_check_second_steps(struct sim_process *enforcer, uint32_t group,
                            const struct bw_second *before, const struct bw_second *after)
{
    const bool is_moved = before->end.boot_ns != after->end.boot_ns ||
                          before->end.raw_ns != after->end.raw_ns;

    if (after->phase != before->phase && after->phase == BW_SECOND_FENCED)
        sim_count(sim_world_of(enforcer), "second:sees_end");
    if (is_moved && after->phase == BW_SECOND_ARMED)
        look_at_deadline(enforcer, group, after);
}

/* ---- its fence ------------------------------------------------------------------------------- */

void sim_check_second_answered(const struct sim_process *enforcer, uint64_t asked_ns)
{
    const struct sim_world *world = sim_world_of(enforcer);

    watch_of(world, enforcer->host->number)->answered_ns = asked_ns;
}

/* In calm nothing lapses. What goes on fencing the epoch before one that it never heard of, which
 * was lost with its machine, is refused until an epoch of its site arms it again (3.4). */
void sim_check_second_begins(struct sim_world *world, uint32_t site, uint32_t group, uint64_t epoch)
{
    const char *name = sim_site(world, site)->name;

    sim_count(world, "second:fences");
    watch_of(world, site)->begun_after_ns[group] = watch_of(world, site)->answered_ns;
    if (sim_checks_is_calm(world, site) && !sim_service_refuses_fence(world, name, group, epoch))
        sim_fail(world, "liveness",
                 "the second enforcer of %s fences epoch %" PRIu64 " of %s in calm", name, epoch,
                 world->group_names[group]);
}

/* Who has slept since before the override, or has asked in vain or an agent that was made anew and
 * has forgotten the epoch, ends at once what it had armed. */
static bool knows_of_override(struct sim_world *world, uint32_t site, uint32_t group,
                              uint64_t epoch)
{
    struct sim_agent *agent = world->agents[site][0]->state;

    return watch_of(world, site)->begun_after_ns[group] >
               sim_check_override_since(world, site, group) &&
           (agent == NULL || sim_agent_store_memory(agent, group)->epoch >= epoch);
}

void sim_check_second_fences(struct sim_world *world, uint32_t site, uint32_t group, uint64_t epoch)
{
    const struct sim_host *host = sim_site(world, site);

    if (sim_machine(host)->services[group].is_up && !host->is_up)
        sim_count(world, "second:ends_alone");
    if (knows_of_override(world, site, group, epoch))
        sim_check_override_fences(world, site, group,
                                  "is fenced by its second enforcer while it overrides");
}

/* ---- calm ------------------------------------------------------------------------------------ */

void sim_check_second_settled(struct sim_world *world)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        for (uint32_t site = 0; site < world->setting.site_count; site++) {
            const struct sim_second_lease *lease = &world->checks->second_leases[site][group];

            if ((world->checks->serving[group] >> site & 1) == 0 ||
                world->upgrade.level < BW_SECOND_LEVEL || world->now_ns > lease->end_ns)
                continue;
            if (!lease->rests_on_second)
                sim_fail(world, "liveness",
                         "%s is served at %s, and its second enforcer does not count",
                         world->group_names[group], sim_site(world, site)->name);
        }
}
