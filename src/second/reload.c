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

/* The worker's, with nothing of ours: where a file system hangs, the thread outlives all. */
struct job {
    const char *config_file;          /* of the command line */
    bool is_config;                   /* SIGHUP; else the certificate, where its files look otherwise */
    struct bw_own_certificate *own;   /* the one in use; NULL of SIGHUP */
    struct bw_certificate_look look; /* before, then now */
    enum bw_err err;
    struct bw_diag diag;
    bool is_judged; /* `err` is of the file, against what runs; else of reading */
    struct bw_problems problems;
    struct bw_site_config *fresh;
    struct bw_credentials *credentials; /* NULL: they look as before, or cannot be used */
};

static void clear(void *of)
{
    struct job *job = of;

    free(job->own);
    bw_credentials_free(job->credentials);
    bw_site_config_free(job->fresh);
    bw_problems_deinit(&job->problems);
    *job = (struct job){0};
}

static void read_certificate(struct job *job, const struct bw_own_certificate *own)
{
    job->err = bw_credentials_read_again(own, bw_clock_wall(), job->is_config, &job->look,
                                         &job->credentials, &job->diag);
}

static void read_files(void *of)
{
    struct job *job = of;
    struct bw_own_certificate own;

    if (!job->is_config) {
        read_certificate(job, job->own);
        return;
    }
    job->err = bw_site_config_load(job->config_file, BW_CONFIG_HERE, &job->fresh, &job->problems);
    if (job->err != BW_OK) { /* here: whoever reads stderr may have stopped */
        bw_problems_print(&job->problems, "what runs stays as it is", stderr);
        return;
    }
    own = own_of(job->fresh);
    read_certificate(job, &own);
}

static void begin(struct bw_second_program *program)
{
    struct bw_second_reload *reload = &program->reload;
    const struct bw_own_certificate own = own_of(program->config);
    struct job *job;

    if (bw_worker_is_busy(reload->files))
        return;
    job = bw_worker_job(reload->files);
    bw_problems_init(&job->problems);
    job->config_file = program->config_file;
    job->is_config = reload->wants_config;
    job->own = reload->wants_config ? NULL : bw_own_certificate_copy(&own);
    job->look = reload->look;
    reload->reads_config = reload->wants_config;
    reload->wants_config = false;
    reload->begun++;
    bw_worker_begin(reload->files, read_files);
}

static void use_credentials(struct bw_second_program *program, struct job *job)
{
    struct bw_diag diag = {0};

    if (bw_http_client_set_credentials(&program->client, job->credentials, &diag) != BW_OK ||
        bw_http_client_set_credentials(&program->witnesses, job->credentials, &diag) != BW_OK) {
        bw_log_error(&program->log, "certificate.refused", "error=%s does=\"the old one stays\"",
                     bw_log_quote(diag.text));
        return;
    }
    bw_credentials_free(program->credentials);
    program->credentials = job->credentials;
    job->credentials = NULL;
    bw_log_info(&program->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(program->config->tls.identity),
                bw_credentials_days_left(program->credentials, bw_clock_wall()));
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

static void refuse(struct bw_second_program *program, struct job *job)
{
    bw_log_error(&program->log,
                 job->is_config && (job->fresh == NULL || job->is_judged) ? "config.refused"
                                                                          : "certificate.refused",
                 "file=%s error=%s does=\"what runs stays as it is\"",
                 bw_log_quote(job->is_config ? program->config_file : program->config->tls.identity),
                 bw_log_quote(job->diag.text));
}

static void on_read(void *of, void *user)
{
    struct bw_second_program *program = user;
    struct job *job = of;

    if (job->is_config && job->err == BW_OK) {
        job->err = judge(program, job->fresh, &job->diag);
        job->is_judged = job->err != BW_OK;
    }
    if (job->err != BW_OK) {
        refuse(program, job);
    } else if (job->is_config) {
        bw_log_info(&program->log, "config.loaded", "file=%s does=\"begins anew with it%s\"",
                    bw_log_quote(program->config_file),
                    bw_second_machine_runs(&program->machine) > 0 ? " once the script that runs has ended"
                                                                  : "");
        bw_second_stop(program, BW_SECOND_RESTART);
    } else if (job->credentials != NULL) {
        use_credentials(program, job);
    }
    if (!job->is_config)
        program->reload.look = job->look;
    clear(job);
    if (program->reload.wants_config)
        begin(program);
    if (program->reload.is_slow && !bw_worker_is_busy(program->reload.files)) {
        program->reload.is_slow = false; /* all that was asked for meanwhile has its outcome, too */
        bw_log_info(&program->log, "files.answer",
                    "does=\"certificates and site file are read again\"");
    }
}

static void say_silent(struct bw_second_program *program)
{
    if (program->reload.reads_config)
        bw_log_warn(&program->log, "files.silent",
                    "file=%s does=\"it, or a file that it names, does not answer; what was read before "
                    "stays in force\"",
                    bw_log_quote(program->config_file));
    else
        bw_log_warn(&program->log, "files.silent",
                    "ca_file=%s identity_file=%s does=\"what was read before stays in force\"",
                    bw_log_quote(program->config->tls.ca),
                    bw_log_quote(program->config->tls.identity));
}

static void on_look(uv_timer_t *timer)
{
    struct bw_second_program *program = timer->data;
    struct bw_second_reload *reload = &program->reload;

    warn_of_expiry(program);
    begin(program);
    if (reload->looked == reload->begun && !reload->is_slow) { /* since the look before this one */
        reload->is_slow = true;
        say_silent(program);
    }
    reload->looked = reload->begun;
}

void bw_second_reload(struct bw_second_program *program)
{
    program->reload.wants_config = true;
    begin(program);
}

enum bw_err bw_second_reload_open(struct bw_second_program *program, struct bw_diag *diag)
{
    struct bw_second_reload *reload = &program->reload;

    BW_ASSERT(uv_timer_init(&program->loop, &reload->timer) ==
              0); /* memory of ours, nothing else */
    reload->timer.data = program;
    reload->days_warned = INT64_MAX;
    BW_ASSERT(uv_timer_start(&reload->timer, on_look, LOOK_MS, LOOK_MS) == 0);
    return bw_worker_open(&reload->files, &program->loop, sizeof(struct job), clear, on_read,
                          program, diag);
}

void bw_second_reload_close(struct bw_second_program *program)
{
    uv_close((uv_handle_t *)&program->reload.timer, NULL);
    (void)bw_worker_close(program->reload.files); /* what hangs there is its own */
    program->reload.files = NULL;
}
