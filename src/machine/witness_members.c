/* The members of the cluster: who may join, what an order of people comes to, the steps of whoever
 * leads (3.9, 5.3). */
#include <breakwater/machine/witness_members.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>

#define APPLICANT_MS         30000 /* since its last word; then it is gone */
#define TICK_MS              500   /* nothing is under way */
#define TICK_MS_BUSY         50
#define RETRY_MS             500
#define LIVE_ELECTIONS       2 /* one that was silent for so many election timeouts is not heard */
#define ASK_MS               2000
#define LEADERLESS_MS        5000 /* and at least so many election timeouts: */
#define LEADERLESS_ELECTIONS 10

/* ---- who asks to join ---- */

bool bw_applicant_is_here(const struct bw_applicant *applicant, uint64_t now_ms)
{
    return applicant->contact_ms != 0 && now_ms - applicant->contact_ms < APPLICANT_MS;
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

/* Its own slot, an empty one, that of one that is gone, or of one that is refused, if this one is
 * not. NULL: all are taken. */
static struct bw_applicant *slot_of(struct bw_witness_members *members,
                                    const struct bw_applicant *joiner, uint64_t now_ms)
{
    struct bw_applicant *found = NULL;

    for (size_t i = 0; i < BW_APPLICANTS_MAX; i++) {
        struct bw_applicant *applicant = &members->applicants[i];
        const bool is_free = !bw_applicant_is_here(applicant, now_ms);

        if (applicant->contact_ms != 0 && strcmp(applicant->member.name, joiner->member.name) == 0)
            return applicant;
        if (is_free || (found == NULL && applicant->is_refused && !joiner->is_refused))
            found = found != NULL && !bw_applicant_is_here(found, now_ms) ? found : applicant;
    }
    return found;
}

static bool is_same(const struct bw_applicant *slot, const struct bw_applicant *joiner)
{
    return bw_id_equal(slot->member.incarnation, joiner->member.incarnation) &&
           strcmp(slot->member.address, joiner->member.address) == 0 &&
           slot->is_refused == joiner->is_refused;
}

/* What is known of a look at the same one goes on. */
static void note(struct bw_witness_members *members, const struct bw_applicant *joiner,
                 uint64_t now_ms, struct bw_join_answer *answer)
{
    struct bw_applicant *slot = slot_of(members, joiner, now_ms);
    struct bw_applicant before;

    if (slot == NULL)
        return;
    before = *slot;
    *slot = *joiner;
    slot->contact_ms = now_ms;
    slot->is_looking = before.is_looking;
    slot->looked_ms = before.looked_ms;
    answer->noted = slot;
    answer->is_news = !bw_applicant_is_here(&before, now_ms) || !is_same(&before, joiner);
    if (answer->is_news || joiner->is_refused)
        return;
    slot->look = before.look;
    memcpy(slot->why, before.why, sizeof slot->why);
}

/* ---- what is answered to it ---- */

const char *bw_join_standing_word(enum bw_join_standing standing)
{
    static const char *const words[] = {
#define X(name, word) [BW_JOIN_##name] = (word),
        BW_JOIN_STANDING_LIST(X)
#undef X
    };

    return words[standing];
}

/* It would be given its id, and end at the first entry or snapshot that says what the cluster's is.
 */
static enum bw_err judge_election(const struct bw_members_sight *sight,
                                  const struct bw_applicant *joiner, struct bw_diag *diag)
{
    const uint32_t ours_ms = sight->cluster->election_timeout_ms;
    char ours[BW_DURATION_TEXT_BYTES];
    char its[BW_DURATION_TEXT_BYTES];

    if (joiner->election_timeout_ms == 0 || joiner->election_timeout_ms == ours_ms)
        return BW_OK;
    bw_duration_format(ours_ms, ours);
    bw_duration_format(joiner->election_timeout_ms, its);
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "the cluster has election_timeout %s, and %s was made with %s: write election_timeout: %s into its file, "
        "empty its data_dir, and make it again with `witness init --join`, as its user (its id is still unused)",
        ours, joiner->member.name, its, ours);
}

static enum bw_err judge_level(const struct bw_members_sight *sight,
                               const struct bw_applicant *joiner, struct bw_diag *diag)
{
    if (joiner->level >= sight->cluster->feature_level)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "the cluster is at feature level %" PRIu32 ": upgrade %s",
                       sight->cluster->feature_level, joiner->member.name);
}

/* What stands in the way of this one for ever, or until something else is done. */
static enum bw_join_standing judge(const struct bw_members_sight *sight,
                                   const struct bw_applicant *joiner, struct bw_diag *diag)
{
    enum bw_err err;

    if (bw_roster_has_removed(sight->applied, joiner->member.id)) {
        (void)bw_diag_set(diag, BW_ERR_REFUSED,
                          "id %" PRIu64 " was removed from the cluster, and an id is never used twice: a new witness "
                          "on that machine needs the id %" PRIu64 " and an empty data_dir",
                          joiner->member.id, sight->applied->id_max + 1);
        return BW_JOIN_REMOVED;
    }
    if (sight->roster == NULL) {
        (void)bw_diag_set(diag, BW_ERR_REFUSED, "%s",
                          sight->lacks[0] != '\0' ? sight->lacks : "the list of witnesses is not known yet");
        return BW_JOIN_REFUSED;
    }
    err = bw_members_judge(sight->roster, &joiner->member, diag);
    if (err == BW_ERR_EXISTS)
        return BW_JOIN_MEMBER;
    if (err == BW_OK)
        err = bw_members_admit(sight->cluster->feature_level, diag);
    if (err == BW_OK)
        err = judge_election(sight, joiner, diag);
    if (err == BW_OK)
        err = judge_level(sight, joiner, diag);
    return err == BW_OK ? BW_JOIN_APPLICANT : BW_JOIN_REFUSED;
}

/* Of an applicant with a slot: people may add it once something was seen to answer at its address.
 */
static void look_at(struct bw_join_answer *answer, uint64_t now_ms)
{
    struct bw_applicant *slot = answer->noted;
    const bool has_failed = slot->look == BW_LOOK_FAILED;

    if (slot->look == BW_LOOK_DONE)
        return;
    answer->standing = has_failed ? BW_JOIN_REFUSED : BW_JOIN_LOOKED_AT;
    (void)bw_diag_set(&answer->words, BW_ERR_BUSY, "%s",
                      has_failed ? slot->why
                                 : "the leader checks whether a witness answers at its address");
    if (slot->is_looking || (has_failed && now_ms - slot->looked_ms < BW_LOOK_AGAIN_MS))
        return;
    answer->looks = true;
    slot->is_looking = true;
    slot->looked_ms = now_ms;
}

static void take_applicant(struct bw_witness_members *members, const struct bw_members_sight *sight,
                           struct bw_applicant *joiner, struct bw_join_answer *answer)
{
    const char *name = joiner->member.name;

    answer->standing = judge(sight, joiner, &answer->words);
    if (answer->standing == BW_JOIN_MEMBER)
        return;
    if (answer->standing == BW_JOIN_APPLICANT)
        (void)bw_diag_set(&answer->words, BW_OK,
                          "an operator has to run: breakwater members add %s; or: breakwater members replace OLD %s",
                          name, name);
    joiner->is_refused = answer->standing != BW_JOIN_APPLICANT;
    memcpy(joiner->why, answer->words.text, sizeof joiner->why);
    note(members, joiner, sight->now_ms, answer);
    if (answer->noted != NULL && !joiner->is_refused)
        look_at(answer, sight->now_ms);
}

static void turn_away(struct bw_witness_members *members, const struct bw_members_sight *sight,
                      struct bw_applicant *joiner, struct bw_id cluster_id,
                      struct bw_join_answer *answer)
{
    char ours[BW_ID_TEXT_BYTES];
    char its[BW_ID_TEXT_BYTES];

    bw_id_format(sight->cluster->id, ours);
    bw_id_format(cluster_id, its);
    answer->standing = BW_JOIN_REFUSED;
    (void)bw_diag_set(
        &answer->words, BW_ERR_REFUSED,
        "it was made for another cluster, %s: empty its data_dir, and run `witness init --join` with the "
        "--cluster-id of this one, %s",
        its, ours);
    joiner->is_refused = true;
    memcpy(joiner->why, answer->words.text, sizeof joiner->why);
    note(members, joiner, sight->now_ms, answer);
}

void bw_witness_members_on_join(struct bw_witness_members *members,
                                const struct bw_members_sight *sight,
                                const struct bw_applicant *joiner, struct bw_id cluster_id,
                                struct bw_join_answer *out_answer)
{
    struct bw_applicant applicant = *joiner;

    BW_ASSERT(joiner->look == BW_LOOK_NONE);
    *out_answer = (struct bw_join_answer){.standing = BW_JOIN_REFUSED};
    if (bw_id_equal(cluster_id, sight->cluster->id))
        take_applicant(members, sight, &applicant, out_answer);
    else
        turn_away(members, sight, &applicant, cluster_id, out_answer);
    out_answer->names_members = out_answer->standing == BW_JOIN_MEMBER ||
                                out_answer->standing == BW_JOIN_APPLICANT;
}

void bw_applicant_on_looked(struct bw_applicant *slot, const struct bw_roster_member *asked,
                            const char *why)
{
    slot->is_looking = false;
    if (!bw_id_equal(slot->member.incarnation, asked->incarnation) ||
        strcmp(slot->member.name, asked->name) != 0 ||
        strcmp(slot->member.address, asked->address) != 0)
        return;
    slot->look = why != NULL ? BW_LOOK_FAILED : BW_LOOK_DONE;
    if (why != NULL)
        (void)snprintf(slot->why, sizeof slot->why, "%s", why);
}

void bw_applicant_on_not_looked(struct bw_applicant *slot)
{
    slot->is_looking = false; /* it asks again */
    slot->looked_ms = 0;
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
        "no witness called %s asks to join. Its file needs a new name, the id %" PRIu64 " (ids up to %" PRIu64 " are "
        "used) and `witnesses`. Then, on its machine, as its user (runuser -u breakwater --): breakwater witness "
        "init --join -c FILE --cluster-id %s; and start it",
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
            "%s asks to join, and the leader checks whether a witness answers at its address: try again in a moment",
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
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is the leader", name);
    fact = bw_members_fact(facts, member->id);
    if (fact->role != BW_MEMBER_VOTER)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s does not vote", name);
    if (!fact->is_live)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s is not connected", name);
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

/* ---- steps ---- */

uint64_t bw_members_live_ms(uint32_t election_timeout_ms)
{
    return (uint64_t)LIVE_ELECTIONS * election_timeout_ms;
}

uint64_t bw_witness_members_tick_ms(bool is_busy)
{
    return is_busy ? TICK_MS_BUSY : TICK_MS;
}

/* Once for each step, however often it is looked at. */
static bool is_news(struct bw_witness_members *members, const struct bw_members_step *step)
{
    if (members->last_rule == step->rule && members->last_id == step->id &&
        members->last_kind == step->kind)
        return false;
    members->last_rule = step->rule;
    members->last_id = step->id;
    members->last_kind = step->kind;
    return true;
}

static void choose(const struct bw_roster *roster, struct bw_members_action *action)
{
    switch (action->step.kind) {
    case BW_MEMBERS_NOTHING:
    case BW_MEMBERS_WAIT:
        break;
    case BW_MEMBERS_MARK:
    case BW_MEMBERS_ADD:
    case BW_MEMBERS_FEED:
    case BW_MEMBERS_PROMOTE:
    case BW_MEMBERS_REMOVE:
        action->kind = BW_MEMBERS_ACTION_CHANGE;
        break;
    case BW_MEMBERS_HAND_OVER:
        action->kind = BW_MEMBERS_ACTION_HAND_OVER;
        break;
    case BW_MEMBERS_FORGET:
        action->kind = BW_MEMBERS_ACTION_SUBMIT;
        bw_members_forget(roster, action->step.id, &action->roster);
        break;
    }
}

bool bw_witness_members_lead(struct bw_witness_members *members, const struct bw_roster *roster,
                             const struct bw_members_facts *facts, uint64_t now_ms,
                             struct bw_members_action *out_action)
{
    *out_action = (struct bw_members_action){.kind = BW_MEMBERS_ACTION_NONE};
    if (roster->id_max == 0 || facts == NULL || members->is_submitting)
        return members->is_submitting;
    bw_members_next(roster, facts, &out_action->step);
    if (out_action->step.kind == BW_MEMBERS_NOTHING) {
        members->last_rule = NULL;
        return false;
    }
    if (now_ms < members->not_before_ms)
        return true;
    out_action->is_news = is_news(members, &out_action->step);
    choose(roster, out_action);
    return true;
}

void bw_witness_members_on_taken(struct bw_witness_members *members, enum bw_err err,
                                 uint64_t now_ms)
{
    if (err != BW_OK)
        members->not_before_ms = now_ms + RETRY_MS;
}

/* ---- asking the others ---- */

static bool is_leaderless_for_long(struct bw_witness_members *members,
                                   const struct bw_join_reason *reason)
{
    const uint64_t elections_ms = (uint64_t)LEADERLESS_ELECTIONS * reason->election_timeout_ms;

    if (reason->has_leader) {
        members->leaderless_since_ms = 0;
        return false;
    }
    if (members->leaderless_since_ms == 0)
        members->leaderless_since_ms = reason->now_ms;
    return reason->now_ms - members->leaderless_since_ms >=
           (elections_ms > LEADERLESS_MS ? elections_ms : LEADERLESS_MS);
}

/* One of the founding members waits for the others with a bare log, and asks nobody. */
bool bw_witness_members_asks(struct bw_witness_members *members,
                             const struct bw_join_reason *reason)
{
    const bool is_leaderless = is_leaderless_for_long(members, reason);

    if (reason->is_bare ? !reason->is_joining : !is_leaderless && reason->is_named)
        return false;
    if (members->asked_ms != 0 && reason->now_ms - members->asked_ms < ASK_MS)
        return false;
    members->asked_ms = reason->now_ms;
    return true;
}

void bw_witness_members_ask_again(struct bw_witness_members *members)
{
    members->asked_ms = 0;
}
