/* move.h - switchover and failover from the command to the outcome. Design 3.6, 4, 5.2. */
#ifndef BW_CLI_MOVE_H
#define BW_CLI_MOVE_H

#include <jansson.h>

#include "api.h"

struct bw_move {
    const struct bw_cli_command *command;
    const char *verb;  /* "switchover": the last part of the path */
    const char *group;
    const char *word;  /* what a person types to confirm */
    const char *question;
    const json_t *body;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

/* Shows the plan, asks, does it, waits for the outcome, and tells it. */
enum bw_exit bw_move_run(struct bw_api *api, const struct bw_move *move);

#endif
