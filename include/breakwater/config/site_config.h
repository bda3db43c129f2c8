/* site_config.h - site.yaml (design 5.4): what agent and guard of one site need to know, and the
 * seven keys of the program that breakwater replaces (5.1). */
#ifndef BW_CONFIG_SITE_CONFIG_H
#define BW_CONFIG_SITE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/spec.h>
#include <breakwater/core/steps.h>
#include <breakwater/obs/log.h>

#define BW_ENV_MAX 64           /* variables of one group's `env:` */
#define BW_LOCAL_RESTARTS_MAX 10
#define BW_SOCKET_PATH_MAX 107  /* sun_path without its NUL */
#define BW_GUARD_SOCKET_ABSENT "/run/breakwater/guard.sock"
#define BW_STATE_DIR_ABSENT    "/var/lib/breakwater-agent"

/* X(NAME, key of the script, key of its limit), of BW_ACTION_NAME. STATUS, START and STOP are
 * required. Limits are `script_timeout` when absent; the fence's is BW_FENCE_TIMEOUT_ABSENT, so that
 * it fits into the default fence window. */
#define BW_SCRIPT_LIST(X)                                                                          \
    X(STATUS, "status_script", "status_timeout")                                                   \
    X(START, "start_script", "start_timeout")                                                      \
    X(STOP, "stop_script", "stop_timeout")                                                         \
    X(FENCE, "fence_script", "fence_timeout")                                                      \
    X(CONDITION, "condition_check_script", "condition_timeout")                                    \
    X(READINESS, "readiness_script", "readiness_timeout")                                          \
    X(VERIFY, "verify_script", "verify_timeout")                                                   \
    X(REJOIN, "rejoin_script", "rejoin_timeout")                                                   \
    X(REMOTE_FENCE, "remote_fence_script", "remote_fence_timeout")
#define BW_FENCE_TIMEOUT_ABSENT "3s"
#define BW_LOOP_DELAY_ABSENT    "2s" /* fits into the default lease */

/* What `stop`, or a failure, of the condition script does. In a file with the seven keys the check is
 * what the quorum replaces: unless the entry says otherwise it is run and shown, and vetoes nothing. */
enum bw_condition_use {
    BW_CONDITION_USE_UNSET,
    BW_CONDITION_USE_VETO,
    BW_CONDITION_USE_SHOW,
    BW_CONDITION_USE_HEALTH
};

/* Who starts the service where its site may run it: the guard, by start_script, or a loop that
 * people have of their own, which asks `breakwater condition` (design 3.4, driver). */
enum bw_driver { BW_DRIVER_GUARD, BW_DRIVER_EXTERNAL };

/* One of `start_steps` or `stop_steps` (5.1). */
struct bw_step_config {
    char name[BW_NAME_MAX + 1];
    const char *script;
    const char *const *needs; /* names of other steps of its list */
    uint32_t need_count;
    uint32_t timeout_ms;
    struct bw_step_rule rule; /* `needs` as bits */
    enum bw_step_phase phase;
};
#define BW_STEP_PATH_MAX 1023

/* In place of a start script, or of a stop script. */
struct bw_steps_config {
    const struct bw_step_config *items;
    uint32_t count; /* 0: there is no list */
};

struct bw_group_config {
    char name[BW_NAME_MAX + 1];
    enum bw_driver driver;
    uint32_t loop_delay_ms;     /* EXTERNAL: a start is over so long after it was asked for */
    enum bw_reach_kind enforce; /* CGROUP, UNITS, CONTAINERS, or with EXTERNAL REMOTE */
    const char *const
        *units; /* with UNITS each "NAME.service" or the like, with CONTAINERS compose projects */
    uint32_t unit_count;
    const char *container_tool; /* with CONTAINERS, an absolute path; NULL: docker, or podman */
    const char *scripts[BW_ACTION_COUNT]; /* absolute paths; NULL: there is none */
    struct bw_steps_config start_steps;   /* in place of scripts[START], or of scripts[STOP]: */
    struct bw_steps_config stop_steps;    /* bw_group_config_steps */
    uint32_t timeout_ms[BW_ACTION_COUNT]; /* the limit of each, whether or not it has a script */
    uint32_t script_timeout_ms;
    uint32_t check_interval_ms;
    uint32_t failure_threshold;          /* consecutive `stopped` while it should run */
    uint32_t kill_grace_ms;              /* TERM to KILL of a script that ran out of time */
    uint32_t local_restarts;
    const struct bw_env_entry *env;
    uint32_t env_count;
    const char *seven_keys_file;         /* `scripts:`; NULL: none */
    enum bw_condition_use condition_use;
    bool allow_writable_scripts;         /* the site's */
    uint64_t digest;                     /* bw_group_config_digest when it was loaded; OFFLINE: 0 */
};

/* `second_enforcer:` (design 3.4). */
struct bw_second_config {
    char listen[BW_ADDRESS_MAX + 1]; /* where the agent answers its second enforcer; "": nowhere */
    char agent[BW_ADDRESS_MAX + 1];  /* where that asks; "": it cannot run with this file */
};

struct bw_site_config {
    struct bw_config_arena arena; /* owns the strings and lists */
    char cluster[BW_NAME_MAX + 1];
    char site[BW_NAME_MAX + 1];
    char name[BW_NAME_MAX + 1];
    const char *state_dir;
    const char *run_dir;      /* where the guard mirrors deadlines; must outlive the guard */
    const char *guard_socket;
    char health_listen[BW_ADDRESS_MAX + 1];    /* "": nobody is answered */
    char admission_listen[BW_ADDRESS_MAX + 1]; /* likewise */
    struct bw_tls_config tls;
    struct bw_second_config second;
    const char *const *witnesses; /* HOST:PORT each, checked */
    uint32_t witness_count;
    bool allow_writable_scripts; /* one that others than root and the guard's user can change is run */
    struct bw_group_config *groups;
    uint32_t group_count;
    enum bw_log_level log_level;
};

extern const struct bw_table bw_site_config_table;
extern const struct bw_table bw_site_group_part_table; /* some keys of an entry of `groups`, a struct bw_group_config */
/* What it takes to change `key`, which no reload does: of where the deadlines and the epochs are kept, and of whose they
 * are, a daemon that begins with another one knows nothing of what it held (3.4, 3.7). */
const char *bw_site_key_takes(const char *key);
extern const struct bw_table bw_seven_keys_table;

/* Loads and checks FILE and the files that its `scripts:` name. As bw_witness_config_load. With
 * BW_CONFIG_HERE a script that does not exist, is no file or cannot be read is an error that names
 * the key; one that cannot be executed as it is runs with bash, else sh, which is a warning. */
BW_MUST_CHECK enum bw_err bw_site_config_load(const char *file, enum bw_config_scope scope,
                                              struct bw_site_config **out_config,
                                              struct bw_problems *problems);
/* The same for a program that begins, or ends with it: what is wrong goes to stderr, with `consequence` (NULL: nothing is said). NULL: refused. */
struct bw_site_config *bw_site_config_take(const char *file, enum bw_config_scope scope,
                                           const char *consequence);
/* Loads a file with just the seven keys of the replaced program: one group called "", enforced by
 * nobody (reach NONE). For its trials and checks. */
BW_MUST_CHECK enum bw_err bw_seven_keys_load(const char *file, enum bw_config_scope scope,
                                             struct bw_site_config **out_config,
                                             struct bw_problems *problems);
/* Accepts NULL. */
void bw_site_config_free(struct bw_site_config *config);

/* The group of that name; NULL: not in this file. */
const struct bw_group_config *bw_site_config_find(const struct bw_site_config *config,
                                                  const char *group);

/* `started_by`, `stop_method`, `units` and `container_tool` are the same: what a running guard or agent
 * cannot change. */
bool bw_group_config_has_same_reach(const struct bw_group_config *from,
                                    const struct bw_group_config *to);

/* It is made of the contents of the start, rejoin and status scripts (of start_steps the names, needs and order, too), `env`,
 * `stop_method` and the units: what a guard has seen of its reach it has seen with these (design 3.4). Reads the scripts;
 * never 0. */
uint64_t bw_group_config_digest(const struct bw_group_config *group);
/* The digest of every script but those of fences elsewhere: a second enforcer agrees with these. A proof that an earlier
 * release kept by it counts as kept by the one above. */
uint64_t bw_group_config_digest_of_all(const struct bw_group_config *group);
/* The first, and in `out_steps` the digest of the file of each step of a start, as they went into it. */
uint64_t bw_group_config_digest_steps(const struct bw_group_config *group, uint64_t out_steps[BW_STEPS_MAX]);
/* Of one file: what a step's digest is. Async-signal-safe. */
uint64_t bw_script_file_digest(const char *path);
/* To read a script from; -1 and errno: it cannot be read, or (EINVAL) is no file: a FIFO would hold up whoever opens it,
 * a device may never end. Async-signal-safe. */
int bw_script_file_open(const char *path);

/* The list that is run for `action`; NULL: it has none, and a script if it has anything. */
const struct bw_steps_config *bw_group_config_steps(const struct bw_group_config *group,
                                                    enum bw_action_kind action);
/* Its start is a list with a step that is marked as the point of no return (4). */
bool bw_group_config_has_point(const struct bw_group_config *group);
/* There is a script or a list to run for it. */
bool bw_group_config_has(const struct bw_group_config *group, enum bw_action_kind action);
/* What is run for it, as people know it: the script's path, or the key of its list; NULL: nothing.
 */
const char *bw_group_config_run_name(const struct bw_group_config *group,
                                     enum bw_action_kind action);

/* For the core: how long the service's own loop has after asking; 0: the guard starts it. */
uint64_t bw_group_config_loop_delay_ns(const struct bw_group_config *group);

/* The configuration key of a script ("start_script"); "" for BW_ACTION_NONE. */
const char *bw_script_key(enum bw_action_kind action);

#endif
