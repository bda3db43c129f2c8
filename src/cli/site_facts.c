#include "site_facts.h"

#include <string.h>

#include <breakwater/core/report.h>

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

/* What runs where a start left it may be a helper of a service elsewhere (3.4). Where no script of
 * the guard starts it nothing can be tried. */
static void tell_of_unproved(const json_t *group, const json_t *site, FILE *out)
{
    if (!bw_json_truth(json_object_get(group, "end"), "by_time") ||
        strcmp(bw_json_member(site, "role"), "primary") != 0 ||
        strcmp(bw_json_member(site, "reach_seen"), "inside") != 0 ||
        bw_json_truth(site, "reach_proved"))
        return;
    (void)fprintf(out,
                  "%s: reach_unproved: nobody has seen yet that a kill ends this service, and time "
                  "alone may hand it over\n%s",
                  bw_json_member(site, "name"),
                  has_loop(site) ? ""
                                 : "  prove it there, observed and stopped everywhere:  breakwater-chaos scripts "
                                   "-c site.yaml\n");
}

/* No alarm then: what its guard cannot end another machine of the site does (3.4). */
bool bw_site_has_second(const json_t *group, const json_t *site)
{
    return strcmp(bw_json_member(site, "role"), "primary") == 0 &&
           bw_json_truth(json_object_get(group, "end"), "by_time") &&
           strcmp(bw_json_member(site, "second_enforcer"), bw_second_word(BW_SECOND_IS_SEEN)) == 0;
}

static void tell_of_second(const json_t *group, const json_t *site, FILE *out)
{
    const bool is_outside = strcmp(bw_json_member(site, "reach_seen"), "outside") == 0 ||
                            strcmp(bw_json_member(site, "reach"), "remote") == 0;

    if (is_outside && bw_site_has_second(group, site))
        (void)fprintf(out, "%s: outside its guard's reach, second enforcer seen\n",
                      bw_json_member(site, "name"));
}

void bw_site_facts(const json_t *group, const json_t *site, FILE *out)
{
    tell_of_cut(site, out);
    tell_of_loop(group, site, out);
    tell_of_unproved(group, site, out);
    tell_of_second(group, site, out);
}
