/* outlook.h - what `status` says of a group's time to come: who follows a lost holder, what time alone
 * does not end, and what its mode keeps from happening. Design 3.6, 4. */
#ifndef BW_CLI_OUTLOOK_H
#define BW_CLI_OUTLOOK_H

#include <stdio.h>

#include <jansson.h>

#include "alarm_lines.h"

/* What would come of a lost holder. Who does not lead decides nothing: its answer promises nothing. */
void bw_print_failover(const json_t *status, const json_t *group, FILE *out);
/* What time alone does not end: nothing here may sound as if it did. With a holder that renews it is
 * how the group was set up; without, somebody must act. */
void bw_warn_of_end(const json_t *group, struct bw_verdict *verdict);
/* What becomes of the fence from another site, where there is one. */
void bw_tell_remote_fence(const json_t *end, FILE *out);
/* A line of each mode but auto; `name`: the group's. */
void bw_tell_mode(const json_t *group, const char *name, FILE *out);

#endif
