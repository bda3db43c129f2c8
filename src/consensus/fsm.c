#include <breakwater/consensus/fsm.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/consensus/roll.h>
#include <breakwater/consensus/safe_io.h>

#define ENTRY_HEAD_BYTES    16
#define SNAPSHOT_HEAD_BYTES 24
#define KIND_SHIFT          24
#define SIZE_MASK           UINT32_C(0x00ffffff)

enum kind { KIND_COMMAND, KIND_ROSTER };

static const char snapshot_magic[8] = {'b', 'w', 's', 'n', 'a', 'p', '2', '\n'};

struct bw_fsm {
    struct raft_fsm raft_fsm;
    struct raft *raft;
    struct bw_safe_io *safe;
    struct bw_fsm_ops ops;
    void *user;
    struct bw_diag diag;
    bool is_started;
};

/* ---- entries -------------------------------------------------------------------------------- */

static enum bw_err encode(enum kind kind, uint64_t term, const uint8_t *data, size_t size,
                          struct raft_buffer *out_buffer)
{
    size_t padded = (ENTRY_HEAD_BYTES + size + 7) / 8 * 8; /* libraft takes only multiples of 8 */
    uint8_t *bytes;

    if (size > BW_COMMAND_BYTES_MAX)
        return BW_ERR_LIMIT;
    bytes = raft_calloc(1, padded);
    if (bytes == NULL)
        return BW_ERR_NOMEM;
    bw_put_u32le(bytes, (uint32_t)size | (uint32_t)kind << KIND_SHIFT);
    bw_put_u64le(bytes + 8, term);
    if (size > 0)
        memcpy(bytes + ENTRY_HEAD_BYTES, data, size);
    bw_put_u32le(bytes + 4, bw_crc32c(0, bytes + 8, padded - 8));
    *out_buffer = (struct raft_buffer){.base = bytes, .len = padded};
    return BW_OK;
}

enum bw_err bw_fsm_encode(uint64_t term, const uint8_t *data, size_t size,
                          struct raft_buffer *out_buffer)
{
    return encode(KIND_COMMAND, term, data, size, out_buffer);
}

enum bw_err bw_fsm_encode_roster(uint64_t term, const struct bw_roster *roster,
                                 struct raft_buffer *out_buffer)
{
    uint8_t bytes[BW_ROSTER_BYTES_MAX];

    return encode(KIND_ROSTER, term, bytes, bw_roster_encode(roster, bytes), out_buffer);
}

/* What an entry holds, behind its head. */
static enum bw_err open_entry(const uint8_t *bytes, size_t len, enum kind *out_kind,
                              size_t *out_size, struct bw_diag *diag)
{
    size_t size;

    *out_kind = KIND_COMMAND;
    *out_size = 0;
    if (len < ENTRY_HEAD_BYTES || len % 8 != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it has %zu bytes", len);
    size = bw_get_u32le(bytes) & SIZE_MASK;
    if (size > BW_COMMAND_BYTES_MAX || (ENTRY_HEAD_BYTES + size + 7) / 8 * 8 != len)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it says %zu bytes and has %zu", size, len);
    if (bw_get_u32le(bytes + 4) != bw_crc32c(0, bytes + 8, len - 8))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its checksum is wrong");
    *out_kind = bw_get_u32le(bytes) >> KIND_SHIFT;
    *out_size = size;
    return BW_OK;
}

bool bw_fsm_entry_roster(const void *bytes, size_t size, struct bw_roster *out_roster)
{
    const uint8_t *entry = bytes;
    enum kind kind = KIND_COMMAND;
    size_t inside = 0;

    return size >= ENTRY_HEAD_BYTES && bw_get_u32le(entry) >> KIND_SHIFT == KIND_ROSTER &&
           open_entry(entry, size, &kind, &inside, NULL) == BW_OK &&
           bw_roster_decode(entry + ENTRY_HEAD_BYTES, inside, out_roster);
}

enum bw_err bw_fsm_apply_entry(const struct bw_fsm_ops *ops, void *user, uint64_t index,
                               const struct raft_buffer *buffer, struct bw_diag *diag)
{
    const uint8_t *bytes = buffer->base;
    struct bw_roster roster;
    enum kind kind = KIND_COMMAND;
    size_t size = 0;
    enum bw_err err = open_entry(bytes, buffer->len, &kind, &size, diag);

    if (err != BW_OK)
        return err;
    if (kind == KIND_COMMAND)
        return ops->apply(user, index, bw_get_u64le(bytes + 8), bytes + ENTRY_HEAD_BYTES, size,
                          diag);
    /* It counts since it came into the log. */
    if (kind == KIND_ROSTER && bw_roster_decode(bytes + ENTRY_HEAD_BYTES, size, &roster))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_CORRUPT, "it is of no kind, or its roster is damaged");
}

static const char *advice(enum bw_err err)
{
    return err == BW_ERR_VERSION ? "upgrade this witness"
           : err == BW_ERR_NOMEM ? "nothing is damaged, and a restart tries it again"
                                 : BW_WITNESS_LOST;
}

/* What is on disk is as sound without memory as with it. */
static enum bw_stop stop_of(enum bw_err err)
{
    return err == BW_ERR_NOMEM ? BW_STOP_RESTART : BW_STOP_PERSON;
}

/* 0 even after the stop: libraft would free the batch of the entry twice. The member is mute. */
static int on_apply(struct raft_fsm *raft_fsm, const struct raft_buffer *buffer, void **out_result)
{
    struct bw_fsm *fsm = raft_fsm->data;
    uint64_t index = raft_last_applied(fsm->raft) + 1;
    struct bw_roster roster;
    struct bw_diag diag = {0};
    enum bw_err err;

    *out_result = NULL;
    if (fsm->safe->stopped)
        return 0;
    BW_CRASH_POINT(WITNESS_BEFORE_APPLY);
    err = bw_fsm_apply_entry(&fsm->ops, fsm->user, index, buffer, &diag);
    if (err == BW_OK && fsm->safe->config.roll != NULL &&
        bw_fsm_entry_roster(buffer->base, buffer->len, &roster))
        bw_roll_apply(fsm->safe->config.roll, &roster);
    BW_CRASH_POINT(WITNESS_AFTER_APPLY);
    if (err != BW_OK)
        bw_safe_io_stop(fsm->safe, stop_of(err),
                        "log entry %" PRIu64 " cannot be applied: %s (%s); nothing after it was "
                        "applied: %s",
                        index, diag.text[0] != '\0' ? diag.text : "no details", bw_err_text(err),
                        advice(err));
    return 0;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

/* What goes before the state: BW_FSM_SNAPSHOT_HEAD_MAX bytes at most, zeroed. How many there are. */
static size_t write_head(uint8_t *head, const struct bw_roster *roster, const uint8_t *data,
                         size_t size)
{
    size_t head_bytes = SNAPSHOT_HEAD_BYTES;

    memcpy(head, snapshot_magic, sizeof snapshot_magic);
    if (roster != NULL && roster->count > 0)
        head_bytes += bw_roster_encode(roster, head + SNAPSHOT_HEAD_BYTES);
    bw_put_u64le(head + 8, size);
    bw_put_u32le(head + 20, (uint32_t)(head_bytes - SNAPSHOT_HEAD_BYTES));
    bw_put_u32le(head + 16, bw_crc32c(bw_crc32c(0, head + 20, head_bytes - 20), data, size));
    return head_bytes;
}

enum bw_err bw_fsm_encode_snapshot(const struct bw_roster *roster, const uint8_t *data, size_t size,
                                   struct raft_buffer *out_buffer)
{
    uint8_t *bytes = raft_calloc(1, SNAPSHOT_HEAD_BYTES + BW_ROSTER_BYTES_MAX + size);
    size_t head_bytes;

    BW_ASSERT(size <= BW_SNAPSHOT_BYTES_MAX);
    if (bytes == NULL)
        return BW_ERR_NOMEM;
    head_bytes = write_head(bytes, roster, data, size);
    memcpy(bytes + head_bytes, data, size);
    *out_buffer = (struct raft_buffer){.base = bytes, .len = head_bytes + size};
    return BW_OK;
}

static int on_snapshot(struct raft_fsm *raft_fsm, struct raft_buffer *out_buffers[],
                       unsigned *out_count)
{
    struct bw_fsm *fsm = raft_fsm->data;
    const struct bw_roll *roll = fsm->safe->config.roll;
    struct raft_buffer *buffers;
    uint8_t *data = NULL;
    uint8_t *head;
    size_t size = 0;

    if (fsm->safe->stopped)
        return RAFT_BUSY;
    if (fsm->ops.snapshot(fsm->user, &data, &size) != BW_OK)
        return RAFT_BUSY; /* tried again after the next entry */
    BW_ASSERT(size <= BW_SNAPSHOT_BYTES_MAX);
    buffers = raft_calloc(2, sizeof *buffers);
    head = raft_calloc(1, SNAPSHOT_HEAD_BYTES + BW_ROSTER_BYTES_MAX);
    if (buffers == NULL || head == NULL) {
        raft_free(buffers);
        raft_free(head);
        free(data);
        return RAFT_NOMEM;
    }
    buffers[0] = (struct raft_buffer){
        .base = head, .len = write_head(head, roll != NULL ? &roll->applied : NULL, data, size)};
    buffers[1] = (struct raft_buffer){.base = data, .len = size};
    *out_buffers = buffers;
    *out_count = size > 0 ? 2 : 1;
    return 0;
}

static int on_snapshot_finalize(struct raft_fsm *raft_fsm, struct raft_buffer *buffers[],
                                unsigned *count)
{
    (void)raft_fsm;
    raft_free((*buffers)[0].base);
    free((*buffers)[1].base); /* there are always two, the second may be empty */
    raft_free(*buffers);
    *buffers = NULL;
    *count = 0;
    return 0;
}

/* What a snapshot holds: `out_roster` may be empty; the state is at its end. */
static enum bw_err open_snapshot(const uint8_t *bytes, size_t len, struct bw_roster *out_roster,
                                 uint64_t *out_size, struct bw_diag *diag)
{
    uint64_t size;
    uint64_t roster;

    if (len < SNAPSHOT_HEAD_BYTES || memcmp(bytes, snapshot_magic, sizeof snapshot_magic) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the snapshot is not one of this version");
    size = bw_get_u64le(bytes + 8);
    roster = bw_get_u32le(bytes + 20);
    if (size > BW_SNAPSHOT_BYTES_MAX || roster > BW_ROSTER_BYTES_MAX ||
        size + roster != len - SNAPSHOT_HEAD_BYTES)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the snapshot says %" PRIu64 " bytes and has %zu",
                           size, len - SNAPSHOT_HEAD_BYTES);
    if (bw_get_u32le(bytes + 16) != bw_crc32c(0, bytes + 20, len - 20))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the checksum of the snapshot is wrong");
    out_roster->count = 0;
    if (roster > 0 && !bw_roster_decode(bytes + SNAPSHOT_HEAD_BYTES, roster, out_roster))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the roster in the snapshot is damaged");
    *out_size = size;
    return BW_OK;
}

bool bw_fsm_snapshot_roster(const void *bytes, size_t size, struct bw_roster *out_roster)
{
    uint64_t inside;

    return open_snapshot(bytes, size, out_roster, &inside, NULL) == BW_OK && out_roster->count > 0;
}

enum bw_err bw_fsm_check_snapshot(const void *bytes, size_t size, struct bw_diag *diag)
{
    struct bw_roster roster;
    uint64_t inside;

    return open_snapshot(bytes, size, &roster, &inside, diag);
}

enum bw_err bw_fsm_restore_snapshot(const struct bw_fsm_ops *ops, void *user,
                                    const struct raft_buffer *buffer, struct bw_diag *diag)
{
    struct bw_roster roster;
    uint64_t size;
    const uint8_t *bytes = buffer->base;
    enum bw_err err = open_snapshot(bytes, buffer->len, &roster, &size, diag);

    return err != BW_OK ? err : ops->restore(user, bytes + buffer->len - size, size, diag);
}

static enum bw_err restore_snapshot(struct bw_fsm *fsm, const struct raft_buffer *buffer,
                                    struct bw_diag *diag)
{
    const uint8_t *bytes = buffer->base;
    struct bw_roll *roll = fsm->safe->config.roll;
    struct bw_roster roster;
    uint64_t size;
    enum bw_err err = open_snapshot(bytes, buffer->len, &roster, &size, diag);

    /* A leader's, which replaces the log; that of a start was looked at with the log (safe_io). */
    if (err == BW_OK && fsm->is_started && roll != NULL && roster.count > 0)
        err = bw_roll_take(roll, &roster, 0, diag);
    if (err == BW_OK && roll != NULL && roster.count > 0)
        bw_roll_apply(roll, &roster);
    return err != BW_OK ? err
                        : fsm->ops.restore(fsm->user, bytes + buffer->len - size, size, diag);
}

/* Owns the buffer once it returns 0. */
static int on_restore(struct raft_fsm *raft_fsm, struct raft_buffer *buffer)
{
    struct bw_fsm *fsm = raft_fsm->data;
    struct bw_diag diag = {0};
    enum bw_err err = fsm->safe->stopped ? BW_OK : restore_snapshot(fsm, buffer, &diag);

    if (err != BW_OK && !fsm->is_started) {
        (void)bw_diag_set(&fsm->diag, err, "%s: %s", diag.text, advice(err));
        return RAFT_CORRUPT;
    }
    if (err != BW_OK)
        bw_safe_io_stop(fsm->safe, stop_of(err), "a snapshot cannot be restored: %s (%s): %s",
                        diag.text, bw_err_text(err), advice(err));
    raft_free(buffer->base);
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct bw_fsm *bw_fsm_new(struct raft *raft, struct bw_safe_io *safe, const struct bw_fsm_ops *ops,
                          void *user)
{
    struct bw_fsm *fsm = calloc(1, sizeof *fsm);

    if (fsm == NULL)
        return NULL;
    fsm->raft = raft;
    fsm->safe = safe;
    fsm->ops = *ops;
    fsm->user = user;
    fsm->raft_fsm = (struct raft_fsm){.version = 2,
                                      .data = fsm,
                                      .apply = on_apply,
                                      .snapshot = on_snapshot,
                                      .restore = on_restore,
                                      .snapshot_finalize = on_snapshot_finalize};
    return fsm;
}

void bw_fsm_free(struct bw_fsm *fsm)
{
    free(fsm);
}

struct raft_fsm *bw_fsm_raft(struct bw_fsm *fsm)
{
    return &fsm->raft_fsm;
}

void bw_fsm_started(struct bw_fsm *fsm)
{
    fsm->is_started = true;
}

const struct bw_diag *bw_fsm_diag(const struct bw_fsm *fsm)
{
    return &fsm->diag;
}
