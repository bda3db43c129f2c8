/* The keys of site.yaml, and the seven of the program that breakwater replaces. */
#include <breakwater/config/site_config.h>

#include <string.h>

#include "config_file.h"

#define SITE(member)  offsetof(struct bw_site_config, member)
#define GROUP(member) offsetof(struct bw_group_config, member)
#define STEP(member)  offsetof(struct bw_step_config, member)

#define LIMIT_MS_MIN 100
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
        .help = "how often status and condition are asked; never two runs of one script at once"   \
    }
#define FAILURE_THRESHOLD_KEY                                                                      \
    {                                                                                              \
        .name = "failure_threshold", .kind = BW_KEY_NUMBER, .offset = GROUP(failure_threshold),    \
        .min = 1, .max = 1000, .absent = "3",                                                      \
        .help = "so many `stopped` in a row, while it should run, mean that the service is down"   \
    }
#define SCRIPT_TIMEOUT_KEY                                                                         \
    {                                                                                              \
        .name = "script_timeout", .kind = BW_KEY_DURATION, .offset = GROUP(script_timeout_ms),     \
        .min = LIMIT_MS_MIN, .max = LIMIT_MS_MAX, .absent = "120s",                                \
        .help = "how long a script may run: then TERM and KILL for its whole tree"                 \
    }
#define STATUS_HELP    "prints started, stopped, unhealthy or unknown"
#define START_HELP     "makes this site primary; must bear being run twice"
#define STOP_HELP      "makes this site standby, cleanly; must bear being run twice"
#define CONDITION_HELP "prints start or stop: stop, and this site is no candidate"
#define HERE_OR_THERE  "none: it must then be in the file of `scripts`"
#define HERE_OR_LIST   HERE_OR_THERE ", or a list stand in its place"

static const struct bw_key_word enforce_words[] = {{"cgroup", BW_REACH_CGROUP},
                                                   {"units", BW_REACH_UNITS},
                                                   {"containers", BW_REACH_CONTAINERS},
                                                   {"remote", BW_REACH_REMOTE},
                                                   {0}};

static const struct bw_key_word driver_words[] = {
    {"guard", BW_DRIVER_GUARD}, {"external", BW_DRIVER_EXTERNAL}, {0}};

static const struct bw_key_word condition_words[] = {
    {"veto", BW_CONDITION_USE_VETO}, {"show", BW_CONDITION_USE_SHOW}, {"health", BW_CONDITION_USE_HEALTH}, {0}};

static const struct bw_key_word phase_words[] = {
#define X(name, word) {word, BW_STEP_PHASE_##name},
    BW_STEP_PHASE_LIST(X)
#undef X
        {0}};

static const struct bw_key step_keys[] = {
    BW_KEY(NAME, "name", STEP(name), .required = true, .example = "restore-db",
           .help = "its name: in `needs` of others, in logs and in status"),
    BW_KEY(PATH, "script", STEP(script), .required = true, .max = BW_STEP_PATH_MAX,
           .example = "/scripts/restore-db.sh",
           .help = "a script as start_script or stop_script is; must bear being run twice"),
    BW_KEY(LIST, "needs", STEP(needs), .item = BW_KEY_TEXT, .count_offset = STEP(need_count),
           .max = BW_STEPS_MAX,
           .help = "steps of the same list that must be done before it begins; what needs nothing "
                   "begins at once, beside the others"),
    BW_KEY(DURATION, "timeout", STEP(timeout_ms), .min = LIMIT_MS_MIN, .max = LIMIT_MS_MAX,
           .absent_note = "script_timeout, or the list's if that is shorter",
           .help = "limit of one try, at most that of the whole list, which is start_timeout or "
                   "stop_timeout"),
    BW_KEY(NUMBER, "retries", STEP(rule.retries), .max = BW_STEP_RETRIES_MAX, .absent = "0",
           .help = "how often it is tried again, at once, when it has failed"),
    BW_KEY(BOOL, "point_of_no_return", STEP(rule.is_point), .absent = "false",
           .help = "of a start: what it and all that needs it change cannot be taken back. It "
                   "begins once the "
                   "witnesses have committed that it may; an epoch that ends before leaves the "
                   "newest data where "
                   "it was"),
    BW_KEY(WORD, "phase", STEP(phase), .words = phase_words, .absent = "none",
           .help = "what its time is summed under, for people"),
};

static const struct bw_table step_table = {
    .name = "groups[].start_steps[], groups[].stop_steps[]",
    .help = "one step of a start, or of a stop",
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
    BW_KEY(WORD, "enforce", GROUP(enforce), .required = true, .words = enforce_words,
           .example = "cgroup",
           .help =
               "what the guard can end by itself: cgroup, all that the scripts started; units, the "
               "systemd units named by `units`; containers, those of the compose projects named by "
               "`containers`; remote, nothing: fence_script alone (only with "
               "`driver: external`)"),
    BW_KEY(WORD, "driver", GROUP(driver), .words = driver_words, .absent = "guard",
           .help = "who starts the service where it may run: guard, by start_script; external, a "
                   "loop of your own that asks `breakwater condition`"),
    BW_KEY(DURATION, "loop_delay", GROUP(loop_delay_ms), .min = LIMIT_MS_MIN, .max = 3600000,
           .absent = BW_LOOP_DELAY_ABSENT,
           .help = "with `driver: external`: so long after the loop began to ask, a start of it is "
                   "over; what would end later it must not begin"),
    BW_KEY(LIST, "units", GROUP(units), .item = BW_KEY_TEXT, .count_offset = GROUP(unit_count),
           .min = 1, .max = BW_UNITS_MAX, .example = "[harbor.service]",
           .help = "the systemd units of the service, and of no other group; required with `enforce: units`"),
    BW_KEY(LIST, "containers", GROUP(units),
           .item = BW_KEY_TEXT, /* one of the two lists is given */
           .count_offset = GROUP(unit_count), .min = 1, .max = BW_UNITS_MAX, .example = "[harbor]",
           .help = "the compose projects of the service, and of no other group, up to 32 containers; required with "
                   "`enforce: containers`"),
    BW_KEY(
        PATH, "container_tool", GROUP(container_tool),
        .absent_note = "docker, or podman (not tried) where there is no docker",
        .help = "with `enforce: containers`: what lists and inspects them as docker does, when it "
                "answers; they are killed without it"),
    BW_KEY(PATH, "scripts", GROUP(seven_keys_file),
           .help =
               "a file with the seven keys of the replaced program, unchanged; a key may not be in "
               "both"),
    BW_KEY(
        WORD, "condition", GROUP(condition_use), .words = condition_words, .example = "veto",
        .help =
            "veto: `stop` of condition_check_script, or its failure, keeps this site from a grant; "
            "show: it is run and shown; health: as veto, and `stop` at the primary counts as a status of "
            "`unhealthy`; unsaid: veto, with `scripts` show"),
    CHECK_INTERVAL_KEY,
    FAILURE_THRESHOLD_KEY,
    SCRIPT_TIMEOUT_KEY,
    BW_KEY(DURATION, "kill_grace", GROUP(kill_grace_ms), .min = 10, .max = 60000, .absent = "1s",
           .help = "between TERM and KILL of a script that ran out of time"),
    BW_KEY(
        NUMBER, "local_restarts", GROUP(local_restarts), .max = BW_LOCAL_RESTARTS_MAX,
        .absent = "1",
        .help =
            "how often a service that is down is started again here before another site gets it"),
    SCRIPT_KEY(STATUS, "status_script", "status.sh", false, HERE_OR_THERE, STATUS_HELP),
    SCRIPT_KEY(START, "start_script", "start.sh", false, HERE_OR_LIST, START_HELP),
    SCRIPT_KEY(STOP, "stop_script", "stop.sh", false, HERE_OR_LIST, STOP_HELP),
    STEPS_KEY("start_steps", start_steps,
              "in place of start_script: steps that are run in parallel, but for what they need"),
    STEPS_KEY("stop_steps", stop_steps,
              "in place of stop_script, with a list of its own; it wants a fence_script"),
    SCRIPT_KEY(FENCE, "fence_script", "fence.sh", false, NULL,
               "the fast cut: nothing serves when it has ended; without it stop_script must fit "
               "into the fence window"),
    SCRIPT_KEY(CONDITION, "condition_check_script", "check.sh", false, NULL, CONDITION_HELP),
    SCRIPT_KEY(READINESS, "readiness_script", "readiness.sh", false, NULL,
               "exit 0 when this site could take over; prints lag_seconds=N and position=N"),
    SCRIPT_KEY(VERIFY, "verify_script", "verify.sh", false, NULL,
               "exit 0 when the service answers after a start"),
    SCRIPT_KEY(REJOIN, "rejoin_script", "rejoin.sh", false, NULL,
               "DESTRUCTIVE: brings this site's data back behind another site's, after a failover"),
    SCRIPT_KEY(REMOTE_FENCE, "remote_fence_script", "remote-fence.sh", false, NULL,
               "ends the service at the site in BREAKWATER_PREVIOUS_SITE from here, through its "
               "cluster's or storage's API; exit 0 only when it has seen the end; refuses an epoch "
               "below the newest that it finds there"),
    LIMIT_KEY(STATUS, "status_timeout", "limit of status_script"),
    LIMIT_KEY(START, "start_timeout", "limit of start_script, and then of status to say started"),
    LIMIT_KEY(STOP, "stop_timeout", "limit of stop_script"),
    BW_KEY(
        DURATION, "fence_timeout", GROUP(timeout_ms[BW_ACTION_FENCE]), .min = LIMIT_MS_MIN,
        .max = LIMIT_MS_MAX, .absent = BW_FENCE_TIMEOUT_ABSENT,
        .help =
            "limit of fence_script; a deadline cuts it to the group's fence_timeout less a third "
            "of that, 5 s at most; where the service is outside its reach, at the deadline itself"),
    LIMIT_KEY(CONDITION, "condition_timeout", "limit of condition_check_script"),
    LIMIT_KEY(READINESS, "readiness_timeout", "limit of readiness_script"),
    LIMIT_KEY(VERIFY, "verify_timeout", "limit of verify_script"),
    LIMIT_KEY(REJOIN, "rejoin_timeout", "limit of rejoin_script"),
    LIMIT_KEY(REMOTE_FENCE, "remote_fence_timeout", "limit of remote_fence_script"),
    BW_KEY(ENV, "env", GROUP(env), .count_offset = GROUP(env_count), .max = BW_ENV_MAX,
           .help = "variables for every script of the group, besides those named BREAKWATER_..."),
};

static const struct bw_table group_table = {
    .name = "groups[]",
    .help = "how one group is run and enforced at this site",
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
           .help = "where the agent answers its second enforcer: mutual TLS, for certificates of agents of "
                   "this site"),
    BW_KEY(ADDRESS, "agent", SECOND(agent), .example = "agent.dc-a.example.net:7410",
           .help = "where a second enforcer with this file asks the agent"),
};

static const struct bw_table second_table = {
    .name = "second_enforcer",
    .help = "a second enforcer, on another machine, for a service that outlives the guard's",
    .keys = second_keys,
    .key_count = BW_KEY_COUNT(second_keys),
    .size = sizeof(struct bw_second_config),
};

static const struct bw_key site_keys[] = {
    BW_KEY(NAME, "cluster", SITE(cluster), .required = true, .example = "prod",
           .help = "the cluster's name, as in every certificate"),
    BW_KEY(NAME, "site", SITE(site), .required = true, .example = "dc-a",
           .help = "the site that this agent and this guard speak for"),
    BW_KEY(NAME, "name", SITE(name), .required = true, .example = "agent-1",
           .help = "the agent's name, as in its certificate"),
    BW_KEY(PATH, "state_dir", SITE(state_dir), .absent = BW_STATE_DIR_ABSENT,
           .help = "what agent and guard must not forget; never copied, restored or shared"),
    BW_KEY(PATH, "run_dir", SITE(run_dir), .absent = "/run/breakwater",
           .help =
               "where guard and second enforcer mirror deadlines: must outlive them, not the boot; to the agent a new directory is a reboot"),
    BW_KEY(PATH, "guard_socket", SITE(guard_socket), .max = BW_SOCKET_PATH_MAX,
           .absent = BW_GUARD_SOCKET_ABSENT, .help = "where the agent finds its guard"),
    BW_KEY(MAP, "tls", SITE(tls), .table = &bw_tls_config_table, .required = true,
           .example = "{ca: ca.pem, identity: agent.pem}",
           .help = "who is trusted, and who this agent is"),
    BW_KEY(
        LIST, "witnesses", SITE(witnesses), .item = BW_KEY_ADDRESS, .required = true,
        .count_offset = SITE(witness_count), .min = 1, .max = BW_WITNESSES_MAX,
        .example = "[w1.example.net:7400, w2.example.net:7400, w3.example.net:7400]",
        .help = "all witnesses, by their `address`; members that a leader tells of later are asked "
                "beside them, after a restart too"),
    BW_KEY(
        MAP, "second_enforcer", SITE(second), .table = &second_table,
        .example = "{listen: 0.0.0.0:7410}",
        .help = "a second enforcer, on another machine, for a service that outlives the guard's"),
    /* its help names BW_SITE_GROUPS_MAX */
    BW_KEY(LIST, "groups", SITE(groups), .item = BW_KEY_MAP, .table = &group_table,
           .required = true, .count_offset = SITE(group_count), .min = 1, .max = BW_SITE_GROUPS_MAX,
           .help = "the groups that this site can run, 256 at most"),
    BW_KEY(ADDRESS, "health_listen", SITE(health_listen), .absent_note = "nobody is answered",
           .min = 1,
           .help = "where the agent tells load balancers, over plain HTTP, whether this site is a "
                   "group's primary: GET /v1/groups/GROUP/primary, 200 or 503"),
    BW_KEY(
        ADDRESS, "admission_listen", SITE(admission_listen), .absent_note = "nobody is answered",
        .min = 1,
        .help = "where the agent tells API servers of Kubernetes, over HTTPS, whether a pod of a "
                "group's service may be made at this site: POST /v1/groups/GROUP/admission"),
    BW_KEY(
        BOOL, "allow_writable_scripts", SITE(allow_writable_scripts),
        .help = "run scripts that others than root and the guard's user can change: the file, or a "
                "directory on the way to it. false: they are refused, and nothing of them runs"),
    BW_KEY(WORD, "log_level", SITE(log_level), .words = bw_log_level_words, .absent = "info",
           .help = "the least urgent that is logged"),
};

const struct bw_table bw_site_config_table = {
    .name = "site.yaml",
    .help = "what agent and guard of one site need to know",
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
