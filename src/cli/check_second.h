/* check_second.h - what a second enforcer needs (3.4): its own file, and that beside its guard's.
 */
#ifndef BW_CLI_CHECK_SECOND_H
#define BW_CLI_CHECK_SECOND_H

#include <breakwater/config/config_kind.h>
#include <breakwater/config/site_config.h>

#include "check.h"

/* Of a file with second_enforcer.agent: what it lacks for a second enforcer. */
void bw_check_second(struct bw_check_lines *lines, const char *file,
                     const struct bw_site_config *site);

/* Of the files of one site, in either order, of which one is a second enforcer's: that it would end
 * what the guard runs. Scripts are read where the scope is HERE. */
void bw_check_second_pair(struct bw_check_lines *lines, enum bw_config_scope scope,
                          const char *file, const struct bw_site_config *site,
                          const char *other_file, const struct bw_site_config *other);

/* Once a group: what `handover_by_time: never` leaves of a second enforcer. */
void bw_check_second_grade(struct bw_check_lines *lines, const struct bw_spec *spec,
                           const struct bw_site_config *const *sites, size_t count);

#endif
