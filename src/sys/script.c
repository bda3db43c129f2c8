#include <breakwater/base/words.h>
#include <breakwater/sys/script.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/deadline.h>
#include <breakwater/sys/process_tree.h>

#include "script_child.h"
#include "script_left.h"
#include "script_output.h"

#define READS_PER_TURN 4                             /* then the loop serves the others first */
#define READS_AT_END   64                            /* what a pipe can hold, several times over */
#define LOOK_NS        (UINT64_C(20) * BW_NS_PER_MS) /* between looks at a tree that got TERM */

enum stage {
    STAGE_WAITING,     /* forked; no go-ahead yet */
    STAGE_RUNNING,     /* it has the go-ahead */
    STAGE_TERMINATING, /* TERM was sent; KILL follows after the grace */
    STAGE_KILLING,     /* KILL goes out until none is left */
    STAGE_SWEEPING,    /* ended by itself; what it left in its slot is being ended */
    STAGE_ENDED,       /* on_end was called; handles are closing */
};

struct stream {
    uv_poll_t poll;
    int fd; /* -1: closed, or handed to a drain */
    enum bw_script_stream which;
    struct bw_script_run *run;
    struct bw_script_lines lines;
    char last_line[BW_SCRIPT_FIRST_LINE_BYTES]; /* that is not empty */
    size_t last_line_bytes;
};

struct bw_script_run {
    struct bw_script_runner *runner;
    struct bw_script_run *next;
    struct bw_script_spec spec; /* its strings are not ours: only callbacks and numbers are used */
    char *path;                 /* of the script; NULL: there was no memory for it */
    enum stage stage;
    pid_t pid;
    uint64_t start_ticks;
    int go_fd;
    int report_fd;
    uv_poll_t report;
    struct stream streams[2];
    struct bw_deadline deadline;
    struct bw_scan *look; /* after TERM: is anything left? */
    struct bw_reach_kill kill;
    struct bw_instant went_at;
    struct bw_instant kill_at;
    bool is_reaped;
    bool is_killed; /* by us, or its limit came: how is settled */
    bool has_begun;
    bool has_word; /* the child said why it did not begin */
    int wait_status;
    size_t handles_open;
    uint64_t output_bytes;
    char first_line[BW_SCRIPT_FIRST_LINE_BYTES];
    bool has_first_line;
    struct bw_script_store store;
    struct bw_script_result result;
    struct bw_diag diag;
};

static void step(struct bw_script_run *run);

BW_WORDS(bw_script_how_text, enum bw_script_how, BW_SCRIPT_HOW_LIST, "unlisted")

/* ---- output ---------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool bw_script_is_beyond(const struct bw_script_run *run)
{
    return run->output_bytes > BW_SCRIPT_HALF_BYTES;
}

static const char *trim(const char *line, size_t *bytes)
{
    while (*bytes > 0 && is_space(line[0])) {
        line++;
        (*bytes)--;
    }
    while (*bytes > 0 && is_space(line[*bytes - 1]))
        (*bytes)--;
    return line;
}

static void keep_first_line(struct bw_script_run *run, const char *line, size_t bytes)
{
    if (bytes > sizeof run->first_line - 1)
        bytes = sizeof run->first_line - 1; /* far beyond any status word */
    memcpy(run->first_line, line, bytes);
    run->has_first_line = true;
}

static void keep_last_line(struct stream *stream, const char *line, size_t bytes)
{
    stream->last_line_bytes = bytes < sizeof stream->last_line ? bytes : sizeof stream->last_line;
    memcpy(stream->last_line, line, stream->last_line_bytes);
}

static void on_line(const char *line, size_t bytes, void *user)
{
    struct stream *stream = user;
    struct bw_script_run *run = stream->run;
    size_t trimmed_bytes = bytes;
    const char *trimmed = trim(line, &trimmed_bytes);

    if (stream->which == BW_SCRIPT_STDOUT && !run->has_first_line)
        keep_first_line(run, trimmed, trimmed_bytes);
    if (trimmed_bytes > 0)
        keep_last_line(stream, trimmed, trimmed_bytes);
    if (run->spec.on_line != NULL && (run->spec.tells_all || !bw_script_is_beyond(run)))
        run->spec.on_line(run, stream->which, line, bytes, run->spec.user);
}

static void on_poll_closed(uv_handle_t *handle);

static void close_stream(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    uv_close((uv_handle_t *)&stream->poll, on_poll_closed);
    (void)close(stream->fd); /* only read from; uv_close has stopped watching it */
    stream->fd = -1;
}

/* At most `reads_max` pieces of what is there now. */
static void read_stream(struct stream *stream, int reads_max)
{
    struct bw_script_run *run = stream->run;
    char *buffer = run->runner->buffer;

    for (int i = 0; i < reads_max && stream->fd >= 0; i++) {
        ssize_t got = read(stream->fd, buffer, sizeof run->runner->buffer);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            close_stream(stream);
            return;
        }
        run->output_bytes += (size_t)got;
        bw_script_store_add(&run->store, buffer, (size_t)got);
        bw_script_lines_add(&stream->lines, buffer, (size_t)got, on_line, stream);
    }
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    (void)status; /* an error is met again by the read */
    (void)events;
    read_stream(stream, READS_PER_TURN);
}

/* The stream of a script that what is left of it may hold open. */
static void hand_over(struct stream *stream)
{
    int copy;

    if (stream->fd < 0)
        return;
    copy = fcntl(stream->fd, F_DUPFD_CLOEXEC, 3); /* the same fd cannot be in two polls */
    close_stream(stream);
    if (copy >= 0)
        bw_script_drain_start(stream->run->runner, copy);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_run(struct bw_script_run *run)
{
    struct bw_script_runner *runner = run->runner;
    struct bw_script_run **link = &runner->runs;

    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    bw_script_store_deinit(&run->store);
    free(run->path);
    free(run);
    bw_script_runner_finish_close(runner);
}

static void handle_closed(struct bw_script_run *run)
{
    BW_ASSERT(run->handles_open > 0);
    run->handles_open--;
    if (run->handles_open == 0 && run->stage == STAGE_ENDED)
        free_run(run);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    handle_closed(stream->run);
}

static void on_report_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void on_deadline_closed(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    handle_closed(user);
}

static void on_kill_closed(struct bw_reach_kill *kill, void *user)
{
    (void)kill;
    handle_closed(user);
}

static void close_go(struct bw_script_run *run)
{
    if (run->go_fd >= 0)
        (void)close(run->go_fd); /* what was said was said; nothing said means: do not start */
    run->go_fd = -1;
}

static void close_report(struct bw_script_run *run)
{
    if (run->report_fd < 0)
        return;
    uv_close((uv_handle_t *)&run->report, on_report_closed);
    (void)close(run->report_fd); /* only read from */
    run->report_fd = -1;
}

static void settle_result(struct bw_script_run *run)
{
    struct bw_script_result *result = &run->result;

    if (run->is_reaped && WIFEXITED(run->wait_status))
        result->code = WEXITSTATUS(run->wait_status);
    else if (run->is_reaped && WIFSIGNALED(run->wait_status))
        result->code = WTERMSIG(run->wait_status);
    if (run->has_word) {
        result->code = 0; /* the child's own exit, not the script's */
    } else if (run->is_killed) {
        /* `how` was set with it */
    } else if (!run->is_reaped || !WIFEXITED(run->wait_status)) {
        result->how = BW_SCRIPT_SIGNALED;
    } else {
        result->how = BW_SCRIPT_EXITED;
    }
    result->first_line = run->first_line;
    for (int i = 0; i < 2; i++) {
        if (run->streams[i].last_line_bytes == 0 ||
            (result->last_line_bytes > 0 && run->streams[i].which == BW_SCRIPT_STDOUT))
            continue;
        result->last_line = run->streams[i].last_line;
        result->last_line_bytes = run->streams[i].last_line_bytes;
    }
    result->is_line_cut = run->streams[0].lines.was_cut || run->streams[1].lines.was_cut;
    result->diag = &run->diag;
    bw_script_store_get(&run->store, &result->kept);
}

static void finish(struct bw_script_run *run)
{
    run->stage = STAGE_ENDED; /* whatever a callback asks for from here on comes too late */
    for (int i = 0; i < 2; i++) {
        read_stream(&run->streams[i], READS_AT_END);
        bw_script_lines_end(&run->streams[i].lines, on_line, &run->streams[i]);
        hand_over(&run->streams[i]); /* which is open where somebody holds it */
    }
    close_go(run);
    close_report(run);
    settle_result(run);
    bw_scan_free(run->look);
    run->look = NULL;
    bw_deadline_close(&run->deadline, on_deadline_closed);
    bw_reach_kill_close(&run->kill, on_kill_closed);
    run->spec.on_end(run, &run->result, run->spec.user);
}

/* ---- what happens to a run ------------------------------------------------------------------- */

/* One round to all that belongs to it; false where that may not have reached the main process. */
static bool signal_tree(struct bw_script_run *run, int signal)
{
    if (run->spec.reach != NULL)
        return bw_reach_signal_soon(run->spec.reach, run->spec.slot, signal, NULL) == BW_OK;
    /* Not reaped: it is still that process, and its group. */
    return run->is_reaped || kill(-run->pid, signal) == 0;
}

static void begin_kill(struct bw_script_run *run, enum stage stage)
{
    run->stage = stage;
    bw_deadline_clear(&run->deadline);
    if (!run->is_reaped)
        (void)kill(run->pid, SIGKILL); /* not reaped: it is still that process */
    if (run->spec.reach == NULL) {
        (void)signal_tree(run, SIGKILL); /* its end is what tells */
        return;
    }
    /* What a start has begun may come to serve: it has ended when that was seen, not before (3.2.4). */
    run->kill.is_patient = run->spec.leftovers == BW_SCRIPT_KEEP_LEFTOVERS;
    bw_reach_kill_start(&run->kill, run->spec.slot);
}

/* Nobody has said what went wrong: what holds a child up there is not its own to tell. */
static void note_unbegun(struct bw_script_run *run)
{
    run->result.is_unbegun = true;
    (void)bw_diag_set(&run->diag, BW_ERR_TIMEOUT,
                      "it never came to execute its script (is its cgroup frozen? does the file system of the script "
                      "answer?)");
}

static void begin_terminate(struct bw_script_run *run, enum bw_script_how how)
{
    if (how == BW_SCRIPT_TIMED_OUT && !run->has_begun && !run->has_word)
        note_unbegun(run);
    run->is_killed = true;
    run->result.how = how;
    run->stage = STAGE_TERMINATING;
    run->kill_at = bw_instant_add(bw_clock_now(), run->spec.kill_grace_ns);
    /* What TERM does not reach, KILL does: its failure changes nothing here. A child
     * before its exec does not show in a scan. */
    if ((!signal_tree(run, SIGTERM) || !run->has_begun) && !run->is_reaped)
        (void)kill(run->pid, SIGTERM); /* not reaped: it is still that process */
    bw_deadline_set(&run->deadline, bw_instant_add(bw_clock_now(), 1), BW_DEADLINE_RIGHT);
}

/* Seen that nothing is left. What takes a search is asked for, and told the next time. */
static bool is_tree_gone(struct bw_script_run *run)
{
    const struct bw_reach *reach = run->spec.reach;
    struct bw_diag diag = {0};
    bool is_empty = false;
    enum bw_err err = BW_OK;

    if (reach == NULL)
        return true;
    if (reach->means == BW_REACH_BY_CGROUP)
        return bw_reach_is_empty(reach, run->spec.slot, &is_empty, NULL) == BW_OK && is_empty;
    if (run->look == NULL)
        (void)!bw_reach_scan(reach, run->spec.slot, 0, &run->look, NULL); /* else KILL comes */
    if (run->look == NULL || !bw_scan_is_over(run->look, &err, &is_empty, &diag))
        return false;
    bw_scan_free(run->look);
    run->look = NULL;
    return err == BW_OK && is_empty;
}

static void wait_for_tree_after_term(struct bw_script_run *run)
{
    struct bw_instant now = bw_clock_now();

    /* The main process reaped and nothing left: no need to wait for the grace. */
    if (run->is_reaped && is_tree_gone(run)) {
        finish(run);
    } else if (bw_instant_right_is_over(now, run->kill_at)) {
        begin_kill(run, STAGE_KILLING);
    } else {
        bw_deadline_set(&run->deadline, bw_instant_min(run->kill_at, bw_instant_add(now, LOOK_NS)),
                        BW_DEADLINE_RIGHT);
    }
}

/* The main process has ended by itself. */
static void end_normally(struct bw_script_run *run)
{
    size_t count = 0;

    if (run->has_word || run->spec.reach == NULL) {
        /* Who has no slot to look into takes an output that is still open for a sign. */
        run->result.has_leftovers = !run->has_word &&
                                    run->spec.leftovers == BW_SCRIPT_KEEP_LEFTOVERS;
        finish(run); /* it never ran: what is in its slot is not its own; or it has none */
    } else if (run->spec.leftovers == BW_SCRIPT_END_LEFTOVERS) {
        begin_kill(run, STAGE_SWEEPING);
    } else if (!WIFEXITED(run->wait_status)) {
        /* 3.4: what it had begun could start the service beside whatever comes next. */
        begin_terminate(run, BW_SCRIPT_SIGNALED);
    } else {
        run->result.tree = bw_reach_list(run->spec.reach, run->spec.slot, NULL, 0, &count,
                                         &run->diag);
        run->result.has_leftovers = run->result.tree != BW_OK || count > 0;
        finish(run);
    }
}

/* Looks at what is known, and does what is next. Only from the loop: it may end the run. */
static void step(struct bw_script_run *run)
{
    switch (run->stage) {
    case STAGE_WAITING:
        if (run->is_reaped)
            finish(run);
        break;
    case STAGE_RUNNING:
        if (run->is_reaped)
            end_normally(run);
        else if (bw_instant_right_is_over(bw_clock_now(), run->kill_at))
            begin_terminate(run, BW_SCRIPT_TIMED_OUT);
        break;
    case STAGE_TERMINATING:
        wait_for_tree_after_term(run);
        break;
    case STAGE_KILLING:
    case STAGE_SWEEPING:
        if (!run->kill.is_running && (run->is_reaped || run->result.tree != BW_OK))
            finish(run);
        break;
    case STAGE_ENDED:
        break;
    }
}

static void on_deadline(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    step(user);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct bw_script_run *run = user;

    run->result.has_swept = run->stage == STAGE_SWEEPING && kill->has_found;
    run->result.tree = err;
    if (err != BW_OK)
        run->diag = *diag;
    if (err != BW_OK && run->path != NULL && run->spec.leftovers == BW_SCRIPT_END_LEFTOVERS)
        bw_script_left_note(run->runner, &run->spec, run->path, kill);
    step(run);
}

static void note_word(struct bw_script_run *run, const struct bw_child_record *record)
{
    run->has_word = true;
    bw_child_explain(record, &run->result, &run->diag);
}

static void note_looked(struct bw_script_run *run, const struct bw_child_record *record)
{
    struct bw_child_record one = *record;
    struct bw_script_result ignored = {0};

    one.word = record->why;
    run->result.has_looked = true;
    run->result.unrunnable = record->why == 0 ? -1 : (int)record->which;
    if (record->why != 0)
        bw_child_explain(&one, &ignored, &run->result.unrunnable_why);
}

static void read_report(struct bw_script_run *run)
{
    struct bw_child_record record;
    ssize_t got = 1;

    for (int i = 0; i < 4 && run->report_fd >= 0; i++) {
        got = read(run->report_fd, &record, sizeof record);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got == (ssize_t)sizeof record && record.word == BW_CHILD_BY_SHELL)
            run->result.by_shell = true;
        else if (got == (ssize_t)sizeof record && record.word == BW_CHILD_DIGEST)
            run->result.digest = record.digest;
        else if (got == (ssize_t)sizeof record && record.word == BW_CHILD_LOOKED)
            note_looked(run, &record);
        else if (got == (ssize_t)sizeof record)
            note_word(run, &record);
        else
            close_report(run);
    }
}

/* The report pipe closed without a word after the go: execve has happened, or its end by a signal, which the loop may
 * hear of later. */
static void announce_begin(struct bw_script_run *run)
{
    if (run->has_word || run->has_begun || run->stage == STAGE_WAITING || run->stage == STAGE_ENDED)
        return;
    run->has_begun = true;
    if (run->spec.on_begun != NULL)
        run->spec.on_begun(run, run->spec.user);
}

static void on_report(uv_poll_t *poll, int status, int events)
{
    struct bw_script_run *run = poll->data;

    (void)status; /* an error is met again by the read */
    (void)events;
    read_report(run);
    if (run->report_fd < 0 && !run->is_reaped)
        announce_begin(run);
}

static void note_end(struct bw_script_run *run, int wait_status)
{
    struct bw_instant now = bw_clock_now();

    run->is_reaped = true;
    run->wait_status = wait_status;
    if (run->stage != STAGE_WAITING) {
        uint64_t boot_ns = now.boot_ns - run->went_at.boot_ns;
        uint64_t raw_ns = now.raw_ns - run->went_at.raw_ns;

        run->result.duration_ns = boot_ns > raw_ns ? boot_ns : raw_ns;
    }
    for (int i = 0; i < 2; i++)
        read_stream(&run->streams[i], READS_AT_END);
    read_report(run);
    if (WIFEXITED(wait_status)) /* one that was killed may have been so before its exec */
        announce_begin(run);
    step(run);
}

/* ---- the caller's side ----------------------------------------------------------------------- */

static bool watch(uv_loop_t *loop, uv_poll_t *poll, int fd, uv_poll_cb on_ready, void *data)
{
    if (uv_poll_init(loop, poll, fd) != 0)
        return false;
    poll->data = data;
    BW_ASSERT(uv_poll_start(poll, UV_READABLE, on_ready) == 0);
    return true;
}

/* Nothing is registered with the loop until the child is there; from then on only memory can lack,
 * and a run without all of its handles is ended like any other. */
static enum bw_err adopt_child(struct bw_script_run *run, const struct bw_child *child,
                               struct bw_diag *diag)
{
    struct bw_process process;
    enum bw_err err = bw_process_read(child->pid, &process, diag);

    run->pid = child->pid;
    run->go_fd = child->go_fd;
    if (err != BW_OK)
        return err;
    run->start_ticks = process.start_ticks;
    if (!watch(run->runner->loop, &run->report, child->report_fd, on_report, run))
        return bw_diag_set(diag, BW_ERR_NOMEM, "watch the report of a script");
    run->report_fd = child->report_fd;
    run->handles_open++;
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &run->streams[i];

        stream->run = run;
        stream->which = (enum bw_script_stream)i;
        if (!watch(run->runner->loop, &stream->poll, child->output_fds[i], on_output, stream))
            return bw_diag_set(diag, BW_ERR_NOMEM, "watch the output of a script");
        stream->fd = child->output_fds[i];
        run->handles_open++;
    }
    return BW_OK;
}

/* Half-built: ends the child that waits, reaps it, and lets the loop close what was registered. */
static void abandon(struct bw_script_run *run, const struct bw_child *child)
{
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL); /* ours and not reaped: it is still that process */
        (void)waitpid(child->pid, NULL, 0);
        close_go(run);
        if (run->report_fd < 0)
            (void)close(child->report_fd); /* never watched */
        close_report(run);
        for (int i = 0; i < 2; i++) {
            if (run->streams[i].fd < 0)
                (void)close(child->output_fds[i]); /* never watched */
            close_stream(&run->streams[i]);
        }
    }
    run->stage = STAGE_ENDED;
    bw_reach_kill_close(&run->kill, on_kill_closed);
    bw_deadline_close(&run->deadline, on_deadline_closed);
}

static enum bw_err new_run(struct bw_script_runner *runner, const struct bw_script_spec *spec,
                           struct bw_script_run **out_run, struct bw_diag *diag)
{
    struct bw_script_run *run = calloc(1, sizeof *run);
    enum bw_err err;

    if (run == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "run %s", spec->path);
    run->runner = runner;
    run->spec = *spec;
    run->path = strdup(spec->path);
    run->go_fd = run->report_fd = run->streams[0].fd = run->streams[1].fd = -1;
    err = bw_deadline_init(&run->deadline, runner->loop, on_deadline, run, diag);
    if (err != BW_OK) {
        free(run->path);
        free(run);
        return err;
    }
    run->next = runner->runs;
    runner->runs = run;
    run->handles_open = 1;
    err = bw_reach_kill_init(&run->kill, runner->loop, spec->reach, on_killed, run, diag);
    if (err != BW_OK) {
        run->stage = STAGE_ENDED;
        bw_deadline_close(&run->deadline, on_deadline_closed);
        return err;
    }
    run->handles_open = 2;
    *out_run = run;
    return BW_OK;
}

enum bw_err bw_script_start(struct bw_script_runner *runner, const struct bw_script_spec *spec,
                            struct bw_script_run **out_run, struct bw_diag *diag)
{
    struct bw_child child = {.pid = -1};
    struct bw_script_run *run = NULL;
    enum bw_err err;

    BW_ASSERT(spec->on_end != NULL);
    BW_ASSERT(spec->slot < BW_REACH_SLOTS);
    if (runner->is_closing)
        return bw_diag_set(diag, BW_ERR_CANCELED, "run %s: shutting down", spec->path);
    err = bw_script_left_judge(runner, spec, diag);
    if (err == BW_OK)
        err = new_run(runner, spec, &run, diag);
    if (err != BW_OK)
        return err;
    err = bw_child_fork(spec, &child, diag);
    if (err == BW_OK)
        err = adopt_child(run, &child, diag);
    if (err != BW_OK) {
        abandon(run, &child);
        return err;
    }
    *out_run = run;
    return BW_OK;
}

pid_t bw_script_pid(const struct bw_script_run *run)
{
    return run->pid;
}

uint64_t bw_script_start_ticks(const struct bw_script_run *run)
{
    return run->start_ticks;
}

void bw_script_go(struct bw_script_run *run, struct bw_instant not_after)
{
    if (run->stage != STAGE_WAITING || run->go_fd < 0)
        return; /* canceled, or it could not be prepared: its end says so */
    run->went_at = bw_clock_now();
    run->kill_at = bw_instant_add(run->went_at, run->spec.limit_ns);
    run->stage = STAGE_RUNNING;
    bw_child_go(run->go_fd, not_after);
    close_go(run);
    bw_deadline_set(&run->deadline, run->kill_at, BW_DEADLINE_RIGHT);
}

/* Without a go-ahead the child exits by itself; KILL makes it sure, should it be stopped. */
static void drop_waiting(struct bw_script_run *run)
{
    close_go(run);
    run->has_word = true;
    run->result.how = BW_SCRIPT_NOT_STARTED;
    (void)bw_diag_set(&run->diag, BW_ERR_CANCELED, "it got no go-ahead");
    if (!run->is_reaped)
        (void)kill(run->pid, SIGKILL); /* not reaped: it is still that process */
}

void bw_script_cancel(struct bw_script_run *run)
{
    if (run->stage == STAGE_WAITING)
        drop_waiting(run);
    else if (run->stage == STAGE_RUNNING)
        begin_terminate(run, BW_SCRIPT_KILLED);
}

void bw_script_kill(struct bw_script_run *run)
{
    if (run->stage == STAGE_WAITING) {
        drop_waiting(run);
    } else if (run->stage == STAGE_RUNNING || run->stage == STAGE_TERMINATING) {
        if (!run->is_killed)
            run->result.how = BW_SCRIPT_KILLED;
        run->is_killed = true;
        begin_kill(run, STAGE_KILLING);
    }
}

/* ---- the runner ------------------------------------------------------------------------------ */

static struct bw_script_run *find_run(struct bw_script_runner *runner, pid_t pid)
{
    for (struct bw_script_run *run = runner->runs; run != NULL; run = run->next)
        if (run->pid == pid && !run->is_reaped && run->stage != STAGE_ENDED)
            return run;
    return NULL;
}

static void on_sigchld(uv_signal_t *signal, int number)
{
    struct bw_script_runner *runner = signal->data;
    struct bw_script_run *run = NULL;
    pid_t pid;
    int status;

    (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        run = find_run(runner, pid);
        if (run != NULL)
            note_end(run, status);
    } /* others are strays: children that were not ours to begin with (subreaper) */
}

enum bw_err bw_script_runner_init(struct bw_script_runner *runner, uv_loop_t *loop,
                                  bool is_subreaper, struct bw_diag *diag)
{
    int rc;

    *runner = (struct bw_script_runner){.loop = loop};
    if (is_subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return bw_diag_errno(diag, errno, "become the parent of orphans");
    rc = uv_signal_init(loop, &runner->sigchld);
    if (rc != 0)
        return bw_diag_errno(diag, -rc, "watch SIGCHLD");
    runner->sigchld.data = runner;
    rc = uv_signal_start(&runner->sigchld, on_sigchld, SIGCHLD);
    if (rc != 0) {
        uv_close((uv_handle_t *)&runner->sigchld, NULL);
        return bw_diag_errno(diag, -rc, "watch SIGCHLD");
    }
    uv_unref((uv_handle_t *)&runner->sigchld); /* runs keep the loop alive, the runner does not */
    return BW_OK;
}

static void on_sigchld_closed(uv_handle_t *handle)
{
    struct bw_script_runner *runner = handle->data;

    bw_script_left_free(runner);
    if (runner->on_closed != NULL)
        runner->on_closed(runner, runner->user);
}

void bw_script_runner_finish_close(struct bw_script_runner *runner)
{
    if (!runner->is_closing || runner->runs != NULL || runner->drains != NULL ||
        !bw_output_link_is_closed(runner) || uv_is_closing((uv_handle_t *)&runner->sigchld))
        return;
    uv_close((uv_handle_t *)&runner->sigchld, on_sigchld_closed);
}

void bw_script_runner_close(struct bw_script_runner *runner,
                            void (*on_closed)(struct bw_script_runner *runner, void *user),
                            void *user)
{
    if (runner->is_closing)
        return;
    runner->is_closing = true;
    runner->on_closed = on_closed;
    runner->user = user;
    for (struct bw_script_run *run = runner->runs; run != NULL; run = run->next)
        bw_script_kill(run);
    for (struct bw_script_drain *drain = runner->drains; drain != NULL; drain = drain->next)
        bw_script_drain_close(drain);
    bw_output_link_close(runner);
    bw_script_runner_finish_close(runner);
}
