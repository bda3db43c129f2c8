/* The corpus through a target without libFuzzer: each argument is a file or a folder of files. Ends
 * with 1 when there was nothing to run. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static bool run_file(const char *path)
{
    uint8_t data[64 * 1024];
    FILE *in = fopen(path, "re");
    uint8_t *exact;
    size_t size;

    if (in == NULL)
        return false;
    size = fread(data, 1, sizeof data, in);
    if (ferror(in) || !feof(in)) {
        (void)fprintf(stderr, "%s: cannot be read whole\n", path);
        exit(1);
    }
    (void)fclose(in); /* only read from */
    exact = malloc(size + 1); /* so that a sanitizer sees a read beyond the end */
    FUZZ_CHECK(exact != NULL);
    memcpy(exact + 1, data, size);
    (void)LLVMFuzzerTestOneInput(exact + 1, size); /* always 0 */
    free(exact);
    return true;
}

static unsigned run_folder(const char *path)
{
    DIR *list = opendir(path);
    const struct dirent *entry;
    unsigned count = 0;

    if (list == NULL) {
        (void)fprintf(stderr, "%s: no such file or folder\n", path);
        exit(1);
    }
    while ((entry = readdir(list)) != NULL) {
        char name[1024];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        (void)fprintf(stderr, "%s\n", name); /* the last one named is the one that failed */
        if (!run_file(name))
            exit(1);
        count++;
    }
    (void)closedir(list); /* only read from */
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (folder == NULL) {
            count += run_file(argv[i]) ? 1 : run_folder(argv[i]);
            continue;
        }
        (void)closedir(folder); /* only looked at */
        count += run_folder(argv[i]);
    }
    (void)printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
