/* vote.h - the term and the vote of one witness, and the bytes of the file that keeps them. I3.
 * Pure.
 *
 * magic 8 | term 8 | vote 8 | CRC-32C of the first 24, 4; little endian. */
#ifndef BW_CONSENSUS_VOTE_H
#define BW_CONSENSUS_VOTE_H

#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_VOTE_FILE  "vote"
#define BW_VOTE_BYTES 28

struct bw_vote {
    uint64_t term;
    uint64_t vote; /* id of the witness voted for in `term`; 0: nobody */
};

void bw_vote_encode(struct bw_vote vote, uint8_t out_bytes[BW_VOTE_BYTES]);
/* BW_ERR_CORRUPT: not what bw_vote_encode made, and in which way. */
BW_MUST_CHECK enum bw_err bw_vote_decode(const uint8_t *bytes, size_t size,
                                         struct bw_vote *out_vote, struct bw_diag *diag);

#endif
