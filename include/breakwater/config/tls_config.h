/* tls_config.h - the mapping `tls:`, the same in every file. */
#ifndef BW_CONFIG_TLS_CONFIG_H
#define BW_CONFIG_TLS_CONFIG_H

#include <breakwater/config/schema.h>

struct bw_tls_config {
    const char *ca;       /* absolute path; one or several CA certificates, PEM */
    const char *identity; /* absolute path; certificate and key in one file, mode 0600 */
    const char **revoked; /* bw_revoked_new says what an entry is */
    uint32_t revoked_count;
};

extern const struct bw_table bw_tls_config_table;

#endif
