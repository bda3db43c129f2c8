/* shell_outcome.h - what a command of the shell has printed, and how it has ended. */
#ifndef BW_TEST_SHELL_OUTCOME_H
#define BW_TEST_SHELL_OUTCOME_H

#include <stddef.h>

/* Runs `command`, and returns its exit status. `out` gets its standard output, at most `size` - 1 bytes, and a NUL. Fails
 * the running test if the command did not end by itself. */
int outcome_of(const char *command, char *out, size_t size);

#endif
