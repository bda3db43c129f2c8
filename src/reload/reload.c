#include <breakwater/reload/reload.h>

#include <stdlib.h>

#include <breakwater/sys/clock.h>

/* ---- reading, on threads ---- */

/* The workers', with nothing of the daemon's: where a file system hangs, the thread outlives all. The file has one of
 * its own: whom it takes back is out though certificates hang (5.3). */
struct file_job {
    const struct bw_reload_kind *kind;
    const char *config_file;
    struct bw_problems problems;
    void *config; /* NULL: it is refused for them */
};

static void clear_file(void *of)
{
    struct file_job *job = of;

    if (job->config != NULL)
        job->kind->free_config(job->config);
    bw_problems_deinit(&job->problems);
    *job = (struct file_job){0};
}

static void clear_certificate(void *of)
{
    struct bw_read_certificate *job = of;

    free(job->own);
    bw_credentials_free(job->credentials);
    *job = (struct bw_read_certificate){0};
}

static void read_file(void *of)
{
    struct file_job *job = of;

    job->config = job->kind->load(job->config_file, &job->problems);
}

static void read_certificate(void *of)
{
    struct bw_read_certificate *job = of;

    job->err = bw_credentials_read_again(job->own, bw_clock_wall(), job->is_fresh, &job->look,
                                         &job->credentials, &job->diag);
}

static void begin_file(struct bw_reload *reload)
{
    struct file_job *job;

    if (!reload->wants_config || bw_worker_is_busy(reload->file))
        return;
    reload->wants_config = false;
    job = bw_worker_job(reload->file);
    bw_problems_init(&job->problems);
    job->kind = reload->kind;
    job->config_file = reload->config_file;
    bw_worker_begin(reload->file, read_file);
}

static void begin_certificate(struct bw_reload *reload)
{
    struct bw_own_certificate own;
    struct bw_read_certificate *job;

    if ((!reload->wants_certificate && !reload->wants_look) || bw_worker_is_busy(reload->certificates))
        return;
    own = reload->kind->own(reload->user);
    job = bw_worker_job(reload->certificates);
    job->is_fresh = reload->wants_certificate;
    job->own = bw_own_certificate_copy(&own);
    job->look = reload->look;
    if (!job->is_fresh || reload->kind->is_file_first) /* a look would be at the same files */
        reload->wants_look = false;
    reload->wants_certificate = reload->is_overtaken = false;
    bw_worker_begin(reload->certificates, read_certificate);
}

/* ---- taking ---- */

void bw_reload_put_own(struct bw_reload *reload, struct bw_own_certificate *own)
{
    free(reload->own);
    reload->own = own;
}

void bw_reload_take_back(struct bw_reload *reload, const struct bw_own_certificate *named,
                         struct bw_credentials *credentials)
{
    struct bw_own_certificate *own = bw_own_certificate_with(reload->own, named);
    struct bw_diag diag = {0};
    enum bw_err err;

    if (own == NULL)
        return;
    err = bw_credentials_revoke(credentials, own->revoked, own->revoked_count, &diag);
    if (err == BW_OK)
        err = reload->kind->use_again(reload->user, &diag);
    if (err == BW_OK) {
        bw_reload_put_own(reload, own);
        return;
    }
    free(own);
    bw_log_error(reload->log, "certificate.refused", "error=%s does=\"the list of before stays\"",
                 bw_log_quote(diag.text));
}

bool bw_reload_revoke(struct bw_reload *reload, struct bw_read_certificate *read)
{
    const struct bw_own_certificate *own = reload->own;

    if (read->err == BW_OK && read->credentials == NULL)
        return false;
    if (read->err == BW_OK)
        read->err = bw_credentials_revoke(read->credentials, own->revoked, own->revoked_count, &read->diag);
    return true;
}

static void drop_fresh(struct bw_reload *reload)
{
    if (reload->fresh != NULL)
        reload->kind->free_config(reload->fresh);
    reload->fresh = NULL;
}

void bw_reload_overtake(struct bw_reload *reload)
{
    drop_fresh(reload);
    reload->wants_certificate = false;
    reload->is_overtaken = true;
}

static bool is_idle(const struct bw_reload *reload)
{
    const struct bw_read_certificate *job = bw_worker_job(reload->certificates);

    return !reload->wants_config && !bw_worker_is_busy(reload->file) && !reload->wants_certificate &&
           !(bw_worker_is_busy(reload->certificates) && job->is_fresh);
}

/* A file answers once all that was asked for meanwhile has its outcome, too. */
static void go_on(struct bw_reload *reload)
{
    begin_certificate(reload);
    if (!reload->wants_config && reload->fresh == NULL && bw_worker_answers_again(reload->file))
        bw_log_info(reload->log, "files.answer", "does=%s", bw_log_quote(reload->kind->file_answers));
    if (bw_worker_answers_again(reload->certificates))
        bw_log_info(reload->log, "files.answer", "does=\"certificates are read again\"");
    if (reload->kind->on_idle != NULL && is_idle(reload))
        reload->kind->on_idle(reload->user);
}

static void on_file(void *of, void *user)
{
    struct bw_reload *reload = user;
    const struct bw_reload_kind *kind = reload->kind;
    struct file_job *job = of;

    if (!kind->is_file_first)
        bw_reload_overtake(reload); /* a refused one, too */
    if (kind->on_file(reload->user, job->config, &job->problems)) {
        reload->wants_certificate = reload->is_overtaken = true; /* its own is next, of other paths perhaps */
        reload->fresh = kind->is_file_first ? NULL : job->config;
        job->config = NULL;
    }
    clear_file(job);
    begin_file(reload);
    go_on(reload);
}

/* What was read for an older file is not taken: the newest one's is next. A look is at what is in use, and that is
 * another one by now where the file comes first. */
static void hand_over(struct bw_reload *reload, struct bw_read_certificate *read)
{
    if (reload->is_overtaken && (read->is_fresh || reload->kind->is_file_first))
        return;
    if (!read->is_fresh) {
        reload->kind->on_look(reload->user, read);
        return;
    }
    reload->kind->on_fresh(reload->user, read);
    drop_fresh(reload);
}

static void on_certificate(void *of, void *user)
{
    hand_over(user, of);
    clear_certificate(of);
    go_on(user);
}

/* ---- life ---- */

void bw_reload_begin(struct bw_reload *reload)
{
    reload->wants_config = true;
    begin_file(reload);
}

void bw_reload_look(struct bw_reload *reload)
{
    const struct bw_read_certificate *job = bw_worker_job(reload->certificates);

    reload->wants_look = true;
    begin_certificate(reload);
    if (bw_worker_fell_silent(reload->file))
        bw_log_warn(reload->log, "config.read_stalled", "file=%s does=%s", bw_log_quote(reload->config_file),
                    bw_log_quote(reload->kind->file_silent));
    if (bw_worker_fell_silent(reload->certificates))
        bw_log_warn(reload->log, "config.read_stalled", "ca_file=%s identity_file=%s does=%s",
                    bw_log_quote(job->own->ca), bw_log_quote(job->own->identity),
                    bw_log_quote(reload->kind->certificates_silent));
}

enum bw_err bw_reload_open(struct bw_reload *reload, uv_loop_t *loop,
                           const struct bw_own_certificate *own, struct bw_diag *diag)
{
    enum bw_err err;

    reload->days_warned = INT64_MAX;
    bw_reload_put_own(reload, bw_own_certificate_copy(own));
    err = bw_worker_open(&reload->file, loop, sizeof(struct file_job), clear_file, on_file, reload, diag);
    if (err == BW_OK)
        err = bw_worker_open(&reload->certificates, loop, sizeof(struct bw_read_certificate),
                             clear_certificate, on_certificate, reload, diag);
    return err;
}

void bw_reload_close(struct bw_reload *reload)
{
    (void)bw_worker_close(reload->file); /* what hangs there is its own */
    (void)bw_worker_close(reload->certificates);
    reload->file = reload->certificates = NULL;
    bw_reload_put_own(reload, NULL);
    drop_fresh(reload);
}

/* ---- of a site file ---- */

void *bw_reload_load_site(const char *file, struct bw_problems *problems)
{
    struct bw_site_config *config = NULL;

    return bw_site_config_load(file, BW_CONFIG_HERE, &config, problems) == BW_OK ? config : NULL;
}

void bw_reload_free_site(void *config)
{
    bw_site_config_free(config);
}

struct bw_own_certificate bw_reload_own_of_site(const struct bw_site_config *config)
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
