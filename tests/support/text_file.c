#include "text_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

bool text_file_has(const char *path, const char *text)
{
    static char content[65536];
    FILE *file = fopen(path, "r");
    size_t size;

    if (file == NULL)
        return false;
    size = fread(content, 1, sizeof content - 1, file);
    content[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return strstr(content, text) != NULL;
}
