#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/random.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

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
    enum bw_err err = bw_agent_store_encode(&store->state, store->buffer, &size, diag);

    if (err == BW_OK)
        err = bw_agent_store_write(store->dir, store->file, store->buffer, size, diag);
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
        bw_log_warn(log, "machine.unnamed", "does=\"after a reboot this agent is a new instance\"");
    else if (err != BW_OK)
        return bw_diag_set(diag, err, "%s", machine_diag.text);
    err = load(store, diag);
    if (err != BW_OK && err != BW_ERR_NOT_FOUND)
        return err;
    was_found = err == BW_OK;
    err = bw_agent_boot_find(config, &store->state, kernel_boot_id, &store->boot_id, diag);
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

enum bw_err bw_agent_store_encode(const struct bw_agent_state *state, uint8_t *buffer,
                                  size_t *out_size, struct bw_diag *diag)
{
    return bw_agent_state_encode(state, buffer, BW_AGENT_STATE_BYTES_MAX, out_size, diag);
}

enum bw_err bw_agent_store_write(int dir, const char *file, const uint8_t *bytes, size_t size,
                                 struct bw_diag *diag)
{
    enum bw_err err;

    BW_CRASH_POINT(AGENT_BEFORE_SAVE);
    err = bw_durable_save(dir, file, &state_kind, bytes, size, diag);
    BW_CRASH_POINT(AGENT_AFTER_SAVE);
    return err;
}

enum bw_err bw_agent_store_write_members(int dir, const char *file, const uint8_t *bytes,
                                         size_t size, struct bw_diag *diag)
{
    return bw_durable_save(dir, file, &members_kind, bytes, size, diag);
}
