/* What serves at a site without a lease, by a person's word (3.8): kept in the mirror, over with the
 * first lease, with a fence that has seen the end, and with the instance that was told. */
#include "guard_internal.h"

bool bw_guard_overrides(const struct bw_guard *guard)
{
    const struct bw_guard_mirror *mirror = &guard->mirror;

    /* not covered: armed beside an override: the one ends the other (3.8). */
    return mirror->overriding && !bw_guard_waits(guard, BW_GUARD_WAIT_OVERRIDE) &&
           !bw_guard_is_armed(guard) && bw_id_equal(mirror->override_instance, guard->agent.instance);
}

void bw_guard_override_end(struct bw_guard *guard)
{
    guard->mirror.overriding = false;
    guard->mirror.override_instance = (struct bw_id){{0}};
    bw_guard_wait_no_more(guard, BW_GUARD_WAIT_OVERRIDE);
    guard->override_begun = false;
    if (guard->wants == BW_GUARD_WANTS_OVERRIDE)
        guard->is_void = true; /* it was over before the disk had answered */
}
