/* Looks and fences: status_script and fence_script of a group. It starts nothing else. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/script_env.h>
#include <breakwater/sys/clock.h>

/* As every mark of a run: another one of this program on the machine has its own. */
enum bw_err bw_second_scripts_open(struct bw_second_group_of *group, struct bw_diag *diag)
{
    char id[BW_ID_TEXT_BYTES];
    char tag[BW_NAME_MAX + 1];

    bw_id_format(group->program->session, id);
    BW_ASSERT(snprintf(tag, sizeof tag, "second-%s", id) < (int)sizeof tag);
    return bw_reach_open(&group->reach, tag, group->config->name, true, diag);
}

static const struct bw_second *machine_of(const struct bw_second_group_of *group)
{
    return &group->program->machine.groups[group->group].second;
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    const struct bw_second_group_of *group = user;
    char text[512];

    (void)run;
    (void)stream;
    (void)snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : sizeof text - 1),
                   line); /* cut is fine */
    bw_log_info(&group->program->log, "script.said", "group=%s line=%s", group->config->name,
                bw_log_quote(text));
}

static void say_ended(const struct bw_second_group_of *group, enum bw_action_kind action,
                      const struct bw_script_result *result, bool is_fine)
{
    bw_log_write(&group->program->log,
                 !is_fine                     ? BW_LOG_WARN
                 : action == BW_ACTION_STATUS ? BW_LOG_DEBUG
                                              : BW_LOG_INFO,
                 "run.ended",
                 "group=%s epoch=%" PRIu64
                 " action=%s by=second how=\"%s\" code=%d took_ms=%" PRIu64 " line=%s error=%s",
                 group->config->name, machine_of(group)->memory.epoch, bw_action_word(action),
                 bw_script_how_text(result->how), result->code, bw_ns_to_ms(result->duration_ns),
                 bw_log_quote(result->first_line), bw_log_quote(result->diag->text));
}

static bool is_fine(const struct bw_script_result *result)
{
    return result->how == BW_SCRIPT_EXITED && result->code == 0;
}

/* Once for each that differs: the machine knows it by then. */
static void say_changed(const struct bw_second_group_of *group, uint64_t digest)
{
    if (digest != 0 && digest != machine_of(group)->digest)
        bw_log_warn(&group->program->log, "scripts.changed",
                    "group=%s action=status does=\"counts no more, before its fence is tested again\"",
                    group->config->name);
}

static void on_looked(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_second_group_of *group = user;

    (void)run;
    group->look = NULL;
    say_ended(group, BW_ACTION_STATUS, result, is_fine(result));
    say_changed(group, result->digest);
    bw_second_happen(group->program,
                     &(struct bw_second_machine_event){
                         .kind = BW_SECOND_MACHINE_LOOKED,
                         .group = group->group,
                         .digest = result->digest,
                         .service = is_fine(result) ? bw_service_of_line(result->first_line)
                                                    : BW_SERVICE_UNKNOWN});
}

static void on_fenced(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_second_group_of *group = user;

    (void)run;
    group->fence = NULL;
    say_ended(group, BW_ACTION_FENCE, result, is_fine(result));
    bw_second_happen(group->program,
                     &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_FENCED,
                                                       .group = group->group,
                                                       .ok = is_fine(result)});
}

/* In the child, which may hang over it to its limit. */
static uint64_t digest_of(const void *config)
{
    return bw_group_config_digest_of_all(config);
}

/* Its epoch, limit and whether its site goes on are those of `asked`. */
static enum bw_err begin(struct bw_second_group_of *group, enum bw_action_kind action,
                         const struct bw_second_machine_action *asked, struct bw_script_run **out_run)
{
    const struct bw_group_config *config = group->config;
    const bool is_look = action == BW_ACTION_STATUS;
    const struct bw_run_facts facts = {.reason = is_look ? BW_REASON_NONE : BW_REASON_LEASE_LOST,
                                       .restarts = asked->restarts};
    const struct bw_script_order order = {
        .group = config,
        .site = group->program->config->site,
        .epoch = asked->epoch,
        .facts = &facts,
        .lease_remaining_ms = bw_instant_left_ns(bw_clock_now(), machine_of(group)->end) /
                              BW_NS_PER_MS};
    struct bw_script_env env;
    struct bw_diag diag = {0};
    enum bw_err err = bw_script_env_init(&env, &order, &diag);
    const struct bw_script_spec spec = {.path = config->scripts[action],
                                        .env = env.list,
                                        .reach = &group->reach,
                                        .slot = is_look ? BW_REACH_OBSERVE : BW_REACH_FENCE,
                                        .leftovers = BW_SCRIPT_END_LEFTOVERS,
                                        .refuses_writable = !config->allow_writable_scripts,
                                        .digest = is_look ? digest_of : NULL,
                                        .digest_of = config,
                                        .limit_ns = asked->limit_ns,
                                        .kill_grace_ns = bw_ms_to_ns(config->kill_grace_ms),
                                        .on_line = is_look ? NULL : on_line,
                                        .on_end = is_look ? on_looked : on_fenced,
                                        .user = group};

    if (err == BW_OK)
        err = bw_script_start(&group->program->runner, &spec, out_run, &diag);
    if (err == BW_OK)
        bw_script_go(*out_run, BW_INSTANT_NEVER);
    else
        bw_log_error(&group->program->log, "script.start_failed", "group=%s action=%s error=%s",
                     config->name, bw_action_word(action), bw_log_quote(diag.text));
    bw_script_env_deinit(&env);
    return err;
}

enum bw_err bw_second_look(struct bw_second_group_of *group)
{
    const struct bw_second_machine_action asked = {
        .epoch = machine_of(group)->memory.epoch,
        .limit_ns = bw_ms_to_ns(group->config->timeout_ms[BW_ACTION_STATUS])};

    BW_ASSERT(group->look == NULL);
    return begin(group, BW_ACTION_STATUS, &asked, &group->look);
}

enum bw_err bw_second_fence(struct bw_second_group_of *group, const struct bw_second_machine_action *action)
{
    BW_ASSERT(group->fence == NULL);
    return begin(group, BW_ACTION_FENCE, action, &group->fence);
}
