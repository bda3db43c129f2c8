#include <breakwater/sys/worker.h>

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

int bw_thread_begin(void *(*run)(void *of), void *of)
{
    sigset_t all, before;
    pthread_t thread;
    int rc;

    (void)sigfillset(&all); /* these cannot fail with these arguments */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, run, of);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? pthread_detach(thread) : rc;
}

struct bw_worker {
    uv_async_t done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    void (*work)(void *job);
    enum { IDLE, WANTED, AT_WORK, DONE } state;
    bool is_ending;      /* the thread ends when it has nothing at work */
    bool is_loop_gone;   /* the loop has let go of `done` */
    bool is_thread_gone;
    /* The loop's. */
    void (*on_done)(void *job, void *user);
    void *user;
    void (*clear)(void *job);
    uint64_t begun;      /* jobs */
    uint64_t begun_then; /* ... when bw_worker_fell_silent was asked last */
    bool is_silent;
    max_align_t job[];
};

/* Whoever is the last to let go of it frees it. Unlocks. */
static void unlock_or_free(struct bw_worker *worker)
{
    const bool is_last = worker->is_loop_gone && worker->is_thread_gone;

    (void)pthread_mutex_unlock(&worker->lock);
    if (!is_last)
        return;
    (void)pthread_cond_destroy(&worker->changed);
    (void)pthread_mutex_destroy(&worker->lock);
    if (worker->clear != NULL && worker->state != IDLE) /* begun, and never given back */
        worker->clear(worker->job);
    free(worker);
}

static void *run(void *of)
{
    struct bw_worker *worker = of;

    (void)pthread_mutex_lock(&worker->lock);
    while (!worker->is_ending) {
        if (worker->state != WANTED) {
            (void)pthread_cond_wait(&worker->changed, &worker->lock);
            continue;
        }
        worker->state = AT_WORK;
        (void)pthread_mutex_unlock(&worker->lock);
        worker->work(worker->job);
        (void)pthread_mutex_lock(&worker->lock);
        worker->state = DONE;
        if (!worker->is_ending)
            (void)uv_async_send(&worker->done); /* under the lock: the handle is not closed meanwhile */
    }
    worker->is_thread_gone = true;
    unlock_or_free(worker);
    return NULL;
}

static void on_async(uv_async_t *async)
{
    struct bw_worker *worker = async->data;
    bool is_done;

    (void)pthread_mutex_lock(&worker->lock);
    is_done = worker->state == DONE;
    if (is_done)
        worker->state = IDLE;
    (void)pthread_mutex_unlock(&worker->lock);
    if (is_done)
        worker->on_done(worker->job, worker->user);
}

enum bw_err bw_worker_open(struct bw_worker **out_worker, uv_loop_t *loop, size_t job_bytes,
                           void (*clear)(void *job), void (*on_done)(void *job, void *user),
                           void *user, struct bw_diag *diag)
{
    struct bw_worker *worker = calloc(1, sizeof *worker + job_bytes);
    int rc;

    if (worker == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "a thread");
    worker->on_done = on_done;
    worker->user = user;
    worker->clear = clear;
    BW_ASSERT(pthread_mutex_init(&worker->lock, NULL) == 0);
    BW_ASSERT(pthread_cond_init(&worker->changed, NULL) == 0);
    BW_ASSERT(uv_async_init(loop, &worker->done, on_async) == 0);
    worker->done.data = worker;
    rc = bw_thread_begin(run, worker);
    if (rc == 0) {
        *out_worker = worker;
        return BW_OK;
    }
    worker->is_thread_gone = true;
    (void)bw_worker_close(worker);
    return bw_diag_errno(diag, rc, "start a thread");
}

void *bw_worker_job(struct bw_worker *worker)
{
    return worker->job;
}

void bw_worker_begin(struct bw_worker *worker, void (*work)(void *job))
{
    (void)pthread_mutex_lock(&worker->lock);
    BW_ASSERT(worker->state == IDLE);
    worker->begun++;
    worker->work = work;
    worker->state = WANTED;
    (void)pthread_cond_signal(&worker->changed);
    (void)pthread_mutex_unlock(&worker->lock);
}

bool bw_worker_is_busy(const struct bw_worker *worker)
{
    struct bw_worker *of = (struct bw_worker *)worker;
    bool is_busy;

    (void)pthread_mutex_lock(&of->lock);
    is_busy = of->state != IDLE;
    (void)pthread_mutex_unlock(&of->lock);
    return is_busy;
}

bool bw_worker_fell_silent(struct bw_worker *worker)
{
    const bool is_same = worker->begun == worker->begun_then && bw_worker_is_busy(worker);
    const bool is_news = is_same && !worker->is_silent;

    worker->begun_then = worker->begun;
    worker->is_silent = worker->is_silent || is_same;
    return is_news;
}

bool bw_worker_answers_again(struct bw_worker *worker)
{
    const bool is_news = worker->is_silent && !bw_worker_is_busy(worker);

    worker->is_silent = worker->is_silent && !is_news;
    return is_news;
}

static void on_closed(uv_handle_t *handle)
{
    struct bw_worker *worker = handle->data;

    (void)pthread_mutex_lock(&worker->lock);
    worker->is_loop_gone = true;
    unlock_or_free(worker);
}

bool bw_worker_close(struct bw_worker *worker)
{
    bool is_at_work;

    if (worker == NULL)
        return false;
    (void)pthread_mutex_lock(&worker->lock);
    worker->is_ending = true;
    is_at_work = worker->state == AT_WORK;
    (void)pthread_cond_signal(&worker->changed);
    (void)pthread_mutex_unlock(&worker->lock);
    uv_close((uv_handle_t *)&worker->done, on_closed);
    return is_at_work;
}
