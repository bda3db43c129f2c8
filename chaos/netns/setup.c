/* setup.c - everything that a cluster needs before its first process starts. */
#include "postgres.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define FILE_BYTES      (32 * 1024)
#define API_PORT        7400
#define RAFT_PORT       7401
#define APPLY_MS        10000
#define WITNESS_STORE   "mode=0755,size=96m" /* libraft's segments have 8 MiB each */
#define SITE_STORE      "mode=0755,size=1m"
#define EVENTS_AT_FIRST 1024

static const char *const site_names[BW_LAB_SITES_MAX] = {"alpha", "beta", "gamma"};

uint32_t bw_lab_trip_ms(const struct bw_lab *lab)
{
    return 2 * (lab->options->weather.delay_ms + lab->options->weather.jitter_ms);
}

void bw_lab_host(const struct bw_lab *lab, uint32_t node, char out_host[BW_LAB_HOST_BYTES])
{
    if (lab->box->has_names)
        (void)snprintf(out_host, BW_LAB_HOST_BYTES, "%.10s.test", lab->nodes[node].name); /* ours: short */
    else
        bw_hub_address(node, out_host);
}

uint32_t bw_lab_site_node(uint32_t site)
{
    return BW_LAB_WITNESSES + site;
}

uint32_t bw_lab_command_node(const struct bw_lab *lab)
{
    return BW_LAB_WITNESSES + lab->options->site_count;
}

uint32_t bw_lab_spare_node(const struct bw_lab *lab, uint32_t spare)
{
    return bw_lab_command_node(lab) + 1 + spare;
}

static bool has_witness_disk(const struct bw_lab *lab, uint32_t node)
{
    return node < BW_LAB_WITNESSES || node > bw_lab_command_node(lab);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* A lab before this one may have had a node of that name. */
static enum bw_err make_cgroup(const char *parent, const char *name, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];

    if (parent[0] == '\0')
        return BW_OK; /* none on this machine: faults that need it are left out */
    (void)snprintf(path, sizeof path, "%s/%s", parent, name);
    return mkdir(path, 0755) == 0 || errno == EEXIST
               ? BW_OK
               : bw_diag_errno(diag, errno, "create the cgroup %s", path);
}

/* A disk of its own, so that one that is full is full for this node alone. */
static enum bw_err make_node(struct bw_lab *lab, uint32_t index, const char *name,
                             struct bw_diag *diag)
{
    struct bw_lab_node *node = &lab->nodes[index];
    enum bw_err err = bw_lab_path(node->dir, lab->dir, name, diag);

    (void)snprintf(node->name, sizeof node->name, "%s", name); /* ours: short */
    node->time_namespace = -1;
    if (err == BW_OK)
        err = bw_lab_make_dir(node->dir, diag);
    if (err == BW_OK)
        err = bw_lab_path(node->state, node->dir, "disk", diag);
    if (err == BW_OK)
        err = bw_lab_path(node->boot_id, node->dir, "boot_id", diag);
    if (err == BW_OK)
        err = bw_lab_make_dir(node->state, diag);
    if (err == BW_OK)
        err = make_cgroup(lab->box->cgroup, name, diag);
    if (err == BW_OK)
        err = make_cgroup(lab->box->cpu_cgroup, name, diag);
    if (err == BW_OK && mount("disk", node->state, "tmpfs", MS_NOSUID | MS_NODEV,
                              has_witness_disk(lab, index) ? WITNESS_STORE : SITE_STORE) != 0)
        err = bw_diag_errno(diag, errno, "mount %s", node->state);
    return err;
}

static enum bw_err make_nodes(struct bw_lab *lab, struct bw_diag *diag)
{
    char name[16];
    enum bw_err err = BW_OK;

    lab->node_count = BW_LAB_WITNESSES + lab->options->site_count + 1 + lab->options->spare_count;
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++) {
        (void)snprintf(name, sizeof name, "w%" PRIu32, i + 1);
        err = make_node(lab, i, name, diag);
    }
    for (uint32_t i = 0; i < lab->options->site_count && err == BW_OK; i++)
        err = make_node(lab, bw_lab_site_node(i), site_names[i], diag);
    if (err == BW_OK)
        err = make_node(lab, bw_lab_command_node(lab), "operator", diag);
    for (uint32_t i = 0; i < lab->options->spare_count && err == BW_OK; i++) {
        (void)snprintf(name, sizeof name, "spare%" PRIu32, i + 1);
        err = make_node(lab, bw_lab_spare_node(lab, i), name, diag);
    }
    return err;
}

/* ---- configuration --------------------------------------------------------------------------- */

/* Of the sites, under terms that are not scaled. */
#define LONG_CHECK_MS        2000
#define LONG_FENCE_SCRIPT_MS 3000
#define LONG_KILL_GRACE_MS   300

/* Keeps the inequality of design 4 with room: 4/5 of the lease against 47/60 of it. */
static void choose_timings(struct bw_lab *lab)
{
    static const struct bw_lab_timings long_terms[] = {
        [BW_LAB_TERMS_DEFAULT] = {.lease_ttl_ms = 15000,
                                  .fence_timeout_ms = 5000,
                                  .renew_interval_ms = 1000,
                                  .request_timeout_ms = 1000,
                                  .election_timeout_ms = 1000,
                                  .margin_ms = 250,
                                  .retry_backoff_ms = 10000},
        [BW_LAB_TERMS_FAR] = {.lease_ttl_ms = 60000,
                              .fence_timeout_ms = 10000,
                              .renew_interval_ms = 2000,
                              .request_timeout_ms = 3000,
                              .election_timeout_ms = 5000,
                              .margin_ms = 1000,
                              .retry_backoff_ms = 10000},
    };
    const uint32_t ttl_ms = lab->options->lease_ttl_ms;

    if (lab->options->is_postgres) {
        lab->plan.timings = bw_postgres_timings();
        return;
    }
    if (lab->options->terms != BW_LAB_TERMS_SCALED) {
        lab->plan.timings = long_terms[lab->options->terms];
        lab->plan.timings.check_interval_ms = LONG_CHECK_MS;
        lab->plan.timings.fence_script_ms = LONG_FENCE_SCRIPT_MS;
        lab->plan.timings.kill_grace_ms = LONG_KILL_GRACE_MS;
        return;
    }
    lab->plan.timings = (struct bw_lab_timings){
        .lease_ttl_ms = ttl_ms,
        .fence_timeout_ms = ttl_ms / 5,
        .renew_interval_ms = ttl_ms / 12,
        .request_timeout_ms = ttl_ms / 12,
        .election_timeout_ms = ttl_ms / 12,
        .margin_ms = ttl_ms / 20,
        .check_interval_ms = lab->options->has_data ? ttl_ms / 8 : ttl_ms / 2,
        .fence_script_ms = ttl_ms / 5 * 3 / 5, /* TERM comes at 2/3 of F */
        .kill_grace_ms = ttl_ms / 50,
        .retry_backoff_ms = 200,
    };
}

/* Of the names, addresses and timings that are there by now. */
static void make_plan(struct bw_lab *lab)
{
    struct bw_lab_plan *plan = &lab->plan;

    plan->cluster = BW_LAB_CLUSTER;
    plan->dir = lab->dir;
    plan->person = "chaos";
    plan->more = "";
    plan->site_count = lab->options->site_count;
    memcpy(plan->sites, site_names, sizeof site_names);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) {
        plan->witnesses[i] =
            (struct bw_lab_witness){.api_port = API_PORT, .raft_port = RAFT_PORT, .listen = "0.0.0.0"};
        bw_lab_host(lab, i, plan->witnesses[i].host);
    }
    choose_timings(lab);
}

static enum bw_err write_witness(struct bw_lab *lab, uint32_t index, struct bw_diag *diag)
{
    char data_dir[BW_LAB_PATH_BYTES];
    const enum bw_err err = bw_lab_path(data_dir, lab->nodes[index].state, "data", diag);

    return err == BW_OK
               ? bw_lab_write_witness(&lab->plan, index,
                                      bw_lab_process(lab, BW_LAB_WITNESS, index)->config,
                                      data_dir, NULL, diag)
               : err;
}

/* All groups of a site, as its file has them. */
static enum bw_err print_groups(const struct bw_lab *lab, uint32_t site, char groups[FILE_BYTES],
                                struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char more[BW_LAB_PATH_BYTES + 256];
    size_t used = 0;

    if (lab->options->is_postgres)
        return bw_postgres_print_group(lab, site, groups, FILE_BYTES, diag);
    used = (size_t)snprintf(more, sizeof more,
                            "    stop_method: cgroup\n    failure_threshold: 2\n"
                            "    script_timeout: %ds\n",
                            BW_LAB_SCRIPT_S);
    if (lab->options->has_data)
        (void)snprintf(more + used, sizeof more - used,
                       "    stop_timeout: " BW_LAB_STOP_TIMEOUT_TEXT
                       "\n    readiness_script: '%s/readiness.sh'\n",
                       node->dir);
    used = 0;
    for (uint32_t i = 0; i < lab->options->group_count && used < FILE_BYTES; i++)
        used += bw_lab_print_group(
            &lab->plan,
            &(struct bw_lab_group){.name = lab->groups[i], .scripts = node->dir, .more = more},
            groups + used, FILE_BYTES - used);
    return used < FILE_BYTES ? BW_OK
                             : bw_diag_set(diag, BW_ERR_LIMIT,
                                           "the groups of a site need more than %d bytes",
                                           FILE_BYTES);
}

static enum bw_err write_site(struct bw_lab *lab, uint32_t site, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char state_dir[BW_LAB_PATH_BYTES];
    char groups[FILE_BYTES];
    const struct bw_lab_site file = {
        .name = node->name,
        .dir = node->dir,
        .state_dir = state_dir,
        .groups = groups,
        /* The shipped scripts are run where they are: in anybody's checkout. */
        .more = lab->options->is_postgres ? "allow_writable_scripts: true\n" : ""};
    enum bw_err err = bw_lab_path(state_dir, node->state, "state", diag);

    if (err == BW_OK)
        err = print_groups(lab, site, groups, diag);
    return err == BW_OK
               ? bw_lab_write_site(
                     &lab->plan, &file,
                     bw_lab_process(lab, BW_LAB_AGENT, bw_lab_site_node(site))->config, diag)
               : err;
}

static enum bw_err write_groups(struct bw_lab *lab, struct bw_diag *diag)
{
    const char *names[BW_LAB_GROUPS_MAX];
    const char *more = lab->options->is_postgres ? "    max_lag: 0s\n    switchover_timeout: 40s\n"
                       : lab->options->has_data  ? ""
                                                : "    on_lag: allow\n"; /* nothing is replicated */

    for (uint32_t i = 0; i < lab->options->group_count; i++)
        names[i] = lab->groups[i];
    return bw_lab_write_groups(&lab->plan, names, lab->options->group_count, more, diag);
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* What all begin with. The file `mode` says how the scripts of this site misbehave. */
static const char script_head[] =
    "#!/bin/sh\n"
    "DIR='%s'\n"
    "PID_FILE=\"$DIR/$BREAKWATER_GROUP.pid\"\n"
    "mode=\n"
    "[ ! -r \"$DIR/mode\" ] || read -r mode < \"$DIR/mode\"\n"
    BW_LAB_SCRIPT_IS_ALIVE BW_LAB_SCRIPT_END_WITH
    "# Does not end, whoever asks.\n"
    "hang() {\n"
    "    trap '' TERM INT HUP\n"
    "    while :; do sleep 1; done\n"
    "}\n";

struct script {
    const char *name;
    const char *body;
};
static const struct script scripts[] = {
    {"status.sh", "[ \"$mode\" != status-hangs ] || hang\n"
                  "[ \"$mode\" != all-fail ] || { echo unknown; exit 0; }\n"
                  "if is_alive; then echo started; else echo stopped; fi\n"},
    {"stop.sh", "echo \"$BREAKWATER_GROUP $BREAKWATER_EPOCH\" >> \"$DIR/stops\"\n"
                "[ \"$mode\" != stop-hangs ] || hang\n"
                "[ \"$mode\" != stop-slow ] || ! is_alive || sleep 2\n"
                "[ \"$mode\" != stop-hangs-late ] || { end_with TERM; hang; }\n"
                "[ \"$mode\" != stop-lies ] || exit 0\n"
                "[ \"$mode\" != stop-fails ] || echo all-fail > \"$DIR/mode.new\"\n"
                "[ \"$mode\" != stop-fails ] || mv \"$DIR/mode.new\" \"$DIR/mode\"\n"
                "[ \"$mode\" != stop-fails ] && [ \"$mode\" != all-fail ] || exit 1\n"
                "end_with TERM\n"},
    {"fence.sh", "[ \"$mode\" != fence-hangs ] || hang\n"
                 "[ \"$mode\" != fence-fails ] || exit 1\n"
                 "[ \"$mode\" != all-fail ] || exit 1\n"
                 "[ \"$mode\" != fence-lies ] || exit 0\n"
                 "end_with KILL\n"},
};

/* The shift of the node's clock is taken back, so that every record shows one clock. Where it serves
 * the records know from the lab, not from the program that is judged by them: two sites that it
 * called by one name would never overlap. */
static const char start_body[] =
    "[ \"$mode\" != start-hangs ] || hang\n"
    "[ \"$mode\" != start-fails ] || exit 1\n"
    "is_alive && exit 0\n"
    "read -r shift < \"$DIR/clock_shift\"\n"
    "if [ -e \"$DIR/outside\" ]; then\n"
    "    [ ! -s \"$DIR/outside\" ] || { sleep 600 <&- >&- 2>&- & }\n"
    "    echo \"$BREAKWATER_EPOCH $shift\" > \"$DIR/$BREAKWATER_GROUP.asked\"\n"
    "    mv \"$DIR/$BREAKWATER_GROUP.asked\" \"$DIR/$BREAKWATER_GROUP.wanted\"\n"
    "    until is_alive; do sleep 0.02; done\n"
    "    exit 0\n"
    "fi\n"
    "[ \"$mode\" != forks-away ] || { (setsid sleep 600 <&- >&- 2>&- &) & }\n"
    "[ \"$BREAKWATER_SITE\" = '%s' ] || { echo \"not the name of this site\" >&2; exit 1; }\n"
    "exec '%s' ledger --site '%s' --epoch \"$BREAKWATER_EPOCH\" \\\n"
    "    --records \"%s/$BREAKWATER_GROUP\" --pid-file \"$PID_FILE\" --clock-shift=\"$shift\"\n";

/* The data are what the services of the group have recorded, at hand at every site at once. */
static const char readiness_body[] =
    "echo lag_seconds=0\n"
    "echo position=\"$(cat \"%s/$BREAKWATER_GROUP\"/*.beats 2>/dev/null | wc -c)\"\n";

static enum bw_err write_scripts(const struct bw_lab *lab, uint32_t site, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char head[sizeof script_head + BW_LAB_PATH_BYTES];
    char start[sizeof start_body + 2 * BW_LAB_PATH_BYTES + 2 * sizeof node->name];
    char readiness[sizeof readiness_body + BW_LAB_PATH_BYTES];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, node->dir, "clock_shift", diag);

    if (lab->options->is_postgres)
        return bw_postgres_write_scripts(lab, site, diag);
    (void)snprintf(head, sizeof head, script_head, node->dir);
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "0\n");
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0] && err == BW_OK; i++)
        err = bw_lab_write_script(node->dir, scripts[i].name, head, scripts[i].body, diag);
    (void)snprintf(start, sizeof start, start_body, node->name, lab->options->self, node->name,
                   lab->records);
    if (err == BW_OK)
        err = bw_lab_write_script(node->dir, "start.sh", head, start, diag);
    (void)snprintf(readiness, sizeof readiness, readiness_body, lab->records);
    return err == BW_OK ? bw_lab_write_script(node->dir, "readiness.sh", head, readiness, diag) : err;
}

/* ---- processes ------------------------------------------------------------------------------- */

static enum bw_err name_process(struct bw_lab *lab, enum bw_lab_role role, uint32_t node,
                                struct bw_diag *diag)
{
    struct bw_lab_process *process = &lab->processes[lab->process_count++];
    char name[16]; /* of a node: ours, short */
    char file[BW_NAME_MAX + 32];
    enum bw_err err;

    (void)bw_copy_text(name, sizeof name, lab->nodes[node].name);
    *process = (struct bw_lab_process){.role = role, .node = node, .disk_fault = ""};
    if (role == BW_LAB_WITNESS)
        (void)snprintf(process->name, sizeof process->name, "%s", name);
    else
        (void)snprintf(process->name, sizeof process->name, "%s/%s", name, bw_lab_role_word(role));
    (void)snprintf(file, sizeof file, "%s.yaml", name);
    err = bw_lab_path(process->config, lab->dir, file, diag);
    (void)snprintf(file, sizeof file, "%s.log", bw_lab_role_word(role));
    if (err == BW_OK)
        err = bw_lab_path(process->log, lab->nodes[node].dir, file, diag);
    (void)snprintf(file, sizeof file, "%s.faults", bw_lab_role_word(role));
    return err == BW_OK ? bw_lab_path(process->faults, lab->nodes[node].dir, file, diag) : err;
}

static enum bw_err name_processes(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = name_process(lab, BW_LAB_WITNESS, i, diag);
    for (uint32_t i = 0; i < lab->options->site_count && err == BW_OK; i++) {
        err = name_process(lab, BW_LAB_GUARD, bw_lab_site_node(i), diag);
        if (err == BW_OK)
            err = name_process(lab, BW_LAB_AGENT, bw_lab_site_node(i), diag);
    }
    return err;
}

enum bw_err bw_lab_add_witness(struct bw_lab *lab, uint32_t node, struct bw_diag *diag)
{
    BW_ASSERT(lab->process_count < BW_LAB_PROCESSES);
    return name_process(lab, BW_LAB_WITNESS, node, diag);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum bw_err make_records(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = bw_lab_path(lab->records, lab->dir, "records", diag);

    if (err == BW_OK)
        err = bw_lab_make_dir(lab->records, diag);
    for (uint32_t i = 0; i < lab->options->group_count && err == BW_OK; i++) {
        char path[BW_LAB_PATH_BYTES];

        if (lab->options->is_postgres)
            (void)snprintf(lab->groups[i], sizeof lab->groups[i], BW_POSTGRES_GROUP);
        else
            (void)snprintf(lab->groups[i], sizeof lab->groups[i], "g%" PRIu32, i + 1);
        err = bw_lab_path(path, lab->records, lab->groups[i], diag);
        if (err == BW_OK)
            err = bw_lab_make_dir(path, diag);
    }
    return err;
}

/* A person's file names every machine on which a witness may run. */
static enum bw_err write_command_file(const struct bw_lab *lab, struct bw_diag *diag)
{
    char hosts[BW_LAB_SPARES_MAX][BW_LAB_HOST_BYTES];

    for (uint32_t i = 0; i < lab->options->spare_count; i++)
        bw_lab_host(lab, bw_lab_spare_node(lab, i), hosts[i]);
    return bw_lab_write_command_file(&lab->plan, hosts, lab->options->spare_count, diag);
}

static void empty_dir(const char *path)
{
    DIR *list = opendir(path);
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(list), entry->d_name, 0); /* else there is a record more, which the verdict sees */
    if (list != NULL)
        (void)closedir(list); /* only read from */
}

/* What the trial has written is no record of this lab. */
static void forget_trial(const struct bw_lab *lab)
{
    char path[2 * BW_LAB_PATH_BYTES];

    for (uint32_t i = 0; i < lab->options->group_count; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", lab->records, lab->groups[i]); /* fits: two of them */
        empty_dir(path);
    }
    for (uint32_t site = 0; site < lab->options->site_count; site++) {
        (void)snprintf(path, sizeof path, "%s/stops", lab->nodes[bw_lab_site_node(site)].dir);
        (void)unlink(path); /* there is none where nothing was stopped */
    }
}

/* In the box's own network, where no site is: a trial's start meets no peer. */
enum bw_err bw_lab_prove_sites(struct bw_lab *lab, struct bw_diag *diag)
{
    /* Two servers cannot listen on one port. */
    const uint32_t at_once = lab->options->is_postgres ? 1 : lab->options->site_count;
    const char *configs[BW_LAB_SITES_MAX];
    char log[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(log, lab->dir, "trial.log", diag);

    _Static_assert(BW_LAB_SITES_MAX <= BW_LAB_PROVED_MAX, "all at once");
    if (err != BW_OK)
        return err;
    for (uint32_t i = 0; i < lab->options->site_count; i++)
        configs[i] = bw_lab_process(lab, BW_LAB_AGENT, bw_lab_site_node(i))->config;
    for (uint32_t i = 0; i < lab->options->site_count && err == BW_OK; i += at_once)
        err = bw_lab_prove(lab->options->self, &configs[i], at_once, log, diag);
    forget_trial(lab);
    return err;
}

enum bw_err bw_lab_open(struct bw_lab *lab, const struct bw_box *box,
                        const struct bw_lab_options *options, const char *dir, struct bw_diag *diag)
{
    enum bw_err err;

    BW_ASSERT(options->site_count >= 2 && options->site_count <= BW_LAB_SITES_MAX);
    BW_ASSERT(options->spare_count <= BW_LAB_SPARES_MAX);
    BW_ASSERT(options->group_count >= 1 && options->group_count <= BW_LAB_GROUPS_MAX);
    *lab = (struct bw_lab){.box = box, .options = options, .begun_ns = bw_lab_now_ns()};
    (void)snprintf(lab->dir, sizeof lab->dir, "%s", dir); /* below BW_BOX_DIR: short */
    bw_prng_init(&lab->prng, options->seed);
    lab->events = calloc(BW_LAB_EVENTS_MAX, sizeof *lab->events);
    if (lab->events == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    err = bw_lab_make_dir(dir, diag);
    if (err == BW_OK)
        err = make_records(lab, diag);
    if (err == BW_OK)
        err = make_nodes(lab, diag);
    make_plan(lab);
    if (err == BW_OK)
        err = name_processes(lab, diag);
    if (err == BW_OK)
        err = bw_lab_make_certificates(&lab->plan, diag);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = write_witness(lab, i, diag);
    for (uint32_t i = 0; i < options->site_count && err == BW_OK; i++)
        err = write_site(lab, i, diag);
    for (uint32_t i = 0; i < options->site_count && err == BW_OK; i++)
        err = write_scripts(lab, i, diag);
    if (err == BW_OK)
        err = write_groups(lab, diag);
    if (err == BW_OK)
        err = write_command_file(lab, diag);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = bw_lab_found(bw_lab_process(lab, BW_LAB_WITNESS, i)->config, &lab->cluster_id, diag);
    if (err == BW_OK && !options->is_postgres) /* its servers are made later, and are proved then */
        err = bw_lab_prove_sites(lab, diag);
    if (err == BW_OK)
        err = bw_hub_open(&lab->hub, lab->node_count, options->seed, diag);
    if (err == BW_OK) {
        lab->hub.weather = options->weather;
        lab->hub.weather_count = BW_LAB_WITNESSES + options->site_count;
        bw_hub_heal(&lab->hub);
    }
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "set up");
}

enum bw_err bw_lab_apply(struct bw_lab *lab, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    const char *const words[] = {"apply", "-f", path, "--yes", NULL};
    char text[512];
    enum bw_err err = bw_lab_path(path, lab->dir, "groups.yaml", diag);
    int status;

    if (err != BW_OK)
        return err;
    status = bw_lab_command(lab, words, APPLY_MS, text, sizeof text);
    return status == 0 ? BW_OK
                       : bw_diag_set(diag, BW_ERR_REFUSED, "apply: status %d: %s", status, text);
}

void bw_lab_close(struct bw_lab *lab)
{
    const struct bw_lab_node *node;

    bw_hub_close(&lab->hub);
    /* As the first process of the PID namespace: everything else in it. */
    BW_ASSERT(getpid() == 1);
    (void)kill(-1, SIGKILL); /* ESRCH: nothing else runs */
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    for (uint32_t i = 0; i < lab->node_count; i++) {
        node = &lab->nodes[i];
        (void)umount2(node->state, MNT_DETACH); /* goes with the box at the latest */
        if (node->time_namespace > 0)
            (void)close(node->time_namespace); /* only a handle */
    }
}
