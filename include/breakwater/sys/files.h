/* files.h - how many descriptors a process may have open. A guard needs some for each group, and more
 * while it fences all of them; what it starts must not inherit a limit that nobody gave it. */
#ifndef BW_SYS_FILES_H
#define BW_SYS_FILES_H

#include <stdint.h>

#define BW_FILES_MAX 65536
/* Of each group at the worst moment: timer, an action, an observation and a fence with their pipes. */
#define BW_FILES_PER_GROUP 24

/* Raises this process's limit as far as it is allowed, up to BW_FILES_MAX. Returns how many it may have. */
uint64_t bw_files_raise(void);
/* In a forked child: back to what it was before bw_files_raise, if that was called.
 * Async-signal-safe. */
void bw_files_lower(void);

#endif
