/* check_durable.h - what was said, or committed, survives a crash right after it: it is on disk. */
#ifndef BW_SIM_CHECK_DURABLE_H
#define BW_SIM_CHECK_DURABLE_H

#include <breakwater/core/guard.h>

#include "check.h"
#include "checks.h"

/* What the disk of a site's machine holds of its guard; all zero: nothing that can be read. */
void sim_check_read_guard(const struct sim_host *host, uint32_t group,
                          struct bw_guard_memory *out_memory, struct bw_guard_mirror *out_mirror);

/* The highest generation that the disk of a site's machine knows, its agent's or its guard's; 0: none. */
uint64_t sim_check_generation_kept(const struct sim_host *host);
/* That of its guard's disk alone: it welcomes no agent of a lower one. */
uint64_t sim_check_generation_pinned(const struct sim_host *host);

/* A hash of bytes, never 0. */
uint64_t sim_check_hash(const void *bytes, size_t size);
/* This very entry, or a snapshot of a state after it. */
bool sim_check_is_on_disk(const struct sim_raft_disk *disk, uint64_t index, uint64_t term,
                          uint64_t entry_hash);

/* Decisions that were lost with a directory that went back in time, and what a leader does beside a site
 * that knows of them (3.9, claims of the kind AHEAD). */

struct bw_command;
struct bw_group;

/* The directory of one of the two members that decide is copied now, whose libraft is in `term`; and is put back, now, as
 * nobody else is left who has what was decided since. False: the members have changed meanwhile, so it must not be. */
void sim_check_copies(struct sim_world *world, uint64_t term);
bool sim_check_goes_back(struct sim_world *world);

void sim_check_ahead_free(struct sim_checks *checks);

/* This witness has received a sync. */
void sim_check_ahead_hears(struct sim_process *witness, const struct bw_sync *sync);
/* A leader proposes a grant; a command took effect. */
void sim_check_ahead_proposes(struct sim_process *witness, uint32_t group, const struct bw_command *command);
void sim_check_ahead_took_effect(struct sim_process *witness, uint32_t group, const struct bw_command *command);
/* A lost decision that is not committed as a claim yet: nobody hears of what this site serves by it (3.8). */
bool sim_check_ahead_excuses(const struct sim_world *world, uint32_t site, uint32_t group);

#endif
