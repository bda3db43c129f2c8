/* What may wait at a deadline, on threads of its own: the loop, which has ended what is listed in what it holds open,
 * waits for neither.
 *
 *   find   ends units that have come up since the guard told of them, and what is in cgroups below theirs and below the
 *          group's own: looked for by their paths, and listed. To open a file may wait for memory, and for whoever makes
 *          another beside it.
 *   sweep  writes to cgroup.kill, which ends what forks faster than a list is read, and what is in cgroups
 *          below. The kernel does it under the lock of the whole tree of cgroups, and whoever has that may be
 *          one that gets no core: behind a real-time process that writes was seen to wait for 0.95 s, again and
 *          again (Linux 6.18). */
#include "program.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/sys/cgroup.h>

#define STACK_BYTES (256 * 1024) /* locked in memory with the rest */
#define NO_GROUP    BW_ENFORCER_GROUPS_MAX

/* Of one group. */
struct sought {
    uint32_t fd_count;
    int fds[BW_ENFORCER_MEANS_MAX]; /* each a cgroup.kill */
    uint32_t path_bytes;
    char paths[BW_ENFORCER_PATHS_BYTES]; /* each with a NUL */
};

struct worker {
    void (*act)(struct worker *worker);
    sem_t due;
    bool is_due[BW_ENFORCER_GROUPS_MAX];
    uint32_t due_count;
    uint32_t next;        /* where it looks first for one that is due: none comes twice while another waits */
    uint32_t group;       /* it is at work on this one, or NO_GROUP */
    bool is_called_off;   /* nothing of that one is to be ended any more */
    bool owns_fds;        /* others have come instead of those that it writes to: it closes them */
    struct sought sought; /* what it is at work on; of its thread alone */
};

static void find(struct worker *worker);
static void sweep(struct worker *worker);

enum { FINDER, SWEEPER, WORKERS };

static struct {
    pthread_mutex_t lock; /* of what follows; held for a copy, never while anything is opened or ended */
    struct sought groups[BW_ENFORCER_GROUPS_MAX];
    struct worker workers[WORKERS];
} self = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .workers = {[FINDER] = {.act = find, .group = NO_GROUP}, [SWEEPER] = {.act = sweep, .group = NO_GROUP}}};

/* ---- what they do ---------------------------------------------------------------------------- */

/* What waits for long may go on when all has been seen to have ended, and other epochs begin. */
static bool goes_on(struct worker *worker)
{
    bool is_called_off;

    (void)pthread_mutex_lock(&self.lock); /* an ordinary one does not fail */
    is_called_off = worker->is_called_off;
    (void)pthread_mutex_unlock(&self.lock);
    return !is_called_off;
}

static void at_each_path(struct worker *worker, void (*end)(const struct bw_cgroup *cgroup))
{
    const struct sought *sought = &worker->sought;
    const char *path = sought->paths;

    for (; path < sought->paths + sought->path_bytes && goes_on(worker); path += strlen(path) + 1) {
        struct bw_cgroup cgroup;

        if (bw_copy_text(cgroup.path, sizeof cgroup.path, path)) /* a guard has no longer ones */
            end(&cgroup);
    }
}

static void find(struct worker *worker)
{
    at_each_path(worker, bw_cgroup_kill_listed);
}

/* Fails where the cgroup is gone. */
static void kill_all_in(int fd)
{
    (void)!write(fd, "1", 1);
}

static void kill_all_at(const struct bw_cgroup *cgroup)
{
    (void)bw_cgroup_kill_all(cgroup); /* nothing is up there, or the kernel has no such file */
}

static void sweep(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->sought.fd_count && goes_on(worker); i++)
        kill_all_in(worker->sought.fds[i]);
    at_each_path(worker, kill_all_at);
}

/* ---- the threads ----------------------------------------------------------------------------- */

static void close_all(const struct sought *sought)
{
    for (uint32_t i = 0; i < sought->fd_count; i++)
        (void)close(sought->fds[i]);
}

/* False: none is due. */
static bool take_next(struct worker *worker)
{
    bool is_any = false;

    (void)pthread_mutex_lock(&self.lock);
    for (uint32_t i = 0; i < BW_ENFORCER_GROUPS_MAX && worker->due_count > 0 && !is_any; i++) {
        const uint32_t group = (worker->next + i) % BW_ENFORCER_GROUPS_MAX;

        is_any = worker->is_due[group];
        if (!is_any)
            continue;
        worker->is_due[group] = false;
        worker->due_count--;
        worker->next = group + 1;
        worker->group = group;
        worker->is_called_off = false;
        worker->sought = self.groups[group];
    }
    (void)pthread_mutex_unlock(&self.lock);
    return is_any;
}

/* From then on it is known that all was done, but for what is closed. */
static void finish(struct worker *worker)
{
    bool owns_fds;

    (void)pthread_mutex_lock(&self.lock);
    owns_fds = worker->owns_fds;
    worker->owns_fds = false;
    worker->group = NO_GROUP;
    (void)pthread_mutex_unlock(&self.lock);
    if (owns_fds)
        close_all(&worker->sought);
}

static void *work(void *user)
{
    struct worker *worker = (struct worker *)user;

    for (;;) {
        if (sem_wait(&worker->due) != 0)
            continue; /* EINTR */
        while (take_next(worker)) {
            worker->act(worker);
            finish(worker);
        }
    }
    return NULL;
}

static bool start(struct worker *worker)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool is_started;

    if (sem_init(&worker->due, 0, 0) != 0 || pthread_attr_init(&attributes) != 0)
        return false;
    is_started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                 pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                 pthread_create(&thread, &attributes, work, worker) == 0;
    (void)pthread_attr_destroy(&attributes);
    return is_started;
}

bool bw_finder_start(void)
{
    return start(&self.workers[FINDER]) && start(&self.workers[SWEEPER]);
}

/* ---- the loop's side ------------------------------------------------------------------------- */

/* One that is written to just now is not closed below it: its number may be another file's a moment later. */
static void drop_fds(uint32_t group)
{
    struct worker *sweeper = &self.workers[SWEEPER];

    if (sweeper->group == group && !sweeper->owns_fds)
        sweeper->owns_fds = true; /* those are the ones that it has */
    else
        close_all(&self.groups[group]);
    self.groups[group].fd_count = 0;
}

void bw_finder_hold(uint32_t group, const struct bw_enforcer_message *message, const int *fds)
{
    struct sought *sought = &self.groups[group];

    (void)pthread_mutex_lock(&self.lock);
    drop_fds(group);
    for (uint32_t i = 0; i < message->means_count; i++)
        if (message->means[i] == BW_ENFORCER_BY_KILL_FILE)
            sought->fds[sought->fd_count++] = fds[i];
    (void)pthread_mutex_unlock(&self.lock);
}

void bw_finder_tell(uint32_t group, const struct bw_enforcer_message *message)
{
    (void)pthread_mutex_lock(&self.lock);
    self.groups[group].path_bytes = message->path_bytes;
    memcpy(self.groups[group].paths, message->paths, message->path_bytes);
    (void)pthread_mutex_unlock(&self.lock);
}

static void ask(struct worker *worker, uint32_t group)
{
    if (worker->is_due[group] || self.groups[group].fd_count + self.groups[group].path_bytes == 0)
        return;
    worker->is_due[group] = true;
    worker->due_count++;
}

void bw_finder_kill(const uint32_t *groups, uint32_t count)
{
    (void)pthread_mutex_lock(&self.lock);
    for (uint32_t i = 0; i < count; i++)
        for (int n = 0; n < WORKERS; n++)
            ask(&self.workers[n], groups[i]);
    (void)pthread_mutex_unlock(&self.lock);
    for (int n = 0; n < WORKERS; n++)
        (void)sem_post(&self.workers[n].due); /* more than it can count are due already */
}

void bw_finder_call_off(uint32_t group)
{
    (void)pthread_mutex_lock(&self.lock);
    for (int n = 0; n < WORKERS; n++) {
        struct worker *worker = &self.workers[n];

        worker->due_count -= worker->is_due[group];
        worker->is_due[group] = false;
        if (worker->group == group)
            worker->is_called_off = true;
    }
    (void)pthread_mutex_unlock(&self.lock);
}

bool bw_finder_is_done(void)
{
    bool is_done = true;

    (void)pthread_mutex_lock(&self.lock);
    for (int n = 0; n < WORKERS; n++)
        is_done = is_done && self.workers[n].due_count == 0 && self.workers[n].group == NO_GROUP;
    (void)pthread_mutex_unlock(&self.lock);
    return is_done;
}
