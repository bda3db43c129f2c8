/* What a step of the guard's machine asks for, and may ask of it: everything else rests on this. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

struct bw_guard_action *bw_guard_emit(const struct guard_step *step,
                                      enum bw_guard_action_kind kind, const char *rule)
{
    struct bw_guard_action *action;

    BW_ASSERT(step->out->count < BW_GUARD_ACTIONS_MAX);
    BW_ASSERT(rule != NULL);
    action = &step->out->list[step->out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    action->rule = rule;
    return action;
}

struct bw_guard_message *bw_guard_send(const struct guard_step *step,
                                       enum bw_guard_message_kind kind, uint64_t epoch,
                                       const char *rule)
{
    struct bw_guard_message *message;

    BW_ASSERT(kind >= BW_GUARD_MESSAGE_GROUP_STATE); /* the guard's to say */
    BW_ASSERT(kind != BW_GUARD_MESSAGE_WELCOME_DONE && kind != BW_GUARD_MESSAGE_HELLO_REFUSED);
    if (bw_id_is_none(step->guard->agent.session))
        return NULL;
    message = &bw_guard_emit(step, BW_GUARD_ACTION_SEND, rule)->message;
    message->kind = kind;
    message->epoch = epoch;
    memcpy(message->group, step->guard->group, sizeof message->group);
    return message;
}

void bw_guard_wake(const struct guard_step *step, struct bw_instant at)
{
    if (bw_instant_left_ns(step->now, at) < bw_instant_left_ns(step->now, step->out->wake_at))
        step->out->wake_at = at;
}

void bw_guard_mirror_now(const struct guard_step *step, const char *rule)
{
    bw_guard_emit(step, BW_GUARD_ACTION_MIRROR, rule)->number = ++step->guard->mirror_number;
}

void bw_guard_mirror_for(const struct guard_step *step, enum bw_guard_wait what, const char *rule)
{
    bw_guard_mirror_now(step, rule);
    step->guard->waits[what] = step->guard->mirror_number;
}

bool bw_guard_waits(const struct bw_guard *guard, enum bw_guard_wait what)
{
    return guard->waits[what] != 0;
}

void bw_guard_wait_no_more(struct bw_guard *guard, enum bw_guard_wait what)
{
    guard->waits[what] = 0;
}

bool bw_guard_is_wait_over(struct bw_guard *guard, enum bw_guard_wait what, uint64_t number)
{
    if (!bw_guard_waits(guard, what) || number < guard->waits[what])
        return false;
    bw_guard_wait_no_more(guard, what);
    return true;
}

struct bw_guard_memory *bw_guard_change_memory(struct bw_guard *guard)
{
    BW_ASSERT(guard->wants == BW_GUARD_WANTS_NOTHING); /* one SAVE at a time: it says what is durable */
    guard->memory_before = guard->memory;
    return &guard->memory;
}

void bw_guard_save(const struct guard_step *step, enum bw_guard_wants wants, const char *rule)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(wants != BW_GUARD_WANTS_NOTHING);
    BW_ASSERT(guard->wants == BW_GUARD_WANTS_NOTHING);
    BW_ASSERT(guard->memory.epoch_seen >= guard->memory_before.epoch_seen);   /* I2 */
    BW_ASSERT(guard->memory.ended_epoch >= guard->memory_before.ended_epoch); /* 3.4: from then on */
    guard->wants = wants;
    (void)bw_guard_emit(step, BW_GUARD_ACTION_SAVE, rule);
}

void bw_guard_save_is_over(struct bw_guard *guard)
{
    guard->wants = BW_GUARD_WANTS_NOTHING;
}

bool bw_guard_is_armed(const struct bw_guard *guard)
{
    return guard->mirror.armed_epoch != 0;
}

bool bw_guard_is_manual(const struct bw_guard *guard)
{
    return guard->mirror.armed_serial != 0;
}

struct bw_instant bw_guard_window(const struct bw_guard *guard)
{
    return bw_instant_sub(guard->mirror.armed_end, guard->mirror.fence_ns);
}

void bw_guard_refuse_epoch(const struct guard_step *step, enum bw_guard_message_kind kind,
                           uint64_t epoch, uint64_t number, enum bw_refusal why, const char *rule)
{
    struct bw_guard_message *message = bw_guard_send(step, kind, epoch, rule);

    if (message == NULL)
        return;
    message->refused.number = number;
    message->refused.why = why;
}

bool bw_guard_is_foreign_instance(const struct bw_guard *guard, uint64_t epoch)
{
    return epoch == guard->memory.epoch_seen && !bw_id_is_none(guard->memory.instance) &&
           !bw_id_equal(guard->memory.instance, guard->agent.instance);
}

bool bw_guard_is_fencing(const struct bw_guard *guard)
{
    switch (guard->fence) {
    case BW_FENCE_SCRIPT:
    case BW_FENCE_CHECK:
    case BW_FENCE_TERM:
    case BW_FENCE_KILL:
    case BW_FENCE_RECHECK:
        return true;
    case BW_FENCE_NONE:
    case BW_FENCE_DONE:
    case BW_FENCE_FAILED:
        break;
    }
    return false;
}

uint32_t bw_guard_fence_bound_ms(const struct bw_guard_limits *limits)
{
    const enum bw_action_kind action =
        limits->has_script[BW_ACTION_FENCE] ? BW_ACTION_FENCE : BW_ACTION_STOP;
    const uint64_t ms = bw_ns_to_ms(limits->timeout_ns[action]);

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* ---- slots ---- */

/* How the run of a slot, and a stop beyond its script, go from one state to the next: two tables. Nothing
 * sets either state elsewhere. */

/* ---- a run: one action, one observation, and the guard's own fence (3.4) --------------------- */

/* clang-format off */
/*    from        event     to                                                                        */
#define SLOT_MOVES(X)                                                                             \
    X(FREE,      SPAWN,  SPAWNING)                                                                \
    X(SPAWNING,  MIRROR, MIRRORING) /* what may begin to serve: mirrored before it goes (H11) */  \
    X(SPAWNING,  GO,     RUNNING)   /* what ends a service, or only looks, waits for no mirror */ \
    X(MIRRORING, GO,     RUNNING)                                                                 \
    X(SPAWNING,  KILL,   ENDING)    /* it gets no go-ahead any more */                            \
    X(MIRRORING, KILL,   ENDING)                                                                  \
    X(RUNNING,   KILL,   ENDING)                                                                  \
    X(SPAWNING,  END,    FREE)      /* it could not be begun */                                   \
    X(MIRRORING, END,    FREE)                                                                    \
    X(RUNNING,   END,    FREE)                                                                    \
    X(ENDING,    END,    FREE)
/* clang-format on */

/* A pair without a row is a bug. */
static const struct {
    bool is_allowed;
    enum bw_slot_state to;
} slot_moves[BW_SLOT_STATE_COUNT][BW_SLOT_EVENT_COUNT] = {
#define X(from, event, to) [BW_SLOT_##from][BW_SLOT_EVENT_##event] = {true, BW_SLOT_##to},
    SLOT_MOVES(X)
#undef X
};

_Static_assert(BW_SLOT_FREE == 0, "a machine that begins has free slots");

void bw_guard_slot_move(struct bw_guard *guard, enum bw_guard_slot slot, enum bw_slot_event event)
{
    struct bw_guard_run_slot *of = &guard->slots[slot];

    BW_ASSERT(of->state < BW_SLOT_STATE_COUNT);
    BW_ASSERT(slot_moves[of->state][event].is_allowed);
    of->state = slot_moves[of->state][event].to;
}

/* ---- a stop: what waits for it, and what it waits for (3.2.4, 4) ------------------------------ */

/* clang-format off */
/*    from      event   to                                                                            */
#define STOP_MOVES(X)                                                                             \
    X(NONE,     WAIT,  WAITING)  /* for what it, or a fence before it, has killed */              \
    X(NONE,     CHECK, CHECKING)                                                                  \
    X(NONE,     KILL,  KILLING)                                                                   \
    X(KILLING,  CHECK, CHECKING)                                                                  \
    X(AGAIN,    CHECK, CHECKING)                                                                  \
    X(CHECKING, AGAIN, AGAIN)                                                                     \
    X(NONE,     OVER,  NONE)                                                                      \
    X(WAITING,  OVER,  NONE)     /* it begins, or a fence ends it */                              \
    X(KILLING,  OVER,  NONE)                                                                      \
    X(CHECKING, OVER,  NONE)                                                                      \
    X(AGAIN,    OVER,  NONE)
/* clang-format on */

static const struct {
    bool is_allowed;
    enum bw_guard_stop to;
} stop_moves[BW_GUARD_STOP_COUNT][BW_STOP_EVENT_COUNT] = {
#define X(from, event, to)                                                                        \
    [BW_GUARD_STOP_##from][BW_STOP_EVENT_##event] = {true, BW_GUARD_STOP_##to},
    STOP_MOVES(X)
#undef X
};

_Static_assert(BW_GUARD_STOP_NONE == 0, "a machine that begins has no stop under way");

void bw_guard_stop_move(struct bw_guard *guard, enum bw_stop_event event)
{
    BW_ASSERT(guard->stop < BW_GUARD_STOP_COUNT);
    BW_ASSERT(stop_moves[guard->stop][event].is_allowed);
    guard->stop = stop_moves[guard->stop][event].to;
}
