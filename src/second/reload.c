/* SIGHUP and changed certificates. A site file that is sound is begun with anew (exit status 75):
 * what is armed is kept on disk, and asked for again at once. Files are read beside the loop, which
 * enforces a deadline. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

#define LOOK_MS 10000u

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
enum bw_err bw_second_credentials_load(struct bw_second_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(program->config);

    program->reload.look = bw_certificate_look_at(&own);
    return bw_credentials_load_own(&own, bw_clock_wall(), &program->credentials, diag);
}

static void warn_of_expiry(struct bw_second_program *program)
{
    int64_t days;

    if (bw_credentials_end_is_news(program->credentials, bw_clock_wall(),
                                   &program->reload.days_warned, &days))
        bw_log_warn(&program->log, "certificate.expiring",
                    "file=%s certificate_left_days=%" PRId64
                    " does=\"with an expired one this second enforcer is not counted on\"",
                    bw_log_quote(program->config->tls.identity), days);
}

/* ---- reading them, on threads ---- */

/* The workers', with nothing of ours: where a file system hangs, the thread outlives all. The file has one of its own:
 * whom it takes back is out though certificates hang (5.3). */
struct file_job {
    const char *config_file;      /* of the command line */
    struct bw_problems problems;
    struct bw_site_config *fresh; /* NULL: it is refused for them */
};

struct certificate_job {
    bool is_fresh; /* the one that the file of a SIGHUP names; else the one in use, where its files look otherwise */
    struct bw_own_certificate *own;
    struct bw_certificate_look look;    /* before, then now */
    struct bw_credentials *credentials; /* NULL: its files look as before, or `err` */
    enum bw_err err;
    struct bw_diag diag;
};

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

    free(job->own);
    bw_credentials_free(job->credentials);
    *job = (struct certificate_job){0};
}

static void read_file(void *of)
{
    struct file_job *job = of;

    if (bw_site_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems) != BW_OK)
        job->fresh = NULL;
}

static void read_certificate(void *of)
{
    struct certificate_job *job = of;

    job->err = bw_credentials_read_again(job->own, bw_clock_wall(), job->is_fresh, &job->look,
                                         &job->credentials, &job->diag);
}

static void begin_file(struct bw_second_program *program)
{
    struct bw_second_reload *reload = &program->reload;
    struct file_job *job;

    if (!reload->wants_config || bw_worker_is_busy(reload->file))
        return;
    reload->wants_config = false;
    job = bw_worker_job(reload->file);
    bw_problems_init(&job->problems);
    job->config_file = program->config_file;
    bw_worker_begin(reload->file, read_file);
}

static void begin_certificate(struct bw_second_program *program)
{
    struct bw_second_reload *reload = &program->reload;
    struct bw_own_certificate own = *reload->own;
    struct certificate_job *job;

    if ((reload->fresh == NULL && !reload->wants_look) || bw_worker_is_busy(reload->certificates))
        return;
    job = bw_worker_job(reload->certificates);
    job->is_fresh = reload->fresh != NULL;
    if (job->is_fresh)
        own = own_of(reload->fresh);
    else
        reload->wants_look = false;
    job->own = bw_own_certificate_copy(&own);
    job->look = reload->look;
    reload->is_overtaken = false;
    bw_worker_begin(reload->certificates, read_certificate);
}

/* ---- taking them ---- */

static void put_own(struct bw_second_program *program, struct bw_own_certificate *own)
{
    free(program->reload.own);
    program->reload.own = own;
}

static enum bw_err set_credentials(struct bw_second_program *program,
                                   const struct bw_credentials *credentials, struct bw_diag *diag)
{
    const enum bw_err err = bw_http_client_set_credentials(&program->client, credentials, diag);

    return err == BW_OK ? bw_http_client_set_credentials(&program->witnesses, credentials, diag)
                        : err;
}

/* Whom `fresh` takes back is out at once (5.3), whatever becomes of the certificate that it names: that is read
 * next, and may hang, or be refused. Whom it names no more is let in once this has begun anew, and not before. */
static void take_back(struct bw_second_program *program, const struct bw_site_config *fresh)
{
    const struct bw_own_certificate named = own_of(fresh);
    struct bw_own_certificate *own = bw_own_certificate_with(program->reload.own, &named);
    struct bw_diag diag = {0};
    enum bw_err err;

    if (own == NULL)
        return;
    err = bw_credentials_revoke(program->credentials, own->revoked, own->revoked_count, &diag);
    if (err == BW_OK)
        err = set_credentials(program, program->credentials, &diag);
    if (err == BW_OK) {
        put_own(program, own);
        return;
    }
    free(own);
    bw_log_error(&program->log, "certificate.refused", "error=%s does=\"the list of before stays\"",
                 bw_log_quote(diag.text));
}

static bool is_busy_with(const struct bw_second *second)
{
    return second->phase == BW_SECOND_ARMED || second->phase == BW_SECOND_SCRIPT ||
           second->phase == BW_SECOND_LOOKING;
}

/* Begun anew with it, what is armed would be found again: by its state, under its group's name. Else nobody would
 * fence, and time alone hands over what this process was counted on for (3.4). */
static enum bw_err judge(const struct bw_second_program *program,
                         const struct bw_site_config *fresh, struct bw_diag *diag)
{
    static const char *const fixed[] = {"cluster", "site", "name", "state_dir", "run_dir", NULL};
    const char *key = bw_schema_first_change(&bw_site_config_table, fixed, program->config, fresh);

    if (key != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s changes only with a restart", key);
    for (uint32_t i = 0; i < program->machine.group_count; i++) {
        const char *group = program->config->groups[i].name;

        if (is_busy_with(&program->machine.groups[i].second) &&
            bw_site_config_find(fresh, group) == NULL)
            return bw_diag_set(diag, BW_ERR_REFUSED,
                               "group %s is armed here: name it until its site holds no epoch of it",
                               group);
    }
    if (!bw_second_store_has_room(&program->store, fresh))
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s has %d groups already: remove it once none of them is "
                           "in use here", program->store.path, BW_SITE_GROUPS_MAX);
    return bw_second_config_check(fresh, diag);
}

static void refuse_config(struct bw_second_program *program, const char *why)
{
    bw_log_error(&program->log, "config.refused", "file=%s error=%s does=\"what runs stays as it is\"",
                 bw_log_quote(program->config_file), bw_log_quote(why));
}

static void refuse_certificate(struct bw_second_program *program, const char *file, const char *why)
{
    bw_log_error(&program->log, "certificate.refused",
                 "file=%s error=%s does=\"what runs stays as it is\"", bw_log_quote(file),
                 bw_log_quote(why));
}

/* The newest file decides: one whose certificate was not read yet gives way to it, be it taken or refused, and what
 * becomes of the newer one is said for both. */
static void overtake(struct bw_second_reload *reload)
{
    bw_site_config_free(reload->fresh);
    reload->fresh = NULL;
    reload->is_overtaken = true;
}

static void hear_file(struct bw_second_program *program, struct file_job *job)
{
    struct bw_diag diag = {0};

    overtake(&program->reload);
    bw_problems_log(&job->problems, &program->log);
    if (job->fresh == NULL) {
        refuse_config(program, "its problems are listed above");
        return;
    }
    if (judge(program, job->fresh, &diag) != BW_OK) {
        refuse_config(program, diag.text);
        return;
    }
    take_back(program, job->fresh);
    program->reload.fresh = job->fresh; /* its certificate is next */
    job->fresh = NULL;
}

/* It begins anew, and reads both once more. */
static void take_config(struct bw_second_program *program, struct certificate_job *job)
{
    struct bw_site_config *fresh = program->reload.fresh;
    struct bw_diag diag = {0};

    program->reload.fresh = NULL;
    if (judge(program, fresh, &diag) != BW_OK) { /* what is armed may be another by now */
        refuse_config(program, diag.text);
    } else if (job->err != BW_OK) {
        refuse_certificate(program, program->config_file, job->diag.text);
    } else {
        bw_log_info(&program->log, "config.loaded", "file=%s does=\"begins anew with it%s\"",
                    bw_log_quote(program->config_file),
                    bw_second_machine_runs(&program->machine) > 0 ? " once the script that runs has ended"
                                                                  : "");
        bw_second_stop(program, BW_SECOND_RESTART);
    }
    bw_site_config_free(fresh);
}

/* With the list that is in force by now: a file may have been read since its files were looked at. */
static void take_certificate(struct bw_second_program *program, struct certificate_job *job)
{
    const struct bw_own_certificate *own = program->reload.own;

    program->reload.look = job->look;
    if (job->err == BW_OK && job->credentials == NULL)
        return; /* as before */
    if (job->err == BW_OK)
        job->err = bw_credentials_revoke(job->credentials, own->revoked, own->revoked_count, &job->diag);
    if (job->err == BW_OK)
        job->err = set_credentials(program, job->credentials, &job->diag);
    if (job->err != BW_OK) {
        refuse_certificate(program, program->config->tls.identity, job->diag.text);
        return;
    }
    bw_credentials_free(program->credentials);
    program->credentials = job->credentials;
    job->credentials = NULL;
    bw_log_info(&program->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(program->config->tls.identity),
                bw_credentials_days_left(program->credentials, bw_clock_wall()));
}

/* All that was asked for meanwhile has its outcome, too. */
static void say_answers(struct bw_second_program *program)
{
    struct bw_second_reload *reload = &program->reload;

    if (!reload->wants_config && reload->fresh == NULL && bw_worker_answers_again(reload->file))
        bw_log_info(&program->log, "files.answer", "does=\"the site file is read again\"");
    if (bw_worker_answers_again(reload->certificates))
        bw_log_info(&program->log, "files.answer", "does=\"certificates are read again\"");
}

static void on_file(void *of, void *user)
{
    struct bw_second_program *program = user;

    hear_file(program, of);
    clear_file(of);
    begin_file(program);
    begin_certificate(program);
    say_answers(program);
}

static void on_certificate(void *of, void *user)
{
    struct bw_second_program *program = user;
    struct certificate_job *job = of;

    if (!job->is_fresh)
        take_certificate(program, job);
    else if (!program->reload.is_overtaken)
        take_config(program, job);
    clear_certificate(job);
    begin_certificate(program);
    say_answers(program);
}

static void on_look(uv_timer_t *timer)
{
    struct bw_second_program *program = timer->data;
    struct bw_second_reload *reload = &program->reload;
    const struct certificate_job *job = bw_worker_job(reload->certificates);

    warn_of_expiry(program);
    reload->wants_look = true;
    begin_certificate(program);
    if (bw_worker_fell_silent(reload->file))
        bw_log_warn(&program->log, "files.silent",
                    "file=%s does=\"it, or a script that it names, does not answer; what was read before "
                    "stays in force\"",
                    bw_log_quote(program->config_file));
    if (bw_worker_fell_silent(reload->certificates))
        bw_log_warn(&program->log, "files.silent",
                    "ca_file=%s identity_file=%s does=\"the certificate in use stays; a new site file waits for "
                    "these, but whom it takes back is out\"",
                    bw_log_quote(job->own->ca), bw_log_quote(job->own->identity));
}

/* One that waits for its certificate, or for a script that runs, gives way here already: begun anew, this would read
 * the newer one, which nobody has judged. */
void bw_second_reload(struct bw_second_program *program)
{
    overtake(&program->reload);
    bw_second_stay(program);
    program->reload.wants_config = true;
    begin_file(program);
}

enum bw_err bw_second_reload_open(struct bw_second_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(program->config);
    struct bw_second_reload *reload = &program->reload;
    enum bw_err err;

    BW_ASSERT(uv_timer_init(&program->loop, &reload->timer) ==
              0); /* memory of ours, nothing else */
    reload->timer.data = program;
    reload->days_warned = INT64_MAX;
    BW_ASSERT(uv_timer_start(&reload->timer, on_look, LOOK_MS, LOOK_MS) == 0);
    put_own(program, bw_own_certificate_copy(&own));
    err = bw_worker_open(&reload->file, &program->loop, sizeof(struct file_job), clear_file,
                         on_file, program, diag);
    if (err == BW_OK)
        err = bw_worker_open(&reload->certificates, &program->loop, sizeof(struct certificate_job),
                             clear_certificate, on_certificate, program, diag);
    return err;
}

void bw_second_reload_close(struct bw_second_program *program)
{
    struct bw_second_reload *reload = &program->reload;

    uv_close((uv_handle_t *)&reload->timer, NULL);
    (void)bw_worker_close(reload->file); /* what hangs there is its own */
    (void)bw_worker_close(reload->certificates);
    reload->file = reload->certificates = NULL;
    put_own(program, NULL);
    bw_site_config_free(reload->fresh);
    reload->fresh = NULL;
}
