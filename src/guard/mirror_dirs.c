/* The mirrors of other sites beside ours: of a name that the site file had before, or of a site whose guard is another
 * process. Their leases end whatever a file says by now. Design 3.4, "mirrors are self-sufficient". */
#include "program.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/os/dir_lock.h>
#include <breakwater/sys/clock.h>

/* ---- which there are ------------------------------------------------------------------------------ */

static bool is_found(const struct bw_guard_dirs *dirs, const char *path)
{
    for (uint32_t i = 0; i < dirs->count; i++)
        if (strcmp(dirs->paths[i], path) == 0)
            return true;
    return false;
}

void bw_guard_dirs_find(const char *run_dir, struct bw_guard_dirs *dirs)
{
    DIR *list = opendir(run_dir);
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        const size_t length = strlen(entry->d_name);
        const size_t suffix = strlen(BW_GUARD_DIR_SUFFIX);
        char path[sizeof dirs->paths[0]];

        if (length <= suffix || strcmp(entry->d_name + length - suffix, BW_GUARD_DIR_SUFFIX) != 0 ||
            snprintf(path, sizeof path, "%s/%s", run_dir, entry->d_name) >= (int)sizeof path ||
            is_found(dirs, path))
            continue;
        if (dirs->count == BW_GUARD_DIRS_MAX) {
            (void)fprintf(stderr, "breakwater guard: %s: more than %d sites; the others are left to "
                                  "their enforcers\n", run_dir, BW_GUARD_DIRS_MAX);
            break;
        }
        memcpy(dirs->paths[dirs->count++], path, sizeof path);
    }
    if (list != NULL)
        (void)closedir(list); /* only read from */
}

/* ---- what nobody guards there --------------------------------------------------------------------- */

static void look_at_mirror(struct bw_guard_program *program, const struct bw_guard_store *other,
                           const char *group)
{
    const struct bw_instant now = bw_clock_now();
    struct bw_guard_found found;
    struct bw_diag memory_diag = {0};
    struct bw_diag mirror_diag = {0};

    bw_guard_store_find(other, group, &found, &memory_diag, &mirror_diag);
    if (!bw_guard_found_has_deadline(&found, now))
        return;
    bw_log_error(&program->log, "mirror.unguarded",
                 "dir=%s group=%s epoch=%" PRIu64 " left_ms=%" PRIu64
                 " error=\"a guard of another site has armed this lease, and none of that site runs\" "
                 "does=\"leaves it to the enforcer of that guard, which ends what is in reach at the deadline if it "
                 "lives; the fence_script is not run\" next=\"start the guard of that site again; where the site was "
                 "renamed, stop there by hand what still runs, then remove this directory\"",
                 bw_log_quote(other->mirror_path), group, found.mirror.armed_epoch,
                 bw_instant_left_ns(now, found.mirror.armed_end) / BW_NS_PER_MS);
}

/* Its lock is not tried: that would be in the way of its guard, which may begin just now. */
static void look_at_dir(struct bw_guard_program *program, const char *path)
{
    struct bw_guard_store other = {.boot_id = program->store.boot_id,
                                   .time_namespace = program->store.time_namespace,
                                   .state_dir = -1, .lock = -1, .mirror_lock = -1};
    char group[BW_NAME_MAX + 1];
    const struct dirent *entry;
    DIR *list = opendir(path);

    if (list == NULL)
        return; /* another user's, or it has just gone */
    other.mirror_dir = dirfd(list);
    (void)bw_copy_text(other.mirror_path, sizeof other.mirror_path, path); /* of the same size */
    while (!bw_dir_is_held(other.mirror_dir) && (entry = readdir(list)) != NULL)
        if (bw_guard_file_group(entry->d_name, BW_GUARD_MIRROR_SUFFIX, group))
            look_at_mirror(program, &other, group);
    (void)closedir(list); /* only read from */
}

void bw_guard_dirs_say_unguarded(struct bw_guard_program *program)
{
    struct bw_guard_dirs *dirs = calloc(1, sizeof *dirs);

    BW_ASSERT(dirs != NULL);
    (void)bw_copy_text(dirs->paths[dirs->count++], sizeof dirs->paths[0], program->store.mirror_path);
    bw_guard_dirs_find(program->config->run_dir, dirs);
    for (uint32_t i = 1; i < dirs->count; i++)
        look_at_dir(program, dirs->paths[i]);
    free(dirs);
}
