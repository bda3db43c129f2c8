/* witness_internal.h - what the files of the witness's machine share.
 *
 *   witness.c          life, events in, when to decide and when to wake
 *   witness_log.c      what is applied, proposed and proved; which cluster this is
 *   witness_syncs.c    syncs: whose they are, what they wait for, what they are answered
 *   witness_polls.c    who waits, and polls for orders
 *   witness_operator.c who may change something; moves and their plans; the feature level
 *   witness_apply.c    the specs that operators apply
 *   witness_change.c   a group's mode, maintenance and end */
#ifndef BW_MACHINE_WITNESS_INTERNAL_H
#define BW_MACHINE_WITNESS_INTERNAL_H

#include <breakwater/machine/witness.h>

/* Longer than a disk may take for an entry before its witness ends (consensus/safe_io.h, L3). */
#define BW_WITNESS_STANDS_STILL_MS 5000
/* A leader that was asked to end waits for another one for so many election timeouts. */
#define BW_WITNESS_LEAVE_ELECTIONS 2

/* bw_arbiter_has_let_go of a group. */
static inline bool bw_witness_has_let_go(const struct bw_witness_machine *machine, int group)
{
    return bw_arbiter_has_let_go(&machine->cluster.groups[group], &machine->core.watches[group],
                                 &machine->core.leadership,
                                 machine->driver.now(machine->driver.user));
}

/* ---- witness_operator.c ---- */

/* BW_ERR_BUSY: operators have changed this group BW_CHANGES_MAX times at once, and once in each BW_CHANGE_INTERVAL_MS
 * since; `diag` says so, and when the next change is taken. */
BW_MUST_CHECK enum bw_err bw_witness_may_change(const struct bw_witness_machine *machine, int group,
                                                struct bw_diag *diag);
/* A change of `group` is on its way to the log. */
void bw_witness_count_change(struct bw_witness_machine *machine, int group);

/* ---- witness_change.c ---- */

/* While it has not: who is waited for, and how long at most. */
void bw_witness_say_letting_go(const struct bw_witness_machine *machine, int group,
                               struct bw_diag *diag);
/* Why a group in CLOSING is not let go, and what ends it; always BW_ERR_REFUSED. */
enum bw_err bw_witness_refuse_closing(const struct bw_witness_machine *machine, int group,
                                      struct bw_diag *diag);
/* BW_ERR_BUSY while its holder may be stopping it, or it is on its way to the next one, and why nobody lets it go then. */
enum bw_err bw_witness_refuse_let_go(const struct bw_witness_machine *machine, int group, struct bw_diag *diag);

/* ---- witness.c ---- */

static inline struct bw_instant bw_witness_now(const struct bw_witness_machine *machine)
{
    return machine->driver.now(machine->driver.user);
}
/* For what can be refused at once. `diag` may be NULL. */
enum bw_err bw_witness_machine_request(struct bw_witness_machine *machine,
                                       const struct bw_witness_action *action,
                                       struct bw_diag *diag);
/* For what cannot. */
void bw_witness_machine_emit(struct bw_witness_machine *machine,
                             const struct bw_witness_action *action);
void bw_agenda_touch(struct bw_witness_machine *machine, int group);
void bw_agenda_change(struct bw_witness_machine *machine, int group); /* -1: all */
/* Decides about `group` now, and proposes what follows. */
void bw_agenda_evaluate(struct bw_witness_machine *machine, int group);

/* ---- witness_log.c ---- */

void bw_proposals_on_ended(struct bw_witness_machine *machine, const struct bw_witness_event *event);
/* Somebody waits for a proof of leadership: a barrier is asked for unless one is on its way. */
void bw_proposals_want_proof(struct bw_witness_machine *machine);
/* 3.8: nothing is committed for BW_WITNESS_STANDS_STILL_MS, although something was to be: who leads a log that takes
 * nothing is of no help, and nobody is told that a leader has answered. Found by a command or a proof that comes
 * to nothing. */
bool bw_proposals_stand_still(const struct bw_witness_machine *machine);
/* Nothing was asked of this log yet: it is another term's. */
void bw_proposals_begin(struct bw_witness_machine *machine);
/* Applies the command to a copy of the group (-1: there is none yet): the same judgement as the log's. */
enum bw_err bw_proposals_try(const struct bw_witness_machine *machine, struct bw_group *copy, int group,
                             const struct bw_command *command);
/* A leader of a cluster without an id tells everybody which cluster this is; else nothing. */
void bw_proposals_found(struct bw_witness_machine *machine);

/* ---- witness_syncs.c ---- */

void bw_syncs_on_sync(struct bw_witness_machine *machine, struct bw_witness_call *call);
void bw_syncs_on_relayed(struct bw_witness_machine *machine, struct bw_witness_call *call,
                           bool ok);
/* Answers the syncs that the newest proof covers; all that wait for one, as a follower, if it leads
 * no more. */
void bw_syncs_on_proved(struct bw_witness_machine *machine);
void bw_syncs_serve(struct bw_witness_machine *machine, struct bw_instant now);
/* An answer without groups yet; the machine's one. */
struct bw_sync_answer *bw_syncs_begin_answer(struct bw_witness_machine *machine);
/* Adds a group that exists, with its order for `site`. */
struct bw_sync_answer_group *bw_syncs_add_group(struct bw_witness_machine *machine, int group,
                                                  const char *site);
void bw_calls_refuse(struct bw_witness_machine *machine, struct bw_witness_call *call,
                       enum bw_witness_refusal why);

/* ---- witness_polls.c ---- */

/* `call` waits for at most `wait_ms` from now. */
void bw_calls_wait(struct bw_witness_machine *machine, struct bw_witness_call *call,
                     struct bw_witness_call **list, uint32_t wait_ms);
/* It does no more. Nothing if it never did. */
void bw_calls_unwait(struct bw_witness_machine *machine, struct bw_witness_call *call);
void bw_polls_on_poll(struct bw_witness_machine *machine, struct bw_witness_call *call);
/* Wakes the polls that `group`'s order is news for. */
void bw_polls_on_changed(struct bw_witness_machine *machine, int group);
void bw_polls_serve(struct bw_witness_machine *machine, struct bw_instant now);

#endif
