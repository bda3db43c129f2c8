#include "script_drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

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

static void on_drain_readable(uv_poll_t *poll, int status, int events)
{
    struct bw_script_drain *drain = poll->data;
    char *buffer = drain->runner->buffer;

    (void)status; /* an error is met again by the read */
    (void)events;
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

bool bw_script_drain_start(struct bw_script_runner *runner, int fd)
{
    struct bw_script_drain *drain;

    if (runner->drain_count == BW_SCRIPT_DRAINS_MAX || runner->is_closing)
        return false;
    drain = calloc(1, sizeof *drain);
    if (drain == NULL)
        return false;
    drain->fd = fd;
    drain->runner = runner;
    if (uv_poll_init(runner->loop, &drain->poll, fd) != 0) {
        free(drain);
        return false;
    }
    drain->poll.data = drain;
    BW_ASSERT(uv_poll_start(&drain->poll, UV_READABLE, on_drain_readable) == 0);
    uv_unref((uv_handle_t *)&drain->poll); /* a service may outlive the loop */
    drain->next = runner->drains;
    runner->drains = drain;
    runner->drain_count++;
    return true;
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

bool bw_script_runner_read_on(struct bw_script_runner *runner, int fd)
{
    if (bw_script_drain_start(runner, fd))
        return true;
    (void)close(fd); /* only read from */
    return false;
}
