#include <breakwater/core/enforcer.h>

#include <string.h>

#include <breakwater/base/assert.h>

#include "facts.h"

void bw_enforcer_init(struct bw_enforcer *enforcer)
{
    memset(enforcer, 0, sizeof *enforcer);
}

/* ---- slots -------------------------------------------------------------------------------- */

uint32_t bw_enforcer_find(struct bw_enforcer *enforcer, const char *group)
{
    for (uint32_t i = 0; i < enforcer->group_count; i++) {
        const uint32_t at = (enforcer->next_look + i) % enforcer->group_count;

        if (strcmp(enforcer->groups[at].order.group, group) != 0)
            continue;
        enforcer->next_look = at + 1;
        return at;
    }
    return enforcer->group_count;
}

enum bw_err bw_enforcer_add(struct bw_enforcer *enforcer, const char *group, uint32_t *out_enforced)
{
    const uint32_t enforced = bw_enforcer_find(enforcer, group);

    if (enforced == BW_ENFORCER_GROUPS_MAX)
        return BW_ERR_LIMIT;
    if (enforced == enforcer->group_count) {
        struct bw_enforced *made = &enforcer->groups[enforced];

        memset(made, 0, sizeof *made);
        memcpy(made->order.group, group, strnlen(group, BW_NAME_MAX));
        enforcer->group_count++;
    }
    *out_enforced = enforced;
    return BW_OK;
}

static bool is_held(const struct bw_enforced *enforced)
{
    return enforced->state == BW_ENFORCER_ARMED || enforced->state == BW_ENFORCER_KILLING;
}

void bw_enforcer_note_means(struct bw_enforcer *enforcer, const char *group, bool are_taken)
{
    uint32_t enforced;

    if (bw_enforcer_add(enforcer, group, &enforced) == BW_OK)
        enforcer->groups[enforced].lacks_means = !are_taken;
}

/* ---- what must hold ------------------------------------------------------------------------ */

const char *bw_enforced_unsound(const struct bw_enforced *enforced)
{
    const struct bw_enforcer_order *order = &enforced->order;

    FACT(order->group[0] != '\0', "the enforcer's entry: it is of a group");
    FACT((enforced->state == BW_ENFORCER_IDLE) == (order->epoch == 0), "the enforcer's entry: what is armed has an epoch");
    if (!is_held(enforced))
        return NULL;
    FACT(!bw_instant_is_beyond(enforced->kill_at, order->end), "the enforcer's entry: its KILL comes before D"); /* 3.2.4 */
    FACT(enforced->state != BW_ENFORCER_ARMED ||
             bw_instant_is_same(enforced->kill_at, bw_lease_plan_fence(order->end, order->fence_ns).kill_at),
         "the enforcer's entry: its first KILL comes when the fence window says"); /* 3.2.4 */
    return NULL;
}

/* ---- states -------------------------------------------------------------------------------- */

#define TO(state) (1u << BW_ENFORCER_##state)

/* Into which each may go: a pair that is not here is a bug. Whatever it was, a higher epoch arms it,
 * and what is over is dropped. */
static const unsigned moves[] = {
    [BW_ENFORCER_IDLE] = TO(ARMED) | TO(IDLE),
    [BW_ENFORCER_ARMED] = TO(KILLING) | TO(ARMED) | TO(IDLE),
    [BW_ENFORCER_KILLING] = TO(KILLING) | TO(SPENT) | TO(ARMED) | TO(IDLE), /* 3.2.4: until D */
    [BW_ENFORCER_SPENT] = TO(ARMED) | TO(IDLE),
};

/* The only way in which the state of an entry changes. */
static void enter(struct bw_enforced *enforced, enum bw_enforcer_state to)
{
    BW_ASSERT((moves[enforced->state] & (1u << to)) != 0);
    enforced->state = to;
}

/* ---- deadlines ----------------------------------------------------------------------------- */

static void hold(struct bw_enforced *enforced, const struct bw_enforcer_order *order)
{
    BW_ASSERT(order->epoch != 0 &&
              order->epoch >= enforced->order.epoch); /* 3.4: none for an older epoch */
    enforced->order = *order;
    enter(enforced, BW_ENFORCER_ARMED);
    enforced->kill_at = bw_lease_plan_fence(order->end, order->fence_ns).kill_at;
    BW_ASSERT_NONE(bw_enforced_unsound(enforced));
}

/* Within an epoch a deadline only moves later, and not any more once its KILL has begun (3.4, 3.2.4). What is taken is
 * held: an earlier end is refused, so that nobody says of it that it is armed. */
static enum bw_err move(struct bw_enforced *enforced, const struct bw_enforcer_order *order,
                        struct bw_instant now)
{
    if (enforced->state == BW_ENFORCER_SPENT || enforced->state == BW_ENFORCER_KILLING ||
        bw_instant_right_is_over(now, enforced->kill_at))
        return BW_ERR_STALE;
    if (bw_instant_is_later(order->end, enforced->order.end))
        hold(enforced, order);
    return bw_instant_is_beyond(enforced->order.end, order->end) ? BW_ERR_STALE : BW_OK;
}

enum bw_err bw_enforcer_arm(struct bw_enforcer *enforcer, const struct bw_enforcer_order *order,
                            struct bw_instant now)
{
    struct bw_enforced *enforced;
    uint32_t at;
    enum bw_err err;

    if (order->group[0] == '\0' || order->epoch == 0)
        return BW_ERR_INVALID;
    err = bw_enforcer_add(enforcer, order->group, &at);
    if (err != BW_OK)
        return err;
    enforced = &enforcer->groups[at];
    if (enforced->lacks_means) /* it could not be kept (3.4) */
        return BW_ERR_IO;
    if (order->epoch < enforced->order.epoch)
        return BW_ERR_STALE;
    if (order->epoch == enforced->order.epoch && enforced->state != BW_ENFORCER_IDLE)
        return move(enforced, order, now);
    hold(enforced, order);
    return BW_OK;
}

/* What is over is no bound for what comes: a cluster that is made anew begins at epoch 1. Which epochs there
 * may be is the guard's to know, who remembers them. */
static void drop(struct bw_enforced *enforced)
{
    enter(enforced, BW_ENFORCER_IDLE);
    enforced->order.epoch = 0;
    BW_ASSERT_NONE(bw_enforced_unsound(enforced));
}

void bw_enforcer_disarm(struct bw_enforcer *enforcer, const char *group, uint64_t epoch)
{
    const uint32_t at = bw_enforcer_find(enforcer, group);

    if (at < enforcer->group_count && enforcer->groups[at].order.epoch <= epoch)
        drop(&enforcer->groups[at]);
}

/* ---- a successor --------------------------------------------------------------------------- */

bool bw_enforcer_hand_over(struct bw_enforcer *enforcer, const char *group, uint64_t epoch)
{
    const uint32_t at = bw_enforcer_find(enforcer, group);

    if (at == enforcer->group_count)
        return true;
    if (enforcer->groups[at].order.epoch > epoch)
        return false; /* its mirror was not found there: it stays with us until its D */
    drop(&enforcer->groups[at]);
    return true;
}

void bw_enforcer_on_guard_gone(struct bw_enforcer *enforcer)
{
    enforcer->is_guard_gone = true;
}

/* ---- by the clock -------------------------------------------------------------------------- */

/* The KILL of a slot whose instant has come; the one at or after D is its last. */
static void kill_slot(struct bw_enforced *enforced, struct bw_instant now)
{
    BW_ASSERT(is_held(enforced));
    enter(enforced, BW_ENFORCER_KILLING);
    if (bw_instant_right_is_over(now, enforced->order.end))
        enter(enforced, BW_ENFORCER_SPENT);
    else
        enforced->kill_at = bw_instant_min(bw_instant_add(now, BW_ENFORCER_AGAIN_NS),
                                           enforced->order.end);
    BW_ASSERT_NONE(bw_enforced_unsound(enforced));
}

uint32_t bw_enforcer_due(struct bw_enforcer *enforcer, struct bw_instant now,
                         uint32_t out_groups[BW_ENFORCER_GROUPS_MAX],
                         struct bw_instant *out_wake_at)
{
    struct bw_instant wake_at = BW_INSTANT_NEVER;
    uint32_t count = 0;

    BW_ASSERT(enforcer->group_count <= BW_ENFORCER_GROUPS_MAX);
    for (uint32_t i = 0; i < enforcer->group_count; i++) {
        struct bw_enforced *enforced = &enforcer->groups[i];

        if (is_held(enforced) && bw_instant_right_is_over(now, enforced->kill_at)) {
            kill_slot(enforced, now);
            out_groups[count++] = i;
        }
        if (is_held(enforced) &&
            bw_instant_left_ns(now, enforced->kill_at) < bw_instant_left_ns(now, wake_at))
            wake_at = enforced->kill_at;
    }
    *out_wake_at = wake_at;
    return count;
}

bool bw_enforcer_is_ending(const struct bw_enforced *enforced)
{
    return enforced->state == BW_ENFORCER_KILLING || enforced->state == BW_ENFORCER_SPENT;
}

uint32_t bw_enforcer_held_count(const struct bw_enforcer *enforcer)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < enforcer->group_count; i++)
        count += is_held(&enforcer->groups[i]) ? 1 : 0;
    return count;
}

bool bw_enforcer_may_end(const struct bw_enforcer *enforcer)
{
    return enforcer->is_guard_gone && bw_enforcer_held_count(enforcer) == 0;
}
