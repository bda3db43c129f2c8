/* witness_syncs.c - Design 3.2, 5.3. Each witness keeps the reports of every sync that it hears. Only the
 * leader confirms, and only after its proof. Silence, never a refusal, is what a follower has to say about
 * leases. */
#include "witness_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/feature_level.h>

/* ---- answers --------------------------------------------------------------------------------- */

struct bw_sync_answer *bw_syncs_begin_answer(struct bw_witness_machine *machine)
{
    const struct bw_member *leader = bw_witness_machine_leader(machine);
    struct bw_sync_answer *answer = &machine->answer;

    *answer = (struct bw_sync_answer){.cluster_id = machine->cluster.id,
                                      .generation = machine->cluster.generation,
                                      .is_leader = bw_witness_machine_is_ready(machine),
                                      .applied_index = machine->cluster.applied_index,
                                      .member_count = machine->member_count,
                                      .groups = answer->groups};
    if (leader != NULL)
        memcpy(answer->leader, leader->name, sizeof answer->leader);
    if (answer->is_leader && machine->cluster.feature_level >= BW_OVERRIDE_LEVEL) { /* 3.8 */
        answer->feature_level = machine->cluster.feature_level;
        answer->longest_wait_ms = bw_cluster_longest_wait_ms(&machine->cluster);
    }
    memcpy(answer->witness, machine->name, sizeof answer->witness);
    memcpy(answer->members, machine->members, sizeof answer->members);
    return answer;
}

/* Zeroed: the one before may have said more. */
static struct bw_sync_answer_group *next_group(struct bw_witness_machine *machine)
{
    struct bw_sync_answer *answer = &machine->answer;
    struct bw_sync_answer_group *sent = &answer->groups[answer->group_count];

    BW_ASSERT(answer->group_count < machine->answer_group_max);
    answer->group_count++;
    *sent = (struct bw_sync_answer_group){.confirmed_epoch = 0};
    return sent;
}

struct bw_sync_answer_group *bw_syncs_add_group(struct bw_witness_machine *machine, int group,
                                                  const char *site)
{
    const struct bw_group *state = &machine->cluster.groups[group];
    struct bw_sync_answer_group *sent = next_group(machine);

    memcpy(sent->name, state->spec.name, sizeof sent->name);
    bw_order_derive(state, site, machine->cluster.applied_index, &sent->order);
    return sent;
}

/* A group that is not there is let go. Only a leader after its proof may say that: anybody else may
 * just not have heard of the group yet (3.9). */
static void let_go(struct bw_witness_machine *machine, const char *name, const char *site)
{
    struct bw_sync_answer_group *sent = next_group(machine);

    (void)bw_copy_text(sent->name, sizeof sent->name, name); /* as long as the one it comes from */
    bw_order_derive(NULL, site, machine->cluster.applied_index, &sent->order);
}

/* `proof` 0: it has waited for none, so nothing is confirmed. */
static void confirm(struct bw_witness_machine *machine, struct bw_witness_call *call,
                    const struct bw_sync_group *sync_group, int group, uint64_t proof,
                    struct bw_sync_answer_group *sent)
{
    const uint32_t ways_before = machine->core.watches[group].ways.count;
    struct bw_witness_action action = {.kind = BW_WITNESS_ACTION_UNCONFIRMED,
                                       .call = call,
                                       .group = group,
                                       .sync_group = sync_group};

    if (sync_group->renew_epoch == 0 || proof == 0)
        return;
    if (bw_witness_confirm(&machine->core, call->sync, sync_group, call->relayed_by, proof,
                           call->received, bw_witness_now(machine))) {
        sent->confirmed_epoch = sync_group->renew_epoch;
        action.kind = BW_WITNESS_ACTION_CONFIRMED;
        action.is_new_way = machine->core.watches[group].ways.count != ways_before;
    }
    bw_witness_machine_emit(machine, &action);
}

static void answer_group(struct bw_witness_machine *machine, struct bw_witness_call *call,
                         const struct bw_sync_group *sync_group, uint64_t proof)
{
    const char *site = call->sync->site;
    const int group = bw_cluster_find(&machine->cluster, sync_group->name);
    struct bw_sync_answer_group *sent;

    if (group < 0) {
        if (machine->answer.is_leader && bw_proof_covers(&machine->core.proof, proof))
            let_go(machine, sync_group->name, site);
        return;
    }
    sent = bw_syncs_add_group(machine, group, site);
    sent->other_serves_epoch = bw_witness_other_serves(&machine->core, group, site,
                                                       bw_witness_now(machine));
    bw_witness_remote_fence(&machine->core, group, site, &sent->remote_fence);
    confirm(machine, call, sync_group, group, proof, sent);
}

/* One that `has_waited` for a proof in vain is not told that this witness leads: another may, by now. */
static void answer_call(struct bw_witness_machine *machine, struct bw_witness_call *call,
                        bool has_waited, uint64_t proof)
{
    const struct bw_sync *sync = call->sync;
    struct bw_sync_answer *answer = bw_syncs_begin_answer(machine);

    answer->is_leader = answer->is_leader && (proof != 0 || !has_waited);
    answer->session = sync->session;
    answer->number = sync->number;
    answer->receipt = bw_witness_receipt(&machine->core, sync, call->received);
    for (uint32_t i = 0; i < sync->group_count; i++)
        answer_group(machine, call, &sync->groups[i], proof);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_ANSWER,
                                                                 .call = call,
                                                                 .answer = answer});
}

/* ---- syncs that wait ------------------------------------------------------------------------- */

static void finish(struct bw_witness_machine *machine, struct bw_witness_call *call, uint64_t proof)
{
    bw_calls_unwait(machine, call);
    answer_call(machine, call, true, proof);
}

void bw_syncs_on_proved(struct bw_witness_machine *machine)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->syncs; call != NULL; call = next) {
        next = call->next;
        if (call->proof == 0)
            continue;
        if (!machine->core.leadership.leads)
            finish(machine, call, 0);
        else if (bw_proof_covers(&machine->core.proof, call->proof))
            finish(machine, call, call->proof);
    }
}

void bw_syncs_serve(struct bw_witness_machine *machine, struct bw_instant now)
{
    struct bw_witness_call *next;

    for (struct bw_witness_call *call = machine->syncs; call != NULL; call = next) {
        next = call->next;
        if (bw_instant_wait_is_over(now, call->until))
            finish(machine, call, 0);
    }
}

/* ---- through a follower ---------------------------------------------------------------------- */

void bw_syncs_on_relayed(struct bw_witness_machine *machine, struct bw_witness_call *call,
                           bool ok)
{
    BW_ASSERT(call->is_relayed && call->previous != NULL);
    if (!ok) {
        finish(machine, call, 0);
        return;
    }
    bw_calls_unwait(machine, call);
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_PASS_ON,
                                                                 .call = call});
}

/* True: it was taken, and is answered with what the leader says, or as a follower's. */
static bool relay(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_member *leader = bw_witness_machine_leader(machine);

    if (leader == NULL || machine->core.leadership.leads ||
        machine->sync_count >= BW_WITNESS_SYNCS_MAX)
        return false;
    call->is_relayed = true;
    bw_calls_wait(machine, call, &machine->syncs, BW_WITNESS_RELAY_MS);
    if (bw_witness_machine_request(machine,
                                   &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_RELAY,
                                                               .call = call,
                                                               .member = leader},
                                   NULL) != BW_OK)
        finish(machine, call, 0);
    return true;
}

/* ---- what comes in --------------------------------------------------------------------------- */

void bw_calls_refuse(struct bw_witness_machine *machine, struct bw_witness_call *call,
                       enum bw_witness_refusal why)
{
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_REFUSE,
                                                                 .call = call,
                                                                 .refusal = why});
}

/* False: it was refused. Only who may speak for the agent, only this cluster, and only this or an earlier
 * generation of it: what an agent of another one says means nothing here. And none that is older than what
 * the cluster uses, for its orders may be of a kind that it does not know. */
static bool is_welcome(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_sync *sync = call->sync;
    const struct bw_cluster *cluster = &machine->cluster;
    enum bw_witness_refusal why;

    if (call->relayer[0] != '\0' && call->relayed_by == 0)
        why = BW_WITNESS_REFUSES_NO_MEMBER;
    else if (sync == NULL)
        why = BW_WITNESS_REFUSES_UNREADABLE;
    else if (strcmp(sync->site, call->site) != 0 || strcmp(sync->agent, call->agent) != 0)
        why = BW_WITNESS_REFUSES_NAME;
    else if (!bw_witness_machine_knows_cluster(machine))
        why = BW_WITNESS_REFUSES_TOO_EARLY;
    else if (!bw_id_is_none(sync->cluster_id) && !bw_id_equal(sync->cluster_id, cluster->id))
        why = BW_WITNESS_REFUSES_CLUSTER;
    else if (sync->generation > cluster->generation)
        why = BW_WITNESS_REFUSES_GENERATION;
    else if (!bw_feature_level_suffices(sync->feature_level, cluster->feature_level))
        why = BW_WITNESS_REFUSES_AGENT_LEVEL;
    else if (!bw_feature_level_suffices(sync->guard_level, cluster->feature_level))
        why = BW_WITNESS_REFUSES_GUARD_LEVEL;
    else
        return true;
    bw_calls_refuse(machine, call, why);
    return false;
}

/* Keeps what it reports. Returns the proof that its answer waits for; 0: none. */
static uint64_t hear(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    const struct bw_sync *sync = call->sync;
    const uint64_t proof = bw_witness_on_sync(&machine->core, sync, call->relayed_by,
                                              call->received);
    bool names_unknown_group = false;

    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group = bw_cluster_find(&machine->cluster, sync->groups[i].name);

        if (group >= 0)
            bw_agenda_touch(machine, group);
        else
            names_unknown_group = true;
    }
    bw_witness_machine_emit(machine, &(struct bw_witness_action){.kind = BW_WITNESS_ACTION_REPORTED,
                                                                 .call = call});
    if (proof == 0 && names_unknown_group && machine->core.leadership.leads)
        return bw_proof_want(&machine->core.proof); /* before it is let go (3.9) */
    return proof;
}

static uint64_t id_of(const struct bw_witness_machine *machine, const char *name)
{
    for (uint32_t i = 0; i < machine->member_count; i++)
        if (strcmp(machine->members[i].name, name) == 0)
            return machine->members[i].id;
    return 0;
}

/* One that was relayed is never relayed again: a witness that does not lead says so. */
void bw_syncs_on_sync(struct bw_witness_machine *machine, struct bw_witness_call *call)
{
    uint64_t proof;

    call->relayed_by = call->relayer[0] != '\0' ? id_of(machine, call->relayer) : 0;
    if (!is_welcome(machine, call))
        return;
    BW_ASSERT(call->sync->group_count <= machine->answer_group_max);
    proof = hear(machine, call);
    if (call->relayed_by == 0 && call->sync->wants_relay && relay(machine, call))
        return;
    if (proof != 0 && machine->sync_count < BW_WITNESS_SYNCS_MAX) {
        call->proof = proof;
        bw_calls_wait(machine, call, &machine->syncs, BW_WITNESS_PROOF_MS);
        bw_proposals_want_proof(machine);
        return;
    }
    if (bw_proposals_stand_still(machine)) { /* it is told as soon as it goes on */
        (void)bw_proof_want(&machine->core.proof);
        bw_proposals_want_proof(machine);
    }
    answer_call(machine, call, false, 0);
}
