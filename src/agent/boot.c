/* Which boot of its site this agent runs in (3.7): one of the kernel, in one run_dir. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum bw_err look_at(const char *path, struct bw_run_dir *out_run_dir, struct bw_diag *diag)
{
    struct stat st;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return bw_diag_errno(diag, errno, "run_dir: make %s", path);
    if (stat(path, &st) != 0)
        return bw_diag_errno(diag, errno, "run_dir: look at %s", path);
    *out_run_dir = (struct bw_run_dir){.device = st.st_dev, .inode = st.st_ino};
    return BW_OK;
}

static bool goes_on(const struct bw_site_config *config, const struct bw_agent_state *state,
                    struct bw_id kernel_boot_id)
{
    char path[BW_AGENT_MIRRORS_PATH_BYTES];
    const int dir = bw_agent_mirrors_path(config, path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct bw_guard_mirror_file mirror;
    bool found = false;

    for (uint32_t i = 0; i < state->group_count && dir >= 0 && !found; i++)
        found = bw_agent_mirror_load(dir, state->groups[i].name, &mirror, NULL) == BW_OK &&
                bw_agent_state_goes_on(state, &state->groups[i], kernel_boot_id, &mirror);
    if (dir >= 0)
        (void)close(dir); /* only read from */
    return found;
}

enum bw_err bw_agent_boot_find(const struct bw_site_config *config, const struct bw_agent_state *state,
                               struct bw_id kernel_boot_id, struct bw_id *out_boot_id, struct bw_diag *diag)
{
    struct bw_run_dir run_dir;
    const enum bw_err err = look_at(config->run_dir, &run_dir, diag);

    if (err != BW_OK)
        return err;
    *out_boot_id = goes_on(config, state, kernel_boot_id) ? kernel_boot_id
                                                          : bw_agent_boot_id(kernel_boot_id, &run_dir);
    return BW_OK;
}
