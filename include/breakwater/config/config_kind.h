/* config_kind.h - what all files have in common: which of the files one is (told by its keys, so that
 * `check FILE...` needs no option), how much of the machine it is judged by, and `tls:`. */
#ifndef BW_CONFIG_CONFIG_KIND_H
#define BW_CONFIG_CONFIG_KIND_H

#include <breakwater/config/document.h>
#include <breakwater/config/schema.h>

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

/* How much of the machine a file is judged by. */

/* HERE: as the daemon that reads it would. A file that others can change (os/path_owner.h) is refused.
 * OFFLINE: the file alone is judged; scripts need not exist here, and a `scripts:` file that is not here is
 * a warning. */
enum bw_config_scope { BW_CONFIG_HERE, BW_CONFIG_OFFLINE };

/* The mapping `tls:`, the same in every file. */

struct bw_tls_config {
    const char *ca;       /* absolute path; one or several CA certificates, PEM */
    const char *identity; /* absolute path; certificate and key in one file, mode 0600 */
    const char **revoked; /* bw_revoked_new says what an entry is */
    uint32_t revoked_count;
};

extern const struct bw_table bw_tls_config_table;

#endif
