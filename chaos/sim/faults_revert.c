/* faults_revert.c - a witness's directory goes back in time, as where a virtual machine is reverted or a backup put back
 * (3.9). One of three witnesses is away, the two others decide, and one of these is given back the directory of before;
 * the other one is lost for good, and who was away returns: what was decided meanwhile only sites know. Somebody ends
 * the claims of those, once nothing serves. `a`: whose directory it is; `b`: who is away; `others`: who is lost; `c`:
 * when the next thing happens. */
#include <breakwater/base/feature_level.h>

#include "check_durable.h"
#include "checks.h"
#include "net.h"
#include "operator.h"
#include "site.h"
#include "witness_members.h"

#define LOOK_NS     (200 * SIM_MS)
#define COPY_NS     (10 * SIM_S)
#define DECIDE_NS   (60 * SIM_S)
#define PEOPLE_NS   (5 * SIM_S)
#define MEMBERS     3

enum { STAGE_AWAY, STAGE_COPIED, STAGE_BACK };

static struct sim_process *reverted(struct sim_world *world, const struct sim_incident *incident)
{
    return world->witnesses[incident->a];
}

/* One site hears nobody from then on, for as long as the incident lasts. */
static bool is_one_silent(const struct sim_incident *incident)
{
    return (incident->salt & 1) != 0;
}
/* The others hear nobody until then: it alone can know what is lost. */
static bool are_others_silent(const struct sim_incident *incident)
{
    return (incident->salt & 2) != 0;
}

static void set_silent(struct sim_world *world, const struct sim_incident *incident, bool is_one, bool is_silent)
{
    const uint32_t one = (uint32_t)(incident->salt >> 8) % world->setting.site_count;

    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if ((site == one) == is_one)
            sim_net_cut_around(world, sim_site(world, site)->index, true, true, is_silent);
}

static void lose(struct sim_world *world, uint32_t machine)
{
    sim_host_lose_power(world->witnesses[machine]->host);
    world->witnesses[machine]->host->is_lost = true;
}

static void give_back(struct sim_world *world, uint32_t machine)
{
    world->witnesses[machine]->host->is_lost = false;
    sim_host_boot(world->witnesses[machine]->host);
}

/* No member changes, and nobody recovers or overrides: what is lost then is lost with those who know it (check_durable.c). */
static void take(struct sim_world *world, const struct sim_incident *incident, bool is_taken)
{
    world->plan->is_witness_taken[incident->a] = is_taken;
    world->plan->is_witness_taken[incident->b] = is_taken;
    world->plan->is_witness_taken[incident->others] = is_taken;
    world->plan->is_recovering = is_taken;
}

/* ---- people ---- */

static bool is_served(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_service_is_serving(sim_site(world, site), group))
            return true;
    return false;
}

static void look_at_claims(struct sim_world *world, uint64_t argument)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (!is_served(world, group))
            sim_operator_end_claims(world, group);
    sim_world_at(world, world->now_ns + PEOPLE_NS, look_at_claims, argument);
}

/* ---- the whole of it ---- */

static void copy(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness = reverted(world, incident);

    sim_plan_tell(world, incident, witness->host, "its directory is copied");
    world->plan->copy = sim_witness_copy(witness);
    sim_check_copies(world, world->plan->copy->term);
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (sim_chance(&incident->chance, 700000))
            (void)sim_operator_switch_to(world, group, (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count),
                                         30000);
    incident->stage = STAGE_COPIED;
    incident->c = world->now_ns + bw_prng_below(&incident->chance, DECIDE_NS);
    if (are_others_silent(incident)) {
        set_silent(world, incident, false, true);
        incident->c += DECIDE_NS; /* what they hold ends by time */
    }
}

static bool put_back(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness = reverted(world, incident);

    if (sim_witness_is_wiped(witness) || sim_checks_is_vote_away(witness))
        return true; /* later */
    if (!sim_check_goes_back(world))
        return false;
    lose(world, incident->others);
    lose(world, incident->a);
    sim_witness_put_back(witness, world->plan->copy);
    world->plan->copy = NULL;
    world->plan->has_gone_back = true;
    sim_plan_tell(world, incident, witness->host, "its directory is what it was");
    if (are_others_silent(incident))
        set_silent(world, incident, false, false);
    if (is_one_silent(incident))
        set_silent(world, incident, true, true);
    give_back(world, incident->a);
    give_back(world, incident->b);
    incident->stage = STAGE_BACK;
    sim_world_at(world, world->now_ns + 2 * world->setting.ttl_ms_max * SIM_MS + DECIDE_NS, look_at_claims, 0);
    return true;
}

static uint64_t go_on(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_process *witness = reverted(world, incident);

    if (world->now_ns < incident->c)
        return LOOK_NS;
    if (incident->stage == STAGE_AWAY && sim_operator_leader(world) != NULL && witness->host->is_up &&
        !sim_witness_is_wiped(witness) && !sim_checks_is_vote_away(witness))
        copy(world, incident);
    else if (incident->stage == STAGE_COPIED && !put_back(world, incident))
        return 0;
    return incident->stage == STAGE_BACK ? 0 : LOOK_NS;
}

static bool find_three(struct sim_world *world, struct sim_incident *incident, const struct bw_roster *roster)
{
    const uint32_t first = (uint32_t)bw_prng_below(&incident->chance, MEMBERS);
    uint32_t found[MEMBERS];

    if (roster->count != MEMBERS)
        return false;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        const struct sim_process *witness = sim_witness_of_id(world, roster->members[(first + i) % MEMBERS].id);

        if (witness == NULL || !witness->host->is_up || witness->host->is_suspended || sim_witness_is_wiped(witness) ||
            sim_checks_is_vote_away(witness) || world->plan->is_witness_taken[witness->host->number])
            return false;
        found[i] = witness->host->number;
    }
    incident->a = found[0];
    incident->b = found[1];
    incident->others = found[2];
    return true;
}

static bool revert(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = leader == NULL ? NULL : sim_members_roster(leader);

    if (roster == NULL || world->plan->has_gone_back || world->plan->is_recovering || world->plan->is_overriding ||
        world->upgrade.level < BW_AHEAD_LEVEL || !find_three(world, incident, roster))
        return false;
    take(world, incident, true);
    lose(world, incident->b);
    incident->stage = STAGE_AWAY;
    incident->c = world->now_ns + bw_prng_below(&incident->chance, COPY_NS);
    incident->look = go_on;
    return true;
}

static void is_over(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == STAGE_BACK) {
        if (is_one_silent(incident))
            set_silent(world, incident, true, false);
        return;
    }
    if (incident->stage == STAGE_COPIED && are_others_silent(incident))
        set_silent(world, incident, false, false);
    give_back(world, incident->b);
    take(world, incident, false);
    sim_witness_free_copy(world->plan->copy);
    world->plan->copy = NULL;
}

const struct sim_incident_kind sim_revert_faults[] = {
    {SIM_REVERT_OFTEN, SIM_OUTSIDE, false, 1, 180000, 400000, revert, is_over},
    {.name = NULL},
};
