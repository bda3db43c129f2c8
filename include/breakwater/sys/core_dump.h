/* core_dump.h - the private keys that a process holds are in no core dump. Design 5.3.
 *
 * Two ways, since neither is enough alone. The soft limit of a core becomes 1 byte: so short a file is not
 * written, and a program to which core_pattern pipes is not begun (a limit of 0 does not keep the kernel from
 * that). And no kind of memory goes into one, for hosts where one is made all the same: into a socket, by a hard
 * limit of 0, after somebody raised the limit. Keys are copied by the libraries that use them, so that no
 * part of the memory could be left out alone. A debugger may still attach, and LeakSanitizer. */
#ifndef BW_SYS_CORE_DUMP_H
#define BW_SYS_CORE_DUMP_H

#include <stdbool.h>

/* Once, before a key is read. False: neither could be had. */
bool bw_core_dump_forbid(void);
/* Before another program takes the place of this process, a script in a forked child, say: as it was before, if that was
 * called. Async-signal-safe. */
void bw_core_dump_allow_again(void);

#endif
