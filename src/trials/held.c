#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/os/durable.h>
#include <breakwater/wire/state.h>

static const struct bw_durable_kind memory_kind = {.magic = BW_GUARD_MEMORY_MAGIC,
                                                   .version = BW_GUARD_MEMORY_VERSION,
                                                   .oldest = BW_DURABLE_OLDEST};
static const struct bw_durable_kind agent_kind = {.magic = BW_AGENT_STATE_MAGIC,
                                                  .version = BW_AGENT_STATE_VERSION,
                                                  .oldest = BW_DURABLE_OLDEST};

static bool is_held_by_guard(const void *bytes, size_t size, const char *group, enum bw_err *out_err,
                             struct bw_diag *diag)
{
    struct bw_guard_memory_file file;

    (void)group; /* the file is its own */
    *out_err = bw_guard_memory_decode(bytes, size, &file, diag);
    return *out_err == BW_OK && (file.memory.enforced || file.memory.serial != 0);
}

static bool is_held_by_agent(const void *bytes, size_t size, const char *group, enum bw_err *out_err,
                             struct bw_diag *diag)
{
    struct bw_agent_state state = {.group_count = 0};
    bool is_held = false;

    *out_err = bw_agent_state_decode(bytes, size, &state, diag);
    for (uint32_t i = 0; *out_err == BW_OK && i < state.group_count; i++)
        if (strcmp(state.groups[i].name, group) == 0)
            is_held = state.groups[i].memory.enforced ||
                      state.groups[i].memory.override != BW_OVERRIDE_NONE;
    bw_agent_state_deinit(&state);
    return is_held;
}

/* Of STATE_DIR/`whose`/`name`. */
static enum bw_err look(const struct bw_site_config *site, const char *whose, const char *name,
                        const struct bw_durable_kind *kind,
                        bool (*is_held)(const void *bytes, size_t size, const char *group,
                                        enum bw_err *out_err, struct bw_diag *diag),
                        const char *group, bool *out_is_held, struct bw_diag *diag)
{
    char path[1024];
    uint8_t *bytes;
    size_t size;
    uint32_t version;
    enum bw_err err;
    int dir;

    (void)snprintf(path, sizeof path, "%s/%s", site->state_dir, whose); /* ENOENT if cut */
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? BW_OK : bw_diag_errno(diag, errno, "open %s", path);
    bytes = malloc(BW_DURABLE_PAYLOAD_BYTES_MAX);
    BW_ASSERT(bytes != NULL);
    err = bw_durable_load(dir, name, kind, bytes, BW_DURABLE_PAYLOAD_BYTES_MAX, &size, &version, diag);
    if (err == BW_OK)
        *out_is_held |= is_held(bytes, size, group, &err, diag);
    free(bytes);
    (void)close(dir); /* only read from */
    return err == BW_ERR_NOT_FOUND || err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "%s/%s", path, name);
}

enum bw_err bw_trial_is_enforced(const struct bw_site_config *site, const char *group,
                                 bool *out_is_enforced, struct bw_diag *diag)
{
    char name[BW_NAME_MAX + 16];
    enum bw_err err;

    *out_is_enforced = false;
    if (site->state_dir == NULL)
        return BW_OK; /* a file with the seven keys */
    (void)snprintf(name, sizeof name, "%s" BW_GUARD_MEMORY_SUFFIX, group);
    err = look(site, "guard", name, &memory_kind, is_held_by_guard, group, out_is_enforced, diag);
    if (err != BW_OK)
        return err;
    (void)snprintf(name, sizeof name, "%s" BW_AGENT_STATE_SUFFIX, site->cluster);
    return look(site, "agent", name, &agent_kind, is_held_by_agent, group, out_is_enforced, diag);
}
