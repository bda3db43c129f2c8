/* ahead.c - decisions that were lost with a witness's directory, and that a site still knows of. Design 3.9. */
#include "claims.h"

#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/counters.h>
#include <breakwater/core/witness.h>

/* True if it names what the state lacks. */
static bool is_ahead(const struct bw_group *group, const struct bw_contact *contact)
{
    return contact->used && bw_group_lacks(group, contact->named_epoch, contact->named_index);
}

/* A number that no witness of this generation can have told is made up, and holds nobody (3.9). */
void bw_ahead_note(struct bw_contact *contact, const struct bw_contact *before, const struct bw_group *group,
                   uint64_t generation, struct bw_proof *proof)
{
    const uint64_t epoch = bw_max(contact->report.told_epoch, contact->report.epoch_seen);
    const uint64_t index = bw_max(contact->report.told_index, contact->report.let_go_index);

    contact->named_epoch = epoch <= bw_counter_epoch_last(generation) ? epoch : 0;
    contact->named_index = index <= bw_counter_index_last(generation) ? index : 0;
    contact->named_since = contact->received;
    if (before != NULL && before->named_epoch == contact->named_epoch && before->named_index == contact->named_index) {
        contact->named_since = before->named_since;
        contact->named_proof = before->named_proof;
    }
    if (contact->named_proof == 0 && proof != NULL && is_ahead(group, contact))
        contact->named_proof = bw_proof_want(proof);
}

/* Its claim stands already, for what it named first. */
static bool is_kept(const struct bw_group *group, int site, const struct bw_contact *contact)
{
    for (uint32_t i = 0; i < group->claim_count; i++) {
        const struct bw_claim *claim = &group->claims[i];

        if (claim->kind == BW_CLAIM_AHEAD && bw_claim_stands(claim) && bw_id_equal(claim->instance, contact->instance) &&
            strcmp(claim->site, group->spec.sites[site].name) == 0)
            return true;
    }
    return false;
}

const struct bw_contact *bw_ahead_at(const struct bw_group *group, const struct bw_watch *watch, uint32_t *number,
                                     int *out_site)
{
    for (int site = 0; site < (int)group->spec.site_count; site++)
        for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
            const struct bw_contact *contact = &watch->reports[site].by_instance[i];

            if (!is_ahead(group, contact) || is_kept(group, site, contact))
                continue;
            if (*number == 0) {
                *out_site = site;
                return contact;
            }
            (*number)--;
        }
    return NULL;
}

/* 3.2.2: a follower may have applied, and told, what this leader has committed and not applied yet. What came before it led
 * is of entries that its first barrier has covered. */
static bool is_judged(const struct bw_leadership *leadership, const struct bw_contact *contact)
{
    if (!bw_instant_is_beyond(contact->named_since, leadership->leader_since))
        return true;
    return contact->named_proof != 0 && contact->named_proof <= leadership->proved;
}

bool bw_ahead_command(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_command *out_command)
{
    for (uint32_t i = 0;; i++) {
        uint32_t number = i;
        int site = -1;
        const struct bw_contact *contact = bw_ahead_at(group, watch, &number, &site);
        struct bw_command command = {.kind = BW_COMMAND_CLAIM,
                                     .epoch = group->epoch,
                                     .claim = BW_CLAIM_AHEAD};

        if (contact == NULL)
            return false;
        command.instance = contact->instance;
        command.session = contact->session;
        command.sync_number = contact->receipts[0].number;
        command.named_epoch = contact->named_epoch;
        command.named_index = contact->named_index;
        BW_COPY_FIELD(command.group, group->spec.name);
        BW_COPY_FIELD(command.site, group->spec.sites[site].name);
        if (!is_judged(leadership, contact) || !bw_group_takes_claim(group, &command))
            continue;
        *out_command = command;
        return true;
    }
}

void bw_witness_on_proof(struct bw_witness *witness, uint64_t proof_number)
{
    bw_proof_on_applied(&witness->proof, proof_number);
    witness->leadership.proved = witness->proof.proved;
}
