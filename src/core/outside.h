/* outside.h - the sites that a recovered state's spec lacks: the lost witnesses may have granted one of them. Private
 * to core. Design 3.9. Pure.
 *
 * One note for all of them, of the newest word that is less than "all is stopped here". No word takes it back, only the
 * longest freshness window of any terms without another such word: so none of these sites can hide another, and no sync
 * that was long on its way can end the wait. */
#ifndef BW_CORE_OUTSIDE_H
#define BW_CORE_OUTSIDE_H

#include <breakwater/core/arbiter.h>

#include "gates.h"

/* A site that is not in the spec of the group has said this of it. */
void bw_outside_hear(struct bw_watch *watch, const struct bw_group *group, const char *site,
                     const struct bw_contact *contact, struct bw_instant received);
/* Likewise in an older generation, where whatever it says may be over by its next order. */
void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const char *site,
                            struct bw_instant received);

/* The group is recovered, and one of them has said so within that window. */
bool bw_outside_is_heard(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now);
/* The gate `outside`, where it holds: until nothing of the kind was heard for that window, nor for the group's own since
 * this leader began. */
void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list);

#endif
