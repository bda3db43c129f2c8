#include "script_left.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/output_reader.h>
#include <breakwater/sys/process_tree.h>

/* ---- processes ---- */

/* Of one run; more are found the next time. */
#define LISTED_MAX BW_SCAN_FOUND_MAX

struct bw_script_left {
    struct bw_script_left *next;
    char mark[BW_REACH_MARK_BYTES]; /* of the slot: a reach may be opened anew, in other memory */
    pid_t pid;
    uint64_t start_ticks;
    char path[];
};

static bool is_there(const struct bw_script_left *left)
{
    struct bw_process process;

    return bw_process_read(left->pid, &process, NULL) == BW_OK && process.start_ticks == left->start_ticks &&
           !process.is_dead;
}

static void drop_gone(struct bw_script_runner *runner)
{
    struct bw_script_left **link = &runner->left;

    while (*link != NULL) {
        struct bw_script_left *left = *link;

        if (is_there(left)) {
            link = &left->next;
            continue;
        }
        *link = left->next;
        free(left);
    }
}

static bool is_known(const struct bw_script_runner *runner, pid_t pid)
{
    for (const struct bw_script_left *left = runner->left; left != NULL; left = left->next)
        if (left->pid == pid)
            return true;
    return false;
}

static void add(struct bw_script_runner *runner, const struct bw_script_spec *spec, const char *path, pid_t pid)
{
    struct bw_script_left *left;
    struct bw_process process;

    if (is_known(runner, pid) || bw_process_read(pid, &process, NULL) != BW_OK || process.is_dead)
        return;
    left = calloc(1, sizeof *left + strlen(path) + 1);
    if (left == NULL)
        return;
    bw_reach_mark(spec->reach, spec->slot, left->mark);
    left->pid = pid;
    left->start_ticks = process.start_ticks;
    memcpy(left->path, path, strlen(path) + 1);
    left->next = runner->left;
    runner->left = left;
}

void bw_script_left_note(struct bw_script_runner *runner, const struct bw_script_spec *spec, const char *path,
                         const struct bw_reach_kill *kill)
{
    pid_t listed[LISTED_MAX];
    const pid_t *pids = kill->left;
    size_t count = kill->left_count;

    drop_gone(runner);
    if (spec->reach->means == BW_REACH_BY_CGROUP) {
        pids = listed;
        if (bw_reach_list(spec->reach, spec->slot, listed, LISTED_MAX, &count, NULL) != BW_OK)
            return;
    }
    for (size_t i = 0; i < count && i < LISTED_MAX; i++)
        add(runner, spec, path, pids[i]);
}

enum bw_err bw_script_left_judge(struct bw_script_runner *runner, const struct bw_script_spec *spec,
                                 struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    size_t count = 0;

    if (runner->left == NULL || spec->reach == NULL || spec->leftovers == BW_SCRIPT_KEEP_LEFTOVERS)
        return BW_OK; /* what a start leaves is its service */
    drop_gone(runner);
    bw_reach_mark(spec->reach, spec->slot, mark);
    for (const struct bw_script_left *left = runner->left; left != NULL; left = left->next)
        count += strcmp(left->mark, mark) == 0 && strcmp(left->path, spec->path) == 0;
    if (count < BW_SCRIPT_LEFT_MAX)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_LIMIT,
                       "run %s: %zu processes of its runs before are there after SIGKILL (state D: which file system "
                       "hangs?); it is run once fewer than %d are",
                       spec->path, count, BW_SCRIPT_LEFT_MAX);
}

void bw_script_left_free(struct bw_script_runner *runner)
{
    while (runner->left != NULL) {
        struct bw_script_left *left = runner->left;

        runner->left = left->next;
        free(left);
    }
}

/* ---- the process that reads output ---- */

#define AGAIN_MS 1000 /* between two readers, and after one that could not be made */

/* ---- making one ------------------------------------------------------------------------------ */

/* With a mark that is nobody's: to a scan for the processes of a group it is no stray. */
static char mark[] = BW_PROCESS_MARK_OF_TOOL;

/* Async-signal-safe. */
__attribute__((noreturn)) static void be_reader(int daemon, char *const *argv, char *const *envp)
{
    const int moved = fcntl(daemon, F_DUPFD_CLOEXEC, 16);

    if (dup2(moved, BW_OUTPUT_READER_FD) >= 0)
        (void)execve("/proc/self/exe", argv, envp);
    _exit(127);
}

static bool fork_reader(int its_end)
{
    char *const argv[] = {(char *)"breakwater", (char *)BW_OUTPUT_READER_VERB, NULL};
    char **envp = bw_process_environment(mark);
    pid_t pid;

    if (envp == NULL)
        return false;
    pid = fork();
    if (pid == 0)
        be_reader(its_end, argv, envp);
    free(envp);
    return pid > 0;
}

static void on_reader_gone(uv_poll_t *poll, int status, int events);

static bool make(struct bw_script_runner *runner)
{
    struct bw_output_link *link = &runner->output;
    int ends[2];
    bool is_made;

    if (link->is_poll_closing ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    is_made = fork_reader(ends[1]) && uv_poll_init(runner->loop, &link->poll, ends[0]) == 0;
    (void)close(ends[1]); /* the reader's */
    if (!is_made) {
        (void)close(ends[0]); /* one that was made ends by it */
        return false;
    }
    link->fd = ends[0];
    link->handles++;
    link->made_at_ms = uv_now(runner->loop);
    link->poll.data = runner;
    BW_ASSERT(uv_poll_start(&link->poll, UV_READABLE, on_reader_gone) == 0);
    uv_unref((uv_handle_t *)&link->poll);
    return true;
}

/* Passes to the reader what it does not have; this process reads what is not taken. */
static void pass_drains(struct bw_script_runner *runner);
/* The reader is gone, and its copies with it. */
static void take_back_drains(struct bw_script_runner *runner);

static void on_again(uv_timer_t *timer)
{
    pass_drains(timer->data);
}

static void try_again(struct bw_script_runner *runner, uint64_t wait_ms)
{
    BW_ASSERT(uv_timer_start(&runner->output.again, on_again, wait_ms, 0) == 0);
}

/* Said once, until one could be made. */
static void note_failed(struct bw_script_runner *runner, int os_errno)
{
    if (!runner->output.has_failed && runner->output.on_failed != NULL)
        runner->output.on_failed(os_errno, runner->output.user);
    runner->output.has_failed = true;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct bw_script_runner *runner = handle->data;

    if (handle == (uv_handle_t *)&runner->output.poll)
        runner->output.is_poll_closing = false;
    runner->output.handles--;
    bw_script_runner_finish_close(runner);
}

static void drop(struct bw_script_runner *runner)
{
    struct bw_output_link *link = &runner->output;

    if (link->fd < 0)
        return;
    link->is_poll_closing = true;
    uv_close((uv_handle_t *)&link->poll, on_handle_closed);
    (void)close(link->fd); /* what was passed was passed */
    link->fd = -1;
}

/* It never says anything: this is its end. */
static void on_reader_gone(uv_poll_t *poll, int status, int events)
{
    struct bw_script_runner *runner = poll->data;
    const uint64_t lived_ms = uv_now(runner->loop) - runner->output.made_at_ms;

    (void)status;
    (void)events;
    drop(runner);
    take_back_drains(runner);
    try_again(runner, lived_ms >= AGAIN_MS ? 0 : AGAIN_MS);
}

/* ---- passing --------------------------------------------------------------------------------- */

static bool send_copy(int to, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = sizeof byte};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head;

    memset(&control, 0, sizeof control);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

/* True: the runner's reader has a copy of `fd`. One is made if there is none. */
static bool pass_output_link(struct bw_script_runner *runner, int fd)
{
    struct bw_output_link *link = &runner->output;

    if (!link->is_kept || runner->is_closing)
        return false;
    if (link->fd < 0 && uv_is_active((const uv_handle_t *)&link->again))
        return false; /* soon */
    if ((link->fd >= 0 || make(runner)) && send_copy(link->fd, fd)) {
        link->has_failed = false;
        return true;
    }
    note_failed(runner, errno);
    try_again(runner, AGAIN_MS);
    return false;
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_script_runner_keep_output(struct bw_script_runner *runner, void (*on_failed)(int os_errno, void *user),
                                  void *user)
{
    struct bw_output_link *link = &runner->output;

    *link = (struct bw_output_link){.fd = -1, .is_kept = true, .handles = 1, .on_failed = on_failed, .user = user};
    BW_ASSERT(uv_timer_init(runner->loop, &link->again) == 0); /* libuv: never fails */
    link->again.data = runner;
    uv_unref((uv_handle_t *)&link->again);
}

void bw_output_link_close(struct bw_script_runner *runner)
{
    if (!runner->output.is_kept)
        return;
    drop(runner);
    uv_close((uv_handle_t *)&runner->output.again, on_handle_closed);
}

bool bw_output_link_is_closed(const struct bw_script_runner *runner)
{
    return runner->output.handles == 0;
}

/* ---- output ---- */

#define READS_PER_TURN 4 /* then the loop serves the others first */

static void on_drain_closed(uv_handle_t *handle)
{
    struct bw_script_drain *drain = handle->data;
    struct bw_script_runner *runner = drain->runner;
    struct bw_script_drain **link = &runner->drains;

    while (*link != drain)
        link = &(*link)->next;
    *link = drain->next;
    runner->drain_count--;
    free(drain);
    bw_script_runner_finish_close(runner);
}

void bw_script_drain_close(struct bw_script_drain *drain)
{
    if (drain->is_closing)
        return;
    drain->is_closing = true;
    uv_close((uv_handle_t *)&drain->poll, on_drain_closed);
    (void)close(drain->fd); /* only read from */
}

static void read_on(struct bw_script_drain *drain)
{
    char *buffer = drain->runner->buffer;

    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = read(drain->fd, buffer, sizeof drain->runner->buffer);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            bw_script_drain_close(drain);
            return;
        }
    }
}

static void on_drain_ready(uv_poll_t *poll, int status, int events)
{
    struct bw_script_drain *drain = poll->data;

    (void)events;
    if (!drain->is_passed)
        read_on(drain); /* meets an error again */
    else if (status != 0 || (events & UV_DISCONNECT) != 0)
        bw_script_drain_close(drain); /* nobody writes to it any more */
}

/* A drain that was passed waits for its end alone: a flood costs this loop nothing. */
static void pass(struct bw_script_drain *drain)
{
    drain->is_passed = pass_output_link(drain->runner, drain->fd);
    BW_ASSERT(uv_poll_start(&drain->poll, drain->is_passed ? UV_DISCONNECT : UV_READABLE, on_drain_ready) == 0);
}

static void pass_drains(struct bw_script_runner *runner)
{
    for (struct bw_script_drain *drain = runner->drains; drain != NULL; drain = drain->next)
        if (!drain->is_closing && !drain->is_passed)
            pass(drain);
}

static void take_back_drains(struct bw_script_runner *runner)
{
    for (struct bw_script_drain *drain = runner->drains; drain != NULL; drain = drain->next) {
        drain->is_passed = false;
        if (!drain->is_closing)
            BW_ASSERT(uv_poll_start(&drain->poll, UV_READABLE, on_drain_ready) == 0);
    }
}

static struct bw_script_drain *new_drain(struct bw_script_runner *runner, int fd)
{
    struct bw_script_drain *drain;

    if (runner->drain_count == BW_SCRIPT_DRAINS_MAX || runner->is_closing)
        return NULL;
    drain = calloc(1, sizeof *drain);
    if (drain != NULL && uv_poll_init(runner->loop, &drain->poll, fd) == 0)
        return drain;
    free(drain);
    return NULL;
}

void bw_script_drain_start(struct bw_script_runner *runner, int fd)
{
    struct bw_script_drain *drain = new_drain(runner, fd);

    if (drain == NULL) {
        (void)pass_output_link(runner, fd); /* the reader's copy is enough while it lives */
        (void)close(fd);                       /* only read from */
        return;
    }
    drain->fd = fd;
    drain->runner = runner;
    drain->poll.data = drain;
    drain->next = runner->drains;
    runner->drains = drain;
    runner->drain_count++;
    pass(drain);
    uv_unref((uv_handle_t *)&drain->poll); /* a service may outlive the loop */
}

size_t bw_script_runner_held(const struct bw_script_runner *runner, int *out_fds, size_t max)
{
    size_t count = 0;

    for (const struct bw_script_drain *drain = runner->drains; drain != NULL && count < max;
         drain = drain->next) {
        const int fd = drain->is_closing ? -1 : fcntl(drain->fd, F_DUPFD_CLOEXEC, 3);

        if (fd >= 0)
            out_fds[count++] = fd;
    }
    return count;
}

void bw_script_runner_read_on(struct bw_script_runner *runner, int fd)
{
    bw_script_drain_start(runner, fd);
}
