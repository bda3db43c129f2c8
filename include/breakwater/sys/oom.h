/* oom.h - out of memory, the kernel ends others first: who enforces must be the last to go. Its
 * scripts, and the service they start, must not inherit that. */
#ifndef BW_SYS_OOM_H
#define BW_SYS_OOM_H

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Sets this process's oom_score_adj to -1000, for which it must be root (BW_ERR_REFUSED or so: it
 * stays as it was). */
BW_MUST_CHECK enum bw_err bw_oom_protect(struct bw_diag *diag);
/* In a forked child: back to what it was before bw_oom_protect, if that was called.
 * Async-signal-safe. */
void bw_oom_unprotect(void);

#endif
