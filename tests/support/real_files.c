#include "real_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

void real_path(const struct real_site *site, const char *file, char out[REAL_PATH_BYTES])
{
    (void)snprintf(out, REAL_PATH_BYTES, "%s/%s", site->dir, file);
}

void real_write_file(const char *path, mode_t mode, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

const char *real_read(const struct real_cluster *cluster, int site, const char *file)
{
    static char text[1024 * 1024];
    char path[REAL_PATH_BYTES];
    FILE *from;
    size_t size = 0;

    real_path(&cluster->sites[site], file, path);
    from = fopen(path, "re");
    if (from != NULL) {
        size = fread(text, 1, sizeof text - 1, from);
        (void)fclose(from); /* only read from */
    }
    assert_true(size < sizeof text - 1);
    text[size] = '\0';
    return text;
}
