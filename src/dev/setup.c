/* setup.c - everything that a cluster needs before its first process starts: directories, free ports,
 * names; and what comes of its plan. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/prng.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/os/random.h>

#define PORT_FIRST    12000 /* below what the kernel gives to those who dial out */
#define PORT_COUNT    18000
#define PORT_TRIES    200
#define GROUP_BYTES   (8 * BW_LAB_PATH_BYTES)

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

static enum bw_err make_new_dir(const char *path, char out[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    char *real;
    enum bw_err err = make_dir(path, diag);

    if (err != BW_OK)
        return err;
    real = realpath(path, NULL);
    if (real == NULL)
        return bw_diag_errno(diag, errno, "resolve %s", path);
    if (!bw_copy_text(out, BW_LAB_PATH_BYTES, real))
        err = bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes", BW_LAB_PATH_BYTES - 1);
    free(real);
    /* rmdir succeeds only on one that is empty: what is in there already is never mixed up. */
    if (err == BW_OK && (rmdir(out) != 0 || mkdir(out, 0700) != 0))
        err = bw_diag_errno(diag, errno, "%s must be new or empty", path);
    return err == BW_OK ? check_path(out, diag) : err;
}

static enum bw_err make_own_dir(struct bw_dev *dev, struct bw_diag *diag)
{
    const char *parent = getenv("TMPDIR");
    enum bw_err err = bw_lab_path(dev->dir, parent == NULL || parent[0] != '/' ? "/tmp" : parent,
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

    if (err == BW_OK && bw_path_check_file(dev->dir, diag) != BW_OK)
        err = bw_diag_wrap(diag, BW_ERR_REFUSED, "--dir %s", dev->dir); /* as its daemons would (5.4) */
    if (err == BW_OK && dev->options->records_dir != NULL)
        return make_new_dir(dev->options->records_dir, dev->records_dir, diag);
    if (err == BW_OK)
        err = bw_lab_path(dev->records_dir, dev->dir, "records", diag);
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
    uint16_t chosen[2 * BW_LAB_WITNESSES];
    uint32_t count = 0;
    struct bw_prng prng;

    bw_prng_init(&prng, bw_random_seed());
    for (int tries = 0; tries < PORT_TRIES && count < 2 * BW_LAB_WITNESSES; tries++) {
        const uint16_t port = (uint16_t)(PORT_FIRST + bw_prng_below(&prng, PORT_COUNT));
        bool is_taken = false;

        for (uint32_t i = 0; i < count; i++)
            is_taken = is_taken || chosen[i] == port;
        if (!is_taken && is_port_free(port))
            chosen[count++] = port;
    }
    if (count < 2 * BW_LAB_WITNESSES)
        return bw_diag_set(diag, BW_ERR_BUSY, "not enough free ports on 127.0.0.1");
    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) {
        struct bw_lab_witness *witness = &dev->plan.witnesses[i];

        (void)snprintf(witness->host, sizeof witness->host, "127.0.0.1");
        witness->api_port = chosen[2 * i];
        witness->raft_port = chosen[2 * i + 1];
    }
    return BW_OK;
}

/* ---- configuration files --------------------------------------------------------------------- */

static enum bw_err write_witness_file(struct bw_dev *dev, uint32_t index, struct bw_diag *diag)
{
    const struct bw_dev_process *process = bw_dev_process(dev, BW_LAB_WITNESS, index);
    char data_dir[BW_LAB_PATH_BYTES];
    const enum bw_err err = bw_lab_path(data_dir, dev->dir, process->name, diag);

    /* Agents are told the announced door. */
    dev->plan.witnesses[index].announced_port = dev->relay_ports[BW_DEV_ANNOUNCED][index];
    return err == BW_OK ? bw_lab_write_witness(&dev->plan, index, process->config, data_dir, NULL, diag)
                        : err;
}

static enum bw_err write_site_file(struct bw_dev *dev, uint32_t index, struct bw_diag *diag)
{
    const struct bw_dev_site *site = &dev->sites[index];
    char state_dir[BW_LAB_PATH_BYTES];
    char readiness[BW_LAB_PATH_BYTES + 160];
    char groups[GROUP_BYTES];
    const struct bw_lab_group group = {.name = dev->group, .scripts = site->dir, .more = readiness};
    const struct bw_lab_site file = {.name = site->name,
                                     .dir = site->dir,
                                     .state_dir = state_dir,
                                     .api_ports = dev->relay_ports[index],
                                     .groups = groups,
                                     /* Each confirmed renewal has its line; DIR is wherever its user
                                      * likes. */
                                     .more = "log_level: debug\nallow_writable_scripts: true\n"};
    enum bw_err err = bw_lab_path(state_dir, site->dir, "state", diag);

    (void)snprintf(readiness, sizeof readiness,
                   "    stop_method: cgroup\n    failure_threshold: 3\n    script_timeout: 10s\n"
                   "    readiness_script: '%s/readiness.sh'\n",
                   site->dir);
    (void)bw_lab_print_group(&dev->plan, &group, groups, sizeof groups); /* five paths: fits */
    return err == BW_OK ? bw_lab_write_site(&dev->plan, &file,
                                            bw_dev_process(dev, BW_LAB_AGENT, index)->config, diag)
                        : err;
}

static enum bw_err write_files(struct bw_dev *dev, struct bw_diag *diag)
{
    const char *const group = dev->group;
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = write_witness_file(dev, i, diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = write_site_file(dev, i, diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = bw_dev_write_scripts(dev, &dev->sites[i], diag);
    if (err == BW_OK)
        err = bw_lab_write_groups(&dev->plan, &group, 1, "", diag);
    return err == BW_OK ? bw_lab_write_command_file(&dev->plan, NULL, 0, diag) : err;
}

/* ---- processes and data directories ---------------------------------------------------------- */

static enum bw_err name_process(struct bw_dev *dev, enum bw_lab_role role, uint32_t index,
                                const char *name, struct bw_diag *diag)
{
    struct bw_dev_process *process = bw_dev_process(dev, role, index);
    char file[2 * BW_NAME_MAX];
    enum bw_err err;

    *process = (struct bw_dev_process){.role = role};
    (void)snprintf(process->name, sizeof process->name, "%s", name); /* ours: short */
    (void)snprintf(file, sizeof file, "%s.yaml", name);
    err = bw_lab_path(process->config, dev->dir, file, diag);
    if (role == BW_LAB_WITNESS)
        (void)snprintf(file, sizeof file, "%s.log", name);
    else
        (void)snprintf(file, sizeof file, "%s-%s.log", name, bw_lab_role_word(role));
    return err == BW_OK ? bw_lab_path(process->log, dev->dir, file, diag) : err;
}

static enum bw_err name_site(struct bw_dev *dev, uint32_t index, const char *name,
                             struct bw_diag *diag)
{
    struct bw_dev_site *site = &dev->sites[index];
    enum bw_err err;

    (void)snprintf(site->name, sizeof site->name, "%s", name); /* ours: short */
    err = bw_lab_path(site->dir, dev->dir, name, diag);
    if (err == BW_OK)
        err = bw_lab_path(site->pid_file, site->dir, "ledger.pid", diag);
    if (err == BW_OK)
        err = bw_lab_path(site->journal, site->dir, "journal", diag);
    if (err == BW_OK)
        err = name_process(dev, BW_LAB_AGENT, index, name, diag);
    if (err == BW_OK)
        err = name_process(dev, BW_LAB_GUARD, index, name, diag);
    return err == BW_OK ? make_dir(site->dir, diag) : err;
}

static enum bw_err name_all(struct bw_dev *dev, struct bw_diag *diag)
{
    static const char *const witness_names[BW_LAB_WITNESSES] = {"w1", "w2", "w3"};
    static const char *const site_names[BW_DEV_SITES] = {"alpha", "beta"};
    enum bw_err err = BW_OK;

    dev->plan.cluster = BW_DEV_CLUSTER;
    dev->plan.dir = dev->dir;
    dev->plan.person = "dev";
    dev->plan.more = "";
    dev->plan.site_count = BW_DEV_SITES;
    memcpy(dev->plan.sites, site_names, sizeof site_names);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = name_process(dev, BW_LAB_WITNESS, i, witness_names[i], diag);
    for (uint32_t i = 0; i < BW_DEV_SITES && err == BW_OK; i++)
        err = name_site(dev, i, site_names[i], diag);
    return err;
}

/* What the trial has written is no record of this cluster. */
static void forget_trial(const struct bw_dev *dev)
{
    DIR *records = opendir(dev->records_dir);
    const struct dirent *entry;

    while (records != NULL && (entry = readdir(records)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(records), entry->d_name, 0); /* else there is one record more */
    if (records != NULL)
        (void)closedir(records); /* only read from */
    for (uint32_t i = 0; i < BW_DEV_SITES; i++) {
        (void)unlink(dev->sites[i].journal);
        (void)unlink(dev->sites[i].pid_file);
    }
}

/* 3.3: time hands over only what a kill was seen to end. */
static enum bw_err prove_sites(struct bw_dev *dev, struct bw_diag *diag)
{
    const char *configs[BW_DEV_SITES];
    char log[BW_LAB_PATH_BYTES];
    char trial[BW_LAB_PATH_BYTES];
    struct bw_diag why = {0};
    enum bw_err err = bw_lab_path(log, dev->dir, "trial.log", diag);

    if (err != BW_OK)
        return err;
    for (uint32_t i = 0; i < BW_DEV_SITES; i++)
        configs[i] = bw_dev_process(dev, BW_LAB_AGENT, i)->config;
    if (snprintf(trial, sizeof trial, "%s-chaos", dev->program) >= (int)sizeof trial)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s-chaos: the path is too long", dev->program);
    err = bw_lab_prove(trial, configs, BW_DEV_SITES, log, &why);
    forget_trial(dev);
    if (err == BW_ERR_NOT_FOUND) {
        (void)fprintf(stderr, "note: dev: %s: no automatic failover if a site is lost\n", why.text);
        return BW_OK;
    }
    return err == BW_OK ? BW_OK : bw_diag_set(diag, err, "%s; see %s", why.text, log);
}

enum bw_err bw_dev_set_up(struct bw_dev *dev, struct bw_diag *diag)
{
    struct bw_id cluster_id = {0};
    enum bw_err err = make_dirs(dev, diag);

    if (err == BW_OK)
        err = name_all(dev, diag);
    if (err == BW_OK)
        err = choose_ports(dev, diag);
    if (err == BW_OK)
        err = bw_relay_open(dev, diag);
    if (err == BW_OK)
        err = bw_lab_make_certificates(&dev->plan, diag);
    if (err == BW_OK)
        err = write_files(dev, diag);
    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = bw_lab_found(bw_dev_process(dev, BW_LAB_WITNESS, i)->config, &cluster_id, diag);
    if (err == BW_OK)
        err = prove_sites(dev, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "set up");
}
