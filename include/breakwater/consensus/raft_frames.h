/* raft_frames.h - judges the messages of a Raft peer before libraft sees them.
 *
 * libraft 0.22.1 believes what a message says of its own size: it allocates what is announced, and
 * reads a header beyond its end. A member's certificate says who sends, not that what it sends is
 * sound. Shape and size are judged here, that who asks for votes asks for its own (libraft grants
 * them to the id in the message), and that no term or index is one that nobody comes to honestly
 * (core/counters.h). What it means besides is Raft's business. Pure but for the memory of one
 * header. */
#ifndef BW_CONSENSUS_RAFT_FRAMES_H
#define BW_CONSENSUS_RAFT_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

#define BW_RAFT_PREAMBLE_BYTES          16
#define BW_RAFT_ENTRIES_MAX             8192 /* in one message; a log keeps about 3072 */
#define BW_RAFT_ENTRY_BYTES_MAX         (BW_COMMAND_BYTES_MAX + 64)
#define BW_RAFT_PAYLOAD_BYTES_MAX       (256 * 1024 * 1024)
#define BW_RAFT_SNAPSHOT_BYTES_MAX      (BW_SNAPSHOT_BYTES_MAX + 64)
#define BW_RAFT_CONFIGURATION_BYTES_MAX 4096
#define BW_RAFT_HEADER_BYTES_MAX        (64 + 16 * BW_RAFT_ENTRIES_MAX)

/* One direction of one connection. Zeroed but for `peer`: at the beginning of a message. */
struct bw_raft_frames {
    uint64_t peer; /* who sends: the id of the member that its certificate names */
    /* Of who reads, as it is when bytes are taken; 0: none yet. */
    uint64_t own_term;
    uint64_t own_index; /* of the last entry of its log */
    uint8_t preamble[BW_RAFT_PREAMBLE_BYTES];
    uint8_t *header;       /* owned; NULL: not in a header */
    uint64_t header_bytes; /* of the message that is being read; 0: not yet known */
    uint64_t have_bytes;   /* of the part that is being read */
    uint64_t payload_left;
};

/* Frees the memory; the struct may be used again, for the same peer. */
void bw_raft_frames_deinit(struct bw_raft_frames *frames);

/* Judges the next bytes of the stream. BW_OK: pass them on, all of them. BW_ERR_INVALID,
 * BW_ERR_AUTH (it asks for votes under another id), BW_ERR_LIMIT (the text names the limit) or
 * BW_ERR_NOMEM: pass on none of them, close the connection. */
BW_MUST_CHECK enum bw_err bw_raft_frames_take(struct bw_raft_frames *frames, const uint8_t *data,
                                              size_t size, struct bw_diag *diag);

#endif
