#include <breakwater/sys/scan.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>
#include <breakwater/sys/worker.h>

struct bw_scan {
    struct bw_scan *next;
    int signal;
    char *mark;
    bool with_strays;
    enum { SCAN_WAITS, SCAN_RUNS, SCAN_IS_OVER } state;
    bool is_forsaken; /* nobody asks for it any more */
    atomic_bool is_off; /* ... nor for its signals: who has come since may be of the next epoch */
    struct bw_instant until; /* of one that nobody ever asks for: its signals are good so long */
    enum bw_err err;
    bool is_empty;
    pid_t found[BW_SCAN_FOUND_MAX];
    size_t found_count;
    struct bw_diag diag;
};

/* All below, and the state of every round, under `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_work = PTHREAD_COND_INITIALIZER;
static struct bw_scan *waiting;
static bool has_thread;

static void destroy(struct bw_scan *scan)
{
    free(scan->mark);
    free(scan);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static struct bw_process_tree tree_of(const struct bw_scan *scan)
{
    return (struct bw_process_tree){.mark = scan->mark,
                                    .with_strays = scan->with_strays,
                                    .is_off = &scan->is_off,
                                    .until = scan->until};
}

/* One look at all processes for the rounds of the list that are not settled yet. */
static void look(struct bw_scan *list, bool is_second)
{
    struct bw_process_tree *trees;
    struct bw_process_table *table = NULL;
    struct bw_diag diag = {0};
    size_t count = 0;
    enum bw_err err;

    for (const struct bw_scan *scan = list; scan != NULL; scan = scan->next)
        count++;
    BW_ASSERT(count > 0);
    trees = calloc(count, sizeof *trees);
    count = 0;
    for (const struct bw_scan *scan = list; trees != NULL && scan != NULL; scan = scan->next)
        if (scan->signal == SIGKILL)
            trees[count++] = tree_of(scan); /* without memory for it: later, in the rounds */
    err = bw_process_table_read(trees, count, &table, &diag);
    for (struct bw_scan *scan = list; scan != NULL; scan = scan->next) {
        const struct bw_process_tree tree = tree_of(scan);
        size_t found = 1;

        if (is_second && (scan->err != BW_OK || !scan->is_empty))
            continue;
        scan->err = err;
        scan->diag = diag;
        if (err == BW_OK)
            scan->err = bw_process_table_round(table, &tree, scan->signal, scan->found,
                                               BW_SCAN_FOUND_MAX, &found, &scan->diag);
        scan->is_empty = scan->err == BW_OK && found == 0;
        if (scan->err != BW_OK)
            found = 0;
        scan->found_count = found < BW_SCAN_FOUND_MAX ? found : BW_SCAN_FOUND_MAX;
    }
    bw_process_table_free(table);
    free(trees);
}

static bool has_empty(const struct bw_scan *list)
{
    for (; list != NULL; list = list->next)
        if (list->is_empty)
            return true;
    return false;
}

static struct bw_scan *take_work(void)
{
    struct bw_scan *list;

    (void)pthread_mutex_lock(&lock); /* these fail for nothing that this file could do */
    while (waiting == NULL)
        (void)pthread_cond_wait(&has_work, &lock);
    list = waiting;
    waiting = NULL;
    for (struct bw_scan *scan = list; scan != NULL; scan = scan->next)
        scan->state = SCAN_RUNS;
    (void)pthread_mutex_unlock(&lock);
    return list;
}

static void give_back(struct bw_scan *list)
{
    (void)pthread_mutex_lock(&lock);
    while (list != NULL) {
        struct bw_scan *scan = list;

        list = scan->next;
        scan->state = SCAN_IS_OVER;
        if (scan->is_forsaken)
            destroy(scan);
    }
    (void)pthread_mutex_unlock(&lock);
}

__attribute__((noreturn)) static void *work(void *nothing)
{
    (void)nothing;
    for (;;) {
        struct bw_scan *list = take_work();

        look(list, false);
        /* A pid that wraps round may be born behind the reader of /proc as its parent dies. */
        if (has_empty(list))
            look(list, true);
        give_back(list);
    }
}

static enum bw_err make_thread(struct bw_diag *diag)
{
    const int error = bw_thread_begin(work, NULL);

    return error == 0 ? BW_OK : bw_diag_errno(diag, error, "make a thread that looks at processes");
}

/* ---- asking ---------------------------------------------------------------------------------- */

enum bw_err bw_scan_begin(int signal, const char *mark, bool with_strays,
                          struct bw_scan **out_scan, struct bw_diag *diag)
{
    struct bw_scan *scan = calloc(1, sizeof *scan);
    enum bw_err err = BW_OK;

    if (scan != NULL)
        scan->mark = strdup(mark);
    if (scan == NULL || scan->mark == NULL) {
        free(scan);
        return bw_diag_set(diag, BW_ERR_NOMEM, "look at the processes");
    }
    scan->signal = signal;
    scan->with_strays = with_strays;
    scan->is_forsaken = out_scan == NULL;
    if (out_scan == NULL)
        scan->until = bw_instant_add(bw_clock_now(), BW_SCAN_NS);
    (void)pthread_mutex_lock(&lock);
    if (!has_thread)
        err = make_thread(diag);
    if (err == BW_OK) {
        has_thread = true;
        scan->next = waiting;
        waiting = scan;
        (void)pthread_cond_signal(&has_work);
    }
    (void)pthread_mutex_unlock(&lock);
    if (err != BW_OK) {
        destroy(scan);
        return err;
    }
    if (out_scan != NULL)
        *out_scan = scan;
    return BW_OK;
}

bool bw_scan_is_over(struct bw_scan *scan, enum bw_err *out_err, bool *out_empty,
                     struct bw_diag *diag)
{
    bool is_over;

    (void)pthread_mutex_lock(&lock);
    is_over = scan->state == SCAN_IS_OVER;
    (void)pthread_mutex_unlock(&lock);
    if (!is_over)
        return false;
    *out_err = scan->err;
    *out_empty = scan->is_empty;
    *diag = scan->diag;
    return true;
}

size_t bw_scan_found(const struct bw_scan *scan, pid_t out_pids[BW_SCAN_FOUND_MAX])
{
    BW_ASSERT(scan->state == SCAN_IS_OVER); /* nobody writes to it any more */
    memcpy(out_pids, scan->found, scan->found_count * sizeof out_pids[0]);
    return scan->found_count;
}

void bw_scan_free(struct bw_scan *scan)
{
    bool is_running;

    if (scan == NULL)
        return;
    (void)pthread_mutex_lock(&lock);
    for (struct bw_scan **at = &waiting; *at != NULL; at = &(*at)->next)
        if (*at == scan) {
            *at = scan->next;
            break;
        }
    is_running = scan->state == SCAN_RUNS;
    scan->is_forsaken = true;
    scan->is_off = true;
    (void)pthread_mutex_unlock(&lock);
    if (!is_running)
        destroy(scan);
}
