/* Mirrors on their way to /run, from a thread of their own: a file system that does not answer holds up
 * what rests on them, an arm and a start, and nothing else. Design 3.4. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

#define LOOK_MS         2000
#define TRY_AGAIN_LOOKS 30 /* where it cannot be made again: each try is an error in the log for each group */

/* Somebody has removed their directory under us: nothing could be written there ever again. */
static bool is_dir_gone(const struct bw_guard_file_copy *file)
{
    return file->err != BW_OK && file->diag.os_errno == ENOENT;
}

static void write_again(struct bw_guard_mirror_round *round, struct bw_guard_file_copy *file)
{
    struct bw_diag diag = {0};

    if (!round->is_made_again &&
        bw_guard_store_make_mirrors_again(&round->store, &diag) != BW_OK) {
        file->diag = diag;
        return;
    }
    round->is_made_again = true;
    file->err = BW_OK;
    file->diag = (struct bw_diag){0};
    bw_guard_store_write_mirror(&round->store, file);
}

static void write_round(void *of)
{
    struct bw_guard_mirror_round *round = of;

    for (uint32_t i = 0; i < round->count; i++) {
        struct bw_guard_file_copy *file = &round->writes[i].file;

        bw_guard_store_write_mirror(&round->store, file);
        if (is_dir_gone(file))
            write_again(round, file);
    }
}

static void take(const struct bw_guard_mirror_write *write)
{
    struct bw_guard_group *group = write->group;
    const bool ok = write->file.err == BW_OK;

    if (ok && write->file.reach.bytes != NULL)
        group->reach_mirrored = write->file.reach.version;
    if (!ok)
        bw_log_error(&group->program->log, "deadline_file.write_failed",
                     "group=%s error=%s does=\"what rests on it is refused\"", group->config->name,
                     bw_log_quote(write->file.diag.text));
    bw_enforcing_on_written(&group->program->machine.enforcing, &group->at.enforcing, write->number,
                            &write->order, ok);
}

static void want_all(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->group_count; i++) {
        struct bw_enforcing_group *group = &program->groups[i]->at.enforcing;

        program->groups[i]->reach_mirrored = 0;
        bw_enforcing_on_mirror(&program->machine.enforcing, group, group->wanted);
    }
}

/* All are written, with what each is ended by; and the socket of our enforcer was there. */
static void make_again(struct bw_guard_program *program, const char *error)
{
    bw_log_error(&program->log, "mirrors.made_again",
                 "dir=%s error=\"%s\" does=\"writes all mirrors again\"",
                 bw_log_quote(program->store.mirror_path), error);
    want_all(program);
    bw_guard_enforcer_replace(program);
}

static void clear_round(void *of)
{
    struct bw_guard_mirror_round *round = of;

    for (uint32_t i = 0; i < round->count; i++)
        free(round->writes[i].file.reach.bytes);
    free(round->writes);
}

static void on_round_written(void *of, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_guard_mirror_round *round = of;

    BW_CRASH_POINT(GUARD_AFTER_MIRROR);
    for (uint32_t i = 0; i < round->count; i++)
        take(&round->writes[i]);
    bw_enforcing_on_round_written(&program->machine.enforcing);
    clear_round(round);
    if (round->is_made_again && !program->is_closing)
        make_again(program, "somebody has removed it");
}

static void add(struct bw_guard_mirror_round *round, struct bw_guard_group *group)
{
    struct bw_guard_mirror_write *write = &round->writes[round->count];

    if (!bw_enforcing_begin_write(&group->program->machine.enforcing, &group->at.enforcing,
                                  &write->number, &write->order))
        return;
    round->count++;
    write->group = group;
    write->file.reach = bw_guard_reach_copy(group, group->reach_mirrored);
    bw_guard_store_prepare_mirror(&group->program->store, group->config->name,
                                  &group->machine.mirror,
                                  bw_guard_machine_is_foreign(&group->program->machine, &group->at)
                                      ? group->at.armed_by
                                      : group->program->store.cluster_id,
                                  &write->file);
}

void bw_guard_mirrors_write(struct bw_guard_program *program)
{
    const uint32_t due_count = program->machine.enforcing.due_count;
    struct bw_guard_mirror_round *round = bw_worker_job(program->mirrors);

    round->is_made_again = false;
    round->count = 0;
    round->writes = /* and one that `add` looks at in vain */
        malloc((due_count + 1) * sizeof round->writes[0]);
    BW_ASSERT(round->writes != NULL);
    for (uint32_t i = 0; i < program->group_count; i++)
        add(round, program->groups[i]);
    BW_ASSERT(round->count == due_count);
    BW_CRASH_POINT(GUARD_BEFORE_MIRROR);
    bw_worker_begin(program->mirrors, write_round);
}

/* ---- whether they are still there -------------------------------------------------------------------- */

/* Our enforcer's socket stands for all that is beside it, and is what a guard after this one finds it by. Where
 * nothing is armed nobody writes there, nor would notice. */
struct look {
    int dir; /* as long as this worker may be at work (program.c) */
    char name[sizeof((struct bw_enforcer_link *)0)->name];
    bool is_dir_gone;
    bool is_socket_gone;
    bool is_wanted; /* their guard has tried to begin */
};

/* On the thread. What cannot be looked at says nothing. */
static void look_at(void *of)
{
    struct look *look = of;
    struct stat st;

    look->is_dir_gone = fstat(look->dir, &st) == 0 && st.st_nlink == 0;
    look->is_socket_gone = !look->is_dir_gone &&
                           fstatat(look->dir, look->name, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
                           errno == ENOENT;
    look->is_wanted = fstatat(look->dir, BW_GUARD_WANTED_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A caretaker can only end what is armed, their guard can renew it. Our enforcer keeps the deadlines until that is there; a
 * fence that has begun is finished first. */
static void make_room(struct bw_guard_program *program)
{
    bw_log_info(&program->log, "mirrors.given_back", "dir=%s does=\"ends: the guard of that site is about to begin\"",
                bw_log_quote(program->store.mirror_path));
    program->is_ending = true;
    bw_guard_program_look(program);
}

static void on_looked(void *of, void *user)
{
    struct bw_guard_program *program = user;
    const struct look *look = of;

    if (program->is_closing || program->enforcer.fd < 0 ||
        strcmp(look->name, program->enforcer.name) != 0)
        return; /* another one is there, or on its way */
    if (program->is_caretaker && look->is_wanted && !program->is_ending) {
        make_room(program);
        return;
    }
    if (bw_worker_is_busy(program->mirrors))
        return; /* what is being written answers for itself; it is looked at again soon */
    if (!look->is_dir_gone)
        program->dir_missed = 0;
    if (look->is_dir_gone && program->dir_missed++ % TRY_AGAIN_LOOKS == 0)
        want_all(program); /* which fails, and is made again then */
    else if (look->is_socket_gone)
        make_again(program, "somebody has removed what was in it");
    else
        return;
    bw_guard_go_on(program, false);
}

static void on_look(uv_timer_t *timer)
{
    struct bw_guard_program *program = timer->data;
    struct look *look = bw_worker_job(program->looks);

    if (bw_worker_is_busy(program->looks) || program->enforcer.fd < 0)
        return;
    look->dir = program->store.mirror_dir;
    memcpy(look->name, program->enforcer.name, sizeof look->name);
    bw_worker_begin(program->looks, look_at);
}

static enum bw_err open_looks(struct bw_guard_program *program, struct bw_diag *diag)
{
    const enum bw_err err = bw_worker_open(&program->looks, &program->loop, sizeof(struct look), NULL,
                                           on_looked, program, diag);

    if (err != BW_OK)
        return err;
    BW_ASSERT(uv_timer_init(&program->loop, &program->look_timer) == 0); /* memory of ours, nothing else */
    program->look_timer.data = program;
    BW_ASSERT(uv_timer_start(&program->look_timer, on_look, LOOK_MS, LOOK_MS) == 0);
    return BW_OK;
}

/* ---- life -------------------------------------------------------------------------------------------- */

bool bw_guard_mirrors_close(struct bw_guard_program *program)
{
    const bool is_writing = bw_worker_close(program->mirrors);
    const bool is_looking = bw_worker_close(program->looks);

    if (program->looks != NULL)
        uv_close((uv_handle_t *)&program->look_timer, NULL);
    program->mirrors = program->looks = NULL;
    return is_writing || is_looking;
}

enum bw_err bw_guard_mirrors_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    const enum bw_err err =
        bw_worker_open(&program->mirrors, &program->loop, sizeof(struct bw_guard_mirror_round),
                       clear_round, on_round_written, program, diag);

    if (err != BW_OK)
        return err;
    ((struct bw_guard_mirror_round *)bw_worker_job(program->mirrors))->store = program->store;
    return open_looks(program, diag);
}

/* ---- mirrors of other sites ---- */

/* The mirrors of other sites beside ours: of a name that the site file had before, or of a site whose guard is another
 * process. Their leases end whatever a file says by now. Design 3.4, "mirrors are self-sufficient". */

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
struct dir_look {
    struct bw_guard_program *program;
    const struct bw_guard_store *other;
    void (*at)(struct dir_look *look, const char *group, const struct bw_guard_found *found, struct bw_instant now);
    uint64_t free_ns;
    enum bw_found_care care; /* the most that one of them wants */
};

static void say_unguarded(struct dir_look *look, const char *group, const struct bw_guard_found *found,
                          struct bw_instant now)
{
    if (!bw_guard_found_is_unended(found, now))
        return;
    bw_log_error(&look->program->log, "deadline_file.guard_missing",
                 "dir=%s group=%s epoch=%" PRIu64 " left_ms=%" PRIu64
                 " error=\"a guard of another site has armed this lease, and none of that site runs\" "
                 "does=\"leaves it to the enforcer of that guard, which ends what is in reach at the deadline if it "
                 "lives; the fence_script is not run\" next=\"start the guard of that site again; where the site was "
                 "renamed, stop there by hand what still runs, then remove this directory\"",
                 bw_log_quote(look->other->mirror_path), group, found->mirror.armed_epoch,
                 bw_ns_to_ms(bw_instant_left_ns(now, found->mirror.armed_end)));
}

static void look_at_mirror(struct dir_look *look, const char *group)
{
    struct bw_guard_found found;
    struct bw_diag memory_diag = {0};
    struct bw_diag mirror_diag = {0};

    bw_guard_store_find(look->other, group, &found, &memory_diag, &mirror_diag);
    look->at(look, group, &found, bw_clock_now());
}

/* Its lock is not tried: that would be in the way of its guard, which may begin just now. True: nobody has it. */
static bool look_at_dir(const char *path, struct dir_look *look)
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
        (void)look_at_dir(dirs->paths[i], &(struct dir_look){.program = program, .at = say_unguarded});
    free(dirs);
}

/* ---- what is enforced there ----------------------------------------------------------------------- */

static void ask_care(struct dir_look *look, const char *group, const struct bw_guard_found *found,
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
    const struct timespec pause = {.tv_nsec = bw_ms_to_ns(AWAIT_LOOK_MS)};
    const struct bw_instant since = bw_clock_now();
    struct dir_look look = {.program = program, .at = ask_care};
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
