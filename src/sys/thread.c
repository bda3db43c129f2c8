#include <breakwater/sys/thread.h>

#include <pthread.h>
#include <signal.h>

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
