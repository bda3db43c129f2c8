/* The life of a second enforcer, and what drives its machine. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/notify.h>
#include <breakwater/sys/own_process.h>

static const int signal_numbers[BW_SECOND_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

static void tell_manager(struct bw_second_program *program, const char *state)
{
    struct bw_diag diag = {0};

    if (bw_notify(state, &diag) != BW_OK) /* it may be gone; this goes on */
        bw_log_warn(&program->log, "service_manager.agent_notify_failed", "error=%s", bw_log_quote(diag.text));
}

/* ---- what the machine asks for --------------------------------------------------------------- */

static struct bw_instant now(void *user)
{
    (void)user;
    return bw_clock_now();
}

static void say_phase(struct bw_second_program *program, const char *group,
                      const struct bw_second *before, const struct bw_second *after)
{
    const bool is_fence = after->phase == BW_SECOND_SCRIPT || after->phase == BW_SECOND_LOOKING;

    if (before->phase != after->phase || before->memory.epoch != after->memory.epoch)
        bw_log_write(&program->log, is_fence ? BW_LOG_WARN : BW_LOG_INFO, "second.phase",
                     "group=%s epoch=%" PRIu64 " from=%s to=%s left_ms=%" PRIu64, group,
                     after->memory.epoch, bw_second_phase_word(before->phase),
                     bw_second_phase_word(after->phase),
                     bw_ns_to_ms(bw_instant_left_ns(bw_clock_now(), after->end)));
}

/* Once for each epoch, not with each answer. */
static void say_ignored(struct bw_second_program *program, const char *group, const struct bw_second *second)
{
    const bool is_others = bw_second_is_of_another(second->memory.cluster_id, second->ignored_cluster_id);

    bw_log_write(&program->log, BW_LOG_WARN, "second.ignored",
                 "group=%s epoch=%" PRIu64 " seen_epoch=%" PRIu64 " error=\"its agent has a lease of %s\" does=\"%s\"",
                 group, second->ignored_epoch, second->memory.epoch,
                 is_others ? "another cluster" : "an older epoch than the newest one here",
                 is_others ? "goes on with the deadline that it was told, and takes the other's once that is over"
                           : "takes nothing of it: nobody here ends what that lease is for. Was the cluster made anew? Then "
                             "stop this, move its files in state_dir and run_dir away, and start it again");
}

static void say_forgotten(struct bw_second_program *program, const char *group, const struct bw_second *before,
                          const struct bw_second *after)
{
    char old[BW_ID_TEXT_BYTES], new[BW_ID_TEXT_BYTES];

    bw_id_format(before->memory.cluster_id, old);
    bw_id_format(after->memory.cluster_id, new);
    bw_log_warn(&program->log, "second.forgotten",
                "group=%s epoch=%" PRIu64 " cluster_id=%s our_cluster_id=%s "
                "error=\"the agent of this site is of another cluster than what was kept here\" "
                "does=\"forgets it\"",
                group, before->memory.epoch, new, old);
}

static void say_step(struct bw_second_program *program, const char *group, const struct bw_second *before,
                     const struct bw_second *after)
{
    say_phase(program, group, before, after);
    if (bw_second_is_of_another(before->memory.cluster_id, after->memory.cluster_id))
        say_forgotten(program, group, before, after);
    if (after->ignored_epoch != 0 && after->ignored_epoch != before->ignored_epoch)
        say_ignored(program, group, after);
}

void bw_second_say_unmirrored(struct bw_second_program *program, const struct bw_diag *diag)
{
    bw_log_error(&program->log, "second_enforcer.deadline_file_failed",
                 "error=%s does=\"goes on; a deadline that no mirror names is asked for anew after "
                 "a restart, for two "
                 "seconds\"",
                 bw_log_quote(diag->text));
}

static enum bw_err emit(void *user, const struct bw_second_machine_action *action,
                        struct bw_diag *diag)
{
    struct bw_second_program *program = user;
    struct bw_second_group_of *group = &program->groups[action->group];

    (void)diag; /* what was refused was said where it was */
    switch (action->kind) {
    case BW_SECOND_MACHINE_STEPPED:
        if (action->rule == NULL)
            say_step(program, group->config->name, action->before, action->second);
        return BW_OK;
    case BW_SECOND_MACHINE_ASK:
        return bw_second_ask_agent(program, action->ask, action->limit_ms);
    case BW_SECOND_MACHINE_WARN:
        bw_second_warn(program, action->sync, action->limit_ms);
        return BW_OK;
    case BW_SECOND_MACHINE_SAVE:
        bw_second_saves_begin(program, action->state);
        return BW_OK;
    case BW_SECOND_MACHINE_MIRROR:
        return bw_second_mirrors_begin(program, action->mirror);
    case BW_SECOND_MACHINE_LOOK:
        return bw_second_look(group);
    case BW_SECOND_MACHINE_KILL_LOOK:
        BW_ASSERT(group->look != NULL);
        bw_script_kill(group->look);
        return BW_OK;
    case BW_SECOND_MACHINE_FENCE:
        return bw_second_fence(group, action);
    case BW_SECOND_MACHINE_KILL_FENCE:
        BW_ASSERT(group->fence != NULL);
        bw_script_kill(group->fence);
        return BW_OK;
    }
    return BW_ERR_INVALID;
}

/* Who begins anew goes on with a fence that has not seen the end, and its file may be what that lacks: it waits for
 * what runs. Who is stopped is not there afterwards. */
static uint32_t left_to_finish(const struct bw_second_program *program)
{
    return program->end == BW_DAEMON_RESTART ? bw_second_machine_runs(&program->machine)
                                             : bw_second_machine_fences(&program->machine, bw_clock_now());
}

void bw_second_happen(struct bw_second_program *program,
                      const struct bw_second_machine_event *event)
{
    if (program->is_closing)
        return;
    bw_second_machine_step(&program->machine, event);
    bw_deadline_set(&program->wake, bw_second_machine_wake_at(&program->machine),
                    BW_DEADLINE_RIGHT);
    if (program->is_ending && left_to_finish(program) == 0)
        uv_async_send(&program->ending);
}

static void on_wake(struct bw_deadline *deadline, void *user)
{
    (void)deadline;
    bw_second_happen(user, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_WAKE});
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void close_all(struct bw_second_program *program)
{
    program->is_closing = true;
    tell_manager(program, "STOPPING=1");
    bw_heartbeat_close(&program->heartbeat);
    bw_http_client_close(&program->client, NULL, NULL);
    bw_http_client_close(&program->witnesses, NULL, NULL);
    bw_deadline_close(&program->wake, NULL);
    (void)bw_worker_close(program->disk); /* what hangs there is its own */
    if (program->mirrors != NULL)
        (void)bw_worker_close(program->mirrors);
    program->disk = program->mirrors = NULL;
    bw_script_runner_close(&program->runner, NULL, NULL);
    bw_second_reload_close(program);
    for (int i = 0; i < BW_SECOND_SIGNALS; i++)
        uv_close((uv_handle_t *)&program->signals[i], NULL);
}

static void on_ending(uv_async_t *async)
{
    struct bw_second_program *program = async->data;

    if (program->is_closing || !program->is_ending)
        return;
    close_all(program);
    uv_close((uv_handle_t *)async, NULL);
}

void bw_second_stay(struct bw_second_program *program)
{
    if (program->end == BW_DAEMON_RESTART && !program->is_closing)
        program->is_ending = false;
}

void bw_second_stop(struct bw_second_program *program, enum bw_daemon_end end)
{
    const bool is_again = program->is_ending && program->end == end;
    uint32_t left;

    if (program->is_ending && end == BW_DAEMON_RESTART)
        return; /* whenever it begins anew, it reads the newest file */
    program->is_ending = true;
    program->end = end;
    left = left_to_finish(program);
    if (is_again || left == 0)
        uv_async_send(&program->ending); /* told twice to stop: at once */
    if (!is_again)
        bw_log_info(&program->log, "second.stopping", "fences=%" PRIu32, left);
}

static void on_signal(uv_signal_t *handle, int number)
{
    if (number == SIGHUP)
        bw_second_reload(handle->data);
    else
        bw_second_stop(handle->data, BW_DAEMON_STOPPED);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void say_found(struct bw_second_program *program, const char *group,
                      const struct bw_second *second)
{
    if (second->phase == BW_SECOND_ARMED)
        bw_log_info(&program->log, "second.resumed",
                    "group=%s epoch=%" PRIu64 " left_ms=%" PRIu64 " fence_ms=%" PRIu64, group,
                    second->memory.epoch,
                    bw_ns_to_ms(bw_instant_left_ns(bw_clock_now(), second->end)),
                    bw_ns_to_ms(second->memory.fence_ns));
}

enum bw_err bw_second_config_check(const struct bw_site_config *config, struct bw_diag *diag)
{
    if (config->second.agent[0] == '\0')
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "the site file does not say where its agent is asked; for example "
                           "\"second_enforcer: {agent: agent.example.net:7410}\"");
    for (uint32_t i = 0; i < config->group_count; i++)
        if (config->groups[i].scripts[BW_ACTION_FENCE] == NULL)
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "groups[%" PRIu32
                               "]: a second enforcer has only fence_script, and %s has "
                               "none",
                               i, config->groups[i].name);
    return BW_OK;
}

/* What a restart with another file leaves to nobody. */
static void say_unnamed(struct bw_second_program *program)
{
    const struct bw_second_state *state = &program->store.state;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_second_group *kept = &state->groups[i];

        if (kept->memory.epoch != 0 && !kept->memory.is_over &&
            bw_site_config_find(program->config, kept->name) == NULL)
            bw_log_error(&program->log, "second_enforcer.group_missing",
                         "group=%s epoch=%" PRIu64 " error=\"the site file does not name it, and that epoch was "
                         "not seen to be over\" does=\"nothing of it is ended here\" next=\"name it again\"",
                         kept->name, kept->memory.epoch);
    }
}

static enum bw_err add_groups(struct bw_second_program *program, struct bw_diag *diag)
{
    for (uint32_t i = 0; i < program->config->group_count; i++) {
        const struct bw_group_config *config = &program->config->groups[i];
        const struct bw_second_limits limits = {
            .check_interval_ns = bw_ms_to_ns(config->check_interval_ms),
            .fence_limit_ns = bw_ms_to_ns(config->timeout_ms[BW_ACTION_FENCE]),
            .digest = bw_group_config_digest_of_all(config)};
        struct bw_second_memory *kept = bw_second_store_group(&program->store, config->name);

        if (kept == NULL)
            return bw_diag_set(
                diag, BW_ERR_LIMIT,
                "%s has %d groups already: remove it once none of them is in use here",
                program->store.path, BW_SITE_GROUPS_MAX);
        program->groups[i] = (struct bw_second_group_of){
            .program = program, .group = i, .config = config};
        bw_second_machine_add_group(&program->machine, config->name, &limits, kept,
                                    bw_second_store_mirror(&program->store, config->name));
        say_found(program, config->name, &program->machine.groups[i].second);
    }
    say_unnamed(program);
    return BW_OK;
}

static enum bw_err make_machine(struct bw_second_program *program, struct bw_diag *diag)
{
    const uint32_t count = program->config->group_count;
    struct bw_second_setup setup = {.driver = {.user = program, .now = now, .emit = emit},
                                    .site = program->config->site,
                                    .name = program->config->name,
                                    .feature_level = BW_FEATURE_LEVEL_NEWEST,
                                    .session = program->session,
                                    .state = &program->store.state,
                                    .mirror = &program->store.mirror,
                                    .group_max = count};
    const enum bw_err err = bw_clock_boot_id(&setup.boot_id, diag);

    if (err != BW_OK)
        return err;
    setup.ask_groups = calloc(count, sizeof *setup.ask_groups);
    setup.sync_groups = calloc(count, sizeof *setup.sync_groups);
    setup.groups = calloc(count, sizeof *setup.groups);
    program->groups = calloc(count, sizeof *program->groups);
    BW_ASSERT(setup.ask_groups != NULL && setup.sync_groups != NULL && setup.groups != NULL &&
              program->groups != NULL);
    bw_second_machine_init(&program->machine, &setup);
    return add_groups(program, diag);
}

static void free_machine(struct bw_second_program *program)
{
    free(program->machine.setup.ask_groups);
    free(program->machine.setup.sync_groups);
    free(program->machine.groups);
    free(program->groups);
}

static void listen_to_signals(struct bw_second_program *program)
{
    BW_ASSERT(uv_async_init(&program->loop, &program->ending, on_ending) == 0);
    program->ending.data = program;
    for (int i = 0; i < BW_SECOND_SIGNALS; i++) {
        program->signals[i].data = program;
        BW_ASSERT(uv_signal_init(&program->loop, &program->signals[i]) == 0);
        BW_ASSERT(uv_signal_start(&program->signals[i], on_signal, signal_numbers[i]) == 0);
    }
}

/* Everything that runs on the loop. On an error the process ends, and the kernel cleans up. */
static enum bw_err open_all(struct bw_second_program *program, struct bw_diag *diag)
{
    enum bw_err err = bw_deadline_init(&program->wake, &program->loop, on_wake, program, diag);

    listen_to_signals(program);
    if (err == BW_OK)
        err = bw_script_runner_init(&program->runner, &program->loop, false, diag);
    if (err == BW_OK)
        err = bw_second_saves_open(program, diag);
    for (uint32_t i = 0; err == BW_OK && i < program->config->group_count; i++)
        err = bw_second_scripts_open(&program->groups[i], diag);
    if (err == BW_OK)
        err = bw_http_client_init(&program->client, &program->loop, &program->log, diag);
    if (err == BW_OK)
        err = bw_http_client_set_credentials(&program->client, program->credentials, diag);
    if (err == BW_OK)
        err = bw_http_client_init(&program->witnesses, &program->loop, &program->log, diag);
    if (err == BW_OK)
        err = bw_http_client_set_credentials(&program->witnesses, program->credentials, diag);
    if (err == BW_OK)
        err = bw_names_open_kept(&program->names, &program->loop, program->store.path, program->store.names_file,
                                 &program->log, diag);
    if (err != BW_OK)
        return err;
    bw_http_client_use_names(&program->client, program->names);
    bw_http_client_use_names(&program->witnesses, program->names);
    bw_http_client_expect_agent(&program->client, program->config->site);
    return bw_second_reload_open(program, diag);
}

static enum bw_daemon_end refuse(struct bw_second_program *program, enum bw_err err,
                                  const struct bw_diag *diag)
{
    bw_log_error(&program->log, "second.refused", "error=%s", bw_log_quote(diag->text));
    return bw_err_may_pass(err) ? BW_DAEMON_RESTART : BW_DAEMON_CONFIG;
}

static enum bw_daemon_end run_loop(struct bw_second_program *program)
{
    struct bw_diag diag = {0};

    BW_ASSERT(uv_loop_init(&program->loop) == 0); /* epoll and memory: without them nothing runs */
    (void)bw_files_raise();
    if (open_all(program, &diag) != BW_OK)
        return refuse(program, BW_ERR_IO, &diag);
    bw_log_info(&program->log, "second.started",
                "cluster=%s site=%s name=%s address=%s groups=%" PRIu32, program->config->cluster,
                program->config->site, program->config->name, program->config->second.agent,
                program->config->group_count);
    tell_manager(program, "READY=1");
    bw_heartbeat_open(&program->heartbeat, &program->loop, NULL, NULL);
    bw_second_happen(program, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_WAKE});
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    bw_names_close(program->names);
    bw_names_free(program->names);
    (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* likewise */
    BW_ASSERT(uv_loop_close(&program->loop) == 0);
    bw_log_info(&program->log, "second.stopped", "end=%s",
                program->end == BW_DAEMON_STOPPED ? "stopped" : "restart");
    return program->end;
}

static enum bw_daemon_end run_configured(struct bw_second_program *program)
{
    struct bw_diag diag = {0};
    enum bw_daemon_end end;
    enum bw_err err = bw_second_credentials_load(program, &diag);

    if (err == BW_OK)
        err = bw_second_config_check(program->config, &diag);
    if (err == BW_OK)
        err = bw_second_store_open(&program->store, program->config, &diag);
    if (err != BW_OK)
        return refuse(program, err, &diag);
    if (bw_second_store_open_mirror(&program->store, program->config, &diag) != BW_OK)
        bw_second_say_unmirrored(program, &diag);
    err = make_machine(program, &diag);
    end = err == BW_OK ? run_loop(program) : refuse(program, err, &diag);
    free_machine(program);
    return end;
}

enum bw_daemon_end bw_second_run(const char *config_file)
{
    struct bw_second_program *program = calloc(1, sizeof *program);
    enum bw_daemon_end end = BW_DAEMON_CONFIG;

    BW_ASSERT(program != NULL);
    program->config_file = config_file;
    program->session = bw_random_id();
    program->store.dir = program->store.lock = -1;
    program->store.mirror_dir = program->store.mirror_lock = -1;
    bw_log_init(&program->log, "second", BW_LOG_INFO);
    program->config = bw_site_config_take(config_file, BW_CONFIG_HERE, "nothing was started");
    if (program->config != NULL) {
        program->log.level = program->config->log_level;
        end = run_configured(program);
    }
    bw_second_store_close(&program->store);
    bw_credentials_free(program->credentials);
    bw_site_config_free(program->config);
    bw_log_deinit(&program->log);
    free(program);
    return end;
}
