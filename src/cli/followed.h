/* followed.h - does this site follow a witness? As its agent says, over its socket. Design 3.9. */
#ifndef BW_CLI_FOLLOWED_H
#define BW_CLI_FOLLOWED_H

#include <stdbool.h>

#include <jansson.h>

#define BW_FOLLOWED_TEXT_BYTES 1024

/* Returns what the agent at `path` reports of the witnesses, to be released by the caller; NULL: the agent does not answer, or
 * its release is older. */
json_t *bw_followed_ask(const char *path);
/* True: witnesses answer, it drops what they say, and no leader is heard. Then `out_what` says why, with the
 * generations, and `out_fix` what to do, in lines that `before` begins. */
bool bw_followed_is_none(const json_t *answer, const char *before, char out_what[BW_FOLLOWED_TEXT_BYTES],
                         char out_fix[BW_FOLLOWED_TEXT_BYTES]);

#endif
