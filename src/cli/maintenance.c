/* breakwater maintenance: a time in which a site, or a whole group, is left alone. Design 3.9. */
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/command.h>
#include <breakwater/witness/json.h>

#include "api.h"
#include "change.h"
#include "verbs.h"

struct maintenance_values {
    struct bw_change_values change;
    const char *site;
    const char *duration;
    bool is_end;
};

static const struct bw_option maintenance_options[] = {
    BW_OPTION_TEXT(struct maintenance_values, site, "site", 0, "SITE",
                   "only this site, in GROUP or in all groups of the site"),
    BW_OPTION_TEXT(struct maintenance_values, duration, "for", 0, "D",
                   "duration from now, at most 720h"),
    BW_OPTION_FLAG(struct maintenance_values, is_end, "stop", 0, "end it now"),
    BW_CHANGE_OPTIONS(struct maintenance_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command maintenance_command = {
    .name = "maintenance",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help = "Suspends failover, restarts, and moves except those of an operator, for the time D. With --site,\n"
            "only for this site, in GROUP or in all its groups: the site is excluded from failover, and as\n"
            "primary it keeps its lease and the service stays untouched. Maintenance ends automatically.\n"
            "Leases and fences stay in force.",
    .options = maintenance_options,
};

struct wanted {
    const struct maintenance_values *values;
    uint32_t duration_ms;
    char done[96];
};

static enum bw_exit change_one(struct bw_api *api, const struct wanted *wanted, const char *group)
{
    const struct maintenance_values *values = wanted->values;

    return bw_change_run(
        api, &(struct bw_change){
                 .command = &maintenance_command,
                 .verb = "maintenance",
                 .group = group,
                 .word = "yes",
                 .done = wanted->done,
                 .body = json_pack("{s:I, s:s*}", "duration_ms", (json_int_t)wanted->duration_ms,
                                   "site", values->site),
                 .values = &values->change,
             });
}

/* One after the other: each is judged, shown and asked for by itself. */
static enum bw_exit change_all(struct bw_api *api, const struct wanted *wanted)
{
    json_t *document = NULL;
    enum bw_exit worst = bw_api_fetch(api, "GET", "/v1/groups", NULL, &document);
    size_t count = 0;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(document, "groups"), i, group)
    {
        enum bw_exit exit;

        if (bw_json_find(json_object_get(json_object_get(group, "spec"), "sites"), "name",
                         wanted->values->site) == NULL)
            continue;
        count++;
        exit = change_one(api, wanted, json_string_value(json_object_get(group, "name"))); /* as long as `document` */
        worst = exit != BW_EXIT_FINE ? exit : worst;
    }
    if (worst == BW_EXIT_FINE && count == 0) {
        (void)fprintf(stderr,
                      "error: maintenance: no group has a site \"%s\"\n  see:  breakwater status\n",
                      wanted->values->site);
        worst = BW_EXIT_FAILED;
    }
    json_decref(document);
    return worst;
}

/* False: it was said what is wrong. */
static bool read_wanted(const struct maintenance_values *values, const struct bw_operands *operands,
                        struct wanted *out_wanted)
{
    const struct bw_cli_command *command = &maintenance_command;
    char text[BW_DURATION_TEXT_BYTES];

    *out_wanted = (struct wanted){.values = values};
    if (operands->count == 0 && values->site == NULL)
        (void)bw_usage_error(command, "needs GROUP, or --site SITE");
    else if (operands->count == 1 && !bw_name_is_valid(operands->items[0]))
        (void)bw_usage_error(command, "\"%s\" is not a valid name of a group", operands->items[0]);
    else if (values->site != NULL && !bw_name_is_valid(values->site))
        (void)bw_usage_error(command, "--site %s: not a valid name of a site", values->site);
    else if (values->is_end == (values->duration != NULL))
        (void)bw_usage_error(command, "needs --for D, or --stop");
    else if (values->duration != NULL &&
             (!bw_duration_parse(values->duration, &out_wanted->duration_ms) ||
              out_wanted->duration_ms == 0 || out_wanted->duration_ms > BW_MAINTENANCE_MS_MAX))
        (void)bw_usage_error(
            command, "--for %s: expected a duration such as 2h, at most " BW_MAINTENANCE_MAX_TEXT,
            values->duration);
    else {
        bw_duration_format(out_wanted->duration_ms, text);
        if (values->is_end)
            (void)snprintf(out_wanted->done, sizeof out_wanted->done, "it has ended");
        else
            (void)snprintf(out_wanted->done, sizeof out_wanted->done, "it ends automatically after %s",
                           text);
        return bw_confirm_is_possible(command, values->change.is_yes || values->change.is_plan);
    }
    return false;
}

enum bw_exit bw_verb_maintenance(int argc, char **argv)
{
    struct maintenance_values values = {0};
    struct bw_operands operands;
    struct wanted wanted;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&maintenance_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!read_wanted(&values, &operands, &wanted))
        return BW_EXIT_USAGE;
    if (!bw_api_open(&api, &maintenance_command, &values.change.api, BW_CHANGE_WAIT_MS, &exit))
        return exit;
    exit = operands.count == 1 ? change_one(&api, &wanted, operands.items[0])
                               : change_all(&api, &wanted);
    bw_api_close(&api);
    return exit;
}
