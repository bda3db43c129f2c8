/* setup.c - everything that a cluster needs before its first process starts: a directory, a CA and
 * its certificates, free ports, configuration files, the witnesses' data directories. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/prng.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/net/pki.h>
#include <breakwater/os/random.h>
#include <breakwater/witness/witness.h>

#define FILE_BYTES    (16 * 1024)
#define PORT_FIRST    12000 /* below what the kernel gives to those who dial out */
#define PORT_COUNT    18000
#define PORT_TRIES    200
#define OPEN_DIRS_MAX 16

/* ---- files ----------------------------------------------------------------------------------- */

enum bw_err bw_dev_path(char out[BW_DEV_PATH_BYTES], const char *dir, const char *name,
                        struct bw_diag *diag)
{
    const int length = snprintf(out, BW_DEV_PATH_BYTES, "%s/%s", dir, name);

    if (length < 0 || length >= BW_DEV_PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes: %s/%s",
                           BW_DEV_PATH_BYTES - 1, dir, name);
    return BW_OK;
}

enum bw_err bw_dev_write_file(const char *path, const char *text, struct bw_diag *diag)
{
    FILE *file = fopen(path, "wxe");
    bool is_written;

    if (file == NULL)
        return bw_diag_errno(diag, errno, "create %s", path);
    is_written = fputs(text, file) >= 0;
    if (fclose(file) != 0 || !is_written)
        return bw_diag_errno(diag, errno, "write %s", path);
    return BW_OK;
}

__attribute__((format(printf, 4, 5))) static enum bw_err
write_format(const char *dir, const char *name, struct bw_diag *diag, const char *format, ...)
{
    char path[BW_DEV_PATH_BYTES];
    char text[FILE_BYTES];
    va_list values;
    int length;
    enum bw_err err = bw_dev_path(path, dir, name, diag);

    va_start(values, format);
    length = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (err == BW_OK && (length < 0 || (size_t)length >= sizeof text))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "%s longer than %d bytes", name, FILE_BYTES - 1);
    return err == BW_OK ? bw_dev_write_file(path, text, diag) : err;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    (void)remove(path); /* what cannot be removed stays, and its folders with it */
    return 0;
}

void bw_dev_remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static enum bw_err make_dir(const char *path, struct bw_diag *diag)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "create %s", path);
    return BW_OK;
}

/* ---- directories ----------------------------------------------------------------------------- */

/* Such a path stands in YAML and in scripts, between quotes that it must not end. */
static enum bw_err check_path(const char *path, struct bw_diag *diag)
{
    for (const char *at = path; *at != '\0'; at++)
        if (*at == '\'' || *at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "%s: a path with quotes, backslashes or control characters", path);
    return BW_OK;
}

static enum bw_err make_new_dir(const char *path, char out[BW_DEV_PATH_BYTES], struct bw_diag *diag)
{
    char *real;
    enum bw_err err = make_dir(path, diag);

    if (err != BW_OK)
        return err;
    real = realpath(path, NULL);
    if (real == NULL)
        return bw_diag_errno(diag, errno, "resolve %s", path);
    if (!bw_copy_text(out, BW_DEV_PATH_BYTES, real))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes", BW_DEV_PATH_BYTES - 1);
    free(real);
    /* rmdir succeeds only on one that is empty: what is in there already is never mixed up. */
    if (err == BW_OK && (rmdir(out) != 0 || mkdir(out, 0700) != 0))
        err = bw_diag_errno(diag, errno, "%s must be new or empty", path);
    return err == BW_OK ? check_path(out, diag) : err;
}

static enum bw_err make_own_dir(struct bw_dev *dev, struct bw_diag *diag)
{
    const char *parent = getenv("TMPDIR");
    enum bw_err err = bw_dev_path(dev->dir, parent == NULL || parent[0] != '/' ? "/tmp" : parent,
                                  "breakwater-dev-XXXXXX", diag);

    if (err != BW_OK)
        return err;
    if (mkdtemp(dev->dir) == NULL)
        return bw_diag_errno(diag, errno, "make a directory like %s", dev->dir);
    dev->is_dir_ours = true;
    return check_path(dev->dir, diag);
}

static enum bw_err make_dirs(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err = dev->options->dir == NULL ? make_own_dir(dev, diag)
                                                : make_new_dir(dev->options->dir, dev->dir, diag);

    if (err == BW_OK && dev->options->records_dir != NULL)
        return make_new_dir(dev->options->records_dir, dev->records_dir, diag);
    if (err == BW_OK)
        err = bw_dev_path(dev->records_dir, dev->dir, "records", diag);
    return err == BW_OK ? make_dir(dev->records_dir, diag) : err;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static bool is_port_free(uint16_t port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_free = fd >= 0 &&
                         bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;

    if (fd >= 0)
        (void)close(fd); /* only tried */
    return is_free;
}

/* A witness's port is written down before it listens, so that it must stay free until then: one of
 * those that the kernel gives to nobody, chosen at random, so that two runs do not choose alike. */
static enum bw_err choose_ports(struct bw_dev *dev, struct bw_diag *diag)
{
    uint16_t chosen[2 * BW_DEV_WITNESSES];
    uint32_t count = 0;
    struct bw_prng prng;

    bw_prng_init(&prng, bw_random_seed());
    for (int tries = 0; tries < PORT_TRIES && count < 2 * BW_DEV_WITNESSES; tries++) {
        const uint16_t port = (uint16_t)(PORT_FIRST + bw_prng_below(&prng, PORT_COUNT));
        bool is_taken = false;

        for (uint32_t i = 0; i < count; i++)
            is_taken = is_taken || chosen[i] == port;
        if (!is_taken && is_port_free(port))
            chosen[count++] = port;
    }
    if (count < 2 * BW_DEV_WITNESSES)
        return bw_diag_set(diag, BW_ERR_BUSY, "not enough free ports on 127.0.0.1");
    for (uint32_t i = 0; i < BW_DEV_WITNESSES; i++) {
        dev->api_ports[i] = chosen[2 * i];
        dev->raft_ports[i] = chosen[2 * i + 1];
    }
    return BW_OK;
}

/* ---- certificates ---------------------------------------------------------------------------- */

static enum bw_err issue(const struct bw_dev *dev, const char *subject, bool has_address,
                         struct bw_diag *diag)
{
    static const char *const sans[] = {"ip:127.0.0.1", "dns:localhost"};
    const struct bw_pki_request request = {
        .dir = dev->dir,
        .subject = subject,
        .sans = sans,
        .sans_count = has_address ? 2 : 0,
    };
    char path[BW_PKI_PATH_MAX];

    return bw_pki_issue(&request, path, diag);
}

static enum bw_err make_certificates(struct bw_dev *dev, struct bw_diag *diag)
{
    char subject[2 * BW_NAME_MAX];
    enum bw_err err = bw_pki_init(BW_DEV_CLUSTER, dev->dir, diag);

    for (uint32_t i = 0; i < BW_DEV_WITNESSES && err == BW_OK; i++) {
        (void)snprintf(subject, sizeof subject, "witness/w%" PRIu32, i + 1);
        err = issue(dev, subject, true, diag);
    }
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++) {
        (void)snprintf(subject, sizeof subject, "agent/%s/agent", dev->sites[i].name);
        err = issue(dev, subject, false, diag);
    }
    return err == BW_OK ? issue(dev, "operator/dev", false, diag) : err;
}

/* ---- configuration files --------------------------------------------------------------------- */

static enum bw_err write_witness_file(struct bw_dev *dev, uint32_t self, struct bw_diag *diag)
{
    struct bw_dev_process *process = bw_dev_process(dev, BW_DEV_WITNESS, self);
    char members[2048];
    char name[BW_NAME_MAX + 16];
    size_t used = 0;

    for (uint32_t i = 0; i < BW_DEV_WITNESSES; i++) /* agents are told the announced door */
        used += (size_t)snprintf(members + used, sizeof members - used,
                                 "  - {name: w%" PRIu32 ", id: %" PRIu32
                                 ", address: 127.0.0.1:%u, raft: 127.0.0.1:%u, "
                                 "failure_domain: zone-%" PRIu32 "}\n",
                                 i + 1, i + 1, (unsigned)dev->relay_ports[BW_DEV_ANNOUNCED][i],
                                 (unsigned)dev->raft_ports[i], i + 1);
    (void)snprintf(name, sizeof name, "%s.yaml", process->name);
    return write_format(dev->dir, name, diag,
                        "cluster: " BW_DEV_CLUSTER "\n"
                        "name: %s\n"
                        "data_dir: '%s/%s'\n"
                        "listen: 127.0.0.1:%u\n"
                        "raft_listen: 127.0.0.1:%u\n"
                        "tls: {ca: ca.pem, identity: %s.pem}\n"
                        "election_timeout: %" PRIu32 "ms\n"
                        "witnesses:\n%s",
                        process->name, dev->dir, process->name, (unsigned)dev->api_ports[self],
                        (unsigned)dev->raft_ports[self], process->name,
                        dev->timings.election_timeout_ms, members);
}

static enum bw_err write_site_file(struct bw_dev *dev, uint32_t index, struct bw_diag *diag)
{
    const struct bw_dev_site *site = &dev->sites[index];
    const struct bw_dev_timings *t = &dev->timings;
    char name[BW_NAME_MAX + 16];

    (void)snprintf(name, sizeof name, "%s.yaml", site->name);
    return write_format(dev->dir, name, diag,
                        "cluster: " BW_DEV_CLUSTER "\n"
                        "site: %s\n"
                        "name: agent\n"
                        "state_dir: '%s/state'\n"
                        "run_dir: '%s/run'\n"
                        "guard_socket: '%s/guard.sock'\n"
                        "tls: {ca: ca.pem, identity: %s-agent.pem}\n"
                        "witnesses: [127.0.0.1:%u, 127.0.0.1:%u, 127.0.0.1:%u]\n"
                        "log_level: debug\n" /* each confirmed renewal has its line */
                        "allow_writable_scripts: true\n" /* DIR is wherever its user likes */
                        "groups:\n"
                        "  - name: %s\n"
                        "    enforce: cgroup\n"
                        "    check_interval: %" PRIu32 "ms\n"
                        "    failure_threshold: 3\n"
                        "    script_timeout: 10s\n"
                        "    fence_timeout: %" PRIu32 "ms\n"
                        "    kill_grace: %" PRIu32 "ms\n"
                        "    status_script: '%s/status.sh'\n"
                        "    start_script: '%s/start.sh'\n"
                        "    stop_script: '%s/stop.sh'\n"
                        "    fence_script: '%s/fence.sh'\n"
                        "    readiness_script: '%s/readiness.sh'\n",
                        site->name, site->dir, site->dir, site->dir, site->name,
                        (unsigned)dev->relay_ports[index][0], (unsigned)dev->relay_ports[index][1],
                        (unsigned)dev->relay_ports[index][2], dev->group, t->check_interval_ms,
                        t->fence_script_ms, t->kill_grace_ms, site->dir, site->dir, site->dir,
                        site->dir, site->dir);
}

static enum bw_err write_cluster_files(struct bw_dev *dev, struct bw_diag *diag)
{
    const struct bw_dev_timings *t = &dev->timings;
    enum bw_err err = write_format(
        dev->dir, "groups.yaml", diag,
        "groups:\n"
        "  - name: %s\n"
        "    sites: [{name: %s, priority: 100}, {name: %s, priority: 50}]\n"
        "    mode: auto\n"
        "    lease_ttl: %" PRIu32 "ms\n"
        "    fence_timeout: %" PRIu32 "ms\n"
        "    renew_interval: %" PRIu32 "ms\n"
        "    request_timeout: %" PRIu32 "ms\n"
        "    margin: %" PRIu32 "ms\n"
        "    retry_backoff: %dms\n",
        dev->group, dev->sites[0].name, dev->sites[1].name, t->lease_ttl_ms, t->fence_timeout_ms,
        t->renew_interval_ms, t->request_timeout_ms, t->margin_ms, BW_DEV_RETRY_BACKOFF_MS);

    if (err != BW_OK)
        return err;
    return write_format(dev->dir, "cli.yaml", diag,
                        "endpoints: [127.0.0.1:%u, 127.0.0.1:%u, 127.0.0.1:%u]\n"
                        "tls: {ca: ca.pem, identity: dev.pem}\n",
                        (unsigned)dev->api_ports[0], (unsigned)dev->api_ports[1],
                        (unsigned)dev->api_ports[2]);
}

/* ---- processes and data directories ---------------------------------------------------------- */

static enum bw_err name_process(struct bw_dev *dev, enum bw_dev_role role, uint32_t index,
                                const char *name, struct bw_diag *diag)
{
    struct bw_dev_process *process = bw_dev_process(dev, role, index);
    char file[2 * BW_NAME_MAX];
    enum bw_err err;

    *process = (struct bw_dev_process){.role = role};
    (void)snprintf(process->name, sizeof process->name, "%s", name); /* ours: short */
    (void)snprintf(file, sizeof file, "%s.yaml", name);
    err = bw_dev_path(process->config, dev->dir, file, diag);
    if (role == BW_DEV_WITNESS)
        (void)snprintf(file, sizeof file, "%s.log", name);
    else
        (void)snprintf(file, sizeof file, "%s-%s.log", name, bw_dev_role_word(role));
    return err == BW_OK ? bw_dev_path(process->log, dev->dir, file, diag) : err;
}

static enum bw_err name_site(struct bw_dev *dev, uint32_t index, const char *name,
                             struct bw_diag *diag)
{
    struct bw_dev_site *site = &dev->sites[index];
    enum bw_err err;

    (void)snprintf(site->name, sizeof site->name, "%s", name); /* ours: short */
    err = bw_dev_path(site->dir, dev->dir, name, diag);
    if (err == BW_OK)
        err = bw_dev_path(site->pid_file, site->dir, "ledger.pid", diag);
    if (err == BW_OK)
        err = bw_dev_path(site->journal, site->dir, "journal", diag);
    if (err == BW_OK)
        err = name_process(dev, BW_DEV_AGENT, index, name, diag);
    if (err == BW_OK)
        err = name_process(dev, BW_DEV_GUARD, index, name, diag);
    return err == BW_OK ? make_dir(site->dir, diag) : err;
}

static enum bw_err name_all(struct bw_dev *dev, struct bw_diag *diag)
{
    static const char *const witness_names[BW_DEV_WITNESSES] = {"w1", "w2", "w3"};
    static const char *const site_names[BW_DEV_SITES] = {"alpha", "beta"};
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_DEV_WITNESSES && err == BW_OK; i++)
        err = name_process(dev, BW_DEV_WITNESS, i, witness_names[i], diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = name_site(dev, i, site_names[i], diag);
    return err;
}

static enum bw_err found(struct bw_dev *dev, struct bw_diag *diag)
{
    struct bw_id cluster_id = {0};
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_DEV_WITNESSES && err == BW_OK; i++) {
        struct bw_dev_process *process = bw_dev_process(dev, BW_DEV_WITNESS, i);
        struct bw_witness_config *config = NULL;
        struct bw_problems problems;

        bw_problems_init(&problems);
        err = bw_witness_config_load(process->config, &config, &problems);
        if (err != BW_OK) { /* we wrote it: only a strange directory can make it wrong */
            bw_problems_print(&problems, "nothing was started", stderr);
            (void)bw_diag_set(diag, err, "%s is not usable", process->config);
        } else {
            err = bw_witness_found(config, cluster_id, &cluster_id, diag);
        }
        bw_witness_config_free(config);
        bw_problems_deinit(&problems);
    }
    return err;
}

enum bw_err bw_dev_set_up(struct bw_dev *dev, struct bw_diag *diag)
{
    enum bw_err err = make_dirs(dev, diag);

    if (err == BW_OK)
        err = name_all(dev, diag);
    if (err == BW_OK)
        err = choose_ports(dev, diag);
    if (err == BW_OK)
        err = bw_relay_open(dev, diag);
    if (err == BW_OK)
        err = make_certificates(dev, diag);
    for (uint32_t i = 0; i < BW_DEV_WITNESSES && err == BW_OK; i++)
        err = write_witness_file(dev, i, diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = write_site_file(dev, i, diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = bw_dev_write_scripts(dev, &dev->sites[i], diag);
    if (err == BW_OK)
        err = write_cluster_files(dev, diag);
    if (err == BW_OK)
        err = found(dev, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "set up");
}
