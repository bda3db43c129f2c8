#include <breakwater/core/ways.h>

#include <breakwater/base/assert.h>

static bool is_same_way(const struct bw_way *a, const struct bw_way *b)
{
    return bw_id_equal(a->boot_id, b->boot_id) && a->relayed_by == b->relayed_by;
}

bool bw_ways_note(struct bw_ways *ways, const struct bw_way *way, struct bw_instant received)
{
    BW_ASSERT(ways->count <= BW_WAYS_MAX);
    for (uint32_t i = 0; i < ways->count; i++)
        if (is_same_way(&ways->renewed[i].way, way)) {
            ways->renewed[i].last = bw_instant_max(ways->renewed[i].last, received);
            return false;
        }
    if (ways->count == BW_WAYS_MAX) {
        ways->last_beyond = bw_instant_max(ways->last_beyond, received);
        return false;
    }
    ways->renewed[ways->count].way = *way;
    ways->renewed[ways->count++].last = received;
    return true;
}

bool bw_ways_may_renew(const struct bw_group *group, struct bw_id boot_id)
{
    BW_ASSERT(group->boot_count > 0 && group->boot_count <= BW_BOOTS_MAX); /* 3.5: of an open epoch */
    return bw_id_equal(group->boots[group->boot_count - 1].id, boot_id);
}

static bool is_another_boot_kept(const struct bw_group *group, struct bw_id boot_id)
{
    for (uint32_t i = 0; i < group->boot_count; i++)
        if (!bw_id_equal(group->boots[i].id, boot_id))
            return true;
    return group->has_more_boots;
}

bool bw_ways_is_sole_holder(const struct bw_group *group, const struct bw_contact *contact)
{
    return contact->relayed_by == 0 && group->boot_count > 0 &&
           !is_another_boot_kept(group, contact->boot_id);
}

/* `contact` is NULL: only the boot counts. What came directly proves that the agent itself has spoken,
 * whichever way its renewals took. */
static bool is_another_way(const struct bw_way *way, struct bw_id boot_id,
                           const struct bw_contact *contact)
{
    if (!bw_id_equal(way->boot_id, boot_id))
        return true;
    if (contact == NULL || contact->released_by.directly)
        return false;
    BW_ASSERT(contact->released_by.count <= BW_WITNESSES_MAX);
    for (uint32_t i = 0; i < contact->released_by.count; i++)
        if (contact->released_by.witnesses[i] == way->relayed_by)
            return false;
    return true;
}

/* An earlier leader's confirmations are all before this one's time; what it confirmed itself it has
 * noted. */
static bool others_since(const struct bw_ways_known *known, struct bw_id boot_id,
                         const struct bw_contact *contact, struct bw_instant *out_since)
{
    const bool is_relayed = contact != NULL && !contact->released_by.directly;
    const bool may_be_unknown = !known->was_granted_here &&
                                (is_relayed || is_another_boot_kept(known->group, boot_id));
    const struct bw_ways *ways = known->ways;
    bool has_others = may_be_unknown;
    struct bw_instant since = {0, 0};

    if (may_be_unknown)
        since = known->leader_since;
    for (uint32_t i = 0; i < ways->count; i++) {
        if (!is_another_way(&ways->renewed[i].way, boot_id, contact))
            continue;
        has_others = true;
        since = bw_instant_max(since, ways->renewed[i].last);
    }
    if (ways->last_beyond.boot_ns != 0) {
        has_others = true;
        since = bw_instant_max(since, ways->last_beyond);
    }
    BW_ASSERT(has_others || since.boot_ns == 0); /* else somebody would be forgotten whose wait it is */
    *out_since = since;
    return has_others;
}

bool bw_ways_others_since(const struct bw_ways_known *known, const struct bw_contact *contact,
                          struct bw_instant *out_since)
{
    return others_since(known, contact->boot_id, contact, out_since);
}

bool bw_ways_other_boots_since(const struct bw_ways_known *known, struct bw_id boot_id,
                               struct bw_instant *out_since)
{
    return others_since(known, boot_id, NULL, out_since);
}

bool bw_ways_is_vouched(const struct bw_contact *contact)
{
    return contact->released_by.directly || contact->released_by.count > 1;
}

uint64_t bw_ways_relayed_by(const struct bw_contact *contact)
{
    if (contact->released.epoch == 0)
        return contact->relayed_by;
    return contact->released_by.directly || contact->released_by.count == 0
               ? 0
               : contact->released_by.witnesses[0];
}
