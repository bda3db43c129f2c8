#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/sys/own_process.h>

#define NAME_PREFIX    "breakwater-chaos-"
#define SWEEP_ROUNDS   500 /* of 20 ms: the kernel ends what is in a killed box meanwhile */
#define SWEEP_PAUSE_NS (20 * 1000 * 1000L)
#define OPEN_DIRS_MAX  16

/* The maker's side: what is to be removed. */
struct outside {
    char mount[256];      /* of cgroup v2; "": none */
    char cgroup[300];     /* ours in it; "": none */
    char cpu_cgroup[300]; /* "": none */
};

/* ---- cgroups, from the outside --------------------------------------------------------------- */

/* The first mount of the file system `type` whose options hold `option`, as mountinfo says. */
static bool find_mount(const char *type, const char *option, char out_point[256])
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    bool is_found = false;

    out_point[0] = '\0';
    while (mounts != NULL && !is_found && getline(&line, &size, mounts) > 0) {
        char found[32];
        char options[256];
        const char *tail = strstr(line, " - ");

        if (tail == NULL || sscanf(tail, " - %31s %*s %255s", found, options) != 2 ||
            strcmp(found, type) != 0 || sscanf(line, "%*s %*s %*s %*s %255s", out_point) != 1)
            continue;
        for (const char *word = strtok(options, ","); word != NULL; word = strtok(NULL, ","))
            is_found = is_found || strcmp(word, option) == 0;
        is_found = is_found && strchr(out_point, '\\') == NULL;
    }
    free(line);
    if (mounts != NULL)
        (void)fclose(mounts); /* only read from */
    if (!is_found)
        out_point[0] = '\0';
    return is_found;
}

static bool write_text(const char *dir, const char *name, const char *text)
{
    char path[512];
    int fd;
    bool is_written;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name); /* a directory of ours: fits */
    fd = open(path, O_WRONLY | O_CLOEXEC);
    is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd); /* the kernel acted at the write */
    return is_written;
}

static void make_cgroup(const char *mount, char *out_path, size_t size)
{
    (void)snprintf(out_path, size, "%s/" NAME_PREFIX "%ld", mount, (long)getpid());
    if (mount[0] == '\0' || mkdir(out_path, 0755) != 0)
        out_path[0] = '\0'; /* faults that need it are left out, and said to be */
}

static int remove_dir(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    if (type == FTW_DP)
        (void)rmdir(path); /* populated: the next round */
    return 0;
}

/* Ends what is left in a cgroup and removes it. Blocks until it is gone, at most 10 s. */
static void sweep(const char *path)
{
    const struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};

    if (path[0] == '\0')
        return;
    for (int round = 0; round < SWEEP_ROUNDS && access(path, F_OK) == 0; round++) {
        if (round > 0)
            (void)nanosleep(&pause, NULL);            /* between two looks; cut short is as well */
        (void)write_text(path, "cgroup.freeze", "0"); /* version 1 has neither of the two */
        (void)write_text(path, "cgroup.kill", "1");
        (void)nftw(path, remove_dir, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS);
    }
}

static void sweep_all(const struct outside *outside)
{
    sweep(outside->cgroup);
    sweep(outside->cpu_cgroup);
}

/* ---- the watcher ----------------------------------------------------------------------------- */

/* Waits for the maker's end, whatever it is, and sweeps. Holds nothing open that anybody reads. */
__attribute__((noreturn)) static void watch(int maker, const struct outside *outside)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char byte;

    (void)setsid(); /* fails only for a group leader, which a forked child is not */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    if (null >= 0)
        for (int fd = 0; fd < 3; fd++)
            (void)dup2(null, fd);
    while (read(maker, &byte, 1) < 0 && errno == EINTR)
        continue;
    sweep_all(outside);
    _exit(0);
}

static pid_t start_watcher(const struct outside *outside, int *out_pipe)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        watch(ends[0], outside);
    }
    (void)close(ends[0]);
    if (pid < 0)
        (void)close(ends[1]);
    *out_pipe = ends[1];
    return pid;
}

/* ---- inside ---------------------------------------------------------------------------------- */

static bool write_resolver(const char *path)
{
    static const char text[] = "nameserver 127.0.0.1\n";
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const bool is_written = fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1;

    if (fd >= 0)
        (void)close(fd); /* in memory: what is written is there */
    return is_written;
}

/* The resolver reads /etc/resolv.conf, which may be a link to /run, of which the box has its own. False: there
 * is no such file. */
static bool lay_resolver(const char *path)
{
    char dir[PATH_MAX];

    if (path[0] == '\0' || !write_resolver(BW_BOX_DIR "/resolv.conf"))
        return false;
    if (strncmp(path, "/run/", 5) != 0)
        return mount(BW_BOX_DIR "/resolv.conf", path, NULL, MS_BIND, NULL) == 0;
    for (size_t i = 5; path[i] != '\0'; i++) {
        if (path[i] != '/')
            continue;
        (void)snprintf(dir, sizeof dir, "%.*s", (int)i, path); /* of the same size */
        if (mkdir(dir, 0755) != 0 && errno != EEXIST)
            return false;
    }
    return write_resolver(path);
}

static enum bw_err mount_all(const struct outside *outside, struct bw_box *box, struct bw_diag *diag)
{
    char resolver[PATH_MAX];

    if (realpath("/etc/resolv.conf", resolver) == NULL)
        resolver[0] = '\0';
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return bw_diag_errno(diag, errno, "make all mounts private");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return bw_diag_errno(diag, errno, "mount /proc");
    if (mount("chaos", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
              "mode=0755,size=" BW_BOX_DIR_BYTES_MAX) != 0)
        return bw_diag_errno(diag, errno, "mount a tmpfs on /run");
    if (mkdir(BW_BOX_DIR, 0755) != 0)
        return bw_diag_errno(diag, errno, "create " BW_BOX_DIR);
    box->has_names = lay_resolver(resolver);
    if (outside->cgroup[0] == '\0')
        return BW_OK;
    /* What is mounted there shows all of the machine; in this namespace a new one shows ours. */
    if (umount2(outside->mount, MNT_DETACH) != 0 ||
        mount("cgroup2", outside->mount, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return bw_diag_errno(diag, errno, "mount the box's cgroups on %s", outside->mount);
    return BW_OK;
}

/* After the fork that made it the first process of its PID namespace. */
__attribute__((noreturn)) static void be_inside(const struct outside *outside, int maker,
                                                bw_box_inside inside, void *user)
{
    struct bw_box box = {0};
    struct bw_diag diag = {0};
    char byte;
    enum bw_err err;

    bw_signals_unblock(); /* the maker has its own blocked */
    /* The maker closes its end only by ending: were it gone already, nobody would send the signal.
     */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || read(maker, &byte, 1) != 1)
        _exit(EXIT_FAILURE);
    err = mount_all(outside, &box, &diag);
    if (err != BW_OK) {
        (void)fprintf(stderr, "error: make the box: %s\n", diag.text);
        _exit(EXIT_FAILURE);
    }
    if (outside->cgroup[0] != '\0')
        (void)snprintf(box.cgroup, sizeof box.cgroup, "%s", outside->mount);
    (void)snprintf(box.cpu_cgroup, sizeof box.cpu_cgroup, "%.255s", outside->cpu_cgroup);
    exit(inside(&box, user));
}

/* Between two forks: enters the cgroup and makes the namespaces that its child begins in. */
static enum bw_err leave_world(const struct outside *outside, struct bw_diag *diag)
{
    if (outside->cgroup[0] != '\0' && !write_text(outside->cgroup, "cgroup.procs", "0"))
        return bw_diag_errno(diag, errno, "enter the cgroup %s", outside->cgroup);
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP) != 0)
        return bw_diag_errno(diag, errno, "make namespaces");
    return BW_OK;
}

/* A process between maker and box: it alone changes namespaces, and ends as the box ends. */
__attribute__((noreturn)) static void go_between(const struct outside *outside,
                                                 bw_box_inside inside, void *user)
{
    struct bw_diag diag = {0};
    enum bw_err err;
    int status = 0;
    int go[2];
    pid_t pid = -1;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || pipe2(go, O_CLOEXEC) != 0)
        err = bw_diag_errno(&diag, errno, "prepare");
    else
        err = leave_world(outside, &diag);
    if (err == BW_OK) {
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
            (void)close(go[1]);
            be_inside(outside, go[0], inside, user);
        }
        if (pid < 0 || write(go[1], "", 1) != 1)
            err = bw_diag_errno(&diag, errno, "start the box");
    }
    if (err != BW_OK) {
        (void)fprintf(stderr, "error: make the box: %s\n", diag.text);
        _exit(EXIT_FAILURE);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- the maker ------------------------------------------------------------------------------- */

static void block_signals(sigset_t *out_before)
{
    sigset_t set;

    (void)sigemptyset(&set); /* these fail only for numbers that are no signals */
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    if (!bw_hangup_is_ignored())
        (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, out_before);
}

/* Until the box has ended by itself or somebody interrupts; returns that signal, 0: it ended. */
static int wait_for_box(pid_t pid, int *out_status)
{
    sigset_t set;
    int signal = 0;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    while (waitpid(pid, out_status, WNOHANG) == 0) {
        if (sigwait(&set, &signal) != 0 || signal == SIGCHLD)
            continue;
        (void)kill(pid, SIGKILL); /* ours; its death signal is that of the box */
        while (waitpid(pid, out_status, 0) < 0 && errno == EINTR)
            continue;
        return signal;
    }
    return 0;
}

/* In a chroot, or where it is forbidden, a namespace's mounts cannot be told from the machine's: 0 if
 * they can, else why not. */
static int why_no_mounts(void)
{
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
                  ? errno
                  : 0);
    if (pid < 0)
        return errno;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

enum bw_err bw_box_run(bw_box_inside inside, void *user, int *out_status, struct bw_diag *diag)
{
    struct outside outside = {0};
    char cpu_mount[256];
    sigset_t before;
    pid_t watcher;
    pid_t pid;
    int pipe_end = -1;
    int mounts_errno;
    int status = 0;
    int signal;

    if (geteuid() != 0)
        return bw_diag_set(diag, BW_ERR_AUTH, "needs root (network namespaces)");
    mounts_errno = why_no_mounts();
    if (mounts_errno != 0)
        return bw_diag_set(diag, BW_ERR_AUTH, "needs mounts of its own: make all mounts private: %s",
                           strerror(mounts_errno));
    block_signals(&before);
    if (find_mount("cgroup2", "rw", outside.mount))
        make_cgroup(outside.mount, outside.cgroup, sizeof outside.cgroup);
    if (find_mount("cgroup", "cpu", cpu_mount))
        make_cgroup(cpu_mount, outside.cpu_cgroup, sizeof outside.cpu_cgroup);
    watcher = start_watcher(&outside, &pipe_end);
    if (watcher < 0) {
        sweep_all(&outside);
        return bw_diag_errno(diag, errno, "start the watcher of the box");
    }
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid == 0) {
        (void)close(pipe_end);
        go_between(&outside, inside, user);
    }
    signal = pid > 0 ? wait_for_box(pid, &status) : 0;
    sweep_all(&outside);
    (void)close(pipe_end);
    while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
        continue;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return bw_diag_set(diag, BW_ERR_IO, "fork the box");
    *out_status = signal != 0           ? 128 + signal
                  : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                        : WEXITSTATUS(status);
    return signal == 0 ? BW_OK : bw_diag_set(diag, BW_ERR_CANCELED, "interrupted");
}
