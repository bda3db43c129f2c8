#include <breakwater/consensus/roll.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/consensus/stop.h>

#define COUNT_BYTES  8
#define ID_BYTES     8
#define MEMBER_BYTES (ID_BYTES + BW_ID_BYTES)

/* ---- bytes ---------------------------------------------------------------------------------- */

size_t bw_roster_encode(const struct bw_roster *roster, uint8_t out_bytes[BW_ROSTER_BYTES_MAX])
{
    const uint32_t count = roster->count;
    uint8_t *at = out_bytes + COUNT_BYTES;

    BW_ASSERT(count <= BW_WITNESSES_MAX);
    bw_put_u64le(out_bytes, count);
    for (uint32_t i = 0; i < count; i++, at += MEMBER_BYTES) {
        bw_put_u64le(at, roster->members[i].id);
        memcpy(at + ID_BYTES, roster->members[i].incarnation.bytes, BW_ID_BYTES);
    }
    return (size_t)(at - out_bytes);
}

bool bw_roster_decode(const uint8_t *bytes, size_t size, struct bw_roster *out_roster)
{
    struct bw_roster roster = {.count = 0};
    uint64_t count;

    if (size < COUNT_BYTES)
        return false;
    count = bw_get_u64le(bytes);
    if (count == 0 || count > BW_WITNESSES_MAX || size != COUNT_BYTES + count * MEMBER_BYTES)
        return false;
    for (; roster.count < count; roster.count++) {
        const uint8_t *at = bytes + COUNT_BYTES + (size_t)roster.count * MEMBER_BYTES;
        struct bw_roster_member *member = &roster.members[roster.count];

        member->id = bw_get_u64le(at);
        memcpy(member->incarnation.bytes, at + ID_BYTES, BW_ID_BYTES);
        if (bw_id_is_none(member->incarnation) ||
            member->id <= (roster.count > 0 ? member[-1].id : 0))
            return false;
    }
    *out_roster = roster;
    return true;
}

/* ---- the roster ----------------------------------------------------------------------------- */

static const struct bw_roster_member *find(const struct bw_roster *roster, uint64_t id)
{
    for (unsigned i = 0; i < roster->count; i++)
        if (roster->members[i].id == id)
            return &roster->members[i];
    return NULL;
}

static bool names(const struct bw_roster *roster, uint64_t id, struct bw_id incarnation)
{
    const struct bw_roster_member *member = find(roster, id);

    return member != NULL && bw_id_equal(member->incarnation, incarnation);
}

void bw_roll_init(struct bw_roll *roll, uint64_t self, struct bw_id incarnation, bool is_founder)
{
    *roll = (struct bw_roll){.self = self, .incarnation = incarnation, .is_founder = is_founder};
}

enum bw_err bw_roll_take(struct bw_roll *roll, const struct bw_roster *roster, uint64_t index,
                         struct bw_diag *diag)
{
    char known[BW_ID_TEXT_BYTES];
    char own[BW_ID_TEXT_BYTES];
    const struct bw_roster_member *self = find(roster, roll->self);

    if (self != NULL && !bw_id_equal(self->incarnation, roll->incarnation)) {
        bw_id_format(self->incarnation, known);
        bw_id_format(roll->incarnation, own);
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the cluster knows witness %" PRIu64 " by a data directory %s, and this "
                           "one is %s, made later: what the first one has promised is forgotten "
                           "here",
                           roll->self, known, own);
    }
    roll->roster = *roster;
    roll->index = index;
    return BW_OK;
}

void bw_roll_cut(struct bw_roll *roll, uint64_t index)
{
    if (roll->roster.count > 0 && roll->index >= index)
        roll->roster.count = 0; /* with index 0 it is in the snapshot, which stays */
}

bool bw_roll_is_bare(const struct bw_roll *roll)
{
    return roll->roster.count == 0;
}

static void insert(struct bw_roster *roster, uint64_t id, struct bw_id incarnation)
{
    unsigned at = roster->count++;

    for (; at > 0 && roster->members[at - 1].id > id; at--)
        roster->members[at] = roster->members[at - 1];
    roster->members[at] = (struct bw_roster_member){id, incarnation};
}

bool bw_roll_draft(const struct bw_roll *roll, const uint64_t *voters, unsigned count,
                   struct bw_roster *out_roster)
{
    struct bw_roster roster = {.count = 0};

    if (count > BW_WITNESSES_MAX)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct bw_roster_member *met = find(&roll->met, voters[i]);

        if (voters[i] == roll->self)
            insert(&roster, roll->self, roll->incarnation);
        else if (met != NULL)
            insert(&roster, met->id, met->incarnation);
        else
            return false;
    }
    *out_roster = roster;
    return true;
}

/* ---- who is there --------------------------------------------------------------------------- */

static enum bw_err refuse(const struct bw_roll *roll, uint64_t id, struct bw_id incarnation,
                          struct bw_diag *diag)
{
    const struct bw_roster_member *known = find(&roll->roster, id);
    char theirs[BW_ID_TEXT_BYTES];
    char ours[BW_ID_TEXT_BYTES];

    if (known == NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the cluster was founded without a witness %" PRIu64, id);
    bw_id_format(incarnation, theirs);
    bw_id_format(known->incarnation, ours);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "witness %" PRIu64 " comes with a data directory %s, and the cluster knows "
                       "it by %s: it was made anew, and has forgotten what it promised; %s",
                       id, theirs, ours, BW_WITNESS_LOST);
}

enum bw_err bw_roll_meet(struct bw_roll *roll, uint64_t id, struct bw_id incarnation,
                         struct bw_diag *diag)
{
    struct bw_roster_member *met = (struct bw_roster_member *)(uintptr_t)find(&roll->met, id);

    if (id == 0 || id == roll->self || bw_id_is_none(incarnation))
        return bw_diag_set(diag, BW_ERR_INVALID, "it does not say who it is");
    if (!bw_roll_is_bare(roll) && !names(&roll->roster, id, incarnation))
        return refuse(roll, id, incarnation, diag);
    if (met == NULL && roll->met.count == BW_WITNESSES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d witnesses", BW_WITNESSES_MAX);
    if (met == NULL) {
        met = &roll->met.members[roll->met.count++];
    } else if (!bw_id_equal(met->incarnation, incarnation)) {
        roll->granted_count = 0; /* what the former one has granted is forgotten */
    }
    *met = (struct bw_roster_member){id, incarnation};
    return BW_OK;
}

struct bw_id bw_roll_expects(const struct bw_roll *roll, uint64_t id)
{
    const struct bw_roster_member *member = find(&roll->roster, id);

    return member != NULL ? member->incarnation : (struct bw_id){{0}};
}

bool bw_roll_has_met(const struct bw_roll *roll, uint64_t id)
{
    return find(&roll->met, id) != NULL;
}

bool bw_roll_hears(const struct bw_roll *roll, uint64_t id)
{
    const struct bw_roster_member *met = find(&roll->met, id);

    return met != NULL && (bw_roll_is_bare(roll) || names(&roll->roster, id, met->incarnation));
}

/* ---- votes ---------------------------------------------------------------------------------- */

bool bw_roll_may_vote(const struct bw_roll *roll, uint64_t last_index)
{
    if (!bw_roll_is_bare(roll))
        return names(&roll->roster, roll->self, roll->incarnation);
    return roll->is_founder || last_index <= BW_ROLL_ROSTER_INDEX;
}

bool bw_roll_needs_all(const struct bw_roll *roll, uint64_t last_index)
{
    return bw_roll_is_bare(roll) || last_index <= BW_ROLL_ROSTER_INDEX;
}

bool bw_roll_may_stand(const struct bw_roll *roll)
{
    return bw_roll_is_bare(roll) ? roll->is_founder
                                 : names(&roll->roster, roll->self, roll->incarnation);
}

static bool has_granted(const struct bw_roll *roll, uint64_t id)
{
    for (unsigned i = 0; i < roll->granted_count; i++)
        if (roll->granted[i] == id)
            return true;
    return false;
}

bool bw_roll_count_vote(struct bw_roll *roll, uint64_t id, uint64_t term, bool is_pre_vote,
                        const uint64_t *voters, unsigned count)
{
    if (roll->vote_term != term || roll->is_pre_vote != is_pre_vote)
        roll->granted_count = 0;
    roll->vote_term = term;
    roll->is_pre_vote = is_pre_vote;
    if (!has_granted(roll, id) && roll->granted_count < BW_WITNESSES_MAX)
        roll->granted[roll->granted_count++] = id;
    for (unsigned i = 0; i < count; i++)
        if (voters[i] != roll->self && !has_granted(roll, voters[i]))
            return false;
    return true;
}
