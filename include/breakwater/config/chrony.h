/* chrony.h - how fast chrony may turn this machine's clock. Design 3.8: a clock that is slewed runs
 * at another rate, and max_clock_drift_ppm must cover it. */
#ifndef BW_CONFIG_CHRONY_H
#define BW_CONFIG_CHRONY_H

#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_CHRONY_FILE "/etc/chrony/chrony.conf"
#define BW_CHRONY_SLEW_PPM_ABSENT 83334 /* chrony's own limit without `maxslewrate`, rounded up */

/* The limit that chrony's configuration `file` sets (`maxslewrate`, the last one counts), rounded
 * up, or chrony's own. Files that it includes are not read. BW_ERR_NOT_FOUND: there is no such
 * file. BW_ERR_INVALID: its `maxslewrate` is no number. */
BW_MUST_CHECK enum bw_err bw_chrony_slew_ppm(const char *file, uint32_t *out_ppm,
                                             struct bw_diag *diag);

#endif
