/* What the guard must not forget. Design 3.4, what it keeps. */
#include "program.h"

#include <dirent.h>
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
#include <breakwater/os/random.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/state.h>

#include "proof.h"

#define NAME_BYTES        BW_GUARD_FILE_NAME_BYTES
#define CLUSTER_NAME      "cluster"
#define CLUSTER_FIXED     (BW_ID_BYTES + 8) /* id, generation (u64 LE); then the site's name */
#define CLUSTER_BYTES_MAX (CLUSTER_FIXED + BW_NAME_MAX)

static const struct bw_durable_kind memory_kind = {
    .magic = BW_GUARD_MEMORY_MAGIC, .version = BW_GUARD_MEMORY_VERSION, .oldest = BW_DURABLE_OLDEST};
static const struct bw_durable_kind cluster_kind = {
    .magic = "BWGC", .version = 2, .oldest = BW_DURABLE_OLDEST};
static const struct bw_durable_kind mirror_kind = {.magic = BW_GUARD_MIRROR_MAGIC,
                                                   .version = BW_GUARD_MIRROR_VERSION,
                                                   .oldest = BW_DURABLE_OLDEST};

static const struct bw_durable_kind reach_kind = {
    .magic = "BWGE", .version = 2, .oldest = BW_DURABLE_OLDEST};

/* The key of the marks of this guard's processes: they live as long as the boot, and so does it. */
#define KEY_NAME "reach-key"
static const struct bw_durable_kind key_kind = {.magic = "BWGK", .version = 2, .oldest = BW_DURABLE_OLDEST};

static void file_name(const char *group, const char *suffix, char out_name[NAME_BYTES])
{
    (void)snprintf(out_name, NAME_BYTES, "%s%s", group, suffix); /* names are BW_NAME_MAX at most */
}

/* ---- open and close ------------------------------------------------------------------------ */

/* The directory and, where it is missing, the one around it. */
static enum bw_err open_dir(const char *around, const char *path, int *out_dir,
                            struct bw_diag *diag)
{
    if (mkdir(around, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "make %s", around);
    return bw_durable_open_dir(path, out_dir, diag);
}

static enum bw_err read_cluster(struct bw_guard_store *store, struct bw_diag *diag)
{
    uint8_t bytes[CLUSTER_BYTES_MAX + 1];
    size_t size;
    uint32_t version;
    const char *const named = (const char *)bytes + CLUSTER_FIXED;
    enum bw_err err = bw_durable_load(store->state_dir, CLUSTER_NAME, &cluster_kind, bytes,
                                      CLUSTER_BYTES_MAX, &size, &version, diag);

    if (err == BW_ERR_NOT_FOUND)
        return BW_OK; /* nobody has said a hello here yet */
    if (err != BW_OK)
        return err;
    if (size <= CLUSTER_FIXED)
        return bw_diag_set(diag, BW_ERR_CORRUPT, CLUSTER_NAME ": it names no site");
    bytes[size] = '\0';
    if (strcmp(named, store->site) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "this is the state of site %s, the file says %s; a lease that is armed here for %s is "
                           "enforced to its end, and renewed no more (name %s again; or give each site a "
                           "state_dir of its own)",
                           named, store->site, named, named);
    memcpy(store->cluster_id.bytes, bytes, BW_ID_BYTES);
    store->generation = bw_get_u64le(bytes + BW_ID_BYTES);
    return BW_OK;
}

/* ---- the key of the marks ------------------------------------------------------------------ */

static bool has_mirrors(const char *path)
{
    char group[BW_NAME_MAX + 1];
    const struct dirent *entry;
    DIR *list = opendir(path);
    bool is_any = list == NULL; /* not known */

    while (list != NULL && !is_any && (entry = readdir(list)) != NULL)
        is_any = bw_guard_file_group(entry->d_name, BW_GUARD_MIRROR_SUFFIX, group);
    if (list != NULL)
        (void)closedir(list); /* only read from */
    return is_any;
}

/* Processes that a guard without keys began in this boot show none, so every mark counts until the next boot. */
static void read_key(struct bw_guard_store *store)
{
    size_t size;
    uint32_t version;
    const enum bw_err err = bw_durable_load(store->mirror_dir, KEY_NAME, &key_kind, store->reach_key,
                                            sizeof store->reach_key - 1, &size, &version, NULL);

    if (err == BW_OK && size > 0)
        store->reach_key[size] = '\0';
    else
        (void)strcpy(store->reach_key, BW_REACH_KEY_ANY);
}

static enum bw_err save_key(const struct bw_guard_store *store, int dir, struct bw_diag *diag)
{
    return bw_durable_save_for_boot(dir, KEY_NAME, &key_kind, store->reach_key, strlen(store->reach_key), diag);
}

static enum bw_err read_or_make_key(struct bw_guard_store *store, struct bw_diag *diag)
{
    char id[BW_ID_TEXT_BYTES];

    _Static_assert(sizeof id == sizeof store->reach_key, "a key is an id");
    read_key(store);
    if (faccessat(store->mirror_dir, KEY_NAME, F_OK, 0) == 0)
        return BW_OK;
    bw_id_format(bw_random_id(), id);
    if (!has_mirrors(store->mirror_path))
        BW_ASSERT(bw_copy_text(store->reach_key, sizeof store->reach_key, id));
    return save_key(store, store->mirror_dir, diag);
}

/* Of a guard that is to begin, not of one that enforces what is left (program.c): that ends what its mirrors
 * say, whatever else lies beside them. */
static enum bw_err check_owners(const struct bw_guard_store *store, struct bw_diag *diag)
{
    enum bw_err err = bw_path_check_dir(store->state_path, diag);

    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "state_dir");
    err = bw_path_check_dir(store->mirror_path, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "run_dir");
}

/* A guard that lives does not look; who only takes care of them leaves them to us, before our next try. */
static void want_mirrors(int dir)
{
    const int fd = openat(dir, BW_GUARD_WANTED_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0)
        (void)close(fd); /* its name says it all */
}

enum bw_err bw_guard_store_open(struct bw_guard_store *store, const struct bw_site_config *config,
                                struct bw_diag *diag)
{
    enum bw_err err;
    const int state_length = snprintf(store->state_path, sizeof store->state_path, "%s/guard",
                                      config->state_dir);
    const int mirror_length = snprintf(store->mirror_path, sizeof store->mirror_path, "%s/%s" BW_GUARD_DIR_SUFFIX,
                                       config->run_dir, config->site);

    store->state_dir = store->mirror_dir = store->lock = store->mirror_lock = -1;
    if (state_length >= (int)sizeof store->state_path ||
        mirror_length >= (int)sizeof store->mirror_path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "state_dir or run_dir is longer than %zu bytes",
                           sizeof store->state_path);
    (void)bw_copy_text(store->site, sizeof store->site, config->site); /* of the same size */
    err = bw_clock_boot_id(&store->boot_id, diag);
    if (err == BW_OK)
        err = bw_clock_time_namespace(&store->time_namespace, diag);
    if (err == BW_OK)
        err = open_dir(config->state_dir, store->state_path, &store->state_dir, diag);
    if (err == BW_OK)
        err = bw_dir_lock(store->state_dir, store->state_path, &store->lock, diag);
    if (err == BW_OK)
        err = open_dir(config->run_dir, store->mirror_path, &store->mirror_dir, diag);
    if (err == BW_OK)
        err = bw_dir_lock(store->mirror_dir, store->mirror_path, &store->mirror_lock, diag);
    if (err == BW_ERR_BUSY && store->mirror_dir >= 0)
        want_mirrors(store->mirror_dir);
    if (err == BW_OK)
        err = check_owners(store, diag);
    if (err == BW_OK)
        err = read_or_make_key(store, diag);
    if (err != BW_OK)
        return err;
    err = read_cluster(store, diag);
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s", store->state_path);
}

enum bw_err bw_guard_store_open_mirrors(struct bw_guard_store *store, const char *path,
                                        struct bw_diag *diag)
{
    enum bw_err err;

    store->state_dir = store->mirror_dir = store->lock = store->mirror_lock = -1;
    if (!bw_copy_text(store->mirror_path, sizeof store->mirror_path, path))
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s is too long", path);
    err = bw_clock_boot_id(&store->boot_id, diag);
    if (err == BW_OK)
        err = bw_clock_time_namespace(&store->time_namespace, diag);
    if (err == BW_OK)
        err = bw_durable_open_dir(path, &store->mirror_dir, diag);
    if (err == BW_OK)
        err = bw_dir_lock(store->mirror_dir, path, &store->mirror_lock, diag);
    if (err != BW_OK)
        return err;
    (void)unlinkat(store->mirror_dir, BW_GUARD_WANTED_NAME, 0); /* of before; most often there is none */
    read_key(store);
    return BW_OK;
}

/* In the place of `old`, under its number: whoever uses that writes to the new one from here on. */
static void replace_fd(int old, int fd)
{
    if (dup3(fd, old, O_CLOEXEC) >= 0)
        (void)close(fd); /* of the same file */
}

enum bw_err bw_guard_store_make_mirrors_again(struct bw_guard_store *store, struct bw_diag *diag)
{
    char around[sizeof store->mirror_path];
    int dir = -1;
    int lock = -1;
    enum bw_err err;

    (void)bw_copy_text(around, sizeof around, store->mirror_path); /* of the same size */
    *strrchr(around, '/') = '\0';
    err = open_dir(around, store->mirror_path, &dir, diag);
    if (err == BW_OK)
        err = bw_dir_lock(dir, store->mirror_path, &lock, diag);
    if (err == BW_OK)
        err = save_key(store, dir, diag); /* what runs shows the one of before */
    if (err != BW_OK) {
        bw_dir_unlock(lock);
        if (dir >= 0)
            (void)close(dir);
        return err;
    }
    replace_fd(store->mirror_dir, dir);
    replace_fd(store->mirror_lock, lock);
    return BW_OK;
}

void bw_guard_store_unlock(struct bw_guard_store *store)
{
    bw_dir_unlock(store->lock);
    bw_dir_unlock(store->mirror_lock);
    store->lock = store->mirror_lock = -1;
}

void bw_guard_store_close(struct bw_guard_store *store)
{
    bw_guard_store_unlock(store);
    if (store->state_dir >= 0)
        (void)close(store->state_dir); /* what was saved is on the disk */
    if (store->mirror_dir >= 0)
        (void)close(store->mirror_dir);
    store->state_dir = store->mirror_dir = -1;
}

/* ---- reading ------------------------------------------------------------------------------- */

static enum bw_err load_memory(const struct bw_guard_store *store, const char *group,
                               struct bw_guard_memory *out_memory, bool *out_is_new,
                               struct bw_diag *diag)
{
    struct bw_guard_memory_file file;
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    char name[NAME_BYTES];
    size_t size;
    uint32_t version;
    enum bw_err err;

    *out_memory = (struct bw_guard_memory){0};
    *out_is_new = true;
    if (store->state_dir < 0)
        return BW_OK; /* of mirrors alone */
    file_name(group, BW_GUARD_MEMORY_SUFFIX, name);
    err = bw_durable_load(store->state_dir, name, &memory_kind, bytes, sizeof bytes, &size,
                          &version, diag);
    if (err == BW_ERR_NOT_FOUND)
        return BW_OK;
    if (err == BW_OK)
        err = bw_guard_memory_decode(bytes, size, &file, diag);
    if (err == BW_OK && strcmp(file.group, group) != 0)
        err = bw_diag_set(diag, BW_ERR_CORRUPT, "it is the file of group %s, renamed", file.group);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "%s/%s", store->state_path, name);
    *out_memory = file.memory;
    *out_is_new = false;
    return BW_OK;
}

static enum bw_err load_mirror(const struct bw_guard_store *store, const char *group,
                               struct bw_guard_mirror *out_mirror, struct bw_id *out_cluster_id,
                               struct bw_diag *diag)
{
    struct bw_guard_mirror_file file;
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    char name[NAME_BYTES];
    size_t size;
    uint32_t version;
    enum bw_err err;

    file_name(group, BW_GUARD_MIRROR_SUFFIX, name);
    err = bw_durable_load(store->mirror_dir, name, &mirror_kind, bytes, sizeof bytes, &size,
                          &version, diag);
    if (err == BW_OK)
        err = bw_guard_mirror_decode(bytes, size, &file, diag);
    if (err == BW_OK && strcmp(file.group, group) != 0)
        err = bw_diag_set(diag, BW_ERR_CORRUPT, "it is the file of group %s, renamed", file.group);
    if (err == BW_OK && (!bw_id_equal(file.boot_id, store->boot_id) ||
                         file.time_namespace != store->time_namespace))
        err = bw_diag_set(diag, BW_ERR_STALE, "it is of another boot or time namespace");
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "%s/%s", store->mirror_path, name);
    *out_mirror = file.mirror;
    *out_cluster_id = file.cluster_id;
    return BW_OK;
}

void bw_guard_store_find(const struct bw_guard_store *store, const char *group,
                         struct bw_guard_found *out_found, struct bw_diag *out_memory_diag,
                         struct bw_diag *out_mirror_diag)
{
    *out_found = (struct bw_guard_found){.is_mirror_alone = store->state_dir < 0};
    out_found->memory_err = load_memory(store, group, &out_found->memory, &out_found->is_new,
                                        out_memory_diag);
    out_found->mirror_err = load_mirror(store, group, &out_found->mirror, &out_found->armed_by,
                                        out_mirror_diag);
}

/* The start that its mirror names was by steps, and is not whole. */
static bool has_broken_start(const struct bw_guard_store *store,
                             const struct bw_group_config *group,
                             const struct bw_guard_mirror *mirror)
{
    const struct bw_guard_child *action = &mirror->children[BW_GUARD_SLOT_ACTION];

    return action->action == BW_ACTION_START &&
           bw_group_config_steps(group, BW_ACTION_START) != NULL &&
           !bw_steps_start_is_whole(group, store->state_path, action->epoch,
                                    bw_steps_run_id(action->pid, action->start_time));
}

static void read_proof(const struct bw_guard_store *store, const struct bw_site_config *site,
                       const struct bw_group_config *group, struct bw_guard_files *out_files)
{
    struct bw_guard_proof_owner owner = {
        .cluster = site->cluster, .site = site->site, .group = group->name};

    if (store->state_dir < 0)
        return; /* of mirrors alone */
    if (bw_clock_machine_id(&owner.machine_id, &out_files->proof_diag) == BW_OK)
        out_files->proof =
            bw_guard_proof_read(store->state_dir, &owner, &out_files->proof_diag);
    else
        out_files->proof_diag = (struct bw_diag){0}; /* none could have been kept */
}

void bw_guard_files_read(const struct bw_guard_store *store, const struct bw_site_config *site,
                         const struct bw_group_config *group, struct bw_guard_files *out_files)
{
    *out_files = (struct bw_guard_files){.proof = 0};
    bw_guard_store_find(store, group->name, &out_files->found, &out_files->memory_diag,
                        &out_files->mirror_diag);
    out_files->has_broken_start = has_broken_start(store, group, &out_files->found.mirror);
    read_proof(store, site, group, out_files);
}

static enum bw_err load_reach(int dir, const char *group, uint8_t *bytes,
                              struct bw_guard_reach_file *out_file, struct bw_diag *diag)
{
    char name[NAME_BYTES];
    size_t size;
    uint32_t version;
    enum bw_err err;

    file_name(group, BW_GUARD_REACH_SUFFIX, name);
    err = bw_durable_load(dir, name, &reach_kind, bytes, BW_GUARD_REACH_BYTES_MAX, &size, &version,
                          diag);
    if (err == BW_OK)
        err = bw_guard_reach_decode(bytes, size, out_file, diag);
    if (err == BW_OK && strcmp(out_file->group, group) != 0)
        err = bw_diag_set(diag, BW_ERR_CORRUPT, "it is the file of group %s, renamed",
                          out_file->group);
    return err;
}

/* By what a group was ended: as its mirror was written with, else its memory. */
BW_MUST_CHECK static enum bw_err guard_store_load_reach(const struct bw_guard_store *store, const char *group,
                                                           struct bw_guard_reach_file *out_file, struct bw_diag *diag)
{
    uint8_t *bytes = malloc(BW_GUARD_REACH_BYTES_MAX);
    enum bw_err err;

    BW_ASSERT(bytes != NULL);
    err = load_reach(store->mirror_dir, group, bytes, out_file, diag);
    if (err != BW_OK && store->state_dir >= 0)
        err = load_reach(store->state_dir, group, bytes, out_file, diag);
    free(bytes);
    return err;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* After a failed fsync the page cache says one thing and the disk perhaps another: what is written next
 * goes into a new file from its beginning, and nothing of the old one is relied on. */
void bw_guard_store_prepare(const char *group, const struct bw_guard_memory *memory,
                            struct bw_guard_file_copy *out_file)
{
    struct bw_guard_memory_file file = {.memory = *memory};

    (void)bw_copy_text(file.group, sizeof file.group, group); /* of the same size */
    file_name(group, BW_GUARD_MEMORY_SUFFIX, out_file->name);
    out_file->diag = (struct bw_diag){0};
    out_file->err = bw_guard_memory_encode(&file, out_file->bytes, sizeof out_file->bytes,
                                           &out_file->size, &out_file->diag);
}

/* What is there already is not written again. */
static bool has_reach(int dir, const struct bw_guard_reach_copy *copy)
{
    uint8_t *bytes = malloc(BW_GUARD_REACH_BYTES_MAX);
    size_t size;
    uint32_t version;
    bool is_same;

    BW_ASSERT(bytes != NULL);
    is_same = bw_durable_load(dir, copy->name, &reach_kind, bytes, BW_GUARD_REACH_BYTES_MAX, &size,
                              &version, NULL) == BW_OK &&
              size == copy->size && memcmp(bytes, copy->bytes, size) == 0;
    free(bytes);
    return is_same;
}

/* Those of the round that are to be written and have not failed. */
static uint32_t items_of(struct bw_guard_save_round *round, bool is_reach,
                         struct bw_durable_item *items, struct bw_guard_file_copy **files)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < round->count; i++) {
        struct bw_guard_file_copy *file = &round->saves[i].file;
        const struct bw_guard_reach_copy *reach = &file->reach;

        if (round->saves[i].is_nobodys || file->err != BW_OK ||
            (is_reach && (reach->bytes == NULL || has_reach(round->store.state_dir, reach))))
            continue;
        files[count] = file;
        items[count++] =
            is_reach ? (struct bw_durable_item){.name = reach->name,
                                                .kind = &reach_kind,
                                                .payload = reach->bytes,
                                                .size = reach->size,
                                                .diag = &file->diag}
                     : (struct bw_durable_item){.name = file->name,
                                                .kind = &memory_kind,
                                                .payload = file->bytes,
                                                .size = file->size,
                                                .diag = &file->diag};
    }
    return count;
}

static void save_round(struct bw_guard_save_round *round, bool is_reach)
{
    struct bw_durable_item items[BW_DURABLE_ITEMS_MAX];
    struct bw_guard_file_copy *files[BW_DURABLE_ITEMS_MAX];
    const uint32_t count = items_of(round, is_reach, items, files);

    bw_durable_save_all(round->store.state_dir, items, count);
    for (uint32_t i = 0; i < count; i++) {
        files[i]->err = items[i].err;
        if (items[i].err != BW_OK)
            (void)bw_diag_wrap(&files[i]->diag, items[i].err, "%s", round->store.state_path);
    }
}

/* Before what has refuted it: a guard that begins between the two has no proof. */
static void remove_refuted(struct bw_guard_save_round *round)
{
    for (uint32_t i = 0; i < round->count; i++) {
        struct bw_guard_save *save = &round->saves[i];

        if (save->refuted[0] != '\0' && save->file.err == BW_OK)
            save->file.err = bw_guard_proof_remove(round->store.state_dir, save->refuted, &save->file.diag);
    }
}

void bw_guard_store_save(void *of)
{
    remove_refuted(of);
    save_round(of, true); /* durable before what stands beside it */
    save_round(of, false);
}

void bw_guard_store_prepare_mirror(const struct bw_guard_store *store, const char *group,
                                   const struct bw_guard_mirror *mirror, struct bw_id cluster_id,
                                   struct bw_guard_file_copy *out_file)
{
    struct bw_guard_mirror_file file = {
        .boot_id = store->boot_id, .time_namespace = store->time_namespace, .mirror = *mirror, .cluster_id = cluster_id};

    (void)bw_copy_text(file.group, sizeof file.group, group); /* of the same size */
    file_name(group, BW_GUARD_MIRROR_SUFFIX, out_file->name);
    out_file->diag = (struct bw_diag){0};
    out_file->err = bw_guard_mirror_encode(&file, out_file->bytes, sizeof out_file->bytes,
                                           &out_file->size, &out_file->diag);
}

/* A mirror of another boot is void (3.4), as is one that cannot be read: what serves is then fenced. So no
 * script and no deadline waits for a disk here. */
void bw_guard_store_write_mirror(const struct bw_guard_store *store,
                                 struct bw_guard_file_copy *file)
{
    const struct bw_guard_reach_copy *reach = &file->reach;

    if (file->err == BW_OK && reach->bytes != NULL)
        file->err = bw_durable_save_for_boot(store->mirror_dir, reach->name, &reach_kind,
                                             reach->bytes, reach->size, &file->diag);
    if (file->err == BW_OK)
        file->err = bw_durable_save_for_boot(store->mirror_dir, file->name, &mirror_kind,
                                             file->bytes, file->size, &file->diag);
    if (file->err != BW_OK)
        file->err = bw_diag_wrap(&file->diag, file->err, "%s", store->mirror_path);
}

void bw_guard_store_pin(void *of)
{
    struct bw_guard_pin *pin = of;
    uint8_t bytes[CLUSTER_BYTES_MAX];
    const struct bw_guard_store *store = &pin->store;
    const size_t site_bytes = strlen(store->site);

    memcpy(bytes, store->cluster_id.bytes, BW_ID_BYTES);
    bw_put_u64le(bytes + BW_ID_BYTES, store->generation);
    memcpy(bytes + CLUSTER_FIXED, store->site, site_bytes);
    pin->err = bw_durable_save(store->state_dir, CLUSTER_NAME, &cluster_kind, bytes,
                               CLUSTER_FIXED + site_bytes, &pin->diag);
    if (pin->err != BW_OK)
        (void)bw_diag_wrap(&pin->diag, pin->err, "%s", store->state_path);
}

/* ---- by what a group is ended ---- */

/* By what a group is ended, kept beside its mirror and its memory: a guard whose site file does not name it
 * any more, or cannot be read, ends it as well. Design 3.4. */

/* A fence needs no others: where a stop is made of steps there is a fence script. */
static const enum bw_action_kind kept_scripts[] = {BW_ACTION_FENCE, BW_ACTION_STOP,
                                                   BW_ACTION_STATUS};

static enum bw_err add_scripts(const struct bw_group_config *config,
                               struct bw_guard_reach_file *file)
{
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < sizeof kept_scripts / sizeof kept_scripts[0]; i++) {
        struct bw_guard_script *script = &file->scripts[file->script_count];

        if (config->scripts[kept_scripts[i]] == NULL)
            continue;
        script->action = kept_scripts[i];
        script->timeout_ms = config->timeout_ms[kept_scripts[i]];
        if (!bw_copy_text(script->path, sizeof script->path, config->scripts[kept_scripts[i]]))
            err = BW_ERR_LIMIT;
        file->script_count++;
    }
    return err;
}

static enum bw_err add_variables(const struct bw_group_config *config,
                                 struct bw_guard_reach_file *file)
{
    for (uint32_t i = 0; i < config->env_count; i++) {
        char *text = file->variables[file->variable_count].text;
        const size_t size = sizeof file->variables[0].text;
        const struct bw_env_entry *entry = &config->env[i];

        if (i == BW_GUARD_VARIABLES_MAX || strlen(entry->name) + strlen(entry->value) + 2 > size)
            return BW_ERR_LIMIT;
        (void)stpcpy(stpcpy(stpcpy(text, entry->name), "="), entry->value);
        file->variable_count++;
    }
    return BW_OK;
}

/* By these alone everything that its scripts started is found. */
static void fill_names(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const struct bw_group_config *config = group->config;

    (void)bw_copy_text(file->group, sizeof file->group, config->name); /* of the same size */
    (void)bw_copy_text(file->cluster, sizeof file->cluster, group->program->config->cluster);
    (void)bw_copy_text(file->site, sizeof file->site, group->program->store.site);
    file->enforce = BW_REACH_CGROUP;
    file->kill_grace_ms = config->kill_grace_ms;
}

/* By these what its scripts did not start themselves. */
static enum bw_err add_reach(const struct bw_group_config *config, struct bw_guard_reach_file *file)
{
    file->enforce = config->enforce;
    if (config->container_tool != NULL &&
        !bw_copy_text(file->container_tool, sizeof file->container_tool, config->container_tool))
        return BW_ERR_LIMIT;
    for (uint32_t i = 0; i < config->unit_count; i++)
        if (!bw_copy_text(file->units[file->unit_count++].name, sizeof file->units[0].name,
                          config->units[i]))
            return BW_ERR_LIMIT;
    return BW_OK;
}

static enum bw_err fill(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const struct bw_group_config *config = group->config;
    enum bw_err err = add_scripts(config, file);

    fill_names(group, file);
    file->allow_writable_scripts = config->allow_writable_scripts;
    if (err == BW_OK)
        err = add_variables(config, file);
    return err == BW_OK ? add_reach(config, file) : err;
}

/* Without scripts, and what is ended by scripts alone is not known to be ended. */
static void fill_without_scripts(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const enum bw_reach_kind enforce = group->config->enforce;

    *file = (struct bw_guard_reach_file){.script_count = 0};
    fill_names(group, file);
    if ((enforce == BW_REACH_UNITS || enforce == BW_REACH_CONTAINERS) && add_reach(group->config, file) == BW_OK)
        return;
    *file = (struct bw_guard_reach_file){.script_count = 0};
    fill_names(group, file);
}

/* What cannot be kept whole is kept by its names and by those of its reach: what was kept before would run scripts that
 * were replaced. The error says what could not be. */
static enum bw_err encode(const struct bw_guard_group *group, uint8_t **out_bytes, size_t *out_size,
                          struct bw_diag *diag)
{
    struct bw_guard_reach_file *file = calloc(1, sizeof *file);
    uint8_t *bytes = malloc(BW_GUARD_REACH_BYTES_MAX);
    enum bw_err err;

    BW_ASSERT(file != NULL && bytes != NULL);
    err = fill(group, file);
    if (err != BW_OK)
        err = bw_diag_set(diag, err, "a path or a variable of it is longer than %zu bytes",
                          sizeof file->variables[0].text - 1);
    if (err == BW_OK)
        err = bw_guard_reach_encode(file, bytes, BW_GUARD_REACH_BYTES_MAX, out_size, diag);
    if (err != BW_OK) {
        fill_without_scripts(group, file);
        BW_ASSERT(bw_guard_reach_encode(file, bytes, BW_GUARD_REACH_BYTES_MAX, out_size, NULL) ==
                  BW_OK); /* names */
    }
    free(file);
    *out_bytes = malloc(*out_size);
    BW_ASSERT(*out_bytes != NULL);
    memcpy(*out_bytes, bytes, *out_size);
    free(bytes);
    return err;
}

void bw_guard_reach_keep(struct bw_guard_group *group)
{
    struct bw_diag diag = {0};
    uint8_t *bytes;
    size_t size = 0;

    group->is_reach_kept = encode(group, &bytes, &size, &diag) == BW_OK;
    if (!group->is_reach_kept)
        bw_log_warn(
            &group->program->log, "reach.write_failed",
            "group=%s error=%s does=\"once the site file does not name it, no script of it is run: only what "
            "is in its reach is killed\"",
            group->config->name, bw_log_quote(diag.text));
    free(group->reach_bytes);
    group->reach_bytes = bytes;
    group->reach_size = size;
    group->reach_version++;
}

struct bw_guard_reach_copy bw_guard_reach_copy(const struct bw_guard_group *group, uint64_t known)
{
    struct bw_guard_reach_copy copy = {.size = group->reach_size, .version = group->reach_version};

    if (known == group->reach_version)
        return copy;
    (void)snprintf(copy.name, sizeof copy.name, "%s" BW_GUARD_REACH_SUFFIX, group->config->name);
    copy.bytes = malloc(copy.size);
    BW_ASSERT(copy.bytes != NULL);
    memcpy(copy.bytes, group->reach_bytes, copy.size);
    return copy;
}

/* ---- read again -------------------------------------------------------------------------------- */

struct kept {
    struct bw_group_config config; /* first: whoever frees it frees all */
    struct bw_guard_reach_file file;
    const char *units[BW_UNITS_MAX];
    struct bw_env_entry env[BW_GUARD_VARIABLES_MAX];
};

static void configure(struct kept *kept)
{
    struct bw_group_config *config = &kept->config;

    (void)bw_copy_text(config->name, sizeof config->name, kept->file.group);
    config->enforce = kept->file.enforce;
    config->kill_grace_ms = kept->file.kill_grace_ms;
    config->allow_writable_scripts = kept->file.allow_writable_scripts;
    for (uint32_t i = 0; i < kept->file.script_count; i++) {
        const struct bw_guard_script *script = &kept->file.scripts[i];

        config->scripts[script->action] = script->path;
        config->timeout_ms[script->action] = script->timeout_ms;
    }
    for (uint32_t i = 0; i < kept->file.unit_count; i++)
        kept->units[i] = kept->file.units[i].name;
    config->units = kept->units;
    config->unit_count = kept->file.unit_count;
    if (kept->file.container_tool[0] != '\0')
        config->container_tool = kept->file.container_tool;
    config->env = kept->env;
    for (uint32_t i = 0; i < kept->file.variable_count; i++) {
        char *equals = strchr(kept->file.variables[i].text, '=');

        if (equals == NULL)
            continue;
        *equals = '\0';
        kept->env[config->env_count++] =
            (struct bw_env_entry){kept->file.variables[i].text, equals + 1};
    }
}

struct bw_group_config *bw_guard_reach_copy_config(const struct bw_guard_group *group)
{
    struct kept *kept = calloc(1, sizeof *kept);
    struct bw_diag diag = {0};

    BW_ASSERT(kept != NULL);
    if (!group->is_reach_kept ||
        bw_guard_reach_decode(group->reach_bytes, group->reach_size, &kept->file, &diag) != BW_OK) {
        free(kept);
        return NULL;
    }
    configure(kept);
    kept->config.digest = group->config->digest;
    kept->config.driver = group->config->driver; /* named again it is the same one */
    return &kept->config;
}

enum bw_err bw_guard_reach_config(const struct bw_guard_store *store, const char *group,
                                  struct bw_group_config **out_config,
                                  const struct bw_guard_reach_file **out_file,
                                  struct bw_diag *diag)
{
    struct kept *kept = calloc(1, sizeof *kept);
    enum bw_err err;

    BW_ASSERT(kept != NULL);
    err = guard_store_load_reach(store, group, &kept->file, diag);
    if (err != BW_OK) {
        free(kept);
        return err;
    }
    configure(kept);
    *out_config = &kept->config;
    *out_file = &kept->file;
    return BW_OK;
}
