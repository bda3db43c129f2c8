/* at_site.h - speaking with a daemon of this machine over its socket: a question to the agent, and
 * what the guard shows. Design 3.4, 3.8. */
#ifndef BW_CLI_AT_SITE_H
#define BW_CLI_AT_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <breakwater/agent/agent.h>
#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/guard_link.h>

#include "options.h"
#include "verbs.h"

/* `hear` is told what the guard shows of `group`, whose name is "" where there is none. `group`
 * NULL: of each, in the guard's order, and last of none. Takes at most `limit_ms`, also where the
 * guard hangs. BW_ERR_TIMEOUT, BW_ERR_VERSION, BW_ERR_CORRUPT, and what bw_unix_connect knows:
 * nothing of what was heard is to be believed. */
typedef void (*bw_at_site_hear)(const struct bw_guard_message *shown, void *user);
BW_MUST_CHECK enum bw_err bw_at_site_show(const char *path, const char *group, uint32_t limit_ms,
                                          bw_at_site_hear hear, void *user, struct bw_diag *diag);

/* ---- a verb that an operator types at the machine of a site, about one group ---- */

struct bw_at_site {
    const struct bw_cli_command *command;
    const char *group;
    const struct bw_site_config *config; /* while bw_at_site_run calls */
    char path[BW_AGENT_SOCKET_BYTES];    /* of its agent's socket; likewise */
};

/* True if `file` (-c FILE) is given and the group has a name. False: it was said, and the verb ends with BW_EXIT_USAGE. */
bool bw_at_site_is_named(const struct bw_at_site *at, const char *file);
/* Reads the site file, calls `go` and returns what that returns. `is_unasked`: nobody has to confirm anything. */
enum bw_exit bw_at_site_run(struct bw_at_site *at, const char *file, bool is_unasked, enum bw_exit (*go)(const void *run),
                            const void *run);
/* Returns the request of `verb`, which says who asks; the caller's. NULL: it was said why. */
json_t *bw_at_site_request(const struct bw_at_site *at, const char *verb, const char *reason);
/* Asks the agent, and takes `request` over (NULL: asks nothing). NULL: the agent did not answer, which `diag` then says, or
 * it was said why. */
json_t *bw_at_site_answer(const struct bw_at_site *at, json_t *request, struct bw_diag *diag);

/* Does this site follow a witness? As its agent says, over its socket. Design 3.9. */

#define BW_FOLLOWED_TEXT_BYTES 1024
#define BW_WITNESSES_SILENT_MS 5000 /* a leader that changes takes less */

/* Returns what the agent at `path` reports of the witnesses, to be released by the caller; NULL: the agent does not answer, or
 * its release is older. */
json_t *bw_followed_ask(const char *path);
/* True: witnesses answer, it drops what they say, and no leader is heard. Then `out_what` says why, with the
 * generations, and `out_fix` what to do, in lines that `before` begins. */
bool bw_followed_is_none(const json_t *answer, const char *before, char out_what[BW_FOLLOWED_TEXT_BYTES],
                         char out_fix[BW_FOLLOWED_TEXT_BYTES]);

#endif
