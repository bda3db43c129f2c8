/* checks.c - which property is looked at when, and which sites are excused for a while. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/core/guard_link.h>

#include "check_cluster.h"
#include "check_durable.h"
#include "check_invariants.h"
#include "check_lease.h"
#include "check_override.h"
#include "check_second.h"
#include "checks_own.h"
#include "guard.h"
#include "machine.h"
#include "operator.h"
#include "plan.h"
#include "units.h"
#include "witness.h"

/* ---- all checks ---- */

/* A site that is frozen and then cut off hears so late of what was granted elsewhere: the longest of each. */
#define SILENT_NS (120 * SIM_S)

struct sim_checks *sim_checks_new(void)
{
    struct sim_checks *checks = calloc(1, sizeof *checks);

    if (checks != NULL)
        sim_check_generation_begins(checks, 1, 0);
    return checks;
}

void sim_checks_free(struct sim_checks *checks)
{
    sim_check_ahead_free(checks);
    sim_check_i3_free(checks);
    free(checks);
}

void sim_check_serving_changed(struct sim_world *world)
{
    world->checks->is_serving_dirty = true;
}

void sim_checks_after_event(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;

    if (checks->is_serving_dirty || checks->is_served_twice) {
        checks->is_serving_dirty = false;
        sim_check_i1(world);
    }
    if (world->setting.has_second_enforcer)
        sim_check_second(world);
    sim_check_lease(world);
    for (uint32_t i = 0; checks->applied_by != 0; i++, checks->applied_by >>= 1)
        if ((checks->applied_by & 1) != 0) {
            sim_check_i2_states(world, i);
            sim_check_ended(world, i);
        }
}

void sim_checks_at_end(struct sim_world *world)
{
    sim_check_i3_at_end(world);
    if (world->setting.is_liveness)
        sim_check_liveness_at_end(world);
}

/* The look that follows each event is what it is there for: an overlap that was excused until now
 * must be over. */
static void look_again(struct sim_world *world, uint64_t argument)
{
    (void)world;
    (void)argument;
}

static void excuse(struct sim_world *world, uint64_t *until, uint64_t until_ns)
{
    if (until_ns <= *until)
        return;
    *until = until_ns;
    sim_world_at(world, until_ns + 1, look_again, 0);
}

void sim_checks_excuse_group(struct sim_world *world, uint32_t site, uint32_t group,
                             uint64_t until_ns)
{
    excuse(world, &world->checks->excused_until_ns[site][group], until_ns);
}

void sim_checks_excuse(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        sim_checks_excuse_group(world, site, group, until_ns);
}

void sim_checks_unfenced(struct sim_world *world, uint32_t site, uint32_t group,
                         uint64_t until_ns)
{
    excuse(world, &world->checks->unfenced_until_ns[site][group], until_ns);
}

bool sim_checks_is_unfenced(const struct sim_world *world, uint32_t site)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        if (world->checks->unfenced_until_ns[site][group] >= world->now_ns)
            return true;
    return false;
}

/* A lease that is on its way is over, it is seen twice, and fenced. */
static uint64_t find_out_ns(const struct sim_world *world)
{
    const struct sim_setting *setting = &world->setting;

    return (setting->ttl_ms_max + 3 * setting->check_interval_ms + 2 * setting->terms.fence_ms) *
               SIM_MS +
           3 * setting->script_limit_ns[BW_ACTION_STATUS];
}

void sim_checks_disturb(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    struct sim_checks *checks = world->checks;

    if (until_ns > checks->disturbed_until_ns[site])
        checks->disturbed_until_ns[site] = until_ns;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        if (checks->by_hand_ns[site][group] < world->now_ns)
            continue; /* nobody has started anything, or it was found out long ago */
        checks->by_hand_ns[site][group] = until_ns + find_out_ns(world);
        sim_checks_excuse_group(world, site, group, checks->by_hand_ns[site][group]);
    }
}

uint64_t sim_checks_found_out_ns(const struct sim_world *world, uint32_t site)
{
    const uint64_t disturbed_ns = world->checks->disturbed_until_ns[site];

    return (disturbed_ns > world->now_ns ? disturbed_ns : world->now_ns) + find_out_ns(world);
}

void sim_checks_by_hand(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_checks *checks = world->checks;

    checks->by_hand_since[group] = true;
    checks->by_hand_ns[site][group] = sim_checks_found_out_ns(world, site);
    sim_checks_excuse_group(world, site, group, checks->by_hand_ns[site][group]);
}

void sim_checks_obeys_older(struct sim_world *world, uint32_t site, uint32_t group)
{
    sim_count(world, "left_behind:obeyed");
    sim_checks_excuse_group(world, site, group, sim_checks_found_out_ns(world, site));
}

void sim_checks_excuse_overruled(struct sim_world *world, uint32_t site, uint32_t group)
{
    sim_count(world, "recovery:vouched_wrongly");
    sim_checks_excuse_group(world, site, group, sim_checks_found_out_ns(world, site));
}

bool sim_checks_is_lapse_excused(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site(world, site);

    if (sim_checks_is_excused_anywhere(world, site, group))
        return true;
    if (world->setting.begins_old && sim_service_is_masked(host, group))
        return true; /* below the level "inside" is enough (5.3) */
    if (sim_service_is_outside(host, group))
        return sim_service_is_by_hand(host, group) || sim_check_second_excuses(world, site, group);
    return world->checks->unfenced_until_ns[site][group] >= world->now_ns;
}

void sim_checks_let_go(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_checks *checks = world->checks;

    if (world->now_ns < checks->cloned_until_ns &&
        (site == checks->cloned_site || site == sim_clone(world)->number))
        sim_checks_excuse_group(world, site, group,
                                checks->cloned_until_ns + find_out_ns(world) + SILENT_NS);
}

void sim_checks_cloned(struct sim_world *world, uint32_t site, uint64_t until_ns)
{
    struct sim_checks *checks = world->checks;

    checks->cloned_site = site;
    checks->cloned_until_ns = until_ns;
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        struct bw_guard_memory memory;
        struct bw_guard_mirror mirror;

        sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
        /* What serves there without a lease, also of an adoption that was never armed: the copy speaks for its site. */
        if (!memory.enforced || mirror.armed_epoch <= memory.ended_epoch)
            sim_checks_let_go(world, site, group);
    }
}

void sim_checks_vote_is_away(struct sim_world *world, uint32_t witness, bool is_away)
{
    const uint32_t bit = 1u << witness;

    world->checks->votes_away = (world->checks->votes_away & ~bit) | (is_away ? bit : 0);
}

bool sim_checks_is_vote_away(const struct sim_process *witness)
{
    return (sim_world_of(witness)->checks->votes_away >> witness->host->number & 1) != 0;
}

const struct sim_tally *sim_checks_tally(const struct sim_world *world)
{
    return &world->checks->tally;
}

/* ---- liveness ---- */

/* What must be true once the faults are over. */

#define BACKOFF_NS_MAX (600 * SIM_S)  /* a pause after failed starts grows so far (4) */
#define TRIPS          20             /* round trips from calm until a group is served, that no timing has room for */
#define JUDGED_NS      (3600 * SIM_S) /* a world of such a length is judged, or has failed */

static const struct bw_group *group_of(struct sim_world *world, uint32_t group)
{
    const struct bw_group *newest = NULL;
    uint64_t applied = 0;

    for (uint32_t i = 0; i < world->witness_count; i++) {
        const struct bw_cluster *cluster = sim_witness_cluster(world->witnesses[i]);
        const int group_index = cluster == NULL
                                    ? -1
                                    : bw_cluster_find(cluster, world->group_names[group]);

        if (group_index >= 0 && cluster->applied_index >= applied) {
            applied = cluster->applied_index;
            newest = &cluster->groups[group_index];
        }
    }
    return newest;
}

/* The pause that failed starts have earned (design 4), from the history. */
static uint64_t backoff_ns(const struct bw_group *group)
{
    uint64_t pause_ns = group->spec.retry_backoff_ms * SIM_MS;

    for (uint32_t i = 0; pause_ns < BACKOFF_NS_MAX; i++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, i);

        if (entry == NULL || (entry->ended_index != 0 &&
                              !bw_reason_is_failed_start(entry->why_ended)))
            break;
        pause_ns *= 2;
    }
    return pause_ns < BACKOFF_NS_MAX ? pause_ns : BACKOFF_NS_MAX;
}

/* The wait of 3.3 and the age of a fresh report (3.3), counted here: by the functions of the product
 * one that waits too long would be given all the time that it takes. */
static uint64_t expiry_ns(const struct sim_setting *setting)
{
    const uint64_t ppm = setting->terms.drift_ppm;

    return setting->ttl_ms_max * SIM_MS / (1000000 - ppm) * (1000000 + ppm) +
           setting->terms.margin_ms * SIM_MS;
}
static uint64_t freshness_ns(const struct sim_setting *setting)
{
    return (2 * (setting->terms.renew_interval_ms + 500) + setting->terms.request_timeout_ms) *
           SIM_MS;
}

/* From calm until each group is served: programs come back, a leader is elected, what was granted
 * ends by itself, what runs at sites is stopped, a start is tried, and once more if that was begun
 * under a fault. */
static uint64_t bound_ns(struct sim_world *world)
{
    const struct sim_setting *setting = &world->setting;
    const uint64_t restart_ns = 6 * SIM_S; /* machines and programs that come back one by one */
    const uint64_t stall_ns = 4 * SIM_S;   /* a log write that hangs ends its witness (L3) */
    const uint64_t election_ns = 6 * setting->election_timeout_ms * SIM_MS;
    const uint64_t far_ns = TRIPS * (uint64_t)setting->trip_ms * SIM_MS;
    const uint64_t report_ns =
        3 * freshness_ns(setting) + 4 * setting->check_interval_ms * SIM_MS;
    uint64_t pause_ns = 0;
    uint64_t move_ns = setting->script_limit_ns[BW_ACTION_START] +
                       setting->script_limit_ns[BW_ACTION_STOP] +
                       setting->script_limit_ns[BW_ACTION_REJOIN] +
                       4 * setting->script_limit_ns[BW_ACTION_STATUS] + 2 * SIM_S;

    for (uint32_t i = 0; i < setting->group_count; i++) {
        const struct bw_group *group = group_of(world, i);
        const uint64_t needed_ns = group == NULL ? 0 : backoff_ns(group);

        if (needed_ns > pause_ns)
            pause_ns = needed_ns;
    }
    move_ns += (setting->failure_threshold + 1) * setting->check_interval_ms * SIM_MS;
    return restart_ns + stall_ns + election_ns + far_ns +
           3 * (expiry_ns(setting) + report_ns + move_ns) + pause_ns;
}

static bool is_served_once(const struct sim_world *world, uint32_t group)
{
    const uint32_t sites = world->checks->serving[group];

    return sites != 0 && (sites & (sites - 1)) == 0;
}

static bool is_fencing(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);

    return guard != NULL && guard->fence != BW_FENCE_NONE;
}

/* Beside a deadline there is no time to show that another group's reach works (3.4). */
static bool waits_for_proof(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct bw_guard *guard = sim_guard_machine(world->guards[site], group);

    for (uint32_t other = 0; other < world->setting.group_count; other++)
        if (guard != NULL && !guard->limits.reach_works && is_fencing(world, site, other))
            return true;
    return false;
}

bool sim_checks_is_fenced_for_ever(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (sim_check_override_ends_in_vain(sim_site(world, site), group) ||
            (sim_machine(sim_site(world, site))->is_stubborn &&
             (is_fencing(world, site, group) || waits_for_proof(world, site, group))))
            return true;
    return false;
}

static void must_serve(struct sim_world *world, uint64_t calm_ns)
{
    struct sim_checks *checks = world->checks;
    char why[256] = "";

    for (uint32_t i = 0; i < world->setting.group_count; i++) {
        const struct bw_group *group = group_of(world, i);

        for (uint32_t w = 0; w < world->witness_count && !is_served_once(world, i); w++)
            if (sim_witness_leads(world->witnesses[w]))
                sim_witness_explain(world->witnesses[w], world->group_names[i], why, sizeof why);
        if (!is_served_once(world, i) && !sim_checks_is_fenced_for_ever(world, i))
            sim_fail(world, "liveness",
                     "%s is not served %" PRIu64 " s after the last fault (%s, held=%d): %s",
                     world->group_names[i], (world->now_ns - calm_ns) / SIM_S,
                     group == NULL ? "unknown" : bw_phase_word(group->phase),
                     group != NULL && group->held, why);
        checks->settled_serving[i] = checks->serving[i];
        checks->settled_epoch[i] = group == NULL ? 0 : group->epoch;
    }
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        checks->settled_boots[site] = sim_site(world, site)->boots;
    sim_check_override_settled(world);
    if (world->setting.has_second_enforcer)
        sim_check_second_settled(world);
    checks->is_settled = true;
    checks->tally.settled = 1;
}

static void calm_begins(struct sim_world *world, uint64_t argument)
{
    const uint64_t until_ns = world->now_ns + bound_ns(world);

    (void)argument;
    sim_tell(world, "CALM", "begins; every group must be served within %" PRIu64 " s",
             (until_ns - world->now_ns) / SIM_S);
    sim_plan_calm_down(world);
    sim_operator_calm_down(world);
    if (until_ns < world->plan->calm_ns[1])
        sim_world_at(world, until_ns, must_serve, world->now_ns);
    else if (world->setting.length_ns >= JUDGED_NS)
        sim_fail(world, "liveness", "a calm of %" PRIu64 " s is too short to judge anything",
                 (world->plan->calm_ns[1] - world->now_ns) / SIM_S);
}

void sim_check_liveness_begin(struct sim_world *world)
{
    sim_world_at(world, world->plan->calm_ns[0], calm_begins, 0);
}

bool sim_checks_is_calm(struct sim_world *world, uint32_t site)
{
    const struct sim_host *host = sim_site(world, site);

    return world->checks->is_settled && host->is_up &&
           host->boots == world->checks->settled_boots[site];
}

static bool is_calm_everywhere(struct sim_world *world)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (!sim_checks_is_calm(world, site))
            return false;
    return true;
}

void sim_check_liveness_at_end(struct sim_world *world)
{
    const struct sim_checks *checks = world->checks;

    for (uint32_t i = 0; is_calm_everywhere(world) && i < world->setting.group_count; i++) {
        const struct bw_group *group = group_of(world, i);

        if (checks->serving[i] != checks->settled_serving[i] || group == NULL ||
            group->epoch != checks->settled_epoch[i])
            sim_fail(world, "liveness", "%s moved in calm, without a cause",
                     world->group_names[i]);
    }
}
