/* program.c - the life of a witness: opened part by part, run, reloaded, closed. Design 2, 5.2. */
#include "program.h"


#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/notify.h>
#include <breakwater/wire/record_event.h>
#include <breakwater/witness/witness.h>

#define STATUS_CONFIG   78
#define HOUSEKEEPING_MS 10000
#define FORESEE_MS      2000

/* ---- small questions ---- */

const char *bw_program_name_of(const struct bw_program *program, uint64_t id)
{
    const struct bw_witness_member_config *member = bw_program_member(program, id);

    if (id == 0)
        return "";
    return member != NULL ? member->name : "unknown";
}

/* Whether a fresh start may help, or a person must look. */
static int status_of(enum bw_err err)
{
    if (err == BW_OK)
        return 0;
    if (err == BW_ERR_CORRUPT || err == BW_ERR_VERSION)
        return BW_STOP_PERSON;
    return bw_err_may_pass(err) ? BW_STOP_RESTART : STATUS_CONFIG;
}

/* ---- events ---- */

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct bw_program *program = user;

    bw_log_error(&program->log, "witness.stopped", "exit_status=%d why=%s", (int)why,
                 bw_log_quote(message));
    _exit((int)why);
}

static void tell_systemd(struct bw_program *program, const char *state)
{
    struct bw_diag diag = {0};

    if (bw_notify(state, &diag) != BW_OK)
        bw_log_debug(&program->log, "systemd.not_told", "error=%s", bw_log_quote(diag.text));
}

static void tell_role(struct bw_program *program, const char *role, uint64_t term)
{
    char text[64];

    (void)snprintf(text, sizeof text, "STATUS=%s in term %" PRIu64, role, term);
    tell_systemd(program, text);
}

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    struct bw_program *program = user;

    tell_role(program, bw_node_role_text(role), term);
    bw_program_on_role(program, role, term);
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    bw_program_on_ready_to_lead(user, term);
}

static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    (void)match; /* the node has logged both */
    (void)commit;
    bw_drive_step(user,
                  &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_BEHIND, .peer = peer});
}

static struct bw_instant read_clock(void *user)
{
    (void)user;
    return bw_clock_now();
}

/* A cluster begins once all its witnesses have met (consensus/roll.h). */
static void tell_who_is_missing(struct bw_program *program)
{
    const struct bw_witness_config *config = program->config;
    char names[BW_WITNESSES_MAX * (BW_NAME_MAX + 1) + 1] = "";
    size_t used = 0;

    if (!bw_node_is_bare(program->node) ||
        bw_node_identity(program->node)->origin == BW_ROLL_JOINING)
        return;
    for (uint32_t i = 0; i < config->witness_count; i++)
        if (i != config->self && !bw_node_has_met(program->node, config->witnesses[i].id))
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                     used > 0 ? "," : "", config->witnesses[i].name);
    bw_log_info(&program->log, "cluster.waiting_for_members", "not_met=%s why=%s", used > 0 ? names : "none",
                bw_log_quote("it begins once all its witnesses are up together; in a cluster that has begun already, a "
                             "new one is made with --join"));
}

static void on_housekeeping(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;

    bw_program_look_at_files(program);
    bw_refused_flush(program);
    tell_who_is_missing(program);
}

/* Followers connect to each other only once their leader is lost, which is no time to wait for a name server. */
static void on_foresee(uv_timer_t *timer)
{
    struct bw_program *program = timer->data;

    bw_directory_refresh(program);
    for (uint32_t i = 0; i < program->directory.count; i++) {
        const struct bw_witness_member_config *member = &program->directory.list[i].config;

        if (bw_program_is_self(program, member))
            continue;
        bw_names_foresee(program->names, member->raft);
        bw_names_foresee(program->names, member->address);
    }
}

static bool does_disk_answer(void *user)
{
    const struct bw_program *program = user;
    struct bw_node_status status;

    bw_node_get_status(program->node, &status);
    return !status.is_stuck;
}

/* ---- the end ---- */

static void leave(struct bw_program *program, int signal)
{
    if (!program->machine.is_leaving && !program->is_closing) {
        bw_log_info(&program->log, "witness.ending", "signal=%s", sigabbrev_np(signal));
        tell_systemd(program, "STOPPING=1");
    }
    bw_drive_step(program, &(struct bw_witness_event){.kind = BW_WITNESS_EVENT_LEAVE});
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct bw_program *program = handle->data;

    if (signal == SIGHUP)
        bw_program_reload(program);
    else
        leave(program, signal);
}

static void free_transport(void *user)
{
    struct bw_program *program = user;

    bw_transport_free(program->transport);
    program->transport = NULL;
    program->node = NULL;
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->data != NULL && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

void bw_program_close(struct bw_program *program)
{
    if (program->is_closing)
        return;
    program->is_closing = true;
    bw_witness_machine_close(&program->machine);
    if (program->api != NULL)
        bw_http_server_close(program->api, NULL, NULL); /* who waits for an answer is gone first */
    bw_reload_close(&program->reload);
    bw_members_close(program);
    if (program->has_relay)
        bw_http_client_close(&program->relay, NULL, NULL);
    bw_raft_links_close(program->links);
    bw_drive_close(program);
    bw_on_event_close(program);
    bw_meter_close(program);
    if (program->node != NULL)
        bw_node_close(program->node, free_transport, program);
    else
        free_transport(program);
    for (size_t i = 0; i < sizeof program->signals / sizeof program->signals[0]; i++)
        close_handle((uv_handle_t *)&program->signals[i]);
    close_handle((uv_handle_t *)&program->housekeeping);
    close_handle((uv_handle_t *)&program->foreseeing);
    bw_heartbeat_close(&program->heartbeat);
}

void bw_program_end(struct bw_program *program)
{
    if (program->loop.data != NULL) {
        bw_program_close(program);
        while (uv_run(&program->loop, UV_RUN_DEFAULT) != 0)
            continue;
        bw_names_close(program->names);
        (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* 0: nothing is left */
        BW_ASSERT(uv_loop_close(&program->loop) == 0);
    }
    BW_ASSERT(program->machine.syncs == NULL);
    BW_ASSERT(program->machine.polls == NULL);
    bw_reads_deinit(&program->reads);
    bw_callers_deinit(&program->callers);
    bw_raft_links_free(program->links);
    bw_names_free(program->names);
    bw_credentials_free(program->credentials);
    bw_witness_config_free(program->config);
    free(program->routes);
    free(program->groups);
    free(program->watches);
    free(program->alarms);
    free(program->answer_groups);
    free(program->record);
    bw_log_deinit(&program->log);
}

/* ---- the beginning ---- */

static enum bw_err open_state(struct bw_program *program, struct bw_diag *diag)
{
    program->groups = calloc(BW_GROUPS_MAX, sizeof *program->groups);
    program->watches = calloc(BW_GROUPS_MAX, sizeof *program->watches);
    program->answer_groups = calloc(BW_GROUPS_MAX, sizeof *program->answer_groups);
    program->record = calloc(1, sizeof *program->record);
    program->alarms = calloc(1, sizeof *program->alarms);
    if (program->groups == NULL || program->watches == NULL || program->answer_groups == NULL ||
        program->record == NULL || program->alarms == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "no memory for %d groups", BW_GROUPS_MAX);
    bw_record_init(&program->record->record, &bw_record_codec, program->record->blocks,
                   BW_RECORD_BLOCKS_MAX);
    return bw_drive_init(program, diag);
}

static enum bw_err open_handles(struct bw_program *program, struct bw_diag *diag)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    int result;

    BW_ASSERT(uv_timer_init(&program->loop, &program->housekeeping) == 0); /* cannot fail */
    program->housekeeping.data = program;
    BW_ASSERT(uv_timer_init(&program->loop, &program->foreseeing) == 0); /* likewise */
    program->foreseeing.data = program;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        result = uv_signal_init(&program->loop, &program->signals[i]);
        if (result == 0) {
            program->signals[i].data = program;
            result = uv_signal_start(&program->signals[i], on_signal, numbers[i]);
        }
        if (result != 0)
            return bw_diag_set(diag, BW_ERR_IO, "signals: %s", uv_strerror(result));
    }
    return BW_OK;
}

static void use_founding(struct bw_program *program)
{
    const struct bw_data_dir_identity *identity = bw_node_identity(program->node);
    struct bw_witness_founding founding = {.cluster_id = identity->cluster_id,
                                           .election_timeout_ms = identity->election_timeout_ms};

    BW_ASSERT(bw_copy_text(founding.cluster, sizeof founding.cluster, identity->cluster));
    bw_witness_machine_set_founding(&program->machine, &founding);
}

static enum bw_err open_node(struct bw_program *program, struct bw_diag *diag)
{
    const struct bw_witness_config *config = program->config;
    struct bw_node_config node = {.loop = &program->loop,
                                  .data_dir = config->data_dir,
                                  .cluster = config->cluster,
                                  .witness_id = config->witnesses[config->self].id,
                                  .election_timeout_ms = config->election_timeout_ms,
                                  .log = &program->log,
                                  .fsm = bw_program_fsm(),
                                  .events = {.on_role = on_role,
                                             .on_ready_to_lead = on_ready_to_lead,
                                             .on_peer_behind = on_peer_behind},
                                  .say = bw_raft_links_say,
                                  .stop = on_stop,
                                  .user = program};

    enum bw_err err;

    program->transport = bw_transport_new(&program->loop, &bw_raft_link_ops, program);
    if (program->transport == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "open data_dir %s", config->data_dir);
    node.transport = program->transport;
    err = bw_node_open(&node, &program->node, diag);
    if (err == BW_OK)
        use_founding(program);
    return err;
}

/* One table of all routes. With `metrics_open` nobody needs a certificate for health and metrics.
 */
static enum bw_err build_routes(struct bw_program *program, size_t *out_count, struct bw_diag *diag)
{
    const struct {
        const struct bw_http_route *routes;
        size_t count;
        bool may_be_open;
    } tables[] = {
        {bw_agent_routes, bw_agent_route_count, false},
        {bw_operator_routes, bw_operator_route_count, false},
        {bw_health_routes, bw_health_route_count, true},
        {bw_metrics_routes, bw_metrics_route_count, true},
        {bw_members_routes, bw_members_route_count, false},
        {bw_page_routes, bw_page_route_count, false},
    };
    size_t count = 0;

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        count += tables[i].count;
    program->routes = calloc(count, sizeof *program->routes);
    if (program->routes == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "no memory for %zu routes", count);
    *out_count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            struct bw_http_route *route = &program->routes[(*out_count)++];

            *route = tables[i].routes[j];
            if (tables[i].may_be_open && program->config->metrics_open)
                route->roles = BW_HTTP_OPEN;
        }
    }
    return BW_OK;
}

static enum bw_err open_api(struct bw_program *program, struct ssl_ctx_st *context,
                            struct bw_diag *diag)
{
    struct bw_http_server_config config = {.listen = program->config->listen,
                                           .context = context,
                                           .cluster = bw_node_identity(program->node)->cluster,
                                           .clock = read_clock,
                                           .may = bw_people_may,
                                           .on_answered = bw_meter_on_answered,
                                           .on_refused = bw_refused_on_request,
                                           .on_handshake_failed = bw_refused_on_handshake_failed,
                                           .on_evicted = bw_refused_on_evicted,
                                           .user = program};
    enum bw_err err = build_routes(program, &config.route_count, diag);

    config.routes = program->routes;
    if (err == BW_OK)
        err = bw_http_server_open(&program->loop, &config, &program->api, diag);
    return err;
}

static enum bw_err open_relay(struct bw_program *program, struct bw_diag *diag)
{
    enum bw_err err = bw_http_client_init(&program->relay, &program->loop, &program->log, diag);

    program->has_relay = err == BW_OK;
    if (err == BW_OK) {
        bw_http_client_use_names(&program->relay, program->names);
        err = bw_http_client_set_credentials(&program->relay, program->credentials, diag);
    }
    return err;
}

/* In this order: whoever is called exists. */
static enum bw_err open_parts(struct bw_program *program, struct bw_diag *diag)
{
    struct bw_tls_contexts contexts = {0};
    enum bw_err err = bw_program_load_credentials(program->config, &program->credentials, &contexts,
                                                  diag);

    if (err == BW_OK)
        bw_program_judge_address(program);
    if (err == BW_OK)
        err = open_state(program, diag);
    if (err == BW_OK)
        err = open_handles(program, diag);
    if (err == BW_OK)
        err = bw_on_event_open(program, diag);
    if (err == BW_OK)
        err = open_node(program, diag);
    if (err == BW_OK)
        err = bw_names_open_kept(&program->names, &program->loop, program->config->data_dir, BW_NAMES_FILE, &program->log,
                                 diag);
    if (err == BW_OK)
        err = bw_raft_links_open(program, contexts.raft_server, contexts.raft_client, diag);
    if (err == BW_OK)
        err = open_relay(program, diag);
    if (err == BW_OK)
        err = open_api(program, contexts.api, diag);
    if (err == BW_OK)
        err = bw_node_start(program->node, diag);
    bw_tls_contexts_free(&contexts); /* their users keep them */
    return err;
}

static void start_timers(struct bw_program *program)
{
    /* It has a callback, and so cannot fail. */
    (void)uv_timer_start(&program->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    (void)uv_timer_start(&program->foreseeing, on_foresee, 0, FORESEE_MS); /* likewise */
    bw_heartbeat_open(&program->heartbeat, &program->loop, does_disk_answer, program);
}

bool bw_program_begin(struct bw_program *program, const char *config_file, int *out_status)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    program->config_file = config_file;
    bw_log_init(&program->log, "witness", BW_LOG_INFO);
    program->config = bw_witness_config_take(config_file, "nothing was started");
    if (program->config == NULL) {
        *out_status = STATUS_CONFIG;
        return false;
    }
    program->log.level = program->config->log_level;
    if (uv_loop_init(&program->loop) != 0) {
        (void)fputs("error: witness: no event loop: out of memory or file descriptors\n", stderr);
        *out_status = BW_STOP_RESTART;
        return false;
    }
    program->loop.data = program;
    err = bw_program_reload_open(program, &diag);
    if (err == BW_OK)
        err = open_parts(program, &diag);
    if (err != BW_OK) {
        bw_log_error(&program->log, "witness.not_started", "error=%s", bw_log_quote(diag.text));
        *out_status = status_of(err);
        return false;
    }
    program->counters.is_file_taken = program->counters.is_certificate_taken = true;
    program->counters.last_good_reload_unix_ms = bw_clock_wall().unix_ms;
    start_timers(program);
    bw_meter_open(program);
    bw_members_open(program);
    bw_program_look_at_files(program);
    bw_log_info(&program->log, "witness.started", "cluster=%s name=%s listen=%s raft_listen=%s",
                program->config->cluster, program->config->name, program->config->listen,
                program->config->raft_listen);
    tell_systemd(program, "READY=1\nSTATUS=started");
    return true;
}

int bw_witness_run(const char *config_file)
{
    struct bw_program *program = calloc(1, sizeof *program);
    int status = 0;

    if (program == NULL) {
        (void)fputs("error: witness: out of memory\n", stderr);
        return BW_STOP_RESTART;
    }
    if (bw_program_begin(program, config_file, &status)) {
        (void)uv_run(&program->loop, UV_RUN_DEFAULT); /* until bw_program_close */
        bw_log_info(&program->log, "witness.ended", "name=%s", program->config->name);
    }
    bw_program_end(program);
    free(program);
    return status;
}
