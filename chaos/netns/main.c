/* breakwater-chaos: faults under the real programs, in namespaces; what their services recorded says
 * whether they kept their promise. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>
#include <breakwater/config/scalar.h>
#include <breakwater/lab/ledger.h>
#include <breakwater/os/random.h>
#include <breakwater/steps/steps.h>
#include <breakwater/trials/verb.h>

#include "inherited.h"
#include "members.h"
#include "options.h"
#include "postgres.h"
#include "preload.h"
#include "report.h"
#include "verbs.h"
#include "zone.h"

#define STATUS_SKIPPED     77 /* something that it needs is not on this machine */
#define LEASE_MS_ABSENT    "1200ms"
#define GROUPS_ABSENT      3
#define MEMBERS_LEASE_TEXT "6s" /* whoever leads is replaced within it */
#define MEMBERS_WRITERS    3
#define REPLACEMENTS_ABSENT 20
#define RECORDS_LIMIT_TEXT "2 h: records are kept in memory until then"
#define FOR_MS_MAX         (2 * 3600 * 1000)
#define TRIP_MS_MAX        4000

/* ---- what is asked for ----------------------------------------------------------------------- */

struct values {
    const char *program;
    uint64_t sites;
    uint64_t groups;
    const char *lease;
    const char *terms;
    const char *trip;
    uint64_t loss;
    uint64_t rate;
    uint64_t reorder;
    bool is_drawn;
    const char *records;
    const char *html;
    const char *json;
    uint64_t seed;
    const char *time;
    uint64_t replacements;
    uint64_t writers;
};

#define COMMON_OPTIONS                                                                             \
    BW_OPTION_TEXT(struct values, program, "program", 0, "PATH",                                   \
                   "the breakwater to test (the program next to this one)"),                       \
        BW_OPTION_NUMBER(struct values, sites, "sites", 0, "N", 2, BW_LAB_SITES_MAX,               \
                         "number of sites (2)"),                                                   \
        BW_OPTION_NUMBER(struct values, groups, "groups", 0, "N", 1, BW_LAB_GROUPS_MAX,            \
                         "number of groups (3)"),                                                  \
        BW_OPTION_TEXT(struct values, lease, "lease", 0, "D",                                      \
                       "lease_ttl of every group, 1200ms to 60s; other times follow (1200ms)"),    \
        BW_OPTION_TEXT(struct values, terms, "terms", 0, "scaled|default|far",                     \
                       "the timings of the groups (scaled: to --lease)"),                          \
        BW_OPTION_TEXT(struct values, trip, "rtt", 0, "D",                                         \
                       "round trip between witnesses and sites, at most 4s (0s)"),                 \
        BW_OPTION_NUMBER(struct values, loss, "loss", 0, "N", 0, 50,                               \
                         "percentage of lost packets between them (0)"),                           \
        BW_OPTION_NUMBER(struct values, rate, "rate", 0, "N", 0, 1000000,                          \
                         "kbit/s of each link between them, in each direction (no limit)"),        \
        BW_OPTION_NUMBER(struct values, reorder, "reorder", 0, "N", 0, 50,                         \
                         "percentage of packets that overtake those delayed by --rtt (0)"),        \
        BW_OPTION_TEXT(struct values, records, "records", 0, "DIR",                                \
                       "new folder for the records of the services, and all logs"),                \
        BW_OPTION_TEXT(struct values, html, "html", 0, "FILE", "write a page with pictures"),      \
        BW_OPTION_TEXT(struct values, json, "json", 0, "FILE", "write the result as JSON")

static const struct bw_option run_options[] = {COMMON_OPTIONS, BW_OPTIONS_END};
static const struct bw_option random_options[] = {
    BW_OPTION_NUMBER(struct values, seed, "seed", 0, "N", 0, UINT64_MAX,
                     "seed of the faults; the same seed gives the same schedule (drawn)"),
    BW_OPTION_TEXT(struct values, time, "for", 0, "D", "duration, at most 2h (60s)"),
    BW_OPTION_FLAG(struct values, is_drawn, "weather", 0,
                   "also draw round trip, loss, rate and reordering from the seed"),
    COMMON_OPTIONS, BW_OPTIONS_END};
static const struct bw_option weather_options[] = {
    BW_OPTION_TEXT(struct values, time, "for", 0, "D",
                   "duration of the first part, without a fault, at most 2h (60s)"),
    COMMON_OPTIONS, BW_OPTIONS_END};
static const struct bw_option members_options[] = {
    BW_OPTION_NUMBER(struct values, replacements, "replacements", 0, "N", 1, BW_REPLACEMENTS_MAX,
                     "number of witnesses to replace (20)"),
    BW_OPTION_NUMBER(struct values, writers, "writers", 0, "N", 1, BW_ENTRIES_WRITERS_MAX,
                     "number of writers during that time (3)"),
    BW_OPTION_NUMBER(struct values, seed, "seed", 0, "N", 0, UINT64_MAX,
                     "seed of the losses and interruptions (drawn)"),
    BW_OPTION_TEXT(struct values, program, "program", 0, "PATH",
                   "the breakwater to test (the program next to this one)"),
    BW_OPTION_TEXT(struct values, lease, "lease", 0, "D",
                   "lease_ttl of every group, 1200ms to 60s; other times follow (6s)"),
    BW_OPTION_TEXT(struct values, records, "records", 0, "DIR",
                   "new folder for the records of services and writers, and all logs"),
    BW_OPTIONS_END};
static const struct bw_option no_options[] = {BW_OPTIONS_END};

static const struct bw_cli_command run_command = {
    .name = "run",
    .program = "breakwater-chaos",
    .operands = "SCENARIO...",
    .operands_min = 1,
    .operands_max = BW_RUNS_MAX,
    .help =
        "Runs scenarios, each on a new cluster; `breakwater-chaos list` prints their names. Needs root\n"
        "(network namespaces).",
    .options = run_options,
};
static const struct bw_cli_command random_command = {
    .name = "random",
    .program = "breakwater-chaos",
    .operands = "",
    .help =
        "Runs rounds of faults that are drawn from a seed, alone and combined. After each round a calm\n"
        "follows, in which every group must be served again within a computed bound. Needs root\n"
        "(network namespaces).",
    .options = random_options,
};
static const struct bw_cli_command weather_command = {
    .name = "weather",
    .program = "breakwater-chaos",
    .operands = "",
    .help =
        "Measures how a group of two sites works under --rtt, --loss and --rate: first without a fault,\n"
        "then after the loss of the primary's machine, then in a switchover. Prints the number of lost\n"
        "leases and the time without service. Needs root (network namespaces).",
    .options = weather_options,
};
static const struct bw_cli_command members_command = {
    .name = "members",
    .program = "breakwater-chaos",
    .operands = "",
    .help =
        "Replaces witnesses, again and again, with the commands of `breakwater members`, while writers\n"
        "write and two sites serve. During this, disks are deleted, leaders are killed and commands are\n"
        "interrupted. Counts the acknowledged writes, and the lost ones among them. Needs root (network\n"
        "namespaces).",
    .options = members_options,
};
static const struct bw_cli_command list_command = {
    .name = "list",
    .program = "breakwater-chaos",
    .operands = "",
    .help = "Prints the name of every scenario, fault and crash point.",
    .options = no_options,
};
static const struct bw_cli_command judge_command = {
    .name = "judge",
    .program = "breakwater-chaos",
    .operands = "DIR",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Checks kept records again (RUN/records of --records) for two sites that served at once.",
    .options = no_options,
};

/* ---- one run --------------------------------------------------------------------------------- */

/* All that the inside of the box needs. */
struct task {
    const struct bw_cli_command *command;
    struct values values;
    struct bw_operands operands;
    struct bw_lab_options lab;
    char program[BW_LAB_PATH_BYTES];
    char self[BW_LAB_PATH_BYTES];
    uint32_t random_ms; /* 0: scenarios */
    struct bw_members *members; /* NULL: no witness is replaced */
};

static enum bw_err run_rounds(const struct task *task, struct bw_outcome *outcome,
                              const struct bw_scenario *scenario, struct bw_diag *diag)
{
    struct bw_run *run = &outcome->run;
    const uint64_t end_ns = bw_lab_now_ns() + bw_ms_to_ns(task->random_ms);
    struct bw_step steps[BW_SCHEDULE_STEPS_MAX];
    enum bw_err err = BW_OK;

    if (task->members != NULL)
        return bw_members_play(task->members, run,
                               &(struct bw_members_options){
                                   .replacements = (uint32_t)task->values.replacements,
                                   .writers = (uint32_t)task->values.writers},
                               diag);
    if (scenario->crash_point != NULL)
        bw_run_arm_crash(run, scenario->crash_role, scenario->crash_point);
    if (task->command == &weather_command)
        bw_run_calm(run, task->random_ms);
    if (scenario->rounds != NULL)
        return bw_run_measured(run, scenario->rounds, diag);
    if (task->random_ms == 0)
        return bw_run_round(run, scenario->steps, false, diag);
    for (uint32_t i = 0; err == BW_OK && bw_lab_now_ns() < end_ns; i++) {
        if (i == BW_ROUNDS_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d rounds", BW_ROUNDS_MAX);
        bw_random_steps(outcome->options.seed, i, &outcome->lab, steps);
        err = bw_run_round(run, steps, true, diag);
    }
    return err;
}

/* `cp -r` of everything but the disks, which hold keys and logs of raft. */
static bool keep_records(const struct task *task, const struct bw_outcome *outcome)
{
    char to[2 * BW_LAB_PATH_BYTES];
    const pid_t pid = fork();

    (void)snprintf(to, sizeof to, "%s/%s", task->values.records, outcome->name);
    if (pid == 0) {
        (void)execlp("cp", "cp", "-r", "--", outcome->lab.dir, to, (char *)NULL);
        _exit(127);
    }
    if (pid > 0 && bw_lab_wait_child(pid) == 0)
        return true;
    (void)fprintf(stderr, "error: keep the records in %s: cp failed\n", to);
    return false;
}

/* A scenario of which a part is left out would show something else than it says. */
static enum bw_err look_at_needs(struct bw_outcome *outcome, const struct bw_scenario *scenario,
                                 struct bw_diag *diag)
{
    const char *fault = NULL;
    const char *why_not = bw_scenario_why_not(&outcome->lab, scenario, &fault);

    if (why_not == NULL)
        return BW_OK;
    outcome->is_lacking = true;
    return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s cannot be made on this machine: %s", fault, why_not);
}

/* False: what was asked for could not be kept. */
static bool run_one(const struct task *task, const struct bw_box *box, uint32_t number,
                    const struct bw_scenario *scenario, struct bw_outcome *outcome)
{
    struct bw_diag diag = {0};
    char dir[64];
    bool is_kept = true;
    enum bw_err err;

    (void)snprintf(dir, sizeof dir, BW_BOX_DIR "/%" PRIu32, number + 1);
    (void)snprintf(outcome->name, sizeof outcome->name, "%s", scenario->name);
    (void)snprintf(outcome->words, sizeof outcome->words, "%s", scenario->words);
    outcome->options = task->lab;
    if (scenario->terms != BW_LAB_TERMS_SCALED) {
        outcome->options.terms = scenario->terms;
        outcome->options.weather = scenario->weather;
    }
    if (scenario->is_postgres) {
        outcome->options.is_postgres = true;
        outcome->options.site_count = 2;
        outcome->options.group_count = 1;
    }
    if (scenario->rounds != NULL) {
        outcome->options.has_data = true;
        outcome->options.site_count = 2;
        outcome->options.group_count = 1;
    }
    (void)printf("== %s: %s\n", outcome->name, outcome->words);
    err = bw_lab_open(&outcome->lab, box, &outcome->options, dir, &diag);
    if (err == BW_OK)
        err = look_at_needs(outcome, scenario, &diag);
    if (err == BW_OK)
        err = bw_run_begin(&outcome->run, &outcome->lab, &diag);
    if (err == BW_OK)
        err = run_rounds(task, outcome, scenario, &diag);
    if (err == BW_OK)
        err = bw_run_count(&outcome->run, &diag);
    bw_lab_close(&outcome->lab);
    if (err == BW_OK)
        err = bw_verdict_init(&outcome->verdict, outcome->lab.records, &outcome->run, scenario->end,
                              &diag);
    if (err != BW_OK)
        (void)bw_copy_text(outcome->error, sizeof outcome->error, diag.text);
    if (task->values.records != NULL)
        is_kept = keep_records(task, outcome);
    bw_report_print(outcome, stdout);
    if (task->members != NULL)
        bw_members_print(task->members, stdout);
    return is_kept;
}

static enum bw_err write_reports(const struct task *task, struct bw_outcome *const *outcomes,
                                 uint32_t count, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    if (task->values.json != NULL)
        err = bw_report_json(task->values.json, outcomes, count, diag);
    if (err == BW_OK && task->values.html != NULL)
        err = bw_report_page(task->values.html, outcomes, count, diag);
    return err;
}

static void block_child_signal(void)
{
    sigset_t set;

    (void)sigemptyset(&set); /* these fail only for numbers that are no signals */
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static struct bw_scenario unnamed_scenario(const struct task *task)
{
    if (task->command == &members_command)
        return (struct bw_scenario){.name = "members",
                                    .words = "witnesses are replaced while writers write"};
    if (task->command == &weather_command)
        return (struct bw_scenario){
            .name = "weather", .words = "what is lost and how long a move takes", .rounds = bw_weather_rounds};
    return (struct bw_scenario){.name = "random", .words = "drawn from the seed"};
}

/* As the first process of the box. */
static int run_inside(const struct bw_box *box, void *user)
{
    static struct bw_outcome *outcomes[BW_RUNS_MAX];
    struct task *task = user;
    struct bw_diag diag = {0};
    const bool is_named = task->command == &run_command;
    const uint32_t count = is_named ? (uint32_t)task->operands.count : 1;
    struct bw_scenario scenario = unnamed_scenario(task);
    bool is_broken = false;
    bool is_lacking = false;
    bool is_kept = true;
    enum bw_err err = bw_preload_write(BW_BOX_DIR "/preload.so", &diag);

    block_child_signal();
    task->lab.preload = err == BW_OK ? BW_BOX_DIR "/preload.so" : NULL;
    for (uint32_t i = 0; i < count && err == BW_OK; i++) {
        outcomes[i] = calloc(1, sizeof *outcomes[i]);
        if (outcomes[i] == NULL) {
            err = bw_diag_set(&diag, BW_ERR_NOMEM, "out of memory");
            break;
        }
        if (is_named)
            (void)bw_scenario_find(task->operands.items[i], &scenario); /* checked outside */
        is_kept = run_one(task, box, i, &scenario, outcomes[i]) && is_kept;
        is_lacking = is_lacking || outcomes[i]->is_lacking;
        is_broken = is_broken || (!bw_outcome_is_ok(outcomes[i]) && !outcomes[i]->is_lacking) ||
                    (task->members != NULL && !bw_members_are_ok(task->members));
    }
    if (err == BW_OK)
        err = write_reports(task, outcomes, count, &diag);
    if (task->members != NULL)
        bw_members_deinit(task->members);
    for (uint32_t i = 0; i < count && outcomes[i] != NULL; i++) {
        bw_outcome_deinit(outcomes[i]);
        free(outcomes[i]);
    }
    if (err != BW_OK)
        (void)fprintf(stderr, "error: %s\n", diag.text);
    if (err != BW_OK || is_broken || !is_kept)
        return BW_EXIT_FAILED;
    return is_lacking ? STATUS_SKIPPED : BW_EXIT_FINE;
}

/* ---- before it ------------------------------------------------------------------------------- */

static bool find_programs(struct task *task)
{
    const ssize_t length = readlink("/proc/self/exe", task->self, sizeof task->self - 1);
    char *name;

    if (length <= 0)
        return false;
    task->self[length] = '\0';
    if (task->values.program != NULL) {
        char *real = realpath(task->values.program, NULL);
        const bool is_fine = real != NULL &&
                             bw_copy_text(task->program, sizeof task->program, real);

        free(real);
        return is_fine && access(task->program, X_OK) == 0;
    }
    (void)bw_copy_text(task->program, sizeof task->program, task->self); /* of the same size */
    name = strrchr(task->program, '/');
    (void)snprintf(name + 1, sizeof task->program - (size_t)(name + 1 - task->program),
                   "breakwater");
    return access(task->program, X_OK) == 0;
}

/* Shown in a shell script between quotes that it must not end. */
static bool is_plain(const char *path)
{
    return strpbrk(path, "'\"\\\n") == NULL;
}

static bool parse_duration(const char *text, uint32_t min_ms, uint32_t max_ms, uint32_t *out_ms)
{
    return bw_duration_parse(text, out_ms) && *out_ms >= min_ms && *out_ms <= max_ms;
}

/* It is made beside its target, and takes its place in the end (bw_lab_write). False: errno says why. */
static bool can_write(const char *path)
{
    char fresh[BW_LAB_PATH_BYTES + 8];
    struct stat entry;
    int fd;

    if (stat(path, &entry) == 0 && S_ISDIR(entry.st_mode)) {
        errno = EISDIR;
        return false;
    }
    (void)snprintf(fresh, sizeof fresh, "%s.new", path); /* bounded by the caller */
    fd = open(fresh, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    (void)close(fd); /* nothing was written */
    return unlink(fresh) == 0;
}

/* Before the box, which has a /run that nobody sees: what is found out after hours is lost. */
static int check_output(const struct task *task, const char *option, const char *path, bool is_folder)
{
    char text[BW_LAB_PATH_BYTES];
    const char *why = NULL;
    char *parent;

    if (path == NULL)
        return BW_EXIT_FINE;
    if (!bw_copy_text(text, sizeof text, path))
        return (int)bw_usage_error(task->command, "%s: the path is too long", option);
    parent = realpath(dirname(text), NULL);
    if (parent == NULL)
        why = strerror(errno);
    else if (strcmp(parent, "/run") == 0 || strncmp(parent, "/run/", 5) == 0)
        why = "below /run it would be lost: the cluster has a /run of its own";
    else if (is_folder ? mkdir(path, 0755) != 0 : !can_write(path))
        why = strerror(errno);
    free(parent);
    return why == NULL ? BW_EXIT_FINE : (int)bw_usage_error(task->command, "%s %s: %s", option, path, why);
}

static int check_outputs(const struct task *task)
{
    int status = check_output(task, "--html", task->values.html, false);

    if (status == BW_EXIT_FINE)
        status = check_output(task, "--json", task->values.json, false);
    return status == BW_EXIT_FINE ? check_output(task, "--records", task->values.records, true) : status;
}

static bool find_terms(const char *word, enum bw_lab_terms *out_terms)
{
    static const char *const words[] = {
        [BW_LAB_TERMS_SCALED] = "scaled", [BW_LAB_TERMS_DEFAULT] = "default", [BW_LAB_TERMS_FAR] = "far"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], word) == 0) {
            *out_terms = (enum bw_lab_terms)i;
            return true;
        }
    return false;
}

/* After all that says what leases are granted on. */
static int check_weather(struct task *task)
{
    const struct values *values = &task->values;
    const uint32_t request_ms = task->lab.lease_ttl_ms / 12;
    struct bw_hub_link *weather = &task->lab.weather;
    uint32_t trip_ms;

    if (!find_terms(values->terms, &task->lab.terms))
        return (int)bw_usage_error(task->command, "--terms %s: expected scaled, default or far", values->terms);
    if (!parse_duration(values->trip, 0, TRIP_MS_MAX, &trip_ms))
        return (int)bw_usage_error(task->command, "--rtt %s: expected 0s to 4s", values->trip);
    if (values->reorder > 0 && trip_ms == 0)
        return (int)bw_usage_error(task->command, "--reorder %" PRIu64 ": without --rtt there is nothing to overtake",
                                   values->reorder);
    *weather = (struct bw_hub_link){.delay_ms = trip_ms / 2,
                                    .loss = (uint32_t)values->loss,
                                    .reorder = (uint32_t)values->reorder,
                                    .rate_kbit = (uint32_t)values->rate};
    if (values->is_drawn)
        task->lab.weather = bw_random_weather(values->seed,
                                              task->lab.terms == BW_LAB_TERMS_SCALED ? request_ms : 1000);
    if (weather->delay_ms > 0 || weather->loss > 0 || weather->rate_kbit > 0)
        (void)printf("weather rtt_ms=%" PRIu32 " jitter_ms=%" PRIu32 " loss=%" PRIu32 " reorder=%" PRIu32
                     " rate_kbit=%" PRIu32 "\n",
                     2 * weather->delay_ms, weather->jitter_ms, weather->loss, weather->reorder,
                     weather->rate_kbit);
    return BW_EXIT_FINE;
}

static int check_values(struct task *task)
{
    const struct values *values = &task->values;
    uint32_t lease_ms;
    int status;

    if (!parse_duration(values->lease, BW_LAB_LEASE_MS_MIN, BW_LAB_LEASE_MS_MAX, &lease_ms))
        return (int)bw_usage_error(task->command, "--lease %s: expected 1200ms to 60s",
                                   values->lease);
    if (task->command != &run_command && task->command != &members_command &&
        !parse_duration(values->time, 1, FOR_MS_MAX, &task->random_ms))
        return (int)bw_usage_error(task->command,
                                   "--for %s: expected a duration of at most " RECORDS_LIMIT_TEXT,
                                   values->time);
    if (!find_programs(task))
        return (int)bw_usage_error(task->command, "no breakwater at %s: name one with --program",
                                   values->program != NULL ? values->program : task->program);
    if (!is_plain(task->program) || !is_plain(task->self))
        return (int)bw_usage_error(task->command,
                                   "a path of a program with quotes, backslashes or newlines");
    for (size_t i = 0; i < task->operands.count; i++) {
        struct bw_scenario scenario;

        if (!bw_scenario_find(task->operands.items[i], &scenario))
            return (int)bw_usage_error(task->command,
                                       "no scenario \"%s\"; see: breakwater-chaos list",
                                       task->operands.items[i]);
        if (scenario.is_postgres && bw_postgres_why_not() != NULL) {
            (void)fprintf(stderr, "error: %s: %s\n", scenario.name, bw_postgres_why_not());
            return STATUS_SKIPPED;
        }
    }
    task->lab = (struct bw_lab_options){.program = task->program,
                                        .self = task->self,
                                        .site_count = (uint32_t)values->sites,
                                        .group_count = (uint32_t)values->groups,
                                        .spare_count = task->command == &members_command
                                                           ? BW_LAB_SPARES_MAX
                                                           : 0,
                                        .lease_ttl_ms = lease_ms,
                                        .seed = values->seed};
    status = check_weather(task);
    return status == BW_EXIT_FINE ? check_outputs(task) : status;
}

static int play(const struct bw_cli_command *command, int argc, char **argv)
{
    struct task task = {.command = command,
                        .values = {.sites = 2,
                                   .groups = GROUPS_ABSENT,
                                   .lease = command == &members_command ? MEMBERS_LEASE_TEXT
                                                                        : LEASE_MS_ABSENT,
                                   .terms = "scaled",
                                   .trip = "0s",
                                   .time = "60s",
                                   .replacements = REPLACEMENTS_ABSENT,
                                   .writers = MEMBERS_WRITERS,
                                   .seed = bw_random_seed() % 1000000000}};
    struct bw_diag diag = {0};
    enum bw_exit exit_status;
    static struct bw_members members;
    int status;
    enum bw_err err;

    task.members = command == &members_command ? &members : NULL;
    if (!bw_options_parse(command, argc, argv, &task.values, &task.operands, &exit_status))
        return (int)exit_status;
    status = check_values(&task);
    if (status != BW_EXIT_FINE)
        return status;
    if (access("/dev/net/tun", R_OK | W_OK) != 0 && geteuid() == 0) {
        (void)fprintf(stderr, "error: no /dev/net/tun on this machine: no network can be made\n");
        return STATUS_SKIPPED;
    }
    if (command != &run_command)
        (void)printf("seed %" PRIu64 "\n", task.lab.seed);
    err = bw_box_run(run_inside, &task, &status, &diag);
    if (err == BW_OK)
        return status;
    (void)fprintf(stderr, "error: %s\n", diag.text);
    if (err == BW_ERR_AUTH)
        return STATUS_SKIPPED;
    return err == BW_ERR_CANCELED ? status : BW_EXIT_FAILED;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

static int run_verb(int argc, char **argv)
{
    return play(&run_command, argc, argv);
}

static int random_verb(int argc, char **argv)
{
    return play(&random_command, argc, argv);
}

static int weather_verb(int argc, char **argv)
{
    return play(&weather_command, argc, argv);
}

static int members_verb(int argc, char **argv)
{
    return play(&members_command, argc, argv);
}

static int list_verb(int argc, char **argv)
{
    struct bw_operands operands;
    enum bw_exit status;
    char none;

    if (!bw_options_parse(&list_command, argc, argv, &none, &operands, &status))
        return (int)status;
    bw_scenario_print_all(stdout);
    return BW_EXIT_FINE;
}

static int judge_verb(int argc, char **argv)
{
    struct bw_operands operands;
    struct bw_verdict verdict;
    struct bw_diag diag = {0};
    enum bw_exit status;
    enum bw_err err;
    bool is_ok;
    char none;

    if (!bw_options_parse(&judge_command, argc, argv, &none, &operands, &status))
        return (int)status;
    err = bw_verdict_init(&verdict, operands.items[0], NULL, BW_SCENARIO_ANY, &diag);
    is_ok = err == BW_OK && verdict.violation_count == 0;
    if (err != BW_OK)
        (void)fprintf(stderr, "error: %s\n", diag.text);
    else
        (void)printf("%s overlap_ms=%.3f failovers=%" PRIu32 " records=%" PRIu64 "\n",
                     is_ok ? "ok    " : "BROKEN", (double)verdict.overlap_us / 1000.0,
                     verdict.failover_count, verdict.beat_count);
    for (uint32_t i = 0; i < verdict.violation_count && i < BW_VIOLATIONS_MAX; i++)
        (void)printf("    %s\n", verdict.violations[i]);
    bw_verdict_deinit(&verdict);
    return is_ok ? BW_EXIT_FINE : BW_EXIT_FAILED;
}

/* The service of a lab is this program's, not that of the breakwater which is put to the test. */
static int ledger_verb(int argc, char **argv)
{
    return (int)bw_lab_verb_ledger(argc, argv);
}

/* The name server of a lab, for tests that have networks of their own. */
static int names_verb(int argc, char **argv)
{
    int fd;

    if (argc != 3) {
        (void)fputs("usage: breakwater-chaos names FILE ADDRESS\n", stderr);
        return BW_EXIT_USAGE;
    }
    fd = bw_zone_listen(argv[2]);
    if (fd < 0) {
        (void)fprintf(stderr, "error: serve names at %s: %s\n", argv[2], strerror(errno));
        return BW_EXIT_FAILED;
    }
    bw_zone_serve(argv[1], &fd, 1);
}

struct verb {
    const char *name;
    const char *help; /* NULL: for start scripts of a lab and for tests, not for people */
    int (*run)(int argc, char **argv);
};
static const struct verb verbs[] = {
    {"list", "print the name of every scenario and fault", list_verb},
    {"run", "run scenarios, each on a new cluster", run_verb},
    {"random", "break things for a while, as drawn from a seed", random_verb},
    {"weather", "measure a group under long round trips, loss and thin lines", weather_verb},
    {"members", "replace witnesses while writers write", members_verb},
    {"judge", "check kept records again", judge_verb},
    {"scripts", "test the scripts of a site", bw_trials_verb},
    {"ledger", NULL, ledger_verb},
    {"names", NULL, names_verb},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *out)
{
    (void)fputs("usage: breakwater-chaos VERB [ARGUMENT]...\n"
                "\n"
                "Breaks networks, disks, clocks and processes of a whole cluster of the real programs, in\n"
                "namespaces that end with this program, and checks the records of the services.\n"
                "\n"
                "verbs:\n",
                out);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (verbs[i].help != NULL)
            (void)fprintf(out, "  %-10s%s\n", verbs[i].name, verbs[i].help);
    (void)fputs(
        "\n"
        "\"breakwater-chaos VERB --help\" shows the options.\n"
        "exit status: 0 every promise was kept, 1 a promise was broken or the test was inconclusive,\n"
        "2 wrong usage, 77 root or a feature of the machine is missing, 128 + N signal N.\n",
        out);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    (void)umask(umask(022) | 022); /* daemons refuse what others can change (5.4) */
    if (!bw_load_no_modules()) {
        (void)fputs("error: the libraries of this program cannot be set up (out of memory?)\n", stderr);
        return BW_EXIT_FAILED;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? BW_EXIT_USAGE : BW_EXIT_FINE;
    }
    if (strcmp(argv[1], BW_STEPS_VERB) == 0) /* of a script under trial: in no list */
        return bw_steps_run();
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    (void)fprintf(stderr, "error: unknown verb \"%s\"\n  see:  breakwater-chaos --help\n", argv[1]);
    return BW_EXIT_USAGE;
}
