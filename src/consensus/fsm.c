#include <breakwater/consensus/fsm.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/mutant.h>
#include <breakwater/consensus/safe_io.h>

#define ENTRY_HEAD_BYTES    16
#define SNAPSHOT_HEAD_BYTES 24

static const char snapshot_magic[8] = {'b', 'w', 's', 'n', 'a', 'p', '1', '\n'};

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

enum bw_err bw_fsm_encode(uint64_t term, const uint8_t *data, size_t size,
                          struct raft_buffer *out_buffer)
{
    size_t padded = (ENTRY_HEAD_BYTES + size + 7) / 8 * 8; /* libraft takes only multiples of 8 */
    uint8_t *bytes;

    if (size > BW_COMMAND_BYTES_MAX)
        return BW_ERR_LIMIT;
    bytes = raft_calloc(1, padded);
    if (bytes == NULL)
        return BW_ERR_NOMEM;
    bw_put_u32le(bytes, (uint32_t)size);
    bw_put_u64le(bytes + 8, term);
    if (size > 0)
        memcpy(bytes + ENTRY_HEAD_BYTES, data, size);
    bw_put_u32le(bytes + 4, bw_crc32c(0, bytes + 8, padded - 8));
    *out_buffer = (struct raft_buffer){.base = bytes, .len = padded};
    return BW_OK;
}

static enum bw_err apply_entry(struct bw_fsm *fsm, uint64_t index, const struct raft_buffer *buffer,
                               struct bw_diag *diag)
{
    const uint8_t *bytes = buffer->base;
    size_t size;

    if (buffer->len < ENTRY_HEAD_BYTES || buffer->len % 8 != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it has %zu bytes", buffer->len);
    size = bw_get_u32le(bytes);
    if (size > BW_COMMAND_BYTES_MAX || (ENTRY_HEAD_BYTES + size + 7) / 8 * 8 != buffer->len)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it says %zu bytes and has %zu", size,
                           buffer->len);
    if (bw_get_u32le(bytes + 4) != bw_crc32c(0, bytes + 8, buffer->len - 8) &&
        !BW_MUTANT(ENTRY_CHECKSUM))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "its checksum is wrong");
    return fsm->ops.apply(fsm->user, index, bw_get_u64le(bytes + 8), bytes + ENTRY_HEAD_BYTES, size,
                          diag);
}

static const char *advice(enum bw_err err)
{
    return err == BW_ERR_VERSION ? "upgrade this witness"
                                 : BW_WITNESS_LOST;
}

/* 0 even after the stop: libraft would free the batch of the entry twice. The member is mute. */
static int on_apply(struct raft_fsm *raft_fsm, const struct raft_buffer *buffer, void **out_result)
{
    struct bw_fsm *fsm = raft_fsm->data;
    uint64_t index = raft_last_applied(fsm->raft) + 1;
    struct bw_diag diag = {0};
    enum bw_err err;

    *out_result = NULL;
    if (fsm->safe->stopped)
        return 0;
    BW_CRASH_POINT(WITNESS_BEFORE_APPLY);
    err = apply_entry(fsm, index, buffer, &diag);
    BW_CRASH_POINT(WITNESS_AFTER_APPLY);
    if (err != BW_OK)
        bw_safe_io_stop(fsm->safe, BW_STOP_PERSON,
                        "log entry %" PRIu64 " cannot be applied: %s (%s); nothing after it was "
                        "applied: %s",
                        index, diag.text[0] != '\0' ? diag.text : "no details", bw_err_text(err),
                        advice(err));
    return 0;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static int on_snapshot(struct raft_fsm *raft_fsm, struct raft_buffer *out_buffers[],
                       unsigned *out_count)
{
    struct bw_fsm *fsm = raft_fsm->data;
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
    head = raft_calloc(1, SNAPSHOT_HEAD_BYTES);
    if (buffers == NULL || head == NULL) {
        raft_free(buffers);
        raft_free(head);
        free(data);
        return RAFT_NOMEM;
    }
    memcpy(head, snapshot_magic, sizeof snapshot_magic);
    bw_put_u64le(head + 8, size);
    bw_put_u32le(head + 16, bw_crc32c(0, data, size));
    buffers[0] = (struct raft_buffer){.base = head, .len = SNAPSHOT_HEAD_BYTES};
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

static enum bw_err restore_snapshot(struct bw_fsm *fsm, const struct raft_buffer *buffer,
                                    struct bw_diag *diag)
{
    const uint8_t *bytes = buffer->base;
    uint64_t size;

    if (buffer->len < SNAPSHOT_HEAD_BYTES ||
        memcmp(bytes, snapshot_magic, sizeof snapshot_magic) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the snapshot is not one of this version");
    size = bw_get_u64le(bytes + 8);
    if (size > BW_SNAPSHOT_BYTES_MAX || size != buffer->len - SNAPSHOT_HEAD_BYTES)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the snapshot says %" PRIu64 " bytes and has %zu",
                           size, buffer->len - SNAPSHOT_HEAD_BYTES);
    if (bw_get_u32le(bytes + 20) != 0 ||
        bw_get_u32le(bytes + 16) != bw_crc32c(0, bytes + SNAPSHOT_HEAD_BYTES, size))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "the checksum of the snapshot is wrong");
    return fsm->ops.restore(fsm->user, bytes + SNAPSHOT_HEAD_BYTES, size, diag);
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
        bw_safe_io_stop(fsm->safe, BW_STOP_PERSON, "a snapshot cannot be restored: %s (%s): %s",
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
