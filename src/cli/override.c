/* breakwater override: an operator gives a site a manual lease where there is no quorum, at that site's machine.
 * Design 3.8. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/override.h>

#include "api.h"
#include "at_site.h"
#include "verbs.h"

#define LOOK_MS 500 /* between two looks at what has come of it */

struct override_values {
    const char *config;
    const char *reason;
    const char *lives; /* --for */
    uint32_t for_ms;
    bool is_end;
    bool is_plan;
    bool is_yes;
    bool is_no_wait;
};

static const struct bw_option override_options[] = {
    BW_OPTION_TEXT(struct override_values, config, "config", 'c', "FILE",
                   "the site file of the agent (site.yaml)"),
    BW_OPTION_TEXT(struct override_values, lives, "for", 0, "D",
                   "length of the manual lease, 1m to 24h (4h, 90m); its end is fixed"),
    BW_OPTION_TEXT(struct override_values, reason, "reason", 0, "TEXT",
                   "how you know that no other site serves, for the record"),
    BW_OPTION_FLAG(struct override_values, is_end, "stop", 0,
                   "stop and fence the service, and end the manual lease"),
    BW_OPTION_FLAG(struct override_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct override_values, is_yes, "yes", 0,
                   "skip the question for the site's name"),
    BW_OPTION_FLAG(struct override_values, is_no_wait, "no-wait", 0, "return at once, without the result"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command override_command = {
    .name = "override",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help =
        "Gives this site a manual lease of GROUP for the time D, if a majority of the witnesses is lost\n"
        "(break-glass). Run it as root, on the machine of the site.\n"
        "Before: make sure that the service is stopped at every other site, and stays stopped. If it\n"
        "runs there, two sites serve at once (split-brain). The site waits for the longest lease, and\n"
        "until it has released its own; then it starts the service. At the end of D, or at a reboot,\n"
        "the manual lease ends and the service is fenced. Refused while a leader answers: use failover.\n"
        "When the witnesses are back, they adopt the service, if no other site has a manual lease.\n"
        "--stop stops and fences the service, and waits until the stop is confirmed.",
    .options = override_options,
};

/* One run of the verb. */
struct run {
    const struct override_values *values;
    struct bw_at_site at;
};

/* ---- speaking with the agent ----------------------------------------------------------------- */

/* NULL: it was said why, and `*out_exit` is what the command ends with: who asked for more than a look, and had no
 * answer, does not know whether that was taken. */
static json_t *ask(const struct run *run, const char *verb, enum bw_exit *out_exit)
{
    const bool is_look = strcmp(verb, "look") == 0;
    json_t *request = bw_at_site_request(&run->at, verb, run->values->reason);
    json_t *answer;
    struct bw_diag diag = {0};

    *out_exit = BW_EXIT_FAILED;
    if (request != NULL)
        (void)json_object_set_new(request, "for_ms", json_integer(run->values->for_ms));
    answer = bw_at_site_answer(&run->at, request, &diag);
    if (answer == NULL && diag.text[0] != '\0') {
        (void)fprintf(stderr,
                      "error: override: the agent of %s does not answer at %s: %s%s\n"
                      "  see:  systemctl status breakwater-agent; then run this command with --plan\n",
                      run->at.config->site, run->at.path, diag.text,
                      is_look ? "" : "; the request may still be executed");
        *out_exit = is_look ? BW_EXIT_FAILED : BW_EXIT_UNKNOWN;
    }
    return answer;
}

/* ---- words ----------------------------------------------------------------------------------- */

#define WORDS_BYTES (256 + 2 * BW_NAME_MAX)

/* A way is typed as it is shown: with the name of the group in the place of GROUP. */
static const char *of_group(const struct run *run, const char *text, char out[WORDS_BYTES])
{
    static const char place[] = "GROUP";
    const char *at;
    size_t used = 0;

    while ((at = strstr(text, place)) != NULL) {
        used += (size_t)snprintf(out + used, WORDS_BYTES - used, "%.*s%s", (int)(at - text), text, run->at.group);
        BW_ASSERT(used < WORDS_BYTES); /* each text names it twice at most */
        text = at + sizeof place - 1;
    }
    (void)snprintf(out + used, WORDS_BYTES - used, "%s", text);
    return out;
}

static const struct {
    enum bw_override_refusal refusal;
    const char *why;
    const char *way;
} refusals[] = {
    {BW_OVERRIDE_REFUSAL_LEVEL,
     "this agent has not learned from a leader that the cluster is at feature level 2, which an override needs",
     "when the quorum is back:  breakwater feature-level raise"},
    {BW_OVERRIDE_REFUSAL_WAIT_UNKNOWN, "this agent has never learned the length of the longest lease from a leader",
     "the agent has to connect to the witnesses once"},
    {BW_OVERRIDE_REFUSAL_NOT_ENFORCED,
     "breakwater does not manage this service here (it is unmanaged or released, or this site is not in its spec)",
     "start it by hand"},
    {BW_OVERRIDE_REFUSAL_WITNESSES, "a leader of the witnesses answers this site's agent",
     "breakwater failover GROUP, or switchover"},
    {BW_OVERRIDE_REFUSAL_GUARD, "its guard does not answer, or is of an older release",
     "systemctl status breakwater-guard"},
    {BW_OVERRIDE_REFUSAL_FOR,
     "--for is shorter than the wait for the longest lease and the fence, or longer than 24h",
     "run the same command with another --for"},
    {BW_OVERRIDE_REFUSAL_EXISTS, "this was requested already",
     "the same command with --plan shows the state"},
    {BW_OVERRIDE_REFUSAL_NONE_TO_END, "this site has no override that could end",
     "breakwater status"},
    {BW_OVERRIDE_REFUSAL_ADOPTED, "the witnesses answer, and adopt the service now",
     "breakwater status; then switchover, or mode GROUP unmanaged"},
};

static void say_refused(const struct run *run, const char *word)
{
    char way[WORDS_BYTES];

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strcmp(word, bw_override_refusal_word(refusals[i].refusal)) == 0) {
            (void)fprintf(
                stderr, "refused: override of %s at %s: %s; nothing was changed\n  instead:  %s\n",
                run->at.group, run->at.config->site, refusals[i].why, of_group(run, refusals[i].way, way));
            return;
        }
    (void)fprintf(stderr, "refused: override of %s at %s: %s; nothing was changed\n", run->at.group,
                  run->at.config->site, word);
}

static const struct {
    enum bw_override_waits waits;
    const char *text;
} waits_texts[] = {
    {BW_OVERRIDE_WAITS_NOTHING, "nothing"},
    {BW_OVERRIDE_WAITS_LEASE, "the longest lease that another site may have"},
    {BW_OVERRIDE_WAITS_EPOCH, "the release of this site's own epoch"},
    {BW_OVERRIDE_WAITS_DISK, "the agent's disk"},
    {BW_OVERRIDE_WAITS_GUARD, "the guard of this site"},
    {BW_OVERRIDE_WAITS_FENCE, "a fence, because an earlier one may have failed"},
    {BW_OVERRIDE_WAITS_STATUS, "status_script to report stopped"},
    {BW_OVERRIDE_WAITS_START, "the start of the service, which is repeated after a failure"},
    {BW_OVERRIDE_WAITS_WITNESSES, "the adoption by the witnesses, which answer"},
    {BW_OVERRIDE_WAITS_GRANT,
     "a new epoch from the witnesses, which answer: only that starts a stopped service (breakwater explain GROUP)"},
    {BW_OVERRIDE_WAITS_END, "a fence that confirms the stop of the service"},
};

static const char *waits_text(const struct run *run, const char *word, char out[WORDS_BYTES])
{
    for (size_t i = 0; i < sizeof waits_texts / sizeof waits_texts[0]; i++)
        if (strcmp(word, bw_override_waits_word(waits_texts[i].waits)) == 0)
            return of_group(run, waits_texts[i].text, out);
    return word;
}

/* Why it is over, or is being ended; for one of an agent that has begun anew since: that this is
 * not known. */
static const struct {
    enum bw_override_over over;
    const char *text;
    const char *way;
} over_texts[] = {
    {BW_OVERRIDE_OVER_PERSON, "an operator has ended it",
     "if that was a mistake: breakwater override GROUP again"},
    {BW_OVERRIDE_OVER_WITNESSES, "a leader answered before it had begun",
     "breakwater failover GROUP"},
    {BW_OVERRIDE_OVER_GRANTED,
     "the witnesses have made this site the primary", "breakwater status"},
    {BW_OVERRIDE_OVER_ELSEWHERE, "for the witnesses, another site has the newest epoch",
     "breakwater status; then switchover, if this site has to serve"},
    {BW_OVERRIDE_OVER_LET_GO,
     "the witnesses had released the group (unmanaged, or a spec without this site), so it may serve elsewhere",
     "breakwater explain GROUP"},
    {BW_OVERRIDE_OVER_TIME, "its time has ended", "run the command again, if the site has to serve longer"},
    {BW_OVERRIDE_OVER_REBOOT, "this machine was restarted after it",
     "run the command again, if the site has to serve"},
    {BW_OVERRIDE_OVER_FENCED, "a start failed, the stop after it failed too, and a fence has ended it",
     "breakwater status; then run the command again, if the site has to serve"},
    {BW_OVERRIDE_OVER_GUARD, "its guard has lost the deadline", "run the command again, if the site has to "
                                                                         "serve"},
    {BW_OVERRIDE_OVER_OLDER, "an older release has stored it, without an end",
     "run the command again, if the site has to serve"},
};

static void say_over(const struct run *run, const json_t *reply, FILE *out)
{
    const char *text = "its agent was restarted since, and does not know the reason";
    const char *way = "breakwater status; the log of the agent";
    char words[WORDS_BYTES];

    for (size_t i = 0; i < sizeof over_texts / sizeof over_texts[0]; i++)
        if (strcmp(bw_json_member(reply, "over"), bw_override_over_word(over_texts[i].over)) == 0) {
            text = over_texts[i].text;
            way = over_texts[i].way;
        }
    (void)fprintf(out, "ended: the override of %s at %s: %s\n"
                       "  next:  %s\n", run->at.group,
                  run->at.config->site, text, of_group(run, way, words));
}

static bool is_over_word(const json_t *reply, enum bw_override_over over)
{
    return strcmp(bw_json_member(reply, "over"), bw_override_over_word(over)) == 0;
}

static void print_now(const struct run *run, const json_t *reply)
{
    char words[WORDS_BYTES];

    (void)printf(
        "%s at %s: override %s; service %s; newest epoch here %" PRId64 " (%s); no leader has "
        "answered for %" PRId64 " s\n",
        run->at.group, run->at.config->site, bw_json_member(reply, "state"),
        bw_json_member(reply, "service"), bw_json_number(reply, "epoch"),
        bw_json_truth(reply, "open") ? "open" : "over", bw_json_number(reply, "silent_ms") / 1000);
    if (bw_json_number(reply, "lives_ms") > 0) {
        char left[BW_DURATION_TEXT_BYTES];

        bw_duration_format((uint32_t)(bw_json_number(reply, "lives_ms") / 1000 * 1000), left);
        (void)printf("manual lease %" PRId64 ": ends in %s; this end is fixed\n",
                     bw_json_number(reply, "serial"), left);
    }
    if (strcmp(bw_json_member(reply, "state"), "none") != 0)
        (void)printf("waits for: %s (%" PRId64 ".%" PRId64 " s)\n",
                     waits_text(run, bw_json_member(reply, "waits"), words),
                     bw_json_number(reply, "left_ms") / 1000,
                     bw_json_number(reply, "left_ms") % 1000 / 100);
    else if (!is_over_word(reply, BW_OVERRIDE_OVER_NONE))
        say_over(run, reply, stdout);
}

static void print_plan(const struct run *run, const json_t *reply)
{
    const int64_t wait_ms = bw_json_number(reply, "wait_ms");

    if (run->values->is_end) {
        const bool has_begun = strcmp(bw_json_member(reply, "state"), "waiting") != 0;

        (void)puts(!has_begun ? " 1 the override has not begun: it is dropped, also on disk; nothing is fenced"
                              : " 1 the agent orders no more starts of it, and stores this on disk\n"
                                " 2 the service is stopped and then fenced; the fence is repeated until the stop is "
                                "confirmed\n"
                                " 3 after that, the site reports that its override has ended");
        return;
    }
    (void)printf(
        " 1 the agent stores this on disk, and waits %" PRId64 ".%" PRId64 " s, the longest lease of another site%s\n"
        " 2 if a leader answers before that, the override ends: use failover\n"
        " 3 the service is started here, and may serve until %s after the command\n"
        " 4 %.1f s before that end it is fenced, unless the witnesses are back: they adopt it, if no other site "
        "overrides or serves\n"
        " 5 a restart of this machine ends the override, too: nothing starts until the command is run again\n",
        wait_ms / 1000, wait_ms % 1000 / 100,
        bw_json_truth(reply, "open") ? ", and until this site has released its own epoch" : "",
        run->values->lives != NULL ? run->values->lives : "--for D", (double)bw_json_number(reply, "fence_ms") / 1000);
}

/* ---- the outcome
 * --------------------------------------------------------------------------------- */

/* What is new of it. */
static void say_progress(const struct run *run, const json_t *reply, char *last, size_t size)
{
    char words[WORDS_BYTES];
    char now[32 + WORDS_BYTES];

    (void)snprintf(now, sizeof now, "%s: waits for %s", bw_json_member(reply, "state"),
                   waits_text(run, bw_json_member(reply, "waits"), words));
    if (strcmp(now, last) == 0)
        return;
    (void)snprintf(last, size, "%s", now);
    if (bw_json_number(reply, "left_ms") > 0)
        (void)printf("%s, %" PRId64 " s\n", now, bw_json_number(reply, "left_ms") / 1000 + 1);
    else
        (void)puts(now);
    (void)fflush(stdout);
}

/* True: it has come to an end, in `*out_exit`. */
static bool is_over(const struct run *run, const json_t *reply, enum bw_exit *out_exit)
{
    const char *state = bw_json_member(reply, "state");
    const bool serves = strcmp(bw_json_member(reply, "service"), "started") == 0;

    *out_exit = BW_EXIT_FINE;
    if (run->values->is_end && strcmp(state, "none") == 0) {
        (void)printf(
            "done: %s at %s has no override any more; the stop of the service is confirmed, if it had begun\n",
            run->at.group, run->at.config->site);
        return true;
    }
    if (!run->values->is_end && strcmp(state, "none") == 0) {
        if (!is_over_word(reply, BW_OVERRIDE_OVER_GRANTED))
            *out_exit = BW_EXIT_UNSAFE;
        say_over(run, reply, *out_exit == BW_EXIT_FINE ? stdout : stderr);
        return true;
    }
    if (!run->values->is_end && strcmp(state, "overriding") == 0 && serves) {
        (void)printf("done: %s serves at %s under manual lease %" PRId64 "\n"
                     "  then:    repair the witnesses (breakwater recover, on a witness, as its user); they adopt "
                     "the service\n"
                     "  or end:  breakwater override %s -c %s --stop\n",
                     run->at.group, run->at.config->site, bw_json_number(reply, "serial"), run->at.group,
                     run->values->config);
        return true;
    }
    return false;
}

static enum bw_exit follow(const struct run *run)
{
    char last[32 + WORDS_BYTES] = "";
    enum bw_exit exit;

    for (;;) { /* as long as it takes: who ends the command ends nothing but that */
        json_t *reply = ask(run, "look", &exit);

        if (reply == NULL) {
            (void)fputs("the request may still be executed\n", stderr);
            return BW_EXIT_UNKNOWN;
        }
        if (is_over(run, reply, &exit)) {
            json_decref(reply);
            return exit;
        }
        say_progress(run, reply, last, sizeof last);
        json_decref(reply);
        bw_api_pause(LOOK_MS);
    }
}

static enum bw_exit act(const struct run *run)
{
    enum bw_exit exit;
    json_t *reply = ask(run, run->values->is_end ? "end" : "override", &exit);
    char refusal[32];

    if (reply == NULL)
        return exit;
    (void)snprintf(refusal, sizeof refusal, "%s", bw_json_member(reply, "refusal"));
    json_decref(reply);
    if (strcmp(refusal, "none") != 0) {
        say_refused(run, refusal);
        return BW_EXIT_UNSAFE;
    }
    if (!run->values->is_no_wait)
        return follow(run);
    (void)printf("requested; to see its state: breakwater override %s -c %s --plan\n",
                 run->at.group, run->values->config);
    return BW_EXIT_FINE;
}

static enum bw_exit go(const void *of)
{
    const struct run *run = of;
    const struct override_values *values = run->values;
    enum bw_exit exit;
    json_t *reply = ask(run, "look", &exit);
    const char *refusal;

    if (reply == NULL)
        return exit;
    print_now(run, reply);
    refusal = bw_json_member(reply, values->is_end ? "may_end" : "may");
    if (refusal[0] != '\0' && strcmp(refusal, "none") != 0) { /* an agent of before does not say it of an end */
        const bool is_asked = strcmp(refusal, "exists") == 0;

        if (!is_asked || !values->is_plan)
            say_refused(run, refusal);
        json_decref(reply);
        return is_asked && values->is_plan ? BW_EXIT_FINE : BW_EXIT_UNSAFE;
    }
    print_plan(run, reply);
    json_decref(reply);
    if (values->is_plan) {
        (void)puts("Nothing was changed. To do this, run it again without --plan.");
        return BW_EXIT_FINE;
    }
    if (!bw_confirm(&override_command, values->is_yes,
                    values->is_end ? "The service at this site will be stopped."
                                   : "If another site serves, or is started, two sites will serve.",
                    run->at.config->site))
        return BW_EXIT_FAILED;
    return act(run);
}

/* 3.8: a manual lease has an end, which its operator chooses; the line to type is printed. */
static bool take_time(struct override_values *values, const char *group)
{
    if (values->lives != NULL && bw_duration_parse(values->lives, &values->for_ms) &&
        values->for_ms >= BW_OVERRIDE_FOR_MS_MIN && values->for_ms <= BW_OVERRIDE_FOR_MS_MAX)
        return true;
    if (values->lives == NULL && (values->is_plan || values->is_end))
        return true;
    (void)fprintf(stderr,
                  "error: override: %s; nothing was changed\n"
                  "  run:  breakwater override %s -c %s --for 4h --reason \"%s\"\n",
                  values->lives == NULL ? "--for D is missing (1m to 24h): how long may this site serve?"
                                        : "--for is a time from 1m to 24h",
                  group, values->config, values->reason != NULL ? values->reason : "TEXT");
    return false;
}

enum bw_exit bw_verb_override(int argc, char **argv)
{
    struct override_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;
    struct run run = {.values = &values, .at.command = &override_command};

    if (!bw_options_parse(&override_command, argc, argv, &values, &operands, &status))
        return status;
    run.at.group = operands.items[0];
    if (!bw_at_site_is_named(&run.at, values.config))
        return BW_EXIT_USAGE;
    if (!values.is_plan && !values.is_end && values.reason == NULL)
        return bw_usage_error(&override_command,
                              "needs --reason TEXT: how you know that no other site serves");
    if (!take_time(&values, run.at.group))
        return BW_EXIT_USAGE;
    return bw_at_site_run(&run.at, values.config, values.is_yes || values.is_plan, go, &run);
}
