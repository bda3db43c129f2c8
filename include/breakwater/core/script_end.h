/* script_end.h - what the end of a script comes to for whoever ordered it. Design 3.2.4, 3.4, 5.1.
 * Pure. */
#ifndef BW_CORE_SCRIPT_END_H
#define BW_CORE_SCRIPT_END_H

#include <stdbool.h>

#include <breakwater/core/guard_link.h>

#define BW_SCRIPT_HOW_LIST(X)                                                                      \
    X(EXITED, "exited")           /* by itself, with `code`; the only one that can be a success */ \
    X(SIGNALED, "signaled")       /* by signal `code`, which we did not send */                    \
    X(TIMED_OUT, "timed out")     /* its limit came */                                             \
    X(KILLED, "killed")           /* by whoever began it, after its go-ahead */                    \
    X(TOO_LATE, "too late")       /* not started: its right to begin had ended */                  \
    X(NOT_STARTED, "not started") /* no go-ahead, or it could not be executed */
enum bw_script_how {
#define X(name, word) BW_SCRIPT_##name,
    BW_SCRIPT_HOW_LIST(X)
#undef X
};

/* As whoever began it has seen it. */
struct bw_script_end {
    enum bw_script_how how;
    int code;          /* exit status or signal; 0 where there was none */
    bool is_other;     /* NOT_STARTED: its bytes are not those that are committed for the epoch */
    bool got_no_go;    /* NOT_STARTED: it was given up before it had begun */
    bool is_tree_gone; /* none of its own processes is left, but what it may leave */
};

/* Of SIGNALED: TERM or KILL, by which one that enforces, or the kernel, ends what it did not start.
 * Any other is the script's own failure. */
bool bw_script_is_ended_by(int signal);

/* What it comes to as the end of a run of `action`: sets result, refusal and exit_status, nothing
 * else. A look that somebody has ended, or that never began, has seen nothing (3.2.4). A stop or
 * fence whose own tree is still there has not been seen to end anything. */
void bw_script_end_judge(enum bw_action_kind action, const struct bw_script_end *end,
                         struct bw_guard_run_ended *out_ended);

#endif
