/* How the run of a slot, and a stop beyond its script, go from one state to the next: two tables. Nothing
 * sets either state elsewhere. */
#include "guard_internal.h"

#include <breakwater/base/assert.h>

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
