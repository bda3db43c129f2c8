/* The guard's mirrors, read beside the loop: a file system that hangs holds up this thread and nobody else.
 * Design 3.4. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/os/durable.h>

/* The guard's mirror of one group: RUN_DIR/SITE-guard/GROUP.mirror. */
static const struct bw_durable_kind mirror_kind = {.magic = BW_GUARD_MIRROR_MAGIC,
                                                   .version = BW_GUARD_MIRROR_VERSION,
                                                   .oldest = BW_DURABLE_OLDEST};

struct reading {
    uint32_t number; /* of the group */
    char group[BW_NAME_MAX + 1];
    enum bw_err err;
    struct bw_diag diag;
    struct bw_guard_mirror_file file;
};
/* The worker's, without a pointer to anything else: where the file system hangs, the thread outlives all. */
struct job {
    char path[BW_AGENT_MIRRORS_PATH_BYTES];
    uint32_t count;
    struct reading readings[BW_SITE_GROUPS_MAX];
};

/* ---- on the thread --------------------------------------------------------------------------- */

enum bw_err bw_agent_mirror_load(int dir, const char *group, struct bw_guard_mirror_file *out_file,
                                 struct bw_diag *diag)
{
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    char name[BW_NAME_MAX + 16];
    size_t size;
    uint32_t version;
    enum bw_err err;

    (void)snprintf(name, sizeof name, "%s" BW_GUARD_MIRROR_SUFFIX, group); /* a name: fits */
    err = bw_durable_load(dir, name, &mirror_kind, bytes, sizeof bytes, &size, &version, diag);
    return err == BW_OK ? bw_guard_mirror_decode(bytes, size, out_file, diag) : err;
}

static void read_all(void *of)
{
    struct job *job = of;
    const int dir = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int os_errno = errno;

    for (uint32_t i = 0; i < job->count; i++) {
        struct reading *reading = &job->readings[i];

        reading->diag = (struct bw_diag){0};
        reading->err = dir < 0 ? bw_diag_errno(&reading->diag, os_errno, "open %s", job->path)
                               : bw_agent_mirror_load(dir, reading->group, &reading->file,
                                                      &reading->diag);
    }
    if (dir >= 0)
        (void)close(dir); /* only read from */
}

/* ---- on the loop ----------------------------------------------------------------------------- */

void bw_agent_mirrors_begin(struct bw_agent *agent, const uint32_t *groups, uint32_t count)
{
    struct job *job = bw_worker_job(agent->mirrors);

    job->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct reading *reading = &job->readings[i];

        reading->number = groups[i];
        (void)bw_copy_text(reading->group, sizeof reading->group,
                           agent->served[groups[i]].config->name); /* a name: fits */
    }
    bw_worker_begin(agent->mirrors, read_all);
}

static void on_read(void *of, void *user)
{
    const struct job *job = of;
    struct bw_agent_mirror_reading readings[BW_SITE_GROUPS_MAX];

    for (uint32_t i = 0; i < job->count; i++)
        readings[i] = (struct bw_agent_mirror_reading){.group = job->readings[i].number,
                                                       .err = job->readings[i].err,
                                                       .text = job->readings[i].diag.text,
                                                       .file = &job->readings[i].file};
    bw_agent_happen(user, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_MIRRORS_READ,
                                                   .readings = readings,
                                                   .reading_count = job->count});
}

/* ---- life ------------------------------------------------------------------------------------ */

bool bw_agent_mirrors_path(const struct bw_site_config *config, char out_path[BW_AGENT_MIRRORS_PATH_BYTES])
{
    const int length = snprintf(out_path, BW_AGENT_MIRRORS_PATH_BYTES, "%s/%s-guard", config->run_dir, config->site);

    return length > 0 && length < BW_AGENT_MIRRORS_PATH_BYTES;
}

enum bw_err bw_agent_mirrors_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct job *job;
    const enum bw_err err = bw_worker_open(&agent->mirrors, &agent->loop, sizeof *job, NULL,
                                           on_read, agent, diag);

    if (err != BW_OK)
        return err;
    job = bw_worker_job(agent->mirrors);
    return bw_agent_mirrors_path(agent->config, job->path) ? BW_OK
                                                           : bw_diag_set(diag, BW_ERR_LIMIT, "run_dir is too long");
}
