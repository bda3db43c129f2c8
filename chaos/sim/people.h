/* people.h - operators in the simulator; what they do is drawn with the plan (sim_people_acts). */
#ifndef BW_SIM_PEOPLE_H
#define BW_SIM_PEOPLE_H

#include "plan.h"
#include "witness.h"

/* Somebody looks every now and then whether the groups are there, and applies what is missing. */
void sim_people_begin(struct sim_world *world);
/* Before the calm of a liveness run: everything that somebody tried is taken back. */
void sim_people_calm_down(struct sim_world *world);

/* ---- for those who do something in the middle of a fault ---- */

/* The witness that leads; NULL: none does. */
struct sim_process *sim_people_leader(struct sim_world *world);
/* As the leader knows it; NULL: no leader, or no such group. */
const struct bw_group *sim_people_group(struct sim_world *world, uint32_t group);
/* The site that holds it; NULL: none does. */
struct sim_host *sim_people_holder(struct sim_world *world, const struct bw_group *group);
/* A command of this kind about the group, and nothing else in it yet. */
struct bw_command sim_people_about(const struct sim_world *world, enum bw_command_kind kind,
                                   uint32_t group);
/* False: nobody leads. */
bool sim_people_submit(struct sim_world *world, const struct bw_command *command);
/* `force-release`: somebody vouches that the site which holds this epoch is off. False: refused, or he
 * has looked and knows better. */
bool sim_people_vouch(struct sim_world *world, uint32_t group, uint64_t epoch);
/* From now on no look tells what runs at that site, whose agent answers: whoever vouches for it is
 * wrong, and is taken at his word. Until its script faults are cleared. */
void sim_people_blind(struct sim_world *world, uint32_t site, uint64_t until_ns);
/* A switchover to that site; false: it was refused at once. */
bool sim_people_switch_to(struct sim_world *world, uint32_t group, uint32_t site,
                          uint32_t timeout_ms);
/* Another spec, by chance a valid one: what people change. */
void sim_people_change(struct sim_world *world, struct sim_incident *incident,
                       struct bw_spec *spec);
/* Taken back, again until somebody leads. */
void sim_people_try_auto(struct sim_world *world, uint64_t group);
void sim_people_spec_as_at_first(struct sim_world *world, uint64_t group);
/* An epoch that nothing but a person can end: he switches the machine off, vouches, and boots it when the
 * epoch is over. Once; and whenever there is one. */
void sim_people_mend(struct sim_world *world, uint64_t group);
void sim_people_mend_again(struct sim_world *world, uint64_t group);

#endif
