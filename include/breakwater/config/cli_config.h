/* cli_config.h - cli.yaml (design 5.2): whom the commands ask, and as whom. */
#ifndef BW_CONFIG_CLI_CONFIG_H
#define BW_CONFIG_CLI_CONFIG_H

#include <stdint.h>

#include <breakwater/config/config_kind.h>

#define BW_ENDPOINTS_MAX 16

struct bw_cli_config {
    struct bw_config_arena arena; /* owns the strings */
    const char *const *endpoints; /* HOST:PORT each, checked */
    uint32_t endpoint_count;
    struct bw_tls_config tls;
};

extern const struct bw_table bw_cli_config_table;

/* Loads and checks FILE. As bw_witness_config_load. */
BW_MUST_CHECK enum bw_err bw_cli_config_load(const char *file, enum bw_config_scope scope,
                                             struct bw_cli_config **out_config,
                                             struct bw_problems *problems);
/* Accepts NULL. */
void bw_cli_config_free(struct bw_cli_config *config);

#endif
