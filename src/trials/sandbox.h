/* sandbox.h - where scripts under trial run: as the guard runs them (its spawn, limits,
 * environment, working directory, reach), in a process that ends with all that it has started.
 *
 * With a namespace: pid 1 of a pid namespace of its own, with a /proc for it. Network, file system
 * and the rest of the machine are as they are. Whatever ends that pid 1 ends all processes in it.
 */
#ifndef BW_TRIALS_SANDBOX_H
#define BW_TRIALS_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/config/site_config.h>
#include <breakwater/sys/reach.h>
#include <breakwater/sys/script.h>
#include <breakwater/sys/units.h>

#include "trial.h"

/* ---- the keeper ---------------------------------------------------------------------------- */

struct bw_sandbox_order {
    const struct bw_site_config *site;
    const struct bw_group_config *group;
    struct bw_trial_report *report; /* shared */
    void (*run)(struct bw_sandbox *sandbox);
    uint32_t only;
    const char *const *env; /* NAME=value, ended by NULL: all that scripts get beside the guard's */
    bool wants_namespace;
    bool is_kind_judged; /* the report says what kind of sandbox this was */
};

/* Runs order->run in a sandbox, waits for its end, and then ends all that is left in its reach.
 * SIGINT, SIGTERM, SIGHUP (which the caller has blocked) interrupt it: it still stops what it has
 * started; a second one ends it at once. False: report->failure says why it did not come to its
 * end. `out_is_interrupted` is set when a signal came. */
bool bw_sandbox_run(const struct bw_sandbox_order *order, bool *out_is_interrupted);

/* ---- inside -------------------------------------------------------------------------------- */

/* How one run ended. */
struct bw_sandbox_outcome {
    enum bw_script_how how;
    int code;
    bool was_begun; /* false: it could not be started; `why` says it */
    uint64_t duration_ns;
    char first_line[BW_SCRIPT_FIRST_LINE_BYTES];
    char last_line[128];                 /* of all output; printable */
    char tail[BW_SCRIPT_TAIL_BYTES_MAX]; /* last whole lines of stdout, as readiness is read */
    uint32_t stdout_lines;               /* that were not empty */
    uint64_t dropped_bytes;
    bool is_line_cut;
    bool by_shell;
    uint32_t leftovers; /* processes that it left in its slot; start: the service */
    char why[BW_DIAG_TEXT_BYTES];
};

enum bw_sandbox_who { BW_SANDBOX_GUARD, BW_SANDBOX_AGENT }; /* the agent's own fence is beside */

struct bw_sandbox_job {
    struct bw_sandbox *sandbox;
    enum bw_action_kind action;
    enum bw_sandbox_who who;
    enum bw_reach_slot slot;
    struct bw_script_run *run;
    struct bw_sandbox_channel *channel; /* of steps, while they run; NULL: a script has none */
    bool is_done;
    struct bw_sandbox_outcome outcome;
    size_t tail_bytes;
};

struct bw_sandbox {
    const struct bw_site_config *site;
    const struct bw_group_config *group;
    struct bw_trial_report *report;
    uint32_t only;
    bool is_namespace;
    struct bw_reach *reaches; /* by enum bw_sandbox_who */
    uv_loop_t loop;
    struct bw_script_runner runner;
    struct bw_units *units; /* managed.c; NULL: not looked at yet */
    uv_signal_t term;
    uv_timer_t timer;
    bool has_fired;      /* the timer has */
    bool is_interrupted; /* nothing but bringing it down is begun any more */
    bool is_ending;      /* bringing it down: an interrupt changes nothing */
    struct bw_sandbox_job jobs[2];
};

/* One run of a script of the group, as the guard runs it. True: it exited with 0. */
bool bw_sandbox_script(struct bw_sandbox *sandbox, enum bw_action_kind action, const char *when,
                       struct bw_sandbox_outcome *out_outcome);
/* Kills it (TERM, KILL after kill_grace, the tree) `after_ns` after its begin; `percent` is for the
 * report. `beside` is begun in the same moment, NONE: nothing is; its outcome in `out_beside`.
 * False: it had ended before, and nothing was begun beside it. */
bool bw_sandbox_killed(struct bw_sandbox *sandbox, enum bw_action_kind action, uint64_t after_ns,
                       int percent, enum bw_action_kind beside, const char *when,
                       struct bw_sandbox_outcome *out_beside);
/* Twice at once, by guard and agent. True: both exited with 0. */
bool bw_sandbox_twice(struct bw_sandbox *sandbox, enum bw_action_kind action, const char *when,
                      struct bw_sandbox_outcome out_outcomes[2]);
/* False: interrupted. */
bool bw_sandbox_pause(struct bw_sandbox *sandbox, uint64_t ms);
/* "exit 3 after 120 ms, last line \"no such pid\"". */
#define BW_SANDBOX_END_BYTES 320
const char *bw_sandbox_end_text(const struct bw_sandbox_outcome *outcome,
                                char out_text[BW_SANDBOX_END_BYTES]);

/* ---- the processes in it ------------------------------------------------------------------- */

#define BW_SANDBOX_PROCESSES_MAX 256
struct bw_sandbox_process {
    pid_t pid;
    pid_t parent;
    uint64_t start_ticks;
    char command[96]; /* its command line, spaces for NULs; printable */
};
struct bw_sandbox_census {
    uint32_t count; /* listed */
    uint32_t unlisted;
    struct bw_sandbox_process list[BW_SANDBOX_PROCESSES_MAX]; /* the oldest first */
};
/* Of /proc, whatever processes it shows. False: it cannot be read. */
bool bw_sandbox_each_pid(void (*take)(void *user, long pid), void *user);
/* All living processes that scripts have left: with a namespace all of it, else those in reach.
 * False: it cannot be known. */
bool bw_sandbox_count(struct bw_sandbox *sandbox, struct bw_sandbox_census *out_census);
/* As the guard's KILL at a deadline: to what starts and actions have begun in its reach, and to nothing
 * else. `out_count` is how many there were. False: it cannot be known, or some are left after 2 s. */
bool bw_sandbox_end_reach(struct bw_sandbox *sandbox, uint32_t *out_count);
/* What the guard ends are units or containers, no processes of the sandbox. */
bool bw_sandbox_is_managed(const struct bw_sandbox *sandbox);
/* How many of them are up. An error: it cannot be known, or (BW_ERR_REFUSED) their manager starts
 * one again by itself. */
BW_MUST_CHECK enum bw_err bw_sandbox_see_units(struct bw_sandbox *sandbox, uint32_t *out_up,
                                               struct bw_diag *diag);
/* One round of `signal` to what runs in them; what is not seen gets none. */
void bw_sandbox_signal_units(struct bw_sandbox *sandbox, int signal);
/* As the guard's KILL at a deadline; an error: they were not seen down within 10 s. */
BW_MUST_CHECK enum bw_err bw_sandbox_end_units(struct bw_sandbox *sandbox, struct bw_diag *diag);
/* KILL to all of them until none is left; false: some are, after 2 s. */
bool bw_sandbox_end_all(struct bw_sandbox *sandbox);

#endif
