#include <breakwater/lab/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <breakwater/sys/hangup.h>

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
