/* Every cmocka program: TEST_FILTER names the claims that are run (a pattern: * and ?); unset: all. And what it
 * writes for a daemon only its user can change, whatever the umask of whoever runs it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>

__attribute__((constructor)) static void choose_claims(void)
{
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    (void)umask(022);
}
