#include "faults.h"

#include <stdio.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>

#define PATH_BYTES 512

static void set(const char *name, const char *value)
{
    BW_ASSERT(setenv(name, value, 1) == 0);
}

void faults_begin(const char *path)
{
    const char *build = getenv("BREAKWATER_BUILD");
    const char *options = getenv("ASAN_OPTIONS");
    char text[PATH_BYTES];

    BW_ASSERT(build != NULL);
    (void)snprintf(text, sizeof text, "%s/tests/libfault_preload.so", build);
    set("LD_PRELOAD", text);
    set("FAULT_PROGRAM", "breakwater");
    set("FAULT_FILE", path);
    /* AddressSanitizer wants to be first, and need not be: the library calls nothing of it. */
    (void)snprintf(text, sizeof text, "%s%sverify_asan_link_order=0",
                   options != NULL ? options : "", options != NULL ? ":" : "");
    set("ASAN_OPTIONS", text);
}

void faults_end(void)
{
    BW_ASSERT(unsetenv("LD_PRELOAD") == 0);
    BW_ASSERT(unsetenv("FAULT_FILE") == 0);
}

void faults_say(const char *path, const char *text)
{
    char fresh[PATH_BYTES];
    FILE *file;

    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "we");
    BW_ASSERT(file != NULL);
    BW_ASSERT(fputs(text, file) >= 0);
    BW_ASSERT(fclose(file) == 0);
    BW_ASSERT(rename(fresh, path) == 0); /* nobody reads half of it */
}
