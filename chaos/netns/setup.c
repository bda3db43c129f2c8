/* setup.c - everything that a cluster needs before its first process starts. */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/net/pki.h>
#include <breakwater/witness/witness.h>

#define CLUSTER         BW_LAB_CLUSTER
#define FILE_BYTES      (32 * 1024)
#define API_PORT        7400
#define RAFT_PORT       7401
#define APPLY_MS        10000
#define WITNESS_STORE   "mode=0755,size=96m" /* libraft's segments have 8 MiB each */
#define SITE_STORE      "mode=0755,size=1m"
#define EVENTS_AT_FIRST 1024

static const char *const site_names[BW_LAB_SITES_MAX] = {"alpha", "beta", "gamma"};

uint32_t bw_lab_site_node(uint32_t site)
{
    return BW_LAB_WITNESSES + site;
}

uint32_t bw_lab_command_node(const struct bw_lab *lab)
{
    return lab->node_count - 1;
}

/* ---- files ------------------------------------------------------------------------------------
 */

enum bw_err bw_lab_path(char out[BW_LAB_PATH_BYTES], const char *dir, const char *name,
                        struct bw_diag *diag)
{
    const size_t dir_size = strlen(dir);
    const size_t name_size = strlen(name) + 1;

    if (dir_size + 1 + name_size > BW_LAB_PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes: %s/%s",
                           BW_LAB_PATH_BYTES - 1, dir, name);
    memmove(out, dir, dir_size); /* `dir` may be of the same struct as `out` */
    out[dir_size] = '/';
    memcpy(out + dir_size + 1, name, name_size);
    return BW_OK;
}

enum bw_err bw_lab_write(const char *path, struct bw_diag *diag, const char *format, ...)
{
    char fresh[BW_LAB_PATH_BYTES + 8];
    va_list values;
    FILE *file;
    bool is_written;

    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "we");
    if (file == NULL)
        return bw_diag_errno(diag, errno, "create %s", fresh);
    va_start(values, format);
    is_written = vfprintf(file, format, values) >= 0;
    va_end(values);
    if (fclose(file) != 0 || !is_written || rename(fresh, path) != 0)
        return bw_diag_errno(diag, errno, "write %s", path);
    return BW_OK;
}

static enum bw_err make_dir(const char *path, struct bw_diag *diag)
{
    return mkdir(path, 0755) == 0 ? BW_OK : bw_diag_errno(diag, errno, "create %s", path);
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

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
        err = make_dir(node->dir, diag);
    if (err == BW_OK)
        err = bw_lab_path(node->state, node->dir, "disk", diag);
    if (err == BW_OK)
        err = bw_lab_path(node->boot_id, node->dir, "boot_id", diag);
    if (err == BW_OK)
        err = make_dir(node->state, diag);
    if (err == BW_OK)
        err = make_cgroup(lab->box->cgroup, name, diag);
    if (err == BW_OK)
        err = make_cgroup(lab->box->cpu_cgroup, name, diag);
    if (err == BW_OK && mount("disk", node->state, "tmpfs", MS_NOSUID | MS_NODEV,
                              index < BW_LAB_WITNESSES ? WITNESS_STORE : SITE_STORE) != 0)
        err = bw_diag_errno(diag, errno, "mount %s", node->state);
    return err;
}

static enum bw_err make_nodes(struct bw_lab *lab, struct bw_diag *diag)
{
    char name[16];
    enum bw_err err = BW_OK;

    lab->node_count = BW_LAB_WITNESSES + lab->options->site_count + 1;
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++) {
        (void)snprintf(name, sizeof name, "w%" PRIu32, i + 1);
        err = make_node(lab, i, name, diag);
    }
    for (uint32_t i = 0; i < lab->options->site_count && err == BW_OK; i++)
        err = make_node(lab, bw_lab_site_node(i), site_names[i], diag);
    return err == BW_OK ? make_node(lab, bw_lab_command_node(lab), "operator", diag) : err;
}

/* ---- certificates -----------------------------------------------------------------------------
 */

static enum bw_err issue(const struct bw_lab *lab, const char *subject, const char *address,
                         struct bw_diag *diag)
{
    char san[32];
    const char *const sans[] = {san};
    const struct bw_pki_request request = {
        .dir = lab->dir,
        .subject = subject,
        .sans = sans,
        .sans_count = address == NULL ? 0 : 1,
        .days = 30, /* thrown away long before; a wall clock may be hours off */
    };
    char path[BW_PKI_PATH_MAX];

    (void)snprintf(san, sizeof san, "ip:%s", address == NULL ? "" : address);
    return bw_pki_issue(&request, path, diag);
}

static enum bw_err make_certificates(const struct bw_lab *lab, struct bw_diag *diag)
{
    char subject[2 * BW_NAME_MAX];
    char address[BW_HUB_ADDRESS_BYTES];
    enum bw_err err = bw_pki_init(CLUSTER, lab->dir, diag);

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++) {
        (void)snprintf(subject, sizeof subject, "witness/%s", lab->nodes[i].name);
        bw_hub_address(i, address);
        err = issue(lab, subject, address, diag);
    }
    for (uint32_t i = 0; i < lab->options->site_count && err == BW_OK; i++) {
        (void)snprintf(subject, sizeof subject, "agent/%s/agent", site_names[i]);
        err = issue(lab, subject, NULL, diag);
    }
    return err == BW_OK ? issue(lab, "operator/chaos", NULL, diag) : err;
}

/* ---- configuration ----------------------------------------------------------------------------
 */

/* Keeps the inequality of design 4 with room: 4/5 of the lease against 47/60 of it. */
static void choose_timings(struct bw_lab *lab)
{
    const uint32_t ttl_ms = lab->options->lease_ttl_ms;

    if (lab->options->is_postgres) {
        lab->timings = bw_postgres_timings();
        return;
    }
    lab->timings = (struct bw_lab_timings){
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

static enum bw_err write_witness(struct bw_lab *lab, uint32_t index, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[index];
    char members[1024] = "";
    char address[BW_HUB_ADDRESS_BYTES];
    size_t used = 0;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) { /* ours: short */
        bw_hub_address(i, address);
        used += (size_t)snprintf(members + used, sizeof members - used,
                                 "  - {name: w%" PRIu32 ", id: %" PRIu32 ", address: \"%s:%d\", "
                                 "raft: \"%s:%d\", failure_domain: zone-%" PRIu32 "}\n",
                                 i + 1, i + 1, address, API_PORT, address, RAFT_PORT, i + 1);
    }
    bw_hub_address(index, address);
    return bw_lab_write(bw_lab_process(lab, BW_LAB_WITNESS, index)->config, diag,
                        "cluster: " CLUSTER "\nname: %s\ndata_dir: %s/data\n"
                        "listen: \"%s:%d\"\nraft_listen: \"%s:%d\"\n"
                        "tls: {ca: %s/ca.pem, identity: %s/%s.pem}\n"
                        "election_timeout: %" PRIu32 "ms\nwitnesses:\n%s",
                        node->name, node->state, address, API_PORT, address, RAFT_PORT, lab->dir,
                        lab->dir, node->name, lab->timings.election_timeout_ms, members);
}

/* `[10.77.0.1:7400, ...]` */
static void list_witnesses(char out_list[128])
{
    char address[BW_HUB_ADDRESS_BYTES];
    size_t used = 0;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) { /* three short ones: fits */
        bw_hub_address(i, address);
        used += (size_t)snprintf(out_list + used, 128 - used, "%s%s:%d", i == 0 ? "" : ", ",
                                 address, API_PORT);
    }
}

static size_t print_site_group(const struct bw_lab *lab, const struct bw_lab_node *node,
                               const char *group, char *out, size_t size)
{
    const struct bw_lab_timings *t = &lab->timings;
    char data[BW_LAB_PATH_BYTES + 96] = "";

    if (lab->options->has_data)
        (void)snprintf(data, sizeof data,
                       "    stop_timeout: " BW_LAB_STOP_TIMEOUT_TEXT
                       "\n    readiness_script: %s/readiness.sh\n",
                       node->dir);
    return (size_t)snprintf(
        out, size,
        "  - name: %s\n    enforce: cgroup\n    check_interval: %" PRIu32 "ms\n"
        "    failure_threshold: 2\n    script_timeout: 10s\n    fence_timeout: %" PRIu32 "ms\n"
        "    kill_grace: %" PRIu32 "ms\n    status_script: %s/status.sh\n"
        "    start_script: %s/start.sh\n    stop_script: %s/stop.sh\n"
        "    fence_script: %s/fence.sh\n%s",
        group, t->check_interval_ms, t->fence_script_ms, t->kill_grace_ms, node->dir, node->dir,
        node->dir, node->dir, data);
}

static enum bw_err write_site(struct bw_lab *lab, uint32_t site, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char witnesses[128];
    char groups[FILE_BYTES];
    size_t used = 0;
    enum bw_err err = BW_OK;

    list_witnesses(witnesses);
    if (lab->options->is_postgres)
        err = bw_postgres_print_group(lab, site, groups, sizeof groups, diag);
    for (uint32_t i = 0;
         !lab->options->is_postgres && i < lab->options->group_count && used < sizeof groups; i++)
        used += print_site_group(lab, node, lab->groups[i], groups + used, sizeof groups - used);
    if (err != BW_OK)
        return err;
    if (used >= sizeof groups)
        return bw_diag_set(diag, BW_ERR_LIMIT, "the groups of a site need more than %zu bytes",
                           sizeof groups);
    return bw_lab_write(bw_lab_process(lab, BW_LAB_AGENT, bw_lab_site_node(site))->config, diag,
                        "cluster: " CLUSTER "\nsite: %s\nname: agent\nstate_dir: %s/state\n"
                        "run_dir: %s/run\nguard_socket: %s/guard.sock\n"
                        "tls: {ca: %s/ca.pem, identity: %s/%s-agent.pem}\n"
                        "witnesses: [%s]\n%sgroups:\n%s",
                        node->name, node->state, node->dir, node->dir, lab->dir, lab->dir,
                        node->name, witnesses,
                        /* The shipped scripts are run where they are: in anybody's checkout. */
                        lab->options->is_postgres ? "allow_writable_scripts: true\n" : "", groups);
}

/* Each group prefers another site, so that whatever is struck is some group's primary. */
static enum bw_err write_groups(struct bw_lab *lab, struct bw_diag *diag)
{
    const struct bw_lab_timings *t = &lab->timings;
    char path[BW_LAB_PATH_BYTES];
    char text[FILE_BYTES] = "groups:\n";
    size_t used = strlen(text);
    enum bw_err err = bw_lab_path(path, lab->dir, "groups.yaml", diag);

    for (uint32_t i = 0; i < lab->options->group_count && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "  - name: %s\n    sites: [",
                                 lab->groups[i]);
        for (uint32_t s = 0; s < lab->options->site_count && used < sizeof text; s++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s{name: %s, priority: %d}",
                                     s == 0 ? "" : ", ", site_names[s],
                                     (s + i) % lab->options->site_count == 0 ? 100 : 50);
        if (used < sizeof text)
            used += (size_t)snprintf(
                text + used, sizeof text - used,
                "]\n    mode: auto\n    lease_ttl: %" PRIu32 "ms\n    fence_timeout: %" PRIu32
                "ms\n    renew_interval: %" PRIu32 "ms\n    request_timeout: %" PRIu32
                "ms\n    margin: %" PRIu32 "ms\n    retry_backoff: %" PRIu32 "ms\n%s",
                t->lease_ttl_ms, t->fence_timeout_ms, t->renew_interval_ms, t->request_timeout_ms,
                t->margin_ms, t->retry_backoff_ms,
                lab->options->is_postgres ? "    max_lag: 0s\n    switchover_timeout: 40s\n" : "");
    }
    if (err == BW_OK && used >= sizeof text)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "the groups need more than %zu bytes", sizeof text);
    return err == BW_OK ? bw_lab_write(path, diag, "%s", text) : err;
}

static enum bw_err write_command_file(struct bw_lab *lab, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char witnesses[128];
    enum bw_err err = bw_lab_path(path, lab->dir, "cli.yaml", diag);

    list_witnesses(witnesses);
    return err != BW_OK ? err
                        : bw_lab_write(path, diag,
                                       "endpoints: [%s]\n"
                                       "tls: {ca: %s/ca.pem, identity: %s/chaos.pem}\n",
                                       witnesses, lab->dir, lab->dir);
}

/* ---- scripts ----------------------------------------------------------------------------------
 */

/* What all begin with. The file `mode` says how the scripts of this site misbehave. A pid alone may
 * be another process tomorrow; with the start time (field 22 of stat) it is this one. */
static const char script_head[] =
    "#!/bin/sh\n"
    "DIR='%s'\n"
    "PID_FILE=\"$DIR/$BREAKWATER_GROUP.pid\"\n"
    "mode=\n"
    "[ ! -r \"$DIR/mode\" ] || read -r mode < \"$DIR/mode\"\n"
    "is_alive() {\n"
    "    [ -r \"$PID_FILE\" ] && read -r pid begun < \"$PID_FILE\" || return 1\n"
    "    [ -r \"/proc/$pid/stat\" ] && read -r stat 2>/dev/null < \"/proc/$pid/stat\" || return 1\n"
    "    set -- ${stat##*) }\n"
    "    [ \"$1\" != Z ] && [ \"$1\" != X ] && [ \"${20}\" = \"$begun\" ]\n"
    "}\n"
    "# Signals the service and waits until it has ended; fails after 5 s.\n"
    "end_with() {\n"
    "    tries=0\n"
    "    while is_alive; do\n"
    "        [ $tries -gt 0 ] || kill -\"$1\" \"$pid\"\n"
    "        tries=$((tries + 1))\n"
    "        [ $tries -le 500 ] || return 1\n"
    "        sleep 0.01\n"
    "    done\n"
    "}\n"
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
                "[ \"$mode\" != all-fail ] || exit 1\n"
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

static enum bw_err write_script(const struct bw_lab_node *node, const char *name, const char *body,
                                struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char head[sizeof script_head + BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, node->dir, name, diag);

    (void)snprintf(head, sizeof head, script_head, node->dir);
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "%s%s", head, body);
    if (err == BW_OK && chmod(path, 0755) != 0)
        err = bw_diag_errno(diag, errno, "chmod %s", path);
    return err;
}

static enum bw_err write_scripts(const struct bw_lab *lab, uint32_t site, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char start[sizeof start_body + 2 * BW_LAB_PATH_BYTES + 2 * sizeof node->name];
    char readiness[sizeof readiness_body + BW_LAB_PATH_BYTES];
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, node->dir, "clock_shift", diag);

    if (lab->options->is_postgres)
        return bw_postgres_write_scripts(lab, site, diag);
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "0\n");
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0] && err == BW_OK; i++)
        err = write_script(node, scripts[i].name, scripts[i].body, diag);
    (void)snprintf(start, sizeof start, start_body, node->name, lab->options->self, node->name,
                   lab->records);
    if (err == BW_OK)
        err = write_script(node, "start.sh", start, diag);
    (void)snprintf(readiness, sizeof readiness, readiness_body, lab->records);
    return err == BW_OK ? write_script(node, "readiness.sh", readiness, diag) : err;
}

/* ---- processes --------------------------------------------------------------------------------
 */

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

static enum bw_err found(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++) {
        const char *file = bw_lab_process(lab, BW_LAB_WITNESS, i)->config;
        struct bw_witness_config *config = NULL;
        struct bw_problems problems;

        bw_problems_init(&problems);
        err = bw_witness_config_load(file, &config, &problems);
        if (err != BW_OK) {
            bw_problems_print(&problems, "nothing was started", stderr);
            (void)bw_diag_set(diag, err, "%s is not usable", file);
        } else {
            err = bw_witness_found(config, lab->cluster_id, &lab->cluster_id, diag);
        }
        bw_witness_config_free(config);
        bw_problems_deinit(&problems);
    }
    return err;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum bw_err make_records(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = bw_lab_path(lab->records, lab->dir, "records", diag);

    if (err == BW_OK)
        err = make_dir(lab->records, diag);
    for (uint32_t i = 0; i < lab->options->group_count && err == BW_OK; i++) {
        char path[BW_LAB_PATH_BYTES];

        if (lab->options->is_postgres)
            (void)snprintf(lab->groups[i], sizeof lab->groups[i], BW_POSTGRES_GROUP);
        else
            (void)snprintf(lab->groups[i], sizeof lab->groups[i], "g%" PRIu32, i + 1);
        err = bw_lab_path(path, lab->records, lab->groups[i], diag);
        if (err == BW_OK)
            err = make_dir(path, diag);
    }
    return err;
}

enum bw_err bw_lab_open(struct bw_lab *lab, const struct bw_box *box,
                        const struct bw_lab_options *options, const char *dir, struct bw_diag *diag)
{
    enum bw_err err;

    BW_ASSERT(options->site_count >= 2 && options->site_count <= BW_LAB_SITES_MAX);
    BW_ASSERT(options->group_count >= 1 && options->group_count <= BW_LAB_GROUPS_MAX);
    *lab = (struct bw_lab){.box = box, .options = options, .begun_ns = bw_lab_now_ns()};
    (void)snprintf(lab->dir, sizeof lab->dir, "%s", dir); /* below BW_BOX_DIR: short */
    bw_prng_init(&lab->prng, options->seed);
    choose_timings(lab);
    lab->events = calloc(BW_LAB_EVENTS_MAX, sizeof *lab->events);
    if (lab->events == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    err = make_dir(dir, diag);
    if (err == BW_OK)
        err = make_records(lab, diag);
    if (err == BW_OK)
        err = make_nodes(lab, diag);
    if (err == BW_OK)
        err = name_processes(lab, diag);
    if (err == BW_OK)
        err = make_certificates(lab, diag);
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
    if (err == BW_OK)
        err = found(lab, diag);
    if (err == BW_OK)
        err = bw_hub_open(&lab->hub, lab->node_count, options->seed, diag);
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
