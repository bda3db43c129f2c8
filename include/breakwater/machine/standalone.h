/* standalone.h - the check loop of the program that breakwater replaces, for who goes step by step:
 * a condition that says start or stop, a status, and the script that follows from both. Design 5.2.
 * Pure.
 *
 * It holds no lease, and asks no witness: that two sites never serve at once is not its promise. */
#ifndef BW_MACHINE_STANDALONE_H
#define BW_MACHINE_STANDALONE_H

#include <breakwater/core/guard_link.h>

struct bw_standalone {
    uint32_t failure_threshold; /* at least 1 */
    uint32_t
        stop_count;   /* answers `stop` since the last `start`; a check that failed is no answer */
    bool wants_start; /* by the newest answer */
    bool lacks_word;  /* the status that ended last left nothing to do for want of a word */
    enum bw_action_kind running; /* NONE: no round is under way */
};

void bw_standalone_init(struct bw_standalone *machine, uint32_t failure_threshold);

/* A check is due. The script to run: CONDITION, or NONE while a round is under way. */
enum bw_action_kind bw_standalone_on_due(struct bw_standalone *machine);
/* The script that it asked for has ended: `ok`, by itself with 0, and said `line` first. The next
 * one to run: STATUS, START, STOP, or NONE: the round is over. */
enum bw_action_kind bw_standalone_on_end(struct bw_standalone *machine, bool ok, const char *line);

#endif
