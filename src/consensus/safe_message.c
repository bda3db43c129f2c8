#include "safe_internal.h"

#include <limits.h>

/* An index that no log reaches: nobody asks for it, has it, or sends it in a snapshot. */
#define NO_INDEX ULLONG_MAX

void bw_safe_message_drop(struct raft_message *message)
{
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
    } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
    }
}

/* ---- as they leave -------------------------------------------------------------------------- */

/* L5: a snapshot that was read later than planned is newer; its index was noticed, its term not. */
static void correct_term(struct bw_safe_io *safe, struct raft_install_snapshot *install)
{
    if (install->last_index != safe->snapshot_index || install->last_term == safe->snapshot_term)
        return;
    install->last_term = safe->snapshot_term;
    safe->counts.terms_patched++;
}

/* L12: libraft answers with the term that was asked for. Who asks with too low a term would never
 * learn it and ask with the same for ever; where its log is the longest, nobody else is elected. */
static void tell_term(struct bw_safe_io *safe, struct raft_request_vote_result *result)
{
    if (!result->pre_vote || result->vote_granted || result->term >= safe->durable.term)
        return;
    result->term = safe->durable.term;
    safe->counts.terms_shown++;
}

/* L15: libraft tells a leader of an old term whatever the stack held as its own last index, and
 * calls it a success when a snapshot, or what begins a log, was refused. Should that leader lead
 * the refusing term by the time it hears this, it counts this log as that long, and commits by it.
 * To refuse an index that nobody asked for teaches it the term; at most it probes once more. */
static void refuse_old_leader(struct bw_safe_io *safe, const struct raft_message *message,
                              struct raft_append_entries_result *result)
{
    if (safe->refused == 0 || message->server_id != safe->refused)
        return;
    safe->counts.refusals_filled++;
    result->rejected = NO_INDEX;
    result->last_log_index = 0;
}

void bw_safe_message_correct_sent(struct bw_safe_io *safe, struct raft_message *message)
{
    if (message->type == RAFT_INSTALL_SNAPSHOT)
        correct_term(safe, &message->install_snapshot);
    else if (message->type == RAFT_REQUEST_VOTE_RESULT)
        tell_term(safe, &message->request_vote_result);
    else if (message->type == RAFT_APPEND_ENTRIES_RESULT)
        refuse_old_leader(safe, message, &message->append_entries_result);
}

/* ---- as they arrive ------------------------------------------------------------------------- */

/* L7: the entries that are cut off share the batch of the first, which frees it. */
static void cut_batch(struct bw_safe_io *safe, struct raft_append_entries *append)
{
    for (unsigned i = 1; i < append->n_entries; i++) {
        if (append->entries[i].type == RAFT_CHANGE) {
            append->n_entries = i;
            safe->counts.batches_cut++;
        }
    }
}

/* L14: what a leader has committed counts up to the last entry that this message vouches for.
 * libraft sets its own commit index to that even where it is lower, as after a heartbeat that
 * probes for what is there already. A snapshot that is taken then says less than it holds: after a
 * restart its entries are applied twice. */
static void cap_commit(struct bw_safe_io *safe, struct raft_append_entries *append)
{
    raft_index last = append->prev_log_index + append->n_entries;

    if (append->leader_commit <= last)
        return;
    append->leader_commit = last;
    if (safe->io.data != NULL && raft_commit_index(safe->io.data) > last)
        safe->counts.commits_kept++;
}

/* L16: libraft asks `in_pre_vote` before it asks whether this is a candidate. In a follower another
 * field is there, the address of its leader: one that hears late of a vote it asked for takes the
 * term in one run and not in another. It counts no votes; what asks for one tells it the term. */
static void hide_term(struct bw_safe_io *safe, struct raft_request_vote_result *result)
{
    struct raft *raft = safe->io.data;

    if (raft == NULL || raft_state(raft) != RAFT_FOLLOWER ||
        result->term <= raft_current_term(raft))
        return;
    result->term = raft_current_term(raft);
    safe->counts.terms_hidden++;
}

/* L26: only whom a leader hands over to asks past that leader, and it hands over to voters. One
 * that this witness's newest configuration gives no vote may have come by it since; then it is
 * heard once that leader is not, and nobody's election depends on it before. */
static void ignore_haste(struct bw_safe_io *safe, raft_id candidate, struct raft_request_vote *vote)
{
    const struct raft *raft = safe->io.data;

    if (raft == NULL || !vote->disrupt_leader)
        return;
    for (unsigned i = 0; i < raft->configuration.n; i++)
        if (raft->configuration.servers[i].id == candidate &&
            raft->configuration.servers[i].role == RAFT_VOTER)
            return;
    vote->disrupt_leader = false;
    safe->counts.haste_ignored++;
}

/* L15: libraft answers it before it returns, and nothing else. */
static bool has_old_term(const struct bw_safe_io *safe, const struct raft_message *message)
{
    return (message->type == RAFT_APPEND_ENTRIES &&
            message->append_entries.term < safe->durable.term) ||
           (message->type == RAFT_INSTALL_SNAPSHOT &&
            message->install_snapshot.term < safe->durable.term);
}

void bw_safe_message_correct_received(struct bw_safe_io *safe, struct raft_message *message)
{
    safe->refused = has_old_term(safe, message) ? message->server_id : 0;
    if (message->type == RAFT_APPEND_ENTRIES) {
        cut_batch(safe, &message->append_entries);
        cap_commit(safe, &message->append_entries);
    } else if (message->type == RAFT_REQUEST_VOTE) {
        ignore_haste(safe, message->server_id, &message->request_vote);
    } else if (message->type == RAFT_REQUEST_VOTE_RESULT) {
        /* L13: with a majority short of disk the first entry of a new leader would be refused, and
         * its step end halfway. The next answers tell the capacity again. */
        message->request_vote_result.features = 0;
        hide_term(safe, &message->request_vote_result);
    }
}

void bw_safe_message_answered(struct bw_safe_io *safe)
{
    safe->refused = 0;
}
