#include "program.h"

#include <inttypes.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

#define LOOK_MS 10000u

/* ---- the certificate ------------------------------------------------------------------------- */

/* How they look goes first: what is put there meanwhile is noticed, however long the start takes. */
enum bw_err bw_agent_credentials_load(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_own_certificate own = bw_reload_own_of_site(agent->config);

    agent->reload.look = bw_certificate_look_at(&own);
    return bw_credentials_load_own(&own, bw_clock_wall(), &agent->credentials, diag);
}

static void warn_of_expiry(struct bw_agent *agent)
{
    int64_t days;

    if (bw_credentials_end_is_news(agent->credentials, bw_clock_wall(), &agent->reload.days_warned,
                                   &days))
        bw_log_warn(&agent->log, "certificate.expiring",
                    "file=%s certificate_left_days=%" PRId64
                    " does=\"an expired one ends in a fence\"",
                    bw_log_quote(agent->config->tls.identity), days);
}

void bw_agent_renew_server(struct bw_agent *agent, struct bw_http_server *server,
                           enum bw_tls_context_kind kind)
{
    struct ssl_ctx_st *context = NULL;
    struct bw_diag diag = {0};

    if (server == NULL)
        return;
    if (bw_tls_context_new(agent->credentials, kind, &context, &diag) != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(diag.text));
        return;
    }
    bw_http_server_set_context(server, context);
    bw_tls_context_free(context);
}

/* ---- taking it ------------------------------------------------------------------------------- */

/* Takes what was read, and the list with it. */
static void use_credentials(struct bw_agent *agent, struct bw_read_certificate *read)
{
    struct bw_credentials *credentials = read->credentials;

    if (bw_http_client_set_credentials(&agent->client, credentials, &read->diag) != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(read->diag.text));
        return;
    }
    read->credentials = NULL;
    bw_reload_put_own(&agent->reload, read->own);
    read->own = NULL;
    bw_credentials_free(agent->credentials);
    agent->credentials = credentials;
    bw_agent_second_use_credentials(agent);
    bw_agent_admission_use_credentials(agent);
    bw_log_info(&agent->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(agent->config->tls.identity),
                bw_credentials_days_left(credentials, bw_clock_wall()));
}

static void on_certificate(void *user, struct bw_read_certificate *read)
{
    struct bw_agent *agent = user;

    agent->reload.look = read->look;
    agent->is_certificate_refused = read->err != BW_OK;
    if (read->err != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(read->diag.text));
        return;
    }
    if (read->credentials != NULL)
        use_credentials(agent, read);
    warn_of_expiry(agent);
}

static enum bw_err use_again(void *user, struct bw_diag *diag)
{
    struct bw_agent *agent = user;
    const enum bw_err err = bw_http_client_set_credentials(&agent->client, agent->credentials, diag);

    if (err != BW_OK)
        return err;
    bw_agent_second_use_credentials(agent);
    bw_agent_admission_use_credentials(agent);
    return BW_OK;
}

/* Of several reloads at once the newest word to the manager counts. */
static void on_idle(void *user)
{
    struct bw_agent *agent = user;

    if (agent->is_reload_told)
        bw_agent_tell_manager(agent, "READY=1");
    agent->is_reload_told = false;
}

/* ---- the site file --------------------------------------------------------------------------- */

/* NULL: `fresh` can replace the running one. Otherwise what cannot be changed without a restart. */
static const char *unchangeable(const struct bw_site_config *old,
                                const struct bw_site_config *fresh)
{
    static const char *const fixed[] = {"cluster",
                                        "site",
                                        "name",
                                        "state_dir",
                                        "run_dir",
                                        "guard_socket",
                                        "second_enforcer",
                                        "admission_listen",
                                        NULL};

    return bw_schema_first_change(&bw_site_config_table, fixed, old, fresh);
}

static void use_config(struct bw_agent *agent, struct bw_site_config *fresh)
{
    const struct bw_own_certificate named = bw_reload_own_of_site(fresh);
    struct bw_diag diag = {0};
    struct bw_site_config *old = agent->config;

    agent->config = fresh;
    agent->log.level = fresh->log_level;
    bw_agent_groups_take(agent, fresh);
    bw_site_config_free(old);
    bw_reload_take_back(&agent->reload, &named, agent->credentials);
    if (bw_agent_use_witnesses(agent, &diag) != BW_OK)
        bw_log_error(&agent->log, "witness.none", "error=%s", bw_log_quote(diag.text));
    bw_agent_set_wake(agent);
    bw_log_info(&agent->log, "config.loaded", "file=%s", bw_log_quote(agent->config_file));
}

/* All of a file or nothing: what stands in it was written together. Last is what has an effect by
 * itself. */
static bool is_refused(struct bw_agent *agent, const struct bw_site_config *fresh,
                       struct bw_problems *problems)
{
    struct bw_diag diag = {0};
    const char *group = "";
    const char *key;
    const char *why;

    if (fresh == NULL) {
        bw_problems_log(problems, &agent->log);
        bw_log_error(&agent->log, "config.refused",
                     "file=%s mistakes=%" PRIu32 " does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), problems->error_count);
        return true;
    }
    key = unchangeable(agent->config, fresh);
    if (key != NULL) {
        bw_log_error(&agent->log, "config.refused",
                     "file=%s key=%s does=\"the running configuration stays: this key needs %s\"",
                     bw_log_quote(agent->config_file), key, bw_site_key_takes(key));
        return true;
    }
    why = bw_agent_groups_refuse(agent, fresh, &group);
    if (why == NULL && bw_agent_health_change(agent, fresh->health_listen, &diag) != BW_OK) {
        bw_log_error(&agent->log, "config.refused",
                     "file=%s key=health_listen why=%s does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), bw_log_quote(diag.text));
        return true;
    }
    if (why != NULL)
        bw_log_error(&agent->log, "config.refused",
                     "file=%s group=%s why=%s does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), group, bw_log_quote(why));
    return why != NULL;
}

static bool on_file(void *user, void *fresh, struct bw_problems *problems)
{
    struct bw_agent *agent = user;

    if (is_refused(agent, fresh, problems))
        return false;
    use_config(agent, fresh);
    return true;
}

static struct bw_own_certificate own(const void *user)
{
    return bw_reload_own_of_site(((const struct bw_agent *)user)->config);
}

static const struct bw_reload_kind kind = {
    .load = bw_reload_load_site,
    .free_config = bw_reload_free_site,
    .is_file_first = true,
    .on_file = on_file,
    .own = own,
    .on_fresh = on_certificate,
    .on_look = on_certificate,
    .use_again = use_again,
    .on_idle = on_idle,
    .file_silent = "it, or a script that it names, does not answer; what was read before stays in force",
    .file_answers = "the site file is read again",
    .certificates_silent = "the certificate in use stays; whom a new site file takes back is out"};

void bw_agent_reload(struct bw_agent *agent)
{
    if (agent->is_closing)
        return;
    bw_agent_tell_manager(agent, "RELOADING=1");
    agent->is_reload_told = true;
    bw_reload_begin(&agent->reload);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
    struct bw_agent *agent = timer->data;

    bw_reload_look(&agent->reload);
    bw_agent_groups_look(agent);
    bw_agent_second_serve(agent);
    bw_agent_admission_serve(agent);
}

enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_own_certificate in_use = bw_reload_own_of_site(agent->config);
    struct bw_reload *reload = &agent->reload;
    enum bw_err err;
    int result = uv_timer_init(&agent->loop, &agent->looks);

    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    agent->looks.data = agent;
    result = uv_timer_start(&agent->looks, on_tick, LOOK_MS, LOOK_MS);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    reload->kind = &kind;
    reload->user = agent;
    reload->log = &agent->log;
    reload->config_file = agent->config_file;
    err = bw_reload_open(reload, &agent->loop, &in_use, diag);
    if (err == BW_OK)
        warn_of_expiry(agent);
    return err;
}

void bw_agent_reload_close(struct bw_agent *agent)
{
    if (!uv_is_closing((uv_handle_t *)&agent->looks))
        uv_close((uv_handle_t *)&agent->looks, NULL);
    bw_reload_close(&agent->reload);
}
