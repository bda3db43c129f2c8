#include <breakwater/witness/saved.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/roll.h>
#include <breakwater/net/address.h>
#include <breakwater/wire/snapshot.h>

#define SCHEMA "breakwater.snapshot/v1"

/* In base64, ended by NUL; NULL: memory is short. */
static char *encode_bytes(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size / 3 * 4 + 8);

    if (text != NULL)
        (void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)size); /* at most 16 MiB */
    return text;
}

static char *encode_state(const struct bw_cluster *cluster)
{
    size_t size = 0;
    uint8_t *bytes = NULL;
    char *text = NULL;

    if (bw_snapshot_encode(cluster, NULL, 0, &size, NULL) != BW_OK)
        return NULL;
    bytes = malloc(size);
    if (bytes != NULL && bw_snapshot_encode(cluster, bytes, size, &size, NULL) == BW_OK)
        text = encode_bytes(bytes, size);
    free(bytes);
    return text;
}

static char *encode_roster(const struct bw_roster *roster)
{
    uint8_t bytes[BW_ROSTER_BYTES_MAX];

    return encode_bytes(bytes, bw_roster_encode(roster, bytes));
}

json_t *bw_saved_encode(const struct bw_cluster *cluster, const struct bw_roster *roster,
                        uint64_t term, const char *witness, int64_t unix_ms)
{
    char id[BW_ID_TEXT_BYTES];
    char *members = encode_roster(roster);
    char *state = encode_state(cluster);
    json_t *document = NULL;

    bw_id_format(cluster->id, id);
    if (members != NULL && state != NULL)
        document = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:s, s:s}", "schema", SCHEMA,
                             "cluster", cluster->name, "cluster_id", id, "generation",
                             (json_int_t)cluster->generation, "index",
                             (json_int_t)cluster->applied_index, "term", (json_int_t)term,
                             "witness", witness, "saved_unix_ms", (json_int_t)unix_ms, "members",
                             members, "state", state);
    free(members);
    free(state);
    return document;
}

/* From malloc; NULL: it is no base64. */
static uint8_t *decode_bytes(const char *text, size_t *out_size)
{
    const size_t length = strlen(text);
    uint8_t *bytes = length % 4 == 0 && length > 0 && length <= BW_SAVED_BYTES_MAX
                         ? malloc(length / 4 * 3)
                         : NULL;
    int size;

    if (bytes == NULL)
        return NULL;
    size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
    if (size < 0) {
        free(bytes);
        return NULL;
    }
    *out_size = (size_t)size - (text[length - 1] == '=') - (text[length - 2] == '=');
    return bytes;
}

static const char *text_of(const json_t *document, const char *key)
{
    const char *text = json_string_value(json_object_get(document, key));

    return text != NULL ? text : "";
}

static bool is_beside_its_state(const json_t *document, const struct bw_cluster *cluster)
{
    char id[BW_ID_TEXT_BYTES];

    bw_id_format(cluster->id, id);
    return strcmp(text_of(document, "cluster_id"), id) == 0 &&
           strcmp(text_of(document, "cluster"), cluster->name) == 0 &&
           json_integer_value(json_object_get(document, "generation")) ==
               (json_int_t)cluster->generation &&
           json_integer_value(json_object_get(document, "index")) ==
               (json_int_t)cluster->applied_index;
}

/* They are dialed, and what comes of it is printed. */
static bool is_reachable(const struct bw_roster *roster)
{
    for (unsigned i = 0; roster->id_max != 0 && i < roster->count; i++) {
        const struct bw_roster_member *member = &roster->members[i];

        if (!bw_address_is_valid(member->address) || !bw_address_is_valid(member->raft) ||
            (member->failure_domain[0] != '\0' && !bw_name_is_valid(member->failure_domain)))
            return false;
    }
    return true;
}

static bool decode_roster(const char *text, struct bw_roster *out_roster)
{
    size_t size = 0;
    uint8_t *bytes = decode_bytes(text, &size);
    const bool is_good = bytes != NULL && bw_roster_decode(bytes, size, out_roster) &&
                         is_reachable(out_roster);

    free(bytes);
    return is_good;
}

enum bw_err bw_saved_decode(const json_t *document, struct bw_saved *out_saved,
                            struct bw_cluster *cluster, struct bw_diag *diag)
{
    const json_int_t term = json_integer_value(json_object_get(document, "term"));
    struct bw_saved saved = {
        .term = (uint64_t)term,
        .unix_ms = json_integer_value(json_object_get(document, "saved_unix_ms"))};
    size_t size = 0;
    uint8_t *state;
    enum bw_err err;

    if (strcmp(text_of(document, "schema"), SCHEMA) != 0 || term < 1 ||
        !bw_copy_text(saved.witness, sizeof saved.witness, text_of(document, "witness")) ||
        !bw_name_is_valid(saved.witness))
        return bw_diag_set(diag, BW_ERR_INVALID, "it is not a saved state of this version");
    if (!decode_roster(text_of(document, "members"), &saved.roster))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "its members are damaged, or not all of them are there");
    if (saved.roster.id_max > UINT32_MAX ||
        saved.roster.members[saved.roster.count - 1].id > UINT32_MAX)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "its members have impossible ids: it was made up");
    state = decode_bytes(text_of(document, "state"), &size);
    if (state == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID, "its state is damaged, or not all of it is there");
    err = bw_snapshot_decode(state, size, cluster, diag);
    free(state);
    if (err != BW_OK)
        return err;
    if (bw_id_is_none(cluster->id) || !is_beside_its_state(document, cluster))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "its head does not match its state");
    err = bw_cluster_judge_saved(cluster, diag);
    if (err != BW_OK)
        return err;
    *out_saved = saved;
    return BW_OK;
}
