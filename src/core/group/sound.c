/* What the table of a group's phases keeps true between its commands. A group that comes from a snapshot
 * is judged here before it is taken. */
#include <breakwater/core/group.h>

#include <string.h>

#include "facts.h"

static bool is_set(const char *text)
{
    return text[0] != '\0';
}

static const char *bounds_unsound(const struct bw_group *group)
{
    FACT(group->history_count <= BW_HISTORY_MAX, "the group's history: it fits its ring"); /* 3.1 */
    FACT(group->history_first < BW_HISTORY_MAX, "the group's history: it begins in its ring");
    FACT(group->voucher_count <= BW_VOUCHERS_MAX, /* 3.1, Forced */
         "the group's vouchers: they fit their list");
    FACT(group->spec.site_count <= BW_SITES_MAX, "the group's spec: its sites fit their list");
    FACT(group->boot_count <= BW_BOOTS_MAX, /* 3.5 */
         "the group's boots: they fit their list");
    FACT(group->wish_count <= BW_WISHES_MAX && group->wish_over_count <= BW_WISHES_MAX, /* 4 */
         "the group's wish: there is one at most");
    FACT(group->claim_count <= BW_CLAIMS_MAX, /* 3.8 */
         "the group's claims: they fit their list");
    FACT(!group->has_more_boots || group->boot_count == BW_BOOTS_MAX, /* 3.5: only then one was left out */
         "the group's boots: more than are kept there are only when the list is full");
    return NULL;
}

/* I2: each Grant takes a higher epoch than all before it. */
static const char *history_unsound(const struct bw_group *group)
{
    uint64_t later = group->epoch;

    for (uint32_t number = 0; number < group->history_count; number++) {
        const uint64_t epoch = bw_group_history_at(group, number)->epoch;

        FACT(number == 0 ? epoch <= later : epoch < later,
             "the group's history: its epochs only grow, up to the group's own");
        later = epoch;
    }
    return NULL;
}

static const char *vacant_unsound(const struct bw_group *group)
{
    const struct bw_history_entry *newest = bw_group_history_at(group, 0);

    FACT(!is_set(group->holder_site), /* I1 */
         "the vacant group: nobody holds it");
    FACT(newest == NULL || newest->ended_index != 0, /* 3.1: no epoch is open */
         "the vacant group: its newest epoch has ended");
    return NULL;
}

static const char *open_unsound(const struct bw_group *group)
{
    const struct bw_history_entry *newest = bw_group_history_at(group, 0);

    FACT(newest != NULL, "the held group: it has a history"); /* 3.1 */
    FACT(newest->epoch == group->epoch, "the held group: its epoch is the newest of its history");
    FACT(newest->ended_index == 0, "the held group: its newest epoch is open");
    FACT(strcmp(newest->site, group->holder_site) == 0, /* I1 */
         "the held group: its holder is whom its epoch was granted to");
    FACT(bw_spec_find_site(&group->spec, group->holder_site) >= 0, /* 3.9: it cannot leave the spec */
         "the held group: its holder is in the spec");
    FACT(!bw_id_is_none(group->holder_instance), /* 3.2: an instance renews */
         "the held group: an instance of its holder is known");
    FACT(group->boot_count > 0, /* 3.5: committed before its first confirmation leaves */
         "the held group: a boot of its holder is known");
    FACT(group->terms.no_return <= BW_NO_RETURN_PASSED, /* 4 */
         "an open epoch has passed its point of no return, or has not");
    FACT(group->terms.ttl_ms > group->terms.fence_ms, /* 3.2.4: a window within the lease */
         "the held group: its fence window is shorter than its lease");
    FACT(group->spec.mode != BW_MODE_OBSERVE, /* 3.1: observe lets go */
         "the held group: it is not only observed");
    return NULL;
}

/* A planned move: to whom, from whom, and whether it is on its way back (3.6). */
static const char *switchover_unsound(const struct bw_group *group)
{
    const bool has_target = is_set(group->target);
    const bool has_origin = is_set(group->target_origin);

    switch (group->phase) {
    case BW_PHASE_VACANT:
        FACT(has_target || (!has_origin && !group->rolling_back),
             "the vacant group: a move that is under way has a target");
        return NULL;
    case BW_PHASE_GRANTED:
        FACT(!has_target, "the granted group: no move is under way");
        FACT(!group->rolling_back, "the granted group: none is on its way back");
        return NULL;
    case BW_PHASE_REVOKING:
        FACT(has_target, "the group that is revoked: its move has a target");
        FACT(!group->rolling_back, "the group that is revoked: its move is on its way there");
        return NULL;
    case BW_PHASE_CLOSING:
        FACT(!has_target && !has_origin, "the group that is closed: no move is under way");
        FACT(!group->rolling_back, "the group that is closed: none is on its way back");
        return NULL;
    case BW_PHASE_COUNT:
        break;
    }
    return "the group's phase: it is one of the list";
}

/* 4: one Grant answers it, and nobody vouches for anything by way of the log. */
static const char *wish_unsound(const struct bw_group *group)
{
    const struct bw_wish *wish = bw_group_wish(group);

    if (wish == NULL)
        return NULL;
    FACT(wish->kind == BW_WISH_FAILOVER || wish->kind == BW_WISH_SWITCHOVER,
         "the group's wish: a move is what is asked for");
    FACT(wish->index != 0, "the group's wish: an entry of the log made it");
    FACT(wish->epoch == group->epoch, "the group's wish: it is of the newest epoch");
    FACT(group->spec.mode != BW_MODE_OBSERVE, "the group's wish: it is not only observed");
    return NULL;
}

/* 3.8: one for each instance of a site, made by one of its syncs. */
static const char *claims_unsound(const struct bw_group *group)
{
    for (uint32_t i = 0; i < group->claim_count; i++) {
        const struct bw_claim *claim = &group->claims[i];

        FACT(is_set(claim->site) && claim->index != 0 && !bw_id_is_none(claim->instance) && !bw_id_is_none(claim->session),
             "the group's claims: a sync of an instance of a site made each");
        FACT((claim->kind == BW_CLAIM_AHEAD) == (claim->named_epoch != 0 || claim->named_index != 0), /* 3.9 */
             "the group's claims: those of a lost decision name it");
        for (uint32_t j = 0; j < i; j++)
            FACT(strcmp(claim->site, group->claims[j].site) != 0 ||
                     !bw_id_equal(claim->instance, group->claims[j].instance) ||
                     (claim->kind == BW_CLAIM_AHEAD) != (group->claims[j].kind == BW_CLAIM_AHEAD),
                 "the group's claims: there is one of each sort for each instance of a site");
    }
    return NULL;
}

const char *bw_group_unsound(const struct bw_group *group)
{
    FACTS(bounds_unsound(group));
    FACTS(claims_unsound(group));
    FACTS(history_unsound(group));
    FACTS(wish_unsound(group));
    FACTS(switchover_unsound(group));
    FACT(!group->held || group->phase == BW_PHASE_CLOSING, /* 3.1, FenceFailed */
         "the group: only one that is closed is held");
    FACT(group->held == (group->held_index != 0), /* 3.3: the order names it */
         "the group: one that is held names the failed fence");
    FACT(!group->adopting || group->phase == BW_PHASE_GRANTED || group->phase == BW_PHASE_CLOSING,
         "the group: an adoption is of an open epoch that is not moved"); /* 3.9, H13 */
    FACT(group->recovered_index == 0 || group->first_grant, /* 3.9 */
         "the group: one that was recovered awaits its first grant");
    FACTS(group->phase == BW_PHASE_VACANT ? vacant_unsound(group) : open_unsound(group));
    return NULL;
}

bool bw_group_is_sound(const struct bw_group *group)
{
    return bw_group_unsound(group) == NULL;
}
