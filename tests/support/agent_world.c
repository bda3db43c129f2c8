#include "agent_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/sync.h>

#include "janitor.h"
#include "patience.h"

/* ---- the witnesses --------------------------------------------------------------------------- */

static struct bw_instant read_clock(void *user)
{
    (void)user;
    return bw_clock_now();
}

static void respond(struct agent_world_witness *witness, struct bw_http_request *request,
                    const struct bw_sync *sync)
{
    struct agent_world *world = witness->world;
    const int index = (int)(witness - world->witnesses);
    struct bw_sync_answer_group group = {.order = world->order};
    struct bw_sync_answer answer = {.cluster_id = world->cluster_id,
                                    .generation = world->generation,
                                    .group_count = 1,
                                    .groups = &group};
    struct bw_diag diag = {0};
    uint8_t bytes[4096];
    size_t size;

    strcpy(group.name, "harbor");
    (void)snprintf(answer.witness, sizeof answer.witness, "w%d", index + 1);
    answer.is_leader = index == world->leader ||
                       (world->relays && sync != NULL && sync->wants_relay);
    if (sync != NULL) {
        answer.session = world->says_other_session ? bw_random_id() : sync->session;
        answer.number = sync->number + (world->says_other_number ? 100000 : 0);
        if (world->confirms && sync->groups[0].renew_epoch != 0 &&
            sync->groups[0].renew_epoch == world->order.epoch)
            group.confirmed_epoch = world->order.epoch; /* a follower must not be believed */
    }
    for (int i = 0; world->tells_members && i < AGENT_WORLD_WITNESSES; i++) {
        struct bw_member *member = &answer.members[answer.member_count++];

        member->id = (uint64_t)i + 1;
        (void)snprintf(member->name, sizeof member->name, "w%d", i + 1);
        (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                       world->witnesses[i].port);
    }
    if (world->order.kind == BW_ORDER_NONE)
        answer.group_count = 0;
    if (bw_sync_answer_encode(&answer, bytes, sizeof bytes, &size, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    bw_http_respond(request, 200, "application/protobuf", bytes, size);
}

static void on_sync_gone(struct bw_http_request *request, void *user)
{
    struct agent_world_witness *witness = user;

    (void)request;
    witness->held--;
}

static const struct bw_http_later held_later = {.on_gone = on_sync_gone};

static void note_sync(struct agent_world *world, const struct bw_sync *sync)
{
    world->sync_count++;
    if (world->sync_count == 1)
        world->first_session = sync->session;
    world->session = sync->session;
    world->instance = sync->instance;
    world->exchange_count = sync->exchange_count;
    memcpy(world->exchanges, sync->exchanges, sizeof world->exchanges);
    world->relays_wanted += sync->wants_relay ? 1 : 0;
    assert_int_equal(sync->group_count, 1);
    world->group = sync->groups[0];
    world->renewals += world->group.renew_epoch != 0 ? 1 : 0;
}

static void on_sync(struct bw_http_request *request, void *user)
{
    struct agent_world_witness *witness = user;
    struct bw_sync sync;
    struct bw_diag diag = {0};

    witness->syncs++;
    if (bw_sync_decode(request->body, request->body_size, &sync, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    note_sync(witness->world, &sync);
    switch (witness->manner) {
    case AGENT_WORLD_ANSWERS:
        respond(witness, request, &sync);
        break;
    case AGENT_WORLD_HOLDS:
        witness->held++;
        if (witness->held > witness->held_most)
            witness->held_most = witness->held;
        bw_http_defer(request, 0, &held_later, witness);
        break;
    case AGENT_WORLD_GARBLES:
        bw_http_respond(request, 200, "application/protobuf", "\xff\x00garbage\x80", 10);
        break;
    case AGENT_WORLD_FAILS:
        bw_http_respond_error(request, 500, "it fails", NULL);
        break;
    }
    bw_sync_deinit(&sync);
}

static void on_poll_gone(struct bw_http_request *request, void *user)
{
    struct agent_world_witness *witness = user;

    if (witness->poll == request)
        witness->poll = NULL;
}

static void on_poll_deadline(struct bw_http_request *request, void *user)
{
    struct agent_world_witness *witness = user;

    witness->poll = NULL;
    bw_http_respond(request, 204, NULL, NULL, 0);
}

static const struct bw_http_later poll_later = {.on_gone = on_poll_gone,
                                                .on_deadline = on_poll_deadline};

static void on_poll(struct bw_http_request *request, void *user)
{
    struct agent_world_witness *witness = user;
    char after[32];

    witness->polls++;
    assert_int_equal(bw_http_query(request, "after", after, sizeof after), BW_OK);
    if (witness->manner == AGENT_WORLD_GARBLES) {
        bw_http_respond(request, 200, "application/protobuf", "\x01\x02", 2);
    } else if (witness->manner == AGENT_WORLD_FAILS) {
        bw_http_respond_error(request, 500, "it fails", NULL);
    } else if (witness->manner == AGENT_WORLD_ANSWERS &&
               witness->world->order.index > strtoull(after, NULL, 10)) {
        respond(witness, request, NULL);
    } else {
        witness->poll = request;
        bw_http_defer(request, 20000, &poll_later, witness);
    }
}

static const struct bw_http_route routes[] = {
    {"POST", "/v1/agent/sync", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_SELF, on_sync},
    {"GET", "/v1/agent/orders", BW_ROLE_BIT(BW_ROLE_AGENT), BW_HTTP_ABOUT_SELF, on_poll},
};

void agent_world_set_reachable(struct agent_world *world, int index, bool is_reachable)
{
    struct agent_world_witness *witness = &world->witnesses[index];
    char listen[32];
    const struct bw_http_server_config config = {.listen = listen,
                                                 .context = world->context,
                                                 .cluster = "prod",
                                                 .routes = routes,
                                                 .route_count = 2,
                                                 .clock = read_clock,
                                                 .user = witness};
    struct bw_diag diag = {0};

    if (is_reachable == (witness->server != NULL))
        return;
    if (!is_reachable) {
        bw_http_server_close(witness->server, NULL, NULL);
        witness->server = NULL;
        witness->poll = NULL;
        return;
    }
    witness->world = world;
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", witness->port);
    if (bw_http_server_open(&world->loop, &config, &witness->server, &diag) != BW_OK)
        fail_msg("%s", diag.text);
}

void agent_world_order(struct agent_world *world, enum bw_order_kind kind, uint64_t epoch)
{
    struct bw_order *order = &world->order;

    order->kind = kind;
    order->index++;
    order->epoch = epoch;
    order->spec_version = 1;
    order->instance = world->instance;
    order->restart_allowed = true;
    order->terms = (struct bw_terms){.ttl_ms = world->ttl_ms,
                                     .fence_ms = world->fence_ms,
                                     .drift_ppm = 1000,
                                     .margin_ms = 50,
                                     .renew_interval_ms = world->interval_ms,
                                     .request_timeout_ms = world->request_ms,
                                     .reach = BW_REACH_CGROUP};
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++) {
        struct agent_world_witness *witness = &world->witnesses[i];
        struct bw_http_request *poll = witness->poll;

        if (poll == NULL || witness->manner != AGENT_WORLD_ANSWERS)
            continue;
        witness->poll = NULL;
        respond(witness, poll, NULL);
    }
}

/* ---- the guard ------------------------------------------------------------------------------- */

void agent_world_guard_say(struct agent_world *world, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) != BW_OK ||
        (world->connection != NULL && bw_unix_send(world->connection, bytes, size, &diag) != BW_OK))
        fail_msg("%s", diag.text);
}

static struct bw_guard_message about_group(enum bw_guard_message_kind kind, uint64_t epoch)
{
    struct bw_guard_message message = {.kind = kind, .epoch = epoch};

    strcpy(message.group, "harbor");
    return message;
}

static void welcome(struct agent_world *world)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_WELCOME};

    message.welcome.boot_id = world->hello.boot_id;
    message.welcome.time_namespace = world->hello.time_namespace;
    agent_world_guard_say(world, &message);
    message = about_group(BW_GUARD_MESSAGE_GROUP_STATE, 0);
    message.state = world->guard;
    memset(message.state.has_script, true, BW_ACTION_REMOTE_FENCE);
    agent_world_guard_say(world, &message);
    agent_world_guard_say(world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_WELCOME_DONE});
}

static void on_arm(struct agent_world *world, const struct bw_guard_arm *arm)
{
    struct bw_guard_message message = about_group(BW_GUARD_MESSAGE_ARMED, arm->epoch);

    world->arms++;
    world->arm = *arm;
    if (world->guard_is_mute)
        return;
    world->guard.enforced = true;
    world->guard.epoch_seen = world->guard.armed_epoch = arm->epoch;
    world->guard.armed_instance = world->hello.instance;
    world->guard.armed_number = arm->number;
    world->guard.armed_end = arm->end;
    message.armed.number = arm->number;
    message.armed.end = arm->end;
    agent_world_guard_say(world, &message);
}

static void on_run(struct agent_world *world, const struct bw_guard_run *run)
{
    struct bw_guard_message message = about_group(BW_GUARD_MESSAGE_RUN_BEGUN, run->epoch);

    world->runs[run->action]++;
    message.begun.action = run->action;
    message.begun.run_id = run->run_id;
    agent_world_guard_say(world, &message);
    if (run->action == BW_ACTION_START) {
        world->armed_epoch_at_start = world->guard.armed_epoch;
        world->service = "started";
        world->guard.stop_seen = false;
    } else if (run->action == BW_ACTION_STOP || run->action == BW_ACTION_FENCE) {
        world->service = "stopped";
        world->guard.stop_seen = true;
    }
    message = about_group(BW_GUARD_MESSAGE_RUN_ENDED, 0);
    message.ended.epoch = run->epoch;
    message.ended.action = run->action;
    message.ended.run_id = run->run_id;
    message.ended.result = BW_RUN_OK;
    message.ended.duration_ms = 1;
    (void)snprintf(message.ended.line, sizeof message.ended.line, "%s", world->service);
    agent_world_guard_say(world, &message);
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct agent_world *world = user;
    struct bw_guard_message message;
    struct bw_diag diag = {0};

    (void)connection;
    if (bw_guard_message_decode(data, size, &message, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    if (message.kind == BW_GUARD_MESSAGE_HELLO) {
        world->hello = message.hello;
        world->hellos++;
        if (!world->guard_is_deaf)
            welcome(world);
        if (world->guard_throws)
            bw_unix_close(world->connection);
    } else if (message.kind == BW_GUARD_MESSAGE_ARM) {
        on_arm(world, &message.arm);
    } else if (message.kind == BW_GUARD_MESSAGE_RUN) {
        on_run(world, &message.run);
    } else if (message.kind == BW_GUARD_MESSAGE_END) {
        world->guard.ended_epoch = message.epoch;
        world->guard.armed_epoch = 0;
        message = about_group(BW_GUARD_MESSAGE_EPOCH_ENDED, message.epoch);
        agent_world_guard_say(world, &message);
    }
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct agent_world *world = user;

    (void)err;
    (void)diag;
    if (world->connection == connection)
        world->connection = NULL;
}

static const struct bw_unix_events guard_events = {.on_message = on_message,
                                                   .on_closed = on_closed};

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    struct agent_world *world = user;

    (void)listener;
    if (world->connection != NULL)
        bw_unix_close(world->connection);
    world->connection = connection;
    *out_user = world;
    return &guard_events;
}

static void on_listener_closed(struct bw_unix_listener *listener, void *user)
{
    struct agent_world *world = user;

    (void)listener;
    world->is_listening = false;
}

static bool is_quiet(const struct agent_world *world)
{
    return !world->is_listening && world->connection == NULL;
}

void agent_world_guard_listen(struct agent_world *world, bool does_listen)
{
    char path[128];
    struct bw_diag diag = {0};

    if (does_listen == world->is_listening)
        return;
    if (!does_listen) {
        if (world->connection != NULL)
            bw_unix_close(world->connection);
        bw_unix_listener_close(&world->listener, on_listener_closed);
        agent_world_until(world, is_quiet, "the guard is gone");
        return;
    }
    (void)snprintf(path, sizeof path, "%s/guard.sock", world->dir);
    if (bw_unix_listen(&world->listener, &world->loop, path, on_accepted, world, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    world->is_listening = true;
}

/* ---- the agent ------------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, mode_t mode, const char *text)
{
    char path[192];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

void agent_world_configure(struct agent_world *world, const char *extra)
{
    char text[2048];

    (void)snprintf(
        text, sizeof text,
        "cluster: prod\nsite: %s\nname: agent-1\nstate_dir: state\nrun_dir: %s/run\n"
        "guard_socket: %s/guard.sock\nlog_level: debug\n"
        "tls: {ca: %s, identity: %s/agent.pem}\n"
        "witnesses: [\"127.0.0.1:%u\", \"127.0.0.1:%u\", \"127.0.0.1:%u\"]\n"
        "groups:\n  - name: harbor\n    stop_method: %s\n    check_interval: 100ms\n"
        "    status_script: status.sh\n    start_script: true.sh\n    stop_script: true.sh\n"
        "    fence_script: fence.sh\n%s",
        world->site, world->dir, world->dir, world->pki.ca_path, world->pki.dir,
        world->witnesses[0].port,
        world->witnesses[1].port, world->witnesses[2].port, world->enforce == NULL ? "cgroup" : world->enforce,
        extra == NULL ? "" : extra);
    write_file(world->dir, "site.yaml", 0644, text);
}

void agent_world_start_agent(struct agent_world *world)
{
    char program[256];
    int log;

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    log = open(world->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    world->agent = fork();
    assert_true(world->agent >= 0);
    if (world->agent == 0) {
        (void)dup2(log, STDERR_FILENO);
        (void)signal(SIGXFSZ, SIG_IGN); /* a write beyond the file size limit is an error */
        execl(program, "breakwater", "agent", "-c", world->config_path, (char *)NULL);
        _exit(127);
    }
    (void)close(log);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* only wakes the loop */
}

static bool has_passed(struct bw_instant since, unsigned ms)
{
    return bw_instant_elapsed_ns(bw_clock_now(), since) >= ms * BW_NS_PER_MS;
}

static bool has_ended(const struct agent_world *world)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)world->agent, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == world->agent;
}

int agent_world_wait_agent(struct agent_world *world)
{
    int status;

    agent_world_until(world, has_ended, "the agent ends");
    assert_int_equal(waitpid(world->agent, &status, 0), world->agent);
    world->agent = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int agent_world_stop_agent(struct agent_world *world, int signal)
{
    assert_int_equal(kill(world->agent, signal), 0);
    return agent_world_wait_agent(world);
}

int agent_world_run_agent(struct agent_world *world)
{
    agent_world_start_agent(world);
    return agent_world_wait_agent(world);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void agent_world_issue(struct agent_world *world, const char *site)
{
    char path[TEST_PKI_PATH_BYTES];
    char uri[96];

    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent-1",
                   site != NULL ? site : world->site);
    test_pki_issue_uri(&world->pki, "agent.pem", uri, path);
}

static void issue(struct agent_world *world)
{
    char path[TEST_PKI_PATH_BYTES];
    struct bw_diag diag = {0};

    test_pki_init(&world->pki);
    agent_world_issue(world, NULL);
    test_pki_issue_uri(&world->pki, "w.pem", "breakwater://prod/witness/w1", path);
    if (bw_credentials_load(world->pki.ca_path, path, &world->credentials, &diag) != BW_OK ||
        bw_tls_context_new(world->credentials, BW_TLS_SERVER_OPTIONAL, &world->context, &diag) !=
            BW_OK)
        fail_msg("%s", diag.text);
}

void agent_world_init(struct agent_world *world)
{
    static unsigned serial;

    memset(world, 0, sizeof *world);
    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    strcpy(world->dir, "/tmp/breakwater-agent-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    janitor_add_dir(world->dir);
    (void)snprintf(world->site, sizeof world->site, "dc-%ld-%u", (long)getpid(), serial++);
    janitor_add_cgroups(world->site);
    (void)snprintf(world->config_path, sizeof world->config_path, "%s/site.yaml", world->dir);
    (void)snprintf(world->log_path, sizeof world->log_path, "%s/log", world->dir);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(uv_timer_init(&world->loop, &world->ticker), 0);
    assert_int_equal(uv_timer_start(&world->ticker, on_tick, 5, 5), 0);
    issue(world);
    world->cluster_id = bw_random_id();
    world->generation = 1;
    world->confirms = true;
    world->ttl_ms = 60000;
    world->fence_ms = 600;
    world->interval_ms = 100;
    world->request_ms = 2000;
    world->service = "stopped";
    world->guard.reach = BW_REACH_CGROUP;
    world->guard.reach_works = true;
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++) {
        test_port_take(&world->witnesses[i].kept);
        world->witnesses[i].port = world->witnesses[i].kept.number;
        agent_world_set_reachable(world, i, true);
    }
    agent_world_guard_listen(world, true);
    write_file(world->dir, "true.sh", 0755, "#!/bin/sh\nexit 0\n");
    write_file(
        world->dir, "status.sh", 0755,
        "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n[ -e fenced ] && echo stopped || echo started\n");
    write_file(world->dir, "fence.sh", 0755,
               "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nenv >fence.env\ntouch fenced\n");
    agent_world_configure(world, NULL);
}

void agent_world_deinit(struct agent_world *world)
{
    if (world->agent != 0) {
        (void)kill(world->agent, SIGKILL); /* ours, not waited for yet: it is that process */
        (void)waitpid(world->agent, NULL, 0);
    }
    agent_world_guard_listen(world, false);
    for (int i = 0; i < AGENT_WORLD_WITNESSES; i++) {
        agent_world_set_reachable(world, i, false);
        test_port_release(&world->witnesses[i].kept);
    }
    uv_close((uv_handle_t *)&world->ticker, NULL);
    (void)uv_run(&world->loop, UV_RUN_DEFAULT); /* 0: nothing is left */
    assert_int_equal(uv_loop_close(&world->loop), 0);
    bw_tls_context_free(world->context);
    bw_credentials_free(world->credentials);
    test_pki_deinit(&world->pki);
    janitor_remove_dir(world->dir);
    janitor_forget(world->dir);
    janitor_clear_cgroups(world->site);
    janitor_forget(world->site);
}

void agent_world_until(struct agent_world *world, agent_world_condition *is_met, const char *what)
{
    struct patience patience = patience_begin(AGENT_WORLD_WAIT_MS);
    char command[192];

    while (!is_met(world)) {
        if (patience_is_over(&patience)) {
            (void)snprintf(command, sizeof command, "tail -n 30 %s >&2", world->log_path);
            (void)!system(command); /* for whoever reads the failure */
            patience_fail("%s", what);
        }
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
}

bool agent_world_never(struct agent_world *world, agent_world_condition *is_met, unsigned ms)
{
    const struct bw_instant begin = bw_clock_now();

    while (!is_met(world)) {
        if (has_passed(begin, ms))
            return true;
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    return false;
}

bool agent_world_log_has(const struct agent_world *world, const char *text)
{
    return agent_world_log_has_times(world, text, 1);
}

bool agent_world_log_has_times(const struct agent_world *world, const char *text, unsigned times)
{
    static char log[4 * 1024 * 1024];
    FILE *in = fopen(world->log_path, "r");
    size_t size;

    if (in == NULL)
        return false;
    size = fread(log, 1, sizeof log - 1, in);
    (void)fclose(in); /* only read from */
    log[size] = '\0';
    for (const char *at = log; times > 0 && (at = strstr(at, text)) != NULL; at++)
        times--;
    return times == 0;
}

bool agent_world_says_revoked(const struct agent_world *world)
{
    return agent_world_log_has(world, "certificate revoked") ||
           agent_world_log_has(world, "whom we trust has changed meanwhile");
}
