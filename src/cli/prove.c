/* breakwater prove: an operator has the site that is primary show that a KILL by its guard, or the fence of its second
 * enforcer, ends the service, at that site's machine. Design 3.4, Proved. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <breakwater/base/instant.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/proof.h>

#include "api.h"
#include "at_site.h"
#include "verbs.h"

#define LOOK_MS 500 /* between two looks at what has come of it */

struct prove_values {
    const char *config;
    const char *reason;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option prove_options[] = {
    BW_OPTION_TEXT(struct prove_values, config, "config", 'c', "FILE", "the site file of the agent (site.yaml)"),
    BW_OPTION_TEXT(struct prove_values, reason, "reason", 0, "TEXT", "reason, for the agent's log"),
    BW_OPTION_FLAG(struct prove_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct prove_values, is_yes, "yes", 0, "skip the question for the group's name"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command prove_command = {
    .name = "prove",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Tests that a KILL by this site's guard stops the service of GROUP, or, if the guard cannot kill\n"
            "it, the fence of the second enforcer. Without this test, the loss of this site needs an operator.\n"
            "Run it as root, on the machine of the primary. The service is stopped without stop_script,\n"
            "status_script has to report stopped, and start_script starts the service again: one outage, at\n"
            "a time that you choose. GROUP stays at this site. Before the first start, use breakwater-chaos\n"
            "scripts (not for a second enforcer).",
    .options = prove_options,
};

struct run {
    const struct prove_values *values;
    struct bw_at_site at;
};

/* ---- words ----------------------------------------------------------------------------------- */

static const struct {
    enum bw_proof_word word;
    const char *why;
    const char *fix;
} texts[] = {
    {BW_PROOF_WORD_ASKED, "a test of this group is already running", "the same command with --plan shows its "
                                                                        "progress"},
    {BW_PROOF_WORD_NOT_PRIMARY, "this site is not the primary of the group, or its service is not running yet",
     "run this command on the primary; at a standby, while the service is stopped on every site: breakwater-chaos scripts --reach"},
    {BW_PROOF_WORD_ORDER, "the group is paused or in maintenance, or is being moved: no service is restarted then",
     "breakwater resume GROUP, or breakwater maintenance GROUP --stop; then the same command again"},
    {BW_PROOF_WORD_REMOTE, "stop_method is remote: no process or container of this machine is the service",
     "use a second enforcer or remote_fence_script; if there is one, see it in: breakwater status"},
    {BW_PROOF_WORD_DRIVER, "started_by is external: a loop of yours starts and stops the service, and may stop it before the KILL",
     "use remote_fence_script, or handover_by_time: never"},
    {BW_PROOF_WORD_GUARD, "the guard is down, is of an older release, or cannot kill the processes of the group",
     "systemctl status breakwater-guard; its log has reach.works when it can"},
    {BW_PROOF_WORD_SERVICE, "status_script does not report that the service runs and does its work",
     "breakwater status; then the same command again"},
    {BW_PROOF_WORD_BUSY, "a script of this group is running", "the same command again in a moment"},
    {BW_PROOF_WORD_LEASE, "too little is left of the lease: the witnesses do not renew it",
     "breakwater status; the same command again after the lease is renewed"},
    {BW_PROOF_WORD_OUTSIDE, "start_script starts the service where the guard cannot kill it",
     "set stop_method: for this group in site.yaml; the guard's log suggests a value; or use a second enforcer (breakwater status "
     "says why one does not count)"},
    {BW_PROOF_WORD_SERVES_ON,
     "everything in the group's reach was killed, and status_script did not report stopped after that",
     "set stop_method: for this group in site.yaml; the guard's log suggests a value"},
    {BW_PROOF_WORD_NOT_FENCED,
     "the second enforcer did not see the service run, or its fence_script did not stop it within fence_timeout",
     "on its machine: journalctl -u breakwater-second-enforcer; then the same command again"},
    {BW_PROOF_WORD_NOT_KILLED, "the guard has refused the KILL: a stop or fence script has begun since the start of "
                               "the service, or its disk could not store what it saw",
     "the same command again after the next start of the service"},
    {BW_PROOF_WORD_CUT_OFF, "a fence, an order of the witnesses, or the loss of the guard or the second enforcer came in between",
     "breakwater status; then the same command again"},
};

static void say(const struct run *run, const char *word, bool was_begun)
{
    const char *why = word;
    const char *fix = "breakwater status";

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(word, bw_proof_word(texts[i].word)) == 0) {
            why = texts[i].why;
            fix = texts[i].fix;
        }
    (void)fprintf(stderr,
                  "%s: %s at %s: %s (%s)\n"
                  "  effect:  %s; if %s is lost, an operator has to act (handover_by_time)\n"
                  "  fix:     %s\n",
                  was_begun ? "not proved" : "refused", run->at.group, run->at.config->site, why, word,
                  was_begun ? "nothing is proved to stop the service" : "nothing was changed", run->at.config->site,
                  fix);
}

static void print_plan(const struct run *run, const json_t *reply)
{
    const struct bw_group_config *group = bw_site_config_find(run->at.config, run->at.group);
    const bool by_second = bw_json_truth(reply, "by_second");
    char limit[BW_DURATION_TEXT_BYTES] = "?";
    int number = 1;

    if (group != NULL)
        bw_duration_format(group->timeout_ms[BW_ACTION_START], limit);
    (void)printf("%s at %s: epoch %" PRId64 ", service %s\n", run->at.group, run->at.config->site,
                 bw_json_number(reply, "epoch"), bw_json_member(reply, "service"));
    if (bw_json_truth(reply, "restarts"))
        (void)printf(" %d the scripts stop and start the service once, because the guard has not seen them start it "
                     "where it can kill it\n",
                     number++);
    (void)printf(" %d status_script has to report started\n", number++);
    (void)printf(" %d %s: the outage begins, and what the service has not written is lost\n", number++,
                 by_second ? "the second enforcer runs its fence_script (without stop_script)"
                           : "everything in the group's reach is killed (KILL, without stop_script)");
    (void)printf(" %d status_script has to report stopped: this proves the %s\n", number++, by_second ? "fence" : "kill");
    (void)printf(" %d start_script starts the service again, in the same epoch, in each case: the outage ends "
                 "(limit of the start: %s)\n",
                 number, limit);
}

/* ---- speaking with the agent ----------------------------------------------------------------- */

/* NULL: it was said why. */
static json_t *ask(const struct run *run, const char *verb)
{
    struct bw_diag diag = {0};
    json_t *answer = bw_at_site_answer(&run->at, bw_at_site_request(&run->at, verb, run->values->reason), &diag);

    if (answer == NULL && diag.text[0] != '\0')
        (void)fprintf(stderr,
                      "error: prove: the agent of %s does not answer at %s: %s\n"
                      "  effect:  %s\n"
                      "  fix:     systemctl status breakwater-agent; then this command with --plan\n",
                      run->at.config->site, run->at.path, diag.text,
                      strcmp(verb, "prove") == 0 ? "the test may still run" : "nothing was changed");
    return answer;
}

static bool is_word(const json_t *reply, const char *member, enum bw_proof_word word)
{
    return strcmp(bw_json_member(reply, member), bw_proof_word(word)) == 0;
}

static const char *what_stops(const json_t *reply)
{
    return bw_json_truth(reply, "by_second") ? "the fence by the second enforcer" : "a KILL by the guard";
}

/* True: it has come to an end, in `*out_exit`. */
static bool is_over(const struct run *run, const json_t *reply, enum bw_exit *out_exit)
{
    const bool serves = strcmp(bw_json_member(reply, "service"), "started") == 0 && bw_json_truth(reply, "serving");
    const bool is_here = bw_json_truth(reply, "open");

    *out_exit = BW_EXIT_FAILED;
    if (is_word(reply, "word", BW_PROOF_WORD_ASKED) || (!serves && is_here))
        return false;
    if (!is_word(reply, "word", BW_PROOF_WORD_PROVED)) {
        say(run, bw_json_member(reply, "word"), true);
    } else if (!serves) {
        (void)fprintf(stderr, "proved: %s at %s; but the start failed, and the site has released the group\n"
                              "  fix:     breakwater status\n",
                      run->at.group, run->at.config->site);
    } else {
        (void)printf("proved: %s of %s stops %s; the service runs again\n", what_stops(reply), run->at.config->site,
                     run->at.group);
        *out_exit = BW_EXIT_FINE;
    }
    return true;
}

static enum bw_exit follow(const struct run *run)
{
    enum bw_exit exit;
    bool was_asked = false;

    for (;;) { /* as long as it takes: who ends the command ends nothing but that */
        json_t *reply = ask(run, "proof");

        if (reply == NULL)
            return BW_EXIT_UNKNOWN;
        if (is_over(run, reply, &exit)) {
            json_decref(reply);
            return exit;
        }
        if (!is_word(reply, "word", BW_PROOF_WORD_ASKED) && !was_asked) {
            (void)puts("waits for the start of the service");
            (void)fflush(stdout);
            was_asked = true;
        }
        json_decref(reply);
        bw_api_pause(LOOK_MS);
    }
}

static enum bw_exit act(const struct run *run)
{
    json_t *reply = ask(run, "prove");
    char refusal[32];

    if (reply == NULL)
        return BW_EXIT_UNKNOWN;
    (void)snprintf(refusal, sizeof refusal, "%s", bw_json_member(reply, "refusal"));
    json_decref(reply);
    if (strcmp(refusal, bw_proof_word(BW_PROOF_WORD_NONE)) == 0)
        return follow(run);
    say(run, refusal, false);
    return BW_EXIT_UNSAFE;
}

static enum bw_exit go(const void *of)
{
    const struct run *run = of;
    const struct prove_values *values = run->values;
    enum bw_exit exit = BW_EXIT_FINE;
    json_t *reply = ask(run, "proof");

    if (reply == NULL)
        return BW_EXIT_FAILED;
    if (is_word(reply, "may", BW_PROOF_WORD_PROVED)) {
        (void)printf("proved already: %s of %s stops %s; nothing was changed\n", what_stops(reply), run->at.config->site,
                     run->at.group);
    } else if (!is_word(reply, "may", BW_PROOF_WORD_NONE)) {
        say(run, bw_json_member(reply, "may"), false);
        exit = BW_EXIT_UNSAFE;
    } else {
        print_plan(run, reply);
        if (values->is_plan)
            (void)puts("Nothing was changed. To do this, run it again without --plan.");
        else if (!bw_confirm(&prove_command, values->is_yes, "The service is stopped, and started again.", run->at.group))
            exit = BW_EXIT_FAILED;
        else
            exit = act(run);
    }
    json_decref(reply);
    return exit;
}

enum bw_exit bw_verb_prove(int argc, char **argv)
{
    struct prove_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;
    struct run run = {.values = &values, .at.command = &prove_command};

    if (!bw_options_parse(&prove_command, argc, argv, &values, &operands, &status))
        return status;
    run.at.group = operands.items[0];
    if (!bw_at_site_is_named(&run.at, values.config))
        return BW_EXIT_USAGE;
    return bw_at_site_run(&run.at, values.config, values.is_yes || values.is_plan, go, &run);
}
