/* generate.h - from the answers the files of each machine and each cluster of Kubernetes, as `breakwater generate` writes them. */
#ifndef BW_GENERATE_GENERATE_H
#define BW_GENERATE_GENERATE_H

#include <breakwater/config/answers_config.h>
#include <breakwater/generate/tree.h>

/* Notes each name of a host that cannot be resolved. Blocks for as long as the name servers do. */
void bw_generate_resolve(struct bw_answers *answers);

/* Notes each witness that an operator has replaced by hand since an earlier run wrote the folder of `tree`, and each id that differs
 * from that folder: the files would bring a former witness back. */
void bw_generate_compare(struct bw_answers *answers, struct bw_tree *tree);

/* Writes all of it into `tree`: ca, a folder for each witness, site, second enforcer and operator. Keys and certificates that
 * a run before has made are taken over. `deploy`: where the sets and manifests are. */
enum bw_err bw_generate(const struct bw_answers *answers, const char *deploy, struct bw_tree *tree);

/* Calls `use` with the name of each configuration file that was written. */
void bw_generate_each_config(const struct bw_tree *tree, void (*use)(const char *name, void *with), void *with);

#endif
