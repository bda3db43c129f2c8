/* The agent's machine: its life, events in, a step of one group, when to wake; its groups, and what is kept of them, in
 * its own state and in the mirrors of its guard. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/machine/agent.h>

static void agent_on_second(struct bw_agent_machine *machine, const struct bw_second_ask *ask);
static void agent_saves_group(struct bw_agent_machine *machine, uint32_t group, uint64_t number);
static void agent_on_saved(struct bw_agent_machine *machine, enum bw_err err);
static void agent_saves_serve(struct bw_agent_machine *machine);
static void agent_mirrors_want(struct bw_agent_machine *machine, uint32_t group);
static void agent_on_mirrors_read(struct bw_agent_machine *machine, const struct bw_agent_event *event);
static void agent_mirrors_serve(struct bw_agent_machine *machine);
static void agent_mirrors_ask(struct bw_agent_machine *machine);

/* ---- events ---- */

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
        agent_saves_group(machine, group, action->number);
        break;
    case BW_SITE_ACTION_SEND:
        bw_agent_guard_send(machine, &action->message);
        break;
    case BW_SITE_ACTION_SYNC_NOW:
        bw_agent_sync_now(machine);
        break;
    case BW_SITE_ACTION_READ_MIRROR:
        agent_mirrors_want(machine, group);
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
        agent_mirrors_serve(machine);
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
        agent_on_saved(machine, event->err);
        return;
    case BW_AGENT_EVENT_MEMBERS_KEPT:
        bw_agent_on_members_kept(machine, event->err);
        return;
    case BW_AGENT_EVENT_MIRRORS_READ:
        agent_on_mirrors_read(machine, event);
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
        agent_on_second(machine, event->second);
        return;
    case BW_AGENT_EVENT_STOP:
        bw_agent_end(machine, false);
        return;
    }
}

/* What a step asked the disk for goes out at its end, for all groups at once. */
static void finish(struct bw_agent_machine *machine)
{
    agent_saves_serve(machine);
    agent_mirrors_ask(machine);
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

/* ---- groups ---- */

/* Which groups an agent has: those of its site file, as it began and as it was read since (5.4). A group that
 * the file no longer names keeps its number, so that what was asked for it before finds nobody else. */

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

/* ---- saves ---- */

/* The agent's state on its way to the disk, and what the answer means to each group. */

/* ---- asking ---------------------------------------------------------------------------------- */

static void agent_saves_group(struct bw_agent_machine *machine, uint32_t group, uint64_t number)
{
    struct bw_group_agent *own = &machine->groups[group];

    own->save_number = number;
    *own->kept = own->site.memory;
    own->save_waits = true;
}

void bw_agent_saves_cluster(struct bw_agent_machine *machine, struct bw_id cluster_id,
                            uint64_t generation)
{
    if (machine->wants_cluster)
        return; /* one after the other: what was dropped is said again */
    machine->wants_cluster = true;
    machine->wanted_cluster_id = cluster_id;
    machine->wanted_generation = generation;
}

static bool anything_waits(const struct bw_agent_machine *machine)
{
    if (machine->wants_cluster)
        return true;
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (machine->groups[i].save_waits)
            return true;
    return false;
}

/* At the end of a step: all that it asked for goes with one write. */
static void agent_saves_serve(struct bw_agent_machine *machine)
{
    struct bw_agent_state state;

    if (machine->is_saving || !anything_waits(machine))
        return;
    state = *machine->setup.state;
    machine->is_saving = true;
    machine->save_has_cluster = machine->wants_cluster;
    if (machine->wants_cluster) {
        state.cluster_id = machine->wanted_cluster_id;
        state.generation = machine->wanted_generation;
    }
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];

        own->save_begun = own->save_waits ? own->save_number : 0;
        own->save_waits = false;
    }
    bw_agent_emit(machine,
                  &(struct bw_agent_action){.kind = BW_AGENT_ACTION_SAVE, .state = &state});
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void answer_cluster(struct bw_agent_machine *machine, bool ok)
{
    machine->wants_cluster = false;
    if (!ok)
        return; /* the next answer of a leader tells of it again */
    machine->setup.state->cluster_id = machine->wanted_cluster_id;
    machine->setup.state->generation = machine->wanted_generation;
    bw_agent_note(machine, BW_AGENT_NOTE_CLUSTER_KNOWN, 0, NULL);
    bw_agent_guard_greet_again(machine);
    bw_agent_sync_now(machine); /* what was said until now was dropped */
}

static void agent_on_saved(struct bw_agent_machine *machine, enum bw_err err)
{
    BW_ASSERT(machine->is_saving);
    machine->is_saving = false;
    if (err == BW_ERR_UNKNOWN) /* what the disk holds is not known: only a new start can tell */
        bw_agent_end(machine, true);
    if (machine->save_has_cluster)
        answer_cluster(machine, err == BW_OK);
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];
        /* A newer SAVE, asked for while this one was under way, is not durable yet. */
        const struct bw_site_event saved = {
            .kind = BW_SITE_EVENT_SAVED, .number = own->save_begun, .ok = err == BW_OK};

        own->save_begun = 0;
        if (saved.number != 0)
            bw_agent_step_group(machine, i, &saved);
    }
}

/* ---- mirrors ---- */

/* What the guard has armed, read from its mirrors while there is no guard. A file system that does
 * not answer in time says as little as one that cannot be read. Design 3.4. */

#define ANSWER_NS BW_NS_PER_S /* for one reading of all that are wanted */

/* ---- asking ---------------------------------------------------------------------------------- */

static void await(struct bw_agent_machine *machine)
{
    machine->unanswered_at = bw_instant_add(bw_agent_now(machine), ANSWER_NS);
}

static void agent_mirrors_want(struct bw_agent_machine *machine, uint32_t group)
{
    machine->groups[group].mirror_waits = true;
    if (bw_instant_is_never(machine->unanswered_at))
        await(machine);
}

/* At the end of a step, likewise */
static void agent_mirrors_ask(struct bw_agent_machine *machine)
{
    struct bw_agent_action read = {.kind = BW_AGENT_ACTION_READ_MIRRORS,
                                   .groups = machine->read_groups};

    if (machine->is_reading)
        return;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];

        if (!own->mirror_waits)
            continue;
        own->mirror_waits = false;
        own->mirror_is_read = true;
        machine->read_groups[read.group_count++] = i;
    }
    if (read.group_count == 0)
        return;
    machine->is_reading = true;
    bw_agent_emit(machine, &read);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Read again and again while there is no guard: what stays as it was is said once. */
static void note(struct bw_agent_machine *machine, uint32_t group, enum bw_err err, uint64_t epoch,
                 const char *why)
{
    struct bw_group_agent *own = &machine->groups[group];

    own->is_mirror_news = !own->has_read_mirror || own->mirror_err != err ||
                          (err == BW_OK && own->mirror_epoch != epoch);
    own->has_read_mirror = true;
    own->mirror_err = err;
    own->mirror_epoch = epoch;
    if (err != BW_OK && own->is_mirror_news)
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                         .note = BW_AGENT_NOTE_MIRROR_UNREADABLE,
                                                         .group = group,
                                                         .text = why});
}

static bool mirror_is_of_this_boot(const struct bw_agent_machine *machine, uint32_t group,
                            const struct bw_guard_mirror_file *file)
{
    return bw_id_equal(file->boot_id, machine->setup.kernel_boot_id) &&
           file->time_namespace == machine->setup.time_namespace &&
           strcmp(file->group, machine->groups[group].site.group) == 0;
}

static void answer(struct bw_agent_machine *machine, const struct bw_agent_mirror_reading *reading)
{
    struct bw_site_event event = {.kind = BW_SITE_EVENT_MIRROR_READ};
    const struct bw_guard_mirror *mirror = NULL;

    if (reading->err != BW_OK) {
        note(machine, reading->group, reading->err, 0, reading->text);
    } else if (!mirror_is_of_this_boot(machine, reading->group, reading->file)) {
        note(machine, reading->group, BW_ERR_STALE, 0,
             "it is of another boot, time namespace or group");
    } else {
        mirror = &reading->file->mirror;
        note(machine, reading->group, BW_OK, mirror->armed_epoch, NULL);
        event.mirror_is_anothers = mirror->armed_epoch != 0 &&
                                   !bw_id_equal(mirror->armed_instance,
                                                machine->setup.state->instance);
        event.mirror_overrides = mirror->armed_serial != 0 && !event.mirror_is_anothers;
        event.ok = mirror->armed_epoch != 0 && !event.mirror_is_anothers && !event.mirror_overrides;
        event.mirror_epoch = mirror->armed_epoch;
        event.mirror_end = mirror->armed_end;
        event.mirror_fence_ns = mirror->fence_ns;
    }
    bw_agent_step_group(machine, reading->group, &event);
}

/* A late answer counts as well: the machine takes the later end of those it heard. */
static void agent_on_mirrors_read(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    bool anything_waits = false;

    BW_ASSERT(machine->is_reading);
    machine->is_reading = false;
    machine->unanswered_at = BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < event->reading_count; i++) {
        struct bw_group_agent *own = &machine->groups[event->readings[i].group];

        own->mirror_is_read = false;
        if (!own->is_left)
            answer(machine, &event->readings[i]);
    }
    for (uint32_t i = 0; i < machine->group_count; i++)
        anything_waits = anything_waits || machine->groups[i].mirror_waits;
    if (anything_waits)
        await(machine);
}

/* What has not been answered in time */
static void agent_mirrors_serve(struct bw_agent_machine *machine)
{
    const struct bw_site_event unreadable = {.kind = BW_SITE_EVENT_MIRROR_READ};

    if (!bw_instant_wait_is_over(bw_agent_now(machine), machine->unanswered_at))
        return;
    machine->unanswered_at = BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        struct bw_group_agent *own = &machine->groups[i];

        if (!own->mirror_waits && !own->mirror_is_read)
            continue;
        own->mirror_waits = false;
        note(machine, i, BW_ERR_TIMEOUT, 0, "its file system does not answer");
        bw_agent_step_group(machine, i, &unreadable);
    }
}

/* ---- second enforcers ---- */

/* What second enforcers of this site ask (3.4): each group hears it, and says what is left of its
 * lease. */

static void agent_on_second(struct bw_agent_machine *machine, const struct bw_second_ask *ask)
{
    const bool runs_elsewhere = !bw_id_is_none(ask->boot_id) &&
                                !bw_id_equal(ask->boot_id, machine->setup.kernel_boot_id);

    for (uint32_t i = 0; i < ask->group_count; i++) {
        const struct bw_second_contact contact = {.session = ask->session,
                                                  .runs_elsewhere = runs_elsewhere,
                                                  .report = ask->groups[i].report};
        const int group = bw_agent_find_group(machine, ask->groups[i].name);

        if (group >= 0)
            bw_agent_step_group(
                machine, (uint32_t)group,
                &(struct bw_site_event){.kind = BW_SITE_EVENT_SECOND, .second = &contact});
    }
}

void bw_agent_machine_answer_second(const struct bw_agent_machine *machine,
                                    const struct bw_second_ask *ask,
                                    struct bw_second_answer *out_answer)
{
    const struct bw_instant now = bw_agent_now(machine);

    out_answer->cluster_id = machine->setup.state->cluster_id;
    out_answer->interval_ms = (uint32_t)bw_ns_to_ms(bw_agent_renew_interval_ns(machine));
    out_answer->limit_ms = bw_agent_request_timeout_ms(machine);
    out_answer->group_count = 0;
    for (uint32_t i = 0; i < ask->group_count; i++) {
        const int group = bw_agent_machine_find(machine, ask->groups[i].name);
        struct bw_second_answer_group *answer = &out_answer->groups[out_answer->group_count];

        if (group < 0)
            continue;
        memcpy(answer->name, ask->groups[i].name, sizeof answer->name);
        bw_site_second_tell(&machine->groups[group].site, now, &answer->lease);
        answer->lease.proof = bw_site_proof_number(&machine->groups[group].site, ask->session);
        out_answer->group_count++;
    }
}

/* ---- whose state it is ---- */

/* Whose the state is that an agent finds: of its site and its machine, or of another (3.7). */

struct bw_id bw_agent_boot_id(struct bw_id kernel_boot_id, const struct bw_run_dir *run_dir)
{
    struct bw_id id = kernel_boot_id;

    for (size_t i = 0; i < 8; i++) { /* in the kernel's boot no other run_dir comes to the same */
        id.bytes[i] ^= (uint8_t)(run_dir->device >> (8 * i));
        id.bytes[8 + i] ^= (uint8_t)(run_dir->inode >> (8 * i));
    }
    return id;
}

bool bw_agent_state_goes_on(const struct bw_agent_state *state, const struct bw_agent_group *group,
                            struct bw_id kernel_boot_id, const struct bw_guard_mirror_file *mirror)
{
    const struct bw_site_memory *memory = &group->memory;
    const struct bw_guard_mirror *kept = &mirror->mirror;

    if (strcmp(mirror->group, group->name) != 0 || !bw_id_equal(mirror->boot_id, kernel_boot_id))
        return false;
    if (memory->epoch != 0 && !memory->given_back && bw_id_equal(memory->boot_id, kernel_boot_id) &&
        kept->armed_epoch == memory->epoch && bw_id_equal(kept->armed_instance, state->instance))
        return true;
    return memory->override != BW_OVERRIDE_NONE && bw_id_equal(memory->override_boot_id, kernel_boot_id) &&
           kept->armed_serial != 0 && bw_id_equal(kept->armed_instance, state->instance);
}

/* A machine without an id is known again by its boot: a state that was taken along has another. */
static bool is_of_this_boot(const struct bw_agent_state *state, struct bw_id boot_id)
{
    bool has_open_epoch = false;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_site_memory *memory = &state->groups[i].memory;

        if (memory->epoch != 0 && bw_id_equal(memory->boot_id, boot_id))
            return true;
        has_open_epoch = has_open_epoch || (memory->epoch != 0 && !memory->given_back) ||
                         (memory->override !=
                              BW_OVERRIDE_NONE && /* 3.8: another machine's is none */
                          !bw_id_equal(memory->override_boot_id, boot_id));
    }
    return !has_open_epoch; /* nothing of it can be renewed or given back */
}

const char *bw_agent_state_foreigner(const struct bw_agent_state *state, const char *site,
                                     struct bw_id machine_id, struct bw_id boot_id)
{
    if (strcmp(state->site, site) != 0)
        return "another site";
    if (bw_id_is_none(state->machine_id) || bw_id_is_none(machine_id))
        return is_of_this_boot(state, boot_id)
                   ? NULL
                   : "another boot, and this machine has no machine id that would say whose";
    return bw_id_equal(state->machine_id, machine_id) ? NULL : "another machine";
}
