/* program.h - the process that runs steps: what its files share.
 *
 *   order.c     how it is begun, by its guard     program.c   its life: plan, signals, end
 *   step.c      one try of one step               journal.c   what is done, for the run after it
 *   tell.c      what its guard is told            look.c      a look at all processes, with a limit
 */
#ifndef BW_STEPS_PROGRAM_H
#define BW_STEPS_PROGRAM_H

#include <signal.h>

#include <uv.h>

#include <breakwater/steps/steps.h>
#include <breakwater/sys/process_tree.h>

/* The group's mark whole, or its guard would not find it, and ours: shorter than what is looked at
 * of one. */
#define BW_STEPS_MARK_BYTES (BW_REACH_MARK_BYTES + 18)
#define BW_STEPS_LEFT_MAX   1024

struct bw_steps_program;

struct bw_steps_step {
    struct bw_steps_program *program;
    int index;
    struct bw_script_run *run;      /* NULL: it does not run */
    char mark[BW_STEPS_MARK_BYTES]; /* of this try: what it started shows it */
    bool was_beside;                /* another step ran at a time when this try did */
};

struct bw_steps_program {
    struct bw_steps_plan plan;
    struct bw_steps steps; /* what decides */
    uint64_t run;          /* bw_steps_run_id of this process; 0: unknown, and no journal is kept */
    struct bw_steps_step step[BW_STEPS_MAX];
    uv_loop_t loop;
    struct bw_script_runner runner;
    uv_async_t ended; /* the signal's, on the loop */
    uv_poll_t guard;
    int channel;   /* -1: nobody is told */
    bool is_alone; /* its guard has gone */
    bool has_left; /* a step that is done may have left a process */
    /* What was there when a step was done: another one that fails must not take it for its own. */
    struct bw_process left[BW_STEPS_LEFT_MAX];
    size_t left_count;
    bool is_more_left; /* than there is room for, or could be seen */
    bool is_blind;     /* /proc has not answered: it is not asked again */
    uv_timer_t again; /* it asks to pass its point of no return */
    bool keeps_journal;
    int writer;        /* the end of the process that writes it; -1: none does */
    uv_poll_t written; /* ... seen on the loop */
    bool is_journal_due;
};

/* ---- program.c ------------------------------------------------------------------------------- */

/* TERM has come: from that instant on nothing begins, whatever the loop knows of it. */
bool bw_steps_is_ended(void);
/* After whatever has happened: begins what may begin; the loop ends when nothing is left. */
void bw_steps_go_on(struct bw_steps_program *program);

/* ---- step.c ---------------------------------------------------------------------------------- */

void bw_steps_begin(struct bw_steps_program *program, int index);

/* ---- look.c ---------------------------------------------------------------------------------- */

/* A round over `tree` (process_tree.h), which is of `step`; `out_pids` has room for BW_STEPS_LEFT_MAX, NULL: for none.
 * False: nothing was seen, and `signal` may have reached some. Where it is not over within BW_SCAN_NS the program is
 * blind: it signals nobody from then on, and no other look is begun. */
bool bw_steps_look(const struct bw_steps_step *step, const struct bw_process_tree *tree, int signal, pid_t *out_pids,
                   size_t *out_count);
/* Not for long: nothing else goes on. */
void bw_steps_pause(long ms);

/* ---- tell.c ---------------------------------------------------------------------------------- */

void bw_steps_tell(struct bw_steps_program *program, enum bw_steps_note_kind kind, int step,
                   const struct bw_script_result *result);
/* One line of a step, with its name before it. */
void bw_steps_tell_line(struct bw_steps_program *program, int step, enum bw_script_stream stream,
                        const char *line, size_t bytes);
/* The outputs of what stays are read by the guard when this process has ended. */
void bw_steps_tell_held(struct bw_steps_program *program);

/* ---- journal.c ------------------------------------------------------------------------------- */

/* The steps that a run before this one had done, and that count; 0 where nothing is known. */
uint32_t bw_steps_journal_read(const struct bw_steps_plan *plan);
void bw_steps_journal_open(struct bw_steps_program *program);
/* What is done is written down beside the loop; a disk that hangs holds nobody up. */
void bw_steps_journal_write(struct bw_steps_program *program);
void bw_steps_journal_close(struct bw_steps_program *program);

#endif
