#include "exit.h"

enum bw_exit bw_exit_of_err(enum bw_err err)
{
    switch (err) {
    case BW_OK:
        return BW_EXIT_FINE;
    case BW_ERR_REFUSED:
        return BW_EXIT_UNSAFE;
    case BW_ERR_NOT_LEADER:
    case BW_ERR_UNREACHABLE:
    case BW_ERR_TIMEOUT:
        return BW_EXIT_NO_QUORUM;
    case BW_ERR_UNKNOWN:
        return BW_EXIT_UNKNOWN;
    case BW_ERR_INVALID:
    case BW_ERR_CORRUPT:
    case BW_ERR_LIMIT:
    case BW_ERR_NOMEM:
    case BW_ERR_IO:
    case BW_ERR_NOT_FOUND:
    case BW_ERR_EXISTS:
    case BW_ERR_BUSY:
    case BW_ERR_STALE:
    case BW_ERR_AUTH:
    case BW_ERR_CANCELED:
    case BW_ERR_NO_ROOM:
    case BW_ERR_OUTDATED:
    case BW_ERR_VERSION:
        return BW_EXIT_FAILED;
    }
    return BW_EXIT_FAILED;
}
