/* config_file.h - a file as a struct of its own, which begins with its arena. */
#ifndef BW_CONFIG_CONFIG_FILE_H
#define BW_CONFIG_CONFIG_FILE_H

#include <stddef.h>

#include <breakwater/config/schema.h>
#include <breakwater/obs/log.h>

/* `size` zeroes. Ends the process when there is no memory. */
void *bw_config_new(size_t size);
/* Loads FILE by `table` into `into`, all of the struct or a part; then come the checks of several keys together
 * (NULL: none). BW_OK: it is the caller's. Otherwise it was freed, and `problems` has what is wrong. Warnings may
 * be noted in both cases. */
BW_MUST_CHECK enum bw_err bw_config_load(struct bw_config_arena *config,
                                         const struct bw_table *table, void *into, const char *file,
                                         void (*check)(void *into, struct bw_document *document,
                                                       const void *user),
                                         const void *user, struct bw_problems *problems);
/* Design 5.4: notes a problem of the file as a whole when others can change it. */
void bw_config_check_owner(struct bw_document *document);
/* Accepts NULL. */
void bw_config_free(struct bw_config_arena *config);

/* The words of `log_level:`, the same in every file. */

static const struct bw_key_word bw_log_level_words[] = {
    {"error", BW_LOG_ERROR},
    {"warn", BW_LOG_WARN},
    {"info", BW_LOG_INFO},
    {"debug", BW_LOG_DEBUG},
    {0},
};

/* Which characters a configuration may hold. Pure. */

/* NULL when `text` is UTF-8 without anything that would hide in a terminal or be a line break for
 * YAML but not for people (CR LF is one). Otherwise what is wrong, and the offset where. */
const char *bw_text_check(const char *text, size_t size, size_t *out_offset);

#endif
