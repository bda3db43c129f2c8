/* expected.h - everything that must fire in the standard campaign: a rule or a fault that never does is
 * one that nothing was proved about. */
#ifndef BW_SIM_EXPECTED_H
#define BW_SIM_EXPECTED_H

#include <stdint.h>

/* The names one after another; NULL behind the last. */
const char *sim_expected(uint32_t at);

#endif
