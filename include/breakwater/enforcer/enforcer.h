/* enforcer.h - the process that ends what is left of a lease at its deadline, whatever becomes of its
 * guard, of the disks and of the memory of the machine. Design 3.4. */
#ifndef BW_ENFORCER_ENFORCER_H
#define BW_ENFORCER_ENFORCER_H

#include <stdbool.h>

/* What a guard leaves open for it when it makes one. */
#define BW_ENFORCER_FD_GUARD    3 /* a connected SOCK_SEQPACKET: orders, and their answers */
#define BW_ENFORCER_FD_LISTENER 4 /* a listening one: for the guard that comes after */

/* Runs until it holds no deadline and its guard is gone or has been relieved. From the first order on its
 * loop uses nothing but locked memory, clocks and descriptors that it was given (units are looked for on another
 * thread); it ignores every signal that can be ignored. False: those two descriptors are not there, nobody but a guard starts it. */
bool bw_enforcer_run(void);

#endif
