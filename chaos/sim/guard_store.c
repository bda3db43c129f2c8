/* guard_store.c - what a guard must not forget, as src/guard/store.c keeps it. */
#include <string.h>

#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/wire/state.h>

#include "check_site.h"
#include "enforcer.h"
#include "guard.h"
#include "units.h"

#define CLUSTER_FIXED (BW_ID_BYTES + 8)

/* Without snprintf: checks name them in most events. */
static void name_file(const struct sim_world *world, uint32_t group, const char *kind,
                      char out_name[48])
{
    const size_t length = strlen(kind);

    BW_ASSERT(bw_copy_text(out_name, 48, kind) &&
              bw_copy_text(out_name + length, 48 - length, world->group_names[group]));
}

void sim_guard_mirror_name(const struct sim_world *world, uint32_t group, char out_name[48])
{
    name_file(world, group, "guard.mirror.", out_name);
}

void sim_guard_memory_name(const struct sim_world *world, uint32_t group, char out_name[48])
{
    name_file(world, group, "guard.memory.", out_name);
}

static void damaged(struct sim_guard *guard, const char *name, const struct bw_diag *diag)
{
    sim_fail(sim_world_of(guard->process), "codec", "%s cannot read its own %s: %s",
             guard->process->name, name, diag->text);
}

/* ---- reading ------------------------------------------------------------------------------------ */

bool sim_guard_store_open(struct sim_guard *guard, struct bw_guard_identity *out_own)
{
    const struct sim_host *host = guard->process->host;
    const struct sim_file *file = sim_file_load(host, SIM_GUARD_CLUSTER_FILE);
    const size_t site_bytes = strlen(host->name);

    *out_own = (struct bw_guard_identity){.boot_id = host->boot_id,
                                          .time_namespace = SIM_TIME_NAMESPACE};
    BW_ASSERT(bw_copy_text(out_own->site, sizeof out_own->site, host->name));
    if (file == NULL)
        return true; /* nobody has said a hello here yet */
    if (file->size != CLUSTER_FIXED + site_bytes ||
        memcmp(file->bytes + CLUSTER_FIXED, host->name, site_bytes) != 0) {
        sim_tell(host->world, guard->process->name, "finds another site's state and ends");
        return false;
    }
    memcpy(out_own->cluster_id.bytes, file->bytes, BW_ID_BYTES);
    out_own->generation = bw_get_u64le(file->bytes + BW_ID_BYTES);
    return true;
}

static const struct sim_file *find_memory(struct sim_guard *guard, uint32_t group)
{
    char name[48];

    sim_guard_memory_name(sim_world_of(guard->process), group, name);
    return sim_file_load(guard->process->host, name);
}

bool sim_guard_store_has_memory(struct sim_guard *guard, uint32_t group)
{
    return find_memory(guard, group) != NULL;
}

static void load_memory(struct sim_guard *guard, uint32_t group, struct bw_guard_found *out_found)
{
    struct bw_guard_memory_file content;
    struct bw_diag diag = {0};
    const struct sim_file *file = guard->is_caretaker ? NULL : find_memory(guard, group);

    out_found->is_new = file == NULL;
    if (file == NULL)
        return;
    if (guard->machine->is_state_unreadable[group]) {
        out_found->memory_err = BW_ERR_IO;
        return;
    }
    out_found->memory_err = bw_guard_memory_decode(file->bytes, file->size, &content, &diag);
    if (out_found->memory_err == BW_OK)
        out_found->memory = content.memory;
    else
        damaged(guard, file->name, &diag);
}

static void load_mirror(struct sim_guard *guard, uint32_t group, struct bw_guard_found *out_found)
{
    struct bw_guard_mirror_file content;
    struct bw_diag diag = {0};
    const struct sim_file *file;
    char name[48];

    sim_guard_mirror_name(sim_world_of(guard->process), group, name);
    file = sim_file_load(guard->process->host, name);
    out_found->mirror_err = BW_ERR_NOT_FOUND;
    if (file == NULL)
        return;
    out_found->mirror_err = bw_guard_mirror_decode(file->bytes, file->size, &content, &diag);
    if (out_found->mirror_err != BW_OK)
        damaged(guard, name, &diag);
    else if (!bw_id_equal(content.boot_id, guard->process->host->boot_id))
        out_found->mirror_err = BW_ERR_STALE;
    if (out_found->mirror_err != BW_OK)
        return;
    out_found->mirror = content.mirror;
    out_found->armed_by = content.cluster_id;
}

void sim_guard_store_find(struct sim_guard *guard, uint32_t group, struct bw_guard_found *out_found)
{
    *out_found = (struct bw_guard_found){.memory_err = BW_OK, .is_reach_kept = true};
    load_memory(guard, group, out_found);
    load_mirror(guard, group, out_found);
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* After BW_ERR_UNKNOWN nothing is saved any more until a restart. */
static bool save(struct sim_guard *guard, const char *name, const void *bytes, size_t size)
{
    enum bw_err err;

    if (guard->is_broken)
        return false;
    err = sim_file_save(guard->process, name, false, bytes, size);
    guard->is_broken = err == BW_ERR_UNKNOWN;
    return err == BW_OK;
}

bool sim_guard_store_save(struct sim_guard *guard, uint32_t group,
                          const struct bw_guard_memory *memory)
{
    struct bw_guard_memory_file file = {.memory = *memory};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    char name[48];
    size_t size;

    if (bw_guard_machine_is_nobodys(&guard->daemon, &guard->groups[group].at))
        return true;
    BW_ASSERT(bw_copy_text(file.group, sizeof file.group,
                           sim_world_of(guard->process)->group_names[group]));
    sim_guard_memory_name(sim_world_of(guard->process), group, name);
    if (bw_guard_memory_encode(&file, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        damaged(guard, name, &diag);
        return false;
    }
    if (!guard->is_broken) /* nothing is written then: the file keeps what it has */
        sim_check_memory_changes(guard->process, group, memory);
    return save(guard, name, bytes, size);
}

static struct bw_id cluster_of(const struct sim_guard *guard, uint32_t group)
{
    const struct bw_guarded *at = &guard->groups[group].at;

    return bw_guard_machine_is_foreign(&guard->daemon, at) ? at->armed_by
                                                           : guard->daemon.session.own.cluster_id;
}

bool sim_guard_store_save_mirror(struct sim_guard *guard, uint32_t group,
                                 const struct bw_guard_mirror *mirror)
{
    struct bw_guard_mirror_file file = {.boot_id = guard->process->host->boot_id,
                                        .time_namespace = SIM_TIME_NAMESPACE,
                                        .mirror = *mirror,
                                        .cluster_id = cluster_of(guard, group)};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    char name[48];
    size_t size;

    BW_ASSERT(bw_copy_text(file.group, sizeof file.group,
                           sim_world_of(guard->process)->group_names[group]));
    sim_guard_mirror_name(sim_world_of(guard->process), group, name);
    if (bw_guard_mirror_encode(&file, bytes, sizeof bytes, &size, &diag) != BW_OK) {
        damaged(guard, name, &diag);
        return false;
    }
    return sim_file_save(guard->process, name, true, bytes, size) == BW_OK;
}

bool sim_guard_store_pin(struct sim_guard *guard)
{
    const char *site = guard->process->host->name;
    uint8_t bytes[CLUSTER_FIXED + BW_NAME_MAX];

    memcpy(bytes, guard->daemon.session.pinning.cluster_id.bytes, BW_ID_BYTES);
    bw_put_u64le(bytes + BW_ID_BYTES, guard->daemon.session.pinning.generation);
    memcpy(bytes + CLUSTER_FIXED, site, strlen(site));
    return save(guard, SIM_GUARD_CLUSTER_FILE, bytes, CLUSTER_FIXED + strlen(site));
}

/* ---- saves ---- */

/* A guard's saves and mirrors, which threads of its own write: each is answered when it is
 * written, and a disk that hangs holds up nothing but what rests on it (3.4). */

struct memory_round {
    uint32_t count;
    struct {
        uint32_t group;
        struct bw_guard_memory memory; /* as it was asked for */
    } saves[SIM_GROUPS_MAX];
};
struct round {
    uint32_t count;
    struct {
        uint32_t group;
        uint64_t number;
        struct bw_enforcer_order order;
        struct bw_guard_mirror mirror;
    } writes[SIM_GROUPS_MAX + 1]; /* and one that is looked at in vain */
};

static void on_saved(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct memory_round *round = payload;

    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++) {
        const uint32_t group = round->saves[i].group;

        bw_guard_machine_on_saved(&guard->daemon, &guard->groups[group].at,
                                  sim_guard_store_save(guard, group, &round->saves[i].memory));
    }
    free(payload);
    bw_guard_machine_on_round_saved(&guard->daemon);
    sim_guard_go_on(guard);
}

void sim_guard_write_saves(struct sim_guard *guard)
{
    const uint64_t takes_ns =
        sim_disk_takes_ns(guard->process, false, sim_world_of(guard->process)->now_ns);
    struct memory_round *round = calloc(1, sizeof *round);
    const struct bw_guarded *group;

    BW_ASSERT(round != NULL);
    while ((group = bw_guard_machine_take_save(&guard->daemon)) != NULL) {
        const struct sim_guard_group *guarded = group->owner;

        round->saves[round->count].group = guarded->group;
        round->saves[round->count++].memory = guarded->asked_memory;
    }
    sim_later(guard->process, takes_ns, on_saved, round, free);
}

static void on_pin_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const bool ok = sim_guard_store_pin(guard);

    (void)payload;
    if (sim_is_doomed(process))
        return;
    bw_guard_machine_on_pinned(&guard->daemon, ok, "the disk");
    sim_guard_go_on(guard);
}

void sim_guard_pin(struct sim_guard *guard)
{
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, false, sim_world_of(guard->process)->now_ns),
              on_pin_written, NULL, NULL);
}

static void on_round_written(struct sim_process *process, void *payload)
{
    struct sim_guard *guard = process->state;
    const struct round *round = payload;

    for (uint32_t i = 0; i < round->count && !sim_is_doomed(process); i++) {
        struct sim_guard_group *guarded = &guard->groups[round->writes[i].group];
        const bool ok = sim_guard_store_save_mirror(guard, guarded->group,
                                                    &round->writes[i].mirror);

        if (!ok)
            guarded->asked.armed_epoch = 0; /* it is taken back */
        bw_enforcing_on_written(&guard->daemon.enforcing, &guarded->at.enforcing,
                                round->writes[i].number, &round->writes[i].order, ok);
    }
    bw_enforcing_on_round_written(&guard->daemon.enforcing);
    free(payload);
    sim_guard_go_on(guard);
}

void sim_guard_write_mirrors(struct sim_guard *guard)
{
    struct round *round = calloc(1, sizeof *round);

    BW_ASSERT(round != NULL);
    for (uint32_t i = 0; i < guard->group_count; i++) {
        if (!guard->groups[i].is_open ||
            !bw_enforcing_begin_write(&guard->daemon.enforcing, &guard->groups[i].at.enforcing,
                                      &round->writes[round->count].number,
                                      &round->writes[round->count].order))
            continue;
        round->writes[round->count].group = i;
        round->writes[round->count++].mirror = guard->groups[i].machine.mirror;
    }
    sim_later(guard->process,
              sim_disk_takes_ns(guard->process, true, sim_world_of(guard->process)->now_ns),
              on_round_written, round, free);
}

/* ---- the proof of the reach ---- */

/* A proof that a guard can end what it starts, as src/guard/guard_group.c does. */

static void set_proved(struct sim_guard *guard, struct sim_guard_group *guarded)
{
    guarded->machine.limits.reach_works = bw_guard_reach_works(
        guarded->is_proved, guard->machine->units[guarded->group].is_unit,
        sim_unit_is_seen(guard->machine, guarded->group));
}

enum bw_guard_proof sim_guard_prove(struct sim_guard *guard, struct sim_guard_group *guarded)
{
    const struct bw_guarded *because_of;
    const struct bw_guard_proof_facts facts = {
        .is_proved = guarded->is_proved,
        .is_action_running = guarded->work[BW_GUARD_SLOT_ACTION].stage != SIM_WORK_NONE,
        .is_means_proved = guard->is_means_proved,
        .limit_ms = bw_guard_machine_proof_ms(&guard->daemon, sim_now(guard->process),
                                              &because_of)};

    switch (bw_guard_proof_next(&facts)) {
    case BW_GUARD_PROOF_REST:
    case BW_GUARD_PROOF_NEAR:
        return BW_GUARD_PROOF_UNTRIED;
    case BW_GUARD_PROOF_TAKE:
    case BW_GUARD_PROOF_TRY:
        break;
    }
    guard->is_means_proved = true;
    guarded->is_proved = true;
    set_proved(guard, guarded);
    return guarded->machine.limits.reach_works ? BW_GUARD_PROOF_WORKS : BW_GUARD_PROOF_UNTRIED;
}

void sim_guard_on_units_seen(struct sim_guard *guard, uint32_t group)
{
    if (!guard->groups[group].is_open)
        return;
    set_proved(guard, &guard->groups[group]);
    bw_guard_machine_greet_again(&guard->daemon);
}
