/* witness_drive.c - the machine's driver in the simulator: what it asks for is done in virtual time, and
 * what it is seen to do is counted, told and judged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/explain.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/record_event.h>

#include "check.h"
#include "check_cluster.h"
#include "check_lease.h"
#include "check_override.h"
#include "witness_program.h"

#define GATE_BYTES  256
#define GATES_BYTES 1024
/* What is measured rests on exchanges of at most this age: the slots, each as long as it may get. */
#define RATE_MEMORY_NS ((BW_RATE_SLOTS + 2) * 2 * BW_RATE_SLOT_NS)

_Static_assert(BW_WITNESS_NOTES >= 2 * BW_NODE_REQUESTS_MAX, "as src/witness/drive.c");

/* ---- requests to the log ---- */

struct request {
    struct sim_witness *witness;
    struct bw_witness_request kept;
    uint64_t begun_ns, begun_index; /* of a proof */
    size_t size;
    uint8_t bytes[]; /* as submitted */
};

static void look_at_end(const struct request *request, enum bw_err err, uint64_t index)
{
    const struct sim_witness *witness = request->witness;
    struct sim_world *world = sim_witness_world(witness);
    const struct bw_applied *applied;

    if (err != BW_OK) {
        sim_tell(world, witness->process->name, "%s of term %" PRIu64 ": %s",
                 bw_command_word(request->kept.command), request->kept.term,
                 err == BW_ERR_UNKNOWN ? "its fate is unknown" : bw_err_text(err));
        return;
    }
    sim_check_acknowledged(witness->process, index, request->bytes, request->size);
    applied = bw_witness_machine_applied(&witness->machine, index);
    if (applied->rule == NULL)
        sim_tell(world, witness->process->name, "%s did nothing: %s",
                 bw_command_word(request->kept.command), bw_err_text(applied->err));
}

static void look_at_proof(const struct request *request, uint64_t index)
{
    sim_count(sim_witness_world(request->witness), index == 0 ? "proof:terms" : "proof:entry");
    sim_check_proves(request->witness->process, request->kept.term, request->begun_ns, request->begun_index);
}

static void on_ended(void *user, enum bw_err err, uint64_t index)
{
    struct request *request = user;
    struct sim_witness *witness = request->witness;

    if (!witness->machine.is_closed && !sim_is_doomed(witness->process)) {
        if (request->kept.proof == 0)
            look_at_end(request, err, index);
        else if (err == BW_OK)
            look_at_proof(request, index);
        sim_witness_happen(witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_ENDED,
                                                               .request = &request->kept,
                                                               .err = err,
                                                               .index = index});
    }
    free(request);
}

static enum bw_err submit(struct sim_witness *witness, const struct bw_witness_action *action,
                          struct bw_diag *diag)
{
    struct request *request;
    size_t size = 0;
    enum bw_err err = BW_OK;

    if (action->kind == BW_WITNESS_ACTION_SUBMIT)
        err = bw_log_entry_encode(action->command, witness->bytes, BW_COMMAND_BYTES_MAX, &size,
                                  diag);
    if (err != BW_OK)
        return err;
    request = malloc(sizeof *request + size);
    BW_ASSERT(request != NULL);
    *request = (struct request){.witness = witness,
                                .kept = *action->request,
                                .begun_ns = sim_witness_world(witness)->now_ns,
                                .begun_index = sim_check_begins_to_prove(witness->process),
                                .size = size};
    memcpy(request->bytes, witness->bytes, size);
    if (action->kind == BW_WITNESS_ACTION_PROVE) {
        err = request->kept.by_log ? sim_node_barrier(&witness->node, on_ended, request)
                                   : sim_node_prove(&witness->node, on_ended, request);
    } else {
        sim_check_proposes(witness->process, action->command, request->kept.term);
        err = sim_node_apply(&witness->node, request->bytes, request->size, on_ended, request);
    }
    if (err != BW_OK)
        free(request);
    return err;
}

/* ---- what it is seen to do ---- */

static void tell_decision(const struct sim_witness *witness, const struct bw_group *group,
                          const struct bw_decision *decision)
{
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

static void look_at_decision(struct sim_witness *witness, const struct bw_witness_action *action)
{
    struct sim_world *world = sim_witness_world(witness);

    sim_count(world, action->decision->rule);
    if (world->tells)
        tell_decision(witness, &witness->groups[action->group], action->decision);
}

/* Design 3.8: a site is called slow or fast only when its clocks or those of the witness were so. */
static void check_rate(struct sim_witness *witness, const struct bw_sync *sync, int group_index)
{
    struct sim_world *world = sim_witness_world(witness);
    const struct bw_spec *spec = &witness->groups[group_index].spec;
    const int site = bw_spec_find_site(spec, sync->site);
    enum bw_rate_verdict verdict;

    if (site < 0)
        return;
    verdict = bw_rate_judge(&witness->watches[group_index].rates[site].bounds,
                            spec->max_clock_drift_ppm);
    if (verdict == BW_RATE_UNKNOWN)
        return;
    sim_count(world, verdict == BW_RATE_SLOW   ? "rate:slow"
                     : verdict == BW_RATE_FAST ? "rate:fast"
                                               : "rate:within");
    if (verdict == BW_RATE_WITHIN)
        return;
    for (uint32_t i = 0; i < sim_host_count(world); i++) {
        const struct sim_host *host = &world->hosts[sim_host_index(world, i)];
        const bool is_theirs = host == witness->process->host || strcmp(host->name, sync->site) == 0;

        if (is_theirs && !sim_clock_is_steady(host, RATE_MEMORY_NS))
            return;
    }
    sim_fail(world, "rate", "%s calls the clocks of %s %s, and they never were",
             witness->process->host->name, sync->site, bw_rate_word(verdict));
}

/* 3.3: what a sync says was made after the receipt of the one whose answer its agent had heard. By the clock that
 * nobody slews. */
static void check_answered(struct sim_witness *witness, const struct bw_sync *sync, int group_index)
{
    struct sim_world *world = sim_witness_world(witness);
    const struct bw_watch *watch = &witness->watches[group_index];
    const int site = bw_spec_find_site(&witness->groups[group_index].spec, sync->site);
    const uint64_t sent_ns = sim_check_sent_ns(world, sync);
    const uint64_t slowest_ppm = 1000000 - world->setting.terms.drift_ppm;

    for (uint32_t i = 0; site >= 0 && sent_ns != 0 && i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &watch->reports[site].by_instance[i];
        const uint64_t since_ns = sim_now(witness->process).raw_ns - contact->answered_received.raw_ns;

        if (contact->used && bw_id_equal(contact->session, sync->session) && contact->answered_number != 0 &&
            contact->receipts[0].number == sync->number &&
            sim_clock_is_steady(witness->process->host, RATE_MEMORY_NS) &&
            since_ns / slowest_ppm * 1000000 + SIM_MS < world->now_ns - sent_ns)
            sim_fail(world, "reports", "%s takes what %s said for %" PRIu64 " ms later than it was",
                     witness->process->name, sync->agent, (world->now_ns - sent_ns - since_ns) / SIM_MS);
    }
}

static void look_at_reported(struct sim_witness *witness, const struct bw_sync *sync)
{
    sim_check_hears(witness->process, sync);
    sim_check_level_reported(witness->process, sync);
    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group_index = bw_cluster_find(&witness->machine.cluster, sync->groups[i].name);

        if (group_index < 0)
            continue;
        check_rate(witness, sync, group_index);
        check_answered(witness, sync, group_index);
    }
}

static void look_at_confirmed(struct sim_witness *witness, const struct bw_witness_action *action)
{
    const struct bw_sync_group *sync_group = action->sync_group;
    const int group = sim_group_find(sim_witness_world(witness), sync_group->name);

    if (group < 0)
        return;
    sim_check_confirms(witness->process, action->call->sync, (uint32_t)group,
                       sync_group->renew_epoch, &witness->groups[action->group].terms,
                       witness->machine.core.leadership.term, action->call->received);
    sim_check_override_decides(witness->process, (uint32_t)group, action->call->sync->site,
                               sync_group->renew_epoch,
                               sync_group->report.armed_epoch == sync_group->renew_epoch
                                   ? NULL
                                   : "confirms the first renewal of");
}

/* ---- the driver ---- */

static struct bw_instant now(void *user)
{
    const struct sim_witness *witness = user;

    return sim_now(witness->process);
}

static int64_t wall_ms(void *user)
{
    const struct sim_witness *witness = user;

    return sim_wall_ms(sim_witness_world(witness));
}

static uint64_t leader(void *user)
{
    const struct sim_witness *witness = user;

    return bw_voter_leader(&witness->node.voter);
}

/* What a process does that has crashed is nothing, but that its calls are over. */
static void look(struct sim_witness *witness, const struct bw_witness_action *action)
{
    if (sim_is_doomed(witness->process))
        return;
    if (action->kind == BW_WITNESS_ACTION_DECIDED)
        look_at_decision(witness, action);
    else if (action->kind == BW_WITNESS_ACTION_REPORTED)
        look_at_reported(witness, action->call->sync);
    else if (action->kind == BW_WITNESS_ACTION_CONFIRMED)
        look_at_confirmed(witness, action);
    else if (action->kind == BW_WITNESS_ACTION_NOT_TAKEN)
        sim_tell(sim_witness_world(witness), witness->process->name, "%s", action->text);
}

static enum bw_err transfer(struct sim_witness *witness, const struct bw_witness_action *action)
{
    enum bw_err err;

    if (sim_is_doomed(witness->process))
        return BW_ERR_NOT_LEADER;
    err = sim_node_transfer(&witness->node, 0);
    if (err == BW_OK)
        sim_count(sim_witness_world(witness), action->peer != 0      ? "transfer:behind"
                                              : action->text != NULL ? "transfer:unknowing"
                                                                     : "transfer:leaving");
    return err;
}

/* Its supervisor begins it again, as after an upgrade. */
static void end(struct sim_witness *witness)
{
    sim_tell(sim_witness_world(witness), witness->process->name, "ends: it was asked to");
    sim_process_kill(witness->process);
}

static enum bw_err emit(void *user, const struct bw_witness_action *action, struct bw_diag *diag)
{
    struct sim_witness *witness = user;

    switch (action->kind) {
    case BW_WITNESS_ACTION_SUBMIT:
    case BW_WITNESS_ACTION_PROVE:
        return sim_is_doomed(witness->process) ? BW_ERR_NOT_LEADER : submit(witness, action, diag);
    case BW_WITNESS_ACTION_RELAY:
        sim_agents_relay(witness, action->call, action->member);
        break;
    case BW_WITNESS_ACTION_ANSWER:
        sim_agents_answer(witness, action->call, action->answer);
        break;
    case BW_WITNESS_ACTION_PASS_ON:
        sim_agents_pass_on(witness, action->call);
        break;
    case BW_WITNESS_ACTION_REFUSE:
        if (action->refusal == BW_WITNESS_REFUSES_AGENT_LEVEL ||
            action->refusal == BW_WITNESS_REFUSES_GUARD_LEVEL)
            sim_count(sim_witness_world(witness),
                      action->refusal == BW_WITNESS_REFUSES_AGENT_LEVEL ? "level:agent_refused"
                                                                        : "level:guard_refused");
        sim_agents_refuse(witness, action->call);
        break;
    case BW_WITNESS_ACTION_DECIDED:
    case BW_WITNESS_ACTION_NOT_TAKEN:
    case BW_WITNESS_ACTION_REMOTE_FENCE:
    case BW_WITNESS_ACTION_NOT_FOUNDED:
    case BW_WITNESS_ACTION_REPORTED:
    case BW_WITNESS_ACTION_CONFIRMED:
    case BW_WITNESS_ACTION_UNCONFIRMED:
        look(witness, action);
        break;
    case BW_WITNESS_ACTION_APPLIED:
        sim_orders_on_applied(witness, action->apply);
        break;
    case BW_WITNESS_ACTION_TRANSFER:
        return transfer(witness, action);
    case BW_WITNESS_ACTION_END:
        if (!sim_is_doomed(witness->process))
            end(witness);
        break;
    }
    return BW_OK;
}

void sim_witness_init(struct sim_witness *witness)
{
    const struct bw_witness_setup setup = {
        .driver = {.user = witness, .now = now, .wall_ms = wall_ms, .leader = leader, .emit = emit},
        .name = witness->process->host->name,
        .feature_level = witness->process->level,
        .groups = witness->groups,
        .watches = witness->watches,
        .group_max = SIM_PLACES,
        .answer_groups = witness->answer_groups,
        .answer_group_max = SIM_PLACES,
        .record = &witness->record.record};

    bw_record_init(&witness->record.record, &bw_record_codec, witness->record.blocks,
                   SIM_RECORD_BLOCKS);
    bw_witness_machine_init(&witness->machine, &setup);
    bw_witness_machine_set_founding(&witness->machine, &witness->disk->founding->founding);
    sim_members_use(witness);
}

/* ---- events ---- */

void sim_witness_happen(struct sim_witness *witness, const struct bw_witness_event *event)
{
    if (!sim_is_doomed(witness->process))
        bw_witness_machine_step(&witness->machine, event);
}

void sim_witness_on_role(struct sim_witness *witness, enum bw_node_role role, uint64_t term)
{
    struct sim_world *world = sim_witness_world(witness);

    sim_mix(world, term << 2 | (uint64_t)role);
    if (world->tells)
        sim_tell(world, witness->process->name, "is %s in term %" PRIu64, bw_node_role_text(role),
                 term);
    if (role != BW_NODE_LEADER) /* it may not act before its own barrier: on_ready_to_lead */
        sim_witness_happen(witness,
                           &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_NOT_LEADING});
}

void sim_witness_on_ready_to_lead(struct sim_witness *witness, uint64_t term)
{
    sim_tell(sim_witness_world(witness), witness->process->name, "leads term %" PRIu64, term);
    sim_check_ready_to_lead(witness->process, term);
    sim_witness_happen(
        witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_LEADING, .term = term});
    if (!sim_is_doomed(witness->process))
        sim_check_wishes_led(witness->process, &witness->machine);
}
