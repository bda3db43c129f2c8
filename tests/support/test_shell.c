#include "test_shell.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

void test_shell(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    assert_true(vsnprintf(command, sizeof command, format, args) < (int)sizeof command);
    va_end(args);
    assert_int_equal(system(command), 0);
}
