#include <breakwater/consensus/vote_store.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/consensus/data_dir.h>
#include <breakwater/os/durable.h>

#include "segment.h"

static enum bw_err load_file(void *user, struct bw_vote *out_vote, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[BW_VOTE_BYTES];
    size_t size = 0;
    enum bw_err err = bw_durable_read(*dir, BW_VOTE_FILE, bytes, sizeof bytes, &size, diag);

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
    err = bw_durable_write(*dir, BW_VOTE_FILE, bytes, sizeof bytes, diag);
    BW_CRASH_POINT(WITNESS_AFTER_VOTE);
    return err;
}

/* ---- L24 ------------------------------------------------------------------------------------ */

#define CUT_FILE  "cut"
#define CUT_BODY  16
#define CUT_BYTES (CUT_BODY + 4) /* and a checksum */

static const char cut_magic[8] = {'b', 'w', 'c', 'u', 't', '2', '\n', '\n'};

static enum bw_err save_cut(void *user, uint64_t index, struct bw_diag *diag)
{
    const int *dir = user;
    uint8_t bytes[CUT_BYTES];

    memcpy(bytes, cut_magic, sizeof cut_magic);
    bw_put_u64le(bytes + 8, index);
    bw_put_u32le(bytes + CUT_BODY, bw_crc32c(0, bytes, CUT_BODY));
    return bw_durable_write(*dir, CUT_FILE, bytes, sizeof bytes, diag);
}

/* What cannot be read excuses nothing: then a hole in the log is damage. */
uint64_t bw_vote_file_cut(int dir)
{
    uint8_t bytes[CUT_BYTES];
    size_t size = 0;

    if (bw_durable_read(dir, CUT_FILE, bytes, sizeof bytes, &size, NULL) != BW_OK ||
        size != sizeof bytes || memcmp(bytes, cut_magic, sizeof cut_magic) != 0 ||
        bw_get_u32le(bytes + CUT_BODY) != bw_crc32c(0, bytes, CUT_BODY))
        return 0;
    return bw_get_u64le(bytes + 8);
}

static enum bw_err check_cut(void *user, uint64_t index, struct bw_diag *diag)
{
    const int *dir = user;

    return bw_segment_check_cut(*dir, BW_DATA_DIR_RAFT, index, diag);
}

/* ---- L33 ------------------------------------------------------------------------------------ */

#define COMMIT_FILE  "committed"
#define COMMIT_BODY  24
#define COMMIT_BYTES (COMMIT_BODY + 4) /* and a checksum */

static const char commit_magic[8] = {'b', 'w', 'm', 'a', 'r', 'k', '1', '\n'};

/* In place, and without fsync: what a crash leaves half written is no mark. */
void bw_vote_file_write_commit(int dir, struct bw_commit_mark mark)
{
    uint8_t bytes[COMMIT_BYTES];
    const int fd = openat(dir, COMMIT_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    memcpy(bytes, commit_magic, sizeof commit_magic);
    bw_put_u64le(bytes + 8, mark.index);
    bw_put_u64le(bytes + 16, mark.term);
    bw_put_u32le(bytes + COMMIT_BODY, bw_crc32c(0, bytes, COMMIT_BODY));
    (void)!pwrite(fd, bytes, sizeof bytes, 0);
    (void)close(fd); /* likewise */
}

static struct bw_commit_mark load_commit(void *user)
{
    const int *dir = user;
    uint8_t bytes[COMMIT_BYTES];
    size_t size = 0;

    if (bw_durable_read(*dir, COMMIT_FILE, bytes, sizeof bytes, &size, NULL) != BW_OK ||
        size != sizeof bytes || memcmp(bytes, commit_magic, sizeof commit_magic) != 0 ||
        bw_get_u32le(bytes + COMMIT_BODY) != bw_crc32c(0, bytes, COMMIT_BODY))
        return (struct bw_commit_mark){0};
    return (struct bw_commit_mark){.index = bw_get_u64le(bytes + 8), .term = bw_get_u64le(bytes + 16)};
}

/* ---- no log yet ----------------------------------------------------------------------------- */

#define BARE_FILE "bare"

enum bw_err bw_vote_file_mark_bare(int dir, struct bw_diag *diag)
{
    return bw_durable_write(dir, BARE_FILE, "bare\n", 5, diag);
}

bool bw_vote_file_is_bare(int dir)
{
    return faccessat(dir, BARE_FILE, F_OK, 0) == 0; /* what cannot be seen is not there */
}

/* Where none was, nothing is written. */
static enum bw_err begin_log(void *user, struct bw_diag *diag)
{
    const int *dir = user;

    if (faccessat(*dir, BARE_FILE, F_OK, 0) != 0 && errno == ENOENT)
        return BW_OK;
    return bw_durable_remove(*dir, BARE_FILE, diag);
}

struct bw_vote_store bw_vote_file(int *dir)
{
    return (struct bw_vote_store){
        .user = dir, .load = load_file, .save = save_file, .note_cut = save_cut, .check_cut = check_cut,
        .begin_log = begin_log, .load_commit = load_commit};
}
