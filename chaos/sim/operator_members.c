/* operator_members.c - operators add, remove and replace witnesses, also one that has lost its directory, and hand
 * leadership over; in the middle of it leaders die and networks break. Design 3.9. `a`: the machine that joins, or
 * whom it concerns; `b`: the one that leaves; `c`: at which step something breaks, and what; `others`: it is
 * withdrawn as soon as it is taken. */
#include <string.h>

#include "check.h"
#include "checks.h"
#include "net.h"
#include "operator.h"
#include "witness_members.h"

#define LOOK_NS      (200 * SIM_MS)
#define NONE         UINT32_MAX
#define VOTERS_LEAST 3
#define TOO_EARLY_PER_MILLION 300000
#define VOTERS_MORE  2 /* than founded the world; and one place is left for a replacement */

enum { STAGE_ASK, STAGE_ORDERED, STAGE_DONE };

/* ---- who there is ------------------------------------------------------------------------------- */

static const struct bw_roster *roster_of(const struct sim_process *leader)
{
    return leader == NULL ? NULL : sim_members_roster(leader);
}

static bool is_member(const struct bw_roster *roster, const struct sim_process *witness)
{
    return witness->host->services != NULL &&
           bw_roster_find(roster, sim_witness_id(witness)) != NULL;
}

static bool is_left_alone(const struct sim_process *witness)
{
    return !witness->host->is_suspended && !sim_witness_is_wiped(witness) &&
           !sim_checks_is_vote_away(witness);
}

/* Nobody counts on what its machine has: it was removed, and that is committed; or it has nothing. Not one that
 * another incident still needs. */
static bool is_free(const struct sim_world *world, const struct bw_roster *roster, uint32_t number)
{
    const struct sim_process *witness = world->witnesses[number];

    if (world->plan->is_witness_taken[number])
        return false;
    return witness->host->services == NULL ||
           (is_left_alone(witness) && roster->id_max != 0 &&
            sim_check_is_past(world, sim_witness_id(witness)));
}

static uint32_t find_free(const struct sim_world *world, const struct bw_roster *roster)
{
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++)
        if (is_free(world, roster, i))
            return i;
    return NONE;
}

/* One that has asked before, in vain. */
static uint32_t find_waiting(const struct sim_world *world, const struct sim_process *leader)
{
    for (uint32_t i = 0; i < world->witness_count; i++)
        if (!world->plan->is_witness_taken[i] && sim_members_has_asked(leader, i) &&
            !is_member(roster_of(leader), world->witnesses[i]))
            return i;
    return NONE;
}

static uint32_t any_member(struct sim_world *world, struct sim_incident *incident,
                           const struct bw_roster *roster)
{
    const uint32_t first = sim_any_witness(world, &incident->chance);

    for (uint32_t i = 0; i < world->witness_count; i++) {
        const uint32_t number = (first + i) % world->witness_count;

        if (is_member(roster, world->witnesses[number]))
            return number;
    }
    return NONE;
}

/* Of the wish: those that are not leaving. */
static uint32_t count_voters(const struct bw_roster *roster)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < roster->count; i++)
        count += !roster->members[i].is_leaving;
    return count;
}

static bool may_be_more(const struct sim_world *world, const struct bw_roster *roster)
{
    const uint32_t count = count_voters(roster);

    return count < world->setting.founder_count + VOTERS_MORE && count + 1 < BW_WITNESSES_MAX;
}

/* ---- what breaks in the middle ------------------------------------------------------------------ */

enum breakage { NOTHING, KILL_LEADER, CUT_LEADER, KILL_JOINING, CUT_JOINING, POWER, KILL_OLD, BREAKAGES };

static struct sim_process *hit_of(struct sim_world *world, const struct sim_incident *incident,
                                  struct sim_process *leader)
{
    switch ((enum breakage)(incident->c % BREAKAGES)) {
    case KILL_LEADER:
    case CUT_LEADER:
        return leader;
    case KILL_JOINING:
    case CUT_JOINING:
        return incident->a == NONE ? leader : world->witnesses[incident->a];
    case KILL_OLD:
        return incident->b == NONE ? leader : world->witnesses[incident->b];
    case NOTHING:
    case POWER:
    case BREAKAGES:
        break;
    }
    return NULL;
}

static void mend(struct sim_world *world, uint64_t argument)
{
    struct sim_process *witness = world->witnesses[argument & 0xff];

    if ((argument >> 8) != 0)
        sim_net_cut_around(world, witness->host->index, true, true, false);
    else
        sim_process_let_return(witness);
}

static void boot(struct sim_world *world, uint64_t number)
{
    sim_host_boot(world->witnesses[number]->host);
}

static void lose_all_power(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t i = 0; i < world->witness_count; i++) {
        sim_host_lose_power(world->witnesses[i]->host);
        sim_world_at(world, world->now_ns + bw_prng_below(&incident->chance, 3 * SIM_S), boot, i);
    }
}

/* For a while, longer or shorter than an election. */
static void break_it(struct sim_world *world, struct sim_incident *incident,
                     struct sim_process *leader)
{
    const enum breakage breakage = (enum breakage)(incident->c % BREAKAGES);
    const uint64_t drawn_ns = world->now_ns + (50 + bw_prng_below(&incident->chance, 8000)) * SIM_MS;
    const uint64_t until_ns = drawn_ns < incident->until_ns ? drawn_ns : incident->until_ns;
    struct sim_process *hit = hit_of(world, incident, leader);
    const bool is_cut = breakage == CUT_LEADER || breakage == CUT_JOINING;

    incident->c = 0;
    if (breakage == POWER)
        lose_all_power(world, incident);
    if (hit == NULL)
        return;
    sim_plan_tell(world, incident, hit->host, is_cut ? "cut off in the middle" : "killed in the middle");
    if (is_cut)
        sim_net_cut_around(world, hit->host->index, true, true, true);
    else
        sim_process_keep_down(hit);
    sim_world_at(world, until_ns, mend, hit->host->number | (is_cut ? 1u << 8 : 0));
}

/* `c`: the step at which it breaks, and what: drawn at the beginning. */
static void draw_breakage(struct sim_incident *incident, bool is_sure)
{
    const uint64_t step = BW_MEMBERS_MARK +
                          bw_prng_below(&incident->chance, BW_MEMBERS_FORGET - BW_MEMBERS_MARK + 1);
    const uint64_t what = 1 + bw_prng_below(&incident->chance, BREAKAGES - 1);

    incident->c = is_sure ? step * BREAKAGES + what : 0;
}

/* True: it breaks now, and who led leads no more. */
static bool breaks(struct sim_world *world, struct sim_incident *incident,
                        struct sim_process *leader)
{
    struct bw_members_facts facts;
    struct bw_members_step step;
    const uint64_t at = incident->c / BREAKAGES;

    if (incident->c == 0 || !sim_members_look(leader, &facts, &step) ||
        ((uint64_t)step.kind != at &&
         (!facts.is_changing || bw_prng_below(&incident->chance, 8) != 0)))
        return false;
    break_it(world, incident, leader);
    return true;
}

/* ---- a change, from beginning to end ------------------------------------------------------------ */

static bool has_joined(const struct sim_world *world, const struct sim_incident *incident,
                       const struct bw_roster *roster)
{
    return incident->a == NONE || is_member(roster, world->witnesses[incident->a]);
}

static bool has_left(const struct sim_world *world, const struct sim_incident *incident)
{
    return incident->b == NONE ||
           sim_check_is_past(world, sim_witness_id(world->witnesses[incident->b]));
}

/* The same order again, until it is done: it changes nothing twice. */
static void order(struct sim_world *world, const struct sim_incident *incident,
                  struct sim_process *leader)
{
    if (incident->a == NONE)
        (void)sim_members_order(leader, BW_MEMBERS_ORDER_REMOVE, incident->b, 0);
    else if (sim_members_has_asked(leader, incident->a) || has_joined(world, incident, roster_of(leader)))
        (void)sim_members_order(
            leader, incident->b == NONE ? BW_MEMBERS_ORDER_ADD : BW_MEMBERS_ORDER_REPLACE,
            incident->a, incident->b == NONE ? 0 : incident->b);
}

/* Site files are written anew, sooner or later, and read. */
static void list_members(struct sim_world *world, const struct bw_roster *roster)
{
    uint32_t listed = 0;

    for (uint32_t i = 0; i < world->witness_count; i++)
        if (is_member(roster, world->witnesses[i]))
            listed |= 1u << i;
    sim_operator_list_witnesses(world, listed);
}

static uint64_t go_on(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = roster_of(leader);

    if (roster == NULL || breaks(world, incident, leader))
        return LOOK_NS;
    if (incident->others != 0 && has_joined(world, incident, roster)) {
        incident->others = 0; /* somebody thinks better of it */
        incident->b = incident->a;
        incident->a = NONE;
        order(world, incident, leader);
    }
    if (has_joined(world, incident, roster) && has_left(world, incident)) {
        incident->stage = STAGE_DONE;
        sim_count(world, "members:done");
        list_members(world, roster);
        return 0;
    }
    if (sim_chance(&incident->chance, incident->c != 0 ? 20000 : 200000))
        order(world, incident, leader);
    /* Closer at hand once something is under way. */
    return incident->c != 0 ? LOOK_NS / 20 : LOOK_NS;
}

static void take(struct sim_world *world, const struct sim_incident *incident, bool is_taken)
{
    if (incident->a != NONE)
        world->plan->is_witness_taken[incident->a] = is_taken;
    if (incident->b != NONE)
        world->plan->is_witness_taken[incident->b] = is_taken;
}

/* A machine that joins, into `a`. */
static bool find_joining(struct sim_world *world, struct sim_incident *incident,
                         const struct sim_process *leader)
{
    const struct bw_roster *roster = roster_of(leader);
    const uint32_t waiting = find_waiting(world, leader);

    incident->a = waiting != NONE ? waiting : find_free(world, roster);
    if (incident->a == NONE)
        return false;
    if (waiting == NONE)
        sim_witness_join(world->witnesses[incident->a], roster);
    return true;
}

/* Before the level is raised that knows it, it is refused: people try it now and then. */
static bool is_worth_a_try(const struct sim_world *world, struct sim_incident *incident)
{
    return world->upgrade.level >= BW_MEMBERS_LEVEL ||
           sim_chance(&incident->chance, TOO_EARLY_PER_MILLION);
}

static bool begin(struct sim_world *world, struct sim_incident *incident, bool joins, bool leaves)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = roster_of(leader);

    incident->look = go_on;
    incident->stage = STAGE_ASK;
    incident->a = incident->b = NONE;
    if (roster == NULL || !is_worth_a_try(world, incident))
        return false;
    if (leaves)
        incident->b = any_member(world, incident, roster);
    if (leaves && (incident->b == NONE || world->plan->is_witness_taken[incident->b]))
        return false;
    if (joins && !find_joining(world, incident, leader))
        return false;
    draw_breakage(incident, sim_chance(&incident->chance, 600000));
    take(world, incident, true);
    return true;
}

static bool replace(struct sim_world *world, struct sim_incident *incident)
{
    return begin(world, incident, true, true);
}
static bool add(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_roster *roster = roster_of(sim_operator_leader(world));

    if (roster == NULL || !may_be_more(world, roster) || !begin(world, incident, true, false))
        return false;
    incident->others = sim_chance(&incident->chance, 300000);
    return true;
}
static bool remove_one(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_roster *roster = roster_of(sim_operator_leader(world));

    return roster != NULL && count_voters(roster) > VOTERS_LEAST &&
           begin(world, incident, false, true);
}
/* What is not done is gone on with by whoever leads; or nobody has asked for it. */
static void change_is_over(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage != STAGE_DONE)
        sim_count(world, "members:unfinished");
    take(world, incident, false);
}

/* ---- a directory is lost for good: what it was is replaced --------------------------------------- */

static bool are_others_whole(const struct sim_world *world, const struct bw_roster *roster,
                             uint32_t but)
{
    for (uint32_t i = 0; i < world->witness_count; i++)
        if (i != but && is_member(roster, world->witnesses[i]) &&
            (!is_left_alone(world->witnesses[i]) ||
             world->witnesses[i]->health != SIM_ABLE || world->plan->is_witness_taken[i]))
            return false;
    return true;
}

static bool replace_wiped(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = roster_of(leader);
    struct sim_process *wiped;

    if (roster == NULL || world->upgrade.level < BW_MEMBERS_LEVEL)
        return false;
    incident->b = any_member(world, incident, roster);
    /* Nor the one on which a recovery rests: its cluster would be gone, and the one before it serve on. */
    if (incident->b == NONE || world->plan->is_witness_taken[incident->b] ||
        !are_others_whole(world, roster, incident->b))
        return false;
    wiped = world->witnesses[incident->b];
    if (wiped == leader && world->witness_count < 2)
        return false;
    incident->look = go_on;
    incident->stage = STAGE_ASK;
    if (!is_left_alone(wiped) || !find_joining(world, incident, leader) ||
        !sim_witness_wipe(wiped))
        return false;
    sim_plan_tell(world, incident, wiped->host, "lost its directory for good");
    draw_breakage(incident, sim_chance(&incident->chance, 300000));
    take(world, incident, true);
    return true;
}
/* Found again, when it is a member no more; until then it is gone. */
static void find_again(struct sim_world *world, uint64_t number)
{
    struct sim_process *wiped = world->witnesses[number];

    if (!sim_witness_is_wiped(wiped))
        return;
    if (!sim_check_is_past(world, sim_witness_id(wiped))) {
        sim_world_at(world, world->now_ns + LOOK_NS, find_again, number);
        return;
    }
    sim_count(world, "members:lost_is_back");
    sim_tell(world, wiped->name, "the lost directory is there again");
    sim_witness_unwipe(wiped);
}
static void wiped_is_over(struct sim_world *world, struct sim_incident *incident)
{
    change_is_over(world, incident);
    find_again(world, incident->b);
}

/* ---- one that was removed comes back with its old directory -------------------------------------- */

static bool removed_returns(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t i = 0; i < world->witness_count; i++) {
        struct sim_process *witness = world->witnesses[i];

        if (witness->host->services == NULL || world->plan->is_witness_taken[i] ||
            !sim_check_is_past(world, sim_witness_id(witness)) || !witness->host->is_up)
            continue;
        incident->a = i;
        sim_file_remove(witness->host, SIM_REMOVED_FILE); /* a copy from before */
        sim_process_let_return(witness);
        return true;
    }
    return false;
}

/* ---- for who begins a cluster anew ---------------------------------------------------------------- */

uint32_t sim_operator_find_free(struct sim_world *world)
{
    const struct bw_roster *roster = roster_of(sim_operator_leader(world));

    return roster == NULL ? NONE : find_free(world, roster);
}

/* ---- until there are so many --------------------------------------------------------------------- */

bool sim_operator_grow(struct sim_world *world, struct sim_incident *incident, uint32_t voters)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = roster_of(leader);

    if (roster == NULL)
        return false;
    if (incident->b != NONE && is_member(roster, world->witnesses[incident->b])) {
        world->plan->is_witness_taken[incident->b] = false;
        incident->b = NONE;
    }
    if (incident->b == NONE) {
        if (count_voters(roster) >= voters)
            return true;
        incident->b = find_waiting(world, leader);
        if (incident->b == NONE)
            incident->b = find_free(world, roster);
        if (incident->b == NONE)
            return false;
        if (!sim_members_has_asked(leader, incident->b))
            sim_witness_join(world->witnesses[incident->b], roster);
        world->plan->is_witness_taken[incident->b] = true;
    }
    if (sim_members_has_asked(leader, incident->b))
        (void)sim_members_order(leader, BW_MEMBERS_ORDER_ADD, incident->b, 0);
    return false;
}

/* ---- leadership ---------------------------------------------------------------------------------- */

static bool give_lead(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_roster *roster = roster_of(leader);

    if (roster == NULL)
        return false;
    incident->a = any_member(world, incident, roster);
    return incident->a != NONE && sim_members_order(leader, BW_MEMBERS_ORDER_LEAD, incident->a, 0);
}

const struct sim_incident_kind sim_operator_members[] = {
    {"replace-witness", SIM_PEOPLE, true, 6, 10000, 60000, replace, change_is_over},
    {"add-witness", SIM_PEOPLE, true, 3, 10000, 60000, add, change_is_over},
    {"remove-witness", SIM_PEOPLE, true, 3, 10000, 60000, remove_one, change_is_over},
    {"replace-wiped", SIM_PEOPLE, true, 4, 15000, 60000, replace_wiped, wiped_is_over},
    {"removed-returns", SIM_INSIDE, true, 3, 0, 0, removed_returns, NULL},
    {"lead-witness", SIM_PEOPLE, true, 2, 0, 0, give_lead, NULL},
    {.name = NULL},
};
