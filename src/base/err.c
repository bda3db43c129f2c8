#include <breakwater/base/err.h>

const char *bw_err_text(enum bw_err err)
{
    switch (err) {
#define X(name, text)                                                                             \
    case name:                                                                                    \
        return text;
        BW_ERR_LIST(X)
#undef X
    }
    return "an unlisted error";
}

bool bw_err_may_pass(enum bw_err err)
{
    switch (err) {
    case BW_OK:
    case BW_ERR_INVALID:
    case BW_ERR_CORRUPT:
    case BW_ERR_LIMIT: /* longer or more than may be */
    case BW_ERR_NOT_FOUND:
    case BW_ERR_EXISTS:
    case BW_ERR_REFUSED:
    case BW_ERR_AUTH:
    case BW_ERR_OUTDATED:
    case BW_ERR_VERSION:
        return false;
    case BW_ERR_NOMEM:
    case BW_ERR_IO:
    case BW_ERR_BUSY:
    case BW_ERR_STALE:
    case BW_ERR_NOT_LEADER:
    case BW_ERR_UNREACHABLE:
    case BW_ERR_TIMEOUT:
    case BW_ERR_UNKNOWN:
    case BW_ERR_CANCELED:
    case BW_ERR_NO_ROOM:
        return true;
    }
    return false;
}
