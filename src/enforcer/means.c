/* What ends a group and waits for nobody. */
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
        (void)close(means->fds[i]);
    means->count = 0;
    for (uint32_t i = 0; i < message->means_count; i++) {
        if (message->means[i] == BW_ENFORCER_BY_KILL_FILE)
            continue; /* the finder's */
        means->fds[means->count] = fds[i];
        means->kinds[means->count++] = (uint8_t)message->means[i];
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

static void kill_list(int fd)
{
    static char list[16384]; /* one thread */

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
    for (uint32_t i = 0; i < means->count; i++)
        if (means->kinds[i] == BW_ENFORCER_BY_PIDFD)
            (void)syscall(SYS_pidfd_send_signal, means->fds[i], SIGKILL, NULL, 0); /* it may be gone */
    for (uint32_t i = 0; i < means->count; i++) /* what takes longer comes last */
        if (means->kinds[i] == BW_ENFORCER_BY_PROCS)
            kill_list(means->fds[i]);
}
