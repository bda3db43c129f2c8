/* What the guard has armed, read from its mirrors while there is no guard: beside the loop, for a file system
 * that hangs holds up this thread and nobody else. One that does not answer says as little as one that cannot
 * be read. Design 3.4. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/durable.h>

#define ANSWER_NS BW_NS_PER_S /* for one reading of all that are wanted */

/* The guard's mirror of one group: RUN_DIR/SITE-guard/GROUP.mirror. */
static const struct bw_durable_kind mirror_kind = {.magic = BW_GUARD_MIRROR_MAGIC,
                                                   .version = BW_GUARD_MIRROR_VERSION,
                                                   .oldest = BW_DURABLE_OLDEST};

struct reading {
    uint32_t place; /* of the agent's */
    char group[BW_NAME_MAX + 1];
    enum bw_err err;
    struct bw_diag diag;
    struct bw_guard_mirror_file file;
};
/* On the heap and without a pointer to anything else: where the file system hangs, the thread outlives all. */
struct bw_agent_mirror_job {
    char path[512];
    uint32_t count;
    struct reading readings[BW_SITE_GROUPS_MAX];
};

/* ---- on the thread --------------------------------------------------------------------------- */

static enum bw_err load(int dir, struct reading *reading)
{
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    char name[BW_NAME_MAX + 16];
    size_t size;
    uint32_t version;
    enum bw_err err;

    (void)snprintf(name, sizeof name, "%s" BW_GUARD_MIRROR_SUFFIX, reading->group); /* a name: fits */
    err = bw_durable_load(dir, name, &mirror_kind, bytes, sizeof bytes, &size, &version,
                          &reading->diag);
    return err == BW_OK ? bw_guard_mirror_decode(bytes, size, &reading->file, &reading->diag) : err;
}

static void read_all(void *of)
{
    struct bw_agent_mirror_job *job = of;
    const int dir = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int os_errno = errno;

    for (uint32_t i = 0; i < job->count; i++) {
        struct reading *reading = &job->readings[i];

        reading->diag = (struct bw_diag){0};
        reading->err = dir < 0 ? bw_diag_errno(&reading->diag, os_errno, "open %s", job->path)
                               : load(dir, reading);
    }
    if (dir >= 0)
        (void)close(dir); /* only read from */
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void begin_next(struct bw_agent *agent)
{
    struct bw_agent_mirrors *mirrors = &agent->mirrors;
    struct bw_agent_mirror_job *job = mirrors->job;

    if (mirrors->reader == NULL || bw_worker_is_busy(mirrors->reader))
        return;
    job->count = 0;
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct reading *reading = &job->readings[job->count];

        if (!agent->places[i].mirror_waits)
            continue;
        agent->places[i].mirror_waits = false;
        agent->places[i].mirror_is_read = true;
        reading->place = i;
        (void)bw_copy_text(reading->group, sizeof reading->group, agent->places[i].config->name);
        job->count++;
    }
    if (job->count > 0)
        bw_worker_begin(mirrors->reader, read_all, job);
}

void bw_agent_mirrors_want(struct bw_agent_place *place)
{
    struct bw_agent *agent = place->agent;

    place->mirror_waits = true;
    if (!agent->mirrors.unanswered.is_set)
        bw_deadline_set(&agent->mirrors.unanswered, bw_instant_add(bw_clock_now(), ANSWER_NS),
                        BW_DEADLINE_WAIT);
    begin_next(agent);
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum bw_err judge(const struct bw_agent_place *place, struct reading *reading)
{
    const struct bw_agent *agent = place->agent;

    if (reading->err == BW_OK && (!bw_id_equal(reading->file.boot_id, agent->boot_id) ||
                                  reading->file.time_namespace != agent->time_namespace ||
                                  strcmp(reading->file.group, place->config->name) != 0))
        return bw_diag_set(&reading->diag, BW_ERR_STALE,
                           "it is of another boot, time namespace or group");
    return reading->err;
}

/* Read again and again while there is no guard: what stays as it was is said once. */
static void note(struct bw_agent_place *place, enum bw_err err, uint64_t epoch, const char *why)
{
    place->is_mirror_news = !place->has_read_mirror || place->mirror_err != err ||
                            (err == BW_OK && place->mirror_epoch != epoch);
    place->has_read_mirror = true;
    place->mirror_err = err;
    place->mirror_epoch = epoch;
    if (err != BW_OK && place->is_mirror_news)
        bw_log_warn(&place->agent->log, "mirror.unreadable", "group=%s error=%s",
                    place->config->name, bw_log_quote(why));
}

static void answer(struct bw_agent_place *place, struct reading *reading)
{
    struct bw_site_event event = {.kind = BW_SITE_EVENT_MIRROR_READ};
    const struct bw_guard_mirror *mirror = &reading->file.mirror;
    const enum bw_err err = judge(place, reading);

    note(place, err, err == BW_OK ? mirror->armed_epoch : 0, reading->diag.text);
    if (err == BW_OK) {
        event.mirror_is_anothers =
            mirror->armed_epoch != 0 &&
            !bw_id_equal(mirror->armed_instance, place->agent->store.state.instance);
        event.ok = mirror->armed_epoch != 0 && !event.mirror_is_anothers;
        event.mirror_epoch = mirror->armed_epoch;
        event.mirror_end = mirror->armed_end;
        event.mirror_fence_ns = mirror->fence_ns;
    }
    bw_agent_step(place, &event);
}

/* A late answer counts as well: the machine takes the later end of those it heard. */
static void on_read(void *of, void *user)
{
    struct bw_agent *agent = user;
    struct bw_agent_mirror_job *job = of;

    bw_deadline_clear(&agent->mirrors.unanswered);
    (void)bw_deadline_serve(&agent->wake); /* deadlines go before what waited */
    for (uint32_t i = 0; i < job->count; i++) {
        struct bw_agent_place *place = &agent->places[job->readings[i].place];

        place->mirror_is_read = false;
        answer(place, &job->readings[i]);
    }
    begin_next(agent);
    if (bw_worker_is_busy(agent->mirrors.reader))
        bw_deadline_set(&agent->mirrors.unanswered, bw_instant_add(bw_clock_now(), ANSWER_NS),
                        BW_DEADLINE_WAIT);
}

static void on_unanswered(struct bw_deadline *deadline, void *user)
{
    const struct bw_site_event unreadable = {.kind = BW_SITE_EVENT_MIRROR_READ};
    struct bw_agent *agent = user;

    (void)deadline;
    for (uint32_t i = 0; i < agent->place_count; i++) {
        struct bw_agent_place *place = &agent->places[i];

        if (!place->mirror_waits && !place->mirror_is_read)
            continue;
        place->mirror_waits = false;
        note(place, BW_ERR_TIMEOUT, 0, "its file system does not answer");
        bw_agent_step(place, &unreadable);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

enum bw_err bw_agent_mirrors_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct bw_agent_mirrors *mirrors = &agent->mirrors;
    enum bw_err err;
    int length;

    mirrors->job = calloc(1, sizeof *mirrors->job);
    if (mirrors->job == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "the guard's mirrors");
    length = snprintf(mirrors->job->path, sizeof mirrors->job->path, "%s/%s-guard",
                      agent->config->run_dir, agent->config->site);
    if (length < 0 || (size_t)length >= sizeof mirrors->job->path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "run_dir is too long");
    err = bw_deadline_init(&mirrors->unanswered, &agent->loop, on_unanswered, agent, diag);
    if (err != BW_OK)
        return err;
    mirrors->is_open = true;
    return bw_worker_open(&mirrors->reader, &agent->loop, on_read, agent, diag);
}

void bw_agent_mirrors_close(struct bw_agent *agent)
{
    struct bw_agent_mirrors *mirrors = &agent->mirrors;

    if (mirrors->is_open)
        bw_deadline_close(&mirrors->unanswered, NULL);
    mirrors->is_open = false;
    if (mirrors->reader != NULL)
        mirrors->is_hung = bw_worker_close(mirrors->reader);
    mirrors->reader = NULL;
}

void bw_agent_mirrors_free(struct bw_agent *agent)
{
    if (!agent->mirrors.is_hung)
        free(agent->mirrors.job);
    agent->mirrors.job = NULL;
}
