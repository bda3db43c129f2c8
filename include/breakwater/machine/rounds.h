/* rounds.h - what is to be written, in rounds: one at a time, and all that waits goes with the next. Pure.
 *
 * A disk takes many in little more time than one. What is asked for while a round is under way, or while what
 * it has written is answered, waits for the next; who has waited the longest goes first, so none waits for
 * ever. Items are the caller's; each is in at most one round, or waits, until it was taken. */
#ifndef BW_MACHINE_ROUNDS_H
#define BW_MACHINE_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>

struct bw_round_item {
    void *owner; /* the caller's */
    struct bw_round_item *next;
    bool is_waiting;
};

/* All zero: nothing waits. */
struct bw_rounds {
    struct bw_round_item *first;
    struct bw_round_item *last;
    bool is_writing; /* until all that it has written was answered */
};

/* It is not waiting. */
void bw_rounds_ask(struct bw_rounds *rounds, struct bw_round_item *item);
/* True: a round begins now; bw_rounds_take what goes with it. */
bool bw_rounds_begin(struct bw_rounds *rounds);
/* The next of the round that has begun; NULL: no other waits. What is not taken waits on. */
struct bw_round_item *bw_rounds_take(struct bw_rounds *rounds);
/* It is written, and all of it was answered. */
void bw_rounds_end(struct bw_rounds *rounds);

#endif
