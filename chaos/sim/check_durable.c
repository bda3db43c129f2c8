/* check_durable.c - what leaves a process rests on the disk of its machine: read there, in the
 * instant in which the message leaves, and not asked of whoever says it. A crash right after it
 * loses nothing that others build on (3.4, 3.5, I3). */
#include "check_durable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/site.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/state.h>

#include "agent.h"
#include "check.h"
#include "check_cluster.h"
#include "check_lease.h"
#include "check_site.h"
#include "checks.h"
#include "checks_own.h"
#include "coverage.h"
#include "guard.h"
#include "machine.h"
#include "raft_node.h"
#include "witness.h"

/* ---- what is durable ---- */

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

/* ---- what a site names, and the log lacks ---- */

/* A directory goes back in time, and what was decided since is lost. Here it is known what that was, and
 * what each leader has heard of it: it commits a claim before anything else, nobody is granted beside one, only a person
 * ends it, and the next epoch is above what it names (3.9). What the log of before had said is forgotten here too. */

#define PROOFS 3 /* made since: by the last of them a claim that was submitted before it has committed, or the log is awaited */

/* A report that names what its receiver lacks. */
struct heard {
    uint32_t life; /* of the witness */
    uint64_t term, proved, epoch;
    uint64_t granted; /* the epoch of a grant that it has proposed nevertheless; 0: none */
};

struct sim_ahead {
    struct sim_checks before; /* as the directory was copied; what it points to is not to be looked at */
    uint64_t generation, index, term, configuration_index;
    struct sim_lease given[SIM_GROUPS_MAX];
    bool is_back;
    uint64_t lost_epoch[SIM_GROUPS_MAX]; /* the newest that was granted by then; those of `before` are not lost */
    uint64_t lost_index;
    bool is_unheard[SIM_GROUPS_MAX];
    uint64_t replaced_epoch[SIM_GROUPS_MAX]; /* the newest lost one that another has taken the place of */
    uint64_t silent_until_ns[SIM_SITES_MAX][SIM_GROUPS_MAX];
    struct heard heard[SIM_WITNESSES_MAX][SIM_GROUPS_MAX][SIM_SITES_MAX];
};

/* ---- what is lost -------------------------------------------------------------------------------- */

void sim_check_ahead_free(struct sim_checks *checks)
{
    free(checks->ahead);
    checks->ahead = NULL;
}

static struct sim_generation *newest(const struct sim_checks *checks)
{
    return checks->generations[checks->generation_count - 1];
}

void sim_check_copies(struct sim_world *world, uint64_t term)
{
    struct sim_checks *checks = world->checks;
    const struct sim_generation *generation = newest(checks);
    struct sim_ahead *ahead = calloc(1, sizeof *ahead);

    BW_ASSERT(ahead != NULL);
    sim_check_ahead_free(checks);
    ahead->before = *checks;
    ahead->generation = generation->generation;
    ahead->index = generation->committed_max;
    ahead->configuration_index = generation->configuration_index;
    ahead->term = term;
    memcpy(ahead->given, generation->given, sizeof ahead->given);
    checks->ahead = ahead;
}

static void forget_entries(struct sim_generation *generation, const struct sim_ahead *ahead)
{
    uint64_t kept = 0;

    for (uint64_t i = ahead->index + 1; i <= generation->committed_max; i++)
        *sim_committed_at(generation, i) = (struct sim_committed){.hash = 0};
    generation->committed_max = ahead->index;
    generation->applied_index = bw_min(generation->applied_index, ahead->index);
    for (uint64_t i = 0; i < generation->acknowledged_count; i++)
        if (generation->acknowledged[i].index <= ahead->index)
            generation->acknowledged[kept++] = generation->acknowledged[i];
    generation->acknowledged_count = kept;
    for (uint64_t term = ahead->term + 1; term < generation->leaders_capacity; term++)
        generation->leaders[term] = 0;
    generation->newest_term = bw_min(generation->newest_term, ahead->term);
}

/* The state's word on this group. */
static void forget_group(struct sim_checks *checks, const struct sim_ahead *ahead, uint32_t group)
{
    const struct sim_checks *before = &ahead->before;
    struct sim_generation *generation = newest(checks);

    if (generation->given[group].epoch != ahead->given[group].epoch)
        generation->given[group] = ahead->given[group];
    checks->expired_epoch[group] = before->expired_epoch[group];
    checks->ended_epoch[group] = before->ended_epoch[group];
    checks->closed_epoch[group] = before->closed_epoch[group];
    checks->remote_seen[group] = before->remote_seen[group];
    checks->remote_unclosed[group] = before->remote_unclosed[group];
    checks->spec_version[group] = before->spec_version[group];
    checks->spec_changed_ns[group] = before->spec_changed_ns[group];
    checks->held_epoch[group] = before->held_epoch[group];
    checks->wished_index[group] = before->wished_index[group];
    checks->wished_generation[group] = before->wished_generation[group];
    checks->newest_epoch[group] = before->newest_epoch[group];
    checks->ahead_epoch[group] = before->ahead_epoch[group];
    checks->passed_epoch[group] = before->passed_epoch[group];
    checks->planned_epoch[group] = before->planned_epoch[group];
    memcpy(checks->newest_site[group], before->newest_site[group], sizeof checks->newest_site[group]);
    checks->by_hand_since[group] = true; /* what was acknowledged under a lost epoch nobody knows of */
}

static bool is_lost_epoch(const struct sim_ahead *ahead, uint32_t group, uint64_t epoch)
{
    return epoch > ahead->before.newest_epoch[group] && epoch <= ahead->lost_epoch[group];
}

bool sim_check_goes_back(struct sim_world *world)
{
    struct sim_checks *checks = world->checks;
    struct sim_ahead *ahead = checks->ahead;
    struct sim_generation *generation = newest(checks);

    if (generation->generation != ahead->generation || generation->configuration_index != ahead->configuration_index ||
        checks->past_count != ahead->before.past_count)
        return false;
    ahead->is_back = true;
    ahead->lost_index = generation->committed_max;
    forget_entries(generation, ahead);
    for (uint32_t group = 0; group < world->setting.group_count; group++) {
        ahead->lost_epoch[group] = checks->newest_epoch[group];
        ahead->is_unheard[group] = true;
        for (uint32_t site = 0; site < sim_machine_count(world); site++)
            if (is_lost_epoch(ahead, group, checks->leases[site][group].epoch))
                ahead->silent_until_ns[site][group] = sim_checks_found_out_ns(world, site);
        if (ahead->lost_epoch[group] > ahead->before.newest_epoch[group])
            sim_count(world, "revert:loses_epoch");
        forget_group(checks, ahead, group);
    }
    return true;
}

/* ---- what is heard of it ------------------------------------------------------------------------- */

static bool lacks(const struct bw_group *group, uint64_t epoch)
{
    uint64_t known = group->epoch;

    for (uint32_t i = 0; i < group->claim_count; i++)
        if (group->claims[i].kind == BW_CLAIM_AHEAD)
            known = bw_max(known, group->claims[i].named_epoch);
    return epoch > known;
}

static const struct bw_group *state_of(struct sim_process *witness, uint32_t group)
{
    const struct bw_cluster *cluster = sim_witness_cluster(witness);
    const int index = cluster == NULL ? -1 : bw_cluster_find(cluster, sim_world_of(witness)->group_names[group]);

    return index < 0 ? NULL : &cluster->groups[index];
}

/* The entry that it has heard of in this term and still lacks; NULL: none. */
static struct heard *heard_by(struct sim_process *witness, uint32_t group, uint32_t site)
{
    struct sim_ahead *ahead = sim_world_of(witness)->checks->ahead;
    struct heard *heard = &ahead->heard[witness->host->number][group][site];
    const struct bw_group *state = state_of(witness, group);

    return state != NULL && heard->life == witness->life && heard->epoch != 0 && heard->term == sim_witness_term(witness) &&
                   lacks(state, heard->epoch)
               ? heard
               : NULL;
}

static void must_commit(struct sim_process *witness, uint32_t group)
{
    struct sim_world *world = sim_world_of(witness);

    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        const struct heard *heard = heard_by(witness, group, site);

        if (heard != NULL && sim_witness_proved(witness) >= heard->proved + PROOFS)
            sim_fail(world, "ahead",
                     "%s was told by %s of epoch %" PRIu64 " of %s, which was lost, and has committed other entries since, "
                     "and no claim",
                     witness->name, sim_site(world, site)->name, heard->epoch, world->group_names[group]);
    }
}

static void hear(struct sim_process *witness, const struct bw_sync *sync, uint32_t site, uint32_t group,
                 const struct bw_report *report)
{
    struct sim_ahead *ahead = sim_world_of(witness)->checks->ahead;
    const uint64_t epoch = bw_max(report->told_epoch, report->epoch_seen);
    const struct bw_group *state = state_of(witness, group);

    if (state == NULL || sync->generation != ahead->generation || !is_lost_epoch(ahead, group, epoch) ||
        !lacks(state, epoch) || heard_by(witness, group, site) != NULL)
        return;
    sim_count(sim_world_of(witness), "revert:heard");
    ahead->heard[witness->host->number][group][site] =
        (struct heard){.life = witness->life, .term = sim_witness_term(witness),
                       .proved = sim_witness_proved(witness), .epoch = epoch};
}

void sim_check_ahead_hears(struct sim_process *witness, const struct bw_sync *sync)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back || !sim_witness_leads(witness) ||
        sim_witness_cluster(witness)->generation != ahead->generation)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        for (uint32_t i = 0; i < sync->group_count && strcmp(sim_site(world, site)->name, sync->site) == 0; i++) {
            const int group = sim_group_find(world, sync->groups[i].name);

            if (group >= 0)
                hear(witness, sync, site, (uint32_t)group, &sync->groups[i].report);
        }
    for (uint32_t group = 0; group < world->setting.group_count; group++)
        must_commit(witness, group);
}

/* ---- what is done ---------------------------------------------------------------------------------- */

void sim_check_ahead_proposes(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back || command->kind != BW_COMMAND_GRANT)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++) {
        struct heard *heard = heard_by(witness, group, site);

        if (heard != NULL)
            heard->granted = command->epoch;
    }
}

/* A lost epoch that nobody has heard of gives its place to another one: two may serve (3.8). */
static void take_place(struct sim_world *world, uint32_t group, const struct bw_command *command)
{
    struct sim_checks *checks = world->checks;

    if (command->epoch <= checks->ahead->replaced_epoch[group])
        return; /* another witness applies it */
    checks->ahead->replaced_epoch[group] = command->epoch;
    sim_count(world, "revert:unheard");
    if (checks->started_epoch[group] >= command->epoch)
        checks->started_epoch[group] = command->epoch - 1;
    if (checks->served_epoch[group] >= command->epoch)
        checks->served_epoch[group] = command->epoch - 1;
    for (uint32_t site = 0; site < sim_machine_count(world); site++)
        if (strcmp(sim_site(world, site)->name, command->site) == 0 && checks->leases[site][group].epoch >= command->epoch)
            checks->leases[site][group] = (struct sim_lease){.epoch = 0};
}

static void look_at_claim(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_ahead *ahead = world->checks->ahead;
    const struct bw_group *state = state_of(witness, group);

    if (ahead == NULL || !ahead->is_back || command->named_index > ahead->lost_index ||
        (command->named_epoch > ahead->lost_epoch[group] && (state == NULL || command->named_epoch > state->epoch)))
        sim_fail(world, "ahead", "%s: %s names epoch %" PRIu64 " and index %" PRIu64 " of %s, and that was not lost",
                 witness->name, command->site, command->named_epoch, command->named_index, command->group);
    else
        ahead->is_unheard[group] = false;
    sim_count(world, "revert:claimed");
}

static void look_at_end(struct sim_process *witness, const struct bw_group *state, const struct bw_command *command)
{
    if (command->claim_end == BW_CLAIM_END_OPERATOR)
        return;
    for (uint32_t i = 0; i < state->claim_count; i++)
        if (state->claims[i].kind == BW_CLAIM_AHEAD && state->claims[i].index == command->claim_index)
            sim_fail(sim_world_of(witness), "ahead", "%s: the claim of %s, which knows of a lost decision of %s, is %s",
                     witness->name, command->site, command->group, bw_claim_end_word(command->claim_end));
}

static void look_at_grant(struct sim_process *witness, uint32_t group, const struct bw_group *state,
                          const struct bw_command *command)
{
    struct sim_world *world = sim_world_of(witness);
    struct sim_ahead *ahead = world->checks->ahead;

    for (uint32_t i = 0; i < state->claim_count; i++) {
        const struct bw_claim *claim = &state->claims[i];

        if (claim->kind == BW_CLAIM_AHEAD && (bw_claim_stands(claim) || command->epoch <= claim->named_epoch))
            sim_fail(world, "ahead",
                     "%s: epoch %" PRIu64 " of %s is granted to %s, and %s knows of epoch %" PRIu64 " and index %" PRIu64
                     ", which were lost",
                     witness->name, command->epoch, command->group, command->site, claim->site, claim->named_epoch,
                     claim->named_index);
    }
    if (ahead == NULL || !ahead->is_back)
        return;
    for (uint32_t site = 0; site < world->setting.site_count; site++)
        if (ahead->heard[witness->host->number][group][site].granted == command->epoch &&
            ahead->heard[witness->host->number][group][site].life == witness->life)
            sim_fail(world, "ahead",
                     "%s grants epoch %" PRIu64 " of %s to %s, and %s has told it of epoch %" PRIu64 ", which was lost",
                     witness->name, command->epoch, command->group, command->site, sim_site(world, site)->name,
                     ahead->heard[witness->host->number][group][site].epoch);
    if (ahead->is_unheard[group] && is_lost_epoch(ahead, group, command->epoch))
        take_place(world, group, command);
}

void sim_check_ahead_took_effect(struct sim_process *witness, uint32_t group, const struct bw_command *command)
{
    const struct bw_group *state = state_of(witness, group);

    if (command->kind == BW_COMMAND_CLAIM && command->claim == BW_CLAIM_AHEAD)
        look_at_claim(witness, group, command);
    if (command->kind == BW_COMMAND_CLAIM_OVER && state != NULL)
        look_at_end(witness, state, command);
    if (command->kind == BW_COMMAND_GRANT && state != NULL)
        look_at_grant(witness, group, state, command);
}

/* It was let go, and that is lost too, and another site was granted unheard: no guard ends it, and no claim. */
static bool is_let_go(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_ahead *ahead = world->checks->ahead;
    const struct sim_host *host = sim_site((struct sim_world *)(uintptr_t)world, site);
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;

    if (ahead->replaced_epoch[group] == 0 || !is_lost_epoch(ahead, group, sim_service_epoch(host, group)))
        return false;
    sim_check_read_guard(host, group, &memory, &mirror);
    return !memory.enforced && memory.let_go_index > ahead->index;
}

bool sim_check_ahead_excuses(const struct sim_world *world, uint32_t site, uint32_t group)
{
    const struct sim_ahead *ahead = world->checks->ahead;

    if (ahead == NULL || !ahead->is_back)
        return false;
    return (ahead->is_unheard[group] && ahead->silent_until_ns[site][group] >= world->now_ns) ||
           is_let_go(world, site, group);
}
