#include "stuck_disk.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX   600 /* a test that fails may wait in it itself, beyond SIGKILL */
#define REQUEST_BYTES (FUSE_MIN_READ_BUFFER + 4096)

/* Linux, fuse.h: the first request is answered, or the kernel sends no other. */
static void answer_init(int fd, const struct fuse_in_header *request)
{
    struct {
        struct fuse_out_header head;
        struct fuse_init_out init;
    } answer = {
        .head = {.len = sizeof answer, .unique = request->unique},
        .init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096},
    };

    if (write(fd, &answer, sizeof answer) < 0)
        _exit(1);
}

/* What was read and is not answered is waited for, whatever signal comes. */
static void serve(int fd)
{
    static union {
        struct fuse_in_header head;
        uint8_t bytes[REQUEST_BYTES];
    } request;

    while (read(fd, &request, sizeof request) > 0)
        if (request.head.opcode == FUSE_INIT)
            answer_init(fd, &request.head);
    _exit(0);
}

/* `kind` as in st_mode: of what it is mounted at. */
static bool is_mounted(int fd, const char *path, mode_t kind)
{
    char options[64];

    (void)snprintf(options, sizeof options, "fd=%d,rootmode=%o,user_id=0,group_id=0", fd, (unsigned)kind);
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("stuck", path, "fuse", MS_NOSUID | MS_NODEV, options) == 0;
}

pid_t stuck_disk_open(const char *dir)
{
    const pid_t parent = getpid();
    const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    pid_t server = -1;

    if (fd >= 0 && is_mounted(fd, dir, S_IFDIR))
        server = fork();
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)alarm(SECONDS_MAX);
        if (getppid() == parent)
            serve(fd);
        _exit(1);
    }
    if (fd >= 0)
        (void)close(fd); /* the server has it */
    return server;
}

void stuck_disk_close(pid_t server, const char *dir)
{
    (void)kill(server, SIGKILL); /* our child, not reaped */
    (void)waitpid(server, NULL, 0);
    (void)umount2(dir, MNT_DETACH);
}

/* ---- one process ----------------------------------------------------------------------------- */

/* It has nothing to do, and ends with the test. */
static pid_t begin_process(void)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        (void)pause();
    _exit(1);
}

bool stuck_process_open(struct stuck_process *out)
{
    char path[64];

    *out = (struct stuck_process){.pid = begin_process(), .fd = open("/dev/fuse", O_RDWR | O_CLOEXEC)};
    (void)snprintf(path, sizeof path, "/proc/%ld/environ", (long)out->pid); /* fits any pid */
    if (out->pid > 0 && out->fd >= 0 && is_mounted(out->fd, path, S_IFREG))
        return true;
    stuck_process_close(out);
    return false;
}

void stuck_process_close(struct stuck_process *process)
{
    if (process->fd >= 0)
        (void)close(process->fd); /* which nobody has ever read from: whoever waits is woken */
    if (process->pid > 0) {
        (void)kill(process->pid, SIGKILL); /* our child, not reaped; what is mounted in its /proc goes with it */
        (void)waitpid(process->pid, NULL, 0);
    }
    *process = (struct stuck_process){.fd = -1};
}
