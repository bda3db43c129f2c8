#include "text_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_file_has(const char *path, const char *text)
{
    FILE *file = fopen(path, "r");
    char *content = NULL;
    size_t room = 0;
    bool has;

    if (file == NULL)
        return false;
    has = getdelim(&content, &room, '\0', file) > 0 && strstr(content, text) != NULL;
    assert_int_equal(fclose(file), 0);
    free(content);
    return has;
}
