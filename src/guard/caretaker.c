/* Mirrors whose guard cannot start: its file does not parse, its state cannot be read. What it has armed is
 * enforced all the same, until it is over; nothing new is. Design 3.4, "mirrors are self-sufficient". */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/clock.h>

#define RUN_DIR "/run/breakwater"

/* ---- one directory ----------------------------------------------------------------------------- */

static enum bw_err start(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err = bw_guard_program_equip(program, diag);

    if (err != BW_OK)
        return err;
    if (!bw_guard_program_open_groups(program, true)) {
        program->is_ending = true;
        return BW_OK;
    }
    bw_log_error(
        &program->log, "guard.enforcing",
        "site=%s groups=%u error=\"this guard cannot start\" does=\"enforces what is armed in "
        "its mirrors until it is over, then ends\" next=\"mend what was said, and restart it\"",
        program->store.site, (unsigned)program->group_count);
    bw_guard_enforcer_open(program);
    return BW_OK;
}

/* One whose guard lives is that guard's, also where that is between two lives: the file may name another one's. `known`:
 * what it says of it. False: it was told to end before all of it was over. */
static bool care_for_dir(const char *path, const struct bw_site_config *known, bool is_beside)
{
    struct bw_site_config *config = calloc(1, sizeof *config);
    struct bw_guard_program *program;
    struct bw_diag diag = {0};
    bool is_over;

    BW_ASSERT(config != NULL);
    config->log_level = known != NULL ? known->log_level : BW_LOG_INFO;
    if (known != NULL)
        (void)bw_copy_text(config->cluster, sizeof config->cluster, known->cluster);
    program = bw_guard_program_make(config);
    program->is_caretaker = true;
    program->is_beside = is_beside;
    if (known != NULL)
        (void)bw_copy_text(program->store.site, sizeof program->store.site, known->site);
    if (!bw_guard_dirs_await(program, path)) {
        bw_guard_program_free(program);
        return true;
    }
    if (bw_guard_store_open_mirrors(&program->store, path, &diag) == BW_OK)
        (void)bw_guard_program_turn(program, start);
    else
        bw_log_info(&program->log, "mirrors.left", "dir=%s error=%s", bw_log_quote(path),
                    bw_log_quote(diag.text));
    is_over = bw_guard_machine_is_over(&program->machine, bw_clock_now());
    bw_guard_program_free(program);
    return is_over;
}

/* ---- which ------------------------------------------------------------------------------------- */

/* Where systemd says that our files in /run are; else where they are by default. */
static void find_all(struct bw_guard_dirs *found)
{
    const char *list = getenv("RUNTIME_DIRECTORY");
    char copy[4096];
    char *rest = NULL;

    if (list == NULL || list[0] == '\0' || !bw_copy_text(copy, sizeof copy, list)) {
        bw_guard_dirs_find(RUN_DIR, found);
        return;
    }
    for (char *dir = strtok_r(copy, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest))
        bw_guard_dirs_find(dir, found);
}

/* Each by a process of its own: a caretaker of several sites is several. */
static void care_for_others(const struct bw_guard_dirs *found, bool is_beside)
{
    for (uint32_t i = 1; i < found->count; i++) {
        if (fork() != 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)care_for_dir(found->paths[i], NULL, is_beside); /* its end is what is waited for */
        _exit(0);
    }
}

/* Its own first; then the others in its run_dir, whatever their names: the one in the file may be what is wrong. */
static void find_beside(const struct bw_site_config *config, bool with_others, struct bw_guard_dirs *found)
{
    (void)snprintf(found->paths[found->count++], sizeof found->paths[0], "%s/%s" BW_GUARD_DIR_SUFFIX,
                   config->run_dir, config->site);
    if (with_others)
        bw_guard_dirs_find(config->run_dir, found);
}

void bw_guard_caretake(const struct bw_site_config *config, bool with_others)
{
    static struct bw_guard_dirs found; /* once a process */

    if (config != NULL)
        find_beside(config, with_others, &found);
    else
        find_all(&found);
    care_for_others(&found, config != NULL);
    if (found.count > 0 && access(found.paths[0], F_OK) == 0 &&
        !care_for_dir(found.paths[0], config, false))
        return; /* they are told to end, too */
    while (found.count > 1 && wait(NULL) > 0)
        continue;
}
