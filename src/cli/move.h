/* move.h - switchover, failover and force-release from the command to the outcome. Design 3.6, 4, 5.2. */
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
    json_t *body;      /* of a force-release: the epoch that was looked at is put into it */
    bool is_release;   /* the outcome is the end of the epoch, whoever follows */
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

/* Shows the plan, asks, does it, waits for the outcome, and tells it. */
enum bw_exit bw_move_run(struct bw_api *api, const struct bw_move *move);

#endif
