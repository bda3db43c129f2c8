/* check_connect.h - what a file names is dialled, with the file's own certificate: witnesses at
 * both of their ports, and the guard of this machine. Design 5.3, 5.4. */
#ifndef BW_CLI_CHECK_CONNECT_H
#define BW_CLI_CHECK_CONNECT_H

#include <breakwater/config/cli_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

#include <breakwater/core/spec.h>

#include "check_lines.h"

#define BW_CHECK_CONNECT_MS 3000  /* for each that is dialled, whatever it does, once its name is resolved */
#define BW_CHECK_LOOKUP_MS  30000 /* for the name: a first name server that is silent costs 5 s or more */

/* The longest round trip that was measured. */
struct bw_check_trip {
    uint64_t us; /* 0: none was */
    char address[BW_ADDRESS_MAX + 1];
    const char *file; /* whose certificate asked */
};

/* Whether the timings of `spec` bear it (4); `is_default`: no file has a group, `spec` has the defaults. */
void bw_check_trip_borne(struct bw_check_lines *lines, const struct bw_check_trip *trip, const struct bw_spec *spec,
                         uint32_t election_timeout_ms, bool is_default);

/* The other witnesses of `config`; this one may not have been started yet. */
void bw_check_connect_witness(struct bw_check_lines *lines, const char *file,
                              const struct bw_witness_config *config, struct bw_check_trip *longest);
/* The witnesses of `config`; its guard's socket, if there is one, and what the agent reads of it.
 */
void bw_check_connect_site(struct bw_check_lines *lines, const char *file,
                           const struct bw_site_config *config, struct bw_check_trip *longest);
void bw_check_connect_cli(struct bw_check_lines *lines, const char *file,
                          const struct bw_cli_config *config);

#endif
