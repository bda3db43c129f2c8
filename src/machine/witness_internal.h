/* witness_internal.h - what the files of the witness's machine share.
 *
 *   witness.c          life, events in, when to decide and when to wake; what is applied, proposed and proved; which
 *                      cluster this is; syncs and polls
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
/* For what cannot. */
void bw_witness_machine_emit(struct bw_witness_machine *machine,
                             const struct bw_witness_action *action);
void bw_agenda_touch(struct bw_witness_machine *machine, int group);

/* Applies the command to a copy of the group (-1: there is none yet): the same judgement as the log's. */
enum bw_err bw_proposals_try(const struct bw_witness_machine *machine, struct bw_group *copy, int group,
                             const struct bw_command *command);

#endif
