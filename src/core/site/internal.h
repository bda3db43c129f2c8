/* internal.h - what the files of the site machine share, each resting on those before it only.
 * ask.c: the tables of its states, and what a step asks for; tenure.c: what rests on the tenure, how an epoch is
 * given back, what a start waits for in its middle; override.c: a manual lease, from its command to its end;
 * watch.c: observations, and what is reported to the witnesses; guard.c: the guard's side of things, and the
 * agent's own fence; remote_fence.c: ending another site's service; prove.c: a KILL of the reach that an operator
 * asks for; second.c: who else enforces the deadline; overriding.c: what is asked for under a manual lease;
 * orders.c: what the witnesses order, and what the tenure asks for next; site.c: the step. sound.c: what must hold between steps.
 * By themselves: own_fence.c, the agent's own fence; sync.c, whether an answer of a witness can be true. */
#ifndef BW_CORE_SITE_INTERNAL_H
#define BW_CORE_SITE_INTERNAL_H

#include <breakwater/core/site.h>

/* A refused run and a failed save are tried again after this. */
#define BW_SITE_RETRY_NS (200 * BW_NS_PER_MS)
/* What destroys, and a start without a lease, is begun by its guard within that, its disk included, or judged again
 * (3.3, 3.8, 4). */
#define BW_SITE_RUNS_WITHIN_NS (10 * BW_NS_PER_S)
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
/* 4: nothing that lies behind the point of no return of a start may begin: Passed is not committed
 * of the open epoch. */
bool bw_site_holds_start(const struct bw_site *site);
/* As far as is known nothing behind it ever began under the newest epoch. */
bool bw_site_was_held(const struct bw_site *site);

/* A row of a table of what is asked for next: of those of a state the first counts whose requirement holds. A
 * requirement only looks, and says when it is to be looked at again. */
typedef bool bw_site_requirement(const struct step *step);
typedef void bw_site_effect(const struct step *step, const char *rule);
struct bw_site_row {
    const char *id; /* NULL: it asks for nothing by itself */
    unsigned state;
    bw_site_requirement *is_met;
    bw_site_effect *act;
};

/* ask.c */
/* True: the stop or fence was cut short, so it is run again after a pause, which begins now. */
bool bw_site_runs_again(const struct step *step, enum bw_run_result result);
void bw_site_take_row(const struct step *step, const struct bw_site_row *rows, size_t count, unsigned state);
bool bw_site_always(const struct step *step);
void bw_site_nothing(const struct step *step, const char *rule);
bool bw_site_is_saving(const struct bw_site *site);
struct bw_site_action *bw_site_emit(const struct step *step, enum bw_site_action_kind kind,
                                    const char *rule);
void bw_site_wake(const struct step *step, struct bw_instant at);
void bw_site_save(const struct step *step, const char *rule);
void bw_site_run(const struct step *step, enum bw_action_kind action, uint64_t epoch,
                 const char *rule);
/* The agent and the guard, which runs it, have both read of it (5.4): they read the site file one after the other. Not
 * for REMOTE_FENCE, of which its guard tells otherwise. */
bool bw_site_has_script(const struct bw_site *site, enum bw_action_kind action);
/* The newest epoch that is known here: the guard refuses a run below it once one is armed. */
uint64_t bw_site_epoch_seen(const struct bw_site *site);
/* That of the failed fence for which the witnesses hold our epoch; 0: none, as far as we know. */
uint64_t bw_site_held_index(const struct bw_site *site);
bool bw_site_owes_fence(const struct bw_site *site);
bool bw_site_watches_epoch(const struct bw_site *site, uint64_t epoch);
void bw_site_alarm(struct bw_site *site, enum bw_alarm alarm, bool on);
/* The outcome of a fence, the guard's or the agent's own. */
void bw_site_note_fence_failed(const struct step *step, uint64_t epoch);
void bw_site_note_fence_succeeded(struct bw_site *site);
bool bw_site_epoch_is_open(const struct bw_site *site);
/* A refused run or a failed save may be tried again. */
bool bw_site_may_retry(const struct step *step);
/* What a witness says with each answer as long as it is so, and said at `said`, is so still: a right, which ends by
 * whichever clock has gone on in a suspend. */
bool bw_site_is_said_lately(const struct step *step, struct bw_instant said);
/* The same of the agent's own fence, which nothing else puts off. */
bool bw_site_may_fence_itself(const struct step *step);
/* Its manual lease has begun, durably, and nobody has ended it (3.8). */
bool bw_site_override_has_begun(const struct bw_site *site);
/* It serves under a manual lease, or is being fenced after that: no rogue (3.8). */
bool bw_site_overrides(const struct bw_site *site);
/* Its newest start has left nothing that has to be looked at or ended before the next one (3.8). */
bool bw_site_override_may_start(const struct bw_site *site);
bool bw_site_guard_is_silent(const struct bw_site *site, struct bw_instant now);

/* ask.c: the only way in which a state changes. What happens to the epoch that was accepted, */
enum bw_tenure_event {
    BW_TENURE_EVENT_FOUND,    /* in the memory that was kept, accepted in this boot */
    BW_TENURE_EVENT_REBOOTED, /* likewise, in another */
    BW_TENURE_EVENT_ACCEPTED,
    BW_TENURE_EVENT_KEPT,     /* it is durable */
    BW_TENURE_EVENT_LEASED,
    BW_TENURE_EVENT_SERVES,
    BW_TENURE_EVENT_RESTARTS, /* what went down */
    BW_TENURE_EVENT_STOP,
    BW_TENURE_EVENT_NOT_STOPPED,
    BW_TENURE_EVENT_STOP_OWED,
    BW_TENURE_EVENT_FENCE_BEGUN,
    BW_TENURE_EVENT_FENCE_FAILED,
    BW_TENURE_EVENT_ENDED,
    BW_TENURE_EVENT_GIVEN_BACK,
    BW_TENURE_EVENT_LET_GO,
};
/* ... to the connection, */
enum bw_site_link_event { BW_SITE_LINK_EVENT_GREETED, BW_SITE_LINK_EVENT_LOST };
/* ... to what is to be durable, */
enum bw_site_save_event {
    BW_SITE_SAVE_EVENT_ASKED,
    BW_SITE_SAVE_EVENT_KEPT,
    BW_SITE_SAVE_EVENT_FAILED
};
/* ... to what is known of the deadline, */
enum bw_site_deadline_event {
    BW_SITE_DEADLINE_EVENT_ACCEPTED,
    BW_SITE_DEADLINE_EVENT_FOUND,
    BW_SITE_DEADLINE_EVENT_LEARNT,
    BW_SITE_DEADLINE_EVENT_LOST
};
/* ... to fences, and what they have seen, */
enum bw_site_fence_event {
    BW_SITE_FENCE_EVENT_ACCEPTED,
    BW_SITE_FENCE_EVENT_BEGUN,
    BW_SITE_FENCE_EVENT_ENDED,  /* well */
    BW_SITE_FENCE_EVENT_DOUBTED /* it serves, or may; or the guard says anew what it knows */
};
enum bw_site_own_fence_event {
    BW_SITE_OWN_FENCE_EVENT_BEGUN,
    BW_SITE_OWN_FENCE_EVENT_DOUBTED,
    BW_SITE_OWN_FENCE_EVENT_ENDED
};
enum bw_site_own_end_event {
    BW_SITE_OWN_END_EVENT_ACCEPTED,
    BW_SITE_OWN_END_EVENT_BEGUN,
    BW_SITE_OWN_END_EVENT_SEEN,
    BW_SITE_OWN_END_EVENT_DENIED,
    BW_SITE_OWN_END_EVENT_SERVES
};
/* ... to the service, from its start to its end. */
enum bw_site_start_event {
    BW_SITE_START_EVENT_ACCEPTED,
    BW_SITE_START_EVENT_RESTARTS,
    BW_SITE_START_EVENT_RAN,
    BW_SITE_START_EVENT_FAILED,
    BW_SITE_START_EVENT_FAILED_EARLY
};
enum bw_site_stop_event {
    BW_SITE_STOP_EVENT_ACCEPTED,
    BW_SITE_STOP_EVENT_SEEN,
    BW_SITE_STOP_EVENT_DENIED
};
enum bw_site_final_event {
    BW_SITE_FINAL_EVENT_ACCEPTED,
    BW_SITE_FINAL_EVENT_ENDED,
    BW_SITE_FINAL_EVENT_AWAITED,
    BW_SITE_FINAL_EVENT_MEASURED,
    BW_SITE_FINAL_EVENT_MISSED
};
/* ... to the newest start of a manual lease, */
enum bw_site_override_start_event {
    BW_SITE_OVERRIDE_START_EVENT_ORDERED,
    BW_SITE_OVERRIDE_START_EVENT_RAN,
    BW_SITE_OVERRIDE_START_EVENT_SERVES,
    BW_SITE_OVERRIDE_START_EVENT_FAILED,
    BW_SITE_OVERRIDE_START_EVENT_ENDED
};
/* ... to another site's service, which is ended from here. */
enum bw_remote_fence_state_event {
    BW_REMOTE_FENCE_EVENT_ASKED,
    BW_REMOTE_FENCE_EVENT_BEGUN,
    BW_REMOTE_FENCE_EVENT_SEEN,
    BW_REMOTE_FENCE_EVENT_FAILED
};
void bw_site_tenure_move(struct bw_site *site, enum bw_tenure_event event);
void bw_site_link_move(struct bw_site *site, enum bw_site_link_event event);
void bw_site_save_move(struct bw_site *site, enum bw_site_save_event event);
void bw_site_deadline_move(struct bw_site *site, enum bw_site_deadline_event event);
void bw_site_fence_move(struct bw_site *site, enum bw_site_fence_event event);
void bw_site_own_fence_move(struct bw_site *site, enum bw_site_own_fence_event event);
void bw_site_own_end_move(struct bw_site *site, enum bw_site_own_end_event event);
void bw_site_start_move(struct bw_site *site, enum bw_site_start_event event);
void bw_site_stop_move(struct bw_site *site, enum bw_site_stop_event event);
void bw_site_final_move(struct bw_site *site, enum bw_site_final_event event);
void bw_site_override_start_move(struct bw_site *site, enum bw_site_override_start_event event);
void bw_site_remote_fenced_move(struct bw_site *site, enum bw_remote_fence_state_event event);

/* tenure.c */
/* One of `memory.epoch` begins: everything that belonged to the one before is forgotten. */
void bw_site_tenure_reset(struct bw_site *site);
bool bw_site_tenure_renews(const struct bw_site *site);
void bw_site_begin_stop(const struct step *step, enum bw_reason reason, const char *rule);
void bw_site_give_back(const struct step *step, const char *rule);
/* A start of our epoch was begun, as far as this site or its guard knows. */
bool bw_site_is_begun(const struct bw_site *site);
/* The newest epoch in which this site may have written; 0: none. */
uint64_t bw_site_served_epoch(const struct bw_site_memory *memory);
uint64_t bw_site_joined_epoch(const struct bw_site *site, const struct bw_site_memory *memory);

/* override.c */
/* A leader has answered within the freshness window: the witnesses decide. */
bool bw_site_leader_answers(const struct bw_site *site, struct bw_instant now);
/* One longest lease after the command, or after what restarted the wait. */
struct bw_instant bw_site_override_waited_at(const struct bw_site *site);
/* In each step. */
void bw_site_override_watch(const struct step *step);
void bw_site_on_override(const struct step *step, const struct bw_override_wish *wish);
void bw_site_on_override_end(const struct step *step);
/* No other lease can live, and its own epoch is over: durable, then armed. */
void bw_site_override_begin(const struct step *step, const char *rule);
void bw_site_on_leader_answered(const struct step *step);
/* What the kept memory says of it. */
void bw_site_override_found(struct bw_site *site, struct bw_instant now);
void bw_site_override_kept(struct bw_site *site);
/* It makes way for what was committed: true: first it is fenced. */
bool bw_site_override_yields(const struct step *step, const char *rule, enum bw_override_over over);
/* Another site has the newest epoch armed. True: nothing else is to be made of that now. */
bool bw_site_override_hears_other(const struct step *step);
/* Before an epoch is accepted: what has not begun to override never does. */
void bw_site_override_accepts(const struct step *step);
/* The epoch that was accepted while it overrides is armed, or a fence of it has begun: its rules
 * hold. */
void bw_site_override_leased(const struct step *step, const char *rule);
/* Its group was let go: the service is left as it is. */
void bw_site_override_let_go(struct bw_site *site);
/* A fence has seen the end. */
void bw_site_override_fenced(const struct step *step);
void bw_site_override_start_ended(const struct step *step, const struct bw_guard_run_ended *ended);
void bw_site_override_stop_ended(const struct step *step, enum bw_run_result result);
void bw_site_override_start_failed(const struct step *step);

/* The guard's word on it; true: it was about that. */
bool bw_site_override_on_armed(const struct step *step, uint64_t epoch);
bool bw_site_override_on_arm_refused(const struct step *step, uint64_t epoch, enum bw_refusal why);
bool bw_site_override_on_fence_begun(const struct step *step, uint64_t epoch);
bool bw_site_override_on_fence_ended(const struct step *step, uint64_t epoch, bool ok);
void bw_site_override_on_guard_state(const struct step *step);
void bw_site_on_override_late(const struct step *step);
/* Its fence is due for so long that the agent runs its own (3.4, H6). */
bool bw_site_override_is_overdue(const struct step *step);

/* overriding.c */
void bw_site_advance_override(const struct step *step);
/* An epoch that was granted and never confirmed, and whose leader answers no more, is given back as
 * never armed: what a person has said holds on. */
bool bw_site_override_outlives_epoch(const struct step *step);

/* watch.c */
/* How long a fence of `epoch` took, well or not. */
void bw_site_note_fence_time(const struct step *step, uint64_t epoch, uint32_t took_ms);

/* guard.c */
void bw_site_on_confirmed(const struct step *step, const struct bw_site_event *event);
void bw_site_on_guard_state(const struct step *step, const struct bw_guard_state *state);
void bw_site_on_guard_lost(const struct step *step);
void bw_site_on_guard_message(const struct step *step, const struct bw_guard_message *message);
/* The fence that the agent owes when the guard's was not read in time; giving back without it. */
void bw_site_watch_deadline(const struct step *step);
void bw_site_fence_held(const struct step *step);
void bw_site_fence_override(
    const struct step *step); /* 3.8: likewise, of what serves under a manual lease */
void bw_site_on_own_fence_ended(const struct step *step, uint64_t epoch, bool ok);
/* What another instance of this site has armed. */
void bw_site_watch_old_instance(const struct step *step);
void bw_site_on_mirror_read(const struct step *step, const struct bw_site_event *event);

/* remote_fence.c: another site's service is fenced from here (3.3) */
void bw_site_on_remote_fence(const struct step *step, const struct bw_remote_fence_ask *ask);
void bw_site_advance_remote_fence(const struct step *step);
void bw_site_on_remote_fence_ended(const struct step *step, const struct bw_guard_run_ended *ended);
/* The connection to its guard is another one, or gone. */
void bw_site_remote_fence_lost(struct bw_site *site);
struct bw_remote_fence_report bw_site_remote_fence_report(const struct bw_site *site);

/* second.c: who else enforces the deadline (3.4) */
void bw_site_on_second(const struct step *step, const struct bw_second_contact *contact);
void bw_site_watch_second(const struct step *step);
/* The epoch may not be started yet: its end by time rests on one that has not taken the deadline. */
bool bw_site_second_awaited(const struct bw_site *site, struct bw_instant now);
/* One whose fence can be proved now, before others one whose is not; NULL: none can. Valid until the next event. */
const struct bw_site_second *bw_site_second_to_prove(const struct bw_site *site, struct bw_instant now);
/* As heard last; NULL: it is not among those that are known. */
const struct bw_site_second *bw_site_second_of(const struct bw_site *site, struct bw_id session);

/* prove.c: the proof that what ends its service by time can (3.4) */
void bw_site_on_prove(const struct step *step);
void bw_site_watch_proof(const struct step *step);
bool bw_site_is_proof_due(const struct step *step);
/* True: the service is to be stopped and started again, by its KILL or before that. */
bool bw_site_begin_proof(const struct step *step);
void bw_site_proof_ended(const struct step *step, const struct bw_guard_run_ended *ended);
/* The connection to its guard is another one, or gone. */
void bw_site_proof_lost(struct bw_site *site);

/* tenure.c: its start's point of no return (4) */
/* ... and its guard has no such point: nothing of a start may. */
bool bw_site_point_awaited(const struct bw_site *site);
/* The epoch whose point its start waits to pass, or has passed unasked; 0: none. */
uint64_t bw_site_asks_to_pass(const struct bw_site *site);
/* watch.c: at the end of each step. */
void bw_site_watch_no_return(const struct step *step);

/* watch.c */
/* It serves again (SERVES), or may (DENIED): what was seen to end it before counts no more (3.3). */
void bw_site_doubt_end(struct bw_site *site, enum bw_site_own_end_event why);
/* Readiness cannot run any more: where the epoch waits for its final position, it is given back without one. */
void bw_site_forgo_final_position(struct bw_site *site);
/* The service was ended; what is left is to give the epoch back, with its final position. */
void bw_site_begin_ending(const struct step *step);
/* Can it show that it serves (4)? watch.c. */
void bw_site_begin_health(struct bw_site *site, struct bw_instant now);
bool bw_site_is_sick(const struct bw_site *site);
/* By the newest looks: it runs, and nothing says that it is unhealthy. */
bool bw_site_does_its_work(const struct bw_site *site);
void bw_site_on_observed(const struct step *step, const struct bw_guard_run_ended *ended);
void bw_site_watch_service(const struct step *step);
bool bw_site_awaits_reach(const struct bw_site *site);
/* A guard that is there had answered it by now. */
void bw_site_observe_soon(const struct step *step, enum bw_action_kind observation);
void bw_site_look_later(const struct step *step);
bool bw_site_is_next(const struct bw_site *site);
void bw_site_forget_observations(struct bw_site *site);

/* orders.c */
void bw_site_on_order(const struct step *step, const struct bw_order *order);
/* The newest order, once more: something that it had to wait for may be over. */
void bw_site_obey(const struct step *step);
void bw_site_on_saved(const struct step *step, uint64_t number, bool ok);
void bw_site_advance(const struct step *step);

#endif
