/* The witness's machine: its life, events in, when a group is decided about, when to wake; what is applied, proposed and
 * proved, and which cluster this is; syncs and polls. lint: a machine. */
#include "witness_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/feature_level.h>

static void agenda_evaluate(struct bw_witness_machine *machine, int group);
static void proposals_on_ended(struct bw_witness_machine *machine, const struct bw_witness_event *event);
static void proposals_want_proof(struct bw_witness_machine *machine);
static void proposals_begin(struct bw_witness_machine *machine);
static void proposals_found(struct bw_witness_machine *machine);
static void syncs_on_sync(struct bw_witness_machine *machine, struct bw_witness_call *call);
static void syncs_on_relayed(struct bw_witness_machine *machine, struct bw_witness_call *call,
                               bool ok);
static void syncs_on_proved(struct bw_witness_machine *machine);
static void syncs_serve(struct bw_witness_machine *machine, struct bw_instant now);
static void calls_wait(struct bw_witness_machine *machine, struct bw_witness_call *call,
                         struct bw_witness_call **list, uint32_t wait_ms);
static void calls_unwait(struct bw_witness_machine *machine, struct bw_witness_call *call);
static void polls_on_poll(struct bw_witness_machine *machine, struct bw_witness_call *call);
static void polls_on_changed(struct bw_witness_machine *machine, int group);
static void polls_serve(struct bw_witness_machine *machine, struct bw_instant now);

/* ---- events ---- */

/* ---- asking ---------------------------------------------------------------------------------- */

/* For what can be refused at once. `diag` may be NULL. */
static enum bw_err witness_machine_request(struct bw_witness_machine *machine,
                                              const struct bw_witness_action *action,
                                              struct bw_diag *diag)
{
    struct bw_diag unread = {0};

    return machine->driver.emit(machine->driver.user, action, diag != NULL ? diag : &unread);
}

void bw_witness_machine_emit(struct bw_witness_machine *machine,
                             const struct bw_witness_action *action)
{
    BW_ASSERT(witness_machine_request(machine, action, NULL) == BW_OK);
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

/* -1: all */
static void agenda_change(struct bw_witness_machine *machine, int group)
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
            agenda_evaluate(machine, group_index);
    for (int group_index = 0; group_index < (int)machine->cluster.group_count; group_index++)
        if (take_bit(machine->changed, group_index))
            polls_on_changed(machine, group_index);
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
    if (witness_machine_request(machine, &hand_over, NULL) == BW_OK)
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

/* Decides about `group` now, and proposes what follows. */
static void agenda_evaluate(struct bw_witness_machine *machine, int group)
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
    return witness_machine_request(machine,
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
    machine->leaving_until = bw_instant_add(bw_witness_now(machine), bw_ms_to_ns(wait_ms));
    if (is_asked_again || !machine->core.leadership.leads || transfer(machine, 0) != BW_OK)
        end(machine);
}

/* ---- leading --------------------------------------------------------------------------------- */

static void on_leading(struct bw_witness_machine *machine, uint64_t term)
{
    bw_witness_on_leading(&machine->core, term, bw_witness_now(machine));
    proposals_begin(machine);
    proposals_found(machine);
    for (uint32_t group_index = 0; group_index < machine->cluster.group_count; group_index++)
        bw_agenda_touch(machine, (int)group_index);
}

static void on_not_leading(struct bw_witness_machine *machine)
{
    if (machine->core.leadership.leads)
        bw_witness_on_not_leading(&machine->core);
    syncs_on_proved(machine);
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
            agenda_evaluate(machine, group_index);
    syncs_serve(machine, now);
    polls_serve(machine, now);
    if (machine->is_leaving && bw_instant_wait_is_over(now, machine->leaving_until))
        end(machine);
    if (!bw_instant_wait_is_over(now, machine->found_at))
        return;
    machine->found_at = bw_instant_add(now, bw_ms_to_ns(BW_WITNESS_FOUND_MS));
    proposals_found(machine);
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
        proposals_on_ended(machine, event);
        return;
    case BW_WITNESS_EVENT_SYNC:
        syncs_on_sync(machine, event->call);
        return;
    case BW_WITNESS_EVENT_POLL:
        polls_on_poll(machine, event->call);
        return;
    case BW_WITNESS_EVENT_RELAYED:
        syncs_on_relayed(machine, event->call, event->ok);
        return;
    case BW_WITNESS_EVENT_GONE:
        calls_unwait(machine, event->call);
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
    machine->found_at = bw_instant_add(now, bw_ms_to_ns(BW_WITNESS_FOUND_MS));
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
                             "the list of witnesses changes by `breakwater members add`, `replace` and `remove`: "
                             "the file only has their addresses. Before the cluster has begun, restart all "
                             "witnesses with the new file");
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

/* ---- the log ---- */

/* What is applied, proposed and proved; which cluster this is. */

/* ---- whether the log takes anything ------------------------------------------------------------- */

static void await_log(struct bw_witness_machine *machine)
{
    if (machine->awaits_log)
        return;
    machine->awaits_log = true;
    machine->awaits_log_since = bw_witness_now(machine);
}

static void proposals_moved(struct bw_witness_machine *machine)
{
    machine->awaits_log = false;
    machine->log_moved = bw_witness_now(machine);
}

/* Nothing was asked of this log yet: it is another term's. */
static void proposals_begin(struct bw_witness_machine *machine)
{
    proposals_moved(machine);
    machine->tells_followers = false;
    machine->refused_count = 0;
    memset(machine->not_taken, 0, sizeof machine->not_taken);
}

/* 3.8: nothing is committed for BW_WITNESS_STANDS_STILL_MS, although something was to be: who leads a log that takes
 * nothing is of no help, and nobody is told that a leader has answered. Found by a command or a proof that comes
 * to nothing. */
static bool proposals_stand_still(const struct bw_witness_machine *machine)
{
    return machine->awaits_log &&
           bw_instant_elapsed_ns(bw_witness_now(machine), machine->awaits_log_since) >=
               bw_ms_to_ns(BW_WITNESS_STANDS_STILL_MS);
}

bool bw_witness_machine_is_ready(const struct bw_witness_machine *machine)
{
    return machine->core.leadership.leads && !proposals_stand_still(machine);
}

/* ---- applying -------------------------------------------------------------------------------- */

/* A witness that was initialised for another cluster, or with another election timeout, would take
 * part in decisions that it was never meant for. */
static enum bw_err check_identity(const struct bw_witness_machine *machine, struct bw_id cluster_id,
                                  uint32_t election_timeout_ms, struct bw_diag *diag)
{
    const struct bw_witness_founding *own = &machine->founding;
    char ours[BW_ID_TEXT_BYTES];
    char theirs[BW_ID_TEXT_BYTES];

    if (!bw_id_equal(cluster_id, own->cluster_id)) {
        bw_id_format(own->cluster_id, ours);
        bw_id_format(cluster_id, theirs);
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the log belongs to cluster %s and this data directory to %s; was "
                           "`witness init` run without the --cluster-id of the first witness?",
                           theirs, ours);
    }
    if (election_timeout_ms != own->election_timeout_ms)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the cluster was founded with election_timeout %" PRIu32
                           " ms and this data directory with %" PRIu32 " ms",
                           election_timeout_ms, own->election_timeout_ms);
    return BW_OK;
}

enum bw_err bw_witness_machine_admit(const struct bw_witness_machine *machine,
                                     const struct bw_command *command, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    if (command->kind == BW_COMMAND_FOUND && !bw_witness_machine_knows_cluster(machine))
        err = check_identity(machine, command->cluster_id, command->election_timeout_ms, diag);
    if (err == BW_OK)
        err = bw_feature_level_admit(command->feature_level, machine->feature_level, diag);
    return err;
}

struct bw_applied bw_witness_machine_apply(struct bw_witness_machine *machine, uint64_t index,
                                           const struct bw_command *command)
{
    const struct bw_applied applied = bw_cluster_apply(&machine->cluster, index, command);

    bw_witness_on_applied(&machine->core, command, &applied, bw_witness_now(machine));
    proposals_moved(machine);
    machine->notes[index % BW_WITNESS_NOTES] = (struct bw_witness_note){.index = index,
                                                                        .applied = applied};
    if (applied.rule != NULL)
        agenda_change(machine, applied.group);
    return applied;
}

enum bw_err bw_witness_machine_restored(struct bw_witness_machine *machine, struct bw_diag *diag)
{
    const struct bw_cluster *cluster = &machine->cluster;
    enum bw_err err = bw_feature_level_admit(cluster->feature_level, machine->feature_level, diag);

    if (err == BW_OK && bw_witness_machine_knows_cluster(machine))
        err = check_identity(machine, cluster->id, cluster->election_timeout_ms, diag);
    if (err != BW_OK)
        return err;
    bw_witness_on_restored(&machine->core, bw_witness_now(machine));
    agenda_change(machine, -1);
    return BW_OK;
}

const struct bw_applied *bw_witness_machine_applied(const struct bw_witness_machine *machine,
                                                    uint64_t index)
{
    const struct bw_witness_note *note = &machine->notes[index % BW_WITNESS_NOTES];

    BW_ASSERT(note->index == index);
    return &note->applied;
}

/* ---- proposals ------------------------------------------------------------------------------- */

/* A disk that is full stays so for a while, and each decision that is made in vain takes its time. */
static uint64_t retry_ms(const struct bw_witness_machine *machine)
{
    uint64_t ms = BW_PROPOSAL_RETRY_MS;

    for (uint32_t i = 1; i < machine->refused_count && ms < BW_PROPOSAL_RETRY_MS_MAX; i++)
        ms *= 2;
    return ms;
}

/* Reports its fate to the core. True if it did something: then go_on. Else the group is evaluated again in a moment. */
static bool settle_log(struct bw_witness_machine *machine, const struct bw_proposal *proposal,
                       const struct bw_applied *applied)
{
    const enum bw_proposal_next next = bw_witness_on_proposed(&machine->core, proposal, applied);

    if (next == BW_PROPOSAL_RETRY)
        machine->due[proposal->group] = bw_instant_add(bw_witness_now(machine),
                                                       bw_ms_to_ns(retry_ms(machine)));
    return next == BW_PROPOSAL_GO_ON;
}

/* Proposes at once what follows from a command that was applied (after Expired the Grant). */
static void go_on(struct bw_witness_machine *machine, int group)
{
    if (group >= 0)
        agenda_evaluate(machine, group);
    (void)bw_proof_want(&machine->core.proof); /* nobody waits for its number */
    machine->tells_followers = true;
    proposals_want_proof(machine);
}

static void sign(const struct bw_witness_machine *machine, struct bw_command *command)
{
    if (command->by[0] == '\0')
        (void)snprintf(command->by, sizeof command->by, "witness/%s", machine->name);
    if (command->unix_ms == 0)
        command->unix_ms = machine->driver.wall_ms(machine->driver.user);
}

enum bw_err bw_proposals_try(const struct bw_witness_machine *machine, struct bw_group *copy,
                             int group, const struct bw_command *command)
{
    struct bw_cluster trial = machine->cluster;

    *copy = group >= 0 ? machine->cluster.groups[group] : (struct bw_group){0};
    trial.groups = copy;
    trial.record = NULL; /* what is only tried leaves no trace */
    trial.group_capacity = 1;
    trial.group_count = group >= 0 ? 1 : 0;
    return bw_cluster_apply(&trial, trial.applied_index + 1, command).err;
}

enum bw_err bw_witness_machine_propose(struct bw_witness_machine *machine,
                                       const struct bw_command *command,
                                       struct bw_proposer *proposer, struct bw_diag *diag)
{
    struct bw_command signed_command = *command;
    struct bw_witness_request request = {.command = command->kind,
                                         .term = machine->core.leadership.term,
                                         .proposer = proposer};
    const struct bw_witness_action action = {.kind = BW_WITNESS_ACTION_SUBMIT,
                                       .request = &request,
                                       .command = &signed_command};
    struct bw_diag why = {0};
    enum bw_err err;

    if (!machine->core.leadership.leads || machine->is_closed)
        return bw_diag_set(diag, BW_ERR_NOT_LEADER, "this witness does not lead");
    sign(machine, &signed_command);
    bw_witness_on_proposing(&machine->core, &signed_command, &request.proposal);
    await_log(machine);
    err = witness_machine_request(machine, &action, &why);
    machine->refused_count = err == BW_ERR_NO_ROOM ? machine->refused_count + 1 : 0;
    if (err == BW_OK)
        return BW_OK;
    (void)settle_log(machine, &request.proposal, NULL); /* never true: nothing was applied */
    return bw_diag_set(diag, err, "the log does not take %s: %s", bw_command_word(command->kind),
                       why.text[0] != '\0' ? why.text : bw_err_text(err));
}

/* ---- proofs of leadership -------------------------------------------------------------------- */

/* 3.2.2: not while the log was asked for something that it has not taken yet, be it that it takes nothing (3.8). */
static bool is_by_log(const struct bw_witness_machine *machine)
{
    return machine->awaits_log || machine->tells_followers ||
           bw_instant_elapsed_ns(bw_witness_now(machine), machine->log_moved) >= bw_ms_to_ns(BW_WITNESS_LOG_REST_MS);
}

/* Somebody waits for a proof of leadership: one is asked for unless one is on its way. */
static void proposals_want_proof(struct bw_witness_machine *machine)
{
    struct bw_proof *proof = &machine->core.proof;
    struct bw_witness_request request = {.term = machine->core.leadership.term};

    if (!machine->core.leadership.leads || !bw_proof_should_submit(proof))
        return;
    request.proof = bw_proof_on_submitted(proof);
    request.by_log = is_by_log(machine);
    machine->tells_followers = false;
    await_log(machine);
    /* Refused: whoever waits is told at its deadline; the next sync tries again. */
    if (witness_machine_request(
            machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_PROVE,
                                                 .request = &request},
            NULL) != BW_OK)
        bw_proof_on_failed(proof, request.proof);
}

/* Of another term it proves nothing in this one. */
static bool is_of_this_term(const struct bw_witness_machine *machine,
                            const struct bw_witness_request *request)
{
    return machine->core.leadership.leads && machine->core.leadership.term == request->term;
}

/* `index` 0: the others have said so, and the log need not take anything. */
static void on_proof(struct bw_witness_machine *machine, const struct bw_witness_request *request,
                     enum bw_err err, uint64_t index)
{
    if (!is_of_this_term(machine, request))
        return;
    if (err == BW_OK) {
        machine->awaits_log = false;
        if (index != 0)
            proposals_moved(machine);
        bw_witness_on_proof(&machine->core, request->proof);
        syncs_on_proved(machine);
    } else {
        bw_proof_on_failed(&machine->core.proof, request->proof);
    }
    proposals_want_proof(machine);
}

enum bw_err bw_witness_machine_prove(struct bw_witness_machine *machine,
                                     struct bw_proposer *proposer)
{
    const struct bw_witness_request request = {.term = machine->core.leadership.term,
                                               .proof = BW_WITNESS_PROOF_APART,
                                               .by_log = true,
                                               .proposer = proposer};

    if (!machine->core.leadership.leads || machine->is_closed)
        return BW_ERR_NOT_LEADER;
    return witness_machine_request(machine,
                                      &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_PROVE,
                                                                  .request = &request},
                                      NULL);
}

static void on_proof_apart(struct bw_witness_machine *machine,
                           const struct bw_witness_request *request, enum bw_err err)
{
    if (err == BW_OK && !is_of_this_term(machine, request))
        err = BW_ERR_NOT_LEADER;
    if (err == BW_OK)
        proposals_moved(machine);
    request->proposer->on_done(machine, request->proposer, err, 0, NULL);
}

static void on_command(struct bw_witness_machine *machine, const struct bw_witness_event *event,
                       const struct bw_applied *applied)
{
    const struct bw_witness_request *request = event->request;
    struct bw_proposer *proposer = request->proposer;

    if (request->command == BW_COMMAND_FOUND)
        machine->is_founding = false; /* without an id it is tried again */
    if (!machine->is_closed && settle_log(machine, &request->proposal, applied))
        go_on(machine, request->proposal.group);
    if (proposer != NULL)
        proposer->on_done(machine, proposer, event->err, event->index, applied);
}

static void proposals_on_ended(struct bw_witness_machine *machine, const struct bw_witness_event *event)
{
    if (event->request->proof == 0)
        on_command(machine, event,
                   event->err == BW_OK ? bw_witness_machine_applied(machine, event->index) : NULL);
    else if (event->request->proof == BW_WITNESS_PROOF_APART)
        on_proof_apart(machine, event->request, event->err);
    else if (!machine->is_closed)
        on_proof(machine, event->request, event->err, event->index);
}

/* ---- which cluster this is ------------------------------------------------------------------- */

/* A leader of a cluster without an id tells everybody which cluster this is; else nothing. */
static void proposals_found(struct bw_witness_machine *machine)
{
    const struct bw_witness_founding *founding = &machine->founding;
    struct bw_command command = {.kind = BW_COMMAND_FOUND,
                                 .cluster_id = founding->cluster_id,
                                 .election_timeout_ms = founding->election_timeout_ms,
                                 .feature_level = machine->feature_level};
    struct bw_diag diag = {0};

    if (bw_witness_machine_knows_cluster(machine) || machine->is_founding ||
        !machine->core.leadership.leads)
        return;
    memcpy(command.cluster_name, founding->cluster, sizeof command.cluster_name);
    machine->is_founding = true;
    if (bw_witness_machine_propose(machine, &command, NULL, &diag) == BW_OK)
        return;
    machine->is_founding = false;
    bw_witness_machine_emit(machine,
                            &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_NOT_FOUNDED,
                                                        .text = diag.text});
}

/* ---- syncs ---- */

/* Design 3.2, 5.3. Each witness keeps the reports of every sync that it hears. Only the
 * leader confirms, and only after its proof. Silence, never a refusal, is what a follower has to say about
 * leases. */

/* ---- answers --------------------------------------------------------------------------------- */

/* An answer without groups yet; the machine's one. */
static struct bw_sync_answer *syncs_begin_answer(struct bw_witness_machine *machine)
{
    const struct bw_member *leader = bw_witness_machine_leader(machine);
    struct bw_sync_answer *answer = &machine->answer;

    *answer = (struct bw_sync_answer){.cluster_id = machine->cluster.id,
                                      .generation = machine->cluster.generation,
                                      .is_leader = bw_witness_machine_is_ready(machine),
                                      .applied_index = machine->cluster.applied_index,
                                      .member_count = machine->member_count,
                                      .groups = answer->groups};
    if (leader != NULL)
        memcpy(answer->leader, leader->name, sizeof answer->leader);
    if (answer->is_leader && machine->cluster.feature_level >= BW_OVERRIDE_LEVEL) { /* 3.8 */
        answer->feature_level = machine->cluster.feature_level;
        answer->longest_wait_ms = bw_cluster_longest_wait_ms(&machine->cluster);
    }
    memcpy(answer->witness, machine->name, sizeof answer->witness);
    memcpy(answer->members, machine->members, sizeof answer->members);
    return answer;
}

/* Zeroed: the one before may have said more. */
static struct bw_sync_answer_group *next_group(struct bw_witness_machine *machine)
{
    struct bw_sync_answer *answer = &machine->answer;
    struct bw_sync_answer_group *sent = &answer->groups[answer->group_count];

    BW_ASSERT(answer->group_count < machine->answer_group_max);
    answer->group_count++;
    *sent = (struct bw_sync_answer_group){.confirmed_epoch = 0};
    return sent;
}

/* Adds a group that exists, with its order for `site`. */
static struct bw_sync_answer_group *syncs_add_group(struct bw_witness_machine *machine, int group,
                                                         const char *site)
{
    const struct bw_group *state = &machine->cluster.groups[group];
    struct bw_sync_answer_group *sent = next_group(machine);

    memcpy(sent->name, state->spec.name, sizeof sent->name);
    bw_order_derive(state, site, machine->cluster.applied_index, &sent->order);
    return sent;
}

/* A group that is not there is let go. Only a leader after its proof may say that: anybody else may
 * just not have heard of the group yet (3.9). */
static void let_go(struct bw_witness_machine *machine, const char *name, const char *site)
{
    struct bw_sync_answer_group *sent = next_group(machine);

    (void)bw_copy_text(sent->name, sizeof sent->name, name); /* as long as the one it comes from */
    bw_order_derive(NULL, site, machine->cluster.applied_index, &sent->order);
}

/* `proof` 0: it has waited for none, so nothing is confirmed. */
static void confirm(struct bw_witness_machine *machine, struct bw_witness_call *call,
                    const struct bw_sync_group *sync_group, int group, uint64_t proof,
                    struct bw_sync_answer_group *sent)
{
    const uint32_t ways_before = machine->core.watches[group].ways.count;
    struct bw_witness_action action = {.kind = BW_WITNESS_ACTION_UNCONFIRMED,
                                       .call = call,
                                       .group = group,
                                       .sync_group = sync_group};

    if (sync_group->renew_epoch == 0 || proof == 0)
        return;
    if (bw_witness_confirm(&machine->core, call->sync, sync_group, call->relayed_by, proof,
                           call->received, bw_witness_now(machine))) {
        sent->confirmed_epoch = sync_group->renew_epoch;
        action.kind = BW_WITNESS_ACTION_CONFIRMED;
        action.is_new_way = machine->core.watches[group].ways.count != ways_before;
    }
    bw_witness_machine_emit(machine, &action);
}

static void answer_group(struct bw_witness_machine *machine, struct bw_witness_call *call,
                         const struct bw_sync_group *sync_group, uint64_t proof)
{
    const char *site = call->sync->site;
    const int group = bw_cluster_find(&machine->cluster, sync_group->name);
    struct bw_sync_answer_group *sent;

    if (group < 0) {
        if (machine->answer.is_leader && bw_proof_covers(&machine->core.proof, proof))
            let_go(machine, sync_group->name, site);
        return;
    }
    sent = syncs_add_group(machine, group, site);
    sent->other_serves_epoch = bw_witness_other_serves(&machine->core, group, site,
                                                       bw_witness_now(machine));
    bw_witness_remote_fence(&machine->core, group, site, &sent->remote_fence);
    confirm(machine, call, sync_group, group, proof, sent);
}

/* One that `has_waited` for a proof in vain is not told that this witness leads: another may, by now. */
static void answer_call(struct bw_witness_machine *machine, struct bw_witness_call *call,
                        bool has_waited, uint64_t proof)
{
    const struct bw_sync *sync = call->sync;
    struct bw_sync_answer *answer = syncs_begin_answer(machine);

    answer->is_leader = answer->is_leader && (proof != 0 || !has_waited);
    answer->session = sync->session;
    answer->number = sync->number;
    answer->receipt = bw_witness_receipt(&machine->core, sync, call->received);
    for (uint32_t i = 0; i < sync->group_count; i++)
        answer_group(machine, call, &sync->groups[i], proof);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_ANSWER,
                                                                 .call = call,
                                                                 .answer = answer});
}

/* ---- syncs that wait ------------------------------------------------------------------------- */

static void finish(struct bw_witness_machine *machine, struct bw_witness_call *call, uint64_t proof)
{
    calls_unwait(machine, call);
    answer_call(machine, call, true, proof);
}

/* Answers the syncs that the newest proof covers; all that wait for one, as a follower, if it leads
 * no more. */
static void syncs_on_proved(struct bw_witness_machine *machine)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->syncs; call != NULL; call = next) {
        next = call->next;
        if (call->proof == 0)
            continue;
        if (!machine->core.leadership.leads)
            finish(machine, call, 0);
        else if (bw_proof_covers(&machine->core.proof, call->proof))
            finish(machine, call, call->proof);
    }
}

static void syncs_serve(struct bw_witness_machine *machine, struct bw_instant now)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->syncs; call != NULL; call = next) {
        next = call->next;
        if (bw_instant_wait_is_over(now, call->until))
            finish(machine, call, 0);
    }
}

/* ---- through a follower ---------------------------------------------------------------------- */

static void syncs_on_relayed(struct bw_witness_machine *machine, struct bw_witness_call *call,
                                  bool ok)
{
    BW_ASSERT(call->is_relayed && call->previous != NULL);
    if (!ok) {
        finish(machine, call, 0);
        return;
    }
    calls_unwait(machine, call);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_PASS_ON,
                                                                 .call = call});
}

/* True: it was taken, and is answered with what the leader says, or as a follower's. */
static bool relay(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_member *leader = bw_witness_machine_leader(machine);

    if (leader == NULL || machine->core.leadership.leads ||
        machine->sync_count >= BW_WITNESS_SYNCS_MAX)
        return false;
    call->is_relayed = true;
    calls_wait(machine, call, &machine->syncs, BW_WITNESS_RELAY_MS);
    if (witness_machine_request(machine,
                                   &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_RELAY,
                                                               .call = call,
                                                               .member = leader},
                                   NULL) != BW_OK)
        finish(machine, call, 0);
    return true;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void calls_refuse(struct bw_witness_machine *machine, struct bw_witness_call *call,
                              enum bw_witness_refusal why)
{
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_REFUSE,
                                                                 .call = call,
                                                                 .refusal = why});
}

/* False: it was refused. Only who may speak for the agent, only this cluster, and only this or an earlier
 * generation of it: what an agent of another one says means nothing here. And none that is older than what
 * the cluster uses, for its orders may be of a kind that it does not know. */
static bool is_welcome(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_sync *sync = call->sync;
    const struct bw_cluster *cluster = &machine->cluster;
    enum bw_witness_refusal why;

    if (call->relayer[0] != '\0' && call->relayed_by == 0)
        why = BW_WITNESS_REFUSES_NO_MEMBER;
    else if (sync == NULL)
        why = BW_WITNESS_REFUSES_UNREADABLE;
    else if (strcmp(sync->site, call->site) != 0 || strcmp(sync->agent, call->agent) != 0)
        why = BW_WITNESS_REFUSES_NAME;
    else if (!bw_witness_machine_knows_cluster(machine))
        why = BW_WITNESS_REFUSES_TOO_EARLY;
    else if (!bw_id_is_none(sync->cluster_id) && !bw_id_equal(sync->cluster_id, cluster->id))
        why = BW_WITNESS_REFUSES_CLUSTER;
    else if (sync->generation > cluster->generation)
        why = BW_WITNESS_REFUSES_GENERATION;
    else if (!bw_feature_level_suffices(sync->feature_level, cluster->feature_level))
        why = BW_WITNESS_REFUSES_AGENT_LEVEL;
    else if (!bw_feature_level_suffices(sync->guard_level, cluster->feature_level))
        why = BW_WITNESS_REFUSES_GUARD_LEVEL;
    else
        return true;
    calls_refuse(machine, call, why);
    return false;
}

/* Keeps what it reports. Returns the proof that its answer waits for; 0: none. */
static uint64_t hear(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_sync *sync = call->sync;
    const uint64_t proof = bw_witness_on_sync(&machine->core, sync, call->relayed_by,
                                              call->received);
    bool names_unknown_group = false;

    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group = bw_cluster_find(&machine->cluster, sync->groups[i].name);

        if (group >= 0)
            bw_agenda_touch(machine, group);
        else
            names_unknown_group = true;
    }
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_REPORTED,
                                                                 .call = call});
    if (proof == 0 && names_unknown_group && machine->core.leadership.leads)
        return bw_proof_want(&machine->core.proof); /* before it is let go (3.9) */
    return proof;
}

static uint64_t id_of(const struct bw_witness_machine *machine, const char *name)
{
    for (uint32_t i = 0; i < machine->member_count; i++)
        if (strcmp(machine->members[i].name, name) == 0)
            return machine->members[i].id;
    return 0;
}

/* One that was relayed is never relayed again: a witness that does not lead says so. */
static void syncs_on_sync(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    uint64_t proof;

    call->relayed_by = call->relayer[0] != '\0' ? id_of(machine, call->relayer) : 0;
    if (!is_welcome(machine, call))
        return;
    BW_ASSERT(call->sync->group_count <= machine->answer_group_max);
    proof = hear(machine, call);
    if (call->relayed_by == 0 && call->sync->wants_relay && relay(machine, call))
        return;
    if (proof != 0 && machine->sync_count < BW_WITNESS_SYNCS_MAX) {
        call->proof = proof;
        calls_wait(machine, call, &machine->syncs, BW_WITNESS_PROOF_MS);
        proposals_want_proof(machine);
        return;
    }
    if (proposals_stand_still(machine)) { /* it is told as soon as it goes on */
        (void)bw_proof_want(&machine->core.proof);
        proposals_want_proof(machine);
    }
    answer_call(machine, call, false, 0);
}

/* ---- polls ---- */

/* Who waits for an order, and when a poll is answered (5.3). */

/* ---- who waits ------------------------------------------------------------------------------- */

/* `call` waits for at most `wait_ms` from now. */
static void calls_wait(struct bw_witness_machine *machine, struct bw_witness_call *call,
                            struct bw_witness_call **list, uint32_t wait_ms)
{
    BW_ASSERT(call->previous == NULL);
    call->until = bw_instant_add(bw_witness_now(machine), bw_ms_to_ns(wait_ms));
    call->next = *list;
    call->previous = list;
    if (call->next != NULL)
        call->next->previous = &call->next;
    *list = call;
    if (call->sync != NULL)
        machine->sync_count++;
    else
        machine->poll_count++;
}

/* It does no more. Nothing if it never did. */
static void calls_unwait(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    if (call->previous == NULL)
        return;
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    call->next = NULL;
    call->previous = NULL;
    if (call->sync != NULL)
        machine->sync_count--;
    else
        machine->poll_count--;
}

/* ---- GET /v1/agent/orders?after=N&wait=20s: answered the moment an order for this site changes ---- */

/* The group's order for this site is newer than what the agent has. A site that is not in the spec
 * hears of that in the answer to its sync, where it names the group. */
static bool is_news(const struct bw_witness_machine *machine, int group,
                    const struct bw_witness_call *call)
{
    const struct bw_group *state = &machine->cluster.groups[group];

    return state->spec.name[0] != '\0' && state->changed_index > call->after &&
           bw_spec_find_site(&state->spec, call->site) >= 0;
}

/* Any witness answers, from committed state; nothing is confirmed here. */
static void answer_poll(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    struct bw_sync_answer *answer = syncs_begin_answer(machine);

    for (int group = 0; group < (int)machine->cluster.group_count; group++)
        if (is_news(machine, group, call))
            (void)syncs_add_group(machine, group, call->site);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_ANSWER,
                                                                 .call = call,
                                                                 .answer = answer});
}

static void finish_poll(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    calls_unwait(machine, call);
    answer_poll(machine, call);
}

/* Wakes the polls that `group`'s order is news for. */
static void polls_on_changed(struct bw_witness_machine *machine, int group)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->polls; call != NULL; call = next) {
        next = call->next;
        if (is_news(machine, group, call))
            finish_poll(machine, call);
    }
}

/* Nothing new: an answer without groups. */
static void polls_serve(struct bw_witness_machine *machine, struct bw_instant now)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->polls; call != NULL; call = next) {
        next = call->next;
        if (bw_instant_wait_is_over(now, call->until))
            finish_poll(machine, call);
    }
}

static bool has_news(const struct bw_witness_machine *machine, const struct bw_witness_call *call)
{
    for (int group = 0; group < (int)machine->cluster.group_count; group++)
        if (is_news(machine, group, call))
            return true;
    return false;
}

static void polls_on_poll(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    BW_ASSERT(call->sync == NULL);
    if (call->wait_ms > BW_WITNESS_POLL_MS_MAX)
        calls_refuse(machine, call, BW_WITNESS_REFUSES_WAIT);
    else if (!bw_witness_machine_knows_cluster(machine))
        calls_refuse(machine, call, BW_WITNESS_REFUSES_TOO_EARLY);
    else if (call->wait_ms == 0 || has_news(machine, call))
        answer_poll(machine, call);
    else if (machine->poll_count >= BW_WITNESS_POLLS_MAX)
        calls_refuse(machine, call, BW_WITNESS_REFUSES_POLLS);
    else
        calls_wait(machine, call, &machine->polls, call->wait_ms);
}
