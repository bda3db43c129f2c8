/* output_link.h - private to script.c and script_drain.c: the process that reads what services print. */
#ifndef BW_SYS_OUTPUT_LINK_H
#define BW_SYS_OUTPUT_LINK_H

#include <breakwater/sys/script.h>

/* True: the runner's reader has a copy of `fd`. One is made if there is none. */
bool bw_output_link_pass(struct bw_script_runner *runner, int fd);
/* The reader goes on until the last output has ended. */
void bw_output_link_close(struct bw_script_runner *runner);
bool bw_output_link_is_closed(const struct bw_script_runner *runner);

#endif
