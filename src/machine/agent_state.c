/* Whose the state is that an agent finds: of its site and its machine, or of another (3.7). */
#include <string.h>

#include <breakwater/machine/agent.h>

struct bw_id bw_agent_boot_id(struct bw_id kernel_boot_id, const struct bw_run_dir *run_dir)
{
    struct bw_id id = kernel_boot_id;

    for (size_t i = 0; i < 8; i++) { /* in the kernel's boot no other run_dir comes to the same */
        id.bytes[i] ^= (uint8_t)(run_dir->device >> (8 * i));
        id.bytes[8 + i] ^= (uint8_t)(run_dir->inode >> (8 * i));
    }
    return id;
}

bool bw_agent_state_goes_on(const struct bw_agent_state *state, const struct bw_agent_group *group,
                            struct bw_id kernel_boot_id, const struct bw_guard_mirror_file *mirror)
{
    const struct bw_site_memory *memory = &group->memory;
    const struct bw_guard_mirror *kept = &mirror->mirror;

    if (strcmp(mirror->group, group->name) != 0 || !bw_id_equal(mirror->boot_id, kernel_boot_id))
        return false;
    if (memory->epoch != 0 && !memory->given_back && bw_id_equal(memory->boot_id, kernel_boot_id) &&
        kept->armed_epoch == memory->epoch && bw_id_equal(kept->armed_instance, state->instance))
        return true;
    return memory->override != BW_OVERRIDE_NONE && bw_id_equal(memory->override_boot_id, kernel_boot_id) &&
           kept->armed_serial != 0 && bw_id_equal(kept->armed_instance, state->instance);
}

/* A machine without an id is known again by its boot: a state that was taken along has another. */
static bool is_of_this_boot(const struct bw_agent_state *state, struct bw_id boot_id)
{
    bool has_open_epoch = false;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_site_memory *memory = &state->groups[i].memory;

        if (memory->epoch != 0 && bw_id_equal(memory->boot_id, boot_id))
            return true;
        has_open_epoch = has_open_epoch || (memory->epoch != 0 && !memory->given_back) ||
                         (memory->override !=
                              BW_OVERRIDE_NONE && /* 3.8: another machine's is none */
                          !bw_id_equal(memory->override_boot_id, boot_id));
    }
    return !has_open_epoch; /* nothing of it can be renewed or given back */
}

const char *bw_agent_state_foreigner(const struct bw_agent_state *state, const char *site,
                                     struct bw_id machine_id, struct bw_id boot_id)
{
    if (strcmp(state->site, site) != 0)
        return "another site";
    if (bw_id_is_none(state->machine_id) || bw_id_is_none(machine_id))
        return is_of_this_boot(state, boot_id)
                   ? NULL
                   : "another boot, and this machine has no machine id that would say whose";
    return bw_id_equal(state->machine_id, machine_id) ? NULL : "another machine";
}
