/* check_together.h - what files say of each other that no one of them shows. */
#ifndef BW_CLI_CHECK_TOGETHER_H
#define BW_CLI_CHECK_TOGETHER_H

#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

#include "check_lines.h"

/* The same file, or two site files of one agent: then another's was meant. */
void bw_check_same_file(struct bw_check_lines *lines, const char *file, const char *other_file);
void bw_check_site_pair(struct bw_check_lines *lines, const char *file,
                        const struct bw_site_config *site, const char *other_file,
                        const struct bw_site_config *other);

/* None of the addresses that `file` gives under `key` is where a witness speaks Raft. */
void bw_check_endpoints(struct bw_check_lines *lines, const char *file, const char *key,
                        const char *const *addresses, uint32_t count, const char *witness_file,
                        const struct bw_witness_config *witness);

/* A script is told by its key alone what to do: one for two of them does the wrong thing once. */
void bw_check_script_paths(struct bw_check_lines *lines, const struct bw_group_config *group);
/* Limits of steps beside that of their list. */
void bw_check_steps(struct bw_check_lines *lines, const struct bw_group_config *group);

/* What writes to the database before the witnesses have said that it may, beside what waits for
 * that. */
void bw_check_point(struct bw_check_lines *lines, const struct bw_group_config *group);

/* Where its own loop starts the service: `condition` must not say stop while a leader is elected.
 */
void bw_check_loop(struct bw_check_lines *lines, const char *site,
                   const struct bw_group_config *group, const struct bw_spec *spec,
                   uint32_t election_timeout_ms);

/* Once a group: a site whose service outlives its guard's machine, with nothing in these files that
 * would end it from another one (3.4). */
void bw_check_handover(struct bw_check_lines *lines, const struct bw_spec *spec,
                       const struct bw_site_config *const *sites, size_t count);

#endif
