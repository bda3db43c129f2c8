/* program.h - what the files of the enforcer share.
 *
 *   program.c  life, the loop, messages     means.c  the descriptors that end processes at once
 *   finder.c   what may wait: to open a file, to write to cgroup.kill
 *
 * The loop is one thread, on which nothing allocates, opens or waits for anything but its sockets and its timer;
 * the finder has two of its own. */
#ifndef BW_ENFORCER_PROGRAM_H
#define BW_ENFORCER_PROGRAM_H

#include <breakwater/wire/guard_message.h>

/* The descriptors that end one group and let nobody wait: lists and processes. */
struct bw_means {
    uint32_t count;
    int fds[BW_ENFORCER_MEANS_MAX];
    uint8_t kinds[BW_ENFORCER_MEANS_MAX];
};

/* Takes of `fds`, whose kinds `message` names, those of its own kinds, instead of those before. */
void bw_means_replace(struct bw_means *means, const struct bw_enforcer_message *message,
                      const int *fds);
/* One round of SIGKILL to all that they end. */
void bw_means_kill(const struct bw_means *means);

/* False: there can be no such threads. */
bool bw_finder_start(void);
/* Takes of `fds`, whose kinds `message` names, each cgroup.kill, instead of those before. */
void bw_finder_hold(uint32_t group, const struct bw_enforcer_message *message, const int *fds);
/* Takes the paths of `message` instead of those before. */
void bw_finder_tell(uint32_t group, const struct bw_enforcer_message *message);
/* Has them kill what is listed at its paths and below, and all that is in its cgroups or below. Waits for nothing; one
 * that has not been done since it was last asked for is done once. */
void bw_finder_kill(const uint32_t *groups, uint32_t count);
/* Nothing of it is to be ended any more: what has not been begun is not, but for what was asked for since. */
void bw_finder_call_off(uint32_t group);
/* All that was asked for has been done. */
bool bw_finder_is_done(void);

#endif
