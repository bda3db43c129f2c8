#include "postgres.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>

#include "pg_client.h"

#define PORT           5432
#define OS_USER        "postgres"
#define SERVERS        "/usr/lib/postgresql/*/bin/pg_rewind"
#define ENV_BYTES      4096
#define SETUP_MS       60000
#define CATCH_UP_MS    20000
#define CATCH_UP_STEPS 50 /* ms between two looks */

static const char *const actions[] = {"status", "start", "stop", "fence", "readiness", "rejoin"};
#define ACTION_COUNT (sizeof actions / sizeof actions[0])

/* ---- what is here ---------------------------------------------------------------------------- */

/* The directory of the newest server's programs. */
static bool find_server(char out_dir[BW_LAB_PATH_BYTES])
{
    glob_t found;
    bool is_found = glob(SERVERS, 0, NULL, &found) == 0;
    long best = 0;

    for (size_t i = 0; is_found && i < found.gl_pathc; i++) {
        const long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
        char *name = strrchr(found.gl_pathv[i], '/');

        *name = '\0';
        if (version > best && bw_copy_text(out_dir, BW_LAB_PATH_BYTES, found.gl_pathv[i]))
            best = version;
    }
    if (is_found)
        globfree(&found);
    return best > 0;
}

/* Where this program is installed, or where it was built. */
static bool find_scripts(char out_dir[BW_LAB_PATH_BYTES])
{
    static const char installed[] = "/../share/breakwater/postgresql";
    char path[BW_LAB_PATH_BYTES];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *name;

    if (length > 0) {
        path[length] = '\0';
        name = strrchr(path, '/');
        if ((size_t)(name - path) + sizeof installed <= sizeof path) {
            memcpy(name, installed, sizeof installed);
            if (access(path, R_OK | X_OK) == 0)
                return bw_copy_text(out_dir, BW_LAB_PATH_BYTES, path);
        }
    }
    return access(BW_POSTGRES_SCRIPTS, R_OK | X_OK) == 0 &&
           bw_copy_text(out_dir, BW_LAB_PATH_BYTES, BW_POSTGRES_SCRIPTS);
}

const char *bw_postgres_why_not(void)
{
    char dir[BW_LAB_PATH_BYTES];

    if (!bw_pg_client_is_built())
        return "breakwater-chaos was built without libpq";
    if (!find_server(dir))
        return "no PostgreSQL server is installed";
    if (getpwnam(OS_USER) == NULL)
        return "there is no user " OS_USER;
    if (!find_scripts(dir))
        return "the scripts for PostgreSQL are neither installed nor where this was built";
    return NULL;
}

/* ---- configuration --------------------------------------------------------------------------- */

struct bw_lab_timings bw_postgres_timings(void)
{
    return (struct bw_lab_timings){
        .lease_ttl_ms = 5500,
        .fence_timeout_ms = 2000,
        .renew_interval_ms = 500,
        .request_timeout_ms = 500,
        .election_timeout_ms = 400,
        .margin_ms = 100,
        .check_interval_ms = 1000,
        .fence_script_ms = 1300,
        .kill_grace_ms = 400,
        .retry_backoff_ms = 1000,
    };
}

/* NAME SEPARATOR value, a line each, before it `indent`: for YAML and for a shell alike. */
static enum bw_err print_env(const struct bw_lab *lab, uint32_t site, const char *indent,
                             const char *separator, char out[ENV_BYTES], struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    const char *peer = lab->nodes[bw_lab_site_node(1 - site)].name;
    char address[BW_HUB_ADDRESS_BYTES];
    char bin[BW_LAB_PATH_BYTES];
    int length;

    bw_hub_address(bw_lab_site_node(1 - site), address);
    if (!find_server(bin))
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no PostgreSQL server is installed");
#define LINE(name, form) "%1$s" name "%2$s'" form "'\n"
    length = snprintf(out, ENV_BYTES,
                      LINE("PGDATA", "%3$s/pg/data") LINE("PGHOST", "%3$s/pg") LINE(
                          "PGPORT", "%4$d") LINE("PG_BIN", "%5$s") LINE("PG_LOG", "%3$s/pg/log")
                          LINE("PEER_CONNINFO", "host=%6$s port=%4$d user=postgres")
                              LINE("PG_APPLICATION_NAME", "site_%7$s")
                                  LINE("PG_SYNC_PEER", "site_%8$s") LINE("PG_START_TIMEOUT", "20")
                                      LINE("PG_STOP_TIMEOUT", "20") LINE("PG_STREAM_TIMEOUT", "3"),
                      indent, separator, node->dir, PORT, bin, address, node->name, peer);
#undef LINE
    return length > 0 && length < ENV_BYTES
               ? BW_OK
               : bw_diag_set(diag, BW_ERR_LIMIT, "the environment needs more than %d bytes",
                             ENV_BYTES);
}

enum bw_err bw_postgres_print_group(const struct bw_lab *lab, uint32_t site, char *out, size_t size,
                                    struct bw_diag *diag)
{
    const struct bw_lab_timings *t = &lab->plan.timings;
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char env[ENV_BYTES];
    enum bw_err err = print_env(lab, site, "      ", ": ", env, diag);
    size_t used;

    if (err != BW_OK)
        return err;
    used = (size_t)snprintf(out, size,
                            "  - name: " BW_POSTGRES_GROUP "\n    stop_method: cgroup\n"
                            "    check_interval: %" PRIu32 "ms\n    failure_threshold: 3\n"
                            "    script_timeout: %ds\n    fence_timeout: %" PRIu32 "ms\n"
                            "    kill_grace: %" PRIu32 "ms\n    status_timeout: 10s\n"
                            "    readiness_timeout: 10s\n",
                            t->check_interval_ms, BW_POSTGRES_SCRIPT_S, t->fence_script_ms,
                            t->kill_grace_ms);
    for (size_t i = 0; i < ACTION_COUNT && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "    %s_script: %s/%s.sh\n", actions[i],
                                 node->dir, actions[i]);
    if (used < size)
        used += (size_t)snprintf(out + used, size - used, "    env:\n%s", env);
    return used < size
               ? BW_OK
               : bw_diag_set(diag, BW_ERR_LIMIT, "the group needs more than %zu bytes", size);
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* The clients of this site read the epoch, for their records. */
static const char script[] =
    "#!/bin/bash\n"
    "DIR='%1$s'\n"
    "mode=\n"
    "[ ! -r \"$DIR/mode\" ] || read -r mode <\"$DIR/mode\"\n"
    "case $mode in\n"
    "%2$s-hangs) trap '' TERM INT HUP; while :; do sleep 1; done ;;\n"
    "%2$s-fails) exit 1 ;;\n"
    "%2$s-lies) exit 0 ;;\n"
    "esac\n"
    "[ %2$s != start ] || { echo \"$BREAKWATER_EPOCH\" >\"$DIR/epoch.new\" &&\n"
    "    mv \"$DIR/epoch.new\" \"$DIR/epoch\"; }\n"
    "exec '%3$s/%2$s.sh' 2> >(tee -a \"$DIR/scripts.log\" >&2)\n";

/* As an operator would make them. Runs once as `make`, then `first`, then `second`, then `stop`, each at its site. A trial
 * promotes its server: before `first`, each site takes one for the trial alone (`trial`), and removes it (`tried`). */
static const char setup_script[] =
    "#!/bin/bash\n"
    "set -eu\n"
    "set -a; . '%1$s/env'; set +a\n"
    "as_server() { setpriv --reuid " OS_USER " --regid " OS_USER " --init-groups -- \"$@\"; }\n"
    "cd /\n"
    "take_server() {\n"
    "    mkdir \"$PGHOST\" && chown " OS_USER ": \"$PGHOST\"\n"
    "    cp -a '%3$s/made' \"$PGDATA\"\n"
    "    echo \"unix_socket_directories = '$PGHOST'\" >>\"$PGDATA/postgresql.conf\"\n"
    "}\n"
    "case $1 in\n"
    "make)\n"
    "    install -d -o " OS_USER " -m 700 '%3$s/made'\n"
    "    as_server \"$PG_BIN/initdb\" -D '%3$s/made' --auth=trust -N\n"
    "    echo 'host all,replication all all trust' >>'%3$s/made/pg_hba.conf'\n"
    "    cat >>'%3$s/made/postgresql.conf' <<END\n"
    "listen_addresses = '*'\n"
    "wal_log_hints = on\n"
    "wal_keep_size = 128MB\n"
    "min_wal_size = 32MB\n"
    "max_wal_size = 128MB\n"
    "shared_buffers = 16MB\n"
    "wal_receiver_timeout = 3s\n"
    "wal_sender_timeout = 3s\n"
    "wal_receiver_status_interval = 1s\n"
    "wal_retrieve_retry_interval = 200ms\n"
    "fsync = off\n"
    "autovacuum = off\n"
    "END\n"
    "    ;;\n"
    "trial) take_server ;;\n"
    "tried) rm -r \"$PGHOST\" '%1$s/epoch' ;;\n"
    "first)\n"
    "    take_server\n"
    "    as_server \"$PG_BIN/pg_ctl\" -D \"$PGDATA\" -l \"$PG_LOG\" -w start\n"
    "    as_server \"$PG_BIN/psql\" -XAtq -d postgres -c 'CREATE TABLE acknowledged(label text,\n"
    "        number int, PRIMARY KEY (label, number))' ;;\n"
    "second)\n"
    "    mkdir \"$PGHOST\" && chown " OS_USER ": \"$PGHOST\"\n"
    "    as_server \"$PG_BIN/pg_basebackup\" -d \"$PEER_CONNINFO\" -D \"$PGDATA\" -c fast\n"
    "    echo \"unix_socket_directories = '$PGHOST'\" >>\"$PGDATA/postgresql.conf\"\n"
    "    '%2$s/rejoin.sh' ;;\n"
    "stop) '%2$s/stop.sh' ;;\n"
    "esac\n";

enum bw_err bw_postgres_write_scripts(const struct bw_lab *lab, uint32_t site, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    char scripts[BW_LAB_PATH_BYTES];
    char text[sizeof setup_script + 8 * BW_LAB_PATH_BYTES];
    char path[BW_LAB_PATH_BYTES];
    char name[32];
    char env[ENV_BYTES];
    enum bw_err err = print_env(lab, site, "", "=", env, diag);

    if (err == BW_OK && !find_scripts(scripts))
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "no scripts for PostgreSQL");
    if (err == BW_OK)
        err = bw_lab_path(path, node->dir, "env", diag);
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "%s", env);
    for (size_t i = 0; i < ACTION_COUNT && err == BW_OK; i++) {
        (void)snprintf(text, sizeof text, script, node->dir, actions[i], scripts);
        (void)snprintf(name, sizeof name, "%s.sh", actions[i]);
        err = bw_lab_write_script(node->dir, name, "", text, diag);
    }
    if (err != BW_OK)
        return err;
    (void)snprintf(text, sizeof text, setup_script, node->dir, scripts, lab->nodes[bw_lab_site_node(0)].dir);
    return bw_lab_write_script(node->dir, "setup.sh", "", text, diag);
}

/* ---- servers --------------------------------------------------------------------------------- */

static enum bw_err run_setup(struct bw_lab *lab, uint32_t site, const char *step,
                             struct bw_diag *diag)
{
    const uint32_t node = bw_lab_site_node(site);
    char path[BW_LAB_PATH_BYTES];
    const char *const words[] = {path, step, NULL};
    char text[1024];
    enum bw_err err = bw_lab_path(path, lab->nodes[node].dir, "setup.sh", diag);
    int status;

    if (err != BW_OK)
        return err;
    status = bw_lab_run(lab, node, words, SETUP_MS, text, sizeof text);
    return status == 0 ? BW_OK
                       : bw_diag_set(diag, BW_ERR_IO, "set up the server at %s (%s): status %d: %s",
                                     lab->nodes[node].name, step, status, text);
}

static enum bw_err run_setup_everywhere(struct bw_lab *lab, const char *step, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t site = 0; site < lab->options->site_count && err == BW_OK; site++)
        err = run_setup(lab, site, step, diag);
    return err;
}

enum bw_err bw_postgres_make_servers(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = run_setup(lab, 0, "make", diag);

    if (err == BW_OK)
        err = run_setup_everywhere(lab, "trial", diag);
    if (err == BW_OK)
        err = bw_lab_prove_sites(lab, diag);
    if (err == BW_OK)
        err = run_setup_everywhere(lab, "tried", diag);
    if (err == BW_OK)
        err = run_setup(lab, 0, "first", diag);
    if (err == BW_OK)
        err = run_setup(lab, 1, "second", diag);
    return err == BW_OK ? run_setup(lab, 0, "stop", diag) : err;
}

static bool has_file(const struct bw_lab *lab, uint32_t site, const char *name)
{
    char path[BW_LAB_PATH_BYTES];
    struct bw_diag diag = {0};

    return bw_lab_path(path, lab->nodes[bw_lab_site_node(site)].dir, name, &diag) == BW_OK &&
           access(path, F_OK) == 0;
}

int bw_postgres_find_primary(const struct bw_lab *lab)
{
    for (uint32_t site = 0; site < lab->options->site_count; site++)
        if (has_file(lab, site, "pg/.s.PGSQL.5432") &&
            has_file(lab, site, "pg/data/postmaster.pid") &&
            !has_file(lab, site, "pg/data/standby.signal"))
            return (int)site;
    return -1;
}

/* ---- clients --------------------------------------------------------------------------------- */

/* Inside: at the site, through the server's own socket. Outside: from the command node. */
static enum bw_err start_client(struct bw_lab *lab, uint32_t site, bool is_inside, pid_t *out_pid,
                                struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[bw_lab_site_node(site)];
    struct bw_pg_client client = {.site = node->name, .rows_max = BW_POSTGRES_ROWS_MAX};
    char address[BW_HUB_ADDRESS_BYTES];
    char records[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(records, lab->records, BW_POSTGRES_GROUP, diag);

    bw_hub_address(bw_lab_site_node(site), address);
    (void)snprintf(client.label, sizeof client.label, "%s-%s", is_inside ? "inside" : "outside",
                   node->name);
    if (is_inside)
        (void)snprintf(client.connection, sizeof client.connection,
                       "host=%s/pg port=%d user=postgres dbname=postgres connect_timeout=3",
                       node->dir, PORT);
    else
        (void)snprintf(client.connection, sizeof client.connection,
                       "host=%s port=%d user=postgres dbname=postgres connect_timeout=3", address,
                       PORT);
    (void)snprintf(client.records, sizeof client.records, "%.511s", records);
    if (is_inside)
        (void)snprintf(client.epoch_file, sizeof client.epoch_file, "%.500s/epoch", node->dir);
    if (err != BW_OK)
        return err;
    *out_pid = bw_lab_fork(lab, is_inside ? bw_lab_site_node(site) : bw_lab_command_node(lab));
    if (*out_pid == 0)
        bw_pg_client_run(&client);
    return *out_pid > 0 ? BW_OK : bw_diag_errno(diag, errno, "start a client");
}

enum bw_err bw_postgres_start_clients(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_CLIENTS && err == BW_OK; i++)
        err = start_client(lab, i / 2, i % 2 == 0, &lab->clients[i], diag);
    return err;
}

void bw_postgres_stop_clients(struct bw_lab *lab)
{
    for (uint32_t i = 0; i < BW_LAB_CLIENTS; i++) {
        if (lab->clients[i] <= 0)
            continue;
        (void)kill(lab->clients[i], SIGKILL); /* ours, not asked for its end yet */
        (void)bw_lab_wait_child(lab->clients[i]);
        lab->clients[i] = 0;
    }
}

/* ---- what is lost ---------------------------------------------------------------------------- */

enum bw_err bw_postgres_count_lost(struct bw_lab *lab, uint64_t *out_acknowledged,
                                   uint64_t *out_lost, struct bw_diag *diag)
{
    const struct timespec pause = {.tv_nsec = CATCH_UP_STEPS * (long)BW_NS_PER_MS};
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(CATCH_UP_MS);
    char records[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(records, lab->records, BW_POSTGRES_GROUP, diag);
    uint64_t lost = 0;

    *out_lost = 0;
    for (uint32_t site = 0; site < lab->options->site_count && err == BW_OK; site++) {
        char connection[BW_LAB_PATH_BYTES + 128];

        (void)snprintf(connection, sizeof connection,
                       "host=%s/pg port=%d user=postgres dbname=postgres connect_timeout=3",
                       lab->nodes[bw_lab_site_node(site)].dir, PORT);
        do {
            err = bw_pg_count_lost(connection, records, out_acknowledged, &lost, diag);
            if (err == BW_OK && lost == 0)
                break;
            (void)nanosleep(&pause, NULL); /* between two looks; cut short is as well */
        } while (bw_lab_now_ns() < until_ns);
        *out_lost += lost;
    }
    return err;
}
