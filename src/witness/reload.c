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

/* ---- reading them, on a thread ---- */

/* The worker's, with nothing of the program's: where a file system hangs, the thread outlives all. */
struct job {
    /* SIGHUP is first the file, then the certificate that it names; else the one in use, where its files look
     * otherwise. */
    enum { READ_CONFIG, READ_ITS_CERTIFICATE, READ_CERTIFICATE } kind;
    const char *config_file;               /* of the command line */
    struct bw_own_certificate *own;        /* the certificate; NULL of READ_CONFIG */
    struct bw_certificate_look look;       /* before, then now */
    struct bw_witness_config *fresh;       /* READ_CONFIG; NULL: it is refused, and was said why */
    struct bw_credentials *credentials;    /* NULL: its files look as before, or `err` */
    enum bw_err err;
    struct bw_diag diag;
};

static void clear(void *of)
{
    struct job *job = of;

    free(job->own);
    bw_witness_config_free(job->fresh);
    bw_credentials_free(job->credentials);
    *job = (struct job){.own = NULL};
}

static void read_files(void *of)
{
    struct job *job = of;

    if (job->kind == READ_CONFIG)
        job->fresh = bw_witness_config_take(job->config_file, "the running configuration stays");
    else
        job->err = bw_credentials_read_again(job->own, bw_clock_wall(),
                                             job->kind == READ_ITS_CERTIFICATE, &job->look,
                                             &job->credentials, &job->diag);
}

static void read_certificate(struct bw_program_reload *reload, struct job *job)
{
    struct bw_own_certificate own = *reload->own;

    job->kind = reload->fresh != NULL ? READ_ITS_CERTIFICATE : READ_CERTIFICATE;
    if (reload->fresh != NULL)
        own = own_of(reload->fresh);
    else
        reload->wants_look = false;
    job->own = bw_own_certificate_copy(&own);
    job->look = reload->look;
}

/* What is wanted next, unless something is being read. */
static void begin_next(struct bw_program *program)
{
    struct bw_program_reload *reload = &program->reload;
    struct job *job;

    if (bw_worker_is_busy(reload->files) ||
        (!reload->wants_config && !reload->wants_look && reload->fresh == NULL))
        return;
    job = bw_worker_job(reload->files);
    job->config_file = program->config_file;
    if (reload->wants_config && reload->fresh == NULL) {
        job->kind = READ_CONFIG;
        reload->wants_config = false;
    } else {
        read_certificate(reload, job);
    }
    reload->begun++;
    bw_worker_begin(reload->files, read_files);
}

/* ---- taking them ---- */

static void note_outcome(struct bw_program *program, bool is_good, const char *what,
                         const char *why)
{
    struct bw_witness_counters *counters = &program->counters;

    counters->is_last_reload_good = is_good;
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

static void put_own(struct bw_program *program, const struct bw_own_certificate *own)
{
    struct bw_own_certificate *copy = bw_own_certificate_copy(own);

    free(program->reload.own);
    program->reload.own = copy;
}

static bool is_named(const char *entry, const char *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i], entry) == 0)
            return true;
    return false;
}

/* Adds to `list`, of room enough, what `fresh` names besides; how many there are then. */
static uint32_t add_named(const char **list, const struct bw_own_certificate *own,
                          const struct bw_own_certificate *fresh)
{
    uint32_t count = own->revoked_count;

    for (uint32_t i = 0; i < count; i++)
        list[i] = own->revoked[i];
    for (uint32_t i = 0; i < fresh->revoked_count; i++)
        if (!is_named(fresh->revoked[i], list, count))
            list[count++] = fresh->revoked[i];
    return count;
}

/* Whom `fresh` takes back is out at once (5.3), whatever becomes of the certificate that it names: that is read
 * next, and may hang, or be refused. Whom it names no more is let in with that certificate, and not before: it may
 * be the list of another authority. */
static void take_back(struct bw_program *program, const struct bw_witness_config *fresh)
{
    const struct bw_own_certificate named = own_of(fresh);
    struct bw_own_certificate own = *program->reload.own;
    const char **list = calloc((size_t)own.revoked_count + named.revoked_count + 1, sizeof *list);
    struct bw_tls_contexts contexts = {0};
    struct bw_diag diag = {0};
    enum bw_err err = BW_OK;
    uint32_t count;

    BW_ASSERT(list != NULL); /* whom it names must not stay */
    count = add_named(list, &own, &named);
    if (count == own.revoked_count) {
        free(list);
        return;
    }
    err = bw_credentials_revoke(program->credentials, list, count, &diag);
    if (err == BW_OK)
        err = make_contexts(program->credentials, &contexts, &diag);
    if (err == BW_OK)
        err = bw_http_client_set_credentials(&program->relay, program->credentials, &diag);
    if (err == BW_OK) {
        own.revoked = list;
        own.revoked_count = count;
        put_own(program, &own);
        use_contexts(program, &contexts);
    } else {
        bw_log_error(&program->log, "certificate.refused",
                     "error=%s does=\"the list of before stays\"", bw_log_quote(diag.text));
    }
    free(list);
    bw_tls_contexts_free(&contexts); /* their users keep them */
}

/* What the job has read takes the place of what is in use; `config` names it. */
static enum bw_err take_credentials(struct bw_program *program, struct job *job,
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

/* What of `fresh` differs and needs a restart is refused: a key of this witness, or who the witnesses are. */
static enum bw_err judge(const struct bw_program *program, const struct bw_witness_config *fresh,
                         struct bw_diag *diag)
{
    static const char *const fixed[] = {"cluster",     "name",             "data_dir",     "listen",
                                        "raft_listen", "election_timeout", "metrics_open", NULL};
    const char *key = bw_schema_first_change(&bw_witness_config_table, fixed, program->config,
                                             fresh);

    if (key != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED, "%s changes only with a restart", key);
    return bw_drive_judge_members(program, fresh, diag);
}

static void hear_config(struct bw_program *program, struct job *job)
{
    struct bw_diag diag = {0};

    if (job->fresh == NULL) {
        note_outcome(program, false, "configuration", "its problems are listed above");
        return;
    }
    if (judge(program, job->fresh, &diag) != BW_OK) {
        note_outcome(program, false, "configuration", diag.text);
        return;
    }
    take_back(program, job->fresh);
    program->reload.fresh = job->fresh; /* its certificate is next */
    job->fresh = NULL;
}

/* All of it, or nothing but whom it takes back: what stands in it was written together with its certificate. */
static void take_config(struct bw_program *program, struct job *job)
{
    struct bw_witness_config *fresh = program->reload.fresh;
    struct bw_own_certificate own = own_of(fresh);
    struct bw_diag diag = {0};
    enum bw_err err = judge(program, fresh, &diag); /* the members may be others by now */

    program->reload.fresh = NULL;
    if (err == BW_OK)
        err = take_credentials(program, job, fresh, &diag);
    if (err != BW_OK) {
        note_outcome(program, false, "configuration", diag.text);
        bw_witness_config_free(fresh);
        return;
    }
    put_own(program, &own);
    bw_witness_config_free(program->config);
    program->config = fresh;
    bw_reads_forget(&program->reads); /* `people` may say something else now */
    bw_directory_rebuild(program);
    program->log.level = program->config->log_level;
    program->reload.look = job->look;
    note_outcome(program, true, "configuration", "");
}

static void take_certificate(struct bw_program *program, struct job *job)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    program->reload.look = job->look;
    if (job->err == BW_OK && job->credentials == NULL)
        return; /* as before */
    err = take_credentials(program, job, program->config, &diag);
    note_outcome(program, err == BW_OK, "certificates", diag.text);
}

static void on_read(void *of, void *user)
{
    struct bw_program *program = user;
    struct job *job = of;

    if (job->kind == READ_CONFIG)
        hear_config(program, job);
    else if (job->kind == READ_ITS_CERTIFICATE)
        take_config(program, job);
    else
        take_certificate(program, job);
    clear(job);
    begin_next(program);
    if (program->reload.is_slow && !bw_worker_is_busy(program->reload.files)) {
        program->reload.is_slow = false; /* all that was asked for meanwhile has its outcome, too */
        bw_log_info(&program->log, "files.answer",
                    "does=\"certificates and configuration are read again\"");
    }
}

void bw_program_reload(struct bw_program *program)
{
    if (program->is_closing)
        return;
    program->reload.wants_config = true;
    begin_next(program);
}

enum bw_err bw_program_reload_open(struct bw_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate own = own_of(program->config);
    struct bw_program_reload *reload = &program->reload;

    put_own(program, &own);
    reload->look = bw_certificate_look_at(&own);
    reload->days_warned = INT64_MAX;
    return bw_worker_open(&reload->files, &program->loop, sizeof(struct job), clear, on_read,
                          program, diag);
}

void bw_program_reload_close(struct bw_program *program)
{
    (void)bw_worker_close(program->reload.files); /* what hangs there is its own */
    program->reload.files = NULL;
    free(program->reload.own);
    program->reload.own = NULL;
    bw_witness_config_free(program->reload.fresh);
    program->reload.fresh = NULL;
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

    warn_of_expiry(program);
    reload->wants_look = true;
    begin_next(program);
    if (reload->looked == reload->begun && !reload->is_slow) { /* since the look before this one */
        reload->is_slow = true;
        bw_log_warn(&program->log, "files.silent",
                    "file=%s ca_file=%s identity_file=%s does=\"what was read before stays in force\"",
                    bw_log_quote(program->config_file), bw_log_quote(program->config->tls.ca),
                    bw_log_quote(program->config->tls.identity));
    }
    reload->looked = reload->begun;
}
