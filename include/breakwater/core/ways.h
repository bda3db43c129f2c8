/* ways.h - from which boots of a site, and by which ways, the renewals of an epoch were confirmed:
 * whose word ends it, and from when. Design 3.5. Pure.
 *
 * A give-back is believed at once only of the one who can hold the lease. A copy of the machine, a
 * second agent of the site, or a witness that passes syncs on, could otherwise give back what the
 * holder still renews. Nobody's renewals are refused for it. */
#ifndef BW_CORE_WAYS_H
#define BW_CORE_WAYS_H

#include <breakwater/core/expiry.h>
#include <breakwater/core/group.h>
#include <breakwater/core/report.h>

/* How a renewal came. */
struct bw_way {
    struct bw_id boot_id;
    uint64_t relayed_by; /* id of the witness that passed it on; 0: directly */
};
#define BW_WAYS_MAX 16

/* By which ways this leader confirmed renewals of one epoch; volatile. */
struct bw_ways {
    uint32_t count;
    struct {
        struct bw_way way;
        struct bw_instant last; /* receipt of the last one that was confirmed */
    } renewed[BW_WAYS_MAX];
    struct bw_instant last_beyond; /* of the ways for which there was no place: another one than any
                                      that speaks */
};

/* A renewal that came by `way` at `received` is confirmed. True: the first by this way. */
bool bw_ways_note(struct bw_ways *ways, const struct bw_way *way, struct bw_instant received);

/* What a leader knows of an epoch's renewals. */
struct bw_ways_known {
    const struct bw_group *group;
    const struct bw_ways *ways; /* of group->epoch; zeros: none was confirmed in this term */
    struct bw_instant leader_since;
    bool was_granted_here; /* this leader granted the epoch: nobody else confirmed anything of it */
};

/* The last instant at which anybody but the boot of `contact` (and, where its word was passed on, by any
 * other way than its words came) may have been confirmed to hold the epoch: the wait of 3.3 is counted
 * from there. False: nobody else can hold it, and there is nothing to wait for. */
bool bw_ways_others_since(const struct bw_ways_known *known, const struct bw_contact *contact,
                          struct bw_instant *out_since);
/* The same, of other boots alone, for one that asks to have its first renewal confirmed. */
bool bw_ways_other_boots_since(const struct bw_ways_known *known, struct bw_id boot_id,
                               struct bw_instant *out_since);

/* The give-back of `contact` came directly, or through two witnesses: not on the word of one alone, whose
 * key may be another's. */
bool bw_ways_is_vouched(const struct bw_contact *contact);

/* Who passed on the words of `contact` that count: its give-back, else its newest; 0: nobody. */
uint64_t bw_ways_relayed_by(const struct bw_contact *contact);

/* A renewal of this boot may be confirmed: it was committed, and none since. */
bool bw_ways_may_renew(const struct bw_group *group, struct bw_id boot_id);
/* `contact` came directly, from the only boot that ever renewed the group's newest epoch. */
bool bw_ways_is_sole_holder(const struct bw_group *group, const struct bw_contact *contact);

#endif
