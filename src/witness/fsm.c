/* fsm.c - log entries and snapshots <-> the machine. Called from within libraft's step: nothing
 * here submits. Design 3.1, 5.3. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>

#include <breakwater/sys/clock.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

/* The leader's log tells what was decided; a follower repeats it on demand only. */
static void log_applied(struct bw_program *program, uint64_t index,
                        const struct bw_command *command, const struct bw_applied *applied)
{
    enum bw_log_level level = program->machine.core.leadership.leads ? BW_LOG_INFO : BW_LOG_DEBUG;

    if (applied->rule == NULL) {
        bw_log_write(&program->log, level == BW_LOG_INFO ? BW_LOG_WARN : level, "command.no_op",
                     "index=%" PRIu64 " command=%s group=%s epoch=%" PRIu64 " why=%s", index,
                     bw_command_word(command->kind), bw_log_quote(command->group), command->epoch,
                     bw_log_quote(bw_err_text(applied->err)));
        return;
    }
    bw_log_write(
        &program->log, level, "command.applied",
        "index=%" PRIu64 " rule=%s command=%s group=%s epoch=%" PRIu64
        " site=%s reason=%s by=%s at_boot_ns=%" PRIu64,
        index, applied->rule->id, bw_command_word(command->kind), bw_log_quote(command->group),
        command->epoch, bw_log_quote(command->site[0] != '\0' ? command->site : command->target),
        bw_reason_word(command->reason), bw_log_quote(command->by), bw_clock_now().boot_ns);
}

static enum bw_err apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                         size_t size, struct bw_diag *diag)
{
    struct bw_program *program = user;
    struct bw_command command;
    struct bw_applied applied;
    enum bw_err err = bw_log_entry_decode(data, size, &command, diag);

    (void)term; /* the node's business */
    if (err == BW_OK)
        err = bw_witness_machine_admit(&program->machine, &command, diag); /* what it refuses allocates nothing */
    if (err != BW_OK)
        return err;
    applied = bw_witness_machine_apply(&program->machine, index, &command);
    if (applied.rule != NULL)
        program->counters.applied[command.kind]++;
    else
        program->counters.no_ops++;
    bw_drive_settle_soon(program);
    log_applied(program, index, &command, &applied);
    if (applied.rule != NULL && program->machine.core.leadership.leads)
        bw_on_event_tell(program, index, &command, &applied);
    if (command.kind == BW_COMMAND_SET_PEOPLE)
        bw_reads_forget(&program->reads); /* who may see what is another now */
    bw_log_entry_release(&command);
    return BW_OK;
}

static enum bw_err snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    struct bw_program *program = user;
    struct bw_diag diag = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    enum bw_err err = bw_snapshot_encode(&program->machine.cluster, NULL, 0, &size, &diag);

    if (err == BW_OK) {
        data = malloc(size);
        err = data == NULL ? bw_diag_set(&diag, BW_ERR_NOMEM, "no memory for %zu bytes", size)
                           : bw_snapshot_encode(&program->machine.cluster, data, size, &size, &diag);
    }
    if (err != BW_OK) {
        free(data);
        bw_log_error(&program->log, "snapshot.failed", "error=%s next=%s", bw_log_quote(diag.text),
                     bw_log_quote("the log grows until one succeeds"));
        return err;
    }
    *out_data = data;
    *out_size = size;
    return BW_OK;
}

static enum bw_err restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    struct bw_program *program = user;
    enum bw_err err = bw_snapshot_decode(data, size, &program->machine.cluster, diag);

    if (err == BW_OK)
        err = bw_witness_machine_restored(&program->machine, diag);
    if (err != BW_OK)
        return err;
    bw_reads_forget(&program->reads); /* they are of the state before, and of its readers */
    bw_drive_settle_soon(program);
    bw_log_info(&program->log, "snapshot.restored", "index=%" PRIu64 " groups=%" PRIu32,
                program->machine.cluster.applied_index, program->machine.cluster.group_count);
    return BW_OK;
}

struct bw_fsm_ops bw_program_fsm(void)
{
    return (struct bw_fsm_ops){.apply = apply, .snapshot = snapshot, .restore = restore};
}
