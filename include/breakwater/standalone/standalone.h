/* standalone.h - `breakwater standalone`: the program that breakwater replaces, key for key.
 * Design 5.2. */
#ifndef BW_STANDALONE_STANDALONE_H
#define BW_STANDALONE_STANDALONE_H

#include <breakwater/base/err.h>

/* Runs the check loop with the seven keys of `config_file` until a signal ends it, SIGHUP too.
 * BW_DAEMON_RESTART: another one runs with this file, or nothing can be run here. */
enum bw_daemon_end bw_standalone_run(const char *config_file);

#endif
