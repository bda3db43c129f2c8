/* outside.h - the sites that a recovered state's spec lacks: the lost witnesses may have granted one of them. Private
 * to core. Design 3.9. Pure. */
#ifndef BW_CORE_OUTSIDE_H
#define BW_CORE_OUTSIDE_H

#include <breakwater/core/sync.h>

#include "claims.h"
#include "gates.h"

/* A site that is not in the spec of the group has reported this of it: a claim by whatever is less than "all is stopped
 * here" (3.8), until the first grant after a recovery. */
void bw_outside_hear(struct bw_watch *watch, const struct bw_group *group, const char *site,
                     const struct bw_contact *contact, uint64_t number, struct bw_instant received);
/* A site that does not follow this generation yet (3.9) counts for nothing but for what it claims: in the spec an override,
 * outside of it whatever it reports. Nobody is granted beside it before it has had the time to report anew. */
void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const struct bw_sync *sync,
                            const struct bw_report *report, struct bw_instant received);
/* A gate that holds a first grant beside the claim of such a site, and, after a recovery, until one has had the time to
 * report to this leader, too. */
void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list);

#endif
