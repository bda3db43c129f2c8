/* Which steps are done, for a run that goes on after an interruption: GROUP.steps. Design 5.1,
 * PROTOCOL.md 5. */
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/os/durable.h>

static const struct bw_durable_kind kind = {
    .magic = "BWST", .version = 2, .oldest = BW_DURABLE_OLDEST};

#define PAYLOAD_BYTES (3 * 8 + 4 + 1)

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

static void write_job(void *of)
{
    const struct bw_steps_journal_job *job = of;
    const int directory = open_directory(job->directory);
    uint8_t bytes[PAYLOAD_BYTES];
    struct bw_diag diag = {0};

    if (directory < 0)
        return;
    encode(&job->journal, bytes);
    (void)!bw_durable_save(
        directory, job->name, &kind, bytes, sizeof bytes,
        &diag);             /* an older one is of another run, or says less: both begin more */
    (void)close(directory); /* only looked into */
}

static void on_written(void *of, void *user)
{
    struct bw_steps_program *program = user;

    (void)of;
    if (program->is_journal_due)
        bw_steps_journal_write(program);
}

void bw_steps_journal_open(struct bw_steps_program *program)
{
    struct bw_diag diag = {0};

    if (program->plan.directory[0] != '\0' && program->run != 0 &&
        bw_worker_open(&program->disk, &program->loop, sizeof(struct bw_steps_journal_job), NULL,
                       on_written, program, &diag) != BW_OK)
        program->disk = NULL; /* a run that is interrupted begins anew */
}

void bw_steps_journal_write(struct bw_steps_program *program)
{
    const struct bw_steps_plan *plan = &program->plan;
    struct bw_steps_journal_job *job;

    if (program->disk == NULL)
        return;
    program->is_journal_due = bw_worker_is_busy(program->disk);
    if (program->is_journal_due)
        return; /* it goes with the next */
    job = bw_worker_job(program->disk);
    (void)bw_copy_text(job->directory, sizeof job->directory, plan->directory); /* of one size */
    (void)bw_copy_text(job->name, sizeof job->name, plan->journal);             /* likewise */
    job->journal = (struct bw_steps_journal){.epoch = plan->epoch,
                                             .run = program->run,
                                             .digest = plan->digest,
                                             .done = bw_steps_done(&program->steps),
                                             .has_left = program->has_left};
    bw_worker_begin(program->disk, write_job);
}

void bw_steps_journal_close(struct bw_steps_program *program)
{
    if (program->disk == NULL)
        return;
    /* The guard that comes goes by it, and ends who waits here for a disk that hangs. With a guard the run has
     * ended, and what it says is of no use any more. */
    while (program->is_alone && !bw_steps_is_ended() && bw_worker_is_busy(program->disk))
        (void)uv_run(&program->loop, UV_RUN_ONCE);
    (void)bw_worker_close(program->disk);
}
