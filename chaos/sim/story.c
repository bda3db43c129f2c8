/* story.c - what happened, in words: the last lines of a run, and whether a check has failed. */
#include "story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

void sim_tell(struct sim_world *world, const char *who, const char *format, ...)
{
    struct sim_story *story = world->story;
    char *line;
    va_list arguments;
    int length;

    if (!world->tells)
        return;
    line = story->lines[story->count++ % SIM_STORY_LINES];
    length = snprintf(line, SIM_STORY_LINE_BYTES, "%10.3f s  %-10s ",
                      (double)(world->now_ns - SIM_BEGIN_NS) / 1e9, who);
    va_start(arguments, format);
    (void)vsnprintf(line + length, SIM_STORY_LINE_BYTES - (size_t)length, format, arguments);
    va_end(arguments);
}

void sim_fail(struct sim_world *world, const char *property, const char *format, ...)
{
    struct sim_story *story = world->story;
    va_list arguments;

    if (world->has_failed)
        return; /* what comes after may follow from it */
    world->has_failed = true;
    (void)snprintf(story->property, sizeof story->property, "%s", property);
    va_start(arguments, format);
    (void)vsnprintf(story->failure, sizeof story->failure, format, arguments);
    va_end(arguments);
    sim_tell(world, "CHECK", "%s: %s", property, story->failure);
}

void sim_story_print(const struct sim_story *story, FILE *out, uint32_t last_lines)
{
    uint64_t first = 0;

    if (last_lines > SIM_STORY_LINES)
        last_lines = SIM_STORY_LINES;
    if (story->count > last_lines)
        first = story->count - last_lines;
    for (uint64_t i = first; i < story->count; i++)
        (void)fprintf(out, "%s\n", story->lines[i % SIM_STORY_LINES]);
}
