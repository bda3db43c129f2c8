#include "proof.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/os/durable.h>

#define FIXED_BYTES (BW_ID_BYTES + 8) /* machine, digest (u64 LE); then CLUSTER/SITE/GROUP */
#define NAMES_BYTES (3 * (BW_NAME_MAX + 1))

static const struct bw_durable_kind kind = {
    .magic = "BWGP", .version = 2, .oldest = BW_DURABLE_OLDEST};

struct file_name {
    char text[BW_NAME_MAX + 8];
};

static struct file_name name_of(const char *group)
{
    struct file_name name;

    (void)snprintf(name.text, sizeof name.text, "%s.proof", group); /* names are BW_NAME_MAX at most */
    return name;
}

/* What it says of whom it is of. */
static size_t put_owner(const struct bw_guard_proof_owner *owner,
                        uint8_t out_bytes[FIXED_BYTES + NAMES_BYTES])
{
    char names[NAMES_BYTES];
    const int length = snprintf(names, sizeof names, "%s/%s/%s", owner->cluster, owner->site,
                                owner->group);

    memcpy(out_bytes, owner->machine_id.bytes, BW_ID_BYTES);
    memcpy(out_bytes + FIXED_BYTES, names, (size_t)length); /* fits: three names */
    return FIXED_BYTES + (size_t)length;
}

enum bw_err bw_guard_proof_write(int dir, const struct bw_guard_proof_owner *owner, uint64_t digest,
                                 struct bw_diag *diag)
{
    const struct file_name name = name_of(owner->group);
    uint8_t bytes[FIXED_BYTES + NAMES_BYTES];
    const size_t size = put_owner(owner, bytes);

    if (bw_id_is_none(owner->machine_id))
        return bw_diag_set(diag, BW_ERR_NOT_FOUND,
                           "this machine has no machine-id(5), by which a copy would be told");
    bw_put_u64le(bytes + BW_ID_BYTES, digest);
    return bw_durable_save(dir, name.text, &kind, bytes, size, diag);
}

enum bw_err bw_guard_proof_remove(int dir, const char *group, struct bw_diag *diag)
{
    const struct file_name name = name_of(group);

    return bw_durable_remove(dir, name.text, diag);
}

uint64_t bw_guard_proof_read(int dir, const struct bw_guard_proof_owner *owner,
                             struct bw_diag *diag)
{
    const struct file_name name = name_of(owner->group);
    uint8_t bytes[FIXED_BYTES + NAMES_BYTES];
    uint8_t wanted[FIXED_BYTES + NAMES_BYTES];
    const size_t wanted_size = put_owner(owner, wanted);
    size_t size = 0;
    uint32_t version;
    const enum bw_err err = bw_durable_load(dir, name.text, &kind, bytes, sizeof bytes, &size,
                                            &version, diag);

    if (err == BW_ERR_NOT_FOUND)
        *diag = (struct bw_diag){0};
    if (err != BW_OK)
        return 0;
    if (bw_id_is_none(owner->machine_id) || memcmp(bytes, wanted, BW_ID_BYTES) != 0 ||
        size != wanted_size ||
        memcmp(bytes + FIXED_BYTES, wanted + FIXED_BYTES, size - FIXED_BYTES) != 0) {
        (void)bw_diag_set(diag, BW_ERR_REFUSED,
                          "%s was made on another machine, or for another group", name.text);
        return 0;
    }
    return bw_get_u64le(bytes + BW_ID_BYTES);
}
