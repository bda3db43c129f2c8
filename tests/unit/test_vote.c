/* The file that keeps a witness's term and vote: what it must never forget, I3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/consensus/vote.h>

static const struct bw_vote vote = {.term = UINT64_C(0x0102030405060708), .vote = 3};
/* As written by every breakwater so far. */
static const uint8_t file[BW_VOTE_BYTES] = {
    0x62, 0x77, 0x76, 0x6f, 0x74, 0x65, 0x31, 0x0a, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03,
    0x02, 0x01, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb1, 0xe2, 0x91, 0x4f};

static void a_vote_is_written_as_these_bytes(void **state)
{
    uint8_t bytes[BW_VOTE_BYTES];

    (void)state;
    bw_vote_encode(vote, bytes);

    assert_memory_equal(bytes, file, sizeof file);
}

static void these_bytes_are_read_as_the_vote(void **state)
{
    struct bw_vote read = {0};
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_vote_decode(file, sizeof file, &read, &diag), BW_OK);

    assert_int_equal(read.term, vote.term);
    assert_int_equal(read.vote, vote.vote);
}

static void every_damaged_bit_is_refused(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof file; bit++) {
        uint8_t bytes[BW_VOTE_BYTES];
        struct bw_vote read = {.term = 9, .vote = 9};
        struct bw_diag diag = {0};

        memcpy(bytes, file, sizeof bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);

        assert_int_equal(bw_vote_decode(bytes, sizeof bytes, &read, &diag), BW_ERR_CORRUPT);
        assert_int_equal(read.term, 9);
        assert_int_equal(read.vote, 9);
    }
}

static void every_other_length_is_refused(void **state)
{
    uint8_t bytes[BW_VOTE_BYTES + 1] = {0};

    (void)state;
    memcpy(bytes, file, sizeof file);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct bw_vote read = {0};
        struct bw_diag diag = {0};

        assert_int_equal(bw_vote_decode(bytes, size, &read, &diag),
                         size == BW_VOTE_BYTES ? BW_OK : BW_ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_is_written_as_these_bytes),
        cmocka_unit_test(these_bytes_are_read_as_the_vote),
        cmocka_unit_test(every_damaged_bit_is_refused),
        cmocka_unit_test(every_other_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
