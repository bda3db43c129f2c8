/* faults_net.c - what goes wrong between machines. Cuts of one direction are as likely as whole ones:
 * they are the ones that people forget. Faults overlap: each undoes only what it did. */
#include "net.h"
#include "plan.h"

static uint32_t any_host(struct sim_world *world, struct sim_incident *incident)
{
    return sim_host_index(
        world, (uint32_t)bw_prng_below(&incident->chance, sim_host_count(world)));
}

/* ---- around one machine ---- */

static bool cut_host(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    sim_net_cut_around(world, incident->a, true, true, true);
    return true;
}
static void heal_host(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut_around(world, incident->a, true, true, false);
}
static bool cut_host_out(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    sim_net_cut_around(world, incident->a, true, false, true);
    return true;
}
static void heal_host_out(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut_around(world, incident->a, true, false, false);
}
static bool cut_host_in(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    sim_net_cut_around(world, incident->a, false, true, true);
    return true;
}
static void heal_host_in(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut_around(world, incident->a, false, true, false);
}

/* ---- between two ---- */

static void draw_pair(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t a = (uint32_t)bw_prng_below(&incident->chance, sim_host_count(world));
    const uint32_t b = (uint32_t)bw_prng_below(&incident->chance, sim_host_count(world) - 1);

    incident->a = sim_host_index(world, a);
    incident->b = sim_host_index(world, b + (b >= a ? 1 : 0));
}
static bool cut_pair(struct sim_world *world, struct sim_incident *incident)
{
    draw_pair(world, incident);
    sim_net_cut(world, incident->a, incident->b, true);
    sim_net_cut(world, incident->b, incident->a, true);
    return true;
}
static void heal_pair(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut(world, incident->a, incident->b, false);
    sim_net_cut(world, incident->b, incident->a, false);
}
static bool cut_one_way(struct sim_world *world, struct sim_incident *incident)
{
    draw_pair(world, incident);
    sim_net_cut(world, incident->a, incident->b, true);
    return true;
}
static void heal_one_way(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut(world, incident->a, incident->b, false);
}

/* ---- in two parts; with a bridge, one machine sees both ---- */

static void set_parts(struct sim_world *world, struct sim_incident *incident, bool is_cut)
{
    for (uint32_t from = 0; from < SIM_HOSTS_MAX; from++)
        for (uint32_t to = 0; to < SIM_HOSTS_MAX; to++) {
            const bool is_bridge = from == incident->b || to == incident->b;

            if (from != to && !is_bridge && sim_host_is_meant(world, from) &&
                sim_host_is_meant(world, to) && (incident->c >> from & 1) != (incident->c >> to & 1))
                sim_net_cut(world, from, to, is_cut);
        }
}
static bool cut_in_two(struct sim_world *world, struct sim_incident *incident)
{
    incident->c = bw_prng_next(&incident->chance);
    incident->b = UINT32_MAX;
    set_parts(world, incident, true);
    return true;
}
static bool cut_but_bridge(struct sim_world *world, struct sim_incident *incident)
{
    incident->c = bw_prng_next(&incident->chance);
    incident->b = any_host(world, incident);
    set_parts(world, incident, true);
    return true;
}
static void heal_parts(struct sim_world *world, struct sim_incident *incident)
{
    set_parts(world, incident, false);
}

/* ---- up and down ---- */

static void flap_again(struct sim_world *world, struct sim_incident *incident);

static void flap_next(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t at_ns =
        world->now_ns + (20 + bw_prng_below(&incident->chance, 3000)) * SIM_MS;

    if (at_ns < incident->until_ns)
        sim_plan_later(world, incident, at_ns, flap_again);
}
static void flap_again(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = !incident->b;
    sim_net_cut_around(world, incident->a, true, true, incident->b);
    flap_next(world, incident);
}
static bool flap(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = any_host(world, incident);
    incident->b = true;
    sim_net_cut_around(world, incident->a, true, true, true);
    flap_next(world, incident);
    return true;
}
static void end_flap(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->b)
        sim_net_cut_around(world, incident->a, true, true, false);
}

/* ---- worse, but not cut ---- */

enum { LOSE, TWICE, OVERTAKE, SLOW };

static void worsen(struct sim_link *link, uint32_t what, int64_t by)
{
    switch (what) {
    case LOSE:
        link->loss_per_million += (uint32_t)by;
        break;
    case TWICE:
        link->twice_per_million += (uint32_t)by;
        break;
    case OVERTAKE:
        link->overtake_per_million += (uint32_t)by;
        link->delay_ns_max += (uint64_t)(by * 50);
        break;
    default:
        link->delay_ns_min += (uint64_t)by;
        link->delay_ns_max += (uint64_t)(2 * by);
        break;
    }
}
/* One direction around one machine, or both. */
static void worsen_around(struct sim_world *world, struct sim_incident *incident, int64_t by)
{
    for (uint32_t other = 0; other < SIM_HOSTS_MAX; other++) {
        if (other == incident->a || !sim_host_is_meant(world, other))
            continue;
        if (incident->c % 3 != 1)
            worsen(sim_link(world, incident->a, other), incident->b, by);
        if (incident->c % 3 != 2)
            worsen(sim_link(world, other, incident->a), incident->b, by);
    }
}
static bool begin_worse(struct sim_world *world, struct sim_incident *incident, uint32_t what,
                        uint64_t most)
{
    incident->a = any_host(world, incident);
    incident->b = what;
    incident->c = 1 + bw_prng_below(&incident->chance, most);
    worsen_around(world, incident, (int64_t)incident->c);
    return true;
}
static void end_worse(struct sim_world *world, struct sim_incident *incident)
{
    worsen_around(world, incident, -(int64_t)incident->c);
}
static bool lose(struct sim_world *world, struct sim_incident *incident)
{
    return begin_worse(world, incident, LOSE, 600000);
}
static bool repeat(struct sim_world *world, struct sim_incident *incident)
{
    return begin_worse(world, incident, TWICE, 500000);
}
static bool overtake(struct sim_world *world, struct sim_incident *incident)
{
    return begin_worse(world, incident, OVERTAKE, 500000);
}
static bool slow(struct sim_world *world, struct sim_incident *incident)
{
    return begin_worse(world, incident, SLOW, 800 * SIM_MS);
}

/* What was answered last comes late, and then nothing comes: a lease must be counted from when its
 * renewal left. */
static void then_cut(struct sim_world *world, struct sim_incident *incident)
{
    incident->b = true;
    sim_net_cut_around(world, incident->a, true, true, true);
}
static bool slow_then_cut(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t half_ns = (incident->until_ns - world->now_ns) / 2;
    const uint64_t most_ms = world->setting.terms.request_timeout_ms * 9 / 10;

    incident->a =
        sim_site(world, (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count))
            ->index;
    incident->b = false;
    incident->c = (most_ms / 2 + bw_prng_below(&incident->chance, most_ms / 2)) * SIM_MS;
    sim_net_slow_answers(world, incident->a, (int64_t)incident->c);
    sim_plan_later(world, incident, world->now_ns + half_ns, then_cut);
    return true;
}
static void end_slow_then_cut(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_slow_answers(world, incident->a, -(int64_t)incident->c);
    if (incident->b)
        sim_net_cut_around(world, incident->a, true, true, false);
}

const struct sim_incident_kind sim_net_faults[] = {
    {"slow-then-cut", SIM_INSIDE, true, 8, 10000, 60000, slow_then_cut, end_slow_then_cut},
    {"cut-host", SIM_INSIDE, true, 10, 100, 60000, cut_host, heal_host},
    {"cut-host-out", SIM_INSIDE, true, 8, 100, 60000, cut_host_out, heal_host_out},
    {"cut-host-in", SIM_INSIDE, true, 8, 100, 60000, cut_host_in, heal_host_in},
    {"cut-pair", SIM_INSIDE, true, 8, 100, 60000, cut_pair, heal_pair},
    {"cut-one-way", SIM_INSIDE, true, 8, 100, 60000, cut_one_way, heal_one_way},
    {"cut-in-two", SIM_INSIDE, true, 6, 100, 60000, cut_in_two, heal_parts},
    {"cut-but-bridge", SIM_INSIDE, true, 6, 100, 60000, cut_but_bridge, heal_parts},
    {"flap", SIM_INSIDE, true, 4, 1000, 30000, flap, end_flap},
    {"lose", SIM_INSIDE, true, 5, 1000, 60000, lose, end_worse},
    {"repeat", SIM_INSIDE, true, 4, 1000, 60000, repeat, end_worse},
    {"overtake", SIM_INSIDE, true, 4, 1000, 60000, overtake, end_worse},
    {"slow-link", SIM_INSIDE, true, 4, 1000, 60000, slow, end_worse},
    {.name = NULL},
};
