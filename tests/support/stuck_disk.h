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

/* A process for whose environment /proc never answers, as for one whose memory map is held by who waits for such a
 * disk. Whoever asks waits until it is closed, or is killed: there, too, SIGKILL is answered. Nobody outside of the
 * mount namespace that this process has alone from now on is held up. */
struct stuck_process {
    pid_t pid;
    int fd; /* of the file system whose one file is that environment */
};
/* False: this machine allows none. */
bool stuck_process_open(struct stuck_process *out);
/* Accepts one that could not be opened, and one that is closed. */
void stuck_process_close(struct stuck_process *process);

#endif
