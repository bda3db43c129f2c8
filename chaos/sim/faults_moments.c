/* faults_moments.c - what goes wrong at one moment: a message of before is read after it, a start
 * hangs over it, somebody asks twice. Each makes a whole class of coincidences common that would
 * otherwise take years. */
#include "agent.h"
#include "checks.h"
#include "net.h"
#include "operator.h"
#include "plan.h"
#include "raft_node.h"
#include "site.h"
#include "witness.h"

#define VOTE_COPY "copy-of-vote"

/* The epoch that is open as the leader knows it; 0: none, or nobody leads. */
/* ---- the leader and the holder on an island: both go on as if nothing had happened ---- */

/* Of a witness: its machine. */
static uint32_t host_of(struct sim_world *world, uint32_t witness)
{
    return sim_witness_host(world, witness)->index;
}
/* From the leader to the other witnesses, and between the holder and those. */
static void set_island(struct sim_world *world, const struct sim_incident *incident, bool is_cut)
{
    const uint32_t site = sim_site(world, incident->b)->index;

    for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++)
        if (w != incident->a) {
            sim_net_cut(world, host_of(world, incident->a), host_of(world, w), is_cut);
            sim_net_cut(world, host_of(world, w), site, is_cut);
            sim_net_cut(world, site, host_of(world, w), is_cut);
        }
}
/* What the leader hears of the other witnesses comes `by_ns` later. */
static void set_late(struct sim_world *world, const struct sim_incident *incident, int64_t by_ns)
{
    for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++)
        if (w != incident->a) {
            struct sim_link *link = sim_link(world, host_of(world, w),
                                             host_of(world, incident->a));

            link->delay_ns_min += (uint64_t)by_ns;
            link->delay_ns_max += (uint64_t)by_ns;
        }
}
static void cut_island_off(struct sim_world *world, struct sim_incident *incident)
{
    set_island(world, incident, true);
    incident->c |= 1;
}
static void join_island(struct sim_world *world, struct sim_incident *incident)
{
    if ((incident->c & 1) != 0)
        set_island(world, incident, false);
    set_late(world, incident, -(int64_t)(incident->c & ~UINT64_C(1)));
}
/* In half of them what the others acknowledge comes later and later before that, so slowly that the
 * leader misses nothing: when another leader has long been elected it still hears of what they took
 * before, which proves nothing about what was asked since (3.2.2). `c`: the delay, and bit 0: it is
 * cut off; `stage`: steps that are left. */
static void grow_late(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t step_ns = world->setting.election_timeout_ms * SIM_MS / 8; /* an even number */

    if (incident->stage == 0) {
        cut_island_off(world, incident);
        return;
    }
    incident->stage--;
    incident->c += step_ns;
    set_late(world, incident, (int64_t)step_ns);
    sim_plan_later(world, incident, world->now_ns + 2 * step_ns, grow_late);
}
static bool island(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_late = sim_chance(&incident->chance, 500000);
    const uint32_t steps = 8 + (uint32_t)bw_prng_below(&incident->chance, 16);

    if (!sim_plan_find_serving(world, incident) || !sim_plan_find_leader(world, incident))
        return false;
    incident->c = 0;
    incident->stage = is_late ? steps : 0;
    sim_plan_later(world, incident, world->now_ns, grow_late);
    return true;
}

/* ---- the same site again: no other can be reached, and the holder has troubles of its own ---- */

static void cut_others(struct sim_world *world, const struct sim_incident *incident, bool is_cut)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (site != incident->b)
            for (uint32_t w = 0; w < SIM_WITNESSES_MAX; w++) {
                sim_net_cut(world, sim_site(world, site)->index, host_of(world, w), is_cut);
                sim_net_cut(world, host_of(world, w), sim_site(world, site)->index, is_cut);
            }
}
static void process_returns(struct sim_world *world, uint64_t index)
{
    sim_process_let_return(world->processes[index]);
}
static void same_site_troubles(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_host *host = sim_site(world, incident->b);
    const uint64_t scripts = bw_prng_below(&incident->chance, 3);
    const uint64_t kind = bw_prng_below(&incident->chance, 4);
    const uint64_t down_ns = (10 + bw_prng_below(&incident->chance, world->setting.ttl_ms_max)) *
                             SIM_MS;
    struct sim_process *victim = kind == 2 ? world->guards[incident->b]
                                           : world->agents[incident->b][0];

    sim_checks_disturb(world, incident->b, incident->until_ns);
    if (scripts > 0)
        sim_site_set_script_faults(
            host, &(struct sim_script_faults){.slow_percent = scripts == 1 ? 80 : 0,
                                              .hang_percent = scripts == 2 ? 50 : 0,
                                              .ignore_term_percent = scripts == 2 ? 50 : 0});
    if (kind == 3 || !sim_plan_takes_site(world, incident->b, down_ns))
        return;
    sim_process_keep_down(victim);
    if (kind == 0)
        sim_file_remove(host, SIM_AGENT_FILE);
    sim_world_at(world, world->now_ns + down_ns, process_returns, victim->index);
}
static bool same_site(struct sim_world *world, struct sim_incident *incident)
{
    if (!sim_plan_find_serving(world, incident))
        return false;
    cut_others(world, incident, true);
    same_site_troubles(world, incident);
    return true;
}
static void same_site_over(struct sim_world *world, struct sim_incident *incident)
{
    cut_others(world, incident, false);
    sim_site_clear_script_faults(sim_site(world, incident->b));
}

/* ---- an agent that dies when it has given back, and before anybody has heard of it; in half of
 * them its disk is full, so that nobody may hear of it (3.5) ---- */

static uint64_t dies_with_it(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *agent = world->agents[incident->b][0];
    const struct bw_site *site = sim_agent_machine(agent, incident->a);

    if (site == NULL || site->memory.epoch != incident->c || !site->memory.given_back)
        return SIM_MS / 2;
    sim_tell(world, "FAULT", "the epoch of %s is given back, and its agent dies",
             agent->host->name);
    sim_process_kill(agent);
    return 0;
}
static bool give_back_unheard(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_site *site;
    uint32_t other;

    if (!sim_plan_find_serving(world, incident))
        return false;
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    site = sim_agent_machine(world->agents[incident->b][0], incident->a);
    if (site == NULL || site->memory.epoch == 0 || site->memory.given_back ||
        !sim_plan_takes_site(world, incident->b, incident->until_ns - world->now_ns))
        return false;
    incident->c = site->memory.epoch;
    incident->look = dies_with_it;
    world->agents[incident->b][0]->disk.is_full = (incident->salt & 1) != 0;
    other = (incident->b + 1) % world->setting.site_count;
    if (!sim_operator_switch_to(world, incident->a, other, 20000)) {
        sim_operator_blind(world, incident->b, incident->until_ns);
        (void)sim_operator_vouch(world, incident->a, incident->c);
    }
    return true;
}

static void given_back(struct sim_world *world, struct sim_incident *incident)
{
    world->agents[incident->b][0]->disk.is_full = false;
    sim_site_clear_script_faults(sim_site(world, incident->b));
}

/* ---- a start that its guard does not outlive, long before its exec, or its effect ---- */

static bool orphan_start(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t ns = incident->until_ns - world->now_ns;
    const uint64_t ttl_ms = world->setting.ttl_ms_max;
    struct sim_script_faults faults = {0};
    struct sim_host *host;

    if (!sim_plan_find_serving(world, incident) || !sim_plan_takes_site(world, incident->b, ns))
        return false;
    host = sim_site(world, incident->b);
    sim_checks_disturb(world, incident->b, incident->until_ns);
    if (sim_chance(&incident->chance, 500000))
        faults.execs_in_window = true;
    else /* once the epoch is over it would be a second service */
        faults.start_takes_ms = (uint32_t)(ttl_ms + bw_prng_below(&incident->chance, 2 * ttl_ms));
    sim_site_set_script_faults(host, &faults);
    world->guards[incident->b]->crash_at = "crash:guard-began";
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        sim_service_dies(host, group);
    return true;
}
static void orphan_over(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(sim_site(world, incident->b));
    world->guards[incident->b]->crash_at = NULL;
    process_returns(world, world->guards[incident->b]->index);
}

/* ---- a fence that fails, where nobody hears of it until the lease is over ---- */

static void hears_again(struct sim_world *world, struct sim_incident *incident)
{
    incident->c = 0;
    sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, false);
}
static bool lapse_unfenced(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t ttl_ms = world->setting.ttl_ms_max;
    const uint64_t cut_ns = (ttl_ms / 2 + bw_prng_below(&incident->chance, ttl_ms)) * SIM_MS;

    if (!sim_plan_find_serving(world, incident))
        return false;
    sim_checks_disturb(world, incident->b, incident->until_ns);
    sim_site_set_script_faults(
        sim_site(world, incident->b),
        &(struct sim_script_faults){.fence_fails_percent = 100,
                                    .fail_percent = 20,
                                    .unfenced_until_ns = sim_plan_excused_until(world, incident)});
    sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, true);
    incident->c = 1;
    sim_plan_later(world, incident, world->now_ns + cut_ns, hears_again);
    return true;
}
static void unfenced_ends(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->c == 1)
        sim_net_cut_around(world, sim_site(world, incident->b)->index, true, true, false);
    sim_site_clear_script_faults(sim_site(world, incident->b));
}

/* ---- a witness whose vote file is away: it may have voted, and must not take part ---- */

static bool lose_vote(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness;

    incident->a = sim_any_witness(world, &incident->chance);
    witness = world->witnesses[incident->a];
    if (!witness->host->is_up || sim_witness_is_wiped(witness) ||
        !sim_file_copy(witness->host, BW_VOTE_FILE, VOTE_COPY))
        return false;
    sim_process_kill(witness);
    sim_file_remove(witness->host, BW_VOTE_FILE);
    sim_checks_vote_is_away(world, incident->a, true);
    sim_process_start(witness);
    return true;
}
static void vote_is_back(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *witness = world->witnesses[incident->a];

    sim_process_kill(witness);
    (void)sim_file_copy(witness->host, VOTE_COPY, BW_VOTE_FILE);
    sim_file_remove(witness->host, VOTE_COPY);
    sim_checks_vote_is_away(world, incident->a, false);
    sim_process_start(witness);
}

/* ---- a voter that has lost its directory, where the others do not know what it knew (3.9) ---- */

/* The three witnesses of it: the one that is cut off and hears nothing, the one that is wiped, and the
 * one that is down when the first is back. */
static struct sim_process *of_wipe(struct sim_world *world, const struct sim_incident *incident,
                                   uint32_t which)
{
    return world->witnesses[(incident->a + which) % world->witness_count];
}

static void wipe_now(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *wiped = of_wipe(world, incident, 1);

    sim_net_cut_around(world, of_wipe(world, incident, 0)->host->index, true, true, false);
    incident->b = 1;
    if (sim_checks_is_vote_away(wiped) || !sim_witness_wipe(wiped))
        return;
    incident->b = 2;
    sim_process_keep_down(of_wipe(world, incident, 2));
    sim_plan_tell(world, incident, wiped->host, "lost its directory, and was made anew");
}

static bool lose_directory(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t cut_ns = (500 + bw_prng_below(&incident->chance, 12000)) * SIM_MS;

    incident->a = sim_any_witness(world, &incident->chance);
    incident->b = 0;
    sim_net_cut_around(world, of_wipe(world, incident, 0)->host->index, true, true, true);
    sim_plan_later(world, incident, world->now_ns + cut_ns, wipe_now);
    return true;
}

static void directory_is_back(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->b == 0)
        sim_net_cut_around(world, of_wipe(world, incident, 0)->host->index, true, true, false);
    if (incident->b < 2)
        return;
    sim_witness_unwipe(of_wipe(world, incident, 1));
    sim_process_let_return(of_wipe(world, incident, 2));
}

/* ---- people who ask twice ---- */

/* The spec almost as it is: another version. */
static void apply_same(struct sim_world *world, uint32_t group)
{
    const struct bw_group *found = sim_operator_group(world, group);
    struct bw_spec spec;

    if (found == NULL)
        return;
    spec = found->spec;
    spec.max_lag_ms ^= 1; /* one that is as wanted stays as it is */
    (void)sim_operator_apply_spec(world, &spec);
}

/* `apply` in a loop, while the group moves: what is decided under one version of the spec arrives
 * under the next. */
static void apply_again(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t pause_ns = (1 + bw_prng_below(&incident->chance, 12)) * SIM_MS;

    apply_same(world, incident->a);
    if (world->now_ns + pause_ns < incident->until_ns)
        sim_plan_later(world, incident, world->now_ns + pause_ns, apply_again);
}
static bool apply_in_a_loop(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    if (sim_chance(&incident->chance, 500000))
        (void)sim_operator_switch_to(
            world, incident->a,
            (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count), 20000);
    sim_plan_later(world, incident, world->now_ns + SIM_MS, apply_again);
    return true;
}

/* Observe and back at once: what was let go has hardly heard of it, or, in half of them, its guard
 * cannot write it down (3.9). `b`: the holder's site; `c`: its disk is full. */
static void back_again(struct sim_world *world, uint64_t number)
{
    sim_operator_try_auto(world, world->plan->incidents[number].a);
}
static bool blink(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t ms = sim_chance(&incident->chance, 500000) ? 20 : 3000;
    const uint64_t after_ns = (1 + bw_prng_below(&incident->chance, ms)) * SIM_MS;
    struct bw_command command;

    incident->c = sim_chance(&incident->chance, 500000);
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    command = sim_operator_about(world, BW_COMMAND_SET_MODE, incident->a);
    command.mode = BW_MODE_OBSERVE;
    if (!sim_plan_find_serving(world, incident) || !sim_operator_submit(world, &command))
        return false;
    sim_checks_disturb(world, incident->b, incident->until_ns);
    world->guards[incident->b]->disk.is_full = incident->c != 0;
    sim_world_at(world, world->now_ns + after_ns, back_again, sim_plan_number(world, incident));
    return true;
}
static void blink_is_over(struct sim_world *world, struct sim_incident *incident)
{
    world->guards[incident->b]->disk.is_full = false;
    sim_operator_try_auto(world, incident->a); /* by now observe was applied, if it ever is */
}

const struct sim_incident_kind sim_faults_of_moments[] = {
    {"island", SIM_INSIDE, true, 8, 15000, 45000, island, join_island},
    {"same-site-again", SIM_INSIDE, true, 6, 10000, 60000, same_site, same_site_over},
    {"given-back-unheard", SIM_INSIDE, true, 3, 10000, 40000, give_back_unheard, given_back},
    {"orphan-start", SIM_INSIDE, true, 4, 10000, 40000, orphan_start, orphan_over},
    {"lapse-unfenced", SIM_OUTSIDE, true, 3, 10000, 40000, lapse_unfenced, unfenced_ends},
    {"vote-away", SIM_OUTSIDE, true, 2, 500, 20000, lose_vote, vote_is_back},
    {"wiped-voter", SIM_INSIDE, true, 4, 5000, 60000, lose_directory, directory_is_back},
    {"apply-in-a-loop", SIM_PEOPLE, true, 2, 500, 5000, apply_in_a_loop, NULL},
    {"observe-blink", SIM_PEOPLE, true, 3, 2000, 15000, blink, blink_is_over},
    {.name = NULL},
};
