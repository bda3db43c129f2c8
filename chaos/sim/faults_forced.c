/* faults_forced.c - faults that wait for their moment: each leads the world into a situation that a
 * rule is there for, and that faults drawn one by one meet once in thousands of hours, or never. */
#include "agent.h"
#include "checks.h"
#include "net.h"
#include "operator.h"
#include "site.h"
#include "witness_program.h"

#define LOOK_NS       (5 * SIM_MS)
#define LOOK_FAR_NS   (20 * SIM_MS)
#define LOOK_NEAR_NS  (SIM_MS / 2)
#define MOVE_MS       20000
#define EXEC_NS       (50 * SIM_MS) /* a script has begun by then */
#define SLOW_DEATH_MS 1500

/* Most of them are about the site `a`, its group `b`, and epoch `c`. */
static struct sim_host *site_of(struct sim_world *world, const struct sim_incident *incident)
{
    return sim_site(world, incident->a);
}
static struct sim_process *agent_of(struct sim_world *world, const struct sim_incident *incident)
{
    return world->agents[incident->a][0];
}
static struct sim_process *guard_of(struct sim_world *world, const struct sim_incident *incident)
{
    return world->guards[incident->a];
}
static const struct bw_site *machine_of(struct sim_world *world,
                                        const struct sim_incident *incident)
{
    return sim_agent_machine(agent_of(world, incident), incident->b);
}
static const struct bw_group *group_of(struct sim_world *world, const struct sim_incident *incident)
{
    return sim_operator_group(world, incident->b);
}
static bool takes_site(struct sim_world *world, const struct sim_incident *incident, uint32_t site)
{
    return sim_plan_takes_site(world, site, incident->until_ns - world->now_ns);
}

/* Nobody else can be granted anything. */
static void freeze_others(struct sim_world *world, struct sim_incident *incident)
{
    incident->others = 0;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        if (site == incident->a || world->agents[site][0]->health != SIM_ABLE ||
            !takes_site(world, incident, site))
            continue;
        incident->others |= 1u << site;
        sim_process_freeze(world->agents[site][0]);
    }
}
static void thaw_others(struct sim_world *world, struct sim_incident *incident)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if ((incident->others >> site & 1) != 0)
            sim_process_thaw(world->agents[site][0]);
    incident->others = 0;
}

/* A site that serves, where both daemons are able. */
static bool choose_serving(struct sim_world *world, struct sim_incident *incident)
{
    const uint64_t first = bw_prng_below(&incident->chance, world->setting.site_count);

    incident->stage = 0;
    for (uint32_t i = 0; i < world->setting.site_count; i++) {
        incident->a = (uint32_t)((first + i) % world->setting.site_count);
        if (agent_of(world, incident)->health != SIM_ABLE ||
            guard_of(world, incident)->health != SIM_ABLE)
            continue;
        for (incident->b = 0; incident->b < world->setting.group_count; incident->b++)
            if (sim_service_is_serving(site_of(world, incident), incident->b))
                return true;
    }
    return false;
}

/* A site that does not hold the group, and is to: somebody asks for it. */
static bool choose_next(struct sim_world *world, struct sim_incident *incident)
{
    const uint32_t step = 1 +
                          (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count - 1);
    const struct bw_group *group;
    const struct sim_host *holder;

    incident->b = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    incident->stage = 0;
    incident->others = 0;
    group = group_of(world, incident);
    holder = group == NULL ? NULL : sim_operator_holder(world, group);
    if (holder == NULL)
        return false;
    incident->a = (holder->number + step) % world->setting.site_count;
    incident->c = group->epoch;
    return agent_of(world, incident)->health == SIM_ABLE &&
           guard_of(world, incident)->health == SIM_ABLE &&
           sim_operator_switch_to(world, incident->b, incident->a, MOVE_MS);
}

/* Its agent has accepted a newer epoch, durably, and has asked its guard for nothing yet. */
static bool has_just_accepted(struct sim_world *world, const struct sim_incident *incident)
{
    const struct bw_site *machine = machine_of(world, incident);

    return machine != NULL && agent_of(world, incident)->health == SIM_ABLE &&
           machine->tenure == BW_TENURE_WAITING && machine->memory.epoch > incident->c &&
           machine->arm_sent_end.boot_ns == 0;
}

/* ---- away with an open epoch, while another instance is granted the next one ---- */

static struct sim_process *second_of(struct sim_world *world, const struct sim_incident *incident)
{
    return world->agents[incident->a][1];
}
static void second_leaves(struct sim_world *world, const struct sim_incident *incident)
{
    second_of(world, incident)->is_supervised = false;
    sim_process_kill(second_of(world, incident));
}
static bool replace_agent(struct sim_world *world, struct sim_incident *incident)
{
    if (second_of(world, incident)->health != SIM_DEAD || !takes_site(world, incident, incident->a))
        return false;
    incident->c = machine_of(world, incident)->memory.epoch;
    incident->stage = 1;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "its agent dies, a second one begins, those of other sites stand still");
    sim_process_keep_down(agent_of(world, incident));
    freeze_others(world, incident);
    second_of(world, incident)->is_supervised = true;
    sim_process_start(second_of(world, incident));
    return true;
}
static uint64_t return_to_another(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_guard *guard = sim_guard_machine(guard_of(world, incident), incident->b);

    if (incident->stage == 0) {
        if (!has_just_accepted(world, incident))
            return LOOK_NS;
        return replace_agent(world, incident) ? LOOK_FAR_NS : 0;
    }
    if (guard == NULL || guard->memory.epoch_seen <= incident->c)
        return LOOK_NS;
    if ((incident->salt & 1) != 0)
        second_leaves(world, incident);
    sim_plan_tell(world, incident, site_of(world, incident),
                  "another instance is armed; the first agent returns");
    sim_process_let_return(agent_of(world, incident));
    return 0;
}
static bool replaced_unarmed(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = return_to_another;
    return choose_next(world, incident);
}
static bool replaced_serving(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = return_to_another;
    return choose_serving(world, incident) &&
           replace_agent(world, incident);
}
static void replaced_no_more(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 0)
        return;
    second_leaves(world, incident);
    sim_process_let_return(agent_of(world, incident));
    thaw_others(world, incident);
}

/* ---- away with an open epoch, until the group is let go ---- */

static uint64_t return_to_let_go(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = group_of(world, incident);
    struct bw_command command = sim_operator_about(world, BW_COMMAND_SET_MODE, incident->b);

    if (incident->stage == 0) {
        if (!has_just_accepted(world, incident))
            return LOOK_NS;
        if (!takes_site(world, incident, incident->a))
            return 0;
        incident->c = machine_of(world, incident)->memory.epoch;
        incident->stage = 1;
        sim_plan_tell(world, incident, site_of(world, incident),
                      "its agent dies, with an epoch that is not armed");
        sim_process_keep_down(agent_of(world, incident));
    } else if (group == NULL) {
        return LOOK_FAR_NS;
    } else if (group->spec.mode == BW_MODE_OBSERVE) {
        sim_plan_tell(world, incident, site_of(world, incident),
                      "the group is let go; the agent returns");
        sim_process_let_return(agent_of(world, incident));
        return 0;
    } else if (group->epoch > incident->c || group->phase == BW_PHASE_VACANT) {
        command.mode = BW_MODE_OBSERVE;
        (void)sim_operator_submit(world, &command);
    }
    return LOOK_FAR_NS;
}
static bool let_go_unheard(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = return_to_let_go;
    return choose_next(world, incident);
}
static void let_go_is_over(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 0)
        return;
    sim_process_let_return(agent_of(world, incident));
    sim_operator_try_auto(world, incident->b);
}

/* ---- granted again before it has heard that its epoch is over ---- */

/* When the end of the epoch is proposed the site hears nothing any more, and its guard is back. */
static uint64_t grant_unheard(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = group_of(world, incident);
    struct sim_process *leader = sim_operator_leader(world);

    if (incident->stage == 0) {
        if (!has_just_accepted(world, incident))
            return LOOK_NS;
        if (!takes_site(world, incident, incident->a))
            return 0;
        incident->c = machine_of(world, incident)->memory.epoch;
        incident->stage = 1;
        sim_plan_tell(world, incident, site_of(world, incident),
                      "its guard dies before it can arm, agents of other sites stand still");
        sim_process_keep_down(guard_of(world, incident));
        freeze_others(world, incident);
        return machine_of(world, incident)->memory.terms.ttl_ms * SIM_MS / 10 * 9;
    }
    if (group == NULL)
        return LOOK_NS;
    if (incident->stage == 1) {
        if (group->epoch == incident->c && group->phase != BW_PHASE_VACANT &&
            !sim_witness_is_proposing(leader, world->group_names[incident->b]))
            return LOOK_NEAR_NS;
        sim_plan_tell(
            world, incident, site_of(world, incident),
            "the end of the epoch is proposed; its site hears nothing, its guard returns");
        incident->stage = 2;
        sim_net_cut_around(world, site_of(world, incident)->index, false, true, true);
        sim_process_let_return(guard_of(world, incident));
    }
    if (group->epoch <= incident->c)
        return LOOK_NS;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "the same site is granted the next epoch, and hears again");
    incident->stage = 3;
    sim_net_cut_around(world, site_of(world, incident)->index, false, true, false);
    return 0;
}
static bool granted_unheard(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = grant_unheard;
    return choose_next(world, incident);
}
static void hears_again(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 2)
        sim_net_cut_around(world, site_of(world, incident)->index, false, true, false);
    if (incident->stage > 0)
        sim_process_let_return(guard_of(world, incident));
    thaw_others(world, incident);
}

/* ---- an agent starts again, and its guard is silent from then on ---- */

/* Whose service it is: what another instance of the site has armed is the guard's alone (3.8). */
static bool holds_what_is_armed(struct sim_world *world, const struct sim_incident *incident)
{
    const struct bw_guard *guard = sim_guard_machine(guard_of(world, incident), incident->b);

    return guard != NULL && machine_of(world, incident)->memory.epoch == guard->mirror.armed_epoch;
}

/* By the mirror alone it knows until when it may serve, or by nothing at all (3.4, H10). */
static bool alone_with_memory(struct sim_world *world, struct sim_incident *incident)
{
    char name[48];

    if (!choose_serving(world, incident) || !holds_what_is_armed(world, incident) ||
        !sim_plan_takes_both(world, incident->a, incident->until_ns - world->now_ns))
        return false;
    sim_guard_mirror_name(world, incident->b, name);
    if (sim_chance(&incident->chance, 500000))
        sim_file_remove(site_of(world, incident), name);
    sim_plan_tell(world, incident, site_of(world, incident),
                  "its agent starts again, its guard stands still");
    sim_process_kill(agent_of(world, incident));
    sim_process_start(agent_of(world, incident));
    sim_process_freeze(guard_of(world, incident));
    return true;
}
static void guard_is_back(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(guard_of(world, incident));
}

/* The moment of those that go wrong from an epoch's acceptance on. */
static bool begins_with_acceptance(struct sim_world *world, struct sim_incident *incident)
{
    if (!has_just_accepted(world, incident))
        return false;
    incident->c = machine_of(world, incident)->memory.epoch;
    incident->stage = 1;
    sim_checks_disturb(world, incident->a, incident->until_ns);
    return true;
}

/* ---- let go while what a start has begun is still to come ---- */

static uint64_t observe_in_a_start(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_site *machine = machine_of(world, incident);
    const struct bw_group *group = group_of(world, incident);
    struct bw_command command = sim_operator_about(world, BW_COMMAND_SET_MODE, incident->b);

    if (incident->stage == 0) {
        if (!begins_with_acceptance(world, incident))
            return LOOK_NS;
        sim_site_set_script_faults(
            site_of(world, incident),
            &(struct sim_script_faults){
                .fork_percent = 100,
                .left_takes_ms = 1000 + (uint32_t)bw_prng_below(&incident->chance, 9000)});
        return LOOK_NS;
    }
    if (incident->stage == 2 && group != NULL && group->spec.mode == BW_MODE_OBSERVE) {
        sim_operator_try_auto(world, incident->b);
        return 0;
    }
    if (incident->stage == 2)
        return LOOK_NS;
    if (machine == NULL || machine->memory.epoch != incident->c)
        return 0;
    if (machine->tenure != BW_TENURE_STARTING || machine->start != BW_SITE_START_RAN)
        return LOOK_NS;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "its start has ended, and nothing serves yet; somebody asks for observe");
    command.mode = BW_MODE_OBSERVE;
    incident->stage = 2;
    return sim_operator_submit(world, &command) ? LOOK_NS : 0;
}
static bool observe_starting(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = observe_in_a_start;
    return choose_next(world, incident);
}
static void observed(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(site_of(world, incident));
    sim_operator_try_auto(world, incident->b);
}

/* ---- what has just been granted cannot be kept ---- */

/* Perhaps no look tells whether anything runs then, and somebody vouches that nothing does. */
static uint64_t keep_nothing(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_in_run = (incident->salt & 2) != 0; /* now and then, and only in /run */
    const bool is_closed_too = !is_in_run && (incident->salt & 1) != 0;
    const struct bw_site *machine = machine_of(world, incident);

    if (incident->stage == 0) {
        if (!begins_with_acceptance(world, incident))
            return LOOK_NS;
        sim_plan_tell(world, incident, site_of(world, incident),
                      "its guard cannot save what is granted");
        if (is_in_run)
            guard_of(world, incident)->disk.run_fail_percent = 50;
        else
            guard_of(world, incident)->disk.fail_percent = 100;
        if (is_closed_too)
            sim_site_set_script_faults(site_of(world, incident),
                                       &(struct sim_script_faults){.wrong_word_percent = 100});
    }
    if (!is_closed_too)
        return 0;
    if (machine == NULL || machine->service != BW_SERVICE_UNKNOWN)
        return LOOK_FAR_NS;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "nobody knows whether it runs; somebody vouches that it is off");
    return sim_operator_vouch(world, incident->b, incident->c) ? 0 : LOOK_FAR_NS;
}
/* Nor can who held it before keep the rejoin that it owes. */
static uint64_t keep_no_rejoin(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_site *machine = machine_of(world, incident);

    if (machine == NULL || machine->tenure != BW_TENURE_NONE || !machine->memory.given_back ||
        machine->memory.epoch != incident->c)
        return LOOK_FAR_NS;
    incident->stage = 1;
    sim_checks_disturb(world, incident->a, incident->until_ns);
    sim_plan_tell(world, incident, site_of(world, incident),
                  "it has given back, and its guard can save nothing any more");
    guard_of(world, incident)->disk.fail_percent = 100;
    return 0;
}
static bool rejoin_unkept(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = keep_no_rejoin;
    if (!world->setting.has_rejoin_script || !choose_next(world, incident))
        return false;
    incident->a = sim_operator_holder(world, group_of(world, incident))->number;
    return true;
}
static bool grant_unkept(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = keep_nothing;
    return choose_next(world, incident);
}
static void keeps_again(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 0)
        return;
    guard_of(world, incident)->disk.fail_percent = 0;
    guard_of(world, incident)->disk.run_fail_percent = 0;
    sim_site_clear_script_faults(site_of(world, incident));
}

/* ---- a start that hangs is killed, and dies slowly: by a fence, or for a stop ---- */

static bool is_closed_in_start(const struct sim_incident *incident)
{
    return (incident->salt & 1) != 0;
}
static void kill_the_start(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_set_script_faults(site_of(world, incident),
                               &(struct sim_script_faults){.slow_death_ms = SLOW_DEATH_MS});
    incident->stage = 3;
    if (is_closed_in_start(incident)) {
        sim_plan_tell(world, incident, site_of(world, incident),
                      "its start hangs, somebody vouches that it is off");
        (void)sim_operator_vouch(world, incident->b, incident->c);
    } else {
        sim_plan_tell(world, incident, site_of(world, incident), "its start hangs, it is cut off");
        sim_net_cut_around(world, site_of(world, incident)->index, true, true, true);
    }
}
static uint64_t wait_for_start(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_site *machine = machine_of(world, incident);

    switch (incident->stage) {
    case 0:
        if (!has_just_accepted(world, incident))
            return LOOK_NS;
        incident->c = machine->memory.epoch;
        incident->stage = 1;
        sim_checks_disturb(world, incident->a, incident->until_ns);
        sim_site_set_script_faults(site_of(world, incident),
                                   &(struct sim_script_faults){.hang_percent = 100});
        return LOOK_NS;
    case 1:
        if (machine == NULL || machine->running != BW_ACTION_START)
            return LOOK_NS;
        incident->stage = 2;
        return EXEC_NS;
    default:
        kill_the_start(world, incident);
        return 0;
    }
}
static bool slow_death(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = wait_for_start;
    return choose_next(world, incident);
}
static void dead_at_last(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage > 0)
        sim_site_clear_script_faults(site_of(world, incident));
    if (incident->stage == 3 && !is_closed_in_start(incident))
        sim_net_cut_around(world, site_of(world, incident)->index, true, true, false);
}

/* ---- fenced, and started by hand before its site can give the epoch back ---- */

static uint64_t start_after_fence(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_site *machine = machine_of(world, incident);

    if (machine == NULL || machine->fence != BW_SITE_FENCE_ENDED || machine->tenure != BW_TENURE_ENDING ||
        !bw_instant_wait_is_over(sim_clock_now(site_of(world, incident)), machine->arm_sent_end))
        return LOOK_FAR_NS;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "it is fenced, its lease is over; somebody starts it");
    sim_checks_by_hand(world, incident->a, incident->b);
    sim_service_started_by_hand(site_of(world, incident), incident->b);
    return 0;
}
static bool cut_and_full(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = start_after_fence;
    if (!choose_serving(world, incident))
        return false;
    sim_checks_disturb(world, incident->a, incident->until_ns);
    guard_of(world, incident)->disk.fail_percent = 100; /* ended(e) would have to be durable */
    sim_net_cut_around(world, site_of(world, incident)->index, true, true, true);
    return true;
}
static void connected_and_well(struct sim_world *world, struct sim_incident *incident)
{
    guard_of(world, incident)->disk.fail_percent = 0;
    sim_net_cut_around(world, site_of(world, incident)->index, true, true, false);
    sim_operator_mend(world, incident->b);
}

/* ---- a guard stands still in the middle of a fence in which everything hangs ---- */

/* Past the instant at which it would have sent TERM, so that what runs meets KILL; or after it has
 * failed, past the instant at which it tries again. */
static uint64_t stall_in_fence(struct sim_world *world, struct sim_incident *incident)
{
    const bool is_before_term = (incident->salt & 3) != 0;
    const struct bw_guard *guard = sim_guard_machine(guard_of(world, incident), incident->b);
    uint64_t stall_ns;

    if (guard == NULL || guard->fence == BW_FENCE_NONE)
        return LOOK_FAR_NS;
    if (guard->fence != (is_before_term ? BW_FENCE_SCRIPT : BW_FENCE_FAILED))
        return LOOK_NS;
    stall_ns = is_before_term ? bw_instant_left_ns(sim_clock_now(site_of(world, incident)),
                                                   guard->fence_kill_at)
                              : SIM_S + bw_prng_below(&incident->chance, SIM_S);
    sim_plan_tell(world, incident, site_of(world, incident),
                  "its guard stalls in the middle of a fence");
    sim_process_stall(guard_of(world, incident), stall_ns);
    return 0;
}
static bool cut_and_hung(struct sim_world *world, struct sim_incident *incident)
{
    incident->look = stall_in_fence;
    if (!choose_serving(world, incident) || !takes_site(world, incident, incident->a))
        return false;
    sim_site_set_script_faults(
        site_of(world, incident),
        &(struct sim_script_faults){.hang_percent = 100, .ignore_term_percent = 100});
    sim_net_cut_around(world, site_of(world, incident)->index, true, true, true);
    return true;
}
static void connected_and_quick(struct sim_world *world, struct sim_incident *incident)
{
    sim_site_clear_script_faults(site_of(world, incident));
    sim_net_cut_around(world, site_of(world, incident)->index, true, true, false);
}

/* ---- a new leader reads its snapshot slowly ---- */

/* For a witness `a` that has missed more than the log still holds; meanwhile it takes another one,
 * of its own term. */

#define ENTRIES_MAX       150 /* that somebody adds */
#define READ_MS           3000
#define TWICE_PER_MILLION 500000

/* One more entry that changes nothing. */
static void add_entry(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, 0);
    struct bw_command command = sim_operator_about(world, BW_COMMAND_SET_MODE, 0);

    if (group == NULL)
        return;
    command.mode = group->spec.mode;
    if (sim_operator_submit(world, &command) && incident->c > 0)
        incident->c--;
}
static const struct sim_raft_disk *log_of(const struct sim_process *witness)
{
    const struct sim_witness_disk *disk = witness->host->services;

    return &disk->raft;
}
static bool reads_snapshot(const struct sim_process *process)
{
    const struct sim_witness *witness = process->state;

    for (unsigned i = 0; i < SIM_RAFT_GETS_MAX; i++)
        if (witness->backend.gets[i] != NULL)
            return true;
    return false;
}
/* And what it then sends may come twice. */
static void set_long_read(struct sim_world *world, const struct sim_incident *incident, bool is_on)
{
    struct sim_process *leader = world->processes[incident->b];
    struct sim_link *link = sim_link(world, leader->host->index,
                                     world->witnesses[incident->a]->host->index);

    leader->disk.read_ms = is_on ? READ_MS : 0;
    link->twice_per_million += is_on ? TWICE_PER_MILLION : (uint32_t)-TWICE_PER_MILLION;
}
static uint64_t read_long(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *behind = world->witnesses[incident->a];
    struct sim_process *leader = sim_operator_leader(world);

    if (leader == NULL)
        return LOOK_FAR_NS;
    switch (incident->stage) {
    case 0:
        add_entry(world, incident);
        if (incident->c > 0 || log_of(leader)->first <= sim_raft_disk_next(log_of(behind)))
            return LOOK_FAR_NS;
        sim_plan_tell(world, incident, leader->host,
                      "its log is too short for the missing one; the leader hands over");
        incident->stage = 1;
        incident->b = leader->index;
        sim_witness_say_behind(leader, incident->a);
        return LOOK_FAR_NS;
    case 1:
        if (leader->index == incident->b)
            return LOOK_FAR_NS;
        incident->stage = 2;
        incident->b = leader->index;
        incident->c = world->setting.snapshot_threshold + 10;
        sim_plan_tell(world, incident, leader->host,
                      "the new leader reads its snapshot slowly; the missing one returns");
        set_long_read(world, incident, true);
        sim_process_let_return(behind);
        return LOOK_NS;
    default:
        if (leader->index != incident->b || incident->c == 0)
            return 0;
        if (reads_snapshot(leader))
            add_entry(world, incident);
        return LOOK_NS;
    }
}
static bool miss_much(struct sim_world *world, struct sim_incident *incident)
{
    const struct sim_setting *setting = &world->setting;
    const struct sim_process *leader = sim_operator_leader(world);

    incident->look = read_long;
    incident->a = sim_any_witness(world, &incident->chance);
    incident->stage = 0;
    incident->c = setting->snapshot_threshold + setting->snapshot_trailing;
    if (leader == NULL || leader == world->witnesses[incident->a] || incident->c > ENTRIES_MAX ||
        world->witnesses[incident->a]->health != SIM_ABLE)
        return false;
    sim_process_keep_down(world->witnesses[incident->a]);
    return true;
}
static void reads_well(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 2)
        set_long_read(world, incident, false);
    sim_process_let_return(world->witnesses[incident->a]);
}

/* ---- an adoption that its site hears of, and can never arm ---- */

/* Let go and managed again; when the site has accepted the adoption it hears and says nothing,
 * until the epoch has expired: what runs there is not breakwater's to end (3.9). */
static uint64_t adopt_in_vain(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = group_of(world, incident);
    const struct bw_site *machine = machine_of(world, incident);

    if (group == NULL || machine == NULL)
        return LOOK_FAR_NS;
    if (incident->stage == 0 && group->spec.mode == BW_MODE_OBSERVE) {
        sim_operator_try_auto(world, incident->b);
        return LOOK_FAR_NS;
    }
    if (incident->stage == 0) {
        if (!has_just_accepted(world, incident) || !machine->memory.adopt)
            return LOOK_NEAR_NS;
        incident->c = machine->memory.epoch;
        incident->stage = 1;
        sim_plan_tell(world, incident, site_of(world, incident),
                      "it is to adopt what runs there, and is cut off");
        sim_net_cut_around(world, site_of(world, incident)->index, true, true, true);
    }
    if (group->epoch == incident->c && group->phase != BW_PHASE_VACANT)
        return LOOK_FAR_NS;
    sim_plan_tell(world, incident, site_of(world, incident),
                  "the adoption has expired; it hears again");
    incident->stage = 2;
    sim_net_cut_around(world, site_of(world, incident)->index, true, true, false);
    return 0;
}
static bool adoption_unarmed(struct sim_world *world, struct sim_incident *incident)
{
    struct bw_command command;

    incident->look = adopt_in_vain;
    if (!choose_serving(world, incident))
        return false;
    incident->c = machine_of(world, incident)->memory.epoch;
    command = sim_operator_about(world, BW_COMMAND_SET_MODE, incident->b);
    command.mode = BW_MODE_OBSERVE;
    return sim_operator_submit(world, &command);
}
static void adoption_is_over(struct sim_world *world, struct sim_incident *incident)
{
    if (incident->stage == 1)
        sim_net_cut_around(world, site_of(world, incident)->index, true, true, false);
    sim_operator_try_auto(world, incident->b);
}

const struct sim_incident_kind sim_forced_faults[] = {
    {"replaced-unarmed", SIM_INSIDE, true, 5, 30000, 60000, replaced_unarmed, replaced_no_more},
    {"replaced-serving", SIM_INSIDE, true, 3, 30000, 60000, replaced_serving, replaced_no_more},
    {"let-go-unheard", SIM_INSIDE, true, 3, 20000, 60000, let_go_unheard, let_go_is_over},
    {"adoption-unarmed", SIM_INSIDE, true, 3, 20000, 60000, adoption_unarmed, adoption_is_over},
    {"granted-unheard", SIM_INSIDE, true, 3, 30000, 60000, granted_unheard, hears_again},
    {"alone-with-memory", SIM_INSIDE, true, 3, 2000, 30000, alone_with_memory, guard_is_back},
    {"grant-unkept", SIM_INSIDE, true, 5, 10000, 30000, grant_unkept, keeps_again},
    {"observe-starting", SIM_PEOPLE, true, 3, 15000, 40000, observe_starting, observed},
    {"rejoin-unkept", SIM_INSIDE, true, 3, 10000, 30000, rejoin_unkept, keeps_again},
    {"slow-death", SIM_INSIDE, true, 4, 15000, 40000, slow_death, dead_at_last},
    {"by-hand-after-fence", SIM_OUTSIDE, true, 2, 15000, 40000, cut_and_full, connected_and_well},
    {"stall-in-fence", SIM_INSIDE, true, 5, 15000, 40000, cut_and_hung, connected_and_quick},
    {"long-read", SIM_INSIDE, true, 5, 10000, 20000, miss_much, reads_well},
    {.name = NULL},
};
