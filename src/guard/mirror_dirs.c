/* The mirrors of other sites beside ours: of a name that the site file had before, or of a site whose guard is another
 * process. Their leases end whatever a file says by now. Design 3.4, "mirrors are self-sufficient". */
#include "program.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

#define AWAIT_LOOK_MS 200

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

/* One of them. */
struct look {
    struct bw_guard_program *program;
    const struct bw_guard_store *other;
    void (*at)(struct look *look, const char *group, const struct bw_guard_found *found, struct bw_instant now);
    uint64_t free_ns;
    enum bw_found_care care; /* the most that one of them wants */
};

static void say_unguarded(struct look *look, const char *group, const struct bw_guard_found *found,
                          struct bw_instant now)
{
    if (!bw_guard_found_is_unended(found, now))
        return;
    bw_log_error(&look->program->log, "mirror.unguarded",
                 "dir=%s group=%s epoch=%" PRIu64 " left_ms=%" PRIu64
                 " error=\"a guard of another site has armed this lease, and none of that site runs\" "
                 "does=\"leaves it to the enforcer of that guard, which ends what is in reach at the deadline if it "
                 "lives; the fence_script is not run\" next=\"start the guard of that site again; where the site was "
                 "renamed, stop there by hand what still runs, then remove this directory\"",
                 bw_log_quote(look->other->mirror_path), group, found->mirror.armed_epoch,
                 bw_instant_left_ns(now, found->mirror.armed_end) / BW_NS_PER_MS);
}

static void look_at_mirror(struct look *look, const char *group)
{
    struct bw_guard_found found;
    struct bw_diag memory_diag = {0};
    struct bw_diag mirror_diag = {0};

    bw_guard_store_find(look->other, group, &found, &memory_diag, &mirror_diag);
    look->at(look, group, &found, bw_clock_now());
}

/* Its lock is not tried: that would be in the way of its guard, which may begin just now. True: nobody has it. */
static bool look_at_dir(const char *path, struct look *look)
{
    struct bw_guard_store other = {.boot_id = look->program->store.boot_id,
                                   .time_namespace = look->program->store.time_namespace,
                                   .state_dir = -1, .lock = -1, .mirror_lock = -1};
    char group[BW_NAME_MAX + 1];
    const struct dirent *entry;
    DIR *list = opendir(path);
    bool is_free = true;

    if (list == NULL)
        return false; /* another user's, or it has just gone */
    look->other = &other;
    other.mirror_dir = dirfd(list);
    (void)bw_copy_text(other.mirror_path, sizeof other.mirror_path, path); /* of the same size */
    while ((is_free = !bw_dir_is_held(other.mirror_dir)) && (entry = readdir(list)) != NULL)
        if (bw_guard_file_group(entry->d_name, BW_GUARD_MIRROR_SUFFIX, group))
            look_at_mirror(look, group);
    look->other = NULL;
    (void)closedir(list); /* only read from */
    return is_free;
}

void bw_guard_dirs_say_unguarded(struct bw_guard_program *program)
{
    struct bw_guard_dirs *dirs = calloc(1, sizeof *dirs);

    BW_ASSERT(dirs != NULL);
    (void)bw_copy_text(dirs->paths[dirs->count++], sizeof dirs->paths[0], program->store.mirror_path);
    bw_guard_dirs_find(program->config->run_dir, dirs);
    for (uint32_t i = 1; i < dirs->count; i++)
        (void)look_at_dir(dirs->paths[i], &(struct look){.program = program, .at = say_unguarded});
    free(dirs);
}

/* ---- what is enforced there ----------------------------------------------------------------------- */

static void ask_care(struct look *look, const char *group, const struct bw_guard_found *found,
                     struct bw_instant now)
{
    const enum bw_found_care care = bw_guard_found_care(found, look->program->is_beside, look->free_ns, now);

    if (look->free_ns == 0 && care == BW_CARE_NOTHING && bw_guard_found_is_unended(found, now))
        bw_log_error(&look->program->log, "mirror.over",
                     "dir=%s group=%s epoch=%" PRIu64 " error=\"the lease that a guard of another site armed is over, and "
                     "none of that site has seen the end of what it let run\" does=\"leaves that alone: another site may "
                     "serve by the same scripts since\" next=\"where the site was renamed, remove this directory\"",
                     bw_log_quote(look->other->mirror_path), group, found->mirror.armed_epoch);
    if (care > look->care)
        look->care = care;
}

bool bw_guard_dirs_await(struct bw_guard_program *program, const char *path)
{
    const struct timespec pause = {.tv_nsec = AWAIT_LOOK_MS * BW_NS_PER_MS};
    const struct bw_instant since = bw_clock_now();
    struct look look = {.program = program, .at = ask_care};
    struct bw_diag diag = {0};

    if (bw_clock_boot_id(&program->store.boot_id, &diag) != BW_OK ||
        bw_clock_time_namespace(&program->store.time_namespace, &diag) != BW_OK)
        return true; /* which says so */
    while (look_at_dir(path, &look)) {
        if (look.care != BW_CARE_AWAIT)
            return look.care == BW_CARE_NOW;
        if (look.free_ns == 0)
            bw_log_info(&program->log, "mirrors.awaited",
                        "dir=%s does=\"waits for the guard of that site, for %d ms or until shortly before a fence "
                        "window\"",
                        bw_log_quote(path), BW_GUARD_AWAY_MS);
        (void)nanosleep(&pause, NULL); /* cut short, it only looks the sooner */
        look.free_ns = bw_instant_elapsed_ns(bw_clock_now(), since);
        look.care = BW_CARE_NOTHING;
    }
    return true; /* who opens it says more */
}
