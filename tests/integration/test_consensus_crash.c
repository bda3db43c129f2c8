/* consensus: members as processes that are killed under load, or between two steps of libraft, and run
 * out of disk. I3: what was acknowledged survives. The seed is printed; SEED=... replays the choices.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/prng.h>

#include "faults.h"
#include "lacking.h"
#include "patience.h"
#include "test_shell.h"
#include "test_witness.h"

#define WAIT_MS    30000 /* for what must happen, on an idle machine: patience.h */
#define BLOCK_IDS  5000 /* ids of one order */
#define IN_FLIGHT  16
#define KILLS_MIN        5
#define ACKNOWLEDGED_MIN 100
#define CONTROL_FD 100

/* ---- what passes between the test and its processes ----------------------------------------- */

struct order {
    uint64_t first; /* submit ids from here on, BLOCK_IDS at most; 0: submit no more */
    uint64_t size;  /* bytes of a command */
    uint64_t in_flight; /* so many at once; 0: IN_FLIGHT */
    uint64_t dump;  /* not 0: write the state to a file and say so */
};

enum kind { ACKNOWLEDGED = 1, STATUS, DUMPED };

struct report {
    uint64_t kind;
    uint64_t id; /* ACKNOWLEDGED */
    uint64_t is_ready, term, count, hash;
};

/* ---- the process ---------------------------------------------------------------------------- */

static struct {
    struct test_witness witness;
    struct test_cluster cluster;
    uv_poll_t control;
    uv_timer_t beat;
    uint64_t next, end, size;
    unsigned in_flight;
    uint64_t in_flight_max;
} process;

/* Waits until the test reads, which it does whatever it waits for: libuv has made the socket one that
 * does not block. */
static void tell(struct report report)
{
    struct pollfd room = {.fd = CONTROL_FD, .events = POLLOUT};

    while (send(CONTROL_FD, &report, sizeof report, 0) != (ssize_t)sizeof report)
        if (errno != EAGAIN || poll(&room, 1, -1) < 0)
            _exit(0); /* the test is gone */
}

static void submit_more(void);

static void on_done(void *user, enum bw_err err, uint64_t index)
{
    (void)index;
    process.in_flight--;
    if (err == BW_OK)
        tell((struct report){.kind = ACKNOWLEDGED, .id = (uintptr_t)user});
    submit_more();
}

static void submit_more(void)
{
    static uint8_t command[BW_COMMAND_BYTES_MAX];

    while (process.in_flight < process.in_flight_max && process.next < process.end) {
        bw_put_u64le(command, process.next);
        if (bw_node_apply(process.witness.node, command, process.size, on_done,
                          (void *)(uintptr_t)process.next) != BW_OK)
            return;
        process.next++;
        process.in_flight++;
    }
}

static void dump_state(void)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/state%d", process.cluster.dir, (int)process.witness.id);
    file = fopen(path, "w");
    BW_ASSERT(file != NULL);
    BW_ASSERT(fwrite(&process.witness.state, sizeof process.witness.state, 1, file) == 1);
    BW_ASSERT(fclose(file) == 0);
    tell((struct report){.kind = DUMPED});
}

static void on_order(uv_poll_t *poll_handle, int status, int events)
{
    struct order order;

    (void)poll_handle, (void)status, (void)events;
    if (recv(CONTROL_FD, &order, sizeof order, MSG_DONTWAIT) != (ssize_t)sizeof order)
        _exit(0); /* the test is gone */
    if (order.dump != 0) {
        dump_state();
        return;
    }
    process.next = order.first;
    process.end = order.first == 0 ? 0 : order.first + BLOCK_IDS;
    process.size = order.size;
    process.in_flight_max = order.in_flight != 0 ? order.in_flight : IN_FLIGHT;
}

static void on_beat(uv_timer_t *timer)
{
    struct test_witness *witness = &process.witness;

    (void)timer;
    submit_more();
    tell((struct report){.kind = STATUS,
                         .is_ready = bw_node_is_ready(witness->node),
                         .term = test_witness_term(witness->node),
                         .count = witness->state.count,
                         .hash = witness->state.hash});
}

static int run_process(const char *dir, uint64_t id)
{
    uv_loop_t *loop = uv_default_loop();
    struct bw_diag diag = {0};
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/cluster", dir);
    file = fopen(path, "r");
    BW_ASSERT(file != NULL && fread(&process.cluster, sizeof process.cluster, 1, file) == 1);
    (void)fclose(file);
    process.witness.exits_on_stop = true;
    if (test_witness_start(&process.witness, &process.cluster, id, loop, &diag) != BW_OK) {
        (void)fprintf(stderr, "witness %d: %s\n", (int)id, diag.text);
        return 1;
    }
    BW_ASSERT(uv_poll_init(loop, &process.control, CONTROL_FD) == 0);
    BW_ASSERT(uv_poll_start(&process.control, UV_READABLE, on_order) == 0);
    BW_ASSERT(uv_timer_init(loop, &process.beat) == 0);
    BW_ASSERT(uv_timer_start(&process.beat, on_beat, 10, 10) == 0);
    return uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- the test's side ------------------------------------------------------------------------ */

struct member {
    pid_t pid; /* 0: not running */
    int control;
    struct report last;
    bool is_dumped;
    int exit_status; /* of an exit that nobody asked for, else -1 */
};

static struct test_cluster cluster;
static struct member members[TEST_WITNESSES];
static uint8_t acknowledged[TEST_IDS_MAX / 8];
static unsigned acknowledged_count;
static struct bw_prng prng;

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void launch(unsigned number)
{
    struct member *member = &members[number];
    char id[4];
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    (void)snprintf(id, sizeof id, "%u", number + 1);
    *member = (struct member){.exit_status = -1};
    member->pid = fork();
    assert_true(member->pid >= 0);
    if (member->pid == 0) {
        for (int i = 0; i < TEST_WITNESSES; i++)
            (void)fcntl(cluster.listeners[i], F_SETFD, 0);
        if (dup2(pair[1], CONTROL_FD) == CONTROL_FD)
            (void)execl("/proc/self/exe", "test_consensus_crash", "--node", cluster.dir, id,
                        (char *)NULL);
        _exit(127);
    }
    (void)close(pair[1]);
    member->control = pair[0];
}

static void take_report(struct member *member, const struct report *report)
{
    if (report->kind == ACKNOWLEDGED) {
        acknowledged[report->id / 8] |= (uint8_t)(1u << report->id % 8);
        acknowledged_count++;
    } else if (report->kind == DUMPED) {
        member->is_dumped = true;
    } else {
        member->last = *report;
    }
}

/* Reads all that `member` has said; what a killed process said before counts too. */
static void drain(struct member *member)
{
    struct report report;

    while (member->control >= 0 &&
           recv(member->control, &report, sizeof report, MSG_DONTWAIT) == (ssize_t)sizeof report)
        take_report(member, &report);
}

static void watch(unsigned limit_ms)
{
    struct pollfd polls[TEST_WITNESSES];

    for (int i = 0; i < TEST_WITNESSES; i++)
        polls[i] = (struct pollfd){.fd = members[i].pid != 0 ? members[i].control : -1,
                                   .events = POLLIN};
    (void)poll(polls, TEST_WITNESSES, (int)limit_ms);
    for (int i = 0; i < TEST_WITNESSES; i++) {
        int status;

        if (members[i].pid == 0)
            continue;
        drain(&members[i]);
        if (waitpid(members[i].pid, &status, WNOHANG) != members[i].pid)
            continue;
        drain(&members[i]);
        members[i].exit_status = status;
        members[i].pid = 0;
        members[i].last.is_ready = 0;
        (void)close(members[i].control);
    }
}

static void watch_for(unsigned duration_ms)
{
    uint64_t end = now_ms() + duration_ms;

    while (now_ms() < end)
        watch((unsigned)(end - now_ms()));
}

static void wait_until(bool (*is_met)(void))
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!is_met() && !patience_is_over(&patience))
        watch(10);
    if (is_met())
        return;
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        print_message("witness %u: pid %d, leads %d, term %" PRIu64 ", %" PRIu64 " applied\n", i + 1, (int)members[i].pid,
                      (int)members[i].last.is_ready, members[i].last.term, members[i].last.count);
    patience_fail("the witnesses come to what is expected");
}

static void end_process(unsigned number)
{
    struct member *member = &members[number];
    int status;

    if (member->pid == 0)
        return;
    (void)kill(member->pid, SIGKILL);
    (void)waitpid(member->pid, &status, 0);
    drain(member);
    member->pid = 0;
    member->last.is_ready = 0;
    (void)close(member->control);
}

static int leader_place(void)
{
    int best = -1;

    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (members[i].pid != 0 && members[i].last.is_ready &&
            (best < 0 || members[i].last.term > members[best].last.term))
            best = i;
    }
    return best;
}

static bool has_leader(void)
{
    return leader_place() >= 0;
}

static void launch_all(void)
{
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        launch(i);
}

static void launch_others(unsigned number)
{
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        if (i != number)
            launch(i);
}

static void end_all(void)
{
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        end_process(i);
}

static void order(unsigned number, struct order what)
{
    if (members[number].pid != 0)
        (void)send(members[number].control, &what, sizeof what, MSG_NOSIGNAL);
}

static bool all_agree(void)
{
    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (members[i].pid == 0 || members[i].last.count != members[0].last.count ||
            members[i].last.hash != members[0].last.hash)
            return false;
    }
    return members[0].last.count >= acknowledged_count && has_leader();
}

static bool all_dumped(void)
{
    for (int i = 0; i < TEST_WITNESSES; i++) {
        if (!members[i].is_dumped)
            return false;
    }
    return true;
}

static void check_that_nothing_is_lost(void)
{
    static struct test_state state;
    unsigned lost = 0;
    char path[128];

    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        order(i, (struct order){0});
    wait_until(all_agree);
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        order(i, (struct order){.dump = 1});
    wait_until(all_dumped);
    for (unsigned i = 0; i < TEST_WITNESSES; i++) {
        FILE *file;

        (void)snprintf(path, sizeof path, "%s/state%u", cluster.dir, i + 1);
        file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fread(&state, sizeof state, 1, file), 1);
        (void)fclose(file);
        for (uint64_t id = 0; id < TEST_IDS_MAX; id++)
            lost += (acknowledged[id / 8] >> id % 8 & 1) != 0 && !test_state_has(&state, id);
    }
    assert_int_equal(lost, 0);
}

static void save_cluster(void)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/cluster", cluster.dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(&cluster, sizeof cluster, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1; /* tests/hygiene/seeds.table */

    (void)state;
    print_message("again with: SEED=%" PRIu64 " tests/run one test_consensus_crash\n", seed);
    bw_prng_init(&prng, seed);
    memset(acknowledged, 0, sizeof acknowledged);
    acknowledged_count = 0;
    memset(members, 0, sizeof members);
    test_cluster_init(&cluster);
    cluster.election_ms = 300;
    cluster.heartbeat_ms = 50;
    cluster.snapshot_threshold = 200;
    cluster.snapshot_trailing = 50;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_all();
    test_cluster_deinit(&cluster);
    return 0;
}

static void found_all(void)
{
    for (uint64_t id = 1; id <= TEST_WITNESSES; id++)
        assert_int_equal(test_cluster_found(&cluster, id, NULL), BW_OK);
    save_cluster();
}

/* ---- killed under load ---------------------------------------------------------------------- */

/* A leader, a follower, leader and follower, or all. */
static unsigned kill_some(unsigned leader)
{
    unsigned mode = (unsigned)bw_prng_below(&prng, 4);
    unsigned other = (leader + 1 + (unsigned)bw_prng_below(&prng, 2)) % TEST_WITNESSES;
    unsigned killed = 0;

    for (unsigned i = 0; i < TEST_WITNESSES; i++) {
        if (mode == 3 || (i == leader && mode != 1) || (i == other && mode != 0)) {
            end_process(i);
            killed |= 1u << i;
        }
    }
    return killed;
}

static void nothing_acknowledged_is_lost_by_kills_under_load(void **state)
{
    const uint64_t begin = now_ms();
    struct patience patience = patience_begin(2 * WAIT_MS); /* from the first to the last kill */
    uint64_t first = 1;
    unsigned kills = 0;

    (void)state;
    found_all();
    launch_all();
    /* 15 s, and as long as a slow machine needs for enough of it. */
    while ((now_ms() < begin + 15000 || kills < KILLS_MIN ||
            acknowledged_count < ACKNOWLEDGED_MIN) &&
           !patience_is_over(&patience) && first + BLOCK_IDS < TEST_IDS_MAX) {
        unsigned killed;

        wait_until(has_leader);
        order((unsigned)leader_place(), (struct order){.first = first, .size = 200});
        first += BLOCK_IDS;
        watch_for(50 + (unsigned)bw_prng_below(&prng, 600));
        if (!has_leader())
            continue;
        killed = kill_some((unsigned)leader_place());
        watch_for((unsigned)bw_prng_below(&prng, 400));
        for (unsigned i = 0; i < TEST_WITNESSES; i++) {
            if ((killed >> i & 1) != 0) {
                kills++;
                launch(i);
            } else if (members[i].pid == 0) {
                fail_msg("witness %u ended by itself, status %d", i + 1, members[i].exit_status);
            }
        }
    }
    check_that_nothing_is_lost();
    print_message("%u kills, %u acknowledged\n", kills, acknowledged_count);
    if ((kills < KILLS_MIN || acknowledged_count < ACKNOWLEDGED_MIN) && patience_is_over(&patience))
        patience_fail("%u kills and %u acknowledgements are seen", KILLS_MIN, ACKNOWLEDGED_MIN);
    assert_true(kills >= KILLS_MIN && acknowledged_count >= ACKNOWLEDGED_MIN);
}

/* ---- killed inside of an installation ------------------------------------------------------- */

static unsigned wanted_acknowledged;
static unsigned lone; /* the place of the one that it is about */

static bool has_acknowledged(void)
{
    return acknowledged_count >= wanted_acknowledged;
}

static bool lone_has_started(void)
{
    return members[lone].last.kind == STATUS;
}

/* Keeps orders coming until `is_met`: leaders and terms may change on the way. */
static void load_until(bool (*is_met)(void), uint64_t *first)
{
    struct patience patience = patience_begin(WAIT_MS);
    uint64_t loaded_term = 0;

    while (!is_met()) {
        int leader = leader_place();

        if (patience_is_over(&patience))
            patience_fail("orders bring it about; %u are acknowledged", acknowledged_count);
        if (leader >= 0 && members[leader].last.term != loaded_term &&
            *first + BLOCK_IDS < TEST_IDS_MAX) {
            order((unsigned)leader, (struct order){.first = *first, .size = 8000});
            *first += BLOCK_IDS;
            loaded_term = members[leader].last.term;
        }
        watch(10);
    }
}

/* Closes what is in its log, and keeps blank segments ready. */
static void start_and_kill_alone(void)
{
    end_all();
    launch(lone);
    wait_until(lone_has_started);
    end_process(lone);
}

/* L24, truncation: the copy is written, the long segment goes. L23, installation: the old log is
 * closed, the snapshot is there, the old log goes (put back here).
 * Once more, because what is left of it spoils the start after the next one. */
static void a_kill_between_the_steps_of_libraft_is_no_damage(void **state)
{
    uint64_t first = 1;
    char dir[128];

    (void)state;
    found_all();
    launch_all();
    wanted_acknowledged = 5; /* before there is a snapshot, beside which libraft forgives */
    load_until(has_acknowledged, &first);
    lone = ((unsigned)leader_place() + 1) % TEST_WITNESSES;
    test_cluster_path(&cluster, lone + 1, dir);

    start_and_kill_alone();
    test_shell("cd %s/raft && set -- $(ls | grep '^[0-9]*-[0-9]*$' | tail -1) && "
          "echo torn >\"${1%%-*}-$(printf %%016d $(expr ${1#*-} - 1))\"", dir);
    launch_all();
    check_that_nothing_is_lost();

    end_process(lone);
    wanted_acknowledged = acknowledged_count + 5 * (unsigned)cluster.snapshot_threshold;
    load_until(has_acknowledged, &first);
    start_and_kill_alone();
    test_shell("mkdir %s/old && cp %s/raft/[0-9]*-[0-9]* %s/old/", dir, dir, dir);
    launch_all();
    check_that_nothing_is_lost();
    start_and_kill_alone();
    test_shell("cd %s && ls raft/open-* raft/snapshot-* >/dev/null && rm -f raft/[0-9]*-[0-9]* && "
          "mv old/* raft/ && rmdir old", dir);
    launch_all();
    check_that_nothing_is_lost();

    start_and_kill_alone();
    launch_all();
    check_that_nothing_is_lost();
}

/* ---- killed inside of a truncation ---------------------------------------------------------- */

#define CUT_SIZE      65000 /* bytes of a command: some hundred fill a segment of libraft's */
#define CUT_IN_FLIGHT 500
#define CUT_KILLS     3
#define CUT_TRIES     20
#define CUT_AHEAD     300 /* entries, more than it has */
/* A leader that is alone leads for so long: to fill several segments takes tenths of a second on an idle machine. */
#define CUT_ELECTION_MS 3000

/* libraft removes a closed segment by this, through libuv: the member is killed instead of the one that
 * BW_TEST_KILL_AT counts, from 1 on. A copy that was left behind goes by unlinkat. */
int unlink(const char *path)
{
    static int removed;
    const char *at = getenv("BW_TEST_KILL_AT");
    const char *name = strrchr(path, '/');
    unsigned long long first, last;

    if (at != NULL && name != NULL && sscanf(name, "/%16llu-%16llu", &first, &last) == 2 &&
        ++removed == atoi(at))
        (void)raise(SIGKILL);
    return (int)syscall(SYS_unlink, path);
}

/* Closed, and full of what only one that leads alone is told to take: others may be closed late. */
static unsigned segments_to_be_cut(unsigned number)
{
    char pattern[160];
    char dir[128];
    unsigned count = 0;
    glob_t found = {0};

    test_cluster_path(&cluster, number + 1, dir);
    (void)snprintf(pattern, sizeof pattern, "%s/raft/[01]*-[01]*", dir);
    assert_in_range(glob(pattern, 0, NULL, &found), 0, GLOB_NOMATCH);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        unsigned long long first, last;
        struct stat about;

        count += sscanf(strrchr(found.gl_pathv[i], '/'), "/%16llu-%16llu", &first, &last) == 2 &&
                 stat(found.gl_pathv[i], &about) == 0 && (uint64_t)about.st_size >= (last - first + 1) * CUT_SIZE;
    }
    globfree(&found);
    return count;
}

static unsigned cut_before;

static bool lone_has_much(void)
{
    return segments_to_be_cut(lone) >= cut_before + CUT_KILLS;
}

static bool lone_has_ended(void)
{
    return members[lone].pid == 0;
}

static bool lone_is_done(void)
{
    return lone_has_much() || leader_place() != (int)lone;
}

/* A leader that nobody follows any more fills several segments. On a slow machine it is none any more
 * before it has begun: false, and the others are back. */
static bool lone_fills_segments(uint64_t *first)
{
    wait_until(has_leader);
    lone = (unsigned)leader_place();
    for (unsigned i = 0; i < TEST_WITNESSES; i++)
        if (i != lone)
            end_process(i);
    cut_before = segments_to_be_cut(lone);
    order(lone, (struct order){.first = *first, .size = CUT_SIZE, .in_flight = CUT_IN_FLIGHT});
    *first += BLOCK_IDS;
    wait_until(lone_is_done);
    if (lone_has_much())
        return true;
    launch_others(lone);
    return false;
}

/* The others go on without it. */
static void leave_much_to_be_cut(uint64_t *first)
{
    int tries = 1;

    while (!lone_fills_segments(first))
        assert_true(tries++ < CUT_TRIES);
    end_process(lone);
    launch_others(lone);
    wanted_acknowledged = acknowledged_count + 5;
    load_until(has_acknowledged, first);
}

/* L24: what a truncation over several closed segments has left is known by its note, and by nothing
 * else: without it a hole is damage. */
static void a_kill_between_the_steps_of_a_long_truncation_is_no_damage(void **state)
{
    uint64_t first = 1;
    char dir[128];
    char at[4];

    (void)state;
    cluster.snapshot_threshold = 100000; /* nobody catches up by a snapshot */
    cluster.election_ms = CUT_ELECTION_MS;
    found_all();
    launch_all();
    for (unsigned kill_at = 1; kill_at <= CUT_KILLS; kill_at++) {
        leave_much_to_be_cut(&first);
        (void)snprintf(at, sizeof at, "%u", kill_at);
        assert_int_equal(setenv("BW_TEST_KILL_AT", at, 1), 0);
        launch(lone);
        assert_int_equal(unsetenv("BW_TEST_KILL_AT"), 0);
        wait_until(lone_has_ended);
        assert_true(WIFSIGNALED(members[lone].exit_status));

        test_cluster_path(&cluster, lone + 1, dir);
        if (kill_at == 2) { /* a hole is there */
            test_shell("mv %s/cut %s/cut.aside", dir, dir);
            launch(lone);
            wait_until(lone_has_ended);
            assert_int_equal(WEXITSTATUS(members[lone].exit_status), 1);
            test_shell("mv %s/cut.aside %s/cut", dir, dir);
        }
        launch(lone);
        check_that_nothing_is_lost();
    }
}

static bool lone_has_ended_or_caught_up(void)
{
    const int leader = leader_place();

    return lone_has_ended() || (leader >= 0 && members[leader].last.count > 0 &&
                                members[lone].last.count >= members[leader].last.count);
}

/* L30: there is room for the note of a truncation, and none for the copy; libraft goes on all the same. */
static void a_truncation_that_fails_ends_the_witness_and_the_next_start_has_it_all(void **state)
{
    uint64_t first = 1;
    char faults[128];

    (void)state;
    cluster.snapshot_threshold = 100000;
    cluster.election_ms = CUT_ELECTION_MS;
    found_all();
    launch_all();
    leave_much_to_be_cut(&first);
    wanted_acknowledged = acknowledged_count + CUT_AHEAD; /* what was numbered wrong would match */
    load_until(has_acknowledged, &first);
    (void)snprintf(faults, sizeof faults, "%s/faults", cluster.dir);
    faults_say(faults, "write /raft/tmp- 28\n"); /* ENOSPC */
    faults_begin(faults);
    assert_int_equal(setenv("FAULT_PROGRAM", "test_consensus_crash", 1), 0);
    launch(lone);
    faults_end();
    wait_until(lone_has_ended_or_caught_up);
    end_process(lone);
    const int status = members[lone].exit_status;

    end_all();
    launch_others(lone); /* a new leader asks from its own end on */
    wait_until(has_leader);
    launch(lone);
    check_that_nothing_is_lost();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), BW_STOP_RESTART);
}

/* ---- a full disk ---------------------------------------------------------------------------- */

static void a_full_disk_stops_one_witness_and_not_the_cluster(void **state)
{
    uint64_t first = 1;
    char path[128], filler[192];

    (void)state;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip_lacking("mounts"); /* only root can make a small disk */
    cluster.snapshot_threshold = 100000; /* the log alone */
    test_cluster_path(&cluster, 1, path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mount("none", path, "tmpfs", 0, "size=12m,mode=700"), 0);
    found_all();
    launch_all();
    wanted_acknowledged = 50;
    load_until(has_acknowledged, &first);

    (void)snprintf(filler, sizeof filler, "%s/filler", path);
    test_shell("cat /dev/zero >%s 2>/dev/null; test -s %s", filler, filler);
    lone = 0;
    load_until(lone_has_ended, &first);
    assert_true(WIFEXITED(members[0].exit_status));
    assert_int_equal(WEXITSTATUS(members[0].exit_status), BW_STOP_RESTART);
    wanted_acknowledged = acknowledged_count + 500;
    load_until(has_acknowledged, &first);

    assert_int_equal(unlink(filler), 0);
    assert_int_equal(mount("none", path, "tmpfs", MS_REMOUNT, "size=200m"), 0);
    launch(0);
    check_that_nothing_is_lost();
    end_all();
    assert_int_equal(umount2(path, MNT_DETACH), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kill_between_the_steps_of_libraft_is_no_damage),
        TEST(a_kill_between_the_steps_of_a_long_truncation_is_no_damage),
        TEST(a_truncation_that_fails_ends_the_witness_and_the_next_start_has_it_all),
        TEST(nothing_acknowledged_is_lost_by_kills_under_load),
        TEST(a_full_disk_stops_one_witness_and_not_the_cluster),
    };

    if (argc == 4 && strcmp(argv[1], "--node") == 0)
        return run_process(argv[2], strtoull(argv[3], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
