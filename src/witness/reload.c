/* reload.c - configuration and certificates anew, without dropping anything. Design 5.4: a bad file
 * leaves the old one running. Files are read beside the loop (3.4): where they hang, leases are confirmed on. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/tls_context.h>
#include <breakwater/sys/clock.h>

void bw_tls_contexts_free(struct bw_tls_contexts *contexts)
{
    bw_tls_context_free(contexts->api);
    bw_tls_context_free(contexts->raft_server);
    bw_tls_context_free(contexts->raft_client);
    *contexts = (struct bw_tls_contexts){0};
}

static enum bw_err make_contexts(const struct bw_credentials *credentials,
                                 struct bw_tls_contexts *out_contexts, struct bw_diag *diag)
{
    struct bw_tls_contexts contexts = {0};
    enum bw_err err = bw_tls_context_new(credentials, BW_TLS_SERVER_OPTIONAL, &contexts.api, diag);

    if (err == BW_OK)
        err = bw_tls_context_new(credentials, BW_TLS_SERVER_REQUIRED, &contexts.raft_server, diag);
    if (err == BW_OK)
        err = bw_tls_context_new(credentials, BW_TLS_CLIENT, &contexts.raft_client, diag);
    if (err != BW_OK)
        bw_tls_contexts_free(&contexts);
    else
        *out_contexts = contexts;
    return err;
}

static struct bw_own_certificate own_of(const struct bw_witness_config *config)
{
    return (struct bw_own_certificate){.ca = config->tls.ca,
                                       .identity = config->tls.identity,
                                       .revoked = config->tls.revoked,
                                       .revoked_count = config->tls.revoked_count,
                                       .cluster = config->cluster,
                                       .role = BW_ROLE_WITNESS,
                                       .site = "",
                                       .name = config->name};
}

enum bw_err bw_program_load_credentials(const struct bw_witness_config *config,
                                        struct bw_credentials **out_credentials,
                                        struct bw_tls_contexts *out_contexts, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(config);
    struct bw_credentials *credentials = NULL;
    enum bw_err err = bw_credentials_load_own(&own, bw_clock_wall(), &credentials, diag);

    if (err == BW_OK)
        err = make_contexts(credentials, out_contexts, diag);
    if (err == BW_OK)
        *out_credentials = credentials;
    else
        bw_credentials_free(credentials);
    return err;
}

/* ---- reading them, on threads ---- */

/* The workers', with nothing of the program's: where a file system hangs, the thread outlives all. The file has one of
 * its own: whom it takes back is out though certificates hang (5.3). */
struct file_job {
    const char *config_file;         /* of the command line */
    struct bw_problems problems;
    struct bw_witness_config *fresh; /* NULL: it is refused for them */
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

    bw_witness_config_free(job->fresh);
    bw_problems_deinit(&job->problems);
    *job = (struct file_job){.fresh = NULL};
}

static void clear_certificate(void *of)
{
    struct certificate_job *job = of;

    free(job->own);
    bw_credentials_free(job->credentials);
    *job = (struct certificate_job){.own = NULL};
}

static void read_file(void *of)
{
    struct file_job *job = of;

    if (bw_witness_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems) != BW_OK)
        job->fresh = NULL;
}

static void read_certificate(void *of)
{
    struct certificate_job *job = of;

    job->err = bw_credentials_read_again(job->own, bw_clock_wall(), job->is_fresh, &job->look,
                                         &job->credentials, &job->diag);
}

static void begin_file(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;
    struct file_job *job;

    if (!reload->wants_config || bw_worker_is_busy(reload->file))
        return;
    reload->wants_config = false;
    job = bw_worker_job(reload->file);
    bw_problems_init(&job->problems);
    job->config_file = program->config_file;
    bw_worker_begin(reload->file, read_file);
}

static void begin_certificate(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;
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

static void note_outcome(struct bw_program *program, bool is_good, const char *what,
                         const char *why)
{
    struct bw_witness_counters *counters = &program->counters;

    if (is_good) {
        counters->reloads++;
        counters->last_good_reload_unix_ms = bw_clock_wall().unix_ms;
        bw_log_info(&program->log, "config.reloaded", "what=%s certificate_left_days=%" PRId64,
                    what, bw_credentials_days_left(program->credentials, bw_clock_wall()));
        bw_program_judge_address(program); /* one that is no worse than the one before is taken */
        return;
    }
    counters->reloads_failed++;
    bw_log_error(&program->log, "config.reload_failed", "what=%s error=%s does=%s", what,
                 bw_log_quote(why), bw_log_quote("the old one stays in use"));
}

/* A file is taken with the certificate that it names. */
static void note_file(struct bw_program *program, bool is_good, const char *why)
{
    struct bw_witness_counters *counters = &program->counters;

    counters->is_file_taken = is_good;
    counters->is_certificate_taken = is_good || counters->is_certificate_taken;
    note_outcome(program, is_good, "configuration", why);
}

static void use_contexts(struct bw_program *program, const struct bw_tls_contexts *contexts)
{
    bw_http_server_set_context(program->api, contexts->api);
    bw_raft_links_set_contexts(program->links, contexts->raft_server, contexts->raft_client);
}

/* Everything from here on uses `credentials`; takes them and the contexts. */
static enum bw_err use_credentials(struct bw_program *program, struct bw_credentials *credentials,
                                   struct bw_tls_contexts *contexts, struct bw_diag *diag)
{
    enum bw_err err = bw_http_client_set_credentials(&program->relay, credentials, diag);

    if (err != BW_OK) {
        bw_credentials_free(credentials);
        bw_tls_contexts_free(contexts);
        return err;
    }
    use_contexts(program, contexts);
    bw_tls_contexts_free(contexts); /* their users keep them */
    bw_credentials_free(program->credentials);
    program->credentials = credentials;
    bw_raft_links_tell_certificate(program->links);
    program->reload.days_warned = INT64_MAX;
    return BW_OK;
}

/* A certificate that nobody takes who dials this witness is no better than the one in use. Where
 * that one has the same fault a new one is used all the same: it lasts longer, and Raft's links ask
 * for no address. */
static enum bw_err judge_address(const struct bw_program *program,
                                 const struct bw_witness_config *config,
                                 const struct bw_credentials *credentials, struct bw_diag *diag)
{
    const struct bw_witness_config *running = program->config;
    struct bw_diag ignored = {0};
    const enum bw_err err = bw_credentials_check_address(
        credentials, config->witnesses[config->self].address, diag);
    const bool is_taken_now = bw_credentials_check_address(
                                  program->credentials, running->witnesses[running->self].address,
                                  &ignored) == BW_OK;

    return is_taken_now ? err : BW_OK;
}

void bw_program_judge_address(struct bw_program *program)
{
    const struct bw_witness_config *config = program->config;
    struct bw_diag diag = {0};

    if (bw_credentials_check_address(program->credentials, config->witnesses[config->self].address,
                                     &diag) != BW_OK)
        bw_log_error(&program->log, "certificate.unnamed", "error=%s", bw_log_quote(diag.text));
}

static void put_own(struct bw_program *program, struct bw_own_certificate *own)
{
    free(program->reload.own);
    program->reload.own = own;
}

/* Whom `fresh` takes back is out at once (5.3), whatever becomes of the certificate that it names: that is read
 * next, and may hang, or be refused. Whom it names no more is let in with that certificate, and not before. */
static void take_back(struct bw_program *program, const struct bw_witness_config *fresh)
{
    const struct bw_own_certificate named = own_of(fresh);
    struct bw_own_certificate *own = bw_own_certificate_with(program->reload.own, &named);
    struct bw_tls_contexts contexts = {0};
    struct bw_diag diag = {0};
    enum bw_err err;

    if (own == NULL)
        return;
    err = bw_credentials_revoke(program->credentials, own->revoked, own->revoked_count, &diag);
    if (err == BW_OK)
        err = make_contexts(program->credentials, &contexts, &diag);
    if (err == BW_OK)
        err = bw_http_client_set_credentials(&program->relay, program->credentials, &diag);
    if (err == BW_OK) {
        put_own(program, own);
        use_contexts(program, &contexts);
    } else {
        free(own);
        bw_log_error(&program->log, "certificate.refused",
                     "error=%s does=\"the list of before stays\"", bw_log_quote(diag.text));
    }
    bw_tls_contexts_free(&contexts); /* their users keep them */
}

/* What the job has read takes the place of what is in use; `config` names it. */
static enum bw_err take_credentials(struct bw_program *program, struct certificate_job *job,
                                    const struct bw_witness_config *config, struct bw_diag *diag)
{
    struct bw_credentials *credentials = job->credentials;
    struct bw_tls_contexts contexts;
    enum bw_err err = job->err;

    *diag = job->diag;
    if (err == BW_OK)
        err = judge_address(program, config, credentials, diag);
    if (err == BW_OK)
        err = make_contexts(credentials, &contexts, diag);
    if (err != BW_OK)
        return err;
    job->credentials = NULL;
    return use_credentials(program, credentials, &contexts, diag);
}

/* A restart alone would end with 78 where the directory of before says something else (bw_data_dir_is_meant), or there is none. */
static const char *takes(const char *key)
{
    if (strcmp(key, "cluster") == 0 || strcmp(key, "name") == 0 || strcmp(key, "election_timeout") == 0)
        return "`breakwater witness init` has fixed %s: no restart changes it; take that back";
    if (strcmp(key, "data_dir") == 0)
        return "%s changes only with a restart, and with the directory moved there while the witness is stopped";
    return "%s changes only with a restart";
}

/* What of `fresh` differs and needs a restart is refused: a key of this witness, or who the witnesses are. */
static enum bw_err judge(const struct bw_program *program, const struct bw_witness_config *fresh,
                         struct bw_diag *diag)
{
    static const char *const fixed[] = {"cluster",     "name",             "data_dir",     "listen",
                                        "raft_listen", "election_timeout", "metrics_open", NULL};
    const char *key = bw_schema_first_change(&bw_witness_config_table, fixed, program->config,
                                             fresh);

    if (key != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED, takes(key), key);
    return bw_drive_judge_members(program, fresh, diag);
}

/* The newest file decides: one whose certificate was not read yet gives way to it, be it taken or refused, and what
 * becomes of the newer one is said for both. */
static void overtake(struct bw_program_reload *reload)
{
    bw_witness_config_free(reload->fresh);
    reload->fresh = NULL;
    reload->is_overtaken = true;
}

static void hear_file(struct bw_program *program, struct file_job *job)
{
    struct bw_diag diag = {0};

    overtake(&program->reload);
    bw_problems_log(&job->problems, &program->log);
    if (job->fresh == NULL) {
        note_file(program, false, "its problems are listed above");
        return;
    }
    if (judge(program, job->fresh, &diag) != BW_OK) {
        note_file(program, false, diag.text);
        return;
    }
    take_back(program, job->fresh);
    program->reload.fresh = job->fresh; /* its certificate is next */
    job->fresh = NULL;
}

/* All of it, or nothing but whom it takes back: what stands in it was written together with its certificate. */
static void take_config(struct bw_program *program, struct certificate_job *job)
{
    struct bw_witness_config *fresh = program->reload.fresh;
    struct bw_diag diag = {0};
    enum bw_err err = judge(program, fresh, &diag); /* the members may be others by now */

    program->reload.fresh = NULL;
    if (err == BW_OK)
        err = take_credentials(program, job, fresh, &diag);
    if (err != BW_OK) {
        note_file(program, false, diag.text);
        bw_witness_config_free(fresh);
        return;
    }
    put_own(program, job->own);
    job->own = NULL;
    bw_witness_config_free(program->config);
    program->config = fresh;
    bw_reads_forget(&program->reads); /* `people` may say something else now */
    bw_directory_rebuild(program);
    program->log.level = program->config->log_level;
    program->reload.look = job->look;
    note_file(program, true, "");
}

/* With the list that is in force by now: a file may have been read since its files were looked at. */
static void take_certificate(struct bw_program *program, struct certificate_job *job)
{
    const struct bw_own_certificate *own = program->reload.own;
    struct bw_diag diag = {0};
    enum bw_err err;

    program->reload.look = job->look;
    if (job->err == BW_OK && job->credentials == NULL)
        return; /* as before */
    if (job->err == BW_OK)
        job->err = bw_credentials_revoke(job->credentials, own->revoked, own->revoked_count, &job->diag);
    err = take_credentials(program, job, program->config, &diag);
    program->counters.is_certificate_taken = err == BW_OK; /* of a file that was refused it says nothing */
    note_outcome(program, err == BW_OK, "certificates", diag.text);
}

/* All that was asked for meanwhile has its outcome, too. */
static void say_answers(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;

    if (!reload->wants_config && reload->fresh == NULL && bw_worker_answers_again(reload->file))
        bw_log_info(&program->log, "files.answer", "does=\"the configuration is read again\"");
    if (bw_worker_answers_again(reload->certificates))
        bw_log_info(&program->log, "files.answer", "does=\"certificates are read again\"");
}

static void on_file(void *of, void *user)
{
    struct bw_program *program = user;

    hear_file(program, of);
    clear_file(of);
    begin_file(program);
    begin_certificate(program);
    say_answers(program);
}

static void on_certificate(void *of, void *user)
{
    struct bw_program *program = user;
    struct certificate_job *job = of;

    if (!job->is_fresh)
        take_certificate(program, job);
    else if (!program->reload.is_overtaken)
        take_config(program, job);
    clear_certificate(job);
    begin_certificate(program);
    say_answers(program);
}

void bw_program_reload(struct bw_program *program)
{
    if (program->is_closing)
        return;
    program->reload.wants_config = true;
    begin_file(program);
}

enum bw_err bw_program_reload_open(struct bw_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(program->config);
    struct bw_program_reload *reload = &program->reload;
    enum bw_err err;

    put_own(program, bw_own_certificate_copy(&own));
    reload->look = bw_certificate_look_at(&own);
    reload->days_warned = INT64_MAX;
    err = bw_worker_open(&reload->file, &program->loop, sizeof(struct file_job), clear_file,
                         on_file, program, diag);
    if (err == BW_OK)
        err = bw_worker_open(&reload->certificates, &program->loop, sizeof(struct certificate_job),
                             clear_certificate, on_certificate, program, diag);
    return err;
}

void bw_program_reload_close(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;

    (void)bw_worker_close(reload->file); /* what hangs there is its own */
    (void)bw_worker_close(reload->certificates);
    reload->file = reload->certificates = NULL;
    put_own(program, NULL);
    bw_witness_config_free(reload->fresh);
    reload->fresh = NULL;
}

/* ---- every few seconds ---- */

static void warn_of_expiry(struct bw_program *program)
{
    int64_t days;

    if (bw_credentials_end_is_news(program->credentials, bw_clock_wall(), &program->reload.days_warned,
                                   &days))
        bw_log_write(
            &program->log, days < 1 ? BW_LOG_ERROR : BW_LOG_WARN, "certificate.ends",
            "file=%s certificate_left_days=%" PRId64 " next=%s", program->config->tls.identity,
            days, bw_log_quote("renew this file (breakwater pki renew); it is noticed by itself"));
}

void bw_program_look_at_files(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;
    const struct certificate_job *job = bw_worker_job(reload->certificates);

    warn_of_expiry(program);
    reload->wants_look = true;
    begin_certificate(program);
    if (bw_worker_fell_silent(reload->file))
        bw_log_warn(&program->log, "files.silent",
                    "file=%s does=\"what was read before stays in force\"",
                    bw_log_quote(program->config_file));
    if (bw_worker_fell_silent(reload->certificates))
        bw_log_warn(&program->log, "files.silent",
                    "ca_file=%s identity_file=%s does=\"the certificate in use stays; a new configuration waits "
                    "for these, but whom it takes back is out\"",
                    bw_log_quote(job->own->ca), bw_log_quote(job->own->identity));
}
