/* chrony.h - how fast chrony may turn this machine's clock. Design 3.8: a clock that is slewed runs
 * at another rate, and max_clock_drift_ppm must cover it. */
#ifndef BW_CONFIG_CHRONY_H
#define BW_CONFIG_CHRONY_H

#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_CHRONY_FILE "/etc/chrony/chrony.conf"
#define BW_CHRONY_SLEW_PPM_ABSENT 83334 /* chrony's own limit without `maxslewrate`, rounded up */

#define BW_CHRONY_PATH_BYTES      512

struct bw_chrony_slew {
    uint32_t ppm;
    char file[BW_CHRONY_PATH_BYTES]; /* where the `maxslewrate` stands that counts; "": nowhere */
};

/* The limit that chrony's configuration `file` sets, rounded up, or chrony's own. The last `maxslewrate` counts, also of
 * the files that it includes (`include`, `confdir`), each where the line stands that includes it. BW_ERR_NOT_FOUND: one
 * of them is not there. BW_ERR_INVALID: a `maxslewrate` is no number, or what is included is no file. BW_ERR_LIMIT: more
 * are included than is looked at. */
BW_MUST_CHECK enum bw_err bw_chrony_slew(const char *file, struct bw_chrony_slew *out_slew, struct bw_diag *diag);

#endif
