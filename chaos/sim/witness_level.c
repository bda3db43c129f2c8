/* witness_level.c - src/witness/api_level.c in the simulator: what a witness has heard of the releases of the others,
 * and the order to raise the feature level. Design 5.3. */
#include "witness_level.h"

#include <inttypes.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "upgrade.h"
#include "witness_program.h"

#define WITHOUT_MAX 32

void sim_level_received(struct sim_witness *witness, uint64_t id, uint32_t level)
{
    uint32_t at = 0;

    while (at + 1 < SIM_LEVELS_MAX && witness->levels[at].id != 0 && witness->levels[at].id != id)
        at++;
    witness->levels[at] = (struct sim_peer_level){.id = id, .level = level};
}

/* 0: it is not heard now, or has not said. */
static uint32_t level_of(const struct sim_witness *witness, const struct bw_members_facts *facts,
                         uint64_t id)
{
    bool is_live = false;

    for (unsigned i = 0; i < facts->count; i++)
        is_live = is_live || (facts->list[i].id == id && facts->list[i].is_live);
    for (uint32_t i = 0; is_live && i < SIM_LEVELS_MAX; i++)
        if (witness->levels[i].id == id)
            return witness->levels[i].level;
    return 0;
}

struct parties {
    struct bw_level_party *list;
    size_t count;
};

static struct parties gather(const struct sim_witness *witness)
{
    const struct bw_witness_machine *machine = &witness->machine;
    uint32_t levels[BW_WITNESSES_MAX] = {0};
    struct bw_members_facts facts = {.count = 0};
    struct bw_members_step step;
    struct parties parties = {
        .list = calloc(bw_witness_machine_parties_max(machine), sizeof *parties.list)};

    BW_ASSERT(parties.list != NULL);
    (void)sim_members_look(witness->process, &facts, &step); /* none is live, where it has no roster */
    for (uint32_t i = 0; i < machine->member_count; i++)
        levels[i] = level_of(witness, &facts, machine->members[i].id);
    parties.count = bw_witness_machine_parties(machine, levels, parties.list);
    return parties;
}

/* Who is silent, and was upgraded: the person who did that says so. */
static size_t name_silent(struct sim_world *world, const struct parties *parties,
                          const char *out_names[WITHOUT_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < parties->count && count < WITHOUT_MAX; i++)
        if (parties->list[i].level == 0 && sim_upgrade_is_done(world, parties->list[i].name))
            out_names[count++] = parties->list[i].name;
    return count;
}

static void end_order(void *payload)
{
    struct sim_world *world = payload;

    world->upgrade.orders_open--;
}

static void on_raise(struct sim_process *process, void *payload)
{
    struct sim_witness *witness = process->state;
    struct sim_world *world = sim_world_of(process);
    const struct parties parties = gather(witness);
    const char *without[WITHOUT_MAX];
    const struct bw_level_order order = {.to = witness->machine.cluster.feature_level + 1,
                                         .without = without,
                                         .without_count = name_silent(world, &parties, without),
                                         .by = "operator/anna",
                                         .text = "simulated"};
    struct bw_diag diag = {0};
    enum bw_err err = BW_ERR_NOT_LEADER;

    if (bw_witness_machine_standing(&witness->machine) == BW_WITNESS_MAY_CHANGE)
        err = bw_witness_machine_raise_level(&witness->machine, parties.list, parties.count, &order,
                                             &diag);
    sim_tell(world, process->name, "is told to raise the feature level, without %zu: %s%s%s",
             order.without_count, bw_err_text(err), diag.text[0] != '\0' ? ": " : "", diag.text);
    sim_count(world, err == BW_OK ? "level:ordered" : "level:refused");
    if (err == BW_OK)
        world->upgrade.is_ordered = true;
    free(parties.list);
    end_order(payload);
    sim_witness_turn(process);
}

bool sim_level_raise(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);

    if (sim_witness_able(process) == NULL)
        return false;
    world->upgrade.orders_open++;
    sim_later(process, 0, on_raise, world, end_order);
    return true;
}
