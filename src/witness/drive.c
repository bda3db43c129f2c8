/* drive.c - the machine (machine/witness.h) on the loop: its clocks, its requests to the log, its
 * wake-ups, and what it did as lines of the log. Decides nothing. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/explain.h>
#include <breakwater/machine/witness_operator.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/log_entry.h>

#define GATES_TEXT_BYTES 1536
#define GATE_LINE_BYTES  512

_Static_assert(BW_WITNESS_NOTES >= 2 * BW_NODE_REQUESTS_MAX,
               "what an entry did is known until its proposer was told");

/* ---- when it is stepped ---- */

/* In the loop's next turn: libraft's step is over then. */
static void on_settle(uv_idle_t *idle)
{
    (void)uv_idle_stop(idle); /* always 0 */
    bw_drive_step(idle->data, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_SETTLE});
}

static void on_due(struct bw_deadline *deadline, void *user)
{
    struct bw_program *program = user;

    (void)deadline;
    program->drive.wake_at = BW_INSTANT_NEVER;
    bw_drive_step(program, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_WAKE});
}

void bw_drive_settle_soon(struct bw_program *program)
{
    if (bw_witness_machine_is_unsettled(&program->machine))
        (void)uv_idle_start(&program->drive.settle, on_settle); /* has a callback: always 0 */
}

void bw_drive_refresh(struct bw_program *program)
{
    struct bw_drive *drive = &program->drive;
    const struct bw_instant at = bw_witness_machine_wake_at(&program->machine);

    if (program->is_closing)
        return;
    bw_drive_settle_soon(program);
    if (bw_instant_is_same(at, drive->wake_at))
        return;
    drive->wake_at = at;
    bw_deadline_set(&drive->wake, at, BW_DEADLINE_WAIT);
}

void bw_drive_step(struct bw_program *program, const struct bw_witness_event *event)
{
    bw_witness_machine_step(&program->machine, event);
    bw_agents_send_answers(program);
    bw_operator_send_applied(program);
    bw_program_answer_awaited(program);
    if (program->drive.is_over)
        bw_program_close(program);
    bw_drive_refresh(program);
}

/* ---- requests to the log ---- */

struct request {
    struct bw_program *program;
    struct bw_witness_request kept;
    struct bw_instant begun;
};

static void tell_end(struct bw_program *program, const struct request *request, enum bw_err err,
                     uint64_t index)
{
    const uint64_t took_ns = bw_instant_elapsed_ns(bw_clock_now(), request->begun);
    struct bw_witness_counters *counters = &program->counters;

    if (request->kept.proof != 0) {
        (*(err != BW_OK ? &counters->proofs_failed : index == 0 ? &counters->questions : &counters->barriers))++;
        return;
    }
    counters->proposals_failed += err != BW_OK;
    bw_log_write(&program->log, err == BW_OK ? BW_LOG_DEBUG : BW_LOG_WARN, "proposal.ended",
                 "command=%s index=%" PRIu64 " took_us=%" PRIu64 " outcome=%s",
                 bw_command_word(request->kept.command), index, took_ns / 1000,
                 bw_log_quote(bw_err_text(err)));
}

static void on_ended(void *user, enum bw_err err, uint64_t index)
{
    const struct request request = *(struct request *)user;
    struct bw_program *program = request.program;

    free(user);
    tell_end(program, &request, err, index);
    bw_drive_step(program, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_ENDED,
                                                      .request = &request.kept,
                                                      .err = err,
                                                      .index = index});
}

static enum bw_err hand_in(struct bw_program *program, const struct bw_witness_action *action,
                           struct request *request, struct bw_diag *diag)
{
    uint8_t *entry = program->drive.entry;
    size_t size = 0;
    enum bw_err err;

    if (action->kind == BW_WITNESS_ACTION_PROVE)
        return action->request->by_log ? bw_node_barrier(program->node, on_ended, request)
                                       : bw_node_prove(program->node, on_ended, request);
    err = bw_log_entry_encode(action->command, entry, sizeof program->drive.entry, &size, diag);
    return err == BW_OK ? bw_node_apply(program->node, entry, size, on_ended, request) : err;
}

static enum bw_err submit(struct bw_program *program, const struct bw_witness_action *action,
                          struct bw_diag *diag)
{
    const bool is_proof = action->kind == BW_WITNESS_ACTION_PROVE;
    struct bw_witness_counters *counters = &program->counters;
    struct request *request = malloc(sizeof *request);
    enum bw_err err = BW_ERR_NOMEM;

    if (request != NULL) {
        *request = (struct request){
            .program = program, .kept = *action->request, .begun = bw_clock_now()};
        err = hand_in(program, action, request, diag);
    }
    if (err == BW_OK) {
        if (!is_proof)
            counters->proposals[action->command->kind]++;
        return BW_OK;
    }
    free(request);
    (*(is_proof ? &counters->proofs_failed : &counters->proposals_failed))++;
    if (is_proof)
        bw_log_debug(&program->log, "barrier.refused", "error=%s", bw_log_quote(bw_err_text(err)));
    return err;
}

/* ---- what it decided, in words ---- */

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

/* Since when the epoch that is now to expire has been surely over (3.3): what the decision took is
 * counted from here. */
static void log_surely_over(struct bw_program *program, int group_index, uint64_t epoch)
{
    const struct bw_group *group = &program->groups[group_index];
    const struct bw_watch *watch = &program->watches[group_index];
    struct bw_expiry_base base = {.leader_since = program->machine.core.leadership.leader_since,
                                  .grant_applied = watch->grant_applied};

    if (watch->confirmed_epoch == epoch)
        base.last_confirmed = watch->last_confirmed;
    bw_log_info(
        &program->log, "lease.expired", "group=%s epoch=%" PRIu64 " at_boot_ns=%" PRIu64,
        group->spec.name, epoch,
        bw_instant_add(bw_expiry_counted_from(&base), bw_expiry_wait_ns(&group->terms)).boot_ns);
}

static void log_decision(struct bw_program *program, int group_index,
                         const struct bw_decision *decision)
{
    const struct bw_group *group = &program->groups[group_index];
    const struct bw_command *command = &decision->command;
    char gates[GATES_TEXT_BYTES];
    const struct bw_contact *from = decision->from;
    const char *via = from != NULL ? bw_program_name_of(program, bw_ways_relayed_by(from)) : "";
    const char *site = group->holder_site;

    if (command->kind == BW_COMMAND_FENCED)
        site = program->watches[group_index].remote_fence.site;
    explain(decision, group, gates);
    bw_log_info(
        &program->log, "decision.made",
        "group=%s rule=%s command=%s epoch=%" PRIu64 " site=%s reason=%s%s%s%s%s%s%s gates=%s",
        group->spec.name, decision->rule, bw_command_word(command->kind), command->epoch,
        command->site[0] != '\0' ? command->site : command->target, bw_reason_word(command->reason),
        from != NULL ? " heard_from=" : "", from != NULL ? site : "", from != NULL ? "/" : "",
        from != NULL ? from->agent : "", via[0] != '\0' ? " via=" : "", via, bw_log_quote(gates));
    if (command->kind == BW_COMMAND_EXPIRED)
        log_surely_over(program, group_index, command->epoch);
}

/* ---- the fence from another site ---- */

static void log_remote_fence_over(struct bw_program *program, const char *group,
                                  const struct bw_remote_fence_news *news)
{
    const struct bw_remote_fence *before = &news->before;
    const bool is_failed = news->failure != NULL;
    const bool has_words = is_failed && news->words[0] != '\0';

    bw_log_write(&program->log, is_failed ? BW_LOG_WARN : BW_LOG_INFO, "fence.request_over",
                 "group=%s epoch=%" PRIu64 " site=%s of_site=%s outcome=%s why=%s%s%s", group,
                 before->ask.epoch, before->site, before->ask.site, is_failed ? "failed" : "over",
                 bw_log_quote(is_failed ? news->failure : news->over), has_words ? " tail=" : "",
                 has_words ? bw_log_quote(news->words) : "");
}

/* 3.3: who was asked to end what a closed epoch has left, and what became of it. */
static void log_remote_fence(struct bw_program *program, int group_index,
                             const struct bw_remote_fence_news *news)
{
    const struct bw_group *group = &program->groups[group_index];
    const struct bw_remote_fence *fence = &program->watches[group_index].remote_fence;

    if (news->failure != NULL || news->over != NULL)
        log_remote_fence_over(program, group->spec.name, news);
    if (news->is_asked)
        bw_log_info(&program->log, "fence.requested",
                    "group=%s epoch=%" PRIu64 " site=%s of_site=%s why=%s", group->spec.name,
                    fence->ask.epoch, fence->site, fence->ask.site,
                    bw_log_quote(group->held
                                     ? "its site has failed to fence it"
                                     : "no lease of it can live, and time does not end it"));
}

/* ---- what it hears and confirms ---- */

static void note_contact(struct bw_program *program, const struct bw_witness_call *call)
{
    program->counters.syncs++;
    bw_callers_note(&program->callers, call->sync, call->received);
}

/* Whose word holds a lease is told once per leader, epoch and way, never per renewal. */
static void note_confirmed(struct bw_program *program, const struct bw_witness_action *action)
{
    const struct bw_witness_call *call = action->call;
    const char *via = bw_program_name_of(program, call->relayed_by);

    program->counters.renewals_confirmed++;
    if (!action->is_new_way)
        return;
    bw_log_info(&program->log, "lease.renewed_by",
                "group=%s epoch=%" PRIu64 " heard_from=%s/%s%s%s remote=%s",
                action->sync_group->name, action->sync_group->renew_epoch, call->site, call->agent,
                via[0] != '\0' ? " via=" : "", via, bw_agents_remote(call));
}

/* ---- the driver ---- */

static struct bw_instant now(void *user)
{
    (void)user;
    return bw_clock_now();
}

static int64_t wall_ms(void *user)
{
    (void)user;
    return bw_clock_wall().unix_ms;
}

static uint64_t leader(void *user)
{
    const struct bw_program *program = user;
    struct bw_node_status status;

    bw_node_get_status(program->node, &status);
    return status.leader_id;
}

/* A leader that leaves needs no word for it: then it just ends. */
static enum bw_err transfer(struct bw_program *program, const struct bw_witness_action *action)
{
    const enum bw_err err = bw_node_transfer(program->node, 0);

    if (err != BW_OK && action->peer != 0)
        bw_log_warn(&program->log, "raft.not_transferred", "id=%" PRIu64 " error=%s", action->peer,
                    bw_log_quote(bw_err_text(err)));
    if (err == BW_OK && action->text != NULL)
        bw_log_info(&program->log, "raft.handed_over", "group=%s why=%s",
                    program->groups[action->group].spec.name, bw_log_quote(action->text));
    return err;
}

static enum bw_err emit(void *user, const struct bw_witness_action *action, struct bw_diag *diag)
{
    struct bw_program *program = user;

    switch (action->kind) {
    case BW_WITNESS_ACTION_SUBMIT:
    case BW_WITNESS_ACTION_PROVE:
        return submit(program, action, diag);
    case BW_WITNESS_ACTION_RELAY:
        return bw_agents_relay(action->call, action->member);
    case BW_WITNESS_ACTION_ANSWER:
        bw_agents_answer(action->call, action->answer);
        break;
    case BW_WITNESS_ACTION_PASS_ON:
        bw_agents_pass_on(action->call);
        break;
    case BW_WITNESS_ACTION_REFUSE:
        bw_agents_refuse(action->call, action->refusal);
        break;
    case BW_WITNESS_ACTION_DECIDED:
        log_decision(program, action->group, action->decision);
        break;
    case BW_WITNESS_ACTION_REMOTE_FENCE:
        log_remote_fence(program, action->group, action->news);
        break;
    case BW_WITNESS_ACTION_NOT_TAKEN:
        bw_log_warn(&program->log, "proposal.refused", "group=%s error=%s",
                    program->groups[action->group].spec.name, bw_log_quote(action->text));
        break;
    case BW_WITNESS_ACTION_NOT_FOUNDED:
        bw_log_error(&program->log, "cluster.bootstrap_failed", "error=%s", bw_log_quote(action->text));
        break;
    case BW_WITNESS_ACTION_REPORTED:
        note_contact(program, action->call);
        break;
    case BW_WITNESS_ACTION_CONFIRMED:
        note_confirmed(program, action);
        break;
    case BW_WITNESS_ACTION_UNCONFIRMED:
        program->counters.renewals_unconfirmed++;
        break;
    case BW_WITNESS_ACTION_APPLIED:
        bw_operator_on_applied(program, action->apply);
        break;
    case BW_WITNESS_ACTION_TRANSFER:
        return transfer(program, action);
    case BW_WITNESS_ACTION_END:
        program->drive.is_over = true;
        break;
    }
    return BW_OK;
}

/* ---- life ---- */

enum bw_err bw_drive_init(struct bw_program *program, struct bw_diag *diag)
{
    struct bw_drive *drive = &program->drive;
    const struct bw_witness_setup setup = {
        .driver = {.user = program, .now = now, .wall_ms = wall_ms, .leader = leader, .emit = emit},
        .name = program->config->name,
        .feature_level = BW_FEATURE_LEVEL_NEWEST,
        .groups = program->groups,
        .watches = program->watches,
        .group_max = BW_GROUPS_MAX,
        .answer_groups = program->answer_groups,
        .answer_group_max = BW_GROUPS_MAX,
        .record = &program->record->record};
    enum bw_err err;

    bw_witness_machine_init(&program->machine, &setup);
    bw_directory_rebuild(program);
    drive->wake_at = BW_INSTANT_NEVER;
    BW_ASSERT(uv_idle_init(&program->loop, &drive->settle) == 0); /* cannot fail */
    drive->settle.data = program;
    err = bw_deadline_init(&drive->wake, &program->loop, on_due, program, diag);
    drive->has_wake = err == BW_OK;
    if (err == BW_OK)
        bw_drive_refresh(program);
    return err;
}

void bw_drive_close(struct bw_program *program)
{
    struct bw_drive *drive = &program->drive;

    if (drive->settle.data != NULL && !uv_is_closing((uv_handle_t *)&drive->settle))
        uv_close((uv_handle_t *)&drive->settle, NULL);
    if (drive->has_wake)
        bw_deadline_close(&drive->wake, NULL);
}

static struct bw_member member_of(const struct bw_witness_member_config *config)
{
    struct bw_member member = {.id = config->id};

    _Static_assert(sizeof member.address == sizeof config->address, "an address is copied whole");
    memcpy(member.name, config->name, sizeof member.name);
    memcpy(member.address, config->address, sizeof member.address);
    return member;
}

static void list_members(const struct bw_witness_config *config,
                         struct bw_member members[BW_WITNESSES_MAX])
{
    memset(members, 0, BW_WITNESSES_MAX * sizeof members[0]);
    for (uint32_t i = 0; i < config->witness_count; i++)
        members[i] = member_of(&config->witnesses[i]);
}

/* Once the roster has names it says who they are, and the file only where they live. Before that a file that names
 * others than there are changes nobody either; who has begun with one may read it again. */
enum bw_err bw_drive_judge_members(const struct bw_program *program,
                                   const struct bw_witness_config *config, struct bw_diag *diag)
{
    const struct bw_witness_config *old = program->config;
    struct bw_member members[BW_WITNESSES_MAX], before[BW_WITNESSES_MAX];

    if (config->witnesses[config->self].id != old->witnesses[old->self].id)
        return bw_diag_set(diag, BW_ERR_REFUSED, "the id of this witness never changes");
    list_members(config, members);
    list_members(old, before);
    if (bw_node_roster(program->node)->id_max != 0 ||
        bw_witness_members_are_same(members, config->witness_count, before, old->witness_count))
        return BW_OK;
    return bw_witness_machine_judge_members(&program->machine, members, config->witness_count,
                                            diag);
}

void bw_drive_use_members(struct bw_program *program)
{
    const struct bw_directory *directory = &program->directory;
    struct bw_member members[BW_WITNESSES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < directory->count && count < BW_WITNESSES_MAX; i++)
        if (directory->list[i].is_member)
            members[count++] = member_of(&directory->list[i].config);
    bw_witness_machine_set_members(&program->machine, members, count);
}

/* ---- orders of people ---- */

enum bw_err bw_program_ask(struct bw_program *program, int group, const struct bw_wish *wish,
                           const char *remote, struct bw_proposer *proposer, struct bw_diag *diag)
{
    const enum bw_err err = bw_witness_machine_ask(&program->machine, group, wish, proposer, diag);

    if (err != BW_OK)
        return err;
    bw_log_info(&program->log, "request.accepted", "group=%s asked=%s site=%s by=%s remote=%s text=%s",
                program->groups[group].spec.name, bw_wish_word(wish->kind), bw_log_quote(wish->to),
                bw_log_quote(wish->by), remote, bw_log_quote(wish->text));
    bw_drive_settle_soon(program);
    return BW_OK;
}

/* ---- the node's events ---- */

void bw_program_on_role(struct bw_program *program, enum bw_node_role role, uint64_t term)
{
    (void)term;
    if (role != BW_NODE_LEADER) /* it may not act before its own barrier: on_ready_to_lead */
        bw_drive_step(program, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_NOT_LEADING});
}

void bw_program_on_ready_to_lead(struct bw_program *program, uint64_t term)
{
    if (program->is_closing)
        return;
    program->counters.terms_led++;
    bw_drive_step(program,
                  &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_LEADING, .term = term});
}
