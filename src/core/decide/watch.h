/* watch.h - struct bw_watch follows the log: of a witness, and of a group whose future is foretold.
 * Private to core. */
#ifndef BW_CORE_WATCH_H
#define BW_CORE_WATCH_H

#include <breakwater/core/arbiter.h>

/* Every duration of the group counts from now: it was made, restored, or this witness has started.
 */
void bw_watch_begin(struct bw_watch *watch, const struct bw_group *group, struct bw_instant now);
/* `command` was applied to the group, by a rule of it, at `index`. */
void bw_watch_on_applied(struct bw_watch *watch, const struct bw_group *group,
                         const struct bw_command *command, uint64_t index, struct bw_instant now);

/* Takes the wish that the log has, unless it was taken already: its time goes on (4). */
void bw_watch_follow_wish(struct bw_watch *watch, const struct bw_group *group,
                          struct bw_instant now);

/* A leader may confirm that this instance, of this boot, renews the open epoch: it holds it, and
 * this leader has proposed neither an end of it nor another boot (3.2.2, 3.5). */
bool bw_watch_may_renew(const struct bw_watch *watch, const struct bw_group *group,
                        struct bw_id instance, struct bw_id boot_id);
/* Keeps how far `site` lags by this report of it, received then; nothing, where it does not say, or measured it before
 * what it lags behind served (4). */
void bw_watch_sample_lag(struct bw_watch *watch, int site, const struct bw_contact *contact,
                         struct bw_instant received);

/* 3.1: takes from what a site says, for the record, how the newest epoch came to serve. `serves`:
 * it is the holder, and renews and serves. */
void bw_epoch_timeline_take(struct bw_watch *watch, const struct bw_group *group, int site,
                            const struct bw_contact *contact, bool serves);

/* That Note is proposed. */
void bw_epoch_timeline_noted(struct bw_epoch_timeline *timeline, const struct bw_command *command);

#endif
