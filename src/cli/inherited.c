#include "inherited.h"

#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>

#ifdef BW_STATIC
#include <nss.h>
#include <openssl/crypto.h>
#endif

#include <breakwater/sys/own_process.h>

/* Nothing here is told by any of them, and each ends a process that does not expect it. */
static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2};
#define IGNORED_COUNT (sizeof ignored / sizeof ignored[0])

static struct sigaction before[IGNORED_COUNT];
static mode_t umask_before;

bool bw_inherited_change(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    for (size_t i = 0; i < IGNORED_COUNT; i++)
        (void)sigaction(ignored[i], &ignore, &before[i]); /* fails only for numbers that are no signals */
    umask_before = umask(022);
    (void)umask(umask_before | 022); /* else we would refuse what we have made (5.4) */
    return bw_core_dump_forbid();
}

bool bw_load_no_modules(void)
{
#ifdef BW_STATIC
    return __nss_configure_lookup("hosts", "files dns") == 0 && __nss_configure_lookup("passwd", "files") == 0 &&
           OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
#else
    return true;
#endif
}

void bw_inherited_give_back(void)
{
    for (size_t i = 0; i < IGNORED_COUNT; i++)
        (void)sigaction(ignored[i], &before[i], NULL); /* as above */
    (void)umask(umask_before);
    bw_core_dump_allow_again();
}
