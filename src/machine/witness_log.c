/* What is applied, proposed and proved; which cluster this is. */
#include "witness_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/feature_level.h>

/* ---- whether the log takes anything ------------------------------------------------------------- */

static void await_log(struct bw_witness_machine *machine)
{
    if (machine->awaits_log)
        return;
    machine->awaits_log = true;
    machine->awaits_log_since = bw_witness_now(machine);
}

void bw_proposals_begin(struct bw_witness_machine *machine)
{
    machine->awaits_log = false;
    machine->refused_count = 0;
    memset(machine->not_taken, 0, sizeof machine->not_taken);
}

bool bw_proposals_stand_still(const struct bw_witness_machine *machine)
{
    return machine->awaits_log &&
           bw_instant_elapsed_ns(bw_witness_now(machine), machine->awaits_log_since) >=
               BW_WITNESS_STANDS_STILL_MS * BW_NS_PER_MS;
}

bool bw_witness_machine_is_ready(const struct bw_witness_machine *machine)
{
    return machine->core.leadership.leads && !bw_proposals_stand_still(machine);
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
    machine->awaits_log = false;
    machine->notes[index % BW_WITNESS_NOTES] = (struct bw_witness_note){.index = index,
                                                                        .applied = applied};
    if (applied.rule != NULL)
        bw_agenda_change(machine, applied.group);
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
    bw_agenda_change(machine, -1);
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

/* The core hears of its fate: what follows from it is proposed at once (after Expired the Grant), or
 * again in a moment. */
static void settle(struct bw_witness_machine *machine, const struct bw_proposal *proposal,
                   const struct bw_applied *applied)
{
    const int group = proposal->group;

    switch (bw_witness_on_proposed(&machine->core, proposal, applied)) {
    case BW_PROPOSAL_NOTHING:
        break;
    case BW_PROPOSAL_RETRY:
        machine->due[group] = bw_instant_add(bw_witness_now(machine),
                                             retry_ms(machine) * BW_NS_PER_MS);
        break;
    case BW_PROPOSAL_GO_ON:
        if (group >= 0)
            bw_agenda_evaluate(machine, group);
        (void)bw_proof_want(&machine->core.proof); /* nobody waits for its number */
        bw_proposals_want_proof(machine);
        break;
    }
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
    err = bw_witness_machine_request(machine, &action, &why);
    machine->refused_count = err == BW_ERR_NO_ROOM ? machine->refused_count + 1 : 0;
    if (err == BW_OK)
        return BW_OK;
    settle(machine, &request.proposal, NULL);
    return bw_diag_set(diag, err, "the log does not take %s: %s", bw_command_word(command->kind),
                       why.text[0] != '\0' ? why.text : bw_err_text(err));
}

/* ---- proofs of leadership -------------------------------------------------------------------- */

void bw_proposals_want_proof(struct bw_witness_machine *machine)
{
    struct bw_proof *proof = &machine->core.proof;
    struct bw_witness_request request = {.term = machine->core.leadership.term};

    if (!machine->core.leadership.leads || !bw_proof_should_submit(proof))
        return;
    request.barrier = bw_proof_on_submitted(proof);
    await_log(machine);
    /* Refused: whoever waits is told at its deadline; the next sync tries again. */
    if (bw_witness_machine_request(
            machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_BARRIER,
                                                 .request = &request},
            NULL) != BW_OK)
        bw_proof_on_failed(proof, request.barrier);
}

/* Of another term it proves nothing in this one. */
static bool is_of_this_term(const struct bw_witness_machine *machine,
                            const struct bw_witness_request *request)
{
    return machine->core.leadership.leads && machine->core.leadership.term == request->term;
}

static void on_barrier(struct bw_witness_machine *machine, const struct bw_witness_request *request,
                       enum bw_err err)
{
    if (!is_of_this_term(machine, request))
        return;
    if (err == BW_OK) {
        machine->awaits_log = false;
        bw_witness_on_barrier(&machine->core, request->barrier);
        bw_syncs_on_proved(machine);
    } else {
        bw_proof_on_failed(&machine->core.proof, request->barrier);
    }
    bw_proposals_want_proof(machine);
}

enum bw_err bw_witness_machine_prove(struct bw_witness_machine *machine,
                                     struct bw_proposer *proposer)
{
    const struct bw_witness_request request = {.term = machine->core.leadership.term,
                                               .barrier = BW_WITNESS_BARRIER_APART,
                                               .proposer = proposer};

    if (!machine->core.leadership.leads || machine->is_closed)
        return BW_ERR_NOT_LEADER;
    return bw_witness_machine_request(machine,
                                      &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_BARRIER,
                                                                  .request = &request},
                                      NULL);
}

static void on_barrier_apart(struct bw_witness_machine *machine,
                             const struct bw_witness_request *request, enum bw_err err)
{
    if (err == BW_OK && !is_of_this_term(machine, request))
        err = BW_ERR_NOT_LEADER;
    if (err == BW_OK)
        machine->awaits_log = false;
    request->proposer->on_done(machine, request->proposer, err, 0, NULL);
}

static void on_command(struct bw_witness_machine *machine, const struct bw_witness_event *event,
                       const struct bw_applied *applied)
{
    const struct bw_witness_request *request = event->request;
    struct bw_proposer *proposer = request->proposer;

    if (request->command == BW_COMMAND_FOUND)
        machine->is_founding = false; /* without an id it is tried again */
    if (!machine->is_closed)
        settle(machine, &request->proposal, applied);
    if (proposer != NULL)
        proposer->on_done(machine, proposer, event->err, event->index, applied);
}

void bw_proposals_on_ended(struct bw_witness_machine *machine, const struct bw_witness_event *event)
{
    if (event->request->barrier == 0)
        on_command(machine, event,
                   event->err == BW_OK ? bw_witness_machine_applied(machine, event->index) : NULL);
    else if (event->request->barrier == BW_WITNESS_BARRIER_APART)
        on_barrier_apart(machine, event->request, event->err);
    else if (!machine->is_closed)
        on_barrier(machine, event->request, event->err);
}

/* ---- which cluster this is ------------------------------------------------------------------- */

void bw_proposals_found(struct bw_witness_machine *machine)
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
