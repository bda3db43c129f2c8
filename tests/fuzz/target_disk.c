/* Files as a crash, a bad disk or a stranger may leave them: a state file with its head and checksum
 * (os/durable), the vote, the identity of a data directory, an open segment of the log, kept names. The first
 * byte says which, and whether the checksum is put right here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/data_dir.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/net/names.h>
#include <breakwater/os/durable.h>

#include "../../src/consensus/segment.h"
#include "fuzz.h"

#define CHECKSUM_BYTES 4

static const struct bw_durable_kind kind = {.magic = "BWGM", .version = 2};

static void write_file(const char *name, const uint8_t *data, size_t size)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

static int directory(void)
{
    static int fd = -1;
    char path[512];

    if (fd >= 0)
        return fd;
    (void)snprintf(path, sizeof path, "%s/raft", fuzz_directory());
    FUZZ_CHECK(mkdir(path, 0700) == 0);
    fd = open(fuzz_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
    return fd;
}

/* What was believed can be saved, and is then read again. */
static void run_durable(const uint8_t *data, size_t size)
{
    uint8_t payload[1024 + 1];
    uint8_t again[1024];
    struct bw_diag diag = {0};
    uint32_t version = 0;
    size_t got = 0;
    enum bw_err err;

    payload[1024] = 0x5a;
    write_file("durable", data, size);
    err = bw_durable_load(directory(), "durable", &kind, payload, 1024, &got, &version, &diag);
    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK(payload[1024] == 0x5a);
    if (err != BW_OK)
        return;
    FUZZ_CHECK(got <= 1024 && got < size && version <= kind.version);
    FUZZ_CHECK(bw_durable_save_for_boot(directory(), "durable", &kind, payload, got, &diag) ==
               BW_OK);
    FUZZ_CHECK(bw_durable_load(directory(), "durable", &kind, again, 1024, &size, &version,
                               &diag) == BW_OK);
    FUZZ_CHECK(size == got && memcmp(payload, again, got) == 0 && version == kind.version);
}

static void run_vote(const uint8_t *data, size_t size)
{
    int dir = directory();
    struct bw_vote_store store = bw_vote_file(&dir);
    struct bw_vote vote = {.term = 1, .vote = 2}, again = vote;
    uint8_t bytes[BW_VOTE_BYTES];
    struct bw_diag diag = {0};
    enum bw_err err;

    write_file(BW_VOTE_FILE, data, size);
    err = store.load(store.user, &vote, &diag);
    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK((bw_vote_decode(data, size, &again, &diag) == BW_OK) == (err == BW_OK));
    FUZZ_CHECK(vote.term == again.term && vote.vote == again.vote);
    if (err != BW_OK) {
        FUZZ_CHECK(vote.term == 1 && vote.vote == 2);
        return;
    }
    bw_vote_encode(vote, bytes);
    FUZZ_CHECK(size == sizeof bytes && memcmp(data, bytes, size) == 0);
}

/* A file is believed only if it is, byte for byte, what would be written. */
static void run_identity(const uint8_t *data, size_t size)
{
    struct bw_data_dir_identity identity;
    struct bw_data_dir dir;
    struct bw_diag diag = {0};
    uint8_t again[1024];
    size_t again_size = 0;
    enum bw_err err;

    (void)directory();
    write_file("identity", data, size);
    err = bw_data_dir_open(&dir, fuzz_directory(), &identity, &diag);
    fuzz_check_outcome(err, &diag);
    if (err != BW_OK)
        return;
    FUZZ_CHECK(bw_name_is_valid(identity.cluster) && identity.witness_id > 0);
    FUZZ_CHECK(identity.election_timeout_ms > 0 && !bw_id_is_none(identity.cluster_id));
    FUZZ_CHECK(bw_data_dir_write_identity(&dir, &identity, &diag) == BW_OK);
    FUZZ_CHECK(bw_durable_read(dir.fd, "identity", again, sizeof again, &again_size, &diag) ==
               BW_OK);
    FUZZ_CHECK(again_size == size && memcmp(again, data, size) == 0);
    bw_data_dir_close(&dir);
}

/* Damage is left as it is. Else never longer than it was, what stays is what was there, and a second
 * look cuts nothing. */
static void run_segment(const uint8_t *data, size_t size)
{
    static uint8_t left[64 * 1024];
    char path[512];
    struct bw_diag diag = {0};
    struct bw_segment_cut cut;
    char open_segment[sizeof path + 8];
    size_t left_size = 0;
    bool is_there;
    enum bw_err err;

    (void)directory();
    (void)snprintf(path, sizeof path, "%s/raft", fuzz_directory());
    (void)snprintf(open_segment, sizeof open_segment, "%s/open-1", path);
    write_file("raft/open-1", data, size);
    err = bw_segment_check(path, &cut, &diag);
    FUZZ_CHECK((err == BW_OK || err == BW_ERR_CORRUPT) && cut.files <= 1 && cut.bytes <= size);
    is_there = access(open_segment, F_OK) == 0;
    FUZZ_CHECK(!is_there || bw_durable_read(directory(), "raft/open-1", left, sizeof left,
                                             &left_size, &diag) == BW_OK);
    FUZZ_CHECK(left_size <= size && memcmp(left, data, left_size) == 0);
    FUZZ_CHECK(is_there ? (left_size < size) == (cut.files == 1) : err == BW_OK);
    FUZZ_CHECK(bw_segment_check(path, &cut, &diag) == err && cut.files == 0);
}

/* Names that were read are written the same, line by line. */
static void run_names(const uint8_t *data, size_t size)
{
    static struct bw_name_kept kept[BW_NAMES_MAX], again[BW_NAMES_MAX];
    static char bytes[BW_NAMES_BYTES_MAX], bytes_again[BW_NAMES_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t count = 0;
    size_t again_count = 0;
    const enum bw_err err = bw_names_decode((const char *)data, size, kept, &count, &diag);

    fuzz_check_outcome(err, &diag);
    FUZZ_CHECK(err == BW_OK || count == 0);
    if (err != BW_OK)
        return;
    size = bw_names_encode(kept, count, bytes);
    FUZZ_CHECK(bw_names_decode(bytes, size, again, &again_count, &diag) == BW_OK && again_count == count);
    FUZZ_CHECK(bw_names_encode(again, count, bytes_again) == size && memcmp(bytes, bytes_again, size) == 0);
}

/* CRC-32C of all before it, little endian: the end of a state file and of a vote. */
static void put_checksum(uint8_t *data, size_t size)
{
    if (size >= CHECKSUM_BYTES)
        bw_put_u32le(data + size - CHECKSUM_BYTES, bw_crc32c(0, data, size - CHECKSUM_BYTES));
}

/* The last line of an identity, which says the checksum of those before. */
static void put_checksum_line(char *text, size_t size)
{
    static const char key[] = "crc32c ";
    char *line = size > 0 ? memrchr(text, 'c', size) : NULL; /* of "crc32c" its last c */
    char digits[9];

    while (line != NULL && line > text && line[-1] != '\n')
        line--;
    if (line == NULL || (size_t)(text + size - line) < sizeof key - 1 + 8 ||
        memcmp(line, key, sizeof key - 1) != 0)
        return;
    (void)snprintf(digits, sizeof digits, "%08x",
                   (unsigned)bw_crc32c(0, text, (size_t)(line - text)));
    memcpy(line + sizeof key - 1, digits, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[64 * 1024];
    const bool is_put_right = size > 0 && (data[0] & 4) != 0;
    const unsigned which = size > 0 ? data[0] & 3 : 0;

    if (size == 0 || size > sizeof file)
        return 0;
    size--;
    memcpy(file, data + 1, size);
    if (which < 2 && is_put_right)
        put_checksum(file, size);
    if (which == 2 && is_put_right)
        put_checksum_line((char *)file, size);
    if (which == 0)
        run_durable(file, size);
    else if (which == 1)
        run_vote(file, size);
    else if (which == 2)
        run_identity(file, size);
    else if (is_put_right) /* a segment has no checksum to put right */
        run_names(file, size);
    else
        run_segment(file, size);
    return 0;
}
