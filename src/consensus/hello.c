#include <breakwater/consensus/hello.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/consensus/stop.h>

static const uint8_t magic[8] = {'b', 'w', 'h', 'e', 'l', 'l', 'o', '1'};

void bw_hello_encode(const struct bw_hello *hello, uint8_t out_bytes[BW_HELLO_BYTES])
{
    memcpy(out_bytes, magic, sizeof magic);
    bw_put_u64le(out_bytes + 8, hello->word);
    memcpy(out_bytes + 16, hello->cluster_id.bytes, BW_ID_BYTES);
    memcpy(out_bytes + 32, hello->incarnation.bytes, BW_ID_BYTES);
    memcpy(out_bytes + 48, hello->expected.bytes, BW_ID_BYTES);
    bw_put_u64le(out_bytes + 64, hello->from);
    bw_put_u64le(out_bytes + 72, hello->to);
    bw_put_u64le(out_bytes + 80, hello->feature_level);
    if (hello->word == BW_HELLO_REMOVED) {
        bw_put_u64le(out_bytes + 48, hello->generation);
        bw_put_u64le(out_bytes + 56, hello->id_max);
    } else if (hello->word == BW_HELLO_CERTIFICATE) {
        bw_put_u64le(out_bytes + 48, hello->certificate_left_s);
        bw_put_u64le(out_bytes + 56, 0);
    } else if (hello->word == BW_HELLO_COMMITTED) {
        bw_put_u64le(out_bytes + 48, hello->committed.index);
        bw_put_u64le(out_bytes + 56, hello->committed.term);
    } else if (hello->word == BW_HELLO_TERM) {
        bw_put_u64le(out_bytes + 32, hello->term.number);
        bw_put_u64le(out_bytes + 40, hello->term.asked);
        bw_put_u64le(out_bytes + 48, hello->term.term);
        bw_put_u64le(out_bytes + 56, 0);
    } else if (hello->word == BW_HELLO_RELEASE) {
        memset(out_bytes + 32, 0, BW_HELLO_RELEASE_BYTES);
        memcpy(out_bytes + 32, hello->release, strnlen(hello->release, BW_HELLO_RELEASE_BYTES - 1));
    }
}

/* It is shown to people: like a version, and ended. */
static bool is_release(const char text[BW_HELLO_RELEASE_BYTES])
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+~_-";
    const size_t length = strnlen(text, BW_HELLO_RELEASE_BYTES);

    for (size_t i = length; i < BW_HELLO_RELEASE_BYTES; i++)
        if (text[i] != '\0')
            return false;
    return length > 0 && length < BW_HELLO_RELEASE_BYTES && strspn(text, allowed) == length;
}

static bool take_rest(const uint8_t bytes[BW_HELLO_BYTES], struct bw_hello *hello)
{
    if (hello->word == BW_HELLO_RELEASE) {
        memcpy(hello->release, bytes + 32, BW_HELLO_RELEASE_BYTES);
        return is_release(hello->release);
    }
    if (hello->word == BW_HELLO_TERM) {
        hello->term = (struct bw_term_word){.number = bw_get_u64le(bytes + 32),
                                            .asked = bw_get_u64le(bytes + 40),
                                            .term = bw_get_u64le(bytes + 48)};
        return hello->term.number != 0 && hello->term.asked != 0 && bw_get_u64le(bytes + 56) == 0;
    }
    memcpy(hello->incarnation.bytes, bytes + 32, BW_ID_BYTES);
    if (hello->word == BW_HELLO_REMOVED) {
        hello->generation = bw_get_u64le(bytes + 48);
        hello->id_max = bw_get_u64le(bytes + 56);
    } else if (hello->word == BW_HELLO_CERTIFICATE) {
        hello->certificate_left_s = bw_get_u64le(bytes + 48);
        return hello->certificate_left_s <= BW_HELLO_CERTIFICATE_S_MAX &&
               bw_get_u64le(bytes + 56) == 0;
    } else if (hello->word == BW_HELLO_COMMITTED) {
        hello->committed.index = bw_get_u64le(bytes + 48);
        hello->committed.term = bw_get_u64le(bytes + 56);
        return hello->committed.index != 0 && hello->committed.term != 0;
    } else {
        memcpy(hello->expected.bytes, bytes + 48, BW_ID_BYTES);
    }
    return true;
}

bool bw_hello_decode(const uint8_t bytes[BW_HELLO_BYTES], struct bw_hello *out_hello)
{
    const uint64_t word = bw_get_u64le(bytes + 8);
    struct bw_hello hello = {.word = (enum bw_hello_word)word};

    if (memcmp(bytes, magic, sizeof magic) != 0 || word < BW_HELLO_JOIN ||
        word > BW_HELLO_TERM)
        return false;
    memcpy(hello.cluster_id.bytes, bytes + 16, BW_ID_BYTES);
    hello.from = bw_get_u64le(bytes + 64);
    hello.to = bw_get_u64le(bytes + 72);
    hello.feature_level = bw_get_u64le(bytes + 80);
    if (!take_rest(bytes, &hello))
        return false;
    *out_hello = hello;
    return true;
}

static bool is_same_cluster(const struct bw_hello *self, const struct bw_hello *theirs,
                            struct bw_diag *diag)
{
    char own[BW_ID_TEXT_BYTES];
    char other[BW_ID_TEXT_BYTES];

    if (bw_id_equal(self->cluster_id, theirs->cluster_id))
        return true;
    bw_id_format(self->cluster_id, own);
    bw_id_format(theirs->cluster_id, other);
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      BW_HELLO_FOREIGN " %s, this witness to %s; was `witness init` run without "
                      "the --cluster-id of the first witness?",
                      other, own);
    return false;
}

static bool agrees_on_ids(const struct bw_hello *self, uint64_t peer, const struct bw_hello *theirs,
                          struct bw_diag *diag)
{
    if (theirs->from == peer && theirs->to == self->from)
        return true;
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      "it says that it is witness %" PRIu64 " and speaks to witness %" PRIu64
                      "; by this witness's file and its certificate it is witness %" PRIu64
                      ", and this is witness %" PRIu64 ": give all witnesses the same `witnesses`",
                      theirs->from, theirs->to, peer, self->from);
    return false;
}

/* One that was made anew never dials: it stands for nothing. So it hears here that it is known by
 * another directory. */
static bool is_expected(const struct bw_hello *self, const struct bw_hello *theirs,
                        struct bw_diag *diag)
{
    if (bw_id_is_none(theirs->expected) || bw_id_equal(theirs->expected, self->incarnation))
        return true;
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      "the cluster knows this witness, %" PRIu64
                      ", by another data directory, which was there before this one; %s",
                      self->from, BW_WITNESS_LOST);
    return false;
}

/* By what was applied, so for ever; and it is to hear so whatever else it has wrong, also before it makes a directory. */
static bool was_removed(const struct bw_hello *self, const struct bw_roll *roll,
                        const struct bw_hello *theirs, struct bw_diag *diag)
{
    if ((theirs->word != BW_HELLO_JOIN && theirs->word != BW_HELLO_ASK) || theirs->to != self->from ||
        !bw_roster_has_removed(&roll->applied, theirs->from))
        return false;
    (void)bw_diag_set(diag, BW_ERR_REFUSED,
                      "the cluster has no witness %" PRIu64 ": it was removed, and was told so",
                      theirs->from);
    return true;
}

enum bw_hello_word bw_hello_judge(const struct bw_hello *self, struct bw_roll *roll, uint64_t peer,
                                  const struct bw_hello *theirs, struct bw_diag *diag)
{
    if (!is_same_cluster(self, theirs, diag))
        return BW_HELLO_OTHER_CLUSTER;
    if (was_removed(self, roll, theirs, diag))
        return BW_HELLO_REMOVED;
    if (!agrees_on_ids(self, peer, theirs, diag))
        return BW_HELLO_OTHER_ID;
    if (theirs->word == BW_HELLO_ASK && !bw_roll_is_bare(roll)) {
        (void)bw_diag_set(diag, BW_ERR_REFUSED, "a new data directory asks for an id that is known");
        return BW_HELLO_OTHER_INCARNATION;
    }
    if (!is_expected(self, theirs, diag))
        return BW_HELLO_OTHER_INCARNATION;
    if (theirs->word == BW_HELLO_JOIN &&
        bw_roll_meet(roll, peer, theirs->incarnation, diag) != BW_OK)
        return BW_HELLO_OTHER_INCARNATION;
    return BW_HELLO_WELCOME;
}

enum bw_err bw_hello_take_answer(const struct bw_hello *self, struct bw_roll *roll, uint64_t peer,
                                 const struct bw_hello *answer, struct bw_diag *diag)
{
    enum bw_err err;

    if (!is_same_cluster(self, answer, diag) || !agrees_on_ids(self, peer, answer, diag) ||
        !is_expected(self, answer, diag))
        return BW_ERR_REFUSED;
    err = bw_roll_meet(roll, peer, answer->incarnation, diag);
    if (err == BW_OK && answer->word != BW_HELLO_WELCOME)
        err = bw_diag_set(diag, BW_ERR_REFUSED, "it refuses this witness; its log says why");
    return err;
}

bool bw_hello_is_removal(uint64_t peer, const struct bw_hello *hello,
                         const struct bw_members_hearer *hearer)
{
    const struct bw_members_removal removal = {.cluster_id = hello->cluster_id,
                                               .generation = hello->generation,
                                               .id = hello->to,
                                               .id_max = hello->id_max,
                                               .from = hello->from};

    return hello->word == BW_HELLO_REMOVED && hello->from == peer &&
           bw_members_believes_removal(&removal, hearer);
}
