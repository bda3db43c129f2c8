/* origin: who comes again and again from one place takes the places of his own, and nobody else's (design 5.3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/socket.h>

#include <breakwater/net/address.h>

static uint64_t origin(const char *text)
{
    struct sockaddr_storage socket_address = {0};
    struct bw_address address;

    assert_int_equal(bw_address_parse(text, &address, NULL), BW_OK);
    assert_true(bw_address_is_numeric(&address, &socket_address));
    return bw_origin_of((const struct sockaddr *)&socket_address);
}

static void port_is_no_part_of_an_origin(void **state)
{
    (void)state;

    assert_int_equal(origin("192.0.2.1:7401"), origin("192.0.2.1:40000"));
    assert_int_not_equal(origin("192.0.2.1:7401"), origin("192.0.2.2:7401"));
    assert_int_not_equal(origin("0.0.0.0:1"), origin("[::]:1"));
}

/* As a listener of both families sees it. */
static void ipv4_address_is_one_in_either_spelling(void **state)
{
    (void)state;

    assert_int_equal(origin("[::ffff:192.0.2.1]:7401"), origin("192.0.2.1:7401"));
    assert_int_not_equal(origin("[::ffff:192.0.2.1]:7401"), origin("[::ffff:192.0.2.2]:7401"));
}

static void network_of_64_bits_is_one_origin(void **state)
{
    (void)state;

    assert_int_equal(origin("[2001:db8:1:2::1]:1"), origin("[2001:db8:1:2:ffff::9]:2"));
    assert_int_not_equal(origin("[2001:db8:1:2::1]:1"), origin("[2001:db8:1:3::1]:1"));
}

static void other_family_has_no_origin(void **state)
{
    const struct sockaddr unix_socket = {.sa_family = AF_UNIX};

    (void)state;
    assert_int_equal(bw_origin_of(&unix_socket), 0);
}

static void oldest_of_the_origin_with_most_makes_room(void **state)
{
    static const uint64_t flood[] = {1, 7, 7, 2, 7, 3, 3};

    (void)state;
    assert_int_equal(bw_origin_victim(flood, sizeof flood / sizeof flood[0]), 1);
}

static void who_has_one_keeps_it_while_another_has_two(void **state)
{
    static const uint64_t slow[] = {1, 2, 3, 4, 4};

    (void)state;
    assert_int_equal(bw_origin_victim(slow, sizeof slow / sizeof slow[0]), 3);
}

static void among_equals_the_oldest_of_all_makes_room(void **state)
{
    static const uint64_t each[] = {5, 6, 7};
    static const uint64_t pairs[] = {9, 5, 6, 5, 6};

    (void)state;
    assert_int_equal(bw_origin_victim(each, 3), 0);
    assert_int_equal(bw_origin_victim(each, 1), 0);
    assert_int_equal(bw_origin_victim(pairs, 5), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_is_no_part_of_an_origin),
        cmocka_unit_test(ipv4_address_is_one_in_either_spelling),
        cmocka_unit_test(network_of_64_bits_is_one_origin),
        cmocka_unit_test(other_family_has_no_origin),
        cmocka_unit_test(oldest_of_the_origin_with_most_makes_room),
        cmocka_unit_test(who_has_one_keeps_it_while_another_has_two),
        cmocka_unit_test(among_equals_the_oldest_of_all_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
