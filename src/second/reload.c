/* SIGHUP and changed certificates. A site file that is sound is begun with anew (exit status 75):
 * what is armed is kept on disk, and asked for again at once. Files are read beside the loop, which
 * enforces a deadline. */
#include "program.h"

#include <inttypes.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

#define LOOK_MS 10000u

/* How they look goes first: what is put there meanwhile is noticed, however long the start takes. */
enum bw_err bw_second_credentials_load(struct bw_second_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate own = bw_reload_own_of_site(program->config);

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

/* ---- taking them ---- */

static enum bw_err set_credentials(struct bw_second_program *program,
                                   const struct bw_credentials *credentials, struct bw_diag *diag)
{
    const enum bw_err err = bw_http_client_set_credentials(&program->client, credentials, diag);

    return err == BW_OK ? bw_http_client_set_credentials(&program->witnesses, credentials, diag)
                        : err;
}

static enum bw_err use_again(void *user, struct bw_diag *diag)
{
    struct bw_second_program *program = user;

    return set_credentials(program, program->credentials, diag);
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

static bool on_file(void *user, void *fresh, struct bw_problems *problems)
{
    struct bw_second_program *program = user;
    struct bw_own_certificate named;
    struct bw_diag diag = {0};

    bw_problems_log(problems, &program->log);
    if (fresh == NULL || judge(program, fresh, &diag) != BW_OK) {
        refuse_config(program, fresh == NULL ? "its problems are listed above" : diag.text);
        return false;
    }
    named = bw_reload_own_of_site(fresh);
    bw_reload_take_back(&program->reload, &named, program->credentials);
    return true;
}

/* It begins anew, and reads both once more. */
static void on_fresh(void *user, struct bw_read_certificate *read)
{
    struct bw_second_program *program = user;
    struct bw_diag diag = {0};

    if (judge(program, program->reload.fresh, &diag) != BW_OK) { /* what is armed may be another by now */
        refuse_config(program, diag.text);
    } else if (read->err != BW_OK) {
        refuse_certificate(program, program->config_file, read->diag.text);
    } else {
        bw_log_info(&program->log, "config.loaded", "file=%s does=\"begins anew with it%s\"",
                    bw_log_quote(program->config_file),
                    bw_second_machine_runs(&program->machine) > 0 ? " once the script that runs has ended"
                                                                  : "");
        bw_second_stop(program, BW_DAEMON_RESTART);
    }
}

static void on_look(void *user, struct bw_read_certificate *read)
{
    struct bw_second_program *program = user;

    program->reload.look = read->look;
    if (!bw_reload_revoke(&program->reload, read))
        return;
    if (read->err == BW_OK)
        read->err = set_credentials(program, read->credentials, &read->diag);
    if (read->err != BW_OK) {
        refuse_certificate(program, program->config->tls.identity, read->diag.text);
        return;
    }
    bw_credentials_free(program->credentials);
    program->credentials = read->credentials;
    read->credentials = NULL;
    bw_log_info(&program->log, "certificate.loaded", "file=%s certificate_left_days=%" PRId64,
                bw_log_quote(program->config->tls.identity),
                bw_credentials_days_left(program->credentials, bw_clock_wall()));
}

static struct bw_own_certificate own(const void *user)
{
    const struct bw_reload *reload = &((const struct bw_second_program *)user)->reload;

    return reload->fresh != NULL ? bw_reload_own_of_site(reload->fresh) : *reload->own;
}

static const struct bw_reload_kind kind = {
    .load = bw_reload_load_site,
    .free_config = bw_reload_free_site,
    .on_file = on_file,
    .own = own,
    .on_fresh = on_fresh,
    .on_look = on_look,
    .use_again = use_again,
    .file_silent = "it, or a script that it names, does not answer; what was read before stays in force",
    .file_answers = "the site file is read again",
    .certificates_silent = "the certificate in use stays; a new site file waits for these, but whom it takes "
                           "back is out"};

static void on_tick(uv_timer_t *timer)
{
    struct bw_second_program *program = timer->data;

    warn_of_expiry(program);
    bw_reload_look(&program->reload);
}

/* One that waits for its certificate, or for a script that runs, gives way here already: begun anew, this would read
 * the newer one, which nobody has judged. */
void bw_second_reload(struct bw_second_program *program)
{
    bw_reload_overtake(&program->reload);
    bw_second_stay(program);
    bw_reload_begin(&program->reload);
}

enum bw_err bw_second_reload_open(struct bw_second_program *program, struct bw_diag *diag)
{
    const struct bw_own_certificate in_use = bw_reload_own_of_site(program->config);
    struct bw_reload *reload = &program->reload;

    BW_ASSERT(uv_timer_init(&program->loop, &program->looks) == 0); /* memory of ours, nothing else */
    program->looks.data = program;
    BW_ASSERT(uv_timer_start(&program->looks, on_tick, LOOK_MS, LOOK_MS) == 0);
    reload->kind = &kind;
    reload->user = program;
    reload->log = &program->log;
    reload->config_file = program->config_file;
    return bw_reload_open(reload, &program->loop, &in_use, diag);
}

void bw_second_reload_close(struct bw_second_program *program)
{
    uv_close((uv_handle_t *)&program->looks, NULL);
    bw_reload_close(&program->reload);
}
