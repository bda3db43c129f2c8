#include "safe_internal.h"

#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/roll.h>

enum bw_err bw_safe_roll_take(struct bw_safe_io *safe, const struct raft_entry *entries,
                              size_t count, raft_index index, struct bw_diag *diag)
{
    struct bw_roster roster;
    enum bw_err err = BW_OK;

    for (size_t i = 0; safe->config.roll != NULL && i < count && err == BW_OK; i++)
        if (entries[i].type == RAFT_COMMAND &&
            bw_fsm_entry_roster(entries[i].buf.base, entries[i].buf.len, &roster))
            err = bw_roll_take(safe->config.roll, &roster, index + i, diag);
    return err;
}

/* libraft keeps entries that the snapshot holds too; what is newer counts. */
enum bw_err bw_safe_roll_load(struct bw_safe_io *safe, const struct raft_snapshot *snapshot,
                              raft_index start, const struct raft_entry *entries, size_t count,
                              struct bw_diag *diag)
{
    struct bw_roster roster;
    enum bw_err err = BW_OK;
    size_t covered = 0;

    if (snapshot != NULL && safe->config.roll != NULL && snapshot->n_bufs == 1 &&
        bw_fsm_snapshot_roster(snapshot->bufs[0].base, snapshot->bufs[0].len, &roster))
        err = bw_roll_take(safe->config.roll, &roster, 0, diag);
    if (snapshot != NULL && snapshot->index >= start)
        covered = (size_t)(snapshot->index - start) + 1;
    if (covered < count && err == BW_OK)
        err = bw_safe_roll_take(safe, entries + covered, count - covered, start + covered, diag);
    return err;
}

bool bw_safe_roll_may_leave(struct bw_safe_io *safe, const struct raft_message *message)
{
    const struct bw_roll *roll = safe->config.roll;

    if (roll == NULL || message->type != RAFT_REQUEST_VOTE || bw_roll_may_stand(roll))
        return true;
    safe->counts.stands_refused++;
    return false;
}

bool bw_safe_roll_may_enter(struct bw_safe_io *safe, const struct raft_message *message)
{
    const struct bw_roll *roll = safe->config.roll;

    if (roll == NULL)
        return true;
    if (!bw_roll_hears(roll, message->server_id) ||
        (message->type == RAFT_REQUEST_VOTE &&
         message->request_vote.candidate_id != message->server_id)) {
        safe->counts.strangers_dropped++;
        return false;
    }
    if (message->type == RAFT_REQUEST_VOTE &&
        !bw_roll_may_vote(roll, message->request_vote.last_log_index)) {
        safe->counts.votes_refused++;
        return false;
    }
    if (message->type == RAFT_TIMEOUT_NOW && !bw_roll_may_stand(roll)) {
        safe->counts.stands_refused++;
        return false;
    }
    return true;
}

/* NULL: its configuration does not have it. */
static struct raft_server *find_self(struct raft *raft)
{
    for (unsigned i = 0; raft != NULL && i < raft->configuration.n; i++)
        if (raft->configuration.servers[i].id == raft->id)
            return &raft->configuration.servers[i];
    return NULL;
}

void bw_safe_roll_forget_leader(struct bw_safe_io *safe, raft_time now_ms)
{
    struct raft *raft = safe->io.data;
    const struct raft_server *self = find_self(raft);

    if (raft == NULL || raft->state != RAFT_FOLLOWER ||
        (self != NULL && self->role == RAFT_VOTER) ||
        now_ms - safe->led_ms < raft->election_timeout)
        return;
    raft->follower_state.current_leader.id = 0;
    raft_free(raft->follower_state.current_leader.address); /* by it libraft knows whom to answer */
    raft->follower_state.current_leader.address = NULL;
}

/* Whom a candidate's newest configuration has vote is asked, and may be the one that it cannot do without;
 * his own configuration may be older. The vote counts nowhere else. */
bool bw_safe_roll_lend_vote(struct bw_safe_io *safe, const struct raft_message *message)
{
    struct raft_server *self = message->type == RAFT_REQUEST_VOTE ? find_self(safe->io.data) : NULL;

    if (self == NULL || self->role == RAFT_VOTER || safe->config.roll == NULL ||
        bw_roll_is_bare(safe->config.roll))
        return false;
    safe->lent_role = self->role;
    self->role = RAFT_VOTER;
    safe->counts.votes_lent++;
    return true;
}

void bw_safe_roll_end_vote(struct bw_safe_io *safe)
{
    struct raft_server *self = find_self(safe->io.data); /* it may lie elsewhere now */

    if (self != NULL)
        self->role = safe->lent_role;
}

bool bw_safe_roll_is_founding_vote(const struct bw_safe_io *safe,
                                   const struct raft_message *message)
{
    struct raft *raft = safe->io.data;

    return safe->config.roll != NULL && raft != NULL &&
           message->type == RAFT_REQUEST_VOTE_RESULT &&
           message->request_vote_result.vote_granted &&
           bw_roll_needs_all(safe->config.roll, raft_last_index(raft));
}

bool bw_safe_roll_count_vote(struct bw_safe_io *safe, const struct raft_message *message)
{
    const struct raft_request_vote_result *vote = &message->request_vote_result;
    const struct raft *raft = safe->io.data;
    uint64_t voters[BW_WITNESSES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; raft != NULL && i < raft->configuration.n; i++)
        if (raft->configuration.servers[i].role == RAFT_VOTER && count < BW_WITNESSES_MAX)
            voters[count++] = raft->configuration.servers[i].id;
    if (bw_roll_count_vote(safe->config.roll, message->server_id, vote->term, vote->pre_vote,
                           voters, count))
        return true;
    safe->counts.votes_held++;
    return false;
}
