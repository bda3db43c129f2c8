/* Mirror, enforcer, answer: the order of things in front of an `armed` (3.4). */
#include <breakwater/machine/enforcing.h>

#include <string.h>

#include <breakwater/base/assert.h>

#define REACH_AGAIN_NS (200 * BW_NS_PER_MS) /* what could not be opened */
#define TELL_AGAIN_NS  (5 * BW_NS_PER_MS)   /* what was not taken */
#define MAKE_AGAIN_NS  (BW_NS_PER_S / 2)
#define SILENT_NS       BW_NS_PER_S
#define RELIEF_SOON_NS (5 * BW_NS_PER_MS)
#define RELIEF_AGAIN_NS (BW_NS_PER_S / 5)
#define RELIEF_LOOKS    200 /* with RELIEF_SOON_NS between them a second */

/* ---- what is held ---------------------------------------------------------------------------- */

/* Nothing is to be held once it was seen that nothing serves, nor may begin to: what still runs then cleans
 * up. */
static bool is_over(const struct bw_enforcing_group *group)
{
    return group->guard->mirror.armed_epoch == 0 || group->guard->fence == BW_FENCE_DONE;
}

/* What it is told is in the mirror first: what it holds a later guard then knows of. */
static bool is_wanted(const struct bw_enforcing_group *group)
{
    return !is_over(group) && group->mirrored.epoch == group->guard->mirror.armed_epoch;
}

static bool is_sent(const struct bw_enforcing_group *group)
{
    if (is_over(group))
        return group->sent.epoch == 0;
    return !group->is_unheld && group->sent.epoch == group->mirrored.epoch &&
           bw_instant_is_same(group->sent.end, group->mirrored.end);
}

bool bw_enforcing_has(const struct bw_enforcing *enforcing, const struct bw_enforcing_group *group)
{
    if (is_over(group))
        return true;
    return enforcing->state == BW_ENFORCER_MADE && is_wanted(group) && is_sent(group) &&
           !group->is_reach_unsent && group->sent_number <= enforcing->taken;
}

uint64_t bw_enforcing_known_epoch(const struct bw_enforcing_group *group)
{
    const uint64_t ended = group->guard->memory.ended_epoch;
    const bool is_ours = !group->is_unheld && !group->is_short;

    if (!group->guard->has_found_armed) /* 3.8: it may be a manual lease, whose epoch has ended before it */
        return 0;
    if (is_ours)
        return group->found_epoch > ended ? group->found_epoch : ended;
    if (group->found_epoch != 0 && group->found_epoch <= ended && !is_over(group))
        return group->found_epoch - 1; /* an end that was refused is none (3.4, ended) */
    return ended;
}

static struct bw_enforcer_order order_of(const struct bw_enforcing_group *group)
{
    const struct bw_guard_mirror *mirror = &group->guard->mirror;

    return (struct bw_enforcer_order){
        .epoch = mirror->armed_epoch, .end = mirror->armed_end, .fence_ns = mirror->fence_ns};
}

static struct bw_enforcer_order named(const struct bw_enforcing_group *group,
                                      struct bw_enforcer_order order)
{
    _Static_assert(sizeof order.group == sizeof group->guard->group, "names are of one size");
    memcpy(order.group, group->guard->group, sizeof order.group);
    return order;
}

/* ---- the beginning --------------------------------------------------------------------------- */

void bw_enforcing_init(struct bw_enforcing *enforcing)
{
    memset(enforcing, 0, sizeof *enforcing);
    enforcing->make_at = BW_INSTANT_NEVER;
    enforcing->silent_at = BW_INSTANT_NEVER;
    enforcing->again_at = BW_INSTANT_NEVER;
    enforcing->relief_at = BW_INSTANT_NEVER;
}

void bw_enforcing_begin(struct bw_enforcing *enforcing, struct bw_instant now)
{
    enforcing->make_at = now;
}

void bw_enforcing_add(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                      const struct bw_guard *guard, void *owner)
{
    memset(group, 0, sizeof *group);
    group->guard = guard;
    group->owner = owner;
    group->mirrored = order_of(group);
    group->found_epoch = group->mirrored.epoch;
    group->is_reach_unsent = enforcing->state == BW_ENFORCER_MADE;
    if (enforcing->last == NULL)
        enforcing->first = group;
    else
        enforcing->last->next = group;
    enforcing->last = group;
    enforcing->is_dirty = true;
}

void bw_enforcing_forget(struct bw_enforcing *enforcing, struct bw_enforcing_group *group)
{
    BW_ASSERT(!group->is_waiting);
    group->mirrored = (struct bw_enforcer_order){.epoch = 0};
    group->found_epoch = 0;
    bw_enforcing_on_step(enforcing, group);
    bw_enforcing_on_mirror(enforcing, group, 0); /* answers nobody's wait */
}

void bw_enforcing_on_step(struct bw_enforcing *enforcing, const struct bw_enforcing_group *group)
{
    enforcing->is_dirty |= !is_sent(group);
    enforcing->has_answers |= group->is_waiting; /* its deadline may be over */
}

/* ---- mirrors --------------------------------------------------------------------------------- */

void bw_enforcing_on_mirror(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                            uint64_t number)
{
    group->wanted = number;
    if (group->is_due)
        return;
    group->is_due = true;
    enforcing->due_count++;
}

bool bw_enforcing_begin_write(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                              uint64_t *out_number, struct bw_enforcer_order *out_order)
{
    BW_ASSERT(enforcing->is_writing);
    if (!group->is_due)
        return false;
    BW_ASSERT(enforcing->due_count > 0);
    group->is_due = false;
    enforcing->due_count--;
    *out_number = group->wanted;
    *out_order = order_of(group);
    return true;
}

void bw_enforcing_on_written(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                             uint64_t number, const struct bw_enforcer_order *order, bool ok)
{
    BW_ASSERT(enforcing->is_writing);
    group->written = number;
    group->is_waiting = true;
    group->is_refused = !ok || (group->is_full && !is_over(group));
    group->again_at = (struct bw_instant){0};
    if (ok)
        group->mirrored = *order;
    bw_enforcing_on_step(enforcing, group);
}

void bw_enforcing_on_round_written(struct bw_enforcing *enforcing)
{
    BW_ASSERT(enforcing->is_writing);
    enforcing->is_writing = false;
}

bool bw_enforcing_is_due(const struct bw_enforcing *enforcing)
{
    return enforcing->due_count > 0 || enforcing->is_writing;
}

/* ---- the enforcer ---------------------------------------------------------------------------- */

static void forget_sent(struct bw_enforcing_group *group)
{
    group->sent.epoch = 0;
    group->is_unheld = false;
}

/* What one that has ended was told nobody holds. */
static void forget_all_sent(struct bw_enforcing *enforcing)
{
    for (struct bw_enforcing_group *group = enforcing->first; group != NULL; group = group->next)
        forget_sent(group);
    enforcing->telling.phase = BW_TELLING_NONE;
    enforcing->is_dirty = true;
    enforcing->silent_at = BW_INSTANT_NEVER;
    enforcing->again_at = BW_INSTANT_NEVER;
}

void bw_enforcing_on_made(struct bw_enforcing *enforcing)
{
    BW_ASSERT(enforcing->state == BW_ENFORCER_MAKING);
    enforcing->state = BW_ENFORCER_MADE;
    enforcing->sent = enforcing->taken = 0;
    enforcing->has_sent_all = false;
    forget_all_sent(enforcing);
    for (struct bw_enforcing_group *group = enforcing->first; group != NULL; group = group->next)
        group->is_reach_unsent = true;
}

void bw_enforcing_on_unmade(struct bw_enforcing *enforcing, struct bw_instant now)
{
    BW_ASSERT(enforcing->state == BW_ENFORCER_MAKING);
    enforcing->state = BW_ENFORCER_NONE;
    enforcing->make_at = bw_instant_add(now, MAKE_AGAIN_NS);
}

void bw_enforcing_on_lost(struct bw_enforcing *enforcing)
{
    enforcing->state = BW_ENFORCER_LOST;
    forget_all_sent(enforcing);
}

void bw_enforcing_on_gone(struct bw_enforcing *enforcing, struct bw_instant now)
{
    BW_ASSERT(enforcing->state == BW_ENFORCER_LOST);
    enforcing->state = BW_ENFORCER_NONE;
    enforcing->make_at = now;
}

static void await_answer(struct bw_enforcing *enforcing, struct bw_instant now)
{
    enforcing->silent_at = bw_instant_add(now, SILENT_NS);
}

/* Those are not held: what waits for them is refused. It may have lacked a descriptor: what ends them is told
 * once more, and whole, and then the deadline. */
static void refuse(struct bw_enforcing *enforcing, uint64_t number,
                   const struct bw_enforcer_order *refused, struct bw_instant now)
{
    for (struct bw_enforcing_group *group = enforcing->first; group != NULL; group = group->next) {
        if (group->sent_number != number || strcmp(group->guard->group, refused->group) != 0)
            continue;
        group->is_reach_unsent = true;
        group->is_refused = group->is_waiting;
        group->is_unheld = true;
        group->refused_epoch = refused->epoch;
        group->again_at = bw_instant_add(now, REACH_AGAIN_NS);
        enforcing->is_dirty = true;
        return;
    }
}

/* Of the frames between two answers the enforcer could not say what it has refused: they are told once more. */
static void doubt_unanswered(struct bw_enforcing *enforcing, uint64_t number)
{
    for (struct bw_enforcing_group *group = enforcing->first; group != NULL; group = group->next) {
        if (group->sent_number <= enforcing->taken || group->sent_number >= number)
            continue;
        group->is_unheld = true;
        group->again_at = (struct bw_instant){0};
        enforcing->is_dirty = true;
    }
}

void bw_enforcing_on_taken(struct bw_enforcing *enforcing, uint64_t number,
                           const struct bw_enforcer_order *refused, uint32_t refused_count,
                           struct bw_instant now)
{
    doubt_unanswered(enforcing, number);
    for (uint32_t i = 0; i < refused_count; i++)
        refuse(enforcing, number, &refused[i], now);
    enforcing->taken = number;
    if (enforcing->taken < enforcing->sent)
        await_answer(enforcing, now);
    else
        enforcing->silent_at = BW_INSTANT_NEVER;
    enforcing->is_dirty |= enforcing->is_stuck;
    enforcing->has_answers = true;
}

/* ---- telling it ------------------------------------------------------------------------------ */

/* An enforcer before ours was left what this group had armed: it is asked once more. */
static void relieve_again(struct bw_enforcing *enforcing)
{
    enforcing->has_sent_all = enforcing->is_relieved = false;
    enforcing->relief = BW_RELIEF_NONE;
    enforcing->relief_looks = 0;
    enforcing->relief_at = BW_INSTANT_NEVER;
}

void bw_enforcing_on_reach(struct bw_enforcing *enforcing, struct bw_enforcing_group *group,
                           enum bw_enforcing_reach how)
{
    const bool was_short = group->is_short;

    group->is_reach_unsent = how != BW_ENFORCING_REACH_TAKEN;
    group->is_full = how == BW_ENFORCING_REACH_FULL;
    group->is_short = how == BW_ENFORCING_REACH_SHORT || group->is_full;
    if (group->is_full && group->is_waiting && !is_over(group)) /* 3.4: what it cannot end it takes no deadline of */
        group->is_refused = true;
    if (was_short && !group->is_short && group->found_epoch != 0 &&
        enforcing->relief != BW_RELIEF_NONE)
        relieve_again(enforcing);
    if (enforcing->telling.phase == BW_TELLING_NONE) /* else it is told again after a pause */
        enforcing->is_dirty |= group->is_reach_unsent || was_short;
    enforcing->has_answers |= group->is_waiting;
}

static bool awaits_relief(const struct bw_enforcing *enforcing)
{
    return enforcing->has_sent_all && !enforcing->is_relieved;
}

static bool hand_out_hold(const struct bw_enforcing *enforcing, struct bw_enforcing_action *out)
{
    *out = (struct bw_enforcing_action){.kind = BW_ENFORCING_HOLD,
                                        .number = enforcing->sent + 1,
                                        .order_count = enforcing->telling.count,
                                        .orders = enforcing->telling.orders};
    return true;
}

static void tell_again_at(struct bw_enforcing *enforcing, struct bw_instant at)
{
    enforcing->again_at = bw_instant_min(enforcing->again_at, at);
}

/* True: something is to be told now. */
static bool tell_deadline(struct bw_enforcing *enforcing, struct bw_instant now,
                          struct bw_enforcing_action *out)
{
    struct bw_enforcing_group *group = enforcing->telling.group;
    struct bw_enforcer_order *orders = enforcing->telling.orders;
    uint32_t *count = &enforcing->telling.count;

    enforcing->telling.takes_reach &= !group->is_reach_unsent || group->is_short;
    enforcing->telling.is_any_short |= group->is_short;
    enforcing->telling.group = group->next;
    enforcing->telling.over = NULL;
    if (awaits_relief(enforcing) || is_sent(group))
        return false;
    if (is_over(group)) {
        orders[*count] = named(group, group->sent); /* beside those of the frame: there is room */
        *out = (struct bw_enforcing_action){
            .kind = BW_ENFORCING_OVER, .group = group, .order_count = 1, .orders = &orders[*count]};
        enforcing->telling.over = group;
        return true;
    }
    if (!is_wanted(group) || group->is_reach_unsent)
        return false;
    if (group->is_unheld && !bw_instant_right_is_over(now, group->again_at)) {
        tell_again_at(enforcing, group->again_at);
        return false;
    }
    enforcing->telling.groups[*count] = group;
    orders[(*count)++] = named(group, group->mirrored);
    return *count == BW_ENFORCER_ORDERS_MAX && hand_out_hold(enforcing, out);
}

static void begin_telling(struct bw_enforcing *enforcing)
{
    enforcing->is_dirty = enforcing->is_stuck = false;
    enforcing->again_at = BW_INSTANT_NEVER;
    enforcing->telling.phase = BW_TELLING_PLACE;
    enforcing->telling.group = enforcing->first;
    enforcing->telling.count = 0;
    enforcing->telling.takes_reach = enforcing->telling.is_taken = true;
    enforcing->telling.is_any_short = false;
}

/* What it did not take at once, it takes when it has read what came before. */
static void end_telling(struct bw_enforcing *enforcing, struct bw_instant now)
{
    const bool is_taken = enforcing->telling.is_taken && enforcing->telling.takes_reach;

    enforcing->telling.phase = BW_TELLING_NONE;
    enforcing->is_stuck = !enforcing->telling.is_taken;
    enforcing->has_sent_all |= is_taken; /* those before keep what is short */
    if (!is_taken || enforcing->telling.is_any_short)
        tell_again_at(enforcing,
                      bw_instant_add(now, is_taken ? REACH_AGAIN_NS : TELL_AGAIN_NS));
}

void bw_enforcing_on_sent(struct bw_enforcing *enforcing, bool is_taken, struct bw_instant now)
{
    if (enforcing->telling.over != NULL) {
        if (is_taken)
            forget_sent(enforcing->telling.over);
        else
            tell_again_at(enforcing, bw_instant_add(now, TELL_AGAIN_NS));
        return;
    }
    enforcing->telling.is_taken = is_taken;
    if (!is_taken)
        return;
    if (enforcing->sent++ == enforcing->taken)
        await_answer(enforcing, now);
    for (uint32_t i = 0; i < enforcing->telling.count; i++) {
        struct bw_enforcing_group *group = enforcing->telling.groups[i];

        group->sent = enforcing->telling.orders[i];
        group->sent_number = enforcing->sent;
        group->is_unheld = false;               /* as far as is known */
        enforcing->is_dirty |= !is_sent(group); /* it may be over since it was looked at */
    }
    enforcing->telling.count = 0;
}

static bool tell_next(struct bw_enforcing *enforcing, struct bw_instant now,
                      struct bw_enforcing_action *out)
{
    struct bw_enforcing_group *group;

    if (enforcing->telling.phase == BW_TELLING_NONE) {
        if (!enforcing->is_dirty && !bw_instant_right_is_over(now, enforcing->again_at))
            return false;
        begin_telling(enforcing);
    }
    for (;;) {
        group = enforcing->telling.group;
        switch (enforcing->telling.phase) {
        case BW_TELLING_PLACE:
            if (group == NULL || !enforcing->telling.is_taken) {
                enforcing->telling.phase = BW_TELLING_REST;
                break;
            }
            enforcing->telling.phase = BW_TELLING_DEADLINE;
            if (!group->is_reach_unsent || !enforcing->telling.takes_reach)
                break;
            *out = (struct bw_enforcing_action){.kind = BW_ENFORCING_REACH, .group = group};
            return true;
        case BW_TELLING_DEADLINE:
            enforcing->telling.phase = BW_TELLING_PLACE;
            if (tell_deadline(enforcing, now, out))
                return true;
            break;
        case BW_TELLING_REST:
            enforcing->telling.phase = BW_TELLING_END;
            enforcing->telling.over = NULL;
            if (enforcing->telling.is_taken && enforcing->telling.count > 0)
                return hand_out_hold(enforcing, out);
            break;
        case BW_TELLING_END:
            end_telling(enforcing, now);
            if (!enforcing->is_dirty)
                return false;
            begin_telling(enforcing); /* a step between two frames has changed more */
            break;
        case BW_TELLING_NONE:
            return false;
        }
    }
}

/* ---- those before ---------------------------------------------------------------------------- */

/* One that is frozen would hold up every arm for as long as it is. Ours holds what its mirrors say; when it
 * wakes it may end at an old deadline what was renewed since, which is an outage and no more, unless it
 * hears first what it was told. */
static void go_on_without(struct bw_enforcing *enforcing)
{
    enforcing->is_unrelieved_due = true;
    enforcing->is_relieved = true;
    enforcing->is_dirty = true;
}

void bw_enforcing_on_relief(struct bw_enforcing *enforcing, bool are_done, struct bw_instant now)
{
    if (are_done) {
        enforcing->relief = BW_RELIEF_DONE;
        enforcing->relief_at = BW_INSTANT_NEVER;
        enforcing->is_relieved = true;
        enforcing->is_dirty = true;
        return;
    }
    if (++enforcing->relief_looks == RELIEF_LOOKS)
        go_on_without(enforcing);
    enforcing->relief = BW_RELIEF_WAITS;
    enforcing->relief_at = bw_instant_add(
        now, enforcing->relief_looks < RELIEF_LOOKS ? RELIEF_SOON_NS : RELIEF_AGAIN_NS);
}

/* They are relieved once ours holds what their mirrors say, but for the groups that it cannot end
 * yet: of these bw_enforcing_known_epoch tells them nothing, and they go on. */
static bool is_relief_due(const struct bw_enforcing *enforcing, struct bw_instant now)
{
    if (enforcing->relief == BW_RELIEF_WAITS)
        return bw_instant_right_is_over(now, enforcing->relief_at);
    return enforcing->relief == BW_RELIEF_NONE && enforcing->state == BW_ENFORCER_MADE &&
           enforcing->has_sent_all && enforcing->taken == enforcing->sent;
}

/* ---- what is next ---------------------------------------------------------------------------- */

static bool answer_next(struct bw_enforcing *enforcing, struct bw_enforcing_action *out)
{
    if (!enforcing->has_answers)
        return false;
    for (struct bw_enforcing_group *group = enforcing->first; group != NULL; group = group->next) {
        if (!group->is_waiting || !(group->is_refused || bw_enforcing_has(enforcing, group)))
            continue;
        *out = (struct bw_enforcing_action){.kind = BW_ENFORCING_ANSWER,
                                            .group = group,
                                            .number = group->written,
                                            .ok = !group->is_refused};
        group->is_waiting = group->is_refused = false;
        return true;
    }
    enforcing->has_answers = false;
    return false;
}

/* What becomes of the enforcer itself. */
static bool tend_next(struct bw_enforcing *enforcing, struct bw_instant now,
                      struct bw_enforcing_action *out)
{
    if (enforcing->state == BW_ENFORCER_MADE &&
        bw_instant_wait_is_over(now, enforcing->silent_at)) {
        enforcing->silent_at = BW_INSTANT_NEVER; /* frozen it would hold up every arm */
        out->kind = BW_ENFORCING_REPLACE;
        return true;
    }
    if (enforcing->state == BW_ENFORCER_NONE && bw_instant_right_is_over(now, enforcing->make_at)) {
        enforcing->state = BW_ENFORCER_MAKING;
        out->kind = BW_ENFORCING_MAKE;
        return true;
    }
    if (enforcing->state == BW_ENFORCER_MADE && tell_next(enforcing, now, out))
        return true;
    if (enforcing->is_unrelieved_due) {
        enforcing->is_unrelieved_due = false;
        out->kind = BW_ENFORCING_UNRELIEVED;
        return true;
    }
    if (is_relief_due(enforcing, now)) {
        out->kind = BW_ENFORCING_RELIEVE;
        return true;
    }
    return false;
}

bool bw_enforcing_next(struct bw_enforcing *enforcing, struct bw_instant now,
                       struct bw_enforcing_action *out_action)
{
    *out_action = (struct bw_enforcing_action){.group = NULL};
    if (answer_next(enforcing, out_action) || tend_next(enforcing, now, out_action))
        return true;
    if (enforcing->due_count == 0 || enforcing->is_writing)
        return false;
    enforcing->is_writing = true;
    out_action->kind = BW_ENFORCING_WRITE;
    return true;
}

struct bw_instant bw_enforcing_wake(const struct bw_enforcing *enforcing, struct bw_instant now)
{
    struct bw_instant at = bw_instant_min(enforcing->relief_at, enforcing->again_at);

    at = bw_instant_min(at, bw_instant_wait_wake(now, enforcing->silent_at));
    return enforcing->state == BW_ENFORCER_NONE ? bw_instant_min(at, enforcing->make_at) : at;
}
