/* breakwater status: what every witness says, and whether it needs attention. */
#include <unistd.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/may_run.h>
#include <breakwater/sys/clock.h>

#include "alarm_lines.h"
#include "api.h"
#include "at_site.h"
#include "columns.h"
#include "verbs.h"

#define WAIT_MS        3000
#define WATCH_MS       2000
#define WATCH_MS_MIN   100

struct status_values {
    struct bw_api_values api;
    enum bw_output output;
    const char *watch;
    bool is_site;
    const char *socket;
};

static const struct bw_option status_options[] = {
    BW_OPTION_OUTPUT(struct status_values, output),
    BW_OPTION_MAYBE(struct status_values, watch, "watch", 0, "D",
                    "print it again and again (every 2s)"),
    BW_OPTION_FLAG(struct status_values, is_site, "site", 0,
                   "show the state of this machine's guard; no witness is asked"),
    BW_OPTION_TEXT(struct status_values, socket, "socket", 0, "PATH",
                   "with --site: the guard's socket (" BW_GUARD_SOCKET_ABSENT ")"),
    BW_API_OPTIONS(struct status_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command status_command = {
    .name = "status",
    .operands = "[GROUP]",
    .operands_max = 1,
    .help =
        "Shows who is primary, who could follow, and whether anything needs attention.\n"
        "Asks every witness. Exit status: 0 success, 3 something needs attention,\n"
        "4 a group lacks a primary, 5 the quorum is lost, or all witnesses are silent. With --site it asks the guard of\n"
        "this machine instead, as root or as the guard's user.",
    .options = status_options,
};

/* The status with only the group that was asked for. */
static bool filter(json_t *status, const char *group)
{
    json_t *one = bw_json_find_group(status, group);
    json_t *only;

    if (one == NULL)
        return false;
    only = json_pack("[O]", one);
    return only != NULL && json_object_set_new(status, "groups", only) == 0;
}

static enum bw_exit print(const struct bw_api *api, enum bw_output output)
{
    FILE *nowhere;
    enum bw_exit exit;

    if (output == BW_OUTPUT_TABLE)
        return bw_show_status(api->status, NULL, bw_clock_wall().unix_ms, stdout);
    if (bw_json_print(api->status) != BW_EXIT_FINE)
        return BW_EXIT_FAILED;
    nowhere = fopen("/dev/null", "w"); /* the verdict is the same as the table's */
    if (nowhere == NULL)
        return BW_EXIT_FAILED;
    exit = bw_show_status(api->status, NULL, bw_clock_wall().unix_ms, nowhere);
    (void)fclose(nowhere); /* nothing in it is wanted */
    return exit;
}

/* A witness that does not answer here is worth a look, even if the leader hears it. */
static enum bw_exit warn_of_silence(const struct bw_api *api, enum bw_exit exit)
{
    for (size_t i = 0; i < api->count; i++) {
        const struct bw_api_witness *witness = &api->witnesses[i];

        if (witness->status != NULL || (witness->is_learnt && !witness->is_left_behind))
            continue;
        if (!witness->is_left_behind) /* of which the survey has warned */
            (void)fprintf(stderr, "warning: %s does not answer: %s\n", witness->address,
                          witness->why);
        if (exit == BW_EXIT_FINE)
            exit = BW_EXIT_WARNINGS;
    }
    return exit;
}

static enum bw_exit complain_of_group(const struct bw_api *api, const char *group)
{
    const bool is_limited = json_is_array(json_object_get(api->status, "limited_to"));

    (void)fprintf(stderr, "error: status: there is no group \"%s\"%s\n  see:  breakwater status\n",
                  group, is_limited ? " among those that this certificate may see" : "");
    return BW_EXIT_FAILED;
}

static enum bw_exit show_once(struct bw_api *api, const char *group, enum bw_output output)
{
    const bool has_leader = bw_api_survey(api);
    const enum bw_exit lack = has_leader ? BW_EXIT_FINE
                                         : bw_api_no_quorum(api, "nothing can be decided");
    enum bw_exit exit;

    if (api->status == NULL)
        return lack;
    if (group != NULL && !filter(api->status, group))
        return complain_of_group(api, group);
    if (!has_leader)
        (void)fprintf(stderr, "The state as %s last knew it:\n", bw_json_member(api->status, "answered_by"));
    exit = print(api, output);
    bw_api_tell_outdated(api);
    return has_leader ? warn_of_silence(api, exit) : lack;
}

/* Until it is interrupted. */
static enum bw_exit watch(struct bw_api *api, const char *group, enum bw_output output,
                          uint32_t interval_ms)
{
    const bool is_terminal = isatty(STDOUT_FILENO);
    enum bw_exit exit = BW_EXIT_FINE;

    while (!ferror(stdout)) {
        if (is_terminal)
            (void)fputs("\033[H\033[2J", stdout); /* a failed write ends the loop */
        for (size_t i = 0; is_terminal && i < api->count; i++)
            api->witnesses[i].is_left_behind_told = false; /* what was said of it is gone, too */
        exit = show_once(api, group, output);
        if (!is_terminal)
            (void)putchar('\n');
        if (fflush(stdout) != 0)
            break;
        bw_api_pause(interval_ms);
    }
    return exit;
}

static enum bw_exit show_site(const struct status_values *values, const char *group)
{
    if (values->watch != NULL)
        return bw_usage_error(&status_command, "--watch does not go with --site");
    if (group != NULL && !bw_name_is_valid(group))
        return bw_usage_error(&status_command, "\"%s\" is no name of a group", group);
    return bw_status_site(values->socket != NULL ? values->socket : BW_GUARD_SOCKET_ABSENT, group,
                          values->output);
}

enum bw_exit bw_verb_status(int argc, char **argv)
{
    struct status_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    uint32_t interval_ms = WATCH_MS;
    const char *group;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&status_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.watch != NULL && values.watch[0] != '\0' &&
        (!bw_duration_parse(values.watch, &interval_ms) || interval_ms < WATCH_MS_MIN))
        return bw_usage_error(&status_command, "--watch=%s: expected a duration of at least 100ms",
                              values.watch);
    if (values.is_site)
        return show_site(&values, operands.count > 0 ? operands.items[0] : NULL);
    if (values.socket != NULL)
        return bw_usage_error(&status_command, "--socket goes with --site");
    if (!bw_api_open(&api, &status_command, &values.api, WAIT_MS, &exit))
        return exit;
    group = operands.count > 0 ? operands.items[0] : NULL;
    exit = values.watch != NULL ? watch(&api, group, values.output, interval_ms)
                                : show_once(&api, group, values.output);
    bw_api_close(&api);
    return exit;
}

/* ---- without a witness ---- */

/* breakwater status --site: what the guard of this machine knows, without any witness.
 * Design 3.4, 5.2. */

#define ASK_MS          5000  /* for all groups */
#define AGENT_SILENT_MS 10000 /* an agent says more, unless its intervals are set to much more */

/* ---- what is shown
 * ------------------------------------------------------------------------------- */

struct look {
    struct bw_id boot_id;
    uint64_t time_namespace;
    json_t *groups;
    char site[BW_NAME_MAX + 1];
    bool has_agent;
    json_int_t agent_contact_ms; /* -1: not known */
    bool is_of_our_clocks;
    bool is_worth_a_look;
};

/* Of what happened at `at` on the guard's clocks: -1 where these are not ours, or it never did. */
static json_int_t age_ms(const struct look *look, struct bw_instant now, struct bw_instant at)
{
    if (!look->is_of_our_clocks || at.boot_ns == 0)
        return -1;
    return (json_int_t)bw_ns_to_ms(bw_instant_elapsed_ns(now, at));
}

/* What a script wrote: any bytes. What is no printable ASCII shows as a question mark. */
static json_t *text_of(const char *line)
{
    char text[sizeof((struct bw_guard_script_end *)0)->line];
    size_t i;

    for (i = 0; line[i] != '\0'; i++)
        text[i] = (char)(line[i] < ' ' || line[i] > '~' ? '?' : line[i]);
    text[i] = '\0';
    return json_string(text);
}

static json_t *script_of(const struct look *look, struct bw_instant now,
                         const struct bw_guard_script_end *end)
{
    if (end->action == BW_ACTION_NONE)
        return json_null();
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:o}", "script", bw_action_word(end->action),
                     "result", bw_run_result_word(end->result), "exit_status", end->exit_status,
                     "age_ms", age_ms(look, now, end->ended_at), "duration_ms",
                     (json_int_t)end->duration_ms, "line", text_of(end->line));
}

static json_int_t left_ms(struct bw_instant now, struct bw_instant end)
{
    return (json_int_t)bw_ns_to_ms(bw_instant_left_ns(now, end));
}

static json_t *lease_of(const struct look *look, struct bw_instant now,
                        const struct bw_guard_shown *shown)
{
    if (shown->armed_epoch == 0 || !look->is_of_our_clocks)
        return json_null();
    return json_pack(
        "{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)shown->armed_epoch, "serial",
        (json_int_t)shown->armed_serial, "left_ms", left_ms(now, shown->armed_end), "fence_in_ms",
        left_ms(now, bw_instant_sub(shown->armed_end, bw_ms_to_ns(shown->fence_ms))));
}

static json_t *group_of(const struct look *look, struct bw_instant now, enum bw_may_run may_run,
                        const struct bw_guard_message *message)
{
    const struct bw_guard_shown *shown = &message->shown;

    return json_pack(
        "{s:s, s:b, s:s, s:b, s:I, s:o, s:b, s:b, s:b, s:s, s:s, s:I, s:o, s:o, s:s, s:b, s:s, "
        "s:b, s:o}",
        "name", message->group, "may_run", bw_may_run_is_yes(may_run), "why",
        bw_may_run_word(may_run), "enforced", shown->enforced, "epoch_seen",
        (json_int_t)shown->epoch_seen, "lease", lease_of(look, now, shown), "fencing",
        shown->fence_begun, "fence_failed", shown->fence_failed, "overriding", shown->armed_serial != 0,
        "running", bw_action_word(shown->running), "service", bw_service_word(shown->service),
        "service_age_ms", age_ms(look, now, shown->service_at), "action",
        script_of(look, now, &shown->action), "failure", script_of(look, now, &shown->failure),
        "reach", bw_reach_word(shown->reach), "reach_works", shown->reach_works, "seen",
        bw_reach_seen_word(shown->sight.seen), "proved", shown->sight.proved, "loop_delay_ms",
        shown->loop_delay_ms != 0 ? json_integer(shown->loop_delay_ms) : json_null());
}

static void hear(const struct bw_guard_message *message, void *user)
{
    const struct bw_guard_shown *shown = &message->shown;
    const struct bw_instant now = bw_clock_now();
    struct look *look = user;
    enum bw_may_run may_run;

    memcpy(look->site, shown->site, sizeof look->site);
    look->has_agent = shown->has_agent;
    if (message->group[0] == '\0')
        return;
    look->is_of_our_clocks = bw_id_equal(shown->boot_id, look->boot_id) &&
                             shown->time_namespace == look->time_namespace;
    may_run = bw_may_run(true, shown, look->boot_id, look->time_namespace, now);
    look->agent_contact_ms = age_ms(look, now, shown->agent_contact_at);
    look->is_worth_a_look = look->is_worth_a_look || shown->fence_failed || shown->nobodys ||
                            !shown->reach_works || may_run == BW_MAY_RUN_OTHER_CLOCKS ||
                            (look->is_of_our_clocks && shown->armed_epoch != 0 &&
                             bw_instant_left_ns(now, shown->armed_end) == 0);
    (void)json_array_append_new(look->groups, group_of(look, now, may_run, message));
}

/* ---- text
 * ---------------------------------------------------------------------------------------- */

static void print_seconds(const char *before, int64_t ms, const char *after)
{
    char text[BW_SECONDS_BYTES];

    (void)printf("%s%s%s", before, bw_seconds(ms, text), after);
}

static void print_age(int64_t ms)
{
    if (ms < 0)
        (void)fputs(", when is not known", stdout);
    else
        print_seconds(", ", ms, " ago");
}

static void print_script(const char *title, const json_t *end)
{
    if (!json_is_object(end))
        return;
    (void)printf("  %-9s %s: %s", title, bw_json_member(end, "script"),
                 bw_json_member(end, "result"));
    if (bw_json_number(end, "exit_status") >= 0)
        (void)printf(" (exit %" PRId64 ")", bw_json_number(end, "exit_status"));
    print_age(bw_json_number(end, "age_ms"));
    print_seconds(", took ", bw_json_number(end, "duration_ms"), "\n");
    if (bw_json_member(end, "line")[0] != '\0')
        (void)printf("            %.66s\n", bw_json_member(end, "line"));
}

static void print_lease(const json_t *lease)
{
    const bool is_manual = json_is_object(lease) && bw_json_number(lease, "serial") > 0;

    if (!json_is_object(lease))
        return;
    (void)printf("  %-9s epoch %" PRId64, "lease:", bw_json_number(lease, "epoch"));
    if (is_manual)
        (void)printf(", manual lease %" PRId64 " (override)", bw_json_number(lease, "serial"));
    if (bw_json_number(lease, "left_ms") <= 0) {
        (void)puts(", expired");
        return;
    }
    print_seconds(", ends in ", bw_json_number(lease, "left_ms"), "");
    if (bw_json_number(lease, "fence_in_ms") > 0)
        print_seconds("; its fence begins in ", bw_json_number(lease, "fence_in_ms"),
                      is_manual ? "\n            unless the witnesses take it over\n"
                                : "\n            unless it is renewed\n");
    else
        (void)puts("; its fence has begun");
}

static const char *sentence_of(const json_t *group)
{
    const char *word = bw_json_member(group, "why");

    for (int i = 0; i < BW_MAY_RUN_COUNT; i++)
        if (strcmp(word, bw_may_run_word((enum bw_may_run)i)) == 0)
            return bw_may_run_sentence((enum bw_may_run)i);
    return word;
}

/* How the guard can kill the service, and whether that was tested (design 3.4). */
static void print_kill(const json_t *group)
{
    const char *seen = bw_json_member(group, "seen");
    const char *verdict = ", not verified for this service";

    if (!bw_json_truth(group, "reach_works"))
        verdict = ", not shown to work";
    else if (strcmp(seen, bw_reach_seen_word(BW_REACH_OUTSIDE)) == 0)
        verdict = "; the service runs outside of it";
    else if (strcmp(seen, bw_reach_seen_word(BW_REACH_INSIDE)) == 0)
        verdict = bw_json_truth(group, "proved") ? ", tested" : ", not tested";
    (void)printf("  %-9s by %s%s\n", "kill:", bw_json_member(group, "reach"), verdict);
}

static void print_group(const json_t *group)
{
    (void)printf("\n%s\n", bw_json_member(group, "name"));
    (void)printf("  %-9s %s: %s\n", "may run:", bw_json_truth(group, "may_run") ? "yes" : "no",
                 sentence_of(group));
    print_lease(json_object_get(group, "lease"));
    if (strcmp(bw_json_member(group, "running"), "none") != 0)
        (void)printf("  %-9s %s\n", "running:", bw_json_member(group, "running"));
    (void)printf("  %-9s %s", "service:", bw_json_member(group, "service"));
    if (bw_json_number(group, "service_age_ms") >= 0)
        print_seconds(", seen ", bw_json_number(group, "service_age_ms"), " ago\n");
    else if (strcmp(bw_json_member(group, "why"), bw_may_run_word(BW_MAY_RUN_OTHER_CLOCKS)) == 0)
        (void)puts(", when is not known");
    else
        (void)puts(", no probe has ended since the guard started");
    if (json_is_integer(json_object_get(group, "loop_delay_ms")))
        print_seconds("  started   by an external loop (started_by: external), within ",
                      bw_json_number(group, "loop_delay_ms"), " of its question\n");
    print_script("script:", json_object_get(group, "action"));
    print_script("failed:", json_object_get(group, "failure"));
    print_kill(group);
}

/* One that stands holds its connection and renews nothing. */
static void print_agent(const json_t *document)
{
    const int64_t contact_ms = bw_json_number(document, "agent_heard_ms");

    if (!bw_json_truth(document, "agent"))
        (void)fputs("no agent is connected, so no lease is renewed\n", stdout);
    else if (contact_ms <= AGENT_SILENT_MS)
        (void)fputs("the agent is connected to the guard\n", stdout);
    else
        print_seconds("the agent is connected to the guard, but has sent nothing for ", contact_ms, "\n");
    if (!bw_json_truth(document, "agent") || contact_ms > AGENT_SILENT_MS)
        (void)fputs("  next:  systemctl status breakwater-agent\n"
                    "  if the agent hangs:  systemctl restart breakwater-agent (a running service keeps running)\n",
                    stdout);
}

/* Its socket is beside the guard's, where no file says otherwise. */
static json_t *ask_agent(const char *guard_socket, const char *site)
{
    char path[4096];
    const char *end = strrchr(guard_socket, '/');

    (void)snprintf(path, sizeof path, "%.*s%s-agent.socket", end != NULL ? (int)(end - guard_socket) + 1 : 0, guard_socket,
                   site); /* longer: it is not there */
    return bw_followed_ask(path);
}

static bool has_no_answer(const json_t *witnesses)
{
    return json_is_object(witnesses) && bw_json_number(witnesses, "silent_ms") >= BW_WITNESSES_SILENT_MS;
}

/* A cut in either direction looks the same from here. */
static void print_silence(const json_t *witnesses)
{
    if (has_no_answer(witnesses))
        (void)printf("! no leader of the witnesses has answered this site for %s\n"
                     "  effect:  this site cannot serve: its guard fences each service whose lease ends\n"
                     "  fix:     check the network from here to the witnesses and back; then run:\n"
                     "           breakwater check --connect /etc/breakwater/site.yaml\n",
                     bw_passed(bw_json_number(witnesses, "silent_ms") / 1000));
}

/* Leases end, and nothing is started: the guard alone does not know why. */
static void print_followed(const json_t *document)
{
    char what[BW_FOLLOWED_TEXT_BYTES];
    char fix[BW_FOLLOWED_TEXT_BYTES];

    if (!bw_followed_is_none(json_object_get(document, "witnesses"), "\n    ", what, fix)) {
        print_silence(json_object_get(document, "witnesses"));
        return;
    }
    (void)printf("! this site follows no witness: %s\n"
                 "  effect:  what it serves ends with its lease, and nothing is started here\n"
                 "  fix:%s\n", what, fix);
}

static void print_all(const json_t *document)
{
    const json_t *groups = json_object_get(document, "groups");
    const json_t *group;
    size_t i;

    (void)printf("site %s\nthe guard has %zu group%s; ", bw_json_member(document, "site"),
                 json_array_size(groups), json_array_size(groups) == 1 ? "" : "s");
    print_agent(document);
    print_followed(document);
    json_array_foreach(groups, i, group) print_group(group);
}

/* ---- the verb
 * ------------------------------------------------------------------------------------ */

/* The one that was asked for has to be there. */
static enum bw_exit show(const struct look *look, const char *socket, const char *group, enum bw_output output)
{
    char what[BW_FOLLOWED_TEXT_BYTES];
    char fix[BW_FOLLOWED_TEXT_BYTES];
    json_t *witnesses;
    bool is_followed_none;
    json_t *document;
    enum bw_exit exit = BW_EXIT_FINE;

    if (group != NULL && json_array_size(look->groups) == 0) {
        (void)fprintf(stderr,
                      "error: status: the guard of %s knows no group \"%s\"\n"
                      "  see:  breakwater status --site\n",
                      look->site, group);
        return BW_EXIT_FAILED;
    }
    witnesses = look->has_agent && look->agent_contact_ms <= AGENT_SILENT_MS ? ask_agent(socket, look->site) : NULL;
    is_followed_none = bw_followed_is_none(witnesses, "", what, fix) || has_no_answer(witnesses);
    document = json_pack("{s:s, s:s, s:b, s:I, s:o, s:O}", "schema", "breakwater.site/v1", "site",
                         look->site, "agent", look->has_agent, "agent_heard_ms",
                         look->agent_contact_ms, "witnesses", witnesses != NULL ? witnesses : json_null(), "groups",
                         look->groups);
    if (output == BW_OUTPUT_JSON)
        exit = bw_json_print(document);
    else
        print_all(document);
    json_decref(document);
    if (exit == BW_EXIT_FINE && (look->is_worth_a_look || !look->has_agent || is_followed_none))
        return BW_EXIT_WARNINGS;
    return exit;
}

enum bw_exit bw_status_site(const char *socket, const char *group, enum bw_output output)
{
    struct look look = {.groups = json_array(), .agent_contact_ms = -1};
    struct bw_diag diag = {0};
    enum bw_exit exit;

    if (bw_clock_boot_id(&look.boot_id, &diag) != BW_OK ||
        bw_clock_time_namespace(&look.time_namespace, &diag) != BW_OK ||
        bw_at_site_show(socket, group, ASK_MS, hear, &look, &diag) != BW_OK) {
        (void)fprintf(stderr,
                      "error: status: the guard of this site does not answer at %s: %s\n"
                      "  look:  systemctl status breakwater-guard; --socket PATH names another\n",
                      socket, diag.text);
        exit = BW_EXIT_NO_QUORUM;
    } else {
        exit = show(&look, socket, group, output);
    }
    json_decref(look.groups);
    return exit;
}
