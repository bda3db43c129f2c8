/* What the guard does, as log lines: each decision with its rule and the values it rested on. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/words.h>
#include <breakwater/sys/clock.h>

#define LINE_SHOWN_BYTES 1024 /* of a line that a script prints */
#define TAIL_SHOWN_BYTES 200  /* of the end of what a status script printed that nobody can read */

/* ---- a step -------------------------------------------------------------------------------- */

static BW_NAMES(fence_word, enum bw_fence_state, BW_FENCE_STATE_LIST, "?")

    static void log_fence(struct bw_guard_group *group)
{
    struct bw_log *log = &group->program->log;
    const struct bw_guard *machine = &group->machine;
    const struct bw_instant now = bw_clock_now();
    const uint64_t took_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, machine->fence_begun_at));
    const uint64_t left_ms = bw_ns_to_ms(bw_instant_left_ns(now, machine->mirror.armed_end));
    const char *name = group->config->name;

    switch (machine->fence) {
    case BW_FENCE_NONE:
        return;
    case BW_FENCE_SCRIPT:
        bw_log_warn(log, "fence.begun", "group=%s epoch=%" PRIu64 " ordered=%s left_ms=%" PRIu64,
                    name, machine->fence_epoch, machine->fence_ordered ? "yes" : "no", left_ms);
        return;
    case BW_FENCE_CHECK:
    case BW_FENCE_TERM:
    case BW_FENCE_KILL:
    case BW_FENCE_RECHECK:
        bw_log_info(log, "fence.step",
                    "group=%s epoch=%" PRIu64 " step=%s took_ms=%" PRIu64 " left_ms=%" PRIu64, name,
                    machine->fence_epoch, fence_word(machine->fence), took_ms, left_ms);
        return;
    case BW_FENCE_DONE:
        bw_log_warn(log, "fence.ended", "group=%s epoch=%" PRIu64 " ok=yes took_ms=%" PRIu64, name,
                    machine->fence_epoch, took_ms);
        return;
    case BW_FENCE_FAILED:
        bw_log_error(log, "fence.ended",
                     "group=%s epoch=%" PRIu64 " ok=no took_ms=%" PRIu64
                     " does=\"tries again; see by hand whether anything serves\"",
                     name, machine->fence_epoch, took_ms);
        return;
    }
}

static void log_reach(struct bw_guard_group *group, const struct bw_guard_seen *before)
{
    struct bw_log *log = &group->program->log;
    const struct bw_reach_sight sight = bw_guard_sight(&group->machine);
    const char *name = group->config->name;

    if (sight.seen == before->reach && sight.proved == before->is_reach_proved)
        return;
    if (sight.seen == BW_REACH_OUTSIDE)
        bw_log_error(
            log, "reach.outside",
            "group=%s epoch=%" PRIu64
            " does=\"status says started, and nothing that a start has left runs in "
            "$BREAKWATER_CGROUP, nor one of `units`: a fence ends it only by its script, and "
            "time alone hands nothing over. Name its units in `stop_method`, or start it below "
            "$BREAKWATER_CGROUP\"",
            name, sight.epoch);
    else
        bw_log_info(
            log, "reach.seen", "group=%s epoch=%" PRIu64 " seen=%s proved=%s%s", name, sight.epoch,
            bw_reach_seen_word(sight.seen), sight.proved ? "yes" : "no",
            sight.seen == BW_REACH_INSIDE && !sight.proved
                ? " next=\"breakwater-chaos scripts, while the group is unmanaged, tests that a kill stops the service\""
                : "");
}

void bw_guard_log_step(struct bw_guard_group *group, const struct bw_guard_seen *before)
{
    struct bw_log *log = &group->program->log;
    const struct bw_guard *machine = &group->machine;
    const char *name = group->config->name;

    if (machine->memory.ended_epoch != before->ended_epoch)
        bw_log_info(log, "epoch.ended", "group=%s epoch=%" PRIu64, name,
                    machine->memory.ended_epoch);
    if (machine->memory.let_go_index != before->let_go_index)
        bw_log_info(log, "group.let_go", "group=%s index=%" PRIu64, name,
                    machine->memory.let_go_index);
    if (machine->mirror.armed_epoch != before->armed_epoch)
        bw_log_info(log, machine->mirror.armed_epoch != 0 ? "deadline.armed" : "deadline.disarmed",
                    "group=%s epoch=%" PRIu64 " ttl_ms=%" PRIu64 " fence_ms=%" PRIu64, name,
                    machine->mirror.armed_epoch != 0 ? machine->mirror.armed_epoch
                                                     : before->armed_epoch,
                    bw_ns_to_ms(machine->mirror.ttl_ns), bw_ns_to_ms(machine->mirror.fence_ns));
    if (machine->memory.enforced != before->enforced)
        bw_log_info(log, "group.enforced", "group=%s enforced=%s", name,
                    machine->memory.enforced ? "yes" : "no");
    if (machine->has_left && !before->has_left)
        bw_log_warn(log, "service.left_behind",
                    "group=%s epoch=%" PRIu64
                    " does=\"it gets TERM, and if it stays, the fence ends it\"",
                    name, machine->memory.epoch_seen);
    if (machine->fence != before->fence)
        log_fence(group);
    log_reach(group, before);
}

/* ---- an action ----------------------------------------------------------------------------- */

/* An agent that renews every second is refused every second: said when it begins. */
static void log_arm_refused(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    const struct bw_guard_message *message = &action->message;
    const bool is_news = group->logged_refusal != message->refused.why;

    group->logged_refusal = message->refused.why;
    bw_log_write(&group->program->log, is_news ? BW_LOG_WARN : BW_LOG_DEBUG, "arm.refused",
                 "group=%s epoch=%" PRIu64 " number=%" PRIu64 " refusal=%s rule=%s",
                 group->config->name, message->epoch, message->refused.number,
                 bw_refusal_word(message->refused.why), action->rule);
}

/* Its agent asks for it again each 100 ms, until the one that runs has ended. */
static bool is_awaited_look(const struct bw_guard_run_ended *ended)
{
    return ended->refusal == BW_REFUSAL_BUSY && !bw_action_is_action(ended->action);
}

static void log_message(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    struct bw_log *log = &group->program->log;
    const struct bw_guard_message *message = &action->message;
    const char *name = group->config->name;

    if (message->kind == BW_GUARD_MESSAGE_ARM_REFUSED)
        log_arm_refused(group, action);
    else if (message->kind == BW_GUARD_MESSAGE_ARMED)
        group->logged_refusal = BW_REFUSAL_NONE;
    else if (message->kind == BW_GUARD_MESSAGE_END_REFUSED)
        bw_log_info(log, "end.refused", "group=%s epoch=%" PRIu64 " refusal=%s rule=%s", name,
                    message->epoch, bw_refusal_word(message->refused.why), action->rule);
    else if (message->kind == BW_GUARD_MESSAGE_RUN_ENDED &&
             (message->ended.result == BW_RUN_REFUSED ||
              message->ended.result == BW_RUN_INTERRUPTED))
        bw_log_write(log, is_awaited_look(&message->ended) ? BW_LOG_DEBUG : BW_LOG_INFO,
                     message->ended.result == BW_RUN_REFUSED ? "run.refused" : "run.interrupted",
                     "group=%s epoch=%" PRIu64 " action=%s run=%" PRIu64 " refusal=%s rule=%s", name,
                     message->ended.epoch, bw_action_word(message->ended.action),
                     message->ended.run_id, bw_refusal_word(message->ended.refusal), action->rule);
}

void bw_guard_log_action(struct bw_guard_group *group, const struct bw_guard_action *action)
{
    struct bw_log *log = &group->program->log;
    const struct bw_guard_work *work = &group->work[action->slot];
    const char *name = group->config->name;

    switch (action->kind) {
    case BW_GUARD_ACTION_GO:
        bw_log_write(
            log, bw_action_is_action(work->run.action) ? BW_LOG_INFO : BW_LOG_DEBUG, "run.begun",
            "group=%s epoch=%" PRIu64 " action=%s run=%" PRIu64 " pid=%ld limit_ms=%" PRIu64, name,
            work->run.epoch, bw_action_word(work->run.action), work->run.run_id,
            (long)bw_script_pid(work->script), bw_ns_to_ms(action->limit_ns));
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        bw_log_info(log, "run.killed", "group=%s epoch=%" PRIu64 " action=%s rule=%s", name,
                    work->run.epoch, bw_action_word(work->run.action), action->rule);
        break;
    case BW_GUARD_ACTION_TERM_STARTED:
    case BW_GUARD_ACTION_TERM_REACH:
    case BW_GUARD_ACTION_KILL_REACH:
        bw_log_warn(log, "reach.signaled", "group=%s signal=%s rule=%s", name,
                    action->kind == BW_GUARD_ACTION_KILL_REACH ? "KILL" : "TERM", action->rule);
        break;
    case BW_GUARD_ACTION_SEND:
        log_message(group, action);
        break;
    case BW_GUARD_ACTION_PASS: /* the list says it */
    case BW_GUARD_ACTION_SAVE:
    case BW_GUARD_ACTION_MIRROR:
    case BW_GUARD_ACTION_SPAWN: /* GO, or its failure, says it */
        break;
    }
}

/* ---- a script ------------------------------------------------------------------------------ */

void bw_guard_log_line(struct bw_guard_work *work, enum bw_script_stream stream, const char *line,
                       size_t bytes)
{
    char text[LINE_SHOWN_BYTES + 4];
    const size_t shown = bytes < LINE_SHOWN_BYTES ? bytes : LINE_SHOWN_BYTES;

    memcpy(text, line, shown);
    memcpy(text + shown, shown < bytes ? "..." : "", shown < bytes ? 4 : 1);
    bw_log_write(&work->group->program->log,
                 bw_action_is_action(work->run.action) ? BW_LOG_INFO : BW_LOG_DEBUG, "script.said",
                 "group=%s epoch=%" PRIu64 " action=%s stream=%s line=%s",
                 work->group->config->name, work->run.epoch, bw_action_word(work->run.action),
                 stream == BW_SCRIPT_STDOUT ? "stdout" : "stderr", bw_log_quote(text));
}

static void log_oddities(struct bw_guard_work *work, const struct bw_script_result *result)
{
    struct bw_guard_group *group = work->group;
    struct bw_log *log = &group->program->log;
    const enum bw_action_kind action = work->run.action;
    const char *name = group->config->name;

    if (result->by_shell && !group->has_warned_shell[action]) {
        group->has_warned_shell[action] = true;
        bw_log_warn(log, "script.by_shell",
                    "group=%s script=%s does=\"given to bash or sh: make it executable, with a #! "
                    "line\"",
                    name, bw_log_quote(bw_group_config_run_name(group->config, action)));
    }
    if (result->tree != BW_OK)
        bw_log_error(log, "script.tree_left",
                     "group=%s action=%s error=%s does=\"the fence will meet it\"", name,
                     bw_action_word(action), bw_log_quote(result->diag->text));
    if (result->has_swept)
        bw_log_warn(
            log, "script.left_behind",
            "group=%s action=%s does=\"what it left running was ended: what is to live on has "
            "to move into $BREAKWATER_CGROUP\"",
            name, bw_action_word(action));
    if (result->kept.dropped_bytes > 0 || result->is_line_cut)
        bw_log_warn(log, "script.output_cut",
                    "group=%s action=%s dropped_bytes=%" PRIu64 " line_cut=%s", name,
                    bw_action_word(action), result->kept.dropped_bytes,
                    result->is_line_cut ? "yes" : "no");
}

/* Why people see status_unknown: once, until it is readable again. */
static void log_unreadable(struct bw_guard_work *work, const struct bw_script_result *result)
{
    struct bw_guard_group *group = work->group;
    const enum bw_run_result how = work->ended.result;
    const size_t bytes = strlen(work->ended.tail);
    const char *tail = work->ended.tail + (bytes > TAIL_SHOWN_BYTES ? bytes - TAIL_SHOWN_BYTES : 0);

    if (work->run.action != BW_ACTION_STATUS || how == BW_RUN_KILLED)
        return;
    if (how == BW_RUN_OK && bw_service_of_line(work->ended.line) != BW_SERVICE_UNKNOWN) {
        group->has_logged_unreadable = false;
        return;
    }
    if (group->has_logged_unreadable)
        return;
    group->has_logged_unreadable = true;
    bw_log_warn(
        &group->program->log, "status.parse_failed",
        "group=%s script=%s how=\"%s\" code=%d line=%s tail=%s does=\"the service is unknown, "
        "which is no word for stopped\"",
        group->config->name, bw_log_quote(group->config->scripts[BW_ACTION_STATUS]),
        bw_script_how_text(result->how), result->code, bw_log_quote(work->ended.line),
        bw_log_quote(tail));
}

/* Of a group that is known by what was kept of it the first look tells which scripts are there. */
void bw_guard_log_digest(const struct bw_guard_work *work)
{
    const struct bw_guard_group *group = work->group;
    const uint64_t known = group->machine.limits.digest;

    if (work->digest == 0 || known == 0 || work->digest == known)
        return;
    bw_log_warn(
        &group->program->log, "scripts.changed",
        "group=%s action=%s does=\"what was seen of its reach, and what a trial has proved, is not known "
        "of these scripts: an epoch that was seen inside before is still handed over by time alone, a "
        "later one once they have started the service and it was seen inside\"",
        group->config->name, bw_action_word(work->run.action));
}

void bw_guard_log_end(struct bw_guard_work *work, const struct bw_script_result *result)
{
    const bool is_fine = work->ended.result == BW_RUN_OK;
    const bool is_action = bw_action_is_action(work->run.action);
    enum bw_log_level level = BW_LOG_INFO;

    if (!is_action)
        level = BW_LOG_DEBUG;
    else if (!is_fine)
        level = BW_LOG_WARN;
    bw_log_write(&work->group->program->log, level, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=%s run=%" PRIu64
                 " result=%s how=\"%s\" code=%d took_ms=%" PRIu32 " line=%s%s%s",
                 work->group->config->name, work->run.epoch, bw_action_word(work->run.action),
                 work->run.run_id, bw_run_result_word(work->ended.result),
                 bw_script_how_text(result->how), result->code, work->ended.duration_ms,
                 bw_log_quote(work->ended.line), result->diag->text[0] != '\0' ? " error=" : "",
                 result->diag->text[0] != '\0' ? bw_log_quote(result->diag->text) : "");
    log_oddities(work, result);
    log_unreadable(work, result);
}
