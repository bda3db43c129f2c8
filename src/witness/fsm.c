/* fsm.c - log entries and snapshots <-> the cluster. Called from within libraft's step: nothing
 * here submits. Design 3.1, 5.3. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/feature_level.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

/* A witness that was initialised for another cluster, or with another election timeout, would take
 * part in decisions that it was never meant for. */
static enum bw_err check_identity(const struct bw_program *program, struct bw_id cluster_id,
                                  uint32_t election_timeout_ms, struct bw_diag *diag)
{
    const struct bw_data_dir_identity *own = bw_node_identity(program->node);
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
                           " ms and this data directory with %u ms",
                           election_timeout_ms, own->election_timeout_ms);
    return BW_OK;
}

/* The leader's log tells what was decided; a follower repeats it on demand only. */
static void log_applied(struct bw_program *program, uint64_t index,
                        const struct bw_command *command, const struct bw_applied *applied)
{
    enum bw_log_level level = program->machine.leadership.leads ? BW_LOG_INFO : BW_LOG_DEBUG;

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
    if (err != BW_OK)
        return err;
    if (command.kind == BW_COMMAND_FOUND && bw_id_is_none(program->cluster.id)) {
        err = check_identity(program, command.cluster_id, command.election_timeout_ms, diag);
        if (err != BW_OK)
            return err;
    }
    err = bw_feature_level_admit(command.feature_level, BW_FEATURE_LEVEL_NEWEST, diag);
    if (err != BW_OK)
        return err;
    applied = bw_cluster_apply(&program->cluster, index, &command);
    bw_witness_on_applied(&program->machine, &command, &applied, bw_clock_now());
    if (applied.rule != NULL)
        program->counters.applied[command.kind]++;
    else
        program->counters.no_ops++;
    bw_agenda_note(program, index, &applied);
    if (applied.rule != NULL)
        bw_agenda_change(program, applied.group);
    log_applied(program, index, &command, &applied);
    return BW_OK;
}

static enum bw_err snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    struct bw_program *program = user;
    struct bw_diag diag = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    enum bw_err err = bw_snapshot_encode(&program->cluster, NULL, 0, &size, &diag);

    if (err == BW_OK) {
        data = malloc(size);
        err = data == NULL ? bw_diag_set(&diag, BW_ERR_NOMEM, "no memory for %zu bytes", size)
                           : bw_snapshot_encode(&program->cluster, data, size, &size, &diag);
    }
    if (err != BW_OK) {
        free(data);
        bw_log_error(&program->log, "snapshot.failed", "why=%s next=%s", bw_log_quote(diag.text),
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
    enum bw_err err = bw_snapshot_decode(data, size, &program->cluster, diag);

    if (err == BW_OK)
        err = bw_feature_level_admit(program->cluster.feature_level, BW_FEATURE_LEVEL_NEWEST, diag);
    if (err != BW_OK)
        return err;
    if (!bw_id_is_none(program->cluster.id)) {
        err = check_identity(program, program->cluster.id, program->cluster.election_timeout_ms,
                             diag);
        if (err != BW_OK)
            return err;
    }
    bw_witness_on_restored(&program->machine, bw_clock_now());
    bw_agenda_change(program, -1);
    bw_log_info(&program->log, "snapshot.restored", "index=%" PRIu64 " groups=%" PRIu32,
                program->cluster.applied_index, program->cluster.group_count);
    return BW_OK;
}

struct bw_fsm_ops bw_program_fsm(void)
{
    return (struct bw_fsm_ops){.apply = apply, .snapshot = snapshot, .restore = restore};
}
