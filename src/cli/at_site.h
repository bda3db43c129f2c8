/* at_site.h - one question to the agent of this machine, over its socket. Design 3.8. */
#ifndef BW_CLI_AT_SITE_H
#define BW_CLI_AT_SITE_H

#include <jansson.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

/* Waits some seconds for the answer, a JSON object that is the caller's. BW_ERR_TIMEOUT, and what
 * bw_unix_connect knows. */
BW_MUST_CHECK enum bw_err bw_at_site_ask(const char *path, const json_t *request,
                                         json_t **out_answer, struct bw_diag *diag);

#endif
