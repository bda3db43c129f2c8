#include <breakwater/base/words.h>
#include <breakwater/consensus/term_watch.h>

BW_WORDS(bw_node_role_text, enum bw_node_role, BW_NODE_ROLE_LIST, "unknown")

enum bw_node_role bw_term_watch_role_of(const struct raft *raft)
{
    /* libraft takes no const pointer here, and changes nothing. */
    switch (raft_state((struct raft *)(uintptr_t)raft)) {
    case RAFT_LEADER:
        return BW_NODE_LEADER;
    case RAFT_CANDIDATE:
        return BW_NODE_CANDIDATE;
    case RAFT_FOLLOWER:
    case RAFT_UNAVAILABLE:
        break;
    }
    return BW_NODE_FOLLOWER;
}

bool bw_term_watch_is_refusal(int rv)
{
    return rv == RAFT_NOTLEADER || rv == RAFT_NOSPACE;
}

void bw_term_watch_stop_for(struct bw_safe_io *safe, struct raft *raft, int rv)
{
    bw_safe_io_stop(safe, BW_STOP_RESTART, "libraft failed halfway in a submission: %s (%s)",
                    raft_strerror(rv), raft_errmsg(raft));
}

static bool leads(const struct bw_term_watch *watch, uint64_t term)
{
    return watch->is_running && !watch->safe->stopped &&
           bw_term_watch_role_of(watch->raft) == BW_NODE_LEADER &&
           raft_current_term(watch->raft) == term;
}

bool bw_term_watch_is_ready(const struct bw_term_watch *watch)
{
    return watch->ready_term != 0 && leads(watch, watch->ready_term);
}

static void tell_role(struct bw_term_watch *watch, enum bw_node_role role, uint64_t term)
{
    watch->role = role;
    watch->term = term;
    if (role != BW_NODE_LEADER)
        watch->ready_term = 0;
    watch->events.on_role(watch->user, role, term);
}

/* Lost? Then the next turn tries again, should this still be a leader. */
static void on_own_barrier(struct raft_barrier *barrier, int status)
{
    struct bw_term_watch *watch = barrier->data;
    uint64_t term = watch->barrier_term;

    watch->barrier_term = 0;
    if (status != 0 || !leads(watch, term) || watch->term != term)
        return;
    watch->ready_term = term;
    watch->events.on_ready_to_lead(watch->user, term);
}

static void submit_own_barrier(struct bw_term_watch *watch)
{
    int rv;

    watch->barrier.data = watch;
    watch->barrier_term = watch->term;
    rv = raft_barrier(watch->raft, &watch->barrier, on_own_barrier);
    if (watch->events.on_own_barrier != NULL)
        watch->events.on_own_barrier(watch->user, rv);
    if (rv == 0)
        return;
    watch->barrier_term = 0;
    if (!bw_term_watch_is_refusal(rv))
        bw_term_watch_stop_for(watch->safe, watch->raft, rv);
}

void bw_term_watch_turn(struct bw_term_watch *watch)
{
    enum bw_node_role role = bw_term_watch_role_of(watch->raft);
    uint64_t term = raft_current_term(watch->raft);

    if (!watch->is_running || watch->safe->stopped)
        return;
    if (watch->role == BW_NODE_LEADER && role == BW_NODE_LEADER && term != watch->term)
        tell_role(watch, BW_NODE_FOLLOWER, term); /* lost and won between two turns */
    if (watch->is_running && (role != watch->role || term != watch->term))
        tell_role(watch, role, term);
    if (watch->role == BW_NODE_LEADER && watch->ready_term != watch->term &&
        watch->barrier_term == 0 && leads(watch, watch->term))
        submit_own_barrier(watch);
}

void bw_term_watch_start(struct bw_term_watch *watch, struct raft *raft, struct bw_safe_io *safe,
                         const struct bw_term_watch_events *events, void *user)
{
    *watch = (struct bw_term_watch){.raft = raft,
                                    .safe = safe,
                                    .events = *events,
                                    .user = user,
                                    .role = BW_NODE_FOLLOWER,
                                    .term = raft_current_term(raft),
                                    .is_running = true};
}

void bw_term_watch_stop(struct bw_term_watch *watch)
{
    watch->is_running = false;
}
