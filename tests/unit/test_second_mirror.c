/* second_mirror: what a second enforcer that begins takes from what a predecessor has kept (3.4).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/machine/second.h>

static struct bw_second_mirror_group kept[2];
static struct bw_second_mirror_file found, own;

static int begin(void **state)
{
    (void)state;
    kept[0] = (struct bw_second_mirror_group){.name = "db", .mirror = {.epoch = 7}};
    kept[1] = (struct bw_second_mirror_group){.name = "web", .mirror = {.epoch = 9}};
    own = (struct bw_second_mirror_file){.site = "north", .boot_id = {{1, 2}}, .time_namespace = 5};
    found = own;
    found.groups = kept;
    found.group_count = 2;
    return 0;
}

static uint64_t epoch_of(const char *group)
{
    return bw_second_mirror_of(&found, &own, group).epoch;
}

static void each_group_finds_its_own(void **state)
{
    (void)state;
    assert_int_equal(epoch_of("db"), 7);
    assert_int_equal(epoch_of("web"), 9);
    assert_int_equal(epoch_of("d"), 0);
}

static void what_other_clocks_meant_is_nothing_here(void **state)
{
    (void)state;
    found.boot_id.bytes[1]++;
    assert_int_equal(epoch_of("db"), 0);
    begin(NULL);
    found.time_namespace++;
    assert_int_equal(epoch_of("db"), 0);
}

static void what_another_site_has_kept_is_nothing_here(void **state)
{
    (void)state;
    strcpy(found.site, "south");
    assert_int_equal(epoch_of("db"), 0);
}

static void where_nothing_was_read_nothing_is_known(void **state)
{
    (void)state;
    found = (struct bw_second_mirror_file){0};
    assert_int_equal(epoch_of("db"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_group_finds_its_own, begin),
        cmocka_unit_test_setup(what_other_clocks_meant_is_nothing_here, begin),
        cmocka_unit_test_setup(what_another_site_has_kept_is_nothing_here, begin),
        cmocka_unit_test_setup(where_nothing_was_read_nothing_is_known, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
