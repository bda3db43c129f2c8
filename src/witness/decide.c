/* decide.c - the machine's decisions carried out: when a group is evaluated, what is proposed, and
 * the proofs that confirmations wait for. Design 3.2.2, 3.3, 4. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/explain.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/log_entry.h>

#define GATES_TEXT_BYTES 1536
#define GATE_LINE_BYTES  256

static void evaluate(struct bw_program *program, int place);
static void set_wake(struct bw_program *program);

/* ---- the agenda ---- */

static void set_bit(uint64_t *bits, int place)
{
    bits[place / 64] |= UINT64_C(1) << (place % 64);
}

static bool take_bit(uint64_t *bits, int place)
{
    uint64_t bit = UINT64_C(1) << (place % 64);
    bool was_set = (bits[place / 64] & bit) != 0;

    bits[place / 64] &= ~bit;
    return was_set;
}

/* In the loop's next turn: libraft's step is over then. */
static void on_settle(uv_idle_t *idle)
{
    struct bw_program *program = idle->data;
    struct bw_agenda *agenda = &program->agenda;

    (void)uv_idle_stop(idle); /* always 0 */
    if (program->is_closing)
        return;
    for (int place = 0; place < (int)program->cluster.group_count; place++)
        if (take_bit(agenda->dirty, place))
            evaluate(program, place);
    for (int place = 0; place < (int)program->cluster.group_count; place++)
        if (take_bit(agenda->changed, place))
            bw_polls_on_changed(program, place);
    set_wake(program);
}

static void settle_soon(struct bw_program *program)
{
    if (!program->is_closing)
        (void)uv_idle_start(&program->agenda.settle, on_settle); /* has a callback: always 0 */
}

void bw_agenda_touch(struct bw_program *program, int group)
{
    BW_ASSERT(group >= 0 && group < BW_GROUPS_MAX);
    set_bit(program->agenda.dirty, group);
    settle_soon(program);
}

void bw_agenda_change(struct bw_program *program, int group)
{
    struct bw_agenda *agenda = &program->agenda;

    for (int place = 0; place < (int)program->cluster.group_count; place++) {
        if (group >= 0 && place != group)
            continue;
        set_bit(agenda->dirty, place);
        set_bit(agenda->changed, place);
    }
    settle_soon(program);
}

void bw_agenda_note(struct bw_program *program, uint64_t index, const struct bw_applied *applied)
{
    program->agenda.notes[index % BW_APPLIED_NOTES] = (struct bw_applied_note){.index = index,
                                                                               .applied = *applied};
}

static void on_due(struct bw_deadline *deadline, void *user)
{
    struct bw_program *program = user;
    struct bw_instant now = bw_clock_now();

    (void)deadline;
    for (int place = 0; place < (int)program->cluster.group_count; place++)
        if (bw_instant_wait_is_over(now, program->agenda.due[place]))
            evaluate(program, place);
    set_wake(program);
}

static void set_wake(struct bw_program *program)
{
    struct bw_instant first = BW_INSTANT_NEVER;

    for (uint32_t place = 0; place < program->cluster.group_count; place++)
        first = bw_instant_min(first, program->agenda.due[place]);
    if (!program->is_closing)
        bw_deadline_set(&program->agenda.wake, first, BW_DEADLINE_WAIT);
}

enum bw_err bw_agenda_init(struct bw_program *program, struct bw_diag *diag)
{
    struct bw_agenda *agenda = &program->agenda;
    enum bw_err err;

    BW_ASSERT(uv_idle_init(&program->loop, &agenda->settle) == 0); /* cannot fail */
    agenda->settle.data = program;
    err = bw_deadline_init(&agenda->wake, &program->loop, on_due, program, diag);
    agenda->has_wake = err == BW_OK;
    return err;
}

void bw_agenda_close(struct bw_program *program)
{
    struct bw_agenda *agenda = &program->agenda;

    if (agenda->settle.data != NULL && !uv_is_closing((uv_handle_t *)&agenda->settle))
        uv_close((uv_handle_t *)&agenda->settle, NULL);
    if (agenda->has_wake)
        bw_deadline_close(&agenda->wake, NULL);
}

/* ---- proposals ---- */

struct proposal {
    struct bw_program *program;
    struct bw_proposal machine; /* what the machine told of it */
    enum bw_command_kind kind;
    struct bw_instant begun;
    bw_proposal_done on_done;
    void *user;
};

/* The machine hears of its fate: what follows from it is proposed at once (after Expired the
 * Grant), or again in a moment. */
static void settle(const struct proposal *proposal, const struct bw_applied *applied)
{
    struct bw_program *program = proposal->program;
    const int group = proposal->machine.group;

    switch (bw_witness_on_proposed(&program->machine, &proposal->machine, applied)) {
    case BW_PROPOSAL_NOTHING:
        break;
    case BW_PROPOSAL_RETRY:
        program->agenda.due[group] = bw_instant_add(bw_clock_now(),
                                                    BW_PROPOSAL_RETRY_MS * BW_NS_PER_MS);
        set_wake(program);
        break;
    case BW_PROPOSAL_GO_ON:
        if (group >= 0) {
            evaluate(program, group);
            set_wake(program);
        }
        (void)bw_proof_want(&program->machine.proof); /* nobody waits for its number */
        bw_program_want_proof(program);
        break;
    }
}

static void on_proposed(void *user, enum bw_err err, uint64_t index)
{
    struct proposal proposal = *(struct proposal *)user;
    struct bw_program *program = proposal.program;
    const struct bw_applied_note *note = &program->agenda.notes[index % BW_APPLIED_NOTES];
    uint64_t took_ns = bw_instant_elapsed_ns(bw_clock_now(), proposal.begun);

    free(user);
    if (err == BW_OK)
        BW_ASSERT(note->index == index);
    else
        program->counters.proposals_failed++;
    bw_log_write(&program->log, err == BW_OK ? BW_LOG_DEBUG : BW_LOG_WARN, "proposal.ended",
                 "command=%s index=%" PRIu64 " took_us=%" PRIu64 " outcome=%s",
                 bw_command_word(proposal.kind), index, took_ns / 1000,
                 bw_log_quote(bw_err_text(err)));
    if (!program->is_closing)
        settle(&proposal, err == BW_OK ? &note->applied : NULL);
    if (proposal.on_done != NULL)
        proposal.on_done(proposal.user, err, index, err == BW_OK ? &note->applied : NULL);
}

static void sign(const struct bw_program *program, struct bw_command *command)
{
    if (command->by[0] == '\0')
        (void)snprintf(command->by, sizeof command->by, "witness/%s", program->config->name);
    if (command->unix_ms == 0)
        command->unix_ms = bw_clock_wall().unix_ms;
}

enum bw_err bw_program_propose(struct bw_program *program, const struct bw_command *command,
                               bw_proposal_done on_done, void *user, struct bw_diag *diag)
{
    struct bw_agenda *agenda = &program->agenda;
    struct bw_command signed_command = *command;
    struct proposal *proposal;
    size_t size = 0;
    enum bw_err err;

    if (!program->machine.leadership.leads || program->is_closing)
        return bw_diag_set(diag, BW_ERR_NOT_LEADER, "this witness does not lead");
    sign(program, &signed_command);
    err = bw_log_entry_encode(&signed_command, agenda->entry, sizeof agenda->entry, &size, diag);
    if (err != BW_OK)
        return err;
    proposal = malloc(sizeof *proposal);
    if (proposal == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "propose %s: out of memory",
                           bw_command_word(command->kind));
    *proposal = (struct proposal){.program = program,
                                  .kind = command->kind,
                                  .begun = bw_clock_now(),
                                  .on_done = on_done,
                                  .user = user};
    bw_witness_on_proposing(&program->machine, &signed_command, &proposal->machine);
    err = bw_node_apply(program->node, agenda->entry, size, on_proposed, proposal);
    if (err == BW_OK) {
        program->counters.proposals[command->kind]++;
        return BW_OK;
    }
    program->counters.proposals_failed++;
    settle(proposal, NULL);
    free(proposal);
    return bw_diag_set(diag, err, "the log does not take %s: %s", bw_command_word(command->kind),
                       bw_err_text(err));
}

/* ---- decisions ---- */

/* The gates that the step looked at, with the values it saw: the log alone answers why. */
static void explain(const struct bw_decision *decision, const struct bw_group *group,
                    char out_text[GATES_TEXT_BYTES])
{
    size_t used = 0;

    out_text[0] = '\0';
    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];
        char line[GATE_LINE_BYTES];

        if (gate->step == NULL || strcmp(gate->step, decision->rule) != 0)
            continue;
        bw_explain_gate(gate, group, line, sizeof line);
        /* With its separator, and room behind it to say that there is more. */
        if (used + strlen(" | ") + strlen(line) + sizeof " | ..." > GATES_TEXT_BYTES) {
            memcpy(out_text + used, " | ...", sizeof " | ...");
            return;
        }
        used += (size_t)snprintf(out_text + used, GATES_TEXT_BYTES - used, "%s%s",
                                 used > 0 ? " | " : "", line);
    }
}

static void log_decision(struct bw_program *program, const struct bw_group *group,
                         const struct bw_decision *decision)
{
    const struct bw_command *command = &decision->command;
    char gates[GATES_TEXT_BYTES];
    char from[BW_FROM_TEXT_BYTES] = "";

    explain(decision, group, gates);
    if (decision->from != NULL)
        bw_program_tell_from(program, group->holder_site, decision->from->agent,
                             bw_ways_relayed_by(decision->from), from);
    bw_log_info(&program->log, "decision.made",
                "group=%s rule=%s command=%s epoch=%" PRIu64 " site=%s reason=%s%s%s gates=%s",
                group->spec.name, decision->rule, bw_command_word(command->kind), command->epoch,
                command->site[0] != '\0' ? command->site : command->target,
                bw_reason_word(command->reason), from[0] != '\0' ? " from=" : "",
                from[0] != '\0' ? bw_log_quote(from) : "", bw_log_quote(gates));
}

/* Since when the epoch that is now to expire has been surely over (3.3): what the decision took is
 * counted from here. */
static void log_surely_over(struct bw_program *program, int place, uint64_t epoch)
{
    const struct bw_group *group = &program->groups[place];
    const struct bw_watch *watch = &program->machine.watches[place];
    struct bw_expiry_base base = {.leader_since = program->machine.leadership.leader_since,
                                  .grant_applied = watch->grant_applied};

    if (watch->confirmed_epoch == epoch)
        base.last_confirmed = watch->last_confirmed;
    bw_log_info(
        &program->log, "lease.surely_over", "group=%s epoch=%" PRIu64 " at_boot_ns=%" PRIu64,
        group->spec.name, epoch,
        bw_instant_add(bw_expiry_counted_from(&base), bw_expiry_wait_ns(&group->terms)).boot_ns);
}

static void evaluate(struct bw_program *program, int place)
{
    struct bw_decision *decision = &program->agenda.decision;
    struct bw_instant now = bw_clock_now();
    struct bw_diag diag = {0};
    enum bw_err err;

    program->agenda.due[place] = BW_INSTANT_NEVER;
    if (!program->machine.leadership.leads || program->is_closing)
        return;
    bw_witness_decide(&program->machine, place, now, decision);
    if (decision->wake_in_ns != UINT64_MAX)
        program->agenda.due[place] = bw_instant_add(now, decision->wake_in_ns);
    if (!decision->acts)
        return;
    log_decision(program, &program->groups[place], decision);
    if (decision->command.kind == BW_COMMAND_EXPIRED)
        log_surely_over(program, place, decision->command.epoch);
    err = bw_program_propose(program, &decision->command, NULL, NULL, &diag);
    if (err != BW_OK)
        bw_log_warn(&program->log, "proposal.refused", "group=%s why=%s",
                    program->groups[place].spec.name, bw_log_quote(diag.text));
}

enum bw_err bw_program_ask(struct bw_program *program, int group, const struct bw_wish *wish,
                           struct bw_diag *diag)
{
    enum bw_err err = bw_witness_ask(&program->machine, group, wish, bw_clock_now(), diag);

    if (err != BW_OK)
        return err;
    bw_log_info(&program->log, "wish.noted", "group=%s wish=%s to=%s by=%s text=%s",
                program->groups[group].spec.name,
                bw_wish_word(wish->kind), bw_log_quote(wish->to),
                bw_log_quote(wish->by), bw_log_quote(wish->text));
    evaluate(program, group);
    set_wake(program);
    return BW_OK;
}

/* ---- proofs of leadership ---- */

struct barrier {
    struct bw_program *program;
    uint64_t term;
    uint64_t number;
};

static bool leads_term(const struct bw_program *program, uint64_t term)
{
    return program->machine.leadership.leads && program->machine.leadership.term == term;
}

static void on_barrier(void *user, enum bw_err err, uint64_t index)
{
    struct barrier barrier = *(struct barrier *)user;
    struct bw_program *program = barrier.program;

    (void)index;
    free(user);
    if (err != BW_OK)
        program->counters.barriers_failed++;
    if (program->is_closing || !leads_term(program, barrier.term))
        return; /* of another term: proves nothing in this one */
    if (err == BW_OK)
        bw_proof_on_applied(&program->machine.proof, barrier.number);
    else
        bw_proof_on_failed(&program->machine.proof, barrier.number);
    if (err == BW_OK)
        bw_agents_on_proved(program);
    bw_program_want_proof(program);
}

void bw_program_want_proof(struct bw_program *program)
{
    struct bw_proof *proof = &program->machine.proof;
    struct barrier *barrier;
    enum bw_err err = BW_ERR_NOMEM;

    if (program->is_closing || !program->machine.leadership.leads || !bw_proof_should_submit(proof))
        return;
    barrier = malloc(sizeof *barrier);
    if (barrier != NULL) {
        *barrier = (struct barrier){.program = program,
                                    .term = program->machine.leadership.term,
                                    .number = bw_proof_on_submitted(proof)};
        err = bw_node_barrier(program->node, on_barrier, barrier);
        if (err != BW_OK)
            bw_proof_on_failed(proof, barrier->number);
    }
    if (err == BW_OK) {
        program->counters.barriers++;
        return;
    }
    free(barrier); /* whoever waits is told at its deadline; the next sync tries again */
    program->counters.barriers_failed++;
    bw_log_debug(&program->log, "barrier.refused", "why=%s", bw_log_quote(bw_err_text(err)));
}

/* ---- the node's events ---- */

static void on_found(void *user, enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    struct bw_program *program = user;

    (void)err; /* without an id the housekeeping tries again */
    (void)index;
    (void)applied; /* a second Found is a no-op: there is an id then, whoever gave it */
    program->agenda.is_founding = false;
}

void bw_program_found(struct bw_program *program)
{
    const struct bw_data_dir_identity *identity = bw_node_identity(program->node);
    struct bw_command command = {.kind = BW_COMMAND_FOUND,
                                 .cluster_id = identity->cluster_id,
                                 .election_timeout_ms = identity->election_timeout_ms,
                                 .feature_level = BW_FEATURE_LEVEL_NEWEST};
    struct bw_diag diag = {0};

    if (!bw_id_is_none(program->cluster.id) || program->agenda.is_founding ||
        !program->machine.leadership.leads)
        return;
    BW_ASSERT(bw_copy_text(command.cluster_name, sizeof command.cluster_name, identity->cluster));
    program->agenda.is_founding = true;
    if (bw_program_propose(program, &command, on_found, program, &diag) == BW_OK)
        return;
    program->agenda.is_founding = false;
    bw_log_error(&program->log, "cluster.not_founded", "why=%s", bw_log_quote(diag.text));
}

void bw_program_on_role(struct bw_program *program, enum bw_node_role role, uint64_t term)
{
    (void)term;
    if (role == BW_NODE_LEADER)
        return; /* it may not act before its own barrier: on_ready_to_lead */
    if (program->machine.leadership.leads)
        bw_witness_on_not_leading(&program->machine);
    bw_agents_on_proved(program);
    for (uint32_t place = 0; place < program->cluster.group_count; place++)
        program->agenda.due[place] = BW_INSTANT_NEVER;
    set_wake(program);
}

void bw_program_on_ready_to_lead(struct bw_program *program, uint64_t term)
{
    if (program->is_closing)
        return;
    program->counters.terms_led++;
    bw_witness_on_leading(&program->machine, term, bw_clock_now());
    bw_program_found(program);
    for (uint32_t place = 0; place < program->cluster.group_count; place++)
        bw_agenda_touch(program, (int)place);
}
