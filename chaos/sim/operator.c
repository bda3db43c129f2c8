/* operator.c - operators: they install groups, pause, switch over, fail over, change specs and
 * delete, each as the people's API lets them. */
#include "operator.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>

#include "agent.h"
#include "override.h"
#include "plan.h"
#include "site.h"
#include "witness.h"

#define LOOK_NS (2 * SIM_S) /* how often somebody looks whether the groups are there */

struct sim_process *sim_operator_leader(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->witness_count; i++)
        if (sim_witness_leads(world->witnesses[i]) &&
            sim_witness_cluster(world->witnesses[i])->generation >= world->generation)
            return world->witnesses[i];
    return NULL;
}

/* As its leader knows it; NULL: no leader, or no such group. */
const struct bw_group *sim_operator_group(struct sim_world *world, uint32_t group)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_cluster *cluster = leader == NULL ? NULL : sim_witness_cluster(leader);
    const int group_index = cluster == NULL ? -1
                                            : bw_cluster_find(cluster, world->group_names[group]);

    return group_index < 0 ? NULL : &cluster->groups[group_index];
}

struct bw_command sim_operator_about(const struct sim_world *world, enum bw_command_kind kind,
                                     uint32_t group)
{
    struct bw_command command = {.kind = kind};

    (void)bw_copy_text(command.group, sizeof command.group, world->group_names[group]);
    (void)bw_copy_text(command.by, sizeof command.by, "operator/anna");
    (void)bw_copy_text(command.text, sizeof command.text, "simulated");
    return command;
}

bool sim_operator_apply(struct sim_world *world, const struct bw_apply_item *items, size_t count)
{
    struct sim_process *leader = sim_operator_leader(world);

    return leader != NULL && sim_witness_apply(leader, items, count) == BW_OK;
}

bool sim_operator_apply_spec(struct sim_world *world, const struct bw_spec *spec)
{
    const struct bw_apply_item item = {.spec = *spec};

    return bw_spec_check(spec, world->setting.election_timeout_ms, NULL, 0) == 0 &&
           sim_operator_apply(world, &item, 1);
}

bool sim_operator_submit(struct sim_world *world, const struct bw_command *command)
{
    struct sim_process *leader = sim_operator_leader(world);

    return leader != NULL && sim_witness_submit(leader, command) == BW_OK;
}

/* ---- the groups are there ---- */

static void first_spec(const struct sim_world *world, uint32_t group, struct bw_spec *out_spec)
{
    const struct sim_setting *setting = &world->setting;
    const struct bw_terms *terms = &setting->terms;

    bw_spec_defaults(out_spec);
    (void)bw_copy_text(out_spec->name, sizeof out_spec->name, world->group_names[group]);
    out_spec->site_count = setting->site_count;
    for (uint32_t i = 0; i < setting->site_count; i++) {
        (void)bw_copy_text(out_spec->sites[i].name, sizeof out_spec->sites[i].name,
                           sim_site((struct sim_world *)(uintptr_t)world, i)->name);
        out_spec->sites[i].priority = 100 - 10 * i;
    }
    out_spec->lease_ttl_ms = terms->ttl_ms;
    out_spec->fence_timeout_ms = terms->fence_ms;
    out_spec->renew_interval_ms = terms->renew_interval_ms;
    out_spec->request_timeout_ms = terms->request_timeout_ms;
    out_spec->margin_ms = terms->margin_ms;
    out_spec->max_clock_drift_ppm = terms->drift_ppm;
    out_spec->retry_backoff_ms = 1000;
    out_spec->switchover_timeout_ms = 60000;
    if (setting->often != NULL && sim_plan_is_of_sick(setting->often) && !setting->begins_old)
        out_spec->unhealthy_after_ms = SIM_UNHEALTHY_AFTER_MS;
    out_spec->on_lag = setting->has_readiness_script && setting->seed % 3 == 0 ? BW_ON_LAG_REFUSE
                                                                               : BW_ON_LAG_ALLOW;
    out_spec->failback_ms = setting->seed % 3 == 1 && !setting->is_liveness ? 10000 : 0;
}

/* All that are missing, in one apply. */
static void look(struct sim_world *world, uint64_t argument)
{
    struct bw_apply_item missing[SIM_GROUPS_MAX];
    size_t count = 0;

    (void)argument;
    memset(missing, 0, sizeof missing);
    for (uint32_t i = 0; i < world->setting.group_count; i++)
        if (sim_operator_group(world, i) == NULL)
            first_spec(world, i, &missing[count++].spec);
    if (count > 0)
        (void)sim_operator_apply(world, missing, count);
    sim_world_at(world, world->now_ns + LOOK_NS, look, 0);
}

void sim_operator_begin(struct sim_world *world)
{
    sim_world_at(world, world->now_ns + LOOK_NS, look, 0);
}

static void back_to_auto(struct sim_world *world, uint32_t group)
{
    struct bw_command command = sim_operator_about(world, BW_COMMAND_SET_MODE, group);

    command.mode = BW_MODE_AUTO;
    (void)sim_operator_submit(world, &command);
}

void sim_operator_list_witnesses(struct sim_world *world, uint32_t listed)
{
    world->witnesses_listed = listed;
    for (uint32_t i = 0; i < sim_machine_count(world); i++)
        sim_agent_reload(world->agents[i][0], listed);
}

/* ---- modes ---- */

static uint32_t draw_group(struct sim_world *world, struct sim_incident *incident)
{
    incident->a = (uint32_t)bw_prng_below(&incident->chance, world->setting.group_count);
    return incident->a;
}
static bool set_mode(struct sim_world *world, struct sim_incident *incident, enum bw_mode mode)
{
    struct bw_command command = sim_operator_about(world, BW_COMMAND_SET_MODE,
                                                   draw_group(world, incident));

    command.mode = mode;
    return sim_operator_submit(world, &command);
}
static bool pause(struct sim_world *world, struct sim_incident *incident)
{
    return set_mode(world, incident, BW_MODE_PAUSED);
}
static bool set_manual(struct sim_world *world, struct sim_incident *incident)
{
    return set_mode(world, incident, BW_MODE_MANUAL);
}
static bool observe(struct sim_world *world, struct sim_incident *incident)
{
    return set_mode(world, incident, BW_MODE_OBSERVE);
}
void sim_operator_try_auto(struct sim_world *world, uint64_t group)
{
    const struct bw_group *found = sim_operator_group(world, (uint32_t)group);

    if (found != NULL && found->spec.mode == BW_MODE_AUTO)
        return;
    back_to_auto(world, (uint32_t)group);
    sim_world_at(world, world->now_ns + LOOK_NS, sim_operator_try_auto, group);
}
static void end_mode(struct sim_world *world, struct sim_incident *incident)
{
    sim_operator_try_auto(world, incident->a);
}

/* ---- moves ---- */

struct sim_host *sim_operator_holder(struct sim_world *world, const struct bw_group *group)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (strcmp(sim_site(world, site)->name, group->holder_site) == 0)
            return sim_site(world, site);
    return NULL;
}

static bool ask(struct sim_world *world, struct sim_incident *incident, enum bw_wish_kind kind)
{
    struct sim_process *leader = sim_operator_leader(world);
    const uint32_t group = draw_group(world, incident);
    struct bw_wish wish = {.kind = kind, .accept_data_loss = kind == BW_WISH_FAILOVER};
    struct bw_diag diag = {0};
    const uint64_t site = bw_prng_below(&incident->chance, world->setting.site_count);

    /* The shortest: a move that is given up. */
    wish.timeout_ms = 1000 + (uint32_t)bw_prng_below(&incident->chance, 20000);
    (void)bw_copy_text(wish.to, sizeof wish.to, sim_site(world, (uint32_t)site)->name);
    (void)bw_copy_text(wish.by, sizeof wish.by, "operator/anna");
    return leader != NULL &&
           sim_witness_ask(leader, world->group_names[group], &wish, &diag) == BW_OK;
}
static bool switch_over(struct sim_world *world, struct sim_incident *incident)
{
    return ask(world, incident, BW_WISH_SWITCHOVER);
}
static bool fail_over(struct sim_world *world, struct sim_incident *incident)
{
    return ask(world, incident, BW_WISH_FAILOVER);
}

bool sim_operator_switch_to(struct sim_world *world, uint32_t group, uint32_t site,
                            uint32_t timeout_ms)
{
    struct sim_process *leader = sim_operator_leader(world);
    struct bw_wish wish = {.kind = BW_WISH_SWITCHOVER, .timeout_ms = timeout_ms};
    struct bw_diag diag = {0};

    (void)bw_copy_text(wish.to, sizeof wish.to, sim_site(world, site)->name);
    (void)bw_copy_text(wish.by, sizeof wish.by, "operator/anna");
    return leader != NULL &&
           sim_witness_ask(leader, world->group_names[group], &wish, &diag) == BW_OK;
}

/* Somebody asks, and thinks better of it. */
static bool ask_and_wait(struct sim_world *world, struct sim_incident *incident)
{
    return ask(world, incident, BW_WISH_SWITCHOVER);
}
static void take_back(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);
    const struct bw_command command = sim_operator_about(world, BW_COMMAND_UNREVOKE, incident->a);

    if (leader != NULL)
        (void)sim_witness_take_back(leader, &command); /* perhaps there is nothing any more */
}
/* Whoever took it leads no more while it waits, or is on its way. */
static void hand_over(struct sim_world *world, struct sim_incident *incident)
{
    struct sim_process *leader = sim_operator_leader(world);

    (void)incident;
    if (leader != NULL)
        sim_witness_leave(leader);
}

/* A move whose holder does not hear of it: it is given up, and nothing was touched (Unrevoke). */
static bool switch_over_deaf(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, draw_group(world, incident));
    struct sim_host *host = group == NULL ? NULL : sim_operator_holder(world, group);

    if (host == NULL || group->phase != BW_PHASE_GRANTED ||
        world->agents[host->number][0]->health != SIM_ABLE)
        return false;
    if (!sim_plan_takes_site(world, host->number, incident->until_ns - world->now_ns) ||
        !sim_operator_switch_to(world, incident->a, (host->number + 1) % world->setting.site_count,
                                1000))
        return false;
    incident->b = host->number;
    sim_process_freeze(world->agents[host->number][0]);
    return true;
}
static void hear_again(struct sim_world *world, struct sim_incident *incident)
{
    sim_process_thaw(world->agents[incident->b][0]);
}

/* ---- specs ---- */

void sim_operator_change(struct sim_world *world, struct sim_incident *incident,
                         struct bw_spec *spec)
{
    struct bw_prng *chance = &incident->chance;
    uint32_t site = (uint32_t)bw_prng_below(chance, spec->site_count);
    uint32_t least_ms;

    switch (bw_prng_below(chance, 7)) {
    case 0:
        least_ms = (uint32_t)bw_spec_lease_ttl_ms_min(spec, world->setting.election_timeout_ms);
        spec->lease_ttl_ms =
            least_ms + (uint32_t)bw_prng_below(chance, world->setting.ttl_ms_max - least_ms + 1);
        break;
    case 1:
        spec->sites[site].priority = (uint32_t)bw_prng_below(chance, 200);
        break;
    case 2:
        spec->renew_interval_ms = world->setting.terms.renew_interval_ms / 2 + 20 +
                                  (uint32_t)bw_prng_below(chance, 400);
        break;
    case 3:
        spec->handover_by_time =
            sim_chance(chance, 300000) ? BW_HANDOVER_NEVER : BW_HANDOVER_PROVED;
        break;
    case 4:
        spec->max_failovers_per_window = (uint32_t)bw_prng_below(chance, 10);
        spec->failover_window_ms = 60000 + (uint32_t)bw_prng_below(chance, 600000);
        spec->min_primary_time_ms = (uint32_t)bw_prng_below(chance, 60000);
        break;
    case 5:
        spec->mode = BW_MODE_OBSERVE;
        break;
    default:
        spec->sites[site].never_candidate = !spec->sites[site].never_candidate;
        break;
    }
}
static bool change_spec(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, draw_group(world, incident));
    struct bw_spec spec;

    if (group == NULL)
        return false;
    spec = group->spec;
    sim_operator_change(world, incident, &spec);
    return sim_operator_apply_spec(world, &spec);
}
/* What somebody tried is taken back. */
void sim_operator_spec_as_at_first(struct sim_world *world, uint64_t group)
{
    const struct bw_group *found = sim_operator_group(world, (uint32_t)group);
    struct bw_spec spec;

    if (found != NULL) {
        first_spec(world, (uint32_t)group, &spec);
        spec.mode = found->spec.mode;
        if (sim_operator_apply_spec(world, &spec))
            return;
    }
    sim_world_at(world, world->now_ns + LOOK_NS, sim_operator_spec_as_at_first, group);
}
static void end_change(struct sim_world *world, struct sim_incident *incident)
{
    sim_operator_spec_as_at_first(world, incident->a);
    sim_operator_try_auto(world, incident->a);
}
/* Serves at a site, whatever anybody has heard of it. */
static int serving_site(struct sim_world *world, uint32_t group)
{
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (sim_service_is_serving(sim_site(world, site), group))
            return (int)site;
    return -1;
}
/* `apply --initial-primary`: a person who has looked. */
static bool name_initial(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, draw_group(world, incident));

    return group != NULL && group->phase == BW_PHASE_VACANT && group->first_grant &&
           sim_operator_name(world, incident->a,
                             (uint32_t)bw_prng_below(&incident->chance, world->setting.site_count));
}
bool sim_operator_name(struct sim_world *world, uint32_t number, uint32_t otherwise)
{
    const struct bw_group *group = sim_operator_group(world, number);
    struct bw_apply_item item = {.version = 0};
    int site = serving_site(world, number);

    if (group == NULL)
        return false;
    if (site < 0)
        site = (int)otherwise;
    if (!bw_spec_is_candidate(&group->spec, sim_site(world, (uint32_t)site)->name))
        return false;
    item.spec = group->spec;
    (void)bw_copy_text(item.initial_primary, sizeof item.initial_primary,
                       sim_site(world, (uint32_t)site)->name);
    return sim_operator_apply(world, &item, 1);
}
static bool delete_group(struct sim_world *world, struct sim_incident *incident)
{
    const struct bw_group *group = sim_operator_group(world, draw_group(world, incident));
    const struct bw_command command = sim_operator_about(world, BW_COMMAND_DELETE, incident->a);

    return group != NULL && group->phase == BW_PHASE_VACANT && sim_operator_submit(world, &command);
}
static bool maintain(struct sim_world *world, struct sim_incident *incident)
{
    struct bw_command command = sim_operator_about(world, BW_COMMAND_MAINTENANCE,
                                                   draw_group(world, incident));
    const uint64_t site = bw_prng_below(&incident->chance, world->setting.site_count + 1);

    if (site < world->setting.site_count)
        (void)bw_copy_text(command.site, sizeof command.site,
                           sim_site(world, (uint32_t)site)->name);
    command.duration_ms = 1000 + bw_prng_below(&incident->chance, 30000);
    return sim_operator_submit(world, &command);
}

void sim_operator_calm_down(struct sim_world *world)
{
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        sim_operator_try_auto(world, group);
        sim_operator_spec_as_at_first(world, group);
        sim_operator_mend_again(world, group);
        sim_operator_end_doubles(world, group);
    }
}

const struct sim_incident_kind sim_operator_acts[] = {
    {"pause", SIM_PEOPLE, true, 3, 1000, 60000, pause, end_mode},
    {"manual", SIM_PEOPLE, true, 2, 1000, 60000, set_manual, end_mode},
    {"observe", SIM_PEOPLE, true, 3, 1000, 60000, observe, end_mode},
    {"switchover", SIM_PEOPLE, true, 12, 0, 0, switch_over, NULL},
    {"switchover-deaf", SIM_PEOPLE, true, 6, 1500, 4000, switch_over_deaf, hear_again},
    {"failover", SIM_PEOPLE, true, 5, 0, 0, fail_over, NULL},
    {"switchover-led-anew", SIM_PEOPLE, true, 3, 1, 2000, ask_and_wait, hand_over},
    {"cancel", SIM_PEOPLE, true, 3, 1, 2000, ask_and_wait, take_back},
    {"change-spec", SIM_PEOPLE, true, 8, 1000, 120000, change_spec, end_change},
    {"initial-primary", SIM_PEOPLE, true, 4, 0, 0, name_initial, NULL},
    {"delete", SIM_PEOPLE, true, 4, 0, 0, delete_group, NULL},
    {"maintenance", SIM_PEOPLE, true, 3, 0, 0, maintain, NULL},
    {.name = NULL},
};
