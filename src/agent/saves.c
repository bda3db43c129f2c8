#include "program.h"

#include <string.h>

#include <breakwater/base/assert.h>

/* The worker's, without a pointer to anything else: where the disk hangs, the thread outlives all. */
struct job {
    int dir;
    char file[BW_NAME_MAX + 8];
    char path[512];
    size_t size;
    enum bw_err err;
    struct bw_diag diag;
    uint8_t bytes[]; /* BW_AGENT_STATE_BYTES_MAX */
};

/* On the thread. */
static void write_job(void *of)
{
    struct job *job = of;

    job->err = bw_agent_store_write(job->dir, job->file, job->bytes, job->size, &job->diag);
    if (job->err != BW_OK)
        job->err = bw_diag_wrap(&job->diag, job->err, "%s", job->path);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

void bw_agent_saves_begin(struct bw_agent *agent, const struct bw_agent_state *state)
{
    struct job *job = bw_worker_job(agent->disk);

    /* It always fits: so says the assertion beside its limit. */
    BW_ASSERT(bw_agent_store_encode(state, job->bytes, &job->size, &job->diag) == BW_OK);
    bw_worker_begin(agent->disk, write_job);
}

static void on_done(void *of, void *user)
{
    struct bw_agent *agent = user;
    const struct job *job = of;

    if (job->err != BW_OK)
        bw_log_error(&agent->log, "state.unsaved",
                     "error=%s does=\"no renewal, start or release rests on it\"",
                     bw_log_quote(job->diag.text));
    bw_agent_happen(agent,
                    &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SAVED, .err = job->err});
}

/* ---- the list of members ---------------------------------------------------------------------- */

struct members_job {
    int dir;
    char file[BW_NAME_MAX + sizeof BW_KEPT_MEMBERS_SUFFIX];
    size_t size;
    enum bw_err err;
    struct bw_diag diag;
    uint8_t bytes[BW_KEPT_MEMBERS_BYTES_MAX];
};

/* On the thread. */
static void write_members(void *of)
{
    struct members_job *job = of;

    job->err = bw_agent_store_write_members(job->dir, job->file, job->bytes, job->size, &job->diag);
}

void bw_agent_keep_members(struct bw_agent *agent, const struct bw_kept_members *members)
{
    struct members_job *job = bw_worker_job(agent->keeper);

    /* It was read out of an answer, whose bounds are the same. */
    BW_ASSERT(bw_kept_members_encode(members, job->bytes, sizeof job->bytes, &job->size,
                                     &job->diag) == BW_OK);
    bw_worker_begin(agent->keeper, write_members);
}

static void on_members_done(void *of, void *user)
{
    struct bw_agent *agent = user;
    const struct members_job *job = of;

    if (job->err != BW_OK)
        bw_log_warn(&agent->log, "members.unkept",
                    "file=%s error=%s does=\"tries again; after a restart the witnesses of the site "
                    "file are asked\"",
                    job->file, bw_log_quote(job->diag.text));
    bw_agent_happen(agent,
                    &(struct bw_agent_event){.kind = BW_AGENT_EVENT_MEMBERS_KEPT, .err = job->err});
}

/* ---- life ------------------------------------------------------------------------------------ */

static enum bw_err open_keeper(struct bw_agent *agent, struct bw_diag *diag)
{
    struct members_job *job;
    const enum bw_err err = bw_worker_open(&agent->keeper, &agent->loop, sizeof *job, NULL,
                                           on_members_done, agent, diag);

    if (err != BW_OK)
        return err;
    job = bw_worker_job(agent->keeper);
    job->dir = agent->store.dir;
    memcpy(job->file, agent->store.members_file, sizeof job->file);
    return BW_OK;
}

enum bw_err bw_agent_saves_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct job *job;
    const enum bw_err err =
        bw_worker_open(&agent->disk, &agent->loop, sizeof *job + BW_AGENT_STATE_BYTES_MAX,
                       NULL, on_done, agent, diag);

    if (err != BW_OK)
        return err;
    job = bw_worker_job(agent->disk);
    job->dir = agent->store.dir;
    memcpy(job->file, agent->store.file, sizeof job->file);
    memcpy(job->path, agent->store.path, sizeof job->path);
    return open_keeper(agent, diag);
}
