#include "trio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/lab/process.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/sync.h>

#include "../../src/witness/program.h"
#include "janitor.h"
#include "patience.h"

#define STEP_US        20000
#define CALL_MS        5000
#define DOOR_BYTES_MAX 16384
#define ECHO_MS        10000
#define KNOCK_MS       (3 * TRIO_WITNESSES * ECHO_MS) /* three rounds in which none has a majority */

/* ---- files ---- */

void trio_path(const struct trio *trio, const char *file, char out_path[TRIO_PATH_BYTES])
{
    (void)snprintf(out_path, TRIO_PATH_BYTES, "%s/%s", trio->pki.dir, file);
}

static void numbered_path(const struct trio *trio, const char *format, int i,
                          char out_path[TRIO_PATH_BYTES])
{
    char file[64];

    (void)snprintf(file, sizeof file, format, i + 1);
    trio_path(trio, file, out_path);
}

struct bw_lab_plan trio_plan(const struct trio *trio)
{
    struct bw_lab_plan plan = {.cluster = "prod",
                               .dir = trio->pki.dir,
                               .more = "log_level: debug\n",
                               .timings = {.election_timeout_ms = trio->election_ms}};

    for (int i = 0; i < TRIO_WITNESSES; i++)
        plan.witnesses[i] = (struct bw_lab_witness){
            .host = "127.0.0.1", .api_port = trio->api[i], .raft_port = trio->raft[i]};
    return plan;
}

static void configure(const struct bw_lab_plan *plan, const struct trio *trio, int i,
                      const char *identity)
{
    char path[TRIO_PATH_BYTES];
    char data_dir[TRIO_PATH_BYTES];

    numbered_path(trio, "w%d.yaml", i, path);
    numbered_path(trio, "data%d", i, data_dir);
    BW_ASSERT(bw_lab_write_witness(plan, (uint32_t)i, path, data_dir, identity, NULL) == BW_OK);
}

void trio_configure(const struct trio *trio, int i, const char *identity)
{
    const struct bw_lab_plan plan = trio_plan(trio);

    configure(&plan, trio, i, identity);
}

static void read_text(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t got;

    BW_ASSERT(file != NULL);
    got = fread(out, 1, size - 1, file);
    BW_ASSERT(got < size - 1);
    out[got] = '\0';
    (void)fclose(file);
}

void trio_revoke(const struct trio *trio, int i, const char *entries)
{
    char path[TRIO_PATH_BYTES];
    char text[4096];
    const char *end;
    FILE *file;

    trio_configure(trio, i, NULL);
    numbered_path(trio, "w%d.yaml", i, path);
    read_text(path, text, sizeof text);
    end = strstr(text, "'}"); /* of tls: {ca: '…', identity: '…'} */
    BW_ASSERT(end != NULL);
    file = fopen(path, "w");
    BW_ASSERT(file != NULL);
    (void)fprintf(file, "%.*s', revoked: %s}%s", (int)(end - text), text, entries, end + 2);
    BW_ASSERT(fclose(file) == 0);
    trio_signal(trio, i, SIGHUP);
}

void trio_spoil(const struct trio *trio, int i)
{
    struct bw_lab_plan plan = trio_plan(trio);

    plan.more = "listen: nowhere\n"; /* for the second time */
    configure(&plan, trio, i, NULL);
}

/* ---- processes ---- */

static const char *program_path(void)
{
    static char path[512];
    const char *build = getenv("BREAKWATER_BUILD");

    BW_ASSERT(build != NULL);
    (void)snprintf(path, sizeof path, "%s/breakwater", build);
    return path;
}

static pid_t fork_child(int out_fd, int error_fd)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    BW_ASSERT(pid >= 0);
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (out_fd >= 0)
        (void)dup2(out_fd, STDOUT_FILENO);
    (void)dup2(error_fd, STDERR_FILENO);
    return 0;
}

static int open_log(const struct trio *trio, const char *format, int i)
{
    char path[TRIO_PATH_BYTES];
    int fd;

    numbered_path(trio, format, i, path);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    BW_ASSERT(fd >= 0);
    return fd;
}

/* Its exit status; -1: it did not end in time, and was killed. */
static int wait_for(pid_t pid)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    int status;

    while (!patience_is_over(&patience)) {
        pid_t ended = waitpid(pid, &status, WNOHANG);

        BW_ASSERT(ended >= 0);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        (void)usleep(STEP_US);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return -1;
}

int trio_run(const struct trio *trio, char **argv, char *out, size_t size)
{
    int pipe_fds[2];
    int log = open_log(trio, "run%d.log", 0);
    size_t used = 0;
    int status;
    ssize_t got;
    pid_t pid;

    (void)setenv("COLUMNS", "10000", 1); /* what is said is looked for, wherever its line would end */
    BW_ASSERT(pipe2(pipe_fds, O_CLOEXEC) == 0);
    argv[0] = (char *)(uintptr_t)program_path();
    pid = fork_child(pipe_fds[1], log);
    if (pid == 0) {
        (void)execv(argv[0], argv);
        _exit(127);
    }
    (void)close(pipe_fds[1]);
    (void)close(log);
    while (used + 1 < size && (got = read(pipe_fds[0], out + used, size - 1 - used)) > 0)
        used += (size_t)got;
    out[used] = '\0';
    (void)close(pipe_fds[0]);
    status = wait_for(pid);
    if (status < 0)
        patience_fail("breakwater %s ends", argv[1]);
    return status;
}

/* ---- a forked witness, and its door ---- */

/* In: a number of the knock, a kind, an entry. Out: that number, and whether the entry was applied. */
struct knock {
    uint8_t number;
    uint8_t kind;
    uint8_t entry[DOOR_BYTES_MAX];
};
struct echo {
    uint8_t number;
    uint8_t is_applied;
};

static int own_door; /* of a forked witness */

static void answer_knock(uint8_t number, bool is_applied)
{
    const struct echo echo = {number, is_applied};

    (void)send(own_door, &echo, sizeof echo, MSG_DONTWAIT | MSG_NOSIGNAL); /* it asks again */
}

static void on_appended(void *user, enum bw_err err, uint64_t index)
{
    (void)index;
    answer_knock((uint8_t)(uintptr_t)user, err == BW_OK);
}

struct knocker {
    struct bw_proposer proposer; /* first */
    uint8_t number;
};

static void on_proposed(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                        enum bw_err err, uint64_t index, const struct bw_applied *applied)
{
    const struct knocker *knocker = (const struct knocker *)proposer;

    (void)machine;
    (void)applied;
    (void)index;
    answer_knock(knocker->number, err == BW_OK);
    free(proposer);
}

static enum bw_err propose(struct bw_program *program, const struct bw_command *command,
                           uint8_t number)
{
    struct knocker *knocker = malloc(sizeof *knocker);
    enum bw_err err;

    BW_ASSERT(knocker != NULL);
    *knocker = (struct knocker){.proposer = {.on_done = on_proposed}, .number = number};
    err = bw_witness_machine_propose(&program->machine, command, &knocker->proposer, NULL);
    bw_drive_refresh(program);
    if (err != BW_OK)
        free(knocker);
    return err;
}

static void take_knock(struct bw_program *program, const struct knock *knock, size_t size)
{
    void *number = (void *)(uintptr_t)knock->number;
    struct bw_command command;
    enum bw_err err;

    if (!program->machine.core.leadership.leads) {
        answer_knock(knock->number, false);
        return;
    }
    if (knock->kind == 'r') {
        err = bw_node_apply(program->node, knock->entry, size, on_appended, number);
    } else {
        BW_ASSERT(bw_log_entry_decode(knock->entry, size, &command, NULL) == BW_OK);
        err = propose(program, &command, knock->number);
    }
    if (err != BW_OK)
        answer_knock(knock->number, false);
}

static void on_door(uv_poll_t *poll, int status, int events)
{
    static struct knock knock;
    const ssize_t got = recv(own_door, &knock, sizeof knock, MSG_DONTWAIT);

    (void)status;
    (void)events;
    if (got >= (ssize_t)offsetof(struct knock, entry))
        take_knock(poll->loop->data, &knock, (size_t)got - offsetof(struct knock, entry));
    else if (got == 0)
        (void)uv_poll_stop(poll);
}

static void run_forked(const char *config, int door) __attribute__((noreturn));
static void run_forked(const char *config, int door)
{
    struct bw_program *program = calloc(1, sizeof *program);
    uv_poll_t poll;
    int status = 0;

    BW_ASSERT(program != NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (!bw_program_begin(program, config, &status))
        _exit(status);
    BW_ASSERT(uv_poll_init(&program->loop, &poll, door) == 0);
    own_door = door;
    uv_unref((uv_handle_t *)&poll);
    BW_ASSERT(uv_poll_start(&poll, UV_READABLE, on_door) == 0);
    (void)uv_run(&program->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&poll, NULL);
    bw_program_end(program);
    free(program);
    _exit(status);
}

struct start {
    const char *config;
    int door; /* -1: the program is executed */
};

static bool enter_witness(void *user)
{
    const struct start *start = user;

    if (start->door >= 0)
        run_forked(start->config, start->door);
    return true;
}

void trio_start(struct trio *trio, int i, enum trio_how how)
{
    char config[TRIO_PATH_BYTES];
    char log[TRIO_PATH_BYTES];
    struct start start = {config, -1};
    const struct bw_lab_daemon daemon = {.program = program_path(),
                                         .role = BW_LAB_WITNESS,
                                         .config = config,
                                         .log = log,
                                         .enter = enter_witness,
                                         .user = &start};
    int door[2] = {-1, -1};
    pid_t pid = 0;

    BW_ASSERT(trio->pids[i] == 0);
    numbered_path(trio, "w%d.yaml", i, config);
    numbered_path(trio, "w%d.log", i, log);
    if (how == TRIO_FORKED)
        BW_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, door) == 0);
    start.door = door[1];
    BW_ASSERT(bw_lab_spawn(&daemon, &pid, NULL) == BW_OK);
    trio->pids[i] = pid;
    if (how == TRIO_FORKED)
        (void)close(door[1]);
    trio->doors[i] = door[0];
}

void trio_start_all(struct trio *trio, enum trio_how how)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_start(trio, i, how);
}

void trio_signal(const struct trio *trio, int i, int signal)
{
    BW_ASSERT(trio->pids[i] > 0);
    BW_ASSERT(kill(trio->pids[i], signal) == 0);
}

int trio_stop(struct trio *trio, int i, int signal)
{
    int status;

    if (signal != 0)
        trio_signal(trio, i, signal);
    status = wait_for(trio->pids[i]);
    trio->pids[i] = 0;
    if (trio->doors[i] >= 0)
        (void)close(trio->doors[i]);
    trio->doors[i] = -1;
    if (status < 0)
        patience_fail("witness w%d ends", i + 1);
    return status;
}

static unsigned times_in_file(const char *path, const char *text)
{
    static char content[4 * 1024 * 1024];
    FILE *file = fopen(path, "r");
    unsigned times = 0;
    size_t size;

    if (file == NULL)
        return 0;
    size = fread(content, 1, sizeof content - 1, file);
    (void)fclose(file);
    content[size] = '\0';
    for (const char *at = content; (at = strstr(at, text)) != NULL; at++)
        times++;
    return times;
}

unsigned trio_times_logged(const struct trio *trio, int i, const char *text)
{
    char path[TRIO_PATH_BYTES];

    numbered_path(trio, "w%d.log", i, path);
    return times_in_file(path, text);
}

bool trio_has_logged(const struct trio *trio, int i, const char *text)
{
    return trio_times_logged(trio, i, text) > 0;
}

void trio_logs_times(const struct trio *trio, int i, const char *text, unsigned times)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    while (trio_times_logged(trio, i, text) < times) {
        if (patience_is_over(&patience))
            patience_fail("w%d logs %u times, not %u: %s", i + 1, trio_times_logged(trio, i, text), times, text);
        (void)usleep(STEP_US);
    }
}

void trio_logs(const struct trio *trio, int i, const char *text)
{
    trio_logs_times(trio, i, text, 1);
}

/* ---- making ---- */

static void found_all(struct trio *trio)
{
    char id[64] = "";

    for (int i = 0; i < TRIO_WITNESSES; i++) {
        char config[TRIO_PATH_BYTES];
        char out[128];
        char *first[] = {NULL, "witness", "init", "-c", config, NULL};
        char *further[] = {NULL, "witness", "init", "-c", config, "--cluster-id", id, NULL};

        numbered_path(trio, "w%d.yaml", i, config);
        BW_ASSERT(trio_run(trio, i == 0 ? first : further, out, sizeof out) == 0);
        out[strcspn(out, "\n")] = '\0';
        BW_ASSERT(i == 0 || strcmp(id, out) == 0);
        (void)bw_copy_text(id, sizeof id, out);
    }
    BW_ASSERT(bw_id_parse(id, &trio->cluster_id));
}

static struct bw_credentials *issue(struct trio *trio, const char *file, const char *uri)
{
    struct bw_credentials *credentials;
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&trio->pki, file, uri, path);
    BW_ASSERT(bw_credentials_load(trio->pki.ca_path, path, &credentials, NULL) == BW_OK);
    return credentials;
}

void trio_init(struct trio *trio)
{
    trio_init_slow(trio, TRIO_ELECTION_MS);
}

static uint16_t take(struct test_port *port)
{
    test_port_take(port);
    return port->number;
}

void trio_init_slow(struct trio *trio, unsigned election_ms)
{
    memset(trio, 0, sizeof *trio);
    trio->election_ms = election_ms;
    (void)signal(SIGPIPE, SIG_IGN);
    test_pki_init(&trio->pki);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        char file[16];
        char uri[64];
        char path[TEST_PKI_PATH_BYTES];

        trio->doors[i] = -1;
        trio->api[i] = take(&trio->ports[2 * i]);
        trio->raft[i] = take(&trio->ports[2 * i + 1]);
        (void)snprintf(file, sizeof file, "w%d.pem", i + 1);
        (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/w%d", i + 1);
        test_pki_issue_uri(&trio->pki, file, uri, path);
    }
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_configure(trio, i, NULL);
    trio->viewer = issue(trio, "viewer.pem", "breakwater://prod/viewer/v");
    found_all(trio);
}

static void lose_all(struct trio *trio)
{
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        char path[TRIO_PATH_BYTES];

        if (trio->pids[i] > 0)
            (void)trio_stop(trio, i, SIGKILL);
        numbered_path(trio, "data%d", i, path);
        janitor_remove_dir(path);
    }
}

void trio_found_anew(struct trio *trio)
{
    lose_all(trio);
    found_all(trio);
}

void trio_deinit(struct trio *trio)
{
    lose_all(trio);
    bw_credentials_free(trio->viewer);
    for (int i = 0; i < 2 * TRIO_WITNESSES; i++)
        test_port_release(&trio->ports[i]);
    test_pki_deinit(&trio->pki);
}

/* ---- asking ---- */

static int call(const struct bw_credentials *credentials, uint16_t port, const char *method,
                const char *path, const void *body, size_t size, struct bw_http_reply *out_reply)
{
    char url[256];
    const struct bw_http_call request = {.method = method,
                                         .url = url,
                                         .content_type = body != NULL ? "application/protobuf" : NULL,
                                         .body = body,
                                         .body_size = size,
                                         .timeout_ms = TRIO_CALL_MS,
                                         .connect_timeout_ms = CALL_MS,
                                         .response_bytes_max = 1024 * 1024};
    struct bw_diag diag = {0};

    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d%s", port, path);
    return bw_http_client_call(credentials, &request, out_reply, &diag) == BW_OK ? out_reply->status
                                                                                 : 0;
}

static bool is_ready(const struct trio *trio, int i)
{
    struct bw_http_reply reply;
    int status = call(trio->viewer, trio->api[i], "GET", "/readyz", NULL, 0, &reply);

    bw_http_reply_deinit(&reply);
    return status == 200;
}

int trio_leader(struct trio *trio)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    struct puppet observer;
    int leader = -1;

    puppet_init(&observer, trio, "nowhere", "nothing");
    while (leader < 0 && !patience_is_over(&patience)) {
        bool are_ready = true;

        for (int i = 0; i < TRIO_WITNESSES; i++)
            are_ready = are_ready && (trio->pids[i] == 0 || is_ready(trio, i));
        for (int i = 0; are_ready && i < TRIO_WITNESSES; i++)
            if (trio->pids[i] > 0 && puppet_sync(&observer, i) == 200 && observer.answer.is_leader)
                leader = i;
        (void)usleep(STEP_US);
    }
    puppet_deinit(&observer);
    if (leader < 0)
        patience_fail("a witness leads, and the others follow it");
    return leader;
}

int trio_follower(struct trio *trio)
{
    int leader = trio_leader(trio);

    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != leader && trio->pids[i] > 0)
            return i;
    BW_ASSERT(false);
    return -1;
}

/* True: this witness says that it has applied it, or is gone, as one is that cannot. */
static bool hear_echo(int door, uint8_t number)
{
    const uint64_t limit = bw_clock_now().boot_ns + ECHO_MS * BW_NS_PER_MS;
    struct echo echo = {0};
    ssize_t got;

    while (bw_clock_now().boot_ns < limit) {
        got = recv(door, &echo, sizeof echo, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
        if (got == (ssize_t)sizeof echo && echo.number == number)
            return echo.is_applied != 0;
        if (got < 0)
            (void)usleep(STEP_US / 10);
    }
    return false; /* it leads no majority, say */
}

/* A leader may be replaced on the way, and its entry lost: again until one was applied. */
static void knock(struct trio *trio, char kind, const void *data, size_t size)
{
    static struct knock knock;
    struct patience patience = patience_begin(KNOCK_MS);
    bool is_applied = false;

    BW_ASSERT(size <= sizeof knock.entry);
    knock.kind = (uint8_t)kind;
    memcpy(knock.entry, data, size);
    while (!is_applied) {
        if (patience_is_over(&patience))
            patience_fail("a leader applies the entry");
        (void)trio_leader(trio);
        knock.number++;
        for (int i = 0; i < TRIO_WITNESSES; i++)
            if (trio->doors[i] >= 0)
                (void)send(trio->doors[i], &knock, offsetof(struct knock, entry) + size,
                           MSG_NOSIGNAL); /* whoever is gone does not answer either */
        for (int i = 0; i < TRIO_WITNESSES; i++)
            if (trio->doors[i] >= 0)
                is_applied = hear_echo(trio->doors[i], knock.number) || is_applied;
    }
}

void trio_propose(struct trio *trio, const struct bw_command *command)
{
    static uint8_t entry[BW_COMMAND_BYTES_MAX];
    size_t size;

    BW_ASSERT(bw_log_entry_encode(command, entry, sizeof entry, &size, NULL) == BW_OK);
    knock(trio, 'p', entry, size);
}

void trio_append(struct trio *trio, const void *data, size_t size)
{
    knock(trio, 'r', data, size);
}

/* ---- puppets ---- */

void puppet_init(struct puppet *puppet, struct trio *trio, const char *site, const char *name)
{
    char uri[160];
    char file[80];

    memset(puppet, 0, sizeof *puppet);
    puppet->trio = trio;
    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent-1", site);
    (void)snprintf(file, sizeof file, "agent-%s.pem", site);
    puppet->credentials = issue(trio, file, uri);
    BW_ASSERT(bw_copy_text(puppet->site, sizeof puppet->site, site));
    (void)snprintf((char *)puppet->instance.bytes, sizeof puppet->instance.bytes, "i-%s", site);
    (void)snprintf((char *)puppet->session.bytes, sizeof puppet->session.bytes, "s-%s", site);
    BW_ASSERT(bw_copy_text(puppet->group.name, sizeof puppet->group.name, name));
    puppet->group.report = (struct bw_report){.joined_epoch = UINT64_MAX, /* owes no rejoin */
                                              .guard_alive = true,
                                              .service = BW_SERVICE_STOPPED,
                                              .condition = BW_CONDITION_START,
                                              .check_interval_ms = 1000,
                                              .reach = BW_REACH_CGROUP,
                                              .reach_works = true,
                                              .sight = {.seen = BW_REACH_INSIDE, .proved = true, .digest = 1},
                                              .fence_bound_ms = 100};
}

void puppet_deinit(struct puppet *puppet)
{
    bw_credentials_free(puppet->credentials);
    bw_sync_answer_deinit(&puppet->answer);
}

static void keep_answer(struct puppet *puppet, const struct bw_http_reply *reply)
{
    struct bw_diag diag = {0};

    if (puppet->status != 200)
        return;
    bw_sync_answer_deinit(&puppet->answer);
    if (bw_sync_answer_decode(reply->body, reply->body_size, &puppet->answer, &diag) != BW_OK) {
        (void)fprintf(stderr, "answer: %s\n", diag.text);
        BW_ASSERT(false);
    }
}

static int send_sync(struct puppet *puppet, int i)
{
    uint8_t *body = malloc(BW_BODY_BYTES_MAX); /* not static: puppets live in two threads */
    struct bw_sync sync = {.cluster_id = puppet->trio->cluster_id,
                           .generation = 1,
                           .agent = "agent-1",
                           .instance = puppet->instance,
                           .session = puppet->session,
                           .boot_id = puppet->session,
                           .feature_level = BW_FEATURE_LEVEL_NEWEST,
                           .guard_level = BW_FEATURE_LEVEL_NEWEST,
                           .number = puppet->number,
                           .wants_relay = puppet->wants_relay,
                           .group_count = 1,
                           .groups = &puppet->group,
                           .exchange_count = puppet->exchanges.count};
    struct bw_http_reply reply;
    size_t size;

    memcpy(sync.exchanges, puppet->exchanges.list, sizeof sync.exchanges);
    BW_ASSERT(bw_copy_text(sync.site, sizeof sync.site, puppet->site));
    BW_ASSERT(body != NULL);
    BW_ASSERT(bw_sync_encode(&sync, body, BW_BODY_BYTES_MAX, &size, NULL) == BW_OK);
    puppet->status = call(puppet->credentials, puppet->trio->api[i], "POST", "/v1/agent/sync", body,
                          size, &reply);
    free(body);
    keep_answer(puppet, &reply);
    bw_http_reply_deinit(&reply);
    return puppet->status;
}

/* By the clocks of this machine: who plays long is not slow of clock (3.8). */
static void note_exchange(struct puppet *puppet, struct bw_instant sent)
{
    struct bw_exchange exchange = {
        .number = puppet->answer.number, .sent = sent, .answered = bw_clock_now()};

    memcpy(exchange.witness, puppet->answer.witness, sizeof exchange.witness);
    bw_exchanges_note(&puppet->contact, &exchange);
}

int puppet_sync(struct puppet *puppet, int i)
{
    const struct bw_instant sent = bw_clock_now();

    puppet->number++;
    (void)send_sync(puppet, i);
    if (puppet->status == 200)
        note_exchange(puppet, sent);
    puppet->exchanges = puppet->contact;
    return puppet->status;
}

bool puppet_sync_all(struct puppet *puppet)
{
    struct bw_sync_answer best = {0};

    puppet->number++;
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const struct bw_instant sent = bw_clock_now();

        if (puppet->trio->pids[i] == 0 || send_sync(puppet, i) != 200)
            continue;
        note_exchange(puppet, sent);
        if (!puppet->answer.is_leader)
            continue;
        bw_sync_answer_deinit(&best);
        best = puppet->answer;
        puppet->answer = (struct bw_sync_answer){0};
    }
    bw_sync_answer_deinit(&puppet->answer);
    puppet->answer = best;
    puppet->exchanges = puppet->contact;
    return best.is_leader;
}

int puppet_poll(struct puppet *puppet, int i, uint64_t after, const char *wait)
{
    struct bw_http_reply reply;
    char path[96];

    (void)snprintf(path, sizeof path, "/v1/agent/orders?after=%llu&wait=%s",
                   (unsigned long long)after, wait);
    puppet->status = call(puppet->credentials, puppet->trio->api[i], "GET", path, NULL, 0, &reply);
    keep_answer(puppet, &reply);
    bw_http_reply_deinit(&reply);
    return puppet->status;
}

int puppet_post(struct puppet *puppet, int i, const char *path, const void *body, size_t size)
{
    struct bw_http_reply reply;
    int status = call(puppet->credentials, puppet->trio->api[i], "POST", path, body, size, &reply);

    bw_http_reply_deinit(&reply);
    return status;
}

const struct bw_sync_answer_group *puppet_answer(const struct puppet *puppet)
{
    for (uint32_t i = 0; i < puppet->answer.group_count; i++)
        if (strcmp(puppet->answer.groups[i].name, puppet->group.name) == 0)
            return &puppet->answer.groups[i];
    return NULL;
}
