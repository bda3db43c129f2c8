/* Whose the state is that an agent finds: of its site and its machine, or of another (3.7). */
#include <string.h>

#include <breakwater/machine/agent.h>

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
