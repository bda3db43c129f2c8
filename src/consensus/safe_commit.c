#include "safe_commit.h"

#include <inttypes.h>
#include <string.h>

#define MARK_MS 1000 /* between two that are written down */

/* Returns the term of entry `index`; 0: `index` is below every term that is known. */
static raft_term term_of(const struct bw_safe_io *safe, raft_index index)
{
    for (unsigned i = safe->term_count; i > 0; i--)
        if (safe->terms[i - 1].index <= index)
            return safe->terms[i - 1].term;
    return 0;
}

void bw_safe_commit_took(struct bw_safe_io *safe, raft_index index, raft_term term)
{
    if (safe->term_count > 0 && safe->terms[safe->term_count - 1].term == term)
        return;
    if (safe->term_count == BW_SAFE_IO_TERMS_MAX) {
        memmove(safe->terms, safe->terms + 1, (BW_SAFE_IO_TERMS_MAX - 1) * sizeof safe->terms[0]);
        safe->term_count--;
    }
    safe->terms[safe->term_count++] = (struct bw_commit_mark){.index = index, .term = term};
}

void bw_safe_commit_written(struct bw_safe_io *safe, raft_index last)
{
    if (last > safe->written)
        safe->written = last;
}

static void stop_for_lost(struct bw_safe_io *safe, const char *what, raft_index index, raft_term term)
{
    safe->counts.decisions_missed++;
    bw_safe_io_stop(safe, BW_STOP_PERSON, "the leader %s %llu (term %llu); entry %" PRIu64 " (term %" PRIu64
                    ") was decided and is on this disk. " BW_DECISIONS_LOST,
                    what, index, term, safe->mark.index, safe->mark.term);
}

bool bw_safe_commit_cut(struct bw_safe_io *safe, raft_index index)
{
    if (index >= safe->next_index)
        return true; /* as before every append */
    if (index <= safe->mark.index && !safe->stopped) {
        stop_for_lost(safe, "removes the entries from", index, safe->durable.term);
        return false;
    }
    while (safe->term_count > 0 && safe->terms[safe->term_count - 1].index >= index)
        safe->term_count--;
    if (safe->written >= index)
        safe->written = index - 1;
    return true;
}

/* Terms in a log only grow, so one that has the entry of the mark is not of an older term there. */
bool bw_safe_commit_install(struct bw_safe_io *safe, raft_index index, raft_term term)
{
    if (index >= safe->mark.index && term < safe->mark.term && !safe->stopped) {
        stop_for_lost(safe, "sends a snapshot of entry", index, term);
        return false;
    }
    safe->term_count = 0;
    safe->written = 0;
    bw_safe_commit_took(safe, index, term);
    return true;
}

void bw_safe_commit_tick(struct bw_safe_io *safe)
{
    const struct bw_vote_store *store = &safe->config.store;
    const struct raft *raft = safe->io.data;
    raft_index index;
    raft_term term;

    if (raft == NULL || safe->ticked_ms < safe->mark_at_ms)
        return;
    index = raft_commit_index(raft);
    if (index > safe->written)
        index = safe->written; /* a leader may count two others */
    term = term_of(safe, index);
    if (index <= safe->mark.index || term == 0)
        return;
    safe->mark = (struct bw_commit_mark){.index = index, .term = term};
    safe->mark_at_ms = safe->ticked_ms + MARK_MS;
    if (store->note_commit != NULL)
        store->note_commit(store->user, safe->mark);
}

/* A log whose next entry is `next`. */
static bool lacks(const struct bw_safe_io *safe, raft_index next, struct bw_commit_mark mark)
{
    const raft_term term = term_of(safe, mark.index);

    return mark.index != 0 && (mark.index >= next || (term != 0 && term != mark.term));
}

bool bw_safe_io_lacks_entry(const struct bw_safe_io *safe, struct bw_commit_mark mark)
{
    return lacks(safe, safe->next_index, mark);
}

bool bw_safe_commit_judge(struct bw_safe_io *safe, raft_index last, struct bw_diag *diag)
{
    const struct bw_vote_store *store = &safe->config.store;
    struct bw_commit_mark mark = {0};

    if (store->load_commit != NULL)
        mark = store->load_commit(store->user);
    safe->mark = mark;
    safe->written = last;
    if (!lacks(safe, last + 1, mark))
        return true;
    safe->counts.decisions_missed++;
    (void)bw_diag_set(diag, BW_ERR_CORRUPT,
                      "the log ends with entry %llu, or has another one of term %llu in place of entry %" PRIu64
                      " (term %" PRIu64 "), which was decided and was on this disk",
                      last, term_of(safe, mark.index), mark.index, mark.term);
    return false;
}
