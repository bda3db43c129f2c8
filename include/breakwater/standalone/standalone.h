/* standalone.h - `breakwater standalone`: the program that breakwater replaces, key for key.
 * Design 5.2. */
#ifndef BW_STANDALONE_STANDALONE_H
#define BW_STANDALONE_STANDALONE_H

enum bw_standalone_end {
    BW_STANDALONE_STOPPED, /* by SIGTERM, SIGINT or SIGHUP */
    BW_STANDALONE_CONFIG,  /* the file is bad; said on stderr */
    BW_STANDALONE_RESTART, /* another one runs with this file, or nothing can be run here; logged */
};

/* Runs the check loop with the seven keys of `config_file` until a signal ends it. */
enum bw_standalone_end bw_standalone_run(const char *config_file);

#endif
