/* May this site run, as its guard shows it (3.4)? */
#include <breakwater/core/may_run.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

bool bw_may_run_is_yes(enum bw_may_run may_run)
{
    return may_run == BW_MAY_RUN_LEASE || may_run == BW_MAY_RUN_OVERRIDE;
}

bool bw_may_run_by_loop(enum bw_may_run may_run, const struct bw_guard_shown *shown)
{
    return bw_may_run_is_yes(may_run) && shown->loop_delay_ms != 0;
}

/* What is being ended here starts nothing, however long the lease still is. */
static bool is_ended_by(enum bw_action_kind running)
{
    return running == BW_ACTION_STOP || running == BW_ACTION_FENCE || running == BW_ACTION_REJOIN;
}

/* Its own loop may only once its agent has ordered a start (3.4, driver): before, what is armed may
 * still wait for something. */
static bool waits(const struct bw_guard_shown *shown)
{
    return shown->loop_delay_ms != 0 && !shown->loop_may;
}

/* Until D - F, like a start of the guard's own (3.4): what begins in the fence window is killed in
 * it. Its own loop's begins up to its delay later: the guard counts on it that at D - F it is over.
 */
static enum bw_may_run judge_lease(const struct bw_guard_shown *shown, struct bw_instant now)
{
    const uint64_t before_ms = (uint64_t)shown->fence_ms + shown->loop_delay_ms;
    const struct bw_instant window = bw_instant_sub(shown->armed_end, bw_ms_to_ns(before_ms));

    if (shown->armed_epoch == 0)
        return shown->enforced ? BW_MAY_RUN_NO_LEASE : BW_MAY_RUN_NOT_ENFORCED;
    if (shown->armed_serial == 0 && /* 3.8: of a manual lease it may be over, or another site's */
        (shown->armed_epoch <= shown->ended_epoch || shown->armed_epoch < shown->epoch_seen))
        return BW_MAY_RUN_ENDING;
    if (bw_instant_right_is_over(now, shown->armed_end))
        return BW_MAY_RUN_NO_LEASE;
    if (shown->fence_ms == 0 || bw_instant_right_is_over(now, window))
        return BW_MAY_RUN_FENCE_WINDOW;
    if (waits(shown))
        return BW_MAY_RUN_LOOP_WAITS;
    return shown->armed_serial == 0 ? BW_MAY_RUN_LEASE : BW_MAY_RUN_OVERRIDE;
}

enum bw_may_run bw_may_run(bool has_group, const struct bw_guard_shown *shown, struct bw_id boot_id,
                           uint64_t time_namespace, struct bw_instant now)
{
    enum bw_may_run may_run;

    if (!has_group)
        return BW_MAY_RUN_NO_GROUP;
    if (!bw_id_equal(shown->boot_id, boot_id) || bw_id_is_none(boot_id) ||
        shown->time_namespace != time_namespace)
        return BW_MAY_RUN_OTHER_CLOCKS;
    if (shown->nobodys)
        return BW_MAY_RUN_NOBODYS;
    may_run = judge_lease(shown, now);
    if (shown->fence_failed)
        return BW_MAY_RUN_FENCE_FAILED;
    if (shown->fence_begun)
        return BW_MAY_RUN_FENCING;
    if ((bw_may_run_is_yes(may_run) || may_run == BW_MAY_RUN_LOOP_WAITS) &&
        is_ended_by(shown->running))
        return BW_MAY_RUN_STOPPING;
    if (bw_may_run_is_yes(may_run) && shown->is_stopped)
        return BW_MAY_RUN_STOPPED;
    BW_ASSERT(!bw_may_run_is_yes(may_run) || /* 3.4: of what has not ended */
              ((shown->armed_serial != 0 || shown->armed_epoch > shown->ended_epoch) &&
               !bw_instant_right_is_over(now, shown->armed_end)));
    return may_run;
}

/* ---- words ----------------------------------------------------------------------------------- */

BW_WORDS(bw_may_run_word, enum bw_may_run, BW_MAY_RUN_LIST, "unlisted")
BW_SENTENCES(bw_may_run_sentence, enum bw_may_run, BW_MAY_RUN_LIST, "unlisted")

/* ---- clients ---- */

/* May clients be sent here (5.3)? */

BW_WORDS(bw_primary_word, enum bw_primary, BW_PRIMARY_LIST, "unlisted")
BW_SENTENCES(bw_primary_sentence, enum bw_primary, BW_PRIMARY_LIST, "unlisted")

/* 4: a start is believed once status says so and its verify_script has passed. */
static bool awaits_verify(const struct bw_guard_shown *shown, const struct bw_primary_limits *limits)
{
    return shown->action.action == BW_ACTION_START ||
           (shown->action.action == BW_ACTION_VERIFY && shown->action.result != BW_RUN_OK) ||
           (shown->action.action == BW_ACTION_NONE && !limits->is_verified);
}

enum bw_primary bw_primary(enum bw_may_run may_run, const struct bw_guard_shown *shown,
                           const struct bw_primary_limits *limits, struct bw_instant now)
{
    if (!bw_may_run_is_yes(may_run))
        return BW_PRIMARY_MAY_NOT_RUN;
    if (shown->running == BW_ACTION_START) /* beside it a look proves nothing (3.2.4) */
        return BW_PRIMARY_STARTING;
    if (shown->service != BW_SERVICE_STARTED) /* unknown is never yes */
        return BW_PRIMARY_NOT_SERVING;
    if (bw_instant_right_is_over(now, bw_instant_add(shown->service_at, limits->look_ns)))
        return BW_PRIMARY_OLD_LOOK;
    if (limits->has_verify && awaits_verify(shown, limits))
        return BW_PRIMARY_UNVERIFIED;
    return BW_PRIMARY_YES;
}

/* ---- parts of the service ---- */

/* May a part of the service be made here (3.4)? */

BW_WORDS(bw_admission_word, enum bw_admission, BW_ADMISSION_LIST, "unlisted")

/* Here, or perhaps: the agent has not heard of the group since it began. */
static bool may_be_enforced(const struct bw_site *site)
{
    return site->memory.enforced || site->order.kind == BW_ORDER_NONE;
}

enum bw_admission bw_admission(enum bw_may_run may_run, const struct bw_site *site)
{
    if (bw_may_run_is_yes(may_run))
        return BW_ADMISSION_MAY_RUN;
    /* A guard knows of its own epochs alone: what it calls not enforced is so where the agent, too,
     * knows of no other site's. */
    if (may_run == BW_MAY_RUN_NOT_ENFORCED && !may_be_enforced(site))
        return BW_ADMISSION_UNDECIDED;
    return BW_ADMISSION_REFUSED;
}
