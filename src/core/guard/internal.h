/* internal.h - what the files of the guard's machine share, each resting on those before it
 * only. ask.c: what a step asks for, and the tables of runs and stops; loop.c: whether the service's own loop may
 * start it, and whether its units may come up yet; sight.c: where the service is; script.c: a script in its slot,
 * and a stop whose script is a KILL; fence.c: the fence window; run.c: how an epoch ends, orders to run, and what
 * they came to; guard.c: arms, let-go, the step and its turn; shown.c: what others
 * may see. sound.c: what must hold between steps. By themselves: reach.c, the words for a reach; looks.c, the queue of looks. */
#ifndef BW_CORE_GUARD_INTERNAL_H
#define BW_CORE_GUARD_INTERNAL_H

#include <breakwater/core/guard.h>
#include <breakwater/core/report.h>

/* While something has to be seen soon, status runs this far apart. */
#define BW_GUARD_LOOK_AGAIN_NS (100 * BW_NS_PER_MS)

struct guard_step {
    struct bw_guard *guard;
    struct bw_instant now;
    struct bw_guard_actions *out;
};

/* ask.c */
struct bw_guard_action *bw_guard_emit(const struct guard_step *step,
                                      enum bw_guard_action_kind kind, const char *rule);
/* A message to the agent; NULL when none is connected. */
struct bw_guard_message *bw_guard_send(const struct guard_step *step,
                                       enum bw_guard_message_kind kind, uint64_t epoch,
                                       const char *rule);
void bw_guard_wake(const struct guard_step *step, struct bw_instant at);
void bw_guard_mirror_now(const struct guard_step *step, const char *rule);
/* The one way in which something waits for a mirror, how it does no more, and whether the result of MIRROR
 * `number` is what it waited for: then it is over. */
void bw_guard_mirror_for(const struct guard_step *step, enum bw_guard_wait what, const char *rule);
bool bw_guard_waits(const struct bw_guard *guard, enum bw_guard_wait what);
void bw_guard_wait_no_more(struct bw_guard *guard, enum bw_guard_wait what);
bool bw_guard_is_wait_over(struct bw_guard *guard, enum bw_guard_wait what, uint64_t number);
/* The one way in which what is durable changes: the memory to change, what it is for, and that the disk has
 * answered. */
struct bw_guard_memory *bw_guard_change_memory(struct bw_guard *guard);
void bw_guard_save(const struct guard_step *step, enum bw_guard_wants wants, const char *rule);
void bw_guard_save_is_over(struct bw_guard *guard);
bool bw_guard_is_armed(const struct bw_guard *guard);
/* 3.8: what is armed is a manual lease. */
bool bw_guard_is_manual(const struct bw_guard *guard);
/* D - F of what is armed. */
struct bw_instant bw_guard_window(const struct bw_guard *guard);
/* Of an arm or an end. */
void bw_guard_refuse_epoch(const struct guard_step *step, enum bw_guard_message_kind kind,
                           uint64_t epoch, uint64_t number, enum bw_refusal why, const char *rule);
/* 3.4: another instance may neither arm nor end an epoch of the old one. */
bool bw_guard_is_foreign_instance(const struct bw_guard *guard, uint64_t epoch);

/* loop.c */
/* A start of the service's own loop may be under way: it may start it, or could until just now. */
bool bw_guard_loop_may_start(const struct bw_guard *guard);
/* What was promised when it was told, or since: whichever is longer. 0: the guard starts it. */
uint64_t bw_guard_loop_delay_ns(const struct bw_guard *guard);
/* The start `run` was ordered, or (run_id 0) it was seen to serve under its lease: from when the
 * mirror has it. */
void bw_guard_loop_give(const struct guard_step *step, const struct bw_guard_run *run,
                        const char *rule);
/* From here on it may not. The mirror is written. */
void bw_guard_loop_take_back(const struct guard_step *step);
/* Now, or once no start of it can be under way any more. */
struct bw_instant bw_guard_loop_rest(const struct guard_step *step);
/* What was armed may have no lease yet that bounds what a person's word has let begin. */
void bw_guard_loop_on_lease(const struct guard_step *step);
/* A look has said `started`. */
void bw_guard_loop_on_serving(const struct guard_step *step);
/* Of a machine that begins, from what its mirror says. */
void bw_guard_loop_init(struct bw_guard *guard, bool has_mirror, bool is_over,
                        struct bw_instant now);

/* run.c */
void bw_guard_on_end(const struct guard_step *step, uint64_t epoch);
void bw_guard_end_saved(const struct guard_step *step);
bool bw_guard_has_ended(const struct bw_guard *guard, uint64_t epoch);

/* shown.c */
/* The action that is under way; NONE: none is. A stop is until its end was seen, and from where it waits for what it
 * has killed. */
enum bw_action_kind bw_guard_running(const struct bw_guard *guard);

/* ask.c */
/* What happens to the run of a slot: the only way in which its state changes. */
enum bw_slot_event {
    BW_SLOT_EVENT_SPAWN,  /* its script is forked */
    BW_SLOT_EVENT_MIRROR, /* its child is there, and waits for its mirror */
    BW_SLOT_EVENT_GO,     /* it may exec */
    BW_SLOT_EVENT_KILL,
    BW_SLOT_EVENT_END, /* it is over, with all that it has begun */
    BW_SLOT_EVENT_COUNT
};
void bw_guard_slot_move(struct bw_guard *guard, enum bw_guard_slot slot, enum bw_slot_event event);
/* What happens to a stop: likewise. A stop of which nothing is under way is where it was. */
enum bw_stop_event {
    BW_STOP_EVENT_WAIT,  /* the action slot is taken by what it had killed */
    BW_STOP_EVENT_KILL,  /* in place of its script */
    BW_STOP_EVENT_CHECK, /* its script, or that KILL, has ended well */
    BW_STOP_EVENT_AGAIN, /* its script is run once more */
    BW_STOP_EVENT_OVER,  /* seen to succeed or to fail, begun, or ended by a fence */
    BW_STOP_EVENT_COUNT
};
void bw_guard_stop_move(struct bw_guard *guard, enum bw_stop_event event);

/* run.c */
void bw_guard_on_run(const struct guard_step *step, const struct bw_guard_run *run);
/* 4: Passed of that epoch is committed. */
void bw_guard_on_pass(const struct guard_step *step, uint64_t epoch);
void bw_guard_run_saved(const struct guard_step *step, const struct bw_guard_run *run);
/* The instant before which it had to begin is past. */
bool bw_guard_is_late(const struct guard_step *step, const struct bw_guard_run *run);
extern const struct bw_guard_run_ended bw_guard_too_late; /* the answer to one that is */
/* `run` 's epoch is durable: it may be spawned. */
void bw_guard_spawn(const struct guard_step *step, enum bw_guard_slot slot,
                    const struct bw_guard_run *run, const char *rule);
void bw_guard_spawn_own(const struct guard_step *step, enum bw_guard_slot slot,
                        enum bw_action_kind action, uint64_t epoch, const char *rule);
void bw_guard_on_spawned(const struct guard_step *step, const struct bw_guard_event *event);
void bw_guard_on_loop_mirrored(const struct guard_step *step, uint64_t number, bool ok);
void bw_guard_loop_timers(const struct guard_step *step);
void bw_guard_run_let_go(const struct guard_step *step);
void bw_guard_on_children_mirrored(const struct guard_step *step, uint64_t number, bool ok);
void bw_guard_on_run_ended(const struct guard_step *step, const struct bw_guard_event *event);
void bw_guard_kill_run(const struct guard_step *step, enum bw_guard_slot slot, const char *rule);
void bw_guard_run_timers(const struct guard_step *step);
void bw_guard_answer_run(const struct guard_step *step, const struct bw_guard_run *run,
                         const struct bw_guard_run_ended *ended, const char *rule);
/* A remote fence that runs makes way for this site's own service. */
void bw_guard_end_remote_fence(const struct guard_step *step);
/* A stop or fence was seen to succeed. */
void bw_guard_note_end(struct bw_guard *guard);
enum bw_service bw_guard_service_of(const struct bw_guard_run_ended *ended);

/* The stop of `epoch` ran into its limit: it would again, and what follows would wait for it (3.2.4). */
bool bw_guard_stop_ran_out(const struct bw_guard *guard, uint64_t epoch);
/* What `epoch` has come to: asked when it ends. And what has been seen of its starts: that they never
 * served is known less and less (4). */
enum bw_served bw_guard_served(const struct bw_guard *guard, uint64_t epoch);
void bw_guard_note_served(struct bw_guard *guard, enum bw_served at_most);

/* What a start has left running may yet begin to serve: a look shows that nothing serves only if nothing
 * was left when it began (3.2.4). */
enum bw_guard_left {
    BW_GUARD_LEFT_NOTHING,
    BW_GUARD_LEFT_GONE, /* there when the look began, and gone since: another look tells */
    BW_GUARD_LEFT_UNSEEN, /* its units may be up, or ordered up: no look at them has told yet */
    BW_GUARD_LEFT_THERE,
};

/* loop.c */
/* What a start has left of its units, as a status that ends now has to take it: never GONE. */
enum bw_guard_left bw_guard_units_left(const struct bw_guard *guard, const struct bw_units_sight *units);
/* An action is ordered, which may order its units up. */
void bw_guard_units_note_ordered(struct bw_guard *guard);
/* The script of a stop or fence is about to begin: may what comes up since have been ordered before it? */
void bw_guard_units_note_end_begun(struct bw_guard *guard, const struct bw_units_sight *units);
/* A status begins. Where nothing can order its units up any more, looks at them that begin from here on count. */
void bw_guard_units_note_look(struct bw_guard *guard, const struct bw_units_sight *units, bool is_left);

/* sight.c */
bool bw_guard_is_inside(const struct bw_guard *guard);
/* False: `stopped` says nothing yet, because no script has ended what was ordered elsewhere. */
bool bw_guard_looks_count(const struct bw_guard *guard);
/* After the KILL of a fence: has this look seen the end? */
bool bw_guard_is_end_seen(const struct bw_guard *guard, enum bw_service service,
                          enum bw_guard_left left);
void bw_guard_note_script_ordered(struct bw_guard *guard, enum bw_action_kind action);
void bw_guard_note_script_ended(struct bw_guard *guard, const struct bw_guard_run *run,
                                enum bw_run_result result, bool is_beside_start);
void bw_guard_note_left(struct bw_guard *guard, enum bw_guard_left left);
/* The script that ends the service has to run once more; who sees to it takes it. */
bool bw_guard_is_script_due_again(const struct bw_guard *guard);
void bw_guard_take_script_again(struct bw_guard *guard);
void bw_guard_note_sight(const struct guard_step *step, enum bw_guard_slot slot,
                         enum bw_service service, enum bw_populated populated);
/* No script has begun to end what a look has seen to serve inside: what ends it from here on is the proof, if that is a
 * KILL of the reach. */
bool bw_guard_is_untouched(const struct bw_guard *guard);
/* A look after such a KILL. True: it is the proof, and being kept. */
bool bw_guard_note_proof(const struct guard_step *step, enum bw_service service,
                         enum bw_guard_left left);
/* Of the scripts that are there; 0 says nothing. */
void bw_guard_take_digest(struct bw_guard *guard, uint64_t digest);
void bw_guard_sight_on_start(const struct guard_step *step);
void bw_guard_sight_unsaved(struct bw_guard *guard, const struct bw_reach_sight *sight);

/* script.c */
/* A stop `by_kill` is ordered, and no action is in its way. */
void bw_guard_prove_on_run(const struct guard_step *step, const struct bw_guard_run *run);
void bw_guard_prove_on_reach_killed(const struct guard_step *step, bool ok);
bool bw_guard_is_proving(const struct bw_guard *guard);

/* fence.c */
/* Nothing is armed from here on; a manual lease that was is over (3.8). */
void bw_guard_disarm(struct bw_guard *guard);
/* What it was for is not armed any more, or something else is: one that has ended well is none. */
void bw_guard_fence_forget(struct bw_guard *guard);
/* Its group was let go: one that has begun is finished. */
void bw_guard_fence_let_go(const struct guard_step *step);
void bw_guard_fence_timers(const struct guard_step *step);
void bw_guard_fence_on_order(const struct guard_step *step, const struct bw_guard_run *run);
void bw_guard_fence_unasked(const struct guard_step *step);
void bw_guard_fence_on_run_ended(const struct guard_step *step, enum bw_action_kind action,
                                 const struct bw_guard_run_ended *ended, enum bw_guard_left left,
                                 enum bw_populated populated);
void bw_guard_fence_on_reach_killed(const struct guard_step *step, bool ok);

#endif
