#include <breakwater/consensus/vote.h>

#include <string.h>

#include <breakwater/base/bytes.h>

#define BODY_BYTES 24
_Static_assert(BODY_BYTES + sizeof(uint32_t) == BW_VOTE_BYTES, "a checksum behind the body");

static const char magic[8] = {'b', 'w', 'v', 'o', 't', 'e', '1', '\n'};

void bw_vote_encode(struct bw_vote vote, uint8_t out_bytes[BW_VOTE_BYTES])
{
    memcpy(out_bytes, magic, sizeof magic);
    bw_put_u64le(out_bytes + 8, vote.term);
    bw_put_u64le(out_bytes + 16, vote.vote);
    bw_put_u32le(out_bytes + BODY_BYTES, bw_crc32c(0, out_bytes, BODY_BYTES));
}

enum bw_err bw_vote_decode(const uint8_t *bytes, size_t size, struct bw_vote *out_vote,
                           struct bw_diag *diag)
{
    if (size != BW_VOTE_BYTES)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s does not have %d bytes", BW_VOTE_FILE,
                           BW_VOTE_BYTES);
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s is not a vote file of this version",
                           BW_VOTE_FILE);
    if (bw_get_u32le(bytes + BODY_BYTES) != bw_crc32c(0, bytes, BODY_BYTES))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the checksum of %s is wrong", BW_VOTE_FILE);
    *out_vote = (struct bw_vote){.term = bw_get_u64le(bytes + 8), .vote = bw_get_u64le(bytes + 16)};
    return BW_OK;
}
