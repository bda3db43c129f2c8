/* claim_steps.c - the steps that commit what a site claims, and its end; what an operator may end. Design 3.8, 4. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>

#include "claims.h"
#include "evaluation.h"
#include "policy.h"

/* First of all steps: what is only in the memory of witnesses is lost with them. */
bool bw_decide_claim(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_heard_claim *heard = bw_claims_uncommitted(eval->group, eval->watch);

    if (eval->leadership->feature_level < BW_CLAIM_LEVEL)
        return false;
    if (heard != NULL)
        *command = bw_claims_command(eval->group, heard);
    else if (!bw_ahead_command(eval->group, eval->watch, eval->leadership, command))
        return false;
    (void)bw_gate_value(&eval->list, BW_GATE_ID_CLAIM, -1, true, BW_UNIT_SITE,
                        bw_spec_find_site(&eval->group->spec, command->site), -1, "is committed");
    return true;
}

static bool judge_operator(struct bw_evaluation *eval, const struct bw_claim *claim)
{
    uint64_t left_ns;
    const enum bw_holder_answer answer = bw_claims_answer(eval->group, eval->watch, claim->site, eval->now, &left_ns);

    return bw_eval_judge_answer(eval, answer, left_ns);
}

static bool is_asked(const struct bw_evaluation *eval, const struct bw_claim *claim)
{
    return bw_claim_stands(claim) &&
           bw_policy_wish(eval->group, eval->watch, eval->now) == BW_WISH_FORCE_RELEASE &&
           strcmp(eval->watch->wish.to, claim->site) == 0;
}

static void complete_by_operator(const struct bw_evaluation *eval, const struct bw_claim *claim, struct bw_command *command)
{
    const struct bw_wish *wish = &eval->watch->wish;

    command->kind = BW_COMMAND_CLAIM_OVER;
    BW_COPY_FIELD(command->site, claim->site);
    command->claim_end = BW_CLAIM_END_OPERATOR;
    BW_COPY_FIELD(command->by, wish->by);
    BW_COPY_FIELD(command->text, wish->text);
}

/* The first `armed` has ended the override, in one write of the guard's (3.8). */
static bool is_adopted(const struct bw_group *group, const struct bw_contact *contact)
{
    return group->phase != BW_PHASE_VACANT && bw_id_equal(contact->instance, group->holder_instance) &&
           contact->report.armed_epoch == group->epoch;
}

static bool is_over_by(const struct bw_watch *watch, const struct bw_claim *claim, const struct bw_claim_word *word)
{
    return bw_id_equal(word->instance, claim->instance) &&
           bw_claims_is_newer(word, claim->session, claim->number, watch->claim_applied) &&
           (word->is_over || (word->is_given_up && claim->kind != BW_CLAIM_OVERRIDES));
}

/* Its one fresh report, if it is in the spec; else what was received of it last. */
static bool newest_word(const struct bw_group *group, const struct bw_watch *watch, const struct bw_claim *claim,
                        struct bw_instant now, struct bw_claim_word *out_word, bool *out_is_adopted)
{
    const int site = bw_spec_find_site(&group->spec, claim->site);
    const struct bw_contact *contact = site < 0 ? NULL : bw_policy_connected(group, watch, site, now);

    *out_is_adopted = false;
    if (contact != NULL) {
        *out_word = bw_claims_word_of(claim->site, contact);
        *out_is_adopted = is_adopted(group, contact);
        return true;
    }
    for (size_t i = 0; site < 0 && i < BW_CLAIMS_MAX; i++) {
        const struct bw_heard_claim *heard = &watch->heard_claims[i];

        if (strcmp(heard->site, claim->site) != 0 || !bw_id_equal(heard->instance, claim->instance))
            continue;
        *out_word = (struct bw_claim_word){.instance = heard->instance,
                                           .session = heard->session,
                                           .number = heard->number,
                                           .is_over = heard->is_over};
        return true;
    }
    return false;
}

/* The ClaimOver by what its site has reported since. False: nothing that this witness has received ends it. */
static bool is_claim_over(const struct bw_group *group, const struct bw_watch *watch, const struct bw_claim *claim,
                          struct bw_instant now, struct bw_command *out_command)
{
    struct bw_claim_word word;
    bool is_adopted_there;

    if (claim->kind == BW_CLAIM_AHEAD) /* 3.9: no report of a site undoes what it has named */
        return false;
    if (!bw_claim_stands(claim) || !newest_word(group, watch, claim, now, &word, &is_adopted_there) ||
        !is_over_by(watch, claim, &word))
        return false;
    out_command->kind = BW_COMMAND_CLAIM_OVER;
    BW_COPY_FIELD(out_command->site, claim->site);
    out_command->claim_index = claim->index;
    out_command->claim_end = is_adopted_there ? BW_CLAIM_END_ADOPTED : BW_CLAIM_END_REPORTED;
    out_command->session = word.session;
    out_command->sync_number = word.number;
    return true;
}

bool bw_decide_claim_over(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;

    if (eval->leadership->feature_level < BW_CLAIM_LEVEL)
        return false;
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (is_claim_over(group, eval->watch, &group->claims[i], eval->now, command)) {
            (void)bw_gate_value(&eval->list, BW_GATE_ID_CLAIM, -1, true, BW_UNIT_SITE,
                                bw_spec_find_site(&group->spec, command->site), -1,
                                bw_claim_end_word(command->claim_end));
            return true;
        }
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (is_asked(eval, &group->claims[i])) {
            (void)bw_gate_plain(&eval->list, BW_GATE_ID_VOUCHED, -1, true, NULL);
            (void)judge_operator(eval, &group->claims[i]);
            complete_by_operator(eval, &group->claims[i], command);
            return true;
        }
    return false;
}

/* ---- what an operator may end ---- */

static bool is_armed_holder(const struct bw_group *group, const struct bw_watch *watch, int site, struct bw_instant now)
{
    const struct bw_contact *contact = site < 0 ? NULL : bw_policy_connected(group, watch, site, now);

    return contact != NULL && strcmp(group->holder_site, group->spec.sites[site].name) == 0 && is_adopted(group, contact);
}

enum bw_holder_answer bw_claims_answer(const struct bw_group *group, const struct bw_watch *watch, const char *site,
                                       struct bw_instant now, uint64_t *out_fresh_left_ns)
{
    const int index = bw_spec_find_site(&group->spec, site);
    enum bw_holder_answer answer = BW_HOLDER_SILENT;

    *out_fresh_left_ns = 0;
    if (index >= 0)
        answer = bw_policy_answer(group, &watch->reports[index], now, true, out_fresh_left_ns);
    /* A site that only knows too much need not be off; nor does what serves in the open epoch speak against the end. */
    if (!bw_claims_may_serve(group, watch, site) &&
        (answer == BW_HOLDER_ANSWERS || is_armed_holder(group, watch, index, now)))
        return BW_HOLDER_SILENT;
    return answer;
}
