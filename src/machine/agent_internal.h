/* agent_internal.h - what the files of the agent's machine share.
 *
 *   agent.c            life, events in, a step of one group, when to wake; groups, saves, mirrors, second enforcers
 *   agent_witnesses.c  whom to speak with, polls for orders, renewals and reports, and whether an answer is believed
 *   agent_guard.c      the connection to the guard, the fence without it, an operator at the site */
#ifndef BW_MACHINE_AGENT_INTERNAL_H
#define BW_MACHINE_AGENT_INTERNAL_H

#include <breakwater/core/sync.h>
#include <breakwater/machine/agent.h>

/* ---- agent.c ---- */

static inline struct bw_instant bw_agent_now(const struct bw_agent_machine *machine)
{
    return machine->setup.driver.now(machine->setup.driver.user);
}
/* For what can be refused at once. `diag` may be NULL. */
enum bw_err bw_agent_ask(struct bw_agent_machine *machine, const struct bw_agent_action *action,
                         struct bw_diag *diag);
/* For what cannot. */
void bw_agent_emit(struct bw_agent_machine *machine, const struct bw_agent_action *action);
void bw_agent_note(struct bw_agent_machine *machine, enum bw_agent_note note, uint32_t witness,
                   const char *text);
/* Hands `event` to the group's machine with the instant read now, and carries out what it asks for. */
void bw_agent_step_group(struct bw_agent_machine *machine, uint32_t group,
                         const struct bw_site_event *event);

/* -1: it is none of ours. */
int bw_agent_find_group(struct bw_agent_machine *machine, const char *group);
/* Of all that the site file names. */
void bw_agent_step_all(struct bw_agent_machine *machine, const struct bw_site_event *event);

/* ---- agent_witnesses.c ---- */

/* Those of before this start are asked, too. After use_witnesses. */
void bw_agent_members_recall(struct bw_agent_machine *machine);
void bw_agent_on_members_kept(struct bw_agent_machine *machine, enum bw_err err);
/* The members as a leader told them. */
void bw_agent_witnesses_serve(struct bw_agent_machine *machine); /* the polls that are due */
/* An exchange has ended, with an answer or without. */
void bw_agent_on_answered(struct bw_agent_machine *machine, const struct bw_agent_event *event);
void bw_agent_on_unanswered(struct bw_agent_machine *machine, const struct bw_agent_event *event);

uint64_t bw_agent_renew_interval_ns(const struct bw_agent_machine *machine);
uint32_t bw_agent_request_timeout_ms(const struct bw_agent_machine *machine);
void bw_agent_sync_now(struct bw_agent_machine *machine); /* coalesced */
void bw_agent_sync_serve(struct bw_agent_machine *machine);

/* ---- agent_guard.c ---- */

void bw_agent_on_prove(struct bw_agent_machine *machine, uint32_t group);
void bw_agent_on_override(struct bw_agent_machine *machine, const struct bw_agent_event *event);
/* How long a lease may be, as a leader tells it now, or has told before. */
void bw_agent_overrides_hear_wait(struct bw_agent_machine *machine, uint32_t wait_ms);
/* A leader has answered: whoever waits to override need not. */
void bw_agent_overrides_answered(struct bw_agent_machine *machine);
/* Has a manual lease reached its end by the wall clock? */
void bw_agent_overrides_look_at_wall(struct bw_agent_machine *machine);

/* ---- agent.c ---- */

/* SAVED follows, once for all that was asked for until then. */
void bw_agent_saves_cluster(struct bw_agent_machine *machine, struct bw_id cluster_id,
                            uint64_t generation);

/* ---- agent_guard.c ---- */

void bw_agent_fence_init(struct bw_group_agent *own, bool with_units);
/* Begins; OWN_FENCE_ENDED follows for the group's machine. While one runs, after that. */
void bw_agent_fence_start(struct bw_agent_machine *machine, uint32_t group,
                          const struct bw_site_action *action);
void bw_agent_on_fence(struct bw_agent_machine *machine, const struct bw_agent_event *event);
void bw_agent_fences_serve(struct bw_agent_machine *machine);
/* Asks for the end, now or when the last fence has ended; the first wish counts. */
void bw_agent_end(struct bw_agent_machine *machine, bool is_restart);

void bw_agent_guard_connect(struct bw_agent_machine *machine);
void bw_agent_guard_send(struct bw_agent_machine *machine, const struct bw_guard_message *message);
void bw_agent_guard_greet_again(struct bw_agent_machine *machine);
void bw_agent_guard_serve(struct bw_agent_machine *machine);
void bw_agent_on_guard(struct bw_agent_machine *machine, const struct bw_agent_event *event);
void bw_agent_guard_close(struct bw_agent_machine *machine);

#endif
