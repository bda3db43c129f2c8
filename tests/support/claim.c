/* Every cmocka program: what it writes for a daemon only its user can change, whatever the umask of the caller. */
#include <sys/stat.h>

__attribute__((constructor)) static void set_umask(void)
{
    (void)umask(022);
}
