/* What a Raft peer sends, before libraft sees it, and what libraft gives back: entries and snapshots
 * as the state machine finds them. First byte: bit 0 frames or an entry, bit 1 an entry or a
 * snapshot, bit 2 its checksum is put right here; bit 3 instead of frames the first words of a peer
 * or, with bit 1, a roster. */
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/bytes.h>
#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/hello.h>
#include <breakwater/consensus/raft_frames.h>
#include <breakwater/consensus/safe_io.h>

#include "fuzz.h"

#define SNAPSHOT_FIXED 40 /* of the header: up to the configuration */
#define ENTRY_HEAD     16
#define SNAPSHOT_HEAD  24

static void check_frames(const struct bw_raft_frames *frames)
{
    FUZZ_CHECK(frames->header_bytes <= BW_RAFT_HEADER_BYTES_MAX);
    FUZZ_CHECK((frames->header == NULL) == (frames->header_bytes == 0));
    FUZZ_CHECK(frames->payload_left <= BW_RAFT_PAYLOAD_BYTES_MAX);
    FUZZ_CHECK(frames->have_bytes < (frames->header != NULL ? frames->header_bytes
                                                            : BW_RAFT_PREAMBLE_BYTES));
}

/* Bytes of payload that an AppendEntries announces: libraft takes each entry's size as it stands. */
static uint64_t announced_by_append(const uint8_t *header, uint64_t size)
{
    const uint64_t count = bw_get_u64le(header + 32);
    uint64_t sum = 0;

    FUZZ_CHECK(count <= BW_RAFT_ENTRIES_MAX && 40 + 16 * count <= size);
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t bytes = bw_get_u32le(header + 40 + 16 * i + 12);

        FUZZ_CHECK(bytes > 0 && bytes % 8 == 0 && bytes <= BW_RAFT_ENTRY_BYTES_MAX);
        sum += bytes;
    }
    return sum;
}

/* The same of an InstallSnapshot, whose configuration lies in the header. */
static uint64_t announced_by_snapshot(const uint8_t *header, uint64_t size)
{
    const uint64_t configuration = bw_get_u64le(header + SNAPSHOT_FIXED - 8);

    FUZZ_CHECK(configuration <= BW_RAFT_CONFIGURATION_BYTES_MAX);
    FUZZ_CHECK(SNAPSHOT_FIXED + configuration + 8 <= size);
    return bw_get_u64le(header + SNAPSHOT_FIXED + configuration);
}

/* Judged again, in the simplest way, with the whole stream at hand: what was let through is what
 * libraft survives. */
static void check_passed(const uint8_t *data, size_t size)
{
    while (size >= BW_RAFT_PREAMBLE_BYTES) {
        const uint8_t *header = data + BW_RAFT_PREAMBLE_BYTES;
        const uint64_t bytes = bw_get_u64le(data + 8);
        uint64_t payload = 0;

        FUZZ_CHECK(data[0] >= RAFT_APPEND_ENTRIES && data[0] <= RAFT_TIMEOUT_NOW);
        FUZZ_CHECK(bytes >= 24 && bytes <= BW_RAFT_HEADER_BYTES_MAX);
        if (bytes > size - BW_RAFT_PREAMBLE_BYTES)
            return; /* not whole yet */
        if (data[0] == RAFT_APPEND_ENTRIES)
            payload = announced_by_append(header, bytes);
        else if (data[0] == RAFT_INSTALL_SNAPSHOT)
            payload = announced_by_snapshot(header, bytes);
        FUZZ_CHECK(payload <= BW_RAFT_PAYLOAD_BYTES_MAX);
        FUZZ_CHECK(data[0] != RAFT_INSTALL_SNAPSHOT || payload > 0);
        size -= BW_RAFT_PREAMBLE_BYTES + (size_t)bytes;
        data = header + bytes;
        if (payload > size)
            return;
        size -= (size_t)payload;
        data += payload;
    }
}

/* The verdict does not depend on how the stream was cut. */
static void run_frames(const uint8_t *data, size_t size)
{
    struct bw_raft_frames whole = {.peer = 1};
    struct bw_raft_frames cut = {.peer = 1};
    struct bw_diag diag = {0};
    const enum bw_err err = bw_raft_frames_take(&whole, data, size, &diag);
    enum bw_err cut_err = BW_OK;

    fuzz_check_outcome(err, &diag);
    for (size_t i = 0; i < size && cut_err == BW_OK; i++) {
        cut_err = bw_raft_frames_take(&cut, data + i, 1, &diag);
        if (cut_err == BW_OK)
            check_frames(&cut);
    }
    FUZZ_CHECK(err == cut_err);
    if (err == BW_OK) {
        check_passed(data, size);
        check_frames(&whole);
        FUZZ_CHECK(whole.payload_left == cut.payload_left && whole.have_bytes == cut.have_bytes &&
                   whole.header_bytes == cut.header_bytes);
    }
    bw_raft_frames_deinit(&whole);
    bw_raft_frames_deinit(&cut);
}

/* ---- the state machine ---- */

static struct {
    struct raft raft;
    struct bw_safe_io safe;
    struct bw_fsm *fsm;
    unsigned taken; /* entries applied, snapshots restored */
    unsigned stops;
    uint64_t term;
    size_t size;
    uint8_t data[FUZZ_INPUT_BYTES_MAX * 4];
} world;

static enum bw_err note(const uint8_t *data, size_t size)
{
    FUZZ_CHECK(size <= sizeof world.data && world.stops == 0);
    world.taken++;
    world.size = size;
    memcpy(world.data, data, size);
    return BW_OK;
}

static enum bw_err on_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                            size_t size, struct bw_diag *diag)
{
    (void)user;
    (void)diag;
    FUZZ_CHECK(index == 42 && ((uintptr_t)data & 7) == 0);
    world.term = term;
    return note(data, size);
}

static enum bw_err on_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user;
    (void)out_data;
    (void)out_size;
    return BW_ERR_BUSY; /* none is asked for here */
}

static enum bw_err on_restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    (void)user;
    (void)diag;
    return note(data, size);
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user;
    FUZZ_CHECK(why == BW_STOP_PERSON && message[0] != '\0');
    world.stops++;
}

static void open_world(void)
{
    const struct bw_fsm_ops ops = {
        .apply = on_apply, .snapshot = on_snapshot, .restore = on_restore};

    memset(&world, 0, sizeof world);
    world.safe.config.stop = on_stop;
    world.raft.last_applied = 41;
    world.fsm = bw_fsm_new(&world.raft, &world.safe, &ops, NULL);
    FUZZ_CHECK(world.fsm != NULL);
    bw_fsm_started(world.fsm);
}

/* Applied, or the member has stopped; what was applied is what would be encoded. */
static void run_entry(uint8_t *bytes, size_t size, bool is_put_right)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);
    struct raft_buffer buffer = {.base = bytes, .len = size};
    struct raft_buffer again;
    struct bw_roster roster;
    void *result;

    if (is_put_right && size >= ENTRY_HEAD)
        bw_put_u32le(bytes + 4, bw_crc32c(0, bytes + 8, size - 8));
    FUZZ_CHECK(fsm->apply(fsm, &buffer, &result) == 0);
    FUZZ_CHECK(world.taken + world.stops + bw_fsm_entry_roster(bytes, size, &roster) == 1);
    if (world.taken == 0)
        return;
    FUZZ_CHECK(bw_fsm_encode(world.term, world.data, world.size, &again) == BW_OK);
    FUZZ_CHECK(again.len == size);
    FUZZ_CHECK(memcmp(again.base, bytes, ENTRY_HEAD + world.size) == 0 || size % 8 != 0 ||
               bw_get_u32le(again.base) == bw_get_u32le(bytes));
    raft_free(again.base);
}

static void run_snapshot(uint8_t *bytes, size_t size, bool is_put_right)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);
    struct raft_buffer buffer = {.base = bytes, .len = size};
    uint8_t again[BW_ROSTER_BYTES_MAX];
    struct bw_roster roster;
    size_t in_head = 0;

    if (is_put_right && size >= SNAPSHOT_HEAD) {
        memcpy(bytes, "bwsnap2\n", 8);
        bw_put_u32le(bytes + 16, bw_crc32c(0, bytes + 20, size - 20));
    }
    if (bw_fsm_snapshot_roster(bytes, size, &roster))
        in_head = bw_roster_encode(&roster, again);
    FUZZ_CHECK(fsm->restore(fsm, &buffer) == 0); /* and has freed the bytes */
    FUZZ_CHECK(world.taken + world.stops == 1);
    FUZZ_CHECK(world.taken == 0 || world.size + in_head == size - SNAPSHOT_HEAD);
}

/* ---- who is there ---- */

/* What is believed is, byte for byte, what would be said. */
static void run_hello(const uint8_t *data, size_t size)
{
    uint8_t again[BW_HELLO_BYTES];
    struct bw_hello hello;

    if (size < BW_HELLO_BYTES || !bw_hello_decode(data, &hello))
        return;
    bw_hello_encode(&hello, again);
    FUZZ_CHECK(memcmp(again, data, BW_HELLO_BYTES) == 0);
}

static void run_roster(const uint8_t *data, size_t size)
{
    uint8_t again[BW_ROSTER_BYTES_MAX];
    struct bw_roster roster;

    if (!bw_roster_decode(data, size, &roster))
        return;
    FUZZ_CHECK(roster.count > 0 && bw_roster_encode(&roster, again) == size);
    FUZZ_CHECK(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes;

    if (size == 0)
        return 0;
    if ((data[0] & 1) == 0) {
        if ((data[0] & 8) == 0)
            run_frames(data + 1, size - 1);
        else if ((data[0] & 2) == 0)
            run_hello(data + 1, size - 1);
        else
            run_roster(data + 1, size - 1);
        return 0;
    }
    bytes = raft_malloc(size); /* aligned, as libraft's are */
    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, data + 1, size - 1);
    open_world();
    if ((data[0] & 2) == 0) {
        run_entry(bytes, size - 1, (data[0] & 4) != 0);
        raft_free(bytes);
    } else {
        run_snapshot(bytes, size - 1, (data[0] & 4) != 0);
    }
    bw_fsm_free(world.fsm);
    return 0;
}
