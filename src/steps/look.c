/* One look at all processes, with a limit: /proc does not answer for one whose memory map is held by who waits for a
 * disk, whosever it is. So it is on a thread of its own. Not that of sys/scan.h, which knows nobody to spare. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/scan.h>
#include <breakwater/sys/worker.h>

/* All that the thread reads and writes: one that hangs goes on whenever it likes. */
struct look {
    atomic_int holders;  /* the thread, and who asked: the last one frees it */
    atomic_bool is_over; /* err, count and pids are there */
    atomic_bool is_off;  /* nobody waits for it: who has come since is not its to signal */
    enum bw_err err;
    size_t count;
    pid_t pids[BW_STEPS_LEFT_MAX];
    struct bw_process_tree tree;
    int signal;
    char mark[BW_STEPS_MARK_BYTES];
    struct bw_process others[];
};

static void let_go(struct look *look)
{
    if (atomic_fetch_sub(&look->holders, 1) == 1)
        free(look);
}

static void *run(void *of)
{
    struct look *look = of;

    look->err = bw_process_tree_round(&look->tree, look->signal, look->pids, BW_STEPS_LEFT_MAX, &look->count, NULL);
    atomic_store(&look->is_over, true);
    let_go(look);
    return NULL;
}

static struct look *make(const struct bw_process_tree *tree, int signal)
{
    const size_t others_bytes = tree->other_count * sizeof tree->others[0];
    const size_t mark_bytes = strlen(tree->mark) + 1;
    struct look *look = calloc(1, sizeof *look + others_bytes);

    if (look == NULL)
        return NULL;
    BW_ASSERT(mark_bytes <= sizeof look->mark); /* a step's */
    memcpy(look->mark, tree->mark, mark_bytes);
    if (others_bytes != 0)
        memcpy(look->others, tree->others, others_bytes);
    look->tree = *tree;
    look->tree.mark = look->mark;
    look->tree.others = look->others;
    look->tree.is_off = &look->is_off;
    look->signal = signal;
    look->holders = 1;
    return look;
}

static bool begin(struct look *look)
{
    atomic_fetch_add(&look->holders, 1);
    if (bw_thread_begin(run, look) == 0)
        return true;
    atomic_fetch_sub(&look->holders, 1); /* there is no thread that would */
    return false;
}

void bw_steps_pause(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * (long)BW_NS_PER_MS};

    (void)nanosleep(&pause, NULL); /* one that a signal has cut short is as good */
}

/* False: it is not over by then. A look takes longer than the pauses here. */
static bool await(struct look *look)
{
    const struct bw_instant until = bw_instant_add(bw_clock_now(), BW_SCAN_NS);

    while (!atomic_load(&look->is_over) && !bw_instant_wait_is_over(bw_clock_now(), until))
        bw_steps_pause(1);
    return atomic_load(&look->is_over);
}

static void say_blind(const struct bw_steps_step *step)
{
    char text[256];
    const int length =
        snprintf(text, sizeof text, "what it has left could not be looked for within %d s: /proc does not answer for "
                 "some process of this machine (ps hangs, too: which disk does it wait for?); goes on",
                 (int)(BW_SCAN_NS / BW_NS_PER_S)); /* fits */

    bw_steps_tell_line(step->program, step->index, BW_SCRIPT_STDERR, text, (size_t)length);
}

bool bw_steps_look(const struct bw_steps_step *step, const struct bw_process_tree *tree, int signal, pid_t *out_pids,
                   size_t *out_count)
{
    struct bw_steps_program *program = step->program;
    struct look *look = program->is_blind ? NULL : make(tree, signal);
    bool is_seen;

    if (look == NULL)
        return false;
    is_seen = begin(look);
    if (is_seen && !await(look)) {
        atomic_store(&look->is_off, true);
        program->is_blind = true;
        is_seen = false;
        say_blind(step);
    }
    is_seen = is_seen && look->err == BW_OK;
    if (is_seen) {
        *out_count = look->count;
        if (out_pids != NULL)
            memcpy(out_pids, look->pids, sizeof look->pids);
    }
    let_go(look);
    return is_seen;
}
