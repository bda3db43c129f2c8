/* move.h - switchover, failover and confirm-fenced from the command to the outcome. Design 3.6, 4, 5.2. */
#ifndef BW_CLI_MOVE_H
#define BW_CLI_MOVE_H

#include <stdio.h>

#include <jansson.h>

#include "api.h"

/* What each of them takes; a member of its values. */
struct bw_move_values {
    struct bw_api_values api;
    const char *reason;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};
#define BW_MOVE_OPTIONS(type, member, reason_help, yes_help)                                       \
    BW_OPTION_TEXT(type, member.reason, "reason", 0, "TEXT", reason_help),                         \
        BW_OPTION_FLAG(type, member.is_plan, "plan", 0, "show what would happen, and stop"),       \
        BW_OPTION_FLAG(type, member.is_yes, "yes", 0, yes_help),                                   \
        BW_OPTION_FLAG(type, member.is_no_wait, "no-wait", 0, "return at once, without the result"), \
        BW_API_OPTIONS(type, member.api)

struct bw_move {
    const struct bw_cli_command *command;
    const char *verb;  /* "switchover" */
    const char *route; /* the last part of the path; NULL: the verb */
    const char *group;
    const char *word;  /* what a person types to confirm */
    const char *question;
    json_t *body;      /* taken over; NULL: the reason is not UTF-8. The epoch that was looked at is put
                          into that of a confirm-fenced */
    bool is_release;   /* the outcome is the end of the epoch, whoever follows */
    const struct bw_move_values *values;
};

/* The options, and the name of a group. False: end with `*out_exit`, the reason was told. */
bool bw_move_parse(const struct bw_cli_command *command, int argc, char **argv, void *values,
                   const char **out_group, enum bw_exit *out_exit);
/* The numbered steps of a plan, each with its time where it has one. */
void bw_move_print_steps(const json_t *plan);
/* Of what has no outcome yet: the command that takes it back, where it is not refused. `group`: of the
 * status; may be NULL. */
void bw_move_tell_cancel(const json_t *group, const char *name, FILE *out);
/* Shows the plan, asks, does it, waits for the outcome, and tells it. */
enum bw_exit bw_move_run(const struct bw_move *move);

#endif
