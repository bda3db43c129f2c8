#include "program.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS_MAX 8 /* of one KILL, over a list that grows while it is read */

void bw_means_replace(struct bw_means *means, const struct bw_enforcer_message *message,
                      const int *fds)
{
    for (uint32_t i = 0; i < means->count; i++)
        (void)close(means->fds[i]); /* nothing of it is written late */
    means->count = message->means_count;
    for (uint32_t i = 0; i < means->count; i++) {
        means->fds[i] = fds[i];
        means->kinds[i] = (uint8_t)message->means[i];
    }
}

/* KILL to each process of a list as cgroup.procs gives it, one number a line. Returns how many. 0 is a
 * process outside of our pid namespace: kill(0) would be us. */
static size_t kill_listed(const char *list, size_t bytes, pid_t *carry)
{
    size_t count = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (list[i] >= '0' && list[i] <= '9') {
            *carry = *carry * 10 + (list[i] - '0');
            continue;
        }
        if (*carry > 0) {
            (void)kill(*carry, SIGKILL); /* gone meanwhile, or met again in the next round */
            count++;
        }
        *carry = 0;
    }
    return count;
}

static void kill_by_list(int fd)
{
    static _Thread_local char list[16384];

    for (int round = 0; round < ROUNDS_MAX; round++) {
        pid_t carry = 0;
        size_t count = 0;
        ssize_t got;

        if (lseek(fd, 0, SEEK_SET) != 0)
            return; /* its cgroup is gone, and all in it */
        while ((got = read(fd, list, sizeof list)) > 0)
            count += kill_listed(list, (size_t)got, &carry);
        if (count == 0)
            return;
    }
}

void bw_means_kill(const struct bw_means *means)
{
    for (uint32_t i = 0; i < means->count; i++) {
        switch ((enum bw_enforcer_means)means->kinds[i]) {
        case BW_ENFORCER_BY_KILL_FILE:
            (void)!write(means->fds[i], "1", 1); /* fails where the cgroup is gone */
            break;
        case BW_ENFORCER_BY_PIDFD:
            (void)syscall(SYS_pidfd_send_signal, means->fds[i], SIGKILL, NULL, 0); /* likewise */
            break;
        case BW_ENFORCER_BY_PROCS:
        case BW_ENFORCER_MEANS_COUNT:
            break;
        }
    }
    for (uint32_t i = 0; i < means->count; i++) /* what takes longer comes last */
        if (means->kinds[i] == BW_ENFORCER_BY_PROCS)
            kill_by_list(means->fds[i]);
}
