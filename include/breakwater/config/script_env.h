/* script_env.h - what a script is told of its order: its variables. Design 5.1; they are described in
 * breakwater-scripts(7), which tests/docs/check holds against the list below. Pure but for memory.
 * sys/script.h adds BREAKWATER_REACH, by which what a script starts is found. */
#ifndef BW_CONFIG_SCRIPT_ENV_H
#define BW_CONFIG_SCRIPT_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/guard_link.h>

/* Of whoever runs the script: a guard, the agent's own fence, a trial. */
struct bw_script_order {
    const struct bw_group_config *group;
    const char *site;
    uint64_t epoch;
    const struct bw_run_facts *facts;
    uint64_t lease_remaining_ms;
    const char *cgroup; /* of the service; NULL: there is none */
    /* The group's `env` is not for the program that is begun, but for those that it begins: each name has
     * BW_SCRIPT_ENV_CARRIED before it. */
    bool carries_env;
};

#define BW_SCRIPT_ENV_CARRIED "BREAKWATER_ENV_"

/* X(NAME, whether it is set, format, value): BREAKWATER_NAME of a `struct bw_script_order *order`. */
#define BW_SCRIPT_VARIABLES(X)                                                                     \
    X(GROUP, true, "%s", order->group->name)                                                       \
    X(SITE, true, "%s", order->site)                                                               \
    X(EPOCH, true, "%" PRIu64, order->epoch)                                                       \
    X(PREVIOUS_SITE, true, "%s", order->facts->previous_site)                                      \
    X(REASON, true, "%s", bw_reason_word(order->facts->reason))                                    \
    X(PLANNED, true, "%s", order->facts->planned ? "true" : "false")                               \
    X(RESTART, true, "%s", order->facts->restarts ? "true" : "false")                              \
    X(GRADE, true, "%s", bw_grade_word(order->facts->grade))                                       \
    X(LEASE_REMAINING_MS, true, "%" PRIu64, order->lease_remaining_ms)                             \
    X(TARGET_POSITION, true, "%s", order->facts->target_position)                                  \
    /* A start that finds the service running already moves it in here, into reach. */             \
    X(CGROUP, order->cgroup != NULL, "%s", order->cgroup)

enum {
#define X(name, is_set, format, value) BW_SCRIPT_VARIABLE_##name,
    BW_SCRIPT_VARIABLES(X)
#undef X
    BW_SCRIPT_VARIABLE_COUNT
};

/* In the caller's memory, init to deinit. */
struct bw_script_env {
    char *text; /* "NAME=value", one after the other */
    const char *list[BW_SCRIPT_VARIABLE_COUNT + BW_ENV_MAX + 1]; /* in `text`; ended by NULL */
};

/* The variables of `order`, then those of the group's `env`, which cannot have the same names. Only
 * BW_ERR_NOMEM; deinit is for that, too. */
BW_MUST_CHECK enum bw_err bw_script_env_init(struct bw_script_env *env,
                                             const struct bw_script_order *order,
                                             struct bw_diag *diag);
void bw_script_env_deinit(struct bw_script_env *env); /* accepts one that is all zero */

#endif
