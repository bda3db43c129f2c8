#include <breakwater/os/room.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum bw_err bw_room_try_nameless(const char *path, size_t bytes, struct bw_diag *diag)
{
    const int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    enum bw_err err = BW_OK;
    int error;

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: its file system has no files without a name (O_TMPFILE), as which snapshots are "
                           "written: NFS has none, nor has overlayfs of an older kernel; put data_dir on a local file "
                           "system, as ext4 or xfs",
                           path);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "%s: make a file without a name", path);
    error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error != 0)
        err = bw_diag_errno(diag, error, "%s: reserve %zu bytes", path, bytes);
    else if (pwrite(fd, "", 1, 0) != 1) /* it takes its block along */
        err = bw_diag_errno(diag, errno, "%s: write into a file without a name", path);
    else if (fsync(fd) != 0)
        err = bw_diag_errno(diag, errno, "%s: sync a file without a name", path);
    (void)close(fd); /* nothing of it is kept */
    return err;
}
