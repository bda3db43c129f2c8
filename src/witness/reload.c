/* reload.c - configuration and certificates anew, without dropping anything. Design 5.4: a bad file
 * leaves the old one running. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
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

enum bw_err bw_program_load_credentials(const struct bw_witness_config *config,
                                        struct bw_credentials **out_credentials,
                                        struct bw_tls_contexts *out_contexts, struct bw_diag *diag)
{
    const struct bw_own_certificate own = {.ca = config->tls.ca,
                                           .identity = config->tls.identity,
                                           .revoked = config->tls.revoked,
                                           .revoked_count = config->tls.revoked_count,
                                           .cluster = config->cluster,
                                           .role = BW_ROLE_WITNESS,
                                           .site = "",
                                           .name = config->name};
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

/* ---- have they changed? ---- */

void bw_program_note_files(struct bw_program *program)
{
    program->ca_look = bw_file_look_at(program->config->tls.ca);
    program->identity_look = bw_file_look_at(program->config->tls.identity);
}

static bool have_files_changed(const struct bw_program *program)
{
    return !bw_file_looks_equal(bw_file_look_at(program->config->tls.ca), program->ca_look) ||
           !bw_file_looks_equal(bw_file_look_at(program->config->tls.identity),
                                program->identity_look);
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
    bw_http_server_set_context(program->api, contexts->api);
    bw_raft_links_set_contexts(program->links, contexts->raft_server, contexts->raft_client);
    bw_tls_contexts_free(contexts); /* their users keep them */
    bw_credentials_free(program->credentials);
    program->credentials = credentials;
    bw_raft_links_tell_certificate(program->links);
    program->days_warned = INT64_MAX;
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

static enum bw_err reload_credentials(struct bw_program *program,
                                      const struct bw_witness_config *config, struct bw_diag *diag)
{
    struct bw_credentials *credentials;
    struct bw_tls_contexts contexts;
    enum bw_err err = bw_program_load_credentials(config, &credentials, &contexts, diag);

    if (err != BW_OK)
        return err;
    err = judge_address(program, config, credentials, diag);
    if (err == BW_OK)
        return use_credentials(program, credentials, &contexts, diag); /* takes them */
    bw_credentials_free(credentials);
    bw_tls_contexts_free(&contexts);
    return err;
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

void bw_program_reload(struct bw_program *program)
{
    struct bw_witness_config *fresh =
        bw_witness_config_take(program->config_file, "the running configuration stays");
    struct bw_diag diag = {0};
    enum bw_err err;

    if (fresh == NULL) {
        note_outcome(program, false, "configuration", "its problems are listed above");
        return;
    }
    err = judge(program, fresh, &diag);
    if (err == BW_OK)
        err = reload_credentials(program, fresh, &diag);
    if (err != BW_OK) {
        bw_witness_config_free(fresh);
        note_outcome(program, false, "configuration", diag.text);
        return;
    }
    bw_witness_config_free(program->config);
    program->config = fresh;
    bw_reads_forget(&program->reads); /* `people` may say something else now */
    bw_directory_rebuild(program);
    program->log.level = fresh->log_level;
    bw_program_note_files(program);
    note_outcome(program, true, "configuration", "");
}

/* ---- every few seconds ---- */

static void warn_of_expiry(struct bw_program *program)
{
    int64_t days;

    if (bw_credentials_end_is_news(program->credentials, bw_clock_wall(), &program->days_warned,
                                   &days))
        bw_log_write(
            &program->log, days < 1 ? BW_LOG_ERROR : BW_LOG_WARN, "certificate.ends",
            "file=%s certificate_left_days=%" PRId64 " next=%s", program->config->tls.identity,
            days, bw_log_quote("renew this file (breakwater pki renew); it is noticed by itself"));
}

void bw_program_look_at_files(struct bw_program *program)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    if (have_files_changed(program)) {
        bw_program_note_files(program); /* before they are read: a later change is noticed */
        err = reload_credentials(program, program->config, &diag);
        note_outcome(program, err == BW_OK, "certificates", diag.text);
    }
    warn_of_expiry(program);
}
