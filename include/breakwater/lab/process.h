/* process.h - the daemons of a lab, as its supervisor starts them. */
#ifndef BW_LAB_PROCESS_H
#define BW_LAB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>

enum bw_lab_role { BW_LAB_WITNESS, BW_LAB_AGENT, BW_LAB_GUARD, BW_LAB_SECOND };
const char *bw_lab_role_word(enum bw_lab_role role);

struct bw_lab_daemon {
    const char *program; /* breakwater */
    enum bw_lab_role role;
    const char *config;
    const char *log; /* its output is appended to it */
    bool (*enter)(void *user); /* in the child, last before exec: where it belongs; NULL */
    void *user;
};

/* Starts one in a process group of its own (a terminal's signals are for who started it), all signals
 * unblocked, which dies with this process. A child that cannot enter exits with 127. */
BW_MUST_CHECK enum bw_err bw_lab_spawn(const struct bw_lab_daemon *daemon, pid_t *out_pid,
                                       struct bw_diag *diag);

/* Proves at each of the sites that a kill by its guard alone stops the service, as a new installation does before its
 * daemons run: `breakwater-chaos scripts --reach`, by that program, for all of `configs` at once. Their output is appended
 * to `log`. BW_ERR_NOT_FOUND: there is no such program. Before the guards run. */
#define BW_LAB_PROVED_MAX 8
BW_MUST_CHECK enum bw_err bw_lab_prove(const char *trial, const char *const *configs, uint32_t count, const char *log,
                                       struct bw_diag *diag);

#endif
