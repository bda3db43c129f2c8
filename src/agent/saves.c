#include "program.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* On the heap and without a pointer to anything else: where the disk hangs, the thread outlives all. */
struct bw_agent_save_job {
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
    struct bw_agent_save_job *job = of;

    job->err = bw_agent_store_write(job->dir, job->file, job->bytes, job->size, &job->diag);
    if (job->err != BW_OK)
        job->err = bw_diag_wrap(&job->diag, job->err, "%s", job->path);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

void bw_agent_saves_begin(struct bw_agent *agent, const struct bw_agent_state *state)
{
    struct bw_agent_save_job *job = agent->saves.job;

    /* It always fits: so says the assertion beside its limit. */
    BW_ASSERT(bw_agent_store_encode(state, job->bytes, &job->size, &job->diag) == BW_OK);
    bw_worker_begin(agent->saves.disk, write_job, job);
}

static void on_done(void *of, void *user)
{
    struct bw_agent *agent = user;
    const struct bw_agent_save_job *job = of;

    if (job->err != BW_OK)
        bw_log_error(&agent->log, "state.unsaved",
                     "error=%s does=\"no renewal, start or release rests on it\"",
                     bw_log_quote(job->diag.text));
    bw_agent_happen(agent,
                    &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SAVED, .err = job->err});
}

/* ---- life ------------------------------------------------------------------------------------ */

enum bw_err bw_agent_saves_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_agent_saves *saves = &agent->saves;

    saves->job = calloc(1, sizeof *saves->job + BW_AGENT_STATE_BYTES_MAX);
    if (saves->job == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "the agent's state");
    saves->job->dir = agent->store.dir;
    memcpy(saves->job->file, agent->store.file, sizeof saves->job->file);
    memcpy(saves->job->path, agent->store.path, sizeof saves->job->path);
    return bw_worker_open(&saves->disk, &agent->loop, on_done, agent, diag);
}

void bw_agent_saves_close(struct bw_agent *agent)
{
    struct bw_agent_saves *saves = &agent->saves;

    if (saves->disk != NULL)
        saves->is_hung = bw_worker_close(saves->disk);
    saves->disk = NULL;
}

void bw_agent_saves_free(struct bw_agent *agent)
{
    if (!agent->saves.is_hung)
        free(agent->saves.job);
    agent->saves.job = NULL;
}
