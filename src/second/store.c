/* The state directory, STATE_DIR/second/CLUSTER.state, the mirror,
 * RUN_DIR/SITE-second/CLUSTER.mirror, and writes of both beside the loop (3.4). */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

static const struct bw_durable_kind state_kind = {.magic = BW_SECOND_STATE_MAGIC,
                                                  .version = BW_SECOND_STATE_VERSION,
                                                  .oldest = BW_DURABLE_OLDEST};
static const struct bw_durable_kind mirror_kind = {.magic = BW_SECOND_MIRROR_MAGIC,
                                                   .version = BW_SECOND_MIRROR_VERSION,
                                                   .oldest = BW_DURABLE_OLDEST};

static enum bw_err load(struct bw_second_store *store, const char *site, struct bw_diag *diag)
{
    uint8_t *bytes = malloc(BW_SECOND_BYTES_MAX);
    size_t size;
    uint32_t version;
    enum bw_err err;

    BW_ASSERT(bytes != NULL);
    err = bw_durable_load(store->dir, store->file, &state_kind, bytes, BW_SECOND_BYTES_MAX, &size,
                          &version, diag);
    if (err == BW_OK)
        err = bw_second_state_decode(bytes, size, &store->state, diag);
    free(bytes);
    if (err == BW_OK && strcmp(store->state.site, site) != 0)
        err = bw_diag_set(diag, BW_ERR_REFUSED, "it is of site %s", store->state.site);
    if (err == BW_OK || err == BW_ERR_NOT_FOUND)
        return BW_OK;
    return bw_diag_wrap(
        diag, err,
        "%s/%s is not usable, so nothing was started: it may know of an epoch that has "
        "to be fenced here. Make sure that the agent of this site runs, then move the "
        "file away",
        store->path, store->file);
}

/* Room for what is in the file and for all groups of the configuration: they never move. */
static enum bw_err reserve(struct bw_second_store *store, struct bw_diag *diag)
{
    struct bw_second_group *groups = realloc(store->state.groups,
                                             BW_SITE_GROUPS_MAX * sizeof *groups);

    if (groups == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "the state");
    store->state.groups = groups;
    return BW_OK;
}

enum bw_err bw_second_store_open(struct bw_second_store *store, const struct bw_site_config *config,
                                 struct bw_diag *diag)
{
    enum bw_err err;

    *store = (struct bw_second_store){.dir = -1, .lock = -1, .mirror_dir = -1, .mirror_lock = -1};
    (void)snprintf(store->file, sizeof store->file, "%s.state", config->cluster); /* fits */
    (void)snprintf(store->names_file, sizeof store->names_file, "%s%s", config->cluster,
                   BW_NAMES_FILE_SUFFIX); /* likewise */
    err = bw_state_dir_open(config->state_dir, "second", store->path, sizeof store->path,
                            &store->dir, &store->lock, diag);
    if (err == BW_OK)
        err = load(store, config->site, diag);
    if (err == BW_OK)
        err = reserve(store, diag);
    if (err == BW_OK)
        (void)bw_copy_text(store->state.site, sizeof store->state.site, config->site); /* a name */
    return err;
}

/* `group_count` where it has none of that name. */
static uint32_t find(const struct bw_second_state *state, const char *group)
{
    uint32_t at = 0;

    while (at < state->group_count && strcmp(state->groups[at].name, group) != 0)
        at++;
    return at;
}

bool bw_second_store_has_room(const struct bw_second_store *store, const struct bw_site_config *config)
{
    uint32_t count = store->state.group_count;

    for (uint32_t i = 0; i < config->group_count; i++)
        count += find(&store->state, config->groups[i].name) == store->state.group_count;
    return count <= BW_SITE_GROUPS_MAX;
}

/* NULL: there is no room for one more than BW_SITE_GROUPS_MAX were ever named. */
struct bw_second_memory *bw_second_store_group(struct bw_second_store *store, const char *group)
{
    struct bw_second_state *state = &store->state;
    const uint32_t at = find(state, group);

    if (at < state->group_count)
        return &state->groups[at].memory;
    if (state->group_count == BW_SITE_GROUPS_MAX)
        return NULL;
    state->groups[state->group_count] = (struct bw_second_group){0};
    (void)bw_copy_text(state->groups[state->group_count].name,
                       sizeof state->groups[state->group_count].name, group); /* a name */
    return &state->groups[state->group_count++].memory;
}

/* ---- the mirror ------------------------------------------------------------------------------ */

static enum bw_err open_mirror_dir(struct bw_second_store *store, const char *run_dir,
                                   struct bw_diag *diag)
{
    enum bw_err err;

    if (mkdir(run_dir, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "make %s", run_dir);
    err = bw_durable_open_dir(store->mirror_path, &store->mirror_dir, diag);
    if (err == BW_OK)
        err = bw_path_check_dir(store->mirror_path, diag);
    return err == BW_OK
               ? bw_dir_lock(store->mirror_dir, store->mirror_path, &store->mirror_lock, diag)
               : err;
}

/* What cannot be read is nothing. */
static enum bw_err load_mirror(struct bw_second_store *store, struct bw_diag *diag)
{
    uint8_t *bytes = malloc(BW_SECOND_BYTES_MAX);
    size_t size;
    uint32_t version;
    enum bw_err err;

    BW_ASSERT(bytes != NULL);
    err = bw_durable_load(store->mirror_dir, store->mirror_file, &mirror_kind, bytes,
                          BW_SECOND_BYTES_MAX, &size, &version, diag);
    if (err == BW_OK)
        err = bw_second_mirror_decode(bytes, size, &store->found, diag);
    free(bytes);
    return err == BW_ERR_NOT_FOUND ? BW_OK : err;
}

static void close_mirror(struct bw_second_store *store)
{
    if (store->mirror_lock >= 0)
        bw_dir_unlock(store->mirror_lock);
    if (store->mirror_dir >= 0)
        (void)close(store->mirror_dir); /* a directory: nothing is left to write */
    store->mirror_dir = store->mirror_lock = -1;
}

enum bw_err bw_second_store_open_mirror(struct bw_second_store *store,
                                        const struct bw_site_config *config, struct bw_diag *diag)
{
    const int length = snprintf(store->mirror_path, sizeof store->mirror_path, "%s/%s-second",
                                config->run_dir, config->site);
    enum bw_err err;

    (void)snprintf(store->mirror_file, sizeof store->mirror_file, "%s.mirror",
                   config->cluster);                                                 /* fits */
    (void)bw_copy_text(store->mirror.site, sizeof store->mirror.site, config->site); /* a name */
    store->mirror.groups = calloc(config->group_count, sizeof *store->mirror.groups);
    BW_ASSERT(store->mirror.groups != NULL);
    if (length >= (int)sizeof store->mirror_path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "run_dir is longer than %zu bytes",
                           sizeof store->mirror_path);
    err = bw_clock_boot_id(&store->mirror.boot_id, diag);
    if (err == BW_OK)
        err = bw_clock_time_namespace(&store->mirror.time_namespace, diag);
    if (err == BW_OK)
        err = open_mirror_dir(store, config->run_dir, diag);
    if (err != BW_OK) {
        close_mirror(store);
        return bw_diag_wrap(diag, err, "run_dir");
    }
    err = load_mirror(store, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", store->mirror_path);
}

struct bw_second_mirror *bw_second_store_mirror(struct bw_second_store *store, const char *group)
{
    struct bw_second_mirror_file *mirror = &store->mirror;
    struct bw_second_mirror_group *own = &mirror->groups[mirror->group_count++];

    (void)bw_copy_text(own->name, sizeof own->name, group); /* a name */
    own->mirror = bw_second_mirror_of(&store->found, mirror, group);
    return &own->mirror;
}

void bw_second_store_close(struct bw_second_store *store)
{
    bw_second_state_deinit(&store->state);
    bw_second_mirror_deinit(&store->found);
    bw_second_mirror_deinit(&store->mirror);
    close_mirror(store);
    if (store->lock >= 0)
        bw_dir_unlock(store->lock);
    if (store->dir >= 0)
        (void)close(store->dir); /* a directory: nothing is left to write */
    store->dir = store->lock = -1;
}

/* ---- on its way to the disk ------------------------------------------------------------------ */

/* The worker's, without a pointer to anything else: where the disk hangs, the thread outlives all.
 */
struct job {
    int dir;
    bool is_mirror;
    char file[BW_NAME_MAX + 8];
    size_t size;
    enum bw_err err;
    struct bw_diag diag;
    uint8_t bytes[BW_SECOND_BYTES_MAX];
};

static void write_job(void *of)
{
    struct job *job = of;

    job->err = job->is_mirror ? bw_durable_save_for_boot(job->dir, job->file, &mirror_kind,
                                                         job->bytes, job->size, &job->diag)
                              : bw_durable_save(job->dir, job->file, &state_kind, job->bytes,
                                                job->size, &job->diag);
}

static void on_done(void *of, void *user)
{
    struct bw_second_program *program = user;
    const struct job *job = of;

    if (job->err != BW_OK)
        bw_log_error(&program->log, "state.write_failed",
                     "error=%s does=\"no deadline is told as taken that rests on it\"",
                     bw_log_quote(job->diag.text));
    bw_second_happen(program, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_SAVED,
                                                                .ok = job->err == BW_OK});
}

static void on_mirrored(void *of, void *user)
{
    struct bw_second_program *program = user;
    const struct job *job = of;

    if (job->err != BW_OK && !program->is_unmirrored)
        bw_second_say_unmirrored(program, &job->diag);
    program->is_unmirrored = job->err != BW_OK;
    bw_second_happen(program, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_MIRRORED,
                                                                .ok = job->err == BW_OK});
}

void bw_second_saves_begin(struct bw_second_program *program, const struct bw_second_state *state)
{
    struct job *job = bw_worker_job(program->disk);

    BW_ASSERT(
        bw_second_state_encode(state, job->bytes, sizeof job->bytes, &job->size, &job->diag) ==
        BW_OK); /* its bound leaves room for all groups */
    bw_worker_begin(program->disk, write_job);
}

enum bw_err bw_second_mirrors_begin(struct bw_second_program *program,
                                    const struct bw_second_mirror_file *mirror)
{
    struct job *job;

    if (program->mirrors == NULL)
        return BW_ERR_IO; /* said when it began */
    job = bw_worker_job(program->mirrors);
    BW_ASSERT(bw_second_mirror_encode(mirror, job->bytes, sizeof job->bytes, &job->size,
                                      &job->diag) == BW_OK); /* likewise */
    bw_worker_begin(program->mirrors, write_job);
    return BW_OK;
}

enum bw_err bw_second_saves_open(struct bw_second_program *program, struct bw_diag *diag)
{
    struct job *job;
    enum bw_err err = bw_worker_open(&program->disk, &program->loop, sizeof *job, NULL, on_done,
                                     program, diag);

    if (err != BW_OK)
        return err;
    job = bw_worker_job(program->disk);
    job->dir = program->store.dir;
    memcpy(job->file, program->store.file, sizeof job->file);
    if (program->store.mirror_dir < 0)
        return BW_OK;
    err = bw_worker_open(&program->mirrors, &program->loop, sizeof *job, NULL, on_mirrored, program,
                         diag);
    if (err != BW_OK)
        return err;
    job = bw_worker_job(program->mirrors);
    job->dir = program->store.mirror_dir;
    job->is_mirror = true;
    memcpy(job->file, program->store.mirror_file, sizeof job->file);
    return BW_OK;
}
