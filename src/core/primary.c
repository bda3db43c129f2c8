/* May clients be sent here (5.3)? */
#include <breakwater/core/primary.h>

#include <breakwater/base/words.h>

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
