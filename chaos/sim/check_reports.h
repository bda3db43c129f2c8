/* check_reports.h - what a leader proposes rests on what it has heard (3.3, 3.9). */
#ifndef BW_SIM_CHECK_REPORTS_H
#define BW_SIM_CHECK_REPORTS_H

#include <breakwater/core/sync.h>

#include "check.h"

/* This witness has read a sync, in whatever way it came. */
void sim_check_hears(struct sim_process *witness, const struct bw_sync *sync);
/* It proposes as the leader of `term`, now. */
void sim_check_proposes(struct sim_process *witness, const struct bw_command *command,
                        uint64_t term);
/* A status script begins to look. */
void sim_check_look_begins(struct sim_world *world, uint32_t site, uint32_t group);
/* A group has come to this version of its spec, at some witness. */
void sim_check_spec_changes(struct sim_world *world, uint32_t group, uint64_t version);

#endif
