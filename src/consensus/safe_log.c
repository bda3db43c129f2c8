#include "safe_log.h"

#include <string.h>

void bw_safe_log_change(struct bw_safe_io *safe, raft_index index)
{
    if (safe->change_count == BW_SAFE_IO_CHANGES_MAX) {
        safe->change_forgotten = safe->changes[0];
        memmove(safe->changes, safe->changes + 1,
                (BW_SAFE_IO_CHANGES_MAX - 1) * sizeof safe->changes[0]);
        safe->change_count--;
    }
    safe->changes[safe->change_count++] = index;
}

static void note_cut(struct bw_safe_io *safe, raft_index index)
{
    struct bw_diag diag = {0};

    if (safe->config.store.note_cut(safe->config.store.user, index, &diag) == BW_OK)
        safe->cut_noted = index;
    else
        bw_safe_io_stop(safe, BW_STOP_RESTART, "%s", diag.text);
}

/* Of two that are under way one note could not tell which is how far: then there is none, and a
 * crash between their steps is taken for damage. */
void bw_safe_log_cut(struct bw_safe_io *safe, raft_index index)
{
    while (safe->change_count > 0 && safe->changes[safe->change_count - 1] >= index)
        safe->change_count--;
    if (safe->change_forgotten >= index)
        safe->change_forgotten = 0;
    if (index >= safe->next_index || safe->stopped || safe->config.store.note_cut == NULL)
        return;
    safe->cuts++;
    note_cut(safe, safe->cuts_over + 1 == safe->cuts ? index : 0);
}

/* Of two that were under way there may be no note: there is one again. */
static void stop_for_cut(struct bw_safe_io *safe, raft_index index, const char *why)
{
    if (safe->cut_noted != index)
        note_cut(safe, index);
    bw_safe_io_stop(safe, BW_STOP_RESTART,
                    "log entries from %llu on could not be removed (%s); stopped before anything was built "
                    "on it, a restart goes on",
                    index, why);
}

void bw_safe_log_written(struct bw_safe_io *safe, uint64_t cuts, raft_index first)
{
    const struct bw_vote_store *store = &safe->config.store;
    struct bw_diag diag = {0};

    if (cuts <= safe->cuts_over)
        return;
    if (store->check_cut != NULL && store->check_cut(store->user, first, &diag) != BW_OK) {
        stop_for_cut(safe, first, diag.text);
        return;
    }
    safe->cuts_over = cuts;
    if (safe->cut_noted != 0 && cuts == safe->cuts)
        note_cut(safe, 0);
}
