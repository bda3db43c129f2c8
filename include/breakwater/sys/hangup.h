/* hangup.h - is SIGHUP, by which a terminal ends what was begun at it, to be ignored? Whoever begins a program
 * with nohup, or as a job that outlives its shell, has it inherit that. */
#ifndef BW_SYS_HANGUP_H
#define BW_SYS_HANGUP_H

#include <stdbool.h>

/* Asked before a handler is installed, and before it is blocked to be waited for: either takes it away. */
bool bw_hangup_is_ignored(void);

#endif
