/* renamed.h - former names of keys and of their words. This release reads them with a warning. */
#ifndef BW_CONFIG_RENAMED_H
#define BW_CONFIG_RENAMED_H

#include <breakwater/config/schema.h>

/* The key of `table` that was called `former`; NULL: none. A name that is a key of the table is never a former name. */
const struct bw_key *bw_renamed_key(const struct bw_table *table, const char *former);

/* The word of `key` that was called `former`; NULL: none. */
const char *bw_renamed_word(const struct bw_key *key, const char *former);

/* The former name of `key` in its table; NULL: none. */
const char *bw_renamed_former(const struct bw_key *key);

#endif
