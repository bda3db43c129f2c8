/* schema_value.h - one scalar of one row of a key table: read, and described for people; former names of keys. */
#ifndef BW_CONFIG_SCHEMA_VALUE_H
#define BW_CONFIG_SCHEMA_VALUE_H

#include <breakwater/config/schema.h>

#define BW_VALUE_WHY_BYTES 512

/* Reads the text of a scalar node into `out`, of the type that the key's kind says. A relative PATH
 * starts at `directory`. False: `out` is untouched and `why` completes "KEY: ...". */
bool bw_value_read(const struct bw_key *key, const struct bw_node *node, const char *directory,
                   struct bw_config_arena *arena, void *out, char out_why[BW_VALUE_WHY_BYTES]);

/* "duration", "path", "list of mappings": what the key needs. */
const char *bw_value_kind_name(const struct bw_key *key);

#define BW_VALUE_TEXT_BYTES 256
/* "100ms to 1m", "auto, manual, observe or paused"; "" when there is nothing to say. */
void bw_value_range(const struct bw_key *key, char out_text[BW_VALUE_TEXT_BYTES]);

/* What an absent key means, from its row or from a struct that the table's `init` has set; "" when
 * that is nothing. */
void bw_value_absent(const struct bw_key *key, const char *initialised,
                     char out_text[BW_VALUE_TEXT_BYTES]);

/* Former names of keys and of their words. This release reads them with a warning. */

/* The key of `table` that was called `former`; NULL: none. A name that is a key of the table is never a former name. */
const struct bw_key *bw_renamed_key(const struct bw_table *table, const char *former);

/* The word of `key` that was called `former`; NULL: none. */
const char *bw_renamed_word(const struct bw_key *key, const char *former);

/* The former name of `key` in its table; NULL: none. */
const char *bw_renamed_former(const struct bw_key *key);

#endif
