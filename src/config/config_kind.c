#include <breakwater/config/config_kind.h>

#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/config/cli_config.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

static const struct bw_key keys[] = {
    BW_KEY(PATH, "ca", offsetof(struct bw_tls_config, ca), .required = true, .example = "ca.pem",
           .help = "CA certificates of all peers, PEM, one or several"),
    BW_KEY(PATH, "identity", offsetof(struct bw_tls_config, identity), .required = true,
           .example = "identity.pem",
           .help = "file with certificate and private key of the program, mode 0600"),
    BW_KEY(LIST, "revoked", offsetof(struct bw_tls_config, revoked), .item = BW_KEY_TEXT,
           .max = BW_REVOKED_MAX, .count_offset = offsetof(struct bw_tls_config, revoked_count),
           .help = "certificates that this program rejects: a name (operator/anna, agent/SITE/NAME) or serial:HEX; "
                   "a reload closes open connections at once"),
};

const struct bw_table bw_tls_config_table = {
    .name = "tls",
    .help = "mutual TLS; relative paths start at the configuration file's directory",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_tls_config),
};

static const struct candidate {
    enum bw_config_kind kind;
    const struct bw_table *table;
} candidates[] = {
    {BW_CONFIG_KIND_WITNESS, &bw_witness_config_table},
    {BW_CONFIG_KIND_SITE, &bw_site_config_table},
    {BW_CONFIG_KIND_GROUPS, &bw_groups_config_table},
    {BW_CONFIG_KIND_CLI, &bw_cli_config_table},
    {BW_CONFIG_KIND_SEVEN_KEYS, &bw_seven_keys_table},
};

static bool has_key(const struct bw_node *map, const char *name)
{
    for (const struct bw_node *key = map->first; key != NULL; key = key->next->next) {
        if (key->kind == BW_NODE_SCALAR && strcmp(key->text, name) == 0)
            return true;
    }
    return false;
}

/* Each key that is there speaks for the table; of two tables with as many, the one that misses
 * fewer required keys fits. */
static int score_of(const struct bw_table *table, const struct bw_node *map)
{
    int score = 0;
    int missing = 0;

    for (size_t i = 0; i < table->key_count; i++) {
        if (has_key(map, table->keys[i].name))
            score += 100;
        else
            missing += table->keys[i].required;
    }
    return score > 0 ? score - missing : 0;
}

enum bw_config_kind bw_config_kind_detect(const struct bw_document *document)
{
    enum bw_config_kind kind = BW_CONFIG_KIND_UNKNOWN;
    int best = 0;

    if (document->root == NULL || document->root->kind != BW_NODE_MAP)
        return kind;
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        const int score = score_of(candidates[i].table, document->root);

        if (score > best) {
            best = score;
            kind = candidates[i].kind;
        }
    }
    return kind;
}
