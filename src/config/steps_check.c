/* Lists of steps: who needs whom, and whether that can ever come to an end. Design 5.1. */
#include "steps_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

struct key_path {
    char text[192];
};

static struct key_path path_of(const char *prefix, const char *key, uint32_t step,
                               const char *member)
{
    struct key_path path;
    const int length = snprintf(path.text, sizeof path.text, "%s%s[%" PRIu32 "]%s", prefix, key,
                                step, member);

    BW_ASSERT(length >= 0 && (size_t)length < sizeof path.text);
    return path;
}

static int find(const struct bw_step_config *steps, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(steps[i].name, name) == 0)
            return (int)i;
    return BW_STEP_NONE;
}

static void check_needs(struct bw_document *document, const char *prefix, const char *key,
                        struct bw_step_config *steps, uint32_t count, uint32_t index)
{
    struct bw_step_config *step = &steps[index];
    char quote[BW_QUOTE_BYTES];

    for (uint32_t i = 0; i < step->need_count; i++) {
        char member[32];
        struct key_path path;
        int needed;

        (void)snprintf(member, sizeof member, ".needs[%" PRIu32 "]", i);
        path = path_of(prefix, key, index, member);
        if (!bw_document_is_sound(document, path.text))
            continue;
        needed = find(steps, count, step->needs[i]);
        if (needed == BW_STEP_NONE)
            bw_document_fail(document, path.text, "\"%s\" is the name of no step of this list",
                             bw_document_quote(step->needs[i], quote));
        else if (needed == (int)index)
            bw_document_fail(document, path.text, "\"%s\" needs itself: it would never begin",
                             step->name);
        else if ((step->rule.needs & UINT32_C(1) << needed) != 0)
            bw_document_fail(document, path.text, "\"%s\" is named twice", step->needs[i]);
        else
            step->rule.needs |= UINT32_C(1) << needed;
    }
}

/* False: it cannot be said who needs whom. */
static bool check_names(struct bw_document *document, const char *prefix, const char *key,
                        const struct bw_step_config *steps, uint32_t count)
{
    bool are_fine = true;

    for (uint32_t i = 0; i < count; i++) {
        const struct key_path path = path_of(prefix, key, i, ".name");
        const int first = find(steps, count, steps[i].name);

        if (!bw_document_is_sound(document, path.text)) {
            are_fine = false;
        } else if (first < (int)i) {
            bw_document_fail(document, path.text, "\"%s\" is the name of %s[%d] too", steps[i].name,
                             key, first);
            are_fine = false;
        }
    }
    return are_fine;
}

static void check_circles(struct bw_document *document, const char *prefix, const char *key,
                          const struct bw_step_config *steps, uint32_t count)
{
    struct bw_step_rule rules[BW_STEPS_MAX];
    uint32_t stuck;

    for (uint32_t i = 0; i < count; i++)
        rules[i] = steps[i].rule;
    stuck = bw_steps_stuck(rules, count);
    for (uint32_t i = 0; i < count; i++) {
        if ((stuck & UINT32_C(1) << i) == 0)
            continue;
        bw_document_fail(document, path_of(prefix, key, i, ".needs").text,
                         "\"%s\" would never begin: the steps that it needs wait, in the end, for "
                         "each other",
                         steps[i].name);
        return; /* one is named; the others of the circle follow from it */
    }
}

static void check_whole(struct bw_document *document, const char *prefix, const char *key,
                        enum bw_action_kind action, const struct bw_group_config *group)
{
    char script[192];
    char whole[192];

    (void)snprintf(script, sizeof script, "%s%s", prefix, bw_script_key(action));
    (void)snprintf(whole, sizeof whole, "%s%s", prefix, key);
    if (bw_document_find(document, script) != NULL)
        bw_document_fail(document, whole, "stands in place of %s: keep one of them",
                         bw_script_key(action));
    (void)snprintf(script, sizeof script, "%sscripts", prefix);
    if (bw_document_find(document, script) != NULL)
        bw_document_fail(document, whole,
                         "stands in place of the %s that the file of `scripts` "
                         "has: name the group's scripts here instead",
                         bw_script_key(action));
    (void)snprintf(script, sizeof script, "%sfence_script", prefix);
    if (action == BW_ACTION_STOP && group->scripts[BW_ACTION_FENCE] == NULL &&
        bw_document_find(document, script) == NULL)
        bw_document_fail(document, whole, "needs a fence_script: a fence has no time for steps");
}

void bw_steps_check(struct bw_document *document, const char *prefix, enum bw_config_scope scope,
                    enum bw_action_kind action, struct bw_group_config *group)
{
    const char *key = action == BW_ACTION_START ? "start_steps" : "stop_steps";
    struct bw_steps_config *list = action == BW_ACTION_START ? &group->start_steps
                                                             : &group->stop_steps;
    struct bw_step_config *steps = (struct bw_step_config *)
                                       list->items; /* of the arena: not const */
    char whole[192];

    (void)snprintf(whole, sizeof whole, "%s%s", prefix, key);
    if (!bw_document_is_sound(document, whole))
        return;
    check_whole(document, prefix, key, action, group);
    for (uint32_t i = 0; i < list->count && action == BW_ACTION_STOP; i++)
        if (steps[i].rule.is_point)
            bw_document_fail(document, path_of(prefix, key, i, ".point_of_no_return").text,
                             "is of a start: a stop waits for nobody");
    for (uint32_t i = 0; i < list->count && scope == BW_CONFIG_HERE; i++) {
        const struct key_path path = path_of(prefix, key, i, ".script");

        if (bw_document_is_sound(document, path.text))
            bw_script_check(document, path.text, steps[i].script);
    }
    if (!check_names(document, prefix, key, steps, list->count))
        return;
    for (uint32_t i = 0; i < list->count; i++)
        check_needs(document, prefix, key, steps, list->count, i);
    check_circles(document, prefix, key, steps, list->count);
}
