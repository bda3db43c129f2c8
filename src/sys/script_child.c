#include "script_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>
#include <breakwater/sys/process_tree.h>

#define ARGS_MAX   32
#define OWN_PREFIX "BREAKWATER_"

/* Everything that the child needs, built before fork: after it only async-signal-safe calls. */
struct plan {
    const char *path;
    char *argv[ARGS_MAX + 3];       /* [0] is the path */
    char *shell_argv[ARGS_MAX + 4]; /* [0] is set to the shell, [1] is the path */
    char **envp;
    int door; /* of the reach; -1: none */
    int input_fd; /* -1: /dev/null */
    int channel_fd; /* -1: none */
    int go_fd;
    int report_fd;
    int output_fds[2];
    const struct bw_script_spec *spec; /* as it was when it was forked */
};

/* ---- before fork ----------------------------------------------------------------------------- */

static bool is_same_name(const char *entry, const char *other)
{
    size_t length = strcspn(entry, "=");

    return strncmp(entry, other, length) == 0 && other[length] == '=';
}

static bool is_given(const char *const *env, const char *entry)
{
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        if (is_same_name(entry, env[i]))
            return true;
    return false;
}

/* The whole of our environment, as scripts of the replaced program read their settings from it. */
static char **build_environment(const char *const *env, char *mark)
{
    size_t count = 0;
    size_t used = 0;
    char **envp;

    for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
        count++;
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        count++;
    envp = calloc(count + 2, sizeof *envp);
    if (envp == NULL)
        return NULL;
    envp[used++] = mark; /* first: a search that finds it there reads no more */
    for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
        if (strncmp(environ[i], OWN_PREFIX, sizeof OWN_PREFIX - 1) != 0 &&
            !is_given(env, environ[i]))
            envp[used++] = environ[i];
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        if (!is_given(env + i + 1, env[i]) && !is_same_name(BW_PROCESS_MARK, env[i]))
            envp[used++] = (char *)env[i];
    return envp;
}

static enum bw_err build_arguments(struct plan *plan, const struct bw_script_spec *spec,
                                   struct bw_diag *diag)
{
    plan->path = spec->path;
    plan->argv[0] = (char *)spec->path;
    plan->shell_argv[1] = (char *)spec->path;
    for (size_t i = 0; spec->args != NULL && spec->args[i] != NULL; i++) {
        if (i == ARGS_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT, "script %s: more than %d arguments", spec->path,
                               ARGS_MAX);
        plan->argv[i + 1] = (char *)spec->args[i];
        plan->shell_argv[i + 2] = (char *)spec->args[i];
    }
    return BW_OK;
}

/* ---- in the child: async-signal-safe --------------------------------------------------------- */

enum { FD_GO = BW_SCRIPT_FD_CHANNEL + 1, FD_REPORT, FD_DOOR, FD_FIRST_UNUSED };
#define FDS_INHERITED 3 /* of those below: they stay open over execve */

__attribute__((noreturn)) static void give_up(int report_fd, enum bw_child_word word, int os_errno)
{
    struct bw_child_record record;

    memset(&record, 0, sizeof record);
    record.word = (uint8_t)word;
    record.os_errno = os_errno;
    (void)!write(report_fd, &record, sizeof record); /* nobody left to tell: exit all the same */
    _exit(125);
}

static void close_from(int first)
{
    struct rlimit limit;

    if (syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
    /* Before Linux 5.9. */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 65536)
        limit.rlim_cur = 65536;
    for (int fd = first; fd < (int)limit.rlim_cur; fd++)
        (void)close(fd); /* most are not open */
}

/* Moves all descriptors out of the way first, so that none overwrites another. */
static bool place_descriptors(struct plan *plan)
{
    int *const from[] = {&plan->output_fds[0], &plan->output_fds[1], &plan->channel_fd,
                         &plan->go_fd,         &plan->report_fd,     &plan->door};
    int in = plan->input_fd >= 0 ? plan->input_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        int moved = *from[i] >= 0 ? fcntl(*from[i], F_DUPFD_CLOEXEC, 16) : -1;

        if (*from[i] >= 0 && moved < 0)
            return false; /* the report pipe is still where it was, or has moved whole */
        *from[i] = moved;
    }
    if (in < 0 || (in = fcntl(in, F_DUPFD_CLOEXEC, 16)) < 0 || dup2(in, 0) < 0)
        return false;
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        /* What is above 16 is closed by close_from, and so by execve. */
        if (*from[i] < 0)
            (void)close((int)i + 1); /* whatever had that number */
        else if (dup3(*from[i], (int)i + 1, i < FDS_INHERITED ? 0 : O_CLOEXEC) < 0)
            return false;
        *from[i] = *from[i] >= 0 ? (int)i + 1 : -1;
    }
    close_from(FD_FIRST_UNUSED);
    return true;
}

static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &standard, NULL); /* KILL, STOP and libc's own refuse */
    bw_signals_unblock();
}

/* A guard may run at real-time priority, or before others; a service must not inherit it, or it would run before the
 * agent that has to renew its lease. */
static void reset_scheduling(void)
{
    const struct sched_param ordinary = {.sched_priority = 0};

    if (sched_getscheduler(0) != SCHED_OTHER)
        (void)sched_setscheduler(0, SCHED_OTHER, &ordinary); /* refused: it runs as we do */
    if (getpriority(PRIO_PROCESS, 0) < 0)
        (void)setpriority(PRIO_PROCESS, 0, 0); /* never refused: it only gives way */
}

/* What was seen with certain scripts says nothing of others (3.4): so the bytes that run are looked at, not
 * those of when the file was loaded. */
static void look_at_bytes(const struct plan *plan)
{
    const struct bw_script_spec *spec = plan->spec;
    struct bw_child_record record = {.word = BW_CHILD_DIGEST};

    if (spec->digest == NULL)
        return;
    record.digest = spec->digest(spec->digest_of);
    if (spec->refuses_other && record.digest != spec->wanted_digest)
        record.word = BW_CHILD_OTHER;
    (void)!write(FD_REPORT, &record, sizeof record); /* nobody left to tell: it runs, or exits, all the same */
    if (record.word == BW_CHILD_OTHER)
        _exit(125);
}

static bool wait_for_go(int fd, struct bw_instant *out_not_after)
{
    char *into = (char *)out_not_after;
    size_t used = 0;

    while (used < sizeof *out_not_after) {
        ssize_t got = read(fd, into + used, sizeof *out_not_after - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        used += (size_t)got;
    }
    return true;
}

/* The interpreter that the first line of `path` names, in out_path; false: none, or it cannot be read. */
static bool read_interpreter(const char *path, char out_path[BW_PATH_OWNER_BYTES])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const ssize_t got = fd < 0 ? -1 : read(fd, out_path, BW_PATH_OWNER_BYTES - 1);
    size_t begin = 2;
    size_t end;

    if (fd >= 0)
        (void)close(fd); /* only read from */
    if (got < 3 || out_path[0] != '#' || out_path[1] != '!')
        return false;
    out_path[got] = '\0';
    while (out_path[begin] == ' ' || out_path[begin] == '\t')
        begin++;
    for (end = begin; out_path[end] != '\0' && out_path[end] != ' ' && out_path[end] != '\t' && out_path[end] != '\n';)
        end++;
    memmove(out_path, out_path + begin, end - begin);
    out_path[end - begin] = '\0';
    return end > begin;
}

/* The errno that keeps a script from being run, or 0. Asked by a child and by nobody else: a file system that hangs then
 * holds up that child, and neither the deadlines nor the fences of whoever made it (3.4). */
static uint8_t find_obstacle(const char *path, bool refuses_writable, struct bw_child_record *out_record)
{
    struct stat st;

    out_record->os_errno = 0;
    if (stat(path, &st) != 0) {
        out_record->os_errno = errno;
        return BW_CHILD_NO_SCRIPT;
    }
    if (!S_ISREG(st.st_mode))
        return BW_CHILD_NO_FILE;
    if (refuses_writable && bw_path_is_writable(path, out_record->path))
        return BW_CHILD_WRITABLE;
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0 && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0) {
        out_record->os_errno = errno;
        return BW_CHILD_NO_ACCESS;
    }
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 && read_interpreter(path, out_record->path) &&
        faccessat(AT_FDCWD, out_record->path, X_OK, AT_EACCESS) != 0) {
        out_record->os_errno = errno;
        return BW_CHILD_NO_INTERPRETER;
    }
    return 0;
}

/* Says what it finds of the group's other scripts: what cannot be run is known before it is needed (4). */
static void look_at_others(const struct plan *plan)
{
    const char *const *paths = plan->spec->look_at;
    struct bw_child_record record = {.word = BW_CHILD_LOOKED};

    if (paths == NULL)
        return;
    for (int32_t i = 0; paths[i] != NULL && record.why == 0; i++) {
        record.which = i;
        record.why = find_obstacle(paths[i], plan->spec->refuses_writable, &record);
    }
    (void)!write(FD_REPORT, &record, sizeof record); /* nobody left to tell: it runs all the same */
}

/* Exits if it cannot be run. */
static void look_at_script(const struct plan *plan)
{
    struct bw_child_record record = {0};

    record.word = find_obstacle(plan->path, plan->spec->refuses_writable, &record);
    if (record.word == 0)
        return;
    (void)!write(FD_REPORT, &record, sizeof record); /* nobody left to tell: exit all the same */
    _exit(125);
}

static void exec_script(struct plan *plan, bool by_shell)
{
    static const char *const shells[] = {"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash",
                                         "/bin/sh"};
    const struct bw_child_record word = {.word = BW_CHILD_BY_SHELL};

    if (!by_shell) {
        (void)execve(plan->path, plan->argv, plan->envp);
        if (errno != ENOEXEC)
            return;
    }
    (void)!write(FD_REPORT, &word, sizeof word); /* a warning lost is not a run lost */
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        plan->shell_argv[0] = (char *)shells[i];
        (void)execve(shells[i], plan->shell_argv, plan->envp);
        if (errno != ENOENT)
            return;
    }
}

__attribute__((noreturn)) static void be_child(struct plan *plan)
{
    struct bw_instant not_after;
    bool by_shell;

    if (!place_descriptors(plan))
        give_up(plan->report_fd, BW_CHILD_NO_SETUP, errno);
    reset_signals();
    reset_scheduling();
    bw_oom_unprotect();
    bw_files_lower();
    bw_core_dump_allow_again();
    (void)umask(022);
    if (setsid() < 0 || !bw_reach_enter(plan->door))
        give_up(FD_REPORT, BW_CHILD_NO_SETUP, errno);
    if (!wait_for_go(FD_GO, &not_after))
        give_up(FD_REPORT, BW_CHILD_NO_GO, 0);
    look_at_others(plan);
    look_at_script(plan);
    by_shell = faccessat(AT_FDCWD, plan->path, X_OK, AT_EACCESS) != 0;
    look_at_bytes(plan);
    /* Design 3.4: the last look before the script runs. */
    if (bw_instant_right_is_over(bw_clock_now(), not_after))
        give_up(FD_REPORT, BW_CHILD_TOO_LATE, 0);
    exec_script(plan, by_shell);
    give_up(FD_REPORT, BW_CHILD_NO_EXEC, errno);
}

/* ---- fork ------------------------------------------------------------------------------------ */

struct pair {
    int ours;
    int its;
};

static void close_pair(struct pair *pair)
{
    if (pair->ours >= 0)
        (void)close(pair->ours); /* nothing was written */
    if (pair->its >= 0)
        (void)close(pair->its);
    *pair = (struct pair){-1, -1};
}

/* A pipe from the child to us, ours non-blocking. */
static bool make_pipe(struct pair *out_pair)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *out_pair = (struct pair){.ours = ends[0], .its = ends[1]};
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* From us to the child; a socket, because a write to a child that is gone must not be a SIGPIPE. */
static bool make_go(struct pair *out_pair)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    *out_pair = (struct pair){.ours = ends[0], .its = ends[1]};
    return true;
}

static enum bw_err make_file(const struct bw_script_spec *spec, int *out_fd, struct bw_diag *diag)
{
    int fd;

    if (spec->input_bytes > BW_SCRIPT_FILE_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "script %s: more than %d bytes of input", spec->path,
                           BW_SCRIPT_FILE_BYTES_MAX);
    fd = memfd_create("breakwater", MFD_CLOEXEC);
    if (fd < 0 || write(fd, spec->input, spec->input_bytes) != (ssize_t)spec->input_bytes ||
        lseek(fd, 0, SEEK_SET) != 0) {
        const int os_errno = errno;

        if (fd >= 0)
            (void)close(fd); /* in memory: nothing is lost */
        return bw_diag_errno(diag, os_errno, "script %s: write its input", spec->path);
    }
    *out_fd = fd;
    return BW_OK;
}

/* A pipe that already holds all of it: nobody writes to it any more, and nobody waits for its
 * reader. */
static enum bw_err make_input(const struct bw_script_spec *spec, int *out_fd, struct bw_diag *diag)
{
    int ends[2];
    ssize_t written;

    if (spec->input == NULL)
        return BW_OK;
    if (spec->input_is_file)
        return make_file(spec, out_fd, diag);
    if (spec->input_bytes > BW_SCRIPT_INPUT_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "script %s: more than %d bytes of input", spec->path,
                           BW_SCRIPT_INPUT_BYTES_MAX);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return bw_diag_errno(diag, errno, "script %s: make its pipes", spec->path);
    written = write(ends[1], spec->input, spec->input_bytes);
    (void)close(ends[1]); /* a pipe has nothing to write back */
    if (written != (ssize_t)spec->input_bytes || fcntl(ends[0], F_SETFL, 0) != 0) {
        (void)close(ends[0]);
        return bw_diag_set(diag, BW_ERR_IO, "script %s: write its input", spec->path);
    }
    *out_fd = ends[0];
    return BW_OK;
}

/* All signals wait meanwhile, so that no handler of ours ever runs in the child. */
static pid_t fork_quietly(struct plan *plan)
{
    sigset_t all, before;
    pid_t pid;
    int os_errno;

    (void)sigfillset(&all); /* these three cannot fail with these arguments */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        be_child(plan);
    os_errno = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = os_errno;
    return pid;
}

enum { PAIR_OUT, PAIR_ERR, PAIR_REPORT, PAIR_GO, PAIRS };

static enum bw_err fork_planned(struct plan *plan, const struct bw_script_spec *spec,
                                struct bw_child *out_child, struct bw_diag *diag)
{
    struct pair pairs[PAIRS] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    pid_t pid = -1;
    enum bw_err err = spec->reach != NULL
                          ? bw_reach_open_door(spec->reach, spec->slot, &plan->door, diag)
                          : BW_OK;

    if (err == BW_OK)
        err = make_input(spec, &plan->input_fd, diag);
    if (err == BW_OK && !(make_pipe(&pairs[PAIR_OUT]) && make_pipe(&pairs[PAIR_ERR]) &&
                          make_pipe(&pairs[PAIR_REPORT]) && make_go(&pairs[PAIR_GO])))
        err = bw_diag_errno(diag, errno, "script %s: make its pipes", spec->path);
    if (err == BW_OK) {
        plan->output_fds[0] = pairs[PAIR_OUT].its;
        plan->output_fds[1] = pairs[PAIR_ERR].its;
        plan->report_fd = pairs[PAIR_REPORT].its;
        plan->go_fd = pairs[PAIR_GO].its;
        pid = fork_quietly(plan);
        if (pid < 0)
            err = bw_diag_errno(diag, errno, "script %s: fork", spec->path);
    }
    if (plan->door >= 0)
        (void)close(plan->door); /* written to by the child only */
    if (plan->input_fd >= 0)
        (void)close(plan->input_fd); /* read by the child only */
    for (size_t i = 0; i < PAIRS; i++) {
        if (pairs[i].its >= 0)
            (void)close(pairs[i].its); /* the child's */
        pairs[i].its = -1;
        if (err != BW_OK)
            close_pair(&pairs[i]);
    }
    if (err == BW_OK)
        *out_child = (struct bw_child){
            .pid = pid,
            .go_fd = pairs[PAIR_GO].ours,
            .report_fd = pairs[PAIR_REPORT].ours,
            .output_fds = {pairs[PAIR_OUT].ours, pairs[PAIR_ERR].ours},
        };
    return err;
}

static char tool_mark[] = BW_PROCESS_MARK_OF_TOOL;

enum bw_err bw_child_fork(const struct bw_script_spec *spec, struct bw_child *out_child,
                          struct bw_diag *diag)
{
    struct plan plan = {.door = -1,
                        .input_fd = -1,
                        .channel_fd = spec->channel != NULL ? *spec->channel : -1,
                        .spec = spec};
    char mark[BW_REACH_MARK_BYTES];
    char *own_mark = tool_mark;
    enum bw_err err = build_arguments(&plan, spec, diag);

    if (err != BW_OK)
        return err;
    if (spec->reach != NULL)
        bw_reach_mark(spec->reach, spec->slot, mark);
    else if (spec->mark != NULL)
        own_mark = (char *)spec->mark;
    plan.envp = build_environment(spec->env, spec->reach != NULL ? mark : own_mark);
    if (plan.envp == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "script %s: build its environment", spec->path);
    err = fork_planned(&plan, spec, out_child, diag);
    free(plan.envp);
    return err;
}

void bw_child_go(int go_fd, struct bw_instant not_after)
{
    _Static_assert(sizeof not_after == 16, "one small message");
    (void)send(go_fd, &not_after, sizeof not_after, MSG_NOSIGNAL);
}

void bw_child_explain(const struct bw_child_record *record, struct bw_script_result *result, struct bw_diag *diag)
{
    result->how = BW_SCRIPT_NOT_STARTED;
    switch ((enum bw_child_word)record->word) {
    case BW_CHILD_NO_GO:
        (void)bw_diag_set(diag, BW_ERR_CANCELED, "it got no go-ahead");
        return;
    case BW_CHILD_TOO_LATE:
        result->how = BW_SCRIPT_TOO_LATE;
        (void)bw_diag_set(diag, BW_ERR_STALE, "its right to start had ended");
        return;
    case BW_CHILD_NO_SCRIPT:
        (void)bw_diag_errno(diag, record->os_errno, "look at the script");
        return;
    case BW_CHILD_NO_FILE:
        (void)bw_diag_set(diag, BW_ERR_INVALID, "the script is not a file");
        return;
    case BW_CHILD_NO_ACCESS:
        (void)bw_diag_errno(diag, record->os_errno,
                            "the script is neither executable nor readable");
        return;
    case BW_CHILD_WRITABLE:
        (void)bw_diag_set(diag, BW_ERR_INVALID,
                          "refused: %.256s can be changed by others than root and its user "
                          "(chown root, chmod go-w; or, of a site, allow_writable_scripts: true)",
                          record->path);
        return;
    case BW_CHILD_OTHER:
        result->is_other = true;
        result->digest = record->digest;
        (void)bw_diag_set(diag, BW_ERR_STALE, "its scripts have been changed since they were loaded");
        return;
    case BW_CHILD_NO_INTERPRETER:
        (void)bw_diag_errno(diag, record->os_errno, "execute %.256s%s, which its #! line names", record->path,
                            strchr(record->path, '\r') != NULL ? " (with a carriage return)" : "");
        return;
    case BW_CHILD_NO_EXEC:
        (void)bw_diag_errno(diag, record->os_errno, "execute it");
        return;
    case BW_CHILD_NO_SETUP:
    case BW_CHILD_BY_SHELL:
    case BW_CHILD_DIGEST:
    case BW_CHILD_LOOKED:
        break;
    }
    (void)bw_diag_errno(diag, record->os_errno, "prepare its descriptors and its cgroup");
}
