/* notify.h - tells the service manager how we are: sd_notify(3), without its library. */
#ifndef BW_SYS_NOTIFY_H
#define BW_SYS_NOTIFY_H

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Sends `state` ("READY=1", "STOPPING=1", "STATUS=...") to $NOTIFY_SOCKET, which scripts do not
 * inherit: the first call takes it out of the environment. Without one, nothing happens, with BW_OK.
 * Never blocks. */
BW_MUST_CHECK enum bw_err bw_notify(const char *state, struct bw_diag *diag);

#endif
