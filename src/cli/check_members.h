/* check_members.h - the witnesses of a site file against the members that a leader told its agent of. */
#ifndef BW_CLI_CHECK_MEMBERS_H
#define BW_CLI_CHECK_MEMBERS_H

#include <breakwater/config/site_config.h>

#include "check_lines.h"

/* Nothing, if that agent has kept none (design 3.9). */
void bw_check_members(struct bw_check_lines *lines, const char *file,
                      const struct bw_site_config *config);
/* A failure, if this site's agent drops what all that answer say, with the generations and the way out (3.9). */
void bw_check_followed(struct bw_check_lines *lines, const struct bw_site_config *config);

#endif
