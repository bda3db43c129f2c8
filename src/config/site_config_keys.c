/* The keys of site.yaml, and the seven of the program that breakwater replaces. */
#include <breakwater/config/site_config.h>

#include <string.h>

#include "config_file.h"

#define SITE(member)  offsetof(struct bw_site_config, member)
#define GROUP(member) offsetof(struct bw_group_config, member)
#define STEP(member)  offsetof(struct bw_step_config, member)

#define LIMIT_MS_MIN 100
#define FENCE_LIMIT_MS_MIN 20 /* a fence window may be as short as 50 ms */
#define LIMIT_MS_MAX 86400000 /* a day */

/* The same rows in both files. */
#define SCRIPT_KEY(NAME, word, sample, is_required, note, text)                                    \
    {                                                                                              \
        .name = (word), .kind = BW_KEY_PATH, .required = (is_required),                            \
        .offset = GROUP(scripts[BW_ACTION_##NAME]), .absent_note = (note),                         \
        .example = "/scripts/" sample, .help = (text)                                              \
    }
#define LIMIT_KEY(NAME, word, text)                                                                \
    {                                                                                              \
        .name = (word), .kind = BW_KEY_DURATION, .offset = GROUP(timeout_ms[BW_ACTION_##NAME]),    \
        .min = LIMIT_MS_MIN, .max = LIMIT_MS_MAX, .absent_note = "script_timeout", .help = (text)  \
    }
#define CHECK_INTERVAL_KEY                                                                         \
    {                                                                                              \
        .name = "check_interval", .kind = BW_KEY_DURATION, .offset = GROUP(check_interval_ms),     \
        .min = 100, .max = 3600000, .absent = "30s",                                               \
        .help = "interval of status and condition; runs of a script never overlap"                 \
    }
#define FAILURE_THRESHOLD_KEY                                                                      \
    {                                                                                              \
        .name = "failure_threshold", .kind = BW_KEY_NUMBER, .offset = GROUP(failure_threshold),    \
        .min = 1, .max = 1000, .absent = "3",                                                      \
        .help = "number of `stopped` in a row at the primary that mean that the service is down"   \
    }
#define SCRIPT_TIMEOUT_KEY                                                                         \
    {                                                                                              \
        .name = "script_timeout", .kind = BW_KEY_DURATION, .offset = GROUP(script_timeout_ms),     \
        .min = LIMIT_MS_MIN, .max = LIMIT_MS_MAX, .absent = "120s",                                \
        .help = "limit of a script; after that all processes get TERM and KILL"                    \
    }
#define STATUS_HELP    "prints started, stopped, unhealthy or unknown"
#define START_HELP     "makes the site primary; must tolerate being run twice"
#define STOP_HELP      "makes the site standby, cleanly; must tolerate being run twice"
#define CONDITION_HELP "prints start or stop; stop excludes the site from failover"
#define HERE_OR_THERE  "none: the key is required in the file of `legacy_config`"
#define HERE_OR_LIST   HERE_OR_THERE ", or as a list of steps"

static const struct bw_key_word enforce_words[] = {{"cgroup", BW_REACH_CGROUP},
                                                   {"units", BW_REACH_UNITS},
                                                   {"containers", BW_REACH_CONTAINERS},
                                                   {"remote", BW_REACH_REMOTE},
                                                   {0}};

static const struct bw_key_word driver_words[] = {
    {"guard", BW_DRIVER_GUARD}, {"external", BW_DRIVER_EXTERNAL}, {0}};

static const struct bw_key_word condition_words[] = {
    {"blocking", BW_CONDITION_USE_VETO}, {"advisory", BW_CONDITION_USE_SHOW}, {"health", BW_CONDITION_USE_HEALTH}, {0}};

static const struct bw_key_word phase_words[] = {
#define X(name, word) {word, BW_STEP_PHASE_##name},
    BW_STEP_PHASE_LIST(X)
#undef X
        {0}};

static const struct bw_key step_keys[] = {
    BW_KEY(NAME, "name", STEP(name), .required = true, .example = "restore-db",
           .help = "name in `needs`, in logs and in status"),
    BW_KEY(PATH, "script", STEP(script), .required = true, .max = BW_STEP_PATH_MAX,
           .example = "/scripts/restore-db.sh",
           .help = "a script like start_script or stop_script; must tolerate being run twice"),
    BW_KEY(LIST, "needs", STEP(needs), .item = BW_KEY_TEXT, .count_offset = STEP(need_count),
           .max = BW_STEPS_MAX,
           .help = "steps of the list that must end before; a step with an empty list starts at once, in parallel"),
    BW_KEY(DURATION, "timeout", STEP(timeout_ms), .min = LIMIT_MS_MIN, .max = LIMIT_MS_MAX,
           .absent_note = "script_timeout, or the list's if that is shorter",
           .help = "limit of a try, at most the limit of the whole list (start_timeout or stop_timeout)"),
    BW_KEY(NUMBER, "retries", STEP(rule.retries), .max = BW_STEP_RETRIES_MAX, .absent = "0",
           .help = "number of immediate retries after a failure"),
    BW_KEY(BOOL, "point_of_no_return", STEP(rule.is_point), .absent = "false",
           .help = "in a start: the changes of the step, and of all steps behind it, are permanent. The step begins "
                   "after a commit by the witnesses; if the epoch ends before, the newest data stays at the old "
                   "primary"),
    BW_KEY(WORD, "phase", STEP(phase), .words = phase_words, .absent = "none",
           .help = "heading for the time of the step in `report`"),
};

static const struct bw_table step_table = {
    .name = "groups[].start_steps[], groups[].stop_steps[]",
    .help = "a step of a start or of a stop",
    .keys = step_keys,
    .key_count = BW_KEY_COUNT(step_keys),
    .size = sizeof(struct bw_step_config),
};

#define STEPS_KEY(word, member, text)                                                              \
    {                                                                                              \
        .name = (word), .kind = BW_KEY_LIST, .item = BW_KEY_MAP, .table = &step_table,             \
        .offset = GROUP(member.items), .count_offset = GROUP(member.count), .min = 1,              \
        .max = BW_STEPS_MAX, .help = (text)                                                        \
    }

static const struct bw_key group_keys[] = {
    BW_KEY(NAME, "name", GROUP(name), .required = true, .example = "harbor",
           .help = "the group's name, as in groups.yaml"),
    BW_KEY(WORD, "stop_method", GROUP(enforce), .required = true, .words = enforce_words,
           .example = "cgroup",
           .help =
               "how the guard kills the service: cgroup, all processes that the scripts started; units, the systemd "
               "units in `units`; containers, the containers of the compose projects in `containers`; remote, by "
               "fence_script alone (only with `started_by: external`)"),
    BW_KEY(WORD, "started_by", GROUP(driver), .words = driver_words, .absent = "guard",
           .help = "starter of the service: guard, by start_script; external, a loop of your own with `breakwater "
                   "condition`"),
    BW_KEY(DURATION, "external_start_delay", GROUP(loop_delay_ms), .min = LIMIT_MS_MIN, .max = 3600000,
           .absent = BW_LOOP_DELAY_ABSENT,
           .help = "with `started_by: external`: longest time from a check of the loop until the end of its start"),
    BW_KEY(LIST, "units", GROUP(units), .item = BW_KEY_TEXT, .count_offset = GROUP(unit_count),
           .min = 1, .max = BW_UNITS_MAX, .example = "[harbor.service]",
           .help = "the systemd units of the service, each in a single group; required with `stop_method: units`"),
    BW_KEY(LIST, "containers", GROUP(units),
           .item = BW_KEY_TEXT, /* one of the two lists is given */
           .count_offset = GROUP(unit_count), .min = 1, .max = BW_UNITS_MAX, .example = "[harbor]",
           .help = "the compose projects of the service, each in a single group, up to 32 containers; required with "
                   "`stop_method: containers`"),
    BW_KEY(
        PATH, "container_tool", GROUP(container_tool),
        .absent_note = "docker, or podman (not tried) where there is no docker",
        .help = "with `stop_method: containers`: a tool that lists and inspects containers as docker does; kills work "
                "even if the tool is broken"),
    BW_KEY(PATH, "legacy_config", GROUP(seven_keys_file),
           .help =
               "an unchanged file with the seven keys of the replaced program; each key stands in a single file"),
    BW_KEY(
        WORD, "condition", GROUP(condition_use), .words = condition_words, .example = "blocking",
        .help =
            "blocking (the default): `stop` or a failure of condition_check_script excludes the site from failover; "
            "health: as blocking, and `stop` at the primary counts as `unhealthy`; advisory (the default with "
            "`legacy_config`): the script is only run"),
    CHECK_INTERVAL_KEY,
    FAILURE_THRESHOLD_KEY,
    SCRIPT_TIMEOUT_KEY,
    BW_KEY(DURATION, "kill_grace", GROUP(kill_grace_ms), .min = 10, .max = 60000, .absent = "1s",
           .help = "between TERM and KILL of a script that ran out of time"),
    BW_KEY(
        NUMBER, "max_local_restarts", GROUP(local_restarts), .max = BW_LOCAL_RESTARTS_MAX,
        .absent = "1",
        .help =
            "number of restarts at the primary before the group moves"),
    SCRIPT_KEY(STATUS, "status_script", "status.sh", false, HERE_OR_THERE, STATUS_HELP),
    SCRIPT_KEY(START, "start_script", "start.sh", false, HERE_OR_LIST, START_HELP),
    SCRIPT_KEY(STOP, "stop_script", "stop.sh", false, HERE_OR_LIST, STOP_HELP),
    STEPS_KEY("start_steps", start_steps,
              "instead of start_script: steps in parallel, in the order of `needs`"),
    STEPS_KEY("stop_steps", stop_steps,
              "instead of stop_script: a separate list of steps; needs a fence_script"),
    SCRIPT_KEY(FENCE, "fence_script", "fence.sh", false, NULL,
               "stops the service quickly; if missing, stop_script must fit into the fence window"),
    SCRIPT_KEY(CONDITION, "condition_check_script", "check.sh", false, NULL, CONDITION_HELP),
    SCRIPT_KEY(READINESS, "readiness_script", "readiness.sh", false, NULL,
               "exit 0 if the site could take over; prints lag_seconds=N and position=N"),
    SCRIPT_KEY(VERIFY, "verify_script", "verify.sh", false, NULL,
               "exit 0 when the service answers after a start"),
    SCRIPT_KEY(REJOIN, "rejoin_script", "rejoin.sh", false, NULL,
               "DESTRUCTIVE: makes the data follow the new primary after a failover"),
    SCRIPT_KEY(REMOTE_FENCE, "remote_fence_script", "remote-fence.sh", false, NULL,
               "ends the service at the site in BREAKWATER_PREVIOUS_SITE, through the API of a cluster or storage; "
               "exit 0 only after it has seen the end; rejects an epoch below the newest epoch of the resource"),
    LIMIT_KEY(STATUS, "status_timeout", "limit of status_script"),
    LIMIT_KEY(START, "start_timeout", "limit of start_script, and after that of status to report started"),
    LIMIT_KEY(STOP, "stop_timeout", "limit of stop_script"),
    BW_KEY(
        DURATION, "fence_timeout", GROUP(timeout_ms[BW_ACTION_FENCE]), .min = FENCE_LIMIT_MS_MIN,
        .max = LIMIT_MS_MAX, .absent = BW_FENCE_TIMEOUT_ABSENT,
        .help =
            "limit of fence_script. A deadline cuts it to the group's fence_window less a third, 5 s at most. If "
            "the service is outside of the reach, the cut is at the deadline"),
    LIMIT_KEY(CONDITION, "condition_timeout", "limit of condition_check_script"),
    LIMIT_KEY(READINESS, "readiness_timeout", "limit of readiness_script"),
    LIMIT_KEY(VERIFY, "verify_timeout", "limit of verify_script"),
    LIMIT_KEY(REJOIN, "rejoin_timeout", "limit of rejoin_script"),
    LIMIT_KEY(REMOTE_FENCE, "remote_fence_timeout", "limit of remote_fence_script"),
    BW_KEY(ENV, "env", GROUP(env), .count_offset = GROUP(env_count), .max = BW_ENV_MAX,
           .help = "variables for every script of the group, in addition to BREAKWATER_..."),
};

static const struct bw_table group_table = {
    .name = "groups[]",
    .help = "a group at this site",
    .keys = group_keys,
    .key_count = BW_KEY_COUNT(group_keys),
    .size = sizeof(struct bw_group_config),
};

const struct bw_table bw_site_group_part_table = {
    .name = "groups[].at_sites",
    .help = "keys of this group in each site.yaml; they replace those of the set",
    .keys = group_keys,
    .key_count = BW_KEY_COUNT(group_keys),
    .size = sizeof(struct bw_group_config),
    .is_part = true,
};

#define SECOND(member) offsetof(struct bw_second_config, member)

static const struct bw_key second_keys[] = {
    BW_KEY(ADDRESS, "listen", SECOND(listen), .example = "0.0.0.0:7410",
           .help = "address of the agent for the second enforcer: mutual TLS, with certificates of agents of the "
                   "site"),
    BW_KEY(ADDRESS, "agent", SECOND(agent), .example = "agent.dc-a.example.net:7410",
           .help = "address of the agent, in the file of the second enforcer"),
};

static const struct bw_table second_table = {
    .name = "second_enforcer",
    .help = "a second enforcer on a remote machine, for a service that outlives the guard's machine",
    .keys = second_keys,
    .key_count = BW_KEY_COUNT(second_keys),
    .size = sizeof(struct bw_second_config),
};

static const struct bw_key site_keys[] = {
    BW_KEY(NAME, "cluster", SITE(cluster), .required = true, .example = "prod",
           .help = "the cluster's name, as in every certificate"),
    BW_KEY(NAME, "site", SITE(site), .required = true, .example = "dc-a",
           .help = "name of the site"),
    BW_KEY(NAME, "name", SITE(name), .required = true, .example = "agent-1",
           .help = "the agent's name, as in its certificate"),
    BW_KEY(PATH, "state_dir", SITE(state_dir), .absent = BW_STATE_DIR_ABSENT,
           .help = "state of agent and guard. Never copy, restore or share the directory"),
    BW_KEY(PATH, "run_dir", SITE(run_dir), .absent = "/run/breakwater",
           .help =
               "deadlines of guard and second enforcer, kept until the next boot; for the agent a new directory "
               "means a reboot"),
    BW_KEY(PATH, "guard_socket", SITE(guard_socket), .max = BW_SOCKET_PATH_MAX,
           .absent = BW_GUARD_SOCKET_ABSENT, .help = "socket of the guard"),
    BW_KEY(MAP, "tls", SITE(tls), .table = &bw_tls_config_table, .required = true,
           .example = "{ca: ca.pem, identity: agent.pem}",
           .help = "trusted CAs, and the certificate of the agent"),
    BW_KEY(
        LIST, "witnesses", SITE(witnesses), .item = BW_KEY_ADDRESS, .required = true,
        .count_offset = SITE(witness_count), .min = 1, .max = BW_WITNESSES_MAX,
        .example = "[w1.example.net:7400, w2.example.net:7400, w3.example.net:7400]",
        .help = "the `address` of all witnesses; the agent also connects to members that a leader reports later, "
                "after a restart too"),
    BW_KEY(
        MAP, "second_enforcer", SITE(second), .table = &second_table,
        .example = "{listen: 0.0.0.0:7410}",
        .help = "a second enforcer on a remote machine, for a service that outlives the guard's machine"),
    /* its help names BW_SITE_GROUPS_MAX */
    BW_KEY(LIST, "groups", SITE(groups), .item = BW_KEY_MAP, .table = &group_table,
           .required = true, .count_offset = SITE(group_count), .min = 1, .max = BW_SITE_GROUPS_MAX,
           .help = "groups of the site, 256 at most"),
    BW_KEY(ADDRESS, "health_listen", SITE(health_listen), .absent_note = "off",
           .min = 1,
           .help = "plain HTTP for load balancers: GET /v1/groups/GROUP/primary answers 200 at the primary, 503 "
                   "elsewhere"),
    BW_KEY(
        ADDRESS, "admission_listen", SITE(admission_listen), .absent_note = "off",
        .min = 1,
        .help = "HTTPS for API servers of Kubernetes: POST /v1/groups/GROUP/admission answers whether a pod of the "
                "group's service may start at the site"),
    BW_KEY(
        BOOL, "allow_writable_scripts", SITE(allow_writable_scripts),
        .help = "true: run scripts also if users other than root and the guard's user can change the file, or a "
                "directory on the path; false: reject such scripts"),
    BW_KEY(WORD, "log_level", SITE(log_level), .words = bw_log_level_words, .absent = "info",
           .help = "lowest level in the log"),
};

const struct bw_table bw_site_config_table = {
    .name = "site.yaml",
    .help = "settings of agent and guard of a site",
    .keys = site_keys,
    .key_count = BW_KEY_COUNT(site_keys),
    .size = sizeof(struct bw_site_config),
};

const char *bw_site_key_takes(const char *key)
{
    static const char *const held_by[] = {"cluster", "site", "state_dir", "run_dir"};

    for (size_t i = 0; i < sizeof held_by / sizeof held_by[0]; i++)
        if (strcmp(key, held_by[i]) == 0)
            return "a restart, with which what serves here ends: move its groups away before "
                   "(breakwater switchover)";
    return "a restart, which is no outage";
}

static const struct bw_key seven_keys[] = {
    SCRIPT_KEY(CONDITION, "condition_check_script", "check.sh", true, NULL, CONDITION_HELP),
    SCRIPT_KEY(START, "start_script", "start.sh", true, NULL, START_HELP),
    SCRIPT_KEY(STOP, "stop_script", "stop.sh", true, NULL, STOP_HELP),
    SCRIPT_KEY(STATUS, "status_script", "status.sh", true, NULL, STATUS_HELP),
    CHECK_INTERVAL_KEY,
    FAILURE_THRESHOLD_KEY,
    SCRIPT_TIMEOUT_KEY,
};

const struct bw_table bw_seven_keys_table = {
    .name = "config.yaml",
    .help = "the seven keys of the replaced program",
    .keys = seven_keys,
    .key_count = BW_KEY_COUNT(seven_keys),
    .size = sizeof(struct bw_group_config),
};
