#include <breakwater/lab/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/own_process.h>

const char *bw_lab_role_word(enum bw_lab_role role)
{
    switch (role) {
    case BW_LAB_WITNESS:
        return "witness";
    case BW_LAB_AGENT:
        return "agent";
    case BW_LAB_GUARD:
        return "guard";
    case BW_LAB_SECOND:
        return "second-enforcer";
    }
    return "unlisted";
}

__attribute__((noreturn)) static void become(const struct bw_lab_daemon *daemon, int log,
                                             pid_t parent)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    bw_signals_unblock();
    if (null < 0 || setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getppid() != parent) /* the parent ended before the line above: nobody would send it */
        _exit(127);
    if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 ||
        (daemon->enter != NULL && !daemon->enter(daemon->user)))
        _exit(127);
    (void)execl(daemon->program, "breakwater", bw_lab_role_word(daemon->role), "-c",
                daemon->config, (char *)NULL);
    _exit(127);
}

enum bw_err bw_lab_spawn(const struct bw_lab_daemon *daemon, pid_t *out_pid, struct bw_diag *diag)
{
    const int log = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const pid_t parent = getpid();

    if (log < 0)
        return bw_diag_errno(diag, errno, "open %s", daemon->log);
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    *out_pid = fork();
    if (*out_pid == 0)
        become(daemon, log, parent);
    (void)close(log); /* the child has it */
    return *out_pid > 0 ? BW_OK
                        : bw_diag_errno(diag, errno, "start %s", bw_lab_role_word(daemon->role));
}

/* ---- what a kill of the reach ends ------------------------------------------------------------- */

#define MISSING 127 /* the program of the trial */
#define WARNS   3   /* it has proved it, and something else could be better */

__attribute__((noreturn)) static void try_reach(const char *trial, const char *config, int log)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    bw_signals_unblock();
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
        (void)execl(trial, "breakwater-chaos", "scripts", "--reach", "--no-namespace", "--other-sites-are-off",
                    "--yes", "-c", config, (char *)NULL);
    _exit(MISSING);
}

static enum bw_err wait_for_trial(pid_t pid, const char *config, struct bw_diag *diag)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return bw_diag_errno(diag, errno, "wait for the trial of %s", config);
    if (WIFEXITED(status) && WEXITSTATUS(status) == MISSING)
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "there is no breakwater-chaos beside this program");
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == WARNS))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_IO, "the trial of %s has not proved that a kill stops its service", config);
}

enum bw_err bw_lab_prove(const char *trial, const char *const *configs, uint32_t count, const char *log,
                         struct bw_diag *diag)
{
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pid_t pids[BW_LAB_PROVED_MAX];
    enum bw_err err = BW_OK;

    BW_ASSERT(count <= BW_LAB_PROVED_MAX);
    if (out < 0)
        return bw_diag_errno(diag, errno, "open %s", log);
    (void)fflush(NULL); /* so that the children have nothing of ours to write */
    for (uint32_t i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            try_reach(trial, configs[i], out);
    }
    (void)close(out); /* the children have it */
    for (uint32_t i = 0; i < count; i++) {
        struct bw_diag why = {0};
        const enum bw_err own = pids[i] > 0 ? wait_for_trial(pids[i], configs[i], &why)
                                            : bw_diag_set(&why, BW_ERR_NOMEM, "begin the trial of %s", configs[i]);

        if (own != BW_OK && err == BW_OK)
            err = bw_diag_set(diag, own, "%s", why.text);
    }
    return err;
}
