/* fault_preload.c - a library for LD_PRELOAD that makes the storage of one program fail, and moves
 * its wall clock, on the word of a file that it reads anew at every call. Built for tests only, and
 * without sanitizers: see tests/CMakeLists.txt.
 *
 * FAULT_FILE names the file; FAULT_PROGRAM the only program that is meddled with, by the last part
 * of its path, so that the scripts it runs are left alone. The file holds one fault a line, as
 * "WHAT PATH NUMBER": calls on files whose path contains PATH
 *     write PATH ERRNO      fail: write, writev, pwrite, pwritev, ftruncate, posix_fallocate
 *     fsync PATH ERRNO      fail: fsync, fdatasync
 *     slow PATH MS          take so much longer: fsync, fdatasync
 *     rename PATH ERRNO     fail: rename, renameat, renameat2
 *     wall - SECONDS        the wall clock shows so much more; monotonic clocks are left alone
 * Not seen: the kernel's asynchronous I/O (io_submit), by which libraft writes its log. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES_MAX 1024
#define PATH_BYTES_MAX 512

static bool is_for_us(void)
{
    static int answer; /* 0: not yet looked */
    const char *wanted = getenv("FAULT_PROGRAM");
    char path[PATH_BYTES_MAX];
    const char *name;
    ssize_t size;

    if (answer != 0)
        return answer > 0;
    size = readlink("/proc/self/exe", path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    name = strrchr(path, '/');
    answer = wanted != NULL && name != NULL && strcmp(name + 1, wanted) == 0 ? 1 : -1;
    return answer > 0;
}

/* By system calls: what is meddled with below must not be called from here. */
static bool read_faults(char out_text[FILE_BYTES_MAX])
{
    const char *path = getenv("FAULT_FILE");
    long fd;
    long size;

    if (path == NULL || !is_for_us())
        return false;
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = syscall(SYS_read, fd, out_text, FILE_BYTES_MAX - 1);
    (void)syscall(SYS_close, fd);
    out_text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* The number of the fault `what` that meets `path`; 0: none does. */
static long find_fault(const char *what, const char *path)
{
    const int saved = errno;
    char text[FILE_BYTES_MAX];
    char word[16];
    char where[PATH_BYTES_MAX];
    long number;
    long found = 0;

    if (read_faults(text)) {
        for (const char *line = text; found == 0 && *line != '\0';) {
            const char *end = strchr(line, '\n');

            if (sscanf(line, "%15s %511s %ld", word, where, &number) == 3 &&
                strcmp(word, what) == 0 && (path == NULL || strstr(path, where) != NULL))
                found = number;
            line = end != NULL ? end + 1 : line + strlen(line);
        }
    }
    errno = saved;
    return found;
}

static long find_fault_of(const char *what, int fd)
{
    const int saved = errno;
    char link[48];
    char path[PATH_BYTES_MAX];
    ssize_t size;

    if (fd <= STDERR_FILENO || getenv("FAULT_FILE") == NULL)
        return 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (size <= 0 || path[0] != '/')
        return 0;
    path[size] = '\0';
    return find_fault(what, path);
}

static bool fails(const char *what, int fd)
{
    const long number = find_fault_of(what, fd);

    if (number > 0)
        errno = (int)number;
    return number > 0;
}

/* The function that would have been called; ISO C has no cast for it. */
static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define REAL(name) ((__typeof__(&name))(real(#name)))

/* ---- storage ---- */

ssize_t write(int fd, const void *data, size_t size)
{
    return fails("write", fd) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fails("write", fd) ? -1 : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return fails("write", fd) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return fails("write", fd) ? -1 : REAL(pwrite64)(fd, data, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return fails("write", fd) ? -1 : REAL(pwritev)(fd, parts, count, offset);
}

int ftruncate(int fd, off_t size)
{
    return fails("write", fd) ? -1 : REAL(ftruncate)(fd, size);
}

int posix_fallocate(int fd, off_t offset, off_t size)
{
    return fails("write", fd) ? errno : REAL(posix_fallocate)(fd, offset, size);
}

static bool sync_fails(int fd)
{
    const long slow_ms = find_fault_of("slow", fd);
    const struct timespec wait = {slow_ms / 1000, slow_ms % 1000 * 1000000};

    if (slow_ms > 0)
        (void)nanosleep(&wait, NULL);
    return fails("fsync", fd);
}

int fsync(int fd)
{
    return sync_fails(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* By the directory too: names are given beside one. */
static bool rename_fails(int dir, const char *to)
{
    long number = find_fault("rename", to);

    if (number == 0 && dir != AT_FDCWD && to[0] != '/')
        number = find_fault_of("rename", dir);
    if (number > 0)
        errno = (int)number;
    return number > 0;
}

int rename(const char *from, const char *to)
{
    return rename_fails(AT_FDCWD, to) ? -1 : (int)syscall(SYS_rename, from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return rename_fails(to_dir, to) ? -1 : (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return rename_fails(to_dir, to)
               ? -1
               : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* ---- the wall clock ---- */

static long wall_shift_s(void)
{
    return find_fault("wall", NULL);
}

int clock_gettime(clockid_t clock, struct timespec *out_time)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, out_time);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out_time->tv_sec += wall_shift_s();
    return result;
}

int gettimeofday(struct timeval *restrict out_time, void *restrict zone)
{
    const int result = (int)syscall(SYS_gettimeofday, out_time, zone);

    if (result == 0)
        out_time->tv_sec += wall_shift_s();
    return result;
}

time_t time(time_t *out_time)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (out_time != NULL)
        *out_time = now.tv_sec;
    return now.tv_sec;
}
