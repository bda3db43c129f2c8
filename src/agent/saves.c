#include "program.h"

#include <inttypes.h>
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
    bool has_cluster;
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

/* ---- asking ---------------------------------------------------------------------------------- */

static bool anything_waits(const struct bw_agent *agent)
{
    if (agent->saves.wants_cluster)
        return true;
    for (uint32_t i = 0; i < agent->place_count; i++)
        if (agent->places[i].save_waits)
            return true;
    return false;
}

static void begin_next(struct bw_agent *agent)
{
    struct bw_agent_saves *saves = &agent->saves;
    struct bw_agent_save_job *job = saves->job;
    struct bw_agent_state state = agent->store.state;

    if (saves->is_answering || saves->disk == NULL || bw_worker_is_busy(saves->disk) ||
        !anything_waits(agent))
        return;
    job->has_cluster = saves->wants_cluster;
    if (job->has_cluster) {
        state.cluster_id = saves->cluster_id;
        state.generation = saves->generation;
    }
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct bw_agent_place *place = &agent->places[i];

        place->save_begun = place->save_waits ? place->save_number : 0;
        place->save_waits = false;
    }
    /* It always fits: so says the assertion beside its limit. */
    BW_ASSERT(bw_agent_store_encode(&state, job->bytes, &job->size, &job->diag) == BW_OK);
    bw_worker_begin(saves->disk, write_job, job);
}

void bw_agent_saves_group(struct bw_agent_place *place, uint64_t number)
{
    place->save_number = number;
    place->kept->memory = place->site.memory;
    place->save_waits = true;
    begin_next(place->agent);
}

void bw_agent_saves_cluster(struct bw_agent *agent, struct bw_id cluster_id, uint64_t generation)
{
    struct bw_agent_saves *saves = &agent->saves;

    if (saves->wants_cluster)
        return; /* one after the other: what was dropped is said again */
    saves->wants_cluster = true;
    saves->cluster_id = cluster_id;
    saves->generation = generation;
    begin_next(agent);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void answer_cluster(struct bw_agent *agent, const struct bw_agent_save_job *job)
{
    struct bw_agent_saves *saves = &agent->saves;
    char id[BW_ID_TEXT_BYTES];

    saves->wants_cluster = false;
    if (job->err != BW_OK)
        return; /* the next answer of a leader tells of it again */
    agent->store.state.cluster_id = saves->cluster_id;
    agent->store.state.generation = saves->generation;
    bw_id_format(saves->cluster_id, id);
    bw_log_info(&agent->log, "cluster.known", "cluster_id=%s generation=%" PRIu64, id,
                saves->generation);
    bw_guard_link_greet_again(agent);
    bw_agent_sync_now(agent); /* what was said until now was dropped */
}

static void answer_groups(struct bw_agent *agent, bool ok)
{
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct bw_agent_place *place = &agent->places[i];
        const struct bw_site_event saved = {
            .kind = BW_SITE_EVENT_SAVED, .number = place->save_begun, .ok = ok};

        place->save_begun = 0;
        if (saved.number != 0)
            bw_agent_step(place, &saved);
    }
}

static void on_done(void *of, void *user)
{
    struct bw_agent *agent = user;
    const struct bw_agent_save_job *job = of;

    if (job->err != BW_OK)
        bw_log_error(&agent->log, "state.unsaved",
                     "error=%s does=\"no renewal, start or release rests on it\"",
                     bw_log_quote(job->diag.text));
    if (job->err == BW_ERR_UNKNOWN) /* what the disk holds is not known: only a new start can tell */
        bw_agent_stop(agent, BW_AGENT_RESTART);
    (void)bw_deadline_serve(&agent->wake); /* deadlines go before what waited */
    agent->saves.is_answering = true;
    if (job->has_cluster)
        answer_cluster(agent, job);
    answer_groups(agent, job->err == BW_OK);
    agent->saves.is_answering = false;
    begin_next(agent);
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
