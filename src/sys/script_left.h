/* script_left.h - private to script.c: what a script leaves behind. Processes that no SIGKILL has ended, of which
 * script they were, and whether they are there still: a file system that hangs keeps each process that asks it (state D).
 * And its output, which a service has inherited. */
#ifndef BW_SYS_SCRIPT_LEFT_H
#define BW_SYS_SCRIPT_LEFT_H

#include <breakwater/sys/script.h>

struct bw_script_left;

/* `kill` of the slot of `spec` has not emptied it. Of the processes that are there those of which nobody knew are of
 * its script, `path`: one runs there at a time. Where a search finds them it has: another one would have to be waited
 * for. What there is no memory for is met again. */
void bw_script_left_note(struct bw_script_runner *runner, const struct bw_script_spec *spec, const char *path,
                         const struct bw_reach_kill *kill);
/* BW_ERR_LIMIT: as many as may be are there of the script of `spec`, of runs before in its slot. */
BW_MUST_CHECK enum bw_err bw_script_left_judge(struct bw_script_runner *runner, const struct bw_script_spec *spec,
                                               struct bw_diag *diag);
void bw_script_left_free(struct bw_script_runner *runner);

/* Private to script.c: the output of what a script left behind. */

/* Has what a service inherited from its script read, and dropped, so that the service neither blocks nor gets a
 * SIGPIPE: by the runner's reader if there is one, else by this process. */
struct bw_script_drain {
    uv_poll_t poll;
    int fd;
    struct bw_script_runner *runner;
    struct bw_script_drain *next;
    bool is_passed; /* the reader has a copy; this one is kept for another reader */
    bool is_closing;
};

/* Takes `fd`. If no memory is left and no reader takes it, the output breaks. Does not keep the loop alive. */
void bw_script_drain_start(struct bw_script_runner *runner, int fd);
void bw_script_drain_close(struct bw_script_drain *drain);

/* script.c's: ends the runner's close when nothing is left to wait for. */
void bw_script_runner_finish_close(struct bw_script_runner *runner);

/* Private to script.c and script_left.c: the process that reads what services print. */

/* The reader goes on until the last output has ended. */
void bw_output_link_close(struct bw_script_runner *runner);
bool bw_output_link_is_closed(const struct bw_script_runner *runner);

#endif
