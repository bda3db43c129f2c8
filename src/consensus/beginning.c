#include <breakwater/consensus/beginning.h>

#include <inttypes.h>

#include <raft.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/counters.h>
#include <breakwater/wire/log_entry.h>
#include <breakwater/wire/snapshot.h>

/* ---- what was there ------------------------------------------------------------------------------ */

/* What may not have been committed counts as if it had been: whoever was granted something by it is
 * not believed to hold nothing, and nobody else gets it before every site has spoken (3.9). */
static enum bw_err take_entries(const struct bw_fsm_ops *ops, void *user, uint64_t after,
                                uint64_t start, const struct raft_entry *entries, size_t count,
                                struct bw_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t index = start + i;
        enum bw_err err;

        if (index <= after || entries[i].type != RAFT_COMMAND)
            continue;
        err = bw_fsm_apply_entry(ops, user, index, &entries[i].buf, diag);
        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "log entry %" PRIu64, index);
    }
    return BW_OK;
}

static enum bw_err take_voters(const struct raft_configuration *configuration,
                               struct bw_recovery_found *found, struct bw_diag *diag)
{
    found->voter_count = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].role != RAFT_VOTER)
            continue;
        if (found->voter_count == BW_WITNESSES_MAX)
            return bw_diag_set(diag, BW_ERR_CORRUPT, "its configuration has more than %d voters",
                               BW_WITNESSES_MAX);
        found->voters[found->voter_count++] = configuration->servers[i].id;
    }
    return BW_OK;
}

/* The newest in the log counts, committed or not, as Raft has it. */
static enum bw_err find_voters(const struct raft_snapshot *snapshot, uint64_t start,
                               const struct raft_entry *entries, size_t count,
                               struct bw_recovery_found *found, struct bw_diag *diag)
{
    const uint64_t in_snapshot = snapshot != NULL ? snapshot->configuration_index : 0;
    struct raft_configuration newest;
    enum bw_err err;

    while (count > 0 && entries[count - 1].type != RAFT_CHANGE)
        count--;
    if (count == 0 || start + count - 1 <= in_snapshot)
        return snapshot != NULL ? take_voters(&snapshot->configuration, found, diag) : BW_OK;
    raft_configuration_init(&newest);
    if (raft_configuration_decode(&entries[count - 1].buf, &newest) != 0)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "log entry %" PRIu64 " is no configuration",
                           start + count - 1);
    err = take_voters(&newest, found, diag);
    raft_configuration_close(&newest);
    return err;
}

enum bw_err bw_beginning_take_log(const struct bw_fsm_ops *ops, void *user, uint64_t term,
                                  const struct raft_snapshot *snapshot, uint64_t start,
                                  const struct raft_entry *entries, size_t count,
                                  struct bw_recovery_found *found, struct bw_diag *diag)
{
    const uint64_t covered = snapshot != NULL ? snapshot->index : 0;
    enum bw_err err = BW_OK;

    found->term = term;
    if (snapshot != NULL) {
        found->last_index = snapshot->index;
        found->last_term = snapshot->term;
        err = snapshot->n_bufs == 1 ? bw_fsm_restore_snapshot(ops, user, &snapshot->bufs[0], diag)
                                    : bw_diag_set(diag, BW_ERR_CORRUPT, "the snapshot is in parts");
    }
    if (err == BW_OK)
        err = take_entries(ops, user, covered, start, entries, count, diag);
    if (err == BW_OK)
        err = find_voters(snapshot, start, entries, count, found, diag);
    if (count > 0 && start + count - 1 > covered) {
        found->last_index = start + count - 1;
        found->last_term = entries[count - 1].term;
    }
    return err;
}

static enum bw_err apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                         size_t size, struct bw_diag *diag)
{
    struct bw_cluster *cluster = user;
    struct bw_command command;
    enum bw_err err = bw_log_entry_decode(data, size, &command, diag);

    (void)term; /* the state knows none */
    if (err != BW_OK)
        return err;
    if (index <= cluster->applied_index)
        err = bw_diag_set(diag, BW_ERR_CORRUPT,
                          "its snapshot says that entries up to %" PRIu64 " are in it",
                          cluster->applied_index);
    else
        (void)bw_cluster_apply(cluster, index, &command); /* what it does not take is a no-op */
    bw_log_entry_release(&command);
    return err;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): of the type that fsm.h asks for */
static enum bw_err no_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user, (void)out_data, (void)out_size;
    return BW_ERR_INVALID; /* nothing is started */
}

static enum bw_err restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    return bw_snapshot_decode(data, size, user, diag);
}

const struct bw_fsm_ops bw_beginning_ops = {
    .apply = apply, .snapshot = no_snapshot, .restore = restore};

/* ---- what is made of it -------------------------------------------------------------------------- */

enum bw_err bw_beginning_make(const struct bw_recovery_found *found, struct bw_cluster *cluster,
                              const struct bw_roster *alone, struct bw_id incarnation,
                              const struct bw_recovery_way *way,
                              struct bw_recovery_beginning *out_beginning)
{
    struct bw_recovery_beginning beginning = {.identity = found->identity,
                                              .term = bw_counter_term_after(found->term),
                                              .roster = *alone,
                                              .old_roster = found->roster,
                                              .old_generation = cluster->generation};
    enum bw_err err;

    BW_ASSERT(alone->count == 1 && alone->members[0].id == found->identity.witness_id);
    err = bw_cluster_recover(cluster, found->last_index, way, &beginning.index);
    if (err != BW_OK)
        return err;
    beginning.identity.incarnation = incarnation;
    beginning.identity.origin = BW_ROLL_FOUNDING; /* of a log without a roster, which this is none */
    beginning.roster.members[0].incarnation = incarnation;
    *out_beginning = beginning;
    return BW_OK;
}

/* The roster's only member is the configuration's only voter. */
enum bw_err bw_beginning_snapshot(const struct bw_recovery_beginning *beginning,
                                  const char *address, struct raft_snapshot *out_snapshot)
{
    struct raft_snapshot *snapshot = out_snapshot;
    enum bw_err err;

    *snapshot = (struct raft_snapshot){.index = beginning->index,
                                       .term = beginning->term,
                                       .configuration_index = beginning->index};
    raft_configuration_init(&snapshot->configuration);
    snapshot->bufs = raft_calloc(1, sizeof *snapshot->bufs);
    if (snapshot->bufs == NULL)
        return BW_ERR_NOMEM;
    snapshot->n_bufs = 1;
    err = bw_fsm_encode_snapshot(&beginning->roster, beginning->state, beginning->state_size,
                                 &snapshot->bufs[0]);
    if (err == BW_OK && raft_configuration_add(&snapshot->configuration,
                                               beginning->identity.witness_id, address,
                                               RAFT_VOTER) != 0)
        err = BW_ERR_NOMEM;
    return err;
}

void bw_beginning_close_snapshot(struct raft_snapshot *snapshot)
{
    raft_configuration_close(&snapshot->configuration);
    if (snapshot->bufs != NULL)
        raft_free(snapshot->bufs[0].base);
    raft_free(snapshot->bufs);
}
