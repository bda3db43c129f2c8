#include "move.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/os/random.h>

#include "alarm_lines.h"
#include "api.h"
#include "columns.h"
#include "outcome.h"
#include "verbs.h"

/* ---- moves ---- */

#define PAUSE_MS 250
#define REQUEST_MS 10000
#define WAIT_MS (10 * 60 * 1000)

static enum bw_exit post(struct bw_api *api, const struct bw_move *move, bool is_plan,
                         struct bw_api_reply *out_reply)
{
    const uint32_t wait_ms = api->wait_ms;
    char path[160];
    enum bw_exit exit;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/%s%s", move->group,
                   move->route != NULL ? move->route : move->verb, is_plan ? "?plan=1" : "");
    api->wait_ms = REQUEST_MS; /* the answer comes at once, the outcome later */
    exit = bw_api_ask(api, "POST", path, move->body, out_reply);
    api->wait_ms = wait_ms;
    return exit;
}

/* ---- the plan ---- */

void bw_move_print_steps(const json_t *plan)
{
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(plan, "steps"), i, step) {
        const json_t *within = json_object_get(step, "within_ms");

        (void)printf("%2" PRId64 " %s", bw_json_number(step, "number"),
                     bw_json_member(step, "text"));
        if (json_is_integer(within) && json_integer_value(within) == 0)
            (void)fputs("   (now)", stdout);
        else if (json_is_integer(within))
            (void)printf("   (within %" PRId64 ".%d s)", bw_json_number(step, "within_ms") / 1000,
                         (int)(bw_json_number(step, "within_ms") % 1000 / 100));
        (void)putchar('\n');
    }
}

/* What is asked for is so already: no error, and nothing is left to ask. */
static void tell_already(const struct bw_move *move, const char *text)
{
    (void)printf("%s of %s: nothing to do: %s\n", move->verb, move->group, text);
}

/* The person's word is for the epoch that was shown, and for no other. A leader of 0.2.0 takes it of a release alone;
 * before the first epoch there is none. */
static bool bind_to_plan(const struct bw_move *move, const json_t *plan)
{
    const int64_t epoch = bw_json_number(plan, "epoch");
    const bool is_taken = move->is_release || (bw_json_truth(plan, "changes_epoch") && epoch > 0);

    return !is_taken || json_object_set_new(move->body, "epoch", json_integer(epoch)) == 0;
}

/* Most of what refuses a move names a command itself, which `explain` may know nothing of. */
static void tell_refused(const struct bw_move *move, const char *why)
{
    (void)fprintf(stderr, "error: %s: refused: ", move->command->name);
    bw_print_refusal(why, stderr);
    if (strstr(why, "breakwater ") == NULL)
        (void)fprintf(stderr, "  see what blocks it:\n    breakwater explain %s\n", move->group);
}

/* `out_word`: what is to be typed; the plan may ask for more than the command does. */
static enum bw_exit show_plan(struct bw_api *api, const struct bw_move *move, bool *out_is_over,
                              char out_word[BW_NAME_MAX + 1])
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = post(api, move, true, &reply);

    *out_is_over = false;

    if (exit != BW_EXIT_FINE)
        return exit;
    if (reply.status != 200) {
        exit = bw_api_complain(api, &reply);
    } else if (bw_json_truth(reply.body, "already")) {
        tell_already(move, bw_json_member(reply.body, "refused"));
        *out_is_over = true;
    } else if (!bw_json_truth(reply.body, "possible")) {
        bw_json_print_texts(json_object_get(reply.body, "facts"), "");
        (void)fflush(stdout); /* what was seen comes before what follows from it */
        tell_refused(move, bw_json_member(reply.body, "refused"));
        exit = BW_EXIT_UNSAFE;
    } else {
        bw_json_print_texts(json_object_get(reply.body, "facts"), "");
        bw_move_print_steps(reply.body);
        (void)snprintf(out_word, BW_NAME_MAX + 1, "%.63s", bw_json_member(reply.body, "unseen_at"));
        if (!bind_to_plan(move, reply.body))
            exit = BW_EXIT_FAILED;
    }
    bw_api_reply_deinit(&reply);
    return exit;
}

/* ---- the outcome ---- */

/* Prints what the leader will do next, and what an operator can do. */
static void tell_next(const struct bw_api *api, const struct bw_move *move)
{
    const json_t *group = bw_json_find_group(api->status, move->group);
    const json_t *next = json_object_get(group, "next");

    if (json_is_object(next))
        (void)fprintf(stderr, "  next:  %s\n", bw_json_member(next, "text"));
    bw_show_way(next, json_object_get(group, "end"), stderr);
}

void bw_move_tell_cancel(const json_t *group, const char *name, FILE *out)
{
    const json_t *wish = json_object_get(group, "request");
    const char *phase = bw_json_member(group, "phase");

    if (strcmp(phase, "REVOKING") == 0)
        (void)fprintf(out, "  to cancel it until %s begins to stop:  breakwater cancel %s\n",
                      bw_json_member(group, "holder"), name);
    else if (!json_is_object(wish) ||
             (strcmp(phase, "VACANT") == 0 && bw_json_member(group, "target")[0] != '\0'))
        return; /* it was given back for a move, which goes on (3.6) */
    else if (strcmp(phase, "CLOSING") == 0)
        (void)fprintf(out, "  to take your confirmation back (the closed epoch stays closed):  breakwater cancel %s\n",
                      name);
    else
        (void)fprintf(out, "  to cancel it:  breakwater cancel %s\n", name);
}

/* Nobody waits for it here, and it is not over. */
static void tell_still_waits(const json_t *group, const char *name)
{
    if (!json_is_object(json_object_get(group, "request")))
        return;
    (void)fputs("  it continues automatically after that\n", stderr);
    bw_move_tell_cancel(group, name, stderr);
}

/* The last words of the script, as that site reported them. */
static void tell_failed_start(const struct bw_api *api, const struct bw_move *move, const char *site)
{
    const json_t *group = bw_json_find_group(api->status, move->group);

    bw_tell_of_failures(bw_json_find(json_object_get(group, "sites"), "name", site), false, "  ", stderr);
    (void)fprintf(stderr, "  fix the start on that site, then:  breakwater %s %s --to %s\n", move->command->name, move->group,
                  site);
}

static enum bw_exit tell(const struct bw_api *api, const struct bw_move *move,
                         enum bw_outcome_progress progress, const struct bw_outcome *outcome)
{
    if (progress == BW_OUTCOME_DONE) {
        (void)printf("%s of %s: done: %s\n", move->verb, move->group, outcome->text);
        return BW_EXIT_FINE;
    }
    (void)fprintf(stderr, "error: %s: %s: ", move->command->name,
                  progress == BW_OUTCOME_WAITING ? "no result yet" : "not done");
    bw_print_refusal(outcome->text, stderr);
    tell_next(api, move);
    if (outcome->has_failed_start)
        tell_failed_start(api, move, outcome->to);
    if (progress == BW_OUTCOME_STUCK) {
        (void)fprintf(stderr, "  see what blocks it:\n    breakwater explain %s\n", move->group);
        tell_still_waits(bw_json_find_group(api->status, move->group), move->group);
        return BW_EXIT_UNSAFE;
    }
    if (progress == BW_OUTCOME_GIVEN_UP) {
        (void)fprintf(stderr, "  see what happened:\n    breakwater history %s\n", move->group);
        return BW_EXIT_FAILED;
    }
    (void)fprintf(stderr,
                  "  it continues automatically; see:  breakwater history %s; breakwater status %s\n",
                  move->group, move->group);
    bw_move_tell_cancel(bw_json_find_group(api->status, move->group), move->group, stderr);
    return BW_EXIT_UNKNOWN;
}

enum wait { WAIT_UNPRINTED, WAIT_LEASE, WAIT_ANSWER };

/* Whoever has said that it is off is believed, until it is seen to serve. */
static bool is_forced_all_the_same(const struct bw_move *move, const json_t *holder)
{
    return json_is_true(json_object_get(move->body, "holder_is_off")) &&
           strcmp(bw_json_member(holder, "service"), "started") != 0;
}

/* Nobody waits in front of a silent screen: what for, and for how long, each once. */
static enum wait tell_wait(const struct bw_move *move, const json_t *group, enum wait printed)
{
    const int64_t left_ms = bw_json_number(json_object_get(group, "end"), "lease_may_live_ms");
    const json_t *holder = bw_json_find_holder(group);

    if (strcmp(bw_json_member(group, "phase"), "CLOSING") != 0)
        return printed;
    if (left_ms > 0 && printed == WAIT_UNPRINTED) {
        (void)printf("%s of %s: epoch %" PRId64 " is closed; waiting until its lease expires, in %" PRId64 ".%d s\n",
                     move->verb, move->group, bw_json_number(group, "epoch"), left_ms / 1000,
                     (int)(left_ms % 1000 / 100));
        printed = WAIT_LEASE;
    } else if (left_ms <= 0 && printed != WAIT_ANSWER && bw_json_truth(holder, "connected") &&
               !is_forced_all_the_same(move, holder)) {
        (void)printf("%s of %s: %s still answers (service %s), so its epoch is not ended\n",
                     move->verb, move->group, bw_json_member(holder, "name"),
                     bw_json_member(holder, "service"));
        printed = WAIT_ANSWER;
    }
    (void)fflush(stdout); /* an error stays in stdout */
    return printed;
}

/* Each stage once. */
static void tell_stage(const struct bw_move *move, const struct bw_outcome *outcome,
                       char printed[sizeof outcome->text])
{
    if (strcmp(printed, outcome->text) == 0)
        return;
    memcpy(printed, outcome->text, sizeof outcome->text);
    (void)printf("%s of %s: waiting: %s\n", move->verb, move->group, printed);
    (void)fflush(stdout); /* an error stays in stdout */
}

static enum bw_exit wait_for_outcome(struct bw_api *api, const struct bw_move *move,
                                     const json_t *accepted)
{
    const uint64_t end_ms = bw_api_now_ms() + api->wait_ms;
    struct bw_outcome outcome = {.epoch = bw_json_number(accepted, "epoch"),
                                 .term = bw_json_number(accepted, "term"),
                                 .index = bw_json_number(accepted, "index"),
                                 .wish_index = bw_json_number(accepted, "wish_index")};
    enum bw_outcome_progress progress = BW_OUTCOME_WAITING;
    enum wait printed = WAIT_UNPRINTED;
    char stage[sizeof outcome.text] = "";

    (void)printf("%s of %s: accepted (continues after Ctrl-C; breakwater cancel %s cancels %s)\n",
                 move->verb, move->group, move->group,
                 move->is_release ? "your confirmation, and a closed epoch stays closed"
                                  : "it until a stop has begun");
    (void)snprintf(outcome.to, sizeof outcome.to, "%.63s", bw_json_member(move->body, move->is_release ? "site" : "to"));
    while (progress == BW_OUTCOME_WAITING && bw_api_now_ms() < end_ms) {
        if (bw_api_survey(api)) {
            const json_t *group = bw_json_find_group(api->status, move->group);

            if (move->is_release) {
                progress = bw_outcome_judge_release(&outcome, api->status, group);
                if (progress == BW_OUTCOME_WAITING && group != NULL)
                    printed = tell_wait(move, group, printed);
            } else {
                progress = bw_outcome_judge(&outcome, api->status, group);
            }
        } else {
            (void)snprintf(outcome.text, sizeof outcome.text, "no leader answers here");
        }
        if (progress == BW_OUTCOME_WAITING) {
            tell_stage(move, &outcome, stage);
            bw_api_pause(PAUSE_MS);
        }
    }
    return tell(api, move, progress, &outcome);
}

/* By its id the request is known again, so it may be repeated when nobody says what came of it.
 * Below BW_WISH_LEVEL nobody keeps it, and a leader of an older release takes none. */
static void give_id(struct bw_api *api, const struct bw_move *move)
{
    char text[BW_ID_TEXT_BYTES];

    if (move->is_release || (api->leader < 0 && !bw_api_survey(api)) ||
        bw_json_number(api->status, "feature_level") < BW_WISH_LEVEL)
        return;
    bw_id_format(bw_random_id(), text);
    api->is_repeatable = json_object_set_new(move->body, "id", json_string(text)) == 0;
}

static enum bw_exit act(struct bw_api *api, const struct bw_move *move)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit;

    give_id(api, move);
    exit = post(api, move, false, &reply);
    api->is_repeatable = false;

    if (exit != BW_EXIT_FINE)
        return exit;
    if (reply.status == 409 && strcmp(bw_json_member(reply.body, "code"), "exists") == 0) {
        tell_already(move, bw_json_member(reply.body, "error"));
    } else if (reply.status != 202) {
        exit = bw_api_complain(api, &reply);
    } else if (move->values->is_no_wait) {
        (void)printf("%s of %s: accepted in epoch %" PRId64 "; %s\n"
                     "  watch it:\n    breakwater status %s\n    breakwater history %s\n",
                     move->verb, move->group, bw_json_number(reply.body, "epoch"),
                     bw_json_number(reply.body, "wish_index") > 0
                         ? "it continues after a change of leader"
                         : "a change of leader before it begins cancels it: then request it again",
                     move->group, move->group);
    } else {
        exit = wait_for_outcome(api, move, reply.body);
    }
    bw_api_reply_deinit(&reply);
    return exit;
}

/* Whoever types the name of the site accepts that perhaps nobody confirms the end of the service there. */
static bool confirm(struct bw_api *api, const struct bw_move *move, const char *unseen_at)
{
    if (unseen_at[0] == '\0')
        return bw_api_confirm(api, move->values->is_yes, move->question, move->word);
    return bw_api_confirm(api, move->values->is_yes, "If the stop cannot be confirmed, no site will serve.", unseen_at) &&
           (move->values->is_yes || json_object_set_new(move->body, "accept_outage", json_true()) == 0);
}

static enum bw_exit run(struct bw_api *api, const struct bw_move *move)
{
    char unseen_at[BW_NAME_MAX + 1] = "";

    if (!move->values->is_yes || move->values->is_plan || move->is_release) {
        bool is_over;
        const enum bw_exit exit = show_plan(api, move, &is_over, unseen_at);

        if (exit != BW_EXIT_FINE || is_over)
            return exit;
    }
    if (move->values->is_plan) {
        (void)puts(move->is_release ? "Nothing was changed. To do this, run it again without --plan."
                                    : "Nothing was changed. To do this, run it again with --yes instead of --plan.");
        return BW_EXIT_FINE;
    }
    if (!confirm(api, move, unseen_at))
        return BW_EXIT_FAILED;
    return act(api, move);
}

bool bw_move_parse(const struct bw_cli_command *command, int argc, char **argv, void *values,
                   const char **out_group, enum bw_exit *out_exit)
{
    struct bw_operands operands;

    if (!bw_options_parse(command, argc, argv, values, &operands, out_exit))
        return false;
    *out_group = operands.items[0];
    if (bw_name_is_valid(*out_group))
        return true;
    *out_exit = bw_usage_error(command, "\"%s\" is not a valid name of a group", *out_group);
    return false;
}

enum bw_exit bw_move_run(const struct bw_move *move)
{
    const struct bw_move_values *values = move->values;
    struct bw_api api;
    enum bw_exit exit = BW_EXIT_USAGE;

    if (bw_confirm_is_possible(move->command, values->is_yes || values->is_plan)) {
        if (move->body == NULL) {
            exit = bw_usage_error(move->command, "--reason is not UTF-8");
        } else if (bw_api_open(&api, move->command, &values->api, WAIT_MS, &exit)) {
            exit = run(&api, move);
            bw_api_close(&api);
        }
    }
    json_decref(move->body);
    return exit;
}

/* ---- switchover ---- */

/* breakwater switchover: a planned move to another site. Design 3.6. */

struct switchover_values {
    struct bw_move_values move;
    const char *to;
    const char *timeout;
    bool accept_outage;
};

static const struct bw_option switchover_options[] = {
    BW_OPTION_TEXT(struct switchover_values, to, "to", 0, "SITE", "the next primary"),
    BW_OPTION_TEXT(struct switchover_values, timeout, "timeout", 0, "D",
                   "give up after D (switchover_timeout of the group)"),
    BW_OPTION_FLAG(struct switchover_values, accept_outage, "accept-outage", 0,
                   "with --yes: accept that the stop may stay unconfirmed"),
    BW_MOVE_OPTIONS(struct switchover_values, move, "reason, for the record",
                    "skip the confirmation"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command switchover_command = {
    .name = "switchover",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Moves GROUP from its primary to SITE, in order: the primary stops the service and releases its\n"
            "lease, then SITE takes over at the same position of the data. No lease has to expire, and no\n"
            "data is lost. Waits for the result.\n"
            "If the status script of the primary reports unknown, the stop may stay unconfirmed, and the\n"
            "primary fences the service. To accept this, type the name of the primary.",
    .options = switchover_options,
};

enum bw_exit bw_verb_switchover(int argc, char **argv)
{
    struct switchover_values values = {0};
    const char *group;
    uint32_t timeout_ms = 0;
    enum bw_exit exit;

    if (!bw_move_parse(&switchover_command, argc, argv, &values, &group, &exit))
        return exit;
    if (values.to == NULL || !bw_name_is_valid(values.to))
        return bw_usage_error(&switchover_command, "needs --to SITE");
    if (values.timeout != NULL && !bw_duration_parse(values.timeout, &timeout_ms))
        return bw_usage_error(&switchover_command, "--timeout %s: expected a duration such as 2m",
                              values.timeout);
    return bw_move_run(&(struct bw_move){
        .command = &switchover_command,
        .verb = "switchover",
        .group = group,
        .word = "yes",
        .question = "Do this?",
        .body = json_pack("{s:s, s:s*, s:o*, s:o*}", "to", values.to, "reason", values.move.reason,
                          "timeout_ms", values.timeout != NULL ? json_integer(timeout_ms) : NULL,
                          "accept_outage", values.accept_outage ? json_true() : NULL),
        .values = &values.move,
    });
}

/* ---- failover ---- */

/* breakwater failover: one grant past the policy, when the holder is lost. Design 4. */

struct failover_values {
    struct bw_move_values move;
    const char *to;
    bool accepts_data_loss;
};

static const struct bw_option failover_options[] = {
    BW_OPTION_TEXT(struct failover_values, to, "to", 0, "SITE",
                   "the next primary (the best candidate)"),
    BW_OPTION_FLAG(struct failover_values, accepts_data_loss, "accept-data-loss", 0,
                   "accept lost writes, or a rejoin that is still due; needs --to"),
    BW_MOVE_OPTIONS(struct failover_values, move, "reason, for the record",
                    "skip the confirmation"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command failover_command = {
    .name = "failover",
    .operands = "GROUP",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Makes a site primary once, past the policy of GROUP (lag, limits, mode), if GROUP has no primary\n"
            "or has lost it. If the primary is alive, use switchover. failover never shortens the wait for\n"
            "a lease. Waits for the result.",
    .options = failover_options,
};

enum bw_exit bw_verb_failover(int argc, char **argv)
{
    struct failover_values values = {0};
    const char *group;
    enum bw_exit exit;

    if (!bw_move_parse(&failover_command, argc, argv, &values, &group, &exit))
        return exit;
    if (values.to != NULL && !bw_name_is_valid(values.to))
        return bw_usage_error(&failover_command, "--to %s: not a valid name of a site", values.to);
    if (values.accepts_data_loss && values.to == NULL)
        return bw_usage_error(&failover_command,
                              "--accept-data-loss needs --to SITE: the loss of data differs from site to site");
    return bw_move_run(&(struct bw_move){
        .command = &failover_command,
        .verb = "failover",
        .group = group,
        .word = values.accepts_data_loss ? values.to : "yes",
        .question = values.accepts_data_loss ? "Writes may be LOST." : "Do this?",
        .body = json_pack("{s:s*, s:s*, s:b}", "to", values.to, "reason", values.move.reason,
                          "accept_data_loss", values.accepts_data_loss),
        .values = &values.move,
    });
}
