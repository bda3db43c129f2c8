/* Its life: the plan, the signals, the end. Thin: core/steps.c decides. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>


#define ASK_AGAIN_MS 1000

/* ---- the plan -------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_sound(const struct bw_steps_plan *plan)
{
    struct bw_step_rule rules[BW_STEPS_MAX];

    if (plan->size != sizeof *plan || plan->count == 0 || plan->count > BW_STEPS_MAX ||
        !is_text(plan->directory, sizeof plan->directory) ||
        !is_text(plan->journal, sizeof plan->journal) ||
        !is_text(plan->aside.path, sizeof plan->aside.path))
        return false;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (!is_text(plan->items[i].name, sizeof plan->items[i].name) ||
            !is_text(plan->items[i].script, sizeof plan->items[i].script))
            return false;
        rules[i] = plan->items[i].rule;
    }
    return bw_steps_stuck(rules, plan->count) == 0;
}

static bool read_plan(struct bw_steps_plan *out_plan)
{
    struct stat st;

    return fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_size == (off_t)sizeof *out_plan &&
           pread(STDIN_FILENO, out_plan, sizeof *out_plan, 0) == (ssize_t)sizeof *out_plan &&
           is_sound(out_plan);
}

/* ---- who ends it ----------------------------------------------------------------------------- */

static volatile sig_atomic_t is_signaled;
static uv_async_t *wakeup; /* by the handler */

static void on_signal(int number)
{
    const int os_errno = errno;

    (void)number;
    is_signaled = 1;
    (void)uv_async_send(wakeup); /* async-signal-safe; one that is on its way already is enough */
    errno = os_errno;
}

bool bw_steps_is_ended(void)
{
    return is_signaled != 0;
}

/* The signal went to whoever was there: passed on, for what was begun between it and us. */
static void on_ended(uv_async_t *async)
{
    struct bw_steps_program *program = async->data;

    bw_steps_end(&program->steps);
    for (uint32_t i = 0; i < program->plan.count; i++)
        if (program->step[i].run != NULL)
            bw_script_cancel(program->step[i].run);
    bw_steps_go_on(program);
}

/* Without its guard it begins nothing more: what comes next is for the guard after it to say. */
static void look_for_guard(struct bw_steps_program *program)
{
    char byte;
    ssize_t got;

    if (program->channel < 0 || program->is_alone)
        return;
    while ((got = recv(program->channel, &byte, sizeof byte, MSG_DONTWAIT)) > 0)
        if (byte == BW_STEPS_PASS)
            bw_steps_pass(&program->steps);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uv_poll_stop(&program->guard);
    program->is_alone = true;
    bw_steps_end(&program->steps);
}

static void on_ask_again(uv_timer_t *timer)
{
    struct bw_steps_program *program = timer->data;
    const int step = bw_steps_point(&program->steps);

    if (step != BW_STEP_NONE)
        bw_steps_tell(program, BW_STEPS_NOTE_ASKS_TO_PASS, step, NULL);
}

/* Until it is answered: a guard that does not read loses a note. The limit of the list is its end.
 */
static void ask_to_pass(struct bw_steps_program *program)
{
    const bool waits = bw_steps_point(&program->steps) != BW_STEP_NONE;

    if (!waits)
        uv_timer_stop(&program->again);
    else if (uv_is_active((const uv_handle_t *)&program->again) == 0 &&
             uv_timer_start(&program->again, on_ask_again, ASK_AGAIN_MS, ASK_AGAIN_MS) == 0)
        on_ask_again(&program->again);
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error is met again by the read */
    (void)events;
    bw_steps_go_on(poll->data);
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_steps_go_on(struct bw_steps_program *program)
{
    int step;

    look_for_guard(program);
    if (bw_steps_is_ended())
        bw_steps_end(&program->steps);
    while ((step = bw_steps_next(&program->steps)) != BW_STEP_NONE)
        bw_steps_begin(program, step);
    ask_to_pass(program);
    if (bw_steps_are_over(&program->steps))
        uv_stop(&program->loop);
}

/* Who reads is slow, or stands still: this process does neither for it. */
static void never_wait_for(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL,
                    flags | O_NONBLOCK); /* else it waits; its guard ends it all the same */
}

static bool open_channel(struct bw_steps_program *program)
{
    int type = 0;
    socklen_t size = sizeof type;

    program->channel = -1;
    if (getsockopt(BW_SCRIPT_FD_CHANNEL, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET)
        return true; /* nobody is told */
    if (fcntl(BW_SCRIPT_FD_CHANNEL, F_SETFD, FD_CLOEXEC) != 0 ||
        uv_poll_init(&program->loop, &program->guard, BW_SCRIPT_FD_CHANNEL) != 0)
        return false;
    program->channel = BW_SCRIPT_FD_CHANNEL;
    program->guard.data = program;
    return uv_poll_start(&program->guard, UV_READABLE | UV_DISCONNECT, on_guard) == 0;
}

static bool equip(struct bw_steps_program *program)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct bw_diag diag = {0};

    if (uv_loop_init(&program->loop) != 0 ||
        uv_async_init(&program->loop, &program->ended, on_ended) != 0 ||
        uv_timer_init(&program->loop, &program->again) != 0)
        return false;
    program->again.data = program;
    program->ended.data = program;
    wakeup = &program->ended;
    return sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
           bw_script_runner_init(&program->runner, &program->loop, true, &diag) == BW_OK &&
           open_channel(program);
}

static uint64_t own_run(void)
{
    struct bw_process process;

    return bw_process_read(getpid(), &process, NULL) == BW_OK
               ? bw_steps_run_id((int32_t)process.pid, process.start_ticks)
               : 0;
}

static void init_steps(struct bw_steps_program *program)
{
    const struct bw_steps_plan *plan = &program->plan;
    const uint32_t done = bw_steps_journal_read(plan);
    struct bw_step_rule rules[BW_STEPS_MAX];

    for (uint32_t i = 0; i < plan->count; i++) {
        rules[i] = plan->items[i].rule;
        program->step[i] = (struct bw_steps_step){.program = program, .index = (int)i};
    }
    program->run = own_run();
    bw_steps_init(&program->steps, rules, plan->count, done);
    if (plan->is_held)
        bw_steps_hold(&program->steps);
    for (uint32_t i = 0; i < plan->count; i++)
        if ((done & UINT32_C(1) << i) != 0)
            bw_steps_tell(program, BW_STEPS_NOTE_KEPT, (int)i, NULL);
}

int bw_steps_run(void)
{
    struct bw_steps_program *program = calloc(1, sizeof *program);
    int exit_status = BW_STEPS_FAILED;

    if (program == NULL || !read_plan(&program->plan)) {
        free(program);
        return -1;
    }
    never_wait_for(STDOUT_FILENO);
    never_wait_for(STDERR_FILENO);
    if (equip(program)) {
        init_steps(program);
        bw_steps_journal_open(program);
        bw_steps_go_on(program);
        if (!bw_steps_are_over(&program->steps))
            (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until it is stopped */
        exit_status = bw_steps_exit_status(&program->steps);
        bw_steps_tell_held(program);
        bw_steps_journal_close(program);
    }
    /* Not closed and not freed: the process ends here, and what its steps have left must keep its
     * outputs open until it does. */
    if (program->is_blind)
        _exit(exit_status); /* a look has not ended: nothing that is done at an exit waits for its thread */
    return exit_status;
}
