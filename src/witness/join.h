/* join.h - between members.c, join.c and api_members.c. */
#ifndef BW_WITNESS_JOIN_H
#define BW_WITNESS_JOIN_H

#include "program.h"

/* Asks the others when this witness is in no roster that it knows, or has known no leader for long. */
void bw_join_look(struct bw_program *program);
/* Marks the directory and ends the process with 70; `by`: who says that it was removed. */
void bw_members_end_removed(struct bw_program *program, const char *by) __attribute__((noreturn));

#endif
