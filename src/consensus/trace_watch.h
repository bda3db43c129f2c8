/* trace_watch.h - hears when libraft could not close a log segment (L29 of safe_io.h), which it tells nobody: a
 * line of its trace is all that there is of it, said in the thread that was to close it. That thread is held until
 * the witness has stopped: what follows is not closed before, so that the names on disk still say the order. */
#ifndef BW_CONSENSUS_TRACE_WATCH_H
#define BW_CONSENSUS_TRACE_WATCH_H

#include <stdbool.h>

#include <raft.h>
#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/consensus/safe_io.h>

struct bw_trace_watch {
    struct raft_tracer tracer; /* for raft_uv_set_tracer */
    struct bw_safe_io *safe;
    uv_async_t failed;
    uv_sem_t heard;
    char text[BW_DIAG_TEXT_BYTES]; /* what has failed; of the held thread until it is told on */
    bool is_traced;                /* LIBRAFT_TRACE: all lines go to stderr, as without a watch */
};

/* `safe` is kept, and stopped on the loop. Its backend must be closed before the watch is. */
void bw_trace_watch_open(struct bw_trace_watch *watch, uv_loop_t *loop, struct bw_safe_io *safe);
/* `watch->failed.data` is the caller's, for `on_closed`, from here on. */
void bw_trace_watch_close(struct bw_trace_watch *watch, void *data, uv_close_cb on_closed);

#endif
