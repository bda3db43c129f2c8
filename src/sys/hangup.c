#include <breakwater/sys/hangup.h>

#include <signal.h>
#include <stddef.h>

bool bw_hangup_is_ignored(void)
{
    struct sigaction inherited;

    return sigaction(SIGHUP, NULL, &inherited) == 0 && inherited.sa_handler == SIG_IGN;
}

void bw_signals_unblock(void)
{
    sigset_t none;

    (void)sigemptyset(&none); /* these cannot fail with these arguments */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
