/* output_reader.h - the process that reads, and drops, what services print to the outputs of the scripts that started
 * them. It outlives the daemon that made it, so that no service dies of SIGPIPE or blocks with that daemon. Design 5.1. */
#ifndef BW_SYS_OUTPUT_READER_H
#define BW_SYS_OUTPUT_READER_H

#include <stdbool.h>

#define BW_OUTPUT_READER_VERB "output-reader"
#define BW_OUTPUT_READER_FD   3 /* a connected SOCK_SEQPACKET: each message brings one descriptor to read */

/* Runs until the other end of that socket is closed and the last output has ended. Ignores every signal that can be
 * ignored. False: that socket is not there. */
bool bw_output_reader_run(void);

#endif
