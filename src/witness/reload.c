/* reload.c - configuration and certificates anew, without dropping anything. Design 5.4: a bad file
 * leaves the old one running. Files are read beside the loop (3.4): where they hang, leases are confirmed on. */
#include "program.h"

#include <inttypes.h>
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

uint64_t bw_program_certificate_left_s(const struct bw_program *program)
{
    return program->counters.is_certificate_taken ? bw_credentials_left_s(program->credentials, bw_clock_wall()) : 0;
}

void bw_program_judge_address(struct bw_program *program)
{
    const struct bw_witness_config *config = program->config;
    struct bw_diag diag = {0};

    if (bw_credentials_check_address(program->credentials, config->witnesses[config->self].address,
                                     &diag) != BW_OK)
        bw_log_error(&program->log, "certificate.host_missing", "error=%s", bw_log_quote(diag.text));
}

static enum bw_err use_again(void *user, struct bw_diag *diag)
{
    struct bw_program *program = user;
    struct bw_tls_contexts contexts = {0};
    enum bw_err err = make_contexts(program->credentials, &contexts, diag);

    if (err == BW_OK)
        err = bw_http_client_set_credentials(&program->relay, program->credentials, diag);
    if (err == BW_OK)
        use_contexts(program, &contexts);
    bw_tls_contexts_free(&contexts); /* their users keep them */
    return err;
}

/* What was read takes the place of what is in use; `config` names it. */
static enum bw_err take_credentials(struct bw_program *program, struct bw_read_certificate *read,
                                    const struct bw_witness_config *config, struct bw_diag *diag)
{
    struct bw_credentials *credentials = read->credentials;
    struct bw_tls_contexts contexts;
    enum bw_err err = read->err;

    *diag = read->diag;
    if (err == BW_OK)
        err = judge_address(program, config, credentials, diag);
    if (err == BW_OK)
        err = make_contexts(credentials, &contexts, diag);
    if (err != BW_OK)
        return err;
    read->credentials = NULL;
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
                                        "raft_listen", "election_timeout", "metrics_anonymous", NULL};
    const char *key = bw_schema_first_change(&bw_witness_config_table, fixed, program->config,
                                             fresh);

    if (key != NULL)
        return bw_diag_set(diag, BW_ERR_REFUSED, takes(key), key);
    return bw_drive_judge_members(program, fresh, diag);
}

static bool on_file(void *user, void *fresh, struct bw_problems *problems)
{
    struct bw_program *program = user;
    struct bw_own_certificate named;
    struct bw_diag diag = {0};

    bw_problems_log(problems, &program->log);
    if (fresh == NULL || judge(program, fresh, &diag) != BW_OK) {
        note_file(program, false, fresh == NULL ? "its problems are listed above" : diag.text);
        return false;
    }
    named = own_of(fresh);
    bw_reload_take_back(&program->reload, &named, program->credentials);
    return true;
}

/* All of it, or nothing but whom it takes back: what stands in it was written together with its certificate. */
static void on_fresh(void *user, struct bw_read_certificate *read)
{
    struct bw_program *program = user;
    struct bw_reload *reload = &program->reload;
    struct bw_diag diag = {0};
    enum bw_err err = judge(program, reload->fresh, &diag); /* the members may be others by now */

    if (err == BW_OK)
        err = take_credentials(program, read, reload->fresh, &diag);
    if (err != BW_OK) {
        note_file(program, false, diag.text);
        return;
    }
    bw_reload_put_own(reload, read->own);
    read->own = NULL;
    bw_witness_config_free(program->config);
    program->config = reload->fresh;
    reload->fresh = NULL;
    bw_reads_forget(&program->reads); /* `people` may say something else now */
    bw_directory_rebuild(program);
    program->log.level = program->config->log_level;
    reload->look = read->look;
    note_file(program, true, "");
}

static void on_look(void *user, struct bw_read_certificate *read)
{
    struct bw_program *program = user;
    struct bw_diag diag = {0};
    enum bw_err err;

    program->reload.look = read->look;
    if (!bw_reload_revoke(&program->reload, read))
        return;
    err = take_credentials(program, read, program->config, &diag);
    program->counters.is_certificate_taken = err == BW_OK; /* of a file that was refused it says nothing */
    bw_raft_links_tell_certificate(program->links);
    note_outcome(program, err == BW_OK, "certificates", diag.text);
}

static void *load(const char *file, struct bw_problems *problems)
{
    struct bw_witness_config *config = NULL;

    return bw_witness_config_load(file, BW_CONFIG_HERE, &config, problems) == BW_OK ? config : NULL;
}

static void free_config(void *config)
{
    bw_witness_config_free(config);
}

static struct bw_own_certificate own(const void *user)
{
    const struct bw_reload *reload = &((const struct bw_program *)user)->reload;

    return reload->fresh != NULL ? own_of(reload->fresh) : *reload->own;
}

static const struct bw_reload_kind kind = {
    .load = load,
    .free_config = free_config,
    .on_file = on_file,
    .own = own,
    .on_fresh = on_fresh,
    .on_look = on_look,
    .use_again = use_again,
    .file_silent = "what was read before stays in force",
    .file_answers = "the configuration is read again",
    .certificates_silent = "the certificate in use stays; a new configuration waits for these, but whom it "
                           "takes back is out"};

void bw_program_reload(struct bw_program *program)
{
    if (!program->is_closing)
        bw_reload_begin(&program->reload);
}

enum bw_err bw_program_reload_open(struct bw_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate in_use = own_of(program->config);
    struct bw_reload *reload = &program->reload;

    reload->kind = &kind;
    reload->user = program;
    reload->log = &program->log;
    reload->config_file = program->config_file;
    reload->look = bw_certificate_look_at(&in_use);
    return bw_reload_open(reload, &program->loop, &in_use, diag);
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
    warn_of_expiry(program);
    bw_reload_look(&program->reload);
}
