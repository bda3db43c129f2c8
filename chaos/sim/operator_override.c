/* operator_override.c - no quorum answers, for a while or for long, and somebody at a site looks
 * around: no other site serves, and none can begin to by itself beyond its lease. He overrides
 * there (break-glass, design 3.8). He may be wrong about what comes: the quorum is back at any
 * moment, and hears his site or does not; another person overrides somewhere else; the witnesses
 * are recovered; the group is let go or deleted. Meanwhile what he relies on dies, at each of its
 * moments. Some end it by hand, and look around again. `a`, `b`: the sites whose people do so (`b`:
 * NONE, there is one only); `c`: when the next thing happens; `others`: bits of the witnesses that
 * are away, and above them of the sites that hear none. */
#include "override.h"

#include <string.h>

#include "agent.h"
#include "check.h"
#include "check_durable.h"
#include "check_override.h"
#include "checks.h"
#include "machine.h"
#include "net.h"
#include "operator.h"
#include "site.h"
#include "witness.h"

#define LOOK_NS             (500 * SIM_MS)
#define NONE                UINT32_MAX
#define SITES_AT            16 /* in `others` */
#define MEND_NS             (5 * SIM_S)
#define LOOKS_BEFORE_ENDING 8            /* of MEND_NS: what ends by itself comes first */
#define OFF_NS              (20 * SIM_S) /* until nobody counts on it any more */
#define ENDS_PER_MILLION    30000        /* at each look, where he ends it by hand */
#define DECIDES_PER_MILLION 60000        /* at each look, once somebody leads again */
#define BREAKS_PER_MILLION  400000       /* at each moment */

enum { STAGE_LOST, STAGE_RETURNING, STAGE_BACK };

/* ---- what is drawn with the incident
 * ------------------------------------------------------------- */

enum loss { DEAD, APART, CUT_OFF, LOSSES };

static enum loss loss_of(const struct sim_incident *incident)
{
    return (enum loss)(incident->salt % LOSSES);
}
static bool ends_by_hand(const struct sim_incident *incident)
{
    return (incident->salt >> 8 & 3) == 0;
}
/* The quorum is back, and does not hear of it: beyond what is promised, until it does (3.8). */
static bool stays_cut_off(const struct sim_incident *incident)
{
    return (incident->salt >> 10 & 3) == 0;
}
static bool holder_dies(const struct sim_incident *incident)
{
    return (incident->salt >> 12 & 1) == 0;
}
static bool is_decided_on(const struct sim_incident *incident)
{
    return (incident->salt >> 13 & 3) == 0;
}

static uint64_t within_ns(struct sim_incident *incident, uint64_t max_ns)
{
    return 50 * SIM_MS + bw_prng_below(&incident->chance, max_ns);
}

/* ---- lost, and back
 * ------------------------------------------------------------------------------ */

static void set_reachable(struct sim_world *world, uint32_t site, bool is_reachable)
{
    const uint32_t host = sim_site(world, site)->index;

    for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++) {
        const uint32_t witness = sim_witness_host(world, w)->index;

        sim_net_cut(world, host, witness, !is_reachable);
        sim_net_cut(world, witness, host, !is_reachable);
    }
}

static void site_is_reachable(struct sim_world *world, struct sim_incident *incident, uint32_t site)
{
    const uint32_t bit = 1u << (SITES_AT + site);

    if ((incident->others & bit) == 0)
        return;
    incident->others &= ~bit;
    sim_plan_tell(world, incident, sim_site(world, site), "hears the witnesses again");
    set_reachable(world, site, true);
}

static void lose_witnesses(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t w = 0; w < world->witness_count; w++) {
        struct sim_host *host = sim_witness_host(world, w);

        incident->others |= 1u << w;
        if (loss_of(incident) == DEAD)
            sim_host_lose_power(host);
        else
            sim_net_cut_around(world, host->index, true, true, true);
    }
}

static void witness_is_back(struct sim_world *world, struct sim_incident *incident,
                            uint32_t witness)
{
    struct sim_host *host = sim_witness_host(world, witness);

    if ((incident->others >> witness & 1) == 0)
        return;
    incident->others &= ~(1u << witness);
    if (loss_of(incident) == DEAD)
        sim_host_boot(host);
    else
        sim_net_cut_around(world, host->index, true, true, false);
}

static void lose(struct sim_world *world, struct sim_incident *incident)
{
    if (loss_of(incident) != CUT_OFF) {
        lose_witnesses(world, incident);
        return;
    }
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        incident->others |= 1u << (SITES_AT + site);
        set_reachable(world, site, false);
    }
}

/* What comes back at its own time: a witness, or above SITES_AT a site. */
static void one_is_back(struct sim_world *world, uint64_t argument)
{
    struct sim_incident *incident = &world->plan->incidents[argument >> 8];
    const uint32_t which = argument & 0xff;

    if (!incident->is_active)
        return;
    if (which >= SITES_AT)
        site_is_reachable(world, incident, which - SITES_AT);
    else
        witness_is_back(world, incident, which);
}

static void plan_returns(struct sim_world *world, struct sim_incident *incident)
{
    const bool together = sim_chance(&incident->chance, 500000);
    uint64_t at_ns = world->now_ns;

    if (stays_cut_off(incident) && loss_of(incident) != CUT_OFF) {
        incident->others |= 1u << (SITES_AT + incident->a);
        set_reachable(world, incident->a, false);
    }
    for (uint32_t which = 0; which < SITES_AT + world->setting.site_count; which++) {
        if ((incident->others >> which & 1) == 0 ||
            (stays_cut_off(incident) && which == SITES_AT + incident->a))
            continue; /* that one is not heard before the end */
        if (!together)
            at_ns = world->now_ns + within_ns(incident, 20 * SIM_S);
        sim_world_at(world, at_ns, one_is_back, sim_plan_number(world, incident) << 8 | which);
    }
}

/* ---- what somebody sees who looks around
 * ---------------------------------------------------------- */

/* Nothing there can begin to serve but under a lease, which the wait is for (3.8): no start is at
 * work where its lease is over, and none of what only scripts end is under way, or may be ordered
 * (3.4). */
static bool is_quiet(const struct sim_host *host, uint32_t group)
{
    const struct sim_machine *machine = sim_machine(host);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (!host->is_up)
        return !sim_service_is_serving(host, group);
    if (machine->services[group].is_up)
        return false;
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++)
        if (machine->runs[i].is_used && machine->runs[i].order.group == group &&
            machine->runs[i].order.slot == SIM_SLOT_SERVICE)
            return false;
    sim_check_read_guard(host, group, &memory, &mirror);
    return mirror.armed_epoch == 0 || (mirror.armed_serial == 0 && mirror.armed_epoch <= memory.ended_epoch) ||
           !(machine->services[group].is_outside || machine->units[group].comes_again ||
             sim_scripts_start_outside(machine, group, sim_site_scripts(host, group)));
}

/* Another's override he sees as soon as it serves. */
static bool sees_nobody_else(struct sim_world *world, uint32_t site, uint32_t group)
{
    if (sim_clone(world)->is_up)
        return false; /* it would be another site to look at, and has the name of one */
    for (uint32_t other = 0; other < world->setting.site_count; other++)
        if (other != site && !is_quiet(sim_site(world, other), group))
            return false;
    return true;
}

void sim_operator_look_and_override(struct sim_world *world, uint32_t site)
{
    const struct sim_host *host = sim_site(world, site);

    if (!host->is_up || host->is_suspended)
        return;
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (sim_override_kept(host, group) == SIM_OVERRIDE_NONE &&
            sees_nobody_else(world, site, group))
            sim_override_order(world, site, group);
}

/* ---- what breaks at its moments
 * ------------------------------------------------------------------ */

enum breakage { KILL_AGENT, KILL_GUARD, FREEZE_AGENT, POWER, CUT, BREAKAGES };

static void mend(struct sim_world *world, uint64_t argument)
{
    const uint32_t site = argument & 0xff;

    switch ((enum breakage)(argument >> 8)) {
    case KILL_AGENT:
        sim_process_let_return(world->agents[site][0]);
        break;
    case KILL_GUARD:
        sim_process_let_return(world->guards[site]);
        break;
    case FREEZE_AGENT:
        sim_process_thaw(world->agents[site][0]);
        break;
    case POWER:
        sim_host_boot(sim_site(world, site));
        break;
    case CUT:
        set_reachable(world, site, true);
        break;
    case BREAKAGES:
        break;
    }
}

static void break_it(struct sim_world *world, struct sim_incident *incident, uint32_t site)
{
    const enum breakage breakage = (enum breakage)bw_prng_below(&incident->chance, BREAKAGES);
    const uint64_t ns = within_ns(incident, 10 * SIM_S);
    struct sim_host *host = sim_site(world, site);
    const bool is_process = breakage == KILL_AGENT || breakage == KILL_GUARD ||
                            breakage == FREEZE_AGENT;

    if (world->now_ns + ns > incident->until_ns || !host->is_up || host->is_suspended ||
        (is_process && !sim_plan_takes_site(world, site, ns)))
        return;
    if (breakage == KILL_AGENT)
        sim_process_keep_down(world->agents[site][0]);
    else if (breakage == KILL_GUARD)
        sim_process_keep_down(world->guards[site]);
    else if (breakage == FREEZE_AGENT)
        sim_process_freeze(world->agents[site][0]);
    else if (breakage == POWER)
        sim_host_lose_power(host);
    else
        set_reachable(world, site, false);
    sim_count(world, "override:broken");
    sim_world_at(world, world->now_ns + ns, mend, (uint64_t)breakage << 8 | site);
}

/* As somebody sees it who stands beside it: what is durable, and whether it serves. */
static uint32_t moment_of(const struct sim_host *host, uint32_t group)
{
    return (uint32_t)sim_override_kept(host, group) << 1 |
           (sim_service_is_serving(host, group) ? 1 : 0);
}

static void watch(struct sim_world *world, struct sim_incident *incident, uint32_t site)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        uint32_t *seen = &world->plan->override_seen[site][group];
        const uint32_t moment = moment_of(sim_site(world, site), group);

        if (moment == *seen)
            continue;
        *seen = moment;
        if (sim_chance(&incident->chance, BREAKS_PER_MILLION))
            break_it(world, incident, site);
    }
}

/* ---- what people decide meanwhile
 * ---------------------------------------------------------------- */

static bool is_any_on(const struct sim_world *world, uint32_t site, uint32_t group)
{
    return sim_override_kept(sim_site((struct sim_world *)(uintptr_t)world, site), group) !=
           SIM_OVERRIDE_NONE;
}

static void end_some(struct sim_world *world, struct sim_incident *incident, uint32_t site)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (is_any_on(world, site, group) && sim_chance(&incident->chance, ENDS_PER_MILLION))
            sim_override_end(world, site, group);
}

/* Of a group that has just found its quorum again. */
static void decide(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t number = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    const struct bw_group *group = sim_operator_group(world, number);
    struct bw_command command;

    if (group == NULL || !sim_chance(&incident->chance, DECIDES_PER_MILLION))
        return;
    if (group->phase == BW_PHASE_VACANT && sim_chance(&incident->chance, 500000)) {
        command = sim_operator_about(world, BW_COMMAND_DELETE, number);
        if (sim_operator_submit(world, &command))
            sim_count(world, "override:deleted_meanwhile");
        return;
    }
    command = sim_operator_about(world, BW_COMMAND_SET_MODE, number);
    command.mode = BW_MODE_OBSERVE;
    if (sim_operator_submit(world, &command)) {
        sim_count(world, "override:observed_meanwhile");
        sim_world_at(world, world->now_ns + within_ns(incident, 20 * SIM_S), sim_operator_try_auto,
                     number);
    }
}

/* ---- what nobody but a person can end
 * ------------------------------------------------------------ */

static bool is_ending(const struct sim_world *world, uint32_t site, uint32_t group)
{
    return sim_override_kept(sim_site((struct sim_world *)(uintptr_t)world, site), group) ==
           SIM_OVERRIDE_ENDING;
}

/* One that overrides, or is served beside: where there are two nobody is granted (3.8). */
static uint32_t count_of(struct sim_world *world, uint32_t group, uint32_t *out_serving)
{
    uint32_t count = 0;

    *out_serving = 0;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const bool is_on = is_any_on(world, site, group);
        const bool is_beside = !is_on && sim_service_is_serving(sim_site(world, site), group);

        count += is_on || is_beside;
        *out_serving += is_beside;
    }
    return count;
}

static void boot(struct sim_world *world, uint64_t site)
{
    sim_host_boot(sim_site(world, (uint32_t)site));
}

/* All overrides but one, or all of them beside what serves otherwise. What its scripts cannot end
 * ends with its machine, and what outlives that by hand. */
static void end_all_but_one(struct sim_world *world, uint32_t group, bool is_served)
{
    bool is_found = is_served;

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        if (is_ending(world, site, group)) {
            sim_count(world, "override:mended");
            sim_host_lose_power(sim_site(world, site));
            sim_service_down(sim_machine(sim_site(world, site)), group, "somebody has ended it");
            sim_world_at(world, world->now_ns + OFF_NS, boot, site);
        } else if (is_any_on(world, site, group)) {
            if (is_found)
                sim_override_end(world, site, group);
            is_found = true;
        }
    }
}

void sim_operator_end_doubles(struct sim_world *world, uint64_t note)
{
    const uint32_t group = note & 0xff;
    const uint64_t tries = note >> 8;
    uint32_t serving;
    const uint32_t count = count_of(world, group, &serving);
    bool is_unended = false;

    for (uint32_t site = 0; site < world->setting.site_count; site++)
        is_unended |= is_ending(world, site, group);
    if (count - serving == 0 || (count < 2 && !is_unended))
        return;
    if (tries % LOOKS_BEFORE_ENDING == LOOKS_BEFORE_ENDING - 1)
        end_all_but_one(world, group, serving > 0);
    sim_world_at(world, world->now_ns + MEND_NS, sim_operator_end_doubles,
                 group | (tries + 1) << 8);
}

/* ---- the whole of it
 * ----------------------------------------------------------------------------- */

static void look_around(struct sim_world *world, struct sim_incident *incident)
{
    sim_operator_look_and_override(world, incident->a);
    if (incident->b != NONE)
        sim_operator_look_and_override(world, incident->b);
}

static uint64_t go_on(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == STAGE_LOST)
        look_around(world, incident);
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        watch(world, incident, site);
        if (ends_by_hand(incident))
            end_some(world, incident, site);
    }
    if (incident->stage != STAGE_LOST && is_decided_on(incident))
        decide(world, incident);
    if (incident->stage == STAGE_LOST && world->now_ns >= incident->c) {
        incident->stage = STAGE_RETURNING;
        sim_plan_tell(world, incident, sim_site(world, incident->a),
                      "the quorum is about to be back");
        plan_returns(world, incident);
    }
    return LOOK_NS;
}

/* The site where it is held is lost with the quorum, for a while: who overrides sees that it is
 * off. */
static void lose_holder(struct sim_world *world, struct sim_incident *incident, uint32_t group)
{
    const struct bw_group *found = sim_operator_group(world, group);
    struct sim_host *host = found == NULL ? NULL : sim_operator_holder(world, found);

    if (host == NULL || !host->is_up || host->number == incident->a || host->number == incident->b)
        return;
    sim_host_lose_power(host);
    sim_world_at(world, world->now_ns + within_ns(incident, incident->until_ns - world->now_ns),
                 mend, (uint64_t)POWER << 8 | host->number);
}

static bool begin(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t sites = world->setting.site_count;

    if (world->plan->is_overriding || world->plan->is_recovering)
        return false;
    world->plan->is_overriding = true;
    incident->a = (uint32_t)bw_prng_below(&incident->chance, sites);
    incident->b = sites > 1 && sim_chance(&incident->chance, 250000)
                      ? (incident->a + 1 + (uint32_t)bw_prng_below(&incident->chance, sites - 1)) %
                            sites
                      : NONE;
    incident->others = 0;
    incident->stage = STAGE_LOST;
    /* Before anybody overrides, while somebody waits, or long after. */
    incident->c = world->now_ns + within_ns(incident, incident->until_ns - world->now_ns);
    if (holder_dies(incident))
        lose_holder(world, incident, 0);
    lose(world, incident);
    incident->look = go_on;
    return true;
}

static void all_is_back(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++)
        witness_is_back(world, incident, w);
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        site_is_reachable(world, incident, site);
    world->plan->is_overriding = false;
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        sim_operator_end_doubles(world, group);
}

/* ---- without a reason: the witnesses answer
 * ------------------------------------------------------- */

/* He is refused, or it comes to nothing. */
static bool without_need(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t group = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count);
    if (sim_operator_leader(world) == NULL || !sim_site(world, incident->a)->is_up ||
        !sees_nobody_else(world, incident->a, group) ||
        sim_override_kept(sim_site(world, incident->a), group) != SIM_OVERRIDE_NONE)
        return false;
    sim_override_order(world, incident->a, group);
    return true;
}

const struct sim_incident_kind sim_operator_override[] = {
    {"override", SIM_PEOPLE, true, 6, 20000, 240000, begin, all_is_back},
    {"override-needless", SIM_PEOPLE, true, 2, 0, 0, without_need, NULL},
    {.name = NULL},
};
