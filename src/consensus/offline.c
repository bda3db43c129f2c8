#include "offline.h"

#include <raft/uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/vote_store.h>

#include "segment.h"

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct bw_offline *offline = user;

    (void)why;
    offline->is_stopped = true;
    (void)bw_diag_set(offline->diag, BW_ERR_IO, "%s", message);
}

static void on_raft_closed(struct raft *raft)
{
    (void)raft;
}

static int no_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **out_result)
{
    (void)fsm, (void)buffer, (void)out_result;
    return RAFT_INVALID; /* nothing is started */
}

/* NOLINTNEXTLINE(readability-non-const-parameter): of the type that libraft asks for */
static int no_snapshot(struct raft_fsm *fsm, struct raft_buffer *out_buffers[], unsigned *out_count)
{
    (void)fsm, (void)out_buffers, (void)out_count;
    return RAFT_INVALID;
}

static int no_restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    (void)fsm, (void)buffer;
    return RAFT_INVALID;
}

static void close_loop(struct bw_offline *offline)
{
    int rv;

    bw_transport_free(offline->transport);
    rv = uv_loop_close(&offline->loop);
    BW_ASSERT(rv == 0); /* nothing is left on it */
}

/* On an error the loop is open, and nothing else is. */
static enum bw_err open_raft(struct bw_offline *offline, const char *raft_path, int *dir,
                             const struct bw_data_dir_identity *identity)
{
    const struct bw_safe_io_config config = {
        .store = bw_vote_file(dir), .roll = &offline->roll, .is_offline = true,
        .stop = on_stop,            .user = offline};
    struct raft_io *io = &offline->safe.io;
    char address[BW_TRANSPORT_ADDRESS_BYTES];

    offline->transport = bw_transport_new(&offline->loop, NULL, NULL);
    if (offline->transport == NULL)
        return bw_diag_set(offline->diag, BW_ERR_NOMEM, "open %s", raft_path);
    if (raft_uv_init(io, &offline->loop, raft_path, bw_transport_raft(offline->transport)) != 0)
        return bw_diag_set(offline->diag, BW_ERR_IO, "%s: %s", raft_path, io->errmsg);
    raft_uv_set_auto_recovery(io, false);
    bw_safe_io_wrap(&offline->safe, &config);
    bw_transport_format_address(identity->witness_id, address);
    if (raft_init(&offline->raft, io, &offline->fsm, identity->witness_id, address) == 0)
        return BW_OK;
    (void)bw_diag_set(offline->diag, BW_ERR_IO, "%s: %s", raft_path, raft_errmsg(&offline->raft));
    raft_uv_close(io);
    return BW_ERR_IO;
}

enum bw_err bw_offline_open(struct bw_offline *offline, const char *raft_path, int *dir,
                            const struct bw_data_dir_identity *identity, struct bw_diag *diag)
{
    enum bw_err err;
    int rv;

    *offline = (struct bw_offline){
        .fsm = {.version = 1, .apply = no_apply, .snapshot = no_snapshot, .restore = no_restore},
        .diag = diag};
    bw_roll_init(&offline->roll, identity->witness_id, identity->incarnation, identity->origin);
    rv = uv_loop_init(&offline->loop);
    if (rv != 0)
        return bw_diag_set(diag, BW_ERR_LIMIT, "make an event loop: %s", uv_strerror(rv));
    err = open_raft(offline, raft_path, dir, identity);
    if (err != BW_OK)
        close_loop(offline);
    return err;
}

void bw_offline_close(struct bw_offline *offline)
{
    raft_close(&offline->raft, on_raft_closed);
    while (uv_run(&offline->loop, UV_RUN_DEFAULT) != 0)
        continue;
    raft_uv_close(&offline->safe.io);
    close_loop(offline);
}

enum bw_err bw_offline_mend(struct bw_data_dir *dir, struct bw_offline_mended *out_mended,
                            struct bw_diag *diag)
{
    const struct bw_vote_store store = bw_vote_file(&dir->fd);
    struct bw_offline_mended *mended = out_mended;
    enum bw_err err;

    *mended = (struct bw_offline_mended){.cut_files = 0};
    mended->cut_index = bw_vote_file_cut(dir->fd);
    err = bw_segment_check(dir->raft_path, &mended->torn, diag);
    if (err == BW_OK)
        err = bw_snapshot_file_check(dir->raft_path, diag);
    if (err != BW_OK || mended->cut_index == 0)
        return err;
    err = bw_segment_finish_cut(dir->raft_path, mended->cut_index, &mended->cut_files, diag);
    return err == BW_OK ? store.note_cut(store.user, 0, diag) : err;
}
