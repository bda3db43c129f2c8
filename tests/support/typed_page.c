#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "typed_page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void typed_page_put(char *text, size_t size, const char *from, const char *to)
{
    char *at = strstr(text, from);
    char rest[4096];

    while (at != NULL) {
        (void)snprintf(rest, sizeof rest, "%s", at + strlen(from));
        assert_true((size_t)snprintf(at, size - (size_t)(at - text), "%s%s", to, rest) < size - (size_t)(at - text));
        at = strstr(at + strlen(to), from);
    }
}

void typed_page_check(const struct typed_page *page)
{
    char path[512];
    char line[512];
    size_t count = 0;
    bool is_in = false;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", getenv("BREAKWATER_SOURCE"), page->page);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char *text = line + strspn(line, " ");
        bool is_typed = false;

        text[strcspn(text, "\n")] = '\0';
        if (strncmp(text, "```", 3) == 0) {
            is_in = strcmp(text, page->fence) == 0;
            continue;
        }
        if (!is_in || strncmp(text, "systemctl ", 10) == 0)
            continue;
        for (size_t i = 0; i < page->count; i++)
            is_typed = is_typed || strcmp(page->lines[i], text) == 0;
        if (!is_typed)
            fail_msg("no case types: %s", text);
        count++;
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(count, page->count);
}
