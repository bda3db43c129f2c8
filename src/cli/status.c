/* breakwater status: what every witness says, and whether it needs attention. */
#include <unistd.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/site_config.h>
#include <breakwater/sys/clock.h>

#include "api.h"
#include "columns.h"
#include "status_site.h"
#include "verbs.h"

#define WAIT_MS        3000
#define WATCH_MS       2000
#define WATCH_MS_MIN   100

struct status_values {
    struct bw_api_values api;
    enum bw_output output;
    const char *watch;
    bool is_site;
    const char *socket;
};

static const struct bw_option status_options[] = {
    BW_OPTION_OUTPUT(struct status_values, output),
    BW_OPTION_MAYBE(struct status_values, watch, "watch", 0, "D",
                    "print it again and again (every 2s)"),
    BW_OPTION_FLAG(struct status_values, is_site, "site", 0,
                   "what the guard of this machine knows; no witness is asked"),
    BW_OPTION_TEXT(struct status_values, socket, "socket", 0, "PATH",
                   "with --site: the guard's socket (" BW_GUARD_SOCKET_ABSENT ")"),
    BW_API_OPTIONS(struct status_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command status_command = {
    .name = "status",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help =
        "Shows who is primary, who could follow, and whether anything needs attention.\n"
        "Asks every witness. Exit status: 0 fine, 3 something needs attention,\n"
        "4 no site is active, 5 no quorum or nobody reachable. With --site it asks the guard of\n"
        "this machine instead, as root or as the guard's user.",
    .options = status_options,
};

/* The status with only the group that was asked for. */
static bool filter(json_t *status, const char *group)
{
    json_t *one = bw_json_find_group(status, group);
    json_t *only;

    if (one == NULL)
        return false;
    only = json_pack("[O]", one);
    return only != NULL && json_object_set_new(status, "groups", only) == 0;
}

static enum bw_exit print(const struct bw_api *api, enum bw_output output)
{
    FILE *nowhere;
    enum bw_exit exit;

    if (output == BW_OUTPUT_TABLE)
        return bw_show_status(api->status, NULL, bw_clock_wall().unix_ms, stdout);
    if (bw_json_print(api->status) != BW_EXIT_FINE)
        return BW_EXIT_FAILED;
    nowhere = fopen("/dev/null", "w"); /* the verdict is the same as the table's */
    if (nowhere == NULL)
        return BW_EXIT_FAILED;
    exit = bw_show_status(api->status, NULL, bw_clock_wall().unix_ms, nowhere);
    (void)fclose(nowhere); /* nothing in it is wanted */
    return exit;
}

/* A witness that does not answer here is worth a look, even if the leader hears it. */
static enum bw_exit warn_of_silence(const struct bw_api *api, enum bw_exit exit)
{
    for (size_t i = 0; i < api->count; i++) {
        const struct bw_api_witness *witness = &api->witnesses[i];

        if (witness->status != NULL || (witness->is_learnt && !witness->is_left_behind))
            continue;
        if (!witness->is_left_behind) /* of which the survey has warned */
            (void)fprintf(stderr, "warning: %s does not answer: %s\n", witness->address,
                          witness->why);
        if (exit == BW_EXIT_FINE)
            exit = BW_EXIT_WARNINGS;
    }
    return exit;
}

static enum bw_exit complain_of_group(const struct bw_api *api, const char *group)
{
    const bool is_limited = json_is_array(json_object_get(api->status, "limited_to"));

    (void)fprintf(stderr, "error: status: there is no group \"%s\"%s\n  see:  breakwater status\n",
                  group, is_limited ? " among those that this certificate may see" : "");
    return BW_EXIT_FAILED;
}

static enum bw_exit show_once(struct bw_api *api, const char *group, enum bw_output output)
{
    const bool has_leader = bw_api_survey(api);
    const enum bw_exit lack = has_leader ? BW_EXIT_FINE
                                         : bw_api_no_quorum(api, "nothing can be decided");
    enum bw_exit exit;

    if (api->status == NULL)
        return lack;
    if (group != NULL && !filter(api->status, group))
        return complain_of_group(api, group);
    if (!has_leader)
        (void)fprintf(stderr, "What %s knew last:\n", bw_json_member(api->status, "answered_by"));
    exit = print(api, output);
    bw_api_tell_outdated(api);
    return has_leader ? warn_of_silence(api, exit) : lack;
}

/* Until it is interrupted. */
static enum bw_exit watch(struct bw_api *api, const char *group, enum bw_output output,
                          uint32_t interval_ms)
{
    const bool is_terminal = isatty(STDOUT_FILENO);
    enum bw_exit exit = BW_EXIT_FINE;

    while (!ferror(stdout)) {
        if (is_terminal)
            (void)fputs("\033[H\033[2J", stdout); /* a failed write ends the loop */
        for (size_t i = 0; is_terminal && i < api->count; i++)
            api->witnesses[i].is_left_behind_told = false; /* what was said of it is gone, too */
        exit = show_once(api, group, output);
        if (!is_terminal)
            (void)putchar('\n');
        if (fflush(stdout) != 0)
            break;
        bw_api_pause(interval_ms);
    }
    return exit;
}

static enum bw_exit show_site(const struct status_values *values, const char *group)
{
    if (values->watch != NULL)
        return bw_usage_error(&status_command, "--watch does not go with --site");
    if (group != NULL && !bw_name_is_valid(group))
        return bw_usage_error(&status_command, "\"%s\" is no name of a group", group);
    return bw_status_site(values->socket != NULL ? values->socket : BW_GUARD_SOCKET_ABSENT, group,
                          values->output);
}

enum bw_exit bw_verb_status(int argc, char **argv)
{
    struct status_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    uint32_t interval_ms = WATCH_MS;
    const char *group;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&status_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.watch != NULL && values.watch[0] != '\0' &&
        (!bw_duration_parse(values.watch, &interval_ms) || interval_ms < WATCH_MS_MIN))
        return bw_usage_error(&status_command, "--watch=%s: expected a duration of at least 100ms",
                              values.watch);
    if (values.is_site)
        return show_site(&values, operands.count > 0 ? operands.items[0] : NULL);
    if (values.socket != NULL)
        return bw_usage_error(&status_command, "--socket goes with --site");
    if (!bw_api_open(&api, &status_command, &values.api, WAIT_MS, &exit))
        return exit;
    group = operands.count > 0 ? operands.items[0] : NULL;
    exit = values.watch != NULL ? watch(&api, group, values.output, interval_ms)
                                : show_once(&api, group, values.output);
    bw_api_close(&api);
    return exit;
}
