/* check_override.c - an override begins when no lease lives any more that was confirmed before its
 * command, and nothing of the site's own serves; while it lasts nobody who has heard of it decides
 * for another site, and nothing at its site ends what serves but for a reason; in calm it comes to
 * an end (3.8). What it excuses is as wide as what a person takes upon himself: another override,
 * or a quorum that the site does not hear. */
#include "check_override.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/core/group.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/state.h>

#include "check_durable.h"
#include "check_lease.h"
#include "checks_own.h"
#include "machine.h"
#include "site.h"
#include "witness.h"

#define FAILED_NS (30 * SIM_S) /* until its status has been asked for long enough */

static const char *const stage_words[] = {[SIM_OVERRIDE_NONE] = "nothing",
                                          [SIM_OVERRIDE_WAITING] = "it waits",
                                          [SIM_OVERRIDE_ON] = "it overrides",
                                          [SIM_OVERRIDE_ENDING] = "it is to end"};

static enum sim_override stage_of(const struct bw_site_memory *memory)
{
    switch (memory->override) {
    case BW_OVERRIDE_NONE:
    case BW_OVERRIDE_COUNT:
        break;
    case BW_OVERRIDE_WAITING:
        return SIM_OVERRIDE_WAITING;
    case BW_OVERRIDE_OVERRIDING:
        return SIM_OVERRIDE_ON;
    case BW_OVERRIDE_ENDING:
        return SIM_OVERRIDE_ENDING;
    }
    return SIM_OVERRIDE_NONE;
}

static struct sim_overridden *overridden(const struct sim_world *world, uint32_t site,
                                         uint32_t group)
{
    return &world->checks->overridden[site][group];
}

static bool guard_lets_serve(const struct sim_world *world, uint32_t site, uint32_t group)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site((struct sim_world *)(uintptr_t)world, site), group, &memory,
                         &mirror);
    return mirror.armed_serial != 0;
}

bool sim_check_overrides(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const enum sim_override kept = overridden(world, site, group)->kept;

    return !overridden(world, site, group)->is_leased &&
           (kept == SIM_OVERRIDE_ON || kept == SIM_OVERRIDE_ENDING ||
            overridden(world, site, group)->is_orphaned);
}

uint64_t sim_check_override_since(const struct sim_world *world, uint32_t site, uint32_t group)
{
    return overridden(world, site, group)->on_ns;
}

/* One that was never granted since it was made anew was let go as the one before it was deleted. */
static uint64_t let_go_of(const struct bw_group *group)
{
    const bool is_made_anew = group->epoch != 0 && bw_group_history_at(group, 0) == NULL;

    return is_made_anew ? group->changed_index : group->let_go_index;
}

/* The newest by which the group was let go, as far as any witness knows; a group that is deleted
 * is, too. */
static uint64_t let_go_index(const struct sim_world *world, uint32_t group)
{
    uint64_t newest = 0;

    for (uint32_t i = 0; i < world->witness_count; i++) {
        const struct bw_cluster *cluster = sim_witness_cluster(world->witnesses[i]);
        const int found = cluster == NULL ? -1
                                          : bw_cluster_find(cluster, world->group_names[group]);
        const uint64_t index = cluster == NULL ? 0
                               : found < 0     ? cluster->applied_index
                                               : let_go_of(&cluster->groups[found]);

        newest = index > newest ? index : newest;
    }
    return newest;
}

/* ---- what it excuses
 * ----------------------------------------------------------------------------- */

static bool overrides_elsewhere(const struct sim_world *world, uint32_t site, uint32_t group)
{
    for (uint32_t other = 0; other < world->setting.site_count; other++)
        if (other != site && sim_check_overrides(world, other, group))
            return true;
    return false;
}

/* Between two answers that its agent has read. */
static uint64_t deaf_after_ns(const struct sim_world *world)
{
    return (2 * (uint64_t)world->setting.terms.renew_interval_ms + 1000 +
            world->setting.terms.request_timeout_ms) *
               SIM_MS +
           SIM_S;
}

/* One that overrides learns nothing of what another agent beside it hears. */
static bool is_deaf(const struct sim_world *world, uint32_t site)
{
    for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++) {
        const struct sim_process *agent = world->agents[site][i];

        if (agent != NULL && agent->health != SIM_DEAD &&
            world->checks->answered_ns[site][i] + deaf_after_ns(world) < world->now_ns)
            return true;
    }
    return false;
}

/* Nobody lives there who could hear, and the guard goes on with what it was told; or is gone with the machine, which
 * the service outlives. */
static bool is_left_to_its_guard(const struct sim_world *world, uint32_t site, uint32_t group)
{
    for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++)
        if (world->agents[site][i] != NULL && world->agents[site][i]->health != SIM_DEAD)
            return false;
    return world->guards[site]->health == SIM_DEAD || guard_lets_serve(world, site, group);
}

/* Since it was ordered another site was granted, or confirmed, and this one has not heard anybody
 * since, or has had no time to end what it serves. Nor does it hear of it from those that were said
 * to be lost, and came back beside the cluster that was recovered without them (3.9). */
static bool is_uninformed(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_overridden *over = overridden(world, site, group);

    return over->decided_ns != 0 && (is_deaf(world, site) || is_left_to_its_guard(world, site, group) ||
                                     over->knows_by_ns >= world->now_ns ||
                                     over->decided_generation < world->generation);
}

/* Witnesses tell it of another's lease as long as they hear that site: whose agents are gone, and whose service
 * outlives them, nobody speaks of (3.8). */
static bool is_untold(const struct sim_world *world, uint32_t site, uint32_t group)
{
    for (uint32_t other = 0; other < world->setting.site_count; other++) {
        if (other == site || !sim_service_is_serving(sim_site((struct sim_world *)(uintptr_t)world, other), group))
            continue;
        for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++)
            if (world->agents[other][i] != NULL && world->agents[other][i]->health != SIM_DEAD)
                return false;
    }
    return overridden(world, site, group)->decided_ns != 0;
}

bool sim_check_override_ends_in_vain(const struct sim_host *host, uint32_t group)
{
    return sim_machine(host)->is_stubborn &&
           (sim_override_kept(host, group) == SIM_OVERRIDE_ENDING ||
            overridden(host->world, host->number, group)->is_orphaned);
}

/* Nothing else is an end of what is outside (3.2.4). */
static bool is_unendable(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_host *host = sim_site((struct sim_world *)(uintptr_t)world, site);

    return sim_check_override_ends_in_vain(host, group) && sim_service_is_outside(host, group);
}

bool sim_check_override_excuses(const struct sim_world *world, uint32_t site, uint32_t group)
{
    return sim_check_overrides(world, site, group) &&
           (overrides_elsewhere(world, site, group) || is_uninformed(world, site, group) ||
            is_untold(world, site, group) ||
            (overridden(world, site, group)->decided_ns != 0 && is_unendable(world, site, group)));
}

void sim_check_override_answered(struct sim_process *agent, const struct bw_sync_answer *answer)
{
    struct sim_world *world = sim_world_of(agent);
    const uint32_t site = agent->host->number;

    if (!answer->is_leader || answer->generation < world->generation)
        return;
    for (uint32_t group = 0; is_deaf(world, site) && group < world->setting.group_count; group++)
        overridden(world, site, group)->knows_by_ns = sim_checks_found_out_ns(world, site);
    for (uint32_t i = 0; i < SIM_AGENTS_MAX; i++)
        if (world->agents[site][i] == agent)
            world->checks->answered_ns[site][i] = world->now_ns;
}

/* ---- it begins
 * ----------------------------------------------------------------------------------- */

static void fail_of(struct sim_world *world, uint32_t site, uint32_t group, const char *what)
{
    char text[200];

    sim_site_describe(sim_site(world, site), group, text, sizeof text);
    sim_fail(world, "override", "%s: %s %s: %s", world->group_names[group],
             sim_site(world, site)->name, what, text);
}

/* By what each site has heard confirmed: nothing that left before the command counts beyond the
 * wait. */
static void look_at_leases(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_overridden *over = overridden(world, site, group);

    for (uint32_t other = 0; other < sim_machine_count(world); other++) {
        const uint64_t sent_ns = sim_check_lease_sent_ns(world, other, group);

        if (other != site && sent_ns != 0 && sent_ns <= over->ordered_ns &&
            !sim_checks_is_excused(world, other, group))
            sim_fail(world, "override",
                     "%s overrides for %s %" PRIu64 " ms after its command, and a lease of before"
                     " lives at %s",
                     sim_site(world, site)->name, world->group_names[group],
                     (world->now_ns - over->ordered_ns) / SIM_MS, sim_site(world, other)->name);
    }
}

static void begins(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_overridden *over = overridden(world, site, group);

    sim_count(world, "override:on");
    over->is_orphaned = false;
    over->on_ns = world->now_ns;
    over->boots = sim_site(world, site)->boots;
    over->second_life = world->agents[site][1]->health == SIM_DEAD ? world->agents[site][1]->life
                                                                   : 0;
    world->checks->by_hand_since[group] =
        true; /* what is written from now on was never promised (3.6) */
    if (over->ordered_ns == 0) {
        if (!sim_checks_is_excused(world, site, group))
            fail_of(world, site, group, "overrides, and nobody has ordered it");
        return;
    }
    look_at_leases(world, site, group);
    if (overrides_elsewhere(world, site, group))
        sim_count(world, "override:two");
}

static void is_over(struct sim_world *world, uint32_t site, uint32_t group,
                    enum sim_override before)
{
    struct sim_overridden *over = overridden(world, site, group);
    const bool is_served = sim_service_is_serving(sim_site(world, site), group);

    if (before != SIM_OVERRIDE_WAITING && !over->is_leased &&
        (guard_lets_serve(world, site, group) ||
         (world->setting.has_second_enforcer && is_served && /* nor has a reboot ended it */
          sim_machine(sim_site(world, site))
              ->is_stubborn))) { /* its agent's state was lost, or put back */
        sim_count(world, "override:orphaned");
        over->is_orphaned = true;
        over->orphan_until_ns = 0; /* that of one before is over */
        return;
    }
    if (before == SIM_OVERRIDE_WAITING) {
        sim_count(world, "override:given_up");
        if (over->is_orphaned)
            return; /* what the one before it has left serving is not ended by that */
    } else if (is_served)
        sim_count(world, over->is_leased ? "override:adopted" : "override:let_go");
    else
        sim_count(world, over->is_leased ? "override:leased" : "override:ended");
    /* It may have been ordered anew while the end was on its way to the disk. */
    *over = (struct sim_overridden){.ordered_ns = over->ordered_ns > over->on_ns ? over->ordered_ns
                                                                                 : 0,
                                    .carried_out = over->carried_out,
                                    .knows_by_ns = over->knows_by_ns};
}

/* By the agent's own file. A copy of the machine has it too, and is not the one that was meant
 * (3.7). */
static void read_kept(const struct sim_host *host, enum sim_override out_kept[SIM_GROUPS_MAX])
{
    const struct sim_file *file = sim_file_load(host, SIM_AGENT_FILE);
    struct bw_agent_state state = {.group_count = 0};

    memset(out_kept, 0, SIM_GROUPS_MAX * sizeof out_kept[0]);
    if (file == NULL || host == sim_clone(host->world) ||
        bw_agent_state_decode(file->bytes, file->size, &state, NULL) != BW_OK)
        return;
    for (uint32_t i = 0; i < state.group_count; i++) {
        const int group = sim_group_find(host->world, state.groups[i].name);
        const struct bw_site_memory *memory = &state.groups[i].memory;
        struct sim_overridden *over;

        if (group < 0)
            continue;
        out_kept[group] = stage_of(memory);
        over = overridden(host->world, host->number, (uint32_t)group);
        over->kept_epoch = memory->epoch;
        over->end_unix_ms = memory->override_end_unix_ms;
        over->carried_out = memory->let_go_index;
    }
    bw_agent_state_deinit(&state);
}

static void changes(struct sim_world *world, uint32_t site, uint32_t group, enum sim_override kept)
{
    struct sim_overridden *over = overridden(world, site, group);
    const enum sim_override before = over->kept;

    over->kept = kept;
    sim_tell(world, sim_site(world, site)->name, "%s: what is kept of the override: %s",
             world->group_names[group], stage_words[kept]);
    if (kept == SIM_OVERRIDE_NONE)
        is_over(world, site, group, before);
    else if (before < SIM_OVERRIDE_ON && kept >= SIM_OVERRIDE_ON)
        begins(world, site, group);
    else
        sim_count(world, kept == SIM_OVERRIDE_WAITING ? "override:waits" : "override:ending");
}

void sim_check_override_kept(const struct sim_host *host)
{
    enum sim_override kept[SIM_GROUPS_MAX];

    read_kept(host, kept);
    for (uint32_t group = 0; group < host->world->setting.group_count; group++)
        if (kept[group] != overridden(host->world, host->number, group)->kept)
            changes(host->world, host->number, group, kept[group]);
}

enum sim_override sim_override_kept(const struct sim_host *host, uint32_t group)
{
    return overridden(host->world, host->number, group)->kept;
}

void sim_check_override_ordered(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_overridden *over = overridden(world, site, group);

    sim_count(world, "override:ordered");
    /* What an orphan has left serving, and is fenced while the next one waits, is still that. */
    over->is_orphaned = over->is_orphaned && sim_service_is_serving(sim_site(world, site), group);
    over->ordered_ns = world->now_ns;
    over->to_end_ns = 0;
    over->is_leased = false;
    over->decided_ns = 0;
}

void sim_check_override_armed(struct sim_world *world, uint32_t site, uint32_t group,
                              uint64_t epoch)
{
    if (!sim_check_overrides(world, site, group) ||
        overridden(world, site, group)->kept_epoch !=
            epoch) /* another instance's, which has heard of no word */
        return;
    sim_count(world, "override:armed");
    overridden(world, site, group)->is_leased = true;
}

void sim_check_override_to_end(struct sim_world *world, uint32_t site, uint32_t group)
{
    sim_count(world, "override:to_end");
    overridden(world, site, group)->to_end_ns = world->now_ns;
}

/* ---- while it lasts
 * ------------------------------------------------------------------------------ */

/* Of the window in which a report is fresh: the newest that this witness has heard of the site is
 * no older. */
static const struct sim_contact *contact_within(struct sim_process *witness, uint32_t site,
                                                uint32_t group, uint32_t percent)
{
    const struct sim_world *world = sim_world_of(witness);
    const struct bw_terms *terms = &world->setting.terms;
    const struct sim_contact *contact =
        &world->checks->reports[witness->host->number][group][site][0];
    const uint64_t fresh_ms = 2 * (uint64_t)terms->renew_interval_ms + terms->request_timeout_ms;

    return contact->sent_ns != 0 && contact->life == witness->life &&
                   !bw_instant_right_is_over(
                       sim_now(witness),
                       bw_instant_add(contact->received, bw_ms_to_ns(fresh_ms * percent / 100)))
               ? contact
               : NULL;
}

/* Not so old that anybody could argue about it: its spec may renew more often than it did at first.
 */
static bool knows_override(struct sim_process *witness, uint32_t site, uint32_t group)
{
    const struct sim_contact *contact = contact_within(witness, site, group, 30);

    return contact != NULL && contact->overrides;
}

/* What is decided for a site by that name may be its copy's (3.7). */
static bool has_copy(struct sim_world *world, uint32_t site)
{
    const struct sim_host *clone = sim_clone(world);

    return clone->is_up && strcmp(clone->name, sim_site(world, site)->name) == 0;
}

void sim_check_override_decides(struct sim_process *witness, uint32_t group, const char *site,
                                uint64_t epoch, const char *what)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t other = 0; other < world->setting.site_count; other++) {
        struct sim_overridden *over = overridden(world, other, group);
        const bool is_of_name = strcmp(sim_site(world, other)->name, site) == 0;

        if ((is_of_name && !has_copy(world, other)) || over->ordered_ns == 0)
            continue;
        if (over->decided_ns == 0)
            sim_count(world, "override:decided_beside");
        over->decided_ns = world->now_ns;
        over->decided_generation = sim_witness_cluster(witness)->generation;
        if (what != NULL && contact_within(witness, other, group, 80) == NULL)
            over->knows_by_ns = sim_checks_found_out_ns(world, other);
        /* Of two by one name it may have heard the other since; and a copy ends its original's claim (3.8). */
        if (what != NULL && !is_of_name && !has_copy(world, other) && sim_check_overrides(world, other, group) &&
            knows_override(witness, other, group))
            sim_fail(world, "override",
                     "%s %s epoch %" PRIu64 " of %s to %s, and has heard that %s overrides",
                     witness->name, what, epoch, world->group_names[group], site,
                     sim_site(world, other)->name);
    }
}

/* Its window has come, or its machine has begun anew. */
static bool has_ended(struct sim_world *world, uint32_t site, uint32_t group, const struct bw_guard_mirror *mirror)
{
    return overridden(world, site, group)->boots != sim_site(world, site)->boots ||
           (mirror->armed_serial != 0 &&
            (bw_instant_right_is_over(sim_clock_now(sim_site(world, site)),
                                      bw_instant_sub(mirror->armed_end, mirror->fence_ns)) ||
             overridden(world, site, group)->end_unix_ms - (int64_t)(mirror->fence_ns / SIM_MS) <= sim_wall_ms(world)));
}

/* A lease governs it again, a person has ordered the end, or somebody else was chosen; or it was
 * let go, or is over. */
static bool has_reason(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_overridden *over = overridden(world, site, group);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(sim_site(world, site), group, &memory, &mirror);
    return over->kept != SIM_OVERRIDE_ON || over->to_end_ns >= over->on_ns ||
           over->decided_ns != 0 || (mirror.armed_serial == 0 && mirror.armed_epoch > memory.ended_epoch) ||
           let_go_index(world, group) > over->carried_out || has_ended(world, site, group, &mirror) ||
           over->second_life != world->agents[site][1]->life; /* another instance has said hello */
}

/* A start that fails, or of which nobody is told that it serves, is stopped, and tried again. */
static bool may_have_failed(const struct sim_world *world, uint32_t site)
{
    const uint64_t failed_ns = world->setting.script_limit_ns[BW_ACTION_START] + FAILED_NS;

    return world->checks->disturbed_until_ns[site] + failed_ns >= world->now_ns ||
           world->checks->scripts_changed_ns[site] + failed_ns >= world->now_ns ||
           world->checks->are_scripts_bad[site];
}

/* It came up so lately, after its start was given up, that nobody can have seen it. */
static bool is_unseen(const struct sim_world *world, uint32_t group)
{
    const struct sim_setting *setting = &world->setting;

    return world->checks->serving_changed_ns[group] + 2 * setting->check_interval_ms * SIM_MS +
               2 * setting->script_limit_ns[BW_ACTION_STATUS] + 2 * SIM_S >=
           world->now_ns;
}

void sim_check_override_scripts(struct sim_world *world, uint32_t site, bool are_bad)
{
    world->checks->scripts_changed_ns[site] = world->now_ns;
    world->checks->are_scripts_bad[site] = are_bad;
}

/* A fence that has not seen the end is repeated until one has (3.4). */
static bool is_repeated(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_setting *setting = &world->setting;
    const uint64_t repeat_ns = setting->script_limit_ns[BW_ACTION_FENCE] +
                               2 * setting->script_limit_ns[BW_ACTION_STATUS] + 5 * SIM_S;
    const uint64_t fenced_ns = overridden(world, site, group)->fenced_ns;

    return fenced_ns != 0 && fenced_ns + repeat_ns >= world->now_ns;
}

void sim_check_override_fences(struct sim_world *world, uint32_t site, uint32_t group,
                               const char *what)
{
    if (!sim_check_overrides(world, site, group) ||
        !sim_service_is_serving(sim_site(world, site), group))
        return;
    if (has_reason(world, site, group) || is_unseen(world, group) || may_have_failed(world, site) ||
        sim_checks_is_excused(world, site, group) || is_repeated(world, site, group))
        overridden(world, site, group)->fenced_ns = world->now_ns;
    else
        fail_of(world, site, group, what);
}

/* Of an orphan: until its agent, made anew, has heard of what was decided, and had the time to end
 * it. */
static void look_at_orphan(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_overridden *over = overridden(world, site, group);

    if (over->orphan_until_ns == 0 && world->agents[site][0]->health == SIM_ABLE &&
        world->guards[site]->health == SIM_ABLE && !is_deaf(world, site))
        over->orphan_until_ns = sim_checks_found_out_ns(world, site);
    sim_checks_excuse_group(world, site, group,
                            over->orphan_until_ns != 0 ? over->orphan_until_ns
                                                       : world->now_ns + SIM_S);
    if (over->orphan_until_ns == 0 || over->orphan_until_ns >= world->now_ns ||
        is_unendable(world, site, group))
        return;
    if (over->kept == SIM_OVERRIDE_NONE)
        *over = (struct sim_overridden){.kept = SIM_OVERRIDE_NONE};
    over->is_orphaned = false; /* one that was ordered since stays */
    over->orphan_until_ns = 0;
}

/* 3.8: its end never moves, and nothing serves by it beyond that. */
static void look_at_end(struct sim_world *world, uint32_t site, uint32_t group)
{
    struct sim_host *host = sim_site(world, site);
    const uint64_t margin_ns = bw_ms_to_ns(world->setting.terms.margin_ms);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(host, group, &memory, &mirror);
    if (mirror.armed_serial == 0 || !host->is_up || !sim_service_is_serving(host, group) ||
        !bw_instant_wait_is_over(sim_clock_now(host), bw_instant_add(mirror.armed_end, margin_ns)))
        return;
    if (sim_service_is_by_hand(host, group) || sim_service_is_outside(host, group) ||
        sim_check_override_ends_in_vain(host, group) || sim_checks_is_lapse_excused(world, site, group))
        return;
    fail_of(world, site, group, "serves beyond the end of its manual lease");
}

void sim_check_override(struct sim_world *world)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (uint32_t group = 0; group < world->setting.group_count; group++) {
            if (overridden(world, site, group)->is_orphaned)
                look_at_orphan(world, site, group);
            look_at_end(world, site, group);
        }
}

/* A script that hangs for ever is no end of what was never seen inside, nor of what serves by a
 * person's word and is fenced before it is started again (3.2.4, 3.8). */
static bool hangs_in_fence(struct sim_world *world, uint32_t site, uint32_t group)
{
    return sim_check_override_ends_in_vain(sim_site(world, site), group) ||
           sim_checks_is_fenced_for_ever(world, group);
}

void sim_check_override_settled(struct sim_world *world)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            if (sim_override_kept(sim_site(world, site), group) != SIM_OVERRIDE_NONE &&
                !hangs_in_fence(world, site, group))
                fail_of(world, site, group, "has not come to the end of its override in calm");
}
