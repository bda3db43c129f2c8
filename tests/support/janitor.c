#include "janitor.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/sys/cgroup.h>
#include <breakwater/sys/reach.h>

#define ENTRIES_MAX 512
#define ENTRY_BYTES 160
#define LOOK_US     20000
#define LOOKS       3000
#define PROBE_NAME  "janitor" /* a cgroup beside the groups': it shows where they are */

/* One write: shorter than PIPE_BUF, so whole. */
struct entry {
    char what; /* 'd' a directory, 'g' cgroups, '-' forget */
    char text[ENTRY_BYTES];
};

/* ---- removing --------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)stat;
    (void)kind;
    (void)walk;
    (void)remove(path); /* what cannot be removed stays, and its folders with it */
    return 0;
}

void janitor_remove_dir(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* All of a group: what was killed leaves its cgroup a moment later. */
static void clear_group(const char *top, const char *name)
{
    struct bw_cgroup group;
    struct bw_diag diag = {0};
    bool is_empty = false;
    const int length = snprintf(group.path, sizeof group.path, "%s/%s", top, name);

    if (length < 0 || (size_t)length >= sizeof group.path)
        return; /* none of ours: those were made under paths that fit */
    for (int i = 0; i < LOOKS && !is_empty; i++) {
        if (bw_cgroup_signal(&group, SIGKILL, &diag) != BW_OK ||
            bw_cgroup_is_empty(&group, &is_empty, &diag) != BW_OK)
            break;
        if (!is_empty)
            (void)usleep(LOOK_US); /* between two looks */
    }
    if (!is_empty)
        (void)fprintf(stderr, "%s stays: %s\n", group.path, diag.text);
    bw_cgroup_remove_if_empty(&group);
}

static void clear_tag(const char *tag)
{
    struct bw_cgroup probe;
    char top[sizeof probe.path];
    const struct dirent *entry;
    DIR *groups;

    if (bw_cgroup_open(&probe, tag, PROBE_NAME, NULL) != BW_OK)
        return; /* none can be written to here */
    memcpy(top, probe.path, sizeof top);
    *strrchr(top, '/') = '\0';
    groups = opendir(top);
    while (groups != NULL && (entry = readdir(groups)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
            strcmp(entry->d_name, PROBE_NAME) != 0)
            clear_group(top, entry->d_name);
    if (groups != NULL)
        (void)closedir(groups); /* only read from */
    bw_cgroup_remove_if_empty(&probe); /* and what holds it, as the last one */
}

static bool is_enforcer_of(const char *pid, const char *site)
{
    char path[64], wanted[128], line[256];
    int length, fd;
    ssize_t got;

    (void)snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    length = snprintf(wanted, sizeof wanted, "breakwater%cenforcer%c%s%c", 0, 0, site, 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* it has ended */
    got = read(fd, line, sizeof line);
    (void)close(fd); /* only read from */
    return got == length && memcmp(line, wanted, (size_t)length) == 0;
}

void janitor_end_enforcers(const char *site)
{
    DIR *list = opendir("/proc");
    const struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && is_enforcer_of(entry->d_name, site))
            (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL); /* gone: as wanted */
    if (list != NULL)
        (void)closedir(list); /* only read from */
}

void janitor_clear_cgroups(const char *tag)
{
    char of_guard[BW_REACH_TAG_BYTES];

    janitor_end_enforcers(tag);
    clear_tag(tag);
    bw_reach_tag(JANITOR_CLUSTER, tag, of_guard);
    clear_tag(of_guard);
}

/* ---- the process ------------------------------------------------------------------------------ */

static void forget(struct entry *entries, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].text, text) == 0)
            entries[i].what = '\0';
}

static void keep_list(int from) __attribute__((noreturn));
static void keep_list(int from)
{
    static struct entry entries[ENTRIES_MAX];
    struct entry entry;
    size_t count = 0;

    while (read(from, &entry, sizeof entry) == (ssize_t)sizeof entry) {
        if (entry.what == '-')
            forget(entries, count, entry.text);
        else if (count < ENTRIES_MAX)
            entries[count++] = entry;
    }
    for (size_t i = 0; i < count; i++)
        if (entries[i].what == 'g')
            janitor_clear_cgroups(entries[i].text);
    for (size_t i = 0; i < count; i++)
        if (entries[i].what == 'd')
            janitor_remove_dir(entries[i].text);
    _exit(0);
}

/* Away from the test: neither its parent's list of children, nor its session, nor its output. */
static void go_away(int from)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    pid_t pid = -1;

    (void)setsid(); /* that of a leader fails: it is away then, too */
    for (int i = 0; i < LOOKS && (pid = fork()) < 0; i++)
        (void)usleep(LOOK_US); /* too many processes: some of them end */
    if (pid != 0)
        _exit(0);
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
    for (int fd = 3; fd < 1024; fd++)
        if (fd != from)
            (void)close(fd);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_IGN); /* KILL and STOP cannot be, nor those of the C library */
    (void)signal(SIGCHLD, SIG_DFL);
    keep_list(from);
}

static int begin(void)
{
    int ends[2];
    pid_t pid;

    BW_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork();
    BW_ASSERT(pid >= 0);
    if (pid == 0) {
        (void)close(ends[1]);
        go_away(ends[0]);
    }
    (void)waitpid(pid, NULL, 0); /* its child goes on */
    (void)close(ends[0]);
    return ends[1];
}

static void tell(char what, const char *text)
{
    static int door; /* 0: not begun */
    struct entry entry = {.what = what};
    ssize_t put;

    if (door == 0)
        door = begin();
    BW_ASSERT(bw_copy_text(entry.text, sizeof entry.text, text));
    do
        put = write(door, &entry, sizeof entry);
    while (put < 0 && errno == EINTR);
    if (put == (ssize_t)sizeof entry)
        return;
    /* Killed by a machine without memory: what it kept stays behind, and no test fails for that. */
    (void)fprintf(stderr, "janitor: %s: %s is not swept\n", strerror(errno), text);
    (void)close(door);
    door = 0;
}

void janitor_add_dir(const char *path)
{
    tell('d', path);
}

void janitor_add_cgroups(const char *tag)
{
    tell('g', tag);
}

void janitor_forget(const char *path_or_tag)
{
    tell('-', path_or_tag);
}
