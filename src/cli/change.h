/* change.h - mode, maintenance, cancel and delete from the command to the outcome. Design 3.9, 5.2.
 */
#ifndef BW_CLI_CHANGE_H
#define BW_CLI_CHANGE_H

#include <jansson.h>

#include "api.h"

/* What each of them takes; a member of its values. */
struct bw_change_values {
    struct bw_api_values api;
    const char *reason;
    bool is_plan;
    bool is_yes;
};
#define BW_CHANGE_OPTIONS(type, member)                                                            \
    BW_OPTION_TEXT(type, member.reason, "reason", 0, "TEXT", "reason, for the record"),           \
        BW_OPTION_FLAG(type, member.is_plan, "plan", 0, "show what would happen, and stop"),       \
        BW_OPTION_FLAG(type, member.is_yes, "yes", 0, "skip the confirmation"),                    \
        BW_API_OPTIONS(type, member.api)
#define BW_CHANGE_WAIT_MS                                                                          \
    (10 * 60 * 1000) /* for what is in its way for a while, a site that is being let go */

struct bw_change {
    const struct bw_cli_command *command;
    const char *verb; /* "mode": the last part of the path */
    const char *group;
    const char *path; /* NULL: that of the group's verb */
    const char *word; /* what a person types to confirm */
    const char *done; /* what is so afterwards */
    json_t *body;     /* without reason; taken over; NULL: something is not UTF-8 */
    const struct bw_change_values *values;
};

/* Waits as long as it is refused for the moment only; with --plan it tells so. Shows the plan,
 * asks, does what was shown, tells the outcome. A plan that is another after such a wait is shown, and asked about,
 * anew. What is so already is no error. */
enum bw_exit bw_change_run(struct bw_api *api, const struct bw_change *change);
/* The same of a change that a command consists of: first it looks whether the group's name is one,
 * and whether it may be asked for, and it finds whom to ask. */
enum bw_exit bw_change_run_alone(const struct bw_change *change);

#endif
