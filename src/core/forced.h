/* forced.h - may a person end the open epoch now, and if not, why, in words. Private to witness.c.
 * Design 3.1, 4. */
#ifndef BW_CORE_FORCED_H
#define BW_CORE_FORCED_H

#include <breakwater/core/witness.h>

/* BW_OK: the wish may be noted. BW_ERR_EXISTS: what it asks for is so already. */
BW_MUST_CHECK enum bw_err bw_forced_check(const struct bw_witness *witness, int place,
                                          const struct bw_wish *wish, struct bw_instant now,
                                          struct bw_diag *diag);

/* The newest report of the holder's site is another instance's, and that of the holder's is no longer
 * fresh: its state is lost or was replaced. Only an epoch's own instance gives it back (3.5, 3.7). */
bool bw_forced_is_lost(const struct bw_group *group, const struct bw_watch *watch);

/* Says that time does not end the open epoch, and the only way; always BW_ERR_REFUSED. */
BW_MUST_CHECK enum bw_err bw_forced_refuse_waiting(const struct bw_group *group,
                                                   const struct bw_end_waits *waits,
                                                   struct bw_diag *diag);

#endif
