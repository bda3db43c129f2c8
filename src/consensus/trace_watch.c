#include "trace_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <raft/uv.h>

#include <breakwater/base/assert.h>

/* How libraft 0.22.1 begins to say it, each in no other place; behind it come the name, and what has failed. */
#define COULD_NOT_CLOSE "truncate segment "
#define COULD_NOT_PUT   "retry snapshot write"
#define COULD_NOT_WRITE "retry failed write "
#define PUT_RETRY_MS    31000 /* twice a minute */

static void on_failed(uv_async_t *async)
{
    struct bw_trace_watch *watch = async->data;

    bw_safe_io_stop(watch->safe, BW_STOP_RESTART,
                    "a log segment could not be closed (%s); stopped before a later one was: a restart "
                    "closes them in their order",
                    watch->text);
    uv_sem_post(&watch->heard);
}

/* On the loop, as the next. */
static void try_put_soon(struct bw_trace_watch *watch)
{
    raft_uv_set_disk_retry(&watch->safe->io, PUT_RETRY_MS);
    watch->is_retry_soon = true;
    bw_safe_io_put_rests(watch->safe, PUT_RETRY_MS);
}

static void try_nothing_soon(struct bw_trace_watch *watch)
{
    if (watch->is_retry_soon)
        raft_uv_set_disk_retry(&watch->safe->io, BW_TRACE_WATCH_RETRY_MS);
    watch->is_retry_soon = false;
}

void bw_trace_watch_turn(struct bw_trace_watch *watch)
{
    try_nothing_soon(watch);
}

/* In any thread. */
static void on_trace(struct raft_tracer *tracer, int type, const void *info)
{
    struct bw_trace_watch *watch = tracer->impl;
    const struct raft_tracer_info *line = info;
    const char *message;

    if (type != RAFT_TRACER_DIAGNOSTIC) /* others come with nothing */
        return;
    message = line->diagnostic.message;
    if (watch->is_traced)
        (void)fprintf(stderr, "LIBRAFT %s:%d %s\n", line->diagnostic.file, line->diagnostic.line, message);
    if (strcmp(message, COULD_NOT_PUT) == 0)
        try_put_soon(watch);
    if (strncmp(message, COULD_NOT_WRITE, sizeof COULD_NOT_WRITE - 1) == 0)
        try_nothing_soon(watch);
    if (strncmp(message, COULD_NOT_CLOSE, sizeof COULD_NOT_CLOSE - 1) != 0)
        return;
    (void)snprintf(watch->text, sizeof watch->text, "%s", message + sizeof COULD_NOT_CLOSE - 1);
    (void)uv_async_send(&watch->failed); /* it is open as long as the backend is */
    uv_sem_wait(&watch->heard);
}

void bw_trace_watch_open(struct bw_trace_watch *watch, uv_loop_t *loop, struct bw_safe_io *safe)
{
    int rv = uv_async_init(loop, &watch->failed, on_failed);

    BW_ASSERT(rv == 0); /* the loop has one of its own already */
    rv = uv_sem_init(&watch->heard, 0);
    BW_ASSERT(rv == 0);
    watch->failed.data = watch;
    watch->safe = safe;
    watch->is_traced = getenv("LIBRAFT_TRACE") != NULL;
    watch->tracer = (struct raft_tracer){.impl = watch, .version = 2, .emit = on_trace};
}

void bw_trace_watch_close(struct bw_trace_watch *watch, void *data, uv_close_cb on_closed)
{
    uv_sem_destroy(&watch->heard);
    watch->failed.data = data;
    uv_close((uv_handle_t *)&watch->failed, on_closed);
}
