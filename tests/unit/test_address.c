/* address: HOST:PORT is read one way only. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/net/address.h>

static void names_v4_and_bracketed_v6_are_read(void **state)
{
    struct bw_address address;
    struct sockaddr_storage socket_address;
    char text[BW_ADDRESS_TEXT_BYTES];

    (void)state;
    assert_int_equal(bw_address_parse("w1.example.net:7400", &address, NULL), BW_OK);
    assert_string_equal(address.host, "w1.example.net");
    assert_int_equal(address.port, 7400);
    assert_false(bw_address_is_numeric(&address, &socket_address));

    assert_int_equal(bw_address_parse("192.0.2.1:0", &address, NULL), BW_OK);
    assert_true(bw_address_is_numeric(&address, &socket_address));
    bw_address_format((const struct sockaddr *)&socket_address, text);
    assert_string_equal(text, "192.0.2.1:0");

    assert_int_equal(bw_address_parse("[2001:db8::1]:65535", &address, NULL), BW_OK);
    assert_true(bw_address_is_numeric(&address, &socket_address));
    bw_address_format((const struct sockaddr *)&socket_address, text);
    assert_string_equal(text, "[2001:db8::1]:65535");
}

static void everything_else_is_refused(void **state)
{
    const char *texts[] = {"", ":1", "a", "a:", "a:b", "a:65536", "a:-1", "a:1 ", "::1:7400",
                           "[::1]", "[]:1", "a:1:2", "a:+1", "a:0x10", "a/b:1", "a:000001",
                           "[::1:7400",
                           /* what a terminal or a log would obey */
                           "a b:1", "a\n:1", "\033[2J:1", "[\x7f]:1", "\xc2\x9b:1"};
    struct bw_address address;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (bw_address_parse(texts[i], &address, NULL) != BW_ERR_INVALID)
            fail_msg("accepted: %s", texts[i]);
        assert_false(bw_address_is_valid(texts[i]));
    }
    assert_true(bw_address_is_valid("b\xc3\xbc"
                                    "cher.example:7400"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_v4_and_bracketed_v6_are_read),
        cmocka_unit_test(everything_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
