/* forced.c - the end of an epoch on a person's word: Close, the wait of 3.3, then Forced. Design 3.1,
 * 4. The word is needed where time alone ends nothing, and it is taken for no more than that: what
 * a fresh report says against it counts first, and no lease may be left that could still live. */
#include "evaluation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "claims.h"

/* ---- the steps ---- */

static bool is_asked(const struct bw_evaluation *eval)
{
    return bw_policy_wish(eval->group, eval->watch, eval->now) == BW_WISH_FORCE_RELEASE &&
           strcmp(eval->watch->wish.to, eval->group->holder_site) == 0;
}

static bool judge_holder(struct bw_evaluation *eval)
{
    uint64_t left_ns;
    const enum bw_holder_answer answer = bw_arbiter_holder_answer(eval->group, eval->watch, eval->now, &left_ns);

    return bw_eval_judge_answer(eval, answer, left_ns);
}

static void complete(const struct bw_evaluation *eval, enum bw_command_kind kind,
                     struct bw_command *command)
{
    const struct bw_wish *wish = &eval->watch->wish;

    BW_ASSERT(kind == BW_COMMAND_CLOSE || kind == BW_COMMAND_FORCED);
    BW_ASSERT(eval->group->phase != BW_PHASE_VACANT); /* 3.1: somebody is vouched for */
    command->kind = kind;
    command->reason = BW_REASON_OPERATOR;
    memcpy(command->by, wish->by, sizeof(command->by));
    memcpy(command->text, wish->text, sizeof(command->text));
}

/* Takes nothing from a holder that is off; one that is not hears of it and stops (3.2.3). */
bool bw_decide_close_for_person(struct bw_evaluation *eval, struct bw_command *command)
{
    if (!is_asked(eval))
        return false;
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_VOUCHED, -1, true, NULL);
    (void)judge_holder(eval);
    complete(eval, BW_COMMAND_CLOSE, command);
    return true;
}

/* A person is wrong about a machine more easily than a clock: nothing is forced while a lease that
 * was confirmed before the Close may live (I1). */
bool bw_decide_forced(struct bw_evaluation *eval, struct bw_command *command)
{
    struct bw_end_waits waits;
    const bool has_asked = is_asked(eval);
    struct bw_expiry_base base = bw_eval_expiry_base(eval, eval->group->epoch,
                                                     eval->watch->grant_applied);

    BW_ASSERT(eval->group->phase == BW_PHASE_CLOSING); /* 3.1: nothing of it is confirmed any more */
    if (!has_asked &&
        !bw_arbiter_end_waits_for(eval->group, eval->watch, eval->leadership, &waits))
        return false; /* A3 ends it */
    (void)bw_gate_plain(&eval->list, BW_GATE_ID_VOUCHED, -1, has_asked, NULL);
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_LAPSE, -1, bw_expiry_counted_from(&base),
                       bw_expiry_wait_ns(&eval->group->terms), eval->now, NULL);
    if (has_asked)
        (void)judge_holder(eval);
    complete(eval, BW_COMMAND_FORCED, command);
    return true;
}

/* ---- what a person is told ---- */

void bw_end_way(const struct bw_group *group, const struct bw_end_waits *waits, char *out_text,
                size_t size)
{
    (void)snprintf(out_text, size, "breakwater confirm-fenced %s --site %s%s", group->spec.name,
                   group->holder_site, waits->is_lost || waits->is_unseen ? " --service-is-stopped" : "");
}

enum bw_err bw_forced_refuse_waiting(const struct bw_group *group, const struct bw_end_waits *waits,
                                     struct bw_diag *diag)
{
    const char *site = group->holder_site;
    const char *fence = waits->has_remote_fence ? ", or after a fence from another site has confirmed the stop" : "";
    char way[2 * BW_NAME_MAX + 64];

    BW_ASSERT(group->phase != BW_PHASE_VACANT);
    BW_ASSERT(waits->why != NULL); /* a refusal says why */
    bw_end_way(group, waits, way, sizeof(way));
    if (waits->is_lost)
        return bw_diag_set(
            diag, BW_ERR_REFUSED,
            "epoch %" PRIu64 " of %s at %s does not expire automatically (%s: %s), and the agent of %s has lost the "
            "state to release it. It ends by your confirmation%s. If nothing of %s runs at %s: %s",
            group->epoch, group->spec.name, site, bw_gate_word(waits->gate), waits->why, site, fence, group->spec.name, site, way);
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "epoch %" PRIu64 " of %s at %s does not expire automatically (%s: %s). It ends when %s releases it%s. If %s "
        "is off: %s",
        group->epoch, group->spec.name, site, bw_gate_word(waits->gate), waits->why, site, fence, site, way);
}

/* Nobody holds the group: said again by the person who had it ended, that is no error. */
static enum bw_err check_vacant(const struct bw_group *group, const struct bw_wish *wish,
                                struct bw_diag *diag)
{
    if (group->last_end.epoch == 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "no site has ever been primary of %s: there is nothing to confirm",
                           group->spec.name);
    return bw_diag_set(diag,
                       strcmp(group->last_end.site, wish->to) == 0 ? BW_ERR_EXISTS : BW_ERR_REFUSED,
                       "no site is primary of %s: epoch %" PRIu64 " of %s has ended (%s). To see which site can follow: "
                       "breakwater explain %s",
                       group->spec.name, group->last_end.epoch, group->last_end.site,
                       bw_grade_shown(group->last_end.grade), group->spec.name);
}

/* Said again when the next site holds the group already: what was asked for is so. */
static bool was_forced(const struct bw_group *group, const struct bw_wish *wish)
{
    return group->last_end.grade == BW_GRADE_FORCED &&
           strcmp(group->last_end.site, wish->to) == 0 &&
           strcmp(group->holder_site, wish->to) != 0 &&
           (wish->epoch == 0 || wish->epoch == group->last_end.epoch);
}

static enum bw_err check_answer(const struct bw_group *group, const struct bw_watch *watch,
                                enum bw_holder_answer answer, const struct bw_wish *wish,
                                struct bw_diag *diag)
{
    const char *site = group->holder_site;

    if (!bw_eval_is_contradicted(wish, answer))
        return BW_OK;
    if (answer == BW_HOLDER_ANSWERS)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is connected, %s. Check that site first. If the service is stopped although the agent "
                           "answers, add --service-is-stopped",
                           site,
                           bw_eval_is_holder_lost(group, watch)
                               ? "but its agent has lost the state to release the lease"
                               : "so it can stop the service and release the lease itself");
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s is connected, and reports that %s runs there: two sites would serve (split-brain). Stop "
                       "the service there, or power %s off",
                       site, group->spec.name, site);
}

/* Where time ends the epoch, nobody needs to vouch for anything. A report that keeps time from it
 * (3.3) does so only while it is fresh. */
static enum bw_err check_need(const struct bw_witness *witness, int group_index,
                              enum bw_holder_answer answer, struct bw_instant now,
                              struct bw_diag *diag)
{
    const struct bw_group *group = &witness->cluster->groups[group_index];
    const struct bw_watch *watch = &witness->watches[group_index];
    struct bw_end_waits waits;
    uint64_t left_ms;

    BW_ASSERT(group->phase != BW_PHASE_VACANT);
    if (bw_arbiter_end_waits_for(group, watch, &witness->leadership, &waits) ||
        answer != BW_HOLDER_SILENT)
        return BW_OK;
    left_ms = bw_ns_to_ms(bw_arbiter_lease_may_live_ns(group, watch, &witness->leadership, now));
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "no confirmation is needed for %s: epoch %" PRIu64 " of %s expires automatically, in %" PRIu64
                       ".%u s at the latest if %s does not report again. To watch: breakwater status %s",
                       group->holder_site, group->epoch, group->spec.name, left_ms / 1000,
                       (unsigned)(left_ms % 1000 / 100), group->holder_site, group->spec.name);
}

/* An operator's confirmation also ends the claim of the site, unless a fresh report contradicts it. */
static enum bw_err check_claim(const struct bw_group *group, const struct bw_watch *watch, const struct bw_wish *wish,
                               struct bw_instant now, struct bw_diag *diag)
{
    uint64_t fresh_left_ns;
    const enum bw_holder_answer answer = bw_claims_answer(group, watch, wish->to, now, &fresh_left_ns);

    if (!bw_eval_is_contradicted(wish, answer))
        return BW_OK;
    if (answer == BW_HOLDER_ANSWERS)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is connected; it may serve %s under its override. End the override on that site: breakwater "
                           "override %s -c FILE --stop; if the service is stopped although the agent answers: breakwater "
                           "confirm-fenced %s --site %s --service-is-stopped",
                           wish->to, group->spec.name, group->spec.name, group->spec.name, wish->to);
    if (!bw_claims_may_serve(group, watch, wish->to))
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is connected, and reports that %s runs there. If its report is true, two sites would serve "
                           "(split-brain). See: breakwater status",
                           wish->to, group->spec.name);
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "%s is connected, and reports that %s runs there: two sites would serve (split-brain). End the "
                       "override on that site: breakwater override %s -c FILE --stop; or power %s off",
                       wish->to, group->spec.name, group->spec.name, wish->to);
}

enum bw_err bw_forced_check(const struct bw_witness *witness, int group_index,
                            const struct bw_wish *wish, struct bw_instant now, struct bw_diag *diag)
{
    const struct bw_group *group = &witness->cluster->groups[group_index];
    const struct bw_watch *watch = &witness->watches[group_index];
    enum bw_holder_answer answer;
    uint64_t fresh_left_ns;
    enum bw_err err;

    if (wish->to[0] == '\0')
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "confirm-fenced needs the site that is off: --site SITE");
    if (bw_claims_find_of(group, watch, wish->to, NULL))
        return check_claim(group, watch, wish, now, diag);
    if (group->phase == BW_PHASE_VACANT)
        return check_vacant(group, wish, diag);
    if (was_forced(group, wish))
        return bw_diag_set(diag, BW_ERR_EXISTS,
                           "epoch %" PRIu64 " of %s has ended (%s); %s is primary of %s now, in epoch %" PRIu64,
                           group->last_end.epoch, group->last_end.site,
                           bw_grade_shown(group->last_end.grade), group->holder_site,
                           group->spec.name, group->epoch);
    if (strcmp(group->holder_site, wish->to) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "%s is not the primary of %s: %s is, in epoch %" PRIu64, wish->to,
                           group->spec.name, group->holder_site, group->epoch);
    if (wish->epoch != 0 && wish->epoch != group->epoch)
        return bw_diag_set(diag, BW_ERR_STALE,
                           "epoch %" PRIu64 " of %s has ended; %s is primary in epoch %" PRIu64 " now. Check again",
                           wish->epoch, group->spec.name, group->holder_site, group->epoch);
    answer = bw_arbiter_holder_answer(group, watch, now, &fresh_left_ns);
    err = check_answer(group, watch, answer, wish, diag);
    return err != BW_OK ? err : check_need(witness, group_index, answer, now, diag);
}
