#include <breakwater/lab/plan.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/net/pki.h>
#include <breakwater/witness/witness.h>

#define LIST_BYTES  256 /* of the witnesses' addresses */
#define GROUP_BYTES 2048

/* ---- certificates ---------------------------------------------------------------------------- */

static bool is_numeric(const char *host)
{
    return host[strspn(host, "0123456789.")] == '\0';
}

/* `host` NULL: of nobody who listens. */
static enum bw_err issue(const struct bw_lab_plan *plan, const char *subject, const char *host,
                         struct bw_diag *diag)
{
    char san[BW_LAB_HOST_BYTES + 8];
    char path[BW_PKI_PATH_MAX];
    const char *const sans[] = {san, "dns:localhost"};
    const struct bw_pki_request request = {
        .dir = plan->dir, .subject = subject, .sans = sans, .sans_count = host == NULL ? 0 : 2};

    (void)snprintf(san, sizeof san, "%s:%s", host == NULL || is_numeric(host) ? "ip" : "dns", host == NULL ? "" : host);
    return bw_pki_issue(&request, path, diag);
}

enum bw_err bw_lab_issue_member(const struct bw_lab_plan *plan, const struct bw_lab_member *member,
                                struct bw_diag *diag)
{
    char subject[BW_NAME_MAX];

    (void)snprintf(subject, sizeof subject, "witness/w%" PRIu32, member->id); /* short: fits */
    return issue(plan, subject, member->at.host, diag);
}

enum bw_err bw_lab_make_certificates(const struct bw_lab_plan *plan, struct bw_diag *diag)
{
    char subject[2 * BW_NAME_MAX];
    enum bw_err err = bw_pki_init(plan->cluster, plan->dir, diag);

    for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
        err = bw_lab_issue_member(
            plan, &(struct bw_lab_member){.id = i + 1, .at = plan->witnesses[i]}, diag);
    for (uint32_t i = 0; i < plan->site_count && err == BW_OK; i++) {
        (void)snprintf(subject, sizeof subject, "agent/%s/agent", plan->sites[i]);
        err = issue(plan, subject, NULL, diag);
    }
    (void)snprintf(subject, sizeof subject, "operator/%s", plan->person);
    return err == BW_OK ? issue(plan, subject, NULL, diag) : err;
}

/* ---- configuration files --------------------------------------------------------------------- */

enum bw_err bw_lab_write_member(const struct bw_lab_plan *plan, const struct bw_lab_member *members,
                                uint32_t count, uint32_t own, const char *path,
                                const char *data_dir, const char *identity, struct bw_diag *diag)
{
    const struct bw_lab_witness *at = &members[own].at;
    const char *listen = at->listen != NULL ? at->listen : at->host;
    char list[BW_WITNESSES_MAX * 160] = "";
    char own_identity[24];
    size_t used = 0;

    BW_ASSERT(own < count && count <= BW_WITNESSES_MAX);
    for (uint32_t i = 0; i < count; i++) { /* short ones: they fit */
        const struct bw_lab_witness *other = &members[i].at;
        const unsigned port = other->announced_port != 0 ? other->announced_port : other->api_port;

        used += (size_t)snprintf(list + used, sizeof list - used,
                                 "  - {name: w%" PRIu32 ", id: %" PRIu32 ", address: \"%s:%u\", "
                                 "raft: \"%s:%u\", failure_domain: zone-%" PRIu32 "}\n",
                                 members[i].id, members[i].id, other->host, port, other->host,
                                 (unsigned)other->raft_port, members[i].id);
    }
    (void)snprintf(own_identity, sizeof own_identity, "w%" PRIu32 ".pem", members[own].id);
    return bw_lab_write(path, diag,
                        "cluster: %s\nname: w%" PRIu32 "\ndata_dir: '%s'\nlisten: \"%s:%u\"\n"
                        "raft_listen: \"%s:%u\"\ntls: {ca: '%s/ca.pem', identity: '%s/%s'}\n"
                        "election_timeout: %" PRIu32 "ms\n%switnesses:\n%s",
                        plan->cluster, members[own].id, data_dir, listen, (unsigned)at->api_port,
                        listen, (unsigned)at->raft_port, plan->dir, plan->dir,
                        identity != NULL ? identity : own_identity,
                        plan->timings.election_timeout_ms, plan->more, list);
}

enum bw_err bw_lab_write_witness(const struct bw_lab_plan *plan, uint32_t index, const char *path,
                                 const char *data_dir, const char *identity, struct bw_diag *diag)
{
    struct bw_lab_member members[BW_LAB_WITNESSES];

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++)
        members[i] = (struct bw_lab_member){.id = i + 1, .at = plan->witnesses[i]};
    return bw_lab_write_member(plan, members, BW_LAB_WITNESSES, index, path, data_dir, identity,
                               diag);
}

/* `"127.0.0.1:7400", ...` */
static size_t list_witnesses(const struct bw_lab_plan *plan, const uint16_t *api_ports,
                             char out_list[LIST_BYTES])
{
    size_t used = 0;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) /* three short ones: fits */
        used += (size_t)snprintf(
            out_list + used, LIST_BYTES - used, "%s\"%s:%u\"", i == 0 ? "" : ", ",
            plan->witnesses[i].host,
            (unsigned)(api_ports != NULL ? api_ports[i] : plan->witnesses[i].api_port));
    return used;
}

size_t bw_lab_print_group(const struct bw_lab_plan *plan, const struct bw_lab_group *group,
                          char *out, size_t size)
{
    const struct bw_lab_timings *t = &plan->timings;

    return (size_t)snprintf(
        out, size,
        "  - name: %s\n    check_interval: %" PRIu32 "ms\n    fence_timeout: %" PRIu32 "ms\n"
        "    kill_grace: %" PRIu32 "ms\n    status_script: '%s/status.sh'\n"
        "    start_script: '%s/start.sh'\n    stop_script: '%s/stop.sh'\n"
        "    fence_script: '%s/fence.sh'\n%s",
        group->name, t->check_interval_ms, t->fence_script_ms, t->kill_grace_ms, group->scripts,
        group->scripts, group->scripts, group->scripts, group->more);
}

enum bw_err bw_lab_write_site(const struct bw_lab_plan *plan, const struct bw_lab_site *site,
                              const char *path, struct bw_diag *diag)
{
    char own_identity[BW_NAME_MAX + 16];
    char witnesses[LIST_BYTES];

    (void)snprintf(own_identity, sizeof own_identity, "%s-agent.pem", site->name);
    (void)list_witnesses(plan, site->api_ports, witnesses); /* nothing is put behind them */
    return bw_lab_write(path, diag,
                        "cluster: %s\nsite: %s\nname: agent\nstate_dir: '%s'\nrun_dir: '%s/run'\n"
                        "guard_socket: '%s/guard.sock'\n"
                        "tls: {ca: '%s/ca.pem', identity: '%s/%s'}\n"
                        "witnesses: [%s]\n%s%sgroups:\n%s",
                        plan->cluster, site->name, site->state_dir, site->dir, site->dir,
                        plan->dir, plan->dir,
                        site->identity != NULL ? site->identity : own_identity, witnesses,
                        plan->more, site->more, site->groups);
}

/* Returns how many bytes it needs. */
static size_t print_spec(const struct bw_lab_plan *plan, const char *name, uint32_t first,
                         const char *more, char *out, size_t size)
{
    const struct bw_lab_timings *t = &plan->timings;
    char sites[BW_LAB_SITES_MAX * (BW_NAME_MAX + 32)];
    size_t used = 0;

    for (uint32_t i = 0; i < plan->site_count; i++) /* of that size: fits */
        used += (size_t)snprintf(sites + used, sizeof sites - used, "%s{name: %s, priority: %d}",
                                 i == 0 ? "" : ", ", plan->sites[i], i == first ? 100 : 50);
    return (size_t)snprintf(
        out, size,
        "  - name: %s\n    sites: [%s]\n    mode: auto\n    lease_ttl: %" PRIu32 "ms\n"
        "    fence_window: %" PRIu32 "ms\n    renew_interval: %" PRIu32 "ms\n"
        "    request_timeout: %" PRIu32 "ms\n    lease_margin: %" PRIu32 "ms\n"
        "    retry_backoff: %" PRIu32 "ms\n%s",
        name, sites, t->lease_ttl_ms, t->fence_timeout_ms, t->renew_interval_ms,
        t->request_timeout_ms, t->margin_ms, t->retry_backoff_ms, more);
}

enum bw_err bw_lab_write_groups(const struct bw_lab_plan *plan,
                                const char *const *names, uint32_t count,
                                const char *more, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char text[16 * GROUP_BYTES] = "";
    size_t used = 0;
    enum bw_err err = bw_lab_path(path, plan->dir, "groups.yaml", diag);

    for (uint32_t i = 0; i < count && used < sizeof text; i++) /* the first one has site 0 first */
        used += print_spec(plan, names[i], (plan->site_count - i % plan->site_count) %
                           plan->site_count, more, text + used, sizeof text - used);
    if (err == BW_OK && used >= sizeof text)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "the groups need more than %zu bytes", sizeof text);
    return err == BW_OK ? bw_lab_write(path, diag, "groups:\n%s", text) : err;
}

enum bw_err bw_lab_write_command_file(const struct bw_lab_plan *plan,
                                      const char (*hosts)[BW_LAB_HOST_BYTES], uint32_t host_count,
                                      struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char witnesses[LIST_BYTES];
    size_t used = list_witnesses(plan, NULL, witnesses);
    enum bw_err err = bw_lab_path(path, plan->dir, "cli.yaml", diag);

    BW_ASSERT(host_count <= BW_WITNESSES_MAX - BW_LAB_WITNESSES);
    for (uint32_t i = 0; i < host_count; i++) /* short ones: they fit */
        used += (size_t)snprintf(witnesses + used, sizeof witnesses - used, ", \"%s:%u\"", hosts[i],
                                 (unsigned)plan->witnesses[0].api_port);
    return err != BW_OK ? err
                        : bw_lab_write(path, diag,
                                       "endpoints: [%s]\n"
                                       "tls: {ca: '%s/ca.pem', identity: '%s/%s.pem'}\n",
                                       witnesses, plan->dir, plan->dir, plan->person);
}

/* ---- data directories ------------------------------------------------------------------------ */

enum bw_err bw_lab_found(const char *path, struct bw_id *cluster_id, struct bw_diag *diag)
{
    struct bw_witness_config *config = NULL;
    struct bw_problems problems;
    enum bw_err err;

    bw_problems_init(&problems);
    err = bw_witness_config_load(path, BW_CONFIG_HERE, &config, &problems);
    if (err != BW_OK) { /* we wrote it: only a strange directory can make it wrong */
        bw_problems_print(&problems, "nothing was started", stderr);
        (void)bw_diag_set(diag, err, "%s is not usable", path);
    } else {
        err = bw_witness_found(config, *cluster_id, false, cluster_id, diag);
    }
    bw_witness_config_free(config);
    bw_problems_deinit(&problems);
    return err;
}
