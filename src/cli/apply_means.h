/* apply_means.h - what a change of a group by `apply` undoes, and what it means. Design 3.9, 5.2. */
#ifndef BW_CLI_APPLY_MEANS_H
#define BW_CLI_APPLY_MEANS_H

#include "api.h"

/* `group`: one of a plan's. Prints who set what the change replaces, if an operator did, and what the change means. */
void bw_apply_tell_means(struct bw_api *api, const json_t *group);
/* The first connected site that loses its place in the group by this plan; NULL: none does. */
const char *bw_apply_find_leaving(struct bw_api *api, const json_t *group);

#endif
