#include <breakwater/sys/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#define READS_MAX   8
#define READ_GAP_NS UINT64_C(20000) /* far above two reads, far below any margin */

static bw_clock_source test_source;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec at;
    int rc = clock_gettime(clock, &at);

    BW_ASSERT(rc == 0);
    return (uint64_t)at.tv_sec * BW_NS_PER_S + (uint64_t)at.tv_nsec;
}

struct bw_instant bw_clock_now(void)
{
    struct bw_instant closest = {0, 0};
    uint64_t closest_gap_ns = UINT64_MAX;

    if (test_source != NULL)
        return test_source();
    for (int i = 0; i < READS_MAX && closest_gap_ns > READ_GAP_NS; i++) {
        uint64_t before_ns = read_clock(CLOCK_BOOTTIME);
        uint64_t raw_ns = read_clock(CLOCK_MONOTONIC_RAW);
        uint64_t gap_ns = read_clock(CLOCK_BOOTTIME) - before_ns;

        if (gap_ns < closest_gap_ns) {
            closest_gap_ns = gap_ns;
            closest = (struct bw_instant){.boot_ns = before_ns, .raw_ns = raw_ns};
        }
    }
    return closest;
}

struct bw_wall bw_clock_wall(void)
{
    struct timespec at;
    int rc = clock_gettime(CLOCK_REALTIME, &at);

    BW_ASSERT(rc == 0);
    return (struct bw_wall){.unix_ms = (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000};
}

void bw_clock_set_source(bw_clock_source source)
{
    test_source = source;
}

/* Reads the beginning of a small text file, at most size - 1 bytes, and ends it with a NUL. */
static enum bw_err read_text(const char *path, char *out, size_t size, struct bw_diag *diag)
{
    size_t used = 0;
    ssize_t got = 1;
    int os_errno;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", path);
    while (got > 0 && used < size - 1) {
        do
            got = read(fd, out + used, size - 1 - used);
        while (got < 0 && errno == EINTR);
        used += got > 0 ? (size_t)got : 0;
    }
    os_errno = errno;
    (void)close(fd); /* only read from */
    if (got < 0)
        return bw_diag_errno(diag, os_errno, "read %s", path);
    out[used] = '\0';
    return BW_OK;
}

/* 32 hex digits with or without the dashes of a UUID, then the end of the line. */
static enum bw_err read_id(const char *path, struct bw_id *out_id, struct bw_diag *diag)
{
    char text[64];
    char digits[BW_ID_TEXT_BYTES];
    struct bw_id id;
    size_t used = 0;
    enum bw_err err = read_text(path, text, sizeof text, diag);

    if (err != BW_OK)
        return err;
    for (const char *c = text; *c != '\0' && *c != '\n' && used < sizeof digits - 1; c++)
        if (*c != '-')
            digits[used++] = *c;
    digits[used] = '\0';
    if (!bw_id_parse(digits, &id) || bw_id_is_none(id))
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "%s holds no id (expected 32 hex digits)", path);
    *out_id = id;
    return BW_OK;
}

enum bw_err bw_clock_boot_id(struct bw_id *out_id, struct bw_diag *diag)
{
    return read_id("/proc/sys/kernel/random/boot_id", out_id, diag);
}

enum bw_err bw_clock_time_namespace(uint64_t *out_inode, struct bw_diag *diag)
{
    struct stat st;

    if (stat("/proc/self/ns/time", &st) == 0) {
        *out_inode = st.st_ino;
        return BW_OK;
    }
    if (errno != ENOENT || stat("/proc/self/ns", &st) != 0)
        return bw_diag_errno(diag, errno, "look at /proc/self/ns/time (is /proc mounted?)");
    *out_inode = 0;
    return BW_OK;
}

enum bw_err bw_clock_machine_id(struct bw_id *out_id, struct bw_diag *diag)
{
    static const char *const paths[] = {"/etc/machine-id", "/var/lib/dbus/machine-id"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (read_id(paths[i], out_id, NULL) == BW_OK)
            return BW_OK;
    return bw_diag_set(diag, BW_ERR_NOT_FOUND,
                       "this machine has no id: %s and %s are missing or not set; create one with "
                       "systemd-machine-id-setup, or bind-mount the host's into the container",
                       paths[0], paths[1]);
}
