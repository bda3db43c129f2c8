/* breakwater confirm-fenced: the end of an epoch that does not expire automatically, as an operator confirms it.
 * Design 3.1, 3.3, 4. */
#include <breakwater/base/name.h>

#include "move.h"
#include "verbs.h"

struct release_values {
    struct bw_move_values move;
    const char *site;
    bool holder_is_off;
};

static const struct bw_option release_options[] = {
    BW_OPTION_TEXT(struct release_values, site, "site", 0, "SITE",
                   "the site that is off: the primary, or a site with an override"),
    BW_OPTION_FLAG(struct release_values, holder_is_off, "service-is-stopped", 0,
                   "the service is stopped, although the agent of SITE answers"),
    BW_MOVE_OPTIONS(struct release_values, move, "how you know, for the record",
                    "skip the question for the site's name"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command release_command = {
    .name = "confirm-fenced",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Confirms that SITE is off, so that another site can become primary of GROUP. It is\n"
            "needed where the epoch of SITE does not expire automatically: after a failed fence,\n"
            "without a tested kill, or by handover_by_time. First power SITE off. If its service\n"
            "still runs, two sites serve at once (split-brain). Shows what is known about SITE and\n"
            "asks for its name; refused while SITE answers. Closes the epoch, waits until every\n"
            "lease of it has expired, and ends it. The claim of an override ends at once.",
    .options = release_options,
};

enum bw_exit bw_verb_force_release(int argc, char **argv)
{
    struct release_values values = {0};
    const char *group;
    enum bw_exit exit;

    if (!bw_move_parse(&release_command, argc, argv, &values, &group, &exit))
        return exit;
    if (values.site == NULL || !bw_name_is_valid(values.site))
        return bw_usage_error(&release_command, "needs --site SITE: the site that is off");
    return bw_move_run(&(struct bw_move){
        .command = &release_command,
        .verb = "confirm-fenced",
        .route = "force-release",
        .group = group,
        .word = values.site,
        .question = "If that site is NOT off, two sites will serve.",
        .body = json_pack("{s:s, s:b, s:s*}", "site", values.site, "holder_is_off",
                          values.holder_is_off, "reason", values.move.reason),
        .is_release = true,
        .values = &values.move,
    });
}
