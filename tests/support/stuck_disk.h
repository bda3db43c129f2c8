/* stuck_disk.h - a file system that never answers, as a network file system whose server is away: whoever looks for a
 * file in it stays in state D, beyond SIGKILL, until it is closed or this process has ended. */
#ifndef TEST_STUCK_DISK_H
#define TEST_STUCK_DISK_H

#include <stdbool.h>
#include <sys/types.h>

/* Mounts it at `dir`, which exists, in a mount namespace that this process has alone from now on. Returns the process
 * that serves it; -1: this machine allows none. */
pid_t stuck_disk_open(const char *dir);
/* Whoever waits in it goes on with an error. */
void stuck_disk_close(pid_t server, const char *dir);

#endif
