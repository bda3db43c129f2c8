/* breakwater force-release: the end of an epoch that time alone does not end, on a person's word.
 * Design 3.1, 3.3, 4. */
#include <breakwater/base/name.h>

#include "confirm.h"
#include "move.h"
#include "verbs.h"

#define WAIT_MS (10 * 60 * 1000)

struct release_values {
    struct bw_api_values api;
    const char *site;
    const char *reason;
    bool holder_is_off;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

static const struct bw_option release_options[] = {
    BW_OPTION_TEXT(struct release_values, site, "site", 0, "SITE",
                   "the site that holds GROUP and is off: you vouch for it"),
    BW_OPTION_FLAG(struct release_values, holder_is_off, "holder-is-off", 0,
                   "its service is off although its agent still answers"),
    BW_OPTION_TEXT(struct release_values, reason, "reason", 0, "TEXT",
                   "how you know, for the record"),
    BW_OPTION_FLAG(struct release_values, is_plan, "plan", 0, "say what would happen, and stop"),
    BW_OPTION_FLAG(struct release_values, is_yes, "yes", 0,
                   "do not ask for the site's name: --site is your word"),
    BW_OPTION_FLAG(struct release_values, is_no_wait, "no-wait", 0, "do not wait for the outcome"),
    BW_API_OPTIONS(struct release_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command release_command = {
    .name = "force-release",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Ends the epoch of GROUP at SITE on your word that SITE is off, where time alone does\n"
            "not end it (a failed fence holds it, its reach does not suffice, min_grade). First\n"
            "switch SITE off, so that nothing there can serve. If it serves all the same, two\n"
            "sites serve at once. Shows what is known of SITE and asks for its name; refused\n"
            "while SITE answers. Closes the epoch, waits until no lease of it can live, ends it.",
    .options = release_options,
};

enum bw_exit bw_verb_force_release(int argc, char **argv)
{
    struct release_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;
    json_t *body;

    if (!bw_options_parse(&release_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_name_is_valid(operands.items[0]))
        return bw_usage_error(&release_command, "\"%s\" is no name of a group", operands.items[0]);
    if (values.site == NULL || !bw_name_is_valid(values.site))
        return bw_usage_error(&release_command, "needs --site SITE: the site that is off");
    if (!bw_confirm_is_possible(&release_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    body = json_pack("{s:s, s:b, s:s*}", "site", values.site, "holder_is_off", values.holder_is_off,
                     "reason", values.reason);
    if (body == NULL)
        return bw_usage_error(&release_command, "--reason is not UTF-8");
    if (bw_api_open(&api, &release_command, &values.api, WAIT_MS, &exit)) {
        exit = bw_move_run(
            &api, &(struct bw_move){.command = &release_command,
                                    .verb = "force-release",
                                    .group = operands.items[0],
                                    .word = values.site,
                                    .question = "If that site is NOT off, two sites will serve.",
                                    .body = body,
                                    .is_release = true,
                                    .is_plan = values.is_plan,
                                    .is_yes = values.is_yes,
                                    .is_no_wait = values.is_no_wait});
        bw_api_close(&api);
    }
    json_decref(body);
    return exit;
}
