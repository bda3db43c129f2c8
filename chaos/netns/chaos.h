/* chaos.h - verbs of breakwater-chaos that have a file of their own. */
#ifndef BW_CHAOS_CHAOS_H
#define BW_CHAOS_CHAOS_H

/* argv[0] is the verb. Returns the exit status. */

/* The service of a lab: writes down that it serves; what start.sh starts. */
int bw_chaos_ledger(int argc, char **argv);

#endif
