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

/* A generation is 1, one more than the one before, or the second of the clock in which a recovery was made. A machine
 * whose clock is a day off, or in another zone by mistake, may be believed, as in the PKI. */
#define BW_GENERATION_AHEAD_S (25 * 3600)

/* An agent whose clock says `unix_ms` takes the generation `claimed`, which is above its own. Whatever was taken, a
 * recovery that is made so many seconds later is above it by its clock alone. */
bool bw_generation_may_be(uint64_t claimed, int64_t unix_ms);

/* What a recovery adds at least to epochs that its clock is not ahead of: more than were ever granted without its state's
 * knowledge. And when this program was written. */
#define BW_RECOVERY_EPOCHS      1000000
#define BW_RECOVERY_UNIX_MS_MIN INT64_C(1767225600000)

/* So many recoveries in a row by clocks that are not ahead sites follow. */
#define BW_RECOVERIES_AHEAD 10

/* The highest log index, and the highest epoch, that an agent whose clock says `unix_ms` takes from a cluster of its own
 * generation. A recovery begins at the millisecond and the second of its clock, and a log grows by less than a thousand
 * entries a second. So honestly nobody comes there, by whatever clock: one that was set back is no earlier than the
 * generation that it took, nor than this program. At most BW_COUNTER_MAX. */
uint64_t bw_counter_index_last(uint64_t generation, int64_t unix_ms);
uint64_t bw_counter_epoch_last(uint64_t generation, int64_t unix_ms);

/* 3.9: the first term of a new beginning, of which `found` was promised before: above it, if that
 * leaves room (else the first terms again: nobody who knows an old one is heard in the new
 * generation). At least 2. */
uint64_t bw_counter_term_after(uint64_t found);

#endif
