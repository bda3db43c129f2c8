#include <breakwater/config/cli_config.h>

#include <stdlib.h>

#include <breakwater/base/assert.h>

static const struct bw_key keys[] = {
    {.name = "endpoints",
     .kind = BW_KEY_LIST,
     .item = BW_KEY_ADDRESS,
     .required = true,
     .offset = offsetof(struct bw_cli_config, endpoints),
     .count_offset = offsetof(struct bw_cli_config, endpoint_count),
     .min = 1,
     .max = BW_ENDPOINTS_MAX,
     .example = "[w1.example.net:7400, w2.example.net:7400]",
     .help = "the witnesses to ask, in this order; one that answers is enough"},
    {.name = "tls",
     .kind = BW_KEY_MAP,
     .table = &bw_tls_config_table,
     .required = true,
     .offset = offsetof(struct bw_cli_config, tls),
     .example = "{ca: ca.pem, identity: operator.pem}",
     .help = "who is trusted, and as whom commands are given"},
};

const struct bw_table bw_cli_config_table = {
    .name = "cli.yaml",
    .help = "whom the commands ask, and as whom",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_cli_config),
};

enum bw_err bw_cli_config_load(const char *file, struct bw_cli_config **out_config,
                               struct bw_problems *problems)
{
    const uint32_t errors_before = problems->error_count;
    struct bw_cli_config *config = calloc(1, sizeof *config);
    struct bw_config_arena arena = {0};
    struct bw_document document;
    enum bw_err err;

    BW_ASSERT(config != NULL);
    err = bw_document_open(&document, file, problems);
    if (document.root != NULL)
        (void)bw_schema_load(&bw_cli_config_table, &document, &arena, config); /* errors count */
    config->arena = arena;
    bw_document_deinit(&document);
    if (problems->error_count > errors_before) {
        bw_cli_config_free(config);
        return err != BW_OK ? err : BW_ERR_INVALID;
    }
    *out_config = config;
    return BW_OK;
}

void bw_cli_config_free(struct bw_cli_config *config)
{
    if (config == NULL)
        return;
    bw_config_arena_deinit(&config->arena);
    free(config);
}
