/* expected.h - everything that must fire in the standard campaign: a rule or a fault that never does is
 * one that nothing was proved about. */
#ifndef BW_SIM_EXPECTED_H
#define BW_SIM_EXPECTED_H

#include <stdbool.h>
#include <stdint.h>

/* The names one after another; NULL behind the last. */
const char *sim_expected(uint32_t at);
/* It fires less than once in some fifty hours: only a campaign of SIM_RARE_HOURS must have it. */
#define SIM_RARE_HOURS 10000
bool sim_is_rare(const char *name);

#endif
