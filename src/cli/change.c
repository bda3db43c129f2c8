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
    (void)printf("%s of %s: waits, and nothing has changed yet (Ctrl-C leaves it so): %s\n",
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

    (void)snprintf(path, sizeof path, "/v1/groups/%s/%s%s", change->group, change->verb,
                   is_plan ? "?plan=1" : "");
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
    (void)printf(is_first ? "%s of %s:\n" : "%s of %s: meanwhile it has become:\n", change->verb, change->group);
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
        (void)fprintf(stderr, "error: %s: refused: %s\n", change->command->name,
                      bw_json_member(plan, "refused"));
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
            (void)puts("Nothing was changed. Run again without --plan to do this.");
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
