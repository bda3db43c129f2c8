/* name.h - the rule for every name that people give: cluster, group, site, witness, agent. Pure. */
#ifndef BW_BASE_NAME_H
#define BW_BASE_NAME_H

#include <stdbool.h>

/* 1 to BW_NAME_MAX of a-z A-Z 0-9 . _ - and the first a letter or digit: safe in a URI, a path, a
 * file name, a shell word and a metric label. */
bool bw_name_is_valid(const char *name);

#endif
