/* operator_recovery.c - a majority of the witnesses is lost for good, and a person begins the cluster anew: by `recover`
 * on one that is left, which may lag behind, or, where none is, by `snapshot restore` of a state that was saved a while
 * ago; then adds witnesses. Those that were lost are back after all, with all that they had, one by one or as the
 * majority of before; or they were never gone, but cut off from who recovers. Design 3.9. `a`: who recovers; `b`: as
 * sim_operator_grow; `c`: when the next thing happens; `others`: bits of the machines that are lost, and above them of
 * those that were. */
#include <string.h>

#include <breakwater/base/bytes.h>

#include "check.h"
#include "check_lease.h"
#include "checks.h"
#include "net.h"
#include "operator.h"
#include "override.h"
#include "recovery.h"
#include "site.h"
#include "witness_members.h"

#define LOOK_NS   (200 * SIM_MS)
#define NONE      UINT32_MAX
#define VOTERS    3
#define WERE_AT   16
#define AT_ONCE_NS (5 * SIM_S) /* before every site has heard of the new generation */
#define OVERRIDDEN_NS (90 * SIM_S) /* longer than who overrides has to wait, or shorter */

enum { STAGE_BEFORE, STAGE_LOST, STAGE_BEGUN, STAGE_DONE };

/* ---- what is drawn with the incident ------------------------------------------------------------- */

/* The lost ones run on, and are cut off from who recovers: the others lose their power. */
static bool are_cut_off(const struct sim_incident *incident)
{
    return (incident->salt & 1) != 0;
}
static bool return_together(const struct sim_incident *incident)
{
    return (incident->salt & 2) != 0;
}
/* A site is cut off from who recovers, and a person answers for it. */
static bool is_site_lost_too(const struct sim_incident *incident)
{
    return (incident->salt & 12) == 0;
}

/* Somebody at a site does not wait for it (3.8). */
static bool is_overridden(const struct sim_incident *incident)
{
    return (incident->salt & 16) != 0;
}

static bool is_restore(const struct sim_world *world)
{
    return world->plan->saved != NULL;
}

static uint64_t within_ns(struct sim_incident *incident, uint64_t max_ns)
{
    return 50 * SIM_MS + bw_prng_below(&incident->chance, max_ns);
}

static bool is_lost(const struct sim_incident *incident, uint32_t machine)
{
    return (incident->others >> machine & 1) != 0;
}

static struct sim_host *host_of(struct sim_world *world, uint32_t machine)
{
    return world->witnesses[machine]->host;
}

/* ---- lost ---------------------------------------------------------------------------------------- */

static bool is_whole(const struct sim_world *world, const struct sim_process *witness)
{
    return witness->host->is_up && !witness->host->is_suspended && !sim_witness_is_wiped(witness) &&
           !sim_checks_is_vote_away(witness) &&
           !world->plan->is_witness_taken[witness->host->number];
}

/* The machines of members that nothing else is about; 0: it is about one of them. */
static uint32_t find_members(const struct sim_world *world, const struct bw_roster *roster)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < roster->count; i++) {
        const struct sim_process *witness = sim_witness_of_id(world, roster->members[i].id);

        if (witness == NULL || !is_whole(world, witness))
            return 0;
        found |= 1u << witness->host->number;
    }
    return found;
}

static void take(struct sim_world *world, const struct sim_incident *incident, bool is_taken)
{
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++)
        if ((incident->others >> WERE_AT >> i & 1) != 0 || i == incident->a)
            world->plan->is_witness_taken[i] = is_taken;
    if (!is_taken && incident->b != NONE)
        world->plan->is_witness_taken[incident->b] = false;
    world->plan->is_recovering = is_taken;
}

static void cut_off(struct sim_world *world, const struct sim_incident *incident, uint32_t machine,
                    bool is_cut)
{
    const uint32_t one = host_of(world, incident->a)->index;
    const uint32_t other = host_of(world, machine)->index;

    sim_net_cut(world, one, other, is_cut);
    sim_net_cut(world, other, one, is_cut);
}

static void lose(struct sim_world *world, struct sim_incident *incident)
{
    incident->others = incident->others >> WERE_AT << WERE_AT | incident->others >> WERE_AT;
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++) {
        if (!is_lost(incident, i))
            continue;
        if (are_cut_off(incident)) {
            cut_off(world, incident, i, true);
            continue;
        }
        sim_host_lose_power(host_of(world, i));
        host_of(world, i)->is_lost = true;
    }
    sim_plan_tell(world, incident, host_of(world, incident->a), "all others are lost");
    incident->stage = STAGE_LOST;
    incident->c = world->now_ns +
                  within_ns(incident, is_overridden(incident) && !are_cut_off(incident)
                                          ? OVERRIDDEN_NS
                                          : 15 * SIM_S);
}

static void come_back(struct sim_world *world, struct sim_incident *incident, uint32_t machine)
{
    if (!is_lost(incident, machine))
        return;
    incident->others &= ~(1u << machine);
    sim_plan_tell(world, incident, host_of(world, machine), "is back after all");
    if (are_cut_off(incident)) {
        cut_off(world, incident, machine, false);
        return;
    }
    host_of(world, machine)->is_lost = false;
    sim_host_boot(host_of(world, machine));
}

/* ---- begun anew ---------------------------------------------------------------------------------- */

static void one_comes_back(struct sim_world *world, uint64_t argument)
{
    struct sim_incident *incident = &world->plan->incidents[argument >> 8];

    if (!incident->is_active)
        return;
    sim_count(world, "left_behind:back");
    come_back(world, incident, (uint32_t)(argument & 0xff));
}

/* At once, or at some time, or not before the end. */
static uint64_t draw_return(const struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t left_ns = incident->until_ns > world->now_ns ? incident->until_ns - world->now_ns
                                                                : 0;

    return world->now_ns +
           within_ns(incident, sim_chance(&incident->chance, 500000) ? AT_ONCE_NS : left_ns + SIM_S);
}

static void plan_returns(struct sim_world *world, struct sim_incident *incident)
{
    uint64_t at_ns = draw_return(world, incident);

    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++) {
        if (!is_lost(incident, i))
            continue;
        if (!return_together(incident))
            at_ns = draw_return(world, incident);
        sim_world_at(world, at_ns, one_comes_back, sim_plan_number(world, incident) << 8 | i);
    }
}

static void lose_site(struct sim_world *world, const struct sim_incident *incident, bool is_lost)
{
    const uint32_t site = sim_site(world, (uint32_t)(incident->salt >> 8) %
                                              world->setting.site_count)->index;
    const uint32_t host = host_of(world, incident->a)->index;

    sim_net_cut(world, site, host, is_lost);
    sim_net_cut(world, host, site, is_lost);
}

/* Time ends whatever serves there: a lease of before that is not renewed. */
static bool ends_by_itself(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const struct sim_host *host = sim_site(world, site);

        if (sim_service_is_serving(host, group) &&
            (sim_service_is_by_hand(host, group) || sim_service_is_outside(host, group) ||
             !sim_check_lease_lives(world, site, group, sim_service_epoch(host, group))))
            return false;
    }
    return true;
}

/* `apply --initial-primary` of any site that is not the lost one. */
static void answer_for_lost(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t lost = (uint32_t)(incident->salt >> 8) % world->setting.site_count;
    const uint32_t number = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    const struct bw_group *group = sim_operator_group(world, number);
    const struct sim_host *named =
        sim_site(world, (lost + 1 + (uint32_t)bw_prng_below(&incident->chance,
                                                            world->setting.site_count - 1)) %
                            world->setting.site_count);
    struct bw_apply_item item = {.version = 0};

    if (group == NULL || !group->first_grant || group->initial_primary[0] != '\0' ||
        !bw_spec_is_candidate(&group->spec, named->name) || !ends_by_itself(world, number))
        return;
    item.spec = group->spec;
    (void)bw_copy_text(item.initial_primary, sizeof item.initial_primary, named->name);
    if (sim_operator_apply(world, &item, 1))
        sim_count(world, "recovery:named");
}

static bool begin_anew(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness = world->witnesses[incident->a];

    if (sim_checks_is_vote_away(witness))
        return false; /* later: who moved its file away brings that back first */
    if (is_restore(world)) {
        sim_snapshot_restore(witness, world->plan->saved);
        sim_operator_list_witnesses(world, world->witnesses_listed | 1u << incident->a);
        sim_count(world, "recovery:restored");
        return true;
    }
    if (!witness->host->is_up || witness->host->is_suspended || sim_witness_is_wiped(witness))
        return false; /* later */
    sim_recover(witness);
    sim_count(world, "recover:done");
    return true;
}

/* ---- the whole of it ----------------------------------------------------------------------------- */

static uint64_t go_on(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == STAGE_LOST && is_overridden(incident) && !are_cut_off(incident))
        sim_operator_look_and_override(world, (uint32_t)(incident->salt >> 16) %
                                                  world->setting.site_count);
    if (world->now_ns < incident->c)
        return LOOK_NS;
    switch (incident->stage) {
    case STAGE_BEFORE:
        lose(world, incident);
        if (!is_restore(world))
            sim_net_cut_around(world, host_of(world, incident->a)->index, true, true, false);
        break;
    case STAGE_LOST:
        if (!begin_anew(world, incident))
            break;
        incident->stage = STAGE_BEGUN;
        plan_returns(world, incident);
        if (is_site_lost_too(incident))
            lose_site(world, incident, true);
        break;
    case STAGE_BEGUN:
        if (is_site_lost_too(incident))
            answer_for_lost(world, incident);
        if (!sim_operator_grow(world, incident, VOTERS))
            break;
        sim_count(world, "recovery:grown");
        incident->stage = STAGE_DONE;
        break;
    default:
        if (!is_site_lost_too(incident))
            return 0;
        answer_for_lost(world, incident);
    }
    return LOOK_NS;
}

static bool begin(struct sim_world *world, struct sim_incident *incident, uint32_t lost)
{
    incident->b = NONE;
    incident->others = lost << WERE_AT;
    incident->look = go_on;
    incident->stage = STAGE_BEFORE;
    incident->c = world->now_ns;
    take(world, incident, true);
    return true;
}

/* The machines of all members, where a recovery fits; else 0. */
static uint32_t members_to_lose(struct sim_world *world, struct sim_process *leader)
{
    const struct bw_roster *roster = leader == NULL ? NULL : sim_members_roster(leader);

    return roster == NULL || world->plan->is_recovering ||
                   world->upgrade.level < BW_MEMBERS_LEVEL || !sim_check_may_recover(world)
               ? 0
               : find_members(world, roster);
}

static bool lose_majority(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t members = members_to_lose(world, sim_operator_leader(world));
    uint32_t machine = sim_any_witness(world, &incident->chance);

    if (members == 0 || (members & (members - 1)) == 0)
        return false;
    while ((members >> machine & 1) == 0)
        machine = (machine + 1) % SIM_WITNESSES_MAX;
    incident->a = machine;
    (void)begin(world, incident, members & ~(1u << machine));
    /* What it has is older than what was decided. */
    sim_net_cut_around(world, host_of(world, machine)->index, true, true, true);
    if (sim_chance(&incident->chance, 500000))
        incident->c += within_ns(incident, 15 * SIM_S);
    return true;
}

static bool lose_all(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const uint32_t members = members_to_lose(world, leader);
    const uint32_t machine = members == 0 ? NONE : sim_operator_find_free(world);

    if (machine == NONE)
        return false;
    world->plan->saved = sim_snapshot_save(leader);
    incident->a = machine;
    (void)begin(world, incident, members);
    incident->c += within_ns(incident, 25 * SIM_S);
    return world->plan->saved != NULL;
}

/* Where it came to no beginning, the lost ones have to go on. */
static void they_are_back(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == STAGE_BEFORE && !is_restore(world))
        sim_net_cut_around(world, host_of(world, incident->a)->index, true, true, false);
    if (incident->stage >= STAGE_BEGUN && is_site_lost_too(incident))
        lose_site(world, incident, false);
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++)
        come_back(world, incident, i);
    take(world, incident, false);
    sim_saved_free(world->plan->saved);
    world->plan->saved = NULL;
}

const struct sim_incident_kind sim_operator_recovery[] = {
    /* What was made anew after them may want a person's word of its data (3.6). */
    {"lose-majority", SIM_PEOPLE, false, 3, 30000, 300000, lose_majority, they_are_back},
    {"lose-all-witnesses", SIM_PEOPLE, false, 2, 60000, 300000, lose_all, they_are_back},
    {.name = NULL},
};
