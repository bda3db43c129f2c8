/* witness.c - the life of a witness: its replicated state, what it is asked for, its end. */
#include "witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/explain.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

#include "check.h"
#include "check_cluster.h"
#include "check_lease.h"
#include "checks.h"
#include "upgrade.h"
#include "witness_program.h"

#define LOST_VOTE       "vote-that-is-lost"
#define COPIED_VOTE     "vote-that-is-copied"
/* A wake is never asked for sooner: the slower of two clocks may lag by nanoseconds. */
#define WAKE_NS_MIN UINT64_C(100000)
/* A turn may make another one necessary: what was applied is evaluated, what is proposed may fail.
 */
#define TURNS_MAX 16

static struct sim_witness *witness_of(const struct sim_process *process)
{
    return process->state;
}

/* ---- the replicated state ---- */

/* Once for each entry, whoever is the first to apply it. */
static void tell_applied(const struct sim_witness *witness, uint64_t index,
                         const struct bw_command *command, const struct bw_applied *applied)
{
    struct sim_world *world = sim_witness_world(witness);

    if (!sim_check_is_first_to_apply(world, index))
        return;
    if (applied->rule != NULL)
        sim_count(world, applied->rule->id);
    sim_tell(world, witness->process->name,
             "applies %" PRIu64 ": %s %s epoch %" PRIu64 "%s%s, %s%s", index,
             bw_command_word(command->kind), command->group, command->epoch,
             command->site[0] != '\0' ? " site " : "", command->site,
             applied->rule != NULL ? "row " : "nothing: ",
             applied->rule != NULL ? applied->rule->id : bw_err_text(applied->err));
}

/* For who asks whether a look is older than the commit that it would rest on. */
static void note_spec(const struct sim_witness *witness, int group_index)
{
    struct sim_world *world = sim_witness_world(witness);
    const int group = group_index < 0
                          ? -1
                          : sim_group_find(world, witness->groups[group_index].spec.name);

    if (group >= 0)
        sim_check_spec_changes(world, (uint32_t)group, witness->groups[group_index].spec_version);
}

static enum bw_err apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                         size_t size, struct bw_diag *diag)
{
    struct sim_witness *witness = user;
    struct sim_group_before before;
    struct bw_command command;
    struct bw_applied applied;
    enum bw_err err;

    if (sim_is_doomed(witness->process))
        return BW_OK; /* nobody is there who could */
    sim_check_applied(witness->process, index, term, data, size);
    err = bw_log_entry_decode(data, size, &command, diag);
    if (err == BW_OK)
        err = bw_witness_machine_admit(&witness->machine, &command, diag);
    if (err != BW_OK)
        return err;
    sim_group_keep(&witness->machine.cluster, command.group, &before);
    applied = bw_witness_machine_apply(&witness->machine, index, &command);
    if (applied.rule != NULL) {
        sim_check_took_effect(witness->process, &command, &before);
        note_spec(witness, applied.group);
    }
    if (applied.rule != NULL && command.kind == BW_COMMAND_DELETE)
        sim_check_wish_gone(sim_witness_world(witness), command.group, index);
    sim_mix(sim_witness_world(witness), index << 8 | (uint64_t)command.kind);
    sim_mix(sim_witness_world(witness), command.epoch);
    sim_check_level_applied(witness->process, witness->machine.cluster.feature_level);
    tell_applied(witness, index, &command, &applied);
    bw_log_entry_release(&command);
    return BW_OK;
}

static enum bw_err take_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    struct sim_witness *witness = user;
    struct bw_diag diag = {0};
    size_t size = 0;

    if (bw_snapshot_encode(&witness->machine.cluster, witness->bytes, sizeof witness->bytes, &size,
                           &diag) != BW_OK) {
        sim_fail(sim_witness_world(witness), "witness", "%s cannot encode a snapshot: %s",
                 witness->process->name, diag.text);
        return diag.err;
    }
    *out_data = sim_raft_copy(witness->bytes, size);
    *out_size = size;
    sim_count(sim_witness_world(witness), "snapshot:taken");
    return BW_OK;
}

static enum bw_err restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    struct sim_witness *witness = user;
    enum bw_err err;

    if (sim_is_doomed(witness->process))
        return BW_OK;
    err = bw_snapshot_decode(data, size, &witness->machine.cluster, diag);
    if (err == BW_OK)
        err = bw_witness_machine_restored(&witness->machine, diag);
    if (err != BW_OK)
        return err;
    sim_check_level_applied(witness->process, witness->machine.cluster.feature_level);
    sim_check_restored(witness->process, witness->machine.cluster.applied_index);
    sim_count(sim_witness_world(witness),
              bw_voter_is_running(&witness->node.voter) ? "snapshot:installed" : "snapshot:loaded");
    sim_tell(sim_witness_world(witness), witness->process->name,
             "restores a snapshot up to %" PRIu64, witness->machine.cluster.applied_index);
    return BW_OK;
}

/* ---- the node's events ---- */

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    sim_witness_on_role(user, role, term);
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    sim_witness_on_ready_to_lead(user, term);
}

static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    struct sim_witness *witness = user;

    sim_count(sim_witness_world(witness), "L11");
    sim_tell(sim_witness_world(witness), witness->process->name,
             "sees w%" PRIu64 " stand still at %" PRIu64 " behind %" PRIu64, peer, match, commit);
    sim_witness_happen(
        witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_BEHIND, .peer = peer});
}

/* Exit status 70: no supervisor starts it again. */
static void end_as_too_old(struct sim_process *process, const char *why)
{
    sim_count(sim_world_of(process), "level:witness_ends");
    sim_tell(sim_world_of(process), process->name, "ends: %s", why);
    sim_world_of(process)->upgrade.ended |= 1u << process->host->number;
    sim_process_keep_down(process);
}

/* No fault of the simulator damages what a disk has taken: a stop that only a person could mend is
 * a defect. A restart is its supervisor's. */
static void end_it(const struct sim_witness *witness, bool needs_person, const char *why)
{
    if (witness->node.voter.safe.counts.decisions_missed != 0) /* L33: who has what was lost is lost too (faults_revert.c) */
        sim_fail(sim_witness_world(witness), "witness", "%s misses what was decided: %s",
                 witness->process->name, why);
    if (sim_upgrade_is_too_old(witness->process)) {
        end_as_too_old(witness->process, why);
        return;
    }
    if (needs_person && !sim_checks_is_vote_away(witness->process))
        sim_fail(sim_witness_world(witness), "witness", "%s stops and needs a person: %s",
                 witness->process->name, why);
    sim_tell(sim_witness_world(witness), witness->process->name, "stops: %s", why);
    sim_process_kill(witness->process);
}

/* The counts show which rule stopped it: a write that stood still, or one that failed. */
static void on_stop(void *user, enum bw_stop why, const char *message)
{
    const struct sim_witness *witness = user;
    const struct bw_safe_io *safe = &witness->node.voter.safe;

    if (sim_is_doomed(witness->process))
        return;
    sim_count(sim_witness_world(witness),
              bw_safe_io_is_stuck(safe) || bw_safe_io_lacks_room(safe) ? "L3" : "L1");
    end_it(witness, why == BW_STOP_PERSON, message);
}

/* ---- each event ---- */

static bool is_sooner(struct bw_instant a, struct bw_instant b)
{
    return a.boot_ns < b.boot_ns || a.raw_ns < b.raw_ns;
}

/* Waits end when both clocks have reached them; the world wakes by either: the larger remainder
 * counts, again until none is left. A wake that comes too soon does no harm. */
static void set_wake(struct sim_witness *witness)
{
    struct bw_instant now = sim_now(witness->process);
    struct bw_instant first = bw_witness_machine_wake_at(&witness->machine);
    uint64_t left_ns;

    left_ns = bw_instant_wait_left_ns(now, first);
    if (left_ns < WAKE_NS_MIN)
        left_ns = WAKE_NS_MIN;
    first = bw_instant_add(now, left_ns);
    if (bw_instant_is_never(witness->process->wake_at) ||
        is_sooner(first, witness->process->wake_at))
        sim_wake_at(witness->process, first);
}

/* What an older release does not know, and the product's code of today does: a roster of the second form. It stops
 * there, as at every entry that it cannot read. */
static void look_for_newer(struct sim_witness *witness)
{
    if (witness->process->level < BW_MEMBERS_LEVEL && witness->node.voter.roll.roster.id_max != 0)
        end_it(witness, true, "a roster that was written by a newer breakwater");
}

void sim_witness_turn(struct sim_process *process)
{
    struct sim_witness *witness = witness_of(process);

    sim_agents_forget_gone(witness);
    sim_node_turn(&witness->node);
    for (int i = 0; i < TURNS_MAX && bw_witness_machine_is_unsettled(&witness->machine); i++) {
        sim_witness_happen(witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_SETTLE});
        sim_node_turn(&witness->node);
    }
    if (!sim_is_doomed(process))
        look_for_newer(witness);
    if (!sim_is_doomed(process))
        set_wake(witness);
}

static void on_wake(struct sim_process *process)
{
    struct sim_witness *witness = witness_of(process);

    sim_agents_forget_gone(witness);
    sim_witness_happen(witness, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_WAKE});
    sim_witness_turn(process);
}

static void on_message(struct sim_process *process, const struct sim_message *message)
{
    sim_agents_forget_gone(witness_of(process));
    sim_agents_on_message(witness_of(process), message);
    sim_witness_turn(process);
}

/* ---- life ---- */

static struct sim_witness *open_witness(struct sim_process *process)
{
    struct sim_witness *witness = calloc(1, sizeof *witness);
    const struct sim_witness_disk *disk = process->host->services;
    const struct sim_node_owner owner = {
        .id = disk->id,
        .incarnation = disk->incarnation,
        .origin = disk->origin,
        .fsm = {.apply = apply, .snapshot = take_snapshot, .restore = restore},
        .events = {.on_role = on_role,
                   .on_ready_to_lead = on_ready_to_lead,
                   .on_peer_behind = on_peer_behind},
        .stop = on_stop,
        .user = witness};

    BW_ASSERT(witness != NULL);
    process->state = witness;
    witness->process = process;
    witness->disk = process->host->services;
    sim_witness_init(witness);
    sim_node_open(&witness->node, &witness->backend, process, &witness->disk->raft,
                  sim_witness_turn, &owner);
    return witness;
}

static void on_death(struct sim_process *process)
{
    struct sim_witness *witness = witness_of(process);

    bw_witness_machine_close(&witness->machine);
    sim_node_close(&witness->node);
    sim_agents_free(witness);
    sim_orders_free(witness);
    free(witness);
    process->state = NULL;
}

static void on_start(struct sim_process *process)
{
    struct sim_witness *witness = open_witness(process);
    struct bw_diag diag = {0};
    enum bw_err err;

    sim_check_restored(process, 0);
    if (sim_file_load(process->host, SIM_REMOVED_FILE) != NULL) {
        sim_tell(sim_world_of(process), process->name, "was removed from the cluster: it ends");
        sim_process_keep_down(process);
        return;
    }
    err = bw_voter_start(&witness->node.voter, &diag);
    if (sim_is_doomed(process))
        return;
    if (err != BW_OK)
        end_it(witness, err != BW_ERR_IO, diag.text);
    else
        sim_witness_turn(process);
    if (!sim_is_doomed(process) && process->level >= BW_MEMBERS_LEVEL)
        sim_members_begin(witness);
}

const struct sim_process_ops sim_witness_ops = {.role = "witness",
                                                .on_start = on_start,
                                                .on_wake = on_wake,
                                                .on_message = on_message,
                                                .on_death = on_death};

/* ---- `witness init` ---- */

static struct sim_founding *make_founding(struct sim_world *world)
{
    struct sim_founding *founding = calloc(1, sizeof *founding);

    BW_ASSERT(founding != NULL);
    founding->founding.cluster_id = sim_new_id(&world->chance);
    BW_ASSERT(bw_copy_text(founding->founding.cluster, sizeof founding->founding.cluster, "simulated"));
    founding->founding.election_timeout_ms = world->setting.election_timeout_ms;
    founding->id_max = world->setting.founder_count;
    return founding;
}

struct sim_witness_disk *sim_witness_new_disk(struct sim_founding *founding, uint64_t id,
                                              struct bw_prng *chance)
{
    struct sim_witness_disk *disk = calloc(1, sizeof *disk);

    BW_ASSERT(disk != NULL);
    sim_raft_disk_init(&disk->raft);
    disk->founding = founding;
    disk->id = id;
    disk->port = SIM_WITNESS_PORT;
    disk->incarnation = sim_new_id(chance);
    return disk;
}

struct sim_witness *sim_witness_open_offline(struct sim_process *process,
                                             struct sim_offline *out_offline)
{
    *out_offline = (struct sim_offline){.disk = process->disk,
                                        .crash_per_million = process->crash_per_million,
                                        .crash_at = process->crash_at};
    process->disk = (struct sim_disk_faults){0};
    process->crash_per_million = 0;
    process->crash_at = NULL;
    process->health = SIM_ABLE;
    return open_witness(process);
}

void sim_witness_close_offline(struct sim_process *process, const struct sim_offline *offline)
{
    process->health = SIM_DEAD;
    on_death(process);
    process->disk = offline->disk;
    process->crash_per_million = offline->crash_per_million;
    process->crash_at = offline->crash_at;
}

/* `witness init` runs, and ends. */
static void init(struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;
    struct sim_offline offline;
    struct sim_witness *witness = sim_witness_open_offline(process, &offline);

    if (disk->origin != BW_ROLL_JOINING)
        sim_node_bootstrap(&witness->node, sim_world_of(process)->setting.founder_count);
    sim_witness_close_offline(process, &offline);
}

void sim_witness_bootstrap(struct sim_world *world)
{
    struct sim_founding *founding = make_founding(world);

    for (uint32_t i = 0; i < world->setting.founder_count; i++) {
        struct sim_process *process = world->witnesses[i];
        struct sim_witness_disk *disk = sim_witness_new_disk(founding, i + 1, &world->chance);

        disk->origin = i == 0 ? BW_ROLL_FOUNDER : BW_ROLL_FOUNDING;
        for (; disk->file_count < world->setting.founder_count; disk->file_count++) {
            disk->file[disk->file_count].id = disk->file_count + 1;
            disk->file[disk->file_count].machine = disk->file_count;
        }
        process->host->services = disk;
        init(process);
    }
}

/* ---- `witness init --join` on a machine that has no directory that anybody counts on ---- */

void sim_witness_discard(struct sim_process *process)
{
    struct sim_host *host = process->host;
    struct sim_witness_disk *disk = host->services;

    sim_process_keep_down(process);
    for (struct sim_witness_disk *next; disk != NULL; disk = next) {
        next = disk->lost;
        sim_raft_disk_deinit(&disk->raft);
        free(disk);
    }
    host->services = NULL;
    sim_file_remove(host, BW_VOTE_FILE);
    sim_file_remove(host, LOST_VOTE);
    sim_file_remove(host, SIM_REMOVED_FILE);
}

/* Its file names whom the roster has, and itself. */
static void write_file(struct sim_witness_disk *disk, const struct bw_roster *roster,
                       const struct sim_process *process)
{
    const struct sim_world *world = sim_world_of(process);

    for (unsigned i = 0; i < roster->count && disk->file_count < SIM_WITNESSES_MAX - 1; i++) {
        const struct sim_process *member = sim_witness_of_id(world, roster->members[i].id);

        if (member == NULL)
            continue;
        disk->file[disk->file_count].id = roster->members[i].id;
        disk->file[disk->file_count++].machine = member->host->number;
    }
    disk->file[disk->file_count].id = disk->id;
    disk->file[disk->file_count++].machine = process->host->number;
}

void sim_witness_join(struct sim_process *process, const struct bw_roster *roster)
{
    struct sim_world *world = sim_world_of(process);
    struct sim_founding *founding =
        ((struct sim_witness_disk *)world->hosts[0].services)->founding;
    struct sim_witness_disk *disk;

    sim_witness_discard(process);
    disk = sim_witness_new_disk(founding, ++founding->id_max, &process->host->chance);
    disk->origin = BW_ROLL_JOINING;
    process->host->installed = BW_FEATURE_LEVEL_NEWEST; /* no older release can */
    write_file(disk, roster, process);
    process->host->services = disk;
    if (process->host->number >= world->witness_count)
        world->witness_count = process->host->number + 1;
    init(process);
    sim_tell(world, process->name, "has a new directory, id %" PRIu64, disk->id);
    sim_host_boot(process->host);
    sim_process_let_return(process);
}

/* ---- a directory that is lost, and found again ---- */

bool sim_witness_is_wiped(const struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;

    return disk->lost != NULL;
}

bool sim_witness_wipe(struct sim_process *process)
{
    struct sim_host *host = process->host;
    struct sim_witness_disk *lost = host->services;
    struct sim_witness_disk *disk;

    if (!host->is_up || sim_witness_is_wiped(process) ||
        !sim_file_copy(host, BW_VOTE_FILE, LOST_VOTE))
        return false;
    sim_process_kill(process);
    sim_file_remove(host, BW_VOTE_FILE);
    disk = sim_witness_new_disk(lost->founding, lost->id, &host->chance);
    disk->origin = lost->origin == BW_ROLL_JOINING ? BW_ROLL_JOINING : BW_ROLL_FOUNDING;
    memcpy(disk->file, lost->file, sizeof disk->file);
    disk->file_count = lost->file_count;
    disk->lost = lost;
    host->services = disk;
    init(process);
    sim_process_start(process);
    return true;
}

void sim_witness_unwipe(struct sim_process *process)
{
    struct sim_host *host = process->host;
    struct sim_witness_disk *disk = host->services;

    if (!sim_witness_is_wiped(process))
        return;
    sim_process_kill(process);
    host->services = disk->lost;
    sim_raft_disk_deinit(&disk->raft);
    free(disk);
    (void)sim_file_copy(host, LOST_VOTE, BW_VOTE_FILE); /* there since the loss */
    sim_file_remove(host, LOST_VOTE);
    sim_process_start(process);
}

/* ---- a directory that goes back in time ---- */

struct sim_raft_disk *sim_witness_copy(struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;
    struct sim_raft_disk *copy = malloc(sizeof *copy);

    BW_ASSERT(copy != NULL && sim_file_copy(process->host, BW_VOTE_FILE, COPIED_VOTE));
    sim_raft_disk_copy(&disk->raft, copy);
    return copy;
}

void sim_witness_free_copy(struct sim_raft_disk *copy)
{
    if (copy != NULL)
        sim_raft_disk_deinit(copy);
    free(copy);
}

void sim_witness_put_back(struct sim_process *process, struct sim_raft_disk *copy)
{
    struct sim_witness_disk *disk = process->host->services;

    sim_raft_disk_deinit(&disk->raft);
    disk->raft = *copy;
    free(copy);
    BW_ASSERT(sim_file_copy(process->host, COPIED_VOTE, BW_VOTE_FILE));
}

uint64_t sim_witness_id(const struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;

    return disk->id;
}

struct bw_id sim_witness_incarnation(const struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;

    return disk->incarnation;
}

const struct raft *sim_witness_raft(const struct sim_process *process)
{
    return &witness_of(process)->node.voter.raft;
}

uint64_t sim_witness_term(const struct sim_process *process)
{
    return raft_current_term((struct raft *)(uintptr_t)sim_witness_raft(process));
}

bool sim_witness_knows(const struct sim_process *process, uint64_t id)
{
    return sim_members_knows(witness_of(process), id);
}

struct sim_process *sim_witness_of_id(const struct sim_world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->witness_count; i++)
        if (world->witnesses[i]->host->services != NULL && sim_witness_id(world->witnesses[i]) == id)
            return world->witnesses[i];
    return NULL;
}

void sim_witness_free_disks(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_WITNESSES_MAX; i++) {
        struct sim_host *host = sim_witness_host(world, i);
        struct sim_witness_disk *disk = host->services;

        host->services = NULL;
        if (disk != NULL && disk->lost != NULL) {
            struct sim_witness_disk *lost = disk->lost;

            sim_raft_disk_deinit(&disk->raft);
            free(disk);
            disk = lost;
        }
        if (disk == NULL)
            continue;
        sim_raft_disk_deinit(&disk->raft);
        if (i == 0)
            free(disk->founding);
        free(disk);
    }
}

/* ---- what others see of it ---- */

bool sim_witness_leads(const struct sim_process *process)
{
    const struct sim_witness *witness = sim_witness_able(process);

    return witness != NULL && witness->machine.core.leadership.leads;
}

bool sim_witness_is_proving(const struct sim_process *process)
{
    const struct sim_witness *witness = sim_witness_able(process);

    return witness != NULL && witness->machine.core.proof.on_its_way != 0;
}

uint64_t sim_witness_proved(const struct sim_process *process)
{
    const struct sim_witness *witness = sim_witness_able(process);

    return witness == NULL ? 0 : witness->machine.core.proof.proved;
}

bool sim_witness_is_proposing(const struct sim_process *process, const char *group)
{
    const struct sim_witness *witness = sim_witness_able(process);
    const int group_index = witness == NULL ? -1
                                            : bw_cluster_find(&witness->machine.cluster, group);

    return group_index >= 0 && witness->watches[group_index].proposing_count != 0;
}

const struct bw_cluster *sim_witness_cluster(const struct sim_process *process)
{
    return process->health == SIM_DEAD ? NULL : &witness_of(process)->machine.cluster;
}

const struct sim_raft_disk *sim_witness_log(const struct sim_process *process)
{
    const struct sim_witness_disk *disk = process->host->services;

    return disk->lost != NULL ? &disk->lost->raft : &disk->raft;
}

void sim_witness_explain(const struct sim_process *process, const char *group, char *out,
                         size_t out_max)
{
    const struct sim_witness *witness = sim_witness_able(process);
    int group_index = witness == NULL ? -1 : bw_cluster_find(&witness->machine.cluster, group);
    struct bw_decision *decision;
    size_t used;

    out[0] = '\0';
    if (group_index < 0)
        return;
    decision = calloc(1, sizeof *decision);
    BW_ASSERT(decision != NULL);
    bw_witness_decide(&witness->machine.core, group_index, sim_now(process), decision);
    used = (size_t)snprintf(out, out_max, "rule %s", decision->rule);
    for (uint32_t i = 0; i < decision->gate_count && used < out_max; i++) {
        char line[256];

        if (decision->gates[i].verdict != BW_GATE_HOLD)
            continue;
        bw_explain_gate(&decision->gates[i], &witness->groups[group_index], line, sizeof line);
        used += (size_t)snprintf(out + used, out_max - used, "\n    %s", line);
    }
    free(decision);
}
