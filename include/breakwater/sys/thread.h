/* thread.h - a thread beside the loop, for what may wait for as long as it likes. */
#ifndef BW_SYS_THREAD_H
#define BW_SYS_THREAD_H

/* Runs `run` with `of` on a thread that nobody joins, and that hears no signal: they are the loop's. 0, or an errno:
 * none was made. */
int bw_thread_begin(void *(*run)(void *of), void *of);

#endif
