/* Every cmocka program: TEST_FILTER names the claims that are run (a pattern: * and ?); unset: all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

__attribute__((constructor)) static void choose_claims(void)
{
    cmocka_set_test_filter(getenv("TEST_FILTER"));
}
