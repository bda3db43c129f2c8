/* process_memory.h - how much a process holds. */
#ifndef TEST_PROCESS_MEMORY_H
#define TEST_PROCESS_MEMORY_H

#include <sys/types.h>

/* KiB of its own (RssAnon of /proc/PID/status), more than 0; it has to run. */
long process_memory_kib(pid_t pid);

#endif
