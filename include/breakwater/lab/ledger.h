/* ledger.h - the demo service: a process that writes down, every 2 ms, that it serves. Its records
 * are the only witness whom judge.h believes. */
#ifndef BW_LAB_LEDGER_H
#define BW_LAB_LEDGER_H

#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>

struct bw_ledger {
    const char *site;
    uint64_t epoch;
    const char *records_dir; /* gets SITE-EPOCH-INSTANT.beats, never one that exists */
    const char *pid_file; /* gets "PID START_TICKS", whole or not at all, before the first beat */
    pid_t owner;          /* whose end is ours: so that nothing outlives a killed `dev`; 0: none */
    uint64_t owner_start_ticks;
    int64_t clock_shift_ns; /* CLOCK_BOOTTIME here is so much ahead of what records show */
};

/* Starts the service as a process in a session of its own and returns once it has recorded its
 * first beat. It ends on SIGTERM, within a beat, or with its owner. BW_ERR_INVALID: a bad name.
 * BW_ERR_NOT_FOUND: the owner has ended already. BW_ERR_IO: it could not begin, said on stderr. */
BW_MUST_CHECK enum bw_err bw_ledger_start(const struct bw_ledger *ledger, struct bw_diag *diag);

#endif
