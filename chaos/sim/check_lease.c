/* check_lease.c - until when a site may serve, counted apart from everybody in the world: an
 * epoch's lease ends one TTL after the newest renewal left that a witness has confirmed (3.2). Seen
 * are the messages, the clocks of the site's machine, its scripts and its service. */
#include "check_lease.h"

#include <inttypes.h>
#include <string.h>

#include "check_cluster.h"
#include "check_durable.h"
#include "check_second.h"
#include "check_site.h"
#include "checks_own.h"
#include "guard.h"
#include "site.h"
#include "witness.h"

/* ---- leases ---- */

/* ---- when each renewal left ------------------------------------------------------------------ */

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
                          .true_ns = host->world->now_ns,
                          .at = sim_clock_now(host)};
    if (host->world->setting.has_second_enforcer)
        sim_check_second_sent(
            agent, sync,
            &host->world->checks->sent[host->number][directory][sync->number % SIM_SENT_MAX]);
}

void sim_check_lease_received(struct sim_process *witness, const struct bw_sync *sync)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_sent *sent = sent_by(world, sync->session, sync->number);
    uint64_t *received_ns = sent == NULL ? NULL : &sent->received_ns[witness->host->number];

    if (received_ns != NULL && *received_ns == 0)
        *received_ns = world->now_ns;
}

void sim_check_lease_leader(struct sim_process *witness, uint64_t term)
{
    struct sim_generation *generation = sim_generation_of(witness);

    if (term <= generation->newest_term)
        return;
    generation->newest_term = term;
    generation->newest_leader_ns = sim_world_of(witness)->now_ns;
}

uint64_t sim_check_begins_to_prove(const struct sim_process *witness)
{
    return sim_generation_of(witness)->applied_index;
}

void sim_check_proves(struct sim_process *witness, uint64_t term, uint64_t begun_ns, uint64_t begun_index)
{
    const struct sim_generation *generation = sim_generation_of(witness);
    const uint64_t index = sim_world_of(witness)->checks->applied_index[witness->host->number];

    if (generation->newest_term > term && begun_ns > generation->newest_leader_ns)
        sim_fail(sim_world_of(witness), "lease",
                 "%s, leader of term %" PRIu64 ", has proved that it led %" PRIu64 " ms after term %" PRIu64
                 " had a leader",
                 witness->name, term, bw_ns_to_ms(begun_ns - generation->newest_leader_ns), generation->newest_term);
    if (index < begun_index)
        sim_fail(sim_world_of(witness), "lease",
                 "%s has proved that it leads, and applied entries up to %" PRIu64 ", others up to %" PRIu64 " before that",
                 witness->name, index, begun_index);
}

uint64_t sim_check_sent_ns(struct sim_world *world, const struct bw_sync *sync)
{
    const struct sim_sent *sent = sent_by(world, sync->session, sync->number);

    return sent == NULL ? 0 : sent->true_ns;
}

/* ---- what was confirmed ---------------------------------------------------------------------- */

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
    const struct bw_instant end = bw_instant_add(sent->at, bw_ms_to_ns(terms->ttl_ms));

    if (epoch < lease->epoch)
        return;
    if (epoch > lease->epoch || lease->boots != sent->boots || lease->site != sent->site)
        *lease = (struct sim_lease){
            .epoch = epoch, .site = sent->site, .boots = sent->boots, .terms = *terms};
    if (bw_instant_is_later(end, lease->end))
        lease->sent_ns = sent->true_ns;
    lease->end = bw_instant_max(lease->end, end);
}

/* 3.2.2, 3.3: what is confirmed once the epoch has expired, or is no longer to be expired by, would
 * be served beyond that. */
static void look_at_proposed(struct sim_process *witness, uint32_t group, uint64_t epoch,
                             uint64_t term)
{
    const struct sim_proposed *proposed =
        &sim_world_of(witness)->checks->proposed_end[witness->host->number][group];

    if (proposed->epoch == epoch && proposed->life == witness->life && proposed->term == term)
        sim_fail(sim_world_of(witness), "lease",
                 "%s confirms a renewal of epoch %" PRIu64 " of %s, whose end it has proposed",
                 witness->name, epoch, sim_world_of(witness)->group_names[group]);
}

void sim_check_proposes_end(struct sim_process *witness, uint32_t group, uint64_t epoch,
                            uint64_t term)
{
    sim_world_of(witness)->checks->proposed_end[witness->host->number][group] =
        (struct sim_proposed){.epoch = epoch, .term = term, .life = witness->life};
}

/* What an old leader receives after another was elected it cannot prove anything about (3.3). */
static void look_at_proof(struct sim_process *witness, const struct sim_sent *sent, uint32_t group,
                          uint64_t epoch, uint64_t term)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_generation *generation = sim_generation_of(witness);
    const uint64_t received_ns = sent->received_ns[witness->host->number];

    if (generation->newest_term > term && received_ns > generation->newest_leader_ns)
        sim_fail(world, "lease",
                 "%s, leader of term %" PRIu64 ", confirms a renewal of epoch %" PRIu64
                 " of %s that"
                 " came %" PRIu64 " ms after term %" PRIu64 " had a leader",
                 witness->name, term, epoch, world->group_names[group],
                 bw_ns_to_ms(received_ns - generation->newest_leader_ns),
                 generation->newest_term);
}

/* A clone is not confirmed what the original still holds, nor the other way round (3.5). */
static void look_at_machine(struct sim_process *witness, const struct sim_sent *sent, uint32_t group,
                            uint64_t epoch)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_lease *lease = &sim_generation_of(witness)->given[group];
    const struct sim_host *other = sim_site(world, lease->site);

    if (lease->epoch == epoch && lease->site != sent->site && !is_over(world, lease, 0) &&
        !sim_checks_is_excused(world, lease->site, group))
        sim_fail(world, "lease",
                 "%s confirms a renewal of epoch %" PRIu64 " of %s to %s on host %u, and %s on host %u"
                 " holds it for %" PRIu64 " ms more",
                 witness->name, epoch, world->group_names[group], sim_site(world, sent->site)->name,
                 sim_site(world, sent->site)->index, other->name, other->index,
                 bw_ns_to_ms(bw_instant_left_ns(sim_clock_now(other), lease->end)));
}

static void note_confirmed(struct sim_process *witness, uint32_t group, uint64_t epoch,
                           uint64_t term, struct bw_instant received)
{
    struct sim_proposed *confirmed =
        &sim_world_of(witness)->checks->confirmed[witness->host->number][group];
    const bool is_same = confirmed->epoch == epoch && confirmed->term == term &&
                         confirmed->life == witness->life;

    *confirmed = (struct sim_proposed){.epoch = epoch,
                                       .term = term,
                                       .life = witness->life,
                                       .at = is_same ? bw_instant_max(confirmed->at, received)
                                                     : received};
}

/* By each of its clocks, from the newest renewal that it has confirmed itself (3.3). */
void sim_check_waited(struct sim_process *witness, uint32_t group, uint64_t epoch, uint64_t term,
                      const struct bw_terms *terms)
{
    const struct sim_proposed *confirmed =
        &sim_world_of(witness)->checks->confirmed[witness->host->number][group];
    const uint64_t ttl_ns = bw_ms_to_ns(terms->ttl_ms);
    const uint64_t wait_ns = ttl_ns / (1000000 - terms->drift_ppm) * (1000000 + terms->drift_ppm) +
                             bw_ms_to_ns(terms->margin_ms);
    const struct bw_instant now = sim_now(witness);

    if (confirmed->epoch != epoch || confirmed->term != term || confirmed->life != witness->life ||
        (now.boot_ns >= confirmed->at.boot_ns + wait_ns &&
         now.raw_ns >= confirmed->at.raw_ns + wait_ns))
        return;
    sim_fail(sim_world_of(witness), "lease",
             "%s lets epoch %" PRIu64 " of %s expire %" PRIu64
             " ms after it has confirmed it, not %" PRIu64,
             witness->name, epoch, sim_world_of(witness)->group_names[group],
             bw_ns_to_ms(now.raw_ns - confirmed->at.raw_ns), bw_ns_to_ms(wait_ns));
}

void sim_check_confirms(struct sim_process *witness, const struct bw_sync *sync, uint32_t group,
                        uint64_t epoch, const struct bw_terms *terms, uint64_t term,
                        struct bw_instant received)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_checks *checks = world->checks;
    const struct sim_sent *sent = sent_by(world, sync->session, sync->number);
    struct sim_lease this_one = {.epoch = 0};

    if (sent == NULL)
        return; /* a message of long ago: its lease is over */
    sim_check_confirms_in(witness, sent->site, group);
    look_at_proof(witness, sent, group, epoch, term);
    look_at_proposed(witness, group, epoch, term);
    look_at_machine(witness, sent, group, epoch);
    note_confirmed(witness, group, epoch, term, received);
    extend(&sim_generation_of(witness)->given[group], epoch, sent, terms);
    extend(&this_one, epoch, sent, terms);
    sim_check_second_confirmed(world, sent, group, epoch, this_one.end, terms->second_enforcer);
    if (epoch <= checks->expired_epoch[group] && !is_over(world, &this_one, 0) &&
        !sim_checks_is_excused(world, sent->site, group))
        sim_fail(world, "lease",
                 "%s confirms a renewal of epoch %" PRIu64 " of %s, which has expired, for %" PRIu64
                 " ms more",
                 witness->name, epoch, world->group_names[group],
                 bw_instant_left_ns(sim_clock_now(sim_site(world, sent->site)), this_one.end) /
                     BW_NS_PER_MS);
}

void sim_check_expired(struct sim_world *world, uint64_t generation, uint32_t group, uint64_t epoch)
{
    struct sim_checks *checks = world->checks;
    const struct sim_lease *lease = &sim_generation_numbered(world, generation)->given[group];

    checks->expired_epoch[group] = epoch;
    if (lease->epoch != epoch || is_over(world, lease, 0) ||
        sim_checks_is_excused(world, lease->site, group))
        return;
    sim_fail(
        world, "lease",
        "epoch %" PRIu64 " of %s has expired, and a renewal was confirmed for %" PRIu64 " ms more",
        epoch, world->group_names[group],
        bw_ns_to_ms(bw_instant_left_ns(sim_clock_now(sim_site(world, lease->site)), lease->end)));
}

/* ---- what the site has heard of it ----------------------------------------------------------- */

void sim_check_answered(struct sim_process *agent, const struct bw_sync_answer *answer)
{
    struct sim_world *world = sim_world_of(agent);
    const struct sim_sent *sent = sent_by(world, answer->session, answer->number);
    const struct sim_generation *generation = sim_generation_numbered(world, answer->generation);
    const bool is_dropped = generation == NULL || sim_check_must_drop(agent, answer);

    sim_check_override_answered(agent, answer);
    for (uint32_t i = 0; sent != NULL && i < answer->group_count; i++) {
        const struct bw_sync_answer_group *answered = &answer->groups[i];
        const int group = sim_group_find(world, answered->name);
        const struct sim_lease *given = group < 0 || is_dropped ? NULL : &generation->given[group];

        if (given != NULL && answered->confirmed_epoch != 0 &&
            answered->confirmed_epoch == given->epoch)
            extend(&world->checks->leases[sent->site][group], answered->confirmed_epoch, sent,
                   &given->terms);
    }
}

/* 3.8: under a manual lease, which guard and agent have both written down: before its D - F. */
static bool is_override(const struct sim_world *world, uint32_t site, uint32_t group)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site((struct sim_world *)(uintptr_t)world, site), group, &memory,
                         &mirror);
    return mirror.armed_serial != 0 && sim_check_overrides(world, site, group) &&
           !bw_instant_right_is_over(sim_clock_now(sim_site((struct sim_world *)(uintptr_t)world, site)),
                                     bw_instant_sub(mirror.armed_end, mirror.fence_ns));
}

/* 3.4: only with a lease, and only before D - F. */
void sim_check_lease_start(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    const struct bw_instant now = sim_clock_now(sim_site(world, site));
    struct sim_lease window = world->checks->leases[site][group];
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    struct bw_instant armed;

    if (is_override(world, site, group))
        return;
    if (window.epoch > epoch && sim_checks_is_excused(world, site, group))
        return; /* it has forgotten the generation of that, and obeys one before it (3.8) */
    if (window.epoch != epoch) {
        sim_fail(world, "lease",
                 "%s starts %s under epoch %" PRIu64 ", and no renewal of it was confirmed",
                 sim_site(world, site)->name, world->group_names[group], epoch);
        return;
    }
    window.end = bw_instant_sub(window.end, bw_ms_to_ns(window.terms.fence_ms));
    sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
    armed = bw_instant_sub(mirror.armed_end, mirror.fence_ns);
    if (is_over(world, &window, 0) ||
        (mirror.armed_epoch == epoch &&
         (now.boot_ns >= armed.boot_ns || now.raw_ns >= armed.raw_ns)))
        sim_fail(world, "lease", "%s starts %s under epoch %" PRIu64 " after D - F",
                 sim_site(world, site)->name, world->group_names[group], epoch);
}

bool sim_check_lease_lives(const struct sim_world *world, uint32_t site, uint32_t group,
                           uint64_t epoch)
{
    const struct sim_lease *lease = &world->checks->leases[site][group];

    /* A lease is of one boot: one that has lost its power has none, whatever its copy says
     * (3.7, 3.8). */
    return epoch != 0 && lease->epoch == epoch && !is_over(world, lease, 0) &&
           sim_site((struct sim_world *)(uintptr_t)world, site)->is_up;
}

uint64_t sim_check_lease_sent_ns(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_lease *lease = &world->checks->leases[site][group];
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site((struct sim_world *)(uintptr_t)world, site), group, &memory,
                         &mirror);
    return lease->epoch == 0 || !sim_site((struct sim_world *)(uintptr_t)world, site)->is_up ||
                   is_over(world, lease, 0) || memory.ended_epoch >= lease->epoch
               ? 0
               : lease->sent_ns;
}

/* ---- the service ----------------------------------------------------------------------------- */

/* Until D, and whoever waits for it waits for the margin too (3.2.4, 3.3). What was let go serves
 * on without a lease, and so does what was to be adopted and was never armed (3.9). */
static void look_at_service(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_checks *checks = world->checks;
    struct sim_lease *lease = &checks->leases[site][group];
    const struct sim_host *host = sim_site(world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    char text[200];

    if (lease->epoch == 0 || !is_over(world, lease, bw_ms_to_ns(lease->terms.margin_ms)))
        return;
    if (!sim_service_is_serving(host, group) || sim_service_is_by_hand(host, group) ||
        sim_service_is_outside(host,
                               group) || /* nothing ends it in time: nobody else may be granted */
        sim_check_overrides(world, site, group) || /* 3.8 */
        sim_checks_is_lapse_excused(world, site, group))
        return;
    sim_check_read_guard(host, group, &memory, &mirror);
    if (!memory.enforced || checks->armed_epoch[site][group] < lease->epoch)
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
    sim_check_override(world);
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            look_at_service(world, site, group);
    sim_check_fences(world);
}

/* ---- reports ---- */

/* What a leader has heard when it proposes. 3.3: a fence that a site reports as
 * failed is committed and does not end by time, and a fresh report of a service that runs delays
 * the expiry. 3.9: a first grant rests on looks that were begun after the commit of its spec. */

/* Of what is fresh, so that nobody argues about its edge. */
#define FRESH_PERCENT 80

static int agent_of(const struct sim_world *world, uint32_t site, const char *name)
{
    for (int i = 0; i < SIM_AGENTS_MAX; i++)
        if (world->agents[site][i] != NULL && strcmp(world->agents[site][i]->name, name) == 0)
            return i;
    return -1;
}

static void hear(struct sim_process *witness, const struct bw_sync *sync,
                 const struct bw_sync_group *sync_group, struct sim_contact *contact)
{
    const uint64_t sent_ns = sim_check_sent_ns(sim_world_of(witness), sync);

    if (sent_ns == 0 || (contact->life == witness->life && contact->sent_ns >= sent_ns))
        return; /* overtaken, also by another session */
    *contact = (struct sim_contact){
        .sent_ns = sent_ns,
        .life = witness->life,
        .received = sim_now(witness),
        .service = sync_group->report.service,
        .overrides = sync_group->report.override == BW_OVERRIDE_OVERRIDING ||
                     sync_group->report.override == BW_OVERRIDE_ENDING,
        .generation = sync->generation,
        .failed_epoch = sync_group->report.fence_failed ? sync_group->report.fence_epoch : 0};
}

void sim_check_hears(struct sim_process *witness, const struct bw_sync *sync)
{
    struct sim_world *world = sim_world_of(witness);

    sim_check_lease_received(witness, sync);
    sim_check_ahead_hears(witness, sync);
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const int agent = strcmp(sim_site(world, site)->name, sync->site) == 0
                              ? agent_of(world, site, sync->agent)
                              : -1;

        for (uint32_t i = 0; agent >= 0 && i < sync->group_count; i++) {
            const int group = sim_group_find(world, sync->groups[i].name);

            if (group >= 0)
                hear(witness, sync, &sync->groups[i],
                     &world->checks->reports[witness->host->number][group][site][agent]);
        }
    }
}

static bool is_fresh(struct sim_process *witness, const struct sim_contact *contact,
                     const struct bw_terms *terms)
{
    const uint64_t fresh_ns = (2 * (uint64_t)terms->renew_interval_ms + terms->request_timeout_ms) *
                              BW_NS_PER_MS;

    return !bw_instant_right_is_over(
        sim_now(witness), bw_instant_add(contact->received, fresh_ns * FRESH_PERCENT / 100));
}

/* By time, or by a person's word: what the holder's site says itself counts more (3.1, 3.3). */
static void look_at_unseen_end(struct sim_process *witness, uint32_t group,
                               const struct bw_group *state, enum bw_command_kind kind)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (int agent = 0; agent < SIM_AGENTS_MAX; agent++) {
            const struct sim_contact *contact =
                &world->checks->reports[witness->host->number][group][site][agent];

            if (strcmp(sim_site(world, site)->name, state->holder_site) != 0 ||
                contact->sent_ns == 0 || contact->life != witness->life)
                continue;
            if (kind == BW_COMMAND_EXPIRED && contact->failed_epoch == state->epoch)
                sim_fail(world, "reports",
                         "%s lets epoch %" PRIu64
                         " of %s expire, and has heard that its fence failed",
                         witness->name, state->epoch, world->group_names[group]);
            if (contact->service == BW_SERVICE_STARTED && !state->adopting && !contact->overrides &&
                is_fresh(witness, contact, &state->terms))
                sim_fail(world, "reports",
                         "%s ends epoch %" PRIu64 " of %s (%s), and has heard %" PRIu64
                         " ms ago that it runs",
                         witness->name, state->epoch, world->group_names[group],
                         bw_command_word(kind),
                         bw_ns_to_ms(bw_instant_elapsed_ns(sim_now(witness), contact->received)));
        }
}

void sim_check_look_begins(struct sim_world *world, uint32_t site, uint32_t group)
{
    world->checks->looked_ns[site][group] = world->now_ns;
}

void sim_check_spec_changes(struct sim_world *world, uint32_t group, uint64_t version)
{
    if (version <= world->checks->spec_version[group])
        return; /* another witness applies it */
    world->checks->spec_version[group] = version;
    world->checks->spec_changed_ns[group] = world->now_ns;
}

/* What was let go may still be held where nobody has heard of it: until its guard has written it
 * down, or the lease is over (3.9). */
static void look_at_let_go(struct sim_process *witness, uint32_t group,
                           const struct bw_group *state)
{
    struct sim_world *world = sim_world_of(witness);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        if (strcmp(sim_site(world, site)->name, state->let_go_site) != 0 ||
            !sim_check_lease_lives(world, site, group, state->let_go_epoch))
            continue;
        sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
        if (memory.let_go_index < state->let_go_index && memory.ended_epoch < state->let_go_epoch)
            sim_fail(world, "reports",
                     "%s grants %s, and %s has not let go of epoch %" PRIu64 ", whose lease lives",
                     witness->name, world->group_names[group], state->let_go_site,
                     state->let_go_epoch);
    }
}

/* By whichever machine speaks for the site: that of a clone may be the only one that is heard (3.8). */
static uint64_t looked_ns(struct sim_world *world, uint32_t site, uint32_t group)
{
    const uint64_t by_site = world->checks->looked_ns[site][group];
    const struct sim_host *clone = sim_clone(world);
    const uint64_t by_clone = world->checks->looked_ns[clone->number][group];

    return strcmp(clone->name, sim_site(world, site)->name) == 0 && by_clone > by_site ? by_clone
                                                                                      : by_site;
}

/* A person who names the site answers for what nobody has seen. */
static void look_at_first_grant(struct sim_process *witness, uint32_t group,
                                const struct bw_group *state, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_checks *checks = world->checks;

    if (command->reason == BW_REASON_OVERRIDE && command->adopt)
        return; /* it serves by a person's word: the others have to be heard, no more (3.8) */
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (bw_spec_find_site(&state->spec, sim_site(world, site)->name) >= 0 &&
            checks->spec_version[group] == state->spec_version &&
            !(strcmp(sim_site(world, site)->name, command->site) == 0 &&
              sim_check_overrides(world, site, group)) && /* a person has (3.8) */
            looked_ns(world, site, group) < checks->spec_changed_ns[group])
            sim_fail(world, "reports",
                     "%s grants %s for the first time, and nobody at %s has looked at it since",
                     witness->name, world->group_names[group], sim_site(world, site)->name);
}

/* 3.9: who has not turned its back on the witnesses of before may yet obey them. */
static void look_at_generations(struct sim_process *witness, uint32_t group,
                                const struct bw_cluster *cluster, const struct bw_group *state)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const char *name = sim_site(world, site)->name;
        /* What a clone has said is not noted here. */
        bool has_reported = bw_spec_find_site(&state->spec, name) < 0 ||
                            strcmp(sim_clone(world)->name, name) == 0;

        for (int agent = 0; agent < SIM_AGENTS_MAX; agent++) {
            const struct sim_contact *contact =
                &world->checks->reports[witness->host->number][group][site][agent];

            has_reported |= contact->sent_ns != 0 && contact->life == witness->life &&
                            contact->generation == cluster->generation;
        }
        if (!has_reported)
            sim_fail(world, "recovery",
                     "%s grants %s after a recovery, and nobody at %s has spoken of that generation",
                     witness->name, world->group_names[group], name);
    }
}

/* Made anew after a recovery, and a person says where it begins: of the sites that he answers for,
 * those of the generation before may still be obeyed (3.8). */
static bool is_answered_for(const struct bw_cluster *cluster, const struct bw_group *state)
{
    return cluster->generation > 1 && state->initial_primary[0] != '\0';
}

void sim_check_proposes(struct sim_process *witness, const struct bw_command *command,
                        uint64_t term)
{
    const int found = sim_group_find(sim_world_of(witness), command->group);
    const struct bw_cluster *cluster = sim_witness_cluster(witness);
    const int group_index = bw_cluster_find(cluster, command->group);
    const struct bw_group *state;
    uint32_t group;

    if (found < 0 || group_index < 0)
        return;
    group = (uint32_t)found;
    sim_check_ahead_proposes(witness, group, command);
    state = &cluster->groups[group_index];
    if (command->kind == BW_COMMAND_EXPIRED || command->kind == BW_COMMAND_CLOSE)
        sim_check_proposes_end(witness, group, command->epoch, term);
    if (command->kind == BW_COMMAND_EXPIRED) {
        sim_check_waited(witness, group, command->epoch, term, &state->terms);
        look_at_unseen_end(witness, group, state, command->kind);
    }
    if (command->kind == BW_COMMAND_FORCED)
        look_at_unseen_end(witness, group, state, command->kind);
    if (command->kind == BW_COMMAND_GRANT) {
        sim_check_override_decides(witness, group, command->site, command->epoch, "grants");
        look_at_let_go(witness, group, state);
        sim_check_condition_grant(witness, group, state, command);
    }
    if (command->kind != BW_COMMAND_GRANT || !state->first_grant)
        return;
    if (state->recovered_index != 0 || is_answered_for(cluster, state))
        sim_check_first_grant(witness, group, cluster, state, command->site);
    if (state->initial_primary[0] != '\0')
        return;
    look_at_first_grant(witness, group, state, command);
    if (state->recovered_index != 0)
        look_at_generations(witness, group, cluster, state);
}
