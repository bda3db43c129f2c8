/* found.c - `witness init`: the data directory of a founding member, or of one that is to join, once.
 * Design 3.9. */
#include <breakwater/witness/witness.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/consensus/node.h>
#include <breakwater/os/random.h>

enum bw_err bw_witness_found(const struct bw_witness_config *config, struct bw_id cluster_id,
                             bool joins, struct bw_id *out_cluster_id, struct bw_diag *diag)
{
    struct bw_node_founding founding = {.data_dir = config->data_dir,
                                        .member_count = config->witness_count};
    struct bw_data_dir_identity *identity = &founding.identity;
    enum bw_err err;

    identity->origin = joins                       ? BW_ROLL_JOINING
                       : bw_id_is_none(cluster_id) ? BW_ROLL_FOUNDER
                                                   : BW_ROLL_FOUNDING;
    identity->incarnation = bw_random_id();
    identity->cluster_id = bw_id_is_none(cluster_id) ? bw_random_id() : cluster_id;
    identity->witness_id = config->witnesses[config->self].id;
    identity->election_timeout_ms = config->election_timeout_ms;
    BW_ASSERT(bw_copy_text(identity->cluster, sizeof identity->cluster, config->cluster));
    for (uint32_t i = 0; i < config->witness_count; i++)
        founding.member_ids[i] = config->witnesses[i].id;
    err = joins ? bw_node_prepare(&founding, diag) : bw_node_bootstrap(&founding, diag);
    if (err == BW_OK)
        *out_cluster_id = identity->cluster_id;
    return err;
}
