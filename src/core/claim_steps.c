/* claim_steps.c - the steps that commit what a site claims, and its end; what an operator may end. Design 3.8, 4. */
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>

#include "ahead.h"
#include "claims.h"
#include "evaluation.h"

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

bool bw_decide_claim_over(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_group *group = eval->group;

    if (eval->leadership->feature_level < BW_CLAIM_LEVEL)
        return false;
    for (uint32_t i = 0; i < group->claim_count; i++)
        if (bw_claims_is_over(group, eval->watch, &group->claims[i], eval->now, command)) {
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
