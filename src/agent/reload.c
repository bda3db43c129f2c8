#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <breakwater/sys/clock.h>

#define LOOK_MS 10000u

/* ---- the certificate --------------------------------------------------------------------------
 */

enum bw_err bw_agent_credentials_load(const struct bw_site_config *config,
                                      struct bw_credentials **out_credentials, struct bw_diag *diag)
{
    struct bw_credentials *credentials;
    const struct bw_identity *identity;
    enum bw_err err = bw_credentials_load(config->tls.ca, config->tls.identity, &credentials, diag);

    if (err != BW_OK)
        return err;
    err = bw_credentials_check(credentials, config->cluster, BW_ROLE_BIT(BW_ROLE_AGENT),
                               bw_clock_wall(), diag);
    identity = bw_credentials_identity(credentials);
    if (err == BW_OK &&
        (strcmp(identity->site, config->site) != 0 || strcmp(identity->name, config->name) != 0))
        err = bw_diag_set(diag, BW_ERR_AUTH,
                          "%s is agent %s of site %s, but the site file says agent %s of site %s; "
                          "issue one with: breakwater pki issue agent/%s/%s",
                          config->tls.identity, identity->name, identity->site, config->name,
                          config->site, config->site, config->name);
    if (err != BW_OK) {
        bw_credentials_free(credentials);
        return err;
    }
    *out_credentials = credentials;
    return BW_OK;
}

/* A file that is not there looks like nothing. */
static struct bw_file_look look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct bw_file_look){0};
    return (struct bw_file_look){
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = (uint64_t)status.st_size,
        .modified_ns = status.st_mtim.tv_sec * 1000000000LL + status.st_mtim.tv_nsec,
    };
}

static bool looks_equal(struct bw_file_look a, struct bw_file_look b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           a.modified_ns == b.modified_ns;
}

static void warn_of_expiry(struct bw_agent *agent)
{
    static const int64_t thresholds[] = {1, 7, 30};
    const int64_t days = bw_credentials_days_left(agent->credentials, bw_clock_wall());

    for (size_t i = 0; i < sizeof thresholds / sizeof thresholds[0]; i++) {
        if (days >= thresholds[i])
            continue;
        if (thresholds[i] < agent->reload.days_said)
            bw_log_warn(&agent->log, "certificate.expiring",
                        "file=%s days_left=%" PRId64 " text=\"an expired one ends in a fence\"",
                        bw_log_quote(agent->config->tls.identity), days);
        agent->reload.days_said = thresholds[i];
        return;
    }
    agent->reload.days_said = INT64_MAX;
}

static void reload_credentials(struct bw_agent *agent)
{
    struct bw_credentials *credentials;
    struct bw_diag diag = {0};
    enum bw_err err;

    agent->reload.ca = look_at(agent->config->tls.ca);
    agent->reload.identity = look_at(agent->config->tls.identity);
    err = bw_agent_credentials_load(agent->config, &credentials, &diag);
    if (err == BW_OK) {
        err = bw_http_client_set_credentials(&agent->client, credentials, &diag);
        if (err != BW_OK)
            bw_credentials_free(credentials);
    }
    if (err != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(diag.text));
        return;
    }
    bw_credentials_free(agent->credentials);
    agent->credentials = credentials;
    bw_log_info(&agent->log, "certificate.loaded", "file=%s days_left=%" PRId64,
                bw_log_quote(agent->config->tls.identity),
                bw_credentials_days_left(credentials, bw_clock_wall()));
    warn_of_expiry(agent);
}

static void on_look(uv_timer_t *timer)
{
    struct bw_agent *agent = timer->data;

    if (!looks_equal(agent->reload.ca, look_at(agent->config->tls.ca)) ||
        !looks_equal(agent->reload.identity, look_at(agent->config->tls.identity)))
        reload_credentials(agent);
    else
        warn_of_expiry(agent);
}

enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_agent_reload *reload = &agent->reload;
    int result = uv_timer_init(&agent->loop, &reload->timer);

    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    reload->timer.data = agent;
    reload->days_said = INT64_MAX;
    reload->ca = look_at(agent->config->tls.ca);
    reload->identity = look_at(agent->config->tls.identity);
    result = uv_timer_start(&reload->timer, on_look, LOOK_MS, LOOK_MS);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    warn_of_expiry(agent);
    return BW_OK;
}

/* ---- the site file ----------------------------------------------------------------------------
 */

/* NULL: `fresh` can replace the running one. Otherwise what cannot be changed without a restart. */
static const char *unchangeable(const struct bw_site_config *old,
                                const struct bw_site_config *fresh)
{
    if (strcmp(old->cluster, fresh->cluster) != 0)
        return "cluster";
    if (strcmp(old->site, fresh->site) != 0)
        return "site";
    if (strcmp(old->name, fresh->name) != 0)
        return "name";
    if (strcmp(old->state_dir, fresh->state_dir) != 0)
        return "state_dir";
    if (strcmp(old->run_dir, fresh->run_dir) != 0)
        return "run_dir";
    if (strcmp(old->guard_socket, fresh->guard_socket) != 0)
        return "guard_socket";
    if (old->group_count != fresh->group_count)
        return "groups";
    for (uint32_t i = 0; i < fresh->group_count; i++) {
        const struct bw_group_config *before = bw_site_config_find(old, fresh->groups[i].name);

        if (before == NULL)
            return "groups";
        if (!bw_group_config_has_same_reach(before, &fresh->groups[i]))
            return "\"enforce, units\"";
    }
    return NULL;
}

static void use_config(struct bw_agent *agent, struct bw_site_config *fresh)
{
    struct bw_diag diag = {0};
    struct bw_site_config *old = agent->config;

    agent->config = fresh;
    agent->log.level = fresh->log_level;
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct bw_agent_place *place = &agent->places[i];

        place->config = bw_site_config_find(fresh, place->config->name);
        bw_agent_limits_get(place->config, &place->site.limits);
    }
    bw_site_config_free(old);
    if (bw_agent_witnesses_configure(agent, &diag) != BW_OK)
        bw_log_error(&agent->log, "witness.none", "error=%s", bw_log_quote(diag.text));
    bw_log_info(&agent->log, "config.loaded", "file=%s", bw_log_quote(agent->config_file));
    reload_credentials(agent);
}

static void reload_config(struct bw_agent *agent)
{
    struct bw_site_config *fresh = NULL;
    struct bw_problems problems;
    const char *key;

    bw_problems_init(&problems);
    if (bw_site_config_load(agent->config_file, BW_CONFIG_HERE, &fresh, &problems) != BW_OK) {
        bw_problems_print(&problems, "the running configuration stays", stderr);
        bw_log_error(&agent->log, "config.refused",
                     "file=%s errors=%" PRIu32 " does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), problems.error_count);
        bw_problems_deinit(&problems);
        return;
    }
    bw_problems_deinit(&problems);
    key = unchangeable(agent->config, fresh);
    if (key == NULL) {
        use_config(agent, fresh);
        return;
    }
    bw_log_error(&agent->log, "config.refused",
                 "file=%s key=%s does=\"the running configuration stays: this key needs a restart, "
                 "which is no outage\"",
                 bw_log_quote(agent->config_file), key);
    bw_site_config_free(fresh);
}

void bw_agent_reload(struct bw_agent *agent)
{
    if (agent->is_closing)
        return;
    bw_agent_tell_manager(agent, "RELOADING=1");
    reload_config(agent);
    bw_agent_tell_manager(agent, "READY=1");
}
