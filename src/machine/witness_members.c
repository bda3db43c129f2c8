/* The members of the cluster: who may join, what an order of people comes to (3.9, 5.3). */
#include <breakwater/machine/witness_members.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define APPLICANT_MS 30000 /* since its last word; then it is gone */

/* ---- who asks to join ---- */

bool bw_applicant_is_here(const struct bw_applicant *applicant, uint64_t now_ms)
{
    return applicant->heard_ms != 0 && now_ms - applicant->heard_ms < APPLICANT_MS;
}

bool bw_applicant_cannot_join(const struct bw_applicant *applicant)
{
    return applicant->is_refused || applicant->look == BW_LOOK_FAILED;
}

const struct bw_applicant *bw_applicant_find(const struct bw_witness_members *members,
                                             const char *name, uint64_t now_ms)
{
    for (size_t i = 0; i < BW_APPLICANTS_MAX; i++) {
        const struct bw_applicant *applicant = &members->applicants[i];

        if (bw_applicant_is_here(applicant, now_ms) && strcmp(applicant->member.name, name) == 0)
            return applicant;
    }
    return NULL;
}

/* ---- what people order ---- */

const char *bw_members_order_word(enum bw_members_order_kind kind)
{
    static const char *const words[] = {[BW_MEMBERS_ORDER_ADD] = "add",
                                        [BW_MEMBERS_ORDER_REMOVE] = "remove",
                                        [BW_MEMBERS_ORDER_REPLACE] = "replace",
                                        [BW_MEMBERS_ORDER_LEAD] = "lead"};

    BW_ASSERT(kind < BW_MEMBERS_ORDER_COUNT);
    return words[kind];
}

static enum bw_err nobody_asks(const struct bw_members_sight *sight, const char *name,
                               struct bw_diag *diag)
{
    char cluster_id[BW_ID_TEXT_BYTES];

    bw_id_format(sight->cluster->id, cluster_id);
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "no witness called %s asks to join; give it a name that was never used, the id %" PRIu64
        " (ids are never used again, and those up to %" PRIu64
        " were) and its `witnesses`, then on its "
        "machine, as the user who is to run it (runuser -u breakwater --): "
        "breakwater witness init --join -c FILE --cluster-id %s; and start it",
        name, sight->roster->id_max + 1, sight->roster->id_max, cluster_id);
}

/* Who is to be added: as it says of itself, or as the roster has it already; not as the roster has
 * it while one with another data directory asks under its name, for that is the one that is meant,
 * and it does not vote. NULL: nobody, and the outcome says why. */
static const struct bw_roster_member *find_joining(const struct bw_witness_members *members,
                                                   const struct bw_members_sight *sight,
                                                   const char *name,
                                                   struct bw_members_outcome *outcome)
{
    const struct bw_applicant *applicant = bw_applicant_find(members, name, sight->now_ms);
    const struct bw_roster_member *member = bw_roster_find_name(sight->roster, name);

    if (member != NULL &&
        (applicant == NULL || bw_id_equal(applicant->member.incarnation, member->incarnation)))
        return member;
    if (applicant == NULL) {
        outcome->err = nobody_asks(sight, name, &outcome->diag);
        return NULL;
    }
    if (bw_applicant_cannot_join(applicant)) {
        outcome->err = bw_diag_set(&outcome->diag, BW_ERR_REFUSED,
                                   "%s asks to join, and cannot: %s", name, applicant->why);
        return NULL;
    }
    if (applicant->look != BW_LOOK_DONE) {
        outcome->is_looking = true;
        outcome->err = bw_diag_set(
            &outcome->diag, BW_ERR_BUSY,
            "%s asks to join, and it is looked whether something answers at its "
            "address: say it again in a moment",
            name);
        return NULL;
    }
    return &applicant->member;
}

static enum bw_err judge_lead(const struct bw_roster *roster, const struct bw_members_facts *facts,
                              const char *name, uint64_t *out_id, struct bw_diag *diag)
{
    const struct bw_roster_member *member = bw_roster_find_name(roster, name);
    const struct bw_member_fact *fact;

    if (member == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no witness is called \"%s\"", name);
    if (member->id == facts->self)
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s leads", name);
    fact = bw_members_fact(facts, member->id);
    if (fact->role != BW_MEMBER_VOTER)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s does not vote", name);
    if (!fact->is_live)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s is not heard", name);
    *out_id = member->id;
    return BW_OK;
}

static enum bw_err judge_change(const struct bw_witness_members *members,
                                const struct bw_members_sight *sight,
                                const struct bw_members_facts *facts,
                                const struct bw_members_order *order,
                                struct bw_members_outcome *outcome)
{
    const struct bw_roster *roster = sight->roster;
    const struct bw_roster_member *joining = NULL;
    struct bw_diag *diag = &outcome->diag;
    enum bw_err err = bw_members_admit(sight->cluster->feature_level, diag);

    if (err != BW_OK)
        return err;
    if (order->kind == BW_MEMBERS_ORDER_REMOVE)
        return bw_members_remove(roster, facts, order->name, &outcome->wanted, diag);
    joining = find_joining(members, sight, order->name, outcome);
    if (joining == NULL)
        return outcome->err;
    if (order->kind == BW_MEMBERS_ORDER_ADD)
        return bw_members_add(roster, facts, joining, &outcome->wanted, diag);
    return bw_members_replace(roster, facts, order->old, joining, &outcome->wanted, diag);
}

void bw_witness_members_judge_order(const struct bw_witness_members *members,
                                    const struct bw_members_sight *sight,
                                    const struct bw_members_facts *facts,
                                    const struct bw_members_order *order,
                                    struct bw_members_outcome *out_outcome)
{
    BW_ASSERT(order->kind < BW_MEMBERS_ORDER_COUNT);
    *out_outcome = (struct bw_members_outcome){.err = BW_OK};
    if (sight->roster == NULL) {
        out_outcome->err = BW_ERR_REFUSED;
        if (sight->lacks[0] != '\0')
            (void)bw_diag_set(&out_outcome->diag, BW_ERR_REFUSED, "%s", sight->lacks);
        return;
    }
    out_outcome->wanted = *sight->roster;
    if (order->kind == BW_MEMBERS_ORDER_LEAD)
        out_outcome->err = judge_lead(sight->roster, facts, order->name, &out_outcome->id,
                                      &out_outcome->diag);
    else
        out_outcome->err = judge_change(members, sight, facts, order, out_outcome);
    if (out_outcome->err == BW_OK && members->is_submitting)
        out_outcome->err = bw_diag_set(&out_outcome->diag, BW_ERR_BUSY,
                                       "another change is under way; one at a time");
}
