/* May a part of the service be made here (3.4)? */
#include <breakwater/core/admission.h>

#include <breakwater/base/words.h>

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
