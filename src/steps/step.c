/* One try of one step: a script like the others, in a session of its own. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/config/scalar.h>
#include <breakwater/config/script_env.h>

#define OWN_PREFIX    "BREAKWATER_"
#define OWN_MAX       (BW_SCRIPT_VARIABLE_COUNT + 1 + BW_ENV_MAX) /* and the mark */
#define ROUNDS_MAX    200 /* of KILL; what outlives them, or cannot be seen, the end of the whole run meets */
#define ROUND_MS      5
#define SIGNALED_BASE 128 /* as shells say it */
#define STATUS_LIMIT  124 /* as timeout(1) says it */
#define STATUS_UNRUN  126 /* as shells say it */

/* ---- its end --------------------------------------------------------------------------------- */

static int status_of(const struct bw_script_result *result)
{
    switch (result->how) {
    case BW_SCRIPT_EXITED:
        return result->code;
    case BW_SCRIPT_SIGNALED:
        return SIGNALED_BASE + result->code;
    case BW_SCRIPT_TIMED_OUT:
        return STATUS_LIMIT;
    case BW_SCRIPT_KILLED:
        return SIGNALED_BASE + SIGTERM;
    case BW_SCRIPT_TOO_LATE:
    case BW_SCRIPT_NOT_STARTED:
        break;
    }
    return STATUS_UNRUN;
}

/* What a try that failed has left would run on beside the next one, and beside what comes after.
 * What has overwritten its environment shows nobody's mark: a child of ours by now, it is this try's
 * only where no other step ran beside it, and none that is done has left it. */
static void end_left(const struct bw_steps_step *step)
{
    const struct bw_steps_program *program = step->program;
    const struct bw_process_tree tree = {
        .mark = step->mark,
        .with_strays = !step->was_beside && !program->is_more_left,
        .others = program->left,
        .other_count = program->left_count,
    };
    size_t count = 1;

    for (int i = 0; i < ROUNDS_MAX && count != 0 && !program->is_blind; i++) {
        if (i > 0)
            bw_steps_pause(ROUND_MS);
        if (!bw_steps_look(step, &tree, SIGKILL, NULL, &count))
            count = 1; /* not seen is not gone */
    }
}

static bool is_known(const struct bw_steps_program *program, const struct bw_process *process)
{
    for (size_t i = 0; i < program->left_count; i++)
        if (program->left[i].pid == process->pid &&
            program->left[i].start_ticks == process->start_ticks)
            return true;
    return false;
}

static void note_left(struct bw_steps_program *program, const pid_t *pids, size_t count)
{
    program->is_more_left |= count > BW_STEPS_LEFT_MAX;
    for (size_t i = 0; i < count && !program->is_more_left; i++) {
        struct bw_process process;

        if (bw_process_read(pids[i], &process, NULL) != BW_OK || is_known(program, &process))
            continue; /* it has ended since, or was there before */
        program->is_more_left = program->left_count == BW_STEPS_LEFT_MAX;
        if (!program->is_more_left)
            program->left[program->left_count++] = process;
    }
}

/* A process without a mark may be another step's that runs: then less is kept than could be. */
static bool has_left(const struct bw_steps_step *step)
{
    const struct bw_process_tree tree = {.mark = step->mark, .with_strays = true};
    pid_t pids[BW_STEPS_LEFT_MAX];
    size_t count = 0;

    if (!bw_steps_look(step, &tree, 0, pids, &count)) {
        step->program->is_more_left = true; /* not seen is not gone */
        return true;
    }
    note_left(step->program, pids, count);
    return count != 0;
}

static enum bw_steps_note_kind note_of(const struct bw_steps_program *program, int index)
{
    switch (program->steps.state[index]) {
    case BW_STEP_DONE:
        return BW_STEPS_NOTE_DONE;
    case BW_STEP_WAITING:
        return BW_STEPS_NOTE_AGAIN;
    case BW_STEP_RUNNING:
    case BW_STEP_FAILED:
        break;
    }
    return BW_STEPS_NOTE_FAILED;
}

static void settle(struct bw_steps_step *step, int status, const struct bw_script_result *result)
{
    struct bw_steps_program *program = step->program;

    step->run = NULL;
    if (status != 0)
        end_left(step);
    else if (has_left(step) && program->plan.action == BW_ACTION_START)
        program->has_left = true; /* what a stop has left is spared by a later try all the same */
    bw_steps_on_ended(&program->steps, step->index, status);
    if (result != NULL && result->by_shell)
        bw_steps_tell(program, BW_STEPS_NOTE_BY_SHELL, step->index, NULL);
    bw_steps_tell(program, note_of(program, step->index), step->index, result);
    if (status == 0)
        bw_steps_journal_write(program);
}

/* The list ends with 124, and whoever reads that thinks of the limit of the list. */
static void say_limit(const struct bw_steps_step *step)
{
    char limit[BW_DURATION_TEXT_BYTES];
    char text[BW_DURATION_TEXT_BYTES + 64];

    bw_duration_format(step->program->plan.items[step->index].timeout_ms, limit);
    (void)snprintf(text, sizeof text, "not ended within the timeout of this step, %s",
                   limit); /* fits */
    bw_steps_tell_line(step->program, step->index, BW_SCRIPT_STDERR, text, strlen(text));
}

static void on_end(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_steps_step *step = user;

    (void)run;
    if (result->how == BW_SCRIPT_TIMED_OUT)
        say_limit(step);
    settle(step, status_of(result), result);
    bw_steps_go_on(step->program);
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    const struct bw_steps_step *step = user;

    (void)run;
    bw_steps_tell_line(step->program, step->index, stream, line, bytes);
}

/* ---- its beginning --------------------------------------------------------------------------- */

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

struct environment {
    char name[sizeof "BREAKWATER_STEP=" + BW_NAME_MAX];
    char attempt[sizeof "BREAKWATER_STEP_RUN=" + 16];
    const char *list[OWN_MAX + 3];
};

/* What the script in whose place it runs would be told, and which step it is. What the site has set for
 * scripts is theirs alone: with its LD_LIBRARY_PATH this program might not run. */
static void fill_environment(const struct bw_steps_step *step, struct environment *out)
{
    const struct bw_steps_program *program = step->program;
    size_t count = 0;

    for (char **at = environ; *at != NULL && count < OWN_MAX; at++)
        if (has_prefix(*at, BW_SCRIPT_ENV_CARRIED))
            out->list[count++] = *at + sizeof BW_SCRIPT_ENV_CARRIED - 1;
        else if (has_prefix(*at, OWN_PREFIX))
            out->list[count++] = *at;
    (void)snprintf(out->name, sizeof out->name, "BREAKWATER_STEP=%s",
                   program->plan.items[step->index].name);
    (void)snprintf(out->attempt, sizeof out->attempt, "BREAKWATER_STEP_RUN=%" PRIu32,
                   program->steps.tries[step->index]);
    out->list[count++] = out->name;
    out->list[count++] = out->attempt;
    out->list[count] = NULL;
}

/* The group's mark, by which a guard finds all of the run, and behind it this try's own. */
static void set_mark(struct bw_steps_step *step)
{
    const char *mark = getenv("BREAKWATER_REACH");

    (void)snprintf(step->mark, sizeof step->mark, BW_PROCESS_MARK "%s/%ld.%d.%" PRIu32 "/",
                   mark != NULL ? mark : "steps", (long)getpid(), step->index,
                   step->program->steps.tries[step->index]);
}

static uint64_t digest_of(const void *path)
{
    return bw_script_file_digest(path);
}

static enum bw_err start(struct bw_steps_step *step, struct bw_diag *diag)
{
    struct bw_steps_program *program = step->program;
    const struct bw_steps_plan *plan = &program->plan;
    const struct bw_steps_item *item = &plan->items[step->index];
    struct environment env;
    const struct bw_script_spec spec = {
        .path = item->script,
        .env = env.list,
        .mark = step->mark,
        .leftovers = plan->action == BW_ACTION_START ? BW_SCRIPT_KEEP_LEFTOVERS
                                                     : BW_SCRIPT_END_LEFTOVERS,
        .refuses_writable = !plan->allow_writable_scripts,
        .digest = plan->has_digests ? digest_of : NULL,
        .digest_of = item->script,
        .wanted_digest = plan->digests[step->index],
        .refuses_other = plan->has_digests,
        .limit_ns = bw_ms_to_ns(item->timeout_ms),
        .kill_grace_ns = bw_ms_to_ns(plan->kill_grace_ms),
        .on_line = on_line,
        .on_end = on_end,
        .user = step,
    };

    fill_environment(step, &env);
    return bw_script_start(&program->runner, &spec, &step->run, diag);
}

static void note_beside(struct bw_steps_step *step)
{
    struct bw_steps_program *program = step->program;

    step->was_beside = false;
    for (uint32_t i = 0; i < program->plan.count; i++)
        if (program->step[i].run != NULL) {
            program->step[i].was_beside = true;
            step->was_beside = true;
        }
}

void bw_steps_begin(struct bw_steps_program *program, int index)
{
    struct bw_steps_step *step = &program->step[index];
    struct bw_diag diag = {0};
    struct bw_script_result unrun = {.how = BW_SCRIPT_NOT_STARTED, .diag = &diag};

    set_mark(step);
    note_beside(step);
    if (start(step, &diag) != BW_OK) {
        settle(step, STATUS_UNRUN, &unrun);
        return;
    }
    if (bw_steps_is_ended()) { /* 3.2.4: whoever ends the run has been here before it */
        bw_steps_end(&program->steps);
        bw_script_cancel(step->run);
        return;
    }
    bw_steps_tell(program, BW_STEPS_NOTE_BEGUN, index, NULL);
    bw_script_go(step->run, BW_INSTANT_NEVER);
}
