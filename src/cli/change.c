#include "change.h"

#include <inttypes.h>
#include <stdio.h>

#include <breakwater/witness/json.h>

#include "confirm.h"

static void path_of(const struct bw_change *change, bool is_plan, char *out, size_t size)
{
    (void)snprintf(out, size, "/v1/groups/%s/%s%s", change->group, change->verb,
                   is_plan ? "?plan=1" : "");
}

static void print_steps(const json_t *plan)
{
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        (void)printf("%2" PRId64 " %s\n", bw_json_number(step, "number"),
                     bw_json_member(step, "text"));
    }
}

/* What is to be done is what was shown: another version of the group refuses it. */
static bool bind_to_plan(const struct bw_change *change, const json_t *plan)
{
    return json_object_set_new(change->body, "spec_version",
                               json_integer(bw_json_number(plan, "spec_version"))) == 0;
}

static enum bw_exit show_plan(struct bw_api *api, const struct bw_change *change, bool *out_is_over)
{
    json_t *plan = NULL;
    char path[160];
    enum bw_exit exit;

    *out_is_over = true;
    path_of(change, true, path, sizeof path);
    exit = bw_api_fetch(api, "POST", path, change->body, &plan);
    if (exit != BW_EXIT_FINE)
        return exit;
    if (bw_json_truth(plan, "already")) {
        (void)printf("%s of %s: nothing to do: %s\n", change->verb, change->group,
                     bw_json_member(plan, "refused"));
    } else if (!bw_json_truth(plan, "possible")) {
        (void)fprintf(stderr, "error: %s: refused: %s\n", change->command->name,
                      bw_json_member(plan, "refused"));
        exit = BW_EXIT_UNSAFE;
    } else {
        (void)printf("%s of %s:\n", change->verb, change->group);
        print_steps(plan);
        *out_is_over = !bind_to_plan(change, plan);
        exit = *out_is_over ? BW_EXIT_FAILED : BW_EXIT_FINE;
    }
    json_decref(plan);
    return exit;
}

static enum bw_exit act(struct bw_api *api, const struct bw_change *change)
{
    json_t *answer = NULL;
    char path[160];
    enum bw_exit exit;

    path_of(change, false, path, sizeof path);
    exit = bw_api_fetch(api, "POST", path, change->body, &answer);
    if (exit == BW_EXIT_FINE)
        (void)printf("%s of %s: done: %s\n", change->verb, change->group, change->done);
    json_decref(answer);
    return exit;
}

static enum bw_exit run(struct bw_api *api, const struct bw_change *change)
{
    bool is_over;
    const enum bw_exit exit = show_plan(api, change, &is_over);

    if (exit != BW_EXIT_FINE || is_over)
        return exit;
    if (change->values->is_plan) {
        (void)puts("Nothing was changed. Run again without --plan to do this.");
        return BW_EXIT_FINE;
    }
    if (!bw_confirm(change->command, change->values->is_yes, "Do this?", change->word))
        return BW_EXIT_FAILED;
    return act(api, change);
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
