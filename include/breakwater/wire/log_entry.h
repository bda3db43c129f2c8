/* log_entry.h - a command of the replicated log as bytes (proto/log.proto). Design 3.1, 5.3. */
#ifndef BW_WIRE_LOG_ENTRY_H
#define BW_WIRE_LOG_ENTRY_H

#include <breakwater/core/command.h>

/* Writes one frame and zeros up to a multiple of 8 bytes (which the log demands) to `out` of
 * `out_max` bytes; BW_COMMAND_BYTES_MAX are always enough. Fields of other kinds of command are not
 * written. BW_ERR_INVALID: a value that no witness could read again. BW_ERR_LIMIT, BW_ERR_NOMEM.
 * On an error *out_size is untouched, `out` is not. */
BW_MUST_CHECK enum bw_err bw_log_entry_encode(const struct bw_command *command, void *out,
                                              size_t out_max, size_t *out_size,
                                              struct bw_diag *diag);

/* Fields of other kinds of command are zero. BW_ERR_VERSION: whole, but written by a newer
 * breakwater: the witness must stop there, since to skip what others apply makes them differ.
 * BW_ERR_CORRUPT: damaged. BW_ERR_LIMIT: more than BW_COMMAND_BYTES_MAX. BW_ERR_NOMEM. On an error
 * `out_command` is untouched. */
BW_MUST_CHECK enum bw_err bw_log_entry_decode(const void *data, size_t size,
                                              struct bw_command *out_command,
                                              struct bw_diag *diag);
/* Frees what decoding has allocated for the command. */
void bw_log_entry_release(struct bw_command *command);

#endif
