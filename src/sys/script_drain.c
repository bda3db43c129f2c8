#include "script_drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "output_link.h"

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
    drain->is_passed = bw_output_link_pass(drain->runner, drain->fd);
    BW_ASSERT(uv_poll_start(&drain->poll, drain->is_passed ? UV_DISCONNECT : UV_READABLE, on_drain_ready) == 0);
}

void bw_script_drains_pass(struct bw_script_runner *runner)
{
    for (struct bw_script_drain *drain = runner->drains; drain != NULL; drain = drain->next)
        if (!drain->is_closing && !drain->is_passed)
            pass(drain);
}

void bw_script_drains_take_back(struct bw_script_runner *runner)
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
        (void)bw_output_link_pass(runner, fd); /* the reader's copy is enough while it lives */
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
