/* The agent's machine: its life, events in, a step of one group, when to wake. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* A machine that asks to be woken at an instant that only one clock has reached (after a suspend,
 * the clocks are far apart) is woken this often, not without pause. */
#define TICK_DISTANCE_NS BW_NS_PER_MS

/* ---- asking ---------------------------------------------------------------------------------- */

enum bw_err bw_agent_ask(struct bw_agent_machine *machine, const struct bw_agent_action *action,
                         struct bw_diag *diag)
{
    struct bw_diag unread = {0};

    return machine->setup.driver.emit(machine->setup.driver.user, action,
                                      diag != NULL ? diag : &unread);
}

void bw_agent_emit(struct bw_agent_machine *machine, const struct bw_agent_action *action)
{
    BW_ASSERT(bw_agent_ask(machine, action, NULL) == BW_OK);
}

void bw_agent_note(struct bw_agent_machine *machine, enum bw_agent_note note, uint32_t witness,
                   const char *text)
{
    const struct bw_agent_action action = {
        .kind = BW_AGENT_ACTION_NOTE, .note = note, .witness = witness, .text = text};

    bw_agent_emit(machine, &action);
}

/* ---- a step of one group --------------------------------------------------------------------- */

static struct bw_agent_before before_of(const struct bw_site *site, struct bw_instant now)
{
    return (struct bw_agent_before){
        .tenure = site->tenure,
        .order_index = site->order.index,
        .order_kind = site->order.kind,
        .epoch = site->memory.epoch,
        .given_back = site->memory.given_back,
        .lease_alive = bw_lease_is_alive(&site->lease, now),
        .enforced = site->memory.enforced,
        .alarms = site->alarms,
        .override = site->memory.override,
        .second = site->second,
    };
}

static void execute(struct bw_agent_machine *machine, uint32_t group,
                    const struct bw_site_action *action)
{
    switch (action->kind) {
    case BW_SITE_ACTION_SAVE:
        bw_agent_saves_group(machine, group, action->number);
        break;
    case BW_SITE_ACTION_SEND:
        bw_agent_guard_send(machine, &action->message);
        break;
    case BW_SITE_ACTION_SYNC_NOW:
        bw_agent_sync_now(machine);
        break;
    case BW_SITE_ACTION_READ_MIRROR:
        bw_agent_mirrors_want(machine, group);
        break;
    case BW_SITE_ACTION_OWN_FENCE:
        bw_agent_fence_start(machine, group, action);
        break;
    case BW_SITE_ACTION_TRACE: /* STEPPED has the rules of every step */
        break;
    }
}

void bw_agent_step_group(struct bw_agent_machine *machine, uint32_t group,
                         const struct bw_site_event *event)
{
    struct bw_group_agent *own = &machine->groups[group];
    const struct bw_instant now = bw_agent_now(machine);
    const struct bw_agent_before before = before_of(&own->site, now);
    const struct bw_agent_step step = {.site = &own->site,
                                       .before = &before,
                                       .event = event,
                                       .actions = &machine->actions,
                                       .now = now,
                                       .is_mirror_news = own->is_mirror_news};

    BW_ASSERT(!machine->is_carrying && !own->is_left);
    bw_site_step(&own->site, event, now, &machine->actions);
    own->wake_at = machine->actions.wake_at;
    if (event->kind == BW_SITE_EVENT_TICK && bw_instant_right_is_over(now, own->wake_at))
        own->wake_at = bw_instant_add(now, TICK_DISTANCE_NS);
    bw_agent_emit(machine, &(struct bw_agent_action){
                               .kind = BW_AGENT_ACTION_STEPPED, .group = group, .step = &step});
    machine->is_carrying = true;
    for (uint32_t i = 0; i < machine->actions.count; i++)
        execute(machine, group, &machine->actions.list[i]);
    machine->is_carrying = false;
}

static void serve_due(struct bw_agent_machine *machine)
{
    const struct bw_site_event tick = {.kind = BW_SITE_EVENT_TICK};
    const struct bw_instant now = bw_agent_now(machine);

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (bw_instant_right_is_over(now, machine->groups[i].wake_at))
            bw_agent_step_group(machine, i, &tick);
    bw_agent_fences_serve(machine);
}

/* ---- when ------------------------------------------------------------------------------------ */

struct bw_instant bw_agent_machine_wake_at(const struct bw_agent_machine *machine)
{
    const struct bw_instant now = bw_agent_now(machine);
    struct bw_instant at = bw_instant_min(machine->sync_at, machine->guard.arm_at);

    if (machine->is_closed)
        return BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < machine->group_count; i++)
        at = bw_instant_min(at, bw_instant_min(machine->groups[i].wake_at,
                                               machine->groups[i].fence_at));
    at = bw_instant_min(at, bw_instant_wait_wake(now, machine->guard.timer));
    at = bw_instant_min(at, bw_instant_wait_wake(now, machine->unanswered_at));
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        at = bw_instant_min(at, bw_instant_wait_wake(now, machine->witnesses[i].poll_at));
    return at;
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void happen(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    switch (event->kind) {
    case BW_AGENT_EVENT_WAKE:
        bw_agent_guard_serve(machine);
        bw_agent_mirrors_serve(machine);
        bw_agent_witnesses_serve(machine);
        bw_agent_sync_serve(machine); /* with all that has just become news */
        return;
    case BW_AGENT_EVENT_ANSWERED:
        bw_agent_on_answered(machine, event);
        return;
    case BW_AGENT_EVENT_UNANSWERED:
        bw_agent_on_unanswered(machine, event);
        return;
    case BW_AGENT_EVENT_GUARD_CONNECTED:
    case BW_AGENT_EVENT_GUARD_MESSAGE:
    case BW_AGENT_EVENT_GUARD_CLOSED:
    case BW_AGENT_EVENT_GUARD_GARBLED:
        bw_agent_on_guard(machine, event);
        return;
    case BW_AGENT_EVENT_SAVED:
        bw_agent_on_saved(machine, event->err);
        return;
    case BW_AGENT_EVENT_MEMBERS_KEPT:
        bw_agent_on_members_kept(machine, event->err);
        return;
    case BW_AGENT_EVENT_MIRRORS_READ:
        bw_agent_on_mirrors_read(machine, event);
        return;
    case BW_AGENT_EVENT_FENCE_RUN_ENDED:
    case BW_AGENT_EVENT_FENCE_LOOKED:
    case BW_AGENT_EVENT_FENCE_KILLED:
        bw_agent_on_fence(machine, event);
        return;
    case BW_AGENT_EVENT_OVERRIDE:
    case BW_AGENT_EVENT_OVERRIDE_END:
        bw_agent_on_override(machine, event);
        return;
    case BW_AGENT_EVENT_PROVE:
        bw_agent_on_prove(machine, event->group);
        return;
    case BW_AGENT_EVENT_SECOND:
        bw_agent_on_second(machine, event->second);
        return;
    case BW_AGENT_EVENT_STOP:
        bw_agent_end(machine, false);
        return;
    }
}

/* What a step asked the disk for goes out at its end, for all groups at once. */
static void finish(struct bw_agent_machine *machine)
{
    bw_agent_saves_serve(machine);
    bw_agent_mirrors_ask(machine);
    machine->is_stepping = false;
}

void bw_agent_machine_step(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    BW_ASSERT(!machine->is_stepping); /* emit never calls back */
    if (machine->is_closed)
        return;
    machine->is_stepping = true;
    machine->guard.is_gone = event->kind == BW_AGENT_EVENT_GUARD_CLOSED;
    if (event->kind == BW_AGENT_EVENT_FENCE_RUN_ENDED)
        machine->groups[event->group].is_run_over = true;
    serve_due(machine);
    bw_agent_overrides_look_at_wall(machine);
    happen(machine, event);
    finish(machine);
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_agent_machine_init(struct bw_agent_machine *machine, const struct bw_agent_setup *setup)
{
    memset(machine, 0, sizeof *machine);
    machine->setup = *setup;
    machine->groups = setup->groups;
    BW_ASSERT(setup->group_max <= BW_SITE_GROUPS_MAX);
    BW_ASSERT(bw_copy_text(machine->site, sizeof machine->site, setup->site));
    BW_ASSERT(bw_copy_text(machine->name, sizeof machine->name, setup->name));
    machine->setup.site = machine->site;
    machine->setup.name = machine->name;
    machine->sync_at = machine->unanswered_at = BW_INSTANT_NEVER;
    machine->guard.timer = machine->guard.arm_at = BW_INSTANT_NEVER;
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        machine->witnesses[i].poll_at = BW_INSTANT_NEVER;
    bw_renewals_init(&machine->renewals, setup->session);
    machine->leader_contact = machine->leader_direct = bw_agent_now(
        machine); /* the first leader gets its chance before any relay */
}

void bw_agent_machine_set_limits(struct bw_agent_machine *machine, uint32_t group,
                                 const struct bw_site_limits *limits)
{
    BW_ASSERT(group < machine->group_count && !machine->is_stepping);
    bw_site_set_limits(&machine->groups[group].site, limits);
}

void bw_agent_machine_begin(struct bw_agent_machine *machine)
{
    machine->is_stepping = true;
    bw_agent_members_recall(machine);
    bw_agent_sync_now(machine);
    bw_agent_guard_connect(machine);
    finish(machine);
}

void bw_agent_machine_close(struct bw_agent_machine *machine)
{
    if (machine->is_closed)
        return;
    bw_agent_guard_close(machine);
    machine->is_closed = true;
}
