/* counters.h - how far numbers that only grow may go: at all, and at once. Design 3.9. Pure.
 *
 * Raft takes the highest term that anybody names, durably, and nothing takes it back: one forged
 * message with the last of all terms would leave no election to anybody, ever. */
#ifndef BW_CORE_COUNTERS_H
#define BW_CORE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Of terms, indexes, epochs and generations: 2^62. Above it is as much room again: what is added to
 * one never comes round to 0. */
#define BW_COUNTER_MAX (UINT64_C(1) << 62)

/* What one word of another witness adds at most to the own term, and to the end of the own log. An
 * election adds one to the term; of seven witnesses, each standing every second, and none ever
 * elected, 2^32 are 19 years. 2^40 entries are 34 years with a thousand in each second. So it is
 * met neither by a member that was cut off for years nor by one that is old; and to reach
 * BW_COUNTER_MAX in such steps takes 2^30 messages, each of which waits for the disk. */
#define BW_TERM_JUMP_MAX  (UINT64_C(1) << 32)
#define BW_INDEX_JUMP_MAX (UINT64_C(1) << 40)

/* `claimed` is believed beside the `own`. Who has none yet (0: its log is empty, it joins) takes
 * any up to BW_COUNTER_MAX: the cluster may have been led astray before, and has to be joined all
 * the same. */
bool bw_counter_may_follow(uint64_t own, uint64_t claimed, uint64_t jump_max);

/* A generation is 1, or that of a recovery: the one before + LEAP + as many random bits. It names its numbers: indexes begin
 * at INDEX_FIRST and epochs at EPOCH_FIRST, and both end before those of any generation that a recovery makes of it. So
 * two recoveries that know nothing of each other share no number, but for a chance of one in LEAP, and of both the
 * higher one is higher in all of them. No clock has a part in it.
 *
 * Honestly nobody comes to the end: a thousand entries a second take 8 years for 2^38, a grant in each 5 s takes
 * 2.6 years for 2^24. The numbers of a first recovery are below those that clocks gave, so agents of a release of before
 * follow it. */
#define BW_GENERATION_LEAP (UINT64_C(1) << 24)
#define BW_GENERATION_MAX  ((BW_COUNTER_MAX >> 14) - (UINT64_C(1) << 25))

/* One answer adds at most this to the generation that an agent has: a hundred recoveries that the agent missed. */
#define BW_GENERATION_JUMP_MAX (UINT64_C(1) << 32)

/* An agent of the generation `own` (0: none yet) takes `claimed`, which is above it. */
bool bw_generation_may_follow(uint64_t own, uint64_t claimed);

/* The numbers of `generation` (at most BW_GENERATION_MAX). A site takes none that is above the last. */
uint64_t bw_counter_index_first(uint64_t generation);
uint64_t bw_counter_index_last(uint64_t generation);
uint64_t bw_counter_epoch_first(uint64_t generation);
uint64_t bw_counter_epoch_last(uint64_t generation);

/* The generation of a recovery: above `before`, and above each whose numbers these may be. `chance`: any bits, of which
 * those below LEAP count. 0: there is none left. */
uint64_t bw_generation_after(uint64_t before, uint64_t index, uint64_t epoch, uint64_t chance);

/* 3.9: the first term of a new beginning, of which `found` was promised before: above it, if that
 * leaves room (else the first terms again: nobody who knows an old one is heard in the new
 * generation). At least 2. */
uint64_t bw_counter_term_after(uint64_t found);

#endif
