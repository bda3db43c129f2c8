/* forced.h - may a person end the open epoch now, and if not, why, in words. Private to witness.c.
 * Design 3.1, 4. */
#ifndef BW_CORE_FORCED_H
#define BW_CORE_FORCED_H

#include <breakwater/core/witness.h>

/* BW_OK: the wish may be noted. BW_ERR_EXISTS: what it asks for is so already. */
BW_MUST_CHECK enum bw_err bw_forced_check(const struct bw_witness *witness, int group_index,
                                          const struct bw_wish *wish, struct bw_instant now,
                                          struct bw_diag *diag);

#endif
