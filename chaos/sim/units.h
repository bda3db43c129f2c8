/* units.h - services that are units of systemd (3.4 "Reach"): of the groups whose nature that is. */
#ifndef BW_SIM_UNITS_H
#define BW_SIM_UNITS_H

#include "machine.h"

#define SIM_UNIT_LOOK_NS_MAX (30 * SIM_MS) /* one call of systemctl */

void sim_units_init(struct sim_machine *machine);
/* Learns what is up, and by which path its cgroup is found; takes a call of systemctl, and what it says was so when it began. */
void sim_unit_look(struct sim_machine *machine, uint32_t group, enum sim_unit_observer observer);
/* A process that has just begun knows nothing. */
void sim_unit_forget(struct sim_machine *machine, uint32_t group, enum sim_unit_observer observer);
bool sim_unit_is_seen(const struct sim_machine *machine, uint32_t group); /* by the guard, once */
/* By a look that began since then. */
bool sim_unit_is_seen_down(const struct sim_machine *machine, uint32_t group,
                           enum sim_unit_observer observer, uint64_t since_ns);
/* As the guard knows it, which looks again. */
enum bw_populated sim_unit_populated(struct sim_machine *machine, uint32_t group);
/* Likewise, and looks for nothing. */
struct bw_units_sight sim_unit_sight(const struct sim_machine *machine, uint32_t group);
/* A start of the guard has got its go-ahead. */
void sim_unit_watch(struct sim_machine *machine, const struct sim_run *run);
/* It is up in a unit, and who sends the signal knows where that comes up (SIM_SLOT_UNITS_*). */
bool sim_unit_is_reached(const struct sim_machine *machine, uint32_t group, uint32_t slots,
                         bool is_kill);
/* It is up since the guard has looked last. */
bool sim_unit_is_unseen(const struct sim_machine *machine, uint32_t group);
void sim_unit_up(struct sim_machine *machine, uint32_t group);
/* `is_ordered`: systemd was told to; else it may start it again. */
void sim_unit_down(struct sim_machine *machine, uint32_t group, bool is_ordered);

#endif
