/* Groups that the file does not name (any more), or whose guard cannot start. Taking one out of the file does not end its lease:
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
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#define KILL_GRACE_MS 1000

bool bw_guard_file_group(const char *file, const char *suffix, char out_group[BW_NAME_MAX + 1])
{
    const size_t length = strlen(file);
    const size_t ending = strlen(suffix);

    if (length <= ending || length - ending > BW_NAME_MAX ||
        strcmp(file + length - ending, suffix) != 0)
        return false;
    memcpy(out_group, file, length - ending);
    out_group[length - ending] = '\0';
    return bw_name_is_valid(out_group);
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

/* By what it is ended, and not by its names alone. */
static bool is_kept(const struct bw_guard_reach_file *file)
{
    return file != NULL && file->script_count > 0;
}

/* As the file names it; where it does not, its fence is the kill of everything in reach: of that which was `kept`, else of
 * its cgroup. Takes `kept`, which may be NULL. */
static struct bw_group_config *unkept(const struct bw_guard_program *program, const char *group,
                                      struct bw_group_config *kept)
{
    const struct bw_group_config *named = bw_site_config_find(program->config, group);
    struct bw_group_config *config;

    if (named == NULL && kept != NULL)
        return kept;
    free(kept);
    config = calloc(1, sizeof *config);
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
    struct bw_guard_files files;
    struct bw_diag why = {0};

    BW_ASSERT(list != NULL);
    program->forgotten = list;
    if (bw_guard_reach_config(&program->store, group, &config, &file, &why) == BW_OK)
        take_names(program, file);
    if (!is_kept(file)) {
        bw_log_error(&program->log, "reach.unkept",
                     "group=%s error=%s does=\"%s\"", group,
                     bw_log_quote(file != NULL ? "its guard could not keep its scripts" : why.text),
                     bw_site_config_find(program->config, group) != NULL
                         ? "it is ended by what the site file names now"
                         : "no script of it is run: only what is in its reach is killed");
        config = unkept(program, group, config);
    }
    list[program->forgotten_count++] = config;
    if (program->config->cluster[0] == '\0' || program->store.site[0] == '\0')
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "nothing says of which cluster it is");
    bw_guard_files_read(&program->store, program->config, config, &files);
    return bw_guard_program_add(program, config, &files, true, diag);
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

static void guard_forgotten(struct bw_guard_program *program, const char *group, bool by_scripts)
{
    struct bw_diag diag = {0};

    bw_log_error(&program->log, "group.forgotten",
                 "group=%s error=\"the site file does not name it, and its lease was not given back\" "
                 "does=\"it is fenced at its deadline%s\" "
                 "next=\"name it again, or switch it over or let it go first\"",
                 group, by_scripts ? ", by the scripts and units that it had" : "");
    if (guard_kept(program, group, &diag) != BW_OK)
        bw_log_error(&program->log, "group.unloaded", "group=%s error=%s", group,
                     bw_log_quote(diag.text));
}

static void say_unenforced(struct bw_guard_program *program, const char *group,
                           const struct bw_diag *diag)
{
    bw_log_error(&program->log, "mirror.unenforced", "group=%s error=%s", group,
                 bw_log_quote(diag->text));
}

static void guard_mirror(struct bw_guard_program *program, const char *group, uint64_t epoch)
{
    struct bw_diag diag = {0};

    if (guard_kept(program, group, &diag) != BW_OK)
        say_unenforced(program, group, &diag);
    else if (!program->is_caretaker)
        bw_log_warn(&program->log, "mirror.enforced",
                    "group=%s epoch=%" PRIu64 " does=\"it is fenced at its deadline; no agent hears of it\"",
                    group, epoch);
}

static bool is_reach_kept(const struct bw_guard_program *program, const char *group)
{
    struct bw_group_config *config = NULL;
    const struct bw_guard_reach_file *file = NULL;
    struct bw_diag diag = {0};
    bool by_scripts;

    if (bw_guard_reach_config(&program->store, group, &config, &file, &diag) != BW_OK)
        return false;
    by_scripts = is_kept(file);
    free(config);
    return by_scripts;
}

void bw_guard_program_look_at(struct bw_guard_program *program, const char *group)
{
    const bool is_forgotten = program->opening.phase == BW_OPENING_FORGOTTEN;
    struct bw_guard_found found;
    struct bw_diag memory_diag = {0};
    struct bw_diag mirror_diag = {0};

    if (!bw_guard_opening_looks_at(&program->opening, bw_guard_program_find(program, group) != NULL,
                                   bw_site_config_find(program->config, group) != NULL))
        return;
    bw_guard_store_find(&program->store, group, &found, &memory_diag, &mirror_diag);
    if (program->is_beside && found.mirror_err == BW_OK &&
        !bw_guard_found_has_deadline(&found, bw_clock_now()))
        return; /* another site may serve by the same scripts since: that was said */
    found.is_reach_kept = is_forgotten && is_reach_kept(program, group);
    switch (bw_guard_opening_judge(&program->opening, &found)) {
    case BW_FOUND_LEFT:
        break;
    case BW_FOUND_GUARDED:
        if (is_forgotten)
            guard_forgotten(program, group, found.is_reach_kept);
        else
            guard_mirror(program, group, found.mirror.armed_epoch);
        break;
    case BW_FOUND_OVER:
        remove_reach(program, group);
        break;
    case BW_FOUND_UNREADABLE:
        say_unenforced(program, group, &mirror_diag);
        break;
    }
}

void bw_guard_program_look_at_all(struct bw_guard_program *program, int dir, const char *suffix)
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
        if (bw_guard_file_group(entry->d_name, suffix, group))
            bw_guard_program_look_at(program, group);
    (void)closedir(list); /* only read from */
}

void bw_guard_program_free_forgotten(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->forgotten_count; i++)
        free(program->forgotten[i]);
    free(program->forgotten);
}
