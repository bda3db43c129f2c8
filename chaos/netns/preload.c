#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* The bytes of the library, as the linker of this program finds them. */
__asm__(".pushsection .rodata\n"
        ".global bw_preload_begin\n"
        ".global bw_preload_end\n"
        "bw_preload_begin:\n"
        ".incbin \"" BW_PRELOAD_FILE "\"\n"
        "bw_preload_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char bw_preload_begin[];
extern const char bw_preload_end[];

enum bw_err bw_preload_write(const char *path, struct bw_diag *diag)
{
    const size_t size = (size_t)(bw_preload_end - bw_preload_begin);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    const ssize_t written = fd < 0 ? -1 : write(fd, bw_preload_begin, size);
    enum bw_err err = BW_OK;

    if (written < 0 || (size_t)written != size)
        err = bw_diag_errno(diag, errno, "write %s", path);
    if (fd >= 0)
        (void)close(fd); /* in a tmpfs: nothing is left to be written */
    return err;
}
