/* groups_config.h - groups.yaml (design 5.4): the specs that `apply` sends; replicated then. */
#ifndef BW_CONFIG_GROUPS_CONFIG_H
#define BW_CONFIG_GROUPS_CONFIG_H

#include <stdint.h>

#include <breakwater/config/schema.h>
#include <breakwater/core/spec.h>

struct bw_groups_config {
    struct bw_config_arena arena; /* owns the strings */
    struct bw_spec *groups;
    uint32_t group_count;
};

extern const struct bw_table bw_groups_config_table;

/* Loads FILE and checks every spec with bw_spec_check, each problem at the line of its key.
 * `election_timeout_ms` is the cluster's, 0 when it is not known here: then the witnesses check the
 * inequality that needs it. As bw_witness_config_load. */
BW_MUST_CHECK enum bw_err bw_groups_config_load(const char *file, uint32_t election_timeout_ms,
                                                struct bw_groups_config **out_config,
                                                struct bw_problems *problems);
/* Accepts NULL. */
void bw_groups_config_free(struct bw_groups_config *config);

#endif
