#include "shell_outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

int outcome_of(const char *command, char *out, size_t size)
{
    FILE *in = popen(command, "r");
    int status;

    assert_non_null(in);
    out[fread(out, 1, size - 1, in)] = '\0';
    status = pclose(in);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
