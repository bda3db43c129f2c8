/* check_log.h - a command changes only what it names (3.1). */
#ifndef BW_SIM_CHECK_LOG_H
#define BW_SIM_CHECK_LOG_H

#include <breakwater/core/cluster.h>

#include "check.h"

/* A group just before a command is applied. */
struct sim_group_before {
    bool is_there, is_open;
    uint64_t epoch, spec_version;
    uint64_t named_epoch; /* the highest of those that sites know, and that were lost (3.9); or `epoch` */
};
void sim_group_keep(const struct bw_cluster *cluster, const char *group,
                    struct sim_group_before *out_before);
/* The command has changed its group. */
void sim_check_took_effect(struct sim_process *witness, const struct bw_command *command,
                           const struct sim_group_before *before);

#endif
