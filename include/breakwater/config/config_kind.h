/* config_kind.h - which of the files this is, told by its keys, so that `check FILE…` needs no
 * option. */
#ifndef BW_CONFIG_CONFIG_KIND_H
#define BW_CONFIG_CONFIG_KIND_H

#include <breakwater/config/document.h>

#define BW_CONFIG_KIND_LIST(X)                                                                    \
    X(UNKNOWN, "unknown")                                                                         \
    X(WITNESS, "witness")                                                                         \
    X(SITE, "site")                                                                               \
    X(GROUPS, "groups")                                                                           \
    X(CLI, "cli")                                                                                 \
    X(SEVEN_KEYS, "seven keys")
enum bw_config_kind {
#define X(name, word) BW_CONFIG_KIND_##name,
    BW_CONFIG_KIND_LIST(X)
#undef X
};

/* The kind of which the document has the most top-level keys, of equal ones the kind that misses
 * fewer required keys. UNKNOWN when it has none of any, or is no mapping. */
enum bw_config_kind bw_config_kind_detect(const struct bw_document *document);

#endif
