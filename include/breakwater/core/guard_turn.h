/* guard_turn.h - one step of a group's machine at a guard, and all that follows from it in its place. Pure. */
#ifndef BW_CORE_GUARD_TURN_H
#define BW_CORE_GUARD_TURN_H

#include <breakwater/core/guard.h>
#include <breakwater/core/turn.h>

/* All zero: nothing is under way. One of a guard serves all its groups: their steps never nest. */
struct bw_guard_turn {
    struct bw_turn turn;
    struct bw_guard_actions lists[BW_TURN_DEPTH_MAX];
    struct bw_instant wake_at; /* of the newest step */
};

/* A step: an event, or the answer to the action that was handed out last. */
void bw_guard_turn_step(struct bw_guard_turn *turn, struct bw_guard *guard,
                        const struct bw_guard_event *event, struct bw_instant now);
/* What is to be carried out now, valid until the next call; NULL: nothing is left of the turn. */
const struct bw_guard_action *bw_guard_turn_next(struct bw_guard_turn *turn);
/* At the end of a turn: when the machine wants its next TICK. One that waits for an instant that only one
 * clock has reached (after a suspend the two are far apart) is asked again soon, not without pause. */
struct bw_instant bw_guard_turn_wake(const struct bw_guard_turn *turn, struct bw_instant now);

#endif
