/* check_parts.h - a group whose scripts are those of the folder `parts`: what PARTS names is there.
 */
#ifndef BW_CLI_CHECK_PARTS_H
#define BW_CLI_CHECK_PARTS_H

#include <breakwater/config/site_config.h>

#include "check_lines.h"

/* Of this machine. Nothing is said of a group with other scripts. */
void bw_check_parts(struct bw_check_lines *lines, const struct bw_group_config *group);

#endif
