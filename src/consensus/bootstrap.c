#include <breakwater/consensus/node.h>

#include <breakwater/base/assert.h>

#include "offline.h"

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

/* Term 1 and the first log entry, through the same wrapper that will read them. */
static enum bw_err write_log(struct bw_data_dir *dir, const struct bw_data_dir_identity *identity,
                             const struct raft_configuration *configuration, struct bw_diag *diag)
{
    struct bw_offline offline;
    enum bw_err err = bw_offline_open(&offline, dir->raft_path, &dir->fd, identity, diag);

    if (err != BW_OK)
        return err;
    if (raft_bootstrap(&offline.raft, configuration) != 0)
        err = bw_diag_set(diag, BW_ERR_IO, "%s: %s", dir->raft_path, offline.safe.io.errmsg);
    bw_offline_close(&offline);
    return err;
}

static enum bw_err make_witness(const struct bw_node_founding *founding,
                                const struct raft_configuration *configuration,
                                struct bw_diag *diag)
{
    struct bw_data_dir dir;
    enum bw_err err = bw_data_dir_create(&dir, founding->data_dir, &founding->identity, diag);

    if (err != BW_OK)
        return err;
    err = write_log(&dir, &founding->identity, configuration, diag);
    if (err == BW_OK)
        err = bw_data_dir_finish(&dir, diag);
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

enum bw_err bw_node_prepare(const struct bw_node_founding *founding, struct bw_diag *diag)
{
    struct bw_data_dir dir;
    enum bw_err err = bw_data_dir_create(&dir, founding->data_dir, &founding->identity, diag);

    if (err != BW_OK)
        return err;
    err = bw_data_dir_finish(&dir, diag);
    bw_data_dir_close(&dir);
    return err == BW_OK ? BW_OK
                        : bw_diag_wrap(diag, err, "make a witness in %s", founding->data_dir);
}
