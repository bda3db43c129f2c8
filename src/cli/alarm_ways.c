/* alarm_ways.c - the effect of an alarm and its fix, as `status` prints them beneath its line: those of the list
 * (core/trouble.h), or others where the group, the witness or the second enforcer say more. Design 5.2. */
#include "alarm_lines.h"

#include <string.h>

#include <breakwater/base/assert.h>

#include "api.h"

/* Only while nobody holds the group and a site may become primary. */
static const struct bw_remedy start_failed_vacant = {
    .fix = "on SITE, repair the cause; all that the script printed is in the log:\njournalctl -u breakwater-guard\n"
           "then start at once:\nbreakwater failover GROUP --to SITE"};
/* Of a witness that has no vote yet; of one that answers this command, so it runs. */
static const struct bw_remedy witness_joins = {
    .effect = "the witness has no vote yet",
    .fix = "on WITNESS:\nsystemctl start breakwater-witness\nIf the witness is lost for good:\nbreakwater members remove WITNESS"};
static const struct bw_remedy witness_runs = {
    .fix = "WITNESS runs; check the network between the witnesses. On WITNESS:\njournalctl -u breakwater-witness"};
/* Where a site reports what the log lacks. */
static const struct bw_remedy decision_reported = {
    .effect = "no other site becomes primary until this is resolved",
    .fix = "if the report of SITE is false (a stolen key), discard it:\n"
           "breakwater confirm-fenced GROUP --site SITE\n"
           "Else choose a time for an outage of all groups. 1. Stop all witnesses. 2. On each, see the newest index:\n"
           "breakwater recover -c FILE --plan\n"
           "3. On the witness with the highest index:\n"
           "breakwater recover -c FILE\n"
           "4. Start it, and re-create the others as recover prints."};

#define LOG_OF_SECOND "\njournalctl -u breakwater-second-enforcer"
/* Of second_enforcer_lost: by the word that the site's agent has for it (3.4). */
static const struct {
    enum bw_second_word word;
    const char *what;
    const char *fix;
} seconds[] = {
    {BW_SECOND_IS_SILENT, "the second enforcer is not connected",
     "on the machine of the second enforcer, start it; if it runs, check its network to the agent of SITE:\n"
     "systemctl start breakwater-second-enforcer"},
    {BW_SECOND_IS_SAME_MACHINE, "the second enforcer runs on the machine of the guard, and would fail with it",
     "run it on another machine of SITE; there:\nsystemctl enable --now breakwater-second-enforcer"},
    {BW_SECOND_IS_BLIND, "the second enforcer cannot see whether the service runs",
     "on the machine of the second enforcer, run its status_script by hand and repair it:" LOG_OF_SECOND},
    {BW_SECOND_IS_ELSEWHERE, "the second enforcer does not see the service that the guard sees",
     "compare its status_script with the guard's; on the machine of the second enforcer:" LOG_OF_SECOND},
    {BW_SECOND_IS_UNPROVED, "the second enforcer has never seen this service run",
     "compare its status_script with the guard's; on the machine of the second enforcer:" LOG_OF_SECOND},
    {BW_SECOND_IS_UNTESTED, "the fence of the second enforcer was never tested, or a test has failed",
     "at a time that you choose, on SITE, while it is primary (the service restarts once):\n"
     "breakwater prove GROUP -c /etc/breakwater/site.yaml"},
    {BW_SECOND_IS_FENCING, "the second enforcer fences this epoch: the agent gave it no newer deadline",
     "on the machine of the second enforcer:" LOG_OF_SECOND},
    {BW_SECOND_IS_UNARMED, "the second enforcer does not know the deadline yet",
     "wait 10 s; if this stays, on its machine:" LOG_OF_SECOND},
};

const char *bw_second_text(const char *word)
{
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        if (strcmp(bw_second_word(seconds[i].word), word) == 0)
            return seconds[i].what;
    return word;
}

static const char *fix_of_second(const json_t *group, const char *of)
{
    const json_t *site = bw_json_find(json_object_get(group, "sites"), "name", of);
    const char *word = bw_json_member(site, "second_enforcer");

    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        if (strcmp(bw_second_word(seconds[i].word), word) == 0)
            return seconds[i].fix;
    return NULL;
}

/* The site that a sick primary would go to: one that could follow now, or else any other candidate. */
static const char *other_site(const json_t *group, const char *of)
{
    const char *other = NULL;
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        if (strcmp(bw_json_member(site, "name"), of) == 0 || strcmp(bw_json_member(site, "candidate"), "never") == 0)
            continue;
        if (other == NULL || bw_json_truth(site, "eligible"))
            other = bw_json_member(site, "name");
    }
    return other;
}

/* Whether the group moves away from its sick primary by itself (design 3.6). */
static const char *effect_of_sickness(const json_t *group)
{
    const json_t *next = json_object_get(group, "next");

    if (bw_json_truth(next, "will_act"))
        return "GROUP moves to another site (Next, above)";
    if (strcmp(bw_json_member(group, "mode"), bw_mode_word(BW_MODE_AUTO)) != 0)
        return "GROUP does not move automatically in this mode";
    if (json_is_false(json_object_get(json_object_get(group, "end"), "by_time")))
        return "GROUP does not move automatically, because the stop of SITE needs a confirmation";
    if (!bw_json_truth(json_object_get(group, "failover"), "possible"))
        return "GROUP does not move automatically, because no standby is eligible";
    return "GROUP moves automatically if this lasts for unhealthy_after";
}

static bool is_vacant(const json_t *group)
{
    const char *phase = json_string_value(json_object_get(group, "phase"));

    return phase != NULL && strcmp(phase, "VACANT") == 0 && strcmp(bw_json_member(group, "mode"), "observe") != 0;
}

/* As the group, or the witness, is; all NULL: as the list says. */
static struct bw_remedy remedy_of(enum bw_trouble trouble, const json_t *group, const char *of)
{
    switch (trouble) {
    case BW_TROUBLE_START_FAILED:
        return is_vacant(group) ? start_failed_vacant : (struct bw_remedy){0};
    case BW_TROUBLE_SECOND_ENFORCER_LOST:
        return (struct bw_remedy){.fix = of != NULL ? fix_of_second(group, of) : NULL};
    case BW_TROUBLE_UNHEALTHY:
        return (struct bw_remedy){.effect = effect_of_sickness(group),
                                  .fix = of == NULL || other_site(group, of) == NULL
                                             ? "see what blocks each standby:\nbreakwater explain GROUP"
                                             : NULL};
    case BW_TROUBLE_DECISIONS_LOST:
        return json_is_array(json_object_get(group, "claims")) ? decision_reported : (struct bw_remedy){0};
    case BW_TROUBLE_WITNESS_LOST:
        return json_is_array(json_object_get(group, "reaches"))   ? witness_runs
               : json_is_false(json_object_get(group, "votes")) ? witness_joins
                                                                  : (struct bw_remedy){0};
    default:
        return (struct bw_remedy){0};
    }
}

/* ---- printing ---- */

struct names {
    const char *group;
    const char *site; /* or witness */
    const char *other;
};

static bool is_letter(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* The name that the word at `text` stands for, and how long that word is; NULL: it stands for none. */
static const char *name_at(const char *text, const struct names *names, size_t *out_length)
{
    const struct {
        const char *word;
        const char *name;
    } words[] = {{"GROUP", names->group}, {"SITE", names->site}, {"WITNESS", names->site}, {"OTHER", names->other}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        *out_length = strlen(words[i].word);
        if (words[i].name != NULL && strncmp(text, words[i].word, *out_length) == 0 && !is_letter(text[*out_length]))
            return words[i].name;
    }
    return NULL;
}

/* With the names put in, and what comes after the first line beneath it. */
static void print_text(const char *label, const char *text, const struct names *names, FILE *out)
{
    (void)fprintf(out, "  %-9s", label);
    for (const char *at = text; *at != '\0'; at++) {
        size_t length = 0;
        const char *name = at > text && is_letter(at[-1]) ? NULL : name_at(at, names, &length);

        if (name != NULL) {
            (void)fputs(name, out);
            at += length - 1;
        } else if (*at == '\n') {
            (void)fprintf(out, "\n%11s", "");
        } else {
            (void)fputc(*at, out);
        }
    }
    (void)fputc('\n', out);
}

void bw_tell_remedy(enum bw_trouble trouble, const struct bw_remedy *own, const json_t *group, const char *of, FILE *out)
{
    const struct bw_trouble_text *text = bw_trouble_text(trouble);
    const struct bw_remedy special = own != NULL ? *own : remedy_of(trouble, group, of);
    const char *holder = json_string_value(json_object_get(group, "holder"));
    char name[BW_NAME_MAX + 1]; /* what bw_json_member gives is gone after sixteen more */
    struct names names = {.group = name, .site = of != NULL ? of : holder};

    (void)snprintf(name, sizeof name, "%s", bw_json_member(group, "name"));
    if (trouble == BW_TROUBLE_UNHEALTHY && of != NULL)
        names.other = other_site(group, of);
    if (special.see != NULL) {
        (void)fprintf(out, "  %-9s%s, above\n", "see:", special.see);
        return;
    }
    print_text("effect:", special.effect != NULL ? special.effect : text->effect, &names, out);
    print_text("fix:", special.fix != NULL ? special.fix : text->fix, &names, out);
}
