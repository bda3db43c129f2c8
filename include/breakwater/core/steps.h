/* steps.h - the steps of one start or stop: which may begin, which is tried again, and what all
 * came to. Design 5.1, steps.
 *
 * A table and nothing else: whoever runs the steps asks bw_steps_next until it has none, and tells
 * what has ended. Bits stand for steps: bit i is step i of the list. Pure. */
#ifndef BW_CORE_STEPS_H
#define BW_CORE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/steps_progress.h>

/* A start script that ends with it has changed nothing (4, data safety). */
#define BW_STEPS_NOTHING_CHANGED 69
#define BW_STEPS_FAILED          1 /* a failure that has no exit status of its own */

#define BW_STEP_NONE (-1)

struct bw_step_rule {
    uint32_t needs; /* steps that have to be done before it begins */
    uint32_t retries;
    bool is_point; /* the point of no return: while the list is held it does not begin (4) */
};

enum bw_step_state { BW_STEP_WAITING, BW_STEP_RUNNING, BW_STEP_DONE, BW_STEP_FAILED };

struct bw_steps {
    uint32_t count;
    struct bw_step_rule rules[BW_STEPS_MAX];
    enum bw_step_state state[BW_STEPS_MAX];
    uint32_t tries[BW_STEPS_MAX]; /* that have begun in this run */
    uint32_t begun;               /* steps of which any has begun, in a run before this one, too */
    bool is_held;                 /* before its point of no return */
    bool is_ended;                /* nothing more begins */
    bool has_changed;             /* something has begun that did not say NOTHING_CHANGED */
    int failed;                   /* the first for which no try is left; BW_STEP_NONE */
    int exit_status;              /* of that; 0: it has none */
};

/* Those of `count` steps that can never begin: they need each other in a circle, or one that does.
 */
uint32_t bw_steps_stuck(const struct bw_step_rule *rules, uint32_t count);

/* `done`: finished by a run of the same steps before this one. None may be stuck. */
void bw_steps_init(struct bw_steps *steps, const struct bw_step_rule *rules, uint32_t count,
                   uint32_t done);
/* The one to begin now, which counts as begun; BW_STEP_NONE: none may, as things are. */
int bw_steps_next(struct bw_steps *steps);
/* A step that was begun has ended. `exit_status`: 0 where it ended well; else its own, or
 * BW_STEPS_FAILED. */
void bw_steps_on_ended(struct bw_steps *steps, int step, int exit_status);
/* Until bw_steps_pass no step that is a point of no return begins (4). */
void bw_steps_hold(struct bw_steps *steps);
void bw_steps_pass(struct bw_steps *steps);
/* One of those that waits for nothing else; BW_STEP_NONE: there is none. */
int bw_steps_point(const struct bw_steps *steps);
/* Whoever had them run wants nothing more of them: from here on none begins (3.2.4). */
void bw_steps_end(struct bw_steps *steps);
/* None runs, and none will. */
bool bw_steps_are_over(const struct bw_steps *steps);
/* Once they are: 0 where all are done, else the status of the first that failed. NOTHING_CHANGED is
 * said only where the only step that ever began said so each time. */
int bw_steps_exit_status(const struct bw_steps *steps);
uint32_t bw_steps_done(const struct bw_steps *steps);

/* One run of this boot, by the process that it is; never 0. */
uint64_t bw_steps_run_id(int32_t pid, uint64_t start_time);

/* The start that a guard before this one has left in the middle. It is one to go on with until
 * anything else is begun or ended here: then what its steps did may be undone. */
struct bw_steps_interrupted {
    uint64_t epoch;
    uint64_t run; /* 0: there is none */
};
/* `action` of `epoch` begins: the run after which it goes on; 0: it begins anew. */
uint64_t bw_steps_take_interrupted(struct bw_steps_interrupted *interrupted,
                                   enum bw_action_kind action, uint64_t epoch);
/* What runs is being ended. */
void bw_steps_forget_interrupted(struct bw_steps_interrupted *interrupted);

/* What a run that was interrupted has left for the next one (3.4). */
struct bw_steps_journal {
    uint64_t epoch;
    uint64_t run;    /* that wrote it */
    uint64_t digest; /* of the scripts that it ran */
    uint32_t done;
    bool has_left; /* a step that is done has left a process, which the end of its run has ended */
};
/* The steps that need not run again. `interrupted`: what bw_steps_take_interrupted has said. */
uint32_t bw_steps_resume(const struct bw_steps_journal *journal, uint64_t epoch, uint64_t digest,
                         uint64_t interrupted);
/* That very run has ended by itself, with all of its `count` steps done. */
bool bw_steps_is_whole(const struct bw_steps_journal *journal, uint32_t count, uint64_t epoch,
                       uint64_t digest, uint64_t run);

#endif
