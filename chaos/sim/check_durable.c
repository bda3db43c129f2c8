/* check_durable.c - what leaves a process rests on the disk of its machine: read there, in the
 * instant in which the message leaves, and not asked of whoever says it. A crash right after it
 * loses nothing that others build on (3.4, 3.5, I3). */
#include "check_durable.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/site.h>
#include <breakwater/wire/state.h>

#include "agent.h"
#include "check.h"
#include "check_lease.h"
#include "check_recovery.h"
#include "check_site.h"
#include "checks_own.h"
#include "guard.h"
#include "machine.h"
#include "raft_node.h"
#include "witness.h"

/* ---- an agent's file ------------------------------------------------------------------------- */

static bool read_agent(const struct sim_process *agent, struct bw_agent_state *out_state)
{
    const struct sim_file *file = sim_file_load(
        agent->host, (uintptr_t)agent->user == 0 ? SIM_AGENT_FILE : SIM_SECOND_FILE);

    *out_state = (struct bw_agent_state){.group_count = 0};
    return file != NULL && bw_agent_state_decode(file->bytes, file->size, out_state, NULL) == BW_OK;
}

static const struct bw_site_memory *kept_of(const struct bw_agent_state *state, const char *group)
{
    static const struct bw_site_memory nothing;

    for (uint32_t i = 0; i < state->group_count; i++)
        if (strcmp(state->groups[i].name, group) == 0)
            return &state->groups[i].memory;
    return &nothing;
}

/* 3.8: others wait for its end as long as it may begin again after a crash. */
static void look_at_override(const struct sim_process *agent,
                             const struct bw_sync_group *sync_group,
                             const struct bw_site_memory *kept)
{
    if (kept->override == BW_OVERRIDE_OVERRIDING &&
        sync_group->report.override == BW_OVERRIDE_NONE && sync_group->renew_epoch == 0 &&
        sync_group->report.armed_epoch == 0)
        sim_fail(sim_world_of(agent), "durable",
                 "%s says \"%s\" of its override of %s, and its disk has \"%s\"", agent->name,
                 bw_override_word(sync_group->report.override), sync_group->name,
                 bw_override_word(kept->override));
}

/* 3.9: the highest epoch that it was told outlives it before others hear of that, and no later order takes it back. */
static void look_at_told(const struct sim_process *agent, const struct bw_sync_group *sync_group,
                         const struct bw_site_memory *kept)
{
    struct sim_world *world = sim_world_of(agent);
    const int group = sim_group_find(world, sync_group->name);
    struct sim_told *told = group < 0 ? NULL
                                      : &world->checks->told[agent->host->number][(uintptr_t)agent->user][group];

    if (sync_group->report.told_epoch > kept->told_epoch)
        sim_fail(world, "durable", "%s names epoch %" PRIu64 " of %s, and its disk has epoch %" PRIu64, agent->name,
                 sync_group->report.told_epoch, sync_group->name, kept->told_epoch);
    if (told == NULL || kept->told_epoch == 0)
        return;
    if (told->life == agent->life && kept->told_epoch < told->epoch)
        sim_fail(world, "durable", "%s keeps epoch %" PRIu64 " of %s as the highest that it was told, after epoch %" PRIu64,
                 agent->name, kept->told_epoch, sync_group->name, told->epoch);
    *told = (struct sim_told){.life = agent->life, .epoch = kept->told_epoch};
}

void sim_check_sync_leaves(struct sim_process *agent, const struct bw_sync *sync)
{
    struct bw_agent_state state;

    sim_check_lease_sent(agent, sync);
    sim_check_site_syncs(agent, sync);
    (void)read_agent(agent, &state); /* none: then it has kept nothing */
    sim_check_names(agent, sync->generation, state.generation);
    for (uint32_t i = 0; i < sync->group_count; i++) {
        const struct bw_sync_group *sync_group = &sync->groups[i];
        const struct bw_site_memory *kept = kept_of(&state, sync_group->name);

        if (sync_group->renew_epoch != 0 &&
            (kept->epoch != sync_group->renew_epoch || kept->given_back))
            sim_fail(sim_world_of(agent), "durable",
                     "%s renews epoch %" PRIu64 " of %s, and its disk has epoch %" PRIu64 "%s",
                     agent->name, sync_group->renew_epoch, sync_group->name, kept->epoch,
                     kept->given_back ? ", given back" : "");
        look_at_override(agent, sync_group, kept);
        look_at_told(agent, sync_group, kept);
        if (sync_group->renew_epoch != 0 && !bw_id_equal(kept->boot_id, sim_agent_boot(agent->host)))
            sim_fail(sim_world_of(agent), "durable",
                     "%s renews epoch %" PRIu64 " of %s, which is of an earlier boot", agent->name,
                     sync_group->renew_epoch, sync_group->name);
        if (sync_group->released.epoch != 0 &&
            (kept->epoch != sync_group->released.epoch || !kept->given_back))
            sim_fail(sim_world_of(agent), "durable",
                     "%s gives epoch %" PRIu64 " of %s back, and its disk has epoch %" PRIu64 "%s",
                     agent->name, sync_group->released.epoch, sync_group->name, kept->epoch,
                     kept->given_back ? ", given back" : "");
    }
    bw_agent_state_deinit(&state);
}

/* ---- a guard's files ------------------------------------------------------------------------- */

static void read_memory(const struct sim_file *file, struct sim_guard_read *read)
{
    const uint64_t version = file == NULL ? 0 : file->version;
    struct bw_guard_memory_file memory;

    if (version == read->memory_version)
        return;
    read->memory_version = version;
    read->memory = (struct bw_guard_memory){0};
    if (file != NULL && bw_guard_memory_decode(file->bytes, file->size, &memory, NULL) == BW_OK)
        read->memory = memory.memory;
}

static void read_mirror(const struct sim_file *file, struct sim_guard_read *read)
{
    const uint64_t version = file == NULL ? 0 : file->version;
    struct bw_guard_mirror_file mirror;

    if (version == read->mirror_version)
        return;
    read->mirror_version = version;
    read->mirror = (struct bw_guard_mirror){0};
    if (file != NULL && bw_guard_mirror_decode(file->bytes, file->size, &mirror, NULL) == BW_OK)
        read->mirror = mirror.mirror;
}

void sim_check_read_guard(const struct sim_host *host, uint32_t group,
                          struct bw_guard_memory *out_memory, struct bw_guard_mirror *out_mirror)
{
    struct sim_guard_read *read = &host->world->checks->guards_read[host->number][group];
    char name[48];

    sim_guard_memory_name(host->world, group, name);
    read_memory(sim_file_load(host, name), read);
    sim_guard_mirror_name(host->world, group, name);
    read_mirror(sim_file_load(host, name), read);
    *out_memory = read->memory;
    *out_mirror = read->mirror;
}

uint64_t sim_check_generation_pinned(const struct sim_host *host)
{
    const struct sim_file *file = sim_file_load(host, SIM_GUARD_CLUSTER_FILE);

    return file == NULL ? 0 : bw_get_u64le(file->bytes + BW_ID_BYTES);
}

uint64_t sim_check_generation_kept(const struct sim_host *host)
{
    const struct sim_file *files[] = {sim_file_load(host, SIM_AGENT_FILE),
                                      sim_file_load(host, SIM_SECOND_FILE)};
    uint64_t newest = sim_check_generation_pinned(host);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bw_agent_state state = {.group_count = 0};

        if (files[i] != NULL &&
            bw_agent_state_decode(files[i]->bytes, files[i]->size, &state, NULL) == BW_OK &&
            state.generation > newest)
            newest = state.generation;
        bw_agent_state_deinit(&state);
    }
    return newest;
}

/* 3.9: which cluster a guard serves outlives it before an agent of that is welcome. */
void sim_check_guard_welcomes(struct sim_process *guard, const struct bw_guard_hello *hello)
{
    const struct sim_file *file = sim_file_load(guard->host, SIM_GUARD_CLUSTER_FILE);

    if (!bw_id_is_none(hello->cluster_id) &&
        (file == NULL || memcmp(file->bytes, hello->cluster_id.bytes, BW_ID_BYTES) != 0 ||
         sim_check_generation_pinned(guard->host) != hello->generation))
        sim_fail(sim_world_of(guard), "durable",
                 "%s welcomes an agent of generation %" PRIu64 ", and its disk does not have that",
                 guard->name, hello->generation);
}

/* 3.4: what is said to be armed ends without guard and agent, unless it is over already, or was seen to end. */
static bool was_held(const struct sim_process *guard, uint32_t group,
                     const struct bw_guard_message *armed)
{
    const struct bw_enforcer_order *held = &sim_machine(guard->host)->held[group];

    if (bw_instant_right_is_over(sim_now(guard), armed->armed.end) ||
        sim_guard_machine(guard, group)->fence == BW_FENCE_DONE)
        return true;
    return held->epoch == armed->epoch && (bw_instant_is_same(held->end, armed->armed.end) ||
                                           bw_instant_is_later(held->end, armed->armed.end));
}

void sim_check_guard_says(struct sim_process *guard, uint32_t group,
                          const struct bw_guard_message *message)
{
    struct sim_world *world = sim_world_of(guard);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    sim_check_site_says(guard, group, message);
    if (message->kind != BW_GUARD_MESSAGE_ARMED && message->kind != BW_GUARD_MESSAGE_EPOCH_ENDED &&
        message->kind != BW_GUARD_MESSAGE_LET_GO_DONE)
        return;
    sim_check_read_guard(guard->host, group, &memory, &mirror);
    if (message->kind == BW_GUARD_MESSAGE_LET_GO_DONE)
        sim_checks_let_go(world, guard->host->number, group);
    if (message->kind == BW_GUARD_MESSAGE_ARMED &&
        (memory.epoch_seen < message->epoch || !memory.enforced))
        sim_fail(world, "durable",
                 "%s says that epoch %" PRIu64 " is armed, and its disk has seen %" PRIu64 "%s",
                 guard->name, message->epoch, memory.epoch_seen,
                 memory.enforced ? "" : ", not enforced");
    if (message->kind == BW_GUARD_MESSAGE_ARMED &&
        (mirror.armed_epoch != message->epoch ||
         !bw_instant_is_same(mirror.armed_end, message->armed.end)))
        sim_fail(world, "durable",
                 "%s says that epoch %" PRIu64 " is armed, and its mirror has another deadline",
                 guard->name, message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_ARMED &&
        !was_held(guard, group, message))
        sim_fail(world, "held",
                 "%s says that epoch %" PRIu64 " is armed, and no enforcer has taken that deadline",
                 guard->name, message->epoch);
    if (message->kind == BW_GUARD_MESSAGE_EPOCH_ENDED && memory.ended_epoch < message->epoch)
        sim_fail(world, "durable",
                 "%s says that epoch %" PRIu64 " is ended, and its disk has %" PRIu64, guard->name,
                 message->epoch, memory.ended_epoch);
    if (message->kind == BW_GUARD_MESSAGE_LET_GO_DONE &&
        memory.let_go_index < message->let_go_index)
        sim_fail(world, "durable", "%s says that it has let go, and its disk does not",
                 guard->name);
}

/* Whoever restarts the guard finds in the mirror what a start has begun (3.4). */
void sim_check_guard_goes(struct sim_process *guard, const struct sim_run_order *order)
{
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
    const struct bw_guard_child *child = &mirror.children[BW_GUARD_SLOT_ACTION];

    if (order->action != BW_ACTION_START)
        return;
    sim_check_read_guard(guard->host, order->group, &memory, &mirror);
    if (child->action != order->action || child->epoch != order->epoch)
        sim_fail(sim_world_of(guard), "durable",
                 "%s lets a start of epoch %" PRIu64 " go, and its mirror does not know of it",
                 guard->name, order->epoch);
}

/* ---- a witness's vote and log ---------------------------------------------------------------- */

/* False: there is none. */
static bool read_vote(const struct sim_host *host, struct bw_vote *out_vote)
{
    const struct sim_file *file = sim_file_load(host, BW_VOTE_FILE);
    struct bw_diag diag = {0};

    return file != NULL && bw_vote_decode(file->bytes, file->size, out_vote, &diag) == BW_OK;
}

static void must_have_voted(struct sim_process *witness, raft_term term, raft_id who)
{
    struct bw_vote kept = {0};

    if (!read_vote(witness->host, &kept) || kept.term < term ||
        (kept.term == term && kept.vote != who))
        sim_fail(sim_world_of(witness), "durable",
                 "%s votes for w%llu in term %llu, and its disk has a vote for w%" PRIu64
                 " in term %" PRIu64,
                 witness->name, who, term, kept.vote, kept.term);
}

static void vote_leaves(struct sim_process *witness, const struct raft_request_vote_result *result,
                        raft_id candidate)
{
    must_have_voted(witness, result->term, candidate);
    sim_check_vote_leaves(witness, result->term, candidate);
}

uint64_t sim_check_hash(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash | 1; /* 0 is nothing */
}

bool sim_check_is_on_disk(const struct sim_raft_disk *disk, uint64_t index, uint64_t term,
                          uint64_t entry_hash)
{
    const struct sim_raft_entry *entry = sim_raft_disk_at(disk, index);

    return index <= disk->snapshot.index ||
           (entry != NULL && entry->term == term &&
            sim_check_hash(entry->bytes, entry->size) == entry_hash);
}

#define COMMITTED_LOOKS 32 /* barriers between two that are known */

/* Who has entries up to there, says a member to the leader of `term`, has those that were committed in that
 * term or before: the newest of them that is known. */
static void must_have_committed(struct sim_process *witness, const struct sim_raft_disk *disk,
                                raft_index last, raft_term term)
{
    const struct sim_generation *generation = sim_generation_at(sim_world_of(witness), last);
    raft_index index = last < generation->committed_max ? last : generation->committed_max;

    for (int i = 0; i < COMMITTED_LOOKS && index > disk->snapshot.index; i++, index--) {
        const struct sim_committed *known = sim_committed_at(generation, index);

        if (known->hash == 0 || known->known_term > term)
            continue;
        if (!sim_check_is_on_disk(disk, index, known->term, known->entry_hash))
            sim_fail(sim_world_of(witness), "durable",
                     "%s has entries up to %llu, it says, and its disk another entry %llu than was "
                     "applied before",
                     witness->name, last, index);
        return;
    }
}

static void must_have_entries(struct sim_process *witness, const struct sim_raft_disk *disk,
                              const struct raft_append_entries_result *result)
{
    const raft_index last = result->last_log_index;

    if (last >= sim_raft_disk_next(disk) && last > disk->snapshot.index)
        sim_fail(sim_world_of(witness), "durable",
                 "%s has entries up to %llu, it says, and its disk up to %llu", witness->name,
                 last, sim_raft_disk_next(disk) - 1);
    must_have_committed(witness, disk, last, result->term);
}

void sim_check_raft_says(struct sim_process *witness, const struct sim_raft_disk *disk,
                         const struct raft_message *message)
{
    if (sim_checks_is_vote_away(witness))
        sim_fail(sim_world_of(witness), "durable", "%s takes part without its vote file",
                 witness->name);
    if (message->type == RAFT_REQUEST_VOTE && !message->request_vote.pre_vote)
        must_have_voted(witness, message->request_vote.term, sim_witness_id(witness));
    if (message->type == RAFT_REQUEST_VOTE_RESULT && message->request_vote_result.vote_granted &&
        !message->request_vote_result.pre_vote)
        vote_leaves(witness, &message->request_vote_result, message->server_id);
    if (message->type == RAFT_APPEND_ENTRIES_RESULT &&
        message->append_entries_result.rejected == 0)
        must_have_entries(witness, disk, &message->append_entries_result);
}

void sim_check_marks(struct sim_process *witness, const struct sim_raft_disk *disk,
                     struct bw_commit_mark mark)
{
    const struct sim_raft_entry *entry = sim_raft_disk_at(disk, mark.index);

    if (mark.index > disk->snapshot.index && (entry == NULL || entry->term != mark.term))
        sim_fail(sim_world_of(witness), "durable",
                 "%s writes down that entry %" PRIu64 " of term %" PRIu64
                 " was decided, and its disk lacks it",
                 witness->name, mark.index, mark.term);
    must_have_committed(witness, disk, mark.index, mark.term);
}
