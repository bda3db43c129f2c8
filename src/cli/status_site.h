/* status_site.h - what the guard of this machine knows, without any witness. Design 3.4, 5.2. */
#ifndef BW_CLI_STATUS_SITE_H
#define BW_CLI_STATUS_SITE_H

#include "exit.h"
#include "options.h"

/* Prints it, of `group` or of all (NULL). Fine; WARNINGS: something is worth a look; NO_QUORUM: the
 * guard does not answer, which is said. */
enum bw_exit bw_status_site(const char *socket, const char *group, enum bw_output output);

#endif
