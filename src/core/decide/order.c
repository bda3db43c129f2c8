#include <breakwater/base/words.h>
#include <breakwater/core/order.h>

#include <string.h>

#include <breakwater/base/assert.h>

static bool is_observing(const struct bw_group *group)
{
    return group->spec.mode == BW_MODE_OBSERVE;
}

static void derive_let_go(const struct bw_group *group, const char *site, struct bw_order *order)
{
    order->kind = BW_ORDER_LET_GO;
    order->terms = bw_terms_of_spec(&group->spec); /* a witness judges by these how fresh its word is (4) */
    if (!is_observing(group)) {
        order->let_go_index = group->changed_index; /* the site is not in the spec */
        return;
    }
    order->let_go_index = group->let_go_index;
    if (strcmp(site, group->let_go_site) == 0)
        order->let_go_epoch = group->let_go_epoch;
}

/* 3.9: paused, no local restart; in maintenance the holder is neither restarted nor released. */
static bool is_restart_allowed(const struct bw_group *group, const char *site)
{
    const int index = bw_spec_find_site(&group->spec, site);
    const enum bw_mode mode = group->spec.mode;

    return (mode == BW_MODE_AUTO || mode == BW_MODE_MANUAL) && index >= 0 &&
           group->maintenance_ms[index] == 0 && group->group_maintenance_ms == 0;
}

/* How the open epoch began: what the start is told. */
static void tell_beginning(const struct bw_group *group, struct bw_order *order)
{
    const struct bw_history_entry *entry = bw_group_history_at(group, 0);

    BW_ASSERT(entry != NULL); /* a held group has a history: bw_group_is_sound */
    order->instance = group->holder_instance;
    order->adopting = group->adopting;
    order->terms = group->terms;
    order->adopt = entry->adopted;
    order->reason = entry->why_granted;
    order->planned = entry->planned;
    memcpy(order->previous_site, entry->previous_site, sizeof order->previous_site);
}

static void derive_for_holder(const struct bw_group *group, struct bw_order *order)
{
    BW_ASSERT(group->spec.mode != BW_MODE_OBSERVE); /* 3.1: who only looks on is told nothing */
    tell_beginning(group, order);
    switch (group->phase) {
    case BW_PHASE_GRANTED:
        order->kind = BW_ORDER_RUN;
        order->reach_digest = group->sight.digest;
        memcpy(order->position, group->target_position, sizeof order->position);
        return;
    case BW_PHASE_REVOKING:
        order->kind = BW_ORDER_STOP;
        order->reason = group->target_reason;
        order->planned = true;
        return;
    case BW_PHASE_CLOSING:
    case BW_PHASE_VACANT:
    case BW_PHASE_COUNT:
        break;
    }
    order->kind = BW_ORDER_STOP;
    order->closed = true;
    order->held_index = group->held_index;
    order->reason = bw_group_history_at(group, 0)->why_ended;
    order->planned = false;
}

/* Granted before the newest let-go, an epoch enforces nobody, however it ended: what a person started
 * under observe is not fenced for it when the mode changes (3.9). */
static bool is_anothers_epoch(const struct bw_group *group, const char *site)
{
    const struct bw_history_entry *entry = bw_group_history_at(group, 0);

    return entry != NULL && entry->epoch == group->epoch &&
           entry->granted_index > group->let_go_index && strcmp(entry->site, site) != 0;
}

/* 3.9: one that was made anew, above the epochs of those that were deleted, was let go by every site with them; until
 * its first grant nothing else tells whoever overrides of that. */
static uint64_t newest_let_go(const struct bw_group *group)
{
    const bool is_made_anew = group->epoch != 0 && bw_group_history_at(group, 0) == NULL;

    return is_made_anew ? group->changed_index : group->let_go_index;
}

static void derive_stand_by(const struct bw_group *group, const char *site, struct bw_order *order)
{
    order->kind = BW_ORDER_STAND_BY;
    order->let_go_index = newest_let_go(group);
    order->others_epoch = is_anothers_epoch(group, site);
    order->newest_is_open = group->phase != BW_PHASE_VACANT;
    order->prepare = strcmp(group->target, site) == 0;
    if (order->prepare) {
        order->reason = group->target_reason;
        order->planned = true;
        memcpy(order->position, group->target_position, sizeof order->position);
    }
    memcpy(order->previous_site, group->last_end.site, sizeof order->previous_site);
    order->terms = bw_terms_of_spec(&group->spec);
}

void bw_order_derive(const struct bw_group *group, const char *site, uint64_t cluster_index,
                     struct bw_order *out_order)
{
    *out_order = (struct bw_order){0};
    if (group == NULL) {
        out_order->kind = BW_ORDER_LET_GO;
        out_order->index = cluster_index;
        out_order->let_go_index = cluster_index;
        return;
    }
    out_order->index = group->changed_index;
    out_order->epoch = group->epoch;
    out_order->spec_version = group->spec_version;
    out_order->previous_grade = group->last_end.grade;
    out_order->restart_allowed = is_restart_allowed(group, site);
    if (is_observing(group) || bw_spec_find_site(&group->spec, site) < 0)
        derive_let_go(group, site, out_order);
    else if (group->phase != BW_PHASE_VACANT && strcmp(site, group->holder_site) == 0)
        derive_for_holder(group, out_order);
    else
        derive_stand_by(group, site, out_order);
    /* I1: one site at most is told to run, in the newest epoch and while nothing takes that from it. */
    BW_ASSERT(out_order->kind != BW_ORDER_RUN || strcmp(site, group->holder_site) == 0);
    BW_ASSERT(out_order->kind != BW_ORDER_RUN || group->phase == BW_PHASE_GRANTED);
    BW_ASSERT(out_order->epoch == group->epoch);
}

BW_WORDS(bw_order_word, enum bw_order_kind, BW_ORDER_LIST, "unlisted")
