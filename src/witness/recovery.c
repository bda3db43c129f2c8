/* recovery.c - a data directory's state, and the new beginning that is made of it. Design 3.9. */
#include <breakwater/witness/recovery.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/os/random.h>
#include <breakwater/wire/record_event.h>
#include <breakwater/wire/snapshot.h>

#include "program.h"

/* What root writes there its witness, another user, cannot read. */
static enum bw_err check_owner(const struct bw_data_dir *dir, struct bw_diag *diag)
{
    char owner[BW_PATH_USER_BYTES];
    char self[BW_PATH_USER_BYTES];
    struct stat look;

    if (fstat(dir->fd, &look) != 0)
        return bw_diag_set(diag, BW_ERR_IO, "look at %s", dir->path);
    if (look.st_uid == geteuid())
        return BW_OK;
    bw_path_user_name(look.st_uid, owner);
    bw_path_user_name(geteuid(), self);
    return bw_diag_set(
        diag, BW_ERR_REFUSED,
        "%s belongs to user %s, and this command runs as %s: run it as that user, else its witness cannot read the "
        "new files",
        dir->path, owner, self);
}

static enum bw_err check_whose(const struct bw_witness_recovery *recovery,
                               const struct bw_witness_config *config, struct bw_diag *diag)
{
    const struct bw_data_dir_identity *identity = &recovery->found.identity;
    const uint32_t id = config->witnesses[config->self].id;

    if (strcmp(identity->cluster, config->cluster) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED, "data_dir %s belongs to cluster %s, not to %s",
                           config->data_dir, identity->cluster, config->cluster);
    if (identity->witness_id != id)
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s belongs to witness %" PRIu64 ", not to %" PRIu32,
                           config->data_dir, identity->witness_id, id);
    if (bw_id_is_none(recovery->cluster.id))
        return bw_diag_set(diag, BW_ERR_REFUSED,
                           "data_dir %s holds no state: its cluster has never begun here",
                           config->data_dir);
    return BW_OK;
}

/* Of one that was begun: whose it is to be, and who might speak against it by now. */
static enum bw_err take_begun(struct bw_witness_recovery *recovery, struct bw_diag *diag)
{
    struct bw_recovery_found *found = &recovery->found;
    bool is_known = false;
    enum bw_err err = bw_recovery_begun_identity(&recovery->dir, &found->identity, diag);

    if (err == BW_OK)
        err = bw_recovery_begun_roster(&recovery->dir, &found->roster, &is_known, &recovery->is_undo, diag);
    recovery->is_roster_lost = !is_known;
    return err;
}

/* Every id that this machine's file gives is known as given, too. */
static void be_alone(struct bw_witness_recovery *recovery, const struct bw_witness_config *config)
{
    const struct bw_witness_member_config *own = &config->witnesses[config->self];
    const struct bw_roster_member self = bw_roster_member_of(own, (struct bw_id){{0}});
    uint64_t id_max = 0;

    for (uint32_t i = 0; i < config->witness_count; i++)
        if (config->witnesses[i].id > id_max)
            id_max = config->witnesses[i].id;
    bw_members_alone(&recovery->found.roster, &self, id_max, &recovery->alone);
}

uint32_t bw_witness_recovery_members(const struct bw_witness_recovery *recovery,
                                     const struct bw_witness_config *config,
                                     struct bw_witness_member_config out_members[BW_WITNESSES_ASKED_MAX])
{
    const struct bw_roster *roster = &recovery->found.roster;
    uint32_t count = roster->id_max == 0 ? 0 : roster->count;

    for (uint32_t i = 0; i < count; i++)
        out_members[i] = bw_member_config_of(&roster->members[i]);
    for (uint32_t j = 0; j < config->witness_count; j++) {
        uint32_t at = 0;

        while (at < count && out_members[at].id != config->witnesses[j].id)
            at++;
        if (at < count)
            memcpy(out_members[at].raft, config->witnesses[j].raft, sizeof out_members[at].raft);
        else
            out_members[count++] = config->witnesses[j];
    }
    BW_ASSERT(count <= BW_WITNESSES_ASKED_MAX);
    return count;
}

enum bw_err bw_witness_recovery_init(struct bw_witness_recovery *recovery, struct bw_diag *diag)
{
    struct bw_group *groups = calloc(BW_GROUPS_MAX, sizeof *groups);
    struct bw_record_room *room = calloc(1, sizeof *room);

    *recovery = (struct bw_witness_recovery){.dir = {.fd = -1, .lock = -1}};
    if (groups == NULL || room == NULL) {
        free(groups);
        free(room);
        return bw_diag_set(diag, BW_ERR_NOMEM, "no memory for %d groups", BW_GROUPS_MAX);
    }
    bw_cluster_init(&recovery->cluster, groups, BW_GROUPS_MAX);
    bw_record_init(&room->record, &bw_record_codec, room->blocks, BW_RECORD_BLOCKS_MAX);
    bw_cluster_keep_record(&recovery->cluster, &room->record);
    return BW_OK;
}

/* Nothing says that it began with this state, and it would go on with its own. */
static enum bw_err refuse_begun(const struct bw_witness_config *config, struct bw_diag *diag)
{
    return bw_diag_set(diag, BW_ERR_REFUSED,
                       "another recovery was confirmed and begun in %s before, maybe from another state: to finish "
                       "it, run `breakwater recover` with the same -c; nothing was changed",
                       config->data_dir);
}

enum bw_err bw_witness_recovery_open_empty(struct bw_witness_recovery *recovery,
                                           const struct bw_witness_config *config,
                                           const struct bw_saved *saved, struct bw_diag *diag)
{
    struct bw_data_dir_identity *identity = &recovery->found.identity;
    enum bw_err err = BW_OK;

    if (strcmp(recovery->cluster.name, config->cluster) != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED, "the state is cluster %s's, not %s's",
                           recovery->cluster.name, config->cluster);
    recovery->is_made = mkdir(config->data_dir, 0700) == 0;
    if (!recovery->is_made && errno != EEXIST)
        return bw_diag_errno(diag, errno, "make data_dir %s", config->data_dir);
    err = bw_data_dir_lock(&recovery->dir, config->data_dir, diag);
    if (err == BW_OK)
        err = check_owner(&recovery->dir, diag);
    recovery->is_begun = err == BW_OK && bw_recovery_is_begun(&recovery->dir);
    if (err == BW_OK)
        err = recovery->is_begun ? refuse_begun(config, diag)
                                 : bw_recovery_check_empty(&recovery->dir, diag);
    identity->cluster_id = recovery->cluster.id;
    memcpy(identity->cluster, recovery->cluster.name, sizeof identity->cluster);
    identity->witness_id = config->witnesses[config->self].id;
    identity->election_timeout_ms = recovery->cluster.election_timeout_ms;
    recovery->found.term = saved->term;
    recovery->found.roster = saved->roster;
    recovery->found.last_index = recovery->cluster.applied_index;
    be_alone(recovery, config);
    return err;
}

enum bw_err bw_witness_recovery_open(struct bw_witness_recovery *recovery,
                                     const struct bw_witness_config *config, struct bw_diag *diag)
{
    enum bw_err err = bw_witness_recovery_init(recovery, diag);

    if (err == BW_OK)
        err = bw_data_dir_lock(&recovery->dir, config->data_dir, diag);
    if (err == BW_OK)
        err = check_owner(&recovery->dir, diag);
    recovery->is_begun = err == BW_OK && bw_recovery_is_begun(&recovery->dir);
    if (recovery->is_begun)
        err = take_begun(recovery, diag);
    if (err == BW_OK && !recovery->is_begun) /* the others go on without it */
        err = bw_data_dir_check_removed(&recovery->dir, diag);
    if (err == BW_OK && !recovery->is_begun) {
        err = bw_recovery_read(&recovery->dir, &bw_beginning_ops, &recovery->cluster, &recovery->found, diag);
        if (err == BW_OK)
            err = check_whose(recovery, config, diag);
        be_alone(recovery, config);
    }
    if (err != BW_OK)
        bw_witness_recovery_close(recovery);
    return err;
}

enum bw_err bw_witness_recovery_prepare(struct bw_witness_recovery *recovery, uint64_t above, int64_t unix_ms,
                                        struct bw_diag *diag)
{
    const struct bw_recovery_way way = {.above = above, .chance = bw_random_seed(), .unix_ms = unix_ms};
    const enum bw_err err = bw_beginning_make(&recovery->found, &recovery->cluster,
                                              &recovery->alone, bw_random_id(), &way,
                                              &recovery->beginning);

    if (err == BW_ERR_CORRUPT)
        return bw_diag_set(diag, err,
                           "what it has applied is more than its log holds: it is damaged");
    return err == BW_OK
               ? BW_OK
               : bw_diag_set(diag, err, "its epochs, its indexes or its generations are used up");
}

enum bw_err bw_witness_recovery_write(struct bw_witness_recovery *recovery, struct bw_diag *diag)
{
    size_t size = 0;
    uint8_t *state = NULL;
    enum bw_err err = bw_snapshot_encode(&recovery->cluster, NULL, 0, &size, diag);

    if (err == BW_OK) {
        state = malloc(size);
        err = state == NULL ? bw_diag_set(diag, BW_ERR_NOMEM, "no memory for %zu bytes", size)
                            : bw_snapshot_encode(&recovery->cluster, state, size, &size, diag);
    }
    recovery->beginning.state = state;
    recovery->beginning.state_size = size;
    recovery->is_made = false;
    if (err == BW_OK)
        err = bw_recovery_write(&recovery->dir, &recovery->beginning, diag);
    recovery->beginning.state = NULL;
    free(state);
    return err;
}

void bw_witness_recovery_close(struct bw_witness_recovery *recovery)
{
    if (recovery->is_made && recovery->dir.fd >= 0 &&
        unlinkat(recovery->dir.fd, BW_DATA_DIR_LOCK, 0) == 0)
        (void)rmdir(recovery->dir.path); /* an empty one is as good */
    bw_data_dir_close(&recovery->dir);
    free(recovery->cluster.groups);
    free(recovery->cluster.record); /* its room, which begins with it */
    recovery->cluster.groups = NULL;
    recovery->cluster.record = NULL;
}
