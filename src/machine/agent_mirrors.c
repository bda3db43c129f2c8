/* What the guard has armed, read from its mirrors while there is no guard. A file system that does
 * not answer in time says as little as one that cannot be read. Design 3.4. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

#define ANSWER_NS BW_NS_PER_S /* for one reading of all that are wanted */

/* ---- asking ---------------------------------------------------------------------------------- */

static void await(struct bw_agent_machine *machine)
{
    machine->unanswered_at = bw_instant_add(bw_agent_now(machine), ANSWER_NS);
}

void bw_agent_mirrors_want(struct bw_agent_machine *machine, uint32_t group)
{
    machine->groups[group].mirror_waits = true;
    if (bw_instant_is_never(machine->unanswered_at))
        await(machine);
}

void bw_agent_mirrors_ask(struct bw_agent_machine *machine)
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

static bool is_of_this_boot(const struct bw_agent_machine *machine, uint32_t group,
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
    } else if (!is_of_this_boot(machine, reading->group, reading->file)) {
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
void bw_agent_on_mirrors_read(struct bw_agent_machine *machine, const struct bw_agent_event *event)
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

void bw_agent_mirrors_serve(struct bw_agent_machine *machine)
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
