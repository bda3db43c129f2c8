/* newcomer.h - whether one that asks to join answers where it says. Design 3.9. */
#ifndef BW_WITNESS_NEWCOMER_H
#define BW_WITNESS_NEWCOMER_H

#include "program.h"

/* Asks at the `address` that whoever is noted in `slot` gives, at most a few seconds, and tells the
 * machine what came of it. */
void bw_newcomer_look(struct bw_program *program, struct bw_applicant *slot);

#endif
