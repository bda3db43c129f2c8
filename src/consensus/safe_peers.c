#include "safe_peers.h"

#define ANSWERED_LATELY_MS 2000

struct bw_safe_io_peer *bw_safe_peers_find(struct bw_safe_io *safe, raft_id id)
{
    for (unsigned i = 0; i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == id)
            return &safe->peers[i];
    }
    return NULL;
}

struct bw_safe_io_peer *bw_safe_peers_want(struct bw_safe_io *safe, raft_id id)
{
    struct bw_safe_io_peer *peer = bw_safe_peers_find(safe, id);

    for (unsigned i = 0; peer == NULL && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == 0)
            peer = &safe->peers[i];
    }
    for (unsigned i = 0; peer == NULL && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].sends == 0)
            peer = &safe->peers[i];
    }
    if (peer != NULL && peer->id != id)
        *peer = (struct bw_safe_io_peer){.id = id};
    return peer;
}

raft_time bw_safe_io_last_contact_ms(const struct bw_safe_io *safe, uint64_t peer)
{
    for (unsigned i = 0; peer != 0 && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == peer)
            return safe->peers[i].last_contact_ms;
    }
    return 0;
}

/* ---- L11 -------------------------------------------------------------------------------------- */

bool bw_safe_peer_answers(const struct bw_safe_io_peer *peer, raft_time now_ms)
{
    return peer->answered_ms != 0 && now_ms - peer->answered_ms <= ANSWERED_LATELY_MS;
}

bool bw_safe_peer_count(struct bw_safe_io_peer *peer, uint64_t match, uint64_t commit, bool answers, uint64_t step_ms)
{
    const uint64_t limit_ms = peer->is_again ? BW_SAFE_IO_BEHIND_AGAIN_MS : BW_SAFE_IO_BEHIND_MS;

    if (match >= commit || match != peer->match) {
        peer->match = match;
        peer->behind_ms = 0;
        peer->is_behind = false;
        peer->is_again = false;
        return false;
    }
    if (!answers)
        return false; /* it is away, or still receives what it was sent: both are another story */
    peer->behind_ms += step_ms;
    if (peer->behind_ms < limit_ms || (peer->is_behind && !peer->is_again))
        return false;
    peer->is_behind = true;
    peer->is_again = false;
    return true;
}

bool bw_safe_io_is_behind(const struct bw_safe_io *safe, uint64_t peer)
{
    for (unsigned i = 0; peer != 0 && i < BW_SAFE_IO_PEERS_MAX; i++) {
        if (safe->peers[i].id == peer)
            return safe->peers[i].is_behind;
    }
    return false;
}

void bw_safe_io_tell_again(struct bw_safe_io *safe)
{
    for (unsigned i = 0; i < BW_SAFE_IO_PEERS_MAX; i++) {
        struct bw_safe_io_peer *peer = &safe->peers[i];

        if (!peer->is_behind || peer->is_again)
            continue;
        peer->is_again = true;
        peer->behind_ms = 0;
    }
}

void bw_safe_peers_watch(struct bw_safe_io *safe, raft_time now_ms, uint64_t step_ms)
{
    struct raft *raft = safe->io.data;

    if (raft == NULL || raft_state(raft) != RAFT_LEADER)
        return;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        const raft_index commit = raft_commit_index(raft);
        struct bw_safe_io_peer *peer;
        raft_index match;

        if (server->id == raft->id || server->role == RAFT_SPARE)
            continue;
        peer = bw_safe_peers_want(safe, server->id);
        if (peer == NULL || raft_match_index(raft, server->id, &match) != 0)
            continue;
        if (bw_safe_peer_count(peer, match, commit, bw_safe_peer_answers(peer, now_ms), step_ms) &&
            safe->config.on_peer_behind != NULL)
            safe->config.on_peer_behind(safe->config.user, peer->id, match, commit);
    }
}
