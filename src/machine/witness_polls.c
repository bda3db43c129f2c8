/* Who waits for an order, and when a poll is answered (5.3). */
#include "witness_internal.h"

#include <breakwater/base/assert.h>

/* ---- who waits ------------------------------------------------------------------------------- */

void bw_calls_wait(struct bw_witness_machine *machine, struct bw_witness_call *call,
                     struct bw_witness_call **list, uint32_t wait_ms)
{
    BW_ASSERT(call->previous == NULL);
    call->until = bw_instant_add(bw_witness_now(machine), wait_ms * BW_NS_PER_MS);
    call->next = *list;
    call->previous = list;
    if (call->next != NULL)
        call->next->previous = &call->next;
    *list = call;
    if (call->sync != NULL)
        machine->sync_count++;
    else
        machine->poll_count++;
}

void bw_calls_unwait(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    if (call->previous == NULL)
        return;
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    call->next = NULL;
    call->previous = NULL;
    if (call->sync != NULL)
        machine->sync_count--;
    else
        machine->poll_count--;
}

/* ---- GET /v1/agent/orders?after=N&wait=20s: answered the moment an order for this site changes ---- */

/* The group's order for this site is newer than what the agent has. A site that is not in the spec
 * hears of that in the answer to its sync, where it names the group. */
static bool is_news(const struct bw_witness_machine *machine, int group,
                    const struct bw_witness_call *call)
{
    const struct bw_group *state = &machine->cluster.groups[group];

    return state->spec.name[0] != '\0' && state->changed_index > call->after &&
           bw_spec_find_site(&state->spec, call->site) >= 0;
}

/* Any witness answers, from committed state; nothing is confirmed here. */
static void answer_call(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    struct bw_sync_answer *answer = bw_syncs_begin_answer(machine);

    for (int group = 0; group < (int)machine->cluster.group_count; group++)
        if (is_news(machine, group, call))
            (void)bw_syncs_add_group(machine, group, call->site);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_ANSWER,
                                                                 .call = call,
                                                                 .answer = answer});
}

static void finish(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    bw_calls_unwait(machine, call);
    answer_call(machine, call);
}

void bw_polls_on_changed(struct bw_witness_machine *machine, int group)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->polls; call != NULL; call = next) {
        next = call->next;
        if (is_news(machine, group, call))
            finish(machine, call);
    }
}

/* Nothing new: an answer without groups. */
void bw_polls_serve(struct bw_witness_machine *machine, struct bw_instant now)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->polls; call != NULL; call = next) {
        next = call->next;
        if (bw_instant_wait_is_over(now, call->until))
            finish(machine, call);
    }
}

static bool has_news(const struct bw_witness_machine *machine, const struct bw_witness_call *call)
{
    for (int group = 0; group < (int)machine->cluster.group_count; group++)
        if (is_news(machine, group, call))
            return true;
    return false;
}

void bw_polls_on_poll(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    BW_ASSERT(call->sync == NULL);
    if (call->wait_ms > BW_WITNESS_POLL_MS_MAX)
        bw_calls_refuse(machine, call, BW_WITNESS_REFUSES_WAIT);
    else if (!bw_witness_machine_knows_cluster(machine))
        bw_calls_refuse(machine, call, BW_WITNESS_REFUSES_TOO_EARLY);
    else if (call->wait_ms == 0 || has_news(machine, call))
        answer_call(machine, call);
    else if (machine->poll_count >= BW_WITNESS_POLLS_MAX)
        bw_calls_refuse(machine, call, BW_WITNESS_REFUSES_POLLS);
    else
        bw_calls_wait(machine, call, &machine->polls, call->wait_ms);
}
