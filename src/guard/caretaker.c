/* Mirrors whose guard cannot start: its file does not parse, its state cannot be read. What it has armed is
 * enforced all the same, until it is over; nothing new is. Design 3.4, "mirrors are self-sufficient". */
#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define RUN_DIR    "/run/breakwater"
#define DIR_SUFFIX "-guard"
#define SITES_MAX  16 /* directories that one caretaker looks after */

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

/* One whose guard lives is that guard's. */
static void care_for_dir(const char *path, const struct bw_site_config *known)
{
    struct bw_site_config *config = calloc(1, sizeof *config);
    struct bw_guard_program *program;
    struct bw_diag diag = {0};

    BW_ASSERT(config != NULL);
    config->log_level = known != NULL ? known->log_level : BW_LOG_INFO;
    if (known != NULL)
        (void)bw_copy_text(config->cluster, sizeof config->cluster, known->cluster);
    program = bw_guard_program_make(config);
    program->is_caretaker = true;
    if (known != NULL)
        (void)bw_copy_text(program->store.site, sizeof program->store.site, known->site);
    if (bw_guard_store_open_mirrors(&program->store, path, &diag) == BW_OK)
        (void)bw_guard_program_turn(program, start);
    else
        bw_log_info(&program->log, "mirrors.left", "dir=%s error=%s", bw_log_quote(path),
                    bw_log_quote(diag.text));
    bw_guard_program_free(program);
}

/* ---- which ------------------------------------------------------------------------------------- */

struct found {
    char paths[SITES_MAX][512];
    uint32_t count;
};

static void find_in(const char *run_dir, struct found *found)
{
    DIR *list = opendir(run_dir);
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        const size_t length = strlen(entry->d_name);
        const size_t suffix = strlen(DIR_SUFFIX);

        if (length <= suffix || strcmp(entry->d_name + length - suffix, DIR_SUFFIX) != 0)
            continue;
        if (found->count == SITES_MAX) {
            (void)fprintf(stderr, "breakwater guard: %s: more than %d sites; the others are left to "
                                  "their enforcers\n", run_dir, SITES_MAX);
            break;
        }
        (void)snprintf(found->paths[found->count++], sizeof found->paths[0], "%s/%s", run_dir,
                       entry->d_name);
    }
    if (list != NULL)
        (void)closedir(list); /* only read from */
}

/* Where systemd says that our files in /run are; else where they are by default. */
static void find_all(struct found *found)
{
    const char *list = getenv("RUNTIME_DIRECTORY");
    char copy[4096];
    char *rest = NULL;

    if (list == NULL || list[0] == '\0' || !bw_copy_text(copy, sizeof copy, list)) {
        find_in(RUN_DIR, found);
        return;
    }
    for (char *dir = strtok_r(copy, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest))
        find_in(dir, found);
}

/* Each by a process of its own: a caretaker of several sites is several. */
static void care_for_others(const struct found *found)
{
    for (uint32_t i = 1; i < found->count; i++) {
        if (fork() != 0)
            continue;
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        care_for_dir(found->paths[i], NULL);
        _exit(0);
    }
}

void bw_guard_caretake(const struct bw_site_config *config)
{
    static struct found found; /* once a process */

    if (config != NULL)
        (void)snprintf(found.paths[found.count++], sizeof found.paths[0], "%s/%s" DIR_SUFFIX,
                       config->run_dir, config->site);
    else
        find_all(&found);
    care_for_others(&found);
    if (found.count > 0 && access(found.paths[0], F_OK) == 0)
        care_for_dir(found.paths[0], config);
    while (found.count > 1 && wait(NULL) > 0)
        continue;
}
