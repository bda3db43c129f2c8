/* answers_group.h - one group of the answers: its set, its sites, its variables and its timings. */
#ifndef BW_CONFIG_ANSWERS_GROUP_H
#define BW_CONFIG_ANSWERS_GROUP_H

#include <breakwater/config/answers_config.h>

/* Loads its set and those of its steps, and collects the variables that they read. */
void bw_answers_group_load(struct bw_answers *answers, struct bw_document *document, uint32_t index, const char *deploy);
/* Loads its set, completes its spec, and notes all that is wrong with it. */
void bw_answers_group_check(struct bw_answers *answers, struct bw_document *document, uint32_t index, const char *deploy);

/* Notes each namespace of a service that two sites of one cluster of Kubernetes share: both would run the same objects. */
void bw_answers_namespaces_check(const struct bw_answers *answers, struct bw_document *document);

#endif
