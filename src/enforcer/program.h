/* program.h - what the files of the enforcer share.
 *
 *   program.c  life, the loop, messages     means.c  the descriptors that end processes
 *
 * One thread. Nothing here allocates, opens or waits for anything but its sockets and its timer. */
#ifndef BW_ENFORCER_PROGRAM_H
#define BW_ENFORCER_PROGRAM_H

#include <breakwater/wire/enforcer_message.h>

/* The descriptors that end one group. */
struct bw_means {
    uint32_t count;
    int fds[BW_ENFORCER_MEANS_MAX];
    uint8_t kinds[BW_ENFORCER_MEANS_MAX];
};

/* Takes `fds`, whose kinds `message` names, instead of those before. */
void bw_means_replace(struct bw_means *means, const struct bw_enforcer_message *message,
                      const int *fds);
/* One round of SIGKILL to all that they end. */
void bw_means_kill(const struct bw_means *means);

#endif
