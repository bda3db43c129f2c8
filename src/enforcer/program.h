/* program.h - what the files of the enforcer share.
 *
 *   program.c  life, the loop, messages     means.c  the descriptors that end processes
 *   finder.c   what is opened only at the deadline
 *
 * The loop is one thread, on which nothing allocates, opens or waits for anything but its sockets and its timer;
 * the finder is another. */
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

/* False: there can be no such thread. */
bool bw_finder_start(void);
/* Takes the paths of `message` instead of those before. */
void bw_finder_tell(uint32_t group, const struct bw_enforcer_message *message);
/* Has it look, and kill what it finds. Waits for nothing; one that has not been looked for since it was last asked
 * for is looked for once. */
void bw_finder_kill(const uint32_t *groups, uint32_t count);
/* All that was asked for has been done. */
bool bw_finder_is_done(void);

#endif
