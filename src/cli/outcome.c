#include "outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/core/group.h>

#include "api.h"

/* A wish whose time has passed shows no more, and a moment later how it ended; one of a group that was made anew
 * since never does. */
#define UNKNOWN_LOOKS 8
#define STATE_BYTES   160

/* Who leads since a moment ago may not have applied yet what was taken. */
static bool has_applied(const struct bw_outcome *outcome, const json_t *status)
{
    return bw_json_number(status, "index") >= outcome->index;
}

static enum bw_outcome_progress judge_gone(struct bw_outcome *outcome, const json_t *status)
{
    const bool is_gone = has_applied(outcome, status);

    (void)snprintf(outcome->text, sizeof outcome->text, "%s",
                   is_gone ? "the group no longer exists, or you have no right to see it"
                           : "the new leader has not caught up yet");
    return is_gone ? BW_OUTCOME_GIVEN_UP : BW_OUTCOME_WAITING;
}

/* A later epoch than the one that was asked in. */
static enum bw_outcome_progress judge_later(struct bw_outcome *outcome, const json_t *group)
{
    const json_t *holder = bw_json_find_holder(group);
    const char *name = bw_json_member(group, "holder");
    const int64_t epoch = bw_json_number(group, "epoch");
    const json_t *last = json_object_get(group, "last");

    if (holder == NULL) {
        (void)snprintf(outcome->text, sizeof outcome->text,
                       "epoch %" PRId64 " of %s has already ended: %s", epoch,
                       bw_json_member(last, "site"),
                       bw_json_member(json_object_get(last, "ended"), "reason"));
        return BW_OUTCOME_GIVEN_UP;
    }
    if (outcome->to[0] != '\0' && strcmp(name, outcome->to) != 0) {
        const char *reason = bw_json_member(last, "reason");

        outcome->has_failed_start = strcmp(reason, "start_failed") == 0;
        if (outcome->has_failed_start)
            (void)snprintf(outcome->text, sizeof outcome->text,
                           "the start at %s failed; %s is primary again, in epoch %" PRId64, outcome->to,
                           name, epoch);
        else
            (void)snprintf(outcome->text, sizeof outcome->text, "%s is primary in epoch %" PRId64 ": %s", name, epoch, reason);
        return BW_OUTCOME_GIVEN_UP;
    }
    if (!bw_json_truth(holder, "serving")) {
        (void)snprintf(outcome->text, sizeof outcome->text,
                       "%s became primary in epoch %" PRId64 " and is starting", name, epoch);
        return BW_OUTCOME_WAITING;
    }
    (void)snprintf(outcome->text, sizeof outcome->text, "%s serves in epoch %" PRId64, name, epoch);
    return BW_OUTCOME_DONE;
}

/* A closed epoch that time alone does not end: no move goes on by itself from here. */
static bool is_stuck(struct bw_outcome *outcome, const json_t *group)
{
    const json_t *end = json_object_get(group, "end");
    const char *fence = bw_json_member(end, "remote_fence");

    if (strcmp(bw_json_member(group, "phase"), "CLOSING") != 0 ||
        !json_is_false(json_object_get(end, "by_time")))
        return false;
    (void)snprintf(outcome->text, sizeof outcome->text,
                   "epoch %" PRId64 " of %s at %s needs manual action (%s); if that site is "
                   "off: %s%s%s",
                   outcome->epoch, bw_json_member(group, "name"), bw_json_member(group, "holder"),
                   bw_json_member(end, "why"), bw_json_member(end, "suggested_command"),
                   fence[0] != '\0' ? "; fence from another site: " : "", fence);
    return true;
}

/* How each end of a wish is told; what follows is who, or why. */
static const struct {
    const char *end;
    const char *text;
} ends[] = {
    {"canceled", "it was canceled by "},
    {"replaced", "a later request replaced it, by "},
    {"timed_out", "its timeout passed before it could begin"},
    {"impossible", "it has become impossible: "},
    {"spec", ""},
    {"recovered", "a recovery of the cluster dropped all pending requests"},
};

/* NULL: it was given up, and that is all there is to say: the leader's own Unrevoke. */
static const char *text_of(const char *end)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(ends[i].end, end) == 0)
            return ends[i].text;
    return NULL;
}

/* Where the epoch that was asked in stands. */
static void tell_state(const struct bw_outcome *outcome, const json_t *group, char out_text[STATE_BYTES])
{
    const char *phase = bw_json_member(group, "phase");
    const char *holder = bw_json_member(group, "holder");

    if (strcmp(phase, bw_phase_word(BW_PHASE_GRANTED)) == 0)
        (void)snprintf(out_text, STATE_BYTES, "%s is primary in epoch %" PRId64, holder, outcome->epoch);
    else if (strcmp(phase, bw_phase_word(BW_PHASE_REVOKING)) == 0)
        (void)snprintf(out_text, STATE_BYTES, "%s stops the service", holder);
    else if (strcmp(phase, bw_phase_word(BW_PHASE_VACANT)) == 0)
        (void)snprintf(out_text, STATE_BYTES, "no site is primary");
    else
        (void)snprintf(out_text, STATE_BYTES, "the end of epoch %" PRId64 " at %s is not confirmed", outcome->epoch, holder);
}

static void tell_end(struct bw_outcome *outcome, const json_t *over, const json_t *group)
{
    char state[STATE_BYTES];
    const char *end = bw_json_member(over, "end");
    const char *words = bw_json_member(over, "result");
    const bool by_person = strcmp(end, "given_up") == 0 && strncmp(words, "operator/", 9) == 0;
    const char *text = text_of(by_person ? "canceled" : end);

    tell_state(outcome, group, state);
    (void)snprintf(outcome->text, sizeof outcome->text, "%s%s; %s", text != NULL ? text : "it has ended without a "
                                                                                          "result",
                   text != NULL ? words : "", state);
}

/* Somebody has got the group since, this wish's site or another. */
static bool is_granted(const json_t *over)
{
    const char *end = bw_json_member(over, "end");

    return strcmp(end, "granted") == 0 || strcmp(end, "overtaken") == 0;
}

/* By what the log has of it. */
static enum bw_outcome_progress judge_kept(struct bw_outcome *outcome, const json_t *status,
                                           const json_t *group)
{
    const json_t *over = json_object_get(group, "request_result");
    const int64_t over_index = bw_json_number(over, "index");
    const int64_t waiting = bw_json_number(json_object_get(group, "request"), "index");
    char state[STATE_BYTES];

    if (over_index == outcome->wish_index && is_granted(over))
        return judge_later(outcome, group);
    if (over_index >= outcome->wish_index || (waiting != 0 && waiting != outcome->wish_index)) {
        tell_end(outcome, over_index == outcome->wish_index ? over : NULL, group);
        return BW_OUTCOME_GIVEN_UP;
    }
    outcome->unknown_looks = waiting == 0 && has_applied(outcome, status)
                                 ? outcome->unknown_looks + 1
                                 : 0;
    tell_state(outcome, group, state);
    (void)snprintf(outcome->text, sizeof outcome->text, "%s%s",
                   outcome->unknown_looks >= UNKNOWN_LOOKS ? "it no longer waits; " : "", state);
    return outcome->unknown_looks >= UNKNOWN_LOOKS ? BW_OUTCOME_GIVEN_UP : BW_OUTCOME_WAITING;
}

enum bw_outcome_progress bw_outcome_judge(struct bw_outcome *outcome, const json_t *status,
                                          const json_t *group)
{
    char state[STATE_BYTES];
    const bool is_wanted = json_is_object(json_object_get(group, "request"));
    const bool is_moving = bw_json_member(group, "target")[0] != '\0';

    if (group == NULL)
        return judge_gone(outcome, status);
    if (bw_json_number(group, "epoch") > outcome->epoch)
        return judge_later(outcome, group);
    if (is_stuck(outcome, group))
        return BW_OUTCOME_STUCK;
    if (outcome->wish_index != 0 && !is_moving)
        return judge_kept(outcome, status, group);
    tell_state(outcome, group, state);
    if (is_wanted || is_moving) {
        (void)snprintf(outcome->text, sizeof outcome->text, "%s", state);
        return BW_OUTCOME_WAITING;
    }
    (void)snprintf(outcome->text, sizeof outcome->text, "%s; %s",
                   bw_json_number(status, "term") != outcome->term
                       ? "the leader changed, which canceled the request: run the command again"
                       : "it has ended without a result",
                   state);
    return BW_OUTCOME_GIVEN_UP;
}

/* ---- force-release ---- */

static enum bw_outcome_progress judge_released(struct bw_outcome *outcome, const json_t *group)
{
    const char *holder = bw_json_member(group, "holder");
    const json_t *last = json_object_get(group, "last");
    const json_t *failover = json_object_get(group, "failover");
    const char *name = bw_json_member(group, "name");
    char next[256];

    if (holder[0] != '\0')
        (void)snprintf(next, sizeof next, "%s is primary in epoch %" PRId64 " now", holder,
                       bw_json_number(group, "epoch"));
    else if (bw_json_truth(failover, "possible"))
        (void)snprintf(next, sizeof next, "%s may become primary automatically; see: breakwater status %s",
                       bw_json_member(failover, "to"), name);
    else
        (void)snprintf(next, sizeof next, "no site becomes primary automatically; why: breakwater explain %s",
                       name);
    if (bw_json_number(last, "epoch") == outcome->epoch)
        (void)snprintf(outcome->text, sizeof outcome->text, "epoch %" PRId64 " of %s has ended (%s); %s",
                       outcome->epoch, bw_json_member(last, "site"), bw_json_member(last, "ended_by"),
                       next);
    else
        (void)snprintf(outcome->text, sizeof outcome->text, "epoch %" PRId64 " has ended; %s",
                       outcome->epoch, next);
    return BW_OUTCOME_DONE;
}

enum bw_outcome_progress bw_outcome_judge_release(struct bw_outcome *outcome, const json_t *status,
                                                  const json_t *group)
{
    const char *phase = bw_json_member(group, "phase");
    char state[STATE_BYTES];
    const bool is_ours =
        strcmp(bw_json_member(json_object_get(group, "request"), "kind"), "force-release") == 0;

    if (group == NULL)
        return judge_gone(outcome, status);
    if (bw_json_find(json_object_get(group, "claims"), "site", outcome->to) != NULL) {
        (void)snprintf(outcome->text, sizeof outcome->text, "the claim of %s still stands; %s", outcome->to,
                       is_ours ? "it does not end while the site is connected" : "your confirmation was canceled");
        return is_ours ? BW_OUTCOME_WAITING : BW_OUTCOME_GIVEN_UP;
    }
    if (bw_json_number(group, "epoch") > outcome->epoch || strcmp(phase, "VACANT") == 0 ||
        (!is_ours && outcome->to[0] != '\0' && strcmp(bw_json_member(group, "holder"), outcome->to) != 0))
        return judge_released(outcome, group);
    tell_state(outcome, group, state);
    (void)snprintf(outcome->text, sizeof outcome->text, "%s; %s", state,
                   is_ours ? "no confirmation is accepted while the site answers"
                   : bw_json_number(status, "term") != outcome->term
                       ? "the leader changed, which canceled your confirmation: run the command again, or "
                         "leave the end to the site"
                       : "your confirmation was canceled, because the site answers or another request came");
    return is_ours ? BW_OUTCOME_WAITING : BW_OUTCOME_GIVEN_UP;
}
