#include "witness_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* ---- asking ---------------------------------------------------------------------------------- */

enum bw_err bw_witness_machine_request(struct bw_witness_machine *machine,
                                       const struct bw_witness_action *action,
                                       struct bw_diag *diag)
{
    struct bw_diag unread = {0};

    return machine->driver.emit(machine->driver.user, action, diag != NULL ? diag : &unread);
}

void bw_witness_machine_emit(struct bw_witness_machine *machine,
                             const struct bw_witness_action *action)
{
    BW_ASSERT(bw_witness_machine_request(machine, action, NULL) == BW_OK);
}

/* ---- when a group is decided about ------------------------------------------------------------ */

static void set_bit(uint64_t *bits, int group)
{
    bits[group / 64] |= UINT64_C(1) << (group % 64);
}

static bool take_bit(uint64_t *bits, int group)
{
    const uint64_t bit = UINT64_C(1) << (group % 64);
    const bool was_set = (bits[group / 64] & bit) != 0;

    bits[group / 64] &= ~bit;
    return was_set;
}

void bw_agenda_touch(struct bw_witness_machine *machine, int group)
{
    BW_ASSERT(group >= 0 && group < BW_GROUPS_MAX);
    set_bit(machine->touched, group);
    machine->is_unsettled = true;
}

void bw_agenda_change(struct bw_witness_machine *machine, int group)
{
    for (int place = 0; place < (int)machine->cluster.group_count; place++) {
        if (group >= 0 && place != group)
            continue;
        bw_agenda_touch(machine, place);
        set_bit(machine->changed, place);
    }
}

bool bw_witness_machine_is_unsettled(const struct bw_witness_machine *machine)
{
    return machine->is_unsettled && !machine->is_closed;
}

static void settle(struct bw_witness_machine *machine)
{
    machine->is_unsettled = false;
    for (int place = 0; place < (int)machine->cluster.group_count; place++)
        if (take_bit(machine->touched, place))
            bw_agenda_evaluate(machine, place);
    for (int place = 0; place < (int)machine->cluster.group_count; place++)
        if (take_bit(machine->changed, place))
            bw_polls_on_changed(machine, place);
}

void bw_agenda_evaluate(struct bw_witness_machine *machine, int group)
{
    struct bw_decision *decision = &machine->decision;
    const struct bw_instant now = bw_witness_now(machine);
    struct bw_diag diag = {0};

    machine->due[group] = BW_INSTANT_NEVER;
    if (!machine->core.leadership.leads)
        return;
    bw_witness_decide(&machine->core, group, now, decision);
    if (decision->wake_in_ns != UINT64_MAX)
        machine->due[group] = bw_instant_add(now, decision->wake_in_ns);
    if (!decision->acts)
        return;
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_DECIDED,
                                                                 .group = group,
                                                                 .decision = decision});
    if (bw_witness_machine_propose(machine, &decision->command, NULL, &diag) != BW_OK)
        bw_witness_machine_emit(machine,
                                &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_NOT_TAKEN,
                                                            .group = group,
                                                            .text = diag.text});
}

enum bw_err bw_witness_machine_ask(struct bw_witness_machine *machine, int group,
                                   const struct bw_wish *wish, struct bw_diag *diag)
{
    const enum bw_err err = bw_witness_ask(&machine->core, group, wish, bw_witness_now(machine),
                                           diag);

    if (err == BW_OK)
        bw_agenda_touch(machine, group);
    return err;
}

/* ---- leading --------------------------------------------------------------------------------- */

static void on_leading(struct bw_witness_machine *machine, uint64_t term)
{
    bw_witness_on_leading(&machine->core, term, bw_witness_now(machine));
    bw_proposals_found(machine);
    for (uint32_t place = 0; place < machine->cluster.group_count; place++)
        bw_agenda_touch(machine, (int)place);
}

static void on_not_leading(struct bw_witness_machine *machine)
{
    if (machine->core.leadership.leads)
        bw_witness_on_not_leading(&machine->core);
    bw_syncs_on_proved(machine);
    for (uint32_t place = 0; place < machine->cluster.group_count; place++)
        machine->due[place] = BW_INSTANT_NEVER;
}

const struct bw_member *bw_witness_machine_leader(const struct bw_witness_machine *machine)
{
    const bool leads = machine->core.leadership.leads;
    const uint64_t id = leads ? 0 : machine->driver.leader(machine->driver.user);

    for (uint32_t i = 0; i < machine->member_count; i++) {
        const struct bw_member *member = &machine->members[i];
        const bool is_self = strcmp(member->name, machine->name) == 0;

        if (leads ? is_self : member->id == id)
            return is_self && !leads ? NULL : member; /* it may not act yet */
    }
    return NULL;
}

bool bw_witness_machine_knows_cluster(const struct bw_witness_machine *machine)
{
    return !bw_id_is_none(machine->cluster.id);
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* Both clocks: what waits for others must not be over too soon (3.3). */
struct bw_instant bw_witness_machine_wake_at(const struct bw_witness_machine *machine)
{
    struct bw_instant at = machine->found_at;

    if (machine->is_closed)
        return BW_INSTANT_NEVER;
    for (uint32_t place = 0; place < machine->cluster.group_count; place++)
        at = bw_instant_min(at, machine->due[place]);
    for (const struct bw_witness_call *call = machine->syncs; call != NULL; call = call->next)
        at = bw_instant_min(at, call->until);
    for (const struct bw_witness_call *call = machine->polls; call != NULL; call = call->next)
        at = bw_instant_min(at, call->until);
    return at;
}

static void on_wake(struct bw_witness_machine *machine)
{
    const struct bw_instant now = bw_witness_now(machine);

    for (int place = 0; place < (int)machine->cluster.group_count; place++)
        if (bw_instant_wait_is_over(now, machine->due[place]))
            bw_agenda_evaluate(machine, place);
    bw_syncs_serve(machine, now);
    bw_polls_serve(machine, now);
    if (!bw_instant_wait_is_over(now, machine->found_at))
        return;
    machine->found_at = bw_instant_add(now, BW_WITNESS_FOUND_MS * BW_NS_PER_MS);
    bw_proposals_found(machine);
}

static void happen(struct bw_witness_machine *machine, const struct bw_witness_event *event)
{
    switch (event->kind) {
    case BW_WITNESS_EVENT_WAKE:
        on_wake(machine);
        return;
    case BW_WITNESS_EVENT_SETTLE:
        settle(machine);
        return;
    case BW_WITNESS_EVENT_LEADING:
        on_leading(machine, event->term);
        return;
    case BW_WITNESS_EVENT_NOT_LEADING:
        on_not_leading(machine);
        return;
    case BW_WITNESS_EVENT_ENDED:
        bw_proposals_on_ended(machine, event);
        return;
    case BW_WITNESS_EVENT_SYNC:
        bw_syncs_on_sync(machine, event->call);
        return;
    case BW_WITNESS_EVENT_POLL:
        bw_polls_on_poll(machine, event->call);
        return;
    case BW_WITNESS_EVENT_RELAYED:
        bw_syncs_on_relayed(machine, event->call, event->ok);
        return;
    case BW_WITNESS_EVENT_GONE:
        bw_calls_unwait(machine, event->call);
        return;
    }
}

void bw_witness_machine_step(struct bw_witness_machine *machine,
                             const struct bw_witness_event *event)
{
    BW_ASSERT(!machine->is_stepping); /* emit never calls back */
    if (machine->is_closed && event->kind != BW_WITNESS_EVENT_GONE)
        return;
    machine->is_stepping = true;
    happen(machine, event);
    machine->is_stepping = false;
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_witness_machine_init(struct bw_witness_machine *machine,
                             const struct bw_witness_setup *setup)
{
    struct bw_instant now;

    memset(machine, 0, sizeof *machine);
    machine->driver = setup->driver;
    now = bw_witness_now(machine);
    BW_ASSERT(setup->group_max <= BW_GROUPS_MAX);
    BW_ASSERT(setup->group_max <= setup->answer_group_max);
    BW_ASSERT(bw_copy_text(machine->name, sizeof machine->name, setup->name));
    bw_cluster_init(&machine->cluster, setup->groups, setup->group_max);
    bw_witness_init(&machine->core, machine->name, &machine->cluster, setup->watches, now);
    for (uint32_t place = 0; place < setup->group_max; place++)
        machine->due[place] = BW_INSTANT_NEVER;
    machine->found_at = bw_instant_add(now, BW_WITNESS_FOUND_MS * BW_NS_PER_MS);
    machine->answer.groups = setup->answer_groups;
    machine->answer_group_max = setup->answer_group_max;
}

void bw_witness_machine_set_founding(struct bw_witness_machine *machine,
                                     const struct bw_witness_founding *founding)
{
    machine->founding = *founding;
}

void bw_witness_machine_set_members(struct bw_witness_machine *machine,
                                    const struct bw_member *members, uint32_t count)
{
    BW_ASSERT(count <= BW_WITNESSES_MAX);
    memcpy(machine->members, members, count * sizeof members[0]);
    machine->member_count = count;
}

void bw_witness_machine_close(struct bw_witness_machine *machine)
{
    machine->is_closed = true;
}
