/* witness_decide.c - src/witness/decide.c in the simulator: when a group is evaluated, what is
 * proposed, and the proofs that confirmations wait for. Design 3.2.2, 3.3, 4. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/explain.h>
#include <breakwater/wire/log_entry.h>

#include "check.h"
#include "check_reports.h"
#include "witness_program.h"

#define WALL_MS     INT64_C(1700000000000) /* what the wall clocks showed when time began */
#define GATE_BYTES  256
#define GATES_BYTES 1024

static void evaluate(struct sim_witness *witness, int place);

/* ---- the agenda ---- */

void sim_witness_touch(struct sim_witness *witness, int place)
{
    witness->dirty |= 1ull << place;
}

void sim_witness_change(struct sim_witness *witness, int place)
{
    const uint64_t bits =
        place < 0 ? (1ull << witness->cluster.group_count) - 1 : 1ull << place;

    witness->dirty |= bits;
    witness->changed |= bits;
}

void sim_witness_settle(struct sim_witness *witness)
{
    const uint64_t dirty = witness->dirty;
    const uint64_t changed = witness->changed;

    witness->dirty = 0;
    witness->changed = 0;
    for (int place = 0; place < (int)witness->cluster.group_count; place++)
        if ((dirty & 1ull << place) != 0)
            evaluate(witness, place);
    for (int place = 0; place < (int)witness->cluster.group_count; place++)
        if ((changed & 1ull << place) != 0)
            sim_polls_on_changed(witness, place);
}

void sim_witness_serve_due(struct sim_witness *witness, struct bw_instant now)
{
    for (int place = 0; place < (int)witness->cluster.group_count; place++)
        if (bw_instant_wait_is_over(now, witness->due[place]))
            evaluate(witness, place);
}

/* ---- proposals ---- */

struct proposal {
    struct sim_witness *witness;
    struct bw_proposal machine; /* what the machine told of it */
    enum bw_command_kind kind;
    size_t size;
    uint8_t bytes[]; /* as submitted */
};

/* As there. */
static void settle(const struct proposal *proposal, const struct bw_applied *applied)
{
    struct sim_witness *witness = proposal->witness;
    const int group = proposal->machine.group;

    switch (bw_witness_on_proposed(&witness->machine, &proposal->machine, applied)) {
    case BW_PROPOSAL_NOTHING:
        break;
    case BW_PROPOSAL_RETRY:
        witness->due[group] = bw_instant_add(sim_now(witness->process),
                                             BW_PROPOSAL_RETRY_MS * BW_NS_PER_MS);
        break;
    case BW_PROPOSAL_GO_ON:
        if (group >= 0)
            evaluate(witness, group);
        (void)bw_proof_want(&witness->machine.proof); /* nobody waits for its number */
        sim_witness_want_proof(witness);
        break;
    }
}

static void tell_outcome(const struct proposal *proposal, enum bw_err err, uint64_t index)
{
    struct sim_witness *witness = proposal->witness;

    if (err != BW_OK)
        sim_tell(sim_witness_world(witness), witness->process->name, "%s of term %" PRIu64 ": %s",
                 bw_command_word(proposal->kind), proposal->machine.term,
                 err == BW_ERR_UNKNOWN ? "its fate is unknown" : bw_err_text(err));
    else if (witness->notes[index % SIM_APPLIED_NOTES].applied.rule == NULL)
        sim_tell(sim_witness_world(witness), witness->process->name, "%s did nothing: %s",
                 bw_command_word(proposal->kind),
                 bw_err_text(witness->notes[index % SIM_APPLIED_NOTES].applied.err));
}

static void on_proposed(void *user, enum bw_err err, uint64_t index)
{
    struct proposal *proposal = user;
    struct sim_witness *witness = proposal->witness;
    const struct sim_applied_note *note = &witness->notes[index % SIM_APPLIED_NOTES];

    if (!witness->is_closing && !sim_is_doomed(witness->process)) {
        if (proposal->kind == BW_COMMAND_FOUND)
            witness->is_founding = false;
        if (err == BW_OK) {
            BW_ASSERT(note->index == index);
            sim_check_acknowledged(witness->process, index, proposal->bytes, proposal->size);
        }
        tell_outcome(proposal, err, index);
        settle(proposal, err == BW_OK ? &note->applied : NULL);
    }
    free(proposal);
}

/* Who proposes, and when by the clock on the wall: for people only. */
static void sign(const struct sim_witness *witness, struct bw_command *command)
{
    if (command->by[0] == '\0')
        (void)snprintf(command->by, sizeof command->by, "witness/%s", witness->process->name);
    if (command->unix_ms == 0)
        command->unix_ms = WALL_MS + (int64_t)(sim_witness_world(witness)->now_ns / SIM_MS);
}

enum bw_err sim_witness_propose(struct sim_witness *witness, const struct bw_command *command,
                                struct bw_diag *diag)
{
    struct bw_command signed_command = *command;
    struct proposal *proposal;
    size_t size = 0;
    enum bw_err err;

    if (!witness->machine.leadership.leads || witness->is_closing)
        return bw_diag_set(diag, BW_ERR_NOT_LEADER, "this witness does not lead");
    sign(witness, &signed_command);
    err = bw_log_entry_encode(&signed_command, witness->bytes, BW_COMMAND_BYTES_MAX, &size, diag);
    if (err != BW_OK)
        return err;
    proposal = malloc(sizeof *proposal + size);
    BW_ASSERT(proposal != NULL);
    *proposal = (struct proposal){.witness = witness, .kind = command->kind, .size = size};
    memcpy(proposal->bytes, witness->bytes, size);
    sim_check_proposes(witness->process, &signed_command, witness->machine.leadership.term);
    bw_witness_on_proposing(&witness->machine, &signed_command, &proposal->machine);
    err = sim_node_apply(&witness->node, proposal->bytes, size, on_proposed, proposal);
    if (err == BW_OK)
        return BW_OK;
    settle(proposal, NULL);
    free(proposal);
    return bw_diag_set(diag, err, "the log does not take %s: %s", bw_command_word(command->kind),
                       bw_err_text(err));
}

/* ---- decisions ---- */

static void tell_decision(const struct sim_witness *witness, const struct bw_group *group)
{
    const struct bw_decision *decision = &witness->decision;
    const struct bw_command *command = &decision->command;
    char gates[GATES_BYTES] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];
        char line[GATE_BYTES];

        if (gate->step == NULL || strcmp(gate->step, decision->rule) != 0)
            continue;
        bw_explain_gate(gate, group, line, sizeof line);
        if (used + strlen(line) + 4 > sizeof gates)
            break;
        used += (size_t)snprintf(gates + used, sizeof gates - used, "%s%s", used > 0 ? " | " : "",
                                 line);
    }
    sim_tell(sim_witness_world(witness), witness->process->name,
             "proposes %s of %s epoch %" PRIu64 "%s%s (%s, rule %s): %s",
             bw_command_word(command->kind), group->spec.name, command->epoch,
             command->site[0] != '\0' || command->target[0] != '\0' ? " for " : "",
             command->site[0] != '\0' ? command->site : command->target,
             bw_reason_word(command->reason), decision->rule, gates);
}

static void evaluate(struct sim_witness *witness, int place)
{
    struct bw_decision *decision = &witness->decision;
    struct sim_world *world = sim_witness_world(witness);
    struct bw_instant now = sim_now(witness->process);
    struct bw_diag diag = {0};
    enum bw_err err;

    witness->due[place] = BW_INSTANT_NEVER;
    if (!witness->machine.leadership.leads || sim_is_doomed(witness->process))
        return;
    bw_witness_decide(&witness->machine, place, now, decision);
    if (decision->wake_in_ns != UINT64_MAX)
        witness->due[place] = bw_instant_add(now, decision->wake_in_ns);
    if (!decision->acts)
        return;
    sim_count(world, decision->rule);
    if (world->tells)
        tell_decision(witness, &witness->groups[place]);
    err = sim_witness_propose(witness, &decision->command, &diag);
    if (err != BW_OK)
        sim_tell(world, witness->process->name, "%s", diag.text);
}

/* ---- proofs of leadership ---- */

struct barrier {
    struct sim_witness *witness;
    uint64_t term;
    uint64_t number;
};

static bool leads_term(const struct sim_witness *witness, uint64_t term)
{
    return witness->machine.leadership.leads && witness->machine.leadership.term == term;
}

static void on_barrier(void *user, enum bw_err err, uint64_t index)
{
    struct barrier barrier = *(struct barrier *)user;
    struct sim_witness *witness = barrier.witness;

    (void)index;
    free(user);
    if (witness->is_closing || sim_is_doomed(witness->process) ||
        !leads_term(witness, barrier.term))
        return; /* of another term: proves nothing in this one */
    if (err == BW_OK)
        bw_proof_on_applied(&witness->machine.proof, barrier.number);
    else
        bw_proof_on_failed(&witness->machine.proof, barrier.number);
    if (err == BW_OK)
        sim_agents_on_proved(witness);
    sim_witness_want_proof(witness);
}

void sim_witness_want_proof(struct sim_witness *witness)
{
    struct bw_proof *proof = &witness->machine.proof;
    struct barrier *barrier;

    if (witness->is_closing || sim_is_doomed(witness->process) ||
        !witness->machine.leadership.leads || !bw_proof_should_submit(proof))
        return;
    barrier = malloc(sizeof *barrier);
    BW_ASSERT(barrier != NULL);
    *barrier = (struct barrier){.witness = witness,
                                .term = witness->machine.leadership.term,
                                .number = bw_proof_on_submitted(proof)};
    if (sim_node_barrier(&witness->node, on_barrier, barrier) == BW_OK)
        return;
    bw_proof_on_failed(proof, barrier->number);
    free(barrier); /* whoever waits is told at its deadline; the next sync tries again */
}

/* ---- the node's events ---- */

void sim_witness_found(struct sim_witness *witness)
{
    const struct sim_founding *founding = witness->disk->founding;
    struct bw_command command = {.kind = BW_COMMAND_FOUND,
                                 .cluster_id = founding->cluster_id,
                                 .election_timeout_ms = founding->election_timeout_ms,
                                 .feature_level = BW_FEATURE_LEVEL_NEWEST};
    struct bw_diag diag = {0};

    if (!bw_id_is_none(witness->cluster.id) || witness->is_founding ||
        !witness->machine.leadership.leads)
        return;
    BW_ASSERT(bw_copy_text(command.cluster_name, sizeof command.cluster_name, founding->cluster));
    witness->is_founding = true;
    if (sim_witness_propose(witness, &command, &diag) != BW_OK)
        witness->is_founding = false;
}

void sim_witness_on_role(struct sim_witness *witness, enum bw_node_role role, uint64_t term)
{
    struct sim_world *world = sim_witness_world(witness);

    sim_mix(world, term << 2 | (uint64_t)role);
    if (world->tells)
        sim_tell(world, witness->process->name, "is %s in term %" PRIu64, bw_node_role_text(role),
                 term);
    if (role == BW_NODE_LEADER)
        return; /* it may not act before its own barrier: on_ready_to_lead */
    if (witness->machine.leadership.leads)
        bw_witness_on_not_leading(&witness->machine);
    sim_agents_on_proved(witness);
    for (uint32_t place = 0; place < SIM_PLACES; place++)
        witness->due[place] = BW_INSTANT_NEVER;
}

void sim_witness_on_ready_to_lead(struct sim_witness *witness, uint64_t term)
{
    sim_tell(sim_witness_world(witness), witness->process->name, "leads term %" PRIu64, term);
    sim_check_ready_to_lead(witness->process, term);
    bw_witness_on_leading(&witness->machine, term, sim_now(witness->process));
    sim_witness_found(witness);
    for (uint32_t place = 0; place < witness->cluster.group_count; place++)
        sim_witness_touch(witness, (int)place);
}
