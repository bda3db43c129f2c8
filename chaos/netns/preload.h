/* preload.h - the library that makes disks fail and clocks run wrong (fault_preload.c), carried
 * inside of this program: nothing else has to be installed. */
#ifndef BW_CHAOS_PRELOAD_H
#define BW_CHAOS_PRELOAD_H

#include <breakwater/base/diag.h>

BW_MUST_CHECK enum bw_err bw_preload_write(const char *path, struct bw_diag *diag);

#endif
