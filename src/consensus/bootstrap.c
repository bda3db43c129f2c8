#include <breakwater/consensus/node.h>

#include <raft.h>
#include <raft/uv.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/safe_io.h>
#include <breakwater/consensus/vote_store.h>

/* A failed write is an error of bootstrap here, not the end of a process. */
static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct bw_diag *diag = user;

    (void)why;
    (void)bw_diag_set(diag, BW_ERR_IO, "%s", message);
}

static void on_raft_closed(struct raft *raft)
{
    (void)raft;
}

static enum bw_err build_configuration(const struct bw_node_founding *founding,
                                       struct raft_configuration *configuration,
                                       struct bw_diag *diag)
{
    bool is_member = false;

    for (unsigned i = 0; i < founding->member_count; i++) {
        char address[BW_TRANSPORT_ADDRESS_BYTES];
        int rv;

        bw_transport_format_address(founding->member_ids[i], address);
        rv = raft_configuration_add(configuration, founding->member_ids[i], address, RAFT_VOTER);
        if (rv == RAFT_NOMEM)
            return bw_diag_set(diag, BW_ERR_NOMEM, "build the founding configuration");
        if (rv != 0)
            return bw_diag_set(diag, BW_ERR_INVALID, "witness id %s: %s", address,
                               raft_strerror(rv));
        is_member = is_member || founding->member_ids[i] == founding->identity.witness_id;
    }
    if (!is_member)
        return bw_diag_set(diag, BW_ERR_INVALID, "this witness is not among the founding ones");
    return BW_OK;
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

/* Term 1 and the first log entry, through the same wrapper that will read them. */
static enum bw_err write_first_entry(struct bw_data_dir *dir, uint64_t id,
                                     const struct raft_configuration *configuration,
                                     uv_loop_t *loop, struct bw_transport *transport,
                                     struct bw_diag *diag)
{
    struct raft_fsm fsm = {
        .version = 1, .apply = no_apply, .snapshot = no_snapshot, .restore = no_restore};
    struct bw_safe_io safe = {0};
    struct bw_safe_io_config config = {
        .store = bw_vote_file(&dir->fd), .stop = on_stop, .user = diag};
    char address[BW_TRANSPORT_ADDRESS_BYTES];
    struct raft raft = {0};
    enum bw_err err = BW_OK;
    int rv = raft_uv_init(&safe.io, loop, dir->raft_path, bw_transport_raft(transport));

    if (rv != 0)
        return bw_diag_set(diag, BW_ERR_IO, "%s: %s", dir->raft_path, safe.io.errmsg);
    bw_safe_io_wrap(&safe, &config);
    bw_transport_format_address(id, address);
    rv = raft_init(&raft, &safe.io, &fsm, id, address);
    if (rv == 0) {
        rv = raft_bootstrap(&raft, configuration);
        if (rv != 0)
            err = bw_diag_set(diag, BW_ERR_IO, "%s: %s", dir->raft_path, safe.io.errmsg);
        raft_close(&raft, on_raft_closed);
        while (uv_run(loop, UV_RUN_DEFAULT) != 0)
            continue;
    } else {
        err = bw_diag_set(diag, BW_ERR_IO, "%s: %s", dir->raft_path, raft_errmsg(&raft));
    }
    raft_uv_close(&safe.io);
    return err;
}

/* On a loop of its own: init is no daemon. */
static enum bw_err write_log(struct bw_data_dir *dir, uint64_t id,
                             const struct raft_configuration *configuration, struct bw_diag *diag)
{
    struct bw_transport *transport;
    enum bw_err err;
    uv_loop_t loop;
    int rv = uv_loop_init(&loop);

    if (rv != 0)
        return bw_diag_set(diag, BW_ERR_LIMIT, "make an event loop: %s", uv_strerror(rv));
    transport = bw_transport_new(&loop, NULL, NULL); /* nothing dials before a start */
    if (transport == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "write the first log entry");
    else
        err = write_first_entry(dir, id, configuration, &loop, transport, diag);
    bw_transport_free(transport);
    rv = uv_loop_close(&loop);
    BW_ASSERT(rv == 0);
    return err;
}

static enum bw_err make_witness(const struct bw_node_founding *founding,
                                const struct raft_configuration *configuration,
                                struct bw_diag *diag)
{
    struct bw_data_dir dir;
    enum bw_err err = bw_data_dir_create(&dir, founding->data_dir, diag);

    if (err != BW_OK)
        return err;
    err = write_log(&dir, founding->identity.witness_id, configuration, diag);
    if (err == BW_OK)
        err = bw_data_dir_write_identity(&dir, &founding->identity, diag);
    bw_data_dir_close(&dir);
    return err == BW_OK ? BW_OK
                        : bw_diag_wrap(diag, err, "make a witness in %s", founding->data_dir);
}

enum bw_err bw_node_bootstrap(const struct bw_node_founding *founding, struct bw_diag *diag)
{
    unsigned election_ms = founding->identity.election_timeout_ms;
    struct raft_configuration configuration;
    enum bw_err err;

    BW_ASSERT(founding->member_count > 0 && founding->member_count <= BW_WITNESSES_MAX);
    if (election_ms < BW_NODE_ELECTION_MS_MIN || election_ms > BW_NODE_ELECTION_MS_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID, "election_timeout %u ms is not in %d..%d ms",
                           election_ms, BW_NODE_ELECTION_MS_MIN, BW_NODE_ELECTION_MS_MAX);
    raft_configuration_init(&configuration);
    err = build_configuration(founding, &configuration, diag);
    if (err == BW_OK)
        err = make_witness(founding, &configuration, diag);
    raft_configuration_close(&configuration);
    return err;
}
