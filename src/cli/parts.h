/* parts.h - a verb that has parts and does nothing by itself: `breakwater pki init|issue|...`. */
#ifndef BW_CLI_PARTS_H
#define BW_CLI_PARTS_H

#include "options.h"

struct bw_part {
    const struct bw_cli_command *command;       /* its name is "VERB PART" */
    enum bw_exit (*run)(int argc, char **argv); /* argv[0] is PART */
};

/* Runs the part that argv[1] names. None: the help of all; no such part: says so, and which is
 * near. */
enum bw_exit bw_parts_run(const struct bw_part *parts, size_t count, int argc, char **argv);

#endif
