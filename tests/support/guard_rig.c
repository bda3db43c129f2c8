#include "guard_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/lab/files.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>
#include <breakwater/wire/guard_message.h>

#include "janitor.h"
#include "patience.h"
#include "text_file.h"

#define FOLLOWED_MS 5000u /* after a service that beat when it must not */

/* ---- files ----------------------------------------------------------------------------------- */

const char *rig_path(const struct rig *rig, const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", rig->dir, name);
    return path;
}

void rig_put(const struct rig *rig, const char *name, int mode, const char *text)
{
    const char *path = rig_path(rig, name);
    FILE *out;

    (void)unlink(path); /* a script that runs must not be written into */
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, (mode_t)mode), 0);
}

bool rig_has(const struct rig *rig, const char *name, const char *text)
{
    return text_file_has(rig_path(rig, name), text);
}

static const char *const service_text =
    "#!/bin/sh\ntrap '' TERM HUP INT\n" RIG_TELL_PID
    "while :; do cut -d' ' -f1 /proc/uptime >>beats; sleep 0.02; done\n";
static const char *const start_text =
    "#!/bin/sh\ncd \"${0%/*}\"\nenv >start.env\n"
    "setsid sh service.sh </dev/null >/dev/null 2>&1 &\n"
    "while [ ! -s beats ]; do sleep 0.01; done\necho started it\n";
/* A number that another process has by now is not the service's. */
#define OF_SERVICE BW_LAB_SCRIPT_IS_ALIVE "cd \"${0%/*}\"\nPID_FILE=pid\n"
/* A killed process, and the `sleep` that it ran, are there for a moment more: the guard would see them and run the stop
 * again. The service leads its own group (setsid). */
#define KILL_IT                                                                                    \
    "if is_alive; then\n    kill -KILL \"-$pid\"\n"                                             \
    "    while kill -0 \"-$pid\" 2>/dev/null; do sleep 0.01; done\nfi\nexit 0\n"
static const char *const stop_text = "#!/bin/sh\n" OF_SERVICE "echo stop >>calls\n" KILL_IT;
static const char *const fence_text = "#!/bin/sh\n" OF_SERVICE "echo fence >>calls\n" KILL_IT;
static const char *const status_text = "#!/bin/sh\n" OF_SERVICE
                                       "if is_alive; then echo started; else echo stopped; fi\n";

/* A fence script that is cut before it has said anything shows nothing: its limit is that of a slow
 * machine. */
static void put_config(const struct rig *rig)
{
    char text[1024];

    (void)snprintf(
        text, sizeof text,
        "cluster: prod\nsite: %s\nname: agent-1\nstate_dir: state\nrun_dir: run\n"
        "guard_socket: run/guard.sock\ntls: {ca: ca.pem, identity: id.pem}\n"
        "witnesses: [\"127.0.0.1:7400\"]\nlog_level: debug\ngroups:\n  - name: g\n"
        "    stop_method: cgroup\n    status_script: status.sh\n    start_script: start.sh\n"
        "    stop_script: stop.sh\n    fence_script: fence.sh\n    readiness_script: ready.sh\n"
        "    script_timeout: 60s\n    start_timeout: 20s\n    stop_timeout: 20s\n"
        "    fence_timeout: 3s\n    kill_grace: 200ms\n    env: {FLAVOUR: \"salt & vinegar\"}\n",
        rig->site);
    rig_put(rig, "site.yaml", 0644, text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* it only turns the loop */
}

int rig_setup(void **state)
{
    static unsigned serial;
    struct rig *rig = calloc(1, sizeof *rig);

    if (rig == NULL)
        return -1;
    (void)strcpy(rig->dir, "/tmp/breakwater-guard-XXXXXX");
    if (mkdtemp(rig->dir) == NULL || mkdir(rig_path(rig, "run"), 0700) != 0)
        return -1;
    (void)snprintf(rig->site, sizeof rig->site, "t%ld-%u", (long)getpid(), serial++);
    janitor_add_dir(rig->dir);
    janitor_add_cgroups(rig->site);
    rig_put(rig, "ca.pem", 0644, "");
    rig_put(rig, "id.pem", 0600, "");
    rig_put(rig, "service.sh", 0755, service_text);
    rig_put(rig, "start.sh", 0755, start_text);
    rig_put(rig, "stop.sh", 0755, stop_text);
    rig_put(rig, "fence.sh", 0755, fence_text);
    rig_put(rig, "status.sh", 0755, status_text);
    rig_put(rig, "ready.sh", 0755,
            "#!/bin/sh\necho ready\necho noise >&2\necho lag_seconds=0.4\necho position=17\n");
    put_config(rig);
    if (uv_loop_init(&rig->loop) != 0 || uv_timer_init(&rig->loop, &rig->tick) != 0 ||
        uv_timer_start(&rig->tick, on_tick, 5, 5) != 0)
        return -1;
    rig_agent_init(rig, &rig->agent);
    *state = rig;
    return 0;
}

/* The service is no child of ours: everything in the reach of the rig's guards is ended, and their
 * cgroups are removed. */
static void clear_reach(struct rig *rig)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);
    struct bw_diag diag = {0};
    struct bw_reach reach;
    char tag[BW_REACH_TAG_BYTES];
    bool is_empty = false;

    bw_reach_tag(JANITOR_CLUSTER, rig->site, tag);
    assert_int_equal(bw_reach_open(&reach, tag, "g", false, &diag), BW_OK);
    while (!is_empty && !patience_is_over(&patience)) {
        assert_int_equal(bw_reach_signal(&reach, BW_REACH_ALL, SIGKILL, &diag), BW_OK);
        rig_turn(rig);
        assert_int_equal(bw_reach_is_empty(&reach, BW_REACH_ALL, &is_empty, &diag), BW_OK);
    }
    bw_reach_close(&reach);
    janitor_clear_cgroups(rig->site); /* of groups by other names, too */
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;

    rig_agent_close(&rig->agent);
    if (rig->guard != 0)
        (void)rig_guard_end(rig, SIGKILL);
    clear_reach(rig);
    uv_close((uv_handle_t *)&rig->tick, NULL);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    janitor_remove_dir(rig->dir);
    janitor_forget(rig->dir);
    janitor_forget(rig->site);
    free(rig);
    return 0;
}

void rig_guard_start(struct rig *rig)
{
    char program[512];
    int log;

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    log = open(rig_path(rig, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    rig->guard = fork();
    assert_true(rig->guard >= 0);
    if (rig->guard == 0) {
        if (dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
            (void)execl(program, "breakwater", "guard", "-c", rig_path(rig, "site.yaml"),
                        (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(log), 0);
}

int rig_guard_end(struct rig *rig, int signal)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);
    int status = 0;

    if (signal != 0)
        assert_int_equal(kill(rig->guard, signal), 0);
    while (waitpid(rig->guard, &status, WNOHANG) == 0) {
        if (patience_is_over(&patience))
            patience_fail("the guard does not end");
        rig_turn(rig);
    }
    rig->guard = 0;
    return status;
}

static void print_log(const struct rig *rig)
{
    FILE *in = fopen(rig_path(rig, "log"), "r");
    char line[1024];

    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        print_message("%s", line);
    if (in != NULL)
        (void)fclose(in); /* only read from */
}

/* ---- the agent ------------------------------------------------------------------------------- */

static void on_connected(struct bw_unix_connection *connection, void *user)
{
    struct rig_agent *agent = user;

    (void)connection;
    agent->is_connected = true;
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct rig_agent *agent = user;
    struct bw_guard_message message;
    struct bw_diag diag = {0};

    (void)connection;
    if (bw_guard_message_decode(data, size, &message, &diag) != BW_OK)
        fail_msg("the guard says nonsense: %s", diag.text);
    agent->last[message.kind] = message;
    agent->count[message.kind]++;
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    struct rig_agent *agent = user;

    (void)connection;
    (void)err;
    (void)diag;
    agent->connection = NULL;
    agent->is_connected = false;
}

void rig_agent_init(struct rig *rig, struct rig_agent *agent)
{
    struct bw_diag diag = {0};

    *agent = (struct rig_agent){.rig = rig};
    agent->hello.cluster_id = (struct bw_id){{1}};
    agent->hello.generation = 3;
    agent->hello.instance = (struct bw_id){{2}};
    (void)strcpy(agent->hello.site, rig->site);
    agent->hello.session = bw_random_id();
    assert_int_equal(bw_clock_boot_id(&agent->hello.boot_id, &diag), BW_OK);
    assert_int_equal(bw_clock_time_namespace(&agent->hello.time_namespace, &diag), BW_OK);
}

/* The guard may be starting: again until somebody listens. */
void rig_agent_connect(struct rig *rig, struct rig_agent *agent)
{
    static const struct bw_unix_events events = {on_connected, on_message, on_closed};
    struct patience patience = patience_begin(RIG_PATIENCE_MS);
    struct bw_diag diag = {0};

    while (!agent->is_connected) {
        if (patience_is_over(&patience))
            patience_fail("the guard does not listen");
        if (agent->connection == NULL)
            assert_int_equal(bw_unix_connect(&rig->loop, rig_path(rig, "run/guard.sock"), &events,
                                             agent, &agent->connection, &diag),
                             BW_OK);
        rig_turn(rig);
    }
}

void rig_send(struct rig_agent *agent, const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    if (bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    assert_int_equal(bw_unix_send(agent->connection, bytes, size, &diag), BW_OK);
}

void rig_agent_greet(struct rig_agent *agent)
{
    const struct bw_guard_message hello = {.kind = BW_GUARD_MESSAGE_HELLO, .hello = agent->hello};

    rig_send(agent, &hello);
}

void rig_greet(struct rig *rig)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    rig_agent_close(&rig->agent);
    rig_agent_init(rig, &rig->agent);
    while (rig->agent.count[BW_GUARD_MESSAGE_WELCOME_DONE] == 0) {
        if (rig->agent.connection == NULL) { /* the first time, or it had too many connections */
            rig_agent_connect(rig, &rig->agent);
            rig_agent_greet(&rig->agent);
        }
        if (patience_is_over(&patience)) {
            print_log(rig);
            patience_fail("no welcome");
        }
        rig_turn(rig);
    }
}

void rig_agent_close(struct rig_agent *agent)
{
    if (agent->connection == NULL)
        return;
    bw_unix_close(agent->connection);
    while (agent->connection != NULL)
        rig_turn(agent->rig);
}

/* ---- waiting --------------------------------------------------------------------------------- */

uint64_t rig_now_ms(void)
{
    return bw_clock_now().boot_ns / BW_NS_PER_MS;
}

void rig_turn(struct rig *rig)
{
    (void)uv_run(&rig->loop, UV_RUN_ONCE); /* at most one tick of 5 ms */
}

void rig_wait(struct rig_agent *agent, enum bw_guard_message_kind kind, unsigned count)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (agent->count[kind] < count) {
        if (patience_is_over(&patience)) {
            print_log(agent->rig);
            patience_fail("message %d came %u times, expected %u", (int)kind, agent->count[kind], count);
        }
        rig_turn(agent->rig);
    }
}

/* A fence that failed is tried again, for ever: the wait for one that does not has an end of its own. */
void rig_wait_fenced(struct rig_agent *agent)
{
    const enum bw_guard_message_kind kind = BW_GUARD_MESSAGE_FENCE_ENDED;
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (agent->count[kind] == 0 || !agent->last[kind].fence.ok) {
        if (patience_is_over(&patience)) {
            print_log(agent->rig);
            patience_fail("%u fences have failed, and none has ended it", agent->count[kind]);
        }
        rig_turn(agent->rig);
    }
}

void rig_wait_closed(struct rig_agent *agent)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (agent->connection != NULL) {
        if (patience_is_over(&patience))
            patience_fail("the guard does not hang up");
        rig_turn(agent->rig);
    }
}

void rig_wait_log(struct rig *rig, const char *text)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (!rig_has(rig, "log", text)) {
        if (patience_is_over(&patience)) {
            print_log(rig);
            patience_fail("the log does not say %s", text);
        }
        rig_turn(rig);
    }
}

/* ---- orders ---------------------------------------------------------------------------------- */

struct bw_instant rig_arm(struct rig_agent *agent, uint64_t epoch, uint32_t ttl_ms,
                          uint32_t fence_ms)
{
    const struct bw_instant begin = bw_clock_now();
    struct bw_guard_message arm = {
        .kind = BW_GUARD_MESSAGE_ARM,
        .epoch = epoch,
        .group = "g",
        .arm = {.epoch = epoch,
                .terms = {.ttl_ms = ttl_ms,
                          .fence_ms = fence_ms,
                          .drift_ppm = 1000,
                          .margin_ms = 250,
                          .renew_interval_ms = 1000,
                          .request_timeout_ms = 1000,
                          .reach = BW_REACH_CGROUP},
                .number = ++agent->number,
                .begin = begin,
                .end = bw_instant_add(begin, ttl_ms * BW_NS_PER_MS)},
    };

    rig_send(agent, &arm);
    return arm.arm.end;
}

void rig_order(struct rig_agent *agent, uint64_t epoch, enum bw_action_kind action)
{
    struct bw_guard_message run = {
        .kind = BW_GUARD_MESSAGE_RUN,
        .epoch = epoch,
        .group = "g",
        .run = {.epoch = epoch,
                .action = action,
                .run_id = ++agent->number,
                .facts = {.previous_site = "dc-z",
                          .reason = BW_REASON_SITE_LOST,
                          .planned = true, /* unlike what a zero would be */
                          .grade = BW_GRADE_EXPIRED,
                          .target_position = "0/17"}},
    };

    rig_send(agent, &run);
}

struct bw_guard_run_ended rig_run(struct rig_agent *agent, uint64_t epoch,
                                  enum bw_action_kind action)
{
    const uint64_t run_id = agent->number + 1;
    const struct bw_guard_message *last = &agent->last[BW_GUARD_MESSAGE_RUN_ENDED];
    unsigned count = agent->count[BW_GUARD_MESSAGE_RUN_ENDED];

    rig_order(agent, epoch, action);
    do
        rig_wait(agent, BW_GUARD_MESSAGE_RUN_ENDED, ++count);
    while (last->ended.run_id != run_id);
    return last->ended;
}

/* ---- the service ----------------------------------------------------------------------------- */

uint64_t rig_last_beat_ms(const struct rig *rig)
{
    FILE *in = fopen(rig_path(rig, "beats"), "r");
    double newest_s = 0;
    double beat_s;

    if (in == NULL)
        return 0;
    while (fscanf(in, "%lf", &beat_s) == 1)
        newest_s = beat_s;
    (void)fclose(in); /* only read from */
    return (uint64_t)(newest_s * 1000);
}

void rig_wait_beat(struct rig *rig, uint64_t after_ms)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (rig_last_beat_ms(rig) <= after_ms) {
        if (patience_is_over(&patience))
            patience_fail("the service does not beat");
        rig_turn(rig);
    }
}

/* One that was ended late is another mistake than one that nobody ends. */
static void print_what_follows(struct rig *rig, uint64_t end_ms)
{
    const uint64_t limit = rig_now_ms() + FOLLOWED_MS;
    char line[160];
    FILE *list;

    (void)snprintf(line, sizeof line, "ps -eo pid,stat,cls,wchan:24,args | grep '[e]nforcer %s$'",
                   rig->site);
    list = popen(line, "r");
    print_message("its enforcers:\n");
    while (list != NULL && fgets(line, sizeof line, list) != NULL)
        print_message("  %s", line);
    if (list != NULL)
        (void)pclose(list); /* only read from */
    while (rig_now_ms() < limit && rig_last_beat_ms(rig) + 500 > rig_now_ms())
        rig_turn(rig);
    print_message("the last beat until %u ms later: %llu ms after D\n", FOLLOWED_MS,
                  (unsigned long long)(rig_last_beat_ms(rig) - end_ms));
}

void rig_assert_silent_since(struct rig *rig, uint64_t end_ms)
{
    uint64_t last_ms;

    while (rig_now_ms() < end_ms + 200)
        rig_turn(rig);
    last_ms = rig_last_beat_ms(rig);
    if (last_ms <= end_ms)
        return;
    print_log(rig);
    print_what_follows(rig, end_ms);
    fail_msg("the service beat %llu ms after D", (unsigned long long)(last_ms - end_ms));
}

void rig_assert_fenced_by_script(const struct rig *rig)
{
    if (rig_has(rig, "calls", "fence"))
        return;
    print_log(rig);
    fail_msg("the fence script was not run");
}

struct bw_instant rig_serve(struct rig *rig, uint32_t ttl_ms, uint32_t fence_ms)
{
    struct bw_instant end;

    rig_guard_start(rig);
    rig_greet(rig);
    end = rig_arm(&rig->agent, 1, ttl_ms, fence_ms);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
    if (rig_run(&rig->agent, 1, BW_ACTION_START).result != BW_RUN_OK) {
        print_log(rig);
        fail_msg("the service was not started");
    }
    rig_wait_beat(rig, 0);
    return end;
}
