#include "outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api.h"

static const json_t *find_holder(const json_t *group)
{
    const char *holder = bw_json_member(group, "holder");
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        if (holder[0] != '\0' && strcmp(bw_json_member(site, "name"), holder) == 0)
            return site;
    }
    return NULL;
}

/* A later epoch than the one that was asked in. */
static enum bw_outcome_progress judge_later(struct bw_outcome *outcome, const json_t *group)
{
    const json_t *holder = find_holder(group);
    const char *name = bw_json_member(group, "holder");
    const int64_t epoch = bw_json_number(group, "epoch");
    const json_t *last = json_object_get(group, "last");

    if (holder == NULL) {
        (void)snprintf(outcome->text, sizeof outcome->text,
                       "epoch %" PRId64 " of %s is over already: %s", epoch,
                       bw_json_member(last, "site"),
                       bw_json_member(json_object_get(last, "ended"), "reason"));
        return BW_OUTCOME_GIVEN_UP;
    }
    if (outcome->to[0] != '\0' && strcmp(name, outcome->to) != 0) {
        (void)snprintf(outcome->text, sizeof outcome->text, "%s holds epoch %" PRId64 ": %s", name,
                       epoch, bw_json_member(last, "reason"));
        return BW_OUTCOME_GIVEN_UP;
    }
    if (!bw_json_truth(holder, "serving")) {
        (void)snprintf(outcome->text, sizeof outcome->text,
                       "%s was granted epoch %" PRId64 " and is starting", name, epoch);
        return BW_OUTCOME_WAITING;
    }
    (void)snprintf(outcome->text, sizeof outcome->text, "%s serves in epoch %" PRId64, name, epoch);
    return BW_OUTCOME_DONE;
}

enum bw_outcome_progress bw_outcome_judge(struct bw_outcome *outcome, const json_t *status,
                                          const json_t *group)
{
    const char *phase = bw_json_member(group, "phase");
    const bool is_wanted = json_is_object(json_object_get(group, "wish"));
    const bool is_moving = bw_json_member(group, "target")[0] != '\0';

    if (bw_json_number(group, "epoch") > outcome->epoch)
        return judge_later(outcome, group);
    if (is_wanted || is_moving) {
        (void)snprintf(outcome->text, sizeof outcome->text, "epoch %" PRId64 " is %s",
                       outcome->epoch, phase);
        return BW_OUTCOME_WAITING;
    }
    (void)snprintf(outcome->text, sizeof outcome->text,
                   bw_json_number(status, "term") != outcome->term
                       ? "the leader changed, and with it the order was forgotten: ask again; "
                         "epoch %" PRId64 " is %s"
                       : "it was given up; epoch %" PRId64 " is %s",
                   outcome->epoch, phase);
    return BW_OUTCOME_GIVEN_UP;
}
