/* breakwater-chaos scripts: what could be wrong with these scripts that would hurt at night? */
#include <breakwater/trials/verb.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include <breakwater/base/bytes.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/document.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>

#include "api.h"
#include "elsewhere.h"
#include "options.h"
#include "proof.h"
#include "sandbox.h"
#include "trial.h"

#define SEVEN_KEYS_NAME          "scripts" /* of a group that has no name of its own */
#define SEVEN_KEYS_KILL_GRACE_MS 1000      /* kill_grace of site.yaml where it is absent */

struct scripts_values {
    const char *config;
    struct bw_option_list groups;
    const char *only;
    struct bw_option_list env;
    const char *output;
    bool is_running;
    bool no_namespace;
    bool others_are_off;
    bool is_reach;
    bool is_yes;
};

static const struct bw_option scripts_options[] = {
    BW_OPTION_TEXT(struct scripts_values, config, "config", 'c', "FILE",
                   "site.yaml, or a file with the seven keys of the replaced program"),
    BW_OPTION_LIST(struct scripts_values, groups, "group", 'g', "GROUP",
                   "only this group; may be repeated (all groups of the file)"),
    BW_OPTION_TEXT(struct scripts_values, only, "only", 0, "WORD,...",
                   "only watch, with these scripts: status, condition, readiness, verify"),
    BW_OPTION_FLAG(struct scripts_values, is_reach, "reach", 0,
                   "only test that a kill by the guard stops the service: one start"),
    BW_OPTION_LIST(struct scripts_values, env, "env", 'e', "NAME=VALUE",
                   "a variable that the guard's unit sets besides PATH; may be repeated"),
    BW_OPTION_FLAG(struct scripts_values, is_running, "running", 0,
                   "stop a running service before the test; it stays stopped"),
    BW_OPTION_FLAG(struct scripts_values, no_namespace, "no-namespace", 0,
                   "let the scripts see the processes of the whole machine"),
    BW_OPTION_FLAG(struct scripts_values, others_are_off, "other-sites-are-off", 0,
                   "you confirm that every other site is stopped, if no leader answers"),
    BW_OPTION_FLAG(struct scripts_values, is_yes, "yes", 'y', "skip the confirmation"),
    BW_OPTION_TEXT(struct scripts_values, output, "output", 'o', "text|json",
                   "output format (text)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command scripts_command = {
    .program = "breakwater-chaos",
    .name = "scripts",
    .operands = "",
    .help = "Tests the scripts of a site: status, start, status, start, stop, status, stop; starts and stops\n"
            "that are killed half-way; a fence alone, two fences at once, and a fence next to a killed start.\n"
            "Checks output, exit status, time and processes left behind, and proposes limits, fence_window\n"
            "and lease_ttl.\n"
            "It STARTS AND STOPS THE REAL SERVICE of this machine, and leaves it stopped; with --only it\n"
            "only watches. It asks the witnesses first, and is refused if another site may serve the group.\n"
            "Scripts run as the guard runs them, if possible in their own pid namespace; processes that they\n"
            "leave behind are found and killed.\n"
            "Exit status: 0 passed, 1 a problem, or interrupted, 3 warnings, 6 refused.",
    .options = scripts_options,
};

/* What is asked for, and what the groups are. */
struct request {
    struct scripts_values values;
    bool is_json;
    uint32_t only; /* 0: the whole trial */
    struct bw_site_config *site;
    const char *env[BW_OPTION_LIST_MAX + 1];
    int config_lock;
    int guard_dir; /* the guard's part of state_dir; -1: not opened */
    int guard_lock;
};

/* ---- options --------------------------------------------------------------------------------- */

static bool read_only(struct request *request)
{
    static const enum bw_action_kind watchable[] = {BW_ACTION_STATUS, BW_ACTION_CONDITION,
                                                    BW_ACTION_READINESS, BW_ACTION_VERIFY};
    const char *at = request->values.only;

    while (at != NULL && *at != '\0') {
        const size_t length = strcspn(at, ",");
        bool is_known = false;

        for (size_t i = 0; i < sizeof watchable / sizeof watchable[0]; i++) {
            const char *word = bw_action_word(watchable[i]);

            if (strlen(word) == length && strncmp(at, word, length) == 0) {
                request->only |= BW_TRIAL_BIT(watchable[i]);
                is_known = true;
            }
        }
        if (!is_known) {
            (void)bw_usage_error(&scripts_command,
                                 "--only: '%.*s' is unknown; expected status, condition, readiness or verify",
                                 (int)(length < 40 ? length : 40), at);
            return false;
        }
        at += length + (at[length] == ',');
    }
    if (request->values.only != NULL && request->only == 0) {
        (void)bw_usage_error(&scripts_command, "--only needs a script: status, condition, readiness or verify");
        return false;
    }
    return true;
}

static bool read_values(struct request *request)
{
    struct scripts_values *values = &request->values;

    if (values->config == NULL) {
        (void)bw_usage_error(&scripts_command, "needs -c FILE");
        return false;
    }
    if (values->output != NULL && strcmp(values->output, "text") != 0 &&
        strcmp(values->output, "json") != 0) {
        (void)bw_usage_error(&scripts_command, "--output '%.40s': expected text or json",
                             values->output);
        return false;
    }
    request->is_json = values->output != NULL && strcmp(values->output, "json") == 0;
    for (size_t i = 0; i < values->env.count; i++) {
        if (strchr(values->env.items[i], '=') == NULL || values->env.items[i][0] == '=') {
            (void)bw_usage_error(&scripts_command, "--env '%.40s': expected NAME=VALUE",
                                 values->env.items[i]);
            return false;
        }
        request->env[i] = values->env.items[i];
    }
    if (values->is_reach && values->only != NULL) {
        (void)bw_usage_error(&scripts_command, "--reach and --only cannot be combined");
        return false;
    }
    return read_only(request);
}

/* ---- the file -------------------------------------------------------------------------------- */

static enum bw_err load_kind(struct request *request, struct bw_problems *problems)
{
    const char *file = request->values.config;
    struct bw_document document;
    enum bw_config_kind kind = BW_CONFIG_KIND_SITE;
    struct bw_problems repeated;
    enum bw_err err;

    bw_problems_init(&repeated); /* what is wrong with it the loader says */
    if (bw_document_open(&document, file, &repeated) == BW_OK && document.root != NULL)
        kind = bw_config_kind_detect(&document);
    bw_document_deinit(&document);
    bw_problems_deinit(&repeated);
    if (kind != BW_CONFIG_KIND_SEVEN_KEYS)
        return bw_site_config_load(file, BW_CONFIG_HERE, &request->site, problems);
    err = bw_seven_keys_load(file, BW_CONFIG_HERE, &request->site, problems);
    if (err == BW_OK) {
        (void)bw_copy_text(request->site->groups[0].name, sizeof request->site->groups[0].name,
                           SEVEN_KEYS_NAME); /* both fit */
        (void)bw_copy_text(request->site->site, sizeof request->site->site, "here");
        request->site->groups[0].kill_grace_ms = SEVEN_KEYS_KILL_GRACE_MS;
    }
    return err;
}

static bool load(struct request *request)
{
    struct bw_problems problems;
    enum bw_err err;

    bw_problems_init(&problems);
    err = load_kind(request, &problems);
    bw_problems_print(&problems, "nothing was run", stderr);
    bw_problems_deinit(&problems);
    if (err != BW_OK)
        return false;
    for (size_t i = 0; i < request->values.groups.count; i++) {
        if (bw_site_config_find(request->site, request->values.groups.items[i]) == NULL) {
            (void)fprintf(stderr, "error: scripts: %s has no group '%.64s'; nothing was run\n",
                          request->values.config, request->values.groups.items[i]);
            return false;
        }
    }
    return true;
}

static bool is_wanted(const struct request *request, const struct bw_group_config *group)
{
    for (size_t i = 0; i < request->values.groups.count; i++)
        if (strcmp(request->values.groups.items[i], group->name) == 0)
            return true;
    return request->values.groups.count == 0;
}

/* ---- who else is there ----------------------------------------------------------------------- */

/* True: nobody listens there. Any doubt counts as somebody. */
static bool is_guard_silent(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool is_silent;
    int fd;

    if (path == NULL)
        return true;
    if (!bw_copy_text(address.sun_path, sizeof address.sun_path, path))
        return false; /* the loader has bounded it */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    is_silent = connect(fd, (struct sockaddr *)&address, sizeof address) != 0 &&
                (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR);
    (void)close(fd); /* nothing was sent */
    return is_silent;
}

/* A file with the seven keys names no guard, and no group that one would enforce. Where this machine has
 * one, running or not, only its own file says what may be started here. */
static bool is_guards_file(const struct request *request)
{
    static const char state[] = BW_STATE_DIR_ABSENT "/guard";
    struct stat entry;

    if (request->site->state_dir != NULL)
        return true;
    if (is_guard_silent(BW_GUARD_SOCKET_ABSENT) && stat(state, &entry) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    (void)fprintf(stderr,
                  "error: scripts: this machine has a guard (%s, %s), and %s does not say what it enforces; "
                  "nothing was run\n"
                  "  watch only:  the same with --only status\n"
                  "  else:        try its site.yaml, whose group names this file (legacy_config:)\n",
                  BW_GUARD_SOCKET_ABSENT, state, request->values.config);
    return false;
}

/* A guard that is not running now must not begin meanwhile: it would adopt or fence what it finds started. Nor one that
 * was never here, so what that would lock is made as it would make it. */
static bool lock_guard_out(struct request *request)
{
    struct bw_diag diag = {0};
    char path[512];

    if (request->site->state_dir == NULL ||
        bw_state_dir_open(request->site->state_dir, "guard", path, sizeof path, &request->guard_dir,
                          &request->guard_lock, &diag) == BW_OK)
        return true;
    (void)fprintf(stderr,
                  "error: scripts: the state directory %s/guard could not be locked against a guard: %s; "
                  "nothing was run\n",
                  request->site->state_dir, diag.text);
    return false;
}

/* What a start does is its loop's own, and so is what a kill of the reach would be proved of. */
static bool can_start_all(const struct request *request)
{
    for (uint32_t i = 0; i < request->site->group_count; i++) {
        const struct bw_group_config *group = &request->site->groups[i];

        if (!is_wanted(request, group) || group->driver != BW_DRIVER_EXTERNAL)
            continue;
        (void)fprintf(
            stderr,
            "error: scripts: group %s is started by a loop of its own (started_by: external), "
            "and there is no start_script to try; nothing was run\n"
            "  watch only:  the same with --only status,readiness\n",
            group->name);
        return false;
    }
    return true;
}

/* What a trial starts has no lease. */
static bool is_nobodys(const struct request *request, const struct bw_group_config *group)
{
    struct bw_diag diag = {0};
    bool is_enforced;

    if (bw_trial_is_enforced(request->site, group->name, &is_enforced, &diag) != BW_OK) {
        (void)fprintf(stderr, "error: scripts: whether group %s is enforced cannot be read: %s; nothing was run\n",
                      group->name, diag.text);
        return false;
    }
    if (is_enforced)
        (void)fprintf(stderr,
                      "error: scripts: the witnesses manage group %s: another site may serve it, or become primary, "
                      "during the test; nothing was run\n"
                      "  watch only:  run the same command with --only status,readiness\n"
                      "  else:        breakwater mode %s unmanaged; after every site has released the service, stop "
                      "it at all sites, then stop agent and guard here\n",
                      group->name, group->name);
    return !is_enforced;
}

static bool are_nobodys(const struct request *request)
{
    for (uint32_t i = 0; i < request->site->group_count; i++)
        if (is_wanted(request, &request->site->groups[i]) &&
            !is_nobodys(request, &request->site->groups[i]))
            return false;
    return true;
}

static bool is_free(struct request *request)
{
    if (!can_start_all(request) || !is_guards_file(request))
        return false;
    if (!is_guard_silent(request->site->guard_socket)) {
        (void)fprintf(stderr,
                      "error: scripts: the guard of this site runs (%s answers), and would fence "
                      "what is started here; nothing was run\n"
                      "  watch only:  the same with --only status,readiness\n"
                      "  else:        observe its groups, stop them at every site, then agent and guard here\n",
                      request->site->guard_socket);
        return false;
    }
    if (!lock_guard_out(request) || !are_nobodys(request))
        return false;
    request->config_lock = open(request->values.config, O_RDONLY | O_CLOEXEC);
    if (request->config_lock < 0 || flock(request->config_lock, LOCK_EX | LOCK_NB) != 0) {
        (void)fprintf(stderr, "error: scripts: another trial, or breakwater standalone, runs with %s (%s); nothing was run\n",
                      request->values.config, strerror(errno));
        return false;
    }
    return true;
}

/* The word that --yes does not give. */
static bool confirm_elsewhere(struct request *request)
{
    if (!isatty(STDIN_FILENO)) {
        (void)fprintf(stderr, "refused: scripts: no confirmation that every other site is stopped; if another site "
                              "serves, two sites will serve; nothing was run\n"
                              "  next:  stop the service on every other site, then run the same command with "
                              "--other-sites-are-off\n");
        return false;
    }
    request->values.others_are_off = bw_confirm(&scripts_command, false,
                                                "If another site serves, two sites will serve.", "no other site");
    return request->values.others_are_off;
}

/* True: the trial of `group` may begin, as far as the witnesses and the operator know now. */
static bool is_free_elsewhere(const struct request *request, const struct bw_group_config *group, bool *out_is_unknown)
{
    const enum bw_elsewhere verdict =
        bw_elsewhere_ask(&scripts_command, request->site, group->name, request->values.others_are_off);

    *out_is_unknown = verdict == BW_ELSEWHERE_UNKNOWN && !request->values.others_are_off;
    return verdict != BW_ELSEWHERE_TAKEN;
}

/* BW_EXIT_FINE: each group may be tried. */
static enum bw_exit judge_elsewhere(struct request *request, bool *out_was_asked)
{
    bool is_unknown = false;

    *out_was_asked = false;
    for (uint32_t i = 0; i < request->site->group_count; i++) {
        bool is_one_unknown;

        if (!is_wanted(request, &request->site->groups[i]))
            continue;
        if (!is_free_elsewhere(request, &request->site->groups[i], &is_one_unknown))
            return BW_EXIT_UNSAFE;
        is_unknown = is_unknown || is_one_unknown;
    }
    if (!is_unknown)
        return BW_EXIT_FINE;
    *out_was_asked = confirm_elsewhere(request);
    return *out_was_asked ? BW_EXIT_FINE : isatty(STDIN_FILENO) ? BW_EXIT_FAILED : BW_EXIT_UNSAFE;
}

static enum bw_exit confirm(struct request *request)
{
    enum bw_exit exit;
    bool was_asked;

    if (!request->values.is_yes && !isatty(STDIN_FILENO)) {
        (void)fprintf(stderr,
                      "error: scripts: this starts and stops the real service, and there is no "
                      "terminal to confirm it on; nothing was run\n"
                      "  watch only:  the same with --only status,readiness\n"
                      "  do it:       the same with --yes\n");
        return BW_EXIT_USAGE;
    }
    (void)fprintf(stderr, "This STARTS AND STOPS the real service of this machine:\n");
    for (uint32_t i = 0; i < request->site->group_count; i++) {
        const struct bw_group_config *group = &request->site->groups[i];

        if (is_wanted(request, group) && request->values.is_reach)
            (void)fprintf(stderr, "  group %s: 1 start of up to %" PRIu32 " s, and a kill of all that it has started\n",
                          group->name, group->timeout_ms[BW_ACTION_START] / 1000);
        else if (is_wanted(request, group))
            (void)fprintf(stderr,
                          "  group %s: 8 starts of up to %" PRIu32
                          " s (3 of them killed half-way), about 8 stops of up to %" PRIu32
                          " s (1 killed), 5 fences\n",
                          group->name, group->timeout_ms[BW_ACTION_START] / 1000,
                          group->timeout_ms[BW_ACTION_STOP] / 1000);
    }
    (void)fprintf(stderr, "No other site may serve it meanwhile. In the end it is stopped%s.\n",
                  request->values.is_running ? ", also if it runs now: it is not started again"
                                             : "; if it runs now, nothing is done");
    exit = judge_elsewhere(request, &was_asked);
    if (exit != BW_EXIT_FINE)
        return exit;
    return was_asked || bw_confirm(&scripts_command, request->values.is_yes, "Go on?", "yes") ? BW_EXIT_FINE
                                                                                             : BW_EXIT_FAILED;
}

/* ---- one group ------------------------------------------------------------------------------- */

struct trial {
    const struct request *request;
    struct bw_sandbox_order order;
    struct bw_trial_report *report;
    bool is_interrupted;
};

static bool run(struct trial *trial, void (*part)(struct bw_sandbox *), bool has_namespace)
{
    trial->order.run = part;
    trial->order.wants_namespace = has_namespace;
    trial->order.is_kind_judged = part == bw_trial_exercise || part == bw_trial_reach;
    return bw_sandbox_run(&trial->order, &trial->is_interrupted);
}

/* True: it is stopped, and the trial may begin. `out_is_refused`: it is not, and --running was not
 * given. */
static bool begin_stopped(struct trial *trial, bool *out_is_refused)
{
    struct bw_trial_report *report = trial->report;

    if (!run(trial, bw_trial_look, false) || trial->is_interrupted)
        return false;
    if (report->service != BW_SERVICE_STOPPED && !trial->request->values.is_running) {
        bw_trial_find(report, BW_TRIAL_BEGIN_STOPPED, BW_TRIAL_PROBLEM,
                      "status says %s; nothing was started (--running stops it first)",
                      bw_service_word(report->service));
        (void)snprintf(report->failure, sizeof report->failure, "refused, nothing was started");
        *out_is_refused = true;
        return false;
    }
    if (report->service != BW_SERVICE_STOPPED &&
        (!run(trial, bw_trial_stop_running, false) || trial->is_interrupted))
        return false;
    if (report->service != BW_SERVICE_STOPPED) {
        bw_trial_find(report, BW_TRIAL_BEGIN_STOPPED, BW_TRIAL_PROBLEM,
                      "stop_script does not bring it there: status says %s",
                      bw_service_word(report->service));
        (void)snprintf(report->failure, sizeof report->failure,
                       "nothing was started: the service that was found is not stopped");
        return false;
    }
    bw_trial_pass(report, BW_TRIAL_BEGIN_STOPPED, "it did");
    return true;
}

/* From outside, where nothing that the sandbox hid is hidden. A service that lives elsewhere, and
 * that an interrupt has left running, is stopped. One that lived in the sandbox is gone for sure:
 * then what status still sees is something else, which no stop may be let loose on. */
static void end_stopped(struct trial *trial)
{
    struct bw_trial_report *report = trial->report;
    bool is_known = run(trial, bw_trial_look, false);

    if (is_known && report->service != BW_SERVICE_STOPPED && report->process_count == 0)
        is_known = run(trial, bw_trial_stop_running, false);
    if (is_known && report->service == BW_SERVICE_STOPPED)
        bw_trial_pass(report, BW_TRIAL_END_STOPPED, "seen from outside of the sandbox");
    else if (is_known && report->process_count > 0)
        bw_trial_find(report, BW_TRIAL_END_STOPPED, BW_TRIAL_PROBLEM,
                      "status says %s, though every process of the sandbox has ended: it believes "
                      "a pid file or the like that is left",
                      bw_service_word(report->service));
    else
        bw_trial_find(report, BW_TRIAL_END_STOPPED, BW_TRIAL_PROBLEM,
                      is_known ? "status says %s" : "status could not be asked, last it said %s",
                      bw_service_word(report->service));
}

/* ---- the proof of the reach, for the guard (design 3.4) --------------------------------------- */

static bool is_found(const struct bw_trial_report *report, enum bw_trial_check check)
{
    return report->findings[check].verdict == BW_TRIAL_OK;
}

/* Seen from its begin to its end, with the scripts that are still there: they may have been edited
 * meanwhile. */
static bool is_proof(const struct trial *trial)
{
    const struct bw_trial_report *report = trial->report;
    const struct bw_group_config *group = trial->order.group;

    return report->is_complete && !report->is_interrupted && !trial->is_interrupted &&
           is_found(report, BW_TRIAL_REACH_PROVED) && is_found(report, BW_TRIAL_SANDBOX_SEES) &&
           is_found(report, BW_TRIAL_HANG_STATUS) &&
           is_found(report, BW_TRIAL_END_STOPPED) && group->digest != 0 &&
           group->digest == bw_group_config_digest(group);
}

/* What was proved before counts no more once a trial has come to another end. */
static void keep_proof(struct trial *trial)
{
    const struct bw_site_config *site = trial->request->site;
    struct bw_guard_proof_owner owner = {
        .cluster = site->cluster, .site = site->site, .group = trial->order.group->name};
    struct bw_diag diag = {0};
    const int dir = trial->request->guard_dir;
    enum bw_err err;

    if (dir < 0 || !trial->report->has_started)
        return; /* a file with the seven keys says nothing of a guard; and nothing was tried */
    if (is_proof(trial)) {
        err = bw_clock_machine_id(&owner.machine_id, &diag);
        if (err == BW_OK)
            err = bw_guard_proof_write(dir, &owner, trial->order.group->digest, &diag);
        trial->report->is_proof_kept = err == BW_OK;
    } else {
        err = bw_guard_proof_remove(dir, owner.group, &diag);
    }
    if (err != BW_OK)
        (void)fprintf(stderr, "warning: scripts: the proof of the reach of %s is not kept: %s\n",
                      owner.group, diag.text);
}

/* Once more right before the first start: a question may have stood for long, and so may the trial of another group. */
static bool is_refused_elsewhere(struct trial *trial)
{
    bool is_unknown;
    const bool is_free = is_free_elsewhere(trial->request, trial->order.group, &is_unknown);

    if (!is_free || is_unknown)
        (void)snprintf(trial->report->failure, sizeof trial->report->failure,
                       "refused, nothing was started: another site may serve");
    return !is_free || is_unknown;
}

/* What had been found before it went wrong stays. True: refused. */
static bool try_group(struct trial *trial)
{
    const struct request *request = trial->request;
    struct bw_trial_report *report = trial->report;
    bool is_refused = false;

    (void)fprintf(stderr, "group %s\n", trial->order.group->name);
    bw_trial_judge_files(report, trial->order.group);
    if (request->only != 0) {
        report->was_only_watched = true;
        trial->order.only = request->only;
        (void)run(trial, bw_trial_watch, false); /* the report says how far it came */
    } else if (is_refused_elsewhere(trial)) {
        is_refused = true;
    } else if (begin_stopped(trial, &is_refused)) {
        (void)run(trial, request->values.is_reach ? bw_trial_reach : bw_trial_exercise,
                  !request->values.no_namespace); /* the same */
        if (report->has_started)
            end_stopped(trial);
        report->is_interrupted = report->is_interrupted || trial->is_interrupted;
        keep_proof(trial);
    }
    report->is_interrupted = report->is_interrupted || trial->is_interrupted;
    return is_refused;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static enum bw_exit status_of(enum bw_trial_verdict worst, bool is_refused)
{
    if (is_refused)
        return BW_EXIT_UNSAFE;
    return worst == BW_TRIAL_PROBLEM   ? BW_EXIT_FAILED
           : worst == BW_TRIAL_WARNING ? BW_EXIT_WARNINGS
                                       : BW_EXIT_FINE;
}

static bool show(const struct request *request, const struct trial *trial, json_t *documents)
{
    if (request->is_json)
        return json_array_append_new(documents, bw_trial_json(trial->report, trial->order.group)) ==
               0;
    bw_trial_print(trial->report, request->site, trial->order.group, stdout);
    return true;
}

static bool print_json(const struct request *request, json_t *documents)
{
    json_t *document = json_pack("{s:s, s:s, s:s, s:O}", "schema", "breakwater.scripts/v1", "file",
                                 request->values.config, "site", request->site->site, "groups",
                                 documents);
    const bool is_printed = bw_json_print(document) == BW_EXIT_FINE;

    json_decref(document);
    return is_printed;
}

/* One after the other: they may be on one machine for a reason. An interrupt ends all. */
static enum bw_exit try_groups(struct request *request, struct bw_trial_report *report)
{
    json_t *documents = json_array();
    bool is_shown = documents != NULL;
    bool is_refused = false;
    bool is_interrupted = false;
    enum bw_trial_verdict worst = BW_TRIAL_OK;

    for (uint32_t i = 0; i < request->site->group_count && !is_interrupted; i++) {
        struct trial trial = {
            .request = request,
            .report = report,
            .order = {.site = request->site,
                      .group = &request->site->groups[i],
                      .report = report,
                      .env = request->env},
        };

        if (!is_wanted(request, trial.order.group))
            continue;
        memset(report, 0, sizeof *report);
        is_refused = try_group(&trial) || is_refused;
        is_interrupted = report->is_interrupted;
        worst = bw_trial_worst(report) > worst ? bw_trial_worst(report) : worst;
        is_shown = is_shown && show(request, &trial, documents);
    }
    if (request->is_json && is_shown)
        is_shown = print_json(request, documents);
    json_decref(documents);
    if (!is_shown || fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "error: scripts: what was found could not be printed\n");
        return BW_EXIT_FAILED;
    }
    return status_of(worst, is_refused);
}

/* Before the first child: signals are waited for, and passed on. */
static void block_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set); /* these cannot fail with these arguments */
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    if (!bw_hangup_is_ignored())
        (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static enum bw_exit judge(struct request *request)
{
    struct bw_trial_report *report;
    enum bw_exit status;

    if (!load(request))
        return BW_EXIT_FAILED;
    if (request->only == 0 && !is_free(request))
        return BW_EXIT_UNSAFE;
    status = request->only == 0 ? confirm(request) : BW_EXIT_FINE;
    if (status != BW_EXIT_FINE)
        return status;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        (void)fprintf(stderr, "error: scripts: memory for the report: %s\n", strerror(errno));
        return BW_EXIT_FAILED;
    }
    block_signals();
    status = try_groups(request, report);
    (void)munmap(report, sizeof *report); /* cannot fail: it is what was mapped */
    return status;
}

int bw_trials_verb(int argc, char **argv)
{
    struct request request = {.config_lock = -1, .guard_dir = -1, .guard_lock = -1};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&scripts_command, argc, argv, &request.values, &operands, &status))
        return status;
    if (!read_values(&request))
        return BW_EXIT_USAGE;
    status = judge(&request);
    bw_site_config_free(request.site);
    if (request.guard_dir >= 0)
        (void)close(request.guard_dir); /* what was saved is on the disk */
    bw_dir_unlock(request.guard_lock);
    if (request.config_lock >= 0)
        (void)close(request.config_lock); /* only read from; its lock ends with it */
    return status;
}
