/* script_drain.h - private to script.c: the output of what a start script left behind. */
#ifndef BW_SYS_SCRIPT_DRAIN_H
#define BW_SYS_SCRIPT_DRAIN_H

#include <breakwater/sys/script.h>

/* Reads on, and drops, what a service inherited from its start script, so that it neither blocks
 * nor gets a SIGPIPE. */
struct bw_script_drain {
    uv_poll_t poll;
    int fd;
    struct bw_script_runner *runner;
    struct bw_script_drain *next;
    bool is_closing;
};

/* Takes `fd` when true. False: there is no room for another (the caller closes it: the output
 * breaks now, as it will when this process ends). Does not keep the loop alive. */
bool bw_script_drain_start(struct bw_script_runner *runner, int fd);
void bw_script_drain_close(struct bw_script_drain *drain);

/* script.c's: ends the runner's close when nothing is left to wait for. */
void bw_script_runner_finish_close(struct bw_script_runner *runner);

#endif
