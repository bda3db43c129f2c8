/* The check loop of the replaced program on the loop (5.2): one script at a time, a timer, signals.
 */
#include <breakwater/standalone/standalone.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/problems.h>
#include <breakwater/config/site_config.h>
#include <breakwater/machine/standalone.h>
#include <breakwater/obs/log.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>
#include <breakwater/sys/script.h>

#define KILL_GRACE_NS (5 * BW_NS_PER_S) /* from TERM to KILL: no key of the seven says it */
#define NAME_BYTES    48 /* of two numbers, and the word before them */
#define SIGNALS       3

struct program {
    uv_loop_t loop;
    struct bw_log log;
    struct bw_site_config *config;
    const struct bw_group_config *group;
    int lock; /* the file itself, open and locked */
    struct bw_standalone machine;
    struct bw_script_runner runner;
    struct bw_reach looks;  /* all of them, one after the other */
    struct bw_reach action; /* the newest start or stop: what one before it has left is not its to end */
    uint32_t action_count;
    struct bw_script_run *run; /* NULL: none */
    enum bw_action_kind running;
    uv_timer_t due;
    struct bw_instant checked_at; /* when the newest check was due */
    uv_signal_t signals[SIGNALS];
    bool is_ending;
};

/* ---- the end
 * ------------------------------------------------------------------------------------- */

static void on_runner_closed(struct bw_script_runner *runner, void *user)
{
    (void)runner;
    (void)user; /* the loop ends with its last handle */
}

static void close_all(struct program *program)
{
    uv_close((uv_handle_t *)&program->due, NULL);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&program->signals[i], NULL);
    bw_script_runner_close(&program->runner, on_runner_closed, program);
}

/* A script that runs gets TERM, and KILL after the grace; at a second signal KILL. */
static void on_signal(uv_signal_t *signal, int number)
{
    struct program *program = signal->data;
    const bool is_second = program->is_ending;

    program->is_ending = true;
    if (!is_second)
        bw_log_info(&program->log, "standalone.stopping", "signal=%s action=%s",
                    sigabbrev_np(number), bw_action_word(program->running));
    if (program->run == NULL) {
        if (!is_second)
            close_all(program);
    } else if (is_second) {
        bw_script_kill(program->run);
    } else {
        bw_script_cancel(program->run);
    }
}

/* ---- a round
 * ------------------------------------------------------------------------------------- */

static void set_due(struct program *program)
{
    const uint64_t interval_ns = bw_ms_to_ns(program->group->check_interval_ms);
    const uint64_t since_ns = bw_instant_elapsed_ns(bw_clock_now(), program->checked_at);
    const uint64_t left_ns = since_ns < interval_ns ? interval_ns - since_ns : 0;

    BW_ASSERT(uv_timer_start(&program->due, program->due.timer_cb, bw_ns_to_ms(left_ns), 0) == 0);
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    struct program *program = user;
    char text[BW_SCRIPT_LINE_BYTES_MAX + 1];

    (void)run;
    memcpy(text, line, bytes < sizeof text ? bytes : sizeof text - 1);
    text[bytes < sizeof text ? bytes : sizeof text - 1] = '\0';
    bw_log_write(&program->log,
                 bw_action_is_action(program->running) || stream == BW_SCRIPT_STDERR ? BW_LOG_INFO
                                                                                     : BW_LOG_DEBUG,
                 "script.said", "action=%s stream=%s line=%s", bw_action_word(program->running),
                 stream == BW_SCRIPT_STDERR ? "stderr" : "stdout", bw_log_quote(text));
}

static void run(struct program *program, enum bw_action_kind action);

static void end_round(struct program *program)
{
    program->running = BW_ACTION_NONE;
    if (program->is_ending)
        close_all(program);
    else
        set_due(program);
}

static void log_end(struct program *program, const struct bw_script_result *result, bool ok)
{
    const bool is_action = bw_action_is_action(program->running);

    bw_log_write(&program->log,
                 !ok         ? BW_LOG_WARN
                 : is_action ? BW_LOG_INFO
                             : BW_LOG_DEBUG,
                 "run.ended", "action=%s how=\"%s\" code=%d took_ms=%" PRIu64 " line=%s error=%s",
                 bw_action_word(program->running), bw_script_how_text(result->how), result->code,
                 bw_ns_to_ms(result->duration_ns), bw_log_quote(result->first_line),
                 bw_log_quote(result->diag->text));
    if (result->has_swept)
        bw_log_warn(&program->log, "script.left_behind",
                    "action=%s does=\"what it left running was ended: a start or a stop may leave "
                    "something, a look may not\"",
                    bw_action_word(program->running));
}

static void on_end(struct bw_script_run *ended, const struct bw_script_result *result, void *user)
{
    struct program *program = user;
    const bool ok = result->how == BW_SCRIPT_EXITED && result->code == 0;
    enum bw_action_kind next;

    (void)ended;
    program->run = NULL;
    log_end(program, result, ok);
    next = bw_standalone_on_end(&program->machine, ok, result->first_line);
    if (program->running == BW_ACTION_CONDITION && next == BW_ACTION_NONE && ok)
        bw_log_info(&program->log, "standalone.answered",
                    "line=%s stops=%" PRIu32 " failure_threshold=%" PRIu32,
                    bw_log_quote(result->first_line), program->machine.stop_count,
                    program->machine.failure_threshold);
    if (program->machine.lacks_word)
        bw_log_warn(&program->log, "standalone.action_skipped", "action=%s line=%s does=\"nothing is called in this round\"",
                    bw_action_word(program->machine.wants_start ? BW_ACTION_START : BW_ACTION_STOP),
                    bw_log_quote(result->first_line));
    if (next == BW_ACTION_NONE || program->is_ending)
        end_round(program);
    else
        run(program, next);
}

/* What scripts start is found again by a mark that is this process's own: it is no guard, and ends
 * nothing of what ran before. `number` 0: of what looks. */
static enum bw_err open_reach(struct bw_reach *reach, uint32_t number, struct bw_diag *diag)
{
    char name[NAME_BYTES];

    if (number == 0)
        (void)snprintf(name, sizeof name, "standalone-%ld", (long)getpid()); /* fits any pid */
    else
        (void)snprintf(name, sizeof name, "standalone-%ld-%" PRIu32, (long)getpid(), number);
    return bw_reach_open(reach, name, "standalone", true, diag);
}

/* In a slot in which a process that shows no mark is nobody's (reach.h): it may be the service, and
 * the start that is ended another one. */
static void run(struct program *program, enum bw_action_kind action)
{
    const bool is_action = bw_action_is_action(action);
    const struct bw_script_spec spec = {
        .path = program->group->scripts[action],
        .reach = is_action ? &program->action : &program->looks,
        .slot = is_action ? BW_REACH_ACTION : BW_REACH_OBSERVE,
        .leftovers = is_action ? BW_SCRIPT_KEEP_LEFTOVERS : BW_SCRIPT_END_LEFTOVERS,
        .limit_ns = bw_ms_to_ns(program->group->script_timeout_ms),
        .kill_grace_ns = KILL_GRACE_NS,
        .on_line = on_line,
        .on_end = on_end,
        .user = program,
    };
    struct bw_diag diag = {0};

    program->running = action;
    if (is_action) {
        BW_ASSERT(open_reach(&program->action, ++program->action_count, &diag) == BW_OK); /* a valid name */
        bw_log_info(&program->log, "run.begun", "action=%s", bw_action_word(action));
    }
    if (bw_script_start(&program->runner, &spec, &program->run, &diag) == BW_OK) {
        bw_script_go(program->run, BW_INSTANT_NEVER);
        return;
    }
    bw_log_error(&program->log, "script.begin_failed", "action=%s error=%s", bw_action_word(action),
                 bw_log_quote(diag.text));
    (void)bw_standalone_on_end(&program->machine, false,
                               ""); /* nothing follows from what has not run */
    end_round(program);
}

static void on_due(uv_timer_t *timer)
{
    struct program *program = timer->data;
    const enum bw_action_kind action = bw_standalone_on_due(&program->machine);

    BW_ASSERT(action != BW_ACTION_NONE); /* it is set when a round has ended */
    program->checked_at = bw_clock_now();
    run(program, action);
}

/* ---- the beginning
 * ------------------------------------------------------------------------------- */

static struct bw_site_config *load(const char *file)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    enum bw_err err;

    bw_problems_init(&problems);
    err = bw_seven_keys_load(file, BW_CONFIG_HERE, &config, &problems);
    bw_problems_print(&problems, "nothing was run", stderr);
    bw_problems_deinit(&problems);
    return err == BW_OK ? config : NULL;
}

/* Two of them with one file would run its scripts beside each other. A file system without locks is
 * no reason not to run: that is said. */
static bool lock(struct program *program, const char *file)
{
    program->lock = open(file, O_RDONLY | O_CLOEXEC);
    if (program->lock >= 0 && flock(program->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK) {
        bw_log_error(&program->log, "standalone.start_failed",
                     "error=\"another one runs with this file\" file=%s", bw_log_quote(file));
        return false;
    }
    bw_log_warn(&program->log, "standalone.lock_failed",
                "file=%s error=%s does=\"it runs; a second one would not be noticed\"",
                bw_log_quote(file), bw_log_quote(strerror(errno)));
    return true;
}

static enum bw_err equip(struct program *program, struct bw_diag *diag)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    enum bw_err err = open_reach(&program->looks, 0, diag);

    if (err != BW_OK)
        return err;
    err = bw_script_runner_init(&program->runner, &program->loop, false, diag);
    if (err != BW_OK)
        return err;
    bw_script_runner_keep_output(&program->runner, NULL, NULL);
    BW_ASSERT(uv_timer_init(&program->loop, &program->due) == 0);
    program->due.data = program;
    for (int i = 0; i < SIGNALS; i++) {
        /* the runner has opened the loop's signal pipe already */
        BW_ASSERT(uv_signal_init(&program->loop, &program->signals[i]) == 0);
        program->signals[i].data = program;
        if (numbers[i] == SIGHUP && bw_hangup_is_ignored())
            continue;
        BW_ASSERT(uv_signal_start(&program->signals[i], on_signal, numbers[i]) == 0);
    }
    return BW_OK;
}

static void say_hello(struct program *program, const char *file)
{
    bw_log_info(&program->log, "standalone.started",
                "file=%s check_interval_ms=%" PRIu32 " failure_threshold=%" PRIu32
                " script_timeout_ms=%" PRIu32,
                bw_log_quote(file), program->group->check_interval_ms,
                program->group->failure_threshold, program->group->script_timeout_ms);
    bw_log_warn(
        &program->log, "standalone.no_lease",
        "does=\"it starts and stops by the word of %s alone, without a lease: where that is "
        "wrong, or fails, or this process ends, two sites may serve at once\" "
        "next=\"breakwater agent and guard hold a lease, and end the service with it\"",
        program->group->scripts[BW_ACTION_CONDITION]);
}

/* The replaced program ran them, so they are run; the guard would not (5.1). */
static void tell_what_others_can_change(struct program *program)
{
    char changed[BW_PATH_OWNER_BYTES];

    for (int action = 0; action < BW_ACTION_COUNT; action++)
        if (program->group->scripts[action] != NULL &&
            bw_path_is_writable(program->group->scripts[action], changed))
            bw_log_warn(&program->log, "standalone.writable",
                        "action=%s file=%s does=\"others than root and this user can change it; it "
                        "is run all the same\" next=\"chown root, chmod go-w\"",
                        bw_action_word((enum bw_action_kind)action), bw_log_quote(changed));
}

static enum bw_daemon_end turn(struct program *program, const char *file)
{
    struct bw_diag diag = {0};

    if (!lock(program, file))
        return BW_DAEMON_RESTART;
    BW_ASSERT(uv_loop_init(&program->loop) == 0); /* without descriptors nothing can be run */
    if (equip(program, &diag) != BW_OK) {
        bw_log_error(&program->log, "standalone.start_failed", "error=%s file=%s",
                     bw_log_quote(diag.text), bw_log_quote(file));
        return BW_DAEMON_RESTART; /* the process ends: its handles with it */
    }
    say_hello(program, file);
    tell_what_others_can_change(program);
    BW_ASSERT(uv_timer_start(&program->due, on_due, 0, 0) == 0);
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until all is closed */
    BW_ASSERT(uv_loop_close(&program->loop) == 0);
    bw_reach_close(&program->looks);
    bw_reach_close(&program->action);
    bw_log_info(&program->log, "standalone.stopped", "file=%s", bw_log_quote(file));
    return BW_DAEMON_STOPPED;
}

enum bw_daemon_end bw_standalone_run(const char *config_file)
{
    struct program *program;
    enum bw_daemon_end end = BW_DAEMON_CONFIG;
    struct bw_site_config *config = load(config_file);

    if (config == NULL)
        return end;
    program = calloc(1, sizeof *program);
    BW_ASSERT(program != NULL); /* it can say nothing */
    program->config = config;
    program->group = &config->groups[0];
    program->lock = -1;
    bw_log_init(&program->log, "standalone", config->log_level);
    bw_standalone_init(&program->machine, program->group->failure_threshold);
    end = turn(program, config_file);
    if (program->lock >= 0)
        (void)close(program->lock); /* read only: nothing is left that close could lose */
    bw_site_config_free(config);
    bw_log_deinit(&program->log);
    free(program);
    return end;
}
