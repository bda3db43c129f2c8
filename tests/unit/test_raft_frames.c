/* raft_frames: what a Raft peer sends is judged before libraft believes it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/prng.h>
#include <breakwater/consensus/raft_frames.h>
#include <breakwater/core/counters.h>

#define WORDS_MAX 64

/* A message as words of 8 bytes, in order. */
struct message {
    uint8_t bytes[8 * WORDS_MAX];
    size_t size;
};

static void add(struct message *message, uint64_t word)
{
    assert_true(message->size + 8 <= sizeof message->bytes);
    bw_put_u64le(message->bytes + message->size, word);
    message->size += 8;
}

static void set(struct message *message, size_t word, uint64_t value)
{
    bw_put_u64le(message->bytes + 8 * word, value);
}

static struct message begin(unsigned type, uint64_t header_bytes)
{
    struct message message = {.size = 0};

    add(&message, type | UINT64_C(2) << 16); /* its version in byte 2 */
    add(&message, header_bytes);
    return message;
}

static struct message plain(unsigned type, unsigned words)
{
    struct message message = begin(type, 8 * words);

    for (unsigned i = 0; i < words; i++)
        add(&message, i > 0 ? i : 7); /* the term is the first, and no log is of a later one */
    return message;
}

/* Two entries, of 8 and 16 bytes. Word 6 is their count, 8 and 10 their lengths. */
static struct message append(void)
{
    struct message message = begin(RAFT_APPEND_ENTRIES, 8 * 10);
    const uint64_t words[] = {
        7, 1, 7, 1, 2, 7, RAFT_COMMAND | UINT64_C(8) << 32, 7, RAFT_COMMAND | UINT64_C(16) << 32,
        0};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        add(&message, words[i]);
    for (int i = 0; i < 3; i++)
        add(&message, 0xabcdef);
    return message;
}

/* Word 6 is the length of the configuration, which begins at word 7; 10 the length of the data. */
static struct message snapshot(void)
{
    static const uint8_t configuration[24] = {1,   1, 0, 0, 0, 0, 0, 0, 0, /* format, one server */
                                              3,   0, 0, 0, 0, 0, 0, 0,    /* id */
                                              '3', 0, 1};                  /* address, role */
    struct message message = begin(RAFT_INSTALL_SNAPSHOT, 8 * 10);
    const uint64_t words[] = {7, 100, 7, 1, sizeof configuration};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        add(&message, words[i]);
    memcpy(message.bytes + message.size, configuration, sizeof configuration);
    message.size += sizeof configuration;
    add(&message, 8); /* the data's length */
    add(&message, 0);
    add(&message, 0xfeed); /* the data */
    return message;
}

static enum bw_err take(const struct message *message, struct bw_diag *diag)
{
    struct bw_raft_frames frames = {.peer = 1};
    enum bw_err err = bw_raft_frames_take(&frames, message->bytes, message->size, diag);

    bw_raft_frames_deinit(&frames);
    return err;
}

static void assert_refused(const struct message *message, const char *why)
{
    struct bw_diag diag = {0};

    assert_int_not_equal(take(message, &diag), BW_OK);
    if (strstr(diag.text, why) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", why, diag.text);
}

static void sound_messages_pass_one_after_another_in_pieces_of_any_size(void **state)
{
    const struct message all[] = {plain(RAFT_REQUEST_VOTE, 5),
                                  append(),
                                  plain(RAFT_REQUEST_VOTE_RESULT, 3),
                                  snapshot(),
                                  plain(RAFT_APPEND_ENTRIES_RESULT, 4),
                                  plain(RAFT_TIMEOUT_NOW, 3),
                                  append()};
    uint8_t stream[sizeof all];
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        memcpy(stream + size, all[i].bytes, all[i].size);
        size += all[i].size;
    }
    for (size_t piece = 1; piece <= size; piece++) {
        struct bw_raft_frames frames = {.peer = 1};

        for (size_t at = 0; at < size; at += piece)
            assert_int_equal(bw_raft_frames_take(&frames, stream + at,
                                                 size - at < piece ? size - at : piece, NULL),
                             BW_OK);
        assert_null(frames.header);
        assert_true(frames.have_bytes == 0 && frames.payload_left == 0);
        bw_raft_frames_deinit(&frames);
    }
}

/* An AppendEntries without entries is Raft's heartbeat. */
static void a_heartbeat_passes(void **state)
{
    struct message message = plain(RAFT_APPEND_ENTRIES, 6);

    (void)state;
    set(&message, 6, 0);

    assert_int_equal(take(&message, NULL), BW_OK);
}

static void a_type_that_raft_does_not_have_is_refused(void **state)
{
    struct message message = plain(RAFT_REQUEST_VOTE, 5);

    (void)state;
    message.bytes[0] = 0;
    assert_refused(&message, "no message of type 0");
    message.bytes[0] = 7;
    assert_refused(&message, "no message of type 7");
    memset(&message, 0xff, sizeof message.bytes);
    message.size = 16;
    assert_refused(&message, "no message of type 255");
}

static void a_header_shorter_or_longer_than_its_message_is_refused(void **state)
{
    static const unsigned types[] = {RAFT_APPEND_ENTRIES,   RAFT_APPEND_ENTRIES_RESULT,
                                     RAFT_REQUEST_VOTE,     RAFT_REQUEST_VOTE_RESULT,
                                     RAFT_INSTALL_SNAPSHOT, RAFT_TIMEOUT_NOW};
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_C(1) << 62, UINT64_C(1) << 31,
                                     BW_RAFT_HEADER_BYTES_MAX + 1};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (uint64_t size = 0; size <= 16; size += 8) {
            struct message message = begin(types[i], size);

            assert_refused(&message, "are needed");
        }
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            struct message message = begin(types[i], sizes[j]);

            assert_refused(&message, "the limit is");
        }
    }
}

static void entries_beyond_their_header_or_a_limit_are_refused(void **state)
{
    static const uint64_t lengths[] = {0, 7, 9, UINT32_MAX - 7, BW_RAFT_ENTRY_BYTES_MAX + 8};
    struct message message = append();

    (void)state;
    set(&message, 6, 3);
    assert_refused(&message, "for 3 entries");
    set(&message, 6, BW_RAFT_ENTRIES_MAX + 1);
    assert_refused(&message, "the limit is 8192");
    set(&message, 6, UINT64_C(1) << 60); /* times 16 is 0 */
    assert_refused(&message, "the limit is 8192");
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        message = append();
        set(&message, 8, RAFT_COMMAND | lengths[i] << 32);
        assert_refused(&message, "in steps of 8");
    }
}

static void entries_too_large_together_are_refused(void **state)
{
    const uint64_t count = BW_RAFT_ENTRIES_MAX;
    const size_t size = 16 + 48 + 16 * (size_t)count;
    struct bw_raft_frames frames = {.peer = 1};
    struct bw_diag diag = {0};
    uint8_t *bytes = calloc(1, size);

    (void)state;
    assert_non_null(bytes);
    bw_put_u64le(bytes, RAFT_APPEND_ENTRIES);
    bw_put_u64le(bytes + 8, size - 16);
    bw_put_u64le(bytes + 48, count);
    for (uint64_t i = 0; i < count; i++) /* all of term 0 */
        bw_put_u64le(bytes + 64 + 16 * i, RAFT_COMMAND | UINT64_C(65536) << 32);

    assert_int_equal(bw_raft_frames_take(&frames, bytes, size, &diag), BW_ERR_LIMIT);

    assert_non_null(strstr(diag.text, "the limit is 268435456"));
    bw_raft_frames_deinit(&frames);
    free(bytes);
}

/* libraft grants to the id in the message: two who take themselves for the same one would both be
 * elected by the votes of one term. */
static void votes_are_asked_for_by_the_member_that_its_certificate_names(void **state)
{
    struct message message = plain(RAFT_REQUEST_VOTE, 5);
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(take(&message, &diag), BW_OK);
    set(&message, 3, 2);
    assert_int_equal(take(&message, &diag), BW_ERR_AUTH);
    assert_non_null(strstr(diag.text, "asks for votes as witness 2"));
    assert_non_null(strstr(diag.text, "that of witness 1"));
}

/* What ends too early never takes what follows it for its own. */
static void a_configuration_ends_where_it_says(void **state)
{
    static const struct {
        uint8_t bytes[25];
        uint64_t size, data; /* its length, and what follows it */
    } broken[] = {
        {{1, 0, 0, 0, 0, 0, 0, 0}, 8, 0x100},                                     /* in the count */
        {{1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0}, 16, 0x100},            /* in an id */
        {{1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}, 17, 0x100},         /* in an address */
        {{1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0}, 18, 0x100},      /* before a role */
        {{1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, '3', 0}, 19, 0x100},
    };

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct message message = snapshot();

        set(&message, 6, broken[i].size);
        memcpy(message.bytes + 56, broken[i].bytes, broken[i].size);
        bw_put_u64le(message.bytes + 56 + broken[i].size, broken[i].data);
        assert_refused(&message, "what should be a configuration is none");
        memset(message.bytes + 56 + broken[i].size, 0xff, 40 - broken[i].size); /* nothing ends it */
        assert_refused(&message, "what should be a configuration is none");
    }
}

static void a_snapshot_with_a_broken_head_is_refused(void **state)
{
    struct message message = snapshot();

    (void)state;
    set(&message, 6, 48); /* the configuration would reach beyond the header */
    assert_refused(&message, "a configuration of 48 bytes");
    set(&message, 6, UINT64_MAX);
    assert_refused(&message, "the limit is 4096");
    message = snapshot();
    message.bytes[56] = 2;
    assert_refused(&message, "none");
    message = snapshot();
    message.bytes[57] = 2; /* two servers, and only one is there */
    message.bytes[57 + 7] = 0xff;
    assert_refused(&message, "none");
    message = snapshot();
    memset(message.bytes + 56 + 17, 'x', 7); /* an address without an end */
    assert_refused(&message, "none");
    message = snapshot();
    set(&message, 10, 0);
    assert_refused(&message, "1 to");
    set(&message, 10, UINT64_C(1) << 40);
    assert_refused(&message, "1 to");
}

/* Whatever comes: an answer, no more memory than one header, and no read beyond the bytes. */
static void any_bytes_get_an_answer(void **state)
{
    struct bw_prng prng;
    unsigned refused = 0;

    (void)state;
    bw_prng_init(&prng, 1);
    for (int round = 0; round < 20000; round++) {
        struct message message = round % 2 == 0 ? append() : snapshot();
        const uint64_t flips = 1 + bw_prng_below(&prng, 3);

        for (uint64_t i = 0; i < flips; i++)
            message.bytes[bw_prng_below(&prng, message.size)] = (uint8_t)bw_prng_below(&prng, 256);
        refused += take(&message, NULL) == BW_OK ? 0 : 1;
    }
    assert_in_range(refused, 1000, 19000);
}

/* ---- terms and indexes (3.9) ---- */

#define TERM  5000 /* of who reads */
#define INDEX 9000

static enum bw_err take_with(const struct message *message, uint64_t term, uint64_t index,
                             struct bw_diag *diag)
{
    struct bw_raft_frames frames = {.peer = 1, .own_term = term, .own_index = index};
    enum bw_err err = bw_raft_frames_take(&frames, message->bytes, message->size, diag);

    bw_raft_frames_deinit(&frames);
    return err;
}

static const struct message *each_kind(void)
{
    static struct message all[6];

    all[0] = plain(RAFT_REQUEST_VOTE, 5);
    all[1] = plain(RAFT_REQUEST_VOTE_RESULT, 3);
    all[2] = append();
    all[3] = plain(RAFT_APPEND_ENTRIES_RESULT, 4);
    all[4] = snapshot();
    all[5] = plain(RAFT_TIMEOUT_NOW, 3);
    return all;
}

/* Who took it could be followed by nobody: there is no term above the last one, and nobody goes
 * back. */
static void no_message_of_any_kind_raises_a_term_beyond_all_elections(void **state)
{
    static const uint64_t absurd[] = {TERM + BW_TERM_JUMP_MAX + 1, BW_COUNTER_MAX + 1,
                                      UINT64_MAX - 1, UINT64_MAX};
    struct bw_diag diag = {0};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct message message = each_kind()[i];

        for (size_t j = 0; j < sizeof absurd / sizeof absurd[0]; j++) {
            set(&message, 2, absurd[j]);
            assert_int_equal(take_with(&message, TERM, INDEX, &diag), BW_ERR_LIMIT);
            assert_non_null(strstr(diag.text, "and this witness is in term 5000"));
        }
        set(&message, 2, TERM + BW_TERM_JUMP_MAX);
        assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_OK);
    }
}

/* The cluster may have been led astray before it came: then it could never join. */
static void who_has_no_term_yet_takes_any_that_leaves_room(void **state)
{
    struct message message = append();

    (void)state;
    set(&message, 2, BW_COUNTER_MAX);
    assert_int_equal(take_with(&message, 0, 0, NULL), BW_OK);
    set(&message, 2, BW_COUNTER_MAX + 1);
    assert_int_equal(take_with(&message, 0, 0, NULL), BW_ERR_LIMIT);
}

/* Its own start would take such a log for damage, for ever. */
static void no_log_is_of_a_later_term_than_who_speaks_of_it(void **state)
{
    static const struct {
        unsigned kind, word;
    } words[] = {{0, 5}, {2, 4}, {2, 7}, {2, 9}, {4, 4}, {5, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct message message = each_kind()[words[i].kind];

        set(&message, 2, TERM);
        set(&message, words[i].word, TERM);
        assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_OK);
        set(&message, words[i].word, TERM + 1);
        assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_ERR_INVALID);
    }
}

static void no_log_ends_beyond_what_a_log_can_grow(void **state)
{
    static const struct {
        unsigned kind, word;
    } words[] = {{0, 4}, {2, 3}, {4, 3}, {5, 3}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct message message = each_kind()[words[i].kind];

        set(&message, words[i].word, INDEX + BW_INDEX_JUMP_MAX);
        assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_OK);
        set(&message, words[i].word, INDEX + BW_INDEX_JUMP_MAX + 1);
        assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_ERR_LIMIT);
        assert_int_equal(take_with(&message, TERM, 0, NULL),
                         BW_OK); /* an empty log takes a snapshot */
        set(&message, words[i].word, UINT64_MAX);
        assert_int_equal(take_with(&message, TERM, 0, NULL), BW_ERR_LIMIT);
    }
}

/* L15: a refusal names the last of all indexes, and libraft takes none of them for its own. */
static void a_result_may_refuse_any_index(void **state)
{
    struct message message = plain(RAFT_APPEND_ENTRIES_RESULT, 4);

    (void)state;
    set(&message, 3, UINT64_MAX);
    assert_int_equal(take_with(&message, TERM, INDEX, NULL), BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_messages_pass_one_after_another_in_pieces_of_any_size),
        cmocka_unit_test(a_heartbeat_passes),
        cmocka_unit_test(a_type_that_raft_does_not_have_is_refused),
        cmocka_unit_test(a_header_shorter_or_longer_than_its_message_is_refused),
        cmocka_unit_test(entries_beyond_their_header_or_a_limit_are_refused),
        cmocka_unit_test(entries_too_large_together_are_refused),
        cmocka_unit_test(votes_are_asked_for_by_the_member_that_its_certificate_names),
        cmocka_unit_test(a_configuration_ends_where_it_says),
        cmocka_unit_test(a_snapshot_with_a_broken_head_is_refused),
        cmocka_unit_test(no_message_of_any_kind_raises_a_term_beyond_all_elections),
        cmocka_unit_test(who_has_no_term_yet_takes_any_that_leaves_room),
        cmocka_unit_test(no_log_is_of_a_later_term_than_who_speaks_of_it),
        cmocka_unit_test(no_log_ends_beyond_what_a_log_can_grow),
        cmocka_unit_test(a_result_may_refuse_any_index),
        cmocka_unit_test(any_bytes_get_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
