/* names_jobs.c - what may hang, on a thread of its own: a resolver, a disk. The loop may let go of it at any time. */
#include "names_private.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>

struct job_desk {
    uv_async_t done;
    struct bw_names *names; /* the loop's; NULL: it is closing */
    struct job *begun;      /* under the lock, as the next */
    struct job *ended;
};

/* One for all: it is held for some assignments, and outlives every desk. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void unlink_begun(struct job_desk *desk, const struct job *job)
{
    struct job **at = &desk->begun;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
}

static void *run_job(void *of)
{
    struct job *job = of;
    bool is_let_go;

    job->run(job);
    (void)pthread_mutex_lock(&lock); /* cannot fail, as below */
    is_let_go = job->desk == NULL;
    if (!is_let_go) {
        unlink_begun(job->desk, job);
        job->next = job->desk->ended;
        job->desk->ended = job;
        (void)uv_async_send(&job->desk->done); /* under the lock: the handle is not closed meanwhile */
    }
    (void)pthread_mutex_unlock(&lock);
    if (is_let_go)
        job->free(job);
    return NULL;
}

static struct job *take_ended(struct job_desk *desk)
{
    struct job *job;

    (void)pthread_mutex_lock(&lock);
    job = desk->ended;
    if (job != NULL)
        desk->ended = job->next;
    (void)pthread_mutex_unlock(&lock);
    return job;
}

static void on_async(uv_async_t *async)
{
    struct job_desk *desk = async->data;
    struct job *job;

    while (desk->names != NULL && (job = take_ended(desk)) != NULL) {
        job->on_done(desk->names, job);
        job->free(job);
    }
}

/* Detached, and without signals: they are the loop's. */
static bool begin_thread(struct job *job)
{
    sigset_t all, before;
    pthread_t thread;
    int rc;

    (void)sigfillset(&all); /* these cannot fail with these arguments */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, run_job, job);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_detach(thread); /* it was just made */
    return rc == 0;
}

bool bw_job_begin(struct job_desk *desk, struct job *job)
{
    job->desk = desk;
    (void)pthread_mutex_lock(&lock);
    job->next = desk->begun;
    desk->begun = job;
    (void)pthread_mutex_unlock(&lock);
    if (begin_thread(job))
        return true;
    (void)pthread_mutex_lock(&lock);
    unlink_begun(desk, job);
    (void)pthread_mutex_unlock(&lock);
    return false;
}

enum bw_err bw_job_desk_open(struct job_desk **out_desk, struct bw_names *names, uv_loop_t *loop, struct bw_diag *diag)
{
    struct job_desk *desk = calloc(1, sizeof *desk);
    int rc;

    if (desk == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "names: out of memory");
    rc = uv_async_init(loop, &desk->done, on_async);
    if (rc != 0) {
        free(desk);
        return bw_diag_set(diag, BW_ERR_IO, "names: %s", uv_strerror(rc));
    }
    desk->done.data = desk;
    uv_unref((uv_handle_t *)&desk->done); /* who waits has a handle of its own */
    desk->names = names;
    *out_desk = desk;
    return BW_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void bw_job_desk_close(struct job_desk *desk)
{
    struct job *job;

    (void)pthread_mutex_lock(&lock);
    for (job = desk->begun; job != NULL; job = job->next)
        job->desk = NULL;
    desk->begun = NULL;
    (void)pthread_mutex_unlock(&lock);
    while ((job = take_ended(desk)) != NULL)
        job->free(job);
    desk->names = NULL;
    uv_close((uv_handle_t *)&desk->done, on_closed);
}
