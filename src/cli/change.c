#include "change.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/name.h>

#include "api.h"
#include "move.h"
#include "verbs.h"

/* ---- asking first ---- */

bool bw_confirm_is_possible(const struct bw_cli_command *command, bool is_yes)
{
    if (is_yes || isatty(STDIN_FILENO))
        return true;
    (void)fprintf(stderr,
                  "error: %s: this changes something, and there is no terminal to confirm it on; "
                  "nothing was changed\n"
                  "  look first:  the same with --plan\n"
                  "  do it:       the same with --yes\n",
                  command->name);
    return false;
}

bool bw_confirm(const struct bw_cli_command *command, bool is_yes, const char *question,
                const char *word)
{
    char line[128];

    if (is_yes)
        return true;
    (void)fflush(stdout); /* what the question is about comes first; an error stays in stdout */
    (void)fprintf(stderr, "%s Type \"%s\" to go on: ", question, word);
    if (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, word) == 0)
            return true;
    }
    (void)fprintf(stderr, "%s: not confirmed; nothing was changed\n", command->name);
    return false;
}

bool bw_api_confirm(const struct bw_api *api, bool is_yes, const char *question, const char *word)
{
    const struct bw_identity *self = bw_credentials_identity(api->credentials);
    char text[BW_API_PATH_BYTES + 3 * BW_NAME_MAX + 256];

    (void)snprintf(text, sizeof text, "In cluster %s, as %s %s%s%s%s: %s", self->cluster,
                   bw_role_text(self->role), self->name, api->config_file[0] != '\0' ? " (" : "",
                   api->config_file, api->config_file[0] != '\0' ? ")" : "", question);
    return bw_confirm(api->command, is_yes, text, word);
}

/* ---- changes ---- */

#define REQUEST_MS 15000
#define PAUSE_MS   250

/* What is to be done is what was shown: another version of the group refuses it, and so does
 * another wish what takes one back, and a new beginning what says that an alarm was seen. */
static bool bind_to_plan(const struct bw_change *change, const json_t *plan)
{
    const int64_t wish_index = bw_json_number(plan, "wish_index");
    const int64_t count = bw_json_number(plan, "count");

    if (count > 0 && json_object_set_new(change->body, "count", json_integer(count)) != 0)
        return false;
    if (wish_index > 0 &&
        json_object_set_new(change->body, "wish_index", json_integer(wish_index)) != 0)
        return false;
    return json_object_set_new(change->body, "spec_version",
                               json_integer(bw_json_number(plan, "spec_version"))) == 0;
}

/* ---- what is in its way for a moment ---- */

/* How far it has come. */
struct course {
    uint64_t end_ms; /* what is in its way for a moment is waited for until then */
    char told[256];  /* for what it was said to wait, last */
    json_t *shown;   /* the steps that were shown last; NULL: none yet */
};

/* An answer that refuses it for the moment, and the reason; NULL: it is none. */
static const char *moment_of(const struct bw_api_reply *reply)
{
    if (bw_json_truth(reply->body, "busy"))
        return bw_json_member(reply->body, "refused");
    return bw_api_is_busy(reply) ? bw_json_member(reply->body, "error") : NULL;
}

/* Nobody waits in front of a silent screen: what for, once each. */
static void tell_wait(const struct bw_change *change, const char *why, struct course *course)
{
    if (strcmp(course->told, why) == 0)
        return;
    (void)snprintf(course->told, sizeof course->told, "%s", why);
    (void)printf("%s of %s: waiting; nothing has changed yet (Ctrl-C stops it here): %s\n",
                 change->verb, change->group, why);
    (void)fflush(stdout); /* an error stays in stdout */
}

/* Waits for a moment, if nothing is in its way but what goes by itself; false: the answer stands, which from the end
 * of the time on is the last refusal. What is refused has changed nothing, so it may be asked again. */
static bool has_waited(const struct bw_change *change, const struct bw_api_reply *reply, struct course *course)
{
    const char *why = moment_of(reply);

    if (why == NULL || change->values->is_plan || bw_api_now_ms() >= course->end_ms)
        return false;
    tell_wait(change, why, course);
    bw_api_pause(PAUSE_MS);
    return true;
}

static enum bw_exit post(struct bw_api *api, const struct bw_change *change, bool is_plan,
                         struct bw_api_reply *out_reply)
{
    const uint32_t wait_ms = api->wait_ms;
    enum bw_exit exit;
    char path[160];

    if (change->path != NULL)
        (void)snprintf(path, sizeof path, "%s%s", change->path, is_plan ? "?plan=1" : "");
    else
        (void)snprintf(path, sizeof path, "/v1/groups/%s/%s%s", change->group, change->verb, is_plan ? "?plan=1" : "");
    api->wait_ms = wait_ms < REQUEST_MS ? wait_ms : REQUEST_MS; /* the answer comes at once */
    exit = bw_api_ask(api, "POST", path, change->body, out_reply);
    api->wait_ms = wait_ms;
    return exit;
}

/* ---- the plan ---- */

/* After a wait it may have become another: what was confirmed is what was shown. Where nobody is asked, it stays bound
 * to what was shown first. */
static enum bw_exit show_steps(const struct bw_api *api, const struct bw_change *change, const json_t *plan,
                               struct course *course)
{
    json_t *steps = json_object_get(plan, "steps");
    const bool is_first = course->shown == NULL;

    if (!is_first && json_equal(steps, course->shown))
        return BW_EXIT_FINE;
    (void)printf(is_first ? "%s of %s:\n" : "%s of %s: the situation has changed; the new plan:\n", change->verb, change->group);
    bw_move_print_steps(plan);
    json_decref(course->shown);
    course->shown = steps != NULL ? json_incref(steps) : json_null();
    if ((is_first || !change->values->is_yes) && !bind_to_plan(change, plan))
        return BW_EXIT_FAILED;
    if (change->values->is_plan || bw_api_confirm(api, change->values->is_yes, "Do this?", change->word))
        return BW_EXIT_FINE;
    return BW_EXIT_FAILED;
}

static enum bw_exit judge_plan(const struct bw_api *api, const struct bw_change *change, const json_t *plan,
                               struct course *course, bool *out_is_over)
{
    *out_is_over = true;
    if (bw_json_truth(plan, "already")) {
        (void)printf("%s of %s: nothing to do: %s\n", change->verb, change->group,
                     bw_json_member(plan, "refused"));
        return BW_EXIT_FINE;
    }
    if (!bw_json_truth(plan, "possible")) {
        (void)fprintf(stderr, "error: %s: refused: ", change->command->name);
        bw_print_refusal(bw_json_member(plan, "refused"), stderr);
        return BW_EXIT_UNSAFE;
    }
    *out_is_over = false;
    return show_steps(api, change, plan, course);
}

static enum bw_exit show_plan(struct bw_api *api, const struct bw_change *change, struct course *course,
                              bool *out_is_over)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = post(api, change, true, &reply);

    while (exit == BW_EXIT_FINE && has_waited(change, &reply, course)) {
        bw_api_reply_deinit(&reply);
        exit = post(api, change, true, &reply);
    }
    *out_is_over = true;
    if (exit == BW_EXIT_FINE)
        exit = reply.status == 200 ? judge_plan(api, change, reply.body, course, out_is_over)
                                   : bw_api_complain(api, &reply);
    bw_api_reply_deinit(&reply);
    return exit;
}

/* ---- doing it ---- */

/* `*out_is_over`: false, it has waited for what was in its way, and what would be done may be another thing now. */
static enum bw_exit act(struct bw_api *api, const struct bw_change *change, struct course *course, bool *out_is_over)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = post(api, change, false, &reply);

    *out_is_over = exit != BW_EXIT_FINE || !has_waited(change, &reply, course);
    if (*out_is_over && exit == BW_EXIT_FINE && reply.status != 200)
        exit = bw_api_complain(api, &reply);
    else if (*out_is_over && exit == BW_EXIT_FINE)
        (void)printf("%s of %s: done: %s\n", change->verb, change->group, change->done);
    bw_api_reply_deinit(&reply);
    return exit;
}

static enum bw_exit run(struct bw_api *api, const struct bw_change *change, struct course *course)
{
    bool is_over = false;
    enum bw_exit exit;

    do {
        exit = show_plan(api, change, course, &is_over);
        if (exit == BW_EXIT_FINE && !is_over && change->values->is_plan) {
            (void)puts("Nothing was changed. To do this, run it again without --plan.");
            is_over = true;
        }
        if (exit == BW_EXIT_FINE && !is_over)
            exit = act(api, change, course, &is_over);
    } while (exit == BW_EXIT_FINE && !is_over);
    return exit;
}

enum bw_exit bw_change_run(struct bw_api *api, const struct bw_change *change)
{
    struct course course = {.end_ms = bw_api_now_ms() + api->wait_ms};
    enum bw_exit exit;

    if (change->values->reason != NULL && change->body != NULL &&
        json_object_set_new(change->body, "reason", json_string(change->values->reason)) != 0)
        exit = bw_usage_error(change->command, "--reason is not UTF-8");
    else
        exit = run(api, change, &course);
    json_decref(course.shown);
    json_decref(change->body);
    return exit;
}

enum bw_exit bw_change_run_alone(const struct bw_change *change)
{
    const struct bw_change_values *values = change->values;
    struct bw_api api;
    enum bw_exit exit = BW_EXIT_USAGE;

    if (!bw_name_is_valid(change->group)) {
        (void)bw_usage_error(change->command, "\"%s\" is not a valid name of a group", change->group);
    } else if (bw_confirm_is_possible(change->command, values->is_yes || values->is_plan) &&
               bw_api_open(&api, change->command, &values->api, BW_CHANGE_WAIT_MS, &exit)) {
        exit = bw_change_run(&api, change);
        bw_api_close(&api);
        return exit;
    }
    json_decref(change->body);
    return exit;
}

/* ---- cancel ---- */

/* breakwater cancel: what a person has asked for is taken back. Design 3.6, 4. */

struct cancel_values {
    struct bw_change_values change;
};

static const struct bw_option cancel_options[] = {
    BW_CHANGE_OPTIONS(struct cancel_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command cancel_command = {
    .name = "cancel",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Cancels a request for GROUP that still waits: a switchover, a failover or a confirm-fenced. A\n"
            "running switchover is canceled if the primary has not started to stop the service.",
    .options = cancel_options,
};

enum bw_exit bw_verb_cancel(int argc, char **argv)
{
    struct cancel_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&cancel_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &cancel_command,
        .verb = "cancel",
        .group = operands.items[0],
        .word = "yes",
        .done = "no request is pending any more",
        .body = json_object(),
        .values = &values.change,
    });
}

/* ---- delete ---- */

/* breakwater delete: the end of a group. Design 3.9. */

struct delete_values {
    struct bw_change_values change;
};

static const struct bw_option delete_options[] = {
    BW_CHANGE_OPTIONS(struct delete_values, change),
    BW_OPTIONS_END,
};

static const struct bw_cli_command delete_command = {
    .name = "delete",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help =
        "Removes GROUP from the witnesses; its history stays. Each connected site stops managing the\n"
        "service, which runs on without a guard. The plan names each site that has yet to confirm\n"
        "this: if the service runs there when the guard starts, the guard fences it. Asks for the\n"
        "group's name. Refused while a site is primary; run `breakwater mode GROUP unmanaged` before.",
    .options = delete_options,
};

enum bw_exit bw_verb_delete(int argc, char **argv)
{
    struct delete_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&delete_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &delete_command,
        .verb = "delete",
        .group = operands.items[0],
        .word = operands.items[0],
        .done = "the group is deleted",
        .body = json_object(),
        .values = &values.change,
    });
}

/* ---- ack ---- */

/* breakwater ack: somebody has seen an alarm. Design 5.2. */

struct ack_values {
    struct bw_change_values change;
    const char *site;
};

static const struct bw_option ack_options[] = {
    BW_CHANGE_OPTIONS(struct ack_values, change),
    BW_OPTION_TEXT(struct ack_values, site, "site", 0, "SITE",
                   "the site of the alarm (default: an alarm of the group)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command ack_command = {
    .name = "ack",
    .operands = "GROUP ALARM",
    .operands_min = 2,
    .operands_max = 2,
    .help = "Acknowledges ALARM of GROUP. The alarm stays in status, with your name and the reason, until\n"
            "its cause has ended, but no longer counts as a warning. It is a warning again if the cause\n"
            "comes back, or if the leader changes.",
    .options = ack_options,
};

enum bw_exit bw_verb_ack(int argc, char **argv)
{
    struct ack_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&ack_command, argc, argv, &values, &operands, &exit))
        return exit;
    return bw_change_run_alone(&(struct bw_change){
        .command = &ack_command,
        .verb = "ack",
        .group = operands.items[0],
        .word = "yes",
        .done = "it is a warning again when its cause comes back",
        .body = json_pack("{s:s, s:s}", "alarm", operands.items[1], "site",
                          values.site != NULL ? values.site : ""),
        .values = &values.change,
    });
}
