/* files.h - what a lab writes, and reads of what its scripts and services left. */
#ifndef BW_LAB_FILES_H
#define BW_LAB_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/sys/process_tree.h>

#define BW_LAB_PATH_BYTES 1024

/* "DIR/NAME" into `out`. BW_ERR_LIMIT. */
BW_MUST_CHECK enum bw_err bw_lab_path(char out[BW_LAB_PATH_BYTES], const char *dir,
                                      const char *name, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_lab_make_dir(const char *path, struct bw_diag *diag);
/* Writes or replaces a file in one go. */
BW_MUST_CHECK enum bw_err bw_lab_write(const char *path, struct bw_diag *diag, const char *format,
                                       ...) __attribute__((format(printf, 3, 4)));
/* DIR/NAME, executable: a head and what comes behind it. */
BW_MUST_CHECK enum bw_err bw_lab_write_script(const char *dir, const char *name, const char *head,
                                              const char *body, struct bw_diag *diag);
/* Lines of a file that begin with `word` and a space, NULL: all; 0 where there is no file. */
uint32_t bw_lab_count_lines(const char *path, const char *word);
/* Removes a directory and all in it. What cannot be removed stays. */
void bw_lab_remove_tree(const char *dir);

/* ---- a service that leaves a pid file -------------------------------------------------------- */

/* Shell functions that read PID_FILE, which holds "PID START_TICKS". A pid alone may be another process
 * tomorrow; with the start time (field 22 of stat) it is this one. */
#define BW_LAB_SCRIPT_IS_ALIVE                                                                     \
    "is_alive() {\n"                                                                               \
    "    [ -r \"$PID_FILE\" ] && read -r pid begun < \"$PID_FILE\" || return 1\n"                  \
    "    [ -r \"/proc/$pid/stat\" ] && read -r stat 2>/dev/null < \"/proc/$pid/stat\" || "         \
    "return 1\n"                                                                                   \
    "    set -- ${stat##*) }\n"                                                                    \
    "    [ \"$1\" != Z ] && [ \"$1\" != X ] && [ \"${20}\" = \"$begun\" ]\n"                       \
    "}\n"
/* Of a service's own script: writes that into PID_FILE. */
#define BW_LAB_SCRIPT_TELL_PID                                                                     \
    "read -r stat </proc/$$/stat\n"                                                                \
    "set -- ${stat##*) }\n"                                                                        \
    "echo \"$$ ${20}\" >\"$PID_FILE\"\n"
#define BW_LAB_SCRIPT_END_WITH                                                                     \
    "# Signals the service and waits until it has ended; fails after 5 s.\n"                       \
    "end_with() {\n"                                                                               \
    "    tries=0\n"                                                                                \
    "    while is_alive; do\n"                                                                     \
    "        [ $tries -gt 0 ] || kill -\"$1\" \"$pid\"\n"                                          \
    "        tries=$((tries + 1))\n"                                                               \
    "        [ $tries -le 500 ] || return 1\n"                                                     \
    "        sleep 0.01\n"                                                                         \
    "    done\n"                                                                                   \
    "}\n"

/* The living process of which a pid file tells; false: there is none. `clock_shift_ns`: so much more
 * does the clock of its machine show than ours, on which /proc stands. */
bool bw_lab_read_service(const char *pid_file, int64_t clock_shift_ns,
                         struct bw_process *out_process);

#endif
