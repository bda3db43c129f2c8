/* check_witnesses.h - whether two witness files are of one cluster's witnesses. */
#ifndef BW_CLI_CHECK_WITNESSES_H
#define BW_CLI_CHECK_WITNESSES_H

#include <breakwater/config/witness_config.h>

#include "check_lines.h"

/* A line for each thing that must be the same in both and is not. */
void bw_check_witness_pair(struct bw_check_lines *lines, const char *file,
                           const struct bw_witness_config *config, const char *other_file,
                           const struct bw_witness_config *other);

#endif
