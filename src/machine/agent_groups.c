/* Which groups an agent has: those of its site file, as it began and as it was read since (5.4). A group that
 * the file no longer names keeps its number, so that what was asked for it before finds nobody else. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

/* ---- which ------------------------------------------------------------------------------------- */

static bool is_named(const struct bw_group_agent *own, const char *group)
{
    return !own->is_left && strcmp(own->site.group, group) == 0;
}

int bw_agent_find_group(struct bw_agent_machine *machine, const char *group)
{
    for (uint32_t i = 0; i < machine->group_count; i++) {
        const uint32_t at = (machine->last_found + 1 + i) % machine->group_count;

        if (is_named(&machine->groups[at], group)) {
            machine->last_found = at;
            return (int)at;
        }
    }
    return -1;
}

int bw_agent_machine_find(const struct bw_agent_machine *machine, const char *group)
{
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (is_named(&machine->groups[i], group))
            return (int)i;
    return -1;
}

void bw_agent_step_all(struct bw_agent_machine *machine, const struct bw_site_event *event)
{
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (!machine->groups[i].is_left)
            bw_agent_step_group(machine, i, event);
}

/* ---- one more ---------------------------------------------------------------------------------- */

static void begin_group(struct bw_agent_machine *machine, uint32_t group, const char *name,
                        const struct bw_site_limits *limits, bool has_units,
                        struct bw_site_memory *kept)
{
    const struct bw_agent_setup *setup = &machine->setup;
    struct bw_group_agent *own = &machine->groups[group];

    memset(own, 0, sizeof *own);
    own->kept = kept;
    own->wake_at = BW_INSTANT_NEVER;
    bw_site_init(&own->site, name, setup->state->instance, setup->boot_id, limits, kept,
                 bw_agent_now(machine));
    bw_agent_fence_init(own, has_units);
}

void bw_agent_machine_add_group(struct bw_agent_machine *machine, const char *group,
                                const struct bw_site_limits *limits, bool has_units,
                                struct bw_site_memory *kept)
{
    BW_ASSERT(machine->group_count < machine->setup.group_max);
    machine->group_count++;
    begin_group(machine, machine->group_count - 1, group, limits, has_units, kept);
}

/* The one that it had, or the next; -1: there is none. */
static int slot_of(const struct bw_agent_machine *machine, const char *group)
{
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (strcmp(machine->groups[i].site.group, group) == 0)
            return (int)i;
    return machine->group_count < machine->setup.group_max ? (int)machine->group_count : -1;
}

bool bw_agent_machine_has_room(const struct bw_agent_machine *machine, const char *const *groups,
                               uint32_t count)
{
    uint32_t left = machine->setup.group_max - machine->group_count;

    for (uint32_t i = 0; i < count; i++) {
        bool is_known = false;

        for (uint32_t j = 0; j < machine->group_count && !is_known; j++)
            is_known = strcmp(machine->groups[j].site.group, groups[i]) == 0;
        if (is_known)
            continue;
        if (left == 0)
            return false;
        left--;
    }
    return true;
}

int bw_agent_machine_take_group(struct bw_agent_machine *machine, const char *group,
                                const struct bw_site_limits *limits, bool has_units,
                                struct bw_site_memory *kept)
{
    const int at = slot_of(machine, group);
    uint64_t next_run_id = 0;

    BW_ASSERT(!machine->is_stepping && bw_agent_machine_find(machine, group) < 0);
    if (at < 0 || machine->is_closed)
        return -1;
    if (at == (int)machine->group_count)
        machine->group_count++;
    else /* a run of before may still end: no other of this session has its number */
        next_run_id = machine->groups[at].site.next_run_id;
    begin_group(machine, (uint32_t)at, group, limits, has_units, kept);
    if (machine->guard.state == BW_GUARD_LINK_IDLE || machine->guard.state == BW_GUARD_LINK_CONNECTING)
        machine->guard.is_lost_reported = false; /* nobody has told this one: the next attempt that fails does */
    if (next_run_id != 0)
        machine->groups[at].site.next_run_id = next_run_id;
    machine->groups[at].wake_at = bw_agent_now(machine);
    bw_agent_guard_greet_again(machine);
    bw_agent_sync_now(machine);
    return at;
}

/* ---- one less ---------------------------------------------------------------------------------- */

/* What is to be written waits for the disk: without it a restart would know less than this agent. */
enum bw_keeps bw_agent_machine_keeps(const struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_group_agent *own = &machine->groups[group];
    const enum bw_keeps keeps = bw_site_keeps(&own->site);

    BW_ASSERT(group < machine->group_count && !own->is_left);
    if (keeps != BW_KEEPS_NOTHING)
        return keeps;
    if (bw_own_fence_is_running(&own->fence))
        return BW_KEEPS_FENCE;
    return own->save_waits || own->save_begun != 0 ? BW_KEEPS_SAVE : BW_KEEPS_NOTHING;
}

void bw_agent_machine_leave_group(struct bw_agent_machine *machine, uint32_t group)
{
    struct bw_group_agent *own = &machine->groups[group];
    const struct bw_site before = own->site;

    BW_ASSERT(!machine->is_stepping);
    BW_ASSERT(bw_agent_machine_keeps(machine, group) == BW_KEEPS_NOTHING);
    begin_group(machine, group, before.group, &before.limits, false, own->kept);
    own->site.order.index = before.order.index; /* polls ask for what is newer */
    own->site.next_run_id = before.next_run_id;
    own->is_left = true;
    bw_agent_sync_now(machine); /* that nobody speaks for it here any more */
}
