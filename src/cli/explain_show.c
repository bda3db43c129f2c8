/* explain_show.c - an explanation for people: what comes next, which conditions are not met, and what blocks each site.
 * Design 4. */
#include "columns.h"

#include <inttypes.h>
#include <string.h>

#include "alarm_lines.h"
#include "api.h"
#include "wrap.h"

static bool is_word(const json_t *object, const char *key, const char *word)
{
    return strcmp(bw_json_member(object, key), word) == 0;
}

/* A gate's text without the name of the site, below which it is printed. */
static const char *text_below(const json_t *gate, const char *site)
{
    const char *text = bw_json_member(gate, "text");
    const size_t length = strlen(site);

    return length > 0 && strncmp(text, site, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2
                                                                                                  : text;
}

static void print_gate(const json_t *gate, const char *site, bool is_all, FILE *out)
{
    static const char *const verdicts[][2] = {{"pass", "ok"}, {"hold", "BLOCKED"}, {"note", "note"}};
    const char *step = bw_json_member(gate, "step");
    const char *fix = bw_json_member(gate, "fix");

    (void)fputs("  ", out);
    for (size_t i = 0; is_all && i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (is_word(gate, "verdict", verdicts[i][0]))
            (void)fprintf(out, "%-8s", verdicts[i][1]);
    if (is_all && step[0] != '\0')
        (void)fprintf(out, "%-4s", step);
    (void)fprintf(out, "%s\n", text_below(gate, site));
    /* A remedy that is this very screen is none here. */
    if (!is_all && fix[0] != '\0' && strcmp(fix, "wait") != 0 && strcmp(fix, "nothing") != 0 &&
        strstr(fix, "breakwater explain ") == NULL)
        (void)fprintf(out, "    do: %s\n", fix);
}

/* What blocks one site, or all gates of it. */
static void print_site_gates(const json_t *site, bool is_all, FILE *out)
{
    char name[BW_NAME_MAX + 1];
    json_t *gate;
    size_t i;

    (void)snprintf(name, sizeof name, "%.63s", bw_json_member(site, "name"));
    json_array_foreach(json_object_get(site, "gates"), i, gate)
    {
        if (is_all || is_word(gate, "verdict", "hold"))
            print_gate(gate, name, is_all, out);
    }
}

/* It is printed below its site. */
static bool is_of_site(const json_t *explanation, const json_t *gate)
{
    const json_t *site = bw_json_find(json_object_get(explanation, "sites"), "name", bw_json_member(gate, "site"));

    return bw_json_find(json_object_get(site, "gates"), "blocked_by", bw_json_member(gate, "blocked_by")) != NULL;
}

/* While a site is primary and nothing is to come, what would end its epoch blocks nothing. While its stop needs a
 * confirmation, print_end says which. If something is to come, the step that it comes by is of interest. */
static bool does_matter(const json_t *explanation, const json_t *gate)
{
    static const char *const asked[] = {"A10", "A11", "A35"};
    const json_t *next = json_object_get(explanation, "next");

    if (!is_word(gate, "verdict", "hold") || is_of_site(explanation, gate))
        return false;
    if (is_word(gate, "step", "A0"))
        return true;
    if (bw_json_truth(next, "will_act"))
        return is_word(gate, "step", bw_json_member(next, "rule"));
    if (!is_word(explanation, "phase", bw_phase_word(BW_PHASE_GRANTED)))
        return !is_word(explanation, "phase", bw_phase_word(BW_PHASE_CLOSING)) ||
               !json_is_false(json_object_get(json_object_get(explanation, "end"), "by_time"));
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (is_word(gate, "step", asked[i]))
            return true;
    return false;
}

static void print_gates(const json_t *explanation, bool is_all, FILE *out)
{
    const bool is_coming = bw_json_truth(json_object_get(explanation, "next"), "will_act");
    bool is_first = true;
    json_t *gate;
    size_t i;

    json_array_foreach(json_object_get(explanation, "gates"), i, gate)
    {
        if (!is_all && !does_matter(explanation, gate))
            continue;
        if (is_first)
            (void)fputs(is_all     ? "Conditions:\n"
                        : is_coming ? "Not yet, because:\n"
                                    : "Conditions not met:\n",
                        out);
        is_first = false;
        print_gate(gate, "", is_all, out);
    }
}

static void print_end(const json_t *explanation, FILE *out)
{
    const json_t *end = json_object_get(explanation, "end");
    const char *holder = bw_json_member(explanation, "holder");
    const bool is_closing = is_word(explanation, "phase", bw_phase_word(BW_PHASE_CLOSING));

    if (!json_is_false(json_object_get(end, "by_time")))
        return;
    (void)fprintf(out, is_closing ? "The stop of %s needs a confirmation: %s (%s).\n" : "If %s fails, failover is manual: %s (%s).\n",
                  holder, bw_json_member(end, "why"), bw_json_member(end, "blocked_by"));
    if (json_is_false(json_object_get(end, "by_holder")))
        (void)fprintf(out, "The agent of %s has lost its state and cannot release the lease.\n", holder);
    (void)fprintf(out, bw_end_attests(end) ? "If you have seen that the service is stopped at %s:\n  %s\n" : "If %s is powered off:\n  %s\n",
                  holder, bw_json_member(end, "suggested_command"));
    bw_tell_remote_fence(end, out);
}

static void print_explanation(const json_t *explanation, bool is_all, FILE *out)
{
    char state[BW_STATE_TEXT_BYTES];
    const json_t *command = json_object_get(explanation, "command");
    const json_t *next = json_object_get(explanation, "next");
    const char *holder = bw_json_member(explanation, "holder");
    const bool is_closing = is_word(explanation, "phase", bw_phase_word(BW_PHASE_CLOSING));
    json_t *site;
    size_t i;

    (void)fprintf(out, "GROUP %s   state %s   epoch %" PRId64 "   mode %s   primary %s\n",
                  bw_json_member(explanation, "group"), bw_state_text(explanation, state),
                  bw_json_number(explanation, "epoch"), bw_mode_text(explanation),
                  holder[0] != '\0' && !is_closing ? holder : "none");
    /* A witness of the release before reports no service here. */
    if (bw_json_member(json_array_get(json_object_get(explanation, "sites"), 0), "service")[0] != '\0')
        bw_print_service(explanation, bw_json_truth(explanation, "leads") ? NULL : bw_json_member(explanation, "answered_by"), out);
    bw_show_next(next, out);
    bw_show_way(next, json_object_get(explanation, "end"), out);
    bw_tell_mode(explanation, bw_json_member(explanation, "group"), out);
    if (bw_json_truth(explanation, "will_act"))
        (void)fprintf(out, "Now: %s.\n", bw_json_member(explanation, "rule_text"));
    else if (json_is_object(command))
        (void)fprintf(out, "Ready to %s, but not allowed to act.\n", bw_json_member(command, "kind"));
    print_end(explanation, out);
    if (!bw_json_truth(explanation, "leads"))
        (void)fprintf(out, "(%s answers, and does not lead)\n", bw_json_member(explanation, "answered_by"));
    print_gates(explanation, is_all, out);
    json_array_foreach(json_object_get(explanation, "sites"), i, site) {
        const bool is_primary = is_word(site, "name", bw_json_member(explanation, "holder"));

        (void)fprintf(out, "%s: %s\n", bw_json_member(site, "name"),
                      is_primary && is_closing          ? "ending: it was the primary, and no report confirms that its service has stopped"
                      : is_primary                      ? "is the primary"
                      : !bw_json_truth(site, "eligible") ? "not eligible for automatic failover"
                      : holder[0] != '\0' && !is_closing &&
                              !json_is_false(json_object_get(json_object_get(explanation, "end"), "by_time"))
                          ? "eligible for automatic failover"
                                                         : "eligible");
        if (is_all || !is_primary)
            print_site_gates(site, is_all, out);
        bw_tell_of_failures(site, false, "  ", out);
        bw_tell_of_restarts(site, "  ", out);
    }
}

void bw_show_explain(const json_t *explanation, bool is_all, FILE *out)
{
    struct bw_wrapped wrapped;

    bw_wrap_begin(&wrapped, out);
    print_explanation(explanation, is_all, wrapped.stream);
    bw_wrap_end(&wrapped);
}
