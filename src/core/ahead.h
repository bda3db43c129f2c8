/* ahead.h - what a site names, and the log lacks: a decision was lost. Private to core. Design 3.9. Pure.
 *
 * The reports themselves are the memory, however old they are, until a leader has committed a claim of the kind AHEAD. */
#ifndef BW_CORE_AHEAD_H
#define BW_CORE_AHEAD_H

#include <breakwater/core/arbiter.h>
#include <breakwater/core/expiry.h>

/* Notes what the newest report of a session names; `before` is its report before (NULL: none). `proof`: of this leader;
 * NULL: it does not lead. */
void bw_ahead_note(struct bw_contact *contact, const struct bw_contact *before, const struct bw_group *group,
                   uint64_t generation, struct bw_proof *proof);
/* True if it names what the state lacks. */
bool bw_ahead_is(const struct bw_group *group, const struct bw_contact *contact);
/* Returns report number `*number` that names such, of an agent without a claim for it; NULL: `*number` is less by those
 * that there are. */
const struct bw_contact *bw_ahead_at(const struct bw_group *group, const struct bw_watch *watch, uint32_t *number,
                                     int *out_site);
/* The Claim that a leader has to commit next. False: none, or its proof is on its way. */
bool bw_ahead_command(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_command *out_command);

#endif
