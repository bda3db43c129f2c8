#include <breakwater/config/tls_config.h>

#include <breakwater/base/limits.h>

static const struct bw_key keys[] = {
    BW_KEY(PATH, "ca", offsetof(struct bw_tls_config, ca), .required = true, .example = "ca.pem",
           .help = "CA certificates that the others' certificates come from, PEM, one or several"),
    BW_KEY(PATH, "identity", offsetof(struct bw_tls_config, identity), .required = true,
           .example = "identity.pem",
           .help = "certificate and private key of this program in one file, mode 0600"),
    BW_KEY(LIST, "revoked", offsetof(struct bw_tls_config, revoked), .item = BW_KEY_TEXT,
           .max = BW_REVOKED_MAX, .count_offset = offsetof(struct bw_tls_config, revoked_count),
           .help = "certificates that count no more where this file is read: a name (operator/anna, "
                   "agent/SITE/NAME) or serial:HEX; on a reload their open connections close at once"),
};

const struct bw_table bw_tls_config_table = {
    .name = "tls",
    .help = "mutual TLS; relative paths start at the configuration file's directory",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_tls_config),
};
