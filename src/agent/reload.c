#include "program.h"

#include <inttypes.h>
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

/* ---- what reads files, beside the loop (3.4) ---------------------------------------------------- */

/* The workers', with nothing of the agent's: where a file system hangs, the thread outlives all. The file has one of
 * its own: whom it takes back is out though certificates hang (5.3). */
struct file_job {
    const char *config_file; /* of the command line */
    enum bw_err err;
    struct bw_problems problems;
    struct bw_site_config *fresh;
};

struct certificate_job {
    struct bw_own_certificate *own;
    bool always;                     /* also where they look as before */
    struct bw_certificate_look look; /* before, then now */
    enum bw_err err;
    struct bw_diag diag;
    struct bw_credentials *credentials; /* NULL: its files look as before, or `err` */
};

/* On the thread. */
static void read_file(void *of)
{
    struct file_job *job = of;

    job->err = bw_site_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems);
}

static void read_certificate(void *of)
{
    struct certificate_job *job = of;

    job->err = bw_credentials_read_again(job->own, bw_clock_wall(), job->always, &job->look,
                                         &job->credentials, &job->diag);
}

/* Nothing in them is anybody's any more; what was taken over is not in them. */
static void clear_file(void *of)
{
    struct file_job *job = of;

    bw_site_config_free(job->fresh);
    bw_problems_deinit(&job->problems);
    *job = (struct file_job){0};
}

static void clear_certificate(void *of)
{
    struct certificate_job *job = of;

    bw_credentials_free(job->credentials);
    free(job->own);
    *job = (struct certificate_job){0};
}

static void begin_file(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;
    struct file_job *job;

    if (!reload->wants_config || bw_worker_is_busy(reload->file))
        return;
    reload->wants_config = false;
    job = bw_worker_job(reload->file);
    bw_problems_init(&job->problems);
    job->config_file = agent->config_file;
    bw_worker_begin(reload->file, read_file);
}

static void begin_certificate(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;
    const struct bw_own_certificate own = own_of(agent->config);
    struct certificate_job *job;

    if ((!reload->wants_certificate && !reload->wants_look) ||
        bw_worker_is_busy(reload->certificates))
        return;
    job = bw_worker_job(reload->certificates);
    job->own = bw_own_certificate_copy(&own);
    job->always = reload->wants_certificate;
    job->look = reload->look;
    reload->wants_certificate = reload->wants_look = reload->is_overtaken = false;
    bw_worker_begin(reload->certificates, read_certificate);
}

/* ---- taking it ----------------------------------------------------------------------------------
 */

static void put_own(struct bw_agent *agent, struct bw_own_certificate *own)
{
    free(agent->reload.own);
    agent->reload.own = own;
}

/* Takes what the job has read, and the list with it. */
static void use_credentials(struct bw_agent *agent, struct certificate_job *job)
{
    struct bw_credentials *credentials = job->credentials;

    if (bw_http_client_set_credentials(&agent->client, credentials, &job->diag) != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(job->diag.text));
        return;
    }
    job->credentials = NULL;
    put_own(agent, job->own);
    job->own = NULL;
    bw_credentials_free(agent->credentials);
    agent->credentials = credentials;
    bw_agent_second_use_credentials(agent);
    bw_agent_admission_use_credentials(agent);
    bw_log_info(&agent->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(agent->config->tls.identity),
                bw_credentials_days_left(credentials, bw_clock_wall()));
}

static void take_certificate(struct bw_agent *agent, struct certificate_job *job)
{
    agent->reload.look = job->look;
    if (job->err != BW_OK) {
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(job->diag.text));
        return;
    }
    if (job->credentials != NULL)
        use_credentials(agent, job);
    warn_of_expiry(agent);
}

/* All that was asked for meanwhile has its outcome, too. */
static void say_answers(struct bw_agent *agent)
{
    if (!agent->reload.wants_config && bw_worker_answers_again(agent->reload.file))
        bw_log_info(&agent->log, "files.answer", "does=\"the site file is read again\"");
    if (bw_worker_answers_again(agent->reload.certificates))
        bw_log_info(&agent->log, "files.answer", "does=\"certificates are read again\"");
}

/* Once nothing is left of any reload: of several at once the newest word to the manager counts. */
static void say_ready(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;
    const struct certificate_job *job = bw_worker_job(reload->certificates);

    if (!reload->is_told || reload->wants_config || bw_worker_is_busy(reload->file) ||
        reload->wants_certificate || (bw_worker_is_busy(reload->certificates) && job->always))
        return;
    reload->is_told = false;
    bw_agent_tell_manager(agent, "READY=1");
}

/* What was read for an older file is not taken: the newest one's is read next. */
static void on_certificate(void *of, void *user)
{
    struct bw_agent *agent = user;

    if (!agent->reload.is_overtaken)
        take_certificate(agent, of);
    clear_certificate(of);
    begin_certificate(agent);
    say_answers(agent);
    say_ready(agent);
}

static void on_file(void *of, void *user);

static void on_look(uv_timer_t *timer)
{
    struct bw_agent *agent = timer->data;
    struct bw_agent_reload *reload = &agent->reload;
    const struct certificate_job *job = bw_worker_job(reload->certificates);

    reload->wants_look = true;
    begin_certificate(agent);
    bw_agent_groups_look(agent);
    bw_agent_second_serve(agent);
    bw_agent_admission_serve(agent);
    if (bw_worker_fell_silent(reload->file))
        bw_log_warn(&agent->log, "files.silent",
                    "file=%s does=\"it, or a script that it names, does not answer; what was read before "
                    "stays in force\"",
                    bw_log_quote(agent->config_file));
    if (bw_worker_fell_silent(reload->certificates))
        bw_log_warn(&agent->log, "files.silent",
                    "ca_file=%s identity_file=%s does=\"the certificate in use stays; whom a new site file takes "
                    "back is out\"",
                    bw_log_quote(job->own->ca), bw_log_quote(job->own->identity));
}

enum bw_err bw_agent_reload_open(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(agent->config);
    struct bw_agent_reload *reload = &agent->reload;
    enum bw_err err;
    int result = uv_timer_init(&agent->loop, &reload->timer);

    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    reload->timer.data = agent;
    reload->days_warned = INT64_MAX;
    result = uv_timer_start(&reload->timer, on_look, LOOK_MS, LOOK_MS);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "a timer: %s", uv_strerror(result));
    warn_of_expiry(agent);
    put_own(agent, bw_own_certificate_copy(&own));
    err = bw_worker_open(&reload->file, &agent->loop, sizeof(struct file_job), clear_file, on_file,
                         agent, diag);
    if (err == BW_OK)
        err = bw_worker_open(&reload->certificates, &agent->loop, sizeof(struct certificate_job),
                             clear_certificate, on_certificate, agent, diag);
    return err;
}

void bw_agent_reload_close(struct bw_agent *agent)
{
    struct bw_agent_reload *reload = &agent->reload;

    if (!uv_is_closing((uv_handle_t *)&reload->timer))
        uv_close((uv_handle_t *)&reload->timer, NULL);
    (void)bw_worker_close(reload->file); /* what hangs there is its own */
    (void)bw_worker_close(reload->certificates);
    reload->file = reload->certificates = NULL;
    put_own(agent, NULL);
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
 * next, and may hang, or be refused. Whom it names no more is let in with that certificate, and not before. */
static void take_back(struct bw_agent *agent)
{
    const struct bw_own_certificate named = own_of(agent->config);
    struct bw_own_certificate *own = bw_own_certificate_with(agent->reload.own, &named);
    struct bw_diag diag = {0};

    if (own == NULL)
        return;
    if (bw_credentials_revoke(agent->credentials, own->revoked, own->revoked_count, &diag) != BW_OK ||
        bw_http_client_set_credentials(&agent->client, agent->credentials, &diag) != BW_OK) {
        free(own);
        bw_log_error(&agent->log, "certificate.refused", "error=%s does=\"the list of before stays\"",
                     bw_log_quote(diag.text));
        return;
    }
    put_own(agent, own);
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
    agent->reload.wants_certificate = true; /* of other paths, perhaps */
    agent->reload.is_overtaken = true;
}

/* All of a file or nothing: what stands in it was written together. Last is what has an effect by
 * itself. */
static bool is_refused(struct bw_agent *agent, struct file_job *job)
{
    struct bw_diag diag = {0};
    const char *group = "";
    const char *key;
    const char *why;

    if (job->err != BW_OK) {
        bw_problems_log(&job->problems, &agent->log);
        bw_log_error(&agent->log, "config.refused",
                     "file=%s mistakes=%" PRIu32 " does=\"the running configuration stays\"",
                     bw_log_quote(agent->config_file), job->problems.error_count);
        return true;
    }
    key = unchangeable(agent->config, job->fresh);
    if (key != NULL) {
        bw_log_error(&agent->log, "config.refused",
                     "file=%s key=%s does=\"the running configuration stays: this key needs %s\"",
                     bw_log_quote(agent->config_file), key, bw_site_key_takes(key));
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

static void on_file(void *of, void *user)
{
    struct bw_agent *agent = user;
    struct file_job *job = of;

    if (!is_refused(agent, job)) {
        use_config(agent, job->fresh);
        job->fresh = NULL;
    }
    clear_file(job);
    begin_file(agent);
    begin_certificate(agent);
    say_answers(agent);
    say_ready(agent);
}

void bw_agent_reload(struct bw_agent *agent)
{
    if (agent->is_closing)
        return;
    bw_agent_tell_manager(agent, "RELOADING=1");
    agent->reload.is_told = true;
    agent->reload.wants_config = true;
    begin_file(agent);
}
