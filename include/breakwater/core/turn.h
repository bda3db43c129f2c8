/* turn.h - the one driver of a machine's actions: one at a time, in order, an answer in its place. Pure.
 *
 * A step fills a list of actions. Some are answered where they stand (a SPAWN by SPAWNED): the answer is a
 * step too, and what it asks for comes before what stands behind the action that it answers. So lists nest.
 * Who drives keeps one list of its machine's actions for each depth; here is which of them comes next. It
 * hands out one action and returns: a process may die or stand still between any two. */
#ifndef BW_CORE_TURN_H
#define BW_CORE_TURN_H

#include <stdbool.h>
#include <stdint.h>

#define BW_TURN_DEPTH_MAX 16

/* All zero: nothing is under way. */
struct bw_turn {
    uint32_t depth; /* lists that are not carried out to their end */
    struct {
        uint32_t count;
        uint32_t next;
    } lists[BW_TURN_DEPTH_MAX];
};

/* The list that the next step is to fill; bw_turn_filled follows at once. */
uint32_t bw_turn_begin(const struct bw_turn *turn);
void bw_turn_filled(struct bw_turn *turn, uint32_t count);
/* True: action `out_action` of list `out_list` is next. False: all that was asked for was carried out. */
bool bw_turn_next(struct bw_turn *turn, uint32_t *out_list, uint32_t *out_action);

#endif
