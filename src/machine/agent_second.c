/* What second enforcers of this site ask (3.4): each group hears it, and says what is left of its
 * lease. */
#include "agent_internal.h"

#include <string.h>

void bw_agent_on_second(struct bw_agent_machine *machine, const struct bw_second_ask *ask)
{
    const bool runs_elsewhere = !bw_id_is_none(ask->boot_id) &&
                                !bw_id_equal(ask->boot_id, machine->setup.kernel_boot_id);

    for (uint32_t i = 0; i < ask->group_count; i++) {
        const struct bw_second_contact contact = {.session = ask->session,
                                                  .runs_elsewhere = runs_elsewhere,
                                                  .report = ask->groups[i].report};
        const int group = bw_agent_find_group(machine, ask->groups[i].name);

        if (group >= 0)
            bw_agent_step_group(
                machine, (uint32_t)group,
                &(struct bw_site_event){.kind = BW_SITE_EVENT_SECOND, .second = &contact});
    }
}

void bw_agent_machine_answer_second(const struct bw_agent_machine *machine,
                                    const struct bw_second_ask *ask,
                                    struct bw_second_answer *out_answer)
{
    const struct bw_instant now = bw_agent_now(machine);

    out_answer->cluster_id = machine->setup.state->cluster_id;
    out_answer->interval_ms = (uint32_t)(bw_agent_renew_interval_ns(machine) / BW_NS_PER_MS);
    out_answer->limit_ms = bw_agent_request_timeout_ms(machine);
    out_answer->group_count = 0;
    for (uint32_t i = 0; i < ask->group_count; i++) {
        const int group = bw_agent_machine_find(machine, ask->groups[i].name);
        struct bw_second_answer_group *answer = &out_answer->groups[out_answer->group_count];

        if (group < 0)
            continue;
        memcpy(answer->name, ask->groups[i].name, sizeof answer->name);
        bw_site_second_tell(&machine->groups[group].site, now, &answer->lease);
        out_answer->group_count++;
    }
}
