/* clone.c - a machine that is copied with its machine id and its state directories, or those directories alone, which
 * a second pair of daemons takes beside the first, in one boot of the kernel. Both run: one instance under two boots of
 * the site (3.5, 3.7, 3.8). */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "checks.h"
#include "machine.h"
#include "override.h"

static void copy_files(struct sim_host *to, const struct sim_host *from)
{
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
        const struct sim_file *file = &from->files[i];
        struct sim_file *copy = &to->files[i];

        if (file->name[0] == '\0' || file->is_volatile)
            continue;
        *copy = *file;
        copy->bytes = malloc(file->size > 0 ? file->size : 1);
        BW_ASSERT(copy->bytes != NULL);
        if (file->size > 0)
            memcpy(copy->bytes, file->bytes, file->size);
    }
}

/* What was replicated to the disk is there, and nothing runs. */
static void copy_services(struct sim_machine *to, const struct sim_machine *from)
{
    for (uint32_t group = 0; group < SIM_GROUPS_MAX; group++) {
        const bool is_up = to->services[group].is_up;

        BW_ASSERT(!is_up);
        to->services[group] = from->services[group];
        to->services[group].is_up = false;
        to->services[group].has_ms = sim_service_position(from, group);
        to->scripts_named[group] = from->scripts_named[group];
        memcpy(to->script_bytes[group], from->script_bytes[group], sizeof to->script_bytes[group]);
        to->starts_outside[group] = from->starts_outside[group];
        to->tried_scripts[group] = 0; /* a proof is of its machine */
        to->conditions[group] = from->conditions[group];
        to->services[group].is_in_unit = false;
    }
}

/* A copy of what overrides is told by no lease that it is one: beyond what is promised, and no use
 * to show (3.8). */
static bool is_overriding(const struct sim_host *host)
{
    for (uint32_t group = 0; group < host->world->setting.group_count; group++)
        if (sim_override_kept(host, group) != SIM_OVERRIDE_NONE)
            return true;
    return false;
}

bool sim_clone_begin(struct sim_world *world, uint32_t site, bool has_own_kernel)
{
    struct sim_host *from = sim_site(world, site);
    struct sim_host *to = sim_clone(world);

    if (to->is_up || !from->is_up || is_overriding(from) ||
        world->setting
            .has_second_enforcer) /* what outlives its machine is there once, and not copied */
        return false;
    sim_tell(world, from->name, "is cloned");
    BW_ASSERT(bw_copy_text(to->name, sizeof to->name, from->name));
    to->kernel_of = has_own_kernel ? NULL : from;
    to->machine = from->machine;
    to->installed = from->installed;
    copy_files(to, from);
    copy_services(sim_machine(to), sim_machine(from));
    sim_host_boot(to);
    for (uint32_t group = 0; group < SIM_GROUPS_MAX; group++)
        sim_machine(from)->services[group].is_twice = sim_machine(from)->services[group].is_outside;
    return true;
}

void sim_clone_end(struct sim_world *world)
{
    struct sim_host *host = sim_clone(world);

    sim_host_lose_power(host);
    sim_site_lost_disk(host);
}
