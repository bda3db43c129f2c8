/* State of an agent: its state directory and the boot that this is (3.7), saves, the mirrors of its guard. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/random.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

static enum bw_err agent_store_encode(const struct bw_agent_state *state,
                                      uint8_t *buffer, size_t *out_size,
                                      struct bw_diag *diag);
static enum bw_err agent_store_write(int dir, const char *file, const uint8_t *bytes,
                                     size_t size, struct bw_diag *diag);
static enum bw_err agent_boot_find(const struct bw_site_config *config,
                                   const struct bw_agent_state *state,
                                   struct bw_id kernel_boot_id, struct bw_id *out_boot_id,
                                   struct bw_diag *diag);
static bool agent_mirrors_path(const struct bw_site_config *config, char out_path[BW_AGENT_MIRRORS_PATH_BYTES]);
static enum bw_err agent_mirror_load(int dir, const char *group,
                                     struct bw_guard_mirror_file *out_file,
                                     struct bw_diag *diag);

/* ---- the state directory ---- */

static const struct bw_durable_kind state_kind = {
    .magic = BW_AGENT_STATE_MAGIC, .version = BW_AGENT_STATE_VERSION, .oldest = BW_DURABLE_OLDEST};

static const struct bw_durable_kind members_kind = {.magic = BW_KEPT_MEMBERS_MAGIC,
                                                    .version = BW_KEPT_MEMBERS_VERSION,
                                                    .oldest = BW_DURABLE_OLDEST};

/* NOLINTNEXTLINE(misc-redundant-expression): today they are the same number */
_Static_assert(BW_AGENT_STATE_BYTES_MAX <= BW_DURABLE_PAYLOAD_BYTES_MAX,
               "the largest state can be saved");

/* ---- opening --------------------------------------------------------------------------------- */

/* `state` NOT_FOUND leaves it all zero. */
static enum bw_err load(struct bw_agent_store *store, struct bw_diag *diag)
{
    size_t size;
    uint32_t version;
    enum bw_err err = bw_durable_load(store->dir, store->file, &state_kind, store->buffer,
                                      BW_AGENT_STATE_BYTES_MAX, &size, &version, diag);

    if (err == BW_OK)
        err = bw_agent_state_decode(store->buffer, size, &store->state, diag);
    if (err == BW_OK || err == BW_ERR_NOT_FOUND)
        return err;
    return bw_diag_wrap(
        diag, err,
        "%s is not usable, so nothing was started: this site may hold an epoch that only this "
        "file knows. Make sure that the service is stopped here, or wait until `breakwater status` "
        "shows that this site holds nothing, then move the file away (the agent becomes a new "
        "instance)",
        store->path);
}

static enum bw_err set_aside(struct bw_agent_store *store, struct bw_log *log, const char *whose,
                             struct bw_diag *diag)
{
    char id[BW_ID_TEXT_BYTES];
    char name[sizeof store->file + BW_ID_TEXT_BYTES + 8];
    enum bw_err err;

    bw_id_format(store->state.instance, id);
    (void)snprintf(name, sizeof name, "%s.aside-%s", store->file, id); /* fits by its size */
    if (renameat(store->dir, store->file, store->dir, name) != 0)
        return bw_diag_errno(diag, errno, "set %s/%s aside", store->path, store->file);
    err = fsync(store->dir) == 0 ? BW_OK : bw_diag_errno(diag, errno, "fsync %s", store->path);
    bw_log_warn(
        log, "state.foreign",
        "file=%s whose=%s aside=%s old_instance=%s does=\"a new instance: it neither renews "
        "nor gives back an epoch of the old one\"",
        store->file, bw_log_quote(whose), name, id);
    bw_agent_state_deinit(&store->state);
    memset(&store->state, 0, sizeof store->state);
    return err;
}

/* Before there is a loop that must not wait. */
static enum bw_err save_now(struct bw_agent_store *store, struct bw_diag *diag)
{
    size_t size;
    enum bw_err err = agent_store_encode(&store->state, store->buffer, &size, diag);

    if (err == BW_OK)
        err = agent_store_write(store->dir, store->file, store->buffer, size, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", store->path);
}

static enum bw_err make_instance(struct bw_agent_store *store, const struct bw_site_config *config,
                                 struct bw_id machine_id, struct bw_log *log, struct bw_diag *diag)
{
    char id[BW_ID_TEXT_BYTES];
    enum bw_err err;

    store->state = (struct bw_agent_state){.instance = bw_random_id(), .machine_id = machine_id};
    if (!bw_copy_text(store->state.site, sizeof store->state.site, config->site))
        return bw_diag_set(diag, BW_ERR_INVALID, "site: the name is too long");
    err = save_now(store, diag);
    if (err != BW_OK)
        return err;
    bw_id_format(store->state.instance, id);
    bw_log_info(log, "instance.made", "instance=%s dir=%s", id, bw_log_quote(store->path));
    return BW_OK;
}

static enum bw_err load_or_make(struct bw_agent_store *store, const struct bw_site_config *config,
                                struct bw_id kernel_boot_id, struct bw_log *log, struct bw_diag *diag)
{
    struct bw_id machine_id = {{0}};
    struct bw_diag machine_diag = {0};
    const char *whose;
    bool was_found;
    enum bw_err err = bw_clock_machine_id(&machine_id, &machine_diag);

    if (err == BW_ERR_NOT_FOUND)
        bw_log_warn(log, "machine.id_missing", "does=\"after a reboot this agent is a new instance\"");
    else if (err != BW_OK)
        return bw_diag_set(diag, err, "%s", machine_diag.text);
    err = load(store, diag);
    if (err != BW_OK && err != BW_ERR_NOT_FOUND)
        return err;
    was_found = err == BW_OK;
    err = agent_boot_find(config, &store->state, kernel_boot_id, &store->boot_id, diag);
    if (err != BW_OK)
        return err;
    if (was_found) {
        whose = bw_agent_state_foreigner(&store->state, config->site, machine_id, store->boot_id);
        if (whose == NULL)
            return BW_OK;
        err = set_aside(store, log, whose, diag);
        if (err != BW_OK)
            return err;
    }
    return make_instance(store, config, machine_id, log, diag);
}

/* Whatever is wrong with it: those of the site file are asked, and a leader tells of the others again. */
static void load_members(struct bw_agent_store *store, struct bw_log *log)
{
    struct bw_diag diag = {0};
    size_t size;
    uint32_t version;
    enum bw_err err = bw_durable_load(store->dir, store->members_file, &members_kind, store->buffer,
                                      BW_KEPT_MEMBERS_BYTES_MAX, &size, &version, &diag);

    if (err == BW_OK)
        err = bw_kept_members_decode(store->buffer, size, &store->members, &diag);
    if (err != BW_OK && err != BW_ERR_NOT_FOUND)
        bw_log_warn(log, "members.damaged",
                    "file=%s error=%s does=\"asks the witnesses of the site file, and writes it anew "
                    "once a leader has told who the members are\"",
                    store->members_file, bw_log_quote(diag.text));
}

enum bw_err bw_agent_store_open(struct bw_agent_store *store, const struct bw_site_config *config,
                                struct bw_id kernel_boot_id, struct bw_log *log, struct bw_diag *diag)
{
    enum bw_err err;

    memset(store, 0, sizeof *store);
    store->dir = -1;
    store->lock = -1;
    (void)snprintf(store->file, sizeof store->file, "%s" BW_AGENT_STATE_SUFFIX, config->cluster); /* fits */
    (void)snprintf(store->members_file, sizeof store->members_file, "%s%s", config->cluster,
                   BW_KEPT_MEMBERS_SUFFIX); /* likewise */
    (void)snprintf(store->names_file, sizeof store->names_file, "%s%s", config->cluster,
                   BW_NAMES_FILE_SUFFIX); /* likewise */
    store->buffer = malloc(BW_AGENT_STATE_BYTES_MAX);
    if (store->buffer == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "the agent's state");
    err = bw_state_dir_open(config->state_dir, "agent", store->path, sizeof store->path,
                            &store->dir, &store->lock, diag);
    if (err == BW_OK)
        err = load_or_make(store, config, kernel_boot_id, log, diag);
    if (err == BW_OK)
        load_members(store, log);
    if (err != BW_OK)
        bw_agent_store_close(store);
    return err;
}

void bw_agent_store_close(struct bw_agent_store *store)
{
    bw_agent_state_deinit(&store->state);
    memset(&store->state, 0, sizeof store->state);
    free(store->buffer);
    store->buffer = NULL;
    if (store->lock >= 0)
        bw_dir_unlock(store->lock);
    store->lock = -1;
    if (store->dir >= 0)
        (void)close(store->dir); /* a directory: nothing is left to write */
    store->dir = -1;
}

/* ---- groups, saving -------------------------------------------------------------------------- */

static struct bw_agent_group *find_group(const struct bw_agent_store *store, const char *group)
{
    const struct bw_agent_state *state = &store->state;

    for (uint32_t i = 0; i < state->group_count; i++)
        if (strcmp(state->groups[i].name, group) == 0)
            return &state->groups[i];
    return NULL;
}

bool bw_agent_store_reserve(struct bw_agent_store *store)
{
    struct bw_agent_group *groups = realloc(store->state.groups, BW_GROUPS_MAX * sizeof *groups);

    if (groups != NULL)
        store->state.groups = groups;
    store->is_reserved = groups != NULL;
    return store->is_reserved;
}

bool bw_agent_store_has_room(const struct bw_agent_store *store,
                             const struct bw_site_config *config)
{
    uint32_t count = store->state.group_count;

    for (uint32_t i = 0; i < config->group_count; i++)
        count += find_group(store, config->groups[i].name) == NULL;
    return count <= BW_GROUPS_MAX;
}

struct bw_agent_group *bw_agent_store_group(struct bw_agent_store *store, const char *group)
{
    struct bw_agent_state *state = &store->state;
    struct bw_agent_group *served = find_group(store, group);

    if (served != NULL)
        return served;
    BW_ASSERT(store->is_reserved && state->group_count < BW_GROUPS_MAX);
    served = &state->groups[state->group_count++];
    memset(served, 0, sizeof *served);
    (void)bw_copy_text(served->name, sizeof served->name, group); /* a name: fits */
    return served;
}

/* All of it as bytes for the disk. */
BW_MUST_CHECK static enum bw_err agent_store_encode(const struct bw_agent_state *state, uint8_t *buffer,
                                                       size_t *out_size, struct bw_diag *diag)
{
    return bw_agent_state_encode(state, buffer, BW_AGENT_STATE_BYTES_MAX, out_size, diag);
}

/* Such bytes to the disk, which may hang: not on the loop. BW_ERR_UNKNOWN: the process must end. */
BW_MUST_CHECK static enum bw_err agent_store_write(int dir, const char *file, const uint8_t *bytes, size_t size,
                                                      struct bw_diag *diag)
{
    enum bw_err err;

    BW_CRASH_POINT(AGENT_BEFORE_SAVE);
    err = bw_durable_save(dir, file, &state_kind, bytes, size, diag);
    BW_CRASH_POINT(AGENT_AFTER_SAVE);
    return err;
}

BW_MUST_CHECK static enum bw_err agent_store_write_members(int dir, const char *file, const uint8_t *bytes,
                                                              size_t size, struct bw_diag *diag)
{
    return bw_durable_save(dir, file, &members_kind, bytes, size, diag);
}

/* ---- the boot ---- */

/* Which boot of its site this agent runs in (3.7): one of the kernel, in one run_dir. */

static enum bw_err look_at(const char *path, struct bw_run_dir *out_run_dir, struct bw_diag *diag)
{
    struct stat st;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "run_dir: make %s", path);
    if (stat(path, &st) != 0)
        return bw_diag_errno(diag, errno, "run_dir: look at %s", path);
    *out_run_dir = (struct bw_run_dir){.device = st.st_dev, .inode = st.st_ino};
    return BW_OK;
}

static bool goes_on(const struct bw_site_config *config, const struct bw_agent_state *state,
                    struct bw_id kernel_boot_id)
{
    char path[BW_AGENT_MIRRORS_PATH_BYTES];
    const int dir = agent_mirrors_path(config, path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct bw_guard_mirror_file mirror;
    bool found = false;

    for (uint32_t i = 0; i < state->group_count && dir >= 0 && !found; i++)
        found = agent_mirror_load(dir, state->groups[i].name, &mirror, NULL) == BW_OK &&
                bw_agent_state_goes_on(state, &state->groups[i], kernel_boot_id, &mirror);
    if (dir >= 0)
        (void)close(dir); /* only read from */
    return found;
}

/* The boot of the site in which this agent runs; makes run_dir where there is none. */
BW_MUST_CHECK static enum bw_err agent_boot_find(const struct bw_site_config *config, const struct bw_agent_state *state,
                                                    struct bw_id kernel_boot_id, struct bw_id *out_boot_id, struct bw_diag *diag)
{
    struct bw_run_dir run_dir;
    const enum bw_err err = look_at(config->run_dir, &run_dir, diag);

    if (err != BW_OK)
        return err;
    *out_boot_id = goes_on(config, state, kernel_boot_id) ? kernel_boot_id
                                                          : bw_agent_boot_id(kernel_boot_id, &run_dir);
    return BW_OK;
}

/* ---- saves ---- */

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

    job->err = agent_store_write(job->dir, job->file, job->bytes, job->size, &job->diag);
    if (job->err != BW_OK)
        job->err = bw_diag_wrap(&job->diag, job->err, "%s", job->path);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

void bw_agent_saves_begin(struct bw_agent *agent, const struct bw_agent_state *state)
{
    struct job *job = bw_worker_job(agent->disk);

    /* It always fits: so says the assertion beside its limit. */
    BW_ASSERT(agent_store_encode(state, job->bytes, &job->size, &job->diag) == BW_OK);
    bw_worker_begin(agent->disk, write_job);
}

static void on_done(void *of, void *user)
{
    struct bw_agent *agent = user;
    const struct job *job = of;

    if (job->err != BW_OK)
        bw_log_error(&agent->log, "state.write_failed",
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

    job->err = agent_store_write_members(job->dir, job->file, job->bytes, job->size, &job->diag);
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
        bw_log_warn(&agent->log, "members.write_failed",
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

/* ---- the guard's mirrors ---- */

/* The guard's mirrors, read beside the loop: a file system that hangs holds up this thread and nobody else.
 * Design 3.4. */

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
struct mirrors_job {
    char path[BW_AGENT_MIRRORS_PATH_BYTES];
    uint32_t count;
    struct reading readings[BW_SITE_GROUPS_MAX];
};

/* ---- on the thread --------------------------------------------------------------------------- */

BW_MUST_CHECK static enum bw_err agent_mirror_load(int dir, const char *group, struct bw_guard_mirror_file *out_file,
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
    struct mirrors_job *mirrors_job = of;
    const int dir = open(mirrors_job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int os_errno = errno;

    for (uint32_t i = 0; i < mirrors_job->count; i++) {
        struct reading *reading = &mirrors_job->readings[i];

        reading->diag = (struct bw_diag){0};
        reading->err = dir < 0 ? bw_diag_errno(&reading->diag, os_errno, "open %s", mirrors_job->path)
                               : agent_mirror_load(dir, reading->group, &reading->file,
                                                      &reading->diag);
    }
    if (dir >= 0)
        (void)close(dir); /* only read from */
}

/* ---- on the loop ----------------------------------------------------------------------------- */

void bw_agent_mirrors_begin(struct bw_agent *agent, const uint32_t *groups, uint32_t count)
{
    struct mirrors_job *mirrors_job = bw_worker_job(agent->mirrors);

    mirrors_job->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct reading *reading = &mirrors_job->readings[i];

        reading->number = groups[i];
        (void)bw_copy_text(reading->group, sizeof reading->group,
                           agent->served[groups[i]].config->name); /* a name: fits */
    }
    bw_worker_begin(agent->mirrors, read_all);
}

static void on_read(void *of, void *user)
{
    const struct mirrors_job *mirrors_job = of;
    struct bw_agent_mirror_reading readings[BW_SITE_GROUPS_MAX];

    for (uint32_t i = 0; i < mirrors_job->count; i++)
        readings[i] = (struct bw_agent_mirror_reading){.group = mirrors_job->readings[i].number,
                                                       .err = mirrors_job->readings[i].err,
                                                       .text = mirrors_job->readings[i].diag.text,
                                                       .file = &mirrors_job->readings[i].file};
    bw_agent_happen(user, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_MIRRORS_READ,
                                                   .readings = readings,
                                                   .reading_count = mirrors_job->count});
}

/* ---- life ------------------------------------------------------------------------------------ */

/* RUN_DIR/SITE-guard, where the guard's mirrors are. False if run_dir is too long. */
static bool agent_mirrors_path(const struct bw_site_config *config, char out_path[BW_AGENT_MIRRORS_PATH_BYTES])
{
    const int length = snprintf(out_path, BW_AGENT_MIRRORS_PATH_BYTES, "%s/%s-guard", config->run_dir, config->site);

    return length > 0 && length < BW_AGENT_MIRRORS_PATH_BYTES;
}

enum bw_err bw_agent_mirrors_open(struct bw_agent *agent, struct bw_diag *diag)
{
    struct mirrors_job *mirrors_job;
    const enum bw_err err = bw_worker_open(&agent->mirrors, &agent->loop, sizeof *mirrors_job, NULL,
                                           on_read, agent, diag);

    if (err != BW_OK)
        return err;
    mirrors_job = bw_worker_job(agent->mirrors);
    return agent_mirrors_path(agent->config, mirrors_job->path) ? BW_OK
                                                           : bw_diag_set(diag, BW_ERR_LIMIT, "run_dir is too long");
}
