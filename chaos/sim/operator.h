/* operator.h - operators in the simulator; what they do is drawn with the plan (sim_operator_acts).
 */
#ifndef BW_SIM_OPERATOR_H
#define BW_SIM_OPERATOR_H

#include "plan.h"
#include "witness.h"

/* Somebody looks every now and then whether the groups are there, and applies what is missing. */
void sim_operator_begin(struct sim_world *world);
/* Before the calm of a liveness run: everything that somebody tried is taken back. */
void sim_operator_calm_down(struct sim_world *world);

/* ---- for those who do something in the middle of a fault ---- */

/* A machine of which nobody counts on what it has; UINT32_MAX: there is none. */
uint32_t sim_operator_find_free(struct sim_world *world);
/* Members are added until so many are to vote: one step, each time that it is called. `incident->b`: the machine that
 * is about to be one, taken; UINT32_MAX: none. True: so many are there. */
bool sim_operator_grow(struct sim_world *world, struct sim_incident *incident, uint32_t voters);

/* The witness that leads, of the newest generation; NULL: none does. */
struct sim_process *sim_operator_leader(struct sim_world *world);
/* As the leader knows it; NULL: no leader, or no such group. */
#define SIM_UNHEALTHY_AFTER_MS 10000 /* of the specs, where a world is of that */
const struct bw_group *sim_operator_group(struct sim_world *world, uint32_t group);
/* The site that holds it; NULL: none does. */
struct sim_host *sim_operator_holder(struct sim_world *world, const struct bw_group *group);
/* A command of this kind about the group, and nothing else in it yet. */
struct bw_command sim_operator_about(const struct sim_world *world, enum bw_command_kind kind,
                                     uint32_t group);
/* `apply`: what of the specs is refused is told, and nothing else of it known. False: nobody leads. */
bool sim_operator_apply(struct sim_world *world, const struct bw_apply_item *items, size_t count);
/* One spec, which bw_spec_check need not accept: then it is not sent, and false. */
bool sim_operator_apply_spec(struct sim_world *world, const struct bw_spec *spec);
/* A command that has no order yet. False: nobody leads. */
bool sim_operator_submit(struct sim_world *world, const struct bw_command *command);
/* `apply --initial-primary` of the site that serves, whatever anybody has heard of it, or of `otherwise`.
 * False: it is no candidate, or nobody took that. */
bool sim_operator_name(struct sim_world *world, uint32_t group, uint32_t otherwise);
/* `force-release`: somebody vouches that the site which holds this epoch is off. False: refused, or he
 * has looked and knows better. */
bool sim_operator_vouch(struct sim_world *world, uint32_t group, uint64_t epoch);
/* From now on no look tells what runs at that site, whose agent answers: whoever vouches for it is
 * wrong, and is taken at his word. Until its script faults are cleared. */
void sim_operator_blind(struct sim_world *world, uint32_t site, uint64_t until_ns);
/* A switchover to that site; false: it was refused at once. */
bool sim_operator_switch_to(struct sim_world *world, uint32_t group, uint32_t site,
                            uint32_t timeout_ms);
/* Another spec, by chance a valid one: what people change. */
void sim_operator_change(struct sim_world *world, struct sim_incident *incident,
                         struct bw_spec *spec);
/* Site files name these witnesses from now on (bits: machines), and are read. */
void sim_operator_list_witnesses(struct sim_world *world, uint32_t listed);
/* Taken back, again until somebody leads. */
void sim_operator_try_auto(struct sim_world *world, uint64_t group);
void sim_operator_spec_as_at_first(struct sim_world *world, uint64_t group);
/* An epoch that nothing but a person can end: he switches the machine off, vouches, and boots it when the
 * epoch is over. Once; and whenever there is one. */
void sim_operator_mend(struct sim_world *world, uint64_t group);
void sim_operator_mend_again(struct sim_world *world, uint64_t group);
/* The claims of sites that say nothing of them by now: he has looked around, and nothing serves. */
void sim_operator_end_claims(struct sim_world *world, uint32_t group);

#endif
