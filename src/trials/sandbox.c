/* The keeper of a sandbox and the way into it.
 *
 *   who prints --- keeper --- pid 1 of the sandbox --- scripts, and what they start
 *
 * The keeper lives as long as there is something to be ended: it is told (by the kernel) when the
 * one that prints has died, has the sandbox bring the service down, and clears its reach away. Dies
 * the keeper, the kernel kills pid 1, and with it every process of the namespace. */
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/sys/own_process.h>

/* What systemd gives a unit that asks for nothing. */
#define UNIT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Pids of the sandbox: below the first are those of a machine that boots, and so many after our own
 * are handed out by the machine next. */
#define PIDS_LOWEST   300
#define PIDS_NEXT     2000
#define PIDS_LEAST    256 /* a free range that is worth it */
#define PID_MAX_LEAST 32768
#define PID_MAX_MOST  4194304

#define SWEEP_ROUNDS_MAX 200
#define SWEEP_PAUSE_NS   20000000

/* ---- inside ---------------------------------------------------------------------------------- */

static void on_term(uv_signal_t *signal, int number)
{
    struct bw_sandbox *sandbox = signal->data;

    (void)number;
    sandbox->report->is_interrupted = true;
    if (sandbox->is_ending || sandbox->is_interrupted)
        return; /* bringing it down goes on; what ends that is the keeper's KILL */
    sandbox->is_interrupted = true;
    for (int i = 0; i < 2; i++)
        if (sandbox->jobs[i].run != NULL)
            bw_script_cancel(sandbox->jobs[i].run);
}

/* A script's pid file stays when the sandbox is gone. Then its number must not be that of an
 * innocent process, which the next stop would end: so those in here begin where none is outside. */
static bool begin_pids_at(pid_t first)
{
    FILE *file = first > 0 ? fopen("/proc/sys/kernel/ns_last_pid", "we") : NULL;
    bool is_set;

    if (file == NULL)
        return false;
    is_set = fprintf(file, "%ld", (long)first) > 0;
    return fclose(file) == 0 && is_set;
}

static enum bw_err enter_namespace(struct bw_diag *diag)
{
    /* Other mounts stay shared with the machine: what a script mounts is mounted. */
    if (mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return bw_diag_errno(diag, errno,
                             "give the sandbox a /proc of its own (--no-namespace "
                             "does without)");
    return BW_OK;
}

/* As the guard runs them: a unit's environment and working directory, not those of this shell. */
static enum bw_err take_on_surroundings(const struct bw_sandbox_order *order, struct bw_diag *diag)
{
    bool is_set = clearenv() == 0 && putenv(UNIT_PATH) == 0;

    for (size_t i = 0; is_set && order->env[i] != NULL; i++)
        is_set = putenv((char *)order->env[i]) == 0;
    if (!is_set)
        return bw_diag_set(diag, BW_ERR_NOMEM, "set the environment of the sandbox");
    if (chdir("/") != 0)
        return bw_diag_errno(diag, errno, "go to /");
    return BW_OK;
}

static enum bw_err open_loop(struct bw_sandbox *sandbox, struct bw_diag *diag)
{
    int rc = uv_loop_init(&sandbox->loop);
    enum bw_err err;

    if (rc != 0)
        return bw_diag_errno(diag, -rc, "make a loop");
    err = bw_script_runner_init(&sandbox->runner, &sandbox->loop, !sandbox->is_namespace, diag);
    if (err != BW_OK)
        return err;
    rc = uv_timer_init(&sandbox->loop, &sandbox->timer);
    if (rc == 0)
        rc = uv_signal_init(&sandbox->loop, &sandbox->term);
    if (rc == 0)
        rc = uv_signal_start(&sandbox->term, on_term, SIGTERM);
    if (rc != 0)
        return bw_diag_errno(diag, -rc, "watch SIGTERM");
    sandbox->timer.data = sandbox->term.data = sandbox;
    uv_unref((uv_handle_t *)&sandbox->term);
    return BW_OK;
}

static bool is_keeper_gone(int alive)
{
    struct pollfd wait = {.fd = alive, .events = POLLIN};

    return poll(&wait, 1, 0) != 0;
}

/* Ends the process: with it goes the memory of the loop, and the namespace with all that is in it.
 */
__attribute__((noreturn)) static void be_sandbox(const struct bw_sandbox_order *order,
                                                 struct bw_reach *reaches, bool is_namespace,
                                                 pid_t first_pid, int alive)
{
    static struct bw_sandbox sandbox; /* of this process, which makes only one */
    struct bw_diag diag = {0};
    enum bw_err err = BW_OK;

    if (prctl(PR_SET_PDEATHSIG, is_namespace ? SIGKILL : SIGTERM) != 0 || is_keeper_gone(alive))
        _exit(1);
    sandbox = (struct bw_sandbox){.site = order->site,
                                  .group = order->group,
                                  .report = order->report,
                                  .only = order->only,
                                  .is_namespace = is_namespace,
                                  .reaches = reaches};
    if (is_namespace)
        err = enter_namespace(&diag);
    if (is_namespace && err == BW_OK && !begin_pids_at(first_pid))
        bw_trial_find(order->report, BW_TRIAL_SANDBOX_KIND, BW_TRIAL_WARNING,
                      "the pids of the sandbox could not be chosen: a pid file that is left may "
                      "name a process of the machine");
    if (err == BW_OK)
        err = take_on_surroundings(order, &diag);
    if (err == BW_OK)
        err = open_loop(&sandbox, &diag);
    if (err != BW_OK) {
        (void)snprintf(order->report->failure, sizeof order->report->failure, "%.380s", diag.text);
        _exit(1);
    }
    bw_signals_unblock();
    order->run(&sandbox);
    _exit(0);
}

/* ---- the keeper ------------------------------------------------------------------------------ */

static long read_pid_max(void)
{
    FILE *file = fopen("/proc/sys/kernel/pid_max", "re");
    char text[32] = "";
    long pid_max;

    if (file == NULL)
        return PID_MAX_LEAST;
    pid_max = fgets(text, sizeof text, file) != NULL ? strtol(text, NULL, 10) : 0;
    (void)fclose(file); /* only read from */
    return pid_max < PID_MAX_LEAST || pid_max > PID_MAX_MOST ? PID_MAX_LEAST : pid_max;
}

bool bw_sandbox_each_pid(void (*take)(void *user, long pid), void *user)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    if (proc == NULL)
        return false;
    while ((entry = readdir(proc)) != NULL) {
        const long pid = strtol(entry->d_name, NULL, 10);

        if (pid > 0)
            take(user, pid);
    }
    (void)closedir(proc); /* only read from */
    return true;
}

struct pids {
    bool *used;
    long max;
};

static void mark_pid(void *user, long pid)
{
    const struct pids *pids = user;

    if (pid < pids->max)
        pids->used[pid] = true;
}

static bool mark_used(bool *used, long pid_max)
{
    if (!bw_sandbox_each_pid(mark_pid, &(struct pids){used, pid_max}))
        return false;
    for (long next = 0; next < PIDS_NEXT; next++)
        used[PIDS_LOWEST + (getpid() + next) % (pid_max - PIDS_LOWEST)] = true;
    return true;
}

/* Where the longest range begins that no process of the machine is in; 0: there is none. */
static pid_t choose_pids(void)
{
    const long pid_max = read_pid_max();
    bool *used = calloc((size_t)pid_max, sizeof *used);
    long first = 0;
    long longest = PIDS_LEAST;
    long since = PIDS_LOWEST;

    if (used != NULL && mark_used(used, pid_max)) {
        for (long pid = PIDS_LOWEST; pid < pid_max; pid++) {
            if (used[pid])
                since = pid + 1;
            else if (pid - since > longest) {
                longest = pid - since;
                first = since;
            }
        }
    }
    free(used);
    return (pid_t)first;
}

/* -1 with errno. Like fork, single-threaded as both sides are. */
static pid_t fork_into(bool is_namespace)
{
    if (!is_namespace)
        return fork();
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
}

enum waiter { PRINTER, KEEPER };

/* How a signal is passed on. The first one that the printer gets asks (TERM), any further one is
 * meant to end it at once: it is the keeper's INT, and that is the sandbox's KILL. */
static int pass_on(enum waiter waiter, int number, int signal_count)
{
    if (waiter == PRINTER)
        return signal_count == 0 ? SIGTERM : SIGINT;
    return number == SIGINT ? SIGKILL : SIGTERM;
}

/* Waits for the end of `child`, passing signals on; returns its wait status. */
static int wait_for(pid_t child, enum waiter waiter, bool *out_is_interrupted)
{
    sigset_t set;
    int status = 0;
    int signal_count = 0;
    pid_t got;

    (void)sigemptyset(&set); /* these cannot fail with these arguments */
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    for (;;) {
        int number = sigwaitinfo(&set, NULL);

        if (number > 0 && number != SIGCHLD) {
            (void)kill(child, pass_on(waiter, number, signal_count)); /* not reaped: it is ours */
            signal_count++;
            *out_is_interrupted = true;
        }
        while ((got = waitpid(-1, &status, WNOHANG)) > 0) /* a subreaper gets others, too */
            if (got == child)
                return status;
    }
}

static bool is_reach_empty(const struct bw_reach *reach)
{
    bool is_empty = false;

    return bw_reach_is_empty(reach, BW_REACH_ALL, &is_empty, NULL) == BW_OK && is_empty;
}

/* What is left in reach after the sandbox has ended: nothing with a namespace. */
static void clear_reaches(struct bw_reach reaches[2])
{
    const struct timespec pause = {.tv_nsec = SWEEP_PAUSE_NS};

    for (int round = 0; round < SWEEP_ROUNDS_MAX; round++) {
        const bool is_empty = is_reach_empty(&reaches[0]) && is_reach_empty(&reaches[1]);

        if (is_empty)
            break;
        for (int i = 0; i < 2; i++)
            (void)!bw_reach_signal(&reaches[i], BW_REACH_ALL, SIGKILL, NULL); /* looked at again */
        (void)nanosleep(&pause, NULL); /* a shorter pause only looks sooner */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    for (int i = 0; i < 2; i++)
        bw_reach_close(&reaches[i]);
}

static bool open_reaches(const struct bw_sandbox_order *order, struct bw_reach reaches[2])
{
    static const char *const who[] = {"guard", "agent"};
    struct bw_diag diag = {0};

    for (int i = 0; i < 2; i++) {
        char tag[BW_NAME_MAX + 1];

        (void)snprintf(tag, sizeof tag, "trial-%ld-%s", (long)getpid(), who[i]);
        if (bw_reach_open(&reaches[i], tag, order->group->name, false, &diag) != BW_OK) {
            (void)snprintf(order->report->failure, sizeof order->report->failure, "%.380s",
                           diag.text);
            return false;
        }
    }
    return true;
}

static void judge_kind(const struct bw_sandbox_order *order, const struct bw_reach *reach,
                       bool is_namespace, int os_errno)
{
    struct bw_trial_report *report = order->report;

    if (is_namespace)
        bw_trial_pass(report, BW_TRIAL_SANDBOX_KIND, "a pid namespace of its own");
    else if (reach->means == BW_REACH_BY_CGROUP)
        bw_trial_pass(report, BW_TRIAL_SANDBOX_KIND, "a cgroup of its own, no namespace");
    else
        bw_trial_find(report, BW_TRIAL_SANDBOX_KIND, BW_TRIAL_WARNING,
                      "no pid namespace (%s) and no cgroup: processes are told by their "
                      "environment, one that hides is not seen",
                      order->wants_namespace ? strerror(os_errno) : "--no-namespace");
}

__attribute__((noreturn)) static void be_keeper(const struct bw_sandbox_order *order,
                                                struct bw_reach reaches[2])
{
    bool is_namespace = order->wants_namespace;
    bool is_interrupted = false;
    const pid_t first_pid = is_namespace ? choose_pids() : 0;
    int alive[2];
    int os_errno = 0;
    int status;
    pid_t child;

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || pipe(alive) != 0) {
        clear_reaches(reaches);
        _exit(1);
    }
    child = fork_into(is_namespace);
    if (child < 0 && is_namespace) {
        os_errno = errno;
        is_namespace = false;
        child = fork_into(false);
    }
    if (child == 0) {
        (void)close(alive[1]); /* nothing was written */
        be_sandbox(order, reaches, is_namespace, first_pid, alive[0]);
    }
    if (child < 0) {
        (void)snprintf(order->report->failure, sizeof order->report->failure, "fork: %s",
                       strerror(errno));
        clear_reaches(reaches);
        _exit(1);
    }
    status = wait_for(child, KEEPER, &is_interrupted);
    if (order->is_kind_judged)
        judge_kind(order, &reaches[0], is_namespace, os_errno);
    clear_reaches(reaches);
    if (WIFSIGNALED(status))
        (void)snprintf(order->report->failure, sizeof order->report->failure,
                       "the sandbox was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    _exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1);
}

/* ---- public ---------------------------------------------------------------------------------- */

bool bw_sandbox_run(const struct bw_sandbox_order *order, bool *out_is_interrupted)
{
    const pid_t self = getpid();
    struct bw_trial_report *report = order->report;
    struct bw_reach reaches[2];
    pid_t keeper;
    int status;

    if (!open_reaches(order, reaches))
        return false;
    (void)fflush(NULL); /* or the child would have it, too; a failure shows at the next one */
    keeper = fork();
    if (keeper == 0) {
        /* A terminal's ^C is the parent's to pass on. Dies the parent, this is as if by SIGTERM. */
        if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != self) {
            clear_reaches(reaches);
            _exit(1);
        }
        be_keeper(order, reaches);
    }
    if (keeper < 0) {
        (void)snprintf(report->failure, sizeof report->failure, "fork: %s", strerror(errno));
        clear_reaches(reaches);
        return false;
    }
    status = wait_for(keeper, PRINTER, out_is_interrupted);
    if (WIFSIGNALED(status))
        clear_reaches(reaches); /* else the keeper has */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (report->failure[0] == '\0')
        (void)snprintf(report->failure, sizeof report->failure,
                       WIFSIGNALED(status) ? "the keeper of the sandbox was ended by signal %d"
                                           : "the sandbox ended with %d",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}
