/* breakwater mode, pause and resume: who decides for a group. Design 3.9. */
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/core/spec.h>

#include "api.h"
#include "change.h"
#include "verbs.h"

struct mode_values {
    struct bw_change_values change;
};

static const struct bw_option mode_options[] = {
    BW_CHANGE_OPTIONS(struct mode_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command mode_command = {
    .name = "mode",
    .operands = "GROUP auto|manual|paused|unmanaged",
    .operands_min = 2,
    .operands_max = 2,
    .help = "Sets the mode of GROUP:\n"
            "  auto       automatic failover, by the policy of the group\n"
            "  manual     an operator decides, with switchover and failover\n"
            "  paused     no failover, move or restart; leases and fences stay in force\n"
            "  unmanaged  the group is only watched: no lease, fence or failover (old name: observe)\n"
            "If GROUP is paused during a switchover, the primary still stops, and the switchover waits.\n"
            "If the applied file names a mode, the next apply sets that mode again.",
    .options = mode_options,
};

enum bw_exit bw_verb_mode(int argc, char **argv)
{
    struct mode_values values = {0};
    struct bw_operands operands;
    enum bw_mode mode;
    enum bw_exit exit;

    if (!bw_options_parse(&mode_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_mode_parse(operands.items[1], &mode))
        return bw_usage_error(&mode_command, "\"%s\": expected auto, manual, paused or unmanaged",
                              operands.items[1]);
    return bw_change_run_alone(&(struct bw_change){
        .command = &mode_command,
        .verb = "mode",
        .group = operands.items[0],
        .word = mode == BW_MODE_OBSERVE ? operands.items[0] : "yes",
        .done = bw_mode_shown(mode),
        .body = json_pack("{s:s}", "mode", bw_mode_word(mode)),
        .values = &values.change,
    });
}

/* ---- short forms ---- */

#define HISTORY_COUNT 100 /* looked back for the pause */

static const struct bw_cli_command pause_command = {
    .name = "pause",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help =
        "Short for `mode GROUP paused`: failover, moves and restarts stop until `resume GROUP`; leases\n"
        "and fences stay in force. If a switchover runs, the primary still stops, and the service is\n"
        "down until resume or failover. To prevent this, run `cancel GROUP` before.",
    .options = mode_options,
};

static const struct bw_cli_command resume_command = {
    .name = "resume",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Ends a pause: GROUP gets the mode that it had before, auto or manual, as its history says.\n"
            "Short for `mode GROUP auto`, or manual.",
    .options = mode_options,
};

enum bw_exit bw_verb_pause(int argc, char **argv)
{
    struct mode_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&pause_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &pause_command,
        .verb = "mode",
        .group = operands.items[0],
        .word = "yes",
        .done = bw_mode_word(BW_MODE_PAUSED),
        .body = json_pack("{s:s}", "mode", bw_mode_word(BW_MODE_PAUSED)),
        .values = &values.change,
    });
}

/* The mode that this change of the group has replaced by `paused`; NULL: it is of something else.
 */
static const char *paused_from(const json_t *change)
{
    const json_t *mode = bw_json_find(json_object_get(change, "changes"), "key", "mode");

    return strcmp(bw_json_member(mode, "to"), bw_mode_word(BW_MODE_PAUSED)) == 0
               ? bw_json_member(mode, "from")
               : NULL;
}

/* What is older than this change was another group, of the same name. */
static bool is_its_first(const json_t *change)
{
    const char *kind = bw_json_member(change, "kind");

    return strcmp(kind, "created") == 0 || strcmp(kind, "deleted") == 0;
}

/* By the newest of its changes, which come first. False: the history does not say, and that was
 * told. */
static bool find_mode_before(const json_t *history, const char *group, enum bw_mode *out_mode)
{
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(history, "changes"), i, change)
    {
        const char *from = paused_from(change);

        if (is_its_first(change))
            break;
        if (from != NULL && bw_mode_parse(from, out_mode) &&
            (*out_mode == BW_MODE_AUTO || *out_mode == BW_MODE_MANUAL))
            return true;
        if (from != NULL)
            break; /* to be let go is no way on from a pause */
    }
    (void)fprintf(stderr,
                  "error: resume: the history does not show the mode of %s before its pause; set it yourself (or "
                  "manual):\n"
                  "  breakwater mode %s auto\n",
                  group, group);
    return false;
}

/* False: it is not paused, or cannot be asked for, which was told: `out_exit`. */
static bool is_paused(struct bw_api *api, const char *group, enum bw_exit *out_exit)
{
    json_t *answer = NULL;
    const char *mode;
    char path[160];

    (void)snprintf(path, sizeof path, "/v1/groups/%s", group);
    *out_exit = bw_api_fetch(api, "GET", path, NULL, &answer);
    if (*out_exit != BW_EXIT_FINE)
        return false;
    mode = bw_json_member(json_object_get(answer, "group"), "mode"); /* a copy */
    json_decref(answer);
    if (strcmp(mode, bw_mode_word(BW_MODE_PAUSED)) == 0)
        return true;
    (void)printf("resume of %s: nothing to do: its mode is %s\n", group, mode);
    return false;
}

/* False: likewise. */
static bool look_back(struct bw_api *api, const char *group, enum bw_mode *out_mode,
                      enum bw_exit *out_exit)
{
    json_t *history = NULL;
    char path[160];
    bool is_found;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/history?n=%d", group, HISTORY_COUNT);
    *out_exit = bw_api_fetch(api, "GET", path, NULL, &history);
    if (*out_exit != BW_EXIT_FINE)
        return false;
    is_found = find_mode_before(history, group, out_mode);
    json_decref(history);
    *out_exit = BW_EXIT_UNSAFE;
    return is_found;
}

static enum bw_exit resume(struct bw_api *api, const char *group,
                           const struct bw_change_values *values)
{
    enum bw_mode mode = BW_MODE_AUTO;
    enum bw_exit exit;

    if (!is_paused(api, group, &exit) || !look_back(api, group, &mode, &exit))
        return exit;
    (void)printf("resume of %s: back to mode %s\n", group, bw_mode_shown(mode));
    return bw_change_run(api, &(struct bw_change){
                                  .command = &resume_command,
                                  .verb = "mode",
                                  .group = group,
                                  .word = "yes",
                                  .done = bw_mode_shown(mode),
                                  .body = json_pack("{s:s}", "mode", bw_mode_word(mode)),
                                  .values = values,
                              });
}

enum bw_exit bw_verb_resume(int argc, char **argv)
{
    struct mode_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&resume_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&resume_command, "\"%s\" is not a valid name of a group", operands.items[0]);
    exit = BW_EXIT_USAGE;
    if (bw_confirm_is_possible(&resume_command, values.change.is_yes || values.change.is_plan) &&
        bw_api_open(&api, &resume_command, &values.change.api, BW_CHANGE_WAIT_MS, &exit)) {
        exit = resume(&api, operands.items[0], &values.change);
        bw_api_close(&api);
    }
    return exit;
}
