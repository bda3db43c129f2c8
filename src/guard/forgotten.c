/* Groups that the file does not name (any more). Taking one out of the file does not end its lease:
 * without a guard it would serve on after D. Design 3.2.4, 3.4. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/sys/reach.h>

#define KILL_GRACE_MS 1000

/* The group of a file; false: it is none. */
static bool group_of(const char *file, const char *ending, char out_group[BW_NAME_MAX + 1])
{
    const size_t length = strlen(file);
    const size_t suffix = strlen(ending);

    if (length <= suffix || length - suffix > BW_NAME_MAX ||
        strcmp(file + length - suffix, ending) != 0)
        return false;
    memcpy(out_group, file, length - suffix);
    out_group[length - suffix] = '\0';
    return bw_name_is_valid(out_group);
}

/* A lease may be enforced; or, where it is known by what, what an epoch that was not ended has left. A mirror
 * may be older than the memory of an epoch's end. */
static bool may_serve(const struct bw_guard_store *store, const char *group)
{
    struct bw_guard_mirror mirror = {0};
    struct bw_guard_memory memory = {0};
    struct bw_id cluster_id;
    struct bw_group_config *config = NULL;
    struct bw_diag diag = {0};
    bool is_new = false;

    if (bw_guard_store_load(store, group, &memory, &is_new, &diag) != BW_OK)
        memory.ended_epoch = 0; /* what it says is not known */
    if (bw_guard_store_load_mirror(store, group, &mirror, &cluster_id, &diag) == BW_OK &&
        (mirror.armed_epoch > memory.ended_epoch ||
         (mirror.armed_epoch == memory.ended_epoch && mirror.armed_epoch != 0 && !mirror.stop_seen)))
        return true; /* an end that was refused is none */
    if (!memory.enforced || memory.epoch_seen <= memory.ended_epoch ||
        bw_guard_reach_config(store, group, &config, NULL, &diag) != BW_OK)
        return false;
    free(config);
    return true;
}

/* Of the cluster and the site whose mirrors these are: what names its cgroups. */
static void take_names(struct bw_guard_program *program, const struct bw_guard_reach_file *file)
{
    if (program->config->cluster[0] == '\0')
        (void)bw_copy_text(program->config->cluster, sizeof program->config->cluster,
                           file->cluster);
    if (program->store.site[0] == '\0')
        (void)bw_copy_text(program->store.site, sizeof program->store.site, file->site);
}

/* As the file names it; where it does not, its fence is the kill of everything in reach. */
static struct bw_group_config *unkept(const struct bw_guard_program *program, const char *group)
{
    const struct bw_group_config *named = bw_site_config_find(program->config, group);
    struct bw_group_config *config = calloc(1, sizeof *config);

    BW_ASSERT(config != NULL);
    if (named != NULL) {
        *config = *named; /* a reload replaces both */
        return config;
    }
    (void)bw_copy_text(config->name, sizeof config->name, group);
    config->enforce = BW_REACH_CGROUP;
    config->kill_grace_ms = KILL_GRACE_MS;
    return config;
}

/* A place for a group, as it was kept. */
static enum bw_err guard_kept(struct bw_guard_program *program, const char *group,
                              struct bw_diag *diag)
{
    struct bw_group_config **list =
        realloc(program->forgotten, (program->forgotten_count + 1) * sizeof(struct bw_group_config *));
    struct bw_group_config *config = NULL;
    const struct bw_guard_reach_file *file = NULL;
    struct bw_diag why = {0};

    BW_ASSERT(list != NULL);
    program->forgotten = list;
    if (bw_guard_reach_config(&program->store, group, &config, &file, &why) != BW_OK) {
        bw_log_error(&program->log, "reach.unkept",
                     "group=%s error=%s does=\"%s\"", group, bw_log_quote(why.text),
                     bw_site_config_find(program->config, group) != NULL
                         ? "it is ended by what the site file names now"
                         : "only what its scripts started is killed");
        config = unkept(program, group);
    }
    list[program->forgotten_count++] = config;
    if (file != NULL)
        take_names(program, file);
    if (program->config->cluster[0] == '\0' || program->store.site[0] == '\0')
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "nothing says of which cluster it is");
    return bw_guard_program_add(program, config, true, diag);
}

void bw_guard_program_enforce_mirror(struct bw_guard_program *program, const char *group)
{
    struct bw_guard_mirror mirror = {0};
    struct bw_id cluster_id;
    struct bw_diag diag = {0};
    enum bw_err err = bw_guard_store_load_mirror(&program->store, group, &mirror, &cluster_id,
                                                 &diag);

    if (err == BW_ERR_NOT_FOUND || err == BW_ERR_STALE ||
        (err == BW_OK && mirror.armed_epoch == 0))
        return;
    if (err == BW_OK)
        err = guard_kept(program, group, &diag);
    if (err != BW_OK)
        bw_log_error(&program->log, "mirror.unenforced", "group=%s error=%s", group,
                     bw_log_quote(diag.text));
    else if (!program->is_caretaker)
        bw_log_warn(&program->log, "mirror.enforced",
                    "group=%s epoch=%" PRIu64 " does=\"it is fenced at its deadline; no agent hears of it\"",
                    group, mirror.armed_epoch);
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

    if (bw_guard_program_find(program, group) != NULL ||
        bw_site_config_find(program->config, group) != NULL) /* named, and not loaded: said already */
        return;
    if (!may_serve(&program->store, group)) {
        remove_reach(program, group);
        return;
    }
    bw_log_error(&program->log, "group.forgotten",
                 "group=%s error=\"the site file does not name it, and its lease was not given back\" "
                 "does=\"it is fenced at its deadline, by the scripts and units that it had\" "
                 "next=\"name it again, or switch it over or let it go first\"",
                 group);
    if (guard_kept(program, group, &diag) != BW_OK)
        bw_log_error(&program->log, "group.unloaded", "group=%s error=%s", group,
                     bw_log_quote(diag.text));
}

void bw_guard_program_list(struct bw_guard_program *program, int dir, const char *suffix,
                           void (*on_group)(struct bw_guard_program *program, const char *group))
{
    char group[BW_NAME_MAX + 1];
    const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (list == NULL) {
        bw_log_error(&program->log, "state.unlisted", "error=%s", strerror(errno));
        if (fd >= 0)
            (void)close(fd); /* only read from */
        return;
    }
    while ((entry = readdir(list)) != NULL)
        if (group_of(entry->d_name, suffix, group))
            on_group(program, group);
    (void)closedir(list); /* only read from */
}

void bw_guard_program_guard_forgotten(struct bw_guard_program *program)
{
    bw_guard_program_list(program, program->store.state_dir, ".memory", look_at);
}

void bw_guard_program_free_forgotten(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->forgotten_count; i++)
        free(program->forgotten[i]);
    free(program->forgotten);
}
