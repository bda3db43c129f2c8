#include <breakwater/consensus/vote_store.h>

#include <breakwater/base/crash_point.h>
#include <breakwater/consensus/data_dir.h>

static enum bw_err load_file(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[BW_VOTE_BYTES];
    size_t size = 0;
    enum bw_err err = bw_data_dir_load(*dir, BW_VOTE_FILE, bytes, sizeof bytes, &size, diag);

    if (err == BW_ERR_LIMIT) /* longer than it can be */
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s does not have %d bytes", BW_VOTE_FILE,
                           BW_VOTE_BYTES);
    return err == BW_OK ? bw_vote_decode(bytes, size, out_vote, diag) : err;
}

static enum bw_err save_file(void *user, struct bw_vote vote, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[BW_VOTE_BYTES];
    enum bw_err err;

    bw_vote_encode(vote, bytes);
    BW_CRASH_POINT(WITNESS_BEFORE_VOTE);
    err = bw_data_dir_save(*dir, BW_VOTE_FILE, bytes, sizeof bytes, diag);
    BW_CRASH_POINT(WITNESS_AFTER_VOTE);
    return err;
}

struct bw_vote_store bw_vote_file(int *dir)
{
    return (struct bw_vote_store){.user = dir, .load = load_file, .save = save_file};
}
