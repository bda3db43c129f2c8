#include <breakwater/sys/process_tree.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ENVIRON_BYTES_MAX (256 * 1024) /* of one process; the kernel allows more, people do not */
#define PASSES_MAX        64           /* depth of a tree, when pids run against the ancestry */

/* Of /proc/PID/stat, as proc(5) counts them. */
enum { FIELD_PARENT = 4, FIELD_SESSION = 6, FIELD_START_TICKS = 22 };

#define KTHREADD       2 /* parent of all kernel threads */
#define EXEC_LOOKS_MAX 100

/* ---- one process ------------------------------------------------------------------------------
 */

/* Fields 3, 4, 6 and 22 of /proc/PID/stat. The name (2) may hold spaces and parentheses: the last
 * ')' ends it, and the state is one letter after it. */
static bool parse_stat(const char *text, pid_t pid, struct bw_process *out)
{
    const char *at = strrchr(text, ')');
    unsigned long long fields[FIELD_START_TICKS + 1] = {0};
    char state;
    char *end;

    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    state = at[2];
    at += 3;
    for (int i = FIELD_PARENT; i <= FIELD_START_TICKS; i++) {
        fields[i] = strtoull(at, &end, 10); /* some are negative, none that we use */
        if (end == at)
            return false;
        at = end;
    }
    *out = (struct bw_process){.pid = pid,
                               .parent = (pid_t)fields[FIELD_PARENT],
                               .session = (pid_t)fields[FIELD_SESSION],
                               .is_dead = state == 'Z' || state == 'X',
                               .start_ticks = fields[FIELD_START_TICKS]};
    return true;
}

enum bw_err bw_process_read(pid_t pid, struct bw_process *out_process, struct bw_diag *diag)
{
    char path[32];
    char text[1024];
    ssize_t got;
    int os_errno;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid); /* fits any pid */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s", path);
    got = read(fd, text, sizeof text - 1);
    os_errno = errno;
    (void)close(fd); /* only read from */
    if (got < 0 && os_errno == ESRCH)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "process %ld has ended", (long)pid);
    if (got < 0)
        return bw_diag_errno(diag, os_errno, "read %s", path);
    text[got] = '\0';
    if (!parse_stat(text, pid, out_process))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s is not as proc(5) says", path);
    return BW_OK;
}

enum bw_err bw_process_signal(pid_t pid, uint64_t start_ticks, int signal, struct bw_diag *diag)
{
    struct bw_process now;
    enum bw_err err;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0 && errno == ESRCH)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "process %ld has ended", (long)pid);
    if (pidfd < 0)
        return bw_diag_errno(diag, errno, "open process %ld", (long)pid);
    err = bw_process_read(pid, &now, diag);
    if (err == BW_OK && now.start_ticks != start_ticks)
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "process %ld is another one by now", (long)pid);
    else if (err == BW_OK && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) != 0)
        err = errno == ESRCH
                  ? bw_diag_set(diag, BW_ERR_NOT_FOUND, "process %ld has ended", (long)pid)
                  : bw_diag_errno(diag, errno, "signal process %ld", (long)pid);
    (void)close(pidfd); /* a handle, no data */
    return err;
}

/* ---- all of them ------------------------------------------------------------------------------
 */

struct table {
    struct bw_process *rows; /* by pid, ascending */
    bool *is_member;
    size_t count;
};

static int compare_pids(const void *a, const void *b)
{
    const struct bw_process *left = a;
    const struct bw_process *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

static enum bw_err fill_table(DIR *proc, struct table *table, struct bw_diag *diag)
{
    const struct dirent *entry;

    while ((entry = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (table->count == BW_PROCESSES_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d processes on this machine",
                               BW_PROCESSES_MAX);
        if (bw_process_read((pid_t)strtol(entry->d_name, NULL, 10), &table->rows[table->count],
                            NULL) == BW_OK)
            table->count++; /* else it has ended since */
    }
    qsort(table->rows, table->count, sizeof table->rows[0], compare_pids);
    return BW_OK;
}

static void free_table(struct table *table)
{
    free(table->rows);
    free(table->is_member);
}

static enum bw_err read_table(struct table *out_table, struct bw_diag *diag)
{
    struct table table = {.rows = calloc(BW_PROCESSES_MAX, sizeof(struct bw_process)),
                          .is_member = calloc(BW_PROCESSES_MAX, sizeof(bool))};
    DIR *proc = opendir("/proc");
    enum bw_err err;

    if (table.rows == NULL || table.is_member == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "list the processes");
    else if (proc == NULL)
        err = bw_diag_errno(diag, errno, "list /proc");
    else
        err = fill_table(proc, &table, diag);
    if (proc != NULL)
        (void)closedir(proc); /* only read from */
    if (err != BW_OK) {
        free_table(&table);
        return err;
    }
    *out_table = table;
    return BW_OK;
}

enum mark { MARK_NONE, MARK_OTHER, MARK_OURS };

/* In the middle of execve a process shows neither environment nor arguments: a member would pass
 * for a stranger. Waits for that moment to pass; a kernel thread never shows any. */
static void wait_for_exec(const struct bw_process *process)
{
    const struct timespec pause = {.tv_nsec = 100000};
    char path[32];
    char byte;
    bool is_bare = process->pid != KTHREADD && process->parent != KTHREADD;

    (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)process->pid); /* fits any pid */
    for (int i = 0; i < EXEC_LOOKS_MAX && is_bare; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        is_bare = fd >= 0 && read(fd, &byte, 1) == 0;
        if (fd >= 0)
            (void)close(fd); /* only read from */
        if (is_bare)
            (void)nanosleep(&pause, NULL); /* a shorter pause only looks sooner */
    }
}

/* Reads an environment piece by piece; a variable may lie across two pieces. `mark` is short. */
static enum mark look_for_mark(pid_t pid, const char *mark)
{
    const size_t name_length = sizeof BW_PROCESS_MARK - 1;
    const size_t mark_length = strlen(mark);
    enum mark found = MARK_NONE;
    char path[32];
    char start[256]; /* of the current variable */
    char piece[4096];
    size_t used = 0;
    size_t total = 0;
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid); /* fits any pid */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return MARK_NONE; /* it has ended, or is another user's: nothing that we started */
    while (total < ENVIRON_BYTES_MAX && found == MARK_NONE &&
           (got = read(fd, piece, sizeof piece)) > 0) {
        total += (size_t)got;
        for (ssize_t i = 0; i < got && found == MARK_NONE; i++) {
            if (used < sizeof start)
                start[used++] = piece[i];
            if (piece[i] != '\0')
                continue;
            if (used > name_length && memcmp(start, BW_PROCESS_MARK, name_length) == 0)
                found = used > mark_length && memcmp(start, mark, mark_length) == 0 ? MARK_OURS
                                                                                    : MARK_OTHER;
            used = 0;
        }
    }
    (void)close(fd); /* only read from */
    return found;
}

/* A child of ours between fork and exec still shows our program. */
static bool runs_our_program(pid_t pid)
{
    char path[32];
    char ours[PATH_MAX];
    char its[PATH_MAX];
    ssize_t our_length = readlink("/proc/self/exe", ours, sizeof ours);
    ssize_t its_length;

    (void)snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid); /* fits any pid */
    its_length = readlink(path, its, sizeof its);
    return our_length > 0 && our_length == its_length && memcmp(ours, its, (size_t)our_length) == 0;
}

static void mark_members(struct table *table, const struct bw_process_tree *tree)
{
    const pid_t self = getpid();

    for (size_t i = 0; i < table->count; i++) {
        struct bw_process *row = &table->rows[i];
        enum mark mark;

        if (row->pid == self || row->is_dead)
            continue;
        mark = look_for_mark(row->pid, tree->mark);
        if (mark == MARK_NONE) {
            wait_for_exec(row);
            mark = look_for_mark(row->pid, tree->mark);
        }
        /* It was read before its exec, perhaps, and in the session of who has forked it. */
        if (mark == MARK_OURS)
            (void)!bw_process_read(row->pid, row, NULL); /* else it has ended since */
        table->is_member[i] = mark == MARK_OURS ||
                              (mark == MARK_NONE && tree->with_strays && row->parent == self &&
                               !runs_our_program(row->pid));
    }
}

static const struct bw_process *find(const struct table *table, pid_t pid)
{
    const struct bw_process key = {.pid = pid};

    return bsearch(&key, table->rows, table->count, sizeof key, compare_pids);
}

static bool is_member_pid(const struct table *table, pid_t pid)
{
    const struct bw_process *row = find(table, pid);

    return row != NULL && table->is_member[row - table->rows];
}

/* A session belongs to the tree when its leader does, or, the leader gone, when a member is in it.
 * Ours never does. */
static bool is_member_session(const struct table *table, pid_t session)
{
    const struct bw_process *leader = find(table, session);

    if (session == 0 || session == getsid(0))
        return false;
    if (leader != NULL && !leader->is_dead)
        return table->is_member[leader - table->rows];
    for (size_t i = 0; i < table->count; i++)
        if (table->is_member[i] && table->rows[i].session == session)
            return true;
    return false;
}

static void spread_membership(struct table *table)
{
    const pid_t self = getpid();
    bool changed = true;

    for (int pass = 0; pass < PASSES_MAX && changed; pass++) {
        changed = false;
        for (size_t i = 0; i < table->count; i++) {
            const struct bw_process *row = &table->rows[i];

            if (table->is_member[i] || row->is_dead || row->pid == self)
                continue;
            if (!is_member_pid(table, row->parent) && !is_member_session(table, row->session))
                continue;
            table->is_member[i] = true;
            changed = true;
        }
    }
}

enum bw_err bw_process_tree_round(const struct bw_process_tree *tree, int signal, pid_t *out_pids,
                                  size_t pids_max, size_t *out_count, struct bw_diag *diag)
{
    struct table table;
    size_t count = 0;
    enum bw_err err = read_table(&table, diag);

    if (err != BW_OK)
        return err;
    mark_members(&table, tree);
    spread_membership(&table);
    for (size_t i = 0; i < table.count; i++) {
        enum bw_err sent = BW_OK;

        if (!table.is_member[i])
            continue;
        if (count < pids_max)
            out_pids[count] = table.rows[i].pid;
        count++;
        if (signal != 0)
            sent = bw_process_signal(table.rows[i].pid, table.rows[i].start_ticks, signal, diag);
        if (sent != BW_OK && sent != BW_ERR_NOT_FOUND)
            err = sent; /* the others get theirs all the same */
    }
    free_table(&table);
    if (err == BW_OK)
        *out_count = count;
    return err;
}
