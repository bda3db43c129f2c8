#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

/* raft/uv.h: format 8 | batches: CRC of the header 4, CRC of the data 4, header: count 8, per entry
 * term 8, type 1, unused 3, size 4; data. Little endian. */
#define FORMAT         1
#define FORMAT_BYTES   8
#define CHECKSUM_BYTES 8
#define COUNT_BYTES    8
#define ENTRY_BYTES    16
#define COUNT_MAX      (8 * 1024 * 1024 / 32) /* what libraft takes for a count at most */

/* CRC-32 as libraft counts it: polynomial 0x04C11DB7, high bit first, from 0. */
static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= (uint32_t)data[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ ((crc >> 31) * UINT32_C(0x04C11DB7));
    }
    return crc;
}

/* Where the batch at `at` ends; `size` + 1 when the file ends before; 0 when libraft will drop the
 * batch by itself. */
static uint64_t end_of_batch(const uint8_t *file, uint64_t size, uint64_t at)
{
    uint64_t header = at + CHECKSUM_BYTES;
    uint64_t count;
    uint64_t end;

    if (header + COUNT_BYTES > size)
        return size + 1;
    count = bw_get_u64le(file + header);
    if (count == 0 || count > COUNT_MAX)
        return 0;
    end = header + COUNT_BYTES + count * ENTRY_BYTES;
    if (end > size)
        return size + 1;
    if (crc32_of(file + header, end - header) != bw_get_u32le(file + at))
        return 0;
    for (uint64_t i = 0; i < count; i++)
        end += bw_get_u32le(file + header + COUNT_BYTES + i * ENTRY_BYTES + 12);
    return end <= size ? end : size + 1;
}

/* How much of the file libraft can read to its end. */
static uint64_t readable_bytes(const uint8_t *file, uint64_t size)
{
    uint64_t at = FORMAT_BYTES;

    if (size < FORMAT_BYTES)
        return 0;
    if (bw_get_u64le(file) != FORMAT)
        return size; /* never written, or refused by libraft */
    while (at < size) {
        uint64_t end = end_of_batch(file, size, at);

        if (end == 0)
            return size;
        if (end > size)
            return at > FORMAT_BYTES ? at : 0;
        at = end;
    }
    return at > FORMAT_BYTES ? at : 0;
}

static enum bw_err cut_file(int dir, const char *name, bool *out_cut, struct bw_diag *diag)
{
    int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
    enum bw_err err = BW_OK;
    struct stat status;
    uint64_t readable;
    void *file;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", name);
    *out_cut = false;
    if (fstat(fd, &status) != 0)
        err = bw_diag_errno(diag, errno, "look at %s", name);
    if (err != BW_OK || status.st_size == 0)
        goto done;
    /* Mapped, not read: a segment more in private memory would stay there. */
    file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) {
        err = bw_diag_errno(diag, errno, "read %s", name);
        goto done;
    }
    readable = readable_bytes(file, (uint64_t)status.st_size);
    (void)munmap(file, (size_t)status.st_size); /* fails only for other arguments */
    if (readable == (uint64_t)status.st_size)
        goto done;
    *out_cut = true;
    if (ftruncate(fd, (off_t)readable) != 0 || fsync(fd) != 0)
        err = bw_diag_errno(diag, errno, "cut the torn end of %s", name);

done:
    (void)close(fd); /* synced if it was changed */
    return err;
}

enum bw_err bw_segment_cut_torn(const char *path, unsigned *out_count, struct bw_diag *diag)
{
    DIR *list = opendir(path);
    enum bw_err err = BW_OK;
    struct dirent *entry;
    unsigned count = 0;

    if (list == NULL)
        return bw_diag_errno(diag, errno, "list %s", path);
    errno = 0;
    while (err == BW_OK && (entry = readdir(list)) != NULL) {
        bool is_cut = false;

        if (strncmp(entry->d_name, "open-", 5) != 0)
            continue;
        err = cut_file(dirfd(list), entry->d_name, &is_cut, diag);
        count += err == BW_OK && is_cut;
        errno = 0;
    }
    if (err == BW_OK && errno != 0)
        err = bw_diag_errno(diag, errno, "list %s", path);
    (void)closedir(list); /* only read */
    if (err == BW_OK)
        *out_count = count;
    return err;
}
