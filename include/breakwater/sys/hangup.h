/* hangup.h - the signals that a program is begun with: is SIGHUP, by which a terminal ends what was begun at it, to be ignored? Whoever begins a program
 * with nohup, or as a job that outlives its shell, has it inherit that. */
#ifndef BW_SYS_HANGUP_H
#define BW_SYS_HANGUP_H

#include <stdbool.h>

/* Asked before a handler is installed, and before it is blocked to be waited for: either takes it away. */
bool bw_hangup_is_ignored(void);

/* In a child, which is born with what its parent has blocked. Async-signal-safe. */
void bw_signals_unblock(void);

#endif
