/* at_site.h - speaking with a daemon of this machine over its socket: a question to the agent, and
 * what the guard shows. Design 3.4, 3.8. */
#ifndef BW_CLI_AT_SITE_H
#define BW_CLI_AT_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/core/guard_link.h>

/* Waits some seconds for the answer of the agent, a JSON object that is the caller's.
 * BW_ERR_TIMEOUT, and what bw_unix_connect knows. */
BW_MUST_CHECK enum bw_err bw_at_site_ask(const char *path, const json_t *request,
                                         json_t **out_answer, struct bw_diag *diag);

/* `hear` is told what the guard shows of `group`, whose name is "" where there is none. `group`
 * NULL: of each, in the guard's order, and last of none. Takes at most `limit_ms`, also where the
 * guard hangs. BW_ERR_TIMEOUT, BW_ERR_VERSION, BW_ERR_CORRUPT, and what bw_unix_connect knows:
 * nothing of what was heard is to be believed. */
typedef void (*bw_at_site_hear)(const struct bw_guard_message *shown, void *user);
BW_MUST_CHECK enum bw_err bw_at_site_show(const char *path, const char *group, uint32_t limit_ms,
                                          bw_at_site_hear hear, void *user, struct bw_diag *diag);

#endif
