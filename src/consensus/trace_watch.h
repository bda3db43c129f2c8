/* trace_watch.h - hears what libraft says of its disk to its trace, and to nobody else (L29, L3 of safe_io.h).
 *
 * A log segment could not be closed: said in the thread that was to close it. That thread is held until the witness
 * has stopped: what follows is not closed before, so that the names on disk still say the order.
 *
 * A snapshot, or a log entry, could not be written: said on the loop, just before libraft reads after how long it is to
 * try again. Both have the same time. The snapshot's retry is sound; the entry's is not, and is kept away. So the time is
 * the snapshot's from its word on until an entry fails, or the turn of the loop ends; meanwhile the snapshot is not at the
 * disk. */
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
    bool is_retry_soon;            /* libraft has the time of a snapshot's retry */
    bool is_traced;                /* LIBRAFT_TRACE: all lines go to stderr, as without a watch */
};

#define BW_TRACE_WATCH_RETRY_MS 600000 /* L3: never in practice, safe_io and the watch over the room are long before */

/* `safe` is kept, and stopped on the loop. Its backend, libraft's, is to have this tracer and the time of retry above, and
 * must be closed before the watch is. */
void bw_trace_watch_open(struct bw_trace_watch *watch, uv_loop_t *loop, struct bw_safe_io *safe);
/* Due in each turn of the loop. */
void bw_trace_watch_turn(struct bw_trace_watch *watch);
/* `watch->failed.data` is the caller's, for `on_closed`, from here on. */
void bw_trace_watch_close(struct bw_trace_watch *watch, void *data, uv_close_cb on_closed);

#endif
