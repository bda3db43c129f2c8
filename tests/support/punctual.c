#include "punctual.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define BEST_NICE (-20)

void punctual_child(void)
{
    const struct sched_param lowest = {.sched_priority = 1};

    if (sched_setscheduler(0, SCHED_RR, &lowest) != 0)
        (void)setpriority(PRIO_PROCESS, 0, BEST_NICE); /* refused: as everybody else, then */
}

static int nice_before;

static void be_ordinary(void)
{
    const struct sched_param none = {0};

    (void)sched_setscheduler(0, SCHED_OTHER, &none); /* downwards is never refused */
    (void)setpriority(PRIO_PROCESS, 0, nice_before);
}

/* Not SCHED_RESET_ON_FORK, which makes threads ordinary too: the loop spins, at its priority, while a
 * thread of its pool has half-sent a wake-up (uv_async_send) and does not get a core to finish it. */
void punctual_self(void)
{
    nice_before = getpriority(PRIO_PROCESS, 0);
    punctual_child();
    (void)pthread_atfork(NULL, NULL, be_ordinary); /* no memory: they are punctual, too */
}
