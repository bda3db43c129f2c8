/* story.h - a text that a test tells, and the file of tests/golden that keeps it;
 * BREAKWATER_GOLDEN=write writes that anew. Include it after cmocka.h. */
#ifndef BW_TEST_STORY_H
#define BW_TEST_STORY_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/instant.h>

#define STORY_BYTES (128 * 1024)

struct story {
    char bytes[STORY_BYTES];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static inline void tell(struct story *story,
                                                              const char *format, ...)
{
    va_list args;
    int wanted;

    va_start(args, format);
    wanted = vsnprintf(story->bytes + story->size, STORY_BYTES - story->size, format, args);
    va_end(args);
    assert_true(wanted >= 0 && (size_t)wanted < STORY_BYTES - story->size);
    story->size += (size_t)wanted;
}

/* In seconds; both clocks where they differ. */
static inline void tell_instant(struct story *story, const char *name, struct bw_instant at)
{
    if (at.boot_ns == UINT64_MAX) {
        tell(story, " %s=never", name);
        return;
    }
    tell(story, " %s=%" PRIu64 ".%06" PRIu64, name, at.boot_ns / BW_NS_PER_S,
         at.boot_ns % BW_NS_PER_S / 1000);
    if (at.raw_ns != at.boot_ns)
        tell(story, "/%" PRIu64 ".%06" PRIu64, at.raw_ns / BW_NS_PER_S,
             at.raw_ns % BW_NS_PER_S / 1000);
}

/* Whether its file tells it so too. */
static inline void story_ends(const struct story *story, const char *name)
{
    static struct story kept;
    const char *source = getenv("BREAKWATER_SOURCE");
    const char *wish = getenv("BREAKWATER_GOLDEN");
    const bool is_write = wish != NULL && strcmp(wish, "write") == 0;
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/tests/golden/%s.txt", source != NULL ? source : ".",
                   name);
    file = fopen(path, is_write ? "w" : "r");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
        return;
    }
    if (is_write) {
        assert_int_equal(fwrite(story->bytes, 1, story->size, file), story->size);
    } else {
        kept.size = fread(kept.bytes, 1, STORY_BYTES - 1, file);
        kept.bytes[kept.size] = '\0';
        assert_int_equal(ferror(file), 0);
    }
    assert_int_equal(fclose(file), 0);
    if (!is_write)
        assert_string_equal(story->bytes, kept.bytes);
}

#endif
