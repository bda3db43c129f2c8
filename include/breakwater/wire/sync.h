/* sync.h - what agents and witnesses say to each other, as bodies of HTTP requests and answers
 * (proto/agent.proto). Design 3.2, 5.3. Not framed: HTTP has the length, TLS the integrity.
 *
 * Encoding writes to `out` of `out_max` bytes; `out` NULL: only *out_size. BW_ERR_INVALID: a value
 * that could not be read again. BW_ERR_LIMIT: larger than allowed or than `out`. BW_ERR_NOMEM. On an
 * error *out_size is untouched, `out` is not.
 * Decoding: BW_ERR_CORRUPT, BW_ERR_VERSION (an unknown value of an enum; unknown fields are ignored),
 * BW_ERR_LIMIT, BW_ERR_NOMEM; the output is then untouched. What was decoded is freed by the
 * function beside. */
#ifndef BW_WIRE_SYNC_H
#define BW_WIRE_SYNC_H

#include <breakwater/core/sync.h>

/* A sync leaves room for the envelope of a relay. */
#define BW_RELAY_ENVELOPE_BYTES_MAX 256
#define BW_SYNC_BYTES_MAX           (BW_BODY_BYTES_MAX - BW_RELAY_ENVELOPE_BYTES_MAX)

BW_MUST_CHECK enum bw_err bw_sync_encode(const struct bw_sync *sync, void *out, size_t out_max,
                                         size_t *out_size, struct bw_diag *diag);
/* site, agent, instance, session and number are set. Whose certificate it came with is the caller's
 * business. */
BW_MUST_CHECK enum bw_err bw_sync_decode(const void *data, size_t size, struct bw_sync *out_sync,
                                         struct bw_diag *diag);
/* Frees the groups of a decoded sync, nothing else; NULL and a zeroed sync too. */
void bw_sync_deinit(struct bw_sync *sync);

/* The answer to a sync and, without session, number and confirmations, to a poll for orders. */
BW_MUST_CHECK enum bw_err bw_sync_answer_encode(const struct bw_sync_answer *answer, void *out,
                                                size_t out_max, size_t *out_size,
                                                struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_sync_answer_decode(const void *data, size_t size,
                                                struct bw_sync_answer *out_answer,
                                                struct bw_diag *diag);
void bw_sync_answer_deinit(struct bw_sync_answer *answer);

/* A sync that a follower passes on to the leader. The follower has compared `site` and `agent` with
 * the agent's certificate and vouches for them with its own. */
struct bw_relay {
    char site[BW_NAME_MAX + 1];
    char agent[BW_NAME_MAX + 1];
    uint8_t *sync; /* the bytes as the agent sent them */
    size_t sync_size;
};
BW_MUST_CHECK enum bw_err bw_relay_encode(const struct bw_relay *relay, void *out, size_t out_max,
                                          size_t *out_size, struct bw_diag *diag);
/* `sync` is a copy, not decoded yet; at most BW_SYNC_BYTES_MAX. */
BW_MUST_CHECK enum bw_err bw_relay_decode(const void *data, size_t size,
                                          struct bw_relay *out_relay, struct bw_diag *diag);
void bw_relay_deinit(struct bw_relay *relay);

#endif
