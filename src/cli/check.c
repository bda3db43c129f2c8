/* breakwater check FILE...: everything that can be known before anything is started. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/cli_config.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/script_hint.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/consensus/data_dir.h>
#include <breakwater/core/guard.h>
#include <breakwater/core/lease.h>
#include <breakwater/os/path_owner.h>

#include "check.h"
#include "options.h"
#include "verbs.h"

#define ELECTION_TIMEOUT_MS_ABSENT 1000
#define DRIFT_PPM_ABSENT           1000
#define STATE_FSYNC_MS_MAX         100

struct check_values {
    bool offline;
    bool connect;
    const char *election_timeout;
};

static const struct bw_option check_options[] = {
    BW_OPTION_FLAG(struct check_values, offline, "offline", 0,
                   "check only the files, without this machine"),
    BW_OPTION_FLAG(struct check_values, connect, "connect", 0,
                   "also dial what the files name, with their own certificates"),
    BW_OPTION_TEXT(struct check_values, election_timeout, "election-timeout", 0, "D",
                   "for groups files (that of a witness file, else 1s)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command check_command = {
    .name = "check",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = BW_CHECK_FILES_MAX,
    .help =
        "Checks files for witnesses, sites, groups and commands, and this machine: certificates,\n"
        "directories, scripts, clock. check recognizes each kind by its keys, compares files that are\n"
        "given together, and only reads. With --connect, check also dials the witnesses and the guard\n"
        "of this machine, for 3 s each.\n"
        "Exit status: 0 the check passed, maybe with warnings; 1 a check failed.",
    .options = check_options,
};

/* One file, with what it holds once it was loaded. */
struct checked_file {
    const char *name;
    enum bw_config_kind kind;
    bool has_failed; /* a line said so; what could be loaded is judged all the same */
    struct bw_check_user user; /* of a witness */
    struct bw_witness_config *witness;
    struct bw_site_config *site;
    struct bw_groups_config *groups;
    struct bw_cli_config *cli;
};

struct check {
    struct bw_check_lines lines;
    bool connects;
    enum bw_config_scope scope;
    uint32_t election_timeout_ms;
    bool is_election_timeout_given;
    uint32_t drift_ppm_max;
    struct checked_file files[BW_CHECK_FILES_MAX];
    size_t file_count;
};

/* ---- loading ------------------------------------------------------------------------------- */

/* The problems go to stderr with their source lines; the verdict to stdout. */
static void print_problems(struct check *check, const char *file, struct bw_problems *problems)
{
    (void)fflush(stdout); /* keeps the order where both are one; a failure stays in stdout */
    bw_problems_print(problems, "it would not be used", stderr);
    if (problems->error_count > 0)
        bw_check_line(&check->lines, BW_CHECK_FAIL, file, "%" PRIu32 " problem%s, see above",
                      problems->error_count, problems->error_count == 1 ? "" : "s");
    else if (problems->warning_count > 0)
        bw_check_line(&check->lines, BW_CHECK_WARN, file, "%" PRIu32 " warning%s, see above",
                      problems->warning_count, problems->warning_count == 1 ? "" : "s");
}

static enum bw_err load(const struct check *check, struct checked_file *file,
                        struct bw_problems *problems)
{
    switch (file->kind) {
    case BW_CONFIG_KIND_UNKNOWN:
        bw_problems_add_file(problems, false, file->name,
                             "has no key of a witness, site, groups or cli file");
        return BW_ERR_INVALID;
    case BW_CONFIG_KIND_WITNESS:
        return bw_witness_config_load(file->name, check->scope, &file->witness, problems);
    case BW_CONFIG_KIND_SITE:
        return bw_check_load_site(file->name, check->scope, &file->site, problems);
    case BW_CONFIG_KIND_GROUPS:
        return bw_groups_config_load(file->name, check->election_timeout_ms, &file->groups,
                                     problems);
    case BW_CONFIG_KIND_CLI:
        return bw_cli_config_load(file->name, check->scope, &file->cli, problems);
    case BW_CONFIG_KIND_SEVEN_KEYS:
        return bw_seven_keys_load(file->name, check->scope, &file->site, problems);
    }
    return BW_ERR_INVALID;
}

/* A file that fails only here, for its scripts or for who can change it, still says which certificate and
 * which directories to look at. */
static void load_by_itself(struct checked_file *file)
{
    struct bw_problems reported;

    bw_problems_init(&reported);
    if (file->kind == BW_CONFIG_KIND_SITE &&
        bw_site_config_load(file->name, BW_CONFIG_OFFLINE, &file->site, &reported) != BW_OK)
        file->site = NULL;
    if (file->kind == BW_CONFIG_KIND_WITNESS &&
        bw_witness_config_load(file->name, BW_CONFIG_OFFLINE, &file->witness, &reported) != BW_OK)
        file->witness = NULL;
    bw_problems_deinit(&reported);
}

/* Design 5.4: what the witness would refuse depends on who it is. */
static void find_user(struct checked_file *file)
{
    load_by_itself(file);
    if (file->witness != NULL)
        bw_check_user_find(file->witness->tls.identity, file->witness->data_dir, &file->user);
    bw_witness_config_free(file->witness);
    file->witness = NULL;
}

/* False: a line says that it cannot be judged. */
static bool enter(struct check *check, const struct checked_file *file)
{
    if (bw_check_user_enter(&file->user))
        return true;
    bw_check_line(
        &check->lines, BW_CHECK_FAIL, file->name,
        "the %s is user %s's, and this process may not look as that user; run check as %s",
        file->user.owns, file->user.name, file->user.name);
    return false;
}

static void load_file(struct check *check, struct checked_file *file)
{
    struct bw_problems problems;
    enum bw_err err;

    if (file->kind == BW_CONFIG_KIND_WITNESS && check->scope == BW_CONFIG_HERE)
        find_user(file);
    if (!enter(check, file))
        return;
    bw_problems_init(&problems);
    err = load(check, file, &problems);
    bw_check_user_leave(&file->user);
    BW_ASSERT((err == BW_OK) == (problems.error_count == 0));
    print_problems(check, file->name, &problems);
    bw_problems_deinit(&problems);
    file->has_failed = err != BW_OK;
    if (file->has_failed)
        load_by_itself(file);
    if (file->witness != NULL && !check->is_election_timeout_given)
        check->election_timeout_ms = file->witness->election_timeout_ms;
}

/* Finds out what the file is. False: it is no YAML, and that was said. */
static bool detect(struct check *check, struct checked_file *file)
{
    struct bw_problems problems;
    struct bw_document document;
    bool is_readable;

    bw_problems_init(&problems);
    is_readable = bw_document_open(&document, file->name, &problems) == BW_OK &&
                  document.root != NULL;
    file->kind = bw_config_kind_detect(&document);
    bw_document_deinit(&document);
    if (!is_readable)
        print_problems(check, file->name, &problems);
    bw_problems_deinit(&problems);
    return is_readable;
}

static void free_files(struct check *check)
{
    for (size_t i = 0; i < check->file_count; i++) {
        bw_witness_config_free(check->files[i].witness);
        bw_site_config_free(check->files[i].site);
        bw_groups_config_free(check->files[i].groups);
        bw_cli_config_free(check->files[i].cli);
    }
}

/* ---- what each kind of file asks for ------------------------------------------------------- */

/* As the witness itself would judge it at its start. */
static void check_owner(struct bw_check_lines *lines, const struct bw_witness_config *config)
{
    struct bw_data_dir_identity wanted = {.witness_id = config->witnesses[config->self].id,
                                          .election_timeout_ms = config->election_timeout_ms};
    struct bw_data_dir_identity identity = {0};
    struct bw_diag diag = {0};
    enum bw_err err;

    if (access(config->data_dir, R_OK | X_OK) != 0)
        return; /* said of the directory itself */
    BW_ASSERT(bw_copy_text(wanted.cluster, sizeof wanted.cluster, config->cluster));
    err = bw_data_dir_look(config->data_dir, &identity, &diag);
    if (err == BW_OK)
        err = bw_data_dir_is_meant(config->data_dir, &identity, &wanted, &diag);
    if (err != BW_OK)
        bw_check_line(lines, err == BW_ERR_NOT_FOUND ? BW_CHECK_WARN : BW_CHECK_FAIL,
                      "data directory", "%s", diag.text);
}

static void check_witness(struct check *check, const struct checked_file *file)
{
    const struct bw_witness_config *config = file->witness;
    const struct bw_check_identity identity = {.cluster = config->cluster,
                                               .roles = BW_ROLE_BIT(BW_ROLE_WITNESS),
                                               .site = "",
                                               .name = config->name,
                                               .address = config->witnesses[config->self].address};

    if (!file->has_failed)
        bw_check_line(&check->lines, BW_CHECK_OK, file->name,
                      "witness %s, one of %" PRIu32 " of cluster %s", config->name,
                      config->witness_count, config->cluster);
    if (config->people.count > 0)
        bw_check_line(&check->lines, BW_CHECK_WARN, file->name,
                      "people counts at this witness only, until a list for all is applied: breakwater apply -f FILE; "
                      "check --connect says whether one is");
    if (check->scope == BW_CONFIG_OFFLINE || !enter(check, file))
        return;
    if (file->user.uid != 0)
        bw_check_line(&check->lines, BW_CHECK_OK, "user",
                      "judged as %s, who owns the %s: the witness has to run as that user",
                      file->user.name, file->user.owns);
    bw_check_owners(&check->lines, &config->tls);
    bw_check_certificate(&check->lines, &config->tls, &identity);
    if (bw_check_kept(&check->lines, "data directory", config->data_dir, "") &&
        bw_check_kept(&check->lines, "data directory", config->data_dir, "/" BW_DATA_DIR_RAFT))
        check_owner(&check->lines, config);
    if (config->on_event != NULL)
        bw_check_script(&check->lines, "event_script", config->on_event);
    /* A leader writes before it answers: an fsync must be short beside an election. */
    bw_check_directory(&check->lines, "data directory", config->data_dir,
                       "`breakwater witness init` makes it; if it was there before and is lost, the other witnesses refuse "
                       "a new one: check --connect asks them", config->election_timeout_ms / 10);
    bw_check_witness_unit(&check->lines, config->data_dir);
    bw_check_snapshots(&check->lines, "data directory", config->data_dir);
    bw_check_user_leave(&file->user);
}

/* Design 3.4: beforehand, from the text alone; the trial of the scripts measures it. */
static void check_hint(struct check *check, const struct bw_group_config *group, const char *start)
{
    const struct bw_script_hint hint = bw_script_hint_read(start);

    switch (hint.kind) {
    case BW_SCRIPT_HINT_NONE:
        break;
    case BW_SCRIPT_HINT_UNIT:
        bw_check_line(&check->lines, BW_CHECK_WARN, group->name,
                      "%s:%" PRIu32 " calls systemctl (a hint, from its text): a unit is outside "
                      "of the guard's cgroup; write  stop_method: units  and  units: [%s]",
                      start, hint.line, hint.unit[0] != '\0' ? hint.unit : "NAME.service");
        break;
    case BW_SCRIPT_HINT_CONTAINERS:
        bw_check_line(&check->lines, BW_CHECK_WARN, group->name,
                      "%s:%" PRIu32 " calls %s (a hint, from its text): a container is outside "
                      "of the guard's cgroup; with compose write  stop_method: containers  and  "
                      "containers: [PROJECT]",
                      start, hint.line, hint.word);
        break;
    case BW_SCRIPT_HINT_ELSEWHERE:
        bw_check_line(
            &check->lines, BW_CHECK_WARN, group->name,
            "%s:%" PRIu32 " calls %s (a hint, from its text): what that runs is outside of "
            "the guard's cgroup; without a second enforcer time alone does not end it, a lost site "
            "then "
            "waits for a remote_fence_script of another one, or confirm-fenced. Measure it: "
            "breakwater-chaos scripts",
            start, hint.line, hint.word);
        break;
    }
}

static void check_reach(struct check *check, const struct bw_group_config *group)
{
    for (size_t i = 0; i < group->unit_count; i++) {
        if (group->enforce == BW_REACH_CONTAINERS)
            bw_check_service_containers(&check->lines, group->name, group->container_tool,
                                        group->units[i]);
        else
            bw_check_service_unit(&check->lines, group->name, group->units[i]);
    }
    if (group->enforce != BW_REACH_CGROUP)
        return;
    if (group->scripts[BW_ACTION_START] != NULL)
        check_hint(check, group, group->scripts[BW_ACTION_START]);
    for (uint32_t i = 0; i < group->start_steps.count; i++)
        check_hint(check, group, group->start_steps.items[i].script);
}

/* The guard looks again each time, and refuses what is so by then (design 5.1). */
static void check_script_owner(struct check *check, const struct bw_group_config *group,
                               const char *key, const char *script)
{
    char path[BW_PATH_OWNER_BYTES];

    if (!bw_path_is_writable(script, path))
        return;
    if (group->allow_writable_scripts)
        bw_check_line(&check->lines, BW_CHECK_WARN, group->name,
                      "%s: %s can be changed by others than root and this user; it is run all the "
                      "same (allow_writable_scripts)",
                      key, path);
    else
        bw_check_line(&check->lines, BW_CHECK_FAIL, group->name,
                      "%s: %s can be changed by others than root and this user: the guard "
                      "refuses it (chown root, chmod go-w; or allow_writable_scripts: true)",
                      key, path);
}

static void check_script_here(struct check *check, const struct bw_group_config *group,
                              const char *key, const char *script)
{
    check_script_owner(check, group, key, script);
    bw_check_interpreter(&check->lines, group->name, key, script);
}

static void check_scripts_here(struct check *check, const struct bw_group_config *group)
{
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const struct bw_steps_config *steps = bw_group_config_steps(group,
                                                                    (enum bw_action_kind)action);

        if (group->scripts[action] != NULL)
            check_script_here(check, group, bw_script_key((enum bw_action_kind)action),
                              group->scripts[action]);
        for (uint32_t i = 0; steps != NULL && i < steps->count; i++)
            check_script_here(check, group,
                              bw_group_config_run_name(group, (enum bw_action_kind)action),
                              steps->items[i].script);
    }
}

/* All that agent and guard, or a second enforcer, will believe after a restart. */
static void check_kept(struct check *check, const struct bw_site_config *config)
{
    const bool has_second = config->second.agent[0] != '\0';
    char mirrors[BW_NAME_MAX + sizeof "/-second"];

    if (bw_check_kept(&check->lines, "state directory", config->state_dir, "") &&
        bw_check_kept(&check->lines, "state directory", config->state_dir, "/agent") &&
        bw_check_kept(&check->lines, "state directory", config->state_dir, "/guard") && has_second)
        (void)bw_check_kept(&check->lines, "state directory", config->state_dir, "/second");
    (void)snprintf(mirrors, sizeof mirrors, "/%s-guard", config->site); /* sized by the name */
    if (!bw_check_kept(&check->lines, "run directory", config->run_dir, mirrors) || !has_second)
        return;
    (void)snprintf(mirrors, sizeof mirrors, "/%s-second", config->site);
    (void)bw_check_kept(&check->lines, "run directory", config->run_dir, mirrors);
}

static bool is_right_in(const char *path, const char *dir)
{
    const size_t length = strlen(dir);
    const char *const rest = path + length;

    return strncmp(path, dir, length) == 0 && (*rest == '/' || dir[length - 1] == '/') &&
           strchr(rest + (*rest == '/'), '/') == NULL;
}

/* Of the ways to what guard and second enforcer make they make the last step. */
static void check_ways(struct check *check, const struct bw_site_config *config)
{
    (void)bw_check_around(&check->lines, "run directory", config->run_dir);
    if (config->second.agent[0] == '\0' && !is_right_in(config->guard_socket, config->run_dir))
        (void)bw_check_around(&check->lines, "guard_socket", config->guard_socket);
}

static void check_site(struct check *check, const struct checked_file *file)
{
    const struct bw_site_config *config = file->site;
    const struct bw_check_identity identity = {.cluster = config->cluster,
                                               .roles = BW_ROLE_BIT(BW_ROLE_AGENT),
                                               .site = config->site,
                                               .name = config->name};

    if (!file->has_failed)
        bw_check_line(&check->lines, BW_CHECK_OK, file->name,
                      "agent and guard of site %s, %" PRIu32 " group%s, %" PRIu32 " witness%s",
                      config->site, config->group_count, config->group_count == 1 ? "" : "s",
                      config->witness_count, config->witness_count == 1 ? "" : "es");
    bw_check_second(&check->lines, file->name, config);
    for (uint32_t i = 0; i < config->group_count; i++) {
        bw_check_group(&check->lines, &config->groups[i]);
    }
    if (check->scope == BW_CONFIG_OFFLINE)
        return;
    bw_check_owners(&check->lines, &config->tls);
    bw_check_certificate(&check->lines, &config->tls, &identity);
    check_kept(check, config);
    check_ways(check, config);
    bw_check_members(&check->lines, file->name, config);
    bw_check_followed(&check->lines, config);
    bw_check_directory(&check->lines, "state directory", config->state_dir,
                       "it is made at the first start", STATE_FSYNC_MS_MAX);
    if (config->health_listen[0] != '\0')
        bw_check_health_listen(&check->lines, config->health_listen);
    bw_check_cgroups(&check->lines);
    bw_check_guard_unit(&check->lines);
    for (uint32_t i = 0; i < config->group_count; i++) {
        check_scripts_here(check, &config->groups[i]);
        bw_check_parts(&check->lines, &config->groups[i]);
        bw_check_settings(&check->lines, config->site, &config->groups[i]);
        check_reach(check, &config->groups[i]);
    }
}

static void check_groups(struct check *check, const struct checked_file *file)
{
    char election[BW_DURATION_TEXT_BYTES];
    char ttl[BW_DURATION_TEXT_BYTES];
    char ttl_min[BW_DURATION_TEXT_BYTES];
    char trip[BW_DURATION_TEXT_BYTES];

    if (file->groups->people.count > 0) {
        bw_check_line(&check->lines, BW_CHECK_OK, file->name, "who may do what: %" PRIu32 " entries",
                      file->groups->people.count);
        return;
    }
    bw_check_line(&check->lines, BW_CHECK_OK, file->name, "%" PRIu32 " group%s",
                  file->groups->group_count, file->groups->group_count == 1 ? "" : "s");
    bw_duration_format(check->election_timeout_ms, election);
    for (uint32_t i = 0; i < file->groups->group_count; i++) {
        const struct bw_spec *spec = &file->groups->groups[i].spec;

        bw_duration_format(spec->lease_ttl_ms, ttl);
        bw_duration_format((uint32_t)bw_spec_lease_ttl_ms_min(spec, check->election_timeout_ms),
                           ttl_min);
        bw_duration_format(bw_spec_trip_ms_max(spec, check->election_timeout_ms), trip);
        bw_check_line(&check->lines, BW_CHECK_OK, spec->name,
                      "lease_ttl %s, needed %s (with election_timeout %s); round trips of up to %s", ttl, ttl_min,
                      election, trip);
    }
}

static void check_cli(struct check *check, const struct checked_file *file)
{
    const struct bw_check_identity identity = {
        .roles = BW_ROLE_BIT(BW_ROLE_OPERATOR) | BW_ROLE_BIT(BW_ROLE_VIEWER), .site = ""};

    bw_check_line(&check->lines, BW_CHECK_OK, file->name, "%" PRIu32 " endpoint%s",
                  file->cli->endpoint_count, file->cli->endpoint_count == 1 ? "" : "s");
    if (check->scope == BW_CONFIG_HERE) {
        bw_check_certificate(&check->lines, &file->cli->tls, &identity);
        bw_check_owners(&check->lines, &file->cli->tls);
    }
}

/* Of a file that names certificates; NULL: of another kind. */
static const struct bw_tls_config *tls_of(const struct checked_file *file)
{
    if (file->witness != NULL)
        return &file->witness->tls;
    if (file->cli != NULL)
        return &file->cli->tls;
    return file->site != NULL && file->kind == BW_CONFIG_KIND_SITE ? &file->site->tls : NULL;
}

static void check_file(struct check *check, const struct checked_file *file)
{
    const struct bw_tls_config *tls = tls_of(file);

    if (tls != NULL && check->scope == BW_CONFIG_OFFLINE) /* here the certificate's line says it */
        bw_check_revoked(&check->lines, file->name, tls);
    if (file->witness != NULL)
        check_witness(check, file);
    else if (file->groups != NULL)
        check_groups(check, file);
    else if (file->cli != NULL)
        check_cli(check, file);
    else if (file->site != NULL && file->kind == BW_CONFIG_KIND_SITE)
        check_site(check, file);
    else if (file->site != NULL)
        bw_check_line(&check->lines, BW_CHECK_OK, file->name,
                      "the seven keys; a group of a site file names it as \"legacy_config: FILE\"");
}

/* ---- files against each other -------------------------------------------------------------- */

/* The limit of what this site's fence runs, as its guard reports it (3.2.4). */
static uint32_t fence_bound_ms(const struct bw_group_config *group)
{
    struct bw_guard_limits limits = {.kill_grace_ns = bw_ms_to_ns(group->kill_grace_ms)};

    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        limits.has_script[action] = bw_group_config_has(group, action);
        limits.timeout_ns[action] = bw_ms_to_ns(group->timeout_ms[action]);
    }
    return bw_guard_fence_bound_ms(&limits);
}

static void check_fence(struct check *check, const struct bw_site_config *site,
                        const struct bw_group_config *group, const struct bw_spec *spec)
{
    const bool has_fence = group->scripts[BW_ACTION_FENCE] != NULL;
    const uint32_t bound_ms = fence_bound_ms(group);
    const bool is_remote = group->enforce == BW_REACH_REMOTE; /* what else is outside is seen later, where it runs */
    const uint32_t end_ms = bw_lease_script_ms(spec->fence_timeout_ms, !is_remote);
    const bool is_cut = bw_lease_cuts_script(spec->fence_timeout_ms, bound_ms, !is_remote);
    char bound[BW_DURATION_TEXT_BYTES];
    char end[BW_DURATION_TEXT_BYTES];
    char fence[BW_DURATION_TEXT_BYTES];

    if (group->scripts[BW_ACTION_STATUS] == NULL)
        return; /* its `scripts:` is not here; a warning said so */
    bw_duration_format(bound_ms, bound);
    bw_duration_format(end_ms, end);
    bw_duration_format(spec->fence_timeout_ms, fence);
    bw_check_line(
        &check->lines, is_cut ? BW_CHECK_WARN : BW_CHECK_OK, group->name,
        "at %s: %s = %s, %s comes %s after a fence began (fence_window of the group = %s)%s",
        site->site, has_fence ? "fence_timeout of the site" : "stop_timeout (no fence_script)",
        bound, is_remote ? "the deadline" : "TERM", end, fence, is_cut ? ": in a fence the script is cut to that" : "");
}

/* A lag that nobody measures is not zero (4). */
static void check_lag(struct check *check, const struct bw_site_config *site,
                      const struct bw_group_config *group, const struct bw_spec *spec)
{
    const bool is_candidate = !spec->sites[bw_spec_find_site(spec, site->site)].never_candidate;

    if (is_candidate && spec->on_lag == BW_ON_LAG_REFUSE &&
        group->scripts[BW_ACTION_STATUS] != NULL && group->scripts[BW_ACTION_READINESS] == NULL)
        bw_check_line(
            &check->lines, BW_CHECK_WARN, spec->name,
            "at %s: no readiness_script says how far behind it is, and on_lag is refuse: it "
            "follows by itself never; write one, or on_lag: allow, or have a person say "
            "breakwater failover %s --to %s --accept-data-loss",
            site->site, spec->name, site->site);
}

static void check_pair(struct check *check, const struct bw_site_config *site,
                       const struct bw_groups_config *groups)
{
    for (uint32_t i = 0; i < groups->group_count; i++) {
        const struct bw_spec *spec = &groups->groups[i].spec;
        const struct bw_group_config *group = bw_site_config_find(site, spec->name);
        const bool is_member = bw_spec_find_site(spec, site->site) >= 0;

        if (group != NULL && is_member) {
            check_fence(check, site, group, spec);
            bw_check_loop(&check->lines, site->site, group, spec, check->election_timeout_ms);
            check_lag(check, site, group, spec);
        } else if (group != NULL) {
            bw_check_line(&check->lines, BW_CHECK_FAIL, spec->name,
                          "site %s runs it, but is not among the sites of the group", site->site);
        } else if (is_member) {
            bw_check_line(&check->lines, BW_CHECK_FAIL, spec->name,
                          "site %s is among its sites, but has no such group in its file",
                          site->site);
        }
    }
}

static void check_clusters(struct check *check)
{
    const char *first = NULL;

    for (size_t i = 0; i < check->file_count; i++) {
        const struct checked_file *file = &check->files[i];
        const char *cluster = file->witness != NULL ? file->witness->cluster : NULL;

        if (file->site != NULL && file->kind == BW_CONFIG_KIND_SITE)
            cluster = file->site->cluster;
        if (cluster == NULL)
            continue;
        if (first != NULL && strcmp(first, cluster) != 0)
            bw_check_line(&check->lines, BW_CHECK_FAIL, file->name,
                          "is of cluster %s, another file of cluster %s", cluster, first);
        first = first != NULL ? first : cluster;
    }
}

/* Each with each: two of three may be the same one. */
static void check_witnesses(struct check *check)
{
    for (size_t i = 0; i < check->file_count; i++) {
        const struct checked_file *file = &check->files[i];

        for (size_t j = 0; j < i && file->witness != NULL; j++)
            if (check->files[j].witness != NULL)
                bw_check_witness_pair(&check->lines, file->name, file->witness,
                                      check->files[j].name, check->files[j].witness);
    }
}

static void check_addresses(struct check *check, const struct checked_file *file,
                            const struct checked_file *witness)
{
    if (file->kind == BW_CONFIG_KIND_SITE && file->site != NULL)
        bw_check_endpoints(&check->lines, file->name, "witnesses", file->site->witnesses,
                           file->site->witness_count, witness->name, witness->witness);
    if (file->cli != NULL)
        bw_check_endpoints(&check->lines, file->name, "endpoints", file->cli->endpoints,
                           file->cli->endpoint_count, witness->name, witness->witness);
}

/* Once each pair; addresses against one witness file, since those are compared with each other. */
static void check_pairs(struct check *check)
{
    const struct checked_file *witness = NULL;

    for (size_t i = 0; i < check->file_count; i++) {
        const struct checked_file *file = &check->files[i];

        if (witness == NULL && file->witness != NULL)
            witness = file;
        for (size_t j = 0; j < i; j++) {
            const struct checked_file *other = &check->files[j];

            bw_check_same_file(&check->lines, file->name, other->name);
            if (file->kind == BW_CONFIG_KIND_SITE && file->site != NULL &&
                other->kind == BW_CONFIG_KIND_SITE && other->site != NULL) {
                bw_check_site_pair(&check->lines, file->name, file->site, other->name,
                                   other->site);
                bw_check_second_pair(&check->lines, check->scope, file->name, file->site,
                                     other->name, other->site);
            }
        }
    }
    for (size_t i = 0; i < check->file_count && witness != NULL; i++)
        check_addresses(check, &check->files[i], witness);
}

static void check_handovers(struct check *check, const struct bw_groups_config *groups)
{
    const struct bw_site_config *sites[BW_CHECK_FILES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < check->file_count; i++)
        if (check->files[i].kind == BW_CONFIG_KIND_SITE && check->files[i].site != NULL)
            sites[count++] = check->files[i].site;
    for (uint32_t i = 0; i < groups->group_count; i++) {
        bw_check_handover(&check->lines, &groups->groups[i].spec, sites, count);
        bw_check_second_grade(&check->lines, &groups->groups[i].spec, sites, count);
    }
}

static void check_together(struct check *check)
{
    bool is_daemon = false;

    check_clusters(check);
    check_witnesses(check);
    check_pairs(check);
    check->drift_ppm_max = UINT32_MAX;
    for (size_t i = 0; i < check->file_count; i++) {
        const struct checked_file *file = &check->files[i];

        is_daemon |= file->kind == BW_CONFIG_KIND_WITNESS || file->kind == BW_CONFIG_KIND_SITE;
        for (size_t j = 0; j < check->file_count && file->groups != NULL; j++) {
            if (check->files[j].kind == BW_CONFIG_KIND_SITE && check->files[j].site != NULL)
                check_pair(check, check->files[j].site, file->groups);
        }
        if (file->groups != NULL)
            check_handovers(check, file->groups);
        for (uint32_t g = 0; file->groups != NULL && g < file->groups->group_count; g++) {
            if (file->groups->groups[g].spec.max_clock_drift_ppm < check->drift_ppm_max)
                check->drift_ppm_max = file->groups->groups[g].spec.max_clock_drift_ppm;
        }
    }
    if (is_daemon && check->scope == BW_CONFIG_HERE)
        bw_check_chrony(&check->lines, check->drift_ppm_max != UINT32_MAX ? check->drift_ppm_max : DRIFT_PPM_ABSENT,
                        check->drift_ppm_max != UINT32_MAX);
}

/* ---- dialling what they name --------------------------------------------------------------- */

static void connect_file(struct check *check, const struct checked_file *file, struct bw_check_trip *longest)
{
    if (file->witness != NULL && enter(check, file)) {
        bw_check_connect_witness(&check->lines, file->name, file->witness, longest);
        bw_check_user_leave(&file->user);
    } else if (file->cli != NULL) {
        bw_check_connect_cli(&check->lines, file->name, file->cli);
    } else if (file->site != NULL && file->kind == BW_CONFIG_KIND_SITE) {
        bw_check_connect_site(&check->lines, file->name, file->site, longest);
    }
}

/* The timings of each group in these files, or else the defaults, beside the longest round trip and the latest timer. */
static void judge_timings(struct check *check, const struct bw_check_trip *longest)
{
    uint64_t stall_us = UINT64_MAX; /* not measured yet */
    struct bw_spec spec;
    bool has_groups = false;

    for (size_t i = 0; i < check->file_count; i++) {
        const struct bw_groups_config *groups = check->files[i].groups;

        for (uint32_t g = 0; groups != NULL && g < groups->group_count; g++) {
            bw_check_trip_borne(&check->lines, longest, &groups->groups[g].spec, check->election_timeout_ms, false);
            bw_check_stall_borne(&check->lines, &stall_us, &groups->groups[g].spec, check->election_timeout_ms);
        }
        has_groups = has_groups || groups != NULL;
    }
    bw_spec_defaults(&spec);
    if (!has_groups)
        bw_check_trip_borne(&check->lines, longest, &spec, check->election_timeout_ms, true);
}

/* ---- the verb ------------------------------------------------------------------------------ */

static enum bw_exit run(struct check *check)
{
    bool is_readable[BW_CHECK_FILES_MAX] = {false};
    struct bw_check_trip longest = {.us = 0};

    for (size_t i = 0; i < check->file_count; i++)
        is_readable[i] = detect(check, &check->files[i]);
    for (size_t i = 0; i < check->file_count; i++)
        if (is_readable[i] && check->files[i].kind == BW_CONFIG_KIND_WITNESS)
            load_file(check, &check->files[i]); /* first: groups need the election timeout */
    for (size_t i = 0; i < check->file_count; i++)
        if (is_readable[i] && check->files[i].kind != BW_CONFIG_KIND_WITNESS)
            load_file(check, &check->files[i]);
    for (size_t i = 0; i < check->file_count; i++)
        check_file(check, &check->files[i]);
    check_together(check);
    for (size_t i = 0; i < check->file_count && check->connects; i++)
        connect_file(check, &check->files[i], &longest);
    if (check->connects)
        judge_timings(check, &longest);
    if (!check->lines.is_quiet)
        (void)printf("%" PRIu32 " failed, %" PRIu32 " warning%s\n", check->lines.failed_count, check->lines.warned_count,
                     check->lines.warned_count == 1 ? "" : "s");
    return check->lines.failed_count > 0 ? BW_EXIT_FAILED : BW_EXIT_FINE;
}

/* Names the files, and frees what was loaded. */
static enum bw_exit run_of(struct check *check, const char *const *files, size_t count)
{
    enum bw_exit status;

    BW_ASSERT(count <= BW_CHECK_FILES_MAX);
    for (check->file_count = 0; check->file_count < count; check->file_count++)
        check->files[check->file_count].name = files[check->file_count];
    status = run(check);
    free_files(check);
    return status;
}

bool bw_check_offline(const char *const *files, size_t count)
{
    struct check check = {.lines = {.is_quiet = true},
                          .scope = BW_CONFIG_OFFLINE,
                          .election_timeout_ms = ELECTION_TIMEOUT_MS_ABSENT};

    return run_of(&check, files, count) == BW_EXIT_FINE;
}

enum bw_exit bw_verb_check(int argc, char **argv)
{
    struct check_values values = {0};
    struct check check = {.election_timeout_ms = ELECTION_TIMEOUT_MS_ABSENT};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&check_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.election_timeout != NULL && (!bw_duration_parse(values.election_timeout, &check.election_timeout_ms) ||
                                            check.election_timeout_ms == 0))
        return bw_usage_error(&check_command, "--election-timeout needs a duration such as 1s");
    if (values.connect && values.offline)
        return bw_usage_error(&check_command, "--connect is of this machine: not with --offline");
    check.scope = values.offline ? BW_CONFIG_OFFLINE : BW_CONFIG_HERE;
    check.connects = values.connect;
    check.is_election_timeout_given = values.election_timeout != NULL;
    return run_of(&check, (const char *const *)operands.items, operands.count);
}
