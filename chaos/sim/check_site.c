/* check_site.c - what a guard says and does, held against the services and scripts of its machine
 * and what its disk has seen (3.2.4, 3.4, 3.5). */
#include "check_site.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/command.h>
#include <breakwater/core/group.h>

#include "agent.h"
#include "check_durable.h"
#include "check_override.h"
#include "checks_own.h"
#include "guard.h"
#include "machine.h"
#include "site.h"

/* ---- the site ---- */

/* A signal takes so long, at most, to whatever runs (machine.h). */
#define KILLED_NS (2 * SIM_LINGER_NS_MAX)

static bool is_at_work(const struct sim_run *run, uint32_t group, const struct sim_process *guard)
{
    return run->is_used && run->order.group == group && run->order.parent == guard &&
           run->parent_life == guard->life;
}

/* ---- a success was seen (3.2.4) -------------------------------------------------------------- */

static bool is_success(const struct bw_guard_message *message)
{
    const bool is_of_end = message->kind == BW_GUARD_MESSAGE_RUN_ENDED &&
                           (message->ended.action == BW_ACTION_STOP ||
                            message->ended.action == BW_ACTION_FENCE) &&
                           message->ended.result == BW_RUN_OK;

    return is_of_end || (message->kind == BW_GUARD_MESSAGE_FENCE_ENDED && message->fence.ok) ||
           message->kind == BW_GUARD_MESSAGE_EPOCH_ENDED;
}

/* What a start script has left behind, and goes on by itself. */
static bool is_left_behind(const struct sim_run *run, uint32_t group)
{
    return run->is_used && run->order.group == group && run->order.parent == NULL && !run->is_dying;
}

/* Nothing serves, and no start is left that would make it serve. */
static void look_at_success(struct sim_process *guard, uint32_t group, uint64_t epoch)
{
    struct sim_world *world = sim_world_of(guard);
    const struct sim_machine *machine = sim_machine(guard->host);
    const struct sim_service *service = &machine->services[group];
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(guard->host, group, &memory, &mirror);
    if (!memory.enforced || machine->units[group].comes_again)
        return; /* what was let go serves on (3.9); systemd starts it again after it was seen to have stopped (3.4) */
    /* What was adopted since serves under the epoch that is armed now (3.7). */
    if (service->is_up && service->epoch != 0 && service->epoch <= epoch &&
        mirror.armed_epoch <= epoch && mirror.armed_serial == 0)
        sim_fail(world, "site",
                 "%s says that epoch %" PRIu64 " of %s has ended, and it is up (%" PRIu64 ")",
                 guard->name, epoch, world->group_names[group], service->epoch);
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++)
        if ((is_at_work(&machine->runs[i], group, guard) ||
             is_left_behind(&machine->runs[i], group)) &&
            machine->runs[i].order.action == BW_ACTION_START &&
            machine->runs[i].order.epoch <= epoch)
            sim_fail(world, "site",
                     "%s says that epoch %" PRIu64 " of %s has ended, and a start of it is at work",
                     guard->name, epoch, world->group_names[group]);
}

/* ---- what is armed, and when (3.4) ---------------------------------------------------------- */

static void look_at_armed(struct sim_process *guard, uint32_t group, uint64_t epoch,
                          struct bw_instant armed_end)
{
    struct sim_world *world = sim_world_of(guard);
    const struct sim_machine *machine = sim_machine(guard->host);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(guard->host, group, &memory, &mirror);
    if (mirror.armed_serial == 0 && !bw_instant_right_is_over(sim_now(guard), armed_end))
        sim_check_override_armed(world, guard->host->number, group, epoch);
    if (mirror.armed_serial == 0)
        world->checks->armed_epoch[guard->host->number][group] = epoch;
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++) {
        const struct sim_run *run = &machine->runs[i];

        if (is_at_work(run, group, guard) && bw_action_is_action(run->order.action) &&
            run->order.epoch < epoch)
            sim_fail(world, "site",
                     "%s has armed epoch %" PRIu64 " of %s, and a %s of epoch %" PRIu64
                     " is at work",
                     guard->name, epoch, world->group_names[group],
                     bw_action_word(run->order.action), run->order.epoch);
    }
}

static bool is_passed(struct bw_instant now, struct bw_instant at)
{
    return now.boot_ns >= at.boot_ns || now.raw_ns >= at.raw_ns;
}

/* A lease is of a pair, and a granted one has serial 0 (3.8). */
static bool is_other(const struct bw_guard_mirror *before, const struct bw_guard_mirror *next)
{
    return next->armed_epoch != before->armed_epoch || next->armed_serial != before->armed_serial;
}

/* From then on the older one is refused, also by a guard that begins anew. */
static bool is_followed(const struct bw_guard_memory *memory, const struct bw_guard_mirror *before,
                        const struct bw_guard_mirror *next)
{
    return next->armed_epoch >= before->armed_epoch && memory->epoch_seen >= next->armed_epoch &&
           before->stop_seen;
}

/* 3.8: the end of a manual lease never moves; it is forgotten for what follows it, once its end was seen, or let go. */
static void look_at_manual(struct sim_process *guard, uint32_t group, const struct bw_guard_mirror *before,
                           const struct bw_guard_mirror *next, bool is_enforced)
{
    struct sim_world *world = sim_world_of(guard);

    if (next->armed_epoch == before->armed_epoch && next->armed_serial == before->armed_serial) {
        if (!bw_instant_is_same(next->armed_end, before->armed_end))
            sim_fail(world, "site", "%s moves the end of a manual lease of %s", guard->name, world->group_names[group]);
    } else if (next->armed_epoch == 0 && !next->stop_seen && is_enforced)
        sim_fail(world, "site", "%s forgets a manual lease of %s, and has not seen its end", guard->name,
                 world->group_names[group]);
}

/* A deadline that is near is moved no more, fence begun or not (H8); none is forgotten before it
 * has passed, but by the durable end of its epoch, or for a newer one once a fence has seen its
 * end (3.4, rules). */
void sim_check_mirror_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_mirror *before,
                              const struct bw_guard_mirror *next)
{
    struct sim_world *world = sim_world_of(guard);
    const struct bw_instant now = sim_now(guard);
    struct bw_guard_memory memory;
    struct bw_guard_mirror on_disk;
    struct bw_instant window;

    sim_check_read_guard(guard->host, group, &memory, &on_disk);
    window = bw_instant_sub(before->armed_end, before->fence_ns);
    if (before->armed_epoch == 0)
        return;
    if (before->armed_serial != 0) {
        look_at_manual(guard, group, before, next, memory.enforced);
        return;
    }
    if (!is_other(before, next) && bw_instant_is_later(next->armed_end, before->armed_end) &&
        is_passed(now, window))
        sim_fail(world, "site",
                 "%s moves the deadline of epoch %" PRIu64 " of %s, %" PRIu64 " ms after D - F",
                 guard->name, before->armed_epoch, world->group_names[group],
                 bw_ns_to_ms(bw_instant_elapsed_ns(now, window)));
    if (is_other(before, next) && memory.ended_epoch < before->armed_epoch &&
        !is_passed(now, before->armed_end) && !is_followed(&memory, before, next))
        sim_fail(world, "site",
                 "%s forgets the deadline of epoch %" PRIu64 " of %s, %" PRIu64 " ms before it",
                 guard->name, before->armed_epoch, world->group_names[group],
                 bw_ns_to_ms(bw_instant_left_ns(now, before->armed_end)));
}

/* What it has seen, and ended, it never forgets: an epoch lower than one seen is refused. */
void sim_check_memory_changes(struct sim_process *guard, uint32_t group,
                              const struct bw_guard_memory *next)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(guard->host, group, &memory, &mirror);
    if (next->epoch_seen < memory.epoch_seen || next->ended_epoch < memory.ended_epoch)
        sim_fail(sim_world_of(guard), "site",
                 "%s goes back from epoch %" PRIu64 " of %s, seen, to %" PRIu64, guard->name,
                 memory.epoch_seen, sim_world_of(guard)->group_names[group], next->epoch_seen);
}

/* What was seen stopped was so before a start that is at work (3.4). */
static void look_at_seen(struct sim_process *guard, uint32_t group)
{
    const struct sim_machine *machine = sim_machine(guard->host);

    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++)
        if (is_at_work(&machine->runs[i], group, guard) && machine->runs[i].has_go &&
            !machine->runs[i].is_dying && machine->runs[i].order.action == BW_ACTION_START)
            sim_fail(sim_world_of(guard), "site",
                     "%s has seen %s stopped, it says, and a start of epoch %" PRIu64 " is at work",
                     guard->name, sim_world_of(guard)->group_names[group],
                     machine->runs[i].order.epoch);
}

void sim_check_site_says(struct sim_process *guard, uint32_t group,
                         const struct bw_guard_message *message)
{
    if (is_success(message))
        look_at_success(guard, group,
                        message->kind == BW_GUARD_MESSAGE_RUN_ENDED ? message->ended.epoch
                                                                    : message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_GROUP_STATE && message->state.stop_seen)
        look_at_seen(guard, group);
    if (message->kind == BW_GUARD_MESSAGE_ARMED)
        look_at_armed(guard, group, message->epoch, message->armed.end);
}

/* ---- scripts --------------------------------------------------------------------------------- */

void sim_check_fence_begins(struct sim_world *world, const struct sim_host *host, uint32_t group)
{
    world->checks->fenced_ns[host->number][group] = world->now_ns;
}

/* What the agent orders; the guard cleans up after a fence of its own as long as it takes. */
void sim_check_ordered(struct sim_process *guard, uint32_t group, enum bw_action_kind action,
                       uint64_t epoch)
{
    struct sim_world *world = sim_world_of(guard);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(guard->host, group, &memory, &mirror);
    if (bw_action_is_action(action) && epoch < memory.epoch_seen)
        sim_fail(world, "site",
                 "%s begins a %s of epoch %" PRIu64 " of %s, and has seen epoch %" PRIu64,
                 guard->name, bw_action_word(action), epoch, world->group_names[group],
                 memory.epoch_seen);
}

/* Whatever a start waits for: it is gone, or dying, soon after the fence has begun. */
#define KILLED_SOON_NS (50 * SIM_MS)

static void look_at_fence(struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_process *guard = world->guards[site];
    const uint64_t fenced_ns = world->checks->fenced_ns[site][group];
    const struct sim_machine *machine = sim_machine(sim_site(world, site));

    if (fenced_ns == 0 || world->now_ns < fenced_ns + KILLED_SOON_NS)
        return;
    world->checks->fenced_ns[site][group] = 0; /* looked at */
    if (guard->health != SIM_ABLE || sim_checks_is_excused(world, site, group))
        return;
    for (uint32_t i = 0; i < SIM_RUNS_MAX; i++)
        if (is_at_work(&machine->runs[i], group, guard) && !machine->runs[i].is_dying &&
            machine->runs[i].order.action == BW_ACTION_START && machine->runs[i].began_ns != 0 &&
            machine->runs[i].began_ns < fenced_ns)
            sim_fail(world, "site",
                     "%s: a start of epoch %" PRIu64 " of %s is at work in the fence",
                     guard->host->name, machine->runs[i].order.epoch, world->group_names[group]);
}

void sim_check_fences(struct sim_world *world)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        for (uint32_t group = 0; group < world->setting.group_count; group++)
            look_at_fence(world, site, group);
}

/* A fence kills what runs in the turn in which it begins. */
/* 4: what it changes cannot be taken back, and nobody has been told. */
static void look_at_point(struct sim_world *world, const struct sim_host *host,
                          const struct sim_run *run)
{
    const struct sim_checks *checks = world->checks;
    const uint32_t group = run->order.group;

    if (run->order.epoch != checks->ahead_epoch[group])
        return;
    sim_count(world, "point:acts");
    if (run->order.epoch != checks->passed_epoch[group] &&
        !sim_check_overrides(world, host->number, group))
        sim_fail(world, "point",
                 "%s: a start of epoch %" PRIu64
                 " of %s is past its point of no return, and that is "
                 "not committed",
                 host->name, run->order.epoch, world->group_names[group]);
}

void sim_check_start_acts(struct sim_world *world, const struct sim_host *host,
                          const struct sim_run *run)
{
    const uint64_t fenced_ns = world->checks->fenced_ns[host->number][run->order.group];

    if (run->began_ns < fenced_ns && fenced_ns + KILLED_NS < world->now_ns &&
        !sim_checks_is_excused(world, host->number, run->order.group))
        sim_fail(world, "site", "%s: a start of epoch %" PRIu64 " of %s goes on in the fence",
                 host->name, run->order.epoch, world->group_names[run->order.group]);
    look_at_point(world, host, run);
}

/* ---- giving back (3.5) ----------------------------------------------------------------------- */

static void look_at_release(struct sim_process *agent, uint32_t group, uint64_t epoch)
{
    struct sim_world *world = sim_world_of(agent);
    const struct bw_instant now = sim_now(agent);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_read_guard(agent->host, group, &memory, &mirror);
    if (mirror.armed_epoch == epoch && mirror.armed_serial == 0 && memory.ended_epoch < epoch &&
        now.boot_ns < mirror.armed_end.boot_ns && now.raw_ns < mirror.armed_end.raw_ns)
        sim_fail(world, "site",
                 "%s gives epoch %" PRIu64 " of %s back, and its guard has it armed for %" PRIu64
                 " ms more",
                 agent->name, epoch, world->group_names[group],
                 bw_ns_to_ms(bw_instant_left_ns(now, mirror.armed_end)));
}

static void look_at_renewal(struct sim_process *agent, uint32_t group, uint64_t epoch)
{
    struct sim_world *world = sim_world_of(agent);
    const struct sim_known_fence *known =
        &world->checks->known_fence[agent->host->number][(uintptr_t)agent->user][group];

    if (known->life == agent->life && known->epoch == epoch && epoch != 0 &&
        !sim_checks_is_excused(world, agent->host->number, group))
        sim_fail(world, "site",
                 "%s renews epoch %" PRIu64 " of %s, and was told that its fence has begun",
                 agent->name, epoch, world->group_names[group]);
}

void sim_check_site_syncs(struct sim_process *agent, const struct bw_sync *sync)
{
    const struct sim_world *world = sim_world_of(agent);

    for (uint32_t i = 0; i < sync->group_count; i++) {
        const struct bw_sync_group *sync_group = &sync->groups[i];
        const int group = sim_group_find(world, sync_group->name);

        if (group >= 0 && sync_group->released.epoch != 0)
            look_at_release(agent, (uint32_t)group, sync_group->released.epoch);
        if (group >= 0 && sync_group->renew_epoch != 0)
            look_at_renewal(agent, (uint32_t)group, sync_group->renew_epoch);
    }
}

/* One whose state was rolled back hears of an epoch that it will accept only then. */
void sim_check_fence_known(struct sim_process *agent, uint32_t group, uint64_t epoch)
{
    const struct bw_site *site = sim_agent_machine(agent, group);

    if (site == NULL || site->memory.epoch < epoch)
        return;
    sim_world_of(agent)->checks->known_fence[agent->host->number][(uintptr_t)agent->user][group] =
        (struct sim_known_fence){.life = agent->life, .epoch = epoch};
}

/* ---- scripts ---- */

/* What scripts have said counts (4): a site whose condition said `stop` is granted
 * nothing, one whose condition fails nothing by itself; and a service that dies is started again at its
 * site no more often than the site file allows. */

void sim_check_condition_changes(struct sim_world *world, uint32_t site, uint32_t group)
{
    world->checks->conditions[site][group] = (struct sim_script_verdict){
        .verdict = SIM_VERDICT_NONE};
}

void sim_check_condition_answered(struct sim_world *world, uint32_t site, uint32_t group,
                                  enum sim_verdict verdict)
{
    struct sim_script_verdict *condition = &world->checks->conditions[site][group];

    if (condition->verdict != verdict)
        *condition = (struct sim_script_verdict){.verdict = verdict, .since_ns = world->now_ns};
}

void sim_check_condition_silent(struct sim_world *world, uint32_t site, uint32_t group)
{
    if (world->checks->conditions[site][group].verdict == SIM_VERDICT_STOP)
        sim_check_condition_answered(world, site, group, SIM_VERDICT_FAILS);
}

/* Until whoever decides has heard of it, and nothing older is fresh any more. */
static uint64_t news_ns(const struct sim_setting *setting, const struct bw_terms *terms)
{
    return (2 * (uint64_t)terms->renew_interval_ms + terms->request_timeout_ms +
            setting->check_interval_ms) *
               SIM_MS +
           2 * SIM_S;
}

/* What a copy of the machine says is its own condition. */
static bool speaks_for_a_copy(const struct sim_world *world, uint32_t site, uint64_t within_ns)
{
    const struct sim_checks *checks = world->checks;

    return checks->cloned_site == site && checks->cloned_until_ns != 0 &&
           world->now_ns < checks->cloned_until_ns + within_ns;
}

void sim_check_condition_grant(struct sim_process *witness, uint32_t group,
                               const struct bw_group *state, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const bool is_asked = command->planned || command->adopt || command->by[0] != '\0' ||
                          command->reason == BW_REASON_OVERRIDE ||
                          state->initial_primary[0] != '\0';

    if (!world->setting.has_condition_script || world->setting.condition_is_shown)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const struct sim_script_verdict *condition = &world->checks->conditions[site][group];

        if (strcmp(sim_site(world, site)->name, command->site) != 0 ||
            condition->since_ns + news_ns(&world->setting, &command->terms) > world->now_ns ||
            speaks_for_a_copy(world, site, news_ns(&world->setting, &command->terms)))
            continue;
        if (condition->verdict == SIM_VERDICT_STOP ||
            (condition->verdict == SIM_VERDICT_FAILS && !is_asked))
            sim_fail(world, "scripts", "%s grants %s to %s, whose condition %s for %" PRIu64 " ms",
                     witness->name, world->group_names[group], command->site,
                     condition->verdict == SIM_VERDICT_STOP ? "has said stop" : "fails",
                     bw_ns_to_ms(world->now_ns - condition->since_ns));
        else
            sim_count(world, "condition:granted");
    }
}

/* How often may it be seen in a row before its restarts are forgotten: almost that long. */
#define FORGOTTEN_LOOKS 50
/* Each change of a spec asks for a look: so many in between may have made that many. */
#define FORGOTTEN_CHANGES 10

/* Who begins anew, or has lost its guard and is not told how a start has ended, counts anew. */
static uint32_t lives_at(const struct sim_world *world, uint32_t site)
{
    return world->agents[site][0]->life + world->checks->greetings[site];
}

void sim_check_greeted(struct sim_world *world, uint32_t site)
{
    world->checks->greetings[site]++;
}

void sim_check_restarts(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_starts *starts = &world->checks->starts[site][group];
    const uint32_t life = lives_at(world, site);
    const uint64_t forgotten_ns = FORGOTTEN_LOOKS * (uint64_t)world->setting.check_interval_ms *
                                  SIM_MS;

    if (sim_check_overrides(world, site, group))
        return; /* as often as it takes: no other site may serve (3.8) */
    if (starts->epoch != epoch || starts->life != life ||
        world->now_ns - starts->newest_ns > forgotten_ns ||
        world->checks->spec_version[group] - starts->spec_version > FORGOTTEN_CHANGES)
        *starts = (struct sim_starts){.epoch = epoch, .life = life};
    starts->spec_version = world->checks->spec_version[group];
    starts->newest_ns = world->now_ns;
    if (++starts->count > 1)
        sim_count(world, "restart:local");
    if (starts->count > 1 + world->setting.local_restarts)
        sim_fail(world, "scripts",
                 "%s starts %s for the %" PRIu32 ". time under epoch %" PRIu64
                 ", and may restart it %" PRIu32 " times",
                 sim_site(world, site)->name, world->group_names[group], starts->count, epoch,
                 world->setting.local_restarts);
}

/* ---- remote fences ---- */

/* A fence from another site begins once its epoch is closed and no lease of
 * it lives, ends no service of a newer epoch, and is what every end of that grade rests on (3.3).
 * That the service has ended then, check_invariants.c looks at. */

/* By what some witness has applied, of whichever generation. */
void sim_check_remote_closed(struct sim_world *world, uint32_t group, const struct bw_group *state)
{
    uint64_t *closed = &world->checks->closed_epoch[group];

    if ((state->phase == BW_PHASE_CLOSING || state->phase == BW_PHASE_VACANT) &&
        state->epoch > *closed)
        *closed = state->epoch;
}

/* A manual lease has that epoch, too, and is none of what was closed: who fences has heard of no claim (3.8). */
static bool lives(const struct sim_host *host, uint32_t group, uint64_t epoch)
{
    const struct bw_guard *guard = sim_guard_machine(host->world->guards[host->number], group);

    return guard != NULL && guard->mirror.armed_epoch == epoch && guard->mirror.armed_serial == 0 &&
           guard->memory.ended_epoch < epoch &&
           !bw_instant_right_is_over(sim_clock_now(host), guard->mirror.armed_end);
}

void sim_check_remote_fence_begins(const struct sim_host *host, uint32_t group, uint64_t epoch,
                                   const char *fenced)
{
    struct sim_world *world = host->world;

    sim_count(world, "remote_fence:begins");
    if (world->checks->closed_epoch[group] < epoch)
        world->checks->remote_unclosed[group] = epoch;
    for (uint32_t site = 0; site < sim_machine_count(world); site++) {
        const struct sim_host *other = sim_site(world, site);

        if (strcmp(other->name, fenced) == 0 && lives(other, group, epoch) &&
            !sim_checks_is_lapse_excused(world, site, group))
            sim_fail(world, "remote_fence",
                     "%s fences epoch %" PRIu64 " of %s at %s, and a lease of it lives there",
                     host->name, epoch, world->group_names[group], fenced);
    }
}

void sim_check_remote_fence_saw(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    sim_count(world, "remote_fence:sees");
    if (epoch > world->checks->remote_seen[group])
        world->checks->remote_seen[group] = epoch;
}

void sim_check_remote_fenced(struct sim_world *world, uint32_t group, uint64_t epoch)
{
    sim_count(world, "remote_fence:counts");
    if (world->checks->remote_seen[group] < epoch)
        sim_fail(world, "remote_fence",
                 "epoch %" PRIu64 " of %s has ended (fenced), and no script has seen that", epoch,
                 world->group_names[group]);
    if (world->checks->remote_unclosed[group] == epoch)
        sim_fail(world, "remote_fence",
                 "epoch %" PRIu64
                 " of %s has ended (fenced) by a script that began before the Close",
                 epoch, world->group_names[group]);
}

/* ---- data ---- */

/* What was acknowledged is there after a planned move: its target waits until it is
 * ready at the position that the origin had last (3.6). And whose it is is not forgotten (4). */

/* A copy of the origin has what the origin had when it was copied, and may be the one that gets the group
 * back, from its own data (3.6, 3.8). */
static bool is_of_two(struct sim_world *world, uint32_t site)
{
    const struct sim_host *clone = sim_clone(world);

    return clone->is_up && strcmp(clone->name, sim_site(world, site)->name) == 0;
}

/* What a service acknowledges that nobody can end, or that systemd starts again after each end (3.4, of which
 * `check` warns), beside the one that is moved, is nobody's promise. */
static bool is_written_beside(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (world->checks->unfenced_until_ns[site][group] >= world->now_ns ||
            sim_machine(sim_site(world, site))->units[group].comes_again)
            return true;
    return false;
}

static void note_serves(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch)
{
    struct sim_checks *checks = world->checks;

    if (epoch <= checks->served_epoch[group] || sim_check_overrides(world, site, group))
        return; /* once more, or without an epoch of its own (3.8) */
    checks->served_epoch[group] = epoch;
    (void)bw_copy_text(checks->served_at[group], sizeof checks->served_at[group],
                       sim_site(world, site)->name);
}

/* What others have ended, or time: nobody has heard there that it has left the data alone. */
void sim_check_data_site(struct sim_world *world, uint32_t group, const struct bw_group *found)
{
    const struct sim_checks *checks = world->checks;
    const struct bw_last_end *end = &found->last_end;

    if (found->phase != BW_PHASE_VACANT || end->epoch != checks->served_epoch[group] ||
        (end->grade != BW_GRADE_FENCED && end->grade != BW_GRADE_FORCED &&
         end->grade != BW_GRADE_EXPIRED))
        return;
    sim_count(world, "data:site");
    if (strcmp(found->data_site, checks->served_at[group]) != 0)
        sim_fail(world, "data",
                 "%s served %s under epoch %" PRIu64 ", which was %s, and the newest data is said to be at %s",
                 checks->served_at[group], world->group_names[group], end->epoch,
                 bw_grade_word(end->grade), found->data_site[0] != '\0' ? found->data_site : "no site");
}

void sim_check_data(struct sim_world *world, uint32_t group, uint32_t site, uint64_t epoch,
                    uint64_t missing_ms)
{
    note_serves(world, group, site, epoch);
    if (epoch == 0 || epoch != world->checks->planned_epoch[group] ||
        world->checks->by_hand_since[group] || sim_check_overrides(world, site, group))
        return; /* by hand, or unplanned: the limits of on_lag are for that (4) */
    sim_count(world, "data:planned");
    if (missing_ms > 0 && world->setting.has_readiness_script &&
        !sim_checks_is_excused(world, site, group) && !is_of_two(world, site) &&
        !is_written_beside(world, group))
        sim_fail(world, "data",
                 "%s serves %s under epoch %" PRIu64 " after a planned move, and %" PRIu64
                 " ms of what was acknowledged are not there",
                 sim_site(world, site)->name, world->group_names[group], epoch, missing_ms);
}
