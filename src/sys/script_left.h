/* script_left.h - private to script.c: what no SIGKILL has ended, of which script it was, and whether it is there
 * still. A file system that hangs keeps each process that asks it (state D). */
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

#endif
