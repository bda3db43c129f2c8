/* site_internal.h - what the files of the site machine share. site.c: orders, tenure and the step;
 * site_guard.c: the guard's side of things, fences, giving back; site_watch.c: observations;
 * site_report.c: what is said to the witnesses. */
#ifndef BW_CORE_SITE_INTERNAL_H
#define BW_CORE_SITE_INTERNAL_H

#include <breakwater/core/site.h>

/* A refused run and a failed save are tried again after this. */
#define BW_SITE_RETRY_NS (200 * BW_NS_PER_MS)
/* How long an epoch is renewed that the guard cannot keep: a moment of a full disk is no failover. */
#define BW_SITE_UNSAVED_NS (5000 * BW_NS_PER_MS)
/* A save that was not answered for so long is an alarm: a disk takes tens of milliseconds. */
#define BW_SITE_SLOW_SAVE_NS (2000 * BW_NS_PER_MS)
/* How often the mirror of a guard that is not there is read: another agent may have it, and renew. Two of
 * them lie in what the shortest lease leaves before its window. */
#define BW_SITE_MIRROR_NS (250 * BW_NS_PER_MS)
/* So many `started` in a row make earlier local restarts forgotten. */
#define BW_SITE_RESTARTS_FORGOTTEN_AFTER 60

/* What every function of a step needs. */
struct step {
    struct bw_site *site;
    struct bw_instant now;
    struct bw_site_actions *out;
};

struct bw_site_action *bw_site_emit(const struct step *step, enum bw_site_action_kind kind,
                                    const char *rule);
void bw_site_wake(const struct step *step, struct bw_instant at);
void bw_site_save(const struct step *step, const char *rule);
void bw_site_run(const struct step *step, enum bw_action_kind action, uint64_t epoch,
                 const char *rule);
uint64_t bw_site_held_index(const struct bw_site *site);
void bw_site_alarm(struct bw_site *site, enum bw_alarm alarm, bool on);

/* site.c */
void bw_site_begin_stop(const struct step *step, enum bw_reason reason, const char *rule);

bool bw_site_tenure_renews(const struct bw_site *site);
uint64_t bw_site_joined_epoch(const struct bw_site *site, const struct bw_site_memory *memory);

/* site_guard.c */
void bw_site_on_confirmed(const struct step *step, const struct bw_site_event *event);
void bw_site_on_guard_state(const struct step *step, const struct bw_guard_state *state);
void bw_site_on_guard_lost(const struct step *step);
void bw_site_on_guard_message(const struct step *step, const struct bw_guard_message *message);
void bw_site_on_mirror_read(const struct step *step, const struct bw_site_event *event);
void bw_site_on_own_fence_ended(const struct step *step, uint64_t epoch, bool ok);
/* The fence that the agent owes when the guard's was not read in time; giving back without it. */
void bw_site_watch_deadline(const struct step *step);
void bw_site_watch_old_instance(const struct step *step);
/* A start of our epoch was begun, as far as this site or its guard knows. */
bool bw_site_is_begun(const struct bw_site *site);
/* It serves again, or may: what was seen to end it before counts no more (3.3). */
void bw_site_doubt_end(struct bw_site *site);
void bw_site_give_back(const struct step *step, const char *rule);
bool bw_site_guard_is_silent(const struct bw_site *site, struct bw_instant now);
bool bw_site_epoch_is_open(const struct bw_site *site);

/* site_watch.c */
/* The service was ended; what is left is to give the epoch back, with its final position. */
void bw_site_begin_ending(const struct step *step);
void bw_site_on_observed(const struct step *step, const struct bw_guard_run_ended *ended);
void bw_site_watch_service(const struct step *step);
bool bw_site_awaits_reach(const struct bw_site *site);
/* How long a fence of `epoch` took, well or not. */
void bw_site_note_fence_time(const struct step *step, uint64_t epoch, uint32_t took_ms);
uint32_t bw_site_reach_alarms(const struct bw_site *site);
struct bw_reach_sight bw_site_sight(const struct bw_site *site);
void bw_site_observe_soon(const struct step *step, enum bw_action_kind observation);
void bw_site_forget_observations(struct bw_site *site);

#endif
