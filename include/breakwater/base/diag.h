/* diag.h - why something failed, in words for a person: a chain "outer: inner: cause". Pure. */
#ifndef BW_BASE_DIAG_H
#define BW_BASE_DIAG_H

#include <stdarg.h>

#include <breakwater/base/err.h>

#define BW_DIAG_TEXT_BYTES 768

/* Lives in the caller's memory. Start with `struct bw_diag diag = {0};`. A text that does not fit
 * ends in "..." */
struct bw_diag {
    enum bw_err err;
    int os_errno; /* errno of the cause, 0 if none */
    char text[BW_DIAG_TEXT_BYTES];
};

/* Each returns `err` (so: `return bw_diag_set(...)`), and accepts diag == NULL.
 * set: replaces the text. wrap: puts "<new>: " in front of what is there.
 * errno: sets "<new>: <strerror(os_errno)>" and picks the bw_err that fits `os_errno`. */
enum bw_err bw_diag_set(struct bw_diag *diag, enum bw_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum bw_err bw_diag_errno(struct bw_diag *diag, int os_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum bw_err bw_diag_wrap(struct bw_diag *diag, enum bw_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
