#include "site_facts.h"

#include <string.h>

#include <breakwater/core/explain.h>
#include <breakwater/core/report.h>
#include <breakwater/core/trouble.h>

#include "alarm_lines.h"
#include "api.h"

static void tell_of_cut(const json_t *site, FILE *out)
{
    char limit[BW_SECONDS_BYTES];
    char cut[BW_SECONDS_BYTES];

    const bool is_inside = strcmp(bw_json_member(site, "reach"), "remote") != 0 &&
                           strcmp(bw_json_member(site, "reach_seen"), "inside") == 0;

    if (json_is_integer(json_object_get(site, "fence_cut_ms")))
        (void)fprintf(
            out, "%s: what its fence runs may take %s; at a deadline it gets %s, then %s\n",
            bw_json_member(site, "name"), bw_seconds(bw_json_number(site, "fence_limit_ms"), limit),
            bw_seconds(bw_json_number(site, "fence_cut_ms"), cut), is_inside ? "TERM" : "KILL");
}

static bool has_loop(const json_t *site)
{
    return json_is_integer(json_object_get(site, "loop_delay_ms"));
}

/* Who is to be looked at when it does not start. */
static void tell_of_loop(const json_t *group, const json_t *site, FILE *out)
{
    if (has_loop(site))
        (void)fprintf(out,
                      "%s: started by its own loop (driver: external); what that hears, there:\n"
                      "  breakwater condition --group %s\n",
                      bw_json_member(site, "name"), bw_json_member(group, "name"));
}

static bool is_primary(const json_t *site)
{
    return strcmp(bw_json_member(site, "role"), "primary") == 0;
}

/* What its guard cannot end another machine of the site does (3.4). */
static bool has_second(const json_t *group, const json_t *site)
{
    return is_primary(site) && bw_json_truth(json_object_get(group, "end"), "by_time") &&
           strcmp(bw_json_member(site, "second_enforcer"), bw_second_word(BW_SECOND_IS_SEEN)) == 0;
}

/* Scripts that came later and have started nothing take nothing from the epoch that is open (3.4). */
static bool is_epoch_kept(const json_t *group, const json_t *site)
{
    const json_t *end = json_object_get(group, "end");

    return is_primary(site) && bw_json_truth(end, "by_time");
}

bool bw_site_alarm_is_fact(const json_t *group, const json_t *site, const char *alarm)
{
    if (strcmp(alarm, bw_trouble_word(BW_TROUBLE_OUTSIDE_REACH)) == 0)
        return has_second(group, site);
    return strcmp(alarm, bw_trouble_word(BW_TROUBLE_REACH_UNSEEN)) == 0 && is_epoch_kept(group, site);
}

static void tell_of_second(const json_t *group, const json_t *site, FILE *out)
{
    const bool is_outside = strcmp(bw_json_member(site, "reach_seen"), "outside") == 0 ||
                            strcmp(bw_json_member(site, "reach"), "remote") == 0;

    if (is_outside && has_second(group, site))
        (void)fprintf(out, "%s: outside its guard's reach, second enforcer seen\n",
                      bw_json_member(site, "name"));
}

static void tell_of_unseen(const json_t *group, const json_t *site, FILE *out)
{
    const char *word = bw_trouble_word(BW_TROUBLE_REACH_UNSEEN);
    json_t *alarm;
    size_t i;

    json_array_foreach(json_object_get(site, "alarms"), i, alarm)
    {
        if (strcmp(bw_json_shown(alarm), word) != 0 || !bw_site_alarm_is_fact(group, site, word))
            continue;
        (void)fprintf(out,
                      "%s: %s: a script was changed since the service was started, or its "
                      "processes cannot be listed; %sthe next start counts as outside until it "
                      "was seen, and this voids the proof\n"
                      "  prove it there, which restarts the service once:  breakwater prove %s -c /etc/breakwater/site.yaml\n",
                      bw_json_member(site, "name"), word,
                      bw_json_truth(json_object_get(group, "end"), "by_time")
                          ? "time alone still hands this epoch over, "
                          : "",
                      bw_json_member(group, "name"));
    }
}

void bw_site_facts(const json_t *group, const json_t *site, FILE *out)
{
    tell_of_cut(site, out);
    tell_of_loop(group, site, out);
    tell_of_second(group, site, out);
    tell_of_unseen(group, site, out);
}
