/* groups_config.h - groups.yaml (design 5.4): the specs that `apply` sends, or who may do what; replicated then. */
#ifndef BW_CONFIG_GROUPS_CONFIG_H
#define BW_CONFIG_GROUPS_CONFIG_H

#include <stdint.h>

#include <breakwater/config/people_config.h>
#include <breakwater/core/spec.h>

/* One group of the file. */
struct bw_group_wanted {
    struct bw_spec spec;
    const char *version_text; /* as it stands there; NULL: none is named */
    uint64_t version;         /* of the spec that the entry was made from; 0: none is named */
    bool keeps_mode;          /* no mode is named: that of a group that is there stays */
};

struct bw_groups_config {
    struct bw_config_arena arena; /* owns the strings */
    struct bw_group_wanted *groups;
    uint32_t group_count;
    struct bw_people_config people; /* groups or people, not both */
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
