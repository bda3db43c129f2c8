#include <breakwater/consensus/roll.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/stop.h>

#define COUNT_BYTES   8
#define ID_BYTES      8
#define MEMBER_BYTES  (ID_BYTES + BW_ID_BYTES) /* of the first form */
#define SECOND_FORM   (UINT64_C(1) << 32)
#define HEAD_BYTES    16 /* of the second */
#define LEAVING_BYTES 8

/* ---- bytes ---------------------------------------------------------------------------------- */

static uint8_t *put_text(uint8_t *at, const char *text, size_t size)
{
    memset(at, 0, size);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the zeros of above end it */
    memcpy(at, text, strlen(text));
    return at + size;
}

static uint8_t *put_second(uint8_t *at, const struct bw_roster_member *member)
{
    bw_put_u64le(at, member->is_leaving);
    at = put_text(at + LEAVING_BYTES, member->name, sizeof member->name);
    at = put_text(at, member->address, sizeof member->address);
    at = put_text(at, member->raft, sizeof member->raft);
    return put_text(at, member->failure_domain, sizeof member->failure_domain);
}

size_t bw_roster_encode(const struct bw_roster *roster, uint8_t out_bytes[BW_ROSTER_BYTES_MAX])
{
    const bool is_second = roster->id_max != 0;
    uint8_t *at = out_bytes + (is_second ? HEAD_BYTES : COUNT_BYTES);

    BW_ASSERT(roster->count <= BW_WITNESSES_MAX);
    bw_put_u64le(out_bytes, roster->count | (is_second ? SECOND_FORM : 0));
    if (is_second)
        bw_put_u64le(out_bytes + COUNT_BYTES, roster->id_max);
    for (unsigned i = 0; i < roster->count; i++) {
        bw_put_u64le(at, roster->members[i].id);
        memcpy(at + ID_BYTES, roster->members[i].incarnation.bytes, BW_ID_BYTES);
        at += MEMBER_BYTES;
        if (is_second)
            at = put_second(at, &roster->members[i]);
    }
    return (size_t)(at - out_bytes);
}

static bool is_same(const struct bw_roster_member *a, const struct bw_roster_member *b)
{
    return strcmp(a->name, b->name) == 0 || strcmp(a->address, b->address) == 0 ||
           strcmp(a->raft, b->raft) == 0;
}

static bool is_second_sound(const struct bw_roster *roster)
{
    for (unsigned i = 0; i < roster->count; i++) {
        const struct bw_roster_member *member = &roster->members[i];

        if (member->id > roster->id_max || !bw_name_is_valid(member->name) ||
            member->address[0] == '\0' || member->raft[0] == '\0')
            return false;
        for (unsigned j = 0; j < i; j++)
            if (is_same(member, &roster->members[j]))
                return false;
    }
    return true;
}

static bool is_sound(const struct bw_roster *roster)
{
    for (unsigned i = 0; i < roster->count; i++)
        if (bw_id_is_none(roster->members[i].incarnation) ||
            roster->members[i].id <= (i > 0 ? roster->members[i - 1].id : 0))
            return false;
    return roster->id_max == 0 || is_second_sound(roster);
}

static const uint8_t *take_text(const uint8_t *at, char *out, size_t size)
{
    memcpy(out, at, size);
    out[size - 1] = '\0'; /* was there one already? The comparison below tells */
    return at + size;
}

static const uint8_t *take_second(const uint8_t *at, struct bw_roster_member *member)
{
    member->is_leaving = bw_get_u64le(at) == 1;
    at = take_text(at + LEAVING_BYTES, member->name, sizeof member->name);
    at = take_text(at, member->address, sizeof member->address);
    at = take_text(at, member->raft, sizeof member->raft);
    return take_text(at, member->failure_domain, sizeof member->failure_domain);
}

/* It is believed only if it is, byte for byte, what is made of what was read. */
bool bw_roster_decode(const uint8_t *bytes, size_t size, struct bw_roster *out_roster)
{
    const uint64_t head = size >= COUNT_BYTES ? bw_get_u64le(bytes) : 0;
    const bool is_second = (head & SECOND_FORM) != 0;
    const uint64_t count = head & ~SECOND_FORM;
    const size_t each = is_second ? BW_ROSTER_MEMBER_BYTES : MEMBER_BYTES;
    const uint8_t *at = bytes + (is_second ? HEAD_BYTES : COUNT_BYTES);
    uint8_t again[BW_ROSTER_BYTES_MAX];
    struct bw_roster roster = {.count = 0};

    if (count == 0 || count > BW_WITNESSES_MAX ||
        size != (is_second ? HEAD_BYTES : COUNT_BYTES) + count * each)
        return false;
    if (is_second)
        roster.id_max = bw_get_u64le(bytes + COUNT_BYTES);
    for (; roster.count < count; roster.count++) {
        struct bw_roster_member *member = &roster.members[roster.count];

        member->id = bw_get_u64le(at);
        memcpy(member->incarnation.bytes, at + ID_BYTES, BW_ID_BYTES);
        at += MEMBER_BYTES;
        if (is_second)
            at = take_second(at, member);
    }
    if (!is_sound(&roster) || bw_roster_encode(&roster, again) != size ||
        memcmp(again, bytes, size) != 0)
        return false;
    *out_roster = roster;
    return true;
}

/* ---- the roster ----------------------------------------------------------------------------- */

static bool names(const struct bw_roster *roster, uint64_t id, struct bw_id incarnation)
{
    const struct bw_roster_member *member = bw_roster_find(roster, id);

    return member != NULL && bw_id_equal(member->incarnation, incarnation);
}

/* Of an id above all that a roster knows: it may have come later than that roster, and leads by now. */
static bool may_be_newer(const struct bw_roster *roster, uint64_t id)
{
    const uint64_t id_max = roster->id_max != 0 ? roster->id_max
                                                : roster->members[roster->count - 1].id;

    return id > id_max;
}

static bool accepts(const struct bw_roster *roster, uint64_t id, struct bw_id incarnation)
{
    return roster->count == 0 || names(roster, id, incarnation) || may_be_newer(roster, id);
}

/* NULL: it has said nothing of itself. */
static const struct bw_id *met_as(const struct bw_roll *roll, uint64_t id)
{
    for (unsigned i = 0; i < roll->met.count; i++)
        if (roll->met.list[i].id == id)
            return &roll->met.list[i].incarnation;
    return NULL;
}

/* Who is no member any more gives up its place. */
static void forget_strangers(struct bw_roll *roll)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < roll->met.count; i++)
        if (bw_roster_find(&roll->roster, roll->met.list[i].id) != NULL ||
            may_be_newer(&roll->roster, roll->met.list[i].id))
            roll->met.list[kept++] = roll->met.list[i];
    roll->met.count = kept;
}

void bw_roll_init(struct bw_roll *roll, uint64_t self, struct bw_id incarnation,
                  enum bw_roll_origin origin)
{
    *roll = (struct bw_roll){.self = self, .incarnation = incarnation, .origin = origin};
}

enum bw_err bw_roll_take(struct bw_roll *roll, const struct bw_roster *roster, uint64_t index,
                         struct bw_diag *diag)
{
    char known[BW_ID_TEXT_BYTES];
    char own[BW_ID_TEXT_BYTES];
    const struct bw_roster_member *self = bw_roster_find(roster, roll->self);

    if (self != NULL && !bw_id_equal(self->incarnation, roll->incarnation)) {
        bw_id_format(self->incarnation, known);
        bw_id_format(roll->incarnation, own);
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the cluster knows witness %" PRIu64 " by a data directory %s, and this "
                           "one is %s, made later: what the first one has promised is forgotten "
                           "here",
                           roll->self, known, own);
    }
    roll->former = roll->roster;
    roll->former_index = roll->index;
    if (index == 0) /* a snapshot: it replaces what was there */
        roll->former.count = 0;
    roll->roster = *roster;
    roll->index = index;
    roll->version++;
    return BW_OK;
}

void bw_roll_cut(struct bw_roll *roll, uint64_t index)
{
    if (roll->roster.count == 0 || roll->index < index)
        return; /* with index 0 it is in the snapshot, which stays */
    if (roll->former_index >= index)
        roll->former.count = 0;
    roll->roster = roll->former;
    roll->index = roll->former_index;
    roll->former.count = 0;
    roll->version++;
}

void bw_roll_apply(struct bw_roll *roll, const struct bw_roster *roster)
{
    roll->applied = *roster;
    if (roll->roster.count > 0)
        forget_strangers(roll);
}

bool bw_roll_is_removed(const struct bw_roll *roll)
{
    return bw_roster_has_removed(&roll->applied, roll->self);
}

bool bw_roll_is_bare(const struct bw_roll *roll)
{
    return roll->roster.count == 0;
}

unsigned bw_roll_lacks(const struct bw_roll *roll, uint64_t index_of_all, uint64_t last_index)
{
    if (bw_roll_is_bare(roll) || index_of_all < BW_ROLL_ROSTER_INDEX ||
        last_index > BW_ROLL_YOUNG_INDEX_MAX)
        return 0;
    return (unsigned)(BW_ROLL_YOUNG_INDEX_MAX + 1 - last_index);
}

static void insert(struct bw_roster *roster, uint64_t id, struct bw_id incarnation)
{
    unsigned at = roster->count++;

    for (; at > 0 && roster->members[at - 1].id > id; at--)
        roster->members[at] = roster->members[at - 1];
    roster->members[at] = (struct bw_roster_member){.id = id, .incarnation = incarnation};
}

bool bw_roll_draft(const struct bw_roll *roll, const uint64_t *voters, unsigned count,
                   struct bw_roster *out_roster)
{
    struct bw_roster roster = {.count = 0};

    if (count > BW_WITNESSES_MAX)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct bw_id *met = met_as(roll, voters[i]);

        if (voters[i] == roll->self)
            insert(&roster, roll->self, roll->incarnation);
        else if (met != NULL)
            insert(&roster, voters[i], *met);
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
    const struct bw_roster_member *known = bw_roster_find(&roll->roster, id);
    char theirs[BW_ID_TEXT_BYTES];
    char ours[BW_ID_TEXT_BYTES];

    if (known == NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "the cluster has no witness %" PRIu64 "%s", id,
                           bw_roster_has_removed(&roll->roster, id) ? ": it was removed" : "");
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
    unsigned at = 0;

    if (id == 0 || id == roll->self || bw_id_is_none(incarnation))
        return bw_diag_set(diag, BW_ERR_INVALID, "it does not say who it is");
    if (!accepts(&roll->roster, id, incarnation))
        return refuse(roll, id, incarnation, diag);
    while (at < roll->met.count && roll->met.list[at].id != id)
        at++;
    if (at == BW_ROLL_MET_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d witnesses", BW_ROLL_MET_MAX);
    if (at == roll->met.count)
        roll->met.count++;
    else if (!bw_id_equal(roll->met.list[at].incarnation, incarnation))
        roll->granted_count = 0; /* what the former one has granted is forgotten */
    roll->met.list[at].id = id;
    roll->met.list[at].incarnation = incarnation;
    return BW_OK;
}

struct bw_id bw_roll_expects(const struct bw_roll *roll, uint64_t id)
{
    const struct bw_roster_member *member = bw_roster_find(&roll->roster, id);

    return member != NULL ? member->incarnation : (struct bw_id){{0}};
}

bool bw_roll_has_met(const struct bw_roll *roll, uint64_t id)
{
    return met_as(roll, id) != NULL;
}

bool bw_roll_hears(const struct bw_roll *roll, uint64_t id)
{
    const struct bw_id *met = met_as(roll, id);

    return met != NULL && accepts(&roll->roster, id, *met);
}

/* ---- votes ---------------------------------------------------------------------------------- */

bool bw_roll_may_vote(const struct bw_roll *roll, uint64_t last_index)
{
    if (!bw_roll_is_bare(roll))
        return names(&roll->roster, roll->self, roll->incarnation);
    if (roll->origin == BW_ROLL_JOINING)
        return false;
    return roll->origin == BW_ROLL_FOUNDER || last_index <= BW_ROLL_YOUNG_INDEX_MAX;
}

bool bw_roll_needs_all(const struct bw_roll *roll, uint64_t last_index)
{
    return bw_roll_is_bare(roll) || last_index <= BW_ROLL_YOUNG_INDEX_MAX;
}

bool bw_roll_may_stand(const struct bw_roll *roll)
{
    return bw_roll_is_bare(roll) ? roll->origin == BW_ROLL_FOUNDER
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
