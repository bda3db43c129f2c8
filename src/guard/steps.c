/* A start or a stop that is a list of steps: how it is begun, and what it says while it runs. What
 * it says is for people; the machine knows one script, and how that has ended. Design 5.1, steps.
 */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>

#define ANSWER_TAKES_NS (3 * BW_NS_PER_S)
#define NOTES_PER_TURN 16   /* then the loop serves the others first */
#define NOTES_AT_END   1024 /* what a socket can hold, several times over */

/* ---- what it says ---------------------------------------------------------------------------- */

static void log_note(const struct bw_guard_steps *steps, const struct bw_guard_step *step,
                     const struct bw_steps_note *note)
{
    struct bw_log *log = &steps->group->program->log;
    const char *name = steps->group->config->name;

    switch ((enum bw_steps_note_kind)note->kind) {
    case BW_STEPS_NOTE_KEPT:
        bw_log_info(log, "step.kept",
                    "group=%s epoch=%" PRIu64 " action=%s step=%s does=\"a run before this one had "
                    "done it\"",
                    name, steps->epoch, bw_action_word(steps->action), step->name);
        break;
    case BW_STEPS_NOTE_BEGUN:
        bw_log_info(log, "step.begun",
                    "group=%s epoch=%" PRIu64 " action=%s step=%s phase=%s attempt=%" PRIu32, name,
                    steps->epoch, bw_action_word(steps->action), step->name,
                    bw_step_phase_word(step->phase), step->attempt);
        break;
    case BW_STEPS_NOTE_BY_SHELL:
        bw_log_warn(log, "step.by_shell",
                    "group=%s action=%s step=%s does=\"given to bash or sh: make it executable, "
                    "with a #! line\"",
                    name, bw_action_word(steps->action), step->name);
        break;
    case BW_STEPS_NOTE_DONE:
    case BW_STEPS_NOTE_AGAIN:
    case BW_STEPS_NOTE_FAILED:
        bw_log_write(log, note->kind == BW_STEPS_NOTE_DONE ? BW_LOG_INFO : BW_LOG_WARN,
                     "step.ended",
                     "group=%s epoch=%" PRIu64 " action=%s step=%s attempt=%" PRIu32
                     " how=\"%s\" code=%" PRId32 " took_ms=%" PRIu64 " again=%s%s%s",
                     name, steps->epoch, bw_action_word(steps->action), step->name, step->attempt,
                     bw_script_how_text((enum bw_script_how)note->how), note->code, note->took_ms,
                     note->kind == BW_STEPS_NOTE_AGAIN ? "yes" : "no",
                     note->words[0] != '\0' ? " error=" : "",
                     note->words[0] != '\0' ? bw_log_quote(note->words) : "");
        break;
    case BW_STEPS_NOTE_ASKS_TO_PASS:
        bw_log_info(log, "step.waits",
                    "group=%s epoch=%" PRIu64 " action=%s step=%s does=\"it begins once the "
                    "witnesses have committed that it may\"",
                    name, steps->epoch, bw_action_word(steps->action), step->name);
        break;
    case BW_STEPS_NOTE_HELD:
    case BW_STEPS_NOTE_COUNT:
        break;
    }
}

static void tell_note(struct bw_guard_steps *steps, const struct bw_steps_note *note);

static void add_time(uint32_t *sum_ms, uint64_t took_ms)
{
    const uint64_t sum = *sum_ms + (took_ms == 0 ? 1 : took_ms);

    *sum_ms = sum < took_ms || sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

/* It asks until it is answered: again, or before it has read the answer that is on its way. */
static bool is_asked_again(const struct bw_guard_steps *steps, const struct bw_steps_note *note)
{
    return note->kind == BW_STEPS_NOTE_ASKS_TO_PASS &&
           (steps->asks_to_pass ||
            bw_instant_elapsed_ns(bw_clock_now(), steps->passed_at) < ANSWER_TAKES_NS);
}

static void take_note(struct bw_guard_steps *steps, const struct bw_steps_note *note)
{
    struct bw_guard_step *step = &steps->items[note->step];

    if (is_asked_again(steps, note))
        return;
    if (note->kind != BW_STEPS_NOTE_ASKS_TO_PASS)
        step->attempt = note->attempt;
    else
        steps->asks_to_pass = true;
    steps->has_kept |= note->kind == BW_STEPS_NOTE_KEPT;
    if (note->kind == BW_STEPS_NOTE_DONE || note->kind == BW_STEPS_NOTE_AGAIN ||
        note->kind == BW_STEPS_NOTE_FAILED)
        add_time(&steps->phase_ms[step->phase], note->took_ms);
    switch ((enum bw_steps_note_kind)note->kind) {
    case BW_STEPS_NOTE_BEGUN:
        step->state = BW_STEP_RUNNING;
        step->begun = bw_clock_now();
        break;
    case BW_STEPS_NOTE_KEPT:
    case BW_STEPS_NOTE_DONE:
        step->state = BW_STEP_DONE;
        break;
    case BW_STEPS_NOTE_AGAIN:
        step->state = BW_STEP_WAITING;
        break;
    case BW_STEPS_NOTE_FAILED:
        step->state = BW_STEP_FAILED;
        break;
    case BW_STEPS_NOTE_BY_SHELL:
    case BW_STEPS_NOTE_ASKS_TO_PASS:
    case BW_STEPS_NOTE_HELD:
    case BW_STEPS_NOTE_COUNT:
        break;
    }
    log_note(steps, step, note);
    tell_note(steps, note);
}

/* ---- what is told of it ---------------------------------------------------------------------- */

static void fill_progress(const struct bw_guard_steps *steps,
                          struct bw_steps_progress *out_progress)
{
    const struct bw_instant now = bw_clock_now();
    const struct bw_guard_step *oldest = NULL;

    *out_progress = (struct bw_steps_progress){.count = steps->count,
                                               .is_stop = steps->action == BW_ACTION_STOP};
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct bw_guard_step *step = &steps->items[i];

        out_progress->done += step->state == BW_STEP_DONE;
        if (step->state != BW_STEP_RUNNING)
            continue;
        out_progress->running++;
        if (oldest == NULL || step->begun.boot_ns < oldest->begun.boot_ns)
            oldest = step;
    }
    if (!steps->has_kept)
        memcpy(out_progress->phase_ms, steps->phase_ms, sizeof out_progress->phase_ms);
    if (oldest == NULL)
        return;
    (void)bw_copy_text(out_progress->name, sizeof out_progress->name,
                       oldest->name); /* of one size */
    out_progress->phase = oldest->phase;
    out_progress->attempt = oldest->attempt;
    out_progress->limit_ms = oldest->limit_ms;
    out_progress->age_ms = (uint32_t)bw_ns_to_ms(bw_instant_elapsed_ns(now, oldest->begun));
}

static void tell(struct bw_guard_steps *steps)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_RUN_BEGUN, .epoch = steps->epoch};

    (void)bw_copy_text(message.group, sizeof message.group, steps->group->config->name);
    message.begun.run_id = steps->run_id;
    message.begun.action = steps->action;
    message.begun.asks_to_pass = steps->asks_to_pass;
    fill_progress(steps, &message.begun.steps);
    steps->reported_at = bw_clock_now();
    bw_guard_agents_send(steps->group->program, &message);
}

void bw_guard_steps_tell(const struct bw_guard_work *work)
{
    if (work->steps != NULL && work->run.run_id != 0)
        tell(work->steps);
}

void bw_guard_steps_pass(const struct bw_guard_work *work)
{
    const char byte = BW_STEPS_PASS;

    if (work->steps == NULL)
        return;
    work->steps->asks_to_pass = false;
    work->steps->passed_at = bw_clock_now();
    bw_log_info(&work->group->program->log, "step.may_pass", "group=%s epoch=%" PRIu64,
                work->group->config->name, work->steps->epoch);
    (void)!send(work->steps->fd, &byte, sizeof byte,
                MSG_NOSIGNAL | MSG_DONTWAIT); /* who is gone waits for nothing */
}

/* What fails and is tried again many times a second is told once a second: an agent that does not
 * read is owed no more than that. */
static void tell_note(struct bw_guard_steps *steps, const struct bw_steps_note *note)
{
    const bool is_repeated = note->kind == BW_STEPS_NOTE_AGAIN ||
                             (note->kind == BW_STEPS_NOTE_BEGUN && note->attempt > 1);

    if (steps->run_id == 0 || note->kind == BW_STEPS_NOTE_BY_SHELL)
        return;
    if (is_repeated &&
        bw_instant_elapsed_ns(bw_clock_now(), steps->reported_at) < (uint64_t)BW_NS_PER_S)
        return;
    tell(steps);
}

static enum bw_steps_heard read_note(struct bw_guard_steps *steps)
{
    struct bw_steps_note note;
    const enum bw_steps_heard heard = bw_steps_hear(steps->fd, steps->count, &steps->group->program->runner, &note);

    if (heard == BW_STEPS_HEARD_NOTE)
        take_note(steps, &note);
    return heard;
}

static bool is_more(enum bw_steps_heard heard)
{
    return heard == BW_STEPS_HEARD_NOTE || heard == BW_STEPS_HEARD_OTHER;
}

static void on_note(uv_poll_t *poll, int status, int events)
{
    struct bw_guard_steps *steps = poll->data;
    enum bw_steps_heard heard = BW_STEPS_HEARD_OTHER;

    (void)status; /* an error is met again by the read */
    (void)events;
    for (int i = 0; i < NOTES_PER_TURN && is_more(heard); i++)
        heard = read_note(steps);
    if (heard == BW_STEPS_HEARD_END)
        uv_poll_stop(poll); /* its end is told by itself */
}

/* ---- its life -------------------------------------------------------------------------------- */

static void copy_steps(const struct bw_steps_config *list, struct bw_guard_steps *steps)
{
    steps->count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        (void)bw_copy_text(steps->items[i].name, sizeof steps->items[i].name,
                           list->items[i].name); /* of one size */
        steps->items[i].phase = list->items[i].phase;
        steps->items[i].limit_ms = list->items[i].timeout_ms;
    }
}

static void fill_plan(struct bw_guard_work *work, struct bw_steps_plan *plan)
{
    struct bw_guard_group *group = work->group;
    const struct bw_cgroup *aside = bw_reach_aside(&group->reach);

    memset(plan, 0, sizeof *plan);
    plan->epoch = work->run.epoch;
    plan->interrupted = work->interrupted;
    plan->is_held = work->run.facts.holds;
    if (work->run.action != BW_ACTION_START)
        return;
    if (aside != NULL)
        plan->aside = *aside;
    /* 5.1: one writer at a time, and none where it cannot go there. Without cgroups nobody counts them: an epoch has few
     * starts, and no other one begins while this disk hangs. */
    if ((aside == NULL && group->reach.means == BW_REACH_BY_CGROUP) ||
        !bw_copy_text(plan->directory, sizeof plan->directory, group->program->store.state_path))
        return; /* without a journal an interrupted one begins anew */
    (void)snprintf(plan->journal, sizeof plan->journal, "%s" BW_STEPS_JOURNAL_SUFFIX,
                   group->config->name); /* sized by the name */
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

enum bw_err bw_guard_steps_open(struct bw_guard_work *work, struct bw_steps_plan *plan,
                                struct bw_script_spec *spec, int *out_channel, struct bw_diag *diag)
{
    struct bw_guard_group *group = work->group;
    struct bw_guard_steps *steps = calloc(1, sizeof *steps);
    int ends[2];

    BW_ASSERT(work->steps == NULL); /* a slot has one run at a time */
    if (steps == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "make room for steps");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        free(steps);
        return bw_diag_errno(diag, errno, "make the channel of steps");
    }
    if (uv_poll_init(&group->program->loop, &steps->poll, ends[0]) != 0) {
        (void)close(ends[0]); /* nothing was said */
        (void)close(ends[1]);
        free(steps);
        return bw_diag_set(diag, BW_ERR_NOMEM, "watch the channel of steps");
    }
    steps->group = group;
    steps->action = work->run.action;
    steps->epoch = work->run.epoch;
    steps->run_id = work->run.run_id;
    steps->fd = ends[0];
    steps->poll.data = steps;
    copy_steps(bw_group_config_steps(group->config, work->run.action), steps);
    BW_ASSERT(uv_poll_start(&steps->poll, UV_READABLE, on_note) == 0);
    work->steps = steps;
    *out_channel = ends[1];
    fill_plan(work, plan);
    bw_steps_order(group->config, work->run.action, out_channel, plan, spec);
    return BW_OK;
}

void bw_guard_steps_close(struct bw_guard_work *work)
{
    struct bw_guard_steps *steps = work->steps;

    if (steps == NULL)
        return;
    work->steps = NULL;
    for (int i = 0; i < NOTES_AT_END && is_more(read_note(steps)); i++)
        continue;
    uv_close((uv_handle_t *)&steps->poll, on_closed);
    (void)close(steps->fd); /* only read from */
}
