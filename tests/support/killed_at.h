/* killed_at.h - a process of its own that is killed before its n-th change of a name, or fsync: libraft's are among them.
 * For tests of what is whole whenever the power goes. Include it after cmocka.h. */
#ifndef BW_TEST_KILLED_AT_H
#define BW_TEST_KILLED_AT_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long steps_left = -1; /* < 0: it lives */

static void step(void)
{
    if (steps_left >= 0 && steps_left-- == 0)
        (void)kill(getpid(), SIGKILL);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    step();
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdirat(int parent, const char *name, mode_t mode)
{
    step();
    return (int)syscall(SYS_mkdirat, parent, name, mode);
}

int unlinkat(int parent, const char *name, int flags)
{
    step();
    return (int)syscall(SYS_unlinkat, parent, name, flags);
}

int unlink(const char *path)
{
    step();
    return (int)syscall(SYS_unlink, path);
}

int fsync(int fd)
{
    step();
    return (int)syscall(SYS_fsync, fd);
}

/* In a process of its own, since libraft works in threads: its exit status, or -1 if it was killed. */
static int apart(int (*what)(void), long steps)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        steps_left = steps;
        _exit(what());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
