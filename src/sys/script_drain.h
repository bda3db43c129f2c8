/* script_drain.h - private to script.c: the output of what a script left behind. */
#ifndef BW_SYS_SCRIPT_DRAIN_H
#define BW_SYS_SCRIPT_DRAIN_H

#include <breakwater/sys/script.h>

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
/* Passes to the reader what it does not have; this process reads what is not taken. */
void bw_script_drains_pass(struct bw_script_runner *runner);
/* The reader is gone, and its copies with it. */
void bw_script_drains_take_back(struct bw_script_runner *runner);

/* script.c's: ends the runner's close when nothing is left to wait for. */
void bw_script_runner_finish_close(struct bw_script_runner *runner);

#endif
