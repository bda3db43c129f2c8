/* override.h - an override at a site, as a person beside its machine deals with it (design 3.8). */
#ifndef BW_SIM_OVERRIDE_H
#define BW_SIM_OVERRIDE_H

#include "world.h"

/* What the disk of the site's machine says of it, whoever lives. */
enum sim_override {
    SIM_OVERRIDE_NONE,
    SIM_OVERRIDE_WAITING, /* taken: it begins when no lease can live */
    SIM_OVERRIDE_ON,
    SIM_OVERRIDE_ENDING, /* a person wants its end: the fence has not seen that of the service yet
                          */
};
enum sim_override sim_override_kept(const struct sim_host *host, uint32_t group);

/* `breakwater override`, and `--stop`, at the machine of that site. Its agent may refuse, or not be
 * there. */
void sim_override_order(struct sim_world *world, uint32_t site, uint32_t group);
void sim_override_end(struct sim_world *world, uint32_t site, uint32_t group);

/* ---- people (operator_override.c) ---- */

/* Somebody at that site looks around; where nobody else serves he overrides. */
void sim_operator_look_and_override(struct sim_world *world, uint32_t site);
/* Of a group (and above it: how often somebody has looked already): one of two overrides is ended,
 * or one beside something else that serves, again and again until there is one only; and what no
 * fence ends. */
void sim_operator_end_doubles(struct sim_world *world, uint64_t group);

#endif
