/* The witness's machine: its life, events in, when a group is decided about, when to wake. */
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
    for (int group_index = 0; group_index < (int)machine->cluster.group_count; group_index++) {
        if (group >= 0 && group_index != group)
            continue;
        bw_agenda_touch(machine, group_index);
        set_bit(machine->changed, group_index);
    }
}

bool bw_witness_machine_is_unsettled(const struct bw_witness_machine *machine)
{
    return machine->is_unsettled && !machine->is_closed;
}

static void settle(struct bw_witness_machine *machine)
{
    machine->is_unsettled = false;
    for (int group_index = 0; group_index < (int)machine->cluster.group_count; group_index++)
        if (take_bit(machine->touched, group_index))
            bw_agenda_evaluate(machine, group_index);
    for (int group_index = 0; group_index < (int)machine->cluster.group_count; group_index++)
        if (take_bit(machine->changed, group_index))
            bw_polls_on_changed(machine, group_index);
}

/* Another witness may have heard what this one, which leads, would have to know (4). Nobody takes
 * it now: it is offered again. */
static void hand_over_unknowing(struct bw_witness_machine *machine, int group,
                                struct bw_instant now)
{
    const struct bw_witness_action hand_over = {
        .kind = BW_WITNESS_ACTION_TRANSFER,
        .group = group,
        .text = "it has not heard how far the sites lag, and another witness may have"};

    if (machine->is_leaving ||
        !bw_witness_knows_too_little(&machine->core, group, now, &machine->decision))
        return;
    if (bw_witness_machine_request(machine, &hand_over, NULL) == BW_OK)
        bw_witness_on_handed_over(&machine->core);
}

/* Of what the log does not take nothing more is told until it does. `decision`: that which it comes from, if any. */
static void propose(struct bw_witness_machine *machine, int group, const struct bw_command *command,
                    const struct bw_decision *decision)
{
    const struct bw_witness_action decided = {
        .kind = BW_WITNESS_ACTION_DECIDED, .group = group, .decision = decision};
    const bool was_refused = take_bit(machine->not_taken, group);
    struct bw_diag diag = {0};
    enum bw_err err;

    if (decision != NULL && !was_refused)
        bw_witness_machine_emit(machine, &decided);
    err = bw_witness_machine_propose(machine, command, NULL, &diag);
    if (decision != NULL && was_refused && err == BW_OK)
        bw_witness_machine_emit(machine, &decided);
    if (err == BW_OK)
        return;
    set_bit(machine->not_taken, group);
    if (!was_refused)
        bw_witness_machine_emit(
            machine, &(struct bw_witness_action){
                         .kind = BW_WITNESS_ACTION_NOT_TAKEN, .group = group, .text = diag.text});
}

/* 3.1: while nothing is to be decided. */
static void tell_record(struct bw_witness_machine *machine, int group, struct bw_instant now)
{
    struct bw_command command;

    if (!machine->is_leaving && bw_witness_note_due(&machine->core, group, now, &command))
        propose(machine, group, &command, NULL);
}

/* 4: likewise, what is asked for in vain is asked for no more. */
static void end_wish(struct bw_witness_machine *machine, int group, struct bw_instant now)
{
    struct bw_command command;
    uint64_t wake_in_ns;

    if (machine->is_leaving)
        return;
    if (bw_witness_wish_over_due(&machine->core, group, now, &machine->foretelling, &command,
                                 &wake_in_ns))
        propose(machine, group, &command, NULL);
    else if (wake_in_ns != UINT64_MAX)
        machine->due[group] = bw_instant_min(machine->due[group], bw_instant_add(now, wake_in_ns));
}

static void tell_remote_fence(struct bw_witness_machine *machine, int group,
                              const struct bw_remote_fence_news *news)
{
    if (news->is_asked || news->failure != NULL || news->over != NULL)
        bw_witness_machine_emit(
            machine, &(struct bw_witness_action){
                         .kind = BW_WITNESS_ACTION_REMOTE_FENCE, .group = group, .news = news});
}

void bw_agenda_evaluate(struct bw_witness_machine *machine, int group)
{
    struct bw_decision *decision = &machine->decision;
    const struct bw_instant now = bw_witness_now(machine);
    struct bw_remote_fence_news news;
    uint64_t wake_in_ns;

    machine->due[group] = BW_INSTANT_NEVER;
    if (!machine->core.leadership.leads)
        return;
    bw_witness_follow_remote_fence(&machine->core, group, now, &wake_in_ns, &news);
    tell_remote_fence(machine, group, &news);
    bw_witness_decide(&machine->core, group, now, decision);
    if (decision->wake_in_ns < wake_in_ns)
        wake_in_ns = decision->wake_in_ns;
    if (wake_in_ns != UINT64_MAX)
        machine->due[group] = bw_instant_add(now, wake_in_ns);
    if (!decision->acts) {
        hand_over_unknowing(machine, group, now);
        end_wish(machine, group, now);
        tell_record(machine, group, now);
        return;
    }
    bw_witness_describe_grant(&machine->core, group, now, decision, &machine->scratch);
    propose(machine, group, &decision->command, decision);
}

/* ---- giving leadership up -------------------------------------------------------------------- */

static enum bw_err transfer(struct bw_witness_machine *machine, uint64_t peer)
{
    return bw_witness_machine_request(machine,
                                      &(struct bw_witness_action){
                                          .kind = BW_WITNESS_ACTION_TRANSFER, .peer = peer},
                                      NULL);
}

static void end(struct bw_witness_machine *machine)
{
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_END});
}

/* A leader hands over first, so that nobody waits for an election timeout. Asked twice, it ends at once. */
static void on_leave(struct bw_witness_machine *machine)
{
    const uint64_t wait_ms = (uint64_t)BW_WITNESS_LEAVE_ELECTIONS *
                             machine->founding.election_timeout_ms;
    const bool is_asked_again = machine->is_leaving;

    machine->is_leaving = true;
    machine->leaving_until = bw_instant_add(bw_witness_now(machine), wait_ms * BW_NS_PER_MS);
    if (is_asked_again || !machine->core.leadership.leads || transfer(machine, 0) != BW_OK)
        end(machine);
}

/* ---- leading --------------------------------------------------------------------------------- */

static void on_leading(struct bw_witness_machine *machine, uint64_t term)
{
    bw_witness_on_leading(&machine->core, term, bw_witness_now(machine));
    bw_proposals_begin(machine);
    bw_proposals_found(machine);
    for (uint32_t group_index = 0; group_index < machine->cluster.group_count; group_index++)
        bw_agenda_touch(machine, (int)group_index);
}

static void on_not_leading(struct bw_witness_machine *machine)
{
    if (machine->core.leadership.leads)
        bw_witness_on_not_leading(&machine->core);
    bw_syncs_on_proved(machine);
    for (uint32_t group_index = 0; group_index < machine->cluster.group_count; group_index++)
        machine->due[group_index] = BW_INSTANT_NEVER;
    if (machine->is_leaving)
        end(machine);
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
    if (machine->is_leaving)
        at = bw_instant_min(at, machine->leaving_until);
    for (uint32_t group_index = 0; group_index < machine->cluster.group_count; group_index++)
        at = bw_instant_min(at, machine->due[group_index]);
    for (const struct bw_witness_call *call = machine->syncs; call != NULL; call = call->next)
        at = bw_instant_min(at, call->until);
    for (const struct bw_witness_call *call = machine->polls; call != NULL; call = call->next)
        at = bw_instant_min(at, call->until);
    return at;
}

static void on_wake(struct bw_witness_machine *machine)
{
    const struct bw_instant now = bw_witness_now(machine);

    for (int group_index = 0; group_index < (int)machine->cluster.group_count; group_index++)
        if (bw_instant_wait_is_over(now, machine->due[group_index]))
            bw_agenda_evaluate(machine, group_index);
    bw_syncs_serve(machine, now);
    bw_polls_serve(machine, now);
    if (machine->is_leaving && bw_instant_wait_is_over(now, machine->leaving_until))
        end(machine);
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
    case BW_WITNESS_EVENT_BEHIND:
        (void)transfer(machine, event->peer); /* refused, or given up: it is told again (bw_voter_transfer) */
        return;
    case BW_WITNESS_EVENT_LEAVE:
        on_leave(machine);
        return;
    }
}

void bw_witness_machine_step(struct bw_witness_machine *machine,
                             const struct bw_witness_event *event)
{
    BW_ASSERT(!machine->is_stepping); /* emit never calls back */
    if (machine->is_closed && event->kind != BW_WITNESS_EVENT_GONE &&
        event->kind != BW_WITNESS_EVENT_ENDED)
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
    machine->feature_level = setup->feature_level;
    bw_cluster_init(&machine->cluster, setup->groups, setup->group_max);
    if (setup->record != NULL)
        bw_cluster_keep_record(&machine->cluster, setup->record);
    bw_witness_init(&machine->core, machine->name, &machine->cluster, setup->watches, now);
    for (uint32_t group_index = 0; group_index < setup->group_max; group_index++)
        machine->due[group_index] = BW_INSTANT_NEVER;
    machine->found_at = bw_instant_add(now, BW_WITNESS_FOUND_MS * BW_NS_PER_MS);
    machine->answer.groups = setup->answer_groups;
    machine->answer_group_max = setup->answer_group_max;
}

void bw_witness_machine_set_founding(struct bw_witness_machine *machine,
                                     const struct bw_witness_founding *founding)
{
    machine->founding = *founding;
}

bool bw_witness_members_are_same(const struct bw_member *a, uint32_t a_count, const struct bw_member *b,
                                 uint32_t b_count)
{
    bool is_same = a_count == b_count;

    for (uint32_t i = 0; i < a_count && is_same; i++)
        is_same = a[i].id == b[i].id && strcmp(a[i].name, b[i].name) == 0;
    return is_same;
}

enum bw_err bw_witness_machine_judge_members(const struct bw_witness_machine *machine,
                                             const struct bw_member *members, uint32_t count,
                                             struct bw_diag *diag)
{
    return bw_witness_members_are_same(members, count, machine->members, machine->member_count)
               ? BW_OK
               : bw_diag_set(diag, BW_ERR_REFUSED,
                             "who the witnesses are is changed by `breakwater members add`, `replace` and "
                             "`remove`: the file only says where they live; before the cluster has begun, with a "
                             "restart of all");
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
