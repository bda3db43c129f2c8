/* saved.h - a saved state: what GET /v1/snapshot answers, and `breakwater snapshot` keeps in a file. JSON,
 * with state and members as bytes in base64; the state itself has checksums (wire/snapshot.h). Design 3.9. */
#ifndef BW_WITNESS_SAVED_H
#define BW_WITNESS_SAVED_H

#include <jansson.h>

#include <breakwater/core/cluster.h>
#include <breakwater/core/members.h>

/* The longest text of one. */
#define BW_SAVED_BYTES_MAX (BW_SNAPSHOT_BYTES_MAX / 3 * 4 + 4096)

/* NULL: memory is short. `unix_ms`: now. */
json_t *bw_saved_encode(const struct bw_cluster *cluster, const struct bw_roster *roster,
                        uint64_t term, const char *witness, int64_t unix_ms);

struct bw_saved {
    uint64_t term;
    int64_t unix_ms;
    char witness[BW_NAME_MAX + 1]; /* whose state it was */
    struct bw_roster roster;       /* of at least one: an id that it knows as given is never given again */
};

/* Reads one into `cluster` (which bw_cluster_init has seen); what is beside the state has to be the
 * state's. BW_ERR_INVALID: it is none; and what bw_snapshot_decode says. */
BW_MUST_CHECK enum bw_err bw_saved_decode(const json_t *document, struct bw_saved *out_saved,
                                          struct bw_cluster *cluster, struct bw_diag *diag);

#endif
