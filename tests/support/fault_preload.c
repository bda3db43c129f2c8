/* fault_preload.c - a library for LD_PRELOAD that makes the storage of one program fail, and moves
 * its wall clock, on the word of a file that it reads anew at every call. Built for tests only, and
 * without sanitizers: see tests/CMakeLists.txt.
 *
 * FAULT_FILE names the file; FAULT_PROGRAM the only program that is meddled with, by the last part
 * of its path, so that the scripts it runs are left alone. The file holds one fault a line, as
 * "WHAT PATH NUMBER": calls on files whose path contains PATH
 *     write PATH ERRNO      fail: write, writev, pwrite, pwritev, ftruncate, posix_fallocate
 *     reserve PATH ERRNO    fail: posix_fallocate alone
 *     fsync PATH ERRNO      fail: fsync, fdatasync
 *     slow PATH MS          take so much longer: fsync, fdatasync
 *     rename PATH ERRNO     fail: rename, renameat, renameat2
 *     move PATH MS          take so much longer: the same
 *     open PATH ERRNO       fail: open, open64, openat
 *     nameless PATH ERRNO   fail: the same with O_TMPFILE
 *     list PATH MS          take so much longer: opendir
 *     stat PATH MS          take so much longer: stat, access, faccessat, execve
 *     hang PATH MS          do not come back before the line has gone, or so much time: fsync,
 *                           fdatasync, stat, access, faccessat, execve, opendir, open, open64, openat
 *     short PATH 1          write half of what is asked, where that is more than one byte: write
 *     wall - SECONDS        the wall clock shows so much more; monotonic clocks are left alone
 *     drift FROM PPM SHIFT  from the instant FROM (ns of the true CLOCK_BOOTTIME) on, all clocks
 *                           but the wall's show SHIFT ns more, and run PPM faster; the last line
 *                           whose FROM has come counts. Looked at every 10 ms, so that a line whose
 *                           FROM lies further ahead comes into force everywhere at once.
 *     slew FROM PPM SHIFT   the same as NTP does it: CLOCK_MONOTONIC_RAW is left alone
 * Not seen: the kernel's asynchronous I/O (io_submit), by which libraft writes its log. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES_MAX 1024
#define PATH_BYTES_MAX 512
#define HANG_LOOK_MS   20

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
    if (fails("write", fd))
        return -1;
    if (size > 1 && find_fault_of("short", fd) != 0)
        size /= 2;
    return syscall(SYS_write, fd, data, size);
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
    return fails("write", fd) || fails("reserve", fd) ? errno : REAL(posix_fallocate)(fd, offset, size);
}

static void take_ms(long slow_ms)
{
    const struct timespec wait = {slow_ms / 1000, slow_ms % 1000 * 1000000};

    if (slow_ms > 0)
        (void)nanosleep(&wait, NULL);
}

/* `fd` < 0: by its path. */
static void hang(int fd, const char *path)
{
    for (long ms = 0; ms < (fd < 0 ? find_fault("hang", path) : find_fault_of("hang", fd));
         ms += HANG_LOOK_MS)
        take_ms(HANG_LOOK_MS);
}

static bool sync_fails(int fd)
{
    take_ms(find_fault_of("slow", fd));
    hang(fd, NULL);
    return fails("fsync", fd);
}

DIR *opendir(const char *path)
{
    take_ms(find_fault("list", path));
    hang(-1, path);
    return REAL(opendir)(path);
}

int stat(const char *path, struct stat *out)
{
    take_ms(find_fault("stat", path));
    hang(-1, path);
    return REAL(stat)(path, out);
}

int access(const char *path, int mode)
{
    take_ms(find_fault("stat", path));
    hang(-1, path);
    return (int)syscall(SYS_access, path, mode);
}

int faccessat(int dir, const char *path, int mode, int flags)
{
    take_ms(find_fault("stat", path));
    hang(-1, path);
    return REAL(faccessat)(dir, path, mode, flags);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    take_ms(find_fault("stat", path));
    hang(-1, path);
    return (int)syscall(SYS_execve, path, argv, envp);
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
static long fault_of_move(const char *what, int dir, const char *to)
{
    const long number = find_fault(what, to);

    return number == 0 && dir != AT_FDCWD && to[0] != '/' ? find_fault_of(what, dir) : number;
}

static bool rename_fails(int dir, const char *to)
{
    const long number = fault_of_move("rename", dir, to);

    take_ms(fault_of_move("move", dir, to));
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

/* As rename_fails; the mode is read as the system call would, whether or not it is given. */
static bool open_fails(int dir, const char *path, int flags)
{
    long number = find_fault("open", path);

    if (number == 0 && (flags & O_TMPFILE) == O_TMPFILE)
        number = find_fault("nameless", path);
    if (number == 0 && dir != AT_FDCWD && path[0] != '/')
        number = find_fault_of("open", dir);
    if (number > 0)
        errno = (int)number;
    return number > 0;
}

static int open_with(int dir, const char *path, int flags, va_list more)
{
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;

    hang(-1, path);
    return open_fails(dir, path, flags) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    int fd;

    va_start(more, flags);
    fd = open_with(AT_FDCWD, path, flags, more);
    va_end(more);
    return fd;
}

/* By this name libuv, and with it libraft, opens its files. */
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    int fd;

    va_start(more, flags);
    fd = open_with(dir, path, flags, more);
    va_end(more);
    return fd;
}

/* ---- the wall clock ---- */

static long wall_shift_s(void)
{
    return find_fault("wall", NULL);
}

/* ---- the clocks that run ---- */

#define LOOK_NS    10000000 /* the file is read anew after so long */
#define DRIFTS_MAX 4
#define YIELDS_MAX 1000
#define PPM        1000000

struct drift {
    uint64_t from_ns;
    long ppm;
    int64_t shift_ns;
    bool spares_raw;
};

static struct {
    atomic_flag is_busy;
    uint64_t looked_ns;
    int count;
    struct drift list[DRIFTS_MAX];
} drifts = {.is_busy = ATOMIC_FLAG_INIT};

static uint64_t true_boot_ns(void)
{
    struct timespec now;

    (void)syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void look_for_drifts(uint64_t now_ns)
{
    char text[FILE_BYTES_MAX];
    const char *line = text;

    drifts.looked_ns = now_ns;
    drifts.count = 0;
    if (!read_faults(text))
        return;
    while (*line != '\0' && drifts.count < DRIFTS_MAX) {
        struct drift *drift = &drifts.list[drifts.count];
        const char *end = strchr(line, '\n');
        unsigned long from_ns;
        long shift_ns;

        drift->spares_raw = strncmp(line, "slew ", 5) == 0;
        if (sscanf(line, "drift %lu %ld %ld", &from_ns, &drift->ppm, &shift_ns) == 3 ||
            sscanf(line, "slew %lu %ld %ld", &from_ns, &drift->ppm, &shift_ns) == 3) {
            drift->from_ns = from_ns;
            drift->shift_ns = shift_ns;
            drifts.count++;
        }
        line = end != NULL ? end + 1 : line + strlen(line);
    }
}

/* Who finds the list busy waits for another thread's look at it, but not for ever: in a forked
 * child there is no such thread any more. */
static int64_t drift_now_ns(bool is_raw)
{
    const int saved = errno;
    const uint64_t now_ns = true_boot_ns();
    int64_t shift_ns = 0;

    if (getenv("FAULT_FILE") == NULL || !is_for_us())
        return 0;
    for (int i = 0; i < YIELDS_MAX && atomic_flag_test_and_set(&drifts.is_busy); i++)
        (void)syscall(SYS_sched_yield);
    if (now_ns - drifts.looked_ns >= LOOK_NS)
        look_for_drifts(now_ns);
    for (int i = 0; i < drifts.count; i++)
        if (drifts.list[i].from_ns <= now_ns && !(is_raw && drifts.list[i].spares_raw))
            shift_ns = drifts.list[i].shift_ns +
                       (int64_t)((double)(now_ns - drifts.list[i].from_ns) *
                                 (double)drifts.list[i].ppm / PPM);
    atomic_flag_clear(&drifts.is_busy);
    errno = saved;
    return shift_ns;
}

static void add_ns(struct timespec *time, int64_t more_ns)
{
    const int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + more_ns;

    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *out_time)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, out_time);

    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out_time->tv_sec += wall_shift_s();
    else if (result == 0 && (clock == CLOCK_BOOTTIME || clock == CLOCK_MONOTONIC ||
                             clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE))
        add_ns(out_time, drift_now_ns(clock == CLOCK_MONOTONIC_RAW));
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
