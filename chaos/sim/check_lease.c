/* check_lease.c - until when a site may serve, counted apart from everybody in the world: an
 * epoch's lease ends one TTL after the newest renewal left that a witness has confirmed (3.2). Seen
 * are the messages, the clocks of the site's machine, its scripts and its service. */
#include "check_lease.h"

#include <inttypes.h>
#include <string.h>

#include "check_durable.h"
#include "checks_own.h"
#include "guard.h"
#include "site.h"
#include "witness.h"

/* ---- when each renewal left ---------------------------------------------------------------------
 */

static struct sim_sent *sent_by(struct sim_world *world, struct bw_id session, uint64_t number)
{
    for (uint32_t site = 0; site < SIM_SITES_MAX; site++)
        for (uint32_t agent = 0; agent < SIM_AGENTS_MAX; agent++) {
            struct sim_sent *sent = &world->checks->sent[site][agent][number % SIM_SENT_MAX];

            if (sent->number == number && bw_id_equal(sent->session, session))
                return sent;
        }
    return NULL;
}

void sim_check_lease_sent(struct sim_process *agent, const struct bw_sync *sync)
{
    const struct sim_host *host = agent->host;
    const uint64_t directory = (uintptr_t)agent->user;

    sim_world_of(agent)->checks->sent[host->number][directory][sync->number % SIM_SENT_MAX] =
        (struct sim_sent){.session = sync->session,
                          .number = sync->number,
                          .site = host->number,
                          .boots = host->boots,
                          .at = sim_clock_now(host)};
}

/* ---- what was confirmed -------------------------------------------------------------------------
 */

static bool is_over(const struct sim_world *world, const struct sim_lease *lease, uint64_t later_ns)
{
    const struct sim_host *host = sim_site((struct sim_world *)(uintptr_t)world, lease->site);
    const struct bw_instant now = sim_clock_now(host);
    const struct bw_instant end = lease->end; /* compared apart from core's own function (1) */

    return host->boots != lease->boots || now.boot_ns >= end.boot_ns + later_ns ||
           now.raw_ns >= end.raw_ns + later_ns;
}

static void extend(struct sim_lease *lease, uint64_t epoch, const struct sim_sent *sent,
                   const struct bw_terms *terms)
{
    const struct bw_instant end = bw_instant_add(sent->at, terms->ttl_ms * BW_NS_PER_MS);

    if (epoch < lease->epoch)
        return;
    if (epoch > lease->epoch || lease->boots != sent->boots || lease->site != sent->site)
        *lease = (struct sim_lease){
            .epoch = epoch, .site = sent->site, .boots = sent->boots, .terms = *terms};
    lease->end = bw_instant_max(lease->end, end);
}

/* 3.2.2, 3.3: what is confirmed once the epoch has expired, or is no longer to be expired by, would
 * be served beyond that. */
void sim_check_confirms(struct sim_process *witness, const struct bw_sync *sync, uint32_t group,
                        uint64_t epoch, const struct bw_terms *terms)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const struct sim_sent *sent = sent_by(world, sync->session, sync->number);
    struct sim_lease this_one = {.epoch = 0};

    if (sent == NULL)
        return; /* a message of long ago: its lease is over */
    extend(&checks->given[group], epoch, sent, terms);
    extend(&this_one, epoch, sent, terms);
    if (epoch <= checks->expired_epoch[group] && !is_over(world, &this_one, 0) &&
        checks->excused_until_ns[sent->site] < world->now_ns)
        sim_fail(world, "lease",
                 "%s confirms a renewal of epoch %" PRIu64 " of %s, which has expired, for %" PRIu64
                 " ms more",
                 witness->name, epoch, world->group_names[group],
                 bw_instant_left_ns(sim_clock_now(sim_site(world, sent->site)), this_one.end) /
                     BW_NS_PER_MS);
}

void sim_check_expired(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    struct sim_checks *checks = world->checks;
    const struct sim_lease *lease = &checks->given[group];

    checks->expired_epoch[group] = epoch;
    if (lease->epoch != epoch || is_over(world, lease, 0) ||
        checks->excused_until_ns[lease->site] >= world->now_ns)
        return;
    sim_fail(
        world, "lease",
        "epoch %" PRIu64 " of %s has expired, and a renewal was confirmed for %" PRIu64 " ms more",
        epoch, world->group_names[group],
        bw_instant_left_ns(sim_clock_now(sim_site(world, lease->site)), lease->end) / BW_NS_PER_MS);
}

/* ---- what the site has heard of it --------------------------------------------------------------
 */

void sim_check_answered(struct sim_process *agent, const struct bw_sync_answer *answer)
{
    struct sim_world *world = sim_world_of(agent);
    const struct sim_sent *sent = sent_by(world, answer->session, answer->number);

    for (uint32_t i = 0; sent != NULL && i < answer->group_count; i++)
        for (uint32_t group = 0; group < world->setting.group_count; group++) {
            const struct bw_sync_answer_group *told = &answer->groups[i];
            const struct sim_lease *given = &world->checks->given[group];

            if (strcmp(told->name, world->group_names[group]) == 0 && told->confirmed_epoch != 0 &&
                told->confirmed_epoch == given->epoch)
                extend(&world->checks->heard[sent->site][group], told->confirmed_epoch, sent,
                       &given->terms);
        }
}

/* 3.4: only with a lease, and only before D - F. */
void sim_check_lease_start(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_lease window = world->checks->heard[site][group];

    if (window.epoch != epoch) {
        sim_fail(world, "lease",
                 "%s starts %s under epoch %" PRIu64 ", and no renewal of it was confirmed",
                 sim_site(world, site)->name, world->group_names[group], epoch);
        return;
    }
    window.end = bw_instant_sub(window.end, window.terms.fence_ms * BW_NS_PER_MS);
    if (is_over(world, &window, 0))
        sim_fail(world, "lease", "%s starts %s under epoch %" PRIu64 " after D - F",
                 sim_site(world, site)->name, world->group_names[group], epoch);
}

/* ---- the service --------------------------------------------------------------------------------
 */

/* Until D, and whoever waits for it waits for the margin too (3.2.4, 3.3). What was let go serves
 * on without a lease (3.9). */
static void look_at_service(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_checks *checks = world->checks;
    struct sim_lease *lease = &checks->heard[site][group];
    const struct sim_host *host = sim_site(world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    char text[200];

    if (lease->epoch == 0 || !is_over(world, lease, lease->terms.margin_ms * BW_NS_PER_MS))
        return;
    if (!sim_service_is_serving(host, group) || sim_service_is_by_hand(host, group) ||
        checks->excused_until_ns[site] >= world->now_ns)
        return;
    sim_check_read_guard(host, group, &memory, &mirror);
    if (!memory.enforced)
        return;
    sim_site_describe(host, group, text, sizeof text);
    sim_fail(world, "lease", "%s is served after the lease of epoch %" PRIu64 ": %s",
             world->group_names[group], lease->epoch, text);
}

#define LOOK_NS (5 * SIM_MS)

void sim_check_lease(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;

    if (world->now_ns < checks->lease_look_ns)
        return;
    checks->lease_look_ns = world->now_ns + LOOK_NS;
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            look_at_service(world, site, group);
}
