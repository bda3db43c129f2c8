/* Runs of scripts in a sandbox, and the processes that they leave. */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/script_env.h>
#include <breakwater/steps/steps.h>
#include <breakwater/sys/process_tree.h>

#define LEASE_MS   15000 /* what BREAKWATER_LEASE_REMAINING_MS says */
#define SETTLE_MS  500 /* a last process of an observation that is about to end by itself */
#define END_ALL_MS 2000
#define LOOK_MS    20
#define NOTES_MAX  1024 /* what a socket can hold, several times over */

/* ---- text from outside ----------------------------------------------------------------------- */

/* Copies what can be shown of `bytes`; everything else is a question mark. */
static void copy_printable(char *out, size_t size, const char *bytes, size_t count)
{
    size_t used = 0;

    for (size_t i = 0; i < count && used + 1 < size; i++) {
        const unsigned char c = (unsigned char)bytes[i];

        out[used++] = (char)(c < ' ' || c >= 0x7f ? '?' : c);
    }
    out[used] = '\0';
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    struct bw_sandbox_job *job = user;
    struct bw_sandbox_outcome *outcome = &job->outcome;
    const size_t room = sizeof outcome->tail - 1;

    (void)run;
    if (bytes == 0)
        return;
    copy_printable(outcome->last_line, sizeof outcome->last_line, line, bytes);
    if (stream != BW_SCRIPT_STDOUT)
        return;
    outcome->stdout_lines++;
    if (bytes + 1 > room)
        return; /* the guard keeps none that long, either */
    while (job->tail_bytes + bytes + 1 > room) {
        const char *end = memchr(outcome->tail, '\n', job->tail_bytes);
        const size_t first = (size_t)(end - outcome->tail) + 1; /* each line ends in one */

        job->tail_bytes -= first;
        memmove(outcome->tail, outcome->tail + first, job->tail_bytes);
    }
    copy_printable(outcome->tail + job->tail_bytes, bytes + 1, line, bytes);
    job->tail_bytes += bytes;
    outcome->tail[job->tail_bytes++] = '\n';
    outcome->tail[job->tail_bytes] = '\0';
}

const char *bw_sandbox_end_text(const struct bw_sandbox_outcome *outcome,
                                char out_text[BW_SANDBOX_END_BYTES])
{
    char time[BW_TRIAL_MS_BYTES];
    char how[96];

    if (!outcome->was_begun || outcome->how == BW_SCRIPT_NOT_STARTED) {
        (void)snprintf(out_text, BW_SANDBOX_END_BYTES, "could not be run: %.280s", outcome->why);
        return out_text;
    }
    (void)bw_trial_ms_text(outcome->duration_ns, time);
    if (outcome->how == BW_SCRIPT_EXITED)
        (void)snprintf(how, sizeof how, "exit %d after %s", outcome->code, time);
    else if (outcome->how == BW_SCRIPT_SIGNALED)
        (void)snprintf(how, sizeof how, "ended by signal %d after %s", outcome->code, time);
    else if (outcome->how == BW_SCRIPT_TIMED_OUT)
        (void)snprintf(how, sizeof how, "not ended within its limit, killed after %s", time);
    else
        (void)snprintf(how, sizeof how, "%s after %s", bw_script_how_text(outcome->how), time);
    if (outcome->last_line[0] != '\0')
        (void)snprintf(out_text, BW_SANDBOX_END_BYTES, "%s, last line \"%s\"", how,
                       outcome->last_line);
    else
        (void)snprintf(out_text, BW_SANDBOX_END_BYTES, "%s", how);
    return out_text;
}

/* ---- what is kept of a run ------------------------------------------------------------------- */

static void note_run(struct bw_sandbox_job *job, const char *when, int percent)
{
    const struct bw_sandbox_outcome *outcome = &job->outcome;
    struct bw_trial_report *report = job->sandbox->report;
    struct bw_trial_time *time = &report->times[job->action];
    struct bw_trial_run run = {.action = job->action, .duration_ns = outcome->duration_ns};
    char text[BW_TRIAL_MS_BYTES];

    (void)snprintf(run.when, sizeof run.when, "%s", when);
    if (!outcome->was_begun || outcome->how == BW_SCRIPT_NOT_STARTED)
        (void)snprintf(run.end, sizeof run.end, "could not be run");
    else if (outcome->how == BW_SCRIPT_EXITED)
        (void)snprintf(run.end, sizeof run.end, "exit %d", outcome->code);
    else if (outcome->how == BW_SCRIPT_KILLED && percent > 0)
        (void)snprintf(run.end, sizeof run.end, "killed at %d %%", percent);
    else
        (void)snprintf(run.end, sizeof run.end, "%s", bw_script_how_text(outcome->how));
    if (!bw_action_is_action(job->action) && job->action != BW_ACTION_FENCE)
        copy_printable(run.word, sizeof run.word, outcome->first_line, strlen(outcome->first_line));
    if (outcome->how == BW_SCRIPT_EXITED && outcome->code == 0 && outcome->was_begun) {
        time->first_ns = time->count == 0 ? outcome->duration_ns : time->first_ns;
        time->min_ns = time->count == 0 || outcome->duration_ns < time->min_ns
                           ? outcome->duration_ns
                           : time->min_ns;
        time->max_ns = outcome->duration_ns > time->max_ns ? outcome->duration_ns : time->max_ns;
        time->sum_ns += outcome->duration_ns;
        time->count++;
    }
    if (report->run_count < BW_TRIAL_RUNS_MAX)
        report->runs[report->run_count++] = run;
    else
        report->unlisted_count++;
    (void)fprintf(stderr, "  %-10s %-34s %-18s %8s  %s\n", bw_action_word(job->action), when,
                  run.end, bw_trial_ms_text(outcome->duration_ns, text), run.word);
}

static void judge_leftovers(struct bw_sandbox_job *job, uint32_t left)
{
    if (left == 0)
        return;
    if (bw_action_is_action(job->action) || job->action == BW_ACTION_FENCE)
        bw_trial_find(job->sandbox->report, BW_TRIAL_STOP_LEFTOVERS, BW_TRIAL_PROBLEM,
                      "%" PRIu32 " process%s of %s outlived it; the guard kills such", left,
                      left == 1 ? "" : "es", bw_script_key(job->action));
    else
        bw_trial_find(job->sandbox->report, BW_TRIAL_OBSERVE_LEFTOVERS, BW_TRIAL_WARNING,
                      "%" PRIu32 " process%s of %s outlived it", left, left == 1 ? "" : "es",
                      bw_script_key(job->action));
}

static void judge_run(const struct bw_sandbox_job *job)
{
    const struct bw_sandbox_outcome *outcome = &job->outcome;
    struct bw_trial_report *report = job->sandbox->report;
    const char *key = bw_script_key(job->action);

    if (outcome->by_shell)
        bw_trial_find(report, BW_TRIAL_FILE_SHELL, BW_TRIAL_WARNING, "%s was given to bash or sh",
                      key);
    if (outcome->dropped_bytes > 0)
        bw_trial_find(report, BW_TRIAL_OUTPUT_BOUND, BW_TRIAL_WARNING,
                      "%s printed %" PRIu64 " bytes more than are kept of a run", key,
                      outcome->dropped_bytes);
    else if (outcome->is_line_cut)
        bw_trial_find(report, BW_TRIAL_OUTPUT_BOUND, BW_TRIAL_WARNING,
                      "%s printed a line of more than %d bytes", key, BW_SCRIPT_LINE_BYTES_MAX);
    else
        bw_trial_pass(report, BW_TRIAL_OUTPUT_BOUND, "of every run");
}

/* ---- what steps say ---------------------------------------------------------------------------
 *
 * As their guard, this process reads on what they leave: whoever writes there would break without. */

struct bw_sandbox_channel {
    uv_poll_t poll;
    int fd;
    struct bw_sandbox_job *job;
};

static enum bw_steps_heard hear(struct bw_sandbox_channel *channel)
{
    struct bw_steps_note note;

    return bw_steps_hear(channel->fd, BW_STEPS_MAX, &channel->job->sandbox->runner, &note);
}

static void hear_all(struct bw_sandbox_channel *channel)
{
    enum bw_steps_heard heard = BW_STEPS_HEARD_OTHER;

    for (int i = 0; i < NOTES_MAX && (heard == BW_STEPS_HEARD_NOTE || heard == BW_STEPS_HEARD_OTHER); i++)
        heard = hear(channel);
    if (heard == BW_STEPS_HEARD_END)
        uv_poll_stop(&channel->poll); /* its end is told by itself */
}

static void on_note(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error is met again by the read */
    (void)events;
    hear_all(poll->data);
}

static void on_channel_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Its end for the steps in `out_theirs`: to be closed once they are forked. */
static enum bw_err open_channel(struct bw_sandbox_job *job, int *out_theirs, struct bw_diag *diag)
{
    struct bw_sandbox_channel *channel = calloc(1, sizeof *channel);
    int ends[2];

    BW_ASSERT(channel != NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        free(channel);
        return bw_diag_errno(diag, errno, "make the channel of steps");
    }
    BW_ASSERT(uv_poll_init(&job->sandbox->loop, &channel->poll, ends[0]) == 0);
    channel->poll.data = channel;
    channel->fd = ends[0];
    channel->job = job;
    BW_ASSERT(uv_poll_start(&channel->poll, UV_READABLE, on_note) == 0);
    job->channel = channel;
    *out_theirs = ends[1];
    return BW_OK;
}

static void close_channel(struct bw_sandbox_job *job)
{
    struct bw_sandbox_channel *channel = job->channel;

    if (channel == NULL)
        return;
    hear_all(channel);
    job->channel = NULL;
    uv_close((uv_handle_t *)&channel->poll, on_channel_closed);
    (void)close(channel->fd); /* only read from */
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void on_end(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_sandbox_job *job = user;
    struct bw_sandbox_outcome *outcome = &job->outcome;
    size_t count = 0;

    (void)run;
    job->run = NULL;
    job->is_done = true;
    outcome->how = result->how;
    outcome->code = result->code;
    outcome->duration_ns = result->duration_ns;
    outcome->dropped_bytes = result->kept.dropped_bytes;
    outcome->is_line_cut = result->is_line_cut;
    outcome->by_shell = result->by_shell;
    close_channel(job);
    copy_printable(outcome->first_line, sizeof outcome->first_line, result->first_line,
                   strlen(result->first_line));
    copy_printable(outcome->why, sizeof outcome->why, result->diag->text,
                   strlen(result->diag->text));
    if (result->has_leftovers &&
        bw_reach_list(&job->sandbox->reaches[job->who], job->slot, NULL, 0, &count, NULL) != BW_OK)
        count = 1; /* an error is never none */
    outcome->leftovers = (uint32_t)count;
}

static enum bw_reach_slot slot_of(enum bw_action_kind action)
{
    if (action == BW_ACTION_START)
        return BW_REACH_SERVICE;
    if (action == BW_ACTION_FENCE)
        return BW_REACH_FENCE;
    return bw_action_is_action(action) ? BW_REACH_ACTION : BW_REACH_OBSERVE;
}

/* What was stopped or fenced is over, as it is under a guard: the start after it is another
 * grant's. */
static uint64_t epoch_of(struct bw_trial_report *report, enum bw_action_kind action)
{
    if (report->epochs == 0 || (action == BW_ACTION_START && report->is_over)) {
        report->epochs++;
        report->is_over = false;
    }
    if (action == BW_ACTION_STOP || action == BW_ACTION_FENCE)
        report->is_over = true;
    return report->epochs;
}

static void begin(struct bw_sandbox_job *job, struct bw_sandbox *sandbox,
                  enum bw_action_kind action, enum bw_sandbox_who who)
{
    static const struct bw_run_facts facts = {.reason = BW_REASON_SITE_LOST,
                                              .grade = BW_GRADE_EXPIRED};
    const struct bw_script_order order = {
        .group = sandbox->group,
        .site = sandbox->site->site,
        .epoch = epoch_of(sandbox->report, action),
        .facts = &facts,
        .lease_remaining_ms = LEASE_MS,
        .cgroup = bw_reach_service_cgroup(&sandbox->reaches[who], slot_of(action)),
        .carries_env = bw_group_config_steps(sandbox->group, action) != NULL};
    struct bw_script_env env;
    struct bw_diag diag = {0};
    int channel = -1;
    enum bw_err err = bw_script_env_init(&env, &order, &diag);

    *job = (struct bw_sandbox_job){
        .sandbox = sandbox, .action = action, .who = who, .slot = slot_of(action)};
    if (err == BW_OK) {
        static struct bw_steps_plan plan; /* one loop, one thread */
        struct bw_script_spec spec = {
            .path = sandbox->group->scripts[action],
            .env = env.list,
            .reach = &sandbox->reaches[who],
            .slot = job->slot,
            .leftovers = BW_SCRIPT_KEEP_LEFTOVERS, /* to be seen; then ended as the guard does */
            .refuses_writable = !sandbox->group->allow_writable_scripts,
            .limit_ns = bw_ms_to_ns(sandbox->group->timeout_ms[action]),
            .kill_grace_ns = bw_ms_to_ns(sandbox->group->kill_grace_ms),
            .on_line = on_line,
            .tells_all = true, /* as the guard, of readiness; it keeps the end of it */
            .on_end = on_end,
            .user = job,
        };

        plan = (struct bw_steps_plan){.epoch = order.epoch};
        if (order.carries_env)
            err = open_channel(job, &channel, &diag);
        if (err == BW_OK && order.carries_env)
            bw_steps_order(sandbox->group, action, &channel, &plan, &spec);
        if (err == BW_OK)
            err = bw_script_start(&sandbox->runner, &spec, &job->run, &diag);
    }
    if (channel >= 0)
        (void)close(channel); /* the child's */
    bw_script_env_deinit(&env);
    if (err != BW_OK) {
        close_channel(job);
        job->run = NULL;
        job->is_done = true;
        copy_printable(job->outcome.why, sizeof job->outcome.why, diag.text, strlen(diag.text));
        return;
    }
    job->outcome.was_begun = true;
    bw_script_go(job->run, BW_INSTANT_NEVER);
}

static void wait_for_job(struct bw_sandbox_job *job)
{
    while (!job->is_done)
        (void)uv_run(&job->sandbox->loop, UV_RUN_ONCE); /* its limit and kill_grace bound it */
}

static void on_timer(uv_timer_t *timer)
{
    struct bw_sandbox *sandbox = timer->data;

    sandbox->has_fired = true;
}

static void set_timer(struct bw_sandbox *sandbox, uint64_t ms)
{
    sandbox->has_fired = false;
    uv_update_time(&sandbox->loop);
    BW_ASSERT(uv_timer_start(&sandbox->timer, on_timer, ms, 0) == 0);
}

bool bw_sandbox_pause(struct bw_sandbox *sandbox, uint64_t ms)
{
    set_timer(sandbox, ms);
    while (!sandbox->has_fired && !(sandbox->is_interrupted && !sandbox->is_ending))
        (void)uv_run(&sandbox->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&sandbox->timer); /* cannot fail */
    return sandbox->has_fired;
}

/* Pauses until the slot of `job` is empty, at most `ms`; returns how many are left. */
static size_t wait_until_empty(const struct bw_sandbox_job *job, int signal, uint64_t ms)
{
    const struct bw_reach *reach = &job->sandbox->reaches[job->who];
    size_t count = 1;

    for (uint64_t waited = 0; waited <= ms; waited += LOOK_MS) {
        if (bw_reach_list(reach, job->slot, NULL, 0, &count, NULL) == BW_OK && count == 0)
            return 0;
        if (signal != 0)
            (void)!bw_reach_signal(reach, job->slot, signal, NULL); /* looked at again */
        (void)bw_sandbox_pause(job->sandbox, LOOK_MS); /* interrupted, it only looks sooner */
    }
    return count;
}

/* What is left of a script that is no start: seen, said, and ended as the guard ends it. That does
 * so at once: what a stop leaves in the background must not get the time to do its work here. */
static void end_leftovers(struct bw_sandbox_job *job)
{
    size_t left;

    if (job->slot == BW_REACH_SERVICE || job->outcome.leftovers == 0)
        return;
    left = wait_until_empty(job, 0, job->slot == BW_REACH_OBSERVE ? SETTLE_MS : LOOK_MS);
    judge_leftovers(job, (uint32_t)left);
    if (left > 0)
        (void)wait_until_empty(job, SIGKILL, END_ALL_MS); /* what lives on shows in the census */
}

static void finish(struct bw_sandbox_job *job, const char *when, int percent)
{
    note_run(job, when, percent);
    judge_run(job);
    end_leftovers(job);
}

static bool is_fine(const struct bw_sandbox_job *job)
{
    return job->outcome.was_begun && job->outcome.how == BW_SCRIPT_EXITED && job->outcome.code == 0;
}

bool bw_sandbox_script(struct bw_sandbox *sandbox, enum bw_action_kind action, const char *when,
                       struct bw_sandbox_outcome *out_outcome)
{
    struct bw_sandbox_job *job = &sandbox->jobs[0];

    begin(job, sandbox, action, BW_SANDBOX_GUARD);
    wait_for_job(job);
    finish(job, when, 0);
    *out_outcome = job->outcome;
    return is_fine(job);
}

bool bw_sandbox_killed(struct bw_sandbox *sandbox, enum bw_action_kind action, uint64_t after_ns,
                       int percent, enum bw_action_kind beside, const char *when,
                       struct bw_sandbox_outcome *out_beside)
{
    struct bw_sandbox_job *job = &sandbox->jobs[0];
    struct bw_sandbox_job *other = &sandbox->jobs[1];
    bool was_killed;

    begin(job, sandbox, action, BW_SANDBOX_GUARD);
    set_timer(sandbox, bw_ns_to_ms(after_ns) > 0 ? bw_ns_to_ms(after_ns) : 1);
    while (!job->is_done && !sandbox->has_fired)
        (void)uv_run(&sandbox->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&sandbox->timer); /* cannot fail */
    was_killed = !job->is_done;
    if (was_killed) {
        bw_script_cancel(job->run);
        if (beside != BW_ACTION_NONE) {
            begin(other, sandbox, beside, BW_SANDBOX_GUARD);
            wait_for_job(other);
        }
    }
    wait_for_job(job);
    finish(job, when, percent);
    if (was_killed && beside != BW_ACTION_NONE) {
        finish(other, when, 0);
        *out_beside = other->outcome;
    }
    return was_killed;
}

bool bw_sandbox_twice(struct bw_sandbox *sandbox, enum bw_action_kind action, const char *when,
                      struct bw_sandbox_outcome out_outcomes[2])
{
    bool are_fine = true;

    begin(&sandbox->jobs[0], sandbox, action, BW_SANDBOX_GUARD);
    begin(&sandbox->jobs[1], sandbox, action, BW_SANDBOX_AGENT);
    for (int i = 0; i < 2; i++)
        wait_for_job(&sandbox->jobs[i]);
    for (int i = 0; i < 2; i++) {
        finish(&sandbox->jobs[i], when, 0);
        out_outcomes[i] = sandbox->jobs[i].outcome;
        are_fine = are_fine && is_fine(&sandbox->jobs[i]);
    }
    return are_fine;
}

/* ---- processes ------------------------------------------------------------------------------- */

static void read_command(pid_t pid, char *out, size_t size)
{
    char path[64];
    char text[512];
    ssize_t got = -1;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, text, sizeof text);
        (void)close(fd); /* only read from */
    }
    for (ssize_t i = 0; i < got; i++)
        text[i] = (char)(text[i] == '\0' ? ' ' : text[i]);
    copy_printable(out, size, text, got > 0 ? (size_t)got : 0);
}

static void count_process(struct bw_sandbox_census *census, pid_t pid)
{
    struct bw_process process;
    struct bw_sandbox_process *entry;

    if (bw_process_read(pid, &process, NULL) != BW_OK || process.is_dead)
        return; /* it has ended */
    if (census->count == BW_SANDBOX_PROCESSES_MAX) {
        census->unlisted++;
        return;
    }
    entry = &census->list[census->count++];
    *entry = (struct bw_sandbox_process){
        .pid = pid, .parent = process.parent, .start_ticks = process.start_ticks};
    read_command(pid, entry->command, sizeof entry->command);
}

static void count_other(void *user, long pid)
{
    if (pid > 1) /* 1 is this process */
        count_process(user, (pid_t)pid);
}

static bool count_reach(const struct bw_reach *reach, struct bw_sandbox_census *census)
{
    pid_t pids[BW_SANDBOX_PROCESSES_MAX];
    size_t count = 0;

    if (bw_reach_list(reach, BW_REACH_ALL, pids, BW_SANDBOX_PROCESSES_MAX, &count, NULL) != BW_OK)
        return false;
    if (count > BW_SANDBOX_PROCESSES_MAX) {
        census->unlisted += (uint32_t)(count - BW_SANDBOX_PROCESSES_MAX);
        count = BW_SANDBOX_PROCESSES_MAX;
    }
    for (size_t i = 0; i < count; i++)
        count_process(census, pids[i]);
    return true;
}

static int compare_age(const void *a, const void *b)
{
    const struct bw_sandbox_process *first = a;
    const struct bw_sandbox_process *second = b;

    if (first->start_ticks != second->start_ticks)
        return first->start_ticks < second->start_ticks ? -1 : 1;
    return first->pid < second->pid ? -1 : first->pid > second->pid;
}

bool bw_sandbox_count(struct bw_sandbox *sandbox, struct bw_sandbox_census *out_census)
{
    bool is_known;

    *out_census = (struct bw_sandbox_census){0};
    is_known = sandbox->is_namespace ? bw_sandbox_each_pid(count_other, out_census)
                                     : count_reach(&sandbox->reaches[BW_SANDBOX_GUARD], out_census);
    qsort(out_census->list, out_census->count, sizeof out_census->list[0], compare_age);
    return is_known;
}

bool bw_sandbox_end_reach(struct bw_sandbox *sandbox, uint32_t *out_count)
{
    const struct bw_reach *reach = &sandbox->reaches[BW_SANDBOX_GUARD];
    pid_t pids[1];
    size_t count = 0;

    *out_count = 0;
    for (uint64_t waited = 0; waited <= END_ALL_MS; waited += LOOK_MS) {
        if (bw_reach_list(reach, BW_REACH_SERVED, pids, 1, &count, NULL) != BW_OK)
            return false;
        if (count == 0)
            return true;
        *out_count = (uint32_t)count > *out_count ? (uint32_t)count : *out_count;
        (void)!bw_reach_signal(reach, BW_REACH_SERVED, SIGKILL, NULL); /* looked at again */
        (void)bw_sandbox_pause(sandbox, LOOK_MS); /* interrupted, it only looks sooner */
    }
    return false;
}

bool bw_sandbox_end_all(struct bw_sandbox *sandbox)
{
    struct bw_sandbox_census census;

    for (uint64_t waited = 0; waited <= END_ALL_MS; waited += LOOK_MS) {
        if (bw_sandbox_count(sandbox, &census) && census.count == 0)
            return true;
        if (sandbox->is_namespace) {
            (void)kill(-1, SIGKILL); /* all of this namespace but this process; none: ESRCH */
        } else {
            (void)!bw_reach_signal(&sandbox->reaches[0], BW_REACH_ALL, SIGKILL, NULL);
            (void)!bw_reach_signal(&sandbox->reaches[1], BW_REACH_ALL, SIGKILL, NULL);
        }
        (void)bw_sandbox_pause(sandbox, LOOK_MS); /* interrupted, it only looks sooner */
    }
    return false;
}
