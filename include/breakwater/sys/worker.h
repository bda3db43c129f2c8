/* worker.h - one thread beside a loop, for what may hang or takes long: a disk that does not answer
 * holds up this thread and nobody else. Design 3.4 ("no loop of a daemon that renews, arms or
 * enforces calls fsync"). */
#ifndef BW_SYS_WORKER_H
#define BW_SYS_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

struct bw_worker; /* on the heap: a thread that hangs outlives whoever began it */

/* With a job of its own: `job_bytes` of zeroes, which are freed with the worker, by whoever lets go of it last;
 * of a thread that hangs that is the thread. `on_done` runs on the loop, each time the job is done. `clear` frees
 * what a job that nobody gets back still holds, on either thread; NULL: such a job holds nothing. BW_ERR_NOMEM,
 * BW_ERR_IO: there is no thread. */
BW_MUST_CHECK enum bw_err bw_worker_open(struct bw_worker **out_worker, uv_loop_t *loop,
                                         size_t job_bytes, void (*clear)(void *job),
                                         void (*on_done)(void *job, void *user), void *user,
                                         struct bw_diag *diag);
/* To be filled, then begun with. The caller's while it is not busy; then it may read what `work` does not change. */
void *bw_worker_job(struct bw_worker *worker);
/* `work` runs on the thread with the job, which is the worker's until on_done gets it back. One at a time: not
 * while it is busy. */
void bw_worker_begin(struct bw_worker *worker, void (*work)(void *job));
bool bw_worker_is_busy(const struct bw_worker *worker);
/* For whoever asks every few seconds: it is still at the job that it was at when it was asked before. True once,
 * until bw_worker_answers_again was. */
bool bw_worker_fell_silent(struct bw_worker *worker);
/* True once after bw_worker_fell_silent was: it is not busy any more. */
bool bw_worker_answers_again(struct bw_worker *worker);
/* on_done is not called any more. True: it is still at work, and what its job works on must stay as it is. NULL
 * is accepted: it was not opened. */
bool bw_worker_close(struct bw_worker *worker);

/* A thread beside the loop, for what may wait for as long as it likes. */

/* Runs `run` with `of` on a thread that nobody joins, and that hears no signal: they are the loop's. 0, or an errno:
 * none was made. */
int bw_thread_begin(void *(*run)(void *of), void *of);

#endif
