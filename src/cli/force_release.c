/* breakwater force-release: the end of an epoch that time alone does not end, on a person's word.
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
                   "the site that is off, and holds GROUP or may serve by an override"),
    BW_OPTION_FLAG(struct release_values, holder_is_off, "holder-is-off", 0,
                   "its service is off although its agent still answers"),
    BW_MOVE_OPTIONS(struct release_values, move, "how you know, for the record",
                    "do not ask for the site's name: --site is your word"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command release_command = {
    .name = "force-release",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Ends the epoch of GROUP at SITE on your word that SITE is off, where time alone does\n"
            "not end it (a failed fence holds it, its stop by the guard alone is not proved, handover_by_time). First\n"
            "switch SITE off, so that nothing there can serve. If it serves all the same, two\n"
            "sites serve at once. Shows what is known of SITE and asks for its name; refused\n"
            "while SITE answers. Closes the epoch, waits until no lease of it can live, ends it.\n"
            "The claim of a site that reported an override ends at once.",
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
        .verb = "force-release",
        .group = group,
        .word = values.site,
        .question = "If that site is NOT off, two sites will serve.",
        .body = json_pack("{s:s, s:b, s:s*}", "site", values.site, "holder_is_off",
                          values.holder_is_off, "reason", values.move.reason),
        .is_release = true,
        .values = &values.move,
    });
}
