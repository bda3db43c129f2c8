#include <breakwater/config/tls_config.h>

static const struct bw_key keys[] = {
    {.name = "ca",
     .kind = BW_KEY_PATH,
     .required = true,
     .offset = offsetof(struct bw_tls_config, ca),
     .example = "ca.pem",
     .help = "CA certificates that the others' certificates come from, PEM, one or several"},
    {.name = "identity",
     .kind = BW_KEY_PATH,
     .required = true,
     .offset = offsetof(struct bw_tls_config, identity),
     .example = "identity.pem",
     .help = "certificate and private key of this program in one file, mode 0600"},
};

const struct bw_table bw_tls_config_table = {
    .name = "tls",
    .help = "mutual TLS; relative paths start at the configuration file's directory",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_tls_config),
};
