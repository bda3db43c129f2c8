/* CRC-32C: the examples of RFC 3720 appendix B.4, and the processor's instruction against the
 * table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/base/bytes.h>

static void assert_crc(const uint8_t *bytes, size_t size, uint32_t crc)
{
    assert_int_equal(bw_crc32c(0, bytes, size), crc);
    assert_int_equal(bw_crc32c_by_table(0, bytes, size), crc);
}

static void the_examples_of_the_rfc(void **state)
{
    uint8_t bytes[32];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_crc(bytes, sizeof bytes, 0x46dd794e);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_crc(bytes, sizeof bytes, 0x113fdb5c);
    assert_crc((const uint8_t *)"123456789", 9, 0xe3069283);
    assert_crc(bytes, 0, 0);
}

/* Wherever the bytes begin, however many they are, and at whichever byte the first part of two
 * ends. */
static void every_beginning_length_and_cut_gives_the_same(void **state)
{
    uint8_t bytes[96];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t from = 0; from < 9; from++)
        for (size_t size = 0; from + size <= sizeof bytes; size++) {
            const uint32_t crc = bw_crc32c_by_table(0, bytes + from, size);

            assert_int_equal(bw_crc32c(0, bytes + from, size), crc);
            for (size_t cut = 0; cut <= size; cut += 5)
                assert_int_equal(
                    bw_crc32c(bw_crc32c(0, bytes + from, cut), bytes + from + cut, size - cut),
                    crc);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc),
        cmocka_unit_test(every_beginning_length_and_cut_gives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
