/* promises.h - what the analyzer cannot see from the inside of one file: bw_diag_* return the error
 * that they report, never BW_OK. For tests/lint/tidy only, which puts it before every file but
 * diag.c. */
#include <breakwater/base/diag.h>

#define bw_diag_set(diag, err, ...) ((void)bw_diag_set((diag), (err), __VA_ARGS__), (err))
#define bw_diag_wrap(diag, err, ...) ((void)bw_diag_wrap((diag), (err), __VA_ARGS__), (err))
#define bw_diag_errno(diag, os_errno, ...)                                                        \
    ((void)bw_diag_errno((diag), (os_errno), __VA_ARGS__), BW_ERR_IO)
