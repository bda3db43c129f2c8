/* operator_midway.c - what somebody does, or what fails, while something else is under way: a move
 * that has begun, an epoch that is closed. Drawn one by one, the second would seldom meet the
 * first. */
#include <string.h>

#include "checks.h"
#include "guard.h"
#include "net.h"
#include "operator.h"

#define LOOK_NS      (5 * SIM_MS)
#define MOVE_MS      20000
#define PAUSE_MS_MAX 400
#define SPOIL_MS_MAX 20

/* ---- something is under way ---- */

/* What the incident waits for; drawn by begin_way, a move twice as often. */
enum { A_MOVE, A_CLOSE, NOTHING, WAYS };

static const struct bw_group *its_group(struct sim_world *world,
                                        const struct sim_incident *incident)
{
    return sim_operator_group(world, incident->a);
}

/* A group that is held, of which somebody asks to move it, or vouches that its site is off: that is heard
 * where no look says what runs there. */
static bool begin_way(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t step = 1 +
                          (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count - 1);
    const struct bw_group *group;
    const struct sim_host *host;

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    incident->c = bw_prng_below(&incident->chance, WAYS + 1) % WAYS;
    incident->stage = 0;
    group = its_group(world, incident);
    host = group == NULL ? NULL : sim_operator_holder(world, group);
    if (host == NULL || group->phase != BW_PHASE_GRANTED)
        return false;
    incident->b = host->number;
    if (incident->c == A_MOVE)
        return sim_operator_switch_to(world, incident->a,
                                      (host->number + step) % world->setting.site_count, MOVE_MS);
    if (incident->c == A_CLOSE)
        sim_operator_blind(world, incident->b, incident->until_ns);
    return true;
}

/* Again, until somebody hears it. */
static uint64_t vouch(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = its_group(world, incident);

    return group == NULL || group->phase != BW_PHASE_GRANTED ||
                   sim_operator_vouch(world, incident->a, group->epoch)
               ? 0
               : LOOK_NS;
}

static bool is_on_its_way(const struct sim_incident *incident, const struct bw_group *group)
{
    static const enum bw_phase phases[WAYS] = {
        [NOTHING] = BW_PHASE_GRANTED, [A_MOVE] = BW_PHASE_REVOKING, [A_CLOSE] = BW_PHASE_CLOSING};

    return group != NULL && group->phase == phases[incident->c];
}

/* ---- and somebody gives a command about it ---- */

/* False: nobody leads, or the spec is none. */
static bool give(struct sim_world *world, const struct bw_command *command)
{
    return command->kind == BW_COMMAND_SET_SPEC ? sim_operator_apply_spec(world, &command->spec)
                                                : sim_operator_submit(world, command);
}

static struct bw_command draw_command(struct sim_world *world, struct sim_incident *incident,
                                      const struct bw_group *group)
{
    static const struct {
        enum bw_command_kind kind;
        enum bw_mode mode; /* of a mode, and of a spec */
    } choices[] = {
        {BW_COMMAND_SET_MODE, BW_MODE_PAUSED},  {BW_COMMAND_SET_MODE, BW_MODE_MANUAL},
        {BW_COMMAND_SET_MODE, BW_MODE_OBSERVE}, {BW_COMMAND_SET_SPEC, BW_MODE_OBSERVE},
        {BW_COMMAND_SET_SPEC, BW_MODE_AUTO},    {BW_COMMAND_SET_SPEC, BW_MODE_AUTO},
        {BW_COMMAND_MAINTENANCE, BW_MODE_AUTO}, {BW_COMMAND_MAINTENANCE, BW_MODE_AUTO},
    };
    const uint64_t draw = bw_prng_below(&incident->chance, sizeof choices / sizeof choices[0]);
    struct bw_command command = sim_operator_about(world, choices[draw].kind, incident->a);

    command.epoch = group->epoch;
    command.mode = choices[draw].mode;
    command.duration_ms = 1000 + bw_prng_below(&incident->chance, 10000);
    command.spec = group->spec;
    if (choices[draw].mode == BW_MODE_OBSERVE)
        command.spec.mode = BW_MODE_OBSERVE;
    else
        sim_operator_change(world, incident, &command.spec);
    return command;
}

static uint64_t act_midway(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = its_group(world, incident);
    struct bw_command command;

    if (!is_on_its_way(incident, group)) {
        if (incident->c == A_CLOSE)
            (void)vouch(world, incident);
        return LOOK_NS;
    }
    if (incident->stage == 0 && sim_chance(&incident->chance, 500000)) {
        incident->stage = 1; /* not at its very beginning */
        return (1 + bw_prng_below(&incident->chance, PAUSE_MS_MAX)) * SIM_MS;
    }
    sim_plan_tell(world, incident, sim_site(world, incident->b),
                  "somebody gives a command in the middle of it");
    command = draw_command(world, incident, group);
    (void)give(world, &command); /* once, whatever comes of it */
    return 0;
}

static bool begin_midway(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = act_midway;
    return begin_way(world, incident);
}
static void end_midway(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->c == A_CLOSE)
        sim_site_clear_script_faults(sim_site(world, incident->b));
    sim_operator_spec_as_at_first(world, incident->a);
    sim_operator_try_auto(world, incident->a);
}

/* ---- and the holder can neither be stopped nor fenced ---- */

/* The agent is back before its epoch has expired, and says what came of the fence. */
static uint64_t hear_of_fence(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_guard *guard = sim_guard_machine(world->guards[incident->b], incident->a);

    if (guard == NULL || guard->fence != BW_FENCE_FAILED)
        return LOOK_NS;
    sim_plan_tell(world, incident, sim_site(world, incident->b),
                  "the fence has failed; its agent goes on");
    sim_process_thaw(world->agents[incident->b][0]);
    return 0;
}
static bool begin_unfenced(struct sim_world *world, struct sim_incident *incident)
{
    if (!begin_way(world, incident))
        return false;
    if (incident->c == NOTHING &&
        !sim_plan_takes_site(world, incident->b, incident->until_ns - world->now_ns))
        return false; /* its guard is to see to the deadline */
    sim_checks_disturb(world, incident->b, incident->until_ns);
    sim_site_set_script_faults(
        sim_site(world, incident->b),
        &(struct sim_script_faults){.fail_percent = 100,
                                    .fence_fails_percent = 100,
                                    .unfenced_until_ns = sim_plan_excused_until(world, incident)});
    if (incident->c == A_CLOSE)
        incident->look = vouch;
    if (incident->c == NOTHING) { /* it renews no more */
        sim_process_freeze(world->agents[incident->b][0]);
        incident->look = hear_of_fence;
    }
    return true;
}
static void end_unfenced(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(sim_site(world, incident->b));
    if (incident->c == NOTHING)
        sim_process_thaw(world->agents[incident->b][0]);
    sim_operator_mend(world, incident->a);
}

/* ---- and the holder is lost where time alone ends nothing ---- */

static bool lose_fenced_grade(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group;
    const struct sim_host *host;
    struct bw_spec spec;

    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    group = its_group(world, incident);
    host = group == NULL ? NULL : sim_operator_holder(world, group);
    if (host == NULL)
        return false;
    incident->b = host->index;
    spec = group->spec;
    spec.handover_by_time = BW_HANDOVER_NEVER;
    if (!sim_operator_apply_spec(world, &spec))
        return false;
    sim_net_cut_around(world, incident->b, true, true, true);
    return true;
}
static void time_is_enough(struct sim_world *world, struct sim_incident *incident)
{
    sim_net_cut_around(world, incident->b, true, true, false);
    sim_operator_spec_as_at_first(world, incident->a);
}

/* ---- an apply of many specs, and its leader is none any more in the middle of it ---- */

/* All groups, each changed in some way. */
static bool apply_all(struct sim_world *world, struct sim_incident *incident)
{
    struct bw_apply_item items[SIM_GROUPS_MAX];
    size_t count = 0;

    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < world->setting.group_count; i++) {
        const struct bw_group *group = sim_operator_group(world, i);

        if (group == NULL)
            continue;
        items[count].spec = group->spec;
        sim_operator_change(world, incident, &items[count].spec);
        if (bw_spec_check(&items[count].spec, world->setting.election_timeout_ms, NULL, 0) == 0)
            count++;
    }
    return count > 0 && sim_operator_apply(world, items, count);
}

/* Or somebody else applies other specs at the same time. */
static uint64_t spoil_apply(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);

    if (incident->stage++ == 0)
        return bw_prng_below(&incident->chance, 2 * SPOIL_MS_MAX) * (SIM_MS / 2) + 1;
    if (leader == NULL)
        return 0;
    sim_plan_tell(world, incident, leader->host, "an apply is under way");
    switch (incident->salt % 4) {
    case 0:
        sim_witness_leave(leader);
        break;
    case 1:
        sim_process_kill(leader);
        break;
    case 2: /* it finds out that it leads no more, and cannot say what became of the specs */
        incident->b = leader->host->index;
        incident->c = 1;
        sim_net_cut_around(world, incident->b, true, true, true);
        break;
    default:
        (void)apply_all(world, incident);
        break;
    }
    return 0;
}

static bool begin_apply(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = spoil_apply;
    incident->stage = 0;
    incident->c = 0; /* nobody is cut off */
    return apply_all(world, incident);
}
static void end_apply(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->c == 1)
        sim_net_cut_around(world, incident->b, true, true, false);
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        sim_operator_spec_as_at_first(world, group);
        sim_operator_try_auto(world, group);
    }
}

const struct sim_incident_kind sim_operator_midway[] = {
    {"apply-midway", SIM_PEOPLE, true, 6, 1000, 60000, begin_apply, end_apply},
    {"command-midway", SIM_PEOPLE, true, 12, 5000, 40000, begin_midway, end_midway},
    {"unfenced-midway", SIM_OUTSIDE, true, 3, 15000, 40000, begin_unfenced, end_unfenced},
    {"lost-fenced-grade", SIM_PEOPLE, true, 3, 15000, 40000, lose_fenced_grade, time_is_enough},
    {.name = NULL},
};
