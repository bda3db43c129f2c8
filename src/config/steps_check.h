/* steps_check.h - private to site_config.c: lists of steps. Design 5.1. */
#ifndef BW_CONFIG_STEPS_CHECK_H
#define BW_CONFIG_STEPS_CHECK_H

#include <breakwater/config/site_config.h>

/* Of `start_steps` or `stop_steps`, if the group has it: names become bits, and what is wrong is
 * told. */
void bw_steps_check(struct bw_document *document, const char *prefix, enum bw_config_scope scope,
                    enum bw_action_kind action, struct bw_group_config *group);

/* site_config.c's: what keeps `file`, the value at `path`, from being run. */
void bw_script_check(struct bw_document *document, const char *path, const char *file);

#endif
