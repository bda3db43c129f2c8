/* Units that have come up since the guard told of them: looked for by their paths at the deadline, on a thread of
 * its own. To open a file may wait for memory, or for who changes the tree of cgroups; the loop waits for neither,
 * and what it holds open has been ended before. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STACK_BYTES (256 * 1024) /* locked in memory with the rest */

struct sought {
    uint32_t bytes;
    char paths[BW_ENFORCER_PATHS_BYTES]; /* each with a NUL */
};

static struct {
    pthread_mutex_t lock; /* of what follows; held for a copy, never while anything is opened */
    struct sought groups[BW_ENFORCER_GROUPS_MAX];
    bool is_due[BW_ENFORCER_GROUPS_MAX];
    bool is_at_work;
    uint32_t due_count;
    sem_t due;
} self = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the thread ------------------------------------------------------------------------------ */

static int open_in(const char *path, const char *name, int flags)
{
    char file[PATH_MAX];

    if (snprintf(file, sizeof file, "%s/%s", path, name) >= (int)sizeof file)
        return -1; /* the kernel has no longer ones */
    return open(file, flags | O_CLOEXEC);
}

static void kill_at(const char *path)
{
    struct bw_means means = {.count = 1, .kinds = {BW_ENFORCER_BY_KILL_FILE}};

    means.fds[0] = open_in(path, "cgroup.kill", O_WRONLY);
    if (means.fds[0] < 0) { /* as guard/means.c */
        means.kinds[0] = BW_ENFORCER_BY_PROCS;
        means.fds[0] = open_in(path, "cgroup.procs", O_RDONLY);
    }
    if (means.fds[0] < 0)
        return; /* nothing is up there */
    bw_means_kill(&means);
    (void)close(means.fds[0]); /* the kernel acted at the write */
}

static void kill_found(const struct sought *sought)
{
    for (uint32_t at = 0; at < sought->bytes; at += (uint32_t)strlen(sought->paths + at) + 1)
        kill_at(sought->paths + at);
}

/* False: none is due; it is then known that all was done. */
static bool take_next(struct sought *out_sought)
{
    bool is_any = false;

    (void)pthread_mutex_lock(&self.lock); /* an ordinary one does not fail */
    for (uint32_t i = 0; i < BW_ENFORCER_GROUPS_MAX && self.due_count > 0 && !is_any; i++) {
        is_any = self.is_due[i];
        if (!is_any)
            continue;
        self.is_due[i] = false;
        self.due_count--;
        *out_sought = self.groups[i];
    }
    self.is_at_work = is_any;
    (void)pthread_mutex_unlock(&self.lock);
    return is_any;
}

static void *find(void *none)
{
    static struct sought sought; /* of one thread */

    for (;;) {
        if (sem_wait(&self.due) != 0)
            continue; /* EINTR */
        while (take_next(&sought))
            kill_found(&sought);
    }
    return none;
}

bool bw_finder_start(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool is_started;

    if (sem_init(&self.due, 0, 0) != 0 || pthread_attr_init(&attributes) != 0)
        return false;
    is_started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                 pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                 pthread_create(&thread, &attributes, find, NULL) == 0;
    (void)pthread_attr_destroy(&attributes);
    return is_started;
}

/* ---- the loop's side ------------------------------------------------------------------------- */

void bw_finder_tell(uint32_t group, const struct bw_enforcer_message *message)
{
    (void)pthread_mutex_lock(&self.lock);
    self.groups[group].bytes = message->path_bytes;
    memcpy(self.groups[group].paths, message->paths, message->path_bytes);
    (void)pthread_mutex_unlock(&self.lock);
}

void bw_finder_kill(const uint32_t *groups, uint32_t count)
{
    (void)pthread_mutex_lock(&self.lock);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t group = groups[i];

        if (self.groups[group].bytes == 0 || self.is_due[group])
            continue;
        self.is_due[group] = true;
        self.due_count++;
    }
    (void)pthread_mutex_unlock(&self.lock);
    (void)sem_post(&self.due); /* more than it can count are due already */
}

bool bw_finder_is_done(void)
{
    bool is_done;

    (void)pthread_mutex_lock(&self.lock);
    is_done = self.due_count == 0 && !self.is_at_work;
    (void)pthread_mutex_unlock(&self.lock);
    return is_done;
}
