/* looks.h - which of the looks of a site's many groups may begin now. Design 3.4, 5.1. Pure.
 *
 * A look is a run that only observes: status, readiness, condition, verify. When a guard greets, every
 * group wants one in the same instant, and a thousand scripts that are forked at once keep arms and fences
 * from the processor. So no more than BW_LOOKS_AT_ONCE of them are young at a time; the others wait, first
 * come first served. One that has got old (it hangs, or waits for somebody) holds nobody up: what
 * is bounded is how fast they begin, and a site of BW_SITE_GROUPS_MAX groups never falls behind.
 *
 * What starts, stops or fences is none of this queue's: it never waits here. */
#ifndef BW_CORE_LOOKS_H
#define BW_CORE_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>

#define BW_LOOKS_AT_ONCE 32
#define BW_LOOK_YOUNG_NS (100 * BW_NS_PER_MS)

/* Groups are numbers below BW_GROUPS_MAX; each has at most one look that waits or is young. */
struct bw_looks {
    uint32_t waiting_count;
    uint32_t waiting[BW_GROUPS_MAX]; /* groups, the first come first */
    uint32_t young_count;
    struct {
        uint32_t group;
        struct bw_instant until;
    } young[BW_LOOKS_AT_ONCE];
};

void bw_looks_init(struct bw_looks *looks);

/* The look of `group` wants to begin. True: it begins now. False: it waits for bw_looks_next. */
bool bw_looks_ask(struct bw_looks *looks, uint32_t group, struct bw_instant now);
/* It has ended, or nobody wants it any more: it neither waits nor counts. */
void bw_looks_leave(struct bw_looks *looks, uint32_t group);
/* True: `out_group`, which has waited the longest, begins now. False: nobody may, before `out_at`
 * (BW_INSTANT_NEVER: nobody waits). */
bool bw_looks_next(struct bw_looks *looks, struct bw_instant now, uint32_t *out_group,
                   struct bw_instant *out_at);

#endif
