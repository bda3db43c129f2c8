/* Groups that the file does not name (any more). Taking one out of the file does not end its lease:
 * without a guard it would serve on after D. Design 3.2.4, 3.4. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/sys/reach.h>

#define MEMORY_SUFFIX ".memory"
#define KILL_GRACE_MS 1000

/* The group of a memory file; false: it is none. */
static bool group_of(const char *file, char out_group[BW_NAME_MAX + 1])
{
    const size_t length = strlen(file);
    const size_t suffix = strlen(MEMORY_SUFFIX);

    if (length <= suffix || length - suffix > BW_NAME_MAX ||
        strcmp(file + length - suffix, MEMORY_SUFFIX) != 0)
        return false;
    memcpy(out_group, file, length - suffix);
    out_group[length - suffix] = '\0';
    return bw_name_is_valid(out_group);
}

/* A mirror may be older than the memory of an epoch's end. */
static bool has_lease(const struct bw_guard_store *store, const char *group)
{
    struct bw_guard_mirror mirror = {0};
    struct bw_guard_memory memory = {0};
    struct bw_diag diag = {0};
    bool is_new = false;

    if (bw_guard_store_load_mirror(store, group, &mirror, &diag) != BW_OK)
        return false;
    if (bw_guard_store_load(store, group, &memory, &is_new, &diag) != BW_OK)
        memory.ended_epoch = 0; /* what it says is not known */
    return mirror.armed_epoch > memory.ended_epoch;
}

/* No script of it is known any more: its fence is the kill of everything in reach. */
static enum bw_err guard_it(struct bw_guard_program *program, const char *group,
                            struct bw_diag *diag)
{
    struct bw_group_config **list =
        realloc(program->forgotten, (program->forgotten_count + 1) * sizeof(struct bw_group_config *));
    struct bw_group_config *config = calloc(1, sizeof *config);

    if (list != NULL)
        program->forgotten = list;
    if (list == NULL || config == NULL) {
        free(config);
        return bw_diag_set(diag, BW_ERR_NOMEM, "make room for group %s", group);
    }
    (void)bw_copy_text(config->name, sizeof config->name, group);
    config->enforce = BW_REACH_CGROUP;
    config->kill_grace_ms = KILL_GRACE_MS;
    list[program->forgotten_count++] = config;
    return bw_guard_program_add(program, config, diag);
}

/* A guard that was killed leaves its groups' cgroups for the next one, which takes those of the groups
 * that it has. What still runs in one keeps it. */
static void remove_reach(const struct bw_guard_program *program, const char *group)
{
    struct bw_reach reach;
    char tag[BW_REACH_TAG_BYTES];

    bw_reach_tag(program->config->cluster, program->store.site, tag);
    if (bw_reach_open(&reach, tag, group, false, NULL) == BW_OK)
        bw_reach_close(&reach);
}

static void look_at(struct bw_guard_program *program, const char *group)
{
    struct bw_diag diag = {0};

    if (bw_guard_program_find(program, group) != NULL)
        return;
    if (!has_lease(&program->store, group)) {
        remove_reach(program, group);
        return;
    }
    bw_log_error(&program->log, "group.forgotten",
                 "group=%s error=\"the site file does not name it, and its lease is not over\" "
                 "does=\"at the deadline all that its scripts started is killed\" "
                 "next=\"name it again, or switch it over or let it go first\"",
                 group);
    if (guard_it(program, group, &diag) != BW_OK)
        bw_log_error(&program->log, "group.unloaded", "group=%s error=%s", group,
                     bw_log_quote(diag.text));
}

void bw_guard_program_guard_forgotten(struct bw_guard_program *program)
{
    char group[BW_NAME_MAX + 1];
    const int fd = openat(program->store.state_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (list == NULL) {
        bw_log_error(&program->log, "state.unlisted", "error=%s", strerror(errno));
        if (fd >= 0)
            (void)close(fd); /* only read from */
        return;
    }
    while ((entry = readdir(list)) != NULL)
        if (group_of(entry->d_name, group))
            look_at(program, group);
    (void)closedir(list); /* only read from */
}

void bw_guard_program_free_forgotten(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->forgotten_count; i++)
        free(program->forgotten[i]);
    free(program->forgotten);
}
