#include <breakwater/consensus/vote_store.h>

#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/consensus/data_dir.h>

/* magic 8 | term 8 | vote 8 | CRC-32C of the first 24, 4; little endian. */
#define FILE_NAME  "vote"
#define FILE_BYTES 28
#define BODY_BYTES 24

static const char magic[8] = {'b', 'w', 'v', 'o', 't', 'e', '1', '\n'};

static enum bw_err load_file(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[FILE_BYTES];
    struct bw_vote vote;
    size_t size;
    enum bw_err err = bw_data_dir_load(*dir, FILE_NAME, bytes, sizeof bytes, &size, diag);

    if (err == BW_ERR_LIMIT || (err == BW_OK && size != sizeof bytes))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s does not have %d bytes", FILE_NAME,
                           FILE_BYTES);
    if (err != BW_OK)
        return err;
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s is not a vote file of this version",
                           FILE_NAME);
    if (bw_get_u32le(bytes + BODY_BYTES) != bw_crc32c(0, bytes, BODY_BYTES))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the checksum of %s is wrong", FILE_NAME);
    vote.term = bw_get_u64le(bytes + 8);
    vote.vote = bw_get_u64le(bytes + 16);
    *out_vote = vote;
    return BW_OK;
}

static enum bw_err save_file(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[FILE_BYTES];
    enum bw_err err;

    memcpy(bytes, magic, sizeof magic);
    bw_put_u64le(bytes + 8, vote.term);
    bw_put_u64le(bytes + 16, vote.vote);
    bw_put_u32le(bytes + BODY_BYTES, bw_crc32c(0, bytes, BODY_BYTES));
    BW_CRASH_POINT(WITNESS_BEFORE_VOTE);
    err = bw_data_dir_save(*dir, FILE_NAME, bytes, sizeof bytes, diag);
    BW_CRASH_POINT(WITNESS_AFTER_VOTE);
    return err;
}

struct bw_vote_store bw_vote_file(int *dir)
{
    return (struct bw_vote_store){.user = dir, .load = load_file, .save = save_file};
}
