/* guard_message.h - a message between agent and guard as bytes (proto/guard.proto). Design 3.4. Not
 * framed: the socket's messages (sys/unix_socket.h) have length and checksum. */
#ifndef BW_WIRE_GUARD_MESSAGE_H
#define BW_WIRE_GUARD_MESSAGE_H

#include <breakwater/core/guard_link.h>

#define BW_GUARD_MESSAGE_BYTES_MAX 2048

/* `out` NULL: only *out_size. Only the member of its kind is written. BW_ERR_INVALID: a value that
 * could not be read again; `group` is set exactly where the kind is about a group. BW_ERR_LIMIT,
 * BW_ERR_NOMEM. On an error *out_size is untouched, `out` is not. */
BW_MUST_CHECK enum bw_err bw_guard_message_encode(const struct bw_guard_message *message, void *out,
                                                  size_t out_max, size_t *out_size,
                                                  struct bw_diag *diag);

/* BW_ERR_VERSION: an unknown kind or value, or a newer format; unknown fields are ignored.
 * BW_ERR_CORRUPT, BW_ERR_LIMIT, BW_ERR_NOMEM. On an error `out_message` is untouched. */
BW_MUST_CHECK enum bw_err bw_guard_message_decode(const void *data, size_t size,
                                                  struct bw_guard_message *out_message,
                                                  struct bw_diag *diag);

#endif
