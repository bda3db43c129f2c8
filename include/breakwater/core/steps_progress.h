/* steps_progress.h - how far a list of steps has come, as its guard tells it: for people, and no ground of
 * any decision. Design 5.1, steps. */
#ifndef BW_CORE_STEPS_PROGRESS_H
#define BW_CORE_STEPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>

/* X(NAME, word): what the durations of steps are summed by. NONE: it was not said. */
#define BW_STEP_PHASE_LIST(X)                                                                      \
    X(NONE, "none")                                                                                \
    X(DATABASE, "database")                                                                        \
    X(STORAGE, "storage")                                                                          \
    X(SERVICE, "service")                                                                          \
    X(ROUTING, "routing")
enum bw_step_phase {
#define X(name, word) BW_STEP_PHASE_##name,
    BW_STEP_PHASE_LIST(X)
#undef X
        BW_STEP_PHASE_COUNT
};
const char *bw_step_phase_word(enum bw_step_phase phase);

struct bw_steps_progress {
    uint32_t count;   /* steps of the list; 0: none runs */
    uint32_t done;    /* of them */
    uint32_t running; /* likewise; 0: between two */
    bool is_stop;     /* the list is a stop's, not a start's */
    char name[BW_NAME_MAX + 1]; /* of those that run the one that has run longest; "": none does */
    uint32_t phase;             /* its own: enum bw_step_phase */
    uint32_t attempt;           /* which try of it, from 1 */
    uint32_t age_ms;            /* since that has begun */
    uint32_t limit_ms; /* of that try */
    uint32_t phase_ms[BW_STEP_PHASE_COUNT]; /* for how long its steps have run, by phase, at least 1 where one
                                               has; all 0: not known */
};

#endif
