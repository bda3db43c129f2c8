/* clock: the only place where time is read (design 1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>

static struct bw_instant noon(void)
{
    return (struct bw_instant){.boot_ns = 12, .raw_ns = 13};
}

/* Where the machine's clocks cannot be told apart, these can. */
static bool has_own_clocks;

int clock_gettime(clockid_t clock, struct timespec *out_time)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, out_time);

    if (has_own_clocks)
        *out_time = (struct timespec){.tv_sec = 1000 + clock};
    return result;
}

/* I1, 1: BOOTTIME counts suspend, RAW is not slewed; no other clock has either. */
static void an_instant_is_of_boottime_and_of_the_raw_clock(void **state)
{
    struct bw_instant now;

    (void)state;
    has_own_clocks = true;
    now = bw_clock_now();
    has_own_clocks = false;

    assert_int_equal(now.boot_ns / BW_NS_PER_S, 1000 + CLOCK_BOOTTIME);
    assert_int_equal(now.raw_ns / BW_NS_PER_S, 1000 + CLOCK_MONOTONIC_RAW);
}

static void clock_never_goes_back_on_either_member(void **state)
{
    struct bw_instant before = bw_clock_now();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct bw_instant now = bw_clock_now();

        assert_true(now.boot_ns >= before.boot_ns);
        assert_true(now.raw_ns >= before.raw_ns);
        before = now;
    }
}

static void clock_source_of_a_test_replaces_the_machines(void **state)
{
    (void)state;
    bw_clock_set_source(noon);
    assert_int_equal(bw_clock_now().boot_ns, 12);
    assert_int_equal(bw_clock_now().raw_ns, 13);
    bw_clock_set_source(NULL);
    assert_true(bw_clock_now().boot_ns > 13);
}

static void boot_id_and_time_namespace_are_known_and_stay(void **state)
{
    struct bw_id id, again;
    struct bw_diag diag = {0};
    uint64_t inode = 0;
    struct stat st;

    (void)state;
    assert_int_equal(bw_clock_boot_id(&id, &diag), BW_OK);
    assert_int_equal(bw_clock_boot_id(&again, &diag), BW_OK);
    assert_true(bw_id_equal(id, again));
    assert_false(bw_id_is_none(id));
    assert_int_equal(bw_clock_time_namespace(&inode, &diag), BW_OK);
    assert_int_equal(inode, stat("/proc/self/ns/time", &st) == 0 ? st.st_ino : 0);
}

static void machine_id_is_an_id_or_an_error_that_says_what_to_do(void **state)
{
    struct bw_id id = {{0}};
    struct bw_diag diag = {0};

    (void)state;
    if (bw_clock_machine_id(&id, &diag) == BW_OK) {
        assert_false(bw_id_is_none(id));
    } else {
        assert_int_equal(diag.err, BW_ERR_NOT_FOUND);
        assert_true(bw_id_is_none(id));
    }
}

static void random_ids_differ(void **state)
{
    struct bw_id a = bw_random_id();
    struct bw_id b = bw_random_id();

    (void)state;
    assert_false(bw_id_is_none(a));
    assert_false(bw_id_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_is_of_boottime_and_of_the_raw_clock),
        cmocka_unit_test(clock_never_goes_back_on_either_member),
        cmocka_unit_test(clock_source_of_a_test_replaces_the_machines),
        cmocka_unit_test(boot_id_and_time_namespace_are_known_and_stay),
        cmocka_unit_test(machine_id_is_an_id_or_an_error_that_says_what_to_do),
        cmocka_unit_test(random_ids_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
