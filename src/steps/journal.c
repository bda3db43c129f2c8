/* Which steps are done, for a run that goes on after an interruption: GROUP.steps. Design 5.1,
 * PROTOCOL.md 5. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/os/durable.h>
#include <breakwater/sys/clock.h>

static const struct bw_durable_kind kind = {
    .magic = "BWST", .version = 2, .oldest = BW_DURABLE_OLDEST};

#define FDS_MAX        64 /* a process of steps has fewer */
#define WRITER_WAIT_NS BW_NS_PER_S
#define WRITER_LOOK_MS 100
#define PAYLOAD_BYTES  (3 * 8 + 4 + 1)

static void put(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t take(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void encode(const struct bw_steps_journal *journal, uint8_t out[PAYLOAD_BYTES])
{
    put(out, journal->epoch, 8);
    put(out + 8, journal->run, 8);
    put(out + 16, journal->digest, 8);
    put(out + 24, journal->done, 4);
    put(out + 28, journal->has_left, 1);
}

static void decode(const uint8_t bytes[PAYLOAD_BYTES], struct bw_steps_journal *out)
{
    *out = (struct bw_steps_journal){.epoch = take(bytes, 8),
                                     .run = take(bytes + 8, 8),
                                     .digest = take(bytes + 16, 8),
                                     .done = (uint32_t)take(bytes + 24, 4),
                                     .has_left = bytes[28] != 0};
}

static int open_directory(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* What cannot be read is nothing: every step must bear being run twice. */
static bool load(const char *path, const char *name, struct bw_steps_journal *out)
{
    const int directory = open_directory(path);
    uint8_t bytes[PAYLOAD_BYTES];
    struct bw_diag diag = {0};
    uint32_t version;
    size_t size = 0;
    enum bw_err err;

    if (directory < 0)
        return false;
    err = bw_durable_load(directory, name, &kind, bytes, sizeof bytes, &size, &version, &diag);
    (void)close(directory); /* only looked into */
    if (err != BW_OK || size != sizeof bytes)
        return false;
    decode(bytes, out);
    return true;
}

uint32_t bw_steps_journal_read(const struct bw_steps_plan *plan)
{
    struct bw_steps_journal journal;

    if (plan->interrupted == 0 || !load(plan->directory, plan->journal, &journal))
        return 0;
    return bw_steps_resume(&journal, plan->epoch, plan->digest, plan->interrupted);
}

bool bw_steps_start_is_whole(const struct bw_group_config *group, const char *directory,
                             uint64_t epoch, uint64_t run)
{
    struct bw_steps_journal journal;
    char name[BW_NAME_MAX + 16];

    (void)snprintf(name, sizeof name, "%s" BW_STEPS_JOURNAL_SUFFIX, group->name); /* sized by it */
    return load(directory, name, &journal) &&
           bw_steps_is_whole(&journal, group->start_steps.count, epoch, group->digest, run);
}

/* ---- writing -----------------------------------------------------------------------------------
 *
 * By a process: a thread that a disk holds up keeps its whole process from ending, and a start whose steps are all
 * done would be killed at its limit. It ends with us, or as soon as the disk lets it: no KILL is sooner. So it leaves
 * the places of its group first, or what a start has left would be there until then, for each stop and fence. */

static bool has_gone_aside(const struct bw_steps_plan *plan)
{
    struct bw_diag diag = {0};
    int door = -1;
    bool is_there;

    if (!bw_process_disown())
        return false;
    if (plan->aside.path[0] == '\0')
        return true;
    if (bw_cgroup_open_door(&plan->aside, &door, &diag) != BW_OK)
        return false;
    is_there = bw_cgroup_enter(door);
    (void)close(door); /* the kernel acted at the write */
    return is_there;
}

static void save(const struct bw_steps_plan *plan, const struct bw_steps_journal *journal)
{
    const int directory = open_directory(plan->directory);
    uint8_t bytes[PAYLOAD_BYTES];
    struct bw_diag diag = {0};

    if (directory < 0)
        return;
    encode(journal, bytes);
    (void)!bw_durable_save(
        directory, plan->journal, &kind, bytes, sizeof bytes,
        &diag); /* an older one is of another run, or says less: both begin more */
}

/* Nothing of ours stays open in it but `done`, which says by a byte that it is nothing that a start leaves any more, and by
 * its end that it has ended. */
__attribute__((noreturn)) static void be_writer(const struct bw_steps_plan *plan,
                                                const struct bw_steps_journal *journal, int done,
                                                pid_t parent)
{
    (void)prctl(PR_SET_NAME, "bw-journal"); /* for who looks */
    (void)signal(SIGTERM, SIG_IGN); /* ours, and that we end is enough */
    (void)signal(SIGINT, SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || dup2(done, 0) < 0 || !has_gone_aside(plan))
        _exit(1); /* what is not written is not done */
    (void)syscall(SYS_close_range, 1, ~0U, 0);
    for (int fd = 1; fd < FDS_MAX; fd++) /* before 5.9 */
        (void)close(fd);
    (void)!write(0, "", 1); /* whoever waits for it sees its end else */
    save(plan, journal);
    _exit(0);
}

static void on_closed(uv_handle_t *handle)
{
    struct bw_steps_program *program = handle->data;

    (void)close(program->writer);
    program->writer = -1;
    if (program->is_journal_due)
        bw_steps_journal_write(program);
}

static void on_written(uv_poll_t *poll, int status, int events)
{
    (void)status; /* nothing else is written there: it has ended */
    (void)events;
    uv_close((uv_handle_t *)poll, on_closed);
}

void bw_steps_journal_open(struct bw_steps_program *program)
{
    program->writer = -1;
    program->keeps_journal = program->plan.directory[0] != '\0' && program->run != 0;
}

/* Nothing that a disk holds up: some calls to the kernel. What ended sooner could leave it behind as its service. */
static void wait_until_aside(int fd)
{
    struct pollfd said = {.fd = fd, .events = POLLIN};
    char byte;

    while (poll(&said, 1, -1) < 0 && errno == EINTR)
        continue;
    (void)!read(fd, &byte, sizeof byte); /* or it has ended, which is seen next */
}

/* Where none can be made a run that is interrupted begins anew. */
static void begin_writer(struct bw_steps_program *program, const struct bw_steps_journal *journal)
{
    const pid_t own = getpid();
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    if (uv_poll_init(&program->loop, &program->written, ends[0]) != 0) {
        (void)close(ends[0]); /* of nobody */
        (void)close(ends[1]);
        return;
    }
    program->writer = ends[0];
    program->written.data = program;
    pid = fork();
    if (pid == 0)
        be_writer(&program->plan, journal, ends[1], own);
    (void)close(ends[1]); /* the writer's; where there is none its end is read next */
    wait_until_aside(ends[0]);
    if (uv_poll_start(&program->written, UV_READABLE | UV_DISCONNECT, on_written) != 0)
        uv_close((uv_handle_t *)&program->written, on_closed);
}

void bw_steps_journal_write(struct bw_steps_program *program)
{
    struct bw_steps_journal journal;

    if (!program->keeps_journal)
        return;
    program->is_journal_due = program->writer >= 0;
    if (program->is_journal_due)
        return; /* it goes with the next */
    journal = (struct bw_steps_journal){.epoch = program->plan.epoch,
                                        .run = program->run,
                                        .digest = program->plan.digest,
                                        .done = bw_steps_done(&program->steps),
                                        .has_left = program->has_left};
    begin_writer(program, &journal);
}

static bool awaits_writer(const struct bw_steps_program *program)
{
    return program->keeps_journal && program->writer >= 0 && !bw_steps_is_ended();
}

/* A guard that hangs may die yet, and the next one goes by it: a start that is done is not begun anew. */
static void wait_a_moment(struct bw_steps_program *program)
{
    const struct bw_instant until = bw_instant_add(bw_clock_now(), WRITER_WAIT_NS);

    while (awaits_writer(program) && !bw_instant_wait_is_over(bw_clock_now(), until)) {
        struct pollfd end = {.fd = program->writer, .events = POLLIN};

        (void)poll(&end, 1, WRITER_LOOK_MS); /* its end, or a signal, or neither: it is looked at again */
        (void)uv_run(&program->loop, UV_RUN_NOWAIT);
    }
}

void bw_steps_journal_close(struct bw_steps_program *program)
{
    if (!program->is_alone)
        wait_a_moment(program); /* a disk that hangs costs this, and not the start */
    /* The guard that comes goes by it, and ends who waits here for a disk that hangs. */
    while (program->is_alone && awaits_writer(program))
        (void)uv_run(&program->loop, UV_RUN_ONCE);
}
