/* recovery.c - the beginning of another generation on the disk of one witness. What it is made of and what it says is
 * the product's; here it is read from simulated disks, and written to them. */
#include "recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/beginning.h>
#include <breakwater/wire/record_event.h>
#include <breakwater/wire/snapshot.h>

#include "check.h"
#include "witness_program.h"

struct work {
    struct bw_recovery_found found;
    struct bw_cluster cluster;
    struct bw_group groups[SIM_PLACES];
    struct sim_record record;
    struct bw_recovery_beginning beginning;
};

struct sim_saved {
    uint64_t term;
    struct bw_roster roster;
    struct bw_cluster cluster;
    struct bw_group groups[SIM_PLACES];
    struct sim_record record;
};

static struct work *new_work(void)
{
    struct work *work = calloc(1, sizeof *work);

    BW_ASSERT(work != NULL);
    bw_cluster_init(&work->cluster, work->groups, SIM_PLACES);
    bw_record_init(&work->record.record, &bw_record_codec, work->record.blocks, SIM_RECORD_BLOCKS);
    bw_cluster_keep_record(&work->cluster, &work->record.record);
    return work;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static void read_disk(struct sim_process *process, struct work *work)
{
    const struct sim_witness_disk *disk = process->host->services;
    struct sim_offline offline;
    struct sim_witness *witness = sim_witness_open_offline(process, &offline);
    struct raft_io *io = &witness->node.voter.safe.io;
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    struct bw_diag diag = {0};
    raft_index start;
    raft_term term;
    raft_id vote;
    size_t count;
    enum bw_err err = BW_ERR_IO;

    work->found.identity = (struct bw_data_dir_identity){.witness_id = disk->id};
    if (io->load(io, &term, &vote, &snapshot, &start, &entries, &count) == 0) {
        err = bw_beginning_take_log(&bw_beginning_ops, &work->cluster, term, snapshot, start,
                                    entries, count, &work->found, &diag);
        work->found.roster = witness->node.voter.roll.roster;
        bw_safe_io_free_log(snapshot, entries, count);
    }
    if (err != BW_OK)
        sim_fail(sim_world_of(process), "recovery", "what %s has left cannot be read: %s %s",
                 process->name, diag.text, io->errmsg);
    sim_witness_close_offline(process, &offline);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static void put_vote(struct sim_process *process, uint64_t term)
{
    uint8_t bytes[BW_VOTE_BYTES];

    bw_vote_encode((struct bw_vote){.term = term}, bytes);
    BW_ASSERT(sim_file_save(process, BW_VOTE_FILE, false, bytes, sizeof bytes) == BW_OK);
}

/* As consensus/recovery.c does it: the vote, libraft's own term, the snapshot. */
static void write_disk(struct sim_process *process, const struct raft_snapshot *snapshot)
{
    struct sim_witness_disk *disk = process->host->services;
    struct sim_offline offline;
    struct sim_raft_snapshot copy = sim_raft_copy_snapshot(snapshot);
    struct sim_witness *witness = sim_witness_open_offline(process, &offline);
    struct raft_io *io = &witness->node.voter.safe.io;
    struct raft_snapshot *none;
    struct raft_entry *entries;
    raft_index start;
    raft_term term;
    raft_id vote;
    size_t count;

    put_vote(process, snapshot->term - 1);
    BW_ASSERT(io->load(io, &term, &vote, &none, &start, &entries, &count) == 0);
    bw_safe_io_free_log(none, entries, count);
    BW_ASSERT(io->set_term(io, snapshot->term) == 0);
    sim_raft_disk_put_snapshot(&disk->raft, &copy);
    sim_raft_disk_trim(&disk->raft, 0);
    sim_witness_close_offline(process, &offline);
}

static void encode_state(struct work *work)
{
    struct bw_recovery_beginning *beginning = &work->beginning;
    struct bw_diag diag = {0};
    uint8_t *state;

    BW_ASSERT(bw_snapshot_encode(&work->cluster, NULL, 0, &beginning->state_size, &diag) == BW_OK);
    state = malloc(beginning->state_size);
    BW_ASSERT(state != NULL &&
              bw_snapshot_encode(&work->cluster, state, beginning->state_size,
                                 &beginning->state_size, &diag) == BW_OK);
    beginning->state = state;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

/* Its file goes on naming those of before. */
static struct sim_witness_disk *next_disk(struct sim_process *process, uint64_t id)
{
    struct sim_world *world = sim_world_of(process);
    const struct sim_witness_disk *old = process->host->services;
    struct sim_founding *founding = ((struct sim_witness_disk *)world->hosts[0].services)->founding;
    struct sim_witness_disk *disk = sim_witness_new_disk(founding, id, &process->host->chance);

    if (old != NULL && old->id == id) {
        memcpy(disk->file, old->file, sizeof disk->file);
        disk->file_count = old->file_count;
        disk->port = old->port;
    } else {
        disk->file[disk->file_count].id = id;
        disk->file[disk->file_count++].machine = process->host->number;
    }
    return disk;
}

static uint64_t id_max_of(const struct sim_witness_disk *disk)
{
    uint64_t id_max = disk->id;

    for (uint32_t i = 0; i < disk->file_count; i++)
        if (disk->file[i].id > id_max)
            id_max = disk->file[i].id;
    return id_max;
}

/* 3.9: no clock decides anything of a recovery, so it may be off by years. */
#define CLOCK_OFF_MS (INT64_C(20) * 365 * 24 * 3600 * 1000)

static void begin_anew(struct sim_process *process, struct work *work)
{
    struct sim_world *world = sim_world_of(process);
    const uint64_t id = work->found.identity.witness_id;
    struct sim_witness_disk *disk = next_disk(process, id);
    struct bw_roster_member self = {.id = id};
    struct bw_roster alone;
    struct raft_snapshot snapshot;
    char address[SIM_RAFT_ADDRESS_BYTES];

    sim_members_put_texts(&self, process->host);
    bw_members_alone(&work->found.roster, &self, id_max_of(disk), &alone);
    const int64_t clock_ms = (int64_t)bw_prng_below(&process->host->chance, 2 * CLOCK_OFF_MS) - CLOCK_OFF_MS;
    const struct bw_recovery_way way = {
        .above = world->generation, /* as a site that is asked says it (status --site) */
        .chance = bw_prng_next(&process->host->chance),
        .unix_ms = sim_wall_ms(world) + clock_ms};

    BW_ASSERT(bw_beginning_make(&work->found, &work->cluster, &alone, disk->incarnation, &way, &work->beginning) == BW_OK);
    encode_state(work);
    BW_ASSERT(bw_beginning_snapshot(&work->beginning, sim_raft_address(id, address), &snapshot) ==
              BW_OK);
    disk->origin = work->beginning.identity.origin;
    sim_witness_discard(process);
    process->host->services = disk;
    write_disk(process, &snapshot);
    world->generation = work->cluster.generation;
    sim_tell(world, process->name, "begins generation %" PRIu64 " at %" PRIu64 ", term %" PRIu64,
             work->cluster.generation, work->beginning.index, work->beginning.term);
    sim_check_recovered(process, &work->cluster, &snapshot);
    bw_beginning_close_snapshot(&snapshot);
    free((void *)(uintptr_t)work->beginning.state);
    sim_process_let_return(process);
}

void sim_recover(struct sim_process *process)
{
    struct work *work = new_work();

    sim_process_keep_down(process);
    read_disk(process, work);
    if (bw_id_is_none(work->cluster.id)) /* refused: it knows of no cluster */
        sim_process_let_return(process);
    else if (!sim_world_of(process)->has_failed)
        begin_anew(process, work);
    free(work);
}

/* ---- a state that was saved ---------------------------------------------------------------------- */

static void copy_cluster(struct bw_cluster *to, const struct bw_cluster *from,
                         struct bw_group groups[SIM_PLACES], struct sim_record *record)
{
    *to = *from;
    record->record = *from->record;
    record->record.blocks = record->blocks;
    memcpy(record->blocks, from->record->blocks, sizeof record->blocks);
    to->record = &record->record;
    to->groups = groups;
    to->group_capacity = SIM_PLACES;
    memcpy(groups, from->groups, from->group_count * sizeof *groups);
}

struct sim_saved *sim_snapshot_save(const struct sim_process *leader)
{
    const struct sim_witness *witness = sim_witness_able(leader);
    struct sim_saved *saved = witness == NULL ? NULL : calloc(1, sizeof *saved);

    if (saved == NULL)
        return NULL;
    saved->term = sim_witness_term(leader);
    saved->roster = witness->node.voter.roll.applied;
    copy_cluster(&saved->cluster, &witness->machine.cluster, saved->groups, &saved->record);
    return saved;
}

void sim_saved_free(struct sim_saved *saved)
{
    free(saved);
}

void sim_snapshot_restore(struct sim_process *process, const struct sim_saved *saved)
{
    struct sim_world *world = sim_world_of(process);
    struct sim_founding *founding = ((struct sim_witness_disk *)world->hosts[0].services)->founding;
    struct work *work = new_work();

    work->found = (struct bw_recovery_found){.identity.witness_id = ++founding->id_max,
                                             .term = saved->term,
                                             .last_index = saved->cluster.applied_index,
                                             .roster = saved->roster};
    copy_cluster(&work->cluster, &saved->cluster, work->groups, &work->record);
    if (process->host->number >= world->witness_count)
        world->witness_count = process->host->number + 1;
    sim_process_keep_down(process);
    sim_host_boot(process->host);
    begin_anew(process, work);
    free(work);
}
