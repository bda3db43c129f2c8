/* Members of a voter that leads: what core/members.h decides, asked of libraft. Design 3.9. */
#include <breakwater/consensus/voter.h>

#include <inttypes.h>
#include <stdio.h>

#include "voter_internal.h"

#define ADDRESS_BYTES 24 /* of 20 digits */

/* ---- a change of the configuration ---------------------------------------------------------- */

static void on_changed(struct raft_change *change, int status)
{
    struct bw_voter *voter = change->data;

    voter->is_changing = false;
    if (voter->is_closing)
        return;
    bw_log_write(voter->log, status == 0 ? BW_LOG_INFO : BW_LOG_WARN, "raft.change_ended",
                 "outcome=%s voters=%u", bw_log_quote(status == 0 ? "ok" : raft_strerror(status)),
                 bw_voter_count(&voter->raft));
}

static void on_marked(struct raft_barrier *barrier, int status)
{
    struct bw_voter *voter = barrier->data;

    voter->is_marking = false;
    if (status != 0)
        voter->marker.term = 0;
}

/* M2: an entry that was appended after the newest configuration had committed. */
static int mark(struct bw_voter *voter)
{
    struct raft *raft = &voter->raft;
    int rv;

    if (voter->is_marking)
        return RAFT_CANTCHANGE;
    voter->marking = (struct raft_barrier){.data = voter};
    rv = raft_barrier(raft, &voter->marking, on_marked);
    if (rv != 0)
        return rv;
    voter->is_marking = true;
    voter->marker.term = raft_current_term(raft);
    voter->marker.configuration = raft->configuration_committed_index;
    voter->marker.index = raft_last_index(raft);
    return 0;
}

static int change(struct bw_voter *voter, enum bw_members_step_kind kind, uint64_t id)
{
    struct raft *raft = &voter->raft;
    char address[ADDRESS_BYTES];

    voter->change = (struct raft_change){.data = voter};
    switch (kind) {
    case BW_MEMBERS_ADD:
        (void)snprintf(address, sizeof address, "%" PRIu64, id); /* as transport.h has it */
        return raft_add(raft, &voter->change, id, address, on_changed);
    case BW_MEMBERS_FEED:
        return raft_assign(raft, &voter->change, id, RAFT_STANDBY, on_changed);
    case BW_MEMBERS_PROMOTE:
        return raft_assign(raft, &voter->change, id, RAFT_VOTER, on_changed);
    case BW_MEMBERS_REMOVE:
        return raft_remove(raft, &voter->change, id, on_changed);
    case BW_MEMBERS_NOTHING:
    case BW_MEMBERS_WAIT:
    case BW_MEMBERS_MARK:
    case BW_MEMBERS_HAND_OVER:
    case BW_MEMBERS_FORGET:
        break;
    }
    return RAFT_BADROLE;
}

/* Of these nothing was begun. */
static bool is_refusal(int rv)
{
    return rv == RAFT_CANTCHANGE || rv == RAFT_BADROLE || rv == RAFT_NOTFOUND ||
           rv == RAFT_DUPLICATEID || rv == RAFT_NOCONNECTION || rv == RAFT_NOMEM ||
           bw_term_watch_is_refusal(rv);
}

static bool is_changing(const struct bw_voter *voter)
{
    const struct raft *raft = &voter->raft;

    return voter->is_changing || raft->configuration_uncommitted_index != 0 ||
           (raft_state((struct raft *)(uintptr_t)raft) == RAFT_LEADER &&
            raft->leader_state.promotee_id != 0);
}

enum bw_err bw_voter_change(struct bw_voter *voter, enum bw_members_step_kind kind, uint64_t id)
{
    int rv;

    if (!bw_voter_may_submit(voter))
        return BW_ERR_NOT_LEADER;
    if (is_changing(voter))
        return BW_ERR_BUSY;
    rv = kind == BW_MEMBERS_MARK ? mark(voter) : change(voter, kind, id);
    if (rv == 0) {
        voter->is_changing = kind != BW_MEMBERS_MARK;
        return BW_OK;
    }
    if (!is_refusal(rv))
        bw_term_watch_stop_for(&voter->safe, &voter->raft, rv);
    return rv == RAFT_NOTLEADER ? BW_ERR_NOT_LEADER : BW_ERR_BUSY;
}

/* ---- looking -------------------------------------------------------------------------------- */

static bool has_marker(const struct bw_voter *voter)
{
    const struct raft *raft = &voter->raft;

    return voter->marker.term != 0 &&
           voter->marker.term == raft_current_term((struct raft *)(uintptr_t)raft) &&
           voter->marker.configuration == raft->configuration_committed_index;
}

static enum bw_member_role role_of(const struct raft_server *server)
{
    if (server->role == RAFT_VOTER)
        return BW_MEMBER_VOTER;
    return server->role == RAFT_STANDBY ? BW_MEMBER_STANDBY : BW_MEMBER_SPARE;
}

static void look_at(const struct bw_voter *voter, const struct raft_server *server,
                    uint64_t now_ms, uint64_t live_ms, struct bw_member_fact *out_fact)
{
    const raft_time contact_ms = bw_safe_io_last_contact_ms(&voter->safe, server->id);
    raft_index match = 0;

    *out_fact = (struct bw_member_fact){
        .id = server->id,
        .role = role_of(server),
        .is_live = server->id == voter->raft.id ||
                   (contact_ms != 0 && now_ms < contact_ms + live_ms)};
    if (has_marker(voter) && raft_match_index(&voter->raft, server->id, &match) == 0)
        out_fact->has_settled = match >= voter->marker.index;
}

void bw_voter_look_at_members(const struct bw_voter *voter, uint64_t now_ms, uint64_t live_ms,
                              struct bw_members_facts *out_facts)
{
    const struct raft_configuration *configuration = &voter->raft.configuration;
    const unsigned max = sizeof out_facts->list / sizeof out_facts->list[0];

    *out_facts = (struct bw_members_facts){.self = voter->raft.id,
                                           .is_changing = is_changing(voter),
                                           .has_marker = has_marker(voter)};
    for (unsigned i = 0; i < configuration->n && out_facts->count < max; i++)
        look_at(voter, &configuration->servers[i], now_ms, live_ms,
                &out_facts->list[out_facts->count++]);
}
