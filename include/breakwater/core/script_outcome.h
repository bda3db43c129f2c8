/* script_outcome.h - what became of a script, in its own words. For people: no decision rests on it, but on whether a
 * script can be run at all (4). Design 5.1. Pure. */
#ifndef BW_CORE_SCRIPT_OUTCOME_H
#define BW_CORE_SCRIPT_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>

/* What became of a script, for people. */
struct bw_script_outcome {
    bool exited; /* by itself, with exit_status */
    int exit_status;
    uint32_t signal;                     /* that ended it, and that we did not send; 0: none did */
    char words[BW_SCRIPT_WORDS_MAX + 1]; /* the last line of its stderr, else of its stdout, or what
                                            kept it from running; cleaned (base/utf8.h) */
};

/* A result beside those of runs: a look found that the script cannot be run as it is. `outcome` says which, and why. */
#define BW_SCRIPT_UNRUNNABLE 64

/* One whose newest run has failed, as a site tells it. Numbers, not enums: what a later agent may
 * tell is shown in other words, and no sync is refused for it. */
struct bw_script_failure {
    uint32_t action; /* enum bw_action_kind */
    uint32_t result; /* enum bw_run_result, or UNRUNNABLE; OK: what was asked of it was not seen */
    uint32_t age_ms; /* since then, at sending; UINT32_MAX: longer */
    uint32_t took_ms;
    struct bw_script_outcome outcome;
};

#endif
