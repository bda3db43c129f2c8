#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

#define LOOK_MS 10000u

/* ---- the certificate --------------------------------------------------------------------------
 */

static struct bw_own_certificate own_of(const struct bw_site_config *config)
{
    return (struct bw_own_certificate){.ca = config->tls.ca,
                                       .identity = config->tls.identity,
                                       .revoked = config->tls.revoked,
                                       .revoked_count = config->tls.revoked_count,
                                       .cluster = config->cluster,
                                       .role = BW_ROLE_AGENT,
                                       .site = config->site,
                                       .name = config->name};
}

/* How they look goes first: what is put there meanwhile is noticed, however long the start takes. */
enum bw_err bw_agent_credentials_load(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(agent->config);

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

static void use_credentials(struct bw_agent *agent, struct bw_credentials *credentials,
                            struct bw_diag *diag)
{
    if (bw_http_client_set_credentials(&agent->client, credentials, diag) != BW_OK) {
        bw_credentials_free(credentials);
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(diag->text));
        return;
    }
    bw_credentials_free(agent->credentials);
    agent->credentials = credentials;
    bw_agent_second_use_credentials(agent);
    bw_agent_admission_use_credentials(agent);
    bw_log_info(&agent->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(agent->config->tls.identity),
                bw_credentials_days_left(credentials, bw_clock_wall()));
}

/* ---- what reads files, beside the loop (3.4) ---------------------------------------------------- */

/* The worker's, with nothing of the agent's: where a file system hangs, the thread outlives all. */
struct job {
    enum { READ_CERTIFICATES, READ_CONFIG } kind;
    const char *config_file; /* of the command line */
    struct bw_own_certificate *own; /* READ_CERTIFICATES: its own */
    bool always;             /* also where they look as before */
    struct bw_certificate_look look; /* before, then now */
    enum bw_err err;
    struct bw_diag diag;
    struct bw_credentials *credentials; /* NULL: its files look as before, or `err` */
    struct bw_problems problems;
    struct bw_site_config *fresh;
};

/* On the thread. */
static void read_files(void *of)
{
    struct job *job = of;

    if (job->kind == READ_CERTIFICATES) {
        job->err = bw_credentials_read_again(job->own, bw_clock_wall(), job->always, &job->look,
                                             &job->credentials, &job->diag);
        return;
    }
    job->err = bw_site_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems);
    if (job->err != BW_OK) /* here: whoever reads stderr may have stopped */
        bw_problems_print(&job->problems, "the running configuration stays", stderr);
}

/* Nothing in it is anybody's any more; what was taken over is not in it. */
static void clear(void *of)
{
    struct job *job = of;

    bw_credentials_free(job->credentials);
    bw_site_config_free(job->fresh);
    bw_problems_deinit(&job->problems);
    free(job->own);
    *job = (struct job){0};
}

static struct job *fill_job(const struct bw_agent *agent)
{
    const struct bw_own_certificate own = own_of(agent->config);
    struct job *job = bw_worker_job(agent->reload.files);

    bw_problems_init(&job->problems);
    job->config_file = agent->config_file;
    job->own = bw_own_certificate_copy(&own);
    job->look = agent->reload.look;
    return job;
}

static void begin_next(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;
    struct job *job;

    if (bw_worker_is_busy(reload->files) ||
        (!reload->wants_config && !reload->wants_certificates && !reload->wants_look))
        return;
    job = fill_job(agent);
    job->kind = reload->wants_config ? READ_CONFIG : READ_CERTIFICATES;
    job->always = reload->wants_certificates;
    reload->reads_config = reload->wants_config;
    if (reload->wants_config)
        reload->wants_config = false;
    else
        reload->wants_certificates = reload->wants_look = false;
    reload->begun++;
    bw_worker_begin(reload->files, read_files);
}

static void on_certificates(struct bw_agent *agent, struct job *job)
{
    if (job->always)
        bw_agent_tell_manager(agent, "READY=1");
    agent->reload.look = job->look;
    if (job->err != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(job->diag.text));
        return;
    }
    if (job->credentials != NULL)
        use_credentials(agent, job->credentials, &job->diag);
    job->credentials = NULL;
    warn_of_expiry(agent);
}

static void on_config(struct bw_agent *agent, struct job *job);

static void on_read(void *of, void *user)
{
    struct bw_agent *agent = user;
    struct job *job = of;

    if (job->kind == READ_CERTIFICATES)
        on_certificates(agent, job);
    else
        on_config(agent, job);
    clear(job);
    begin_next(agent);
    if (agent->reload.is_slow && !bw_worker_is_busy(agent->reload.files)) {
        agent->reload.is_slow = false; /* all that was asked for meanwhile has its outcome, too */
        bw_log_info(&agent->log, "files.answer",
                    "does=\"certificates and site file are read again\"");
    }
}

static void say_silent(struct bw_agent *agent)
{
    if (agent->reload.reads_config)
        bw_log_warn(&agent->log, "files.silent",
                    "file=%s does=\"it, or a script that it names, does not answer; what was read before "
                    "stays in force\"",
                    bw_log_quote(agent->config_file));
    else
        bw_log_warn(&agent->log, "files.silent",
                    "ca_file=%s identity_file=%s does=\"what was read before stays in force\"",
                    bw_log_quote(agent->config->tls.ca), bw_log_quote(agent->config->tls.identity));
}

static void on_look(uv_timer_t *timer)
{
    struct bw_agent *agent = timer->data;
    struct bw_agent_reload *reload = &agent->reload;

    reload->wants_look = true;
    begin_next(agent);
    bw_agent_second_serve(agent);
    bw_agent_admission_serve(agent);
    if (reload->looked == reload->begun && !reload->is_slow) { /* since the look before this one */
        reload->is_slow = true;
        say_silent(agent);
    }
    reload->looked = reload->begun;
}

enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_agent_reload *reload = &agent->reload;
    int result = uv_timer_init(&agent->loop, &reload->timer);

    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    reload->timer.data = agent;
    reload->days_warned = INT64_MAX;
    result = uv_timer_start(&reload->timer, on_look, LOOK_MS, LOOK_MS);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    warn_of_expiry(agent);
    return bw_worker_open(&reload->files, &agent->loop, sizeof(struct job), clear, on_read,
                          agent, diag);
}

void bw_agent_reload_close(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;

    if (!uv_is_closing((uv_handle_t *)&reload->timer))
        uv_close((uv_handle_t *)&reload->timer, NULL);
    (void)bw_worker_close(reload->files); /* what hangs there is its own */
    reload->files = NULL;
}

/* ---- the site file ----------------------------------------------------------------------------
 */

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

/* Whom the file takes back is out at once (5.3), whatever becomes of this agent's own new certificate: that is read
 * next, and may hang, or be refused. */
static void take_back(struct bw_agent *agent)
{
    const struct bw_tls_config *tls = &agent->config->tls;
    struct bw_diag diag = {0};

    if (bw_credentials_revoke(agent->credentials, tls->revoked, tls->revoked_count, &diag) != BW_OK ||
        bw_http_client_set_credentials(&agent->client, agent->credentials, &diag) != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the list of before stays\"",
                     bw_log_quote(diag.text));
        return;
    }
    bw_agent_second_use_credentials(agent);
    bw_agent_admission_use_credentials(agent);
}

static void use_config(struct bw_agent *agent, struct bw_site_config *fresh)
{
    struct bw_diag diag = {0};
    struct bw_site_config *old = agent->config;

    agent->config = fresh;
    agent->log.level = fresh->log_level;
    bw_agent_groups_take(agent, fresh);
    bw_site_config_free(old);
    take_back(agent);
    if (bw_agent_use_witnesses(agent, &diag) != BW_OK)
        bw_log_error(&agent->log, "witness.none", "error=%s", bw_log_quote(diag.text));
    bw_agent_set_wake(agent);
    bw_log_info(&agent->log, "config.loaded", "file=%s", bw_log_quote(agent->config_file));
    agent->reload.wants_certificates = true; /* of other paths, perhaps */
}

/* All of a file or nothing: what stands in it was written together. Last is what has an effect by
 * itself. */
static bool is_refused(struct bw_agent *agent, struct job *job)
{
    struct bw_diag diag = {0};
    const char *group = "";
    const char *key;
    const char *why;

    if (job->err != BW_OK) {
        bw_log_error(&agent->log, "config.refused",
                     "file=%s mistakes=%" PRIu32 " does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), job->problems.error_count);
        return true;
    }
    key = unchangeable(agent->config, job->fresh);
    if (key != NULL) {
        bw_log_error(&agent->log, "config.refused",
                     "file=%s key=%s does=\"the running configuration stays: this key needs a "
                     "restart, which is no outage\"",
                     bw_log_quote(agent->config_file), key);
        return true;
    }
    why = bw_agent_groups_refuse(agent, job->fresh, &group);
    if (why == NULL && bw_agent_health_change(agent, job->fresh->health_listen, &diag) != BW_OK) {
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

static void on_config(struct bw_agent *agent, struct job *job)
{
    if (is_refused(agent, job)) {
        bw_agent_tell_manager(agent, "READY=1");
        return;
    }
    use_config(agent, job->fresh);
    job->fresh = NULL;
}

void bw_agent_reload(struct bw_agent *agent)
{
    if (agent->is_closing)
        return;
    bw_agent_tell_manager(agent, "RELOADING=1");
    agent->reload.wants_config = true;
    begin_next(agent);
}
