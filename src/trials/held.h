/* held.h - may a group be tried here? Not while this machine knows it to be enforced: another site may be granted it,
 * or serve it already, and a trial starts the service without a lease. Design 3.9. */
#ifndef BW_TRIALS_HELD_H
#define BW_TRIALS_HELD_H

#include <stdbool.h>

#include <breakwater/config/site_config.h>

/* What agent and guard of `site` have kept of `group`, which neither may change meanwhile: the caller holds the
 * guard's lock. BW_OK: `*out_is_enforced`; what was never kept is not. Else it cannot be read. */
BW_MUST_CHECK enum bw_err bw_trial_is_enforced(const struct bw_site_config *site, const char *group,
                                               bool *out_is_enforced, struct bw_diag *diag);

#endif
