#include <breakwater/os/state_dir.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/os/dir_lock.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>

static enum bw_err open_directories(const char *state_dir, const char *path, int *out_dir,
                                    struct bw_diag *diag)
{
    int outer;
    enum bw_err err = bw_durable_open_dir(state_dir, &outer, diag);

    if (err != BW_OK)
        return err;
    (void)close(outer); /* it exists now, durably; only read from */
    err = bw_durable_open_dir(path, out_dir, diag);
    if (err == BW_OK)
        err = bw_path_check_dir(state_dir, diag);
    return err == BW_OK ? bw_path_check_dir(path, diag) : err;
}

enum bw_err bw_state_dir_open(const char *state_dir, const char *name, char *out_path,
                              size_t path_bytes, int *out_dir, int *out_lock, struct bw_diag *diag)
{
    const int length = snprintf(out_path, path_bytes, "%s/%s", state_dir, name);
    enum bw_err err;

    if (length < 0 || (size_t)length >= path_bytes)
        return bw_diag_set(diag, BW_ERR_LIMIT, "state_dir %s is longer than %zu bytes", state_dir,
                           path_bytes - sizeof "/" - strlen(name));
    err = open_directories(state_dir, out_path, out_dir, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "state_dir");
    return bw_dir_lock(*out_dir, out_path, out_lock, diag);
}
