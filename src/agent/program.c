#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/notify.h>
#include <breakwater/sys/own_process.h>

static const int signal_numbers[BW_AGENT_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

void bw_agent_tell_manager(struct bw_agent *agent, const char *state)
{
    struct bw_diag diag = {0};

    if (bw_notify(state, &diag) != BW_OK) /* it may be gone; the agent goes on */
        bw_log_warn(&agent->log, "service_manager.agent_notify_failed", "error=%s", bw_log_quote(diag.text));
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Guard and service are left alone; what was sent is in the witnesses' hands. */
static void close_all(struct bw_agent *agent)
{
    if (agent->is_closing)
        return;
    agent->is_closing = true;
    bw_agent_tell_manager(agent, "STOPPING=1");
    bw_heartbeat_close(&agent->heartbeat);
    bw_agent_persons_close(agent);
    bw_agent_second_close(agent);
    bw_agent_health_close(agent);
    bw_agent_admission_close(agent);
    bw_agent_asking_close(agent);
    bw_agent_machine_close(&agent->machine);
    bw_http_client_close(&agent->client, NULL, NULL);
    bw_deadline_close(&agent->wake, NULL);
    bw_deadline_close(&agent->fence_looks, NULL);
    (void)bw_worker_close(agent->disk); /* what hangs there is theirs */
    (void)bw_worker_close(agent->keeper);
    (void)bw_worker_close(agent->mirrors);
    agent->disk = agent->keeper = agent->mirrors = NULL;
    bw_agent_units_close(agent);
    bw_script_runner_close(&agent->runner, NULL, NULL);
    bw_agent_reload_close(agent);
    for (int i = 0; i < BW_AGENT_SIGNALS; i++)
        close_handle((uv_handle_t *)&agent->signals[i]);
}

void bw_agent_stop(struct bw_agent *agent, enum bw_daemon_end end)
{
    agent->end = end;
    uv_async_send(&agent->ending);
}

static void on_ending(uv_async_t *async)
{
    close_all(async->data);
    close_handle((uv_handle_t *)async);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct bw_agent *agent = handle->data;

    if (number == SIGHUP)
        bw_agent_reload(agent);
    else
        bw_agent_happen(agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_STOP});
}

/* ---- beginning ------------------------------------------------------------------------------- */

static enum bw_err from_uv(int result, const char *what, struct bw_diag *diag)
{
    return result == 0 ? BW_OK : bw_diag_set(diag, BW_ERR_IO, "%s: %s", what, uv_strerror(result));
}

static enum bw_err listen_to_signals(struct bw_agent *agent, struct bw_diag *diag)
{
    enum bw_err err = from_uv(uv_async_init(&agent->loop, &agent->ending, on_ending),
                              "a wake-up of the loop", diag);

    agent->ending.data = agent;
    for (int i = 0; i < BW_AGENT_SIGNALS && err == BW_OK; i++) {
        agent->signals[i].data = agent;
        err = from_uv(uv_signal_init(&agent->loop, &agent->signals[i]), "a signal", diag);
        if (err == BW_OK)
            err = from_uv(uv_signal_start(&agent->signals[i], on_signal, signal_numbers[i]),
                          "a signal", diag);
    }
    return err;
}

/* Everything that runs on the loop. On an error the process ends, and the kernel cleans up. */
static enum bw_err open_all(struct bw_agent *agent, struct bw_diag *diag)
{
    enum bw_err err = listen_to_signals(agent, diag);

    if (err == BW_OK)
        err = bw_deadline_init(&agent->wake, &agent->loop, bw_agent_on_wake, agent, diag);
    if (err == BW_OK)
        err = bw_deadline_init(&agent->fence_looks, &agent->loop, bw_agent_fences_on_look, agent,
                               diag);
    if (err == BW_OK)
        err = bw_script_runner_init(&agent->runner, &agent->loop, false, diag);
    if (err == BW_OK)
        bw_script_runner_keep_output(&agent->runner, NULL, NULL);
    if (err == BW_OK)
        err = bw_agent_saves_open(agent, diag);
    if (err == BW_OK)
        err = bw_agent_mirrors_open(agent, diag);
    for (uint32_t i = 0; err == BW_OK && i < agent->machine.group_count; i++)
        bw_agent_units_open(&agent->served[i]);
    if (err == BW_OK)
        err = bw_http_client_init(&agent->client, &agent->loop, &agent->log, diag);
    if (err == BW_OK)
        err = bw_names_open_kept(&agent->names, &agent->loop, agent->store.path, agent->store.names_file, &agent->log,
                                 diag);
    if (err == BW_OK) {
        bw_http_client_use_names(&agent->client, agent->names);
        err = bw_http_client_set_credentials(&agent->client, agent->credentials, diag);
    }
    if (err == BW_OK)
        err = bw_agent_reload_open(agent, diag);
    if (err == BW_OK)
        err = bw_agent_use_witnesses(agent, diag);
    if (err == BW_OK)
        bw_agent_second_serve(agent);
    if (err == BW_OK)
        bw_agent_persons_open(agent);
    if (err == BW_OK)
        bw_agent_asking_open(agent);
    if (err == BW_OK)
        bw_agent_health_open(agent);
    if (err == BW_OK)
        bw_agent_admission_serve(agent);
    if (err == BW_OK)
        bw_agent_machine_begin(&agent->machine);
    if (err == BW_OK)
        bw_agent_set_wake(agent);
    return err;
}

static enum bw_err know_this_machine(struct bw_agent *agent, struct bw_diag *diag)
{
    enum bw_err err = bw_clock_boot_id(&agent->kernel_boot_id, diag);

    if (err == BW_OK)
        err = bw_clock_time_namespace(&agent->time_namespace, diag);
    agent->session = bw_random_id();
    bw_prng_init(&agent->jitter, bw_random_seed());
    return err;
}

static void say_started(struct bw_agent *agent)
{
    char instance[BW_ID_TEXT_BYTES];
    char session[BW_ID_TEXT_BYTES];

    bw_id_format(agent->store.state.instance, instance);
    bw_id_format(agent->session, session);
    bw_log_info(&agent->log, "agent.started",
                "cluster=%s site=%s name=%s instance=%s session=%s groups=%" PRIu32
                " witnesses=%" PRIu32,
                agent->config->cluster, agent->config->site, agent->config->name, instance, session,
                agent->machine.group_count, agent->config->witness_count);
    bw_agent_tell_manager(agent, "READY=1");
    bw_heartbeat_open(&agent->heartbeat, &agent->loop, NULL, NULL);
}

static enum bw_daemon_end refuse(struct bw_agent *agent, enum bw_daemon_end end,
                                 const struct bw_diag *diag)
{
    bw_log_error(&agent->log, "agent.refused", "error=%s", bw_log_quote(diag->text));
    return end;
}

static enum bw_daemon_end end_of(enum bw_err err)
{
    return bw_err_may_pass(err) ? BW_DAEMON_RESTART : BW_DAEMON_CONFIG;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum bw_daemon_end run_loop(struct bw_agent *agent)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    BW_ASSERT(uv_loop_init(&agent->loop) == 0); /* epoll and memory: without them nothing runs */
    (void)bw_files_raise(); /* without its guard it fences all groups itself */
    err = open_all(agent, &diag);
    if (err != BW_OK)
        return refuse(agent, BW_DAEMON_RESTART, &diag);
    say_started(agent);
    (void)uv_run(&agent->loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    bw_names_close(agent->names);
    bw_names_free(agent->names);
    (void)uv_run(&agent->loop, UV_RUN_DEFAULT); /* likewise */
    BW_ASSERT(uv_loop_close(&agent->loop) == 0);
    bw_log_info(&agent->log, "agent.stopped", "end=%s",
                agent->end == BW_DAEMON_STOPPED ? "stopped" : "restart");
    return agent->end;
}

static enum bw_daemon_end run_configured(struct bw_agent *agent)
{
    struct bw_diag diag = {0};
    enum bw_daemon_end end;
    enum bw_err err = bw_agent_credentials_load(agent, &diag);

    if (err != BW_OK)
        return refuse(agent, end_of(err), &diag);
    err = know_this_machine(agent, &diag);
    if (err != BW_OK)
        return refuse(agent, BW_DAEMON_RESTART, &diag);
    err = bw_agent_store_open(&agent->store, agent->config, agent->kernel_boot_id, &agent->log,
                              &diag);
    if (err != BW_OK)
        return refuse(agent, end_of(err), &diag);
    err = bw_agent_groups_init(agent, &diag);
    end = err == BW_OK ? run_loop(agent) : refuse(agent, end_of(err), &diag);
    bw_agent_store_close(&agent->store);
    return end;
}

enum bw_daemon_end bw_agent_run(const char *config_file)
{
    struct bw_agent *agent = calloc(1, sizeof *agent);
    enum bw_daemon_end end = BW_DAEMON_CONFIG;

    BW_ASSERT(agent != NULL);
    agent->config_file = config_file;
    agent->end = BW_DAEMON_STOPPED;
    bw_log_init(&agent->log, "agent", BW_LOG_INFO);
    agent->config = bw_site_config_take(config_file, BW_CONFIG_HERE, "nothing was started");
    if (agent->config != NULL) {
        agent->log.level = agent->config->log_level;
        end = run_configured(agent);
    }
    bw_agent_health_free(agent);
    bw_agent_asking_free(agent);
    bw_agent_units_free(agent);
    bw_agent_groups_free(agent);
    bw_credentials_free(agent->credentials);
    bw_site_config_free(agent->config);
    bw_log_deinit(&agent->log);
    free(agent);
    return end;
}
