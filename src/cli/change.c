#include "change.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/name.h>

#include "confirm.h"
#include "move.h"

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

/* An answer that refuses it for the moment, and the reason; NULL: it is none. */
static const char *moment_of(const struct bw_api_reply *reply)
{
    if (bw_json_truth(reply->body, "busy"))
        return bw_json_member(reply->body, "refused");
    return bw_api_is_busy(reply) ? bw_json_member(reply->body, "error") : NULL;
}

/* Nobody waits in front of a silent screen: what for, once each. */
static void tell_wait(const struct bw_change *change, const char *why, char printed[256])
{
    if (strcmp(printed, why) == 0)
        return;
    (void)snprintf(printed, 256, "%s", why);
    (void)printf("%s of %s: waits, and nothing has changed yet (Ctrl-C leaves it so): %s\n",
                 change->verb, change->group, why);
    (void)fflush(stdout); /* an error stays in stdout */
}

/* Asks until nothing is in its way that goes by itself, or until `end_ms`: then the answer is the
 * last refusal. What is refused has changed nothing, so it may be asked again. */
static enum bw_exit post(struct bw_api *api, const struct bw_change *change, bool is_plan,
                         uint64_t end_ms, struct bw_api_reply *out_reply)
{
    const uint32_t wait_ms = api->wait_ms;
    char printed[256] = "";
    char path[160];

    (void)snprintf(path, sizeof path, "/v1/groups/%s/%s%s", change->group, change->verb,
                   is_plan ? "?plan=1" : "");
    for (;;) {
        enum bw_exit exit;
        const char *why;

        api->wait_ms = wait_ms < REQUEST_MS ? wait_ms : REQUEST_MS; /* the answer comes at once */
        exit = bw_api_ask(api, "POST", path, change->body, out_reply);
        api->wait_ms = wait_ms;
        why = exit == BW_EXIT_FINE ? moment_of(out_reply) : NULL;
        if (why == NULL || change->values->is_plan || bw_api_now_ms() >= end_ms)
            return exit;
        tell_wait(change, why, printed);
        bw_api_reply_deinit(out_reply);
        bw_api_pause(PAUSE_MS);
    }
}

/* ---- the plan ---- */

static enum bw_exit judge_plan(const struct bw_change *change, const json_t *plan,
                               bool *out_is_over)
{
    enum bw_exit exit = BW_EXIT_FINE;

    *out_is_over = true;
    if (bw_json_truth(plan, "already")) {
        (void)printf("%s of %s: nothing to do: %s\n", change->verb, change->group,
                     bw_json_member(plan, "refused"));
    } else if (!bw_json_truth(plan, "possible")) {
        (void)fprintf(stderr, "error: %s: refused: %s\n", change->command->name,
                      bw_json_member(plan, "refused"));
        exit = BW_EXIT_UNSAFE;
    } else {
        (void)printf("%s of %s:\n", change->verb, change->group);
        bw_move_print_steps(plan);
        *out_is_over = !bind_to_plan(change, plan);
        exit = *out_is_over ? BW_EXIT_FAILED : BW_EXIT_FINE;
    }
    return exit;
}

static enum bw_exit show_plan(struct bw_api *api, const struct bw_change *change, uint64_t end_ms,
                              bool *out_is_over)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = post(api, change, true, end_ms, &reply);

    *out_is_over = true;
    if (exit == BW_EXIT_FINE)
        exit = reply.status == 200 ? judge_plan(change, reply.body, out_is_over)
                                   : bw_api_complain(api, &reply);
    bw_api_reply_deinit(&reply);
    return exit;
}

/* ---- doing it ---- */

static enum bw_exit act(struct bw_api *api, const struct bw_change *change, uint64_t end_ms)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = post(api, change, false, end_ms, &reply);

    if (exit == BW_EXIT_FINE && reply.status != 200)
        exit = bw_api_complain(api, &reply);
    else if (exit == BW_EXIT_FINE)
        (void)printf("%s of %s: done: %s\n", change->verb, change->group, change->done);
    bw_api_reply_deinit(&reply);
    return exit;
}

static enum bw_exit run(struct bw_api *api, const struct bw_change *change)
{
    const uint64_t end_ms = bw_api_now_ms() + api->wait_ms;
    bool is_over;
    const enum bw_exit exit = show_plan(api, change, end_ms, &is_over);

    if (exit != BW_EXIT_FINE || is_over)
        return exit;
    if (change->values->is_plan) {
        (void)puts("Nothing was changed. Run again without --plan to do this.");
        return BW_EXIT_FINE;
    }
    if (!bw_api_confirm(api, change->values->is_yes, "Do this?", change->word))
        return BW_EXIT_FAILED;
    return act(api, change, end_ms);
}

enum bw_exit bw_change_run(struct bw_api *api, const struct bw_change *change)
{
    enum bw_exit exit;

    if (change->values->reason != NULL && change->body != NULL &&
        json_object_set_new(change->body, "reason", json_string(change->values->reason)) != 0)
        exit = bw_usage_error(change->command, "--reason is not UTF-8");
    else
        exit = run(api, change);
    json_decref(change->body);
    return exit;
}

enum bw_exit bw_change_run_alone(const struct bw_change *change)
{
    const struct bw_change_values *values = change->values;
    struct bw_api api;
    enum bw_exit exit = BW_EXIT_USAGE;

    if (!bw_name_is_valid(change->group)) {
        (void)bw_usage_error(change->command, "\"%s\" is no name of a group", change->group);
    } else if (bw_confirm_is_possible(change->command, values->is_yes || values->is_plan) &&
               bw_api_open(&api, change->command, &values->api, BW_CHANGE_WAIT_MS, &exit)) {
        exit = bw_change_run(&api, change);
        bw_api_close(&api);
        return exit;
    }
    json_decref(change->body);
    return exit;
}
