/* story.h - the last lines of what happened, and the check that failed. Lines are kept only while
 * world->tells: a failing seed is run again to tell its story. */
#ifndef BW_SIM_STORY_H
#define BW_SIM_STORY_H

#include <stdint.h>
#include <stdio.h>

#define SIM_STORY_LINES      4096
#define SIM_STORY_LINE_BYTES 240
#define SIM_BEGIN_NS         (UINT64_C(3600) * 1000000000) /* true time at which a world begins */

struct sim_story {
    uint64_t count;
    char lines[SIM_STORY_LINES][SIM_STORY_LINE_BYTES];
    char property[32]; /* of the check that failed; "" none */
    char failure[512];
};

/* The last of them, oldest first. */
void sim_story_print(const struct sim_story *story, FILE *out, uint32_t last_lines);

#endif
