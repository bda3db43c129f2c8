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

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

/* Of one process: more no execve takes (execve(2)). A pod has seven variables for each Service of its namespace, and a
 * shell hands on what it was given in an order of its own: the mark may be anywhere. */
#define ENVIRON_BYTES_MAX (6 * 1024 * 1024)
#define PASSES_MAX        64 /* depth of a tree, when pids run against the ancestry */

/* Of /proc/PID/stat, as proc(5) counts them. */
enum { FIELD_PARENT = 4, FIELD_SESSION = 6, FIELD_THREADS = 20, FIELD_START_TICKS = 22 };

#define KTHREADD       2 /* parent of all kernel threads */
#define EXEC_LOOKS_MAX 100
#define ROWS_AT_FIRST  4096
#define MARK_BYTES_MAX 512 /* of a variable: a mark is shorter (reach.h) */

/* ---- one process ----------------------------------------------------------------------------- */

/* Fields 3, 4, 6, 20 and 22 of /proc/PID/stat. The name (2) may hold spaces and parentheses: the last
 * ')' ends it, and the state is one letter after it: that of the first thread, which may end before the others. */
static bool parse_stat(const char *text, pid_t pid, struct bw_process *out)
{
    const char *at = strrchr(text, ')');
    unsigned long long fields[FIELD_START_TICKS + 1] = {0};
    bool has_ended;
    char *end;

    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    has_ended = at[2] == 'Z' || at[2] == 'X';
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
                               .is_dead = has_ended && fields[FIELD_THREADS] <= 1,
                               .is_headless = has_ended && fields[FIELD_THREADS] > 1,
                               .start_ticks = fields[FIELD_START_TICKS]};
    return true;
}

/* What /proc does not show may live all the same: another user's beside hidepid=, and one that is outside our pid
 * namespace, of which the kernel's lists say 0 (a signal to that goes to our own group, which is there). */
static bool has_kernel_none(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
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
    os_errno = errno;
    if (fd < 0 && os_errno == ENOENT && !has_kernel_none(pid))
        return bw_diag_set(diag, BW_ERR_REFUSED, "/proc does not show process %ld, and it is there", (long)pid);
    if (fd < 0)
        return bw_diag_errno(diag, os_errno, "open %s", path);
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

/* ---- all of them ----------------------------------------------------------------------------- */

/* What /proc told of one process. */
struct row {
    struct bw_process process;
    char *mark; /* the variable that marks its tree; NULL: it has none */
};

struct bw_process_table {
    struct row *rows; /* by pid, ascending */
    size_t count;
    size_t room;
};

static int compare_pids(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;

    return (left->process.pid > right->process.pid) - (left->process.pid < right->process.pid);
}

static struct row *add_row(struct bw_process_table *table)
{
    const size_t room = table->room > 0 ? 2 * table->room : ROWS_AT_FIRST;
    struct row *rows = table->rows;

    if (table->count == table->room) {
        rows = reallocarray(table->rows, room, sizeof *rows);
        if (rows == NULL)
            return NULL;
        table->rows = rows;
        table->room = room;
    }
    return &rows[table->count];
}

/* Who has ended since, or is another user's, is nothing that we started, and no error of who looks: that is
 * told where nobody could look. */
static void note_unseen(enum bw_err err, const struct bw_diag *why, enum bw_err *out_err, struct bw_diag *diag)
{
    if (err != BW_ERR_NOMEM)
        return;
    *out_err = err; /* no descriptor is left to look with: whoever is not seen is not gone */
    if (diag != NULL)
        *diag = *why;
}

static enum bw_err fill_table(DIR *proc, struct bw_process_table *table, struct bw_diag *diag)
{
    enum bw_err first = BW_OK;
    const struct dirent *entry;

    while ((entry = readdir(proc)) != NULL) {
        struct bw_diag why = {0};
        enum bw_err err;
        struct row *row;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        row = add_row(table);
        if (row == NULL)
            return bw_diag_set(diag, BW_ERR_NOMEM, "list %zu processes", table->count);
        row->mark = NULL;
        err = bw_process_read((pid_t)strtol(entry->d_name, NULL, 10), &row->process, &why);
        note_unseen(err, &why, &first, diag);
        if (err == BW_OK)
            table->count++; /* else it has ended since, or is another user's */
    }
    if (table->count > 0)
        qsort(table->rows, table->count, sizeof table->rows[0], compare_pids);
    return first;
}

/* In the middle of execve a process shows neither environment nor arguments: a member would pass
 * for a stranger. Waits for that moment to pass; a kernel thread, and one whose first thread has ended, never show any. */
static void wait_for_exec(const struct bw_process *process)
{
    const struct timespec pause = {.tv_nsec = 100000};
    char path[32];
    char byte;
    bool is_bare = process->pid != KTHREADD && process->parent != KTHREADD && !process->is_headless;

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

/* Reads an environment piece by piece; a variable may lie across two pieces. NULL: there is none, or, where *out_err is
 * not BW_OK, nobody could look. */
static char *find_mark_in(const char *path, enum bw_err *out_err, struct bw_diag *diag)
{
    const size_t name_length = sizeof BW_PROCESS_MARK - 1;
    char start[MARK_BYTES_MAX]; /* of the current variable */
    char piece[4096];
    char *found = NULL;
    struct bw_diag why = {0};
    size_t used = 0;
    size_t total = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        note_unseen(bw_diag_errno(&why, errno, "open %s", path), &why, out_err, diag);
        return NULL;
    }
    while (total < ENVIRON_BYTES_MAX && found == NULL && (got = read(fd, piece, sizeof piece)) > 0) {
        total += (size_t)got;
        for (ssize_t i = 0; i < got && found == NULL; i++) {
            if (used < sizeof start)
                start[used++] = piece[i];
            if (piece[i] != '\0')
                continue;
            if (used > name_length && memcmp(start, BW_PROCESS_MARK, name_length) == 0) {
                found = strndup(start, used);
                BW_ASSERT(found != NULL); /* whose it is decides who is killed */
            }
            used = 0;
        }
    }
    (void)close(fd); /* only read from */
    return found;
}

/* Whichever of its threads goes on. */
static char *find_mark_of_threads(pid_t pid, enum bw_err *out_err, struct bw_diag *diag)
{
    char path[64 + NAME_MAX];
    const struct dirent *thread;
    char *found = NULL;
    struct bw_diag why = {0};
    DIR *threads;

    (void)snprintf(path, sizeof path, "/proc/%ld/task", (long)pid); /* fits any pid */
    threads = opendir(path);
    if (threads == NULL) {
        note_unseen(bw_diag_errno(&why, errno, "list %s", path), &why, out_err, diag);
        return NULL;
    }
    while (found == NULL && (thread = readdir(threads)) != NULL) {
        if (!isdigit((unsigned char)thread->d_name[0]))
            continue;
        (void)snprintf(path, sizeof path, "/proc/%ld/task/%s/environ", (long)pid, thread->d_name); /* fits any name */
        found = find_mark_in(path, out_err, diag);
    }
    (void)closedir(threads); /* only read from */
    return found;
}

static char *look_for_mark(const struct bw_process *process, enum bw_err *out_err, struct bw_diag *diag)
{
    char path[32];

    if (process->is_headless)
        return find_mark_of_threads(process->pid, out_err, diag);
    (void)snprintf(path, sizeof path, "/proc/%ld/environ", (long)process->pid); /* fits any pid */
    return find_mark_in(path, out_err, diag);
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

static bool begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

/* Where the tree's has BW_PROCESS_MARK_ANY, that part may be any, or missing. */
static bool has_mark_of(const char *mark, const struct bw_process_tree *tree)
{
    const char *any = strstr(tree->mark, BW_PROCESS_MARK_ANY);
    const char *rest;

    if (mark == NULL || any == NULL)
        return mark != NULL && begins_with(mark, tree->mark);
    if (strncmp(mark, tree->mark, (size_t)(any - tree->mark) + 1) != 0)
        return false;
    mark += any - tree->mark + 1;
    any += sizeof BW_PROCESS_MARK_ANY - 1;
    rest = strchr(mark, '/');
    return begins_with(mark, any) || (rest != NULL && begins_with(rest + 1, any));
}

static bool is_marked(const struct row *row, const struct bw_process_tree *tree)
{
    return has_mark_of(row->mark, tree);
}

static bool may_signal(const struct bw_process_tree *tree)
{
    return (tree->is_off == NULL || !atomic_load(tree->is_off)) &&
           (tree->until.boot_ns == 0 || !bw_instant_right_is_over(bw_clock_now(), tree->until));
}

/* What shows its mark is known to belong to a tree before all the others have been looked at. */
static void kill_marked(const struct row *row, const struct bw_process_tree *trees, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_marked(row, &trees[i]) && may_signal(&trees[i]))
            (void)!bw_process_signal(row->process.pid, row->process.start_ticks, SIGKILL,
                                     NULL); /* the round that follows says what could not be done */
}

/* What could not be looked at fails the table, once all that could be was. */
static enum bw_err read_marks(struct bw_process_table *table, const struct bw_process_tree *to_kill,
                              size_t kill_count, struct bw_diag *diag)
{
    const pid_t self = getpid();
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < table->count; i++) {
        struct row *row = &table->rows[i];

        if (row->process.pid == self || row->process.is_dead)
            continue;
        row->mark = look_for_mark(&row->process, &err, diag);
        if (row->mark == NULL) {
            wait_for_exec(&row->process);
            row->mark = look_for_mark(&row->process, &err, diag);
        }
        if (row->mark == NULL)
            continue;
        /* It was read before its exec, perhaps, and in the session of who has forked it. */
        (void)!bw_process_read(row->process.pid, &row->process, NULL); /* else it has ended since */
        kill_marked(row, to_kill, kill_count);
    }
    return err;
}

enum bw_err bw_process_table_read(const struct bw_process_tree *to_kill, size_t kill_count,
                                  struct bw_process_table **out_table, struct bw_diag *diag)
{
    struct bw_process_table *table = calloc(1, sizeof *table);
    DIR *proc = opendir("/proc");
    enum bw_err marked = BW_OK;
    enum bw_err err;

    if (table == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "list the processes");
    else if (proc == NULL)
        err = bw_diag_errno(diag, errno, "list /proc");
    else
        err = fill_table(proc, table, diag);
    if (proc != NULL)
        (void)closedir(proc); /* only read from */
    if (table != NULL)
        marked = read_marks(table, to_kill, kill_count, diag); /* what is seen is killed all the same */
    if (err == BW_OK)
        err = marked;
    if (err != BW_OK) {
        bw_process_table_free(table);
        return err;
    }
    *out_table = table;
    return BW_OK;
}

void bw_process_table_free(struct bw_process_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->rows[i].mark);
    free(table->rows);
    free(table);
}

/* ---- who belongs to a tree ------------------------------------------------------------------- */

/* One tree's view of a table. */
struct members {
    const struct bw_process_table *table;
    bool *is_member; /* of each row */
    pid_t *sessions; /* those that have a member, ascending; made anew in each pass */
    size_t session_count;
};

static void free_members(struct members *members)
{
    free(members->is_member);
    free(members->sessions);
}

static bool is_of_others(const struct bw_process *process, const struct bw_process_tree *tree)
{
    for (size_t i = 0; i < tree->other_count; i++)
        if (tree->others[i].session == process->session ||
            (tree->others[i].pid == process->pid &&
             tree->others[i].start_ticks == process->start_ticks))
            return true;
    return false;
}

/* Who is about to end shows no mark any more, whosever it was. */
static bool has_ended(const struct bw_process *process)
{
    struct bw_process now;
    const enum bw_err err = bw_process_read(process->pid, &now, NULL);

    return err == BW_ERR_NOT_FOUND || (err == BW_OK && (now.is_dead || now.start_ticks != process->start_ticks));
}

/* A child of ours that shows no mark: a member that lost its parents. Its environment may have been read
 * before its exec, and its program is looked at here: if that is another than ours by now, what it was
 * executed with is read once more. So a script of another tree, begun meanwhile, is left alone. */
static bool is_stray(const struct row *row, const struct bw_process_tree *tree, enum bw_err *out_err,
                     struct bw_diag *diag)
{
    const struct bw_process *process = &row->process;
    bool is_member;
    char *mark;

    if (row->mark != NULL || process->is_dead || process->parent != getpid() ||
        process->pid == getpid() || runs_our_program(process->pid) || is_of_others(process, tree))
        return false;
    wait_for_exec(process);
    mark = look_for_mark(process, out_err, diag);
    is_member = mark == NULL ? !has_ended(process) : has_mark_of(mark, tree);
    free(mark);
    return is_member;
}

static enum bw_err mark_members(struct members *members, const struct bw_process_tree *tree,
                                struct bw_diag *diag)
{
    const struct bw_process_table *table = members->table;
    enum bw_err err = BW_OK;

    members->is_member = calloc(table->count + 1, sizeof *members->is_member);
    members->sessions = calloc(table->count + 1, sizeof *members->sessions);
    if (members->is_member == NULL || members->sessions == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "look at %zu processes", table->count);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];

        members->is_member[i] = is_marked(row, tree) ||
                                (tree->with_strays && is_stray(row, tree, &err, diag));
    }
    return err;
}

static const struct row *find(const struct bw_process_table *table, pid_t pid)
{
    const struct row key = {.process.pid = pid};

    return table->count == 0
               ? NULL
               : bsearch(&key, table->rows, table->count, sizeof key, compare_pids);
}

static bool is_member_pid(const struct members *members, pid_t pid)
{
    const struct row *row = find(members->table, pid);

    return row != NULL && members->is_member[row - members->table->rows];
}

static int compare_sessions(const void *a, const void *b)
{
    const pid_t left = *(const pid_t *)a;
    const pid_t right = *(const pid_t *)b;

    return (left > right) - (left < right);
}

static void list_sessions(struct members *members)
{
    members->session_count = 0;
    for (size_t i = 0; i < members->table->count; i++)
        if (members->is_member[i])
            members->sessions[members->session_count++] = members->table->rows[i].process.session;
    if (members->session_count > 0)
        qsort(members->sessions, members->session_count, sizeof members->sessions[0],
              compare_sessions);
}

/* A session belongs to the tree when its leader does, or, the leader gone, when a member is in it.
 * Ours never does. */
static bool is_member_session(const struct members *members, pid_t session)
{
    const struct row *leader = find(members->table, session);

    if (session == 0 || session == getsid(0))
        return false;
    if (leader != NULL && !leader->process.is_dead)
        return members->is_member[leader - members->table->rows];
    return members->session_count > 0 &&
           bsearch(&session, members->sessions, members->session_count, sizeof session,
                   compare_sessions) != NULL;
}

static void spread_membership(struct members *members)
{
    const pid_t self = getpid();
    bool changed = true;

    for (int pass = 0; pass < PASSES_MAX && changed; pass++) {
        changed = false;
        list_sessions(members);
        for (size_t i = 0; i < members->table->count; i++) {
            const struct bw_process *process = &members->table->rows[i].process;

            if (members->is_member[i] || process->is_dead || process->pid == self)
                continue;
            if (!is_member_pid(members, process->parent) &&
                !is_member_session(members, process->session))
                continue;
            members->is_member[i] = true;
            changed = true;
        }
    }
}

enum bw_err bw_process_table_round(const struct bw_process_table *table,
                                   const struct bw_process_tree *tree, int signal, pid_t *out_pids,
                                   size_t pids_max, size_t *out_count, struct bw_diag *diag)
{
    struct members members = {.table = table};
    size_t count = 0;
    enum bw_err err = mark_members(&members, tree, diag);

    if (err == BW_OK)
        spread_membership(&members);
    for (size_t i = 0; err != BW_ERR_NOMEM && i < table->count; i++) {
        const struct bw_process *process = &table->rows[i].process;
        struct bw_diag why = {0};
        enum bw_err sent = BW_OK;

        if (!members.is_member[i])
            continue;
        if (count < pids_max)
            out_pids[count] = process->pid;
        count++;
        if (signal != 0 && may_signal(tree))
            sent = bw_process_signal(process->pid, process->start_ticks, signal, &why);
        if (sent == BW_OK || sent == BW_ERR_NOT_FOUND)
            continue;
        err = sent; /* the others get theirs all the same */
        if (diag != NULL)
            *diag = why;
    }
    free_members(&members);
    if (err == BW_OK)
        *out_count = count;
    return err;
}

enum bw_err bw_process_tree_round(const struct bw_process_tree *tree, int signal, pid_t *out_pids,
                                  size_t pids_max, size_t *out_count, struct bw_diag *diag)
{
    struct bw_process_table *table;
    enum bw_err err = bw_process_table_read(tree, signal == SIGKILL ? 1 : 0, &table, diag);

    if (err != BW_OK)
        return err;
    err = bw_process_table_round(table, tree, signal, out_pids, pids_max, out_count, diag);
    bw_process_table_free(table);
    return err;
}

bool bw_process_disown(void)
{
    static const char other[] = BW_PROCESS_MARK_OF_TOOL;

    for (size_t i = 0; environ != NULL && environ[i] != NULL; i++) {
        const size_t bytes = strlen(environ[i]);

        if (strncmp(environ[i], BW_PROCESS_MARK, sizeof BW_PROCESS_MARK - 1) != 0 || bytes < sizeof other - 1)
            continue;
        memset(environ[i], 0, bytes); /* where it lies: that is what /proc shows */
        memcpy(environ[i], other, sizeof other - 1);
    }
    return setsid() >= 0;
}

char **bw_process_environment(char *mark)
{
    size_t count = 0;
    size_t used = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = calloc(count + 2, sizeof *list);
    if (list == NULL)
        return NULL;
    list[used++] = mark; /* first, as a script has it */
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], BW_PROCESS_MARK, sizeof BW_PROCESS_MARK - 1) != 0)
            list[used++] = environ[i];
    return list;
}
