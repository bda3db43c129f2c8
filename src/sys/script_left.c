#include "script_left.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/sys/process_tree.h>

/* Of one run; more are found the next time. */
#define LISTED_MAX BW_SCAN_FOUND_MAX

struct bw_script_left {
    struct bw_script_left *next;
    char mark[BW_REACH_MARK_BYTES]; /* of the slot: a reach may be opened anew, in other memory */
    pid_t pid;
    uint64_t start_ticks;
    char path[];
};

static bool is_there(const struct bw_script_left *left)
{
    struct bw_process process;

    return bw_process_read(left->pid, &process, NULL) == BW_OK && process.start_ticks == left->start_ticks &&
           !process.is_dead;
}

static void drop_gone(struct bw_script_runner *runner)
{
    struct bw_script_left **link = &runner->left;

    while (*link != NULL) {
        struct bw_script_left *left = *link;

        if (is_there(left)) {
            link = &left->next;
            continue;
        }
        *link = left->next;
        free(left);
    }
}

static bool is_known(const struct bw_script_runner *runner, pid_t pid)
{
    for (const struct bw_script_left *left = runner->left; left != NULL; left = left->next)
        if (left->pid == pid)
            return true;
    return false;
}

static void add(struct bw_script_runner *runner, const struct bw_script_spec *spec, const char *path, pid_t pid)
{
    struct bw_script_left *left;
    struct bw_process process;

    if (is_known(runner, pid) || bw_process_read(pid, &process, NULL) != BW_OK || process.is_dead)
        return;
    left = calloc(1, sizeof *left + strlen(path) + 1);
    if (left == NULL)
        return;
    bw_reach_mark(spec->reach, spec->slot, left->mark);
    left->pid = pid;
    left->start_ticks = process.start_ticks;
    memcpy(left->path, path, strlen(path) + 1);
    left->next = runner->left;
    runner->left = left;
}

void bw_script_left_note(struct bw_script_runner *runner, const struct bw_script_spec *spec, const char *path,
                         const struct bw_reach_kill *kill)
{
    pid_t listed[LISTED_MAX];
    const pid_t *pids = kill->left;
    size_t count = kill->left_count;

    drop_gone(runner);
    if (spec->reach->means == BW_REACH_BY_CGROUP) {
        pids = listed;
        if (bw_reach_list(spec->reach, spec->slot, listed, LISTED_MAX, &count, NULL) != BW_OK)
            return;
    }
    for (size_t i = 0; i < count && i < LISTED_MAX; i++)
        add(runner, spec, path, pids[i]);
}

enum bw_err bw_script_left_judge(struct bw_script_runner *runner, const struct bw_script_spec *spec,
                                 struct bw_diag *diag)
{
    char mark[BW_REACH_MARK_BYTES];
    size_t count = 0;

    if (runner->left == NULL || spec->reach == NULL || spec->leftovers == BW_SCRIPT_KEEP_LEFTOVERS)
        return BW_OK; /* what a start leaves is its service */
    drop_gone(runner);
    bw_reach_mark(spec->reach, spec->slot, mark);
    for (const struct bw_script_left *left = runner->left; left != NULL; left = left->next)
        count += strcmp(left->mark, mark) == 0 && strcmp(left->path, spec->path) == 0;
    if (count < BW_SCRIPT_LEFT_MAX)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_LIMIT,
                       "run %s: %zu processes of its runs before are there after SIGKILL (state D: which file system "
                       "hangs?); it is run once fewer than %d are",
                       spec->path, count, BW_SCRIPT_LEFT_MAX);
}

void bw_script_left_free(struct bw_script_runner *runner)
{
    while (runner->left != NULL) {
        struct bw_script_left *left = runner->left;

        runner->left = left->next;
        free(left);
    }
}
