#include <breakwater/config/cli_config.h>

#include "config_file.h"

static const struct bw_key keys[] = {
    BW_KEY(LIST, "endpoints", offsetof(struct bw_cli_config, endpoints), .item = BW_KEY_ADDRESS,
           .required = true, .count_offset = offsetof(struct bw_cli_config, endpoint_count),
           .min = 1, .max = BW_ENDPOINTS_MAX,
           .example = "[w1.example.net:7400, w2.example.net:7400]",
           .help = "the witnesses to ask, in this order, until the first answer"),
    BW_KEY(MAP, "tls", offsetof(struct bw_cli_config, tls), .table = &bw_tls_config_table,
           .required = true, .example = "{ca: ca.pem, identity: operator.pem}",
           .help = "trusted CAs, and the certificate of the operator"),
};

const struct bw_table bw_cli_config_table = {
    .name = "cli.yaml",
    .help = "addresses and certificate for commands",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_cli_config),
};

static void check_cli(void *into, struct bw_document *document, const void *user)
{
    const enum bw_config_scope *scope = user;

    (void)into;
    if (*scope == BW_CONFIG_HERE)
        bw_config_check_owner(document);
}

enum bw_err bw_cli_config_load(const char *file, enum bw_config_scope scope,
                               struct bw_cli_config **out_config, struct bw_problems *problems)
{
    struct bw_cli_config *config = bw_config_new(sizeof *config);
    const enum bw_err err = bw_config_load(&config->arena, &bw_cli_config_table, config, file,
                                           check_cli, &scope, problems);

    if (err == BW_OK)
        *out_config = config;
    return err;
}

void bw_cli_config_free(struct bw_cli_config *config)
{
    bw_config_free((struct bw_config_arena *)config);
}
