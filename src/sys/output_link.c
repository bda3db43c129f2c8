#include "output_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/output_reader.h>
#include <breakwater/sys/process_tree.h>

#include "script_drain.h"

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

static void on_again(uv_timer_t *timer)
{
    bw_script_drains_pass(timer->data);
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
    bw_script_drains_take_back(runner);
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

bool bw_output_link_pass(struct bw_script_runner *runner, int fd)
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
