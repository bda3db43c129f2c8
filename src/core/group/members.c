/* members.c - one step from who votes to who is to vote; what people may order. Design 3.9. */
#include <breakwater/core/members.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* ---- the roster ---- */

const struct bw_roster_member *bw_roster_find(const struct bw_roster *roster, uint64_t id)
{
    for (unsigned i = 0; i < roster->count; i++)
        if (roster->members[i].id == id)
            return &roster->members[i];
    return NULL;
}

const struct bw_roster_member *bw_roster_find_name(const struct bw_roster *roster, const char *name)
{
    for (unsigned i = 0; i < roster->count; i++)
        if (strcmp(roster->members[i].name, name) == 0)
            return &roster->members[i];
    return NULL;
}

bool bw_roster_has_removed(const struct bw_roster *roster, uint64_t id)
{
    return roster->count > 0 && id <= roster->id_max && bw_roster_find(roster, id) == NULL;
}

/* 3.9: what an older generation has done with an id says nothing of the one that was given since a recovery. In the
 * same one a roster that removes has the higher ids: it came later than any that names this witness. */
bool bw_members_believes_removal(const struct bw_members_removal *removal,
                                 const struct bw_members_hearer *hearer)
{
    if (bw_id_is_none(hearer->cluster_id) || !bw_id_equal(removal->cluster_id, hearer->cluster_id))
        return false;
    if (removal->id != hearer->id || removal->id > removal->id_max || hearer->is_bare)
        return false;
    if (hearer->leader != 0 && hearer->leader != removal->from)
        return false;
    if (removal->generation == 0 || removal->generation < hearer->generation)
        return false;
    return removal->generation > hearer->generation || removal->id_max >= hearer->applied->id_max;
}

/* ---- looking ---- */

const struct bw_member_fact *bw_members_fact(const struct bw_members_facts *facts, uint64_t id)
{
    static const struct bw_member_fact absent = {.role = BW_MEMBER_ABSENT};

    for (unsigned i = 0; i < facts->count; i++)
        if (facts->list[i].id == id)
            return &facts->list[i];
    return &absent;
}

static bool is_enough(unsigned live, unsigned voters)
{
    return live >= voters / 2 + 1;
}

static struct bw_members_count count_of(unsigned voters, unsigned live)
{
    const unsigned needed = voters / 2 + 1;

    BW_ASSERT(live <= voters); /* who is heard is one of them */
    return (struct bw_members_count){
        .voters = voters, .live = live, .may_fail = live > needed ? live - needed : 0};
}

/* `without`: an id, or 0. */
static struct bw_members_count count_voters(const struct bw_members_facts *facts, uint64_t without)
{
    unsigned voters = 0;
    unsigned live = 0;

    for (unsigned i = 0; i < facts->count; i++) {
        const struct bw_member_fact *fact = &facts->list[i];

        if (fact->role != BW_MEMBER_VOTER || fact->id == without)
            continue;
        voters++;
        live += fact->is_live;
    }
    return count_of(voters, live);
}

struct bw_members_count bw_members_count(const struct bw_members_facts *facts)
{
    return count_voters(facts, 0);
}

struct bw_members_count bw_members_count_after(const struct bw_roster *roster,
                                               const struct bw_members_facts *facts,
                                               bool is_halfway)
{
    unsigned voters = 0;
    unsigned live = 0;

    for (unsigned i = 0; i < roster->count; i++) {
        const struct bw_member_fact *fact = bw_members_fact(facts, roster->members[i].id);

        if (roster->members[i].is_leaving && (!is_halfway || fact->role != BW_MEMBER_VOTER))
            continue;
        voters++;
        live += fact->is_live || fact->role == BW_MEMBER_ABSENT; /* who joins is there */
    }
    return count_of(voters, live);
}

/* ---- the step ---- */

struct looking {
    const struct bw_roster *roster;
    const struct bw_members_facts *facts;
    struct bw_members_step *out;
};

static bool wait(struct looking *looking, const char *rule, uint64_t id, const char *why)
{
    const struct bw_roster_member *member = bw_roster_find(looking->roster, id);

    looking->out->kind = BW_MEMBERS_WAIT;
    looking->out->rule = rule;
    looking->out->id = id;
    (void)snprintf(looking->out->why, sizeof looking->out->why, "%s%s%s",
                   member != NULL ? member->name : "", member != NULL ? " " : "", why);
    return true;
}

/* M2 comes before each step that touches the configuration (L9): who was away during the last change may refuse
 * its vote after the next. */
static bool take(struct looking *looking, enum bw_members_step_kind kind, const char *rule,
                 uint64_t id)
{
    const struct bw_members_facts *facts = looking->facts;

    *looking->out = (struct bw_members_step){.kind = kind, .rule = rule, .id = id};
    if (kind == BW_MEMBERS_HAND_OVER || kind == BW_MEMBERS_FORGET)
        return true;
    if (!facts->has_marker) {
        *looking->out = (struct bw_members_step){.kind = BW_MEMBERS_MARK, .rule = "M2"};
        return true;
    }
    for (unsigned i = 0; i < facts->count; i++)
        if (facts->list[i].role == BW_MEMBER_VOTER && facts->list[i].is_live &&
            !facts->list[i].has_settled)
            return wait(looking, "M2", facts->list[i].id, "has not received the last change yet");
    return true;
}

static bool add_or_promote(struct looking *looking, const struct bw_roster_member *member)
{
    const struct bw_member_fact *fact = bw_members_fact(looking->facts, member->id);
    const struct bw_members_count now = bw_members_count(looking->facts);

    if (member->is_leaving || fact->role == BW_MEMBER_VOTER)
        return false;
    if (fact->role == BW_MEMBER_ABSENT)
        return take(looking, BW_MEMBERS_ADD, "M3", member->id);
    if (fact->role == BW_MEMBER_SPARE)
        return take(looking, BW_MEMBERS_FEED, "M4", member->id);
    if (!fact->is_live)
        return wait(looking, "M5", member->id, "is not connected: is it running?");
    if (!is_enough(now.live + 1, now.voters + 1))
        return wait(looking, "M5", member->id,
                    "would get a vote, but too many witnesses are not connected: start one of them first");
    if (looking->facts->has_marker && !fact->has_settled)
        return wait(looking, "M5", member->id, "has not caught up yet");
    return take(looking, BW_MEMBERS_PROMOTE, "M5", member->id);
}

static bool remove_voter(struct looking *looking, const struct bw_roster_member *member)
{
    const struct bw_members_count rest = count_voters(looking->facts, member->id);

    if (!is_enough(rest.live, rest.voters) || rest.live < 2)
        return wait(looking, "M7", member->id,
                    "stays until two of the others, and a majority of them, are connected");
    if (member->id == looking->facts->self)
        return take(looking, BW_MEMBERS_HAND_OVER, "M6", member->id);
    return take(looking, BW_MEMBERS_REMOVE, "M7", member->id);
}

static bool remove_or_forget(struct looking *looking, const struct bw_roster_member *member)
{
    switch (member->is_leaving ? bw_members_fact(looking->facts, member->id)->role
                               : BW_MEMBER_ABSENT) {
    case BW_MEMBER_VOTER:
        return remove_voter(looking, member);
    case BW_MEMBER_SPARE:
    case BW_MEMBER_STANDBY:
        return take(looking, BW_MEMBERS_REMOVE, "M7", member->id);
    case BW_MEMBER_ABSENT:
        break;
    }
    return member->is_leaving && take(looking, BW_MEMBERS_FORGET, "M8", member->id);
}

void bw_members_next(const struct bw_roster *roster, const struct bw_members_facts *facts,
                     struct bw_members_step *out_step)
{
    struct looking looking = {.roster = roster, .facts = facts, .out = out_step};

    *out_step = (struct bw_members_step){.kind = BW_MEMBERS_NOTHING};
    if (roster->id_max == 0)
        return;
    if (facts->is_changing) {
        (void)wait(&looking, "M1", 0, "a change of the voters is under way");
        return;
    }
    for (unsigned i = 0; i < roster->count; i++) /* first who comes, then who goes */
        if (add_or_promote(&looking, &roster->members[i]))
            return;
    for (unsigned i = 0; i < roster->count; i++)
        if (remove_or_forget(&looking, &roster->members[i]))
            return;
}

/* ---- what people order ---- */

static bool agrees(const struct bw_roster *roster, const struct bw_members_facts *facts,
                   struct bw_members_step *out_step)
{
    bw_members_next(roster, facts, out_step);
    return out_step->kind == BW_MEMBERS_NOTHING;
}

/* \p step: what is to be done before anything else may be ordered. */
static enum bw_err is_busy(const struct bw_roster *roster, const struct bw_members_facts *facts,
                           const struct bw_members_step *step, struct bw_diag *diag)
{
    for (unsigned i = 0; i < roster->count; i++) {
        const struct bw_roster_member *member = &roster->members[i];
        const bool votes = bw_members_fact(facts, member->id)->role == BW_MEMBER_VOTER;

        if (member->is_leaving || !votes)
            return bw_diag_set(diag, BW_ERR_BUSY,
                               "another change is under way: %s %s%s%s; one at a time "
                               "(breakwater members %s %s %s)",
                               member->name, member->is_leaving ? "is leaving" : "is joining",
                               step->why[0] != '\0' ? ", and " : "", step->why,
                               member->is_leaving ? "add" : "remove", member->name,
                               member->is_leaving ? "cancels it"
                                                  : "cancels it, and its id is never used again");
    }
    return bw_diag_set(diag, BW_ERR_BUSY, "another change is under way; one at a time");
}

enum bw_err bw_members_admit(uint32_t feature_level, struct bw_diag *diag)
{
    if (feature_level >= BW_MEMBERS_LEVEL)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "changes of members need feature level %d; first: breakwater feature-level raise",
                       BW_MEMBERS_LEVEL);
}

enum bw_err bw_members_judge(const struct bw_roster *roster, const struct bw_roster_member *joining,
                             struct bw_diag *diag)
{
    const struct bw_roster_member *named = bw_roster_find_name(roster, joining->name);
    const struct bw_roster_member *known = bw_roster_find(roster, joining->id);

    if (known != NULL && known == named && bw_id_equal(known->incarnation, joining->incarnation))
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is a member already", joining->name);
    if (named != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "a member with another data directory is called %s: give the new witness a new name and "
                           "id",
                           joining->name);
    if (joining->id <= roster->id_max)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "id %" PRIu64 " is used (the highest one is %" PRIu64 "), and an id is never used twice; "
                           "give %s the id %" PRIu64,
                           joining->id, roster->id_max, joining->name, roster->id_max + 1);
    if (joining->id - roster->id_max > BW_MEMBERS_ID_STEP_MAX)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "id %" PRIu64 " is too far above the highest one, %" PRIu64 ": at most %d ids can be left "
                           "out; give %s the id %" PRIu64,
                           joining->id, roster->id_max, BW_MEMBERS_ID_STEP_MAX, joining->name,
                           roster->id_max + 1);
    for (unsigned i = 0; i < roster->count; i++)
        if (strcmp(roster->members[i].address, joining->address) == 0 ||
            strcmp(roster->members[i].raft, joining->raft) == 0)
            return bw_diag_set(diag, BW_ERR_REFUSED,
                               "%s has this address: give %s another one. If %s has moved, write its new address "
                               "into the files of all witnesses, and reload them. If it is lost for good, remove it "
                               "first",
                               roster->members[i].name, joining->name, roster->members[i].name);
    return BW_OK;
}

static void put_in(struct bw_roster *roster, const struct bw_roster_member *joining)
{
    BW_ASSERT(roster->count < BW_WITNESSES_MAX);
    BW_ASSERT(joining->id > roster->id_max); /* an id is never used twice (3.9) */
    roster->members[roster->count++] = *joining;
    roster->members[roster->count - 1].is_leaving = false;
    roster->id_max = joining->id;
}

/* A removal that waits may wait for ever, and nothing else may be ordered meanwhile: it is taken back. */
static enum bw_err stay(const struct bw_roster *roster, const struct bw_members_facts *facts,
                        uint64_t id, struct bw_roster *out_roster, struct bw_diag *diag)
{
    const struct bw_roster_member *member = bw_roster_find(roster, id);

    BW_ASSERT(member != NULL && member->is_leaving);
    if (facts->is_changing || bw_members_fact(facts, id)->role != BW_MEMBER_VOTER)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s is leaving", member->name);
    *out_roster = *roster;
    out_roster->members[member - roster->members].is_leaving = false;
    return BW_OK;
}

enum bw_err bw_members_add(const struct bw_roster *roster, const struct bw_members_facts *facts,
                           const struct bw_roster_member *joining, struct bw_roster *out_roster,
                           struct bw_diag *diag)
{
    enum bw_err err = bw_members_judge(roster, joining, diag);
    struct bw_members_step step;

    if (err == BW_ERR_EXISTS && bw_roster_find(roster, joining->id)->is_leaving)
        return stay(roster, facts, joining->id, out_roster, diag);
    if (err != BW_OK)
        return err;
    if (!agrees(roster, facts, &step))
        return is_busy(roster, facts, &step, diag);
    if (roster->count == BW_WITNESSES_MAX)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "there are %d witnesses, and no more are allowed: remove one first",
                           BW_WITNESSES_MAX);
    *out_roster = *roster;
    put_in(out_roster, joining);
    return BW_OK;
}

/* Who has not voted yet is withdrawn, and whom it was to replace stays. */
static bool withdraws(const struct bw_roster *roster, const struct bw_members_facts *facts,
                      uint64_t id, struct bw_roster *out_roster)
{
    if (facts->is_changing || bw_members_fact(facts, id)->role == BW_MEMBER_VOTER)
        return false;
    *out_roster = *roster;
    for (unsigned i = 0; i < roster->count; i++)
        out_roster->members[i].is_leaving = roster->members[i].id == id;
    return true;
}

static bool leaves_two(const struct bw_roster *roster, const char *name, struct bw_diag *diag)
{
    if (roster->count > 2)
        return true;
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      "at least two witnesses have to stay: add another one first (breakwater members add), then "
                      "remove %s",
                      name);
    return false;
}

/* M7 would wait, for one that may never come back. */
static bool leaves_a_majority(const struct bw_members_facts *facts, uint64_t id, const char *name,
                              struct bw_diag *diag)
{
    const struct bw_members_count rest = count_voters(facts, id);

    if (is_enough(rest.live, rest.voters) && rest.live >= 2)
        return true;
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      "without %s, only %u of %u voters would be connected. Before you remove %s, start the others, "
                      "or replace them (breakwater members replace OLD NEW)",
                      name, rest.live, rest.voters, name);
    return false;
}

enum bw_err bw_members_remove(const struct bw_roster *roster, const struct bw_members_facts *facts,
                              const char *name, struct bw_roster *out_roster, struct bw_diag *diag)
{
    const struct bw_roster_member *member = bw_roster_find_name(roster, name);
    struct bw_members_step step;

    if (member == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no witness is called \"%s\"", name);
    if (member->is_leaving)
        return bw_diag_set(diag, BW_ERR_EXISTS, "%s is leaving", name);
    if (withdraws(roster, facts, member->id, out_roster))
        return BW_OK;
    if (!agrees(roster, facts, &step))
        return is_busy(roster, facts, &step, diag);
    if (!leaves_two(roster, name, diag) || !leaves_a_majority(facts, member->id, name, diag))
        return BW_ERR_REFUSED;
    *out_roster = *roster;
    out_roster->members[member - roster->members].is_leaving = true;
    return BW_OK;
}

/* Names of those that were removed are not kept: whether it was one, or was typed wrong, is not
 * known here. */
static enum bw_err no_such_old(const char *old, const char *member, struct bw_diag *diag)
{
    if (member == NULL)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no witness is called \"%s\"", old);
    return bw_diag_set(
        diag, BW_ERR_NOT_FOUND,
        "no witness is called \"%s\" (it was removed, or the name is wrong), and %s is a member already",
        old, member);
}

enum bw_err bw_members_replace(const struct bw_roster *roster,
                               const struct bw_members_facts *facts, const char *old,
                               const struct bw_roster_member *joining,
                               struct bw_roster *out_roster, struct bw_diag *diag)
{
    const struct bw_roster_member *leaving = bw_roster_find_name(roster, old);
    const struct bw_roster_member *known = bw_roster_find(roster, joining->id);
    enum bw_err err = bw_members_judge(roster, joining, diag);

    if (strcmp(old, joining->name) == 0)
        return bw_diag_set(
            diag, BW_ERR_INVALID,
            "%s cannot replace itself: the new witness needs a new name and id",
            old);
    if (err == BW_ERR_EXISTS && leaving != NULL && leaving->is_leaving && !known->is_leaving &&
        bw_members_fact(facts, known->id)->is_live)
        return err; /* gone on with */
    if (leaving == NULL)
        return no_such_old(old, err == BW_ERR_EXISTS ? joining->name : NULL, diag);
    if (err == BW_ERR_EXISTS && !leaving->is_leaving &&
        bw_members_fact(facts, leaving->id)->role != BW_MEMBER_VOTER)
        return bw_diag_set(
            diag, BW_ERR_REFUSED,
            "%s has no vote yet, so %s cannot replace it. To cancel its addition (id %" PRIu64 " is then never used "
            "again): breakwater members remove %s",
            old, joining->name, leaving->id, old);
    if (err == BW_ERR_EXISTS) /* it was added by itself: what is left is to remove the old one */
        return bw_members_remove(roster, facts, old, out_roster, diag);
    err = bw_members_add(roster, facts, joining, out_roster, diag);
    if (err != BW_OK)
        return err;
    if (!leaves_two(out_roster, old, diag))
        return BW_ERR_REFUSED;
    BW_ASSERT(out_roster->count == roster->count + 1); /* the new one is behind all others */
    out_roster->members[leaving - roster->members].is_leaving = true;
    return BW_OK;
}

void bw_members_forget(const struct bw_roster *roster, uint64_t id, struct bw_roster *out_roster)
{
    *out_roster = (struct bw_roster){.id_max = roster->id_max};
    for (unsigned i = 0; i < roster->count; i++)
        if (roster->members[i].id != id)
            out_roster->members[out_roster->count++] = roster->members[i];
    BW_ASSERT(bw_roster_find(out_roster, id) == NULL);
}

void bw_members_alone(const struct bw_roster *old, const struct bw_roster_member *self,
                      uint64_t id_max, struct bw_roster *out_roster)
{
    *out_roster = (struct bw_roster){.count = 1, .id_max = old->id_max, .members = {*self}};
    if (id_max > out_roster->id_max)
        out_roster->id_max = id_max;
    for (unsigned i = 0; i < old->count; i++)
        if (old->members[i].id > out_roster->id_max)
            out_roster->id_max = old->members[i].id;
    if (self->id > out_roster->id_max)
        out_roster->id_max = self->id;
    BW_ASSERT(out_roster->id_max >= old->id_max); /* a recovery gives no id again (3.9) */
}
